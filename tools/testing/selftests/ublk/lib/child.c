// SPDX-License-Identifier: GPL-2.0
/*
 * A server to be killed: see child.h.
 *
 * struct child is memory shared with the test; each member has one writer, and
 * the other side polls it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "child.h"

static int load(int *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void save(int *p, int v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static bool to_be_kept(struct child *c, const struct raw_ev *ev)
{
	__u64 off = ev->iod.start_sector << 9;

	if (load(&c->hold_all))
		return true;
	return load(&c->hold) && off >= RAW_WIN_START && off < RAW_WIN_END;
}

static int fetch(struct child *c, struct raw_ring *r)
{
	int nq = r->srv->info.nr_hw_queues, qd = r->srv->info.queue_depth;
	int q, tag, ret;

	for (q = 0; q < nq; q++) {
		for (tag = 0; tag < qd; tag++) {
			if (c->partial && q == nq - 1 && tag == qd - 1)
				continue;
			ret = raw_fetch(r, q, tag);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int serve(struct child *c, struct raw_srv *s, struct raw_ring *r)
{
	int left = s->info.nr_hw_queues * s->info.queue_depth - c->partial;
	struct raw_ev ev;
	int ret;

	while (left > 0) {
		ret = raw_event(r, &ev, 1000);
		if (ret == RAW_TIMEOUT)
			continue;
		if (ret)
			return ret;
		if (ev.res == UBLK_IO_RES_ABORT) {
			save(&c->aborted, c->aborted + 1);
			left--;
		} else if (ev.res < 0) {
			return ev.res;
		} else if (to_be_kept(c, &ev)) {
			ret = c->on_keep ? c->on_keep(r, &ev) : 0;
			if (ret)
				return ret;
			save(&c->owned, c->owned + 1);
		} else {
			ret = raw_serve(r, &ev);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int run(struct child *c, const struct ublksrv_ctrl_dev_info *info)
{
	static struct raw_srv s;
	static struct raw_ring r;
	int ret;

	s.store = c->store;
	ret = raw_srv_open(&s, info);
	if (!ret)
		ret = raw_ring_open(&r, &s, 0);
	if (!ret && !raw_copy_mode(&s))
		ret = raw_table(&r);
	if (!ret)
		ret = fetch(c, &r);
	save(&c->error, ret);
	save(&c->fetched, 1);
	if (!ret)
		ret = serve(c, &s, &r);
	save(&c->error, ret);
	return ret;
}

static void *map_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A new server for @t->info, with all commands sent. NULL on failure. */
struct child *child_start(struct ut *t, int hold, int partial)
{
	struct child *c = map_shared(sizeof(*c));
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	pid_t parent = getpid(), pid;

	if (!c)
		return NULL;
	c->hold = hold;
	c->partial = partial;
	c->store = map_shared(RAW_DEV_BYTES);
	if (!c->store)
		return NULL;
	pid = fork();
	if (pid < 0)
		return NULL;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		_exit(run(c, &t->info) ? 1 : 0);
	}
	c->pid = pid;
	while (!load(&c->fetched)) {
		if (raw_now_ms() >= end)
			return NULL;
		usleep(1000);
	}
	return load(&c->error) ? NULL : c;
}

/* kill -9; returns when the process is a zombie no more. */
int child_kill(struct child *c)
{
	kill(c->pid, SIGKILL);
	return child_wait_exit(c, RAW_DEADLINE_MS) == -EINTR ? 0 : -EPROTO;
}

int child_wait_owned(struct child *c, int n)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	while (load(&c->owned) < n) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(1000);
	}
	return 0;
}

/* Exit status, -EINTR when killed by a signal, RAW_TIMEOUT. */
int child_wait_exit(struct child *c, int ms)
{
	long end = raw_now_ms() + ms;
	int status;

	while (waitpid(c->pid, &status, WNOHANG) != c->pid) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(1000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
