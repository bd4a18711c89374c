// SPDX-License-Identifier: GPL-2.0
/*
 * Declarative options: the values of struct ublk_opt, their defaults and help.
 * opt_parse.c reads command lines.
 *
 * UBLK_OPT_PATH values are made absolute, because the daemon leaves the working
 * directory. Only these values and the members of lists are allocated.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opt.h"

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
	if (!strcmp(end, "s")) {
		shift = 9;
	} else if (*end) {
		pos = strchr(suffix, toupper((unsigned char)*end));
		if (!pos || (end[1] && strcmp(end + 1, "iB")))
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

/* A number of bytes as short as it can be typed. */
static const char *opt_short_size(char *buf, size_t len, __u64 val)
{
	static const char suffix[] = "KMGTPE";
	int i = -1;

	if (val % 512)
		return "a multiple of 512";
	while (i < 5 && !(val % 1024)) {
		val >>= 10;
		i++;
	}
	if (i < 0)
		snprintf(buf, len, "%llus", (unsigned long long)val / 512);
	else
		snprintf(buf, len, "%llu%c", (unsigned long long)val, suffix[i]);
	return buf;
}

/* Name both readings of a bare number, each with its own spelling. */
static int opt_no_unit(const struct opt_row *row, const char *text, __u64 val)
{
	char why[200], bytes[32], sectors[32];
	__u64 far = val > UINT64_MAX >> 9 ? 0 : val << 9;

	snprintf(why, sizeof(why), "could be bytes, as losetup counts: write %s; or sectors, as ublksrv counts: write %llus, which is %s",
		 opt_short_size(bytes, sizeof(bytes), val),
		 (unsigned long long)val,
		 opt_short_size(sectors, sizeof(sectors), far));
	return opt_bad_value(row, text, why);
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
	if (o->flags & UBLK_OPT_UNIT && val && isdigit((unsigned char)
						       text[strlen(text) - 1]))
		return opt_no_unit(row, text, val);
	*dst = val;
	return 0;
}

bool opt_is_credential(const char *text)
{
	return !strncmp(text, UBLK_OPT_CREDENTIAL, strlen(UBLK_OPT_CREDENTIAL));
}

static int opt_set_path(struct opt_row *row, const char *text, char **dst)
{
	char *path;

	/* UBLK_OPT_MAYBE */
	if (!text) {
		free(*dst);
		*dst = strdup("");
		return *dst ? 0 : ublk_error(-ENOMEM, "out of memory");
	}
	path = opt_is_credential(text) ? strdup(text) : realpath(text, NULL);
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

static int opt_set_bool(const struct opt_row *row, const char *text, bool *dst)
{
	bool on = !text || !strcmp(text, "1") || !strcmp(text, "on");
	char why[120];

	if (!on && strcmp(text, "0") && strcmp(text, "off")) {
		snprintf(why, sizeof(why), "is not 0 or 1%s%s",
			 row->opt->flags & UBLK_OPT_VALUE ? ": " : "",
			 row->opt->flags & UBLK_OPT_VALUE ? row->opt->help : "");
		return opt_bad_value(row, text, why);
	}
	*dst = on;
	return 0;
}

static int opt_set_device(const struct opt_row *row, const char *text,
			  __u64 *dst)
{
	if (!row->table->find_device)
		return opt_bad_value(row, text, "names no device");
	return row->table->find_device(text, dst);
}

int opt_set(struct opt_row *row, const char *text)
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
	case UBLK_OPT_BOOL:
		row->table->valued |= text && !(row->opt->flags & UBLK_OPT_VALUE);
		return opt_set_bool(row, text, (bool *)dst);
	case UBLK_OPT_DEVICE:
		return opt_set_device(row, text, (__u64 *)dst);
	}
	return -EINVAL;
}

int opt_defaults(const struct opt_table *table)
{
	const struct ublk_opt *o;
	int ret = 0;

	for (o = table->opts; o && o->name && !ret; o++) {
		struct opt_row row = {
			.opt = o, .table = (struct opt_table *)table,
		};

		if (o->def)
			ret = opt_set(&row, o->def);
	}
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
