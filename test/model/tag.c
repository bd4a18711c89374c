// SPDX-License-Identifier: GPL-2.0
/*
 * Model of one tag and everything that runs at the same time: queue_rq, task
 * work, the daemon, cancellation by the ring, STOP_DEV, QUIESCE_DEV, the server's
 * exit, and sessions that follow each other. Decisions are made by the functions of
 * logic/tag.h and logic/device.h that the driver calls; what is written here is
 * the order of the driver's steps (queue.c, dispatch.c, cmd.c, cancel.c, stop.c,
 * quiesce.c, server.c), every access that another CPU can see being a step of its own.
 *
 * One tag is enough: tags share nothing but the queue's gate.
 *
 * Shown, for each recovery policy: the driver holds a command exactly in ARMED
 * and QUEUED; a request is on the tag exactly in QUEUED, NEED_DATA and SERVER;
 * nothing is completed twice or lost; a stop waits for nothing but a request
 * that a living server owns; a server can always exit, and leaves the tag EMPTY;
 * a request is held only where somebody will ask for it.
 *
 * usage: tag [--break=N]	search a deliberately wrong variant
 */
#include "tag_control.h"
#include "tag_io.h"

/* START_DEV, END_USER_RECOVERY, and somebody who uses the disk. */
static void expand_world(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next;

	if (st->req == REQ_NONE && st->dev != UBLK_S_DEV_DEAD) {
		n.req = REQ_QUEUE;
		n.queue = Q_GATE;
		search_edge(s, &n, "request", EDGE_WORLD);
	}
	if (st->mutex != MUTEX_FREE || st->server != UBLK_SERVER_READY)
		return;

	n = *st;
	next = ublk_device_next(st->dev, UBLK_DEV_EV_START, policy);
	if (next >= 0) {
		n.dev = next;
		search_edge(s, &n, "START_DEV", EDGE_WORLD);
	}
	expand_end_recovery(s, st);
}

static void expand(struct search *s, const void *state)
{
	const struct state *st = state;

	expand_queue(s, st);
	if (st->task_work && st->daemon == D_IDLE)
		expand_task_work(s, st);
	expand_in_hand(s, st);
	expand_server(s, st);
	expand_ring(s, st);
	expand_stop(s, st);
	expand_quiesce(s, st);
	expand_quiesce_work(s, st);
	expand_exit(s, st);
	expand_world(s, st);
}

static const char *check(const void *state)
{
	const struct state *st = state;
	bool owned = ublk_tag_is_owned(st->tag);
	bool has_cmd = st->cmd == CMD_TAG;
	bool has_req = st->req == REQ_TAG;

	if (has_cmd != ublk_tag_has_command(st->tag))
		return "command not held in just ARMED and QUEUED";
	if (has_req != (owned || st->tag == UBLK_TAG_QUEUED))
		return "request not in just QUEUED, NEED_DATA and SERVER";
	if (st->task_work && st->tag != UBLK_TAG_QUEUED)
		return "task work pending, but the tag is not QUEUED";
	if (st->dev == UBLK_S_DEV_DEAD && st->req != REQ_NONE)
		return "a request without a disk";
	if (st->tag == UBLK_TAG_CANCELED && st->dev != UBLK_S_DEV_DEAD &&
	    queue_gate(st, 0) == UBLK_GATE_GO)
		return "command taken, gate open";
	if (st->proc == PROC_NONE && st->tag != UBLK_TAG_EMPTY)
		return "no server, but the tag is not EMPTY";
	return NULL;
}

/* What QUIESCE_DEV may leave behind. */
static const char *rest_quiesce(const struct state *st, bool served)
{
	if (st->quiescing != Z_IDLE && st->quiescing != Z_LOCK && !served)
		return "QUIESCE_DEV hangs";
	if (st->quiesce == QUIESCE_ANSWERING && st->tag == UBLK_TAG_ARMED &&
	    st->mutex == MUTEX_FREE)
		return "a command is not answered after QUIESCE_DEV";
	return rest_open(st);
}

/* The driver has done all it can by itself. */
static const char *rest(const void *state)
{
	const struct state *st = state;
	bool served = ublk_tag_is_owned(st->tag) &&
		      (st->proc == PROC_ALIVE || st->proc == PROC_LAME);

	const char *why = rest_control(st, served);

	if (!why)
		why = rest_quiesce(st, served);
	if (why)
		return why;
	switch (st->req) {
	case REQ_NONE:
		return NULL;
	case REQ_TAG:
		return served ? NULL : "a request is lost on its tag";
	case REQ_HELD:
		/* until END_USER_RECOVERY, a stop, or the end of the session */
		if (queue_gate(st, 0) == UBLK_GATE_HOLD || st->proc == PROC_LAME)
			return NULL;
		if (st->dev == UBLK_S_DEV_QUIESCED &&
		    st->server == UBLK_SERVER_READY)
			return NULL;
		return "a held request is forgotten";
	default:
		return "a request is lost on its way";
	}
}

/* Nothing can have been lost if everything can be wound up. */
static bool goal(const void *state)
{
	const struct state *st = state;

	return st->dev == UBLK_S_DEV_DEAD && st->proc == PROC_NONE &&
	       st->req == REQ_NONE && st->tag == UBLK_TAG_EMPTY &&
	       st->stop == S_IDLE && st->quiescing == Z_IDLE;
}

static void show(const void *state)
{
	static const char * const cmd[] = { "server", "tag", "ring", "stop",
					    "quiesce" };
	static const char * const req[] = { "-", "queue", "tag", "held",
					    "daemon", "exit" };
	const struct state *st = state;

	printf("%s %s cmd=%s req=%s gate=%s server=%s%s%s",
	       ublk_device_name(st->dev), ublk_tag_name(st->tag), cmd[st->cmd],
	       req[st->req], gate_name(st, 0), proc_name(st),
	       st->stop_pending ? " stopping" : "",
	       st->quiesce ? " quiescing" : "");
}

static const struct state start = { .tag = UBLK_TAG_EMPTY };

#include "policy.h"
