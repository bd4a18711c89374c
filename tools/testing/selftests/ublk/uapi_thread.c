// SPDX-License-Identifier: GPL-2.0
/*
 * A thread of the server exits and the process goes on: what was on its way to
 * that thread is held or fails, and the other threads serve on (data.rst D-70,
 * lifecycle.rst I-1, I-26, I-70). io_uring keeps the task work of a ring with
 * DEFER_TASKRUN as long as the process has the ring open.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include "kselftest_harness.h"
#include "lib/fixture_batch.h"
#include "lib/recovery.h"

#define WIN	RAW_WIN_START
#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

/* A thread that sends its commands and exits when it is told to. */
struct leaver {
	struct fixture_batch *u;
	struct raw_ring ring;
	struct raw_batch b;
	int ready, leave;
	pthread_t id;
};

static int leaver_fetch(struct leaver *l)
{
	struct fixture *t = &l->u->t;
	int ret;

	if (!(t->info.flags & UBLK_F_BATCH_IO)) {
		ret = raw_ring_open(&l->ring, &t->srv, DEFER);
		return ret ? ret : raw_fetch_all(&l->ring);
	}
	ret = raw_batch_open(&l->b, &t->srv, DEFER);
	if (!ret)
		ret = raw_group_open(&l->b, 0, 4, 64, 0);
	if (!ret)
		ret = raw_batch_fetch(&l->b, 0, 0);
	return ret < 0 ? ret : 0;
}

static void *leaver_run(void *arg)
{
	struct leaver *l = arg;
	int ret = leaver_fetch(l);

	__atomic_store_n(&l->ready, ret ? ret : 1, __ATOMIC_RELEASE);
	/* Nothing here enters the ring. */
	while (!__atomic_load_n(&l->leave, __ATOMIC_ACQUIRE))
		;
	return NULL;
}

static int leaver_start(struct leaver *l, struct fixture_batch *u)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int ready;

	memset(l, 0, sizeof(*l));
	l->u = u;
	if (pthread_create(&l->id, NULL, leaver_run, l))
		return -EAGAIN;
	do {
		usleep(1000);
		ready = __atomic_load_n(&l->ready, __ATOMIC_ACQUIRE);
	} while (!ready && raw_now_ms() < end);
	return ready == 1 ? 0 : ready ? ready : RAW_TIMEOUT;
}

static void leaver_leave(struct leaver *l)
{
	__atomic_store_n(&l->leave, 1, __ATOMIC_RELEASE);
	pthread_join(l->id, NULL);
}

FIXTURE(thread) {
	struct fixture_batch u;
	struct leaver l;
};

FIXTURE_SETUP(thread)
{
	FX_SETUP(&self->u.t, UBLK_F_BATCH_IO | UBLK_F_USER_RECOVERY);
	if (running_on_mainline())
		SKIP(return, "on mainline these requests wait for the process");
}

FIXTURE_TEARDOWN_PARENT(thread)
{
	FX_TEARDOWN(&self->u.t);
}

static int start(struct fixture *t)
{
	return client_wait(t->client,
			   client_ctrl(t->client, UBLK_U_CMD_START_DEV,
				       t->info.dev_id, getpid()),
			   RAW_DEADLINE_MS);
}

/* A device whose only thread is the leaver, with two reads on their way to it. */
static int read_from_leaver(struct fixture *t, struct fixture_batch *u,
			    struct leaver *l, __u64 flags, int *jobs)
{
	int ret = fx_add(t, 1, 8, flags | UBLK_F_NO_AUTO_PART_SCAN), i;

	if (!ret)
		ret = raw_srv_open(&t->srv, &t->info);
	if (!ret)
		ret = leaver_start(l, u);
	if (!ret)
		ret = start(t);
	for (i = 0; i < 2 && !ret; i++) {
		jobs[i] = client_blk(t->client, t->info.dev_id, CLIENT_READ,
				     WIN + 65536 * i, 4096, 0);
		ret = jobs[i] < 0 ? jobs[i] : 0;
	}
	if (!ret && !fx_inflight(t, 2))
		ret = RAW_TIMEOUT;
	return ret;
}

/* covers: I-70 D-70 */
TEST_F(thread, I_70_requests_fail)
{
	struct fixture *t = &self->u.t;
	int jobs[2];

	ASSERT_EQ(0, read_from_leaver(t, &self->u, &self->l, 0, jobs));
	leaver_leave(&self->l);
	EXPECT_EQ(-EIO, client_wait(t->client, jobs[0], RAW_DEADLINE_MS));
	EXPECT_EQ(-EIO, client_wait(t->client, jobs[1], RAW_DEADLINE_MS));
	/* Later ones fail, too, with whatever tag. */
	EXPECT_EQ(-EIO, client_wait(t->client,
				    client_blk(t->client, t->info.dev_id,
					       CLIENT_READ, WIN, 4096, 0),
				    RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, t->info.dev_id));
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_STOP_DEV, t->info.dev_id,
				 0));
	raw_ring_close(&self->l.ring);
}

