// SPDX-License-Identifier: GPL-2.0
/*
 * The servers of the chaos test: see chaos.h.
 *
 * A server is a process of one or more threads that fetches all tags, or all
 * but one, and answers requests correctly, wrongly, late or never, until it
 * ends in one of the ways of chaos_end.c. When its time is over it is killed,
 * whatever it is doing, and must end, as a server waits for nobody. A wrong
 * answer is an error or a short one; none claims what was not done.
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
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "chaos_srv.h"
#include "proc.h"

#define SLOTS		12
#define MAX_QUEUES	4

/* Fetch the tags of this thread. How many commands the driver holds. */
static int fetch(struct chaos_thread *t)
{
	struct chaos_server *s = t->s;
	int q, ret, sum = 0;

	for (q = t->first; q <= t->last; q++) {
		ret = raw_mode_fetch(&t->mode, q,
				     s->srv.info.queue_depth - s->partial,
				     s->sqe_flags);
		if (ret < 0)
			return ret;
		sum += ret;
	}
	return sum;
}

/*
 * An error instead of the result, or half of it if the driver asks for the rest
 * then: in no other case (D-233, D-234).
 */
static int spoil(struct chaos_thread *t, const struct raw_ev *ev, int res)
{
	bool rest = raw_copy_mode(&t->s->srv) &&
		    !(ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC);

	if (!chaos_rnd(&t->rng, 8))
		return -EIO;
	if (rest && res > 0 && !chaos_rnd(&t->rng, 8))
		return res / 1024 * 512;
	return res;
}

static int answer(struct chaos_thread *t, const struct raw_ev *ev, bool refused)
{
	int res;

	if (ev->res == UBLK_IO_RES_NEED_GET_DATA)
		return raw_mode_serve(&t->mode, ev);
	if (t->s->manner == LATE && !chaos_rnd(&t->rng, 4))
		usleep(chaos_rnd(&t->rng, 50000));
	if (t->s->manner == NEVER && !chaos_rnd(&t->rng, 16))
		return 0;
	if (!refused && t->s->manner != WRONG && !chaos_redirect(t, ev))
		return 0;
	chaos_fault_copy(t, ev);
	res = raw_mode_work(&t->mode, ev);
	if (t->s->manner == WRONG)
		res = spoil(t, ev, res);
	chaos_fault_drop(t, ev);
	chaos_count(&t->s->c->served);
	return raw_mode_commit(&t->mode, ev, res);
}

static void *serve(void *arg)
{
	struct chaos_thread *t = arg;
	bool ended = false, refused;
	struct raw_ev ev;
	int ret, left;

	if (raw_mode_open(&t->mode, &t->s->srv, t->s->ring_flags))
		return NULL;
	left = fetch(t);
	while (left > 0) {
		if (!ended && raw_now_ms() >= t->s->end) {
			ended = true;
			chaos_end(t);
		}
		ret = raw_mode_event(&t->mode, &ev, 200);
		if (ret == RAW_TIMEOUT)
			continue;
		refused = !ret && raw_mode_refused(&t->mode, &ev);
		if (ret || (ev.res < 0 && ev.res != UBLK_IO_RES_ABORT))
			break;
		if (ev.res == UBLK_IO_RES_ABORT)
			left--;
		else if (answer(t, &ev, refused))
			break;
	}
	/* Some servers do not exit when the driver has ended their commands. */
	if (!chaos_rnd(&t->rng, 5))
		chaos_linger();
	return NULL;
}

static void serve_all(struct chaos_server *s)
{
	static struct chaos_thread threads[MAX_QUEUES];
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

/* What this server is like. */
static void choose(struct chaos_server *s, int life)
{
	const struct ublksrv_ctrl_dev_info *info = &s->srv.info;
	struct chaos_rng *r = &s->rng;

	s->ending = chaos_rnd(r, END_NR);
	s->manner = chaos_rnd(r, MANNERS_RND);
	s->end = raw_now_ms() + life / 2 + chaos_rnd(r, life / 2);
	s->partial = info->queue_depth > 1 && !chaos_rnd(r, 20);
	if (!chaos_rnd(r, 16))
		s->sqe_flags = IOSQE_ASYNC;
	else if (!chaos_rnd(r, 16))
		s->ring_flags = IORING_SETUP_SQPOLL;
	else if (chaos_rnd(r, 2))
		s->ring_flags = IORING_SETUP_SINGLE_ISSUER |
				IORING_SETUP_DEFER_TASKRUN;
	s->threads = chaos_rnd(r, 2) ? info->nr_hw_queues : 1;
}

/* Every shared buffer is the same memory; more than one is refused. */
static void share(struct chaos_server *s)
{
	struct ublk_shmem_buf_reg reg = {
		.addr = (uintptr_t)s->c->shm, .len = CHAOS_SHM,
	};
	struct raw_ctrl ctl;
	int i;

	for (i = 0; i < RAW_MAX_SHM; i++)
		s->srv.shm[i] = s->c->shm;
	if (!(s->srv.info.flags & UBLK_F_SHMEM_ZC) || !chaos_rnd(&s->rng, 4) ||
	    raw_ctrl_open(&ctl))
		return;
	raw_buf_cmd(&ctl, UBLK_U_CMD_REG_BUF, s->srv.info.dev_id, &reg,
		    sizeof(reg));
	raw_ctrl_close(&ctl);
}

static void server(struct chaos *c, const struct ublksrv_ctrl_dev_info *info,
		   int life)
{
	static struct chaos_server s;
	int id = info->dev_id;

	s.c = c;
	s.uffd = -1;
	s.srv.store = c->store[id];
	chaos_seed(c, &s.rng);
	if (info->nr_hw_queues > MAX_QUEUES || raw_srv_open(&s.srv, info))
		_exit(1);
	choose(&s, life);
	share(&s);
	if (info->flags & UBLK_F_REDIRECT)
		chaos_register(&s);
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
	int i, id = chaos_rnd(r, c->devs);
	pid_t pid;

	for (i = 0; i < c->devs && chaos_rnd(r, 16); i++) {
		id = (id + 1) % c->devs;
		pid = __atomic_load_n(&c->server[id], __ATOMIC_ACQUIRE);
		if (!pid || kill(pid, 0))
			break;
	}
	return id;
}

static void start_server(struct chaos *c, struct chaos_rng *r,
			 struct raw_ctrl *ctl, struct slot *slot)
{
	int life = 200 + chaos_rnd(r, chaos_rnd(r, 4) ? c->life_ms : 1000);
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
		slot->end = now + chaos_limit_ms();
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
