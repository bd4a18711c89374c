/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarative options: tables of struct ublk_opt.
 *
 * A command line is parsed against up to four tables: the command's, that of all
 * commands, the device's and the target's. Help, completion and the check of the
 * manual pages use the same rows.
 */
#ifndef UBLK_OPT_H
#define UBLK_OPT_H

#include <stdio.h>

#include "libublk.h"

/**
 * struct opt_table - options and where their values go
 * @opts: rows, ended by one without name
 * @base: configuration that the rows' offsets refer to
 * @owner: command or target with these options, for messages; every table of a
 *	command has its name
 * @find_device: finds the number of a device for UBLK_OPT_DEVICE. Returns 0 or
 *	negative errno with a message; may be NULL if no row has that type
 * @bare: a row with UBLK_OPT_MAYBE that takes no value in this line, or NULL
 * @may_miss: required rows may be missing if no row of the table was given
 * @missing: result; they were
 * @valued: result; a UBLK_OPT_BOOL that needs no value has one
 */
struct opt_table {
	const struct ublk_opt *opts;
	void *base;
	const char *owner;
	int (*find_device)(const char *text, __u64 *id);
	const struct ublk_opt *bare;
	bool may_miss;
	bool missing;
	bool valued;
};

/**
 * struct opt_row - a row of a table, and what a command line has of it
 * @opt: row
 * @table: its table
 * @given: it was given
 */
struct opt_row {
	const struct ublk_opt *opt;
	struct opt_table *table;
	bool given;
};

/**
 * opt_parse - fill configurations from defaults and arguments
 * @tables: at most four tables
 * @nr: how many
 * @argc: arguments, argv[0] is the command's name
 * @argv: strings are kept by reference
 *
 * Return: 0; 1 if help was asked for; -EINVAL, or the error of @find_device, with
 * a message
 */
int opt_parse(struct opt_table *tables, int nr, int argc, char **argv);

/**
 * opt_find_value - the value of an option, before the line can be parsed
 * @tables: tables with this option and others that may stand before it
 * @nr: how many
 * @letter: its short name
 * @argc: arguments
 * @argv: arguments
 *
 * The target has to be known before its options are. Options that no table has
 * are skipped.
 *
 * Return: the last value, or NULL
 */
const char *opt_find_value(struct opt_table *tables, int nr, char letter,
			   int argc, char **argv);

/**
 * opt_is_credential - is a path the name of a credential of systemd
 * @text: value of an option
 */
bool opt_is_credential(const char *text);

/**
 * opt_set - set the member of a row
 * @row: row
 * @text: value, NULL for one without
 *
 * Return: 0, or negative errno with a message
 */
int opt_set(struct opt_row *row, const char *text);

/**
 * opt_defaults - fill a configuration with the defaults of its options
 * @table: table
 *
 * Return: 0 or -EINVAL with a message
 */
int opt_defaults(const struct opt_table *table);

/**
 * opt_help - print the rows of a table
 * @out: stream
 * @opts: table
 */
void opt_help(FILE *out, const struct ublk_opt *opts);

/**
 * opt_free - release the values that opt_parse() allocated
 * @table: table
 */
void opt_free(const struct opt_table *table);

/**
 * opt_uint - a whole number, decimal or 0x hexadecimal, nothing else
 * @text: text
 * @val: receives the number
 *
 * Return: 0, -EINVAL, -ERANGE
 */
int opt_uint(const char *text, __u64 *val);

/**
 * opt_size - a number of bytes: decimal, optional suffix K M G T P E, with or
 * without "iB", or s for sectors of 512 bytes
 * @text: text
 * @val: receives the number
 *
 * Return: 0, -EINVAL, -ERANGE
 */
int opt_size(const char *text, __u64 *val);

/**
 * opt_name - first spelling of an option
 * @opt: row
 * @buf: receives it
 * @len: bytes at @buf
 *
 * Return: @buf
 */
const char *opt_name(const struct ublk_opt *opt, char *buf, size_t len);

/**
 * opt_list_add - append to the value of an option with UBLK_OPT_LIST
 * @list: member of the configuration
 * @text: allocated text; freed when this fails
 *
 * Return: 0 or -ENOMEM with a message
 */
int opt_list_add(char ***list, char *text);

/**
 * opt_list_free - release the value of an option with UBLK_OPT_LIST
 * @list: member of the configuration, NULL afterwards
 */
void opt_list_free(char ***list);

#endif
