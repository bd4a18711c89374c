// SPDX-License-Identifier: GPL-2.0
/*
 * Extents, an extension of this driver: what SET_EXTENTS accepts and how long it takes,
 * which IO passes to a backing, and what the end of a session or a stop does
 * (extensions.rst). The same with a moving table and verified data is in
 * test_extents_move.sh.
 *
 * runner: stock
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/fixture.h"
#include "lib/nullb.h"
#include "lib/raw_batch.h"

#define WIN	RAW_WIN_START
#define SECT	(WIN / 512)
#define LEN	16384
#define LEN_S	(LEN / 512)
#define RW	(UBLK_EXTENT_READ | UBLK_EXTENT_WRITE)
#define RWD	(RW | UBLK_EXTENT_DISCARD)

#define NULLB	"ublk_extents"
/* IO to the slow backing ends after this time, in a hard interrupt. */
#define SLOW_MS	2000
#define SLOW	"completion_nsec=2000000000"

FIXTURE(extents) {
	struct fixture t;
	struct nullb back;
	int fd;
};

FIXTURE_VARIANT(extents) {
	__u64 flags;
	unsigned int ring;
};

FIXTURE_VARIANT_ADD(extents, copy) {
	.flags = UBLK_F_USER_RECOVERY | UBLK_F_QUIESCE,
};

FIXTURE_VARIANT_ADD(extents, user_copy_defer) {
	.flags = UBLK_F_USER_RECOVERY | UBLK_F_USER_COPY | UBLK_F_REDIRECT,
	.ring = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

static int set(struct raw_ring *r, const struct ublk_extent_elem *e, int nr)
{
	return raw_call(r, UBLK_U_IO_SET_EXTENTS, 0, 0, nr, (uintptr_t)e);
}

static int count(struct raw_ring *r)
{
	return raw_call(r, UBLK_U_IO_COUNT_EXTENTS, 0, 0, 0, 0);
}

/* One extent: @len bytes of the window at @off lie at @pos of file 0. */
static struct ublk_extent_elem extent(__u64 off, __u64 len, __u64 pos, int rights)
{
	return (struct ublk_extent_elem){
		.sector = SECT + off / 512,
		.nr_sectors = len / 512,
		.pos = pos / 512,
		.rights = rights,
	};
}

static int set_one(struct fixture *t, __u64 off, __u64 len, __u64 pos, int rights)
{
	const struct ublk_extent_elem e = extent(off, len, pos, rights);

	return set(&t->ring, &e, 1);
}

static int reg(struct fixture *t, unsigned int index, int fd)
{
	return raw_call(&t->ring, UBLK_U_IO_REGISTER_FILE, index, 0, fd, 0);
}

static int unreg(struct fixture *t, unsigned int index)
{
	return raw_call(&t->ring, UBLK_U_IO_UNREGISTER_FILE, index, 0, 0, 0);
}

/* IO that the server must not see: nobody serves. */
static long passes(struct fixture *t, enum client_blk_op op, __u64 off, __u32 len)
{
	int job = client_blk(t->client, t->info.dev_id, op, WIN + off, len, 0);

	return client_wait(t->client, job, RAW_DEADLINE_MS);
}

/* IO that the server gets, and serves from its own store. */
static long served(struct fixture *t, enum client_blk_op op, __u64 off, __u32 len)
{
	struct raw_ev ev;
	int job = client_blk(t->client, t->info.dev_id, op, WIN + off, len, 0);
	int ret = raw_request(&t->ring, &ev, RAW_DEADLINE_MS);

	if (!ret)
		ret = raw_serve(&t->ring, &ev);
	return ret ? ret : fx_finish(t, job);
}

static void *aligned(void)
{
	static char buf[LEN] __attribute__((aligned(4096)));

	return buf;
}

/* Do the backing's bytes at @pos equal the client's data? */
static bool has(int fd, __u64 pos, const void *data)
{
	return pread(fd, aligned(), LEN, pos) == LEN && !memcmp(aligned(), data, LEN);
}

/* The backing, below the disk that will be added: some take aligned buffers only. */
static int make_back(struct nullb *n, const char *const *more, struct fixture *t)
{
	const char *settings[8] = { "size=64", "blocksize=512", "discard=1" };
	long alignment;
	int i = 3, ret;

	while (more && *more)
		settings[i++] = *more++;
	settings[i] = NULL;
	ret = nullb_make(n, NULLB, settings);
	if (ret)
		return ret;
	alignment = nullb_dma_alignment(n);
	if (alignment < 0)
		return alignment;
	t->dma_alignment = alignment;
	return 0;
}

FIXTURE_SETUP(extents)
{
	struct fixture *t = &self->t;
	__u64 flags = variant->flags | UBLK_F_EXTENTS;
	int ret;

	FX_SETUP(t, flags);
	ret = make_back(&self->back, NULL, t);
	if (ret == -ENODEV)
		SKIP(return, "no null_blk with configfs");
	ASSERT_EQ(0, ret);
	self->fd = nullb_open(&self->back, O_RDWR | O_EXCL);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fx_add(t, 2, 4, flags));
	ASSERT_EQ(0, fx_serve(t, variant->ring));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, reg(t, 0, self->fd));
}

