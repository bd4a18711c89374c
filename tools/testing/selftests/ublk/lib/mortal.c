// SPDX-License-Identifier: GPL-2.0
/*
 * A server that leaves as it is told: see mortal.h.
 *
 * struct mortal is memory shared with the test. Threads look at the order
 * between two events, that is every few milliseconds; the main thread, which
 * opened and mapped the node, serves nothing.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mortal.h"
#include "raw_link.h"

/* How long a thread waits for an event before it looks at the order. */
#define TICK_MS	5
#define LONG_MS	5000

/* Of the server process. */
static struct mortal *me;
static struct raw_srv srv;

struct worker {
	int q;
	pthread_t thread;
	struct raw_link link;
};

static struct worker workers[RAW_MAX_QUEUES];

static int load(int *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void *map_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Memory for the contents of a device, to be shared with its servers. */
char *mortal_store(void)
{
	return map_shared(RAW_DEV_BYTES);
}

/* One event, or a tick without. Return: commands that ended for good. */
static int serve_one(struct worker *w)
{
	struct raw_ev ev;
	int ret = raw_link_event(&w->link, &ev, TICK_MS);

	if (ret)
		return 0;
	if (ev.res < 0) {
		if (ev.res != UBLK_IO_RES_ABORT)
			__atomic_store_n(&me->error, ev.res, __ATOMIC_RELEASE);
		return 1;
	}
	if (load(&me->hold)) {
		__atomic_add_fetch(&me->owned, 1, __ATOMIC_ACQ_REL);
		return 0;
	}
	ret = raw_link_serve(&w->link, &ev);
	if (ret)
		__atomic_store_n(&me->error, ret, __ATOMIC_RELEASE);
	else
		__atomic_add_fetch(&me->served[w->q], 1, __ATOMIC_RELAXED);
	return 0;
}

static void obeyed(void)
{
	__atomic_add_fetch(&me->obeyed, 1, __ATOMIC_ACQ_REL);
}

/* The thread's part of an order. Return: true if it is to end. */
static bool obey(struct worker *w, int order)
{
	switch (order) {
	case MORTAL_THREAD:
		return !w->q;
	case MORTAL_THREADS:
		return true;
	case MORTAL_RINGS:
		raw_link_close(&w->link);
		obeyed();
		return true;
	default:
		return false;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int left = raw_link_open(&w->link, &srv, w->q, me->ring_flags);

	if (!left)
		left = raw_link_fetch(&w->link, me->sqe_flags);
	if (left < 0)
		__atomic_store_n(&me->error, left, __ATOMIC_RELEASE);
	__atomic_add_fetch(&me->fetched, 1, __ATOMIC_ACQ_REL);
	while (left > 0) {
		int order = load(&me->order);

		if (order && obey(w, order))
			return NULL;
		left -= serve_one(w);
		me->left[w->q] = left;
	}
	__atomic_add_fetch(&me->through, 1, __ATOMIC_ACQ_REL);
	return NULL;
}

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

static void leave_heir(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, 0);
		for (;;)
			pause();
	}
	me->heir = pid;
	obeyed();
	_exit(0);
}

/* Threads that still run would be given requests: see them gone first. */
static void join(int nr)
{
	int q;

	for (q = 0; q < nr; q++)
		pthread_join(workers[q].thread, NULL);
}

/* What the main thread does of an order, once. */
static void carry_out(int order)
{
	switch (order) {
	case MORTAL_THREAD:
		join(1);
		break;
	case MORTAL_THREADS:
		join(me->info.nr_hw_queues);
		break;
	case MORTAL_NODE:
		close_node();
		break;
	case MORTAL_UNMAP:
		unmap();
		break;
	default:
		return;
	}
	obeyed();
}

