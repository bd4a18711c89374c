/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of QUIESCE_DEV that the models of tag.c and batch.c share: quiesce.c of
 * the driver.
 *
 * Included once per model program, after its struct state, of which the steps
 * use the members quiesce and quiescing and those of control.h.
 */
#ifndef UBLK_TEST_QUIESCE_H
#define UBLK_TEST_QUIESCE_H

#include "control.h"

/* ub->quiesce */
enum { QUIESCE_NONE, QUIESCE_WAITING, QUIESCE_ANSWERING };

/*
 * ublk_quiesce_dev() and, from Z_TAKE on, its work item. A model takes the
 * steps from Z_TAKE on that it needs to take the server's commands back.
 */
enum { Z_IDLE, Z_WAIT, Z_LOCK, Z_TAKE, Z_DONE, Z_DRAIN };

/* ublk_quiesce_queue_idle() */
static bool queue_idle(const struct state *st);

/* ublk_quiesce_begin() */
static void expand_quiesce_begin(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (st->mutex != MUTEX_FREE || st->dev != UBLK_S_DEV_LIVE ||
	    st->quiesce != QUIESCE_NONE)
		return;
	n.quiescing = Z_WAIT;
	n.quiesce = QUIESCE_WAITING;
	if (broken != BREAK_QUIESCE_OPEN)
		close_queues(&n, UBLK_COND_CANCELING);
	search_edge(s, &n, "QUIESCE_DEV", EDGE_WORLD);
}

/* ublk_quiesce_may_take() */
static bool quiesce_may_take(const struct state *st)
{
	return st->canceled || st->dev != UBLK_S_DEV_LIVE || queue_idle(st);
}

/* What must not be so when the driver has done all it can by itself. */
static const char *rest_open(const struct state *st)
{
	if (st->dev == UBLK_S_DEV_LIVE && st->server == UBLK_SERVER_READY &&
	    st->quiesce == QUIESCE_NONE && !st->canceled &&
	    !st->stop_pending && queue_gate(st, 0) != UBLK_GATE_GO)
		return "the gate is closed for no reason";
	return NULL;
}

#endif
