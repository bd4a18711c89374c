/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The state machine of one tag (data.rst section 7).
 *
 * The table below has a row for every event and an entry for every state: the
 * next state, or the errno of a combination that is an error. state.h makes the
 * transitions and, on a kernel with lockdep, checks them against the table.
 *
 * Two contexts contend for a tag in one state of a per-tag device: a request
 * (any CPU) and a cancel (ring teardown or the control path) can leave ARMED,
 * so the driver leaves ARMED by cmpxchg. So it does REDIRECTED, which the end of
 * the redirected IO and a cancel can leave. The tag's daemon task makes every
 * other transition, or, when it is gone, a timeout or the exit work.
 */
#ifndef UBLK_LOGIC_TAG_H
#define UBLK_LOGIC_TAG_H

#include <linux/types.h>
#include <linux/errno.h>

/**
 * enum ublk_tag_state - who holds the tag's command and request
 * @UBLK_TAG_EMPTY: not fetched in this session (state U)
 * @UBLK_TAG_ARMED: the driver holds a command and waits for a request (A; R if
 *	a committed request still has references)
 * @UBLK_TAG_QUEUED: command and request are on their way to the daemon (P)
 * @UBLK_TAG_NEED_DATA: the server owns a write and must ask for its data (N)
 * @UBLK_TAG_SERVER: the server owns the request (O)
 * @UBLK_TAG_CANCELED: the command was canceled; the tag stays so until the
 *	session ends (X)
 * @UBLK_TAG_COMMITTING: batch devices: a commit is looking at the request
 * @UBLK_TAG_REDIRECTED: a registered file serves the request; on a per-tag device
 *	the driver holds the command with which the tag is armed afterwards
 * @UBLK_TAG_NR_STATES: number of states
 */
enum ublk_tag_state {
	UBLK_TAG_EMPTY,
	UBLK_TAG_ARMED,
	UBLK_TAG_QUEUED,
	UBLK_TAG_NEED_DATA,
	UBLK_TAG_SERVER,
	UBLK_TAG_CANCELED,
	UBLK_TAG_COMMITTING,
	UBLK_TAG_REDIRECTED,
	UBLK_TAG_NR_STATES
};

/**
 * enum ublk_tag_event - what happens to a tag
 * @UBLK_EV_FETCH: FETCH_REQ
 * @UBLK_EV_REQUEST: the block layer has a request for the tag
 * @UBLK_EV_CANCEL: io_uring or the control path cancels the command
 * @UBLK_EV_DELIVER: the request reaches the server
 * @UBLK_EV_ASK_DATA: a write is announced to the server, without its data
 * @UBLK_EV_UNDELIVERED: delivery failed; the request is held, requeued or
 *	failed
 * @UBLK_EV_GET_DATA: NEED_GET_DATA, data copied
 * @UBLK_EV_GET_UNDELIVERED: NEED_GET_DATA, no data copied; the request is held,
 *	requeued or failed
 * @UBLK_EV_COMMIT: COMMIT_AND_FETCH_REQ
 * @UBLK_EV_GONE: the session ends
 * @UBLK_EV_COMMIT_BEGIN: batch devices: a commit takes the tag
 * @UBLK_EV_COMMIT_UNDO: batch devices: the commit was refused
 * @UBLK_EV_GONE_BATCH: the session of a batch device ends, whose tags are armed
 *	and queued without a command; a stop dequeues a tag that is still
 *	QUEUED, which becomes ARMED
 * @UBLK_EV_EXPIRE: a timeout ends the request, as its server cannot answer it
 * @UBLK_EV_REDIRECT: the server names a file that serves the request
 * @UBLK_EV_REDIRECT_END: the file has served it
 * @UBLK_EV_NR: number of events
 */
