// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk completion SHELL": completion for bash, zsh and fish, from the tables that
 * the command lines are parsed with. "make install" installs what it prints.
 *
 * The scripts complete commands, options, devices by number and by name, targets,
 * and files. They start no process but "ublk list" for the names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "opt.h"

/* Where the script goes. */
static FILE *to;

struct completion_cfg {
	const char *shell;
};

static const struct ublk_opt completion_opts[] = {
	{
		.name = "shell", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_REQUIRED,
		.offset = offsetof(struct completion_cfg, shell),
		.arg = "SHELL", .help = "bash, zsh or fish",
	},
	{ 0 }
};

/* Call @print for the rows of a command, those of the targets with their name. */
static void each_opt(const struct cli_command *cmd,
		     void (*print)(const struct cli_command *cmd,
				   const char *target,
				   const struct ublk_opt *o))
{
	const struct ublk_opt *tables[] = {
		cmd->opts, cmd->device ? devopts_table : NULL, common_opts,
	};
	const struct ublk_opt *o;
	unsigned int i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (o = tables[i]; o && o->name; o++)
			print(cmd, NULL, o);
	for (i = 0; cmd->device && ublk_targets[i]; i++)
		for (o = ublk_targets[i]->opts; o && o->name; o++)
			print(cmd, ublk_targets[i]->name, o);
}

/* What an option takes, as the scripts call it. */
static const char *kind_of(const struct ublk_opt *o)
{
	bool id = o->arg && !strcmp(o->arg, "ID");

	if (o->type == UBLK_OPT_DEVICE || (id && o->type == UBLK_OPT_STR))
		return "device";
	if (o->type == UBLK_OPT_PATH)
		return "file";
	if (o->arg && !strcmp(o->arg, "TARGET"))
		return "target";
	if (o->type == UBLK_OPT_FLAG || o->type == UBLK_OPT_BOOL)
		return "none";
	return "word";
}

static void print_commands(void)
{
	int i;

	for (i = 0; cli_commands[i]; i++)
		fprintf(to, "%s%s", i ? " " : "", cli_commands[i]->name);
}

static void print_targets(void)
{
	const struct target_module_info *m;
	int i;

	for (i = 0; ublk_targets[i]; i++)
		fprintf(to, "%s%s", i ? " " : "", ublk_targets[i]->name);
	for (m = target_modules; m->name; m++)
		fprintf(to, " %s", m->name);
}

/* ---- bash ---------------------------------------------------------------- */

static void bash_opt(const struct cli_command *cmd, const char *target,
		     const struct ublk_opt *o)
{
	char name[40];

	fprintf(to, "\t%s:%s:--%s:%s\n", cmd->name, target ? : "",
		opt_name(o, name, sizeof(name)), kind_of(o));
	if (o->letter)
		fprintf(to, "\t%s:%s:-%c:%s\n", cmd->name, target ? : "", o->letter,
			kind_of(o));
}

static const char bash_head[] =
	"# bash completion for ublk; made by \"ublk completion bash\"\n"
	"# shellcheck shell=bash\n"
	"\n"
	"# COMMAND:TARGET:OPTION:WHAT IT TAKES\n"
	"_ublk_options='\n";

