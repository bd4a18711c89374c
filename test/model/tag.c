// SPDX-License-Identifier: GPL-2.0
/*
 * Model of one tag and everything that runs at the same time: queue_rq, task
 * work, the daemon, cancellation by the ring, STOP_DEV, the server's exit, and
 * rounds that follow each other. Decisions are made by the functions of
 * logic/tag.h and logic/device.h that the driver calls; what is written here is
 * the order of the driver's steps (queue.c, dispatch.c, cmd.c, cancel.c, stop.c,
 * server.c), every access that another CPU can see being a step of its own.
 *
 * One tag is enough: tags share nothing but the queue's gate.
 *
 * Shown, for each recovery policy: the driver holds a command exactly in ARMED
 * and QUEUED; a request is on the tag exactly in QUEUED, NEED_DATA and SERVER;
 * nothing is completed twice or lost; a stop waits for nothing but a request
 * that a living server owns; a server can always exit, and leaves the tag EMPTY;
 * a request is held only where somebody will ask for it.
 *
 * usage: tag [--break=N]	search a deliberately wrong variant
 */
#include <errno.h>

#include "ktap.h"
#include "search.h"
#include "logic/device.h"
#include "logic/tag.h"

/* Who has the one command of the tag. */
enum { CMD_SERVER, CMD_TAG, CMD_RING, CMD_STOP };

/* Where the one request is. */
enum { REQ_NONE, REQ_QUEUE, REQ_TAG, REQ_HELD, REQ_DAEMON, REQ_EXIT };

/*
 * The server: node closed, serving, its thread gone but the ring kept open,
 * being killed, node released and exit work under way.
 */
enum { PROC_NONE, PROC_ALIVE, PROC_LAME, PROC_EXITING, PROC_GONE };

/* ublk_queue_rq() */
enum { Q_IDLE, Q_GATE, Q_CLAIM, Q_POST, Q_LOOK, Q_LOOK_AGAIN, Q_HOLD };

/* What task work or a command does with the request it has in hand. */
enum { D_IDLE, D_END, D_COMMIT, D_UNDELIVERED, D_HOLD, D_RECHECK };

/* ublk_cancel_cmd() */
enum { R_IDLE, R_TAKE, R_CLOSE_LATE, R_DONE };

/* ublk_stop_work() */
enum { S_IDLE, S_LOCK, S_GATE, S_WAIT, S_MARK, S_CANCEL, S_DONE, S_END };

/* ublk_server_exit_work() */
enum {
	E_IDLE, E_CLOSE, E_REQS, E_END, E_KICK, E_LOCK, E_GATE, E_WAIT, E_RESET
};

enum { MUTEX_FREE, MUTEX_STOP, MUTEX_EXIT };

struct state {
	u8 tag;			/* enum ublk_tag_state */
	u8 cmd, req, proc;
	u8 task_work;		/* posted, not run */
	u8 cond;		/* UBLK_COND_* of the queue */
	u8 canceled;		/* ub->canceled */
	u8 server;		/* enum ublk_server_state */
	u8 dev;			/* UBLK_S_DEV_* */
	u8 stop_pending;
	u8 mutex;
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
	BREAK_BOUNCE_HOLDS,	/* a stop does not keep bounces from holding */
	BREAK_CLAIM_STORE,	/* a request claims the tag without cmpxchg */
	BREAK_END_FIRST,	/* the request ends before the tag is armed */
	BREAK_EXIT_LOCKS,	/* the exit work ends requests under the mutex */
	BREAK_CANCEL_NEW,	/* a stop cancels a server that came after it */
	NR_BREAKS
};

static int broken;
static enum ublk_policy policy;

static enum ublk_gate gate(const struct state *st)
{
	return ublk_device_gate(st->cond, policy);
}

static int tag_next(const struct state *st, enum ublk_tag_event event)
{
	if (broken == BREAK_CANCEL_QUEUED && event == UBLK_EV_CANCEL &&
	    st->tag == UBLK_TAG_QUEUED)
		return UBLK_TAG_TAKEN;
	return ublk_tag_next(st->tag, event);
}

