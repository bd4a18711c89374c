// SPDX-License-Identifier: GPL-2.0
/*
 * All steps from a command line to a disk that can be opened, for a new device
 * ("add") and for one that lost its server ("recover").
 *
 * Runs in the process that will serve the device. After a failure a new device
 * is deleted; a recovered one waits for the next attempt, with its run-state
 * file as it was.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "disk.h"
#include "guardian.h"

#define DISK_MS		10000	/* until the disk's node is in /dev */
#define LINK_MS		5000	/* until the link of its name is there */
#define REPLACE_MS	10000	/* for the requests in flight of the old daemon */

/* Refuse features that the driver lacks, add optional ones that it has. */
static int bringup_features(const struct daemon_args *args,
			    struct ublk_dev_opts *opts)
{
	struct ublk_ctrl *ctrl;
	__u64 have, missing;
	char names[256];
	int ret;

	*opts = args->dev;
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return ret;
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	ret = ublk_ctrl_get_features(ctrl, &have);
	ublk_ctrl_close(ctrl);
	/* a driver without GET_FEATURES refuses them itself */
	if (ret)
		return 0;
	missing = opts->features & ~have;
	if (missing) {
		names_of_features(missing, names, sizeof(names));
		return ublk_error(-EOPNOTSUPP, "the loaded driver lacks %s; see \"ublk features\"",
				  names);
	}
	opts->features |= args->wanted & have;
	return 0;
}

static int bringup_wait_disk(struct ublk_dev *dev)
{
	__u32 id = ublk_dev_info(dev)->dev_id;
	struct ublk_params params;
	int ret;

	ublk_ctrl_set_deadline(ublk_dev_ctrl(dev), CLI_QUERY_MS);
	ret = ublk_ctrl_get_params(ublk_dev_ctrl(dev), id, &params);
	ublk_ctrl_set_deadline(ublk_dev_ctrl(dev), 0);
	if (ret)
		return ublk_error(ret, "GET_PARAMS: %s", strerror(-ret));
	return devnodes_wait_disk(&params, id, DISK_MS);
}

/* From an added or taken over device to one whose threads wait for requests. */
static int bringup_threads(struct ublk_dev *dev)
{
	int ret = ublk_dev_configure(dev);

	return ret ? : ublk_dev_start_threads(dev);
}

/* What cannot be recorded could not be recovered, so it is not started. */
static int bringup_start(const struct daemon_args *args, struct ublk_dev *dev)
{
	__u32 id = ublk_dev_info(dev)->dev_id;
	enum state_old old;
	int ret;

	ret = bringup_threads(dev);
	if (ret)
		return ret;
	ret = state_write(dev, args->target, args->cfg, &args->dev, args->name,
			  &old);
	if (ret)
		return ret;
	/* an older file was that of a device with the same number */
	state_keep(id, old);
	ret = ublk_dev_start(dev);
	if (ret)
		state_remove(id, getpid());
	return ret;
}

static int bringup_add(const struct daemon_args *args, struct ublk_dev **pdev)
{
	struct ublk_dev_opts opts;
	struct ublk_dev *dev;
	const char *left = "";
	char why[1024];
	__u32 id;
	int ret;

	ret = bringup_features(args, &opts);
	if (!ret)
		ret = ublk_dev_new(&dev, &opts, args->target, args->cfg);
	if (ret)
		return ret;
	ublk_ctrl_set_deadline(ublk_dev_ctrl(dev), args->timeout_ms);
	ret = ublk_dev_add(dev);
	if (ret)
		goto err_free;
	id = ublk_dev_info(dev)->dev_id;
	if (args->hold_timeout)
		ret = hold_set(id, args->hold_timeout);
	if (!ret)
		ret = bringup_start(args, dev);
	if (ret)
		goto err_del;
	ret = bringup_wait_disk(dev);
	if (ret)
		goto err_stop;
	if (args->name && !geteuid())
		devnodes_wait_link(args->name, LINK_MS);
	*pdev = dev;
	return 0;

	/* report the message of the first failure */
err_stop:
	snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	ublk_dev_stop(dev);
	state_remove(id, getpid());
	ublk_error(ret, "%s", why);
err_del:
	snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	if (ublk_dev_del(dev))
		left = "; the device is left";
	ublk_error(ret, "%s%s", why, left);
	common_prefix(id, ret);
err_free:
	ublk_dev_free(dev);
	return ret;
}

