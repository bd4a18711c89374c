// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk stop": remove the disk and end the daemon, but leave the device.
 * Returns when the daemon has ended, or at the deadline.
 */
#include <errno.h>
#include <unistd.h>
#include <sys/stat.h>

#include "disk.h"

#define DAEMON_MS	5000

struct stop_cfg {
	__u64 id;
	__u64 timeout;
	bool if_unused;
	bool force;
};

static const struct ublk_opt stop_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct stop_cfg, id),
		.arg = "ID", .help = "device to stop",
	},
	{
		.name = "if-unused|safe", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct stop_cfg, if_unused),
		.help = "only if the disk is not open",
	},
	{
		.name = "force", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct stop_cfg, force),
		.help = "also if it is mounted or used in another way",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct stop_cfg, timeout),
		.arg = "SECONDS", .def = "30", .min = 1, .max = 86400,
		.help = "how long to wait for it",
	},
	{ 0 }
};

/* TRY_STOP_DEV found an opener, which users_refuse() does not look for. */
static int stop_busy(__u32 id)
{
	struct disk d;
	char who[200];

	if (disk_load(id, &d) ||
	    !proc_openers(S_IFBLK, d.devs, d.nr, who, sizeof(who)))
		ublk_error(-EBUSY, "dev %u: /dev/ublkb%u is in use; unmount or close it",
			   id, id);
	else
		ublk_error(-EBUSY, "dev %u: /dev/ublkb%u is in use by %s; close it",
			   id, id, who);
	disk_free(&d);
	return -EBUSY;
}

static int stop_explain(const struct stop_cfg *cfg, pid_t pid, int err)
{
	__u32 id = cfg->id;

	switch (-err) {
	case EBUSY:
		return stop_busy(id);
	case EOPNOTSUPP:
		return ublk_error(err, "dev %u: the loaded driver has no TRY_STOP_DEV; leave --if-unused out",
				  id);
	case ETIMEDOUT:
		return common_silent(id, pid, "not stopped after %llu s",
				     (unsigned long long)cfg->timeout);
	default:
		return common_explain(id, err);
	}
}

static int stop_device(const struct stop_cfg *cfg)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	int pidfd, ret;

	ret = common_open(cfg->id, &ctrl, &info);
	if (ret)
		return ret;
	if (!cfg->force)
		ret = users_refuse(ctrl, cfg->id, NULL);
	if (ret) {
		ublk_ctrl_close(ctrl);
		return ret;
	}
	pidfd = common_open_daemon(cfg->id, info.ublksrv_pid);
	ublk_ctrl_set_deadline(ctrl, cfg->timeout * 1000);
	ret = cfg->if_unused ? ublk_ctrl_try_stop_dev(ctrl, cfg->id) :
		ublk_ctrl_stop_dev(ctrl, cfg->id);
	/* it has no disk: stopped already */
	if (ret == -ENODEV && info.state == UBLK_S_DEV_DEAD)
		ret = 0;
	ublk_ctrl_close(ctrl);
	if (ret)
		stop_explain(cfg, info.ublksrv_pid, ret);
	else
		common_daemon_ended(pidfd, DAEMON_MS);
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
	if (cfg.if_unused && cfg.force) {
		ublk_error(-EINVAL, "--if-unused and --force exclude each other; leave one out");
		return cli_usage(&stop_command);
	}
	guard_enter();
	ret = stop_device(&cfg);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command stop_command = {
	.name = "stop",
	.args = "-n ID [--if-unused | --force]",
	.summary = "remove the disk of a device, keep the device",
	.opts = stop_opts,
	.run = stop_run,
};
