// SPDX-License-Identifier: GPL-2.0
/*
 * A user copy that is still going on when the request is committed, the device
 * stopped, or the server killed (data.md sections 7, 9 and 12). What one copy
 * may do is in uapi_user_copy.c.
 *
 * runner: distro leaks
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/child.h"
#include "lib/recovery.h"
#include "lib/stall.h"

#define WIN	RAW_WIN_START
#define LEN	8192
#define COMMIT	UBLK_U_IO_COMMIT_AND_FETCH_REQ

FIXTURE(held) {
	struct ut t;
	struct stall stall;
	char page[4096];
};

FIXTURE_VARIANT(held) {
	__u64 flags;
	int depth;
};

FIXTURE_VARIANT_ADD(held, alone_d1) {
	.flags = UBLK_F_USER_COPY, .depth = 1,
};

FIXTURE_VARIANT_ADD(held, zero_copy_d4) {
	.flags = UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY, .depth = 4,
};

FIXTURE_VARIANT_ADD(held, auto_buf_d1) {
	.flags = UBLK_F_USER_COPY | UBLK_F_AUTO_BUF_REG, .depth = 1,
};

FIXTURE_SETUP(held)
{
	UT_SETUP(&self->t, variant->flags);
	if (stall_open(&self->stall))
		SKIP(return, "the kernel has no userfaultfd");
}

FIXTURE_TEARDOWN_PARENT(held)
{
	UT_TEARDOWN(&self->t);
}

/* covers: D-103 D-154 D-146 */
TEST_F(held, D_154_commit_of_a_write_waits_for_the_copy)
{
	struct ut *t = &self->t;
	struct raw_copy g = {
		.s = &t->srv, .buf = self->page, .len = 512,
	};
	struct raw_ev ev, next;
	int job, job2;

	ASSERT_EQ(0, ut_up(t, 1, variant->depth, variant->flags));
	raw_fill(t->agent->data, LEN, 1);
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	g.q = ev.q;
	g.tag = ev.tag;
	ASSERT_EQ(0, stall_copy(&self->stall, &t->srv, ev.q, ev.tag, false));
	/* Copies do not wait for each other. */
	EXPECT_EQ(512, raw_copy_any(&g));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_TRUE(ut_open_still(t, job));
	/* State R: armed for the daemon, open for everybody else. */
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, COMMIT, ev.q, ev.tag, LEN, 0));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, UBLK_U_IO_REGISTER_IO_BUF, ev.q,
				   ev.tag, 0, 20));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, UBLK_U_IO_FETCH_REQ, ev.q,
				   ev.tag, 0, 0));
	EXPECT_EQ(-EINVAL, raw_copy_any(&g));
	EXPECT_EQ(512, raw_in_thread(raw_copy_any, &g));
	g.put = true;
	EXPECT_EQ(-EACCES, raw_in_thread(raw_copy_any, &g));
	g.put = false;
	/* The next request does not get this tag. */
	job2 = agent_blk(t->agent, t->info.dev_id, AGENT_FSYNC, 0, 0, 0);
	if (variant->depth > 1) {
		ASSERT_EQ(0, raw_request(&t->ring, &next, RAW_DEADLINE_MS));
		EXPECT_NE(ev.tag, next.tag);
		ASSERT_EQ(0, raw_serve(&t->ring, &next));
		EXPECT_EQ(0, agent_wait(t->agent, job2, RAW_DEADLINE_MS));
	} else {
		EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &next,
						 RAW_QUIET_MS));
	}
	EXPECT_FALSE(agent_done(t->agent, job));
	EXPECT_EQ(LEN, stall_release(&self->stall, self->page));
	EXPECT_EQ(0, memcmp(self->stall.mem, t->agent->data, LEN));
	EXPECT_EQ(LEN, agent_wait(t->agent, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINVAL, raw_in_thread(raw_copy_any, &g));
	EXPECT_EQ(0, ut_finish(t, job2));
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-103 D-154 D-97 */
TEST_F(held, D_154_a_read_gets_what_is_still_copied)
{
	struct ut *t = &self->t;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, ut_up(t, 1, variant->depth, variant->flags));
	ASSERT_EQ(0, ut_request(t, AGENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	raw_fill(self->stall.mem, 4096, 2);
	raw_fill(self->page, 4096, 3);
	ASSERT_EQ(0, stall_copy(&self->stall, &t->srv, ev.q, ev.tag, true));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_TRUE(ut_open_still(t, job));
	EXPECT_EQ(LEN, stall_release(&self->stall, self->page));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0, memcmp(self->stall.mem, t->agent->data, LEN));
	stall_close(&self->stall);

	/* A committed failure is what it ends with. */
	ASSERT_EQ(0, stall_open(&self->stall));
	ASSERT_EQ(0, ut_request(t, AGENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, stall_copy(&self->stall, &t->srv, ev.q, ev.tag, true));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, -ENOSPC));
	EXPECT_TRUE(ut_open_still(t, job));
	EXPECT_EQ(LEN, stall_release(&self->stall, self->page));
	EXPECT_EQ(-ENOSPC, ut_finish(t, job));
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-154 L-44 */
TEST_F(held, D_154_stop_waits_for_the_copy)
{
	struct ut *t = &self->t;
	struct raw_ev ev;
	int job, stop;

	ASSERT_EQ(0, ut_up(t, 1, variant->depth, variant->flags));
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, stall_copy(&self->stall, &t->srv, ev.q, ev.tag, false));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	stop = agent_ctrl(t->agent, UBLK_U_CMD_STOP_DEV, t->info.dev_id, 0);
	EXPECT_EQ(RAW_TIMEOUT, agent_wait_serving(t->agent, stop, &t->ring,
						  RAW_QUIET_MS));
	EXPECT_FALSE(agent_done(t->agent, job));
	EXPECT_EQ(LEN, stall_release(&self->stall, self->page));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0, ut_finish(t, stop));
}

