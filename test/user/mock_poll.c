// SPDX-License-Identifier: GPL-2.0
/*
 * The mock kernel's multishot polls and timeouts, those of lib/watch.c.
 *
 * An epoll instance stands in for the wait queues: it reports a descriptor that is
 * ready when it is added, and then each change, as a multishot poll does. Each poll
 * has a descriptor of its own, so it keeps the file open as io_uring does. Called with
 * the lock held, by the thread of the ring.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <sys/epoll.h>

#include "mock.h"

static __u64 poll_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* The events are the same bits in both interfaces. */
static int poll_set(struct mock_ring *m, unsigned int nr, int op,
		    unsigned int events)
{
	struct epoll_event ev = {
		.events = (events & 0xffff) | EPOLLET, .data.u32 = nr,
	};

	return epoll_ctl(m->epoll, op, m->polls[nr].fd, &ev) ? -errno : 0;
}

static void poll_end(struct mock_ring *m, struct mock_poll *p, int res)
{
	mock_post(m, p->user_data, res, 0);
	epoll_ctl(m->epoll, EPOLL_CTL_DEL, p->fd, NULL);
	__real_close(p->fd);
	p->user_data = 0;
}

static struct mock_poll *poll_find(struct mock_ring *m, __u64 user_data)
{
	int i;

	for (i = 0; i < MOCK_POLLS; i++)
		if (m->polls[i].user_data == user_data)
			return &m->polls[i];
	return NULL;
}

static int poll_add(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	struct mock_poll *p = poll_find(m, 0);
	int ret;

	if (!p || !(sqe->len & IORING_POLL_ADD_MULTI))
		abort();
	p->fd = dup(sqe->fd);
	if (p->fd < 0)
		return -errno;
	ret = poll_set(m, p - m->polls, EPOLL_CTL_ADD, sqe->poll32_events);
	if (ret) {
		__real_close(p->fd);
		return ret;
	}
	p->user_data = sqe->user_data;
	p->late = 0;
	mock_count.polls++;
	/* one that is ready completes while it is submitted */
	mock_poll_events(m);
	return MOCK_PENDING;
}

static int poll_change(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	struct mock_poll *p = poll_find(m, sqe->addr);

	if (!p)
		return -ENOENT;
	if (!sqe->len) {
		poll_end(m, p, -ECANCELED);
		return 0;
	}
	if (mock.poll_busy) {
		mock.poll_busy--;
		return -EALREADY;
	}
	return poll_set(m, p - m->polls, EPOLL_CTL_MOD, sqe->poll32_events);
}

static int timer_add(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	const struct __kernel_timespec *ts =
		(const void *)(uintptr_t)sqe->addr;
	int i;

	for (i = 0; i < MOCK_POLLS && m->timers[i].user_data; i++)
		;
	if (i == MOCK_POLLS || sqe->off)
		abort();
	m->timers[i].user_data = sqe->user_data;
	m->timers[i].at = poll_now() + ts->tv_sec * 1000 +
		ts->tv_nsec / 1000000;
	return MOCK_PENDING;
}

static int timer_remove(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	int i;

	for (i = 0; i < MOCK_POLLS; i++) {
		if (m->timers[i].user_data != sqe->addr)
			continue;
		m->timers[i].user_data = 0;
		mock_post(m, sqe->addr, -ECANCELED, 0);
		return 0;
	}
	return -ENOENT;
}

/* Is this SQE one of those? Then *@ret is its result, or MOCK_PENDING. */
bool mock_poll_sqe(struct mock_ring *m, const struct io_uring_sqe *sqe, int *ret)
{
	switch (sqe->opcode) {
	case IORING_OP_POLL_ADD:
		*ret = poll_add(m, sqe);
		return true;
	case IORING_OP_POLL_REMOVE:
		*ret = poll_change(m, sqe);
		return true;
	case IORING_OP_TIMEOUT_REMOVE:
		*ret = timer_remove(m, sqe);
		return true;
	case IORING_OP_TIMEOUT:
		if ((sqe->user_data & UD_MASK) != UD_WATCH_TIMER)
			return false;
		*ret = timer_add(m, sqe);
		return true;
	}
	return false;
}

/* Return: milliseconds until the next timeout, at most @most */
int mock_poll_wait_ms(const struct mock_ring *m, int most)
{
	__u64 now = poll_now();
	int i;

	for (i = 0; i < MOCK_POLLS; i++) {
		const struct mock_timer *t = &m->timers[i];

		if (m->polls[i].user_data && m->polls[i].late)
			return 0;
		if (t->user_data && t->at <= now)
			return 0;
		if (t->user_data && t->at - now < (__u64)most)
			most = t->at - now;
	}
	return most;
}

/*
 * io_poll_wake() keeps the events that it was woken with, and io_poll_check_events()
 * reports them even if the data has been read meanwhile.
 */
static void poll_report_late(struct mock_ring *m)
{
	int i;

	for (i = 0; i < MOCK_POLLS; i++) {
		struct mock_poll *p = &m->polls[i];

		if (p->user_data && p->late)
			mock_post(m, p->user_data, p->late, IORING_CQE_F_MORE);
		p->late = 0;
	}
}

/* Post what has happened. */
void mock_poll_events(struct mock_ring *m)
{
	struct epoll_event ev[MOCK_POLLS];
	__u64 now = poll_now();
	int i, nr = epoll_wait(m->epoll, ev, MOCK_POLLS, 0);

	poll_report_late(m);
	for (i = 0; i < nr; i++) {
		struct mock_poll *p = &m->polls[ev[i].data.u32];

		mock_count.poll_events++;
		if (mock.poll_ends) {
			mock.poll_ends--;
			poll_end(m, p, ev[i].events);
		} else {
			mock_post(m, p->user_data, ev[i].events,
				  IORING_CQE_F_MORE);
			p->late = mock.poll_late ? ev[i].events : 0;
		}
	}
	for (i = 0; i < MOCK_POLLS; i++) {
		struct mock_timer *t = &m->timers[i];

		if (!t->user_data || t->at > now)
			continue;
		mock_post(m, t->user_data, -ETIME, 0);
		t->user_data = 0;
	}
}

void mock_poll_ring_made(struct mock_ring *m)
{
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll < 0)
		abort();
}

void mock_poll_ring_gone(struct mock_ring *m)
{
	int i;

	for (i = 0; i < MOCK_POLLS; i++)
		if (m->polls[i].user_data)
			__real_close(m->polls[i].fd);
	__real_close(m->epoll);
}

unsigned int mock_nr_polls(void)
{
	return __atomic_load_n(&mock_count.polls, __ATOMIC_RELAXED);
}

unsigned int mock_nr_poll_events(void)
{
	return __atomic_load_n(&mock_count.poll_events, __ATOMIC_RELAXED);
}
