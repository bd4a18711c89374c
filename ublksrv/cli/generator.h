/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What systemd has to know of declared devices: generator.c, with the lines of fstab
 * in generator_fstab.c, and the mounts that stay over a soft-reboot in generator_keep.c.
 */
#ifndef UBLK_GENERATOR_H
#define UBLK_GENERATOR_H

#include "conf.h"
#include "unit.h"

struct mntent;

#define BY_UBLK		"/dev/disk/by-ublk/"

/**
 * struct generator - a run of the generator
 * @dir: where units go
 * @early: where units go that take the place of the administrator's, or NULL
 * @devs: declarations; one that is wrong has a name and no target
 * @nr: how many
 */
struct generator {
	const char *dir;
	const char *early;
	struct conf *devs;
	size_t nr;
};

/* Files of a unit's directory. */
#define DROP_IN		"50-ublk.conf"
#define DROP_IN_KEEP	"50-ublk-keep.conf"

/**
 * generator_load - read all declarations
 * @g: filled, for generator_free(), also after a failure
 *
 * Return: 0 or negative errno with a message
 */
int generator_load(struct generator *g);

/**
 * generator_free - forget them
 * @g: declarations
 */
void generator_free(struct generator *g);

/**
 * generator_open - begin a file below a directory
 * @dir: such as @dir of struct generator
 * @unit: unit that the file adds to, or file name if @drop_in is NULL
 * @drop_in: name of the file in the unit's directory
 *
 * Return: stream, or NULL with a message
 */
FILE *generator_open(const char *dir, const char *unit, const char *drop_in);

/**
 * generator_close - end a file
 * @out: stream
 * @unit: unit, for the message
 *
 * Return: 0 or negative errno with a message
 */
int generator_close(FILE *out, const char *unit);

/**
 * generator_paths - call a function for each file or node that a declaration names
 * @c: declaration
 * @fn: returns whether to go on
 * @arg: for that
 */
void generator_paths(const struct conf *c,
		     bool (*fn)(const char *path, void *arg), void *arg);

/**
 * generator_find - the declared device that a node is of
 * @g: declarations
 * @node: disk or partition
 *
 * Return: device, or NULL
 */
const struct conf *generator_find(const struct generator *g, const char *node);

/**
 * generator_under - is a path in a directory?
 * @path: absolute name
 * @dir: absolute name
 *
 * Return: true also for the directory itself
 */
bool generator_under(const char *path, const char *dir);

/**
 * generator_mounts - what the service of a device has to wait for, by fstab
 * @c: declaration
 * @out: receives lines of a section [Unit]; NULL for none
 *
 * Return: a store comes over a network
 */
bool generator_mounts(const struct conf *c, FILE *out);

/**
 * fstab_open - begin to read fstab, for getmntent()
 *
 * Return: stream for endmntent(), or NULL
 */
FILE *fstab_open(void);

/**
 * fstab_is_net - does what a line mounts come over a network?
 * @m: line
 */
bool fstab_is_net(const struct mntent *m);

/**
 * fstab_holds - does a file of a device lie in a directory?
 * @dir: absolute name; another one has none
 * @c: declaration
 */
bool fstab_holds(const char *dir, const struct conf *c);

/**
 * fstab_device - the declared device that a line names
 * @g: declarations
 * @m: line
 *
 * Return: device; NULL for none, also if the line has only its label
 */
const struct conf *fstab_device(const struct generator *g,
				const struct mntent *m);

/**
 * generator_fstab - connect the lines of fstab with the devices that they mean
 * @g: declarations
 *
 * Return: 0 or negative errno with a message
 */
int generator_fstab(const struct generator *g);

/**
 * generator_keep - have mounts of fstab stay over a soft-reboot
 * @g: declarations
 *
 * These are the mounts of declared devices, and those that they need.
 *
 * Return: 0 or negative errno with a message
 */
int generator_keep(const struct generator *g);

/**
 * generator_keeps - has the generator written that for all these mounts?
 * @g: declarations
 * @dir: where its units are
 *
 * Return: 1; 0 if a mount is missing; or negative errno with a message
 */
int generator_keeps(const struct generator *g, const char *dir);

#endif