FIXTURE_TEARDOWN_PARENT(extents)
{
	FX_TEARDOWN(&self->t);
	nullb_remove(NULLB);
}

/* covers: E-70 E-71 E-73 E-75 E-78 */
TEST_F(extents, E_71_elements)
{
	struct fixture *t = &self->t;
	struct ublk_extent_elem e[3];

	EXPECT_EQ(0, count(&t->ring));
	EXPECT_EQ(0, set(&t->ring, e, 0));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_SET_EXTENTS, 1, 0, 0, 0));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_SET_EXTENTS, 0, 1, 0, 0));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_COUNT_EXTENTS, 0, 0, 1, 0));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_COUNT_EXTENTS, 0, 0, 0, 1));
	EXPECT_EQ(-E2BIG, set(&t->ring, e, UBLK_MAX_EXTENT_ELEMS + 1));
	EXPECT_EQ(-E2BIG, set(&t->ring, e, -1));
	EXPECT_EQ(-EFAULT, set(&t->ring, (void *)16, 1));
	EXPECT_EQ(-EINVAL, set_one(t, 0, 0, 0, RW));
	EXPECT_EQ(-EINVAL, set_one(t, 0, LEN, 0, RW | 1 << 14));
	EXPECT_EQ(-EINVAL, set_one(t, 0, LEN, 512, 0));
	EXPECT_EQ(-EINVAL, set_one(t, 0, LEN, 0, UBLK_EXTENT_RETRY));
	EXPECT_EQ(-EINVAL, set_one(t, 1ULL << 63, LEN, 0, RW));
	e[0] = extent(0, LEN, 0, RW);
	e[0].reserved = 1;
	EXPECT_EQ(-EINVAL, set(&t->ring, e, 1));
	EXPECT_EQ(0, count(&t->ring));

	/* In order, up to the first that fails (E-75). */
	e[0] = extent(0, LEN, 0, RW);
	e[1] = extent(LEN, LEN, LEN, RW);
	e[2] = extent(0, 0, 0, 0);
	EXPECT_EQ(2, set(&t->ring, e, 3));
	EXPECT_EQ(2, count(&t->ring));
	EXPECT_EQ(2, set(&t->ring, e, 2));
	EXPECT_EQ(2, count(&t->ring));
	/* What is left of an extent counts by itself. */
	EXPECT_EQ(1, set_one(t, LEN / 2, LEN / 4, 0, 0));
	EXPECT_EQ(3, count(&t->ring));
	EXPECT_EQ(1, set_one(t, 0, 2 * LEN, 0, 0));
	EXPECT_EQ(0, count(&t->ring));
	EXPECT_EQ(1, set_one(t, 0, 2 * LEN, 0, 0));
	/* From a thread that fetches nothing, too. */
	EXPECT_EQ(1, raw_thread_call(&t->srv, UBLK_U_IO_SET_EXTENTS, 0, 0, 1,
				     (uintptr_t)e));
	EXPECT_EQ(1, raw_call_async(&t->ring, UBLK_U_IO_SET_EXTENTS, 0, 0, 1,
				    (uintptr_t)e));
	EXPECT_EQ(1, count(&t->ring));
}

