// SPDX-License-Identifier: GPL-2.0
/*
 * QUIESCE_DEV (control.rst C-97 to C-100, lifecycle.rst L-56, L-105), and where
 * this driver differs from mainline's: I-5, I-40. The tests do not try with
 * mainline's driver what would crash it.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/server_proc.h"
#include "lib/recovery.h"

#define QUIESCE	UBLK_U_CMD_QUIESCE_DEV
#define WIN	RAW_WIN_START

FIXTURE(quiesce) {
	struct fixture t;
	int id, lost, tags;
};

FIXTURE_VARIANT(quiesce) {
	int queues, depth;
	__u64 flags;
};

FIXTURE_VARIANT_ADD(quiesce, hold_q1) {
	.queues = 1, .depth = 2, .flags = UBLK_F_USER_RECOVERY,
};

FIXTURE_VARIANT_ADD(quiesce, reissue_q2_get_data) {
	.queues = 2, .depth = 4,
	.flags = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE |
		 UBLK_F_NEED_GET_DATA,
};

FIXTURE_VARIANT_ADD(quiesce, fail_q1) {
	.queues = 1, .depth = 2,
	.flags = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_FAIL_IO,
};

FIXTURE_SETUP(quiesce)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags | UBLK_F_QUIESCE);
	ASSERT_EQ(0, fx_add(t, variant->queues, variant->depth,
			    variant->flags | UBLK_F_QUIESCE));
	self->id = t->info.dev_id;
	self->lost = rec_lost_state(variant->flags);
	self->tags = t->info.nr_hw_queues * variant->depth;
}

FIXTURE_TEARDOWN_PARENT(quiesce)
{
	FX_TEARDOWN(&self->t);
}

static int live(struct fixture *t)
{
	int ret = rec_begin(t);

	return ret ? ret : fx_start(t);
}

static int quiesce(struct fixture *t, __u64 ms)
{
	return raw_dev_cmd(&t->ctl, QUIESCE, t->info.dev_id, ms);
}

static int start_read(struct fixture *t, int n)
{
	return client_blk(t->client, t->info.dev_id, CLIENT_READ,
			  WIN + 65536 * n, 4096, 4096 * n);
}

static bool fails(struct fixture *t)
{
	return t->info.flags & UBLK_F_USER_RECOVERY_FAIL_IO;
}

/* covers: C-97a */
TEST_F(quiesce, C_97a_without_the_flag)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 2, UBLK_F_USER_RECOVERY));
	EXPECT_EQ(-EOPNOTSUPP, quiesce(t, 0));
	ASSERT_EQ(0, live(t));
	EXPECT_EQ(-EOPNOTSUPP, quiesce(t, 0));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
}

/* covers: C-97b */
TEST_F(quiesce, C_97b_dead_device)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;

	EXPECT_EQ(-ENODEV, quiesce(t, 0));
	ASSERT_EQ(0, rec_begin(t));
	EXPECT_EQ(-ENODEV, quiesce(t, 100));
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &ev, RAW_QUIET_MS));
	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_EQ(-ENODEV, quiesce(t, 0));
}

/* covers: C-97d C-97g C-97e C-100 L-56 L-31 L-50 D-30 F-19 */
TEST_F(quiesce, C_97g_idle_server_is_replaced)
{
	struct fixture *t = &self->t;
	int job, i;

	ASSERT_EQ(0, live(t));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, quiesce(t, i ? 1000 : 0));
		EXPECT_EQ(self->tags, raw_collect_abort(&t->ring,
							RAW_DEADLINE_MS));
		/*
		 * The queues cancel, but the state changes only when the server
		 * leaves.
		 */
		EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
		job = start_read(t, 0);
		if (fails(t)) {
			EXPECT_EQ(-EIO, client_wait(t->client, job,
						    RAW_DEADLINE_MS));
		} else {
			EXPECT_TRUE(rec_waits(t, job));
		}
		ASSERT_EQ(0, rec_lose(t));
		EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
		ASSERT_EQ(0, rec_recover(t));
		EXPECT_EQ(fails(t) ? -EIO : 4096,
			  client_wait_serving(t->client, job, &t->ring,
					      RAW_DEADLINE_MS));
		EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, WIN, 4096, 0));
	}
}

