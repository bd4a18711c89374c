// SPDX-License-Identifier: GPL-2.0
/*
 * REGISTER_IO_BUF and UNREGISTER_IO_BUF: what is refused and why, slots and
 * tables, how the buffer can be used (data.rst section 10). What waits for a
 * registered buffer is in uapi_zero_copy_ref.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/fixture.h"

#define WIN		RAW_WIN_START
#define LEN		12288
#define COMMIT		UBLK_U_IO_COMMIT_AND_FETCH_REQ
#define REGISTER	UBLK_U_IO_REGISTER_IO_BUF
#define UNREGISTER	UBLK_U_IO_UNREGISTER_IO_BUF
#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

#define DEPTH		4
#define SLOTS		(DEPTH + RAW_SLOTS)	/* of the server's table */

FIXTURE(zc) {
	struct fixture t;
};

FIXTURE_VARIANT(zc) {
	__u64 flags;
	bool legacy;
	unsigned int ring;
};

FIXTURE_VARIANT_ADD(zc, alone) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY,
};

FIXTURE_VARIANT_ADD(zc, legacy_defer) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY, .legacy = true, .ring = DEFER,
};

FIXTURE_VARIANT_ADD(zc, user_copy) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_USER_COPY,
};

FIXTURE_SETUP(zc)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	t->ctl.legacy = variant->legacy;
	ASSERT_EQ(0, fx_add(t, 1, DEPTH, variant->flags));
	ASSERT_EQ(0, fx_serve(t, variant->ring));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
}

FIXTURE_TEARDOWN_PARENT(zc)
{
	FX_TEARDOWN(&self->t);
}

/* Move data between a file and the buffer in a slot. */
static int from_slot(struct fixture *t, int slot, __u64 addr, __u32 len)
{
	return raw_fixed(&t->ring, true, t->srv.buf_fd, 0, slot, addr, len);
}

static int to_slot(struct fixture *t, int slot, __u64 addr, __u32 len)
{
	return raw_fixed(&t->ring, false, t->srv.buf_fd, 0, slot, addr, len);
}

struct reg_args {
	struct raw_srv *s;
	int q, tag;
	bool no_table;
	__u64 slot;
	int then;		/* result of UNREGISTER in the same ring */
};

/* REGISTER by a task that is the daemon of no tag, in a ring of its own. */
static long reg_elsewhere(void *arg)
{
	struct reg_args *a = arg;
	struct raw_ring r;
	long ret = raw_ring_open(&r, a->s, 0);

	if (ret)
		return ret;
	if (!a->no_table)
		ret = raw_table(&r);
	if (!ret)
		ret = raw_reg(&r, a->q, a->tag, a->slot);
	a->then = raw_unreg(&r, a->slot);
	raw_ring_close(&r);
	return ret;
}

/* covers: D-31 D-113 D-116 */
TEST_F(zc, D_113_tags_without_a_request)
{
	struct fixture *t = &self->t;
	struct reg_args a = { .s = &t->srv, .slot = 1 };
	struct raw_ev ev;
	int job, i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EBUSY, raw_reg(&t->ring, 0, 0, 1));
		EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
		EXPECT_EQ(-EINVAL, a.then);
		EXPECT_EQ(-EINVAL, raw_in_process(reg_elsewhere, &a));
		EXPECT_EQ(-EINVAL, raw_reg(&t->ring, 0, DEPTH, 1));
		EXPECT_EQ(-EINVAL, raw_reg(&t->ring, 1, 0, 1));
		EXPECT_EQ(-EINVAL, raw_unreg(&t->ring, 1));
		if (!i)
			ASSERT_EQ(0, fx_start(t));
	}
	if (variant->ring == DEFER) {
		/*
		 * While the request is being delivered nobody can register it.
		 */
		job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN,
				 LEN, 0);
		ASSERT_TRUE(fx_inflight(t, 1));
		for (a.tag = 0; a.tag < DEPTH; a.tag++)
			EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
		ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
		ASSERT_EQ(0, raw_serve(&t->ring, &ev));
		EXPECT_EQ(LEN, fx_finish(t, job));
		a.tag = 0;
	}
	ASSERT_EQ(0, fx_stop(t));
	/* Canceled tags. */
	EXPECT_EQ(-EBUSY, raw_reg(&t->ring, 0, 0, 1));
	EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
}

