// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target rbd: options, open and close.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rbd.h"

#define RBD_OFF(member)	offsetof(struct rbd_cfg, member)

/* librbd leaves parts of discards out that are smaller. */
#define RBD_DISCARD_BYTES	65536
#define RBD_DISCARD_SECTORS	(1U << 17)

static const struct ublk_opt rbd_opts[] = {
	{
		.name = "image", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_REQUIRED |
			 UBLK_OPT_LAYOUT,
		.offset = RBD_OFF(image), .arg = "IMAGE",
		.help = "POOL/IMAGE, or POOL/IMAGE@SNAPSHOT",
	},
	{
		.name = "conf", .letter = 'c', .type = UBLK_OPT_PATH,
		.offset = RBD_OFF(conf), .arg = "FILE",
		.help = "ceph.conf; without it where Ceph looks",
	},
	{
		.name = "id", .type = UBLK_OPT_STR, .offset = RBD_OFF(id),
		.arg = "USER", .def = "admin",
		.help = "user of the cluster, without \"client.\"",
	},
	{
		.name = "keyring", .type = UBLK_OPT_PATH,
		.offset = RBD_OFF(keyring), .arg = "FILE",
		.help = "with the user's key",
	},
	{
		.name = "namespace", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_LAYOUT, .offset = RBD_OFF(space),
		.arg = "NAME", .help = "namespace of the pool",
	},
	{
		.name = "read-only|read_only", .type = UBLK_OPT_BOOL,
		.offset = RBD_OFF(read_only), .help = "refuse writes",
	},
	{
		.name = "no-lock", .type = UBLK_OPT_BOOL,
		.offset = RBD_OFF(no_lock),
		.help = "do not take the exclusive lock: several clients may write",
	},
	{
		.name = "connect-timeout", .type = UBLK_OPT_UINT,
		.offset = RBD_OFF(timeout), .arg = "SECONDS", .def = "30",
		.min = 1, .max = 3600,
		.help = "how long to wait for the cluster",
	},
	{ 0 }
};

static int rbd_fill_params(const struct rbd_dev *rd, struct ublk_params *p)
{
	int ret;

	p->basic.physical_bs_shift = 12;
	p->basic.io_min_shift = 12;
	/* a request within one object goes to one OSD */
	if (rd->info.order > 12 && rd->info.order < 32)
		p->basic.io_opt_shift = rd->info.order;
	ret = ublk_params_set_size(p, rd->info.size & ~511ULL);
	if (ret)
		return ublk_error(ret, "rbd: %s", ublk_strerror_last());
	if (rd->client.read_only) {
		p->basic.attrs |= UBLK_ATTR_READ_ONLY;
		return 0;
	}
	p->types |= UBLK_PARAM_TYPE_DISCARD;
	p->discard.discard_granularity = RBD_DISCARD_BYTES;
	p->discard.max_discard_sectors = RBD_DISCARD_SECTORS;
	p->discard.max_write_zeroes_sectors = RBD_DISCARD_SECTORS;
	p->discard.max_discard_segments = 1;
	return 0;
}

/* Has the image a lock, and do we want it? */
static int rbd_look_for_lock(struct rbd_dev *rd)
{
	uint64_t features;
	int ret = rbd_get_features(rd->client.image, &features);

	if (ret < 0)
		return rbd_client_error(&rd->client, ret, "reading its features");
	rd->locks = features & RBD_FEATURE_EXCLUSIVE_LOCK &&
		!rd->client.read_only && !rd->cfg->no_lock;
	return 0;
}

static int rbd_prepare(struct ublk_dev *dev, struct rbd_dev *rd)
{
	int ret;

	ret = rbd_client_open(&rd->client, rd->cfg);
	if (ret)
		return ret;
	ret = rbd_stat(rd->client.image, &rd->info, sizeof(rd->info));
	if (ret < 0)
		return rbd_client_error(&rd->client, ret, "reading its size");
	ret = rbd_look_for_lock(rd);
	/* that of a dead daemon: fence_begin() */
	if (!ret && !ublk_dev_recovers(dev))
		ret = fence_lock(rd);
	return ret ? ret : rbd_fill_params(rd, ublk_dev_params(dev));
}

static int rbd_open_dev(struct ublk_dev *dev, void *cfg)
{
	const struct ublksrv_ctrl_dev_info *info = ublk_dev_info(dev);
	struct rbd_dev *rd;
	int ret;

	if (info->nr_hw_queues > 1 || ublk_dev_io_threads(dev) > 1)
		return ublk_error(-EINVAL, "rbd: librbd has threads of its own, and one of the daemon hands it the requests; leave -q and --io-threads out");
	rd = calloc(1, sizeof(*rd));
	if (!rd)
		return ublk_error(-ENOMEM, "out of memory");
	rd->cfg = cfg;
	rd->event = -1;
	rd->recoverable = info->flags & UBLK_F_USER_RECOVERY ||
		ublk_dev_recovers(dev);
	ret = rbd_prepare(dev, rd);
	if (ret) {
		rbd_client_close(&rd->client);
		free(rd);
		return ret;
	}
	ublk_dev_set_priv(dev, rd);
	return 0;
}

static void rbd_close_dev(struct ublk_dev *dev)
{
	struct rbd_dev *rd = ublk_dev_priv(dev);
	struct ublksrv_ctrl_dev_info info;
	int ret = ublk_ctrl_get_info(ublk_dev_ctrl(dev),
				     ublk_dev_info(dev)->dev_id, &info);

	fence_end(rd, ret == -ENODEV || (!ret && info.state == UBLK_S_DEV_DEAD));
	/* librbd would wait for what does not end */
	if (rd->stuck)
		return;
	rbd_client_close(&rd->client);
	free(rd);
}

/* "ublk resize": the lock's owner, which is the daemon, does it for this client. */
static int rbd_grow(const void *cfg, const struct ublksrv_ctrl_dev_info *info,
		    __u64 bytes)
{
	struct rbd_client c;
	uint64_t size;
	int ret;

	(void)info;
	ret = rbd_client_open(&c, cfg);
	if (ret)
		return ret;
	if (c.read_only) {
		ret = ublk_error(-EROFS, "rbd: %s/%s is read-only", c.pool, c.name);
	} else {
		ret = rbd_get_size(c.image, &size);
		if (ret >= 0 && size < bytes)
			ret = rbd_resize2(c.image, bytes, false, NULL, NULL);
		if (ret < 0)
			ret = rbd_client_error(&c, ret, "making it larger");
	}
	rbd_client_close(&c);
	return ret;
}

static const struct ublk_target rbd_target = {
	UBLK_TARGET(),
	.name = "rbd",
	.summary = "an image of Ceph",
	.opts = rbd_opts,
	.config_size = sizeof(struct rbd_cfg),
	.io_size = sizeof(struct rbd_req),
	.open = rbd_open_dev,
	.close = rbd_close_dev,
	.queue_open = rbd_queue_open,
	.queue_close = rbd_queue_close,
	.submit = rbd_submit,
	.grow = rbd_grow,
};

static const struct ublk_target * const rbd_targets[] = { &rbd_target, NULL };

const struct ublk_module ublk_module = {
	.version = UBLK_VERSION,
	.targets = rbd_targets,
};
