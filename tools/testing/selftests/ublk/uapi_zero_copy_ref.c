// SPDX-License-Identifier: GPL-2.0
/*
 * A request whose buffer is still registered when it is committed, the device
 * stopped, or the server killed (data.rst sections 7, 9 and 10). Refused
 * registrations are in uapi_zero_copy.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/proc.h"
#include "lib/server_proc.h"
#include "lib/recovery.h"

#define WIN		RAW_WIN_START
#define LEN		8192
#define COMMIT		UBLK_U_IO_COMMIT_AND_FETCH_REQ
#define SLOT		20	/* a slot that raw_serve() does not use */

FIXTURE(ref) {
	struct fixture t;
	int job;
	struct raw_ev ev;
};

FIXTURE_VARIANT(ref) {
	__u64 flags;
	int depth;
};

FIXTURE_VARIANT_ADD(ref, zero_copy_d1) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY, .depth = 1,
};

FIXTURE_VARIANT_ADD(ref, user_copy_d4) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_USER_COPY, .depth = 4,
};

FIXTURE_VARIANT_ADD(ref, auto_buf_d1) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG, .depth = 1,
};

FIXTURE_SETUP(ref)
{
	FX_SETUP(&self->t, variant->flags);
}

FIXTURE_TEARDOWN_PARENT(ref)
{
	FX_TEARDOWN(&self->t);
}

/* A device with one request, whose data is in the client's memory. */
static int request(struct fixture *t, enum client_blk_op op, int depth,
		   __u64 flags, int *job, struct raw_ev *ev)
{
	int ret = fx_up(t, 1, depth, flags);

	raw_fill(t->client->data, LEN, 17);
	if (!ret)
		ret = fx_request(t, op, WIN, LEN, job, ev);
	return ret ? ret : ev->res;
}

struct reg_args {
	struct raw_srv *s;
	int q, tag;
};

static long reg_elsewhere(void *arg)
{
	struct reg_args *a = arg;
	struct raw_ring r;
	long ret = raw_ring_open(&r, a->s, 0);

	if (ret)
		return ret;
	ret = raw_table(&r);
	if (!ret)
		ret = raw_reg(&r, a->q, a->tag, SLOT);
	raw_ring_close(&r);
	return ret;
}

/* covers: D-103 D-104 D-113 */
TEST_F(ref, state_R)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev, next;
	struct reg_args a = { .s = &t->srv };
	int job2;

	ASSERT_EQ(0, request(t, CLIENT_WRITE, variant->depth, variant->flags,
			     &self->job, ev));
	a.q = ev->q;
	a.tag = ev->tag;
	ASSERT_EQ(0, raw_reg(r, ev->q, ev->tag, SLOT));
	ASSERT_EQ(0, raw_commit(r, ev->q, ev->tag, LEN));
	EXPECT_TRUE(fx_open_still(t, self->job));
	/* The daemon gets the errors of an armed tag. */
	EXPECT_EQ(-EBUSY, raw_call(r, COMMIT, ev->q, ev->tag, LEN, 0));
	EXPECT_EQ(-EBUSY, raw_reg(r, ev->q, ev->tag, SLOT + 1));
	EXPECT_EQ(-EBUSY, raw_call(r, UBLK_U_IO_NEED_GET_DATA, ev->q, ev->tag,
				   0, 0));
	EXPECT_EQ(-EBUSY, raw_call(r, UBLK_U_IO_FETCH_REQ, ev->q, ev->tag, 0,
				   0));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, COMMIT, ev->q, ev->tag,
					   LEN, 0));
	/* Others may even register a request that has been committed. */
	EXPECT_EQ(0, raw_in_thread(reg_elsewhere, &a));
	/* The buffer still works. */
	EXPECT_EQ(LEN, raw_fixed(r, true, t->srv.buf_fd, 0, SLOT, 0, LEN));
	EXPECT_EQ(0, memcmp(t->srv.bufs, t->client->data, LEN));
	/* The tag is in use, for requests without data as well. */
	job2 = client_blk(t->client, t->info.dev_id, CLIENT_FSYNC, 0, 0, 0);
	if (variant->depth > 1) {
		ASSERT_EQ(0, raw_request(r, &next, RAW_DEADLINE_MS));
		EXPECT_NE(ev->tag, next.tag);
		ASSERT_EQ(0, raw_serve(r, &next));
		EXPECT_EQ(0, client_wait(t->client, job2, RAW_DEADLINE_MS));
	} else {
		EXPECT_EQ(RAW_TIMEOUT, raw_event(r, &next, RAW_QUIET_MS));
	}
	EXPECT_FALSE(client_done(t->client, self->job));
	EXPECT_EQ(0, raw_unreg(r, SLOT));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
	EXPECT_EQ(0, fx_finish(t, job2));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-103 D-119 */
