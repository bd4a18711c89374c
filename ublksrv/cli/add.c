// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk add": check the options (devopts.c) and hand over to daemon.c.
 */
#include <errno.h>

#include "cli.h"

struct add_cfg {
	__u64 id;
	__u64 timeout;
	bool foreground;
	bool quiet;
};

#define OFF(member)	offsetof(struct add_cfg, member)

static const struct ublk_opt add_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_UINT,
		.offset = OFF(id),
		.arg = "ID", .max = (1U << 20) - 1,
		.help = "device number, else the lowest free one",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = OFF(timeout),
		.arg = "SECONDS", .def = "60", .min = 1, .max = 86400,
		.help = "how long to wait for the disk",
	},
	{
		.name = "foreground", .type = UBLK_OPT_FLAG,
		.offset = OFF(foreground),
		.help = "serve from this process, do not daemonise",
	},
	{
		.name = "quiet", .type = UBLK_OPT_FLAG,
		.offset = OFF(quiet),
		.help = "print nothing on success",
	},
	{ 0 }
};

static int add_run(int argc, char **argv)
{
	struct add_cfg cfg = { .id = UBLK_ID_AUTO };
	struct daemon_args args = { 0 };
	struct devopts opts;
	int ret;

	ret = devopts_parse(&add_command, &cfg, &opts, &args, argc, argv);
	if (ret < 0 && !args.target) {
		ublk_error(-EINVAL, "which target? give -t TARGET; see \"ublk help\"");
		ret = cli_usage(&add_command);
	}
	if (ret < 0 && devopts_features(&opts, &args))
		ret = cli_usage(&add_command);
	if (ret < 0) {
		args.dev.struct_size = sizeof(args.dev);
		args.dev.id = cfg.id;
		args.dev.nr_queues = opts.queues;
		args.dev.depth = opts.depth;
		args.dev.io_buf_bytes = opts.io_buf;
		if (opts.mlock)
			args.dev.flags |= UBLK_DEV_MLOCK;
		args.dev.realtime = opts.realtime;
		args.timeout_ms = cfg.timeout * 1000;
		args.foreground = cfg.foreground;
		args.quiet = cfg.quiet;
		ret = daemon_run(&args);
	}
	devopts_free(&opts, &args);
	return ret;
}

const struct cli_command add_command = {
	.name = "add",
	.args = "-t TARGET [OPTIONS] [FILE]",
	.summary = "create a device and serve it",
	.opts = add_opts,
	.device = true,
	.run = add_run,
};
