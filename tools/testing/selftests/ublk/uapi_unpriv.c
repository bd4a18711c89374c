// SPDX-License-Identifier: GPL-2.0
/*
 * Devices of unprivileged users: the path check of control commands, features
 * that such a device may not have, who may open its disk (control.rst section 3
 * and C-44 to C-48, lifecycle.rst L-59, L-82, L-90, L-91; I-2).
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "kselftest_harness.h"
#include "lib/proc.h"
#include "lib/server_proc.h"
#include "lib/unpriv_user.h"

#define INFO	UBLK_U_CMD_GET_DEV_INFO
#define INFO2	UBLK_U_CMD_GET_DEV_INFO2
#define WIN	RAW_WIN_START

FIXTURE(user) {
	struct fixture t;
	int id;
	char node[32];
	char dir[32];
};

FIXTURE_SETUP(user)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, UBLK_F_UNPRIVILEGED_DEV);
	ASSERT_EQ(0, unpriv_add(t, 1, 4, 0));
	self->id = t->info.dev_id;
	snprintf(self->node, sizeof(self->node), "/dev/ublkc%d", self->id);
	snprintf(self->dir, sizeof(self->dir), "/tmp/ublk-user-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chmod(self->dir, 0755));
}

FIXTURE_TEARDOWN_PARENT(user)
{
	FX_TEARDOWN(&self->t);
}

/* GET_DEV_INFO with that path, by the user. */
static int info_by(struct fixture *t, uid_t uid, const char *path)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = unpriv_become(uid, uid == UNPRIV_UID ? UNPRIV_GID : uid);

	if (!ret)
		ret = unpriv_path_cmd(t, INFO, path, 0, &info, sizeof(info));
	return unpriv_end() ? -EPERM : ret;
}

static int cmd_by(struct fixture *t, uid_t uid, __u32 op, __u64 data)
{
	int ret = unpriv_become(uid, uid == UNPRIV_UID ? UNPRIV_GID : uid);

	if (!ret)
		ret = unpriv_cmd(t, op, data);
	return unpriv_end() ? -EPERM : ret;
}

/* covers: C-20 C-44 C-45 C-51h */
TEST_F(user, C_44_who_may_add)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	__u64 features = 0;
	int ret, none;

	EXPECT_EQ(UNPRIV_UID, t->info.owner_uid);
	EXPECT_EQ(UNPRIV_GID, t->info.owner_gid);
	EXPECT_TRUE(t->info.flags & UBLK_F_UNPRIVILEGED_DEV);
	ASSERT_EQ(0, unpriv_become(UNPRIV_UID, UNPRIV_GID));
	raw_info_init(&info, 1, 1, 0);
	none = raw_add(&t->ctl, &info);
	ret = raw_features(&t->ctl, &features);
	ASSERT_EQ(0, unpriv_end());
	EXPECT_EQ(-EPERM, none);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(t->features, features);
	/* A privileged caller does not get the flag. */
	raw_info_init(&info, 1, 1, UBLK_F_UNPRIVILEGED_DEV);
	ASSERT_EQ(0, raw_add(&t->ctl, &info));
	fx_remember(t, info.dev_id);
	EXPECT_EQ(0, info.flags & UBLK_F_UNPRIVILEGED_DEV);
	EXPECT_EQ(0, info.owner_uid);
}

/* covers: C-21 C-62 */
TEST_F(user, C_21_devices_of_the_administrator)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	/* The owner and mode of the node do not matter. */
	ASSERT_EQ(0, unpriv_udev(t->info.dev_id, UNPRIV_UID, UNPRIV_GID, 0600));
	EXPECT_EQ(-EPERM, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(-EPERM, cmd_by(t, UNPRIV_UID, INFO2, 0));
	EXPECT_EQ(-EPERM, info_by(t, UNPRIV_UID, "/dev/null"));
}

static int odd_cmd(struct fixture *t, __u32 op, void *addr, __u16 len,
		   __u16 path_len)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff,
		.addr = (uintptr_t)addr, .len = len, .dev_path_len = path_len,
	};

	return raw_ctrl_cmd(&t->ctl, op, &cmd);
}

