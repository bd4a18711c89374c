// SPDX-License-Identifier: GPL-2.0
/*
 * The server exits: rings, threads and whole processes, before the start, idle,
 * with requests, during a stop and during a partition scan (data.rst D-70..D-72;
 * lifecycle.rst sections 3, 4 and 12). Devices without recovery.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"
#include "lib/server_proc.h"

#define START	UBLK_U_CMD_START_DEV
#define STOP	UBLK_U_CMD_STOP_DEV
#define WIN	RAW_WIN_START
/* Requests of a server that died end within this time (F: below 5 s). */
#define FAST_MS	5000

FIXTURE(gone) {
	struct fixture t;
	int id;
};

FIXTURE_VARIANT(gone) {
	int queues, depth;
	__u64 flags;
};

FIXTURE_VARIANT_ADD(gone, q1_d4) {
	.queues = 1, .depth = 4,
};

FIXTURE_VARIANT_ADD(gone, q2_d16_get_data) {
	.queues = 2, .depth = 16, .flags = UBLK_F_NEED_GET_DATA,
};

FIXTURE_SETUP(gone)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	ASSERT_EQ(0, fx_add(t, variant->queues, variant->depth,
			    variant->flags));
	self->id = t->info.dev_id;
}

FIXTURE_TEARDOWN_PARENT(gone)
{
	FX_TEARDOWN(&self->t);
}

/* A LIVE device with a server process. NULL on failure. */
static struct server_proc *live_server(struct fixture *t, enum server_hold hold)
{
	struct server_proc *s = server_launch(&t->info, hold, false);

	if (s && raw_dev_cmd(&t->ctl, START, t->info.dev_id, s->pid))
		return NULL;
	return s;
}

static bool disk_there(struct fixture *t)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%u", t->info.dev_id);
	return !access(path, F_OK);
}

/* covers: L-1 L-20 L-21 L-22 L-23 D-71 C-61 */
TEST_F(gone, L_20_killed_when_idle)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	struct server_proc *s;
	long start;
	int i;

	for (i = 0; i < 3; i++) {
		s = live_server(t, SERVER_HOLD_NONE);
		ASSERT_NE(NULL, s);
		ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
		EXPECT_EQ(s->pid, info.ublksrv_pid);
		start = raw_now_ms();
		ASSERT_EQ(0, server_kill(s));
		EXPECT_EQ(0, raw_wait_state(&t->ctl, self->id,
					    UBLK_S_DEV_DEAD));
		EXPECT_GT(FAST_MS, raw_now_ms() - start);
		EXPECT_FALSE(disk_there(t));
		ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
		EXPECT_EQ(-1, info.ublksrv_pid);
		/* The next iteration has another server on the same device. */
	}
}

/* covers: L-1 L-20 L-23 L-30 */
TEST_F(gone, L_23_killed_with_all_tags_owned)
{
	int n = self->t.info.nr_hw_queues * variant->depth;
	struct fixture *t = &self->t;
	int jobs[64], i, extra = 8, failed = 0;
	struct server_proc *s;
	long start, ret;

	s = live_server(t, SERVER_HOLD_WINDOW);
	ASSERT_NE(NULL, s);
	/*
	 * A job's CPU decides which queue's tags it can use. With two queues
	 * wait for half of the tags only.
	 */
	for (i = 0; i < n + extra; i++)
		jobs[i] = client_blk(t->client, self->id,
				     i % 2 ? CLIENT_WRITE : CLIENT_READ,
				     WIN + 65536 * i, 4096, 4096 * i);
	for (i = 0; i < n + extra; i++)
		ASSERT_TRUE(client_wait_open(t->client, jobs[i]));
	ASSERT_EQ(0, server_wait_kept(s, n / variant->queues));
	start = raw_now_ms();
	ASSERT_EQ(0, server_kill(s));
	for (i = 0; i < n + extra; i++) {
		ret = client_wait(t->client, jobs[i], FAST_MS);
		/* A request that comes late finds a disk of size 0 (L-46). */
		EXPECT_TRUE(ret == -EIO || !ret || ret == -ENOSPC) {
			TH_LOG("job %d: %ld", i, ret);
		}
		failed += ret == -EIO;
	}
	EXPECT_LE(n / variant->queues, failed);
	EXPECT_GT(FAST_MS, raw_now_ms() - start);
	EXPECT_EQ(0, raw_wait_state(&t->ctl, self->id, UBLK_S_DEV_DEAD));
	EXPECT_FALSE(disk_there(t));
}

