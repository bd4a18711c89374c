// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk upgrade", in the supervisor: replace server and supervisor by those of another
 * program.
 *
 * First "PROGRAM serve --dry-run" has to succeed, while nothing has changed. Then a child
 * executes "PROGRAM recover --replace": when all of it is in memory, it has the old
 * server hand over, and continues the device. If it fails after that, or takes too long,
 * the supervisor recovers the device with the program that it has in its own memory. Only
 * when the new server serves the disk does the supervisor execute the program, in the
 * same process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "declared.h"
#include "json.h"
#include "opt.h"
#include "supervise_upgrade.h"

#define CHECK_MS	30000	/* for the program to start */
#define SERVER_MS	60000	/* for its server, until the old one has ended */
#define CONTINUE_MS	20000	/* ... after that, while IO waits */
#define LEAVE_MS	5000	/* for the old server to end */
#define REQUEST_MS	1000	/* for a client to send its request */
#define CLIENT_ENV	"UBLK_UPGRADE_CLIENT"

/* The command line of this process. Return: words for free(), and their text */
static char **upgrade_own_line(char **text)
{
	char **argv = NULL, *at;
	size_t len, nr = 0, i;
	FILE *in;

	*text = calloc(1, 65536);
	in = fopen("/proc/self/cmdline", "re");
	len = *text && in ? fread(*text, 1, 65534, in) : 0;
	if (in)
		fclose(in);
	for (i = 0; i < len; i++)
		nr += !(*text)[i];
	if (nr)
		argv = calloc(nr + 1, sizeof(*argv));
	for (at = *text, i = 0; argv && i < nr; i++, at += strlen(at) + 1)
		argv[i] = at;
	return argv;
}

/* The client of before this process executed its program. */
static int upgrade_inherit(void)
{
	const char *text = getenv(CLIENT_ENV);
	int fd = text ? atoi(text) : -1;

	unsetenv(CLIENT_ENV);
	return fd > STDERR_FILENO && !fcntl(fd, F_SETFD, FD_CLOEXEC) ? fd : -1;
}

int upgrade_start(struct upgrade *u, const struct supervise *s)
{
	memset(u, 0, sizeof(*u));
	u->pidfd = -1;
	u->out = -1;
	u->events = -1;
	u->client = upgrade_inherit();
	if (s->conf->words)
		snprintf(u->key, sizeof(u->key), "%s", s->conf->name);
	else
		snprintf(u->key, sizeof(u->key), "%u", s->id);
	u->listener = talk_listen(u->key);
	if (u->listener == -EBUSY)
		return -EBUSY;
	if (u->listener < 0) {
		ublk_log(UBLK_LOG_WARN, "%s: cannot be upgraded: %s", s->conf->name,
			 ublk_strerror_last());
		u->listener = -1;
	}
	return 0;
}

static void upgrade_hang_up(struct upgrade *u)
{
	if (u->client >= 0)
		close(u->client);
	u->client = -1;
}

void upgrade_stop(struct upgrade *u)
{
	upgrade_hang_up(u);
	talk_end(u->key, u->listener);
	u->listener = -1;
}

