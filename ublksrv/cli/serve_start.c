// SPDX-License-Identifier: GPL-2.0
/*
 * Start "ublk serve" in the background, for "ublk add --supervise", and wait until it
 * says that it is ready, as a service manager does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "cli.h"

#define READY_MS	30000

/* Return: socket with a name that the kernel has chosen, which goes to @name */
static int serve_socket(char *name, size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(sa_family_t);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, size))
		goto err;
	size = sizeof(addr);
	if (getsockname(fd, (struct sockaddr *)&addr, &size))
		goto err;
	n = size - offsetof(struct sockaddr_un, sun_path) - 1;
	snprintf(name, len, "@%.*s", n, addr.sun_path + 1);
	return fd;
err:
	n = -errno;
	close(fd);
	return n;
}

static void serve_exec(__u32 id, const char *name)
{
	char number[16];
	int null;

	if (setsid() < 0 || chdir("/") || fork())
		_exit(EXIT_OK);
	null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	setenv("NOTIFY_SOCKET", name, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("JOURNAL_STREAM");
	snprintf(number, sizeof(number), "%u", id);
	execl("/proc/self/exe", "ublk", "serve", number, NULL);
	_exit(EXIT_FAILED);
}

/* Return: 0, or negative errno with what the supervisor has said last in @status */
static int serve_wait(int fd, char *status, size_t len)
{
	__u64 end = common_now_ns() + READY_MS * 1000000ULL, now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[1100];
	ssize_t n;
	int ret;

	for (;;) {
		now = common_now_ns();
		ret = now < end ? poll(&p, 1, (end - now) / 1000000 + 1) : 0;
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return -ETIMEDOUT;
		n = recv(fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		if (!strcmp(text, "READY=1"))
			return 0;
		if (!strncmp(text, "STATUS=", 7))
			snprintf(status, len, "%s", text + 7);
	}
}

/**
 * serve_start - start a supervisor for a device that is served
 * @id: device
 *
 * Return: 0 or negative errno with a message
 */
int serve_start(__u32 id)
{
	char name[120], status[1100] = "see the system log";
	int fd = serve_socket(name, sizeof(name)), ret;
	pid_t pid;

	if (fd < 0)
		return ublk_error(fd, "dev %u: is served, without a supervisor: socket: %s",
				  id, strerror(-fd));
	fflush(NULL);
	pid = fork();
	if (!pid)
		serve_exec(id, name);
	ret = pid < 0 ? -errno : 0;
	while (!ret && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!ret)
		ret = serve_wait(fd, status, sizeof(status));
	close(fd);
	return ret ? ublk_error(ret, "dev %u: is served, but its supervisor is not ready: %.800s",
				id, status) : 0;
}
