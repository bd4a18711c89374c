// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Example of a target with extents: a disk whose chunks move between two block devices
 * while it is used. IO passes to the device that a chunk lies on without waking the
 * daemon, which only sees flushes, IO across chunks, and writes to a chunk that moves.
 *
 *	cc -shared -fPIC -o ublk-target-tier.so tier.c $(pkg-config --cflags libublk)
 *	touch map
 *	UBLK_TARGET_DIR=$PWD ublk add -t tier --first /dev/sdb --second /dev/sdc --map map
 *
 * A chunk has the same place on both devices. The file of --map has a byte for each,
 * which says on which one it lies; if it is empty all are on the first.
 *
 * To move a chunk, the mover
 * 1. allows only reads to pass. When ublk_dev_set_extents() returns, no write is in
 *    flight; a new one comes to the daemon, and waits, as the mover is who serves it;
 * 2. copies the chunk and flushes the copy;
 * 3. changes the map. A server that is killed has moved the chunk or has not;
 * 4. lets all IO pass to the new place.
 *
 * A real one would decide by what it knows which chunk to move; this one takes the next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <libublk.h>

#define STORES	2

struct tier_cfg {
	const char *store[STORES];
	const char *map;
	__u64 chunk;
	__u64 interval;
};

struct tier {
	const struct tier_cfg *cfg;
	struct ublk_dev *dev;
	int fd[STORES], map_fd;
	int file[STORES];	/* the driver's index of the store, or negative errno */
	unsigned char *map;	/* of each chunk: on which store */
	__u64 size, chunks, next;
	char *buf;		/* one chunk */

	pthread_t mover;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct ublk_io *first, **last;	/* requests, under the lock, by tier_next() */
	bool ending;			/* under the lock */
};

static const struct ublk_opt tier_opts[] = {
	{
		.name = "first", .type = UBLK_OPT_PATH, .flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct tier_cfg, store[0]),
		.arg = "DEVICE", .help = "where the disk lies at first",
	},
	{
		.name = "second", .type = UBLK_OPT_PATH, .flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct tier_cfg, store[1]),
		.arg = "DEVICE", .help = "where chunks may move to",
	},
	{
		.name = "map", .type = UBLK_OPT_PATH, .flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct tier_cfg, map),
		.arg = "FILE", .help = "says which chunk is where",
	},
	{
		.name = "chunk", .type = UBLK_OPT_SIZE, .flags = UBLK_OPT_LAYOUT,
		.offset = offsetof(struct tier_cfg, chunk), .arg = "SIZE",
		.def = "1M", .min = 4096, .max = 1 << 30, .help = "what moves at once",
	},
	{
		.name = "interval", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct tier_cfg, interval), .arg = "MS",
		.def = "100", .max = 60000, .help = "time between two moves",
	},
	{ 0 }
};

/* The request behind this one. */
static struct ublk_io **tier_next(struct ublk_io *io)
{
	return io->priv;
}

/* --- requests, in the mover's thread --- */

/* Move bytes of one chunk between its place and memory. */
static int tier_chunk_io(const struct tier *t, bool write, char *data, __u64 pos,
			 size_t len)
{
	int fd = t->fd[t->map[pos / t->cfg->chunk]];
	ssize_t ret = write ? pwrite(fd, data, len, pos) : pread(fd, data, len, pos);

	return ret < 0 ? -errno : (size_t)ret == len ? 0 : -EIO;
}

static int tier_flush(const struct tier *t)
{
	int i, ret = 0;

	for (i = 0; i < STORES && !ret; i++)
		ret = fdatasync(t->fd[i]) ? -errno : 0;
	return ret;
}

static int tier_answer(const struct tier *t, const struct ublk_io *io)
{
	__u64 pos = io->desc->start_sector << 9, chunk = t->cfg->chunk;
	size_t len = (size_t)io->desc->nr_sectors << 9, done, n;
	unsigned int op = ublk_io_op(io);
	int ret = 0;

	if (op == UBLK_IO_OP_FLUSH)
		return tier_flush(t);
	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return -EOPNOTSUPP;
	for (done = 0; done < len && !ret; done += n) {
		n = chunk - (pos + done) % chunk;
		if (n > len - done)
			n = len - done;
		ret = tier_chunk_io(t, op == UBLK_IO_OP_WRITE, (char *)io->buf + done,
				    pos + done, n);
	}
	if (!ret && op == UBLK_IO_OP_WRITE && io->desc->op_flags & UBLK_IO_F_FUA)
		ret = tier_flush(t);
	return ret ? ret : (int)len;
}

/* --- extents --- */

