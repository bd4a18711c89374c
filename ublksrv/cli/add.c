// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk add": parse the command's and the target's options and hand over to
 * daemon.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "opt.h"

struct add_cfg {
	const char *type;
	__u64 id;
	__u64 queues;
	__u64 depth;
	__u64 io_buf;
	struct mode_args mode;
	bool get_data;
	bool recovery;
	bool reissue;
	bool fail_io;
	bool unprivileged;
	bool no_scan;
	bool mlock;
	bool foreground;
	bool quiet;
};

#define OFF(member)	offsetof(struct add_cfg, member)

static const struct ublk_opt add_opts[] = {
	{
		.name = "type", .letter = 't', .type = UBLK_OPT_STR,
		.offset = OFF(type),
		.arg = "TARGET", .help = "what serves the device, see below",
	},
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_UINT,
		.offset = OFF(id),
		.arg = "ID", .max = (1U << 20) - 1,
		.help = "device number, else the lowest free one",
	},
	{
		.name = "queues|nr_queues|nr-queues", .letter = 'q',
		.type = UBLK_OPT_UINT,
		.offset = OFF(queues),
		.arg = "N", .def = "1", .min = 1, .max = UBLK_MAX_NR_QUEUES,
		.help = "hardware queues, a thread each",
	},
	{
		.name = "depth", .letter = 'd', .type = UBLK_OPT_UINT,
		.offset = OFF(depth),
		.arg = "N", .def = "128", .min = 1, .max = UBLK_MAX_QUEUE_DEPTH,
		.help = "requests per queue",
	},
	{
		.name = "io-buf-size|max-io-size", .type = UBLK_OPT_SIZE,
		.offset = OFF(io_buf),
		.arg = "SIZE", .min = 4096, .max = 1U << UBLK_IO_BUF_BITS,
		.help = "longest request, else 512K, 2M with zero copy",
	},
	{
		.name = "zerocopy|zero-copy|zero_copy|auto-zc|auto_zc",
		.letter = 'z', .type = UBLK_OPT_FLAG,
		.offset = OFF(mode.zero_copy),
		.help = "serve from the request's own pages",
	},
	{
		.name = "usercopy|user-copy|user_copy", .type = UBLK_OPT_FLAG,
		.offset = OFF(mode.user_copy),
		.help = "the daemon copies, not the driver",
	},
	{
		.name = "copy", .type = UBLK_OPT_FLAG,
		.offset = OFF(mode.copy),
		.help = "the driver copies",
	},
	{
		.name = "batch-io|batch_io|batch", .letter = 'b',
		.type = UBLK_OPT_FLAG,
		.offset = OFF(mode.batch),
		.help = "one command for many requests",
	},
	{
		.name = "no-batch-io|no_batch_io|no-batch|no_batch",
		.type = UBLK_OPT_FLAG,
		.offset = OFF(mode.no_batch),
		.help = "a command for each request",
	},
	{
		.name = "per-io-threads|per_io_threads", .type = UBLK_OPT_UINT,
		.offset = OFF(mode.io_threads),
		.arg = "N", .def = "1", .min = 1, .max = UBLK_MAX_IO_THREADS,
		.help = "threads that share each queue",
	},
	{
		.name = "shmem_zc|shmem-zc", .type = UBLK_OPT_PATH,
		.offset = OFF(mode.shmem),
		.arg = "FILE",
		.help = "serve IO on memory mapped from FILE in place",
	},
	{
		.name = "need_get_data|need-get-data", .letter = 'g',
		.type = UBLK_OPT_FLAG,
		.offset = OFF(get_data),
		.help = "ask for the data of writes",
	},
	{
		.name = "user-recovery|user_recovery", .letter = 'r',
		.type = UBLK_OPT_FLAG,
		.offset = OFF(recovery),
		.help = "when the daemon dies, hold IO for \"ublk recover\"",
	},
	{
		.name = "user-recovery-reissue|user_recovery_reissue",
		.letter = 'i', .type = UBLK_OPT_FLAG,
		.offset = OFF(reissue),
		.help = "as -r, and reissue the requests of the dead daemon",
	},
	{
		.name = "user-recovery-fail-io|user_recovery_fail_io",
		.letter = 'e', .type = UBLK_OPT_FLAG,
		.offset = OFF(fail_io),
		.help = "as -r, and fail IO meanwhile",
	},
	{
		.name = "unprivileged", .letter = 'u', .type = UBLK_OPT_FLAG,
		.offset = OFF(unprivileged),
		.help = "device of an ordinary user",
	},
	{
		.name = "no-auto-part-scan|no_auto_part_scan",
		.type = UBLK_OPT_FLAG,
		.offset = OFF(no_scan),
		.help = "do not look for partitions",
	},
	{
		.name = "mlock", .type = UBLK_OPT_FLAG,
		.offset = OFF(mlock),
		.help = "lock IO buffers in memory",
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

static const char *add_type_of(const char *arg, const char *next)
{
	size_t len;

	if (!strncmp(arg, "--", 2)) {
		len = strcspn(arg, "=");
		/* as getopt_long(), take any unambiguous start of --type */
		if (len < 3 || strncmp(arg, "--type", len))
			return NULL;
		return arg[len] ? arg + len + 1 : next;
	}
	if (strncmp(arg, "-t", 2))
		return NULL;
	return arg[2] ? arg + 2 : next;
}

/* Find the target first, because it decides which options exist. */
static const char *add_find_type(int argc, char **argv)
{
	const char *type = NULL, *found;
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		found = add_type_of(argv[i], argv[i + 1]);
		if (found)
			type = found;
	}
	return type;
}

