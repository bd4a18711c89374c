// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The name of what uses a file or a block device, for a message: a mount point,
 * a swap area, a device on top of it, a loop device, a process.
 *
 * Called by claim.c when a store is in use; holder_loop() whenever a store is
 * opened, for the kernel's loop driver respects no locks and takes none.
 *
 * A partition and its whole disk exclude each other, so a store counts as used
 * if the one or the other is.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "claim.h"
#include "procfs.h"

/* The kernel's PF_EXITING and PF_SIGNALED. */
#define HOLDER_EXITING	0x4U
#define HOLDER_SIGNALED	0x400U

#define HOLDER_CHAR	"/dev/ublkc"

static bool holder_related(dev_t a, dev_t b)
{
	return a == b || procfs_whole(a) == b || procfs_whole(b) == a;
}

/* Is the store this file, or related to this block device? */
static bool holder_is(const struct stat *store, const struct stat *st)
{
	if (S_ISBLK(store->st_mode))
		return S_ISBLK(st->st_mode) && st->st_rdev &&
			holder_related(store->st_rdev, st->st_rdev);
	return st->st_dev == store->st_dev && st->st_ino == store->st_ino;
}

static bool holder_is_named(const struct stat *store, const char *path)
{
	struct stat st;

	return !stat(path, &st) && holder_is(store, &st);
}

static bool holder_mounted(const struct stat *store, char text[HOLDER_TEXT])
{
	struct procfs_mount m;
	bool found = false;

	procfs_mount_open(&m, NULL);
	while (!found && procfs_mount_next(&m))
		found = holder_related(store->st_rdev, m.dev);
	if (found)
		snprintf(text, HOLDER_TEXT, "is mounted on %.80s; unmount it",
			 m.dir);
	procfs_mount_close(&m);
	return found;
}

static bool holder_swap(const struct stat *store, char text[HOLDER_TEXT])
{
	FILE *in = fopen("/proc/swaps", "re");
	bool found = false;
	char name[512];

	while (in && !found && procfs_swap(in, name, sizeof(name)))
		found = holder_is_named(store, name);
	if (found)
		snprintf(text, HOLDER_TEXT, "is used as swap; \"swapoff %.80s\"",
			 name);
	if (in)
		fclose(in);
	return found;
}

/* @name: below /sys/class/block. Is something of dm or md on top of it? */
static bool holder_stacked_on(const char *name, char text[HOLDER_TEXT])
{
	char path[320], label[80];
	bool found = false;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/block/%.64s/holders", name);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/block/%.64s/dm/name",
			 e->d_name);
		procfs_line(path, label, sizeof(label));
		snprintf(text, HOLDER_TEXT, "is a part of /dev/%.30s%s%.60s%s; remove that one",
			 e->d_name, *label ? " (" : "", label,
			 *label ? ")" : "");
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool holder_stacked(const struct stat *store, char text[HOLDER_TEXT])
{
	DIR *dir = opendir("/sys/class/block");
	char path[320], dev[32];
	bool found = false;
	struct dirent *e;

	while (dir && !found && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/block/%.64s/dev",
			 e->d_name);
		if (e->d_name[0] != '.' &&
		    procfs_line(path, dev, sizeof(dev)) &&
		    holder_related(store->st_rdev, procfs_dev(dev)))
			found = holder_stacked_on(e->d_name, text);
	}
	if (dir)
		closedir(dir);
	return found;
}

bool holder_of_disk(const struct stat *store, char text[HOLDER_TEXT])
{
	if (holder_swap(store, text))
		return true;
	return S_ISBLK(store->st_mode) && (holder_mounted(store, text) ||
					   holder_stacked(store, text));
}

/* ---- loop devices -------------------------------------------------------- */

/*
 * What a loop device has: from the device, else, if there is no node for it,
 * from the name of its file.
 */
static bool holder_loop_info(const char *name, struct loop_info64 *info,
			     struct stat *st)
{
	char path[320], text[512];
	int fd, ret = -1;

	memset(info, 0, sizeof(*info));
	snprintf(path, sizeof(path), "/dev/%.64s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		ret = ioctl(fd, LOOP_GET_STATUS64, info);
		close(fd);
	}
	memset(st, 0, sizeof(*st));
	if (!ret) {
		st->st_mode = info->lo_rdevice ? S_IFBLK : S_IFREG;
		st->st_dev = info->lo_device;
		st->st_ino = info->lo_inode;
		st->st_rdev = info->lo_rdevice;
		return true;
	}
	snprintf(path, sizeof(path), "/sys/block/%.64s/loop/backing_file",
		 name);
	if (!procfs_line(path, text, sizeof(text)) || stat(text, st))
		return false;
	snprintf(path, sizeof(path), "/sys/block/%.64s/loop/offset", name);
	if (procfs_line(path, text, sizeof(text)))
		info->lo_offset = strtoull(text, NULL, 10);
	snprintf(path, sizeof(path), "/sys/block/%.64s/loop/sizelimit", name);
	if (procfs_line(path, text, sizeof(text)))
		info->lo_sizelimit = strtoull(text, NULL, 10);
	snprintf(path, sizeof(path), "/sys/block/%.64s/ro", name);
	if (procfs_line(path, text, sizeof(text)) && *text == '1')
		info->lo_flags = LO_FLAGS_READ_ONLY;
	return true;
}

