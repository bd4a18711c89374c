/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State of the model in batch.c: the tags of one queue, its fifo, its fetch
 * commands, its server, and the step at which each function of the driver is.
 * Wrong variants of the driver, and helpers for the steps.
 */
#ifndef UBLK_TEST_BATCH_STATE_H
#define UBLK_TEST_BATCH_STATE_H

#include <errno.h>

#include "ktap.h"
#include "search.h"
#include "logic/device.h"
#include "logic/gate_rules.h"
#include "logic/tag.h"

/* for control.h */
enum { HAS_REQUESTS = true, HAS_NODE = false };

#define MAX_TAGS	2
#define MAX_CMDS	2
#define MAX_THREADS	2	/* that commit */

/*
 * A search with all of this would have too many states. Each scene is searched
 * completely; the first step of a printed way is the name of its scene.
 */
static const struct scene {
	const char *name;
	u8 nr_tags, nr_cmds, nr_threads;
	bool stop, quiesce, lame, ring, redirect;
} scenes[] = {
	{ "order of tags", 2, 1, 1, .stop = false },
	{ "two commands", 1, 2, 1, .lame = true, .ring = true },
	{ "two commits", 1, 1, 2, .stop = false },
	{ "stop", 1, 1, 1, .stop = true, .ring = true },
	{ "quiesce", 1, 1, 1, .stop = true, .quiesce = true },
	{ "redirect", 1, 1, 2, .redirect = true },
	{ "redirect and stop", 1, 1, 1, .stop = true, .ring = true, .redirect = true },
	{ "redirect and quiesce", 1, 1, 1, .stop = true, .quiesce = true,
	  .redirect = true },
};

/*
 * Where the request of a tag is: in ublk_queue_rq(), in the fifo, with the
 * fetch command that delivers, with the server, with a commit, with a function
 * that ends or holds it (an undo is one), on the requeue list, with a registered file.
 */
enum {
	REQ_NONE, REQ_QUEUE, REQ_FIFO, REQ_CMD, REQ_SERVER, REQ_COMMIT,
	REQ_HAND, REQ_HELD, REQ_FILE
};

/* The owner of a request in REQ_HAND, and what it does next. */
enum {
	OWNER_NONE, OWNER_FILE, OWNER_QUEUE, OWNER_STOP, OWNER_QUIESCE,
	OWNER_EXIT
};

enum {
	HAND_NONE,
	HAND_POPPED,		/* to be armed and requeued */
	HAND_UNDELIVERED,	/* to be held or failed */
	HAND_REQUEUE,		/* to be requeued */
	HAND_END,		/* ended by a commit */
	HAND_GONE		/* held or failed by the exit work */
};

/* ublk_queue_rq(), for each tag */
enum { Q_IDLE, Q_GATE, Q_CLAIM, Q_WRITE, Q_POST, Q_LOOK, Q_HOLD };

/*
 * A fetch command: the server has it, it waits, its task work is posted; the
 * steps of its task work; the ring, a stop or a quiesce completes it.
 */
enum {
	C_USER, C_WAIT, C_ACTIVE,
	C_TAKE, C_SEND, C_PREPARE, C_POST, C_UNDO, C_END, C_NEXT, C_DRAIN,
	C_RING, C_STOP, C_QUIESCE
};

/* ublk_redirect_end(), wherever the backing ends its IO, for each tag */
enum { F_IDLE, F_ARM, F_END };

/* ublk_batch_commit_one() or ublk_redirect_one() of a thread */
enum { T_IDLE, T_SAW, T_CLAIMED };

/* ublk_cancel_fetch() */
enum { K_IDLE, K_BEGIN, K_BEGIN_DRAIN, K_TAKE, K_DONE, K_DRAIN };

/* ublk_server_exit_work() */
enum {
	E_IDLE, E_CLOSE, E_RCU, E_DRAIN, E_TAGS, E_FILES, E_KICK, E_LOCK, E_GONE,
	E_WAIT, E_RESET
};

/* START_DEV between its last check and the disk */
enum { W_IDLE, W_LIVE };

