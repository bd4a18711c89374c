// SPDX-License-Identifier: GPL-2.0
/*
 * Model of a device: START_DEV, STOP_DEV, DEL_DEV, END_USER_RECOVERY, servers
 * that open the node, fetch two queues one after the other and exit, and a
 * program that keeps the disk open. The model calls logic/device.h for each
 * decision, and takes the steps in the order of disk.c, gate.c, stop.c and
 * server.c. It has no tags, and of requests only whether the server owns one;
 * tag.c has both.
 *
 * The search shows for each recovery policy that
 *   a device enters a state of lifecycle.rst only with the policies and servers
 *   that it is for;
 *   a queue is open only while a server has fetched it and no command is
 *   canceled;
 *   there is never a second disk;
 *   START_DEV and END_USER_RECOVERY wait only for a server that may become
 *   ready;
 *   a device can be deleted from every state.
 *
 * usage: device [--break=N]	N: a deliberately wrong variant, see below
 */
#include <errno.h>

#include "ktap.h"
#include "search.h"
#include "logic/device.h"
#include "logic/gate_rules.h"

#define NR_QUEUES	2

/* for control.h */
enum { HAS_REQUESTS = false, HAS_NODE = true };

enum { TAG_EMPTY, TAG_FETCHED, TAG_CANCELED };
enum { WAIT_NO, WAIT_SETTLED, WAIT_MUTEX };

/* ublk_server_exit_work() */
enum { E_IDLE, E_CLOSE, E_LOCK, E_WAIT, E_RESET };

struct state {
	u8 dev;			/* UBLK_S_DEV_* */
	u8 server;		/* enum ublk_server_state */
	u8 proc;
	u8 generation;		/* which of two processes has the node open */
	u8 cond[NR_QUEUES];	/* UBLK_COND_* */
	u8 tag[NR_QUEUES];	/* the one tag of each queue */
	u8 canceled;
	u8 busy;		/* the server owns a request */
	u8 disks;		/* gendisks not freed yet */
	u8 opened;		/* a program has the disk open */
	u8 stop_pending, delete_asked, deleted;
	u8 mutex, stop, exit;
	u8 start, start_pid;	/* START_DEV and the process it names */
	u8 end, end_pid;	/* END_USER_RECOVERY likewise */
};

enum {
	BREAK_NONE,
	BREAK_START_STOPPING,	/* START_DEV of a stopping device */
	BREAK_NO_MARK,		/* a stop does not mark the server stopping */
	BREAK_FORGET_CANCEL,	/* the last fetch opens a queue after a cancel */
	BREAK_NO_FAILING,	/* FAIL_IO without UBLK_COND_FAILING */
	BREAK_RESET_COND,	/* the end of a session opens the queues */
	BREAK_END_EARLY,	/* END_USER_RECOVERY without a ready server */
	BREAK_SECOND_DISK,	/* START_DEV while the old disk is open */
	BREAK_DEL_START,	/* DEL_DEV does not wake START_DEV */
	BREAK_READY_EARLY,	/* the device is ready with one queue */
	BREAK_ABORT_STAYS,	/* START_DEV leaves UBLK_COND_ABORTING */
	BREAK_FAILING_ONCE,	/* ... FAILING not again after a recovery */
	NR_BREAKS,

	/* control.h names these; other models search them */
	BREAK_NO_ABORT, BREAK_CANCEL_NEW
};

/* here, as its steps use struct state */
#include "control.h"

/* Requests are left out. */
static void kick(struct state *st)
{
	(void)st;
}

static bool all_ended(const struct state *st)
{
	return !st->busy;
}

static bool waiting(const struct state *st)
{
	return st->dev == UBLK_S_DEV_QUIESCED || st->dev == UBLK_S_DEV_FAIL_IO;
}

/* ublk_server_settled() */
static bool settled(const struct state *st)
{
	return st->server == UBLK_SERVER_READY ||
	       st->server == UBLK_SERVER_STOPPING ||
	       (st->delete_asked && broken != BREAK_DEL_START);
}

static void disk_freed(struct state *st)
{
	if (st->dev == UBLK_S_DEV_DEAD && !st->opened)
		st->disks = 0;
}

