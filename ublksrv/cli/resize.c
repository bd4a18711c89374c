// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk resize": change the capacity of a disk that is in use.
 */
#include <errno.h>
#include <limits.h>

#include "cli.h"
#include "config.h"

struct resize_cfg {
	__u64 id;
	__u64 size;
	__u64 timeout;
};

static const struct ublk_opt resize_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.offset = offsetof(struct resize_cfg, id),
		.arg = "ID", .help = "device to resize",
	},
	{
		.name = "size", .letter = 's', .type = UBLK_OPT_SIZE,
		.flags = UBLK_OPT_REQUIRED | UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct resize_cfg, size),
		.arg = "SIZE", .min = 1, .max = LLONG_MAX,
		.help = "new capacity",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct resize_cfg, timeout),
		.arg = "SECONDS", .def = "10", .min = 1, .max = 86400,
		.help = "how long to wait for it",
	},
	{ 0 }
};

static int resize_zoned(__u32 id)
{
	return ublk_error(-EOPNOTSUPP, "dev %u: is zoned, and a zoned disk cannot be made larger; make a new one, with \"ublk add -t zoned --size\"",
			  id);
}

static int resize_explain(const struct resize_cfg *cfg,
			  const struct ublksrv_ctrl_dev_info *info, int err)
{
	__u32 id = cfg->id;

	switch (-err) {
	case ETIMEDOUT:
		return common_silent(id, info->ublksrv_pid, "not resized after %llu s",
				     (unsigned long long)cfg->timeout);
	case EOPNOTSUPP:
		if (info->flags & UBLK_F_ZONED)
			return resize_zoned(id);
		return ublk_error(err, "dev %u: the loaded driver has no UPDATE_SIZE; see \"ublk features\"",
				  id);
	case ENODEV:
		return common_no_disk(id, "so there is nothing to resize");
	case EINVAL:
		return ublk_error(err, "dev %u: the driver refuses a size of %llu",
				  id, (unsigned long long)cfg->size);
	default:
		return common_explain(id, err);
	}
}

static int resize_store(const struct ublk_target *t, const void *target_cfg,
			const struct ublksrv_ctrl_dev_info *info, __u64 size)
{
	int ret = t->can_resize ? t->can_resize(target_cfg, size) : 0;

	return !ret && t->grow ? t->grow(target_cfg, info, size) : ret;
}

/*
 * Has the backing store room, or can it be made? The run-state file says what that is;
 * without one the device belongs to another program, which has to know.
 */
static int resize_check_store(const struct resize_cfg *cfg,
			      const struct ublksrv_ctrl_dev_info *info)
{
	struct state st;
	void *target_cfg;
	int ret = 0;

	if (state_read(cfg->id, &st))
		return 0;
	if (state_matches(&st, info) && st.target) {
		ret = config_unpack(st.target, st.options, &target_cfg);
		if (!ret) {
			ret = resize_store(st.target, target_cfg, info,
					   cfg->size);
			config_free(st.target, target_cfg);
		}
		if (ret)
			ublk_error(ret, "dev %llu: %s",
				   (unsigned long long)cfg->id,
				   ublk_strerror_last());
	}
	state_free(&st);
	return ret;
}

static int resize_device(const struct resize_cfg *cfg)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	struct ublk_ctrl *ctrl;
	__u64 block, was;
	int ret;

	ret = common_open(cfg->id, &ctrl, &info);
	if (ret)
		return ret;
	if (info.state == UBLK_S_DEV_DEAD) {
		ret = common_no_disk(cfg->id, "so there is nothing to resize");
		goto out;
	}
	ublk_ctrl_set_deadline(ctrl, cfg->timeout * 1000);
	ret = ublk_ctrl_get_params(ctrl, cfg->id, &params);
	if (ret) {
		resize_explain(cfg, &info, ret);
		goto out;
	}
	was = params.basic.dev_sectors;
	block = params.types & UBLK_PARAM_TYPE_BASIC ?
		1ULL << params.basic.logical_bs_shift : 512;
	if (cfg->size % block) {
		ret = ublk_error(-EINVAL, "dev %llu: --size %llu is not a multiple of the block size %llu",
				 (unsigned long long)cfg->id,
				 (unsigned long long)cfg->size,
				 (unsigned long long)block);
		goto out;
	}
	/* to make it smaller is always possible */
	if (cfg->size >> 9 > params.basic.dev_sectors)
		ret = resize_check_store(cfg, &info);
	if (ret)
		goto out;
	ret = ublk_ctrl_update_size(ctrl, cfg->id, cfg->size >> 9);
	if (ret)
		ret = resize_explain(cfg, &info, ret);
	else if (state_resized(&info, was, cfg->size >> 9))
		ublk_log(UBLK_LOG_WARN, "dev %u: resized, but that is not recorded: %s",
			 info.dev_id, ublk_strerror_last());
out:
	ublk_ctrl_close(ctrl);
	return ret;
}

static int resize_run(int argc, char **argv)
{
	struct resize_cfg cfg = { .id = UBLK_ID_AUTO };
	int ret;

	ret = cli_parse(&resize_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = cli_need_id(&resize_command, cfg.id);
	if (ret)
		return ret;
	guard_enter();
	ret = resize_device(&cfg);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command resize_command = {
	.name = "resize",
	.args = "-n ID -s SIZE",
	.summary = "change the capacity of a disk",
	.opts = resize_opts,
	.run = resize_run,
};
