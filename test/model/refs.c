// SPDX-License-Identifier: GPL-2.0
/*
 * Model of logic/refs.h: one delivered request, its daemon task, and two other
 * tasks that take and drop references at any time, in separate steps. A batch
 * device has no daemon task and task_refs stays 0: any task commits, and the
 * driver may undo a delivery. The request may have been registered at delivery.
 *
 * The search shows that
 *   the request is ended once, after the commit and without references;
 *   it is always ended when the last reference is dropped after the commit;
 *   ublk_refs_idle() is true if no reference is left, and only then.
 *
 * usage: refs [--break=N]	N: a deliberately wrong variant, see below
 */
#include <errno.h>

#include "ktap.h"
#include "search.h"
#include "logic/refs.h"

#define NR_OTHERS	2
#define MAX_HELD	3
#define MAX_LENT	4	/* task_refs does not count what others drop */

/* What another task is doing. */
enum { OTHER_IDLE, OTHER_READ, OTHER_DROPPED_LAST };

struct state {
	u32 refs;
	u32 task_refs;
	u32 seen[NR_OTHERS];	/* value read before the cmpxchg */
	u8 other[NR_OTHERS];
	u8 held;		/* references beside the owner's */
	u8 committed;
	u8 daemon_ends;		/* the commit brought refs to 0 */
	u8 ended;
	u8 delivered;		/* 0 not yet */
	u8 batch;
};

enum {
	BREAK_NONE,
	BREAK_COLLAPSE,		/* a commit ignores task_refs */
	BREAK_TAKE_BACK,	/* a drop is ignored if task_refs is 0 */
	BREAK_GET_ENDED,	/* takes references when refs is 0 */
	BREAK_NO_CMPXCHG,	/* reads and writes refs in two steps */
	BREAK_LATE_LEND,	/* lends after the commit */
	BREAK_LEND_BATCH,	/* uses task_refs on a batch device */
	BREAK_UNDO_STORE,	/* undoes a delivery with references */
	NR_BREAKS
};

static int broken;

static u32 collapse(u32 task_refs)
{
	return ublk_refs_collapse(broken == BREAK_COLLAPSE ? 0 : task_refs);
}

/* ublk_deliver_buf(), with automatic registration or without */
static void expand_delivery(struct search *s, const struct state *st)
{
	struct state n = *st;
	int batch, taken;

	n.delivered = 1;
	for (batch = 0; batch < 2; batch++) {
		for (taken = 0; taken < 2; taken++) {
			n.batch = batch;
			n.held = taken;
			n.refs = ublk_refs_init();
			n.task_refs = 0;
			if (batch && broken != BREAK_LEND_BATCH)
				n.refs += taken;
			else
				n.task_refs = taken;
			search_edge(s, &n, batch ? "batch delivers" :
						   "daemon delivers", EDGE_OWN);
		}
	}
}

/* ublk_commit_undo(): requeues the request, or fails it with its last ref */
static void expand_undo(struct search *s, const struct state *st)
{
	struct state n = *st;

	n.committed = 1;
	if (st->refs == ublk_refs_init() || broken == BREAK_UNDO_STORE) {
		n.refs = 0;
		n.ended = 1;
		search_edge(s, &n, "undo requeues", EDGE_WORLD);
		return;
	}
	n.refs -= collapse(0);
	n.daemon_ends = !n.refs;
	search_edge(s, &n, "undo fails request", EDGE_WORLD);
}

/* A commit by any task, which has claimed the tag */
static void expand_batch(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (st->daemon_ends) {
		n.daemon_ends = 0;
		n.ended++;
		search_edge(s, &n, "commit ends request", EDGE_OWN);
	}
	if (st->committed)
		return;
	n = *st;
	n.refs -= collapse(0);
	n.committed = 1;
	n.daemon_ends = !n.refs;
	search_edge(s, &n, "commit", EDGE_WORLD);
	expand_undo(s, st);
}

