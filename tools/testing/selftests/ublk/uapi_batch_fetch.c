// SPDX-License-Identifier: GPL-2.0
/*
 * FETCH_IO_CMDS: how requests reach the server (data.rst D-184 to D-195). Lists
 * of tags, their order, provided buffers of all kinds, commands that end with
 * ENOBUFS, several commands per queue, commands from other threads and workers.
 * Refused commands are in uapi_batch_cmds.c.
 *
 * A device is LIVE as soon as its tags are prepared, with or without fetch
 * commands, so a test can make requests wait in the driver before it sends one.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <pthread.h>
#include "kselftest_harness.h"
#include "lib/fixture_batch.h"

#define DEFER	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define DEPTH	256

FIXTURE(fetch) {
	struct fixture_batch u;
	struct raw_batch *b;
	int jobs[16];
};

FIXTURE_VARIANT(fetch) {
	unsigned int ring;
};

FIXTURE_VARIANT_ADD(fetch, plain) {
	.ring = 0,
};

FIXTURE_VARIANT_ADD(fetch, defer) {
	.ring = DEFER,
};

FIXTURE_SETUP(fetch)
{
	struct fixture_batch *u = &self->u;

	FX_SETUP(&u->t, UBLK_F_BATCH_IO);
	self->b = &u->b;
	ASSERT_EQ(0, fx_add(&u->t, 1, DEPTH, UBLK_F_BATCH_IO));
	ASSERT_EQ(0, fxb_serve(u, variant->ring));
	ASSERT_EQ(0, raw_batch_prep_all(&u->b));
	ASSERT_EQ(0, fxb_start(u));
	ASSERT_EQ(0, fxb_no_scheduler(u));
}

FIXTURE_TEARDOWN_PARENT(fetch)
{
	FX_TEARDOWN(&self->u.t);
}

static const int far_order[] = { 7, 2, 9, 0, 5, 1, 8, 3, 6, 4 };

/* Reads that wait in the driver, at the steps of far_order[]. */
static int enqueue(struct fixture_batch *u, int nr, int *jobs)
{
	return fxb_enqueue(u, CLIENT_READ, far_order, nr, jobs);
}

/* Answer one tag of queue 0. */
static int answer(struct fixture_batch *u, int tag)
{
	struct raw_ev ev = { .tag = tag, .iod = raw_desc(&u->t.srv, 0, tag) };

	return raw_batch_serve(&u->b, &ev);
}

/*
 * Expect a list of @nr requests, far_order[] from @first on, and answer them.
 */
static int list(struct fixture_batch *u, int first, int nr, struct raw_bev *ev)
{
	struct ublksrv_io_desc iod;
	int i, ret;

	ret = raw_batch_event(&u->b, ev, RAW_DEADLINE_MS);
	if (ret)
		return ret;
	if (ev->res != 2 * nr)
		return ev->res < 0 ? ev->res : -ERANGE;
	if ((ev->flags & 3) != (IORING_CQE_F_BUFFER | IORING_CQE_F_MORE))
		return -EBADF;
	for (i = 0; i < nr; i++) {
		iod = raw_desc(&u->t.srv, 0, ev->tags[i]);
		if (fxb_where(&iod) != far_order[first + i])
			return -EILSEQ;
		ret = answer(u, ev->tags[i]);
		if (ret)
			return ret;
	}
	return 0;
}

/* Expect the end of a fetch command. Its result, or another CQE's. */
static int ended(struct fixture_batch *u, struct raw_bev *ev)
{
	int ret = raw_batch_event(&u->b, ev, RAW_DEADLINE_MS);

	if (ret)
		return ret;
	return ev->flags & IORING_CQE_F_MORE ? -EPROTO : ev->res;
}

static int all_read(struct fixture_batch *u, const int *jobs, int nr)
{
	long ret = 4096;
	int i;

	for (i = 0; i < nr && ret == 4096; i++)
		ret = client_wait(u->t.client, jobs[i], RAW_DEADLINE_MS);
	return ret == 4096 ? 0 : ret;
}

