// SPDX-License-Identifier: GPL-2.0
/*
 * The datagrams of sd_notify(3), which says that no library is needed for them. A name
 * that begins with '@' is one of the abstract namespace.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "notify.h"
#include "opt.h"

int notify(const char *fmt, ...)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char text[1024];
	size_t len;
	va_list ap;
	int fd, ret;

	if (!name || !*name)
		return 0;
	len = strlen(name);
	if ((*name != '/' && *name != '@') || len >= sizeof(addr.sun_path))
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(addr.sun_path, name, len);
	if (*name == '@')
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		     (struct sockaddr *)&addr,
		     offsetof(struct sockaddr_un, sun_path) + len) < 0 ? -errno : 1;
	close(fd);
	return ret;
}

unsigned int notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	__u64 val;

	if (!usec || opt_uint(usec, &val) || val < 2000)
		return 0;
	/* that of another process may be inherited */
	if (pid && atoi(pid) != getpid())
		return 0;
	return val / 2000 > 3600000 ? 3600000 : val / 2000;
}
