// SPDX-License-Identifier: GPL-2.0
/* nullb.h: null_blk through its directory in configfs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nullb.h"
#include "raw.h"

#define CONF	"/sys/kernel/config/nullb"

int nullb_set(const struct nullb *n, const char *setting)
{
	const char *value = strchr(setting, '=') + 1;
	char path[256];

	snprintf(path, sizeof(path), CONF "/%s/%.*s", n->name,
		 (int)(value - setting - 1), setting);
	return raw_write_text(path, value);
}

/* Newer kernels name the node after the directory. */
static int find_node(struct nullb *n)
{
	char path[256];
	long index;

	snprintf(n->path, sizeof(n->path), "/dev/%s", n->name);
	snprintf(path, sizeof(path), CONF "/%s/index", n->name);
	index = raw_read_ulong(path);
	snprintf(path, sizeof(path), "/sys/block/%s", n->name);
	if (access(path, F_OK))
		snprintf(n->path, sizeof(n->path), "/dev/nullb%ld", index);
	return raw_wait_path(n->path, true) ? 0 : -ENOENT;
}

int nullb_make(struct nullb *n, const char *name, const char *const *settings)
{
	char path[256];
	int ret;

	n->name = name;
	if (system("modprobe -q null_blk nr_devices=0"))
		return -ENODEV;
	if (access(CONF, F_OK))
		mount("none", "/sys/kernel/config", "configfs", 0, NULL);
	snprintf(path, sizeof(path), CONF "/%s", name);
	if (mkdir(path, 0755))
		return errno == ENOENT || errno == EPERM ? -ENODEV : -errno;
	ret = nullb_set(n, "memory_backed=1");
	while (!ret && *settings)
		ret = nullb_set(n, *settings++);
	if (!ret)
		ret = nullb_set(n, "power=1");
	if (!ret)
		ret = find_node(n);
	return ret;
}

/* What buffers of direct IO have to be multiples of, minus 1; or -errno. */
long nullb_dma_alignment(const struct nullb *n)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/queue/dma_alignment",
		 n->path + strlen("/dev/"));
	return raw_read_ulong(path);
}

/* For direct IO. */
int nullb_open(const struct nullb *n, int flags)
{
	int fd = open(n->path, flags | O_DIRECT | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void nullb_remove(const char *name)
{
	const struct nullb n = { .name = name };
	char path[256];

	snprintf(path, sizeof(path), CONF "/%s", name);
	if (access(path, F_OK))
		return;
	nullb_set(&n, "power=0");
	rmdir(path);
}
