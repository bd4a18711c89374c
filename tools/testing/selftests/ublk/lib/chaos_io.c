// SPDX-License-Identifier: GPL-2.0
/*
 * The block I/O of the chaos test: see chaos.h.
 *
 * Processes open a disk and read, write, flush or discard, or only keep it
 * open, or go away before their reads have ended. Some wait for each I/O, some
 * have sixteen in flight. Each is killed after a random time, and ends when its
 * I/O ends, at the latest when its device is deleted. Besides them each disk has
 * its io_gen from time to time.
 *
 * A process that is killed may leave requests that still use its buffers. If
 * these are shared memory, the next process has the same ones: it must not trust
 * what it reads there, nor write from there, when I/O is asynchronous.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "chaos.h"
#include "io_client.h"
#include "stamp.h"

#define DEPTH	16
#define MAX_IO	(4096UL << 5)

/* The longest I/O from here does not reach the blocks of the io_gen. */
static __u64 offset(struct chaos_rng *r)
{
	return (__u64)chaos_rnd(r, (CHAOS_AREA - MAX_IO) / 4096) * 4096;
}

static __u32 length(struct chaos_rng *r, __u32 most)
{
	__u32 len = 4096U << chaos_rnd(r, 6);

	return len < most ? len : most;
}

static __u32 generation(struct chaos_rng *r)
{
	return 1 + chaos_rnd(r, 1U << 30);
}

static void count(struct chaos *c, long res)
{
	if (res >= 0)
		chaos_count(&c->io_done);
	else if (res != -ENOENT)
		chaos_count(&c->io_failed);
}

/* The sectors are zero, or have been written there by somebody. */
static void check(struct chaos *c, int id, const char *buf, __u64 off, long len)
{
	const __u64 *p = (const __u64 *)buf;
	long i;

	for (i = 0; i < len / (long)sizeof(*p); i++) {
		if (!p[i] || p[i] >> 32 == stamp_sector(off, i))
			continue;
		fprintf(stderr, "# disk %d, byte %llu: 0x%llx\n", id,
			off + i * sizeof(*p), p[i]);
		chaos_count(&c->io_wrong);
		return;
	}
}

/* One operation after the other until one fails; each opens the disk. */
static void one_by_one(struct chaos_io *io, int id)
{
	static const enum client_blk_op all[] = {
		CLIENT_READ, CLIENT_READ, CLIENT_READ, CLIENT_WRITE,
		CLIENT_WRITE, CLIENT_WRITE_FUA, CLIENT_FSYNC, CLIENT_DISCARD,
		CLIENT_ZEROOUT, CLIENT_READAHEAD, CLIENT_RRPART,
	};
	struct chaos_rng *r = &io->rng;
	enum client_blk_op op;
	__u64 off;
	__u32 len;
	long res;

	do {
		op = all[chaos_rnd(r, 11)];
		off = offset(r);
		len = length(r, MAX_IO);
		if (op == CLIENT_WRITE || op == CLIENT_WRITE_FUA)
			stamp_fill(io->buf, off, len, generation(r));
		res = client_blk_run(id, op, off, len, io->buf);
		count(io->c, res);
		if (op == CLIENT_READ)
			check(io->c, id, io->buf, off, res);
	} while (res >= 0);
}

static int open_disk(int id, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	return open(path, flags | O_CLOEXEC);
}

/* Writes through the page cache; close() writes back what is left of them. */
static void buffered(struct chaos_io *io, int id)
{
	struct chaos_rng *r = &io->rng;
	int fd = open_disk(id, O_RDWR), i;
	__u64 off;
	__u32 len;
	ssize_t n;

	if (fd < 0)
		return;
	for (i = 0; i < 20; i++) {
		off = offset(r);
		len = length(r, MAX_IO);
		stamp_fill(io->buf, off, len, generation(r));
		n = pwrite(fd, io->buf, len, off);
		count(io->c, n < 0 ? -errno : n);
	}
	close(fd);
}

/* An asynchronous request. */
struct async {
	__u64 off;
	bool read;
};

static void prep(struct chaos_io *io, int fd, struct async *a, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);
	struct chaos_rng *r = &io->rng;
	__u32 len = length(r, io->step);
	char *buf = io->buf + i * io->step;

	if (!sqe)
		return;
	a[i].off = offset(r);
	a[i].read = io->shared || chaos_rnd(r, 2);
	if (a[i].read) {
		io_uring_prep_read(sqe, fd, buf, len, a[i].off);
	} else {
		stamp_fill(buf, a[i].off, len, generation(r));
		io_uring_prep_write(sqe, fd, buf, len, a[i].off);
	}
	sqe->user_data = i;
}

/* Keep sixteen requests in flight until the disk fails. */
static void many(struct chaos_io *io, int id)
{
	int fd = open_disk(id, O_RDWR | O_DIRECT), res = 0;
	struct io_uring_cqe *cqe;
	struct async a[DEPTH];
	unsigned int i, n;

	if (fd < 0)
		return;
	for (i = 0; i < DEPTH; i++)
		prep(io, fd, a, i);
	while (i) {
		if (io_uring_submit_and_wait(&io->ring, 1) < 0 ||
		    io_uring_peek_cqe(&io->ring, &cqe))
			_exit(1);
		n = cqe->user_data;
		count(io->c, cqe->res);
		if (a[n].read && !io->shared)
			check(io->c, id, io->buf + n * io->step, a[n].off,
			      cqe->res);
		res = res < 0 ? res : cqe->res;
		if (res >= 0)
			prep(io, fd, a, n);
		else
			i--;
		io_uring_cqe_seen(&io->ring, cqe);
	}
	close(fd);
}

