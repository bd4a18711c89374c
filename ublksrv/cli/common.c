// SPDX-License-Identifier: GPL-2.0
/*
 * Shared by the commands on existing devices: find the device, explain an error
 * of the driver, wait for daemons and states. Every wait has a deadline.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "cli.h"
#include "guardian.h"

/**
 * common_now_ns - read the clock that deadlines and rates are counted by
 *
 * Return: nanoseconds of CLOCK_MONOTONIC
 */
__u64 common_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/**
 * common_explain - record the message for an error of any command
 * @id: device
 * @err: negative errno
 *
 * Return: @err
 */
int common_explain(__u32 id, int err)
{
	switch (-err) {
	case ENODEV:
		return ublk_error(err, "dev %u: no such device; see \"ublk list\"",
				  id);
	case EPERM:
	case EACCES:
		return ublk_error(err, "dev %u: %s; run as root", id,
				  strerror(-err));
	case ETIMEDOUT:
		return common_silent(id, 0, "the driver did not answer in time");
	default:
		return ublk_error(err, "dev %u: %s", id, strerror(-err));
	}
}

/**
 * common_prefix - let the last message begin with the device
 * @id: device
 * @err: negative errno
 *
 * Return: @err
 */
int common_prefix(__u32 id, int err)
{
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "dev %u: ", id);
	if (!strncmp(ublk_strerror_last(), prefix, strlen(prefix)))
		return err;
	return ublk_error(err, "%s%s", prefix, ublk_strerror_last());
}

/* Target and files of a device, "loop file=/x", and the pid in its record. */
static pid_t common_store(__u32 id, char *buf, size_t len)
{
	struct state st;
	pid_t pid;

	*buf = 0;
	if (state_read(id, &st))
		return 0;
	pid = st.pid;
	snprintf(buf, len, " (%s%.400s)", st.target_name, st.target_text);
	state_free(&st);
	return pid;
}

/**
 * common_silent - record the message for a device that did not answer in time
 * @id: device
 * @pid: its daemon, from the driver; not positive if it is not known
 * @fmt: what was not done
 *
 * Return: -ETIMEDOUT
 */
int common_silent(__u32 id, pid_t pid, const char *fmt, ...)
{
	char what[160], store[480], cure[300];
	pid_t recorded = common_store(id, store, sizeof(store));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return ublk_error(-ETIMEDOUT, "dev %u%s: %s; %s", id, store, what,
			  proc_cure(id, pid > 0 ? pid : recorded, cure,
				    sizeof(cure)));
}

/**
 * common_no_disk - record the message for a command that needs a disk
 * @id: device
 * @what: cannot be done
 *
 * Return: -EINVAL
 */
int common_no_disk(__u32 id, const char *what)
{
	return ublk_error(-EINVAL, "dev %u: is stopped and has no disk, %s; \"ublk del -n %u\" and add it again",
			  id, what, id);
}

/**
 * common_open - open the control device and look up a device
 * @id: device
 * @ctrl: receives a handle
 * @info: receives the driver's answer
 *
 * Commands of the handle have the deadline CLI_QUERY_MS. A device whose requests a guardian
 * fails has the state FAIL_IO.
 *
 * Return: 0; or negative errno with a message, and nothing is open
 */
int common_open(__u32 id, struct ublk_ctrl **ctrl,
		struct ublksrv_ctrl_dev_info *info)
{
	int ret;

	ret = ublk_ctrl_open(ctrl);
	if (ret)
		return ret;
	ublk_ctrl_set_deadline(*ctrl, CLI_QUERY_MS);
	ret = guardian_get_info(*ctrl, id, info);
	if (ret) {
		ublk_ctrl_close(*ctrl);
		return common_explain(id, ret);
	}
	ret = device_check(info);
	if (ret)
		ublk_ctrl_close(*ctrl);
	return ret;
}

/**
 * common_open_daemon - a descriptor of the process that serves a device
 * @id: device
 * @pid: from the driver, which has none for a stopped device
 *
 * Return: pidfd, or -1 when there is none
 */
int common_open_daemon(__u32 id, pid_t pid)
{
	struct state st;

	if (pid <= 0 && !state_read(id, &st)) {
		pid = st.pid;
		state_free(&st);
	}
	return pid > 0 ? syscall(SYS_pidfd_open, pid, 0) : -1;
}

/**
 * common_daemon_ended - wait for the end of a process
 * @pidfd: from common_open_daemon(), or -1
 * @ms: deadline
 *
 * Return: true if it has ended
 */
bool common_daemon_ended(int pidfd, unsigned int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int ret;

	if (pidfd < 0)
		return true;
	do {
		ret = poll(&p, 1, ms);
	} while (ret < 0 && errno == EINTR);
	return ret > 0;
}

/**
 * common_wait_state - wait until a device has left a state
 * @ctrl: handle
 * @id: device
 * @not_state: that state
 * @ms: deadline
 * @info: receives the last answer of the driver
 *
 * Return: 0, -ETIMEDOUT, or an error of the driver
 */
int common_wait_state(struct ublk_ctrl *ctrl, __u32 id, unsigned int not_state,
		      unsigned int ms, struct ublksrv_ctrl_dev_info *info)
{
	struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	unsigned int i;
	int ret;

	for (i = 0; i <= ms; i += 5) {
		ret = ublk_ctrl_get_info(ctrl, id, info);
		if (ret || info->state != not_state)
			return ret;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}