enum ublk_tag_event {
	UBLK_EV_FETCH,
	UBLK_EV_REQUEST,
	UBLK_EV_CANCEL,
	UBLK_EV_DELIVER,
	UBLK_EV_ASK_DATA,
	UBLK_EV_UNDELIVERED,
	UBLK_EV_GET_DATA,
	UBLK_EV_GET_UNDELIVERED,
	UBLK_EV_COMMIT,
	UBLK_EV_GONE,
	UBLK_EV_COMMIT_BEGIN,
	UBLK_EV_COMMIT_UNDO,
	UBLK_EV_GONE_BATCH,
	UBLK_EV_EXPIRE,
	UBLK_EV_REDIRECT,
	UBLK_EV_REDIRECT_END,
	UBLK_EV_NR
};

/**
 * ublk_tag_next() - the state after an event
 * @state: present state
 * @event: what happens
 *
 * Server commands get the errors of data.rst section 7, -EINVAL and -EBUSY,
 * with -EBUSY for a FETCH_REQ of a tag the server owns (I-24). -ENOENT: there
 * is no command to cancel. -ENODEV: there is no command for the request.
 * -EPROTO: the driver must never make this transition.
 *
 * Return: the next &enum ublk_tag_state, or a negative errno.
 */
static inline int ublk_tag_next(unsigned int state, enum ublk_tag_event event)
{
	static const s16 next[UBLK_EV_NR][UBLK_TAG_NR_STATES] = {
		[UBLK_EV_FETCH] = {
			[UBLK_TAG_EMPTY]	= UBLK_TAG_ARMED,
			[UBLK_TAG_ARMED]	= -EINVAL,
			[UBLK_TAG_QUEUED]	= -EINVAL,
			[UBLK_TAG_NEED_DATA]	= -EBUSY,
			[UBLK_TAG_SERVER]	= -EBUSY,
			[UBLK_TAG_CANCELED]	= -EINVAL,
			[UBLK_TAG_COMMITTING]	= -EINVAL,
			[UBLK_TAG_REDIRECTED]	= -EINVAL,
		},
		[UBLK_EV_REQUEST] = {
			[UBLK_TAG_EMPTY]	= -ENODEV,
			[UBLK_TAG_ARMED]	= UBLK_TAG_QUEUED,
			[UBLK_TAG_QUEUED]	= -EPROTO,
			[UBLK_TAG_NEED_DATA]	= -EPROTO,
			[UBLK_TAG_SERVER]	= -EPROTO,
			[UBLK_TAG_CANCELED]	= -ENODEV,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= -EPROTO,
		},
		[UBLK_EV_CANCEL] = {
			[UBLK_TAG_EMPTY]	= -ENOENT,
			[UBLK_TAG_ARMED]	= UBLK_TAG_CANCELED,
			[UBLK_TAG_QUEUED]	= -EBUSY,
			[UBLK_TAG_NEED_DATA]	= -ENOENT,
			[UBLK_TAG_SERVER]	= -ENOENT,
			[UBLK_TAG_CANCELED]	= -ENOENT,
			[UBLK_TAG_COMMITTING]	= -ENOENT,
			[UBLK_TAG_REDIRECTED]	= UBLK_TAG_CANCELED,
		},
		[UBLK_EV_DELIVER] = {
			[UBLK_TAG_EMPTY]	= -EPROTO,
			[UBLK_TAG_ARMED]	= -EPROTO,
			[UBLK_TAG_QUEUED]	= UBLK_TAG_SERVER,
			[UBLK_TAG_NEED_DATA]	= -EPROTO,
			[UBLK_TAG_SERVER]	= -EPROTO,
			[UBLK_TAG_CANCELED]	= -EPROTO,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= -EPROTO,
		},
		[UBLK_EV_ASK_DATA] = {
			[UBLK_TAG_EMPTY]	= -EPROTO,
			[UBLK_TAG_ARMED]	= -EPROTO,
			[UBLK_TAG_QUEUED]	= UBLK_TAG_NEED_DATA,
			[UBLK_TAG_NEED_DATA]	= -EPROTO,
			[UBLK_TAG_SERVER]	= -EPROTO,
			[UBLK_TAG_CANCELED]	= -EPROTO,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= -EPROTO,
		},
		[UBLK_EV_UNDELIVERED] = {
			[UBLK_TAG_EMPTY]	= -EPROTO,
			[UBLK_TAG_ARMED]	= -EPROTO,
			[UBLK_TAG_QUEUED]	= UBLK_TAG_ARMED,
			[UBLK_TAG_NEED_DATA]	= -EPROTO,
			[UBLK_TAG_SERVER]	= -EPROTO,
			[UBLK_TAG_CANCELED]	= -EPROTO,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= -EPROTO,
		},
		[UBLK_EV_GET_DATA] = {
			[UBLK_TAG_EMPTY]	= -EINVAL,
			[UBLK_TAG_ARMED]	= -EBUSY,
			[UBLK_TAG_QUEUED]	= -EBUSY,
			[UBLK_TAG_NEED_DATA]	= UBLK_TAG_SERVER,
			[UBLK_TAG_SERVER]	= -EINVAL,
			[UBLK_TAG_CANCELED]	= -EBUSY,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= -EBUSY,
		},
		[UBLK_EV_GET_UNDELIVERED] = {
			[UBLK_TAG_EMPTY]	= -EINVAL,
			[UBLK_TAG_ARMED]	= -EBUSY,
			[UBLK_TAG_QUEUED]	= -EBUSY,
			[UBLK_TAG_NEED_DATA]	= UBLK_TAG_ARMED,
			[UBLK_TAG_SERVER]	= -EINVAL,
			[UBLK_TAG_CANCELED]	= -EBUSY,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= -EBUSY,
		},
		[UBLK_EV_COMMIT] = {
			[UBLK_TAG_EMPTY]	= -EINVAL,
			[UBLK_TAG_ARMED]	= -EBUSY,
			[UBLK_TAG_QUEUED]	= -EBUSY,
			[UBLK_TAG_NEED_DATA]	= -EINVAL,
			[UBLK_TAG_SERVER]	= UBLK_TAG_ARMED,
			[UBLK_TAG_CANCELED]	= -EBUSY,
			[UBLK_TAG_COMMITTING]	= UBLK_TAG_ARMED,
			[UBLK_TAG_REDIRECTED]	= -EBUSY,
		},
		[UBLK_EV_GONE] = {
			[UBLK_TAG_EMPTY]	= UBLK_TAG_EMPTY,
			[UBLK_TAG_ARMED]	= -EPROTO,
			[UBLK_TAG_QUEUED]	= -EPROTO,
			[UBLK_TAG_NEED_DATA]	= UBLK_TAG_EMPTY,
			[UBLK_TAG_SERVER]	= UBLK_TAG_EMPTY,
			[UBLK_TAG_CANCELED]	= UBLK_TAG_EMPTY,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= -EPROTO,
		},
		[UBLK_EV_COMMIT_BEGIN] = {
			[UBLK_TAG_EMPTY]	= -EBUSY,
			[UBLK_TAG_ARMED]	= -EBUSY,
			[UBLK_TAG_QUEUED]	= -EBUSY,
			[UBLK_TAG_NEED_DATA]	= -EBUSY,
			[UBLK_TAG_SERVER]	= UBLK_TAG_COMMITTING,
			[UBLK_TAG_CANCELED]	= -EBUSY,
			[UBLK_TAG_COMMITTING]	= -EBUSY,
			[UBLK_TAG_REDIRECTED]	= -EBUSY,
		},
		[UBLK_EV_COMMIT_UNDO] = {
			[UBLK_TAG_EMPTY]	= -EPROTO,
			[UBLK_TAG_ARMED]	= -EPROTO,
			[UBLK_TAG_QUEUED]	= -EPROTO,
			[UBLK_TAG_NEED_DATA]	= -EPROTO,
			[UBLK_TAG_SERVER]	= -EPROTO,
			[UBLK_TAG_CANCELED]	= -EPROTO,
			[UBLK_TAG_COMMITTING]	= UBLK_TAG_SERVER,
			[UBLK_TAG_REDIRECTED]	= -EPROTO,
		},
		[UBLK_EV_GONE_BATCH] = {
			[UBLK_TAG_EMPTY]	= UBLK_TAG_EMPTY,
			[UBLK_TAG_ARMED]	= UBLK_TAG_EMPTY,
			[UBLK_TAG_QUEUED]	= UBLK_TAG_QUEUED,
			[UBLK_TAG_NEED_DATA]	= -EPROTO,
			[UBLK_TAG_SERVER]	= UBLK_TAG_EMPTY,
			[UBLK_TAG_CANCELED]	= UBLK_TAG_EMPTY,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= -EPROTO,
		},
		[UBLK_EV_EXPIRE] = {
			[UBLK_TAG_EMPTY]	= -EBUSY,
			[UBLK_TAG_ARMED]	= -EBUSY,
			[UBLK_TAG_QUEUED]	= -EBUSY,
			[UBLK_TAG_NEED_DATA]	= UBLK_TAG_CANCELED,
			[UBLK_TAG_SERVER]	= UBLK_TAG_CANCELED,
			[UBLK_TAG_CANCELED]	= -EBUSY,
			[UBLK_TAG_COMMITTING]	= -EBUSY,
			[UBLK_TAG_REDIRECTED]	= -EBUSY,
		},
		[UBLK_EV_REDIRECT] = {
			[UBLK_TAG_EMPTY]	= -EINVAL,
			[UBLK_TAG_ARMED]	= -EBUSY,
			[UBLK_TAG_QUEUED]	= -EBUSY,
			[UBLK_TAG_NEED_DATA]	= -EINVAL,
			[UBLK_TAG_SERVER]	= UBLK_TAG_REDIRECTED,
			[UBLK_TAG_CANCELED]	= -EBUSY,
			[UBLK_TAG_COMMITTING]	= UBLK_TAG_REDIRECTED,
			[UBLK_TAG_REDIRECTED]	= -EBUSY,
		},
		[UBLK_EV_REDIRECT_END] = {
			[UBLK_TAG_EMPTY]	= -EPROTO,
			[UBLK_TAG_ARMED]	= -EPROTO,
			[UBLK_TAG_QUEUED]	= -EPROTO,
			[UBLK_TAG_NEED_DATA]	= -EPROTO,
			[UBLK_TAG_SERVER]	= -EPROTO,
			[UBLK_TAG_CANCELED]	= UBLK_TAG_CANCELED,
			[UBLK_TAG_COMMITTING]	= -EPROTO,
			[UBLK_TAG_REDIRECTED]	= UBLK_TAG_ARMED,
		},
	};

	if (state >= UBLK_TAG_NR_STATES)
		return -EPROTO;
	return next[event][state];
}

