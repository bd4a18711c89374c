// SPDX-License-Identifier: GPL-2.0
/*
 * Zoned devices: limits, zone reports, the start of a zoned disk.
 *
 * Zone operations are ordinary requests. A report is a request of the driver's
 * own: the server writes struct blk_zone entries into a kernel buffer like the
 * data of a read (D-212). ublk_gate_may_hold() refuses to hold it (I-43).
 *
 * blk_revalidate_disk_zones() asks for all zones when a disk is started. The
 * server that answers may be the process that sent START_DEV: a worker starts
 * the disk, with ub->mutex held, and START_DEV waits interruptibly, so that the
 * process can be killed, which ends the report. Other reports hold no lock.
 *
 * Built with CONFIG_BLK_DEV_ZONED only.
 */
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/kref.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "ublk.h"

void ublk_zoned_limits(const struct ublk_param_zoned *p,
		       struct queue_limits *lim)
{
	lim->features |= BLK_FEAT_ZONED;
	lim->max_hw_zone_append_sectors = p->max_zone_append_sectors;
	lim->max_open_zones = p->max_open_zones;
	lim->max_active_zones = p->max_active_zones;
}

/* A last, smaller zone is not counted (C-133). */
static unsigned int ublk_zoned_nr_zones(struct gendisk *disk)
{
	return get_capacity(disk) >> ilog2(disk->queue->limits.chunk_sectors);
}

/* Bytes that fit into one request, however its pages lie (D-213). */
static size_t ublk_zoned_max_report(const struct queue_limits *lim)
{
	u64 segment = min_t(u64, lim->max_segment_size,
			    (u64)lim->seg_boundary_mask + 1);

	return min_t(u64, (u64)lim->max_hw_sectors << SECTOR_SHIFT,
		     segment * lim->max_segments);
}

/* A contiguous buffer for @nr zones, or for fewer if memory is short. */
static struct blk_zone *ublk_zoned_alloc(struct gendisk *disk, unsigned int nr,
					 size_t *len)
{
	size_t max = ublk_zoned_max_report(&disk->queue->limits);
	size_t bytes = min_t(u64, (u64)nr * sizeof(struct blk_zone), max);

	/* blk_rq_map_kern() maps whole pages without a bounce buffer. */
	bytes = min(PAGE_ALIGN(bytes), max);
	for (;;) {
		void *buf = alloc_pages_exact(bytes, GFP_KERNEL |
						     __GFP_NORETRY |
						     __GFP_NOWARN);

		if (buf || bytes <= PAGE_SIZE) {
			*len = bytes;
			return buf;
		}
		bytes = PAGE_ALIGN(bytes / 2);
	}
}

/* Send one request for a report and wait for the server. */
static int ublk_zoned_ask(struct gendisk *disk, sector_t sector,
			  unsigned int nr, struct blk_zone *zones, size_t len)
{
	struct request *req;
	blk_status_t status;
	int ret;

	req = blk_mq_alloc_request(disk->queue, REQ_OP_DRV_IN, 0);
	if (IS_ERR(req))
		return PTR_ERR(req);
	memset(zones, 0, len);
	ret = blk_rq_map_kern(req, zones, len, GFP_KERNEL);
	if (!ret) {
		/* ublk_deliver_fill() puts both into the descriptor. */
		req->__sector = sector;
		ublk_rq(req)->nr_zones = nr;
		status = blk_execute_rq(req, false);
		ret = blk_status_to_errno(status);
	}
	blk_mq_free_request(req);
	return ret;
}

/*
 * Pass on the zones of one answer, numbered from @idx (I-28); an entry without
 * a length ends it. Returns their number, or an error of disk_report_zone().
 */
static int ublk_zoned_forward(struct gendisk *disk, struct blk_zone *zones,
			      unsigned int nr, unsigned int idx,
			      struct blk_report_zones_args *args)
{
	unsigned int i;
	int ret;

	for (i = 0; i < nr && zones[i].len; i++) {
		ret = disk_report_zone(disk, &zones[i], idx + i, args);
		if (ret)
			return ret;
	}
	return i;
}

/*
 * The report_zones operation: up to @nr_zones zones from the one with @sector
 * on. Waits for the server as any request of the disk does. Returns the number
 * of zones; -EIO without a server, or if it leaves out zones that exist; the
 * errno that it committed; -ENOMEM.
 */
