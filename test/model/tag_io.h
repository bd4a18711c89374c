/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of a request in the model of tag.c: queue_rq.c, deliver.c, cmd.c,
 * commit.h, redirect.c and gate.c of the driver, the commands of the server, and
 * the ring that cancels them.
 */
#ifndef UBLK_TEST_TAG_IO_H
#define UBLK_TEST_TAG_IO_H

#include "tag_state.h"

static void expand_queue(struct search *s, const struct state *st)
{
	struct state n = *st;
	enum ublk_gate g = queue_gate(st, 0);
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
		    st->tag == UBLK_TAG_CANCELED)
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
			g = ublk_gate_decide(UBLK_COND_CANCELING, policy);
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
		search_edge(s, &n, "queue reads gate again", EDGE_OWN);
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
		search_edge(s, &n, "queue reads gate after hold", EDGE_OWN);
	}
}

/* ublk_deliver_one() */
static void expand_task_work(struct search *s, const struct state *st)
{
	struct state n = *st;
	int undelivered = tag_next(st, UBLK_EV_UNDELIVERED);
	int deliver = tag_next(st, UBLK_EV_DELIVER);
	int ask = tag_next(st, UBLK_EV_ASK_DATA);

	n.task_work = 0;
	if (undelivered < 0 || deliver < 0 || ask < 0) {
		search_bad(s, "task work for a tag that is not QUEUED");
		return;
	}
	if (st->proc != PROC_ALIVE) {
		n.tag = undelivered;
		n.req = REQ_DAEMON;
		n.daemon = D_UNDELIVERED;
		search_edge(s, &n, "task work finds task exiting", EDGE_OWN);
		return;
	}
	n.tag = deliver;
	n.cmd = CMD_SERVER;
	search_edge(s, &n, "task work delivers", EDGE_OWN);
	n.tag = ask;
	search_edge(s, &n, "task work asks for data", EDGE_OWN);
	n.tag = undelivered;
	n.cmd = st->cmd;
	n.req = REQ_DAEMON;
	n.daemon = D_END;
	search_edge(s, &n, "task work cannot copy", EDGE_OWN);
}

