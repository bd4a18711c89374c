// SPDX-License-Identifier: GPL-2.0
/*
 * The disk in front: bios pass to the backing of an extent, or go to the server.
 *
 * With UBLK_F_EXTENTS /dev/ublkbN is a bio-based disk, and the disk with the tags is
 * hidden behind it (disk.c). A bio that lies in one extent which allows it is cloned
 * to the backing. All others are sent to the hidden disk as they are, and are
 * requests of the server like on any device: without memory, across extents, flushes,
 * and what the backing could not do without waiting.
 *
 * Both are submitted from ->submit_bio, where the block layer keeps a list in place
 * of a stack. Who sent the bio holds the disk open, and so all that is used here.
 *
 * A clone ends in any context, hard interrupts too, so nothing here takes a lock.
 * What has to be done in a task is left to a worker, on one of two lists.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/bottom_half.h>
#include <linux/part_stat.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <trace/events/block.h>

#include "ublk.h"

/* What a worker has to do with a bio. */
enum ublk_front_late {
	UBLK_FRONT_SERVE,	/* send it to the server */
	UBLK_FRONT_END,		/* end it */
	UBLK_FRONT_LISTS
};

/* What a processor keeps of struct ublk_front_acct. */
struct ublk_front_cache {
	struct ublk_front_acct	*first;
	unsigned int		nr;
};

#define UBLK_FRONT_CACHE_MAX	64

/**
 * struct ublk_front - the driver's part of a disk in front
 * @clones: clones, behind struct ublk_front_io
 * @cache: of each processor; changed with interrupts disabled
 * @late: bios for the worker, linked by bi_next
 * @work: the worker
 * @wq: its queue; other devices must not delay it
 */
struct ublk_front {
	struct bio_set		clones;
	struct ublk_front_cache	__percpu *cache;
	struct bio		*late[UBLK_FRONT_LISTS];
	struct work_struct	work;
	struct workqueue_struct	*wq;
};

/**
 * struct ublk_front_io - a bio that passes to a backing
 * @bio: the bio
 * @extent: extent that it is counted in
 * @start: jiffies, if it is accounted
 * @accounted: it is in the statistics of the disk
 * @clone: what the backing gets
 */
struct ublk_front_io {
	struct bio		*bio;
	struct ublk_extent	*extent;
	unsigned long		start;
	bool			accounted;
	struct bio		clone;
};

/**
 * struct ublk_front_acct - statistics of a bio that the server serves
 * @next: in a cache
 * @end_io: bi_end_io of the bio
 * @private: bi_private of the bio
 * @bdev: disk or partition
 * @start: jiffies
 * @sectors: 0 for a flush
 * @op: operation
 */
struct ublk_front_acct {
	struct ublk_front_acct	*next;
	bio_end_io_t		*end_io;
	void			*private;
	struct block_device	*bdev;
	unsigned long		start;
	unsigned int		sectors;
	enum req_op		op;
};

static void ublk_front_work(struct work_struct *work);

/**
 * ublk_front_init() - allocate what a disk in front needs
 * @ub: new device, with its number
 * Return: 0, or a negative errno.
 */