/* covers: I-70 D-70 L-1 */
TEST_F(thread, I_70_requests_are_held)
{
	struct fixture *t = &self->u.t;
	int jobs[2], i;

	ASSERT_EQ(0, read_from_leaver(t, &self->u, &self->l,
				      UBLK_F_USER_RECOVERY, jobs));
	leaver_leave(&self->l);
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, jobs[0], RAW_QUIET_MS));
	/* The ring goes, and with it the session. */
	raw_ring_close(&self->l.ring);
	raw_srv_close(&t->srv);
	memset(&t->srv, 0, sizeof(t->srv));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_QUIESCED));
	EXPECT_FALSE(client_done(t->client, jobs[1]));
	/* The next server gets them. */
	ASSERT_EQ(0, rec_start(t));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, rec_end(t));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(4096, client_wait_serving(t->client, jobs[i], &t->ring,
						    RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: I-70 L-34 */
TEST_F(thread, I_70_a_stop_ends_held_requests)
{
	struct fixture *t = &self->u.t;
	int jobs[2];

	ASSERT_EQ(0, read_from_leaver(t, &self->u, &self->l,
				      UBLK_F_USER_RECOVERY, jobs));
	leaver_leave(&self->l);
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, jobs[0], RAW_QUIET_MS));
	EXPECT_EQ(0, client_wait(t->client,
				 client_ctrl(t->client, UBLK_U_CMD_STOP_DEV,
					     t->info.dev_id, 0),
				 RAW_DEADLINE_MS));
	EXPECT_EQ(-EIO, client_wait(t->client, jobs[0], RAW_DEADLINE_MS));
	EXPECT_EQ(-EIO, client_wait(t->client, jobs[1], RAW_DEADLINE_MS));
	raw_ring_close(&self->l.ring);
}

/*
 * Two threads fetch; the one whose command is active leaves.
 *
 * covers: I-70 I-26 I-44
 */
TEST_F(thread, I_70_another_command_gets_the_request)
{
	struct fixture_batch *u = &self->u;
	struct fixture *t = &u->t;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_add(t, 1, 8, UBLK_F_BATCH_IO |
			    UBLK_F_NO_AUTO_PART_SCAN));
	ASSERT_EQ(0, fxb_serve(u, 0));
	ASSERT_EQ(0, raw_batch_prep_all(&u->b));
	ASSERT_EQ(0, start(t));
	/* Its command comes first, so it becomes the active one. */
	ASSERT_EQ(0, leaver_start(&self->l, u));
	ASSERT_EQ(0, fxb_fetch_all(u));
	job = client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, 4096, 0);
	ASSERT_LE(0, job);
	ASSERT_TRUE(fx_inflight(t, 1));
	EXPECT_EQ(RAW_TIMEOUT, raw_batch_request(&u->b, &ev, RAW_QUIET_MS));
	leaver_leave(&self->l);
	/* This thread gets the request, and those that follow. */
	EXPECT_EQ(4096, fxb_wait(u, job));
	job = client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, 4096, 0);
	EXPECT_EQ(4096, fxb_wait(u, job));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, t->info.dev_id));
	EXPECT_EQ(0, fxb_stop(u));
	raw_batch_close(&self->l.b);
}

/* covers: I-70 I-44 */
TEST_F(thread, I_70_a_later_command_gets_the_request)
{
	struct fixture_batch *u = &self->u;
	struct fixture *t = &u->t;
	int job;

	ASSERT_EQ(0, fx_add(t, 1, 8, UBLK_F_BATCH_IO |
			    UBLK_F_NO_AUTO_PART_SCAN));
	ASSERT_EQ(0, fxb_serve(u, 0));
	ASSERT_EQ(0, raw_batch_prep_all(&u->b));
	ASSERT_EQ(0, start(t));
	ASSERT_EQ(0, leaver_start(&self->l, u));
	job = client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, 4096, 0);
	ASSERT_TRUE(fx_inflight(t, 1));
	leaver_leave(&self->l);
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, job, RAW_QUIET_MS));
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(4096, fxb_wait(u, job));
	EXPECT_EQ(0, fxb_stop(u));
	raw_batch_close(&self->l.b);
}

TEST_HARNESS_MAIN
