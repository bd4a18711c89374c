// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk down": take declared devices away.
 */
#include "declared.h"
#include "opt.h"

static const struct ublk_opt down_opts[] = {
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
	{
		.name = "force", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct declared_cfg, force),
		.help = "also if it is mounted or used in another way",
	},
	{ 0 }
};

static int down_run(int argc, char **argv)
{
	return declared_run(&down_command, argc, argv, declared_down);
}

const struct cli_command down_command = {
	.name = "down",
	.args = "NAME... | --all [--force] [--dry-run]",
	.summary = "take declared devices away",
	.opts = down_opts,
	.run = down_run,
};
