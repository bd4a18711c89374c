// SPDX-License-Identifier: GPL-2.0
/*
 * The declaration of a device, /etc/ublk/NAME.conf: lines "long-option = value", with
 * the options of "ublk add" and of the target. See ublk.conf(5).
 *
 * Values are checked here against the same tables as a command line, so that a
 * message has the number of the line.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "opt.h"
#include "suggest.h"

/* A file that is being read. */
struct conf_reader {
	struct conf *c;
	bool look;		/* at the files that it names */
	unsigned int line;
	struct devopts dev;
	struct conf_own {
		__u64 id, timeout;
	} own;
	void *target_cfg;
	struct opt_table tables[3];
};

#define OWN(member)	offsetof(struct conf_own, member)

/* Options of "add" itself that say something about the device. */
static const struct ublk_opt conf_opts[] = {
	{
		.name = "number|dev_id", .type = UBLK_OPT_UINT, .offset = OWN(id),
		.max = (1U << 20) - 1,
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT, .offset = OWN(timeout),
		.min = 1, .max = 86400,
	},
	{ 0 }
};

/* Options that a command has, and a device has not. */
static const char * const conf_not[] = { "name", "eventfd", "htlb", NULL };

const char *conf_dir(void)
{
	const char *dir = getenv("UBLK_CONF_DIR");

	return dir && *dir ? dir : "/etc/ublk";
}

/* Put the place before the last message. Return: -EINVAL */
static int conf_error(const struct conf_reader *r)
{
	const char *text = ublk_strerror_last();

	/* the checks of values are those of a command line */
	return ublk_error(-EINVAL, "%s:%u: %s", r->c->path, r->line,
			  text + (strncmp(text, "--", 2) ? 0 : 2));
}

static bool conf_is_name(const struct ublk_opt *o, const char *word)
{
	const char *name = o->name;
	size_t i, len;

	for (;; name += len + 1) {
		len = strcspn(name, "|");
		for (i = 0; i < len && word[i]; i++)
			if (name[i] != word[i] &&
			    (name[i] != '-' || word[i] != '_'))
				break;
		if (i == len && !word[i])
			return true;
		if (!name[len])
			return false;
	}
}

/* Return: false with a message if there is no such option */
static bool conf_find(struct conf_reader *r, const char *word,
		      struct opt_row *row)
{
	struct suggest s = { .word = word };
	const struct ublk_opt *o;
	unsigned int i;

	for (i = 0; i < 3; i++)
		for (o = r->tables[i].opts; o && o->name; o++) {
			if (conf_is_name(o, word)) {
				*row = (struct opt_row){
					.opt = o, .table = &r->tables[i],
				};
				return true;
			}
			suggest_offer(&s, o->name);
		}
	ublk_error(-EINVAL, "\"%s\" is no option of a device with the target %s%s",
		   word, r->c->target->name, suggest_text(&s, ""));
	return false;
}

/* Return: 1 for yes, 0 for no, -EINVAL with a message */
static int conf_bool(const char *word, const char *text)
{
	static const char * const words[2][5] = {
		{ "no", "0", "off", "false", NULL },
		{ "yes", "1", "on", "true", NULL },
	};
	int val, i;

	for (val = 0; val < 2; val++)
		for (i = 0; words[val][i]; i++)
			if (!strcmp(words[val][i], text))
				return val;
	return ublk_error(-EINVAL, "%s: \"%s\" is neither yes nor no", word, text);
}

/* Names of files do not depend on a directory. Return: 0 or -EINVAL */
static int conf_path(struct conf_reader *r, const char *word, const char *text)
{
	char buf[CONF_LINE_MAX + 400];

	if (opt_is_credential(text))
		return 0;
	if (*text != '/')
		return ublk_error(-EINVAL, "%s: \"%s\" does not begin with \"/\"; write the whole name",
				  word, text);
	if (r->look && access(text, F_OK) && !r->c->missing) {
		snprintf(buf, sizeof(buf), "%s:%u: %s: %s: %s", r->c->path,
			 r->line, word, text, strerror(errno));
		r->c->missing = strdup(buf);
	}
	return 0;
}

static int conf_twice(const char *word)
{
	return ublk_error(-EINVAL, "%s is there twice; leave one out", word);
}

static int conf_keep(struct conf_reader *r, const struct ublk_opt *o,
		     const char *word, json_t *val)
{
	json_t *words = r->c->words, *list = json_object_get(words, word);

	if (!val)
		return ublk_error(-EINVAL, "%s: the value is not UTF-8", word);
	if (!(o->flags & UBLK_OPT_LIST)) {
		if (!list) {
			json_object_set_new(words, word, val);
			return 0;
		}
		json_decref(val);
		return conf_twice(word);
	}
	if (!list) {
		list = json_array();
		json_object_set_new(words, word, list);
	}
	json_array_append_new(list, val);
	return 0;
}

