// SPDX-License-Identifier: GPL-2.0
/*
 * ADD_DEV: allocation of a device, and its release with the last reference.
 *
 * ublk_add_dev() numbers the device, allocates tags and queues and adds the
 * char node. The memory is charged to the caller's memory cgroup, but for the
 * requests, which the block layer allocates. ublk_dev_put() calls ublk_add_free(),
 * which frees the parts; the memory of struct ublk_device goes with the last
 * reference to ub->cdev_dev.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "ublk.h"
#include "trace.h"

const struct class ublk_chr_class = {
	.name = "ublk-char",
};

dev_t ublk_chr_devt;

/* The memory node of the first CPU that uses the queue. */
static int ublk_add_queue_node(struct ublk_device *ub, unsigned int qid)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (ub->tag_set.map[HCTX_TYPE_DEFAULT].mq_map[cpu] == qid)
			return cpu_to_node(cpu);
	}
	return NUMA_NO_NODE;
}

static int ublk_add_init_queue(struct ublk_device *ub, unsigned int qid)
{
	const struct ublksrv_ctrl_dev_info *info = &ub->info;
	unsigned int depth = info->queue_depth;
	int node = ublk_add_queue_node(ub, qid);
	struct ublk_queue *q;

	q = kvzalloc_node(struct_size(q, io, depth), UBLK_GFP_LARGE, node);
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
	q->descs = __vmalloc(ublk_pos_desc_len(depth, info->io_desc_size,
					       PAGE_SIZE),
			     UBLK_GFP_LARGE | __GFP_ZERO);
	if (!q->descs)
		return -ENOMEM;
	if (q->auto_reg) {
		q->bvecs = kmalloc_array_node(UBLK_QUEUE_BVECS,
					      sizeof(*q->bvecs),
					      GFP_KERNEL_ACCOUNT, node);
		if (!q->bvecs)
			return -ENOMEM;
	}
	if (!ublk_has(ub, UBLK_F_BATCH_IO))
		return 0;
	return ublk_batch_fetch_init(q, node);
}

static void ublk_add_free_queues(struct ublk_device *ub)
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

