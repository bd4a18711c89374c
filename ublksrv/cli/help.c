// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk help": the commands, the options of a command or of a target, and with
 * --json all tables. What it prints comes from the tables that the command lines
 * are parsed with.
 */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "opt.h"

struct help_cfg {
	const char *command;
	const char *type;
};

static const struct ublk_opt help_opts[] = {
	{
		.name = "type", .letter = 't', .type = UBLK_OPT_STR,
		.offset = offsetof(struct help_cfg, type),
		.arg = "TARGET", .help = "options of this target",
	},
	{
		.name = "command", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct help_cfg, command),
		.arg = "COMMAND", .help = "options of this command",
	},
	{ 0 }
};

static void help_target(FILE *out, const struct ublk_target *t)
{
	fprintf(out, "options of -t %s, %s:\n", t->name, t->summary);
	opt_help(out, t->opts);
}

void cli_help_command(FILE *out, const struct cli_command *cmd)
{
	int i;

	fprintf(out, "usage: ublk %s %s\n%s\n\noptions:\n", cmd->name,
		cmd->args, cmd->summary);
	opt_help(out, cmd->opts);
	if (cmd->device)
		opt_help(out, devopts_table);
	opt_help(out, common_opts);
	fprintf(out, "  %-28s %s\n", "-h, --help", "this text");
	if (!cmd->device)
		return;
	for (i = 0; ublk_targets[i]; i++) {
		fputc('\n', out);
		help_target(out, ublk_targets[i]);
	}
	fputs("\noptions of others: ublk help -t TARGET\n", out);
}

static void help_other(const char *name, void *arg)
{
	fprintf(arg, "  %-12s not part of ublk\n", name);
}

/* They are not loaded here: their libraries can be large. */
static void help_modules(FILE *out)
{
	const struct target_module_info *m;

	for (m = target_modules; m->name; m++) {
		fprintf(out, "  %-12s %s", m->name, m->summary);
		if (!target_module_exists(m->name))
			fprintf(out, " (not installed: package %s)", m->package);
		fputc('\n', out);
	}
	target_module_each_other(help_other, out);
}

static void help_all(FILE *out)
{
	int i;

	fputs("usage: ublk COMMAND [OPTIONS]\n\ncommands:\n", out);
	for (i = 0; cli_commands[i]; i++)
		fprintf(out, "  %-12s %s\n", cli_commands[i]->name,
			cli_commands[i]->summary);
	fputs("\ntargets (ublk add -t TARGET):\n", out);
	for (i = 0; ublk_targets[i]; i++)
		fprintf(out, "  %-12s %s\n", ublk_targets[i]->name,
			ublk_targets[i]->summary);
	help_modules(out);
	fputs("\nexit status: 0 success, 1 failure, 2 wrong usage, 3 no such device,\n"
	      "4 permission denied, 5 driver not loaded, 6 not done in time,\n"
	      "7 device or store in use\n", out);
}

static void help_json_opts(json_t *list, const struct ublk_opt *o)
{
	char letter[2] = "";
	json_t *val;

	for (; o && o->name; o++) {
		letter[0] = o->letter;
		val = json_pack("{s:s, s:s, s:s, s:s}", "names", o->name,
				"letter", letter, "argument", o->arg ? : "",
				"help", o->help);
		json_array_append_new(list, val);
	}
}

static json_t *help_json_command(const struct cli_command *cmd)
{
	json_t *opts = json_array();

	help_json_opts(opts, cmd->opts);
	return json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", cmd->name,
			 "aliases", cmd->aliases ? : "", "help", cmd->summary,
			 "device_options", cmd->device, "options", opts);
}

static json_t *help_json_target(const struct ublk_target *t)
{
	json_t *opts = json_array();

	help_json_opts(opts, t->opts);
	return json_pack("{s:s, s:s, s:o}", "name", t->name, "help",
			 t->summary, "options", opts);
}

static void help_json_other(const char *name, void *arg)
{
	json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:b}", "name", name,
					     "help", "", "package", "",
					     "installed", true));
}

static json_t *help_json_modules(void)
{
	const struct target_module_info *m;
	json_t *list = json_array(), *one;

	for (m = target_modules; m->name; m++) {
		one = json_pack("{s:s, s:s, s:s, s:b}", "name", m->name, "help",
				m->summary, "package", m->package, "installed",
				target_module_exists(m->name));
		json_array_append_new(list, one);
	}
	target_module_each_other(help_json_other, list);
	return list;
}

static void help_json(void)
{
	json_t *commands = json_array(), *targets = json_array();
	json_t *device = json_array(), *common = json_array();
	int i;

	help_json_opts(device, devopts_table);
	help_json_opts(common, common_opts);

	for (i = 0; cli_commands[i]; i++)
		json_array_append_new(commands,
				      help_json_command(cli_commands[i]));
	for (i = 0; ublk_targets[i]; i++)
		json_array_append_new(targets,
				      help_json_target(ublk_targets[i]));
	out_set("commands", commands);
	out_set("targets", targets);
	out_set("modules", help_json_modules());
	out_set("device_options", device);
	out_set("common_options", common);
}

static int help_run(int argc, char **argv)
{
	const struct ublk_target *target;
	const struct cli_command *cmd;
	struct help_cfg cfg = { 0 };
	int ret;

	ret = cli_parse(&help_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	if (cfg.type) {
		target = devopts_find_target(cfg.type);
		if (!target)
			return cli_usage(&help_command);
		if (!out_is_json())
			help_target(stdout, target);
		else
			out_set("target", help_json_target(target));
		return EXIT_OK;
	}
	cmd = cfg.command ? cli_find_command(cfg.command) : NULL;
	if (cfg.command && !cmd)
		return cli_report(EXIT_USAGE, ublk_strerror_last());
	if (out_is_json() && cmd)
		out_set("command_help", help_json_command(cmd));
	else if (out_is_json())
		help_json();
	else if (cmd)
		cli_help_command(stdout, cmd);
	else
		help_all(stdout);
	return EXIT_OK;
}

const struct cli_command help_command = {
	.name = "help",
	.args = "[COMMAND | -t TARGET]",
	.summary = "commands, or the options of one or of a target",
	.opts = help_opts,
	.run = help_run,
};