TEST_F(ref, D_119_the_last_of_many)
{
	struct fixture *t = &self->t;
	struct raw_ring second;
	struct raw_ev *ev = &self->ev;
	int i;

	ASSERT_EQ(0, request(t, CLIENT_WRITE, variant->depth, variant->flags,
			     &self->job, ev));
	ASSERT_EQ(0, raw_ring_open(&second, &t->srv, 0));
	ASSERT_EQ(0, raw_table(&second));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT + i));
		ASSERT_EQ(0, raw_reg(&second, ev->q, ev->tag, SLOT + i));
	}
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, LEN));
	for (i = 0; i < 5; i++) {
		EXPECT_FALSE(client_done(t->client, self->job));
		EXPECT_EQ(0, raw_unreg(&t->ring, SLOT + i));
		EXPECT_FALSE(client_done(t->client, self->job));
		if (i < 4)
			EXPECT_EQ(0, raw_unreg(&second, SLOT + i));
	}
	EXPECT_TRUE(fx_open_still(t, self->job));
	EXPECT_EQ(LEN, raw_fixed(&second, true, t->srv.buf_fd, 0, SLOT + 4, 0,
				 LEN));
	EXPECT_EQ(0, memcmp(t->srv.bufs, t->client->data, LEN));
	EXPECT_EQ(0, raw_unreg(&second, SLOT + 4));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
	raw_ring_close(&second);
}

/* covers: D-103 D-97 */
TEST_F(ref, D_103_the_committed_result_counts)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;

	ASSERT_EQ(0, request(t, CLIENT_READ, variant->depth, variant->flags,
			     &self->job, ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, -ENOSPC));
	EXPECT_TRUE(fx_open_still(t, self->job));
	EXPECT_EQ(0, raw_unreg(&t->ring, SLOT));
	EXPECT_EQ(-ENOSPC, fx_finish(t, self->job));
	/* Data written after the COMMIT reaches the reader, too. */
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &self->job, ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, LEN));
	raw_fill(t->srv.bufs, LEN, 18);
	EXPECT_EQ(LEN, raw_fixed(&t->ring, false, t->srv.buf_fd, 0, SLOT, 0,
				 LEN));
	EXPECT_FALSE(client_done(t->client, self->job));
	EXPECT_EQ(0, raw_unreg(&t->ring, SLOT));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, memcmp(t->srv.bufs, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-104 */
TEST_F(ref, D_104_every_way_to_release)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	struct raw_ring second;
	int way, q, i, ret = 0;

	ASSERT_EQ(0, fx_up(t, 1, variant->depth, variant->flags));
	for (way = 0; way < 3; way++) {
		ASSERT_EQ(0, raw_ring_open(&second, &t->srv, 0));
		ASSERT_EQ(0, raw_table(&second));
		ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job,
					ev));
		q = ev->q;
		i = ev->tag;
		ASSERT_EQ(0, raw_reg(&second, q, i, SLOT));
		ASSERT_EQ(0, raw_commit(&t->ring, q, i, LEN));
		EXPECT_TRUE(fx_open_still(t, self->job));
		if (way == 0)
			ret = raw_set_slot(&second, SLOT, NULL, 0);
		if (way == 1)
			ret = io_uring_unregister_buffers(&second.ring);
		EXPECT_EQ(0, ret);
		if (way < 2)
			EXPECT_EQ(LEN, client_wait(t->client, self->job,
						   RAW_DEADLINE_MS));
		raw_ring_close(&second);
		EXPECT_EQ(LEN, fx_finish(t, self->job));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-104 */
TEST_F(ref, D_104_operation_still_using_it)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	int p[2];
	__u64 id;

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, request(t, CLIENT_READ, variant->depth, variant->flags,
			     &self->job, ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT));
	/* The read waits until somebody writes to the pipe. */
	ASSERT_EQ(0, raw_fixed_post(&t->ring, false, p[0], 0, SLOT, 0, LEN,
				    &id));
	EXPECT_EQ(0, raw_unreg(&t->ring, SLOT));
	EXPECT_EQ(-EINVAL, raw_unreg(&t->ring, SLOT));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, LEN));
	EXPECT_TRUE(fx_open_still(t, self->job));
	raw_fill(t->srv.bufs, LEN, 19);
	ASSERT_EQ(LEN, write(p[1], t->srv.bufs, LEN));
	EXPECT_EQ(LEN, raw_await(&t->ring, id, RAW_DEADLINE_MS));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, memcmp(t->srv.bufs, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-103 L-44 */
TEST_F(ref, D_103_stop_waits_for_the_buffer)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	int stop;

	ASSERT_EQ(0, request(t, CLIENT_WRITE, variant->depth, variant->flags,
			     &self->job, ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, LEN));
	stop = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, t->info.dev_id, 0);
	EXPECT_EQ(RAW_TIMEOUT, client_wait_serving(t->client, stop, &t->ring,
						   RAW_QUIET_MS));
	EXPECT_FALSE(client_done(t->client, self->job));
	EXPECT_EQ(0, raw_unreg(&t->ring, SLOT));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_finish(t, stop));
}

