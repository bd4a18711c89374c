/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of a fetch command in the model of batch.c: FETCH_IO_CMDS, delivery by
 * its task work, and the ring that cancels it; batch_fetch.c and cancel.c of
 * the driver.
 */
#ifndef UBLK_TEST_BATCH_FETCH_H
#define UBLK_TEST_BATCH_FETCH_H

#include "batch_state.h"

/* ublk_batch_fetch_refused(), or fq->closed */
static bool refuses(const struct state *st)
{
	if (broken == BREAK_FETCH_CLOSED)
		return st->canceled;
	if (st->server == UBLK_SERVER_STOPPING || st->canceled ||
	    st->quiesce == QUIESCE_ANSWERING || st->closed)
		return true;
	return queue_gate(st, 0) != UBLK_GATE_GO && st->quiesce == QUIESCE_NONE;
}

/* ublk_batch_fetch_issue() */
static void expand_fetch(struct search *s, const struct state *st, int j)
{
	struct state n = *st;
	int first;

	if (st->proc != PROC_ALIVE || cmd_task_exiting(st, j))
		return;
	if (refuses(st)) {
		n.cmd[j] = C_DRAIN;
		if (st->nr_fifo && no_reader(st))
			search_edge(s, &n, "FETCH_IO_CMDS refused",
				    EDGE_WORLD);
		return;
	}
	for (first = 0; first < scene->nr_cmds; first++) {
		if (st->cmd[first] == C_WAIT)
			break;
	}
	if (first < scene->nr_cmds && cmd_task_exiting(st, first) &&
	    st->dev != UBLK_S_DEV_DEAD && broken != BREAK_FETCH_NO_KICK)
		kick(&n);
	n.cmd[j] = C_WAIT;
	if (n.active == NOBODY && n.nr_fifo && broken != BREAK_FETCH_BLIND)
		choose(&n);
	search_edge(s, &n, "FETCH_IO_CMDS", EDGE_WORLD);
}

/* ublk_batch_fetch_take() */
static void expand_take(struct search *s, const struct state *st, int j)
{
	struct state n = *st;

	n.cmd[j] = C_SEND;
	while (n.nr_fifo)
		n.req[fifo_pop(&n)] = REQ_CMD;
	if (!st->nr_fifo) {
		n.cmd[j] = C_END;
		if (!st->closed || broken == BREAK_ACTIVE_STAYS) {
			n.cmd[j] = C_WAIT;
			n.active = NOBODY;
		}
	}
	search_edge(s, &n, "task work pops tags", EDGE_OWN);
}

/* The buffer has room for all tags, for one, or for none. */
static void expand_send(struct search *s, const struct state *st, int j)
{
	struct state n = *st;
	int i, nr = 0;

	for (i = 0; i < scene->nr_tags; i++)
		nr += st->req[i] == REQ_CMD;

	n.cmd[j] = C_PREPARE;
	search_edge(s, &n, "task work has a buffer", EDGE_OWN);
	for (i = 0; i < scene->nr_tags; i++) {
		if (st->req[i] != REQ_CMD)
			continue;
		if (nr == 1)
			break;
		/* back to the head of the fifo */
		nr = 1;
		memmove(n.fifo + 1, n.fifo, sizeof(n.fifo) - 1);
		n.fifo[0] = i;
		n.nr_fifo++;
		n.req[i] = broken == BREAK_PUT_BACK ? REQ_NONE : REQ_FIFO;
		search_edge(s, &n, "task work: small buffer", EDGE_WORLD);
		break;
	}

	n = *st;
	n.cmd[j] = C_END;
	for (i = 0; i < scene->nr_tags; i++) {
		if (st->req[i] == REQ_CMD)
			fifo_push(&n, i);
	}
	search_edge(s, &n, "task work: ENOBUFS", EDGE_WORLD);
}

/* ublk_batch_fetch_prepare(), tag by tag */
static void expand_prepare(struct search *s, const struct state *st, int j)
{
	struct state n = *st;
	int i;

	for (i = 0; i < scene->nr_tags && st->req[i] != REQ_CMD; i++)
		;
	if (i == scene->nr_tags) {
		n.cmd[j] = st->good ? C_POST : C_TAKE;
		search_edge(s, &n, "task work: all prepared", EDGE_OWN);
		return;
	}
	if (st->unwritten[i]) {
		search_bad(s, "io->req is read before it is written");
		return;
	}
	n.tag[i] = ublk_tag_next(st->tag[i], UBLK_EV_DELIVER);
	n.req[i] = REQ_SERVER;
	n.good |= 1 << i;
	search_edge(s, &n, "task work prepares", EDGE_OWN);

	n = *st;
	/* a bad address, or an exiting task that cannot fault */
	n.tag[i] = ublk_tag_next(st->tag[i], UBLK_EV_UNDELIVERED);
	take_request(&n, i, OWNER_FILE, st->proc == PROC_EXITING ?
		     HAND_UNDELIVERED : HAND_END);
	search_edge(s, &n, "task work cannot prepare", EDGE_WORLD);
}

