// SPDX-License-Identifier: GPL-2.0
/*
 * Requests from the block layer: the first stage of a request.
 *
 * ublk_queue_rq() and ublk_queue_rqs() claim an armed tag by one cmpxchg, which
 * decides the race with a cancel, and pass the request to deliver.c or, on a
 * batch device, to batch_fetch.c. Requests of a plug share the command of the
 * first one as long as ring and task are the same.
 *
 * blk-mq calls them on any CPU, in process context that must not sleep. They
 * claim a tag without a lock; ublk_gate_hold() takes one.
 */
#include "ublk.h"
#include "state.h"
#include "trace.h"

#define UBLK_QUEUE_OP(op)	BIT_ULL((__force unsigned int)(op))

/* The one driver request asks for a zone report (zoned.c). */
#define UBLK_QUEUE_ZONE_OPS						\
	(UBLK_QUEUE_OP(REQ_OP_ZONE_OPEN) | UBLK_QUEUE_OP(REQ_OP_ZONE_CLOSE) | \
	 UBLK_QUEUE_OP(REQ_OP_ZONE_FINISH) |				\
	 UBLK_QUEUE_OP(REQ_OP_ZONE_APPEND) |				\
	 UBLK_QUEUE_OP(REQ_OP_ZONE_RESET) |				\
	 UBLK_QUEUE_OP(REQ_OP_ZONE_RESET_ALL) |				\
	 UBLK_QUEUE_OP(REQ_OP_DRV_IN))

/* A bit per operation that a server gets; others fail with EIO (D-23, D-24). */
u64 ublk_queue_ops(u64 features)
{
	u64 ops = UBLK_QUEUE_OP(REQ_OP_READ) | UBLK_QUEUE_OP(REQ_OP_WRITE) |
		  UBLK_QUEUE_OP(REQ_OP_FLUSH) | UBLK_QUEUE_OP(REQ_OP_DISCARD) |
		  UBLK_QUEUE_OP(REQ_OP_WRITE_ZEROES);

	return features & UBLK_F_ZONED ? ops | UBLK_QUEUE_ZONE_OPS : ops;
}

static __always_inline bool ublk_queue_op_known(const struct ublk_queue *q,
						const struct request *req)
{
	return q->ops & UBLK_QUEUE_OP(req_op(req));
}

/* Fail the request, or hold it for the next server (L-30). */
static blk_status_t ublk_queue_refuse(struct ublk_queue *q,
				      enum ublk_gate gate, struct request *req)
{
	switch (gate) {
	case UBLK_GATE_HOLD:
		return ublk_gate_may_hold(req) && ublk_gate_hold(q, req) ?
			BLK_STS_OK : BLK_STS_IOERR;
	case UBLK_GATE_FAIL_REMOTE:
		return BLK_STS_TARGET;
	default:
		return BLK_STS_IOERR;
	}
}

/*
 * There is no command for the request. The gate is closed before commands are
 * canceled, so the second look finds the reason. If it is open, this session
 * does not serve the tag.
 */
static blk_status_t ublk_queue_no_command(struct ublk_queue *q,
					  struct request *req)
{
	enum ublk_gate gate;

	/* Pairs with the full barrier of ublk_state_cancel(). */
	smp_rmb();
	gate = READ_ONCE(q->gate);
	if (gate == UBLK_GATE_GO && ublk_policy_holds(q->ub->policy))
		gate = UBLK_GATE_HOLD;
	return ublk_queue_refuse(q, gate, req);
}

/* The order of checks is fixed (L-30). On success @req owns @io's command. */
static __always_inline bool ublk_queue_claim(struct ublk_queue *q,
					     struct ublk_io *io,
					     struct request *req)
{
	if (unlikely(READ_ONCE(q->gate) != UBLK_GATE_GO))
		return false;
	if (unlikely(!ublk_queue_op_known(q, req)))
		return false;
	if (unlikely(!ublk_state_claim(io)))
		return false;

	io->req = req;
	blk_mq_start_request(req);
	trace_ublk_queue(q, req);
	return true;
}

/* Claimed requests, linked by rq_next, with @io the tag of the first one. */
static __always_inline void ublk_queue_post(struct ublk_queue *q,
					    struct ublk_io *io,
					    struct request *reqs)
{
	if (q->fetchq)
		ublk_batch_fetch_post(q, reqs);
	else
		ublk_deliver_post(io, reqs);
}

static blk_status_t ublk_queue_rq(struct blk_mq_hw_ctx *hctx,
				  const struct blk_mq_queue_data *bd)
{
	struct ublk_queue *q = hctx->driver_data;
	struct request *req = bd->rq;
	struct ublk_io *io = &q->io[req->tag];
	enum ublk_gate gate;

	if (likely(ublk_queue_claim(q, io, req))) {
		req->rq_next = NULL;
		ublk_queue_post(q, io, req);
		return BLK_STS_OK;
	}

	gate = READ_ONCE(q->gate);
	if (gate == UBLK_GATE_FAIL || gate == UBLK_GATE_FAIL_REMOTE)
		return ublk_queue_refuse(q, gate, req);
	if (!ublk_queue_op_known(q, req))
		return BLK_STS_IOERR;
	if (gate == UBLK_GATE_HOLD)
		return ublk_queue_refuse(q, gate, req);
	return ublk_queue_no_command(q, req);
}

/* May both tags' commands be completed in one piece of task work? */
static bool ublk_queue_same_task(const struct ublk_queue *q,
				 const struct ublk_io *a,
				 const struct ublk_io *b)
{
	return q->fetchq ||
	       (a->task == b->task &&
		io_uring_cmd_ctx_handle(a->cmd) ==
		io_uring_cmd_ctx_handle(b->cmd));
}

static void ublk_queue_rqs(struct rq_list *rqlist)
{
	struct rq_list refused = { };
	struct ublk_io *first = NULL;
	struct request *head = NULL, *tail = NULL;
	struct request *req;

	while ((req = rq_list_pop(rqlist))) {
		struct ublk_queue *q = req->mq_hctx->driver_data;
		struct ublk_io *io = &q->io[req->tag];

		/* blk-mq asks ublk_queue_rq() for the status. */
		if (unlikely(!ublk_queue_claim(q, io, req))) {
			rq_list_add_tail(&refused, req);
			continue;
		}
		if (first && req->mq_hctx == head->mq_hctx &&
		    ublk_queue_same_task(q, first, io)) {
			tail->rq_next = req;
		} else {
			if (first)
				ublk_queue_post(head->mq_hctx->driver_data,
						first, head);
			first = io;
			head = req;
		}
		tail = req;
	}
	if (first)
		ublk_queue_post(head->mq_hctx->driver_data, first, head);
	*rqlist = refused;
}

static int ublk_queue_init_hctx(struct blk_mq_hw_ctx *hctx, void *driver_data,
				unsigned int hctx_idx)
{
	struct ublk_device *ub = driver_data;

	hctx->driver_data = ub->queues[hctx_idx];
	return 0;
}

const struct blk_mq_ops ublk_queue_mq_ops = {
	.queue_rq	= ublk_queue_rq,
	.queue_rqs	= ublk_queue_rqs,
	.init_hctx	= ublk_queue_init_hctx,
	.timeout	= ublk_timeout_request,
};
