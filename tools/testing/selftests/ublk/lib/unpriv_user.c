// SPDX-License-Identifier: GPL-2.0
/*
 * An unprivileged user and the user's devices: see unpriv_user.h. Used by
 * uapi_unpriv.c and uapi_timeout.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "unpriv_user.h"

/*
 * Use the system calls directly, as those of libc change all threads. The
 * effective uid decides about capabilities; the saved uid is the way back.
 */
int unpriv_become(uid_t uid, gid_t gid)
{
	if (syscall(SYS_setgroups, 0, NULL) ||
	    syscall(SYS_setresgid, gid, gid, 0) ||
	    syscall(SYS_setresuid, uid, uid, 0))
		return -errno;
	return 0;
}

int unpriv_end(void)
{
	if (syscall(SYS_setresuid, 0, 0, 0) || syscall(SYS_setresgid, 0, 0, 0))
		return -errno;
	return 0;
}

/* Give the nodes that exist to the user, as a udev rule does. */
int unpriv_udev(int id, uid_t uid, gid_t gid, mode_t mode)
{
	static const char * const kinds[] = { "c", "b" };
	char path[32];
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/dev/ublk%s%d", kinds[i], id);
		if (chown(path, uid, gid) && errno != ENOENT)
			return -errno;
		if (chmod(path, mode) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* A control command whose buffer begins with @path; NULL for no path at all. */
int unpriv_path_cmd(struct fixture *t, __u32 op, const char *path, __u64 data,
		    void *buf, __u16 len)
{
	size_t n = path ? strlen(path) + 1 : 0;
	char room[256 + 256];
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff,
		.data = { data }, .addr = (uintptr_t)room,
		.len = n + len, .dev_path_len = n,
	};
	int ret;

	if (n + len > sizeof(room))
		return -E2BIG;
	memset(room, 0, sizeof(room));
	if (path)
		memcpy(room, path, n);
	if (len)
		memcpy(room + n, buf, len);
	ret = raw_ctrl_cmd(&t->ctl, op, &cmd);
	if (!ret && len)
		memcpy(buf, room + n, len);
	return ret;
}

/* A command without a buffer, with the path of the device's own node. */
int unpriv_cmd(struct fixture *t, __u32 op, __u64 data)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkc%u", t->info.dev_id);
	return unpriv_path_cmd(t, op, path, data, NULL, 0);
}

int unpriv_state(struct fixture *t)
{
	struct ublksrv_ctrl_dev_info info = { 0 };
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/dev/ublkc%u", t->info.dev_id);
	ret = unpriv_path_cmd(t, UBLK_U_CMD_GET_DEV_INFO2, path, 0, &info,
			      sizeof(info));
	return ret ? ret : info.state;
}

int unpriv_wait_state(struct fixture *t, int state)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int ret;

	do {
		ret = unpriv_state(t);
		if (ret == state)
			return 0;
		usleep(2000);
	} while (raw_now_ms() < end);
	return ret < 0 ? ret : RAW_TIMEOUT;
}

int unpriv_set_params(struct fixture *t)
{
	struct ublk_params p;
	char path[32];

	raw_params_init(&p);
	snprintf(path, sizeof(path), "/dev/ublkc%u", t->info.dev_id);
	return unpriv_path_cmd(t, UBLK_U_CMD_SET_PARAMS, path, 0, &p,
			       sizeof(p));
}

/* ADD_DEV and SET_PARAMS by the user, who gets the nodes in between. */
int unpriv_add(struct fixture *t, int queues, int depth, __u64 flags)
{
	int ret;

	raw_info_init(&t->info, queues, depth, flags | UBLK_F_UNPRIVILEGED_DEV);
	ret = unpriv_become(UNPRIV_UID, UNPRIV_GID);
	if (ret)
		return ret;
	ret = raw_add(&t->ctl, &t->info);
	if (unpriv_end())
		return -EPERM;
	if (ret)
		return ret;
	fx_remember(t, t->info.dev_id);
	ret = unpriv_udev(t->info.dev_id, UNPRIV_UID, UNPRIV_GID, 0600);
	if (ret)
		return ret;
	ret = unpriv_become(UNPRIV_UID, UNPRIV_GID);
	if (!ret)
		ret = unpriv_set_params(t);
	return unpriv_end() ? -EPERM : ret;
}
