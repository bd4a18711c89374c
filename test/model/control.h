/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of the control path that the models of tag.c, batch.c and device.c
 * share: the gate, STOP_DEV, and the end of a session; gate.c, stop.c, disk.c
 * and server.c of the driver.
 *
 * Included once per model program, after its struct state, of which the steps
 * use these members: dev, server, proc, cond, canceled, stop_pending, mutex,
 * stop and exit. A model also says with HAS_REQUESTS and HAS_NODE what it is
 * about, and numbers the wrong variants that are named here.
 */
#ifndef UBLK_TEST_CONTROL_H
#define UBLK_TEST_CONTROL_H

#include "search.h"
#include "logic/device.h"
#include "logic/gate_rules.h"

/* The wrong variant that is searched, 0 for the driver; and its policy. */
static int broken;
static enum ublk_policy policy;

/*
 * The server: node closed, serving, its thread gone but the ring kept open,
 * being killed, node released and exit work under way.
 */
enum { PROC_NONE, PROC_ALIVE, PROC_LAME, PROC_EXITING, PROC_GONE };

/* Which function holds ub->mutex. */
enum { MUTEX_FREE, MUTEX_STOP, MUTEX_EXIT, MUTEX_QUIESCE, MUTEX_START };

/*
 * ublk_stop_work(). A model takes the steps from S_TAKE to S_NODE that it needs
 * to take the server's commands back and to remove the node.
 */
enum {
	S_IDLE, S_LOCK, S_ABORT, S_WAIT, S_MARK, S_TAKE, S_DONE, S_DRAIN,
	S_NODE, S_END
};

/* blk_mq_kick_requeue_list() */
static void kick(struct state *st);
/* Would del_gendisk() return? */
static bool all_ended(const struct state *st);
/* del_gendisk() has returned. */
static void remove_disk(struct state *st);
/* ublk_stop_work() from S_TAKE to S_END */
static void expand_stop_take(struct search *s, const struct state *st);

static enum ublk_gate queue_gate(const struct state *st, int q)
{
	return ublk_gate_decide(st->cond[q], policy);
}

/* ublk_gate_close() */
static void close_queues(struct state *st, unsigned int cond)
{
	size_t q;

	if (st->stop_pending && broken != BREAK_NO_ABORT)
		cond |= UBLK_COND_ABORTING;
	for (q = 0; q < ARRAY_SIZE(st->cond); q++)
		st->cond[q] |= cond;
}

/* ublk_gate_cancel() */
static void cancel_session(struct state *st)
{
	if (st->canceled)
		return;
	st->canceled = 1;
	close_queues(st, UBLK_COND_CANCELING);
}

/* ublk_gate_live() */
static inline void end_aborting(struct state *st)
{
	size_t q;

	if (st->stop_pending || broken == BREAK_ABORT_STAYS)
		return;
	for (q = 0; q < ARRAY_SIZE(st->cond); q++)
		st->cond[q] &= ~UBLK_COND_ABORTING;
}

/* ublk_disk_remove() until it waits: ublk_gate_abort() and ublk_gate_kick() */
static void begin_removal(struct state *st)
{
	if (st->cond[0] & UBLK_COND_CANCELING && broken != BREAK_NO_ABORT)
		close_queues(st, UBLK_COND_ABORTING);
	kick(st);
}

/* ublk_server_open() */
static void expand_open(struct search *s, const struct state *st)
{
	struct state n = *st;

	n.proc = PROC_ALIVE;
	n.server = ublk_server_next(st->server, UBLK_SERVER_EV_OPEN);
	search_edge(s, &n, "open", EDGE_WORLD);
}

/* ublk_recover_end() of a ready server, with the mutex free */
static inline void expand_end_recovery(struct search *s, const struct state *st)
{
	int next = ublk_device_next(st->dev, UBLK_DEV_EV_END_RECOVERY, policy);
	struct state n = *st;

	if (next < 0)
		return;
	n.dev = next;
	kick(&n);
	search_edge(s, &n, "END_USER_RECOVERY", EDGE_WORLD);
}

/* ublk_stop_work() has the mutex. */
static void expand_stop_lock(struct search *s, const struct state *st)
{
	struct state n = *st;

	n.mutex = MUTEX_STOP;
	n.stop = S_ABORT;
	if (st->dev == UBLK_S_DEV_DEAD) {
		n.stop = S_MARK;
	} else if (!HAS_REQUESTS) {
		/* none can come in between */
		begin_removal(&n);
		n.stop = S_WAIT;
	}
	search_edge(s, &n, "stop gets mutex", EDGE_OWN);
}

