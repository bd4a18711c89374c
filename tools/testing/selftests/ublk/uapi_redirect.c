// SPDX-License-Identifier: GPL-2.0
/*
 * Redirected requests, an extension of this driver: which files can be registered,
 * what a per-tag and a batch device do with the commands, and how the IO ends
 * (extensions.rst). What the store does wrong is in test_redirect_errors.sh and
 * test_redirect_suspend.sh.
 *
 * runner: stock
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/fixture.h"
#include "lib/raw_batch.h"

#define WIN	RAW_WIN_START
#define LEN	12288
#define AT	(1U << 20)	/* in the file */
#define FILE_BYTES (4U << 20)

#define REDIRECT UBLK_U_IO_REDIRECT_AND_FETCH_REQ

FIXTURE(redirect) {
	struct fixture t;
	int fd;			/* regular file, direct IO */
	char *map;		/* its contents */
};

FIXTURE_VARIANT(redirect) {
	__u64 flags;
	unsigned int ring;
};

FIXTURE_VARIANT_ADD(redirect, copy) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(redirect, user_copy_defer) {
	.flags = UBLK_F_USER_COPY,
	.ring = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(redirect, auto_buf) {
	.flags = UBLK_F_AUTO_BUF_REG,
};

/* A file in the directory of the test that can do direct IO. */
static int open_store(void)
{
	char path[] = "/tmp/ublk-redirect.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	unlink(path);
	if (ftruncate(fd, FILE_BYTES))
		return -errno;
	return fd;
}

FIXTURE_SETUP(redirect)
{
	struct fixture *t = &self->t;
	__u64 flags = variant->flags | UBLK_F_REDIRECT;

	FX_SETUP(t, flags);
	self->fd = open_store();
	ASSERT_LE(0, self->fd);
	self->map = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	ASSERT_EQ(0, fx_add(t, 1, 4, flags));
	ASSERT_EQ(0, fx_serve(t, variant->ring));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
}

FIXTURE_TEARDOWN_PARENT(redirect)
{
	FX_TEARDOWN(&self->t);
}

static int reg(struct fixture *t, unsigned int index, int fd)
{
	return raw_call(&t->ring, UBLK_U_IO_REGISTER_FILE, index, 0, fd, 0);
}

static int unreg(struct fixture *t, unsigned int index)
{
	return raw_call(&t->ring, UBLK_U_IO_UNREGISTER_FILE, index, 0, 0, 0);
}

/* Redirect a delivered request; it is accepted. */
static int redirect(struct fixture *t, const struct raw_ev *ev, int file,
		    __u64 pos)
{
	return raw_arm(&t->ring, REDIRECT, ev->q, ev->tag, file, pos,
		       raw_word(&t->ring, ev->q, ev->tag));
}

/* covers: E-10 E-11 E-20 */
TEST_F(redirect, E_10_what_can_be_registered)
{
	struct fixture *t = &self->t;
	int pipes[2], dir, ro;

	EXPECT_EQ(-EINVAL, reg(t, UBLK_MAX_FILES, self->fd));
	EXPECT_EQ(-EINVAL, reg(t, 65535, self->fd));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_REGISTER_FILE, 0, 1,
				    self->fd, 0));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_REGISTER_FILE, 0, 0,
				    self->fd, 1));
	EXPECT_EQ(-EBADF, reg(t, 0, -1));
	EXPECT_EQ(-EBADF, reg(t, 0, 1000000));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, reg(t, 0, pipes[0]));
	dir = open("/tmp", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, dir);
	EXPECT_EQ(-EINVAL, reg(t, 0, dir));
	EXPECT_EQ(-EINVAL, reg(t, 0, t->srv.fd));
	ro = open("/proc/self/stat", O_RDONLY);
	ASSERT_LE(0, ro);
	EXPECT_EQ(-EINVAL, reg(t, 0, ro));

	EXPECT_EQ(-ENOENT, unreg(t, 0));
	EXPECT_EQ(0, reg(t, 0, self->fd));
	EXPECT_EQ(-EBUSY, reg(t, 0, self->fd));
	EXPECT_EQ(0, reg(t, UBLK_MAX_FILES - 1, self->fd));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_UNREGISTER_FILE, 0, 0,
				    1, 0));
	EXPECT_EQ(-EINVAL, unreg(t, UBLK_MAX_FILES));
	EXPECT_EQ(0, unreg(t, 0));
	EXPECT_EQ(-ENOENT, unreg(t, 0));
	EXPECT_EQ(0, reg(t, 0, self->fd));
	close(self->fd);
	EXPECT_EQ(0, unreg(t, 0));
}

