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
	if (!ret && has(m, UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY))
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
	m->ring.sqe_flags = sqe_flags;
	for (tag = 0, ret = 0; tag < nr && !ret; tag++)
		ret = raw_fetch(&m->ring, q, tag);
	m->ring.sqe_flags = 0;
	return ret ? ret : nr;
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
static int move_fixed(struct raw_mode *m, const struct raw_ev *ev, bool write)
{
	struct raw_srv *s = m->srv;
	unsigned int len = ev->iod.nr_sectors << 9;
	char *buf = raw_buf(s, ev->q, ev->tag);
	int ret = raw_batch_fixed(&m->batch, write, s->buf_fd, buf - s->bufs,
				  len, raw_slot(s, ev->q, ev->tag));

	return ret < 0 ? ret : ret == len ? 0 : -EIO;
}

/* The same; without AUTO_BUF_REG the data is registered for that. */
static int move(struct raw_mode *m, const struct raw_ev *ev, bool write)
{
	__u64 slot = raw_slot(m->srv, ev->q, ev->tag);
	int ret, end;

	if (has(m, UBLK_F_AUTO_BUF_REG))
		return move_fixed(m, ev, write);
	ret = raw_batch_io_call(&m->batch, UBLK_U_IO_REGISTER_IO_BUF, ev->q,
				ev->tag, slot);
	if (ret)
		return ret;
	ret = move_fixed(m, ev, write);
	end = raw_batch_io_call(&m->batch, UBLK_U_IO_UNREGISTER_IO_BUF, ev->q,
				ev->tag, slot);
	return ret ? ret : end;
}

/* Does only the ring have access to the request's data? */
static bool by_ring(const struct raw_mode *m, const struct raw_ev *ev)
{
	return has(m, UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY) &&
	       !(ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC);
}

/* Execute a request like a RAM disk. Returns the result to commit. */
int raw_mode_work(struct raw_mode *m, const struct raw_ev *ev)
{
	int op = ublksrv_get_op(&ev->iod), ret = 0, res;

	if (!has(m, UBLK_F_BATCH_IO))
		return raw_work(&m->ring, ev);
	if (!by_ring(m, ev))
		return raw_answer(m->srv, ev);
	if (op == UBLK_IO_OP_WRITE)
		ret = move(m, ev, true);
	res = ret ? ret : raw_answer(m->srv, ev);
	if (op == UBLK_IO_OP_READ && res > 0)
		ret = move(m, ev, false);
	return ret ? ret : res;
}

/* 0 or -errno. */
int raw_mode_commit(struct raw_mode *m, const struct raw_ev *ev, int result)
{
	if (!has(m, UBLK_F_BATCH_IO))
		return raw_commit(&m->ring, ev->q, ev->tag, result);
	return raw_batch_commit(&m->batch, ev->q, ev->tag, result);
}

/* Serve a request like a RAM disk and commit it. 0 or -errno. */
int raw_mode_serve(struct raw_mode *m, const struct raw_ev *ev)
{
	if (!has(m, UBLK_F_BATCH_IO))
		return raw_serve(&m->ring, ev);
	return raw_mode_commit(m, ev, raw_mode_work(m, ev));
}

static int redirect_batch(struct raw_mode *m, const struct raw_ev *ev, int file,
			  __u64 pos)
{
	struct ublk_redirect_elem e = {
		.tag = ev->tag, .file = file, .pos = pos,
	};
	const struct raw_bcmd cmd = {
		.op = UBLK_U_IO_REDIRECT_IO_CMDS, .q = ev->q, .nr = 1,
		.size = sizeof(e), .addr = &e,
	};
	int ret = raw_batch_call(&m->batch, &cmd);

	return ret == -EREMOTEIO ? e.error : ret;
}

/*
 * Have a registered file serve a request, at the same position. Return: 0 if the
 * driver does so, or -errno; a per-tag command that it refuses is an event later.
 */
int raw_mode_redirect(struct raw_mode *m, const struct raw_ev *ev, int file)
{
	int op = ublksrv_get_op(&ev->iod);
	__u64 pos = ev->iod.start_sector << 9;

	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return -EOPNOTSUPP;
	if (has(m, UBLK_F_BATCH_IO))
		return redirect_batch(m, ev, file, pos);
	return raw_arm(&m->ring, UBLK_U_IO_REDIRECT_AND_FETCH_REQ, ev->q, ev->tag,
		       file, pos, raw_word(&m->ring, ev->q, ev->tag));
}

/*
 * The driver has refused to redirect, and the server still owns the request: was
 * that the reason of this event?
 */
bool raw_mode_refused(struct raw_mode *m, struct raw_ev *ev)
{
	struct raw_srv *s = m->srv;

	if (!has(m, UBLK_F_REDIRECT) || has(m, UBLK_F_BATCH_IO) ||
	    (ev->res != -EBADF && ev->res != -EINVAL && ev->res != -EOPNOTSUPP))
		return false;
	s->state[raw_slot(s, ev->q, ev->tag)] = RAW_O;
	ev->iod = raw_desc(s, ev->q, ev->tag);
	ev->res = 0;
	return true;
}
