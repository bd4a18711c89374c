// SPDX-License-Identifier: GPL-2.0
/*
 * The mode of a device, as options of "add", as a line of "list", and as the
 * library's options for "recover".
 *
 * lib/mode.c decides which modes are possible. This file only refuses options
 * that contradict each other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

/* Features that follow from the mode. */
#define MODE_FEATURES	(UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG | \
			 UBLK_F_USER_COPY | UBLK_F_BATCH_IO | UBLK_F_SHMEM_ZC | \
			 UBLK_F_REDIRECT | UBLK_F_EXTENTS)

static int mode_exclude(const char *a, const char *b)
{
	return ublk_error(-EINVAL, "%s and %s exclude each other; leave one out",
			  a, b);
}

static int mode_check_args(const struct mode_args *a, __u64 features)
{
	const char *data = a->zero_copy ? "--zerocopy" : a->user_copy ?
		"--usercopy" : a->copy ? "--copy" : NULL;

	if (a->zero_copy && a->user_copy)
		return mode_exclude("--zerocopy", "--usercopy");
	if (a->copy && (a->zero_copy || a->user_copy))
		return mode_exclude("--copy", data);
	if (a->batch && a->no_batch)
		return mode_exclude("--batch-io", "--no-batch-io");
	if (a->redirect && a->no_redirect)
		return mode_exclude("--redirect", "--no-redirect");
	if (a->redirect && (a->copy || a->zero_copy))
		return mode_exclude("--redirect", data);
	if (a->passthrough && a->no_passthrough)
		return mode_exclude("--passthrough", "--no-passthrough");
	if (a->zero_copy && a->shmem)
		return mode_exclude("--zerocopy", "--shmem_zc");
	if (features & UBLK_F_NEED_GET_DATA) {
		if (data && !a->copy)
			return mode_exclude("--need_get_data", data);
		if (a->batch)
			return mode_exclude("--need_get_data", "--batch-io");
		if (a->shmem)
			return mode_exclude("--need_get_data", "--shmem_zc");
	}
	if (features & UBLK_F_UNPRIVILEGED_DEV && data && !a->copy)
		return mode_exclude("--unprivileged", data);
	return 0;
}

int mode_from_args(const struct mode_args *a, struct ublk_dev_opts *opts)
{
	int ret = mode_check_args(a, opts->features);

	if (ret)
		return ret;
	opts->mode = a->zero_copy ? UBLK_MODE_ZERO_COPY :
		a->user_copy ? UBLK_MODE_USER_COPY :
		a->copy ? UBLK_MODE_COPY : UBLK_MODE_AUTO;
	opts->batch = a->batch ? UBLK_CHOICE_YES :
		a->no_batch ? UBLK_CHOICE_NO : UBLK_CHOICE_AUTO;
	opts->redirect = a->redirect ? UBLK_CHOICE_YES :
		a->no_redirect ? UBLK_CHOICE_NO : UBLK_CHOICE_AUTO;
	opts->passthrough = a->passthrough ? UBLK_CHOICE_YES :
		a->no_passthrough ? UBLK_CHOICE_NO : UBLK_CHOICE_AUTO;
	opts->io_threads = a->io_threads;
	opts->shmem = a->shmem;
	return 0;
}

void mode_from_flags(__u64 flags, struct ublk_dev_opts *opts)
{
	opts->features = flags & ~(__u64)MODE_FEATURES;
	opts->mode = flags & UBLK_F_AUTO_BUF_REG ? UBLK_MODE_ZERO_COPY :
		flags & UBLK_F_USER_COPY ? UBLK_MODE_USER_COPY :
		UBLK_MODE_COPY;
	opts->batch = flags & UBLK_F_BATCH_IO ? UBLK_CHOICE_YES :
		UBLK_CHOICE_NO;
	opts->redirect = flags & UBLK_F_REDIRECT ? UBLK_CHOICE_AUTO :
		UBLK_CHOICE_NO;
	opts->passthrough = flags & UBLK_F_EXTENTS ? UBLK_CHOICE_YES :
		UBLK_CHOICE_NO;
}

const char *mode_text(__u64 flags)
{
	static char text[64];
	const char *data = "copy";

	if (flags & UBLK_F_AUTO_BUF_REG)
		data = "zero-copy";
	else if (flags & UBLK_F_SUPPORT_ZERO_COPY)
		data = "registered";
	else if (flags & UBLK_F_USER_COPY)
		data = "user-copy";
	snprintf(text, sizeof(text), "%s%s%s%s%s%s", data,
		 flags & UBLK_F_NEED_GET_DATA ? " get-data" : "",
		 flags & UBLK_F_BATCH_IO ? " batch" : "",
		 flags & UBLK_F_REDIRECT ? " redirect" : "",
		 flags & UBLK_F_EXTENTS ? " passthrough" : "",
		 flags & UBLK_F_SHMEM_ZC ? " shared-memory" : "");
	return text;
}

/*
 * The driver has the pages of the file that existed when the device was added.
 * With another file of that name, it would move data to wrong pages.
 */
int mode_check_shmem(const struct state *st)
{
	struct stat now;

	if (!st->shmem)
		return 0;
	if (stat(st->shmem, &now))
		return ublk_error(-errno, "dev %u: shared memory %s: %s; the device can only be deleted, \"ublk del -n %u\"",
				  st->id, st->shmem, strerror(errno), st->id);
	if (now.st_dev != st->shmem_dev || now.st_ino != st->shmem_ino)
		return ublk_error(-EINVAL, "dev %u: shared memory %s is another file than before; the device can only be deleted, \"ublk del -n %u\"",
				  st->id, st->shmem, st->id);
	return 0;
}