/* The main thread's part of the orders, until all threads are through. */
static void rule(void)
{
	int done = 0;

	for (;;) {
		int order = load(&me->order);

		if (order == MORTAL_EXIT)
			_exit(0);
		if (order == MORTAL_EXEC)
			execlp("sleep", "sleep", "1000", NULL);
		if (order == MORTAL_FORK)
			leave_heir();
		if (done != order)
			carry_out(order);
		done = order;
		if (order) {
			usleep(1000);
			continue;
		}
		if (load(&me->through) == me->info.nr_hw_queues)
			_exit(load(&me->error) ? 1 : 0);
		usleep(2000);
	}
}

static void run(void)
{
	int q, ret;

	srv.store = me->store;
	ret = raw_srv_open(&srv, &me->info);
	for (q = 0; q < me->info.nr_hw_queues && !ret; q++) {
		workers[q].q = q;
		ret = pthread_create(&workers[q].thread, NULL, work,
				     &workers[q]);
	}
	if (ret) {
		__atomic_store_n(&me->error, ret, __ATOMIC_RELEASE);
		_exit(1);
	}
	rule();
}

struct mortal *mortal_new(const struct ublksrv_ctrl_dev_info *info,
			  char *store)
{
	struct mortal *m = map_shared(sizeof(*m));

	if (m) {
		m->info = *info;
		m->store = store;
	}
	return m;
}

void mortal_free(struct mortal *m)
{
	munmap(m, sizeof(*m));
}

/* Start it and see all tags of all queues fetched. 0, RAW_TIMEOUT, -errno. */
int mortal_start(struct mortal *m)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	pid_t parent = getpid(), pid;

	/* Not straight into *m: the child would write its 0 there as well. */
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		me = m;
		run();
	}
	m->pid = pid;
	while (load(&m->fetched) < m->info.nr_hw_queues && !load(&m->error)) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(500);
	}
	return load(&m->error);
}

static int obedient(const struct mortal *m, enum mortal_order order)
{
	switch (order) {
	case MORTAL_RINGS:
		return m->info.nr_hw_queues;
	case MORTAL_THREAD:
	case MORTAL_THREADS:
	case MORTAL_NODE:
	case MORTAL_FORK:
	case MORTAL_UNMAP:
		return 1;
	default:
		return 0;
	}
}

/* Order something and wait until it has been done. 0 or RAW_TIMEOUT. */
int mortal_tell(struct mortal *m, enum mortal_order order)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	__atomic_store_n(&m->obeyed, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&m->order, order, __ATOMIC_RELEASE);
	while (load(&m->obeyed) < obedient(m, order)) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(500);
	}
	return 0;
}

int mortal_kill(struct mortal *m)
{
	kill(m->pid, SIGKILL);
	return mortal_wait_exit(m, RAW_DEADLINE_MS) == -EINTR ? 0 : -EPROTO;
}

/* What one wants to know of a process that does not end. */
static void dump(pid_t pid)
{
	char path[64], line[128];
	struct dirent *d;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stack", pid,
			 atoi(d->d_name));
		f = fopen(path, "r");
		if (!f)
			continue;
		printf("# thread %s\n", d->d_name);
		while (fgets(line, sizeof(line), f))
			printf("#   %s", line);
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

/* For a failed test: what the server is doing. */
void mortal_report(struct mortal *m)
{
	int q;

	printf("# server: error %d, %d of %d threads through\n",
	       load(&m->error), load(&m->through), m->info.nr_hw_queues);
	for (q = 0; q < m->info.nr_hw_queues; q++)
		printf("# queue %d: %llu served, %d commands left\n", q,
		       m->served[q], m->left[q]);
	dump(m->pid);
}

/* Exit status, -EINTR when killed by a signal, RAW_TIMEOUT. */
int mortal_wait_exit(struct mortal *m, int ms)
{
	long end = raw_now_ms() + ms;
	int status;

	while (waitpid(m->pid, &status, WNOHANG) != m->pid) {
		if (raw_now_ms() >= end) {
			/* A short wait is one that is expected to fail. */
			if (ms >= LONG_MS)
				mortal_report(m);
			return RAW_TIMEOUT;
		}
		usleep(500);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
