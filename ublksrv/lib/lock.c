// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Lock the memory of the server process (UBLK_DEV_MLOCK), so that nothing of it
 * is ever swapped out: neither to its own disk, which it could not serve
 * without that page, nor elsewhere.
 *
 * Called by dev.c when all buffers, rings and stacks exist, and before the disk
 * does. The pages are allocated here and now (no MCL_ONFAULT): a page fault
 * while memory is short could wait for a page to be written to this disk.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "private.h"

/* Bytes of all mappings that the process may access; the others take none. */
static unsigned long long lock_needs(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long start, end, sum = 0;
	char line[512], perms[8];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %7s", &start, &end, perms) == 3 &&
		    strncmp(perms, "---", 3))
			sum += end - start;
	if (maps)
		fclose(maps);
	return sum;
}

/* A sanitizer's shadow is larger than any memory, and mlockall() does nothing. */
#ifdef __SANITIZE_ADDRESS__
#define LOCK_CHECKED	false
#else
#define LOCK_CHECKED	true
#endif

/* The kernel would look for that much until it kills other processes. */
static int lock_check_room(unsigned long long need)
{
	unsigned long long total = 0;
	FILE *in = fopen("/proc/meminfo", "re");
	char line[128];

	while (in && !total && fgets(line, sizeof(line), in))
		sscanf(line, "MemTotal: %llu kB", &total);
	if (in)
		fclose(in);
	if (!LOCK_CHECKED || !total || need < total << 10)
		return 0;
	return ublk_error(-ENOMEM, "locking the process in memory: it needs %llu MiB, the machine has %llu; use a lower depth, smaller buffers or a smaller disk in memory",
			  need >> 20, total >> 10);
}

/**
 * lock_memory - lock what the process has, and what it will allocate
 * @dev: device with started threads
 *
 * Return: 0 or negative errno with a message
 */
int lock_memory(struct ublk_dev *dev)
{
	unsigned long long need;
	struct rlimit rl;
	int ret;

	if (!(dev->flags & UBLK_DEV_MLOCK))
		return 0;
	need = lock_needs();
	ret = lock_check_room(need);
	if (ret || !mlockall(MCL_CURRENT | MCL_FUTURE))
		return ret;
	ret = -errno;
	if (getrlimit(RLIMIT_MEMLOCK, &rl) || rl.rlim_cur == RLIM_INFINITY)
		return ublk_error(ret, "locking the process in memory, %llu MiB: %s",
				  need >> 20, strerror(-ret));
	return ublk_error(ret, "locking the process in memory: %s; it needs %llu MiB, RLIMIT_MEMLOCK is %llu KiB: raise that, with \"ulimit -l\" or LimitMEMLOCK=, or use a lower depth or smaller buffers",
			  strerror(-ret), need >> 20,
			  (unsigned long long)rl.rlim_cur >> 10);
}
