// SPDX-License-Identifier: GPL-2.0
/*
 * The block I/O of the chaos test: see chaos.h.
 *
 * Processes open a disk and read, write, flush or discard, or only keep it
 * open. Some wait for each I/O, some have sixteen in flight. Each is killed
 * after a random time, and ends when its I/O ends, at the latest when its
 * device is deleted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "io_client.h"
#include "chaos.h"

#define SLOTS	10
#define DEPTH	16
#define MAX_IO	(4096UL << 5)
/* A small area, so that the memory of the servers stays small. */
#define IO_AREA	(16U << 20)

struct io {
	struct chaos *c;
	struct chaos_rng rng;
	struct io_uring ring;
	char *buf;		/* DEPTH buffers of MAX_IO */
};

static __u64 offset(struct chaos_rng *r)
{
	return (__u64)chaos_rnd(r, IO_AREA / 4096) * 4096;
}

static __u32 length(struct chaos_rng *r)
{
	return 4096U << chaos_rnd(r, 6);
}

static void count(struct chaos *c, long res)
{
	if (res >= 0)
		chaos_count(&c->io_done);
	else if (res != -ENOENT)
		chaos_count(&c->io_failed);
}

/* One operation after the other until one fails; each opens the disk. */
static void one_by_one(struct io *io, int id)
{
	static const enum client_blk_op all[] = {
		CLIENT_READ, CLIENT_READ, CLIENT_READ, CLIENT_WRITE,
		CLIENT_WRITE, CLIENT_WRITE_FUA, CLIENT_FSYNC, CLIENT_DISCARD,
		CLIENT_ZEROOUT, CLIENT_READAHEAD, CLIENT_RRPART,
	};
	struct chaos_rng *r = &io->rng;
	long res;

	do {
		res = client_blk_run(id, all[chaos_rnd(r, 11)], offset(r),
				     length(r), io->buf);
		count(io->c, res);
	} while (res >= 0);
}

static int open_disk(int id, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	return open(path, flags | O_CLOEXEC);
}

/* Writes through the page cache; close() writes back what is left of them. */
static void buffered(struct io *io, int id)
{
	struct chaos_rng *r = &io->rng;
	int fd = open_disk(id, O_RDWR), i;
	ssize_t n;

	if (fd < 0)
		return;
	for (i = 0; i < 20; i++) {
		n = pwrite(fd, io->buf, length(r), offset(r));
		count(io->c, n < 0 ? -errno : n);
	}
	close(fd);
}

static void prep(struct io *io, int fd, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);
	struct chaos_rng *r = &io->rng;
	char *buf = io->buf + i * MAX_IO;

	if (!sqe)
		return;
	if (chaos_rnd(r, 2))
		io_uring_prep_read(sqe, fd, buf, length(r), offset(r));
	else
		io_uring_prep_write(sqe, fd, buf, length(r), offset(r));
	sqe->user_data = i;
}

/* Keep sixteen requests in flight until the disk fails. */
static void many(struct io *io, int id)
{
	int fd = open_disk(id, O_RDWR | O_DIRECT), res = 0;
	struct io_uring_cqe *cqe;
	unsigned int i;

	if (fd < 0)
		return;
	for (i = 0; i < DEPTH; i++)
		prep(io, fd, i);
	while (i) {
		if (io_uring_submit_and_wait(&io->ring, 1) < 0 ||
		    io_uring_peek_cqe(&io->ring, &cqe))
			_exit(1);
		count(io->c, cqe->res);
		res = res < 0 ? res : cqe->res;
		if (res >= 0)
			prep(io, fd, cqe->user_data);
		else
			i--;
		io_uring_cqe_seen(&io->ring, cqe);
	}
	close(fd);
}

static void hold(struct io *io, int id)
{
	int fd = open_disk(id, O_RDONLY);

	usleep(chaos_rnd(&io->rng, 500000));
	if (fd >= 0)
		close(fd);
}

/* The number of a disk that exists, or any number if none is found soon. */
static int some_disk(struct chaos_rng *r)
{
	char path[32];
	int i, id = 0;

	for (i = 0; i < 2 * CHAOS_DEVS; i++) {
		id = chaos_rnd(r, CHAOS_DEVS);
		snprintf(path, sizeof(path), "/dev/ublkb%d", id);
		if (!access(path, F_OK))
			break;
	}
	return id;
}

static void run(struct chaos *c)
{
	static void (*const kinds[])(struct io *io, int id) = {
		one_by_one, buffered, many, many, many, hold,
	};
	static struct io io;
	void (*kind)(struct io *io, int id);

	io.c = c;
	chaos_seed(c, &io.rng);
	kind = kinds[chaos_rnd(&io.rng, 6)];
	if (posix_memalign((void **)&io.buf, 4096, DEPTH * MAX_IO) ||
	    io_uring_queue_init(DEPTH, &io.ring, 0))
		_exit(1);
	for (;;) {
		kind(&io, some_disk(&io.rng));
		usleep(5000);
	}
}

void chaos_ios(struct chaos *c)
{
	struct { pid_t pid; long end; } slots[SLOTS] = { 0 };
	struct chaos_rng r;
	int i;

	chaos_seed(c, &r);
	while (!chaos_stopping(c)) {
		for (i = 0; i < SLOTS; i++) {
			if (!slots[i].pid) {
				slots[i].end = raw_now_ms() + 500 +
					       chaos_rnd(&r, 8000);
				slots[i].pid = chaos_fork();
				if (!slots[i].pid)
					run(c);
			}
			if (raw_now_ms() >= slots[i].end)
				kill(slots[i].pid, SIGKILL);
			if (waitpid(slots[i].pid, NULL, WNOHANG))
				slots[i].pid = 0;
		}
		usleep(30000);
	}
	for (i = 0; i < SLOTS; i++)
		if (slots[i].pid)
			kill(slots[i].pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	_exit(0);
}
