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
 * It kills the process that holds the tag, not a pid that may be reused (I-3), and
 * not a program that this process has executed since (I-63).
 */
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "ublk.h"
#include "state.h"

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

const struct attribute_group ublk_timeout_group = {
	.attrs = ublk_timeout_attrs,
};

/* What to do about a request that was not answered in time. */
enum ublk_timeout_verdict {
	UBLK_TIMEOUT_WAIT,	/* its server may still answer */
	UBLK_TIMEOUT_EXITS,	/* its thread exits, which takes it back */
	UBLK_TIMEOUT_END	/* nobody can or may answer it any more */
};

/* Will the daemon task never commit again? See ublk_io_is_daemon(). */
static bool ublk_timeout_task_gone(const struct ublk_io *io)
{
	return io->task->exit_state ||
	       (u32)READ_ONCE(io->task->self_exec_id) != io->exec_id;
}

/*
 * Kill process @pid, which had @exec_id when it became the server. Not if it has
 * executed another program, which may have other credentials, for which the kill
 * would be an attack (I-63). Return: false if there is nothing to kill.
 */
static bool ublk_timeout_kill(struct ublk_device *ub, struct pid *pid, u32 exec_id)
{
	struct task_struct *leader = pid_task(pid, PIDTYPE_TGID);

	if (!leader || !atomic_read(&leader->signal->live) ||
	    (u32)READ_ONCE(leader->self_exec_id) != exec_id)
		return false;
	dev_warn_ratelimited(&ub->cdev_dev,
			     "request timed out, killing server %d\n",
			     pid_nr(pid));
	kill_pid(pid, SIGKILL, 1);
	return true;
}

/* ublk_server_reset() drops the task under ub->lock. */
static enum ublk_timeout_verdict ublk_timeout_judge(struct ublk_queue *q,
						    const struct ublk_io *io)
{
	struct ublk_device *ub = q->ub;
	bool kill = READ_ONCE(ub->timeout_kill);

	guard(spinlock)(&ub->lock);
	guard(rcu)();
	if (q->fetchq) {
		if (!kill || !ub->opener ||
		    ublk_timeout_kill(ub, ub->opener, ub->opener_exec_id))
			return UBLK_TIMEOUT_WAIT;
		return UBLK_TIMEOUT_END;
	}
	if (!io->task)
		return UBLK_TIMEOUT_WAIT;
	if (READ_ONCE(io->state) == UBLK_TAG_QUEUED &&
	    READ_ONCE(io->task->flags) & PF_EXITING)
		return UBLK_TIMEOUT_EXITS;
	if (ublk_timeout_task_gone(io))
		return UBLK_TIMEOUT_END;
	/* Signal the process: the daemon thread may be exiting. */
	if (kill && !ublk_timeout_kill(ub, task_tgid(io->task), io->exec_id))
		return UBLK_TIMEOUT_END;
	return UBLK_TIMEOUT_WAIT;
}

/*
 * End the request by the recovery policy, as the exit work would (L-1). If others
 * refer to its data, it fails with their last reference, or stays when the policy
 * wants it issued again, which needs pages that nobody else uses.
 */
static enum blk_eh_timer_return ublk_timeout_end(struct ublk_queue *q,
						 struct ublk_io *io,
						 struct request *req)
{
	struct ublk_device *ub = q->ub;
	unsigned int task_refs = READ_ONCE(io->task_refs);
	int refs = atomic_read(&io->refs);

	if (refs && !ublk_refs_idle(refs, task_refs) &&
	    ublk_gate_on_exit(ub->policy, true) == UBLK_GATE_HOLD)
		return BLK_EH_RESET_TIMER;
	if (!ublk_state_expire(io))
		return BLK_EH_RESET_TIMER;

	if (!refs || (ublk_refs_idle(refs, task_refs) &&
		      atomic_try_cmpxchg(&io->refs, &refs, 0))) {
		io->task_refs = 0;
		ublk_gate_gone(ub, req);
		return BLK_EH_DONE;
	}
	ublk_rq(req)->result = -EIO;
	io->task_refs = 0;
	if (!ublk_buf_put_owner(io, task_refs))
		return BLK_EH_RESET_TIMER;
	ublk_complete_nocopy(req, -EIO, NULL);
	return BLK_EH_DONE;
}

/*
 * A registered file serves the request: its server cannot answer it, and has not
 * to pay for a backing that hangs (E-54). A cancel may have taken the tag.
 */
static bool ublk_timeout_is_redirected(const struct ublk_io *io)
{
	unsigned int state = READ_ONCE(io->state);

	return state == UBLK_TAG_REDIRECTED || state == UBLK_TAG_CANCELED;
}

/*
 * The timeout operation of blk-mq. A request ends with its server, and here only
 * if the server cannot answer it any more, although its session goes on because
 * another process has the char node open (I-64).
 */
enum blk_eh_timer_return ublk_timeout_request(struct request *req)
{
	struct ublk_queue *q = req->mq_hctx->driver_data;
	struct ublk_io *io = &q->io[req->tag];
	struct ublk_device *ub = q->ub;

	ublk_lastref_poll(ub);
	if (ublk_timeout_is_redirected(io))
		return BLK_EH_RESET_TIMER;
	switch (ublk_timeout_judge(q, io)) {
	case UBLK_TIMEOUT_EXITS:
		ublk_threads_check(ub);
		return BLK_EH_RESET_TIMER;
	case UBLK_TIMEOUT_END:
		/* Requests that wait for a fetch command are held or fail. */
		if (q->fetchq)
			ublk_gate_cancel(ub);
		return ublk_timeout_end(q, io, req);
	default:
		return BLK_EH_RESET_TIMER;
	}
}