/* A group of one buffer with any address and length, or of none. */
static int one_buffer(struct fixture_batch *u, int group, void *addr,
		      unsigned int len)
{
	int ret = raw_group_open(&u->b, group, 1, 0, 0);

	if (!ret && addr)
		raw_group_add(&u->b, group, 0, addr, len);
	return ret;
}

/* covers: D-187 D-186 D-193 D-194 D-20 D-21 */
TEST_F(fetch, D_187_list_in_order)
{
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;
	int seq, i;

	ASSERT_EQ(0, enqueue(u, 6, self->jobs));
	seq = raw_batch_fetch(self->b, 0, 0);
	ASSERT_LT(0, seq);
	ASSERT_EQ(0, list(u, 0, 6, &ev));
	EXPECT_EQ(seq, ev.seq);
	EXPECT_EQ(0, all_read(u, self->jobs, 6));
	/* The command stays active; each request has a list of its own now. */
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, &far_order[i], 1,
					 self->jobs));
		ASSERT_EQ(0, list(u, i, 1, &ev));
		EXPECT_EQ(seq, ev.seq);
		EXPECT_EQ(0, all_read(u, self->jobs, 1));
	}
	EXPECT_EQ(1, self->b->fetches);
	EXPECT_EQ(0, fxb_stop(u));
	EXPECT_EQ(1, raw_batch_collect_abort(self->b, RAW_DEADLINE_MS));
}

