// SPDX-License-Identifier: GPL-2.0
/*
 * Options of the program: numbers, tables, what is refused and with which
 * words.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ktap.h"
#include "opt.h"

struct cfg {
	bool flag;
	__u64 num;
	__u64 size;
	const char *str;
	const char *path;
	bool other;
};

static const struct ublk_opt first[] = {
	{
		.name = "flag", .letter = 'a', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct cfg, flag),
		.help = "a flag",
	},
	{
		.name = "num|old_num", .letter = 'n', .type = UBLK_OPT_UINT,
		.offset = offsetof(struct cfg, num),
		.arg = "N", .def = "3", .min = 1, .max = 10, .help = "a number",
	},
	{ 0 }
};

static const struct ublk_opt second[] = {
	{
		.name = "size", .letter = 's', .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct cfg, size),
		.arg = "SIZE", .max = 1ULL << 40, .help = "a size",
	},
	{
		.name = "str", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_REQUIRED | UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct cfg, str),
		.arg = "TEXT", .help = "a text",
	},
	{
		.name = "path", .letter = 'f', .type = UBLK_OPT_PATH,
		.offset = offsetof(struct cfg, path),
		.arg = "FILE", .help = "a file",
	},
	{
		.name = "other", .letter = 'a', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct cfg, other),
		.help = "the letter of --flag",
	},
	{ 0 }
};

static struct cfg cfg;

/* @line is split at blanks; "_" stands for one. */
static int parse(const char *line)
{
	struct opt_table tables[] = {
		{ .opts = first, .base = &cfg, .owner = "first" },
		{ .opts = second, .base = &cfg, .owner = "second" },
	};
	static char copy[256];
	char *argv[20] = { "cmd" };
	int argc = 1;
	char *word, *p;

	memset(&cfg, 0, sizeof(cfg));
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
		for (p = word; *p; p++)
			if (*p == '_' && p == word)
				*p = ' ';
		argv[argc++] = word;
	}
	return opt_parse(tables, 2, argc, argv);
}

static void test_uint(void)
{
	static const struct {
		const char *text;
		int ret;
		__u64 val;
	} rows[] = {
		{ "0", 0, 0 }, { "42", 0, 42 }, { "0x10", 0, 16 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { " 1", -EINVAL, 0 }, { "1 ", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 }, { "+1", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 }, { "0x", -EINVAL, 0 }, { "1K", -EINVAL, 0 },
		{ "x", -EINVAL, 0 }, { "1.5", -EINVAL, 0 },
	};
	__u64 val;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].text;
		ktap_eq(opt_uint(rows[i].text, &val), rows[i].ret);
		if (!rows[i].ret)
			ktap_eq(val, rows[i].val);
	}
}

static void test_size(void)
{
	static const struct {
		const char *text;
		int ret;
		__u64 val;
	} rows[] = {
		{ "0", 0, 0 }, { "512", 0, 512 }, { "4k", 0, 4096 },
		{ "4K", 0, 4096 }, { "1M", 0, 1 << 20 }, { "3g", 0, 3ULL << 30 },
		{ "2T", 0, 2ULL << 40 }, { "1P", 0, 1ULL << 50 },
		{ "15E", 0, 15ULL << 60 }, { "16E", -ERANGE, 0 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551615K", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "K", -EINVAL, 0 }, { "1Z", -EINVAL, 0 },
		{ "1KK", -EINVAL, 0 }, { "1KB", -EINVAL, 0 },
		{ "-1K", -EINVAL, 0 }, { " 1K", -EINVAL, 0 },
		{ "1 K", -EINVAL, 0 }, { "0x10", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "4096s", 0, 2 << 20 }, { "0s", 0, 0 }, { "1S", -EINVAL, 0 },
		{ "1ss", -EINVAL, 0 }, { "2MiB", 0, 2 << 20 },
		{ "2miB", 0, 2 << 20 }, { "1Mi", -EINVAL, 0 },
		{ "1iB", -EINVAL, 0 }, { "36028797018963968s", -ERANGE, 0 },
	};
	__u64 val;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].text;
		ktap_eq(opt_size(rows[i].text, &val), rows[i].ret);
		if (!rows[i].ret)
			ktap_eq(val, rows[i].val);
	}
}

