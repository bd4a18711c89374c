// SPDX-License-Identifier: GPL-2.0
/*
 * The options of a device and of its target, for "add", and for a "recover"
 * that has no run-state file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "opt.h"

#define OFF(member)	offsetof(struct devopts, member)

const struct ublk_opt devopts_table[] = {
	{
		.name = "type", .letter = 't', .type = UBLK_OPT_STR,
		.offset = OFF(type),
		.arg = "TARGET", .help = "what serves the device, see below",
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
		.help = "lock the daemon in memory",
	},
	{
		.name = "realtime", .type = UBLK_OPT_UINT,
		.flags = UBLK_OPT_MAYBE, .offset = OFF(realtime),
		.arg = "[=PRIO]", .min = 1, .max = UBLK_MAX_REALTIME,
		.help = "run the queues' threads before ordinary ones",
	},
	{ 0 }
};

static const char *devopts_type_of(const char *arg, const char *next)
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
static const char *devopts_find_type(int argc, char **argv)
{
	const char *type = NULL, *found;
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		found = devopts_type_of(argv[i], argv[i + 1]);
		if (found)
			type = found;
	}
	return type;
}

static int devopts_add_target(const char *type, struct daemon_args *args,
			      struct opt_table *table)
{
	args->target = ublk_target_find(type);
	if (!args->target)
		return ublk_error(-EINVAL, "unknown target \"%s\"; see \"ublk help\"",
				  type);
	args->cfg = calloc(1, args->target->config_size ? : 1);
	if (!args->cfg)
		return ublk_error(-ENOMEM, "out of memory");
	table->opts = args->target->opts;
	table->base = args->cfg;
	table->owner = args->target->name;
	return 0;
}

/**
 * devopts_parse - parse the options of a command, a device and its target
 * @cmd: command, whose own options are in @own
 * @own: its configuration
 * @cfg: receives the options of the device
 * @args: receives the target and its configuration, if -t is given
 * @argc: arguments
 * @argv: arguments
 *
 * Return: -1 to go on, or an exit status; devopts_free() in both cases
 */
int devopts_parse(const struct cli_command *cmd, void *own,
		  struct devopts *cfg, struct daemon_args *args, int argc,
		  char **argv)
{
	struct opt_table tables[3] = {
		{ .opts = cmd->opts, .base = own, .owner = cmd->name },
		{ .opts = devopts_table, .base = cfg, .owner = cmd->name },
	};
	const char *type = devopts_find_type(argc, argv);
	int ret = 0;

	memset(cfg, 0, sizeof(*cfg));
	if (type)
		ret = devopts_add_target(type, args, &tables[2]);
	if (!ret)
		ret = opt_parse(tables, type ? 3 : 2, argc, argv);
	if (ret > 0) {
		cli_help_command(stdout, cmd);
		return EXIT_OK;
	}
	if (!ret && cfg->io_buf % sysconf(_SC_PAGESIZE))
		ret = ublk_error(-EINVAL, "--io-buf-size: %llu is not a multiple of the page size",
				 (unsigned long long)cfg->io_buf);
	if (ret == -ENOMEM)
		return cli_fail(ret);
	return ret ? cli_usage(cmd) : -1;
}

/**
 * devopts_free - release what devopts_parse() allocated
 * @cfg: options of the device
 * @args: target and its configuration
 */
void devopts_free(struct devopts *cfg, struct daemon_args *args)
{
	struct opt_table table = { .opts = devopts_table, .base = cfg };

	opt_free(&table);
	if (!args->target)
		return;
	table.opts = args->target->opts;
	table.base = args->cfg;
	if (args->cfg)
		opt_free(&table);
	free(args->cfg);
	args->cfg = NULL;
}

/**
 * devopts_given - was any of these options given
 * @cfg: options after devopts_parse()
 *
 * Return: true if one differs from its default
 */
bool devopts_given(const struct devopts *cfg)
{
	struct devopts none;
	struct opt_table table = { .opts = devopts_table, .base = &none };

	memset(&none, 0, sizeof(none));
	opt_defaults(&table);
	return memcmp(cfg, &none, sizeof(none));
}

/**
 * devopts_features - features and mode that the options ask for
 * @cfg: options
 * @args: receives them
 *
 * Return: 0, or -EINVAL with a message if options contradict each other
 */
int devopts_features(const struct devopts *cfg, struct daemon_args *args)
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
