// SPDX-License-Identifier: GPL-2.0
/*
 * Files of devices: "ublk list -j FILE", and the line that losetup prints of a
 * device. The run-state file identifies what a daemon has open, so nobody has to
 * ask a file server, which may not answer.
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

static long long list_number(const struct state *st, const char *key)
{
	return json_integer_value(json_object_get(st->options, key));
}

/* The first store of those that have several. */
void list_losetup(const struct list_dev *d)
{
	const struct ublk_store *s = d->state.stores;

	if (!d->has_state || !d->state.nr_stores)
		return;
	printf("/dev/ublkb%u: [%llu]:%llu (%s)", d->query->id,
	       (unsigned long long)makedev(s->dev_major, s->dev_minor),
	       (unsigned long long)s->ino, s->name);
	if (list_number(&d->state, "offset"))
		printf(", offset %lld", list_number(&d->state, "offset"));
	if (list_number(&d->state, "size"))
		printf(", sizelimit %lld", list_number(&d->state, "size"));
	printf("\n");
}
