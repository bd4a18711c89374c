/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Make devices what their declarations say: declared.c, for "ublk up", "down" and
 * "apply".
 */
#ifndef UBLK_DECLARED_H
#define UBLK_DECLARED_H

#include "conf.h"

/**
 * struct declared_cfg - what is asked for
 * @names: devices, ends with NULL; or NULL for all
 * @all: all that are declared
 * @dry_run: only say what would be done
 * @force: take away disks that are in use, too
 */
struct declared_cfg {
	char **names;
	bool all;
	bool dry_run;
	bool force;
};

/**
 * declared_up - bring devices up, as declared
 * @cfg: which
 *
 * Goes on after a failure. A device whose store is another one comes after that.
 *
 * Return: exit status, with messages printed
 */
int declared_up(const struct declared_cfg *cfg);

/**
 * declared_down - take declared devices away
 * @cfg: which
 *
 * Return: exit status, with messages printed
 */
int declared_down(const struct declared_cfg *cfg);

/**
 * declared_prune - take away the devices whose declarations are gone
 * @cfg: whether and how
 *
 * Return: exit status, with messages printed
 */
int declared_prune(const struct declared_cfg *cfg);

/**
 * declared_run - what the commands that name declared devices have in common
 * @cmd: the command, whose options are those of a struct declared_cfg
 * @argc: number of @argv
 * @argv: its arguments
 * @fn: does it
 *
 * Return: exit status, with messages printed
 */
int declared_run(const struct cli_command *cmd, int argc, char **argv,
		 int (*fn)(const struct declared_cfg *cfg));

/**
 * self_line - the command line of a command for one device
 * @command: such as "del"
 * @id: device
 * @option: or NULL
 * @value: of @option, or NULL
 *
 * Return: command and arguments for opt_list_free(), ends with NULL; or NULL without
 * memory, with a message
 */
char **self_line(const char *command, __u32 id, const char *option,
		 const char *value);

/**
 * self_run - run this program with another command line
 * @line: command and arguments, ends with NULL
 *
 * Return: 0; or negative errno for its exit status, with its message
 */
int self_run(char * const *line);

/**
 * self_run_other - run another version of this program, for a minute at most
 * @path: its file
 * @line: command and arguments, ends with NULL
 * @doc: receives the JSON document that it has printed, or NULL; may be NULL
 *
 * Return: as self_run(); -ETIMEDOUT if it has been killed
 */
int self_run_other(const char *path, char * const *line, json_t **doc);

/**
 * self_do - run a command on one device
 * @command: as for self_line(), with the parameters after it
 * @id: device
 * @option: or NULL
 * @value: of @option, or NULL
 *
 * Return: as self_run()
 */
int self_do(const char *command, __u32 id, const char *option, const char *value);

#endif
