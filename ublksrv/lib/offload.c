// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Send completed requests, or an abort, to a worker from another thread.
 *
 * The other thread pushes the tag on the worker's done list and, if the list
 * was empty, writes to an eventfd. The worker's ring always has a read of that
 * pending; the worker then takes the whole list at once. The list is a stack
 * under a mutex: such requests are slow anyway, and their order does not
 * matter.
 *
 * offload_arm() submits the read at the start and after each wake-up, so a
 * worker that is never woken pays nothing for it.
 *
 * When the worker has left its loop, offload_close() ends this: what is on the
 * list then is dropped, and later pushes are refused. The lock lives as long as
 * the worker's memory (lent.c), the eventfd as long as its thread.
 */
#include <sys/eventfd.h>

#include "private.h"

int offload_init(struct worker *w)
{
	w->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (w->wake_fd < 0)
		return ublk_error(-errno, "eventfd: %s", strerror(errno));
	return 0;
}

/* The driver ends the requests on the list when the session ends. */
void offload_close(struct worker *w)
{
	pthread_mutex_lock(&w->done_lock);
	w->closed = true;
	w->done_list = NULL;
	pthread_mutex_unlock(&w->done_lock);
}

/* After offload_close() only the controlling thread uses the eventfd. */
void offload_exit(struct worker *w)
{
	if (w->wake_fd < 0)
		return;
	close(w->wake_fd);
	w->wake_fd = -1;
}

int offload_arm(struct worker *w)
{
	struct io_uring_sqe *sqe = ring_sqe(w);

	if (!sqe)
		return w->fatal;
	io_uring_initialize_sqe(sqe);
	io_uring_prep_read(sqe, w->wake_fd, &w->wake_count,
			   sizeof(w->wake_count), 0);
	sqe->user_data = UD_WAKE;
	return 0;
}

void offload_wake(struct worker *w)
{
	__u64 one = 1;

	/* fails only when 2^64 - 2 wake-ups are pending */
	while (write(w->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/*
 * Return: 0; -ECANCELED after offload_close(), -EINVAL for a request that was
 * completed before. The wake-up is under the lock: after it, nothing keeps
 * worker and eventfd.
 */
int offload_push(struct worker *w, struct io *io, int res)
{
	int ret = 0;

	pthread_mutex_lock(&w->done_lock);
	if (w->closed) {
		ret = -ECANCELED;
	} else if (!(io->pub.lib & IO_LENT)) {
		ret = -EINVAL;
	} else {
		io->pub.lib &= ~IO_LENT;
		io->res = res;
		io->next = w->done_list;
		w->done_list = io;
		if (!io->next)
			offload_wake(w);
	}
	pthread_mutex_unlock(&w->done_lock);
	return ret;
}

void offload_woken(struct worker *w, int res)
{
	struct io *io, *next;

	if (atomic_load(&w->abort)) {
		ring_fatal(w, -ECANCELED);
		return;
	}
	if (res < 0 && res != -EAGAIN && res != -EINTR) {
		ring_fatal(w, res);
		return;
	}
	offload_arm(w);

	pthread_mutex_lock(&w->done_lock);
	io = w->done_list;
	w->done_list = NULL;
	pthread_mutex_unlock(&w->done_lock);
	for (; io; io = next) {
		int result = io->res;

		next = io->next;
		/* next and res share their memory with these */
		io->pending = 0;
		io->sum = 0;
		w->commit(w, io, result);
	}
}
