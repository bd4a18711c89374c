// SPDX-License-Identifier: GPL-2.0
/*
 * Zoned devices: parameters (control.rst C-51i, C-113, C-117 to C-119, I-60),
 * zone operations and writes as the server sees them (data.rst D-23, D-24), also
 * with batch commands and zero copy. Reports are in uapi_zoned.c, appends in
 * uapi_zone_append.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "lib/fixture_batch.h"
#include "lib/zones.h"

#define NEED	(UBLK_F_ZONED | UBLK_F_USER_COPY)
#define LARGE	(RAW_IO_BYTES / 512)

FIXTURE(zops) {
	struct zones z;
	struct fixture *t;
};

FIXTURE_SETUP(zops)
{
	FX_SETUP(&self->z.t, NEED);
	self->t = &self->z.t;
}

FIXTURE_TEARDOWN_PARENT(zops)
{
	FX_TEARDOWN(&self->z.t);
}

static int set(struct fixture *t, struct ublk_params *p)
{
	return raw_set_params(&t->ctl, t->info.dev_id, p);
}

/* covers: C-51i D-24 */
TEST_F(zops, C_51i_feature_needs_a_mode)
{
	struct fixture *t = self->t;

	raw_info_init(&t->info, 1, 2, UBLK_F_ZONED);
	EXPECT_EQ(-EINVAL, raw_add(&t->ctl, &t->info));
	if (t->features & UBLK_F_AUTO_BUF_REG) {
		raw_info_init(&t->info, 1, 2, UBLK_F_ZONED |
			      UBLK_F_AUTO_BUF_REG);
		EXPECT_EQ(-EINVAL, raw_add(&t->ctl, &t->info));
	}
	if (t->features & UBLK_F_SUPPORT_ZERO_COPY) {
		raw_info_init(&t->info, 1, 2, UBLK_F_ZONED |
			      UBLK_F_SUPPORT_ZERO_COPY);
		EXPECT_EQ(0, raw_add(&t->ctl, &t->info));
		fx_remember(t, t->info.dev_id);
	}
	EXPECT_EQ(0, zones_add(&self->z, 0, 64, LARGE));
	/* The disk is not zoned: zone operations fail before the driver. */
	ASSERT_EQ(0, fx_up(t, 1, 4, UBLK_F_USER_COPY));
	EXPECT_EQ(-ENOTTY, client_wait_serving(t->client,
					       zones_op(&self->z, BLKRESETZONE,
							0, 8192),
					       &t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-113 C-117 C-118 C-133 C-132 */
TEST_F(zops, C_117_parameters)
{
	struct fixture *t = self->t;
	struct ublk_params p, good;

	ASSERT_EQ(0, zones_add(&self->z, 0, 64, LARGE));
	ASSERT_EQ(0, raw_get_params(&t->ctl, t->info.dev_id, &good));
	good.types &= ~UBLK_PARAM_TYPE_DEVT;
	EXPECT_EQ(0, set(t, &good));
	/* The zoned part is needed, and refused without the feature. */
	p = good;
	p.types &= ~UBLK_PARAM_TYPE_ZONED;
	EXPECT_EQ(-EINVAL, set(t, &p));
	/* The zone size must be a power of two. */
	p = good;
	p.basic.chunk_sectors = 0;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p.basic.chunk_sectors = 8191;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p.basic.chunk_sectors = 8192 + 4096;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p = good;
	p.zoned.max_zone_append_sectors = 0;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p = good;
	p.zoned.max_open_zones = 65;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p = good;
	p.zoned.max_active_zones = 65;
	EXPECT_EQ(-EINVAL, set(t, &p));
	/* A smaller last zone is not counted. */
	p = good;
	p.zoned.max_active_zones = 64;
	p.zoned.max_open_zones = 64;
	EXPECT_EQ(0, set(t, &p));
	p.basic.dev_sectors -= 8;
	EXPECT_EQ(-EINVAL, set(t, &p));
	p.zoned.max_active_zones = 63;
	p.zoned.max_open_zones = 63;
	EXPECT_EQ(0, set(t, &p));
	/* No limits. */
	p = good;
	p.zoned.max_active_zones = 0;
	p.zoned.max_open_zones = 0;
	memset(p.zoned.reserved, 0xff, sizeof(p.zoned.reserved));
	EXPECT_EQ(0, set(t, &p));
	/* The block layer refuses more open zones than active ones. */
	p = good;
	p.zoned.max_active_zones = 3;
	EXPECT_EQ(0, set(t, &p));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EINVAL, zones_start(&self->z));
	EXPECT_EQ(0, set(t, &good));
	EXPECT_EQ(0, zones_start(&self->z));
	EXPECT_EQ(0, zones_stop(&self->z));
	ASSERT_EQ(0, fx_add(t, 1, 4, UBLK_F_USER_COPY));
	EXPECT_EQ(-EINVAL, set(t, &good));
}

/* covers: C-119 I-60 */
TEST_F(zops, I_60_all_parts_are_validated)
{
	struct fixture *t = self->t;
	struct ublk_params p, good;
	int want = running_on_mainline() ? 0 : -EINVAL;

	ASSERT_EQ(0, zones_add(&self->z, 0, 64, LARGE));
	ASSERT_EQ(0, raw_get_params(&t->ctl, t->info.dev_id, &good));
	good.types &= ~UBLK_PARAM_TYPE_DEVT;
	p = good;
	p.types |= UBLK_PARAM_TYPE_DMA_ALIGN;
	p.dma.alignment = 8191;
	EXPECT_EQ(want, set(t, &p));
	p = good;
	p.types |= UBLK_PARAM_TYPE_SEGMENT;
	p.seg.seg_boundary_mask = 4095;
	p.seg.max_segment_size = 512;
	EXPECT_EQ(want, set(t, &p));
	p = good;
	p.types |= UBLK_PARAM_TYPE_INTEGRITY;
	p.integrity.metadata_size = 8;
	EXPECT_EQ(want, set(t, &p));
	/* Zones are not smaller than blocks. */
	p = good;
	p.basic.logical_bs_shift = 12;
	p.basic.chunk_sectors = 4;
	p.zoned.max_open_zones = 0;
	p.zoned.max_active_zones = 0;
	EXPECT_EQ(want, set(t, &p));
	/* These parts fit together and are accepted. */
	p = good;
	p.types |= UBLK_PARAM_TYPE_DMA_ALIGN | UBLK_PARAM_TYPE_SEGMENT;
	p.dma.alignment = 511;
	p.seg.seg_boundary_mask = 0xffff;
	p.seg.max_segment_size = 65536;
	EXPECT_EQ(0, set(t, &p));
}

/* One zone operation by the client: the server's request, and the result. */
static long one_op(struct zones *z, unsigned long cmd, int zone, int result,
		   struct raw_ev *ev)
{
	struct fixture *t = &z->t;
	int job, ret;

	job = zones_op(z, cmd, (__u64)zone * z->sectors, z->sectors);
	ret = raw_event(&t->ring, ev, RAW_DEADLINE_MS);
	if (!ret)
		ret = raw_commit(&t->ring, ev->q, ev->tag, result);
	return ret ? ret : client_wait(t->client, job, RAW_DEADLINE_MS);
}

/* covers: D-23 D-105 D-97 D-98 D-101 */
TEST_F(zops, D_23_operations)
{
	static const struct { unsigned long cmd; int op; } ops[] = {
		{ BLKOPENZONE, UBLK_IO_OP_ZONE_OPEN },
		{ BLKCLOSEZONE, UBLK_IO_OP_ZONE_CLOSE },
		{ BLKFINISHZONE, UBLK_IO_OP_ZONE_FINISH },
		{ BLKRESETZONE, UBLK_IO_OP_ZONE_RESET },
	};
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct raw_ev ev;
	unsigned int i;
	char byte;

	ASSERT_EQ(0, zones_up(z, 0, 64, LARGE));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(0, one_op(z, ops[i].cmd, 5 + i, 0, &ev));
		EXPECT_EQ(ops[i].op, ublksrv_get_op(&ev.iod));
		EXPECT_EQ(0, ev.iod.nr_sectors);
		EXPECT_EQ((5 + i) * z->sectors, ev.iod.start_sector);
		EXPECT_EQ(0, one_op(z, ops[i].cmd, 5 + i, 77, &ev));
		EXPECT_EQ(-EIO, one_op(z, ops[i].cmd, 5 + i, -EIO, &ev));
		EXPECT_EQ(-ENOSPC, one_op(z, ops[i].cmd, 5, -ENOSPC, &ev));
	}
	/* Zone operations have no data. */
	i = zones_op(z, BLKOPENZONE, 7 * z->sectors, z->sectors);
	ASSERT_EQ(0, raw_event(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(-1, pread(t->srv.fd, &byte, 1, raw_pos(0, ev.tag, 0)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, zones_serve(z, &ev));
	EXPECT_EQ(0, zones_wait(z, i));
	/*
	 * A range is one request per zone; a reset of all zones is one request.
	 */
	EXPECT_EQ(0, zones_wait(z, zones_op(z, BLKFINISHZONE, 9 * z->sectors,
					    3 * z->sectors)));
	for (i = 8; i < 13; i++)
		EXPECT_EQ(i >= 9 && i < 12,
			  z->zone[i].cond == BLK_ZONE_COND_FULL);
	EXPECT_EQ(0, zones_wait(z, zones_op(z, BLKRESETZONE, 0,
					    RAW_DEV_BYTES >> 9)));
	EXPECT_EQ(UBLK_IO_OP_ZONE_RESET_ALL, ublksrv_get_op(&z->last));
	EXPECT_EQ(0, z->last.nr_sectors);
	EXPECT_EQ(0, z->last.start_sector);
	EXPECT_EQ(BLK_ZONE_COND_EMPTY, z->zone[9].cond);
	EXPECT_EQ(0, zones_stop(z));
}

/* covers: D-210 D-23 */
TEST_F(zops, D_210_sequential_writes)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	__u64 at;
	int i;

	ASSERT_EQ(0, zones_up(z, 0, 64, LARGE));
	at = (__u64)40 * z->sectors << 9;
	for (i = 0; i < 4; i++) {
		memset(t->client->data, 'a' + i, 65536);
		EXPECT_EQ(65536, zones_wait(z, client_blk(t->client,
							  t->info.dev_id,
							  CLIENT_WRITE,
							  at + i * 65536, 65536,
							  0)));
	}
	EXPECT_EQ(z->zone[40].start + 512, z->zone[40].wp);
	EXPECT_EQ(65536,
		  zones_wait(z, client_blk(t->client, t->info.dev_id,
					   CLIENT_READ, at + 65536, 65536, 0)));
	EXPECT_EQ('b', t->client->data[65535]);
	ASSERT_EQ(0, zones_wait(z, zones_report(z, 40, 1)));
	EXPECT_EQ(z->zone[40].wp, zones_reported(z)->wp);
	EXPECT_EQ(0, zones_stop(z));
}

/* covers: D-212 D-111 D-120 */
TEST_F(zops, D_212_registered_report)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct raw_ev ev;
	int job, fd;

	FX_REQUIRE(t, UBLK_F_SUPPORT_ZERO_COPY);
	fd = memfd_create("zones", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, zones_up(z, UBLK_F_SUPPORT_ZERO_COPY, 64, LARGE));
	ASSERT_EQ(64 * 8, pwrite(fd, &z->zone[20], 64 * 8, 0));
	job = zones_report(z, 20, 8);
	ASSERT_EQ(0, raw_event(&t->ring, &ev, RAW_DEADLINE_MS));
	ASSERT_EQ(UBLK_IO_OP_REPORT_ZONES, ublksrv_get_op(&ev.iod));
	ASSERT_EQ(0, raw_call(&t->ring, UBLK_U_IO_REGISTER_IO_BUF, 0, ev.tag,
			      0, 3));
	sqe = io_uring_get_sqe(&t->ring.ring);
	io_uring_prep_read_fixed(sqe, fd, NULL, 64 * 8, 0, 3);
	ASSERT_EQ(1, io_uring_submit(&t->ring.ring));
	ASSERT_EQ(0, io_uring_wait_cqe(&t->ring.ring, &cqe));
	EXPECT_EQ(64 * 8, cqe->res);
	io_uring_cqe_seen(&t->ring.ring, cqe);
	ASSERT_EQ(0, raw_call(&t->ring, UBLK_U_IO_UNREGISTER_IO_BUF, 0, 0, 0,
			      3));
	ASSERT_EQ(0, raw_commit(&t->ring, 0, ev.tag, 64 * 8));
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, memcmp(zones_reported(z), &z->zone[20], 64 * 8));
	EXPECT_EQ(0, zones_stop(z));
}

/* Like raw_batch_wait(), for a zoned disk. */
static long batch_wait(struct zones *z, struct raw_batch *b, int job)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct raw_ev ev;
	__u64 lba = 0;
	int ret;

	while (!client_done(z->t.client, job) && raw_now_ms() < end) {
		ret = raw_batch_request(b, &ev, 2);
		if (!ret && !ev.res)
			ret = raw_batch_commit(b, ev.q, ev.tag,
					       zones_answer(z, &ev, &lba));
		if (ret && ret != RAW_TIMEOUT)
			return ret;
	}
	return client_wait(z->t.client, job, 0);
}

