// SPDX-License-Identifier: GPL-2.0
/*
 * End a request, or a part of it: the last stage of a request.
 *
 * The tag is armed again, or the session is over, before a function here runs,
 * as ending a request frees its tag for the next one. If the result covers
 * only part of a request, the rest is issued again (D-99d, I-20, I-21).
 *
 * The end of a bio may drop the last reference to a file: an asynchronous reader
 * of the disk has closed it. In a server's task fput() would leave the release to
 * task work of that task. If it is the release of this disk, it waits for
 * open_mutex, whose holder may wait for this server. With soft interrupts
 * disabled fput() leaves it to a worker, so everything that ends requests or
 * parts of them does it that way, and only here (L-107).
 */
#include <linux/bottom_half.h>

#include "ublk.h"

/**
 * ublk_complete_status() - end a request as a whole
 * @req: request
 * @status: of all its bytes
 * Context: any but hard interrupts; does not sleep.
 */
void ublk_complete_status(struct request *req, blk_status_t status)
{
	local_bh_disable();
	blk_mq_end_request(req, status);
	local_bh_enable();
}

/**
 * ublk_complete_collected() - end the requests that ublk_complete() collected
 * @iob: collection; may be empty, and is afterwards
 * Context: as for ublk_complete_status().
 */
void ublk_complete_collected(struct io_comp_batch *iob)
{
	if (!iob->complete)
		return;
	local_bh_disable();
	iob->complete(iob);
	local_bh_enable();
}

static void ublk_complete_part(struct request *req, unsigned int bytes)
{
	bool rest;

	local_bh_disable();
	rest = blk_update_request(req, BLK_STS_OK, bytes);
	if (!rest)
		__blk_mq_end_request(req, BLK_STS_OK);
	local_bh_enable();
	if (rest)
		blk_mq_requeue_request(req, true);
}

/*
 * Without a copy a read succeeds as a whole (D-99b). Bytes that the server has
 * not filled are zeroed, as a page may hold other data (I-8).
 */
static int ublk_complete_whole(struct request *req, int res)
{
	unsigned int len = blk_rq_bytes(req);

	if (req_op(req) != REQ_OP_READ || res <= 0)
		return res;
	if (unlikely(res < len))
		ublk_copy_zero(req, res);
	return len;
}

/**
 * ublk_complete() - end a request with the server's result
 * @req: request
 * @res: bytes done or negative errno; for a read at most what was copied out
 * @delivered: bytes that the server got or can have filled
 * @iob: collects requests that end without error, or NULL
 *
 * A positive result is rounded down to logical blocks; less than one is an error.
 * A write committed with 0 succeeds as a whole (D-97 to D-101, I-20 to I-22).
 * Context: any; does not sleep.
 */
void ublk_complete(struct request *req, int res, unsigned int delivered,
		   struct io_comp_batch *iob)
{
	unsigned int len = blk_rq_bytes(req);
	unsigned int done;

	if (unlikely(ublk_rq(req)->shmem)) {
		res = ublk_complete_whole(req, res);
		ublk_shmem_put_buf(req);
	}
	if (unlikely(res < 0)) {
		ublk_complete_status(req, errno_to_blk_status(res));
		return;
	}

	switch (req_op(req)) {
	case REQ_OP_READ:
		done = res;
		break;
	case REQ_OP_WRITE:
		done = res ? min_t(unsigned int, res, delivered) : delivered;
		break;
	case REQ_OP_ZONE_APPEND:
		/* A partial append fails: its rest has no sector. */
		done = res && res < len ? 0 : len;
		break;
	default:
		done = len;
		break;
	}

	if (likely(done >= len)) {
		if (!blk_mq_add_to_batch(req, iob, false,
					 blk_mq_end_request_batch))
			ublk_complete_status(req, BLK_STS_OK);
		return;
	}

	done = round_down(done, queue_logical_block_size(req->q));
	if (done)
		ublk_complete_part(req, done);
	else
		ublk_complete_status(req, BLK_STS_IOERR);
}

/* ublk_complete() in an interrupt, where fput() always leaves it to a worker. */
static void ublk_complete_in_interrupt(struct request *req, int res)
{
	unsigned int done = max(res, 0);
	blk_status_t status = BLK_STS_OK;

	if (unlikely(ublk_rq(req)->shmem))
		ublk_shmem_put_buf(req);
	if (unlikely(done < blk_rq_bytes(req))) {
		done = round_down(done, queue_logical_block_size(req->q));
		if (done && blk_update_request(req, BLK_STS_OK, done)) {
			blk_mq_requeue_request(req, true);
			return;
		}
		status = res < 0 ? errno_to_blk_status(res) : BLK_STS_IOERR;
	}
	blk_mq_end_request(req, status);
}

/**
 * ublk_complete_redirected() - end a request that a registered file has served
 * @req: read or write
 * @res: bytes done, the first ones, or negative errno
 * @iob: as for ublk_complete(), in a task only
 * Context: any, but interrupts must be enabled in a task; does not sleep.
 */
void ublk_complete_redirected(struct request *req, int res,
			      struct io_comp_batch *iob)
{
	if (!in_task()) {
		ublk_complete_in_interrupt(req, res);
		return;
	}
	ublk_shmem_put(req);
	ublk_complete(req, res, blk_rq_bytes(req), iob);
}

/* End a request without references, whose data the driver has not copied. */
void ublk_complete_nocopy(struct request *req, int res,
			  struct io_comp_batch *iob)
{
	ublk_complete(req, ublk_complete_whole(req, res), blk_rq_bytes(req),
		      iob);
}
