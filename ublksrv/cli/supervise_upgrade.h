/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Another program for a supervisor and its server, under IO: supervise_upgrade.c, for
 * supervise.c.
 */
#ifndef UBLK_SUPERVISE_UPGRADE_H
#define UBLK_SUPERVISE_UPGRADE_H

#include "supervise.h"
#include "talk.h"

enum upgrade_step {
	UPGRADE_NONE,
	UPGRADE_CHECK,		/* does the new program start? */
	UPGRADE_SERVER,		/* its server takes the device over */
	UPGRADE_BACK,		/* that has failed, the old program recovers the device */
};

enum upgrade_event {
	UPGRADE_NOTHING,
	UPGRADE_SERVED,		/* by a server of the new program */
	UPGRADE_CHECKED,	/* there was no server to replace */
	UPGRADE_LOST,		/* the old server has handed over to nobody */
};

/**
 * struct upgrade - a request for another program
 * @step: what is under way
 * @key: of the socket
 * @listener: socket, or -1
 * @client: connection of the "ublk upgrade" that waits for the answer, or -1
 * @path: the new program
 * @pid: process of that, or 0
 * @pidfd: of that
 * @out: its standard output, a memfd
 * @events: eventfd that its server writes to, or -1
 * @end: by when the step must have ended, ns of CLOCK_MONOTONIC
 * @gone: when the old server had ended, 0 if it has not
 * @why: what has failed
 */
struct upgrade {
	enum upgrade_step step;
	char key[DEVICE_NAME_MAX + 1];
	int listener;
	int client;
	char path[TALK_LINE_MAX];
	pid_t pid;
	int pidfd;
	int out;
	int events;
	__u64 end;
	__u64 gone;
	char why[600];
};

/**
 * upgrade_start - take requests
 * @u: to be filled
 * @s: device
 *
 * A supervisor without a socket cannot be upgraded, and works otherwise.
 *
 * Return: 0; -EBUSY with a message if the device has a supervisor
 */
int upgrade_start(struct upgrade *u, const struct supervise *s);

/**
 * upgrade_stop - the supervisor ends
 * @u: upgrade
 */
void upgrade_stop(struct upgrade *u);

/**
 * upgrade_accept - somebody has connected
 * @u: upgrade, of which none is under way
 * @s: device, of which no server is about to start
 */
void upgrade_accept(struct upgrade *u, const struct supervise *s);

/**
 * upgrade_turn - something may have happened to the new program
 * @u: upgrade
 * @s: device; has the new server after UPGRADE_SERVED, and none after UPGRADE_LOST
 *
 * Return: what the supervisor has to do
 */
enum upgrade_event upgrade_turn(struct upgrade *u, struct supervise *s);

/**
 * upgrade_ready - the device is served, by the old program or by the new one
 * @u: upgrade
 */
void upgrade_ready(struct upgrade *u);

/**
 * upgrade_exec - become the new program
 * @u: upgrade
 *
 * Returns only if that fails; the client has been told then.
 */
void upgrade_exec(struct upgrade *u);

#endif
