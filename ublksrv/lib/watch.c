// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Event sources of a target: descriptors and timers on the ring of its queue.
 *
 * A descriptor has one multishot poll, a timer one timeout. Everything here runs in
 * the worker's thread. Each SQE has exactly one CQE without IORING_CQE_F_MORE, and
 * watch->pending counts those to come: the memory of a watch is freed with the last
 * one, or when the ring is gone.
 *
 * A multishot poll posts a CQE when the descriptor's state changes, not while it
 * stays ready. It can end by itself, when the CQ has no room for instance; then it is
 * sent again, and reports what is ready at that time. A descriptor that is closed at
 * its other end would report that at once each time, so the poll of one that is down
 * is taken back, and is sent again after a delay that doubles.
 *
 * Until watch_begin() nothing is sent: while the tags are prepared and fetched, the
 * only CQEs are those of the driver.
 */
#include <poll.h>

#include "private.h"

#define WATCH_DELAY_MS		8
#define WATCH_DELAY_MAX_MS	1024

#define WATCH_DOWN	(POLLERR | POLLHUP | POLLNVAL)

struct watch {
	struct ublk_queue *q;
	ublk_watch_fn fn;
	void *arg;
	int fd;				/* -1: a timer */
	unsigned int id;
	unsigned int events;		/* that the target wants */
	unsigned int sent;		/* events of the poll in the ring */
	unsigned int pending;		/* last CQEs to come */
	unsigned int delay_ms;		/* of the last back-off, 0 if it is up */
	unsigned int ms;		/* of a timer */
	bool armed;			/* the poll is in the ring */
	bool updating;			/* a change of its events is, too */
	bool delayed;			/* until the back-off ends */
	bool removed;			/* by the target */
	struct __kernel_timespec ts;
} __attribute__((aligned(16)));

static struct io_uring_sqe *watch_sqe(struct worker *w, struct watch *watch)
{
	struct io_uring_sqe *sqe = ring_sqe(w);

	if (!sqe)
		return NULL;
	io_uring_initialize_sqe(sqe);
	watch->pending++;
	return sqe;
}

static int watch_arm(struct worker *w, struct watch *watch)
{
	struct io_uring_sqe *sqe;

	if (!w->watching)
		return 0;
	sqe = watch_sqe(w, watch);
	if (!sqe)
		return w->fatal;
	io_uring_prep_poll_multishot(sqe, watch->fd, watch->events);
	sqe->user_data = (uintptr_t)watch | UD_WATCH;
	watch->sent = watch->events;
	watch->armed = true;
	return 0;
}

static int watch_timeout(struct worker *w, struct watch *watch, unsigned int ms)
{
	struct io_uring_sqe *sqe;

	if (!w->watching)
		return 0;
	sqe = watch_sqe(w, watch);
	if (!sqe)
		return w->fatal;
	watch->ts.tv_sec = ms / 1000;
	watch->ts.tv_nsec = ms % 1000 * 1000000LL;
	io_uring_prep_timeout(sqe, &watch->ts, 0, 0);
	sqe->user_data = (uintptr_t)watch | UD_WATCH_TIMER;
	return 0;
}

/* Take the poll back; it ends with a CQE of its own. */
static void watch_cancel_poll(struct worker *w, struct watch *watch)
{
	struct io_uring_sqe *sqe = watch_sqe(w, watch);

	if (!sqe)
		return;
	io_uring_prep_poll_remove(sqe, (uintptr_t)watch | UD_WATCH);
	sqe->user_data = (uintptr_t)watch | UD_WATCH_OP;
}

static void watch_cancel_timeout(struct worker *w, struct watch *watch)
{
	struct io_uring_sqe *sqe = watch_sqe(w, watch);

	if (!sqe)
		return;
	io_uring_prep_timeout_remove(sqe, (uintptr_t)watch | UD_WATCH_TIMER, 0);
	sqe->user_data = (uintptr_t)watch | UD_WATCH_OP;
}