/**
 * ublk_tag_has_command() - does the driver hold a command in this state?
 * @state: &enum ublk_tag_state
 *
 * Return: true if an io_uring command is pending in the driver.
 */
static inline bool ublk_tag_has_command(unsigned int state)
{
	return state == UBLK_TAG_ARMED || state == UBLK_TAG_QUEUED ||
	       state == UBLK_TAG_REDIRECTED;
}

/**
 * ublk_tag_is_owned() - does the server own a request in this state?
 * @state: &enum ublk_tag_state
 *
 * Return: true if a request waits for the server.
 */
static inline bool ublk_tag_is_owned(unsigned int state)
{
	return state == UBLK_TAG_SERVER || state == UBLK_TAG_NEED_DATA;
}

/**
 * ublk_tag_name() - a state as text, for debugfs and messages
 * @state: &enum ublk_tag_state
 *
 * Return: a constant string.
 */
static inline const char *ublk_tag_name(unsigned int state)
{
	static const char * const name[UBLK_TAG_NR_STATES] = {
		[UBLK_TAG_EMPTY]	= "empty",
		[UBLK_TAG_ARMED]	= "armed",
		[UBLK_TAG_QUEUED]	= "queued",
		[UBLK_TAG_NEED_DATA]	= "need_data",
		[UBLK_TAG_SERVER]	= "server",
		[UBLK_TAG_CANCELED]	= "canceled",
		[UBLK_TAG_COMMITTING]	= "committing",
		[UBLK_TAG_REDIRECTED]	= "redirected",
	};

	return state < UBLK_TAG_NR_STATES ? name[state] : "?";
}

#endif
