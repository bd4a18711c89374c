// SPDX-License-Identifier: GPL-2.0
/*
 * Where "ublk events" learns that something has happened: the kernel's uevents, by
 * netlink, which need no udev; and inotify on the char devices, which only servers
 * open. The end of a daemon is seen by its pidfd (events.c).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include "events.h"
#include "opt.h"

#define GROUP_KERNEL	1		/* of the kernel itself; 2 is udev's */
#define ROOM		(1 << 20)	/* for uevents that are not read yet */

/* The value of a key, which ends with '='. The message ends with a 0. */
static const char *events_value(const char *msg, size_t len, const char *key)
{
	size_t pos, n = strlen(key);

	for (pos = 0; pos < len; pos += strlen(msg + pos) + 1)
		if (!strncmp(msg + pos, key, n))
			return msg + pos + n;
	return "";
}

static bool events_number(const char *node, const char *prefix, __u32 *id)
{
	size_t n = strlen(prefix);
	__u64 val;

	if (strncmp(node, prefix, n) || opt_uint(node + n, &val) ||
	    val >= UBLK_ID_AUTO)
		return false;
	*id = val;
	return true;
}

void events_parse(const char *msg, size_t len, struct events_sign *sign)
{
	const char *action, *node;
	bool add, gone;

	sign->kind = EVENTS_SIGN_NONE;
	if (!len || msg[len - 1])
		return;
	action = events_value(msg, len, "ACTION=");
	node = events_value(msg, len, "DEVNAME=");
	add = !strcmp(action, "add");
	gone = !strcmp(action, "remove");
	if (events_number(node, "ublkc", &sign->id)) {
		if (add)
			sign->kind = EVENTS_SIGN_CHAR_ADD;
		else if (gone)
			sign->kind = EVENTS_SIGN_CHAR_REMOVE;
	} else if (events_number(node, "ublkb", &sign->id)) {
		sign->kind = add ? EVENTS_SIGN_DISK_ADD : gone ?
			EVENTS_SIGN_DISK_REMOVE : EVENTS_SIGN_DISK_CHANGE;
	}
}

static int events_open_uevents(void)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL,
	};
	int room = ROOM, err;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	/* not essential: lost uevents are noticed */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int events_source_open(struct events_source *s)
{
	s->opens = -1;
	s->uevents = events_open_uevents();
	if (s->uevents < 0)
		return ublk_error(s->uevents, "uevents of the kernel: %s; a seccomp filter or a service's RestrictAddressFamilies= must allow AF_NETLINK",
				  strerror(-s->uevents));
	s->opens = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return 0;
}

void events_source_close(struct events_source *s)
{
	close(s->uevents);
	if (s->opens >= 0)
		close(s->opens);
}

int events_source_watch(const struct events_source *s, __u32 id)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkc%u", id);
	if (s->opens < 0)
		return -1;
	return inotify_add_watch(s->opens, path, IN_OPEN | IN_CLOSE);
}

bool events_source_uevent(const struct events_source *s,
			  struct events_sign *sign)
{
	struct sockaddr_nl from = { 0 };
	socklen_t size = sizeof(from);
	char msg[8192];
	ssize_t len;

	do {
		len = recvfrom(s->uevents, msg, sizeof(msg) - 1, 0,
			       (struct sockaddr *)&from, &size);
	} while (len < 0 && errno == EINTR);
	if (len < 0 && errno != ENOBUFS)
		return false;
	sign->kind = len < 0 ? EVENTS_SIGN_LOST : EVENTS_SIGN_NONE;
	/* any process could have sent it */
	if (len > 0 && !from.nl_pid)
		events_parse(msg, len, sign);
	return true;
}

static enum events_sign_kind events_of_mask(__u32 mask)
{
	if (mask & IN_Q_OVERFLOW)
		return EVENTS_SIGN_LOST;
	if (mask & IN_OPEN)
		return EVENTS_SIGN_OPEN;
	return mask & IN_CLOSE ? EVENTS_SIGN_CLOSE : EVENTS_SIGN_NONE;
}

void events_source_opens(const struct events_source *s,
			 void (*call)(void *arg, int watch,
				      enum events_sign_kind kind), void *arg)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *e;
	enum events_sign_kind kind;
	ssize_t len, pos;

	while ((len = read(s->opens, buf, sizeof(buf))) > 0) {
		for (pos = 0; pos < len; pos += sizeof(*e) + e->len) {
			e = (const void *)(buf + pos);
			kind = events_of_mask(e->mask);
			if (kind != EVENTS_SIGN_NONE)
				call(arg, e->wd, kind);
		}
	}
}
