// SPDX-License-Identifier: GPL-2.0
/*
 * How batch devices end (data.rst D-171, D-178, D-185, D-195; lifecycle.rst L-1,
 * L-2): canceled fetch commands, undone preparation, stop, quiesce, servers
 * that leave with requests in every state, the next servers, and threads that
 * leave their fetch commands behind.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <pthread.h>
#include "kselftest_harness.h"
#include "lib/recovery.h"
#include "lib/fixture_batch.h"

#define WIN	RAW_WIN_START
#define UR	UBLK_F_USER_RECOVERY
#define REISSUE	(UR | UBLK_F_USER_RECOVERY_REISSUE)
#define FAIL_IO	(UR | UBLK_F_USER_RECOVERY_FAIL_IO)
#define QUIESCE	UBLK_U_CMD_QUIESCE_DEV
#define STOP	UBLK_U_CMD_STOP_DEV

FIXTURE(life) {
	struct fixture_batch u;
	struct raw_batch *b;
	int id;
};

FIXTURE_VARIANT(life) {
	__u64 flags;
};

FIXTURE_VARIANT_ADD(life, plain) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(life, recovery) {
	.flags = UR,
};

FIXTURE_VARIANT_ADD(life, reissue) {
	.flags = REISSUE,
};

FIXTURE_VARIANT_ADD(life, fail_io) {
	.flags = FAIL_IO,
};

FIXTURE_SETUP(life)
{
	struct fixture_batch *u = &self->u;
	__u64 flags = variant->flags;

	FX_SETUP(&u->t, UBLK_F_BATCH_IO | flags);
	if (flags)
		flags |= u->t.features & UBLK_F_QUIESCE;
	self->b = &u->b;
	ASSERT_EQ(0, fx_add(&u->t, 1, 8, UBLK_F_BATCH_IO | flags));
	self->id = u->t.info.dev_id;
	ASSERT_EQ(0, fxb_serve(u, 0));
}

FIXTURE_TEARDOWN_PARENT(life)
{
	FX_TEARDOWN(&self->u.t);
}

/* A LIVE device without a fetch command. */
static int live(struct fixture_batch *u)
{
	int ret = raw_batch_prep_all(&u->b);

	if (!ret)
		ret = fxb_start(u);
	return ret ? ret : fxb_no_scheduler(u);
}

/* The result of a fetch command that is refused; RAW_TIMEOUT if it waits. */
static int refused(struct raw_batch *b, int ms)
{
	struct raw_bev ev;
	int ret = raw_batch_fetch(b, 0, 0);

	if (ret > 0)
		ret = raw_batch_event(b, &ev, ms);
	return ret ? ret : ev.res;
}

static bool holds(__u64 flags)
{
	return flags == UR || flags == REISSUE;
}

/* The request of @job is held or fails, as the device's flags say. */
static bool as_policy(struct fixture_batch *u, __u64 flags, int job)
{
	if (holds(flags))
		return fxb_waits(u, job);
	return client_wait(u->t.client, job, RAW_DEADLINE_MS) == -EIO;
}

static int read_job(struct fixture_batch *u, int where)
{
	return fxb_blk(u, CLIENT_READ, WIN + where * FXB_STEP, 4096);
}

static const int steps[] = { 0, 1, 2, 3, 4, 5, 6, 7 };

/* covers: D-190 D-185 D-195 D-71 L-31 L-33 */
TEST_F(life, D_185_after_a_cancel)
{
	struct raw_batch *other = calloc(1, sizeof(*other));
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct fixture_batch *u = &self->u;
	int ret, job;

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, raw_batch_open(other, &u->t.srv, 0));
	ASSERT_EQ(0, raw_group_open(other, 0, 2, 64, 0));
	ASSERT_LT(0, raw_batch_fetch(other, 0, 0));
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	raw_batch_close(other);
	/* io_uring releases the ring a little later. */
	do {
		ret = refused(self->b, 20);
	} while (ret == RAW_TIMEOUT && raw_now_ms() < end);
	EXPECT_EQ(-ENODEV, ret);
	job = read_job(u, 0);
	EXPECT_TRUE(as_policy(u, variant->flags, job));
	/* The tags have not changed. */
	EXPECT_EQ(-EBUSY, raw_batch_prep(self->b, 0, 0, 1));
	EXPECT_EQ(-EBUSY, raw_batch_commit(self->b, 0, 0, 0));
	EXPECT_EQ(0, fxb_stop(u));
	EXPECT_EQ(-ENODEV, refused(self->b, RAW_DEADLINE_MS));
}

