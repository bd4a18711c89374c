/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Stands in for <linux/ublk_cmd.h> of Linux 6.12, for install.sh: the same guard,
 * the structures that got longer since, and macros in another spelling.
 */
#ifndef USER_BLK_DRV_CMD_INC_H
#define USER_BLK_DRV_CMD_INC_H

#include <linux/types.h>

#define OLD_HEADER 1

#define UBLK_CMD_ADD_DEV 0x4
#define UBLK_F_NEED_GET_DATA (1ULL << 2)
#define UBLK_PARAM_TYPE_BASIC 1

struct ublksrv_io_desc {
	__u32 op_flags;
	__u32 nr_sectors;
	__u64 start_sector;
	__u64 addr;
};

static inline __u8 ublksrv_get_op(const struct ublksrv_io_desc *iod)
{
	return iod->op_flags & 0xff;
}

struct ublk_param_basic {
	__u32 attrs;
	__u8 logical_bs_shift;
	__u8 physical_bs_shift;
	__u8 io_opt_shift;
	__u8 io_min_shift;
	__u32 max_sectors;
	__u32 chunk_sectors;
	__u64 dev_sectors;
	__u64 virt_boundary_mask;
};

struct ublk_params {
	__u32 len;
	__u32 types;
	struct ublk_param_basic basic;
};

#endif
