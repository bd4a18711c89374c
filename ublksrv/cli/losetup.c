// SPDX-License-Identifier: GPL-2.0
/*
 * Command lines that were written for losetup: "ublk -f --show FILE", "ublk -j
 * FILE", "ublk -d /dev/ublkb0", without the name of a command. They become those
 * of "add", "del" and "list", whose checks and messages apply.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"
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
 * Return: true if it is an option of losetup, or the node of a device
 */
bool losetup_takes(const char *word)
{
	const struct ublk_opt *o;
	char name[40];
	size_t len;

	if (!strncmp(word, "/dev/ublkb", 10))
		return true;
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
		return cli_fail(ublk_error(nr, "reading sysfs: %s",
					   strerror(-nr)));
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
	ublk_error(-EINVAL, "%s; give -f FILE, DEVICE FILE, -d DEVICE, -j FILE or -a",
		   text);
	return cli_usage(&losetup_command);
}

/* DEVICE, FILE, or both */
static int losetup_words(const struct losetup_cfg *cfg)
{
	char * const *w = cfg->words;
	char number[24];
	__u64 id;

	if (!w || !w[0])
		return cfg->find ? losetup_print_free() :
			losetup_wrong("nothing to do");
	if (cfg->find)
		return w[1] ? losetup_wrong("-f takes one file") :
			losetup_add(cfg, NULL, w[0]);
	if (device_find(w[0], &id))
		return cli_usage(&losetup_command);
	if (!w[1])
		return list_of_device(id);
	if (w[2])
		return losetup_wrong("too many words");
	snprintf(number, sizeof(number), "%llu", (unsigned long long)id);
	return losetup_add(cfg, number, w[1]);
}

static int losetup_run(int argc, char **argv)
{
	struct losetup_cfg cfg = { 0 };
	struct opt_table table = { .opts = losetup_opts, .base = &cfg };
	int ret;

	ret = cli_parse(&losetup_command, &cfg, argc, argv);
	if (ret >= 0)
		goto out;
	if (cfg.detach && cfg.words) {
		/* losetup takes several devices behind one -d */
		ret = losetup_detach(cfg.detach);
		ret = losetup_detach(cfg.words) ? : ret;
	} else if (cfg.detach) {
		ret = losetup_detach(cfg.detach);
	} else if (cfg.detach_all) {
		struct line l = { .args = { "del", "-a" }, .nr = 2 };

		ret = line_run(&l, &del_command);
	} else if (cfg.file || cfg.all) {
		ret = list_of_file(cfg.file);
	} else {
		ret = losetup_words(&cfg);
	}
out:
	opt_free(&table);
	return ret;
}

const struct cli_command losetup_command = {
	.name = "losetup",
	.args = "-f [--show] [FILE] | DEVICE [FILE] | -d DEVICE | -j FILE | -a | -D",
	.summary = "what losetup does; the word may be left out",
	.opts = losetup_opts,
	.run = losetup_run,
};
