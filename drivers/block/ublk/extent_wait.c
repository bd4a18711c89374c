// SPDX-License-Identifier: GPL-2.0
/*
 * SET_EXTENTS while what it has displaced is in use (E-77).
 *
 * The command has a count for each extent that it displaced. extent.c drops one when
 * no bio uses the extent any more, which may be in a hard interrupt: no lock is taken
 * there. The last one completes the command, in a task. io_uring may cancel the
 * command before, as its ring or task goes away; one xchg decides who completes it.
 *
 * Called by extent.c, extent_cmd.c and cancel.c.
 */
#include <linux/slab.h>

#include "ublk.h"

/**
 * struct ublk_extent_wait - a command that has displaced extents
 * @left: extents that are in use, and one for the issuer
 * @refs: the displaced extents together have one, the command another
 * @cmd: the command while it is pending; who takes it completes it
 * @result: what it completes with
 */
struct ublk_extent_wait {
	atomic_t		left;
	refcount_t		refs;
	struct io_uring_cmd	*cmd;
	int			result;
};

/* The driver's part of a pending command. */
struct ublk_extent_pdu {
	struct ublk_extent_wait	*wait;
};

/**
 * ublk_extent_wait_alloc() - for a command that will displace extents
 * Context: process context; sleeps.
 * Return: with one count, of the issuer; or NULL without memory.
 */
struct ublk_extent_wait *ublk_extent_wait_alloc(void)
{
	struct ublk_extent_wait *w = kcalloc(1, sizeof(*w), GFP_KERNEL_ACCOUNT);

	if (w)
		atomic_set(&w->left, 1);
	return w;
}

/* An extent is displaced. */
void ublk_extent_wait_get(struct ublk_extent_wait *w)
{
	atomic_inc(&w->left);
}

static struct ublk_extent_pdu *ublk_extent_pdu(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct ublk_extent_pdu);
}

static void ublk_extent_wait_unref(struct ublk_extent_wait *w)
{
	if (refcount_dec_and_test(&w->refs))
		kfree(w);
}

/* In the task of the command, or while its ring goes away. */
static void ublk_extent_wait_done_tw(struct io_tw_req tw_req, io_tw_token_t tw)
{
	struct io_uring_cmd *cmd = io_uring_cmd_from_tw(tw_req);
	struct ublk_extent_wait *w = ublk_extent_pdu(cmd)->wait;

	io_uring_cmd_done(cmd, w->result, IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);
	ublk_extent_wait_unref(w);
}

/**
 * ublk_extent_wait_put() - an extent that the command displaced is unused
 * @w: the command
 * Context: any, hard interrupts too.
 */
void ublk_extent_wait_put(struct ublk_extent_wait *w)
{
	struct io_uring_cmd *cmd;

	if (!atomic_dec_and_test(&w->left))
		return;
	cmd = xchg(&w->cmd, NULL);
	if (cmd)
		io_uring_cmd_complete_in_task(cmd, ublk_extent_wait_done_tw);
	ublk_extent_wait_unref(w);
}

/**
 * ublk_extent_wait_end() - all elements of the command are executed
 * @w: the command; not to be used any more
 * @cmd: the same for io_uring
 * @result: what it completes with
 * @issue_flags: of @cmd
 *
 * The issuer has a part of @left, so nothing completes the command before it can be
 * canceled.
 * Context: who issues the command.
 * Return: @result, or -EIOCBQUEUED while something displaced is in use.
 */
int ublk_extent_wait_end(struct ublk_extent_wait *w, struct io_uring_cmd *cmd,
			 int result, unsigned int issue_flags)
{
	/* Nothing displaced is in use, and nobody else looks at @w any more. */
	if (atomic_read_acquire(&w->left) == 1) {
		kfree(w);
		return result;
	}
	w->result = result;
	refcount_set(&w->refs, 2);
	ublk_extent_pdu(cmd)->wait = w;
	w->cmd = cmd;
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	ublk_extent_wait_put(w);
	return -EIOCBQUEUED;
}

/**
 * ublk_extent_wait_cancel() - io_uring cancels a pending SET_EXTENTS
 * @cmd: the command
 * @issue_flags: of the cancel
 * Context: any task, ring lock held.
 */
void ublk_extent_wait_cancel(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ublk_extent_wait *w = ublk_extent_pdu(cmd)->wait;

	if (!xchg(&w->cmd, NULL))
		return;
	io_uring_cmd_done(cmd, -ECANCELED, issue_flags);
	ublk_extent_wait_unref(w);
}
