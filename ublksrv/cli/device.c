// SPDX-License-Identifier: GPL-2.0
/*
 * Which device is meant: its number, /dev/ublkbN, ublkbN, the same of the char
 * device, a link to one of them, or the name that "ublk add --name" gave it.
 *
 * Names are in the run-state files. A file may be that of an earlier device with
 * the number, so a command compares it with the driver's answer before it acts
 * (device_check()).
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "opt.h"
#include "suggest.h"

#define BY_NAME		"/dev/disk/by-ublk/"
#define NAME_CHARS	"abcdefghijklmnopqrstuvwxyz0123456789._-"

/* The name that the device was found by, or "". */
static char found_name[DEVICE_NAME_MAX + 1];

/*
 * "ublkb7", "ublkc7" with or without "/dev/": device 7. @end receives what is
 * behind the number.
 */
static bool device_parse_node(const char *text, __u64 *id, const char **end)
{
	char digits[16] = "";
	size_t len;

	if (!strncmp(text, "/dev/", 5))
		text += 5;
	if (strncmp(text, "ublkb", 5) && strncmp(text, "ublkc", 5))
		return false;
	text += 5;
	len = strspn(text, "0123456789");
	if (len < sizeof(digits))
		memcpy(digits, text, len);
	*end = text + len;
	return !opt_uint(digits, id) && *id < UBLK_ID_AUTO;
}

/**
 * device_of_node - the device that a node belongs to
 * @node: ublkcN, ublkbN, a partition of that, with or without a directory, or N
 * @id: receives the number
 *
 * Return: 0 or -EINVAL with a message
 */
int device_of_node(const char *node, __u32 *id)
{
	const char *name = strrchr(node, '/'), *end = "";
	__u64 val;

	name = name ? name + 1 : node;
	if ((!opt_uint(name, &val) && val < UBLK_ID_AUTO) ||
	    (device_parse_node(name, &val, &end) && (!*end || *end == 'p'))) {
		*id = val;
		return 0;
	}
	return ublk_error(-EINVAL, "\"%s\" is not a node of a device", node);
}

/**
 * device_name_check - may a device have this name
 * @name: name
 *
 * What names a device in another way, or no file in a directory, may not.
 *
 * Return: 0 or -EINVAL with a message
 */
int device_name_check(const char *name)
{
	size_t len = strlen(name);
	const char *end = "x";
	__u64 id;

	if (!len || len > DEVICE_NAME_MAX || strspn(name, NAME_CHARS) != len ||
	    *name == '-' || !strcmp(name, ".") || !strcmp(name, ".."))
		return ublk_error(-EINVAL, "--name: \"%s\" is no name; use up to %d of a-z 0-9 . _ -, no - in front",
				  name, DEVICE_NAME_MAX);
	if (strspn(name, "0123456789") == len || !opt_uint(name, &id) ||
	    device_parse_node(name, &id, &end))
		return ublk_error(-EINVAL, "--name: \"%s\" is the number or the node of a device; use another name",
				  name);
	return 0;
}

static int device_no_name(const char *name, struct suggest *s)
{
	const char *hint = suggest_text(s, "");

	return ublk_error(-ENODEV, "no device has the name \"%s\"%s%s see \"ublk list\"",
			  name, hint, *hint ? "" : ";");
}

/* Find a name in the records of the devices that exist. */
static int device_by_name(const char *name, __u64 *id)
{
	struct suggest s = { .word = name };
	bool found = false;
	struct state st;
	__u32 *ids;
	int nr, i;

	nr = devnodes_list(&ids);
	for (i = 0; i < nr && !found; i++) {
		if (state_read(ids[i], &st))
			continue;
		if (st.name) {
			found = !strcmp(st.name, name);
			suggest_offer(&s, st.name);
		}
		if (found)
			*id = ids[i];
		state_free(&st);
	}
	free(ids);
	if (!found)
		return device_no_name(name, &s);
	snprintf(found_name, sizeof(found_name), "%s", name);
	return 0;
}

static int device_bad(const char *text)
{
	return ublk_error(-EINVAL, "\"%s\" is no device; give its number, /dev/ublkbN or its name",
			  text);
}

/* A link, or a path that does not exist (any more). */
static int device_by_path(const char *text, __u64 *id)
{
	char *path = realpath(text, NULL);
	const char *end = "x";
	bool ok;

	if (!path && !strncmp(text, BY_NAME, strlen(BY_NAME)))
		return device_by_name(text + strlen(BY_NAME), id);
	ok = path && device_parse_node(path, id, &end) && !*end;
	free(path);
	return ok ? 0 : device_bad(text);
}

/**
 * device_find - the number of the device that a text names
 * @text: number, node, link or name
 * @id: receives the number
 *
 * Does not ask the driver whether a device with that number exists.
 *
 * Return: 0; -EINVAL or, if no device has the name, -ENODEV, with a message
 */
int device_find(const char *text, __u64 *id)
{
	const char *end = "x";

	*found_name = 0;
	if (!opt_uint(text, id) && *id < UBLK_ID_AUTO)
		return 0;
	if (device_parse_node(text, id, &end)) {
		if (!*end)
			return 0;
		return ublk_error(-EINVAL, "\"%s\" is not a whole disk; give /dev/ublkb%u",
				  text, (unsigned int)*id);
	}
	if (strchr(text, '/'))
		return device_by_path(text, id);
	if (device_name_check(text))
		return device_bad(text);
	return device_by_name(text, id);
}

/**
 * device_check - is it the device that the user named
 * @info: the driver's answer for the number that device_find() returned
 *
 * Return: 0, or -ENODEV with a message if the record that has the name is that of
 * an earlier device
 */
int device_check(const struct ublksrv_ctrl_dev_info *info)
{
	struct suggest none = { 0 };
	struct state st;
	bool same;

	if (!*found_name || state_read(info->dev_id, &st))
		return 0;
	same = state_matches(&st, info);
	state_free(&st);
	return same ? 0 : device_no_name(found_name, &none);
}
