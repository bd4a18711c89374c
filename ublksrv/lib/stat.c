// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The memory of a device's counters; stat.h counts, stat_read.c reads them.
 *
 * It is a memfd, which the threads write and other processes map through
 * /proc/PID/fd, where its name says which device it is. So a reader needs nothing
 * from the server but its memory, and the counters end with the process. Its size is
 * sealed: a reader could otherwise be killed by SIGBUS. All pages are there before the
 * first request.
 *
 * Made by ublk_dev_configure(), when the driver has said how many queues there are;
 * it stays until the handle is freed or configured again, so that the counters can
 * be read when the threads have ended. The array worker->seen belongs to the thread.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "private.h"
#include "stat.h"
#include "stat_file.h"

/* enum ublk_stat_op of each UBLK_IO_OP_* */
static const __u8 stat_rows[256] = {
	[UBLK_IO_OP_READ]		= UBLK_STAT_READ,
	[UBLK_IO_OP_WRITE]		= UBLK_STAT_WRITE,
	[UBLK_IO_OP_FLUSH]		= UBLK_STAT_FLUSH,
	[UBLK_IO_OP_DISCARD]		= UBLK_STAT_DISCARD,
	[UBLK_IO_OP_WRITE_SAME]		= UBLK_STAT_OTHER,
	[UBLK_IO_OP_WRITE_ZEROES]	= UBLK_STAT_WRITE_ZEROES,
	[6 ... 12]			= UBLK_STAT_OTHER,
	[UBLK_IO_OP_ZONE_APPEND]	= UBLK_STAT_WRITE,
	[14 ... 255]			= UBLK_STAT_OTHER,
};

static __u64 stat_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Time this turn. */
__u64 stat_time(struct worker *w)
{
	w->now = stat_clock();
	w->stat->turn = w->now;
	w->untimed = STAT_TURNS + w->now % STAT_TURNS_SPREAD;
	return w->now;
}

/* The request failed, or is measured, or is neither a read nor a write. */
void stat_sent_other(struct worker *w, const struct io *io, int res)
{
	const struct ublksrv_io_desc *desc = io->pub.desc;
	unsigned int row = stat_rows[desc->op_flags & 0xff];
	__u64 seen = w->seen[io->pub.slot], now = w->now;
	struct ublk_stat *s = w->stat;

	s->ended++;
	if (seen == STAT_UNTIMED) {
		s->ops[row].requests++;
	} else {
		if (now == STAT_UNTIMED)
			now = stat_time(w);
		s->ops[row].latency[63 - __builtin_clzll((now - seen) | 1)]++;
	}
	if (res < 0)
		s->ops[row].errors++;
	else if (row <= UBLK_STAT_WRITE)
		s->ops[row].bytes += res;
	else if (row < UBLK_STAT_OTHER)
		s->ops[row].bytes += (__u64)desc->nr_sectors << 9;
}

static struct ublk_stat *stat_slot(const struct ublk_dev *dev, unsigned int nr)
{
	return (struct ublk_stat *)((char *)dev->stat + STAT_HEAD_BYTES) + nr;
}

void stat_free(struct ublk_dev *dev)
{
	if (!dev->stat)
		return;
	munmap(dev->stat, dev->stat_len);
	if (dev->stat_fd >= 0)
		close(dev->stat_fd);
	dev->stat = NULL;
}

/* Return: descriptor, or -1 with errno */
static int stat_make_file(const struct ublk_dev *dev)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), STAT_FILE_NAME, dev->info.dev_id);
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (!ftruncate(fd, dev->stat_len) &&
	    !fcntl(fd, F_ADD_SEALS, STAT_SEALS))
		return fd;
	close(fd);
	return -1;
}

static void stat_fill_head(const struct ublk_dev *dev)
{
	struct stat_head *head = dev->stat;

	head->head_bytes = STAT_HEAD_BYTES;
	head->slot_bytes = sizeof(struct ublk_stat);
	head->info = (struct ublk_stat_info) {
		.dev_id = dev->info.dev_id,
		.pid = getpid(),
		.nr_queues = dev->info.nr_hw_queues,
		.nr_threads = dev->io_threads,
		.depth = dev->info.queue_depth,
		.flags = dev->info.flags,
		.started = stat_clock(),
	};
	snprintf(head->info.target, sizeof(head->info.target), "%s",
		 dev->target->name);
	/* last: a reader may be there */
	__atomic_store_n(&head->magic, STAT_MAGIC, __ATOMIC_RELEASE);
}

/* Without a memfd, the server itself can still read the counters. */
static int stat_make(struct ublk_dev *dev)
{
	unsigned int nr = dev->info.nr_hw_queues * dev->io_threads;
	int flags = MAP_POPULATE;
	void *mem;

	stat_free(dev);
	dev->stat_len = STAT_HEAD_BYTES + nr * sizeof(struct ublk_stat);
	dev->stat_fd = stat_make_file(dev);
	if (dev->stat_fd < 0)
		ublk_log(UBLK_LOG_WARN, "dev %u: \"ublk stat\" will not show it: memfd_create: %s",
			 dev->info.dev_id, strerror(errno));
	flags |= dev->stat_fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	mem = mmap(NULL, dev->stat_len, PROT_READ | PROT_WRITE, flags,
		   dev->stat_fd, 0);
	if (mem == MAP_FAILED) {
		if (dev->stat_fd >= 0)
			close(dev->stat_fd);
		return ublk_error(-ENOMEM, "out of memory");
	}
	dev->stat = mem;
	stat_fill_head(dev);
	return 0;
}

int stat_init(struct worker *w)
{
	size_t bytes = (w->dev->info.queue_depth * sizeof(*w->seen) + 63) & ~63UL;
	int ret = 0;

	if (!w->index)
		ret = stat_make(w->dev);
	if (ret)
		return ret;
	w->stat = stat_slot(w->dev, w->index);
	w->seen = aligned_alloc(64, bytes);
	if (!w->seen)
		return ublk_error(-ENOMEM, "out of memory");
	memset(w->seen, 0, bytes);
	return 0;
}

void stat_exit(struct worker *w)
{
	free(w->seen);
	w->seen = NULL;
}

int ublk_dev_stat_size(const struct ublk_dev *dev, unsigned int qid,
		       unsigned int thread, struct ublk_stat *stat, size_t size)
{
	if (!dev->stat || qid >= dev->info.nr_hw_queues ||
	    thread >= dev->io_threads)
		return -EINVAL;
	stat_sum(stat, size, stat_slot(dev, qid * dev->io_threads + thread),
		 sizeof(*stat));
	return 0;
}
