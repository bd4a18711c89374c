/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Supervise the server of a device: supervise.c follows it, supervise_child.c starts
 * servers.
 */
#ifndef UBLK_SUPERVISE_H
#define UBLK_SUPERVISE_H

#include "conf.h"

#define SUPERVISE_SAID	1024

/* What a start of a server found and did. */
enum supervise_start {
	SUPERVISE_ADDED,	/* a child adds the device */
	SUPERVISE_RECOVERED,	/* a child recovers it */
	SUPERVISE_FOUND,	/* it has a server already */
	SUPERVISE_GONE,		/* it cannot be served any more, and is not declared */
};

/**
 * struct supervise - a device and its server
 * @conf: declaration; without words for a device that is not declared, whose number
 *	is known then
 * @ctrl: handle
 * @id: number, UBLK_ID_AUTO before it is known
 * @pid: server, or 0
 * @pidfd: of that, or -1
 * @child: it is, or was, one of this process
 * @lost: the device has no record, so its server needs the options
 * @events: eventfd that a starting server writes to, or -1
 * @said: memory that children share: why the last one failed, or ""; NULL before the first
 */
struct supervise {
	const struct conf *conf;
	struct ublk_ctrl *ctrl;
	__u32 id;
	pid_t pid;
	int pidfd;
	bool child;
	bool lost;
	int events;
	char *said;
};

/**
 * supervise_find - look for the device by its name
 * @s: @s->id is set
 * @info: receives the driver's answer
 *
 * Return: 0; -ENODEV if there is none, other negative errno with a message
 */
int supervise_find(struct supervise *s, struct ublksrv_ctrl_dev_info *info);

/**
 * supervise_start - add or recover the device, or find who serves it
 * @s: @s->pid, @s->pidfd and @s->events are set
 * @what: receives what was done, or SUPERVISE_GONE with a failure
 *
 * Does not wait: @s->events tells how a child gets on.
 *
 * Return: 0 or negative errno with a message
 */
int supervise_start(struct supervise *s, enum supervise_start *what);

/**
 * supervise_reap - forget a server that has ended
 * @s: @s->pid is 0 afterwards
 *
 * Return: exit status; negative number of the signal that ended it; or 0 for one that
 * is no child
 */
int supervise_reap(struct supervise *s);

/**
 * supervise_try - could supervise_run() begin
 * @conf: declaration, or one without words
 * @id: as for supervise_run()
 *
 * Changes nothing, and does not look for another supervisor.
 *
 * Return: exit status, with the message printed
 */
int supervise_try(const struct conf *conf, __u32 id);

/**
 * supervise_run - serve a device until it is deleted or a signal comes
 * @conf: declaration, or one without words
 * @id: number of a device that is not declared, else UBLK_ID_AUTO
 * @limit: give up after so many starts in a row that failed, 0 for never
 * @hang: seconds after which a server that hangs is killed, 0 for never
 *
 * Return: exit status, with the message printed
 */
int supervise_run(const struct conf *conf, __u32 id, unsigned int limit,
		  unsigned int hang);

#endif
