// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target loop: a file or block device as the disk.
 *
 * Requests become io_uring operations on the queue's ring. A short transfer is
 * continued where it ended, and a request is committed with its full length or
 * an error (D-233).
 *
 * file.c finds out what the backing store can do; this file makes parameters of
 * that. file_io.c fills the SQEs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"
#include "file.h"
#include "targets.h"

struct loop_cfg {
	const char *file;
	__u64 offset;
	__u64 size;
	__u64 sector;
	bool buffered;
	bool shared;
	bool read_only;
};

struct loop {
	struct file file;
	__u64 offset;
	atomic_int redirect;	/* the file's index with the driver, or -1 */
};

/*
 * Per tag: how far a transfer got, in which way another request is done, and
 * whether a long transfer is done piece after piece because one was short.
 */
struct loop_io {
	__u32 done;
	unsigned char way;
	bool one_by_one;
};

static const struct ublk_opt loop_opts[] = {
	{
		.name = "file", .letter = 'f', .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_REQUIRED | UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct loop_cfg, file),
		.arg = "FILE", .help = "file or block device",
	},
	{
		.name = "offset", .letter = 'o', .type = UBLK_OPT_SIZE,
		.flags = UBLK_OPT_LAYOUT | UBLK_OPT_UNIT,
		.offset = offsetof(struct loop_cfg, offset),
		.arg = "SIZE", .max = LLONG_MAX,
		.help = "where in the file the disk starts",
	},
	{
		.name = "size", .letter = 's', .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct loop_cfg, size),
		.arg = "SIZE", .min = 1, .max = LLONG_MAX,
		.help = "capacity, if not up to the end of the file",
	},
	{
		.name = "sector-size|sector_size", .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct loop_cfg, sector),
		.arg = "SIZE", .min = 512, .max = 4096,
		.help = "logical block size, if not that of the file",
	},
	{
		.name = "buffered-io|buffered_io", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct loop_cfg, buffered),
		.help = "use the page cache, not direct IO",
	},
	{
		.name = "read-only|read_only", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct loop_cfg, read_only),
		.help = "do not write to the file",
	},
	{
		.name = "shared", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct loop_cfg, shared),
		.help = "even if others write to it; data may get lost",
	},
	{ 0 }
};

static unsigned int loop_shift(__u32 size)
{
	return size ? __builtin_ctz(size) : 0;
}

static void loop_fill_params(struct ublk_params *p, const struct file *f,
			     const struct loop_cfg *c)
{
	struct ublk_param_basic *b = &p->basic;
	__u64 max = f->max_discard >> 9;

	b->logical_bs_shift = loop_shift(f->block_size);
	b->physical_bs_shift = b->logical_bs_shift;
	if (f->physical_size > f->block_size)
		b->physical_bs_shift = loop_shift(f->physical_size);
	b->io_min_shift = b->physical_bs_shift;
	if (f->io_opt && !(f->io_opt & (f->io_opt - 1)))
		b->io_opt_shift = loop_shift(f->io_opt);
	if (f->rotational)
		b->attrs |= UBLK_ATTR_ROTATIONAL;
	if (c->read_only)
		b->attrs |= UBLK_ATTR_READ_ONLY;
	else
		b->attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;

	if (f->direct && f->mem_align &&
	    f->mem_align <= (__u32)sysconf(_SC_PAGESIZE)) {
		p->types |= UBLK_PARAM_TYPE_DMA_ALIGN;
		p->dma.alignment = f->mem_align - 1;
	}
	if (c->read_only || (!max && !f->can_zero))
		return;
	p->types |= UBLK_PARAM_TYPE_DISCARD;
	p->discard.discard_granularity = f->block_size;
	if (f->discard_granularity > f->block_size)
		p->discard.discard_granularity = f->discard_granularity;
	p->discard.max_discard_sectors = max > UINT_MAX >> 9 ?
		UINT_MAX >> 9 : max;
	p->discard.max_discard_segments = max ? 1 : 0;
	if (f->can_zero)
		p->discard.max_write_zeroes_sectors = UINT_MAX >> 9;
}

/* The disk may have larger blocks than the file, but not smaller ones. */
static int loop_set_sector(struct file *f, const struct loop_cfg *c)
{
	if (!c->sector)
		return 0;
	if (c->sector & (c->sector - 1))
		return ublk_error(-EINVAL, "loop: %s: --sector-size %llu is no power of 2; give 512, 1K, 2K or 4K",
				  c->file, (unsigned long long)c->sector);
	if (c->sector < f->block_size)
		return ublk_error(-EINVAL, "loop: %s: --sector-size %llu is less than the file's own, %u; give that, or --buffered-io",
				  c->file, (unsigned long long)c->sector,
				  f->block_size);
	f->block_size = c->sector;
	return 0;
}

