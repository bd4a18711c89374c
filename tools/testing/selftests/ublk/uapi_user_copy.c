// SPDX-License-Identifier: GPL-2.0
/*
 * pread() and pwrite() on the char device: what is refused, in which order, and
 * what is copied (data.md section 12). Copies that overlap a COMMIT, and who
 * waits for them, are in uapi_user_copy_ref.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "ut.h"

#define WIN	RAW_WIN_START
#define LEN	12288
#define BIT(n)	(1ULL << (n))

FIXTURE(copy) {
	struct ut t;
	char *mem;		/* 2 * RAW_IO_BYTES for the server */
};

FIXTURE_VARIANT(copy) {
	__u64 flags;
	unsigned int ring;
};

FIXTURE_VARIANT_ADD(copy, alone) {
	.flags = UBLK_F_USER_COPY,
};

FIXTURE_VARIANT_ADD(copy, zero_copy_defer) {
	.flags = UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY,
	.ring = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(copy, auto_buf) {
	.flags = UBLK_F_USER_COPY | UBLK_F_AUTO_BUF_REG,
};

FIXTURE_SETUP(copy)
{
	struct ut *t = &self->t;

	UT_SETUP(t, variant->flags);
	self->mem = calloc(2, RAW_IO_BYTES);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, ut_add(t, 1, 4, variant->flags));
	ASSERT_EQ(0, ut_serve(t, variant->ring));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
}

FIXTURE_TEARDOWN_PARENT(copy)
{
	UT_TEARDOWN(&self->t);
}

/* Either direction at any file position. */
static long pos_read(struct ut *t, void *buf, size_t len, __u64 pos)
{
	long n = pread(t->srv.fd, buf, len, pos);

	return n < 0 ? -errno : n;
}

static long pos_write(struct ut *t, const void *buf, size_t len, __u64 pos)
{
	long n = pwrite(t->srv.fd, buf, len, pos);

	return n < 0 ? -errno : n;
}

struct copy_args {
	struct raw_srv *s;
	int q, tag;
	bool put;
	void *buf;
	size_t len;
	__u64 off;
};

static long copy_any(void *arg)
{
	struct copy_args *c = arg;

	if (c->put)
		return raw_put(c->s, c->q, c->tag, c->buf, c->len, c->off);
	return raw_get(c->s, c->q, c->tag, c->buf, c->len, c->off);
}

/* covers: D-141 D-142 D-146 */
TEST_F(copy, D_141_only_while_there_is_a_disk)
{
	struct ut *t = &self->t;
	__u64 pos = raw_pos(0, 0, 0);

	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, pos));
	EXPECT_EQ(-EACCES, pos_write(t, self->mem, 512, pos));
	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, pos | BIT(62)));
	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, raw_pos(99, 99, 0)));
	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, 0));
	ASSERT_EQ(0, ut_start(t));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 512, pos));
	EXPECT_EQ(-EINVAL, pos_write(t, self->mem, 512, pos));
	ASSERT_EQ(0, ut_stop(t));
	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, pos));
	EXPECT_EQ(-EACCES, pos_write(t, self->mem, 512, pos));
}

/* covers: D-142 D-143 D-145 D-151 D-150 */
TEST_F(copy, D_143_positions)
{
	struct ut *t = &self->t;
	struct raw_ev ev;
	int job, bit;
	__u64 pos;

	ASSERT_EQ(0, ut_start(t));
	memset(t->agent->data, 0x61, LEN);
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	pos = raw_pos(ev.q, ev.tag, 0);
	/* The queue is looked at first, then the tag. */
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, raw_pos(1, ev.tag, 0)));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1,
				    raw_pos(4095, ev.tag, 0)));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, raw_pos(0, 4, 0)));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, raw_pos(0, 65535, 0)));
	EXPECT_EQ(-EINVAL, pos_write(t, self->mem, 1, raw_pos(0, 4, 0)));
	/* Below the base, the position of read() and write() included. */
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, 0));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, 4096));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, 0x7fffffff));
	EXPECT_EQ(-1, read(t->srv.fd, self->mem, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(t->srv.fd, self->mem, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, pos | BIT(62)));
	EXPECT_EQ(-EINVAL, pos_write(t, self->mem, 1, pos | BIT(62)));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, pos | BIT(63)));
	for (bit = 53; bit < 62; bit++) {
		self->mem[0] = 0;
		EXPECT_EQ(1, pos_read(t, self->mem, 1, pos | BIT(bit))) {
			TH_LOG("bit %d", bit);
		}
		EXPECT_EQ(0x61, self->mem[0]);
	}
	/* No copy moves the file position. */
	EXPECT_EQ(LEN, pos_read(t, self->mem, LEN, pos));
	EXPECT_EQ(-1, read(t->srv.fd, self->mem, 1));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-147 D-148 D-149 D-156 */
