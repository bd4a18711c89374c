// SPDX-License-Identifier: GPL-2.0
/*
 * Run this program again, with another command line: the server of a device that
 * "ublk up" starts is then the same as that of "ublk add", with a command line that
 * says what it serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "declared.h"
#include "opt.h"

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

static void self_exec(char * const *line, int err)
{
	char *argv[64] = { (char *)(uintptr_t)"ublk" };
	int null = open("/dev/null", O_RDWR), i;

	for (i = 0; line[i] && i < 62; i++)
		argv[i + 1] = line[i];
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	dup2(err, STDERR_FILENO);
	execv("/proc/self/exe", argv);
	dprintf(STDERR_FILENO, "ublk: /proc/self/exe: %s\n", strerror(errno));
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

int self_run(char * const *line)
{
	char text[2048];
	size_t used = 0;
	ssize_t len;
	int fds[2], status = 0, ret;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return ublk_error(-errno, "%s: pipe: %s", line[0], strerror(errno));
	pid = fork();
	if (pid < 0) {
		ret = ublk_error(-errno, "%s: fork: %s", line[0], strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return ret;
	}
	if (!pid)
		self_exec(line, fds[1]);
	close(fds[1]);
	while ((len = read(fds[0], text + used, sizeof(text) - 1 - used)) > 0 ||
	       (len < 0 && errno == EINTR))
		used += len > 0 ? len : 0;
	text[used] = 0;
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	ret = WIFEXITED(status) ? self_errno(WEXITSTATUS(status)) : -EIO;
	if (ret)
		self_message(ret, text);
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
