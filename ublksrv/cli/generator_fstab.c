// SPDX-License-Identifier: GPL-2.0
/*
 * /etc/fstab and declared devices: which mounts a device needs, and which mounts need
 * a device. What is said here holds until the next daemon-reload.
 *
 * A mount must not have Requires= of the service of its disk: systemd would unmount
 * before it stops or restarts the service. What it requires is ublk-ready@.service,
 * which nobody stops: that fails at once when the service has failed, so the mount does
 * not wait for a disk that will not come.
 */
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "generator.h"

#define FSTAB_GENERATOR	"/lib/systemd/system-generators/systemd-fstab-generator"
#define FSTAB_OURS	"ublk-fstab"	/* no name of a unit */

/* As systemd's own generator, so that both see the same file. */
FILE *fstab_open(void)
{
	const char *path = getenv("SYSTEMD_FSTAB");

	return setmntent(path && *path ? path : "/etc/fstab", "re");
}

bool fstab_is_net(const struct mntent *m)
{
	static const char * const types[] = {
		"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "afs", "ncpfs",
		"gfs", "gfs2", "ocfs2", "glusterfs", "pvfs2", "davfs", "9p",
		"fuse.sshfs", "fuse.glusterfs", "fuse.ceph",
	};
	size_t i;

	if (hasmntopt(m, "_netdev"))
		return true;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i], m->mnt_type))
			return true;
	return false;
}

struct fstab_search {
	const char *dir;
	bool found;
};

static bool fstab_has_path(const char *path, void *arg)
{
	struct fstab_search *s = arg;

	s->found = !generator_under(path, "/dev") && generator_under(path, s->dir);
	return !s->found;
}

bool fstab_holds(const char *dir, const struct conf *c)
{
	struct fstab_search s = { .dir = dir };

	if (*dir == '/')
		generator_paths(c, fstab_has_path, &s);
	return s.found;
}

bool generator_mounts(const struct conf *c, FILE *out)
{
	FILE *in = fstab_open();
	char unit[UNIT_NAME_MAX];
	struct mntent *m;
	bool net = false;

	while (in && (m = getmntent(in))) {
		if (!strcmp(m->mnt_dir, "/") || !fstab_holds(m->mnt_dir, c))
			continue;
		net |= fstab_is_net(m);
		if (out && unit_of_path(m->mnt_dir, ".mount", unit))
			fprintf(out, "Wants=%s\nAfter=%s\n", unit, unit);
	}
	if (in)
		endmntent(in);
	return net;
}

/* "ublk@NAME.service", whose last part may be left out */
static bool fstab_names(const char *text, size_t len, const struct conf *c)
{
	char unit[UNIT_NAME_MAX];
	size_t full, end = strlen(".service");

	if (!unit_of_device("ublk", c->name, unit))
		return false;
	full = strlen(unit);
	return (len == full || len + end == full) && !strncmp(unit, text, len);
}

/* The device that an option, "x-systemd.requires=" or wants, asks for. */
static const struct conf *fstab_by_option(const struct generator *g,
					  const struct mntent *m, const char *option)
{
	const char *at;
	size_t i, len;

	for (at = m->mnt_opts; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, option, strlen(option)))
			continue;
		at += strlen(option);
		len = strcspn(at, ",");
		for (i = 0; i < g->nr; i++)
			if (fstab_names(at, len, &g->devs[i]))
				return &g->devs[i];
	}
	return NULL;
}

const struct conf *fstab_device(const struct generator *g,
				const struct mntent *m)
{
	const struct conf *c = generator_find(g, m->mnt_fsname);

	if (!c)
		c = fstab_by_option(g, m, "x-systemd.wants=");
	return c ? c : fstab_by_option(g, m, "x-systemd.requires=");
}

/* Return: false for a line that systemd makes no unit of */
static bool fstab_unit(const struct mntent *m, char *unit)
{
	if (!strcmp(m->mnt_type, "swap"))
		return unit_of_path(m->mnt_fsname, ".swap", unit);
	return *m->mnt_dir == '/' && unit_of_path(m->mnt_dir, ".mount", unit);
}

