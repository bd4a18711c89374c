// SPDX-License-Identifier: GPL-2.0
/*
 * Files of devices, for "ublk list -j FILE". The run-state file identifies what a
 * daemon has open, so nobody has to ask a file server, which may not answer.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "list.h"

static bool list_is_store(const struct ublk_store *s, const struct stat *want)
{
	dev_t dev = S_ISBLK(want->st_mode) ? want->st_rdev : want->st_dev;

	return s->block == !!S_ISBLK(want->st_mode) &&
		s->dev_major == major(dev) && s->dev_minor == minor(dev) &&
		(s->block || s->ino == want->st_ino);
}

bool list_has_file(const struct state *st, const char *path)
{
	struct stat want;
	unsigned int i;

	if (stat(path, &want))
		return false;
	for (i = 0; i < st->nr_stores; i++)
		if (list_is_store(&st->stores[i], &want))
			return true;
	return false;
}
