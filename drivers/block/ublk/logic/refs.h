/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Arithmetic of the split reference count of a delivered request in the counted
 * modes (data.md section 9). A request may end when its owner has committed and
 * every buffer registered from it and every user copy is gone.
 *
 * The count is split so that the common case, everything in the tag's daemon
 * task, needs no atomic operation:
 *
 *   shared  atomic, one per tag. Starts at UBLK_REFS_BIAS, which stands for the
 *           owner and for all references the daemon task may lend.
 *   lent    plain, only touched by the daemon task: references it has taken
 *           from the bias and not given back itself.
 *
 * References other than the owner's = shared + lent - UBLK_REFS_BIAS. A commit
 * collapses both into shared; who brings that to 0 ends the request.
 *
 * These functions compute; buf.c applies them with cmpxchg or atomic_sub.
 * Exhaustively searched by test/model/refs.c.
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
/* shared never gets here, so it can neither wrap nor pass for negative. */
#define UBLK_REFS_MAX		0x80000000U

/**
 * ublk_refs_init() - shared part at delivery; the lent part starts at 0
 *
 * Return: the value to store before the server can see the request.
 */
static inline u32 ublk_refs_init(void)
{
	return UBLK_REFS_BIAS;
}

/**
 * ublk_refs_get() - take a reference from any task (D-103)
 * @shared: current value
 *
 * Return: the new value, or 0 when there is nothing to refer to: not delivered,
 * or ended (D-113, D-146), or too many.
 */
static inline u32 ublk_refs_get(u32 shared)
{
	if (!shared || shared >= UBLK_REFS_MAX - 1)
		return 0;
	return shared + 1;
}

/**
 * ublk_refs_lend() - take a reference in the daemon task, before its commit
 * @lent: current value
 *
 * Return: the new value, or 0 when the bias is used up.
 */
static inline u32 ublk_refs_lend(u32 lent)
{
	if (lent >= UBLK_REFS_BIAS - 1)
		return 0;
	return lent + 1;
}

/**
 * ublk_refs_take_back() - may the daemon task drop a reference without atomics?
 * @lent: current value
 *
 * References are alike: it does not matter which one is given back. With
 * nothing lent the caller drops from shared like everybody else.
 *
 * Return: true if @lent may be decremented instead of shared.
 */
static inline bool ublk_refs_take_back(u32 lent)
{
	return lent != 0;
}

/**
 * ublk_refs_collapse() - what the owner's commit subtracts from shared
 * @lent: current value; 0 afterwards
 *
 * Return: the amount. If shared becomes 0 by it the committer ends the request,
 * else the tag is in state R until the last reference is dropped.
 */
static inline u32 ublk_refs_collapse(u32 lent)
{
	return UBLK_REFS_BIAS - lent;
}

/**
 * ublk_refs_idle() - does the owner alone refer to the request? (D-106, L-20)
 * @shared: current value
 * @lent: current value, read when the daemon task cannot run any more
 *
 * Return: true also when there is no request, or a committed one has ended.
 */
static inline bool ublk_refs_idle(u32 shared, u32 lent)
{
	return !shared || shared + lent == UBLK_REFS_BIAS;
}

#endif
