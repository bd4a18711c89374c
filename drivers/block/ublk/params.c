// SPDX-License-Identifier: GPL-2.0
/*
 * SET_PARAMS, GET_PARAMS, and parameters as limits of the block layer.
 *
 * logic/limits.h decides whether parameters are valid. Those that are stored
 * are under ub->mutex; SET_PARAMS is refused while a disk exists, so a disk
 * never differs from them.
 */
#include <linux/blkdev.h>
#include <linux/uaccess.h>

#include "ublk.h"

/* Unknown type bits are dropped (C-106). */
#define UBLK_PARAM_TYPES						\
	(UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DISCARD |		\
	 UBLK_PARAM_TYPE_DEVT | UBLK_PARAM_TYPE_ZONED |			\
	 UBLK_PARAM_TYPE_DMA_ALIGN | UBLK_PARAM_TYPE_SEGMENT |		\
	 UBLK_PARAM_TYPE_INTEGRITY)

struct ublk_params_header {
	__u32	len;
	__u32	types;
};

/* What the two commands share (C-101 to C-103, C-124 to C-126). */
static int ublk_params_header(const struct ublksrv_ctrl_cmd *cmd,
			      struct ublk_params_header *h)
{
	if (cmd->len <= sizeof(*h) || !cmd->addr)
		return -EINVAL;
	if (copy_from_user(h, u64_to_user_ptr(cmd->addr), sizeof(*h)))
		return -EFAULT;
	if (h->len > cmd->len || !h->len)
		return -EINVAL;
	return 0;
}

/*
 * Replace the stored bytes by the first @bytes of @in, and check the result. A
 * set that is refused leaves none (C-106 to C-110).
 */
static int ublk_params_store(struct ublk_device *ub,
			     const struct ublk_params *in, size_t bytes,
			     const struct ublk_params_header *h)
{
	const struct ublk_limits_env env = {
		.flags		  = ub->info.flags,
		.max_io_buf_bytes = ub->info.max_io_buf_bytes,
		.page_shift	  = PAGE_SHIFT,
		.zoned_kernel	  = IS_ENABLED(CONFIG_BLK_DEV_ZONED),
	};
	int ret;

	memcpy(&ub->params, in, bytes);
	/* The header may have changed in user memory since it was checked. */
	ub->params.len = h->len;
	ub->params.types = h->types & UBLK_PARAM_TYPES;
	ret = ublk_limits_check(&ub->params, &env);
	if (ret)
		memset(&ub->params, 0, sizeof(ub->params));
	return ret;
}

/*
 * SET_PARAMS (C-101 to C-123). User memory is read before the lock is taken: a
 * page fault may take arbitrarily long. Return: 0 or the errno of control.rst
 * section 12; -EINTR on a signal.
 */
int ublk_params_set(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	struct ublk_params_header h;
	struct ublk_params in = { };
	size_t bytes;
	bool fault;
	int ret;

	ret = ublk_params_header(&c->cmd, &h);
	if (ret)
		return ret;
	if (!h.types)
		return -EINVAL;
	bytes = min_t(size_t, h.len, sizeof(in));
	fault = copy_from_user(&in, u64_to_user_ptr(c->cmd.addr), bytes);

	if (mutex_lock_interruptible(&ub->mutex))
		return -EINTR;
	scoped_guard(spinlock, &ub->lock) {
		if (ub->disk) {
			ret = -EACCES;
		} else if (ub->nr_files) {
			/* They were checked against the parameters (E-16). */
			ret = -EBUSY;
		} else if (fault) {
			memset(&ub->params, 0, sizeof(ub->params));
			ret = -EFAULT;
		} else {
			ret = ublk_params_store(ub, &in, bytes, &h);
		}
	}
	mutex_unlock(&ub->mutex);
	return ret;
}

