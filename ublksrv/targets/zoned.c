// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target zoned: a host-managed zoned disk in a file. Here are its options, and
 * what happens when a disk is made or opened; zoned_io.c does the requests.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "targets.h"
#include "zoned.h"

struct zoned_cfg {
	const char *file;
	__u64 size;
	__u64 zone_size;
	__u64 capacity;
	__u64 nr_conv;
	__u64 block_size;
	__u64 max_open;
	__u64 max_active;
	bool buffered;
	bool shared;
};

static const struct ublk_opt zoned_opts[] = {
	{
		.name = "file", .letter = 'f', .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_REQUIRED | UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct zoned_cfg, file),
		.arg = "FILE",
		.help = "file with data and state; an empty one is made a disk",
	},
	{
		.name = "size", .letter = 's', .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct zoned_cfg, size),
		.arg = "SIZE", .min = 4096, .max = LLONG_MAX,
		.help = "capacity of a new disk",
	},
	{
		.name = "zone-size|zone_size", .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct zoned_cfg, zone_size),
		.arg = "SIZE", .min = 4096, .max = 1ULL << 40,
		.help = "of a new disk, 64M if not given",
	},
	{
		.name = "zone-capacity|zone_capacity", .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct zoned_cfg, capacity),
		.arg = "SIZE", .min = 512, .max = 1ULL << 40,
		.help = "writable part of a zone of a new disk, if not all",
	},
	{
		.name = "nr-conv|nr_conv", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct zoned_cfg, nr_conv),
		.arg = "N", .max = UINT_MAX,
		.help = "conventional zones of a new disk",
	},
	{
		.name = "block-size|block_size", .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct zoned_cfg, block_size),
		.arg = "SIZE", .min = 512, .max = 65536,
		.help = "blocks of a new disk, 4K if not given",
	},
	{
		.name = "max-open|max_open", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct zoned_cfg, max_open),
		.arg = "N", .max = UINT_MAX,
		.help = "zones open at a time, else any number",
	},
	{
		.name = "max-active|max_active", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct zoned_cfg, max_active),
		.arg = "N", .max = UINT_MAX,
		.help = "zones open or closed at a time, else any number",
	},
	{
		.name = "buffered-io|buffered_io", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct zoned_cfg, buffered),
		.help = "use the page cache, not direct IO",
	},
	{
		.name = "shared", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct zoned_cfg, shared),
		.help = "even if others write to it; data may get lost",
	},
	{ 0 }
};

static int zoned_check_limits(const struct zoned *zd, const struct zoned_cfg *c)
{
	__u32 nr = zd->set.nr - zd->set.nr_conv;

	if (c->max_open > nr || c->max_active > nr)
		return ublk_error(-EINVAL, "zoned: --max-open and --max-active: there are only %u sequential zones",
				  nr);
	if (c->max_active && c->max_open > c->max_active)
		return ublk_error(-EINVAL, "zoned: --max-open %llu is more than --max-active %llu",
				  (unsigned long long)c->max_open,
				  (unsigned long long)c->max_active);
	return 0;
}

static int zoned_fill_params(struct ublk_params *p, const struct zoned *zd)
{
	const struct zone_shape *s = &zd->store.shape;
	struct ublk_param_basic *b = &p->basic;

	if (s->block << 9 < zd->file.block_size)
		return ublk_error(-EINVAL, "zoned: %s: needs blocks of %u bytes for direct IO; use --buffered-io, or an empty file and --block-size",
				  zd->store.name, zd->file.block_size);
	b->logical_bs_shift = __builtin_ctzll(s->block << 9);
	b->physical_bs_shift = b->logical_bs_shift;
	b->io_min_shift = b->logical_bs_shift;
	b->chunk_sectors = s->zone;
	b->attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	p->types |= UBLK_PARAM_TYPE_ZONED;
	p->zoned.max_open_zones = zd->set.max_open;
	p->zoned.max_active_zones = zd->set.max_active;
	p->zoned.max_zone_append_sectors = b->max_sectors < s->capacity ?
		b->max_sectors : s->capacity;
	if (ublk_params_set_size(p, s->size << 9))
		return ublk_error(-EINVAL, "zoned: %s", ublk_strerror_last());
	return 0;
}

static int zoned_load(struct zoned *zd)
{
	const struct zone_shape *s = &zd->store.shape;
	__u64 wp = 0;
	int ret = 0;
	__u32 i;

	zd->set.size = s->zone;
	zd->set.capacity = s->capacity;
	zd->set.nr = s->size / s->zone;
	zd->set.nr_conv = s->nr_conv;
	zd->set.zones = calloc(zd->set.nr, sizeof(*zd->set.zones));
	zd->zones = calloc(zd->set.nr, sizeof(*zd->zones));
	if (!zd->set.zones || !zd->zones)
		return ublk_error(-ENOMEM, "out of memory");
	for (i = 0; i < zd->set.nr && !ret; i++) {
		pthread_mutex_init(&zd->zones[i].keep, NULL);
		if (!zone_is_conv(&zd->set, i))
			ret = zone_store_load(&zd->store, i, &wp);
		zone_restore(&zd->set, i, wp);
		zd->zones[i].kept = wp;
	}
	return ret;
}

