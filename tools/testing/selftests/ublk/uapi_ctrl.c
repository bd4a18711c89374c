// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/ublk-control itself: transport, opcodes, order of checks, permission,
 * GET_FEATURES (control.rst sections 1 to 4).
 *
 * Every test runs twice, with encoded and with legacy opcodes, if the command
 * has both forms. The errors of single commands are in the other uapi_*.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"

#define OP_URING_CMD128		64

#define DEV_COMMANDS { \
	UBLK_U_CMD_GET_QUEUE_AFFINITY, UBLK_U_CMD_GET_DEV_INFO, \
	UBLK_U_CMD_DEL_DEV, UBLK_U_CMD_START_DEV, UBLK_U_CMD_STOP_DEV, \
	UBLK_U_CMD_SET_PARAMS, UBLK_U_CMD_GET_PARAMS, \
	UBLK_U_CMD_GET_DEV_INFO2, UBLK_U_CMD_DEL_DEV_ASYNC, \
}

FIXTURE(ctrl) {
	struct fixture t;
};

FIXTURE_VARIANT(ctrl) {
	bool legacy;
};

FIXTURE_VARIANT_ADD(ctrl, encoded) {
	.legacy = false,
};

FIXTURE_VARIANT_ADD(ctrl, legacy) {
	.legacy = true,
};

FIXTURE_SETUP(ctrl)
{
	FX_SETUP(&self->t, 0);
	self->t.ctl.legacy = variant->legacy;
	ASSERT_EQ(0, fx_add(&self->t, 1, 4, 0));
}

FIXTURE_TEARDOWN_PARENT(ctrl)
{
	FX_TEARDOWN(&self->t);
}

static __u32 nr_or_encoded(struct fixture *t, __u32 op)
{
	return t->ctl.legacy ? (op & 0xff) : op;
}

static struct ublksrv_ctrl_cmd info_cmd(struct fixture *t)
{
	return (struct ublksrv_ctrl_cmd) {
		.dev_id = t->info.dev_id,
		.queue_id = 0xffff,
		.len = sizeof(t->info),
		.addr = (uintptr_t)&t->info,
	};
}

/* covers: C-1 L-70 F-10 F-13 */
TEST_F(ctrl, C_1_control_node)
{
	struct pollfd pfd = { .events = POLLIN | POLLOUT };
	struct stat st;
	char c = 0;
	int fd, fd2;

	fd = open("/dev/ublk-control", O_RDWR);
	ASSERT_LE(0, fd);
	fd2 = open("/dev/ublk-control", O_RDWR);
	EXPECT_LE(0, fd2) TH_LOG("the node can be opened any number of times");
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(10, major(st.st_rdev));
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(fd, UBLK_U_CMD_GET_DEV_INFO, &c));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	pfd.fd = fd;
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, pfd.revents);
	EXPECT_EQ(0, access("/sys/module/ublk_drv", F_OK));
	EXPECT_EQ(0, access("/sys/class/ublk-char", F_OK));
}

static int small_sqe_cmd(int fd, __u32 op, const void *cmd)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int ret;

	ret = io_uring_queue_init(4, &ring, 0);
	if (ret)
		return ret;
	sqe = io_uring_get_sqe(&ring);
	if (!sqe)
		return -EXFULL;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	memcpy(sqe->cmd, cmd, 16);
	ret = io_uring_submit_and_wait(&ring, 1);
	if (ret >= 0 && !io_uring_peek_cqe(&ring, &cqe))
		ret = cqe->res;
	io_uring_queue_exit(&ring);
	return ret;
}

/* covers: C-2 C-10 */
TEST_F(ctrl, C_2_small_sqe)
{
	struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);
	int fd = self->t.ctl.fd;

	EXPECT_EQ(-EINVAL, small_sqe_cmd(fd, UBLK_U_CMD_GET_DEV_INFO, &cmd));
	EXPECT_EQ(-EINVAL, small_sqe_cmd(fd, UBLK_U_CMD_STOP_DEV, &cmd));
	EXPECT_EQ(-EINVAL, small_sqe_cmd(fd, UBLK_U_CMD_GET_FEATURES, &cmd));
	/* The size is checked before the type byte. */
	EXPECT_EQ(-EINVAL, small_sqe_cmd(fd, _IO('v', 0x02), &cmd));
}