/* covers: D-187 */
TEST_F(fetch, D_187_at_most_128)
{
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;
	int job, i, n, got = 0;
	bool seen[DEPTH] = { false };

	fxb_mark(u->t.srv.store);
	job = fxb_burst(u, 200, 1);
	ASSERT_LE(0, job);
	ASSERT_EQ(0, fxb_wait_inflight(u, 200));
	ASSERT_TRUE(client_wait_sleep(u->t.client, job));
	ASSERT_EQ(0, raw_group_open(self->b, 1, 4, 1024, 0));
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	for (n = 0; n < 2; n++) {
		ASSERT_EQ(0, raw_batch_event(self->b, &ev, RAW_DEADLINE_MS));
		EXPECT_EQ(n ? 2 * 72 : 2 * 128, ev.res);
		EXPECT_EQ(n, ev.bid);
		for (i = 0; i < ev.count; i++, got++) {
			struct ublksrv_io_desc iod =
				raw_desc(&u->t.srv, 0, ev.tags[i]);

			EXPECT_EQ(got, fxb_where(&iod));
			EXPECT_FALSE(seen[ev.tags[i]]);
			seen[ev.tags[i]] = true;
		}
	}
	for (i = 0; i < DEPTH; i++) {
		if (seen[i])
			ASSERT_EQ(0, answer(u, i));
	}
	EXPECT_EQ(200, client_wait(u->t.client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-190 D-187 */
TEST_F(fetch, D_190_out_of_buffers)
{
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;

	/* Two buffers with room for one tag each, and three requests. */
	ASSERT_EQ(0, enqueue(u, 3, self->jobs));
	ASSERT_EQ(0, raw_group_open(self->b, 1, 2, 2, 0));
	self->b->groups[1].keep = true;
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	ASSERT_EQ(0, list(u, 0, 1, &ev));
	EXPECT_EQ(0, ev.bid);
	ASSERT_EQ(0, list(u, 1, 1, &ev));
	EXPECT_EQ(1, ev.bid);
	EXPECT_EQ(-ENOBUFS, ended(u, &ev));
	EXPECT_FALSE(client_done(u->t.client, self->jobs[2]));
	EXPECT_TRUE(fxb_quiet(u));
	/* A new buffer alone has no effect, a new command has. */
	raw_group_refill(self->b, 1, 1);
	EXPECT_TRUE(fxb_quiet(u));
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	ASSERT_EQ(0, list(u, 2, 1, &ev));
	EXPECT_EQ(1, ev.bid);
	EXPECT_EQ(0, all_read(u, self->jobs, 3));
	/* The command waits for the next request, and then finds no buffer. */
	EXPECT_TRUE(fxb_quiet(u));
	ASSERT_EQ(0, enqueue(u, 1, self->jobs));
	EXPECT_EQ(-ENOBUFS, ended(u, &ev));
	raw_group_refill(self->b, 1, 0);
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	ASSERT_EQ(0, list(u, 0, 1, &ev));
	EXPECT_EQ(0, all_read(u, self->jobs, 1));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-190 D-191 */
TEST_F(fetch, D_190_no_use)
{
	static const struct { unsigned long addr; unsigned int len; } bad[] = {
		{ 4096, 64 },			/* not mapped */
		{ 0xffff800000000000UL, 64 },	/* address of the kernel */
		{ 2, 0 }, { 2, 1 },		/* too short for a tag */
		{ 0, 0 },			/* group without buffers */
		{ 0, 0 },			/* unknown group */
	};
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;
	char byte[64], *addr;
	unsigned int i;

	ASSERT_EQ(0, enqueue(u, 1, self->jobs));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		addr = bad[i].addr == 2 ? byte : (void *)bad[i].addr;
		if (i < 5)
			ASSERT_EQ(0, one_buffer(u, i + 1, addr, bad[i].len));
		ASSERT_LT(0, raw_batch_fetch(self->b, 0, i + 1));
		EXPECT_EQ(-ENOBUFS, ended(u, &ev)) TH_LOG("case %u", i);
		EXPECT_EQ(0, self->b->fetches);
		EXPECT_TRUE(fxb_quiet(u));
		EXPECT_FALSE(client_done(u->t.client, self->jobs[0]));
	}
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	ASSERT_EQ(0, list(u, 0, 1, &ev));
	EXPECT_EQ(0, all_read(u, self->jobs, 1));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-191 */
TEST_F(fetch, D_191_failed_attempt_goes_last)
{
	static const int rotated[] = { 2, 3, 4, 0, 1 };
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;
	int i;

	/* The driver has taken two tags for a list that it cannot write. */
	ASSERT_EQ(0, enqueue(u, 5, self->jobs));
	ASSERT_EQ(0, one_buffer(u, 1, (void *)4096, 4));
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	EXPECT_EQ(-ENOBUFS, ended(u, &ev));
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	ASSERT_EQ(0, raw_batch_event(self->b, &ev, RAW_DEADLINE_MS));
	ASSERT_EQ(10, ev.res);
	for (i = 0; i < 5; i++) {
		struct ublksrv_io_desc iod =
			raw_desc(&u->t.srv, 0, ev.tags[i]);

		EXPECT_EQ(far_order[rotated[i]], fxb_where(&iod));
		EXPECT_EQ(0, answer(u, ev.tags[i]));
	}
	EXPECT_EQ(0, all_read(u, self->jobs, 5));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-191 D-193 I-44 */
TEST_F(fetch, I_44_next_command_takes_over)
{
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;
	int first, second;

	first = raw_batch_fetch(self->b, 0, 7);
	second = raw_batch_fetch(self->b, 0, 0);
	ASSERT_LT(0, first);
	ASSERT_LT(0, second);
	EXPECT_TRUE(fxb_quiet(u));
	ASSERT_EQ(0, enqueue(u, 1, self->jobs));
	EXPECT_EQ(-ENOBUFS, ended(u, &ev));
	EXPECT_EQ(first, ev.seq);
	if (running_on_mainline()) {
		/*
		 * Mainline delivers it only when something else happens on the
		 * queue.
		 */
		EXPECT_TRUE(fxb_quiet(u));
		ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	}
	ASSERT_EQ(0, list(u, 0, 1, &ev));
	EXPECT_EQ(second, ev.seq);
	EXPECT_EQ(0, all_read(u, self->jobs, 1));
	EXPECT_EQ(0, fxb_stop(u));
}

/* Read lists of together @nr tags on @b and answer the requests. */
static int collect(struct fixture_batch *u, struct raw_batch *b, int nr)
{
	struct raw_bev ev;
	int i, ret;

	while (nr > 0) {
		ret = raw_batch_event(b, &ev, RAW_DEADLINE_MS);
		if (ret || ev.res <= 0)
			return ret ? ret : ev.res;
		for (i = 0; i < ev.count; i++, nr--) {
			ret = answer(u, ev.tags[i]);
			if (ret)
				return ret;
		}
	}
	return nr;
}

/* covers: D-192 */
TEST_F(fetch, D_192_first_command_first)
{
	struct fixture_batch *u = &self->u;
	struct raw_batch *other = calloc(1, sizeof(*other));
	struct raw_bev ev;
	int seq, i;

	/* Group 1 has buffers for two lists, the other ring's is refilled. */
	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, raw_group_open(self->b, 1, 2, 64, 0));
	self->b->groups[1].keep = true;
	seq = raw_batch_fetch(self->b, 0, 1);
	ASSERT_LT(0, seq);
	ASSERT_EQ(0, raw_batch_open(other, &u->t.srv, 0));
	ASSERT_EQ(0, raw_group_open(other, 0, 2, 64, 0));
	ASSERT_LT(0, raw_batch_fetch(other, 0, 0));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, enqueue(u, 1, self->jobs));
		ASSERT_EQ(0, list(u, 0, 1, &ev));
		EXPECT_EQ(seq, ev.seq);
		EXPECT_EQ(0, all_read(u, self->jobs, 1));
	}
	EXPECT_EQ(RAW_TIMEOUT, raw_batch_event(other, &ev, RAW_QUIET_MS));
	/*
	 * With mainline the other command does not notice this end, but the
	 * next request (I-44).
	 */
	ASSERT_EQ(0, enqueue(u, 1, self->jobs));
	EXPECT_EQ(-ENOBUFS, ended(u, &ev));
	EXPECT_EQ(seq, ev.seq);
	ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, &far_order[1], 1,
				 self->jobs + 1));
	EXPECT_EQ(0, collect(u, other, 2));
	EXPECT_EQ(0, all_read(u, self->jobs, 2));
	/* A command that is sent later has to wait. */
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	ASSERT_EQ(0, enqueue(u, 1, self->jobs));
	EXPECT_EQ(0, collect(u, other, 1));
	EXPECT_EQ(0, all_read(u, self->jobs, 1));
	EXPECT_TRUE(fxb_quiet(u));
	EXPECT_EQ(0, fxb_stop(u));
	EXPECT_EQ(1, raw_batch_collect_abort(self->b, RAW_DEADLINE_MS));
	EXPECT_EQ(1, raw_batch_collect_abort(other, RAW_DEADLINE_MS));
	raw_batch_close(other);
}

