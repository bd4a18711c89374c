// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Connections and events, in the queue's thread.
 *
 * A request is sent at once, waits for a connection or for room among the kept writes,
 * or fails. queue_settle() looks at what a use of a handle has led to: first whether a
 * connection has ended, then at the requests (req.c).
 *
 * When a connection ends all are closed: whether the server was restarted or a cable
 * was cut looks the same from here. The requests that were in flight are sent again
 * after link.c has connected and replayed what was acknowledged before.
 *
 * The watch of a descriptor tells of changes only. readable and writable are what is
 * known of it, and libnbd says in which direction it wants to go on. It reads one
 * reply at a time and, with TLS, writes one record at a time.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"
#include "queue.h"

#define QUEUE_TICK_MS	1000

/* ---- the connections ------------------------------------------------------ */

static void on_tick(struct ublk_queue *q, unsigned int events, void *arg);
static void on_give_up(struct ublk_queue *q, unsigned int events, void *arg);

static void queue_tick_on(struct nbd_queue *nq)
{
	if (nq->ticking || !nq->nbd->cfg->timeout)
		return;
	nq->ticking = ublk_queue_timer(nq->q, QUEUE_TICK_MS, on_tick, nq) >= 0;
}

/* Requests that lost their connection then, or before, have waited long enough. */
static __u64 queue_deadline(const struct nbd_queue *nq)
{
	__u64 wait = nq->nbd->cfg->reconnect * 1000, now = nbd_now_ms();

	return now > wait ? now - wait : 0;
}

/*
 * A server that takes connections and answers nothing must not keep a request for ever.
 * Return: whether one has waited long enough that was sent again
 */
static bool queue_is_late(const struct nbd_queue *nq)
{
	__u64 until = queue_deadline(nq);
	unsigned int tag;

	for (tag = 0; tag < nq->q->depth; tag++)
		if (nq->reqs[tag] && nq->reqs[tag]->lost &&
		    nq->reqs[tag]->lost <= until)
			return true;
	return false;
}

/* What was sent waits again, for another connection. */
static void queue_take_back(struct nbd_queue *nq)
{
	__u64 now = nbd_now_ms();
	unsigned int tag;

	for (tag = 0; tag < nq->q->depth; tag++) {
		struct nbd_req *r = nq->reqs[tag];

		if (r && !r->lost)
			r->lost = now;
		if (r && r->state == REQ_SENT)
			req_wait(r);
	}
	if (nq->flush.state == REQ_SENT)
		nq->flush.state = REQ_NONE;
}

/* A new server may lack acknowledged writes, and nobody could tell. */
static bool queue_must_refuse(struct nbd_queue *nq)
{
	return nq->nbd->unflushed == NBD_REFUSE && nq->acked != nq->confirmed;
}

static void queue_down(struct nbd_queue *nq, const char *why)
{
	unsigned int i;

	for (i = 0; i < nq->nr_conns; i++) {
		struct conn *c = &nq->conns[i];

		ublk_queue_unwatch(nq->q, c->watch);
		nbd_close(c->h);
		c->h = NULL;
		c->in_flight = 0;
		c->touched = false;
	}
	nq->nr_conns = 0;
	nq->in_flight = 0;
	queue_take_back(nq);
	clock_gettime(CLOCK_MONOTONIC, &nq->lost);
	if (queue_must_refuse(nq)) {
		ublk_log(UBLK_LOG_ERR, "nbd: %s; it may have lost writes that it had acknowledged and not flushed, so the disk fails from now on (--unflushed refuse)",
			 why);
		nq->failed = true;
		req_fail_waiting(nq, ~0ULL);
		return;
	}
	ublk_log(UBLK_LOG_WARN, "nbd: %s; connecting again", why);
	nq->give_up = ublk_queue_timer(nq->q, nq->nbd->cfg->reconnect * 1000,
				       on_give_up, nq);
	req_fail_waiting(nq, queue_deadline(nq));
	link_start(nq->link, nq->worked);
}

