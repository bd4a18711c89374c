// SPDX-License-Identifier: GPL-2.0
/*
 * The gate of each queue: a request goes to the server, is held, or fails.
 *
 * The rules are in logic/gate_rules.h. q->gate caches ublk_gate_decide() for
 * q->cond and the recovery policy. Both change under ub->lock only;
 * ublk_queue_rq() reads the gate without it. A request that finds the gate
 * closed is held under the same lock, on the requeue list of the disk. A function
 * that opens a gate or makes it fail is followed by ublk_gate_kick() under that
 * lock, so no held request misses it.
 */
#include "ublk.h"

static void ublk_gate_set(struct ublk_queue *q, unsigned int cond)
{
	lockdep_assert_held(&q->ub->lock);
	q->cond = cond;
	WRITE_ONCE(q->gate, ublk_gate_decide(cond, q->ub->policy));
}

/*
 * Add conditions to all queues. A pending stop waits for all requests, so it
 * adds UBLK_COND_ABORTING: requests fail instead of being held. A concurrent
 * ublk_queue_rq() that read the old gate either claims a tag whose command was
 * not canceled yet, or finds no command and reads the gate again.
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

/*
 * A command of this session is canceled. The first call closes all queues, and
 * on a batch device requeues or fails the requests that no fetch command will
 * deliver any more (D-71, D-72). Any task; does not sleep.
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

/* Undo ublk_gate_close() if a server is ready and no command was canceled. */
void ublk_gate_reopen(struct ublk_device *ub)
{
	unsigned int qid;

	lockdep_assert_held(&ub->lock);
	if (ub->canceled || ub->server != UBLK_SERVER_READY)
		return;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		ublk_gate_set(ub->queues[qid], 0);
}

/*
 * A tag was fetched: is its queue ready, is the device? A queue that becomes
 * ready stops aborting and failing. It stops canceling only if no command of
 * this session was canceled; if one was and a stop is pending, it aborts, as
 * the stop waits for every request that is held (D-49, L-32).
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

/* The device gets a disk: queues stop aborting, which the last stop began. */
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

/*
 * The device is LIVE again: queues stop failing, which the end of the time for held
 * requests began after they had become ready. A server that has died meanwhile has
 * left them canceling.
 */
void ublk_gate_recovered(struct ublk_device *ub)
{
	unsigned int qid;

	lockdep_assert_held(&ub->lock);
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		ublk_gate_set(ub->queues[qid], ub->queues[qid]->cond &
			      ~UBLK_COND_FAILING);
}

/*
 * The disk is being removed: a queue without a server fails what it would hold.
 * An open queue has a server, which still gets what the page cache writes back
 * (I-25).
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

/*
 * Run held requests after the gates have changed. ub->lock keeps the disk while
 * the device is not DEAD, and orders this after a hold that read the old gate.
 */
void ublk_gate_kick(struct ublk_device *ub)
{
	lockdep_assert_held(&ub->lock);
	if (ub->state != UBLK_S_DEV_DEAD)
		blk_mq_kick_requeue_list(ub->rq_disk->queue);
}

/*
 * May a request wait for the next server? Not a zone report, the driver's own:
 * the task that waits for it may be the one to start that server (I-43).
 */
bool ublk_gate_may_hold(struct request *req)
{
	return !blk_rq_is_passthrough(req);
}

/*
 * Hold a request that its session does not serve (L-35): its gate is closed, or
 * the thread of its tag has exited. Either the ublk_gate_kick() after each change
 * of the gate finds it on the list, or the change is visible here and the list
 * is kicked at once. A requeued request cannot complete while ub->lock is held,
 * so disk and device stay valid. Process context; does not sleep.
 * Return: false if the request must fail: a pending stop waits for it.
 */
bool ublk_gate_hold(struct ublk_queue *q, struct request *req)
{
	bool unserved;

	guard(spinlock)(&q->ub->lock);
	unserved = q->gate == UBLK_GATE_GO &&
		   READ_ONCE(q->io[req->tag].state) != UBLK_TAG_ARMED;
	if (unserved && ublk_stop_pending(q->ub))
		return false;
	/* The next server runs the list after it has fetched all tags. */
	blk_mq_requeue_request(req, q->gate != UBLK_GATE_HOLD && !unserved);
	return true;
}

/*
 * The exit work holds or fails the requests of a dead server (L-1), and runs
 * the requeue list after the last one.
 */
void ublk_gate_gone(struct ublk_device *ub, struct request *req)
{
	ublk_shmem_put(req);
	if (ublk_gate_on_exit(ub->policy, true) == UBLK_GATE_HOLD &&
	    ublk_gate_may_hold(req))
		blk_mq_requeue_request(req, false);
	else
		ublk_complete_status(req, BLK_STS_IOERR);
}

/*
 * Hold or fail a started request that did not reach its server (D-70). The gate
 * may still be open: the exit of one thread closes nothing. A pending stop
 * waits for every request, so nothing is held then. A later stop or fetch
 * command runs the requeue list under the same lock; a fetch command that is
 * there already is seen here, and the list is kicked at once. So it is when
 * @session, in which the request was claimed, has ended meanwhile: the kick at
 * its end, or of the next server, may have passed. Does not sleep.
 */
void ublk_gate_undelivered(struct ublk_queue *q, struct request *req,
			   unsigned int session)
{
	struct ublk_device *ub = q->ub;

	if (ublk_gate_on_exit(ub->policy, false) == UBLK_GATE_HOLD &&
	    ublk_gate_may_hold(req)) {
		guard(spinlock)(&ub->lock);
		if (!ublk_stop_pending(ub)) {
			blk_mq_requeue_request(req, ub->session != session ||
					       ublk_batch_fetch_served(q));
			return;
		}
	}
	ublk_complete_status(req, BLK_STS_IOERR);
}
