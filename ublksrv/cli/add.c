// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk add": check the options (devopts.c) and hand over to daemon.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "cli.h"

struct add_cfg {
	__u64 id;
	__u64 timeout;
	bool foreground;
	bool supervise;
	bool quiet;
	bool show;
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
		.name = "supervise", .type = UBLK_OPT_FLAG,
		.offset = OFF(supervise),
		.help = "also start a process that replaces a daemon that dies",
	},
	{
		.name = "quiet", .type = UBLK_OPT_FLAG,
		.offset = OFF(quiet),
		.help = "print nothing on success",
	},
	{
		.name = "show", .type = UBLK_OPT_FLAG, .offset = OFF(show),
		.help = "print only /dev/ublkbN",
	},
	{ 0 }
};

/* Does the file say what it is? Return: target, or NULL */
static const char *add_type_of(const char *file)
{
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	const char *type = NULL;
	char magic[sizeof("ublkzone") - 1];
	struct stat st;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	    !memcmp(magic, "ublkzone", sizeof(magic)))
		type = "zoned";
	close(fd);
	return type;
}

/*
 * Without -t: a file or block device, unless the file says something else. What is
 * no file may be a target whose -t was forgotten.
 */
static int add_default_type(int argc, char **argv, const char **type)
{
	const char *forgot = NULL;
	bool file = false;
	int i;

	*type = NULL;
	for (i = 1; i < argc && !*type; i++) {
		if (*argv[i] == '-')
			continue;
		if (!access(argv[i], F_OK))
			file = true;
		else if (ublk_target_find(argv[i]))
			forgot = argv[i];
		*type = add_type_of(argv[i]);
	}
	if (!*type)
		*type = "loop";
	return forgot && !file ?
		ublk_error(-EINVAL, "there is no file \"%s\"; did you mean -t %s?",
			   forgot, forgot) : 0;
}

static int add_check(const struct add_cfg *cfg, struct devopts *opts,
		     struct daemon_args *args)
{
	args->supervise = cfg->supervise;
	if (cfg->supervise && cfg->foreground)
		return ublk_error(-EINVAL, "--supervise and --foreground exclude each other");
	if (cfg->supervise && !opts->recovery && !opts->reissue && !opts->fail_io)
		return ublk_error(-EINVAL, "--supervise: needs --user-recovery, --user-recovery-reissue or --user-recovery-fail-io, else no other daemon can continue the device");
	if (args->no_options)
		return ublk_error(-EINVAL, "which target? give -t TARGET, or FILE for a disk in a file; see \"ublk help\"");
	return devopts_features(opts, args);
}

static int add_run(int argc, char **argv)
{
	struct add_cfg cfg = { .id = UBLK_ID_AUTO };
	struct daemon_args args = { 0 };
	struct devopts opts;
	int ret;

	ret = devopts_parse(&add_command, &cfg, &opts, &args, argc, argv);
	if (ret < 0 && add_check(&cfg, &opts, &args))
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
		args.show = cfg.show;
		ret = daemon_run(&args);
	}
	devopts_free(&opts, &args);
	return ret;
}

const struct cli_command add_command = {
	.name = "add",
	.aliases = "create|new",
	.args = "[-t TARGET] [OPTIONS] [FILE]",
	.summary = "create a device and serve it",
	.opts = add_opts,
	.device = true,
	.default_type = add_default_type,
	.run = add_run,
};
