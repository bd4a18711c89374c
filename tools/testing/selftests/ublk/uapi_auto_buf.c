// SPDX-License-Identifier: GPL-2.0
/*
 * Automatic registration of request buffers: the registration word of FETCH_REQ
 * and COMMIT_AND_FETCH_REQ, which slot the buffer goes to, what happens when
 * that fails, and who clears the slot (data.rst section 11). References in
 * general are in uapi_zero_copy_ref.c, results in uapi_counted.c.
 *
 * runner: distro leaks
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/recovery.h"

#define WIN		RAW_WIN_START
#define LEN		8192
#define FETCH		UBLK_U_IO_FETCH_REQ
#define COMMIT		UBLK_U_IO_COMMIT_AND_FETCH_REQ
#define FALLBACK	((__u64)UBLK_AUTO_BUF_REG_FALLBACK << 16)
#define FAR		60000	/* a slot that no table has */
#define SLOT		20	/* a slot that is free */

FIXTURE(ab) {
	struct fixture t;
	int job;
	struct raw_ev ev;
};

FIXTURE_VARIANT(ab) {
	__u64 flags;
	int depth;
};

FIXTURE_VARIANT_ADD(ab, alone) {
	.flags = UBLK_F_AUTO_BUF_REG, .depth = 1,
};

FIXTURE_VARIANT_ADD(ab, zero_copy) {
	.flags = UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY, .depth = 1,
};

FIXTURE_VARIANT_ADD(ab, user_copy) {
	.flags = UBLK_F_AUTO_BUF_REG | UBLK_F_USER_COPY, .depth = 1,
};

FIXTURE_SETUP(ab)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	ASSERT_EQ(0, fx_add(t, 1, variant->depth, variant->flags));
	ASSERT_EQ(0, fx_serve(t, 0));
	raw_fill(t->client->data, LEN, 31);
}

FIXTURE_TEARDOWN_PARENT(ab)
{
	FX_TEARDOWN(&self->t);
}

/* A LIVE device whose only tag has this word. */
static int live(struct fixture *t, __u64 word)
{
	int ret = raw_arm(&t->ring, FETCH, 0, 0, 0, 0, word), job;
	struct raw_ev ev;

	if (ret)
		return ret;
	ret = fx_start(t);
	if (ret)
		return ret;
	/* A read of somebody else may have used the word: send it again. */
	ret = fx_request(t, CLIENT_FSYNC, 0, 0, &job, &ev);
	if (!ret)
		ret = raw_arm(&t->ring, COMMIT, 0, 0, 0, 0, word);
	return ret ? ret : client_wait(t->client, job, RAW_DEADLINE_MS);
}

static bool quiet(struct raw_ring *r)
{
	struct raw_ev ev;

	return raw_event(r, &ev, RAW_QUIET_MS) == RAW_TIMEOUT;
}

/* The slot of this ring has the data of the write of LEN bytes. */
static bool in_slot(struct fixture *t, struct raw_ring *r, int slot)
{
	memset(t->srv.bufs, 0, LEN);
	return raw_fixed(r, true, t->srv.buf_fd, 0, slot, 0, LEN) == LEN &&
	       !memcmp(t->srv.bufs, t->client->data, LEN);
}

static bool slot_empty(struct fixture *t, struct raw_ring *r, int slot)
{
	return raw_fixed(r, true, t->srv.buf_fd, 0, slot, 0, 1) == -EFAULT;
}