/* covers: D-187 */
TEST_F(fetch, D_187_incremental_buffers)
{
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;
	int i;

	/* Buffers with room for four tags each, filled bit by bit. */
	if (raw_group_open(self->b, 1, 2, 8, RAW_BUF_RING_INC))
		SKIP(return, "no incremental buffer rings");
	self->b->groups[1].keep = true;
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, enqueue(u, 1, self->jobs));
		ASSERT_EQ(0, list(u, 0, 1, &ev)) TH_LOG("request %d", i);
		EXPECT_EQ(i / 4, ev.bid);
		EXPECT_EQ(i % 4 != 3, !!(ev.flags & RAW_CQE_BUF_MORE));
		EXPECT_EQ(0, all_read(u, self->jobs, 1));
	}
	ASSERT_EQ(0, enqueue(u, 3, self->jobs));
	EXPECT_EQ(-ENOBUFS, ended(u, &ev));
	/* Three tags at once, where the first buffer has room for two. */
	raw_group_add(self->b, 1, 0, NULL, 4);
	raw_group_add(self->b, 1, 1, NULL, 8);
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	EXPECT_EQ(0, collect(u, self->b, 3));
	EXPECT_EQ(0, all_read(u, self->jobs, 3));
	EXPECT_EQ(2, self->b->groups[1].used[1]);
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: D-187 D-190 */
TEST_F(fetch, D_187_incremental_odd)
{
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;

	if (raw_group_open(self->b, 1, 1, 5, RAW_BUF_RING_INC))
		SKIP(return, "no incremental buffer rings");
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 1));
	ASSERT_EQ(0, enqueue(u, 3, self->jobs));
	/* Two tags fit; the odd byte is too short for a tag. */
	EXPECT_EQ(0, collect(u, self->b, 2));
	EXPECT_EQ(-ENOBUFS, ended(u, &ev));
	EXPECT_EQ(4, self->b->groups[1].used[0]) TH_LOG("the buffer is not finished");
	EXPECT_FALSE(client_done(u->t.client, self->jobs[2]));
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	EXPECT_EQ(0, collect(u, self->b, 1));
	EXPECT_EQ(0, all_read(u, self->jobs, 3));
	EXPECT_EQ(0, fxb_stop(u));
}

