// SPDX-License-Identifier: GPL-2.0
/*
 * A server process that leaves as it is told: see server_proc.h.
 *
 * A thread looks at the order between two events. Where each queue has a thread,
 * the main thread serves nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "proc.h"
#include "raw_mode.h"
#include "server_proc.h"

/* How long a thread waits for an event: with orders to look at, and without. */
#define TICK_MS		5
#define IDLE_MS		1000
/* A longer wait that ends with a timeout is a failure, and worth a report. */
#define LONG_MS		5000

/* Of the server process. */
static struct server_proc *me;
static struct raw_srv srv;

struct worker {
	int nr, first, last;	/* own number, queues */
	pthread_t thread;
	struct raw_mode mode;
};

static struct worker workers[RAW_MAX_QUEUES];

static int load(int *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void count(int *p)
{
	__atomic_add_fetch(p, 1, __ATOMIC_ACQ_REL);
}

/* Remember the first error. */
static void fail(int error)
{
	int none = 0;

	__atomic_compare_exchange_n(&me->error, &none, error, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static int nr_workers(const struct server_proc *s)
{
	return s->threaded ? s->info.nr_hw_queues : 1;
}

/* Memory for the contents of a device, shared with its servers. */
char *server_store(void)
{
	return proc_shared(RAW_DEV_BYTES);
}

/* ---- in the server: requests --------------------------------------------- */

static int fetch(struct worker *w)
{
	int q, ret, depth = srv.info.queue_depth, sum = 0;

	for (q = w->first; q <= w->last; q++) {
		bool less = me->partial && q == srv.info.nr_hw_queues - 1;

		ret = raw_mode_fetch(&w->mode, q, depth - less, me->sqe_flags);
		if (ret < 0)
			return ret;
		sum += ret;
	}
	return sum;
}

static bool to_be_kept(const struct raw_ev *ev)
{
	__u64 off = ev->iod.start_sector << 9;

	switch (load(&me->hold)) {
	case SERVER_HOLD_ALL:
		return true;
	case SERVER_HOLD_WINDOW:
		return off >= RAW_WIN_START && off < RAW_WIN_END;
	}
	return false;
}

static int keep(struct worker *w, const struct raw_ev *ev)
{
	int ret = me->on_keep ? me->on_keep(&w->mode.ring, ev) : 0;

	if (!ret)
		count(&me->kept);
	return ret;
}

/* Redirect reads and writes if the test wants that, and serve the others. */
static int serve(struct worker *w, const struct raw_ev *ev)
{
	int op = ublksrv_get_op(&ev->iod);

	if (me->file >= 0 && (op == UBLK_IO_OP_READ || op == UBLK_IO_OP_WRITE))
		return raw_mode_redirect(&w->mode, ev, 0);
	return raw_mode_serve(&w->mode, ev);
}

/* Serve one event, if there is one. Return: commands that ended for good. */
static int serve_one(struct worker *w)
{
	struct raw_ev ev;
	int ret = raw_mode_event(&w->mode, &ev, me->threaded ? TICK_MS : IDLE_MS);

	if (ret) {
		if (ret != RAW_TIMEOUT)
			fail(ret);
		return 0;
	}
	if (ev.res == UBLK_IO_RES_ABORT) {
		count(&me->aborted);
		return 1;
	}
	if (ev.res < 0) {
		fail(ev.res);
		return 1;
	}
	if (to_be_kept(&ev)) {
		ret = keep(w, &ev);
	} else {
		ret = serve(w, &ev);
		if (!ret)
			__atomic_add_fetch(&me->served[ev.q], 1,
					   __ATOMIC_RELAXED);
	}
	if (ret)
		fail(ret);
	return 0;
}

/* The thread's part of an order. Return: true if it is to end. */
static bool obey(struct worker *w, int order)
{
	switch (order) {
	case SERVER_END_THREAD:
		return !w->nr;
	case SERVER_END_THREADS:
		return true;
	case SERVER_CLOSE_RINGS:
		raw_mode_close(&w->mode);
		count(&me->obeyed);
		return true;
	default:
		return false;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int left = raw_mode_open(&w->mode, &srv, me->ring_flags);

	if (!left)
		left = fetch(w);
	if (left < 0)
		fail(left);
	count(&me->fetched);
	while (left > 0) {
		int order = load(&me->order);

		if (order && obey(w, order))
			return NULL;
		left -= serve_one(w);
		me->left[w->nr] = left;
	}
	count(&me->finished);
	return NULL;
}

/* ---- in the server: orders ----------------------------------------------- */

static void close_node(void)
{
	int q;

	for (q = 0; q < srv.info.nr_hw_queues; q++)
		munmap(srv.desc[q], srv.area);
	close(srv.fd);
}

static void unmap(void)
{
	size_t tags = (size_t)srv.info.nr_hw_queues * srv.info.queue_depth;
	int q;

	for (q = 0; q < srv.info.nr_hw_queues; q++)
		munmap(srv.desc[q], srv.area);
	munmap(srv.bufs, tags * RAW_IO_BYTES);
}

static void leave_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, 0);
		for (;;)
			pause();
	}
	me->child = pid;
	count(&me->obeyed);
	_exit(0);
}

/* A thread that still runs would get requests: wait until it has ended. */
static void join(int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		pthread_join(workers[i].thread, NULL);
}

/* What the main thread does for an order, once. */
static void carry_out(int order)
{
	switch (order) {
	case SERVER_END_THREAD:
		join(1);
		break;
	case SERVER_END_THREADS:
		join(me->info.nr_hw_queues);
		break;
	case SERVER_CLOSE_NODE:
		close_node();
		break;
	case SERVER_UNMAP:
		unmap();
		break;
	default:
		return;
	}
	count(&me->obeyed);
}

/* The main thread's part of the orders, until all threads have finished. */
static void take_orders(void)
{
	int done = 0;

	while (load(&me->order) || load(&me->finished) < nr_workers(me)) {
		int order = load(&me->order);

		if (order == SERVER_EXIT)
			_exit(0);
		if (order == SERVER_EXEC)
			execlp("sleep", "sleep", "1000", NULL);
		if (order == SERVER_FORK)
			leave_child();
		if (done != order)
			carry_out(order);
		done = order;
		usleep(order ? 1000 : 2000);
	}
}

static void run(void)
{
	int i, ret;

	srv.store = me->store;
	for (i = 0; i < RAW_MAX_SHM; i++)
		srv.shm[i] = me->shm;
	ret = raw_srv_open(&srv, &me->info);
	if (!ret && me->file >= 0)
		ret = raw_thread_call(&srv, UBLK_U_IO_REGISTER_FILE, 0, 0, me->file, 0);
	for (i = 0; i < nr_workers(me) && !ret; i++) {
		workers[i].nr = i;
		workers[i].first = i;
		workers[i].last = i;
		if (me->threaded)
			ret = -pthread_create(&workers[i].thread, NULL, work,
					      &workers[i]);
	}
	if (ret) {
		fail(ret);
		_exit(1);
	}
	if (me->threaded) {
		take_orders();
	} else {
		workers[0].last = me->info.nr_hw_queues - 1;
		work(&workers[0]);
	}
	_exit(load(&me->error) ? 1 : 0);
}

/* ---- in the test --------------------------------------------------------- */

/* A server for the device, not started yet. NULL without memory. */
struct server_proc *server_new(const struct ublksrv_ctrl_dev_info *info,
			       char *store)
{
	struct server_proc *s = proc_shared(sizeof(*s));

	if (s) {
		s->info = *info;
		s->store = store;
		s->file = -1;
		s->threaded = true;
	}
	return s;
}

void server_free(struct server_proc *s)
{
	munmap(s, sizeof(*s));
}

/* Start it and wait for all tags to be fetched. 0, RAW_TIMEOUT, -errno. */
int server_start(struct server_proc *s)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	pid_t pid = proc_fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		me = s;
		run();
	}
	s->pid = pid;
	while (load(&s->fetched) < nr_workers(s) && !load(&s->error)) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(500);
	}
	return load(&s->error);
}

