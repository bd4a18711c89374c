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

/*
 * @task: false in an interrupt, where local_bh_disable() is not allowed and fput()
 * leaves the release to a worker anyway; constant.
 */
static __always_inline void ublk_complete_end(struct request *req,
					      blk_status_t status, bool task)
{
	if (task)
		local_bh_disable();
	blk_mq_end_request(req, status);
	if (task)
		local_bh_enable();
}

/**
 * ublk_complete_status() - end a request as a whole
 * @req: request
 * @status: of all its bytes
 * Context: any but hard interrupts; does not sleep.
 */
void ublk_complete_status(struct request *req, blk_status_t status)
{
	ublk_complete_end(req, status, true);
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

static __always_inline void ublk_complete_part(struct request *req,
					       unsigned int bytes, bool task)
{
	bool rest;

	if (task)
		local_bh_disable();
	rest = blk_update_request(req, BLK_STS_OK, bytes);
	if (!rest)
		__blk_mq_end_request(req, BLK_STS_OK);
	if (task)
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

/* How many bytes of a request a result that is no error stands for. */
static __always_inline unsigned int
ublk_complete_bytes(const struct request *req, unsigned int res,
		    unsigned int delivered)
{
	unsigned int len = blk_rq_bytes(req);

	switch (req_op(req)) {
	case REQ_OP_READ:
		return res;
	case REQ_OP_WRITE:
		return res ? min(res, delivered) : delivered;
	case REQ_OP_ZONE_APPEND:
		/* A partial append fails: its rest has no sector. */
		return res && res < len ? 0 : len;
	default:
		return len;
	}
}

static __always_inline void ublk_complete_result(struct request *req, int res,
						 unsigned int delivered,
						 struct io_comp_batch *iob,
						 bool task)
{
	unsigned int len = blk_rq_bytes(req), done = len;

	/* A negative result has more bytes than any request. */
	if (unlikely(res != len || delivered < len)) {
		if (res < 0) {
			ublk_complete_end(req, errno_to_blk_status(res), task);
			return;
		}
		done = ublk_complete_bytes(req, res, delivered);
	}
	if (likely(done >= len)) {
		if (!blk_mq_add_to_batch(req, iob, false,
					 blk_mq_end_request_batch))
			ublk_complete_end(req, BLK_STS_OK, task);
		return;
	}

	done = round_down(done, queue_logical_block_size(req->q));
	if (done)
		ublk_complete_part(req, done, task);
	else
		ublk_complete_end(req, BLK_STS_IOERR, task);
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
 * Context: any but hard interrupts; does not sleep.
 */
void ublk_complete(struct request *req, int res, unsigned int delivered,
		   struct io_comp_batch *iob)
{
	if (unlikely(ublk_rq(req)->shmem)) {
		res = ublk_complete_whole(req, res);
		ublk_shmem_put_buf(req);
	}
	ublk_complete_result(req, res, delivered, iob, true);
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
	ublk_shmem_put(req);
	if (in_task())
		ublk_complete_result(req, res, blk_rq_bytes(req), iob, true);
	else
		ublk_complete_result(req, res, blk_rq_bytes(req), NULL, false);
}

/* End a request without references, whose data the driver has not copied. */
void ublk_complete_nocopy(struct request *req, int res,
			  struct io_comp_batch *iob)
{
	ublk_complete(req, ublk_complete_whole(req, res), blk_rq_bytes(req),
		      iob);
}
