// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk events" without a driver: what uevents say, which events follow from what
 * the driver answers, and when it is asked.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "ktap.h"

#define MS	1000000ULL

/* Events since the last call of said(). */
static char log_text[256];

static void note(void *arg, const struct events_dev *d, enum events_kind kind)
{
	size_t len = strlen(log_text);

	ktap_true(arg == log_text);
	snprintf(log_text + len, sizeof(log_text) - len, "%s%s:%s",
		 len ? " " : "", events_name(kind), d->known.pid ? "pid" : "-");
}

static void said_at(int line, const char *want)
{
	if (strcmp(log_text, want))
		ktap_fail(__FILE__, line, "\"%s\", not \"%s\"", log_text, want);
	log_text[0] = 0;
}

#define said(want)	said_at(__LINE__, want)

static void update(struct events_dev *d, unsigned int state, pid_t pid,
		   __u64 sectors)
{
	struct events_facts facts = {
		.state = state, .pid = pid, .sectors = sectors,
	};

	events_dev_update(d, &facts, note, log_text);
}

static void test_parse(void)
{
#define UEVENT(action, name, more) \
	"x@/devices/x\0ACTION=" action "\0DEVPATH=/devices/x\0" more \
	"DEVNAME=" name "\0SEQNUM=7"
#define ROW(text, kind, id)	{ text "", sizeof(text), kind, id }
	static const struct {
		const char *msg;
		size_t len;
		enum events_sign_kind kind;
		__u32 id;
	} rows[] = {
		ROW(UEVENT("add", "ublkc0", ""), EVENTS_SIGN_CHAR_ADD, 0),
		ROW(UEVENT("remove", "ublkc12", ""), EVENTS_SIGN_CHAR_REMOVE, 12),
		ROW(UEVENT("change", "ublkc1", ""), EVENTS_SIGN_NONE, 1),
		ROW(UEVENT("add", "ublkb3", "DEVTYPE=disk\0"),
		    EVENTS_SIGN_DISK_ADD, 3),
		ROW(UEVENT("remove", "ublkb3", ""), EVENTS_SIGN_DISK_REMOVE, 3),
		ROW(UEVENT("change", "ublkb3", "RESIZE=1\0"),
		    EVENTS_SIGN_DISK_CHANGE, 3),
		/* partitions, and others */
		ROW(UEVENT("add", "ublkb3p1", ""), EVENTS_SIGN_NONE, 0),
		ROW(UEVENT("add", "ublk-control", ""), EVENTS_SIGN_NONE, 0),
		ROW(UEVENT("add", "sda", ""), EVENTS_SIGN_NONE, 0),
		ROW(UEVENT("add", "ublkc", ""), EVENTS_SIGN_NONE, 0),
		ROW(UEVENT("add", "ublkc4294967295", ""), EVENTS_SIGN_NONE, 0),
		ROW("add@/devices/x\0ACTION=add", EVENTS_SIGN_NONE, 0),
		ROW("", EVENTS_SIGN_NONE, 0),
		/* cut off */
		{ "ACTION=add\0DEVNAME=ublkc1", 24, EVENTS_SIGN_NONE, 0 },
		{ NULL, 0, EVENTS_SIGN_NONE, 0 },
	};
	struct events_sign sign;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].msg;
		memset(&sign, 0xff, sizeof(sign));
		events_parse(rows[i].msg, rows[i].len, &sign);
		ktap_eq(sign.kind, rows[i].kind);
		if (rows[i].kind != EVENTS_SIGN_NONE)
			ktap_eq(sign.id, rows[i].id);
	}
	ktap_row = NULL;
}

