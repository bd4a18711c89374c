// SPDX-License-Identifier: GPL-2.0
/*
 * ADD_DEV: every check, in order, and what a new device looks like (control.rst
 * section 5); GET_DEV_INFO and GET_QUEUE_AFFINITY (section 6); nodes and names
 * (lifecycle.rst section 8).
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"

FIXTURE(add) {
	struct fixture t;
};

FIXTURE_VARIANT(add) {
	bool legacy;
};

FIXTURE_VARIANT_ADD(add, encoded) {
	.legacy = false,
};

FIXTURE_VARIANT_ADD(add, legacy) {
	.legacy = true,
};

FIXTURE_SETUP(add)
{
	FX_SETUP(&self->t, 0);
	self->t.ctl.legacy = variant->legacy;
}

FIXTURE_TEARDOWN_PARENT(add)
{
	FX_TEARDOWN(&self->t);
}

/*
 * ADD_DEV that should fail; if it creates a device, remember it for the
 * cleanup.
 */
static int try_add(struct fixture *t, struct ublksrv_ctrl_dev_info *info)
{
	int ret = raw_add(&t->ctl, info);

	if (!ret)
		fx_remember(t, info->dev_id);
	return ret;
}

static int add_queues(struct fixture *t, int queues, int depth)
{
	struct ublksrv_ctrl_dev_info info;

	raw_info_init(&info, queues, depth, 0);
	return try_add(t, &info);
}

static int add_flags(struct fixture *t, __u64 flags, __u64 *granted)
{
	struct ublksrv_ctrl_dev_info info;
	int ret;

	raw_info_init(&info, 1, 4, flags);
	ret = try_add(t, &info);
	if (granted)
		*granted = info.flags;
	return ret;
}

/* A device number that no other test uses. */
static int high_id(void)
{
	return 500000 + getpid() % 400000;
}

/* covers: C-40 */
TEST_F(add, C_40_short_buffer)
{
	struct ublksrv_ctrl_dev_info info[2];
	struct raw_ctrl *c = &self->t.ctl;
	__u32 op = UBLK_U_CMD_ADD_DEV;

	raw_info_init(&info[0], 1, 4, 0);
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, -1, info, 63));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, -1, info, 0));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, -1, NULL, 64));
	/* A longer buffer is accepted, and 64 bytes of it are used. */
	memset(&info[1], 0x5a, sizeof(info[1]));
	ASSERT_EQ(0, raw_buf_cmd(c, op, -1, info, 128));
	fx_remember(&self->t, info[0].dev_id);
	EXPECT_EQ(0x5a5a, info[1].nr_hw_queues);
}

/* covers: C-41 C-5 */
TEST_F(add, C_41_queue_id)
{
	const __u16 ids[] = { 0, 1, 0xfffe, 0xffff };
	struct ublksrv_ctrl_dev_info info;
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = -1, .len = 64, .addr = (uintptr_t)&info,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		raw_info_init(&info, 1, 4, 0);
		cmd.queue_id = ids[i];
		EXPECT_EQ(ids[i] == 0xffff ? 0 : -EINVAL,
			  raw_ctrl_cmd(&self->t.ctl, UBLK_U_CMD_ADD_DEV,
				       &cmd));
	}
	fx_remember(&self->t, info.dev_id);
}

/* covers: C-40 C-41 C-42 */
TEST_F(add, C_42_unreadable_buffer)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = -1, .queue_id = 0xffff, .len = 64, .addr = 4096,
	};

	EXPECT_EQ(-EFAULT, raw_ctrl_cmd(&self->t.ctl, UBLK_U_CMD_ADD_DEV,
					&cmd));
	cmd.queue_id = 0;
	EXPECT_EQ(-EINVAL, raw_ctrl_cmd(&self->t.ctl, UBLK_U_CMD_ADD_DEV,
					&cmd));
	cmd.len = 63;
	cmd.queue_id = 0xffff;
	EXPECT_EQ(-EINVAL, raw_ctrl_cmd(&self->t.ctl, UBLK_U_CMD_ADD_DEV,
					&cmd));
}

/* covers: C-43 */
TEST_F(add, C_43_queues_and_depth)
{
	EXPECT_EQ(-EINVAL, add_queues(&self->t, 0, 4));
	EXPECT_EQ(-EINVAL, add_queues(&self->t, 4097, 4));
	EXPECT_EQ(-EINVAL, add_queues(&self->t, 65535, 4));
	EXPECT_EQ(-EINVAL, add_queues(&self->t, 1, 0));
	EXPECT_EQ(-EINVAL, add_queues(&self->t, 1, 4097));
	EXPECT_EQ(-EINVAL, add_queues(&self->t, 1, 65535));
	EXPECT_EQ(0, add_queues(&self->t, 1, 1));
	EXPECT_EQ(0, add_queues(&self->t, 1, 4096));
	EXPECT_EQ(0, add_queues(&self->t, 4096, 1));
}

