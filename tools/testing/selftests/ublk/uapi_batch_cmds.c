// SPDX-License-Identifier: GPL-2.0
/*
 * Batch commands: which ones are refused and why (data.rst section 13). Opcodes,
 * the header, elements of PREP_IO_CMDS and COMMIT_IO_CMDS, FETCH_IO_CMDS that
 * does not start. Delivery is in uapi_batch_fetch.c, data in uapi_batch_data.c,
 * stops and exits in uapi_batch_life.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "lib/fixture_batch.h"

#define ZONE	UBLK_BATCH_F_HAS_ZONE_LBA
#define ADDR	UBLK_BATCH_F_HAS_BUF_ADDR
#define FALLBACK UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK

#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define WIN	RAW_WIN_START

/* raw_batch_call(); the caller names the members of the command. */
#define CALL(b, ...) raw_batch_call(b, &(struct raw_bcmd) { __VA_ARGS__ })

FIXTURE(cmds) {
	struct fixture_batch u;
	unsigned int flags, size;	/* the correct ones for PREP and COMMIT */
	struct raw_batch *b;
	char *buf;			/* one correct element */
};

FIXTURE_VARIANT(cmds) {
	int queues, depth;
	__u64 flags;
	unsigned int ring;
};

FIXTURE_VARIANT_ADD(cmds, copy_q1_d4) {
	.queues = 1, .depth = 4,
};

FIXTURE_VARIANT_ADD(cmds, copy_q2_d8_defer) {
	.queues = 2, .depth = 8, .ring = DEFER,
};

FIXTURE_VARIANT_ADD(cmds, user_copy_q1_d2_sqe128) {
	.queues = 1, .depth = 2, .flags = UBLK_F_USER_COPY,
	.ring = IORING_SETUP_SQE128,
};

FIXTURE_VARIANT_ADD(cmds, auto_reg_q2_d4) {
	.queues = 2, .depth = 4, .flags = UBLK_F_AUTO_BUF_REG,
};

FIXTURE_VARIANT_ADD(cmds, zero_copy_q1_d4) {
	.queues = 1, .depth = 4, .flags = UBLK_F_SUPPORT_ZERO_COPY,
};

FIXTURE_SETUP(cmds)
{
	__u64 flags = variant->flags | UBLK_F_BATCH_IO;
	struct fixture *t = &self->u.t;
	struct raw_elem e = { 0 };

	FX_SETUP(t, flags);
	ASSERT_EQ(0, fx_add(t, variant->queues, variant->depth, flags));
	ASSERT_EQ(0, fxb_serve(&self->u, variant->ring));
	ASSERT_EQ(0, fxb_table(&self->u, 64));
	self->b = &self->u.b;
	self->flags = raw_batch_flags(self->b);
	self->size = raw_elem_size(self->flags);
	self->buf = calloc(1, 4096);
	ASSERT_NE(NULL, self->buf);
	e.buf_addr = (uintptr_t)raw_buf(&t->srv, 0, 0);
	raw_elem_put(self->buf, 0, self->flags, &e);
}

FIXTURE_TEARDOWN_PARENT(cmds)
{
	FX_TEARDOWN(&self->u.t);
}

/* An element for a tag with the tag's own buffer or slot. */
static struct raw_elem elem(struct fixture_batch *u, int q, int tag, int result)
{
	__u64 addr = raw_addr(&u->t.srv, q, tag);

	return (struct raw_elem) {
		.tag = tag, .result = result, .buf_addr = addr,
		.buf_index = addr,
	};
}

/* The device works: the refused commands had no effect. */
static int works(struct fixture_batch *u)
{
	int ret = raw_batch_prep_all(&u->b);

	if (!ret)
		ret = fxb_fetch_all(u);
	if (!ret)
		ret = fxb_start(u);
	if (!ret && fxb_wait(u, fxb_blk(u, CLIENT_DISCARD, WIN, 4096)))
		ret = -EIO;
	return ret ? ret : fxb_stop(u);
}

