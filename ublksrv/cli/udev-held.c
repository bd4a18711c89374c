// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk udev-held": do the requests of a disk wait, or fail, until its next server
 * comes? For the rules in 59-ublk-held.rules: udev would read the disk, and wait, or
 * forget what it knows about it.
 *
 * The exit status is 0 for such a disk, 1 for one that is served, and for one that
 * will not be served again. A driver that does not answer counts as the first.
 */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "json.h"

struct held_cfg {
	const char *node;
};

static const struct ublk_opt held_opts[] = {
	{
		.name = "node", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_REQUIRED | UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct held_cfg, node),
		.arg = "NODE", .help = "ublkbN, a partition, or N",
	},
	{ 0 }
};

/* The driver needs a moment to see that a server has died. */
static bool held_is(const struct ublksrv_ctrl_dev_info *info)
{
	switch (info->state) {
	case UBLK_S_DEV_QUIESCED:
	case UBLK_S_DEV_FAIL_IO:
		return true;
	case UBLK_S_DEV_LIVE:
		return info->flags & UBLK_F_USER_RECOVERY &&
			strcmp(proc_state_text(info->ublksrv_pid), "alive");
	default:
		return false;
	}
}

static int held_run(int argc, char **argv)
{
	struct ublksrv_ctrl_dev_info info;
	struct held_cfg cfg = { 0 };
	struct ublk_ctrl *ctrl;
	bool held;
	__u32 id = 0;
	int ret;

	ret = cli_parse(&udev_held_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	if (device_of_node(cfg.node, &id))
		return cli_usage(&udev_held_command);
	guard_enter();
	ret = common_open(id, &ctrl, &info);
	if (ret && ret != -ETIMEDOUT)
		return cli_fail(ret);
	if (!ret)
		ublk_ctrl_close(ctrl);
	held = ret || held_is(&info);
	out_set("held", json_boolean(held));
	return held ? EXIT_OK : EXIT_FAILED;
}

const struct cli_command udev_held_command = {
	.name = "udev-held",
	.args = "NODE",
	.summary = "does a disk wait for its next server, for udev",
	.opts = held_opts,
	.run = held_run,
};
