// SPDX-License-Identifier: GPL-2.0
/*
 * Settings of disks that the chaos test changes under I/O: see chaos.h.
 *
 * Most of them freeze the queue, so they wait until the requests of the disk
 * have ended, and those of a device that has lost its server end with its
 * recovery or deletion. The process that writes is one of chaos_io.c, which
 * allow for that.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "chaos.h"
#include "io_client.h"

#define VALUES	4

static const struct {
	const char *name, *values[VALUES];
} attrs[] = {
	{ "scheduler", { "none", "mq-deadline", "kyber", "bfq" } },
	{ "scheduler", { "mq-deadline", "none", "kyber", "none" } },
	{ "nr_requests", { "2", "4", "16", "64" } },
	{ "read_ahead_kb", { "0", "4", "128", "512" } },
	{ "max_sectors_kb", { "4", "64", "128", "512" } },
	{ "nomerges", { "0", "1", "2", "0" } },
	{ "rq_affinity", { "0", "1", "2", "1" } },
	{ "wbt_lat_usec", { "0", "1000", "75000", "-1" } },
	{ "write_cache", { "write back", "write through", "write back",
			   "write back" } },
	{ "iostats", { "0", "1", "1", "1" } },
	{ "rotational", { "0", "1", "0", "1" } },
	{ "io_timeout", { "500", "3000", "30000", "30000" } },
};

static bool put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return good;
}

/* Requests that take longer than io_timeout end with their server, or not. */
static bool put_action(int id, const char *action)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/ublk-char/ublkc%d/timeout_action",
		 id);
	return put(path, action);
}

/* Change one setting of the disk. */
void chaos_tune(struct chaos_io *io, int id)
{
	const int n = sizeof(attrs) / sizeof(attrs[0]);
	int which = chaos_rnd(&io->rng, n + 2);
	int value = chaos_rnd(&io->rng, VALUES);
	char path[64];
	bool good;

	if (which < n) {
		snprintf(path, sizeof(path), "/sys/block/ublkb%d/queue/%s", id,
			 attrs[which].name);
		good = put(path, attrs[which].values[value]);
	} else {
		good = put_action(id, value ? "none" : "kill");
	}
	chaos_count(good ? &io->c->attrs_set : &io->c->attrs_refused);
}

/* A slow kernel must not kill the servers that come after the chaos. */
void chaos_untune(int id)
{
	put_action(id, "none");
}

/* Read the partition table again and again. */
void chaos_rescan(struct chaos_io *io, int id)
{
	long res;

	do {
		res = client_blk_run(id, CLIENT_RRPART, 0, 0, NULL);
		usleep(chaos_rnd(&io->rng, 10000));
	} while (res >= 0);
}