/* A server never stores the devt part (C-128). */
static void ublk_params_fill_devt(struct ublk_device *ub)
{
	struct ublk_param_devt *devt = &ub->params.devt;

	lockdep_assert_held(&ub->lock);
	devt->char_major = MAJOR(ub->cdev_dev.devt);
	devt->char_minor = MINOR(ub->cdev_dev.devt);
	devt->disk_major = 0;
	devt->disk_minor = 0;
	if (ub->disk) {
		devt->disk_major = MAJOR(disk_devt(ub->disk));
		devt->disk_minor = MINOR(disk_devt(ub->disk));
	}
	ub->params.types |= UBLK_PARAM_TYPE_DEVT;
}

/*
 * GET_PARAMS. It does not take ub->mutex, which a stop holds while it waits for a
 * server (I-66). Return: 0 or a negative errno (C-124 to C-131).
 */
int ublk_params_get(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	struct ublk_params_header h;
	struct ublk_params p;
	int ret;

	ret = ublk_params_header(&c->cmd, &h);
	if (ret)
		return ret;

	scoped_guard(spinlock, &ub->lock) {
		ublk_params_fill_devt(ub);
		p = ub->params;
	}

	if (copy_to_user(u64_to_user_ptr(c->cmd.addr), &p,
			 min_t(size_t, h.len, sizeof(p))))
		return -EFAULT;
	return 0;
}

static void ublk_params_discard_limits(const struct ublk_param_discard *p,
				       struct queue_limits *lim)
{
	lim->discard_alignment = p->discard_alignment;
	lim->discard_granularity = p->discard_granularity;
	lim->max_hw_discard_sectors = p->max_discard_sectors;
	lim->max_write_zeroes_sectors = p->max_write_zeroes_sectors;
	lim->max_discard_segments = p->max_discard_segments;
}

static void ublk_params_memory_limits(const struct ublk_params *p,
				      struct queue_limits *lim)
{
	lim->max_segments = USHRT_MAX;
	lim->max_segment_size = UINT_MAX;
	lim->dma_alignment = 3;

	if (p->types & UBLK_PARAM_TYPE_SEGMENT) {
		lim->max_segments = p->seg.max_segments;
		lim->max_segment_size = p->seg.max_segment_size;
		lim->seg_boundary_mask = p->seg.seg_boundary_mask;
	}
	if (p->types & UBLK_PARAM_TYPE_DMA_ALIGN)
		lim->dma_alignment = p->dma.alignment;
}

static blk_features_t ublk_params_features(u32 attrs)
{
	blk_features_t features = 0;

	if (attrs & UBLK_ATTR_VOLATILE_CACHE) {
		features |= BLK_FEAT_WRITE_CACHE;
		if (attrs & UBLK_ATTR_FUA)
			features |= BLK_FEAT_FUA;
	}
	if (attrs & UBLK_ATTR_ROTATIONAL)
		features |= BLK_FEAT_ROTATIONAL;
	return features;
}

/* Limits of a new disk, from valid parameters (control.rst section 13). */
void ublk_params_to_limits(const struct ublk_device *ub,
			   struct queue_limits *lim)
{
	const struct ublk_params *p = &ub->params;
	const struct ublk_param_basic *basic = &p->basic;

	lockdep_assert_held(&ub->mutex);
	*lim = (struct queue_limits) {
		.logical_block_size	= 1U << basic->logical_bs_shift,
		.physical_block_size	= 1U << basic->physical_bs_shift,
		.io_min			= 1U << basic->io_min_shift,
		.io_opt			= 1U << basic->io_opt_shift,
		.max_hw_sectors		= basic->max_sectors,
		.chunk_sectors		= basic->chunk_sectors,
		.virt_boundary_mask	= basic->virt_boundary_mask,
		.features		= ublk_params_features(basic->attrs),
	};
	ublk_params_memory_limits(p, lim);
	if (p->types & UBLK_PARAM_TYPE_DISCARD)
		ublk_params_discard_limits(&p->discard, lim);
	if (p->types & UBLK_PARAM_TYPE_ZONED)
		ublk_zoned_limits(&p->zoned, lim);
	if (p->types & UBLK_PARAM_TYPE_INTEGRITY)
		ublk_integrity_limits(&p->integrity, lim);
}
