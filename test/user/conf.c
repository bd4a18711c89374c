// SPDX-License-Identifier: GPL-2.0
/*
 * Declarations of devices: what a file may have, which line is named when it is wrong,
 * the command line that it becomes, what has changed, and whether two of them want the
 * same.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "ktap.h"
#include "opt.h"

static char dir[64], img[80], other[80];

/* devopts.c has parsing of command lines as well. */
struct opt_table cli_table(const struct cli_command *cmd)
{
	(void)cmd;
	return (struct opt_table){ 0 };
}

int cli_parsed(const struct cli_command *cmd, int ret)
{
	(void)cmd;
	return ret;
}

int devnodes_list(__u32 **ids)
{
	*ids = NULL;
	return 0;
}

static void declare(const char *name, const char *text)
{
	char path[200];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s.conf", dir, name);
	out = fopen(path, "w");
	fputs(text, out);
	fclose(out);
}

static void forget(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s.conf", dir, name);
	ktap_eq(unlink(path), 0);
}

static void test_wrong(void)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "file\n", ":1: \"file\" is no line as \"option = value\"" },
		{ "\n# c\n \t\nsize=\n", ":4: size has no value" },
		{ "tpye = mem",
		  ":1: \"tpye\" is no option of a device with the target loop; did you mean \"type\"?"
		},
		{ "type = nul",
		  ":1: unknown target \"nul\"; did you mean \"null\"? see \"ublk help\""
		},
		{ "type = null\ntype = mem\n", ":2: type is there twice; leave one out" },
		{ "offset = 1M\ntype = null",
		  ":1: \"offset\" is no option of a device with the target null"
		},
		{ "type = null\ndepth = 0",
		  ":2: depth: \"0\" is out of range, it must be 1..4096"
		},
		{ "type = null\ndepth = 5\ndepth = 6",
		  ":3: depth is there twice; leave one out"
		},
		{ "type = null\nnumber = 1048576",
		  ":2: number: \"1048576\" is out of range, it must be 0..1048575"
		},
		{ "type = null\ncopy = maybe",
		  ":2: copy: \"maybe\" is neither yes nor no"
		},
		{ "type = null\nneed-get-data = 2",
		  ":2: need_get_data: \"2\" is neither yes nor no"
		},
		{ "type = null\nname = x",
		  ":2: name: the name of the device is that of the file; leave it out"
		},
		{ "type = null\neventfd = 3",
		  ":2: eventfd is for command lines only; leave it out"
		},
		{ "type = null\nforeground = yes",
		  ":2: \"foreground\" is no option of a device with the target null"
		},
		{ "file = disk.img",
		  ":1: file: \"disk.img\" does not begin with \"/\"; write the whole name"
		},
		{ "size = 1M", ": the target loop needs a line \"file = FILE\"" },
		{ "file = /dev/null\noffset = 4096",
		  ":2: offset: \"4096\" could be bytes"
		},
	};
	struct conf c;
	char path[200];
	const char *said;
	size_t i;

	snprintf(path, sizeof(path), "%s/a.conf", dir);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].text;
		declare("a", rows[i].text);
		ktap_eq(conf_read("a", &c), -EINVAL);
		ktap_true(!c.words && !c.name);
		said = ublk_strerror_last();
		if (strncmp(said, path, strlen(path)) ||
		    strncmp(said + strlen(path), rows[i].says, strlen(rows[i].says)))
			ktap_fail(__FILE__, __LINE__, "says: %s", said);
	}
	ktap_row = NULL;
	forget("a");
	ktap_eq(conf_read("a", &c), -ENOENT);
	ktap_true(strstr(ublk_strerror_last(), path));
	declare("ublkb1", "type = null\n");
	ktap_eq(conf_read("ublkb1", &c), -EINVAL);
	ktap_true(strstr(ublk_strerror_last(), "no name of a device"));
	forget("ublkb1");
}

