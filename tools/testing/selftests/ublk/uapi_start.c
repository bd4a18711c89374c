// SPDX-License-Identifier: GPL-2.0
/*
 * START_DEV: its checks, what it waits for, what a started device looks like
 * (control.rst section 8), and the partition scan (lifecycle.rst section 9).
 *
 * runner: distro leaks
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <pthread.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"

#define START	UBLK_U_CMD_START_DEV

FIXTURE(start) {
	struct fixture t;
	int id;
};

FIXTURE_VARIANT(start) {
	int queues, depth;
	bool legacy;
};

FIXTURE_VARIANT_ADD(start, q1_d4) {
	.queues = 1, .depth = 4,
};

FIXTURE_VARIANT_ADD(start, q2_d2_legacy) {
	.queues = 2, .depth = 2, .legacy = true,
};

FIXTURE_SETUP(start)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, 0);
	t->ctl.legacy = variant->legacy;
	ASSERT_EQ(0, fx_add(t, variant->queues, variant->depth, 0));
	self->id = t->info.dev_id;
}

FIXTURE_TEARDOWN_PARENT(start)
{
	FX_TEARDOWN(&self->t);
}

/* START_DEV by the client, as it may wait. */
static int start_async(struct fixture *t, __u64 pid)
{
	return client_ctrl(t->client, START, t->info.dev_id, pid);
}

static bool waits(struct fixture *t, int job)
{
	return client_wait(t->client, job, RAW_QUIET_MS) == RAW_TIMEOUT;
}

/* covers: C-75a C-75b */
TEST_F(start, C_75a_early_refusals)
{
	struct raw_ctrl *c = &self->t.ctl;
	struct ublk_params p;

	/* The server is not ready, and none of these waits. */
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, 0));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, -1));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, 0x80000000ULL));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, 1ULL << 32));
	raw_params_init(&p);
	p.basic.logical_bs_shift = 0;
	EXPECT_EQ(-EINVAL, raw_set_params(c, self->id, &p));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, getpid()))
		TH_LOG("no parameters");
}

