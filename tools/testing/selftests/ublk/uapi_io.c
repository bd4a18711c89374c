// SPDX-License-Identifier: GPL-2.0
/*
 * Which I/O command is accepted when: order of checks, FETCH_REQ, errors of
 * COMMIT_AND_FETCH_REQ and NEED_GET_DATA, and the states of a tag (data.rst
 * sections 3 to 7). What happens to the data is in uapi_data.c, what a result
 * does in uapi_result.c, a stop in uapi_stop.c, an exit in uapi_exit.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/fixture.h"

#define FETCH		UBLK_U_IO_FETCH_REQ
#define COMMIT		UBLK_U_IO_COMMIT_AND_FETCH_REQ
#define GET_DATA	UBLK_U_IO_NEED_GET_DATA
#define REGISTER	UBLK_U_IO_REGISTER_IO_BUF

#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

FIXTURE(io) {
	struct fixture t;
	__u64 buf;		/* a valid address */
};

FIXTURE_VARIANT(io) {
	int queues, depth;
	bool legacy;
	__u64 flags;
	unsigned int ring;
};

FIXTURE_VARIANT_ADD(io, q1_d4) {
	.queues = 1, .depth = 4,
};

FIXTURE_VARIANT_ADD(io, q1_d1_legacy) {
	.queues = 1, .depth = 1, .legacy = true,
};

FIXTURE_VARIANT_ADD(io, q2_d8_defer) {
	.queues = 2, .depth = 8, .ring = DEFER,
};

FIXTURE_VARIANT_ADD(io, q2_d2_get_data) {
	.queues = 2, .depth = 2, .flags = UBLK_F_NEED_GET_DATA,
};

FIXTURE_VARIANT_ADD(io, q1_d4_get_data_legacy_sqe128) {
	.queues = 1, .depth = 4, .legacy = true,
	.flags = UBLK_F_NEED_GET_DATA, .ring = IORING_SETUP_SQE128,
};

FIXTURE_VARIANT_ADD(io, q1_d4_sqpoll) {
	.queues = 1, .depth = 4, .ring = IORING_SETUP_SQPOLL,
};

FIXTURE_SETUP(io)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	t->ctl.legacy = variant->legacy;
	ASSERT_EQ(0, fx_add(t, variant->queues, variant->depth,
			    variant->flags));
	ASSERT_EQ(0, fx_serve(t, variant->ring));
	self->buf = (uintptr_t)raw_buf(&t->srv, 0, 0);
}

FIXTURE_TEARDOWN_PARENT(io)
{
	FX_TEARDOWN(&self->t);
}

/* No CQE arrives. */
static bool quiet(struct fixture *t)
{
	struct raw_ev ev;

	return raw_event(&t->ring, &ev, RAW_QUIET_MS) == RAW_TIMEOUT;
}

/* Make the device LIVE. */
static int live(struct fixture *t)
{
	int ret = raw_fetch_all(&t->ring);

	return ret ? ret : fx_start(t);
}

/* Start a block request and wait until the server has it. */
static int request(struct fixture *t, enum client_blk_op op, int *job,
		   struct raw_ev *ev)
{
	*job = client_blk(t->client, t->info.dev_id, op, RAW_WIN_START, 4096, 0);
	if (*job < 0)
		return *job;
	return raw_request(&t->ring, ev, RAW_DEADLINE_MS);
}

/* covers: D-31 C-7 D-29 */
TEST_F(io, D_31_type_byte_first)
{
	struct raw_ring *r = &self->t.ring;

	self->t.srv.legacy = false;
	EXPECT_EQ(-EOPNOTSUPP, raw_call(r, _IO('v', 0x20), 0, 0, 0, 4096));
	EXPECT_EQ(-EOPNOTSUPP, raw_call(r, _IO('v', 0x20), 99, 9999, 0, 0));
	EXPECT_EQ(-EOPNOTSUPP, raw_call(r, _IO(1, 0x21), 0, 0, 0, 4096));
	EXPECT_EQ(-EOPNOTSUPP, raw_call(r, _IO('t', 0xff), 0, 0, 0, 4096));
}

