/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of START_DEV, STOP_DEV, QUIESCE_DEV and the end of a session in the
 * model of batch.c, beside those of control.h and quiesce.h: disk.c, cancel.c,
 * quiesce.c and server.c of the driver.
 */
#ifndef UBLK_TEST_BATCH_CONTROL_H
#define UBLK_TEST_BATCH_CONTROL_H

#include "batch_state.h"

static bool all_ended(const struct state *st)
{
	int i;

	for (i = 0; i < scene->nr_tags; i++) {
		if (st->req[i] != REQ_NONE)
			return false;
	}
	return true;
}

static void remove_disk(struct state *st)
{
	st->dev = UBLK_S_DEV_DEAD;
}

/*
 * ublk_batch_fetch_close(): completes a waiting command, false if none waits.
 */
static bool close_one(struct state *st, u8 *holder, u8 mine)
{
	int j;

	st->closed = 1;
	for (j = 0; j < scene->nr_cmds; j++) {
		if (st->cmd[j] != C_WAIT)
			continue;
		st->cmd[j] = mine;
		*holder = j;
		return true;
	}
	return false;
}

/* ublk_cancel_armed() */
static void expand_stop_take(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->stop) {
	case S_TAKE:
		n.stop = S_DRAIN;
		if (close_one(&n, &n.stop_cmd, C_STOP))
			n.stop = S_DONE;
		search_edge(s, &n, "stop closes queue", EDGE_OWN);
		break;
	case S_DONE:
		n.cmd[st->stop_cmd] = C_USER;
		n.stop_cmd = 0;
		n.stop = S_TAKE;
		search_edge(s, &n, "stop: ENODEV", EDGE_OWN);
		break;
	case S_DRAIN:
		expand_drain(s, st, PC(stop), S_END, OWNER_STOP, "stop drains");
		break;
	}
}

static bool queue_idle(const struct state *st)
{
	int i;

	for (i = 0; i < scene->nr_tags; i++) {
		if (st->tag[i] == UBLK_TAG_ARMED)
			return true;
	}
	return false;
}

/* ublk_cancel_armed() */
static void expand_quiesce_take(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->quiescing) {
	case Z_TAKE:
		n.quiescing = Z_DRAIN;
		if (close_one(&n, &n.quiesce_cmd, C_QUIESCE))
			n.quiescing = Z_DONE;
		search_edge(s, &n, "quiesce closes queue", EDGE_OWN);
		break;
	case Z_DONE:
		n.cmd[st->quiesce_cmd] = C_USER;
		n.quiesce_cmd = 0;
		n.quiescing = Z_TAKE;
		search_edge(s, &n, "quiesce: ENODEV", EDGE_OWN);
		break;
	case Z_DRAIN:
		if (in_hands(st, OWNER_QUIESCE))
			break;
		if (!drain(&n, OWNER_QUIESCE)) {
			n.quiescing = Z_IDLE;
			n.mutex = MUTEX_FREE;
		}
		search_edge(s, &n, "quiesce drains", EDGE_OWN);
		break;
	}
}

/* ublk_quiesce_undo() */
static void quiesce_undo(struct state *st)
{
	st->quiescing = Z_IDLE;
	if (st->quiesce != QUIESCE_WAITING)
		return;
	st->quiesce = QUIESCE_NONE;
	if (!st->canceled && st->server == UBLK_SERVER_READY)
		st->cond[0] = 0;
	if (st->dev != UBLK_S_DEV_DEAD)
		kick(st);
}

/* ublk_quiesce_wait() ends. */
static void expand_quiesce_wait(struct search *s, const struct state *st)
{
	struct state n = *st;

	quiesce_undo(&n);
	search_edge(s, &n, "quiesce times out", EDGE_WORLD);
	if (!quiesce_may_take(st))
		return;
	n = *st;
	n.quiescing = Z_LOCK;
	if (st->quiesce == QUIESCE_WAITING)
		n.quiesce = QUIESCE_ANSWERING;
	search_edge(s, &n, "quiesce may take", EDGE_OWN);
}

static void expand_quiesce(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->quiescing) {
	case Z_IDLE:
		expand_quiesce_begin(s, st);
		break;
	case Z_WAIT:
		expand_quiesce_wait(s, st);
		break;
	case Z_LOCK:
		if (st->mutex != MUTEX_FREE)
			break;
		n.quiescing = Z_IDLE;
		if (st->quiesce == QUIESCE_ANSWERING) {
			n.mutex = MUTEX_QUIESCE;
			n.quiescing = Z_TAKE;
		}
		search_edge(s, &n, "quiesce gets mutex", EDGE_OWN);
		break;
	default:
		expand_quiesce_take(s, st);
		break;
	}
}

/* ublk_cancel_requests(), for one tag */
static void expand_exit_tag(struct search *s, const struct state *st)
{
	int i = st->exit_tag;
	struct state n = *st;
	int next;

	if (in_hands(st, OWNER_EXIT))
		return;
	if (i == scene->nr_tags) {
		n.exit = E_FILES;
		n.exit_tag = 0;
		search_edge(s, &n, "exit: all tags empty", EDGE_OWN);
		return;
	}
	if (st->tag[i] == UBLK_TAG_REDIRECTED) {
		n.exit_tag++;
		if (broken == BREAK_FILE_EMPTIED)
			n.tag[i] = UBLK_TAG_EMPTY;
		search_edge(s, &n, "exit leaves redirected tag", EDGE_OWN);
		return;
	}
	next = ublk_tag_next(st->tag[i], UBLK_EV_GONE_BATCH);
	if (broken == BREAK_KEEP_FIFO && next == UBLK_TAG_QUEUED)
		next = UBLK_TAG_EMPTY;
	if (next < 0) {
		search_bad(s, "the session ends while a tag is claimed");
		return;
	}
	if (st->tag[i] != UBLK_TAG_EMPTY && st->unwritten[i]) {
		search_bad(s, "the session ends before io->req is written");
		return;
	}
	n.exit_tag++;
	n.tag[i] = next;
	if (ublk_tag_is_owned(st->tag[i]) || next != st->tag[i]) {
		if (st->req[i] == REQ_SERVER || st->req[i] == REQ_FIFO)
			take_request(&n, i, OWNER_EXIT, HAND_GONE);
	}
	search_edge(s, &n, "exit empties tag", EDGE_OWN);
}

