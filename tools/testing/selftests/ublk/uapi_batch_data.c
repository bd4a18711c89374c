// SPDX-License-Identifier: GPL-2.0
/*
 * Batch commands and the data of requests (data.rst section 13 with 8 to 12):
 * buffers named by PREP_IO_CMDS and COMMIT_IO_CMDS, results, bad addresses,
 * user copy, buffers registered by command and automatically.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "lib/fixture_batch.h"

#define WIN	RAW_WIN_START
#define UCOPY	UBLK_F_USER_COPY
#define ZERO	UBLK_F_SUPPORT_ZERO_COPY
#define AUTO	UBLK_F_AUTO_BUF_REG
#define FALLBACK UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK
#define REGISTER UBLK_U_IO_REGISTER_IO_BUF
#define UNREGISTER UBLK_U_IO_UNREGISTER_IO_BUF

/* A file with 4 KiB of @fill. */
static int file_of(char fill)
{
	char page[4096];
	int fd = memfd_create("ublk", MFD_CLOEXEC);

	memset(page, fill, sizeof(page));
	if (fd >= 0 && write(fd, page, sizeof(page)) != sizeof(page))
		return -EIO;
	return fd;
}

/* All 4096 bytes at @p equal @fill. */
static bool filled(const char *p, char fill)
{
	int i;

	for (i = 0; i < 4096; i++) {
		if (p[i] != fill)
			return false;
	}
	return true;
}

static bool file_filled(int fd, char fill)
{
	char page[4096];

	return pread(fd, page, sizeof(page), 0) == sizeof(page) &&
	       filled(page, fill);
}

/* The last @bytes of writable memory before an unmapped page. */
static char *before_hole(size_t bytes)
{
	char *map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || munmap(map + 4096, 4096))
		return NULL;
	return map + 4096 - bytes;
}

static long finish(struct fixture_batch *u, int job)
{
	return client_wait(u->t.client, job, RAW_DEADLINE_MS);
}

/* COMMIT of one element with all members. 0, or an error. */
static int commit(struct raw_batch *b, const struct raw_ev *ev, int result,
		  __u64 addr)
{
	struct raw_elem e = {
		.tag = ev->tag, .result = result, .buf_addr = addr,
		.buf_index = addr,
	};
	int ret = raw_batch_elems(b, RAW_COMMIT, ev->q, &e, 1);

	if (ret == raw_elem_size(raw_batch_flags(b)))
		return 0;
	return ret < 0 ? ret : -EPROTO;
}

FIXTURE(data) {
	struct fixture_batch u;
	struct raw_batch *b;
	char *data;			/* data of the client */
};

FIXTURE_SETUP(data)
{
	FX_SETUP(&self->u.t, UBLK_F_BATCH_IO);
	self->b = &self->u.b;
	self->data = self->u.t.client->data;
}

FIXTURE_TEARDOWN_PARENT(data)
{
	FX_TEARDOWN(&self->u.t);
}

/* Prepare every tag with one address or slot, and START_DEV. */
static int up_with(struct fixture_batch *u, __u64 flags, int depth, __u64 addr)
{
	int i, ret = fx_add(&u->t, 1, depth, flags | UBLK_F_BATCH_IO);
	struct raw_elem e;

	if (!ret)
		ret = fxb_serve(u, 0);
	if (!ret)
		ret = fxb_table(u, 8);
	for (i = 0; i < depth && !ret; i++) {
		e = (struct raw_elem) {
			.tag = i, .buf_index = addr, .buf_addr = addr,
		};
		ret = raw_batch_elems(&u->b, RAW_PREP, 0, &e, 1);
	}
	if (!ret)
		ret = fxb_start(u);
	return ret ? ret : fxb_no_scheduler(u);
}

