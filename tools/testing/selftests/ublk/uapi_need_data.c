// SPDX-License-Identifier: GPL-2.0
/*
 * NEED_GET_DATA in special cases: addresses that are bad or missing, order of
 * commands, writes whose server leaves before it asks for the data (data.rst
 * section 6 and state N of section 7). The ordinary cases are in uapi_io.c,
 * uapi_data.c and uapi_result.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/recovery.h"

#define WIN		RAW_WIN_START
#define WIN_SECTOR	(RAW_WIN_START >> 9)
#define LEN		8192
#define FETCH		UBLK_U_IO_FETCH_REQ
#define COMMIT		UBLK_U_IO_COMMIT_AND_FETCH_REQ
#define GET_DATA	UBLK_U_IO_NEED_GET_DATA
#define ANNOUNCED	UBLK_IO_RES_NEED_GET_DATA

FIXTURE(nd) {
	struct fixture t;
	int job;
	struct raw_ev ev;
};

FIXTURE_VARIANT(nd) {
	unsigned int ring;
	int depth;
	bool legacy;
};

FIXTURE_VARIANT_ADD(nd, d1) {
	.depth = 1,
};

FIXTURE_VARIANT_ADD(nd, d4_defer_legacy) {
	.depth = 4, .legacy = true,
	.ring = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(nd)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, UBLK_F_NEED_GET_DATA);
	t->ctl.legacy = variant->legacy;
	raw_fill(t->client->data, LEN, 81);
}

FIXTURE_TEARDOWN_PARENT(nd)
{
	FX_TEARDOWN(&self->t);
}

static int up(struct fixture *t, int depth, unsigned int ring, __u64 flags)
{
	int ret = fx_add(t, 1, depth, flags | UBLK_F_NEED_GET_DATA);

	if (!ret)
		ret = fx_serve(t, ring);
	if (!ret)
		ret = raw_fetch_all(&t->ring);
	return ret ? ret : fx_start(t);
}

/* covers: D-60 D-61 D-64 D-40 D-51 D-22 */
TEST_F(nd, D_61_no_address_before)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	char *buf;
	int i, q, tag;

	/* Only NEED_GET_DATA names a buffer here. */
	ASSERT_EQ(0, fx_add(t, 1, variant->depth, UBLK_F_NEED_GET_DATA));
	ASSERT_EQ(0, fx_serve(t, variant->ring));
	for (i = 0; i < variant->depth; i++)
		ASSERT_EQ(0, raw_arm(r, FETCH, 0, i, 0, 0, 0));
	ASSERT_EQ(0, fx_start(t));
	for (i = 0; i < 2 * variant->depth; i++) {
		ASSERT_EQ(0, fx_request(t, CLIENT_FSYNC, 0, 0, &self->job,
					ev));
		EXPECT_EQ(0, ev->res);
		ASSERT_EQ(0, raw_arm(r, COMMIT, 0, ev->tag, 0, 0, 0));
		EXPECT_EQ(0, client_wait(t->client, self->job,
					 RAW_DEADLINE_MS));
		ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job,
					ev));
		ASSERT_EQ(ANNOUNCED, ev->res);
		EXPECT_EQ(LEN / 512, ev->iod.nr_sectors);
		q = ev->q;
		tag = ev->tag;
		buf = raw_buf(&t->srv, q, tag) + 100 * i + 1;
		memset(buf, 0, LEN);
		EXPECT_EQ(0, raw_call(r, GET_DATA, q, tag, -EIO,
				      (uintptr_t)buf));
		ev->iod = raw_desc(&t->srv, q, tag);
		EXPECT_EQ((uintptr_t)buf, ev->iod.addr);
		EXPECT_EQ(LEN / 512, ev->iod.nr_sectors);
		EXPECT_EQ(0, memcmp(buf, t->client->data, LEN));
		ASSERT_EQ(0, raw_arm(r, COMMIT, q, tag, LEN, 0, 0));
		EXPECT_EQ(LEN, client_wait(t->client, self->job,
					   RAW_DEADLINE_MS));
	}
	/* A read needs one. */
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &self->job, ev));
	ASSERT_EQ(0, ev->res);
	EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, ev->q, ev->tag, LEN, 0));
	ASSERT_EQ(0, raw_serve(r, ev));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-60 D-63 D-31 D-33 */
