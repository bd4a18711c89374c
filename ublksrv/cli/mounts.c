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
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "disk.h"
#include "procfs.h"

/* @pid: process in another mount namespace, or NULL for this one */
static void mounts_find_in(const struct disk *d, const char *pid,
			   struct users *u)
{
	struct procfs_mount m;
	const char *part;

	procfs_mount_open(&m, pid);
	while (procfs_mount_next(&m)) {
		part = disk_part(d, m.dev);
		if (part && pid)
			users_add(u, "%s is mounted on %s in the mount namespace of process %s (\"nsenter -t %s -m umount %s\")",
				  part, m.dir, pid, pid, m.dir);
		else if (part)
			users_add(u, "%s is mounted on %s (\"umount %s\")",
				  part, m.dir, m.dir);
	}
	procfs_mount_close(&m);
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
 * mounts_find_spaces - find a process in each other mount namespace
 * @s: filled
 *
 * Looks at all processes.
 */
void mounts_find_spaces(struct mounts_spaces *s)
{
	ino_t seen[MOUNTS_SPACES + 1], ino;
	struct dirent *e;
	unsigned int i;
	DIR *dir;

	s->nr = 0;
	if (!mounts_namespace("self", &seen[0]))
		return;
	dir = opendir("/proc");
	while (dir && s->nr < MOUNTS_SPACES && (e = readdir(dir))) {
		if (!isdigit((unsigned char)*e->d_name) ||
		    !mounts_namespace(e->d_name, &ino))
			continue;
		for (i = 0; i <= s->nr && seen[i] != ino; i++)
			;
		if (i <= s->nr)
			continue;
		snprintf(s->pids[s->nr++], sizeof(s->pids[0]), "%.15s",
			 e->d_name);
		seen[s->nr] = ino;
	}
	if (dir)
		closedir(dir);
}

/* Return: false if one of the processes has ended; others may be in its namespace */
static bool mounts_find_others(const struct disk *d,
			       const struct mounts_spaces *s, struct users *u)
{
	bool all = true;
	unsigned int i;
	ino_t ino;

	for (i = 0; i < s->nr; i++) {
		mounts_find_in(d, s->pids[i], u);
		all &= mounts_namespace(s->pids[i], &ino);
	}
	return all;
}

/**
 * mounts_find - where a disk or a partition of it is mounted
 * @d: disk
 * @known: from mounts_find_spaces() a short time ago, or NULL
 * @u: each mount is added
 *
 * Looks at other mount namespaces if it is not mounted in this one.
 */
void mounts_find(const struct disk *d, const struct mounts_spaces *known,
		 struct users *u)
{
	const struct users before = *u;
	struct mounts_spaces now;

	mounts_find_in(d, NULL, u);
	if (u->nr > before.nr || (known && mounts_find_others(d, known, u)))
		return;
	*u = before;
	mounts_find_spaces(&now);
	mounts_find_others(d, &now, u);
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
 * mounts_above - the mount that has a file
 * @path: absolute name
 * @dir: receives the mount point, "" if it is not known
 * @len: bytes at @dir
 *
 * Return: device number of the file system, or 0 if it is not known
 */
dev_t mounts_above(const char *path, char *dir, size_t len)
{
	struct procfs_mount m;
	size_t best = 0;
	dev_t dev = 0;

	*dir = 0;
	procfs_mount_open(&m, NULL);
	while (*path == '/' && procfs_mount_next(&m)) {
		/* of equally long ones the last is on top */
		if (!mounts_is_above(m.dir, path) || strlen(m.dir) < best)
			continue;
		best = strlen(m.dir);
		dev = m.dev;
		snprintf(dir, len, "%s", m.dir);
	}
	procfs_mount_close(&m);
	return dev;
}

/**
 * mounts_file_dev - the disk that has a file, or that is the file
 * @path: absolute name
 *
 * Return: device number, or 0 if it is not known
 */
dev_t mounts_file_dev(const char *path)
{
	dev_t dev = procfs_node(path);
	char dir[PATH_MAX];

	return dev ? dev : mounts_above(path, dir, sizeof(dir));
}
