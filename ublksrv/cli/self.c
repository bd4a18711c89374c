// SPDX-License-Identifier: GPL-2.0
/*
 * Run this program again, with another command line: the server of a device that
 * "ublk up" starts is then the same as that of "ublk add", with a command line that
 * says what it serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "declared.h"
#include "opt.h"

/* For another program; one that works is ready before. */
#define OTHER_MS	60000

/* The reverse of cli_exit_status(). */
static int self_errno(int status)
{
	static const int errs[] = {
		[EXIT_OK]	 = 0,
		[EXIT_FAILED]	 = -EIO,
		[EXIT_USAGE]	 = -EINVAL,
		[EXIT_NO_DEV]	 = -ENODEV,
		[EXIT_NO_PERM]	 = -EPERM,
		[EXIT_NO_DRIVER] = -EUNATCH,
		[EXIT_TIMEOUT]	 = -ETIMEDOUT,
		[EXIT_BUSY]	 = -EBUSY,
	};

	return status >= 0 && status <= EXIT_BUSY ? errs[status] : -EIO;
}

/* @err, @out: descriptors for what it prints */
static void self_exec(const char *path, char * const *line, int err, int out)
{
	char *argv[64] = { (char *)(uintptr_t)"ublk" };
	int null = open("/dev/null", O_RDWR), i;
	sigset_t none;

	for (i = 0; line[i] && i < 62; i++)
		argv[i + 1] = line[i];
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(out >= 0 ? out : null, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(path, argv);
	dprintf(STDERR_FILENO, "ublk: %s: %s\n", path, strerror(errno));
	_exit(EXIT_FAILED);
}

/* The last line, without "ublk: "; there may be warnings before it. */
static void self_message(int ret, char *text)
{
	static const char who[] = "ublk: ";
	char *line;

	while (*text && text[strlen(text) - 1] == '\n')
		text[strlen(text) - 1] = 0;
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (!strncmp(line, who, strlen(who)))
		line += strlen(who);
	ublk_error(ret, "%s", *line ? line : "it ended without a message");
}

/* Read what a process prints. @ms: 0 for no deadline. Return: false if that has passed */
static bool self_read(int fd, char *text, size_t len, unsigned int ms)
{
	__u64 end = common_now_ns() + ms * 1000000ULL, now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0;
	ssize_t n = 1;
	int wait = -1, ret;

	while (n > 0 || (n < 0 && errno == EINTR)) {
		now = common_now_ns();
		if (ms)
			wait = now < end ? (int)((end - now + 999999) / 1000000) : 0;
		ret = poll(&p, 1, wait);
		if (!ret)
			return false;
		if (ret < 0 && errno == EINTR)
			continue;
		n = read(fd, text + used, len - 1 - used);
		used += n > 0 ? n : 0;
	}
	text[used] = 0;
	return true;
}

/* Return: as self_run(); -ETIMEDOUT if it was killed */
static int self_wait(pid_t pid, int err, const char *what, unsigned int ms)
{
	char text[2048];
	bool late = !self_read(err, text, sizeof(text), ms);
	int status = 0, ret;

	if (late)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (late)
		return ublk_error(-ETIMEDOUT, "%s: has not ended in %u s, and is killed",
				  what, ms / 1000);
	ret = WIFEXITED(status) ? self_errno(WEXITSTATUS(status)) : -EIO;
	if (WIFSIGNALED(status))
		return ublk_error(ret, "%s: was ended by signal %d (%s)", what,
				  WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (ret)
		self_message(ret, text);
	return ret;
}

static int self_start(const char *path, char * const *line, int out,
		      unsigned int ms)
{
	int fds[2], ret;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return ublk_error(-errno, "%s: pipe: %s", line[0], strerror(errno));
	pid = fork();
	if (!pid)
		self_exec(path, line, fds[1], out);
	ret = pid < 0 ? ublk_error(-errno, "%s: fork: %s", line[0],
				   strerror(errno)) : 0;
	close(fds[1]);
	if (!ret)
		ret = self_wait(pid, fds[0], line[0], ms);
	close(fds[0]);
	return ret;
}

int self_run(char * const *line)
{
	return self_start("/proc/self/exe", line, -1, 0);
}

int self_run_other(const char *path, char * const *line, json_t **doc)
{
	int out = memfd_create("ublk-output", MFD_CLOEXEC), ret;
	char text[16384];
	ssize_t len;

	ret = self_start(path, line, out, OTHER_MS);
	len = out >= 0 ? pread(out, text, sizeof(text), 0) : 0;
	if (doc)
		*doc = len > 0 ? json_loadb(text, len, 0, NULL) : NULL;
	if (out >= 0)
		close(out);
	return ret;
}

char **self_line(const char *command, __u32 id, const char *option,
		 const char *value)
{
	char **line = NULL, number[20];
	const char *words[4] = { command, number, option, value };
	int i, ret = 0;

	snprintf(number, sizeof(number), "-n%u", id);
	for (i = 0; i < 4 && !ret; i++)
		if (words[i])
			ret = opt_list_add(&line, strdup(words[i]));
	if (ret)
		opt_list_free(&line);
	return line;
}

int self_do(const char *command, __u32 id, const char *option, const char *value)
{
	char **line = self_line(command, id, option, value);
	int ret;

	if (!line)
		return -ENOMEM;
	ret = self_run(line);
	opt_list_free(&line);
	return ret;
}