/* covers: D-106 D-104 */
TEST_F(ref, D_106_ring_closed_with_registrations)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;

	ASSERT_EQ(0, request(t, CLIENT_WRITE, variant->depth, variant->flags,
			     &self->job, ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT + 1));
	fx_close(t);
	EXPECT_EQ(-EIO, client_wait(t->client, self->job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* covers: I-50 D-106 D-104 */
TEST_F(ref, I_50_ring_closed_with_a_committed_request)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;

	if (running_on_mainline())
		SKIP(return, "mainline's ring and request wait for each other");
	/* The ring has both the armed command and the last reference. */
	ASSERT_EQ(0, request(t, CLIENT_WRITE, variant->depth, variant->flags,
			     &self->job, ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, LEN));
	EXPECT_TRUE(fx_open_still(t, self->job));
	fx_close(t);
	/*
	 * The result is known: the request ends, and the device is not held up.
	 */
	EXPECT_EQ(LEN, client_wait(t->client, self->job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* In the server that the test kills. */
static int keep_registered(struct raw_ring *r, const struct raw_ev *ev)
{
	int i, ret;

	for (i = 0; i < 3; i++) {
		ret = raw_reg(r, ev->q, ev->tag, SLOT + i);
		if (ret)
			return ret;
	}
	return 0;
}

/* Register and commit: now only the buffers hold the request. */
static int keep_committed(struct raw_ring *r, const struct raw_ev *ev)
{
	int ret = keep_registered(r, ev);

	return ret ? ret : raw_commit(r, ev->q, ev->tag, LEN);
}

static int start_server(struct fixture *t, struct server_proc *s)
{
	return client_wait(t->client,
			   client_ctrl(t->client, UBLK_U_CMD_START_DEV,
				       t->info.dev_id, s->pid),
			   RAW_DEADLINE_MS);
}

/* Kill a server that keeps a write like this. Returns the writer's result. */
static long kill_keeping(struct fixture *t, int depth, __u64 flags,
			 int (*how)(struct raw_ring *r, const struct raw_ev *ev))
{
	struct server_proc *s;
	int job, ret;

	ret = fx_add(t, 1, depth, flags);
	if (ret)
		return ret;
	s = server_launch(&t->info, SERVER_HOLD_WINDOW, false);
	if (!s)
		return -ECHILD;
	s->on_keep = how;
	ret = start_server(t, s);
	if (ret)
		return ret;
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);
	ret = server_wait_kept(s, 1);
	if (ret)
		return ret;
	if (!fx_open_still(t, job))
		return -EPROTO;
	ret = server_kill(s);
	return ret ? ret : client_wait(t->client, job, REC_FAST_MS);
}

/* covers: D-106 D-103 */
TEST_F(ref, D_106_server_killed_with_registrations)
{
	struct fixture *t = &self->t;

	EXPECT_EQ(-EIO, kill_keeping(t, variant->depth, variant->flags,
				     keep_registered));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* covers: I-50 D-106 D-103 */
TEST_F(ref, I_50_server_killed_with_a_committed_request)
{
	struct fixture *t = &self->t;

	if (running_on_mainline())
		SKIP(return, "mainline's ring and request wait for each other");
	EXPECT_EQ(LEN, kill_keeping(t, variant->depth, variant->flags,
				    keep_committed));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* covers: D-106 */
TEST_F(ref, D_106_reissued_after_the_buffers_are_released)
{
	__u64 rec = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE;
	struct fixture *t = &self->t;
	struct server_proc *s;

	FX_REQUIRE(t, rec);
	ASSERT_EQ(0, fx_add(t, 1, variant->depth, variant->flags | rec));
	s = server_launch(&t->info, SERVER_HOLD_WINDOW, false);
	ASSERT_NE(NULL, s);
	s->on_keep = keep_registered;
	ASSERT_EQ(0, start_server(t, s));
	raw_fill(t->client->data, LEN, 23);
	self->job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN,
			       LEN, 0);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	ASSERT_EQ(0, server_kill(s));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_QUIESCED));
	EXPECT_FALSE(client_done(t->client, self->job));
	ASSERT_EQ(0, rec_start(t));
	ASSERT_EQ(0, rec_recover(t));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* A process with a ring that holds a request of its parent's device. */
struct holder {
	struct raw_ring *r;	/* ring of the server */
	int q, tag;
	int held;		/* set by the holder: 1 or -errno */
	int let_go;		/* set by the test */
	pid_t pid;
};

static void hold(struct holder *h)
{
	struct raw_srv *s = h->r->srv;
	struct raw_ring r;
	int ret = raw_ring_open(&r, s, 0);

	if (!ret)
		ret = raw_table(&r);
	if (!ret)
		ret = raw_reg(&r, h->q, h->tag, SLOT);
	/* Keep nothing of the server but the buffer. */
	close(h->r->ring.ring_fd);
	munmap(s->desc[0], s->area);
	close(s->fd);
	__atomic_store_n(&h->held, ret ? ret : 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&h->let_go, __ATOMIC_ACQUIRE))
		usleep(1000);
	_exit(0);
}

static int start_holder(struct holder *h)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	pid_t pid;

	if (io_uring_ring_dontfork(&h->r->ring))
		return -EIO;
	pid = proc_fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		hold(h);
	h->pid = pid;
	while (!__atomic_load_n(&h->held, __ATOMIC_ACQUIRE)) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(1000);
	}
	return h->held == 1 ? 0 : h->held;
}