/* Submit reads, and close disk and ring before they have ended. */
static void hasty(struct chaos_io *io, int id)
{
	int fd = open_disk(id, O_RDONLY | O_DIRECT);
	struct io_uring_sqe *sqe;
	unsigned int i;

	if (fd < 0)
		return;
	for (i = 0; i < DEPTH; i++) {
		sqe = io_uring_get_sqe(&io->ring);
		if (sqe)
			io_uring_prep_read(sqe, fd, io->buf + i * io->step,
					   length(&io->rng, io->step),
					   offset(&io->rng));
	}
	io_uring_submit(&io->ring);
	usleep(chaos_rnd(&io->rng, 2000));
	close(fd);
	io_uring_queue_exit(&io->ring);
	if (io_uring_queue_init(DEPTH, &io->ring, 0))
		_exit(1);
}

static void hold(struct chaos_io *io, int id)
{
	int fd = open_disk(id, O_RDONLY);

	usleep(chaos_rnd(&io->rng, 500000));
	if (fd >= 0)
		close(fd);
}

static bool disk_there(int id)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	return !access(path, F_OK);
}

/* The number of a disk that exists, or any number if none is found soon. */
static int some_disk(struct chaos *c, struct chaos_rng *r)
{
	int i, id = 0;

	for (i = 0; i < 2 * c->devs; i++) {
		id = chaos_rnd(r, c->devs);
		if (disk_there(id))
			break;
	}
	return id;
}

static void get_buffers(struct chaos_io *io, int slot)
{
	io->shared = io->c->shmem && chaos_rnd(&io->rng, 2);
	io->step = io->shared ? CHAOS_IO_SHM / DEPTH : MAX_IO;
	if (io->shared)
		io->buf = io->c->shm + CHAOS_DEVS * IO_GEN_BYTES +
			  slot * CHAOS_IO_SHM;
	else if (posix_memalign((void **)&io->buf, 4096, DEPTH * MAX_IO))
		_exit(1);
}

static void run(struct chaos *c, int slot)
{
	static void (*const kinds[])(struct chaos_io *io, int id) = {
		one_by_one, one_by_one, buffered, many, many, many, hasty,
		hold, chaos_tune, chaos_tune, chaos_rescan,
	};
	static struct chaos_io io;
	void (*kind)(struct chaos_io *io, int id);

	io.c = c;
	chaos_seed(c, &io.rng);
	kind = kinds[chaos_rnd(&io.rng, 11)];
	get_buffers(&io, slot);
	if (io_uring_queue_init(DEPTH, &io.ring, 0))
		_exit(1);
	for (;;) {
		kind(&io, some_disk(c, &io.rng));
		usleep(5000);
	}
}

struct slot {
	pid_t pid;
	long end;
};

static void watch_io(struct chaos *c, struct chaos_rng *r, struct slot *s,
		     int nr)
{
	if (!s->pid) {
		s->end = raw_now_ms() + 500 + chaos_rnd(r, c->life_ms);
		s->pid = chaos_fork();
		if (!s->pid)
			run(c, nr);
	}
	if (raw_now_ms() >= s->end)
		kill(s->pid, SIGKILL);
	if (waitpid(s->pid, NULL, WNOHANG))
		s->pid = 0;
}

/* Not killed: it finishes what it has begun, in its own time. */
static void watch_gen(struct chaos *c, struct chaos_rng *r, struct slot *s,
		      struct io_gen *g)
{
	if (!s->pid) {
		if (!disk_there(g->id) || chaos_rnd(r, 4))
			return;
		g->bufs = NULL;
		if (c->shmem && chaos_rnd(r, 2))
			g->bufs = c->shm + g->id * IO_GEN_BYTES;
		if (!io_gen_start(g))
			s->pid = g->pid;
		s->end = raw_now_ms() + 500 + chaos_rnd(r, c->life_ms);
	}
	if (raw_now_ms() >= s->end)
		__atomic_store_n(&g->stop, 1, __ATOMIC_RELEASE);
	if (s->pid && waitpid(s->pid, NULL, WNOHANG))
		s->pid = 0;
}

void chaos_ios(struct chaos *c)
{
	static struct slot ios[CHAOS_IOS], gens[CHAOS_DEVS];
	struct chaos_rng r;
	int i;

	chaos_seed(c, &r);
	while (!chaos_stopping(c)) {
		for (i = 0; i < CHAOS_IOS; i++)
			watch_io(c, &r, &ios[i], i);
		for (i = 0; i < c->devs; i++)
			watch_gen(c, &r, &gens[i], c->gen[i]);
		usleep(30000);
	}
	for (i = 0; i < CHAOS_IOS; i++)
		if (ios[i].pid)
			kill(ios[i].pid, SIGKILL);
	for (i = 0; i < c->devs; i++)
		__atomic_store_n(&c->gen[i]->stop, 1, __ATOMIC_RELEASE);
	while (wait(NULL) > 0)
		;
	_exit(0);
}
