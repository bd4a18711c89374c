// SPDX-License-Identifier: GPL-2.0
/*
 * Devices in the file system: which ones exist (/sys/class/ublk-char), and
 * whether their nodes are in /dev. Every wait has a deadline.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cli.h"
#include "opt.h"

#define DEVNODES_CLASS	"/sys/class/ublk-char"
/* udev without a queue for so long has handled the event. */
#define LINK_IDLE_MS	500

static int compare_ids(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

/**
 * devnodes_list - numbers of all devices, ascending
 * @ids: receives an array for free()
 *
 * Return: how many, or negative errno with a message
 */
int devnodes_list(__u32 **ids)
{
	struct dirent *e;
	__u64 id;
	__u32 *grown;
	int nr = 0;
	DIR *dir;

	*ids = NULL;
	dir = opendir(DEVNODES_CLASS);
	if (!dir)
		return errno == ENOENT ? 0 :
			ublk_error(-errno, DEVNODES_CLASS ": %s", strerror(errno));
	while ((e = readdir(dir))) {
		if (strncmp(e->d_name, "ublkc", 5) ||
		    opt_uint(e->d_name + 5, &id))
			continue;
		grown = realloc(*ids, (nr + 1) * sizeof(**ids));
		if (!grown)
			break;
		*ids = grown;
		grown[nr++] = id;
	}
	closedir(dir);
	if (nr)
		qsort(*ids, nr, sizeof(**ids), compare_ids);
	return nr;
}

static void devnodes_pause(void)
{
	struct timespec ts = { .tv_nsec = 5 * 1000 * 1000 };

	nanosleep(&ts, NULL);
}

/**
 * devnodes_wait_disk - wait until /dev/ublkbN is the disk
 * @p: parameters with the devt part
 * @id: device
 * @ms: deadline
 *
 * Return: 0 or -ETIMEDOUT with a message
 */
int devnodes_wait_disk(const struct ublk_params *p, __u32 id, unsigned int ms)
{
	dev_t want = makedev(p->devt.disk_major, p->devt.disk_minor);
	struct stat st;
	char path[32];
	unsigned int i;

	snprintf(path, sizeof(path), "/dev/ublkb%u", id);
	for (i = 0; i <= ms; i += 5) {
		/* readable: udev may not have given it to its owner yet */
		if (!stat(path, &st) && S_ISBLK(st.st_mode) &&
		    st.st_rdev == want && !access(path, R_OK))
			return 0;
		devnodes_pause();
	}
	return ublk_error(-ETIMEDOUT,
			  "%s did not appear; mount devtmpfs on /dev, or see whether udev works",
			  path);
}

/**
 * devnodes_wait_link - give udev time to make the link of a name
 * @name: name
 * @ms: deadline
 *
 * Returns without the link where no udev runs, and when udev had nothing to do for
 * a while: its rules may be others.
 */
void devnodes_wait_link(const char *name, unsigned int ms)
{
	unsigned int i, idle = 0;
	char path[128];

	snprintf(path, sizeof(path), "/dev/disk/by-ublk/%s", name);
	if (access("/run/udev/control", F_OK))
		return;
	for (i = 0; i <= ms && idle < LINK_IDLE_MS; i += 5) {
		if (!access(path, F_OK))
			return;
		idle = access("/run/udev/queue", F_OK) ? idle + 5 : 0;
		devnodes_pause();
	}
}

/* Wait for the end of a deleted device's nodes. Return: 0 or -ETIMEDOUT */
int devnodes_wait_gone(__u32 id, unsigned int ms)
{
	char b[32], c[32];
	unsigned int i;

	snprintf(b, sizeof(b), "/dev/ublkb%u", id);
	snprintf(c, sizeof(c), "/dev/ublkc%u", id);
	for (i = 0; i <= ms; i += 5) {
		if (access(b, F_OK) && access(c, F_OK))
			return 0;
		devnodes_pause();
	}
	return ublk_error(-ETIMEDOUT, "dev %u: deleted, but its nodes are still in /dev",
			  id);
}
