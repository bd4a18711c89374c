// SPDX-License-Identifier: GPL-2.0
/*
 * How long requests are held (I-73).
 *
 * A device that holds requests for its next server would hold them for ever if none
 * comes: a sync, an unmount and a shutdown would not end. The attribute
 * /sys/class/ublk-char/ublkcN/hold_timeout bounds that, in seconds: the device goes
 * from QUIESCED to FAIL_IO then, where requests fail, and can be recovered as before.
 * 0, the default, is no bound.
 *
 * hold_work is pending only while the device is QUIESCED, with a reference to it.
 * It is queued under ub->lock in that state, and canceled after the state was left.
 * The clock is jiffies: time asleep does not count.
 */
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include "ublk.h"
#include "trace.h"

/* Longer ones would not fit into jiffies; a year. */
#define UBLK_HOLD_MAX	(365U * 24 * 3600)

/*
 * The device is QUIESCED, or has another bound: begin to count. The caller has a
 * reference.
 */
void ublk_hold_begin(struct ublk_device *ub)
{
	unsigned long delay = (unsigned long)ub->hold_timeout * HZ;

	lockdep_assert_held(&ub->lock);
	if (ub->state != UBLK_S_DEV_QUIESCED || !ub->hold_timeout)
		return;
	ub->hold_until = jiffies + delay;
	ublk_dev_get(ub);
	if (mod_delayed_work(ublk_exit_wq, &ub->hold_work, delay))
		ublk_dev_put(ub);
}

/* The device is not QUIESCED any more, or has no bound. The caller has a reference. */
void ublk_hold_end(struct ublk_device *ub)
{
	if (cancel_delayed_work(&ub->hold_work))
		ublk_dev_put(ub);
}

/* Requests that are held, and those that come, fail from now on (L-34). */
static void ublk_hold_expire(struct ublk_device *ub)
{
	int next;

	lockdep_assert_held(&ub->mutex);
	guard(spinlock)(&ub->lock);
	/* It may have been LIVE meanwhile, or have got another bound. */
	if (!ub->hold_timeout || time_before(jiffies, ub->hold_until))
		return;
	next = ublk_device_next(ub->state, UBLK_DEV_EV_HOLD_EXPIRED, ub->policy);
	if (next < 0 || next == ub->state)
		return;
	trace_ublk_device(ub, next);
	WRITE_ONCE(ub->state, next);
	ublk_gate_close(ub, UBLK_COND_FAILING);
	ublk_gate_kick(ub);
}

void ublk_hold_work(struct work_struct *work)
{
	struct ublk_device *ub = container_of(to_delayed_work(work),
					      struct ublk_device, hold_work);

	scoped_guard(mutex, &ub->mutex)
		ublk_hold_expire(ub);
	ublk_dev_put(ub);
}

static struct ublk_device *ublk_hold_dev(struct device *dev)
{
	return container_of(dev, struct ublk_device, cdev_dev);
}

static ssize_t hold_timeout_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(ublk_hold_dev(dev)->hold_timeout));
}

/*
 * A deletion holds ub->mutex while it waits for this function to return, so this
 * takes ub->lock only. A device that holds requests already begins to count again.
 */
static ssize_t hold_timeout_store(struct device *dev,
				  struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct ublk_device *ub = ublk_hold_dev(dev);
	unsigned int seconds;
	int ret = kstrtouint(buf, 10, &seconds);

	if (ret)
		return ret;
	if (seconds > UBLK_HOLD_MAX)
		return -ERANGE;
	if (!ublk_policy_holds(ub->policy))
		return -EINVAL;
	scoped_guard(spinlock, &ub->lock) {
		WRITE_ONCE(ub->hold_timeout, seconds);
		ublk_hold_begin(ub);
	}
	if (!seconds)
		ublk_hold_end(ub);
	return count;
}
static DEVICE_ATTR_RW(hold_timeout);

static struct attribute *ublk_hold_attrs[] = {
	&dev_attr_hold_timeout.attr,
	NULL
};

const struct attribute_group ublk_hold_group = {
	.attrs = ublk_hold_attrs,
};