/* covers: D-31 */
TEST_F(io, D_31_queue_and_tag_bounds)
{
	const __u32 ops[] = { FETCH, COMMIT, GET_DATA, REGISTER, _IO('u', 1) };
	int nq = self->t.info.nr_hw_queues, qd = self->t.info.queue_depth;
	struct raw_ring *r = &self->t.ring;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(-EINVAL, raw_call(r, ops[i], nq, 0, 0, self->buf));
		EXPECT_EQ(-EINVAL, raw_call(r, ops[i], 4096, 0, 0,
					    self->buf));
		EXPECT_EQ(-EINVAL, raw_call(r, ops[i], 65535, 0, 0,
					    self->buf));
		EXPECT_EQ(-EINVAL, raw_call(r, ops[i], 0, qd, 0, self->buf));
		EXPECT_EQ(-EINVAL, raw_call(r, ops[i], 0, 4096, 0,
					    self->buf));
		EXPECT_EQ(-EINVAL, raw_call(r, ops[i], nq - 1, 65535, 0,
					    self->buf));
	}
	EXPECT_EQ(0, live(&self->t)) TH_LOG("the refused commands had no effect");
	EXPECT_EQ(0, fx_stop(&self->t));
}

/* covers: D-31 D-32 D-115 */
TEST_F(io, state_U)
{
	const __u32 ops[] = {
		COMMIT, GET_DATA, REGISTER, UBLK_U_IO_UNREGISTER_IO_BUF,
		UBLK_U_IO_PREP_IO_CMDS, UBLK_U_IO_COMMIT_IO_CMDS,
		UBLK_U_IO_FETCH_IO_CMDS, _IO('u', 0), _IO('u', 0x1f),
		_IO('u', 0x28), _IO('u', 0xff),
	};
	struct fixture *t = &self->t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(-EINVAL, raw_call(&t->ring, ops[i], 0, 0, 0,
					    self->buf)) {
			TH_LOG("op 0x%x", ops[i]);
		}
		EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, ops[i], 0, 0, 0,
						   self->buf)) {
			TH_LOG("op 0x%x from another thread", ops[i]);
		}
	}
}

/* covers: D-31 D-32 D-45 D-46 D-113 */
TEST_F(io, state_A_not_ready)
{
	const __u32 ops[] = {
		COMMIT, GET_DATA, REGISTER, UBLK_U_IO_PREP_IO_CMDS,
		UBLK_U_IO_FETCH_IO_CMDS, _IO('u', 0x1f), _IO('u', 0x28),
	};
	struct fixture *t = &self->t;
	unsigned int i;

	if (variant->depth == 1)
		SKIP(return, "the only tag makes the device ready");
	ASSERT_EQ(0, raw_fetch(&t->ring, 0, 0));
	EXPECT_TRUE(quiet(t));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, FETCH, 0, 0, 0, self->buf));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, FETCH, 0, 0, 0,
					   self->buf));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(-EBUSY, raw_call(&t->ring, ops[i], 0, 0, 0,
					   self->buf)) {
			TH_LOG("op 0x%x", ops[i]);
		}
		EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, ops[i], 0, 0, 0,
						   self->buf)) {
			TH_LOG("op 0x%x from another thread", ops[i]);
		}
		EXPECT_EQ(-EINVAL, raw_call(&t->ring, ops[i], 0, 1, 0,
					    self->buf)) {
			TH_LOG("op 0x%x, tag not fetched", ops[i]);
		}
	}
	EXPECT_TRUE(quiet(t));
}

