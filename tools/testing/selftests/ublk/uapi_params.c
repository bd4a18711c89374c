// SPDX-License-Identifier: GPL-2.0
/*
 * SET_PARAMS and GET_PARAMS: buffers, lengths, validation of each part
 * (control.rst section 12). How the disk uses them is in uapi_limits.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/params_fixture.h"

static int set_raw(struct fixture *t, const void *p, int len)
{
	return raw_buf_cmd(&t->ctl, UBLK_U_CMD_SET_PARAMS, t->info.dev_id, p,
			   len);
}

static int get_raw(struct fixture *t, void *p, int len)
{
	return raw_buf_cmd(&t->ctl, UBLK_U_CMD_GET_PARAMS, t->info.dev_id, p,
			   len);
}

/* The stored type bits without the read-only one, or -errno. */
static int stored(struct fixture *t)
{
	struct ublk_params p;
	int ret = raw_get_params(&t->ctl, t->info.dev_id, &p);

	return ret ? ret : (int)(p.types & ~UBLK_PARAM_TYPE_DEVT);
}

/* covers: C-101 C-102 C-103 */
TEST_F(params, C_101_set_buffer)
{
	struct fixture *t = &self->t;
	struct ublk_params p;

	raw_params_init(&p);
	ASSERT_EQ(0, set(t, &p));
	EXPECT_EQ(-EINVAL, set_raw(t, &p, 0));
	EXPECT_EQ(-EINVAL, set_raw(t, &p, 8));
	EXPECT_EQ(-EINVAL, set_raw(t, NULL, sizeof(p)));
	EXPECT_EQ(-EFAULT, set_raw(t, (void *)64, sizeof(p)));
	EXPECT_EQ(-EINVAL, set_raw(t, &p, sizeof(p) - 1));
	p.len = 0;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p.len = sizeof(p) + 1;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p.len = sizeof(p);
	p.types = 0;
	EXPECT_EQ(-EINVAL, set(t, &p));
	/* None of these changed the stored parameters. */
	EXPECT_EQ(UBLK_PARAM_TYPE_BASIC, stored(t));
}

/* covers: C-104 */
TEST_F(params, C_104_disk_exists)
{
	struct fixture *t = &self->t;
	struct ublk_params p;

	raw_params_init(&p);
	ASSERT_EQ(0, set(t, &p));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(-EACCES, set(t, &p));
	EXPECT_EQ(UBLK_PARAM_TYPE_BASIC, stored(t));
	ASSERT_EQ(0, client_wait(t->client, client_hold(t->client, self->id),
				 RAW_DEADLINE_MS));
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	/* The device is stopped, but the client still has the disk open. */
	EXPECT_EQ(-EACCES, set(t, &p));
	client_release(t->client);
	EXPECT_EQ(0, set(t, &p));
}

/* covers: C-105 */
TEST_F(params, C_105_partly_unreadable)
{
	struct fixture *t = &self->t;
	struct ublk_params *p;
	char *map;

	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(map + 4096, 4096));
	p = (struct ublk_params *)map;
	raw_params_init(p);
	ASSERT_EQ(0, set(t, p));
	p = (struct ublk_params *)(map + 4096 - 48);
	memmove(p, map, 48);
	EXPECT_EQ(-EFAULT, set(t, p));
	EXPECT_EQ(0, stored(t)) TH_LOG("parameters are wiped");
}

/* covers: C-106 C-108 C-131 */
TEST_F(params, C_106_unknown_types)
{
	struct fixture *t = &self->t;
	struct ublk_params p;

	raw_params_init(&p);
	p.types |= 0xffffff80;
	p.basic.attrs = 0xfffffff2;
	EXPECT_EQ(0, set(t, &p));
	EXPECT_EQ(UBLK_PARAM_TYPE_BASIC, stored(t));
	memset(&p, 0, sizeof(p));
	p.len = sizeof(p);
	p.types = 0xffffffff;
	EXPECT_EQ(0, get_raw(t, &p, sizeof(p)));
	EXPECT_EQ(UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DEVT, p.types);
}

