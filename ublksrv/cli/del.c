// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk del": stop and delete devices, and wait until they do not exist any
 * more.
 *
 * The driver frees the number when the daemon has closed the char device and
 * the last opener has closed the disk. The first follows from the stop. The
 * second may never happen, so the wait has a deadline.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define NODES_MS	5000
#define DAEMON_MS	5000

struct del_cfg {
	__u64 id;
	__u64 timeout;
	bool all;
	bool async;
	bool quiet;
};

static const struct ublk_opt del_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_UINT,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct del_cfg, id),
		.arg = "ID", .max = UBLK_ID_AUTO - 1,
		.help = "device to delete",
	},
	{
		.name = "all", .letter = 'a', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct del_cfg, all),
		.help = "delete every device",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct del_cfg, timeout),
		.arg = "SECONDS", .def = "30", .min = 1, .max = 86400,
		.help = "how long to wait for it",
	},
	{
		.name = "async", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct del_cfg, async),
		.help = "do not wait until the number is free",
	},
	{
		.name = "quiet", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct del_cfg, quiet),
		.help = "accepted for scripts, prints nothing anyway",
	},
	{ 0 }
};

static int del_explain(__u32 id, int err, unsigned int seconds)
{
	if (err == -ETIMEDOUT)
		return ublk_error(err,
				  "dev %u: not gone after %u s, /dev/ublkb%u is still in use; unmount or close it, then the number gets free",
				  id, seconds, id);
	return common_explain(id, err);
}

/* The device is only stopped then; its daemon and nodes may still exist. */
static int del_async(struct ublk_ctrl *ctrl, __u32 id, unsigned int seconds)
{
	struct ublksrv_ctrl_dev_info info;
	int ret;

	ublk_ctrl_set_deadline(ctrl, seconds * 1000);
	ret = ublk_ctrl_get_info(ctrl, id, &info);
	if (!ret && info.flags & UBLK_F_UNPRIVILEGED_DEV)
		return ublk_error(-EINVAL, "dev %u: the driver has no --async for devices of ordinary users; leave it out",
				  id);
	if (!ret)
		ret = ublk_ctrl_del_dev_async(ctrl, id);
	if (!ret || ret == -ENODEV)
		state_remove_stale(id);
	return ret ? del_explain(id, ret, seconds) : 0;
}

static int del_one(struct ublk_ctrl *ctrl, __u32 id, unsigned int seconds)
{
	struct ublksrv_ctrl_dev_info info;
	int pidfd, ret;

	ublk_ctrl_set_deadline(ctrl, 0);
	ret = ublk_ctrl_get_info(ctrl, id, &info);
	if (ret == -ENODEV)
		state_remove_stale(id);
	if (ret)
		return del_explain(id, ret, seconds);

	pidfd = common_open_daemon(id, info.ublksrv_pid);
	ublk_ctrl_set_deadline(ctrl, seconds * 1000);
	ret = ublk_ctrl_del_dev(ctrl, id);
	/* the daemon has closed the device; wait until its process ends */
	if (!ret)
		common_daemon_ended(pidfd, DAEMON_MS);
	if (pidfd >= 0)
		close(pidfd);
	if (ret)
		return del_explain(id, ret, seconds);
	state_remove_stale(id);
	return devnodes_wait_gone(id, NODES_MS);
}

/*
 * A disk that waits for a daemon can delay the release of other disks, which
 * are closed (Documentation/block/ublk.rst, "Waits and what ends them"), so it
 * is stopped first. An error is ignored here: deleting the device fails, too.
 */
static void del_stop_orphans(struct ublk_ctrl *ctrl, const __u32 *ids, int nr,
			     unsigned int seconds)
{
	struct ublksrv_ctrl_dev_info info;
	int i;

	for (i = 0; i < nr; i++) {
		ublk_ctrl_set_deadline(ctrl, 0);
		if (ublk_ctrl_get_info(ctrl, ids[i], &info) ||
		    info.state != UBLK_S_DEV_QUIESCED)
			continue;
		ublk_ctrl_set_deadline(ctrl, seconds * 1000);
		ublk_ctrl_stop_dev(ctrl, ids[i]);
	}
}

static int del_all(struct ublk_ctrl *ctrl, const struct del_cfg *cfg)
{
	__u32 *ids;
	int nr, i, ret = 0, err;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return ublk_error(nr, "reading sysfs: %s", strerror(-nr));
	del_stop_orphans(ctrl, ids, nr, cfg->timeout);
	for (i = 0; i < nr; i++) {
		err = cfg->async ? del_async(ctrl, ids[i], cfg->timeout) :
			del_one(ctrl, ids[i], cfg->timeout);
		if (!err || err == -ENODEV)
			continue;
		/* delete the others in any case */
		if (ret)
			fprintf(stderr, "ublk: %s\n", ublk_strerror_last());
		ret = ret ? : err;
	}
	free(ids);
	return ret;
}

static int del_run(int argc, char **argv)
{
	struct del_cfg cfg = { .id = UBLK_ID_AUTO };
	struct ublk_ctrl *ctrl;
	int ret;

	ret = cli_parse(&del_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	if (cfg.all ? cfg.id != UBLK_ID_AUTO : cfg.id == UBLK_ID_AUTO) {
		ublk_error(-EINVAL, "which device? give -n ID or -a");
		return cli_usage(&del_command);
	}
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	if (cfg.all)
		ret = del_all(ctrl, &cfg);
	else if (cfg.async)
		ret = del_async(ctrl, cfg.id, cfg.timeout);
	else
		ret = del_one(ctrl, cfg.id, cfg.timeout);
	ublk_ctrl_close(ctrl);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command del_command = {
	.name = "del",
	.args = "-n ID | -a",
	.summary = "stop and delete devices",
	.opts = del_opts,
	.run = del_run,
};
