// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The thread that connects again after connections were lost: it may wait, for names,
 * for TLS, for the server, while the queue's thread goes on.
 *
 * Before the queue gets the connections, the export is compared with what it was, and
 * the kept writes are written again and confirmed by a FLUSH. Nothing else is in
 * flight at that time. If any of this fails all connections are closed, and the next
 * attempt begins anew, after a delay.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "helper.h"
#include "nbd.h"

#define LINK_DELAY_MS		50
#define LINK_DELAY_MAX_MS	2000
#define LINK_HELPER_MS		10000
/* Writes in flight while they are replayed. */
#define LINK_REPLAY		32

struct link {
	struct nbd *nbd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool has_thread;
	bool want, stop, idle, leave;	/* lock */
	int delay;			/* lock: ms, before the next attempt */
	int cancel;			/* eventfd: stop */
	int done;			/* eventfd: there are connections */
	/* lock: for the queue */
	struct nbd_handle *handles[NBD_MAX_CONNS];
	unsigned int nr, replayed;
	char told[256];			/* last message in the log */
	__u64 fails_since;		/* ms, or 0 */
};

/* ---- replay --------------------------------------------------------------- */

struct window {
	struct {
		__u64 pos;
		__u32 len;
		int64_t cookie;
	} w[LINK_REPLAY];
	unsigned int nr;
};

static int window_drain(struct link *l, struct nbd_handle *h,
			struct window *win)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < win->nr && !ret; i++)
		ret = conn_wait(l->nbd->cfg, h, win->w[i].cookie, l->cancel);
	win->nr = 0;
	return ret;
}

static bool window_overlaps(const struct window *win,
			    const struct keep_entry *e)
{
	unsigned int i;

	for (i = 0; i < win->nr; i++)
		if (e->pos < win->w[i].pos + win->w[i].len &&
		    win->w[i].pos < e->pos + e->len)
			return true;
	return false;
}

static int64_t link_resend(struct nbd_handle *h, const struct keep_entry *e,
			   const void *buf)
{
	if (e->op == UBLK_IO_OP_WRITE)
		return nbd_aio_pwrite(h, buf, e->len, e->pos,
				      NBD_NULL_COMPLETION, e->flags);
	return nbd_aio_zero(h, e->len, e->pos, NBD_NULL_COMPLETION, e->flags);
}

/*
 * In the order of their acknowledgment where they overlap. Return: number of
 * writes, or negative errno
 */
static int link_replay(struct link *l, struct nbd_handle *h)
{
	struct keep *k = l->nbd->keep;
	const struct keep_entry *e;
	struct window win = { .nr = 0 };
	const void *buf;
	__u64 at = 0;
	int ret = 0, nr = 0;

	if (!k || keep_is_empty(k))
		return 0;
	while (!ret && (e = keep_next(k, &at, &buf))) {
		if (win.nr == LINK_REPLAY || window_overlaps(&win, e))
			ret = window_drain(l, h, &win);
		win.w[win.nr].pos = e->pos;
		win.w[win.nr].len = e->len;
		win.w[win.nr++].cookie = link_resend(h, e, buf);
		nr++;
	}
	if (!ret)
		ret = window_drain(l, h, &win);
	if (!ret)
		ret = conn_wait(l->nbd->cfg, h,
				nbd_aio_flush(h, NBD_NULL_COMPLETION, 0),
				l->cancel);
	if (ret)
		return ret;
	keep_drop(k, at);
	return nr;
}

/* ---- one attempt ---------------------------------------------------------- */

static int link_check(struct nbd *nbd, const struct nbd_caps *now)
{
	struct nbd_caps *was = &nbd->caps;

	if (nbd->cfg->grows && now->size > was->size) {
		was->size = now->size;
		if (nbd->keep)
			keep_set_size(nbd->keep, now->size);
	}
	if (now->size != was->size)
		return ublk_error(-ESTALE, "nbd: the export has %llu bytes now, the disk %llu; it is not used any more",
				  (unsigned long long)now->size,
				  (unsigned long long)was->size);
	if (memcmp(now, was, sizeof(*now)))
		return ublk_error(-ESTALE, "nbd: the export has other properties than before (flags 0x%x, blocks %u, now flags 0x%x, blocks %u); it is not used any more",
				  was->flags, was->min_block, now->flags,
				  now->min_block);
	return 0;
}

static void link_close(struct nbd_handle **h, unsigned int nr)
{
	while (nr)
		nbd_close(h[--nr]);
}

/*
 * A server of our own that runs, and does not serve for so long, is started anew: it
 * hangs, or "ublk resize" died between the old export and the new one.
 */
static int link_helper(struct link *l)
{
	if (l->nbd->helper && l->fails_since &&
	    nbd_now_ms() - l->fails_since > LINK_HELPER_MS) {
		helper_stop(l->nbd->helper);
		l->fails_since = 0;
	}
	return helper_again(l->nbd->helper);
}

int link_now(struct link *l, struct nbd_handle **h, unsigned int *replayed)
{
	struct nbd *nbd = l->nbd;
	struct nbd_caps caps;
	unsigned int nr;
	int ret = link_helper(l);

	for (nr = 0; nr < nbd->cfg->connections && !ret; nr++) {
		if (!nr && nbd->first) {
			h[nr] = nbd->first;
			nbd->first = NULL;
			continue;
		}
		h[nr] = conn_open(nbd->cfg, l->cancel, &caps);
		if (!h[nr]) {
			ret = -EIO;
			break;
		}
		ret = link_check(nbd, &caps);
	}
	if (!ret)
		ret = link_replay(l, h[0]);
	if (ret < 0) {
		link_close(h, nr);
		return ret;
	}
	*replayed = ret;
	return nr;
}

