// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The SQEs for requests on a backing store. A flush becomes fdatasync, FUA
 * becomes RWF_DSYNC; discard and write zeroes become hole punching, zeroing or
 * a block discard. Targets call this for each request, in the queue's thread.
 *
 * Block devices: the discard command is new in Linux 6.12, and disks that
 * cannot unmap refuse hole punching. Then the target issues the request a
 * second time, as a fallback, which punches a hole or lets the kernel write
 * zeroes.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>

#include <liburing.h>

#include "file.h"
#include "libublk.h"

static void file_prep_discard(struct file *f, struct io_uring_sqe *sqe, int fd,
			      __u64 pos, __u64 len, bool fallback)
{
	if (f->block && !fallback && !f->no_cmd_discard)
		io_uring_prep_cmd_discard(sqe, fd, pos, len);
	else
		io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE |
					FALLOC_FL_KEEP_SIZE, pos, len);
}

static void file_prep_zero(struct io_uring_sqe *sqe, int fd, __u64 pos,
			   __u64 len, bool keep)
{
	io_uring_prep_fallocate(sqe, fd, FALLOC_FL_KEEP_SIZE |
				(keep ? FALLOC_FL_ZERO_RANGE :
					FALLOC_FL_PUNCH_HOLE), pos, len);
}

static struct io_uring_sqe *file_prep_data(struct file *f, struct ublk_io *io,
					   const struct file_piece *p)
{
	struct io_uring_sqe *sqe;

	if (ublk_io_op(io) == UBLK_IO_OP_READ)
		sqe = ublk_io_prep_read(io, NULL, p->fd, p->pos, p->len,
					p->off);
	else
		sqe = ublk_io_prep_write(io, NULL, p->fd, p->pos, p->len,
					 p->off);
	if (!sqe)
		return NULL;
	if (ublk_io_op(io) == UBLK_IO_OP_WRITE &&
	    io->desc->op_flags & UBLK_IO_F_FUA)
		sqe->rw_flags = RWF_DSYNC;
	/*
	 * io_uring cannot submit without waiting what the disk below has to
	 * split. It would try first, and hand the SQE to an io-wq thread then.
	 */
	if (p->len > f->max_io)
		sqe->flags |= IOSQE_ASYNC;
	return sqe;
}

static struct io_uring_sqe *file_prep_other(struct file *f, struct ublk_io *io,
					    const struct file_piece *p)
{
	struct io_uring_sqe *sqe = ublk_io_sqe(io);

	if (!sqe)
		return NULL;
	switch (ublk_io_op(io)) {
	case UBLK_IO_OP_FLUSH:
		io_uring_prep_fsync(sqe, p->fd, IORING_FSYNC_DATASYNC);
		break;
	case UBLK_IO_OP_DISCARD:
		file_prep_discard(f, sqe, p->fd, p->pos, p->len, p->fallback);
		break;
	default:
		file_prep_zero(sqe, p->fd, p->pos, p->len, p->fallback ||
			       io->desc->op_flags & UBLK_IO_F_NOUNMAP);
	}
	return sqe;
}

struct io_uring_sqe *file_prep(struct file *f, struct ublk_io *io,
			       const struct file_piece *p)
{
	struct io_uring_sqe *sqe = ublk_io_op(io) <= UBLK_IO_OP_WRITE ?
		file_prep_data(f, io, p) : file_prep_other(f, io, p);

	if (sqe)
		sqe->flags |= IOSQE_FIXED_FILE;
	return sqe;
}

bool file_can_fall_back(struct file *f, const struct ublk_io *io, int res)
{
	if (!f->block)
		return false;
	switch (ublk_io_op(io)) {
	case UBLK_IO_OP_DISCARD:
		if (res != -EINVAL && res != -EOPNOTSUPP && res != -ENOTTY)
			return false;
		f->no_cmd_discard = true;
		return true;
	case UBLK_IO_OP_WRITE_ZEROES:
		return res == -EOPNOTSUPP &&
			!(io->desc->op_flags & UBLK_IO_F_NOUNMAP);
	default:
		return false;
	}
}
