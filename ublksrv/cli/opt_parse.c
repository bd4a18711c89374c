// SPDX-License-Identifier: GPL-2.0
/*
 * Command lines against tables of struct ublk_opt.
 *
 * As getopt_long() reads them: options and other words in any order, "--" ends
 * the options, letters bundle (-zb), an unambiguous start of a long name is
 * enough. Unlike there, the value of an option may be left out although it may be
 * the next word (UBLK_OPT_BOOL, UBLK_OPT_MAYBE). A letter of a later table wins
 * over the same letter of an earlier one. The words that are no options are
 * handed out after the options.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "opt.h"
#include "suggest.h"

#define ROWS_MAX	128	/* in one command line */
#define HELP		1	/* opt_parse() returns it */

struct opt_parser {
	struct opt_table *tables;
	int nr_tables;
	struct opt_row rows[ROWS_MAX];
	unsigned int nr_rows;
	int argc, at;		/* the next word is argv[at] */
	char **argv;
	char **words;		/* that are no options */
	unsigned int nr_words;
};

static void opt_build(struct opt_parser *p, struct opt_table *tables, int nr,
		      int argc, char **argv)
{
	const struct ublk_opt *opt;
	int i;

	memset(p, 0, sizeof(*p));
	p->tables = tables;
	p->nr_tables = nr;
	p->argc = argc;
	p->argv = argv;
	p->at = 1;
	for (i = 0; i < nr; i++)
		for (opt = tables[i].opts; opt && opt->name; opt++)
			p->rows[p->nr_rows++] = (struct opt_row) {
				.opt = opt, .table = &tables[i],
			};
}

/* "TARGET: ", or "" if all options are the command's. The caller adds its name. */
static const char *opt_who(const struct opt_parser *p)
{
	static char who[64];
	const char *last = p->tables[p->nr_tables - 1].owner;

	if (!strcmp(last, p->tables[0].owner))
		return "";
	snprintf(who, sizeof(who), "%s: ", last);
	return who;
}

static struct opt_row *opt_by_letter(struct opt_parser *p, char letter)
{
	unsigned int i = p->nr_rows;

	while (i--)
		if (p->rows[i].opt->letter == letter)
			return &p->rows[i];
	return NULL;
}

/* Is this text one of the names, or the start of one? @exact: which of both */
static bool opt_has_name(const struct ublk_opt *opt, const char *text,
			 size_t len, bool *exact)
{
	const char *name = opt->name;
	bool start = false;

	*exact = false;
	for (;; name++) {
		if (!strncmp(name, text, len)) {
			start = true;
			*exact |= !name[len] || name[len] == '|';
		}
		name += strcspn(name, "|");
		if (!*name)
			return start;
	}
}

/* Return: row, or NULL with @other set if the start of several names was given */
static struct opt_row *opt_by_name(struct opt_parser *p, const char *text,
				   size_t len, const struct opt_row **other)
{
	struct opt_row *found = NULL;
	unsigned int i;
	bool exact;

	*other = NULL;
	for (i = 0; i < p->nr_rows && len; i++) {
		if (!opt_has_name(p->rows[i].opt, text, len, &exact))
			continue;
		if (exact)
			return &p->rows[i];
		if (found)
			*other = &p->rows[i];
		else
			found = &p->rows[i];
	}
	return *other ? NULL : found;
}

static int opt_unknown(const struct opt_parser *p, const char *text)
{
	const char *who = opt_who(p), *hint = "";
	struct suggest s = { 0 };
	char name[40];
	unsigned int i;

	if (!strncmp(text, "--", 2)) {
		snprintf(name, sizeof(name), "%.*s",
			 (int)strcspn(text + 2, "="), text + 2);
		s.word = name;
		for (i = 0; i < p->nr_rows; i++)
			suggest_offer(&s, p->rows[i].opt->name);
		hint = suggest_text(&s, "--");
	}
	return ublk_error(-EINVAL, "%sunknown option \"%s\"%s%s see \"ublk help %s\"",
			  who, text, hint, *hint ? "" : ";", p->argv[0]);
}