static void test_defaults(void)
{
	ktap_eq(parse("text"), 0);
	ktap_eq(cfg.num, 3);
	ktap_eq(cfg.flag, false);
	ktap_eq(strcmp(cfg.str, "text"), 0);
}

static void test_spellings(void)
{
	static const char * const lines[] = {
		"-n 5 -s 1M t", "-n5 -s1M t", "--num 5 --size 1M t",
		"--num=5 --size=1M --str t", "--old_num=5 -s 1024K --str=t",
		"t --nu 5 --si 1M", "-s 1M -n 7 -n 5 -- t",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		ktap_row = lines[i];
		ktap_eq(parse(lines[i]), 0);
		ktap_eq(cfg.num, 5);
		ktap_eq(cfg.size, 1 << 20);
		ktap_eq(strcmp(cfg.str, "t"), 0);
	}
}

static void test_letter_of_target_wins(void)
{
	ktap_eq(parse("-a t"), 0);
	ktap_eq(cfg.other, true);
	ktap_eq(cfg.flag, false);
	ktap_eq(parse("--flag t"), 0);
	ktap_eq(cfg.flag, true);
}

static void test_path_is_absolute(void)
{
	struct opt_table t = { .opts = second, .base = &cfg, .owner = "second" };

	ktap_eq(parse("t -f ."), 0);
	ktap_true(cfg.path && cfg.path[0] == '/');
	opt_free(&t);
	ktap_true(!cfg.path);
	ktap_eq(parse("t -f /../dev/./null"), 0);
	ktap_eq(strcmp(cfg.path, "/dev/null"), 0);
	opt_free(&t);
}

static int parse_list(int argc, char **argv, char ***files, char ***words)
{
	struct {
		char **files, **words;
	} c = { 0 };
	static const struct ublk_opt opts[] = {
		{
			.name = "file", .letter = 'f', .type = UBLK_OPT_PATH,
			.flags = UBLK_OPT_LIST | UBLK_OPT_POSITIONAL |
				UBLK_OPT_REQUIRED,
			.offset = 0,
			.arg = "FILE", .help = "files",
		},
		{
			.name = "word", .letter = 'w', .type = UBLK_OPT_STR,
			.flags = UBLK_OPT_LIST, .offset = sizeof(char **),
			.arg = "TEXT", .help = "words",
		},
		{ 0 }
	};
	struct opt_table t = { .opts = opts, .base = &c, .owner = "list" };
	int ret = opt_parse(&t, 1, argc, argv);

	if (ret)
		opt_free(&t);
	*files = c.files;
	*words = c.words;
	return ret;
}

static void test_list(void)
{
	char cmd[] = "cmd", f[] = "-f", w[] = "-w", one[] = "/dev/../dev",
	     two[] = "/", again[] = "/", bad[] = "/no/such";
	char *argv[10] = { cmd, f, one, w, one, two, again, w, two, NULL };
	char *wrong[4] = { cmd, two, bad }, *none[2] = { cmd };
	char **files, **words;

	ktap_eq(parse_list(9, argv, &files, &words), 0);
	/* the option first, as getopt() moves the arguments to the end */
	ktap_true(files && !strcmp(files[0], "/dev") && !strcmp(files[1], "/") &&
		  !strcmp(files[2], "/") && !files[3]);
	ktap_true(words && !strcmp(words[0], one) && !strcmp(words[1], two) &&
		  !words[2]);
	opt_list_free(&files);
	opt_list_free(&words);
	ktap_true(!files && !words);
	ktap_eq(parse_list(3, wrong, &files, &words), -EINVAL);
	ktap_eq(parse_list(1, none, &files, &words), -EINVAL);
	ktap_eq(strcmp(ublk_strerror_last(), "needs --file FILE"), 0);
}

