// SPDX-License-Identifier: GPL-2.0
/*
 * Serve a device: in this process, or in a daemon that this process waits for.
 *
 * The daemon reports through a pipe: first its pid, then that the disk is
 * there, or the message and exit status of the failure. The caller prints the
 * message and exits with that status, so scripts need not care which process
 * failed. If the caller has exited before, the daemon stops the device.
 *
 * On SIGTERM and SIGINT leave.c says what becomes of the device. If another process
 * stopped it, the daemon just ends. If it was quiesced, or if a thread of a
 * recoverable device failed, the daemon leaves the device and the run-state file for
 * "recover".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "cli.h"
#include "guardian.h"
#include "json.h"

/* On top of --timeout: the daemon undoes what it did, and says why. */
#define READY_SLACK_MS	20000

struct report {
	enum { REPORT_PID, REPORT_READY, REPORT_FAILED } what;
	int status;		/* exit status */
	__u32 id;
	pid_t pid;
	__u64 pause_us;		/* with --replace */
	char text[1024];
};

/**
 * daemon_close_others - do not keep open what the caller has open, such as a lock file
 * @keep: the only descriptor besides the standard ones
 */
void daemon_close_others(int keep)
{
	/* the C library would write to what has its number later */
	closelog();
	if (keep > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, keep - 1, 0);
	close_range(keep + 1, ~0U, 0);
}

/* Return: false if the caller has exited */
static bool report_send(int fd, struct report *r)
{
	return fd < 0 || write(fd, r, sizeof(*r)) == sizeof(*r);
}

static void daemon_syslog(enum ublk_log_level level, const char *msg)
{
	static const int prio[] = {
		[UBLK_LOG_ERR]	= LOG_ERR,
		[UBLK_LOG_WARN]	= LOG_WARNING,
		[UBLK_LOG_INFO]	= LOG_INFO,
		[UBLK_LOG_DEBUG] = LOG_DEBUG,
	};

	syslog(prio[level], "%s", msg);
}

/**
 * daemon_use_syslog - log to the system log
 * @level: the least important messages that are logged
 */
void daemon_use_syslog(enum ublk_log_level level)
{
	openlog("ublk", LOG_PID, LOG_DAEMON);
	ublk_set_log(daemon_syslog, level);
}

/**
 * daemon_is_mute - does nobody read the standard error
 *
 * Return: true if it is /dev/null
 */
bool daemon_is_mute(void)
{
	struct stat st;

	return !fstat(STDERR_FILENO, &st) && S_ISCHR(st.st_mode) &&
		st.st_rdev == makedev(1, 3);
}

/* The caller is about to exit: leave its terminal, log to the system log. */
static void daemon_detach(bool debug)
{
	int fd = open("/dev/null", O_RDWR);

	fflush(NULL);
	if (fd >= 0) {
		dup2(fd, STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		if (fd > STDERR_FILENO)
			close(fd);
	}
	daemon_use_syslog(debug ? UBLK_LOG_DEBUG : UBLK_LOG_INFO);
}

/* Log the mode, and why the library did not choose a faster one. */
static void daemon_log_mode(struct ublk_dev *dev)
{
	const struct ublksrv_ctrl_dev_info *info = ublk_dev_info(dev);
	const char *why = ublk_dev_mode_reason(dev);

	ublk_log(*why ? UBLK_LOG_INFO : UBLK_LOG_DEBUG, "dev %u: mode %s%s%s",
		 info->dev_id, mode_text(info->flags), *why ? "; " : "", why);
}

/* Wait for a signal or the end of the threads. Return: true for a signal */
static bool daemon_signalled(struct ublk_dev *dev, int signal_fd)
{
	struct pollfd p[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = ublk_dev_event_fd(dev), .events = POLLIN },
	};
	struct signalfd_siginfo sig;

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	/* threads that have ended leave no choice */
	return !p[1].revents &&
		read(signal_fd, &sig, sizeof(sig)) == sizeof(sig);
}

/* Until there is a reason to end. */
static enum leave daemon_sleep(struct ublk_dev *dev, int signal_fd)
{
	enum leave leave = LEAVE_NOT;

	while (leave == LEAVE_NOT || leave == LEAVE_THREADS) {
		if (!daemon_signalled(dev, signal_fd))
			return LEAVE_THREADS;
		/* one that comes after the first has nothing to add */
		if (leave == LEAVE_NOT)
			leave = leave_by_signal(dev);
	}
	return leave;
}

/* The threads have ended. Return: true if "recover" is to continue the device */
static bool daemon_hands_over(struct ublk_dev *dev)
{
	struct ublksrv_ctrl_dev_info info;
	__u32 id = ublk_dev_info(dev)->dev_id;

	if (!(ublk_dev_info(dev)->flags & UBLK_F_USER_RECOVERY))
		return false;
	/* a stop removes the disk before the tags get their ENODEV (L-43) */
	return !ublk_ctrl_get_info(ublk_dev_ctrl(dev), id, &info) &&
		info.state != UBLK_S_DEV_DEAD;
}

