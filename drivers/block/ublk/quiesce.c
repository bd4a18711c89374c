// SPDX-License-Identifier: GPL-2.0
/*
 * QUIESCE_DEV: ask a live server to leave, so that another can take over.
 *
 * The queues stop delivering, then the driver answers the server's commands
 * with ENODEV. It does so only when every queue has a command to answer, so
 * each thread of the server gets an answer; until then the command can give up
 * without an effect (I-40). ublk_quiesce_work() answers commands that the
 * server arms later, with its last commits, until the session ends.
 */
#include <linux/jiffies.h>

#include "ublk.h"
#include "trace.h"

#define UBLK_QUIESCE_POLL_MS	3

static bool ublk_quiesce_queue_idle(const struct ublk_queue *q)
{
	unsigned int tag;

	for (tag = 0; tag < q->depth; tag++) {
		unsigned int state = READ_ONCE(q->io[tag].state);

		if (state == UBLK_TAG_ARMED || state == UBLK_TAG_CANCELED)
			return true;
	}
	return false;
}

/* Every queue has a command to answer, or no server is left to answer. */
static bool ublk_quiesce_may_take(struct ublk_device *ub)
{
	unsigned int qid;

	if (READ_ONCE(ub->canceled) || READ_ONCE(ub->state) != UBLK_S_DEV_LIVE)
		return true;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++) {
		if (!ublk_quiesce_queue_idle(ub->queues[qid]))
			return false;
	}
	return true;
}

/* Wait at most @ms milliseconds; only requests are held meanwhile (C-97f). */
static int ublk_quiesce_wait(struct ublk_device *ub, unsigned long ms)
{
	const unsigned long poll = msecs_to_jiffies(UBLK_QUIESCE_POLL_MS);
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	long ret;

	while (!ublk_quiesce_may_take(ub)) {
		if (time_after(jiffies, end))
			return -EBUSY;
		ret = wait_event_interruptible_timeout(ub->wait,
						       ublk_quiesce_may_take(ub),
						       poll);
		if (ret < 0)
			return -EINTR;
	}
	return 0;
}

/* Returns 1 if the queues are closed now, 0 if nothing is to do (C-97b-d). */
static int ublk_quiesce_begin(struct ublk_device *ub)
{
	int ret;

	if (mutex_lock_interruptible(&ub->mutex))
		return -EINTR;
	ret = ublk_device_next(ub->state, UBLK_DEV_EV_USE, ub->policy);
	if (ret >= 0)
		ret = ret == UBLK_S_DEV_LIVE;
	if (ret == 1) {
		guard(spinlock)(&ub->lock);
		switch (ub->quiesce) {
		case UBLK_QUIESCE_NONE:
			WRITE_ONCE(ub->quiesce, UBLK_QUIESCE_WAITING);
			ublk_gate_close(ub, UBLK_COND_CANCELING);
			break;
		case UBLK_QUIESCE_WAITING:
			ret = -EBUSY;
			break;
		case UBLK_QUIESCE_ANSWERING:
		case UBLK_QUIESCE_ANSWERED:
			ret = 0;
			break;
		}
	}
	mutex_unlock(&ub->mutex);
	return ret;
}

/* Give up: the device goes on as if nothing had been asked. */
static void ublk_quiesce_undo(struct ublk_device *ub)
{
	guard(spinlock)(&ub->lock);
	/* If the session has ended meanwhile, so has the quiesce. */
	if (ub->quiesce != UBLK_QUIESCE_WAITING)
		return;
	WRITE_ONCE(ub->quiesce, UBLK_QUIESCE_NONE);
	ublk_gate_reopen(ub);
	ublk_gate_kick(ub);
}

/* Answer armed commands in a worker: their tasks may hold the rings' locks. */
static void ublk_quiesce_answer(struct ublk_device *ub, unsigned int ms)
{
	ublk_dev_get(ub);
	if (!queue_delayed_work(ublk_scan_wq, &ub->quiesce_work,
				msecs_to_jiffies(ms)))
		ublk_dev_put(ub);
}

/* Answer commands, also those armed later; holds a reference on the device. */
void ublk_quiesce_work(struct work_struct *work)
{
	struct ublk_device *ub = container_of(to_delayed_work(work),
					      struct ublk_device, quiesce_work);
	bool on;

	mutex_lock(&ub->mutex);
	scoped_guard(spinlock, &ub->lock)
		on = ub->quiesce >= UBLK_QUIESCE_ANSWERING;
	/* Look again later if the server owns requests. */
	if (on && ublk_cancel_armed(ub))
		ublk_quiesce_answer(ub, UBLK_QUIESCE_POLL_MS);
	scoped_guard(spinlock, &ub->lock) {
		if (on && ub->quiesce == UBLK_QUIESCE_ANSWERING)
			WRITE_ONCE(ub->quiesce, UBLK_QUIESCE_ANSWERED);
	}
	mutex_unlock(&ub->mutex);
	wake_up_all(&ub->wait);
	ublk_dev_put(ub);
}

static bool ublk_quiesce_is_answered(struct ublk_device *ub)
{
	guard(spinlock)(&ub->lock);
	return ub->quiesce != UBLK_QUIESCE_ANSWERING;
}

/*
 * QUIESCE_DEV: data[0] is the time to wait in milliseconds, 0 for no limit.
 * Waits, interruptibly and without a lock, for the server. Returns 0 with every
 * queue of the server told; -EOPNOTSUPP; -ENODEV; -EBUSY, without effect, if it
 * took longer or another one waits; -EINTR on a signal, without effect unless
 * the server was being told already (C-97, I-5, I-40).
 */
int ublk_quiesce_dev(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	u64 ms = c->cmd.data[0];
	int ret;

	if (!ublk_has(ub, UBLK_F_QUIESCE))
		return -EOPNOTSUPP;
	ret = ublk_quiesce_begin(ub);
	if (ret <= 0)
		return ret;

	ret = ublk_quiesce_wait(ub, ms ? min_t(u64, ms, U32_MAX) : U32_MAX);
	if (ret) {
		ublk_quiesce_undo(ub);
		return ret;
	}
	scoped_guard(spinlock, &ub->lock) {
		if (ub->quiesce == UBLK_QUIESCE_WAITING)
			WRITE_ONCE(ub->quiesce, UBLK_QUIESCE_ANSWERING);
	}
	ublk_quiesce_answer(ub, 0);
	if (wait_event_interruptible(ub->wait, ublk_quiesce_is_answered(ub)))
		return -EINTR;
	return 0;
}
