/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Check the parameters of a disk (control.rst section 12, C-111..C-123) and a
 * change of its size. Every SET_PARAMS calls the functions of all parts (I-60),
 * so that the block layer neither refuses what START_DEV passes to it with a
 * kernel warning (C-132), nor warns during I/O.
 *
 * Called by params.c and resize.c under ub->mutex, by integrity.c, by libublk
 * before it sends the command, and by the command line to explain what is wrong.
 *
 * No 64-bit division here: the kernel cannot do it on 32-bit machines.
 */
#ifndef UBLK_LOGIC_LIMITS_H
#define UBLK_LOGIC_LIMITS_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

#define UBLK_SECTOR_SHIFT	9

/* Largest capacity the block layer can express: (2^63 - 1) bytes (I-62). */
#define UBLK_MAX_DEV_SECTORS	(0x7fffffffffffffffULL >> UBLK_SECTOR_SHIFT)

/* Largest shift of a block or I/O size (C-112). */
#define UBLK_MAX_BS_SHIFT	28

/* LBMD_PI_CAP_* and LBMD_PI_CSUM_* of linux/fs.h, which logic/ cannot use. */
#define UBLK_PI_CAP_INTEGRITY	0x1
#define UBLK_PI_CAP_REFTAG	0x2
#define UBLK_PI_CSUM_NONE	0
#define UBLK_PI_CSUM_IP		1
#define UBLK_PI_CSUM_CRC16	2
#define UBLK_PI_CSUM_CRC64	4

/**
 * struct ublk_limits_env - what the parameters are checked against
 * @flags: granted UBLK_F_* word of the device
 * @max_io_buf_bytes: of the device, in bytes
 * @page_shift: log2 of the page size of this kernel
 * @zoned_kernel: CONFIG_BLK_DEV_ZONED
 */
struct ublk_limits_env {
	u64	flags;
	u32	max_io_buf_bytes;
	u8	page_shift;
	bool	zoned_kernel;
};

/* False for 0. */
static inline bool ublk_limits_pow2(u64 n)
{
	return n && !(n & (n - 1));
}

/**
 * ublk_limits_basic() - check the basic part (C-111, C-112, C-113, I-62)
 * @p: parameters; the type bit has to be set
 * @env: device and kernel
 *
 * A zone shorter than a logical block is refused as well: the block layer would
 * warn about every write, as it crosses zones. Not checked: virt_boundary_mask,
 * attrs, and chunk_sectors of a device that is not zoned (C-114).
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_limits_basic(const struct ublk_params *p,
				    const struct ublk_limits_env *env)
{
	const struct ublk_param_basic *b = &p->basic;

	if (!(p->types & UBLK_PARAM_TYPE_BASIC))
		return -EINVAL;
	if (b->logical_bs_shift < UBLK_SECTOR_SHIFT ||
	    b->logical_bs_shift > env->page_shift)
		return -EINVAL;
	if (b->physical_bs_shift < b->logical_bs_shift ||
	    b->physical_bs_shift > UBLK_MAX_BS_SHIFT)
		return -EINVAL;
	if (b->io_min_shift > UBLK_MAX_BS_SHIFT ||
	    b->io_opt_shift > UBLK_MAX_BS_SHIFT)
		return -EINVAL;
	if (b->max_sectors > env->max_io_buf_bytes >> UBLK_SECTOR_SHIFT)
		return -EINVAL;
	if (b->max_sectors < 1U << (env->page_shift - UBLK_SECTOR_SHIFT))
		return -EINVAL;
	if (b->dev_sectors > UBLK_MAX_DEV_SECTORS)
		return -EINVAL;
	if (env->flags & UBLK_F_ZONED &&
	    (!ublk_limits_pow2(b->chunk_sectors) ||
	     b->chunk_sectors < 1U << (b->logical_bs_shift - UBLK_SECTOR_SHIFT)))
		return -EINVAL;
	return 0;
}

/**
 * ublk_limits_discard() - check the discard part (C-115)
 * @p: parameters
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_limits_discard(const struct ublk_params *p)
{
	const struct ublk_param_discard *d = &p->discard;

	if (!(p->types & UBLK_PARAM_TYPE_DISCARD))
		return 0;
	if (d->max_discard_sectors && d->max_discard_segments != 1)
		return -EINVAL;
	if (!d->discard_granularity)
		return -EINVAL;
	return 0;
}

/**
 * ublk_limits_zoned() - check the zoned part (C-117, C-118)
 * @p: parameters whose basic part is valid: chunk_sectors is a power of two
 * @env: device and kernel
 *
 * START_DEV checks that max_open_zones is within max_active_zones (C-132).
 *
 * Return: 0, -EINVAL, or -EOPNOTSUPP on a kernel without zoned block devices.
 */
static inline int ublk_limits_zoned(const struct ublk_params *p,
				    const struct ublk_limits_env *env)
{
	const struct ublk_param_zoned *z = &p->zoned;
	bool zoned = env->flags & UBLK_F_ZONED;

	if (!(p->types & UBLK_PARAM_TYPE_ZONED))
		return zoned ? -EINVAL : 0;
	if (!zoned)
		return -EINVAL;
	if (!env->zoned_kernel)
		return -EOPNOTSUPP;
	if (!z->max_zone_append_sectors)
		return -EINVAL;
	/* zones <= dev_sectors / chunk_sectors, without a division */
	if ((u64)z->max_active_zones * p->basic.chunk_sectors >
	    p->basic.dev_sectors)
		return -EINVAL;
	if ((u64)z->max_open_zones * p->basic.chunk_sectors >
	    p->basic.dev_sectors)
		return -EINVAL;
	return 0;
}

