// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk del": stop and delete devices, and wait until they do not exist any
 * more. del_all.c calls del_device() for each of many.
 *
 * The driver frees the number when the daemon has closed the char device and
 * the last opener has closed the disk. The first follows from the stop, if the
 * daemon runs. The second may never happen, so the wait has a deadline, and the
 * message says which of them is missing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "disk.h"

#define NODES_MS	5000
#define DAEMON_MS	5000

static const struct ublk_opt del_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct del_cfg, id),
		.arg = "ID", .help = "device to delete",
	},
	{
		.name = "all", .letter = 'a', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct del_cfg, all),
		.help = "delete every device",
	},
	{
		.name = "force", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct del_cfg, force),
		.help = "also if it is mounted or used in another way",
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

/* What is known of a device before it is deleted, for the message. */
struct del_dev {
	__u32 id;
	pid_t pid;
	int pidfd;
	dev_t char_dev;
	struct disk disk;
};

static bool del_is_gone(const char *class, const char *name, __u32 id)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/%s/%s%u", class, name, id);
	return access(path, F_OK);
}

/*
 * The time has passed. With the disk still there, the stop waits for the daemon.
 * Without it, the number waits for those who have the disk or the char device
 * open.
 */
static int del_late(const struct del_dev *dev, unsigned int seconds)
{
	char who[200], cure[300];
	__u32 id = dev->id;

	if (!del_is_gone("block", "ublkb", id))
		return common_silent(id, dev->pid, "not deleted after %u s",
				     seconds);
	if (proc_openers(S_IFBLK, dev->disk.devs, dev->disk.nr, who,
			 sizeof(who)))
		return ublk_error(-ETIMEDOUT, "dev %u: not gone after %u s, /dev/ublkb%u is still in use by %s; end or close that, then the number gets free",
				  id, seconds, id, who);
	if (dev->char_dev &&
	    proc_openers(S_IFCHR, &dev->char_dev, 1, who, sizeof(who)))
		return ublk_error(-ETIMEDOUT, "dev %u: not gone after %u s, /dev/ublkc%u is still open in %s; %s",
				  id, seconds, id, who,
				  proc_cure(id, dev->pid, cure, sizeof(cure)));
	return ublk_error(-ETIMEDOUT, "dev %u: not gone after %u s, /dev/ublkb%u is still in use; unmount or close it, then the number gets free",
			  id, seconds, id);
}

static void del_look(struct del_dev *dev,
		     const struct ublksrv_ctrl_dev_info *info)
{
	struct state st;

	dev->id = info->dev_id;
	dev->pid = info->ublksrv_pid;
	if (dev->pid <= 0 && !state_read(dev->id, &st)) {
		dev->pid = st.pid;
		state_free(&st);
	}
	dev->pidfd = common_open_daemon(dev->id, dev->pid);
	dev->char_dev = disk_char_dev(dev->id);
	/* without memory, the message does without the openers */
	if (disk_load(dev->id, &dev->disk))
		dev->disk.nr = 0;
}

static void del_forget(struct del_dev *dev)
{
	if (dev->pidfd >= 0)
		close(dev->pidfd);
	disk_free(&dev->disk);
}

static int del_send(struct ublk_ctrl *ctrl, const struct del_cfg *cfg,
		    const struct del_dev *dev)
{
	__u32 id = dev->id;
	int ret;

	ublk_ctrl_set_deadline(ctrl, cfg->timeout * 1000);
	ret = cfg->async ? ublk_ctrl_del_dev_async(ctrl, id) :
		ublk_ctrl_del_dev(ctrl, id);
	if (ret == -ETIMEDOUT)
		return del_late(dev, cfg->timeout);
	if (ret)
		return common_explain(id, ret);
	/* the device may only be stopped then; its daemon and nodes may exist */
	if (cfg->async)
		return 0;
	/* the daemon has closed the device; wait until its process ends */
	common_daemon_ended(dev->pidfd, DAEMON_MS);
	return devnodes_wait_gone(id, NODES_MS);
}

/**
 * del_device - delete one device
 * @id: device
 * @cfg: how; the members for one or all devices have no meaning here
 * @known: for users_refuse()
 *
 * Return: 0 or negative errno with a message
 */
int del_device(__u32 id, const struct del_cfg *cfg,
	       const struct users_known *known)
{
	struct ublksrv_ctrl_dev_info info;
	struct del_dev dev = { .pidfd = -1 };
	struct ublk_ctrl *ctrl;
	int ret;

	ret = common_open(id, &ctrl, &info);
	if (ret) {
		if (ret == -ENODEV)
			state_remove_stale(id);
		return ret;
	}
	if (cfg->async && info.flags & UBLK_F_UNPRIVILEGED_DEV)
		ret = ublk_error(-EINVAL, "dev %u: the driver has no --async for devices of ordinary users; leave it out",
				 id);
	else if (!cfg->force)
		ret = users_refuse(ctrl, id, known);
	if (!ret) {
		del_look(&dev, &info);
		ret = del_send(ctrl, cfg, &dev);
		del_forget(&dev);
		if (!ret || ret == -ENODEV)
			state_remove_stale(id);
	}
	ublk_ctrl_close(ctrl);
	return ret;
}

static int del_run(int argc, char **argv)
{
	struct del_cfg cfg = { .id = UBLK_ID_AUTO };
	int ret;

	ret = cli_parse(&del_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	if (cfg.all ? cfg.id != UBLK_ID_AUTO : cfg.id == UBLK_ID_AUTO) {
		ublk_error(-EINVAL, "which device? give -n ID or -a");
		return cli_usage(&del_command);
	}
	guard_enter();
	if (cfg.all)
		return del_all(&cfg);
	ret = del_device(cfg.id, &cfg, NULL);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command del_command = {
	.name = "del",
	.aliases = "rm|delete|remove",
	.args = "-n ID | -a",
	.summary = "stop and delete devices",
	.opts = del_opts,
	.run = del_run,
};
