// SPDX-License-Identifier: GPL-2.0
/*
 * START_USER_RECOVERY, END_USER_RECOVERY: a device gets its next server.
 *
 * The end of the old session has requeued or failed its requests (server.c), so
 * START only says whether it has ended. The new server opens the node and
 * fetches every tag, and END makes the device live again.
 */
#include "ublk.h"
#include "trace.h"

/*
 * START_USER_RECOVERY: 0 if the device waits for a server; -EINVAL if it cannot
 * be recovered; -EBUSY if the old session has not ended or the device is in
 * another state; -EINTR on a signal (C-92, C-93).
 */
int ublk_recover_start(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	int ret;

	if (ub->policy == UBLK_POLICY_STOP)
		return -EINVAL;
	ublk_lastref_poll(ub);
	if (mutex_lock_interruptible(&ub->mutex))
		return -EINTR;
	scoped_guard(spinlock, &ub->lock) {
		ret = ublk_device_next(ub->state, UBLK_DEV_EV_START_RECOVERY,
				       ub->policy);
		if (ub->server != UBLK_SERVER_NONE)
			ret = -EBUSY;
	}
	mutex_unlock(&ub->mutex);
	return ret < 0 ? ret : 0;
}

/* Return 1: another session has begun, wait for its server (C-95c to C-95e). */
static int ublk_recover_finish(struct ublk_device *ub, unsigned int session)
{
	int next = ublk_device_next(ub->state, UBLK_DEV_EV_END_RECOVERY,
				    ub->policy);
	struct pid *old;

	lockdep_assert_held(&ub->mutex);
	if (next < 0)
		return next;
	scoped_guard(spinlock, &ub->lock) {
		if (ub->server == UBLK_SERVER_STOPPING)
			return -EBUSY;
		if (ub->server != UBLK_SERVER_READY || ub->session != session)
			return 1;
		old = ub->recorded;
		ub->recorded = get_pid(ub->opener);
		WRITE_ONCE(ub->state, next);
		ublk_gate_recovered(ub);
		ublk_gate_kick(ub);
	}
	ublk_hold_end(ub);
	put_pid(old);
	trace_ublk_device(ub, next);
	return 0;
}

/*
 * END_USER_RECOVERY: wait for server data[0], interruptibly and without a lock.
 * Returns 0 with the device LIVE and held requests running, or -EINVAL, -EBUSY,
 * -EINTR (C-95, C-96).
 */
int ublk_recover_end(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	unsigned int session;
	int ret;

	do {
		ret = ublk_server_wait(ub, (int)c->cmd.data[0], &session);
		if (ret)
			return ret;
		if (mutex_lock_interruptible(&ub->mutex))
			return -EINTR;
		ret = ublk_recover_finish(ub, session);
		mutex_unlock(&ub->mutex);
	} while (ret > 0);
	return ret;
}