/* covers: D-41 D-42 D-44 */
TEST_F(ab, D_42_word_of_a_fetch)
{
	const __u64 bad[] = {
		1ULL << 17, 2ULL << 16, 0x80ULL << 16, 0xffULL << 16,
		FALLBACK | 1ULL << 17, 1ULL << 24, 1ULL << 31, 1ULL << 32,
		1ULL << 63, FALLBACK | 1ULL << 40, ~0ULL,
	};
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		r->sqe_addr = bad[i];
		EXPECT_EQ(-EINVAL, raw_call(r, FETCH, 0, 0, 0, 0)) {
			TH_LOG("word 0x%llx", bad[i]);
		}
	}
	/* FETCH_REQ does not check the slot, but it refuses an address. */
	r->sqe_addr = FAR;
	EXPECT_EQ(-EINVAL, raw_call(r, FETCH, 0, 0, 0, 4096));
	r->sqe_addr = 0;
	EXPECT_EQ(-EINVAL, raw_call(r, FETCH, 0, 0, 0, 4096));
	EXPECT_EQ(0, raw_arm(r, FETCH, 0, 0, 0, 0, 65535 | FALLBACK));
	EXPECT_TRUE(quiet(r));
	/* The word is checked before "the device is ready". */
	r->sqe_addr = 1ULL << 30;
	EXPECT_EQ(-EINVAL, raw_call(r, FETCH, 0, 0, 0, 0));
	r->sqe_addr = 3;
	EXPECT_EQ(-EBUSY, raw_call(r, FETCH, 0, 0, 0, 0));
	r->sqe_addr = 0;
}

/* covers: D-52 D-53 D-55 */
TEST_F(ab, D_53_word_of_a_commit)
{
	const __u64 bad[] = { 1ULL << 17, 0xffULL << 16, 1ULL << 24, ~0ULL };
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	unsigned int i;

	ASSERT_EQ(0, live(t, SLOT));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(0, ev->res);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		r->sqe_addr = bad[i];
		EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, 0, 0, LEN, 0));
	}
	r->sqe_addr = SLOT;
	EXPECT_EQ(-EINVAL, raw_call(r, COMMIT, 0, 0, LEN, 4096));
	r->sqe_addr = 0;
	/* The request has not ended and its buffer is still in its slot. */
	EXPECT_TRUE(fx_open_still(t, self->job));
	EXPECT_TRUE(in_slot(t, r, SLOT));
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, LEN, 0, SLOT));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-22 D-127 D-128 D-130 D-131 */
TEST_F(ab, D_127_slot_of_the_last_word)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	int slot;

	ASSERT_EQ(0, live(t, SLOT));
	for (slot = SLOT; slot < SLOT + 3; slot++) {
		EXPECT_TRUE(slot_empty(t, r, slot));
		ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job,
					ev));
		ASSERT_EQ(0, ev->res);
		EXPECT_FALSE(ev->iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
		EXPECT_EQ(slot, ev->iod.addr);
		EXPECT_TRUE(in_slot(t, r, slot));
		EXPECT_EQ(-EFAULT, raw_fixed(r, false, t->srv.buf_fd, 0, slot,
					     0, LEN));
		EXPECT_EQ(-EFAULT, raw_fixed(r, true, t->srv.buf_fd, 0, slot,
					     0, LEN + 1));
		/*
		 * The commit clears the old slot, not the one of the new word.
		 */
		ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, LEN, 0, slot + 1));
		EXPECT_EQ(LEN, client_wait(t->client, self->job,
					   RAW_DEADLINE_MS));
		EXPECT_TRUE(slot_empty(t, r, slot));
	}
	/* A read, with the data put in by the ring. */
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &self->job, ev));
	ASSERT_EQ(0, ev->res);
	raw_fill(t->srv.bufs, LEN, 33);
	EXPECT_EQ(LEN, raw_fixed(r, false, t->srv.buf_fd, 0, slot, 0, LEN));
	EXPECT_EQ(-EFAULT, raw_fixed(r, true, t->srv.buf_fd, 0, slot, 0, 1));
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, LEN, 0, SLOT));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, memcmp(t->srv.bufs, t->client->data, LEN));
	EXPECT_TRUE(slot_empty(t, r, slot));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-128 D-127 D-108 */
