// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts that stay over a soft-reboot: those of declared devices, and those that they
 * need. Servers stay, so nothing has to be unmounted.
 *
 * systemd gives a mount Conflicts=umount.target, which each shutdown starts, also the
 * soft-reboot. A drop-in cannot take that back, but DefaultDependencies=no does, and
 * the drop-in says all else that belongs to these dependencies. The targets of other
 * shutdowns are in its Conflicts=, and it is before umount.target: systemd unmounts it
 * at these shutdowns as without the drop-in.
 *
 * What the mount requires must stay, too. That is the check of the file system, a
 * service that goes with the slice of its template.
 *
 * A line by label says nothing of its device as long as that is not there. When udev has
 * seen its disk, ublk-mounts@.service has systemd run the generator once more.
 */
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "generator.h"
#include "procfs.h"

/**
 * struct keep_line - a line of fstab that mounts something
 * @dir: where
 * @from: node or directory, or ""
 * @net: comes over a network
 * @nofail: the boot goes on without it
 * @check: fsck comes before it
 * @stays: over a soft-reboot
 */
struct keep_line {
	char *dir;
	char *from;
	bool net;
	bool nofail;
	bool check;
	bool stays;
};

struct keep {
	struct keep_line *lines;
	size_t nr;
};

/*
 * Is it left as it is? systemd does not unmount some at all, see fstab_is_extrinsic()
 * there. An automount ends at each shutdown, with what is mounted there.
 */
static bool keep_is_out(const struct mntent *m)
{
	static const char * const dirs[] = { "/", "/usr", "/etc" };
	static const char * const above[] = {
		"/dev", "/proc", "/run/initramfs", "/run/nextroot", "/sys",
	};
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (!strcmp(dirs[i], m->mnt_dir))
			return true;
	for (i = 0; i < sizeof(above) / sizeof(above[0]); i++)
		if (generator_under(m->mnt_dir, above[i]))
			return true;
	return hasmntopt(m, "x-initrd.mount") ||
		hasmntopt(m, "x-systemd.automount") ||
		hasmntopt(m, "comment=systemd.automount");
}

/* Append a tag's value as udev writes it in the name of a link. */
static void keep_encode(const char *val, char *buf, size_t len)
{
	size_t used = strlen(buf);
	bool plain;

	for (; *val && used + 5 < len; val++) {
		/* udev has no quotes in names, and bytes of UTF-8 as they are */
		if (*val == '"' || *val == '\'')
			continue;
		plain = (unsigned char)*val >= 0x80 ||
			strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ#+-.:=@_",
			       *val);
		used += snprintf(buf + used, len - used, plain ? "%c" : "\\x%02x",
				 (unsigned char)*val);
	}
}

/* The node or directory of a line: a link of udev for LABEL= and its like. */
static void keep_from(const char *fsname, char *buf, size_t len)
{
	static const char * const tags[][2] = {
		{ "LABEL=", "/dev/disk/by-label/" },
		{ "UUID=", "/dev/disk/by-uuid/" },
		{ "PARTLABEL=", "/dev/disk/by-partlabel/" },
		{ "PARTUUID=", "/dev/disk/by-partuuid/" },
	};
	size_t i;

	snprintf(buf, len, "%s", *fsname == '/' ? fsname : "");
	for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (strncmp(fsname, tags[i][0], strlen(tags[i][0])))
			continue;
		snprintf(buf, len, "%s", tags[i][1]);
		keep_encode(fsname + strlen(tags[i][0]), buf, len);
	}
}

/* Return: the disk that a node is, or has as a partition; 0 if it is not there */
static dev_t keep_disk(const char *node)
{
	struct stat st;

	/* another file system might wait for a server */
	if (!generator_under(node, "/dev") || stat(node, &st) || !S_ISBLK(st.st_mode))
		return 0;
	return procfs_whole(st.st_rdev) ? : st.st_rdev;
}

/* Is it that of a declared device, which is there? */
static bool keep_is_ours(const struct generator *g, const char *node)
{
	dev_t disk = keep_disk(node);
	char path[PATH_MAX];
	bool found = false;
	size_t i;

	for (i = 0; disk && !found && i < g->nr; i++) {
		snprintf(path, sizeof(path), BY_UBLK "%s", g->devs[i].name);
		found = keep_disk(path) == disk;
	}
	return found;
}

static bool keep_has_store(const struct generator *g, const char *dir)
{
	bool found = false;
	size_t i;

	for (i = 0; !found && i < g->nr; i++)
		found = fstab_holds(dir, &g->devs[i]);
	return found;
}