/* ublk_server_close() */
static void close_queue(struct state *st, unsigned int cond)
{
	if (st->stop_pending && broken != BREAK_NO_ABORT)
		cond |= UBLK_COND_ABORTING;
	st->cond |= cond;
}

/* blk_mq_kick_requeue_list() */
static void kick(struct state *st)
{
	if (st->req == REQ_HELD) {
		st->req = REQ_QUEUE;
		st->queue = Q_GATE;
	}
}

static void expand_queue(struct search *s, const struct state *st)
{
	struct state n = *st;
	enum ublk_gate g = gate(st);
	int next;

	switch (st->queue) {
	case Q_IDLE:
		break;
	case Q_GATE:
		n.queue = g == UBLK_GATE_GO ? Q_CLAIM : Q_LOOK;
		search_edge(s, &n, "queue reads gate", EDGE_OWN);
		break;
	case Q_CLAIM:
		next = tag_next(st, UBLK_EV_REQUEST);
		if (next == -ENODEV && broken == BREAK_CLAIM_STORE &&
		    st->tag == UBLK_TAG_TAKEN)
			next = UBLK_TAG_QUEUED;
		if (next == -EPROTO) {
			search_bad(s, "a second request for the tag");
			break;
		}
		n.queue = Q_LOOK;
		if (next >= 0) {
			n.tag = next;
			n.req = REQ_TAG;
			n.queue = Q_POST;
		}
		search_edge(s, &n, "queue claims tag", EDGE_OWN);
		break;
	case Q_POST:
		n.queue = Q_IDLE;
		n.task_work = 1;
		search_edge(s, &n, "queue posts task work", EDGE_OWN);
		break;
	case Q_LOOK_AGAIN:
		if (g == UBLK_GATE_GO)
			g = ublk_device_gate(UBLK_COND_CANCELING, policy);
		fallthrough;
	case Q_LOOK:
		if (g == UBLK_GATE_GO) {
			n.queue = Q_LOOK_AGAIN;
		} else if (g == UBLK_GATE_HOLD) {
			n.queue = Q_HOLD;
		} else {
			n.queue = Q_IDLE;
			n.req = REQ_NONE;
		}
		search_edge(s, &n, "queue looks for a reason", EDGE_OWN);
		break;
	case Q_HOLD:
		n.queue = Q_IDLE;
		n.req = REQ_HELD;
		n.recheck = broken != BREAK_NO_RECHECK;
		search_edge(s, &n, "queue holds", EDGE_OWN);
		break;
	}

	if (st->recheck) {
		n = *st;
		n.recheck = 0;
		if (g != UBLK_GATE_HOLD)
			kick(&n);
		search_edge(s, &n, "queue looks again", EDGE_OWN);
	}
}

/* ublk_dispatch_one() */
static void expand_task_work(struct search *s, const struct state *st)
{
	struct state n = *st;
	int bounce = tag_next(st, UBLK_EV_BOUNCE);
	int deliver = tag_next(st, UBLK_EV_DELIVER);
	int ask = tag_next(st, UBLK_EV_ASK_DATA);

	n.task_work = 0;
	if (bounce < 0 || deliver < 0 || ask < 0) {
		search_bad(s, "task work for a tag that is not QUEUED");
		return;
	}
	if (st->proc != PROC_ALIVE) {
		n.tag = bounce;
		n.req = REQ_DAEMON;
		n.daemon = D_UNDELIVERED;
		search_edge(s, &n, "task work finds task gone", EDGE_OWN);
		return;
	}
	n.tag = deliver;
	n.cmd = CMD_SERVER;
	search_edge(s, &n, "task work delivers", EDGE_OWN);
	n.tag = ask;
	search_edge(s, &n, "task work announces", EDGE_OWN);
	n.tag = bounce;
	n.cmd = st->cmd;
	n.req = REQ_DAEMON;
	n.daemon = D_END;
	search_edge(s, &n, "task work cannot copy", EDGE_OWN);
}

