// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Zero copy: the request's pages lie in the buffer table of the ring, put there
 * by the driver before delivery (AUTO_BUF_REG) and taken out by the commit.
 *
 * Backend SQEs name the slot (io.c). A thread's ring has one slot per tag, so
 * commits go to the ring the buffer is in (D-130, D-240). Where the driver
 * could not register a buffer and says so (FALLBACK), it is registered from
 * here, and taken out again before the commit.
 */
#include "private.h"

/* Room for every tag that may come to this ring. */
int zcopy_open(struct worker *w, unsigned int nr_slots)
{
	int ret = io_uring_register_buffers_sparse(&w->ring, nr_slots);

	if (ret)
		return ublk_error(ret, "io_uring: registering %u buffers: %s",
				  nr_slots, strerror(-ret));
	return 0;
}

void zcopy_deliver(struct ublk_queue *q, struct ublk_io *pub)
{
	struct worker *w = to_queue(q)->worker;

	if (unlikely(pub->desc->op_flags & UBLK_IO_F_NEED_REG_BUF))
		tag_register(w, to_io(pub), true);
	else
		w->submit(q, pub);
}

void zcopy_on_register(struct worker *w, struct io *io, int res)
{
	if (res) {
		w->send(w, io, res);
		return;
	}
	io->pub.lib |= IO_REGISTERED;
	w->submit(io->pub.q, &io->pub);
}

void zcopy_commit(struct worker *w, struct io *io, int res)
{
	/* in this order on the ring, hence before the commit */
	if (unlikely(io->pub.lib & IO_REGISTERED)) {
		io->pub.lib &= ~IO_REGISTERED;
		tag_register(w, io, false);
	}
	w->send(w, io, res);
}

/* A slot that stays taken keeps its request open and the tag unusable. */
void zcopy_on_unregister(struct worker *w, struct io *io, int res)
{
	if (!res)
		return;
	ublk_log(UBLK_LOG_ERR, "dev %u: queue %u tag %u: driver refused to unregister a buffer: %s",
		 w->dev->info.dev_id, io->id.q_id, io->id.tag, strerror(-res));
	ring_fatal(w, res);
}
