// SPDX-License-Identifier: GPL-2.0
/*
 * logic/limits.h: any parameters on any device. With accepted parameters, the
 * block layer must not warn: its checks are written a second time here, for the
 * queue limits of control.rst section 13.
 *
 * Input: device flags, misc, max_io_buf_bytes, a new size, the parameters.
 */
#include <errno.h>

#include "fuzz.h"
#include "logic/features.h"
#include "logic/limits.h"

static bool pow2(u64 n)
{
	return n && !(n & (n - 1));
}

static void check_basic(const struct ublk_params *p,
			const struct ublk_limits_env *env)
{
	const struct ublk_param_basic *b = &p->basic;
	u64 page = 1ULL << env->page_shift;
	u64 block = 1ULL << b->logical_bs_shift;

	fuzz_assert(block >= 512 && block <= page);
	fuzz_assert(b->physical_bs_shift < 31 && b->io_min_shift < 31 &&
		    b->io_opt_shift < 31);
	fuzz_assert((u64)b->max_sectors * 512 >= page);
	fuzz_assert((u64)b->max_sectors * 512 >= block);
	fuzz_assert((u64)b->max_sectors * 512 <= env->max_io_buf_bytes);
	fuzz_assert(b->dev_sectors <= INT64_MAX / 512);
	if (env->flags & UBLK_F_ZONED)
		fuzz_assert(pow2(b->chunk_sectors) &&
			    (u64)b->chunk_sectors * 512 >= block);
}

static void check_zoned(const struct ublk_params *p,
			const struct ublk_limits_env *env)
{
	u64 zones;

	fuzz_assert(env->zoned_kernel && env->flags & UBLK_F_ZONED);
	zones = p->basic.dev_sectors / p->basic.chunk_sectors;
	fuzz_assert(p->zoned.max_open_zones <= zones);
	fuzz_assert(p->zoned.max_active_zones <= zones);
	fuzz_assert(p->zoned.max_zone_append_sectors);
}

static void check_rest(const struct ublk_params *p,
		       const struct ublk_limits_env *env)
{
	const struct ublk_param_integrity *i = &p->integrity;
	int tuple;

	if (p->types & UBLK_PARAM_TYPE_DMA_ALIGN)
		fuzz_assert(p->dma.alignment < 1U << env->page_shift);
	if (p->types & UBLK_PARAM_TYPE_SEGMENT)
		fuzz_assert(p->seg.max_segment_size >= 4096 &&
			    p->seg.seg_boundary_mask >= 4095 &&
			    pow2(p->seg.seg_boundary_mask + 1));
	if (!(p->types & UBLK_PARAM_TYPE_INTEGRITY))
		return;
	tuple = ublk_limits_tuple_size(i->csum_type);
	fuzz_assert(tuple >= 0 && i->metadata_size);
	fuzz_assert(i->pi_offset + tuple <= i->metadata_size);
	fuzz_assert(i->interval_exp >= 9 &&
		    i->interval_exp <= p->basic.logical_bs_shift);
	fuzz_assert(i->csum_type || !(i->flags & 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct ublk_limits_env env = { .flags = fuzz_u64(&in) & UBLK_F_ALL };
	u16 misc = fuzz_u16(&in);
	struct ublk_params p;
	u64 sectors;
	int ret;

	env.page_shift = 12 + (misc & 3) * 2;
	env.zoned_kernel = misc & 4;
	env.max_io_buf_bytes = fuzz_u64(&in);
	sectors = fuzz_u64(&in);
	fuzz_read(&in, &p, sizeof(p));

	ret = ublk_limits_check(&p, &env);
	fuzz_assert(ret == 0 || ret == -EINVAL || ret == -EOPNOTSUPP);
	if (ret)
		return 0;
	fuzz_assert(!(p.types & UBLK_PARAM_TYPE_DEVT));
	check_basic(&p, &env);
	fuzz_assert(!(env.flags & UBLK_F_ZONED) ==
		    !(p.types & UBLK_PARAM_TYPE_ZONED));
	if (p.types & UBLK_PARAM_TYPE_ZONED)
		check_zoned(&p, &env);
	check_rest(&p, &env);

	if (!ublk_limits_resize(&p, env.flags, sectors))
		fuzz_assert(sectors && sectors <= INT64_MAX / 512 &&
			    !(sectors << 9 & ((1 << p.basic.logical_bs_shift) -
					      1)));
	return 0;
}
