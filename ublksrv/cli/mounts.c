// SPDX-License-Identifier: GPL-2.0
/*
 * Where a disk or its partitions are mounted, and on which disk a file is, from
 * /proc/PID/mountinfo.
 *
 * A file that may be on a disk whose server does not answer is found by its
 * name alone, for stat() could wait for that server.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "disk.h"

#define NAMESPACES	256	/* that are looked at */

/* A line of mountinfo. */
struct mount {
	dev_t dev;
	char *dir;
	char *source;
};

/* Names in /proc have \040 for a space. */
void mounts_unescape(char *text)
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

/* Only nodes of /dev: the name of any other node says nothing. */
static dev_t mounts_node_dev(const char *path)
{
	struct stat st;

	if (strncmp(path, "/dev/", 5) || stat(path, &st) ||
	    !S_ISBLK(st.st_mode))
		return 0;
	return st.st_rdev;
}

/*
 * Split a line, and keep parts of it by reference. A file system on several
 * devices (btrfs) has a number of its own, so the source decides if it is a
 * node.
 */
static bool mounts_parse(char *line, struct mount *m)
{
	char *words[5], *rest, *at = line;
	dev_t source;
	int i;

	rest = strstr(line, " - ");
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
	m->source = strsep(&rest, " ");
	if (!m->source)
		return false;
	m->dir = words[4];
	mounts_unescape(m->dir);
	mounts_unescape(m->source);
	m->dev = disk_parse_dev(words[2]);
	source = mounts_node_dev(m->source);
	if (source)
		m->dev = source;
	return true;
}

/* @pid: process in another mount namespace, or NULL for this one */
static void mounts_find_in(const struct disk *d, const char *pid,
			   struct users *u)
{
	char path[300], *line = NULL;
	const char *part;
	struct mount m;
	size_t len = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", pid ? : "self");
	in = fopen(path, "re");
	while (in && getline(&line, &len, in) > 0) {
		if (!mounts_parse(line, &m))
			continue;
		part = disk_part(d, m.dev);
		if (part && pid)
			users_add(u, "%s is mounted on %s in the mount namespace of process %s (\"nsenter -t %s -m umount %s\")",
				  part, m.dir, pid, pid, m.dir);
		else if (part)
			users_add(u, "%s is mounted on %s (\"umount %s\")",
				  part, m.dir, m.dir);
	}
	free(line);
	if (in)
		fclose(in);
}

static bool mounts_namespace(const char *pid, ino_t *ino)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/mnt", pid);
	if (stat(path, &st))
		return false;
	*ino = st.st_ino;
	return true;
}

/**
 * mounts_find - where a disk or a partition of it is mounted
 * @d: disk
 * @u: each mount is added
 *
 * Looks at other mount namespaces if it is not mounted in this one.
 */
void mounts_find(const struct disk *d, struct users *u)
{
	ino_t seen[NAMESPACES], ino;
	unsigned int nr = 0, i, before = u->nr;
	struct dirent *e;
	DIR *dir;

	mounts_find_in(d, NULL, u);
	if (u->nr > before || !mounts_namespace("self", &seen[0]))
		return;
	nr = 1;
	dir = opendir("/proc");
	while (dir && nr < NAMESPACES && (e = readdir(dir))) {
		if (!isdigit((unsigned char)*e->d_name) ||
		    !mounts_namespace(e->d_name, &ino))
			continue;
		for (i = 0; i < nr && seen[i] != ino; i++)
			;
		if (i < nr)
			continue;
		seen[nr++] = ino;
		mounts_find_in(d, e->d_name, u);
	}
	if (dir)
		closedir(dir);
}

/* Is the directory, or the file system's root, above the path? */
static bool mounts_is_above(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	if (!strcmp(dir, "/"))
		return true;
	return !strncmp(dir, path, len) && (!path[len] || path[len] == '/');
}

/**
 * mounts_file_dev - the disk that has a file, or that is the file
 * @path: absolute name
 *
 * Return: device number, or 0 if it is not known
 */
dev_t mounts_file_dev(const char *path)
{
	dev_t dev = mounts_node_dev(path);
	char *line = NULL;
	size_t len = 0, best = 0;
	struct mount m;
	FILE *in;

	if (dev || *path != '/')
		return dev;
	in = fopen("/proc/self/mountinfo", "re");
	while (in && getline(&line, &len, in) > 0) {
		/* of equally long ones the last is on top */
		if (!mounts_parse(line, &m) || !mounts_is_above(m.dir, path) ||
		    strlen(m.dir) < best)
			continue;
		best = strlen(m.dir);
		dev = m.dev;
	}
	free(line);
	if (in)
		fclose(in);
	return dev;
}
