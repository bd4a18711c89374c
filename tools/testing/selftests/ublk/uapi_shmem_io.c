// SPDX-License-Identifier: GPL-2.0
/*
 * Requests whose pages lie in a registered shared buffer: which ones match,
 * what the server is told, and what happens to their data (data.rst section 11).
 * The registration commands are in uapi_shmem.c, NEED_GET_DATA in
 * uapi_need_data.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "lib/recovery.h"

#define WIN	RAW_WIN_START
#define LEN	16384
#define PAGE	4096
#define RO	UBLK_SHMEM_BUF_READ_ONLY
#define BEFORE	0x5c	/* contents of memory before a read */

FIXTURE(match) {
	struct fixture t;
	char *mem;		/* the client's data, CLIENT_DATA bytes */
	int job;
	struct raw_ev ev;
};

FIXTURE_VARIANT(match) {
	__u64 flags;
	int queues;
};

FIXTURE_VARIANT_ADD(match, copy_mode) {
	.queues = 1,
};

FIXTURE_VARIANT_ADD(match, user_copy) {
	.flags = UBLK_F_USER_COPY, .queues = 2,
};

FIXTURE_VARIANT_ADD(match, zero_copy) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY, .queues = 1,
};

FIXTURE_VARIANT_ADD(match, auto_buf) {
	.flags = UBLK_F_AUTO_BUF_REG, .queues = 1,
};

FIXTURE_SETUP(match)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags | UBLK_F_SHMEM_ZC);
	self->mem = t->client->data;
	/* The tests use no more; each page costs time on slow kernels. */
	memset(self->mem, 1, 2 << 20);
	ASSERT_EQ(0, fx_up(t, variant->queues, 4,
			   variant->flags | UBLK_F_SHMEM_ZC));
}

FIXTURE_TEARDOWN_PARENT(match)
{
	FX_TEARDOWN(&self->t);
}

/* Register memory. Index or -errno. This process, the server, has it mapped. */
static int reg(struct fixture *t, char *addr, __u64 len, __u32 flags)
{
	struct ublk_shmem_buf_reg r = {
		.addr = (uintptr_t)addr, .len = len, .flags = flags,
	};
	int i = raw_buf_cmd(&t->ctl, UBLK_U_CMD_REG_BUF, t->info.dev_id, &r,
			    sizeof(r));

	if (i >= 0 && i < RAW_MAX_SHM)
		t->srv.shm[i] = addr;
	return i;
}

static int unreg(struct fixture *t, int index)
{
	return raw_dev_cmd(&t->ctl, UBLK_U_CMD_UNREG_BUF, t->info.dev_id,
			   index);
}

/* Begin block I/O with the client's memory from byte @data on. */
static int begin(struct fixture *t, enum client_blk_op op, __u32 data,
		 __u32 len, int *job, struct raw_ev *ev)
{
	int ret;

	/* Make sure that a read cannot find the right data there already. */
	if (op == CLIENT_READ || op == CLIENT_READAHEAD)
		memset(t->client->data + data, BEFORE, len);
	*job = client_blk(t->client, t->info.dev_id, op, WIN, len, data);
	if (*job < 0)
		return *job;
	ret = raw_request(&t->ring, ev, RAW_DEADLINE_MS);
	return ret ? ret : ev->res;
}

static bool matched(const struct raw_ev *ev, int index, __u32 off)
{
	return ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC &&
	       ev->iod.addr == ublk_shmem_zc_addr(index, off);
}

static bool unmatched(const struct raw_ev *ev)
{
	return !(ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC);
}

/* Serve the request and check that its data arrives, however it moves. */
static bool served(struct fixture *t, struct raw_ev *ev, int job, __u32 data,
		   __u32 len)
{
	if (raw_serve(&t->ring, ev) || fx_finish(t, job) != len)
		return false;
	return !memcmp(t->srv.store + WIN, t->client->data + data, len);
}