/* ublk_server_gone() with the mutex */
static void expand_exit_gone(struct search *s, const struct state *st)
{
	struct state n = *st;

	n.exit = E_RESET;
	if (server_gone(&n)) {
		begin_removal(&n);
		n.exit = E_WAIT;
	}
	search_edge(s, &n, "exit: server is gone", EDGE_OWN);
}

/* ublk_server_reset() */
static void expand_exit_reset(struct search *s, const struct state *st)
{
	struct state n = *st;
	int i, j;

	for (j = 0; j < scene->nr_cmds; j++) {
		if (st->cmd[j] != C_USER)
			search_bad(s, "the session ends while a command is left");
	}
	for (i = 0; i < scene->nr_tags; i++) {
		if (st->req[i] != REQ_NONE && st->req[i] != REQ_HELD &&
		    st->req[i] != REQ_QUEUE)
			search_bad(s, "the session ends while a request is left");
		if (ublk_tag_next(st->tag[i], UBLK_EV_GONE_BATCH) < 0)
			search_bad(s, "the session ends while a tag is redirected");
		n.tag[i] = UBLK_TAG_EMPTY;
	}
	if (st->nr_fifo)
		search_bad(s, "the session ends while a tag is queued");
	n.closed = 0;
	n.lame = 0;
	n.quiesce = QUIESCE_NONE;
	n.nr_fetched = 0;
	end_session(&n);
	search_edge(s, &n, "exit resets", EDGE_OWN);
}

static void expand_exit(struct search *s, const struct state *st)
{
	struct state n = *st;
	int i;

	n.exit = st->exit + 1;
	switch (st->exit) {
	case E_CLOSE:
		n.canceled = 1;
		if (st->dev != UBLK_S_DEV_DEAD ||
		    (st->server == UBLK_SERVER_READY &&
		     broken != BREAK_READY_OPEN))
			close_queues(&n, UBLK_COND_CANCELING);
		for (i = 0; i < scene->nr_tags; i++) {
			if (st->queue[i] != Q_IDLE)
				n.in_rcu |= 1 << i;
		}
		if (st->drains)
			n.in_rcu |= DRAINS;
		if (broken == BREAK_NO_RCU)
			n.in_rcu = 0;
		search_edge(s, &n, "exit closes gate", EDGE_OWN);
		break;
	case E_RCU:
		for (i = 0; i < scene->nr_tags; i++) {
			if (st->queue[i] == Q_IDLE)
				n.in_rcu &= ~(1 << i);
		}
		if (!st->drains)
			n.in_rcu &= ~DRAINS;
		if (!n.in_rcu)
			search_edge(s, &n, "exit: synchronize_rcu()", EDGE_OWN);
		break;
	case E_DRAIN:
		if (broken == BREAK_KEEP_FIFO)
			search_edge(s, &n, "exit keeps fifo", EDGE_OWN);
		else
			expand_drain(s, st, PC(exit), E_TAGS, OWNER_EXIT,
				     "exit drains");
		break;
	case E_TAGS:
		expand_exit_tag(s, st);
		break;
	case E_FILES:
		for (i = 0; i < scene->nr_tags; i++) {
			if (st->req[i] == REQ_FILE || st->file[i] != F_IDLE)
				break;
		}
		/* ublk_file_end_session() */
		if (i == scene->nr_tags || broken == BREAK_FILE_OUTLIVES)
			search_edge(s, &n, "exit: no redirected IO", EDGE_OWN);
		break;
	case E_KICK:
		if (st->dev != UBLK_S_DEV_DEAD)
			kick(&n);
		search_edge(s, &n, "exit kicks", EDGE_OWN);
		break;
	case E_LOCK:
		if (st->mutex != MUTEX_FREE)
			break;
		n.mutex = MUTEX_EXIT;
		search_edge(s, &n, "exit gets mutex", EDGE_OWN);
		break;
	case E_GONE:
		expand_exit_gone(s, st);
		break;
	case E_WAIT:
		expand_exit_wait(s, st, E_RESET);
		break;
	case E_RESET:
		expand_exit_reset(s, st);
		break;
	}
}

/* START_DEV and END_USER_RECOVERY with a ready server */
static void expand_start(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next;

	if (st->start == W_LIVE) {
		n.start = W_IDLE;
		n.mutex = MUTEX_FREE;
		n.dev = UBLK_S_DEV_LIVE;
		end_aborting(&n);
		search_edge(s, &n, "START_DEV adds disk", EDGE_OWN);
		return;
	}
	if (st->mutex != MUTEX_FREE || st->server != UBLK_SERVER_READY)
		return;
	next = ublk_device_next(st->dev, UBLK_DEV_EV_START, policy);
	if (next >= 0) {
		n.start = W_LIVE;
		n.mutex = MUTEX_START;
		search_edge(s, &n, "START_DEV", EDGE_WORLD);
	}
	expand_end_recovery(s, st);
}

#endif