static int watch_update(struct worker *w, struct watch *watch)
{
	struct io_uring_sqe *sqe;

	if (!watch->armed || watch->updating || watch->delayed ||
	    watch->sent == watch->events)
		return 0;
	sqe = watch_sqe(w, watch);
	if (!sqe)
		return w->fatal;
	io_uring_prep_poll_update(sqe, (uintptr_t)watch | UD_WATCH, 0,
				  watch->events, IORING_POLL_UPDATE_EVENTS |
				  IORING_POLL_ADD_MULTI);
	sqe->user_data = (uintptr_t)watch | UD_WATCH_OP;
	watch->sent = watch->events;
	watch->updating = true;
	return 0;
}

/* Free a watch that is removed when nothing of it is in the ring. */
static void watch_put(struct worker *w, struct watch *watch)
{
	if (!watch->removed || watch->pending)
		return;
	w->watches[watch->id] = NULL;
	free(watch);
}

/* ---- CQEs ----------------------------------------------------------------- */

static void watch_back_off(struct worker *w, struct watch *watch)
{
	watch->delay_ms = watch->delay_ms ? 2 * watch->delay_ms : WATCH_DELAY_MS;
	if (watch->delay_ms > WATCH_DELAY_MAX_MS)
		watch->delay_ms = WATCH_DELAY_MAX_MS;
	if (watch->armed)
		watch_cancel_poll(w, watch);
	watch->delayed = !watch_timeout(w, watch, watch->delay_ms);
}

/* What is left out here while the poll is taken back is reported after the delay. */
static void watch_report(struct worker *w, struct watch *watch, int res)
{
	unsigned int events = res < 0 ? POLLNVAL : res;

	if (watch->delayed || res == -ECANCELED)
		return;
	if (events & WATCH_DOWN)
		watch_back_off(w, watch);
	else
		watch->delay_ms = 0;
	watch->fn(watch->q, events, watch->arg);
}

void watch_on_poll(struct worker *w, struct watch *watch, int res,
		   unsigned int flags)
{
	if (!(flags & IORING_CQE_F_MORE)) {
		watch->pending--;
		watch->armed = false;
	}
	if (!watch->removed)
		watch_report(w, watch, res);
	if (!watch->removed && !watch->armed && !watch->delayed)
		watch_arm(w, watch);
	watch_put(w, watch);
}

/* A timer has gone off, or a back-off has ended. */
void watch_on_timer(struct worker *w, struct watch *watch)
{
	watch->pending--;
	watch->delayed = false;
	if (!watch->removed && watch->fd < 0) {
		watch->removed = true;
		watch->fn(watch->q, 0, watch->arg);
	} else if (!watch->removed && !watch->armed) {
		watch_arm(w, watch);
	}
	watch_put(w, watch);
}

/*
 * A change or a removal is done. A change fails with EALREADY while the poll posts an
 * event, and with ENOENT when the poll has ended, which has a CQE of its own.
 */
void watch_on_op(struct worker *w, struct watch *watch, int res)
{
	watch->pending--;
	if (watch->updating) {
		watch->updating = false;
		if (res == -EALREADY)
			watch->sent = ~watch->events;
		if (!watch->removed)
			watch_update(w, watch);
	}
	watch_put(w, watch);
}

/* The loop of the worker begins. A timer counts from here on. */
void watch_begin(struct worker *w)
{
	unsigned int i;

	w->watching = true;
	for (i = 0; i < w->nr_watches; i++) {
		struct watch *watch = w->watches[i];

		if (watch && watch->fd < 0)
			watch_timeout(w, watch, watch->ms);
		else if (watch)
			watch_arm(w, watch);
	}
}

/* The ring is gone, and with it all CQEs. */
void watch_free_all(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_watches; i++)
		free(w->watches[i]);
	free(w->watches);
	w->watches = NULL;
	w->nr_watches = 0;
}

