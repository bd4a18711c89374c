/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: what happens to a request, in the order of the files it passes,
 * and what happens to a device.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ublk

#if !defined(UBLK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define UBLK_TRACE_H

#include <linux/tracepoint.h>

#include "ublk.h"

DECLARE_EVENT_CLASS(ublk_request,
	TP_PROTO(const struct ublk_queue *q, const struct request *req, int res),
	TP_ARGS(q, req, res),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, qid)
		__field(u16, tag)
		__field(u32, op)
		__field(u64, sector)
		__field(u32, bytes)
		__field(int, res)
	),
	TP_fast_assign(
		__entry->dev = q->ub->info.dev_id;
		__entry->qid = q->qid;
		__entry->tag = req->tag;
		__entry->op = (__force u32)req_op(req);
		__entry->sector = blk_rq_pos(req);
		__entry->bytes = blk_rq_bytes(req);
		__entry->res = res;
	),
	TP_printk("dev %u q %u tag %u op %u sector %llu bytes %u res %d",
		  __entry->dev, __entry->qid, __entry->tag, __entry->op,
		  __entry->sector, __entry->bytes, __entry->res)
);

/* The request's command completes with this result. */
DEFINE_EVENT(ublk_request, ublk_deliver,
	TP_PROTO(const struct ublk_queue *q, const struct request *req, int res),
	TP_ARGS(q, req, res));

/* The server committed this result (for a read: bytes copied out). */
DEFINE_EVENT(ublk_request, ublk_commit,
	TP_PROTO(const struct ublk_queue *q, const struct request *req, int res),
	TP_ARGS(q, req, res));

/* The server had a registered file serve the request; res is its index. */
DEFINE_EVENT(ublk_request, ublk_redirect,
	TP_PROTO(const struct ublk_queue *q, const struct request *req, int res),
	TP_ARGS(q, req, res));

/* The request has claimed its tag's command. */
TRACE_EVENT(ublk_queue,
	TP_PROTO(const struct ublk_queue *q, const struct request *req),
	TP_ARGS(q, req),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, qid)
		__field(u16, tag)
		__field(u32, op)
		__field(u64, sector)
		__field(u32, bytes)
	),
	TP_fast_assign(
		__entry->dev = q->ub->info.dev_id;
		__entry->qid = q->qid;
		__entry->tag = req->tag;
		__entry->op = (__force u32)req_op(req);
		__entry->sector = blk_rq_pos(req);
		__entry->bytes = blk_rq_bytes(req);
	),
	TP_printk("dev %u q %u tag %u op %u sector %llu bytes %u",
		  __entry->dev, __entry->qid, __entry->tag, __entry->op,
		  __entry->sector, __entry->bytes)
);

/* A tag's command was canceled. */
TRACE_EVENT(ublk_cancel,
	TP_PROTO(const struct ublk_queue *q, unsigned int tag),
	TP_ARGS(q, tag),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u16, qid)
		__field(u16, tag)
	),
	TP_fast_assign(
		__entry->dev = q->ub->info.dev_id;
		__entry->qid = q->qid;
		__entry->tag = tag;
	),
	TP_printk("dev %u q %u tag %u",
		  __entry->dev, __entry->qid, __entry->tag)
);

/* The device's state has changed. */
TRACE_EVENT(ublk_device,
	TP_PROTO(const struct ublk_device *ub, unsigned int state),
	TP_ARGS(ub, state),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, state)
	),
	TP_fast_assign(
		__entry->dev = ub->info.dev_id;
		__entry->state = state;
	),
	TP_printk("dev %u state %s", __entry->dev,
		  __print_symbolic(__entry->state,
				   { UBLK_S_DEV_DEAD,	  "DEAD" },
				   { UBLK_S_DEV_LIVE,	  "LIVE" },
				   { UBLK_S_DEV_QUIESCED, "QUIESCED" },
				   { UBLK_S_DEV_FAIL_IO,  "FAIL_IO" }))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