/* covers: D-107 D-113 D-105 */
TEST_F(zc, D_107_requests_without_data)
{
	const enum client_blk_op ops[] = {
		CLIENT_FSYNC, CLIENT_DISCARD, CLIENT_ZEROOUT,
	};
	struct fixture *t = &self->t;
	struct reg_args a = { .s = &t->srv, .slot = 20 };
	struct raw_ev ev;
	unsigned int i;
	int job;

	ASSERT_EQ(0, fx_start(t));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ASSERT_EQ(0, fx_request(t, ops[i], WIN, LEN, &job, &ev));
		ASSERT_EQ(0, ev.res);
		a.q = ev.q;
		a.tag = ev.tag;
		EXPECT_EQ(-EINVAL, raw_reg(&t->ring, ev.q, ev.tag, 20));
		EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
		EXPECT_EQ(-EINVAL, raw_unreg(&t->ring, 20));
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 0));
		EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-108 D-109 D-111 D-116 D-118 */
TEST_F(zc, D_108_slots)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev ev;
	int job, i;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	EXPECT_EQ(-EINVAL, raw_reg(r, ev.q, ev.tag, SLOTS));
	EXPECT_EQ(-EINVAL, raw_reg(r, ev.q, ev.tag, 65536));
	EXPECT_EQ(-EINVAL, raw_reg(r, ev.q, ev.tag, 0xffffffff));
	EXPECT_EQ(-EINVAL, raw_unreg(r, SLOTS));
	EXPECT_EQ(-EINVAL, raw_unreg(r, 0xffffffff));
	/* Into every slot, and twice into a slot that does not exist. */
	for (i = 0; i < SLOTS; i++) {
		EXPECT_EQ(-EINVAL, raw_unreg(r, i));
		EXPECT_EQ(0, raw_reg(r, ev.q, ev.tag, i)) {
			TH_LOG("slot %d", i);
		}
		EXPECT_EQ(-EBUSY, raw_reg(r, ev.q, ev.tag, i));
	}
	for (i = SLOTS - 1; i >= 0; i--) {
		EXPECT_EQ(0, raw_unreg(r, i));
		EXPECT_EQ(-EINVAL, raw_unreg(r, i));
	}
	/* The upper half of the address is ignored. */
	EXPECT_EQ(0, raw_reg(r, ev.q, ev.tag, 7 | 1ULL << 32));
	EXPECT_EQ(-EBUSY, raw_reg(r, ev.q, ev.tag, 7));
	EXPECT_EQ(0, raw_unreg(r, 7 | 1ULL << 63));
	ASSERT_EQ(0, raw_serve(r, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-116 D-31 D-33 */
TEST_F(zc, D_116_unregister_needs_no_tag)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, raw_reg(r, ev.q, ev.tag, 20));
	EXPECT_EQ(0, raw_call(r, UNREGISTER, 999, 9999, 5, 20));
	EXPECT_EQ(-EINVAL, raw_call(r, UNREGISTER, 999, 9999, 5, 20));
	t->srv.legacy = false;
	EXPECT_EQ(-EOPNOTSUPP, raw_call(r, _IO('v', 0x24), 0, 0, 0, 20));
	EXPECT_EQ(-EOPNOTSUPP, raw_call(r, _IO('v', 0x23), ev.q, ev.tag, 0,
					20));
	t->srv.legacy = variant->legacy;
	/* A worker passes both commands to this task. */
	EXPECT_EQ(0, raw_call_async(r, REGISTER, ev.q, ev.tag, 0, 20));
	EXPECT_EQ(-EBUSY, raw_call_async(r, REGISTER, ev.q, ev.tag, 0, 20));
	EXPECT_EQ(0, raw_call_async(r, UNREGISTER, 0, 0, 0, 20));
	EXPECT_EQ(-EINVAL, raw_call_async(r, UNREGISTER, 0, 0, 0, 20));
	ASSERT_EQ(0, raw_serve(r, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-108 D-116 D-114 */
TEST_F(zc, D_108_ring_without_a_table)
{
	struct fixture *t = &self->t;
	struct reg_args a = { .s = &t->srv, .no_table = true };
	struct raw_ring second;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, raw_ring_open(&second, &t->srv, 0));
	second.srv = &t->srv;
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	a.q = ev.q;
	a.tag = ev.tag;
	EXPECT_EQ(-EINVAL, raw_reg(&second, ev.q, ev.tag, 0));
	EXPECT_EQ(-EINVAL, raw_unreg(&second, 0));
	EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
	EXPECT_EQ(-EINVAL, a.then);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
	raw_ring_close(&second);
}

/* covers: D-109 D-117 */
TEST_F(zc, D_117_slot_with_memory_of_the_user)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, raw_set_slot(r, 20, raw_buf(&t->srv, 0, 0), 4096));
	EXPECT_EQ(-EBUSY, raw_unreg(r, 20));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	EXPECT_EQ(-EBUSY, raw_reg(r, ev.q, ev.tag, 20));
	EXPECT_EQ(-EBUSY, raw_unreg(r, 20));
	ASSERT_EQ(0, raw_set_slot(r, 20, NULL, 0));
	EXPECT_EQ(0, raw_reg(r, ev.q, ev.tag, 20));
	EXPECT_EQ(0, raw_unreg(r, 20));
	ASSERT_EQ(0, raw_serve(r, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-112 D-113 D-114 */
TEST_F(zc, D_112_register_from_anywhere)
{
	struct fixture *t = &self->t;
	struct reg_args a = { .s = &t->srv, .slot = 3 };
	struct raw_ev ev;
	int job;

	EXPECT_TRUE(t->info.flags & UBLK_F_BUF_REG_OFF_DAEMON);
	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	a.q = ev.q;
	a.tag = ev.tag;
	EXPECT_EQ(0, raw_in_thread(reg_elsewhere, &a));
	EXPECT_EQ(0, a.then);
	EXPECT_EQ(0, raw_in_process(reg_elsewhere, &a));
	/* They clear a slot of their own ring. */
	ASSERT_EQ(0, raw_reg(&t->ring, ev.q, ev.tag, 3));
	EXPECT_EQ(0, raw_in_thread(reg_elsewhere, &a));
	EXPECT_EQ(0, a.then);
	EXPECT_EQ(0, raw_unreg(&t->ring, 3));
	a.slot = 9999;
	EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
	EXPECT_EQ(-EINVAL, a.then);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	/* The request has ended. */
	a.slot = 3;
	EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
	EXPECT_EQ(-EINVAL, a.then);
	EXPECT_EQ(-EBUSY, raw_reg(&t->ring, ev.q, ev.tag, 3));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-120 */
TEST_F(zc, D_120_buffer_of_a_write)
{
	struct fixture *t = &self->t;
	char *buf = t->srv.bufs;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_start(t));
	raw_fill(t->client->data, LEN, 11);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev.q, ev.tag, 20));
	EXPECT_EQ(LEN, from_slot(t, 20, 0, LEN));
	EXPECT_EQ(0, memcmp(buf, t->client->data, LEN));
	EXPECT_EQ(LEN - 4097, from_slot(t, 20, 4097, LEN - 4097));
	EXPECT_EQ(0, memcmp(buf, t->client->data + 4097, LEN - 4097));
	EXPECT_EQ(1, from_slot(t, 20, LEN - 1, 1));
	EXPECT_EQ(t->client->data[LEN - 1], buf[0]);
	/* Outside the buffer, and in the wrong direction. */
	EXPECT_EQ(-EFAULT, from_slot(t, 20, 0, LEN + 1));
	EXPECT_EQ(-EFAULT, from_slot(t, 20, LEN, 1));
	EXPECT_EQ(-EFAULT, from_slot(t, 20, 1ULL << 40, 1));
	EXPECT_EQ(-EFAULT, to_slot(t, 20, 0, LEN));
	EXPECT_EQ(-EFAULT, to_slot(t, 20, 512, 1));
	EXPECT_EQ(-EFAULT, from_slot(t, 21, 0, LEN));
	EXPECT_EQ(0, raw_unreg(&t->ring, 20));
	EXPECT_EQ(-EFAULT, from_slot(t, 20, 0, LEN));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-120 D-119 */
TEST_F(zc, D_120_buffer_of_a_read)
{
	struct fixture *t = &self->t;
	char *buf = t->srv.bufs;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev.q, ev.tag, 20));
	ASSERT_EQ(0, raw_reg(&t->ring, ev.q, ev.tag, 21));
	raw_fill(buf, LEN, 12);
	EXPECT_EQ(LEN, to_slot(t, 20, 0, LEN));
	EXPECT_EQ(512, raw_fixed(&t->ring, false, t->srv.buf_fd, 100, 21,
				 LEN - 512, 512));
	EXPECT_EQ(-EFAULT, to_slot(t, 20, 0, LEN + 1));
	EXPECT_EQ(-EFAULT, to_slot(t, 20, 1, LEN));
	EXPECT_EQ(-EFAULT, from_slot(t, 20, 0, LEN));
	EXPECT_EQ(-EFAULT, from_slot(t, 21, 0, 1));
	EXPECT_EQ(0, raw_unreg(&t->ring, 20));
	EXPECT_EQ(0, raw_unreg(&t->ring, 21));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, memcmp(buf, t->client->data, LEN - 512));
	EXPECT_EQ(0, memcmp(buf + 100, t->client->data + LEN - 512, 512));
	EXPECT_EQ(0, fx_stop(t));
}