TEST_F(copy, D_147_bounds_and_direction_of_a_write)
{
	struct ut *t = &self->t;
	struct raw_srv *s = &t->srv;
	char *mem = self->mem;
	struct raw_ev ev;
	int job, q, tag;

	ASSERT_EQ(0, ut_start(t));
	raw_fill(t->agent->data, LEN, 3);
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	q = ev.q;
	tag = ev.tag;
	EXPECT_EQ(0, raw_get(s, q, tag, mem, 0, 0));
	EXPECT_EQ(0, raw_get(s, q, tag, mem, 512, LEN));
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, 33554431));
	EXPECT_EQ(1, raw_get(s, q, tag, mem, 512, LEN - 1));
	EXPECT_EQ(t->agent->data[LEN - 1], mem[0]);
	EXPECT_EQ(LEN, raw_get(s, q, tag, mem, 2 * RAW_IO_BYTES, 0));
	EXPECT_EQ(0, memcmp(mem, t->agent->data, LEN));
	EXPECT_EQ(LEN - 4097, raw_get(s, q, tag, mem, LEN, 4097));
	EXPECT_EQ(0, memcmp(mem, t->agent->data + 4097, LEN - 4097));
	/* One more bit of offset is the next tag. */
	EXPECT_EQ(raw_pos(q, tag + 1, 0), raw_pos(q, tag, 0) + 33554432);
	/* The offset is looked at before the direction. */
	EXPECT_EQ(-EINVAL, raw_put(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(-EACCES, raw_put(s, q, tag, mem, 512, LEN));
	EXPECT_EQ(-EACCES, raw_put(s, q, tag, mem, 512, 0));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0, memcmp(s->store + WIN, t->agent->data, LEN));
	/* The request is over. */
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, 0));
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-147 D-148 D-149 D-152 */
TEST_F(copy, D_147_bounds_and_direction_of_a_read)
{
	struct ut *t = &self->t;
	struct raw_srv *s = &t->srv;
	char *mem = self->mem;
	struct raw_ev ev;
	int job, q, tag;

	ASSERT_EQ(0, ut_start(t));
	ASSERT_EQ(0, ut_request(t, AGENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	q = ev.q;
	tag = ev.tag;
	raw_fill(mem, 2 * LEN, 8);
	EXPECT_EQ(0, raw_put(s, q, tag, mem, 512, LEN));
	EXPECT_EQ(-EINVAL, raw_put(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(-EACCES, raw_get(s, q, tag, mem, 512, 0));
	/* Overlapping, from the end, the last copy of a byte counts. */
	EXPECT_EQ(1, raw_put(s, q, tag, mem + LEN - 1, 512, LEN - 1));
	EXPECT_EQ(LEN, raw_put(s, q, tag, mem + LEN, LEN + 512, 0));
	EXPECT_EQ(LEN - 700, raw_put(s, q, tag, mem + 700, LEN - 700, 700));
	EXPECT_EQ(701, raw_put(s, q, tag, mem, 701, 0));
	ASSERT_EQ(0, raw_commit(&t->ring, q, tag, LEN));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0, memcmp(mem, t->agent->data, LEN));
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-149 */
TEST_F(copy, D_149_faults)
{
	struct ut *t = &self->t;
	struct raw_srv *s = &t->srv;
	char *hole = raw_hole(1024);
	struct raw_ev ev;
	int job;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, ut_start(t));
	memset(t->agent->data, 0x2e, LEN);
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	EXPECT_EQ(1024, raw_get(s, ev.q, ev.tag, hole, LEN, 0));
	EXPECT_EQ(0x2e, hole[1023]);
	EXPECT_EQ(1024, raw_get(s, ev.q, ev.tag, hole, 4096, 4095));
	EXPECT_EQ(0, raw_get(s, ev.q, ev.tag, hole + 1024, 4096, 0));
	/* It hurts nobody: the data is still there. */
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0x2e, s->store[WIN + LEN - 1]);

	ASSERT_EQ(0, ut_request(t, AGENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	memset(hole, 0x2f, 1024);
	memset(self->mem, 0x30, LEN);
	EXPECT_EQ(LEN, raw_put(s, ev.q, ev.tag, self->mem, LEN, 0));
	EXPECT_EQ(1024, raw_put(s, ev.q, ev.tag, hole, 4096, 4000));
	EXPECT_EQ(0, raw_put(s, ev.q, ev.tag, hole + 1024, 4096, 0));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0x30, t->agent->data[3999]);
	EXPECT_EQ(0x2f, t->agent->data[4000]);
	EXPECT_EQ(0x2f, t->agent->data[5023]);
	EXPECT_EQ(0x30, t->agent->data[5024]);
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-146 D-105 */
TEST_F(copy, D_146_requests_without_data)
{
	const enum agent_blk_op ops[] = {
		AGENT_FSYNC, AGENT_DISCARD, AGENT_ZEROOUT,
	};
	struct ut *t = &self->t;
	struct copy_args c = { .s = &t->srv, .buf = self->mem, .len = 512 };
	struct raw_ev ev;
	unsigned int i;
	int job;

	ASSERT_EQ(0, ut_start(t));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ASSERT_EQ(0, ut_request(t, ops[i], WIN, LEN, &job, &ev));
		ASSERT_EQ(0, ev.res);
		c.q = ev.q;
		c.tag = ev.tag;
		for (c.put = false; ; c.put = true) {
			EXPECT_EQ(-EINVAL, copy_any(&c));
			EXPECT_EQ(-EINVAL, raw_in_thread(copy_any, &c));
			if (c.put)
				break;
		}
		/* Only its owner holds it. */
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 0));
		EXPECT_EQ(0, agent_wait(t->agent, job, RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-146 D-150 */
TEST_F(copy, D_146_tags_without_a_request)
{
	struct ut *t = &self->t;
	struct copy_args c = { .s = &t->srv, .buf = self->mem, .len = 512 };
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, ut_start(t));
	for (c.tag = 0; c.tag < 4; c.tag++) {
		EXPECT_EQ(-EINVAL, copy_any(&c));
		EXPECT_EQ(-EINVAL, raw_in_thread(copy_any, &c));
		EXPECT_EQ(-EINVAL, raw_in_process(copy_any, &c));
	}
	if (variant->ring) {
		/* Nothing is delivered while this task does not wait. */
		job = agent_blk(t->agent, t->info.dev_id, AGENT_WRITE, WIN,
				LEN, 0);
		ASSERT_TRUE(ut_inflight(t, 1));
		for (c.tag = 0; c.tag < 4; c.tag++) {
			EXPECT_EQ(-EINVAL, raw_in_thread(copy_any, &c));
			EXPECT_EQ(-EINVAL, raw_in_process(copy_any, &c));
		}
		ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
		ASSERT_EQ(0, raw_serve(&t->ring, &ev));
		EXPECT_EQ(LEN, ut_finish(t, job));
	}
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-150 */
TEST_F(copy, D_150_anybody_may_copy)
{
	struct ut *t = &self->t;
	struct copy_args c = { .s = &t->srv, .len = LEN };
	struct raw_ev ev;
	int job;

	c.buf = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, c.buf);
	ASSERT_EQ(0, ut_start(t));
	raw_fill(t->agent->data, LEN, 5);
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	c.q = ev.q;
	c.tag = ev.tag;
	EXPECT_EQ(LEN, raw_in_thread(copy_any, &c));
	EXPECT_EQ(0, memcmp(c.buf, t->agent->data, LEN));
	memset(c.buf, 0, LEN);
	EXPECT_EQ(LEN, raw_in_process(copy_any, &c));
	EXPECT_EQ(0, memcmp(c.buf, t->agent->data, LEN));
	/* The rules are the same for them. */
	c.off = LEN + 1;
	EXPECT_EQ(-EINVAL, raw_in_thread(copy_any, &c));
	EXPECT_EQ(-EINVAL, raw_in_process(copy_any, &c));
	c.off = LEN;
	EXPECT_EQ(0, raw_in_thread(copy_any, &c));
	c.put = true;
	EXPECT_EQ(-EACCES, raw_in_thread(copy_any, &c));
	EXPECT_EQ(-EACCES, raw_in_process(copy_any, &c));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, agent_wait(t->agent, job, RAW_DEADLINE_MS));

	ASSERT_EQ(0, ut_request(t, AGENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	c.q = ev.q;
	c.tag = ev.tag;
	c.off = 0;
	raw_fill(c.buf, LEN, 6);
	c.len = 5000;
	EXPECT_EQ(5000, raw_in_thread(copy_any, &c));
	c.buf = (char *)c.buf + 5000;
	c.off = 5000;
	EXPECT_EQ(5000, raw_in_process(copy_any, &c));
	c.buf = (char *)c.buf + 5000;
	c.off = 10000;
	c.len = LEN - 10000;
	EXPECT_EQ(LEN - 10000, copy_any(&c));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, agent_wait(t->agent, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, memcmp((char *)c.buf - 10000, t->agent->data, LEN));
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-149 */
TEST_F(copy, D_149_vectors)
{
	struct ut *t = &self->t;
	char *mem = self->mem, *hole = raw_hole(96);
	struct iovec v[3] = {
		{ mem, 1 }, { mem + 100, 4999 }, { mem + 8000, 20000 },
	};
	struct raw_ev ev;
	int job;
	__u64 pos;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, ut_start(t));
	raw_fill(t->agent->data, LEN, 7);
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	pos = raw_pos(ev.q, ev.tag, 0);
	EXPECT_EQ(LEN, preadv(t->srv.fd, v, 3, pos));
	EXPECT_EQ(t->agent->data[0], mem[0]);
	EXPECT_EQ(0, memcmp(mem + 100, t->agent->data + 1, 4999));
	EXPECT_EQ(0, memcmp(mem + 8000, t->agent->data + 5000, LEN - 5000));
	EXPECT_EQ(LEN - 10, preadv2(t->srv.fd, v, 3, pos + 10, 0));
	/* A fault in the middle ends it there. */
	v[1].iov_base = hole;
	EXPECT_EQ(1 + 96, preadv(t->srv.fd, v, 3, pos));
	EXPECT_EQ(0, memcmp(hole, t->agent->data + 1, 96));
	EXPECT_EQ(-1, pwritev(t->srv.fd, v, 1, pos));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, agent_wait(t->agent, job, RAW_DEADLINE_MS));

	ASSERT_EQ(0, ut_request(t, AGENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	pos = raw_pos(ev.q, ev.tag, 0);
	raw_fill(mem, 28000, 9);
	v[1].iov_base = mem + 100;
	EXPECT_EQ(LEN, pwritev(t->srv.fd, v, 3, pos));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, agent_wait(t->agent, job, RAW_DEADLINE_MS));
	EXPECT_EQ(mem[0], t->agent->data[0]);
	EXPECT_EQ(0, memcmp(mem + 100, t->agent->data + 1, 4999));
	EXPECT_EQ(0, memcmp(mem + 8000, t->agent->data + 5000, LEN - 5000));
	EXPECT_EQ(0, ut_stop(t));
}

/* One read or write on the char device through io_uring. */
static int ring_copy(struct ut *t, bool put, void *buf, __u32 len, __u64 pos,
		     unsigned int sqe_flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring.ring);
	__u64 mine = (__u64)++t->ring.seq << 40 | 0xffffffffffULL;

	if (!sqe)
		return -EXFULL;
	memset(sqe, 0, sizeof(*sqe));
	if (put)
		io_uring_prep_write(sqe, t->srv.fd, buf, len, pos);
	else
		io_uring_prep_read(sqe, t->srv.fd, buf, len, pos);
	sqe->flags |= sqe_flags;
	sqe->user_data = mine;
	if (io_uring_submit(&t->ring.ring) < 0)
		return -EIO;
	return raw_await(&t->ring, mine, RAW_DEADLINE_MS);
}

/* covers: D-153 D-149 D-150 */
TEST_F(copy, D_153_io_uring)
{
	const unsigned int how[] = { 0, IOSQE_ASYNC };
	struct ut *t = &self->t;
	char *hole = raw_hole(1024);
	struct raw_ev ev;
	unsigned int i;
	__u64 pos;
	int job;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, ut_start(t));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		raw_fill(t->agent->data, LEN, 20 + i);
		ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
		ASSERT_EQ(0, ev.res);
		pos = raw_pos(ev.q, ev.tag, 0);
		memset(self->mem, 0, LEN);
		EXPECT_EQ(LEN, ring_copy(t, false, self->mem, 2 * LEN, pos,
					 how[i]));
		EXPECT_EQ(0, memcmp(self->mem, t->agent->data, LEN));
		EXPECT_EQ(1024, ring_copy(t, false, hole, LEN, pos, how[i]));
		EXPECT_EQ(0, ring_copy(t, false, self->mem, 1, pos + LEN,
				       how[i]));
		EXPECT_EQ(-EINVAL, ring_copy(t, false, self->mem, 1,
					     pos + LEN + 1, how[i]));
		EXPECT_EQ(-EACCES, ring_copy(t, true, self->mem, 1, pos,
					     how[i]));
		EXPECT_EQ(-EINVAL, ring_copy(t, false, self->mem, 1, -1,
					     how[i]));
		EXPECT_EQ(-EINVAL, ring_copy(t, false, self->mem, 1,
					     raw_pos(0, 77, 0), how[i]));
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
		EXPECT_EQ(LEN, agent_wait(t->agent, job, RAW_DEADLINE_MS));
		EXPECT_EQ(-EINVAL, ring_copy(t, false, self->mem, 1, pos,
					     how[i]));

		ASSERT_EQ(0, ut_request(t, AGENT_READ, WIN, LEN, &job, &ev));
		ASSERT_EQ(0, ev.res);
		pos = raw_pos(ev.q, ev.tag, 0);
		raw_fill(self->mem, LEN, 30 + i);
		EXPECT_EQ(LEN, ring_copy(t, true, self->mem, 2 * LEN, pos,
					 how[i]));
		EXPECT_EQ(-EACCES, ring_copy(t, false, self->mem, 1, pos,
					     how[i]));
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
		EXPECT_EQ(LEN, agent_wait(t->agent, job, RAW_DEADLINE_MS));
		EXPECT_EQ(0, memcmp(self->mem, t->agent->data, LEN));
	}
	EXPECT_EQ(0, ut_stop(t));
}

/* covers: D-140 */
TEST_F(copy, D_140_memory_that_is_not_user_memory)
{
	struct ut *t = &self->t;
	struct iovec v = { self->mem, LEN };
	struct raw_ring r;
	struct raw_ev ev;
	int job, p[2];
	__u64 pos;
	loff_t off;

	ASSERT_EQ(0, raw_ring_open(&r, &t->srv, 0));
	ASSERT_EQ(0, io_uring_register_buffers(&r.ring, &v, 1));
	pos = raw_pos(0, 0, 0);
	/* This comes before everything else, no disk included. */
	EXPECT_EQ(-EACCES, raw_fixed(&r, false, t->srv.fd, pos, 0,
				     (uintptr_t)self->mem, 512));
	ASSERT_EQ(0, ut_start(t));
	EXPECT_EQ(-EACCES, raw_fixed(&r, false, t->srv.fd, pos, 0,
				     (uintptr_t)self->mem, 512));
	EXPECT_EQ(-EACCES, raw_fixed(&r, true, t->srv.fd, 0, 0,
				     (uintptr_t)self->mem, 512));
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	pos = raw_pos(ev.q, ev.tag, 0);
	EXPECT_EQ(-EACCES, raw_fixed(&r, false, t->srv.fd, pos, 0,
				     (uintptr_t)self->mem, 512));
	ASSERT_EQ(0, pipe(p));
	off = pos;
	EXPECT_EQ(-1, splice(t->srv.fd, &off, p[1], NULL, 512, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(1, write(p[1], "x", 1));
	EXPECT_EQ(-1, splice(p[0], NULL, t->srv.fd, &off, 512, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, sendfile(p[1], t->srv.fd, &off, 512));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0, ut_stop(t));
	raw_ring_close(&r);
}

/* covers: D-149 D-152 */
TEST_F(copy, D_149_contents_of_all_sizes)
{
	const unsigned int lens[] = {
		512, 4096, 4608, 65536, 131072 + 512, 262144,
	};
	const unsigned int steps[] = { 511, 4096, 10000, RAW_IO_BYTES };
	struct ut *t = &self->t;
	char *data = t->agent->data, *mem = self->mem;
	unsigned int i, j, skew, n, at;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, ut_start(t));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		skew = i & 1 ? 1536 : 0;
		for (j = 0; j < ARRAY_SIZE(steps); j++) {
			raw_fill(data + skew, lens[i], i + 16 * j);
			ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN + skew,
						lens[i], &job, &ev));
			ASSERT_EQ(lens[i] / 512, ev.iod.nr_sectors);
			memset(mem, 0, lens[i]);
			for (at = 0; at < lens[i]; at += n) {
				n = raw_get(&t->srv, ev.q, ev.tag, mem + at,
					    steps[j], at);
				ASSERT_EQ(steps[j] < lens[i] - at ? steps[j] :
					  lens[i] - at, n);
			}
			EXPECT_EQ(0, memcmp(mem, data + skew, lens[i]));
			ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag,
						lens[i]));
			ASSERT_EQ(lens[i], ut_finish(t, job));
			ASSERT_EQ(0, ut_request(t, AGENT_READ, WIN + skew,
						lens[i], &job, &ev));
			raw_fill(mem, lens[i], 77 + i + 16 * j);
			for (at = 0; at < lens[i]; at += n) {
				n = raw_put(&t->srv, ev.q, ev.tag, mem + at,
					    steps[j] < lens[i] - at ?
					    steps[j] : lens[i] - at, at);
				ASSERT_GE(steps[j], n);
			}
			ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag,
						lens[i]));
			ASSERT_EQ(lens[i], ut_finish(t, job));
			EXPECT_EQ(0, memcmp(mem, data + skew, lens[i]));
		}
	}
	EXPECT_EQ(0, ut_stop(t));
}

