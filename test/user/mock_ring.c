// SPDX-License-Identifier: GPL-2.0
/*
 * The mock kernel's io_uring: what the library calls of liburing.
 *
 * A ring waits in poll() on its kick descriptor and, while a read of it is
 * pending, on the wake descriptor, at most for the time of its timer. Backend
 * operations run at once, in submit; those with a registered buffer work on the
 * request's own data.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <linux/falloc.h>
#include <sys/eventfd.h>

#include "mock.h"

static struct mock_ring rings[MOCK_RINGS];

void mock_post(struct mock_ring *m, __u64 user_data, int res,
	       unsigned int flags)
{
	struct io_uring_cq *cq = &m->ring->cq;
	struct io_uring_cqe *cqe = &cq->cqes[m->cq_tail & cq->ring_mask];
	__u64 one = 1;

	if (m->cq_tail - m->cq_head >= cq->ring_entries)
		abort();	/* the library's CQ is too small */
	cqe->user_data = user_data;
	cqe->res = res;
	cqe->flags = flags;
	__atomic_store_n(&m->cq_tail, m->cq_tail + 1, __ATOMIC_RELEASE);
	if (write(m->kick, &one, sizeof(one)) < 0)
		abort();
}

static struct mock_ring *mock_find(const struct io_uring *ring)
{
	int i;

	for (i = 0; i < MOCK_RINGS; i++)
		if (rings[i].ring == ring)
			return &rings[i];
	abort();
}

static unsigned int mock_pow2(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p *= 2;
	return p;
}

int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
			       struct io_uring_params *p)
{
	struct mock_ring *m = NULL;
	unsigned int i;

	if (p->flags & mock.ring_einval)
		return -EINVAL;
	pthread_mutex_lock(&mock_lock);
	for (i = 0; i < MOCK_RINGS && !m; i++)
		if (!rings[i].ring)
			m = &rings[i];
	if (!m)
		abort();
	memset(m, 0, sizeof(*m));
	memset(ring, 0, sizeof(*ring));
	m->ring = ring;
	m->kick = eventfd(0, EFD_NONBLOCK);
	m->wake_fd = -1;
	mock_poll_ring_made(m);
	ring->ring_fd = m - rings;
	ring->enter_ring_fd = ring->ring_fd;
	ring->flags = p->flags;
	ring->features = ~mock.ring_lacks;
	ring->sq.ring_entries = mock_pow2(entries);
	ring->sq.ring_mask = ring->sq.ring_entries - 1;
	ring->sq.khead = &m->khead;
	ring->sq.ktail = &m->ktail;
	ring->sq.sqes = calloc(ring->sq.ring_entries, 64);
	ring->cq.ring_entries = mock_pow2(p->cq_entries);
	ring->cq.ring_mask = ring->cq.ring_entries - 1;
	ring->cq.khead = &m->cq_head;
	ring->cq.ktail = &m->cq_tail;
	ring->cq.cqes = calloc(ring->cq.ring_entries, 16);
	pthread_mutex_unlock(&mock_lock);
	return 0;
}

/* The end of a ring takes its commands back, as io_uring cancel does. */
void io_uring_queue_exit(struct io_uring *ring)
{
	struct mock_ring *m = mock_find(ring);

	pthread_mutex_lock(&mock_lock);
	mock_driver_ring_gone(m);
	mock_batch_ring_gone(m);
	mock_poll_ring_gone(m);
	close(m->kick);
	m->ring = NULL;
	pthread_cond_broadcast(&mock_changed);
	pthread_mutex_unlock(&mock_lock);
	free(ring->sq.sqes);
	free(ring->cq.cqes);
}

int io_uring_register_ring_fd(struct io_uring *ring)
{
	(void)ring;
	return 1;
}

int io_uring_register_files_sparse(struct io_uring *ring, unsigned int nr)
{
	(void)ring;
	return nr <= MOCK_FILES ? 0 : -EINVAL;
}

int io_uring_unregister_files(struct io_uring *ring)
{
	memset(mock_find(ring)->files, -1, sizeof(mock_find(ring)->files));
	return 0;
}

int io_uring_register_files_update(struct io_uring *ring, unsigned int off,
				   const int *files, unsigned int nr)
{
	struct mock_ring *m = mock_find(ring);
	unsigned int i;

	for (i = 0; i < nr; i++)
		m->files[off + i] = files[i];
	return nr;
}

