// SPDX-License-Identifier: GPL-2.0
/*
 * What a request looks like to the server and where its data goes, in copy mode
 * (data.rst sections 2, 6 and 8). What a result does to it is in uapi_result.c.
 *
 * Where this driver is stricter than mainline's (differences.rst), the test
 * checks our behaviour. With the distribution's driver it is skipped, with
 * mainline's behaviour as the reason.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"
#include "lib/data_fixture.h"

#define GET_DATA	UBLK_U_IO_NEED_GET_DATA
#define FAILFAST	(UBLK_IO_F_FAILFAST_DEV | UBLK_IO_F_FAILFAST_TRANSPORT | \
			 UBLK_IO_F_FAILFAST_DRIVER)

#define WIN		RAW_WIN_START
#define WIN_SECTOR	(RAW_WIN_START >> 9)

struct op_case {
	enum client_blk_op op;
	int code;
	__u32 nr_sectors, flags;
};

/* covers: D-20 D-22 D-23 D-25 D-26 D-64 */
TEST_F(data, D_23_operations)
{
	const struct op_case cases[] = {
		{ CLIENT_READ, UBLK_IO_OP_READ, 24, 0 },
		{ CLIENT_WRITE, UBLK_IO_OP_WRITE, 24, 0 },
		{ CLIENT_WRITE_FUA, UBLK_IO_OP_WRITE, 24, UBLK_IO_F_FUA },
		{ CLIENT_DISCARD, UBLK_IO_OP_DISCARD, 24, 0 },
		{ CLIENT_ZEROOUT, UBLK_IO_OP_WRITE_ZEROES, 24,
		  UBLK_IO_F_NOUNMAP },
		{ CLIENT_PUNCH, UBLK_IO_OP_WRITE_ZEROES, 24, 0 },
		{ CLIENT_FSYNC, UBLK_IO_OP_FLUSH, 0, 0 },
	};
	struct fixture *t = &self->t;
	struct raw_ev ev;
	unsigned int i;
	int job;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool get = variant->flags & UBLK_F_NEED_GET_DATA &&
			   cases[i].code == UBLK_IO_OP_WRITE;

		job = fx_begin(t, cases[i].op, WIN + 4096 * i, 24 * 512);
		ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
		EXPECT_EQ(get ? UBLK_IO_RES_NEED_GET_DATA : 0, ev.res);
		EXPECT_EQ(cases[i].code | cases[i].flags, ev.iod.op_flags) {
			TH_LOG("case %u", i);
		}
		EXPECT_EQ(cases[i].flags >> 8, ublksrv_get_flags(&ev.iod));
		EXPECT_EQ(cases[i].nr_sectors, ev.iod.nr_sectors);
		if (cases[i].code != UBLK_IO_OP_FLUSH) {
			EXPECT_EQ(WIN_SECTOR + 8 * i, ev.iod.start_sector) {
				TH_LOG("case %u", i);
			}
		}
		EXPECT_EQ((uintptr_t)raw_buf(&t->srv, ev.q, ev.tag),
			  ev.iod.addr);
		ASSERT_EQ(0, raw_serve(&t->ring, &ev));
		EXPECT_LE(0, fx_finish(t, job));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-25 */
TEST_F(data, D_25_readahead_is_failfast)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	job = fx_begin(t, CLIENT_READAHEAD, WIN, 65536);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_IO_OP_READ, ublksrv_get_op(&ev.iod));
	EXPECT_EQ(FAILFAST, ev.iod.op_flags & FAILFAST);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(65536, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-21 */
TEST_F(data, D_21_slot_stays_until_next_delivery)
{
	struct ublksrv_io_desc iod;
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	job = fx_begin(t, CLIENT_READ, WIN + 8192, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	ASSERT_EQ(4096, fx_finish(t, job));
	iod = raw_desc(&t->srv, ev.q, ev.tag);
	EXPECT_EQ(0, memcmp(&iod, &ev.iod, sizeof(iod)));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-22 D-57 D-90 D-92 D-93 D-61 */
TEST_F(data, D_93_any_buffer)
{
	struct fixture *t = &self->t;
	char *other = t->srv.bufs + variant->depth * RAW_IO_BYTES - 65536 + 1;
	struct raw_ev ev;
	int i, job;

	/* Answer a read from another buffer, at an odd address. */
	memset(other, 0x42, 8192);
	job = fx_begin(t, CLIENT_READ, WIN, 8192);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	EXPECT_NE((uintptr_t)other, ev.iod.addr);
	ASSERT_EQ(0, fx_commit_addr(t, &ev, 8192, other));
	EXPECT_EQ(8192, fx_finish(t, job));
	EXPECT_EQ(0x42, t->client->data[0]);
	EXPECT_EQ(0x42, t->client->data[8191]);
	/*
	 * All tags commit @other now, so the data of the next writes goes
	 * there.
	 */
	for (i = 0; i < 4 * variant->depth; i++) {
		job = fx_begin(t, CLIENT_READ, WIN, 512);
		ASSERT_EQ(0, fx_delivered(t, &ev));
		ASSERT_EQ(0, fx_commit_addr(t, &ev, 512, other));
		ASSERT_EQ(512, fx_finish(t, job));
	}
	memset(t->client->data, 0x18, 8192);
	job = fx_begin(t, CLIENT_WRITE, WIN, 8192);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	if (ev.res == UBLK_IO_RES_NEED_GET_DATA) {
		EXPECT_EQ(0, raw_call(&t->ring, GET_DATA, ev.q, ev.tag, 0,
				      (uintptr_t)other + 77));
		other += 77;
		ev.iod = raw_desc(&t->srv, ev.q, ev.tag);
		EXPECT_EQ((uintptr_t)other, ev.iod.addr);
		EXPECT_EQ(16, ev.iod.nr_sectors);
	} else if (ev.iod.addr != (uintptr_t)other) {
		/*
		 * A tag without an earlier request uses the address of its
		 * fetch.
		 */
		EXPECT_EQ((uintptr_t)raw_buf(&t->srv, ev.q, ev.tag),
			  ev.iod.addr);
		other = raw_buf(&t->srv, ev.q, ev.tag);
	}
	EXPECT_EQ(0x18, other[0]);
	EXPECT_EQ(0x18, other[8191]);
	EXPECT_NE(0x18, other[8192]);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 8192));
	EXPECT_EQ(8192, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-91 */
TEST_F(data, D_91_no_data_for_discard)
{
	const enum client_blk_op ops[] = {
		CLIENT_DISCARD, CLIENT_ZEROOUT, CLIENT_PUNCH, CLIENT_FSYNC,
	};
	struct fixture *t = &self->t;
	struct raw_ev ev;
	unsigned int i;
	int job, tag;

	for (tag = 0; tag < variant->depth; tag++)
		memset(raw_buf(&t->srv, 0, tag), 0x66, 8192);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		job = fx_begin(t, ops[i], WIN, 8192);
		ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
		EXPECT_EQ(0, ev.res);
		EXPECT_EQ(0x66, raw_buf(&t->srv, ev.q, ev.tag)[0]);
		EXPECT_EQ(0x66, raw_buf(&t->srv, ev.q, ev.tag)[8191]);
		/*
		 * A commit without data needs an address nevertheless (D-51).
		 */
		ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 0));
		EXPECT_EQ(0, fx_finish(t, job));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-90 D-92 D-21 D-61 */
TEST_F(data, D_90_contents_of_all_sizes)
{
	const unsigned int lens[] = {
		512, 1024, 4096, 4608, 65536, 131072 + 512, RAW_IO_BYTES,
		2 * RAW_IO_BYTES,
	};
	struct fixture *t = &self->t;
	char *copy = malloc(2 * RAW_IO_BYTES);
	unsigned int i, skew;

	ASSERT_NE(NULL, copy);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		/* Pages of the request begin at different offsets. */
		for (skew = 0; skew < 2048; skew += 1536) {
			__u64 off = WIN + 512 * (3 * i + skew);

			raw_fill(copy, lens[i], i + skew);
			memcpy(t->client->data + skew, copy, lens[i]);
			ASSERT_EQ(lens[i], fx_blk(t, CLIENT_WRITE, off, lens[i],
						  skew));
			EXPECT_EQ(0, memcmp(t->srv.store + off, copy,
					    lens[i]));
			memset(t->client->data + skew, 0, lens[i]);
			ASSERT_EQ(lens[i], fx_blk(t, CLIENT_READ, off, lens[i],
						  skew));
			EXPECT_EQ(0, memcmp(t->client->data + skew, copy,
					    lens[i]));
		}
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-99e */
TEST_F(data, D_99e_read_from_unmapped_memory)
{
	struct fixture *t = &self->t;
	char *buf = raw_hole(1024);
	struct raw_ev ev;
	int job;

	ASSERT_NE(NULL, buf);
	memset(buf, 0x2b, 1024);
	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, fx_commit_addr(t, &ev, 4096, buf));
	/* The driver treats it as a result of 1024. */
	ASSERT_EQ(0, fx_delivered(t, &ev));
	EXPECT_EQ(WIN_SECTOR + 2, ev.iod.start_sector);
	EXPECT_EQ(6, ev.iod.nr_sectors);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, fx_finish(t, job));
	EXPECT_EQ(0x2b, t->client->data[1023]);
	EXPECT_EQ(0, t->client->data[1024]);
	/* No byte can be read. */
	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	ASSERT_EQ(0, fx_commit_addr(t, &ev, 4096, buf + 1024));
	EXPECT_EQ(-EIO, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* Give every tag the address @addr for its next request. */
static int plant_address(struct fixture *t, void *addr, int depth)
{
	int jobs[16], i, ret;
	struct raw_ev ev[16];

	for (i = 0; i < depth; i++)
		jobs[i] = fx_begin(t, CLIENT_READ, WIN + 65536 * i, 4096);
	for (i = 0; i < depth; i++) {
		ret = raw_request(&t->ring, &ev[i], RAW_DEADLINE_MS);
		if (ret)
			return ret;
	}
	/*
	 * A read takes its data from the address in its own commit, which may
	 * be the bad one here: the read may fail or continue, so let it fail.
	 */
	for (i = 0; i < depth; i++) {
		ret = fx_commit_addr(t, &ev[i], -ENOSPC, addr);
		if (ret)
			return ret;
	}
	for (i = 0; i < depth; i++) {
		ret = client_wait(t->client, jobs[i], RAW_DEADLINE_MS);
		if (ret != -ENOSPC)
			return ret ? ret : -EPROTO;
	}
	return 0;
}

/* covers: I-45 D-94 D-62 */
TEST_F(data, I_45_write_to_a_bad_address_fails)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, ret;

	if (running_on_mainline())
		SKIP(return, "mainline retries the write every 3 ms for ever");
	ASSERT_EQ(0, plant_address(t, raw_hole(0), variant->depth));
	job = fx_begin(t, CLIENT_WRITE, WIN, 4096);
	if (variant->flags & UBLK_F_NEED_GET_DATA) {
		ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
		ASSERT_EQ(UBLK_IO_RES_NEED_GET_DATA, ev.res);
		ASSERT_EQ(0, raw_post(&t->ring, GET_DATA, ev.q, ev.tag, 0, 8,
				      0, NULL));
	}
	EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	/* No CQE was posted for it, and the tags still work for reads. */
	ret = raw_event(&t->ring, &ev, RAW_QUIET_MS);
	EXPECT_EQ(RAW_TIMEOUT, ret) TH_LOG("res %d nr 0x%x", ev.res, ev.nr);
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
	EXPECT_EQ(0, fx_stop(t));
}

/* The server answers a write of which it got a part with @answer, or that part. */
static void partly_copied(struct __test_metadata *_metadata, struct fixture *t,
			  unsigned int depth, int answer)
{
	char *hole = raw_hole(1024);
	int job, sectors = 0;
	struct raw_ev ev;
	long res, end;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, plant_address(t, hole, depth));
	memset(t->client->data, 0x4d, 4096);
	job = fx_begin(t, CLIENT_WRITE, WIN, 4096);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	if (ev.res == UBLK_IO_RES_NEED_GET_DATA) {
		ASSERT_EQ(0, raw_post(&t->ring, GET_DATA, ev.q, ev.tag, 0,
				      (uintptr_t)hole, 0, NULL));
		ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	}
	ASSERT_EQ(0, ev.res);
	EXPECT_EQ(2, ev.iod.nr_sectors);
	EXPECT_EQ(0x4d, hole[1023]);
	sectors = ev.iod.nr_sectors;
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag,
				answer < 0 ? sectors * 512 : answer));
	end = raw_now_ms() + RAW_DEADLINE_MS;
	while (!client_done(t->client, job) && raw_now_ms() < end) {
		if (raw_request(&t->ring, &ev, 20))
			continue;
		if (!ev.res)
			sectors += ev.iod.nr_sectors;
		ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	}
	res = fx_finish(t, job);
	EXPECT_TRUE(res == -EIO || (res == 4096 && sectors == 8)) {
		TH_LOG("result %ld after %d sectors", res, sectors);
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: I-21 D-95 */
TEST_F(data, I_21_partly_copied_write_loses_nothing)
{
	if (running_on_mainline())
		SKIP(return, "mainline completes the whole write for a partial result");
	partly_copied(_metadata, &self->t, variant->depth, -1);
}

/* covers: I-21 D-97 */
TEST_F(data, I_21_answered_with_0)
{
	if (running_on_mainline())
		SKIP(return, "mainline completes the whole write for a partial result");
	partly_copied(_metadata, &self->t, variant->depth, 0);
}

TEST_F(data, I_21_answered_with_more)
{
	if (running_on_mainline())
		SKIP(return, "mainline completes the whole write for a partial result");
	partly_copied(_metadata, &self->t, variant->depth, 4096);
}

TEST_HARNESS_MAIN
