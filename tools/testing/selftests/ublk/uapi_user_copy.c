// SPDX-License-Identifier: GPL-2.0
/*
 * pread() and pwrite() on the char device: what is refused, in which order, and
 * how much is copied (data.rst section 12). The other system calls are in
 * uapi_user_copy_calls.c, copies that overlap a COMMIT in uapi_user_copy_ref.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/copy_fixture.h"

#define WIN	RAW_WIN_START
#define BIT(n)	(1ULL << (n))

/* Either direction at any file position. */
static long pos_read(struct fixture *t, void *buf, size_t len, __u64 pos)
{
	long n = pread(t->srv.fd, buf, len, pos);

	return n < 0 ? -errno : n;
}

static long pos_write(struct fixture *t, const void *buf, size_t len, __u64 pos)
{
	long n = pwrite(t->srv.fd, buf, len, pos);

	return n < 0 ? -errno : n;
}

/* covers: D-141 D-142 D-146 */
TEST_F(copy, D_141_only_while_there_is_a_disk)
{
	struct fixture *t = &self->t;
	__u64 pos = raw_pos(0, 0, 0);

	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, pos));
	EXPECT_EQ(-EACCES, pos_write(t, self->mem, 512, pos));
	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, pos | BIT(62)));
	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, raw_pos(99, 99, 0)));
	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, 0));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 512, pos));
	EXPECT_EQ(-EINVAL, pos_write(t, self->mem, 512, pos));
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_EQ(-EACCES, pos_read(t, self->mem, 512, pos));
	EXPECT_EQ(-EACCES, pos_write(t, self->mem, 512, pos));
}

