// SPDX-License-Identifier: GPL-2.0
/*
 * The mock kernel's driver, batch commands: prepare, commit, and fetch with
 * provided buffers. Formats are judged by the driver's own logic/elem.h.
 */
#include <errno.h>

#include "logic/elem.h"

#include "mock.h"

#ifndef IORING_URING_CMD_MULTISHOT
#define IORING_URING_CMD_MULTISHOT	(1U << 1)
#endif

/* Fetch commands, the oldest first; the first one of a queue gets the work. */
static struct fetch {
	struct mock_ring *ring;
	__u64 user_data;
	unsigned int qid;
} fetches[MOCK_FETCHES];
static unsigned int nr_fetches;

/* Tags that wait for delivery. */
static __u16 fifo[MOCK_QUEUES][MOCK_DEPTH];
static unsigned int nr_fifo[MOCK_QUEUES];
static bool canceled;

void mock_batch_reset(void)
{
	nr_fetches = 0;
	memset(nr_fifo, 0, sizeof(nr_fifo));
	canceled = false;
}

static void mock_fetch_remove(struct fetch *f)
{
	memmove(f, f + 1, (char *)&fetches[nr_fetches] - (char *)(f + 1));
	nr_fetches--;
}

static struct fetch *mock_fetch_find(unsigned int qid)
{
	unsigned int i;

	for (i = 0; i < nr_fetches; i++)
		if (fetches[i].qid == qid)
			return &fetches[i];
	return NULL;
}

void mock_batch_ring_gone(struct mock_ring *m)
{
	unsigned int i;

	for (i = nr_fetches; i-- > 0;)
		if (fetches[i].ring == m)
			mock_fetch_remove(&fetches[i]);
}

void mock_batch_cancel(void)
{
	while (nr_fetches) {
		mock_post(fetches[0].ring, fetches[0].user_data,
			  UBLK_IO_RES_ABORT, 0);
		mock_fetch_remove(&fetches[0]);
	}
	canceled = true;
}

/* Hand out what waits, in one CQE per buffer; without a buffer ENOBUFS. */
static void mock_deliver(unsigned int qid)
{
	struct fetch *f = mock_fetch_find(qid);

	while (f && nr_fifo[qid] && !mock.hold) {
		struct mock_ring *m = f->ring;
		struct io_uring_buf *buf;
		__u16 *tags;
		unsigned int nr = 0, i;

		if (mock.enobufs || m->buf_head ==
		    __atomic_load_n(&m->bufs->tail, __ATOMIC_ACQUIRE)) {
			if (mock.enobufs)
				mock.enobufs--;
			mock_post(m, f->user_data, -ENOBUFS, 0);
			mock_fetch_remove(f);
			return;
		}
		buf = &m->bufs->bufs[m->buf_head & m->buf_mask];
		tags = (void *)(uintptr_t)buf->addr;
		for (i = 0; i < nr_fifo[qid] && i < buf->len / 2; i++)
			if (mock_take(m, qid, fifo[qid][i]))
				tags[nr++] = fifo[qid][i];
		memmove(fifo[qid], fifo[qid] + i,
			(nr_fifo[qid] - i) * sizeof(__u16));
		nr_fifo[qid] -= i;
		if (!nr)
			continue;
		m->buf_head = (__u16)(m->buf_head + 1);
		mock_post(m, f->user_data, nr * sizeof(__u16),
			  IORING_CQE_F_MORE | IORING_CQE_F_BUFFER |
			  buf->bid << IORING_CQE_BUFFER_SHIFT);
	}
}

void mock_batch_queue(unsigned int qid, unsigned int tag)
{
	fifo[qid][nr_fifo[qid]++] = tag;
	mock_deliver(qid);
}

void mock_release(void)
{
	unsigned int q;

	pthread_mutex_lock(&mock_lock);
	mock.hold = false;
	for (q = 0; q < mock_dev.nr_hw_queues; q++)
		mock_deliver(q);
	pthread_mutex_unlock(&mock_lock);
}