/* covers: D-175 D-22 D-93 D-188 D-57 */
TEST_F(data, D_175_copy_mode_buffers)
{
	struct fixture_batch *u = &self->u;
	char *next, *addr[2];
	struct raw_ev ev;
	int job, i;

	next = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, next);
	ASSERT_EQ(0, fxb_up(u, 1, 2, 0));
	addr[0] = raw_buf(&u->t.srv, 0, 0);
	addr[1] = raw_buf(&u->t.srv, 0, 1);
	/* Each commit names the buffer for the tag's next request. */
	for (i = 0; i < 16; i++, next += 4096) {
		bool write = i % 4 < 2;

		memset(self->data, 'a' + i, 4096);
		ASSERT_EQ(0, fxb_request(u, write ? CLIENT_WRITE : CLIENT_READ,
					 WIN, 4096, &job, &ev));
		EXPECT_EQ((uintptr_t)addr[ev.tag], ev.iod.addr);
		if (write)
			EXPECT_TRUE(filled(addr[ev.tag], 'a' + i));
		/* The data of a read comes from the address in the commit. */
		memset(next, 'A' + i, 4096);
		ASSERT_EQ(0, commit(self->b, &ev, 4096, (uintptr_t)next));
		addr[ev.tag] = next;
		EXPECT_EQ(4096, finish(u, job));
		EXPECT_TRUE(filled(self->data, write ? 'a' + i : 'A' + i));
	}
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-175 D-97 D-98 D-99a D-99c D-99d D-101 */
TEST_F(data, D_175_results)
{
	static const struct { int result; long seen; } cases[] = {
		{ 0, -EIO }, { 4096, 4096 }, { 1 << 20, 4096 },
		{ -ENOSPC, -ENOSPC }, { -EILSEQ, -EILSEQ }, { -EPERM, -EIO },
	};
	struct fixture_batch *u = &self->u;
	struct raw_ev ev;
	unsigned int i;
	int job;

	ASSERT_EQ(0, fxb_up(u, 1, 2, 0));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, fxb_request(u, CLIENT_READ, WIN, 4096, &job, &ev));
		ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag,
					      cases[i].result));
		EXPECT_EQ(cases[i].seen, finish(u, job)) TH_LOG("case %u", i);
	}
	ASSERT_EQ(0, fxb_request(u, CLIENT_WRITE, WIN, 4096, &job, &ev));
	ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, 0));
	EXPECT_EQ(4096, finish(u, job));
	/* A short read: the rest is delivered again. */
	ASSERT_EQ(0, fxb_request(u, CLIENT_READ, WIN, 4096, &job, &ev));
	memset(raw_buf(&u->t.srv, 0, ev.tag), 'x', 4096);
	ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, 1536));
	ASSERT_EQ(0, raw_batch_request(self->b, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ((WIN >> 9) + 3, ev.iod.start_sector);
	EXPECT_EQ(5, ev.iod.nr_sectors);
	EXPECT_FALSE(client_done(u->t.client, job));
	memset(raw_buf(&u->t.srv, 0, ev.tag), 'x', 4096);
	ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, 2560));
	EXPECT_EQ(4096, finish(u, job));
	EXPECT_TRUE(filled(self->data, 'x'));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-189 D-94 I-45 */
