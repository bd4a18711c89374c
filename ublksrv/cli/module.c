// SPDX-License-Identifier: GPL-2.0
/*
 * Load the driver when a command needs it and nobody has: nothing else does, as
 * its control node exists only while it is loaded.
 *
 * modprobe chooses the module, a newer one below updates/ before the kernel's
 * own, and respects what the administrator wrote into modprobe.d. Where the
 * kernel accepts only signatures that it knows (module.sig_enforce, lockdown by
 * Secure Boot) the newer one may be refused; then the kernel's own is loaded.
 * DKMS 3.2 keeps that one below /var/lib/dkms as long as it has installed a module
 * of the same name.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "cli.h"
#include "procfs.h"

#define CONTROL_NODE	"/dev/ublk-control"
#define DRIVER		"ublk_drv"
#define LOADER_FILE	"/proc/sys/kernel/modprobe"
#define LOAD_MS		60000	/* the kernel may wait for another module */

/* Ask the kernel: an ordinary user may have the capability, root may not. */
static bool module_may_load(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };

	return !syscall(SYS_capget, &head, data) &&
	       data[0].effective & 1U << CAP_SYS_MODULE;
}

/* The first line that the loader prints; the rest is read and dropped. */
static int module_read(int fd, char *said, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0;
	char rest[256];
	ssize_t n;
	int ret;

	for (;;) {
		ret = poll(&p, 1, LOAD_MS);
		if (ret < 0 && errno == EINTR)
			continue;
		if (!ret)
			return -ETIMEDOUT;
		if (used < len - 1)
			n = read(fd, said + used, len - 1 - used);
		else
			n = read(fd, rest, sizeof(rest));
		if (n <= 0)
			break;
		if (used < len - 1)
			used += n;
	}
	said[used] = 0;
	said[strcspn(said, "\n")] = 0;
	return 0;
}

/* Start the loader with its standard error in @fd. Return: pid, or -errno */
static pid_t module_spawn(char **argv, int fd)
{
	/* its words for an errno are then those of strerror() here */
	static const char * const env[] = {
		"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL,
	};
	posix_spawn_file_actions_t files;
	pid_t pid;
	int ret;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null",
					 O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, fd, STDERR_FILENO);
	ret = posix_spawn(&pid, argv[0], &files, NULL, argv,
			  (char **)(uintptr_t)env);
	posix_spawn_file_actions_destroy(&files);
	return ret ? -ret : pid;
}

/*
 * Run "@loader -b @what". @said receives what it printed, or why it could not run.
 * Return: 0, -EIO if it failed, -ETIMEDOUT
 */
static int module_run(char *loader, char *what, char *said, size_t len)
{
	int fds[2], status = 0, ret;
	char *argv[4] = { loader };
	pid_t pid;

	argv[1] = "-b";
	argv[2] = what;
	if (pipe2(fds, O_CLOEXEC)) {
		snprintf(said, len, "pipe: %s", strerror(errno));
		return -EIO;
	}
	pid = module_spawn(argv, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		snprintf(said, len, "%s: %s", loader, strerror(-pid));
		close(fds[0]);
		return -EIO;
	}
	ret = module_read(fds[0], said, len);
	close(fds[0]);
	if (ret) {
		/* it may be in the kernel, where no signal reaches it */
		kill(pid, SIGKILL);
		snprintf(said, len, "%s: not done after %d s", loader,
			 LOAD_MS / 1000);
		return ret;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status && !*said)
		snprintf(said, len, "%s: status %d", loader,
			 WEXITSTATUS(status));
	return status ? -EIO : 0;
}

/* Did the kernel refuse the module for its signature? */
static bool module_key_rejected(const char *said)
{
	/* EPERM: lockdown. EACCES: a security module that looks at signatures. */
	return strstr(said, strerror(EKEYREJECTED)) ||
	       strstr(said, strerror(EPERM)) || strstr(said, strerror(EACCES));
}

/* Where the module that came with a kernel can be, by the kernel's release. */
static const char * const module_places[] = {
	"/lib/modules/%s/kernel/drivers/block/{,ublk/}" DRIVER ".ko{,.gz,.xz,.zst}",
	"/var/lib/dkms/ublk/original_module/%s/*/" DRIVER ".ko{,.gz,.xz,.zst}",
	NULL,
};

/* The module that came with the running kernel. Return: path for free(), or NULL */
static char *module_of_kernel(void)
{
	const char * const *place;
	struct utsname u;
	char *path = NULL;
	char pattern[200];
	glob_t g;

	uname(&u);
	for (place = module_places; *place && !path; place++) {
		snprintf(pattern, sizeof(pattern), *place, u.release);
		if (!glob(pattern, GLOB_BRACE, NULL, &g)) {
			path = strdup(g.gl_pathv[0]);
			globfree(&g);
		}
	}
	return path;
}

/* Return: 0 with a warning, or -EUNATCH with a message */
static int module_load_of_kernel(char *loader, const char *why)
{
	char *path = module_of_kernel();
	char said[400];
	int ret;

	if (!path)
		return ublk_error(-EUNATCH, CONTROL_NODE ": driver not loaded: %s; the kernel has none of its own; see \"mokutil --import\"",
				  why);
	ret = module_run(loader, path, said, sizeof(said));
	if (ret)
		ret = ublk_error(-EUNATCH, CONTROL_NODE ": driver not loaded: %s; nor the kernel's own: %s",
				 why, said);
	else
		ublk_log(UBLK_LOG_WARN, "the kernel does not accept the signature of the newer driver, so its own is loaded, %s: %s; see \"ublk features\", and \"mokutil --import\" to let the firmware know the key",
			 path, why);
	free(path);
	return ret;
}

/**
 * module_load - load the driver if it is not there, and this process may
 *
 * If it may not, or if the administrator has switched off that the kernel loads
 * modules, this does nothing: ublk_ctrl_open() fails later, with its own message.
 *
 * Return: 0, or -EUNATCH with a message
 */
int module_load(void)
{
	char loader[256], said[400];
	int ret;

	if (!access(CONTROL_NODE, F_OK) || !module_may_load())
		return 0;
	/* not there without support for modules, empty if switched off */
	if (!procfs_line(LOADER_FILE, loader, sizeof(loader)) || !*loader)
		return 0;
	ret = module_run(loader, DRIVER, said, sizeof(said));
	if (ret && module_key_rejected(said))
		return module_load_of_kernel(loader, said);
	if (ret)
		return ublk_error(-EUNATCH, CONTROL_NODE ": driver not loaded: %s",
				  said);
	if (!access(CONTROL_NODE, F_OK))
		return 0;
	if (!access("/sys/module/" DRIVER, F_OK))
		return ublk_error(-EUNATCH, CONTROL_NODE ": missing, although the driver is loaded; is there a devtmpfs on /dev?");
	return ublk_error(-EUNATCH, CONTROL_NODE ": driver not loaded: %s found nothing to do; is ublk_drv on a blacklist in /etc/modprobe.d?",
			  loader);
}
