/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The processes of the chaos test and what they share.
 *
 *   chaos.c      the test itself: starts the others, watches, cleans up, judges
 *   chaos_ctl.c  processes that send control commands
 *   chaos_srv.c  one process that starts servers and kills them
 *   chaos_io.c   one process that starts block I/O and kills it
 *
 * All of them share the memory of struct chaos. A member has one writer, or is
 * a counter that is only incremented, atomically.
 */
#ifndef UBLK_SELFTEST_CHAOS_H
#define UBLK_SELFTEST_CHAOS_H

#include "raw.h"

#define CHAOS_DEVS	8
#define CHAOS_CTLS	4
/* A killed process must end, and a canceled command too, within this time. */
#define CHAOS_LIMIT_MS	60000
#define CHAOS_ERRNOS	134

enum chaos_op {
	CHAOS_ADD, CHAOS_SET_PARAMS, CHAOS_START, CHAOS_STOP, CHAOS_TRY_STOP,
	CHAOS_DEL, CHAOS_DEL_ASYNC, CHAOS_GET_PARAMS, CHAOS_INFO, CHAOS_INFO2,
	CHAOS_AFFINITY, CHAOS_SIZE, CHAOS_QUIESCE, CHAOS_RECOVER,
	CHAOS_RECOVERED, CHAOS_NR_OPS,
};

/* What a command process is doing; since is 0 between commands. */
struct chaos_ctl_slot {
	pid_t pid;
	long since;
	int op, id;
	int canceled;
};

struct chaos {
	__u64 seed, features;
	int stop;			/* set by the test at the end */
	int forks;			/* makes each process's numbers differ */
	struct chaos_ctl_slot ctl[CHAOS_CTLS];
	pid_t server[CHAOS_DEVS];	/* the last one that opened the node */
	char *store[CHAOS_DEVS];
	unsigned long results[CHAOS_NR_OPS][CHAOS_ERRNOS];
	unsigned long canceled, unexpected;
	unsigned long servers, served, kills, immortal;
	unsigned long io_done, io_failed;
};

struct chaos_rng {
	__u64 x;
};

/* xorshift64*: good enough, and the same everywhere. */
static inline unsigned int chaos_rnd(struct chaos_rng *r, unsigned int below)
{
	r->x ^= r->x >> 12;
	r->x ^= r->x << 25;
	r->x ^= r->x >> 27;
	return (r->x * 0x2545f4914f6cdd1dULL >> 33) % below;
}

static inline bool chaos_stopping(struct chaos *c)
{
	return __atomic_load_n(&c->stop, __ATOMIC_ACQUIRE);
}

static inline void chaos_count(unsigned long *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

extern const char *const chaos_op_names[CHAOS_NR_OPS];

void chaos_seed(struct chaos *c, struct chaos_rng *r);
pid_t chaos_fork(void);
void chaos_ctl(struct chaos *c, struct chaos_ctl_slot *slot);
void chaos_servers(struct chaos *c);
void chaos_ios(struct chaos *c);

#endif