/* A LIVE device whose server owns a request of the client. */
static int own(struct fixture_batch *u, enum client_blk_op op, int *job,
	       struct raw_ev *ev)
{
	int ret = raw_batch_prep_all(&u->b);

	if (!ret)
		ret = fxb_fetch_all(u);
	if (!ret)
		ret = fxb_start(u);
	return ret ? ret : fxb_request(u, op, WIN, 4096, job, ev);
}

/* covers: D-160 D-115 D-112 */
TEST_F(cmds, D_160_opcodes)
{
	const __u32 ops[] = {
		UBLK_U_IO_FETCH_REQ, UBLK_U_IO_COMMIT_AND_FETCH_REQ,
		UBLK_U_IO_NEED_GET_DATA, _IO('u', 0), _IO('u', 0x28),
		0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,
		_IO('u', 0x25), _IOR('u', 0x26, struct ublk_batch_io),
		_IO('u', 0x27), _IO('u', 0x23), _IOW('v', 0x25, long),
	};
	int nq = variant->queues, qd = variant->depth;
	struct raw_batch *b = self->b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(-EOPNOTSUPP, raw_batch_io_call(b, ops[i], 0, 0, 0)) {
			TH_LOG("op 0x%x", ops[i]);
		}
		EXPECT_EQ(-EINVAL, raw_batch_io_call(b, ops[i], nq, 0, 0)) {
			TH_LOG("op 0x%x", ops[i]);
		}
		EXPECT_EQ(-EINVAL, raw_batch_io_call(b, ops[i], 0, qd, 0)) {
			TH_LOG("op 0x%x", ops[i]);
		}
	}
	/*
	 * Buffer commands fail as from a thread that is the daemon of no tag.
	 */
	EXPECT_EQ(-EINVAL, raw_batch_io_call(b, UBLK_U_IO_REGISTER_IO_BUF, 0,
					     0, 0));
	EXPECT_EQ(-EINVAL, raw_batch_io_call(b, UBLK_U_IO_REGISTER_IO_BUF, nq,
					     0, 0));
	EXPECT_EQ(-EINVAL, raw_batch_io_call(b, UBLK_U_IO_UNREGISTER_IO_BUF,
					     nq, qd, 0));
	EXPECT_EQ(0, works(&self->u));
}

/* covers: D-162 D-163 D-164 D-165 D-166 D-167 D-168 */
TEST_F(cmds, D_162_header)
{
	const __u32 ops[] = { RAW_PREP, RAW_COMMIT };
	int nq = variant->queues, qd = variant->depth;
	bool copy = raw_copy_mode(&self->u.t.srv);
	unsigned int i, f = self->flags, n = self->size;
	struct raw_batch *b = self->b;
	__u32 op;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		op = ops[i];
		EXPECT_EQ(-EINVAL, CALL(b, .op = op, .q = nq, .flags = f,
					.nr = 1, .size = n, .addr = self->buf));
		EXPECT_EQ(-EINVAL, CALL(b, .op = op, .q = 65535, .flags = 0xff,
					.nr = 65535, .size = 1));
		EXPECT_EQ(-E2BIG, CALL(b, .op = op, .flags = f, .nr = qd + 1,
				       .size = n, .addr = self->buf));
		/* The count is checked before flags and size. */
		EXPECT_EQ(-E2BIG, CALL(b, .op = op, .flags = 0xffff,
				       .nr = 65535, .size = 1));
		EXPECT_EQ(-EINVAL, CALL(b, .op = op, .flags = f | ZONE,
					.nr = 1, .size = n + 8,
					.addr = self->buf));
		EXPECT_EQ(-EINVAL, CALL(b, .op = op, .flags = 0x8 | f,
					.nr = 1, .size = n,
					.addr = self->buf));
		EXPECT_EQ(-EINVAL, CALL(b, .op = op, .flags = 0x8000 | f,
					.nr = 0, .size = n));
		EXPECT_EQ(-EINVAL, CALL(b, .op = op, .flags = FALLBACK | ADDR,
					.nr = 1, .size = 16,
					.addr = self->buf));
		if (!copy)
			EXPECT_EQ(-EINVAL, CALL(b, .op = op, .flags = ADDR,
						.nr = 1, .size = 16,
						.addr = self->buf));
		if (!(variant->flags & UBLK_F_AUTO_BUF_REG))
			EXPECT_EQ(-EINVAL, CALL(b, .op = op, .flags = FALLBACK,
						.nr = 1, .size = 8,
						.addr = self->buf));
	}
	EXPECT_EQ(0, works(&self->u));
}

