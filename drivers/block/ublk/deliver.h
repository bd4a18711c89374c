/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Prepare a request for its server: descriptor, data, references.
 *
 * ublk_deliver_one() calls ublk_deliver_ready() in the daemon task of a per-tag device,
 * ublk_batch_fetch_prepare() in the task that sent the fetch command of a batch device.
 * Inline, as it is on the path of every request.
 */
#ifndef UBLK_DELIVER_H
#define UBLK_DELIVER_H

#include "ublk.h"
#include "state.h"

u32 ublk_deliver_map_flags(blk_opf_t opf);
bool ublk_deliver_copy(struct ublk_queue *q, struct ublk_io *io,
		       struct request *req);
void ublk_deliver_failed(struct ublk_queue *q, struct ublk_io *io,
			 struct request *req);

/* Indexed by the operations of ublk_queue_ops(). */
static const u8 ublk_deliver_ops[] = {
	[REQ_OP_READ]		= UBLK_IO_OP_READ,
	[REQ_OP_WRITE]		= UBLK_IO_OP_WRITE,
	[REQ_OP_FLUSH]		= UBLK_IO_OP_FLUSH,
	[REQ_OP_DISCARD]	= UBLK_IO_OP_DISCARD,
	[REQ_OP_WRITE_ZEROES]	= UBLK_IO_OP_WRITE_ZEROES,
	[REQ_OP_ZONE_OPEN]	= UBLK_IO_OP_ZONE_OPEN,
	[REQ_OP_ZONE_CLOSE]	= UBLK_IO_OP_ZONE_CLOSE,
	[REQ_OP_ZONE_FINISH]	= UBLK_IO_OP_ZONE_FINISH,
	[REQ_OP_ZONE_APPEND]	= UBLK_IO_OP_ZONE_APPEND,
	[REQ_OP_ZONE_RESET]	= UBLK_IO_OP_ZONE_RESET,
	[REQ_OP_ZONE_RESET_ALL]	= UBLK_IO_OP_ZONE_RESET_ALL,
	[REQ_OP_DRV_IN]		= UBLK_IO_OP_REPORT_ZONES,
};

static __always_inline u32 ublk_deliver_op(const struct request *req)
{
	return ublk_deliver_ops[(__force unsigned int)req_op(req)];
}

#define UBLK_DELIVER_FLAGS						\
	(REQ_FAILFAST_MASK | REQ_META | REQ_FUA | REQ_NOUNMAP | REQ_SWAP |	\
	 REQ_INTEGRITY)

static __always_inline u32 ublk_deliver_flags(const struct request *req)
{
	if (likely(!(req->cmd_flags & UBLK_DELIVER_FLAGS)))
		return 0;
	return ublk_deliver_map_flags(req->cmd_flags);
}

/* Plain stores suffice: the server reads this after the CQE (D-21). */
static __always_inline void ublk_deliver_fill(struct ublk_queue *q,
					      const struct ublk_io *io,
					      struct request *req)
{
	struct ublksrv_io_desc *iod = ublk_desc(q, req->tag);

	iod->op_flags = ublk_deliver_op(req) | ublk_deliver_flags(req);
	iod->nr_sectors = blk_rq_sectors(req);
	iod->start_sector = blk_rq_pos(req);
	iod->addr = io->addr;
	if (unlikely(req_op(req) == REQ_OP_DRV_IN))
		iod->nr_zones = ublk_rq(req)->nr_zones;
	if (unlikely(READ_ONCE(q->shmem)) &&
	    ublk_shmem_match(q, req, &iod->addr))
		iod->op_flags |= UBLK_IO_F_SHMEM_ZC;
}

/*
 * Make the data of @req reachable for the server; its tag is QUEUED, its
 * descriptor filled. The ring of @cmd, which is locked, gets the buffer. A
 * request without data has no references (D-105, D-129). Return: false if
 * registration failed and the server did not ask for a fallback (D-128).
 */
static __always_inline bool ublk_deliver_buf(struct ublk_queue *q,
					     struct ublk_io *io,
					     struct request *req,
					     struct io_uring_cmd *cmd,
					     unsigned int issue_flags)
{
	u32 refs = ublk_refs_init();
	int taken = 0;

	if (!blk_rq_has_data(req))
		return true;
	if (q->auto_reg) {
		taken = ublk_buf_auto_register(q, io, req, cmd, issue_flags);
		if (unlikely(taken < 0))
			return false;
	}
	/* Without a daemon task all references are in io->refs. */
	if (q->fetchq)
		refs += taken;
	else
		io->task_refs = taken;
	/* Pairs with the cmpxchg of ublk_buf_get(): io->req is set. */
	atomic_set_release(&io->refs, refs);
	return true;
}

/*
 * Prepare descriptor and data in the task that sent @cmd; with NEED_GET_DATA
 * the data of a write comes later. Returns false if the request has ended or is
 * held; the tag is armed again.
 */
static __always_inline bool ublk_deliver_ready(struct ublk_queue *q,
					       struct ublk_io *io,
					       struct request *req,
					       struct io_uring_cmd *cmd,
					       unsigned int issue_flags)
{
	ublk_deliver_fill(q, io, req);
	io->delivered = blk_rq_bytes(req);

	if (!q->driver_copies) {
		if (likely(ublk_deliver_buf(q, io, req, cmd, issue_flags)))
			return true;
		ublk_state_arm(io, UBLK_EV_UNDELIVERED);
		ublk_shmem_put(req);
		ublk_complete_status(req, BLK_STS_IOERR);
		return false;
	}
	/* The server sees data in shared memory without a copy (D-96). */
	if (req_op(req) != REQ_OP_WRITE || unlikely(ublk_rq(req)->shmem) ||
	    unlikely(q->need_get_data) ||
	    likely(ublk_deliver_copy(q, io, req)))
		return true;
	ublk_deliver_failed(q, io, req);
	return false;
}

#endif
