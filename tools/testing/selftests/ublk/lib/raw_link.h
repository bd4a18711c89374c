/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One queue of a server that works in every mode: per tag or batch commands;
 * data copied by the driver, by pread and pwrite on the char device, or by I/O on
 * the request's registered pages.
 *
 * For servers that have to serve in any mode and to misbehave in their manner of
 * leaving only: mortal.c. Which mode it is, info.flags of the raw_srv say. A
 * link belongs to the thread that opened it.
 */
#ifndef UBLK_SELFTEST_RAW_LINK_H
#define UBLK_SELFTEST_RAW_LINK_H

#include "raw_batch.h"

struct raw_link {
	struct raw_srv *srv;
	int q;
	struct raw_ring ring;	/* one of the two */
	struct raw_batch batch;
};

int raw_link_open(struct raw_link *l, struct raw_srv *s, int q,
		  unsigned int ring_flags);
void raw_link_close(struct raw_link *l);
int raw_link_fetch(struct raw_link *l, unsigned int sqe_flags);
int raw_link_event(struct raw_link *l, struct raw_ev *ev, int ms);
int raw_link_serve(struct raw_link *l, const struct raw_ev *ev);

#endif