/* covers: D-142 D-143 D-145 D-151 D-150 */
TEST_F(copy, D_143_positions)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, bit;
	__u64 pos;

	ASSERT_EQ(0, fx_start(t));
	memset(t->client->data, 0x61, LEN);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	pos = raw_pos(ev.q, ev.tag, 0);
	/* The queue is checked first, then the tag. */
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, raw_pos(1, ev.tag, 0)));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1,
				    raw_pos(4095, ev.tag, 0)));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, raw_pos(0, 4, 0)));
	EXPECT_EQ(-EINVAL, pos_read(t, self->mem, 1, raw_pos(0, 65535, 0)));
	EXPECT_EQ(-EINVAL, pos_write(t, self->mem, 1, raw_pos(0, 4, 0)));
	/* Below the base, also the file position of read() and write(). */
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
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-147 D-148 D-149 D-156 */
TEST_F(copy, D_147_bounds_and_direction_of_a_write)
{
	struct fixture *t = &self->t;
	struct raw_srv *s = &t->srv;
	char *mem = self->mem;
	struct raw_ev ev;
	int job, q, tag;

	ASSERT_EQ(0, fx_start(t));
	raw_fill(t->client->data, LEN, 3);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	q = ev.q;
	tag = ev.tag;
	EXPECT_EQ(0, raw_get(s, q, tag, mem, 0, 0));
	EXPECT_EQ(0, raw_get(s, q, tag, mem, 512, LEN));
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, 33554431));
	EXPECT_EQ(1, raw_get(s, q, tag, mem, 512, LEN - 1));
	EXPECT_EQ(t->client->data[LEN - 1], mem[0]);
	EXPECT_EQ(LEN, raw_get(s, q, tag, mem, 2 * RAW_IO_BYTES, 0));
	EXPECT_EQ(0, memcmp(mem, t->client->data, LEN));
	EXPECT_EQ(LEN - 4097, raw_get(s, q, tag, mem, LEN, 4097));
	EXPECT_EQ(0, memcmp(mem, t->client->data + 4097, LEN - 4097));
	/* The next bit above the offset is part of the tag. */
	EXPECT_EQ(raw_pos(q, tag + 1, 0), raw_pos(q, tag, 0) + 33554432);
	/* The offset is checked before the direction. */
	EXPECT_EQ(-EINVAL, raw_put(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(-EACCES, raw_put(s, q, tag, mem, 512, LEN));
	EXPECT_EQ(-EACCES, raw_put(s, q, tag, mem, 512, 0));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, memcmp(s->store + WIN, t->client->data, LEN));
	/* The request has ended. */
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, 0));
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-147 D-148 D-149 D-152 */
TEST_F(copy, D_147_bounds_and_direction_of_a_read)
{
	struct fixture *t = &self->t;
	struct raw_srv *s = &t->srv;
	char *mem = self->mem;
	struct raw_ev ev;
	int job, q, tag;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	q = ev.q;
	tag = ev.tag;
	raw_fill(mem, 2 * LEN, 8);
	EXPECT_EQ(0, raw_put(s, q, tag, mem, 512, LEN));
	EXPECT_EQ(-EINVAL, raw_put(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(-EINVAL, raw_get(s, q, tag, mem, 512, LEN + 1));
	EXPECT_EQ(-EACCES, raw_get(s, q, tag, mem, 512, 0));
	/* Overlapping, from the end: for each byte the last copy is valid. */
	EXPECT_EQ(1, raw_put(s, q, tag, mem + LEN - 1, 512, LEN - 1));
	EXPECT_EQ(LEN, raw_put(s, q, tag, mem + LEN, LEN + 512, 0));
	EXPECT_EQ(LEN - 700, raw_put(s, q, tag, mem + 700, LEN - 700, 700));
	EXPECT_EQ(701, raw_put(s, q, tag, mem, 701, 0));
	ASSERT_EQ(0, raw_commit(&t->ring, q, tag, LEN));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, memcmp(mem, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-149 */
TEST_F(copy, D_149_faults)
{
	struct fixture *t = &self->t;
	struct raw_srv *s = &t->srv;
	char *hole = raw_hole(1024);
	struct raw_ev ev;
	int job;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, fx_start(t));
	memset(t->client->data, 0x2e, LEN);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	EXPECT_EQ(1024, raw_get(s, ev.q, ev.tag, hole, LEN, 0));
	EXPECT_EQ(0x2e, hole[1023]);
	EXPECT_EQ(1024, raw_get(s, ev.q, ev.tag, hole, 4096, 4095));
	EXPECT_EQ(0, raw_get(s, ev.q, ev.tag, hole + 1024, 4096, 0));
	/* The failed copies did no harm: the data is still there. */
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0x2e, s->store[WIN + LEN - 1]);

	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	memset(hole, 0x2f, 1024);
	memset(self->mem, 0x30, LEN);
	EXPECT_EQ(LEN, raw_put(s, ev.q, ev.tag, self->mem, LEN, 0));
	EXPECT_EQ(1024, raw_put(s, ev.q, ev.tag, hole, 4096, 4000));
	EXPECT_EQ(0, raw_put(s, ev.q, ev.tag, hole + 1024, 4096, 0));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0x30, t->client->data[3999]);
	EXPECT_EQ(0x2f, t->client->data[4000]);
	EXPECT_EQ(0x2f, t->client->data[5023]);
	EXPECT_EQ(0x30, t->client->data[5024]);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-146 D-105 */
TEST_F(copy, D_146_requests_without_data)
{
	const enum client_blk_op ops[] = {
		CLIENT_FSYNC, CLIENT_DISCARD, CLIENT_ZEROOUT,
	};
	struct fixture *t = &self->t;
	struct raw_copy c = { .s = &t->srv, .buf = self->mem, .len = 512 };
	struct raw_ev ev;
	unsigned int i;
	int job;

	ASSERT_EQ(0, fx_start(t));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ASSERT_EQ(0, fx_request(t, ops[i], WIN, LEN, &job, &ev));
		ASSERT_EQ(0, ev.res);
		c.q = ev.q;
		c.tag = ev.tag;
		for (c.put = false; ; c.put = true) {
			EXPECT_EQ(-EINVAL, raw_copy_any(&c));
			EXPECT_EQ(-EINVAL, raw_in_thread(raw_copy_any, &c));
			if (c.put)
				break;
		}
		/* Only its daemon can commit it. */
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 0));
		EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-146 D-150 */
TEST_F(copy, D_146_tags_without_a_request)
{
	struct fixture *t = &self->t;
	struct raw_copy c = { .s = &t->srv, .buf = self->mem, .len = 512 };
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_start(t));
	for (c.tag = 0; c.tag < 4; c.tag++) {
		EXPECT_EQ(-EINVAL, raw_copy_any(&c));
		EXPECT_EQ(-EINVAL, raw_in_thread(raw_copy_any, &c));
		EXPECT_EQ(-EINVAL, raw_in_process(raw_copy_any, &c));
	}
	if (variant->ring) {
		/* Nothing is delivered while this task does not wait. */
		job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN,
				 LEN, 0);
		ASSERT_TRUE(fx_inflight(t, 1));
		for (c.tag = 0; c.tag < 4; c.tag++) {
			EXPECT_EQ(-EINVAL, raw_in_thread(raw_copy_any, &c));
			EXPECT_EQ(-EINVAL, raw_in_process(raw_copy_any, &c));
		}
		ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
		ASSERT_EQ(0, raw_serve(&t->ring, &ev));
		EXPECT_EQ(LEN, fx_finish(t, job));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-150 */
TEST_F(copy, D_150_anybody_may_copy)
{
	struct fixture *t = &self->t;
	struct raw_copy c = { .s = &t->srv, .len = LEN };
	struct raw_ev ev;
	int job;

	c.buf = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, c.buf);
	ASSERT_EQ(0, fx_start(t));
	raw_fill(t->client->data, LEN, 5);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	c.q = ev.q;
	c.tag = ev.tag;
	EXPECT_EQ(LEN, raw_in_thread(raw_copy_any, &c));
	EXPECT_EQ(0, memcmp(c.buf, t->client->data, LEN));
	memset(c.buf, 0, LEN);
	EXPECT_EQ(LEN, raw_in_process(raw_copy_any, &c));
	EXPECT_EQ(0, memcmp(c.buf, t->client->data, LEN));
	/* The rules are the same for them. */
	c.off = LEN + 1;
	EXPECT_EQ(-EINVAL, raw_in_thread(raw_copy_any, &c));
	EXPECT_EQ(-EINVAL, raw_in_process(raw_copy_any, &c));
	c.off = LEN;
	EXPECT_EQ(0, raw_in_thread(raw_copy_any, &c));
	c.put = true;
	EXPECT_EQ(-EACCES, raw_in_thread(raw_copy_any, &c));
	EXPECT_EQ(-EACCES, raw_in_process(raw_copy_any, &c));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));

	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	c.q = ev.q;
	c.tag = ev.tag;
	c.off = 0;
	raw_fill(c.buf, LEN, 6);
	c.len = 5000;
	EXPECT_EQ(5000, raw_in_thread(raw_copy_any, &c));
	c.buf = (char *)c.buf + 5000;
	c.off = 5000;
	EXPECT_EQ(5000, raw_in_process(raw_copy_any, &c));
	c.buf = (char *)c.buf + 5000;
	c.off = 10000;
	c.len = LEN - 10000;
	EXPECT_EQ(LEN - 10000, raw_copy_any(&c));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, memcmp((char *)c.buf - 10000, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

FIXTURE(no_copy) {
	struct fixture t;
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
	FX_SETUP(&self->t, variant->flags | UBLK_F_USER_COPY);
}

FIXTURE_TEARDOWN_PARENT(no_copy)
{
	FX_TEARDOWN(&self->t);
}

/* covers: D-144 D-141 D-142 D-143 */
TEST_F(no_copy, D_144_flag_not_set)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	char mem[512];
	int job;

	ASSERT_EQ(0, fx_up(t, 1, 4, variant->flags));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	EXPECT_EQ(-EACCES, raw_get(&t->srv, ev.q, ev.tag, mem, 512, 0));
	EXPECT_EQ(-EACCES, raw_put(&t->srv, ev.q, ev.tag, mem, 512, 0));
	/* This is checked before the tag, after bit 62 and the queue. */
	EXPECT_EQ(-EACCES, raw_get(&t->srv, 0, 9999, mem, 512, 0));
	EXPECT_EQ(-EINVAL, raw_get(&t->srv, 9, 0, mem, 512, 0));
	EXPECT_EQ(-EINVAL, pos_read(t, mem, 512,
				    raw_pos(ev.q, ev.tag, 0) | BIT(62)));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
