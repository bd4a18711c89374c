/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the program prints with --json: see json.c.
 */
#ifndef UBLK_JSON_H
#define UBLK_JSON_H

#include <stdbool.h>
#include <jansson.h>

/* Of the schema, ublksrv/etc/ublk.schema.json. It grows with each change that
 * takes something away or gives it another meaning.
 */
#define OUT_VERSION	1

/**
 * out_start - print a JSON document instead of text
 * @command: name of the command
 */
void out_start(const char *command);

/**
 * out_stop - print no document: this process is not the one that the user waits
 * for
 */
void out_stop(void);

/**
 * out_is_json - is a JSON document printed instead of text
 *
 * Return: true if it is
 */
bool out_is_json(void);

/**
 * out_set - set a member of the document
 * @key: member
 * @val: value, whose reference is taken
 */
void out_set(const char *key, json_t *val);

/**
 * out_append - add to a list of the document
 * @key: member, an array
 * @val: value, whose reference is taken
 */
void out_append(const char *key, json_t *val);

/**
 * out_lines - print documents of one line each, for a command that goes on
 */
void out_lines(void);

/**
 * out_line - print a document of its own now, and flush nothing
 * @key: member
 * @val: value, whose reference is taken
 */
void out_line(const char *key, json_t *val);

/**
 * out_error - add a failure to the document
 * @status: exit status
 * @text: message
 */
void out_error(int status, const char *text);

/**
 * out_print - print the document, once
 * @status: exit status of the program
 */
void out_print(int status);

#endif
