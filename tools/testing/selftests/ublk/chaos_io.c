// SPDX-License-Identifier: GPL-2.0
/*
 * The block I/O of the chaos test: see chaos.h.
 *
 * Processes that open a disk and read, write, flush, discard, or just hold it
 * open; some wait for each I/O, some have sixteen under way. Each is killed when
 * its time is over. It dies when its I/O ends, so at the latest when its device
 * is deleted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent.h"
#include "chaos.h"

#define SLOTS	10
#define DEPTH	16
/* Small, so that what servers keep stays small. */
#define IO_AREA	(16U << 20)

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

static char *buffer(size_t len)
{
	void *p;

	if (posix_memalign(&p, 4096, len))
		_exit(1);
	return p;
}

/* One operation after the other, the disk opened for each. */
static void one_by_one(struct chaos *c, struct chaos_rng *r, int id)
{
	static const enum agent_blk_op all[] = {
		AGENT_READ, AGENT_READ, AGENT_READ, AGENT_WRITE, AGENT_WRITE,
		AGENT_WRITE_FUA, AGENT_FSYNC, AGENT_DISCARD, AGENT_ZEROOUT,
		AGENT_READAHEAD, AGENT_RRPART,
	};
	char *buf = buffer(4096 << 5);
	long res;

	for (;;) {
		res = agent_blk_run(id, all[chaos_rnd(r, 11)], offset(r),
				    length(r), buf);
		count(c, res);
		if (res < 0)
			usleep(5000);
	}
}

static int open_disk(int id, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	return open(path, flags | O_CLOEXEC);
}

/* Writes through the page cache, written back at the latest by close. */
static void buffered(struct chaos *c, struct chaos_rng *r, int id)
{
	char *buf = buffer(4096 << 5);
	int fd, i;

	for (;;) {
		fd = open_disk(id, O_RDWR);
		for (i = 0; fd >= 0 && i < 20; i++) {
			ssize_t n = pwrite(fd, buf, length(r), offset(r));

			count(c, n < 0 ? -errno : n);
		}
		if (fd >= 0)
			close(fd);
		usleep(chaos_rnd(r, 20000));
	}
}

static void prep(struct io_uring *ring, struct chaos_rng *r, int fd, char *buf,
		 unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		return;
	buf += (size_t)i * (4096 << 5);
	if (chaos_rnd(r, 2))
		io_uring_prep_read(sqe, fd, buf, length(r), offset(r));
	else
		io_uring_prep_write(sqe, fd, buf, length(r), offset(r));
	sqe->user_data = i;
}

/* Sixteen at a time until the disk fails. */
static void many(struct chaos *c, struct chaos_rng *r, int id)
{
	char *buf = buffer(DEPTH * (4096UL << 5));
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	unsigned int i;
	int fd, res;

	if (io_uring_queue_init(DEPTH, &ring, 0))
		_exit(1);
	for (;;) {
		fd = open_disk(id, O_RDWR | O_DIRECT);
		if (fd < 0) {
			usleep(5000);
			continue;
		}
		for (i = 0; i < DEPTH; i++)
			prep(&ring, r, fd, buf, i);
		for (res = 0, i = DEPTH; i; i--) {
			if (io_uring_submit_and_wait(&ring, 1) < 0 ||
			    io_uring_peek_cqe(&ring, &cqe))
				_exit(1);
			count(c, cqe->res);
			res = res < 0 ? res : cqe->res;
			if (res >= 0) {
				prep(&ring, r, fd, buf, cqe->user_data);
				i++;
			}
			io_uring_cqe_seen(&ring, cqe);
		}
		close(fd);
	}
}

static void hold(struct chaos *c, struct chaos_rng *r, int id)
{
	int fd;

	(void)c;
	for (;;) {
		fd = open_disk(id, O_RDONLY);
		usleep(chaos_rnd(r, 500000));
		if (fd >= 0)
			close(fd);
	}
}

static void io(struct chaos *c)
{
	static void (*const kinds[])(struct chaos *, struct chaos_rng *, int) = {
		one_by_one, buffered, many, many, hold,
	};
	struct chaos_rng r;

	chaos_seed(c, &r);
	kinds[chaos_rnd(&r, 5)](c, &r, chaos_rnd(&r, CHAOS_DEVS));
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
				slots[i].end = raw_now_ms() +
					       chaos_rnd(&r, 5000);
				slots[i].pid = chaos_fork();
				if (!slots[i].pid)
					io(c);
			}
			if (raw_now_ms() >= slots[i].end)
				kill(slots[i].pid, SIGKILL);
			if (waitpid(slots[i].pid, NULL, WNOHANG))
				slots[i].pid = 0;
		}
		usleep(10000);
	}
	for (i = 0; i < SLOTS; i++)
		if (slots[i].pid)
			kill(slots[i].pid, SIGKILL);
	while (wait(NULL) > 0)
		;
	_exit(0);
}
