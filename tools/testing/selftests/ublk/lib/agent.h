/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second process that does what would block the test: block I/O on the
 * device that the test serves, and control commands that wait for the server.
 *
 * It is forked before the test opens anything, so that it holds no reference
 * to the char device, and it dies with the test. Each job runs in a thread of
 * its own; its argument and the data area are memory shared with the test.
 */
#ifndef UBLK_SELFTEST_AGENT_H
#define UBLK_SELFTEST_AGENT_H

#include "raw.h"

#define AGENT_JOBS	128
#define AGENT_ARG	128
#define AGENT_LONG_MS	5000	/* a timeout of this or more is a failure */
#define AGENT_DATA	(16U << 20)

typedef long (*agent_fn)(void *arg);

struct agent_job {
	agent_fn fn;
	int busy;		/* 1 from agent_start() until the job is done */
	pid_t tid;		/* its thread, once that runs */
	long res;
	long ms;		/* how long it ran */
	char arg[AGENT_ARG] __attribute__((aligned(16)));
};

struct agent {
	pid_t pid;
	int pipe[2];
	unsigned int next;
	char *data;		/* AGENT_DATA bytes, page aligned */
	struct agent_job jobs[AGENT_JOBS];
};

enum agent_blk_op {
	AGENT_READ, AGENT_WRITE, AGENT_WRITE_FUA, AGENT_FSYNC, AGENT_DISCARD,
	AGENT_ZEROOUT, AGENT_PUNCH, AGENT_READAHEAD, AGENT_RRPART,
};

struct agent *agent_open(void);
void agent_close(struct agent *a);
int agent_start(struct agent *a, agent_fn fn, const void *arg, size_t len);
bool agent_done(struct agent *a, int job);
long agent_wait(struct agent *a, int job, int ms);

int agent_ctrl(struct agent *a, __u32 op, int id, __u64 data);
int agent_blk(struct agent *a, int id, enum agent_blk_op op, __u64 off,
	      __u32 len, __u32 data);
bool agent_wait_open(struct agent *a, int job);
bool agent_wait_sleep(struct agent *a, int job);
int agent_hold(struct agent *a, int id);
void agent_release(struct agent *a);
long agent_blk_run(int id, enum agent_blk_op op, __u64 off, __u32 len,
		   void *buf);

/* Serve everything that arrives on @r until the job is done. */
long agent_wait_serving(struct agent *a, int job, struct raw_ring *r, int ms);

#endif