/* Has one of the connections that were used ended? */
static void queue_check(struct nbd_queue *nq)
{
	unsigned int i;

	for (i = 0; i < nq->nr_conns; i++) {
		struct conn *c = &nq->conns[i];

		if (!c->touched)
			continue;
		c->touched = false;
		c->dir = nbd_aio_get_direction(c->h);
		/* each call costs as much as some hundred instructions */
		if (!c->dir && (nbd_aio_is_dead(c->h) || nbd_aio_is_closed(c->h))) {
			queue_down(nq, "the server ended the connection");
			return;
		}
	}
}

/* What is wanted of the descriptor; the poll is changed only when that changes. */
static void conn_watch(struct conn *c)
{
	if (!c->h)
		return;
	if (c->dir & LIBNBD_AIO_DIRECTION_WRITE)
		ublk_queue_watch_change(c->nq->q, c->watch, POLLIN | POLLOUT);
	else
		ublk_queue_watch_change(c->nq->q, c->watch, POLLIN);
}

static void on_flush_pause(struct ublk_queue *q, unsigned int events, void *arg);

/* Half of the room is used: have the server confirm, so that it can be used again. */
static void queue_flush(struct nbd_queue *nq)
{
	struct keep *keep = nq->nbd->keep;

	if (nq->flush_failed)
		nq->flush_pause = ublk_queue_timer(nq->q, QUEUE_TICK_MS,
						   on_flush_pause, nq) >= 0;
	nq->flush_failed = false;
	if (!keep || nq->flush.state != REQ_NONE || nq->flush_pause ||
	    !nq->nr_conns || keep_is_empty(keep) || !keep_is_half_full(keep))
		return;
	req_send(&nq->flush);
}

static void queue_send_waiting(struct nbd_queue *nq)
{
	struct nbd_req *r;

	while (nq->nr_conns && nq->waiting.first &&
	       req_reserve(nq->waiting.first)) {
		r = req_list_take(&nq->waiting);
		req_send(r);
	}
}

static void req_ended(struct nbd_req *r)
{
	struct nbd_queue *nq = r->nq;

	if (r->err == ESHUTDOWN && nq->nr_conns)
		queue_down(nq, "the server is shutting down");
	nq->worked |= nq->nr_conns;
	if (!r->err || nq->nr_conns)
		req_answered(r);
	else if (nq->failed || (r->io && r->lost <= queue_deadline(nq)))
		req_complete(r, -EIO);
	else
		req_wait(r);
}

/*
 * Send what can be sent without waiting. A write that sends nothing has found the
 * socket full, and there will be an event. Return: false if there was an error
 */
static bool conn_write(struct conn *c)
{
	__u64 before = nbd_stats_bytes_sent(c->h);

	bool ok;

	c->touched = true;
	ok = nbd_aio_notify_write(c->h) >= 0;
	if (!ok || nbd_stats_bytes_sent(c->h) == before)
		c->writable = false;
	return ok;
}

static bool conn_can_write(struct conn *c)
{
	if (!c->h || !c->writable)
		return false;
	c->dir = nbd_aio_get_direction(c->h);
	return c->dir & LIBNBD_AIO_DIRECTION_WRITE;
}

/*
 * Go on with commands that libnbd has begun to send. There may be no event for them:
 * the socket was not full. Return: whether a handle was used
 */
static bool queue_write(struct nbd_queue *nq)
{
	bool used = false;
	unsigned int i;

	for (i = 0; i < nq->nr_conns; i++) {
		struct conn *c = &nq->conns[i];

		while (conn_can_write(c)) {
			used = true;
			if (!conn_write(c))
				break;
		}
	}
	return used;
}

static bool queue_is_touched(const struct nbd_queue *nq)
{
	unsigned int i;

	for (i = 0; i < nq->nr_conns; i++)
		if (nq->conns[i].touched)
			return true;
	return false;
}

/* After each use of a handle, and never from within libnbd. */
static void queue_settle(struct nbd_queue *nq)
{
	struct nbd_req *r;
	unsigned int i;

	do {
		queue_check(nq);
		while ((r = req_list_take(&nq->ended)))
			req_ended(r);
		queue_flush(nq);
		queue_send_waiting(nq);
	} while (queue_write(nq) || nq->ended.first || queue_is_touched(nq));
	for (i = 0; i < nq->nr_conns; i++)
		conn_watch(&nq->conns[i]);
	if (nq->in_flight)
		queue_tick_on(nq);
}

