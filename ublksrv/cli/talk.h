/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The socket of a supervisor, in the directory of the run-state files: talk.c. It says
 * who supervises a device, and takes requests for another program.
 *
 * A client sends a line, "upgrade PATH". The supervisor answers with lines, and closes
 * the connection: "failed TEXT"; or "served PID MICROSECONDS", which is how long IO
 * waited, if there was a server, and then "supervised" by the supervisor of the new
 * program. Both sides may be of different versions.
 */
#ifndef UBLK_TALK_H
#define UBLK_TALK_H

#include "cli.h"

#define TALK_SUFFIX	".socket"
#define TALK_LINE_MAX	4200	/* a path, and a word */

/**
 * talk_listen - become the one that supervises
 * @key: name of a declared device, else number
 *
 * Return: descriptor; -EBUSY if there is another supervisor, or other negative errno,
 * with a message
 */
int talk_listen(const char *key);

/**
 * talk_end - remove the socket
 * @key: as for talk_listen()
 * @fd: from talk_listen()
 */
void talk_end(const char *key, int fd);

/**
 * talk_is_left - is it the socket of a supervisor that was killed
 * @file: name of a file in the directory of the run-state files
 *
 * The caller has the lock of state_lock(), else a supervisor may be about to listen.
 */
bool talk_is_left(const char *file);

/**
 * talk_connect - reach the supervisor of a device
 * @id: device
 * @name: its name, or NULL
 * @pid: receives the supervisor
 *
 * Return: descriptor, -1 if nobody supervises the device
 */
int talk_connect(__u32 id, const char *name, pid_t *pid);

/**
 * talk_supervisor - who supervises a device
 * @id: device
 * @name: its name, or NULL
 *
 * Return: process, 0 if nobody does
 */
pid_t talk_supervisor(__u32 id, const char *name);

/**
 * talk_say - send a line
 * @fd: connection, or -1 for nobody
 * @fmt: line without its end
 */
void talk_say(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