/* The driver closes a file that was unregistered soon, and not at once. */
static int open_free(const struct nullb *n, int flags)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int fd;

	do {
		fd = nullb_open(n, flags);
		if (fd == -EBUSY)
			usleep(1000);
	} while (fd == -EBUSY && raw_now_ms() < end);
	return fd;
}

/* covers: E-72 E-76 */
TEST_F(extents, E_72_backings)
{
	struct fixture *t = &self->t;
	const __u64 size = 64ULL << 20;
	struct ublk_extent_elem e;
	int ro, shared;

	EXPECT_EQ(-EINVAL, set_one(t, 0, LEN, size, RW));
	EXPECT_EQ(-EINVAL, set_one(t, 0, LEN, size - LEN + 512, RW));
	EXPECT_EQ(-EINVAL, set_one(t, 0, size + 512, 0, RW));
	/* null_blk has no write zeroes. */
	EXPECT_EQ(-EOPNOTSUPP, set_one(t, 0, LEN, 0, RWD | UBLK_EXTENT_WRITE_ZEROES));
	EXPECT_EQ(1, set_one(t, 0, LEN, size - LEN, RWD));
	e = extent(0, LEN, 0, RW);
	e.file = 1;
	EXPECT_EQ(-EBADF, set(&t->ring, &e, 1));
	e.file = UBLK_MAX_FILES;
	EXPECT_EQ(-EBADF, set(&t->ring, &e, 1));

	/* What is in use by an extent cannot be unregistered. */
	EXPECT_EQ(-EBUSY, unreg(t, 0));
	EXPECT_EQ(1, set_one(t, 0, LEN, 0, 0));
	EXPECT_EQ(0, unreg(t, 0));
	close(self->fd);

	/* Another program may write to a device that is not held exclusively. */
	shared = nullb_open(&self->back, O_RDWR);
	ASSERT_LE(0, shared);
	ASSERT_EQ(0, reg(t, 0, shared));
	EXPECT_EQ(-EINVAL, set_one(t, 0, LEN, 0, RW));
	EXPECT_EQ(0, unreg(t, 0));
	close(shared);
	ro = open_free(&self->back, O_RDONLY | O_EXCL);
	ASSERT_LE(0, ro);
	ASSERT_EQ(0, reg(t, 0, ro));
	EXPECT_EQ(-EBADF, set_one(t, 0, LEN, 0, RW));
	EXPECT_EQ(-EBADF, set_one(t, 0, LEN, 0, UBLK_EXTENT_DISCARD));
	EXPECT_EQ(1, set_one(t, 0, LEN, 0, UBLK_EXTENT_READ));
}

/* covers: E-61 E-80 E-81 E-83 E-87 */
TEST_F(extents, E_80_data_passes)
{
	struct fixture *t = &self->t;
	char *data = t->client->data;
	struct raw_ev ev;
	int i, job, jobs[8];

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(1, set_one(t, LEN, LEN, 4 * LEN, RW));
	raw_fill(data, LEN, 1);
	EXPECT_EQ(LEN, passes(t, CLIENT_WRITE, LEN, LEN));
	EXPECT_TRUE(has(self->fd, 4 * LEN, data));
	raw_fill(aligned(), LEN, 2);
	ASSERT_EQ(LEN, pwrite(self->fd, aligned(), LEN, 4 * LEN));
	EXPECT_EQ(LEN, passes(t, CLIENT_READ, LEN, LEN));
	EXPECT_TRUE(has(self->fd, 4 * LEN, data));
	raw_fill(data, LEN, 3);
	/* The block layer flushes after such a write: the server sees only that. */
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE_FUA, WIN + LEN, LEN, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_IO_OP_FLUSH, ublksrv_get_op(&ev.iod));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_TRUE(has(self->fd, 4 * LEN, data));

	/* In front of it, behind it, and across its ends. */
	EXPECT_EQ(LEN, served(t, CLIENT_WRITE, 0, LEN));
	EXPECT_EQ(LEN, served(t, CLIENT_WRITE, 2 * LEN, LEN));
	EXPECT_EQ(LEN, served(t, CLIENT_READ, LEN / 2, LEN));
	EXPECT_EQ(LEN, served(t, CLIENT_READ, LEN + LEN / 2, LEN));
	/* An operation that has no right, and a flush. */
	EXPECT_EQ(0, served(t, CLIENT_DISCARD, LEN, LEN));
	ASSERT_EQ(0, fx_request(t, CLIENT_FSYNC, WIN, 0, &job, &ev));
	EXPECT_EQ(UBLK_IO_OP_FLUSH, ublksrv_get_op(&ev.iod));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(0, fx_finish(t, job));
	raw_fill(data, LEN, 3);
	EXPECT_TRUE(has(self->fd, 4 * LEN, data));

	/* More than there are tags, with every tag at the server. */
	for (i = 0; i < 8; i++) {
		jobs[i] = client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, LEN, 0);
		ASSERT_LE(0, jobs[i]);
	}
	EXPECT_TRUE(fx_inflight(t, 8));
	EXPECT_EQ(LEN, passes(t, CLIENT_READ, LEN, LEN));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(LEN, fx_finish(t, jobs[i]));
	EXPECT_EQ(0, fx_requests(t));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-72 E-80 */
