/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The targets that are linked into the program (targets.c), and those that it loads
 * (target_module.c).
 */
#ifndef UBLK_TARGETS_H
#define UBLK_TARGETS_H

#include "libublk.h"

extern const struct ublk_target null_target;
extern const struct ublk_target loop_target;
extern const struct ublk_target mem_target;
extern const struct ublk_target stripe_target;
extern const struct ublk_target fault_target;
extern const struct ublk_target zoned_target;

/* Ends with NULL. */
extern const struct ublk_target * const ublk_targets[];

/**
 * ublk_target_find - look up a target
 * @name: as in "ublk add -t NAME"
 *
 * Loads the module of a target that is not linked into the program.
 *
 * Return: target or NULL; with a message if there is a module that cannot be used
 */
const struct ublk_target *ublk_target_find(const char *name);

/**
 * struct target_module_info - a target that is optional, in a file of its own
 * @name: of the target
 * @summary: one line for help
 * @package: that has it
 */
struct target_module_info {
	const char *name, *summary, *package;
};

/* Those of this project; ends with a row without a name. */
extern const struct target_module_info target_modules[];

/**
 * target_module_known - find a row of target_modules
 * @name: of a target
 *
 * Return: row or NULL
 */
const struct target_module_info *target_module_known(const char *name);

/**
 * target_module_exists - is the file of a target there
 * @name: of the target, any word
 *
 * Return: true if it is and can be read
 */
bool target_module_exists(const char *name);

/**
 * target_module_load - load a target from its file
 * @name: of the target, any word
 *
 * Return: target; NULL if there is no file, or with a message if it cannot be used
 */
const struct ublk_target *target_module_load(const char *name);

/**
 * target_module_each_other - the files of targets that are not in target_modules
 * @fn: called with the name of each
 * @arg: for @fn
 *
 * Return: 0; -ENOENT without a directory, or another negative errno
 */
int target_module_each_other(void (*fn)(const char *name, void *arg), void *arg);

#endif
