// SPDX-License-Identifier: GPL-2.0
/*
 * The gate of each queue: whether a request goes to the server, is held for the
 * next one, or fails.
 *
 * q->gate caches the answer of ublk_device_gate() for the conditions in q->cond.
 * Both change under ub->lock only; ublk_queue_rq() reads the gate without it. A
 * request that finds the gate closed is held under the same lock, on the requeue
 * list of the disk. Every function that opens a gate or makes it fail is followed
 * by ublk_gate_kick() under that lock, so no held request misses the change.
 */
#include "ublk.h"

static void ublk_gate_set(struct ublk_queue *q, unsigned int cond)
{
	lockdep_assert_held(&q->ub->lock);
	q->cond = cond;
	WRITE_ONCE(q->gate, ublk_device_gate(cond, q->ub->policy));
}

/**
 * ublk_gate_close() - add conditions to all queues of a device
 * @ub: device
 * @cond: UBLK_COND_*
 *
 * A pending stop waits for all requests, so it adds UBLK_COND_ABORTING: requests
 * fail instead of being held.
 *
 * A concurrent ublk_queue_rq() that read the old gate either claims a tag whose
 * command was not canceled yet, or finds no command and reads the gate again.
 *
 * Context: ub->lock held.
 */
void ublk_gate_close(struct ublk_device *ub, unsigned int cond)
{
	unsigned int qid;

	lockdep_assert_held(&ub->lock);
	if (ublk_stop_pending(ub))
		cond |= UBLK_COND_ABORTING;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		ublk_gate_set(ub->queues[qid], ub->queues[qid]->cond | cond);
}

/**
 * ublk_gate_cancel() - a command of this session is canceled
 * @ub: device
 *
 * The first call closes all queues. On a batch device it also requeues or fails
 * the requests that no fetch command will deliver any more (D-71, D-72).
 *
 * Context: any task; does not sleep.
 */
void ublk_gate_cancel(struct ublk_device *ub)
{
	unsigned int qid;

	/* Pairs with the release below. */
	if (smp_load_acquire(&ub->canceled))
		return;

	scoped_guard(spinlock, &ub->lock) {
		ublk_gate_close(ub, UBLK_COND_CANCELING);
		/* Pairs with the acquire: gates close before a tag is canceled. */
		smp_store_release(&ub->canceled, true);
	}
	ublk_lastref_poll(ub);
	if (!ublk_has(ub, UBLK_F_BATCH_IO))
		return;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		ublk_batch_fetch_drain(ub->queues[qid]);
}

/**
 * ublk_gate_reopen() - undo ublk_gate_close() of a live device with a server
 * @ub: device
 *
 * Does nothing if a command of this session was canceled.
 *
 * Context: ub->lock held.
 */
void ublk_gate_reopen(struct ublk_device *ub)
{
	unsigned int qid;

	lockdep_assert_held(&ub->lock);
	if (ub->canceled || ub->server != UBLK_SERVER_READY)
		return;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		ublk_gate_set(ub->queues[qid], 0);
}

/**
 * ublk_gate_fetched() - a tag was fetched: is its queue ready, is the device?
 * @q: queue
 *
 * A queue that becomes ready stops aborting and failing. It stops canceling only
 * if no command of this session was canceled; if one was and a stop is pending, it
 * aborts, as the stop waits for every request that is held (D-49, L-32).
 *
 * Context: ub->lock held.
 */
void ublk_gate_fetched(struct ublk_queue *q)
{
	struct ublk_device *ub = q->ub;
	unsigned int cond = 0;

	lockdep_assert_held(&ub->lock);
	if (++q->nr_fetched < q->depth)
		return;
	if (ub->canceled)
		cond = UBLK_COND_CANCELING;
	if (ub->canceled && ublk_stop_pending(ub))
		cond |= UBLK_COND_ABORTING;
	ublk_gate_set(q, cond);
	if (++ub->nr_ready < ub->info.nr_hw_queues)
		return;
	ub->server = ublk_server_next(ub->server, UBLK_SERVER_EV_LAST_FETCH);
	wake_up_all(&ub->wait);
}

