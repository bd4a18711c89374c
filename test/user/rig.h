/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A target that does what the test says, and devices of it on the mock kernel.
 *
 * Included once by each test program of the library, for its state is here.
 */
#ifndef RIG_H
#define RIG_H

#include <poll.h>

#include "ktap.h"
#include "mock_kernel.h"
#include "private.h"

enum mode {
	INLINE,			/* complete in submit() */
	FOREIGN,		/* complete from another thread */
	HOLD,			/* leave it in tgt.held */
	SQES,			/* as many as the sector number says */
	TWICE,			/* complete two times */
	RING,			/* move data between request and tgt.fd */
	FILL,			/* reads get bytes, writes are remembered */
};

static struct {
	enum mode mode;
	int open_err, queue_open_err;
	int nr_open, nr_close, nr_queue_open, nr_queue_close, nr_done;
	int nr_submit;
	__u64 require;		/* by open() */
	bool zoned;
	bool after;		/* RING: complete after the SQE */
	struct ublk_io *held;
	int done_res;
	int fd;
	int res;		/* FILL: result instead of the length */
	__u64 lba;		/* of zone appends */
	unsigned char seen[MOCK_DATA];
	void *seen_buf;
	bool seen_null;
} tgt;

static inline int t_open(struct ublk_dev *dev, void *cfg)
{
	(void)cfg;
	if (tgt.open_err)
		return ublk_error(tgt.open_err, "t_open");
	tgt.nr_open++;
	ublk_dev_require(dev, tgt.require);
	if (ublk_dev_info(dev)->flags & (UBLK_F_USER_COPY | UBLK_F_BATCH_IO |
					 UBLK_F_AUTO_BUF_REG))
		abort();	/* not chosen yet */
	if (tgt.zoned) {
		struct ublk_params *p = ublk_dev_params(dev);

		p->types |= UBLK_PARAM_TYPE_ZONED;
		p->basic.chunk_sectors = 256;
		p->zoned.max_zone_append_sectors = 128;
	}
	return ublk_params_set_size(ublk_dev_params(dev), 1 << 20);
}

static inline void t_close(struct ublk_dev *dev)
{
	(void)dev;
	tgt.nr_close++;
}

