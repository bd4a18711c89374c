/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of "ublk events": events.c follows and prints, events_source.c says that
 * something has happened to a device, events_dev.c finds out what.
 */
#ifndef UBLK_EVENTS_H
#define UBLK_EVENTS_H

#include "cli.h"

/* What is printed. */
enum events_kind {
	EVENTS_PRESENT,		/* was there at the beginning */
	EVENTS_ADDED,
	EVENTS_LIVE,
	EVENTS_DAEMON_GONE,
	EVENTS_QUIESCED,
	EVENTS_FAILING,
	EVENTS_RECOVERED,
	EVENTS_RESIZED,
	EVENTS_STOPPED,
	EVENTS_REMOVED,
	EVENTS_KINDS,
};

/* A sign that something has happened. */
enum events_sign_kind {
	EVENTS_SIGN_NONE,	/* not about a ublk device */
	EVENTS_SIGN_CHAR_ADD,
	EVENTS_SIGN_CHAR_REMOVE,
	EVENTS_SIGN_DISK_ADD,
	EVENTS_SIGN_DISK_REMOVE,
	EVENTS_SIGN_DISK_CHANGE,
	EVENTS_SIGN_OPEN,	/* of the char device, by a server */
	EVENTS_SIGN_CLOSE,
	EVENTS_SIGN_LOST,	/* some signs; of which device is not known */
};

/**
 * struct events_sign - a sign and its device
 * @kind: sign
 * @id: number of the device, but for EVENTS_SIGN_LOST
 */
struct events_sign {
	enum events_sign_kind kind;
	__u32 id;
};

/**
 * struct events_facts - what the driver and sysfs say of a device now
 * @state: of UBLK_S_DEV_*
 * @pid: its daemon, 0 if the device is not live
 * @sectors: of the disk, 0 without one
 */
struct events_facts {
	unsigned int state;
	pid_t pid;
	__u64 sectors;
};

/**
 * struct events_dev - a device that is followed
 * @id: number
 * @known: what was printed last
 * @name: of the device, or NULL
 * @gone: the daemon that has ended, while the driver still names it; or 0
 * @pidfd: of @known.pid, or -1
 * @watch: inotify's number of its char device, or -1
 * @opened: a server has opened that since the device was live
 * @no_disk: the disk has gone, although the driver may still say that it is live
 * @looks: how often to look at it again
 * @pause_ms: time to the next look, doubled by each
 * @next: when that is, ns of CLOCK_MONOTONIC; 0 for never
 */
struct events_dev {
	__u32 id;
	struct events_facts known;
	char *name;
	pid_t gone;
	int pidfd;
	int watch;
	bool opened;
	bool no_disk;
	unsigned int looks;
	unsigned int pause_ms;
	__u64 next;
};

/* Called for each event, when @d->known is that of after the event. */
typedef void events_report_fn(void *arg, const struct events_dev *d,
			      enum events_kind kind);

/**
 * events_dev_init - begin to follow a device
 * @d: filled
 * @id: number
 */
void events_dev_init(struct events_dev *d, __u32 id);

/**
 * events_dev_close - end that
 * @d: device
 */
void events_dev_close(struct events_dev *d);

/**
 * events_dev_sign - a sign has come: look at the device soon, and some times more
 * @d: device
 * @kind: of the sign
 * @now: time
 *
 * The state of a device follows the sign after a while.
 */
void events_dev_sign(struct events_dev *d, enum events_sign_kind kind,
		     __u64 now);

/**
 * events_dev_looked - when to look again
 * @d: device that has been looked at
 * @answered: the driver has answered; it does not tell an ordinary user of the
 *	devices of others
 * @now: time
 */
void events_dev_looked(struct events_dev *d, bool answered, __u64 now);

/**
 * events_dev_update - report the difference to what was known
 * @d: device
 * @facts: as it is now
 * @report: called for each event
 * @arg: for @report
 */
void events_dev_update(struct events_dev *d, const struct events_facts *facts,
		       events_report_fn *report, void *arg);

/**
 * events_dev_daemon_gone - report that the daemon has ended
 * @d: device; nothing is reported if that was done before
 * @report: called for the event
 * @arg: for @report
 */
void events_dev_daemon_gone(struct events_dev *d, events_report_fn *report,
			    void *arg);

/**
 * events_dev_removed - report that the device is not there any more
 * @d: device
 * @report: called for each event
 * @arg: for @report
 */
void events_dev_removed(struct events_dev *d, events_report_fn *report,
			void *arg);

/**
 * struct events_source - where signs come from
 * @uevents: netlink socket with the kernel's uevents
 * @opens: inotify of char devices, or -1
 */
struct events_source {
	int uevents;
	int opens;
};

/**
 * events_source_open - begin to receive signs
 * @s: filled
 *
 * Return: 0 or negative errno with a message
 */
int events_source_open(struct events_source *s);

/**
 * events_source_close - end that
 * @s: source
 */
void events_source_close(struct events_source *s);

/**
 * events_source_watch - receive opens and closes of a char device
 * @s: source
 * @id: device
 *
 * Return: number for events_source_opens(), or -1
 */
int events_source_watch(const struct events_source *s, __u32 id);

/**
 * events_source_uevent - the next uevent that has come
 * @s: source
 * @sign: filled
 *
 * Return: false if there is none
 */
bool events_source_uevent(const struct events_source *s,
			  struct events_sign *sign);

/**
 * events_source_opens - read all opens and closes that have come
 * @s: source
 * @call: called for each with the number of events_source_watch(), or -1 for
 *	EVENTS_SIGN_LOST
 * @arg: for @call
 */
void events_source_opens(const struct events_source *s,
			 void (*call)(void *arg, int watch,
				      enum events_sign_kind kind), void *arg);

/**
 * events_parse - what a uevent says
 * @msg: as the kernel sends it
 * @len: bytes
 * @sign: filled
 */
void events_parse(const char *msg, size_t len, struct events_sign *sign);

/**
 * events_name - an event as it is printed
 * @kind: event
 *
 * Return: word
 */
const char *events_name(enum events_kind kind);

#endif