TEST_F(nd, state_N)
{
	const __u32 ops[] = {
		COMMIT, UBLK_U_IO_REGISTER_IO_BUF, UBLK_U_IO_COMMIT_IO_CMDS,
		_IO('u', 0x1f), _IO('u', 0x2f),
	};
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	__u64 buf;
	unsigned int i;
	int q, tag;

	ASSERT_EQ(0, up(t, variant->depth, variant->ring, 0));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(ANNOUNCED, ev->res);
	q = ev->q;
	tag = ev->tag;
	buf = (uintptr_t)raw_buf(&t->srv, q, tag);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(-EINVAL, raw_call(r, ops[i], q, tag, 0, buf)) {
			TH_LOG("op 0x%x", ops[i]);
		}
		EXPECT_EQ(-EINVAL, raw_call(r, ops[i], q, tag, 0, 0));
		EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, ops[i], q, tag, 0,
						   buf));
	}
	EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, q, tag, -ENOSPC, buf));
	EXPECT_EQ(-EBUSY, raw_call(r, FETCH, q, tag, 0, buf));
	EXPECT_EQ(-EINVAL, raw_thread_call(&t->srv, GET_DATA, q, tag, 0,
					   buf));
	EXPECT_EQ(-EINVAL, raw_call(r, GET_DATA, q, variant->depth, 0, buf));
	EXPECT_EQ(-EINVAL, raw_call(r, UBLK_U_IO_UNREGISTER_IO_BUF, q, tag, 0,
				    0));
	/*
	 * Nothing of that had an effect; a worker passes the command to this
	 * task.
	 */
	EXPECT_EQ(0, raw_call_async(r, GET_DATA, q, tag, 0, buf));
	EXPECT_EQ(0, memcmp((void *)buf, t->client->data, LEN));
	EXPECT_EQ(-EINVAL, raw_call(r, GET_DATA, q, tag, 0, buf));
	/* Now the request can fail. */
	ASSERT_EQ(0, raw_commit(r, q, tag, -ENOSPC));
	EXPECT_EQ(-ENOSPC, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-61 D-60 */
TEST_F(nd, D_61_large_and_flagged_writes)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;

	raw_fill(t->client->data, 262144, 82);
	ASSERT_EQ(0, up(t, variant->depth, variant->ring, 0));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE_FUA, WIN, 262144, &self->job,
				ev));
	ASSERT_EQ(ANNOUNCED, ev->res);
	EXPECT_EQ(UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, ev->iod.op_flags);
	EXPECT_EQ(512, ev->iod.nr_sectors);
	ASSERT_EQ(0, raw_serve(r, ev));
	ASSERT_EQ(0, raw_request(r, ev, RAW_DEADLINE_MS));
	ASSERT_EQ(0, ev->res);
	EXPECT_EQ(GET_DATA & 0xff, ev->nr);
	EXPECT_EQ(UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, ev->iod.op_flags);
	EXPECT_EQ(0, memcmp(raw_buf(&t->srv, ev->q, ev->tag), t->client->data,
			    262144));
	ASSERT_EQ(0, raw_serve(r, ev));
	EXPECT_EQ(262144, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-60 D-62 I-45 */
TEST_F(nd, D_62_nothing_can_be_copied)
{
	bool mainline = running_on_mainline();
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	char *hole = raw_hole(0);
	__u64 bad[] = { 0, 8, (uintptr_t)hole };
	struct raw_ev evs[4];
	unsigned int i;
	int jobs[4];

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, up(t, variant->depth, variant->ring, 0));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job,
					ev));
		ASSERT_EQ(ANNOUNCED, ev->res);
		ASSERT_EQ(0, raw_arm(r, GET_DATA, ev->q, ev->tag, 0, bad[i],
				     0));
		if (!mainline) {
			EXPECT_EQ(-EIO, client_wait(t->client, self->job,
						    RAW_DEADLINE_MS));
			EXPECT_EQ(RAW_TIMEOUT, raw_event(r, ev,
							 RAW_QUIET_MS));
			continue;
		}
		/* The write is announced again, perhaps with another tag. */
		ASSERT_EQ(0, raw_request(r, ev, RAW_DEADLINE_MS));
		EXPECT_EQ(ANNOUNCED, ev->res);
		EXPECT_EQ(WIN_SECTOR, ev->iod.start_sector);
		EXPECT_EQ(LEN / 512, ev->iod.nr_sectors);
		ASSERT_EQ(0, raw_serve(r, ev));
		EXPECT_EQ(LEN, fx_finish(t, self->job));
		EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));
	}
	/* The failed command had armed the tag: all tags work again at once. */
	for (i = 0; i < variant->depth; i++) {
		jobs[i] = client_blk(t->client, t->info.dev_id, CLIENT_WRITE,
				     WIN + 65536 * i, LEN, 0);
		ASSERT_EQ(0, raw_request(r, &evs[i], RAW_DEADLINE_MS));
	}
	for (i = 0; i < variant->depth; i++)
		ASSERT_EQ(0, raw_serve(r, &evs[i]));
	for (i = 0; i < variant->depth; i++)
		EXPECT_EQ(LEN, fx_finish(t, jobs[i]));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-61 D-21 I-21 */
