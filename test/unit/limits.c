// SPDX-License-Identifier: GPL-2.0
/*
 * logic/limits.h: every validation row of SET_PARAMS (control.rst C-111..C-123)
 * on both sides of its boundary, and the size check of UPDATE_SIZE (I-61).
 */
#include <errno.h>
#include <stdint.h>

#include "ktap.h"
#include "logic/limits.h"

#define ALL_PARTS	(UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DISCARD | \
			 UBLK_PARAM_TYPE_ZONED | UBLK_PARAM_TYPE_DMA_ALIGN | \
			 UBLK_PARAM_TYPE_SEGMENT | UBLK_PARAM_TYPE_INTEGRITY)

static struct ublk_limits_env env;
static struct ublk_params p;

/* Valid parameters of every type; each test makes one member invalid. */
static void good(void)
{
	env = (struct ublk_limits_env) {
		.flags = UBLK_F_ZONED | UBLK_F_USER_COPY | UBLK_F_INTEGRITY,
		.max_io_buf_bytes = 1 << 20,
		.page_shift = 12,
		.zoned_kernel = true,
	};
	p = (struct ublk_params) {
		.len = sizeof(p),
		.types = ALL_PARTS,
		.basic = {
			.logical_bs_shift = 9,
			.physical_bs_shift = 12,
			.io_min_shift = 12,
			.io_opt_shift = 16,
			.max_sectors = 2048,
			.chunk_sectors = 2048,
			.dev_sectors = 10 * 2048 + 1,
		},
		.discard = {
			.discard_granularity = 4096,
			.max_discard_sectors = 65536,
			.max_discard_segments = 1,
		},
		.zoned = {
			.max_open_zones = 10,
			.max_active_zones = 10,
			.max_zone_append_sectors = 2048,
		},
		.dma = { .alignment = 511 },
		.seg = {
			.seg_boundary_mask = 0xffff,
			.max_segment_size = 65536,
			.max_segments = 16,
		},
		.integrity = {
			.interval_exp = 9,
			.metadata_size = 8,
			.csum_type = UBLK_PI_CSUM_CRC16,
		},
	};
}

static void plain(void)
{
	good();
	env.flags = 0;
	p.types = UBLK_PARAM_TYPE_BASIC;
}

static void check_row(const char *row, int line, int want)
{
	ktap_row = row;
	ktap_eq_at(__FILE__, line, "ublk_limits_check()",
		   ublk_limits_check(&p, &env), want);
	ktap_row = NULL;
}

/* Starts again from BASE, makes two assignments and checks the result. */
#define check_two(base, set1, set2, want) do { \
	base(); \
	set1; \
	set2; \
	check_row(#base ", " #set1 ", " #set2, __LINE__, want); \
} while (0)

#define check_with(base, member, value, want) \
	check_two(base, member = (value), (void)0, want)

#define accept(member, value)	check_with(good, member, value, 0)
#define refuse(member, value)	check_with(good, member, value, -EINVAL)

static void test_good(void)
{
	good();
	ktap_eq(ublk_limits_check(&p, &env), 0);
	plain();
	ktap_eq(ublk_limits_check(&p, &env), 0);
}

static void test_basic_blocks(void)
{
	refuse(p.types, ALL_PARTS & ~UBLK_PARAM_TYPE_BASIC);
	refuse(p.basic.logical_bs_shift, 0);
	refuse(p.basic.logical_bs_shift, 8);
	accept(p.basic.logical_bs_shift, 9);
	accept(p.basic.logical_bs_shift, 12);
	check_two(plain, p.basic.physical_bs_shift = 13,
		  p.basic.logical_bs_shift = 13, -EINVAL);
	check_with(plain, p.basic.logical_bs_shift, 255, -EINVAL);
	refuse(p.basic.physical_bs_shift, 8);
	accept(p.basic.physical_bs_shift, 9);
	accept(p.basic.physical_bs_shift, 28);
	refuse(p.basic.physical_bs_shift, 29);
	refuse(p.basic.physical_bs_shift, 255);
	check_two(plain, p.basic.logical_bs_shift = 12,
		  p.basic.physical_bs_shift = 11, -EINVAL);
	accept(p.basic.io_min_shift, 0);
	accept(p.basic.io_min_shift, 28);
	refuse(p.basic.io_min_shift, 29);
	accept(p.basic.io_opt_shift, 0);
	accept(p.basic.io_opt_shift, 28);
	refuse(p.basic.io_opt_shift, 29);
}

static void test_basic_sizes(void)
{
	accept(p.basic.max_sectors, 8);
	refuse(p.basic.max_sectors, 7);
	refuse(p.basic.max_sectors, 0);
	refuse(p.basic.max_sectors, 2049);
	refuse(p.basic.max_sectors, 0xffffffff);
	accept(env.max_io_buf_bytes, 0xfffff000);
	refuse(env.max_io_buf_bytes, (1 << 20) - 1);
	refuse(env.max_io_buf_bytes, 0);
	/* with pages of 64 KiB, a request may not be limited to less */
	check_with(plain, env.page_shift, 16, 0);
	check_two(plain, env.page_shift = 16, p.basic.max_sectors = 127,
		  -EINVAL);

	check_with(plain, p.basic.dev_sectors, 0, 0);
	check_with(plain, p.basic.dev_sectors, INT64_MAX >> 9, 0);
	check_with(plain, p.basic.dev_sectors, (INT64_MAX >> 9) + 1, -EINVAL);
	check_with(plain, p.basic.dev_sectors, UINT64_MAX, -EINVAL);
}

