// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The SQEs for requests on a backing store. A flush becomes fdatasync, FUA
 * becomes RWF_DSYNC; discard and write zeroes become hole punching, zeroing or
 * a block discard. Targets call this for each request, in the queue's thread.
 *
 * Not every kernel, file system and disk can do discard and write zeroes in the
 * same way: tmpfs has no FALLOC_FL_ZERO_RANGE, the discard command is new in
 * Linux 6.12, and disks that cannot unmap refuse hole punching. file_ways lists
 * the ways to do each, best first. The target issues a request that fails with
 * EOPNOTSUPP once more in the next way, so the driver never sees that error
 * (and the kernel log has no line of it), and later requests begin there.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>

#include <liburing.h>

#include "file.h"
#include "libublk.h"

enum file_way {
	WAY_NONE,
	WAY_DISCARD,		/* the block device's discard command */
	WAY_PUNCH,
	WAY_ZERO,
	WAY_PUNCH_ALLOC,	/* punch a hole, then allocate its space */
};

#define FILE_NR_WAYS	3

/* [on a block device], the last way is followed by WAY_NONE. */
static const unsigned char file_ways[2][FILE_NR_CHAINS][FILE_NR_WAYS + 1] = {
	[false] = {
		[FILE_DISCARD]	 = { WAY_PUNCH },
		[FILE_ZERO]	 = { WAY_PUNCH, WAY_ZERO },
		[FILE_ZERO_KEEP] = { WAY_ZERO, WAY_PUNCH_ALLOC, WAY_PUNCH },
	},
	[true] = {
		[FILE_DISCARD]	 = { WAY_DISCARD, WAY_PUNCH },
		[FILE_ZERO]	 = { WAY_PUNCH, WAY_ZERO },
		[FILE_ZERO_KEEP] = { WAY_ZERO },
	},
};

static enum file_chain file_chain_of(const struct ublk_io *io)
{
	if (ublk_io_op(io) == UBLK_IO_OP_DISCARD)
		return FILE_DISCARD;
	return io->desc->op_flags & UBLK_IO_F_NOUNMAP ? FILE_ZERO_KEEP :
		FILE_ZERO;
}

static bool file_has_ways(const struct ublk_io *io)
{
	return ublk_io_op(io) == UBLK_IO_OP_DISCARD ||
		ublk_io_op(io) == UBLK_IO_OP_WRITE_ZEROES;
}

/* The ways of the members of a stripe differ: a short list ends with its last. */
static enum file_way file_way_of(const struct file *f, const struct ublk_io *io,
				 unsigned char way)
{
	const unsigned char *ways = file_ways[f->block][file_chain_of(io)];

	while (way && !ways[way])
		way--;
	return ways[way];
}

static struct io_uring_sqe *file_prep_way(struct io_uring_sqe *sqe,
					  struct ublk_io *io,
					  enum file_way way,
					  const struct file_piece *p)
{
	int mode = FALLOC_FL_KEEP_SIZE;

	if (way == WAY_DISCARD) {
		io_uring_prep_cmd_discard(sqe, p->fd, p->pos, p->len);
		return sqe;
	}
	mode |= way == WAY_ZERO ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE;
	io_uring_prep_fallocate(sqe, p->fd, mode, p->pos, p->len);
	if (way != WAY_PUNCH_ALLOC)
		return sqe;
	/* without a link the allocation could come first */
	sqe->flags |= IOSQE_FIXED_FILE | IOSQE_IO_LINK;
	sqe = ublk_io_sqe(io);
	if (sqe)
		io_uring_prep_fallocate(sqe, p->fd, FALLOC_FL_KEEP_SIZE,
					p->pos, p->len);
	return sqe;
}

static void file_prep_data(const struct file *f, struct ublk_io *io,
			   struct io_uring_sqe *sqe, const struct file_piece *p)
{
	if (ublk_io_op(io) == UBLK_IO_OP_READ) {
		ublk_io_prep_read(io, sqe, p->fd, p->pos, p->len, p->off);
	} else {
		ublk_io_prep_write(io, sqe, p->fd, p->pos, p->len, p->off);
		if (io->desc->op_flags & UBLK_IO_F_FUA)
			sqe->rw_flags = RWF_DSYNC;
	}
	/*
	 * io_uring cannot submit without waiting what the disk below has to
	 * split. It would try first, and hand the SQE to an io-wq thread then.
	 */
	if (p->len > f->max_io)
		sqe->flags |= IOSQE_ASYNC;
}

static struct io_uring_sqe *file_prep_other(struct file *f, struct ublk_io *io,
					    struct io_uring_sqe *sqe,
					    const struct file_piece *p)
{
	if (file_has_ways(io))
		return file_prep_way(sqe, io, file_way_of(f, io, p->way), p);
	io_uring_prep_fsync(sqe, p->fd, IORING_FSYNC_DATASYNC);
	return sqe;
}

struct io_uring_sqe *file_prep(struct file *f, struct ublk_io *io,
			       const struct file_piece *p)
{
	struct io_uring_sqe *sqe = ublk_io_sqe(io);

	if (!sqe)
		return NULL;
	if (ublk_io_op(io) <= UBLK_IO_OP_WRITE)
		file_prep_data(f, io, sqe, p);
	else
		sqe = file_prep_other(f, io, sqe, p);
	if (sqe)
		sqe->flags |= IOSQE_FIXED_FILE;
	return sqe;
}

unsigned char file_first_way(const struct file *f, const struct ublk_io *io)
{
	return file_has_ways(io) ? f->first[file_chain_of(io)] : 0;
}

static bool file_not_supported(const struct ublk_io *io, int res)
{
	if (res == -EOPNOTSUPP)
		return true;
	/* of a discard command that the kernel or the disk does not know */
	return ublk_io_op(io) == UBLK_IO_OP_DISCARD &&
		(res == -EINVAL || res == -ENOTTY);
}

bool file_next_way(struct file *f, const struct ublk_io *io, int res,
		   unsigned char *way)
{
	const unsigned char *ways;
	atomic_uchar *first;

	if (!file_has_ways(io) || !file_not_supported(io, res))
		return false;
	ways = file_ways[f->block][file_chain_of(io)];
	if (!ways[*way] || !ways[*way + 1])
		return false;
	first = &f->first[file_chain_of(io)];
	++*way;
	if (*first < *way)
		*first = *way;
	return true;
}

/* To discard is a hint, which a store that cannot do it may ignore. */
int file_end(const struct ublk_io *io, int res)
{
	if (ublk_io_op(io) == UBLK_IO_OP_DISCARD && res == -EOPNOTSUPP)
		return 0;
	return res;
}