/* covers: C-107 C-111 */
TEST_F(params, C_107_refusal_wipes)
{
	struct fixture *t = &self->t;
	struct ublk_params p;

	raw_params_init(&p);
	ASSERT_EQ(0, set(t, &p));
	p.basic.logical_bs_shift = 8;
	EXPECT_EQ(-EINVAL, set(t, &p));
	EXPECT_EQ(0, stored(t));
	raw_params_init(&p);
	ASSERT_EQ(0, set(t, &p));
	p.types = UBLK_PARAM_TYPE_DISCARD;
	p.discard.discard_granularity = 4096;
	EXPECT_EQ(-EINVAL, set(t, &p)) TH_LOG("basic is required");
	EXPECT_EQ(0, stored(t));
}

/* covers: C-109 C-110 C-127 */
TEST_F(params, C_109_lengths)
{
	struct fixture *t = &self->t;
	struct ublk_params p[2];
	char *bytes = (char *)p;

	memset(p, 0, sizeof(p));
	raw_params_init(&p[0]);
	p[0].types |= UBLK_PARAM_TYPE_DISCARD;
	p[0].discard.discard_granularity = 8192;
	p[0].discard.max_discard_sectors = 64;
	p[0].discard.max_discard_segments = 1;
	ASSERT_EQ(0, set(t, &p[0]));
	/* With 40 bytes only, the discard part keeps its values. */
	p[0].len = 40;
	p[0].discard.discard_granularity = 0;
	ASSERT_EQ(0, set_raw(t, &p[0], 40));
	ASSERT_EQ(0, raw_get_params(&t->ctl, self->id, &p[0]));
	EXPECT_EQ(40, p[0].len);
	EXPECT_EQ(8192, p[0].discard.discard_granularity);
	EXPECT_TRUE(p[0].types & UBLK_PARAM_TYPE_DISCARD);
	/* A longer structure than the driver knows. */
	raw_params_init(&p[0]);
	p[0].len = 200;
	ASSERT_EQ(0, set_raw(t, &p[0], 200));
	memset(p, 0x5a, sizeof(p));
	p[0].len = 250;
	ASSERT_EQ(0, get_raw(t, p, 250));
	EXPECT_EQ(200, p[0].len);
	EXPECT_EQ(0x5a, bytes[152]);
	memset(p, 0x5a, sizeof(p));
	p[0].len = 20;
	ASSERT_EQ(0, get_raw(t, p, 20));
	EXPECT_EQ(0x5a, bytes[20]);
	EXPECT_EQ(9, p[0].basic.logical_bs_shift);
}

struct basic_case {
	const char *what;
	int want;
	int lbs, pbs, io_min, io_opt;
	unsigned int max_sectors;
};