/* covers: D-178 D-185 D-195 D-170 L-40 L-43 D-58 */
TEST_F(life, D_195_stop)
{
	struct fixture_batch *u = &self->u;
	struct raw_ev ev;
	int job, stop;

	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, fxb_fetch_all(u));
	ASSERT_EQ(0, fxb_fetch_all(u));
	ASSERT_EQ(0, fxb_request(u, CLIENT_READ, WIN, 4096, &job, &ev));
	stop = client_ctrl(u->t.client, STOP, self->id, 0);
	EXPECT_TRUE(fxb_waits(u, stop)) TH_LOG("the server owns a request");
	EXPECT_FALSE(client_done(u->t.client, job));
	EXPECT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, 4096));
	EXPECT_EQ(4096, client_wait(u->t.client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, client_wait(u->t.client, stop, RAW_DEADLINE_MS));
	EXPECT_EQ(2, raw_batch_collect_abort(self->b, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&u->t.ctl, self->id));
	EXPECT_EQ(-ENODEV, refused(self->b, RAW_DEADLINE_MS));
	EXPECT_EQ(-ENODEV, raw_batch_prep(self->b, 0, 0, 1));
	EXPECT_EQ(-EBUSY, raw_batch_commit(self->b, 0, ev.tag, 0));
	/* The next session works. */
	fxb_close(u);
	ASSERT_EQ(0, fxb_serve(u, 0));
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(4096, fxb_wait(u, read_job(u, 1)));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-195 L-44 I-26 I-44 */
TEST_F(life, L_44_stop_with_queued_requests)
{
	struct fixture_batch *u = &self->u;
	int jobs[2], stop;

	if (holds(variant->flags) && running_on_mainline())
		SKIP(return, "mainline cannot fetch queued requests any more");
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, steps, 2, jobs));
	stop = client_ctrl(u->t.client, STOP, self->id, 0);
	EXPECT_TRUE(fxb_waits(u, stop) || holds(variant->flags));
	/* Delivered or failed, but not lost. */
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(0, fxb_wait(u, stop));
	EXPECT_NE(RAW_TIMEOUT, fxb_wait(u, jobs[0]));
	EXPECT_NE(RAW_TIMEOUT, fxb_wait(u, jobs[1]));
	if (!holds(variant->flags)) {
		EXPECT_EQ(4096, u->t.client->jobs[jobs[0]].res);
		EXPECT_EQ(4096, u->t.client->jobs[jobs[1]].res);
	}
}

/* covers: L-103 L-20 L-23 D-195 */
TEST_F(life, L_103_stopped_and_gone_without_a_fetch_command)
{
	struct fixture_batch *u = &self->u;
	int jobs[2], stop, i;

	/*
	 * Queued requests end with the session, once, and leave nothing behind.
	 */
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, steps, 2, jobs));
	stop = client_ctrl(u->t.client, STOP, self->id, 0);
	EXPECT_TRUE(fxb_waits(u, stop));
	fxb_close(u);
	EXPECT_EQ(0, client_wait(u->t.client, stop, RAW_DEADLINE_MS));
	for (i = 0; i < 2; i++) {
		long ret = client_wait(u->t.client, jobs[i], RAW_DEADLINE_MS);

		EXPECT_TRUE(ret == -EIO ||
			    (running_on_mainline() && ret != RAW_TIMEOUT))
			TH_LOG("job %d: %ld", i, ret);
	}
	ASSERT_EQ(0, fxb_serve(u, 0));
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(4096, fxb_wait(u, read_job(u, 1)));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-195 D-178 D-185 C-97d C-97g C-100 L-56 I-26 */
TEST_F(life, D_195_quiesce)
{
	struct fixture_batch *u = &self->u;
	struct raw_ev ev;
	int job, more;
	bool held;

	if (!variant->flags || !(u->t.info.flags & UBLK_F_QUIESCE))
		SKIP(return, "not with these flags");
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, fxb_fetch_all(u));
	ASSERT_EQ(0, fxb_request(u, CLIENT_READ, WIN, 4096, &job, &ev));
	EXPECT_EQ(0, raw_dev_cmd(&u->t.ctl, QUIESCE, self->id, 5000));
	EXPECT_EQ(1, raw_batch_collect_abort(self->b, RAW_DEADLINE_MS));
	EXPECT_EQ(-ENODEV, refused(self->b, RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, 4096));
	EXPECT_EQ(4096, client_wait(u->t.client, job, RAW_DEADLINE_MS));
	more = read_job(u, 1);
	held = holds(variant->flags) && !running_on_mainline();
	if (held) {
		EXPECT_TRUE(fxb_waits(u, more));
	} else {
		EXPECT_EQ(-EIO,
			  client_wait(u->t.client, more, RAW_DEADLINE_MS));
	}
	ASSERT_EQ(0, fxb_lose(u));
	ASSERT_EQ(0, fxb_recover(u));
	if (held)
		EXPECT_EQ(4096, fxb_wait(u, more));
	EXPECT_EQ(4096, fxb_wait(u, read_job(u, 2)));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: L-1 L-2 L-20 L-23 D-195 I-26 */
