// SPDX-License-Identifier: GPL-2.0
/*
 * The options of a device and of its target, for "add", and for a "recover"
 * that has no run-state file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "opt.h"
#include "suggest.h"

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
		.name = "io-buf-size|max-io-size|max_io_buf_bytes", .type = UBLK_OPT_SIZE,
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
		.name = "redirect", .type = UBLK_OPT_FLAG,
		.offset = OFF(mode.redirect),
		.help = "the driver serves from the store; fail if it cannot",
	},
	{
		.name = "no-redirect|no_redirect", .type = UBLK_OPT_FLAG,
		.offset = OFF(mode.no_redirect),
		.help = "the daemon serves all requests",
	},
	{
		.name = "passthrough", .type = UBLK_OPT_FLAG,
		.offset = OFF(mode.passthrough),
		.help = "IO passes to the store; fail if it cannot",
	},
	{
		.name = "no-passthrough|no_passthrough", .type = UBLK_OPT_FLAG,
		.offset = OFF(mode.no_passthrough),
		.help = "all IO is served as requests",
	},
	{
		.name = "per-io-threads|per_io_threads", .type = UBLK_OPT_UINT,
		.offset = OFF(mode.io_threads),
		.arg = "N", .def = "1", .min = 1, .max = UBLK_MAX_IO_THREADS,
		.help = "threads that share each queue",
	},
	{
		.name = "shmem_zc|shmem-zc", .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_MAYBE,
		.offset = OFF(shmem),
		.arg = "FILE",
		.help = "serve IO on memory mapped from FILE in place",
	},
	{
		.name = "htlb", .type = UBLK_OPT_PATH, .offset = OFF(htlb),
		.arg = "FILE", .help = "the file of --shmem_zc",
	},
	{
		.name = "rdonly_shmem_buf|rdonly-shmem-buf",
		.type = UBLK_OPT_FLAG, .offset = OFF(shmem_read_only),
		.help = "only writes to the disk use that memory",
	},
	{
		.name = "need_get_data|need-get-data", .letter = 'g',
		.type = UBLK_OPT_BOOL, .arg = "<0|1>",
		.offset = OFF(get_data),
		.help = "ask for the data of writes",
	},
	{
		.name = "user-recovery|user_recovery", .letter = 'r',
		.type = UBLK_OPT_BOOL, .arg = "<0|1>",
		.offset = OFF(recovery),
		.help = "when the daemon dies, hold IO for \"ublk recover\"",
	},
	{
		.name = "user-recovery-reissue|user_recovery_reissue",
		.letter = 'i', .type = UBLK_OPT_BOOL, .arg = "<0|1>",
		.offset = OFF(reissue),
		.help = "as -r, and reissue the requests of the dead daemon",
	},
	{
		.name = "user-recovery-fail-io|user_recovery_fail_io",
		.letter = 'e', .type = UBLK_OPT_BOOL, .arg = "<0|1>",
		.offset = OFF(fail_io),
		.help = "as -r, and fail IO meanwhile",
	},
	{
		.name = "hold-timeout|hold_timeout", .type = UBLK_OPT_UINT,
		.offset = OFF(hold_timeout),
		.arg = "SECONDS", .max = 365 * 24 * 3600,
		.help = "hold IO for so long, then fail it; 0: without end",
	},
	{
		.name = "unprivileged", .type = UBLK_OPT_FLAG,
		.offset = OFF(unprivileged),
		.help = "device of an ordinary user",
	},
	{
		.name = "uring_comp|uring-comp", .letter = 'u',
		.type = UBLK_OPT_BOOL, .flags = UBLK_OPT_VALUE,
		.offset = OFF(uring_comp), .arg = "<0|1>",
		.help = "no effect; an ordinary user needs --unprivileged",
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
	{
		.name = "name", .type = UBLK_OPT_STR, .offset = OFF(name),
		.arg = "NAME",
		.help = "a name, and the link /dev/disk/by-ublk/NAME",
	},
	{
		.name = "debug_mask|debug-mask", .type = UBLK_OPT_UINT,
		.offset = OFF(debug_mask), .arg = "N", .def = "0",
		.help = "if not 0, the daemon logs more",
	},
	{
		.name = "eventfd", .type = UBLK_OPT_UINT, .offset = OFF(eventfd),
		.arg = "N", .def = "0", .max = INT_MAX,
		.help = "eventfd that gets the device's number plus 1",
	},
	{ 0 }
};

/**
 * devopts_find_target - the target of a name
 * @type: name
 *
 * Return: target, or NULL with a message
 */
