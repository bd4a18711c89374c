// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * User copy: the library moves the data between the request and io->buf by
 * pread() and pwrite() on the char device (data.rst section 12).
 *
 * copy_deliver() runs before the target's submit(), copy_commit() before the
 * command that ends the request, both in the queue's thread. The calls are
 * synchronous: if the driver has no nonblocking path, io_uring runs such a
 * transfer in an io-wq thread, at many times the cost.
 */
#include <unistd.h>

#include "logic/pos.h"

#include "private.h"

/* Move @len bytes. Return: 0 or negative errno */
static int copy_move(struct io *io, bool in, __u32 len)
{
	int fd = io->pub.q->dev->char_fd;
	__u32 done = 0;
	ssize_t ret;

	while (done < len) {
		__u64 pos = ublk_pos_encode(io->pub.q->id, io->pub.tag, done);
		char *at = (char *)io->pub.buf + done;

		ret = in ? pread(fd, at, len - done, pos) :
			pwrite(fd, at, len - done, pos);
		if (ret <= 0 && !(ret < 0 && errno == EINTR))
			return ret ? -errno : -EIO;
		if (ret > 0)
			done += ret;
	}
	return 0;
}

void copy_deliver(struct ublk_queue *q, struct ublk_io *pub)
{
	unsigned int op = ublk_io_op(pub);
	struct worker *w = to_queue(q)->worker;
	int ret = 0;

	if (unlikely(buf_is_long(pub)))
		buf_use_huge(to_queue(q), pub);
	if ((op == UBLK_IO_OP_WRITE || op == UBLK_IO_OP_ZONE_APPEND) &&
	    !(pub->desc->op_flags & UBLK_IO_F_SHMEM_ZC))
		ret = copy_move(to_io(pub), true, pub->desc->nr_sectors << 9);
	if (unlikely(ret))
		w->send(w, to_io(pub), ret);
	else
		w->submit(q, pub);
}

void copy_commit(struct worker *w, struct io *io, int res)
{
	unsigned int op = ublk_io_op(&io->pub);
	int ret;

	if (op == UBLK_IO_OP_READ || op == UBLK_IO_OP_REPORT_ZONES) {
		ret = res > 0 && !(io->pub.desc->op_flags & UBLK_IO_F_SHMEM_ZC) ?
			copy_move(io, false, res) : 0;
		if (unlikely(ret))
			res = ret;
	}
	w->send(w, io, res);
}
