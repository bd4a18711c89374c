/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All transitions of a tag, each with its barrier. No other file stores io->state.
 *
 * The table of ublk_tag_next() in logic/tag.h lists the transitions that exist. On
 * a kernel with lockdep every function here compares its transition with that
 * table, and warns about one that the table does not have.
 *
 * Two contexts can leave ARMED, and on a batch device several can leave SERVER:
 * these transitions are a cmpxchg, the others are stores of the one context that
 * owns the tag (see "Without a lock" in ublk.h).
 */
#ifndef UBLK_STATE_H
#define UBLK_STATE_H

#include "ublk.h"

static inline void ublk_state_check(unsigned int from, enum ublk_tag_event event,
				    unsigned int to)
{
	if (IS_ENABLED(CONFIG_PROVE_LOCKING))
		WARN_ONCE(ublk_tag_next(from, event) != to,
			  "ublk: event %u moves a tag from %s to %s\n", event,
			  ublk_tag_name(from), ublk_tag_name(to));
}

static inline bool ublk_state_try(struct ublk_io *io, unsigned int from,
				  enum ublk_tag_event event, unsigned int to)
{
	ublk_state_check(from, event, to);
	return try_cmpxchg(&io->state, &from, to);
}

/**
 * ublk_state_claim() - a request takes an armed tag (REQUEST)
 * @io: tag
 *
 * The full barrier of cmpxchg orders it after the caller's read of the gate, and
 * pairs with the release of ublk_state_arm(): io->cmd and the buffer are those of
 * the last command.
 * Context: any CPU; races with ublk_state_cancel().
 * Return: true if the caller owns the tag and its command.
 */
static __always_inline bool ublk_state_claim(struct ublk_io *io)
{
	return ublk_state_try(io, UBLK_TAG_ARMED, UBLK_EV_REQUEST,
			      UBLK_TAG_QUEUED);
}

/**
 * ublk_state_cancel() - a cancel takes an armed tag with its command (CANCEL)
 * @io: tag of a per-tag device
 *
 * The full barrier of cmpxchg makes a closed gate visible to a request that finds
 * the tag canceled, see ublk_queue_no_command().
 * Context: any task; races with ublk_state_claim().
 * Return: true if the caller has to complete the command.
 */
static inline bool ublk_state_cancel(struct ublk_io *io)
{
	return ublk_state_try(io, UBLK_TAG_ARMED, UBLK_EV_CANCEL,
			      UBLK_TAG_CANCELED);
}

/**
 * ublk_state_deliver() - the request is with the server (DELIVER)
 * @io: claimed tag, descriptor and data in place
 *
 * A release: on a batch device any thread may commit the tag from here on, and
 * sees what delivery has written. On a per-tag device the CQE orders it for the
 * server.
 */
static __always_inline void ublk_state_deliver(struct ublk_io *io)
{
	ublk_state_check(io->state, UBLK_EV_DELIVER, UBLK_TAG_SERVER);
	/* Pairs with the cmpxchg of ublk_state_commit_begin(). */
	smp_store_release(&io->state, UBLK_TAG_SERVER);
}

/**
 * ublk_state_ask_data() - a write is announced without its data (ASK_DATA)
 * @io: claimed tag of a device with NEED_GET_DATA
 *
 * Only the daemon task, the caller, leaves NEED_DATA; no barrier is needed.
 */
static inline void ublk_state_ask_data(struct ublk_io *io)
{
	ublk_state_check(io->state, UBLK_EV_ASK_DATA, UBLK_TAG_NEED_DATA);
	WRITE_ONCE(io->state, UBLK_TAG_NEED_DATA);
}

/**
 * ublk_state_get_data() - the announced data is with the server (GET_DATA)
 * @io: tag in NEED_DATA
 *
 * The daemon task, which calls this, is also the one that commits.
 */
static inline void ublk_state_get_data(struct ublk_io *io)
{
	ublk_state_check(io->state, UBLK_EV_GET_DATA, UBLK_TAG_SERVER);
	WRITE_ONCE(io->state, UBLK_TAG_SERVER);
}

/**
 * ublk_state_arm() - the tag waits for its next request
 * @io: tag; the caller owns its request, if it had one
 * @event: FETCH, UNDELIVERED, GET_UNDELIVERED or COMMIT
 *
 * A release: command and buffer of the tag must be in place, as a request or a
 * cancel may take the tag from here on.
 */
static __always_inline void ublk_state_arm(struct ublk_io *io,
					   enum ublk_tag_event event)
{
	ublk_state_check(io->state, event, UBLK_TAG_ARMED);
	/* Pairs with the cmpxchg of ublk_state_claim(). */
	smp_store_release(&io->state, UBLK_TAG_ARMED);
}

/* The tag holds @cmd: before it is armed, or before a file serves its request. */
static __always_inline void ublk_state_hold_cmd(struct ublk_io *io,
						struct io_uring_cmd *cmd,
						unsigned int issue_flags)
{
	ublk_cmd_pdu(cmd)->io = io;
	io->cmd = cmd;
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
}

/**
 * ublk_state_arm_cmd() - arm a tag of a per-tag device with a new command
 * @io: tag; the caller owns its request, if it had one
 * @cmd: command, from now on completed with io_uring_cmd_done()
 * @issue_flags: of @cmd
 * @event: as for ublk_state_arm()
 * Context: the submitter's task with the ring lock held; may hold ub->lock.
 */