/* covers: C-112 C-114 */
TEST_F(params, C_112_basic)
{
	const struct basic_case cases[] = {
		{ "plain", 0, 9, 12, 9, 12, 1024 },
		{ "logical 8", -EINVAL, 8, 12, 9, 12, 1024 },
		{ "logical 0", -EINVAL, 0, 12, 9, 12, 1024 },
		{ "logical 12", 0, 12, 12, 12, 12, 1024 },
		{ "logical above page", -EINVAL, 13, 13, 13, 13, 1024 },
		{ "logical 255", -EINVAL, 255, 255, 12, 12, 1024 },
		{ "physical below logical", -EINVAL, 12, 9, 9, 12, 1024 },
		{ "physical 28", 0, 9, 28, 9, 28, 1024 },
		{ "physical 29", -EINVAL, 9, 29, 9, 12, 1024 },
		{ "physical 255", -EINVAL, 9, 255, 9, 12, 1024 },
		{ "io_min 28", 0, 9, 9, 28, 28, 1024 },
		{ "io_min 29", -EINVAL, 9, 9, 29, 12, 1024 },
		{ "io_opt 29", -EINVAL, 9, 9, 9, 29, 1024 },
		{ "io_opt 255", -EINVAL, 9, 9, 9, 255, 1024 },
		{ "max_sectors above buffer", -EINVAL, 9, 9, 9, 9, 1025 },
		{ "max_sectors huge", -EINVAL, 9, 9, 9, 9, 0x80000000U },
		{ "max_sectors wraps", -EINVAL, 9, 9, 9, 9, 0x00800000U },
		{ "max_sectors below page", -EINVAL, 9, 9, 9, 9, 7 },
		{ "max_sectors 0", -EINVAL, 9, 9, 9, 9, 0 },
		{ "max_sectors one page", 0, 9, 9, 9, 9, 8 },
	};
	struct ublk_params p;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		raw_params_init(&p);
		p.basic.logical_bs_shift = cases[i].lbs;
		p.basic.physical_bs_shift = cases[i].pbs;
		p.basic.io_min_shift = cases[i].io_min;
		p.basic.io_opt_shift = cases[i].io_opt;
		p.basic.max_sectors = cases[i].max_sectors;
		EXPECT_EQ(cases[i].want, set(&self->t, &p)) {
			TH_LOG("%s", cases[i].what);
		}
	}
}

/* covers: C-114 */
TEST_F(params, C_114_unchecked_members)
{
	struct ublk_params p;

	raw_params_init(&p);
	p.basic.chunk_sectors = 12;
	p.basic.virt_boundary_mask = 4095;
	p.basic.attrs = UBLK_ATTR_FUA;
	p.basic.dev_sectors = 17;
	EXPECT_EQ(0, set(&self->t, &p));
}

/* covers: C-115 */
TEST_F(params, C_115_discard)
{
	struct ublk_params p;

	raw_params_init(&p);
	p.types |= UBLK_PARAM_TYPE_DISCARD;
	EXPECT_EQ(-EINVAL, set(&self->t, &p)) TH_LOG("granularity 0");
	p.discard.discard_granularity = 4096;
	EXPECT_EQ(0, set(&self->t, &p)) TH_LOG("discard disabled");
	p.discard.max_discard_sectors = 8;
	EXPECT_EQ(-EINVAL, set(&self->t, &p)) TH_LOG("0 segments");
	p.discard.max_discard_segments = 2;
	EXPECT_EQ(-EINVAL, set(&self->t, &p)) TH_LOG("2 segments");
	p.discard.max_discard_segments = 1;
	EXPECT_EQ(0, set(&self->t, &p));
	p.discard.discard_granularity = 0;
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
	p.discard.discard_granularity = 512;
	p.discard.reserved0 = 0xffff;
	p.discard.max_write_zeroes_sectors = ~0U;
	EXPECT_EQ(0, set(&self->t, &p));
}

/* covers: C-116 C-129 C-128 */
TEST_F(params, C_116_devt_is_read_only)
{
	struct ublk_params p;

	raw_params_init(&p);
	ASSERT_EQ(0, set(&self->t, &p));
	ASSERT_EQ(0, raw_get_params(&self->t.ctl, self->id, &p));
	EXPECT_TRUE(p.types & UBLK_PARAM_TYPE_DEVT);
	EXPECT_EQ(self->id, p.devt.char_minor);
	EXPECT_EQ(0, p.devt.disk_major);
	EXPECT_EQ(0, p.devt.disk_minor);
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
	EXPECT_EQ(0, stored(&self->t)) TH_LOG("parameters are wiped");
}

/* covers: C-117 C-122 */
TEST_F(params, C_117_part_without_its_flag)
{
	struct ublk_params p;

	raw_params_init(&p);
	p.types |= UBLK_PARAM_TYPE_ZONED;
	p.basic.chunk_sectors = 8192;
	p.zoned.max_zone_append_sectors = 64;
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
	raw_params_init(&p);
	p.types |= UBLK_PARAM_TYPE_INTEGRITY;
	p.integrity.metadata_size = 8;
	p.integrity.interval_exp = 9;
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
}

