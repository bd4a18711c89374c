// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Take over a device that lost its server. ublk_dev_recover() takes the place
 * of ublk_dev_add(); the other steps are in dev.c.
 *
 * The disk keeps its parameters and its mode, so the target must be able to
 * serve them. After a failure the device waits for the next server.
 */
#include <time.h>

#include "private.h"

#define RECOVER_DEADLINE_MS	15000

/* START_USER_RECOVERY is EBUSY until the old server's session ends (C-94). */
static int recover_start(struct ublk_dev *dev)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	__u32 id = dev->info.dev_id;
	int ret = -EBUSY, ms;

	for (ms = 0; ret == -EBUSY && ms < RECOVER_DEADLINE_MS; ms += 10) {
		if (ms)
			nanosleep(&pause, NULL);
		ret = ublk_ctrl_start_recovery(dev->ctrl, id);
	}
	if (ret == -EBUSY)
		return ublk_error(ret, "dev %u: is still served; end its server first, or \"ublk quiesce -n %u\"",
				  id, id);
	if (ret == -EINVAL)
		return ublk_error(ret, "dev %u: cannot be recovered, it was added without user recovery; \"ublk del -n %u\"",
				  id, id);
	if (ret)
		return ublk_error(ret, "dev %u: driver refused the recovery: %s",
				  id, strerror(-ret));
	return 0;
}

/* Can the target serve the disk as it is? */
static int recover_check(struct ublk_dev *dev, const struct ublk_params *disk)
{
	const struct ublk_param_basic *now = &dev->params.basic;
	const struct ublk_param_basic *was = &disk->basic;
	__u32 id = dev->info.dev_id;

	if (now->logical_bs_shift > was->logical_bs_shift)
		return ublk_error(-EINVAL, "dev %u: the disk has blocks of %u bytes, its target now needs %u",
				  id, 1U << was->logical_bs_shift,
				  1U << now->logical_bs_shift);
	if (disk->types & UBLK_PARAM_TYPE_ZONED &&
	    now->chunk_sectors != was->chunk_sectors)
		return ublk_error(-EINVAL, "dev %u: the disk has zones of %u sectors, its target now has %u",
				  id, was->chunk_sectors, now->chunk_sectors);
	if (now->dev_sectors < was->dev_sectors)
		return ublk_error(-EINVAL, "dev %u: the disk has %llu sectors, its target now only %llu",
				  id, (unsigned long long)was->dev_sectors,
				  (unsigned long long)now->dev_sectors);
	if ((now->attrs ^ was->attrs) & UBLK_ATTR_READ_ONLY &&
	    !(was->attrs & UBLK_ATTR_READ_ONLY))
		return ublk_error(-EINVAL, "dev %u: the disk is writable, its target now is not",
				  id);
	return 0;
}

int ublk_dev_recover(struct ublk_dev *dev)
{
	struct ublksrv_ctrl_dev_info info;
	__u32 id = dev->info.dev_id;
	struct ublk_params params;
	int ret;

	ret = dev_need(dev, UBLK_STAGE_NEW, "recover");
	if (ret)
		return ret;
	ret = ublk_ctrl_get_info(dev->ctrl, id, &info);
	if (!ret)
		ret = ublk_ctrl_get_params(dev->ctrl, id, &params);
	if (ret)
		return ublk_error(ret, "dev %u: %s", id, strerror(-ret));
	if (info.max_io_buf_bytes != dev->info.max_io_buf_bytes)
		return ublk_error(-EINVAL, "dev %u: has requests of up to %u bytes, not %u",
				  id, info.max_io_buf_bytes,
				  dev->info.max_io_buf_bytes);
	ret = mode_check(dev, info.flags);
	if (!ret)
		ret = recover_check(dev, &params);
	if (!ret)
		ret = recover_start(dev);
	if (ret)
		return ret;
	params.types &= ~UBLK_PARAM_TYPE_DEVT;
	dev->params = params;
	dev->info = info;
	dev->features = info.flags;
	dev->recovering = true;
	dev->stage = UBLK_STAGE_ADDED;
	return 0;
}
