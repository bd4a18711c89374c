// SPDX-License-Identifier: GPL-2.0
/*
 * A user copy that is not finished when the request is committed, the device
 * stopped, or the server killed (data.rst sections 7, 9 and 12). What one copy
 * may do is in uapi_user_copy.c.
 *
 * runner: distro leaks
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/server_proc.h"
#include "lib/recovery.h"
#include "lib/uffd_stall.h"

#define WIN	RAW_WIN_START
#define LEN	8192
#define COMMIT	UBLK_U_IO_COMMIT_AND_FETCH_REQ

FIXTURE(held) {
	struct fixture t;
	struct uffd_stall stall;
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
	FX_SETUP(&self->t, variant->flags);
	if (uffd_stall_open(&self->stall))
		SKIP(return, "the kernel has no userfaultfd");
}

FIXTURE_TEARDOWN_PARENT(held)
{
	FX_TEARDOWN(&self->t);
}

/* covers: D-103 D-154 D-146 */
TEST_F(held, D_154_commit_of_a_write_waits_for_the_copy)
{
	struct fixture *t = &self->t;
	struct raw_copy g = {
		.s = &t->srv, .buf = self->page, .len = 512,
	};
	struct raw_ev ev, next;
	int job, job2;

	ASSERT_EQ(0, fx_up(t, 1, variant->depth, variant->flags));
	raw_fill(t->client->data, LEN, 1);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	g.q = ev.q;
	g.tag = ev.tag;
	ASSERT_EQ(0,
		  uffd_stall_copy(&self->stall, &t->srv, ev.q, ev.tag, false));
	/* Copies do not wait for each other. */
	EXPECT_EQ(512, raw_copy_any(&g));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_TRUE(fx_open_still(t, job));
	/* State R: armed for the daemon, still readable for everybody else. */
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
	/* No other request gets this tag. */
	job2 = client_blk(t->client, t->info.dev_id, CLIENT_FSYNC, 0, 0, 0);
	if (variant->depth > 1) {
		ASSERT_EQ(0, raw_request(&t->ring, &next, RAW_DEADLINE_MS));
		EXPECT_NE(ev.tag, next.tag);
		ASSERT_EQ(0, raw_serve(&t->ring, &next));
		EXPECT_EQ(0, client_wait(t->client, job2, RAW_DEADLINE_MS));
	} else {
		EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &next,
						 RAW_QUIET_MS));
	}
	EXPECT_FALSE(client_done(t->client, job));
	EXPECT_EQ(LEN, uffd_stall_release(&self->stall, self->page));
	EXPECT_EQ(0, memcmp(self->stall.mem, t->client->data, LEN));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINVAL, raw_in_thread(raw_copy_any, &g));
	EXPECT_EQ(0, fx_finish(t, job2));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-103 D-154 D-97 */
TEST_F(held, D_154_a_read_gets_what_is_still_copied)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_up(t, 1, variant->depth, variant->flags));
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	raw_fill(self->stall.mem, 4096, 2);
	raw_fill(self->page, 4096, 3);
	ASSERT_EQ(0,
		  uffd_stall_copy(&self->stall, &t->srv, ev.q, ev.tag, true));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_TRUE(fx_open_still(t, job));
	EXPECT_EQ(LEN, uffd_stall_release(&self->stall, self->page));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, memcmp(self->stall.mem, t->client->data, LEN));
	uffd_stall_close(&self->stall);

	/* The request ends with the committed error. */
	ASSERT_EQ(0, uffd_stall_open(&self->stall));
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0,
		  uffd_stall_copy(&self->stall, &t->srv, ev.q, ev.tag, true));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, -ENOSPC));
	EXPECT_TRUE(fx_open_still(t, job));
	EXPECT_EQ(LEN, uffd_stall_release(&self->stall, self->page));
	EXPECT_EQ(-ENOSPC, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-154 L-44 */
TEST_F(held, D_154_stop_waits_for_the_copy)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, stop;

	ASSERT_EQ(0, fx_up(t, 1, variant->depth, variant->flags));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0,
		  uffd_stall_copy(&self->stall, &t->srv, ev.q, ev.tag, false));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	stop = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, t->info.dev_id, 0);
	EXPECT_EQ(RAW_TIMEOUT, client_wait_serving(t->client, stop, &t->ring,
						   RAW_QUIET_MS));
	EXPECT_FALSE(client_done(t->client, job));
	EXPECT_EQ(LEN, uffd_stall_release(&self->stall, self->page));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_finish(t, stop));
}