const struct ublk_target *devopts_find_target(const char *type)
{
	const struct ublk_target *target = ublk_target_find(type);
	const struct target_module_info *m = target_module_known(type);
	struct suggest s = { .word = type };
	const char *hint;
	int i;

	/* a module that cannot be used has said why */
	if (target || target_module_exists(type))
		return target;
	if (m) {
		ublk_error(-EINVAL, "target \"%s\" is not installed; it is in the package %s",
			   type, m->package);
		return NULL;
	}
	for (i = 0; ublk_targets[i]; i++)
		suggest_offer(&s, ublk_targets[i]->name);
	for (m = target_modules; m->name; m++)
		suggest_offer(&s, m->name);
	hint = suggest_text(&s, "");
	ublk_error(-EINVAL, "unknown target \"%s\"%s%s see \"ublk help\"", type,
		   hint, *hint ? "" : ";");
	return NULL;
}

static int devopts_add_target(const char *type, struct daemon_args *args,
			      struct opt_table *table)
{
	args->target = devopts_find_target(type);
	if (!args->target)
		return -EINVAL;
	args->cfg = calloc(1, args->target->config_size ? : 1);
	if (!args->cfg)
		return ublk_error(-ENOMEM, "out of memory");
	table->opts = args->target->opts;
	table->base = args->cfg;
	table->owner = args->target->name;
	return 0;
}

/* Is the file of the shared memory named in the way of ublksrv? */
static bool devopts_have_htlb(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strncmp(argv[i], "--htlb", 6) &&
		    (!argv[i][6] || argv[i][6] == '='))
			return true;
	return false;
}

static const struct ublk_opt *devopts_find(const char *name)
{
	const struct ublk_opt *o;
	char first[40];

	for (o = devopts_table; o->name; o++)
		if (!strcmp(opt_name(o, first, sizeof(first)), name))
			break;
	return o;
}

/* "--shmem_zc FILE", or "--shmem_zc --htlb FILE" */
static int devopts_shmem(struct devopts *cfg)
{
	bool bare = cfg->shmem && !*cfg->shmem;

	if (cfg->htlb && !cfg->shmem)
		return ublk_error(-EINVAL, "--htlb: %s would be shared memory; give --shmem_zc, too",
				  cfg->htlb);
	if (bare && !cfg->htlb)
		return ublk_error(-EINVAL, "--shmem_zc: which file? give --shmem_zc FILE, or --shmem_zc --htlb FILE");
	if (cfg->shmem_read_only && !cfg->shmem)
		return ublk_error(-EINVAL, "--rdonly_shmem_buf: there is no shared memory; give --shmem_zc FILE");
	cfg->mode.shmem = bare ? cfg->htlb : cfg->shmem;
	return 0;
}

static int devopts_check(struct devopts *cfg)
{
	int ret = devopts_shmem(cfg);

	if (ret)
		return ret;
	if (cfg->io_buf % sysconf(_SC_PAGESIZE))
		return ublk_error(-EINVAL, "--io-buf-size: %llu is not a multiple of the page size",
				  (unsigned long long)cfg->io_buf);
	if (cfg->eventfd && fcntl(cfg->eventfd, F_GETFD) < 0)
		return ublk_error(-EINVAL, "--eventfd: descriptor %llu is not open; give that of an eventfd",
				  (unsigned long long)cfg->eventfd);
	return cfg->name ? device_name_check(cfg->name) : 0;
}