int ublk_zoned_report(struct gendisk *disk, sector_t sector,
		      unsigned int nr_zones, struct blk_report_zones_args *args)
{
	unsigned int shift = ilog2(disk->queue->limits.chunk_sectors);
	unsigned int total = ublk_zoned_nr_zones(disk);
	unsigned int first = sector >> shift;
	unsigned int done = 0;
	struct blk_zone *zones;
	int ret = 0;
	size_t len;

	if (first >= total)
		return 0;
	nr_zones = min(nr_zones, total - first);
	zones = ublk_zoned_alloc(disk, nr_zones, &len);
	if (!zones)
		return -ENOMEM;

	while (done < nr_zones) {
		unsigned int nr = min_t(unsigned int, nr_zones - done,
					len / sizeof(*zones));

		ret = ublk_zoned_ask(disk, (sector_t)(first + done) << shift, nr,
				     zones, len);
		if (!ret)
			ret = ublk_zoned_forward(disk, zones, nr, done, args);
		/* The server would leave out the same zone again (I-43). */
		if (!ret)
			ret = -EIO;
		if (ret < 0)
			break;
		done += ret;
	}
	free_pages_exact(zones, len);
	return ret < 0 ? ret : done;
}

/* The block layer keeps a record of the zones reported at the start only. */
bool ublk_zoned_may_resize(struct gendisk *disk, u64 sectors)
{
	return sectors >> ilog2(disk->queue->limits.chunk_sectors) <=
	       disk->nr_zones;
}

/* One cmpxchg decides whether START_DEV still waits. */
enum ublk_zoned_waiter {
	UBLK_ZONED_WAITING,
	UBLK_ZONED_GIVEN_UP,
	UBLK_ZONED_DONE
};

/* A START_DEV that a worker carries out. */
struct ublk_zoned_start {
	struct work_struct	work;
	struct kref		ref;		/* worker and command */
	struct ublk_device	*ub;		/* with a reference */
	unsigned int		session;	/* for ublk_disk_try_start() */
	int			ret;		/* valid once waiter is DONE */
	struct completion	done;
	unsigned int		waiter;		/* enum ublk_zoned_waiter */
};

static void ublk_zoned_start_free(struct kref *ref)
{
	struct ublk_zoned_start *start =
		container_of(ref, struct ublk_zoned_start, ref);

	ublk_dev_put(start->ub);
	kfree(start);
}

static void ublk_zoned_start_work(struct work_struct *work)
{
	struct ublk_zoned_start *start =
		container_of(work, struct ublk_zoned_start, work);
	struct ublk_device *ub = start->ub;

	mutex_lock(&ub->mutex);
	start->ret = -EINTR;
	if (READ_ONCE(start->waiter) == UBLK_ZONED_WAITING)
		start->ret = ublk_disk_try_start(ub, start->session);
	/* START_DEV has returned -EINTR: remove the disk again. */
	if (cmpxchg(&start->waiter, UBLK_ZONED_WAITING, UBLK_ZONED_DONE) ==
	    UBLK_ZONED_GIVEN_UP && !start->ret)
		ublk_disk_remove(ub);
	mutex_unlock(&ub->mutex);
	complete(&start->done);
	kref_put(&start->ref, ublk_zoned_start_free);
}

/*
 * The last part of START_DEV of a zoned device; waits interruptibly, without a
 * lock. Returns what ublk_disk_try_start() returned, -ENOMEM, or -EINTR on a
 * signal: then the worker removes the disk if it has started it.
 */
int ublk_zoned_start(struct ublk_device *ub, unsigned int session)
{
	struct ublk_zoned_start *start = kzalloc(sizeof(*start), GFP_KERNEL);
	int ret;

	if (!start)
		return -ENOMEM;
	INIT_WORK(&start->work, ublk_zoned_start_work);
	kref_init(&start->ref);
	kref_get(&start->ref);
	init_completion(&start->done);
	ublk_dev_get(ub);
	start->ub = ub;
	start->session = session;

	queue_work(ublk_scan_wq, &start->work);
	if (wait_for_completion_interruptible(&start->done) &&
	    cmpxchg(&start->waiter, UBLK_ZONED_WAITING, UBLK_ZONED_GIVEN_UP) ==
	    UBLK_ZONED_WAITING)
		ret = -EINTR;
	else
		ret = start->ret;
	kref_put(&start->ref, ublk_zoned_start_free);
	return ret;
}