/* The rest of a function that took the request from the tag. */
static void expand_in_hand(struct search *s, const struct state *st)
{
	struct state n = *st;
	enum ublk_gate g = ublk_gate_on_exit(policy, false);

	n.daemon = D_IDLE;
	switch (st->daemon) {
	case D_COMMIT:
		n.req = REQ_HELD;
		kick(&n);
		search_edge(s, &n, "rest of request is requeued", EDGE_OWN);
		n.req = REQ_NONE;
		n.queue = Q_IDLE;
		search_edge(s, &n, "request ends", EDGE_OWN);
		break;
	case D_END:
		n.req = REQ_NONE;
		search_edge(s, &n, "request ends", EDGE_OWN);
		break;
	case D_UNDELIVERED:
		if (st->stop_pending && broken != BREAK_UNDELIVERED_HOLDS)
			g = UBLK_GATE_FAIL;
		if (g == UBLK_GATE_HOLD)
			n.daemon = D_HOLD;
		else
			n.req = REQ_NONE;
		search_edge(s, &n, "undelivered: hold or fail", EDGE_OWN);
		break;
	case D_HOLD:
		n.req = REQ_HELD;
		if (broken != BREAK_UNDELIVERED_HOLDS)
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
	n.cond[0] = st->canceled ? UBLK_COND_CANCELING : 0;
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
		{ UBLK_EV_GET_UNDELIVERED, "NEED_GET_DATA cannot copy" },
		{ UBLK_EV_REDIRECT, "REDIRECT_AND_FETCH_REQ" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		int next = tag_next(st, commands[i].event);
		struct state n = *st;

		if (next < 0)
			continue;
		if (st->req != REQ_TAG || st->cmd != CMD_SERVER) {
			search_bad(s, "a command is accepted without a request");
			return;
		}
		n.tag = next;
		if (next == UBLK_TAG_ARMED) {
			n.cmd = CMD_TAG;
			n.req = REQ_DAEMON;
			n.daemon = commands[i].event == UBLK_EV_COMMIT ?
				   D_COMMIT : D_END;
		} else if (next == UBLK_TAG_REDIRECTED) {
			n.cmd = CMD_TAG;
			n.req = REQ_FILE;
		}
		if (broken == BREAK_END_FIRST &&
		    commands[i].event == UBLK_EV_COMMIT) {
			n = *st;
			n.req = REQ_NONE;
		}
		search_edge(s, &n, commands[i].label, EDGE_WORLD);
	}
}

/* ublk_redirect_end(); how long the backing takes is its own business. */
static void expand_file(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next;

	switch (st->file) {
	case F_IDLE:
		if (st->req != REQ_FILE)
			break;
		n.file = broken == BREAK_FILE_END_FIRST ? F_END : F_ARM;
		search_edge(s, &n, "redirected IO ends", EDGE_WORLD);
		break;
	case F_ARM:
		/* a cmpxchg: a cancel may have taken the tag, or the exit work */
		next = tag_next(st, UBLK_EV_REDIRECT_END);
		if (next >= 0)
			n.tag = next;
		if (broken == BREAK_FILE_STORE)
			n.tag = UBLK_TAG_ARMED;
		n.file = broken == BREAK_FILE_END_FIRST ? F_IDLE : F_END;
		search_edge(s, &n, "redirected: arms tag", EDGE_OWN);
		break;
	case F_END:
		n.req = REQ_NONE;
		n.file = broken == BREAK_FILE_END_FIRST ? F_ARM : F_IDLE;
		search_edge(s, &n, "redirected: request ends", EDGE_OWN);
		/* or what a part left is requeued */
		n.req = REQ_QUEUE;
		n.queue = Q_GATE;
		search_edge(s, &n, "redirected: rest is requeued", EDGE_OWN);
		break;
	}
}

/* The server process: its daemon task and its ring. */
static void expand_server(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (st->proc == PROC_NONE) {
		expand_open(s, st);
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

/* The cmpxchg of a cancel that takes a tag from one state */
static void ring_take(struct search *s, const struct state *st, unsigned int from,
		      u8 otherwise)
{
	struct state n = *st;

	n.ring = otherwise;
	if (st->tag == from || broken == BREAK_CANCEL_QUEUED) {
		if (tag_next(st, UBLK_EV_CANCEL) == UBLK_TAG_CANCELED) {
			n.tag = UBLK_TAG_CANCELED;
			n.cmd = CMD_RING;
			n.ring = broken == BREAK_CANCEL_FIRST ? R_CLOSE_LATE :
								R_DONE;
		}
	}
	search_edge(s, &n, "ring cancels: cancels command", EDGE_OWN);
}

/* ublk_cancel_cmd(); io_uring calls it until the command is completed. */
static void expand_ring(struct search *s, const struct state *st)
{
	struct state n = *st;

	switch (st->ring) {
	case R_IDLE:
		if (st->cmd != CMD_TAG || (st->tag != UBLK_TAG_ARMED &&
					   st->tag != UBLK_TAG_REDIRECTED))
			break;
		n.ring = broken == BREAK_FILE_KEEPS_CMD ? R_TAKE :
							  R_TAKE_REDIRECTED;
		if (broken != BREAK_CANCEL_FIRST)
			cancel_session(&n);
		search_edge(s, &n, "ring cancels: closes gate",
			    st->proc == PROC_EXITING ? EDGE_OWN : EDGE_WORLD);
		break;
	case R_TAKE_REDIRECTED:
		ring_take(s, st, UBLK_TAG_REDIRECTED, R_TAKE);
		break;
	case R_TAKE:
		ring_take(s, st, UBLK_TAG_ARMED, R_IDLE);
		break;
	case R_CLOSE_LATE:
		n.ring = R_DONE;
		n.canceled = 1;
		close_queues(&n, UBLK_COND_CANCELING);
		search_edge(s, &n, "ring cancels: closes gate late", EDGE_OWN);
		break;
	case R_DONE:
		n.ring = R_IDLE;
		n.cmd = CMD_SERVER;
		search_edge(s, &n, "ring cancels: ENODEV", EDGE_OWN);
		break;
	}
}

#endif
