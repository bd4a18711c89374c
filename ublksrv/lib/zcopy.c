// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Zero copy: the driver registers a request's pages in the buffer table of the
 * ring before delivery (AUTO_BUF_REG), and unregisters them at the commit.
 *
 * Backend SQEs name the slot (io.c). A thread's ring has one slot per tag, so a
 * commit is sent on the ring that has the buffer (D-130, D-240). If the driver
 * could not register a buffer (UBLK_AUTO_BUF_REG_FALLBACK), zcopy_deliver()
 * registers it, and zcopy_commit() unregisters it.
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

	if (unlikely(pub->desc->op_flags & UBLK_IO_F_NEED_REG_BUF)) {
		pub->lib = 0;
		tag_register(w, to_io(pub), true);
	} else {
		w->submit(q, pub);
	}
}

void zcopy_on_register(struct worker *w, struct io *io, int res)
{
	if (res) {
		w->send(w, io, res);
		return;
	}
	io->pub.lib = IO_REGISTERED | IO_LENT;
	w->submit(io->pub.q, &io->pub);
}

void zcopy_commit(struct worker *w, struct io *io, int res)
{
	/* the ring keeps the order: before the commit */
	if (unlikely(io->pub.lib & IO_REGISTERED)) {
		io->pub.lib &= ~IO_REGISTERED;
		tag_register(w, io, false);
	}
	w->send(w, io, res);
}

/* A buffer that stays registered keeps its request open, the tag unusable. */
void zcopy_on_unregister(struct worker *w, struct io *io, int res)
{
	if (!res)
		return;
	ublk_log(UBLK_LOG_ERR, "dev %u: queue %u tag %u: driver refused to unregister a buffer: %s",
		 w->dev->info.dev_id, io->id.q_id, io->id.tag, strerror(-res));
	ring_fatal(w, res);
}
