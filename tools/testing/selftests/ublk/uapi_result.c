// SPDX-License-Identifier: GPL-2.0
/*
 * What the result of a COMMIT does to its request in copy mode: errors,
 * success, short reads and writes (data.rst section 8). The modes without server
 * buffers are in uapi_counted.c.
 *
 * Where this driver is stricter than mainline's (differences.rst), the test
 * checks our behaviour. With the distribution's driver it is skipped, with
 * mainline's behaviour as the reason.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/fixture.h"
#include "lib/data_fixture.h"

#define WIN		RAW_WIN_START
#define WIN_SECTOR	(RAW_WIN_START >> 9)

/* covers: D-97 D-101 D-102 */
TEST_F(data, D_101_errors)
{
	const int same[] = {
		EOPNOTSUPP, ETIMEDOUT, ENOSPC, ENOLINK, EREMOTEIO, EBADE,
		ENODATA, EILSEQ, ENOMEM, EBUSY, EAGAIN, ENODEV, ETOOMANYREFS,
		EOVERFLOW, ETIME, EINVAL,
	};
	const int other[] = { EIO, EPERM, EFAULT, EINTR, ENOENT, 4095 };
	struct fixture *t = &self->t;
	struct raw_ev ev;
	unsigned int i;
	int job, err;

	for (i = 0; i < ARRAY_SIZE(same) + ARRAY_SIZE(other); i++) {
		err = i < ARRAY_SIZE(same) ? same[i] :
		      other[i - ARRAY_SIZE(same)];
		job = fx_begin(t, i % 2 ? CLIENT_WRITE : CLIENT_READ, WIN,
			       4096);
		ASSERT_EQ(0, fx_delivered(t, &ev));
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, -err));
		EXPECT_EQ(i < ARRAY_SIZE(same) ? -err : -EIO,
			  client_wait(t->client, job, RAW_DEADLINE_MS)) {
			TH_LOG("result -%d", err);
		}
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-97 */
TEST_F(data, D_97_errors_without_data)
{
	const enum client_blk_op ops[] = { CLIENT_FSYNC, CLIENT_DISCARD };
	struct fixture *t = &self->t;
	struct raw_ev ev;
	unsigned int i;
	int job;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		job = fx_begin(t, ops[i], WIN, 4096);
		ASSERT_EQ(0, fx_delivered(t, &ev));
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, -ENOSPC));
		EXPECT_EQ(-ENOSPC, client_wait(t->client, job,
					       RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-98 D-57 */
TEST_F(data, D_98_results_without_meaning)
{
	const enum client_blk_op ops[] = { CLIENT_FSYNC, CLIENT_DISCARD,
					  CLIENT_ZEROOUT };
	const int results[] = { 0, 1, 511, 8192, 0x7fffffff };
	struct fixture *t = &self->t;
	unsigned int i, j;
	struct raw_ev ev;
	int job;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (j = 0; j < ARRAY_SIZE(results); j++) {
			job = fx_begin(t, ops[i], WIN, 4096);
			ASSERT_EQ(0, fx_delivered(t, &ev));
			ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag,
						results[j]));
			EXPECT_EQ(0, client_wait(t->client, job,
						 RAW_DEADLINE_MS)) {
				TH_LOG("op %u result %d", i, results[j]);
			}
		}
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-98 D-57 D-99c */
TEST_F(data, D_98_zero_and_too_much)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	/* A write with result 0, or with more than its length, succeeds. */
	job = fx_begin(t, CLIENT_WRITE, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 0));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	job = fx_begin(t, CLIENT_WRITE, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 0x7fffffff));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	memset(raw_buf(&t->srv, ev.q, ev.tag), 0x21, 8192);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 0x7fffffff));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0x21, t->client->data[4095]);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: I-20 D-98 */
TEST_F(data, I_20_short_write_goes_on)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, i;

	if (running_on_mainline())
		SKIP(return, "mainline takes a short write result for full success");
	for (i = 0; i < 4096; i++)
		t->client->data[i] = i / 512;
	job = fx_begin(t, CLIENT_WRITE, WIN, 4096);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, fx_delivered(t, &ev));
		EXPECT_EQ(WIN_SECTOR + 2 * i, ev.iod.start_sector);
		EXPECT_EQ(8 - 2 * i, ev.iod.nr_sectors);
		EXPECT_EQ(2 * i, raw_buf(&t->srv, ev.q, ev.tag)[0]);
		EXPECT_FALSE(client_done(t->client, job));
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 1024));
	}
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-99a */
TEST_F(data, D_99a_empty_read_fails)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 0));
	EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-99d */
TEST_F(data, D_99d_short_read_goes_on)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, i;

	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, fx_delivered(t, &ev));
		EXPECT_EQ(UBLK_IO_OP_READ, ublksrv_get_op(&ev.iod));
		EXPECT_EQ(WIN_SECTOR + 2 * i, ev.iod.start_sector);
		EXPECT_EQ(8 - 2 * i, ev.iod.nr_sectors);
		EXPECT_FALSE(client_done(t->client, job));
		memset(raw_buf(&t->srv, ev.q, ev.tag), 0x10 + i, 4096);
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 1024));
	}
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0x10 + i, t->client->data[1024 * i]);
		EXPECT_EQ(0x10 + i, t->client->data[1024 * i + 1023]);
	}
	/* The rest may also fail. */
	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 2048));
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, -ENOSPC));
	EXPECT_NE(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: I-22 D-100 */
TEST_F(data, I_22_read_result_rounded_to_sectors)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	if (running_on_mainline())
		SKIP(return, "mainline's position and data of the rest do not match");
	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	memset(raw_buf(&t->srv, ev.q, ev.tag), 0x31, 4096);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 700));
	ASSERT_EQ(0, fx_delivered(t, &ev));
	EXPECT_EQ(WIN_SECTOR + 1, ev.iod.start_sector);
	EXPECT_EQ(7, ev.iod.nr_sectors);
	memset(raw_buf(&t->srv, ev.q, ev.tag), 0x32, 4096);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 7 * 512));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0x31, t->client->data[511]);
	EXPECT_EQ(0x32, t->client->data[512]);
	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 511));
	EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