/**
 * ublk_gate_live() - the device gets a disk: the last stop aborts no more
 * @ub: device
 *
 * Context: ub->lock held.
 */
void ublk_gate_live(struct ublk_device *ub)
{
	unsigned int qid;

	lockdep_assert_held(&ub->lock);
	if (ublk_stop_pending(ub))
		return;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		ublk_gate_set(ub->queues[qid], ub->queues[qid]->cond &
			      ~UBLK_COND_ABORTING);
}

/**
 * ublk_gate_abort() - the disk is being removed: fail what would be held
 * @ub: device
 *
 * An open queue has a server, which still gets what the page cache writes back
 * (I-25).
 *
 * Context: ub->lock held.
 */
void ublk_gate_abort(struct ublk_device *ub)
{
	unsigned int qid;

	lockdep_assert_held(&ub->lock);
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++) {
		struct ublk_queue *q = ub->queues[qid];

		if (q->cond & UBLK_COND_CANCELING)
			ublk_gate_set(q, q->cond | UBLK_COND_ABORTING);
	}
}

/**
 * ublk_gate_kick() - run held requests after the gates have changed
 * @ub: device
 *
 * Context: ub->lock held. It keeps the disk while the device is not DEAD, and
 * orders this after every ublk_gate_hold() that read the old gate.
 */
void ublk_gate_kick(struct ublk_device *ub)
{
	lockdep_assert_held(&ub->lock);
	if (ub->state != UBLK_S_DEV_DEAD)
		blk_mq_kick_requeue_list(ub->disk->queue);
}

/**
 * ublk_gate_may_hold() - may a request wait for the next server?
 * @req: request
 *
 * A zone report, the driver's own request, may not: the task that waits for it
 * may be the task that must start the next server (I-43).
 *
 * Return: true if it may.
 */
bool ublk_gate_may_hold(struct request *req)
{
	return !blk_rq_is_passthrough(req);
}

/**
 * ublk_gate_hold() - keep a request that found its queue closed (L-35)
 * @q: its queue
 * @req: request
 *
 * Every change of the gate is followed by ublk_gate_kick() under ub->lock. Either
 * that kick finds the request on the list, or the change is visible here and the
 * list is kicked at once. A requeued request cannot complete while the lock is
 * held, so disk and device stay valid.
 *
 * Context: process context; does not sleep.
 */
void ublk_gate_hold(struct ublk_queue *q, struct request *req)
{
	guard(spinlock)(&q->ub->lock);
	blk_mq_requeue_request(req, q->gate != UBLK_GATE_HOLD);
}

/**
 * ublk_gate_gone() - hold or fail a request whose server is gone (L-1)
 * @ub: device
 * @req: request that the server owned
 *
 * The caller runs the requeue list after the last request.
 *
 * Context: exit work.
 */
void ublk_gate_gone(struct ublk_device *ub, struct request *req)
{
	ublk_shmem_put(req);
	if (ublk_device_on_gone(ub->policy, true) == UBLK_GATE_HOLD &&
	    ublk_gate_may_hold(req))
		blk_mq_requeue_request(req, false);
	else
		blk_mq_end_request(req, BLK_STS_IOERR);
}

/**
 * ublk_gate_undelivered() - hold or fail a request that did not reach its server
 * @q: its queue; the gate may still be open, as the exit of one thread of a
 *	server closes nothing (D-70)
 * @req: started request
 *
 * A stop waits for every request, so nothing is held while one is pending. A stop
 * that is asked for later, or a later fetch command of a batch device, runs the
 * requeue list under the same lock. A fetch command that is there already is seen
 * here, and the list is kicked at once.
 *
 * Context: any task; does not sleep.
 */
void ublk_gate_undelivered(struct ublk_queue *q, struct request *req)
{
	struct ublk_device *ub = q->ub;

	if (ublk_device_on_gone(ub->policy, false) == UBLK_GATE_HOLD &&
	    ublk_gate_may_hold(req)) {
		guard(spinlock)(&ub->lock);
		if (!ublk_stop_pending(ub)) {
			blk_mq_requeue_request(req, ublk_batch_fetch_served(q));
			return;
		}
	}
	blk_mq_end_request(req, BLK_STS_IOERR);
}
