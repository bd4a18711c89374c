// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Example of a target with extents: a copy-on-write disk. Its contents are those of a
 * block device that is only read, until a block is written: then it is copied to another
 * block device, once, and lies there. Reads of the base and all IO to copied blocks pass
 * to the devices without waking the daemon; it sees the first write of each block,
 * flushes, and IO across blocks of which one is copied and the other is not.
 *
 *	cc -shared -fPIC -o ublk-target-cow.so cow.c $(pkg-config --cflags libublk)
 *	UBLK_TARGET_DIR=$PWD ublk add -t cow --base /dev/sdb --store /dev/sdc
 *
 * The store begins with a header of 4096 bytes and a map of one bit per block. The block
 * lies behind them, at its number. A store that begins with zeroes is a new one.
 *
 * After a power cut, what the disk said was durable is there, and no block is a mixture,
 * as
 * 1. the copy is flushed before its bit is written, so a bit that is there is right;
 * 2. the bit is durable before IO passes to the copy, since a write with FUA that passes
 *    is durable by itself, without a flush that the daemon could see.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <libublk.h>

#define MAGIC		"ublk example cow"
#define HEADER		4096
#define MAP_PAGE	4096	/* what is written of the map at once */

struct cow_cfg {
	const char *base;
	const char *store;
	__u64 block;
};

struct cow_header {
	char magic[16];
	__u64 size, block;
};

enum { BASE, STORE, FILES };

struct cow {
	const struct cow_cfg *cfg;
	struct ublk_dev *dev;
	int fd[FILES];
	int file[FILES];	/* the driver's index, or negative errno */
	bool passes;
	__u64 size, blocks, map_len;
	unsigned char *map;	/* as in the store */
	char *buf;		/* one block */

	pthread_t worker;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct ublk_io *first, **last;	/* requests, under the lock, by cow_next() */
	bool ending;			/* under the lock */
};

static const struct ublk_opt cow_opts[] = {
	{
		.name = "base", .type = UBLK_OPT_PATH, .flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct cow_cfg, base),
		.arg = "DEVICE", .help = "what the disk contains at first; is only read",
	},
	{
		.name = "store", .type = UBLK_OPT_PATH, .flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct cow_cfg, store),
		.arg = "DEVICE", .help = "what is written; larger than the base",
	},
	{
		.name = "block", .type = UBLK_OPT_SIZE, .flags = UBLK_OPT_LAYOUT,
		.offset = offsetof(struct cow_cfg, block), .arg = "SIZE",
		.def = "64K", .min = 4096, .max = 1 << 30, .help = "what is copied at once",
	},
	{ 0 }
};

/* The request behind this one. */
static struct ublk_io **cow_next(struct ublk_io *io)
{
	return io->priv;
}

/* --- the store --- */

static bool cow_is_copied(const struct cow *c, __u64 block)
{
	return c->map[block / 8] & 1 << block % 8;
}

static __u64 cow_place(const struct cow *c, __u64 block)
{
	return HEADER + c->map_len + block * c->cfg->block;
}

/* Not 0 for the last block of a disk that is no multiple of it. */
static size_t cow_block_len(const struct cow *c, __u64 block)
{
	__u64 rest = c->size - block * c->cfg->block;

	return rest < c->cfg->block ? rest : c->cfg->block;
}

static int cow_rw(int fd, bool write, void *data, __u64 pos, size_t len)
{
	ssize_t ret = write ? pwrite(fd, data, len, pos) : pread(fd, data, len, pos);

	return ret < 0 ? -errno : (size_t)ret == len ? 0 : -EIO;
}

/* Durable when it returns. */
static int cow_write_now(const struct cow *c, void *data, __u64 pos, size_t len)
{
	struct iovec iov = { data, len };
	ssize_t ret = pwritev2(c->fd[STORE], &iov, 1, pos, RWF_DSYNC);

	return ret < 0 ? -errno : (size_t)ret == len ? 0 : -EIO;
}

/* --- extents --- */

static int cow_set(const struct cow *c, __u64 first, __u64 end)
{
	bool copied = cow_is_copied(c, first);
	__u64 pos = first * c->cfg->block, to = end * c->cfg->block;
	struct ublk_extent_elem e = {
		.sector = pos >> 9,
		.nr_sectors = ((to < c->size ? to : c->size) - pos) >> 9,
		.pos = (copied ? cow_place(c, first) : pos) >> 9,
		.file = c->file[copied ? STORE : BASE],
		.rights = UBLK_EXTENT_READ | (copied ? UBLK_EXTENT_WRITE : 0),
	};
	int ret = ublk_dev_set_extents(c->dev, &e, 1);

	return ret == 1 ? 0 : ret;
}