/* covers: D-164 D-168 D-176 D-172 */
TEST_F(zops, D_164_batch)
{
	struct raw_batch *b = calloc(1, sizeof(*b));
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct raw_elem e = { .zone_lba = 99 };
	int flags;

	FX_REQUIRE(t, UBLK_F_BATCH_IO);
	ASSERT_NE(NULL, b);
	ASSERT_EQ(0, zones_add(z, UBLK_F_BATCH_IO, 64, LARGE));
	ASSERT_EQ(0, raw_srv_open(&t->srv, &t->info));
	ASSERT_EQ(0, raw_batch_open(b, &t->srv, 0));
	ASSERT_EQ(0, raw_group_open(b, 0, 4, 64, 0));
	/* Elements with a position and without. */
	b->elem_flags = UBLK_BATCH_F_HAS_ZONE_LBA;
	ASSERT_EQ(16, raw_elem_size(raw_batch_flags(b)));
	EXPECT_EQ(0, raw_batch_elems(b, RAW_PREP, 0, &e, 1));
	EXPECT_EQ(0, raw_batch_prep(b, 0, 1, 2));
	EXPECT_EQ(-EBUSY, raw_batch_elems(b, RAW_COMMIT, 0, &e, 1));
	b->elem_flags = 0;
	EXPECT_EQ(0, raw_batch_prep(b, 0, 3, 1));
	ASSERT_LT(0, raw_batch_fetch(b, 0, 0));
	ASSERT_EQ(0, batch_wait(z, b, client_ctrl(t->client,
						  UBLK_U_CMD_START_DEV,
						  t->info.dev_id, getpid())));
	for (flags = 0; flags < 2; flags++) {
		b->elem_flags = flags;
		EXPECT_EQ(0, batch_wait(z, b, zones_report(z, 0, 64)));
		EXPECT_EQ(0, memcmp(zones_reported(z), z->zone, 64 * 64));
		EXPECT_EQ(0, batch_wait(z, b, zones_op(z, BLKOPENZONE,
						       6 * z->sectors,
						       z->sectors)));
		EXPECT_EQ(BLK_ZONE_COND_EXP_OPEN, z->zone[6].cond);
	}
	EXPECT_EQ(0, batch_wait(z, b, client_ctrl(t->client,
						  UBLK_U_CMD_STOP_DEV,
						  t->info.dev_id, 0)));
	raw_batch_close(b);
}

TEST_HARNESS_MAIN
