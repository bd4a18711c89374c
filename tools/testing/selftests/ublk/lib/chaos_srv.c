// SPDX-License-Identifier: GPL-2.0
/*
 * The servers of the chaos test: see chaos.h.
 *
 * A server is a process of one or more threads that fetches all tags, or all
 * but one, and answers requests correctly, wrongly, late or never, until it
 * ends in one of the ways of enum ending. When its time is over it is killed,
 * whatever it is doing, and must end, as a server waits for nobody.
 *
 * It is not a server_proc: that one takes its orders from the test and answers
 * correctly, this one decides by itself and is started without waiting for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "chaos.h"
#include "proc.h"

#define SLOTS		12
#define MAX_QUEUES	4

enum ending {
	END_KILLED, END_KILLED2, END_KILLED3, END_EXIT, END_CLOSE_RING,
	END_THREAD, END_STALL, END_FORK, END_EXEC, END_UNMAP, END_NR,
};

enum manner {
	RIGHT, WRONG, LATE, NEVER, NR_MANNERS,
	/* Most servers answer correctly, or there would be little I/O. */
	MANNERS_RND = 3 * NR_MANNERS,
};

struct server {
	struct chaos *c;
	struct raw_srv srv;
	struct chaos_rng rng;
	enum ending ending;
	enum manner manner;
	long end;		/* when the ending begins */
	int partial;		/* do not fetch the last tag */
	int sqe_flags;		/* of the fetch commands */
	unsigned int ring_flags;
	int threads;
};

struct thread {
	struct server *s;
	struct chaos_rng rng;
	struct raw_ring ring;
	int first, last;	/* range of queues */
};

