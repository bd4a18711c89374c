// SPDX-License-Identifier: GPL-2.0
/*
 * Let the program exit although a control command does not end.
 *
 * A process exits only when the kernel threads that execute its io_uring
 * commands have ended. A driver may let such a thread wait uninterruptibly, for
 * a device whose server does not answer. So a command that asks the driver does
 * that in a child, which reports its exit status when it is through; this
 * process exits then, and the child as soon as it can.
 *
 * The child dies with this process, and gets the signals of the terminal, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cli.h"

/* A child that has reported and is not stuck ends within this time. */
#define GUARD_END_MS	200

static int guard_fd = -1;	/* to report to, in the child */
static const char *guard_what = "waiting";	/* shown on a terminal */

/* The child ended without a report: end in the same way. */
static int guard_died(pid_t pid)
{
	struct rlimit none = { 0 };
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return EXIT_FAILED;
}

/* On a terminal, say that the command goes on, from the first second on. */
static void guard_progress(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned int seconds = 0;

	if (!isatty(STDERR_FILENO))
		return;
	while (!poll(&p, 1, 1000))
		fprintf(stderr, "\rublk: %s: %u s ", guard_what, ++seconds);
	if (seconds)
		fputs("\r\033[K", stderr);
}

static int guard_wait(pid_t pid, int fd)
{
	struct pollfd p = { .events = POLLIN };
	int status;
	ssize_t len;

	guard_progress(fd);
	do {
		len = read(fd, &status, sizeof(status));
	} while (len < 0 && errno == EINTR);
	if (len != sizeof(status))
		return guard_died(pid);
	p.fd = syscall(SYS_pidfd_open, pid, 0);
	if (p.fd >= 0)
		poll(&p, 1, GUARD_END_MS);
	return status;
}

/**
 * guard_name - what a terminal shows while the command goes on
 * @what: name of the command
 */
void guard_name(const char *what)
{
	guard_what = what;
}

/**
 * guard_enter - go on in a child
 *
 * Returns in the child. This process waits for guard_report() and exits.
 * Without memory for a child the process goes on itself.
 */
void guard_enter(void)
{
	pid_t self = getpid(), pid;
	int fds[2];

	if (guard_fd >= 0 || pipe2(fds, O_CLOEXEC))
		return;
	fflush(NULL);
	pid = fork();
	if (pid > 0) {
		close(fds[1]);
		_exit(guard_wait(pid, fds[0]));
	}
	close(fds[0]);
	if (pid < 0) {
		close(fds[1]);
		return;
	}
	guard_fd = fds[1];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != self)
		_exit(EXIT_FAILED);
}

/**
 * guard_report - tell the waiting process to exit
 * @status: exit status
 *
 * It is the last thing that the child does: nobody must wait for the end of its
 * output, so it closes that first.
 */
void guard_report(int status)
{
	int null;

	if (guard_fd < 0)
		return;
	fflush(NULL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	while (write(guard_fd, &status, sizeof(status)) < 0 && errno == EINTR)
		;
	guard_leave();
}

/**
 * guard_leave - this process does not report
 *
 * For other children of the child.
 */
void guard_leave(void)
{
	if (guard_fd >= 0)
		close(guard_fd);
	guard_fd = -1;
}