static int opt_ambiguous(struct opt_parser *p, const char *text, size_t len,
			 const struct opt_row *other)
{
	char a[40], b[40];
	unsigned int i;
	bool exact;

	for (i = 0; i < p->nr_rows; i++)
		if (opt_has_name(p->rows[i].opt, text, len, &exact))
			break;
	return ublk_error(-EINVAL, "%soption \"--%.*s\" is the start of several; write --%s or --%s",
			  opt_who(p), (int)len, text,
			  opt_name(p->rows[i].opt, a, sizeof(a)),
			  opt_name(other->opt, b, sizeof(b)));
}

/* "TARGET: " for a row of a target. */
static const char *opt_whose(const struct opt_parser *p,
			     const struct opt_row *row)
{
	return row->table == &p->tables[p->nr_tables - 1] ? opt_who(p) : "";
}

static int opt_needs(const struct opt_parser *p, const struct opt_row *row,
		     const char *text)
{
	if (row->opt->flags & UBLK_OPT_VALUE)
		return ublk_error(-EINVAL, "%soption \"%s\" needs 0 or 1: %s",
				  opt_whose(p, row), text, row->opt->help);
	return ublk_error(-EINVAL, "%soption \"%s\" needs an argument",
			  opt_whose(p, row), text);
}

static bool opt_is_bool(const char *text)
{
	return text && (*text == '0' || *text == '1') && !text[1];
}

/* May this row do without a value that is not in the same word? */
static bool opt_may_lack(const struct opt_row *row)
{
	const struct ublk_opt *o = row->opt;

	return o->type == UBLK_OPT_FLAG || row->table->bare == o ||
		(o->type == UBLK_OPT_BOOL && !(o->flags & UBLK_OPT_VALUE)) ||
		o->flags & UBLK_OPT_MAYBE;
}

/* Is the next word the value of this row? */
static bool opt_takes_next(const struct opt_parser *p, const struct opt_row *row)
{
	const char *next = p->at < p->argc ? p->argv[p->at] : NULL;

	if (!next || row->opt->type == UBLK_OPT_FLAG || row->table->bare == row->opt)
		return false;
	if (row->opt->type == UBLK_OPT_BOOL)
		return opt_is_bool(next);
	/* a number only behind "=", as the next word may be a file of that name */
	if (row->opt->flags & UBLK_OPT_MAYBE)
		return row->opt->type != UBLK_OPT_UINT && *next != '-';
	return true;
}

/* Set a row whose value is not in the same word. @text: as typed */
static int opt_set_next(struct opt_parser *p, struct opt_row *row,
			const char *text)
{
	row->given = true;
	if (opt_takes_next(p, row))
		return opt_set(row, p->argv[p->at++]);
	return opt_may_lack(row) ? opt_set(row, NULL) : opt_needs(p, row, text);
}

static int opt_long(struct opt_parser *p, const char *text)
{
	size_t len = strcspn(text + 2, "=");
	const struct opt_row *other;
	struct opt_row *row;

	if (len == 4 && !strcmp(text, "--help"))
		return HELP;
	row = opt_by_name(p, text + 2, len, &other);
	if (other)
		return opt_ambiguous(p, text + 2, len, other);
	if (!row)
		return opt_unknown(p, text);
	if (!text[2 + len])
		return opt_set_next(p, row, text);
	if (row->opt->type == UBLK_OPT_FLAG)
		return ublk_error(-EINVAL, "%soption \"%s\" takes no argument",
				  opt_whose(p, row), text);
	row->given = true;
	return opt_set(row, text + 2 + len + 1);
}

/* -a, -ab, -aVALUE. A flag or a BOOL goes on with the next letter. */
static int opt_letters(struct opt_parser *p, const char *text)
{
	const char *at = text + 1;
	struct opt_row *row;
	char name[3] = "-";
	char digit[2] = "";
	int ret;

	for (ret = 0; *at && !ret; ) {
		name[1] = *at++;
		row = opt_by_letter(p, name[1]);
		if (!row && name[1] == 'h')
			return HELP;
		if (!row)
			return opt_unknown(p, name);
		if (!*at)
			return opt_set_next(p, row, name);
		row->given = true;
		if (row->opt->type == UBLK_OPT_BOOL &&
		    (*at == '0' || *at == '1')) {
			digit[0] = *at++;
			ret = opt_set(row, digit);
		} else if (opt_may_lack(row)) {
			ret = opt_set(row, NULL);
		} else {
			return opt_set(row, at);
		}
	}
	return ret;
}

