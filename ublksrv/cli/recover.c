// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk recover": a new daemon for a device whose daemon died or was quiesced.
 *
 * The run-state file of the device has the target and its options, and the
 * identity of its files; without that file target and options come from the
 * command line. The driver has the number of queues and the other parameters.
 * This file checks all that can be checked without changing the device, before a
 * daemon starts; bringup.c does the rest.
 */
#include <errno.h>
#include <stdlib.h>
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
	__u64 timeout;
	bool force;
	bool replace;
	bool foreground;
	bool quiet;
};

static const struct ublk_opt recover_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct recover_cfg, id),
		.arg = "ID", .help = "device to serve again",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct recover_cfg, timeout),
		.arg = "SECONDS", .def = "60", .min = 1, .max = 86400,
		.help = "how long to wait for the disk",
	},
	{
		.name = "force", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct recover_cfg, force),
		.help = "even if the files are not those of before",
	},
	{
		.name = "replace", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct recover_cfg, replace),
		.help = "also if a daemon serves it, which hands over",
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

/* The old server is there: it was never asked to leave, or it could not. */
static int recover_busy(__u32 id, pid_t pid, bool redirects)
{
	const char *state = proc_state_text(pid);

	if (!strcmp(state, "stopped"))
		return ublk_error(-EBUSY, "dev %u: is still served by process %d, which is stopped; \"kill -9 %d\" ends it, \"kill -CONT %d\" continues it",
				  id, pid, pid, pid);
	if (!strcmp(state, "dead") && redirects)
		return ublk_error(-EBUSY, "dev %u: process %d, which served it, is dead, but its store has not ended all requests that the driver sent there, or another process has /dev/ublkc%u open; recover it when the store answers",
				  id, pid, id);
	if (!strcmp(state, "dead"))
		return ublk_error(-EBUSY, "dev %u: process %d, which served it, is dead, but another one has /dev/ublkc%u open; end that one",
				  id, pid, id);
	return ublk_error(-EBUSY, "dev %u: is still served by process %d; \"ublk quiesce -n %u\" makes it hand over, and if that has timed out, \"kill -9 %d\" ends it",
			  id, pid, id, pid);
}

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
		return recover_busy(id, pid,
				    info->flags & UBLK_F_REDIRECT);
	return ret ? common_explain(id, ret) : 0;
}

/*
 * Is the device one that waits for a server, or, with @replace, can the one that it has
 * hand over?
 */
static int recover_check(struct ublk_ctrl *ctrl,
			 struct ublksrv_ctrl_dev_info *info, bool replace)
{
	__u32 id = info->dev_id;
	int ret;

	if (!(info->flags & UBLK_F_USER_RECOVERY))
		return ublk_error(-EINVAL, "dev %u: cannot be recovered, it was added without --user-recovery; \"ublk del -n %u\"",
				  id, id);
	if (replace && info->state == UBLK_S_DEV_LIVE)
		return info->flags & UBLK_F_QUIESCE ? 0 :
			ublk_error(-EOPNOTSUPP, "dev %u: its daemon cannot hand over, the driver has no QUIESCE; end it with \"kill -9 %d\"",
				   id, info->ublksrv_pid);
	ret = recover_wait_old(ctrl, info);
	if (ret)
		return ret;
	if (info->state != UBLK_S_DEV_QUIESCED &&
	    info->state != UBLK_S_DEV_FAIL_IO)
		return ublk_error(-EINVAL, "dev %u: does not wait for a server, its state is %s; \"ublk del -n %u\" and add it again",
				  id, name_of_state(info->state), id);
	return 0;
}

/* Return: 0; or negative errno with a message that has the cause only */
static int recover_load(const struct ublksrv_ctrl_dev_info *info,
			struct state *st)
{
	__u32 id = info->dev_id;
	int ret = state_read(id, st);

	if (ret == -EBADMSG)
		return ublk_error(ret, "%s is damaged", state_name(id));
	if (ret == -ESTALE)
		return ublk_error(ret, "%s is of an earlier boot", state_name(id));
	if (ret)
		return ublk_error(ret, "%s: %s", state_name(id),
				  strerror(-ret));
	if (state_matches(st, info))
		return 0;
	state_free(st);
	return ublk_error(-EINVAL, "%s belongs to an earlier device with that number",
			  state_name(id));
}

