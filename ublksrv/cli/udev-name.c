// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk udev-name": the name of a device, for the rule in 60-ublk.rules that makes
 * /dev/disk/by-ublk/NAME.
 *
 * Only root's run-state files count: a name that an ordinary user gives must not
 * lead others to the disk of that user. Without a name the exit status is 1,
 * nothing is printed, and the rule does not apply.
 */
#include <errno.h>
#include <unistd.h>
#include <sys/stat.h>

#include "cli.h"
#include "json.h"

struct name_cfg {
	const char *node;
};

static const struct ublk_opt name_opts[] = {
	{
		.name = "node", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_REQUIRED | UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct name_cfg, node),
		.arg = "NODE", .help = "ublkbN, a partition, or N",
	},
	{ 0 }
};

static bool name_is_roots(__u32 id)
{
	struct stat dir, file;

	return !stat(state_dir(), &dir) && !dir.st_uid &&
		!(dir.st_mode & 022) && !lstat(state_name(id), &file) &&
		S_ISREG(file.st_mode) && !file.st_uid;
}

/* Return: 0; or negative errno with a message */
static int name_print(const struct ublksrv_ctrl_dev_info *info)
{
	struct state st;
	bool daemon;
	int ret = -ENOENT;

	if (!name_is_roots(info->dev_id) ||
	    state_read_of(info, &st, &daemon))
		return -ENOENT;
	if (st.name) {
		ret = 0;
		if (out_is_json())
			out_set("name", json_string(st.name));
		else
			puts(st.name);
	}
	state_free(&st);
	return ret;
}

static int name_run(int argc, char **argv)
{
	struct ublksrv_ctrl_dev_info info;
	struct name_cfg cfg = { 0 };
	struct ublk_ctrl *ctrl;
	__u32 id = 0;
	int ret;

	ret = cli_parse(&udev_name_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	if (device_of_node(cfg.node, &id))
		return cli_usage(&udev_name_command);
	guard_enter();
	ret = common_open(id, &ctrl, &info);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_close(ctrl);
	return name_print(&info) ? EXIT_FAILED : EXIT_OK;
}

const struct cli_command udev_name_command = {
	.name = "udev-name",
	.args = "NODE",
	.summary = "print the name of a device, for udev",
	.opts = name_opts,
	.run = name_run,
};