/* A process to be the daemon. */
static pid_t start(void)
{
	pid_t pid = fork();

	while (!pid)
		pause();
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_life(void)
{
	struct events_dev d;
	pid_t one, two;

	one = start();
	two = start();
	events_dev_init(&d, 3);
	update(&d, UBLK_S_DEV_DEAD, 0, 0);
	said("");
	update(&d, UBLK_S_DEV_LIVE, one, 2048);
	said("live:pid");
	ktap_true(d.pidfd >= 0);
	update(&d, UBLK_S_DEV_LIVE, one, 2048);
	said("");
	update(&d, UBLK_S_DEV_LIVE, one, 4096);
	said("resized:pid");
	/* the state changes before the process ends, and the size stays known */
	update(&d, UBLK_S_DEV_QUIESCED, 0, 4096);
	said("quiesced:pid");
	events_dev_daemon_gone(&d, note, log_text);
	said("daemon-gone:pid");
	ktap_eq(d.pidfd, -1);
	events_dev_daemon_gone(&d, note, log_text);
	said("");
	update(&d, UBLK_S_DEV_LIVE, two, 4096);
	said("recovered:pid");
	/* or the other way round: the driver still names the daemon */
	events_dev_daemon_gone(&d, note, log_text);
	said("daemon-gone:pid");
	update(&d, UBLK_S_DEV_LIVE, two, 4096);
	said("");
	update(&d, UBLK_S_DEV_FAIL_IO, 0, 4096);
	said("failing:-");
	update(&d, UBLK_S_DEV_LIVE, two, 8192);
	said("recovered:pid resized:pid");
	update(&d, UBLK_S_DEV_DEAD, 0, 0);
	said("stopped:pid");
	events_dev_removed(&d, note, log_text);
	said("daemon-gone:pid removed:-");
	events_dev_close(&d);
	end(one);
	end(two);
}

/* What happened between two looks is not lost. */
static void test_missed(void)
{
	struct events_dev d;
	pid_t one, two;

	one = start();
	two = start();
	events_dev_init(&d, 0);
	update(&d, UBLK_S_DEV_LIVE, one, 8);
	said("live:pid");
	update(&d, UBLK_S_DEV_LIVE, two, 8);
	said("daemon-gone:pid recovered:pid");
	/* a live device is deleted */
	events_dev_removed(&d, note, log_text);
	said("stopped:pid daemon-gone:pid removed:-");
	events_dev_close(&d);
	end(one);
	/* a daemon that cannot be watched is gone when it does not serve any more */
	events_dev_init(&d, 0);
	update(&d, UBLK_S_DEV_LIVE, 999999999, 8);
	said("live:pid");
	ktap_eq(d.pidfd, -1);
	update(&d, UBLK_S_DEV_QUIESCED, 0, 8);
	said("daemon-gone:pid quiesced:-");
	events_dev_close(&d);
	end(two);
}

/* The disk goes, and the driver still says that the device is live. */
static void test_disk_removed(void)
{
	struct events_dev d;
	pid_t pid = start();

	events_dev_init(&d, 0);
	update(&d, UBLK_S_DEV_LIVE, pid, 8);
	said("live:pid");
	events_dev_sign(&d, EVENTS_SIGN_DISK_REMOVE, MS);
	update(&d, UBLK_S_DEV_DEAD, 0, 0);
	said("stopped:pid");
	update(&d, UBLK_S_DEV_LIVE, pid, 8);
	update(&d, UBLK_S_DEV_DEAD, 0, 0);
	said("");
	events_dev_daemon_gone(&d, note, log_text);
	said("daemon-gone:pid");
	update(&d, UBLK_S_DEV_DEAD, 0, 0);
	/* it is started again */
	events_dev_sign(&d, EVENTS_SIGN_DISK_ADD, MS);
	update(&d, UBLK_S_DEV_LIVE, pid, 8);
	said("live:pid");
	events_dev_close(&d);
	end(pid);
}

/* Look until nothing is left to do. Return: looks; the time goes on */
static unsigned int looks(struct events_dev *d, bool answered, __u64 *now,
			  unsigned int max)
{
	unsigned int nr;

	for (nr = 0; d->next && nr < max; nr++) {
		ktap_true(d->next >= *now);
		*now = d->next;
		events_dev_looked(d, answered, *now);
	}
	return nr;
}

static void test_no_polling(void)
{
	__u64 now = 1000 * MS, began = now;
	struct events_dev d;

	events_dev_init(&d, 0);
	d.watch = 1;
	ktap_eq(d.next, 0);
	events_dev_sign(&d, EVENTS_SIGN_DISK_ADD, now);
	ktap_eq(d.next, now);
	ktap_eq(looks(&d, true, &now, 1000), 11);
	ktap_true(now - began > 4000 * MS && now - began < 6000 * MS);

	/* a server is coming up: until it has */
	events_dev_sign(&d, EVENTS_SIGN_OPEN, now);
	began = now;
	ktap_eq(looks(&d, true, &now, 100), 100);
	ktap_true(now - began > 40000 * MS && now - began < 50000 * MS);
	d.known.state = UBLK_S_DEV_LIVE;
	ktap_eq(looks(&d, true, &now, 1000), 1);
	/* or has given up */
	d.known.state = UBLK_S_DEV_QUIESCED;
	events_dev_sign(&d, EVENTS_SIGN_OPEN, now);
	ktap_eq(looks(&d, true, &now, 100), 100);
	events_dev_sign(&d, EVENTS_SIGN_CLOSE, now);
	ktap_eq(looks(&d, true, &now, 1000), 11);

	/* without inotify, for as long as it is not live */
	d.watch = -1;
	events_dev_sign(&d, EVENTS_SIGN_CLOSE, now);
	began = now;
	ktap_eq(looks(&d, true, &now, 100), 100);
	ktap_true(now - began > 80000 * MS);
	ktap_true(looks(&d, false, &now, 1000) < 2);
	d.known.state = UBLK_S_DEV_LIVE;
	events_dev_sign(&d, EVENTS_SIGN_CLOSE, now);
	ktap_eq(looks(&d, true, &now, 1000), 11);
	events_dev_close(&d);
}

static const struct ktap_test tests[] = {
	{ "parse", test_parse },
	{ "life", test_life },
	{ "missed", test_missed },
	{ "disk_removed", test_disk_removed },
	{ "no_polling", test_no_polling },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