static void expand_fetch(struct search *s, const struct state *st)
{
	int q, other, event, server;

	for (q = 0; q < NR_QUEUES; q++) {
		struct state n = *st;

		if (st->tag[q] != TAG_EMPTY)
			continue;
		other = st->tag[!q] != TAG_EMPTY;
		event = other || broken == BREAK_READY_EARLY ?
			UBLK_SERVER_EV_LAST_FETCH : UBLK_SERVER_EV_FETCH;
		server = ublk_server_next(st->server, event);
		if (server < 0)
			continue;
		n.server = server;
		n.tag[q] = TAG_FETCHED;
		n.cond[q] = st->canceled && broken != BREAK_FORGET_CANCEL ?
			    UBLK_COND_CANCELING : 0;
		search_edge(s, &n, q ? "queue 1 fetched" : "queue 0 fetched",
			    EDGE_WORLD);
	}
}

/* The ring cancels a command: first the gate, then the command. */
static void expand_ring(struct search *s, const struct state *st)
{
	int q;

	for (q = 0; q < NR_QUEUES; q++) {
		struct state n = *st;

		if (st->tag[q] != TAG_FETCHED)
			continue;
		cancel_session(&n);
		n.tag[q] = TAG_CANCELED;
		search_edge(s, &n, "ring cancels a command",
			    st->proc == PROC_EXITING ? EDGE_OWN : EDGE_WORLD);
	}
}

static void expand_server(struct search *s, const struct state *st)
{
	struct state n = *st;
	bool open_gate = queue_gate(st, 0) == UBLK_GATE_GO ||
			 queue_gate(st, 1) == UBLK_GATE_GO;

	switch (st->proc) {
	case PROC_NONE:
		n.generation = !st->generation;
		if (!st->deleted)
			expand_open(s, &n);
		break;
	case PROC_ALIVE:
		expand_fetch(s, st);
		expand_ring(s, st);
		if (st->busy) {
			n.busy = 0;
			search_edge(s, &n, "commit", EDGE_WORLD);
		} else if (st->dev != UBLK_S_DEV_DEAD && open_gate) {
			n.busy = 1;
			search_edge(s, &n, "request", EDGE_WORLD);
		}
		n = *st;
		n.proc = PROC_EXITING;
		search_edge(s, &n, "server is killed", EDGE_WORLD);
		break;
	case PROC_EXITING:
		expand_ring(s, st);
		if (st->tag[0] == TAG_FETCHED || st->tag[1] == TAG_FETCHED)
			break;
		n.proc = PROC_GONE;
		n.exit = E_CLOSE;
		search_edge(s, &n, "release", EDGE_OWN);
		break;
	}
}

/* A command that has ended leaves no trace, so that states compare equal. */
static void forget_start(struct state *st)
{
	st->start = WAIT_NO;
	st->start_pid = 0;
}

static void forget_end(struct state *st)
{
	st->end = WAIT_NO;
	st->end_pid = 0;
}

/* ublk_disk_start() */
static void expand_start(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next = ublk_device_next(st->dev, UBLK_DEV_EV_START, policy);
	bool ok = st->server == UBLK_SERVER_READY ||
		  (broken == BREAK_START_STOPPING &&
		   st->server == UBLK_SERVER_STOPPING);

	switch (st->start) {
	case WAIT_NO:
		if (st->end != WAIT_NO)
			break;
		n.start = WAIT_SETTLED;
		n.start_pid = st->generation;
		search_edge(s, &n, "START_DEV", EDGE_WORLD);
		break;
	case WAIT_SETTLED:
		if (!settled(st))
			break;
		if (st->start_pid == st->generation && st->proc != PROC_NONE)
			n.start = WAIT_MUTEX;
		else
			forget_start(&n);
		search_edge(s, &n, "START_DEV: settled", EDGE_OWN);
		break;
	case WAIT_MUTEX:
		if (st->mutex != MUTEX_FREE)
			break;
		forget_start(&n);
		if (st->disks && broken != BREAK_SECOND_DISK)
			next = -EEXIST;
		if (next >= 0 && ok && !st->deleted) {
			n.dev = next;
			n.disks++;
			end_aborting(&n);
		} else if (next >= 0 && st->server < UBLK_SERVER_READY &&
			   !st->delete_asked) {
			/* another session has begun */
			n.start = WAIT_SETTLED;
			n.start_pid = st->start_pid;
		}
		search_edge(s, &n, "START_DEV: decides", EDGE_OWN);
		break;
	}
}

