// SPDX-License-Identifier: GPL-2.0
/*
 * Leave the session of a login. systemd kills what is in a session when that ends, at
 * the latest when the system shuts down, and that comes before the file systems are
 * unmounted. So a daemon that "ublk add" starts from a shell moves into a scope of
 * system.slice, with the settings of ublk@.service that a scope can have.
 *
 * systemd is asked through busctl(1), which is part of it. Without it, without a bus, and
 * for an ordinary user, the daemon stays where it is.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cli.h"

#define BUSCTL		"/usr/bin/busctl"
#define MANAGER		"org.freedesktop.systemd1"
#define CALL_MS		10000	/* for systemd to answer */
#define MOVE_MS		5000	/* ... and to move the process */

/* Is this process in the session of a user? Without cgroup v2 that is not known. */
static bool session_is_ours(void)
{
	char line[600] = "";
	FILE *in = fopen("/proc/self/cgroup", "re");
	bool found = false;

	while (in && !found && fgets(line, sizeof(line), in))
		found = !strncmp(line, "0::/user.slice/", 15);
	if (in)
		fclose(in);
	return found;
}

/* Return: exit status, or negative errno */
static int session_call(char * const *argv)
{
	posix_spawn_file_actions_t files;
	int status = 0, pidfd, ret;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", 0, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", 1, 0);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", 1, 0);
	ret = -posix_spawn(&pid, BUSCTL, &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (ret)
		return ret;
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 || !common_daemon_ended(pidfd, CALL_MS)) {
		kill(pid, SIGKILL);
		ret = -ETIMEDOUT;
	}
	if (pidfd >= 0)
		close(pidfd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return ret ? : WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* @survive: with the property that only systemd 255 and later have */
static int session_ask(const char *scope, const char *what, const char *pid,
		       bool survive)
{
	const char *line[60] = {
		"busctl", "--system", "--quiet", "--timeout=5", "call", MANAGER,
		"/org/freedesktop/systemd1", MANAGER ".Manager",
		"StartTransientUnit", "ssa(sv)a(sa(sv))", scope, "fail",
		survive ? "10" : "9",
		"PIDs", "au", "1", pid,
		"Description", "s", what,
		"Slice", "s", "system.slice",
		"DefaultDependencies", "b", "false",
		"IgnoreOnIsolate", "b", "true",
		"SendSIGKILL", "b", "false",
		"OOMPolicy", "s", "continue",
		"ManagedOOMPreference", "s", "omit",
		"TasksMax", "t", "18446744073709551615",
	};
	size_t nr = 0;

	while (line[nr])
		nr++;
	if (survive) {
		line[nr++] = "SurviveFinalKillSignal";
		line[nr++] = "b";
		line[nr++] = "true";
	}
	/* no auxiliary units */
	line[nr] = "0";
	return session_call((char * const *)(uintptr_t)line);
}

static bool session_wait(void)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int ms;

	for (ms = 0; ms < MOVE_MS; ms += 10) {
		if (!session_is_ours())
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/**
 * session_leave - move this process out of the session of a login
 * @id: device
 * @what: this process is, such as "server"
 *
 * If that cannot be done, the reason is logged.
 */
void session_leave(__u32 id, const char *what)
{
	char scope[64], text[80], pid[16];
	int ret;

	if (geteuid() || access("/run/systemd/system", F_OK) || !session_is_ours())
		return;
	snprintf(scope, sizeof(scope), "ublk-%u-%s-%d.scope", id, what, getpid());
	snprintf(text, sizeof(text), "%s of /dev/ublkb%u", what, id);
	snprintf(pid, sizeof(pid), "%d", getpid());
	ret = session_ask(scope, text, pid, true);
	if (ret > 0)
		ret = session_ask(scope, text, pid, false);
	if (!ret && session_wait())
		return;
	ublk_log(UBLK_LOG_WARN, "dev %u: the %s stays in the session of its user, and ends with that: systemd was asked with busctl: %s",
		 id, what, ret < 0 ? strerror(-ret) : ret ? "it has refused" :
		 "it has not moved the process");
}