/* covers: D-168 */
TEST_F(cmds, D_168_element_sizes)
{
	const __u32 ops[] = { RAW_PREP, RAW_COMMIT };
	unsigned int i, size;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (size = 0; size < 256; size++) {
			if (size == self->size)
				continue;
			EXPECT_EQ(-EINVAL, CALL(self->b, .op = ops[i],
						.flags = self->flags, .nr = 0,
						.size = size)) {
				TH_LOG("size %u", size);
			}
		}
	}
	EXPECT_EQ(0, works(&self->u));
}

/* covers: D-169 D-174 D-161 */
TEST_F(cmds, D_169_no_elements)
{
	struct raw_bcmd cmd = {
		.op = RAW_PREP, .flags = self->flags, .size = self->size,
	};
	struct raw_batch *b = self->b;

	/*
	 * A command of no elements succeeds in every state, from any thread,
	 * with any address.
	 */
	EXPECT_EQ(0, raw_batch_call(b, &cmd));
	EXPECT_EQ(0, raw_batch_thread_call(&self->u.t.srv, &cmd));
	cmd.op = RAW_COMMIT;
	cmd.addr = (void *)8;
	EXPECT_EQ(0, raw_batch_call(b, &cmd));
	EXPECT_EQ(0, raw_batch_thread_call(&self->u.t.srv, &cmd));
	cmd.len = 12345;
	EXPECT_EQ(0, raw_batch_call(b, &cmd));
	ASSERT_EQ(0, raw_batch_prep_all(b));
	EXPECT_EQ(0, raw_batch_call(b, &cmd));
	cmd.op = RAW_PREP;
	EXPECT_EQ(0, raw_batch_call(b, &cmd)) TH_LOG("a command of no elements is not refused");
}

/* covers: D-170 */
TEST_F(cmds, D_170_element_buffer)
{
	struct fixture *t = &self->u.t;
	unsigned int n = self->size;
	struct raw_elem e[2];
	char *map;

	EXPECT_EQ(-EFAULT, CALL(self->b, .op = RAW_PREP, .flags = self->flags,
				.nr = 1, .size = n));
	EXPECT_EQ(-EFAULT, CALL(self->b, .op = RAW_PREP, .flags = self->flags,
				.nr = 1, .size = n, .addr = (void *)64));
	/* All but the last byte is readable: nothing is prepared. */
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(map + 4096, 4096));
	map += 4096 - 2 * n + 1;
	e[0] = elem(&self->u, 0, 0, 0);
	e[1] = elem(&self->u, 0, 1, 0);
	raw_elem_put(map, 0, self->flags, &e[0]);
	EXPECT_EQ(-EFAULT, CALL(self->b, .op = RAW_PREP, .flags = self->flags,
				.nr = 2, .size = n, .addr = map));
	EXPECT_EQ(0, CALL(self->b, .op = RAW_PREP, .flags = self->flags,
			  .nr = 1, .size = n, .addr = map)) {
		TH_LOG("tag 0 was not prepared; the buffer may be unaligned");
	}
	EXPECT_EQ(-EINVAL, raw_batch_prep(self->b, 0, 0, 1)) {
		TH_LOG("the tag is already prepared");
	}
	if (variant->depth > 2)
		EXPECT_EQ(0, raw_batch_prep(self->b, 0, 1, 1));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, t->info.dev_id));
}

