// SPDX-License-Identifier: GPL-2.0
/*
 * The socket of a supervisor: NAME.socket in the directory of the run-state files. Of
 * two supervisors of a device the second one finds that the first one listens.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "talk.h"

static bool talk_address(struct sockaddr_un *addr, const char *key)
{
	int len;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%s" TALK_SUFFIX,
		       state_dir(), key);
	return len < (int)sizeof(addr->sun_path);
}

/* Who listens? Return: descriptor or -1 */
static int talk_reach(const char *key, pid_t *pid)
{
	struct sockaddr_un addr;
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd;

	if (!talk_address(&addr, key))
		return -1;
	/* one that is stopped does not accept */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	    !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len)) {
		*pid = who.pid;
		return fd;
	}
	close(fd);
	return -1;
}

static int talk_bind(int fd, const struct sockaddr_un *addr)
{
	mode_t mask = umask(0177);
	int ret = 0;

	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
	    listen(fd, SOMAXCONN))
		ret = ublk_error(-errno, "%s: %s", addr->sun_path, strerror(errno));
	umask(mask);
	return ret;
}

/* With the lock, so that of two supervisors the second one finds the first. */
static int talk_listen_locked(const char *key, const struct sockaddr_un *addr)
{
	pid_t pid = 0;
	int fd, ret;

	fd = talk_reach(key, &pid);
	if (fd >= 0) {
		close(fd);
		return ublk_error(-EBUSY, "%s: is supervised by process %d already",
				  key, (int)pid);
	}
	unlink(addr->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ublk_error(-errno, "socket: %s", strerror(errno));
	ret = talk_bind(fd, addr);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

int talk_listen(const char *key)
{
	struct sockaddr_un addr;
	int ret, lock;

	if (!talk_address(&addr, key))
		return ublk_error(-ENAMETOOLONG, "%s/%s" TALK_SUFFIX ": the name is too long for a socket",
				  state_dir(), key);
	ret = state_make_dir();
	if (ret)
		return ret;
	lock = state_lock();
	ret = talk_listen_locked(key, &addr);
	if (lock >= 0)
		close(lock);
	return ret;
}

bool talk_is_left(const char *file)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(file);
	struct stat st;
	bool left;
	int fd;

	if (len <= strlen(TALK_SUFFIX) ||
	    strcmp(file + len - strlen(TALK_SUFFIX), TALK_SUFFIX) ||
	    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", state_dir(),
		     file) >= (int)sizeof(addr.sun_path) ||
	    lstat(addr.sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	left = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
		errno == ECONNREFUSED;
	close(fd);
	return left;
}

void talk_end(const char *key, int fd)
{
	struct sockaddr_un addr;

	if (fd < 0)
		return;
	if (talk_address(&addr, key))
		unlink(addr.sun_path);
	close(fd);
}

int talk_connect(__u32 id, const char *name, pid_t *pid)
{
	char number[16];
	int fd = name ? talk_reach(name, pid) : -1;

	snprintf(number, sizeof(number), "%u", id);
	return fd >= 0 ? fd : talk_reach(number, pid);
}

pid_t talk_supervisor(__u32 id, const char *name)
{
	pid_t pid = 0;
	int fd = talk_connect(id, name, &pid);

	if (fd >= 0)
		close(fd);
	return pid;
}

void talk_say(int fd, const char *fmt, ...)
{
	char text[TALK_LINE_MAX];
	va_list ap;
	int len;

	if (fd < 0)
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (len > (int)sizeof(text) - 2)
		len = sizeof(text) - 2;
	text[len++] = '\n';
	send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}
