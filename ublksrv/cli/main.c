// SPDX-License-Identifier: GPL-2.0
/*
 * The program "ublk": table of subcommands, help, version, exit status.
 *
 * The subcommand NAME is in NAME.c, which has one struct cli_command.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "opt.h"

static const struct cli_command * const commands[] = {
	&add_command,
	&recover_command,
	&stop_command,
	&quiesce_command,
	&del_command,
	&resize_command,
	&set_affinity_command,
	&list_command,
	&features_command,
	&udev_owner_command,
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

int cli_exit_status(int err)
{
	switch (-err) {
	case 0:
		return EXIT_OK;
	case ENODEV:
		return EXIT_NO_DEV;
	case EPERM:
	case EACCES:
		return EXIT_NO_PERM;
	case EUNATCH:
		return EXIT_NO_DRIVER;
	case ETIMEDOUT:
		return EXIT_TIMEOUT;
	case EBUSY:
		return EXIT_BUSY;
	default:
		return EXIT_FAILED;
	}
}

/* Print the message of a failure. Return: exit status */
int cli_fail(int err)
{
	fprintf(stderr, "ublk: %s\n", ublk_strerror_last());
	return cli_exit_status(err);
}

/* The same for a wrong command line. */
int cli_usage(const struct cli_command *cmd)
{
	const char *text = ublk_strerror_last();
	size_t len = strlen(cmd->name);

	/* a message on an option of the command may begin with its name */
	if (!strncmp(text, cmd->name, len) && text[len] == ':')
		fprintf(stderr, "ublk: %s\n", text);
	else
		fprintf(stderr, "ublk: %s: %s\n", cmd->name, text);
	return EXIT_USAGE;
}

/* For commands on one device. Return: 0 or an exit status */
int cli_need_id(const struct cli_command *cmd, __u64 id)
{
	if (id != UBLK_ID_AUTO)
		return 0;
	ublk_error(-EINVAL, "which device? give -n ID");
	return cli_usage(cmd);
}

/*
 * Parse the arguments of a command without target.
 * Return: -1 to go on, or an exit status
 */
int cli_parse(const struct cli_command *cmd, void *cfg, int argc, char **argv)
{
	struct opt_table table = {
		.opts = cmd->opts, .base = cfg, .owner = cmd->name,
	};
	int ret = opt_parse(&table, 1, argc, argv);

	if (ret < 0)
		return cli_usage(cmd);
	if (ret > 0) {
		cli_help_command(stdout, cmd);
		return EXIT_OK;
	}
	return -1;
}

void cli_help_command(FILE *out, const struct cli_command *cmd)
{
	int i;

	fprintf(out, "usage: ublk %s %s\n%s\n\noptions:\n", cmd->name,
		cmd->args, cmd->summary);
	opt_help(out, cmd->opts);
	if (cmd->device)
		opt_help(out, devopts_table);
	fprintf(out, "  %-28s %s\n", "-h, --help", "this text");
	if (!cmd->device)
		return;
	for (i = 0; ublk_targets[i]; i++) {
		fprintf(out, "\noptions of -t %s, %s:\n", ublk_targets[i]->name,
			ublk_targets[i]->summary);
		opt_help(out, ublk_targets[i]->opts);
	}
}

static void help_all(FILE *out)
{
	unsigned int i;

	fputs("usage: ublk COMMAND [OPTIONS]\n\ncommands:\n", out);
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-12s %s\n", commands[i]->name,
			commands[i]->summary);
	fputs("  help         this text, or \"ublk help COMMAND\"\n"
	      "  version      version of the program\n"
	      "\ntargets (ublk add -t TARGET):\n", out);
	for (i = 0; ublk_targets[i]; i++)
		fprintf(out, "  %-12s %s\n", ublk_targets[i]->name,
			ublk_targets[i]->summary);
	fputs("\nexit status: 0 success, 1 failure, 2 wrong usage, 3 no such device,\n"
	      "4 permission denied, 5 driver not loaded, 6 not done in time,\n"
	      "7 device or store in use\n", out);
}

static const struct cli_command *find_command(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	fprintf(stderr, "ublk: unknown command \"%s\"; see \"ublk help\"\n",
		name);
	return NULL;
}

static int cmd_help(int argc, char **argv)
{
	const struct cli_command *cmd;

	if (argc < 2) {
		help_all(stdout);
		return EXIT_OK;
	}
	cmd = find_command(argv[1]);
	if (!cmd)
		return EXIT_USAGE;
	cli_help_command(stdout, cmd);
	return EXIT_OK;
}

/*
 * A descriptor that the caller has closed must not become that of a device:
 * open it in a way that the program cannot use.
 */
static void open_std(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			_exit(EXIT_FAILED);
}

/* Was everything printed? Return: exit status of the program */
static int finish(int status)
{
	int err = 0;

	if (fflush(stdout))
		err = errno;
	if (err || ferror(stdout)) {
		fprintf(stderr, "ublk: writing to standard output: %s\n",
			err ? strerror(err) : "failed");
		status = status ? : EXIT_FAILED;
	}
	guard_report(status);
	return status;
}

static int run(int argc, char **argv)
{
	const struct cli_command *cmd;
	const char *name = argc > 1 ? argv[1] : "";

	if (!*name) {
		fputs("ublk: no command given; see \"ublk help\"\n", stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(name, "help") || !strcmp(name, "-h") ||
	    !strcmp(name, "--help"))
		return cmd_help(argc - 1, argv + 1);
	if (!strcmp(name, "version") || !strcmp(name, "-V") ||
	    !strcmp(name, "--version")) {
		puts("ublk " UBLK_VERSION);
		return EXIT_OK;
	}
	cmd = find_command(name);
	return cmd ? cmd->run(argc - 1, argv + 1) : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	open_std();
	return finish(run(argc, argv));
}