/* covers: C-45 C-46 */
TEST_F(add, C_45_recovery_flags)
{
	const __u64 ur = UBLK_F_USER_RECOVERY;
	const __u64 reissue = UBLK_F_USER_RECOVERY_REISSUE;
	const __u64 fail = UBLK_F_USER_RECOVERY_FAIL_IO;
	struct fixture *t = &self->t;

	FX_REQUIRE(t, ur | reissue | fail);
	EXPECT_EQ(0, add_flags(t, ur, NULL));
	EXPECT_EQ(0, add_flags(t, ur | reissue, NULL));
	EXPECT_EQ(0, add_flags(t, ur | fail, NULL));
	EXPECT_EQ(-EINVAL, add_flags(t, reissue, NULL));
	EXPECT_EQ(-EINVAL, add_flags(t, fail, NULL));
	EXPECT_EQ(-EINVAL, add_flags(t, reissue | fail, NULL));
	EXPECT_EQ(-EINVAL, add_flags(t, ur | reissue | fail, NULL));
	FX_REQUIRE(t, UBLK_F_QUIESCE);
	EXPECT_EQ(-EINVAL, add_flags(t, UBLK_F_QUIESCE, NULL));
	EXPECT_EQ(0, add_flags(t, ur | UBLK_F_QUIESCE, NULL));
}

/* covers: C-44 C-47 C-48 */
TEST_F(add, C_47_unprivileged_device)
{
	const __u64 un = UBLK_F_UNPRIVILEGED_DEV;
	const __u64 never[] = {
		UBLK_F_USER_COPY, UBLK_F_SUPPORT_ZERO_COPY,
		UBLK_F_AUTO_BUF_REG,
	};
	struct fixture *t = &self->t;
	unsigned int i;
	__u64 got;

	FX_REQUIRE(t, un);
	/* A privileged caller does not get the flag. */
	ASSERT_EQ(0, add_flags(t, un, &got));
	EXPECT_EQ(0, got & un);
	ASSERT_EQ(0, raw_drop_privileges());
	/* A driver that does not offer these flags refuses them, too. */
	for (i = 0; i < ARRAY_SIZE(never); i++) {
		EXPECT_EQ(-EINVAL, add_flags(t, un | never[i], NULL)) {
			TH_LOG("flag 0x%llx", never[i]);
		}
	}
	ASSERT_EQ(0, add_flags(t, un | UBLK_F_USER_RECOVERY |
			       UBLK_F_USER_RECOVERY_REISSUE, &got));
	EXPECT_EQ(un, got & (un | UBLK_F_USER_RECOVERY |
			     UBLK_F_USER_RECOVERY_REISSUE));
}

/* covers: C-49 */
TEST_F(add, C_49_integrity_needs_user_copy)
{
	FX_REQUIRE(&self->t, UBLK_F_INTEGRITY | UBLK_F_USER_COPY);
	EXPECT_EQ(-EINVAL, add_flags(&self->t, UBLK_F_INTEGRITY, NULL));
	EXPECT_EQ(0, add_flags(&self->t, UBLK_F_INTEGRITY | UBLK_F_USER_COPY,
			       NULL));
}

/* covers: C-50 */
TEST_F(add, C_50_descriptor_size)
{
	const int bad[] = { 0, 8, 16, 23, 25, 28, 252, 264, 65535 };
	const int good[] = { 24, 32, 64, 128, 248, 256 };
	struct ublksrv_ctrl_dev_info info;
	unsigned int i;

	/* Without the flag the driver ignores the member and returns 24. */
	raw_info_init(&info, 1, 4, 0);
	info.io_desc_size = 77;
	ASSERT_EQ(0, try_add(&self->t, &info));
	EXPECT_EQ(24, info.io_desc_size);
	FX_REQUIRE(&self->t, UBLK_F_IO_DESC_SIZE);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		raw_info_init(&info, 1, 4, UBLK_F_IO_DESC_SIZE);
		info.io_desc_size = bad[i];
		EXPECT_EQ(-EINVAL, try_add(&self->t, &info))
			TH_LOG("size %d", bad[i]);
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		raw_info_init(&info, 1, 4, UBLK_F_IO_DESC_SIZE);
		info.io_desc_size = good[i];
		EXPECT_EQ(0, try_add(&self->t, &info))
			TH_LOG("size %d", good[i]);
		EXPECT_EQ(good[i], info.io_desc_size);
	}
}

