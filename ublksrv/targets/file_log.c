// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Log messages about requests that failed on the backing store.
 *
 * The client sees EIO for most errors, and the kernel log has no errno either;
 * here are device, operation, place and errno. A store that fails does so
 * thousands of times a second, so only LOG_BURST messages are written in
 * LOG_PERIOD seconds, and then how many there would have been.
 *
 * Called by targets in the threads of queues, with any locks of theirs.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "file.h"
#include "libublk.h"

#define LOG_BURST	10
#define LOG_PERIOD	10

static const char * const log_ops[] = {
	[UBLK_IO_OP_READ]		= "read",
	[UBLK_IO_OP_WRITE]		= "write",
	[UBLK_IO_OP_FLUSH]		= "flush",
	[UBLK_IO_OP_DISCARD]		= "discard",
	[UBLK_IO_OP_WRITE_ZEROES]	= "write zeroes",
	[UBLK_IO_OP_ZONE_OPEN]		= "zone open",
	[UBLK_IO_OP_ZONE_CLOSE]		= "zone close",
	[UBLK_IO_OP_ZONE_FINISH]	= "zone finish",
	[UBLK_IO_OP_ZONE_APPEND]	= "zone append",
	[UBLK_IO_OP_ZONE_RESET_ALL]	= "zone reset all",
	[UBLK_IO_OP_ZONE_RESET]		= "zone reset",
};

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static time_t log_begin;		/* of the period */
static unsigned int log_nr;		/* errors in it */

/* Return: may this error be logged; @left: how many were not */
static bool log_admit(unsigned int *left)
{
	struct timespec now;
	bool ok;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	*left = 0;
	pthread_mutex_lock(&log_lock);
	if (!log_nr || now.tv_sec - log_begin >= LOG_PERIOD) {
		if (log_nr > LOG_BURST)
			*left = log_nr - LOG_BURST;
		log_begin = now.tv_sec;
		log_nr = 0;
	}
	ok = ++log_nr <= LOG_BURST;
	pthread_mutex_unlock(&log_lock);
	return ok;
}

void file_log_error(const struct ublk_io *io, int err, const char *why)
{
	const struct ublksrv_io_desc *d = io->desc;
	__u32 id = ublk_dev_info(io->q->dev)->dev_id;
	unsigned int op = ublk_io_op(io), left;
	const char *name = NULL;

	if (!log_admit(&left))
		return;
	if (err == -EFAULT && d->op_flags & UBLK_IO_F_SHMEM_ZC)
		why = "; the file of the shared memory was truncated";
	if (op < sizeof(log_ops) / sizeof(log_ops[0]))
		name = log_ops[op];
	if (left)
		ublk_log(UBLK_LOG_ERR, "dev %u: %u more errors of the backing store were not logged",
			 id, left);
	if (op == UBLK_IO_OP_FLUSH)
		ublk_log(UBLK_LOG_ERR, "dev %u: backing store: flush: %s%s", id,
			 strerror(-err), why);
	else
		ublk_log(UBLK_LOG_ERR, "dev %u: backing store: %s at offset %llu, length %llu: %s%s",
			 id, name ? name : "operation",
			 (unsigned long long)d->start_sector << 9,
			 (unsigned long long)d->nr_sectors << 9,
			 strerror(-err), why);
}

void file_complete(struct ublk_io *io, int res)
{
	if (res < 0)
		file_log_error(io, res, "");
	ublk_io_complete(io, res);
}

void file_complete_short(struct ublk_io *io)
{
	file_log_error(io, -EIO, FILE_IS_SHORT);
	ublk_io_complete(io, -EIO);
}
