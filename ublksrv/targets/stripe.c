// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target stripe: several files or block devices as one disk (RAID 0).
 *
 * stripe_map.h computes where the bytes are. A read or write becomes one SQE
 * for each chunk that it touches, all at once; discard, write zeroes and flush
 * become one for each member that they touch. After a short transfer the chunks
 * are done again, one by one, to find out which of them is short.
 *
 * The members have no record of the disk. The user must name the same files in
 * the same order, and the same chunk size; for "recover" they are in the
 * run-state file.
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "file.h"
#include "stripe_map.h"
#include "targets.h"

#define STRIPE_MAX_MEMBERS	32

/* Maximum number of SQEs of a request; it limits the length of requests. */
#define STRIPE_MAX_PARTS	256

struct stripe_cfg {
	char **files;
	__u64 chunk;
	bool buffered;
	bool shared;
	bool read_only;
};

struct stripe {
	struct stripe_geo geo;
	struct file files[STRIPE_MAX_MEMBERS];
	/* the members' indexes with the driver, or -1 */
	atomic_int redirects[STRIPE_MAX_MEMBERS];
};

/* Per tag. @done is valid while @one_by_one. */
struct stripe_io {
	__u32 done;
	bool one_by_one;
	unsigned char way;
};

static const struct ublk_opt stripe_opts[] = {
	{
		.name = "file", .letter = 'f', .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_REQUIRED | UBLK_OPT_POSITIONAL |
			UBLK_OPT_LIST,
		.offset = offsetof(struct stripe_cfg, files),
		.arg = "FILE",
		.help = "file or block device, for each member in order",
	},
	{
		.name = "chunk-size|chunk_size", .type = UBLK_OPT_SIZE,
		.flags = UBLK_OPT_LAYOUT,
		.offset = offsetof(struct stripe_cfg, chunk),
		.arg = "SIZE", .def = "64K", .min = 4096, .max = 1U << 26,
		.help = "bytes on one member before the next one, a power of two",
	},
	{
		.name = "buffered-io|buffered_io", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct stripe_cfg, buffered),
		.help = "use the page cache, not direct IO",
	},
	{
		.name = "read-only|read_only", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct stripe_cfg, read_only),
		.help = "do not write to the members",
	},
	{
		.name = "shared", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct stripe_cfg, shared),
		.help = "even if others write to it; data may get lost",
	},
	{ 0 }
};

/* If two members are one file, each overwrites the other. */
static bool stripe_is_same(const char *one, const char *other)
{
	struct stat a, b;

	if (stat(one, &a) || stat(other, &b))
		return false;
	if (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode))
		return a.st_rdev == b.st_rdev;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Before they are opened, for the second one would find the first one's claim. */
static int stripe_check_same(const struct stripe_cfg *c)
{
	__u32 i, k;

	for (i = 1; c->files && c->files[0] && c->files[i]; i++)
		for (k = 0; k < i; k++)
			if (stripe_is_same(c->files[i], c->files[k]))
				return ublk_error(-EINVAL, "stripe: %s and %s are the same; name each member once",
						  c->files[k], c->files[i]);
	return 0;
}

static unsigned int stripe_shift(__u64 size)
{
	return __builtin_ctzll(size);
}

/* The largest block of the members; members may have to leave direct IO. */
static int stripe_choose_blocks(struct stripe *s, const struct stripe_cfg *c,
				__u32 *block_size)
{
	__u32 i;

	*block_size = 512;
	for (i = 0; i < s->geo.nr; i++) {
		struct file *f = &s->files[i];

		/* a piece may begin at any block of the request's memory */
		if (f->direct && f->mem_align > f->block_size &&
		    file_set_buffered(f))
			return ublk_error(-EIO, "stripe: %s: direct IO cannot be turned off",
					  c->files[i]);
		if (*block_size < f->block_size)
			*block_size = f->block_size;
	}
	return 0;
}

static void stripe_fill_discard(struct ublk_params *p, const struct stripe *s)
{
	__u64 max = UINT_MAX & ~0xfffffU;
	bool zero = true;
	__u32 i;

	p->discard.discard_granularity = 1U << p->basic.logical_bs_shift;
	for (i = 0; i < s->geo.nr; i++) {
		const struct file *f = &s->files[i];

		if (max > f->max_discard)
			max = f->max_discard;
		if (p->discard.discard_granularity < f->discard_granularity)
			p->discard.discard_granularity = f->discard_granularity;
		zero = zero && f->can_zero;
	}
	if (!max && !zero)
		return;
	p->types |= UBLK_PARAM_TYPE_DISCARD;
	p->discard.max_discard_sectors = max >> 9;
	p->discard.max_discard_segments = max ? 1 : 0;
	if (zero)
		p->discard.max_write_zeroes_sectors = UINT_MAX >> 9;
}

