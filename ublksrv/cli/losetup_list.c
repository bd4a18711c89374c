// SPDX-License-Identifier: GPL-2.0
/*
 * Lists of devices as losetup prints them: a line each, a table with columns of
 * choice, or losetup's own JSON. Devices without a file have no place in them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sysmacros.h>

#include "json.h"
#include "list.h"
#include "losetup.h"
#include "suggest.h"

#define COLUMNS_MAX	24
#define DEFAULT_COLUMNS	"NAME,SIZELIMIT,OFFSET,AUTOCLEAR,RO,BACK-FILE,DIO,LOG-SEC"

enum losetup_type { TEXT, NUMBER, BOOL };

struct losetup_column {
	const char *name;
	enum losetup_type type;
	json_t *(*value)(const struct list_dev *d);
};

/* Rows are JSON objects by column; a null is a "?" in the table. */
struct losetup_rows {
	const struct losetup_column *columns[COLUMNS_MAX];
	unsigned int nr;
	json_t *rows;
};

/* The first store of those that have several. */
static const struct ublk_store *losetup_store(const struct list_dev *d)
{
	return d->has_state && d->state.nr_stores ? d->state.stores : NULL;
}

static long long losetup_option(const struct list_dev *d, const char *key)
{
	return json_integer_value(json_object_get(d->state.options, key));
}

static json_t *losetup_pair(unsigned int a, unsigned int b)
{
	return json_sprintf("%u:%u", a, b);
}

static json_t *value_name(const struct list_dev *d)
{
	return json_sprintf("/dev/ublkb%u", d->query->id);
}

static json_t *value_autoclear(const struct list_dev *d)
{
	(void)d;
	return json_false();
}

static json_t *value_back_file(const struct list_dev *d)
{
	json_t *val = json_string(losetup_store(d)->name);

	/* JSON is UTF-8, file names need not be */
	return val ? : json_null();
}

static json_t *value_back_ino(const struct list_dev *d)
{
	return json_integer(losetup_store(d)->ino);
}

static json_t *value_back_dev(const struct list_dev *d)
{
	const struct ublk_store *s = losetup_store(d);

	return losetup_pair(s->dev_major, s->dev_minor);
}

static json_t *value_back_major(const struct list_dev *d)
{
	return json_integer(losetup_store(d)->dev_major);
}

static json_t *value_back_minor(const struct list_dev *d)
{
	return json_integer(losetup_store(d)->dev_minor);
}

/* Parameters that the driver sets when there is a disk. */
static const struct ublk_param_devt *losetup_devt(const struct list_dev *d)
{
	const struct ublk_params *p = &d->query->params;

	return !d->query->params_err && p->types & UBLK_PARAM_TYPE_DEVT ?
		&p->devt : NULL;
}

static json_t *value_dev(const struct list_dev *d)
{
	const struct ublk_param_devt *t = losetup_devt(d);

	return t ? losetup_pair(t->disk_major, t->disk_minor) : json_null();
}

static json_t *value_major(const struct list_dev *d)
{
	const struct ublk_param_devt *t = losetup_devt(d);

	return t ? json_integer(t->disk_major) : json_null();
}

static json_t *value_minor(const struct list_dev *d)
{
	const struct ublk_param_devt *t = losetup_devt(d);

	return t ? json_integer(t->disk_minor) : json_null();
}

static json_t *value_offset(const struct list_dev *d)
{
	return json_integer(losetup_option(d, "offset"));
}

static json_t *value_sizelimit(const struct list_dev *d)
{
	return json_integer(losetup_option(d, "size"));
}

static json_t *value_partscan(const struct list_dev *d)
{
	return json_boolean(!(d->query->info.flags &
			      UBLK_F_NO_AUTO_PART_SCAN));
}

static json_t *value_ro(const struct list_dev *d)
{
	if (d->query->params_err)
		return json_null();
	return json_boolean(d->query->params.basic.attrs & UBLK_ATTR_READ_ONLY);
}

static json_t *value_dio(const struct list_dev *d)
{
	return json_boolean(!json_is_true(json_object_get(d->state.options,
							  "buffered-io")));
}

static json_t *value_log_sec(const struct list_dev *d)
{
	if (d->query->params_err)
		return json_null();
	return json_integer(1 << d->query->params.basic.logical_bs_shift);
}

static json_t *value_ref(const struct list_dev *d)
{
	return json_string(d->state.name ? : "");
}

static const struct losetup_column losetup_columns[] = {
	{ "NAME", TEXT, value_name },
	{ "AUTOCLEAR", BOOL, value_autoclear },
	{ "BACK-FILE", TEXT, value_back_file },
	{ "BACK-INO", NUMBER, value_back_ino },
	{ "BACK-MAJ:MIN", TEXT, value_back_dev },
	{ "BACK-MAJ", NUMBER, value_back_major },
	{ "BACK-MIN", NUMBER, value_back_minor },
	{ "MAJ:MIN", TEXT, value_dev },
	{ "MAJ", NUMBER, value_major },
	{ "MIN", NUMBER, value_minor },
	{ "OFFSET", NUMBER, value_offset },
	{ "PARTSCAN", BOOL, value_partscan },
	{ "RO", BOOL, value_ro },
	{ "SIZELIMIT", NUMBER, value_sizelimit },
	{ "DIO", BOOL, value_dio },
	{ "LOG-SEC", NUMBER, value_log_sec },
	{ "REF", TEXT, value_ref },
};

#define NR_COLUMNS	(sizeof(losetup_columns) / sizeof(losetup_columns[0]))

