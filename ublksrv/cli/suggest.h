/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The right word for a wrong one: see suggest.c.
 */
#ifndef UBLK_SUGGEST_H
#define UBLK_SUGGEST_H

#include <stddef.h>

#define SUGGEST_TIES	3

/**
 * struct suggest - the nearest of the words offered so far
 * @word: the wrong word
 * @ties: the nearest
 * @nr: how many they are, which may be more
 * @distance: edits between them and @word
 */
struct suggest {
	const char *word;
	char ties[SUGGEST_TIES][44];
	unsigned int nr;
	unsigned int distance;
};

/**
 * suggest_offer - compare a right word
 * @s: with @word set, the rest 0
 * @right: word, or several separated by '|'
 */
void suggest_offer(struct suggest *s, const char *right);

/**
 * suggest_text - a question for a message
 * @s: after all words have been offered
 * @dash: what to put before the word, "--" for an option
 *
 * Return: "; did you mean "WORD"?", with " or "WORD"" for others, or an empty text;
 * valid until the next call
 */
const char *suggest_text(const struct suggest *s, const char *dash);

#endif