static int daemon_stop(struct ublk_dev *dev)
{
	__u32 id = ublk_dev_info(dev)->dev_id;
	int ret = ublk_dev_stop(dev);

	state_remove(id, getpid());
	if (!ret)
		ret = ublk_dev_del(dev);
	if (ret)
		ublk_log(UBLK_LOG_ERR, "dev %u: %s", id, ublk_strerror_last());
	return ret;
}

/*
 * The disk was removed by somebody else, and perhaps the device as well. Of one that is
 * declared the record stays, as "ublk up" finds the device by its name; "ublk del" removes
 * it later.
 */
static void daemon_forget(__u32 id)
{
	bool declared = false;
	struct state st;

	if (!state_read(id, &st)) {
		declared = st.pid == getpid() && st.declared;
		state_free(&st);
	}
	if (!declared)
		state_remove(id, getpid());
}

static int daemon_shut_down(struct ublk_dev *dev, enum leave leave)
{
	__u32 id = ublk_dev_info(dev)->dev_id;
	int failed = ublk_dev_failed(dev);
	int ret = 0;

	if (failed)
		ublk_log(UBLK_LOG_ERR, "dev %u: %s", id, ublk_strerror_last());
	if (leave == LEAVE_DELETE) {
		ret = daemon_stop(dev);
	} else if (leave == LEAVE_DETACH) {
		ublk_dev_detach(dev);
	} else if (failed && daemon_hands_over(dev)) {
		ublk_log(UBLK_LOG_ERR, "dev %u: left for \"ublk recover -n %u\"",
			 id, id);
		ublk_dev_detach(dev);
	} else if (failed) {
		ret = daemon_stop(dev);
	} else {
		/* before the char device is closed and the number reused */
		if (!daemon_hands_over(dev))
			daemon_forget(id);
		ublk_dev_wait(dev);
	}
	ublk_dev_free(dev);
	return failed ? failed : ret;
}

