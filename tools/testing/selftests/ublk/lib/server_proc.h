/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server in a process of its own, for tests that kill it or make it leave in
 * one of the other ways.
 *
 * It works in the mode that the flags of the device ask for (raw_mode.h). It
 * opens the char node, fetches the tags, and serves a RAM disk in memory of the
 * test, which survives the server, so that the next one finds the data. It exits
 * when the driver has ended all of its commands. The test starts and stops the
 * device.
 *
 * There are two shapes:
 *   server_new(), server_start()   one thread per queue; the main thread opens
 *                                  the node and carries out orders
 *   server_launch()                one thread for everything; it takes no orders
 */
#ifndef UBLK_SELFTEST_SERVER_PROC_H
#define UBLK_SELFTEST_SERVER_PROC_H

#include "raw.h"

/* What the server is to do next. */
enum server_order {
	SERVER_SERVE,
	SERVER_EXIT,		/* exit the process, whatever its threads do */
	SERVER_EXEC,		/* exec a program that does not end by itself */
	SERVER_END_THREAD,	/* the thread of queue 0 exits, its ring stays */
	SERVER_END_THREADS,	/* all threads of queues exit */
	SERVER_CLOSE_RINGS,	/* the threads close their rings and exit */
	SERVER_CLOSE_NODE,	/* after that: unmap and close the char node */
	SERVER_FORK,		/* leave a child that inherits all, and exit */
	SERVER_UNMAP,		/* unmap the descriptors and the I/O buffers */
};

/* Which requests the server keeps instead of answering them. */
enum server_hold {
	SERVER_HOLD_NONE,
	SERVER_HOLD_WINDOW,	/* those of the test's window, see raw.h */
	SERVER_HOLD_ALL,
};

/* Shared with the server; each member has one writer, the other side polls. */
struct server_proc {
	pid_t pid;
	/* Set by the test before the start: */
	struct ublksrv_ctrl_dev_info info;
	char *store;
	int file;		/* store as a file, if requests are redirected, or -1 */
	char *shm;		/* what every shared buffer of the device is, or NULL */
	bool threaded;		/* a thread per queue */
	bool partial;		/* fetch all tags but the last one */
	unsigned int ring_flags;
	unsigned int sqe_flags;	/* of the fetch commands */
	/* Set by the test at any time: */
	int order;
	int hold;		/* enum server_hold */
	/* Called for a request that is kept, in the server; 0 or -errno. */
	int (*on_keep)(struct raw_ring *r, const struct raw_ev *ev);
	/* Set by the server: */
	int error;		/* the first one, or 0 */
	int fetched;		/* threads that have sent their commands */
	int obeyed;		/* threads that have carried out the order */
	int kept;		/* requests that were kept */
	int aborted;		/* commands that ended with ENODEV */
	int finished;		/* threads without a command left */
	int left[RAW_MAX_QUEUES];	/* commands of each thread */
	pid_t child;		/* of SERVER_FORK */
	__u64 served[RAW_MAX_QUEUES];	/* requests of each queue */
};

struct server_proc *server_new(const struct ublksrv_ctrl_dev_info *info,
			       char *store);
void server_free(struct server_proc *s);
char *server_store(void);
int server_start(struct server_proc *s);
struct server_proc *server_launch(const struct ublksrv_ctrl_dev_info *info,
				  enum server_hold hold, bool partial);
int server_order(struct server_proc *s, enum server_order order);
int server_kill(struct server_proc *s);
int server_wait_kept(struct server_proc *s, int n);
int server_wait_exit(struct server_proc *s, int ms);
void server_report(struct server_proc *s);

#endif