static int mock_batch_fetch(struct mock_ring *m, const struct io_uring_sqe *sqe,
			    const struct ublk_batch_io *bio)
{
	bool multishot = sqe->uring_cmd_flags & IORING_URING_CMD_MULTISHOT;
	int ret = ublk_elem_check_fetch(bio, multishot, mock_dev.nr_hw_queues);

	if (!ret && (!(sqe->flags & IOSQE_BUFFER_SELECT) || sqe->buf_group))
		ret = -EINVAL;
	if (ret || mock.fetch)
		return ret ? ret : -mock.fetch;
	if (canceled)
		return UBLK_IO_RES_ABORT;
	mock_count.fetches++;
	fetches[nr_fetches++] = (struct fetch){
		.ring = m, .user_data = sqe->user_data, .qid = bio->q_id,
	};
	mock_deliver(bio->q_id);
	return MOCK_PENDING;
}

static int mock_batch_elem(struct mock_ring *m, const struct ublk_elem *elem,
			   const struct ublk_batch_io *bio, bool prep)
{
	struct mock_tag *tag;
	int ret;

	if (elem->tag >= mock_dev.queue_depth)
		return -EINVAL;
	tag = &mock_tags[bio->q_id][elem->tag];
	ret = ublk_elem_check_buf(elem, mock_dev.flags);
	if (ret)
		return ret;
	if (prep) {
		ret = ublk_tag_next(tag->state, UBLK_EV_FETCH);
		if (ret < 0)
			return ret;
		tag->state = ret;
		tag->ring = m;
	} else {
		ret = mock_tag_commit(m, tag, elem->result);
		if (ret != MOCK_PENDING)
			return ret;
	}
	tag->addr = bio->flags & UBLK_BATCH_F_HAS_ZONE_LBA ? elem->zone_lba :
		elem->buf_addr;
	tag->word = elem->buf_index |
		(bio->flags & UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK ?
		 UBLK_AUTO_BUF_REG_FALLBACK << 16 : 0);
	return 0;
}

/* PREP and COMMIT: the result counts bytes of elements, or is the error. */
static int mock_batch_elems(struct mock_ring *m, const struct io_uring_sqe *sqe,
			    const struct ublk_batch_io *bio, bool prep)
{
	const char *pos = (const void *)(uintptr_t)sqe->addr;
	unsigned int i, nr = bio->nr_elem;
	int ret;

	ret = ublk_elem_check(bio, mock_dev.flags, mock_dev.nr_hw_queues,
			      mock_dev.queue_depth);
	if (ret)
		return ret;
	if (!prep && mock.short_commit && mock.short_commit < nr) {
		nr = mock.short_commit;
		mock.short_commit = 0;
	}
	for (i = 0; i < nr; i++, pos += bio->elem_bytes) {
		struct ublk_elem elem = ublk_elem_decode(pos, bio->flags);

		ret = mock_batch_elem(m, &elem, bio, prep);
		if (ret)
			break;
	}
	return ret && (prep || !i) ? ret : prep ? 0 : (int)i * bio->elem_bytes;
}

int mock_batch_command(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	const struct ublk_batch_io *bio = (const void *)sqe->cmd;
	int ret;

	switch (sqe->cmd_op) {
	case UBLK_U_IO_PREP_IO_CMDS:
		ret = mock.prep ? -mock.prep :
			mock_batch_elems(m, sqe, bio, true);
		break;
	case UBLK_U_IO_COMMIT_IO_CMDS:
		mock_count.commits++;
		ret = mock_batch_elems(m, sqe, bio, false);
		break;
	case UBLK_U_IO_FETCH_IO_CMDS:
		ret = mock_batch_fetch(m, sqe, bio);
		break;
	default:
		return -EOPNOTSUPP;
	}
	pthread_cond_broadcast(&mock_changed);
	return ret;
}