/* ublk_batch_fetch_undo(), tag by tag */
static void expand_undo(struct search *s, const struct state *st, int j)
{
	struct state n = *st;
	int i;

	for (i = 0; i < scene->nr_tags && !(st->good & 1 << i); i++)
		;
	if (i == scene->nr_tags) {
		n.cmd[j] = C_END;
		search_edge(s, &n, "undo: all undone", EDGE_OWN);
		return;
	}
	n.good &= ~(1 << i);
	if (st->tag[i] == UBLK_TAG_SERVER || broken == BREAK_UNDO_STORE) {
		if (st->req[i] != REQ_SERVER) {
			search_bad(s, "the server does not own what an undo takes");
			return;
		}
		/* the tag is COMMITTING meanwhile, so no commit claims it */
		n.tag[i] = UBLK_TAG_ARMED;
		take_request(&n, i, OWNER_FILE, HAND_REQUEUE);
	}
	search_edge(s, &n, "undo arms tag", EDGE_OWN);
}

/* ublk_batch_fetch_end(): what it does locked, then the rest */
static void expand_end(struct search *s, const struct state *st, int j)
{
	struct state n = *st;

	if (st->cmd[j] == C_END) {
		n.active = NOBODY;
		n.cmd[j] = C_DRAIN;
		if (n.nr_fifo && broken != BREAK_NO_NEXT && choose(&n))
			n.cmd[j] = C_USER;
		search_edge(s, &n, "task work ends command", EDGE_OWN);
	} else {
		expand_drain(s, st, PC(cmd[j]), C_USER, OWNER_FILE,
			     "task work drains");
	}
}

/*
 * ublk_batch_fetch_tw() in the task of the command, or with tw.cancel
 * elsewhere
 */
static void expand_task_work(struct search *s, const struct state *st, int j)
{
	struct state n = *st;

	n.cmd[j] = C_TAKE;
	if (cmd_task_exiting(st, j)) {
		n.cmd[j] = C_END;
		cancel_session(&n);
	}
	search_edge(s, &n, "task work", EDGE_OWN);
}

static void expand_cmd(struct search *s, const struct state *st, int j)
{
	switch (st->cmd[j]) {
	case C_USER:
		expand_fetch(s, st, j);
		break;
	case C_ACTIVE:
		expand_task_work(s, st, j);
		break;
	case C_TAKE:
		expand_take(s, st, j);
		break;
	case C_SEND:
		expand_send(s, st, j);
		break;
	case C_PREPARE:
		expand_prepare(s, st, j);
		break;
	case C_POST: {
		struct state n = *st;

		n.cmd[j] = C_UNDO;
		search_edge(s, &n, "task work cannot post", EDGE_WORLD);
		n.cmd[j] = C_TAKE;
		n.good = 0;
		search_edge(s, &n, "task work posts", EDGE_OWN);
		break;
	}
	case C_UNDO:
		expand_undo(s, st, j);
		break;
	case C_END:
	case C_DRAIN:
		expand_end(s, st, j);
		break;
	}
}

/* io_uring calls ublk_cancel_fetch() until the command is completed. */
static void expand_cancel_begin(struct search *s, const struct state *st)
{
	struct state other = *st;
	int j;

	other.cancel = K_BEGIN;
	other.cancel_cmd = NOBODY;
	if (scene->ring && st->proc == PROC_ALIVE)
		search_edge(s, &other, "ring of other queue cancels",
			    EDGE_WORLD);

	for (j = 0; j < scene->nr_cmds; j++) {
		struct state n = *st;
		bool dying = st->proc == PROC_EXITING && st->cmd[j] == C_WAIT;

		if (st->cmd[j] != C_WAIT &&
		    (st->cmd[j] != C_ACTIVE || broken != BREAK_CANCEL_ACTIVE))
			continue;
		if (!dying && !scene->ring)
			continue;
		n.cancel = K_BEGIN;
		n.cancel_cmd = j;
		search_edge(s, &n, "ring cancels",
			    dying ? EDGE_OWN : EDGE_WORLD);
	}
}

/* ublk_cancel_fetch() */
static void expand_cancel(struct search *s, const struct state *st)
{
	int j = st->cancel_cmd;
	struct state n = *st;

	switch (st->cancel) {
	case K_IDLE:
		expand_cancel_begin(s, st);
		break;
	case K_BEGIN:
		n.cancel = st->canceled || broken == BREAK_CANCEL_BLIND ?
			   K_TAKE : K_BEGIN_DRAIN;
		cancel_session(&n);
		search_edge(s, &n, "cancel closes gate", EDGE_OWN);
		break;
	case K_BEGIN_DRAIN:
		expand_drain(s, st, PC(cancel), K_TAKE, OWNER_FILE,
			     "cancel drains");
		break;
	case K_TAKE:
		n.cancel = K_DRAIN;
		if (j == NOBODY) {
			n.cancel = K_IDLE;
			n.cancel_cmd = 0;
		} else if (st->cmd[j] == C_WAIT ||
			   (broken == BREAK_CANCEL_ACTIVE &&
			    st->cmd[j] == C_ACTIVE)) {
			n.cmd[j] = C_RING;
			n.cancel = K_DONE;
		}
		search_edge(s, &n, "cancel completes command", EDGE_OWN);
		break;
	case K_DONE:
		n.cmd[j] = C_USER;
		n.cancel = K_DRAIN;
		search_edge(s, &n, "cancel: ENODEV", EDGE_OWN);
		break;
	case K_DRAIN:
		n.cancel_cmd = 0;
		expand_drain(s, &n, PC(cancel), K_IDLE, OWNER_FILE,
			     "cancel drains again");
		break;
	}
}

#endif