TEST_F(ab, D_128_failure_without_fallback)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	int i;

	ASSERT_EQ(0, live(t, FAR));
	/*
	 * The server is not told about these requests, and its tag stays armed.
	 */
	for (i = 0; i < 3; i++) {
		self->job = client_blk(t->client, t->info.dev_id,
				       i & 1 ? CLIENT_READ : CLIENT_WRITE, WIN,
				       LEN, 0);
		EXPECT_EQ(-EIO, client_wait(t->client, self->job,
					    RAW_DEADLINE_MS));
		EXPECT_TRUE(quiet(r));
		EXPECT_EQ(-EBUSY, raw_call(r, COMMIT, 0, 0, 0, 0));
	}
	/*
	 * A request without data is delivered, and its commit can fix the word.
	 */
	ASSERT_EQ(0, fx_request(t, CLIENT_FSYNC, 0, 0, &self->job, ev));
	EXPECT_EQ(0, ev->res);
	EXPECT_EQ(UBLK_IO_OP_FLUSH, ev->iod.op_flags);
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, 0, 0, SLOT));
	EXPECT_EQ(0, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	EXPECT_EQ(0, ev->res);
	EXPECT_TRUE(in_slot(t, r, SLOT));
	ASSERT_EQ(0, raw_commit(r, 0, 0, LEN));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-129 */
TEST_F(ab, D_129_requests_without_data)
{
	const enum client_blk_op ops[] = {
		CLIENT_FSYNC, CLIENT_DISCARD, CLIENT_ZEROOUT,
	};
	const __u64 words[] = { SLOT, FAR, FAR | FALLBACK };
	struct fixture *t = &self->t;
	struct raw_ev *ev = &self->ev;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!i)
			ASSERT_EQ(0, live(t, words[0]));
		for (j = 0; j < ARRAY_SIZE(ops); j++) {
			ASSERT_EQ(0, fx_request(t, ops[j], WIN, LEN,
						&self->job, ev));
			EXPECT_EQ(0, ev->res);
			EXPECT_FALSE(ev->iod.op_flags &
				     UBLK_IO_F_NEED_REG_BUF);
			EXPECT_TRUE(slot_empty(t, &t->ring, SLOT));
			ASSERT_EQ(0, raw_arm(&t->ring, COMMIT, 0, 0, 0, 0,
					     words[i]));
			EXPECT_EQ(0, client_wait(t->client, self->job,
						 RAW_DEADLINE_MS));
		}
	}
	EXPECT_TRUE(quiet(&t->ring));
	EXPECT_EQ(0, fx_stop(t));
}

/* How the server reads data that was not registered, if it can. */
static bool by_hand(struct fixture *t, struct raw_ev *ev)
{
	struct raw_ring *r = &t->ring;
	bool ok;

	if (t->info.flags & UBLK_F_USER_COPY) {
		memset(t->srv.bufs, 0, LEN);
		return raw_get(&t->srv, ev->q, ev->tag, t->srv.bufs, LEN,
			       0) == LEN &&
		       !memcmp(t->srv.bufs, t->client->data, LEN);
	}
	if (t->info.flags & UBLK_F_SUPPORT_ZERO_COPY) {
		if (raw_reg(r, ev->q, ev->tag, SLOT + 9))
			return false;
		ok = in_slot(t, r, SLOT + 9);
		return !raw_unreg(r, SLOT + 9) && ok;
	}
	/* The server can only fail the request. */
	return raw_reg(r, ev->q, ev->tag, SLOT + 9) == -EINVAL &&
	       raw_get(&t->srv, ev->q, ev->tag, t->srv.bufs, LEN, 0) ==
	       -EACCES;
}

