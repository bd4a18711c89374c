// SPDX-License-Identifier: GPL-2.0
/*
 * The mock kernel's block layer: requests, their data, and their end. The
 * functions that tests call take the lock themselves.
 */
#include <errno.h>
#include <time.h>

#include "logic/pos.h"

#include "mock.h"

struct ublksrv_io_desc *mock_desc(unsigned int qid, unsigned int tag)
{
	struct ublksrv_io_desc *d;

	d = (void *)(mock_descs + qid * ublk_pos_desc_stride(24, 4096));
	return &d[tag];
}

static struct timespec mock_deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 10;
	return ts;
}

void mock_end(struct mock_tag *tag, int result)
{
	tag->result = result;
	tag->done = true;
	pthread_cond_broadcast(&mock_changed);
}

static bool mock_op_has_data(unsigned int op)
{
	return op == UBLK_IO_OP_READ || op == UBLK_IO_OP_WRITE ||
		op == UBLK_IO_OP_ZONE_APPEND || op == UBLK_IO_OP_REPORT_ZONES;
}

/* Register the pages in the ring's table (D-127, D-128). */
static bool mock_auto_register(struct mock_ring *m, struct mock_tag *tag,
			       struct ublksrv_io_desc *d)
{
	unsigned int slot = tag->word & 0xffff;

	if (!mock.reg_auto && slot < m->nr_slots && !m->slots[slot]) {
		m->slots[slot] = tag;
		tag->slot = slot;
		tag->by_hand = false;
		return true;
	}
	if (mock.reg_auto)
		mock.reg_auto--;
	if (!(tag->word >> 16 & UBLK_AUTO_BUF_REG_FALLBACK))
		return false;
	d->op_flags |= UBLK_IO_F_NEED_REG_BUF;
	return true;
}

/* Delivery to the ring that holds the command. False: it failed instead. */
bool mock_take(struct mock_ring *m, unsigned int qid, unsigned int t)
{
	struct mock_tag *tag = &mock_tags[qid][t];
	struct ublksrv_io_desc *d = mock_desc(qid, t);
	bool ask = mock_dev.flags & UBLK_F_NEED_GET_DATA &&
		(d->op_flags & 0xff) == UBLK_IO_OP_WRITE;

	if (mock_dev.flags & UBLK_F_AUTO_BUF_REG && tag->with_data &&
	    !mock_auto_register(m, tag, d)) {
		tag->state = ublk_tag_next(tag->state, UBLK_EV_UNDELIVERED);
		mock_end(tag, -EIO);
		return false;
	}
	tag->ring = m;
	tag->state = ublk_tag_next(tag->state, ask ? UBLK_EV_ASK_DATA :
				   UBLK_EV_DELIVER);
	return true;
}

static int mock_find_armed(unsigned int qid)
{
	int t;

	for (t = 0; t < mock_dev.queue_depth; t++)
		if (mock_tags[qid][t].state == UBLK_TAG_ARMED &&
		    !mock_tags[qid][t].done)
			return t;
	return -1;
}

static void mock_start(unsigned int qid, unsigned int t,
		       const struct ublksrv_io_desc *want, const void *data)
{
	struct mock_tag *tag = &mock_tags[qid][t];
	struct ublksrv_io_desc *d = mock_desc(qid, t);

	*d = *want;
	if (d->op_flags & UBLK_IO_F_SHMEM_ZC)
		d->addr = mock.shmem_addr;
	else
		d->addr = mock_dev.flags & (UBLK_F_USER_COPY |
					    UBLK_F_AUTO_BUF_REG) ? 0 :
			tag->addr;
	tag->with_data = mock_op_has_data(d->op_flags & 0xff);
	tag->moved = 0;
	if (!tag->data)
		tag->data = calloc(1, MOCK_DATA);
	if (data)
		memcpy(tag->data, data, want->nr_sectors << 9);
	tag->state = ublk_tag_next(tag->state, UBLK_EV_REQUEST);
	if (mock_dev.flags & UBLK_F_BATCH_IO) {
		mock_batch_queue(qid, t);
		return;
	}
	if (mock_take(tag->ring, qid, t))
		mock_post(tag->ring, tag->user_data,
			  tag->state == UBLK_TAG_NEED_DATA, 0);
}

int mock_request_data(unsigned int qid, __u32 op_flags, __u64 sector,
		      __u32 nr_sectors, const void *data)
{
	struct ublksrv_io_desc want = {
		.op_flags = op_flags, .nr_sectors = nr_sectors,
		.start_sector = sector,
	};
	struct timespec end = mock_deadline();
	int t;

	pthread_mutex_lock(&mock_lock);
	while ((t = mock_find_armed(qid)) < 0)
		if (pthread_cond_timedwait(&mock_changed, &mock_lock, &end))
			break;
	if (t >= 0)
		mock_start(qid, t, &want, data);
	pthread_mutex_unlock(&mock_lock);
	return t;
}

int mock_request(unsigned int qid, __u32 op_flags, __u64 sector,
		 __u32 nr_sectors)
{
	return mock_request_data(qid, op_flags, sector, nr_sectors, NULL);
}

int mock_wait(unsigned int qid, unsigned int t)
{
	struct timespec end = mock_deadline();
	struct mock_tag *tag = &mock_tags[qid][t];
	int ret = 0;

	pthread_mutex_lock(&mock_lock);
	while (!tag->done && !ret)
		ret = -pthread_cond_timedwait(&mock_changed, &mock_lock, &end);
	if (tag->done)
		ret = tag->result;
	tag->done = false;
	pthread_mutex_unlock(&mock_lock);
	return ret;
}

