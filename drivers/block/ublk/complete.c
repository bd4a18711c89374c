// SPDX-License-Identifier: GPL-2.0
/*
 * End, requeue or fail a request.
 *
 * Last stage of a request. The tag is armed again (or the session is over) before
 * any function here runs, as ending the request frees its tag for the next one.
 *
 * A result that covers only part of a request completes that part; the rest is
 * issued again (D-99d for reads, I-20 and I-21 for writes).
 */
#include "ublk.h"

/* End the first @bytes of @req; the remainder goes to the server again. */
static void ublk_complete_part(struct request *req, unsigned int bytes)
{
	if (blk_update_request(req, BLK_STS_OK, bytes))
		blk_mq_requeue_request(req, true);
	else
		__blk_mq_end_request(req, BLK_STS_OK);
}

/*
 * Where the driver has not copied, a read succeeds as a whole (D-99b). What the
 * server has not filled must not show what the page held before (I-8).
 *
 * Return: the result that stands for it.
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
 * ublk_complete() - finish a request with the server's result
 * @req: the request
 * @res: bytes done or negative errno, as committed; for a read already limited
 *	to what was copied out
 * @delivered: bytes that the server got or can have filled
 * @iob: where to collect requests that end without error, or NULL
 *
 * Results: section "Result handling" of data.md, D-97 to D-101, with I-20 to
 * I-22: a positive result is rounded down to sectors, less than a sector is an
 * error; a write committed with 0 succeeds as a whole.
 *
 * Context: task context; does not sleep.
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
		blk_mq_end_request(req, errno_to_blk_status(res));
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
		/* The rest of an append has no place of its own. */
		done = res && res < len ? 0 : len;
		break;
	default:
		done = len;
		break;
	}

	if (likely(done >= len)) {
		if (!blk_mq_add_to_batch(req, iob, false,
					 blk_mq_end_request_batch))
			blk_mq_end_request(req, BLK_STS_OK);
		return;
	}

	done = round_down(done, SECTOR_SIZE);
	if (done)
		ublk_complete_part(req, done);
	else
		blk_mq_end_request(req, BLK_STS_IOERR);
}

/**
 * ublk_complete_nocopy() - the same, for data that the driver has not copied
 * @req: request of a refcounted mode, without references
 * @res: as committed
 * @iob: as for ublk_complete()
 *
 * Context: any; does not sleep.
 */
void ublk_complete_nocopy(struct request *req, int res,
			  struct io_comp_batch *iob)
{
	ublk_complete(req, ublk_complete_whole(req, res), blk_rq_bytes(req),
		      iob);
}
