// SPDX-License-Identifier: GPL-2.0
/*
 * DEL_DEV and DEL_DEV_ASYNC: what they wait for, how long the device can be
 * found, who holds a reference (control.rst section 7, lifecycle.rst section 7).
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"

#define DEL		UBLK_U_CMD_DEL_DEV
#define DEL_ASYNC	UBLK_U_CMD_DEL_DEV_ASYNC

FIXTURE(del) {
	struct fixture t;
	int id;
	char chr[32], blk[32];
};

FIXTURE_VARIANT(del) {
	bool legacy;
};

FIXTURE_VARIANT_ADD(del, encoded) {
	.legacy = false,
};

FIXTURE_VARIANT_ADD(del, legacy) {
	.legacy = true,
};

FIXTURE_SETUP(del)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, 0);
	t->ctl.legacy = variant->legacy;
	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	self->id = t->info.dev_id;
	snprintf(self->chr, sizeof(self->chr), "/dev/ublkc%d", self->id);
	snprintf(self->blk, sizeof(self->blk), "/dev/ublkb%d", self->id);
}

FIXTURE_TEARDOWN_PARENT(del)
{
	FX_TEARDOWN(&self->t);
}

static int del_async(struct fixture *t)
{
	return raw_dev_cmd(&t->ctl, DEL_ASYNC, t->info.dev_id, 0);
}

static int del_wait(struct fixture *t)
{
	return client_ctrl(t->client, DEL, t->info.dev_id, 0);
}

static bool waits(struct fixture *t, int job)
{
	return client_wait(t->client, job, RAW_QUIET_MS) == RAW_TIMEOUT;
}

/* The device is deleted, or will be before the deadline. */
static bool gone(struct fixture *t)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	while (raw_state(&t->ctl, t->info.dev_id) != -ENODEV) {
		if (raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

static int live(struct fixture *t)
{
	int ret = fx_serve(t, 0);

	if (!ret)
		ret = raw_fetch_all(&t->ring);
	return ret ? ret : fx_start(t);
}

/* covers: C-71 C-72 L-61 L-77 */
TEST_F(del, C_72_unused_device)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	int i;

	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, DEL, self->id, 0));
	EXPECT_EQ(-1, access(self->chr, F_OK));
	EXPECT_EQ(-ENODEV, raw_state(&t->ctl, self->id));
	EXPECT_EQ(-ENODEV, raw_dev_cmd(&t->ctl, DEL, self->id, 0));
	EXPECT_EQ(-ENODEV, del_async(t));
	/* The number is free at once, as often as one likes. */
	for (i = 0; i < 20; i++) {
		raw_info_init(&info, 1, 4, 0);
		info.dev_id = self->id;
		ASSERT_EQ(0, raw_add(&t->ctl, &info));
		ASSERT_EQ(0, raw_dev_cmd(&t->ctl, DEL, self->id, 0));
	}
}

/* covers: C-71 C-72 C-73 */
TEST_F(del, C_72_async_on_unused_device)
{
	struct fixture *t = &self->t;

	EXPECT_EQ(0, del_async(t));
	EXPECT_EQ(-1, access(self->chr, F_OK));
	EXPECT_TRUE(gone(t));
}

/* covers: C-11 C-72 C-73 C-74 L-60 L-62 C-71 */
TEST_F(del, C_73_open_char_node)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	int a, b, fd;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	a = del_wait(t);
	EXPECT_TRUE(waits(t, a));
	EXPECT_EQ(4, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_TRUE(raw_wait_path(self->chr, false));
	/* The device can still be found, and commands work as before. */
	EXPECT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
	EXPECT_EQ(UBLK_S_DEV_DEAD, info.state);
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_STOP_DEV, self->id, 0));
	EXPECT_EQ(-EBUSY, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, self->id,
				      getpid()));
	EXPECT_EQ(-EEXIST, raw_add(&t->ctl, &info));
	b = del_wait(t);
	EXPECT_TRUE(waits(t, b));
	EXPECT_EQ(0, del_async(t));
	EXPECT_EQ(0, del_async(t));
	fd = dup(t->srv.fd);
	fx_close(t);
	EXPECT_TRUE(waits(t, a)) TH_LOG("a duplicate exists");
	close(fd);
	EXPECT_EQ(0, client_wait(t->client, a, RAW_DEADLINE_MS));
	EXPECT_EQ(0, client_wait(t->client, b, RAW_DEADLINE_MS));
	EXPECT_EQ(-ENODEV, raw_state(&t->ctl, self->id));
}