static inline int t_queue_open(struct ublk_queue *q)
{
	(void)q;
	if (tgt.queue_open_err)
		return ublk_error(tgt.queue_open_err, "t_queue_open");
	__atomic_add_fetch(&tgt.nr_queue_open, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static inline void t_queue_close(struct ublk_queue *q)
{
	(void)q;
	__atomic_add_fetch(&tgt.nr_queue_close, 1, __ATOMIC_SEQ_CST);
}

static inline void *t_foreign(void *arg)
{
	struct ublk_io *io = arg;

	ublk_io_complete(io, io->desc->nr_sectors << 9);
	return NULL;
}

static inline void t_sqes(struct ublk_io *io)
{
	static const int results[] = { 512, 1024, -ENOSPC, -EIO, 512 };
	unsigned int i, nr = io->desc->start_sector;

	for (i = 0; i < nr; i++) {
		struct io_uring_sqe *sqe = ublk_io_sqe(io);

		io_uring_prep_nop(sqe);
		/* the mock answers with it */
		sqe->nop_flags = results[i];
	}
}

static inline void t_ring(struct ublk_queue *q, struct ublk_io *io)
{
	struct io_uring_sqe *sqe = ublk_io_sqe(io);
	__u64 pos = io->desc->start_sector << 9;
	__u32 len = io->desc->nr_sectors << 9;

	if (ublk_io_op(io) == UBLK_IO_OP_READ)
		ublk_io_prep_read(io, sqe, (intptr_t)q->priv, pos, len, 0);
	else
		ublk_io_prep_write(io, sqe, (intptr_t)q->priv, pos, len, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	if (tgt.after)
		ublk_io_complete_after(io, sqe, len);
}

static inline int t_ring_open(struct ublk_queue *q)
{
	int slot = ublk_queue_fixed_fd(q, tgt.fd);

	q->priv = (void *)(intptr_t)slot;
	return slot < 0 ? slot : t_queue_open(q);
}

/* Every byte of a read is the number of its sector. */
static inline void t_fill(struct ublk_io *io)
{
	unsigned int op = ublk_io_op(io), i;
	__u32 len = io->desc->nr_sectors << 9;

	tgt.seen_buf = io->buf;
	if (op == UBLK_IO_OP_READ || op == UBLK_IO_OP_REPORT_ZONES)
		for (i = 0; i < len; i++)
			((char *)io->buf)[i] = io->desc->start_sector + i / 512;
	else
		memcpy(tgt.seen, io->buf, len);
	if (op == UBLK_IO_OP_ZONE_APPEND)
		ublk_io_set_zone_lba(io, tgt.lba);
	ublk_io_complete(io, tgt.res ? tgt.res : (int)len);
}

static inline void t_submit(struct ublk_queue *q, struct ublk_io *io)
{
	pthread_t thread;

	__atomic_add_fetch(&tgt.nr_submit, 1, __ATOMIC_RELAXED);
	if (!io->buf)
		tgt.seen_null = true;
	switch (tgt.mode) {
	case INLINE:
		ublk_io_complete(io, io->desc->nr_sectors << 9);
		break;
	case FOREIGN:
		pthread_create(&thread, NULL, t_foreign, io);
		pthread_detach(thread);
		break;
	case HOLD:
		__atomic_store_n(&tgt.held, io, __ATOMIC_RELEASE);
		break;
	case SQES:
		t_sqes(io);
		break;
	case TWICE:
		ublk_io_complete(io, 512);
		ublk_io_complete(io, 512);
		break;
	case RING:
		t_ring(q, io);
		break;
	case FILL:
		t_fill(io);
		break;
	}
}

static inline void t_done(struct ublk_queue *q, struct ublk_io *io, int res)
{
	(void)q;
	tgt.nr_done++;
	tgt.done_res = res;
	ublk_io_complete(io, res);
}

static const struct ublk_target with_done = {
	UBLK_TARGET(), .name = "test", .open = t_open, .close = t_close,
	.queue_open = t_queue_open, .queue_close = t_queue_close,
	.submit = t_submit, .done = t_done, .io_size = 24,
};

/* Moves data by SQEs only. */
static const struct ublk_target by_ring __attribute__((unused)) = {
	UBLK_TARGET(), .name = "ring", .open = t_open, .close = t_close,
	.queue_open = t_ring_open, .queue_close = t_queue_close,
	.submit = t_submit, .flags = UBLK_TARGET_RING_DATA,
};

/* The same, and is told how it went. */
static const struct ublk_target by_ring_done __attribute__((unused)) = {
	UBLK_TARGET(), .name = "ring", .open = t_open, .close = t_close,
	.queue_open = t_ring_open, .queue_close = t_queue_close,
	.submit = t_submit, .done = t_done, .flags = UBLK_TARGET_RING_DATA,
};

/* ---- devices ------------------------------------------------------------ */

static struct ublk_dev_opts opts;

static inline void reset(void)
{
	mock_reset();
	memset(&tgt, 0, sizeof(tgt));
	opts = (struct ublk_dev_opts){
		.struct_size = sizeof(opts), .id = UBLK_ID_AUTO,
		.nr_queues = 1, .depth = 8, .io_buf_bytes = 65536,
	};
}

static inline struct ublk_dev *up_to_configured(const struct ublk_target *t)
{
	struct ublk_dev *dev = NULL;

	ktap_eq(ublk_dev_new(&dev, &opts, t, NULL), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), 0);
	return dev;
}

static inline struct ublk_dev *up(const struct ublk_target *t)
{
	struct ublk_dev *dev = up_to_configured(t);

	ktap_eq(ublk_dev_start(dev), 0);
	return dev;
}

static inline void down(struct ublk_dev *dev)
{
	ktap_eq(ublk_dev_stop(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	ktap_eq(mock_device_exists(), 0);
	ktap_eq(mock_nr_foreign(), 0);
	ktap_eq(mock_nr_stop_hangs(), 0);
	ktap_eq(tgt.nr_queue_open, tgt.nr_queue_close);
}

static inline bool wait_event(struct ublk_dev *dev)
{
	struct pollfd p = { ublk_dev_event_fd(dev), POLLIN, 0 };

	return poll(&p, 1, 2000) == 1;
}

static inline void quiet_log(enum ublk_log_level level, const char *msg)
{
	(void)level;
	(void)msg;
}

#endif
