// SPDX-License-Identifier: GPL-2.0
/*
 * Stops that can fail: TRY_STOP_DEV, which fails while somebody has the disk
 * open (control.rst C-84 to C-87, I-46), and a STOP_DEV that is interrupted
 * (I-49). Others are in uapi_stop.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/blkpg.h>
#include <sys/ioctl.h>
#include "kselftest_harness.h"
#include "lib/server_proc.h"
#include "lib/recovery.h"

#define TRY	UBLK_U_CMD_TRY_STOP_DEV
#define WIN	RAW_WIN_START
#define UR	UBLK_F_USER_RECOVERY

FIXTURE(try_stop) {
	struct fixture t;
	int id;
};

FIXTURE_SETUP(try_stop)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, UBLK_F_SAFE_STOP_DEV | UBLK_F_NO_AUTO_PART_SCAN);
	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	self->id = t->info.dev_id;
}

FIXTURE_TEARDOWN_PARENT(try_stop)
{
	FX_TEARDOWN(&self->t);
}

static int live(struct fixture *t)
{
	int ret = rec_begin(t);

	return ret ? ret : fx_start(t);
}

/* TRY_STOP_DEV by the client, while this process serves. */
static int try_stop(struct fixture *t)
{
	int job = client_ctrl(t->client, TRY, t->info.dev_id, 0);

	return client_wait_serving(t->client, job, &t->ring, RAW_DEADLINE_MS);
}

static int hold(struct fixture *t)
{
	return client_wait_serving(t->client,
				   client_hold(t->client, t->info.dev_id),
				   &t->ring, RAW_DEADLINE_MS);
}

/* covers: C-84 */
TEST_F(try_stop, C_84_no_disk)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;

	EXPECT_EQ(-ENODEV, raw_dev_cmd(&t->ctl, TRY, self->id, 0));
	ASSERT_EQ(0, rec_begin(t));
	EXPECT_EQ(-ENODEV, raw_dev_cmd(&t->ctl, TRY, self->id, 0));
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &ev, RAW_QUIET_MS));
	/* The commands are still armed, so START_DEV works. */
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_EQ(-ENODEV, raw_dev_cmd(&t->ctl, TRY, self->id, 0));
}

/* covers: C-84 C-83 L-40 L-42 */
TEST_F(try_stop, C_84_disk_in_use)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, hold(t));
	EXPECT_EQ(-EBUSY, try_stop(t));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	/*
	 * The failed stop had no effect: others can open and use the disk as
	 * well.
	 */
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, WIN, 4096, 0));
	EXPECT_EQ(-EBUSY, try_stop(t));
	client_release(t->client);
	ASSERT_EQ(0, try_stop(t));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	EXPECT_FALSE(rec_disk_there(t));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(RAW_X, raw_tag_state(&t->srv, 0, 0));
	EXPECT_EQ(-ENODEV, raw_call(&t->ring, UBLK_U_IO_FETCH_REQ, 0, 0, 0,
				    4096)) TH_LOG("stopping, as after STOP_DEV");
	EXPECT_EQ(-EBUSY, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, self->id,
				      getpid()));
}

struct part_arg {
	int id;
	int step;
};

/* Make a partition and keep it open, instead of the whole disk. */
static long part_job(void *arg)
{
	struct blkpg_partition part = {
		.start = 1 << 20, .length = 1 << 20, .pno = 1,
	};
	struct blkpg_ioctl_arg blkpg = {
		.op = BLKPG_ADD_PARTITION, .datalen = sizeof(part),
		.data = &part,
	};
	struct part_arg *p = arg;
	long end = raw_now_ms() + RAW_DEADLINE_MS, ret;
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", p->id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, BLKPG, &blkpg) ? -errno : 0;
	close(fd);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/ublkb%dp1", p->id);
	if (!raw_wait_path(path, true))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	__atomic_store_n(&p->step, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&p->step, __ATOMIC_ACQUIRE) == 1 &&
	       raw_now_ms() < end)
		usleep(1000);
	close(fd);
	return 0;
}

/* covers: C-84 */
TEST_F(try_stop, C_84_partition_in_use)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct part_arg arg = { .id = self->id };
	struct fixture *t = &self->t;
	struct part_arg *p;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, live(t));
	job = client_start(t->client, part_job, &arg, sizeof(arg));
	ASSERT_LE(0, job);
	p = (struct part_arg *)t->client->jobs[job].arg;
	while (!__atomic_load_n(&p->step, __ATOMIC_ACQUIRE)) {
		ASSERT_LT(raw_now_ms(), end);
		ASSERT_FALSE(client_done(t->client, job));
		if (!raw_event(&t->ring, &ev, 5))
			raw_serve(&t->ring, &ev);
	}
	EXPECT_EQ(-EBUSY, try_stop(t));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	__atomic_store_n(&p->step, 2, __ATOMIC_RELEASE);
	EXPECT_EQ(0, client_wait_serving(t->client, job, &t->ring,
					 RAW_DEADLINE_MS));
	EXPECT_EQ(0, try_stop(t));
}