static void zoned_free(struct zoned *zd)
{
	__u32 i;

	for (i = 0; zd->zones && i < zd->set.nr; i++)
		pthread_mutex_destroy(&zd->zones[i].keep);
	pthread_mutex_destroy(&zd->lock);
	free(zd->zones);
	free(zd->set.zones);
	file_close(&zd->file);
	zone_store_close(&zd->store);
	free(zd);
}

/* Both were opened by name, and somebody may have renamed files meanwhile. */
static int zoned_check_same(const struct zoned *zd, const struct zoned_cfg *c)
{
	struct stat a, b;

	if (!fstat(zd->file.fd, &a) && !fstat(zd->store.fd, &b) &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return 0;
	return ublk_error(-EBUSY, "zoned: %s: was replaced while it was opened; try again",
			  c->file);
}

static int zoned_open_file(struct ublk_dev *dev, struct zoned *zd,
			   const struct zoned_cfg *c)
{
	struct zone_shape want = {
		.size = c->size >> 9,
		.zone = c->zone_size >> 9,
		.capacity = c->capacity >> 9,
		.nr_conv = c->nr_conv,
		.block = c->block_size >> 9,
	};
	struct file_use use = {
		.writable = true,
		.direct = !c->buffered,
		.shared = c->shared,
	};
	int ret;

	if ((c->size | c->zone_size | c->capacity | c->block_size) & 511)
		return ublk_error(-EINVAL, "zoned: sizes must be multiples of 512");
	/*
	 * This has the claim and the identity, so it is first: zone_store_open()
	 * may write.
	 */
	ret = file_open(&zd->file, c->file, &use);
	if (!ret)
		ret = ublk_dev_add_store(dev, c->file, zd->file.fd);
	if (ret)
		return ublk_error(ret, "zoned: %s", ublk_strerror_last());
	ret = zone_store_open(&zd->store, c->file, &want,
			      !ublk_dev_recovers(dev));
	return ret ? : zoned_check_same(zd, c);
}

static int zoned_open(struct ublk_dev *dev, void *cfg)
{
	const struct zoned_cfg *c = cfg;
	struct zoned *zd;
	int ret;

	if (ublk_dev_info(dev)->flags & UBLK_F_USER_RECOVERY_REISSUE)
		return ublk_error(-EINVAL, "zoned: a write that is reissued would not be at the write pointer; use --user-recovery");
	zd = calloc(1, sizeof(*zd));
	if (!zd)
		return ublk_error(-ENOMEM, "out of memory");
	zd->store.fd = -1;
	zd->file.fd = -1;
	pthread_mutex_init(&zd->lock, NULL);
	ret = zoned_open_file(dev, zd, c);
	if (!ret)
		ret = zoned_load(zd);
	if (!ret)
		ret = zoned_check_limits(zd, c);
	if (ret)
		goto err_free;
	zd->set.max_open = c->max_open;
	zd->set.max_active = c->max_active;
	zd->max_report = ublk_dev_info(dev)->max_io_buf_bytes /
		sizeof(struct blk_zone);
	ret = zoned_fill_params(ublk_dev_params(dev), zd);
	if (ret)
		goto err_free;
	ublk_dev_set_priv(dev, zd);
	return 0;

err_free:
	zoned_free(zd);
	return ret;
}

static void zoned_close(struct ublk_dev *dev)
{
	zoned_free(ublk_dev_priv(dev));
}

/* q->priv is the file's slot in the ring's file table. */
static int zoned_queue_open(struct ublk_queue *q)
{
	struct zoned *zd = ublk_dev_priv(q->dev);
	int slot = ublk_queue_fixed_fd(q, zd->file.fd);

	if (slot < 0)
		return ublk_error(slot, "zoned: registering the file: %s",
				  strerror(-slot));
	q->priv = (void *)(intptr_t)slot;
	return 0;
}

const struct ublk_target zoned_target = {
	UBLK_TARGET(),
	.name = "zoned",
	.summary = "a host-managed zoned disk in a file",
	.opts = zoned_opts,
	.config_size = sizeof(struct zoned_cfg),
	.io_size = sizeof(struct zoned_io),
	.open = zoned_open,
	.close = zoned_close,
	.queue_open = zoned_queue_open,
	.submit = zoned_submit,
	.done = zoned_done,
	.features = UBLK_F_ZONED,
};