/* covers: C-120 */
TEST_F(params, C_120_dma_alignment)
{
	const __u32 good[] = { 0, 1, 3, 511, 2047 };
	const __u32 bad[] = { 2, 4, 510, 512, 4096, 8191, 0x7fffffff, ~0U };
	struct ublk_params p;
	unsigned int i;

	raw_params_init(&p);
	p.types |= UBLK_PARAM_TYPE_DMA_ALIGN;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		p.dma.alignment = good[i];
		EXPECT_EQ(0, set(&self->t, &p)) {
			TH_LOG("alignment %u", good[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		p.dma.alignment = bad[i];
		EXPECT_EQ(-EINVAL, set(&self->t, &p)) {
			TH_LOG("alignment %u", bad[i]);
		}
	}
}

/* covers: C-121 */
TEST_F(params, C_121_segment)
{
	struct ublk_params p;

	raw_params_init(&p);
	p.types |= UBLK_PARAM_TYPE_SEGMENT;
	p.seg.seg_boundary_mask = 4095;
	p.seg.max_segment_size = 4096;
	EXPECT_EQ(0, set(&self->t, &p));
	p.seg.max_segments = 65535;
	p.seg.seg_boundary_mask = 0x7fffffffffffffffULL;
	p.seg.max_segment_size = ~0U;
	EXPECT_EQ(0, set(&self->t, &p));
	p.seg.seg_boundary_mask = ~0ULL;
	EXPECT_EQ(-EINVAL, set(&self->t, &p)) TH_LOG("all ones");
	p.seg.seg_boundary_mask = 4096;
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
	p.seg.seg_boundary_mask = 2047;
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
	p.seg.seg_boundary_mask = 0;
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
	p.seg.seg_boundary_mask = 65535;
	p.seg.max_segment_size = 4095;
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
	p.seg.max_segment_size = 0;
	EXPECT_EQ(-EINVAL, set(&self->t, &p));
}

/* covers: C-124 C-125 C-126 C-127 C-130 */
TEST_F(params, C_124_get_buffer)
{
	struct fixture *t = &self->t;
	struct ublk_params p = { .len = sizeof(p) };
	char *map;

	EXPECT_EQ(-EINVAL, get_raw(t, &p, 0));
	EXPECT_EQ(-EINVAL, get_raw(t, &p, 8));
	EXPECT_EQ(-EINVAL, get_raw(t, NULL, sizeof(p)));
	EXPECT_EQ(-EFAULT, get_raw(t, (void *)64, sizeof(p)));
	EXPECT_EQ(-EINVAL, get_raw(t, &p, sizeof(p) - 1));
	p.len = 0;
	EXPECT_EQ(-EINVAL, get_raw(t, &p, sizeof(p)));
	p.len = sizeof(p);
	/* No parameters have been set yet. */
	EXPECT_EQ(0, get_raw(t, &p, sizeof(p)));
	EXPECT_EQ(0, p.len);
	EXPECT_EQ(UBLK_PARAM_TYPE_DEVT, p.types);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	*(__u32 *)map = sizeof(p);
	ASSERT_EQ(0, mprotect(map, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, get_raw(t, map, sizeof(p)));
}

/* covers: I-62 C-114 */
TEST_F(params, I_62_capacity_is_bounded)
{
	struct fixture *t = &self->t;
	struct ublk_params p;

	if (running_on_mainline())
		SKIP(return, "any capacity is accepted");
	raw_params_init(&p);
	p.basic.dev_sectors = ~0ULL;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p.basic.dev_sectors = (0x7fffffffffffffffULL >> 9) + 1;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p.basic.dev_sectors = 0x7fffffffffffffffULL >> 9;
	EXPECT_EQ(0, set(t, &p));
	p.basic.dev_sectors = 0;
	EXPECT_EQ(0, set(t, &p));
}

TEST_HARNESS_MAIN