/**
 * ublk_limits_dma() - check the DMA alignment part (C-120)
 * @p: parameters
 * @env: device and kernel
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_limits_dma(const struct ublk_params *p,
				  const struct ublk_limits_env *env)
{
	if (!(p->types & UBLK_PARAM_TYPE_DMA_ALIGN))
		return 0;
	if (p->dma.alignment >= 1U << env->page_shift)
		return -EINVAL;
	if (!ublk_limits_pow2((u64)p->dma.alignment + 1))
		return -EINVAL;
	return 0;
}

/**
 * ublk_limits_segment() - check the segment part (C-121)
 * @p: parameters
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_limits_segment(const struct ublk_params *p)
{
	const struct ublk_param_segment *s = &p->seg;

	if (!(p->types & UBLK_PARAM_TYPE_SEGMENT))
		return 0;
	/* all ones wraps to 0, which is not a power of two: refused */
	if (!ublk_limits_pow2(s->seg_boundary_mask + 1))
		return -EINVAL;
	if (s->seg_boundary_mask + 1 < UBLK_MIN_SEGMENT_SIZE)
		return -EINVAL;
	if (s->max_segment_size < UBLK_MIN_SEGMENT_SIZE)
		return -EINVAL;
	return 0;
}

/**
 * ublk_limits_tuple_size() - bytes of a protection information tuple (C-122)
 * @csum_type: LBMD_PI_CSUM_*
 *
 * Return: 0, 8 or 16, or -EINVAL for a type that does not exist.
 */
static inline int ublk_limits_tuple_size(u8 csum_type)
{
	switch (csum_type) {
	case UBLK_PI_CSUM_NONE:
		return 0;
	case UBLK_PI_CSUM_IP:
	case UBLK_PI_CSUM_CRC16:
		return 8;
	case UBLK_PI_CSUM_CRC64:
		return 16;
	default:
		return -EINVAL;
	}
}

/**
 * ublk_limits_integrity() - check the integrity part (C-122, C-123)
 * @p: parameters whose basic part is valid
 * @env: device and kernel
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_limits_integrity(const struct ublk_params *p,
					const struct ublk_limits_env *env)
{
	const struct ublk_param_integrity *i = &p->integrity;
	int tuple;

	if (!(p->types & UBLK_PARAM_TYPE_INTEGRITY))
		return 0;
	if (!(env->flags & UBLK_F_INTEGRITY))
		return -EINVAL;
	if (i->flags & ~(u32)(UBLK_PI_CAP_INTEGRITY | UBLK_PI_CAP_REFTAG))
		return -EINVAL;
	tuple = ublk_limits_tuple_size(i->csum_type);
	if (tuple < 0)
		return tuple;
	if (!i->metadata_size)
		return -EINVAL;
	if (i->flags & UBLK_PI_CAP_REFTAG && i->csum_type == UBLK_PI_CSUM_NONE)
		return -EINVAL;
	if (i->pi_offset + tuple > i->metadata_size)
		return -EINVAL;
	if (i->interval_exp < UBLK_SECTOR_SHIFT ||
	    i->interval_exp > p->basic.logical_bs_shift)
		return -EINVAL;
	return 0;
}

/**
 * ublk_limits_check() - may these parameters be stored? (C-111..C-123)
 * @p: parameters; type bits that do not exist are ignored (C-106)
 * @env: device and kernel
 *
 * All parts are checked (I-60). The device numbers of a GET_PARAMS reply are
 * refused (C-116).
 *
 * Return: 0, -EINVAL, or -EOPNOTSUPP (C-117).
 */
static inline int ublk_limits_check(const struct ublk_params *p,
				    const struct ublk_limits_env *env)
{
	int ret = ublk_limits_basic(p, env);

	if (!ret)
		ret = ublk_limits_discard(p);
	if (!ret && p->types & UBLK_PARAM_TYPE_DEVT)
		ret = -EINVAL;
	if (!ret)
		ret = ublk_limits_zoned(p, env);
	if (!ret)
		ret = ublk_limits_dma(p, env);
	if (!ret)
		ret = ublk_limits_segment(p);
	if (!ret)
		ret = ublk_limits_integrity(p, env);
	return ret;
}

/**
 * ublk_limits_resize() - may the disk get this size? (C-89 by I-61)
 * @p: valid parameters of the disk
 * @flags: granted UBLK_F_* word
 * @sectors: new capacity
 *
 * Return: 0; -EINVAL for 0, for more than the block layer can express, and for
 * a size that is not a multiple of the logical block or, if zoned, of the zone.
 */
static inline int ublk_limits_resize(const struct ublk_params *p, u64 flags,
				     u64 sectors)
{
	u32 unit = 1U << (p->basic.logical_bs_shift - UBLK_SECTOR_SHIFT);

	if (flags & UBLK_F_ZONED)
		unit = p->basic.chunk_sectors;
	if (!sectors || sectors > UBLK_MAX_DEV_SECTORS)
		return -EINVAL;
	/* a power of two in both cases, see ublk_limits_basic() */
	if (sectors & (unit - 1))
		return -EINVAL;
	return 0;
}

#endif