static void test_basic_unchecked(void)
{
	check_with(plain, p.basic.attrs, 0xffffffff, 0);
	check_with(plain, p.basic.virt_boundary_mask, UINT64_MAX, 0);
	check_with(plain, p.basic.virt_boundary_mask, 7, 0);
	check_with(plain, p.basic.chunk_sectors, 0, 0);
	check_with(plain, p.basic.chunk_sectors, 3, 0);
	check_with(plain, p.basic.chunk_sectors, 0xffffffff, 0);
}

static void test_discard(void)
{
	accept(p.discard.max_discard_sectors, 0);
	accept(p.discard.max_discard_sectors, 0xffffffff);
	refuse(p.discard.max_discard_segments, 0);
	refuse(p.discard.max_discard_segments, 2);
	check_two(good, p.discard.max_discard_sectors = 0,
		  p.discard.max_discard_segments = 7, 0);
	refuse(p.discard.discard_granularity, 0);
	check_two(good, p.discard.max_discard_sectors = 0,
		  p.discard.discard_granularity = 0, -EINVAL);
	accept(p.discard.discard_granularity, 1);
	accept(p.discard.discard_alignment, 0xffffffff);
	accept(p.discard.max_write_zeroes_sectors, 0xffffffff);
	accept(p.discard.reserved0, 0xffff);
	check_with(plain, p.discard.discard_granularity, 0, 0);
}

static void test_devt(void)
{
	refuse(p.types, ALL_PARTS | UBLK_PARAM_TYPE_DEVT);
	check_with(plain, p.types,
		   UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DEVT, -EINVAL);
	/* the bit is refused with any content */
	accept(p.devt.char_major, 1);
}

static void test_zoned(void)
{
	refuse(p.basic.chunk_sectors, 0);
	refuse(p.basic.chunk_sectors, 3);
	accept(p.basic.chunk_sectors, 1024);
	/* no whole zone, but no limit of open zones either */
	check_two(good, p.zoned = (struct ublk_param_zoned) {
			.max_zone_append_sectors = 1 },
		  p.basic.chunk_sectors = 0x80000000u, 0);
	/* a zone smaller than a block */
	check_two(good, p.basic.logical_bs_shift = 12,
		  p.basic.chunk_sectors = 4, -EINVAL);
	check_two(good, p.basic.logical_bs_shift = 12,
		  p.basic.chunk_sectors = 8, 0);

	refuse(env.flags, UBLK_F_USER_COPY | UBLK_F_INTEGRITY);
	refuse(p.types, ALL_PARTS & ~UBLK_PARAM_TYPE_ZONED);
	check_with(good, env.zoned_kernel, false, -EOPNOTSUPP);
	/* the flag is checked before the kernel's support */
	check_two(good, env.zoned_kernel = false,
		  env.flags = UBLK_F_USER_COPY | UBLK_F_INTEGRITY, -EINVAL);
	refuse(p.zoned.max_zone_append_sectors, 0);
	accept(p.zoned.max_zone_append_sectors, 0xffffffff);
	refuse(p.zoned.max_open_zones, 11);
	refuse(p.zoned.max_open_zones, 0xffffffff);
	refuse(p.zoned.max_active_zones, 11);
	refuse(p.zoned.max_active_zones, 0xffffffff);
	accept(p.zoned.max_open_zones, 0);
	accept(p.zoned.max_active_zones, 0);
	check_with(good, p.basic.dev_sectors, 10 * 2048, 0);
	check_with(good, p.basic.dev_sectors, 10 * 2048 - 1, -EINVAL);
	/* START_DEV, not SET_PARAMS, refuses more open than active zones (C-132) */
	accept(p.zoned.max_active_zones, 9);
}

static void test_dma(void)
{
	accept(p.dma.alignment, 0);
	accept(p.dma.alignment, 3);
	accept(p.dma.alignment, 4095);
	refuse(p.dma.alignment, 4096);
	refuse(p.dma.alignment, 8191);
	refuse(p.dma.alignment, 512);
	refuse(p.dma.alignment, 2);
	refuse(p.dma.alignment, 0xffffffff);
	check_with(plain, p.dma.alignment, 8191, 0);
}

static void test_segment(void)
{
	accept(p.seg.seg_boundary_mask, 4095);
	refuse(p.seg.seg_boundary_mask, 2047);
	refuse(p.seg.seg_boundary_mask, 0);
	refuse(p.seg.seg_boundary_mask, 4096);
	refuse(p.seg.seg_boundary_mask, 4094);
	accept(p.seg.seg_boundary_mask, INT64_MAX);
	refuse(p.seg.seg_boundary_mask, UINT64_MAX);
	refuse(p.seg.max_segment_size, 4095);
	refuse(p.seg.max_segment_size, 0);
	accept(p.seg.max_segment_size, 4096);
	accept(p.seg.max_segment_size, 0xffffffff);
	accept(p.seg.max_segments, 0);
	accept(p.seg.max_segments, 65535);
	check_with(plain, p.seg.max_segment_size, 0, 0);
}