TEST_F(extents, E_80_rights)
{
	struct fixture *t = &self->t;
	char *data = t->client->data;

	ASSERT_EQ(0, fx_start(t));
	raw_fill(data, LEN, 1);
	ASSERT_EQ(1, set_one(t, 0, LEN, 0, UBLK_EXTENT_WRITE | UBLK_EXTENT_DISCARD));
	EXPECT_EQ(LEN, passes(t, CLIENT_WRITE, 0, LEN));
	EXPECT_TRUE(has(self->fd, 0, data));
	EXPECT_EQ(LEN, served(t, CLIENT_READ, 0, LEN));
	EXPECT_EQ(0, passes(t, CLIENT_DISCARD, 0, LEN));
	memset(data, 0, LEN);
	EXPECT_TRUE(has(self->fd, 0, data));
	ASSERT_EQ(1, set_one(t, 0, LEN, 0, UBLK_EXTENT_READ));
	raw_fill(data, LEN, 2);
	EXPECT_EQ(LEN, served(t, CLIENT_WRITE, 0, LEN));
	EXPECT_EQ(LEN, passes(t, CLIENT_READ, 0, LEN));
	EXPECT_TRUE(has(self->fd, 0, data));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-74 */
TEST_F(extents, E_74_parts_stay)
{
	struct fixture *t = &self->t;
	char *data = t->client->data;
	int i;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(1, set_one(t, 0, 5 * LEN, 0, RW));
	ASSERT_EQ(1, set_one(t, 2 * LEN, LEN, 40 * LEN, RW));
	ASSERT_EQ(3, count(&t->ring));
	for (i = 0; i < 5; i++) {
		raw_fill(data, LEN, 10 + i);
		EXPECT_EQ(LEN, passes(t, CLIENT_WRITE, i * LEN, LEN));
		EXPECT_TRUE(has(self->fd, i == 2 ? 40 * LEN : i * LEN, data));
	}
	/* Across the parts it is the server's. */
	EXPECT_EQ(LEN, served(t, CLIENT_READ, 2 * LEN - LEN / 2, LEN));
	ASSERT_EQ(1, set_one(t, 0, 3 * LEN, 0, 0));
	ASSERT_EQ(1, count(&t->ring));
	EXPECT_EQ(LEN, served(t, CLIENT_READ, 2 * LEN, LEN));
	EXPECT_EQ(LEN, passes(t, CLIENT_READ, 4 * LEN, LEN));
	EXPECT_TRUE(has(self->fd, 4 * LEN, data));
	EXPECT_EQ(0, fx_stop(t));
}

/* The end of the last session takes a moment. */
static int serve_again(struct fixture *t, unsigned int flags)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int ret;

	do {
		ret = fx_serve(t, flags);
		if (ret == -EBUSY)
			usleep(1000);
	} while (ret == -EBUSY && raw_now_ms() < end);
	return ret;
}

/*
 * Trees of many sizes, in which nodes are full, lose everything at once: some by one
 * element, and all by the end of the session.
 *
 * covers: E-73 E-74
 */
