// SPDX-License-Identifier: GPL-2.0
/*
 * The choice between the modes: see raw_mode.h. Batch commands are in
 * raw_batch.c, the other ones in raw_io.c and raw_data.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include "raw_mode.h"

#define GROUP		0
#define GROUP_BUFS	8

static bool has(const struct raw_mode *m, __u64 flags)
{
	return m->srv->info.flags & flags;
}

int raw_mode_open(struct raw_mode *m, struct raw_srv *s,
		  unsigned int ring_flags)
{
	unsigned int slots = s->info.nr_hw_queues * s->info.queue_depth;
	int ret;

	m->srv = s;
	if (!has(m, UBLK_F_BATCH_IO)) {
		ret = raw_ring_open(&m->ring, s, ring_flags);
		if (!ret && !raw_copy_mode(s))
			ret = raw_table(&m->ring);
		return ret;
	}
	ret = raw_batch_open(&m->batch, s, ring_flags);
	if (!ret)
		ret = raw_group_open(&m->batch, GROUP, GROUP_BUFS,
				     2 * RAW_CQE_TAGS, 0);
	if (!ret && has(m, UBLK_F_AUTO_BUF_REG))
		ret = io_uring_register_buffers_sparse(&m->batch.ring, slots);
	return ret;
}

void raw_mode_close(struct raw_mode *m)
{
	if (has(m, UBLK_F_BATCH_IO))
		raw_batch_close(&m->batch);
	else
		raw_ring_close(&m->ring);
}

/*
 * Make the first @nr tags of queue @q ready. How many commands the driver holds
 * from then on, or -errno; a failed fetch is an event.
 */
int raw_mode_fetch(struct raw_mode *m, int q, int nr, unsigned int sqe_flags)
{
	int tag, ret;

	if (has(m, UBLK_F_BATCH_IO)) {
		ret = raw_batch_prep(&m->batch, q, 0, nr);
		if (ret >= 0)
			ret = raw_batch_fetch(&m->batch, q, GROUP);
		return ret < 0 ? ret : 1;
	}
	for (tag = 0; tag < nr; tag++) {
		if (sqe_flags)
			ret = raw_post(&m->ring, UBLK_U_IO_FETCH_REQ, q, tag, 0,
				       raw_addr(m->srv, q, tag), sqe_flags,
				       NULL);
		else
			ret = raw_fetch(&m->ring, q, tag);
		if (ret)
			return ret;
	}
	return nr;
}

/* A request, or the end of a command (negative result). */
int raw_mode_event(struct raw_mode *m, struct raw_ev *ev, int ms)
{
	int ret;

	if (!has(m, UBLK_F_BATCH_IO))
		return raw_event(&m->ring, ev, ms);
	ret = raw_batch_next(&m->batch, ev, ms);
	/* There were more lists than buffers; all buffers are free by now. */
	if (!ret && ev->res == -ENOBUFS) {
		ret = raw_batch_fetch(&m->batch, ev->q, GROUP);
		return ret < 0 ? ret : RAW_TIMEOUT;
	}
	return ret;
}

/* Move a registered request's data between it and the tag's buffer. */
static int move(struct raw_mode *m, const struct raw_ev *ev, bool write)
{
	struct raw_srv *s = m->srv;
	unsigned int len = ev->iod.nr_sectors << 9;
	int ret = raw_batch_fixed(&m->batch, write, s->buf_fd,
				  raw_buf(s, ev->q, ev->tag) - s->bufs, len,
				  raw_addr(s, ev->q, ev->tag));

	return ret < 0 ? ret : ret == len ? 0 : -EIO;
}

/* Serve a request that came by batch commands. Returns the result to commit. */
static int answer(struct raw_mode *m, const struct raw_ev *ev)
{
	int op = ublksrv_get_op(&ev->iod), ret = 0, res;

	if (!has(m, UBLK_F_AUTO_BUF_REG))
		return raw_answer(m->srv, ev);
	if (op == UBLK_IO_OP_WRITE)
		ret = move(m, ev, true);
	res = ret ? ret : raw_answer(m->srv, ev);
	if (op == UBLK_IO_OP_READ && res > 0)
		ret = move(m, ev, false);
	return ret ? ret : res;
}

/* Serve a request like a RAM disk and commit it. 0 or -errno. */
int raw_mode_serve(struct raw_mode *m, const struct raw_ev *ev)
{
	if (!has(m, UBLK_F_BATCH_IO))
		return raw_serve(&m->ring, ev);
	return raw_batch_commit(&m->batch, ev->q, ev->tag, answer(m, ev));
}
