// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Bind a queue's thread to the CPUs that submit to the queue.
 *
 * GET_QUEUE_AFFINITY reports possible CPUs. affinity_set() leaves out those
 * that are offline or not allowed for this process (cpuset, taskset). If none
 * remains, the thread keeps its CPUs, because a thread that cannot run hangs
 * the disk.
 */
#include <sched.h>

#include "private.h"

/* Called in the controlling thread; @cpus has AFFINITY_BYTES. */
int affinity_get(struct ublk_dev *dev, unsigned int qid, cpu_set_t *cpus)
{
	return ublk_ctrl_get_affinity(dev->ctrl, dev->info.dev_id, qid, cpus,
				      AFFINITY_BYTES);
}

/* Called in the queue's thread. Return: 0; or an errno, and nothing changed */
int affinity_set(const cpu_set_t *cpus)
{
	const unsigned long *want = (const unsigned long *)cpus;
	unsigned long have[AFFINITY_BYTES / sizeof(long)] = { 0 };
	unsigned long any = 0;
	size_t i;

	if (sched_getaffinity(0, sizeof(have), (cpu_set_t *)have))
		return -errno;
	for (i = 0; i < ARRAY_SIZE(have); i++) {
		have[i] &= want[i];
		any |= have[i];
	}
	if (!any)
		return -ENODEV;
	if (sched_setaffinity(0, sizeof(have), (cpu_set_t *)have))
		return -errno;
	return 0;
}