/* END_USER_RECOVERY waits in the same way (C-95). */
static void expand_end(struct search *s, const struct state *st)
{
	struct state n = *st;
	int next = ublk_device_next(st->dev, UBLK_DEV_EV_END_RECOVERY, policy);

	/* without recovery it only waits */
	if (policy == UBLK_POLICY_STOP)
		return;
	switch (st->end) {
	case WAIT_NO:
		if (st->start != WAIT_NO)
			break;
		n.end = WAIT_SETTLED;
		n.end_pid = st->generation;
		search_edge(s, &n, "END_USER_RECOVERY", EDGE_WORLD);
		break;
	case WAIT_SETTLED:
		if (!settled(st) && broken != BREAK_END_EARLY)
			break;
		if (st->end_pid == st->generation && st->proc != PROC_NONE)
			n.end = WAIT_MUTEX;
		else
			forget_end(&n);
		search_edge(s, &n, "END: settled", EDGE_OWN);
		break;
	case WAIT_MUTEX:
		if (st->mutex != MUTEX_FREE)
			break;
		forget_end(&n);
		if (next >= 0 && (st->server == UBLK_SERVER_READY ||
				  broken == BREAK_END_EARLY))
			n.dev = next;
		search_edge(s, &n, "END: decides", EDGE_OWN);
		break;
	}
}

static void remove_disk(struct state *st)
{
	st->dev = UBLK_S_DEV_DEAD;
	disk_freed(st);
}

/* A stop that also removes the node */
static void expand_delete(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (st->stop != S_IDLE)
		return;
	n.stop = S_LOCK;
	n.stop_pending = 1;
	n.delete_asked = 1;
	search_edge(s, &n, "DEL_DEV", EDGE_WORLD);
}

static void expand_stop_take(struct search *s, const struct state *st)
{
	struct state n = *st;
	int q;

	switch (st->stop) {
	case S_TAKE:
		for (q = 0; q < NR_QUEUES; q++)
			if (st->tag[q] == TAG_FETCHED)
				n.tag[q] = TAG_CANCELED;
		n.stop = S_NODE;
		search_edge(s, &n, "stop cancels commands", EDGE_OWN);
		break;
	case S_NODE:
		n.deleted = st->delete_asked;
		n.stop = S_END;
		search_edge(s, &n, "stop removes node", EDGE_OWN);
		break;
	}
}

static void expand_exit(struct search *s, const struct state *st)
{
	struct state n = *st;
	int q;

	switch (st->exit) {
	case E_CLOSE:
		if (st->disks)
			close_queues(&n, UBLK_COND_CANCELING);
		n.busy = 0;
		n.exit = E_LOCK;
		search_edge(s, &n, "exit ends requests", EDGE_OWN);
		break;
	case E_LOCK:
		if (st->mutex != MUTEX_FREE)
			break;
		n.mutex = MUTEX_EXIT;
		n.exit = E_RESET;
		if (server_gone(&n)) {
			begin_removal(&n);
			n.exit = E_WAIT;
		}
		search_edge(s, &n, "exit gets mutex", EDGE_OWN);
		break;
	case E_WAIT:
		expand_exit_wait(s, st, E_RESET);
		break;
	case E_RESET:
		end_session(&n);
		for (q = 0; q < NR_QUEUES; q++) {
			n.tag[q] = TAG_EMPTY;
			if (broken == BREAK_RESET_COND)
				n.cond[q] = 0;
		}
		search_edge(s, &n, "exit ends session", EDGE_OWN);
		break;
	}
}