static void test_integrity(void)
{
	refuse(env.flags, UBLK_F_ZONED | UBLK_F_USER_COPY);
	accept(p.integrity.flags, 1);
	accept(p.integrity.flags, 3);
	refuse(p.integrity.flags, 4);
	refuse(p.integrity.flags, 0x80000000);
	accept(p.integrity.csum_type, UBLK_PI_CSUM_IP);
	accept(p.integrity.csum_type, UBLK_PI_CSUM_NONE);
	refuse(p.integrity.csum_type, 3);
	refuse(p.integrity.csum_type, 5);
	refuse(p.integrity.csum_type, 255);
	refuse(p.integrity.csum_type, UBLK_PI_CSUM_CRC64);
	check_two(good, p.integrity.csum_type = UBLK_PI_CSUM_CRC64,
		  p.integrity.metadata_size = 16, 0);
	check_two(good, p.integrity.csum_type = UBLK_PI_CSUM_CRC64,
		  p.integrity.metadata_size = 15, -EINVAL);
	refuse(p.integrity.metadata_size, 0);
	refuse(p.integrity.metadata_size, 7);
	accept(p.integrity.metadata_size, 255);
	refuse(p.integrity.pi_offset, 1);
	check_two(good, p.integrity.metadata_size = 255,
		  p.integrity.pi_offset = 247, 0);
	check_two(good, p.integrity.metadata_size = 255,
		  p.integrity.pi_offset = 248, -EINVAL);
	check_two(good, p.integrity.metadata_size = 255,
		  p.integrity.pi_offset = 255, -EINVAL);
	check_two(good, p.integrity.csum_type = 0,
		  p.integrity.flags = UBLK_PI_CAP_REFTAG, -EINVAL);
	accept(p.integrity.flags, UBLK_PI_CAP_REFTAG);
	refuse(p.integrity.interval_exp, 8);
	refuse(p.integrity.interval_exp, 0);
	refuse(p.integrity.interval_exp, 10);
	check_two(good, p.basic.logical_bs_shift = 12,
		  p.integrity.interval_exp = 12, 0);
	accept(p.integrity.tag_size, 255);
	accept(p.integrity.max_integrity_segments, 65535);
	/* content without its type bit is ignored (C-123) */
	accept(p.types, ALL_PARTS & ~UBLK_PARAM_TYPE_INTEGRITY);
	check_with(plain, p.integrity.metadata_size, 0, 0);
}

/* Valid zoned parameters do not end the checks of the types after it (I-60). */
static void test_zoned_goes_on(void)
{
	good();
	ktap_true(p.types & UBLK_PARAM_TYPE_ZONED);
	refuse(p.dma.alignment, 8191);
	refuse(p.seg.max_segment_size, 1);
	refuse(p.integrity.metadata_size, 0);
}

static void test_unknown_types(void)
{
	accept(p.types, 0xffffff80 | ALL_PARTS);
}

static void test_resize(void)
{
	plain();
	ktap_eq(ublk_limits_resize(&p, 0, 0), -EINVAL);
	ktap_eq(ublk_limits_resize(&p, 0, 1), 0);
	ktap_eq(ublk_limits_resize(&p, 0, INT64_MAX >> 9), 0);
	ktap_eq(ublk_limits_resize(&p, 0, (INT64_MAX >> 9) + 1), -EINVAL);
	ktap_eq(ublk_limits_resize(&p, 0, UINT64_MAX), -EINVAL);
	p.basic.logical_bs_shift = 12;
	ktap_eq(ublk_limits_resize(&p, 0, 7), -EINVAL);
	ktap_eq(ublk_limits_resize(&p, 0, 8), 0);
	ktap_eq(ublk_limits_resize(&p, 0, 9), -EINVAL);
	ktap_eq(ublk_limits_resize(&p, UBLK_F_ZONED, 8), -EINVAL);
	ktap_eq(ublk_limits_resize(&p, UBLK_F_ZONED, 2048), 0);
	ktap_eq(ublk_limits_resize(&p, UBLK_F_ZONED, 4096 + 8), -EINVAL);
	ktap_eq(ublk_limits_resize(&p, UBLK_F_ZONED, 1ULL << 40), 0);
}

static const struct ktap_test tests[] = {
	{ "good", test_good },
	{ "basic_blocks", test_basic_blocks },
	{ "basic_sizes", test_basic_sizes },
	{ "basic_unchecked", test_basic_unchecked },
	{ "discard", test_discard },
	{ "devt", test_devt },
	{ "zoned", test_zoned },
	{ "dma", test_dma },
	{ "segment", test_segment },
	{ "integrity", test_integrity },
	{ "zoned_goes_on", test_zoned_goes_on },
	{ "unknown_types", test_unknown_types },
	{ "resize", test_resize },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