static void test_long_line(void)
{
	char text[3 * CONF_LINE_MAX];
	struct conf c;

	memset(text, 'x', sizeof(text) - 2);
	memcpy(text + sizeof(text) - 2, "\n", 2);
	memcpy(text, "file=/", 6);
	declare("a", text);
	ktap_eq(conf_read("a", &c), -EINVAL);
	ktap_true(strstr(ublk_strerror_last(), ":1: the line is longer than"));
	/* the longest one that is none */
	text[CONF_LINE_MAX - 2] = '\n';
	text[CONF_LINE_MAX - 1] = 0;
	declare("a", text);
	ktap_eq(conf_read("a", &c), 0);
	ktap_true(c.missing);
	conf_free(&c);
	forget("a");
}

static bool line_is(const struct conf *c, __u32 recover, const char *want)
{
	char **line = conf_line(c, recover), text[400] = "";
	size_t i, used = 0;

	for (i = 0; line && line[i]; i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%s",
				 i ? "|" : "", line[i]);
	opt_list_free(&line);
	if (!strcmp(text, want))
		return true;
	printf("# %s\n", text);
	return false;
}

static void test_line(void)
{
	char text[400], want[400];
	struct conf c;

	snprintf(text, sizeof(text),
		 "  # of mine\n\n file =  %s \t\nuser_recovery_reissue=on\r\ncopy = yes\nzerocopy = no\nqueues = 2\nnr_queues_x = 1\n",
		 img);
	*strstr(text, "nr_queues_x") = 0;
	declare("scratch", text);
	ktap_eq(conf_read("scratch", &c), 0);
	ktap_eq(strcmp(c.target->name, "loop"), 0);
	ktap_eq(strcmp(conf_text(c.words, "type"), "loop"), 0);
	ktap_true(!c.missing);
	snprintf(want, sizeof(want),
		 "add|--name=scratch|--type=loop|--quiet|--file=%s|--user-recovery-reissue|--copy|--queues=2",
		 img);
	ktap_true(line_is(&c, UBLK_ID_AUTO, want));
	snprintf(want, sizeof(want),
		 "recover|--number=3|--name=scratch|--type=loop|--quiet|--file=%s|--user-recovery-reissue|--copy|--queues=2",
		 img);
	json_object_set_new(c.words, "number", json_string("7"));
	ktap_true(line_is(&c, 3, want));
	conf_free(&c);

	/* several files, one with a blank, and one that is not there */
	snprintf(text, sizeof(text),
		 "file = %s\ntype = stripe\nfile = %s\nfile = /no/such file\n",
		 img, other);
	declare("scratch", text);
	ktap_eq(conf_read("scratch", &c), 0);
	ktap_true(c.missing);
	ktap_true(strstr(c.missing,
			 "scratch.conf:4: file: /no/such file: No such file"));
	snprintf(want, sizeof(want),
		 "add|--name=scratch|--type=stripe|--quiet|--file=%s|--file=%s|--file=/no/such file",
		 img, other);
	ktap_true(line_is(&c, UBLK_ID_AUTO, want));
	conf_free(&c);
	forget("scratch");
}

static void test_diff(void)
{
	json_t *was, *now, *diff, *want;

	was = json_pack("{s:s, s:s, s:[s, s]}", "depth", "64", "size", "1M",
			"file", "/a", "/b");
	now = json_pack("{s:s, s:s, s:[s, s]}", "size", "2M", "copy", "yes",
			"file", "/a", "/b");
	diff = conf_diff(was, now);
	want = json_pack("[{s:s, s:s, s:s}, {s:s, s:n, s:s}, {s:s, s:s, s:n}]",
			 "word", "size", "from", "1M", "to", "2M",
			 "word", "copy", "from", "to", "yes",
			 "word", "depth", "from", "64", "to");
	ktap_true(want && json_equal(diff, want));
	json_decref(want);
	json_decref(diff);
	json_array_append_new(json_object_get(now, "file"), json_string("/c"));
	diff = conf_diff(was, now);
	ktap_eq(json_array_size(diff), 4);
	json_decref(diff);
	diff = conf_diff(now, now);
	ktap_eq(json_array_size(diff), 0);
	json_decref(diff);
	json_decref(was);
	json_decref(now);
}

