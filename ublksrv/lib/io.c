// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Functions that a target calls between submit() and the end of a request.
 *
 * Targets call ublk_io_complete() and the integrity functions from any thread,
 * the others from the thread of the request's queue. worker->commit sends a
 * result to the driver; mode_set_up() chose it, so nothing here tests the mode.
 * If io->buf is NULL, the data is in the ring's buffer table.
 */
#include <unistd.h>

#include "logic/pos.h"

#include "private.h"
#include "stat.h"

static __attribute__((noinline)) int io_complete_foreign(struct worker *w,
							 struct io *io, int res)
{
	int ret = offload_push(w, io, res);

	return ret == -ECANCELED ? lent_return(io) : ret;
}

int ublk_io_complete(struct ublk_io *pub, int res)
{
	struct worker *w = to_queue(pub->q)->worker;

	if (unlikely(w != worker_self))
		return io_complete_foreign(w, to_io(pub), res);
	w->commit(w, to_io(pub), res);
	return 0;
}

struct io_uring_sqe *ublk_io_sqe(struct ublk_io *pub)
{
	struct io *io = to_io(pub);
	struct io_uring_sqe *sqe = ring_sqe(to_queue(pub->q)->worker);

	if (unlikely(!sqe))
		return NULL;
	io_uring_initialize_sqe(sqe);
	sqe->user_data = (uintptr_t)io | UD_BACKEND;
	io->pending++;
	return sqe;
}

/* An SQE of this request has completed. */
void io_on_backend(struct worker *w, struct io *io, int res)
{
	/* the sum of what was done, or the first error */
	if (unlikely(res < 0 || io->sum < 0)) {
		if (io->sum >= 0)
			io->sum = res;
	} else {
		io->sum += res;
	}
	if (--io->pending)
		return;

	res = io->sum;
	io->sum = 0;
	if (w->done)
		w->done(io->pub.q, &io->pub, res);
	else
		w->commit(w, io, res);
}

/*
 * @sqe is the last one in the SQ. Link the commit to it: io_uring starts the
 * commit when the SQE has succeeded, and posts no CQE for the SQE. An SQE that
 * fails or is short breaks the link: it has a CQE, and io_uring cancels the
 * commit without one, because IOSQE_CQE_SKIP_SUCCESS is set.
 */
void ublk_io_complete_after(struct ublk_io *pub, struct io_uring_sqe *sqe,
			    int res)
{
	struct worker *w = to_queue(pub->q)->worker;
	struct io_uring_sq *sq = &w->ring.sq;
	struct io *io = to_io(pub);

	/* a chain is submitted as a whole, so the SQ needs room for it */
	if (!w->link || pub->lib & IO_REGISTERED || stat_samples(w) ||
	    sq->sqe_tail - *(volatile unsigned int *)sq->khead >=
	    sq->ring_entries)
		return;
	sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = (uintptr_t)io | UD_LINKED;
	io->pending = 0;
	w->link(w, io, res);
	stat_linked(w, io);
}

/* A linked SQE failed or was short: the target goes on with the request. */
void io_on_linked(struct worker *w, struct io *io, int res)
{
	if (w->batch)
		batch_unlinked(w);
	stat_unlinked(w, io);
	io->pub.lib = IO_LENT;
	if (w->done)
		w->done(io->pub.q, &io->pub, res);
	else
		w->commit(w, io, res);
}

/* A registered buffer begins at address 0 (D-120). */
static inline void io_fill(const struct ublk_io *io, struct io_uring_sqe *sqe,
			   unsigned int op, unsigned int op_fixed, int fd,
			   __u64 pos, __u32 len, __u32 off)
{
	if (io->buf) {
		io_uring_prep_rw(op, sqe, fd, (char *)io->buf + off, len, pos);
	} else {
		io_uring_prep_rw(op_fixed, sqe, fd, (void *)(uintptr_t)off,
				 len, pos);
		sqe->buf_index = io->slot;
	}
}

struct io_uring_sqe *ublk_io_prep_read(struct ublk_io *io,
				       struct io_uring_sqe *sqe, int fd,
				       __u64 pos, __u32 len, __u32 off)
{
	if (!sqe) {
		sqe = ublk_io_sqe(io);
		return sqe ? ublk_io_prep_read(io, sqe, fd, pos, len, off) : NULL;
	}
	io_fill(io, sqe, IORING_OP_READ, IORING_OP_READ_FIXED, fd, pos, len, off);
	return sqe;
}

struct io_uring_sqe *ublk_io_prep_write(struct ublk_io *io,
					struct io_uring_sqe *sqe, int fd,
					__u64 pos, __u32 len, __u32 off)
{
	if (!sqe) {
		sqe = ublk_io_sqe(io);
		return sqe ? ublk_io_prep_write(io, sqe, fd, pos, len, off) : NULL;
	}
	io_fill(io, sqe, IORING_OP_WRITE, IORING_OP_WRITE_FIXED, fd, pos, len, off);
	return sqe;
}

void ublk_io_set_zone_lba(struct ublk_io *pub, __u64 sector)
{
	to_io(pub)->addr = sector;
}

/*
 * In the worker's thread the char device is open. In another one it is while
 * that thread holds the lock and the worker is in its loop.
 */
static int io_integrity(const struct ublk_io *io, bool in, void *buf,
			__u32 len, __u32 off)
{
	struct worker *w = to_queue(io->q)->worker;
	__u64 pos = ublk_pos_encode(io->q->id, io->tag, off) |
		UBLKSRV_IO_INTEGRITY_FLAG;
	bool locks = w != worker_self;
	ssize_t ret = -ECANCELED;

	if (locks)
		pthread_mutex_lock(&w->done_lock);
	if (!locks || !w->closed) {
		int fd = w->dev->char_fd;

		ret = in ? pread(fd, buf, len, pos) : pwrite(fd, buf, len, pos);
		if (ret < 0)
			ret = -errno;
	}
	if (locks)
		pthread_mutex_unlock(&w->done_lock);
	return ret;
}

int ublk_io_read_integrity(const struct ublk_io *io, void *buf, __u32 len,
			   __u32 off)
{
	return io_integrity(io, true, buf, len, off);
}

int ublk_io_write_integrity(const struct ublk_io *io, const void *buf,
			    __u32 len, __u32 off)
{
	return io_integrity(io, false, (void *)(uintptr_t)buf, len, off);
}
