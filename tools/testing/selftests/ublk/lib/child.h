/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server in a process of its own, for tests that kill it.
 *
 * It opens the device's char node, fetches every tag, and serves a RAM disk
 * that is shared with the test, or holds what it gets; it ends when the driver
 * has given all commands back. The test starts and stops the device.
 */
#ifndef UBLK_SELFTEST_CHILD_H
#define UBLK_SELFTEST_CHILD_H

#include "ut.h"

struct child {
	pid_t pid;
	/* Written by the test: */
	int hold;		/* keep requests of the window, do not answer */
	int hold_all;		/* keep all requests, foreign ones as well */
	int partial;		/* fetch all tags but the last one */
	/* What to do with a request that is kept; runs in the server. */
	int (*on_keep)(struct raw_ring *r, const struct raw_ev *ev);
	/* Written by the server: */
	int error;		/* first error, or 0 */
	int fetched;		/* all commands were sent */
	int owned;		/* requests that were kept */
	int aborted;		/* commands given back with ENODEV */
	char *store;
};

struct child *child_start(struct ut *t, int hold, int partial);
int child_kill(struct child *c);
int child_wait_owned(struct child *c, int n);
int child_wait_exit(struct child *c, int ms);

#endif
