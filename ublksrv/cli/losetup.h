/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of "ublk losetup": losetup.c has the options and turns a line into one of
 * another command, losetup_list.c prints lists.
 */
#ifndef UBLK_LOSETUP_H
#define UBLK_LOSETUP_H

#include "cli.h"

/* How "losetup -l" prints. */
struct losetup_form {
	const char *columns;	/* separated by commas, or NULL */
	bool json;
	bool raw;
	bool no_headings;
};

/**
 * losetup_lines - print a line for each device, as "losetup -a" and "-j" do
 * @id: device, or UBLK_ID_AUTO for all
 * @file: only those with this file, or NULL
 *
 * Return: exit status
 */
int losetup_lines(__u64 id, const char *file);

/**
 * losetup_table - print a table of devices, as "losetup -l" does
 * @id: device, or UBLK_ID_AUTO for all
 * @file: only those with this file, or NULL
 * @form: columns and form
 *
 * Return: exit status
 */
int losetup_table(__u64 id, const char *file, const struct losetup_form *form);

#endif
