// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk recover": a new daemon for a device whose daemon died or was quiesced.
 *
 * The run-state file of the device has the target and its options, the driver
 * has the number of queues and the other parameters. This file checks all that
 * can be checked without changing the device, before a daemon starts; bringup.c
 * does the rest.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"

/* How long a killed daemon may take to end. */
#define GRACE_MS	2000
/* How long its session may take to end after that. */
#define SESSION_MS	10000

struct recover_cfg {
	__u64 id;
	bool foreground;
	bool quiet;
};

static const struct ublk_opt recover_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_UINT,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct recover_cfg, id),
		.arg = "ID", .max = UBLK_ID_AUTO - 1,
		.help = "device to serve again",
	},
	{
		.name = "foreground", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct recover_cfg, foreground),
		.help = "serve from this process, do not daemonise",
	},
	{
		.name = "quiet", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct recover_cfg, quiet),
		.help = "print nothing on success",
	},
	{ 0 }
};

/* The old server may have been killed a moment ago: wait until it has ended. */
static int recover_wait_old(struct ublk_ctrl *ctrl,
			    struct ublksrv_ctrl_dev_info *info)
{
	pid_t pid = info->ublksrv_pid;
	__u32 id = info->dev_id;
	int pidfd, ret;
	bool ended;

	if (info->state != UBLK_S_DEV_LIVE)
		return 0;
	pidfd = pid > 0 ? common_open_daemon(id, pid) : -1;
	ended = common_daemon_ended(pidfd, GRACE_MS);
	if (pidfd >= 0)
		close(pidfd);
	ret = ended ? common_wait_state(ctrl, id, UBLK_S_DEV_LIVE, SESSION_MS,
					info) : -ETIMEDOUT;
	if (ret == -ETIMEDOUT)
		return ublk_error(-EBUSY, "dev %u: is still served by process %d; \"ublk quiesce -n %u\" makes it hand over",
				  id, pid, id);
	return ret ? common_explain(id, ret) : 0;
}

/* Is the device one that waits for a server? */
static int recover_check(struct ublk_ctrl *ctrl,
			 struct ublksrv_ctrl_dev_info *info)
{
	__u32 id = info->dev_id;
	int ret;

	if (!(info->flags & UBLK_F_USER_RECOVERY))
		return ublk_error(-EINVAL, "dev %u: cannot be recovered, it was added without --user-recovery; \"ublk del -n %u\"",
				  id, id);
	ret = recover_wait_old(ctrl, info);
	if (ret)
		return ret;
	if (info->state != UBLK_S_DEV_QUIESCED &&
	    info->state != UBLK_S_DEV_FAIL_IO)
		return ublk_error(-EINVAL, "dev %u: does not wait for a server, its state is %s; \"ublk del -n %u\" and add it again",
				  id, name_of_state(info->state), id);
	return 0;
}

static int recover_load(__u32 id, const struct ublksrv_ctrl_dev_info *info,
			struct state *st)
{
	int ret = state_read(id, st);

	if (ret == -EBADMSG)
		return ublk_error(ret, "dev %u: %s is damaged; the device can only be deleted, \"ublk del -n %u\"",
				  id, state_name(id), id);
	if (ret)
		return ublk_error(ret, "dev %u: %s: %s; only the program that added the device can recover it, or \"ublk del -n %u\"",
				  id, state_name(id), strerror(-ret), id);
	if (!state_matches(st, info))
		ret = ublk_error(-EINVAL, "dev %u: %s belongs to an earlier device with that number; \"ublk del -n %u\"",
				 id, state_name(id), id);
	else if (!st->target)
		ret = ublk_error(-EINVAL, "dev %u: this program has no target \"%s\"; use the one that added the device",
				 id, st->target_name);
	if (ret)
		state_free(st);
	return ret;
}

/*
 * Ask the target for the disk's present size, not for that of "add": the disk
 * and its backing store may have been resized.
 */
static int recover_config(struct ublk_ctrl *ctrl, const struct state *st,
			  struct daemon_args *args)
{
	struct ublk_params params;
	int ret;

	ret = ublk_ctrl_get_params(ctrl, st->id, &params);
	if (ret)
		return common_explain(st->id, ret);
	ret = config_unpack(st->target, st->options, &args->cfg);
	if (ret)
		return ublk_error(ret, "dev %u: %s: %s", st->id,
				  state_name(st->id), ublk_strerror_last());
	config_set_size(st->target, args->cfg, params.basic.dev_sectors << 9);
	return 0;
}

static int recover_prepare(__u32 id, struct daemon_args *args)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	struct state st;
	int ret;

	ret = common_open(id, &ctrl, &info);
	if (ret)
		return ret;
	ret = recover_check(ctrl, &info);
	if (!ret)
		ret = recover_load(id, &info, &st);
	if (ret)
		goto out;
	args->recover = true;
	args->target = st.target;
	args->dev.struct_size = sizeof(args->dev);
	args->dev.id = id;
	args->dev.nr_queues = info.nr_hw_queues;
	args->dev.depth = info.queue_depth;
	args->dev.io_buf_bytes = info.max_io_buf_bytes;
	mode_from_flags(info.flags, &args->dev);
	args->dev.io_threads = st.io_threads;
	if (st.mlock)
		args->dev.flags |= UBLK_DEV_MLOCK;
	ret = mode_check_shmem(&st);
	if (!ret)
		ret = recover_config(ctrl, &st, args);
	if (!ret) {
		/* freed together with args->cfg */
		args->dev.shmem = st.shmem;
		st.shmem = NULL;
	}
	state_free(&st);
out:
	ublk_ctrl_close(ctrl);
	return ret;
}

static int recover_run(int argc, char **argv)
{
	struct recover_cfg cfg = { .id = UBLK_ID_AUTO };
	struct daemon_args args = { 0 };
	int ret;

	ret = cli_parse(&recover_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = cli_need_id(&recover_command, cfg.id);
	if (ret)
		return ret;
	args.foreground = cfg.foreground;
	args.quiet = cfg.quiet;
	ret = recover_prepare(cfg.id, &args);
	if (ret)
		return cli_fail(ret);
	ret = daemon_run(&args);
	config_free(args.target, args.cfg);
	free((void *)(uintptr_t)args.dev.shmem);
	return ret;
}

const struct cli_command recover_command = {
	.name = "recover",
	.args = "-n ID",
	.summary = "serve a device again that lost its daemon",
	.opts = recover_opts,
	.run = recover_run,
};
