// SPDX-License-Identifier: GPL-2.0
/*
 * STOP_DEV on idle, busy, mounted and broken devices (control.rst section 9,
 * lifecycle.rst section 5). The test itself serves the device; servers that die
 * during a stop are in uapi_exit.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"

#define STOP	UBLK_U_CMD_STOP_DEV
#define WIN	RAW_WIN_START

FIXTURE(stop) {
	struct fixture t;
	int id;
};

FIXTURE_VARIANT(stop) {
	int queues, depth;
	bool legacy;
	__u64 flags;
};

FIXTURE_VARIANT_ADD(stop, q1_d4) {
	.queues = 1, .depth = 4,
};

FIXTURE_VARIANT_ADD(stop, q2_d2_legacy_get_data) {
	.queues = 2, .depth = 2, .legacy = true,
	.flags = UBLK_F_NEED_GET_DATA,
};

FIXTURE_SETUP(stop)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	t->ctl.legacy = variant->legacy;
	ASSERT_EQ(0, fx_add(t, variant->queues, variant->depth,
			    variant->flags));
	self->id = t->info.dev_id;
}

FIXTURE_TEARDOWN_PARENT(stop)
{
	FX_TEARDOWN(&self->t);
}

static int live(struct fixture *t)
{
	int ret = fx_serve(t, 0);

	if (!ret)
		ret = raw_fetch_all(&t->ring);
	return ret ? ret : fx_start(t);
}

static int stop_async(struct fixture *t)
{
	return client_ctrl(t->client, STOP, t->info.dev_id, 0);
}

static bool waits(struct fixture *t, int job)
{
	return client_wait(t->client, job, RAW_QUIET_MS) == RAW_TIMEOUT;
}

/* A read that this server owns and has not answered. */
static int own_one(struct fixture *t, int *job, struct raw_ev *ev)
{
	*job = client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, 4096, 0);
	return raw_request(&t->ring, ev, RAW_DEADLINE_MS);
}

/* covers: C-82 L-41 L-48 */
TEST_F(stop, C_82_dead_device)
{
	struct fixture *t = &self->t;
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, raw_dev_cmd(&t->ctl, STOP, self->id, 0));
	/*
	 * Nobody had the node open, so the device does not remember the stop.
	 */
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, STOP, self->id, 0));
}

/* covers: C-82 C-83 L-40 */
TEST_F(stop, L_40_open_but_nothing_fetched)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, STOP, self->id, 0));
	EXPECT_EQ(-ENODEV, raw_call(&t->ring, UBLK_U_IO_FETCH_REQ, 0, 0, 0,
				    4096));
	EXPECT_EQ(-EBUSY, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, self->id,
				      getpid()));
	fx_close(t);
	ASSERT_EQ(0, live(t));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-82 L-42 L-49 D-30 F-18 F-20 */
TEST_F(stop, C_82_idle_live_device)
{
	int n = self->t.info.nr_hw_queues * variant->depth;
	struct fixture *t = &self->t;
	char path[64];

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	snprintf(path, sizeof(path), "/dev/ublkb%d", self->id);
	EXPECT_EQ(-1, access(path, F_OK));
	/*
	 * Every ENODEV has been posted before the command's own completion. The
	 * wait for the stop has read some of them.
	 */
	EXPECT_LE(0, raw_collect_abort(&t->ring, 0));
	EXPECT_EQ(RAW_X, raw_tag_state(&t->srv, 0, 0));
	EXPECT_EQ(RAW_X, raw_tag_state(&t->srv, t->info.nr_hw_queues - 1,
				       n / t->info.nr_hw_queues - 1));
}

