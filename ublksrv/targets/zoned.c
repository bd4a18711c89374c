// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target zoned: a host-managed zoned disk in a file.
 *
 * zone.h decides what a zone may do, zone_store.c keeps the write pointers and
 * the data in the file, here requests go through both.
 *
 * A write is admitted by the state machine, which moves the pointer; its data
 * goes to the file; then the pointer is kept, and only then is the request
 * committed. So a pointer in the file is never behind what was acknowledged.
 * Several writes of a zone, appends that is, may be in flight; whichever ends
 * keeps the pointer that is in force then.
 *
 * Locks: zoned->lock for the state machine and for who is busy in a zone, held
 * for moments; within it nothing else is taken. zoned_zone->keep for one zone's
 * pointer in the file, held over the write of it; taken first. A zone that is
 * being reset (@resetting) admits nothing, and a reset waits for writes in
 * flight, or their data would land in what has been cleared.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <liburing.h>

#include "file.h"
#include "targets.h"
#include "zone.h"
#include "zone_store.h"

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
};

/* Beside what zone.h has of a zone. */
struct zoned_zone {
	pthread_mutex_t keep;
	__u64 kept;		/* pointer in the file */
	__u32 writes;		/* in flight */
	bool resetting;
	struct ublk_io *waiting;	/* resets, for the end of the writes */
};

struct zoned {
	struct zone_store store;
	struct file file;
	__u32 max_report;	/* zones in a buffer */
	pthread_mutex_t lock;
	struct zone_set set;
	struct zoned_zone *zones;
};