static bool holder_is_loop(const struct stat *store, const struct claim *c,
			   const char *name)
{
	struct loop_info64 info;
	struct stat st;
	char path[320];
	__u64 end;

	snprintf(path, sizeof(path), "/sys/block/%.64s/loop", name);
	if (access(path, F_OK) || !holder_loop_info(name, &info, &st) ||
	    !holder_is(store, &st))
		return false;
	if (!c->writes && info.lo_flags & LO_FLAGS_READ_ONLY)
		return false;
	end = info.lo_sizelimit ? info.lo_offset + info.lo_sizelimit :
		CLAIM_END;
	return c->start < end && info.lo_offset < c->end;
}

bool holder_loop(const struct stat *store, const struct claim *c,
		 char text[HOLDER_TEXT])
{
	DIR *dir = opendir("/sys/block");
	bool found = false;
	struct dirent *e;

	while (dir && !found && (e = readdir(dir))) {
		found = !strncmp(e->d_name, "loop", 4) &&
			holder_is_loop(store, c, e->d_name);
		if (found)
			snprintf(text, HOLDER_TEXT, "is in use by /dev/%.30s; \"losetup -d /dev/%.30s\"",
				 e->d_name, e->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* ---- processes ----------------------------------------------------------- */

static bool holder_has_lock(const char *pid, const char *fd)
{
	char path[320], line[256];
	bool found = false;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%.16s/fdinfo/%.16s", pid, fd);
	in = fopen(path, "re");
	while (in && !found && fgets(line, sizeof(line), in))
		found = !strncmp(line, "lock:", 5);
	if (in)
		fclose(in);
	return found;
}

/*
 * Does a process have the store open? Of a file only a descriptor with locks
 * counts, and in this process none that is @own. @ublk: receives the number of
 * the ublk device that it serves, or -1
 */
static bool holder_search_fds(const struct stat *store, const char *pid,
			      int own, int *ublk)
{
	char path[320], link[64];
	bool found = false;
	struct dirent *e;
	int served = -1;
	struct stat st;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.' ||
		    (atoi(pid) == getpid() && atoi(e->d_name) == own) ||
		    !procfs_stat_fd(dirfd(dir), e->d_name, &st))
			continue;
		if (holder_is(store, &st))
			found |= S_ISBLK(st.st_mode) ||
				holder_has_lock(pid, e->d_name);
		len = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		link[len > 0 ? len : 0] = 0;
		if (!strncmp(link, HOLDER_CHAR, strlen(HOLDER_CHAR)))
			served = atoi(link + strlen(HOLDER_CHAR));
	}
	if (dir)
		closedir(dir);
	*ublk = found ? served : -1;
	return found;
}

/*
 * A process that SIGKILL has ended keeps its files open while io_uring cancels its
 * requests. PF_SIGNALED and PF_EXITING of the kernel are among the flags in stat.
 */
static bool holder_is_dying(const char *pid)
{
	unsigned long long pending;
	char path[64], line[512], *end;
	unsigned int flags = 0;
	bool dying = false;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	procfs_line(path, line, sizeof(line));
	end = strrchr(line, ')');
	if (end && sscanf(end, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	    flags & (HOLDER_EXITING | HOLDER_SIGNALED))
		return true;
	snprintf(path, sizeof(path), "/proc/%.16s/status", pid);
	in = fopen(path, "re");
	while (in && !dying && fgets(line, sizeof(line), in))
		dying = (sscanf(line, "SigPnd: %llx", &pending) == 1 ||
			 sscanf(line, "ShdPnd: %llx", &pending) == 1) &&
			pending & 1ULL << (SIGKILL - 1);
	if (in)
		fclose(in);
	return dying;
}

enum holder holder_process(const struct stat *store, int own,
			   char text[HOLDER_TEXT])
{
	enum holder found = HOLDER_NONE;
	DIR *dir = opendir("/proc");
	char path[64], comm[32];
	struct dirent *e;
	int ublk;

	while (dir && found != HOLDER_SURE && (e = readdir(dir))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9' ||
		    holder_is_dying(e->d_name) ||
		    !holder_search_fds(store, e->d_name, own, &ublk))
			continue;
		found = ublk >= 0 || !S_ISBLK(store->st_mode) ? HOLDER_SURE :
			HOLDER_MAYBE;
		snprintf(path, sizeof(path), "/proc/%.16s/comm", e->d_name);
		procfs_line(path, comm, sizeof(comm));
		if (ublk >= 0)
			snprintf(text, HOLDER_TEXT, "is in use by /dev/ublkb%d, process %.16s; \"ublk del -n %d\"",
				 ublk, e->d_name, ublk);
		else
			snprintf(text, HOLDER_TEXT, "is in use by process %.16s (%.20s); end that one",
				 e->d_name, comm);
	}
	if (dir)
		closedir(dir);
	return found;
}