/* Neighbours of the same kind are one extent. */
static int cow_set_all(const struct cow *c)
{
	__u64 first, end;
	int ret = 0;

	if (c->file[BASE] < 0 || c->file[STORE] < 0)
		return c->file[BASE] < 0 ? c->file[BASE] : c->file[STORE];
	for (first = 0; first < c->blocks && !ret; first = end) {
		bool copied = cow_is_copied(c, first);

		for (end = first + 1; end < c->blocks && cow_is_copied(c, end) == copied;)
			end++;
		ret = cow_set(c, first, end);
	}
	return ret;
}

/* Copy a block. Reads of the base go on passing until the extent is replaced. */
static int cow_copy(struct cow *c, __u64 block)
{
	size_t len = cow_block_len(c, block);
	__u64 page = block / 8 / MAP_PAGE * MAP_PAGE;
	int ret;

	ret = cow_rw(c->fd[BASE], false, c->buf, block * c->cfg->block, len);
	if (!ret)
		ret = cow_write_now(c, c->buf, cow_place(c, block), len);
	if (ret)
		return ret;
	c->map[block / 8] |= 1 << block % 8;
	ret = cow_write_now(c, c->map + page, HEADER + page, MAP_PAGE);
	if (ret)
		c->map[block / 8] &= ~(1 << block % 8);
	else if (c->passes && cow_set(c, block, block + 1))
		c->passes = false;	/* the disk is being stopped */
	return ret;
}

/* --- requests, in the worker --- */

/* Read or write bytes of one block. */
static int cow_block_io(struct cow *c, bool write, char *data, __u64 pos, size_t len)
{
	__u64 block = pos / c->cfg->block;
	int ret = 0;

	if (write && !cow_is_copied(c, block))
		ret = cow_copy(c, block);
	if (ret)
		return ret;
	if (!cow_is_copied(c, block))
		return cow_rw(c->fd[BASE], false, data, pos, len);
	return cow_rw(c->fd[STORE], write, data,
		      cow_place(c, block) + pos % c->cfg->block, len);
}

static int cow_answer(struct cow *c, const struct ublk_io *io)
{
	__u64 pos = io->desc->start_sector << 9, block = c->cfg->block;
	size_t len = (size_t)io->desc->nr_sectors << 9, done, n;
	unsigned int op = ublk_io_op(io);
	int ret = 0;

	if (op == UBLK_IO_OP_FLUSH)
		return fdatasync(c->fd[STORE]) ? -errno : 0;
	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return -EOPNOTSUPP;
	for (done = 0; done < len && !ret; done += n) {
		n = block - (pos + done) % block;
		if (n > len - done)
			n = len - done;
		ret = cow_block_io(c, op == UBLK_IO_OP_WRITE, (char *)io->buf + done,
				   pos + done, n);
	}
	if (!ret && op == UBLK_IO_OP_WRITE && io->desc->op_flags & UBLK_IO_F_FUA)
		ret = fdatasync(c->fd[STORE]) ? -errno : 0;
	return ret ? ret : (int)len;
}

static struct ublk_io *cow_wait(struct cow *c)
{
	struct ublk_io *io = NULL;

	pthread_mutex_lock(&c->lock);
	while (!c->first && !c->ending)
		pthread_cond_wait(&c->cond, &c->lock);
	if (!c->ending) {
		io = c->first;
		c->first = *cow_next(io);
		if (!c->first)
			c->last = &c->first;
	}
	pthread_mutex_unlock(&c->lock);
	return io;
}

/* One for all requests: no two copy a block at the same time. */
static void *cow_worker(void *arg)
{
	struct cow *c = arg;
	struct ublk_io *io;

	while ((io = cow_wait(c)))
		ublk_io_complete(io, cow_answer(c, io));
	return NULL;
}

