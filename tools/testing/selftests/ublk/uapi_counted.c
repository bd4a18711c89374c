// SPDX-License-Identifier: GPL-2.0
/*
 * What the refcounted modes, those without a server buffer (user copy, zero
 * copy, automatic registration), have in common: addresses in commands and
 * descriptors, the states of a tag, and what a result does to a request
 * (data.rst sections 4, 5, 7 and 8). How the data moves is in the programs named
 * after the modes.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/fixture.h"

#define WIN		RAW_WIN_START
#define WIN_SECTOR	(RAW_WIN_START >> 9)
#define FETCH		UBLK_U_IO_FETCH_REQ
#define COMMIT		UBLK_U_IO_COMMIT_AND_FETCH_REQ
#define GET_DATA	UBLK_U_IO_NEED_GET_DATA

#define ZC	UBLK_F_SUPPORT_ZERO_COPY
#define UC	UBLK_F_USER_COPY
#define AUTO	UBLK_F_AUTO_BUF_REG

FIXTURE(counted) {
	struct fixture t;
	int job;
	struct raw_ev ev;
};

FIXTURE_VARIANT(counted) {
	__u64 flags;
	int queues;
};

FIXTURE_VARIANT_ADD(counted, user_copy) {
	.flags = UC, .queues = 1,
};

FIXTURE_VARIANT_ADD(counted, zero_copy) {
	.flags = ZC, .queues = 2,
};

FIXTURE_VARIANT_ADD(counted, auto_buf) {
	.flags = AUTO, .queues = 1,
};

FIXTURE_VARIANT_ADD(counted, all_three) {
	.flags = UC | ZC | AUTO, .queues = 2,
};

FIXTURE_SETUP(counted)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	ASSERT_EQ(0, fx_add(t, variant->queues, 4, variant->flags));
	ASSERT_EQ(0, fx_serve(t, 0));
}

FIXTURE_TEARDOWN_PARENT(counted)
{
	FX_TEARDOWN(&self->t);
}

static int live(struct fixture *t)
{
	int ret = raw_fetch_all(&t->ring);

	return ret ? ret : fx_start(t);
}

/*
 * Copy the first @len bytes of the tag's buffer into the read, by the device's
 * mode.
 */
static int give(struct fixture *t, const struct raw_ev *ev, __u32 len)
{
	struct raw_ev part = *ev;
	int ret;

	if (t->info.flags & UC) {
		ret = raw_put(&t->srv, ev->q, ev->tag,
			      raw_buf(&t->srv, ev->q, ev->tag), len, 0);
		return ret == len ? 0 : -EIO;
	}
	part.iod.nr_sectors = len / 512;
	return raw_move(&t->ring, &part);
}

/* covers: D-41 D-40 */
TEST_F(counted, D_41_fetch_with_an_address)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;

	EXPECT_EQ(-EINVAL, raw_call(&t->ring, FETCH, 0, 0, 0, 4096));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, FETCH, 0, 0, 0, 1));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, FETCH, 0, 0, 0, 1));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &ev, RAW_QUIET_MS));
	/* The address is checked before "the device is ready". */
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, FETCH, 0, 0, 0, 4096));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, FETCH, 0, 0, 0, 0));
}

/* covers: D-60 D-31 C-51h */
TEST_F(counted, C_51h_no_get_data_in_these_modes)
{
	struct fixture *t = &self->t;
	struct ublksrv_ctrl_dev_info info;

	raw_info_init(&info, 1, 1, variant->flags | UBLK_F_NEED_GET_DATA);
	ASSERT_EQ(0, raw_add(&t->ctl, &info));
	fx_remember(t, info.dev_id);
	EXPECT_EQ(variant->flags, info.flags & (variant->flags |
						UBLK_F_NEED_GET_DATA));
	/* Without being asked for, if the kernel has buffers to register. */
	EXPECT_EQ(t->features & UBLK_F_BUF_REG_OFF_DAEMON,
		  info.flags & UBLK_F_BUF_REG_OFF_DAEMON);
	EXPECT_TRUE(info.flags & UBLK_F_PER_IO_DAEMON);
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, 4096, &self->job,
				&self->ev));
	EXPECT_EQ(0, self->ev.res);
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, GET_DATA, self->ev.q,
				    self->ev.tag, 0, 0));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, GET_DATA, self->ev.q,
				    self->ev.tag, 0, 4096));
	ASSERT_EQ(0, raw_serve(&t->ring, &self->ev));
	EXPECT_EQ(4096, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-52 D-55 D-56 D-58 */
TEST_F(counted, D_52_commit_with_an_address)
{
	const enum client_blk_op ops[] = {
		CLIENT_READ, CLIENT_WRITE, CLIENT_FSYNC, CLIENT_DISCARD,
	};
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	unsigned int i;

	ASSERT_EQ(0, live(t));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ASSERT_EQ(0, fx_request(t, ops[i], WIN, 4096, &self->job,
					ev));
		ASSERT_EQ(0, ev->res);
		EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, ev->q, ev->tag, 4096,
					    4096));
		EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, ev->q, ev->tag, -EIO,
					    1));
		EXPECT_EQ(-EBUSY, raw_call(r, FETCH, ev->q, ev->tag, 0, 0));
		EXPECT_EQ(-EINVAL, raw_call(r, _IO('u', 0x2f), ev->q, ev->tag,
					    0, 0));
		EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, COMMIT, ev->q,
						   ev->tag, 4096, 0));
		EXPECT_FALSE(client_done(t->client, self->job));
		ASSERT_EQ(0, raw_serve(r, ev));
		EXPECT_LE(0, fx_finish(t, self->job));
		EXPECT_EQ(-EBUSY, raw_call(r, COMMIT, ev->q, ev->tag, 4096,
					   0));
	}
	EXPECT_EQ(0, fx_stop(t));
}

