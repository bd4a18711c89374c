/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What becomes of a request: it goes to the server, is held, or fails.
 *
 * ublk_gate_decide() is for requests that arrive; ../gate.c keeps its answer in one
 * byte per queue, so that queue_rq.c makes one comparison. ublk_gate_on_exit() is
 * for those that the server has left behind.
 */
#ifndef UBLK_LOGIC_GATE_RULES_H
#define UBLK_LOGIC_GATE_RULES_H

#include "device.h"

/* Conditions of a queue; they decide its gate. */
#define UBLK_COND_CANCELING	0x1	/* no command to be had (L-31) */
#define UBLK_COND_ABORTING	0x2	/* stopping: nothing is held (L-34) */
#define UBLK_COND_FAILING	0x4	/* FAIL_IO state was entered */

/**
 * enum ublk_gate - what a queue does with a request
 * @UBLK_GATE_GO: deliver it
 * @UBLK_GATE_HOLD: keep it on the requeue list until ublk_gate_kick()
 * @UBLK_GATE_FAIL: end it with EIO
 * @UBLK_GATE_FAIL_REMOTE: end it with EREMOTEIO
 */
enum ublk_gate {
	UBLK_GATE_GO,
	UBLK_GATE_HOLD,
	UBLK_GATE_FAIL,
	UBLK_GATE_FAIL_REMOTE
};

/**
 * ublk_gate_decide() - the gate of a queue in these conditions (L-30)
 * @cond: UBLK_COND_*
 * @policy: of the device
 *
 * Return: &enum ublk_gate.
 */
static inline enum ublk_gate ublk_gate_decide(unsigned int cond,
					      enum ublk_policy policy)
{
	if (cond & UBLK_COND_FAILING)
		return UBLK_GATE_FAIL_REMOTE;
	if ((cond & UBLK_COND_ABORTING) && ublk_policy_holds(policy))
		return UBLK_GATE_FAIL;
	if (cond & UBLK_COND_CANCELING)
		return ublk_policy_holds(policy) ? UBLK_GATE_HOLD :
						   UBLK_GATE_FAIL;
	return UBLK_GATE_GO;
}

/**
 * ublk_gate_on_exit() - what happens to a request whose server is gone (L-1)
 * @policy: of the device
 * @delivered: the server had seen it
 *
 * Return: UBLK_GATE_HOLD or UBLK_GATE_FAIL.
 */
static inline enum ublk_gate ublk_gate_on_exit(enum ublk_policy policy,
					       bool delivered)
{
	if (policy == UBLK_POLICY_REISSUE)
		return UBLK_GATE_HOLD;
	if (policy == UBLK_POLICY_HOLD && !delivered)
		return UBLK_GATE_HOLD;
	return UBLK_GATE_FAIL;
}

#endif