static __always_inline void ublk_state_arm_cmd(struct ublk_io *io,
					       struct io_uring_cmd *cmd,
					       unsigned int issue_flags,
					       enum ublk_tag_event event)
{
	ublk_state_hold_cmd(io, cmd, issue_flags);
	ublk_state_arm(io, event);
}

/**
 * ublk_state_commit_begin() - a commit takes the tag from the server
 *	(COMMIT_BEGIN)
 * @io: tag of a batch device
 *
 * Any thread may commit, so a tag that is listed twice is committed once. The
 * full barrier of cmpxchg pairs with the release of ublk_state_deliver().
 * Return: true if the caller owns the tag and its request.
 */
static inline bool ublk_state_commit_begin(struct ublk_io *io)
{
	return ublk_state_try(io, UBLK_TAG_SERVER, UBLK_EV_COMMIT_BEGIN,
			      UBLK_TAG_COMMITTING);
}

/**
 * ublk_state_commit_undo() - the commit was refused (COMMIT_UNDO)
 * @io: tag that ublk_state_commit_begin() has taken
 *
 * A release, like ublk_state_deliver(): another thread may commit the tag.
 */
static inline void ublk_state_commit_undo(struct ublk_io *io)
{
	ublk_state_check(io->state, UBLK_EV_COMMIT_UNDO, UBLK_TAG_SERVER);
	/* Pairs with the cmpxchg of ublk_state_commit_begin(). */
	smp_store_release(&io->state, UBLK_TAG_SERVER);
}

/**
 * ublk_state_redirect() - a registered file serves the request (REDIRECT)
 * @io: tag of a batch device that ublk_state_commit_begin() has taken
 *
 * A release, before the IO is issued: its end may come in an interrupt.
 */
static inline void ublk_state_redirect(struct ublk_io *io)
{
	ublk_state_check(io->state, UBLK_EV_REDIRECT, UBLK_TAG_REDIRECTED);
	/* Pairs with the cmpxchg of ublk_state_redirect_end(). */
	smp_store_release(&io->state, UBLK_TAG_REDIRECTED);
}

/**
 * ublk_state_redirect_cmd() - the same, with the command that arms the tag later
 * @io: tag of a per-tag device, SERVER
 * @cmd: command, from now on completed with io_uring_cmd_done()
 * @issue_flags: of @cmd
 * Context: the submitter's task with the ring lock held, which keeps a cancel away
 * until the tag is REDIRECTED.
 */
static inline void ublk_state_redirect_cmd(struct ublk_io *io,
					   struct io_uring_cmd *cmd,
					   unsigned int issue_flags)
{
	ublk_state_hold_cmd(io, cmd, issue_flags);
	ublk_state_redirect(io);
}

/**
 * ublk_state_redirect_end() - the file has served the request (REDIRECT_END)
 * @io: tag; a cancel may have taken it, then it stays as it is
 *
 * The full barrier of cmpxchg pairs with ublk_state_claim(), as ublk_state_arm()
 * does.
 * Context: any, hard interrupts too; races with ublk_state_cancel_redirected().
 */
static inline void ublk_state_redirect_end(struct ublk_io *io)
{
	ublk_state_try(io, UBLK_TAG_REDIRECTED, UBLK_EV_REDIRECT_END,
		       UBLK_TAG_ARMED);
}

/**
 * ublk_state_cancel_redirected() - a cancel takes the command of a redirected
 *	request (CANCEL)
 * @io: tag of a per-tag device
 *
 * The request goes on and ends alone.
 * Context: any task; races with ublk_state_redirect_end(), so the caller tries
 * ublk_state_cancel() next.
 * Return: true if the caller has to complete the command.
 */
static inline bool ublk_state_cancel_redirected(struct ublk_io *io)
{
	return ublk_state_try(io, UBLK_TAG_REDIRECTED, UBLK_EV_CANCEL,
			      UBLK_TAG_CANCELED);
}

/**
 * ublk_state_expire() - a timeout takes the request of a server that is gone
 *	(EXPIRE)
 * @io: tag whose daemon cannot commit any more, or tag of a batch device
 *
 * The full barrier of cmpxchg pairs with the release of ublk_state_deliver().
 * Context: timeout work; races with ublk_state_gone() and, on a batch device,
 * with ublk_state_commit_begin().
 * Return: true if the caller owns the request.
 */
static inline bool ublk_state_expire(struct ublk_io *io)
{
	return ublk_state_try(io, UBLK_TAG_SERVER, UBLK_EV_EXPIRE,
			      UBLK_TAG_CANCELED) ||
	       ublk_state_try(io, UBLK_TAG_NEED_DATA, UBLK_EV_EXPIRE,
			      UBLK_TAG_CANCELED);
}

/**
 * ublk_state_gone() - the session of the server ends (GONE, GONE_BATCH)
 * @q: queue
 * @io: tag
 *
 * The gate is closed and no command is left, so only a timeout can still reach
 * the tag: the full barrier of xchg decides who gets the request.
 * Context: exit work.
 * Return: the state before; if a server owned the tag, its request is the
 * caller's.
 */
static inline unsigned int ublk_state_gone(struct ublk_queue *q,
					   struct ublk_io *io)
{
	unsigned int from = xchg(&io->state, UBLK_TAG_EMPTY);

	ublk_state_check(from, q->fetchq ? UBLK_EV_GONE_BATCH : UBLK_EV_GONE,
			 UBLK_TAG_EMPTY);
	return from;
}

#endif
