// SPDX-License-Identifier: GPL-2.0
/*
 * Devices: number, birth, reference count, deletion; ADD_DEV and DEL_DEV.
 *
 * ub->refs is held by the registration (until deletion), the session of a server
 * (until its exit work is done), the disk including its openers, work that is
 * under way, and every command in progress (L-60). A device can be found by its
 * number until the last of them is gone.
 *
 * The count of ub->cdev_dev keeps the memory of the structure, nothing else. It
 * is held by ub->refs and by a char node whose release may come long after the
 * session has ended (I-51).
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "ublk.h"
#include "trace.h"

/* number -> device; a reserved entry is a device in the making. */
static DEFINE_XARRAY_ALLOC(ublk_devs);
static DECLARE_WAIT_QUEUE_HEAD(ublk_devs_wait);
/* Under the lock of ublk_devs. */
static u64 ublk_serial;
static unsigned int ublk_nr_unprivileged;

/**
 * ublk_dev_get_unless_gone() - take a reference without having one
 * @ub: device whose memory is there
 *
 * Context: any.
 * Return: false if the last reference is gone.
 */
bool ublk_dev_get_unless_gone(struct ublk_device *ub)
{
	return refcount_inc_not_zero(&ub->refs);
}

/**
 * ublk_dev_get_by_id() - find a device
 * @id: device number
 *
 * Context: any.
 * Return: the device with a reference, or NULL.
 */
struct ublk_device *ublk_dev_get_by_id(u32 id)
{
	struct ublk_device *ub;

	/* The lock keeps the structure until it is decided who has it. */
	xa_lock(&ublk_devs);
	ub = xa_load(&ublk_devs, id);
	if (ub && !ublk_dev_get_unless_gone(ub))
		ub = NULL;
	xa_unlock(&ublk_devs);
	return ub;
}

/**
 * ublk_dev_get() - take another reference
 * @ub: device with a reference
 */
void ublk_dev_get(struct ublk_device *ub)
{
	refcount_inc(&ub->refs);
}

/* C-51d: ordinary users have a limited number of devices, all together. */
static int ublk_dev_count(struct ublk_device *ub)
{
	if (!ublk_has(ub, UBLK_F_UNPRIVILEGED_DEV))
		return 0;
	xa_lock(&ublk_devs);
	if (ublk_nr_unprivileged < READ_ONCE(ublks_max)) {
		ublk_nr_unprivileged++;
		ub->unprivileged = true;
	}
	xa_unlock(&ublk_devs);
	return ub->unprivileged ? 0 : -EACCES;
}

/* The count drops with the deletion, or when the device could not be made. */
static void ublk_dev_uncount(struct ublk_device *ub)
{
	xa_lock(&ublk_devs);
	if (ub->unprivileged)
		ublk_nr_unprivileged--;
	ub->unprivileged = false;
	xa_unlock(&ublk_devs);
}

/* C-51f, C-51g: the number is taken, but finds nothing yet. */
static int ublk_dev_reserve_id(struct ublk_device *ub, u32 want)
{
	struct xa_limit limit = XA_LIMIT(want, want);
	u32 id;
	int ret;

	if (want == U32_MAX)
		limit = XA_LIMIT(0, UBLK_MAX_DEVICES - 1);
	ret = xa_alloc(&ublk_devs, &id, NULL, limit, GFP_KERNEL);
	if (ret == -EBUSY)
		return want == U32_MAX ? -ENOSPC : -EEXIST;
	if (ret)
		return ret;
	ub->info.dev_id = id;
	return 0;
}

/* From here on the device is found. The entry exists, so no memory is needed. */
static void ublk_dev_publish(struct ublk_device *ub)
{
	xa_lock(&ublk_devs);
	ub->serial = ++ublk_serial;
	__xa_store(&ublk_devs, ub->info.dev_id, ub, GFP_NOWAIT);
	xa_unlock(&ublk_devs);
}

static void ublk_dev_release_id(u32 id)
{
	xa_erase(&ublk_devs, id);
	wake_up_all(&ublk_devs_wait);
}

/* Is the number still that of the device with this serial number? */
static bool ublk_dev_id_busy(u32 id, u64 serial)
{
	struct ublk_device *ub;
	bool busy;

	xa_lock(&ublk_devs);
	ub = xa_load(&ublk_devs, id);
	busy = ub && ub->serial == serial;
	xa_unlock(&ublk_devs);
	return busy;
}

