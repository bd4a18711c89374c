// SPDX-License-Identifier: GPL-2.0
/*
 * What the program prints with --json: one document on standard output, whether
 * the command succeeds or fails; "ublk events" prints one for each event before
 * that. ublksrv/etc/ublk.schema.json describes it. The message of a failure is on
 * standard error as well.
 *
 * main.c starts and prints the document, commands add what they found.
 */
#include <stdio.h>

#include "cli.h"
#include "json.h"

static json_t *out_root;
static size_t out_format = JSON_INDENT(2);

void out_start(const char *command)
{
	json_decref(out_root);
	out_root = json_pack("{s:i, s:s}", "version", OUT_VERSION, "command",
			     command);
}

void out_stop(void)
{
	json_decref(out_root);
	out_root = NULL;
}

bool out_is_json(void)
{
	return out_root;
}

void out_set(const char *key, json_t *val)
{
	if (out_root)
		json_object_set_new(out_root, key, val);
	else
		json_decref(val);
}

void out_append(const char *key, json_t *val)
{
	json_t *list = json_object_get(out_root, key);

	if (!out_root) {
		json_decref(val);
		return;
	}
	if (!list) {
		list = json_array();
		json_object_set_new(out_root, key, list);
	}
	json_array_append_new(list, val);
}

void out_lines(void)
{
	out_format = JSON_COMPACT;
}

void out_line(const char *key, json_t *val)
{
	json_t *line = json_copy(out_root);

	json_object_set_new(line, "status", json_integer(0));
	json_object_set_new(line, key, val);
	json_dumpf(line, stdout, out_format);
	putchar('\n');
	json_decref(line);
}

/* As in the manual page's table of exit status. */
static const char *out_reason(int status)
{
	static const char * const reasons[] = {
		[EXIT_OK]	 = "success",
		[EXIT_FAILED]	 = "failed",
		[EXIT_USAGE]	 = "usage",
		[EXIT_NO_DEV]	 = "no-device",
		[EXIT_NO_PERM]	 = "no-permission",
		[EXIT_NO_DRIVER] = "no-driver",
		[EXIT_TIMEOUT]	 = "timeout",
		[EXIT_BUSY]	 = "in-use",
	};

	return status >= 0 && status <= EXIT_BUSY ? reasons[status] : "failed";
}

void out_error(int status, const char *text)
{
	json_t *message = json_string(text);

	/* a file name in it need not be UTF-8 */
	if (!message)
		message = json_string("the message is on standard error");
	out_append("errors", json_pack("{s:i, s:s, s:o}", "status", status,
				       "reason", out_reason(status), "message",
				       message));
}

void out_print(int status)
{
	if (!out_root)
		return;
	out_set("status", json_integer(status));
	json_dumpf(out_root, stdout, out_format);
	putchar('\n');
	out_stop();
}