static int daemon_signal_fd(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Print a device that is served now, as the options say. */
static int daemon_show(const struct daemon_args *args, struct ublk_ctrl *ctrl,
		       const struct report *r)
{
	int ret;

	if (args->replace)
		out_set("pause_us", json_integer(r->pause_us));
	if (args->quiet && !out_is_json())
		return 0;
	if (args->show && !out_is_json()) {
		printf("/dev/ublkb%u\n", r->id);
		return 0;
	}
	ret = list_print(ctrl, r->id);
	if (!ret && args->replace && !out_is_json())
		printf("\tIO waited %llu.%llu ms\n",
		       (unsigned long long)r->pause_us / 1000,
		       (unsigned long long)r->pause_us / 100 % 10);
	return ret;
}

/**
 * daemon_tell - write to the caller's eventfd, if there is one
 * @args: with its descriptor
 * @id: number of the device, or DAEMON_FAILED
 *
 * The value is the number plus 1, because 0 cannot be read; or the highest one that
 * an eventfd has, after a failure.
 */
void daemon_tell(const struct daemon_args *args, __u64 id)
{
	__u64 val = id == DAEMON_FAILED ? UINT64_MAX - 1 : id + 1;

	if (args->eventfd &&
	    write(args->eventfd, &val, sizeof(val)) != sizeof(val))
		ublk_log(UBLK_LOG_WARN, "--eventfd: descriptor %d: %s",
			 args->eventfd, strerror(errno));
}

/* @fd: pipe to the caller, or -1 in the foreground. Return: exit status */
static int daemon_serve(struct daemon_args *args, int fd)
{
	struct report r = { .what = REPORT_PID, .pid = getpid() };
	int signal_fd = daemon_signal_fd();
	enum leave leave = LEAVE_NOT;
	struct ublk_dev *dev;
	int ret, oom;

	if (!report_send(fd, &r))
		return EXIT_FAILED;
	args->pause_us = &r.pause_us;
	oom = survive_set_up(args->dev.flags & UBLK_DEV_MLOCK);
	ret = bringup(args, &dev);
	if (ret) {
		r.what = REPORT_FAILED;
		r.status = cli_exit_status(ret);
		snprintf(r.text, sizeof(r.text), "%s", ublk_strerror_last());
		if (fd < 0) {
			cli_report(r.status, r.text);
			daemon_tell(args, DAEMON_FAILED);
		}
		report_send(fd, &r);
		return r.status;
	}

	r.what = REPORT_READY;
	r.id = ublk_dev_info(dev)->dev_id;
	if (fd >= 0) {
		daemon_detach(args->debug);
		session_leave(r.id, "server");
		guardian_start(r.id, args->hold_timeout);
	} else {
		if (daemon_is_mute())
			daemon_use_syslog(args->debug ? UBLK_LOG_DEBUG :
					  UBLK_LOG_INFO);
		daemon_show(args, ublk_dev_ctrl(dev), &r);
		out_print(EXIT_OK);
		guardian_start(r.id, args->hold_timeout);
		/* who waits for the eventfd may read this then */
		fflush(stdout);
		daemon_tell(args, r.id);
	}
	daemon_log_mode(dev);
	survive_log(r.id, oom);
	fflush(stdout);
	/* nobody has learned of the device */
	if (!report_send(fd, &r))
		leave = LEAVE_DELETE;
	if (fd >= 0)
		close(fd);
	if (leave == LEAVE_NOT)
		leave = daemon_sleep(dev, signal_fd);
	ret = daemon_shut_down(dev, leave);
	if (signal_fd >= 0)
		close(signal_fd);
	return cli_exit_status(ret);
}

/* One report with a deadline. Return: 0 or negative errno */
static int report_receive(int fd, struct report *r, unsigned int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t len;
	int ret;

	do {
		ret = poll(&p, 1, ms);
	} while (ret < 0 && errno == EINTR);
	if (!ret)
		return -ETIMEDOUT;
	len = read(fd, r, sizeof(*r));
	return len == sizeof(*r) ? 0 : -EPIPE;
}

/* No report came. Return: exit status */
static int daemon_not_ready(const struct daemon_args *args, pid_t pid, int err)
{
	const char *state = proc_state_text(pid);
	__u32 id = args->dev.id;
	char dev[32] = "";

	if (id != UBLK_ID_AUTO)
		snprintf(dev, sizeof(dev), "dev %u: ", id);
	if (err != -ETIMEDOUT) {
		ublk_error(-EIO, "%sthe daemon, process %d, died; see the system log, and \"ublk list\" for a device that is left",
			   dev, pid);
		return cli_fail(-EIO);
	}
	if (pid)
		kill(pid, SIGKILL);
	ublk_error(err, "%sthe daemon, process %d, was not ready after %u s: it was %s, and is killed now; see whether its store answers, and \"ublk list\" for a device that is left",
		   dev, pid, (args->timeout_ms + READY_SLACK_MS) / 1000, state);
	return cli_fail(err);
}

/* @id receives the number of the device, if there is one. */
static int daemon_wait_ready(const struct daemon_args *args, int fd, __u64 *id)
{
	unsigned int ms = args->timeout_ms + READY_SLACK_MS;
	struct ublk_ctrl *ctrl;
	struct report r;
	pid_t pid = 0;
	int ret;

	*id = DAEMON_FAILED;
	ret = report_receive(fd, &r, ms);
	if (!ret && r.what == REPORT_PID) {
		pid = r.pid;
		ret = report_receive(fd, &r, ms);
	}
	if (ret)
		return daemon_not_ready(args, pid, ret);
	if (r.what == REPORT_FAILED) {
		r.text[sizeof(r.text) - 1] = 0;
		return cli_report(r.status, r.text);
	}
	*id = r.id;
	ret = args->supervise ? serve_start(r.id) : 0;
	if (ret)
		return cli_fail(ret);
	ret = ublk_ctrl_open(&ctrl);
	if (!ret) {
		ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
		ret = daemon_show(args, ctrl, &r);
		ublk_ctrl_close(ctrl);
	}
	/* it was ready, even if it is deleted by now */
	return ret == -ENODEV ? EXIT_OK : ret ? cli_fail(ret) : EXIT_OK;
}

/**
 * daemon_run - serve a device as asked for on the command line
 * @args: what to serve, and how
 *
 * Return: exit status of the program; comes from the daemon process as well
 */
int daemon_run(struct daemon_args *args)
{
	int fds[2], ret;
	pid_t pid;
	__u64 id;

	/* what is recovered has a driver */
	ret = args->recover ? 0 : module_load();
	if (ret) {
		daemon_tell(args, DAEMON_FAILED);
		return cli_fail(ret);
	}
	if (args->foreground) {
		if (chdir("/"))
			return EXIT_FAILED;
		return daemon_serve(args, -1);
	}
	guard_enter();
	if (pipe2(fds, O_CLOEXEC)) {
		ublk_error(-errno, "pipe: %s", strerror(errno));
		return cli_fail(-EMFILE);
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		ublk_error(-errno, "fork: %s", strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return cli_fail(-EAGAIN);
	}
	if (!pid) {
		close(fds[0]);
		if (setsid() < 0 || chdir("/"))
			_exit(EXIT_FAILED);
		/* a second fork, so that init and not the caller reaps it */
		pid = fork();
		if (pid)
			_exit(pid < 0 ? EXIT_FAILED : EXIT_OK);
		guard_leave();
		out_stop();
		daemon_close_others(fds[1]);
		return daemon_serve(args, fds[1]);
	}
	close(fds[1]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	ret = daemon_wait_ready(args, fds[0], &id);
	close(fds[0]);
	daemon_tell(args, id);
	return ret;
}