TEST_F(extents, E_74_many)
{
	static struct ublk_extent_elem e[300];
	struct fixture *t = &self->t;
	int nr, i;

	for (nr = 100; nr <= 300; nr += 3) {
		for (i = 0; i < nr; i++)
			e[i] = extent(i * 4096ULL, 4096, i % 2 * 4096, RW);
		ASSERT_EQ(nr, set(&t->ring, e, nr));
		ASSERT_EQ(nr, count(&t->ring));
		ASSERT_EQ(1, set_one(t, 0, nr * 4096ULL, 0, 0));
		ASSERT_EQ(0, count(&t->ring));
		ASSERT_EQ(nr, set(&t->ring, e, nr));
		fx_close(t);
		ASSERT_EQ(0, serve_again(t, variant->ring));
		ASSERT_EQ(0, reg(t, 0, self->fd));
	}
}

/* covers: E-82 */
TEST_F(extents, E_82_errors)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, nullb_set(&self->back, "badblocks=+0-7"));
	ASSERT_EQ(1, set_one(t, 0, LEN, 0, RW));
	EXPECT_EQ(-EIO, passes(t, CLIENT_READ, 0, LEN));
	EXPECT_EQ(LEN / 2, passes(t, CLIENT_READ, LEN / 2, LEN / 2));
	ASSERT_EQ(1, set_one(t, 0, LEN, 0, RW | UBLK_EXTENT_RETRY));
	raw_fill(t->srv.store + WIN, LEN, 7);
	EXPECT_EQ(LEN, served(t, CLIENT_READ, 0, LEN));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));
	raw_fill(t->client->data, LEN, 8);
	EXPECT_EQ(LEN, served(t, CLIENT_WRITE, 0, LEN));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));
	EXPECT_EQ(LEN / 2, passes(t, CLIENT_READ, LEN / 2, LEN / 2));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-61 */
TEST_F(extents, E_61_one_disk)
{
	struct fixture *t = &self->t;
	char path[64];
	int job;

	ASSERT_EQ(0, fx_start(t));
	snprintf(path, sizeof(path), "/sys/block/ublkh%u/hidden", t->info.dev_id);
	EXPECT_EQ(1, raw_read_ulong(path));
	snprintf(path, sizeof(path), "/sys/block/ublkb%u/size", t->info.dev_id);
	EXPECT_EQ(RAW_DEV_BYTES / 512, raw_read_ulong(path));
	/* Behind the present end, then within it. */
	ASSERT_EQ(1, set_one(t, 192ULL << 20, LEN, 0, RW));
	job = client_ctrl(t->client, UBLK_U_CMD_UPDATE_SIZE, t->info.dev_id,
			  2 * RAW_DEV_BYTES / 512);
	EXPECT_EQ(0, fx_finish(t, job));
	EXPECT_EQ(2 * RAW_DEV_BYTES / 512, raw_read_ulong(path));
	EXPECT_EQ(LEN, passes(t, CLIENT_READ, 192ULL << 20, LEN));
	job = client_ctrl(t->client, UBLK_U_CMD_UPDATE_SIZE, t->info.dev_id,
			  RAW_DEV_BYTES / 512);
	EXPECT_EQ(0, fx_finish(t, job));
	EXPECT_EQ(LEN, served(t, CLIENT_READ, 0, LEN));
	EXPECT_EQ(0, fx_stop(t));
	EXPECT_TRUE(raw_wait_path(path, false));
}

/* covers: E-89 */
TEST_F(extents, E_89_not_the_disk_itself)
{
	struct fixture *t = &self->t;
	char path[32];
	int fd;

	ASSERT_EQ(0, fx_start(t));
	snprintf(path, sizeof(path), "/dev/ublkb%u", t->info.dev_id);
	fd = open(path, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ELOOP, reg(t, 1, fd));
	close(fd);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-86 */
TEST_F(extents, E_86_quiesced_server)
{
	struct fixture *t = &self->t;

	if (!(variant->flags & UBLK_F_QUIESCE))
		SKIP(return, "needs QUIESCE");
	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(1, set_one(t, 0, LEN, 0, RW));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_QUIESCE_DEV, t->info.dev_id, 0));
	EXPECT_EQ(8, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(LEN, passes(t, CLIENT_WRITE, 0, LEN));
	EXPECT_EQ(LEN, passes(t, CLIENT_READ, 0, LEN));
	fx_close(t);
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id, UBLK_S_DEV_QUIESCED));
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_STOP_DEV, t->info.dev_id, 0));
}

