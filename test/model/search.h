/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exhaustive breadth-first search over the states of a model.
 *
 * A model is a struct of small integers and a function that lists the next
 * states. An edge is one of two kinds: a step that the driver takes by itself
 * sooner or later (EDGE_OWN), or one that the world may take or not
 * (EDGE_WORLD: a program sends a command, a process dies). The search verifies
 * the following, or prints the shortest way to a state that violates it:
 *
 *   check	holds in every state
 *   rest	holds in every state without an own edge
 *   no cycle	the driver does not take own steps without end
 *   goal	can be reached from every state
 *
 * Included once per model program. All states are kept in memory.
 */
#ifndef UBLK_TEST_SEARCH_H
#define UBLK_TEST_SEARCH_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

enum search_edge_kind { EDGE_OWN, EDGE_WORLD };

struct search_edge {
	u32 from, to;
	const char *label;
	enum search_edge_kind kind;
};

/**
 * struct search - a model, and the result of its search
 * @size: bytes of a state, which is compared as a whole: zero the padding
 * @expand: calls search_edge() for each possible next state
 * @check: text of the violated invariant, or NULL
 * @rest: likewise, called for states without an own edge; may be NULL
 * @goal: true for a state that must be reachable from every other; may be NULL
 * @show: prints a state on one line
 */
struct search {
	size_t size;
	void (*expand)(struct search *s, const void *state);
	const char *(*check)(const void *state);
	const char *(*rest)(const void *state);
	bool (*goal)(const void *state);
	void (*show)(const void *state);

	/* results */
	u32 nr_states, nr_edges;

	/* private */
	unsigned char *states;
	u32 *parent;		/* edge that found the state */
	u32 max_states;
	struct search_edge *edges;
	u32 max_edges;
	u32 *table, table_size;
	u32 current;
	const char *bad;		/* set by search_bad() while expanding */
};

#define SEARCH_NONE	UINT32_MAX
/* Every model here has less; one that has more may have no bound at all. */
#define SEARCH_MAX	4000000

static void *search_grow(void *p, size_t nr, size_t size)
{
	p = realloc(p, nr * size);
	if (!p) {
		perror("realloc");
		exit(1);
	}
	return p;
}

static const void *search_state(const struct search *s, u32 i)
{
	return s->states + (size_t)i * s->size;
}