/* covers: C-2 */
TEST_F(ctrl, C_2_uring_cmd128)
{
	struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;

	sqe = raw_ctrl_prep(&self->t.ctl, UBLK_U_CMD_GET_DEV_INFO, &cmd);
	ASSERT_NE(NULL, sqe);
	sqe->opcode = OP_URING_CMD128;
	ASSERT_EQ(1, io_uring_submit_and_wait(&self->t.ctl.ring, 1));
	ASSERT_EQ(0, io_uring_peek_cqe(&self->t.ctl.ring, &cqe));
	if (cqe->res == -EINVAL)
		SKIP(return, "kernel has no IORING_OP_URING_CMD128");
	EXPECT_EQ(0, cqe->res);
}

/* covers: C-3 C-6 */
TEST_F(ctrl, C_3_information_inline)
{
	const __u32 ops[] = {
		UBLK_U_CMD_GET_DEV_INFO, UBLK_U_CMD_GET_FEATURES,
		UBLK_U_CMD_GET_QUEUE_AFFINITY,
	};
	const __u16 lens[] = { 64, 8, 512 };
	struct io_uring *ring = &self->t.ctl.ring;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	char buf[512], copy[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);

		cmd.addr = (uintptr_t)buf;
		cmd.len = lens[i];
		sqe = raw_ctrl_prep(&self->t.ctl, ops[i], &cmd);
		ASSERT_NE(NULL, sqe);
		memcpy(copy, (void *)sqe, sizeof(copy));
		ASSERT_EQ(1, io_uring_submit(ring));
		/*
		 * The command completes within the system call, so there is no
		 * wait.
		 */
		ASSERT_EQ(0, io_uring_peek_cqe(ring, &cqe));
		EXPECT_EQ(0, cqe->res);
		EXPECT_EQ(0, cqe->flags);
		EXPECT_EQ(0, memcmp(copy, (void *)sqe, sizeof(copy)));
		io_uring_cqe_seen(ring, cqe);
	}
}

/* covers: C-3 C-6 F-3 */
TEST_F(ctrl, C_3_sleeping_commands_never_give_eagain)
{
	struct ublk_params p;
	int i, id = self->t.info.dev_id;

	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, raw_get_params(&self->t.ctl, id, &p));
		EXPECT_EQ(0, raw_dev_cmd(&self->t.ctl, UBLK_U_CMD_STOP_DEV, id,
					 0));
	}
}

/* covers: C-5 */
TEST_F(ctrl, C_5_ignored_members)
{
	struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);
	struct raw_ctrl *c = &self->t.ctl;

	cmd.queue_id = 7;
	cmd.pad = 0xffff;
	cmd.reserved = ~0U;
	cmd.data[0] = ~0ULL;
	EXPECT_EQ(0, raw_ctrl_cmd(c, UBLK_U_CMD_GET_DEV_INFO, &cmd));
	cmd.dev_path_len = 0xffff;
	EXPECT_EQ(0, raw_ctrl_cmd(c, UBLK_U_CMD_GET_DEV_INFO, &cmd));
	cmd.len = 0;
	cmd.addr = 0;
	EXPECT_EQ(0, raw_ctrl_cmd(c, UBLK_U_CMD_STOP_DEV, &cmd));
}

/* covers: C-7 C-10 F-14 */
TEST_F(ctrl, C_7_type_byte)
{
	struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);
	struct raw_ctrl *c = &self->t.ctl;
	unsigned int type;
	__u32 op;

	for (type = 0; type < 256; type++) {
		int want = type == 'u' || !type ? 0 : -EOPNOTSUPP;

		op = _IOR(type, 0x02, struct ublksrv_ctrl_cmd);
		EXPECT_EQ(want, raw_ctrl_cmd_ms(c, op, &cmd, RAW_DEADLINE_MS))
			TH_LOG("type byte 0x%x", type);
	}
	/* The type byte is checked before the device number. */
	cmd.dev_id = 1000000;
	EXPECT_EQ(-EOPNOTSUPP, raw_ctrl_cmd_ms(c, _IO('v', 0x02), &cmd,
					       RAW_DEADLINE_MS));
	EXPECT_EQ(-EOPNOTSUPP, raw_ctrl_cmd_ms(c, _IO('v', 0x07), &cmd,
					       RAW_DEADLINE_MS));
}

