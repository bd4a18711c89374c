// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk doctor": kernel, module, io_uring, limits, permissions, udev.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <liburing.h>

#include "doctor.h"
#include "procfs.h"

#define CONTROL	"/dev/ublk-control"

/* ublk_drv is in Linux since 6.0; see "Supported" in README.md. */
#define OLDEST_MAJOR	6
#define OLDEST_MINOR	12

void doctor_kernel(struct doctor *d)
{
	struct utsname u;
	unsigned int major = 0, minor = 0;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		doctor_bad(d, "use a kernel of Linux", "its release is not known");
	else if (major < OLDEST_MAJOR ||
		 (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
		doctor_bad(d, "use 6.12 or later",
			   "%s: this program is not tested with a kernel before %u.%u",
			   u.release, OLDEST_MAJOR, OLDEST_MINOR);
	else
		doctor_ok(d, "%s", u.release);
}

/* Drivers of kernels that are known to be bad; what they do was seen on that series. */
static const struct {
	unsigned int major, minor;
	const char *what;
} known_bad[] = {
	{
		7, 3,
		"two QUIESCE_DEV in a row can crash the kernel, UNREG_BUF of a disk without a server hangs, and a stop of a recoverable disk loses what was not synced"
	},
};

/* The driver of this project has a feature that no other one has. */
static void doctor_driver(struct doctor *d, __u64 features)
{
	unsigned int major, minor;
	struct utsname u;
	size_t i;

	if (features & UBLK_F_EXTENTS || uname(&u) ||
	    sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return;
	for (i = 0; i < sizeof(known_bad) / sizeof(known_bad[0]); i++)
		if (major == known_bad[i].major && minor == known_bad[i].minor)
			doctor_bad(d, "load the driver of this package, which \"make install\" or ublk-dkms brings",
				   "the driver is the one of the kernel %u.%u: %s",
				   major, minor, known_bad[i].what);
}

void doctor_module(struct doctor *d)
{
	__u64 features = 0;

	if (!access(CONTROL, F_OK)) {
		if (!d->ctrl)
			doctor_ok(d, "is loaded");
		else if (ublk_ctrl_get_features(d->ctrl, &features))
			doctor_bad(d, "see \"ublk features\" for what needs them",
				   "the driver has no GET_FEATURES, it is that of a kernel before 6.5");
		else
			doctor_ok(d, "is loaded, features 0x%llx",
				  (unsigned long long)features);
		if (features)
			doctor_driver(d, features);
	} else if (!access("/sys/module/ublk_drv", F_OK)) {
		doctor_bad(d, "see whether devtmpfs is mounted on /dev",
			   "ublk_drv is loaded, and there is no " CONTROL);
	} else {
		doctor_bad(d, "run \"modprobe ublk_drv\"; a name in /etc/modules-load.d loads it at boot",
			   "ublk_drv is not loaded");
	}
}

void doctor_uring(struct doctor *d)
{
	char line[16] = "";
	struct io_uring ring;
	int ret = io_uring_queue_init(4, &ring, IORING_SETUP_SQE128);

	if (!ret) {
		io_uring_queue_exit(&ring);
		doctor_ok(d, "works");
		return;
	}
	procfs_line("/proc/sys/kernel/io_uring_disabled", line, sizeof(line));
	if (ret == -EPERM && *line && *line != '0')
		doctor_bad(d, "set it to 0, or to 1 with the group in kernel.io_uring_group",
			   "the sysctl kernel.io_uring_disabled is %s", line);
	else if (ret == -EPERM)
		doctor_bad(d, "let the seccomp filter of the container or service allow io_uring_setup",
			   "io_uring_setup: %s", strerror(-ret));
	else if (ret == -ENOMEM)
		doctor_bad(d, "raise RLIMIT_MEMLOCK, with \"ulimit -l\" or LimitMEMLOCK=",
			   "io_uring_setup: %s", strerror(-ret));
	else
		doctor_bad(d, "use a kernel with CONFIG_IO_URING",
			   "io_uring_setup: %s", strerror(-ret));
}

void doctor_limits(struct doctor *d)
{
	struct rlimit nofile, memlock;

	if (getrlimit(RLIMIT_NOFILE, &nofile) ||
	    getrlimit(RLIMIT_MEMLOCK, &memlock))
		return;
	if (nofile.rlim_cur < 256)
		doctor_bad(d, "raise it, with \"ulimit -n\" or LimitNOFILE=",
			   "RLIMIT_NOFILE is %llu, a device with many queues needs more",
			   (unsigned long long)nofile.rlim_cur);
	else
		doctor_ok(d, "RLIMIT_NOFILE %llu",
			  (unsigned long long)nofile.rlim_cur);
	/* root has CAP_IPC_LOCK */
	if (geteuid() && memlock.rlim_cur < 8 << 20)
		doctor_bad(d, "raise it for --mlock and --shmem_zc, with \"ulimit -l\" or LimitMEMLOCK=",
			   "RLIMIT_MEMLOCK is %llu",
			   (unsigned long long)memlock.rlim_cur);
}

void doctor_permissions(struct doctor *d)
{
	if (access(CONTROL, F_OK))
		return;
	if (access(CONTROL, R_OK | W_OK))
		doctor_bad(d, "run as root, or see ORDINARY USERS in \"man ublk\"",
			   CONTROL ": %s", strerror(errno));
	else if (!d->ctrl)
		doctor_bad(d, "see io_uring above", CONTROL " cannot be used: %s",
			   ublk_strerror_last());
	else
		doctor_ok(d, CONTROL " may be opened");
}

/* The rule runs this program; a rule that runs another one is found as well. */
void doctor_udev(struct doctor *d)
{
	static const char * const places[] = {
		"/etc/udev/rules.d", "/run/udev/rules.d",
		"/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d",
		"/lib/udev/rules.d",
	};
	char path[100];
	size_t i;

	if (access("/run/udev/control", F_OK)) {
		doctor_bad(d, "start systemd-udevd, or do without names in /dev/disk/by-ublk and without --unprivileged",
			   "udevd does not run");
		return;
	}
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/60-ublk.rules", places[i]);
		if (!access(path, R_OK)) {
			doctor_ok(d, "udevd runs, with %s", path);
			return;
		}
	}
	doctor_bad(d, "run \"make install\", or install the package",
		   "60-ublk.rules is not installed: no links in /dev/disk/by-ublk");
}