/* covers: D-154 D-106 */
TEST_F(held, D_154_rings_closed_during_a_copy)
{
	struct ut *t = &self->t;
	struct raw_ev ev;
	int job;

	/* The ring is gone, the process lives on, and so does the request. */
	ASSERT_EQ(0, ut_up(t, 1, variant->depth, variant->flags));
	raw_fill(t->agent->data, LEN, 4);
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, stall_copy(&self->stall, &t->srv, ev.q, ev.tag, false));
	raw_ring_close(&t->ring);
	EXPECT_TRUE(ut_open_still(t, job));
	EXPECT_EQ(LEN, stall_release(&self->stall, self->page));
	EXPECT_EQ(0, memcmp(self->stall.mem, t->agent->data, LEN));
	EXPECT_FALSE(agent_done(t->agent, job));
	raw_srv_close(&t->srv);
	EXPECT_EQ(-EIO, agent_wait(t->agent, job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* In the server to be killed: begin a copy that does not end by itself. */
static int keep_stalled(struct raw_ring *r, const struct raw_ev *ev)
{
	static struct stall s;
	int ret = stall_open(&s);

	return ret ? ret : stall_copy(&s, r->srv, ev->q, ev->tag, false);
}

static int start_child(struct ut *t, struct child *c)
{
	return agent_wait(t->agent, agent_ctrl(t->agent, UBLK_U_CMD_START_DEV,
					       t->info.dev_id, c->pid),
			  RAW_DEADLINE_MS);
}

/* covers: D-154 D-106 */
TEST_F(held, D_154_server_killed_in_a_copy)
{
	struct ut *t = &self->t;
	struct child *c;
	int job;

	ASSERT_EQ(0, ut_add(t, 1, variant->depth, variant->flags));
	c = child_start(t, 1, 0);
	ASSERT_NE(NULL, c);
	c->on_keep = keep_stalled;
	ASSERT_EQ(0, start_child(t, c));
	job = agent_blk(t->agent, t->info.dev_id, AGENT_WRITE, WIN, LEN, 0);
	ASSERT_EQ(0, child_wait_owned(c, 1));
	EXPECT_TRUE(ut_open_still(t, job));
	ASSERT_EQ(0, child_kill(c));
	EXPECT_EQ(-EIO, agent_wait(t->agent, job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* covers: D-154 D-146 */
TEST_F(held, D_154_recovery_after_a_copy)
{
	__u64 rec = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE;
	struct ut *t = &self->t;
	struct raw_copy g = {
		.s = &t->srv, .buf = self->page, .len = 512,
	};
	struct child *c;
	int job;

	UT_REQUIRE(t, rec);
	ASSERT_EQ(0, ut_add(t, 1, variant->depth, variant->flags | rec));
	c = child_start(t, 1, 0);
	ASSERT_NE(NULL, c);
	c->on_keep = keep_stalled;
	ASSERT_EQ(0, start_child(t, c));
	raw_fill(t->agent->data, LEN, 5);
	job = agent_blk(t->agent, t->info.dev_id, AGENT_WRITE, WIN, LEN, 0);
	ASSERT_EQ(0, child_wait_owned(c, 1));
	ASSERT_EQ(0, child_kill(c));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_QUIESCED));
	ASSERT_EQ(0, rec_start(t));
	/* A tag that has not been fetched in this round has no data. */
	ASSERT_EQ(0, ut_serve(t, 0));
	for (g.tag = 0; g.tag < variant->depth; g.tag++)
		EXPECT_EQ(-EINVAL, raw_copy_any(&g));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	for (g.tag = 0; g.tag < variant->depth; g.tag++)
		EXPECT_EQ(-EINVAL, raw_copy_any(&g));
	ASSERT_EQ(0, rec_end(t));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->agent->data, LEN));
	EXPECT_EQ(0, ut_stop(t));
}

TEST_HARNESS_MAIN