/* covers: C-75d D-49 L-20 C-76 */
TEST_F(start, C_75d_waits_for_the_last_tag)
{
	int nq = self->t.info.nr_hw_queues, qd = variant->depth;
	struct fixture *t = &self->t;
	int job, q, tag;

	job = start_async(t, getpid());
	EXPECT_TRUE(waits(t, job));
	ASSERT_EQ(0, fx_serve(t, 0));
	EXPECT_TRUE(waits(t, job));
	for (q = 0; q < nq; q++) {
		for (tag = 0; tag < qd; tag++) {
			if (q == nq - 1 && tag == qd - 1)
				EXPECT_TRUE(waits(t, job));
			ASSERT_EQ(0, raw_fetch(&t->ring, q, tag));
		}
	}
	EXPECT_EQ(0, client_wait_serving(t->client, job, &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-75d C-11 C-12 L-60 */
TEST_F(start, C_75d_interrupted_by_a_signal)
{
	struct ublksrv_ctrl_dev_info info;
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct fixture *t = &self->t;
	int job, ret;

	job = start_async(t, getpid());
	ASSERT_TRUE(raw_wait_worker(t->client->pid));
	EXPECT_TRUE(waits(t, job));
	/*
	 * The device is deleted, but can be found as long as the command waits.
	 */
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_DEL_DEV_ASYNC, self->id,
				 0));
	EXPECT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
	EXPECT_TRUE(waits(t, job));
	client_close(t->client);
	do {
		usleep(1000);
		ret = raw_get_info(&t->ctl, self->id, &info);
	} while (!ret && raw_now_ms() < end);
	EXPECT_EQ(-ENODEV, ret);
}

static void *own_tid(void *arg)
{
	*(int *)arg = syscall(SYS_gettid);
	return NULL;
}

/* covers: C-75e D-2 L-48 */
TEST_F(start, C_75e_pid_of_the_opener)
{
	struct fixture *t = &self->t;
	struct raw_ctrl *c = &t->ctl;
	pthread_t thread;
	int tid = 0;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, getppid()));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, t->client->pid));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, 0x7fffffff));
	ASSERT_EQ(0, pthread_create(&thread, NULL, own_tid, &tid));
	pthread_join(thread, NULL);
	EXPECT_EQ(-EINVAL, raw_dev_cmd(c, START, self->id, tid))
		TH_LOG("a thread id is not the process id");
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(c, self->id));
	/* Only the lower 32 bits are used. */
	EXPECT_EQ(0, client_wait_serving(t->client,
					 start_async(t, 5ULL << 32 | getpid()),
					 &t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-2 C-75e L-24 */
TEST_F(start, D_2_served_by_a_child_of_the_opener)
{
	struct fixture *t = &self->t;
	int fd, status, job;
	pid_t pid;

	fd = raw_char_open(self->id);
	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid) {
		/* The child uses the descriptor that it inherited. */
		static struct raw_ring ring;
		static struct raw_srv s;
		struct raw_ev ev;

		s.info = t->info;
		s.fd = fd;
		s.state = calloc(variant->queues * variant->depth, 1);
		s.bufs = calloc(variant->queues * variant->depth,
				RAW_IO_BYTES);
		if (raw_ring_open(&ring, &s, 0))
			_exit(1);
		for (int i = 0; i < variant->queues * variant->depth; i++) {
			raw_post(&ring, UBLK_U_IO_FETCH_REQ,
				 i / variant->depth, i % variant->depth, 0,
				 (uintptr_t)s.bufs, 0, NULL);
		}
		while (raw_event(&ring, &ev, 100) == RAW_TIMEOUT)
			;
		_exit(ev.res == -ENODEV ? 0 : 2);
	}
	ASSERT_LT(0, pid);
	/*
	 * The child's fetches made the device ready, but the opener is the
	 * server.
	 */
	EXPECT_EQ(-EINVAL, client_wait(t->client, start_async(t, pid),
				       RAW_DEADLINE_MS));
	close(fd);
	job = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, self->id, 0);
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* covers: C-75f C-76 C-61 C-128 L-46 L-72 L-74 L-77 */
TEST_F(start, C_75f_already_started)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	struct ublk_params p;
	char path[64];

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	snprintf(path, sizeof(path), "/dev/ublkb%d", self->id);
	EXPECT_EQ(0, access(path, F_OK));
	snprintf(path, sizeof(path), "/sys/block/ublkb%d/device", self->id);
	EXPECT_EQ(-1, access(path, F_OK)) TH_LOG("no parent device");
	ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
	EXPECT_EQ(UBLK_S_DEV_LIVE, info.state);
	EXPECT_EQ(getpid(), info.ublksrv_pid);
	ASSERT_EQ(0, raw_get_params(&t->ctl, self->id, &p));
	EXPECT_EQ(259, p.devt.disk_major);
	EXPECT_EQ(-EEXIST, raw_dev_cmd(&t->ctl, START, self->id, getpid()));
	/* A wrong pid is reported first. */
	EXPECT_EQ(-EINVAL, raw_dev_cmd(&t->ctl, START, self->id, 1));
	ASSERT_EQ(0, client_wait(t->client, client_hold(t->client, self->id),
				 RAW_DEADLINE_MS));
	ASSERT_EQ(0, fx_stop(t));
	ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
	EXPECT_EQ(UBLK_S_DEV_DEAD, info.state);
	EXPECT_EQ(-1, info.ublksrv_pid);
	fx_close(t);
	/* The next session is ready, but the old disk is still open. */
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EEXIST, raw_dev_cmd(&t->ctl, START, self->id, getpid()));
	client_release(t->client);
	EXPECT_EQ(0, fx_start(t));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-75g L-40 */