/* covers: D-122 D-22 D-25 D-96 D-126 */
TEST_F(match, D_122_write)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	char *buf;

	/* Not the first buffer, so that the index is not 0. */
	ASSERT_EQ(0, reg(t, self->mem + (8 << 20), PAGE, 0));
	ASSERT_EQ(1, reg(t, self->mem + (9 << 20), PAGE, RO));
	ASSERT_EQ(2, reg(t, self->mem, 1 << 20, 0));
	raw_fill(self->mem, 1 << 20, 91);
	memset(t->srv.bufs, 0x33, variant->queues * 4 * RAW_IO_BYTES);
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, 0, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 2, 0));
	EXPECT_EQ(UBLK_IO_OP_WRITE | UBLK_IO_F_SHMEM_ZC, ev->iod.op_flags);
	EXPECT_EQ(LEN / 512, ev->iod.nr_sectors);
	/* Nothing was copied into the server's own buffer. */
	buf = raw_buf(&t->srv, ev->q, ev->tag);
	EXPECT_EQ(0x33, buf[0]);
	EXPECT_EQ(0x33, buf[LEN - 1]);
	EXPECT_TRUE(served(t, ev, self->job, 0, LEN));
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, 5 * PAGE, 65536, &self->job, ev));
	EXPECT_TRUE(matched(ev, 2, 5 * PAGE));
	EXPECT_TRUE(served(t, ev, self->job, 5 * PAGE, 65536));
	/* The last sector of the buffer. */
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, (1 << 20) - 512, 512, &self->job,
			   ev));
	EXPECT_TRUE(matched(ev, 2, (1 << 20) - 512));
	EXPECT_TRUE(served(t, ev, self->job, (1 << 20) - 512, 512));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-122 D-126 D-96 D-92 */
TEST_F(match, D_126_read)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;

	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, 0));
	ASSERT_EQ(0, begin(t, CLIENT_READ, 3 * PAGE, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, 3 * PAGE));
	/* The read returns what the buffer contains at the COMMIT. */
	memset(raw_buf(&t->srv, ev->q, ev->tag), 0x44, LEN);
	raw_fill(self->mem + 3 * PAGE, LEN, 92);
	raw_fill(t->srv.store, LEN, 92);
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, LEN));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, memcmp(self->mem + 3 * PAGE, t->srv.store, LEN));
	EXPECT_EQ(1, self->mem[3 * PAGE - 1]);
	EXPECT_EQ(1, self->mem[3 * PAGE + LEN]);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-122 */
TEST_F(match, D_122_byte_offsets)
{
	const __u32 offs[] = { 512, 1024, 3584, PAGE + 512, 65536 - 512 };
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i;

	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, 0));
	raw_fill(self->mem, 1 << 20, 93);
	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		ASSERT_EQ(0, begin(t, CLIENT_WRITE, offs[i], LEN, &self->job,
				   ev));
		EXPECT_TRUE(matched(ev, 0, offs[i])) {
			TH_LOG("offset %u: flags 0x%x addr 0x%llx", offs[i],
			       ev->iod.op_flags, ev->iod.addr);
		}
		EXPECT_TRUE(served(t, ev, self->job, offs[i], LEN));
		ASSERT_EQ(0, begin(t, CLIENT_READ, offs[i], 512, &self->job,
				   ev));
		EXPECT_TRUE(matched(ev, 0, offs[i]));
		EXPECT_TRUE(served(t, ev, self->job, offs[i], 512));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-122 D-124 */
