// SPDX-License-Identifier: GPL-2.0
/*
 * Declarative options: tables of struct ublk_opt over getopt_long().
 *
 * Every spelling of a row becomes a long option whose value is the row's
 * number; rows of a table follow those of the one before. A letter of a later
 * table wins over the same letter of an earlier one.
 *
 * UBLK_OPT_PATH values are made absolute, because the daemon leaves the working
 * directory. Only these values and the members of lists are allocated.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opt.h"

#define OPT_MAX		128	/* spellings in one command line */
#define OPT_BASE	1000	/* above every letter */
#define OPT_HELP	(OPT_BASE - 1)

struct opt_row {
	const struct ublk_opt *opt;
	const struct opt_table *table;
	bool given;
};

struct opt_parser {
	struct opt_row rows[OPT_MAX];
	unsigned int nr_rows;
	struct option longs[OPT_MAX];
	char names[OPT_MAX][40];
	unsigned int nr_longs;
	char shorts[2 * OPT_MAX];
	int letter[256];		/* row number + 1 */
};

int opt_uint(const char *text, __u64 *val)
{
	char *end;

	/* strtoull() would take a sign and white space */
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*val = strtoull(text, &end,
			text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	if (errno)
		return -errno;
	return *end ? -EINVAL : 0;
}

int opt_size(const char *text, __u64 *val)
{
	static const char suffix[] = "KMGTPE";
	const char *pos;
	char *end;
	int shift = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*val = strtoull(text, &end, 10);
	if (errno)
		return -errno;
	if (*end) {
		pos = strchr(suffix, toupper((unsigned char)*end));
		if (!pos || end[1])
			return -EINVAL;
		shift = 10 * (pos - suffix + 1);
	}
	if (*val > UINT64_MAX >> shift)
		return -ERANGE;
	*val <<= shift;
	return 0;
}

const char *opt_name(const struct ublk_opt *opt, char *buf, size_t len)
{
	snprintf(buf, len, "%.*s", (int)strcspn(opt->name, "|"), opt->name);
	return buf;
}

static int opt_bad_value(const struct opt_row *row, const char *text,
			 const char *why)
{
	char name[40];

	return ublk_error(-EINVAL, "--%s: \"%s\" %s",
			  opt_name(row->opt, name, sizeof(name)), text, why);
}

static int opt_set_number(struct opt_row *row, const char *text, __u64 *dst)
{
	const struct ublk_opt *o = row->opt;
	bool size = o->type == UBLK_OPT_SIZE;
	char why[80];
	__u64 val;
	int ret;

	/* UBLK_OPT_MAYBE */
	if (!text) {
		*dst = o->min;
		return 0;
	}
	ret = size ? opt_size(text, &val) : opt_uint(text, &val);
	if (ret == -EINVAL)
		return opt_bad_value(row, text, size ?
			"is not a size; give bytes, or K M G T behind a number" :
			"is not a number");
	if (ret || val < o->min || (o->max && val > o->max)) {
		snprintf(why, sizeof(why), "is out of range, it must be %llu..%llu",
			 (unsigned long long)o->min,
			 (unsigned long long)(o->max ? : UINT64_MAX));
		return opt_bad_value(row, text, why);
	}
	*dst = val;
	return 0;
}

static int opt_set_path(struct opt_row *row, const char *text, char **dst)
{
	char *path = realpath(text, NULL);

	/* /proc/PID/fd/N of a file without a name, such as a memfd */
	if (!path && *text == '/' && !access(text, F_OK))
		path = strdup(text);
	if (!path)
		return ublk_error(-EINVAL, "%s: %s: %s; check the name",
				  row->table->owner, text, strerror(errno));
	free(*dst);
	*dst = path;
	return 0;
}

int opt_list_add(char ***list, char *text)
{
	size_t nr = 0;
	char **more = NULL;

	while (*list && (*list)[nr])
		nr++;
	if (text)
		more = realloc(*list, (nr + 2) * sizeof(*more));
	if (!more) {
		free(text);
		return ublk_error(-ENOMEM, "out of memory");
	}
	more[nr] = text;
	more[nr + 1] = NULL;
	*list = more;
	return 0;
}

void opt_list_free(char ***list)
{
	char **text;

	for (text = *list; text && *text; text++)
		free(*text);
	free(*list);
	*list = NULL;
}

static int opt_append(struct opt_row *row, const char *text, char ***list)
{
	char *copy = NULL;
	int ret;

	if (row->opt->type != UBLK_OPT_PATH)
		return opt_list_add(list, strdup(text));
	ret = opt_set_path(row, text, &copy);
	return ret ? : opt_list_add(list, copy);
}

static int opt_set(struct opt_row *row, const char *text)
{
	char *dst = (char *)row->table->base + row->opt->offset;

	if (row->opt->flags & UBLK_OPT_LIST)
		return opt_append(row, text, (char ***)dst);
	switch (row->opt->type) {
	case UBLK_OPT_FLAG:
		*(bool *)dst = true;
		return 0;
	case UBLK_OPT_UINT:
	case UBLK_OPT_SIZE:
		return opt_set_number(row, text, (__u64 *)dst);
	case UBLK_OPT_STR:
		*(const char **)dst = text;
		return 0;
	case UBLK_OPT_PATH:
		return opt_set_path(row, text, (char **)dst);
	}
	return -EINVAL;
}

static void opt_add_long(struct opt_parser *p, const char *name, size_t len,
			 int has_arg, int val)
{
	struct option *l = &p->longs[p->nr_longs];

	snprintf(p->names[p->nr_longs], sizeof(p->names[0]), "%.*s",
		 (int)len, name);
	l->name = p->names[p->nr_longs++];
	l->has_arg = has_arg;
	l->val = val;
}

static void opt_add_row(struct opt_parser *p, const struct opt_table *table,
			const struct ublk_opt *opt)
{
	int arg = opt->type == UBLK_OPT_FLAG ? no_argument :
		opt->flags & UBLK_OPT_MAYBE ? optional_argument :
		required_argument;
	const char *name = opt->name;
	size_t len;

	for (;;) {
		len = strcspn(name, "|");
		opt_add_long(p, name, len, arg, OPT_BASE + p->nr_rows);
		if (!name[len])
			break;
		name += len + 1;
	}
	if (opt->letter)
		p->letter[(unsigned char)opt->letter] = p->nr_rows + 1;
	p->rows[p->nr_rows].opt = opt;
	p->rows[p->nr_rows++].table = table;
}

static void opt_build(struct opt_parser *p, const struct opt_table *tables,
		      int nr)
{
	const struct ublk_opt *opt;
	char *s = p->shorts;
	int i;

	for (i = 0; i < nr; i++)
		for (opt = tables[i].opts; opt && opt->name; opt++)
			opt_add_row(p, &tables[i], opt);
	opt_add_long(p, "help", 4, no_argument, OPT_HELP);

	*s++ = ':';
	*s++ = 'h';
	for (i = 0; i < 256; i++) {
		if (!p->letter[i])
			continue;
		*s++ = i;
		if (p->rows[p->letter[i] - 1].opt->type != UBLK_OPT_FLAG)
			*s++ = ':';
	}
}

/* "TARGET: ", or "" if all options are the command's; the caller adds the name of the command. */
static const char *opt_who(const struct opt_table *tables, int nr)
{
	static char who[64];

	if (!strcmp(tables[nr - 1].owner, tables[0].owner))
		return "";
	snprintf(who, sizeof(who), "%s: ", tables[nr - 1].owner);
	return who;
}

static int opt_unknown(const struct opt_table *tables, int nr, int c,
		       char **argv)
{
	const char *who = opt_who(tables, nr);
	char text[64];

	/* a known option without its argument, or with one it does not take */
	if (optopt >= OPT_HELP || c == ':')
		return ublk_error(-EINVAL, "%soption \"%s\" %s", who,
				  argv[optind - 1], c == ':' ?
				  "needs an argument" : "takes no argument");
	if (optopt)
		snprintf(text, sizeof(text), "-%c", optopt);
	else
		snprintf(text, sizeof(text), "%s", argv[optind - 1]);
	return ublk_error(-EINVAL, "%sunknown option \"%s\"; see \"ublk help %s\"",
			  who, text, argv[0]);
}

static int opt_positional(struct opt_parser *p, const char *text,
			  const struct opt_table *tables, int nr)
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
	return ublk_error(-EINVAL, "%sunexpected argument \"%s\"",
			  opt_who(tables, nr), text);
}