/* fq->active */
#define NOBODY	0xff

struct state {
	u8 scene;		/* one more than its place in scenes */
	u8 tag[MAX_TAGS];	/* enum ublk_tag_state */
	u8 req[MAX_TAGS];
	u8 unwritten[MAX_TAGS];	/* io->req is not this request yet */
	u8 queue[MAX_TAGS];
	u8 file[MAX_TAGS];
	u8 owner[MAX_TAGS], hand[MAX_TAGS];
	u8 fifo[MAX_TAGS], nr_fifo;
	u8 cmd[MAX_CMDS];
	u8 active;
	u8 lame;		/* the task of command 0 has exited */
	u8 good;		/* mask: tags that the active command prepared */
	u8 thread[MAX_THREADS], thread_tag[MAX_THREADS];
	u8 cancel, cancel_cmd;
	u8 stop, stop_cmd, quiescing, quiesce_cmd, exit, start;
	u8 drains;		/* a ublk_queue_rq() drains the fifo */
	u8 in_rcu;		/* mask: synchronize_rcu() waits for these */
	u8 exit_tag;
	u8 closed;		/* fq->closed */
	u8 cond[1];		/* UBLK_COND_* of the queue */
	u8 canceled, stop_pending, quiesce, mutex;
	u8 nr_fetched;
	u8 server;		/* enum ublk_server_state */
	u8 dev;			/* UBLK_S_DEV_* */
	u8 proc;
};

enum {
	BREAK_NONE,
	BREAK_KEEP_FIFO,	/* the exit work does not drain the fifo */
	BREAK_READY_OPEN,	/* ... does not close the gate without a disk */
	BREAK_NO_RCU,		/* ... does not call synchronize_rcu() */
	BREAK_COMMIT_STORE,	/* a commit claims a tag without cmpxchg */
	BREAK_UNDO_STORE,	/* so does an undo of a delivery */
	BREAK_CANCEL_ACTIVE,	/* a cancel completes the active command */
	BREAK_NO_NEXT,		/* no next command is chosen (D-191) */
	BREAK_POST_BLIND,	/* queue_rq does not drain what nobody reads */
	BREAK_CANCEL_BLIND,	/* a cancel does not drain */
	BREAK_ACTIVE_STAYS,	/* the active one waits after a stop (D-195) */
	BREAK_FETCH_CLOSED,	/* FETCH_IO_CMDS after the queue was closed */
	BREAK_FETCH_BLIND,	/* FETCH_IO_CMDS does not look at the fifo */
	BREAK_FETCH_NO_KICK,	/* ... does not run held requests */
	BREAK_REFUSE_BLIND,	/* ... does not drain when it is refused */
	BREAK_UNDELIVERED_NO_KICK, /* undelivered: held though a command waits */
	BREAK_UNDELIVERED_HOLDS, /* ... though a stop waits */
	BREAK_END_FIRST,	/* the request ends before its tag is armed */
	BREAK_PUT_BACK,		/* tags that do not fit are lost */
	BREAK_FILE_END_FIRST,	/* redirected IO ends the request before it arms the tag */
	BREAK_FILE_EMPTIED,	/* the exit work empties a tag that is REDIRECTED */
	BREAK_FILE_OUTLIVES,	/* the session ends before redirected IO (E-52) */
	NR_BREAKS,

	/* control.h and quiesce.h name these; other models search them */
	BREAK_NO_ABORT, BREAK_ABORT_STAYS, BREAK_NO_MARK, BREAK_CANCEL_NEW,
	BREAK_NO_FAILING, BREAK_FAILING_ONCE, BREAK_QUIESCE_OPEN
};

/* of the present state */
static const struct scene *scene;

/* here, as its steps use struct state */
#include "quiesce.h"

/* The block layer calls ublk_queue_rq() in a new RCU read-side section. */
static void queue_request(struct state *st, int i)
{
	st->req[i] = REQ_QUEUE;
	st->queue[i] = Q_GATE;
	st->in_rcu &= ~(1 << i);
}