/* The rest of a function that has taken the request from the tag. */
static void expand_in_hand(struct search *s, const struct state *st)
{
	struct state n = *st;
	enum ublk_gate g = ublk_device_on_gone(policy, false);

	n.daemon = D_IDLE;
	switch (st->daemon) {
	case D_COMMIT:
		n.req = REQ_HELD;
		kick(&n);
		search_edge(s, &n, "rest of request goes again", EDGE_OWN);
		n.req = REQ_NONE;
		n.queue = Q_IDLE;
		search_edge(s, &n, "request ends", EDGE_OWN);
		break;
	case D_END:
		n.req = REQ_NONE;
		search_edge(s, &n, "request ends", EDGE_OWN);
		break;
	case D_UNDELIVERED:
		if (st->stop_pending && broken != BREAK_BOUNCE_HOLDS)
			g = UBLK_GATE_FAIL;
		if (g == UBLK_GATE_HOLD)
			n.daemon = D_HOLD;
		else
			n.req = REQ_NONE;
		search_edge(s, &n, "undelivered: hold or fail", EDGE_OWN);
		break;
	case D_HOLD:
		n.req = REQ_HELD;
		if (broken != BREAK_BOUNCE_HOLDS)
			n.daemon = D_RECHECK;
		search_edge(s, &n, "undelivered held", EDGE_OWN);
		break;
	case D_RECHECK:
		if (st->stop_pending)
			kick(&n);
		search_edge(s, &n, "undelivered: stop?", EDGE_OWN);
		break;
	}
}

/* ublk_cmd_fetch(): one step under ub->lock. */
static void expand_fetch(struct search *s, const struct state *st)
{
	struct state n = *st;
	int server = ublk_server_next(st->server, UBLK_SERVER_EV_LAST_FETCH);
	int tag = tag_next(st, UBLK_EV_FETCH);

	if (broken == BREAK_FETCH_OWNED && st->tag == UBLK_TAG_SERVER) {
		server = st->server;
		tag = UBLK_TAG_ARMED;
	}
	if (server < 0 || tag < 0)
		return;
	if (st->cmd != CMD_SERVER) {
		search_bad(s, "FETCH_REQ while the driver has a command");
		return;
	}
	n.tag = tag;
	n.cmd = CMD_TAG;
	n.server = server;
	n.cond = st->canceled ? UBLK_COND_CANCELING : 0;
	search_edge(s, &n, "FETCH_REQ", EDGE_WORLD);
}

