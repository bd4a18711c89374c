/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State of the model in tag.c: one tag, its queue, its server, and the step at
 * which each function of the driver is. Wrong variants of the driver, and
 * helpers for the steps.
 */
#ifndef UBLK_TEST_TAG_STATE_H
#define UBLK_TEST_TAG_STATE_H

#include <errno.h>

#include "ktap.h"
#include "search.h"
#include "logic/device.h"
#include "logic/gate_rules.h"
#include "logic/tag.h"

/* for control.h */
enum { HAS_REQUESTS = true, HAS_NODE = false };

/* Which function has the one command of the tag. */
enum { CMD_SERVER, CMD_TAG, CMD_RING, CMD_STOP, CMD_QUIESCE };

/* Where the one request is. */
enum { REQ_NONE, REQ_QUEUE, REQ_TAG, REQ_HELD, REQ_DAEMON, REQ_EXIT, REQ_FILE };

/* ublk_queue_rq() */
enum { Q_IDLE, Q_GATE, Q_CLAIM, Q_POST, Q_LOOK, Q_LOOK_AGAIN, Q_HOLD };

/* What task work or a command does next with the request it took. */
enum { D_IDLE, D_END, D_COMMIT, D_UNDELIVERED, D_HOLD, D_RECHECK };

/* ublk_cancel_cmd() */
enum { R_IDLE, R_TAKE_REDIRECTED, R_TAKE, R_CLOSE_LATE, R_DONE };

/* ublk_redirect_end(), wherever the backing ends its IO */
enum { F_IDLE, F_ARM, F_END };

/* ublk_server_exit_work() */
enum {
	E_IDLE, E_CLOSE, E_REQS, E_END, E_FILES, E_KICK, E_LOCK, E_ABORT, E_WAIT,
	E_RESET
};

struct state {
	u8 tag;			/* enum ublk_tag_state */
	u8 cmd, req, proc;
	u8 task_work;		/* posted, not run */
	u8 cond[1];		/* UBLK_COND_* of the queue */
	u8 canceled;		/* ub->canceled */
	u8 server;		/* enum ublk_server_state */
	u8 dev;			/* UBLK_S_DEV_* */
	u8 stop_pending;
	u8 mutex;
	u8 quiesce;		/* ub->quiesce */
	u8 rearmed;		/* ub->quiesce_work is queued */
	u8 quiescing, queue, recheck, daemon, ring, file, stop, exit;	/* steps */
};

enum {
	BREAK_NONE,
	BREAK_CANCEL_QUEUED,	/* a cancel completes a command that delivers */
	BREAK_CANCEL_FIRST,	/* a cancel closes the gate after the command */
	BREAK_NO_RECHECK,	/* queue_rq holds without a second look */
	BREAK_NO_ABORT,		/* a stop lets requests be held */
	BREAK_NO_KICK,		/* the exit work does not run the requeue list */
	BREAK_FETCH_OWNED,	/* FETCH_REQ of a tag the server owns (D-73) */
	BREAK_UNDELIVERED_HOLDS,	/* a stop lets the undelivered be held */
	BREAK_CLAIM_STORE,	/* a request claims the tag without cmpxchg */
	BREAK_END_FIRST,	/* the request ends before the tag is armed */
	BREAK_EXIT_LOCKS,	/* the exit work ends requests under the mutex */
	BREAK_CANCEL_NEW,	/* a stop cancels commands of a later server */
	BREAK_QUIESCE_OPEN,	/* QUIESCE_DEV leaves the gate open (D-74) */
	BREAK_NO_REARM,		/* it ignores commands armed later (C-99) */
	BREAK_NO_UNDO,		/* EBUSY and EINTR leave it closed (C-98) */
	BREAK_UNDO_LATE,	/* it opens a gate that the exit work closed */
	BREAK_FILE_STORE,	/* the end of redirected IO arms a canceled tag */
	BREAK_FILE_END_FIRST,	/* it ends the request before it arms the tag */
	BREAK_FILE_KEEPS_CMD,	/* a cancel leaves the command until the IO ends */
	BREAK_FILE_OUTLIVES,	/* the session ends before redirected IO (E-52) */
	NR_BREAKS,

	/* control.h names these; other models search them */
	BREAK_ABORT_STAYS, BREAK_NO_MARK, BREAK_NO_FAILING, BREAK_FAILING_ONCE
};

/* here, as its steps use struct state */
#include "quiesce.h"

static int tag_next(const struct state *st, enum ublk_tag_event event)
{
	if (broken == BREAK_CANCEL_QUEUED && event == UBLK_EV_CANCEL &&
	    st->tag == UBLK_TAG_QUEUED)
		return UBLK_TAG_CANCELED;
	return ublk_tag_next(st->tag, event);
}

/* blk_mq_kick_requeue_list() */
static void kick(struct state *st)
{
	if (st->req == REQ_HELD) {
		st->req = REQ_QUEUE;
		st->queue = Q_GATE;
	}
}

#endif
