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
		{ "t -n", "second: option \"-n\" needs an argument" },
		{ "t --num", "second: option \"--num\" needs an argument" },
		{ "t --flag=1", "second: option \"--flag=1\" takes no argument" },
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
	{ "help", test_help },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