/*
 * Ask the target for the disk's present size, not for that of "add": the disk
 * and its backing store may have been resized.
 */
static int recover_set_size(struct ublk_ctrl *ctrl, struct daemon_args *args)
{
	struct ublk_params params;
	int ret;

	ret = ublk_ctrl_get_params(ctrl, args->dev.id, &params);
	if (ret)
		return common_explain(args->dev.id, ret);
	config_set_size(args->target, args->cfg,
			params.basic.dev_sectors << 9);
	return 0;
}

/* Target and options as they were. */
static int recover_from_record(const struct recover_cfg *cfg,
			       const struct state *st,
			       struct daemon_args *args)
{
	__u32 id = cfg->id;
	int ret;

	/* "-t TARGET" without the options of the target */
	if (args->target && strcmp(args->target->name, st->target_name))
		return ublk_error(-ESTALE, "dev %u: was added with -t %s, not %s; use that, or leave -t out",
				  id, st->target_name, args->target->name);
	if (!st->target)
		return ublk_error(-EINVAL, "dev %u: this program has no target \"%s\"; use the one that added the device",
				  id, st->target_name);
	ret = mode_check_shmem(st);
	if (ret)
		return ret;
	args->dev.io_threads = st->io_threads;
	args->dev.shmem = st->shmem;
	if (st->shmem_read_only)
		args->dev.flags |= UBLK_DEV_SHMEM_RO;
	if (st->mlock)
		args->dev.flags |= UBLK_DEV_MLOCK;
	args->dev.realtime = st->realtime;
	devopts_free_target(args);
	ret = config_unpack(st->target, st->options, &args->cfg);
	if (ret)
		return ublk_error(ret, "dev %u: %s: %s", id, state_name(id),
				  ublk_strerror_last());
	args->target = st->target;
	args->from_record = true;
	return 0;
}

/* The driver has the pages of that file. */
static int recover_shmem(const struct ublksrv_ctrl_dev_info *info,
			 const struct devopts *opts, struct state *st,
			 struct daemon_args *args)
{
	__u32 id = info->dev_id;

	if (!(info->flags & UBLK_F_SHMEM_ZC)) {
		if (!opts->mode.shmem)
			return 0;
		return ublk_error(-EINVAL, "dev %u: has no shared memory; leave --shmem_zc out",
				  id);
	}
	args->dev.shmem = opts->mode.shmem;
	if (st->shmem && opts->mode.shmem) {
		free(st->shmem);
		st->shmem = strdup(opts->mode.shmem);
	}
	if (st->shmem) {
		args->dev.shmem = st->shmem;
		return mode_check_shmem(st);
	}
	return args->dev.shmem ? 0 :
		ublk_error(-EINVAL, "dev %u: has shared memory; name its file with --shmem_zc",
			   id);
}

/*
 * Target and options from the command line. What the record says of them, if
 * there is one, is compared.
 */
static int recover_from_options(const struct recover_cfg *cfg,
				const struct ublksrv_ctrl_dev_info *info,
				const struct devopts *opts, struct state *st,
				struct daemon_args *args)
{
	__u32 id = cfg->id;
	int ret;

	ret = recover_shmem(info, opts, st, args);
	if (ret)
		return ret;
	args->dev.io_threads = opts->mode.io_threads;
	if (opts->shmem_read_only || (st->shmem && st->shmem_read_only))
		args->dev.flags |= UBLK_DEV_SHMEM_RO;
	if (opts->mlock)
		args->dev.flags |= UBLK_DEV_MLOCK;
	args->dev.realtime = opts->realtime;
	if (!st->target_name || cfg->force)
		return 0;
	if (strcmp(st->target_name, args->target->name))
		return ublk_error(-ESTALE, "dev %u: was added with -t %s, not %s; use that, or --force",
				  id, st->target_name, args->target->name);
	ret = config_check_layout(args->target, args->cfg, st->options);
	if (ret)
		return ublk_error(ret, "dev %u: %s; use that, or --force", id,
				  ublk_strerror_last());
	return 0;
}