FIXTURE(slow) {
	struct fixture t;
	struct nullb back;
	int fd;
};

FIXTURE_SETUP(slow)
{
	static const char *const settings[] = { "irqmode=2", SLOW, NULL };
	struct fixture *t = &self->t;
	__u64 flags = UBLK_F_EXTENTS | UBLK_F_USER_RECOVERY;
	int ret;

	FX_SETUP(t, flags);
	ret = make_back(&self->back, settings, t);
	if (ret == -ENODEV)
		SKIP(return, "no null_blk with configfs");
	ASSERT_EQ(0, ret);
	self->fd = nullb_open(&self->back, O_RDWR | O_EXCL);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fx_up(t, 1, 4, flags));
	ASSERT_EQ(0, reg(t, 0, self->fd));
	ASSERT_EQ(1, set_one(t, 0, LEN, 0, RW));
}

FIXTURE_TEARDOWN_PARENT(slow)
{
	FX_TEARDOWN(&self->t);
	nullb_remove(NULLB);
}

/* Begin a write that passes, and wait until it is in flight. */
static int write_begin(struct fixture *t)
{
	int job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);

	return fx_inflight(t, 1) ? job : -ETIME;
}

static int set_post(struct raw_ring *r, const struct ublk_extent_elem *e, __u64 *id)
{
	return raw_post(r, UBLK_U_IO_SET_EXTENTS, 0, 0, 1, (uintptr_t)e, 0, id);
}

/* covers: E-77 */
TEST_F(slow, E_77_waits_for_its_own_io)
{
	const struct ublk_extent_elem none = extent(0, LEN, 0, 0);
	const struct ublk_extent_elem part = extent(LEN / 2, LEN / 2, LEN, RW);
	struct fixture *t = &self->t;
	__u64 first, second;
	int job;

	/* Another extent does not wait for it, with nothing in flight. */
	job = write_begin(t);
	ASSERT_LE(0, job);
	ASSERT_EQ(1, set_one(t, 2 * LEN, LEN, LEN, RW));
	ASSERT_EQ(1, set_one(t, 2 * LEN, LEN, 0, 0));
	ASSERT_EQ(0, set_post(&t->ring, &part, &first));
	ASSERT_EQ(0, set_post(&t->ring, &none, &second));
	/* The second displaced extents that were never used. */
	EXPECT_EQ(1, raw_await(&t->ring, second, RAW_DEADLINE_MS));
	EXPECT_EQ(0, count(&t->ring));
	EXPECT_EQ(-EBUSY, unreg(t, 0));
	EXPECT_EQ(RAW_TIMEOUT, raw_await(&t->ring, first, RAW_QUIET_MS));
	EXPECT_EQ(1, fx_requests(t));
	EXPECT_EQ(1, raw_await(&t->ring, first, RAW_DEADLINE_MS));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, unreg(t, 0));
	EXPECT_EQ(LEN, served(t, CLIENT_READ, 0, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-77 */
TEST_F(slow, E_77_canceled)
{
	const struct ublk_extent_elem none = extent(0, LEN, 0, 0);
	struct fixture *t = &self->t;
	struct raw_ring other;
	__u64 id;
	int job;

	ASSERT_EQ(0, raw_ring_open(&other, &t->srv, 0));
	job = write_begin(t);
	ASSERT_LE(0, job);
	ASSERT_EQ(0, set_post(&other, &none, &id));
	EXPECT_EQ(RAW_TIMEOUT, raw_await(&other, id, RAW_QUIET_MS));
	EXPECT_EQ(1, fx_requests(t));
	raw_ring_close(&other);
	EXPECT_EQ(1, fx_requests(t));
	EXPECT_EQ(0, count(&t->ring));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(LEN, served(t, CLIENT_READ, 0, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-85 */
TEST_F(slow, E_85_session_ends_after_io)
{
	struct fixture *t = &self->t;
	int job;

	job = write_begin(t);
	ASSERT_LE(0, job);
	fx_close(t);
	/* The old session lasts, without extents. */
	EXPECT_EQ(1, fx_requests(t));
	EXPECT_NE(UBLK_S_DEV_QUIESCED, raw_state(&t->ctl, t->info.dev_id));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id, UBLK_S_DEV_QUIESCED));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));

	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_USER_RECOVERY,
				 t->info.dev_id, 0));
	ASSERT_EQ(0, fx_serve(t, 0));
	EXPECT_EQ(0, count(&t->ring));
	EXPECT_EQ(-EBADF, set_one(t, 0, LEN, 0, RW));
	ASSERT_EQ(0, reg(t, 0, self->fd));
	EXPECT_EQ(1, set_one(t, 0, LEN, 0, RW));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_END_USER_RECOVERY,
				 t->info.dev_id, getpid()));
	EXPECT_EQ(LEN, passes(t, CLIENT_READ, 0, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-88 */
TEST_F(slow, E_88_stop_waits)
{
	struct fixture *t = &self->t;
	int job, stop;

	job = write_begin(t);
	ASSERT_LE(0, job);
	stop = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, t->info.dev_id, 0);
	EXPECT_TRUE(fx_open_still(t, stop));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_finish(t, stop));
	EXPECT_EQ(0, count(&t->ring));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, t->info.dev_id));
}

