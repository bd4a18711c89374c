/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declared devices: conf.c reads a declaration, conf_set.c has to do with all of
 * them, declared.c makes a device what its declaration says.
 */
#ifndef UBLK_CONF_H
#define UBLK_CONF_H

#include <jansson.h>

#include "cli.h"

#define CONF_SUFFIX	".conf"
#define CONF_LINE_MAX	4096

/**
 * struct conf - a declaration
 * @name: of the device, from that of the file
 * @path: of the file
 * @target: that serves the device
 * @words: long name of each option that the file has, with its value as text; an
 *	array of texts for one that may be repeated
 * @missing: a file that the declaration needs and that is not there, with the place in
 *	@path; or NULL
 */
struct conf {
	char *name;
	char *path;
	const struct ublk_target *target;
	json_t *words;
	char *missing;
};

/**
 * conf_dir - where declarations are
 *
 * Return: directory
 */
const char *conf_dir(void);

/**
 * conf_read - read the declaration of a device
 * @name: of the device
 * @c: filled, for conf_free()
 *
 * Each value is checked as "ublk add" would.
 *
 * Return: 0; -ENOENT or -EINVAL with a message, and @c is empty
 */
int conf_read(const char *name, struct conf *c);

/**
 * conf_read_text - read the declaration of a device, and no other file
 * @name: of the device
 * @c: as for conf_read(), but @c->missing stays NULL
 *
 * For a caller that must not wait for a file system that has a store.
 *
 * Return: as conf_read()
 */
int conf_read_text(const char *name, struct conf *c);

/**
 * conf_free - release a declaration
 * @c: declaration; empty afterwards
 */
void conf_free(struct conf *c);

/**
 * conf_line - the command line that adds the device, or recovers it by hand
 * @c: declaration
 * @recover: number of the device, for "recover"; UBLK_ID_AUTO for "add"
 *
 * Return: array of texts that ends with NULL, for opt_list_free(); NULL without
 * memory, with a message
 */
char **conf_line(const struct conf *c, __u32 recover);

/**
 * conf_diff - what has changed in a declaration
 * @was: words
 * @now: words
 *
 * Return: new reference to an array of objects with "word", "from", "to", where a
 * word that is not there is null
 */
json_t *conf_diff(const json_t *was, const json_t *now);

/**
 * conf_text - a value of a declaration
 * @words: words
 * @word: long name of an option
 *
 * Return: text; NULL if there is none, or several
 */
const char *conf_text(const json_t *words, const char *word);

/**
 * conf_names - the devices that are declared
 * @names: receives them, sorted, for opt_list_free()
 *
 * Return: 0 or negative errno with a message; no directory is no error
 */
int conf_names(char ***names);

/**
 * conf_check_alone - do other declarations have the same store or number
 * @c: declaration
 *
 * Files that cannot be read are passed over: their own devices fail.
 *
 * Return: 0; -EBUSY with a message that names both files
 */
int conf_check_alone(const struct conf *c);

#endif
