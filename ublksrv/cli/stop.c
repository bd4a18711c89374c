// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk stop" takes the disk away and leaves the device; "ublk quiesce" takes
 * the daemon away and leaves the disk, for another daemon to continue.
 *
 * Both return when the daemon has gone, or at their deadline.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define DAEMON_MS	5000
#define ROUND_MS	10000

struct stop_cfg {
	__u64 id;
	__u64 timeout;
	bool if_unused;
};

static const struct ublk_opt stop_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_UINT,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct stop_cfg, id),
		.arg = "ID", .max = UBLK_ID_AUTO - 1, .help = "device to stop",
	},
	{
		.name = "if-unused|safe", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct stop_cfg, if_unused),
		.help = "only if nobody has the disk open",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct stop_cfg, timeout),
		.arg = "SECONDS", .def = "30", .min = 1, .max = 86400,
		.help = "how long to wait for it",
	},
	{ 0 }
};

static int stop_explain(const struct stop_cfg *cfg, int err)
{
	__u32 id = cfg->id;

	switch (-err) {
	case EBUSY:
		return ublk_error(err, "dev %u: /dev/ublkb%u is in use; unmount or close it",
				  id, id);
	case EOPNOTSUPP:
		return ublk_error(err, "dev %u: the loaded driver has no TRY_STOP_DEV; leave --if-unused out",
				  id);
	case ETIMEDOUT:
		return ublk_error(err, "dev %u: not stopped after %llu s, its daemon does not answer; kill it",
				  id, (unsigned long long)cfg->timeout);
	default:
		return control_explain(id, err);
	}
}

static int stop_device(const struct stop_cfg *cfg)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	int pidfd, ret;

	ret = control_open(cfg->id, &ctrl, &info);
	if (ret)
		return ret;
	pidfd = control_open_daemon(cfg->id, info.ublksrv_pid);
	ublk_ctrl_set_deadline(ctrl, cfg->timeout * 1000);
	ret = cfg->if_unused ? ublk_ctrl_try_stop_dev(ctrl, cfg->id) :
		ublk_ctrl_stop_dev(ctrl, cfg->id);
	/* it has no disk: stopped already */
	if (ret == -ENODEV && info.state == UBLK_S_DEV_DEAD)
		ret = 0;
	ublk_ctrl_close(ctrl);
	if (ret)
		stop_explain(cfg, ret);
	else
		control_daemon_ended(pidfd, DAEMON_MS);
	if (pidfd >= 0)
		close(pidfd);
	return ret;
}

static int stop_run(int argc, char **argv)
{
	struct stop_cfg cfg = { .id = UBLK_ID_AUTO };
	int ret;

	ret = cli_parse(&stop_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = cli_need_id(&stop_command, cfg.id);
	if (ret)
		return ret;
	ret = stop_device(&cfg);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command stop_command = {
	.name = "stop",
	.args = "-n ID [--if-unused]",
	.summary = "remove the disk of a device, keep the device",
	.opts = stop_opts,
	.run = stop_run,
};

struct quiesce_cfg {
	__u64 id;
	__u64 timeout;
};

static const struct ublk_opt quiesce_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_UINT,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct quiesce_cfg, id),
		.arg = "ID", .max = UBLK_ID_AUTO - 1,
		.help = "device whose daemon shall go",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct quiesce_cfg, timeout),
		.arg = "MS", .def = "10000", .min = 1, .max = 86400000,
		.help = "how long to wait for requests in flight",
	},
	{ 0 }
};

static int quiesce_explain(const struct quiesce_cfg *cfg, int err)
{
	__u32 id = cfg->id;

	switch (-err) {
	case EBUSY:
		return ublk_error(err, "dev %u: requests are still in flight after %llu ms; nothing has changed, try a longer --timeout",
				  id, (unsigned long long)cfg->timeout);
	case EOPNOTSUPP:
		return ublk_error(err, "dev %u: cannot be quiesced; add it with --user-recovery and a driver that has QUIESCE",
				  id);
	case ENODEV:
		return ublk_error(-EINVAL, "dev %u: is not started, so there is nothing to hand over",
				  id);
	default:
		return control_explain(id, err);
	}
}

/* The driver has told the daemon; now it has to leave. */
static int quiesce_wait(struct ublk_ctrl *ctrl, __u32 id, int pidfd)
{
	struct ublksrv_ctrl_dev_info info;
	int ret;

	ret = control_wait_state(ctrl, id, UBLK_S_DEV_LIVE, ROUND_MS, &info);
	if (ret == -ETIMEDOUT)
		return ublk_error(ret, "dev %u: quiesced, but its daemon does not go; kill it, then \"ublk recover -n %u\"",
				  id, id);
	if (ret)
		return control_explain(id, ret);
	if (info.state == UBLK_S_DEV_DEAD)
		return ublk_error(-EINVAL, "dev %u: was stopped meanwhile", id);
	control_daemon_ended(pidfd, DAEMON_MS);
	return 0;
}

static int quiesce_device(const struct quiesce_cfg *cfg)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	int pidfd, ret;

	ret = control_open(cfg->id, &ctrl, &info);
	if (ret)
		return ret;
	pidfd = control_open_daemon(cfg->id, info.ublksrv_pid);
	/* the driver's own deadline comes first */
	ublk_ctrl_set_deadline(ctrl, cfg->timeout + ROUND_MS);
	ret = info.flags & UBLK_F_QUIESCE ?
		ublk_ctrl_quiesce_dev(ctrl, cfg->id, cfg->timeout) :
		-EOPNOTSUPP;
	ublk_ctrl_set_deadline(ctrl, 0);
	if (ret)
		quiesce_explain(cfg, ret);
	else
		ret = quiesce_wait(ctrl, cfg->id, pidfd);
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