TEST_F(life, L_2_server_goes_with_requests_in_every_state)
{
	bool keeps = holds(variant->flags) && !running_on_mainline();
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;
	int jobs[4], i;

	/* The server gets two requests, two wait for a fetch command. */
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, raw_group_open(self->b, 1, 2, 2, 0));
	self->b->groups[1].keep = true;
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, steps, 4, jobs));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, raw_batch_event(self->b, &ev, RAW_DEADLINE_MS));
		EXPECT_EQ(i < 2 ? 2 : -ENOBUFS, ev.res);
	}
	for (i = 0; i < 4; i++)
		EXPECT_FALSE(client_done(u->t.client, jobs[i]));
	fxb_close(u);
	EXPECT_EQ(0, raw_wait_state(&u->t.ctl, self->id,
				    rec_lost_state(variant->flags)));
	for (i = 0; i < 4; i++) {
		bool kept = variant->flags == REISSUE || (keeps && i >= 2);

		if (kept) {
			EXPECT_TRUE(fxb_waits(u, jobs[i])) TH_LOG("job %d", i);
		} else {
			EXPECT_EQ(-EIO, client_wait(u->t.client, jobs[i],
						    REC_FAST_MS));
		}
	}
	if (!variant->flags)
		return;
	memset(u->t.client->data, 0, FXB_STEP * 4);
	memset(u->t.srv.store + WIN, 'n', FXB_STEP * 4);
	ASSERT_EQ(0, rec_start(&u->t));
	ASSERT_EQ(0, fxb_recover(u));
	for (i = 0; i < 4; i++) {
		if (variant->flags != REISSUE && (!keeps || i < 2))
			continue;
		EXPECT_EQ(4096, fxb_wait(u, jobs[i]));
		EXPECT_EQ('n', u->t.client->data[i * FXB_STEP + 4095]);
	}
	EXPECT_EQ(4096, fxb_wait(u, read_job(u, 5)));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-185 D-194 D-239 L-50 L-52 */
