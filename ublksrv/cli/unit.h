/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of systemd's units, and values in their files: unit.c, for "ublk generator".
 */
#ifndef UBLK_UNIT_H
#define UBLK_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define UNIT_NAME_MAX	256	/* systemd refuses longer ones */

/**
 * unit_of_path - the unit of a mount point or a device node
 * @path: absolute name
 * @suffix: such as ".mount"
 * @buf: receives the name of the unit, UNIT_NAME_MAX bytes
 *
 * Return: false if systemd can have no such unit
 */
bool unit_of_path(const char *path, const char *suffix, char *buf);

/**
 * unit_of_device - the service of a declared device
 * @prefix: such as "ublk"
 * @name: of the device, or of a file that is no name of a device
 * @buf: receives the name of the unit, UNIT_NAME_MAX bytes
 *
 * A name that a device can have stands in the unit's name as it is.
 *
 * Return: false if it is too long
 */
bool unit_of_device(const char *prefix, const char *name, char *buf);

/**
 * unit_put_quoted - write a word of a value
 * @out: file of a unit
 * @text: word
 */
void unit_put_quoted(FILE *out, const char *text);

#endif