static void test_refused(void)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "", "second needs --str TEXT" },
		{ "t --bogus",
		  "second: unknown option \"--bogus\"; see \"ublk help cmd\"" },
		{ "t --bogus=1",
		  "second: unknown option \"--bogus=1\"; see \"ublk help cmd\"" },
		{ "t -z",
		  "second: unknown option \"-z\"; see \"ublk help cmd\"" },
		{ "t -n", "option \"-n\" needs an argument" },
		{ "t --num", "option \"--num\" needs an argument" },
		{ "t --flag=1", "option \"--flag=1\" takes no argument" },
		{ "t -n 0",
		  "--num: \"0\" is out of range, it must be 1..10" },
		{ "t -n 11",
		  "--num: \"11\" is out of range, it must be 1..10" },
		{ "t -n 5x", "--num: \"5x\" is not a number" },
		{ "t -n -5", "--num: \"-5\" is not a number" },
		{ "t -n _5", "--num: \" 5\" is not a number" },
		{ "t -s 1Q",
		  "--size: \"1Q\" is not a size; give bytes, or K M G T behind a number" },
		{ "t -s 2T",
		  "--size: \"2T\" is out of range, it must be 0..1099511627776" },
		{ "t u", "second: unexpected argument \"u\"" },
		{ "t -f /no/such",
		  "second: /no/such: No such file or directory; check the name" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].line;
		ktap_eq(parse(rows[i].line), -EINVAL);
		if (strcmp(ublk_strerror_last(), rows[i].why))
			ktap_fail(__FILE__, __LINE__, "says: %s",
				  ublk_strerror_last());
	}
}

struct loose {
	bool flag, on, must;
	__u64 pos;
	const char *file;
	__u64 id;
	char **words;
};

static const struct ublk_opt loose_opts[] = {
	{
		.name = "flag", .letter = 'z', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct loose, flag), .help = "a flag",
	},
	{
		.name = "on", .letter = 'r', .type = UBLK_OPT_BOOL,
		.offset = offsetof(struct loose, on), .arg = "[0|1]",
		.help = "a switch",
	},
	{
		.name = "must", .letter = 'u', .type = UBLK_OPT_BOOL,
		.flags = UBLK_OPT_VALUE,
		.offset = offsetof(struct loose, must), .arg = "0|1",
		.help = "use --other",
	},
	{
		.name = "pos", .letter = 'o', .type = UBLK_OPT_SIZE,
		.flags = UBLK_OPT_UNIT,
		.offset = offsetof(struct loose, pos), .arg = "SIZE",
		.help = "a place",
	},
	{
		.name = "file", .type = UBLK_OPT_PATH, .flags = UBLK_OPT_MAYBE,
		.offset = offsetof(struct loose, file), .arg = "[FILE]",
		.help = "a file",
	},
	{
		.name = "id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.offset = offsetof(struct loose, id), .arg = "ID",
		.help = "a device",
	},
	{
		.name = "word", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_LIST | UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct loose, words), .arg = "TEXT",
		.help = "words",
	},
	{ 0 }
};

static struct loose loose;
static bool loose_bare;

static int find_seven(const char *text, __u64 *id)
{
	*id = 7;
	return strcmp(text, "seven") ?
		ublk_error(-ENODEV, "no \"%s\"", text) : 0;
}

static struct opt_table loose_table(void)
{
	return (struct opt_table) {
		.opts = loose_opts, .base = &loose, .owner = "cmd",
		.find_device = find_seven,
		.bare = loose_bare ? &loose_opts[4] : NULL,
	};
}

static int parse_loose(const char *line)
{
	struct opt_table table = loose_table();
	static char copy[256];
	char *argv[20] = { "cmd" };
	int argc = 1;
	char *word;

	opt_free(&table);
	memset(&loose, 0, sizeof(loose));
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return opt_parse(&table, 1, argc, argv);
}

