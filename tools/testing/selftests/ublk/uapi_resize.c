// SPDX-License-Identifier: GPL-2.0
/*
 * UPDATE_SIZE (control.rst C-88 to C-91, I-61), and the limits of sizes given by
 * other commands (I-62).
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "kselftest_harness.h"
#include "lib/recovery.h"

#define RESIZE	UBLK_U_CMD_UPDATE_SIZE
#define SECTORS	(RAW_DEV_BYTES / 512)

FIXTURE(resize) {
	struct fixture t;
	int id;
};

FIXTURE_VARIANT(resize) {
	__u64 flags;
};

/* The command does not check the flag (C-88). */
FIXTURE_VARIANT_ADD(resize, flag) {
	.flags = UBLK_F_UPDATE_SIZE | UBLK_F_USER_RECOVERY,
};

FIXTURE_VARIANT_ADD(resize, no_flag_fail_io) {
	.flags = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_FAIL_IO,
};

FIXTURE_SETUP(resize)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags | UBLK_F_UPDATE_SIZE);
	ASSERT_EQ(0, fx_add(t, 1, 4, variant->flags));
	self->id = t->info.dev_id;
}

FIXTURE_TEARDOWN_PARENT(resize)
{
	FX_TEARDOWN(&self->t);
}

static int live(struct fixture *t)
{
	int ret = rec_begin(t);

	return ret ? ret : fx_start(t);
}

static int resize(struct fixture *t, __u64 sectors)
{
	return raw_dev_cmd(&t->ctl, RESIZE, t->info.dev_id, sectors);
}

static long disk_sectors(struct fixture *t)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/size",
		 t->info.dev_id);
	return raw_read_ulong(path);
}

static __u64 stored_sectors(struct fixture *t)
{
	struct ublk_params p;

	if (raw_get_params(&t->ctl, t->info.dev_id, &p))
		return 0;
	return p.basic.dev_sectors;
}

/* covers: C-89 C-4 */
TEST_F(resize, C_89_no_disk)
{
	struct fixture *t = &self->t;

	EXPECT_EQ(-ENODEV, resize(t, 2 * SECTORS));
	ASSERT_EQ(0, rec_begin(t));
	EXPECT_EQ(-ENODEV, resize(t, 2 * SECTORS));
	EXPECT_EQ(SECTORS, stored_sectors(t));
	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_EQ(-ENODEV, resize(t, 2 * SECTORS));
	EXPECT_EQ(SECTORS, stored_sectors(t));
}

/* covers: C-89 C-91 C-88 C-130 */
TEST_F(resize, C_91_in_every_state)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, live(t));
	EXPECT_EQ(SECTORS, disk_sectors(t));
	ASSERT_EQ(0, resize(t, 2 * SECTORS));
	EXPECT_EQ(2 * SECTORS, disk_sectors(t));
	EXPECT_EQ(2 * SECTORS, stored_sectors(t));
	ASSERT_EQ(0, rec_lose(t));
	ASSERT_EQ(0, resize(t, SECTORS / 2));
	EXPECT_EQ(SECTORS / 2, disk_sectors(t));
	EXPECT_EQ(SECTORS / 2, stored_sectors(t));
	ASSERT_EQ(0, rec_begin(t));
	ASSERT_EQ(0, resize(t, SECTORS));
	ASSERT_EQ(0, rec_end(t));
	EXPECT_EQ(SECTORS, disk_sectors(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, RAW_DEV_BYTES - 4096, 4096, 0));
	/* The size is stored: the next disk has it as well. */
	ASSERT_EQ(0, resize(t, 2 * SECTORS));
	ASSERT_EQ(0, fx_stop(t));
	fx_close(t);
	ASSERT_EQ(0, live(t));
	EXPECT_EQ(2 * SECTORS, disk_sectors(t));
}

/* covers: C-89 */
TEST_F(resize, C_89_what_lies_beyond)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, live(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, RAW_DEV_BYTES / 2, 4096, 0));
	ASSERT_EQ(0, resize(t, SECTORS / 2));
	EXPECT_EQ(0, fx_blk(t, CLIENT_READ, RAW_DEV_BYTES / 2, 4096, 0));
	EXPECT_EQ(-ENOSPC, fx_blk(t, CLIENT_WRITE, RAW_DEV_BYTES / 2, 4096, 0));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, RAW_DEV_BYTES / 2 - 4096, 4096,
			       0));
	ASSERT_EQ(0, resize(t, SECTORS));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, RAW_DEV_BYTES / 2, 4096, 0));
}

