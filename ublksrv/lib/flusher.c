// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * PR_SET_IO_FLUSHER: memory that a thread allocates must not wait for writeback to
 * the disk that the thread serves.
 *
 * Threads and processes inherit it from the thread that starts them. So the queues'
 * threads have it, and the thread that calls the target's open(), as long as that
 * takes: what a target or a library of it starts there serves the disk, too.
 */
#include <sys/prctl.h>

#include "private.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER	57
#define PR_GET_IO_FLUSHER	58
#endif

/* Return: 0 or negative errno, for this thread */
int flusher_set(bool on)
{
	if (prctl(PR_SET_IO_FLUSHER, on, 0, 0, 0))
		return -errno;
	return prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0) == on ? 0 : -EINVAL;
}

bool flusher_get(void)
{
	return prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0) == 1;
}
