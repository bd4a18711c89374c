// SPDX-License-Identifier: GPL-2.0
/*
 * The native protocol of the journal, which its documentation describes: a datagram of
 * lines "FIELD=value". A value that has several lines would need another form; here it is
 * made one line.
 *
 * journald may keep its files on the very disk that a supervisor recovers, so
 * journal_send() does not wait for journald.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "journal.h"

int journal_send(const char *path, int prio, const char *device, const char *msg)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char text[2048], line[1500];
	int fd, len, ret = 0;
	char *at;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	snprintf(line, sizeof(line), "%s", msg);
	for (at = line; *at; at++)
		if (*at == '\n')
			*at = ' ';
	len = snprintf(text, sizeof(text), "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=ublk\nUBLK_DEVICE=%.300s\n",
		       line, prio, device);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT,
		   (struct sockaddr *)&addr, sizeof(addr)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}
