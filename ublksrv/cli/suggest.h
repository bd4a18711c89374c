/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The right word for a wrong one: see suggest.c.
 */
#ifndef UBLK_SUGGEST_H
#define UBLK_SUGGEST_H

#include <stddef.h>

/**
 * struct suggest - the nearest of the words offered so far
 * @word: the wrong word
 * @best: the nearest, or an empty text
 * @distance: edits between them
 */
struct suggest {
	const char *word;
	char best[64];
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
 * Return: "; did you mean "WORD"?" or an empty text, valid until the next call
 */
const char *suggest_text(const struct suggest *s, const char *dash);

#endif
