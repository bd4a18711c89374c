/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of a request in the model of batch.c: queue_rq.c, batch_fetch.c,
 * batch_commit.c, commit.h and gate.c of the driver, and the threads that
 * commit.
 */
#ifndef UBLK_TEST_BATCH_IO_H
#define UBLK_TEST_BATCH_IO_H

#include "batch_state.h"

/* ublk_batch_fetch_post() */
static void expand_post(struct search *s, const struct state *st, int i)
{
	struct state n = *st;

	n.queue[i] = Q_IDLE;
	fifo_push(&n, i);
	if (n.active == NOBODY && !choose(&n) && no_reader(&n) &&
	    broken != BREAK_POST_BLIND) {
		n.drains = 1;
		if (st->in_rcu & 1 << i)
			n.in_rcu |= DRAINS;
	}
	search_edge(s, &n, "queue posts", EDGE_OWN);
}

/*
 * ublk_queue_claim(): the cmpxchg; the store of io->req is a step of its own.
 */
static void expand_claim(struct search *s, const struct state *st, int i)
{
	int next = ublk_tag_next(st->tag[i], UBLK_EV_REQUEST);
	struct state n = *st;

	if (next == -EPROTO) {
		search_bad(s, "a second request for the tag");
		return;
	}
	n.queue[i] = Q_LOOK;
	if (next >= 0) {
		n.tag[i] = next;
		n.unwritten[i] = 1;
		n.queue[i] = Q_WRITE;
	}
	search_edge(s, &n, "queue claims", EDGE_OWN);
}

static void expand_queue(struct search *s, const struct state *st, int i)
{
	struct state n = *st;
	enum ublk_gate g = queue_gate(st, 0);

	switch (st->queue[i]) {
	case Q_GATE:
		n.queue[i] = g == UBLK_GATE_GO ? Q_CLAIM : Q_LOOK;
		search_edge(s, &n, "queue reads gate", EDGE_OWN);
		break;
	case Q_CLAIM:
		expand_claim(s, st, i);
		break;
	case Q_WRITE:
		n.unwritten[i] = 0;
		n.queue[i] = Q_POST;
		search_edge(s, &n, "queue writes io->req", EDGE_OWN);
		break;
	case Q_POST:
		expand_post(s, st, i);
		break;
	case Q_LOOK:
		if (g == UBLK_GATE_GO)
			g = ublk_gate_decide(UBLK_COND_CANCELING, policy);
		if (g == UBLK_GATE_HOLD) {
			n.queue[i] = Q_HOLD;
		} else {
			n.queue[i] = Q_IDLE;
			end_request(&n, i);
		}
		search_edge(s, &n, "queue refuses", EDGE_OWN);
		break;
	case Q_HOLD:
		n.queue[i] = Q_IDLE;
		hold_request(&n, i, g != UBLK_GATE_HOLD);
		search_edge(s, &n, "queue holds", EDGE_OWN);
		break;
	}
}

/* ublk_gate_undelivered() */
static void undelivered(struct state *st, int i)
{
	if (ublk_gate_on_exit(policy, false) == UBLK_GATE_HOLD &&
	    (!st->stop_pending || broken == BREAK_UNDELIVERED_HOLDS))
		hold_request(st, i, served(st) &&
			     broken != BREAK_UNDELIVERED_NO_KICK);
	else
		end_request(st, i);
}

/* The owner of a request in REQ_HAND takes its next step. */
static void expand_hand(struct search *s, const struct state *st, int i)
{
	struct state n = *st;

	switch (st->hand[i]) {
	case HAND_POPPED:
		if (st->tag[i] != UBLK_TAG_QUEUED) {
			search_bad(s, "a tag from the fifo is not QUEUED");
			break;
		}
		n.tag[i] = ublk_tag_next(st->tag[i], UBLK_EV_UNDELIVERED);
		n.hand[i] = HAND_UNDELIVERED;
		search_edge(s, &n, "undelivered: tag is armed", EDGE_OWN);
		break;
	case HAND_UNDELIVERED:
		undelivered(&n, i);
		search_edge(s, &n, "undelivered: hold or fail", EDGE_OWN);
		break;
	case HAND_REQUEUE:
		hold_request(&n, i, true);
		search_edge(s, &n, "undo requeues", EDGE_OWN);
		break;
	case HAND_END:
		end_request(&n, i);
		search_edge(s, &n, "commit ends", EDGE_OWN);
		break;
	case HAND_GONE:
		if (ublk_gate_on_exit(policy, true) == UBLK_GATE_HOLD)
			hold_request(&n, i, false);
		else
			end_request(&n, i);
		search_edge(s, &n, "exit ends", EDGE_OWN);
		break;
	}
}

