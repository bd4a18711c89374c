/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of "ublk list": list.c finds the devices and prints text, list_json.c
 * prints JSON, list_daemon.c looks at daemons, list_file.c at files.
 */
#ifndef UBLK_LIST_H
#define UBLK_LIST_H

#include <sys/resource.h>
#include <jansson.h>

#include "cli.h"

/* What /proc has about a daemon. */
struct list_daemon {
	bool known;
	int oom_score_adj;
	unsigned long locked_kib;
	bool io_flusher;
	int realtime;		/* priority of its first queue, or 0 */
	struct rlimit memlock, nofile;
	char command[400];	/* arguments, separated by blanks */
};

/* What the driver and the run-state file have about a device. */
struct list_dev {
	const struct ublk_query *query;
	struct state state;
	bool has_state;
	unsigned int hold_timeout;	/* seconds, 0: no bound */
	pid_t supervisor;	/* 0: none */
	bool has_daemon;	/* it has one, which wrote @state */
	char flags[512];
	char note[320];		/* what is missing, and why; or "" */
	char users[800];	/* who uses the disk; "" if nobody looked */
	struct list_daemon daemon;
};

/**
 * list_json - a device for the document of --json
 * @d: device
 *
 * Return: new reference, or NULL without memory
 */
json_t *list_json(const struct list_dev *d);

/**
 * list_daemon_load - look at a daemon
 * @pid: process; not positive if there is none
 * @tid: its thread of the first queue, or -1
 * @daemon: filled
 */
void list_daemon_load(pid_t pid, pid_t tid, struct list_daemon *daemon);

/**
 * list_daemon_text - print what a daemon has
 * @daemon: from list_daemon_load()
 */
void list_daemon_text(const struct list_daemon *daemon);

/**
 * list_has_file - is a file the store of a device, or a part of it
 * @st: record of the device
 * @path: file
 *
 * Return: true if it is
 */
bool list_has_file(const struct state *st, const char *path);

/**
 * list_each - call a function for devices, which prints them in a form of its own
 * @id: device, or UBLK_ID_AUTO for all
 * @file: only those with this file, or NULL
 * @show: the function; with --json the devices go into the document instead
 * @arg: for @show
 *
 * Return: exit status, with the message printed
 */
int list_each(__u64 id, const char *file,
	      void (*show)(void *arg, const struct list_dev *d), void *arg);

#endif