static int uevent_socket(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return fd;
}

/* Count the change events of the disk with RESIZE=1 until none comes. */
static int resize_events(struct fixture *t, int fd)
{
	long end = raw_now_ms() + 2 * RAW_QUIET_MS;
	char buf[4096], want[64];
	int n = 0;

	snprintf(want, sizeof(want), "change@/devices/virtual/block/ublkb%u",
		 t->info.dev_id);
	while (raw_now_ms() < end) {
		ssize_t len = recv(fd, buf, sizeof(buf) - 1, 0), i;
		bool resized = false;

		if (len <= 0) {
			usleep(2000);
			continue;
		}
		buf[len] = 0;
		for (i = 0; i < len; i += strlen(buf + i) + 1)
			resized |= !strcmp(buf + i, "RESIZE=1");
		n += resized && !strcmp(buf, want);
	}
	return n;
}

/* covers: C-90 L-77 */
TEST_F(resize, C_90_uevent)
{
	struct fixture *t = &self->t;
	int fd;

	ASSERT_EQ(0, live(t));
	fd = uevent_socket();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, resize(t, SECTORS));
	EXPECT_EQ(0, resize_events(t, fd)) TH_LOG("nothing has changed");
	ASSERT_EQ(0, resize(t, SECTORS * 2));
	EXPECT_EQ(1, resize_events(t, fd));
	ASSERT_EQ(0, rec_lose(t));
	EXPECT_EQ(0, resize_events(t, fd)) TH_LOG("a change of state is no event");
	ASSERT_EQ(0, resize(t, SECTORS));
	EXPECT_EQ(1, resize_events(t, fd));
	close(fd);
}

/* covers: I-61 C-89 C-90 */
TEST_F(resize, I_61_sizes_that_cannot_be)
{
	const __u64 bad[] = { 0, 1ULL << 62, ~0ULL, SECTORS + 1, SECTORS + 7 };
	struct fixture *t = &self->t;
	struct ublk_params p;
	int i;

	/* A device with blocks of 4096 bytes. */
	raw_params_init(&p);
	p.basic.logical_bs_shift = 12;
	ASSERT_EQ(0, raw_set_params(&t->ctl, self->id, &p));
	ASSERT_EQ(0, live(t));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (running_on_mainline()) {
			EXPECT_EQ(0, resize(t, bad[i]));
			EXPECT_EQ(bad[i], stored_sectors(t));
			continue;
		}
		EXPECT_EQ(-EINVAL, resize(t, bad[i])) {
			TH_LOG("%llu sectors", (unsigned long long)bad[i]);
		}
		EXPECT_EQ(SECTORS, disk_sectors(t));
		EXPECT_EQ(SECTORS, stored_sectors(t));
	}
	EXPECT_EQ(0, resize(t, SECTORS + 8));
	EXPECT_EQ(SECTORS + 8, disk_sectors(t));
	if (running_on_mainline())
		SKIP(return, "mainline accepts any size");
}

/* covers: I-62 C-56 C-114 */
TEST_F(resize, I_62_bounds_at_creation)
{
	const __u64 bad[] = { 1ULL << 62, ~0ULL, (1ULL << 55) };
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	struct ublk_params p;
	int i, ret;

	raw_info_init(&info, 1, 1, 0);
	info.max_io_buf_bytes = ~0U;
	ret = raw_add(&t->ctl, &info);
	ASSERT_EQ(0, ret);
	fx_remember(t, info.dev_id);
	EXPECT_EQ(0, info.max_io_buf_bytes % 4096);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		raw_params_init(&p);
		p.basic.dev_sectors = bad[i];
		ret = raw_set_params(&t->ctl, self->id, &p);
		EXPECT_EQ(running_on_mainline() ? 0 : -EINVAL, ret) {
			TH_LOG("%llu sectors", (unsigned long long)bad[i]);
		}
	}
	if (running_on_mainline())
		SKIP(return, "mainline does not limit dev_sectors");
}

TEST_HARNESS_MAIN
