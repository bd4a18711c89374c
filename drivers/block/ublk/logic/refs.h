/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Arithmetic of the split reference count of a delivered request in the
 * refcounted modes (data.rst section 9). A request may end when its owner has
 * committed it and every buffer registered from it and every user copy is gone.
 *
 * The count is split so that the common case, in which the tag's daemon task
 * takes and drops all references, needs no atomic operation:
 *
 *   refs		atomic, one per tag. Starts at UBLK_REFS_BIAS, which stands for
 *		the owner and for all references the daemon task may take.
 *   task_refs	plain, only changed by the daemon task: references it has taken
 *		from the bias and not dropped itself.
 *
 * References other than the owner's = refs + task_refs - UBLK_REFS_BIAS. A
 * commit collapses both into refs; the task that brings refs to 0 ends the
 * request.
 *
 * These functions compute; buf.c applies them with cmpxchg or atomic_sub.
 * test/model/refs.c of the ublk tree searches all their states.
 */
#ifndef UBLK_LOGIC_REFS_H
#define UBLK_LOGIC_REFS_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

/*
 * 65536 tags of a ring's table times many rings stay far below: a reference
 * costs its holder a table slot or a system call in progress.
 */
#define UBLK_REFS_BIAS		0x40000000U
/* refs stays below this, so it can neither wrap nor become negative. */
#define UBLK_REFS_MAX		0x80000000U

/**
 * ublk_refs_init() - value of refs at delivery; task_refs starts at 0
 *
 * Return: the value to store before the server can see the request.
 */
static inline u32 ublk_refs_init(void)
{
	return UBLK_REFS_BIAS;
}

/**
 * ublk_refs_get() - take a reference from any task (D-103)
 * @refs: current value
 *
 * Return: the new value; 0 if the request is not delivered or has ended (D-113,
 * D-146), or has too many references.
 */
static inline u32 ublk_refs_get(u32 refs)
{
	if (!refs || refs >= UBLK_REFS_MAX - 1)
		return 0;
	return refs + 1;
}

/**
 * ublk_refs_lend() - take a reference in the daemon task, before its commit
 * @task_refs: current value
 *
 * Return: the new value, or 0 if the bias is used up.
 */
static inline u32 ublk_refs_lend(u32 task_refs)
{
	if (task_refs >= UBLK_REFS_BIAS - 1)
		return 0;
	return task_refs + 1;
}

/**
 * ublk_refs_take_back() - may the daemon task drop a reference without atomics?
 * @task_refs: current value
 *
 * References are alike, so it does not matter which one is dropped. If
 * task_refs is 0 the caller drops from refs, like every other task.
 *
 * Return: true if @task_refs may be decremented instead of refs.
 */
static inline bool ublk_refs_take_back(u32 task_refs)
{
	return task_refs != 0;
}

/**
 * ublk_refs_collapse() - what the owner's commit subtracts from refs
 * @task_refs: current value; 0 afterwards
 *
 * Return: the amount. If refs becomes 0 the committer ends the request, else
 * the tag is in state R until the last reference is dropped.
 */
static inline u32 ublk_refs_collapse(u32 task_refs)
{
	return UBLK_REFS_BIAS - task_refs;
}

/**
 * ublk_refs_idle() - does only the owner refer to the request? (D-106, L-20)
 * @refs: current value
 * @task_refs: current value, read when the daemon task cannot run any more
 *
 * Return: true also if there is no request, or if a committed one has ended.
 */
static inline bool ublk_refs_idle(u32 refs, u32 task_refs)
{
	return !refs || refs + task_refs == UBLK_REFS_BIAS;
}

#endif
