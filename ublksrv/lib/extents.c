// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Extents: the driver passes IO to the backings of a target (extensions.rst).
 *
 * SET_EXTENTS completes when no IO uses what it has replaced, which may take as long
 * as the backing needs. So each call has a ring of its own and blocks only its
 * thread. Backings are registered as files are, in redirect.c.
 */
#include "private.h"

/* Submit one command and wait for its result. */
static int extents_send(struct io_uring *ring, int char_fd,
			const struct ublk_extents_cmd *c)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	unsigned int head;
	int ret;

	io_uring_initialize_sqe(sqe);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = char_fd;
	sqe->cmd_op = UBLK_U_IO_SET_EXTENTS;
	*(struct ublk_extents_cmd *)sqe->cmd = *c;
	do {
		ret = io_uring_submit_and_wait(ring, 1);
		io_uring_for_each_cqe(ring, head, cqe)
			return cqe->res;
	} while (ret >= 0 || ret == -EINTR);
	return ret;
}

int ublk_dev_set_extents(struct ublk_dev *dev, const struct ublk_extent_elem *extents,
			 unsigned int nr)
{
	struct ublk_extents_cmd c = {
		.nr = nr,
		.addr = (uintptr_t)extents,
	};
	struct io_uring_params p = { 0 };
	struct io_uring ring;
	int ret;

	if (!(dev->info.flags & UBLK_F_EXTENTS))
		return -EOPNOTSUPP;
	ret = io_uring_queue_init_params(2, &ring, &p);
	if (ret)
		return ret;
	ret = extents_send(&ring, dev->char_fd, &c);
	io_uring_queue_exit(&ring);
	return ret;
}
