// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Requests of target nbd: sent to the server, kept, answered.
 *
 * libnbd calls req_called() from within its functions, where nothing may be called on
 * the handle; so that only puts the request on a list, for queue_settle().
 */
#include <errno.h>
#include <string.h>

#include "queue.h"

void req_list_init(struct req_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void req_list_add(struct req_list *l, struct nbd_req *r)
{
	r->next = NULL;
	*l->last = r;
	l->last = &r->next;
}

struct nbd_req *req_list_take(struct req_list *l)
{
	struct nbd_req *r = l->first;

	if (!r)
		return NULL;
	l->first = r->next;
	if (!l->first)
		l->last = &l->first;
	return r;
}

static unsigned int req_op(const struct nbd_req *r)
{
	return r->io ? ublk_io_op(r->io) : UBLK_IO_OP_FLUSH;
}

static __u64 req_pos(const struct nbd_req *r)
{
	return r->io->desc->start_sector << 9;
}

static __u32 req_len(const struct nbd_req *r)
{
	return r->io->desc->nr_sectors << 9;
}

/* Bytes that are kept of it. */
static __u32 req_data(const struct nbd_req *r)
{
	return req_op(r) == UBLK_IO_OP_WRITE ? req_len(r) : 0;
}

static bool req_is_kept(const struct nbd_req *r)
{
	return r->nq->nbd->keep && (req_op(r) == UBLK_IO_OP_WRITE ||
				    req_op(r) == UBLK_IO_OP_WRITE_ZEROES);
}

/* Within a function of libnbd. */
static int req_called(void *arg, int *error)
{
	struct nbd_req *r = arg;

	r->err = *error;
	r->state = REQ_ENDED;
	r->conn->in_flight--;
	r->conn->touched = true;
	r->nq->in_flight--;
	req_list_add(&r->nq->ended, r);
	return 1;
}

/* A part of a read; its bytes are in the buffer, or are a hole that libnbd zeroed. */
static int req_chunk(void *arg, const void *buf, size_t count, uint64_t offset,
		     unsigned int status, int *error)
{
	struct nbd_req *r = arg;

	(void)buf;
	(void)offset;
	(void)error;
	if (status == LIBNBD_READ_DATA || status == LIBNBD_READ_HOLE)
		r->got += count;
	return 0;
}

static __u32 req_flags(const struct nbd_req *r)
{
	const struct nbd *nbd = r->nq->nbd;
	__u32 op_flags = r->io->desc->op_flags, flags = 0;
	unsigned int op = req_op(r);

	if (op == UBLK_IO_OP_READ)
		return 0;
	if (nbd->caps.flags & NBD_CAP_FUA &&
	    (op_flags & UBLK_IO_F_FUA || nbd->unflushed == NBD_FUA))
		flags |= LIBNBD_CMD_FLAG_FUA;
	if (op == UBLK_IO_OP_WRITE_ZEROES && op_flags & UBLK_IO_F_NOUNMAP)
		flags |= LIBNBD_CMD_FLAG_NO_HOLE;
	return flags;
}

static int64_t req_issue(struct nbd_req *r, struct nbd_handle *h)
{
	nbd_completion_callback cb = { .callback = req_called, .user_data = r };
	nbd_chunk_callback chunk = { .callback = req_chunk, .user_data = r };

	switch (req_op(r)) {
	case UBLK_IO_OP_READ:
		return nbd_aio_pread_structured(h, r->io->buf, req_len(r),
						req_pos(r), chunk, cb, 0);
	case UBLK_IO_OP_WRITE:
		return nbd_aio_pwrite(h, r->io->buf, req_len(r), req_pos(r),
				      cb, req_flags(r));
	case UBLK_IO_OP_FLUSH:
		return nbd_aio_flush(h, cb, 0);
	case UBLK_IO_OP_DISCARD:
		return nbd_aio_trim(h, req_len(r), req_pos(r), cb, req_flags(r));
	case UBLK_IO_OP_WRITE_ZEROES:
		return nbd_aio_zero(h, req_len(r), req_pos(r), cb, req_flags(r));
	}
	return -1;
}

void req_complete(struct nbd_req *r, int res)
{
	struct ublk_io *io = r->io;

	if (r->reserved)
		keep_release(r->nq->nbd->keep, req_data(r));
	r->reserved = false;
	r->state = REQ_NONE;
	if (!io)
		return;
	r->nq->reqs[io->tag] = NULL;
	ublk_io_complete(io, res);
}

/* There is a connection. */
void req_send(struct nbd_req *r)
{
	struct nbd_queue *nq = r->nq;
	struct conn *c = &nq->conns[nq->turn++ % nq->nr_conns];
	struct keep *keep = nq->nbd->keep;

	r->state = REQ_SENT;
	r->conn = c;
	r->got = 0;
	r->end = keep ? keep_end(keep) : 0;
	r->acked = nq->acked;
	c->in_flight++;
	c->touched = true;
	nq->in_flight++;
	if (req_issue(r, c->h) >= 0)
		return;
	/* refused before it was sent, unless the connection has ended */
	c->in_flight--;
	nq->in_flight--;
	r->err = nbd_get_errno() ? : EIO;
	r->state = REQ_ENDED;
	req_list_add(&nq->ended, r);
}

bool req_reserve(struct nbd_req *r)
{
	if (!r->reserved && req_is_kept(r))
		r->reserved = keep_reserve(r->nq->nbd->keep, req_data(r));
	return r->reserved || !req_is_kept(r);
}

void req_wait(struct nbd_req *r)
{
	if (!r->io) {
		r->state = REQ_NONE;
		return;
	}
	r->state = REQ_WAITS;
	req_list_add(&r->nq->waiting, r);
}

void req_fail_waiting(struct nbd_queue *nq, __u64 until)
{
	struct req_list all = nq->waiting;
	struct nbd_req *r;

	if (!all.first)
		return;
	req_list_init(&nq->waiting);
	while ((r = req_list_take(&all))) {
		if (r->lost <= until)
			req_complete(r, -EIO);
		else
			req_list_add(&nq->waiting, r);
	}
}

static void req_keep(struct nbd_req *r)
{
	struct keep_entry e = {
		.op = req_op(r), .flags = req_flags(r) & ~LIBNBD_CMD_FLAG_FUA,
		.pos = req_pos(r), .len = req_len(r),
	};

	keep_add(r->nq->nbd->keep, &e, req_data(r), r->io->buf);
	r->reserved = false;
}

/* A FLUSH, own or of the disk. */
static void req_flushed(struct nbd_req *r)
{
	struct nbd_queue *nq = r->nq;

	if (!r->err) {
		if (nq->nbd->keep)
			keep_drop(nq->nbd->keep, r->end);
		if (r->acked > nq->confirmed)
			nq->confirmed = r->acked;
	} else if (!r->io) {
		ublk_log(UBLK_LOG_ERR, "nbd: the server failed to flush: %s",
			 strerror(r->err));
		nq->flush_failed = true;
	}
	req_complete(r, -r->err);
}

static void req_written(struct nbd_req *r)
{
	struct nbd_queue *nq = r->nq;

	if (r->reserved)
		req_keep(r);
	if (nq->acked == nq->confirmed && req_flags(r) & LIBNBD_CMD_FLAG_FUA)
		nq->confirmed++;
	nq->acked++;
	req_complete(r, req_len(r));
}

/* The server has answered. */
void req_answered(struct nbd_req *r)
{
	unsigned int op = req_op(r);

	if (op == UBLK_IO_OP_FLUSH) {
		req_flushed(r);
	} else if (r->err) {
		req_complete(r, -r->err);
	} else if (op != UBLK_IO_OP_READ) {
		req_written(r);
	} else if (r->got == req_len(r)) {
		req_complete(r, req_len(r));
	} else {
		ublk_log(UBLK_LOG_ERR, "nbd: the server sent %u bytes of %u, and called that a success",
			 r->got, req_len(r));
		req_complete(r, -EIO);
	}
}
