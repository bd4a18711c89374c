// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Reading /proc and /sys. Nothing here waits for the server of a disk or of a
 * file system.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "procfs.h"

bool procfs_line(const char *path, char *buf, size_t len)
{
	FILE *in = fopen(path, "re");
	bool ok = in && fgets(buf, len, in);

	if (in)
		fclose(in);
	if (!ok)
		*buf = 0;
	buf[strcspn(buf, "\n")] = 0;
	return ok;
}

dev_t procfs_dev(const char *text)
{
	unsigned int maj, min;

	return sscanf(text, "%u:%u", &maj, &min) == 2 ? makedev(maj, min) : 0;
}

dev_t procfs_whole(dev_t dev)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition",
		 major(dev), minor(dev));
	if (access(path, F_OK))
		return 0;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev",
		 major(dev), minor(dev));
	return procfs_line(path, text, sizeof(text)) ? procfs_dev(text) : 0;
}

/* Names in /proc have \040 for a space. */
static void procfs_unescape(char *text)
{
	char *to = text;
	unsigned int c;

	while (*text) {
		if (*text == '\\' && strspn(text + 1, "01234567") >= 3 &&
		    sscanf(text + 1, "%3o", &c) == 1) {
			*to++ = c;
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = 0;
}

dev_t procfs_node(const char *path)
{
	struct stat st;

	if (strncmp(path, "/dev/", 5) || stat(path, &st) ||
	    !S_ISBLK(st.st_mode))
		return 0;
	return st.st_rdev;
}

void procfs_mount_open(struct procfs_mount *m, const char *pid)
{
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", pid ? : "self");
	*m = (struct procfs_mount) { .in = fopen(path, "re") };
}

/* Split the line; the members refer to parts of it. */
static bool procfs_mount_parse(struct procfs_mount *m)
{
	char *words[5], *rest, *source, *at = m->line;
	dev_t dev;
	int i;

	rest = strstr(m->line, " - ");
	if (!rest)
		return false;
	*rest = 0;
	for (i = 0; i < 5; i++) {
		words[i] = strsep(&at, " ");
		if (!words[i])
			return false;
	}
	rest += 3;
	strsep(&rest, " ");
	source = strsep(&rest, " ");
	if (!source)
		return false;
	procfs_unescape(source);
	m->dev = procfs_dev(words[2]);
	dev = major(m->dev) ? 0 : procfs_node(source);
	if (dev)
		m->dev = dev;
	m->dir = words[4];
	procfs_unescape(m->dir);
	return true;
}

bool procfs_mount_next(struct procfs_mount *m)
{
	while (m->in && getline(&m->line, &m->size, m->in) > 0)
		if (procfs_mount_parse(m))
			return true;
	return false;
}

void procfs_mount_close(struct procfs_mount *m)
{
	free(m->line);
	if (m->in)
		fclose(m->in);
}

bool procfs_swap(FILE *in, char *buf, size_t len)
{
	char line[512];

	while (fgets(line, sizeof(line), in)) {
		if (*line != '/')
			continue;
		line[strcspn(line, " \t\n")] = 0;
		procfs_unescape(line);
		snprintf(buf, len, "%s", line);
		return true;
	}
	return false;
}

bool procfs_stat_fd(int dir, const char *fd, struct stat *st)
{
	struct statx sx;

	if (statx(dir, fd, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &sx))
		return false;
	memset(st, 0, sizeof(*st));
	st->st_mode = sx.stx_mode;
	st->st_ino = sx.stx_ino;
	st->st_dev = makedev(sx.stx_dev_major, sx.stx_dev_minor);
	st->st_rdev = makedev(sx.stx_rdev_major, sx.stx_rdev_minor);
	return true;
}
