// SPDX-License-Identifier: GPL-2.0
/*
 * Have the daemon of a device hand over to another one: QUIESCE_DEV, and wait until the
 * daemon has ended. For "ublk quiesce", and for bringup.c, which continues the device.
 */
#include <errno.h>
#include <unistd.h>

#include "cli.h"

/* Until the daemon's process has ended. */
#define DAEMON_MS	5000
/* Until the driver has ended the daemon's session. */
#define SESSION_MS	10000

static int handover_explain(__u32 id, unsigned int timeout_ms, pid_t pid, int err)
{
	switch (-err) {
	case EBUSY:
		return common_silent(id, pid, "requests are still in flight after %u ms, and nothing has changed",
				     timeout_ms);
	case ETIMEDOUT:
		return common_silent(id, pid, "not quiesced after %u ms",
				     timeout_ms + SESSION_MS);
	case EOPNOTSUPP:
		return ublk_error(err, "dev %u: cannot be quiesced; add it with --user-recovery and a driver that has QUIESCE",
				  id);
	case ENODEV:
		return common_no_disk(id, "so there is nothing to hand over");
	default:
		return common_explain(id, err);
	}
}

/* The driver has completed the daemon's commands: wait until it ends. */
static int handover_wait(struct ublk_ctrl *ctrl, __u32 id, pid_t pid, int pidfd)
{
	struct ublksrv_ctrl_dev_info info;
	int ret;

	ret = common_wait_state(ctrl, id, UBLK_S_DEV_LIVE, SESSION_MS, &info);
	if (ret == -ETIMEDOUT)
		return common_silent(id, pid, "quiesced, but still open in its daemon after %u s, so it cannot be recovered yet",
				     SESSION_MS / 1000);
	if (ret)
		return common_explain(id, ret);
	if (info.state == UBLK_S_DEV_DEAD)
		return ublk_error(-EINVAL, "dev %u: was stopped meanwhile", id);
	common_daemon_ended(pidfd, DAEMON_MS);
	return 0;
}

/**
 * handover - have the daemon of a device hand over
 * @id: device
 * @ms: how long to wait for requests in flight
 *
 * Return: 0, and the daemon has ended; or negative errno with a message
 */
int handover(__u32 id, unsigned int ms)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	int pidfd, ret;

	ret = common_open(id, &ctrl, &info);
	if (ret)
		return ret;
	pidfd = common_open_daemon(id, info.ublksrv_pid);
	/* the driver's own deadline comes first */
	ublk_ctrl_set_deadline(ctrl, ms + SESSION_MS);
	ret = info.flags & UBLK_F_QUIESCE ?
		ublk_ctrl_quiesce_dev(ctrl, id, ms) :
		-EOPNOTSUPP;
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	if (ret)
		ret = handover_explain(id, ms, info.ublksrv_pid, ret);
	else
		ret = handover_wait(ctrl, id, info.ublksrv_pid, pidfd);
	if (pidfd >= 0)
		close(pidfd);
	ublk_ctrl_close(ctrl);
	return ret;
}