/* covers: L-20 L-103 C-161 L-45 */
TEST_F(gone, L_103_killed_while_a_stop_waits)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	int job, stop;

	s = live_server(t, SERVER_HOLD_WINDOW);
	ASSERT_NE(NULL, s);
	job = client_blk(t->client, self->id, CLIENT_READ, WIN, 4096, 0);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	stop = client_ctrl(t->client, STOP, self->id, 0);
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, stop, RAW_QUIET_MS));
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(0, client_wait(t->client, stop, FAST_MS));
	EXPECT_EQ(-EIO, client_wait(t->client, job, FAST_MS));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
}

/* covers: L-104 L-45 C-161 C-71 */
TEST_F(gone, L_104_deleted_while_dying)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	struct ublk_params p;
	struct server_proc *s;
	int job, del, i;

	raw_params_init(&p);
	for (i = 0; i < 10; i++) {
		s = live_server(t, SERVER_HOLD_WINDOW);
		ASSERT_NE(NULL, s);
		job = client_blk(t->client, self->id, CLIENT_READ, WIN, 4096,
				 0);
		ASSERT_EQ(0, server_wait_kept(s, 1));
		if (i % 2) {
			del = client_ctrl(t->client, UBLK_U_CMD_DEL_DEV,
					  self->id, 0);
			usleep(1000 * i);
			ASSERT_EQ(0, server_kill(s));
		} else {
			ASSERT_EQ(0, server_kill(s));
			del = client_ctrl(t->client, UBLK_U_CMD_DEL_DEV,
					  self->id, 0);
		}
		EXPECT_EQ(0, client_wait(t->client, del, FAST_MS));
		EXPECT_EQ(-EIO, client_wait(t->client, job, FAST_MS));
		EXPECT_EQ(-ENODEV, raw_state(&t->ctl, self->id));
		raw_info_init(&info, variant->queues, variant->depth,
			      t->info.flags);
		info.dev_id = self->id;
		ASSERT_EQ(0, raw_add(&t->ctl, &info));
		ASSERT_EQ(0, raw_set_params(&t->ctl, self->id, &p));
	}
}

/* covers: L-21 L-22 D-72 L-32 F-16 */
TEST_F(gone, D_72_killed_before_the_start)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	int i;

	for (i = 0; i < 3; i++) {
		s = server_launch(&t->info, SERVER_HOLD_NONE, i == 1);
		ASSERT_NE(NULL, s);
		ASSERT_EQ(0, server_kill(s));
		EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	}
	s = live_server(t, SERVER_HOLD_NONE);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(4096, client_wait(t->client,
				    client_blk(t->client, self->id, CLIENT_READ,
					       WIN, 4096, 0), RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, STOP, self->id, 0));
	EXPECT_EQ(0, server_wait_exit(s, RAW_DEADLINE_MS));
}

/* covers: L-100 C-75d C-75e */
TEST_F(gone, L_100_start_waits_across_servers)
{
	struct fixture *t = &self->t;
	int first, second;
	struct server_proc *s;

	s = server_launch(&t->info, SERVER_HOLD_NONE, true);
	ASSERT_NE(NULL, s);
	first = client_ctrl(t->client, START, self->id, s->pid);
	second = client_ctrl(t->client, START, self->id, s->pid);
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, first, RAW_QUIET_MS));
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, first, RAW_QUIET_MS));
	/* Another server gets ready, but it is not the named one. */
	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(-EINVAL, client_wait(t->client, first, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINVAL, client_wait(t->client, second, RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, START, self->id, s->pid));
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, STOP, self->id, 0));
	EXPECT_EQ(0, server_wait_exit(s, RAW_DEADLINE_MS));
}

/* covers: L-24 D-4 D-70 L-30 */
TEST_F(gone, L_24_somebody_else_holds_the_node)
{
	struct fixture *t = &self->t;
	int job, state;
	pid_t holder;
	long ret;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	holder = fork();
	if (!holder) {
		pause();
		_exit(0);
	}
	ASSERT_LT(0, holder);
	/* The rings are shared with the child, so this ends the commands. */
	raw_ring_close(&t->ring);
	raw_srv_close(&t->srv);
	usleep(RAW_QUIET_MS * 1000);
	state = raw_state(&t->ctl, self->id);
	EXPECT_EQ(UBLK_S_DEV_LIVE, state);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	EXPECT_EQ(0, raw_wait_state(&t->ctl, self->id, UBLK_S_DEV_DEAD));
	job = client_blk(t->client, self->id, CLIENT_READ, WIN, 4096, 0);
	ret = client_wait(t->client, job, RAW_DEADLINE_MS);
	EXPECT_TRUE(ret < 0 && ret != RAW_TIMEOUT) TH_LOG("read: %ld", ret);
}

