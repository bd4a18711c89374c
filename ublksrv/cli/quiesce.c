// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk quiesce": end the daemon and leave the disk, for another daemon to
 * continue. Returns when the daemon has ended, or at the deadline.
 */
#include <errno.h>
#include <unistd.h>

#include "cli.h"

/* Until the daemon's process has ended. */
#define DAEMON_MS	5000
/* Until the driver has ended the daemon's session. */
#define SESSION_MS	10000

struct quiesce_cfg {
	__u64 id;
	__u64 timeout;
};

static const struct ublk_opt quiesce_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct quiesce_cfg, id),
		.arg = "ID", .help = "device whose daemon is to end",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct quiesce_cfg, timeout),
		.arg = "MS", .def = "10000", .min = 1, .max = 86400000,
		.help = "how long to wait for requests in flight",
	},
	{ 0 }
};

static int quiesce_explain(const struct quiesce_cfg *cfg, pid_t pid, int err)
{
	__u32 id = cfg->id;

	switch (-err) {
	case EBUSY:
		return common_silent(id, pid, "requests are still in flight after %llu ms, and nothing has changed",
				     (unsigned long long)cfg->timeout);
	case ETIMEDOUT:
		return common_silent(id, pid, "not quiesced after %llu ms",
				     (unsigned long long)cfg->timeout +
				     SESSION_MS);
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
static int quiesce_wait(struct ublk_ctrl *ctrl, __u32 id, pid_t pid, int pidfd)
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

static int quiesce_device(const struct quiesce_cfg *cfg)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	int pidfd, ret;

	ret = common_open(cfg->id, &ctrl, &info);
	if (ret)
		return ret;
	pidfd = common_open_daemon(cfg->id, info.ublksrv_pid);
	/* the driver's own deadline comes first */
	ublk_ctrl_set_deadline(ctrl, cfg->timeout + SESSION_MS);
	ret = info.flags & UBLK_F_QUIESCE ?
		ublk_ctrl_quiesce_dev(ctrl, cfg->id, cfg->timeout) :
		-EOPNOTSUPP;
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	if (ret)
		ret = quiesce_explain(cfg, info.ublksrv_pid, ret);
	else
		ret = quiesce_wait(ctrl, cfg->id, info.ublksrv_pid, pidfd);
	if (pidfd >= 0)
		close(pidfd);
	ublk_ctrl_close(ctrl);
	return ret;
}

static int quiesce_run(int argc, char **argv)
{
	struct quiesce_cfg cfg = { .id = UBLK_ID_AUTO };
	int ret;

	ret = cli_parse(&quiesce_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = cli_need_id(&quiesce_command, cfg.id);
	if (ret)
		return ret;
	guard_enter();
	ret = quiesce_device(&cfg);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command quiesce_command = {
	.name = "quiesce",
	.args = "-n ID [--timeout MS]",
	.summary = "end the daemon, hold the disk for \"ublk recover\"",
	.opts = quiesce_opts,
	.run = quiesce_run,
};