/* Choose the part of the file that is the disk; check it against its blocks. */
static int loop_set_size(struct ublk_params *p, struct file *f,
			 const struct loop_cfg *c)
{
	__u64 size = c->size;

	if (!f->size)
		return ublk_error(-EINVAL,
				  "loop: %s: size is 0; enlarge it with \"truncate -s SIZE\"",
				  c->file);
	if (c->offset >= f->size)
		return ublk_error(-EINVAL,
				  "loop: %s: --offset %llu is beyond the end, %llu",
				  c->file, (unsigned long long)c->offset,
				  (unsigned long long)f->size);
	if (!size)
		size = f->size - c->offset;
	if (size > f->size - c->offset)
		return ublk_error(-EINVAL,
				  "loop: %s: --size %llu is more than the %llu bytes there; enlarge the file",
				  c->file, (unsigned long long)size,
				  (unsigned long long)(f->size - c->offset));
	if (loop_set_sector(f, c))
		return -EINVAL;
	if (f->direct && !f->block && !c->sector && (size | c->offset) % f->block_size &&
	    !((size | c->offset) % 512)) {
		ublk_log(UBLK_LOG_INFO, "loop: %s: not in units of %u, so no direct IO",
			 c->file, f->block_size);
		if (file_set_buffered(f))
			return ublk_error(-EIO, "loop: %s: %s", c->file,
					  strerror(errno));
	}
	if (c->offset % f->block_size)
		return ublk_error(-EINVAL,
				  "loop: %s: --offset %llu is not a multiple of the block size %u",
				  c->file, (unsigned long long)c->offset,
				  f->block_size);
	loop_fill_params(p, f, c);
	if (ublk_params_set_size(p, size))
		return ublk_error(-EINVAL, "loop: %s: %s; use --size or \"truncate\"",
				  c->file, ublk_strerror_last());
	return 0;
}

static int loop_open(struct ublk_dev *dev, void *cfg)
{
	const struct loop_cfg *c = cfg;
	struct file_use use = {
		.read_only = c->read_only,
		.direct = !c->buffered,
		.shared = c->shared,
		.offset = c->offset,
		.size = c->size,
	};
	struct loop *loop;
	int ret;

	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return ublk_error(-ENOMEM, "out of memory");
	loop->offset = c->offset;
	ret = file_open(&loop->file, c->file, &use);
	if (ret) {
		ublk_error(ret, "loop: %s", ublk_strerror_last());
		goto err_free;
	}
	ret = ublk_dev_add_store(dev, c->file, loop->file.fd);
	if (ret) {
		ublk_error(ret, "loop: %s", ublk_strerror_last());
		goto err_close;
	}
	ret = loop_set_size(ublk_dev_params(dev), &loop->file, c);
	if (ret)
		goto err_close;
	loop->redirect = -1;
	if (loop->file.direct)
		ublk_dev_want_redirect(dev);
	/* It must be the daemon's alone (claim.c). */
	if (loop->file.direct && loop->file.block && !c->shared && !c->read_only)
		ublk_dev_want_extents(dev);
	ublk_dev_set_priv(dev, loop);
	return 0;

err_close:
	file_close(&loop->file);
err_free:
	free(loop);
	return ret;
}

static void loop_close(struct ublk_dev *dev)
{
	struct loop *loop = ublk_dev_priv(dev);

	file_close(&loop->file);
	free(loop);
}

/*
 * All of the disk lies on the store, as far as that goes: so also what a resize may add.
 * The driver refuses operations that the store has not: the daemon does them in another
 * way.
 */
static void loop_set_extent(struct ublk_dev *dev, const struct loop *loop)
{
	static const __u16 rights[] = {
		UBLK_EXTENT_DISCARD | UBLK_EXTENT_WRITE_ZEROES,
		UBLK_EXTENT_DISCARD, UBLK_EXTENT_WRITE_ZEROES, 0,
	};
	__u64 bytes = loop->file.size - loop->offset;
	struct ublk_extent_elem all = {
		.nr_sectors = (bytes - bytes % loop->file.block_size) >> 9,
		.pos = loop->offset >> 9,
		.file = loop->redirect,
	};
	int ret = -EOPNOTSUPP;
	size_t i;

	if (!(ublk_dev_info(dev)->flags & UBLK_F_EXTENTS) || loop->redirect < 0)
		return;
	for (i = 0; i < sizeof(rights) / sizeof(rights[0]) && ret == -EOPNOTSUPP; i++) {
		all.rights = UBLK_EXTENT_READ | UBLK_EXTENT_WRITE | rights[i];
		ret = ublk_dev_set_extents(dev, &all, 1);
	}
	if (ret != 1)
		ublk_log(UBLK_LOG_WARN, "dev %u: IO does not pass to the store: %s; the daemon serves it",
			 ublk_dev_info(dev)->dev_id, strerror(-ret));
}

/* q->priv is the file's slot in the ring's file table. */
static int loop_queue_open(struct ublk_queue *q)
{
	struct loop *loop = ublk_dev_priv(q->dev);
	int slot = ublk_queue_fixed_fd(q, loop->file.fd);

	if (slot < 0)
		return ublk_error(slot, "loop: registering the file: %s",
				  strerror(-slot));
	q->priv = (void *)(intptr_t)slot;
	loop->redirect = file_redirect(&loop->file, q);
	if (!q->id && !q->thread)
		loop_set_extent(q->dev, loop);
	return 0;
}