static const char bash_tail[] =
	"_ublk_devices() {\n"
	"\tlocal node\n"
	"\n"
	"\tfor node in /sys/class/ublk-char/ublkc*; do\n"
	"\t\t[ ! -e \"$node\" ] || echo \"${node##*ublkc}\"\n"
	"\tdone\n"
	"\tublk list 2>/dev/null | sed -n 's/^\\tname //p'\n"
	"}\n"
	"\n"
	"_ublk() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal cmd=${COMP_WORDS[1]} target='' kind='' words='' i line\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$_ublk_commands\" -- \"$cur\")\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n"
	"\t\t-t | --type) target=${COMP_WORDS[i + 1]} ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\twhile IFS=: read -r -a line; do\n"
	"\t\t[ \"${line[0]-}\" = \"$cmd\" ] || continue\n"
	"\t\t[ -z \"${line[1]}\" ] || [ -z \"$target\" ] ||\n"
	"\t\t\t[ \"${line[1]}\" = \"$target\" ] || continue\n"
	"\t\twords=\"$words ${line[2]}\"\n"
	"\t\t[ \"${line[2]}\" != \"$prev\" ] || kind=${line[3]}\n"
	"\tdone < <(tr -d '\\t' <<<\"$_ublk_options\")\n"
	"\tcase $kind in\n"
	"\tdevice) words=$(_ublk_devices) ;;\n"
	"\ttarget) words=$_ublk_targets ;;\n"
	"\tfile | word) return ;;\n"
	"\t*)\n"
	"\t\tif [ \"$cmd\" = help ] && [[ $cur != -* ]]; then\n"
	"\t\t\twords=$_ublk_commands\n"
	"\t\telif [[ $cur != -* ]]; then\n"
	"\t\t\tcase \" $words \" in\n"
	"\t\t\t*' --file '*) return ;;\n"
	"\t\t\tesac\n"
	"\t\t\twords=$(_ublk_devices)\n"
	"\t\tfi ;;\n"
	"\tesac\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"}\n"
	"\n"
	"complete -o default -F _ublk ublk\n";

static void bash_print(void)
{
	int i;

	fputs(bash_head, to);
	for (i = 0; cli_commands[i]; i++)
		each_opt(cli_commands[i], bash_opt);
	fputs("'\n_ublk_commands='", to);
	print_commands();
	fputs("'\n_ublk_targets='", to);
	print_targets();
	fputs("'\n\n", to);
	fputs(bash_tail, to);
}

/* ---- zsh ----------------------------------------------------------------- */

/* In single quotes and brackets. */
static void zsh_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", to);
		else if (strchr("[]:\\", *text))
			fprintf(to, "\\%c", *text);
		else
			fputc(*text, to);
	}
}

static void zsh_spec(const struct ublk_opt *o, const char *dashes,
		     const char *name)
{
	static const char * const action[][2] = {
		{ "device", ":device:_ublk_devices" },
		{ "file", ":file:_files" },
		{ "target", ":target:(${_ublk_targets})" },
		{ "word", ":value:" },
	};
	const char *kind = kind_of(o);
	size_t i;

	fprintf(to, "\t\t'*%s%s[", dashes, name);
	zsh_text(o->help);
	fputc(']', to);
	for (i = 0; i < sizeof(action) / sizeof(action[0]); i++)
		if (!strcmp(kind, action[i][0]) && strcmp(kind, "target"))
			fputs(action[i][1], to);
	if (!strcmp(kind, "target")) {
		fputs(":target:(", to);
		print_targets();
		fputc(')', to);
	}
	fputs("'\n", to);
}

static void zsh_opt(const struct cli_command *cmd, const char *target,
		    const struct ublk_opt *o)
{
	char name[40], letter[2] = { o->letter, 0 };

	(void)cmd;
	(void)target;
	zsh_spec(o, "--", opt_name(o, name, sizeof(name)));
	if (o->letter)
		zsh_spec(o, "-", letter);
}

static void zsh_print(void)
{
	int i;

	fputs("#compdef ublk\n# made by \"ublk completion zsh\"\n\n"
	      "_ublk_devices() {\n"
	      "\tlocal -a devices\n"
	      "\tdevices=(/sys/class/ublk-char/ublkc*(N:t:s/ublkc//)\n"
	      "\t\t${(f)\"$(ublk list 2>/dev/null | sed -n 's/^\\tname //p')\"})\n"
	      "\tcompadd -a devices\n}\n\n"
	      "_ublk() {\n\tlocal -a commands options\n\tcommands=(\n", to);
	for (i = 0; cli_commands[i]; i++) {
		fprintf(to, "\t\t'%s:", cli_commands[i]->name);
		zsh_text(cli_commands[i]->summary);
		fputs("'\n", to);
	}
	fputs("\t)\n\tif ((CURRENT == 2)); then\n"
	      "\t\t_describe command commands\n\t\treturn\n\tfi\n"
	      "\tcase ${words[2]} in\n", to);
	for (i = 0; cli_commands[i]; i++) {
		fprintf(to, "\t%s)\n\t\toptions=(\n", cli_commands[i]->name);
		each_opt(cli_commands[i], zsh_opt);
		fputs("\t\t) ;;\n", to);
	}
	fputs("\tesac\n\tshift words\n\t((CURRENT--))\n"
	      "\t_arguments -s : \"${options[@]}\" '*:file:_files'\n}\n\n"
	      "_ublk \"$@\"\n", to);
}