static int add_parse(struct add_cfg *cfg, struct daemon_args *args,
		     struct opt_table *tables, int argc, char **argv)
{
	const char *type = add_find_type(argc, argv);
	int nr = 1, ret;

	if (type) {
		args->target = ublk_target_find(type);
		if (!args->target) {
			ublk_error(-EINVAL, "unknown target \"%s\"; see \"ublk help\"",
				   type);
			return cli_usage(&add_command);
		}
		args->cfg = calloc(1, args->target->config_size ? : 1);
		if (!args->cfg) {
			ublk_error(-ENOMEM, "out of memory");
			return EXIT_FAILED;
		}
		tables[1].opts = args->target->opts;
		tables[1].base = args->cfg;
		tables[1].owner = args->target->name;
		nr = 2;
	}
	ret = opt_parse(tables, nr, argc, argv);
	if (ret > 0) {
		cli_help_command(stdout, &add_command);
		return EXIT_OK;
	}
	if (!ret && !cfg->type)
		ret = ublk_error(-EINVAL, "which target? give -t TARGET; see \"ublk help\"");
	if (!ret && cfg->io_buf % sysconf(_SC_PAGESIZE))
		ret = ublk_error(-EINVAL, "--io-buf-size: %llu is not a multiple of the page size",
				 (unsigned long long)cfg->io_buf);
	return ret ? cli_usage(&add_command) : -1;
}

static int add_features(const struct add_cfg *cfg, struct daemon_args *args)
{
	__u64 f = 0;

	if (cfg->reissue && cfg->fail_io)
		return ublk_error(-EINVAL, "--user-recovery-reissue and --user-recovery-fail-io exclude each other");
	if (cfg->recovery || cfg->reissue || cfg->fail_io) {
		if (cfg->unprivileged)
			return ublk_error(-EINVAL, "--unprivileged: such a device cannot be recovered, leave --user-recovery out");
		f |= UBLK_F_USER_RECOVERY;
		args->wanted |= UBLK_F_QUIESCE;
	}
	if (cfg->reissue)
		f |= UBLK_F_USER_RECOVERY_REISSUE;
	if (cfg->fail_io)
		f |= UBLK_F_USER_RECOVERY_FAIL_IO;
	if (cfg->get_data)
		f |= UBLK_F_NEED_GET_DATA;
	if (cfg->unprivileged)
		f |= UBLK_F_UNPRIVILEGED_DEV;
	if (cfg->no_scan)
		f |= UBLK_F_NO_AUTO_PART_SCAN;
	args->wanted |= UBLK_F_UPDATE_SIZE;
	args->dev.features = f;
	return mode_from_args(&cfg->mode, &args->dev);
}

static int add_run(int argc, char **argv)
{
	struct add_cfg cfg = { .id = UBLK_ID_AUTO };
	struct daemon_args args = { 0 };
	struct opt_table tables[2] = {
		{ .opts = add_opts, .base = &cfg, .owner = "add" },
	};
	int ret;

	ret = add_parse(&cfg, &args, tables, argc, argv);
	if (ret < 0 && add_features(&cfg, &args))
		ret = cli_usage(&add_command);
	if (ret < 0) {
		args.dev.struct_size = sizeof(args.dev);
		args.dev.id = cfg.id;
		args.dev.nr_queues = cfg.queues;
		args.dev.depth = cfg.depth;
		args.dev.io_buf_bytes = cfg.io_buf;
		if (cfg.mlock)
			args.dev.flags |= UBLK_DEV_MLOCK;
		args.foreground = cfg.foreground;
		args.quiet = cfg.quiet;
		ret = daemon_run(&args);
	}
	opt_free(&tables[0]);
	if (args.target)
		opt_free(&tables[1]);
	free(args.cfg);
	return ret;
}

const struct cli_command add_command = {
	.name = "add",
	.args = "-t TARGET [OPTIONS] [FILE]",
	.summary = "create a device and serve it",
	.opts = add_opts,
	.run = add_run,
};