/* covers: L-43 L-44 L-45 D-58 C-82 D-237 */
TEST_F(stop, L_43_waits_for_an_owned_request)
{
	struct fixture *t = &self->t;
	struct raw_ev ev, other;
	int job, stop;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_one(t, &job, &ev));
	stop = stop_async(t);
	EXPECT_TRUE(waits(t, stop));
	/* No ENODEV while the server owns a request. */
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &other, RAW_QUIET_MS));
	EXPECT_FALSE(client_done(t->client, job));
	memset(raw_buf(&t->srv, ev.q, ev.tag), 0x29, 4096);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
	EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_EQ(0x29, t->client->data[0]);
	EXPECT_EQ(0, client_wait_serving(t->client, stop, &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
}

/* covers: L-44 D-63 */
TEST_F(stop, L_44_waits_for_an_announced_write)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, stop;

	ASSERT_EQ(0, live(t));
	job = client_blk(t->client, self->id, CLIENT_WRITE, WIN, 4096, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	stop = stop_async(t);
	EXPECT_TRUE(waits(t, stop));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_EQ(0, client_wait_serving(t->client, stop, &t->ring,
					 RAW_DEADLINE_MS));
}

/* covers: I-42 C-160 D-44 D-47 */
TEST_F(stop, I_42_fetch_does_not_hang_behind_stop)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, stop, ret;

	if (running_on_mainline())
		SKIP(return, "mainline's FETCH waits for the lock that STOP_DEV holds");
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_one(t, &job, &ev));
	stop = stop_async(t);
	EXPECT_TRUE(waits(t, stop));
	ret = raw_call(&t->ring, UBLK_U_IO_FETCH_REQ, ev.q, ev.tag, 0, 4096);
	EXPECT_TRUE(ret == -EBUSY || ret == -ENODEV) {
		TH_LOG("result %d", ret);
	}
	ret = raw_thread_call(&t->srv, UBLK_U_IO_FETCH_REQ, 0, 0, 0, 4096);
	EXPECT_TRUE(ret == -EBUSY || ret == -ENODEV) {
		TH_LOG("result %d from another thread", ret);
	}
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
	EXPECT_EQ(0, client_wait_serving(t->client, stop, &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
}

/* covers: I-47 L-45 C-58 */
TEST_F(stop, I_47_bad_server_blocks_no_other_device)
{
	struct ublksrv_ctrl_dev_info other;
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, del, add;
	long start;

	if (running_on_mainline())
		SKIP(return, "mainline's ADD_DEV waits until the deletion has ended");
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_one(t, &job, &ev));
	del = client_ctrl(t->client, UBLK_U_CMD_DEL_DEV, self->id, 0);
	EXPECT_TRUE(waits(t, del));
	start = raw_now_ms();
	raw_info_init(&other, 1, 4, 0);
	add = raw_add(&t->ctl, &other);
	EXPECT_EQ(0, add);
	if (!add)
		EXPECT_EQ(0, raw_del(&t->ctl, other.dev_id));
	EXPECT_GT(RAW_DEADLINE_MS / 2, raw_now_ms() - start);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
	EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	fx_close(t);
	EXPECT_EQ(0, client_wait(t->client, del, RAW_DEADLINE_MS));
}

/* covers: C-60 L-45 I-66 */
TEST_F(stop, C_60_information_during_a_stop)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, stop;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_one(t, &job, &ev));
	stop = stop_async(t);
	EXPECT_TRUE(waits(t, stop));
	/* GET_DEV_INFO takes no lock that the stop holds. */
	EXPECT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
	if (!running_on_mainline()) {
		/* Nor does GET_PARAMS. */
		EXPECT_EQ(0, raw_get_params(&t->ctl, self->id, &params));
		EXPECT_NE(0, params.types & UBLK_PARAM_TYPE_BASIC);
	}
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
	EXPECT_EQ(0, client_wait_serving(t->client, stop, &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
}

/* A client job that writes through the page cache and keeps the disk open. */
struct dirty_arg {
	int id;
	char *buf;
	long results[4];
	int step;
};

static long dirty_job(void *arg)
{
	struct dirty_arg *d = arg;
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", d->id);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memset(d->buf, 0x5c, 65536);
	d->results[0] = pwrite(fd, d->buf, 65536, WIN);
	__atomic_store_n(&d->step, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&d->step, __ATOMIC_ACQUIRE) == 1 &&
	       raw_now_ms() < end)
		usleep(1000);
	d->results[1] = pread(fd, d->buf, 4096, 0);
	d->results[2] = pwrite(fd, d->buf, 4096, 0) < 0 ? -errno : 0;
	close(fd);
	return 0;
}

