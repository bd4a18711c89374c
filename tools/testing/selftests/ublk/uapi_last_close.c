// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a request drops the last reference to the disk's file: a reader has
 * closed it with the read in flight. The release takes the disk's open_mutex. The
 * server's task must not wait for it, as the holder may read the partition table
 * from this server (L-107).
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "kselftest_harness.h"
#include "lib/fixture_batch.h"
#include "lib/proc.h"

#define WIN	RAW_WIN_START
#define LEN	8192

FIXTURE(last) {
	struct fixture_batch u;
};

FIXTURE_VARIANT(last) {
	__u64 flags;
	int result;	/* of the first commit of the read */
};

FIXTURE_VARIANT_ADD(last, copy) {
	.result = LEN,
};

FIXTURE_VARIANT_ADD(last, copy_part) {
	.result = 4096,
};

FIXTURE_VARIANT_ADD(last, copy_fails) {
	.result = -EIO,
};

FIXTURE_VARIANT_ADD(last, user_copy) {
	.flags = UBLK_F_USER_COPY, .result = LEN,
};

FIXTURE_VARIANT_ADD(last, zero_copy) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY, .result = LEN,
};

FIXTURE_VARIANT_ADD(last, auto_reg) {
	.flags = UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG, .result = LEN,
};

FIXTURE_VARIANT_ADD(last, batch) {
	.flags = UBLK_F_BATCH_IO, .result = LEN,
};

FIXTURE_VARIANT_ADD(last, batch_fails) {
	.flags = UBLK_F_BATCH_IO, .result = -EIO,
};

FIXTURE_VARIANT_ADD(last, batch_user_copy) {
	.flags = UBLK_F_BATCH_IO | UBLK_F_USER_COPY, .result = LEN,
};

FIXTURE_SETUP(last)
{
	FX_SETUP(&self->u.t, variant->flags);
}

FIXTURE_TEARDOWN_PARENT(last)
{
	FX_TEARDOWN(&self->u.t);
}

static bool is_batch(struct fixture_batch *u)
{
	return u->t.info.flags & UBLK_F_BATCH_IO;
}

static int up(struct fixture_batch *u, __u64 flags)
{
	return flags & UBLK_F_BATCH_IO ? fxb_up(u, 1, 8, flags) :
					 fx_up(&u->t, 1, 8, flags);
}

static int next_request(struct fixture_batch *u, struct raw_ev *ev)
{
	return is_batch(u) ? raw_batch_request(&u->b, ev, RAW_DEADLINE_MS) :
			     raw_request(&u->t.ring, ev, RAW_DEADLINE_MS);
}

static int commit(struct fixture_batch *u, const struct raw_ev *ev, int result)
{
	if (result == LEN)
		return is_batch(u) ? raw_batch_serve(&u->b, ev) :
				     raw_serve(&u->t.ring, ev);
	return is_batch(u) ?
	       raw_batch_commit(&u->b, ev->q, ev->tag, result) :
	       raw_commit(&u->t.ring, ev->q, ev->tag, result);
}

static long wait_serving(struct fixture_batch *u, int job)
{
	return is_batch(u) ? fxb_wait(u, job) :
			     client_wait_serving(u->t.client, job, &u->t.ring,
						 RAW_DEADLINE_MS);
}

/* A process that reads asynchronously and closes the disk; says so in *closed. */
static pid_t reader(int id, int *closed)
{
	struct iocb cb = { 0 }, *list = &cb;
	aio_context_t ctx = 0;
	char path[32];
	pid_t pid = proc_fork();
	char *buf;
	int fd;

	if (pid)
		return pid;
	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	buf = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cb.aio_fildes = fd;
	cb.aio_lio_opcode = IOCB_CMD_PREAD;
	cb.aio_buf = (uintptr_t)buf;
	cb.aio_nbytes = LEN;
	cb.aio_offset = WIN;
	if (fd < 0 || syscall(SYS_io_setup, 1, &ctx) ||
	    syscall(SYS_io_submit, ctx, 1, &list) != 1)
		_exit(1);
	close(fd);
	__atomic_store_n(closed, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* covers: L-107 L-80 */
TEST_F(last, L_107_closed_during_a_partition_scan)
{
	struct fixture_batch *u = &self->u;
	struct fixture *t = &u->t;
	int *closed = proc_shared(sizeof(*closed));
	struct raw_ev read, scan;
	int round, job;
	pid_t pid;

	ASSERT_NE(NULL, closed);
	ASSERT_EQ(0, up(u, variant->flags));
	for (round = 0; round < 3; round++) {
		*closed = 0;
		pid = reader(t->info.dev_id, closed);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, next_request(u, &read));
		ASSERT_EQ(0, proc_wait_count(closed, 1, RAW_DEADLINE_MS));
		/* The scan has open_mutex and waits for its first read. */
		job = client_blk(t->client, t->info.dev_id, CLIENT_RRPART, 0, 0,
				 0);
		ASSERT_LE(0, job);
		/* Found by the way: requests below the window are served. */
		do {
			ASSERT_EQ(0, is_batch(u) ?
				  raw_batch_next(&u->b, &scan, RAW_DEADLINE_MS) :
				  raw_event(&t->ring, &scan, RAW_DEADLINE_MS));
		} while (scan.res);
		EXPECT_FALSE(client_done(t->client, job));
		/* The last reference to the reader's file goes here. */
		ASSERT_EQ(0, commit(u, &read, variant->result));
		if (variant->result == 4096) {
			ASSERT_EQ(0, next_request(u, &read));
			ASSERT_EQ(0, commit(u, &read, 4096));
		}
		ASSERT_EQ(0, commit(u, &scan, LEN));
		EXPECT_EQ(0, wait_serving(u, job));
		kill(pid, SIGKILL);
		EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	}
	EXPECT_EQ(0, is_batch(u) ? fxb_stop(u) : fx_stop(t));
}

TEST_HARNESS_MAIN