TEST_F(match, D_124_outside_and_across)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	const enum client_blk_op ops[] = { CLIENT_WRITE, CLIENT_READ };
	const __u32 none[] = {
		/* across two buffers, over both ends, outside */
		16 * PAGE - 512, 15 * PAGE, 8 * PAGE - 512, 24 * PAGE - PAGE,
		4 * PAGE, 64 * PAGE,
	};
	unsigned int i, j;

	ASSERT_EQ(0, reg(t, self->mem + 8 * PAGE, 8 * PAGE, 0));
	ASSERT_EQ(1, reg(t, self->mem + 16 * PAGE, 8 * PAGE, 0));
	raw_fill(self->mem, 1 << 20, 94);
	for (i = 0; i < ARRAY_SIZE(none); i++) {
		for (j = 0; j < 2; j++) {
			ASSERT_EQ(0, begin(t, ops[j], none[i], LEN,
					   &self->job, ev));
			EXPECT_TRUE(unmatched(ev)) {
				TH_LOG("offset %u: addr 0x%llx", none[i],
				       ev->iod.addr);
			}
			EXPECT_TRUE(served(t, ev, self->job, none[i], LEN));
		}
	}
	/* Requests without data, and requests from the page cache. */
	ASSERT_EQ(0, begin(t, CLIENT_FSYNC, 8 * PAGE, 0, &self->job, ev));
	EXPECT_TRUE(unmatched(ev));
	ASSERT_EQ(0, raw_serve(&t->ring, ev));
	EXPECT_EQ(0, fx_finish(t, self->job));
	ASSERT_EQ(0, begin(t, CLIENT_READAHEAD, 8 * PAGE, LEN, &self->job,
			   ev));
	EXPECT_TRUE(unmatched(ev));
	EXPECT_TRUE(served(t, ev, self->job, 8 * PAGE, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-123 */
TEST_F(match, D_123_read_only)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;

	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, RO));
	raw_fill(self->mem, LEN, 95);
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, 0, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, 0));
	EXPECT_TRUE(served(t, ev, self->job, 0, LEN));
	ASSERT_EQ(0, begin(t, CLIENT_WRITE_FUA, 0, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, 0));
	EXPECT_TRUE(served(t, ev, self->job, 0, LEN));
	ASSERT_EQ(0, begin(t, CLIENT_READ, 0, LEN, &self->job, ev));
	EXPECT_TRUE(unmatched(ev));
	EXPECT_TRUE(served(t, ev, self->job, 0, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

struct vec_arg {
	int id, n;
	struct iovec v[4];
};

static long vec_job(void *arg)
{
	struct vec_arg *a = arg;
	char path[32];
	long ret;
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", a->id);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = pwritev(fd, a->v, a->n, WIN);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* covers: D-122 D-124 */
TEST_F(match, D_122_order_of_pages)
{
	struct fixture *t = &self->t;
	char *mem = self->mem;
	struct vec_arg a = { .id = t->info.dev_id };
	/* Offsets in pages; the parts of the first row are contiguous. */
	const int rows[][3] = {
		{ 2, 3, 4 }, { 4, 3, 2 }, { 2, 4, 5 }, { 2, 2, 3 },
		{ 14, 15, 16 }, { 2, 3, 20 }, { 20, 2, 3 },
	};
	struct raw_ev *ev = &self->ev;
	unsigned int i, j;
	char copy[3 * PAGE];

	ASSERT_EQ(0, reg(t, mem, 16 * PAGE, 0));
	ASSERT_EQ(1, reg(t, mem + 16 * PAGE, PAGE, 0));
	raw_fill(mem, 32 * PAGE, 96);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		for (j = 0; j < 3; j++) {
			a.v[j].iov_base = mem + rows[i][j] * PAGE;
			a.v[j].iov_len = PAGE;
			memcpy(copy + j * PAGE, a.v[j].iov_base, PAGE);
		}
		a.n = 3;
		self->job = client_start(t->client, vec_job, &a, sizeof(a));
		ASSERT_EQ(0, raw_request(&t->ring, ev, RAW_DEADLINE_MS));
		ASSERT_EQ(0, ev->res);
		EXPECT_TRUE(i ? unmatched(ev) : matched(ev, 0, 2 * PAGE)) {
			TH_LOG("row %u", i);
		}
		ASSERT_EQ(0, raw_serve(&t->ring, ev));
		EXPECT_EQ(3 * PAGE, fx_finish(t, self->job));
		EXPECT_EQ(0, memcmp(t->srv.store + WIN, copy, 3 * PAGE));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-99a D-99b D-97 D-98 */
TEST_F(match, D_99b_results)
{
	const int results[] = { 0, -ENOSPC, LEN, LEN + 4096, 0x7fffffff };
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i;
	int r;

	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, 0));
	for (i = 0; i < ARRAY_SIZE(results); i++) {
		r = results[i];
		ASSERT_EQ(0, begin(t, CLIENT_READ, 0, LEN, &self->job, ev));
		EXPECT_TRUE(matched(ev, 0, 0));
		ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, r));
		EXPECT_EQ(r > 0 ? LEN : r ? r : -EIO,
			  client_wait(t->client, self->job, RAW_DEADLINE_MS));
		ASSERT_EQ(0, begin(t, CLIENT_WRITE, 0, LEN, &self->job, ev));
		EXPECT_TRUE(matched(ev, 0, 0));
		ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, r));
		EXPECT_EQ(r < 0 ? r : LEN,
			  client_wait(t->client, self->job, RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-99b I-8 */
TEST_F(match, I_8_short_read)
{
	bool mainline = running_on_mainline();
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	int i;

	/* The whole request succeeds; the rest of it reads as zeroes. */
	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, 0));
	ASSERT_EQ(0, begin(t, CLIENT_READ, 0, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, 0));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, 1024));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	for (i = 0; i < 1024; i++)
		ASSERT_EQ(BEFORE, self->mem[i]);
	for (; i < LEN; i++) {
		ASSERT_EQ(mainline ? BEFORE : 0, self->mem[i]) {
			TH_LOG("byte %d", i);
		}
	}
	EXPECT_EQ(0, fx_stop(t));
	if (mainline)
		SKIP(return, "mainline leaves the rest of the memory unchanged");
}

