// SPDX-License-Identifier: GPL-2.0
/*
 * Deliver requests that queue_rq.c has claimed: the second stage of a request.
 *
 * ublk_deliver_tw() is io_uring task work in the tag's daemon task, with its
 * ring lock held. It fills the descriptor, copies write data to the server's
 * buffer and completes the command. If the task exits or the ring goes away, it
 * may run canceled in a kernel thread: it touches nothing of the server then, and
 * ublk_gate_undelivered() holds or fails the request.
 */
#include "ublk.h"
#include "deliver.h"
#include "state.h"
#include "trace.h"

/* Block layer flags as descriptor flags (D-25). */
u32 ublk_deliver_map_flags(blk_opf_t opf)
{
	u32 flags = 0;

	if (opf & REQ_FAILFAST_DEV)
		flags |= UBLK_IO_F_FAILFAST_DEV;
	if (opf & REQ_FAILFAST_TRANSPORT)
		flags |= UBLK_IO_F_FAILFAST_TRANSPORT;
	if (opf & REQ_FAILFAST_DRIVER)
		flags |= UBLK_IO_F_FAILFAST_DRIVER;
	if (opf & REQ_META)
		flags |= UBLK_IO_F_META;
	if (opf & REQ_FUA)
		flags |= UBLK_IO_F_FUA;
	if (opf & REQ_NOUNMAP)
		flags |= UBLK_IO_F_NOUNMAP;
	if (opf & REQ_SWAP)
		flags |= UBLK_IO_F_SWAP;
	if (opf & REQ_INTEGRITY)
		flags |= UBLK_IO_F_INTEGRITY;
	return flags;
}

/*
 * Copy write data to the server's buffer (D-90). If only part is copied, the
 * descriptor shrinks to whole blocks, and the rest is issued again (I-21). If
 * nothing can be, the address is bad, as the task is alive (I-45).
 */
bool ublk_deliver_copy(struct ublk_queue *q, struct ublk_io *io,
		       struct request *req)
{
	unsigned int len = blk_rq_bytes(req);
	unsigned int done = ublk_copy_to_server(req, io->addr, len);

	if (unlikely(done != len)) {
		done = round_down(done, queue_logical_block_size(req->q));
		if (!done)
			return false;
		ublk_desc(q, req->tag)->nr_sectors = done >> SECTOR_SHIFT;
	}
	io->delivered = done;
	return true;
}

/* A task that is being killed cannot fault its buffer in: its server exits. */
void ublk_deliver_failed(struct ublk_queue *q, struct ublk_io *io,
			 struct request *req)
{
	unsigned int session = READ_ONCE(q->ub->session);

	ublk_state_arm(io, UBLK_EV_UNDELIVERED);
	if (fatal_signal_pending(current))
		ublk_gate_undelivered(q, req, session);
	else
		ublk_complete_status(req, BLK_STS_IOERR);
}

static __always_inline void ublk_deliver_one(struct ublk_queue *q,
					     struct request *req, bool gone)
{
	struct ublk_io *io = &q->io[req->tag];
	int res = UBLK_IO_RES_OK;

	if (unlikely(gone || current != io->task)) {
		unsigned int session = READ_ONCE(q->ub->session);

		ublk_state_arm(io, UBLK_EV_UNDELIVERED);
		ublk_gate_undelivered(q, req, session);
		return;
	}
	if (unlikely(!ublk_deliver_ready(q, io, req, io->cmd,
					 IO_URING_CMD_TASK_WORK_ISSUE_FLAGS)))
		return;
	if (unlikely(q->need_get_data) && req_op(req) == REQ_OP_WRITE &&
	    !ublk_rq(req)->shmem) {
		res = UBLK_IO_RES_NEED_GET_DATA;
		ublk_state_ask_data(io);
	} else {
		ublk_state_deliver(io);
	}
	trace_ublk_deliver(q, req, res);
	io_uring_cmd_done(io->cmd, res, IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);
}

static __always_inline void ublk_deliver_list(struct ublk_queue *q,
					      struct request *req, bool gone)
{
	do {
		struct request *next = req->rq_next;

		req->rq_next = NULL;
		ublk_deliver_one(q, req, gone);
		req = next;
	} while (req);
}