/* ---- events --------------------------------------------------------------- */

/*
 * A read that brings nothing has found the socket empty. With TLS it may have found
 * something else than data, and more may follow.
 */
static bool conn_is_drained(const struct conn *c)
{
	struct pollfd p = { .fd = nbd_aio_get_fd(c->h), .events = POLLIN };

	return !c->tls || poll(&p, 1, 0) != 1;
}

/*
 * Read up to the end of one command, or what there is: libnbd stops elsewhere only when
 * the socket had less than it asked for. With TLS that may have been something else than
 * data.
 */
static bool conn_receive(struct conn *c)
{
	unsigned int before = c->in_flight;
	__u64 bytes;

	if (nbd_aio_notify_read(c->h) < 0)
		return false;
	if (c->in_flight < before)
		return true;
	if (conn_read_again(c->h) < 0)
		return false;
	if (!c->tls)
		c->readable = c->in_flight < before;
	if (!c->tls || c->in_flight < before)
		return true;
	bytes = nbd_stats_bytes_received(c->h);
	if (bytes == c->seen)
		c->readable = !conn_is_drained(c);
	c->seen = bytes;
	return true;
}

/* Return: whether it is worth to go on at once */
static bool conn_step(struct conn *c)
{
	c->touched = true;
	c->dir = nbd_aio_get_direction(c->h);
	if (c->readable && c->dir & LIBNBD_AIO_DIRECTION_READ)
		return conn_receive(c);
	return conn_can_write(c) && conn_write(c);
}

static void on_conn(struct ublk_queue *q, unsigned int events, void *arg)
{
	struct conn *c = arg;

	(void)q;
	if (events & (POLLIN | POLLHUP | POLLERR))
		c->readable = true;
	if (events & (POLLOUT | POLLHUP | POLLERR))
		c->writable = true;
	/* at least once, to see an end while nothing is in flight */
	while (conn_step(c) && c->in_flight)
		;
	queue_settle(c->nq);
}

/* @worked: it has been used already */
static void queue_up(struct nbd_queue *nq, struct nbd_handle **h,
		     unsigned int nr, bool worked)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct conn *c = &nq->conns[i];

		*c = (struct conn){
			.nq = nq, .h = h[i],
			.tls = nbd_get_tls_negotiated(h[i]) == 1,
		};
		c->watch = ublk_queue_watch(nq->q, nbd_aio_get_fd(c->h), POLLIN,
					    on_conn, c);
	}
	nq->nr_conns = nr;
	nq->worked = worked;
	nq->failed = false;
	if (nq->give_up >= 0)
		ublk_queue_unwatch(nq->q, nq->give_up);
	nq->give_up = -1;
}

static void on_link(struct ublk_queue *q, unsigned int events, void *arg)
{
	struct nbd_handle *h[NBD_MAX_CONNS];
	struct nbd_queue *nq = arg;
	unsigned int nr, replayed;
	struct timespec now;

	(void)q;
	(void)events;
	nr = link_take(nq->link, h, &replayed);
	if (!nr)
		return;
	queue_up(nq, h, nr, replayed);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ublk_log(UBLK_LOG_WARN, "nbd: connected again after %lld s; %u acknowledged writes were written again",
		 (long long)(now.tv_sec - nq->lost.tv_sec), replayed);
	queue_settle(nq);
}

static void on_give_up(struct ublk_queue *q, unsigned int events, void *arg)
{
	struct nbd_queue *nq = arg;

	(void)q;
	(void)events;
	nq->give_up = -1;
	nq->failed = true;
	ublk_log(UBLK_LOG_ERR, "nbd: no connection for %llu s; requests fail until there is one",
		 (unsigned long long)nq->nbd->cfg->reconnect);
	req_fail_waiting(nq, ~0ULL);
}