/* covers: L-46 L-47 L-44 */
TEST_F(stop, L_47_dirty_pages_reach_the_server)
{
	struct fixture *t = &self->t;
	struct dirty_arg arg = { .id = self->id, .buf = t->client->data };
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct dirty_arg *d;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, live(t));
	job = client_start(t->client, dirty_job, &arg, sizeof(arg));
	ASSERT_LE(0, job);
	d = (struct dirty_arg *)t->client->jobs[job].arg;
	while (!__atomic_load_n(&d->step, __ATOMIC_ACQUIRE)) {
		ASSERT_LT(raw_now_ms(), end);
		if (!raw_event(&t->ring, &ev, 5))
			raw_serve(&t->ring, &ev);
	}
	EXPECT_EQ(65536, d->results[0]);
	/* The opener does not delay the stop, and no data is lost. */
	EXPECT_EQ(0, fx_stop(t));
	EXPECT_FALSE(client_done(t->client, job));
	EXPECT_EQ(0x5c, t->srv.store[WIN]);
	EXPECT_EQ(0x5c, t->srv.store[WIN + 65535]);
	EXPECT_EQ(0, t->srv.store[WIN + 65536]);
	__atomic_store_n(&d->step, 2, __ATOMIC_RELEASE);
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, d->results[1]) TH_LOG("read from a disk of size 0");
	EXPECT_EQ(-ENOSPC, d->results[2]);
}

/* covers: L-48 C-75e F-17 */
TEST_F(stop, L_48_commands_of_a_failed_start)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EINVAL, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV,
				       self->id, 1));
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &ev, RAW_QUIET_MS));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, STOP, self->id, 0));
	EXPECT_EQ(t->info.nr_hw_queues * variant->depth,
		  raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
}

/* covers: C-82 L-45 */
TEST_F(stop, C_82_two_stops_at_once)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, a, b;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_one(t, &job, &ev));
	a = stop_async(t);
	b = stop_async(t);
	EXPECT_TRUE(waits(t, a));
	EXPECT_TRUE(waits(t, b));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
	EXPECT_EQ(0, client_wait_serving(t->client, a, &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_EQ(0, client_wait_serving(t->client, b, &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
}

/* A process that sends STOP_DEV and waits for it; the test kills it. */
static pid_t stop_child(struct fixture *t)
{
	struct raw_ctrl ctl = { };
	pid_t pid = fork();

	if (pid)
		return pid;
	if (raw_ctrl_open(&ctl))
		_exit(1);
	ctl.legacy = t->ctl.legacy;
	_exit(raw_dev_cmd(&ctl, STOP, t->info.dev_id, 0) ? 1 : 0);
}

static int reap(pid_t pid, int ms)
{
	long end = raw_now_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (raw_now_ms() > end)
			return RAW_TIMEOUT;
		usleep(1000);
	}
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* covers: I-49 C-82 */
TEST_F(stop, I_49_waits_interruptibly)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	pid_t pid;
	int job;

	if (running_on_mainline())
		SKIP(return, "mainline's STOP_DEV cannot be killed");
	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, own_one(t, &job, &ev));
	pid = stop_child(t);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(raw_wait_worker(pid));
	EXPECT_EQ(RAW_TIMEOUT, reap(pid, RAW_QUIET_MS));
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-SIGKILL, reap(pid, RAW_DEADLINE_MS));
	/* The stop goes on, and ends when the server has answered. */
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
	EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_EQ(0, client_wait_serving(t->client, stop_async(t), &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
}

/* covers: L-43 L-44 C-82 */
TEST_F(stop, L_44_stop_under_load)
{
	struct fixture *t = &self->t;
	int jobs[16], i, stop, n = 0;
	struct raw_ev ev;
	long ret;

	ASSERT_EQ(0, live(t));
	/* More requests than tags: some wait in the block layer. */
	for (i = 0; i < 16; i++) {
		jobs[i] = client_blk(t->client, self->id,
				     i % 2 ? CLIENT_WRITE : CLIENT_READ,
				     WIN + 65536 * i, 4096, 4096 * i);
		ASSERT_LE(0, jobs[i]);
	}
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	stop = stop_async(t);
	EXPECT_TRUE(waits(t, stop));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(0, client_wait_serving(t->client, stop, &t->ring,
					 RAW_DEADLINE_MS));
	for (i = 0; i < 16; i++) {
		ret = client_wait(t->client, jobs[i], RAW_DEADLINE_MS);
		EXPECT_NE(RAW_TIMEOUT, ret);
		n += ret == 4096;
	}
	EXPECT_LE(1, n) TH_LOG("delivered requests are completed");
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
}

TEST_HARNESS_MAIN