static int conf_switch(struct conf_reader *r, struct opt_row *row,
		       const char *word, const char *text)
{
	int on = conf_bool(word, text);

	if (on < 0)
		return on;
	if (on && opt_set(row, NULL))
		return -EINVAL;
	return conf_keep(r, row->opt, word, json_string(on ? "yes" : "no"));
}

static int conf_value(struct conf_reader *r, struct opt_row *row,
		      const char *word, const char *text)
{
	const struct ublk_opt *o = row->opt;
	int ret;

	if (o->type == UBLK_OPT_PATH) {
		ret = conf_path(r, word, text);
		/* a file that is not there has no canonical name */
		if (!ret && r->look && (opt_is_credential(text) || !access(text, F_OK)))
			ret = opt_set(row, text);
	} else {
		ret = opt_set(row, text);
	}
	return ret ? ret : conf_keep(r, o, word, json_string(text));
}

static int conf_option(struct conf_reader *r, const char *word, const char *text)
{
	struct opt_row row;
	char name[40];
	int i;

	if (!conf_find(r, word, &row))
		return -EINVAL;
	opt_name(row.opt, name, sizeof(name));
	for (i = 0; conf_not[i]; i++)
		if (!strcmp(name, conf_not[i]))
			return ublk_error(-EINVAL, strcmp(name, "name") ?
					  "%s is for command lines only; leave it out" :
					  "%s: the name of the device is that of the file; leave it out",
					  name);
	if (!*text)
		return ublk_error(-EINVAL, "%s has no value", name);
	if (row.opt->type == UBLK_OPT_FLAG || row.opt->type == UBLK_OPT_BOOL)
		return conf_switch(r, &row, name, text);
	return conf_value(r, &row, name, text);
}

static char *conf_trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = 0;
	return text;
}

/* Return: 1 for a line with an option, 0 for one without, -EINVAL with a message */
static int conf_split(char *line, char **word, char **text)
{
	char *eq;

	line = conf_trim(line);
	if (!*line || *line == '#')
		return 0;
	eq = strchr(line, '=');
	if (!eq)
		return ublk_error(-EINVAL, "\"%s\" is no line as \"option = value\"",
				  line);
	*eq = 0;
	*word = conf_trim(line);
	*text = conf_trim(eq + 1);
	return 1;
}

/* Call @fn for the options of the file. */
static int conf_each(struct conf_reader *r, FILE *in,
		     int (*fn)(struct conf_reader *r, const char *word,
			       const char *text))
{
	char line[CONF_LINE_MAX], *word = NULL, *text = NULL;
	int ret = 0;

	rewind(in);
	for (r->line = 1; !ret && fgets(line, sizeof(line), in); r->line++) {
		if (!strchr(line, '\n') && !feof(in))
			ret = ublk_error(-EINVAL, "the line is longer than %d bytes",
					 CONF_LINE_MAX - 2);
		else
			ret = conf_split(line, &word, &text);
		if (ret > 0)
			ret = fn(r, word, text);
		if (ret)
			return conf_error(r);
	}
	return ferror(in) ? ublk_error(-EIO, "%s: %s", r->c->path,
				       strerror(errno)) : 0;
}

/* The options depend on the target, wherever its line is. */
static int conf_type(struct conf_reader *r, const char *word, const char *text)
{
	if (strcmp(word, "type"))
		return 0;
	r->c->target = devopts_find_target(text);
	return r->c->target ? 0 : -EINVAL;
}

static int conf_begin(struct conf_reader *r)
{
	r->target_cfg = calloc(1, r->c->target->config_size ? : 1);
	if (!r->target_cfg)
		return ublk_error(-ENOMEM, "%s: out of memory", r->c->path);
	r->tables[0] = (struct opt_table){
		.opts = conf_opts, .base = &r->own, .owner = r->c->name,
	};
	r->tables[1] = (struct opt_table){
		.opts = devopts_table, .base = &r->dev, .owner = r->c->name,
	};
	r->tables[2] = (struct opt_table){
		.opts = r->c->target->opts, .base = r->target_cfg,
		.owner = r->c->name,
	};
	return 0;
}

static void conf_end(struct conf_reader *r)
{
	opt_free(&r->tables[1]);
	if (r->target_cfg)
		opt_free(&r->tables[2]);
	free(r->target_cfg);
}

/* Does the file have what the target needs? */
static int conf_complete(const struct conf *c)
{
	const struct ublk_opt *o;
	char name[40];

	for (o = c->target->opts; o && o->name; o++)
		if (o->flags & UBLK_OPT_REQUIRED &&
		    !json_object_get(c->words, opt_name(o, name, sizeof(name))))
			return ublk_error(-EINVAL, "%s: the target %s needs a line \"%s = %s\"",
					  c->path, c->target->name, name,
					  o->arg ? : "");
	return 0;
}

