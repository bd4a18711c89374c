// SPDX-License-Identifier: GPL-2.0
/*
 * Parameters of protection information (control.rst C-49, C-122, C-123), and
 * devices with the feature but without the parameters, or the reverse. What
 * happens to the metadata is in uapi_integrity.c.
 *
 * runner: distro leaks
 */
#define _GNU_SOURCE
#include <errno.h>
#include "kselftest_harness.h"
#include "lib/pi.h"
#include "lib/fixture.h"

#define FLAGS	(UBLK_F_INTEGRITY | UBLK_F_USER_COPY)
#define WIN	RAW_WIN_START

FIXTURE(pi_params) {
	struct fixture t;
};

FIXTURE_SETUP(pi_params)
{
	FX_SETUP(&self->t, FLAGS);
}

FIXTURE_TEARDOWN_PARENT(pi_params)
{
	FX_TEARDOWN(&self->t);
}

static int set(struct fixture *t, const struct ublk_param_integrity *pi,
	       int lbs_shift)
{
	struct ublk_params p;

	raw_params_init(&p);
	p.basic.logical_bs_shift = lbs_shift;
	p.types |= UBLK_PARAM_TYPE_INTEGRITY;
	p.integrity = *pi;
	return raw_set_params(&t->ctl, t->info.dev_id, &p);
}

/* covers: C-49 C-122 */
TEST_F(pi_params, C_49_feature_needs_user_copy)
{
	struct ublk_param_integrity pi = {
		.metadata_size = 8, .interval_exp = 9, .csum_type = PI_T10,
	};
	struct fixture *t = &self->t;

	EXPECT_EQ(-EINVAL, fx_add(t, 1, 2, UBLK_F_INTEGRITY));
	EXPECT_EQ(-EINVAL, fx_add(t, 1, 2, UBLK_F_INTEGRITY |
				  UBLK_F_SUPPORT_ZERO_COPY));
	/* The parameters need the feature. */
	ASSERT_EQ(0, fx_add(t, 1, 2, UBLK_F_USER_COPY));
	EXPECT_EQ(-EINVAL, set(t, &pi, 9));
	ASSERT_EQ(0, fx_add(t, 1, 2, FLAGS));
	EXPECT_EQ(0, set(t, &pi, 9));
}