/* COMMIT_AND_FETCH_REQ and NEED_GET_DATA in the daemon task. */
static void expand_commands(struct search *s, const struct state *st)
{
	static const struct {
		enum ublk_tag_event event;
		const char *label;
	} commands[] = {
		{ UBLK_EV_COMMIT, "COMMIT_AND_FETCH_REQ" },
		{ UBLK_EV_GET_DATA, "NEED_GET_DATA" },
		{ UBLK_EV_GET_BOUNCE, "NEED_GET_DATA cannot copy" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		int next = tag_next(st, commands[i].event);
		struct state n = *st;

		if (next < 0)
			continue;
		if (st->req != REQ_TAG || st->cmd != CMD_SERVER) {
			search_bad(s, "a command is accepted without request");
			return;
		}
		n.tag = next;
		if (next == UBLK_TAG_ARMED) {
			n.cmd = CMD_TAG;
			n.req = REQ_DAEMON;
			n.daemon = commands[i].event == UBLK_EV_COMMIT ?
				   D_COMMIT : D_END;
		}
		if (broken == BREAK_END_FIRST &&
		    commands[i].event == UBLK_EV_COMMIT) {
			n = *st;
			n.req = REQ_NONE;
		}
		search_edge(s, &n, commands[i].label, EDGE_WORLD);
	}
}

/* The process that opened the node, its task and its ring. */
static void expand_server(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (st->proc == PROC_NONE) {
		n.proc = PROC_ALIVE;
		n.server = ublk_server_next(st->server, UBLK_SERVER_EV_OPEN);
		search_edge(s, &n, "open", EDGE_WORLD);
		return;
	}
	if (st->proc == PROC_ALIVE && st->daemon == D_IDLE) {
		expand_fetch(s, st);
		expand_commands(s, st);
	}
	if (st->proc == PROC_ALIVE) {
		n.proc = PROC_LAME;
		search_edge(s, &n, "daemon thread exits", EDGE_WORLD);
	}
	if (st->proc == PROC_ALIVE || st->proc == PROC_LAME) {
		n.proc = PROC_EXITING;
		search_edge(s, &n, "server is killed", EDGE_WORLD);
	}
	if (st->proc == PROC_EXITING && st->cmd == CMD_SERVER &&
	    st->daemon == D_IDLE && st->ring == R_IDLE) {
		n.proc = PROC_GONE;
		n.exit = broken == BREAK_EXIT_LOCKS ? E_LOCK : E_CLOSE;
		search_edge(s, &n, "release", EDGE_OWN);
	}
}

/* ublk_cancel_cmd(), which io_uring repeats while the command is there. */
static void expand_ring(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->ring) {
	case R_IDLE:
		if (st->cmd != CMD_TAG || st->tag != UBLK_TAG_ARMED)
			break;
		n.ring = R_TAKE;
		if (broken != BREAK_CANCEL_FIRST && !st->canceled) {
			n.canceled = 1;
			close_queue(&n, UBLK_COND_CANCELING);
		}
		search_edge(s, &n, "ring cancels: closes gate",
			    st->proc == PROC_EXITING ? EDGE_OWN : EDGE_WORLD);
		break;
	case R_TAKE:
		n.ring = R_IDLE;
		if (tag_next(st, UBLK_EV_CANCEL) == UBLK_TAG_TAKEN) {
			n.tag = UBLK_TAG_TAKEN;
			n.cmd = CMD_RING;
			n.ring = broken == BREAK_CANCEL_FIRST ? R_CLOSE_LATE :
								R_DONE;
		}
		search_edge(s, &n, "ring cancels: takes command", EDGE_OWN);
		break;
	case R_CLOSE_LATE:
		n.ring = R_DONE;
		n.canceled = 1;
		close_queue(&n, UBLK_COND_CANCELING);
		search_edge(s, &n, "ring cancels: closes late", EDGE_OWN);
		break;
	case R_DONE:
		n.ring = R_IDLE;
		n.cmd = CMD_SERVER;
		search_edge(s, &n, "ring cancels: ENODEV", EDGE_OWN);
		break;
	}
}

/* The head of ublk_disk_remove(). */
static void begin_removal(struct state *st)
{
	if (st->cond & UBLK_COND_CANCELING && broken != BREAK_NO_ABORT)
		close_queue(st, UBLK_COND_ABORTING);
	kick(st);
}

static void expand_stop(struct search *s, const struct state *st)
{
	struct state n = *st;

	n.stop = st->stop + 1;
	switch (st->stop) {
	case S_IDLE:
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
		if (st->req != REQ_NONE)
			break;
		n.dev = ublk_device_next(st->dev, UBLK_DEV_EV_STOP, policy);
		search_edge(s, &n, "stop: disk is gone", EDGE_OWN);
		break;
	case S_MARK:
		n.server = ublk_server_next(st->server, UBLK_SERVER_EV_STOP);
		if (n.server != UBLK_SERVER_STOPPING &&
		    broken != BREAK_CANCEL_NEW)
			n.stop = S_END;
		search_edge(s, &n, "stop: server stopping", EDGE_OWN);
		break;
	case S_CANCEL:
		n.stop = S_END;
		if (tag_next(st, UBLK_EV_CANCEL) == UBLK_TAG_TAKEN) {
			n.tag = UBLK_TAG_TAKEN;
			n.cmd = CMD_STOP;
			n.stop = S_DONE;
		}
		search_edge(s, &n, "stop takes command", EDGE_OWN);
		break;
	case S_DONE:
		n.cmd = CMD_SERVER;
		search_edge(s, &n, "stop: ENODEV", EDGE_OWN);
		break;
	case S_END:
		n.stop = S_IDLE;
		n.stop_pending = 0;
		n.mutex = MUTEX_FREE;
		search_edge(s, &n, "stop ends", EDGE_OWN);
		break;
	}
}