/* Per tag. */
struct zoned_io {
	__u64 sector;		/* of the data */
	__u32 done;
	bool syncing;
	__u32 zone, end;	/* reset: the next one, and where to stop */
	int err;		/* reset: the first error */
	struct ublk_io *next;	/* in zoned_zone->waiting */
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
		.help = "what a zone of a new disk takes, if not all",
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

static int zoned_open_file(struct zoned *zd, const struct zoned_cfg *c)
{
	struct zone_shape want = {
		.size = c->size >> 9,
		.zone = c->zone_size >> 9,
		.capacity = c->capacity >> 9,
		.nr_conv = c->nr_conv,
		.block = c->block_size >> 9,
	};
	int ret;

	if ((c->size | c->zone_size | c->capacity | c->block_size) & 511)
		return ublk_error(-EINVAL, "zoned: sizes must be multiples of 512");
	ret = zone_store_open(&zd->store, c->file, &want);
	if (ret)
		return ret;
	ret = file_open(&zd->file, c->file, false, !c->buffered);
	return ret ? ublk_error(ret, "zoned: %s", ublk_strerror_last()) : 0;
}

static int zoned_open(struct ublk_dev *dev, void *cfg)
{
	const struct zoned_cfg *c = cfg;
	struct zoned *zd;
	int ret;

	if (ublk_dev_info(dev)->flags & UBLK_F_USER_RECOVERY_REISSUE)
		return ublk_error(-EINVAL, "zoned: a write that is sent again is an error where zones are written in order; use --user-recovery");
	zd = calloc(1, sizeof(*zd));
	if (!zd)
		return ublk_error(-ENOMEM, "out of memory");
	zd->store.fd = -1;
	zd->file.fd = -1;
	pthread_mutex_init(&zd->lock, NULL);
	ret = zoned_open_file(zd, c);
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

/* The pointer that is in force goes to the file, if it is not there. */
static int zoned_keep(struct zoned *zd, __u32 i)
{
	struct zoned_zone *z = &zd->zones[i];
	int ret = 0;
	__u64 wp;

	pthread_mutex_lock(&z->keep);
	pthread_mutex_lock(&zd->lock);
	wp = zd->set.zones[i].wp;
	pthread_mutex_unlock(&zd->lock);
	if (wp != z->kept) {
		ret = zone_store_save(&zd->store, i, wp);
		if (!ret)
			z->kept = wp;
	}
	pthread_mutex_unlock(&z->keep);
	return ret;
}

/* May this zone be reset now? Return: 0; 1 for nothing to do; -EINPROGRESS */
static int zoned_reset_begin(struct zoned *zd, struct ublk_io *io, __u32 i)
{
	struct zoned_zone *z = &zd->zones[i];
	struct zoned_io *zio = io->priv;
	__u8 cond = zd->set.zones[i].cond;

	if (z->resetting)
		return -EIO;
	if (cond == BLK_ZONE_COND_EMPTY)
		return 1;
	if (cond == BLK_ZONE_COND_READONLY)
		return ublk_io_op(io) == UBLK_IO_OP_ZONE_RESET_ALL ? 1 : -EIO;
	if (z->writes) {
		zio->next = z->waiting;
		z->waiting = io;
		return -EINPROGRESS;
	}
	z->resetting = true;
	return 0;
}

/*
 * First the pointer in the file, then the data: what a death in between leaves
 * is cleared when the file is opened again.
 */
static int zoned_reset_one(struct zoned *zd, struct ublk_io *io, __u32 i)
{
	struct zoned_zone *z = &zd->zones[i];
	int ret;

	pthread_mutex_lock(&zd->lock);
	ret = zoned_reset_begin(zd, io, i);
	pthread_mutex_unlock(&zd->lock);
	if (ret)
		return ret > 0 ? 0 : ret;

	pthread_mutex_lock(&z->keep);
	ret = zone_store_save(&zd->store, i, 0);
	if (!ret) {
		z->kept = 0;
		ret = zone_store_clear(&zd->store, i, 0);
	}
	pthread_mutex_lock(&zd->lock);
	if (!z->kept)
		zone_reset(&zd->set, i);
	z->resetting = false;
	pthread_mutex_unlock(&zd->lock);
	pthread_mutex_unlock(&z->keep);
	return ret;
}

/* From zio->zone on; goes on later when it meets a zone that is written. */
static void zoned_reset(struct zoned *zd, struct ublk_io *io)
{
	struct zoned_io *zio = io->priv;
	int ret;

	for (; zio->zone < zio->end; zio->zone++) {
		ret = zoned_reset_one(zd, io, zio->zone);
		if (ret == -EINPROGRESS)
			return;
		if (ret && !zio->err)
			zio->err = ret;
	}
	ublk_io_complete(io, zio->err);
}

static bool zoned_op_writes(const struct ublk_io *io)
{
	return ublk_io_op(io) == UBLK_IO_OP_WRITE ||
		ublk_io_op(io) == UBLK_IO_OP_ZONE_APPEND;
}

/* The end of a transfer, or of one that was not admitted. */
static void zoned_complete(struct zoned *zd, struct ublk_io *io, int res)
{
	struct ublk_io *waiting = NULL, *next;
	struct zoned_io *zio = io->priv;
	__u32 i = zone_index(&zd->set, zio->sector);

	if (zoned_op_writes(io)) {
		struct zoned_zone *z = &zd->zones[i];

		pthread_mutex_lock(&zd->lock);
		if (!--z->writes) {
			waiting = z->waiting;
			z->waiting = NULL;
		}
		pthread_mutex_unlock(&zd->lock);
		if (ublk_io_op(io) == UBLK_IO_OP_ZONE_APPEND)
			ublk_io_set_zone_lba(io, zio->sector);
	}
	ublk_io_complete(io, res);
	for (; waiting; waiting = next) {
		next = ((struct zoned_io *)waiting->priv)->next;
		zoned_reset(zd, waiting);
	}
}

static void zoned_issue(struct ublk_queue *q, struct ublk_io *io)
{
	struct zoned *zd = ublk_dev_priv(q->dev);
	struct zoned_io *zio = io->priv;
	__u64 pos = zd->store.data_off + (zio->sector << 9) + zio->done;
	__u32 len = (io->desc->nr_sectors << 9) - zio->done;
	struct io_uring_sqe *sqe;

	if (zio->syncing) {
		sqe = ublk_io_sqe(io);
		if (sqe)
			io_uring_prep_fsync(sqe, (intptr_t)q->priv,
					    IORING_FSYNC_DATASYNC);
	} else if (zoned_op_writes(io)) {
		sqe = ublk_io_prep_write(io, NULL, (intptr_t)q->priv, pos, len,
					 zio->done);
	} else {
		sqe = ublk_io_prep_read(io, NULL, (intptr_t)q->priv, pos, len,
					zio->done);
	}
	/* without one the queue's thread is about to end */
	if (sqe)
		sqe->flags |= IOSQE_FIXED_FILE;
}

static int zoned_admit(struct zoned *zd, struct ublk_io *io)
{
	const struct ublksrv_io_desc *d = io->desc;
	__u32 i = zone_index(&zd->set, d->start_sector);
	struct zoned_io *zio = io->priv;
	int ret = -EIO;

	if (i >= zd->set.nr)
		return ret;
	pthread_mutex_lock(&zd->lock);
	if (zd->zones[i].resetting || zd->zones[i].waiting)
		goto out;
	if (ublk_io_op(io) == UBLK_IO_OP_ZONE_APPEND)
		ret = zone_append(&zd->set, d->start_sector, d->nr_sectors,
				  &zio->sector);
	else
		ret = zone_write(&zd->set, d->start_sector, d->nr_sectors);
	if (!ret)
		zd->zones[i].writes++;
out:
	pthread_mutex_unlock(&zd->lock);
	return ret;
}

static void zoned_submit_write(struct ublk_queue *q, struct ublk_io *io)
{
	int ret = zoned_admit(ublk_dev_priv(q->dev), io);

	if (ret)
		ublk_io_complete(io, ret);
	else
		zoned_issue(q, io);
}

/* Open, close and finish. */
static int zoned_command(struct zoned *zd, struct ublk_io *io)
{
	__u32 i = zone_index(&zd->set, io->desc->start_sector);
	int ret;

	pthread_mutex_lock(&zd->lock);
	ret = zone_check_command(&zd->set, io->desc->start_sector);
	if (!ret && zd->zones[i].resetting)
		ret = -EIO;
	if (!ret) {
		switch (ublk_io_op(io)) {
		case UBLK_IO_OP_ZONE_OPEN:
			ret = zone_open(&zd->set, i);
			break;
		case UBLK_IO_OP_ZONE_CLOSE:
			ret = zone_close(&zd->set, i);
			break;
		default:
			ret = zone_finish(&zd->set, i);
		}
	}
	pthread_mutex_unlock(&zd->lock);
	return ret ? : zoned_keep(zd, i);
}

static void zoned_submit_reset(struct zoned *zd, struct ublk_io *io)
{
	bool all = ublk_io_op(io) == UBLK_IO_OP_ZONE_RESET_ALL;
	struct zoned_io *zio = io->priv;
	int ret;

	ret = all ? 0 : zone_check_command(&zd->set, io->desc->start_sector);
	if (ret) {
		ublk_io_complete(io, ret);
		return;
	}
	zio->err = 0;
	zio->zone = all ? zd->set.nr_conv :
		zone_index(&zd->set, io->desc->start_sector);
	zio->end = all ? zd->set.nr : zio->zone + 1;
	zoned_reset(zd, io);
}

/* At least one zone, or the kernel would ask again and again (D-215). */
static int zoned_report(struct zoned *zd, struct ublk_io *io)
{
	__u32 i = zone_index(&zd->set, io->desc->start_sector);
	__u32 max = io->desc->nr_zones, n;
	struct blk_zone *z = io->buf;

	if (max > zd->max_report)
		max = zd->max_report;
	pthread_mutex_lock(&zd->lock);
	for (n = 0; n < max && i + n < zd->set.nr; n++)
		zone_report(&zd->set, i + n, &z[n]);
	pthread_mutex_unlock(&zd->lock);
	return n ? (int)(n * sizeof(*z)) : -EIO;
}

static void zoned_submit(struct ublk_queue *q, struct ublk_io *io)
{
	struct zoned *zd = ublk_dev_priv(q->dev);
	struct zoned_io *zio = io->priv;

	zio->sector = io->desc->start_sector;
	zio->done = 0;
	zio->syncing = ublk_io_op(io) == UBLK_IO_OP_FLUSH;
	switch (ublk_io_op(io)) {
	case UBLK_IO_OP_READ:
	case UBLK_IO_OP_FLUSH:
		zoned_issue(q, io);
		break;
	case UBLK_IO_OP_WRITE:
	case UBLK_IO_OP_ZONE_APPEND:
		zoned_submit_write(q, io);
		break;
	case UBLK_IO_OP_ZONE_OPEN:
	case UBLK_IO_OP_ZONE_CLOSE:
	case UBLK_IO_OP_ZONE_FINISH:
		ublk_io_complete(io, zoned_command(zd, io));
		break;
	case UBLK_IO_OP_ZONE_RESET:
	case UBLK_IO_OP_ZONE_RESET_ALL:
		zoned_submit_reset(zd, io);
		break;
	case UBLK_IO_OP_REPORT_ZONES:
		ublk_io_complete(io, zoned_report(zd, io));
		break;
	default:
		ublk_io_complete(io, -EOPNOTSUPP);
	}
}

/* All data is in the file: keep the pointer, and make both last if asked to. */
static void zoned_written(struct ublk_queue *q, struct ublk_io *io)
{
	struct zoned *zd = ublk_dev_priv(q->dev);
	__u32 i = zone_index(&zd->set, io->desc->start_sector);
	struct zoned_io *zio = io->priv;
	int ret = zone_is_conv(&zd->set, i) ? 0 : zoned_keep(zd, i);

	if (ret) {
		zoned_complete(zd, io, ret);
	} else if (io->desc->op_flags & UBLK_IO_F_FUA) {
		zio->syncing = true;
		zoned_issue(q, io);
	} else {
		zoned_complete(zd, io, zio->done);
	}
}

/* What was admitted has moved the pointer, so that is kept all the same. */
static void zoned_fail(struct zoned *zd, struct ublk_io *io, int err)
{
	__u32 i = zone_index(&zd->set, io->desc->start_sector);

	if (zoned_op_writes(io) && !zone_is_conv(&zd->set, i))
		zoned_keep(zd, i);
	zoned_complete(zd, io, err);
}

static void zoned_done(struct ublk_queue *q, struct ublk_io *io, int res)
{
	struct zoned *zd = ublk_dev_priv(q->dev);
	struct zoned_io *zio = io->priv;

	if (res == -EINTR || res == -EAGAIN) {
		zoned_issue(q, io);
		return;
	}
	if (ublk_io_op(io) == UBLK_IO_OP_FLUSH) {
		ublk_io_complete(io, res);
		return;
	}
	if (zio->syncing) {
		zoned_complete(zd, io, res < 0 ? res : (int)zio->done);
		return;
	}
	/* nothing transferred: the file has become shorter, or cannot grow */
	if (res <= 0) {
		zoned_fail(zd, io, res ? : -EIO);
		return;
	}
	zio->done += res;
	if (zio->done < io->desc->nr_sectors << 9)
		zoned_issue(q, io);
	else if (zoned_op_writes(io))
		zoned_written(q, io);
	else
		ublk_io_complete(io, zio->done);
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