/* covers: D-128 D-127 D-132 D-108 D-240 */
TEST_F(ab, D_128_fallback_when_the_slot_does_not_exist)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;

	ASSERT_EQ(0, live(t, FAR | FALLBACK));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	EXPECT_EQ(0, ev->res);
	EXPECT_TRUE(ev->iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
	EXPECT_EQ(FAR | FALLBACK, ev->iod.addr);
	EXPECT_TRUE(by_hand(t, ev));
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, LEN, 0, SLOT | FALLBACK));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	/* The word allows the fallback, but it is not needed. */
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	EXPECT_FALSE(ev->iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
	EXPECT_TRUE(in_slot(t, r, SLOT));
	ASSERT_EQ(0, raw_commit(r, 0, 0, LEN));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-127 D-128 D-132 D-109 */
TEST_F(ab, D_132_slot_taken_by_somebody_else)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	char *user = raw_buf(&t->srv, 0, 0);

	ASSERT_EQ(0, live(t, SLOT));
	ASSERT_EQ(0, raw_set_slot(r, SLOT, user, 4096));
	self->job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN,
			       LEN, 0);
	EXPECT_EQ(-EIO, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_TRUE(quiet(r));
	ASSERT_EQ(0, fx_request(t, CLIENT_FSYNC, 0, 0, &self->job, ev));
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, 0, 0, SLOT | FALLBACK));
	EXPECT_EQ(0, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	EXPECT_TRUE(ev->iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
	EXPECT_TRUE(by_hand(t, ev));
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, LEN, 0, SLOT + 1));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	/* That commit has not removed the user's buffer. */
	EXPECT_EQ(512, raw_fixed(r, true, t->srv.buf_fd, 0, SLOT,
				 (uintptr_t)user, 512));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-128 D-108 */
TEST_F(ab, D_128_ring_without_a_table)
{
	struct fixture *t = &self->t;
	struct raw_ring second;
	struct raw_ev *ev = &self->ev;
	int job;

	/* The buffer goes into the ring that has the armed command. */
	ASSERT_EQ(0, live(t, SLOT));
	ASSERT_EQ(0, raw_ring_open(&second, &t->srv, 0));
	ASSERT_EQ(0, fx_request(t, CLIENT_FSYNC, 0, 0, &job, ev));
	ASSERT_EQ(0, raw_arm(&second, COMMIT, 0, 0, 0, 0, 0));
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);
	/* The driver delivers in this task: let it look at its ring. */
	EXPECT_TRUE(quiet(&second));
	EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	ASSERT_EQ(0, raw_table(&second));
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);
	ASSERT_EQ(0, raw_request(&second, ev, RAW_DEADLINE_MS));
	EXPECT_EQ(0, ev->res);
	EXPECT_TRUE(in_slot(t, &second, 0));
	EXPECT_TRUE(slot_empty(t, &t->ring, 0));
	/* Back to the first ring, which the rest of the test uses. */
	ASSERT_EQ(0, io_uring_unregister_buffers(&second.ring));
	ASSERT_EQ(0, raw_arm(&t->ring, COMMIT, 0, 0, LEN, 0, SLOT));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, fx_stop(t));
	raw_ring_close(&second);
}