/* Go through the options; words that are none are put aside. */
static int opt_options(struct opt_parser *p)
{
	bool end = false;
	int ret = 0;

	while (p->at < p->argc && !ret) {
		char *text = p->argv[p->at++];

		if (end || text[0] != '-' || !text[1])
			p->words[p->nr_words++] = text;
		else if (!strcmp(text, "--"))
			end = true;
		else if (text[1] == '-')
			ret = opt_long(p, text);
		else
			ret = opt_letters(p, text);
	}
	return ret;
}

static int opt_positional(struct opt_parser *p, const char *text)
{
	unsigned int i;

	for (i = 0; i < p->nr_rows; i++) {
		struct opt_row *row = &p->rows[i];

		if (!(row->opt->flags & UBLK_OPT_POSITIONAL) ||
		    (row->given && !(row->opt->flags & UBLK_OPT_LIST)))
			continue;
		row->given = true;
		return opt_set(row, text);
	}
	return ublk_error(-EINVAL, "%sunexpected argument \"%s\"", opt_who(p),
			  text);
}

/* "OWNER " of a target's; the caller adds the name of the command. */
static const char *opt_owner(const struct opt_parser *p,
			     const struct opt_row *row)
{
	static char who[64];

	if (!strcmp(row->table->owner, p->tables[0].owner))
		return "";
	snprintf(who, sizeof(who), "%s ", row->table->owner);
	return who;
}

static bool opt_any_given(const struct opt_parser *p,
			  const struct opt_table *table)
{
	unsigned int i;

	for (i = 0; i < p->nr_rows; i++)
		if (p->rows[i].table == table && p->rows[i].given)
			return true;
	return false;
}

static int opt_check_required(struct opt_parser *p)
{
	char name[40];
	unsigned int i;

	for (i = 0; i < p->nr_rows; i++) {
		struct opt_row *row = &p->rows[i];

		if (!(row->opt->flags & UBLK_OPT_REQUIRED) || row->given)
			continue;
		row->table->missing = true;
		if (row->table->may_miss && !opt_any_given(p, row->table))
			continue;
		return ublk_error(-EINVAL, "%sneeds --%s %s", opt_owner(p, row),
				  opt_name(row->opt, name, sizeof(name)),
				  row->opt->arg);
	}
	return 0;
}

int opt_parse(struct opt_table *tables, int nr, int argc, char **argv)
{
	struct opt_parser *p = malloc(sizeof(*p));
	char **words = calloc(argc + 1, sizeof(*words));
	unsigned int i;
	int ret = 0, t;

	if (!p || !words) {
		free(words);
		free(p);
		return ublk_error(-ENOMEM, "out of memory");
	}
	opt_build(p, tables, nr, argc, argv);
	p->words = words;
	for (t = 0; t < nr && !ret; t++)
		ret = opt_defaults(&tables[t]);
	if (!ret)
		ret = opt_options(p);
	for (i = 0; i < p->nr_words && !ret; i++)
		ret = opt_positional(p, words[i]);
	if (!ret)
		ret = opt_check_required(p);
	free(words);
	free(p);
	return ret;
}

/* Step over one word and its value. Return: the value of the option, or NULL */
static const char *opt_skip(struct opt_parser *p, char letter)
{
	const char *text = p->argv[p->at++], *at;
	const struct opt_row *other;
	struct opt_row *row;
	size_t len;

	if (text[0] != '-' || !text[1])
		return NULL;
	if (text[1] == '-') {
		len = strcspn(text + 2, "=");
		row = opt_by_name(p, text + 2, len, &other);
		at = text[2 + len] ? text + 2 + len + 1 : NULL;
	} else {
		at = text + 1;
		do {
			row = opt_by_letter(p, *at++);
		} while (row && *at && opt_may_lack(row));
		if (!*at)
			at = NULL;
	}
	if (!row)
		return NULL;
	if (!at && opt_takes_next(p, row))
		at = p->argv[p->at++];
	return row->opt->letter == letter ? at : NULL;
}

const char *opt_find_value(struct opt_table *tables, int nr, char letter,
			   int argc, char **argv)
{
	struct opt_parser *p = malloc(sizeof(*p));
	const char *last = NULL, *found;

	if (!p)
		return NULL;
	opt_build(p, tables, nr, argc, argv);
	while (p->at < argc && strcmp(argv[p->at], "--")) {
		found = opt_skip(p, letter);
		if (found)
			last = found;
	}
	free(p);
	return last;
}