static void expand_opener(struct search *s, const struct state *st)
{
	struct state n = *st;

	if (st->opened) {
		n.opened = 0;
		disk_freed(&n);
		search_edge(s, &n, "disk closed", EDGE_WORLD);
	} else if (st->dev != UBLK_S_DEV_DEAD) {
		n.opened = 1;
		search_edge(s, &n, "disk opened", EDGE_WORLD);
	}
}

static void expand(struct search *s, const void *state)
{
	const struct state *st = state;

	expand_server(s, st);
	expand_start(s, st);
	expand_end(s, st);
	expand_stop(s, st);
	expand_delete(s, st);
	expand_exit(s, st);
	expand_opener(s, st);
}

static const char *check_state(const struct state *st)
{
	bool no_server = st->server == UBLK_SERVER_NONE;
	bool no_proc = st->proc == PROC_NONE;

	if (st->disks > 1)
		return "two disks";
	if (st->dev != UBLK_S_DEV_DEAD && !st->disks)
		return "the state needs a disk, but there is none";
	if (st->dev == UBLK_S_DEV_QUIESCED && !ublk_policy_holds(policy))
		return "QUIESCED with a policy that does not hold";
	if (st->dev == UBLK_S_DEV_FAIL_IO && policy != UBLK_POLICY_FAIL)
		return "FAIL_IO with another policy";
	if (st->dev == UBLK_S_DEV_LIVE && st->proc == PROC_NONE)
		return "LIVE without a server";
	if (no_server != no_proc)
		return "the server state does not match the process";
	if (st->server == UBLK_SERVER_STOPPING && st->dev != UBLK_S_DEV_DEAD)
		return "the server is stopping, but the device is not DEAD";
	if (st->server == UBLK_SERVER_READY &&
	    (st->tag[0] == TAG_EMPTY || st->tag[1] == TAG_EMPTY))
		return "ready before every queue is fetched";
	return NULL;
}

static const char *check(const void *state)
{
	const struct state *st = state;
	int q;

	for (q = 0; q < NR_QUEUES; q++) {
		if (st->dev == UBLK_S_DEV_DEAD)
			continue;
		if (queue_gate(st, q) == UBLK_GATE_GO && st->tag[q] != TAG_FETCHED)
			return "a queue is open without a command";
		if (st->dev == UBLK_S_DEV_FAIL_IO && st->proc == PROC_NONE &&
		    queue_gate(st, q) != UBLK_GATE_FAIL_REMOTE)
			return "FAIL_IO does not fail requests";
		if (st->dev == UBLK_S_DEV_QUIESCED && st->proc == PROC_NONE &&
		    !st->stop_pending && queue_gate(st, q) != UBLK_GATE_HOLD)
			return "QUIESCED does not hold requests";
	}
	return check_state(st);
}

static const char *rest(const void *state)
{
	const struct state *st = state;
	const char *why = rest_control(st, st->busy && st->proc == PROC_ALIVE);

	if (why)
		return why;
	if (st->start == WAIT_SETTLED && (st->deleted || settled(st)))
		return "START_DEV waits without a reason";
	if (st->end == WAIT_SETTLED && (st->deleted || settled(st)))
		return "END_USER_RECOVERY waits without a reason";
	/* only a stop that waits for a living server keeps the mutex */
	if (st->mutex != MUTEX_FREE && st->stop != S_WAIT)
		return "the mutex is left locked";
	return NULL;
}

static bool goal(const void *state)
{
	const struct state *st = state;

	return st->deleted && st->proc == PROC_NONE && !st->disks &&
	       st->stop == S_IDLE && st->start == WAIT_NO && !waiting(st);
}

static void show(const void *state)
{
	static const char * const server[] = { "none", "fetching", "ready",
					       "stopping" };
	const struct state *st = state;

	printf("%s server=%s/%s gates=%s/%s disks=%u%s%s%s%s",
	       ublk_device_name(st->dev), proc_name(st), server[st->server],
	       gate_name(st, 0), gate_name(st, 1), st->disks,
	       st->opened ? " opened" : "", st->busy ? " busy" : "",
	       st->stop_pending ? " stopping" : "",
	       st->deleted ? " deleted" : "");
}

static const struct state start = { .dev = UBLK_S_DEV_DEAD };

#include "policy.h"