/* covers: D-130 D-35 D-103 */
TEST_F(ab, D_130_commit_from_another_ring)
{
	struct fixture *t = &self->t;
	struct raw_ring second;
	struct raw_ev *ev = &self->ev;
	int job;

	ASSERT_EQ(0, live(t, SLOT));
	ASSERT_EQ(0, raw_ring_open(&second, &t->srv, 0));
	ASSERT_EQ(0, raw_table(&second));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, ev));
	ASSERT_EQ(0, raw_arm(&second, COMMIT, 0, 0, LEN, 0, SLOT));
	/* The slot is not cleared, so the request has not ended. */
	EXPECT_TRUE(fx_open_still(t, job));
	EXPECT_TRUE(in_slot(t, &t->ring, SLOT));
	EXPECT_TRUE(slot_empty(t, &second, SLOT));
	if (variant->flags & UBLK_F_SUPPORT_ZERO_COPY) {
		EXPECT_EQ(-EINVAL, raw_unreg(&second, SLOT));
		EXPECT_EQ(0, raw_unreg(&t->ring, SLOT));
	} else {
		EXPECT_EQ(-EINVAL, raw_unreg(&t->ring, SLOT));
		EXPECT_EQ(0, raw_set_slot(&t->ring, SLOT, NULL, 0));
	}
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	/*
	 * The second ring has the armed command now, and gets the next buffer.
	 */
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);
	ASSERT_EQ(0, raw_request(&second, ev, RAW_DEADLINE_MS));
	EXPECT_TRUE(in_slot(t, &second, SLOT));
	EXPECT_TRUE(slot_empty(t, &t->ring, SLOT));
	ASSERT_EQ(0, raw_arm(&second, COMMIT, 0, 0, LEN, 0, SLOT));
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_TRUE(slot_empty(t, &second, SLOT));
	/* Closing the ring with the buffer ends the request as well. */
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, LEN, 0);
	ASSERT_EQ(0, raw_request(&second, ev, RAW_DEADLINE_MS));
	ASSERT_EQ(0, raw_arm(&t->ring, COMMIT, 0, 0, LEN, 0, SLOT));
	EXPECT_TRUE(fx_open_still(t, job));
	raw_ring_close(&second);
	EXPECT_EQ(LEN, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(LEN, fx_blk(t, CLIENT_WRITE, WIN, LEN, 0));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-130 D-118 */
TEST_F(ab, D_130_slot_cleared_or_reused_by_the_server)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	char *user = raw_buf(&t->srv, 0, 0);

	ASSERT_EQ(0, live(t, SLOT));
	/* The test empties the slot before the commit, which is allowed. */
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(0, raw_set_slot(r, SLOT, NULL, 0));
	EXPECT_TRUE(slot_empty(t, r, SLOT));
	EXPECT_TRUE(fx_open_still(t, self->job));
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, LEN, 0, SLOT));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	/*
	 * The test puts memory of its own into the slot, which the driver
	 * leaves alone.
	 */
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &self->job, ev));
	ASSERT_EQ(0, raw_set_slot(r, SLOT, user, 4096));
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, LEN, 0, SLOT + 1));
	EXPECT_EQ(LEN, client_wait(t->client, self->job, RAW_DEADLINE_MS));
	EXPECT_EQ(512, raw_fixed(r, true, t->srv.buf_fd, 0, SLOT,
				 (uintptr_t)user, 512));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-127 D-130 D-103 */
TEST_F(ab, D_130_operation_still_using_it)
{
	struct fixture *t = &self->t;
	struct raw_ring *r = &t->ring;
	struct raw_ev *ev = &self->ev;
	int p[2];
	__u64 id;

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, live(t, SLOT));
	ASSERT_EQ(0, fx_request(t, CLIENT_READ, WIN, LEN, &self->job, ev));
	ASSERT_EQ(0, raw_fixed_post(r, false, p[0], 0, SLOT, 0, LEN, &id));
	ASSERT_EQ(0, raw_arm(r, COMMIT, 0, 0, LEN, 0, SLOT));
	EXPECT_TRUE(fx_open_still(t, self->job));
	EXPECT_TRUE(slot_empty(t, r, SLOT));
	EXPECT_EQ(-EBUSY, raw_call(r, COMMIT, 0, 0, LEN, 0));
	raw_fill(t->srv.bufs, LEN, 35);
	ASSERT_EQ(LEN, write(p[1], t->srv.bufs, LEN));
	EXPECT_EQ(LEN, raw_await(r, id, RAW_DEADLINE_MS));
	EXPECT_EQ(LEN, fx_finish(t, self->job));
	EXPECT_EQ(0, memcmp(t->srv.bufs, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-127 D-109 D-132 */
TEST_F(ab, D_127_all_tags_want_one_slot)
{
	struct fixture *t = &self->t;
	struct raw_ev ev[4];
	int jobs[4], i, n = 0, need = 0;
	struct fixture u = *t;

	/* A second device with four tags. */
	ASSERT_EQ(0, fx_add(&u, 1, 4, variant->flags));
	fx_remember(t, u.info.dev_id);
	memset(&u.srv, 0, sizeof(u.srv));
	ASSERT_EQ(0, fx_serve(&u, 0));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, raw_arm(&u.ring, FETCH, 0, i, 0, 0,
				     SLOT | FALLBACK));
	ASSERT_EQ(0, fx_start(&u));
	for (i = 0; i < 4; i++)
		jobs[i] = client_blk(t->client, u.info.dev_id, CLIENT_WRITE,
				     WIN + i * 65536, LEN, 0);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, raw_request(&u.ring, &ev[i], RAW_DEADLINE_MS));
		ASSERT_EQ(0, ev[i].res);
		if (ev[i].iod.op_flags & UBLK_IO_F_NEED_REG_BUF)
			need++;
		else
			n++;
	}
	/*
	 * Without a partition scan nobody else reads, so the words are these.
	 */
	EXPECT_EQ(1, n);
	EXPECT_EQ(3, need);
	for (i = 3; i >= 0; i--)
		ASSERT_EQ(0, raw_commit(&u.ring, 0, ev[i].tag, LEN));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(LEN, client_wait(t->client, jobs[i],
					   RAW_DEADLINE_MS));
	EXPECT_TRUE(slot_empty(t, &u.ring, SLOT));
	EXPECT_EQ(0, fx_stop(&u));
	fx_close(&u);
}

