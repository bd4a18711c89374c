// SPDX-License-Identifier: GPL-2.0
/*
 * Command lines that were written for losetup: "ublk -f --show FILE", "ublk -j
 * FILE", "ublk -d /dev/ublkb0", without the name of a command. They become those
 * of "add", "del" and "list", whose checks and messages apply.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "json.h"
#include "losetup.h"
#include "opt.h"

#define ARGS_MAX	20

struct losetup_cfg {
	bool find;
	bool show;
	bool all;
	bool detach_all;
	bool read_only;
	bool partscan;
	bool direct_io;
	char **detach;
	char *file;		/* of -j */
	const char *offset;
	const char *size;
	const char *sector;
	const char *ref;
	const char *capacity;	/* of -c: the device */
	bool list;
	bool no_overlap;
	bool verbose;
	struct losetup_form form;
	char **words;
};

#define OFF(member)	offsetof(struct losetup_cfg, member)

static const struct ublk_opt losetup_opts[] = {
	{
		.name = "find", .letter = 'f', .type = UBLK_OPT_FLAG,
		.offset = OFF(find), .help = "use the lowest free number; without FILE, print it",
	},
	{
		.name = "show", .type = UBLK_OPT_FLAG, .offset = OFF(show),
		.help = "print /dev/ublkbN of the new disk",
	},
	{
		.name = "offset", .letter = 'o', .type = UBLK_OPT_STR,
		.offset = OFF(offset), .arg = "SIZE",
		.help = "where in the file the disk starts",
	},
	{
		.name = "sizelimit", .type = UBLK_OPT_STR, .offset = OFF(size),
		.arg = "SIZE", .help = "capacity, if not up to the end of the file",
	},
	{
		.name = "sector-size", .letter = 'b', .type = UBLK_OPT_STR,
		.offset = OFF(sector), .arg = "SIZE",
		.help = "logical block size of the disk",
	},
	{
		.name = "read-only", .letter = 'r', .type = UBLK_OPT_FLAG,
		.offset = OFF(read_only), .help = "do not write to the file",
	},
	{
		.name = "partscan", .letter = 'P', .type = UBLK_OPT_FLAG,
		.offset = OFF(partscan),
		.help = "no effect; partitions are always looked for",
	},
	{
		.name = "direct-io", .type = UBLK_OPT_BOOL, .arg = "<on|off>",
		.offset = OFF(direct_io), .def = "1",
		.help = "not through the page cache",
	},
	{
		.name = "associated", .letter = 'j', .type = UBLK_OPT_PATH,
		.offset = OFF(file), .arg = "FILE",
		.help = "print the devices of a file",
	},
	{
		.name = "all", .letter = 'a', .type = UBLK_OPT_FLAG,
		.offset = OFF(all), .help = "print the devices that have a file",
	},
	{
		.name = "detach", .letter = 'd', .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_LIST, .offset = OFF(detach), .arg = "ID",
		.help = "delete this device",
	},
	{
		.name = "detach-all", .letter = 'D', .type = UBLK_OPT_FLAG,
		.offset = OFF(detach_all), .help = "delete every device",
	},
	{
		.name = "list", .letter = 'l', .type = UBLK_OPT_FLAG,
		.offset = OFF(list), .help = "print a table",
	},
	{
		.name = "output", .letter = 'O', .type = UBLK_OPT_STR,
		.offset = OFF(form.columns), .arg = "COLUMNS",
		.help = "a table with these columns, separated by commas",
	},
	{
		.name = "noheadings", .letter = 'n', .type = UBLK_OPT_FLAG,
		.offset = OFF(form.no_headings),
		.help = "a table without titles",
	},
	{
		.name = "raw", .type = UBLK_OPT_FLAG, .offset = OFF(form.raw),
		.help = "a table whose columns are not aligned",
	},
	{
		.name = "losetup-json", .letter = 'J', .type = UBLK_OPT_FLAG,
		.offset = OFF(form.json),
		.help = "the table as the JSON of losetup; --json is that of ublk",
	},
	{
		.name = "set-capacity", .letter = 'c', .type = UBLK_OPT_STR,
		.offset = OFF(capacity), .arg = "ID",
		.help = "give a disk the size that its file has now",
	},
	{
		.name = "loop-ref", .type = UBLK_OPT_STR, .offset = OFF(ref),
		.arg = "NAME", .help = "a name for the device, as --name of add",
	},
	{
		.name = "nooverlap", .letter = 'L', .type = UBLK_OPT_FLAG,
		.offset = OFF(no_overlap),
		.help = "refused: -j FILE prints the device that has a file",
	},
	{
		.name = "verbose", .letter = 'v', .type = UBLK_OPT_FLAG,
		.offset = OFF(verbose), .help = "no effect",
	},
	{
		.name = "word", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_LIST | UBLK_OPT_POSITIONAL,
		.offset = OFF(words), .arg = "WORD",
		.help = "the device, the file, or both",
	},
	{ 0 }
};