/* ---- fish ---------------------------------------------------------------- */

/* In single quotes. */
static void fish_text(const char *text)
{
	for (; *text; text++) {
		if (strchr("'\\", *text))
			fputc('\\', to);
		fputc(*text, to);
	}
}

static void fish_opt(const struct cli_command *cmd, const char *target,
		     const struct ublk_opt *o)
{
	const char *kind = kind_of(o);
	char name[40];

	(void)target;
	fprintf(to, "complete -c ublk -n '__fish_seen_subcommand_from %s' -l %s",
		cmd->name, opt_name(o, name, sizeof(name)));
	if (o->letter)
		fprintf(to, " -s %c", o->letter);
	if (!strcmp(kind, "device")) {
		fputs(" -x -a '(__ublk_devices)'", to);
	} else if (!strcmp(kind, "target")) {
		fputs(" -x -a '", to);
		print_targets();
		fputc('\'', to);
	} else if (!strcmp(kind, "file")) {
		fputs(" -r -F", to);
	} else if (!strcmp(kind, "word")) {
		fputs(" -x", to);
	}
	fputs(" -d '", to);
	fish_text(o->help);
	fputs("'\n", to);
}

static void fish_print(void)
{
	int i;

	fputs("# fish completion for ublk; made by \"ublk completion fish\"\n\n"
	      "function __ublk_devices\n"
	      "\tfor node in /sys/class/ublk-char/ublkc*\n"
	      "\t\tstring replace -r '.*ublkc' '' $node\n\tend\n"
	      "\tublk list 2>/dev/null | string match -r -g '^\\tname (.*)'\n"
	      "end\n\n", to);
	for (i = 0; cli_commands[i]; i++) {
		fprintf(to, "complete -c ublk -n __fish_use_subcommand -f -a %s -d '",
			cli_commands[i]->name);
		fish_text(cli_commands[i]->summary);
		fputs("'\n", to);
	}
	for (i = 0; cli_commands[i]; i++)
		each_opt(cli_commands[i], fish_opt);
}

static const struct {
	const char *name;
	void (*print)(void);
} completion_shells[] = {
	{ "bash", bash_print },
	{ "zsh", zsh_print },
	{ "fish", fish_print },
};

/* As the member "script" of the document with --json. */
static int completion_print(void (*print)(void))
{
	char *text = NULL;
	size_t len = 0;

	to = out_is_json() ? open_memstream(&text, &len) : stdout;
	if (!to)
		return cli_fail(ublk_error(-ENOMEM, "completion: out of memory"));
	print();
	if (to != stdout) {
		fclose(to);
		out_set("script", json_string(text));
		free(text);
	}
	return EXIT_OK;
}

static int completion_run(int argc, char **argv)
{
	struct completion_cfg cfg = { 0 };
	int ret = cli_parse(&completion_command, &cfg, argc, argv);
	size_t i;

	if (ret >= 0)
		return ret;
	for (i = 0; i < sizeof(completion_shells) / sizeof(completion_shells[0]); i++)
		if (!strcmp(cfg.shell, completion_shells[i].name))
			return completion_print(completion_shells[i].print);
	ublk_error(-EINVAL, "\"%s\" is no shell that this program knows; give bash, zsh or fish",
		   cfg.shell);
	return cli_usage(&completion_command);
}

const struct cli_command completion_command = {
	.name = "completion",
	.args = "SHELL",
	.summary = "print the completion for a shell",
	.opts = completion_opts,
	.run = completion_run,
};