/* covers: D-44 D-47 D-31 */
TEST_F(io, state_A_ready)
{
	struct fixture *t = &self->t;
	int tag = variant->depth - 1, q = t->info.nr_hw_queues - 1;

	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_TRUE(quiet(t));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, FETCH, q, tag, 0, self->buf));
	EXPECT_EQ(-EBUSY, raw_thread_call(&t->srv, FETCH, q, tag, 0,
					  self->buf));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, COMMIT, q, tag, 0, self->buf));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, GET_DATA, q, tag, 0, self->buf));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, COMMIT, q, tag, 0,
					   self->buf));
	/* Bounds and type are still checked first. */
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, FETCH, q, 9999, 0, self->buf));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, FETCH, q, tag, 0, self->buf));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, COMMIT, q, tag, 0, self->buf));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-40 */
TEST_F(io, D_40_fetch_address)
{
	struct fixture *t = &self->t;
	__u64 id;

	if (variant->flags & UBLK_F_NEED_GET_DATA) {
		ASSERT_EQ(0, raw_post(&t->ring, FETCH, 0, 0, 0, 0, 0, &id));
		EXPECT_TRUE(quiet(t));
		return;
	}
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, FETCH, 0, 0, 0, 0));
	/* The address is checked before "ready" and "already fetched". */
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, FETCH, 0, 0, 0, 0));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, FETCH, 0, 0, 0, 8));
}

/* covers: D-50 D-31 D-41 D-42 */
TEST_F(io, D_50_address_unchecked_reverse_order)
{
	struct fixture *t = &self->t;
	int q, tag;

	/* Any order and any address; direction and size bits do not matter. */
	t->srv.legacy = false;
	for (q = t->info.nr_hw_queues - 1; q >= 0; q--) {
		for (tag = variant->depth - 1; tag >= 0; tag--)
			ASSERT_EQ(0, raw_post(&t->ring, _IO('u', 0x20), q, tag,
					      -1, 8, 0, NULL));
	}
	EXPECT_TRUE(quiet(t));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, FETCH, 0, 0, 0, 8));
}

/* covers: D-54 D-55 D-56 D-51 D-31 I-24 */
TEST_F(io, state_O_read)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev ev;
	int job, q, tag;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, request(t, CLIENT_READ, &job, &ev));
	ASSERT_EQ(0, ev.res);
	q = ev.q;
	tag = ev.tag;
	/*
	 * The commit of a read needs an address, with NEED_GET_DATA or without.
	 */
	EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, q, tag, 4096, 0));
	EXPECT_EQ(-EINVAL, raw_call(r, GET_DATA, q, tag, 0, self->buf));
	EXPECT_EQ(-EBUSY, raw_call(r, FETCH, q, tag, 0, self->buf));
	EXPECT_EQ(-EINVAL, raw_call(r, REGISTER, q, tag, 0, 0));
	EXPECT_EQ(-EINVAL, raw_call(r, UBLK_U_IO_COMMIT_IO_CMDS, q, tag, 0,
				    self->buf));
	EXPECT_EQ(-EINVAL, raw_call(r, _IO('u', 0x2f), q, tag, 0, self->buf));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, COMMIT, q, tag, 4096,
					   self->buf));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, GET_DATA, q, tag, 0,
					   self->buf));
	EXPECT_EQ(-EBUSY, raw_thread_call(&t->srv, FETCH, q, tag, 0,
					  self->buf));
	EXPECT_FALSE(client_done(t->client, job));
	/* The server still owns the tag and the request has not ended. */
	memset(raw_buf(&t->srv, q, tag), 0x77, 4096);
	EXPECT_EQ(0, raw_commit(r, q, tag, 4096));
	EXPECT_EQ(4096,
		  client_wait_serving(t->client, job, r, RAW_DEADLINE_MS));
	EXPECT_EQ(0x77, t->client->data[4095]);
	/* The commit has armed the tag again. */
	EXPECT_EQ(-EBUSY, raw_call(r, COMMIT, q, tag, 4096, self->buf));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-51 D-55 D-60 D-61 D-63 */