/* covers: D-154 D-106 */
TEST_F(held, D_154_rings_closed_during_a_copy)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	/* The ring is closed, but process and request go on. */
	ASSERT_EQ(0, fx_up(t, 1, variant->depth, variant->flags));
	raw_fill(t->client->data, LEN, 4);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0,
		  uffd_stall_copy(&self->stall, &t->srv, ev.q, ev.tag, false));
	raw_ring_close(&t->ring);
	EXPECT_TRUE(fx_open_still(t, job));
	EXPECT_EQ(LEN, uffd_stall_release(&self->stall, self->page));
	EXPECT_EQ(0, memcmp(self->stall.mem, t->client->data, LEN));
	EXPECT_FALSE(client_done(t->client, job));
	raw_srv_close(&t->srv);
	EXPECT_EQ(-EIO, client_wait(t->client, job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* In the server that the test kills: begin a copy that does not end. */
static int keep_stalled(struct raw_ring *r, const struct raw_ev *ev)
{
	static struct uffd_stall s;
	int ret = uffd_stall_open(&s);

	return ret ? ret : uffd_stall_copy(&s, r->srv, ev->q, ev->tag, false);
}

static int start_server(struct fixture *t, struct server_proc *s)
{
	return client_wait(t->client,
			   client_ctrl(t->client, UBLK_U_CMD_START_DEV,
				       t->info.dev_id, s->pid),
			   RAW_DEADLINE_MS);
}

/* covers: D-154 D-106 */
TEST_F(held, D_154_server_killed_in_a_copy)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	int job;

	ASSERT_EQ(0, fx_add(t, 1, variant->depth, variant->flags));
	s = server_launch(&t->info, SERVER_HOLD_WINDOW, false);
	ASSERT_NE(NULL, s);
	s->on_keep = keep_stalled;
	ASSERT_EQ(0, start_server(t, s));
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	EXPECT_TRUE(fx_open_still(t, job));
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(-EIO, client_wait(t->client, job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* covers: D-154 D-146 */
TEST_F(held, D_154_recovery_after_a_copy)
{
	__u64 rec = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE;
	struct fixture *t = &self->t;
	struct raw_copy g = {
		.s = &t->srv, .buf = self->page, .len = 512,
	};
	struct server_proc *s;
	int job;

	FX_REQUIRE(t, rec);
	ASSERT_EQ(0, fx_add(t, 1, variant->depth, variant->flags | rec));
	s = server_launch(&t->info, SERVER_HOLD_WINDOW, false);
	ASSERT_NE(NULL, s);
	s->on_keep = keep_stalled;
	ASSERT_EQ(0, start_server(t, s));
	raw_fill(t->client->data, LEN, 5);
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	ASSERT_EQ(0, server_kill(s));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_QUIESCED));
	ASSERT_EQ(0, rec_start(t));
	/* A tag that was not fetched in this session has no data. */
	ASSERT_EQ(0, fx_serve(t, 0));
	for (g.tag = 0; g.tag < variant->depth; g.tag++)
		EXPECT_EQ(-EINVAL, raw_copy_any(&g));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	for (g.tag = 0; g.tag < variant->depth; g.tag++)
		EXPECT_EQ(-EINVAL, raw_copy_any(&g));
	ASSERT_EQ(0, rec_end(t));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