/* Values that may be left out, or are a word only if they look like one. */
static void test_left_out(void)
{
	static const struct {
		const char *line;
		bool flag, on, must;
		int words;
	} rows[] = {
		{ "-r", .on = true },
		{ "-r 1", .on = true },
		{ "-r 0", .words = 0 },
		{ "-r1", .on = true },
		{ "-r0", .words = 0 },
		{ "-r 2", .on = true, .words = 1 },
		{ "-r x", .on = true, .words = 1 },
		{ "-zr", .flag = true, .on = true },
		{ "-rz", .flag = true, .on = true },
		{ "-r0z", .flag = true },
		{ "-zr 0 w", .flag = true, .words = 1 },
		{ "--on", .on = true },
		{ "--on 0", .words = 0 },
		{ "--on=0", .words = 0 },
		{ "--on=1", .on = true },
		{ "--on -z", .flag = true, .on = true },
		{ "--on -- 0", .on = true, .words = 1 },
		{ "-u 1", .must = true },
		{ "-u0", .words = 0 },
		{ "-zu 1", .flag = true, .must = true },
		{ "--must=1 w", .must = true, .words = 1 },
		{ "- -z", .flag = true, .words = 1 },
	};
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].line;
		ktap_eq(parse_loose(rows[i].line), 0);
		ktap_eq(loose.flag, rows[i].flag);
		ktap_eq(loose.on, rows[i].on);
		ktap_eq(loose.must, rows[i].must);
		for (n = 0; loose.words && loose.words[n]; n++)
			;
		ktap_eq(n, rows[i].words);
	}
	parse_loose("");
}

/* The file of an option may be left out; or it is named by another option. */
static void test_maybe(void)
{
	ktap_eq(parse_loose("--file /dev"), 0);
	ktap_eq(strcmp(loose.file, "/dev"), 0);
	ktap_eq(parse_loose("--file=/dev"), 0);
	ktap_eq(strcmp(loose.file, "/dev"), 0);
	ktap_eq(parse_loose("--file"), 0);
	ktap_eq(strcmp(loose.file, ""), 0);
	ktap_eq(parse_loose("--file -z"), 0);
	ktap_eq(strcmp(loose.file, ""), 0);
	ktap_eq(loose.flag, true);
	loose_bare = true;
	ktap_eq(parse_loose("--file /dev"), 0);
	ktap_eq(strcmp(loose.file, ""), 0);
	ktap_true(loose.words && !strcmp(loose.words[0], "/dev"));
	loose_bare = false;
	parse_loose("");
}

/* Both readings of a bare number. */
#define POS_SAYS(number, bytes, sectors, size) \
	"--pos: \"" number "\" could be bytes, as losetup counts: write " \
	bytes "; or sectors, as ublksrv counts: write " sectors \
	", which is " size

static void test_loose_refused(void)
{
	static const struct {
		const char *line;
		int ret;
		const char *why;
	} rows[] = {
		{ "-u", -EINVAL, "option \"-u\" needs 0 or 1: use --other" },
		{ "-u w", -EINVAL, "option \"-u\" needs 0 or 1: use --other" },
		{ "-u -z", -EINVAL, "option \"-u\" needs 0 or 1: use --other" },
		{ "-uz", -EINVAL, "--must: \"z\" is not 0 or 1: use --other" },
		{ "--must=2", -EINVAL, "--must: \"2\" is not 0 or 1: use --other" },
		{ "--on=2", -EINVAL, "--on: \"2\" is not 0 or 1" },
		{ "-o 4096", -EINVAL,
		  POS_SAYS("4096", "4K", "4096s", "2M") },
		{ "--pos=2097152", -EINVAL,
		  POS_SAYS("2097152", "2M", "2097152s", "1G") },
		{ "-o 1536", -EINVAL,
		  POS_SAYS("1536", "3s", "1536s", "768K") },
		{ "-o 1", -EINVAL,
		  POS_SAYS("1", "a multiple of 512", "1s", "1s") },
		{ "-n six", -ENODEV, "no \"six\"" },
		{ "--flga", -EINVAL,
		  "unknown option \"--flga\"; did you mean \"--flag\"? see \"ublk help cmd\"" },
		{ "--fi-le=3", -EINVAL,
		  "unknown option \"--fi-le=3\"; did you mean \"--file\"? see \"ublk help cmd\"" },
		{ "--f", -EINVAL,
		  "option \"--f\" is the start of several; write --flag or --file" },
		{ "-zx", -EINVAL, "unknown option \"-x\"; see \"ublk help cmd\"" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].line;
		ktap_eq(parse_loose(rows[i].line), rows[i].ret);
		if (strcmp(ublk_strerror_last(), rows[i].why))
			ktap_fail(__FILE__, __LINE__, "says: %s",
				  ublk_strerror_last());
	}
	ktap_row = NULL;
	ktap_eq(parse_loose("-o 0"), 0);
	ktap_eq(parse_loose("-o 4096s"), 0);
	ktap_eq(loose.pos, 2 << 20);
	ktap_eq(parse_loose("-n seven"), 0);
	ktap_eq(loose.id, 7);
	parse_loose("");
}

