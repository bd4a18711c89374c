/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server with one thread per queue that can leave in every way there is.
 *
 * It works in the mode that the flags of the device say (raw_link.h) and serves
 * a RAM disk in memory of the test, which survives it, so that its
 * successor finds the data. What it is to do next is an order; an order that
 * leaves the process alive is acknowledged.
 */
#ifndef UBLK_SELFTEST_MORTAL_H
#define UBLK_SELFTEST_MORTAL_H

#include "raw.h"

enum mortal_order {
	MORTAL_SERVE,
	MORTAL_EXIT,	/* exit of the process, whatever its threads do */
	MORTAL_EXEC,	/* exec of something that does not end by itself */
	MORTAL_THREAD,	/* the thread of queue 0 exits, its ring stays open */
	MORTAL_THREADS,	/* all of them do */
	MORTAL_RINGS,	/* the threads close their rings and do nothing more */
	MORTAL_NODE,	/* after that: unmap and close the char node */
	MORTAL_FORK,	/* leave a child behind that has everything, and exit */
	MORTAL_UNMAP,	/* descriptors and I/O buffers are unmapped */
};

struct mortal {
	pid_t pid;
	/* Written by the test: */
	int order;
	int hold;		/* keep what comes, answer nothing */
	/* Before the start: */
	unsigned int ring_flags;
	unsigned int sqe_flags;	/* of the fetch commands */
	char *store;
	struct ublksrv_ctrl_dev_info info;
	/* Written by the server: */
	int error;
	int fetched;		/* queues */
	int obeyed;		/* threads that have done what was ordered */
	int owned;		/* requests kept */
	int through;		/* threads without a command left */
	int left[RAW_MAX_QUEUES];	/* commands of each */
	pid_t heir;		/* of MORTAL_FORK */
	__u64 served[RAW_MAX_QUEUES];
};

struct mortal *mortal_new(const struct ublksrv_ctrl_dev_info *info,
			  char *store);
void mortal_free(struct mortal *m);
int mortal_start(struct mortal *m);
int mortal_tell(struct mortal *m, enum mortal_order order);
int mortal_kill(struct mortal *m);
int mortal_wait_exit(struct mortal *m, int ms);
void mortal_report(struct mortal *m);
char *mortal_store(void);

#endif