/* covers: D-106 C-92b */
TEST_F(ref, D_106_the_session_ends_after_the_last_use)
{
	__u64 rec = UBLK_F_USER_RECOVERY;
	struct fixture *t = &self->t;
	struct holder *h;

	FX_REQUIRE(t, rec);
	ASSERT_EQ(0, request(t, CLIENT_WRITE, variant->depth,
			     variant->flags | rec, &self->job, &self->ev));
	h = proc_shared(sizeof(*h));
	ASSERT_NE(NULL, h);
	h->r = &t->ring;
	h->q = self->ev.q;
	h->tag = self->ev.tag;
	ASSERT_EQ(0, start_holder(h));
	fx_close(t);
	EXPECT_TRUE(fx_open_still(t, self->job));
	EXPECT_EQ(-EBUSY, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_USER_RECOVERY,
				      t->info.dev_id, 0));
	EXPECT_FALSE(client_done(t->client, self->job));
	__atomic_store_n(&h->let_go, 1, __ATOMIC_RELEASE);
	waitpid(h->pid, NULL, 0);
	EXPECT_EQ(-EIO, client_wait(t->client, self->job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_QUIESCED));
	EXPECT_EQ(0, rec_start(t));
	EXPECT_EQ(0, rec_recover(t));
	EXPECT_EQ(LEN, fx_blk(t, CLIENT_WRITE, WIN, LEN, 0));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: L-3 D-103 D-106 */
TEST_F(ref, L_3_committed_before_the_server_went)
{
	__u64 rec = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE;
	struct fixture *t = &self->t;
	struct holder *h;

	FX_REQUIRE(t, rec);
	ASSERT_EQ(0, request(t, CLIENT_WRITE, variant->depth,
			     variant->flags | rec, &self->job, &self->ev));
	h = proc_shared(sizeof(*h));
	ASSERT_NE(NULL, h);
	h->r = &t->ring;
	h->q = self->ev.q;
	h->tag = self->ev.tag;
	ASSERT_EQ(0, start_holder(h));
	ASSERT_EQ(0, raw_commit(&t->ring, self->ev.q, self->ev.tag, -ENOSPC));
	fx_close(t);
	EXPECT_TRUE(fx_open_still(t, self->job));
	__atomic_store_n(&h->let_go, 1, __ATOMIC_RELEASE);
	waitpid(h->pid, NULL, 0);
	/* It ends as committed: the driver neither requeues nor fails it. */
	EXPECT_EQ(-ENOSPC, client_wait(t->client, self->job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_QUIESCED));
	EXPECT_EQ(0, rec_start(t));
	EXPECT_EQ(0, rec_recover(t));
	EXPECT_EQ(LEN, fx_blk(t, CLIENT_WRITE, WIN, LEN, 0));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-118 */
TEST_F(ref, D_118_another_device_clears_the_slot)
{
	struct fixture *t = &self->t, *u = malloc(sizeof(*u));
	struct raw_ev *ev = &self->ev;
	struct raw_srv own;

	ASSERT_NE(NULL, u);
	memset(u, 0, sizeof(*u));
	u->client = t->client;
	u->features = t->features;
	ASSERT_EQ(0, raw_ctrl_open(&u->ctl));
	ASSERT_EQ(0, request(t, CLIENT_WRITE, variant->depth, variant->flags,
			     &self->job, ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, SLOT));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, LEN));
	/* The second device is only opened, without a command. */
	ASSERT_EQ(0, fx_add(u, 1, 4, UBLK_F_SUPPORT_ZERO_COPY));
	fx_remember(t, u->info.dev_id);
	memset(&own, 0, sizeof(own));
	ASSERT_EQ(0, raw_srv_open(&own, &u->info));
	t->ring.srv = &own;
	EXPECT_EQ(0, raw_unreg(&t->ring, SLOT));
	t->ring.srv = &t->srv;
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	raw_srv_close(&own);
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