static struct io_uring_sqe *cmd_sqe(struct raw_ring *r, struct raw_ev *ev,
				    __u32 op, int slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	struct ublksrv_io_cmd *cmd;

	if (!sqe)
		return NULL;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = r->srv->fd;
	sqe->cmd_op = op;
	sqe->flags = IOSQE_IO_HARDLINK;
	sqe->user_data = raw_user_data(r);
	cmd = (struct ublksrv_io_cmd *)sqe->cmd;
	cmd->q_id = ev->q;
	cmd->tag = ev->tag;
	cmd->addr = slot;
	return sqe;
}

/* covers: F-24 D-104 D-111 */
TEST_F(zc, F_24_hard_linked_chain)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct io_uring_sqe *sqe;
	struct raw_ev ev;
	__u64 id[3];
	int job;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	raw_fill(t->srv.bufs, LEN, 13);
	sqe = cmd_sqe(r, &ev, REGISTER, 20);
	ASSERT_NE(NULL, sqe);
	id[0] = sqe->user_data;
	sqe = io_uring_get_sqe(&r->ring);
	ASSERT_NE(NULL, sqe);
	io_uring_prep_read_fixed(sqe, t->srv.buf_fd, NULL, LEN, 0, 20);
	sqe->flags |= IOSQE_IO_HARDLINK;
	sqe->user_data = raw_user_data(r);
	id[1] = sqe->user_data;
	sqe = cmd_sqe(r, &ev, UNREGISTER, 20);
	ASSERT_NE(NULL, sqe);
	sqe->flags = 0;
	id[2] = sqe->user_data;
	ASSERT_EQ(3, io_uring_submit(&r->ring));
	EXPECT_EQ(0, raw_await(r, id[0], RAW_DEADLINE_MS));
	EXPECT_EQ(LEN, raw_await(r, id[1], RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_await(r, id[2], RAW_DEADLINE_MS));
	ASSERT_EQ(0, raw_commit(r, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, memcmp(t->srv.bufs, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

FIXTURE(no_zc) {
	struct fixture t;
};

FIXTURE_VARIANT(no_zc) {
	__u64 flags;
};

FIXTURE_VARIANT_ADD(no_zc, copy_mode) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(no_zc, user_copy) {
	.flags = UBLK_F_USER_COPY,
};

FIXTURE_VARIANT_ADD(no_zc, auto_buf) {
	.flags = UBLK_F_AUTO_BUF_REG,
};

FIXTURE_SETUP(no_zc)
{
	FX_SETUP(&self->t, variant->flags | UBLK_F_SUPPORT_ZERO_COPY);
}

FIXTURE_TEARDOWN_PARENT(no_zc)
{
	FX_TEARDOWN(&self->t);
}

/* covers: D-107 D-112 D-115 */
TEST_F(no_zc, D_107_flag_not_set)
{
	struct fixture *t = &self->t;
	struct reg_args a = { .s = &t->srv, .slot = 20 };
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_add(t, 1, DEPTH, variant->flags));
	ASSERT_EQ(0, fx_serve(t, 0));
	if (!(variant->flags & UBLK_F_AUTO_BUF_REG))
		ASSERT_EQ(0, raw_table(&t->ring));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EBUSY, raw_reg(&t->ring, 0, 0, 20));
	EXPECT_EQ(-EINVAL, raw_unreg(&t->ring, 20));
	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	a.q = ev.q;
	a.tag = ev.tag;
	EXPECT_EQ(-EINVAL, raw_reg(&t->ring, ev.q, ev.tag, 20));
	EXPECT_EQ(-EINVAL, raw_unreg(&t->ring, 20));
	EXPECT_EQ(-EINVAL, raw_in_thread(reg_elsewhere, &a));
	EXPECT_EQ(-EINVAL, a.then);
	/* Not even a buffer that was registered automatically. */
	EXPECT_EQ(-EINVAL, raw_unreg(&t->ring, ev.tag));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
