// SPDX-License-Identifier: GPL-2.0
/*
 * How a server of the chaos test ends: see chaos_srv.h. Each thread calls
 * chaos_end() once, when the time of the server is over.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#include "chaos_srv.h"
#include "uffd_stall.h"

void chaos_linger(void)
{
	for (;;)
		pause();
}

static bool first(const struct chaos_thread *t)
{
	return !t->first;
}

/* The child shares the file and the mappings, but has no command. */
static void leave_child(struct chaos_thread *t)
{
	if (first(t) && fork() > 0) {
		if (t->s->ending == END_FORK_KILL)
			kill(getpid(), SIGKILL);
		_exit(0);
	}
	chaos_linger();
}

/*
 * The address space keeps the hole, as new memory there would get the data of
 * requests.
 */
static void unmap(struct chaos_thread *t)
{
	if (first(t))
		mmap(t->s->srv.bufs, RAW_IO_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* ---- a signal during a page fault of the copy ----------------------------- */

/* Nobody provides the page; shortly after a fault the server is killed. */
static void *watch_faults(void *arg)
{
	struct chaos_server *s = arg;
	struct pollfd p = { .fd = s->uffd, .events = POLLIN };

	if (poll(&p, 1, -1) == 1) {
		chaos_count(&s->c->faults);
		usleep(chaos_rnd(&s->rng, 30000));
		kill(getpid(), SIGKILL);
	}
	return NULL;
}

/* From now on pages of buffers that chaos_fault_drop() has dropped fault. */
static void begin_faults(struct chaos_thread *t)
{
	struct raw_srv *s = &t->s->srv;
	size_t tags = (size_t)s->info.nr_hw_queues * s->info.queue_depth;
	pthread_t thread;
	int fd;

	if (!first(t))
		return;
	fd = uffd_open(s->bufs, tags * RAW_IO_BYTES);
	if (fd < 0)
		return;
	__atomic_store_n(&t->s->uffd, fd, __ATOMIC_RELEASE);
	if (pthread_create(&thread, NULL, watch_faults, t->s))
		_exit(1);
}

static bool faulting(struct chaos_thread *t)
{
	return __atomic_load_n(&t->s->uffd, __ATOMIC_ACQUIRE) >= 0;
}

static void drop(struct raw_srv *s, const struct raw_ev *ev)
{
	madvise(raw_buf(s, ev->q, ev->tag), RAW_IO_BYTES,
		s->buf_fd < 0 ? MADV_DONTNEED : MADV_REMOVE);
}

/*
 * User copy has no server buffer: copy between the request and a page that is
 * not there. It does not end, so what would be copied does not matter.
 */
void chaos_fault_copy(struct chaos_thread *t, const struct raw_ev *ev)
{
	struct raw_srv *s = &t->s->srv;
	int op = ublksrv_get_op(&ev->iod);

	if (!faulting(t) || !(s->info.flags & UBLK_F_USER_COPY))
		return;
	drop(s, ev);
	if (op == UBLK_IO_OP_WRITE)
		raw_get(s, ev->q, ev->tag, raw_buf(s, ev->q, ev->tag), 4096, 0);
	else if (op == UBLK_IO_OP_READ)
		raw_put(s, ev->q, ev->tag, raw_buf(s, ev->q, ev->tag), 4096, 0);
}

/*
 * A request is going to be committed. If the driver copies from its buffer, that
 * faults now; else the next copy into it does.
 */
void chaos_fault_drop(struct chaos_thread *t, const struct raw_ev *ev)
{
	if (faulting(t))
		drop(&t->s->srv, ev);
}

/* -------------------------------------------------------------------------- */

/* The time of this server is over. Returns if it is to go on serving. */
void chaos_end(struct chaos_thread *t)
{
	switch (t->s->ending) {
	case END_EXIT:
		_exit(0);
	case END_CLOSE_RING:
		raw_mode_close(&t->mode);
		chaos_linger();
		break;
	case END_THREAD:
		/* The other threads of queues go on. */
		if (!first(t) && chaos_rnd(&t->rng, 2))
			pthread_exit(NULL);
		break;
	case END_THREADS:
		if (!first(t))
			pthread_exit(NULL);
		break;
	case END_FORK:
	case END_FORK_KILL:
		leave_child(t);
		break;
	case END_EXEC:
		execlp("sleep", "sleep", "60", NULL);
		_exit(1);
	case END_UNMAP:
		unmap(t);
		break;
	case END_FAULT:
	case END_FAULT2:
		begin_faults(t);
		break;
	case END_STALL:
		chaos_linger();
		break;
	default:
		break;
	}
}