static int fetch(struct thread *t)
{
	struct raw_srv *srv = &t->s->srv;
	int q, tag, ret, depth = srv->info.queue_depth;

	for (q = t->first; q <= t->last; q++) {
		for (tag = 0; tag < depth; tag++) {
			if (t->s->partial && tag == depth - 1)
				continue;
			ret = raw_post(&t->ring, UBLK_U_IO_FETCH_REQ, q, tag, 0,
				       (uintptr_t)raw_buf(srv, q, tag),
				       t->s->sqe_flags, NULL);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int answer(struct thread *t, const struct raw_ev *ev)
{
	int len = ev->iod.nr_sectors << 9;

	if (ev->res == UBLK_IO_RES_NEED_GET_DATA)
		return raw_serve(&t->ring, ev);
	switch (t->s->manner) {
	case WRONG:
		if (!chaos_rnd(&t->rng, 8))
			return raw_commit(&t->ring, ev->q, ev->tag, -EIO);
		if (!chaos_rnd(&t->rng, 8))
			return raw_commit(&t->ring, ev->q, ev->tag,
					  len / 1024 * 512);
		break;
	case LATE:
		if (!chaos_rnd(&t->rng, 4))
			usleep(chaos_rnd(&t->rng, 50000));
		break;
	case NEVER:
		if (!chaos_rnd(&t->rng, 16))
			return 0;
		break;
	default:
		break;
	}
	chaos_count(&t->s->c->served);
	return raw_serve(&t->ring, ev);
}

static void linger(void)
{
	for (;;)
		pause();
}

/* The time of this server is over. Returns if it is to go on serving. */
static void end(struct thread *t)
{
	struct raw_srv *srv = &t->s->srv;

	switch (t->s->ending) {
	case END_EXIT:
		_exit(0);
	case END_CLOSE_RING:
		raw_ring_close(&t->ring);
		linger();
		break;
	case END_THREAD:
		if (t->first)
			pthread_exit(NULL);
		break;
	case END_FORK:
		/*
		 * The child shares the file and the mappings, but has no
		 * command.
		 */
		if (!t->first && fork() > 0)
			_exit(0);
		linger();
		break;
	case END_EXEC:
		execlp("sleep", "sleep", "60", NULL);
		_exit(1);
	case END_UNMAP:
		if (!t->first)
			munmap(srv->bufs, RAW_IO_BYTES);
		break;
	case END_STALL:
		linger();
		break;
	default:
		break;
	}
}

static void *serve(void *arg)
{
	struct thread *t = arg;
	bool ended = false;
	struct raw_ev ev;
	int ret, left;

	if (raw_ring_open(&t->ring, &t->s->srv, t->s->ring_flags))
		return NULL;
	left = (t->last - t->first + 1) *
	       (t->s->srv.info.queue_depth - t->s->partial);
	if (fetch(t))
		return NULL;
	while (left > 0) {
		if (!ended && raw_now_ms() >= t->s->end) {
			ended = true;
			end(t);
		}
		ret = raw_event(&t->ring, &ev, 200);
		if (ret == RAW_TIMEOUT)
			continue;
		if (ret || (ev.res < 0 && ev.res != UBLK_IO_RES_ABORT))
			break;
		if (ev.res == UBLK_IO_RES_ABORT)
			left--;
		else if (answer(t, &ev))
			break;
	}
	/* Some servers do not exit when the driver has ended their commands. */
	if (!chaos_rnd(&t->rng, 5))
		linger();
	return NULL;
}

static void serve_all(struct server *s)
{
	static struct thread threads[MAX_QUEUES];
	int i, nq = s->srv.info.nr_hw_queues;
	pthread_t id[MAX_QUEUES];

	for (i = 0; i < s->threads; i++) {
		threads[i].s = s;
		threads[i].rng.x = s->rng.x + i + 1;
		threads[i].first = i * nq / s->threads;
		threads[i].last = (i + 1) * nq / s->threads - 1;
		if (i && pthread_create(&id[i], NULL, serve, &threads[i]))
			_exit(1);
	}
	serve(&threads[0]);
	for (i = 1; i < s->threads; i++)
		pthread_join(id[i], NULL);
}

static void server(struct chaos *c, const struct ublksrv_ctrl_dev_info *info,
		   int life)
{
	static struct server s;
	int id = info->dev_id;

	s.c = c;
	chaos_seed(c, &s.rng);
	s.ending = chaos_rnd(&s.rng, END_NR);
	s.manner = chaos_rnd(&s.rng, MANNERS_RND);
	s.end = raw_now_ms() + life / 2 + chaos_rnd(&s.rng, life / 2);
	s.partial = info->queue_depth > 1 && !chaos_rnd(&s.rng, 20);
	if (!chaos_rnd(&s.rng, 16))
		s.sqe_flags = IOSQE_ASYNC;
	else if (!chaos_rnd(&s.rng, 16))
		s.ring_flags = IORING_SETUP_SQPOLL;
	else if (chaos_rnd(&s.rng, 2))
		s.ring_flags = IORING_SETUP_SINGLE_ISSUER |
			       IORING_SETUP_DEFER_TASKRUN;
	s.threads = chaos_rnd(&s.rng, 2) ? info->nr_hw_queues : 1;
	s.srv.store = c->store[id];
	if (info->nr_hw_queues > MAX_QUEUES || raw_srv_open(&s.srv, info))
		_exit(1);
	__atomic_store_n(&c->server[id], getpid(), __ATOMIC_RELEASE);
	chaos_count(&c->servers);
	serve_all(&s);
	_exit(0);
}

struct slot {
	pid_t pid;
	long end;
	bool killed;
};

/* A device whose last server has ended, or any device if there is none. */
static int needy(struct chaos *c, struct chaos_rng *r)
{
	int i, id = chaos_rnd(r, CHAOS_DEVS);
	pid_t pid;

	for (i = 0; i < CHAOS_DEVS && chaos_rnd(r, 16); i++) {
		id = (id + 1) % CHAOS_DEVS;
		pid = __atomic_load_n(&c->server[id], __ATOMIC_ACQUIRE);
		if (!pid || kill(pid, 0))
			break;
	}
	return id;
}

static void start_server(struct chaos *c, struct chaos_rng *r,
			 struct raw_ctrl *ctl, struct slot *slot)
{
	int life = 200 + chaos_rnd(r, chaos_rnd(r, 4) ? 10000 : 1000);
	struct ublksrv_ctrl_dev_info info;
	int id = needy(c, r);

	if (raw_get_info(ctl, id, &info) ||
	    (info.state == UBLK_S_DEV_LIVE && chaos_rnd(r, 8)))
		return;
	slot->pid = chaos_fork();
	if (!slot->pid) {
		setpgid(0, 0);
		server(c, &info, life);
	}
	setpgid(slot->pid, slot->pid);
	slot->end = raw_now_ms() + life;
	slot->killed = false;
}

/*
 * A server leads a process group with all that it has forked. All of the group
 * is reaped here; the slot is free when nothing of it is left.
 */
static void check_server(struct chaos *c, struct slot *slot)
{
	long now = raw_now_ms();
	pid_t pid;

	if (!slot->killed && (now >= slot->end || chaos_stopping(c))) {
		kill(-slot->pid, SIGKILL);
		chaos_count(&c->kills);
		slot->killed = true;
		slot->end = now + CHAOS_LIMIT_MS;
	}
	do {
		pid = waitpid(-slot->pid, NULL, WNOHANG);
	} while (pid > 0);
	if (pid < 0) {
		slot->pid = 0;
	} else if (slot->killed && now >= slot->end) {
		fprintf(stderr, "# server %d does not die\n", slot->pid);
		proc_dump(slot->pid);
		chaos_count(&c->immortal);
		slot->pid = 0;
	}
}

void chaos_servers(struct chaos *c)
{
	static struct slot slots[SLOTS];
	struct raw_ctrl ctl;
	struct chaos_rng r;
	int i, busy;

	chaos_seed(c, &r);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (raw_ctrl_open(&ctl))
		_exit(1);
	do {
		busy = 0;
		for (i = 0; i < SLOTS; i++) {
			if (slots[i].pid)
				check_server(c, &slots[i]);
			else if (!chaos_stopping(c) && !chaos_rnd(&r, 4))
				start_server(c, &r, &ctl, &slots[i]);
			busy += slots[i].pid != 0;
		}
		usleep(30000);
	} while (busy || !chaos_stopping(c));
	_exit(0);
}