/* The memory node of the first CPU that uses the queue. */
static int ublk_dev_queue_node(struct ublk_device *ub, unsigned int qid)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (ub->tag_set.map[HCTX_TYPE_DEFAULT].mq_map[cpu] == qid)
			return cpu_to_node(cpu);
	}
	return NUMA_NO_NODE;
}

static int ublk_dev_init_queue(struct ublk_device *ub, unsigned int qid)
{
	const struct ublksrv_ctrl_dev_info *info = &ub->info;
	unsigned int depth = info->queue_depth;
	int node = ublk_dev_queue_node(ub, qid);
	struct ublk_queue *q;

	q = kvzalloc_node(struct_size(q, io, depth), GFP_KERNEL, node);
	if (!q)
		return -ENOMEM;
	ub->queues[qid] = q;

	q->ub = ub;
	q->qid = qid;
	q->depth = depth;
	q->desc_size = info->io_desc_size;
	q->ops = ublk_queue_ops(info->flags);
	q->driver_copies = ublk_features_driver_copies(info->flags);
	q->auto_reg = ublk_has(ub, UBLK_F_AUTO_BUF_REG);
	q->need_get_data = ublk_has(ub, UBLK_F_NEED_GET_DATA);
	q->descs = vmalloc_user(ublk_pos_desc_len(depth, info->io_desc_size,
						  PAGE_SIZE));
	if (!q->descs)
		return -ENOMEM;
	if (q->auto_reg) {
		q->bvecs = kmalloc_array_node(UBLK_QUEUE_BVECS,
					      sizeof(*q->bvecs), GFP_KERNEL,
					      node);
		if (!q->bvecs)
			return -ENOMEM;
	}
	if (!ublk_has(ub, UBLK_F_BATCH_IO))
		return 0;
	return ublk_batch_fetch_init(q, node);
}

static void ublk_dev_free_queues(struct ublk_device *ub)
{
	unsigned int qid;

	if (!ub->queues)
		return;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++) {
		struct ublk_queue *q = ub->queues[qid];

		if (!q)
			continue;
		ublk_batch_fetch_free(q);
		kfree(q->bvecs);
		vfree(q->descs);
		kvfree(q);
	}
	kvfree(ub->queues);
}

static int ublk_dev_init_queues(struct ublk_device *ub)
{
	unsigned int qid;
	int ret;

	ub->queues = kvcalloc(ub->info.nr_hw_queues, sizeof(*ub->queues),
			      GFP_KERNEL);
	if (!ub->queues)
		return -ENOMEM;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++) {
		ret = ublk_dev_init_queue(ub, qid);
		if (ret)
			return ret;
	}
	return 0;
}

/* The block layer may grant fewer tags and queues than asked for (I-10). */
static int ublk_dev_init_tag_set(struct ublk_device *ub)
{
	struct blk_mq_tag_set *set = &ub->tag_set;
	int ret;

	set->ops = &ublk_queue_mq_ops;
	set->nr_hw_queues = ub->info.nr_hw_queues;
	set->queue_depth = ub->info.queue_depth;
	set->numa_node = NUMA_NO_NODE;
	set->cmd_size = sizeof(struct ublk_rq);
	set->driver_data = ub;
	ret = blk_mq_alloc_tag_set(set);
	if (ret)
		return ret;
	ub->info.nr_hw_queues = set->nr_hw_queues;
	ub->info.queue_depth = set->queue_depth;
	return 0;
}

/* Last reference dropped; nothing of the device is in use any more. */
static void ublk_dev_free(struct ublk_device *ub)
{
	ublk_debugfs_remove(ub);
	ublk_dev_uncount(ub);
	ublk_shmem_destroy(ub);
	ublk_dev_free_queues(ub);
	if (ub->tag_set.tags)
		blk_mq_free_tag_set(&ub->tag_set);
	/* A look-up finds the device until here, with a zero count. */
	ublk_dev_release_id(ub->info.dev_id);
	put_device(&ub->cdev_dev);
}

/**
 * ublk_dev_put() - drop a reference
 * @ub: device; may be gone afterwards
 *
 * Context: may sleep.
 */
