/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The targets that are linked into the program.
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
 * Return: target or NULL
 */
const struct ublk_target *ublk_target_find(const char *name);

#endif