/* A command line in the making. */
struct line {
	const char *args[ARGS_MAX];
	int nr;
};

static void line_add(struct line *l, const char *option, const char *value)
{
	l->args[l->nr++] = option;
	if (value)
		l->args[l->nr++] = value;
}

static int line_run(struct line *l, const struct cli_command *cmd)
{
	l->args[l->nr] = NULL;
	return cmd->run(l->nr, (char **)(uintptr_t)l->args);
}

/**
 * losetup_takes - does a line begin as one of losetup
 * @word: first word
 *
 * "-v" alone asks for the version, as of ublksrv.
 *
 * Return: true if it is an option of losetup, or the node of a device
 */
bool losetup_takes(const char *word)
{
	const struct ublk_opt *o;
	char name[40];
	size_t len;

	if (!strncmp(word, "/dev/ublkb", 10))
		return true;
	if (!strcmp(word, "-v"))
		return false;
	for (o = losetup_opts; o->name; o++) {
		opt_name(o, name, sizeof(name));
		len = strlen(name);
		if (word[0] == '-' && word[1] && word[1] == o->letter)
			return true;
		if (!strncmp(word, "--", 2) && !strncmp(word + 2, name, len) &&
		    (!word[2 + len] || word[2 + len] == '='))
			return true;
	}
	return false;
}

static int losetup_print_free(void)
{
	char node[32];
	__u32 *ids;
	int nr, i;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return cli_fail(nr);
	for (i = 0; i < nr && ids[i] == (__u32)i; i++)
		;
	free(ids);
	snprintf(node, sizeof(node), "/dev/ublkb%d", i);
	if (out_is_json())
		out_set("node", json_string(node));
	else
		puts(node);
	return EXIT_OK;
}

static int losetup_add(const struct losetup_cfg *cfg, const char *number,
		       const char *file)
{
	struct line l = { 0 };

	line_add(&l, "add", NULL);
	line_add(&l, "-t", "loop");
	line_add(&l, cfg->show ? "--show" : "--quiet", NULL);
	if (number)
		line_add(&l, "-n", number);
	if (cfg->offset)
		line_add(&l, "--offset", cfg->offset);
	if (cfg->size)
		line_add(&l, "--size", cfg->size);
	if (cfg->sector)
		line_add(&l, "--sector-size", cfg->sector);
	if (cfg->read_only)
		line_add(&l, "--read-only", NULL);
	if (cfg->ref)
		line_add(&l, "--name", cfg->ref);
	if (!cfg->direct_io)
		line_add(&l, "--buffered-io", NULL);
	line_add(&l, "--file", file);
	return line_run(&l, &add_command);
}

static int losetup_detach(char * const *ids)
{
	int ret, status = EXIT_OK;

	for (; *ids; ids++) {
		struct line l = { 0 };

		line_add(&l, "del", NULL);
		line_add(&l, "-n", *ids);
		ret = line_run(&l, &del_command);
		status = ret ? ret : status;
	}
	return status;
}

static int losetup_wrong(const char *text)
{
	ublk_error(-EINVAL, "%s; give -f FILE, DEVICE FILE, -d DEVICE, -c DEVICE, -j FILE, -a or -l",
		   text);
	return cli_usage(&losetup_command);
}

/*
 * The size that the file has now gives, but no more than --sizelimit and only whole
 * blocks. Return: 0 or negative errno with a message
 */
static int losetup_capacity(const struct state *st, __u64 *size)
{
	__u64 offset = json_integer_value(json_object_get(st->options, "offset"));
	__u64 limit = json_integer_value(json_object_get(st->options, "size"));
	__u64 block = json_integer_value(json_object_get(st->options,
							 "sector-size"));
	int ret;

	if (!st->target || strcmp(st->target->name, "loop") || !st->nr_stores)
		return ublk_error(-EINVAL, "dev %u: its target is %s, which has no file as losetup has; use \"ublk resize -n %u -s SIZE\"",
				  st->id, st->target_name, st->id);
	ret = file_size_of(st->stores[0].name, size);
	if (ret)
		return common_prefix(st->id, ret);
	if (*size <= offset)
		return ublk_error(-EINVAL, "dev %u: %s has %llu bytes, the disk begins at %llu; enlarge it with \"truncate\"",
				  st->id, st->stores[0].name,
				  (unsigned long long)*size,
				  (unsigned long long)offset);
	*size -= offset;
	if (limit && *size > limit)
		*size = limit;
	*size -= *size % (block ? : 512);
	return 0;
}

