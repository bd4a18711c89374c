/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server of the chaos test, between chaos_srv.c, where it serves,
 * chaos_redirect.c, where it has files serve, and chaos_end.c, where it ends.
 */
#ifndef UBLK_SELFTEST_CHAOS_SRV_H
#define UBLK_SELFTEST_CHAOS_SRV_H

#include "chaos.h"
#include "raw_mode.h"

enum chaos_ending {
	/* It is killed from outside; all the others as well, some time later. */
	END_KILLED, END_KILLED2, END_KILLED3,
	END_EXIT, END_CLOSE_RING, END_THREAD, END_THREADS, END_STALL,
	END_FORK, END_FORK_KILL, END_EXEC, END_UNMAP, END_FAULT, END_FAULT2,
	END_NR,
};

enum chaos_manner {
	RIGHT, WRONG, LATE, NEVER, NR_MANNERS,
	/* Most servers answer correctly, or there would be little I/O. */
	MANNERS_RND = 3 * NR_MANNERS,
};

struct chaos_server {
	struct chaos *c;
	struct raw_srv srv;
	struct chaos_rng rng;
	enum chaos_ending ending;
	enum chaos_manner manner;
	long end;		/* when the ending begins */
	int partial;		/* do not fetch the last tag */
	int sqe_flags;		/* of the fetch commands */
	unsigned int ring_flags;
	int threads;
	int uffd;		/* END_FAULT has begun: see chaos_end.c */
};

struct chaos_thread {
	struct chaos_server *s;
	struct chaos_rng rng;
	struct raw_mode mode;
	int first, last;	/* range of queues */
};

void chaos_register(struct chaos_server *s);
int chaos_redirect(struct chaos_thread *t, const struct raw_ev *ev);

void chaos_linger(void);
void chaos_end(struct chaos_thread *t);
void chaos_fault_copy(struct chaos_thread *t, const struct raw_ev *ev);
void chaos_fault_drop(struct chaos_thread *t, const struct raw_ev *ev);

#endif