/* The value of an option, among others that no table has. */
static void test_find_value(void)
{
	static const struct {
		const char *line, *found;
	} rows[] = {
		{ "-n 3", "3" }, { "-n3", "3" }, { "--id 3", "3" },
		{ "--id=3", "3" }, { "--i 3", "3" }, { "-zn 3", "3" },
		{ "-zn3", "3" }, { "-rn 3", "3" }, { "-x -n 3 -y", "3" },
		{ "-n 3 -n 4", "4" }, { "-o -n", NULL }, { "-- -n 3", NULL },
		{ "-r 0 -n 3", "3" }, { "--file -n 3", "3" },
		{ "--file w -n 3", "3" }, { "-xn 3", NULL }, { "-n", NULL },
		{ "", NULL },
	};
	struct opt_table table = loose_table();
	const char *found;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		char copy[80], *argv[10] = { "cmd" }, *word;
		int argc = 1;

		ktap_row = rows[i].line;
		snprintf(copy, sizeof(copy), "%s", rows[i].line);
		for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
			argv[argc++] = word;
		found = opt_find_value(&table, 1, 'n', argc, argv);
		ktap_eq(!found, !rows[i].found);
		if (found && rows[i].found)
			ktap_eq(strcmp(found, rows[i].found), 0);
	}
}

/* A table may miss what it requires, if nothing of it is given. */
static void test_may_miss(void)
{
	struct opt_table tables[] = {
		{ .opts = first, .base = &cfg, .owner = "first" },
		{
			.opts = second, .base = &cfg, .owner = "second",
			.may_miss = true,
		},
	};
	char *argv[5] = { "cmd", "--num", "3", "-s", "1M" };

	ktap_eq(opt_parse(tables, 2, 3, argv), 0);
	ktap_eq(tables[1].missing, true);
	ktap_eq(opt_parse(tables, 2, 5, argv), -EINVAL);
	ktap_eq(strcmp(ublk_strerror_last(), "second needs --str TEXT"), 0);
}

static void test_help(void)
{
	char *text = NULL;
	size_t len;
	FILE *out;

	ktap_eq(parse("-h"), 1);
	ktap_eq(parse("t --help --num 3"), 1);
	out = open_memstream(&text, &len);
	opt_help(out, first);
	fclose(out);
	ktap_eq(strcmp(text,
		       "  -a, --flag                   a flag\n"
		       "  -n, --num N                  a number (default 3)\n"), 0);
	free(text);
}

static const struct ktap_test tests[] = {
	{ "uint", test_uint },
	{ "size", test_size },
	{ "defaults", test_defaults },
	{ "spellings", test_spellings },
	{ "letter_of_target_wins", test_letter_of_target_wins },
	{ "path_is_absolute", test_path_is_absolute },
	{ "list", test_list },
	{ "refused", test_refused },
	{ "left_out", test_left_out },
	{ "maybe", test_maybe },
	{ "loose_refused", test_loose_refused },
	{ "find_value", test_find_value },
	{ "may_miss", test_may_miss },
	{ "help", test_help },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
