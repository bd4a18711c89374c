// SPDX-License-Identifier: GPL-2.0
/*
 * Is a device served by a guardian (guardian.c), which fails all requests? For the other
 * commands that is a device without a server, in the state FAIL_IO. A server that takes it
 * over asks the guardian to leave.
 *
 * A guardian is known by the name of its process, as the file system with the run-state
 * files may be full.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "cli.h"
#include "guardian.h"
#include "procfs.h"

#define YIELD_MS	10000	/* its requests end at once */

static bool guardian_is(pid_t pid)
{
	char path[40], comm[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return pid > 0 && procfs_line(path, comm, sizeof(comm)) &&
		!strcmp(comm, GUARDIAN_COMM);
}

void guardian_look(struct ublksrv_ctrl_dev_info *info)
{
	if (info->state == UBLK_S_DEV_LIVE && guardian_is(info->ublksrv_pid))
		info->state = UBLK_S_DEV_FAIL_IO;
}

int guardian_get_info(struct ublk_ctrl *ctrl, __u32 id,
		      struct ublksrv_ctrl_dev_info *info)
{
	int ret = ublk_ctrl_get_info(ctrl, id, info);

	if (!ret)
		guardian_look(info);
	return ret;
}

bool guardian_yield(struct ublk_ctrl *ctrl, __u32 id)
{
	struct ublksrv_ctrl_dev_info info;
	int pidfd;

	if (ublk_ctrl_get_info(ctrl, id, &info) || info.state != UBLK_S_DEV_LIVE ||
	    !guardian_is(info.ublksrv_pid))
		return false;
	pidfd = syscall(SYS_pidfd_open, info.ublksrv_pid, 0);
	/* the number is still that of the guardian */
	if (pidfd >= 0 && guardian_is(info.ublksrv_pid))
		syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
	common_daemon_ended(pidfd, YIELD_MS);
	if (pidfd >= 0)
		close(pidfd);
	return true;
}