/* covers: C-122 C-107 */
TEST_F(pi_params, C_122_rules)
{
	static const struct {
		int want, lbs;
		struct ublk_param_integrity pi;
	} rows[] = {
		/* flags, segments, interval, size, offset, checksum, tag */
		{ 0, 9, { 0, 0, 9, 1, 0, PI_NONE, 0 } },
		{ 0, 9, { PI_CAPABLE, 0, 9, 255, 0, PI_NONE, 255 } },
		{ 0, 9, { PI_CAPABLE, 65535, 9, 8, 0, PI_IP, 0 } },
		{ 0, 9, { 3, 1, 9, 8, 0, PI_T10, 2 } },
		{ 0, 12, { PI_REF_TAG, 0, 12, 16, 0, PI_NVME, 0 } },
		{ 0, 12, { 0, 0, 9, 16, 0, PI_NVME, 0 } },
		{ 0, 9, { 0, 0, 9, 16, 8, PI_T10, 0 } },
		{ 0, 9, { 0, 0, 9, 255, 239, PI_NVME, 0 } },
		/* unknown flags */
		{ -EINVAL, 9, { 4, 0, 9, 8, 0, PI_T10, 0 } },
		{ -EINVAL, 9, { 0x80000000, 0, 9, 8, 0, PI_T10, 0 } },
		/* unknown checksums */
		{ -EINVAL, 9, { 0, 0, 9, 16, 0, 3, 0 } },
		{ -EINVAL, 9, { 0, 0, 9, 16, 0, 5, 0 } },
		{ -EINVAL, 9, { 0, 0, 9, 16, 0, 255, 0 } },
		/* no metadata */
		{ -EINVAL, 9, { 0, 0, 9, 0, 0, PI_NONE, 0 } },
		{ -EINVAL, 9, { 0, 0, 9, 0, 0, PI_T10, 0 } },
		/* reference tag without a checksum */
		{ -EINVAL, 9, { PI_REF_TAG, 0, 9, 8, 0, PI_NONE, 0 } },
		/* tuple outside the metadata */
		{ -EINVAL, 9, { 0, 0, 9, 7, 0, PI_IP, 0 } },
		{ -EINVAL, 9, { 0, 0, 9, 8, 1, PI_T10, 0 } },
		{ -EINVAL, 9, { 0, 0, 9, 15, 0, PI_NVME, 0 } },
		{ -EINVAL, 9, { 0, 0, 9, 255, 240, PI_NVME, 0 } },
		{ -EINVAL, 9, { 0, 0, 9, 8, 255, PI_T10, 0 } },
		{ -EINVAL, 9, { 0, 0, 9, 8, 9, PI_NONE, 0 } },
		/* interval */
		{ -EINVAL, 9, { 0, 0, 8, 8, 0, PI_T10, 0 } },
		{ -EINVAL, 9, { 0, 0, 0, 8, 0, PI_T10, 0 } },
		{ -EINVAL, 9, { 0, 0, 10, 8, 0, PI_T10, 0 } },
		{ -EINVAL, 12, { 0, 0, 13, 8, 0, PI_T10, 0 } },
		{ -EINVAL, 12, { 0, 0, 255, 8, 0, PI_T10, 0 } },
	};
	struct ublk_params p;
	struct fixture *t = &self->t;
	unsigned int i;

	ASSERT_EQ(0, fx_add(t, 1, 2, FLAGS));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		EXPECT_EQ(rows[i].want, set(t, &rows[i].pi, rows[i].lbs)) {
			TH_LOG("row %u", i);
		}
		ASSERT_EQ(0, raw_get_params(&t->ctl, t->info.dev_id, &p));
		EXPECT_EQ(!rows[i].want,
			  !!(p.types & UBLK_PARAM_TYPE_INTEGRITY));
		if (!rows[i].want)
			EXPECT_EQ(0, memcmp(&p.integrity, &rows[i].pi, 16));
	}
}

/* Make one request at the window and serve it. */
static long io(struct fixture *t, enum client_blk_op op, struct raw_ev *ev,
	       int *job)
{
	*job = client_blk(t->client, t->info.dev_id, op, WIN, 4096, 0);
	return raw_request(&t->ring, ev, RAW_DEADLINE_MS);
}

/* covers: C-123 I-9 D-142 */
TEST_F(pi_params, I_9_feature_without_parameters)
{
	struct fixture *t = &self->t;
	__u64 flag = UBLKSRV_IO_INTEGRITY_FLAG;
	struct raw_ev ev;
	char buf[64];
	int job;

	ASSERT_EQ(0, fx_up(t, 1, 2, FLAGS));
	ASSERT_EQ(0, io(t, CLIENT_WRITE, &ev, &job));
	EXPECT_EQ(0, ev.iod.op_flags & UBLK_IO_F_INTEGRITY);
	if (!running_on_mainline()) {
		EXPECT_EQ(-1, pread(t->srv.fd, buf, 1,
				    raw_pos(0, ev.tag, 0) | flag));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, pread(t->srv.fd, buf, 64,
				    raw_pos(0, ev.tag, 64) | flag));
		EXPECT_EQ(EINVAL, errno);
	}
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-142 */
TEST_F(pi_params, D_142_bit_62_without_the_feature)
{
	struct fixture *t = &self->t;
	__u64 flag = UBLKSRV_IO_INTEGRITY_FLAG;
	struct raw_ev ev;
	char buf[64];
	int job;

	ASSERT_EQ(0, fx_up(t, 1, 2, UBLK_F_USER_COPY));
	ASSERT_EQ(0, io(t, CLIENT_WRITE, &ev, &job));
	EXPECT_EQ(-1, pread(t->srv.fd, buf, 1, raw_pos(0, ev.tag, 0) | flag));
	EXPECT_EQ(EINVAL, errno);
	/* The check comes before those of queue and tag. */
	EXPECT_EQ(-1, pread(t->srv.fd, buf, 1, raw_pos(9, 9, 0) | flag));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
