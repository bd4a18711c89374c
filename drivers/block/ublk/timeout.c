// SPDX-License-Identifier: GPL-2.0
/*
 * A request is not answered in time.
 *
 * The block layer says when: queue/io_timeout of the disk, 30 s by default. The
 * attribute /sys/class/ublk-char/ublkcN/timeout_action says what the driver
 * does, so that an administrator can bound a server that hangs (I-48):
 *	none	the timer starts again: privileged devices, by default (D-220)
 *	kill	the driver kills the daemon of the tag, which ends its requests
 *		by the device's policy: unprivileged devices, always (D-221)
 *
 * It kills the process that holds the tag, not a pid that may be reused (I-3).
 */
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "ublk.h"

static const char * const ublk_timeout_actions[] = { "none", "kill" };

static struct ublk_device *ublk_timeout_dev(struct device *dev)
{
	return container_of(dev, struct ublk_device, cdev_dev);
}

static ssize_t timeout_action_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	bool kill = READ_ONCE(ublk_timeout_dev(dev)->timeout_kill);

	return sysfs_emit(buf, "%s\n", ublk_timeout_actions[kill]);
}

static ssize_t timeout_action_store(struct device *dev,
				    struct device_attribute *attr,
				    const char *buf, size_t count)
{
	struct ublk_device *ub = ublk_timeout_dev(dev);
	int action = sysfs_match_string(ublk_timeout_actions, buf);

	if (action < 0)
		return action;
	/* The requests of an unprivileged device always have a bound. */
	if (!action && ublk_has(ub, UBLK_F_UNPRIVILEGED_DEV))
		return -EPERM;
	WRITE_ONCE(ub->timeout_kill, action);
	return count;
}
static DEVICE_ATTR_RW(timeout_action);

static struct attribute *ublk_timeout_attrs[] = {
	&dev_attr_timeout_action.attr,
	NULL
};

static const struct attribute_group ublk_timeout_group = {
	.attrs = ublk_timeout_attrs,
};

const struct attribute_group *ublk_timeout_groups[] = {
	&ublk_timeout_group,
	NULL
};

/* The timeout operation of blk-mq. A request ends with its server, not here. */
enum blk_eh_timer_return ublk_timeout_request(struct request *req)
{
	struct ublk_queue *q = req->mq_hctx->driver_data;
	struct ublk_device *ub = q->ub;
	struct task_struct *task;
	struct pid *pid;

	ublk_lastref_poll(ub);
	if (!READ_ONCE(ub->timeout_kill))
		return BLK_EH_RESET_TIMER;

	/* ublk_server_reset() drops the task under this lock. */
	guard(spinlock)(&ub->lock);
	guard(rcu)();
	/* Signal the process: the daemon thread may have exited. */
	task = q->io[req->tag].task;
	if (task)
		pid = task_tgid(task);
	else
		pid = q->fetchq ? ub->opener : NULL;
	if (pid) {
		dev_warn_ratelimited(&ub->cdev_dev,
				     "request timed out, killing server %d\n",
				     pid_nr(pid));
		kill_pid(pid, SIGKILL, 1);
	}
	return BLK_EH_RESET_TIMER;
}