/* Open the disk with access to the node, but without CAP_SYS_ADMIN. */
static long plain_open_job(void *arg)
{
	char path[32];
	long ret;
	int fd;

	ret = raw_drop_privileges();
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/ublkb%d", *(int *)arg);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static long plain_open(struct fixture *t)
{
	int job = client_start(t->client, plain_open_job, &t->info.dev_id,
			       sizeof(int));

	return client_wait_serving(t->client, job, &t->ring, RAW_DEADLINE_MS);
}

/* covers: C-85 I-46 L-90 */
TEST_F(try_stop, I_46_refusal_ends_with_the_next_start)
{
	struct fixture *t = &self->t;
	long ret;

	ASSERT_EQ(0, live(t));
	EXPECT_EQ(0, plain_open(t));
	ASSERT_EQ(0, try_stop(t));
	fx_close(t);
	ASSERT_EQ(0, live(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
	ret = plain_open(t);
	if (running_on_mainline()) {
		EXPECT_EQ(-ENXIO, ret);
		SKIP(return, "after mainline's, opens without privilege are still refused");
	}
	EXPECT_EQ(0, ret);
}

/* covers: C-87 I-46 L-57 */
TEST_F(try_stop, I_46_stuck_partition_scan)
{
	struct ublksrv_ctrl_dev_info *info = &self->t.info;
	struct fixture *t = &self->t;
	struct ublk_params p;
	struct server_proc *s;
	int job;

	raw_info_init(info, 1, 4, 0);
	ASSERT_EQ(0, raw_add(&t->ctl, info));
	fx_remember(t, info->dev_id);
	raw_params_init(&p);
	ASSERT_EQ(0, raw_set_params(&t->ctl, info->dev_id, &p));
	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	__atomic_store_n(&s->hold, SERVER_HOLD_ALL, __ATOMIC_RELEASE);
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, info->dev_id,
				 s->pid));
	ASSERT_EQ(0, server_wait_kept(s, 1)) TH_LOG("the scan reads");
	job = client_ctrl(t->client, TRY, info->dev_id, 0);
	if (running_on_mainline()) {
		EXPECT_TRUE(rec_waits(t, job));
		ASSERT_EQ(0, server_kill(s));
		EXPECT_NE(RAW_TIMEOUT, client_wait(t->client, job,
						   RAW_DEADLINE_MS));
		SKIP(return, "mainline waits for the scan");
	}
	EXPECT_EQ(-EBUSY, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, info->dev_id));
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, info->dev_id, UBLK_S_DEV_DEAD));
}

/* covers: C-84 L-4 L-44 C-86 */
TEST_F(try_stop, C_84_without_a_server)
{
	const __u64 flags[] = { UR, UR | UBLK_F_USER_RECOVERY_FAIL_IO };
	struct fixture *t = &self->t;
	int i;

	for (i = 0; i < 2; i++) {
		FX_REQUIRE(t, flags[i]);
		ASSERT_EQ(0, fx_add(t, 1, 4, flags[i]));
		ASSERT_EQ(0, live(t));
		ASSERT_EQ(0, hold(t));
		ASSERT_EQ(0, rec_lose(t));
		EXPECT_EQ(-EBUSY, raw_dev_cmd(&t->ctl, TRY, t->info.dev_id,
					      0));
		EXPECT_EQ(rec_lost_state(flags[i]),
			  raw_state(&t->ctl, t->info.dev_id));
		client_release(t->client);
		EXPECT_EQ(0, raw_dev_cmd(&t->ctl, TRY, t->info.dev_id, 0));
		EXPECT_EQ(UBLK_S_DEV_DEAD,
			  raw_state(&t->ctl, t->info.dev_id));
		EXPECT_FALSE(rec_disk_there(t));
	}
}

/* covers: I-49 L-45 C-82 L-42 */
TEST_F(try_stop, I_49_stop_can_be_interrupted)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	if (running_on_mainline())
		SKIP(return, "mainline waits for the server uninterruptibly");
	ASSERT_EQ(0, live(t));
	job = client_blk(t->client, self->id, CLIENT_READ, WIN, 4096, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINTR, rec_canceled(t, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	/* The device stops nevertheless. */
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, self->id, UBLK_S_DEV_DEAD));
	EXPECT_FALSE(rec_disk_there(t));
}

TEST_HARNESS_MAIN