struct op_case {
	enum client_blk_op op;
	__u32 op_flags, nr_sectors;
};

/* covers: D-22 D-23 D-25 */
TEST_F(counted, D_22_descriptors)
{
	const struct op_case cases[] = {
		{ CLIENT_READ, UBLK_IO_OP_READ, 24 },
		{ CLIENT_WRITE, UBLK_IO_OP_WRITE, 24 },
		{ CLIENT_WRITE_FUA, UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, 24 },
		{ CLIENT_DISCARD, UBLK_IO_OP_DISCARD, 24 },
		{ CLIENT_ZEROOUT, UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP,
		  24 },
		{ CLIENT_FSYNC, UBLK_IO_OP_FLUSH, 0 },
	};
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i;

	ASSERT_EQ(0, live(t));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, fx_request(t, cases[i].op, WIN, 24 * 512,
					&self->job, ev));
		ASSERT_EQ(0, ev->res);
		EXPECT_EQ(cases[i].op_flags, ev->iod.op_flags);
		EXPECT_EQ(cases[i].nr_sectors, ev->iod.nr_sectors);
		if (cases[i].nr_sectors)
			EXPECT_EQ(WIN_SECTOR, ev->iod.start_sector);
		EXPECT_EQ(raw_word(&t->ring, ev->q, ev->tag), ev->iod.addr);
		ASSERT_EQ(0, raw_serve(&t->ring, ev));
		EXPECT_LE(0, fx_finish(t, self->job));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-103 D-128 D-111 D-149 */
