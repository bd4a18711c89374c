/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarative options: tables of struct ublk_opt over getopt_long().
 *
 * A command line is parsed against up to three tables: the command's, the
 * device's and the target's. Help comes from the same rows.
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
 */
struct opt_table {
	const struct ublk_opt *opts;
	void *base;
	const char *owner;
};

/**
 * opt_parse - fill configurations from defaults and arguments
 * @tables: at most three tables
 * @nr: how many
 * @argc: arguments, argv[0] is the command's name
 * @argv: may be reordered; strings are kept by reference
 *
 * Return: 0; 1 if help was asked for; -EINVAL with a message
 */
int opt_parse(const struct opt_table *tables, int nr, int argc, char **argv);

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
 * opt_size - a number of bytes: decimal, optional suffix K M G T P E
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