void *mock_buffer(unsigned int qid, unsigned int tag)
{
	return (void *)(uintptr_t)mock_tags[qid][tag].addr;
}

__u64 mock_addr(unsigned int qid, unsigned int tag)
{
	return mock_tags[qid][tag].addr;
}

void *mock_data(unsigned int qid, unsigned int tag)
{
	return mock_tags[qid][tag].data;
}

unsigned int mock_moved(unsigned int qid, unsigned int tag)
{
	return mock_tags[qid][tag].moved;
}

static bool mock_owned(void)
{
	int q, t;

	for (q = 0; q < MOCK_QUEUES; q++)
		for (t = 0; t < MOCK_DEPTH; t++)
			if (mock_tags[q][t].state == UBLK_TAG_SERVER ||
			    mock_tags[q][t].state == UBLK_TAG_QUEUED ||
			    mock_tags[q][t].state == UBLK_TAG_NEED_DATA)
				return true;
	return false;
}

/* The disk goes first, so the server owns nothing when ENODEV comes (L-43). */
void mock_stop_all(void)
{
	struct timespec end = mock_deadline();
	int q, t;

	pthread_mutex_lock(&mock_lock);
	while (mock_owned())
		if (pthread_cond_timedwait(&mock_changed, &mock_lock, &end)) {
			mock_count.stop_hangs++;
			break;
		}
	if (mock_dev.flags & UBLK_F_BATCH_IO)
		mock_batch_cancel();
	for (q = 0; q < MOCK_QUEUES; q++) {
		for (t = 0; t < MOCK_DEPTH; t++) {
			struct mock_tag *tag = &mock_tags[q][t];
			int next = ublk_tag_next(tag->state, UBLK_EV_CANCEL);

			if (next < 0 || mock_dev.flags & UBLK_F_BATCH_IO)
				continue;
			tag->state = next;
			mock_post(tag->ring, tag->user_data,
				  UBLK_IO_RES_ABORT, 0);
		}
	}
	pthread_mutex_unlock(&mock_lock);
}

/* ---- user copy ---------------------------------------------------------- */

/* Return: the request's data, or NULL with errno (data.rst section 12) */
static char *mock_copy_at(off_t off, size_t *len, struct mock_tag **tag,
			  bool in)
{
	struct ublk_pos pos = ublk_pos_decode(off);
	struct ublksrv_io_desc *d;
	unsigned int op;
	size_t size;

	errno = EINVAL;
	if (ublk_pos_check(pos, mock_dev.flags, mock_dev.nr_hw_queues,
			   mock_dev.queue_depth))
		return NULL;
	*tag = &mock_tags[pos.qid][pos.tag];
	d = mock_desc(pos.qid, pos.tag);
	size = d->nr_sectors << 9;
	op = d->op_flags & 0xff;
	if ((*tag)->state != UBLK_TAG_SERVER || !(*tag)->with_data ||
	    pos.off > size)
		return NULL;
	errno = EACCES;
	if (in != (op == UBLK_IO_OP_WRITE || op == UBLK_IO_OP_ZONE_APPEND))
		return NULL;
	if (*len > size - pos.off)
		*len = size - pos.off;
	if (mock.max_copy && *len > mock.max_copy)
		*len = mock.max_copy;
	(*tag)->moved += *len;
	return (*tag)->data + pos.off;
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t off)
{
	struct mock_tag *tag;
	char *at;

	if (off < UBLKSRV_IO_BUF_OFFSET)
		return __real_pread(fd, buf, len, off);
	if (mock.user_copy) {
		errno = mock.user_copy;
		return -1;
	}
	at = mock_copy_at(off, &len, &tag, true);
	if (!at)
		return -1;
	memcpy(buf, at, len);
	return len;
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	struct mock_tag *tag;
	char *at;

	if (off < UBLKSRV_IO_BUF_OFFSET)
		return __real_pwrite(fd, buf, len, off);
	if (mock.user_copy) {
		errno = mock.user_copy;
		return -1;
	}
	at = mock_copy_at(off, &len, &tag, false);
	if (!at)
		return -1;
	memcpy(at, buf, len);
	return len;
}

/* ---- counters ----------------------------------------------------------- */

unsigned int mock_nr_enter(void)
{
	return __atomic_load_n(&mock_count.enter, __ATOMIC_RELAXED);
}

unsigned int mock_nr_get_data(void)
{
	return mock_count.get_data;
}

unsigned int mock_nr_backend(void)
{
	return mock_count.backend;
}

unsigned int mock_nr_foreign(void)
{
	return mock_count.foreign;
}

unsigned int mock_nr_reg_buf(void)
{
	return mock_count.reg_buf;
}

unsigned int mock_nr_unreg_buf(void)
{
	return mock_count.unreg_buf;
}

unsigned int mock_nr_leaked(void)
{
	return mock_count.leaked;
}

unsigned int mock_nr_stop_hangs(void)
{
	return mock_count.stop_hangs;
}

unsigned int mock_nr_commits(void)
{
	return mock_count.commits;
}

unsigned int mock_nr_fetches(void)
{
	return mock_count.fetches;
}

unsigned int mock_nr_fixed(void)
{
	return mock_count.fixed;
}

unsigned int mock_nr_linked(void)
{
	return mock_count.linked;
}

int mock_last_rw_flags(void)
{
	return mock_count.rw_flags;
}

int mock_last_sqe_flags(void)
{
	return mock_count.sqe_flags;
}

int mock_last_falloc_mode(void)
{
	return mock_count.falloc_mode;
}
