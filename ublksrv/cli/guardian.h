/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guardian of a device bounds how long its requests are held, on drivers that do not
 * do that: guardian.c is the process, guardian_find.c finds it.
 */
#ifndef UBLK_GUARDIAN_H
#define UBLK_GUARDIAN_H

#include <stdbool.h>

#include "libublk.h"

#define GUARDIAN_COMM	"ublk-guardian"	/* name of the process */

/**
 * guardian_start - start the guardian of a device that this process serves
 * @id: device
 * @seconds: for which its requests may be held
 *
 * Does nothing if the driver bounds the time. A failure is logged.
 */
void guardian_start(__u32 id, unsigned int seconds);

/**
 * guardian_look - see to whom the requests of a device go
 * @info: the driver's answer; a device that a guardian serves gets the state FAIL_IO
 */
void guardian_look(struct ublksrv_ctrl_dev_info *info);

/**
 * guardian_get_info - ublk_ctrl_get_info(), and guardian_look()
 * @ctrl: handle
 * @id: device
 * @info: receives the answer
 *
 * Return: as ublk_ctrl_get_info()
 */
int guardian_get_info(struct ublk_ctrl *ctrl, __u32 id,
		      struct ublksrv_ctrl_dev_info *info);

/**
 * guardian_yield - have the guardian leave, if it serves the device
 * @ctrl: handle
 * @id: device
 *
 * Return: true if there was one; another server can be started then
 */
bool guardian_yield(struct ublk_ctrl *ctrl, __u32 id);

#endif