/* The record of a device that exists. Return: 0 or negative errno with a message */
static int losetup_find_size(__u64 id, __u64 *size)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	bool has_daemon;
	struct state st;
	int ret;

	ret = common_open(id, &ctrl, &info);
	if (ret)
		return ret;
	ublk_ctrl_close(ctrl);
	if (state_read_of(&info, &st, &has_daemon))
		return ublk_error(-ENOENT, "dev %u: %s does not tell its file; use \"ublk resize -n %u -s SIZE\"",
				  info.dev_id, state_name(id), info.dev_id);
	ret = losetup_capacity(&st, size);
	state_free(&st);
	return ret;
}

static int losetup_set_capacity(const char *device)
{
	struct line l = { 0 };
	char number[24], bytes[24];
	__u64 id, size;
	int ret;

	ret = device_find(device, &id);
	if (ret)
		return ret == -ENODEV ? cli_fail(ret) : cli_usage(&losetup_command);
	ret = losetup_find_size(id, &size);
	if (ret)
		return cli_fail(ret);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)id);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)size);
	line_add(&l, "resize", NULL);
	line_add(&l, "-n", number);
	line_add(&l, "-s", bytes);
	return line_run(&l, &resize_command);
}

static bool losetup_wants_table(const struct losetup_cfg *cfg)
{
	return cfg->list || cfg->form.columns || cfg->form.json ||
		cfg->form.raw || cfg->form.no_headings;
}

static int losetup_print(const struct losetup_cfg *cfg, __u64 id)
{
	return losetup_wants_table(cfg) ?
		losetup_table(id, cfg->file, &cfg->form) :
		losetup_lines(id, cfg->file);
}

/* DEVICE, FILE, or both */
static int losetup_words(const struct losetup_cfg *cfg)
{
	char * const *w = cfg->words;
	char number[24];
	__u64 id;
	int ret;

	if (!w || !w[0])
		return cfg->find ? losetup_print_free() :
			losetup_table(UBLK_ID_AUTO, NULL, &cfg->form);
	if (cfg->find)
		return w[1] ? losetup_wrong("-f takes one file") :
			losetup_add(cfg, NULL, w[0]);
	ret = device_find(w[0], &id);
	if (ret)
		return ret == -ENODEV ? cli_fail(ret) : cli_usage(&losetup_command);
	if (!w[1])
		return losetup_print(cfg, id);
	if (w[2])
		return losetup_wrong("too many words");
	snprintf(number, sizeof(number), "%llu", (unsigned long long)id);
	return losetup_add(cfg, number, w[1]);
}

static int losetup_do(const struct losetup_cfg *cfg)
{
	struct line all = { .args = { "del", "-a" }, .nr = 2 };
	int ret;

	if (cfg->no_overlap)
		return losetup_wrong("--nooverlap: a file that a device has is refused anyway, and \"ublk -j FILE\" prints that device");
	if (cfg->detach) {
		/* losetup takes several devices behind one -d */
		ret = losetup_detach(cfg->detach);
		return cfg->words ? losetup_detach(cfg->words) ? : ret : ret;
	}
	if (cfg->detach_all)
		return line_run(&all, &del_command);
	if (cfg->capacity)
		return losetup_set_capacity(cfg->capacity);
	if (cfg->file || cfg->all ||
	    (losetup_wants_table(cfg) && !cfg->find && !cfg->words))
		return losetup_print(cfg, UBLK_ID_AUTO);
	return losetup_words(cfg);
}

static int losetup_run(int argc, char **argv)
{
	struct losetup_cfg cfg = { 0 };
	struct opt_table table = { .opts = losetup_opts, .base = &cfg };
	int ret;

	ret = cli_parse(&losetup_command, &cfg, argc, argv);
	if (ret < 0)
		ret = losetup_do(&cfg);
	opt_free(&table);
	return ret;
}

const struct cli_command losetup_command = {
	.name = "losetup",
	.args = "-f [--show] [FILE] | DEVICE [FILE] | -d DEVICE | -c DEVICE | -j FILE | -a | -l | -D",
	.summary = "what losetup does; the word may be left out",
	.opts = losetup_opts,
	.run = losetup_run,
};