TEST_F(start, C_75g_stopping)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_STOP_DEV, self->id, 0));
	EXPECT_EQ(-EBUSY, raw_dev_cmd(&t->ctl, START, self->id, getpid()));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(&t->ctl, START, self->id, 1));
	EXPECT_LT(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	/* START_DEV works again when the session has ended. */
	fx_close(t);
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(0, fx_start(t));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-162 L-40 L-42 */
TEST_F(start, C_162_stop_ends_the_wait)
{
	struct fixture *t = &self->t;
	int right, wrong;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch(&t->ring, 0, 0));
	right = start_async(t, getpid());
	wrong = start_async(t, 1);
	EXPECT_TRUE(waits(t, right));
	EXPECT_TRUE(waits(t, wrong));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_STOP_DEV, self->id, 0));
	EXPECT_EQ(-EBUSY, client_wait(t->client, right, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINVAL, client_wait(t->client, wrong, RAW_DEADLINE_MS));
	EXPECT_EQ(1, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
}

/* covers: C-81 */
TEST_F(start, C_81_two_at_once)
{
	struct fixture *t = &self->t;
	int a, b, ra, rb;

	a = start_async(t, getpid());
	b = start_async(t, getpid());
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ra = client_wait_serving(t->client, a, &t->ring, RAW_DEADLINE_MS);
	rb = client_wait_serving(t->client, b, &t->ring, RAW_DEADLINE_MS);
	EXPECT_EQ(-EEXIST, ra + rb) TH_LOG("results %d and %d", ra, rb);
	EXPECT_TRUE(!ra || !rb);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-80 L-31 L-32 L-33 D-45 D-71 D-72 */
TEST_F(start, C_80_ready_with_a_canceled_command)
{
	struct fixture *t = &self->t;
	struct raw_ring gone;
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int q, tag, failed;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_ring_open(&gone, &t->srv, 0));
	ASSERT_EQ(0, raw_fetch(&gone, 0, 0));
	raw_ring_close(&gone);
	t->srv.state[0] = RAW_X;
	/* A canceled tag still counts as fetched. */
	if (variant->queues * variant->depth > 1)
		EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_FETCH_REQ, 0,
					    0, 0, 4096));
	for (q = 0; q < t->info.nr_hw_queues; q++) {
		for (tag = !q; tag < variant->depth; tag++)
			ASSERT_EQ(0, raw_fetch(&t->ring, q, tag));
	}
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	/*
	 * No queue does I/O, not even the one with all its commands, when a
	 * kernel thread has canceled the command.
	 */
	for (failed = 0; failed < 8; ) {
		ASSERT_GT(end, raw_now_ms());
		if (fx_blk(t, CLIENT_READ, RAW_WIN_START, 4096, 0) == -EIO)
			failed++;
		else
			failed = 0;
	}
	EXPECT_EQ(0, fx_stop(t));
	/* The next session works. */
	fx_close(t);
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, RAW_WIN_START, 4096, 0));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-134 L-22 L-49 */
TEST_F(start, L_49_start_and_stop_again)
{
	struct fixture *t = &self->t;
	struct ublk_params p;
	char path[64];
	int i;

	raw_params_init(&p);
	for (i = 1; i <= 5; i++) {
		p.basic.dev_sectors = 16384 * i;
		ASSERT_EQ(0, raw_set_params(&t->ctl, self->id, &p));
		ASSERT_EQ(0, fx_serve(t, 0));
		ASSERT_EQ(0, raw_fetch_all(&t->ring));
		ASSERT_EQ(0, fx_start(t));
		snprintf(path, sizeof(path), "/sys/block/ublkb%d/size",
			 self->id);
		EXPECT_EQ(16384 * i, raw_read_ulong(path));
		ASSERT_EQ(0, fx_stop(t));
		EXPECT_EQ(-1, access(path, F_OK));
		fx_close(t);
	}
}