/* Chunks from @first on to @end lie on @store, as the driver is told. */
static int tier_set(const struct tier *t, __u64 first, __u64 end, int store, int rights)
{
	__u64 pos = first * t->cfg->chunk, to = end * t->cfg->chunk;
	struct ublk_extent_elem e = {
		.sector = pos >> 9,
		.nr_sectors = ((to < t->size ? to : t->size) - pos) >> 9,
		.pos = pos >> 9,
		.file = t->file[store],
		.rights = rights,
	};
	int ret;

	if (t->file[store] < 0)
		return t->file[store];
	ret = ublk_dev_set_extents(t->dev, &e, 1);
	return ret == 1 ? 0 : ret;
}

/* As the map says; neighbours on one store are one extent. */
static int tier_set_all(const struct tier *t)
{
	__u64 first, end;
	int ret = 0;

	for (first = 0; first < t->chunks && !ret; first = end) {
		for (end = first + 1; end < t->chunks && t->map[end] == t->map[first];)
			end++;
		ret = tier_set(t, first, end, t->map[first],
			       UBLK_EXTENT_READ | UBLK_EXTENT_WRITE);
	}
	return ret;
}

static int tier_copy(struct tier *t, __u64 chunk, int from, int to)
{
	off_t pos = chunk * t->cfg->chunk;
	size_t len = t->cfg->chunk;

	if (len > t->size - pos)
		len = t->size - pos;
	if (pread(t->fd[from], t->buf, len, pos) != (ssize_t)len ||
	    pwrite(t->fd[to], t->buf, len, pos) != (ssize_t)len || fdatasync(t->fd[to]))
		return -EIO;
	return 0;
}

static int tier_note(struct tier *t, __u64 chunk, unsigned char store)
{
	if (pwrite(t->map_fd, &store, 1, chunk) != 1 || fdatasync(t->map_fd))
		return -EIO;
	t->map[chunk] = store;
	return 0;
}

static int tier_move(struct tier *t)
{
	__u64 chunk = t->next++ % t->chunks;
	int from = t->map[chunk], to = !from, ret;

	ret = tier_set(t, chunk, chunk + 1, from, UBLK_EXTENT_READ);
	if (!ret)
		ret = tier_copy(t, chunk, from, to);
	if (!ret)
		ret = tier_note(t, chunk, to);
	/* Also after a failure: the chunk is where the map says. */
	if (ret != -ENODEV && ret != -EBADF)
		ret = tier_set(t, chunk, chunk + 1, t->map[chunk],
			       UBLK_EXTENT_READ | UBLK_EXTENT_WRITE);
	return ret;
}

/* --- the mover --- */

static struct timespec tier_later(__u64 ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

static bool tier_is_past(const struct timespec *when)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec > when->tv_sec ||
		(now.tv_sec == when->tv_sec && now.tv_nsec >= when->tv_nsec);
}

/*
 * Return: a request; NULL when it is time to move a chunk, or to end. Of two chunks that
 * are due, the second one waits for a request, if there is one.
 */
static struct ublk_io *tier_wait(struct tier *t, const struct timespec *when,
				 bool has_moved, bool *ending)
{
	struct ublk_io *io = NULL;

	pthread_mutex_lock(&t->lock);
	while (!t->first && !t->ending && !tier_is_past(when))
		pthread_cond_timedwait(&t->cond, &t->lock, when);
	*ending = t->ending;
	if (t->first && !t->ending && (has_moved || !tier_is_past(when))) {
		io = t->first;
		t->first = *tier_next(io);
		if (!t->first)
			t->last = &t->first;
	}
	pthread_mutex_unlock(&t->lock);
	return io;
}

static void *tier_mover(void *arg)
{
	struct tier *t = arg;
	struct timespec when = tier_later(t->cfg->interval);
	bool ending = false, moves = t->file[0] >= 0 && t->file[1] >= 0;
	bool has_moved = false;

	while (!ending) {
		struct ublk_io *io = tier_wait(t, &when, has_moved, &ending);

		has_moved = !io;
		if (io) {
			ublk_io_complete(io, tier_answer(t, io));
			continue;
		}
		/* Nothing can be moved while the disk is being stopped. */
		if (!ending && moves)
			moves = tier_move(t) != -ENODEV;
		when = tier_later(moves ? t->cfg->interval : 1000);
	}
	return NULL;
}

static void tier_submit(struct ublk_queue *q, struct ublk_io *io)
{
	struct tier *t = ublk_dev_priv(q->dev);

	*tier_next(io) = NULL;
	pthread_mutex_lock(&t->lock);
	*t->last = io;
	t->last = tier_next(io);
	pthread_cond_signal(&t->cond);
	pthread_mutex_unlock(&t->lock);
}

/* The first thread of queues registers the stores, and has the mover started. */
static int tier_queue_open(struct ublk_queue *q)
{
	struct tier *t = ublk_dev_priv(q->dev);
	int i, ret;

	if (q->id || q->thread)
		return 0;
	for (i = 0; i < STORES; i++)
		t->file[i] = ublk_queue_redirect_file(q, t->fd[i]);
	ret = tier_set_all(t);
	if (ret)
		ublk_log(UBLK_LOG_WARN, "tier: IO does not pass, and nothing moves: %s",
			 strerror(-ret));
	ret = pthread_create(&t->mover, NULL, tier_mover, t);
	return ret ? ublk_error(-ret, "tier: thread: %s", strerror(ret)) : 0;
}