static int opt_run(struct opt_parser *p, const struct opt_table *tables,
		   int nr, int argc, char **argv)
{
	struct opt_row *row;
	int c, ret;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, p->shorts, p->longs, NULL)) != -1) {
		if (c == 'h' || c == OPT_HELP)
			return 1;
		if (c == '?' || c == ':')
			return opt_unknown(tables, nr, c, argv);
		row = &p->rows[c < OPT_BASE ? p->letter[c] - 1 : c - OPT_BASE];
		row->given = true;
		ret = opt_set(row, optarg);
		if (ret)
			return ret;
	}
	for (; optind < argc; optind++) {
		ret = opt_positional(p, argv[optind], tables, nr);
		if (ret)
			return ret;
	}
	return 0;
}

/* "OWNER " of a target's; the caller adds the name of the command. */
static const char *opt_owner(const struct opt_row *row,
			     const struct opt_table *tables)
{
	static char who[64];

	if (!strcmp(row->table->owner, tables[0].owner))
		return "";
	snprintf(who, sizeof(who), "%s ", row->table->owner);
	return who;
}

int opt_defaults(const struct opt_table *table)
{
	const struct ublk_opt *o;
	int ret = 0;

	for (o = table->opts; o && o->name && !ret; o++) {
		struct opt_row row = { .opt = o, .table = table };

		if (o->def)
			ret = opt_set(&row, o->def);
	}
	return ret;
}