/* The driver does what the daemon would do with direct IO. */
static bool loop_place(struct ublk_queue *q, const struct ublk_io *io,
		       struct ublk_place *place)
{
	struct loop *loop = ublk_dev_priv(q->dev);
	int file = atomic_load_explicit(&loop->redirect, memory_order_relaxed);

	place->file = file;
	place->pos = loop->offset + (io->desc->start_sector << 9);
	return file >= 0;
}

static void loop_issue_pieces(struct loop *loop, struct ublk_io *io,
			      struct file_piece piece)
{
	const struct loop_io *lio = io->priv;
	__u64 end = piece.pos + piece.len;

	do {
		piece.len = file_piece_len(&loop->file, end - piece.pos);
		if (!file_prep(&loop->file, io, &piece))
			return;
		piece.pos += piece.len;
		piece.off += piece.len;
	} while (piece.pos < end && !lio->one_by_one);
}

static inline void loop_issue(struct loop *loop, const struct ublk_queue *q,
			      struct ublk_io *io)
{
	struct loop_io *lio = io->priv;
	bool data = ublk_io_op(io) <= UBLK_IO_OP_WRITE;
	__u64 len = (__u64)io->desc->nr_sectors << 9;
	struct file_piece piece = {
		.fd = (intptr_t)q->priv,
		.pos = loop->offset + (io->desc->start_sector << 9) + lio->done,
		.len = len - lio->done,
		.off = lio->done,
		.way = lio->way,
	};
	struct io_uring_sqe *sqe;

	if (data && file_piece_len(&loop->file, piece.len) < piece.len) {
		loop_issue_pieces(loop, io, piece);
		return;
	}
	sqe = file_prep(&loop->file, io, &piece);
	if (sqe && data)
		ublk_io_complete_after(io, sqe, len);
}

static void loop_submit(struct ublk_queue *q, struct ublk_io *io)
{
	struct loop *loop = ublk_dev_priv(q->dev);
	struct loop_io *lio = io->priv;

	*lio = (struct loop_io){ 0 };
	if (ublk_io_op(io) > UBLK_IO_OP_WRITE) {
		if (!file_op_known(ublk_io_op(io))) {
			ublk_io_complete(io, -EOPNOTSUPP);
			return;
		}
		lio->way = file_first_way(&loop->file, io);
	}
	loop_issue(loop, q, io);
}

static void loop_done(struct ublk_queue *q, struct ublk_io *io, int res)
{
	struct loop *loop = ublk_dev_priv(q->dev);
	struct loop_io *lio = io->priv;
	__u32 len = io->desc->nr_sectors << 9, rest;

	if (ublk_io_op(io) > UBLK_IO_OP_WRITE) {
		if (file_next_way(&loop->file, io, res, &lio->way))
			loop_issue(loop, q, io);
		else
			file_complete(io, file_end(io, res));
		return;
	}
	if (res == -EINTR || res == -EAGAIN) {
		loop_issue(loop, q, io);
		return;
	}
	/* the file has become shorter, or cannot grow */
	if (!res) {
		file_complete_short(io);
		return;
	}
	if (res < 0) {
		file_complete(io, res);
		return;
	}
	if (lio->done + res >= len) {
		ublk_io_complete(io, len);
		return;
	}
	/* Of several pieces it is not known which one was short: do all again. */
	rest = len - lio->done;
	if (file_piece_len(&loop->file, rest) < rest && !lio->one_by_one)
		lio->one_by_one = true;
	else
		lio->done += res;
	loop_issue(loop, q, io);
}

/* Do others use the bytes that are new? The daemon claimed c->size of them. */
static int loop_can_grow(const struct loop_cfg *c, __u64 bytes)
{
	struct claim claim = {
		.start = c->offset + c->size,
		.end = c->offset + bytes,
		.writes = !c->read_only,
		.shared = c->shared,
	};
	int fd, ret;

	if (!c->size || bytes <= c->size || claim.end > CLAIM_END)
		return 0;
	fd = open(c->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ublk_error(-errno, "%s: %s", c->file, strerror(errno));
	ret = claim_is_free(fd, c->file, &claim);
	close(fd);
	return ret;
}

static int loop_can_resize(const void *cfg, __u64 bytes)
{
	const struct loop_cfg *c = cfg;
	__u64 have = 0;
	int ret;

	ret = file_size_of(c->file, &have);
	if (!ret && (have < c->offset || bytes > have - c->offset))
		ret = file_too_small(c->file, have, c->offset + bytes);
	return ret ? ret : loop_can_grow(c, bytes);
}

const struct ublk_target loop_target = {
	UBLK_TARGET(),
	.name = "loop",
	.summary = "a file or block device",
	.opts = loop_opts,
	.config_size = sizeof(struct loop_cfg),
	.io_size = sizeof(struct loop_io),
	.open = loop_open,
	.close = loop_close,
	.queue_open = loop_queue_open,
	.submit = loop_submit,
	.done = loop_done,
	.flags = UBLK_TARGET_RING_DATA,
	.can_resize = loop_can_resize,
	.place = loop_place,
};
