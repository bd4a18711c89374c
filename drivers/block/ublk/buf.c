// SPDX-License-Identifier: GPL-2.0
/*
 * Refcounted modes: references to a request, its pages as a buffer of a ring.
 *
 * In these modes the driver moves no data. The server reaches it by user copy
 * (usercopy.c) or through a slot of a ring's buffer table, which the driver
 * fills at delivery (AUTO_BUF_REG) or on REGISTER_IO_BUF. Each slot and each
 * copy in progress holds a reference, so the request outlives them even when
 * the server has committed it (D-103). The last reference to a committed
 * request ends it (complete.c). The arithmetic is in logic/refs.h.
 */
#include <linux/delay.h>

#include "ublk.h"

/* io_uring caches bvec arrays up to this size. */
#define UBLK_BUF_FEW	32

/*
 * Take a reference; any task with the char node open. Return: true if a request
 * with data is delivered: io->req stays until ublk_buf_put() (D-113, D-146).
 */
bool ublk_buf_get(struct ublk_io *io)
{
	int old = atomic_read(&io->refs);
	u32 new;

	do {
		new = ublk_refs_get(old);
		if (!new)
			return false;
	} while (!atomic_try_cmpxchg(&io->refs, &old, new));
	return true;
}

/*
 * Drop a reference; tag and device may be gone afterwards. References are
 * alike: the daemon task drops one of io->task_refs while it has any. It has
 * none after its commit. Any context; does not sleep.
 */
void ublk_buf_put(struct ublk_io *io)
{
	struct request *req = io->req;
	struct ublk_rq *rq;

	if (ublk_io_is_daemon(io) && ublk_refs_take_back(io->task_refs)) {
		/* Pairs with ublk_buf_idle(): the data is not used any more. */
		smp_store_release(&io->task_refs, io->task_refs - 1);
		return;
	}
	if (!atomic_dec_and_test(&io->refs))
		return;
	/* The owner has dropped its reference: rq->result is written. */
	rq = blk_mq_rq_to_pdu(req);
	ublk_complete_nocopy(req, rq->result, NULL);
}

/* io_uring has dropped the buffer (D-104). */
static void ublk_buf_release(void *priv)
{
	struct request *req = priv;
	struct ublk_queue *q = req->mq_hctx->driver_data;

	ublk_buf_put(&q->io[req->tag]);
}

/*
 * Return: number of segments gathered in q->bvecs; 0 if there are too many, or
 * if a bio is part of another one: its ends may be longer than its data.
 */
static unsigned int ublk_buf_gather(struct ublk_queue *q, struct request *req)
{
	struct bio_vec *to = q->bvecs;
	struct bio *bio;

	__rq_for_each_bio(bio, req) {
		const struct bio_vec *bv = bio->bi_io_vec;
		const struct bio_vec *end = bv + bio->bi_vcnt;
		unsigned int bytes = 0;

		if (bio_flagged(bio, BIO_CLONED) || bio->bi_iter.bi_idx ||
		    bio->bi_vcnt > q->bvecs + UBLK_QUEUE_BVECS - to)
			return 0;
		for (; bv < end; bv++) {
			bytes += bv->bv_len;
			*to++ = *bv;
		}
		if (bytes != bio->bi_iter.bi_size)
			return 0;
	}
	return to - q->bvecs;
}

/*
 * With many segments, copying the arrays costs less than rq_for_each_bvec() in
 * io_buffer_register_request(). That function gets requests with few segments,
 * with segments that cannot be gathered, or while another task gathers.
 */
static int ublk_buf_register_request(struct ublk_queue *q, struct request *req,
				     struct io_uring_cmd *cmd,
				     unsigned int index,
				     unsigned int issue_flags)
{
	unsigned int nr = 0;
	int ret = 0;

	if (unlikely(blk_rq_nr_phys_segments(req) > UBLK_BUF_FEW) &&
	    !test_and_set_bit_lock(0, &q->bvecs_busy)) {
		nr = ublk_buf_gather(q, req);
		if (nr)
			ret = io_buffer_register_bvec(cmd, q->bvecs, nr,
						      ublk_buf_release, req,
						      1 << rq_data_dir(req),
						      index, issue_flags);
		clear_bit_unlock(0, &q->bvecs_busy);
	}
	if (nr)
		return ret;
	return io_buffer_register_request(cmd, req, ublk_buf_release, index,
					  issue_flags);
}