/* What the driver has, and which stores the target must find. */
static void recover_fill(const struct recover_cfg *cfg,
			 const struct ublksrv_ctrl_dev_info *info,
			 const struct state *st, struct daemon_args *args)
{
	args->recover = true;
	args->replace = cfg->replace;
	args->foreground = cfg->foreground;
	args->quiet = cfg->quiet;
	args->dev.struct_size = sizeof(args->dev);
	args->dev.id = info->dev_id;
	if (!args->name)
		args->name = st->name;
	args->dev.nr_queues = info->nr_hw_queues;
	args->dev.depth = info->queue_depth;
	args->dev.io_buf_bytes = info->max_io_buf_bytes;
	args->dev.flags |= UBLK_DEV_RECOVER;
	args->hold_timeout = st->hold_timeout;
	mode_from_flags(info->flags, &args->dev);
	if (cfg->force)
		return;
	args->dev.stores = st->stores;
	args->dev.nr_stores = st->nr_stores;
	if (st->target_name && !st->stores)
		snprintf(args->note, sizeof(args->note),
			 "%s is of an older version: whether the files are the same as before was not checked",
			 state_name(info->dev_id));
}

static int recover_prepare(const struct recover_cfg *cfg,
			   const struct devopts *opts, struct state *st,
			   struct daemon_args *args)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	__u32 id = cfg->id;
	int ret;

	ret = common_open(id, &ctrl, &info);
	if (ret)
		return ret;
	ret = recover_check(ctrl, &info, cfg->replace);
	if (ret)
		goto out;
	ret = recover_load(&info, st);
	if (ret && (!args->target || args->no_options)) {
		ublk_error(ret, "dev %u: %s; give target and options as to \"ublk add\": \"ublk recover -n %u -t TARGET ...\", or \"ublk del -n %u\"",
			   id, ublk_strerror_last(), id, id);
		goto out;
	}
	if (ret)
		snprintf(args->note, sizeof(args->note),
			 "%s: whether the files are the same as before was not checked",
			 ublk_strerror_last());
	recover_fill(cfg, &info, st, args);
	ret = args->target && !args->no_options ?
		recover_from_options(cfg, &info, opts, st, args) :
		recover_from_record(cfg, st, args);
	if (!ret)
		ret = recover_set_size(ctrl, args);
out:
	ublk_ctrl_close(ctrl);
	return ret;
}

static int recover_parse(struct recover_cfg *cfg, struct devopts *opts,
			 struct daemon_args *args, int argc, char **argv)
{
	int ret;

	ret = devopts_parse(&recover_command, cfg, opts, args, argc, argv);
	if (ret >= 0)
		return ret;
	ret = cli_need_id(&recover_command, cfg->id);
	if (ret)
		return ret;
	if (args->target || !devopts_given(opts))
		return -1;
	ublk_error(-EINVAL, "options of a device need -t TARGET; without it they come from the run-state file");
	return cli_usage(&recover_command);
}

static int recover_run(int argc, char **argv)
{
	struct recover_cfg cfg = { .id = UBLK_ID_AUTO };
	struct daemon_args args = { 0 };
	struct state st = { 0 };
	struct devopts opts;
	int ret;

	ret = recover_parse(&cfg, &opts, &args, argc, argv);
	if (ret < 0) {
		args.name = opts.name;
		args.debug = opts.debug_mask;
		args.eventfd = opts.eventfd;
		if (!cfg.foreground)
			guard_enter();
		args.timeout_ms = cfg.timeout * 1000;
		ret = recover_prepare(&cfg, &opts, &st, &args);
		if (ret) {
			ret = cli_fail(ret);
			daemon_tell(&args, DAEMON_FAILED);
		} else {
			ret = daemon_run(&args);
		}
	}
	if (args.from_record) {
		config_free(args.target, args.cfg);
		args.target = NULL;
		args.cfg = NULL;
	}
	devopts_free(&opts, &args);
	state_free(&st);
	return ret;
}

const struct cli_command recover_command = {
	.name = "recover",
	.args = "-n ID [--force] [--replace] [-t TARGET [OPTIONS] [FILE]]",
	.summary = "serve a device again that lost its daemon",
	.opts = recover_opts,
	.device = true,
	.may_miss_target = true,
	.run = recover_run,
};
