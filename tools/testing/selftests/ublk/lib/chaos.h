/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The processes of the chaos test and what they share.
 *
 *   chaos.c        the test itself: starts the others, watches, judges
 *   chaos_ctl.c    processes that send control commands
 *   chaos_srv.c    one process that starts servers and kills them
 *   chaos_end.c    the ways in which a server ends by itself
 *   chaos_redirect.c  servers that redirect requests, and the files for it
 *   chaos_io.c     one process that starts block I/O and kills it
 *   chaos_attr.c   block I/O processes that write to sysfs instead
 *   chaos_final.c  what is done and looked at when all of that has ended
 *
 * All of them share the memory of struct chaos. A member has one writer, or is
 * a counter that is only incremented, atomically.
 *
 * What is on a disk: every sector is zero or stamped (stamp.h). In its first
 * CHAOS_AREA bytes anybody writes; a read there can tell whose sector it got. In
 * the blocks behind that only the io_gen of the device writes, which knows the
 * generations, too. It is never killed, as no one else could know what became of
 * its requests; a device of this test always becomes such that they end.
 */
#ifndef UBLK_SELFTEST_CHAOS_H
#define UBLK_SELFTEST_CHAOS_H

#include "io_gen.h"
#include "raw.h"

#define CHAOS_DEVS	8
#define CHAOS_CTLS	4
#define CHAOS_IOS	10
#define CHAOS_ERRNOS	134
#define CHAOS_FILES	2

/* A small area, so that the memory of the servers stays small. */
#define CHAOS_AREA	(16U << 20)
/* Shared buffers: those of the io_gens, and for each process of chaos_io.c. */
#define CHAOS_IO_SHM	(256U << 10)
#define CHAOS_SHM	(CHAOS_DEVS * IO_GEN_BYTES + CHAOS_IOS * CHAOS_IO_SHM)

enum chaos_op {
	CHAOS_ADD, CHAOS_SET_PARAMS, CHAOS_START, CHAOS_STOP, CHAOS_TRY_STOP,
	CHAOS_DEL, CHAOS_DEL_ASYNC, CHAOS_GET_PARAMS, CHAOS_INFO, CHAOS_INFO2,
	CHAOS_AFFINITY, CHAOS_SIZE, CHAOS_QUIESCE, CHAOS_RECOVER,
	CHAOS_RECOVERED, CHAOS_REG_BUF, CHAOS_UNREG_BUF, CHAOS_NR_OPS,
};

/* How data moves between the request and the server. */
enum chaos_mode {
	CHAOS_COPY, CHAOS_GET_DATA, CHAOS_USER_COPY, CHAOS_ZERO_COPY,
	CHAOS_AUTO_BUF, CHAOS_BATCH, CHAOS_BATCH_USER_COPY,
	CHAOS_BATCH_ZERO_COPY, CHAOS_BATCH_AUTO_BUF,
	CHAOS_REDIRECT, CHAOS_BATCH_REDIRECT, CHAOS_NR_MODES,
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
	unsigned int modes;		/* bits: enum chaos_mode */
	int shmem;			/* one device of so many has SHMEM_ZC, 0: none */
	int devs;			/* numbers 0 to devs - 1 are used */
	int seconds;
	int life_ms;			/* the longest one of servers and I/O */
	int stop;			/* set by the test at the end */
	int forks;			/* makes each process's numbers differ */
	struct chaos_ctl_slot ctl[CHAOS_CTLS];
	pid_t server[CHAOS_DEVS];	/* the last one that opened the node */
	char *store[CHAOS_DEVS];
	int file[CHAOS_DEVS][CHAOS_FILES];	/* reach the store; or -1 */
	struct io_gen *gen[CHAOS_DEVS];
	char *shm;			/* CHAOS_SHM bytes */
	unsigned long results[CHAOS_NR_OPS][CHAOS_ERRNOS];
	unsigned long canceled, unexpected;
	unsigned long servers, served, redirected, kills, immortal, faults;
	unsigned long io_done, io_failed, io_wrong;
	unsigned long attrs_set, attrs_refused;
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

/* A killed process must end, and a canceled command too, within this time. */
static inline int chaos_limit_ms(void)
{
	return 60000 * raw_scale();
}

/* chaos.c */
extern const char *const chaos_op_names[CHAOS_NR_OPS];
void chaos_seed(struct chaos *c, struct chaos_rng *r);
pid_t chaos_fork(void);

/* The bodies of processes; they do not return. */
void chaos_ctl(struct chaos *c, struct chaos_ctl_slot *slot);
void chaos_servers(struct chaos *c);
void chaos_ios(struct chaos *c);

/* chaos_ctl.c */
__u64 chaos_mode_flags(enum chaos_mode mode);
int chaos_add_all(struct chaos *c);

/* chaos_redirect.c */
bool chaos_make_store(struct chaos *c, int id);

/* chaos_io.c, chaos_attr.c */
struct chaos_io {
	struct chaos *c;
	struct chaos_rng rng;
	struct io_uring ring;
	bool shared;		/* buf is part of c->shm */
	char *buf;
	__u32 step;		/* bytes of each of the buffers in it */
};

void chaos_tune(struct chaos_io *io, int id);
void chaos_rescan(struct chaos_io *io, int id);
void chaos_untune(int id);

/* chaos_final.c */
bool chaos_ends(struct chaos *c, const char *what, pid_t pid);
bool chaos_recover_all(struct chaos *c);
bool chaos_delete_all(void);
bool chaos_no_nodes(void);
bool chaos_none_blocked(void);
unsigned long chaos_wrong_blocks(struct chaos *c);
bool chaos_unload(void);

#endif
