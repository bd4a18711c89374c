// SPDX-License-Identifier: GPL-2.0
/*
 * User copy: pread and pwrite on the char node move a request's data.
 *
 * The file position names queue, tag and byte (logic/pos.h). Any task that
 * holds the descriptor may copy while the server has the request. It takes a
 * reference, so that the request does not end under the copy (D-154); only the
 * tag's daemon task needs none, as it cannot commit meanwhile.
 *
 * Nothing here waits except for page faults, so io_uring executes its reads and
 * writes inline, with the ring's lock held. One that would fault goes to a
 * worker, as the memory may be on a disk of this very server.
 */
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "ublk.h"

/* pwrite fills the data of a read, pread fetches that of a write. */
static bool ublk_usercopy_direction_ok(const struct request *req,
				       bool to_server)
{
	switch (req_op(req)) {
	case REQ_OP_READ:
	case REQ_OP_DRV_IN:
		return !to_server;
	case REQ_OP_WRITE:
	case REQ_OP_ZONE_APPEND:
		return to_server;
	default:
		return false;
	}
}

static size_t ublk_usercopy_move(const struct request *req,
				 struct ublk_pos pos, struct iov_iter *iter,
				 bool to_server)
{
	if (pos.integrity)
		return ublk_integrity_copy(req, pos.off, iter, to_server);
	return ublk_copy_iter(req, pos.off, iter, to_server);
}

/* The caller holds the request (D-147 to D-149). */
static ssize_t ublk_usercopy_request(const struct request *req,
				     struct ublk_pos pos, struct iov_iter *iter,
				     bool to_server, bool nowait)
{
	int len = pos.integrity ? ublk_integrity_len(req) : blk_rq_bytes(req);
	size_t want, done;

	if (len < 0)
		return len;
	if (pos.off > len)
		return -EINVAL;
	if (!ublk_usercopy_direction_ok(req, to_server))
		return -EACCES;
	if (!nowait)
		return ublk_usercopy_move(req, pos, iter, to_server);

	want = min_t(size_t, len - pos.off, iov_iter_count(iter));
	pagefault_disable();
	done = ublk_usercopy_move(req, pos, iter, to_server);
	pagefault_enable();
	return done < want ? -EAGAIN : done;
}

/* The order of the checks is part of the ABI (D-140 to D-146). */
static ssize_t ublk_usercopy(struct kiocb *iocb, struct iov_iter *iter,
			     bool to_server)
{
	struct ublk_device *ub = iocb->ki_filp->private_data;
	struct ublk_pos pos = ublk_pos_decode(iocb->ki_pos);
	bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	struct ublk_queue *q;
	struct ublk_io *io;
	ssize_t ret;

	if (!user_backed_iter(iter))
		return -EACCES;
	if (READ_ONCE(ub->state) == UBLK_S_DEV_DEAD)
		return -EACCES;
	ret = ublk_pos_check(pos, ub->info.flags, ub->info.nr_hw_queues,
			     ub->info.queue_depth);
	if (ret)
		return ret;
	q = ub->queues[array_index_nospec(pos.qid, ub->info.nr_hw_queues)];
	io = &q->io[array_index_nospec(pos.tag, q->depth)];

	if (ublk_io_is_daemon(io)) {
		if (READ_ONCE(io->state) != UBLK_TAG_SERVER || !atomic_read(&io->refs))
			return -EINVAL;
		return ublk_usercopy_request(io->req, pos, iter, to_server,
					     nowait);
	}

	if (!ublk_buf_get(io))
		return -EINVAL;
	ret = ublk_usercopy_request(io->req, pos, iter, to_server, nowait);
	ublk_buf_put(io);
	return ret;
}

/*
 * From the request to the server, in any task; may fault and sleep. Returns the
 * bytes copied, fewer at the end of the data or on a fault; -EACCES or -EINVAL
 * (D-140 to D-148); -EAGAIN if IOCB_NOWAIT is set and the copy would fault.
 */
ssize_t ublk_usercopy_read(struct kiocb *iocb, struct iov_iter *iter)
{
	return ublk_usercopy(iocb, iter, true);
}

/* From the server to the request; the rest is as for ublk_usercopy_read(). */
ssize_t ublk_usercopy_write(struct kiocb *iocb, struct iov_iter *iter)
{
	return ublk_usercopy(iocb, iter, false);
}