/*
 * The users of the disk wait: without space for a new file they are served with
 * the old one, which says enough for the next recovery.
 */
static int bringup_continue(const struct daemon_args *args,
			    struct ublk_dev *dev)
{
	__u32 id = args->dev.id;
	enum state_old old;
	char why[1024] = "";
	int ret;

	ret = bringup_threads(dev);
	if (ret)
		return ret;
	if (state_write(dev, args->target, args->cfg, &args->dev, args->name,
			&old))
		snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	ret = ublk_dev_start(dev);
	if (*why)
		ublk_log(UBLK_LOG_WARN, "dev %u: run-state file left as it was: %s",
			 id, why);
	else if (ret)
		state_undo(id, old);
	else
		state_keep(id, old);
	return ret;
}

/* There are stores that have not been compared with those of before. */
static void bringup_note(const struct daemon_args *args,
			 const struct ublk_dev *dev)
{
	struct ublk_store store;

	if (*args->note && !ublk_dev_get_store(dev, 0, &store))
		ublk_log(UBLK_LOG_WARN, "dev %u: %s", args->dev.id, args->note);
}

/*
 * Let the daemon that serves the device hand over, so that this process can continue.
 * What IO then waits for must not wait for that IO: program and libraries may lie on the
 * disk, so all of them is read first.
 */
static int bringup_replace(const struct daemon_args *args, __u64 *since)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	int ret;

	/* an ordinary user has no such device */
	mlockall(MCL_CURRENT);
	ret = common_open(args->dev.id, &ctrl, &info);
	if (ret)
		return ret;
	ublk_ctrl_close(ctrl);
	*since = common_now_ns();
	if (info.state != UBLK_S_DEV_LIVE)
		return 0;
	return handover(args->dev.id, REPLACE_MS);
}

static int bringup_recover(const struct daemon_args *args,
			   struct ublk_dev **pdev)
{
	__u32 id = args->dev.id;
	struct ublk_dev *dev;
	__u64 since = 0;
	char why[1024];
	int ret;

	ret = args->replace ? bringup_replace(args, &since) : 0;
	if (ret)
		return ret;
	ret = ublk_dev_new(&dev, &args->dev, args->target, args->cfg);
	if (ret == -ESTALE)
		return ublk_error(ret, "dev %u: %s, or \"ublk recover -n %u --force\" if the data is the same",
				  id, ublk_strerror_last(), id);
	if (ret)
		return common_prefix(id, ret);
	ublk_ctrl_set_deadline(ublk_dev_ctrl(dev), args->timeout_ms);
	/* it may have come a moment ago */
	guardian_yield(ublk_dev_ctrl(dev), id);
	ret = ublk_dev_recover(dev);
	if (ret && guardian_yield(ublk_dev_ctrl(dev), id))
		ret = ublk_dev_recover(dev);
	/* without the option, the driver has what the device was added with */
	if (!ret && args->hold_timeout)
		ret = hold_set(id, args->hold_timeout);
	if (!ret)
		ret = bringup_continue(args, dev);
	if (ret)
		goto err_free;
	if (args->pause_us)
		*args->pause_us = (common_now_ns() - since) / 1000;
	if (args->replace && !(args->dev.flags & UBLK_DEV_MLOCK))
		munlockall();
	ret = bringup_wait_disk(dev);
	if (ret)
		goto err_detach;
	bringup_note(args, dev);
	disk_announce(id);
	*pdev = dev;
	return 0;

err_detach:
	snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	ublk_dev_detach(dev);
	ublk_error(ret, "%s", why);
err_free:
	common_prefix(id, ret);
	ublk_dev_free(dev);
	return ret;
}

/**
 * bringup - create or take over a device and start to serve it
 * @args: what to serve, and how
 * @dev: receives the started device
 *
 * Return: 0 or negative errno with a message
 */
int bringup(const struct daemon_args *args, struct ublk_dev **dev)
{
	return args->recover ? bringup_recover(args, dev) :
		bringup_add(args, dev);
}
