// SPDX-License-Identifier: GPL-2.0
/*
 * Model of extent.c: a command replaces the second half of an extent while two bios
 * look up, are counted, end, and come again, and io_uring cancels the command at any
 * time. logic/extent.h says what is left of the extent.
 *
 * The search shows that
 *   when the command has completed, no bio is counted in the old extent, and none
 *   that has found it can be;
 *   it completes once, or is canceled, and what it waits with is freed once, when
 *   nobody looks at it any more;
 *   it can complete whatever bios of the first half do: these are counted elsewhere.
 *
 * usage: extent [--break=N]	N: a deliberately wrong variant, see below
 */
#include <errno.h>

#include "ktap.h"
#include "search.h"
#include "logic/extent.h"

#define NR_BIOS	2

enum { OLD, PART, NEW, NR_EXTENTS };

/* A bio; between FOUND and what follows it is in a read-side critical section. */
enum { BIO_IDLE, BIO_FOUND, BIO_COUNTED };

/* The command, up to where its issuer leaves it. */
enum { CMD_START, CMD_PART, CMD_SET, CMD_DROPPED, CMD_PENDED, CMD_LEFT };

/* What the server has of it. */
enum { SAYS_NOTHING, SAYS_PENDING, SAYS_WORK, SAYS_DONE, SAYS_CANCELED };

struct state {
	u8 tree[2];		/* half of the disk -> extent */
	u8 refs[NR_EXTENTS];
	u8 old_ended;		/* ublk_extent_gone() of the old extent */
	u8 bio[NR_BIOS];
	u8 half[NR_BIOS];
	u8 found[NR_BIOS];
	u8 cmd;
	u8 says;
	u8 taken;		/* the pointer to the command */
	u8 left;
	u8 wait_refs;
	u8 wait_freed;
};

enum {
	BREAK_NONE,
	BREAK_DROP_FIRST,	/* drops the tree's count before the tree changes */
	BREAK_COUNT_ZERO,	/* counts a bio in an extent without a count */
	BREAK_NO_ISSUER,	/* the issuer has no part of left */
	BREAK_CANCEL_FREES,	/* a cancel frees what is waited with */
	BREAK_CANCEL_ALWAYS,	/* a cancel completes without taking the command */
	BREAK_NO_WAIT,		/* completes when it has changed the tree */
	NR_BREAKS
};

static int broken;

static void wait_unref(struct search *s, struct state *n)
{
	if (!n->wait_refs)
		search_bad(s, "too many references dropped");
	if (!--n->wait_refs)
		n->wait_freed++;
}

/* ublk_extent_wait_put() */
static void wait_put(struct search *s, struct state *n)
{
	if (n->wait_freed)
		search_bad(s, "looks at freed memory");
	if (!n->left || --n->left)
		return;
	if (n->says == SAYS_PENDING && !n->taken) {
		n->taken = 1;
		n->says = SAYS_WORK;
	}
	wait_unref(s, n);
}

/* ublk_extent_put() */
static void put(struct search *s, struct state *n, int e)
{
	if (--n->refs[e] || e != OLD)
		return;
	n->old_ended = 1;
	wait_put(s, n);
}

static void expand_bio(struct search *s, const struct state *st, int i)
{
	struct state n = *st;
	int e = st->found[i];

	switch (st->bio[i]) {
	case BIO_IDLE:
		for (n.half[i] = 0; n.half[i] < 2; n.half[i]++) {
			n.bio[i] = BIO_FOUND;
			n.found[i] = st->tree[n.half[i]];
			search_edge(s, &n, "bio finds", EDGE_WORLD);
		}
		return;
	case BIO_FOUND:
		if (st->refs[e] || broken == BREAK_COUNT_ZERO) {
			n.bio[i] = BIO_COUNTED;
			n.refs[e]++;
			search_edge(s, &n, "bio is counted", EDGE_OWN);
		} else {
			n.found[i] = st->tree[st->half[i]];
			search_edge(s, &n, "bio looks again", EDGE_OWN);
		}
		return;
	case BIO_COUNTED:
		n.bio[i] = BIO_IDLE;
		n.half[i] = 0;
		n.found[i] = 0;
		put(s, &n, e);
		search_edge(s, &n, "bio ends", EDGE_OWN);
	}
}

static void drop_old(struct search *s, struct state *n)
{
	n->left += 1;
	put(s, n, OLD);
}