/* covers: D-170 D-171 D-172 */
TEST_F(cmds, D_170_all_or_nothing)
{
	int qd = variant->depth, q = variant->queues - 1;
	struct fixture_batch *u = &self->u;
	struct raw_batch *b = self->b;
	struct raw_elem e[8];
	int i;

	for (i = 0; i < qd; i++)
		e[i] = elem(u, q, i, -1);
	/* Any error in the second element undoes the first one. */
	e[1].tag = qd;
	EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_PREP, q, e, 2));
	e[1].tag = 65535;
	EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_PREP, q, e, 2));
	e[1].tag = 0;
	EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_PREP, q, e, 2));
	e[1] = elem(u, q, 1, 0);
	if (raw_copy_mode(&u->t.srv)) {
		e[1].buf_addr = 0;
		EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_PREP, q, e, 2));
		e[1] = elem(u, q, 1, 0);
	}
	/* A tag that an earlier command has prepared stays prepared. */
	if (qd > 2) {
		ASSERT_EQ(0, raw_batch_prep(b, q, 2, 1));
		e[1].tag = 2;
		EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_PREP, q, e, 2));
		EXPECT_EQ(-EINVAL, raw_batch_prep(b, q, 2, 1));
		EXPECT_EQ(0, raw_batch_prep(b, q, 3, qd - 3));
	}
	e[1].tag = 1;
	EXPECT_EQ(0, raw_batch_elems(b, RAW_PREP, q, e, 2));
	for (i = 0; i < q; i++)
		EXPECT_EQ(0, raw_batch_prep(b, i, 0, qd));
	/* When all tags are ready the answer is another one. */
	EXPECT_EQ(-EBUSY, raw_batch_prep(b, q, 0, 1));
	EXPECT_EQ(-EBUSY, raw_batch_prep(b, 0, qd - 1, 1));
	e[0].tag = qd;
	EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_PREP, q, e, 1));
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(0, fxb_start(u));
	EXPECT_EQ(-EBUSY, raw_batch_prep(b, 0, 0, 1));
	EXPECT_EQ(0, fxb_stop(u));
	EXPECT_EQ(-ENODEV, raw_batch_prep(b, 0, 0, 1));
}

/* covers: D-170 */
TEST_F(cmds, D_170_address_needed)
{
	struct raw_elem e = { .tag = 0 };

	if (!raw_copy_mode(&self->u.t.srv))
		SKIP(return, "no address in this mode");
	EXPECT_EQ(-EINVAL, raw_batch_elems(self->b, RAW_PREP, 0, &e, 1));
	raw_elem_put(self->buf, 0, 0, &e);
	EXPECT_EQ(-EINVAL, CALL(self->b, .op = RAW_PREP, .nr = 1, .size = 8,
				.addr = self->buf));
	e.buf_addr = 1;
	EXPECT_EQ(0, raw_batch_elems(self->b, RAW_PREP, 0, &e, 1));
}

/* covers: D-172 D-161 */
TEST_F(cmds, D_172_any_order_any_thread)
{
	int q, tag;

	for (q = variant->queues - 1; q >= 0; q--) {
		for (tag = variant->depth - 1; tag >= 0; tag--) {
			struct raw_elem e = elem(&self->u, q, tag, 12345);
			struct raw_bcmd cmd = {
				.op = RAW_PREP, .q = q, .flags = self->flags,
				.nr = 1, .size = self->size, .addr = self->buf,
			};

			raw_elem_put(self->buf, 0, self->flags, &e);
			EXPECT_EQ(0, raw_batch_thread_call(&self->u.t.srv,
							   &cmd));
		}
	}
	ASSERT_EQ(0, fxb_fetch_all(&self->u));
	EXPECT_EQ(0, fxb_start(&self->u));
	EXPECT_EQ(0, fxb_wait(&self->u, fxb_blk(&self->u, CLIENT_DISCARD, WIN,
						4096)));
	EXPECT_EQ(0, fxb_stop(&self->u));
}

