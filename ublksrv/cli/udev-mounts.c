// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk udev-mounts": fstab has a disk by its label alone, and the disk is there now.
 * So the generator knows which mount is that of a declared device, and systemd has to
 * run it once more. For ublk-mounts@.service, which systemd starts for each such disk
 * when udev has seen it. If nothing is new, nothing is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "generator.h"

struct mounts_cfg {
	const char *dir;
};

static const struct ublk_opt mounts_opts[] = {
	{
		.name = "directory", .type = UBLK_OPT_STR,
		.offset = offsetof(struct mounts_cfg, dir),
		.arg = "DIR", .def = "/run/systemd/generator",
		.help = "where systemd has the units of generators",
	},
	{ 0 }
};

/* Return: 0 or negative errno with a message */
static int mounts_reload(void)
{
	static const char * const line[] = { "systemctl", "daemon-reload", NULL };
	int status = 0, ret;
	pid_t pid;

	ret = posix_spawnp(&pid, line[0], NULL, NULL,
			   (char * const *)(uintptr_t)line, environ);
	if (ret)
		return ublk_error(-ret, "systemctl: %s", strerror(ret));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		return ublk_error(-EIO, "\"systemctl daemon-reload\" failed: a soft-reboot unmounts disks that fstab has by label; try it by hand");
	return 0;
}

/* Return: 0 or negative errno with a message */
static int mounts_update(const struct generator *g, const char *dir)
{
	int ret = generator_keeps(g, dir);

	if (ret)
		return ret < 0 ? ret : 0;
	ret = mounts_reload();
	if (!ret)
		ret = generator_keeps(g, dir);
	if (!ret)
		ret = ublk_error(-EIO, "the generator has not written what mounts of disks need to stay over a soft-reboot; its reason is in the journal");
	return ret < 0 ? ret : 0;
}

static int mounts_run(int argc, char **argv)
{
	struct mounts_cfg cfg = { 0 };
	struct generator g = { 0 };
	int ret, lock;

	ret = cli_parse(&udev_mounts_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	/* disks come together: one of these processes does it for all */
	lock = open(conf_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return EXIT_OK;
	while (flock(lock, LOCK_EX) && errno == EINTR)
		;
	ret = generator_load(&g);
	if (!ret)
		ret = mounts_update(&g, cfg.dir);
	generator_free(&g);
	close(lock);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command udev_mounts_command = {
	.name = "udev-mounts",
	.args = "[--directory DIR]",
	.summary = "have systemd keep mounts of disks over a soft-reboot, for udev",
	.opts = mounts_opts,
	.run = mounts_run,
};