static int ublk_add_init_queues(struct ublk_device *ub)
{
	unsigned int qid;
	int ret;

	ub->queues = kvcalloc(ub->info.nr_hw_queues, sizeof(*ub->queues),
			      UBLK_GFP_LARGE);
	if (!ub->queues)
		return -ENOMEM;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++) {
		ret = ublk_add_init_queue(ub, qid);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * The block layer may grant fewer tags and queues than asked for (I-10). Requests
 * are scheduled by the server or the disk below it, as those of loop (I-71).
 *
 * The driver cannot know whether a server stands on other disks, but one may do so
 * at any time. And no request depends on the CPU that sent it. So a CPU that goes
 * offline does not wait for the server (I-72), which may need that CPU's queue of
 * a disk below.
 */
static int ublk_add_init_tag_set(struct ublk_device *ub)
{
	struct blk_mq_tag_set *set = &ub->tag_set;
	int ret;

	set->ops = &ublk_queue_mq_ops;
	set->nr_hw_queues = ub->info.nr_hw_queues;
	set->queue_depth = ub->info.queue_depth;
	set->numa_node = NUMA_NO_NODE;
	set->cmd_size = sizeof(struct ublk_rq) + ublk_redirect_size(ub);
	set->flags = BLK_MQ_F_NO_SCHED_BY_DEFAULT | BLK_MQ_F_STACKING;
	set->driver_data = ub;
	ret = blk_mq_alloc_tag_set(set);
	if (ret)
		return ret;
	ub->info.nr_hw_queues = set->nr_hw_queues;
	ub->info.queue_depth = set->queue_depth;
	return 0;
}

static void ublk_add_free_tag_set(struct work_struct *work)
{
	struct ublk_device *ub =
		container_of(work, struct ublk_device, free_work);

	ublk_front_exit(ub);
	ublk_extent_exit(ub);
	ublk_file_exit(ub);
	if (ub->tag_set.tags)
		blk_mq_free_tag_set(&ub->tag_set);
	put_device(&ub->cdev_dev);
}

/*
 * Free what ADD_DEV allocated, after the last reference. May sleep.
 * blk_mq_free_tag_set() waits some 10 ms for SRCU, so a work does that, for DEL_DEV
 * waits for the number.
 */
static void ublk_add_free(struct ublk_device *ub)
{
	ublk_debugfs_remove(ub);
	ublk_perm_uncharge(ub);
	ublk_shmem_destroy(ub);
	ublk_add_free_queues(ub);
	get_device(&ub->cdev_dev);
	/* Before the number is free: ublk_exit() flushes the queue after that. */
	queue_work(ublk_exit_wq, &ub->free_work);
	/* A lookup finds the device until here, with a zero count. */
	ublk_dev_release_id(ub->info.dev_id);
	put_device(&ub->cdev_dev);
}

/* The last char node is gone, even if it had waited for its release. */
static void ublk_add_free_memory(struct device *dev)
{
	struct ublk_device *ub =
		container_of(dev, struct ublk_device, cdev_dev);

	mutex_destroy(&ub->mutex);
	kfree(ub);
}

static struct ublk_device *
ublk_add_alloc(const struct ublksrv_ctrl_dev_info *info)
{
	struct ublk_device *ub = kzalloc(sizeof(*ub), GFP_KERNEL_ACCOUNT);

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
	INIT_LIST_HEAD(&ub->threads);
	INIT_WORK(&ub->threads_work, ublk_threads_work);
	INIT_WORK(&ub->stop_work, ublk_stop_work);
	INIT_WORK(&ub->exit_work, ublk_server_exit_work);
	INIT_WORK(&ub->free_work, ublk_add_free_tag_set);
	INIT_DELAYED_WORK(&ub->lastref_work, ublk_lastref_work);
	INIT_WORK(&ub->scan_work, ublk_disk_scan_work);
	INIT_DELAYED_WORK(&ub->quiesce_work, ublk_quiesce_work);
	INIT_DELAYED_WORK(&ub->hold_work, ublk_hold_work);
	return ub;
}

/* Attributes of /dev/ublkcN. */
static const struct attribute_group *ublk_add_groups[] = {
	&ublk_timeout_group,
	&ublk_hold_group,
	NULL
};

/* From here on the last ublk_dev_put() frees the device. */
static void ublk_add_init_device(struct ublk_device *ub)
{
	struct device *dev = &ub->cdev_dev;

	refcount_set(&ub->refs, 1);
	ub->release = ublk_add_free;
	device_initialize(dev);
	dev->parent = ublk_control_misc.this_device;
	dev->devt = MKDEV(MAJOR(ublk_chr_devt), ub->info.dev_id);
	dev->class = &ublk_chr_class;
	dev->groups = ublk_add_groups;
	dev->release = ublk_add_free_memory;
}

/* Write the reply of ADD_DEV (C-53). */
static int ublk_add_reply(const struct ublk_device *ub, void __user *buf)
{
	struct ublksrv_ctrl_dev_info info = ub->info;

	info.state = UBLK_S_DEV_DEAD;
	info.ublksrv_pid = -1;
	return copy_to_user(buf, &info, sizeof(info)) ? -EFAULT : 0;
}

/*
 * Add the node (C-54). ub->mutex keeps a deletion away until it exists; a
 * lookup must find the device before its uevent is seen.
 */
static int ublk_add_node(struct ublk_device *ub)
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

/* Check the command, then what it asks for (C-40 to C-51b, in this order). */
static int ublk_add_check(const struct ublksrv_ctrl_cmd *cmd,
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

/*
 * ADD_DEV; there is no device yet. Return: 0 with /dev/ublkcN present, or the
 * errno of control.rst section 5 (C-40 to C-58).
 */
int ublk_add_dev(struct ublk_ctrl *c)
{
	struct ublksrv_ctrl_dev_info info;
	u32 want = c->cmd.dev_id;
	struct ublk_device *ub;
	int ret;

	ret = ublk_add_check(&c->cmd, &info);
	if (ret)
		return ret;
	ub = ublk_add_alloc(&info);
	if (!ub)
		return -ENOMEM;
	ret = ublk_perm_charge(ub);
	if (!ret)
		ret = ublk_dev_reserve_id(ub, want);
	if (ret) {
		ublk_perm_uncharge(ub);
		kfree(ub);
		return ret;
	}
	ublk_add_init_device(ub);

	ret = ublk_features_grant(&ub->info, UBLK_F_GRANTED);
	if (!ret)
		ret = dev_set_name(&ub->cdev_dev, "ublkc%u", ub->info.dev_id);
	if (!ret)
		ret = ublk_add_init_tag_set(ub);
	if (!ret)
		ret = ublk_add_init_queues(ub);
	if (!ret)
		ret = ublk_file_init(ub);
	if (!ret)
		ret = ublk_extent_init(ub);
	if (!ret)
		ret = ublk_front_init(ub);
	if (!ret)
		ret = ublk_add_reply(ub, u64_to_user_ptr(c->cmd.addr));
	if (!ret)
		ret = ublk_add_node(ub);
	if (ret)
		ublk_dev_put(ub);
	else
		trace_ublk_device(ub, UBLK_S_DEV_DEAD);
	return ret;
}