/* ublk_server_stopping() */
static void expand_stop_mark(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (broken != BREAK_NO_MARK)
		n.server = ublk_server_next(st->server, UBLK_SERVER_EV_STOP);
	n.stop = HAS_NODE ? S_NODE : S_END;
	if (n.server == UBLK_SERVER_STOPPING || broken == BREAK_NO_MARK ||
	    broken == BREAK_CANCEL_NEW)
		n.stop = S_TAKE;
	search_edge(s, &n, "stop: server stopping", EDGE_OWN);
}

static void expand_stop(struct search *s, const struct state *st)
{
	struct state n = *st;

	n.stop = st->stop + 1;
	switch (st->stop) {
	case S_IDLE:
		n.stop_pending = 1;
		search_edge(s, &n, "STOP_DEV", EDGE_WORLD);
		break;
	case S_LOCK:
		if (st->mutex == MUTEX_FREE)
			expand_stop_lock(s, st);
		break;
	case S_ABORT:
		begin_removal(&n);
		search_edge(s, &n, "stop begins removal", EDGE_OWN);
		break;
	case S_WAIT:
		if (!all_ended(st))
			break;
		remove_disk(&n);
		search_edge(s, &n, "stop: disk is gone", EDGE_OWN);
		break;
	case S_MARK:
		expand_stop_mark(s, st);
		break;
	case S_END:
		n.stop = S_IDLE;
		n.stop_pending = 0;
		n.mutex = MUTEX_FREE;
		search_edge(s, &n, "stop ends", EDGE_OWN);
		break;
	default:
		expand_stop_take(s, st);
		break;
	}
}

/* ublk_server_gone(). Returns true if the disk has to be removed. */
static inline bool server_gone(struct state *st)
{
	int next = ublk_device_next(st->dev, UBLK_DEV_EV_SERVER_GONE, policy);

	if (next == UBLK_S_DEV_DEAD)
		return st->dev != UBLK_S_DEV_DEAD;
	/* also if it was FAIL_IO before: a queue was ready in between */
	if (next == UBLK_S_DEV_FAIL_IO && broken != BREAK_NO_FAILING &&
	    (next != st->dev || broken != BREAK_FAILING_ONCE))
		close_queues(st, UBLK_COND_FAILING);
	st->dev = next;
	return false;
}

/* ublk_server_exit_work() waits in del_gendisk(). */
static void expand_exit_wait(struct search *s, const struct state *st, u8 after)
{
	struct state n = *st;

	if (!all_ended(st))
		return;
	remove_disk(&n);
	n.exit = after;
	search_edge(s, &n, "exit: disk is gone", EDGE_OWN);
}

/* ublk_server_reset(), without the tags, and the end of the exit work */
static void end_session(struct state *st)
{
	st->exit = 0;
	st->server = ublk_server_next(st->server, UBLK_SERVER_EV_RESET);
	st->canceled = 0;
	st->proc = PROC_NONE;
	st->mutex = MUTEX_FREE;
}

/* What must not be so when the driver has done all it can by itself. */
static const char *rest_control(const struct state *st, bool served)
{
	if (st->exit)
		return "the end of the session hangs";
	if (st->stop != S_IDLE && !(st->stop == S_WAIT && served))
		return "the stop hangs";
	if (st->proc == PROC_EXITING)
		return "the server cannot exit";
	return NULL;
}

static const char *proc_name(const struct state *st)
{
	static const char * const name[] = {
		[PROC_NONE]	= "none",
		[PROC_ALIVE]	= "alive",
		[PROC_LAME]	= "lame",
		[PROC_EXITING]	= "exiting",
		[PROC_GONE]	= "gone",
	};

	return name[st->proc];
}

static const char *gate_name(const struct state *st, int q)
{
	static const char * const name[] = {
		[UBLK_GATE_GO]		= "go",
		[UBLK_GATE_HOLD]	= "hold",
		[UBLK_GATE_FAIL]	= "fail",
		[UBLK_GATE_FAIL_REMOTE]	= "remote",
	};

	return name[queue_gate(st, q)];
}

#endif