int io_uring_register_buffers_sparse(struct io_uring *ring, unsigned int nr)
{
	mock_find(ring)->nr_slots = nr;
	return nr <= MOCK_DEPTH ? -mock.reg_table : -EINVAL;
}

int io_uring_register_buf_ring(struct io_uring *ring,
			       struct io_uring_buf_reg *reg, unsigned int flags)
{
	struct mock_ring *m = mock_find(ring);

	if (flags || reg->bgid || reg->ring_entries & (reg->ring_entries - 1))
		return -EINVAL;
	m->bufs = (void *)(uintptr_t)reg->ring_addr;
	m->buf_mask = reg->ring_entries - 1;
	m->buf_head = 0;
	return 0;
}

/* ---- what SQEs do ------------------------------------------------------- */

static __u32 mock_short(__u32 len)
{
	return mock.max_transfer && len > mock.max_transfer ?
		mock.max_transfer : len;
}

/* A buffer of the table: the pages of the request that is in that slot. */
static void *mock_fixed(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	struct mock_tag *tag;

	tag = sqe->buf_index < m->nr_slots ? m->slots[sqe->buf_index] : NULL;
	mock_count.fixed++;
	return tag && sqe->addr + sqe->len <= MOCK_DATA ?
		tag->data + sqe->addr : NULL;
}

static ssize_t mock_rw(struct mock_ring *m, const struct io_uring_sqe *sqe,
		       int fd)
{
	bool fixed = sqe->opcode == IORING_OP_READ_FIXED ||
		sqe->opcode == IORING_OP_WRITE_FIXED;
	void *buf = fixed ? mock_fixed(m, sqe) : (void *)(uintptr_t)sqe->addr;

	if (!buf) {
		errno = EFAULT;
		return -1;
	}
	if (sqe->opcode == IORING_OP_READ ||
	    sqe->opcode == IORING_OP_READ_FIXED)
		return __real_pread(fd, buf, mock_short(sqe->len), sqe->off);
	mock_count.rw_flags = sqe->rw_flags;
	return __real_pwrite(fd, buf, mock_short(sqe->len), sqe->off);
}

static int mock_backend(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	int fd = sqe->flags & IOSQE_FIXED_FILE ? m->files[sqe->fd] : sqe->fd;
	int err = mock.backend;
	ssize_t ret;

	mock_count.backend++;
	mock_count.sqe_flags = sqe->flags;
	mock.backend = 0;
	if (err)
		return -err;
	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_WRITE:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE_FIXED:
		ret = mock_rw(m, sqe, fd);
		break;
	case IORING_OP_FSYNC:
		ret = fdatasync(fd);
		break;
	case IORING_OP_FALLOCATE:
		mock_count.falloc_mode = sqe->len;
		if (mock.no_zero_range && sqe->len & FALLOC_FL_ZERO_RANGE)
			return -EOPNOTSUPP;
		ret = fallocate(fd, sqe->len, sqe->off, sqe->addr);
		break;
	case IORING_OP_NOP:
		ret = sqe->nop_flags;
		break;
	default:
		return -EOPNOTSUPP;
	}
	return ret < 0 ? -errno : ret;
}

static bool mock_is_rw(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_READ ||
		sqe->opcode == IORING_OP_WRITE ||
		sqe->opcode == IORING_OP_READ_FIXED ||
		sqe->opcode == IORING_OP_WRITE_FIXED;
}

/*
 * A link ends with the first one that fails. What follows is canceled, without
 * a CQE if it has IOSQE_CQE_SKIP_SUCCESS or is behind one that has it.
 */
