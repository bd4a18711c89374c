/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does a server that lives still work? heartbeat.c, for supervise.c.
 */
#ifndef UBLK_HEARTBEAT_H
#define UBLK_HEARTBEAT_H

#include <sys/types.h>

#include "libublk.h"

#define HEARTBEAT_LOOKS	6	/* during the time that makes a hang */

enum heartbeat_verdict {
	HEARTBEAT_OK,
	HEARTBEAT_HANGS,	/* a thread has not come to its requests for too long */
	HEARTBEAT_BLOCKED,	/* it hangs in the kernel, and cannot be killed */
	HEARTBEAT_GOES_ON,	/* it did, and does no more */
};

struct heartbeat_thread {
	pid_t tid;
	unsigned int queue, thread;
	__u64 turn;		/* the last one that was seen */
	__u64 since;		/* when it was seen first */
};

/**
 * struct heartbeat - the threads of a server
 * @limit: ns without a turn that make a hang; 0: never look
 * @next: when to look again, ns of CLOCK_MONOTONIC; 0: not at all
 * @last: when they were looked at
 * @pid: server
 * @reader: its counters, or NULL
 * @nr: number of @threads
 * @threads: one for each queue, or several
 * @said: a blocked thread has been reported
 */
struct heartbeat {
	__u64 limit, next, last;
	pid_t pid;
	struct ublk_stat_reader *reader;
	unsigned int nr;
	struct heartbeat_thread *threads;
	bool said;
};

/**
 * heartbeat_start - begin to watch a server
 * @h: with @h->limit; not watching another one
 * @id: its device
 * @pid: server
 *
 * If the server has no record or no counters, nothing is watched.
 */
void heartbeat_start(struct heartbeat *h, __u32 id, pid_t pid);

/**
 * heartbeat_look - look at the threads, if it is time
 * @h: heartbeat
 * @why: receives what hangs
 * @len: bytes at @why
 *
 * A thread that waits in io_uring for requests, or for its store, does not hang.
 *
 * Return: verdict; HEARTBEAT_BLOCKED and HEARTBEAT_GOES_ON when that begins
 */
enum heartbeat_verdict heartbeat_look(struct heartbeat *h, char *why, size_t len);

/**
 * heartbeat_stop - the server has ended
 * @h: heartbeat
 */
void heartbeat_stop(struct heartbeat *h);

#endif
