// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/ublkbN: START_DEV, removal, partition scan.
 *
 * A device has at most one disk at a time. ub->disk is set when it is created
 * and cleared when its last opener is gone, which may be long after a stop. The
 * driver's own reference lasts as long as ub->state is not DEAD.
 *
 * With UBLK_F_EXTENTS the disk is a bio-based one, and the disk with the tags is
 * hidden behind it (front.c). That one is added first, removed last, and stays until
 * the last opener of the other is gone, as bios may be on their way to it.
 */
#include <linux/blkdev.h>
#include <linux/module.h>

#include "ublk.h"
#include "trace.h"

/* The last reference to an added disk is dropped. */
static void ublk_disk_free(struct gendisk *disk)
{
	struct ublk_device *ub = disk->private_data;
	struct gendisk *rq_disk;

	scoped_guard(spinlock, &ub->lock) {
		rq_disk = ub->rq_disk;
		ub->disk = NULL;
		ub->rq_disk = NULL;
	}
	wake_up_all(&ub->wait);
	if (rq_disk != disk)
		put_disk(rq_disk);
	ublk_dev_put(ub);
}

/* Its queue uses the tags of the device. */
static void ublk_disk_free_hidden(struct gendisk *disk)
{
	ublk_dev_put(disk->private_data);
}

static int ublk_disk_open(struct gendisk *disk, blk_mode_t mode)
{
	struct ublk_device *ub = disk->private_data;

	lockdep_assert_held(&disk->open_mutex);
	if (!ublk_perm_may_open(ub))
		return -EPERM;
	/* TRY_STOP_DEV found the disk unused, and it stays unused (I-46). */
	return ub->refuse_opens ? -ENXIO : 0;
}

static const struct block_device_operations ublk_disk_fops = {
	.owner		= THIS_MODULE,
	.open		= ublk_disk_open,
	.free_disk	= ublk_disk_free,
	.report_zones	= ublk_hook_report_zones,
};

static const struct block_device_operations ublk_disk_front_fops = {
	.owner		= THIS_MODULE,
	.submit_bio	= ublk_front_submit_bio,
	.open		= ublk_disk_open,
	.free_disk	= ublk_disk_free,
};

static const struct block_device_operations ublk_disk_hidden_fops = {
	.owner		= THIS_MODULE,
	.free_disk	= ublk_disk_free_hidden,
};

/**
 * ublk_disk_is_ours() - is it the disk of a device of this driver?
 * @disk: disk that is open
 * Return: true if its private_data is the device.
 */
bool ublk_disk_is_ours(const struct gendisk *disk)
{
	return disk->fops == &ublk_disk_fops ||
	       disk->fops == &ublk_disk_front_fops;
}

/* START_DEV needs the basic parameters (C-75b, C-75c). */
static int ublk_disk_check_params(struct ublk_device *ub)
{
	ACQUIRE(mutex_intr, lock)(&ub->mutex);
	int ret = ACQUIRE_ERR(mutex_intr, &lock);

	if (ret)
		return ret;
	return ub->params.types & UBLK_PARAM_TYPE_BASIC ? 0 : -EINVAL;
}

static void ublk_disk_init(struct gendisk *disk, struct ublk_device *ub,
			   const struct block_device_operations *fops,
			   const char *name)
{
	disk->fops = fops;
	disk->private_data = ub;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "%s%u", name,
		 ub->info.dev_id);
	set_capacity(disk, ub->params.basic.dev_sectors);
}

/*
 * The disk in front of @hidden, with the same limits: what it lets pass is split by
 * the hidden disk or by the backing (E-61).
 */
static struct gendisk *ublk_disk_alloc_front(struct ublk_device *ub,
					     struct queue_limits *lim,
					     struct gendisk *hidden)
{
	struct queue_limits hidden_lim;
	struct gendisk *disk;
	int ret;

	/* A request is counted once, by the disk in front (front.c). */
	hidden_lim = queue_limits_start_update(hidden->queue);
	hidden_lim.features &= ~BLK_FEAT_IO_STAT;
	ret = queue_limits_commit_update(hidden->queue, &hidden_lim);
	if (ret)
		return ERR_PTR(ret);
	lim->features |= BLK_FEAT_IO_STAT | BLK_FEAT_NOWAIT;
	disk = blk_alloc_disk(lim, NUMA_NO_NODE);
	if (IS_ERR(disk))
		return disk;
	ublk_disk_init(hidden, ub, &ublk_disk_hidden_fops, "ublkh");
	hidden->flags |= GENHD_FL_HIDDEN;
	ublk_disk_init(disk, ub, &ublk_disk_front_fops, "ublkb");
	return disk;
}