/* covers: C-8 F-14 */
TEST_F(ctrl, C_8_selected_by_number)
{
	struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);
	struct raw_ctrl *c = &self->t.ctl;

	EXPECT_EQ(0, raw_ctrl_cmd_ms(c, _IO('u', 0x02), &cmd,
				     RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_ctrl_cmd_ms(c, _IOWR('u', 0x02, char), &cmd,
				     RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_ctrl_cmd_ms(c, _IO(0, 0x02), &cmd, RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_ctrl_cmd_ms(c, _IO('u', 0x07), &cmd,
				     RAW_DEADLINE_MS));
	/*
	 * The legacy form of a command for which the header defines no legacy
	 * code.
	 */
	EXPECT_EQ(0, raw_ctrl_cmd_ms(c, 0x14, &cmd, RAW_DEADLINE_MS));
}

/* covers: C-9 C-10 C-35 */
TEST_F(ctrl, C_9_features_exact_opcode)
{
	struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);
	struct raw_ctrl *c = &self->t.ctl;
	__u64 f = 0;

	cmd.addr = (uintptr_t)&f;
	cmd.len = 8;
	cmd.dev_id = 0xfffffff0;
	EXPECT_EQ(0, raw_ctrl_cmd_ms(c, UBLK_U_CMD_GET_FEATURES, &cmd,
				     RAW_DEADLINE_MS));
	/*
	 * Another form: the device is looked up first, then the number is
	 * unknown.
	 */
	EXPECT_EQ(-ENODEV, raw_ctrl_cmd_ms(c, 0x13, &cmd, RAW_DEADLINE_MS));
	cmd.dev_id = self->t.info.dev_id;
	EXPECT_EQ(-EOPNOTSUPP, raw_ctrl_cmd_ms(c, 0x13, &cmd,
					       RAW_DEADLINE_MS));
	EXPECT_EQ(-EOPNOTSUPP, raw_ctrl_cmd_ms(c, _IO('u', 0x13), &cmd,
					       RAW_DEADLINE_MS));
	EXPECT_EQ(-EOPNOTSUPP,
		  raw_ctrl_cmd_ms(c, _IOWR('u', 0x13, struct ublksrv_ctrl_cmd),
				  &cmd, RAW_DEADLINE_MS));
}

/* covers: C-10 */
TEST_F(ctrl, C_10_unknown_device)
{
	const __u32 ops[] = DEV_COMMANDS;
	const __u32 ids[] = { 1048575, 1048576, 0x7fffffff, 0x80000000,
			      0xffffffff };
	struct ublksrv_ctrl_cmd cmd = { .queue_id = 0xffff };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (j = 0; j < ARRAY_SIZE(ids); j++) {
			cmd.dev_id = ids[j];
			EXPECT_EQ(-ENODEV,
				  raw_ctrl_cmd(&self->t.ctl, ops[i], &cmd))
				TH_LOG("op 0x%x id 0x%x", ops[i], ids[j]);
		}
	}
}

/* covers: C-10 */
TEST_F(ctrl, C_10_unknown_number)
{
	const __u8 nrs[] = { 0x00, 0x03, 0x0a, 0x0f, 0x1a, 0x20, 0x7f, 0xff };
	struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);
	unsigned int i;
	__u32 op;

	for (i = 0; i < ARRAY_SIZE(nrs); i++) {
		op = _IOWR('u', nrs[i], struct ublksrv_ctrl_cmd);
		cmd.dev_id = self->t.info.dev_id;
		EXPECT_EQ(-EOPNOTSUPP, raw_ctrl_cmd(&self->t.ctl, op, &cmd))
			TH_LOG("nr 0x%x", nrs[i]);
		cmd.dev_id = 1048575;
		EXPECT_EQ(-ENODEV, raw_ctrl_cmd(&self->t.ctl, op, &cmd))
			TH_LOG("nr 0x%x, no device", nrs[i]);
	}
}