/* Return: 0, or -EBUSY with a message that has both files */
static int alone(const char *text)
{
	struct conf c;
	int ret;

	declare("b", text);
	ktap_eq(conf_read("b", &c), 0);
	ret = conf_check_alone(&c);
	if (ret)
		ktap_true(strstr(ublk_strerror_last(), "/a.conf") &&
			  strstr(ublk_strerror_last(), "/b.conf: its "));
	conf_free(&c);
	return ret;
}

static void test_alone(void)
{
	char text[200], link_name[100];

	snprintf(link_name, sizeof(link_name), "%s/link", dir);
	ktap_eq(symlink(img, link_name), 0);
	snprintf(text, sizeof(text), "file = %s\nsize = 1M\nnumber = 7\n", img);
	declare("a", text);
	declare("c", "wrong\n");
	snprintf(text, sizeof(text), "file = %s\n", other);
	ktap_eq(alone(text), 0);
	snprintf(text, sizeof(text), "file = %s\n", img);
	ktap_eq(alone(text), -EBUSY);
	ktap_true(strstr(ublk_strerror_last(), img));
	snprintf(text, sizeof(text), "file = %s\n", link_name);
	ktap_eq(alone(text), -EBUSY);
	snprintf(text, sizeof(text), "type = stripe\nfile = %s\nfile = %s\n",
		 other, img);
	ktap_eq(alone(text), -EBUSY);
	/* parts */
	snprintf(text, sizeof(text), "file = %s\noffset = 1M\n", img);
	ktap_eq(alone(text), 0);
	snprintf(text, sizeof(text), "file = %s\noffset = 2047s\nsize=1M\n", img);
	ktap_eq(alone(text), -EBUSY);
	/* readers */
	snprintf(text, sizeof(text), "file = %s\nread-only = yes\n", img);
	ktap_eq(alone(text), -EBUSY);
	declare("a", text);
	ktap_eq(alone(text), 0);
	/* numbers */
	declare("a", "type = null\nnumber = 7\n");
	ktap_eq(alone("type = mem\nsize = 1M\nnumber = 0x7\n"), -EBUSY);
	ktap_true(strstr(ublk_strerror_last(), "its number 0x7"));
	ktap_eq(alone("type = mem\nsize = 1M\nnumber = 8\n"), 0);
	ktap_eq(alone("type = mem\nsize = 1M\n"), 0);
	unlink(link_name);
	forget("a");
	forget("b");
	forget("c");
}

static void test_names(void)
{
	char **names;

	ktap_eq(conf_names(&names), 0);
	ktap_true(!names);
	declare("b", "");
	declare("a.b", "");
	declare(".hidden", "");
	ktap_eq(conf_names(&names), 0);
	ktap_true(names && !strcmp(names[0], "a.b") && !strcmp(names[1], "b") &&
		  !names[2]);
	opt_list_free(&names);
	forget("b");
	forget("a.b");
	forget(".hidden");
	setenv("UBLK_CONF_DIR", "/no/such", 1);
	ktap_eq(conf_names(&names), 0);
	ktap_true(!names);
	setenv("UBLK_CONF_DIR", "/dev/null", 1);
	ktap_eq(conf_names(&names), -ENOTDIR);
	ktap_true(strstr(ublk_strerror_last(), "/dev/null"));
	setenv("UBLK_CONF_DIR", dir, 1);
}

static const struct ktap_test tests[] = {
	{ "wrong", test_wrong },
	{ "long_line", test_long_line },
	{ "line", test_line },
	{ "diff", test_diff },
	{ "alone", test_alone },
	{ "names", test_names },
};

static void make_file(char *name, size_t len, const char *base)
{
	FILE *out;

	snprintf(name, len, "%s/%s", dir, base);
	out = fopen(name, "w");
	fclose(out);
}

int main(void)
{
	int ret;

	snprintf(dir, sizeof(dir), "/tmp/ublk-conf.XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	setenv("UBLK_CONF_DIR", dir, 1);
	make_file(img, sizeof(img), "img");
	make_file(other, sizeof(other), "other");
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	unlink(img);
	unlink(other);
	rmdir(dir);
	return ret;
}
