// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk udev-owner": who owns a device, for the rule in 60-ublk.rules.
 *
 * udev runs it for a node of a device and uses the two words of its output. A
 * device of the administrator has no owner: the exit status is 1, nothing is
 * printed, and the rule does not apply.
 */
#include "cli.h"
#include "json.h"

struct owner_cfg {
	const char *node;
};

static const struct ublk_opt owner_opts[] = {
	{
		.name = "node", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_REQUIRED | UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct owner_cfg, node),
		.arg = "NODE", .help = "ublkcN, ublkbN, a partition, or N",
	},
	{ 0 }
};

static int owner_run(int argc, char **argv)
{
	struct ublksrv_ctrl_dev_info info;
	struct owner_cfg cfg = { 0 };
	struct ublk_ctrl *ctrl;
	__u32 id = 0;
	int ret;

	ret = cli_parse(&udev_owner_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	if (device_of_node(cfg.node, &id))
		return cli_usage(&udev_owner_command);
	guard_enter();
	ret = common_open(id, &ctrl, &info);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_close(ctrl);
	if (!(info.flags & UBLK_F_UNPRIVILEGED_DEV))
		return EXIT_FAILED;
	if (!out_is_json())
		printf("%u %u\n", info.owner_uid, info.owner_gid);
	out_set("uid", json_integer(info.owner_uid));
	out_set("gid", json_integer(info.owner_gid));
	return EXIT_OK;
}

const struct cli_command udev_owner_command = {
	.name = "udev-owner",
	.args = "NODE",
	.summary = "print the owner of a device, for udev",
	.opts = owner_opts,
	.run = owner_run,
};