/* covers: D-70 D-71 L-31 L-33 */
TEST_F(gone, D_71_one_ring_closed)
{
	struct raw_ring other;
	struct fixture *t = &self->t;
	int q, tag, failed;
	long end;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_ring_open(&other, &t->srv, 0));
	ASSERT_EQ(0, raw_fetch(&other, 0, 0));
	for (q = 0; q < t->info.nr_hw_queues; q++) {
		for (tag = !q; tag < variant->depth; tag++)
			ASSERT_EQ(0, raw_fetch(&t->ring, q, tag));
	}
	ASSERT_EQ(0, fx_start(t));
	raw_ring_close(&other);
	t->srv.state[0] = RAW_X;
	/*
	 * All queues cancel, although only one command was lost. A kernel
	 * thread cancels that command before or after this; until then only
	 * that tag's requests fail.
	 */
	end = raw_now_ms() + RAW_DEADLINE_MS;
	for (failed = 0; failed < 4 + variant->depth; ) {
		ASSERT_GT(end, raw_now_ms());
		if (fx_blk(t, CLIENT_READ, WIN, 4096, 0) == -EIO)
			failed++;
		else
			failed = 0;
	}
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	EXPECT_EQ(0, fx_stop(t));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
}

struct half {
	struct raw_ring ring;
	int q, tag, ret;
};

static void *fetch_and_exit(void *arg)
{
	struct half *h = arg;

	h->ret = raw_fetch(&h->ring, h->q, h->tag);
	return NULL;
}

/* covers: D-70 D-33 */
TEST_F(gone, D_70_thread_exit_keeps_its_commands)
{
	struct fixture *t = &self->t;
	int qd = variant->depth, jobs[17], q, tag, i, nr, bad = 0;
	long end, ret;
	struct half *h = calloc(1, sizeof(*h));
	struct raw_ev ev;
	pthread_t thread;

	ASSERT_NE(NULL, h);
	ASSERT_EQ(0, fx_serve(t, 0));
	for (q = 0; q < t->info.nr_hw_queues; q++) {
		h->q = q;
		for (tag = 0; tag < qd; tag++) {
			if (tag % 2) {
				ASSERT_EQ(0, raw_fetch(&t->ring, q, tag));
				continue;
			}
			ASSERT_EQ(0, raw_ring_open(&h->ring, &t->srv, 0));
			h->tag = tag;
			ASSERT_EQ(0, pthread_create(&thread, NULL,
						    fetch_and_exit, h));
			pthread_join(thread, NULL);
			ASSERT_EQ(0, h->ret);
			/* The test never closes this ring. */
		}
	}
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &ev, RAW_QUIET_MS));
	ASSERT_EQ(0, fx_start(t));
	/*
	 * Requests with these tags fail at delivery; the others work. Start one
	 * read more than there are working tags and serve none: one must fail.
	 */
	nr = t->info.nr_hw_queues * qd / 2 + 1;
	ASSERT_GE((int)ARRAY_SIZE(jobs), nr);
	for (i = 0; i < nr; i++)
		jobs[i] = client_blk(t->client, self->id, CLIENT_READ,
				     WIN + 65536 * i, 4096, 0);
	end = raw_now_ms() + RAW_DEADLINE_MS;
	while (!bad && raw_now_ms() < end) {
		for (i = 0; i < nr; i++)
			bad += client_wait(t->client, jobs[i], 0) == -EIO;
		usleep(1000);
	}
	EXPECT_LT(0, bad);
	for (i = 0; i < nr; i++) {
		ret = client_wait_serving(t->client, jobs[i], &t->ring,
					  RAW_DEADLINE_MS);
		EXPECT_TRUE(ret == 4096 || ret == -EIO) {
			TH_LOG("result %ld", ret);
		}
	}
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-70 */
TEST_F(gone, D_70_async_cancel_finds_nothing)
{
	struct fixture *t = &self->t;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	__u64 fetch;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_post(&t->ring, UBLK_U_IO_FETCH_REQ, 0, 0, 0, 4096, 0,
			      &fetch));
	sqe = io_uring_get_sqe(&t->ring.ring);
	ASSERT_NE(NULL, sqe);
	io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, sqe, -1, (void *)fetch, 0, 0);
	sqe->user_data = 77;
	ASSERT_EQ(1, io_uring_submit_and_wait(&t->ring.ring, 1));
	ASSERT_EQ(0, io_uring_peek_cqe(&t->ring.ring, &cqe));
	EXPECT_EQ(77, cqe->user_data);
	EXPECT_EQ(-ENOENT, cqe->res);
}