void ublk_dev_put(struct ublk_device *ub)
{
	if (refcount_dec_and_test(&ub->refs))
		ublk_dev_free(ub);
}

/* No char node is left, not even one that waits for its release. */
static void ublk_dev_free_memory(struct device *dev)
{
	struct ublk_device *ub =
		container_of(dev, struct ublk_device, cdev_dev);

	mutex_destroy(&ub->mutex);
	kfree(ub);
}

static struct ublk_device *
ublk_dev_alloc(const struct ublksrv_ctrl_dev_info *info)
{
	struct ublk_device *ub = kzalloc(sizeof(*ub), GFP_KERNEL);

	if (!ub)
		return NULL;
	ub->info = *info;
	ub->info.nr_hw_queues = min_t(unsigned int, info->nr_hw_queues,
				      nr_cpu_ids);
	ub->policy = ublk_device_policy(info->flags);
	ub->timeout_kill = info->flags & UBLK_F_UNPRIVILEGED_DEV;
	mutex_init(&ub->mutex);
	spin_lock_init(&ub->lock);
	init_waitqueue_head(&ub->wait);
	ublk_shmem_init(ub);
	INIT_WORK(&ub->stop_work, ublk_stop_work);
	INIT_WORK(&ub->exit_work, ublk_server_exit_work);
	INIT_DELAYED_WORK(&ub->lastref_work, ublk_lastref_work);
	INIT_WORK(&ub->scan_work, ublk_disk_scan_work);
	INIT_DELAYED_WORK(&ub->quiesce_work, ublk_quiesce_work);
	return ub;
}

/* From here on the last ublk_dev_put() frees the device. */
static void ublk_dev_init_device(struct ublk_device *ub)
{
	struct device *dev = &ub->cdev_dev;

	refcount_set(&ub->refs, 1);
	device_initialize(dev);
	dev->parent = ublk_control_misc.this_device;
	dev->devt = MKDEV(MAJOR(ublk_chr_devt), ub->info.dev_id);
	dev->class = &ublk_chr_class;
	dev->groups = ublk_timeout_groups;
	dev->release = ublk_dev_free_memory;
}

/* The reply of ADD_DEV, C-53. */
static int ublk_dev_reply(const struct ublk_device *ub, void __user *buf)
{
	struct ublksrv_ctrl_dev_info info = ub->info;

	info.state = UBLK_S_DEV_DEAD;
	info.ublksrv_pid = -1;
	return copy_to_user(buf, &info, sizeof(info)) ? -EFAULT : 0;
}

/*
 * C-54: the node. ub->mutex keeps a deletion away until the node is there; the
 * device must be found before its uevent is seen.
 */
static int ublk_dev_add_node(struct ublk_device *ub)
{
	int ret;

	guard(mutex)(&ub->mutex);
	cdev_init(&ub->cdev, ublk_has(ub, UBLK_F_BATCH_IO) ?
		  &ublk_server_batch_fops : &ublk_server_fops);
	ub->cdev.owner = ublk_server_fops.owner;
	ublk_debugfs_add(ub);
	ublk_dev_publish(ub);
	ret = cdev_device_add(&ub->cdev, &ub->cdev_dev);
	if (ret)
		ub->deleted = true;
	return ret;
}

/* C-40 to C-51b, in this order: the command, then what it asks for. */
static int ublk_dev_check_add(const struct ublksrv_ctrl_cmd *cmd,
			      struct ublksrv_ctrl_dev_info *info)
{
	int ret;

	if (cmd->len < sizeof(*info) || !cmd->addr)
		return -EINVAL;
	if (cmd->queue_id != U16_MAX)
		return -EINVAL;
	if (copy_from_user(info, u64_to_user_ptr(cmd->addr), sizeof(*info)))
		return -EFAULT;

	ret = ublk_features_request(info, UBLK_F_SUPPORTED,
				    capable(CAP_SYS_ADMIN));
	if (ret)
		return ret;
	if (cmd->dev_id != info->dev_id)
		return -EINVAL;
	if (info->dev_id != U32_MAX && info->dev_id >= UBLK_MAX_DEVICES)
		return -EINVAL;