/* What has not been answered is ended by the driver. */
static void tier_queue_close(struct ublk_queue *q)
{
	struct tier *t = ublk_dev_priv(q->dev);
	struct ublk_io *io, **at;

	pthread_mutex_lock(&t->lock);
	t->ending = true;
	pthread_cond_signal(&t->cond);
	pthread_mutex_unlock(&t->lock);
	if (!q->id && !q->thread)
		pthread_join(t->mover, NULL);

	pthread_mutex_lock(&t->lock);
	for (at = &t->first; (io = *at);) {
		if (io->q != q) {
			at = tier_next(io);
			continue;
		}
		*at = *tier_next(io);
		ublk_io_complete(io, -EIO);
	}
	t->last = at;
	pthread_mutex_unlock(&t->lock);
}

/* --- the disk --- */

static int tier_open_map(struct tier *t)
{
	struct stat st;

	t->chunks = (t->size + t->cfg->chunk - 1) / t->cfg->chunk;
	t->map = calloc(t->chunks, 1);
	t->map_fd = open(t->cfg->map, O_RDWR | O_CLOEXEC);
	if (!t->map || t->map_fd < 0 || fstat(t->map_fd, &st) ||
	    (!st.st_size && ftruncate(t->map_fd, t->chunks)) ||
	    pread(t->map_fd, t->map, t->chunks, 0) != (ssize_t)t->chunks)
		return ublk_error(-EINVAL, "tier: %s: no map of these devices",
				  t->cfg->map);
	return ublk_dev_add_store(t->dev, t->cfg->map, t->map_fd);
}

/* The disk is as large as the smaller one, with the larger of their blocks. */
static int tier_open_store(struct tier *t, int i)
{
	struct ublk_params *p = ublk_dev_params(t->dev);
	const char *name = t->cfg->store[i];
	int block = 512;
	__u64 size;

	t->fd[i] = open(name, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (t->fd[i] < 0 || ioctl(t->fd[i], BLKGETSIZE64, &size) ||
	    ioctl(t->fd[i], BLKSSZGET, &block))
		return ublk_error(-errno, "tier: %s: %s", name, strerror(errno));
	if (!i || size < t->size)
		t->size = size;
	while (1 << p->basic.logical_bs_shift < block)
		p->basic.logical_bs_shift++;
	return ublk_dev_add_store(t->dev, name, t->fd[i]);
}

static void tier_free(struct tier *t)
{
	int i;

	for (i = 0; i < STORES; i++)
		close(t->fd[i]);
	close(t->map_fd);
	pthread_cond_destroy(&t->cond);
	pthread_mutex_destroy(&t->lock);
	free(t->map);
	free(t->buf);
	free(t);
}

static int tier_open(struct ublk_dev *dev, void *cfg)
{
	struct ublk_params *p = ublk_dev_params(dev);
	struct tier *t = calloc(1, sizeof(*t));
	int i, ret = 0;

	if (!t)
		return ublk_error(-ENOMEM, "out of memory");
	t->cfg = cfg;
	t->dev = dev;
	t->fd[0] = -1;
	t->fd[1] = -1;
	t->map_fd = -1;
	t->last = &t->first;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->cond, NULL);
	if (t->cfg->chunk & (t->cfg->chunk - 1))
		ret = ublk_error(-EINVAL, "tier: --chunk is no power of 2");
	for (i = 0; i < STORES && !ret; i++)
		ret = tier_open_store(t, i);
	if (!ret)
		ret = tier_open_map(t);
	if (!ret && posix_memalign((void **)&t->buf, 4096, t->cfg->chunk))
		ret = ublk_error(-ENOMEM, "out of memory");
	if (!ret)
		ret = ublk_params_set_size(p, t->size);
	if (ret) {
		tier_free(t);
		return ret;
	}
	p->basic.attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	/* Buffers that every block device accepts. */
	p->types |= UBLK_PARAM_TYPE_DMA_ALIGN;
	p->dma.alignment = 511;
	ublk_dev_want_extents(dev);
	ublk_dev_set_priv(dev, t);
	return 0;
}

static void tier_close(struct ublk_dev *dev)
{
	tier_free(ublk_dev_priv(dev));
}

static const struct ublk_target tier = {
	UBLK_TARGET(),
	.name = "tier", .summary = "chunks that move between two devices",
	.opts = tier_opts, .config_size = sizeof(struct tier_cfg),
	.io_size = sizeof(struct ublk_io *),
	.open = tier_open, .close = tier_close,
	.queue_open = tier_queue_open, .queue_close = tier_queue_close,
	.submit = tier_submit,
};

static const struct ublk_target *const targets[] = { &tier, NULL };

const struct ublk_module ublk_module = { UBLK_VERSION, targets };
