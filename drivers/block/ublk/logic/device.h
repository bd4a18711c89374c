/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The life of a device: its state and its server. What both mean for a request is
 * in gate_rules.h.
 *
 * Two state machines, each used in one place of the driver:
 *   ublk_device_next()	the state userspace sees (lifecycle.rst section 2)
 *   ublk_server_next()	how far the process behind the char node has come
 */
#ifndef UBLK_LOGIC_DEVICE_H
#define UBLK_LOGIC_DEVICE_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

/**
 * enum ublk_policy - what the recovery flags ask for (L-1)
 * @UBLK_POLICY_STOP: the device ends with its server
 * @UBLK_POLICY_HOLD: requests that no server has seen wait for the next server
 * @UBLK_POLICY_REISSUE: requests that the dead server had wait as well
 * @UBLK_POLICY_FAIL: the device stays, requests fail
 * @UBLK_POLICY_NR: number of policies
 */
enum ublk_policy {
	UBLK_POLICY_STOP,
	UBLK_POLICY_HOLD,
	UBLK_POLICY_REISSUE,
	UBLK_POLICY_FAIL,
	UBLK_POLICY_NR
};

/**
 * ublk_device_policy() - the policy of a device
 * @flags: negotiated UBLK_F_*
 *
 * UBLK_F_USER_RECOVERY_FAIL_IO without UBLK_F_USER_RECOVERY has no effect
 * (C-47).
 *
 * Return: &enum ublk_policy.
 */
static inline enum ublk_policy ublk_device_policy(u64 flags)
{
	if (!(flags & UBLK_F_USER_RECOVERY))
		return UBLK_POLICY_STOP;
	if (flags & UBLK_F_USER_RECOVERY_REISSUE)
		return UBLK_POLICY_REISSUE;
	if (flags & UBLK_F_USER_RECOVERY_FAIL_IO)
		return UBLK_POLICY_FAIL;
	return UBLK_POLICY_HOLD;
}

/**
 * ublk_policy_holds() - do undelivered requests wait when the server is gone?
 * @policy: &enum ublk_policy
 *
 * Return: true for the policies that hold requests.
 */
static inline bool ublk_policy_holds(enum ublk_policy policy)
{
	return policy == UBLK_POLICY_HOLD || policy == UBLK_POLICY_REISSUE;
}

/**
 * enum ublk_device_event - what moves a device
 * @UBLK_DEV_EV_START: START_DEV
 * @UBLK_DEV_EV_STOP: STOP_DEV, or any deletion
 * @UBLK_DEV_EV_SERVER_GONE: the session ends
 * @UBLK_DEV_EV_START_RECOVERY: START_USER_RECOVERY, char node closed
 * @UBLK_DEV_EV_END_RECOVERY: END_USER_RECOVERY, new server ready
 * @UBLK_DEV_EV_USE: a command that needs a disk (UPDATE_SIZE, QUIESCE_DEV)
 * @UBLK_DEV_EV_HOLD_EXPIRED: requests were held for the time that was set (I-73)
 * @UBLK_DEV_EV_NR: number of events
 */
enum ublk_device_event {
	UBLK_DEV_EV_START,
	UBLK_DEV_EV_STOP,
	UBLK_DEV_EV_SERVER_GONE,
	UBLK_DEV_EV_START_RECOVERY,
	UBLK_DEV_EV_END_RECOVERY,
	UBLK_DEV_EV_USE,
	UBLK_DEV_EV_HOLD_EXPIRED,
	UBLK_DEV_EV_NR
};

/**
 * ublk_device_gone() - the state of a live device whose server is gone
 * @policy: of the device
 *
 * Return: UBLK_S_DEV_*.
 */
static inline int ublk_device_gone(enum ublk_policy policy)
{
	switch (policy) {
	case UBLK_POLICY_HOLD:
	case UBLK_POLICY_REISSUE:
		return UBLK_S_DEV_QUIESCED;
	case UBLK_POLICY_FAIL:
		return UBLK_S_DEV_FAIL_IO;
	default:
		return UBLK_S_DEV_DEAD;
	}
}

/**
 * ublk_device_next() - the state after an event
 * @state: UBLK_S_DEV_*
 * @event: what happens
 * @policy: of the device
 *
 * Return: the next UBLK_S_DEV_*, or the errno of lifecycle.rst section 2.
 */
static inline int ublk_device_next(unsigned int state,
				   enum ublk_device_event event,
				   enum ublk_policy policy)
{
	bool waiting = state == UBLK_S_DEV_QUIESCED ||
		       state == UBLK_S_DEV_FAIL_IO;