static int fstab_connect(const struct generator *g, const struct mntent *m)
{
	char unit[UNIT_NAME_MAX], service[UNIT_NAME_MAX], ready[UNIT_NAME_MAX];
	const struct conf *c = fstab_device(g, m);
	FILE *out;

	if (!c || !fstab_unit(m, unit))
		return 0;
	if (fstab_holds(m->mnt_dir, c))
		return ublk_error(-ELOOP, "%s: a file of it is below %s, where fstab mounts this device",
				  c->path, m->mnt_dir);
	if (!unit_of_device("ublk", c->name, service) ||
	    !unit_of_device("ublk-ready", c->name, ready))
		return 0;
	out = generator_open(g->dir, unit, DROP_IN);
	if (!out)
		return -EIO;
	fprintf(out, "# by ublk-generator, from %s and fstab\n[Unit]\n", c->path);
	fprintf(out, "Wants=%s\nAfter=%s\nRequires=%s\nAfter=%s\n", service, service,
		ready, ready);
	return generator_close(out, unit);
}

/* Copy the options but those that require the service of a device. */
static void fstab_put_options(const struct generator *g, const char *options,
			      FILE *out)
{
	char one[PATH_MAX];
	const char *sep = "";
	size_t len;

	for (; *options; options += len + (options[len] == ',')) {
		struct mntent m = { .mnt_opts = one };

		len = strcspn(options, ",");
		snprintf(one, sizeof(one), "%.*s", (int)len, options);
		if (fstab_by_option(g, &m, "x-systemd.requires="))
			continue;
		fprintf(out, "%s%s", sep, one);
		sep = ",";
	}
	if (!*sep)
		fputs("defaults", out);
}

static void fstab_put_word(const char *word, FILE *out)
{
	for (; *word; word++)
		if (strchr(" \t\n\\", *word))
			fprintf(out, "\\%03o", (unsigned char)*word);
		else
			fputc(*word, out);
	fputc(' ', out);
}

/* Return: how many lines there are, or negative errno with a message */
static int fstab_filter(const struct generator *g, const char *dir)
{
	FILE *in = fstab_open(), *out;
	struct mntent *m;
	int nr = 0;

	out = generator_open(dir, FSTAB_OURS, NULL);
	while (in && out && (m = getmntent(in))) {
		if (!fstab_by_option(g, m, "x-systemd.requires="))
			continue;
		fstab_put_word(m->mnt_fsname, out);
		fstab_put_word(m->mnt_dir, out);
		fstab_put_word(m->mnt_type, out);
		fstab_put_options(g, m->mnt_opts, out);
		fprintf(out, " %d %d\n", m->mnt_freq, m->mnt_passno);
		nr++;
	}
	if (in)
		endmntent(in);
	return !out || generator_close(out, FSTAB_OURS) ? -EIO : nr;
}

static void fstab_exec(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" FSTAB_OURS, dir);
	setenv("SYSTEMD_FSTAB", path, 1);
	execl(FSTAB_GENERATOR, FSTAB_GENERATOR, dir, dir, dir, NULL);
	_exit(127);
}

/*
 * A dependency of a unit cannot be taken back. So lines that have
 * "x-systemd.requires=" of the service of a device are given to systemd's own
 * generator without that option, and the units that it makes of these take the place
 * of the others.
 */
static int fstab_replace(const struct generator *g)
{
	char path[PATH_MAX];
	int status = 0, ret;
	pid_t pid;

	if (!g->early)
		return 0;
	ret = fstab_filter(g, g->early);
	if (ret <= 0) {
		snprintf(path, sizeof(path), "%s/" FSTAB_OURS, g->early);
		unlink(path);
		return ret;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		fstab_exec(g->early);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (pid < 0 || status)
		return ublk_error(-EIO, FSTAB_GENERATOR ": failed; a restart of a service of ublk unmounts what has x-systemd.requires= of it");
	return 0;
}

int generator_fstab(const struct generator *g)
{
	FILE *in = fstab_open();
	struct mntent *m;
	int one, ret = 0;

	while (in && (m = getmntent(in))) {
		one = fstab_connect(g, m);
		ret = ret ? : one;
	}
	if (in)
		endmntent(in);
	one = fstab_replace(g);
	return ret ? : one;
}