int ublk_front_init(struct ublk_device *ub)
{
	struct ublk_front *f;

	if (!ublk_has(ub, UBLK_F_EXTENTS))
		return 0;
	f = kcalloc(1, sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	ub->front = f;
	INIT_WORK(&f->work, ublk_front_work);
	f->wq = alloc_workqueue("ublk_front%u", WQ_UNBOUND | WQ_MEM_RECLAIM, 1,
				ub->info.dev_id);
	f->cache = alloc_percpu_gfp(struct ublk_front_cache, GFP_KERNEL_ACCOUNT);
	if (!f->wq || !f->cache)
		return -ENOMEM;
	return bioset_init(&f->clones, BIO_POOL_SIZE,
			   offsetof(struct ublk_front_io, clone),
			   BIOSET_PERCPU_CACHE);
}

static void ublk_front_free_cache(struct ublk_front *f)
{
	struct ublk_front_acct *a, *next;
	unsigned int cpu;

	if (!f->cache)
		return;
	for_each_possible_cpu(cpu) {
		for (a = per_cpu_ptr(f->cache, cpu)->first; a; a = next) {
			next = a->next;
			kfree(a);
		}
	}
	free_percpu(f->cache);
}

/* No disk is there any more. Sleeps. */
void ublk_front_exit(struct ublk_device *ub)
{
	struct ublk_front *f = ub->front;

	if (!f)
		return;
	if (f->wq)
		destroy_workqueue(f->wq);
	ublk_front_free_cache(f);
	bioset_exit(&f->clones);
	kfree(f);
}

static struct ublk_device *ublk_front_device(const struct bio *bio)
{
	return bio->bi_bdev->bd_disk->private_data;
}

/* --- the worker --- */

/* Leave a bio to the worker. Any context. */
static void ublk_front_later(struct ublk_device *ub, struct bio *bio,
			     enum ublk_front_late what)
{
	struct ublk_front *f = ub->front;
	struct bio *first = READ_ONCE(f->late[what]);

	do {
		bio->bi_next = first;
	} while (!try_cmpxchg(&f->late[what], &first, bio));
	queue_work(f->wq, &f->work);
}

static void ublk_front_to_server(struct ublk_device *ub, struct bio *bio);
static void ublk_front_endio(struct bio *bio);

/* May wait for a tag: then the server has requests. */
static void ublk_front_work(struct work_struct *work)
{
	struct ublk_front *f = container_of(work, struct ublk_front, work);
	struct bio *bio, *next;

	for (bio = xchg(&f->late[UBLK_FRONT_END], NULL); bio; bio = next) {
		next = bio->bi_next;
		bio->bi_next = NULL;
		ublk_front_endio(bio);
	}
	for (bio = xchg(&f->late[UBLK_FRONT_SERVE], NULL); bio; bio = next) {
		next = bio->bi_next;
		bio->bi_next = NULL;
		bio->bi_opf &= ~REQ_NOWAIT;
		ublk_front_to_server(ublk_front_device(bio), bio);
	}
}

/* --- the end --- */

/* As ublk_complete_end(): the last fput() must not be left to a server's task. */
static void ublk_front_endio(struct bio *bio)
{
	if (!in_task()) {
		bio_endio(bio);
		return;
	}
	local_bh_disable();
	bio_endio(bio);
	local_bh_enable();
}

/* The clone and all that was cut from it have ended. */
static void ublk_front_end(struct bio *clone)
{
	struct ublk_front_io *io = container_of(clone, struct ublk_front_io, clone);
	blk_status_t status = clone->bi_status;
	struct ublk_extent *e = io->extent;
	struct bio *bio = io->bio;
	struct ublk_device *ub = ublk_front_device(bio);
	bool serve = false;

	if (likely(io->accounted))
		bio_end_io_acct(bio, io->start);
	if (unlikely(status)) {
		/* Without a wait it would have been done: so says the sender. */
		serve = ublk_extent_retries(e) &&
			!(status == BLK_STS_AGAIN && bio->bi_opf & REQ_NOWAIT);
		if (!serve)
			bio->bi_status = status;
	}
	bio_put(clone);
	/* Before the server gets it: a session may be waiting for the extent. */
	ublk_extent_put(e);
	if (unlikely(serve))
		ublk_front_later(ub, bio, UBLK_FRONT_SERVE);
	else if (unlikely(in_task() && irqs_disabled()))
		ublk_front_later(ub, bio, UBLK_FRONT_END);
	else
		ublk_front_endio(bio);
}

/* --- to the server --- */

/* Half of the cost of a bio's statistics was kmalloc() and kfree(). */
static struct ublk_front_acct *ublk_front_get_acct(struct ublk_front *f)
{
	struct ublk_front_cache *c;
	struct ublk_front_acct *a;
	unsigned long flags;

	local_irq_save(flags);
	c = this_cpu_ptr(f->cache);
	a = c->first;
	if (likely(a)) {
		c->first = a->next;
		c->nr--;
	}
	local_irq_restore(flags);
	return likely(a) ? a : kmalloc(sizeof(*a), GFP_NOWAIT);
}

static void ublk_front_put_acct(struct ublk_front *f, struct ublk_front_acct *a)
{
	struct ublk_front_cache *c;
	unsigned long flags;
	bool full;

	local_irq_save(flags);
	c = this_cpu_ptr(f->cache);
	full = c->nr == UBLK_FRONT_CACHE_MAX;
	if (likely(!full)) {
		a->next = c->first;
		c->first = a;
		c->nr++;
	}
	local_irq_restore(flags);
	if (unlikely(full))
		kfree(a);
}

static void ublk_front_acct_end(struct bio *bio)
{
	struct ublk_front_acct *a = bio->bi_private;
	struct block_device *bdev = a->bdev;

	if (likely(a->sectors)) {
		bdev_end_io_acct(bdev, a->op, a->sectors, a->start);
	} else {
		part_stat_lock();
		part_stat_inc(bdev, ios[STAT_FLUSH]);
		part_stat_add(bdev, nsecs[STAT_FLUSH],
			      jiffies_to_nsecs(jiffies - a->start));
		part_stat_unlock();
	}
	bio->bi_end_io = a->end_io;
	bio->bi_private = a->private;
	/* Before the end: then nobody may hold the disk open. */
	ublk_front_put_acct(((struct ublk_device *)bdev->bd_disk->private_data)->front, a);
	bio_endio(bio);
}

/*
 * The hidden disk has statistics of its own; those of the disk, and of its
 * partitions, are kept here. Without memory a bio is not counted.
 */
static void ublk_front_account(struct ublk_front *f, struct bio *bio)
{
	struct ublk_front_acct *a = ublk_front_get_acct(f);

	if (unlikely(!a))
		return;
	a->end_io = bio->bi_end_io;
	a->private = bio->bi_private;
	a->bdev = bio->bi_bdev;
	a->start = jiffies;
	a->sectors = bio_sectors(bio);
	a->op = bio_op(bio);
	if (likely(a->sectors))
		bdev_start_io_acct(a->bdev, a->op, a->start);
	bio->bi_end_io = ublk_front_acct_end;
	bio->bi_private = a;
}

static void ublk_front_to_server(struct ublk_device *ub, struct bio *bio)
{
	struct gendisk *disk = bio->bi_bdev->bd_disk;

	if (likely(blk_queue_io_stat(disk->queue)))
		ublk_front_account(ub->front, bio);
	bio_set_dev(bio, ub->rq_disk->part0);
	trace_block_bio_remap(bio, disk_devt(disk), bio->bi_iter.bi_sector);
	submit_bio_noacct(bio);
}

/* --- to a backing --- */

/* The right that a bio needs; 0: it is for the server only (E-80, E-83). */
static u16 ublk_front_right(const struct bio *bio)
{
	if (unlikely(bio->bi_opf & REQ_PREFLUSH || !bio_sectors(bio)))
		return 0;
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return UBLK_EXTENT_READ;
	case REQ_OP_WRITE:
		return UBLK_EXTENT_WRITE;
	case REQ_OP_DISCARD:
		return UBLK_EXTENT_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return UBLK_EXTENT_WRITE_ZEROES;
	default:
		return 0;
	}
}