	if (state > UBLK_S_DEV_FAIL_IO)
		return -EPROTO;

	switch (event) {
	case UBLK_DEV_EV_START:
		return state == UBLK_S_DEV_DEAD ? UBLK_S_DEV_LIVE : -EEXIST;
	case UBLK_DEV_EV_STOP:
		return UBLK_S_DEV_DEAD;
	case UBLK_DEV_EV_SERVER_GONE:
		if (state == UBLK_S_DEV_LIVE)
			return ublk_device_gone(policy);
		return state;
	case UBLK_DEV_EV_START_RECOVERY:
		if (policy == UBLK_POLICY_STOP)
			return -EINVAL;
		return waiting ? (int)state : -EBUSY;
	case UBLK_DEV_EV_END_RECOVERY:
		if (policy == UBLK_POLICY_STOP)
			return -EINVAL;
		return waiting ? UBLK_S_DEV_LIVE : -EBUSY;
	case UBLK_DEV_EV_USE:
		return state == UBLK_S_DEV_DEAD ? -ENODEV : (int)state;
	case UBLK_DEV_EV_HOLD_EXPIRED:
		return state == UBLK_S_DEV_QUIESCED ? UBLK_S_DEV_FAIL_IO :
						      (int)state;
	default:
		return -EPROTO;
	}
}

/**
 * enum ublk_server_state - the process behind the char node, in this session
 * @UBLK_SERVER_NONE: the node is free
 * @UBLK_SERVER_FETCHING: opened, not every tag fetched yet
 * @UBLK_SERVER_READY: every tag of every queue was fetched
 * @UBLK_SERVER_STOPPING: the device was stopped meanwhile; nothing starts
 *	before this session has ended (L-40)
 */
enum ublk_server_state {
	UBLK_SERVER_NONE,
	UBLK_SERVER_FETCHING,
	UBLK_SERVER_READY,
	UBLK_SERVER_STOPPING
};

/**
 * enum ublk_server_event - what moves a server
 * @UBLK_SERVER_EV_OPEN: open of the char node
 * @UBLK_SERVER_EV_FETCH: a valid FETCH_REQ that leaves tags unfetched
 * @UBLK_SERVER_EV_LAST_FETCH: the FETCH_REQ of the last tag
 * @UBLK_SERVER_EV_STOP: the device is stopped or deleted
 * @UBLK_SERVER_EV_RESET: the session has ended
 */
enum ublk_server_event {
	UBLK_SERVER_EV_OPEN,
	UBLK_SERVER_EV_FETCH,
	UBLK_SERVER_EV_LAST_FETCH,
	UBLK_SERVER_EV_STOP,
	UBLK_SERVER_EV_RESET
};

/**
 * ublk_server_next() - the server's state after an event
 * @state: present state
 * @event: what happens
 *
 * Return: the next &enum ublk_server_state; -EBUSY for a second open (D-1) and
 * for a FETCH_REQ on a ready device (D-44), -ENODEV for a FETCH_REQ on a
 * stopping one (D-43).
 */
static inline int ublk_server_next(enum ublk_server_state state,
				   enum ublk_server_event event)
{
	switch (event) {
	case UBLK_SERVER_EV_OPEN:
		return state == UBLK_SERVER_NONE ? UBLK_SERVER_FETCHING : -EBUSY;
	case UBLK_SERVER_EV_FETCH:
	case UBLK_SERVER_EV_LAST_FETCH:
		if (state == UBLK_SERVER_STOPPING)
			return -ENODEV;
		if (state != UBLK_SERVER_FETCHING)
			return -EBUSY;
		return event == UBLK_SERVER_EV_FETCH ? UBLK_SERVER_FETCHING :
						       UBLK_SERVER_READY;
	case UBLK_SERVER_EV_STOP:
		return state == UBLK_SERVER_NONE ? UBLK_SERVER_NONE :
						   UBLK_SERVER_STOPPING;
	case UBLK_SERVER_EV_RESET:
		return UBLK_SERVER_NONE;
	}
	return -EPROTO;
}

/**
 * ublk_device_name() - a device state as text
 * @state: UBLK_S_DEV_*
 *
 * Return: a constant string.
 */
static inline const char *ublk_device_name(unsigned int state)
{
	switch (state) {
	case UBLK_S_DEV_DEAD:
		return "DEAD";
	case UBLK_S_DEV_LIVE:
		return "LIVE";
	case UBLK_S_DEV_QUIESCED:
		return "QUIESCED";
	case UBLK_S_DEV_FAIL_IO:
		return "FAIL_IO";
	default:
		return "UNKNOWN";
	}
}

#endif