/* covers: C-51a C-51b C-51f L-76 */
TEST_F(add, C_51_device_number)
{
	struct ublksrv_ctrl_dev_info info;
	struct raw_ctrl *c = &self->t.ctl;
	int id = high_id();

	raw_info_init(&info, 1, 4, 0);
	info.dev_id = id;
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, UBLK_U_CMD_ADD_DEV, id + 1, &info,
				       64));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, UBLK_U_CMD_ADD_DEV, -1, &info, 64));
	info.dev_id = 1048576;
	EXPECT_EQ(-EINVAL, try_add(&self->t, &info));
	info.dev_id = 0x80000000;
	EXPECT_EQ(-EINVAL, try_add(&self->t, &info));
	info.dev_id = 0xfffffffe;
	EXPECT_EQ(-EINVAL, try_add(&self->t, &info));
	info.dev_id = id;
	ASSERT_EQ(0, try_add(&self->t, &info));
	EXPECT_EQ(id, info.dev_id);
	raw_info_init(&info, 1, 4, 0);
	info.dev_id = id;
	EXPECT_EQ(-EEXIST, try_add(&self->t, &info));
	/* The highest number is usable. */
	raw_info_init(&info, 1, 4, 0);
	info.dev_id = 1048575;
	EXPECT_EQ(0, try_add(&self->t, &info));
}

/* covers: C-51g L-76 */
TEST_F(add, C_51g_lowest_free_number)
{
	struct ublksrv_ctrl_dev_info info;
	int ids[4], i;

	for (i = 0; i < 4; i++) {
		raw_info_init(&info, 1, 4, 0);
		ASSERT_EQ(0, try_add(&self->t, &info));
		ids[i] = info.dev_id;
		if (i)
			EXPECT_LT(ids[i - 1], ids[i]);
	}
	ASSERT_EQ(0, raw_dev_cmd(&self->t.ctl, UBLK_U_CMD_DEL_DEV, ids[1], 0));
	ASSERT_EQ(0, raw_dev_cmd(&self->t.ctl, UBLK_U_CMD_DEL_DEV, ids[0], 0));
	for (i = 0; i < 2; i++) {
		raw_info_init(&info, 1, 4, 0);
		ASSERT_EQ(0, try_add(&self->t, &info));
		EXPECT_EQ(ids[i], info.dev_id);
	}
}

