/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second process for everything that would block the test: block I/O on the
 * device that the test serves, and control commands that wait for the server.
 *
 * It is forked before the test opens anything, so that it holds no reference to
 * the char device, and it dies with the test. Each job runs in a thread of its
 * own; its argument and the data area are memory shared with the test.
 */
#ifndef UBLK_SELFTEST_IO_CLIENT_H
#define UBLK_SELFTEST_IO_CLIENT_H

#include "raw.h"

#define CLIENT_JOBS	128
#define CLIENT_ARG	128
#define CLIENT_LONG_MS	5000	/* a timeout of this or more is a failure */
#define CLIENT_DATA	(16U << 20)

typedef long (*client_fn)(void *arg);

struct client_job {
	client_fn fn;
	int busy;		/* 1 from client_start() to the job's end */
	pid_t tid;		/* its thread, once that runs, or 0 */
	long res;
	long ms;		/* how long it ran */
	char arg[CLIENT_ARG] __attribute__((aligned(16)));
};

struct io_client {
	pid_t pid;
	int pipe[2];
	unsigned int next;
	char *data;		/* CLIENT_DATA bytes, page aligned */
	struct client_job jobs[CLIENT_JOBS];
};

enum client_blk_op {
	CLIENT_READ,
	CLIENT_WRITE,
	CLIENT_WRITE_FUA,
	CLIENT_FSYNC,
	CLIENT_DISCARD,
	CLIENT_ZEROOUT,
	CLIENT_PUNCH,
	CLIENT_READAHEAD,
	CLIENT_RRPART,
};

struct io_client *client_open(void);
void client_close(struct io_client *c);
int client_start(struct io_client *c, client_fn fn, const void *arg,
		 size_t len);
bool client_done(struct io_client *c, int job);
long client_wait(struct io_client *c, int job, int ms);

int client_ctrl(struct io_client *c, __u32 op, int id, __u64 data);
int client_blk(struct io_client *c, int id, enum client_blk_op op, __u64 off,
	       __u32 len, __u32 data);
bool client_wait_open(struct io_client *c, int job);
bool client_wait_sleep(struct io_client *c, int job);
int client_hold(struct io_client *c, int id);
void client_release(struct io_client *c);
long client_blk_run(int id, enum client_blk_op op, __u64 off, __u32 len,
		    void *buf);

/* Serve everything that arrives on @r until the job is done. */
long client_wait_serving(struct io_client *c, int job, struct raw_ring *r,
			 int ms);

#endif