static void expand_daemon(struct search *s, const struct state *st)
{
	struct state n;

	if (st->daemon_ends) {
		n = *st;
		n.daemon_ends = 0;
		n.ended++;
		search_edge(s, &n, "daemon ends request", EDGE_OWN);
	}
	if (st->committed && broken != BREAK_LATE_LEND)
		return;

	if (st->held < MAX_HELD && st->task_refs < MAX_LENT &&
	    ublk_refs_lend(st->task_refs)) {
		n = *st;
		n.task_refs = ublk_refs_lend(st->task_refs);
		n.held++;
		search_edge(s, &n, "daemon lends", EDGE_WORLD);
	}
	if (st->committed)
		return;
	if (st->held) {
		n = *st;
		n.held--;
		if (ublk_refs_take_back(st->task_refs))
			n.task_refs--;
		else if (broken != BREAK_TAKE_BACK)
			n.refs--;
		search_edge(s, &n, "daemon drops", EDGE_WORLD);
	}
	n = *st;
	n.refs -= collapse(st->task_refs);
	n.task_refs = 0;
	n.committed = 1;
	n.daemon_ends = !n.refs;
	search_edge(s, &n, "daemon commits", EDGE_WORLD);
}

static void expand_other(struct search *s, const struct state *st, int i)
{
	struct state n = *st;

	switch (st->other[i]) {
	case OTHER_DROPPED_LAST:
		n.other[i] = OTHER_IDLE;
		n.ended++;
		search_edge(s, &n, "other ends request", EDGE_OWN);
		return;
	case OTHER_READ:
		n.other[i] = OTHER_IDLE;
		n.seen[i] = 0;
		if (st->refs == st->seen[i] || broken == BREAK_NO_CMPXCHG) {
			n.refs = ublk_refs_get(st->seen[i]);
			if (broken == BREAK_GET_ENDED)
				n.refs = st->seen[i] + 1;
			n.held++;
		}
		search_edge(s, &n, "other takes", EDGE_OWN);
		return;
	}

	if (st->held < MAX_HELD &&
	    (ublk_refs_get(st->refs) || broken == BREAK_GET_ENDED)) {
		n.other[i] = OTHER_READ;
		n.seen[i] = st->refs;
		search_edge(s, &n, "other looks", EDGE_WORLD);
	}
	if (st->held) {
		n = *st;
		n.held--;
		n.refs--;
		if (!n.refs)
			n.other[i] = OTHER_DROPPED_LAST;
		search_edge(s, &n, "other drops", EDGE_WORLD);
	}
}

static void expand(struct search *s, const void *state)
{
	const struct state *st = state;
	int i;

	if (!st->delivered) {
		expand_delivery(s, st);
		return;
	}
	if (st->batch)
		expand_batch(s, st);
	else
		expand_daemon(s, st);
	for (i = 0; i < NR_OTHERS; i++)
		expand_other(s, state, i);
}

static const char *check(const void *state)
{
	const struct state *st = state;
	bool ending = st->daemon_ends;
	int i;

	if (!st->delivered)
		return NULL;
	for (i = 0; i < NR_OTHERS; i++)
		ending |= st->other[i] == OTHER_DROPPED_LAST;
	if (st->ended > 1)
		return "ended twice";
	if ((st->ended || ending) && !st->committed)
		return "ended before the commit";
	if ((st->ended || ending) && st->held)
		return "ended with references";
	if (st->ended && ending)
		return "ended and about to be ended again";
	if (st->committed && !st->held && !st->ended && !ending)
		return "never ended";
	if (!st->committed &&
	    ublk_refs_idle(st->refs, st->task_refs) != !st->held)
		return "idle is wrong before the commit";
	if (st->committed && ublk_refs_idle(st->refs, 0) != !st->held)
		return "idle is wrong after the commit";
	return NULL;
}

static bool goal(const void *state)
{
	const struct state *st = state;

	return st->ended == 1 && !st->held;
}

static void show(const void *state)
{
	const struct state *st = state;

	printf("%sshared %#x task_refs %#x held %u%s ended %u",
	       st->batch ? "batch " : "", st->refs, st->task_refs,
	       st->held, st->committed ? " committed" : "", st->ended);
}

static const char *run(bool quiet)
{
	struct search s = {
		.size = sizeof(struct state),
		.expand = expand,
		.check = check,
		.goal = goal,
		.show = show,
	};
	struct state start;
	const char *why;

	memset(&start, 0, sizeof(start));
	why = search_run(&s, &start, quiet);
	if (!quiet)
		printf("# %u states, %u edges\n", s.nr_states, s.nr_edges);
	return why;
}

#include "variants.h"
