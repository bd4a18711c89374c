// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Ask for the parameters of many devices at a time, so that one whose driver
 * does not answer does not delay the others.
 *
 * GET_DEV_INFO2 answers at once, GET_PARAMS waits while another command has the
 * device. So the first is sent for one device after the other (ctrl.c), and
 * then the second for all of them, through a ring of its own. A command that
 * has not completed in time is canceled. It may not end even then, on a driver
 * that waits uninterruptibly: it keeps its buffer, which is not freed.
 */
#include "private.h"

#define QUERY_SQES	64	/* submitted with one system call */

struct query_slot {
	struct ublk_query *query;
	size_t room;			/* for parameters in it */
	char *buf;
	struct ublk_params *params;	/* in buf */
};

/* The kernel starts as many threads as there are commands that wait. */
static int query_init(struct io_uring *ring, unsigned int nr)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQSIZE |
			 IORING_SETUP_CLAMP,
		.cq_entries = nr < QUERY_SQES ? 2 * QUERY_SQES : 2 * nr,
	};
	unsigned int workers[2] = { nr, nr };
	int ret;

	ret = io_uring_queue_init_params(QUERY_SQES, ring, &p);
	if (ret)
		return ublk_error(ret, "io_uring: %s; see the sysctl kernel.io_uring_disabled",
				  strerror(-ret));
	/* not essential */
	io_uring_register_iowq_max_workers(ring, workers);
	return 0;
}

static int query_send(struct ublk_ctrl *ctrl, struct io_uring *ring,
		      struct query_slot *slot)
{
	struct ublk_query *q = slot->query;
	struct io_uring_sqe *sqe;

	q->params_err = -ENOMEM;
	q->info_err = ublk_ctrl_get_info(ctrl, q->id, &q->info);
	if (q->info_err)
		return q->info_err;
	slot->buf = malloc(CTRL_QUERY_BUF);
	if (!slot->buf)
		return -ENOMEM;
	sqe = io_uring_get_sqe(ring);
	if (!sqe) {
		io_uring_submit(ring);
		sqe = io_uring_get_sqe(ring);
	}
	if (!sqe) {
		q->params_err = -EBUSY;
		return -EBUSY;
	}
	slot->params = ctrl_prep_get_params(ctrl, sqe, q->id, slot->buf);
	io_uring_sqe_set_data(sqe, slot);
	q->params_err = -ETIMEDOUT;
	return 0;
}

static void query_done(struct query_slot *slot, int res)
{
	struct ublk_query *q = slot->query;

	q->params_err = res < 0 ? res : 0;
	slot->params->len = slot->room;
	if (res >= 0)
		memcpy(&q->params, slot->params,
		       slot->room < sizeof(q->params) ? slot->room :
		       sizeof(q->params));
	free(slot->buf);
	slot->buf = NULL;
}

static void query_wait(struct io_uring *ring, unsigned int pending,
		       unsigned int ms)
{
	struct __kernel_timespec ts = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L,
	};
	struct io_uring_cqe *cqe;
	int ret;

	while (pending) {
		ret = io_uring_wait_cqe_timeout(ring, &cqe, &ts);
		if (ret == -EINTR)
			continue;
		if (ret)
			return;
		query_done(io_uring_cqe_get_data(cqe), cqe->res);
		io_uring_cqe_seen(ring, cqe);
		pending--;
	}
}

static void query_cancel_all(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		return;
	memset(sqe, 0, 128);
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ALL |
			       IORING_ASYNC_CANCEL_ANY);
	io_uring_submit(ring);
}

int ublk_ctrl_query_size(struct ublk_ctrl *ctrl, struct ublk_query *queries,
			 unsigned int nr, size_t size, unsigned int ms)
{
	const size_t before = offsetof(struct ublk_query, params);
	struct query_slot *slots;
	unsigned int i, pending = 0;
	struct io_uring ring;
	int ret;

	if (size < before + sizeof(queries->params.len))
		return ublk_error(-EINVAL, "built against another libublk");
	slots = calloc(nr ? : 1, sizeof(*slots));
	if (!slots)
		return ublk_error(-ENOMEM, "out of memory");
	ret = query_init(&ring, nr ? : 1);
	if (ret)
		goto out;
	for (i = 0; i < nr; i++) {
		slots[i].query = (void *)((char *)queries + i * size);
		slots[i].room = size - before;
		if (!query_send(ctrl, &ring, &slots[i]))
			pending++;
		else
			free(slots[i].buf);
	}
	io_uring_submit(&ring);
	query_wait(&ring, pending, ms);
	query_cancel_all(&ring);
	io_uring_queue_exit(&ring);
out:
	free(slots);
	return ret;
}
