// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk shutdown": take all disks away that nobody uses any more, and unmount the file
 * systems that have their stores; for ublk-shutdown.service, which runs when systemd
 * has unmounted what it can. A store may lie on a disk that is another one's.
 *
 * A disk that is still in use stays, and its server goes on, because what is left may be
 * unmounted later. But one without a server is taken away from its users, so that their
 * requests, and the shutdown, end.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "declared.h"
#include "disk.h"
#include "json.h"
#include "opt.h"

static const struct ublk_opt shutdown_opts[] = {
	{ 0 }
};

/**
 * struct shutdown - what is left to do
 * @dirs: mount points of stores, ends with NULL; or NULL
 * @force: take away disks in use, too, if they have no server
 * @last: report what fails
 * @status: exit status
 */
struct shutdown {
	char **dirs;
	bool force;
	bool last;
	int status;
};

static bool shutdown_knows(const struct shutdown *s, const char *dir)
{
	size_t i;

	for (i = 0; s->dirs && s->dirs[i]; i++)
		if (!strcmp(s->dirs[i], dir))
			return true;
	return false;
}

/* Of a disk; the root's and what systemd itself needs stay. */
static bool shutdown_may_unmount(const char *dir, dev_t dev)
{
	return major(dev) && strcmp(dir, "/") && strcmp(dir, "/usr");
}

static void shutdown_note_stores(struct shutdown *s, __u32 id)
{
	char dir[PATH_MAX];
	unsigned int i;
	struct state st;
	dev_t dev;

	if (state_read(id, &st))
		return;
	for (i = 0; i < st.nr_stores; i++) {
		dev = mounts_above(st.stores[i].name, dir, sizeof(dir));
		if (!st.stores[i].block && shutdown_may_unmount(dir, dev) &&
		    !shutdown_knows(s, dir))
			opt_list_add(&s->dirs, strdup(dir));
	}
	state_free(&st);
}

/* Has it a server? Also if the driver does not say. */
static bool shutdown_is_served(__u32 id)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;

	if (common_open(id, &ctrl, &info))
		return true;
	ublk_ctrl_close(ctrl);
	return info.state == UBLK_S_DEV_LIVE;
}

/* Return: the device is gone */
static bool shutdown_device(struct shutdown *s, __u32 id)
{
	bool force = s->force && !shutdown_is_served(id);
	int ret;

	if (s->force && !force)
		return false;
	ret = self_do("del", id, force ? "--force" : NULL, NULL);
	if (!ret || ret == -ENODEV)
		return true;
	if (s->last)
		s->status = cli_fail(ret);
	return false;
}

/* Return: a device is gone, so something else may go, too */
static bool shutdown_devices(struct shutdown *s)
{
	bool gone = false;
	__u32 *ids;
	int nr, i;

	nr = devnodes_list(&ids);
	if (nr < 0)
		s->status = cli_fail(nr);
	for (i = 0; i < nr; i++) {
		shutdown_note_stores(s, ids[i]);
		gone |= shutdown_device(s, ids[i]);
	}
	free(ids);
	return gone;
}

/* And what it is mounted on. Return: something was unmounted */
static bool shutdown_unmount_up(struct shutdown *s, const char *store)
{
	char dir[PATH_MAX];
	bool done = false;
	dev_t dev;

	for (;;) {
		dev = mounts_above(store, dir, sizeof(dir));
		if (!shutdown_may_unmount(dir, dev))
			return done;
		if (umount2(dir, UMOUNT_NOFOLLOW))
			break;
		done = true;
	}
	if (s->last)
		s->status = cli_fail(ublk_error(-errno, "%s: cannot be unmounted: %s",
						dir, strerror(errno)));
	return done;
}

static bool shutdown_unmount(struct shutdown *s)
{
	bool done = false;
	size_t i;

	for (i = 0; s->dirs && s->dirs[i]; i++)
		done |= shutdown_unmount_up(s, s->dirs[i]);
	return done;
}

static void shutdown_round(struct shutdown *s)
{
	bool on;

	do {
		on = shutdown_devices(s);
		on |= shutdown_unmount(s);
	} while (on);
}

static int shutdown_run(int argc, char **argv)
{
	struct shutdown s = { .status = EXIT_OK };
	int ret;

	ret = cli_parse(&shutdown_command, NULL, argc, argv);
	if (ret >= 0)
		return ret;
	shutdown_round(&s);
	s.force = true;
	shutdown_round(&s);
	s.force = false;
	s.last = true;
	shutdown_round(&s);
	opt_list_free(&s.dirs);
	return s.status;
}

const struct cli_command shutdown_command = {
	.name = "shutdown",
	.args = "",
	.summary = "take unused disks away and unmount their stores, at shutdown",
	.opts = shutdown_opts,
	.run = shutdown_run,
};
