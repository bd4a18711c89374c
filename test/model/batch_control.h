/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of START_DEV, STOP_DEV, QUIESCE_DEV and the end of a session in the model
 * of batch.c: disk.c, stop.c, quiesce.c, cancel.c and server.c of the driver.
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

/* The head of ublk_disk_remove(). */
static void begin_removal(struct state *st)
{
	if (st->cond & UBLK_COND_CANCELING)
		close_queue(st, UBLK_COND_ABORTING);
	kick(st);
}

/* ublk_batch_fetch_close(): one waiting command, or the drain at its end. */
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

static void expand_stop(struct search *s, const struct state *st)
{
	struct state n = *st;

	n.stop = st->stop + 1;
	switch (st->stop) {
	case S_IDLE:
		if (!scene->stop)
			break;
		n.stop_pending = 1;
		search_edge(s, &n, "STOP_DEV", EDGE_WORLD);
		break;
	case S_LOCK:
		if (st->mutex != MUTEX_FREE)
			break;
		n.mutex = MUTEX_STOP;
		if (st->dev == UBLK_S_DEV_DEAD)
			n.stop = S_MARK;
		search_edge(s, &n, "stop gets mutex", EDGE_OWN);
		break;
	case S_GATE:
		begin_removal(&n);
		search_edge(s, &n, "stop begins removal", EDGE_OWN);
		break;
	case S_WAIT:
		if (!all_ended(st))
			break;
		n.dev = ublk_device_next(st->dev, UBLK_DEV_EV_STOP, policy);
		search_edge(s, &n, "stop: disk is gone", EDGE_OWN);
		break;
	case S_MARK:
		n.server = ublk_server_next(st->server, UBLK_SERVER_EV_STOP);
		if (n.server != UBLK_SERVER_STOPPING)
			n.stop = S_END;
		search_edge(s, &n, "stop: server stopping", EDGE_OWN);
		break;
	case S_CLOSE:
		n.stop = S_DRAIN;
		if (close_one(&n, &n.stop_cmd, C_STOP))
			n.stop = S_DONE;
		search_edge(s, &n, "stop closes", EDGE_OWN);
		break;
	case S_DONE:
		n.cmd[st->stop_cmd] = C_USER;
		n.stop_cmd = 0;
		n.stop = S_CLOSE;
		search_edge(s, &n, "stop: ENODEV", EDGE_OWN);
		break;
	case S_DRAIN:
		expand_drain(s, st, PC(stop), S_END, OWNER_STOP, "stop drains");
		break;
	case S_END:
		n.stop = S_IDLE;
		n.stop_pending = 0;
		n.mutex = MUTEX_FREE;
		search_edge(s, &n, "stop ends", EDGE_OWN);
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
		st->cond = 0;
	if (st->dev != UBLK_S_DEV_DEAD)
		kick(st);
}

/* ublk_quiesce_may_take() */
static bool quiesce_may_take(const struct state *st)
{
	int i;

	if (st->canceled || st->dev != UBLK_S_DEV_LIVE)
		return true;
	for (i = 0; i < scene->nr_tags; i++) {
		if (st->tag[i] == UBLK_TAG_ARMED)
			return true;
	}
	return false;
}

static void expand_quiesce(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->quiescing) {
	case Z_IDLE:
		if (st->mutex != MUTEX_FREE || st->dev != UBLK_S_DEV_LIVE ||
		    st->quiesce != QUIESCE_NONE || !scene->quiesce)
			break;
		n.quiescing = Z_WAIT;
		n.quiesce = QUIESCE_WAITING;
		close_queue(&n, UBLK_COND_CANCELING);
		search_edge(s, &n, "QUIESCE_DEV", EDGE_WORLD);
		break;
	case Z_WAIT:
		quiesce_undo(&n);
		search_edge(s, &n, "quiesce times out", EDGE_WORLD);
		if (!quiesce_may_take(st))
			break;
		n = *st;
		n.quiescing = Z_LOCK;
		if (st->quiesce == QUIESCE_WAITING)
			n.quiesce = QUIESCE_ANSWERING;
		search_edge(s, &n, "quiesce may take", EDGE_OWN);
		break;
	case Z_LOCK:
		if (st->mutex != MUTEX_FREE)
			break;
		n.quiescing = Z_IDLE;
		if (st->quiesce == QUIESCE_ANSWERING) {
			n.mutex = MUTEX_QUIESCE;
			n.quiescing = Z_CLOSE;
		}
		search_edge(s, &n, "quiesce gets mutex", EDGE_OWN);
		break;
	case Z_CLOSE:
		n.quiescing = Z_DRAIN;
		if (close_one(&n, &n.quiesce_cmd, C_QUIESCE))
			n.quiescing = Z_DONE;
		search_edge(s, &n, "quiesce closes", EDGE_OWN);
		break;
	case Z_DONE:
		n.cmd[st->quiesce_cmd] = C_USER;
		n.quiesce_cmd = 0;
		n.quiescing = Z_CLOSE;
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

/* ublk_cancel_requests(), tag by tag */
static void expand_exit_tag(struct search *s, const struct state *st)
{
	int i = st->exit_tag;
	struct state n = *st;
	int next;

	if (in_hands(st, OWNER_EXIT))
		return;
	if (i == scene->nr_tags) {
		n.exit = E_KICK;
		n.exit_tag = 0;
		search_edge(s, &n, "exit is through", EDGE_OWN);
		return;
	}
	next = ublk_tag_next(st->tag[i], UBLK_EV_GONE_BATCH);
	if (broken == BREAK_KEEP_FIFO && next == UBLK_TAG_QUEUED)
		next = UBLK_TAG_EMPTY;
	if (next < 0) {
		search_bad(s, "the session ends while a commit has a tag");
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

/* ublk_server_gone(), with the mutex */
static void expand_exit_gone(struct search *s, const struct state *st)
{
	int next = ublk_device_next(st->dev, UBLK_DEV_EV_SERVER_GONE, policy);
	struct state n = *st;

	n.exit = E_RESET;
	if (next == UBLK_S_DEV_DEAD) {
		if (st->dev != UBLK_S_DEV_DEAD) {
			begin_removal(&n);
			n.exit = E_WAIT;
		}
	} else {
		n.dev = next;
		if (next == UBLK_S_DEV_FAIL_IO)
			close_queue(&n, UBLK_COND_FAILING);
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
		n.tag[i] = UBLK_TAG_EMPTY;
	}
	if (st->nr_fifo)
		search_bad(s, "the session ends while a tag is queued");
	n.closed = 0;
	n.canceled = 0;
	n.lame = 0;
	n.quiesce = QUIESCE_NONE;
	n.nr_fetched = 0;
	n.server = ublk_server_next(st->server, UBLK_SERVER_EV_RESET);
	n.mutex = MUTEX_FREE;
	n.proc = PROC_NONE;
	n.exit = E_IDLE;
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
			close_queue(&n, UBLK_COND_CANCELING);
		for (i = 0; i < scene->nr_tags; i++) {
			if (st->queue[i] != Q_IDLE)
				n.in_rcu |= 1 << i;
		}
		if (st->drains)
			n.in_rcu |= DRAINS;
		if (broken == BREAK_NO_RCU)
			n.in_rcu = 0;
		search_edge(s, &n, "exit closes", EDGE_OWN);
		break;
	case E_RCU:
		for (i = 0; i < scene->nr_tags; i++) {
			if (st->queue[i] == Q_IDLE)
				n.in_rcu &= ~(1 << i);
		}
		if (!st->drains)
			n.in_rcu &= ~DRAINS;
		if (!n.in_rcu)
			search_edge(s, &n, "exit has waited", EDGE_OWN);
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
		if (!all_ended(st))
			break;
		n.dev = UBLK_S_DEV_DEAD;
		search_edge(s, &n, "exit: disk is gone", EDGE_OWN);
		break;
	case E_RESET:
		expand_exit_reset(s, st);
		break;
	}
}

/* START_DEV and END_USER_RECOVERY, with the server ready */
static void expand_start(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next;

	if (st->start == W_LIVE) {
		n.start = W_IDLE;
		n.mutex = MUTEX_FREE;
		n.dev = UBLK_S_DEV_LIVE;
		/* ublk_server_live() */
		if (!st->stop_pending)
			n.cond &= ~UBLK_COND_ABORTING;
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
	n = *st;
	next = ublk_device_next(st->dev, UBLK_DEV_EV_END_RECOVERY, policy);
	if (next >= 0) {
		n.dev = next;
		kick(&n);
		search_edge(s, &n, "END_USER_RECOVERY", EDGE_WORLD);
	}
}

#endif