/* Return: column, or NULL with a message */
static const struct losetup_column *losetup_column(const char *name)
{
	struct suggest s = { .word = name };
	const char *hint;
	size_t i;

	for (i = 0; i < NR_COLUMNS; i++) {
		if (!strcasecmp(losetup_columns[i].name, name))
			return &losetup_columns[i];
		suggest_offer(&s, losetup_columns[i].name);
	}
	hint = suggest_text(&s, "");
	ublk_error(-EINVAL, "--output: \"%s\" is no column%s%s see \"man ublk\"",
		   name, hint, *hint ? "" : ";");
	return NULL;
}

static int losetup_choose(struct losetup_rows *r, const char *names)
{
	const struct losetup_column *c;
	char *copy = strdup(names), *name, *save = NULL;
	int ret = 0;

	if (!copy)
		return ublk_error(-ENOMEM, "--output %s: out of memory", names);
	for (name = strtok_r(copy, ",", &save); name && !ret;
	     name = strtok_r(NULL, ",", &save)) {
		c = losetup_column(name);
		if (c && r->nr < COLUMNS_MAX)
			r->columns[r->nr++] = c;
		else if (c)
			ret = ublk_error(-EINVAL, "--output: more than %d columns: \"%s\"",
					 COLUMNS_MAX, names);
		else
			ret = -EINVAL;
	}
	free(copy);
	return ret;
}

static void losetup_key(const struct losetup_column *c, char *key, size_t len)
{
	size_t i;

	snprintf(key, len, "%s", c->name);
	for (i = 0; key[i]; i++)
		key[i] = tolower((unsigned char)key[i]);
}

static void losetup_add_row(void *arg, const struct list_dev *d)
{
	struct losetup_rows *r = arg;
	json_t *row;
	char key[32];
	unsigned int i;

	if (!losetup_store(d))
		return;
	row = json_object();
	for (i = 0; i < r->nr; i++) {
		losetup_key(r->columns[i], key, sizeof(key));
		json_object_set_new(row, key, r->columns[i]->value(d));
	}
	json_array_append_new(r->rows, row);
}

static void losetup_cell(const json_t *row, const struct losetup_column *c,
			 char *buf, size_t len)
{
	const json_t *val;
	char key[32];

	losetup_key(c, key, sizeof(key));
	val = json_object_get(row, key);
	if (json_is_string(val))
		snprintf(buf, len, "%s", json_string_value(val));
	else if (json_is_integer(val))
		snprintf(buf, len, "%lld", (long long)json_integer_value(val));
	else if (json_is_boolean(val))
		snprintf(buf, len, "%d", json_is_true(val));
	else
		snprintf(buf, len, "?");
}

/* The last column has no blanks behind it. */
static void losetup_put(const struct losetup_rows *r, unsigned int i,
			const char *text, const int *width, bool raw)
{
	bool last = i + 1 == r->nr;

	if (raw)
		printf("%s", text);
	else if (r->columns[i]->type != TEXT)
		printf("%*s", width[i], text);
	else
		printf("%-*s", last ? 0 : width[i], text);
	putchar(last ? '\n' : ' ');
}

static void losetup_print_table(const struct losetup_rows *r,
				const struct losetup_form *form)
{
	int width[COLUMNS_MAX] = { 0 };
	char cell[4200];
	const json_t *row;
	unsigned int i;
	size_t k;

	for (i = 0; i < r->nr; i++) {
		if (!form->no_headings)
			width[i] = strlen(r->columns[i]->name);
		json_array_foreach(r->rows, k, row) {
			losetup_cell(row, r->columns[i], cell, sizeof(cell));
			if ((int)strlen(cell) > width[i])
				width[i] = strlen(cell);
		}
	}
	/* as losetup, nothing at all if there is nothing */
	for (i = 0; !form->no_headings && json_array_size(r->rows) && i < r->nr;
	     i++)
		losetup_put(r, i, r->columns[i]->name, width, form->raw);
	json_array_foreach(r->rows, k, row)
		for (i = 0; i < r->nr; i++) {
			losetup_cell(row, r->columns[i], cell, sizeof(cell));
			losetup_put(r, i, cell, width, form->raw);
		}
}

int losetup_table(__u64 id, const char *file, const struct losetup_form *form)
{
	struct losetup_rows r = { .rows = json_array() };
	json_t *doc;
	int ret;

	if (losetup_choose(&r, form->columns ? : DEFAULT_COLUMNS)) {
		json_decref(r.rows);
		return cli_usage(&losetup_command);
	}
	ret = list_each(id, file, losetup_add_row, &r);
	if (!out_is_json() && form->json) {
		doc = json_pack("{s:O}", "loopdevices", r.rows);
		json_dumpf(doc, stdout, JSON_INDENT(3));
		putchar('\n');
		json_decref(doc);
	} else if (!out_is_json()) {
		losetup_print_table(&r, form);
	}
	json_decref(r.rows);
	return ret;
}

static void losetup_line(void *arg, const struct list_dev *d)
{
	const struct ublk_store *s = losetup_store(d);

	(void)arg;
	if (!s)
		return;
	printf("/dev/ublkb%u: [%llu]:%llu (%s)", d->query->id,
	       (unsigned long long)makedev(s->dev_major, s->dev_minor),
	       (unsigned long long)s->ino, s->name);
	if (losetup_option(d, "offset"))
		printf(", offset %lld", losetup_option(d, "offset"));
	if (losetup_option(d, "size"))
		printf(", sizelimit %lld", losetup_option(d, "size"));
	printf("\n");
}

int losetup_lines(__u64 id, const char *file)
{
	return list_each(id, file, losetup_line, NULL);
}
