// SPDX-License-Identifier: GPL-2.0
/*
 * Names of systemd's units, and values in their files, as systemd.unit(5) and
 * systemd.syntax(7) describe them.
 */
#include <string.h>

#include "unit.h"

#define UNIT_CHARS \
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:_."

/* Return: false if it does not fit */
static bool unit_append(char *buf, size_t *len, const char *text)
{
	size_t more = strlen(text);

	if (*len + more >= UNIT_NAME_MAX)
		return false;
	memcpy(buf + *len, text, more + 1);
	*len += more;
	return true;
}

/* @first: a dot is escaped in that place */
static bool unit_escape(char *buf, size_t *len, char c, bool first)
{
	char text[8] = { c };

	if (!strchr(UNIT_CHARS, c) || (first && c == '.'))
		snprintf(text, sizeof(text), "\\x%02x", (unsigned char)c);
	return unit_append(buf, len, text);
}

bool unit_of_path(const char *path, const char *suffix, char *buf)
{
	size_t len = 0;
	bool ok = true;

	*buf = 0;
	path += strspn(path, "/");
	if (!*path)
		ok = unit_append(buf, &len, "-");
	while (ok && *path) {
		if (*path != '/') {
			ok = unit_escape(buf, &len, *path++, !len);
			continue;
		}
		path += strspn(path, "/");
		if (*path)
			ok = unit_append(buf, &len, "-");
	}
	return ok && unit_append(buf, &len, suffix);
}

bool unit_of_device(const char *prefix, const char *name, char *buf)
{
	size_t len = 0;
	bool ok;

	*buf = 0;
	ok = unit_append(buf, &len, prefix) && unit_append(buf, &len, "@");
	for (; ok && *name; name++) {
		const char text[] = { *name, 0 };

		ok = *name == '-' ? unit_append(buf, &len, text) :
			unit_escape(buf, &len, *name, false);
	}
	return ok && unit_append(buf, &len, ".service");
}

void unit_put_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if (*text == '%')
			fputc('%', out);
		fputc(*text, out);
	}
	fputc('"', out);
}