/* covers: E-12 E-15 */
TEST_F(redirect, E_15_not_the_disk_itself)
{
	struct fixture *t = &self->t;
	char path[32];
	int fd;

	ASSERT_EQ(0, fx_start(t));
	snprintf(path, sizeof(path), "/dev/ublkb%u", t->info.dev_id);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ELOOP, reg(t, 0, fd));
	close(fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, reg(t, 0, fd));
	close(fd);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-14 E-16 */
TEST_F(redirect, E_14_the_disk_fits)
{
	struct fixture *t = &self->t;
	struct ublk_params p;

	raw_params_init(&p);
	ASSERT_EQ(0, raw_set_params(&t->ctl, t->info.dev_id, &p));
	/* Writes to a file need flushes, which a disk without a cache never gets. */
	EXPECT_EQ(-EOPNOTSUPP, reg(t, 0, self->fd));
	p.basic.attrs = UBLK_ATTR_READ_ONLY;
	ASSERT_EQ(0, raw_set_params(&t->ctl, t->info.dev_id, &p));
	EXPECT_EQ(0, reg(t, 0, self->fd));
	EXPECT_EQ(-EBUSY, raw_set_params(&t->ctl, t->info.dev_id, &p));
	EXPECT_EQ(0, unreg(t, 0));
	p.basic.attrs = UBLK_ATTR_VOLATILE_CACHE;
	EXPECT_EQ(0, raw_set_params(&t->ctl, t->info.dev_id, &p));
	EXPECT_EQ(0, reg(t, 0, self->fd));
}

/* covers: E-1 E-30 E-51 */
TEST_F(redirect, E_30_moves_the_data)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int i, job;

	ASSERT_EQ(0, reg(t, 7, self->fd));
	ASSERT_EQ(0, fx_start(t));
	/* More often than there are tags: each is armed again. */
	for (i = 0; i < 12; i++) {
		raw_fill(t->client->data, LEN, i);
		ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
		ASSERT_EQ(0, ev.res);
		ASSERT_EQ(0, redirect(t, &ev, 7, AT + 4096 * i));
		EXPECT_EQ(LEN, fx_finish(t, job));
		EXPECT_EQ(0, memcmp(self->map + AT + 4096 * i, t->client->data, LEN));
		raw_fill(self->map + AT, LEN, 100 + i);
		memset(t->client->data, 0, LEN);
		ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
		ASSERT_EQ(0, redirect(t, &ev, 7, AT));
		EXPECT_EQ(LEN, fx_finish(t, job));
		EXPECT_EQ(0, memcmp(self->map + AT, t->client->data, LEN));
	}
	/* A read at the end of the file ends there, and comes again. */
	ASSERT_EQ(0, ftruncate(self->fd, AT + 4096));
	memset(t->client->data, 0x55, LEN);
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, redirect(t, &ev, 7, AT));
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ((LEN - 4096) / 512, ev.iod.nr_sectors);
	EXPECT_EQ((WIN + 4096) / 512, ev.iod.start_sector);
	ASSERT_EQ(0, redirect(t, &ev, 7, AT + 4096));
	EXPECT_EQ(-EIO, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: E-13 E-31 E-32 */
TEST_F(redirect, E_31_refused)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, ro;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ro = open(path, O_RDONLY);
	ASSERT_LE(0, ro);
	ASSERT_EQ(0, reg(t, 0, self->fd));
	ASSERT_EQ(0, reg(t, 1, ro));
	/* No request is there. */
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, REDIRECT, 0, 0, 0, 0));
	ASSERT_EQ(0, fx_start(t));
	raw_fill(t->client->data, LEN, 3);
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	EXPECT_EQ(-EBADF, raw_call(&t->ring, REDIRECT, ev.q, ev.tag, 2, 0));
	EXPECT_EQ(-EBADF, raw_call(&t->ring, REDIRECT, ev.q, ev.tag, -1, 0));
	EXPECT_EQ(-EBADF, raw_call(&t->ring, REDIRECT, ev.q, ev.tag, 1, 0));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, REDIRECT, ev.q, ev.tag, 0, 1));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, REDIRECT, ev.q, ev.tag, 0,
				    1ULL << 63));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, REDIRECT, ev.q, 9, 0, 0));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, REDIRECT, ev.q, ev.tag, 0, 0));
	/* The request is still the server's. */
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));

	ASSERT_EQ(0, fx_request(t, CLIENT_FSYNC, WIN, 0, &job, &ev));
	EXPECT_EQ(-EOPNOTSUPP, raw_call(&t->ring, REDIRECT, ev.q, ev.tag, 0, 0));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(0, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

FIXTURE(plain) {
	struct fixture t;
};

FIXTURE_SETUP(plain)
{
	FX_SETUP(&self->t, UBLK_F_REDIRECT);
}

FIXTURE_TEARDOWN_PARENT(plain)
{
	FX_TEARDOWN(&self->t);
}

/* covers: E-2 */
TEST_F(plain, E_2_without_the_feature)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	if (t->info.flags & UBLK_F_EXTENTS)
		SKIP(return, "EXTENTS has files, too");
	EXPECT_EQ(0, t->info.flags & UBLK_F_REDIRECT);
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EOPNOTSUPP, reg(t, 0, 0));
	EXPECT_EQ(-EOPNOTSUPP, unreg(t, 0));
	EXPECT_EQ(-EOPNOTSUPP, raw_call(&t->ring, REDIRECT, 0, 0, 0, 0));
}

