// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk quiesce": end the daemon and leave the disk, for another daemon to
 * continue. Returns when the daemon has ended, or at the deadline (handover.c).
 */
#include "cli.h"

struct quiesce_cfg {
	__u64 id;
	__u64 timeout;
};

static const struct ublk_opt quiesce_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct quiesce_cfg, id),
		.arg = "ID", .help = "device whose daemon is to end",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct quiesce_cfg, timeout),
		.arg = "MS", .def = "10000", .min = 1, .max = 86400000,
		.help = "how long to wait for requests in flight",
	},
	{ 0 }
};

static int quiesce_run(int argc, char **argv)
{
	struct quiesce_cfg cfg = { .id = UBLK_ID_AUTO };
	int ret;

	ret = cli_parse(&quiesce_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = cli_need_id(&quiesce_command, cfg.id);
	if (ret)
		return ret;
	guard_enter();
	ret = handover(cfg.id, cfg.timeout);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command quiesce_command = {
	.name = "quiesce",
	.args = "-n ID [--timeout MS]",
	.summary = "end the daemon, hold the disk for \"ublk recover\"",
	.opts = quiesce_opts,
	.run = quiesce_run,
};