static void cow_submit(struct ublk_queue *q, struct ublk_io *io)
{
	struct cow *c = ublk_dev_priv(q->dev);

	*cow_next(io) = NULL;
	pthread_mutex_lock(&c->lock);
	*c->last = io;
	c->last = cow_next(io);
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

/* The first thread of queues registers the devices. */
static int cow_queue_open(struct ublk_queue *q)
{
	struct cow *c = ublk_dev_priv(q->dev);
	int i, ret;

	if (q->id || q->thread)
		return 0;
	for (i = 0; i < FILES; i++)
		c->file[i] = ublk_queue_redirect_file(q, c->fd[i]);
	ret = cow_set_all(c);
	c->passes = !ret;
	if (ret)
		ublk_log(UBLK_LOG_WARN, "cow: IO does not pass: %s", strerror(-ret));
	ret = pthread_create(&c->worker, NULL, cow_worker, c);
	return ret ? ublk_error(-ret, "cow: thread: %s", strerror(ret)) : 0;
}

/* What has not been answered is ended by the driver. */
static void cow_queue_close(struct ublk_queue *q)
{
	struct cow *c = ublk_dev_priv(q->dev);
	struct ublk_io *io, **at;

	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
	if (!q->id && !q->thread)
		pthread_join(c->worker, NULL);

	pthread_mutex_lock(&c->lock);
	for (at = &c->first; (io = *at);) {
		if (io->q != q) {
			at = cow_next(io);
			continue;
		}
		*at = *cow_next(io);
		ublk_io_complete(io, -EIO);
	}
	c->last = at;
	pthread_mutex_unlock(&c->lock);
}

/* --- the disk --- */

static int cow_open_file(struct cow *c, int i, const char *name, int flags, __u64 *size)
{
	struct ublk_params *p = ublk_dev_params(c->dev);
	int block = 512;

	c->fd[i] = open(name, flags | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (c->fd[i] < 0 || ioctl(c->fd[i], BLKGETSIZE64, size) ||
	    ioctl(c->fd[i], BLKSSZGET, &block))
		return ublk_error(-errno, "cow: %s: %s", name, strerror(errno));
	while (1 << p->basic.logical_bs_shift < block)
		p->basic.logical_bs_shift++;
	return ublk_dev_add_store(c->dev, name, c->fd[i]);
}

/* The map of a store; an empty one for a new store, whose header is written last. */
static int cow_load(struct cow *c)
{
	static const char zero[HEADER];
	struct cow_header *h = (void *)c->buf;
	int ret = cow_rw(c->fd[STORE], false, h, 0, HEADER);

	if (ret)
		return ret;
	if (!memcmp(h, zero, HEADER)) {
		ret = cow_write_now(c, c->map, HEADER, c->map_len);
		*h = (struct cow_header){ .size = c->size, .block = c->cfg->block };
		memcpy(h->magic, MAGIC, sizeof(h->magic));
		return ret ? ret : cow_write_now(c, h, 0, HEADER);
	}
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) || h->size != c->size ||
	    h->block != c->cfg->block)
		return -EINVAL;
	return cow_rw(c->fd[STORE], false, c->map, HEADER, c->map_len);
}

static int cow_open_store(struct cow *c)
{
	__u64 have;
	int ret = cow_open_file(c, STORE, c->cfg->store, O_RDWR, &have);

	if (ret)
		return ret;
	c->blocks = (c->size + c->cfg->block - 1) / c->cfg->block;
	c->map_len = (c->blocks / 8 / MAP_PAGE + 1) * MAP_PAGE;
	if (have < cow_place(c, c->blocks))
		return ublk_error(-ENOSPC, "cow: %s: %llu bytes are needed", c->cfg->store,
				  (unsigned long long)cow_place(c, c->blocks));
	if (posix_memalign((void **)&c->map, 4096, c->map_len) ||
	    posix_memalign((void **)&c->buf, 4096, c->cfg->block))
		return ublk_error(-ENOMEM, "out of memory");
	memset(c->map, 0, c->map_len);
	ret = cow_load(c);
	return ret ? ublk_error(ret, "cow: %s: no store of this base", c->cfg->store) : 0;
}

static void cow_free(struct cow *c)
{
	close(c->fd[BASE]);
	close(c->fd[STORE]);
	pthread_cond_destroy(&c->cond);
	pthread_mutex_destroy(&c->lock);
	free(c->map);
	free(c->buf);
	free(c);
}

static int cow_open(struct ublk_dev *dev, void *cfg)
{
	struct ublk_params *p = ublk_dev_params(dev);
	struct cow *c = calloc(1, sizeof(*c));
	int ret = 0;

	if (!c)
		return ublk_error(-ENOMEM, "out of memory");
	c->cfg = cfg;
	c->dev = dev;
	c->fd[BASE] = -1;
	c->fd[STORE] = -1;
	c->last = &c->first;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->cond, NULL);
	if (c->cfg->block & (c->cfg->block - 1))
		ret = ublk_error(-EINVAL, "cow: --block is no power of 2");
	if (!ret)
		ret = cow_open_file(c, BASE, c->cfg->base, O_RDONLY, &c->size);
	if (!ret)
		ret = cow_open_store(c);
	if (!ret)
		ret = ublk_params_set_size(p, c->size);
	if (ret) {
		cow_free(c);
		return ret;
	}
	p->basic.attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	/* Buffers that every block device accepts. */
	p->types |= UBLK_PARAM_TYPE_DMA_ALIGN;
	p->dma.alignment = 511;
	ublk_dev_want_extents(dev);
	ublk_dev_set_priv(dev, c);
	return 0;
}

static void cow_close(struct ublk_dev *dev)
{
	cow_free(ublk_dev_priv(dev));
}

static const struct ublk_target cow = {
	UBLK_TARGET(),
	.name = "cow", .summary = "a base that is only read, and what is written",
	.opts = cow_opts, .config_size = sizeof(struct cow_cfg),
	.io_size = sizeof(struct ublk_io *),
	.open = cow_open, .close = cow_close,
	.queue_open = cow_queue_open, .queue_close = cow_queue_close,
	.submit = cow_submit,
};

static const struct ublk_target *const targets[] = { &cow, NULL };

const struct ublk_module ublk_module = { UBLK_VERSION, targets };
