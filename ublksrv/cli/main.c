// SPDX-License-Identifier: GPL-2.0
/*
 * The program "ublk": table of subcommands, messages, exit status.
 *
 * The subcommand NAME is in NAME.c, which has one struct cli_command.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "json.h"
#include "opt.h"
#include "suggest.h"

const struct cli_command * const cli_commands[] = {
	&add_command,
	&recover_command,
	&stop_command,
	&quiesce_command,
	&upgrade_command,
	&del_command,
	&resize_command,
	&set_affinity_command,
	&up_command,
	&down_command,
	&apply_command,
	&serve_command,
	&shutdown_command,
	&list_command,
	&stat_command,
	&top_command,
	&events_command,
	&features_command,
	&doctor_command,
	&gc_command,
	&losetup_command,
	&guardian_command,
	&udev_owner_command,
	&udev_name_command,
	&udev_held_command,
	&udev_mounts_command,
	&generator_command,
	&completion_command,
	&help_command,
	&version_command,
	NULL,
};

/* The options of every command. */
static struct {
	bool json;
} common_cfg;

const struct ublk_opt common_opts[] = {
	{
		.name = "json", .type = UBLK_OPT_FLAG,
		.offset = 0, .help = "print a JSON document, also of errors",
	},
	{ 0 }
};

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

/* Print a message, and add it to the JSON document. Return: @status */
int cli_report(int status, const char *text)
{
	fprintf(stderr, "ublk: %s\n", text);
	out_error(status, text);
	return status;
}

/* Print the message of a failure. Return: exit status */
int cli_fail(int err)
{
	return cli_report(cli_exit_status(err), ublk_strerror_last());
}

/* The same for a wrong command line. */
int cli_usage(const struct cli_command *cmd)
{
	const char *text = ublk_strerror_last();
	size_t len = strlen(cmd->name);

	/* a message on an option of the command may begin with its name */
	if (strncmp(text, cmd->name, len) || text[len] != ':')
		ublk_error(-EINVAL, "%s: %s", cmd->name, text);
	return cli_report(EXIT_USAGE, ublk_strerror_last());
}

/* For commands on one device. Return: 0 or an exit status */
int cli_need_id(const struct cli_command *cmd, __u64 id)
{
	if (id != UBLK_ID_AUTO)
		return 0;
	ublk_error(-EINVAL, "which device? give -n ID");
	return cli_usage(cmd);
}

/**
 * cli_table - the options of all commands, for opt_parse()
 * @cmd: command, for messages
 *
 * Return: table
 */
struct opt_table cli_table(const struct cli_command *cmd)
{
	return (struct opt_table) {
		.opts = common_opts, .base = &common_cfg, .owner = cmd->name,
	};
}

/**
 * cli_parsed - what opt_parse() said
 * @cmd: command
 * @ret: its return value
 *
 * Return: -1 to go on, or an exit status with the message or help printed
 */
int cli_parsed(const struct cli_command *cmd, int ret)
{
	if (ret > 0) {
		cli_help_command(stdout, cmd);
		return EXIT_OK;
	}
	if (ret == -ENODEV || ret == -ENOMEM)
		return cli_fail(ret);
	return ret ? cli_usage(cmd) : -1;
}

/*
 * Parse the arguments of a command without target.
 * Return: -1 to go on, or an exit status
 */
int cli_parse(const struct cli_command *cmd, void *cfg, int argc, char **argv)
{
	struct opt_table tables[] = {
		{
			.opts = cmd->opts, .base = cfg, .owner = cmd->name,
			.find_device = device_find,
		},
		cli_table(cmd),
	};

	return cli_parsed(cmd, opt_parse(tables, 2, argc, argv));
}

static bool name_is(const char *names, const char *text)
{
	size_t i, len;

	for (; names; names += len + 1) {
		len = strcspn(names, "|");
		for (i = 0; i < len && text[i]; i++)
			if (names[i] != text[i] &&
			    (names[i] != '-' || text[i] != '_'))
				break;
		if (i == len && !text[i])
			return true;
		if (!names[len])
			break;
	}
	return false;
}

/* Return: command, or NULL with a message */
const struct cli_command *cli_find_command(const char *name)
{
	struct suggest s = { .word = name };
	const char *hint;
	int i;

	for (i = 0; cli_commands[i]; i++) {
		if (name_is(cli_commands[i]->name, name) ||
		    name_is(cli_commands[i]->aliases, name))
			return cli_commands[i];
		suggest_offer(&s, cli_commands[i]->name);
		if (cli_commands[i]->aliases)
			suggest_offer(&s, cli_commands[i]->aliases);
	}
	hint = suggest_text(&s, "");
	ublk_error(-EINVAL, "unknown command \"%s\"%s%s see \"ublk help\"",
		   name, hint, *hint ? "" : ";");
	return NULL;
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

/* The first failure of cli_flush(). */
static int flush_err;

/**
 * cli_flush - let a reader see what was printed, for commands that go on
 *
 * Return: false if it cannot be written; main() prints the message then
 */
bool cli_flush(void)
{
	if (fflush(stdout) && !flush_err)
		flush_err = errno;
	return !flush_err;
}

/* Was everything printed? Return: exit status of the program */
static int finish(int status)
{
	out_print(status);
	if (!cli_flush() || ferror(stdout)) {
		fprintf(stderr, "ublk: writing to standard output: %s\n",
			flush_err ? strerror(flush_err) : "failed");
		status = status ? : EXIT_FAILED;
	}
	guard_report(status);
	return status;
}

/* Is there "--json" on the line? Also a line that cannot be parsed. */
static bool wants_json(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

/* The command of a line; NULL with a message. */
static const struct cli_command *choose(const char *name)
{
	static const char * const version[] = { "-v", "-V", "--version" };
	size_t i;

	if (!*name) {
		ublk_error(-EINVAL, "no command given; see \"ublk help\"");
		return NULL;
	}
	if (!strcmp(name, "-h") || !strcmp(name, "--help"))
		return &help_command;
	for (i = 0; i < sizeof(version) / sizeof(version[0]); i++)
		if (!strcmp(name, version[i]))
			return &version_command;
	return cli_find_command(name);
}

/* systemd calls a generator by its file name alone. */
static bool is_generator(const char *program)
{
	const char *name = program ? strrchr(program, '/') : NULL;

	return name && !strcmp(name, "/ublk-generator");
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct cli_command *cmd;

	if (is_generator(argv[0])) {
		argv[0] = (char *)(uintptr_t)generator_command.name;
		return generator_command.run(argc, argv);
	}
	/* a line written for losetup has no command */
	if ((*name == '-' || *name == '/') && losetup_takes(name)) {
		cmd = &losetup_command;
		argv[0] = (char *)(uintptr_t)cmd->name;
	} else {
		cmd = choose(name);
		argc--;
		argv++;
	}
	if (wants_json(argc, argv))
		out_start(cmd ? cmd->name : "");
	if (!cmd)
		return cli_report(EXIT_USAGE, ublk_strerror_last());
	/* messages have the name, whatever alias was typed */
	argv[0] = (char *)(uintptr_t)cmd->name;
	guard_name(cmd->name);
	return cmd->run(argc, argv);
}

int main(int argc, char **argv)
{
	open_std();
	return finish(run(argc, argv));
}