static void expand_cmd(struct search *s, const struct state *st)
{
	const struct ublk_stretch old = { 0, 1 }, set = { 1, 1 };
	struct ublk_stretch part;
	struct state n = *st;

	switch (st->cmd) {
	case CMD_START:
		n.cmd = CMD_PART;
		n.left = broken != BREAK_NO_ISSUER;
		n.wait_refs = 1;
		if (broken == BREAK_DROP_FIRST)
			drop_old(s, &n);
		if (ublk_extent_before(old, set, &part)) {
			n.refs[PART] = 1;
			n.tree[part.first] = PART;
		}
		search_edge(s, &n, "stores the part", EDGE_OWN);
		return;
	case CMD_PART:
		n.cmd = CMD_SET;
		n.refs[NEW] = 1;
		n.tree[set.first] = NEW;
		search_edge(s, &n, "stores the new one", EDGE_OWN);
		return;
	case CMD_SET:
		n.cmd = CMD_DROPPED;
		if (broken != BREAK_DROP_FIRST)
			drop_old(s, &n);
		search_edge(s, &n, "drops the old one", EDGE_OWN);
		return;
	case CMD_DROPPED:
		if (st->left == 1 || broken == BREAK_NO_WAIT) {
			n.cmd = CMD_LEFT;
			n.says = SAYS_DONE;
			n.wait_freed++;
			search_edge(s, &n, "completes at once", EDGE_OWN);
			return;
		}
		n.cmd = CMD_PENDED;
		n.says = SAYS_PENDING;
		n.wait_refs++;
		search_edge(s, &n, "pends", EDGE_OWN);
		return;
	case CMD_PENDED:
		n.cmd = CMD_LEFT;
		if (broken != BREAK_NO_ISSUER)
			wait_put(s, &n);
		search_edge(s, &n, "issuer leaves", EDGE_OWN);
	}
}

/* io_uring: task work, and a cancel. Both have the lock of the ring. */
static void expand_ring(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (st->says == SAYS_WORK) {
		n.says = SAYS_DONE;
		wait_unref(s, &n);
		search_edge(s, &n, "completes", EDGE_OWN);
	}
	n = *st;
	if (st->says != SAYS_PENDING && st->says != SAYS_WORK)
		return;
	if (st->taken && broken != BREAK_CANCEL_ALWAYS)
		return;
	if (st->says == SAYS_WORK)
		search_bad(s, "canceled and completed");
	n.taken = 1;
	n.says = SAYS_CANCELED;
	if (broken == BREAK_CANCEL_FREES)
		n.wait_freed++;
	else
		wait_unref(s, &n);
	search_edge(s, &n, "canceled", EDGE_WORLD);
}

static void expand(struct search *s, const void *state)
{
	int i;

	for (i = 0; i < NR_BIOS; i++)
		expand_bio(s, state, i);
	expand_cmd(s, state);
	expand_ring(s, state);
}

static const char *check(const void *state)
{
	const struct state *st = state;
	int i;

	if (st->wait_freed > 1)
		return "freed twice";
	for (i = 0; i < NR_BIOS; i++) {
		if (st->bio[i] != BIO_COUNTED)
			continue;
		if (st->found[i] == OLD && st->old_ended)
			return "in flight to an extent that has ended";
		if (st->says == SAYS_DONE && st->found[i] == OLD)
			return "completed with IO in flight";
	}
	if (st->says == SAYS_DONE && st->refs[OLD])
		return "completed before the extent has ended";
	return NULL;
}

static const char *rest(const void *state)
{
	const struct state *st = state;

	if (st->says != SAYS_DONE && st->says != SAYS_CANCELED)
		return "never completes";
	return st->wait_freed == 1 ? NULL : "not freed";
}

static void show(const void *state)
{
	const struct state *st = state;
	int i;

	printf("tree %u %u refs %u %u %u cmd %u says %u left %u wait refs %u freed %u",
	       st->tree[0], st->tree[1], st->refs[OLD], st->refs[PART], st->refs[NEW],
	       st->cmd, st->says, st->left, st->wait_refs, st->wait_freed);
	for (i = 0; i < NR_BIOS; i++)
		printf(" bio %u half %u found %u", st->bio[i], st->half[i], st->found[i]);
}

static const char *run(bool quiet)
{
	struct search s = {
		.size = sizeof(struct state),
		.expand = expand,
		.check = check,
		.rest = rest,
		.show = show,
	};
	struct state start;
	const char *why;

	memset(&start, 0, sizeof(start));
	start.refs[OLD] = 1;
	why = search_run(&s, &start, quiet);
	if (!quiet)
		printf("# %u states, %u edges\n", s.nr_states, s.nr_edges);
	return why;
}

#include "variants.h"
