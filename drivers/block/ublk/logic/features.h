/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Which features a new device gets: the rules of ADD_DEV (control.rst section
 * 5) and of the feature table (index.rst section 3).
 *
 * The driver calls ublk_features_request() before it reserves the device's
 * number, to check what the caller may ask for, and ublk_features_grant()
 * afterwards, for what this kernel grants. libublk calls both to explain a
 * refusal.
 *
 * Pure functions: no locks, no allocation, only their arguments. limits.h
 * checks the parameters of the disk.
 */
#ifndef UBLK_LOGIC_FEATURES_H
#define UBLK_LOGIC_FEATURES_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

/* Every bit that the ABI of Linux defines (F-4); extensions have others (E-1). */
#define UBLK_F_ALL		0x1fffffULL

/* Kind N of the feature table: set in every reply of ADD_DEV. */
#define UBLK_F_ALWAYS		((u64)(UBLK_F_URING_CMD_COMP_IN_TASK | \
				       UBLK_F_CMD_IOCTL_ENCODE | \
				       UBLK_F_PER_IO_DAEMON | \
				       UBLK_F_BUF_REG_OFF_DAEMON | \
				       UBLK_F_SAFE_STOP_DEV))

/*
 * Refcounted mode: with any of these the driver copies no data (index.rst
 * section 1).
 */
#define UBLK_F_REFCOUNTED	((u64)(UBLK_F_SUPPORT_ZERO_COPY | \
				       UBLK_F_USER_COPY | \
				       UBLK_F_AUTO_BUF_REG))

/* The three bits that make the recovery policy (L-1). */
#define UBLK_F_RECOVERY		((u64)(UBLK_F_USER_RECOVERY | \
				       UBLK_F_USER_RECOVERY_REISSUE | \
				       UBLK_F_USER_RECOVERY_FAIL_IO))

/* Bytes of a descriptor slot without UBLK_F_IO_DESC_SIZE, and its bounds. */
#define UBLK_DESC_SIZE_DEFAULT	24
#define UBLK_DESC_SIZE_MAX	256
#define UBLK_DESC_SIZE_ALIGN	8

/* A user copy position reaches this many bytes of a request (D-156, I-62). */
#define UBLK_USER_COPY_MAX	0x2000000U

/**
 * ublk_features_driver_copies() - is this a copy mode device?
 * @flags: granted UBLK_F_* word
 *
 * Return: true if the driver copies data to and from server buffers.
 */
static inline bool ublk_features_driver_copies(u64 flags)
{
	return !(flags & UBLK_F_REFCOUNTED);
}

/**
 * ublk_features_counts() - check queue count and depth (C-43)
 * @info: as copied in by ADD_DEV
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_features_counts(const struct ublksrv_ctrl_dev_info *info)
{
	if (!info->queue_depth || info->queue_depth > UBLK_MAX_QUEUE_DEPTH)
		return -EINVAL;
	if (!info->nr_hw_queues || info->nr_hw_queues > UBLK_MAX_NR_QUEUES)
		return -EINVAL;
	return 0;
}

/**
 * ublk_features_recovery() - are the recovery bits valid? (C-45, C-46)
 * @flags: requested UBLK_F_* word
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_features_recovery(u64 flags)
{
	switch (flags & UBLK_F_RECOVERY) {
	case 0:
		return flags & UBLK_F_QUIESCE ? -EINVAL : 0;
	case UBLK_F_USER_RECOVERY:
	case UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE:
	case UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_FAIL_IO:
		return 0;
	default:
		return -EINVAL;
	}
}

/**
 * ublk_features_desc_size() - check or set the descriptor slot size (C-50)
 * @info: io_desc_size becomes 24 when UBLK_F_IO_DESC_SIZE is not set
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_features_desc_size(struct ublksrv_ctrl_dev_info *info)
{
	if (!(info->flags & UBLK_F_IO_DESC_SIZE)) {
		info->io_desc_size = UBLK_DESC_SIZE_DEFAULT;
		return 0;
	}
	if (info->io_desc_size < sizeof(struct ublksrv_io_desc) ||
	    info->io_desc_size > UBLK_DESC_SIZE_MAX ||
	    info->io_desc_size % UBLK_DESC_SIZE_ALIGN)
		return -EINVAL;
	return 0;
}

/**
 * ublk_features_request() - may this caller ask for this device? (C-43..C-50)
 * @info: as copied in; flags and io_desc_size are changed on success
 * @supported: bits the driver knows; others are dropped first (F-5)
 * @privileged: the caller has CAP_SYS_ADMIN in the initial user namespace
 *
 * A caller without privilege loses USER_RECOVERY and REISSUE silently, but
 * keeps FAIL_IO and QUIESCE, which programs check for (C-47). What such a
 * caller may not ask for is refused even if the driver does not offer it
 * (C-48).
 *
 * Return: 0, -EINVAL, or -EPERM (C-44).
 */