/* ublk_cancel_requests(), for the one tag. */
static void expand_exit_request(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next = tag_next(st, UBLK_EV_GONE);

	if (next < 0) {
		search_bad(s, "the round ends while the tag has a command");
		return;
	}
	n.tag = next;
	n.exit = E_KICK;
	if (ublk_tag_is_owned(st->tag)) {
		n.req = REQ_EXIT;
		n.exit = E_END;
	}
	search_edge(s, &n, "exit empties tag", EDGE_OWN);
}

/* ublk_server_gone(), with the mutex. */
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
		n.exit = E_GATE;
	} else if (next != st->dev) {
		n.dev = next;
		if (next == UBLK_S_DEV_FAIL_IO)
			close_queue(&n, UBLK_COND_FAILING);
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
			close_queue(&n, UBLK_COND_CANCELING);
		search_edge(s, &n, "exit closes gate", EDGE_OWN);
		break;
	case E_REQS:
		expand_exit_request(s, st);
		break;
	case E_END:
		n.req = ublk_device_on_gone(policy, true) == UBLK_GATE_HOLD ?
			REQ_HELD : REQ_NONE;
		search_edge(s, &n, "exit holds or fails", EDGE_OWN);
		break;
	case E_KICK:
		if (st->dev != UBLK_S_DEV_DEAD && broken != BREAK_NO_KICK)
			kick(&n);
		search_edge(s, &n, "exit kicks requeue list", EDGE_OWN);
		break;
	case E_LOCK:
		expand_exit_gone(s, st);
		break;
	case E_GATE:
		begin_removal(&n);
		search_edge(s, &n, "exit begins removal", EDGE_OWN);
		break;
	case E_WAIT:
		if (st->req != REQ_NONE)
			break;
		n.dev = UBLK_S_DEV_DEAD;
		search_edge(s, &n, "exit: disk is gone", EDGE_OWN);
		break;
	case E_RESET:
		n.exit = E_IDLE;
		n.server = ublk_server_next(st->server, UBLK_SERVER_EV_RESET);
		n.canceled = 0;
		n.proc = PROC_NONE;
		n.mutex = MUTEX_FREE;
		search_edge(s, &n, "exit ends round", EDGE_OWN);
		break;
	}
}

/* START_DEV, END_USER_RECOVERY, and somebody who uses the disk. */
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
	next = ublk_device_next(st->dev, UBLK_DEV_EV_END_RECOVERY, policy);
	if (next >= 0) {
		n.dev = next;
		kick(&n);
		search_edge(s, &n, "END_USER_RECOVERY", EDGE_WORLD);
	}
}

static void expand(struct search *s, const void *state)
{
	const struct state *st = state;

	expand_queue(s, st);
	if (st->task_work && st->daemon == D_IDLE)
		expand_task_work(s, st);
	expand_in_hand(s, st);
	expand_server(s, st);
	expand_ring(s, st);
	expand_stop(s, st);
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
		return "command not held in just ARMED and QUEUED";
	if (has_req != (owned || st->tag == UBLK_TAG_QUEUED))
		return "request not in just QUEUED, NEED_DATA and SERVER";
	if (st->task_work && st->tag != UBLK_TAG_QUEUED)
		return "task work pending, but the tag is not QUEUED";
	if (st->dev == UBLK_S_DEV_DEAD && st->req != REQ_NONE)
		return "a request without a disk";
	if (st->tag == UBLK_TAG_TAKEN && st->dev != UBLK_S_DEV_DEAD &&
	    gate(st) == UBLK_GATE_GO)
		return "command taken, gate open";
	if (st->proc == PROC_NONE && st->tag != UBLK_TAG_EMPTY)
		return "no server, but the tag is not EMPTY";
	return NULL;
}

