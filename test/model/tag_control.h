/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of STOP_DEV, QUIESCE_DEV and the end of a session in the model of
 * tag.c, beside those of control.h and quiesce.h: cancel.c, quiesce.c and
 * server.c of the driver.
 */
#ifndef UBLK_TEST_TAG_CONTROL_H
#define UBLK_TEST_TAG_CONTROL_H

#include "tag_state.h"

static bool all_ended(const struct state *st)
{
	return st->req == REQ_NONE;
}

static void remove_disk(struct state *st)
{
	st->dev = UBLK_S_DEV_DEAD;
}

/* ublk_cancel_armed() */
static void expand_stop_take(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->stop) {
	case S_TAKE:
		n.stop = S_END;
		if (st->tag != UBLK_TAG_REDIRECTED &&
		    tag_next(st, UBLK_EV_CANCEL) == UBLK_TAG_CANCELED) {
			n.tag = UBLK_TAG_CANCELED;
			n.cmd = CMD_STOP;
			n.stop = S_DONE;
		}
		search_edge(s, &n, "stop cancels command", EDGE_OWN);
		break;
	case S_DONE:
		n.cmd = CMD_SERVER;
		n.stop = S_END;
		search_edge(s, &n, "stop: ENODEV", EDGE_OWN);
		break;
	}
}

static bool queue_idle(const struct state *st)
{
	return st->tag == UBLK_TAG_ARMED || st->tag == UBLK_TAG_CANCELED;
}

/* ublk_cancel_armed(); it runs again for commands that are armed later. */
static void quiesce_take(struct state *st)
{
	st->quiescing = Z_DONE;
	if (st->tag != UBLK_TAG_REDIRECTED &&
	    tag_next(st, UBLK_EV_CANCEL) == UBLK_TAG_CANCELED) {
		st->tag = UBLK_TAG_CANCELED;
		st->cmd = CMD_QUIESCE;
	} else if (st->tag != UBLK_TAG_EMPTY && st->tag != UBLK_TAG_CANCELED) {
		st->rearmed = broken != BREAK_NO_REARM;
	}
}

/* ublk_cancel_armed() */
static void expand_quiesce_take(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->quiescing) {
	case Z_TAKE:
		quiesce_take(&n);
		search_edge(s, &n, "quiesce cancels command", EDGE_OWN);
		break;
	case Z_DONE:
		if (st->cmd == CMD_QUIESCE)
			n.cmd = CMD_SERVER;
		n.mutex = MUTEX_FREE;
		n.quiescing = Z_IDLE;
		search_edge(s, &n, "quiesce: ENODEV", EDGE_OWN);
		break;
	}
}

/* ublk_quiesce_undo() */
static void quiesce_undo(struct state *st)
{
	st->quiescing = Z_IDLE;
	st->quiesce = QUIESCE_NONE;
	if (broken == BREAK_NO_UNDO)
		return;
	if (!st->canceled && st->server == UBLK_SERVER_READY)
		st->cond[0] = 0;
	kick(st);
}

static void expand_quiesce(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->quiescing) {
	case Z_IDLE:
		expand_quiesce_begin(s, st);
		break;
	case Z_WAIT:
		quiesce_undo(&n);
		search_edge(s, &n, "quiesce times out", EDGE_WORLD);
		n = *st;
		n.quiescing = Z_LOCK;
		if (quiesce_may_take(st))
			search_edge(s, &n, "quiesce may take", EDGE_OWN);
		break;
	case Z_LOCK:
		quiesce_undo(&n);
		search_edge(s, &n, "quiesce is interrupted", EDGE_WORLD);
		if (st->mutex != MUTEX_FREE)
			break;
		n = *st;
		n.quiescing = Z_IDLE;
		if (st->quiesce == QUIESCE_WAITING) {
			n.mutex = MUTEX_QUIESCE;
			n.quiesce = QUIESCE_ANSWERING;
			n.quiescing = Z_TAKE;
		}
		search_edge(s, &n, "quiesce gets mutex", EDGE_OWN);
		break;
	default:
		expand_quiesce_take(s, st);
		break;
	}
}