/* covers: C-4 C-10 C-21 */
TEST_F(ctrl, C_21_unprivileged_caller)
{
	const __u32 ops[] = DEV_COMMANDS;
	struct ublksrv_ctrl_cmd cmd = info_cmd(&self->t);
	unsigned int i;

	ASSERT_EQ(0, raw_drop_privileges());
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(-EPERM, raw_ctrl_cmd(&self->t.ctl, ops[i], &cmd))
			TH_LOG("op 0x%x", ops[i]);
	}
	/* Permission is checked before "unknown number". */
	EXPECT_EQ(-EPERM, raw_ctrl_cmd(&self->t.ctl, _IO('u', 0x7f), &cmd));
	/* An unknown device is reported before missing permission. */
	cmd.dev_id = 1048575;
	EXPECT_EQ(-ENODEV, raw_ctrl_cmd(&self->t.ctl, UBLK_U_CMD_STOP_DEV,
					&cmd));
}

/* covers: C-20 C-44 */
TEST_F(ctrl, C_44_add_needs_privilege)
{
	struct ublksrv_ctrl_dev_info info;

	raw_info_init(&info, 1, 4, 0);
	ASSERT_EQ(0, raw_drop_privileges());
	EXPECT_EQ(-EPERM, raw_add(&self->t.ctl, &info));
}

/* covers: C-35 C-20 F-4 */
TEST_F(ctrl, C_35_get_features)
{
	const __u64 always = UBLK_F_URING_CMD_COMP_IN_TASK |
			     UBLK_F_CMD_IOCTL_ENCODE | UBLK_F_PER_IO_DAEMON;
	struct raw_ctrl *c = &self->t.ctl;
	__u64 f[2] = { 0, 0x5a5a5a5a5a5a5a5aULL };
	__u32 op = UBLK_U_CMD_GET_FEATURES;

	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, 0, f, 7));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, 0, f, 9));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, 0, f, 0));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(c, op, 0, NULL, 8));
	EXPECT_EQ(-EFAULT, raw_buf_cmd(c, op, 0, (void *)8, 8));
	EXPECT_EQ(0, f[0]);
	EXPECT_EQ(0, raw_buf_cmd(c, op, 0, f, 8));
	EXPECT_EQ(always, f[0] & always);
	EXPECT_EQ(0, f[0] & ~(RAW_F_ABI | RAW_F_OURS));
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, f[1]);
	/* This command needs no privilege. */
	ASSERT_EQ(0, raw_drop_privileges());
	EXPECT_EQ(0, raw_buf_cmd(c, op, 0, &f[1], 8));
	EXPECT_EQ(f[0], f[1]);
}

/* Does the kernel, modules apart, have a function whose name begins so? */
static bool kernel_has(const char *function)
{
	size_t len = strlen(function);
	char line[512], name[256];
	bool found = false;
	FILE *f;

	f = fopen("/proc/kallsyms", "r");
	if (!f)
		return true;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %255s", name) == 1 &&
			!strchr(line, '[') && !strncmp(name, function, len);
	fclose(f);
	return found;
}

/* What this driver should offer on this kernel. */
static __u64 offerable(void)
{
	__u64 all = RAW_F_ABI | (running_on_mainline() ? 0 : RAW_F_OURS);
	glob_t disks;

	/* Disks have this directory only if the kernel supports it. */
	if (glob("/sys/block/*/integrity", 0, NULL, &disks))
		all &= ~UBLK_F_INTEGRITY;
	else
		globfree(&disks);
	if (!kernel_has("io_buffer_unregister"))
		all &= ~(UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG |
			 UBLK_F_BUF_REG_OFF_DAEMON);
	if (!kernel_has("io_uring_mshot_cmd_post_cqe"))
		all &= ~UBLK_F_BATCH_IO;
	return all;
}

/*
 * covers: F-4
 *
 * Other tests skip a feature that is not offered; this one fails if one is
 * missing.
 */
TEST_F(ctrl, F_4_everything_is_offered)
{
	__u64 f = 0, all = offerable();

	ASSERT_EQ(0, raw_features(&self->t.ctl, &f));
	if (running_on_mainline() && !(f & UBLK_F_IO_DESC_SIZE))
		SKIP(return, "the driver is that of a kernel before Linux 7.3");
	EXPECT_EQ(all, f) TH_LOG("0x%llx, not 0x%llx", f, all);
}