FIXTURE(next) {
	struct fixture t;
	struct raw_ev ev;
};

FIXTURE_SETUP(next)
{
	struct fixture *t = &self->t;
	const __u64 flags = UBLK_F_AUTO_BUF_REG | UBLK_F_USER_RECOVERY;

	FX_SETUP(t, flags);
	ASSERT_EQ(0, fx_add(t, 1, 2, flags));
	ASSERT_EQ(0, fx_serve(t, 0));
	raw_fill(t->client->data, LEN, 31);
}

FIXTURE_TEARDOWN_PARENT(next)
{
	FX_TEARDOWN(&self->t);
}

/*
 * A server that lost its device, with requests in its ring's slots 0 and 1, serves it
 * again with the same ring, and each tag with the slot of the other one.
 *
 * covers: D-130 L-20
 */
TEST_F(next, D_130_slots_of_the_last_session)
{
	struct raw_ev *ev = &self->ev, write;
	struct fixture *t = &self->t;
	int job[2], i;

	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	/* No command is left, so none keeps the char node open. */
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job[i], ev));
	for (i = 0; i < 2; i++)
		ASSERT_TRUE(in_slot(t, &t->ring, i));
	raw_srv_close(&t->srv);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, raw_set_slot(&t->ring, i, NULL, 0));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-EIO, client_wait(t->client, job[i], RAW_DEADLINE_MS));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_QUIESCED));
	ASSERT_EQ(0, rec_start(t));

	ASSERT_EQ(0, raw_srv_open(&t->srv, &t->info));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, raw_arm(&t->ring, FETCH, 0, i, 0, 0, !i));
	ASSERT_EQ(0, rec_end(t));
	/* The first one is registered nowhere, the second in the first one's old slot. */
	ASSERT_EQ(0, fx_request(t, CLIENT_DISCARD, WIN, LEN, &job[0], ev));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job[1], &write));
	ASSERT_TRUE(in_slot(t, &t->ring, ev->tag));
	ASSERT_EQ(0, raw_arm(&t->ring, COMMIT, 0, ev->tag, 0, 0, write.tag));
	EXPECT_EQ(0, client_wait(t->client, job[0], RAW_DEADLINE_MS));
	EXPECT_TRUE(in_slot(t, &t->ring, ev->tag));
	ASSERT_EQ(0, raw_arm(&t->ring, COMMIT, 0, write.tag, LEN, 0, ev->tag));
	EXPECT_EQ(LEN, client_wait(t->client, job[1], RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