/*
 * The task work is canceled. If ublk_deliver_thread_gone() took its requests, the
 * tag has waited for this: now io_uring can cancel the command.
 */
static void ublk_deliver_canceled(struct ublk_io *io)
{
	if (xchg(&io->delivered, 0) == UBLK_IO_POSTED)
		ublk_deliver_list(io->req->mq_hctx->driver_data, io->req, true);
	else
		ublk_state_arm(io, UBLK_EV_UNDELIVERED);
}

static void ublk_deliver_tw(struct io_tw_req tw_req, io_tw_token_t tw)
{
	struct io_uring_cmd *cmd = io_uring_cmd_from_tw(tw_req);
	struct ublk_io *io = ublk_cmd_pdu(cmd)->io;

	if (unlikely(ublk_hook_tw_canceled(tw)))
		ublk_deliver_canceled(io);
	else
		ublk_deliver_list(io->req->mq_hctx->driver_data, io->req,
				  false);
}

/**
 * ublk_deliver_post() - send requests to the server's task
 * @io: tag of the first request, QUEUED
 * @reqs: started requests of one queue, task and ring, linked by rq_next
 *
 * The commands of an exited thread remain if another one keeps its ring open
 * (D-70). A ring that defers task work would never run it, so none is sent.
 * ublk_deliver_thread_gone() takes back what was sent just before the exit.
 * Context: any, in an RCU read-side section; does not sleep.
 */
void ublk_deliver_post(struct ublk_io *io, struct request *reqs)
{
	if (unlikely(READ_ONCE(io->task->flags) & PF_EXITING)) {
		ublk_deliver_list(reqs->mq_hctx->driver_data, reqs, true);
		return;
	}
	io->delivered = UBLK_IO_POSTED;
	io_uring_cmd_complete_in_task(io->cmd, ublk_deliver_tw);
}

/* Is the tag QUEUED for a thread that has exited? */
static bool ublk_deliver_is_stranded(struct ublk_device *ub,
				     const struct ublk_io *io)
{
	if (READ_ONCE(io->state) != UBLK_TAG_QUEUED)
		return false;
	/* ublk_server_reset() drops the task under this lock. */
	guard(spinlock)(&ub->lock);
	return io->task && READ_ONCE(io->task->flags) & PF_EXITING;
}

/**
 * ublk_deliver_thread_gone() - take requests away from threads that have exited
 * @q: queue of a per-tag device
 *
 * Their task work lies in a ring that another thread keeps open, and runs when
 * that ring goes. The tag of the first request has to wait for it, as its command
 * cannot be completed while the task work is queued. The requests are held or
 * fail now, and the other tags are armed again.
 * Context: a worker, after synchronize_rcu(): each ublk_deliver_post() that
 * found the thread alive has posted, each later one sees that it exits.
 */
void ublk_deliver_thread_gone(struct ublk_queue *q)
{
	unsigned int session = READ_ONCE(q->ub->session);
	unsigned int tag;

	for (tag = 0; tag < q->depth; tag++) {
		struct ublk_io *io = &q->io[tag];
		struct request *req, *next;

		if (!ublk_deliver_is_stranded(q->ub, io))
			continue;
		if (cmpxchg(&io->delivered, UBLK_IO_POSTED, 0) != UBLK_IO_POSTED)
			continue;
		req = io->req;
		next = req->rq_next;
		req->rq_next = NULL;
		ublk_gate_undelivered(q, req, session);
		if (next)
			ublk_deliver_list(q, next, true);
	}
}

/*
 * NEED_GET_DATA: copy write data to the address just given, in the daemon task.
 * The tag is in NEED_DATA. Returns 0, the result of the command (D-61); -EFAULT
 * if nothing could be copied; -EINTR if that is because the task is being
 * killed: then the request stays with the server and ends with it.
 */
int ublk_deliver_get_data(struct ublk_queue *q, struct ublk_io *io)
{
	struct request *req = io->req;

	ublk_desc(q, req->tag)->addr = io->addr;
	if (likely(ublk_deliver_copy(q, io, req))) {
		ublk_state_get_data(io);
		trace_ublk_deliver(q, req, UBLK_IO_RES_OK);
		return UBLK_IO_RES_OK;
	}
	return fatal_signal_pending(current) ? -EINTR : -EFAULT;
}