/* covers: C-51d L-95 L-96 F-11 */
TEST_F(add, C_51d_ublks_max)
{
	const char *path = "/sys/module/ublk_drv/parameters/ublks_max";
	struct ublksrv_ctrl_dev_info info;
	char text[16] = "";
	int fd, i;

	EXPECT_EQ(64, raw_read_ulong(path));
	fd = open(path, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, text, sizeof(text)));
	EXPECT_STREQ("64\n", text);
	EXPECT_EQ(-1, pwrite(fd, "1048577", 7, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pwrite(fd, "-1", 2, 0));
	EXPECT_EQ(7, pwrite(fd, "1048576", 7, 0));
	ASSERT_EQ(1, pwrite(fd, "1", 1, 0));
	EXPECT_EQ(1, raw_read_ulong(path));
	/* Privileged devices are not counted. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, add_flags(&self->t, 0, NULL));
	if (self->t.features & UBLK_F_UNPRIVILEGED_DEV &&
	    !raw_drop_privileges()) {
		raw_info_init(&info, 1, 4, UBLK_F_UNPRIVILEGED_DEV);
		EXPECT_EQ(0, try_add(&self->t, &info));
		raw_info_init(&info, 1, 4, UBLK_F_UNPRIVILEGED_DEV);
		EXPECT_EQ(-EACCES, try_add(&self->t, &info));
	}
	EXPECT_EQ(2, pwrite(fd, "64", 2, 0));
}

/* covers: C-51h F-4 F-5 */
TEST_F(add, C_51h_flags)
{
	const __u64 always = UBLK_F_URING_CMD_COMP_IN_TASK |
			     UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_PER_IO_DAEMON;
	struct fixture *t = &self->t;
	__u64 got = 0;

	ASSERT_EQ(0, add_flags(t, 0, &got));
	EXPECT_EQ(always, got & always);
	EXPECT_EQ(0, got & ~t->features) TH_LOG("0x%llx granted, 0x%llx known",
						got, t->features);
	ASSERT_EQ(0, add_flags(t, ~(RAW_F_ABI | RAW_F_OURS), &got));
	EXPECT_EQ(0, got & ~(RAW_F_ABI | raw_added_flags(0)));
	ASSERT_EQ(0, add_flags(t, UBLK_F_NEED_GET_DATA, &got));
	EXPECT_EQ(UBLK_F_NEED_GET_DATA, got & UBLK_F_NEED_GET_DATA);
	if (t->features & UBLK_F_USER_COPY) {
		ASSERT_EQ(0, add_flags(t, UBLK_F_NEED_GET_DATA |
				       UBLK_F_USER_COPY, &got));
		EXPECT_EQ(UBLK_F_USER_COPY, got &
			  (UBLK_F_USER_COPY | UBLK_F_NEED_GET_DATA));
	}
}

/* covers: C-51h F-5 */
TEST_F(add, C_51h_unoffered_flags_are_dropped)
{
	struct fixture *t = &self->t;
	__u64 missing = RAW_F_ABI & ~t->features;
	__u64 got = 0;

	if (!missing)
		SKIP(return, "the driver offers everything");
	/* A flag that the driver does not know counts as not requested. */
	ASSERT_EQ(0, add_flags(t, missing, &got));
	EXPECT_EQ(0, got & missing);
}

/* covers: C-53 C-55 */
TEST_F(add, C_53_reply_not_writable)
{
	struct ublksrv_ctrl_dev_info *info, out;
	int id = high_id();
	char path[32];

	info = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, info);
	raw_info_init(info, 1, 4, 0);
	info->dev_id = id;
	ASSERT_EQ(0, mprotect(info, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, raw_add(&self->t.ctl, info));
	EXPECT_EQ(-ENODEV, raw_get_info(&self->t.ctl, id, &out));
	snprintf(path, sizeof(path), "/dev/ublkc%d", id);
	EXPECT_EQ(-1, access(path, F_OK));
	/* The number is free again. */
	ASSERT_EQ(0, mprotect(info, 4096, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, try_add(&self->t, info));
}

/* covers: C-55 C-60 C-61 L-71 L-73 L-77 L-78 C-128 F-12 F-13 */
TEST_F(add, C_55_new_device)
{
	struct ublksrv_ctrl_dev_info info, again;
	char path[128], target[256] = "";
	struct ublk_params p;
	struct stat st;
	int fd;

	raw_info_init(&info, 1, 7, 0);
	info.state = 3;
	info.ublksrv_pid = 1234;
	info.pad1 = 0x11223344;
	info.ublksrv_flags = 0xfedcba9876543210ULL;
	info.owner_uid = 4711;
	info.owner_gid = 4712;
	info.reserved1 = 0x5152535455565758ULL;
	info.reserved2 = 0x6162636465666768ULL;
	ASSERT_EQ(0, try_add(&self->t, &info));
	/* Do not wait: the node exists when the command completes. */
	snprintf(path, sizeof(path), "/dev/ublkc%u", info.dev_id);
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(info.dev_id, minor(st.st_rdev));
	snprintf(path, sizeof(path), "/dev/ublkb%u", info.dev_id);
	EXPECT_EQ(-1, access(path, F_OK));
	EXPECT_EQ(UBLK_S_DEV_DEAD, info.state);
	EXPECT_EQ(-1, info.ublksrv_pid);
	EXPECT_EQ(7, info.queue_depth);
	EXPECT_EQ(0x11223344, info.pad1);
	EXPECT_EQ(0xfedcba9876543210ULL, info.ublksrv_flags);
	EXPECT_EQ(getuid(), info.owner_uid);
	EXPECT_EQ(getgid(), info.owner_gid);
	EXPECT_EQ(0x5152535455565758ULL, info.reserved1);
	EXPECT_EQ(0x6162636465666768ULL, info.reserved2);
	ASSERT_EQ(0, raw_get_info(&self->t.ctl, info.dev_id, &again));
	EXPECT_EQ(0, memcmp(&info, &again, sizeof(info)));
	ASSERT_EQ(0, raw_get_params(&self->t.ctl, info.dev_id, &p));
	EXPECT_EQ(major(st.st_rdev), p.devt.char_major);
	EXPECT_EQ(info.dev_id, p.devt.char_minor);
	snprintf(path, sizeof(path), "/sys/class/ublk-char/ublkc%u",
		 info.dev_id);
	ASSERT_LT(0, readlink(path, target, sizeof(target) - 1));
	snprintf(path, sizeof(path),
		 "../../devices/virtual/misc/ublk-control/ublkc%u",
		 info.dev_id);
	EXPECT_STREQ(path, target);
	snprintf(path, sizeof(path), "/sys/class/ublk-char/ublkc%u/dev",
		 info.dev_id);
	fd = open(path, O_RDONLY);
	EXPECT_LE(0, fd);
	close(fd);
}

/* covers: C-56 C-112 */
TEST_F(add, C_56_clamped_values)
{
	struct ublksrv_ctrl_dev_info info;
	int cpus = raw_possible_cpus();
	struct ublk_params p;

	ASSERT_LT(0, cpus);
	raw_info_init(&info, 4096, 2, 0);
	info.max_io_buf_bytes = 65536 + 4095;
	ASSERT_EQ(0, try_add(&self->t, &info));
	EXPECT_EQ(cpus < 4096 ? cpus : 4096, info.nr_hw_queues);
	EXPECT_EQ(65536, info.max_io_buf_bytes);
	raw_info_init(&info, 1, 2, 0);
	info.max_io_buf_bytes = 4095;
	ASSERT_EQ(0, try_add(&self->t, &info));
	EXPECT_EQ(0, info.max_io_buf_bytes);
	raw_params_init(&p);
	p.basic.max_sectors = 8;
	EXPECT_EQ(-EINVAL, raw_set_params(&self->t.ctl, info.dev_id, &p));
}

/* covers: C-60 C-62 */
TEST_F(add, C_60_get_info_buffer)
{
	__u32 op = UBLK_U_CMD_GET_DEV_INFO;
	struct raw_ctrl *c = &self->t.ctl;
	char buf[72];
	int id;

	ASSERT_EQ(0, fx_add(&self->t, 1, 4, 0));
	id = self->t.info.dev_id;
	memset(buf, 0x5a, sizeof(buf));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, id, buf, 63));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, id, buf, 0));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, id, NULL, 64));
	EXPECT_EQ(-EFAULT, raw_buf_cmd(c, op, id, (void *)64, 64));
	EXPECT_EQ(0x5a, buf[0]);
	EXPECT_EQ(0, raw_buf_cmd(c, op, id, buf, 72));
	EXPECT_EQ(0x5a, buf[64]) TH_LOG("more than 64 bytes written");
	EXPECT_NE(0x5a, buf[63]);
}

