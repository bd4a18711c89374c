/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of "ublk doctor": see doctor.c.
 */
#ifndef UBLK_DOCTOR_H
#define UBLK_DOCTOR_H

#include "cli.h"

/**
 * struct doctor - what the checks share
 * @check: name of the one that runs
 * @ctrl: handle, NULL if the driver cannot be opened
 * @bad: things that are wrong
 */
struct doctor {
	const char *check;
	struct ublk_ctrl *ctrl;
	unsigned int bad;
};

/**
 * doctor_ok - something is as it has to be
 * @d: checks
 * @fmt: what
 */
void doctor_ok(struct doctor *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * doctor_bad - something is wrong
 * @d: checks
 * @cure: what to do
 * @fmt: what it is
 */
void doctor_bad(struct doctor *d, const char *cure, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* doctor_system.c */
void doctor_kernel(struct doctor *d);
void doctor_module(struct doctor *d);
void doctor_uring(struct doctor *d);
void doctor_limits(struct doctor *d);
void doctor_permissions(struct doctor *d);
void doctor_udev(struct doctor *d);

/* doctor_devices.c */
void doctor_run_state(struct doctor *d);
void doctor_devices(struct doctor *d);
void doctor_declarations(struct doctor *d);

#endif