struct thread {
	struct fixture_batch *u;
	unsigned int ring;
	int rounds, res;
	int ready;
};

static void *thread(void *arg)
{
	struct thread *t = arg;
	struct raw_batch *b = calloc(1, sizeof(*b));

	t->res = b ? raw_batch_open(b, &t->u->t.srv, t->ring) : -ENOMEM;
	if (!t->res)
		t->res = raw_group_open(b, 0, 4, 64, 0);
	if (!t->res)
		t->res = raw_batch_fetch(b, 0, 0) < 0 ? -EIO : 0;
	__atomic_store_n(&t->ready, 1, __ATOMIC_RELEASE);
	for (; !t->res && t->rounds; t->rounds--)
		t->res = collect(t->u, b, 1);
	if (!t->res)
		t->res = raw_batch_collect_abort(b, RAW_DEADLINE_MS);
	raw_batch_close(b);
	free(b);
	return NULL;
}

/* covers: D-161 D-188 D-192 */
TEST_F(fetch, D_188_in_the_fetching_thread)
{
	struct thread t = {
		.u = &self->u, .ring = variant->ring, .rounds = 3,
	};
	struct fixture_batch *u = &self->u;
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	pthread_t id;
	int i;

	if (variant->ring)
		SKIP(return, "the other thread answers over the ring of this one");
	ASSERT_EQ(0, pthread_create(&id, NULL, thread, &t));
	while (!__atomic_load_n(&t.ready, __ATOMIC_ACQUIRE))
		ASSERT_GT(end, raw_now_ms());
	for (i = 0; i < 3; i++) {
		self->jobs[0] = fxb_blk(u, CLIENT_READ, RAW_WIN_START, 4096);
		EXPECT_EQ(0, all_read(u, self->jobs, 1));
	}
	EXPECT_EQ(0, raw_dev_cmd(&u->t.ctl, UBLK_U_CMD_STOP_DEV,
				 u->t.info.dev_id, 0));
	ASSERT_EQ(0, pthread_join(id, NULL));
	EXPECT_EQ(1, t.res);
}

/* covers: D-161 D-186 */
TEST_F(fetch, D_161_polling_thread)
{
	struct fixture_batch *u = &self->u;
	struct raw_batch *b = calloc(1, sizeof(*b));

	ASSERT_NE(NULL, b);
	ASSERT_EQ(0, raw_batch_open(b, &u->t.srv, IORING_SETUP_SQPOLL));
	ASSERT_EQ(0, raw_group_open(b, 0, 4, 64, 0));
	ASSERT_LT(0, raw_batch_fetch(b, 0, 0));
	ASSERT_EQ(0, enqueue(u, 4, self->jobs));
	EXPECT_EQ(0, collect(u, b, 4));
	EXPECT_EQ(0, all_read(u, self->jobs, 4));
	EXPECT_EQ(0, fxb_stop(u));
	EXPECT_EQ(1, raw_batch_collect_abort(b, RAW_DEADLINE_MS));
	raw_batch_close(b);
}