/* Return: references taken for the ring, or -EIO (D-127, D-128). */
int ublk_buf_auto_register(struct ublk_queue *q, struct ublk_io *io,
			   struct request *req, struct io_uring_cmd *cmd,
			   unsigned int issue_flags)
{
	if (likely(!ublk_buf_register_request(q, req, cmd, io->reg.index,
					      issue_flags))) {
		io->flags |= UBLK_IO_AUTO_REG;
		io->buf_slot = io->reg.index;
		io->buf_ring = io_uring_cmd_ctx_handle(cmd);
		return 1;
	}
	if (!(io->reg.flags & UBLK_AUTO_BUF_REG_FALLBACK))
		return -EIO;
	ublk_desc(q, req->tag)->op_flags |= UBLK_IO_F_NEED_REG_BUF;
	return 0;
}

/*
 * REGISTER_IO_BUF by the daemon task; the server owns the tag (D-107 to D-111).
 * Return: 0; -EINVAL for a request without data or a slot beyond the table,
 * -EBUSY for a slot in use, -ENOMEM.
 */
int ublk_buf_register(struct ublk_io *io, struct io_uring_cmd *cmd,
		      unsigned int index, unsigned int issue_flags)
{
	u32 task_refs;
	int ret;

	if (!atomic_read(&io->refs))
		return -EINVAL;
	task_refs = ublk_refs_lend(io->task_refs);
	if (!task_refs)
		return -EBUSY;
	ret = io_buffer_register_request(cmd, io->req, ublk_buf_release, index,
					 issue_flags);
	if (!ret)
		io->task_refs = task_refs;
	return ret;
}

/*
 * REGISTER_IO_BUF by any task with the char node open, for a tag in any state
 * (D-112 to D-114). Return: as ublk_buf_register(); -EINVAL also if no request
 * with data is delivered, and without SUPPORT_ZERO_COPY.
 */
int ublk_buf_register_remote(struct ublk_queue *q, struct ublk_io *io,
			     struct io_uring_cmd *cmd, unsigned int index,
			     unsigned int issue_flags)
{
	int ret;

	if (!ublk_has(q->ub, UBLK_F_SUPPORT_ZERO_COPY) || !ublk_buf_get(io))
		return -EINVAL;
	ret = io_buffer_register_request(cmd, io->req, ublk_buf_release, index,
					 issue_flags);
	if (ret)
		ublk_buf_put(io);
	return ret;
}

/*
 * UNREGISTER_IO_BUF; the slot may hold any kernel buffer (D-115 to D-118).
 * Return: 0; -EINVAL without SUPPORT_ZERO_COPY and for an empty slot, -EBUSY
 * for an ordinary buffer.
 */
int ublk_buf_unregister(struct ublk_device *ub, struct io_uring_cmd *cmd,
			unsigned int index, unsigned int issue_flags)
{
	if (!ublk_has(ub, UBLK_F_SUPPORT_ZERO_COPY))
		return -EINVAL;
	return io_buffer_unregister(cmd, index, issue_flags);
}

static bool ublk_buf_idle(const struct ublk_io *io)
{
	/* Both can only decrease: reading them in turn misses nothing. */
	u32 refs = atomic_read_acquire(&io->refs);

	/* Pairs with the release of ublk_buf_put(): the data is not used now. */
	return ublk_refs_idle(refs, smp_load_acquire(&io->task_refs));
}

/*
 * Exit work: wait until only the server refers to the request, at the latest
 * when the rings are freed (D-106). It polls, as ublk_buf_put() cannot wake a
 * waiter: the device may be gone after the last reference.
 */
void ublk_buf_wait_idle(const struct ublk_io *io)
{
	unsigned int us = 10;

	while (!ublk_buf_idle(io)) {
		usleep_range(us, 2 * us);
		us = min(2 * us, jiffies_to_usecs(1));
	}
}
