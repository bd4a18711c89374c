// SPDX-License-Identifier: GPL-2.0
/*
 * The disk of a device and its partitions, from sysfs. Nothing here opens a
 * disk: that may wait for its server.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "procfs.h"

static int disk_add(struct disk *d, const char *name)
{
	char path[320], text[32];
	void *grown;

	snprintf(path, sizeof(path), "/sys/class/block/%s/dev", name);
	if (!procfs_line(path, text, sizeof(text)))
		return 0;
	grown = realloc(d->devs, (d->nr + 1) * sizeof(*d->devs));
	if (!grown)
		return -ENOMEM;
	d->devs = grown;
	grown = realloc(d->names, (d->nr + 1) * sizeof(*d->names));
	if (!grown)
		return -ENOMEM;
	d->names = grown;
	d->devs[d->nr] = procfs_dev(text);
	snprintf(d->names[d->nr++], sizeof(*d->names), "%.31s", name);
	return 0;
}

/**
 * disk_load - find the disk of a device
 * @id: device
 * @d: filled, for disk_free()
 *
 * Return: 0, also without a disk; or -ENOMEM with a message
 */
int disk_load(__u32 id, struct disk *d)
{
	char name[32], path[320];
	struct dirent *e;
	DIR *dir;
	int ret;

	*d = (struct disk) { .id = id };
	snprintf(name, sizeof(name), "ublkb%u", id);
	ret = disk_add(d, name);
	snprintf(path, sizeof(path), "/sys/block/%s", name);
	dir = opendir(path);
	while (dir && !ret && (e = readdir(dir))) {
		if (strncmp(e->d_name, name, strlen(name)))
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/%s/partition", name,
			 e->d_name);
		if (!access(path, F_OK))
			ret = disk_add(d, e->d_name);
	}
	if (dir)
		closedir(dir);
	return ret ? ublk_error(ret, "out of memory") : 0;
}

/**
 * disk_part - the name of the disk or partition with a device number
 * @d: disk
 * @dev: device number
 *
 * Return: name, or NULL if it is another disk's
 */
const char *disk_part(const struct disk *d, dev_t dev)
{
	unsigned int i;

	for (i = 0; dev && i < d->nr; i++)
		if (d->devs[i] == dev)
			return d->names[i];
	return NULL;
}

/**
 * disk_char_dev - device number of the node that the daemon has open
 * @id: device
 *
 * Return: device number, or 0
 */
dev_t disk_char_dev(__u32 id)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/sys/class/ublk-char/ublkc%u/dev", id);
	return procfs_line(path, text, sizeof(text)) ? procfs_dev(text) :
		0;
}

static void disk_announce_part(const char *name)
{
	char path[320];
	FILE *out;

	snprintf(path, sizeof(path), "/sys/class/block/%s/uevent", name);
	out = fopen(path, "we");
	if (!out)
		return;
	fputs("change", out);
	fclose(out);
}

/**
 * disk_announce - have udev look at a disk and its partitions again
 * @id: device
 *
 * While the disk waited, udev did not read it (59-ublk-held.rules). An ordinary user
 * may not do that; then nothing happens.
 */
void disk_announce(__u32 id)
{
	struct disk d;
	unsigned int i;

	if (!disk_load(id, &d))
		for (i = 0; i < d.nr; i++)
			disk_announce_part(d.names[i]);
	disk_free(&d);
}

/**
 * disk_free - release what disk_load() has filled
 * @d: disk
 */
void disk_free(struct disk *d)
{
	free(d->devs);
	free(d->names);
	*d = (struct disk) { 0 };
}