static u32 search_hash(const struct search *s, const void *state)
{
	const unsigned char *p = state;
	u32 h = 2166136261u;
	size_t i;

	for (i = 0; i < s->size; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* Returns the slot of @state in the table, or the free one for it. */
static u32 *search_slot(const struct search *s, const void *state)
{
	u32 i = search_hash(s, state) & (s->table_size - 1);

	while (s->table[i] != SEARCH_NONE &&
	       memcmp(search_state(s, s->table[i]), state, s->size))
		i = (i + 1) & (s->table_size - 1);
	return &s->table[i];
}

static void search_rehash(struct search *s)
{
	u32 i;

	s->table_size = s->table_size ? s->table_size * 2 : 1 << 12;
	s->table = search_grow(s->table, s->table_size, sizeof(*s->table));
	memset(s->table, 0xff, s->table_size * sizeof(*s->table));
	for (i = 0; i < s->nr_states; i++)
		*search_slot(s, search_state(s, i)) = i;
}

static u32 search_intern(struct search *s, const void *state)
{
	u32 *slot;

	if (s->nr_states * 2 >= s->table_size)
		search_rehash(s);
	slot = search_slot(s, state);
	if (*slot != SEARCH_NONE)
		return *slot;

	if (s->nr_states == s->max_states) {
		s->max_states = s->max_states ? s->max_states * 2 : 1024;
		s->states = search_grow(s->states, s->max_states, s->size);
		s->parent = search_grow(s->parent, s->max_states,
					sizeof(*s->parent));
	}
	memcpy(s->states + (size_t)s->nr_states * s->size, state, s->size);
	s->parent[s->nr_states] = SEARCH_NONE;
	*slot = s->nr_states;
	return s->nr_states++;
}

/* From expand(): @next can follow the state that is being expanded. */
static void search_edge(struct search *s, const void *next, const char *label,
			enum search_edge_kind kind)
{
	u32 before = s->nr_states;
	u32 to = search_intern(s, next);

	if (s->nr_edges == s->max_edges) {
		s->max_edges = s->max_edges ? s->max_edges * 2 : 4096;
		s->edges = search_grow(s->edges, s->max_edges,
				       sizeof(*s->edges));
	}
	s->edges[s->nr_edges] = (struct search_edge) {
		.from = s->current, .to = to, .label = label, .kind = kind,
	};
	if (to == before)
		s->parent[to] = s->nr_edges;
	s->nr_edges++;
}

/* From expand(): a step that must not be possible in this state is. */
static inline void search_bad(struct search *s, const char *why)
{
	if (!s->bad)
		s->bad = why;
}

static void search_print_way(const struct search *s, u32 i)
{
	if (s->parent[i] != SEARCH_NONE) {
		const struct search_edge *e = &s->edges[s->parent[i]];

		search_print_way(s, e->from);
		printf("#   %-28s ", e->label);
	} else {
		printf("#   %-28s ", "start");
	}
	s->show(search_state(s, i));
	putchar('\n');
}

static const char *search_fail(const struct search *s, u32 i,
			       const char *why, bool quiet)
{
	if (!quiet) {
		printf("# %s; the shortest way there:\n", why);
		search_print_way(s, i);
	}
	return why;
}

/*
 * Returns a state on a cycle of own edges, or SEARCH_NONE. @first has the first
 * edge of each state; edges are sorted by the state they start from.
 */
static u32 search_find_cycle(const struct search *s, const u32 *first)
{
	u32 *stack = search_grow(NULL, s->nr_states, sizeof(*stack));
	u32 *next = search_grow(NULL, s->nr_states, sizeof(*next));
	unsigned char *color = calloc(s->nr_states, 1);
	u32 root, found = SEARCH_NONE, depth;

	memcpy(next, first, s->nr_states * sizeof(*next));
	for (root = 0; root < s->nr_states && found == SEARCH_NONE; root++) {
		if (color[root])
			continue;
		depth = 0;
		stack[depth++] = root;
		color[root] = 1;
		while (depth && found == SEARCH_NONE) {
			u32 at = stack[depth - 1];
			const struct search_edge *e;

			if (next[at] == first[at + 1]) {
				color[at] = 2;
				depth--;
				continue;
			}
			e = &s->edges[next[at]++];
			if (e->kind != EDGE_OWN || color[e->to] == 2)
				continue;
			if (color[e->to] == 1) {
				found = e->to;
				break;
			}
			color[e->to] = 1;
			stack[depth++] = e->to;
		}
	}
	free(stack);
	free(next);
	free(color);
	return found;
}

/* Returns the first state that reaches no goal, or SEARCH_NONE. */
static u32 search_find_lost(const struct search *s)
{
	unsigned char *ok = calloc(s->nr_states, 1);
	bool more = true;
	u32 i;

	for (i = 0; i < s->nr_states; i++)
		ok[i] = s->goal(search_state(s, i));
	while (more) {
		more = false;
		for (i = s->nr_edges; i-- > 0;) {
			const struct search_edge *e = &s->edges[i];

			if (ok[e->to] && !ok[e->from]) {
				ok[e->from] = 1;
				more = true;
			}
		}
	}
	for (i = 0; i < s->nr_states && ok[i]; i++)
		;
	free(ok);
	return i < s->nr_states ? i : SEARCH_NONE;
}

static const char *search_explore(struct search *s, bool quiet)
{
	unsigned char *copy = search_grow(NULL, 1, s->size);
	const char *why = NULL;
	u32 i;

	for (i = 0; i < s->nr_states && !why; i++) {
		why = s->check(search_state(s, i));
		if (!why && s->nr_states > SEARCH_MAX)
			why = "too many states";
		if (!why) {
			/* the array may move while this state is expanded */
			memcpy(copy, search_state(s, i), s->size);
			s->current = i;
			s->expand(s, copy);
			why = s->bad;
		}
		if (why)
			search_fail(s, i, why, quiet);
	}
	free(copy);
	return why;
}

static const char *search_judge(struct search *s, bool quiet)
{
	u32 *first = calloc(s->nr_states + 1, sizeof(*first));
	bool *own = calloc(s->nr_states, sizeof(*own));
	const char *why = NULL;
	u32 i, bad;

	for (i = 0; i < s->nr_edges; i++) {
		first[s->edges[i].from + 1] = i + 1;
		if (s->edges[i].kind == EDGE_OWN)
			own[s->edges[i].from] = true;
	}
	for (i = 1; i <= s->nr_states; i++)
		if (first[i] < first[i - 1])
			first[i] = first[i - 1];

	for (i = 0; s->rest && i < s->nr_states && !why; i++) {
		if (own[i])
			continue;
		why = s->rest(search_state(s, i));
		if (why)
			search_fail(s, i, why, quiet);
	}
	if (!why) {
		bad = search_find_cycle(s, first);
		if (bad != SEARCH_NONE)
			why = search_fail(s, bad,
					  "the driver takes steps without end",
					  quiet);
	}
	if (!why && s->goal) {
		bad = search_find_lost(s);
		if (bad != SEARCH_NONE)
			why = search_fail(s, bad, "no goal can be reached",
					  quiet);
	}
	free(first);
	free(own);
	return why;
}

/* Returns what is wrong, or NULL. */
static const char *search_run(struct search *s, const void *start, bool quiet)
{
	const char *why;

	search_intern(s, start);
	why = search_explore(s, quiet);
	if (!why)
		why = search_judge(s, quiet);

	free(s->states);
	free(s->parent);
	free(s->edges);
	free(s->table);
	s->states = NULL;
	s->parent = NULL;
	s->edges = NULL;
	s->table = NULL;
	return why;
}

#endif
