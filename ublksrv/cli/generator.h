/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What systemd has to know of declared devices: generator.c, with the lines of fstab
 * in generator_fstab.c.
 */
#ifndef UBLK_GENERATOR_H
#define UBLK_GENERATOR_H

#include "conf.h"
#include "unit.h"

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

/**
 * generator_open - begin a file below a directory
 * @dir: such as @dir of struct generator
 * @unit: unit that the file adds to, or file name if @drop_in is false
 * @drop_in: the file is one of the unit's directory
 *
 * Return: stream, or NULL with a message
 */
FILE *generator_open(const char *dir, const char *unit, bool drop_in);

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
 * generator_fstab - connect the lines of fstab with the devices that they mean
 * @g: declarations
 *
 * Return: 0 or negative errno with a message
 */
int generator_fstab(const struct generator *g);

#endif