/* ---- the thread ----------------------------------------------------------- */

/* Each reason once in a row. */
static void link_tell(struct link *l, const char *why)
{
	if (!strcmp(l->told, why))
		return;
	snprintf(l->told, sizeof(l->told), "%s", why);
	ublk_log(UBLK_LOG_WARN, "%s; trying again", l->told);
}

static void link_pause(const struct link *l, int ms)
{
	struct pollfd p = { .fd = l->cancel, .events = POLLIN };

	poll(&p, 1, ms);
}

static void link_grow_delay(struct link *l)
{
	l->delay = l->delay ? 2 * l->delay : LINK_DELAY_MS;
	if (l->delay > LINK_DELAY_MAX_MS)
		l->delay = LINK_DELAY_MAX_MS;
}

/* @delay: receives the pause before the attempt */
static bool link_wanted(struct link *l, int *delay)
{
	bool want;

	pthread_mutex_lock(&l->lock);
	while (!l->want && !l->stop)
		pthread_cond_wait(&l->cond, &l->lock);
	want = !l->stop;
	*delay = l->delay;
	pthread_mutex_unlock(&l->lock);
	return want;
}

static void link_failed(struct link *l, int ret)
{
	if (ret != -ECANCELED)
		link_tell(l, ublk_strerror_last());
	if (!l->fails_since)
		l->fails_since = nbd_now_ms();
	pthread_mutex_lock(&l->lock);
	link_grow_delay(l);
	pthread_mutex_unlock(&l->lock);
}

static void link_give(struct link *l, struct nbd_handle **h, unsigned int nr,
		      unsigned int replayed)
{
	__u64 one = 1;

	pthread_mutex_lock(&l->lock);
	memcpy(l->handles, h, nr * sizeof(*h));
	l->nr = nr;
	l->replayed = replayed;
	l->want = false;
	pthread_mutex_unlock(&l->lock);
	while (write(l->done, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *link_main(void *arg)
{
	struct nbd_handle *h[NBD_MAX_CONNS];
	struct link *l = arg;
	unsigned int replayed;
	int ret, delay;

	while (link_wanted(l, &delay)) {
		link_pause(l, delay);
		ret = link_now(l, h, &replayed);
		if (ret < 0) {
			link_failed(l, ret);
			continue;
		}
		*l->told = 0;
		l->fails_since = 0;
		link_give(l, h, ret, replayed);
	}
	/* a server that this thread has started would end with it */
	pthread_mutex_lock(&l->lock);
	l->idle = true;
	pthread_cond_broadcast(&l->cond);
	while (!l->leave)
		pthread_cond_wait(&l->cond, &l->lock);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

int link_new(struct nbd *nbd, struct link **plink)
{
	struct link *l = calloc(1, sizeof(*l));
	int ret = 0;

	if (!l)
		return ublk_error(-ENOMEM, "out of memory");
	l->nbd = nbd;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->cond, NULL);
	l->cancel = eventfd(0, EFD_CLOEXEC);
	l->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->cancel < 0 || l->done < 0)
		ret = ublk_error(-errno, "eventfd: %s", strerror(errno));
	if (!ret) {
		ret = -pthread_create(&l->thread, NULL, link_main, l);
		if (ret)
			ublk_error(ret, "starting a thread: %s", strerror(-ret));
		l->has_thread = !ret;
	}
	if (ret)
		link_free(l);
	else
		*plink = l;
	return ret;
}

void link_stop(struct link *l)
{
	__u64 one = 1;

	if (!l || !l->has_thread)
		return;
	while (write(l->cancel, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->cond);
	while (!l->idle)
		pthread_cond_wait(&l->cond, &l->lock);
	pthread_mutex_unlock(&l->lock);
}

void link_free(struct link *l)
{
	if (!l)
		return;
	link_stop(l);
	pthread_mutex_lock(&l->lock);
	l->leave = true;
	pthread_cond_broadcast(&l->cond);
	pthread_mutex_unlock(&l->lock);
	if (l->has_thread)
		pthread_join(l->thread, NULL);
	link_close(l->handles, l->nr);
	if (l->cancel >= 0)
		close(l->cancel);
	if (l->done >= 0)
		close(l->done);
	pthread_cond_destroy(&l->cond);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int link_fd(const struct link *l)
{
	return l->done;
}

void link_start(struct link *l, bool worked)
{
	pthread_mutex_lock(&l->lock);
	if (worked)
		l->delay = 0;
	else
		link_grow_delay(l);
	l->want = true;
	pthread_cond_broadcast(&l->cond);
	pthread_mutex_unlock(&l->lock);
}

unsigned int link_take(struct link *l, struct nbd_handle **h,
		       unsigned int *replayed)
{
	unsigned int nr;
	__u64 val;

	if (read(l->done, &val, sizeof(val)) < 0)
		return 0;
	pthread_mutex_lock(&l->lock);
	nr = l->nr;
	memcpy(h, l->handles, nr * sizeof(*h));
	*replayed = l->replayed;
	l->nr = 0;
	pthread_mutex_unlock(&l->lock);
	return nr;
}
