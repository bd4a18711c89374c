// SPDX-License-Identifier: GPL-2.0
/*
 * UPDATE_SIZE. Called by ctrl.c; takes ub->mutex, which keeps the disk.
 */
#include <linux/blkdev.h>

#include "ublk.h"

/*
 * UPDATE_SIZE to data[0] sectors (C-89 to C-91, I-61). Return: 0; -ENODEV
 * without a disk; -EINVAL for a size the device cannot have; -EOPNOTSUPP for
 * more zones than a zoned disk started with; -EINTR on a signal.
 */
int ublk_resize_dev(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	u64 sectors = c->cmd.data[0];
	int ret;

	if (mutex_lock_interruptible(&ub->mutex))
		return -EINTR;
	ret = ublk_device_next(ub->state, UBLK_DEV_EV_USE, ub->policy);
	if (ret >= 0)
		ret = ublk_limits_resize(&ub->params, ub->info.flags, sectors);
	if (!ret && ublk_has(ub, UBLK_F_ZONED) &&
	    !ublk_zoned_may_resize(ub->disk, sectors))
		ret = -EOPNOTSUPP;
	if (!ret) {
		scoped_guard(spinlock, &ub->lock)
			ub->params.basic.dev_sectors = sectors;
		/* Never smaller than the disk in front of it, so it only grows. */
		if (ub->rq_disk != ub->disk && sectors > get_capacity(ub->rq_disk))
			set_capacity(ub->rq_disk, sectors);
		set_capacity_and_notify(ub->disk, sectors);
	}
	mutex_unlock(&ub->mutex);
	return ret;
}
