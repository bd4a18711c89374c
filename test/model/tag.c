// SPDX-License-Identifier: GPL-2.0
/*
 * Model of one tag: ublk_queue_rq(), task work, the daemon, cancellation by
 * the ring, STOP_DEV, QUIESCE_DEV and the exit of the server run at the same
 * time, and one session follows another. The model calls the functions of
 * logic/tag.h, device.h and gate_rules.h for each decision, as the driver does, and
 * contains the order of the driver's steps. Each access that another CPU can
 * see is a step of its own. One tag is enough: tags share only the gate of
 * their queue.
 *
 * The search shows for each recovery policy that
 *   the driver holds a command only in ARMED, QUEUED and REDIRECTED, and always
 *   there;
 *   a request is on the tag only in QUEUED, NEED_DATA and SERVER, and always
 *   there; in REDIRECTED it is with the backing;
 *   no request or command is completed twice or lost;
 *   a stop waits only for a request that a living server owns, or a backing;
 *   a session ends after the IO that its server redirected;
 *   a server can always exit, and leaves the tag EMPTY;
 *   a held request runs again later, or fails.
 *
 * usage: tag [--break=N]	N: a deliberately wrong variant, see tag_state.h
 */
#include "tag_control.h"
#include "tag_io.h"

/* START_DEV, END_USER_RECOVERY, and a program that uses the disk. */
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
	expand_file(s, st);
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
		return "the command does not match the state of the tag";
	if (has_req != (owned || st->tag == UBLK_TAG_QUEUED))
		return "the request does not match the state of the tag";
	if (st->tag == UBLK_TAG_REDIRECTED && st->req != REQ_FILE)
		return "a tag is REDIRECTED without a request";
	if (st->req == REQ_FILE && st->proc == PROC_NONE)
		return "the session has ended before its redirected IO";
	if (st->task_work && st->tag != UBLK_TAG_QUEUED)
		return "task work is posted, but the tag is not QUEUED";
	if (st->dev == UBLK_S_DEV_DEAD && st->req != REQ_NONE)
		return "a request exists without a disk";
	if (st->tag == UBLK_TAG_CANCELED && st->dev != UBLK_S_DEV_DEAD &&
	    queue_gate(st, 0) == UBLK_GATE_GO)
		return "a command is canceled, but the gate is open";
	if (st->proc == PROC_NONE && st->tag != UBLK_TAG_EMPTY)
		return "there is no server, but the tag is not EMPTY";
	return NULL;
}

/* The part of rest() about QUIESCE_DEV. */
static const char *rest_quiesce(const struct state *st, bool served)
{
	if (st->quiescing != Z_IDLE && st->quiescing != Z_LOCK && !served)
		return "QUIESCE_DEV hangs";
	if (st->quiesce == QUIESCE_ANSWERING && st->tag == UBLK_TAG_ARMED &&
	    st->mutex == MUTEX_FREE)
		return "QUIESCE_DEV leaves a command armed";
	return rest_open(st);
}

/* What must not be so when the driver has no step to take by itself. */
static const char *rest(const void *state)
{
	const struct state *st = state;
	bool served = st->req == REQ_FILE ||
		      (ublk_tag_is_owned(st->tag) &&
		       (st->proc == PROC_ALIVE || st->proc == PROC_LAME));
	const char *why = NULL;

	/* The end of the session waits for the backing alone. */
	if (st->exit != E_FILES || st->req != REQ_FILE)
		why = rest_control(st, served);

	if (!why)
		why = rest_quiesce(st, served);
	if (why)
		return why;
	switch (st->req) {
	case REQ_NONE:
		return NULL;
	case REQ_TAG:
		return served ? NULL : "a request on the tag is lost";
	case REQ_FILE:
		return NULL;
	case REQ_HELD:
		/* until END_USER_RECOVERY, a stop, or the end of the session */
		if (queue_gate(st, 0) == UBLK_GATE_HOLD || st->proc == PROC_LAME)
			return NULL;
		if (st->dev == UBLK_S_DEV_QUIESCED &&
		    st->server == UBLK_SERVER_READY)
			return NULL;
		return "nobody will run a held request again";
	default:
		return "a request is lost on its way";
	}
}

/* Everything has ended. */
static bool goal(const void *state)
{
	const struct state *st = state;

	return st->dev == UBLK_S_DEV_DEAD && st->proc == PROC_NONE &&
	       st->req == REQ_NONE && st->tag == UBLK_TAG_EMPTY &&
	       st->stop == S_IDLE && st->quiescing == Z_IDLE &&
	       st->file == F_IDLE;
}

static void show(const void *state)
{
	static const char * const cmd[] = { "server", "tag", "ring", "stop",
					    "quiesce" };
	static const char * const req[] = { "-", "queue", "tag", "held",
					    "daemon", "exit", "file" };
	const struct state *st = state;

	printf("%s %s cmd=%s req=%s gate=%s server=%s%s%s",
	       ublk_device_name(st->dev), ublk_tag_name(st->tag), cmd[st->cmd],
	       req[st->req], gate_name(st, 0), proc_name(st),
	       st->stop_pending ? " stopping" : "",
	       st->quiesce ? " quiescing" : "");
}

static const struct state start = { .tag = UBLK_TAG_EMPTY };

#include "policy.h"