/* covers: C-97c I-5 D-74 */
TEST_F(quiesce, I_5_with_a_new_server_attached)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, rec_lose(t));
	EXPECT_EQ(0, quiesce(t, 0)) TH_LOG("there is no server to notify");
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	if (running_on_mainline())
		SKIP(return, "mainline takes the new server's commands, then crashes");
	ASSERT_EQ(0, rec_begin(t));
	EXPECT_EQ(0, quiesce(t, 0));
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &ev, RAW_QUIET_MS));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
	EXPECT_EQ(0, quiesce(t, 0));
	ASSERT_EQ(0, rec_end(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
}

/* covers: C-97e I-40 */
TEST_F(quiesce, C_97e_large_timeout)
{
	struct fixture *t = &self->t;

	if (running_on_mainline())
		SKIP(return, "mainline takes 2^32 ms for 0 ms");
	ASSERT_EQ(0, live(t));
	EXPECT_EQ(0, quiesce(t, 1ULL << 32));
	EXPECT_EQ(self->tags, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(0, quiesce(t, ~0ULL)) TH_LOG("again, while the server leaves");
}

/* covers: C-99 I-40 F-20 L-56 D-58 */
TEST_F(quiesce, I_40_rearmed_commands_are_answered)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, n = 0;
	long end;

	ASSERT_EQ(0, live(t));
	job = start_read(t, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	ASSERT_EQ(0, quiesce(t, 0));
	EXPECT_EQ(self->tags - 1, raw_collect_abort(&t->ring,
						    RAW_DEADLINE_MS));
	EXPECT_FALSE(client_done(t->client, job));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	end = raw_now_ms() + (running_on_mainline() ? RAW_QUIET_MS :
						      RAW_DEADLINE_MS);
	while (!n && raw_now_ms() < end)
		n = !raw_event(&t->ring, &ev, 10) &&
		    ev.res == UBLK_IO_RES_ABORT;
	if (running_on_mainline() && !n)
		SKIP(return, "mainline forgets the command that the commit armed");
	EXPECT_EQ(1, n);
	ASSERT_EQ(0, rec_lose(t));
	ASSERT_EQ(0, rec_recover(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
}

/* Let the server own all tags of one CPU's queue. */
static int own_queue(struct fixture *t, int *jobs, struct raw_ev *evs)
{
	int cpu = rec_queue_cpu(t, 0), i, ret;

	for (i = 0; i < t->info.queue_depth; i++) {
		jobs[i] = rec_blk_on_cpu(t, cpu, CLIENT_READ, WIN + 65536 * i,
					 4096);
		ret = raw_request(&t->ring, &evs[i], RAW_DEADLINE_MS);
		if (ret)
			return ret;
	}
	return 0;
}

/* covers: C-97f C-98 I-40 */
TEST_F(quiesce, I_40_busy_server_timeout_is_undone)
{
	struct fixture *t = &self->t;
	int jobs[4], i, ret, later;
	struct raw_ev evs[4], ev;
	long start;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_queue(t, jobs, evs));
	start = raw_now_ms();
	ret = quiesce(t, 200);
	if (running_on_mainline()) {
		EXPECT_EQ(0, ret) TH_LOG("mainline does not wait");
		SKIP(return, "mainline never waits, and does not notify this queue");
	}
	EXPECT_EQ(-EBUSY, ret);
	/* Jiffies may be late in a guest on a busy machine. */
	EXPECT_LE(100, raw_now_ms() - start);
	EXPECT_GT(RAW_DEADLINE_MS, raw_now_ms() - start);
	/* The device works as if the command had not been sent. */
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &ev, RAW_QUIET_MS));
	later = start_read(t, 8);
	for (i = 0; i < variant->depth; i++) {
		ASSERT_EQ(0, raw_serve(&t->ring, &evs[i]));
		EXPECT_EQ(4096, client_wait(t->client, jobs[i],
					    RAW_DEADLINE_MS));
	}
	EXPECT_EQ(4096, client_wait_serving(t->client, later, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, WIN, 4096, 0));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-97f C-97g I-40 */
TEST_F(quiesce, I_40_waits_for_an_idle_tag)
{
	struct fixture *t = &self->t;
	int jobs[4], i, quiesced;
	struct raw_ev evs[4];
	long end;

	if (running_on_mainline())
		SKIP(return, "mainline never waits, and does not notify this queue");
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_queue(t, jobs, evs));
	end = raw_now_ms() + RAW_DEADLINE_MS;
	do {
		ASSERT_GT(end, raw_now_ms());
		quiesced = client_ctrl(t->client, QUIESCE, self->id, 0);
		usleep(RAW_QUIET_MS * 1000);
		EXPECT_EQ(-EBUSY, quiesce(t, 100)) TH_LOG("one at a time");
		/*
		 * The client's command may have come second and failed instead.
		 */
	} while (!rec_waits(t, quiesced));
	for (i = 0; i < variant->depth; i++) {
		ASSERT_EQ(0, raw_serve(&t->ring, &evs[i]));
		EXPECT_EQ(4096, client_wait(t->client, jobs[i],
					    RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, client_wait(t->client, quiesced, RAW_DEADLINE_MS));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	ASSERT_EQ(0, rec_lose(t));
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
}

/* covers: C-97f C-98 I-40 */
TEST_F(quiesce, I_40_interrupted_is_undone)
{
	struct fixture *t = &self->t;
	struct raw_ev evs[4];
	int jobs[4], i;

	if (running_on_mainline())
		SKIP(return, "mainline never waits");
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_queue(t, jobs, evs));
	EXPECT_EQ(-EINTR, rec_canceled(t, QUIESCE, 0));
	for (i = 0; i < variant->depth; i++) {
		ASSERT_EQ(0, raw_serve(&t->ring, &evs[i]));
		EXPECT_EQ(4096, client_wait(t->client, jobs[i],
					    RAW_DEADLINE_MS));
	}
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, WIN, 4096, 0));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: L-105 C-100 L-20 */
TEST_F(quiesce, L_105_server_dies_after_quiesce)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	bool reissued;
	int job;

	s = server_launch(&t->info, SERVER_HOLD_WINDOW, false);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, self->id,
				 s->pid));
	job = start_read(t, 0);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	ASSERT_EQ(0, quiesce(t, 0));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	ASSERT_EQ(0, rec_start(t));
	/* The request is held, or fails at once. */
	reissued = variant->flags & UBLK_F_USER_RECOVERY_REISSUE;
	if (reissued) {
		EXPECT_TRUE(rec_waits(t, job));
	} else {
		EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	}
	ASSERT_EQ(0, rec_recover(t));
	EXPECT_EQ(reissued ? 4096 : -EIO,
		  client_wait_serving(t->client, job, &t->ring,
				      RAW_DEADLINE_MS));
}

/* covers: C-97g C-82 L-44 */
TEST_F(quiesce, C_97g_then_stop)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, late, stop;

	ASSERT_EQ(0, live(t));
	job = start_read(t, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	ASSERT_EQ(0, quiesce(t, 0));
	late = start_read(t, 1);
	if (fails(t)) {
		EXPECT_EQ(-EIO, client_wait(t->client, late, RAW_DEADLINE_MS));
	} else {
		EXPECT_TRUE(fx_arrived(t, late, 2));
	}
	stop = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, self->id, 0);
	EXPECT_TRUE(rec_waits(t, stop)) TH_LOG("it waits for the request that the server owns");
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(0, client_wait_serving(t->client, stop, &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-EIO, client_wait(t->client, late, RAW_DEADLINE_MS));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
}

TEST_HARNESS_MAIN