/* The driver has done all it can by itself. */
static const char *rest(const void *state)
{
	const struct state *st = state;
	bool served = ublk_tag_is_owned(st->tag) &&
		      (st->proc == PROC_ALIVE || st->proc == PROC_LAME);

	if (st->exit != E_IDLE)
		return "the end of the round hangs";
	if (st->stop != S_IDLE && !(st->stop == S_WAIT && served))
		return "the stop hangs";
	if (st->proc == PROC_EXITING)
		return "the server cannot exit";
	switch (st->req) {
	case REQ_NONE:
		return NULL;
	case REQ_TAG:
		return served ? NULL : "a request is lost on its tag";
	case REQ_HELD:
		/* until END_USER_RECOVERY, a stop, or the end of the round */
		if (gate(st) == UBLK_GATE_HOLD || st->proc == PROC_LAME)
			return NULL;
		if (st->dev == UBLK_S_DEV_QUIESCED &&
		    st->server == UBLK_SERVER_READY)
			return NULL;
		return "a held request is forgotten";
	default:
		return "a request is lost on its way";
	}
}

/* Nothing can have been lost if everything can be wound up. */
static bool goal(const void *state)
{
	const struct state *st = state;

	return st->dev == UBLK_S_DEV_DEAD && st->proc == PROC_NONE &&
	       st->req == REQ_NONE && st->tag == UBLK_TAG_EMPTY &&
	       st->stop == S_IDLE;
}

static void show(const void *state)
{
	static const char * const cmd[] = { "server", "tag", "ring", "stop" };
	static const char * const req[] = { "-", "queue", "tag", "held",
					    "daemon", "exit" };
	static const char * const proc[] = { "none", "alive", "lame", "exiting",
					     "gone" };
	static const char * const gates[] = { "go", "hold", "fail", "remote" };
	const struct state *st = state;

	printf("%s %s cmd=%s req=%s gate=%s server=%s%s",
	       ublk_device_name(st->dev), ublk_tag_name(st->tag), cmd[st->cmd],
	       req[st->req], gates[gate(st)], proc[st->proc],
	       st->stop_pending ? " stopping" : "");
}

static const char *run(bool quiet)
{
	struct search s = {
		.size = sizeof(struct state),
		.expand = expand,
		.check = check,
		.rest = rest,
		.goal = goal,
		.show = show,
	};
	const struct state start = { .tag = UBLK_TAG_EMPTY };
	const char *why = search_run(&s, &start, quiet);

	if (!quiet)
		printf("# policy %u: %u states, %u edges\n", policy,
		       s.nr_states, s.nr_edges);
	return why;
}

static const char *run_all(bool quiet)
{
	const char *why = NULL;

	for (policy = 0; policy < UBLK_POLICY_NR && !why; policy++)
		why = run(quiet);
	return why;
}

static void test_policy(enum ublk_policy p)
{
	broken = BREAK_NONE;
	policy = p;
	ktap_true(!run(false));
}

static void test_stop(void)
{
	test_policy(UBLK_POLICY_STOP);
}

static void test_hold(void)
{
	test_policy(UBLK_POLICY_HOLD);
}

static void test_reissue(void)
{
	test_policy(UBLK_POLICY_REISSUE);
}

static void test_fail(void)
{
	test_policy(UBLK_POLICY_FAIL);
}

/* The search is worth nothing unless it finds these. */
static void test_finds_mistakes(void)
{
	for (broken = BREAK_NONE + 1; broken < NR_BREAKS; broken++) {
		const char *why = run_all(true);

		printf("# variant %d: %s\n", broken, why ? why : "not found");
		ktap_true(why);
	}
	broken = BREAK_NONE;
}

static const struct ktap_test tests[] = {
	{ "policy_stop", test_stop },
	{ "policy_hold", test_hold },
	{ "policy_reissue", test_reissue },
	{ "policy_fail", test_fail },
	{ "finds_mistakes", test_finds_mistakes },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strncmp(argv[1], "--break=", 8)) {
		broken = atoi(argv[1] + 8);
		return !!run_all(false);
	}
	return ktap_run(tests, ARRAY_SIZE(tests));
}
