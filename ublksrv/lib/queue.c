// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A hardware queue, or a thread's share of one: its tags, their descriptors
 * and buffers, and the target's part of it.
 *
 * queue_init() and queue_exit() run in the controlling thread, first thread's
 * queue first; queue_open() and queue_close() in the worker's thread. The
 * commands are in tag.c and batch.c.
 *
 * With commands per tag the threads of a hardware queue divide its tags among
 * themselves. Batch commands may bring any tag to any thread; there the first
 * thread prepares them all.
 */
#include <sys/mman.h>

#include "logic/pos.h"

#include "private.h"

int ublk_queue_fixed_fd(struct ublk_queue *pub, int fd)
{
	struct worker *w = to_queue(pub)->worker;
	int ret;

	if (w->nr_files == RING_FILES)
		return -ENFILE;
	ret = io_uring_register_files_update(&w->ring, w->nr_files, &fd, 1);
	if (ret < 0)
		return ret;
	return w->nr_files++;
}

int queue_open(struct queue *q)
{
	struct ublk_dev *dev = q->pub.dev;
	int ret = 0;

	if (dev_has_bufs(dev, dev->info.flags) && q->nr_tags)
		ret = buf_alloc(q, dev->info.max_io_buf_bytes,
				dev->flags & UBLK_DEV_MLOCK);
	if (!ret && dev->target->queue_open)
		ret = dev->target->queue_open(&q->pub);
	if (ret)
		buf_free(q);
	q->is_open = !ret;
	return ret;
}

void queue_close(struct queue *q)
{
	const struct ublk_target *t = q->pub.dev->target;

	if (!q->is_open)
		return;
	if (t->queue_close)
		t->queue_close(&q->pub);
	q->is_open = false;
}

static int queue_map(struct queue *q, struct ublk_dev *dev)
{
	u32 page = sysconf(_SC_PAGESIZE);
	/* a driver before IO_DESC_SIZE leaves 0 here */
	u16 slot = dev->info.io_desc_size ? : sizeof(struct ublksrv_io_desc);
	u64 off = (u64)q->pub.id * ublk_pos_desc_stride(slot, page);
	unsigned int tag;
	void *mem;

	q->descs_len = ublk_pos_desc_len(q->pub.depth, slot, page);
	mem = mmap(NULL, q->descs_len, PROT_READ, MAP_SHARED | MAP_POPULATE,
		   dev->char_fd, UBLKSRV_CMD_BUF_OFFSET + off);
	if (mem == MAP_FAILED)
		return ublk_error(-errno, "queue %u: mapping descriptors: %s",
				  q->pub.id, strerror(errno));
	/* a process that the target forks does not keep the device open */
	madvise(mem, q->descs_len, MADV_DONTFORK);
	q->descs = mem;
	for (tag = 0; tag < q->pub.depth; tag++)
		q->ios[tag].pub.desc = (const void *)((char *)mem + tag * slot);
	return 0;
}

/* Allocate the tags of the hardware queue, for all its threads. */
static int queue_alloc(struct queue *q, struct ublk_dev *dev)
{
	size_t priv = (dev->target->io_size + 63) & ~63UL;
	unsigned int tag;

	q->ios = aligned_alloc(64, q->pub.depth * sizeof(*q->ios));
	if (!q->ios)
		return ublk_error(-ENOMEM, "out of memory");
	memset(q->ios, 0, q->pub.depth * sizeof(*q->ios));
	if (priv) {
		q->io_priv = aligned_alloc(64, q->pub.depth * priv);
		if (!q->io_priv)
			return ublk_error(-ENOMEM, "out of memory");
		memset(q->io_priv, 0, q->pub.depth * priv);
	}
	for (tag = 0; tag < q->pub.depth; tag++) {
		struct io *io = &q->ios[tag];

		io->pub.tag = tag;
		io->pub.priv = priv ? (char *)q->io_priv + tag * priv : NULL;
		io->id.q_id = q->pub.id;
		io->id.tag = tag;
	}
	return queue_map(q, dev);
}

/* Assign the thread's own tags, and their slots in its ring's buffer table. */
static void queue_assign(struct queue *q, struct ublk_dev *dev)
{
	bool batch = dev->info.flags & UBLK_F_BATCH_IO;
	unsigned int i;

	q->base = batch ? 0 : q->pub.thread;
	q->step = batch ? 1 : dev->io_threads;
	q->nr_tags = 0;
	if (!batch || !q->pub.thread)
		q->nr_tags = (q->pub.depth - q->base + q->step - 1) / q->step;
	for (i = 0; i < q->nr_tags; i++) {
		struct io *io = &q->ios[q->base + i * q->step];

		io->pub.q = &q->pub;
		io->pub.slot = i;
	}
}

int queue_init(struct queue *q, struct ublk_dev *dev, unsigned int index,
	       struct worker *w)
{
	int ret = 0;

	q->pub.dev = dev;
	q->pub.id = index / dev->io_threads;
	q->pub.thread = index % dev->io_threads;
	q->pub.depth = dev->info.queue_depth;
	q->worker = w;
	w->queue = q;
	q->first = q - q->pub.thread;
	if (q->first == q)
		ret = queue_alloc(q, dev);
	else
		q->ios = q->first->ios;
	if (!ret)
		ret = stat_init(w);
	if (!ret)
		queue_assign(q, dev);
	else
		queue_exit(q);
	return ret;
}

/*
 * Put a copy in the place of the driver's mapping, which keeps the char device
 * open. Threads of the target may be reading, so mremap() does it in one step.
 */
void queue_keep_descs(struct queue *q)
{
	void *descs = (void *)(uintptr_t)q->descs, *copy;

	if (q->first != q || !descs)
		return;
	copy = mmap(NULL, q->descs_len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy != MAP_FAILED) {
		memcpy(copy, descs, q->descs_len);
		if (mremap(copy, q->descs_len, q->descs_len,
			   MREMAP_MAYMOVE | MREMAP_FIXED, descs) == descs)
			return;
		munmap(copy, q->descs_len);
	}
	ublk_log(UBLK_LOG_WARN, "dev %u: queue %u: the device stays open until the target completes its requests: %s",
		 q->pub.dev->info.dev_id, q->pub.id, strerror(errno));
}

/* Also for a queue that queue_init() did not finish. */
void queue_exit(struct queue *q)
{
	buf_free(q);
	if (q->worker)
		stat_exit(q->worker);
	if (q->first == q) {
		if (q->descs)
			munmap((void *)(uintptr_t)q->descs, q->descs_len);
		free(q->io_priv);
		free(q->ios);
	}
	memset(q, 0, sizeof(*q));
}