TEST_F(nd, D_61_a_part_can_be_copied)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	char *hole = raw_hole(1024);
	int q, tag;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, up(t, variant->depth, variant->ring, 0));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(ANNOUNCED, ev->res);
	EXPECT_EQ(LEN / 512, ev->iod.nr_sectors);
	q = ev->q;
	tag = ev->tag;
	EXPECT_EQ(0, raw_call(r, GET_DATA, q, tag, 0, (uintptr_t)hole));
	ev->iod = raw_desc(&t->srv, q, tag);
	EXPECT_EQ((uintptr_t)hole, ev->iod.addr);
	EXPECT_EQ(2, ev->iod.nr_sectors);
	EXPECT_EQ(0, memcmp(hole, t->client->data, 1024));
	ASSERT_EQ(0, raw_commit(r, q, tag, 1024));
	if (!running_on_mainline()) {
		/* The rest is announced as a write of its own. */
		ASSERT_EQ(0, raw_request(r, ev, RAW_DEADLINE_MS));
		EXPECT_EQ(ANNOUNCED, ev->res);
		EXPECT_EQ(WIN_SECTOR + 2, ev->iod.start_sector);
		EXPECT_EQ(LEN / 512 - 2, ev->iod.nr_sectors);
		ASSERT_EQ(0, raw_serve(r, ev));
	}
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-60 L-44 */
TEST_F(nd, D_60_stop_with_an_announced_write)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	int stop;

	ASSERT_EQ(0, up(t, variant->depth, variant->ring, 0));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(ANNOUNCED, ev->res);
	stop = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, t->info.dev_id, 0);
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, stop, RAW_QUIET_MS));
	ASSERT_EQ(0, raw_serve(r, ev));
	EXPECT_EQ(0, fx_finish(t, stop));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));
}

/* covers: D-60 L-21 */
TEST_F(nd, state_N_when_the_server_goes)
{
	__u64 flags = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE;
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;

	ASSERT_EQ(0, up(t, variant->depth, variant->ring, 0));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(ANNOUNCED, ev->res);
	fx_close(t);
	EXPECT_EQ(-EIO, client_wait(t->client, self->job, REC_FAST_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
	/* With REISSUE the write is announced to the next server. */
	FX_REQUIRE(t, flags);
	ASSERT_EQ(0, up(t, variant->depth, variant->ring, flags));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(ANNOUNCED, ev->res);
	ASSERT_EQ(0, rec_lose(t));
	EXPECT_FALSE(client_done(t->client, self->job));
	ASSERT_EQ(0, rec_recover(t));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: I-23 D-121 D-96 */
TEST_F(nd, I_23_write_from_a_shared_buffer)
{
	struct fixture *t = &self->t;
	struct ublk_shmem_buf_reg reg = {
		.addr = (uintptr_t)t->client->data, .len = 65536,
	};
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	char *buf;
	int q, tag;

	FX_REQUIRE(t, UBLK_F_SHMEM_ZC);
	ASSERT_EQ(0, up(t, variant->depth, variant->ring, UBLK_F_SHMEM_ZC));
	ASSERT_EQ(0, raw_buf_cmd(&t->ctl, UBLK_U_CMD_REG_BUF, t->info.dev_id,
				 &reg, sizeof(reg)));
	t->srv.shm[0] = t->client->data;
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(ANNOUNCED, ev->res);
	q = ev->q;
	tag = ev->tag;
	buf = raw_buf(&t->srv, q, tag);
	memset(buf, 0x5a, LEN);
	EXPECT_EQ(0, raw_call(r, GET_DATA, q, tag, 0, (uintptr_t)buf));
	ev->iod = raw_desc(&t->srv, q, tag);
	EXPECT_EQ((uintptr_t)buf, ev->iod.addr);
	if (running_on_mainline()) {
		EXPECT_TRUE(ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC);
		EXPECT_EQ(0x5a, buf[0]);
		EXPECT_EQ(0x5a, buf[LEN - 1]);
	} else {
		EXPECT_FALSE(ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC);
		EXPECT_EQ(0, memcmp(buf, t->client->data, LEN));
	}
	ASSERT_EQ(0, raw_commit(r, q, tag, LEN));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	/* Reads are not announced; their data comes from the shared buffer. */
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &self->job, ev));
	EXPECT_EQ(0, ev->res);
	EXPECT_TRUE(ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC);
	ASSERT_EQ(0, raw_serve(r, ev));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
	if (running_on_mainline())
		SKIP(return, "mainline copies nothing, the flag stays");
}

TEST_HARNESS_MAIN