/* covers: C-22 C-23 C-24 C-25 C-31 */
TEST_F(user, C_22_path_in_the_buffer)
{
	size_t n = strlen(self->node);
	struct fixture *t = &self->t;
	char buf[4096 + 128];
	__u16 i;

	memset(buf, 0, sizeof(buf));
	memcpy(buf, self->node, n);
	/* This is checked for the administrator, too. */
	EXPECT_EQ(-EINVAL, odd_cmd(t, INFO, buf, sizeof(buf), 0));
	EXPECT_EQ(-EINVAL, odd_cmd(t, INFO, buf, sizeof(buf), 4097));
	EXPECT_EQ(-EINVAL, odd_cmd(t, INFO, buf, n, n + 1));
	EXPECT_EQ(-EFAULT, odd_cmd(t, INFO, NULL, 128, n + 1));
	EXPECT_EQ(-EFAULT, odd_cmd(t, INFO, (void *)8, 128, n + 1));
	/* The path ends at the first NUL or after its length. */
	for (i = 0; i < 3; i++) {
		static const __u16 more[] = { 1, 9, 0 };
		__u16 len = n + more[i];

		memset(buf, 0, sizeof(buf));
		if (!more[i])
			memset(buf, 'x', sizeof(buf));
		memcpy(buf, self->node, n);
		EXPECT_EQ(0, odd_cmd(t, INFO, buf, len + 64, len));
		/* The reply follows the path, which is not changed. */
		EXPECT_EQ(self->id, *(__u32 *)(buf + len + 12));
		EXPECT_EQ(0, memcmp(buf, self->node, n));
		EXPECT_EQ(-EINVAL, odd_cmd(t, INFO, buf, len + 63, len));
	}
	memset(buf, 0, sizeof(buf));
	memcpy(buf, self->node, n);
	EXPECT_EQ(0, odd_cmd(t, INFO, buf, 4096 + 64, 4096));
	EXPECT_EQ(0, odd_cmd(t, INFO2, buf, 4096 + 64, 4096));
}

/* covers: C-26 C-30 C-9 */
TEST_F(user, C_30_commands_without_an_access)
{
	const __u32 features_ioc = _IOWR('u', 0x13, struct ublksrv_ctrl_cmd);
	const __u32 unknown = _IOWR('u', 0x3f, struct ublksrv_ctrl_cmd);
	struct fixture *t = &self->t;

	EXPECT_EQ(-EINVAL, unpriv_cmd(t, UBLK_U_CMD_DEL_DEV_ASYNC, 0));
	EXPECT_EQ(-EINVAL, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_DEL_DEV_ASYNC, 0));
	EXPECT_EQ(-EINVAL, cmd_by(t, UNPRIV_UID, unknown, 0));
	EXPECT_EQ(-EOPNOTSUPP, cmd_by(t, UNPRIV_UID, features_ioc, 0));
	/* The length of the path is checked before that, its inode after. */
	EXPECT_EQ(-EINVAL, unpriv_path_cmd(t, UBLK_U_CMD_DEL_DEV_ASYNC,
					   "/nonexistent", 0, NULL, 0));
	EXPECT_EQ(0, unpriv_state(t));
}

/* covers: C-27 C-28 */
TEST_F(user, C_27_lookup)
{
	char path[64], other[32];
	struct fixture *t = &self->t;

	EXPECT_EQ(0, info_by(t, UNPRIV_UID, self->node));
	EXPECT_EQ(-ENOENT, info_by(t, UNPRIV_UID, "/nonexistent/node"));
	EXPECT_EQ(-ENOTDIR, info_by(t, UNPRIV_UID, "/dev/null/node"));
	EXPECT_EQ(-EPERM, info_by(t, UNPRIV_UID, "/dev/null"));
	EXPECT_EQ(-EPERM, info_by(t, UNPRIV_UID, "/dev/ublk-control"));
	EXPECT_EQ(-EPERM, info_by(t, UNPRIV_UID, "/etc/passwd"));
	EXPECT_EQ(-EPERM, info_by(t, UNPRIV_UID, "/dev"));
	/* Symbolic links are followed if the user has access. */
	snprintf(path, sizeof(path), "%s/link", self->dir);
	ASSERT_EQ(0, symlink(self->node, path));
	EXPECT_EQ(0, info_by(t, UNPRIV_UID, path));
	ASSERT_EQ(0, chmod(self->dir, 0700));
	EXPECT_EQ(-EACCES, info_by(t, UNPRIV_UID, path));
	EXPECT_EQ(0, unlink(path));
	/* The node of another device of the same user. */
	snprintf(other, sizeof(other), "%s", self->node);
	ASSERT_EQ(0, unpriv_add(t, 1, 1, 0));
	EXPECT_EQ(-EPERM, info_by(t, UNPRIV_UID, other));
	rmdir(self->dir);
}

