// SPDX-License-Identifier: GPL-2.0
/*
 * A device that "ublk events" follows: what was known of it is compared with what
 * the driver says now.
 *
 * The kernel announces that a device or a disk comes and goes. It does not announce
 * that a state has changed, and a state changes somewhat later than the process ends
 * or opens the char device, by which it is noticed. So a sign is followed by some
 * looks with growing pauses, and a server that is coming up is looked at until the
 * device is live.
 */
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "events.h"

#define LOOKS		10	/* for 5 s altogether */
#define PAUSE_MS	5
#define COMING_UP_MS	500	/* the longest pause then */
#define UNWATCHED_MS	1000	/* without inotify */

const char *events_name(enum events_kind kind)
{
	static const char * const names[EVENTS_KINDS] = {
		[EVENTS_PRESENT]     = "present",
		[EVENTS_ADDED]	     = "added",
		[EVENTS_LIVE]	     = "live",
		[EVENTS_DAEMON_GONE] = "daemon-gone",
		[EVENTS_QUIESCED]    = "quiesced",
		[EVENTS_FAILING]     = "failing",
		[EVENTS_RECOVERED]   = "recovered",
		[EVENTS_RESIZED]     = "resized",
		[EVENTS_STOPPED]     = "stopped",
		[EVENTS_REMOVED]     = "removed",
	};

	return names[kind];
}

void events_dev_init(struct events_dev *d, __u32 id)
{
	*d = (struct events_dev){
		.id = id, .known.state = UBLK_S_DEV_DEAD, .pidfd = -1,
		.watch = -1,
	};
}

static void events_dev_forget_daemon(struct events_dev *d)
{
	if (d->pidfd >= 0)
		close(d->pidfd);
	d->pidfd = -1;
	d->known.pid = 0;
}

void events_dev_close(struct events_dev *d)
{
	events_dev_forget_daemon(d);
	free(d->name);
	d->name = NULL;
}

void events_dev_sign(struct events_dev *d, enum events_sign_kind kind,
		     __u64 now)
{
	if (kind == EVENTS_SIGN_OPEN)
		d->opened = true;
	if (kind == EVENTS_SIGN_CLOSE)
		d->opened = false;
	if (kind == EVENTS_SIGN_DISK_REMOVE)
		d->no_disk = true;
	if (kind == EVENTS_SIGN_DISK_ADD || kind == EVENTS_SIGN_CHAR_ADD)
		d->no_disk = false;
	d->looks = LOOKS;
	d->pause_ms = PAUSE_MS;
	d->next = now;
}

void events_dev_looked(struct events_dev *d, bool answered, __u64 now)
{
	bool live = d->known.state == UBLK_S_DEV_LIVE;
	unsigned int ms = d->pause_ms;

	if (live)
		d->opened = false;
	if (d->looks) {
		d->looks--;
		d->pause_ms *= 2;
		if (d->opened && ms > COMING_UP_MS)
			ms = COMING_UP_MS;
	} else if (d->opened) {
		ms = COMING_UP_MS;
	} else if (answered && !live && d->watch < 0) {
		ms = UNWATCHED_MS;
	} else {
		d->next = 0;
		return;
	}
	d->next = now + ms * 1000000ULL;
}

void events_dev_daemon_gone(struct events_dev *d, events_report_fn *report,
			    void *arg)
{
	if (!d->known.pid)
		return;
	/* the event has the number of the process */
	report(arg, d, EVENTS_DAEMON_GONE);
	d->gone = d->known.pid;
	events_dev_forget_daemon(d);
}

static enum events_kind events_of_state(unsigned int was, unsigned int now)
{
	switch (now) {
	case UBLK_S_DEV_LIVE:
		return was == UBLK_S_DEV_DEAD ? EVENTS_LIVE : EVENTS_RECOVERED;
	case UBLK_S_DEV_QUIESCED:
		return EVENTS_QUIESCED;
	case UBLK_S_DEV_FAIL_IO:
		return EVENTS_FAILING;
	default:
		return EVENTS_STOPPED;
	}
}

/* The driver learns later than this process that a disk or a daemon is gone. */
static struct events_facts events_true(struct events_dev *d,
				       const struct events_facts *facts)
{
	struct events_facts f = *facts;

	if (d->no_disk)
		f = (struct events_facts){ .state = UBLK_S_DEV_DEAD };
	if (f.state != UBLK_S_DEV_LIVE)
		d->gone = 0;
	if (f.pid && f.pid == d->gone)
		f.pid = 0;
	return f;
}

void events_dev_update(struct events_dev *d, const struct events_facts *facts,
		       events_report_fn *report, void *arg)
{
	const struct events_facts f = events_true(d, facts);
	unsigned int was = d->known.state;
	bool other = f.pid && f.pid != d->known.pid;
	bool resized = f.sectors && d->known.sectors &&
		f.sectors != d->known.sectors;

	/* it has another daemon, or one whose end cannot be seen from here */
	if (other || (!f.pid && d->pidfd < 0))
		events_dev_daemon_gone(d, report, arg);
	d->known.state = f.state;
	if (f.sectors)
		d->known.sectors = f.sectors;
	if (other) {
		d->known.pid = f.pid;
		d->pidfd = syscall(SYS_pidfd_open, f.pid, 0);
	}
	if (was != f.state)
		report(arg, d, events_of_state(was, f.state));
	else if (other && f.state == UBLK_S_DEV_LIVE)
		report(arg, d, EVENTS_RECOVERED);
	if (resized)
		report(arg, d, EVENTS_RESIZED);
}

void events_dev_removed(struct events_dev *d, events_report_fn *report,
			void *arg)
{
	struct events_facts none = { .state = UBLK_S_DEV_DEAD };

	events_dev_update(d, &none, report, arg);
	events_dev_daemon_gone(d, report, arg);
	report(arg, d, EVENTS_REMOVED);
}