static int affinity(struct fixture *t, __u64 queue, void *buf, int len)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff, .len = len,
		.addr = (uintptr_t)buf, .data = { queue },
	};

	return raw_ctrl_cmd(&t->ctl, UBLK_U_CMD_GET_QUEUE_AFFINITY, &cmd);
}

/* covers: C-63a C-63b C-63c C-63d C-63f */
TEST_F(add, C_63_affinity_errors)
{
	int need = (raw_possible_cpus() + 7) / 8;
	struct fixture *t = &self->t;
	unsigned long mask[128];

	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	EXPECT_EQ(-EINVAL, affinity(t, 0, mask, 0));
	EXPECT_EQ(-EINVAL, affinity(t, 0, mask, need - 1));
	EXPECT_EQ(-EINVAL, affinity(t, 0, mask, 1016 + 4));
	EXPECT_EQ(-EINVAL, affinity(t, 0, NULL, 1024));
	EXPECT_EQ(-EINVAL, affinity(t, 1, mask, 1024));
	EXPECT_EQ(-EINVAL, affinity(t, 1ULL << 32, mask, 1024));
	EXPECT_EQ(-EINVAL, affinity(t, ~0ULL, mask, 1024));
	EXPECT_EQ(-EFAULT, affinity(t, 0, (void *)64, 1024));
	EXPECT_EQ(0, affinity(t, 0, mask, 1024));
}

/* covers: C-64 C-57 */
TEST_F(add, C_64_affinity)
{
	unsigned long mask[128], all[128] = {};
	int cpus = raw_possible_cpus();
	struct fixture *t = &self->t;
	int q, i, cpu;

	ASSERT_EQ(0, fx_add(t, 2, 4, 0));
	for (q = 0; q < t->info.nr_hw_queues; q++) {
		memset(mask, 0xff, sizeof(mask));
		ASSERT_EQ(0, affinity(t, q, mask, sizeof(mask)));
		for (i = 0; i < 128; i++) {
			EXPECT_EQ(0, all[i] & mask[i]) {
				TH_LOG("CPU in two queues");
			}
			all[i] |= mask[i];
		}
	}
	for (cpu = 0; cpu < 128 * 64; cpu++)
		EXPECT_EQ(cpu < cpus, all[cpu / 64] >> cpu % 64 & 1);
}

TEST_HARNESS_MAIN