int opt_parse(const struct opt_table *tables, int nr, int argc, char **argv)
{
	struct opt_parser *p = calloc(1, sizeof(*p));
	unsigned int i;
	char name[40];
	int ret = 0, t;

	if (!p)
		return ublk_error(-ENOMEM, "out of memory");
	opt_build(p, tables, nr);
	for (t = 0; t < nr && !ret; t++)
		ret = opt_defaults(&tables[t]);
	if (!ret)
		ret = opt_run(p, tables, nr, argc, argv);
	for (i = 0; i < p->nr_rows && !ret; i++) {
		struct opt_row *row = &p->rows[i];

		if (row->opt->flags & UBLK_OPT_REQUIRED && !row->given)
			ret = ublk_error(-EINVAL, "%sneeds --%s %s",
					 opt_owner(row, tables),
					 opt_name(row->opt, name, sizeof(name)),
					 row->opt->arg);
	}
	free(p);
	return ret;
}

void opt_help(FILE *out, const struct ublk_opt *opts)
{
	const struct ublk_opt *o;
	char left[64], name[40];

	for (o = opts; o && o->name; o++) {
		char letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter,
			 opt_name(o, name, sizeof(name)),
			 o->arg && *o->arg != '[' ? " " : "", o->arg ? : "");
		fprintf(out, "  %-28s %s", left, o->help);
		if (o->def)
			fprintf(out, " (default %s)", o->def);
		fputc('\n', out);
	}
}

void opt_free(const struct opt_table *table)
{
	const struct ublk_opt *o;

	for (o = table->opts; o && o->name; o++) {
		char **dst = (char **)((char *)table->base + o->offset);

		if (o->flags & UBLK_OPT_LIST) {
			opt_list_free((char ***)dst);
			continue;
		}
		if (o->type != UBLK_OPT_PATH)
			continue;
		free(*dst);
		*dst = NULL;
	}
}
