/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The disk of a device with its partitions, and who uses them: see disk.c,
 * users.c and mounts.c.
 */
#ifndef UBLK_DISK_H
#define UBLK_DISK_H

#include <sys/types.h>

#include "cli.h"

/**
 * struct disk - the disk of a device, as it is in sysfs
 * @id: device
 * @nr: number of parts, 0 without a disk
 * @devs: device numbers; the first is that of the disk, others are partitions
 * @names: names of these, as ublkb0p1
 */
struct disk {
	__u32 id;
	unsigned int nr;
	dev_t *devs;
	char (*names)[32];
};

/* A list of users, as text. */
struct users {
	unsigned int nr;
	char text[700];
};

#define MOUNTS_SPACES	256	/* that are looked at */

/**
 * struct mounts_spaces - mount namespaces, without that of this process
 * @pids: a process of each
 * @nr: how many
 */
struct mounts_spaces {
	char pids[MOUNTS_SPACES][16];
	unsigned int nr;
};

/**
 * struct users_known - what a caller that deletes many devices has found out before
 * @ids: devices of which it knows their stores, ascending
 * @above: is the disk in question the store of that device?
 * @nr: how many
 * @spaces: mount namespaces
 */
struct users_known {
	const __u32 *ids;
	const bool *above;
	unsigned int nr;
	const struct mounts_spaces *spaces;
};

/* disk.c */
int disk_load(__u32 id, struct disk *d);
const char *disk_part(const struct disk *d, dev_t dev);
dev_t disk_char_dev(__u32 id);
void disk_announce(__u32 id);
void disk_free(struct disk *d);

/* mounts.c */
void mounts_find_spaces(struct mounts_spaces *s);
void mounts_find(const struct disk *d, const struct mounts_spaces *known,
		 struct users *u);
dev_t mounts_above(const char *path, char *dir, size_t len);
dev_t mounts_file_dev(const char *path);

/* users.c */
void users_add(struct users *u, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int users_stores(const struct state *st, dev_t **devs);
bool users_has_store(const dev_t *stores, int nr, const struct disk *d);
int users_find(struct ublk_ctrl *ctrl, __u32 id,
	       const struct users_known *known, struct users *u);
int users_refuse(struct ublk_ctrl *ctrl, __u32 id,
		 const struct users_known *known);

#endif