static void stripe_fill_params(struct ublk_params *p, const struct stripe *s,
			       const struct stripe_cfg *c, __u32 block_size)
{
	struct ublk_param_basic *b = &p->basic;
	__u64 longest = (__u64)STRIPE_MAX_PARTS << s->geo.chunk_shift;
	__u64 stripe = (__u64)s->geo.nr << s->geo.chunk_shift;
	__u32 i, physical = block_size, align = 0;

	for (i = 0; i < s->geo.nr; i++) {
		const struct file *f = &s->files[i];

		if (physical < f->physical_size)
			physical = f->physical_size;
		if (f->direct && align < f->mem_align)
			align = f->mem_align;
		if (f->rotational)
			b->attrs |= UBLK_ATTR_ROTATIONAL;
	}
	b->logical_bs_shift = stripe_shift(block_size);
	b->physical_bs_shift = stripe_shift(physical);
	b->io_min_shift = s->geo.chunk_shift;
	if (b->io_min_shift < b->physical_bs_shift)
		b->io_min_shift = b->physical_bs_shift;
	/* a chunk of each member, if that is a power of two */
	if (!(stripe & (stripe - 1)) && stripe <= 1U << 28)
		b->io_opt_shift = stripe_shift(stripe);
	if (b->max_sectors > longest >> 9)
		b->max_sectors = longest >> 9;
	if (align) {
		p->types |= UBLK_PARAM_TYPE_DMA_ALIGN;
		p->dma.alignment = align - 1;
	}
	if (c->read_only) {
		b->attrs |= UBLK_ATTR_READ_ONLY;
		return;
	}
	b->attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	stripe_fill_discard(p, s);
}

static int stripe_set_up(struct ublk_params *p, struct stripe *s,
			 const struct stripe_cfg *c)
{
	__u64 smallest = ULLONG_MAX, size;
	__u32 block_size, i;
	int ret;

	ret = stripe_choose_blocks(s, c, &block_size);
	if (ret)
		return ret;
	for (i = 0; i < s->geo.nr; i++) {
		if (s->files[i].size >> s->geo.chunk_shift == 0)
			return ublk_error(-EINVAL, "stripe: %s: smaller than a chunk, %llu; enlarge it or lower --chunk-size",
					  c->files[i],
					  (unsigned long long)c->chunk);
		if (smallest > s->files[i].size)
			smallest = s->files[i].size;
	}
	size = stripe_capacity(s->geo, smallest);
	if (!size)
		return ublk_error(-EFBIG, "stripe: the members are too large for one disk");
	stripe_fill_params(p, s, c, block_size);
	if (ublk_params_set_size(p, size))
		return ublk_error(-EINVAL, "stripe: %s", ublk_strerror_last());
	return 0;
}

static void stripe_free(struct stripe *s)
{
	__u32 i;

	for (i = 0; i < s->geo.nr; i++)
		file_close(&s->files[i]);
	free(s);
}

/* On failure geo.nr is the number of members that are open. */
static int stripe_open_members(struct ublk_dev *dev, struct stripe *s,
			       const struct stripe_cfg *c)
{
	struct file_use use = {
		.read_only = c->read_only,
		.direct = !c->buffered,
		.shared = c->shared,
	};
	int ret;

	for (s->geo.nr = 0; c->files && c->files[s->geo.nr]; s->geo.nr++) {
		if (s->geo.nr == STRIPE_MAX_MEMBERS)
			return ublk_error(-E2BIG, "stripe: at most %u members",
					  STRIPE_MAX_MEMBERS);
		ret = file_open(&s->files[s->geo.nr], c->files[s->geo.nr],
				&use);
		if (ret)
			return ublk_error(ret, "stripe: %s",
					  ublk_strerror_last());
		ret = ublk_dev_add_store(dev, c->files[s->geo.nr],
					 s->files[s->geo.nr].fd);
		if (ret) {
			file_close(&s->files[s->geo.nr]);
			return ublk_error(ret, "stripe: %s",
					  ublk_strerror_last());
		}
	}
	if (s->geo.nr < 2)
		return ublk_error(-EINVAL, "stripe: needs two or more files; for one use \"-t loop\"");
	return 0;
}