/* covers: E-21 */
TEST_F(plain, E_21_files_end_with_the_session)
{
	struct fixture *t = &self->t;
	int fd = open_store();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fx_add(t, 1, 4, UBLK_F_REDIRECT));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, reg(t, 3, fd));
	fx_close(t);
	ASSERT_EQ(0, fx_serve(t, 0));
	EXPECT_EQ(-ENOENT, unreg(t, 3));
	EXPECT_EQ(0, reg(t, 3, fd));
	close(fd);
}

static int batch_redirect(struct raw_batch *b, struct ublk_redirect_elem *e,
			  unsigned int nr, unsigned int size)
{
	const struct raw_bcmd cmd = {
		.op = UBLK_U_IO_REDIRECT_IO_CMDS,
		.nr = nr,
		.size = size,
		.addr = e,
	};

	return raw_batch_call(b, &cmd);
}

/* covers: E-40 E-41 E-42 */
TEST_F(plain, E_40_batch)
{
	static struct raw_batch b;
	struct ublk_redirect_elem e[3] = { };
	struct fixture *t = &self->t;
	char data[LEN];
	struct raw_ev ev;
	int fd, job;

	FX_REQUIRE(t, UBLK_F_BATCH_IO);
	fd = open_store();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fx_add(t, 1, 4, UBLK_F_REDIRECT | UBLK_F_BATCH_IO |
			    UBLK_F_USER_COPY));
	ASSERT_EQ(0, raw_srv_open(&t->srv, &t->info));
	ASSERT_EQ(0, raw_batch_open(&b, &t->srv, 0));
	ASSERT_EQ(0, raw_group_open(&b, 0, 4, 64, 0));
	ASSERT_EQ(0, raw_batch_prep_all(&b));
	ASSERT_LT(0, raw_batch_fetch(&b, 0, 0));
	job = client_ctrl(t->client, UBLK_U_CMD_START_DEV, t->info.dev_id, getpid());
	ASSERT_EQ(0, raw_batch_wait(t->client, job, &b, RAW_DEADLINE_MS));

	EXPECT_EQ(-EINVAL, batch_redirect(&b, e, 1, 8));
	EXPECT_EQ(-E2BIG, batch_redirect(&b, e, 5, 16));
	EXPECT_EQ(-EFAULT, batch_redirect(&b, (void *)16, 1, 16));

	raw_fill(t->client->data, LEN, 9);
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);
	ASSERT_LE(0, job);
	ASSERT_EQ(0, raw_batch_request(&b, &ev, RAW_DEADLINE_MS));
	/* A tag out of range, one without a request, a file that is not there. */
	e[0].tag = 4;
	e[1].tag = !ev.tag;
	e[2] = (struct ublk_redirect_elem){ .tag = ev.tag, .file = 9 };
	EXPECT_EQ(-EREMOTEIO, batch_redirect(&b, e, 3, 16));
	EXPECT_EQ(-EINVAL, e[0].error);
	EXPECT_EQ(-EBUSY, e[1].error);
	EXPECT_EQ(-EBADF, e[2].error);
	ASSERT_EQ(0, raw_thread_call(&t->srv, UBLK_U_IO_REGISTER_FILE, 9, 0, fd, 0));
	/* The others keep none from being redirected. */
	e[0].error = 0;
	e[1].error = 0;
	e[2] = (struct ublk_redirect_elem){ .tag = ev.tag, .file = 9, .pos = AT };
	EXPECT_EQ(-EREMOTEIO, batch_redirect(&b, e, 3, 16));
	EXPECT_EQ(0, e[2].error);
	EXPECT_EQ(LEN, raw_batch_wait(t->client, job, &b, RAW_DEADLINE_MS));
	ASSERT_EQ(LEN, pread(fd, data, LEN, AT));
	EXPECT_EQ(0, memcmp(data, t->client->data, LEN));
	/* It is not the server's any more. */
	e[0] = e[2];
	EXPECT_EQ(-EREMOTEIO, batch_redirect(&b, e, 1, 16));
	EXPECT_EQ(-EBUSY, e[0].error);

	job = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, t->info.dev_id, 0);
	EXPECT_EQ(0, raw_batch_wait(t->client, job, &b, RAW_DEADLINE_MS));
	raw_batch_close(&b);
	close(fd);
}

TEST_HARNESS_MAIN
