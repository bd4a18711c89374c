// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target for measurements: a block device as a disk, in many extents of 4096 bytes, and
 * the time that it takes to remove one while the disk is used. Loaded by the program
 * ublk, see "EVENTS AND MODULES" in libublk(3); bench/run.sh compiles it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <libublk.h>

#define PIECE_S		8	/* sectors */
#define AT_ONCE		65536

struct pieces_cfg {
	const char *file;
	const char *report;
	__u64 extents;
	__u64 removals;
};

struct pieces {
	const struct pieces_cfg *cfg;
	struct ublk_dev *dev;
	int fd, file;
	pthread_t thread;
	volatile bool ending;
};

static const struct ublk_opt pieces_opts[] = {
	{
		.name = "file", .letter = 'f', .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct pieces_cfg, file),
		.arg = "DEVICE", .help = "block device",
	},
	{
		.name = "extents", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct pieces_cfg, extents), .arg = "N",
		.def = "1", .min = 1, .max = UBLK_MAX_EXTENTS, .help = "how many",
	},
	{
		.name = "removals", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct pieces_cfg, removals), .arg = "N",
		.max = 1000000, .help = "measure so many",
	},
	{
		.name = "report", .type = UBLK_OPT_PATH,
		.offset = offsetof(struct pieces_cfg, report),
		.arg = "FILE", .help = "where the times go, in nanoseconds",
	},
	{ 0 }
};

static struct ublk_extent_elem pieces_elem(const struct pieces *p, __u64 nr, int rights)
{
	return (struct ublk_extent_elem){
		.sector = nr * PIECE_S,
		.nr_sectors = PIECE_S,
		.pos = rights ? nr * PIECE_S : 0,
		.file = rights ? p->file : 0,
		.rights = rights,
	};
}

static int pieces_set_all(const struct pieces *p)
{
	static struct ublk_extent_elem e[AT_ONCE];
	__u64 nr = 0;
	int n, ret;

	while (nr < p->cfg->extents) {
		for (n = 0; n < AT_ONCE && nr + n < p->cfg->extents; n++)
			e[n] = pieces_elem(p, nr + n,
					   UBLK_EXTENT_READ | UBLK_EXTENT_WRITE);
		ret = ublk_dev_set_extents(p->dev, e, n);
		if (ret != n)
			return ublk_error(ret < 0 ? ret : -EIO, "pieces: %s",
					  strerror(ret < 0 ? -ret : EIO));
		nr += n;
	}
	return 0;
}

static __u64 pieces_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Remove an extent, note how long that took, and set it again. */
static void *pieces_remove(void *arg)
{
	struct pieces *p = arg;
	FILE *out = fopen(p->cfg->report, "we");
	__u64 i;

	for (i = 0; out && i < p->cfg->removals && !p->ending; i++) {
		__u64 nr = (__u64)rand() * 64 % p->cfg->extents, begin;
		struct ublk_extent_elem e = pieces_elem(p, nr, 0);

		usleep(1000);
		begin = pieces_now();
		if (ublk_dev_set_extents(p->dev, &e, 1) != 1)
			break;
		fprintf(out, "%llu\n", (unsigned long long)(pieces_now() - begin));
		e = pieces_elem(p, nr, UBLK_EXTENT_READ | UBLK_EXTENT_WRITE);
		if (ublk_dev_set_extents(p->dev, &e, 1) != 1)
			break;
	}
	if (out)
		fclose(out);
	return NULL;
}

static int pieces_open(struct ublk_dev *dev, void *cfg)
{
	struct pieces *p = calloc(1, sizeof(*p));
	struct ublk_params *params = ublk_dev_params(dev);
	__u64 size;

	if (!p)
		return ublk_error(-ENOMEM, "out of memory");
	p->cfg = cfg;
	p->dev = dev;
	p->fd = open(p->cfg->file, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (p->fd < 0 || ioctl(p->fd, BLKGETSIZE64, &size)) {
		free(p);
		return ublk_error(-errno, "pieces: %s", strerror(errno));
	}
	params->basic.attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	params->types |= UBLK_PARAM_TYPE_DMA_ALIGN;
	params->dma.alignment = 511;
	ublk_dev_set_priv(dev, p);
	ublk_dev_want_extents(dev);
	return ublk_params_set_size(params, size);
}

static void pieces_close(struct ublk_dev *dev)
{
	struct pieces *p = ublk_dev_priv(dev);

	close(p->fd);
	free(p);
}

static int pieces_queue_open(struct ublk_queue *q)
{
	struct pieces *p = ublk_dev_priv(q->dev);
	int ret;

	if (q->id || q->thread)
		return 0;
	p->file = ublk_queue_redirect_file(q, p->fd);
	if (p->file < 0)
		return ublk_error(p->file, "pieces: %s", strerror(-p->file));
	ret = pieces_set_all(p);
	if (!ret && p->cfg->removals)
		ret = -pthread_create(&p->thread, NULL, pieces_remove, p);
	return ret;
}

static void pieces_queue_close(struct ublk_queue *q)
{
	struct pieces *p = ublk_dev_priv(q->dev);

	if (q->id || q->thread || !p->cfg->removals)
		return;
	p->ending = true;
	pthread_join(p->thread, NULL);
}

/* What the daemon is asked for costs nothing here: no data is looked at. */
static void pieces_submit(struct ublk_queue *q, struct ublk_io *io)
{
	unsigned int op = ublk_io_op(io);

	(void)q;
	ublk_io_complete(io, op <= UBLK_IO_OP_WRITE ? (int)(io->desc->nr_sectors << 9) : 0);
}

static const struct ublk_target pieces = {
	UBLK_TARGET(),
	.name = "pieces", .summary = "a block device in many extents",
	.opts = pieces_opts, .config_size = sizeof(struct pieces_cfg),
	.open = pieces_open, .close = pieces_close,
	.queue_open = pieces_queue_open, .queue_close = pieces_queue_close,
	.submit = pieces_submit,
	.flags = UBLK_TARGET_RING_DATA | UBLK_TARGET_NO_DATA,
};

static const struct ublk_target *const targets[] = { &pieces, NULL };

const struct ublk_module ublk_module = { UBLK_VERSION, targets };