FIXTURE(no_copy) {
	struct ut t;
};

FIXTURE_VARIANT(no_copy) {
	__u64 flags;
};

FIXTURE_VARIANT_ADD(no_copy, copy_mode) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(no_copy, zero_copy) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY,
};

FIXTURE_SETUP(no_copy)
{
	UT_SETUP(&self->t, variant->flags | UBLK_F_USER_COPY);
}

FIXTURE_TEARDOWN_PARENT(no_copy)
{
	UT_TEARDOWN(&self->t);
}

/* covers: D-144 D-141 D-142 D-143 */
TEST_F(no_copy, D_144_flag_not_set)
{
	struct ut *t = &self->t;
	struct raw_ev ev;
	char mem[512];
	int job;

	ASSERT_EQ(0, ut_up(t, 1, 4, variant->flags));
	ASSERT_EQ(0, ut_request(t, AGENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	EXPECT_EQ(-EACCES, raw_get(&t->srv, ev.q, ev.tag, mem, 512, 0));
	EXPECT_EQ(-EACCES, raw_put(&t->srv, ev.q, ev.tag, mem, 512, 0));
	/* Before the tag, after bit 62 and the queue. */
	EXPECT_EQ(-EACCES, raw_get(&t->srv, 0, 9999, mem, 512, 0));
	EXPECT_EQ(-EINVAL, raw_get(&t->srv, 9, 0, mem, 512, 0));
	EXPECT_EQ(-EINVAL, pos_read(t, mem, 512,
				    raw_pos(ev.q, ev.tag, 0) | BIT(62)));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, ut_finish(t, job));
	EXPECT_EQ(0, ut_stop(t));
}

TEST_HARNESS_MAIN