/* covers: D-173 D-174 */
TEST_F(cmds, D_173_commit_not_owned)
{
	struct raw_batch *b = self->b;
	int qd = variant->depth, i;
	struct raw_elem e;

	for (i = 0; i < 2; i++) {
		/*
		 * First with tags that are not prepared, then with prepared
		 * ones.
		 */
		EXPECT_EQ(-EBUSY, raw_batch_commit(b, 0, 0, 0));
		EXPECT_EQ(-EBUSY, raw_batch_commit(b, 0, qd - 1, 0));
		e = elem(&self->u, 0, 0, 0);
		e.tag = qd;
		EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_COMMIT, 0, &e, 1));
		e.tag = 65535;
		EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_COMMIT, 0, &e, 1));
		EXPECT_EQ(-EFAULT, CALL(b, .op = RAW_COMMIT,
					.flags = self->flags, .nr = 1,
					.size = self->size));
		/* Ownership is checked before the address. */
		e = (struct raw_elem) { .tag = 0 };
		EXPECT_EQ(-EBUSY, raw_batch_elems(b, RAW_COMMIT, 0, &e, 1));
		if (!i)
			ASSERT_EQ(0, raw_batch_prep_all(b));
	}
}

/* covers: D-173 D-174 D-175 D-55 */
TEST_F(cmds, D_174_commit_refused_then_taken)
{
	struct fixture_batch *u = &self->u;
	struct raw_batch *b = self->b;
	struct raw_elem e[2];
	struct raw_ev ev;
	int job, size = self->size;

	ASSERT_EQ(0, own(u, CLIENT_DISCARD, &job, &ev));
	ASSERT_EQ(0, ev.res);
	EXPECT_EQ(UBLK_IO_OP_DISCARD, ublksrv_get_op(&ev.iod));
	if (raw_copy_mode(&u->t.srv)) {
		e[0] = (struct raw_elem) { .tag = ev.tag, .result = 4096 };
		EXPECT_EQ(-EINVAL, raw_batch_elems(b, RAW_COMMIT, ev.q, e, 1));
	}
	EXPECT_FALSE(client_done(u->t.client, job));
	/* Twice the same tag in one command: the first element is used. */
	e[0] = elem(u, ev.q, ev.tag, 4096);
	e[1] = e[0];
	EXPECT_EQ(size, raw_batch_elems(b, RAW_COMMIT, ev.q, e, 2));
	EXPECT_EQ(0, client_wait(u->t.client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-EBUSY, raw_batch_elems(b, RAW_COMMIT, ev.q, e, 2));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-174 D-173 D-238 */
TEST_F(cmds, D_174_partial_counts)
{
	struct fixture_batch *u = &self->u;
	struct raw_batch *b = self->b;
	int jobs[2], size = self->size;
	struct raw_elem e[3];
	struct raw_ev ev[2];

	ASSERT_EQ(0, fxb_one_cpu(u));
	ASSERT_EQ(0, own(u, CLIENT_READ, &jobs[0], &ev[0]));
	ASSERT_EQ(0, fxb_request(u, CLIENT_READ, WIN + 65536, 4096, &jobs[1],
				 &ev[1]));
	e[0] = elem(u, ev[0].q, ev[0].tag, 4096);
	e[1] = elem(u, ev[0].q, ev[1].tag, -ENOSPC);
	e[1].tag = variant->depth;
	e[2] = elem(u, ev[0].q, ev[1].tag, -ENOSPC);
	EXPECT_EQ(size, raw_batch_elems(b, RAW_COMMIT, ev[0].q, e,
					variant->depth < 3 ? 2 : 3));
	EXPECT_EQ(4096, client_wait(u->t.client, jobs[0], RAW_DEADLINE_MS));
	EXPECT_FALSE(client_done(u->t.client, jobs[1])) {
		TH_LOG("elements after the bad one are not checked");
	}
	EXPECT_EQ(size, raw_batch_elems(b, RAW_COMMIT, ev[0].q, e + 2, 1));
	EXPECT_EQ(-ENOSPC, client_wait(u->t.client, jobs[1], RAW_DEADLINE_MS));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-180 D-181 D-182 D-183 D-186 D-194 */
TEST_F(cmds, D_180_fetch_header)
{
	const struct raw_bcmd good = {
		.op = RAW_FETCH, .size = 2, .sqe_flags = IOSQE_BUFFER_SELECT,
		.uring_flags = RAW_CMD_MULTISHOT,
	};
	struct raw_batch *b = self->b;
	struct raw_bcmd cmd = good;
	int size, i;

	cmd.q = variant->queues;
	EXPECT_EQ(-EINVAL, raw_batch_call(b, &cmd));
	cmd.q = 65535;
	EXPECT_EQ(-EINVAL, raw_batch_call(b, &cmd));
	cmd = good;
	cmd.uring_flags = 0;
	cmd.sqe_flags = 0;
	EXPECT_EQ(-EINVAL, raw_batch_call(b, &cmd));
	/* io_uring itself refuses this (F-2). */
	cmd.uring_flags = RAW_CMD_MULTISHOT;
	EXPECT_EQ(-EINVAL, raw_batch_call(b, &cmd));
	cmd = good;
	cmd.uring_flags = 0;
	EXPECT_EQ(-EINVAL, raw_batch_call(b, &cmd));
	cmd = good;
	for (size = 0; size < 256; size++) {
		cmd.size = size;
		if (size != 2)
			EXPECT_EQ(-EINVAL, raw_batch_call(b, &cmd));
	}
	cmd = good;
	for (i = 0; i < 16; i++) {
		cmd.flags = 1 << i;
		EXPECT_EQ(-EINVAL, raw_batch_call(b, &cmd));
	}
	/* nr_elem may be anything, and the group is not used yet. */
	cmd = good;
	cmd.nr = 65535;
	cmd.group = 77;
	EXPECT_LT(0, raw_batch_post(b, &cmd));
	EXPECT_TRUE(fxb_quiet(&self->u));
}

/* covers: D-161 */
TEST_F(cmds, D_161_from_a_worker)
{
	struct raw_elem e = elem(&self->u, 0, 0, 0);
	struct raw_bcmd cmd = {
		.op = RAW_PREP, .flags = self->flags, .nr = 1,
		.size = self->size, .addr = self->buf,
		.sqe_flags = IOSQE_ASYNC,
	};

	raw_elem_put(self->buf, 0, self->flags, &e);
	EXPECT_EQ(0, raw_batch_call(self->b, &cmd));
	EXPECT_EQ(-EINVAL, raw_batch_call(self->b, &cmd));
	cmd.op = RAW_COMMIT;
	EXPECT_EQ(-EBUSY, raw_batch_call(self->b, &cmd));
	cmd.nr = variant->depth + 1;
	EXPECT_EQ(-E2BIG, raw_batch_call(self->b, &cmd));
}

/* covers: C-52 */
TEST(C_52_depth_one)
{
	struct fixture t;

	FX_SETUP(&t, UBLK_F_BATCH_IO);
	EXPECT_EQ(-EINVAL, fx_add(&t, 1, 1, UBLK_F_BATCH_IO));
	EXPECT_EQ(0, fx_add(&t, 1, 2, UBLK_F_BATCH_IO));
	/* BATCH_IO excludes per-tag daemons and NEED_GET_DATA. */
	EXPECT_EQ(0, t.info.flags & UBLK_F_PER_IO_DAEMON);
	EXPECT_EQ(-EOPNOTSUPP, fx_add(&t, 1, 2, UBLK_F_BATCH_IO |
				      UBLK_F_NEED_GET_DATA));
	EXPECT_EQ(0, t.info.flags & UBLK_F_NEED_GET_DATA);
	EXPECT_EQ(0, fx_cleanup(&t));
}

TEST_HARNESS_MAIN