/*
 * The block layer does not split a bio that must not wait, so long ones are cut
 * here, as redirect.c does. The clone ends after all that was cut off.
 */
static void ublk_front_cut(struct ublk_front *f, struct bio *clone, unsigned int max)
{
	while (bio_sectors(clone) > max) {
		struct bio *part = bio_split(clone, max, GFP_NOWAIT, &f->clones);

		if (IS_ERR_OR_NULL(part))
			return;
		bio_chain(part, clone);
		submit_bio_noacct(part);
	}
}

static struct bio *ublk_front_clone(struct ublk_front *f, struct bio *bio,
				    const struct ublk_file *file)
{
	struct bio *clone;

	/* A backing that always may wait (E-81). */
	if (unlikely(bio->bi_opf & REQ_NOWAIT && !file->nowait))
		return NULL;
	/* Not for @file, as that would look up the cgroup of this task. */
	clone = bio_alloc_clone(NULL, bio, GFP_NOWAIT, &f->clones);
	if (unlikely(!clone))
		return NULL;
	clone->bi_bdev = file->bdev;
	bio_clone_blkg_association(clone, bio);
	return clone;
}

/* Pass a bio to the backing of its extent. Return: false if that is impossible. */
static bool ublk_front_pass(struct ublk_device *ub, struct bio *bio,
			    struct ublk_extent *e)
{
	const struct ublk_file *file = ublk_extent_file(e);
	struct ublk_front *f = ub->front;
	struct gendisk *disk = bio->bi_bdev->bd_disk;
	struct ublk_front_io *io;
	struct bio *clone = ublk_front_clone(f, bio, file);

	if (unlikely(!clone))
		return false;
	io = container_of(clone, struct ublk_front_io, clone);
	io->bio = bio;
	io->extent = e;
	io->accounted = blk_queue_io_stat(disk->queue);
	if (likely(io->accounted))
		io->start = bio_start_io_acct(bio);
	clone->bi_end_io = ublk_front_end;
	clone->bi_opf &= ~REQ_POLLED;
	clone->bi_iter.bi_sector += ublk_extent_offset(e);
	trace_block_bio_remap(clone, disk_devt(disk), bio->bi_iter.bi_sector);
	if (unlikely(clone->bi_opf & REQ_NOWAIT &&
		     bio_sectors(clone) > file->max_sectors))
		ublk_front_cut(f, clone, file->max_sectors);
	submit_bio_noacct(clone);
	return true;
}

/**
 * ublk_front_submit_bio() - the submit_bio operation of the disk in front
 * @bio: bio, whose sectors are those of the whole disk
 * Context: task that sent it; does not wait.
 */
void ublk_front_submit_bio(struct bio *bio)
{
	struct ublk_device *ub = ublk_front_device(bio);
	u64 first = bio->bi_iter.bi_sector;
	u16 right = ublk_front_right(bio);
	struct ublk_extent *e = NULL;

	if (likely(right))
		e = ublk_extent_get(ub, first, first + bio_sectors(bio) - 1, right);
	if (likely(e)) {
		if (likely(ublk_front_pass(ub, bio, e)))
			return;
		ublk_extent_put(e);
	}
	ublk_front_to_server(ub, bio);
}
