// SPDX-License-Identifier: GPL-2.0
/*
 * What a daemon does on SIGTERM and SIGINT: it hands a device that can be recovered
 * over to the next daemon, deletes another one that nobody uses, and goes on to serve
 * one that is in use. A system that shuts down sends SIGTERM to all processes: that
 * must not take a disk away from under a file system.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>

#include "disk.h"

#define QUIESCE_MS	10000	/* for requests in flight */
#define ANSWER_MS	5000	/* for the driver, on top of that */
#define OPENERS_MS	3000	/* udev opens a disk, and closes it soon */

static enum leave leave_stays(__u32 id, const char *why)
{
	ublk_log(UBLK_LOG_WARN, "dev %u: asked to end by a signal, but %s; goes on", id,
		 why);
	return LEAVE_NOT;
}

/* The driver lets the threads end when the requests in flight have ended. */
static enum leave leave_quiesce(struct ublk_dev *dev)
{
	struct ublk_ctrl *ctrl = ublk_dev_ctrl(dev);
	__u32 id = ublk_dev_info(dev)->dev_id;
	char why[300];
	int ret;

	if (!(ublk_dev_info(dev)->flags & UBLK_F_QUIESCE)) {
		ublk_log(UBLK_LOG_WARN, "dev %u: the driver has no QUIESCE: left as by a daemon that dies",
			 id);
		return LEAVE_DETACH;
	}
	ublk_ctrl_set_deadline(ctrl, QUIESCE_MS + ANSWER_MS);
	ret = ublk_ctrl_quiesce_dev(ctrl, id, QUIESCE_MS);
	ublk_ctrl_set_deadline(ctrl, 0);
	if (!ret || ret == -ENODEV)
		return LEAVE_THREADS;
	snprintf(why, sizeof(why), "its requests have not ended in %u s (%s): see whether the store answers, or end it with \"kill -9\"",
		 QUIESCE_MS / 1000, strerror(-ret));
	return leave_stays(id, why);
}

/* Return: 0, -EBUSY, or another error of the driver */
static int leave_try_stop(struct ublk_dev *dev, char *who, size_t len)
{
	__u32 id = ublk_dev_info(dev)->dev_id;
	struct disk d;
	int ret = 0;

	if (ublk_dev_info(dev)->flags & UBLK_F_SAFE_STOP_DEV) {
		ret = ublk_ctrl_try_stop_dev(ublk_dev_ctrl(dev), id);
		if (ret != -EBUSY)
			return ret;
	}
	/* who is it, or, without that feature, is there anybody? */
	snprintf(who, len, "a process");
	if (!disk_load(id, &d) &&
	    proc_openers(S_IFBLK, d.devs, d.nr, who, len))
		ret = -EBUSY;
	disk_free(&d);
	return ret;
}

static enum leave leave_delete(struct ublk_dev *dev)
{
	struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	__u32 id = ublk_dev_info(dev)->dev_id;
	char who[200], why[900];
	struct users u;
	int ms, ret = 0;

	if (users_find(ublk_dev_ctrl(dev), id, NULL, &u))
		return leave_stays(id, ublk_strerror_last());
	if (u.nr) {
		snprintf(why, sizeof(why), "it is in use: %s; \"ublk del --force\" would take it away",
			 u.text);
		return leave_stays(id, why);
	}
	for (ms = 0; ms < OPENERS_MS; ms += 50) {
		ret = leave_try_stop(dev, who, sizeof(who));
		if (ret != -EBUSY)
			return LEAVE_DELETE;
		nanosleep(&pause, NULL);
	}
	snprintf(why, sizeof(why), "/dev/ublkb%u is open in %s; close it", id, who);
	return leave_stays(id, why);
}

/**
 * leave_by_signal - what to do when a signal asks the daemon to end
 * @dev: device that it serves
 *
 * Return: see enum leave; LEAVE_NOT with the reason logged
 */
enum leave leave_by_signal(struct ublk_dev *dev)
{
	if (ublk_dev_info(dev)->flags & UBLK_F_USER_RECOVERY)
		return leave_quiesce(dev);
	return leave_delete(dev);
}
