// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Redirected requests: the driver serves them from a file of the target
 * (extensions.rst).
 *
 * redirect_deliver() asks the target for the place of a read or write. tag.c or
 * batch.c tells the driver, and the request is the driver's. If the driver refuses
 * the place, the request is served as on a device without redirection.
 *
 * The files are registered with the device. Each thread opens the target's part of
 * its queue, so dev->redirect_fds says which descriptors are registered already.
 */
#include "private.h"
#include "stat.h"

void redirect_deliver(struct ublk_queue *q, struct ublk_io *pub)
{
	struct worker *w = to_queue(q)->worker;
	struct ublk_place place;

	if (likely(ublk_io_op(pub) <= UBLK_IO_OP_WRITE) &&
	    likely(q->dev->own.place(q, pub, &place)))
		w->redirect(w, to_io(pub), &place);
	else
		w->serve(q, pub);
}

/* The driver has not taken the request. */
void redirect_refused(struct worker *w, struct io *io, int res)
{
	if (!w->redirect_told)
		ublk_log(UBLK_LOG_WARN, "dev %u: queue %u: driver does not redirect a request: %s; the daemon serves such requests itself",
			 w->dev->info.dev_id, io->id.q_id, strerror(-res));
	w->redirect_told = true;
	/* counted when it was sent to the driver */
	stat_unlinked(w, io);
	io->pub.lib = IO_LENT;
	w->serve(io->pub.q, &io->pub);
}

/* Send REGISTER_FILE on a ring with nothing else on it, and wait for its CQE. */
static int redirect_register(struct worker *w, unsigned int index, int fd)
{
	struct io_uring_sqe *sqe = ring_sqe(w);
	struct ublk_file_cmd *cmd;
	struct io_uring_cqe *cqe;
	unsigned int head;
	int ret;

	if (!sqe)
		return w->fatal;
	io_uring_initialize_sqe(sqe);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->cmd_op = UBLK_U_IO_REGISTER_FILE;
	sqe->user_data = UD_FILE;
	cmd = (struct ublk_file_cmd *)sqe->cmd;
	*cmd = (struct ublk_file_cmd){ .index = index, .fd = fd };
	ret = io_uring_submit_and_wait(&w->ring, 1);
	if (ret < 0)
		return ret;
	ret = -EIO;
	io_uring_for_each_cqe(&w->ring, head, cqe)
		ret = cqe->res;
	io_uring_cq_advance(&w->ring, 1);
	return ret;
}

static int redirect_add(struct worker *w, int fd)
{
	struct ublk_dev *dev = w->dev;
	unsigned int i;
	int ret;

	for (i = 0; i < dev->nr_redirect_fds; i++) {
		if (dev->redirect_fds[i] == fd)
			return i;
	}
	if (i == UBLK_MAX_FILES)
		return -ENFILE;
	ret = redirect_register(w, i, fd);
	if (ret < 0)
		return ret;
	dev->redirect_fds[dev->nr_redirect_fds++] = fd;
	return i;
}

int ublk_queue_redirect_file(struct ublk_queue *q, int fd)
{
	struct worker *w = to_queue(q)->worker;
	int ret;

	if (!(q->dev->info.flags & (UBLK_F_REDIRECT | UBLK_F_EXTENTS)))
		return -EOPNOTSUPP;
	pthread_mutex_lock(&q->dev->lock);
	ret = redirect_add(w, fd);
	pthread_mutex_unlock(&q->dev->lock);
	return ret;
}