TEST_F(io, state_O_and_N_write)
{
	bool get_data = variant->flags & UBLK_F_NEED_GET_DATA;
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev ev;
	int job, q, tag;

	memset(t->client->data, 0x3c, 4096);
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, request(t, CLIENT_WRITE, &job, &ev));
	q = ev.q;
	tag = ev.tag;
	ASSERT_EQ(get_data ? UBLK_IO_RES_NEED_GET_DATA : 0, ev.res);
	if (get_data) {
		EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, q, tag, -EIO,
					    self->buf));
		EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, q, tag, 4096, 0));
		EXPECT_EQ(-EINVAL, raw_call(r, REGISTER, q, tag, 0, 0));
		EXPECT_EQ(-EBUSY, raw_call(r, FETCH, q, tag, 0, self->buf));
		EXPECT_EQ(-EINVAL, raw_call(r, _IO('u', 0x2f), q, tag, 0, 0));
		EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, GET_DATA, q, tag,
						   0, self->buf));
		EXPECT_EQ(0, raw_call(r, GET_DATA, q, tag, 0,
				      (uintptr_t)raw_buf(&t->srv, q, tag)));
	} else {
		EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, q, tag, 4096, 0));
	}
	EXPECT_EQ(-EINVAL, raw_call(r, GET_DATA, q, tag, 0, self->buf));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, COMMIT, q, tag, 4096,
					   self->buf));
	EXPECT_EQ(0x3c, raw_buf(&t->srv, q, tag)[4095]);
	EXPECT_EQ(0, raw_commit(r, q, tag, 4096));
	EXPECT_EQ(4096,
		  client_wait_serving(t->client, job, r, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-51 */
TEST_F(io, D_51_commit_without_address)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	if (!(variant->flags & UBLK_F_NEED_GET_DATA))
		SKIP(return, "without NEED_GET_DATA an address is needed");
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, request(t, CLIENT_WRITE, &job, &ev));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	ASSERT_EQ(0, ev.res);
	ASSERT_EQ(0, raw_post(&t->ring, COMMIT, ev.q, ev.tag, 4096, 0, 0,
			      NULL));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	/* The tag goes on: the next write needs NEED_GET_DATA again. */
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, RAW_WIN_START, 4096, 0));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-43 L-40 L-48 D-30 F-17 F-19 F-20 */
TEST_F(io, state_X_after_stop)
{
	struct fixture *t = &self->t;
	int n = t->info.nr_hw_queues * variant->depth;
	struct raw_ring *r = &t->ring;

	ASSERT_EQ(0, raw_fetch_all(r));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_STOP_DEV, t->info.dev_id,
				 0));
	EXPECT_EQ(n, raw_collect_abort(r, RAW_DEADLINE_MS));
	EXPECT_EQ(-ENODEV, raw_call(r, FETCH, 0, 0, 0, self->buf));
	EXPECT_EQ(-ENODEV, raw_thread_call(&t->srv, FETCH, 0, 0, 0,
					   self->buf));
	EXPECT_EQ(-EBUSY, raw_call(r, COMMIT, 0, 0, 0, self->buf));
	EXPECT_EQ(-EBUSY, raw_call(r, GET_DATA, 0, 0, 0, self->buf));
	EXPECT_EQ(-EBUSY, raw_call(r, REGISTER, 0, 0, 0, 0));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, COMMIT, 0, 0, 0,
					   self->buf));
}