/* ublk_quiesce_work(); it has no effect while the server owns the request. */
static void expand_quiesce_work(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (!st->rearmed || st->mutex != MUTEX_FREE || st->quiescing != Z_IDLE)
		return;
	n.rearmed = 0;
	if (st->quiesce == QUIESCE_ANSWERING) {
		if (ublk_tag_is_owned(st->tag) || st->tag == UBLK_TAG_QUEUED ||
		    st->tag == UBLK_TAG_REDIRECTED)
			return;
		n.mutex = MUTEX_QUIESCE;
		n.quiescing = Z_TAKE;
	}
	search_edge(s, &n, "quiesce work", EDGE_OWN);
}

/* ublk_cancel_requests() */
static void expand_exit_request(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next = tag_next(st, UBLK_EV_GONE);

	if (next < 0) {
		search_bad(s, "the session ends while the driver has a command");
		return;
	}
	n.tag = next;
	n.exit = E_FILES;
	if (ublk_tag_is_owned(st->tag)) {
		n.req = REQ_EXIT;
		n.exit = E_END;
	}
	search_edge(s, &n, "exit empties tag", EDGE_OWN);
}

/* ublk_server_gone() with the mutex */
static void expand_exit_gone(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next = ublk_device_next(st->dev, UBLK_DEV_EV_SERVER_GONE, policy);

	if (st->mutex != MUTEX_FREE)
		return;
	n.mutex = MUTEX_EXIT;
	n.exit = E_RESET;
	if (broken == BREAK_EXIT_LOCKS && st->tag != UBLK_TAG_EMPTY) {
		n.mutex = MUTEX_FREE;
		n.exit = E_CLOSE;
	} else if (next != st->dev && next == UBLK_S_DEV_DEAD) {
		n.exit = E_ABORT;
	} else if (next != st->dev) {
		n.dev = next;
		if (next == UBLK_S_DEV_FAIL_IO)
			close_queues(&n, UBLK_COND_FAILING);
	}
	search_edge(s, &n, "exit gets mutex", EDGE_OWN);
}

static void expand_exit(struct search *s, const struct state *st)
{
	struct state n = *st;

	n.exit = st->exit + 1;
	switch (st->exit) {
	case E_CLOSE:
		if (st->dev != UBLK_S_DEV_DEAD)
			close_queues(&n, UBLK_COND_CANCELING);
		/* so quiesce_undo() does not open it again */
		if (broken != BREAK_UNDO_LATE)
			n.canceled = 1;
		search_edge(s, &n, "exit closes gate", EDGE_OWN);
		break;
	case E_REQS:
		expand_exit_request(s, st);
		break;
	case E_END:
		n.req = ublk_gate_on_exit(policy, true) == UBLK_GATE_HOLD ?
			REQ_HELD : REQ_NONE;
		search_edge(s, &n, "exit holds or fails", EDGE_OWN);
		break;
	case E_FILES:
		if (st->req != REQ_FILE || broken == BREAK_FILE_OUTLIVES)
			search_edge(s, &n, "exit: no redirected IO", EDGE_OWN);
		break;
	case E_KICK:
		if (st->dev != UBLK_S_DEV_DEAD && broken != BREAK_NO_KICK)
			kick(&n);
		search_edge(s, &n, "exit kicks requeue list", EDGE_OWN);
		break;
	case E_LOCK:
		expand_exit_gone(s, st);
		break;
	case E_ABORT:
		begin_removal(&n);
		search_edge(s, &n, "exit begins removal", EDGE_OWN);
		break;
	case E_WAIT:
		expand_exit_wait(s, st, E_RESET);
		break;
	case E_RESET:
		end_session(&n);
		n.quiesce = QUIESCE_NONE;
		search_edge(s, &n, "exit ends session", EDGE_OWN);
		break;
	}
}

#endif