TEST_F(life, D_194_later_sessions_prepare_first)
{
	struct fixture_batch *u = &self->u;
	int held = -1, job;
	struct raw_ev ev;

	if (!variant->flags)
		SKIP(return, "no recovery");
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(4096, fxb_wait(u, read_job(u, 0)));
	ASSERT_EQ(0, fxb_lose(u));
	if (holds(variant->flags)) {
		held = read_job(u, 1);
		EXPECT_TRUE(fx_arrived(&u->t, held, 1));
		EXPECT_TRUE(fxb_waits(u, held));
	}
	ASSERT_EQ(0, fxb_serve(u, 0));
	EXPECT_EQ(-ENODEV, refused(self->b, RAW_DEADLINE_MS));
	ASSERT_EQ(0, raw_batch_prep(self->b, 0, 0, 7));
	EXPECT_EQ(-ENODEV, refused(self->b, RAW_DEADLINE_MS));
	ASSERT_EQ(0, raw_batch_prep(self->b, 0, 7, 1));
	EXPECT_EQ(RAW_TIMEOUT, refused(self->b, RAW_QUIET_MS));
	/*
	 * The queue is ready: it delivers new requests now, held ones after
	 * END_USER_RECOVERY.
	 */
	job = read_job(u, 2);
	ASSERT_EQ(0, raw_batch_request(self->b, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(2, fxb_where(&ev.iod));
	EXPECT_EQ(0, raw_batch_serve(self->b, &ev));
	EXPECT_EQ(4096, fxb_wait(u, job));
	EXPECT_EQ(rec_lost_state(variant->flags),
		  raw_state(&u->t.ctl, self->id));
	EXPECT_EQ(0, fxb_end_recovery(u));
	if (held >= 0)
		EXPECT_EQ(4096, fxb_wait(u, held));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-171 D-185 I-27 L-31 L-32 */
TEST_F(life, D_171_preparation_undone)
{
	struct fixture_batch *u = &self->u;
	struct raw_elem e[2];
	int ret, i;

	ASSERT_EQ(0, raw_batch_prep(self->b, 0, 0, 7));
	/* Tag 7 makes the queue ready; the second element is refused. */
	for (i = 0; i < 2; i++)
		e[i] = (struct raw_elem) {
			.tag = 7, .buf_addr = (uintptr_t)raw_buf(&u->t.srv, 0,
								 7),
		};
	ret = raw_batch_elems(self->b, RAW_PREP, 0, e, 2);
	if (running_on_mainline()) {
		EXPECT_EQ(-EBUSY, ret);
		EXPECT_EQ(-ENODEV, refused(self->b, RAW_DEADLINE_MS));
	} else {
		EXPECT_TRUE(ret == -EBUSY || ret == -EINVAL) TH_LOG("%d", ret);
		EXPECT_EQ(RAW_TIMEOUT, refused(self->b, RAW_QUIET_MS));
	}
	/* The queue is not ready, and the tags prepared before still are. */
	ret = client_ctrl(u->t.client, UBLK_U_CMD_START_DEV, self->id,
			  getpid());
	EXPECT_TRUE(fxb_waits(u, ret));
	EXPECT_EQ(-EINVAL, raw_batch_prep(self->b, 0, 6, 1));
	EXPECT_EQ(0, raw_batch_prep(self->b, 0, 7, 1));
	EXPECT_EQ(0, fxb_wait(u, ret));
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(4096, fxb_wait(u, read_job(u, 0)));
	EXPECT_EQ(0, fxb_stop(u));
}

struct leaver {
	struct fixture_batch *u;
	struct raw_batch *b;
	int res;
};

static void *fetch_and_leave(void *arg)
{
	struct leaver *l = arg;

	l->res = raw_batch_open(l->b, &l->u->t.srv, 0);
	if (!l->res)
		l->res = raw_group_open(l->b, 0, 4, 64, 0);
	if (!l->res && raw_batch_fetch(l->b, 0, 0) < 0)
		l->res = -EIO;
	return NULL;
}

/* covers: I-1 D-70 D-188 */
TEST_F(life, I_1_fetching_thread_gone)
{
	struct fixture_batch *u = &self->u;
	struct leaver l = { .u = u, .b = calloc(1, sizeof(*l.b)) };
	pthread_t id;
	int job;

	if (running_on_mainline())
		SKIP(return, "a worker copies without the server's memory");
	ASSERT_NE(NULL, l.b);
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, pthread_create(&id, NULL, fetch_and_leave, &l));
	ASSERT_EQ(0, pthread_join(id, NULL));
	ASSERT_EQ(0, l.res);
	job = fxb_blk(u, CLIENT_WRITE, WIN, 4096);
	EXPECT_TRUE(as_policy(u, variant->flags, job));
	raw_batch_close(l.b);
	fxb_close(u);
	EXPECT_EQ(0, raw_wait_state(&u->t.ctl, self->id,
				    rec_lost_state(variant->flags)));
	if (!variant->flags)
		return;
	ASSERT_EQ(0, rec_start(&u->t));
	ASSERT_EQ(0, fxb_recover(u));
	if (holds(variant->flags))
		EXPECT_EQ(4096, fxb_wait(u, job));
	EXPECT_EQ(4096, fxb_wait(u, read_job(u, 0)));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: I-1 I-44 D-70 */
TEST_F(life, I_1_another_thread_fetches)
{
	struct fixture_batch *u = &self->u;
	struct leaver l = { .u = u, .b = calloc(1, sizeof(*l.b)) };
	pthread_t id;
	int job;

	if (running_on_mainline() || !holds(variant->flags))
		SKIP(return, "nothing is held");
	ASSERT_NE(NULL, l.b);
	ASSERT_EQ(0, live(u));
	ASSERT_EQ(0, pthread_create(&id, NULL, fetch_and_leave, &l));
	ASSERT_EQ(0, pthread_join(id, NULL));
	ASSERT_EQ(0, l.res);
	job = fxb_blk(u, CLIENT_WRITE, WIN, 4096);
	EXPECT_TRUE(fxb_waits(u, job));
	/* A fetch command of another thread makes the queue work again. */
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(4096, fxb_wait(u, job));
	EXPECT_EQ(4096, fxb_wait(u, read_job(u, 0)));
	EXPECT_EQ(0, fxb_stop(u));
	raw_batch_close(l.b);
}

TEST_HARNESS_MAIN
