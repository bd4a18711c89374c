// SPDX-License-Identifier: GPL-2.0
/*
 * What a supervisor tells the service manager, as sd_notify(3) describes, and how long
 * it waits before it starts a server again.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "backoff.h"
#include "journal.h"
#include "ktap.h"
#include "notify.h"

/* A socket with that name, as $NOTIFY_SOCKET has it. */
static int listener(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = strlen(name);

	memcpy(addr.sun_path, name, len);
	if (*name == '@')
		addr.sun_path[0] = 0;
	if (bind(fd, (struct sockaddr *)&addr,
		 offsetof(struct sockaddr_un, sun_path) + len))
		abort();
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void hears(int fd, const char *want)
{
	char text[2048] = "";
	ssize_t len = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (len != (ssize_t)strlen(want) || strcmp(text, want))
		ktap_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", text, want);
}

static void test_notify(void)
{
	char dir[] = "/tmp/ublk-notify.XXXXXX", name[100], abstract[100];
	int fd;

	unsetenv("NOTIFY_SOCKET");
	ktap_eq(notify("READY=1"), 0);
	if (!mkdtemp(dir))
		abort();
	snprintf(name, sizeof(name), "%s/socket", dir);
	fd = listener(name);
	ktap_eq(notify("READY=1"), 1);
	ktap_eq(notify("STATUS=%s of %d", "one", 2), 1);
	hears(fd, "READY=1");
	hears(fd, "STATUS=one of 2");
	close(fd);
	/* nobody listens: no signal, and no wait */
	ktap_eq(notify("READY=1"), -ECONNREFUSED);
	unlink(name);
	ktap_eq(notify("READY=1"), -ENOENT);
	rmdir(dir);

	snprintf(abstract, sizeof(abstract), "@ublk-test-%d", getpid());
	fd = listener(abstract);
	ktap_eq(notify("READY=1"), 1);
	hears(fd, "READY=1");
	close(fd);
	setenv("NOTIFY_SOCKET", "relative", 1);
	ktap_eq(notify("READY=1"), -EINVAL);
}

static void test_journal(void)
{
	char name[100];
	int fd, ret, nr;

	snprintf(name, sizeof(name), "/tmp/ublk-journal.%d", getpid());
	ktap_eq(journal_send(name, 4, "data", "text"), -ENOENT);
	fd = listener(name);
	unsetenv("NOTIFY_SOCKET");
	ktap_eq(journal_send(name, 4, "data", "two\nlines"), 0);
	hears(fd, "MESSAGE=two lines\nPRIORITY=4\nSYSLOG_IDENTIFIER=ublk\nUBLK_DEVICE=data\n");
	/* nobody reads: it does not wait */
	for (nr = 0, ret = 0; nr < 100000 && !ret; nr++)
		ret = journal_send(name, 6, "data", "text");
	ktap_eq(ret, -EAGAIN);
	close(fd);
	ktap_eq(journal_send(name, 4, "data", "text"), -ECONNREFUSED);
	unlink(name);
}

static void test_watchdog(void)
{
	char pid[24];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	ktap_eq(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	ktap_eq(notify_watchdog_ms(), 15000);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	ktap_eq(notify_watchdog_ms(), 15000);
	setenv("WATCHDOG_PID", "1", 1);
	ktap_eq(notify_watchdog_ms(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "18446744073709551615", 1);
	ktap_eq(notify_watchdog_ms(), 3600000);
	setenv("WATCHDOG_USEC", "x", 1);
	ktap_eq(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "1", 1);
	ktap_eq(notify_watchdog_ms(), 0);
}

static void test_backoff(void)
{
	static const struct {
		unsigned int failures, max, ms;
	} rows[] = {
		{ 0, 5000, 0 }, { 1, 5000, 100 }, { 2, 5000, 200 },
		{ 6, 5000, 3200 }, { 7, 5000, 5000 }, { 8, 5000, 5000 },
		{ 1, 50, 50 }, { 4000000000U, 30000, 30000 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ktap_eq(backoff_ms(rows[i].failures, rows[i].max), rows[i].ms);
}

static const struct ktap_test tests[] = {
	{ "notify", test_notify },
	{ "journal", test_journal },
	{ "watchdog", test_watchdog },
	{ "backoff", test_backoff },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