/* The new process is gone. Return: its status, as of supervise_reap() */
static int upgrade_reap(struct upgrade *u)
{
	int status = 0;

	while (waitpid(u->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(u->pidfd);
	close(u->out);
	if (u->events >= 0)
		close(u->events);
	u->pid = 0;
	u->pidfd = -1;
	u->out = -1;
	u->events = -1;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void upgrade_child(struct upgrade *u, char **line)
{
	char *text, **own = upgrade_own_line(&text), *argv[16];
	sigset_t none;
	json_t *doc;
	int i;

	setpgid(0, 0);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	argv[0] = own ? own[0] : (char *)(uintptr_t)"ublk";
	for (i = 0; line[i] && i < 14; i++)
		argv[i + 1] = line[i];
	argv[i + 1] = NULL;
	dup2(u->out, STDOUT_FILENO);
	if (u->events >= 0)
		fcntl(u->events, F_SETFD, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(u->path, argv);
	doc = json_pack("{s:[{s:s}]}", "errors", "message", strerror(errno));
	json_dumpfd(doc, STDOUT_FILENO, 0);
	_exit(EXIT_FAILED);
}

/* Run the new program with a command line. Return: 0 or -1 with the reason in @u->why */
static int upgrade_run(struct upgrade *u, char **line, unsigned int ms)
{
	u->out = memfd_create("ublk-upgrade", MFD_CLOEXEC);
	fflush(NULL);
	u->pid = line && u->out >= 0 ? fork() : -1;
	if (!u->pid)
		upgrade_child(u, line);
	if (u->pid > 0)
		u->pidfd = syscall(SYS_pidfd_open, u->pid, 0);
	if (u->pid > 0 && u->pidfd >= 0) {
		u->end = common_now_ns() + ms * 1000000ULL;
		return 0;
	}
	snprintf(u->why, sizeof(u->why), "%.300s: %s", u->path, strerror(errno));
	if (u->pid > 0) {
		kill(u->pid, SIGKILL);
		upgrade_reap(u);
	}
	if (u->out >= 0)
		close(u->out);
	u->out = -1;
	u->pid = 0;
	return -1;
}

static void upgrade_failed(struct upgrade *u)
{
	ublk_log(UBLK_LOG_ERR, "%s: upgrade: %s", u->key, u->why);
	talk_say(u->client, "failed %s", u->why);
	upgrade_hang_up(u);
	u->step = UPGRADE_NONE;
	u->end = 0;
}

static int upgrade_check(struct upgrade *u, const struct supervise *s)
{
	char **line = NULL;
	int ret;

	ret = opt_list_add(&line, strdup("serve"));
	if (!ret)
		ret = opt_list_add(&line, strdup(s->conf->words ? s->conf->name :
						 u->key));
	if (!ret)
		ret = opt_list_add(&line, strdup("--dry-run"));
	if (!ret)
		ret = opt_list_add(&line, strdup("--json"));
	ret = upgrade_run(u, ret ? NULL : line, CHECK_MS);
	opt_list_free(&line);
	return ret;
}

static int upgrade_server(struct upgrade *u, const struct supervise *s)
{
	char **line, option[32];
	int ret;

	line = self_line("recover", s->id, "--replace", NULL);
	u->events = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	snprintf(option, sizeof(option), "--eventfd=%d", u->events);
	ret = line && u->events >= 0 ? 0 : -1;
	if (!ret)
		ret = opt_list_add(&line, strdup("--foreground"));
	if (!ret)
		ret = opt_list_add(&line, strdup("--json"));
	if (!ret)
		ret = opt_list_add(&line, strdup(option));
	ret = upgrade_run(u, ret ? NULL : line, SERVER_MS);
	opt_list_free(&line);
	if (ret && u->events >= 0) {
		close(u->events);
		u->events = -1;
	}
	return ret;
}

/* Return: the request of a client, or an empty text */
static const char *upgrade_read(int fd, char *buf, size_t len)
{
	static const char word[] = "upgrade ";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int ret;

	do {
		ret = poll(&p, 1, REQUEST_MS);
	} while (ret < 0 && errno == EINTR);
	n = ret > 0 ? recv(fd, buf, len - 1, MSG_DONTWAIT) : -1;
	buf[n > 0 ? n : 0] = 0;
	if (strncmp(buf, word, strlen(word)) || buf[n - 1] != '\n')
		return "";
	buf[n - 1] = 0;
	return buf + strlen(word);
}

void upgrade_accept(struct upgrade *u, const struct supervise *s)
{
	int fd = accept4(u->listener, NULL, NULL, SOCK_CLOEXEC);
	char request[TALK_LINE_MAX];
	const char *path;

	if (fd < 0)
		return;
	path = upgrade_read(fd, request, sizeof(request));
	if (!*path) {
		close(fd);
		return;
	}
	upgrade_hang_up(u);
	u->client = fd;
	u->gone = 0;
	*u->why = 0;
	snprintf(u->path, sizeof(u->path), "%s", path);
	ublk_log(UBLK_LOG_INFO, "%s: upgrade to %s", u->key, u->path);
	u->step = UPGRADE_CHECK;
	if (upgrade_check(u, s))
		upgrade_failed(u);
}

/* The document that the new process has printed; NULL if it is none. */
static json_t *upgrade_doc(const struct upgrade *u)
{
	char buf[16384];
	ssize_t len = pread(u->out, buf, sizeof(buf), 0);

	return len > 0 ? json_loadb(buf, len, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
}

/* The new process has ended, or has to. */
static void upgrade_explain(struct upgrade *u, int status, bool late)
{
	json_t *doc = upgrade_doc(u);
	const char *text;

	text = json_string_value(json_object_get(json_array_get
			(json_object_get(doc, "errors"), 0), "message"));
	if (late)
		snprintf(u->why, sizeof(u->why), "%.300s was not ready in time, and is killed",
			 u->path);
	else if (text)
		snprintf(u->why, sizeof(u->why), "%.300s: %s", u->path, text);
	else if (status < 0)
		snprintf(u->why, sizeof(u->why), "%.300s was ended by signal %d (%s)",
			 u->path, -status, strsignal(-status));
	else
		snprintf(u->why, sizeof(u->why), "%.300s has ended with status %d",
			 u->path, status);
	json_decref(doc);
}

/* Return: status of the new process that has ended or is killed; explains it */
static int upgrade_end_child(struct upgrade *u)
{
	bool late = !common_daemon_ended(u->pidfd, 0);
	int out = dup(u->out), status;

	if (late)
		syscall(SYS_pidfd_send_signal, u->pidfd, SIGKILL, NULL, 0);
	status = upgrade_reap(u);
	u->out = out;
	upgrade_explain(u, status, late);
	close(u->out);
	u->out = -1;
	return late ? -SIGKILL : status;
}

static enum upgrade_event upgrade_checked(struct upgrade *u, struct supervise *s)
{
	if (upgrade_end_child(u)) {
		upgrade_failed(u);
		return UPGRADE_NOTHING;
	}
	u->step = UPGRADE_SERVER;
	u->end = 0;
	if (!s->pid)
		return UPGRADE_CHECKED;
	if (upgrade_server(u, s))
		upgrade_failed(u);
	return UPGRADE_NOTHING;
}

/* Does the old server serve as before? */
static bool upgrade_is_unchanged(struct supervise *s)
{
	struct ublksrv_ctrl_dev_info info;

	return !ublk_ctrl_get_info(s->ctrl, s->id, &info) &&
		info.state == UBLK_S_DEV_LIVE && info.ublksrv_pid == s->pid &&
		!common_daemon_ended(s->pidfd, 0);
}

/* The old server has no device any more. */
static void upgrade_end_old(struct supervise *s)
{
	if (!common_daemon_ended(s->pidfd, LEAVE_MS))
		syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
	supervise_reap(s);
}

static enum upgrade_event upgrade_server_failed(struct upgrade *u,
						struct supervise *s)
{
	upgrade_end_child(u);
	if (upgrade_is_unchanged(s)) {
		upgrade_failed(u);
		return UPGRADE_NOTHING;
	}
	ublk_log(UBLK_LOG_ERR, "%s: upgrade: %s; the old program continues", u->key,
		 u->why);
	if (!u->gone)
		u->gone = common_now_ns();
	upgrade_end_old(s);
	u->step = UPGRADE_BACK;
	u->end = 0;
	return UPGRADE_LOST;
}

static enum upgrade_event upgrade_told(struct upgrade *u, struct supervise *s)
{
	json_t *doc = upgrade_doc(u);
	json_int_t us = json_integer_value(json_object_get(doc, "pause_us"));

	json_decref(doc);
	upgrade_end_old(s);
	s->pid = u->pid;
	s->pidfd = u->pidfd;
	s->child = true;
	close(u->out);
	close(u->events);
	u->pid = 0;
	u->pidfd = -1;
	u->out = -1;
	u->events = -1;
	u->end = 0;
	ublk_log(UBLK_LOG_INFO, "%s: upgrade: served by process %d of %s; IO waited %lld.%lld ms",
		 u->key, (int)s->pid, u->path, (long long)us / 1000,
		 (long long)us / 100 % 10);
	talk_say(u->client, "served %d %lld", (int)s->pid, (long long)us);
	return UPGRADE_SERVED;
}

/* Has the new server told that it serves the disk? */
static bool upgrade_has_told(const struct upgrade *u)
{
	__u64 val = 0;

	return u->events >= 0 &&
		read(u->events, &val, sizeof(val)) == sizeof(val) && val &&
		val <= UBLK_ID_AUTO;
}

enum upgrade_event upgrade_turn(struct upgrade *u, struct supervise *s)
{
	__u64 now = common_now_ns();

	if (!u->pid)
		return UPGRADE_NOTHING;
	if (u->step == UPGRADE_SERVER && !u->gone && common_daemon_ended(s->pidfd, 0)) {
		u->gone = now;
		u->end = now + CONTINUE_MS * 1000000ULL;
	}
	if (upgrade_has_told(u))
		return upgrade_told(u, s);
	if (!common_daemon_ended(u->pidfd, 0) && now < u->end)
		return UPGRADE_NOTHING;
	return u->step == UPGRADE_CHECK ? upgrade_checked(u, s) :
		upgrade_server_failed(u, s);
}

void upgrade_ready(struct upgrade *u)
{
	__u64 us = (common_now_ns() - u->gone) / 1000;
	char why[sizeof(u->why)];

	if (u->step == UPGRADE_BACK) {
		snprintf(why, sizeof(why), "%s", u->why);
		snprintf(u->why, sizeof(u->why), "%.480s; the old program serves it again, IO waited %llu.%llu ms",
			 why, (unsigned long long)us / 1000,
			 (unsigned long long)us / 100 % 10);
		upgrade_failed(u);
	} else if (u->step == UPGRADE_NONE) {
		talk_say(u->client, "supervised");
		upgrade_hang_up(u);
	}
}

void upgrade_exec(struct upgrade *u)
{
	char *text, **argv = upgrade_own_line(&text), number[16];

	if (u->client >= 0) {
		snprintf(number, sizeof(number), "%d", u->client);
		setenv(CLIENT_ENV, number, 1);
		fcntl(u->client, F_SETFD, 0);
	}
	fflush(NULL);
	if (argv)
		execv(u->path, argv);
	snprintf(u->why, sizeof(u->why), "%.300s: %s; the supervisor is still the old one",
		 u->path, strerror(errno));
	unsetenv(CLIENT_ENV);
	free(argv);
	free(text);
	upgrade_failed(u);
}
