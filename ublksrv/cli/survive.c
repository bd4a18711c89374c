// SPDX-License-Identifier: GPL-2.0
/*
 * What lets a daemon serve its disk while memory is short.
 *
 * Dirty pages and swap may go to the disk, so memory gets free only if the
 * daemon runs. The kernel must not kill it for want of memory, and must not let
 * an allocation in it wait for its own disk. The library makes IO flushers of
 * the threads that serve; this is about the process. Only the process that
 * serves calls this file, and its supervisor, never the one that waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>

#include "cli.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER	57
#endif

#define OOM_FILE	"/proc/self/oom_score_adj"
#define OOM_NEVER	"-1000"

static int survive_set_oom(void)
{
	int fd = open(OOM_FILE, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, OOM_NEVER, strlen(OOM_NEVER)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/**
 * survive_set_up - protect this process, before it serves
 * @locked: it will be locked in memory
 *
 * Return: 0, or why the kernel may kill it, for survive_log()
 */
int survive_set_up(bool locked)
{
	/* each arena reserves 64 MiB, which count against RLIMIT_MEMLOCK */
	if (locked)
		mallopt(M_ARENA_MAX, 1);
	/* if it fails, the library says so for its threads */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	return survive_set_oom();
}

/**
 * survive_log - say what was not allowed, when the log has been opened
 * @id: device
 * @err: from survive_set_up()
 */
void survive_log(__u32 id, int err)
{
	if (err)
		ublk_log(UBLK_LOG_WARN, "dev %u: oom_score_adj is not " OOM_NEVER
			 ": %s; when memory is short, the kernel may kill the daemon. It needs CAP_SYS_RESOURCE",
			 id, strerror(-err));
}