/* covers: D-33 */
TEST_F(io, D_33_forced_async)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev ev;
	int q, tag, job;

	/*
	 * Errors and deliveries are the same as for commands of the ring's
	 * task.
	 */
	EXPECT_EQ(-EINVAL, raw_call_async(r, COMMIT, 0, 0, 0, self->buf));
	EXPECT_EQ(-EINVAL, raw_call_async(r, FETCH, 0, 9999, 0, self->buf));
	for (q = 0; q < t->info.nr_hw_queues; q++) {
		for (tag = 0; tag < variant->depth; tag++) {
			__u64 buf = (uintptr_t)raw_buf(&t->srv, q, tag);

			ASSERT_EQ(0, raw_post(r, FETCH, q, tag, 0, buf,
					      IOSQE_ASYNC, NULL));
		}
	}
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(-EBUSY, raw_call_async(r, FETCH, 0, 0, 0, self->buf));
	EXPECT_EQ(-EBUSY, raw_call_async(r, COMMIT, 0, 0, 0, self->buf));
	ASSERT_EQ(0, request(t, CLIENT_READ, &job, &ev));
	ASSERT_EQ(0, ev.res);
	ASSERT_EQ(0, raw_post(r, COMMIT, ev.q, ev.tag, 4096,
			      (uintptr_t)raw_buf(&t->srv, ev.q, ev.tag),
			      IOSQE_ASYNC, NULL));
	EXPECT_EQ(4096,
		  client_wait_serving(t->client, job, r, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-34 D-35 */
TEST_F(io, D_35_daemon_is_a_task_not_a_ring)
{
	bool sqpoll = variant->ring & IORING_SETUP_SQPOLL;
	struct raw_ring second;
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, raw_ring_open(&second, &t->srv, 0));
	ASSERT_EQ(0, request(t, CLIENT_READ, &job, &ev));
	ASSERT_EQ(0, ev.res);
	if (sqpoll) {
		/* The SQPOLL thread is the daemon, not this thread. */
		EXPECT_EQ(-EINVAL, raw_call(&second, COMMIT, ev.q, ev.tag,
					    4096, self->buf));
		EXPECT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
		EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
						    RAW_DEADLINE_MS));
		EXPECT_EQ(0, fx_stop(t));
		return;
	}
	EXPECT_EQ(-EINVAL, raw_call(&second, COMMIT, ev.q, ev.tag, 4096, 0));
	EXPECT_EQ(0, raw_commit(&second, ev.q, ev.tag, 4096));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	if (variant->queues * variant->depth == 1) {
		/* The only tag is armed on the second ring now. */
		job = client_blk(t->client, t->info.dev_id, CLIENT_READ,
				 RAW_WIN_START, 4096, 0);
		EXPECT_EQ(0, raw_request(&second, &ev, RAW_DEADLINE_MS));
		EXPECT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
		EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	}
	job = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, t->info.dev_id, 0);
	EXPECT_EQ(0, client_wait_serving(t->client, job, &t->ring,
					 RAW_DEADLINE_MS));
	raw_ring_close(&second);
}

static bool inflight(struct fixture *t)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/inflight",
		 t->info.dev_id);
	while (raw_read_ulong(path) < 1) {
		if (raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

/* The result of a command that is in the ring without a system call. */
static int submit_only(struct raw_ring *r, __u32 op, int q, int tag,
		       __u64 addr)
{
	struct io_uring_cqe *cqe;
	__u64 id;
	unsigned int head;
	int ret;

	ret = raw_post(r, op, q, tag, 0, addr, 0, &id);
	if (ret)
		return ret;
	io_uring_for_each_cqe(&r->ring, head, cqe) {
		if (cqe->user_data == id)
			return cqe->res;
	}
	return RAW_TIMEOUT;
}

/* covers: D-31 D-21 */
TEST_F(io, state_P)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, q, tag;

	/* Only with DEFER_TASKRUN a test can keep a request in delivery. */
	if (variant->ring != DEFER)
		SKIP(return, "needs IORING_SETUP_DEFER_TASKRUN");
	ASSERT_EQ(0, live(t));
	job = client_blk(t->client, t->info.dev_id, CLIENT_READ, RAW_WIN_START,
			 4096, 0);
	ASSERT_TRUE(inflight(t));
	for (q = 0; q < t->info.nr_hw_queues; q++) {
		for (tag = 0; tag < variant->depth; tag++) {
			EXPECT_EQ(-EBUSY, submit_only(&t->ring, COMMIT, q, tag,
						      self->buf));
			EXPECT_EQ(-EBUSY, submit_only(&t->ring, GET_DATA, q,
						      tag, self->buf));
			EXPECT_EQ(-EBUSY, submit_only(&t->ring, FETCH, q, tag,
						      self->buf));
			EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, COMMIT, q,
							   tag, 0,
							   self->buf));
		}
	}
	do {
		ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	} while (ev.res == -EBUSY);
	EXPECT_EQ(0, ev.res);
	EXPECT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