FIXTURE(plain) {
	struct fixture t;
};

FIXTURE_SETUP(plain)
{
	FX_SETUP(&self->t, UBLK_F_EXTENTS);
}

FIXTURE_TEARDOWN_PARENT(plain)
{
	FX_TEARDOWN(&self->t);
}

/* covers: E-60 */
TEST_F(plain, E_60_combinations)
{
	static const __u64 with[] = {
		UBLK_F_ZONED | UBLK_F_USER_COPY,
		UBLK_F_INTEGRITY | UBLK_F_USER_COPY,
	};
	struct fixture *t = &self->t;
	struct ublksrv_ctrl_dev_info info;
	size_t i;

	for (i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		if ((t->features & with[i]) != with[i])
			continue;
		raw_info_init(&info, 1, 4, UBLK_F_EXTENTS | with[i]);
		EXPECT_EQ(-EINVAL, raw_add(&t->ctl, &info));
	}
}

/* covers: E-62 E-70 */
TEST_F(plain, E_62_without_the_feature)
{
	struct fixture *t = &self->t;
	char path[64];

	if (raw_added_flags(0))
		SKIP(return, "every device has the feature");
	ASSERT_EQ(0, fx_up(t, 1, 4, 0));
	EXPECT_EQ(0, t->info.flags & UBLK_F_EXTENTS);
	EXPECT_EQ(-EOPNOTSUPP, set(&t->ring, NULL, 0));
	EXPECT_EQ(-EOPNOTSUPP, count(&t->ring));
	snprintf(path, sizeof(path), "/sys/block/ublkh%u", t->info.dev_id);
	EXPECT_NE(0, access(path, F_OK));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-70 */
TEST_F(plain, E_70_batch)
{
	static struct raw_batch b;
	const struct ublk_extent_elem none = extent(0, LEN, 0, 0);
	struct fixture *t = &self->t;

	FX_REQUIRE(t, UBLK_F_BATCH_IO);
	ASSERT_EQ(0, fx_add(t, 1, 4, UBLK_F_EXTENTS | UBLK_F_BATCH_IO));
	ASSERT_EQ(0, raw_srv_open(&t->srv, &t->info));
	ASSERT_EQ(0, raw_batch_open(&b, &t->srv, 0));
	EXPECT_EQ(1, raw_thread_call(&t->srv, UBLK_U_IO_SET_EXTENTS, 0, 0, 1,
				     (uintptr_t)&none));
	EXPECT_EQ(0, raw_thread_call(&t->srv, UBLK_U_IO_COUNT_EXTENTS, 0, 0, 0, 0));
	raw_batch_close(&b);
}

TEST_HARNESS_MAIN