/* covers: C-29 C-31 L-59 */
TEST_F(user, C_29_permission_of_the_node)
{
	struct fixture *t = &self->t;
	gid_t gid = UNPRIV_GID;

	ASSERT_EQ(0, chmod(self->node, 0400));
	EXPECT_EQ(0, info_by(t, UNPRIV_UID, self->node));
	EXPECT_EQ(-EACCES, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(-EACCES, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_DEL_DEV, 0));
	ASSERT_EQ(0, chmod(self->node, 0200));
	EXPECT_EQ(-EACCES, info_by(t, UNPRIV_UID, self->node));
	EXPECT_EQ(-EACCES, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_STOP_DEV, 0));
	ASSERT_EQ(0, chmod(self->node, 0600));
	EXPECT_EQ(0, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(-EACCES, info_by(t, UNPRIV_OTHER, self->node));
	/*
	 * Everybody with access to the node may send commands, not only the
	 * owner.
	 */
	ASSERT_EQ(0, chmod(self->node, 0666));
	EXPECT_EQ(0, info_by(t, UNPRIV_OTHER, self->node));
	EXPECT_EQ(0, cmd_by(t, UNPRIV_OTHER, UBLK_U_CMD_STOP_DEV, 0));
	/* The same with access by group, as udev gives it. */
	ASSERT_EQ(0, chown(self->node, 0, gid));
	ASSERT_EQ(0, chmod(self->node, 0660));
	EXPECT_EQ(0, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(-EACCES, cmd_by(t, UNPRIV_OTHER, UBLK_U_CMD_STOP_DEV, 0));
	/*
	 * The administrator may ignore the node's mode, but the path must be
	 * right.
	 */
	ASSERT_EQ(0, chmod(self->node, 0));
	EXPECT_EQ(0, unpriv_cmd(t, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(-EPERM, unpriv_path_cmd(t, UBLK_U_CMD_STOP_DEV, "/dev/null",
					  0, NULL, 0));
}

/* covers: I-2 C-28 C-29 */
TEST_F(user, I_2_nodes_that_the_system_did_not_make)
{
	struct fixture *t = &self->t;
	struct stat st;
	char path[64];
	int nodev, stranger;

	ASSERT_EQ(0, stat(self->node, &st));
	ASSERT_EQ(0, mount("none", self->dir, "tmpfs", MS_NODEV, "mode=755"));
	snprintf(path, sizeof(path), "%s/node", self->dir);
	ASSERT_EQ(0, mknod(path, S_IFCHR | 0666, st.st_rdev));
	ASSERT_EQ(0, chmod(path, 0666));
	ASSERT_EQ(0, chown(path, UNPRIV_UID, UNPRIV_GID));
	nodev = info_by(t, UNPRIV_UID, path);
	EXPECT_EQ(0, umount2(self->dir, MNT_DETACH));
	rmdir(self->dir);
	ASSERT_EQ(0, chown(self->node, UNPRIV_OTHER, UNPRIV_OTHER));
	ASSERT_EQ(0, chmod(self->node, 0666));
	stranger = info_by(t, UNPRIV_UID, self->node);
	/* With that path nobody could delete the device now. */
	ASSERT_EQ(0, chown(self->node, 0, 0));
	if (running_on_mainline()) {
		EXPECT_EQ(0, nodev);
		EXPECT_EQ(0, stranger);
		SKIP(return, "mainline accepts any inode with the device number");
	}
	EXPECT_EQ(-EPERM, nodev);
	EXPECT_EQ(-EPERM, stranger);
}

/* In a process of its own, which waits. */
static int delete_by_user(const struct fixture *t, int node)
{
	/* The test's own is in shared memory. */
	struct fixture mine = *t;

	close(node);
	return raw_ctrl_open(&mine.ctl) ||
	       unpriv_become(UNPRIV_UID, UNPRIV_GID) ||
	       unpriv_cmd(&mine, UBLK_U_CMD_DEL_DEV, 0);
}

/* covers: I-68 L-95 */
TEST_F(user, I_68_devices_count_until_they_are_gone)
{
	const char *path = "/sys/module/ublk_drv/parameters/ublks_max";
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	int max, node, ret;
	pid_t pid;

	if (running_on_mainline())
		SKIP(return, "mainline counts devices until they are deleted");
	max = open(path, O_WRONLY);
	ASSERT_LE(0, max);
	ASSERT_EQ(1, pwrite(max, "1", 1, 0));
	node = raw_char_open(self->id);
	ASSERT_LE(0, node);
	/* Deleted, but the open node keeps all its memory. */
	pid = proc_fork();
	if (!pid)
		_exit(delete_by_user(t, node));
	ASSERT_TRUE(raw_wait_path(self->node, false));
	ASSERT_EQ(0, unpriv_become(UNPRIV_UID, UNPRIV_GID));
	raw_info_init(&info, 1, 4, UBLK_F_UNPRIVILEGED_DEV);
	ret = raw_add(&t->ctl, &info);
	ASSERT_EQ(0, unpriv_end());
	EXPECT_EQ(-EACCES, ret);
	close(node);
	/* DEL_DEV returns when the number is free, so the device counts no more. */
	EXPECT_EQ(0, proc_wait_exit(pid, RAW_DEADLINE_MS));
	ret = unpriv_add(t, 1, 4, 0);
	EXPECT_EQ(2, pwrite(max, "64", 2, 0));
	EXPECT_EQ(0, ret);
}

/* covers: C-48 C-49 F-5 */
TEST_F(user, C_48_forbidden_features)
{
	const __u64 never[] = {
		UBLK_F_USER_COPY, UBLK_F_SUPPORT_ZERO_COPY,
		UBLK_F_AUTO_BUF_REG,
	};
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(never); i++) {
		raw_info_init(&info, 1, 1, UBLK_F_UNPRIVILEGED_DEV | never[i]);
		ASSERT_EQ(0, unpriv_become(UNPRIV_UID, UNPRIV_GID));
		ret = raw_add(&t->ctl, &info);
		ASSERT_EQ(0, unpriv_end());
		if (!ret)
			fx_remember(t, info.dev_id);
		EXPECT_EQ(-EINVAL, ret);
	}
}

/*
 * Start a server process of the user; the device is LIVE then. NULL on failure.
 */
static struct server_proc *user_server(struct fixture *t, enum server_hold hold)
{
	struct server_proc *s = NULL;
	int ret = unpriv_become(UNPRIV_UID, UNPRIV_GID);

	if (!ret)
		s = server_launch(&t->info, hold, false);
	if (s)
		ret = unpriv_cmd(t, UBLK_U_CMD_START_DEV, s->pid);
	if (unpriv_end() || ret)
		return NULL;
	if (unpriv_udev(t->info.dev_id, UNPRIV_UID, UNPRIV_GID, 0600))
		return NULL;
	return s;
}

struct user_blk {
	int id;
	uid_t uid;
	gid_t gid;
	enum client_blk_op op;
	char *buf;
};

static long user_blk_job(void *arg)
{
	struct user_blk *u = arg;
	long ret = unpriv_become(u->uid, u->gid);

	return ret ? ret : client_blk_run(u->id, u->op, WIN, 4096, u->buf);
}

static long user_blk(struct fixture *t, uid_t uid, gid_t gid,
		     enum client_blk_op op)
{
	struct user_blk arg = {
		.id = t->info.dev_id, .uid = uid, .gid = gid, .op = op,
		.buf = t->client->data,
	};

	return client_wait(t->client,
			   client_start(t->client, user_blk_job, &arg,
					sizeof(arg)),
			   RAW_DEADLINE_MS);
}

/* covers: C-47 L-59 C-100 C-92a L-1 */
TEST_F(user, C_47_no_recovery)
{
	const __u64 ask = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_FAIL_IO |
			  UBLK_F_QUIESCE;
	struct fixture *t = &self->t;
	struct server_proc *s;

	FX_REQUIRE(t, ask | UBLK_F_USER_RECOVERY_REISSUE);
	ASSERT_EQ(0, unpriv_add(t, 1, 1, UBLK_F_USER_RECOVERY |
				UBLK_F_USER_RECOVERY_REISSUE));
	EXPECT_EQ(0, t->info.flags & (UBLK_F_USER_RECOVERY |
				      UBLK_F_USER_RECOVERY_REISSUE));
	ASSERT_EQ(0, unpriv_add(t, 1, 4, ask));
	EXPECT_EQ(ask & ~UBLK_F_USER_RECOVERY, t->info.flags & ask);
	EXPECT_EQ(-EINVAL, unpriv_cmd(t, UBLK_U_CMD_START_USER_RECOVERY, 0));
	/* The exit of its server stops it. */
	s = user_server(t, SERVER_HOLD_NONE);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(0, unpriv_wait_state(t, UBLK_S_DEV_DEAD));
	/* QUIESCE_DEV works, and the exit of the server still stops it. */
	s = user_server(t, SERVER_HOLD_NONE);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(0, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_QUIESCE_DEV, 0));
	EXPECT_EQ(0, server_wait_exit(s, RAW_DEADLINE_MS));
	EXPECT_EQ(4, s->aborted);
	EXPECT_EQ(0, unpriv_wait_state(t, UBLK_S_DEV_DEAD));
}

/* covers: L-90 L-82 D-48 L-80 */
TEST_F(user, L_90_who_may_open_the_disk)
{
	const __u16 gid = UNPRIV_GID, other = UNPRIV_OTHER;
	struct fixture *t = &self->t;
	struct server_proc *s;
	char path[32];
	int job;

	s = user_server(t, SERVER_HOLD_NONE);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(4096, user_blk(t, UNPRIV_UID, gid, CLIENT_READ));
	EXPECT_EQ(4096, user_blk(t, UNPRIV_UID, gid, CLIENT_WRITE));
	EXPECT_EQ(-EACCES, user_blk(t, UNPRIV_OTHER, other, CLIENT_READ));
	EXPECT_EQ(4096, user_blk(t, 0, 0, CLIENT_READ));
	/* Both ids must be the owner's, whatever the node's mode is. */
	snprintf(path, sizeof(path), "/dev/ublkb%d", self->id);
	ASSERT_EQ(0, chmod(path, 0666));
	EXPECT_EQ(-EPERM, user_blk(t, UNPRIV_OTHER, other, CLIENT_READ));
	EXPECT_EQ(-EPERM, user_blk(t, UNPRIV_UID, other, CLIENT_READ));
	EXPECT_EQ(-EPERM, user_blk(t, UNPRIV_OTHER, gid, CLIENT_READ));
	EXPECT_EQ(4096, user_blk(t, UNPRIV_UID, gid, CLIENT_READ));
	/*
	 * The server is unprivileged, so the kernel does not read partitions.
	 */
	job = client_blk(t->client, self->id, CLIENT_RRPART, 0, 0, 0);
	EXPECT_EQ(-EINVAL, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(0, server_wait_exit(s, RAW_DEADLINE_MS));
}

static long mount_job(void *arg)
{
	const char *dir = "/mnt";
	long ret = unpriv_become(UNPRIV_UID, UNPRIV_GID);
	char path[32];

	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/dev/ublkb%d", *(int *)arg);
	/* Only the open matters: a mount opens the disk like this. */
	ret = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (ret < 0)
		return -EBADF;
	close(ret);
	ret = mount(path, dir, "ext4", 0, NULL) ? -errno : 0;
	return ret;
}

/* covers: L-90 L-91 */
TEST_F(user, L_90_device_of_the_administrator)
{
	struct fixture *t = &self->t;
	long ret;

	ASSERT_EQ(0, fx_up(t, 1, 4, 0));
	ASSERT_EQ(0, unpriv_udev(t->info.dev_id, 0, 0, 0666));
	ret = client_wait_serving(t->client,
				  client_start(t->client, mount_job,
					       &t->info.dev_id, sizeof(int)),
				  &t->ring, RAW_DEADLINE_MS);
	/* The node's mode decides who opens it; a mount is refused. */
	EXPECT_EQ(-EPERM, ret);
	EXPECT_EQ(0, fx_stop(t));
}

/* The user does everything, beginning with opening the control node. */
static long whole_life_job(void *arg)
{
	struct fixture *t = *(struct fixture **)arg;
	struct raw_ctrl root = t->ctl;
	long ret;

	ret = unpriv_become(UNPRIV_UID, UNPRIV_GID);
	if (!ret)
		ret = raw_ctrl_open(&t->ctl);
	if (ret)
		return ret;
	ret = unpriv_set_params(t);
	if (!ret)
		ret = unpriv_state(t);
	if (!ret)
		ret = unpriv_cmd(t, UBLK_U_CMD_STOP_DEV, 0);
	if (!ret)
		ret = unpriv_cmd(t, UBLK_U_CMD_DEL_DEV, 0);
	raw_ctrl_close(&t->ctl);
	t->ctl = root;
	return ret;
}

/* covers: C-20 C-22 C-29 L-95 */
TEST_F(user, C_20_life_of_a_device)
{
	struct fixture *t = &self->t, *arg = t;
	struct server_proc *s;
	struct stat st;
	long ret;

	ASSERT_EQ(0, stat("/dev/ublk-control", &st));
	ASSERT_EQ(0, chmod("/dev/ublk-control", 0666));
	s = user_server(t, SERVER_HOLD_NONE);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(4096, user_blk(t, UNPRIV_UID, UNPRIV_GID, CLIENT_WRITE));
	EXPECT_EQ(0, cmd_by(t, UNPRIV_UID, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(0, server_wait_exit(s, RAW_DEADLINE_MS));
	ret = whole_life_job(&arg);
	ASSERT_EQ(0, unpriv_end());
	EXPECT_EQ(0, ret);
	EXPECT_EQ(-ENODEV, unpriv_state(t));
	EXPECT_EQ(0, chmod("/dev/ublk-control", st.st_mode & 07777));
}

TEST_HARNESS_MAIN
