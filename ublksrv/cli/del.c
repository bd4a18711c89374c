// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk del": stop and delete devices, wait until nothing of them is left.
 *
 * The driver frees the number when the daemon has closed the char device and
 * the last opener of the disk is gone. The first follows from the stop, the
 * second may never happen, hence the deadline.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "cli.h"

#define NODES_MS	5000
#define DAEMON_MS	5000

struct del_cfg {
	__u64 id;
	__u64 timeout;
	bool all;
	bool quiet;
};

static const struct ublk_opt del_opts[] = {
	{ "number|dev_id", 'n', UBLK_OPT_UINT, UBLK_OPT_POSITIONAL,
	  offsetof(struct del_cfg, id), "ID", NULL, 0, UBLK_ID_AUTO - 1,
	  "device to delete" },
	{ "all", 'a', UBLK_OPT_FLAG, 0, offsetof(struct del_cfg, all),
	  NULL, NULL, 0, 0, "delete every device" },
	{ "timeout", 0, UBLK_OPT_UINT, 0, offsetof(struct del_cfg, timeout),
	  "SECONDS", "30", 1, 86400, "how long to wait for it" },
	{ "quiet", 0, UBLK_OPT_FLAG, 0, offsetof(struct del_cfg, quiet),
	  NULL, NULL, 0, 0, "accepted for scripts, prints nothing anyway" },
	{ 0 }
};

/* The daemon has let go of the device; see its process off. */
static void del_wait_daemon(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	while (poll(&p, 1, DAEMON_MS) < 0 && errno == EINTR)
		;
	close(pidfd);
}

static int del_open_daemon(__u32 id, pid_t pid)
{
	struct state st;

	/* the driver forgets the pid of a stopped device */
	if (pid <= 0 && !state_read(id, &st)) {
		pid = st.pid;
		state_free(&st);
	}
	return pid > 0 ? syscall(SYS_pidfd_open, pid, 0) : -1;
}

static int del_explain(__u32 id, int err, unsigned int seconds)
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
		return ublk_error(err,
				  "dev %u: not gone after %u s, /dev/ublkb%u is still in use; unmount or close it, then the number gets free",
				  id, seconds, id);
	default:
		return ublk_error(err, "dev %u: %s", id, strerror(-err));
	}
}

static int del_one(struct ublk_ctrl *ctrl, __u32 id, unsigned int seconds)
{
	struct ublksrv_ctrl_dev_info info;
	int pidfd, ret;

	ublk_ctrl_set_deadline(ctrl, 0);
	ret = ublk_ctrl_get_info(ctrl, id, &info);
	if (ret == -ENODEV)
		state_remove_stale(id);
	if (ret)
		return del_explain(id, ret, seconds);

	pidfd = del_open_daemon(id, info.ublksrv_pid);
	ublk_ctrl_set_deadline(ctrl, seconds * 1000);
	ret = ublk_ctrl_del_dev(ctrl, id);
	if (ret) {
		if (pidfd >= 0)
			close(pidfd);
		return del_explain(id, ret, seconds);
	}
	del_wait_daemon(pidfd);
	state_remove_stale(id);
	return nodes_wait_gone(id, NODES_MS);
}

static int del_all(struct ublk_ctrl *ctrl, unsigned int seconds)
{
	__u32 *ids;
	int nr, i, ret = 0, err;

	nr = nodes_list(&ids);
	if (nr < 0)
		return ublk_error(nr, "reading sysfs: %s", strerror(-nr));
	for (i = 0; i < nr; i++) {
		err = del_one(ctrl, ids[i], seconds);
		if (!err || err == -ENODEV)
			continue;
		/* the others shall go all the same */
		if (ret)
			fprintf(stderr, "ublk: %s\n", ublk_strerror_last());
		ret = ret ? : err;
	}
	free(ids);
	return ret;
}

static int del_run(int argc, char **argv)
{
	struct del_cfg cfg = { .id = UBLK_ID_AUTO };
	struct ublk_ctrl *ctrl;
	int ret;

	ret = cli_parse(&del_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	if (cfg.all ? cfg.id != UBLK_ID_AUTO : cfg.id == UBLK_ID_AUTO) {
		ublk_error(-EINVAL, "which device? give -n ID or -a");
		return cli_usage(&del_command);
	}
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	ret = cfg.all ? del_all(ctrl, cfg.timeout) :
		del_one(ctrl, cfg.id, cfg.timeout);
	ublk_ctrl_close(ctrl);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command del_command = {
	.name = "del",
	.args = "-n ID | -a",
	.summary = "stop and delete devices",
	.opts = del_opts,
	.run = del_run,
};