static int keep_add(struct keep *k, const struct generator *g,
		    const struct mntent *m)
{
	struct keep_line *l;
	char from[PATH_MAX];
	void *lines;

	lines = realloc(k->lines, (k->nr + 1) * sizeof(*k->lines));
	if (!lines)
		return ublk_error(-ENOMEM, "fstab: out of memory");
	k->lines = lines;
	keep_from(m->mnt_fsname, from, sizeof(from));
	l = &k->lines[k->nr++];
	*l = (struct keep_line){
		.dir = strdup(m->mnt_dir), .from = strdup(from),
		.net = fstab_is_net(m), .nofail = hasmntopt(m, "nofail"),
		.check = m->mnt_passno > 0,
		.stays = fstab_device(g, m) || keep_is_ours(g, from) ||
			keep_has_store(g, m->mnt_dir),
	};
	return l->dir && l->from ? 0 : ublk_error(-ENOMEM, "fstab: out of memory");
}

/* Is one of them on the other, or made of what is there? */
static bool keep_needs(const struct keep_line *l, const struct keep_line *other)
{
	return generator_under(l->dir, other->dir) ||
		(!generator_under(l->from, "/dev") && generator_under(l->from, other->dir));
}

static void keep_add_needed(struct keep *k)
{
	bool again = true;
	size_t i, j;

	while (again) {
		again = false;
		for (i = 0; i < k->nr; i++)
			for (j = 0; k->lines[i].stays && j < k->nr; j++) {
				if (k->lines[j].stays ||
				    !keep_needs(&k->lines[i], &k->lines[j]))
					continue;
				k->lines[j].stays = true;
				again = true;
			}
	}
}

static void keep_free(struct keep *k)
{
	while (k->nr) {
		free(k->lines[--k->nr].dir);
		free(k->lines[k->nr].from);
	}
	free(k->lines);
}

/* Return: 0 or negative errno with a message; @k is for keep_free() in any case */
static int keep_read(const struct generator *g, struct keep *k)
{
	FILE *in = fstab_open();
	struct mntent *m;
	int ret = 0;

	*k = (struct keep){ 0 };
	while (in && !ret && (m = getmntent(in)))
		if (*m->mnt_dir == '/' && strcmp(m->mnt_type, "swap") &&
		    !keep_is_out(m))
			ret = keep_add(k, g, m);
	if (in)
		endmntent(in);
	keep_add_needed(k);
	return ret;
}

static int keep_write_mount(const struct generator *g, const struct keep_line *l,
			    const char *unit)
{
	FILE *out = generator_open(g->dir, unit, DROP_IN_KEEP);

	if (!out)
		return -EIO;
	fputs("# by ublk-generator, from fstab: stays over a soft-reboot\n"
	      "[Unit]\nDefaultDependencies=no\nBefore=umount.target\n"
	      "Conflicts=exit.target halt.target kexec.target poweroff.target reboot.target\n",
	      out);
	fputs(l->net ? "After=remote-fs-pre.target network.target\n"
	      "Wants=network-online.target\nAfter=network-online.target\n" :
	      "After=local-fs-pre.target\n", out);
	if (!l->nofail)
		fprintf(out, "Before=%s\n", l->net ? "remote-fs.target" :
			"local-fs.target");
	return generator_close(out, unit);
}

static int keep_write_check(const struct generator *g, const struct keep_line *l)
{
	char node[UNIT_NAME_MAX], unit[UNIT_NAME_MAX];
	FILE *out;

	if (!generator_under(l->from, "/dev") ||
	    !unit_of_path(l->from, ".service", node) ||
	    snprintf(unit, sizeof(unit), "systemd-fsck@%s", node) >= (int)sizeof(unit))
		return 0;
	out = generator_open(g->dir, unit, DROP_IN_KEEP);
	if (!out)
		return -EIO;
	fputs("# by ublk-generator, from fstab: the mount stays over a soft-reboot\n"
	      "[Service]\nSlice=system.slice\n", out);
	return generator_close(out, unit);
}

static int keep_write(const struct generator *g, const struct keep_line *l)
{
	char unit[UNIT_NAME_MAX];
	int ret;

	if (!l->stays || !unit_of_path(l->dir, ".mount", unit))
		return 0;
	ret = keep_write_mount(g, l, unit);
	return ret || !l->check ? ret : keep_write_check(g, l);
}

int generator_keep(const struct generator *g)
{
	struct keep k;
	int ret, one;
	size_t i;

	ret = keep_read(g, &k);
	for (i = 0; i < k.nr; i++) {
		one = keep_write(g, &k.lines[i]);
		ret = ret ? : one;
	}
	keep_free(&k);
	return ret;
}

static bool keep_is_written(const struct keep_line *l, const char *dir)
{
	char path[PATH_MAX], unit[UNIT_NAME_MAX];

	if (!l->stays || !unit_of_path(l->dir, ".mount", unit))
		return true;
	snprintf(path, sizeof(path), "%s/%s.d/" DROP_IN_KEEP, dir, unit);
	return !access(path, F_OK);
}

int generator_keeps(const struct generator *g, const char *dir)
{
	struct keep k;
	int ret, all;
	size_t i;

	ret = keep_read(g, &k);
	for (i = 0, all = 1; all && i < k.nr; i++)
		all = keep_is_written(&k.lines[i], dir);
	keep_free(&k);
	return ret ? : all;
}