/*
 * A new single-threaded server with memory of its own, with all commands sent
 * or, if @partial, all but the one for the last tag. NULL on failure.
 */
struct server_proc *server_launch(const struct ublksrv_ctrl_dev_info *info,
				  enum server_hold hold, bool partial)
{
	struct server_proc *s = server_new(info, server_store());

	if (!s || !s->store)
		return NULL;
	s->threaded = false;
	s->hold = hold;
	s->partial = partial;
	return server_start(s) ? NULL : s;
}

/* How many threads acknowledge an order. */
static int nr_obeying(const struct server_proc *s, enum server_order order)
{
	switch (order) {
	case SERVER_CLOSE_RINGS:
		return s->info.nr_hw_queues;
	case SERVER_END_THREAD:
	case SERVER_END_THREADS:
	case SERVER_CLOSE_NODE:
	case SERVER_FORK:
	case SERVER_UNMAP:
		return 1;
	default:
		return 0;
	}
}

/* Give an order and wait until it has been carried out. 0 or RAW_TIMEOUT. */
int server_order(struct server_proc *s, enum server_order order)
{
	__atomic_store_n(&s->obeyed, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&s->order, order, __ATOMIC_RELEASE);
	return proc_wait_count(&s->obeyed, nr_obeying(s, order),
			       RAW_DEADLINE_MS);
}

/* kill -9, and wait until the process has been reaped. 0 or -EPROTO. */
int server_kill(struct server_proc *s)
{
	kill(s->pid, SIGKILL);
	return server_wait_exit(s, RAW_DEADLINE_MS) == -EINTR ? 0 : -EPROTO;
}

/* Wait until the server keeps @n requests. 0 or RAW_TIMEOUT. */
int server_wait_kept(struct server_proc *s, int n)
{
	return proc_wait_count(&s->kept, n, RAW_DEADLINE_MS);
}

/* Print what the server is doing, for a test that has failed. */
void server_report(struct server_proc *s)
{
	int i;

	fprintf(stderr, "# server: error %d, %d of %d threads finished\n",
		load(&s->error), load(&s->finished), nr_workers(s));
	for (i = 0; i < s->info.nr_hw_queues; i++)
		fprintf(stderr, "# queue %d: %llu requests served\n", i,
			s->served[i]);
	for (i = 0; i < nr_workers(s); i++)
		fprintf(stderr, "# thread %d: %d commands left\n", i,
			s->left[i]);
	proc_dump(s->pid);
}

/* Exit status, -EINTR when killed by a signal, RAW_TIMEOUT. */
int server_wait_exit(struct server_proc *s, int ms)
{
	int ret = proc_wait_exit(s->pid, ms);

	/* A test may expect a timeout, but only of a short wait. */
	if (ret == RAW_TIMEOUT && ms >= LONG_MS)
		server_report(s);
	return ret;
}