/* covers: I-10 C-134 */
TEST_F(start, I_10_one_set_of_parameters)
{
	char size[64], block[80];
	struct fixture *t = &self->t;
	struct ublk_params p;
	int job;

	if (running_on_mainline())
		SKIP(return, "mainline has limits of one SET_PARAMS, capacity of another");
	job = start_async(t, getpid());
	EXPECT_TRUE(waits(t, job));
	raw_params_init(&p);
	p.basic.logical_bs_shift = 12;
	p.basic.dev_sectors = 16384;
	ASSERT_EQ(0, raw_set_params(&t->ctl, self->id, &p));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, client_wait_serving(t->client, job, &t->ring,
					 RAW_DEADLINE_MS));
	snprintf(size, sizeof(size), "/sys/block/ublkb%d/size", self->id);
	snprintf(block, sizeof(block),
		 "/sys/block/ublkb%d/queue/logical_block_size", self->id);
	EXPECT_EQ(raw_read_ulong(size) == 16384 ? 4096 : 512,
		  raw_read_ulong(block));
	EXPECT_EQ(0, fx_stop(t));
}

/* A device whose store begins with a partition table of one entry. */
static int partitioned(struct fixture *t, __u64 flags, bool drop)
{
	static const unsigned char entry[16] = {
		0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0,
	};
	struct ublk_params p;
	int ret;

	raw_info_init(&t->info, 1, 8, flags);
	ret = raw_add(&t->ctl, &t->info);
	if (ret)
		return ret;
	fx_remember(t, t->info.dev_id);
	raw_params_init(&p);
	ret = raw_set_params(&t->ctl, t->info.dev_id, &p);
	if (!ret)
		ret = fx_serve(t, 0);
	if (ret)
		return ret;
	memcpy(t->srv.store + 446, entry, sizeof(entry));
	t->srv.store[510] = 0x55;
	t->srv.store[511] = 0xaa;
	if (drop) {
		ret = raw_drop_privileges();
		if (ret)
			return ret;
	}
	ret = raw_fetch_all(&t->ring);
	return ret ? ret : fx_start(t);
}

/* Serve until the partition's node is there, or for @ms. */
static bool partition(struct fixture *t, int ms)
{
	long end = raw_now_ms() + ms;
	struct raw_ev ev;
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/ublkb%up1",
		 t->info.dev_id, t->info.dev_id);
	do {
		if (!access(path, F_OK))
			return true;
		if (!raw_event(&t->ring, &ev, 5))
			raw_serve(&t->ring, &ev);
	} while (raw_now_ms() < end);
	return false;
}

static long rescan(struct fixture *t)
{
	return fx_blk(t, CLIENT_RRPART, 0, 0, 0);
}

/* covers: C-79 L-80 L-72 L-77 F-13 */
TEST_F(start, L_80_partition_scan)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, partitioned(t, 0, false));
	EXPECT_TRUE(partition(t, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
	EXPECT_FALSE(partition(t, 0));
}

/* covers: L-80 L-81 */
TEST_F(start, L_80_no_scan_when_asked)
{
	struct fixture *t = &self->t;

	FX_REQUIRE(t, UBLK_F_NO_AUTO_PART_SCAN);
	ASSERT_EQ(0, partitioned(t, UBLK_F_NO_AUTO_PART_SCAN, false));
	EXPECT_FALSE(partition(t, 3 * RAW_QUIET_MS));
	EXPECT_EQ(0, rescan(t));
	EXPECT_TRUE(partition(t, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: L-80 L-82 D-48 */
TEST_F(start, L_82_no_scan_for_unprivileged_daemons)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, partitioned(t, 0, true));
	EXPECT_FALSE(partition(t, 3 * RAW_QUIET_MS));
	EXPECT_EQ(-EINVAL, rescan(t));
	EXPECT_FALSE(partition(t, 0));
}

TEST_HARNESS_MAIN
