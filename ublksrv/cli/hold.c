// SPDX-License-Identifier: GPL-2.0
/*
 * How long the driver holds requests of a device that has lost its server:
 * --hold-timeout. It is an attribute of the char device, which only this project's
 * driver has; for another one guardian.c does the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "procfs.h"

static void hold_path(__u32 id, char *path, size_t len)
{
	snprintf(path, len, "/sys/class/ublk-char/ublkc%u/hold_timeout", id);
}

/**
 * hold_has - does the driver bound the time for which a device holds requests
 * @id: device
 */
bool hold_has(__u32 id)
{
	char path[64];

	hold_path(id, path, sizeof(path));
	return !access(path, F_OK);
}

/**
 * hold_set - bound the time for which requests are held
 * @id: device
 * @seconds: 0 for no bound
 *
 * Does nothing on a driver that cannot do that; guardian_start() does it then.
 *
 * Return: 0 or negative errno with a message
 */
int hold_set(__u32 id, unsigned int seconds)
{
	char path[64], text[16];
	int fd, len, ret = 0;

	hold_path(id, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	len = snprintf(text, sizeof(text), "%u\n", seconds);
	if (fd < 0 || write(fd, text, len) != len)
		ret = ublk_error(-errno, "--hold-timeout: %s: %s", path,
				 strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

/**
 * hold_get - for how long requests are held
 * @id: device
 *
 * Return: seconds; 0 for no bound, also if the driver has none
 */
unsigned int hold_get(__u32 id)
{
	char path[64], text[16];

	hold_path(id, path, sizeof(path));
	return procfs_line(path, text, sizeof(text)) ? strtoul(text, NULL, 10) : 0;
}