/* covers: C-72 C-74 L-60 */
TEST_F(del, C_72_interrupted)
{
	struct fixture *t = &self->t;
	int job, fd;

	fd = raw_char_open(self->id);
	ASSERT_LE(0, fd);
	job = del_wait(t);
	EXPECT_TRUE(raw_wait_path(self->chr, false));
	EXPECT_TRUE(waits(t, job));
	client_close(t->client);
	/* The deletion remains requested and completes by itself. */
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	EXPECT_EQ(-1, open(self->chr, O_RDWR));
	EXPECT_EQ(ENOENT, errno);
	close(fd);
	EXPECT_TRUE(gone(t));
}

/* covers: C-71 L-42 L-61 C-72 */
TEST_F(del, C_71_live_device)
{
	struct fixture *t = &self->t;
	int job;

	ASSERT_EQ(0, live(t));
	job = del_wait(t);
	EXPECT_EQ(RAW_TIMEOUT, client_wait_serving(t->client, job, &t->ring,
						   3 * RAW_QUIET_MS));
	EXPECT_TRUE(raw_wait_path(self->blk, false));
	EXPECT_TRUE(raw_wait_path(self->chr, false));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	fx_close(t);
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-ENODEV, raw_state(&t->ctl, self->id));
}

/* covers: C-72 C-104 L-46 L-60 L-62 */
TEST_F(del, C_72_open_disk)
{
	struct fixture *t = &self->t;
	int job;

	ASSERT_EQ(0, live(t));
	ASSERT_EQ(0, client_wait_serving(t->client,
					 client_hold(t->client, self->id),
					 &t->ring, RAW_DEADLINE_MS));
	job = del_wait(t);
	EXPECT_EQ(RAW_TIMEOUT, client_wait_serving(t->client, job, &t->ring,
						   3 * RAW_QUIET_MS));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	/* The server has the node open: the device is stopping. */
	EXPECT_EQ(-EEXIST, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, self->id,
				       getpid()));
	fx_close(t);
	EXPECT_TRUE(waits(t, job)) TH_LOG("the disk is open");
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	client_release(t->client);
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-ENODEV, raw_state(&t->ctl, self->id));
}

/* covers: L-60 C-72 D-4 */
TEST_F(del, L_60_mapping_holds_the_number)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	void *map;
	int fd;

	fd = raw_char_open(self->id);
	ASSERT_LE(0, fd);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_EQ(0, del_async(t));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	raw_info_init(&info, 1, 4, 0);
	info.dev_id = self->id;
	EXPECT_EQ(-EEXIST, raw_add(&t->ctl, &info));
	/* The memory is still mapped. */
	EXPECT_EQ(0, *(volatile char *)map);
	munmap(map, 4096);
	EXPECT_TRUE(gone(t));
}

static long module_refs(void)
{
	return raw_read_ulong("/sys/module/ublk_drv/refcnt");
}

/* The kernel releases a file a little after close(). */
static bool refs_become(long want)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	while (module_refs() != want) {
		if (raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

/* covers: L-63 */
TEST_F(del, L_63_module_references)
{
	/* The control ring of this test. */
	const long base = 1;
	struct fixture *t = &self->t;
	long held;
	int fd;

	if (module_refs() < 0)
		SKIP(return, "ublk_drv is built in");
	/* Wait until the references of earlier tests are gone. */
	ASSERT_TRUE(refs_become(base)) TH_LOG("%ld", module_refs());
	fd = open("/dev/ublk-control", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(base + 1, module_refs());
	close(fd);
	EXPECT_TRUE(refs_become(base)) TH_LOG("%ld", module_refs());
	ASSERT_EQ(0, fx_serve(t, 0));
	held = module_refs();
	EXPECT_LT(base, held);
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_TRUE(refs_become(held)) TH_LOG("the disk itself holds no reference");
	ASSERT_EQ(0, client_wait_serving(t->client,
					 client_hold(t->client, self->id),
					 &t->ring, RAW_DEADLINE_MS));
	EXPECT_TRUE(refs_become(held + 1)) TH_LOG("%ld", module_refs());
	client_release(t->client);
	ASSERT_EQ(0, fx_stop(t));
	fx_close(t);
	EXPECT_TRUE(refs_become(base)) TH_LOG("%ld", module_refs());
}

TEST_HARNESS_MAIN