/**
 * devopts_parse - parse the options of a command, a device and its target
 * @cmd: command, whose own options are in @own
 * @own: its configuration
 * @cfg: receives the options of the device
 * @args: receives the target and its configuration, if there is a target
 * @argc: arguments
 * @argv: arguments
 *
 * Return: -1 to go on, or an exit status; devopts_free() in both cases
 */
int devopts_parse(const struct cli_command *cmd, void *own,
		  struct devopts *cfg, struct daemon_args *args, int argc,
		  char **argv)
{
	struct opt_table tables[4] = {
		{
			.opts = cmd->opts, .base = own, .owner = cmd->name,
			.find_device = device_find,
		},
		cli_table(cmd),
		{ .opts = devopts_table, .base = cfg, .owner = cmd->name },
	};
	const char *type;
	int ret = 0;

	memset(cfg, 0, sizeof(*cfg));
	cfg->hold_timeout = HOLD_UNSET;
	if (devopts_have_htlb(argc, argv))
		tables[2].bare = devopts_find("shmem_zc");
	type = opt_find_value(tables, 3, 't', argc, argv);
	if (!type && cmd->default_type) {
		ret = cmd->default_type(argc, argv, &type);
		tables[3].may_miss = true;
	}
	if (type && !ret)
		ret = devopts_add_target(type, args, &tables[3]);
	if (cmd->may_miss_target)
		tables[3].may_miss = true;
	if (!ret)
		ret = opt_parse(tables, type ? 4 : 3, argc, argv);
	args->no_options = type && tables[3].missing;
	cfg->ublksrv = tables[2].valued;
	return cli_parsed(cmd, ret ? ret : devopts_check(cfg));
}

/**
 * devopts_free_target - release the configuration of the target
 * @args: target and its configuration; without one afterwards
 */
void devopts_free_target(struct daemon_args *args)
{
	struct opt_table table = { .base = args->cfg };

	if (args->target && args->cfg) {
		table.opts = args->target->opts;
		opt_free(&table);
	}
	free(args->cfg);
	args->cfg = NULL;
	args->target = NULL;
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
	devopts_free_target(args);
}

/**
 * devopts_given - was any of these options given
 * @cfg: options after devopts_parse()
 *
 * Return: true if one differs from its default
 */
bool devopts_given(const struct devopts *cfg)
{
	struct devopts none, given = *cfg;
	struct opt_table table = { .opts = devopts_table, .base = &none };

	memset(&none, 0, sizeof(none));
	none.hold_timeout = HOLD_UNSET;
	opt_defaults(&table);
	/* about this run of the program, not about the device */
	given.debug_mask = none.debug_mask;
	given.eventfd = none.eventfd;
	given.name = none.name;
	given.ublksrv = none.ublksrv;
	return memcmp(&given, &none, sizeof(none));
}

/*
 * Without an end, IO of a disk whose daemon has died waits until somebody comes, and with
 * it a sync or a shutdown. A line in the way of ublksrv means what it means there.
 */
static void devopts_hold(const struct devopts *cfg, __u64 features,
			 struct daemon_args *args)
{
	bool holds = features & UBLK_F_USER_RECOVERY &&
		!(features & UBLK_F_USER_RECOVERY_FAIL_IO);

	if (cfg->hold_timeout != HOLD_UNSET)
		args->hold_timeout = cfg->hold_timeout;
	else if (holds && !cfg->ublksrv && !args->supervise)
		args->hold_timeout = HOLD_DEFAULT;
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
	if (cfg->hold_timeout && cfg->hold_timeout != HOLD_UNSET &&
	    (!f || cfg->fail_io))
		return ublk_error(-EINVAL, "--hold-timeout: needs --user-recovery or --user-recovery-reissue, else no IO is held");
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
	if (cfg->shmem_read_only)
		args->dev.flags |= UBLK_DEV_SHMEM_RO;
	devopts_hold(cfg, f, args);
	args->name = cfg->name;
	args->debug = cfg->debug_mask;
	args->eventfd = cfg->eventfd;
	args->wanted |= UBLK_F_UPDATE_SIZE;
	args->dev.features = f;
	return mode_from_args(&cfg->mode, &args->dev);
}
