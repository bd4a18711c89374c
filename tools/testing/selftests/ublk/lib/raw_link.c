// SPDX-License-Identifier: GPL-2.0
/*
 * A queue served in any mode: see raw_link.h. What is special about batch
 * commands is in raw_batch.c, about the others in raw_io.c and raw_buf.c; here
 * is the choice between them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include "raw_link.h"

#define GROUP		0
#define GROUP_BUFS	8

static bool has(const struct raw_link *l, __u64 flags)
{
	return l->srv->info.flags & flags;
}

int raw_link_open(struct raw_link *l, struct raw_srv *s, int q,
		  unsigned int ring_flags)
{
	unsigned int slots = s->info.nr_hw_queues * s->info.queue_depth;
	int ret;

	l->srv = s;
	l->q = q;
	if (!has(l, UBLK_F_BATCH_IO)) {
		ret = raw_ring_open(&l->ring, s, ring_flags);
		if (!ret && has(l, UBLK_F_AUTO_BUF_REG))
			ret = raw_table(&l->ring);
		return ret;
	}
	ret = raw_batch_open(&l->batch, s, ring_flags);
	if (!ret)
		ret = raw_group_open(&l->batch, GROUP, GROUP_BUFS,
				     2 * RAW_CQE_TAGS, 0);
	if (!ret && has(l, UBLK_F_AUTO_BUF_REG))
		ret = io_uring_register_buffers_sparse(&l->batch.ring, slots);
	return ret;
}

void raw_link_close(struct raw_link *l)
{
	if (has(l, UBLK_F_BATCH_IO))
		raw_batch_close(&l->batch);
	else
		raw_ring_close(&l->ring);
}

/*
 * Make all tags of the queue ready. How many commands the driver holds from
 * then on, or -errno; a failed fetch is an event.
 */
int raw_link_fetch(struct raw_link *l, unsigned int sqe_flags)
{
	int tag, ret, depth = l->srv->info.queue_depth;

	if (has(l, UBLK_F_BATCH_IO)) {
		ret = raw_batch_prep(&l->batch, l->q, 0, depth);
		if (ret >= 0)
			ret = raw_batch_fetch(&l->batch, l->q, GROUP);
		return ret < 0 ? ret : 1;
	}
	for (tag = 0; tag < depth; tag++) {
		if (sqe_flags)
			ret = raw_post(&l->ring, UBLK_U_IO_FETCH_REQ, l->q,
				       tag, 0, raw_addr(l->srv, l->q, tag),
				       sqe_flags, NULL);
		else
			ret = raw_fetch(&l->ring, l->q, tag);
		if (ret)
			return ret;
	}
	return depth;
}

/* A request, or the end of a command (negative result). */
int raw_link_event(struct raw_link *l, struct raw_ev *ev, int ms)
{
	int ret;

	if (!has(l, UBLK_F_BATCH_IO))
		return raw_event(&l->ring, ev, ms);
	ret = raw_batch_next(&l->batch, ev, ms);
	/* More lists than buffers: the command ends, all of them are free now. */
	if (!ret && ev->res == -ENOBUFS) {
		ret = raw_batch_fetch(&l->batch, l->q, GROUP);
		return ret < 0 ? ret : RAW_TIMEOUT;
	}
	return ret;
}

/* Move a registered request's data between it and the tag's buffer. */
static int move(struct raw_link *l, const struct raw_ev *ev, bool write)
{
	struct raw_srv *s = l->srv;
	unsigned int len = ev->iod.nr_sectors << 9;
	int ret = raw_batch_fixed(&l->batch, write, s->buf_fd,
				  raw_buf(s, ev->q, ev->tag) - s->bufs, len,
				  raw_addr(s, ev->q, ev->tag));

	return ret < 0 ? ret : ret == len ? 0 : -EIO;
}

/* The result of a request that came by batch commands. */
static int answer(struct raw_link *l, const struct raw_ev *ev)
{
	int op = ublksrv_get_op(&ev->iod), ret = 0, res;

	if (!has(l, UBLK_F_AUTO_BUF_REG))
		return raw_answer(l->srv, ev);
	if (op == UBLK_IO_OP_WRITE)
		ret = move(l, ev, true);
	res = ret ? ret : raw_answer(l->srv, ev);
	if (op == UBLK_IO_OP_READ && res > 0)
		ret = move(l, ev, false);
	return ret ? ret : res;
}

/* Do what a request asks for, as a RAM disk, and commit it. 0 or -errno. */
int raw_link_serve(struct raw_link *l, const struct raw_ev *ev)
{
	if (!has(l, UBLK_F_BATCH_IO))
		return raw_serve(&l->ring, ev);
	return raw_batch_commit(&l->batch, ev->q, ev->tag, answer(l, ev));
}
