// SPDX-License-Identifier: GPL-2.0
/*
 * The right word for a wrong one: the word with the fewest edits between them. An
 * edit inserts, removes or replaces a letter, or exchanges two neighbours. The
 * beginning of a word is one edit away from it. Where several words are equally near,
 * all of them are named.
 *
 * Called with options by opt_parse.c, with commands by main.c, with targets by
 * devopts.c, and with names of devices by device.c.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "suggest.h"

#define WORD_MAX	40

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int min = a < b ? a : b;

	return min < c ? min : c;
}

/* '_' and '-' are the same. */
static char folded(char c)
{
	return c == '_' ? '-' : c;
}

static unsigned int suggest_distance(const char *a, size_t a_len, const char *b,
				     size_t b_len)
{
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];
	size_t i, j;

	for (i = 0; i <= a_len; i++)
		d[i][0] = i;
	for (j = 0; j <= b_len; j++)
		d[0][j] = j;
	for (i = 1; i <= a_len; i++)
		for (j = 1; j <= b_len; j++) {
			bool same = folded(a[i - 1]) == folded(b[j - 1]);

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				       d[i - 1][j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	return d[a_len][b_len];
}

/* More edits than these make another word. */
static unsigned int suggest_limit(size_t len)
{
	return len < 4 ? 1 : 1 + len / 4;
}

static bool suggest_is_start(const char *word, const char *right, size_t len)
{
	size_t i, n = strlen(word);

	for (i = 0; i < n && i < len; i++)
		if (folded(word[i]) != folded(right[i]))
			return false;
	return n > 1 && n < len;
}

/* Another one that is as near. */
static void suggest_tie(struct suggest *s, const char *right, size_t len)
{
	unsigned int i;

	for (i = 0; i < s->nr && i < SUGGEST_TIES; i++)
		if (strlen(s->ties[i]) == len &&
		    !suggest_distance(s->ties[i], len, right, len))
			return;
	if (s->nr < SUGGEST_TIES)
		snprintf(s->ties[s->nr], sizeof(s->ties[0]), "%.*s", (int)len,
			 right);
	s->nr++;
}

static void suggest_one(struct suggest *s, const char *right, size_t len)
{
	size_t word_len = strlen(s->word);
	unsigned int distance;

	if (word_len > WORD_MAX || len > WORD_MAX)
		return;
	distance = suggest_is_start(s->word, right, len) ? 1 :
		suggest_distance(s->word, word_len, right, len);
	if (distance > suggest_limit(word_len) ||
	    (s->nr && distance > s->distance))
		return;
	if (s->nr && distance < s->distance)
		s->nr = 0;
	s->distance = distance;
	suggest_tie(s, right, len);
}

void suggest_offer(struct suggest *s, const char *right)
{
	size_t len;

	for (;; right += len + 1) {
		len = strcspn(right, "|");
		suggest_one(s, right, len);
		if (!right[len])
			return;
	}
}

const char *suggest_text(const struct suggest *s, const char *dash)
{
	static char text[200];
	size_t used = 0;
	unsigned int i;

	text[0] = 0;
	/* many are no help */
	for (i = 0; s->nr <= SUGGEST_TIES && i < s->nr && used < sizeof(text); i++)
		used += snprintf(text + used, sizeof(text) - used, "%s\"%s%s\"",
				 i ? " or " : "; did you mean ", dash, s->ties[i]);
	if (used && used < sizeof(text))
		snprintf(text + used, sizeof(text) - used, "?");
	return text;
}
