// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk up": add, recover or resize devices until they are as declared.
 */
#include "declared.h"
#include "opt.h"

static const struct ublk_opt up_opts[] = {
	{
		.name = "name", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_LIST,
		.offset = offsetof(struct declared_cfg, names),
		.arg = "NAME", .help = "this device; may be repeated",
	},
	{
		.name = "all", .letter = 'a', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct declared_cfg, all),
		.help = "every device that is declared",
	},
	{
		.name = "dry-run", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct declared_cfg, dry_run),
		.help = "only say what would be done",
	},
	{ 0 }
};

static int up_run(int argc, char **argv)
{
	return declared_run(&up_command, argc, argv, declared_up);
}

const struct cli_command up_command = {
	.name = "up",
	.args = "NAME... | --all [--dry-run]",
	.summary = "make declared devices what is declared",
	.opts = up_opts,
	.run = up_run,
};
