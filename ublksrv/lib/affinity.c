// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Bind a queue's thread to the CPUs that submit to the queue.
 *
 * The driver reports possible CPUs. What is offline, or not allowed to this
 * process (cpuset, taskset), is left out; if nothing remains the thread keeps
 * the CPUs it has, because a thread that cannot run hangs the disk.
 */
#include <sched.h>

#include "private.h"

/* @cpus has AFFINITY_BYTES. In the controlling thread. */
int affinity_get(struct ublk_dev *dev, unsigned int qid, cpu_set_t *cpus)
{
	return ublk_ctrl_get_affinity(dev->ctrl, dev->info.dev_id, qid, cpus,
				      AFFINITY_BYTES);
}

/* In the queue's thread. Return: 0 or the reason why nothing was changed. */
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
