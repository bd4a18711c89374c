// SPDX-License-Identifier: GPL-2.0
/*
 * Model of a queue of a batch device: ublk_queue_rq(), two fetch commands and
 * the task work of the one that delivers, two threads that commit or redirect,
 * cancellation by the ring, START_DEV, STOP_DEV, QUIESCE_DEV and the exit of
 * the server run at the same time, and one session follows another. The model
 * calls the functions of logic/tag.h, device.h and gate_rules.h for each decision,
 * and contains the order of the driver's steps. What the driver does under one
 * lock is one step. No search includes all of this; batch_state.h lists the
 * scenes that are searched.
 *
 * The search shows for each recovery policy that
 *   a request is in one place, and the state of its tag says in which;
 *   a queued tag has an active command, or a living server that may send one;
 *   no request and no command is completed twice;
 *   no command is left when the queue is closed;
 *   a stop waits only for a living server, and a server can always exit;
 *   a held request runs again later, or fails.
 *
 * usage: batch [--break=N]	N: a deliberately wrong variant, see batch_state.h
 */
#include <stddef.h>

#include "batch_control.h"
#include "batch_fetch.h"
#include "batch_io.h"

/* PREP_IO_CMDS of one tag or of all. */
static void expand_prep(struct search *s, const struct state *st, int first,
			int nr)
{
	struct state n = *st;
	int i, server;

	for (i = first; i < first + nr; i++) {
		server = ublk_server_next(n.server, UBLK_SERVER_EV_FETCH);
		if (server < 0 || ublk_tag_next(n.tag[i], UBLK_EV_FETCH) < 0)
			return;
		n.tag[i] = ublk_tag_next(n.tag[i], UBLK_EV_FETCH);
		n.nr_fetched++;
	}
	/* ublk_gate_fetched() */
	if (n.nr_fetched == scene->nr_tags) {
		n.cond[0] = st->canceled ? UBLK_COND_CANCELING : 0;
		if (st->canceled && st->stop_pending)
			n.cond[0] |= UBLK_COND_ABORTING;
		n.server = ublk_server_next(st->server,
					    UBLK_SERVER_EV_LAST_FETCH);
	}
	search_edge(s, &n, "PREP_IO_CMDS", EDGE_WORLD);
}

/* Nothing has a reference to the open file. */
static bool released(const struct state *st)
{
	int i;

	for (i = 0; i < scene->nr_cmds; i++) {
		if (st->cmd[i] != C_USER)
			return false;
	}
	for (i = 0; i < scene->nr_threads; i++) {
		if (st->thread[i] != T_IDLE)
			return false;
	}
	return st->cancel == K_IDLE && !in_hands(st, OWNER_FILE);
}

static void expand_server(struct search *s, const struct state *st)
{
	struct state n = *st;
	int i;

	switch (st->proc) {
	case PROC_NONE:
		expand_open(s, st);
		break;
	case PROC_ALIVE:
		for (i = 0; i < scene->nr_tags; i++)
			expand_prep(s, st, i, 1);
		if (scene->nr_tags > 1)
			expand_prep(s, st, 0, scene->nr_tags);
		n.proc = PROC_EXITING;
		search_edge(s, &n, "server is killed", EDGE_WORLD);
		n = *st;
		n.lame = 1;
		if (scene->lame && !st->lame)
			search_edge(s, &n, "thread exits", EDGE_WORLD);
		break;
	case PROC_EXITING:
		if (!released(st))
			break;
		n.proc = PROC_GONE;
		n.exit = E_CLOSE;
		search_edge(s, &n, "release", EDGE_OWN);
		break;
	}
}

static void set_scene(const struct state *st)
{
	scene = &scenes[st->scene ? st->scene - 1 : 0];
}

static void expand(struct search *s, const void *state)
{
	const struct state *st = state;
	int i;

	if (!st->scene) {
		for (i = 0; i < (int)ARRAY_SIZE(scenes); i++) {
			struct state n = *st;

			n.scene = i + 1;
			search_edge(s, &n, scenes[i].name, EDGE_WORLD);
		}
		return;
	}
	set_scene(st);
	for (i = 0; i < scene->nr_tags; i++) {
		struct state n = *st;

		expand_queue(s, st, i);
		expand_hand(s, st, i);
		expand_file(s, st, i);
		if (st->req[i] != REQ_NONE || st->dev == UBLK_S_DEV_DEAD ||
		    st->start != W_IDLE)
			continue;
		queue_request(&n, i);
		search_edge(s, &n, "request", EDGE_WORLD);
	}
	if (st->drains)
		expand_drain(s, st, PC(drains), 0, OWNER_QUEUE, "queue drains");
	for (i = 0; i < scene->nr_cmds; i++)
		expand_cmd(s, st, i);
	for (i = 0; i < scene->nr_threads; i++)
		expand_commit(s, st, i);
	expand_cancel(s, st);
	expand_server(s, st);
	expand_start(s, st);
	if (scene->stop)
		expand_stop(s, st);
	if (scene->quiesce)
		expand_quiesce(s, st);
	expand_exit(s, st);
}

