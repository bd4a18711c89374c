// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk udev-owner": who owns a device, for the rule in 60-ublk.rules.
 *
 * udev runs it for a node of a device and uses the two words of its output. A
 * device of the administrator has no owner: the exit status is 1, nothing is
 * printed, and the rule does not apply.
 */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "opt.h"

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

/* ublkc7, /dev/ublkb7, ublkb7p2, 7: device 7 */
static int owner_parse(const char *node, __u32 *id)
{
	const char *name = strrchr(node, '/');
	char digits[16] = "";
	size_t len;
	__u64 val;

	name = name ? name + 1 : node;
	if (!strncmp(name, "ublkc", 5) || !strncmp(name, "ublkb", 5))
		name += 5;
	len = strspn(name, "0123456789");
	if (len < sizeof(digits))
		memcpy(digits, name, len);
	if (opt_uint(digits, &val) || val >= UBLK_ID_AUTO ||
	    (name[len] && name[len] != 'p'))
		return ublk_error(-EINVAL, "\"%s\" is not a node of a device",
				  node);
	*id = val;
	return 0;
}

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
	if (owner_parse(cfg.node, &id))
		return cli_usage(&udev_owner_command);
	guard_enter();
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	ret = ublk_ctrl_get_info(ctrl, id, &info);
	ublk_ctrl_close(ctrl);
	if (ret)
		return cli_fail(common_explain(id, ret));
	if (!(info.flags & UBLK_F_UNPRIVILEGED_DEV))
		return EXIT_FAILED;
	printf("%u %u\n", info.owner_uid, info.owner_gid);
	return EXIT_OK;
}

const struct cli_command udev_owner_command = {
	.name = "udev-owner",
	.args = "NODE",
	.summary = "print the owner of a device, for udev",
	.opts = owner_opts,
	.run = owner_run,
};