static inline int ublk_features_request(struct ublksrv_ctrl_dev_info *info,
					u64 supported, bool privileged)
{
	bool copies = ublk_features_driver_copies(info->flags);
	int ret = ublk_features_counts(info);

	if (ret)
		return ret;

	info->flags &= supported;
	if (privileged)
		info->flags &= ~(u64)UBLK_F_UNPRIVILEGED_DEV;
	else if (!(info->flags & UBLK_F_UNPRIVILEGED_DEV))
		return -EPERM;

	ret = ublk_features_recovery(info->flags);
	if (ret)
		return ret;
	if (!privileged) {
		info->flags &= ~(u64)(UBLK_F_USER_RECOVERY |
				      UBLK_F_USER_RECOVERY_REISSUE);
		if (!copies || info->flags & (UBLK_F_REDIRECT | UBLK_F_EXTENTS))
			return -EINVAL;
	}
	/* Zones and protection information do not pass (E-60). */
	if (info->flags & UBLK_F_EXTENTS &&
	    info->flags & (UBLK_F_ZONED | UBLK_F_INTEGRITY))
		return -EINVAL;
	if (info->flags & UBLK_F_INTEGRITY && !(info->flags & UBLK_F_USER_COPY))
		return -EINVAL;
	return ublk_features_desc_size(info);
}

/**
 * ublk_features_grant() - what the device gets (C-51h, C-51i, C-52)
 * @info: accepted by ublk_features_request(); flags becomes the granted word
 * @supported: bits this kernel can grant. A requested ZONED that is missing
 *	here is refused, other bits are dropped: a kernel without
 *	CONFIG_BLK_DEV_ZONED still knows ZONED (F-4).
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_features_grant(struct ublksrv_ctrl_dev_info *info,
				      u64 supported)
{
	u64 flags = info->flags;

	if (flags & UBLK_F_ZONED &&
	    (!(supported & UBLK_F_ZONED) ||
	     !(flags & (UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY))))
		return -EINVAL;

	flags |= UBLK_F_ALWAYS;
	flags &= supported;
	if (flags & (UBLK_F_REFCOUNTED | UBLK_F_BATCH_IO))
		flags &= ~(u64)UBLK_F_NEED_GET_DATA;
	if (flags & UBLK_F_BATCH_IO) {
		flags &= ~(u64)UBLK_F_PER_IO_DAEMON;
		if (info->queue_depth == 1)
			return -EINVAL;
	}
	info->flags = flags;
	return 0;
}

/**
 * ublk_features_max_io() - upper bound of a request's data (C-56, I-62)
 * @bytes: max_io_buf_bytes as requested
 * @flags: granted UBLK_F_* word
 * @page_size: PAGE_SIZE, a power of two
 *
 * Return: @bytes rounded down to pages, possibly 0; at most 32 MiB with
 * USER_COPY, because a position cannot express offsets beyond that (D-156).
 */
static inline u32 ublk_features_max_io(u32 bytes, u64 flags, u32 page_size)
{
	if (flags & UBLK_F_USER_COPY && bytes > UBLK_USER_COPY_MAX)
		bytes = UBLK_USER_COPY_MAX;
	return bytes & ~(page_size - 1);
}

#endif