/* ublk_redirect_end(); how long the backing takes is its own business. */
static void expand_file(struct search *s, const struct state *st, int i)
{
	struct state n = *st;

	switch (st->file[i]) {
	case F_IDLE:
		if (st->req[i] != REQ_FILE)
			break;
		n.file[i] = broken == BREAK_FILE_END_FIRST ? F_END : F_ARM;
		search_edge(s, &n, "redirected IO ends", EDGE_WORLD);
		break;
	case F_ARM:
		/* a cmpxchg */
		if (st->tag[i] == UBLK_TAG_REDIRECTED)
			n.tag[i] = ublk_tag_next(st->tag[i], UBLK_EV_REDIRECT_END);
		n.file[i] = broken == BREAK_FILE_END_FIRST ? F_IDLE : F_END;
		search_edge(s, &n, "redirected: arms tag", EDGE_OWN);
		break;
	case F_END:
		n.file[i] = broken == BREAK_FILE_END_FIRST ? F_ARM : F_IDLE;
		end_request(&n, i);
		search_edge(s, &n, "redirected: request ends", EDGE_OWN);
		/* or what a part left is requeued */
		queue_request(&n, i);
		search_edge(s, &n, "redirected: rest is requeued", EDGE_OWN);
		break;
	}
}

/* ublk_batch_commit_one() or ublk_redirect_one() of thread @k, for any tag */
static void expand_commit(struct search *s, const struct state *st, int k)
{
	int i = st->thread_tag[k];
	struct state n = *st;

	switch (st->thread[k]) {
	case T_IDLE:
		if (st->proc != PROC_ALIVE)
			break;
		for (i = 0; i < scene->nr_tags; i++) {
			if (ublk_tag_next(st->tag[i], UBLK_EV_COMMIT_BEGIN) < 0)
				continue;
			n = *st;
			n.thread_tag[k] = i;
			n.thread[k] = T_SAW;
			if (broken != BREAK_COMMIT_STORE) {
				n.thread[k] = T_CLAIMED;
				n.tag[i] = ublk_tag_next(st->tag[i],
							 UBLK_EV_COMMIT_BEGIN);
				n.req[i] = REQ_COMMIT;
			}
			search_edge(s, &n, "COMMIT_IO_CMDS", EDGE_WORLD);
		}
		break;
	case T_SAW:
		if (st->req[i] != REQ_SERVER) {
			search_bad(s, "the server does not own what a commit takes");
			break;
		}
		n.thread[k] = T_CLAIMED;
		n.tag[i] = UBLK_TAG_COMMITTING;
		n.req[i] = REQ_COMMIT;
		search_edge(s, &n, "commit claims", EDGE_OWN);
		break;
	case T_CLAIMED:
		if (broken == BREAK_END_FIRST && st->req[i] == REQ_COMMIT) {
			end_request(&n, i);
			search_edge(s, &n, "commit ends first", EDGE_OWN);
			break;
		}
		n.thread[k] = T_IDLE;
		n.thread_tag[k] = 0;
		n.tag[i] = ublk_tag_next(st->tag[i], UBLK_EV_COMMIT_UNDO);
		n.req[i] = REQ_SERVER;
		search_edge(s, &n, "commit fails", EDGE_WORLD);
		n.tag[i] = ublk_tag_next(st->tag[i], UBLK_EV_COMMIT);
		take_request(&n, i, OWNER_FILE, HAND_END);
		search_edge(s, &n, "commit arms", EDGE_OWN);
		if (!scene->redirect)
			break;
		n = *st;
		n.thread[k] = T_IDLE;
		n.thread_tag[k] = 0;
		n.tag[i] = ublk_tag_next(st->tag[i], UBLK_EV_REDIRECT);
		n.req[i] = REQ_FILE;
		search_edge(s, &n, "REDIRECT_IO_CMDS", EDGE_WORLD);
		break;
	}
}

#endif