/* ---- calls of the target -------------------------------------------------- */

static int watch_table_grow(struct worker *w)
{
	unsigned int nr = w->nr_watches ? 2 * w->nr_watches : 8;
	struct watch **watches;

	watches = realloc(w->watches, nr * sizeof(*watches));
	if (!watches)
		return ublk_error(-ENOMEM, "out of memory");
	memset(watches + w->nr_watches, 0,
	       (nr - w->nr_watches) * sizeof(*watches));
	w->watches = watches;
	w->nr_watches = nr;
	return 0;
}

/* A watch in a free row of the table. Return: 0 or negative errno */
static int watch_new(struct ublk_queue *q, ublk_watch_fn fn, void *arg,
		     struct watch **pwatch)
{
	struct worker *w = to_queue(q)->worker;
	struct watch *watch;
	unsigned int id;
	int ret = 0;

	if (w != worker_self)
		return ublk_error(-EPERM, "descriptors and timers belong to the thread of their queue");
	for (id = 0; id < w->nr_watches && w->watches[id]; id++)
		;
	if (id == w->nr_watches)
		ret = watch_table_grow(w);
	if (ret)
		return ret;
	watch = aligned_alloc(16, (sizeof(*watch) + 15) & ~15UL);
	if (!watch)
		return ublk_error(-ENOMEM, "out of memory");
	*watch = (struct watch){
		.q = q, .fn = fn, .arg = arg, .fd = -1, .id = id,
	};
	w->watches[id] = watch;
	*pwatch = watch;
	return 0;
}

static struct watch *watch_find(struct worker *w, int id)
{
	struct watch *watch;

	if (id < 0 || (unsigned int)id >= w->nr_watches)
		return NULL;
	watch = w->watches[id];
	return watch && !watch->removed ? watch : NULL;
}

int ublk_queue_watch(struct ublk_queue *q, int fd, unsigned int events,
		     ublk_watch_fn fn, void *arg)
{
	struct worker *w = to_queue(q)->worker;
	struct watch *watch;
	int ret;

	if (fd < 0)
		return ublk_error(-EBADF, "watching descriptor %d: %s", fd,
				  strerror(EBADF));
	ret = watch_new(q, fn, arg, &watch);
	if (ret)
		return ret;
	watch->fd = fd;
	watch->events = events;
	ret = watch_arm(w, watch);
	if (ret) {
		watch->removed = true;
		watch_put(w, watch);
		return ret;
	}
	return watch->id;
}

int ublk_queue_watch_change(struct ublk_queue *q, int id, unsigned int events)
{
	struct worker *w = to_queue(q)->worker;
	struct watch *watch = watch_find(w, id);

	if (!watch || watch->fd < 0 || w != worker_self)
		return -EINVAL;
	watch->events = events;
	return watch_update(w, watch);
}

int ublk_queue_timer(struct ublk_queue *q, unsigned int ms, ublk_watch_fn fn,
		     void *arg)
{
	struct worker *w = to_queue(q)->worker;
	struct watch *watch;
	int ret;

	ret = watch_new(q, fn, arg, &watch);
	if (ret)
		return ret;
	watch->ms = ms;
	ret = watch_timeout(w, watch, ms);
	if (ret) {
		watch->removed = true;
		watch_put(w, watch);
		return ret;
	}
	return watch->id;
}

void ublk_queue_unwatch(struct ublk_queue *q, int id)
{
	struct worker *w = to_queue(q)->worker;
	struct watch *watch = watch_find(w, id);

	if (!watch)
		return;
	watch->removed = true;
	/* in queue_close() the ring is gone */
	if (w != worker_self)
		return;
	if (watch->armed)
		watch_cancel_poll(w, watch);
	if (watch->pending && (watch->delayed || watch->fd < 0))
		watch_cancel_timeout(w, watch);
	watch_put(w, watch);
}