TEST_F(counted, D_103_contents_of_all_sizes)
{
	const unsigned int lens[] = {
		512, 1024, 4096, 4608, 65536, 131072 + 512, RAW_IO_BYTES,
		2 * RAW_IO_BYTES,
	};
	struct fixture *t = &self->t;
	char *copy = malloc(2 * RAW_IO_BYTES);
	unsigned int i, skew;

	ASSERT_NE(NULL, copy);
	ASSERT_EQ(0, live(t));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (skew = 0; skew < 2048; skew += 1536) {
			__u64 off = WIN + 512 * (3 * i + skew);
			char *data = t->client->data + skew;

			raw_fill(copy, lens[i], i + skew);
			memcpy(data, copy, lens[i]);
			ASSERT_EQ(lens[i], fx_blk(t, CLIENT_WRITE, off, lens[i],
						  skew));
			EXPECT_EQ(0, memcmp(t->srv.store + off, copy,
					    lens[i]));
			memset(data, 0, lens[i]);
			ASSERT_EQ(lens[i], fx_blk(t, CLIENT_READ, off, lens[i],
						  skew));
			EXPECT_EQ(0, memcmp(data, copy, lens[i]));
		}
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-97 D-101 D-102 */
TEST_F(counted, D_101_errors)
{
	const int same[] = {
		EOPNOTSUPP, ETIMEDOUT, ENOSPC, ENOLINK, EREMOTEIO, EBADE,
		ENODATA, EILSEQ, ENOMEM, EBUSY, EAGAIN, ENODEV, ETOOMANYREFS,
		EOVERFLOW, ETIME, EINVAL,
	};
	const int other[] = { EIO, EPERM, EFAULT, EINTR, ENOENT, 4095 };
	const enum client_blk_op ops[] = {
		CLIENT_READ, CLIENT_WRITE, CLIENT_FSYNC,
	};
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i;
	int err;

	ASSERT_EQ(0, live(t));
	for (i = 0; i < ARRAY_SIZE(same) + ARRAY_SIZE(other); i++) {
		err = i < ARRAY_SIZE(same) ? same[i] :
		      other[i - ARRAY_SIZE(same)];
		ASSERT_EQ(0, fx_request(t, ops[i % 3], WIN, 4096, &self->job,
					ev));
		ASSERT_EQ(0, ev->res);
		ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, -err));
		EXPECT_EQ(i < ARRAY_SIZE(same) ? -err : -EIO,
			  client_wait(t->client, self->job, RAW_DEADLINE_MS)) {
			TH_LOG("result -%d", err);
		}
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-98 D-57 */
TEST_F(counted, D_98_results_of_all_but_reads)
{
	const int results[] = { 0, 4096, 8192, 0x7fffffff };
	const enum client_blk_op ops[] = {
		CLIENT_WRITE, CLIENT_FSYNC, CLIENT_DISCARD,
	};
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i, j;

	ASSERT_EQ(0, live(t));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (j = 0; j < ARRAY_SIZE(results); j++) {
			ASSERT_EQ(0, fx_request(t, ops[i], WIN, 4096,
						&self->job, ev));
			ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag,
						results[j]));
			EXPECT_EQ(i ? 0 : 4096,
				  client_wait(t->client, self->job,
					      RAW_DEADLINE_MS)) {
				TH_LOG("op %u result %d", i, results[j]);
			}
		}
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-99a D-99b D-152 */
TEST_F(counted, D_99_results_of_reads)
{
	const int results[] = { 4096, 4097, 8192, 0x7fffffff };
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, 4096, &self->job, ev));
	ASSERT_EQ(0, give(t, ev, 4096));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, 0));
	EXPECT_EQ(-EIO, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	for (i = 0; i < ARRAY_SIZE(results); i++) {
		ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, 4096, &self->job,
					ev));
		raw_fill(raw_buf(&t->srv, ev->q, ev->tag), 4096, 50 + i);
		ASSERT_EQ(0, give(t, ev, 4096));
		ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag,
					results[i]));
		EXPECT_EQ(4096, client_wait(t->client, self->job,
					    RAW_DEADLINE_MS));
		EXPECT_EQ(0, memcmp(raw_buf(&t->srv, ev->q, ev->tag),
				    t->client->data, 4096));
	}
	/* The driver does not notice that no data was put into the read. */
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, 4096, &self->job, ev));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, 4096));
	EXPECT_EQ(4096, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: I-8 D-99b */
TEST_F(counted, I_8_short_read)
{
	const unsigned int lens[] = { 1024, 512, 7 * 512, 1 };
	bool mainline = running_on_mainline();
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i, at, len;

	/* The read succeeds nevertheless; the rest reads as zeroes. */
	ASSERT_EQ(0, live(t));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		len = lens[i];
		memset(t->client->data, 0xa5, 8192);
		ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, 8192, &self->job,
					ev));
		raw_fill(raw_buf(&t->srv, ev->q, ev->tag), 4096, 60 + i);
		ASSERT_EQ(0, give(t, ev, len < 512 ? 512 : len));
		ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, len));
		EXPECT_EQ(8192, client_wait(t->client, self->job,
					    RAW_DEADLINE_MS));
		EXPECT_EQ(0, memcmp(raw_buf(&t->srv, ev->q, ev->tag),
				    t->client->data, len));
		for (at = len < 512 ? 512 : len; at < 8192; at++) {
			if (t->client->data[at] != (mainline ? (char)0xa5 : 0))
				break;
		}
		EXPECT_EQ(8192, at) {
			TH_LOG("byte %u of a read of %u is 0x%x", at, len,
			       t->client->data[at]);
		}
	}
	EXPECT_EQ(0, fx_stop(t));
	if (mainline)
		SKIP(return, "mainline leaves the rest of the memory unchanged");
}