static int info2(struct fixture *t, const void *path, int path_len, int len)
{
	static char buf[8192];
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff, .len = len,
		.addr = (uintptr_t)buf, .dev_path_len = path_len,
	};

	memset(buf, 0, sizeof(buf));
	if (path)
		memcpy(buf, path, path_len < 8000 ? path_len : 8000);
	else
		cmd.addr = 0;
	return raw_ctrl_cmd(&t->ctl, UBLK_U_CMD_GET_DEV_INFO2, &cmd);
}

/* covers: C-21 C-23 C-24 C-25 C-27 C-28 C-31 C-60 C-62 F-23 */
TEST_F(ctrl, C_23_info2_path)
{
	char path[8192] = "", other[64], link[64];
	struct fixture *t = &self->t;
	int n;

	snprintf(path, sizeof(path), "/dev/ublkc%d", t->info.dev_id);
	n = strlen(path);
	EXPECT_EQ(0, info2(t, path, n, n + 64)) TH_LOG("path without NUL");
	EXPECT_EQ(0, info2(t, path, 32, 32 + 64)) TH_LOG("padded path");
	EXPECT_EQ(0, info2(t, path, 4096, 4096 + 64));
	EXPECT_EQ(-EINVAL, info2(t, path, 0, 64));
	EXPECT_EQ(-EINVAL, info2(t, path, 4097, 4097 + 64));
	EXPECT_EQ(-EINVAL, info2(t, path, 32, 31));
	EXPECT_EQ(-EINVAL, info2(t, path, 32, 32 + 63));
	EXPECT_EQ(-EFAULT, info2(t, NULL, 32, 32 + 64));
	EXPECT_EQ(-ENOENT, info2(t, "/dev/nosuchnode", 16, 16 + 64));
	EXPECT_EQ(-ENOTDIR, info2(t, "/dev/null/x", 12, 12 + 64));
	EXPECT_EQ(-EPERM, info2(t, "/dev/null", 10, 10 + 64));
	EXPECT_EQ(-EPERM, info2(t, "/dev", 5, 5 + 64));
	snprintf(other, sizeof(other), "/dev/ublk-control");
	EXPECT_EQ(-EPERM, info2(t, other, 32, 32 + 64));
	snprintf(link, sizeof(link), "/tmp/ublk-link-%d", getpid());
	ASSERT_EQ(0, symlink(path, link));
	EXPECT_EQ(0, info2(t, link, 64, 64 + 64)) TH_LOG("symbolic link");
	unlink(link);
}

/* covers: C-31 C-62 */
TEST_F(ctrl, C_62_info2_reply_behind_path)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	struct ublksrv_ctrl_cmd cmd;
	char buf[32 + 64 + 8];

	memset(buf, 0, sizeof(buf));
	memset(buf + 96, 0x5a, 8);
	snprintf(buf, 32, "/dev/ublkc%d", t->info.dev_id);
	cmd = info_cmd(t);
	cmd.addr = (uintptr_t)buf;
	cmd.len = sizeof(buf);
	cmd.dev_path_len = 32;
	ASSERT_EQ(0, raw_ctrl_cmd(&t->ctl, UBLK_U_CMD_GET_DEV_INFO2, &cmd));
	ASSERT_EQ(0, raw_get_info(&t->ctl, t->info.dev_id, &info));
	EXPECT_EQ(0, memcmp(buf + 32, &info, sizeof(info)));
	EXPECT_EQ(0x5a, buf[96]) TH_LOG("more than 64 bytes written");
}

/* covers: C-10 C-23 */
TEST_F(ctrl, C_23_info2_opcode_forms)
{
	struct fixture *t = &self->t;
	__u32 op = nr_or_encoded(t, UBLK_U_CMD_GET_DEV_INFO2);
	struct ublksrv_ctrl_cmd cmd = info_cmd(t);

	/* The path is checked before length and address of the reply. */
	cmd.len = 0;
	cmd.addr = 0;
	EXPECT_EQ(-EINVAL, raw_ctrl_cmd_ms(&t->ctl, op, &cmd,
					   RAW_DEADLINE_MS));
	cmd.dev_path_len = 16;
	cmd.len = 16;
	EXPECT_EQ(-EFAULT, raw_ctrl_cmd_ms(&t->ctl, op, &cmd,
					   RAW_DEADLINE_MS));
}

TEST_HARNESS_MAIN