	info->max_io_buf_bytes = ublk_features_max_io(info->max_io_buf_bytes,
						      info->flags, PAGE_SIZE);
	info->owner_uid = from_kuid(&init_user_ns, current_uid());
	info->owner_gid = from_kgid(&init_user_ns, current_gid());
	return 0;
}

/**
 * ublk_dev_add() - ADD_DEV (C-40 to C-58)
 * @c: command; the device does not exist yet
 *
 * Context: may sleep.
 * Return: 0 with /dev/ublkcN present, or the errno of control.md section 5.
 */
int ublk_dev_add(struct ublk_ctrl *c)
{
	struct ublksrv_ctrl_dev_info info;
	u32 want = c->cmd.dev_id;
	struct ublk_device *ub;
	int ret;

	ret = ublk_dev_check_add(&c->cmd, &info);
	if (ret)
		return ret;
	ub = ublk_dev_alloc(&info);
	if (!ub)
		return -ENOMEM;
	ret = ublk_dev_count(ub);
	if (!ret)
		ret = ublk_dev_reserve_id(ub, want);
	if (ret) {
		ublk_dev_uncount(ub);
		kfree(ub);
		return ret;
	}
	ublk_dev_init_device(ub);

	ret = ublk_features_grant(&ub->info, UBLK_F_GRANTED);
	if (!ret)
		ret = dev_set_name(&ub->cdev_dev, "ublkc%u", ub->info.dev_id);
	if (!ret)
		ret = ublk_dev_init_tag_set(ub);
	if (!ret)
		ret = ublk_dev_init_queues(ub);
	if (!ret)
		ret = ublk_dev_reply(ub, u64_to_user_ptr(c->cmd.addr));
	if (!ret)
		ret = ublk_dev_add_node(ub);
	if (ret)
		ublk_dev_put(ub);
	else
		trace_ublk_device(ub, UBLK_S_DEV_DEAD);
	return ret;
}

/**
 * ublk_dev_remove_node() - second half of a deletion: no new opens
 * @ub: stopped device
 *
 * Drops the registration's reference; further calls do nothing (C-73).
 *
 * Context: ub->mutex held.
 */
void ublk_dev_remove_node(struct ublk_device *ub)
{
	lockdep_assert_held(&ub->mutex);
	if (ub->deleted)
		return;
	ub->deleted = true;
	ublk_dev_uncount(ub);
	cdev_device_del(&ub->cdev, &ub->cdev_dev);
	ublk_dev_put(ub);
}

/**
 * ublk_dev_del_async() - DEL_DEV_ASYNC (C-70 to C-73)
 * @c: command
 *
 * Context: may sleep.
 * Return: 0 when the device is stopped and its node gone; -EINTR on a signal,
 * with the deletion going on.
 */
int ublk_dev_del_async(struct ublk_ctrl *c)
{
	return ublk_stop_wait(c->ub, ublk_stop_ask(c->ub, true));
}

/**
 * ublk_dev_del() - DEL_DEV (C-70 to C-74)
 * @c: command; its reference on the device is dropped here
 *
 * Context: may sleep.
 * Return: 0 when the number is free again; -EINTR on a signal, with the deletion
 * going on.
 */
int ublk_dev_del(struct ublk_ctrl *c)
{
	u32 id = c->ub->info.dev_id;
	u64 serial = c->ub->serial;
	int ret = ublk_dev_del_async(c);

	if (ret)
		return ret;
	ublk_dev_put(c->ub);
	c->ub = NULL;
	if (wait_event_interruptible(ublk_devs_wait,
				     !ublk_dev_id_busy(id, serial)))
		return -EINTR;
	return 0;
}

/**
 * ublk_dev_del_all() - module unload: delete what is left (L-63)
 *
 * Nothing is open, as every open holds the module, so no stop waits for a
 * server.
 *
 * Context: may sleep.
 */
void ublk_dev_del_all(void)
{
	struct ublk_device *ub;
	unsigned long id;

	xa_for_each(&ublk_devs, id, ub) {
		/* One that is just being freed needs no more than a wait. */
		ub = ublk_dev_get_by_id(id);
		if (!ub)
			continue;
		ublk_stop_wait_unkillable(ub, ublk_stop_ask(ub, true));
		ublk_dev_put(ub);
	}
	wait_event(ublk_devs_wait, xa_empty(&ublk_devs));
}