/* blk_mq_kick_requeue_list() */
static void kick(struct state *st)
{
	int i;

	for (i = 0; i < scene->nr_tags; i++) {
		if (st->req[i] == REQ_HELD)
			queue_request(st, i);
	}
}

/* The request ends, so its tag may get another one. */
static void end_request(struct state *st, int i)
{
	st->req[i] = REQ_NONE;
	st->owner[i] = OWNER_NONE;
	st->hand[i] = HAND_NONE;
}

static void hold_request(struct state *st, int i, bool kick_list)
{
	end_request(st, i);
	st->req[i] = REQ_HELD;
	if (kick_list)
		kick(st);
}

static void take_request(struct state *st, int i, u8 owner, u8 what)
{
	st->req[i] = REQ_HAND;
	st->owner[i] = owner;
	st->hand[i] = what;
}

static bool in_hands(const struct state *st, u8 owner)
{
	int i;

	for (i = 0; i < scene->nr_tags; i++) {
		if (st->owner[i] == owner)
			return true;
	}
	return false;
}

static void fifo_push(struct state *st, int i)
{
	st->fifo[st->nr_fifo++] = i;
	st->req[i] = REQ_FIFO;
}

static int fifo_pop(struct state *st)
{
	int i = st->fifo[0];

	st->nr_fifo--;
	memmove(st->fifo, st->fifo + 1, sizeof(st->fifo) - 1);
	st->fifo[MAX_TAGS - 1] = 0;
	return i;
}

/* ublk_batch_fetch_cmd_task_exiting() */
static bool cmd_task_exiting(const struct state *st, int j)
{
	return st->proc == PROC_EXITING || (st->lame && !j);
}

/* ublk_batch_fetch_choose(), and ublk_batch_fetch_activate() */
static bool choose(struct state *st)
{
	int j;

	for (j = 0; j < scene->nr_cmds; j++) {
		if (st->cmd[j] != C_WAIT || cmd_task_exiting(st, j))
			continue;
		st->cmd[j] = C_ACTIVE;
		st->active = j;
		return true;
	}
	return false;
}

static bool any_waiting(const struct state *st)
{
	int j;

	for (j = 0; j < scene->nr_cmds; j++) {
		if (st->cmd[j] == C_WAIT)
			return true;
	}
	return false;
}

/* ublk_batch_fetch_served() */
static bool served(const struct state *st)
{
	int j;

	for (j = 0; j < scene->nr_cmds; j++) {
		if (st->cmd[j] == C_WAIT && !cmd_task_exiting(st, j))
			return true;
	}
	return st->active != NOBODY;
}

/* ublk_batch_fetch_no_reader() */
static bool no_reader(const struct state *st)
{
	if (st->active != NOBODY)
		return false;
	if (any_waiting(st))
		return true;
	return queue_gate(st, 0) != UBLK_GATE_GO &&
	       (st->closed || st->canceled ||
		(st->quiesce == QUIESCE_ANSWERING &&
		 broken != BREAK_REFUSE_BLIND));
}

/*
 * One turn of ublk_batch_fetch_drain() until it unlocks. Returns false if there
 * is nothing to pop; else the caller takes the next turn without a request.
 */
static bool drain(struct state *st, u8 owner)
{
	int i;

	if (!st->nr_fifo || !no_reader(st))
		return false;
	i = fifo_pop(st);
	take_request(st, i, owner, HAND_POPPED);
	return true;
}

/* A step of a drain: one turn, or the end: member @pc becomes @after. */
static void expand_drain(struct search *s, const struct state *st,
			 size_t pc, u8 after, u8 owner, const char *label)
{
	struct state n = *st;

	/* a stop, a quiesce and the exit work drain one request at a time */
	if (owner != OWNER_FILE && in_hands(st, owner))
		return;
	if (!drain(&n, owner))
		((u8 *)&n)[pc] = after;
	search_edge(s, &n, label, EDGE_OWN);
}

/* in in_rcu: the ublk_queue_rq() that drains */
enum { DRAINS = 1 << MAX_TAGS };

#define PC(member)	offsetof(struct state, member)

#endif
