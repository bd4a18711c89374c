// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Table of the targets that are linked into the program. A new target is a
 * file with one struct ublk_target, and a row here.
 */
#include <string.h>

#include "targets.h"

const struct ublk_target * const ublk_targets[] = {
	&null_target,
	&loop_target,
	&mem_target,
	&stripe_target,
	&fault_target,
	&zoned_target,
	NULL,
};

const struct ublk_target *ublk_target_find(const char *name)
{
	int i;

	for (i = 0; ublk_targets[i]; i++)
		if (!strcmp(ublk_targets[i]->name, name))
			return ublk_targets[i];
	return target_module_load(name);
}