/* A fetch command that an io_uring worker issues. */
static int fetch_async(struct raw_batch *b)
{
	struct raw_bcmd cmd = {
		.op = RAW_FETCH, .size = 2, .uring_flags = RAW_CMD_MULTISHOT,
		.sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_ASYNC,
	};
	int ret = raw_batch_post(b, &cmd);

	b->fetches++;
	return ret;
}

/* covers: D-161 I-7 */
TEST_F(fetch, I_7_from_a_worker_idle)
{
	struct fixture_batch *u = &self->u;

	ASSERT_LT(0, fetch_async(self->b));
	EXPECT_TRUE(fxb_quiet(u));
	ASSERT_EQ(0, enqueue(u, 4, self->jobs));
	EXPECT_EQ(0, collect(u, self->b, 4));
	EXPECT_EQ(0, all_read(u, self->jobs, 4));
	EXPECT_EQ(0, fxb_stop(u));
	EXPECT_EQ(1, raw_batch_collect_abort(self->b, RAW_DEADLINE_MS));
}

/* covers: I-7 */
TEST_F(fetch, I_7_from_a_worker_queued)
{
	struct fixture_batch *u = &self->u;

	if (running_on_mainline())
		SKIP(return, "D-161: mainline's list stays invisible");
	ASSERT_EQ(0, enqueue(u, 4, self->jobs));
	ASSERT_LT(0, fetch_async(self->b));
	EXPECT_EQ(0, collect(u, self->b, 4));
	EXPECT_EQ(0, all_read(u, self->jobs, 4));
	EXPECT_EQ(0, fxb_stop(u));
	EXPECT_EQ(1, raw_batch_collect_abort(self->b, RAW_DEADLINE_MS));
}

/* Buffers of a few bytes: as many tags per list as fit. */
FIXTURE(small) {
	struct fixture_batch u;
	int jobs[16];
};

FIXTURE_VARIANT(small) {
	unsigned int bytes;
};

FIXTURE_VARIANT_ADD(small, bytes_2) {
	.bytes = 2,
};

FIXTURE_VARIANT_ADD(small, bytes_3) {
	.bytes = 3,
};

FIXTURE_VARIANT_ADD(small, bytes_5) {
	.bytes = 5,
};

FIXTURE_VARIANT_ADD(small, bytes_7) {
	.bytes = 7,
};

FIXTURE_SETUP(small)
{
	struct fixture_batch *u = &self->u;

	FX_SETUP(&u->t, UBLK_F_BATCH_IO);
	ASSERT_EQ(0, fx_add(&u->t, 1, 16, UBLK_F_BATCH_IO));
	ASSERT_EQ(0, fxb_serve(u, 0));
	ASSERT_EQ(0, raw_batch_prep_all(&u->b));
	ASSERT_EQ(0, fxb_start(u));
	ASSERT_EQ(0, fxb_no_scheduler(u));
}

FIXTURE_TEARDOWN_PARENT(small)
{
	FX_TEARDOWN(&self->u.t);
}

/* covers: D-187 */
TEST_F(small, D_187_lists)
{
	int per = variant->bytes / 2, n, i;
	struct fixture_batch *u = &self->u;
	struct raw_bev ev;

	ASSERT_EQ(0, raw_group_open(&u->b, 1, 16, variant->bytes, 0));
	ASSERT_EQ(0, enqueue(u, 10, self->jobs));
	ASSERT_LT(0, raw_batch_fetch(&u->b, 0, 1));
	for (i = 0, n = 0; n < 10; i++, n += per) {
		ASSERT_EQ(0, list(u, n, n + per > 10 ? 10 - n : per, &ev)) {
			TH_LOG("request %d", n);
		}
		EXPECT_EQ(i, ev.bid);
	}
	EXPECT_EQ(0, all_read(u, self->jobs, 10));
	EXPECT_EQ(0, fxb_stop(u));
}

TEST_HARNESS_MAIN