static void on_flush_pause(struct ublk_queue *q, unsigned int events, void *arg)
{
	struct nbd_queue *nq = arg;

	(void)q;
	(void)events;
	nq->flush_pause = false;
	queue_settle(nq);
}

/* A server that sends nothing, while it has requests, counts as gone. */
static void on_tick(struct ublk_queue *q, unsigned int events, void *arg)
{
	struct nbd_queue *nq = arg;
	unsigned int i;

	(void)q;
	(void)events;
	nq->ticking = false;
	for (i = 0; i < nq->nr_conns; i++) {
		struct conn *c = &nq->conns[i];
		__u64 received = nbd_stats_bytes_received(c->h);

		if (!c->in_flight || received != c->received)
			c->quiet = 0;
		else
			c->quiet++;
		c->received = received;
		if (c->quiet < nq->nbd->cfg->timeout)
			continue;
		queue_down(nq, "the server does not answer (--server-timeout)");
		break;
	}
	if (nq->nr_conns && queue_is_late(nq))
		queue_down(nq, "the server takes connections, but does not answer (--reconnect-timeout)");
	queue_settle(nq);
}

/* ---- calls of the library ------------------------------------------------- */

void nbd_submit(struct ublk_queue *q, struct ublk_io *io)
{
	struct nbd_queue *nq = q->priv;
	struct nbd_req *r = io->priv;

	r->io = io;
	r->nq = nq;
	r->err = 0;
	r->lost = 0;
	r->reserved = false;
	nq->reqs[io->tag] = r;
	if (nq->failed)
		req_complete(r, -EIO);
	else
		/* queue_settle() sends it at once if it can */
		req_wait(r);
	queue_settle(nq);
}

static int queue_connect(struct nbd_queue *nq)
{
	struct nbd_handle *h[NBD_MAX_CONNS];
	unsigned int replayed = 0;
	int nr;

	nr = link_now(nq->link, h, &replayed);
	if (nr < 0)
		return nr;
	if (replayed)
		ublk_log(UBLK_LOG_WARN, "nbd: %u acknowledged writes were written again",
			 replayed);
	queue_up(nq, h, nr, true);
	return 0;
}

int nbd_queue_open(struct ublk_queue *q)
{
	struct nbd *nbd = ublk_dev_priv(q->dev);
	struct nbd_queue *nq = calloc(1, sizeof(*nq));
	int ret = 0;

	if (!nq)
		return ublk_error(-ENOMEM, "out of memory");
	nq->q = q;
	nq->nbd = nbd;
	nq->give_up = -1;
	nq->flush.nq = nq;
	req_list_init(&nq->waiting);
	req_list_init(&nq->ended);
	nq->reqs = calloc(q->depth, sizeof(*nq->reqs));
	if (!nq->reqs)
		ret = ublk_error(-ENOMEM, "out of memory");
	if (!ret && nbd->keep)
		ret = keep_attach(nbd->keep, nbd, ublk_dev_info(q->dev)->dev_id,
				  ublk_dev_recovers(q->dev));
	if (!ret)
		ret = link_new(nbd, &nq->link);
	if (!ret)
		ret = ublk_queue_watch(q, link_fd(nq->link), POLLIN, on_link,
				       nq);
	if (ret >= 0)
		ret = queue_connect(nq);
	if (!ret) {
		q->priv = nq;
		return 0;
	}
	link_free(nq->link);
	free(nq->reqs);
	free(nq);
	return ret;
}

/* The driver ends, or holds, the requests that are left. */
void nbd_queue_close(struct ublk_queue *q)
{
	struct nbd_queue *nq = q->priv;
	unsigned int i;

	for (i = 0; i < nq->nr_conns; i++)
		nbd_close(nq->conns[i].h);
	/* before the thread that may have started it, and could start it again */
	link_stop(nq->link);
	helper_stop(nq->nbd->helper);
	link_free(nq->link);
	for (i = 0; i < q->depth; i++)
		if (nq->reqs[i])
			ublk_io_complete(nq->reqs[i]->io, -EIO);
	free(nq->reqs);
	free(nq);
}
