// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk apply": every declared device is up, and those whose declarations are gone are
 * away.
 */
#include "declared.h"
#include "opt.h"

static const struct ublk_opt apply_opts[] = {
	{
		.name = "dry-run", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct declared_cfg, dry_run),
		.help = "only say what would be done",
	},
	{ 0 }
};

static int apply_run(int argc, char **argv)
{
	struct declared_cfg cfg = { .all = true };
	int ret, pruned;

	ret = cli_parse(&apply_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	/* a store or a name may become free */
	pruned = declared_prune(&cfg);
	ret = declared_up(&cfg);
	return ret ? ret : pruned;
}

const struct cli_command apply_command = {
	.name = "apply",
	.args = "[--dry-run]",
	.summary = "make all devices what is declared",
	.opts = apply_opts,
	.run = apply_run,
};
