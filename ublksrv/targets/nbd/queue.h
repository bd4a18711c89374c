/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The queue of target nbd, for queue.c (connections and events) and req.c (requests).
 * All of it belongs to the queue's thread.
 */
#ifndef UBLK_NBD_QUEUE_H
#define UBLK_NBD_QUEUE_H

#include <time.h>

#include "nbd.h"

struct conn {
	struct nbd_queue *nq;
	struct nbd_handle *h;		/* NULL: none */
	int watch;
	bool tls;
	bool readable, writable;
	bool touched;			/* queue_settle() has to look at it */
	unsigned int dir;		/* of libnbd, unless it is touched */
	__u64 seen;			/* bytes, when a read has brought no end */
	unsigned int in_flight;
	/* of the last tick */
	__u64 received;
	unsigned int quiet;
};

struct req_list {
	struct nbd_req *first, **last;
};

struct nbd_queue {
	struct ublk_queue *q;
	struct nbd *nbd;
	struct link *link;
	struct conn conns[NBD_MAX_CONNS];
	unsigned int nr_conns;		/* 0: down */
	unsigned int turn;		/* of the connections */
	unsigned int in_flight;
	bool failed;			/* down, and requests fail */
	bool worked;			/* the connections have: a request was answered */
	bool ticking;
	bool flush_failed;		/* an own one has, queue.c makes a pause */
	bool flush_pause;
	__u64 acked, confirmed;		/* writes, in all, and by a FLUSH or FUA */
	int give_up;			/* timer while it is down, or -1 */
	struct timespec lost;
	struct req_list waiting, ended;
	struct nbd_req flush;		/* own one */
	struct nbd_req **reqs;		/* by tag: of the disk, not completed */
};

/* ---- req.c ---------------------------------------------------------------- */

void req_list_init(struct req_list *l);
struct nbd_req *req_list_take(struct req_list *l);

/* End a request, or an own FLUSH. */
void req_complete(struct nbd_req *r, int res);

/* Let it wait for a connection, or for room. */
void req_wait(struct nbd_req *r);

/* Fail what waits and has lost its connection at that time, in ms, or before. */
void req_fail_waiting(struct nbd_queue *nq, __u64 until);

/* Send it; there is a connection. */
void req_send(struct nbd_req *r);

/* Is there room for what has to be kept of it? */
bool req_reserve(struct nbd_req *r);

/* The server has answered. */
void req_answered(struct nbd_req *r);

#endif