/* The state of the tag must say where its request is. */
static const char *check_tag(const struct state *st, int i)
{
	bool queued = st->req[i] == REQ_FIFO || st->req[i] == REQ_CMD ||
		      st->hand[i] == HAND_POPPED ||
		      (st->req[i] == REQ_QUEUE &&
		       (st->queue[i] == Q_WRITE || st->queue[i] == Q_POST));
	u8 want = UBLK_TAG_ARMED;
	int j, in_fifo = 0;

	if (queued)
		want = UBLK_TAG_QUEUED;
	else if (st->req[i] == REQ_SERVER)
		want = UBLK_TAG_SERVER;
	else if (st->req[i] == REQ_COMMIT)
		want = UBLK_TAG_COMMITTING;
	else if (st->req[i] == REQ_FILE && st->file[i] != F_END)
		want = UBLK_TAG_REDIRECTED;
	if (st->tag[i] != want &&
	    (want != UBLK_TAG_ARMED || st->tag[i] != UBLK_TAG_EMPTY))
		return "the state of a tag does not say where its request is";
	for (j = 0; j < st->nr_fifo; j++)
		in_fifo += st->fifo[j] == i;
	in_fifo -= st->req[i] == REQ_FIFO;
	if (in_fifo)
		return "a tag is in the fifo twice, or is not queued";
	return NULL;
}

static const char *check(const void *state)
{
	const struct state *st = state;
	const char *why;
	int i;

	set_scene(st);
	for (i = 0; i < scene->nr_tags; i++) {
		why = check_tag(st, i);
		if (why)
			return why;
		if (st->dev == UBLK_S_DEV_DEAD && st->req[i] != REQ_NONE)
			return "a request exists without a disk";
		if (st->req[i] == REQ_FILE && st->proc == PROC_NONE)
			return "the session has ended before its redirected IO";
	}
	if (st->nr_fifo && st->active == NOBODY && served(st))
		return "a tag is queued while a command waits for one";
	if (st->active != NOBODY && (st->cmd[st->active] < C_ACTIVE ||
				     st->cmd[st->active] > C_END))
		return "the active command is completed elsewhere";
	return NULL;
}

/* A function of the driver, or the server, must go on with the request. */
static const char *rest_request(const struct state *st, int i)
{
	bool alive = st->proc == PROC_ALIVE;

	switch (st->req[i]) {
	case REQ_NONE:
		return NULL;
	case REQ_SERVER:
		return alive ? NULL : "a request is lost with its server";
	case REQ_FIFO:
		/* until the next FETCH_IO_CMDS, unless it is refused ... */
		if (alive && !refuses(st) && !no_reader(st))
			return NULL;
		/* ... by a quiesce that waits for a stop */
		if (alive && no_reader(st) && st->quiescing == Z_LOCK)
			return NULL;
		return "a request is queued, but no command will come";
	case REQ_FILE:
		/* until the backing ends it */
		return NULL;
	case REQ_HELD:
		if (queue_gate(st, 0) == UBLK_GATE_HOLD)
			return NULL;
		/* until END_USER_RECOVERY */
		if (st->dev == UBLK_S_DEV_QUIESCED &&
		    st->server == UBLK_SERVER_READY)
			return NULL;
		/* until the next FETCH_IO_CMDS */
		if (alive && st->lame && st->cmd[0] == C_WAIT &&
		    !served(st) && !refuses(st))
			return NULL;
		return "nobody will run a held request again";
	default:
		return "a request is lost on its way";
	}
}

/* What must not be so when the driver has no step to take by itself. */
static const char *rest(const void *state)
{
	const struct state *st = state;
	const char *why = NULL;
	bool waits = false, file = false;
	int i;

	set_scene(st);
	for (i = 0; i < scene->nr_tags && !why; i++) {
		why = rest_request(st, i);
		file |= st->req[i] == REQ_FILE;
		waits |= st->req[i] == REQ_SERVER || st->req[i] == REQ_FIFO || file;
	}
	/* The session waits for the backing, and so does what waits for its end. */
	if (!why && file && st->exit == E_FILES)
		return NULL;
	if (!why)
		why = rest_control(st, waits);
	if (why)
		return why;
	if (st->quiescing != Z_IDLE && st->quiescing != Z_WAIT &&
	    st->stop != S_WAIT)
		return "QUIESCE_DEV hangs";
	if (st->closed && (any_waiting(st) || st->active != NOBODY))
		return "a command is left when the queue is closed";
	return rest_open(st);
}

/* Everything has ended, or is held without a server. */
static bool goal(const void *state)
{
	const struct state *st = state;

	set_scene(st);
	if (st->proc != PROC_NONE)
		return false;
	if (!scene->stop)
		return all_ended(st) || queue_gate(st, 0) == UBLK_GATE_HOLD;
	return st->dev == UBLK_S_DEV_DEAD && st->stop == S_IDLE &&
	       st->quiescing == Z_IDLE && all_ended(st);
}

static void show(const void *state)
{
	static const char * const req[] = { "-", "queue", "fifo", "cmd",
		"server", "commit", "hand", "held", "file" };
	static const char * const cmd[] = { "user", "wait", "active", "take",
		"send", "prepare", "post", "undo", "end", "next", "drain",
		"ring", "stop", "quiesce" };
	const struct state *st = state;
	int i;

	set_scene(st);
	printf("%s", ublk_device_name(st->dev));
	for (i = 0; i < scene->nr_tags; i++)
		printf(" %s/%s", ublk_tag_name(st->tag[i]), req[st->req[i]]);
	printf(" fifo=%u cmds=%s,%s gate=%s server=%s%s%s%s%s", st->nr_fifo,
	       cmd[st->cmd[0]], cmd[st->cmd[1]], gate_name(st, 0),
	       proc_name(st), st->closed ? " closed" : "",
	       st->canceled ? " canceled" : "",
	       st->stop_pending ? " stopping" : "",
	       st->quiesce ? " quiescing" : "");
}

static const struct state start = { .active = NOBODY };

#include "policy.h"
