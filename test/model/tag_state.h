/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State of the model in tag.c: one tag, its queue, its server, and where each of
 * the driver's functions has got to; wrong variants of the driver; and the few
 * helpers that steps of different files share.
 */
#ifndef UBLK_TEST_TAG_STATE_H
#define UBLK_TEST_TAG_STATE_H

#include <errno.h>

#include "ktap.h"
#include "search.h"
#include "logic/device.h"
#include "logic/tag.h"

/* for control.h */
enum { HAS_REQUESTS = true, HAS_NODE = false };

/* Who has the one command of the tag. */
enum { CMD_SERVER, CMD_TAG, CMD_RING, CMD_STOP, CMD_QUIESCE };

/* Where the one request is. */
enum { REQ_NONE, REQ_QUEUE, REQ_TAG, REQ_HELD, REQ_DAEMON, REQ_EXIT };

/* ublk_queue_rq() */
enum { Q_IDLE, Q_GATE, Q_CLAIM, Q_POST, Q_LOOK, Q_LOOK_AGAIN, Q_HOLD };

/* What task work or a command does with the request it has in hand. */
enum { D_IDLE, D_END, D_COMMIT, D_UNDELIVERED, D_HOLD, D_RECHECK };

/* ublk_cancel_cmd() */
enum { R_IDLE, R_TAKE, R_CLOSE_LATE, R_DONE };

/* ublk_server_exit_work() */
enum {
	E_IDLE, E_CLOSE, E_REQS, E_END, E_KICK, E_LOCK, E_ABORT, E_WAIT, E_RESET
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
	u8 rearmed;		/* its work item is queued */
	u8 quiescing;		/* where QUIESCE_DEV is */
	u8 queue, recheck, daemon, ring, stop, exit;	/* where each is */
};

enum {
	BREAK_NONE,
	BREAK_CANCEL_QUEUED,	/* a cancel takes a command on its way */
	BREAK_CANCEL_FIRST,	/* the gate is closed after the command is taken */
	BREAK_NO_RECHECK,	/* queue_rq holds without looking again */
	BREAK_NO_ABORT,		/* a stop lets requests be held */
	BREAK_NO_KICK,		/* the exit work leaves held requests alone */
	BREAK_FETCH_OWNED,	/* D-73: FETCH_REQ of a tag the server owns */
	BREAK_UNDELIVERED_HOLDS,	/* a stop does not keep undelivered requests from being held */
	BREAK_CLAIM_STORE,	/* a request claims the tag without cmpxchg */
	BREAK_END_FIRST,	/* the request ends before the tag is armed */
	BREAK_EXIT_LOCKS,	/* the exit work ends requests under the mutex */
	BREAK_CANCEL_NEW,	/* a stop cancels a server that came after it */
	BREAK_QUIESCE_OPEN,	/* D-74: QUIESCE_DEV leaves the gate open */
	BREAK_NO_REARM,		/* C-99: commands armed later are left alone */
	BREAK_NO_UNDO,		/* C-98: after EBUSY and EINTR the gate stays */
	BREAK_UNDO_LATE,	/* QUIESCE_DEV opens what the exit work closed */
	NR_BREAKS,

	/* control.h names these; other models search them */
	BREAK_ABORT_STAYS, BREAK_NO_MARK, BREAK_NO_FAILING, BREAK_FAILING_ONCE
};

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