/* The driver can serve what lies on one member, if it can do so for all. */
static void stripe_want_redirect(struct ublk_dev *dev, const struct stripe *s)
{
	__u32 i;

	for (i = 0; i < s->geo.nr; i++) {
		if (!s->files[i].direct)
			return;
	}
	ublk_dev_want_redirect(dev);
}

static int stripe_open(struct ublk_dev *dev, void *cfg)
{
	const struct stripe_cfg *c = cfg;
	struct stripe *s;
	int ret;

	if (c->chunk & (c->chunk - 1))
		return ublk_error(-EINVAL, "stripe: --chunk-size %llu is not a power of two",
				  (unsigned long long)c->chunk);
	s = calloc(1, sizeof(*s));
	if (!s)
		return ublk_error(-ENOMEM, "out of memory");
	s->geo.chunk_shift = stripe_shift(c->chunk);
	ret = stripe_check_same(c);
	if (!ret)
		ret = stripe_open_members(dev, s, c);
	if (!ret)
		ret = stripe_set_up(ublk_dev_params(dev), s, c);
	if (ret) {
		stripe_free(s);
		return ret;
	}
	stripe_want_redirect(dev, s);
	ublk_dev_set_priv(dev, s);
	return 0;
}

static void stripe_close(struct ublk_dev *dev)
{
	stripe_free(ublk_dev_priv(dev));
}

/* q->priv: slots of the members in the ring's file table. */
static int stripe_queue_open(struct ublk_queue *q)
{
	struct stripe *s = ublk_dev_priv(q->dev);
	int *slots = calloc(s->geo.nr, sizeof(*slots));
	__u32 i;

	if (!slots)
		return ublk_error(-ENOMEM, "out of memory");
	for (i = 0; i < s->geo.nr; i++) {
		slots[i] = ublk_queue_fixed_fd(q, s->files[i].fd);
		if (slots[i] < 0) {
			int ret = slots[i];

			free(slots);
			return ublk_error(ret, "stripe: registering the files: %s",
					  strerror(-ret));
		}
	}
	for (i = 0; i < s->geo.nr; i++)
		s->redirects[i] = file_redirect(&s->files[i], q);
	q->priv = slots;
	return 0;
}

static bool stripe_place(struct ublk_queue *q, const struct ublk_io *io,
			 struct ublk_place *place)
{
	struct stripe *s = ublk_dev_priv(q->dev);
	__u64 len = (__u64)io->desc->nr_sectors << 9;
	struct stripe_part part = stripe_map(s->geo, io->desc->start_sector << 9,
					     len);
	int file = atomic_load_explicit(&s->redirects[part.member],
					memory_order_relaxed);

	place->file = file;
	place->pos = part.pos;
	return file >= 0 && part.len == len;
}

static void stripe_queue_close(struct ublk_queue *q)
{
	free(q->priv);
	q->priv = NULL;
}

static bool stripe_prep(struct ublk_queue *q, struct ublk_io *io,
			struct stripe_part part, __u32 off)
{
	struct stripe *s = ublk_dev_priv(q->dev);
	struct stripe_io *sio = io->priv;
	struct file_piece piece = {
		.fd = ((int *)q->priv)[part.member],
		.pos = part.pos,
		.len = part.len,
		.off = off,
		.way = sio->way,
	};

	return file_prep(&s->files[part.member], io, &piece);
}

static void stripe_issue_data(struct ublk_queue *q, struct ublk_io *io)
{
	const struct stripe *s = ublk_dev_priv(q->dev);
	__u64 pos = io->desc->start_sector << 9;
	__u32 len = io->desc->nr_sectors << 9;
	struct stripe_io *sio = io->priv;
	__u32 off = sio->one_by_one ? sio->done : 0;
	struct stripe_part part;

	do {
		part = stripe_map(s->geo, pos + off, len - off);
		part.len = file_piece_len(&s->files[part.member], part.len);
		if (!stripe_prep(q, io, part, off))
			return;
		off += part.len;
	} while (off < len && !sio->one_by_one);
}

/* Without data: one SQE for each member. */
static void stripe_issue_ranges(struct ublk_queue *q, struct ublk_io *io)
{
	const struct stripe *s = ublk_dev_priv(q->dev);
	bool flush = ublk_io_op(io) == UBLK_IO_OP_FLUSH;
	struct stripe_part part = { 0 };
	__u32 i;

	for (i = 0; i < s->geo.nr; i++) {
		if (!flush)
			part = stripe_range(s->geo, i,
					    io->desc->start_sector << 9,
					    (__u64)io->desc->nr_sectors << 9);
		part.member = i;
		if ((flush || part.len) && !stripe_prep(q, io, part, 0))
			return;
	}
}

