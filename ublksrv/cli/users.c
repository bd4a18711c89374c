// SPDX-License-Identifier: GPL-2.0
/*
 * Who uses a disk in a way that its removal would destroy: file systems, swap,
 * devices of dm and md, loop devices and other ublk devices. "del" and "stop"
 * refuse then, and name them. A process that has the raw disk open is none of
 * these.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "config.h"
#include "disk.h"
#include "procfs.h"

#define USERS_SHOWN	4

void users_add(struct users *u, const char *fmt, ...)
{
	size_t used = strlen(u->text);
	va_list ap;

	if (u->nr++ >= USERS_SHOWN)
		return;
	if (used)
		used += snprintf(u->text + used, sizeof(u->text) - used, ", ");
	if (used >= sizeof(u->text))
		return;
	va_start(ap, fmt);
	vsnprintf(u->text + used, sizeof(u->text) - used, fmt, ap);
	va_end(ap);
}

static void users_swap(const struct disk *d, struct users *u)
{
	FILE *in = fopen("/proc/swaps", "re");
	const char *part;
	char name[512];

	while (in && procfs_swap(in, name, sizeof(name))) {
		part = disk_part(d, procfs_node(name));
		if (part)
			users_add(u, "%s is used as swap (\"swapoff %s\")",
				  part, name);
	}
	if (in)
		fclose(in);
}

/* @name: of a device on top of @part */
static void users_holder(const char *part, const char *name, struct users *u)
{
	char path[320], label[128];

	snprintf(path, sizeof(path), "/sys/class/block/%s/dm/name", name);
	if (procfs_line(path, label, sizeof(label)))
		users_add(u, "%s is held by %s, %s (\"dmsetup remove %s\")",
			  part, name, label, label);
	else if (!strncmp(name, "md", 2))
		users_add(u, "%s is held by %s (\"mdadm --stop /dev/%s\")",
			  part, name, name);
	else
		users_add(u, "%s is held by %s (remove that device)", part,
			  name);
}

static void users_holders(const struct disk *d, struct users *u)
{
	char path[320];
	struct dirent *e;
	unsigned int i;
	DIR *dir;

	for (i = 0; i < d->nr; i++) {
		snprintf(path, sizeof(path), "/sys/class/block/%s/holders",
			 d->names[i]);
		dir = opendir(path);
		while (dir && (e = readdir(dir)))
			if (e->d_name[0] != '.')
				users_holder(d->names[i], e->d_name, u);
		if (dir)
			closedir(dir);
	}
}

static void users_loop(const struct disk *d, struct users *u)
{
	DIR *dir = opendir("/sys/block");
	char path[320], file[4096];
	const char *part;
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (strncmp(e->d_name, "loop", 4))
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file",
			 e->d_name);
		if (!procfs_line(path, file, sizeof(file)))
			continue;
		part = disk_part(d, mounts_file_dev(file));
		if (part)
			users_add(u, "%s is the store of /dev/%s (\"losetup -d /dev/%s\")",
				  part, e->d_name, e->d_name);
	}
	if (dir)
		closedir(dir);
}

static dev_t users_store_dev(json_t *file)
{
	char *path = config_unpack_text(file);
	dev_t dev = path ? mounts_file_dev(path) : 0;

	free(path);
	return dev;
}

/**
 * users_stores - the disks that the files of a device are on
 * @st: record of the device
 * @devs: receives device numbers, for free(); 0 for one that is not known
 *
 * Return: how many, or -ENOMEM with a message
 */
int users_stores(const struct state *st, dev_t **devs)
{
	json_t *files = json_object_get(st->options, "file"), *file;
	size_t nr = json_is_array(files) ? json_array_size(files) : !!files, i;

	*devs = calloc(nr ? : 1, sizeof(**devs));
	if (!*devs)
		return ublk_error(-ENOMEM, "out of memory");
	if (files && !json_is_array(files))
		**devs = users_store_dev(files);
	json_array_foreach(files, i, file)
		(*devs)[i] = users_store_dev(file);
	return nr;
}

/**
 * users_has_store - is one of some stores a disk, or on that disk
 * @stores: from users_stores()
 * @nr: how many, or an error of users_stores()
 * @d: disk
 *
 * Return: true if one is
 */
bool users_has_store(const dev_t *stores, int nr, const struct disk *d)
{
	bool found = false;
	int i;

	for (i = 0; i < nr; i++)
		found |= !!disk_part(d, stores[i]);
	return found;
}

/* Other devices of ublk; only those that have a disk or will have one again. */
static void users_ublk(struct ublk_ctrl *ctrl, const struct disk *d,
		       const struct users_known *known, struct users *u)
{
	struct ublksrv_ctrl_dev_info info;
	int nr, nr_stores, i;
	unsigned int k = 0;
	struct state st;
	dev_t *stores;
	__u32 *ids;

	nr = devnodes_list(&ids);
	for (i = 0; i < nr; i++) {
		while (known && k < known->nr && known->ids[k] < ids[i])
			k++;
		if (known && k < known->nr && known->ids[k] == ids[i] &&
		    !known->above[k])
			continue;
		if (ids[i] == d->id || state_read(ids[i], &st))
			continue;
		nr_stores = users_stores(&st, &stores);
		if (users_has_store(stores, nr_stores, d) &&
		    !ublk_ctrl_get_info(ctrl, ids[i], &info) &&
		    info.state != UBLK_S_DEV_DEAD && state_matches(&st, &info))
			users_add(u, "ublkb%u is the store of device %u (\"ublk del -n %u\")",
				  d->id, ids[i], ids[i]);
		free(stores);
		state_free(&st);
	}
	free(ids);
}

/**
 * users_find - who uses the disk of a device
 * @ctrl: handle
 * @id: device
 * @known: what is not to be found out again, or NULL
 * @u: filled; the text ends with how many more there are
 *
 * Return: 0, also without a disk; or -ENOMEM with a message
 */
int users_find(struct ublk_ctrl *ctrl, __u32 id,
	       const struct users_known *known, struct users *u)
{
	struct disk d;
	size_t used;
	int ret;

	memset(u, 0, sizeof(*u));
	ret = disk_load(id, &d);
	if (!ret && d.nr) {
		mounts_find(&d, known ? known->spaces : NULL, u);
		users_swap(&d, u);
		users_holders(&d, u);
		users_loop(&d, u);
		users_ublk(ctrl, &d, known, u);
	}
	disk_free(&d);
	used = strlen(u->text);
	if (u->nr > USERS_SHOWN)
		snprintf(u->text + used, sizeof(u->text) - used, " and %u more",
			 u->nr - USERS_SHOWN);
	return ret;
}

/**
 * users_refuse - refuse to take away a disk that is in use
 * @ctrl: handle
 * @id: device
 * @known: what is not to be found out again, or NULL
 *
 * Return: 0; -EBUSY with a message that names the users; -ENOMEM
 */
int users_refuse(struct ublk_ctrl *ctrl, __u32 id,
		 const struct users_known *known)
{
	struct users u;
	int ret;

	ret = users_find(ctrl, id, known, &u);
	if (u.nr)
		ret = ublk_error(-EBUSY, "dev %u: is in use: %s; end that first, or give --force",
				 id, u.text);
	return ret;
}