/* covers: L-84 L-80 L-1 */
TEST_F(gone, L_84_killed_during_the_partition_scan)
{
	struct ublksrv_ctrl_dev_info *info = &self->t.info;
	struct fixture *t = &self->t;
	struct ublk_params p;
	struct server_proc *s;
	long start;

	raw_info_init(info, 1, 4, 0);
	ASSERT_EQ(0, raw_add(&t->ctl, info));
	fx_remember(t, info->dev_id);
	raw_params_init(&p);
	ASSERT_EQ(0, raw_set_params(&t->ctl, info->dev_id, &p));
	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	__atomic_store_n(&s->hold, SERVER_HOLD_ALL, __ATOMIC_RELEASE);
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, START, info->dev_id, s->pid));
	ASSERT_EQ(0, server_wait_kept(s, 1)) TH_LOG("the scan reads");
	start = raw_now_ms();
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, info->dev_id, UBLK_S_DEV_DEAD));
	EXPECT_GT(FAST_MS, raw_now_ms() - start);
	EXPECT_EQ(0, raw_del(&t->ctl, info->dev_id));
}

struct hammer_arg {
	int id, n;
	char *buf;
	int opened;
	int count;
};

/* Read and write until that fails. Returns the error. */
static long hammer_job(void *arg)
{
	struct hammer_arg *h = arg;
	long end = raw_now_ms() + RAW_DEADLINE_MS, ret;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", h->id);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	__atomic_store_n(&h->opened, 1, __ATOMIC_RELEASE);
	do {
		if (h->count % 2)
			ret = pwrite(fd, h->buf, 16384, WIN + 65536 * h->n);
		else
			ret = pread(fd, h->buf, 16384, WIN + 65536 * h->n);
		if (ret == 16384)
			h->count++;
	} while (ret == 16384 && raw_now_ms() < end);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static bool all_open(struct fixture *t, int *jobs, int n)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct hammer_arg *h;
	int i;

	for (i = 0; i < n; i++) {
		h = (struct hammer_arg *)t->client->jobs[jobs[i]].arg;
		while (!__atomic_load_n(&h->opened, __ATOMIC_ACQUIRE)) {
			if (raw_now_ms() >= end)
				return false;
			usleep(500);
		}
	}
	return true;
}

/* covers: L-20 L-23 L-1 L-46 D-70 */
TEST_F(gone, L_23_killed_at_any_moment)
{
	struct hammer_arg h = { .id = self->id };
	struct fixture *t = &self->t;
	int jobs[8], i, n;
	struct server_proc *s;
	long start, ret;

	for (n = 0; n < 10; n++) {
		s = live_server(t, SERVER_HOLD_NONE);
		ASSERT_NE(NULL, s);
		for (i = 0; i < 8; i++) {
			h.n = i;
			h.buf = t->client->data + 65536 * i;
			jobs[i] = client_start(t->client, hammer_job, &h,
					       sizeof(h));
			ASSERT_LE(0, jobs[i]);
		}
		ASSERT_TRUE(all_open(t, jobs, 8));
		usleep(700 * n);
		start = raw_now_ms();
		ASSERT_EQ(0, server_kill(s));
		for (i = 0; i < 8; i++) {
			ret = client_wait(t->client, jobs[i], RAW_DEADLINE_MS);
			EXPECT_TRUE(ret == -EIO || !ret || ret == -ENOSPC) {
				TH_LOG("turn %d job %d: %ld", n, i, ret);
			}
		}
		EXPECT_GT(FAST_MS, raw_now_ms() - start);
		EXPECT_EQ(0, raw_wait_state(&t->ctl, self->id,
					    UBLK_S_DEV_DEAD));
	}
}

TEST_HARNESS_MAIN