/*
 * Allocate a disk with the limits of control.rst section 13 (C-75h). @rq_disk is set
 * to the one with the tags.
 */
static struct gendisk *ublk_disk_alloc(struct ublk_device *ub,
				       struct gendisk **rq_disk)
{
	const struct ublk_param_basic *basic = &ub->params.basic;
	struct queue_limits lim;
	struct gendisk *disk;

	ublk_params_to_limits(ub, &lim);
	disk = blk_mq_alloc_disk(&ub->tag_set, &lim, ub);
	if (IS_ERR(disk))
		return disk;
	*rq_disk = disk;
	if (ublk_has(ub, UBLK_F_EXTENTS)) {
		disk = ublk_disk_alloc_front(ub, &lim, *rq_disk);
		if (IS_ERR(disk)) {
			put_disk(*rq_disk);
			return disk;
		}
	} else {
		ublk_disk_init(disk, ub, &ublk_disk_fops, "ublkb");
	}
	set_disk_ro(disk, basic->attrs & UBLK_ATTR_READ_ONLY);
	/* A scan in START_DEV would wait for the server, its caller (C-79). */
	set_bit(GD_SUPPRESS_PART_SCAN, &disk->state);
	return disk;
}

static void ublk_disk_set_live(struct ublk_device *ub, struct gendisk *disk,
			       struct gendisk *rq_disk)
{
	guard(spinlock)(&ub->lock);
	ub->disk = disk;
	ub->rq_disk = rq_disk;
	WRITE_ONCE(ub->state, UBLK_S_DEV_LIVE);
	ub->recorded = get_pid(ub->opener);
	ublk_gate_live(ub);
}

static void ublk_disk_set_dead(struct ublk_device *ub)
{
	struct pid *recorded;

	scoped_guard(spinlock, &ub->lock) {
		recorded = ub->recorded;
		ub->recorded = NULL;
		WRITE_ONCE(ub->state, UBLK_S_DEV_DEAD);
	}
	put_pid(recorded);
}

/* No scan with an unprivileged server; else now, or on request (L-80). */
static void ublk_disk_start_scan(struct ublk_device *ub, struct gendisk *disk)
{
	bool unprivileged;

	scoped_guard(spinlock, &ub->lock)
		unprivileged = ub->unprivileged_daemons;
	if (unprivileged)
		return;
	if (ublk_has(ub, UBLK_F_NO_AUTO_PART_SCAN))
		clear_bit(GD_SUPPRESS_PART_SCAN, &disk->state);
	else
		queue_work(ublk_scan_wq, &ub->scan_work);
}

/* Add the hidden disk, and then the one in front of it. */
static int ublk_disk_add_front(struct gendisk *disk, struct gendisk *hidden)
{
	struct ublk_device *ub = hidden->private_data;
	int ret;

	/* ublk_disk_free_hidden() drops it, for an added disk only. */
	ublk_dev_get(ub);
	ret = add_disk(hidden);
	if (ret) {
		ublk_dev_put(ub);
		return ret;
	}
	ret = add_disk(disk);
	if (ret)
		del_gendisk(hidden);
	return ret;
}

/*
 * Add the disk (C-75i, C-75j). The block layer has the server, which is LIVE
 * already (C-78), report the zones and checks them (D-214).
 */
static int ublk_disk_register(struct gendisk *disk, struct gendisk *rq_disk)
{
	int ret = 0;

	if (rq_disk != disk)
		return ublk_disk_add_front(disk, rq_disk);
	if (blk_queue_is_zoned(disk->queue))
		ret = blk_revalidate_disk_zones(disk);
	return ret ? ret : add_disk(disk);
}

/* Create the disk of a ready server (C-75f to C-75j). */
static int ublk_disk_create(struct ublk_device *ub)
{
	struct gendisk *disk, *rq_disk;
	int ret;

	lockdep_assert_held(&ub->mutex);
	disk = ublk_disk_alloc(ub, &rq_disk);
	if (IS_ERR(disk))
		return PTR_ERR(disk);

	ub->refuse_opens = false;
	/* ublk_disk_free() drops it, for an added disk only. */
	ublk_dev_get(ub);
	ublk_disk_set_live(ub, disk, rq_disk);
	ret = ublk_disk_register(disk, rq_disk);
	if (ret) {
		ublk_disk_set_dead(ub);
		scoped_guard(spinlock, &ub->lock) {
			ub->disk = NULL;
			ub->rq_disk = NULL;
		}
		put_disk(disk);
		if (rq_disk != disk)
			put_disk(rq_disk);
		ublk_dev_put(ub);
		return ret;
	}
	trace_ublk_device(ub, ub->state);
	ublk_disk_start_scan(ub, disk);
	return 0;
}