/* covers: I-20 D-98 D-103 */
TEST_F(counted, I_20_short_write_goes_on)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	int i;

	if (running_on_mainline())
		SKIP(return, "mainline takes a short write result for full success");
	for (i = 0; i < 4096; i++)
		t->client->data[i] = i / 512;
	ASSERT_EQ(0, live(t));
	self->job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN,
			       4096, 0);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, raw_request(&t->ring, ev, RAW_DEADLINE_MS));
		ASSERT_EQ(0, ev->res);
		EXPECT_EQ(UBLK_IO_OP_WRITE, ublksrv_get_op(&ev->iod));
		EXPECT_EQ(WIN_SECTOR + 2 * i, ev->iod.start_sector);
		EXPECT_EQ(8 - 2 * i, ev->iod.nr_sectors);
		/* The data begins with the part that is not done yet. */
		ASSERT_EQ(0, raw_move(&t->ring, ev));
		EXPECT_EQ(0, memcmp(raw_buf(&t->srv, ev->q, ev->tag),
				    t->client->data + 1024 * i,
				    4096 - 1024 * i));
		EXPECT_FALSE(client_done(t->client, self->job));
		ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, 1024));
	}
	EXPECT_EQ(4096, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	/* The rest may fail. */
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, 4096, &self->job, ev));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, 1024));
	ASSERT_EQ(0, raw_request(&t->ring, ev, RAW_DEADLINE_MS));
	EXPECT_EQ(6, ev->iod.nr_sectors);
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, -ENOSPC));
	EXPECT_NE(4096, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: I-20 D-103 */
TEST_F(counted, I_20_short_write_with_a_buffer_in_use)
{
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	struct raw_ev next;

	if (!(variant->flags & ZC))
		SKIP(return, "needs SUPPORT_ZERO_COPY");
	if (running_on_mainline())
		SKIP(return, "mainline takes a short write result for full success");
	raw_fill(t->client->data, 4096, 71);
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, 4096, &self->job, ev));
	ASSERT_EQ(0, raw_reg(&t->ring, ev->q, ev->tag, 30));
	ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, 1024));
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &next, RAW_QUIET_MS));
	EXPECT_FALSE(client_done(t->client, self->job));
	/* The buffer is still that of the first delivery. */
	EXPECT_EQ(4096, raw_fixed(&t->ring, true, t->srv.buf_fd, 0, 30, 0,
				  4096));
	EXPECT_EQ(0, memcmp(t->srv.bufs, t->client->data, 4096));
	EXPECT_EQ(0, raw_unreg(&t->ring, 30));
	ASSERT_EQ(0, raw_request(&t->ring, &next, RAW_DEADLINE_MS));
	EXPECT_EQ(WIN_SECTOR + 2, next.iod.start_sector);
	EXPECT_EQ(6, next.iod.nr_sectors);
	ASSERT_EQ(0, raw_serve(&t->ring, &next));
	EXPECT_EQ(4096, fx_finish(t, self->job));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN + 1024,
			    t->client->data + 1024, 3072));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-105 D-91 */
TEST_F(counted, D_105_requests_without_data)
{
	const enum client_blk_op ops[] = {
		CLIENT_FSYNC, CLIENT_DISCARD, CLIENT_ZEROOUT, CLIENT_PUNCH,
	};
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i;

	ASSERT_EQ(0, live(t));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ASSERT_EQ(0, fx_request(t, ops[i], WIN, 8192, &self->job,
					ev));
		EXPECT_EQ(0, ev->res);
		EXPECT_FALSE(ev->iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
		ASSERT_EQ(0, raw_commit(&t->ring, ev->q, ev->tag, 0));
		EXPECT_EQ(0, client_wait(t->client, self->job,
					 RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-31 D-45 D-43 D-106 */
TEST_F(counted, states_X_and_U)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;

	EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, 0, 0, 0, 0));
	EXPECT_EQ(-EINVAL, raw_call(r, GET_DATA, 0, 0, 0, 0));
	EXPECT_EQ(-EINVAL, raw_reg(r, 0, 0, 20));
	ASSERT_EQ(0, raw_fetch(r, 0, 0));
	EXPECT_EQ(-EINVAL, raw_call(r, FETCH, 0, 0, 0, 0));
	EXPECT_EQ(-EBUSY, raw_call(r, COMMIT, 0, 0, 0, 0));
	EXPECT_EQ(-EBUSY, raw_reg(r, 0, 0, 20));
	EXPECT_EQ(-EINVAL, raw_reg(r, 0, 1, 20));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_STOP_DEV, t->info.dev_id,
				 0));
	EXPECT_EQ(1, raw_collect_abort(r, RAW_DEADLINE_MS));
	EXPECT_EQ(-ENODEV, raw_call(r, FETCH, 0, 0, 0, 0));
	EXPECT_EQ(-EBUSY, raw_call(r, COMMIT, 0, 0, 0, 0));
	EXPECT_EQ(-EBUSY, raw_reg(r, 0, 0, 20));
	fx_close(t);
	/* The next session. */
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, live(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, WIN, 4096, 0));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
