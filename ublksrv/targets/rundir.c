// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The directory of what lasts until the next boot: run-state files, and what targets
 * keep for a recovery. A module has a copy of this file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rundir.h"

/* The system's directory belongs to root; ordinary users have their own. */
const char *run_dir(void)
{
	const char *dir = getenv("UBLK_RUN_DIR");
	static char own[200];

	if (dir && *dir)
		return dir;
	if (!geteuid())
		return "/run/ublk";
	dir = getenv("XDG_RUNTIME_DIR");
	if (dir && *dir == '/' && strlen(dir) < sizeof(own) - 10)
		snprintf(own, sizeof(own), "%s/ublk", dir);
	else
		snprintf(own, sizeof(own), "/tmp/ublk-%u", geteuid());
	return own;
}