/*
 * Under ub->mutex: may the disk be created? 1: a new session has begun. That is no
 * errno, as the server of a zoned disk may commit any errno to the report.
 */
static int ublk_disk_may_create(struct ublk_device *ub, unsigned int session)
{
	int next = ublk_device_next(ub->state, UBLK_DEV_EV_START, ub->policy);

	if (next < 0)
		return next;
	guard(spinlock)(&ub->lock);
	if (ub->disk)
		return -EEXIST;
	switch (ub->server) {
	case UBLK_SERVER_READY:
		if (ub->session != session)
			return 1;
		return ub->deleted ? -EBUSY : 0;
	case UBLK_SERVER_STOPPING:
		return -EBUSY;
	default:
		return 1;
	}
}

/*
 * START_DEV under ub->mutex; the server of @session was ready. Waits for the
 * server of a zoned disk, see zoned.c. Return: 0; 1 if another session has begun:
 * wait for its server; or a negative errno (C-75f to C-75j).
 */
int ublk_disk_try_start(struct ublk_device *ub, unsigned int session)
{
	int ret = ublk_disk_may_create(ub, session);

	return ret ? ret : ublk_disk_create(ub);
}

static int ublk_disk_start_session(struct ublk_device *ub, unsigned int session)
{
	int ret;

	if (ublk_has(ub, UBLK_F_ZONED))
		return ublk_zoned_start(ub, session);
	if (mutex_lock_interruptible(&ub->mutex))
		return -EINTR;
	ret = ublk_disk_try_start(ub, session);
	mutex_unlock(&ub->mutex);
	return ret;
}

/*
 * START_DEV; data[0] is the pid of the server (C-75 to C-81). Waits,
 * interruptibly and without a lock, for the server. Return: 0 with /dev/ublkbN
 * announced, or a negative errno (C-75).
 */
int ublk_disk_start(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	int pid = (int)c->cmd.data[0];
	unsigned int session;
	int ret;

	if (pid <= 0)
		return -EINVAL;
	ret = ublk_disk_check_params(ub);
	if (ret)
		return ret;

	do {
		ret = ublk_server_wait(ub, pid, &session);
		if (!ret)
			ret = ublk_disk_start_session(ub, session);
	} while (ret > 0);
	return ret;
}

/*
 * Remove the disk, if there is one, which waits for the server. The server
 * finishes requests in flight, or the exit work does if the server dies
 * meanwhile. Queues without a server stop holding requests (L-34); a live
 * server still gets what the page cache writes back (I-25).
 */
void ublk_disk_remove(struct ublk_device *ub)
{
	struct gendisk *disk = ub->disk, *rq_disk = ub->rq_disk;

	lockdep_assert_held(&ub->mutex);
	if (ub->state == UBLK_S_DEV_DEAD)
		return;

	scoped_guard(spinlock, &ub->lock) {
		ublk_gate_abort(ub);
		ublk_gate_kick(ub);
	}
	del_gendisk(disk);
	if (rq_disk != disk) {
		/* Bios that pass are not waited for by the block layer (E-88). */
		ublk_extent_close(ub);
		ublk_extent_wait_unused(ub);
		ublk_extent_open(ub);
		del_gendisk(rq_disk);
	}
	ublk_disk_set_dead(ub);
	ublk_hold_end(ub);
	trace_ublk_device(ub, ub->state);
	cancel_work_sync(&ub->scan_work);
	/* The exit work may have kicked it after del_gendisk() canceled it. */
	cancel_delayed_work_sync(&rq_disk->queue->requeue_work);
	put_disk(disk);
}

/* Partition scan (L-80). ublk_disk_remove() waits for it before put_disk(). */
void ublk_disk_scan_work(struct work_struct *work)
{
	struct ublk_device *ub =
		container_of(work, struct ublk_device, scan_work);
	struct gendisk *disk = ub->disk;

	clear_bit(GD_SUPPRESS_PART_SCAN, &disk->state);
	mutex_lock(&disk->open_mutex);
	bdev_disk_changed(disk, false);
	mutex_unlock(&disk->open_mutex);
}
