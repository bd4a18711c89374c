// SPDX-License-Identifier: GPL-2.0
/*
 * Verifying I/O at depth 64: see io_gen.h. Used by the crash tests.
 *
 * The process has no connection to the server, not even inherited descriptors.
 * The test does not kill it while it may have requests, as it would not end
 * before they do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "io_gen.h"
#include "proc.h"
#include "stamp.h"

/* How many requests are submitted at a time. */
#define SEND	16

struct slot {
	int block;
	bool write;
	__u32 stamp;
};

static struct slot slots[IO_GEN_DEPTH];
static int free_slots[IO_GEN_DEPTH], nr_free;
static char *bufs;

static __u64 offset(const struct io_gen *g, int block)
{
	return g->base + (__u64)block * IO_GEN_BLOCK;
}

static bool possible(struct io_gen *g, int block, const char *p)
{
	return stamp_check(p, offset(g, block), IO_GEN_BLOCK,
			   g->block[block].sure, g->block[block].tried);
}

struct io_gen *io_gen_new(int id, enum io_gen_mode mode)
{
	struct io_gen *g = proc_shared(sizeof(*g));

	if (!g)
		return NULL;
	g->id = id;
	g->mode = mode;
	return g;
}

void io_gen_free(struct io_gen *g)
{
	munmap(g, sizeof(*g));
}

/* Write the first generation of all blocks into the server's memory. */
void io_gen_fill(struct io_gen *g, char *store)
{
	int i;

	for (i = 0; i < IO_GEN_BLOCKS; i++) {
		g->block[i].sure = 1;
		g->block[i].tried = 1;
		stamp_fill(store + offset(g, i), offset(g, i), IO_GEN_BLOCK, 1);
	}
}

/* Count the blocks in the server's memory with impossible contents. */
__u64 io_gen_check(struct io_gen *g, const char *store)
{
	__u64 bad = 0;
	int i;

	for (i = 0; i < IO_GEN_BLOCKS; i++)
		bad += !possible(g, i, store + offset(g, i));
	return bad;
}

static void send_one(struct io_gen *g, struct io_uring *ring, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int n = free_slots[--nr_free], b;
	struct slot *s = &slots[n];
	char *buf = bufs + (size_t)n * IO_GEN_BLOCK;

	do {
		b = random() % IO_GEN_BLOCKS;
	} while (g->block[b].busy);
	g->block[b].busy = 1;
	s->block = b;
	s->write = g->mode == IO_GEN_WRITES ||
		   (g->mode == IO_GEN_MIXED && random() & 1);
	if (s->write) {
		s->stamp = ++g->block[b].tried;
		stamp_fill(buf, offset(g, b), IO_GEN_BLOCK, s->stamp);
		io_uring_prep_write(sqe, fd, buf, IO_GEN_BLOCK, offset(g, b));
	} else {
		memset(buf, 0xee, IO_GEN_BLOCK);
		io_uring_prep_read(sqe, fd, buf, IO_GEN_BLOCK, offset(g, b));
	}
	sqe->user_data = n;
}

static void finish_one(struct io_gen *g, int n, int res)
{
	struct slot *s = &slots[n];

	if (res != IO_GEN_BLOCK) {
		/*
		 * A read returns 0 when the disk has been removed and has no
		 * size.
		 */
		g->last_error = res < 0 ? res : -ENODEV;
		g->errors++;
	} else {
		g->done++;
		if (s->write)
			g->block[s->block].sure = s->stamp;
		else if (!possible(g, s->block, bufs + (size_t)n *
				   IO_GEN_BLOCK))
			g->bad++;
	}
	g->block[s->block].busy = 0;
	free_slots[nr_free++] = n;
}

/* Move to the next CPU: it decides which queue a request goes to. */
static void hop(struct io_gen *g)
{
	static int cpu;
	cpu_set_t set;

	if (!g->cpus)
		return;
	cpu = (cpu + 1) % g->cpus;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void turn(struct io_gen *g, struct io_uring *ring, int fd)
{
	struct __kernel_timespec ts = { .tv_nsec = 5000000 };
	__u64 errors = g->errors;
	struct io_uring_cqe *cqe;
	int n;

	while (nr_free && !__atomic_load_n(&g->stop, __ATOMIC_ACQUIRE)) {
		for (n = 0; nr_free && n < SEND; n++)
			send_one(g, ring, fd);
		__atomic_store_n(&g->inflight, IO_GEN_DEPTH - nr_free,
				 __ATOMIC_RELEASE);
		hop(g);
		io_uring_submit(ring);
	}
	if (io_uring_wait_cqe_timeout(ring, &cqe, &ts))
		return;
	do {
		finish_one(g, cqe->user_data, cqe->res);
		io_uring_cqe_seen(ring, cqe);
	} while (!io_uring_peek_cqe(ring, &cqe));
	__atomic_store_n(&g->inflight, IO_GEN_DEPTH - nr_free,
			 __ATOMIC_RELEASE);
	if (g->errors == errors)
		return;
	if (g->give_up)
		g->stop = 1;
	usleep(2000);
}

static int generate(struct io_gen *g)
{
	struct io_uring ring;
	char path[32];
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/ublkb%d", g->id);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return errno;
	bufs = g->bufs;
	if (!bufs)
		bufs = mmap(NULL, IO_GEN_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = io_uring_queue_init(IO_GEN_DEPTH, &ring, 0);
	if (bufs == MAP_FAILED || ret)
		return 1;
	srandom(getpid());
	for (nr_free = 0; nr_free < IO_GEN_DEPTH; nr_free++)
		free_slots[nr_free] = nr_free;
	__atomic_store_n(&g->ready, 1, __ATOMIC_RELEASE);
	do {
		turn(g, &ring, fd);
	} while (nr_free < IO_GEN_DEPTH ||
		 !__atomic_load_n(&g->stop, __ATOMIC_ACQUIRE));
	close(fd);
	return 0;
}

/* Call io_gen_fill() first, or have run it before. 0 or -errno. */
int io_gen_start(struct io_gen *g)
{
	pid_t pid;
	int i;

	for (i = 0; i < IO_GEN_BLOCKS; i++)
		g->block[i].busy = 0;
	g->stop = 0;
	g->ready = 0;
	/* In shared memory the child would overwrite the pid with 0. */
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(generate(g));
	g->pid = pid;
	return 0;
}

/* Wait until @more requests have succeeded. 0 or RAW_TIMEOUT. */
int io_gen_wait_done(struct io_gen *g, __u64 more, int ms)
{
	__u64 goal = __atomic_load_n(&g->done, __ATOMIC_ACQUIRE) + more;
	long end = raw_now_ms() + ms;

	while (__atomic_load_n(&g->done, __ATOMIC_ACQUIRE) < goal) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(1000);
	}
	return 0;
}

/* Exit status, -EINTR for a signal, RAW_TIMEOUT. */
int io_gen_wait_exit(struct io_gen *g, int ms)
{
	return proc_wait_exit(g->pid, ms);
}
