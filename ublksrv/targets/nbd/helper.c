// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A server of our own: started, watched, ended.
 *
 * The socket is in a directory that only this user can enter. When the daemon is
 * killed the kernel kills the server (PR_SET_PDEATHSIG), at once: what it had not
 * flushed is among the kept writes, and a server that went on writing while the next
 * one begins would destroy the image. When the server is killed, link.c finds that
 * out before it connects, and starts it again.
 *
 * The child executes the program at once, so no descriptor of device or ring stays
 * open in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "libublk.h"
#include "helper.h"
#include "nbd.h"
#include "rundir.h"

#define HELPER_START_MS	15000
#define HELPER_STOP_MS	20000

struct helper {
	char *words[HELPER_WORDS + 1];
	char dir[220];
	struct sockaddr_un addr;
	pid_t pid;			/* 0: none */
	char said[400];			/* last words of one that has ended */
};

static void helper_pause(void)
{
	struct timespec ts = { .tv_nsec = 5000000 };

	nanosleep(&ts, NULL);
}

/* Return: whether a process still runs; its status goes nowhere */
static bool helper_runs(struct helper *h)
{
	if (h->pid && waitpid(h->pid, NULL, WNOHANG))
		h->pid = 0;
	return h->pid;
}

/* Only functions that are safe after fork() in a process with threads. */
static void helper_exec(struct helper *h, pid_t parent, int err_fd)
{
	sigset_t none;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(err_fd, STDERR_FILENO);
	execvp(h->words[0], h->words);
	dprintf(STDERR_FILENO, "%s: %s\n", h->words[0], strerror(errno));
	_exit(127);
}

/* What the server says at its start goes to a file, for the message. */
static int helper_fork(struct helper *h, int err_fd)
{
	pid_t parent = getpid();

	unlink(h->addr.sun_path);
	h->pid = fork();
	if (!h->pid)
		helper_exec(h, parent, err_fd);
	if (h->pid > 0)
		return 0;
	h->pid = 0;
	return ublk_error(-errno, "fork: %s", strerror(errno));
}

static bool helper_answers(const struct helper *h)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = !connect(fd, (const struct sockaddr *)&h->addr,
			   sizeof(h->addr));

	close(fd);
	return ok;
}

/* Its last line. */
static void helper_listen(struct helper *h, int err_fd)
{
	ssize_t len = pread(err_fd, h->said, sizeof(h->said) - 1, 0);
	char *line;

	h->said[len > 0 ? len : 0] = 0;
	while (len > 0 && h->said[len - 1] == '\n')
		h->said[--len] = 0;
	line = strrchr(h->said, '\n');
	if (line)
		memmove(h->said, line + 1, strlen(line));
}

static int helper_start(struct helper *h)
{
	char name[240];
	__u64 end = nbd_now_ms() + HELPER_START_MS;
	int fd, ret;

	snprintf(name, sizeof(name), "%s/log", h->dir);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return ublk_error(-errno, "%s: %s", name, strerror(errno));
	ret = helper_fork(h, fd);
	while (!ret && !helper_answers(h)) {
		if (!helper_runs(h)) {
			helper_listen(h, fd);
			ret = ublk_error(-EIO, "%s", *h->said ? h->said :
					 "the server ended at once");
		} else if (nbd_now_ms() > end) {
			helper_stop(h);
			ret = ublk_error(-ETIMEDOUT, "%s did not begin to serve",
					 h->words[0]);
		}
		helper_pause();
	}
	close(fd);
	return ret;
}

/* Replace "@SOCKET@". */
static char *helper_word(const struct helper *h, const char *word)
{
	const char *at = strstr(word, "@SOCKET@");
	char *text = NULL;

	if (!at)
		return strdup(word);
	if (asprintf(&text, "%.*s%s%s", (int)(at - word), word,
		     h->addr.sun_path, at + strlen("@SOCKET@")) < 0)
		return NULL;
	return text;
}

static void helper_remove_dir(const char *dir)
{
	static const char * const files[] = { "sock", "sock.qmp", "log" };
	char name[600];
	unsigned int i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, files[i]);
		unlink(name);
	}
	rmdir(dir);
}

/* Directories of daemons that were killed. */
static void helper_sweep(void)
{
	DIR *d = opendir(run_dir());
	char name[512];
	struct dirent *e;
	int pid;

	while (d && (e = readdir(d))) {
		if (sscanf(e->d_name, "nbd-%d.", &pid) != 1 || pid <= 0 ||
		    !kill(pid, 0) || errno != ESRCH)
			continue;
		snprintf(name, sizeof(name), "%.200s/%s", run_dir(), e->d_name);
		helper_remove_dir(name);
	}
	if (d)
		closedir(d);
}

int helper_new(const char *const *words, struct helper **phelper)
{
	struct helper *h = calloc(1, sizeof(*h));
	unsigned int i;
	int ret = 0;

	if (!h)
		return ublk_error(-ENOMEM, "out of memory");
	mkdir(run_dir(), 0755);
	helper_sweep();
	snprintf(h->dir, sizeof(h->dir), "%.190s/nbd-%d.XXXXXX", run_dir(),
		 getpid());
	if (!mkdtemp(h->dir)) {
		ret = ublk_error(-errno, "%s: %s", h->dir, strerror(errno));
		free(h);
		return ret;
	}
	h->addr.sun_family = AF_UNIX;
	if (strlen(h->dir) + sizeof("/sock") > sizeof(h->addr.sun_path))
		ret = ublk_error(-ENAMETOOLONG, "%s: too long for a socket's name",
				 h->dir);
	else
		stpcpy(stpcpy(h->addr.sun_path, h->dir), "/sock");
	for (i = 0; !ret && words[i]; i++) {
		if (i == HELPER_WORDS) {
			ret = ublk_error(-E2BIG, "more than %d words",
					 HELPER_WORDS);
			break;
		}
		h->words[i] = helper_word(h, words[i]);
		if (!h->words[i])
			ret = ublk_error(-ENOMEM, "out of memory");
	}
	if (!ret)
		ret = helper_start(h);
	if (ret)
		helper_free(h);
	else
		*phelper = h;
	return ret;
}

int helper_again(struct helper *h)
{
	if (!h || helper_runs(h))
		return 0;
	return helper_start(h);
}

void helper_stop(struct helper *h)
{
	__u64 end = nbd_now_ms() + HELPER_STOP_MS;

	if (!h || !helper_runs(h))
		return;
	kill(h->pid, SIGTERM);
	while (helper_runs(h)) {
		if (nbd_now_ms() > end)
			kill(h->pid, SIGKILL);
		helper_pause();
	}
}

void helper_free(struct helper *h)
{
	unsigned int i;

	if (!h)
		return;
	helper_stop(h);
	helper_remove_dir(h->dir);
	for (i = 0; h->words[i]; i++)
		free(h->words[i]);
	free(h);
}

const char *helper_socket(const struct helper *h)
{
	return h->addr.sun_path;
}

pid_t helper_pid(const struct helper *h)
{
	return h->pid;
}
