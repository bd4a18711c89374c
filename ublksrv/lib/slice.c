// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The time slice of a queue's thread, which says how soon the scheduler runs it
 * when a request arrives, and for how long before others get their turn. It does
 * not change the thread's share of the CPU.
 *
 * A thread that finds one request in a turn gets the shortest slice: the scheduler
 * runs it as soon as a request arrives, so that the request is often done before its
 * sender begins to wait. A thread that finds many in each turn uses up such a slice
 * within a turn, and the sender would interrupt it there, only to send less: it gets
 * a slice in which it can serve them all.
 *
 * Kernels before 6.12 ignore the slice. When an administrator has changed policy or
 * slice of the thread with chrt(1), slice_adapt() leaves them as they are.
 */
#include <sched.h>
#include <sys/syscall.h>

#include "private.h"

/* The shortest that the scheduler allows, and about its default on eight CPUs. */
#define SLICE_SHORT_NS		100000
#define SLICE_LONG_NS		3000000
/* So many requests are found in a turn, on average, when the slice changes. */
#define SLICE_LONG_FROM		4
#define SLICE_SHORT_BELOW	2

/* struct sched_attr of the kernel, in its first version. */
struct slice_attr {
	__u32 size;
	__u32 policy;
	__u64 flags;
	__s32 nice;
	__u32 priority;
	__u64 runtime;
	__u64 deadline;
	__u64 period;
};

static bool slice_get(struct slice_attr *attr)
{
	*attr = (struct slice_attr) { .size = sizeof(*attr) };
	return !syscall(SYS_sched_getattr, 0, attr, sizeof(*attr), 0) &&
		attr->policy == SCHED_OTHER;
}

static void slice_set(struct worker *w, struct slice_attr *attr, __u64 ns)
{
	w->slice = 0;
	attr->runtime = ns;
	if (!syscall(SYS_sched_setattr, 0, attr, 0) && slice_get(attr))
		w->slice = attr->runtime;
}

/* By the thread itself. */
void slice_begin(struct worker *w)
{
	struct slice_attr attr;

	if (slice_get(&attr))
		slice_set(w, &attr, SLICE_SHORT_NS);
}

static void slice_change(struct worker *w, __u64 ns)
{
	struct slice_attr attr;

	if (slice_get(&attr) && attr.runtime == w->slice)
		slice_set(w, &attr, ns);
	else
		w->slice = 0;
}

/*
 * Let the slice fit what the thread found in the turns since the last call. By the
 * thread itself, every few turns: one turn says little.
 */
void slice_adapt(struct worker *w)
{
	const struct ublk_stat *s = w->stat;
	__u64 turns = s->turns - w->slice_turns;
	__u64 taken = s->taken - w->slice_taken;

	w->slice_turns = s->turns;
	w->slice_taken = s->taken;
	if (w->slice == SLICE_SHORT_NS && taken >= turns * SLICE_LONG_FROM)
		slice_change(w, SLICE_LONG_NS);
	else if (w->slice == SLICE_LONG_NS && taken < turns * SLICE_SHORT_BELOW)
		slice_change(w, SLICE_SHORT_NS);
}
