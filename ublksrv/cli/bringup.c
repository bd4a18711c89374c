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

#include "cli.h"

#define DISK_MS		10000	/* until the disk's node is in /dev */

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

	ret = ublk_ctrl_get_params(ublk_dev_ctrl(dev), id, &params);
	if (ret)
		return ublk_error(ret, "GET_PARAMS: %s", strerror(-ret));
	return devnodes_wait_disk(&params, id, DISK_MS);
}

static int bringup_record(const struct daemon_args *args, struct ublk_dev *dev)
{
	return state_write(dev, args->target, args->cfg, &args->dev);
}

static int bringup_add(const struct daemon_args *args, struct ublk_dev **pdev)
{
	struct ublk_dev_opts opts;
	struct ublk_dev *dev;
	const char *left = "";
	char why[256];
	__u32 id;
	int ret;

	ret = bringup_features(args, &opts);
	if (!ret)
		ret = ublk_dev_new(&dev, &opts, args->target, args->cfg);
	if (ret)
		return ret;
	ret = ublk_dev_add(dev);
	if (ret)
		goto err_free;
	id = ublk_dev_info(dev)->dev_id;
	ret = ublk_dev_configure(dev);
	if (!ret)
		ret = ublk_dev_start(dev);
	if (ret)
		goto err_del;
	ret = bringup_wait_disk(dev);
	if (!ret)
		ret = bringup_record(args, dev);
	if (ret)
		goto err_stop;
	*pdev = dev;
	return 0;

	/* report the message of the first failure */
err_stop:
	snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	ublk_dev_stop(dev);
	ublk_error(ret, "%s", why);
err_del:
	snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	if (ublk_dev_del(dev))
		left = "; the device is left";
	ublk_error(ret, "dev %u: %s%s", id, why, left);
err_free:
	ublk_dev_free(dev);
	return ret;
}

static int bringup_recover(const struct daemon_args *args,
			   struct ublk_dev **pdev)
{
	struct ublk_dev *dev;
	char why[256];
	int ret;

	ret = ublk_dev_new(&dev, &args->dev, args->target, args->cfg);
	if (ret)
		return ublk_error(ret, "dev %u: %s", args->dev.id,
				  ublk_strerror_last());
	ret = ublk_dev_recover(dev);
	if (!ret)
		ret = ublk_dev_configure(dev);
	if (!ret)
		ret = ublk_dev_start(dev);
	if (ret)
		goto err_free;
	ret = bringup_wait_disk(dev);
	if (!ret)
		ret = bringup_record(args, dev);
	if (ret)
		goto err_detach;
	*pdev = dev;
	return 0;

err_detach:
	snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	ublk_dev_detach(dev);
	ublk_error(ret, "%s", why);
err_free:
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
