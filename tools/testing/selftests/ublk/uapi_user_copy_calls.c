// SPDX-License-Identifier: GPL-2.0
/*
 * User copy by every system call that reads or writes: vectors, io_uring, the
 * ones that do not work, and data of all sizes in several pieces (data.rst
 * section 12). uapi_user_copy.c tests the rules that all of them follow.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "lib/copy_fixture.h"

#define WIN	RAW_WIN_START

/* covers: D-149 */
TEST_F(copy, D_149_vectors)
{
	struct fixture *t = &self->t;
	char *mem = self->mem, *hole = raw_hole(96);
	struct iovec v[3] = {
		{ mem, 1 }, { mem + 100, 4999 }, { mem + 8000, 20000 },
	};
	struct raw_ev ev;
	int job;
	__u64 pos;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, fx_start(t));
	raw_fill(t->client->data, LEN, 7);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	pos = raw_pos(ev.q, ev.tag, 0);
	EXPECT_EQ(LEN, preadv(t->srv.fd, v, 3, pos));
	EXPECT_EQ(t->client->data[0], mem[0]);
	EXPECT_EQ(0, memcmp(mem + 100, t->client->data + 1, 4999));
	EXPECT_EQ(0, memcmp(mem + 8000, t->client->data + 5000, LEN - 5000));
	EXPECT_EQ(LEN - 10, preadv2(t->srv.fd, v, 3, pos + 10, 0));
	/* A fault in the middle ends the copy there. */
	v[1].iov_base = hole;
	EXPECT_EQ(1 + 96, preadv(t->srv.fd, v, 3, pos));
	EXPECT_EQ(0, memcmp(hole, t->client->data + 1, 96));
	EXPECT_EQ(-1, pwritev(t->srv.fd, v, 1, pos));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));

	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	pos = raw_pos(ev.q, ev.tag, 0);
	raw_fill(mem, 28000, 9);
	v[1].iov_base = mem + 100;
	EXPECT_EQ(LEN, pwritev(t->srv.fd, v, 3, pos));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(mem[0], t->client->data[0]);
	EXPECT_EQ(0, memcmp(mem + 100, t->client->data + 1, 4999));
	EXPECT_EQ(0, memcmp(mem + 8000, t->client->data + 5000, LEN - 5000));
	EXPECT_EQ(0, fx_stop(t));
}

/* Send one read or write on the char device through io_uring. */
static int ring_copy_post(struct fixture *t, bool put, void *buf, __u32 len,
			  __u64 pos, unsigned int sqe_flags, __u64 *mine)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring.ring);

	if (!sqe)
		return -EXFULL;
	memset(sqe, 0, sizeof(*sqe));
	if (put)
		io_uring_prep_write(sqe, t->srv.fd, buf, len, pos);
	else
		io_uring_prep_read(sqe, t->srv.fd, buf, len, pos);
	sqe->flags |= sqe_flags;
	sqe->user_data = raw_user_data(&t->ring);
	*mine = sqe->user_data;
	return io_uring_submit(&t->ring.ring) < 0 ? -EIO : 0;
}

static int ring_copy(struct fixture *t, bool put, void *buf, __u32 len,
		     __u64 pos, unsigned int sqe_flags)
{
	__u64 mine;
	int ret = ring_copy_post(t, put, buf, len, pos, sqe_flags, &mine);

	return ret ? ret : raw_await(&t->ring, mine, RAW_DEADLINE_MS);
}

/* covers: D-153 */
TEST_F(copy, D_153_done_when_submitted)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, i;
	__u64 id;

	if (running_on_mainline())
		SKIP(return, "mainline's io_uring copies in a worker");
	ASSERT_EQ(0, fx_start(t));
	raw_fill(t->client->data, LEN, 40);
	memset(self->mem, 1, LEN);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, ring_copy_post(t, false, self->mem, LEN,
					    raw_pos(ev.q, ev.tag, 0), 0,
					    &id));
		/* The CQE is already there without a wait. */
		EXPECT_EQ(1, io_uring_cq_ready(&t->ring.ring));
		EXPECT_EQ(LEN, raw_await(&t->ring, id, RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, memcmp(self->mem, t->client->data, LEN));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-153 D-149 D-150 */
TEST_F(copy, D_153_io_uring)
{
	const unsigned int how[] = { 0, IOSQE_ASYNC };
	struct fixture *t = &self->t;
	char *hole = raw_hole(1024);
	struct raw_ev ev;
	unsigned int i;
	__u64 pos;
	int job;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, fx_start(t));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		raw_fill(t->client->data, LEN, 20 + i);
		ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
		ASSERT_EQ(0, ev.res);
		pos = raw_pos(ev.q, ev.tag, 0);
		memset(self->mem, 0, LEN);
		EXPECT_EQ(LEN, ring_copy(t, false, self->mem, 2 * LEN, pos,
					 how[i]));
		EXPECT_EQ(0, memcmp(self->mem, t->client->data, LEN));
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
		EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
		EXPECT_EQ(-EINVAL, ring_copy(t, false, self->mem, 1, pos,
					     how[i]));

		ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
		ASSERT_EQ(0, ev.res);
		pos = raw_pos(ev.q, ev.tag, 0);
		raw_fill(self->mem, LEN, 30 + i);
		EXPECT_EQ(LEN, ring_copy(t, true, self->mem, 2 * LEN, pos,
					 how[i]));
		EXPECT_EQ(-EACCES, ring_copy(t, false, self->mem, 1, pos,
					     how[i]));
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, LEN));
		EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
		EXPECT_EQ(0, memcmp(self->mem, t->client->data, LEN));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-140 */
TEST_F(copy, D_140_memory_that_is_not_user_memory)
{
	struct fixture *t = &self->t;
	struct iovec v = { self->mem, LEN };
	struct raw_ring r;
	struct raw_ev ev;
	int job, p[2];
	__u64 pos;
	loff_t off;

	ASSERT_EQ(0, raw_ring_open(&r, &t->srv, 0));
	ASSERT_EQ(0, io_uring_register_buffers(&r.ring, &v, 1));
	pos = raw_pos(0, 0, 0);
	/* This is checked before everything else, even without a disk. */
	EXPECT_EQ(-EACCES, raw_fixed(&r, false, t->srv.fd, pos, 0,
				     (uintptr_t)self->mem, 512));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(-EACCES, raw_fixed(&r, false, t->srv.fd, pos, 0,
				     (uintptr_t)self->mem, 512));
	EXPECT_EQ(-EACCES, raw_fixed(&r, true, t->srv.fd, 0, 0,
				     (uintptr_t)self->mem, 512));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
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
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
	raw_ring_close(&r);
}

/* covers: D-149 D-152 */
TEST_F(copy, D_149_contents_of_all_sizes)
{
	const unsigned int lens[] = {
		512, 4096, 4608, 65536, 131072 + 512, 262144,
	};
	const unsigned int steps[] = { 511, 4096, 10000, RAW_IO_BYTES };
	struct fixture *t = &self->t;
	char *data = t->client->data, *mem = self->mem;
	unsigned int i, j, skew, n, at;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, fx_start(t));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		skew = i & 1 ? 1536 : 0;
		for (j = 0; j < ARRAY_SIZE(steps); j++) {
			raw_fill(data + skew, lens[i], i + 16 * j);
			ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN + skew,
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
			ASSERT_EQ(lens[i], fx_finish(t, job));
			ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN + skew,
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
			ASSERT_EQ(lens[i], fx_finish(t, job));
			EXPECT_EQ(0, memcmp(mem, data + skew, lens[i]));
		}
	}
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