static void mock_sqe(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	bool failed;
	int ret;

	if (mock_poll_sqe(m, sqe, &ret)) {
		if (ret != MOCK_PENDING)
			mock_post(m, sqe->user_data, ret, 0);
		return;
	}
	if (sqe->opcode == IORING_OP_TIMEOUT) {
		const struct __kernel_timespec *ts =
			(const void *)(uintptr_t)sqe->addr;

		if (!sqe->user_data || sqe->off)
			abort();
		m->timer_ms = ts->tv_sec * 1000 + ts->tv_nsec / 1000000;
		m->timer_data = sqe->user_data;
		return;
	}
	if (sqe->opcode == IORING_OP_READ && !(sqe->flags & IOSQE_FIXED_FILE)) {
		m->wake_fd = sqe->fd;
		m->wake_buf = (void *)(uintptr_t)sqe->addr;
		m->wake_data = sqe->user_data;
		return;
	}
	if (m->broken) {
		if (!m->skip && !(sqe->flags & IOSQE_CQE_SKIP_SUCCESS))
			mock_post(m, sqe->user_data, -ECANCELED, 0);
		m->broken = sqe->flags & IOSQE_IO_LINK;
		return;
	}
	mock_count.linked += !!(sqe->flags & IOSQE_IO_LINK);
	ret = sqe->opcode == IORING_OP_URING_CMD ? mock_command(m, sqe) :
		mock_backend(m, sqe);
	/* a transfer that is short counts as failed too */
	failed = ret != MOCK_PENDING &&
		(ret < 0 || (mock_is_rw(sqe) && (__u32)ret != sqe->len));
	m->broken = sqe->flags & IOSQE_IO_LINK && failed;
	m->skip = sqe->flags & IOSQE_CQE_SKIP_SUCCESS;
	if (ret != MOCK_PENDING &&
	    (failed || !(sqe->flags & IOSQE_CQE_SKIP_SUCCESS)))
		mock_post(m, sqe->user_data, ret, 0);
}

int io_uring_submit(struct io_uring *ring)
{
	struct mock_ring *m = mock_find(ring);
	struct io_uring_sq *sq = &ring->sq;
	int nr = 0;

	pthread_mutex_lock(&mock_lock);
	for (; m->khead != sq->sqe_tail; m->khead++, nr++)
		mock_sqe(m, &sq->sqes[m->khead & sq->ring_mask]);
	m->broken = false;
	pthread_mutex_unlock(&mock_lock);
	return nr;
}

static bool mock_has_cqes(struct mock_ring *m, unsigned int nr)
{
	return __atomic_load_n(&m->cq_tail, __ATOMIC_ACQUIRE) - m->cq_head >=
		nr;
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned int wait_nr)
{
	struct mock_ring *m = mock_find(ring);
	int nr = io_uring_submit(ring);
	__u64 val;

	__atomic_add_fetch(&mock_count.enter, 1, __ATOMIC_RELAXED);
	while (!mock_has_cqes(m, wait_nr)) {
		struct pollfd p[] = {
			{ .fd = m->kick, .events = POLLIN },
			{ .fd = m->wake_fd, .events = POLLIN },
			{ .fd = m->epoll, .events = POLLIN },
		};
		int idle = m->timer_data ? (int)m->timer_ms : 5000;
		int ms = mock_poll_wait_ms(m, idle);

		/* time passes only while nothing else happens */
		if (!poll(p, 3, ms) && m->timer_data && ms == idle) {
			pthread_mutex_lock(&mock_lock);
			mock_post(m, m->timer_data, -ETIME, 0);
			pthread_mutex_unlock(&mock_lock);
			m->timer_data = 0;
		}
		if (p[0].revents && read(m->kick, &val, sizeof(val)) < 0 &&
		    errno != EAGAIN)
			abort();
		if (p[1].revents) {
			ssize_t len = read(m->wake_fd, m->wake_buf, 8);

			m->wake_fd = -1;
			pthread_mutex_lock(&mock_lock);
			mock_post(m, m->wake_data, len, 0);
			pthread_mutex_unlock(&mock_lock);
		}
		pthread_mutex_lock(&mock_lock);
		mock_poll_events(m);
		pthread_mutex_unlock(&mock_lock);
	}
	return nr;
}

/* The library submits and waits for all that is queued. */
int io_uring_enter(unsigned int fd, unsigned int to_submit,
		   unsigned int min_complete, unsigned int flags, sigset_t *sig)
{
	struct io_uring *ring = fd < MOCK_RINGS ? rings[fd].ring : NULL;

	if (!ring || sig || !(flags & IORING_ENTER_GETEVENTS) ||
	    to_submit != ring->sq.sqe_tail - rings[fd].khead ||
	    *ring->sq.ktail != ring->sq.sqe_tail)
		abort();
	return io_uring_submit_and_wait(ring, min_complete);
}
