// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Requests of the target zoned.
 *
 * zone.h decides what a zone may do, zone_store.c keeps the write pointers and
 * the data in the file; here each request goes through both.
 *
 * The state machine admits a write and moves the pointer; then the data is
 * written to the file, then the pointer, and only then is the request
 * committed. So a pointer in the file is never behind an acknowledged write.
 * Several writes of a zone (zone appends) may be in flight; each one, when it
 * ends, stores the pointer as it is at that moment.
 *
 * A zone that is being reset (@resetting) admits nothing. A reset waits for
 * the writes in flight: their data would land in the cleared zone otherwise.
 */
#include <errno.h>
#include <string.h>

#include <liburing.h>

#include "zoned.h"

/* Write the zone's pointer to the file, unless it is there already. */
static int zoned_keep(struct zoned *zd, const struct ublk_io *io, __u32 i)
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
	if (ret)
		file_log_error(io, ret, "; the write pointer is not stored");
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
 * Write the pointer to the file first, then clear the data. If the daemon dies
 * in between, zone_store_load() clears the data when the file is opened again.
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
	if (ret)
		file_log_error(io, ret, "");
	return ret;
}

/* Reset from zio->zone on; pauses at a zone until its writes have ended. */
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

/* End a transfer, and continue the resets that waited for it. */
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
	return ret ? : zoned_keep(zd, io, i);
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

/* Report one zone or more, or the kernel would repeat the request (D-215). */
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

void zoned_submit(struct ublk_queue *q, struct ublk_io *io)
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

/* All data is in the file: write the pointer, and for FUA sync both. */
static void zoned_written(struct ublk_queue *q, struct ublk_io *io)
{
	struct zoned *zd = ublk_dev_priv(q->dev);
	__u32 i = zone_index(&zd->set, io->desc->start_sector);
	struct zoned_io *zio = io->priv;
	int ret = zone_is_conv(&zd->set, i) ? 0 : zoned_keep(zd, io, i);

	if (ret) {
		zoned_complete(zd, io, ret);
	} else if (io->desc->op_flags & UBLK_IO_F_FUA) {
		zio->syncing = true;
		zoned_issue(q, io);
	} else {
		zoned_complete(zd, io, zio->done);
	}
}

/* The pointer moved when the write was admitted, so the file must have it. */
static void zoned_fail(struct zoned *zd, struct ublk_io *io, int err,
		       const char *why)
{
	__u32 i = zone_index(&zd->set, io->desc->start_sector);

	file_log_error(io, err, why);
	if (zoned_op_writes(io) && !zone_is_conv(&zd->set, i))
		zoned_keep(zd, io, i);
	zoned_complete(zd, io, err);
}

void zoned_done(struct ublk_queue *q, struct ublk_io *io, int res)
{
	struct zoned *zd = ublk_dev_priv(q->dev);
	struct zoned_io *zio = io->priv;

	if (res == -EINTR || res == -EAGAIN) {
		zoned_issue(q, io);
		return;
	}
	if (ublk_io_op(io) == UBLK_IO_OP_FLUSH) {
		file_complete(io, res);
		return;
	}
	if (zio->syncing) {
		if (res < 0)
			file_log_error(io, res, "");
		zoned_complete(zd, io, res < 0 ? res : (int)zio->done);
		return;
	}
	/* nothing transferred: the file has become shorter, or cannot grow */
	if (res <= 0) {
		zoned_fail(zd, io, res ? : -EIO, res ? "" : FILE_IS_SHORT);
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