/* covers: I-20 D-98 */
TEST_F(match, I_20_short_write_goes_on)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	int i;

	if (running_on_mainline())
		SKIP(return, "mainline takes a short write result for full success");
	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, 0));
	self->job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN,
			       LEN, PAGE);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, raw_request(&t->ring, ev, RAW_DEADLINE_MS));
		ASSERT_EQ(0, ev->res);
		EXPECT_EQ((WIN >> 9) + 8 * i, ev->iod.start_sector);
		EXPECT_EQ(32 - 8 * i, ev->iod.nr_sectors);
		/* The rest begins further on in the buffer. */
		EXPECT_TRUE(matched(ev, 0, PAGE + PAGE * i));
		ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, PAGE));
	}
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-125 */
TEST_F(match, D_125_beside_the_mode_of_the_device)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	char *buf = t->srv.bufs;
	int slot = 0;

	if (!variant->flags)
		SKIP(return, "copy mode does nothing then (D-126)");
	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, 0));
	raw_fill(self->mem, LEN, 97);
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, 0, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, 0));
	EXPECT_FALSE(ev->iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
	memset(buf, 0, LEN);
	if (variant->flags & UBLK_F_USER_COPY) {
		EXPECT_EQ(LEN, raw_get(&t->srv, ev->q, ev->tag, buf, LEN, 0));
	} else {
		slot = ev->q * 4 + ev->tag;
		if (variant->flags & UBLK_F_SUPPORT_ZERO_COPY)
			EXPECT_EQ(0, raw_reg(r, ev->q, ev->tag, slot));
		EXPECT_EQ(LEN, raw_fixed(r, true, t->srv.buf_fd, 0, slot, 0,
					 LEN));
	}
	EXPECT_EQ(0, memcmp(buf, self->mem, LEN));
	ASSERT_EQ(0, raw_commit(r, ev->q, ev->tag, LEN));
	if (variant->flags & UBLK_F_SUPPORT_ZERO_COPY) {
		/* The registration holds a reference as usual. */
		EXPECT_TRUE(fx_open_still(t, self->job));
		EXPECT_EQ(0, raw_unreg(r, slot));
	}
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-155 C-156 D-122 I-41 */
TEST_F(match, C_156_unregistered_under_IO)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	int job;

	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, 0));
	raw_fill(self->mem, LEN, 98);
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, 0, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, 0));
	/* UNREG_BUF may wait for this request; the request works either way. */
	job = client_ctrl(t->client, UBLK_U_CMD_UNREG_BUF, t->info.dev_id, 0);
	client_wait(t->client, job, RAW_QUIET_MS);
	EXPECT_FALSE(client_done(t->client, self->job));
	EXPECT_TRUE(served(t, ev, self->job, 0, LEN));
	EXPECT_EQ(0, fx_finish(t, job));
	EXPECT_EQ(-ENOENT, unreg(t, 0));
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, 0, LEN, &self->job, ev));
	EXPECT_TRUE(unmatched(ev));
	EXPECT_TRUE(served(t, ev, self->job, 0, LEN));
	/* Register it again, with another offset. */
	ASSERT_EQ(0, reg(t, self->mem + PAGE, 1 << 20, 0));
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, PAGE, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, 0));
	EXPECT_TRUE(served(t, ev, self->job, PAGE, LEN));
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, 0, LEN, &self->job, ev));
	EXPECT_TRUE(unmatched(ev));
	EXPECT_TRUE(served(t, ev, self->job, 0, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-155 C-156 D-122 */
TEST_F(match, C_156_commands_and_IO_at_once)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	struct ublk_shmem_buf_reg r = {
		.addr = (uintptr_t)self->mem, .len = 1 << 20,
	};
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff,
		.len = sizeof(r), .addr = (uintptr_t)&r,
	};
	long end = raw_now_ms() + 2000, last = end + RAW_DEADLINE_MS;
	int job = -1, n = 0, yes = 0, cycles = 0, until = 0;
	struct io_uring_cqe *cqe;
	bool there = false;

	/*
	 * Register and unregister all the time while serving. Every fourth time
	 * keep the buffer until a request finds it: on a slow machine few
	 * requests would.
	 */
	raw_fill(self->mem, LEN, 99);
	t->srv.shm[0] = self->mem;
	ASSERT_NE(NULL, raw_ctrl_prep(&t->ctl, UBLK_U_CMD_REG_BUF, &cmd));
	ASSERT_EQ(1, io_uring_submit(&t->ctl.ring));
	while (raw_now_ms() < end ||
	       ((n <= 10 || !yes) && raw_now_ms() < last) ||
	       !client_done(t->client, job)) {
		if (job < 0 || client_done(t->client, job)) {
			if (job >= 0)
				ASSERT_EQ(LEN, client_wait(t->client, job, 0));
			job = client_blk(t->client, t->info.dev_id, n++ & 1 ?
					 CLIENT_READ : CLIENT_WRITE, WIN, LEN,
					 0);
			ASSERT_LE(0, job);
		}
		if (!raw_event(&t->ring, ev, 1)) {
			yes += ev->res == 0 && !unmatched(ev);
			ASSERT_EQ(0, raw_serve(&t->ring, ev));
		}
		if (n < until || io_uring_peek_cqe(&t->ctl.ring, &cqe))
			continue;
		if (!there && !until && !(cycles++ % 4)) {
			/* Keep it for the requests after the next one. */
			until = n + 2;
			continue;
		}
		until = 0;
		ASSERT_EQ(0, cqe->res);
		io_uring_cqe_seen(&t->ctl.ring, cqe);
		there = !there;
		ASSERT_NE(NULL, raw_ctrl_prep(&t->ctl, there ?
					      UBLK_U_CMD_UNREG_BUF :
					      UBLK_U_CMD_REG_BUF, &cmd));
		ASSERT_EQ(1, io_uring_submit(&t->ctl.ring));
	}
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, self->mem, LEN));
	EXPECT_LT(10, n);
	EXPECT_LT(0, yes) TH_LOG("%d requests, none matched", n);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-150 D-122 */
TEST_F(match, C_150_the_next_server)
{
	__u64 flags = variant->flags | UBLK_F_SHMEM_ZC |
		      UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE;
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;

	FX_REQUIRE(t, flags);
	ASSERT_EQ(0, fx_stop(t));
	fx_close(t);
	ASSERT_EQ(0, fx_up(t, variant->queues, 4, flags));
	ASSERT_EQ(0, reg(t, self->mem, 1 << 20, 0));
	raw_fill(self->mem, LEN, 100);
	ASSERT_EQ(0, begin(t, CLIENT_WRITE, PAGE, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, PAGE));
	ASSERT_EQ(0, rec_lose(t));
	/* The rest is delivered again, and matches again. */
	ASSERT_EQ(0, rec_recover(t));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, self->mem + PAGE, LEN));
	ASSERT_EQ(0, begin(t, CLIENT_READ, 2 * PAGE, LEN, &self->job, ev));
	EXPECT_TRUE(matched(ev, 0, 2 * PAGE));
	EXPECT_TRUE(served(t, ev, self->job, 2 * PAGE, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