static void stripe_issue(struct ublk_queue *q, struct ublk_io *io)
{
	if (ublk_io_op(io) <= UBLK_IO_OP_WRITE)
		stripe_issue_data(q, io);
	else
		stripe_issue_ranges(q, io);
}

/* The members may differ: the first way that has not failed on any of them. */
static unsigned char stripe_first_way(const struct stripe *s,
				      const struct ublk_io *io)
{
	unsigned char way = 0, first;
	__u32 i;

	for (i = 0; i < s->geo.nr; i++) {
		first = file_first_way(&s->files[i], io);
		if (way < first)
			way = first;
	}
	return way;
}

static void stripe_submit(struct ublk_queue *q, struct ublk_io *io)
{
	struct stripe_io *sio = io->priv;

	if (!file_op_known(ublk_io_op(io))) {
		ublk_io_complete(io, -EOPNOTSUPP);
		return;
	}
	sio->one_by_one = false;
	sio->way = 0;
	if (ublk_io_op(io) > UBLK_IO_OP_WRITE)
		sio->way = stripe_first_way(ublk_dev_priv(q->dev), io);
	stripe_issue(q, io);
}

static void stripe_done_data(struct ublk_queue *q, struct ublk_io *io, int res)
{
	struct stripe_io *sio = io->priv;
	int len = io->desc->nr_sectors << 9;

	if (res < 0 && res != -EINTR && res != -EAGAIN) {
		file_complete(io, res);
		return;
	}
	if (!sio->one_by_one) {
		if (res == len) {
			ublk_io_complete(io, len);
			return;
		}
		/* it is not known which of them was short */
		sio->one_by_one = true;
		sio->done = 0;
	} else if (!res) {
		/* a member has become shorter, or cannot grow */
		file_complete_short(io);
		return;
	} else if (res > 0) {
		sio->done += res;
	}
	if (sio->done < (__u32)len)
		stripe_issue(q, io);
	else
		ublk_io_complete(io, len);
}

static void stripe_done(struct ublk_queue *q, struct ublk_io *io, int res)
{
	struct stripe *s = ublk_dev_priv(q->dev);
	struct stripe_io *sio = io->priv;
	unsigned char way, next = sio->way;
	__u32 i;

	if (ublk_io_op(io) <= UBLK_IO_OP_WRITE) {
		stripe_done_data(q, io, res);
		return;
	}
	/* it is not known which of them failed */
	for (i = 0; i < s->geo.nr; i++) {
		way = sio->way;
		if (file_next_way(&s->files[i], io, res, &way))
			next = way;
	}
	if (next != sio->way) {
		sio->way = next;
		stripe_issue(q, io);
	} else {
		file_complete(io, file_end(io, res));
	}
}

static int stripe_can_resize(const void *cfg, __u64 bytes)
{
	const struct stripe_cfg *c = cfg;
	struct stripe_geo geo = { .chunk_shift = stripe_shift(c->chunk) };
	__u64 have = 0, need;
	__u32 i;
	int ret;

	while (c->files && c->files[geo.nr])
		geo.nr++;
	if (!geo.nr)
		return ublk_error(-EINVAL, "stripe: no members");
	/* whole stripes: as many chunks on each member */
	need = (bytes + ((__u64)geo.nr << geo.chunk_shift) - 1) /
		((__u64)geo.nr << geo.chunk_shift) << geo.chunk_shift;
	for (i = 0; i < geo.nr; i++) {
		ret = file_size_of(c->files[i], &have);
		if (!ret && have < need)
			ret = file_too_small(c->files[i], have, need);
		if (ret)
			return ret;
	}
	return 0;
}

const struct ublk_target stripe_target = {
	UBLK_TARGET(),
	.name = "stripe",
	.summary = "files or block devices side by side, RAID 0",
	.opts = stripe_opts,
	.config_size = sizeof(struct stripe_cfg),
	.io_size = sizeof(struct stripe_io),
	.open = stripe_open,
	.close = stripe_close,
	.queue_open = stripe_queue_open,
	.queue_close = stripe_queue_close,
	.submit = stripe_submit,
	.done = stripe_done,
	.flags = UBLK_TARGET_RING_DATA,
	.can_resize = stripe_can_resize,
	.place = stripe_place,
};
