/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread's part of a server that works in every mode: per-tag or batch
 * commands; data copied by the driver, by pread() and pwrite() on the char
 * device, or by I/O on the request's registered pages.
 *
 * info.flags of the raw_srv say which mode it is. For servers that serve
 * correctly and misbehave only in the way they leave (server_proc.h). A raw_mode
 * belongs to the thread that opened it, which may fetch several queues.
 */
#ifndef UBLK_SELFTEST_RAW_MODE_H
#define UBLK_SELFTEST_RAW_MODE_H

#include "raw_batch.h"

struct raw_mode {
	struct raw_srv *srv;
	/* One of the two, as the flags say: */
	struct raw_ring ring;
	struct raw_batch batch;
};

int raw_mode_open(struct raw_mode *m, struct raw_srv *s,
		  unsigned int ring_flags);
void raw_mode_close(struct raw_mode *m);
int raw_mode_fetch(struct raw_mode *m, int q, int nr, unsigned int sqe_flags);
int raw_mode_event(struct raw_mode *m, struct raw_ev *ev, int ms);
int raw_mode_work(struct raw_mode *m, const struct raw_ev *ev);
int raw_mode_commit(struct raw_mode *m, const struct raw_ev *ev, int result);
int raw_mode_serve(struct raw_mode *m, const struct raw_ev *ev);
int raw_mode_redirect(struct raw_mode *m, const struct raw_ev *ev, int file);
bool raw_mode_refused(struct raw_mode *m, struct raw_ev *ev);

#endif