static int conf_parse(struct conf *c, FILE *in, bool look)
{
	struct conf_reader r = { .c = c, .look = look };
	int ret;

	c->target = ublk_target_find("loop");
	ret = conf_each(&r, in, conf_type);
	if (!ret)
		ret = conf_begin(&r);
	if (!ret)
		ret = conf_each(&r, in, conf_option);
	if (!ret)
		ret = conf_complete(c);
	if (!ret)
		json_object_set_new(c->words, "type",
				    json_string(c->target->name));
	conf_end(&r);
	return ret;
}

static int conf_read_as(const char *name, struct conf *c, bool look)
{
	char path[400];
	FILE *in = NULL;
	int ret;

	snprintf(path, sizeof(path), "%s/%s" CONF_SUFFIX, conf_dir(), name);
	*c = (struct conf){
		.name = strdup(name), .path = strdup(path),
		.words = json_object(),
	};
	if (!c->name || !c->path || !c->words)
		ret = ublk_error(-ENOMEM, "%s: out of memory", path);
	else if (device_name_check(name))
		ret = ublk_error(-EINVAL, "%s: \"%s\" is no name of a device; see \"man ublk.conf\"",
				 path, name);
	else
		ret = (in = fopen(path, "re")) ? 0 : -errno;
	if (!in && ret && ret != -EINVAL && ret != -ENOMEM)
		ublk_error(ret, "%s: %s", path, strerror(-ret));
	if (in) {
		ret = conf_parse(c, in, look);
		fclose(in);
	}
	if (ret)
		conf_free(c);
	return ret;
}

int conf_read(const char *name, struct conf *c)
{
	return conf_read_as(name, c, true);
}

int conf_read_text(const char *name, struct conf *c)
{
	return conf_read_as(name, c, false);
}

void conf_free(struct conf *c)
{
	json_decref(c->words);
	free(c->name);
	free(c->path);
	free(c->missing);
	memset(c, 0, sizeof(*c));
}

const char *conf_text(const json_t *words, const char *word)
{
	return json_string_value(json_object_get(words, word));
}

/* A word of the command line. Return: false without memory */
static bool conf_put(char ***line, const char *fmt, const char *a, const char *b)
{
	char *text = NULL;

	/* fmt is one of two below */
	if (asprintf(&text, fmt, a, b) < 0)
		text = NULL;
	return !opt_list_add(line, text);
}

static bool conf_put_option(char ***line, const char *word, const json_t *val)
{
	const char *text = json_string_value(val);
	const json_t *one;
	size_t i;

	json_array_foreach(val, i, one)
		if (!conf_put_option(line, word, one))
			return false;
	if (!text || !strcmp(text, "no"))
		return true;
	if (!strcmp(text, "yes"))
		return conf_put(line, "--%s%s", word, "");
	return conf_put(line, "--%s=%s", word, text);
}

static bool conf_put_head(char ***line, __u32 recover)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", recover);
	if (recover == UBLK_ID_AUTO)
		return conf_put(line, "%s%s", "add", "");
	return conf_put(line, "%s%s", "recover", "") &&
		conf_put(line, "--%s=%s", "number", number);
}

char **conf_line(const struct conf *c, __u32 recover)
{
	const char *word;
	char **line = NULL;
	json_t *val;
	bool ok;

	ok = conf_put_head(&line, recover) &&
		conf_put(&line, "--%s=%s", "name", c->name) &&
		conf_put(&line, "--%s=%s", "type", c->target->name) &&
		conf_put(&line, "--%s%s", "quiet", "");
	json_object_foreach(c->words, word, val) {
		if (!strcmp(word, "type") ||
		    (recover != UBLK_ID_AUTO && !strcmp(word, "number")))
			continue;
		if (ok)
			ok = conf_put_option(&line, word, val);
	}
	if (ok)
		return line;
	opt_list_free(&line);
	return NULL;
}

static void conf_differs(json_t *list, const char *word, json_t *was,
			 json_t *now)
{
	json_array_append_new(list, json_pack("{s:s, s:O, s:O}", "word", word,
					      "from", was ? : json_null(),
					      "to", now ? : json_null()));
}

json_t *conf_diff(const json_t *was, const json_t *now)
{
	json_t *list = json_array(), *val, *other;
	const char *word;

	json_object_foreach((json_t *)(uintptr_t)now, word, val) {
		other = json_object_get(was, word);
		if (!json_equal(val, other))
			conf_differs(list, word, other, val);
	}
	json_object_foreach((json_t *)(uintptr_t)was, word, val)
		if (!json_object_get(now, word))
			conf_differs(list, word, val, NULL);
	return list;
}