TEST_F(data, D_189_bad_address_is_left_out)
{
	static const int where[] = { 0, 1 };
	struct fixture_batch *u = &self->u;
	char *hole = before_hole(0);
	struct raw_bev ev;
	int jobs[2];

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, up_with(u, 0, 4, (uintptr_t)hole));
	/* A read is not affected. */
	ASSERT_EQ(0, fxb_enqueue(u, CLIENT_WRITE, where, 1, jobs));
	ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, where + 1, 1, jobs + 1));
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	ASSERT_EQ(0, raw_batch_event(self->b, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(2, ev.res);
	ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tags[0], 4096));
	EXPECT_EQ(4096, finish(u, jobs[1]));
	/* A list with only that tag: no CQE, and no buffer is used. */
	EXPECT_EQ(0, ev.bid);
	EXPECT_TRUE(fxb_quiet(u));
	if (running_on_mainline()) {
		EXPECT_FALSE(client_done(u->t.client, jobs[0]));
		ASSERT_EQ(hole, mmap(hole, 4096, PROT_READ | PROT_WRITE,
				     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
				     -1, 0));
		ASSERT_EQ(0, raw_batch_event(self->b, &ev, RAW_DEADLINE_MS));
		EXPECT_EQ(2, ev.res);
		ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tags[0], 4096));
		EXPECT_EQ(4096, finish(u, jobs[0]));
	} else {
		EXPECT_EQ(-EIO, finish(u, jobs[0]));
		ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, where, 1, jobs));
		ASSERT_EQ(0, raw_batch_event(self->b, &ev, RAW_DEADLINE_MS));
		ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tags[0], 4096));
		EXPECT_EQ(4096, finish(u, jobs[0]));
	}
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: I-21 D-95 */
TEST_F(data, I_21_partly_copied_write)
{
	struct fixture_batch *u = &self->u;
	char *hole = before_hole(1024);
	int job, sectors;
	struct raw_ev ev;
	long res, end;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, up_with(u, 0, 2, (uintptr_t)hole));
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	memset(self->data, 0x4d, 4096);
	ASSERT_EQ(0, fxb_request(u, CLIENT_WRITE, WIN, 4096, &job, &ev));
	EXPECT_EQ(2, ev.iod.nr_sectors);
	EXPECT_EQ(0x4d, hole[1023]);
	sectors = ev.iod.nr_sectors;
	ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, sectors * 512));
	if (running_on_mainline()) {
		EXPECT_EQ(4096, finish(u, job)) TH_LOG("the tail is lost");
		EXPECT_EQ(0, fxb_stop(u));
		return;
	}
	end = raw_now_ms() + RAW_DEADLINE_MS;
	while (!client_done(u->t.client, job) && raw_now_ms() < end) {
		if (raw_batch_request(self->b, &ev, 20))
			continue;
		EXPECT_EQ((WIN >> 9) + sectors, ev.iod.start_sector);
		sectors += ev.iod.nr_sectors;
		ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag,
					      ev.iod.nr_sectors * 512));
	}
	res = finish(u, job);
	EXPECT_TRUE(res == -EIO || (res == 4096 && sectors == 8)) {
		TH_LOG("result %ld after %d sectors", res, sectors);
	}
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-196 D-146 D-148 D-149 D-22 */
TEST_F(data, D_196_user_copy)
{
	struct fixture_batch *u = &self->u;
	int fd, job, none = 3;
	struct raw_ev ev;
	char page[4096];

	FX_REQUIRE(&u->t, UCOPY);
	ASSERT_EQ(0, fxb_up(u, 1, 4, UCOPY));
	fd = u->t.srv.fd;
	EXPECT_EQ(-1, pread(fd, page, 4096, raw_pos(0, none, 0)));
	EXPECT_EQ(EINVAL, errno) TH_LOG("prepared, but no request delivered");
	memset(self->data, 'w', 4096);
	ASSERT_EQ(0, fxb_request(u, CLIENT_WRITE, WIN, 4096, &job, &ev));
	EXPECT_EQ(0, ev.iod.addr);
	EXPECT_EQ(-1, pwrite(fd, page, 4096, raw_pos(0, ev.tag, 0)));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(4096, pread(fd, page, 4096, raw_pos(0, ev.tag, 0)));
	EXPECT_TRUE(filled(page, 'w'));
	EXPECT_EQ(512, pread(fd, page, 4096, raw_pos(0, ev.tag, 3584)));
	ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, 4096));
	EXPECT_EQ(4096, finish(u, job));
	EXPECT_EQ(-1, pread(fd, page, 4096, raw_pos(0, ev.tag, 0)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, fxb_request(u, CLIENT_READ, WIN, 4096, &job, &ev));
	memset(page, 'r', 4096);
	EXPECT_EQ(4096, pwrite(fd, page, 4096, raw_pos(0, ev.tag, 0)));
	ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, 4096));
	EXPECT_EQ(4096, finish(u, job));
	EXPECT_TRUE(filled(self->data, 'r'));
	/*
	 * User copy of a request without data fails like a tag without request.
	 */
	ASSERT_EQ(0, fxb_request(u, CLIENT_DISCARD, WIN, 4096, &job, &ev));
	EXPECT_EQ(-1, pread(fd, page, 4096, raw_pos(0, ev.tag, 0)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, raw_batch_commit(self->b, 0, ev.tag, 0));
	EXPECT_EQ(0, finish(u, job));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-160 D-112 D-113 D-114 D-116 D-118 D-120 D-103 D-175 */
TEST_F(data, D_160_register_by_command)
{
	struct raw_batch *b = self->b;
	struct fixture_batch *u = &self->u;
	int job, fd = file_of('r');
	struct raw_ev ev;

	FX_REQUIRE(&u->t, ZERO);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fxb_up(u, 1, 4, ZERO));
	EXPECT_EQ(-EINVAL, raw_batch_io_call(b, REGISTER, 0, 0, 1));
	memset(self->data, 'w', 4096);
	ASSERT_EQ(0, fxb_request(u, CLIENT_WRITE, WIN, 4096, &job, &ev));
	EXPECT_EQ(-EINVAL, raw_batch_io_call(b, REGISTER, 0, ev.tag, 12));
	EXPECT_EQ(0, raw_batch_io_call(b, REGISTER, 0, ev.tag, 11));
	EXPECT_EQ(-EBUSY, raw_batch_io_call(b, REGISTER, 0, ev.tag, 11));
	EXPECT_EQ(-EFAULT, raw_batch_fixed(b, false, fd, 0, 4096, 11));
	EXPECT_EQ(4096, raw_batch_fixed(b, true, fd, 0, 4096, 11));
	EXPECT_TRUE(file_filled(fd, 'w'));
	/*
	 * Committed, but the request does not end while the buffer is in use.
	 */
	ASSERT_EQ(0, raw_batch_commit(b, 0, ev.tag, 4096));
	EXPECT_EQ(-EBUSY, raw_batch_commit(b, 0, ev.tag, 4096));
	EXPECT_TRUE(fxb_waits(u, job));
	EXPECT_EQ(0, raw_batch_io_call(b, UNREGISTER, 0, 0, 11));
	EXPECT_EQ(4096, finish(u, job));
	EXPECT_EQ(-EINVAL, raw_batch_io_call(b, UNREGISTER, 0, 0, 11));
	ASSERT_EQ(0, fxb_request(u, CLIENT_READ, WIN, 4096, &job, &ev));
	EXPECT_EQ(0, raw_batch_io_call(b, REGISTER, 0, ev.tag, 0));
	EXPECT_EQ(-EFAULT, raw_batch_fixed(b, true, fd, 0, 4096, 0));
	EXPECT_EQ(4096, raw_batch_fixed(b, false, fd, 0, 4096, 0));
	EXPECT_EQ(0, raw_batch_io_call(b, UNREGISTER, 0, 0, 0));
	ASSERT_EQ(0, raw_batch_commit(b, 0, ev.tag, 4096));
	EXPECT_EQ(4096, finish(u, job));
	EXPECT_TRUE(filled(self->data, 'w'));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-172 D-175 D-177 D-22 D-127 D-130 D-131 D-188 */
TEST_F(data, D_177_registered_in_the_fetching_ring)
{
	struct raw_batch *b = self->b;
	struct fixture_batch *u = &self->u;
	int job, fd = file_of('-'), i, slot, renamed = 0;
	struct raw_ev ev;

	FX_REQUIRE(&u->t, AUTO);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, up_with(u, AUTO, 2, 5));
	ASSERT_LT(0, raw_batch_fetch(b, 0, 0));
	for (i = 0; i < 3; i++) {
		memset(self->data, 'w' + i, 4096);
		ASSERT_EQ(0,
			  fxb_request(u, CLIENT_WRITE, WIN, 4096, &job, &ev));
		EXPECT_EQ(0, ev.iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
		slot = ev.iod.addr;
		EXPECT_TRUE(slot == 5 || slot == 6);
		renamed += slot == 6;
		EXPECT_EQ(4096, raw_batch_fixed(b, true, fd, 0, 4096, slot));
		EXPECT_TRUE(file_filled(fd, 'w' + i));
		/* The commit clears the slot and names the next one. */
		ASSERT_EQ(0, commit(b, &ev, 4096, 6));
		EXPECT_EQ(4096, finish(u, job));
		EXPECT_EQ(-EFAULT, raw_batch_fixed(b, true, fd, 0, 4096,
						   slot));
	}
	/* Two tags, three requests: one tag is used again, in any order. */
	EXPECT_LT(0, renamed);
	/* A request without data registers nothing. */
	ASSERT_EQ(0, fxb_request(u, CLIENT_DISCARD, WIN, 4096, &job, &ev));
	EXPECT_EQ(0, ev.iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
	ASSERT_EQ(0, commit(b, &ev, 0, 6));
	EXPECT_EQ(0, finish(u, job));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-177 D-130 D-103 */
TEST_F(data, D_177_commit_on_another_ring)
{
	struct raw_batch *other = calloc(1, sizeof(*other));
	struct raw_batch *b = self->b;
	struct fixture_batch *u = &self->u;
	struct raw_ev ev;
	int job;

	FX_REQUIRE(&u->t, AUTO | ZERO);
	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, up_with(u, AUTO | ZERO, 2, 3));
	ASSERT_LT(0, raw_batch_fetch(b, 0, 0));
	ASSERT_EQ(0, raw_batch_open(other, &u->t.srv, 0));
	ASSERT_EQ(0, io_uring_register_buffers_sparse(&other->ring, 8));
	ASSERT_EQ(0, fxb_request(u, CLIENT_WRITE, WIN, 4096, &job, &ev));
	ASSERT_EQ(0, commit(other, &ev, 4096, 4));
	EXPECT_TRUE(fxb_waits(u, job)) TH_LOG("the buffer is still in the slot");
	EXPECT_EQ(-EINVAL, raw_batch_io_call(other, UNREGISTER, 0, 0, 3));
	EXPECT_EQ(0, raw_batch_io_call(b, UNREGISTER, 0, 0, 3));
	EXPECT_EQ(4096, finish(u, job));
	EXPECT_EQ(0, fxb_stop(u));
	raw_batch_close(other);
}

/* covers: D-189 D-128 D-172 D-166 D-132 */
TEST_F(data, D_189_registration_fails)
{
	static const int where[] = { 0, 1, 2 };
	struct raw_batch *b = self->b;
	struct fixture_batch *u = &self->u;
	int jobs[3], i, fallback;
	struct raw_bev ev;

	FX_REQUIRE(&u->t, AUTO);
	/* Two tags name slot 2, a third one a slot that does not exist. */
	ASSERT_EQ(0, fx_add(&u->t, 1, 3, AUTO | UBLK_F_BATCH_IO));
	ASSERT_EQ(0, fxb_serve(u, 0));
	ASSERT_EQ(0, fxb_table(u, 4));
	for (i = 0; i < 3; i++) {
		struct raw_elem e = { .tag = i, .buf_index = i < 2 ? 2 : 4 };

		b->elem_flags = i == 2 ? FALLBACK : 0;
		ASSERT_EQ(0, raw_batch_elems(b, RAW_PREP, 0, &e, 1));
	}
	b->elem_flags = 0;
	ASSERT_EQ(0, fxb_start(u));
	ASSERT_EQ(0, fxb_enqueue(u, CLIENT_WRITE, where, 3, jobs));
	ASSERT_LT(0, raw_batch_fetch(b, 0, 0));
	ASSERT_EQ(0, raw_batch_event(b, &ev, RAW_DEADLINE_MS));
	ASSERT_EQ(4, ev.res) TH_LOG("one tag has no slot and no fallback");
	for (i = 0; i < 2; i++) {
		struct ublksrv_io_desc iod =
			raw_desc(&u->t.srv, 0, ev.tags[i]);

		fallback = iod.op_flags & UBLK_IO_F_NEED_REG_BUF;
		EXPECT_EQ(ev.tags[i] == 2, !!fallback);
		EXPECT_EQ(fallback ? 4 | 1 << 16 : 2, iod.addr);
		ASSERT_EQ(0, raw_batch_commit(b, 0, ev.tags[i], 4096));
	}
	for (fallback = 0, i = 0; i < 3; i++)
		fallback += finish(u, jobs[i]) == 4096;
	EXPECT_EQ(2, fallback);
	for (fallback = 0, i = 0; i < 3; i++)
		fallback += finish(u, jobs[i]) == -EIO;
	EXPECT_EQ(1, fallback);
	EXPECT_EQ(0, fxb_stop(u));
}

TEST_HARNESS_MAIN
