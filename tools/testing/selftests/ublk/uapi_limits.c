// SPDX-License-Identifier: GPL-2.0
/*
 * How the started disk uses its parameters: the queue limits (control.rst
 * section 13), and that no accepted parameters make the block layer complain.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/params_fixture.h"

/* Where an attribute of the disk is. */
static char *attr(struct fixture *t, const char *name)
{
	bool rq = strstr(name, "scheduler") || strstr(name, "timeout");
	static char path[96];

	snprintf(path, sizeof(path), "/sys/block/ublk%c%u/%s",
		 rq ? raw_rq_disk(&t->info) : 'b', t->info.dev_id, name);
	return path;
}

static long limit(struct fixture *t, const char *name)
{
	return raw_read_ulong(attr(t, name));
}

static int up(struct fixture *t, struct ublk_params *p)
{
	int ret = set(t, p);

	if (!ret)
		ret = fx_serve(t, 0);
	if (!ret)
		ret = raw_fetch_all(&t->ring);
	return ret ? ret : fx_start(t);
}

/* The first line of an attribute of the disk, "" if there is none. */
static char *text(struct fixture *t, const char *name, char *buf, int size)
{
	FILE *f = fopen(attr(t, name), "r");

	if (!f || !fgets(buf, size, f))
		buf[0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	if (f)
		fclose(f);
	return buf;
}

static char *cache_mode(struct fixture *t, char *buf, int size)
{
	return text(t, "queue/write_cache", buf, size);
}

/* covers: C-132 C-134 L-72 L-74 L-78 */
TEST_F(params, section_13_minimal_limits)
{
	struct fixture *t = &self->t;
	struct ublk_params p;
	char buf[32];

	raw_params_init(&p);
	p.basic.max_sectors = 100;
	p.basic.logical_bs_shift = 12;
	p.basic.io_min_shift = 9;
	p.basic.io_opt_shift = 0;
	p.basic.dev_sectors = 4096;
	ASSERT_EQ(0, up(t, &p));
	EXPECT_EQ(4096, limit(t, "queue/logical_block_size"));
	EXPECT_EQ(4096, limit(t, "queue/physical_block_size"));
	EXPECT_EQ(4096, limit(t, "queue/minimum_io_size"));
	EXPECT_EQ(0, limit(t, "queue/optimal_io_size"));
	EXPECT_EQ(48, limit(t, "queue/max_hw_sectors_kb"));
	EXPECT_EQ(65535, limit(t, "queue/max_segments"));
	EXPECT_EQ(4294967295, limit(t, "queue/max_segment_size"));
	EXPECT_EQ(3, limit(t, "queue/dma_alignment"));
	EXPECT_EQ(0, limit(t, "queue/discard_max_hw_bytes"));
	EXPECT_EQ(0, limit(t, "queue/discard_granularity"));
	EXPECT_EQ(0, limit(t, "queue/write_zeroes_max_bytes"));
	EXPECT_EQ(0, limit(t, "queue/rotational"));
	EXPECT_EQ(0, limit(t, "queue/fua"));
	EXPECT_STREQ("write through", cache_mode(t, buf, sizeof(buf)));
	EXPECT_EQ(0, limit(t, "ro"));
	EXPECT_EQ(4096, limit(t, "size"));
	EXPECT_EQ(30000, limit(t, "queue/io_timeout"));
	ASSERT_EQ(0, raw_get_params(&t->ctl, self->id, &p));
	EXPECT_EQ(259, p.devt.disk_major);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: I-71 L-74 */
TEST_F(params, I_71_no_scheduler)
{
	struct fixture *t = &self->t;
	struct ublk_params p;
	char buf[128];

	raw_params_init(&p);
	ASSERT_EQ(0, up(t, &p));
	ASSERT_EQ(1, t->info.nr_hw_queues);
	text(t, "queue/scheduler", buf, sizeof(buf));
	if (!strstr(buf, "mq-deadline"))
		SKIP(return, "the kernel has no mq-deadline: %s", buf);
	EXPECT_NE(NULL, strstr(buf, running_on_mainline() ? "[mq-deadline]" :
							    "[none]"))
		TH_LOG("%s", buf);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-134 */
TEST_F(params, section_13_all_limits)
{
	struct fixture *t = &self->t;
	struct ublk_params p;
	char buf[32];

	raw_params_init(&p);
	p.basic.attrs = UBLK_ATTR_READ_ONLY | UBLK_ATTR_ROTATIONAL |
			UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	p.basic.physical_bs_shift = 12;
	p.basic.io_min_shift = 13;
	p.basic.io_opt_shift = 16;
	p.basic.chunk_sectors = 256;
	p.types |= UBLK_PARAM_TYPE_DISCARD | UBLK_PARAM_TYPE_SEGMENT |
		   UBLK_PARAM_TYPE_DMA_ALIGN;
	p.discard.discard_alignment = 4096;
	p.discard.discard_granularity = 8192;
	p.discard.max_discard_sectors = 128;
	p.discard.max_write_zeroes_sectors = 64;
	p.discard.max_discard_segments = 1;
	p.seg.seg_boundary_mask = 0xffff;
	p.seg.max_segment_size = 32768;
	p.seg.max_segments = 17;
	p.dma.alignment = 127;
	ASSERT_EQ(0, up(t, &p));
	EXPECT_EQ(512, limit(t, "queue/logical_block_size"));
	EXPECT_EQ(4096, limit(t, "queue/physical_block_size"));
	EXPECT_EQ(8192, limit(t, "queue/minimum_io_size"));
	EXPECT_EQ(65536, limit(t, "queue/optimal_io_size"));
	EXPECT_EQ(RAW_IO_BYTES >> 10, limit(t, "queue/max_hw_sectors_kb"));
	EXPECT_EQ(256, limit(t, "queue/chunk_sectors"));
	EXPECT_EQ(17, limit(t, "queue/max_segments"));
	EXPECT_EQ(32768, limit(t, "queue/max_segment_size"));
	EXPECT_EQ(127, limit(t, "queue/dma_alignment"));
	EXPECT_EQ(128 * 512, limit(t, "queue/discard_max_hw_bytes"));
	EXPECT_EQ(8192, limit(t, "queue/discard_granularity"));
	EXPECT_EQ(64 * 512, limit(t, "queue/write_zeroes_max_bytes"));
	EXPECT_EQ(1, limit(t, "queue/rotational"));
	EXPECT_EQ(1, limit(t, "queue/fua"));
	EXPECT_STREQ("write back", cache_mode(t, buf, sizeof(buf)));
	EXPECT_EQ(1, limit(t, "ro"));
	EXPECT_EQ(RAW_DEV_BYTES / 512, limit(t, "size"));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-114 */
TEST_F(params, section_13_fua_needs_cache)
{
	struct fixture *t = &self->t;
	struct ublk_params p;

	raw_params_init(&p);
	p.basic.attrs = UBLK_ATTR_FUA;
	p.types |= UBLK_PARAM_TYPE_DMA_ALIGN | UBLK_PARAM_TYPE_SEGMENT;
	p.seg.seg_boundary_mask = 4095;
	p.seg.max_segment_size = 4096;
	ASSERT_EQ(0, up(t, &p));
	EXPECT_EQ(0, limit(t, "queue/fua"));
	/* In these two, 0 means the default of the block layer. */
	EXPECT_EQ(511, limit(t, "queue/dma_alignment"));
	EXPECT_EQ(128, limit(t, "queue/max_segments"));
	EXPECT_EQ(0, fx_stop(t));
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* Values at and around the limits, for any member. */
static __u64 odd_value(unsigned int *seed)
{
	static const __u64 values[] = {
		0, 1, 2, 3, 7, 8, 9, 12, 28, 63, 64, 127, 128, 511, 512, 1023,
		1024, 2047, 4095, 4096, 8191, 8192, 65535, 65536, 1 << 20,
		0x7fffffff, 0xffffffff, 0x7fffffffffffffffULL, ~0ULL,
	};

	return values[next_random(seed) % ARRAY_SIZE(values)];
}

/* Parameters, a third of which is unusual. */
static void odd_params(struct ublk_params *p, unsigned int *seed)
{
	struct ublk_param_basic *b = &p->basic;
	unsigned int mask;

	raw_params_init(p);
	b->io_min_shift = next_random(seed) % 29;
	b->io_opt_shift = next_random(seed) % 29;
	b->physical_bs_shift = 12 + next_random(seed) % 17;
	b->logical_bs_shift = 9 + next_random(seed) % 4;
	b->attrs = next_random(seed) & ~UBLK_ATTR_READ_ONLY;
	mask = next_random(seed);
	if (mask & 1)
		b->max_sectors = odd_value(seed);
	if (mask & 2)
		b->chunk_sectors = odd_value(seed);
	if (mask & 4)
		b->virt_boundary_mask = odd_value(seed);
	if (mask & 8)
		b->dev_sectors = odd_value(seed);
	p->types |= next_random(seed) & (UBLK_PARAM_TYPE_DISCARD |
			UBLK_PARAM_TYPE_DMA_ALIGN | UBLK_PARAM_TYPE_SEGMENT);
	p->discard.discard_granularity = odd_value(seed);
	p->discard.discard_alignment = odd_value(seed);
	p->discard.max_discard_sectors = odd_value(seed);
	p->discard.max_write_zeroes_sectors = odd_value(seed);
	p->discard.max_discard_segments = next_random(seed) % 2;
	p->dma.alignment = odd_value(seed);
	p->seg.seg_boundary_mask = odd_value(seed);
	p->seg.max_segment_size = odd_value(seed);
	p->seg.max_segments = odd_value(seed);
}

/* covers: C-132 I-60 C-75h C-77 */
TEST_F(params, C_132_no_parameters_upset_the_block_layer)
{
	unsigned int seed = variant->legacy + 1, i, n, started = 0;
	struct fixture *t = &self->t;
	struct ublk_params p;
	int ret;

	/* The runner's scan of the kernel log decides about this test. */
	if (running_on_mainline())
		SKIP(return, "kernel warnings, see C-132");
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	for (n = 0; n < 10; n++) {
		for (i = 0; i < 1000; i++) {
			odd_params(&p, &seed);
			if (!set(t, &p))
				break;
		}
		ASSERT_GT(1000, i);
		ret = fx_start(t);
		if (ret) {
			/*
			 * The device is still DEAD, and can be started again.
			 */
			EXPECT_EQ(UBLK_S_DEV_DEAD,
				  raw_state(&t->ctl, self->id));
			continue;
		}
		started++;
		fx_blk(t, CLIENT_WRITE, RAW_WIN_START, 65536, 0);
		fx_blk(t, CLIENT_READ, RAW_WIN_START, 65536, 0);
		fx_blk(t, CLIENT_DISCARD, RAW_WIN_START, 65536, 0);
		fx_blk(t, CLIENT_ZEROOUT, RAW_WIN_START, 65536, 0);
		ASSERT_EQ(0, fx_stop(t));
		fx_close(t);
		ASSERT_EQ(0, fx_serve(t, 0));
		ASSERT_EQ(0, raw_fetch_all(&t->ring));
	}
	EXPECT_LT(0, started);
}

TEST_HARNESS_MAIN
