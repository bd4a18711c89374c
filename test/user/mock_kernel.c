// SPDX-License-Identifier: GPL-2.0
/*
 * A driver and an io_uring made of userspace memory; see mock_kernel.h.
 *
 * One lock for everything. A ring waits in poll() on its kick descriptor and,
 * while a read of it is pending, on the worker's wake descriptor. Backend
 * operations run at once, in submit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <linux/types.h>

#include "logic/pos.h"
#include "logic/tag.h"

#include "mock_kernel.h"
#include "private.h"

#define MOCK_QUEUES	4
#define MOCK_DEPTH	128
#define MOCK_RINGS	8
#define MOCK_FILES	64
#define MOCK_ID		7

/* The command stays with the driver: no CQE now. */
#define MOCK_PENDING	(-529)

struct mock_tag {
	unsigned int state;		/* enum ublk_tag_state */
	struct mock_ring *ring;		/* that holds the command */
	__u64 user_data;
	__u64 addr;
	pthread_t owner;
	int result;
	bool done;			/* a request ended, nobody looked yet */
};

struct mock_ring {
	struct io_uring *ring;
	unsigned int khead, ktail, cq_head, cq_tail;
	int kick;
	int files[MOCK_FILES];
	int wake_fd;
	void *wake_buf;
	__u64 wake_data;
};

struct mock_faults mock;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct mock_tag tags[MOCK_QUEUES][MOCK_DEPTH];
static struct mock_ring rings[MOCK_RINGS];
static struct ublksrv_ctrl_dev_info info;
static struct ublk_params disk;
static char *descs;
static int descs_fd = -1;
static bool exists;
static unsigned int nr_enter, nr_get_data, nr_backend, nr_foreign;
static int last_rw_flags, last_falloc_mode;

void mock_reset(void)
{
	memset(&mock, 0, sizeof(mock));
	memset(tags, 0, sizeof(tags));
	exists = false;
	nr_enter = 0;
	nr_get_data = 0;
	nr_backend = 0;
	nr_foreign = 0;
	last_rw_flags = 0;
	last_falloc_mode = 0;
}

/* ---- rings -------------------------------------------------------------- */

static void mock_post(struct mock_ring *m, __u64 user_data, int res)
{
	struct io_uring_cq *cq = &m->ring->cq;
	struct io_uring_cqe *cqe = &cq->cqes[m->cq_tail & cq->ring_mask];
	__u64 one = 1;

	if (m->cq_tail - m->cq_head >= cq->ring_entries)
		abort();	/* the library's CQ is too small */
	cqe->user_data = user_data;
	cqe->res = res;
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
	pthread_mutex_lock(&lock);
	for (i = 0; i < MOCK_RINGS && !m; i++)
		if (!rings[i].ring)
			m = &rings[i];
	memset(m, 0, sizeof(*m));
	memset(ring, 0, sizeof(*ring));
	m->ring = ring;
	m->kick = eventfd(0, EFD_NONBLOCK);
	m->wake_fd = -1;
	ring->flags = p->flags;
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
	pthread_mutex_unlock(&lock);
	return 0;
}

/* The end of a ring takes its commands back, as io_uring cancel does. */
void io_uring_queue_exit(struct io_uring *ring)
{
	struct mock_ring *m = mock_find(ring);
	int q, t;

	pthread_mutex_lock(&lock);
	for (q = 0; q < MOCK_QUEUES; q++) {
		for (t = 0; t < MOCK_DEPTH; t++) {
			struct mock_tag *tag = &tags[q][t];

			if (tag->ring != m)
				continue;
			if (tag->state == UBLK_TAG_SERVER ||
			    tag->state == UBLK_TAG_NEED_DATA) {
				tag->result = -EIO;
				tag->done = true;
			}
			tag->state = UBLK_TAG_EMPTY;
			tag->ring = NULL;
		}
	}
	close(m->kick);
	m->ring = NULL;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
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

int io_uring_register_files_update(struct io_uring *ring, unsigned int off,
				   const int *files, unsigned int nr)
{
	struct mock_ring *m = mock_find(ring);
	unsigned int i;

	for (i = 0; i < nr; i++)
		m->files[off + i] = files[i];
	return nr;
}

/* ---- what SQEs do ------------------------------------------------------- */

static __u32 mock_short(__u32 len)
{
	return mock.max_transfer && len > mock.max_transfer ?
		mock.max_transfer : len;
}

static int mock_backend(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	int fd = sqe->flags & IOSQE_FIXED_FILE ? m->files[sqe->fd] : sqe->fd;
	void *buf = (void *)(uintptr_t)sqe->addr;
	int err = mock.backend;
	ssize_t ret;

	nr_backend++;
	mock.backend = 0;
	if (err)
		return -err;
	switch (sqe->opcode) {
	case IORING_OP_READ:
		ret = pread(fd, buf, mock_short(sqe->len), sqe->off);
		break;
	case IORING_OP_WRITE:
		last_rw_flags = sqe->rw_flags;
		ret = pwrite(fd, buf, mock_short(sqe->len), sqe->off);
		break;
	case IORING_OP_FSYNC:
		ret = fdatasync(fd);
		break;
	case IORING_OP_FALLOCATE:
		last_falloc_mode = sqe->len;
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

static int mock_fetch(struct mock_tag *tag)
{
	int next = ublk_tag_next(tag->state, UBLK_EV_FETCH);

	if (mock.fetch)
		return -mock.fetch;
	if (next < 0)
		return next;
	tag->owner = pthread_self();
	tag->state = next;
	return MOCK_PENDING;
}

static int mock_commit(struct mock_tag *tag, int result)
{
	int next = ublk_tag_next(tag->state, UBLK_EV_COMMIT);

	if (mock.commit)
		return -mock.commit;
	if (next < 0)
		return next;
	tag->state = next;
	tag->result = result;
	tag->done = true;
	return MOCK_PENDING;
}

static int mock_get_data(struct mock_tag *tag)
{
	int next = ublk_tag_next(tag->state, UBLK_EV_GET_DATA);

	nr_get_data++;
	if (next < 0)
		return next;
	tag->state = next;
	return 0;
}

static int mock_command(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	const struct ublksrv_io_cmd *cmd = (const void *)sqe->cmd;
	struct mock_tag *tag;
	int ret;

	if (!(sqe->flags & IOSQE_FIXED_FILE) || sqe->fd || sqe->__pad1)
		return -EBADF;
	if (cmd->q_id >= info.nr_hw_queues || cmd->tag >= info.queue_depth)
		return -EINVAL;
	tag = &tags[cmd->q_id][cmd->tag];
	if (sqe->cmd_op != UBLK_U_IO_FETCH_REQ &&
	    !pthread_equal(tag->owner, pthread_self())) {
		nr_foreign++;
		return -EINVAL;
	}
	switch (sqe->cmd_op) {
	case UBLK_U_IO_FETCH_REQ:
		ret = mock_fetch(tag);
		break;
	case UBLK_U_IO_COMMIT_AND_FETCH_REQ:
		ret = mock_commit(tag, cmd->result);
		break;
	case UBLK_U_IO_NEED_GET_DATA:
		ret = mock_get_data(tag);
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (ret >= 0 || ret == MOCK_PENDING) {
		tag->addr = cmd->addr;
		tag->ring = m;
		tag->user_data = sqe->user_data;
	}
	pthread_cond_broadcast(&changed);
	return ret;
}

static void mock_sqe(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	int ret;

	if (sqe->opcode == IORING_OP_READ && !(sqe->flags & IOSQE_FIXED_FILE)) {
		m->wake_fd = sqe->fd;
		m->wake_buf = (void *)(uintptr_t)sqe->addr;
		m->wake_data = sqe->user_data;
		return;
	}
	ret = sqe->opcode == IORING_OP_URING_CMD ? mock_command(m, sqe) :
		mock_backend(m, sqe);
	if (ret != MOCK_PENDING)
		mock_post(m, sqe->user_data, ret);
}

int io_uring_submit(struct io_uring *ring)
{
	struct mock_ring *m = mock_find(ring);
	struct io_uring_sq *sq = &ring->sq;
	int nr = 0;

	pthread_mutex_lock(&lock);
	for (; m->khead != sq->sqe_tail; m->khead++, nr++)
		mock_sqe(m, &sq->sqes[m->khead & sq->ring_mask]);
	pthread_mutex_unlock(&lock);
	return nr;
}

static bool mock_has_cqe(struct mock_ring *m)
{
	return __atomic_load_n(&m->cq_tail, __ATOMIC_ACQUIRE) != m->cq_head;
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned int wait_nr)
{
	struct mock_ring *m = mock_find(ring);
	int nr = io_uring_submit(ring);
	__u64 val;

	(void)wait_nr;
	__atomic_add_fetch(&nr_enter, 1, __ATOMIC_RELAXED);
	while (!mock_has_cqe(m)) {
		struct pollfd p[] = {
			{ .fd = m->kick, .events = POLLIN },
			{ .fd = m->wake_fd, .events = POLLIN },
		};

		poll(p, 2, 5000);
		if (p[0].revents && read(m->kick, &val, sizeof(val)) < 0 &&
		    errno != EAGAIN)
			abort();
		if (p[1].revents) {
			ssize_t len = read(m->wake_fd, m->wake_buf, 8);

			m->wake_fd = -1;
			pthread_mutex_lock(&lock);
			mock_post(m, m->wake_data, len);
			pthread_mutex_unlock(&lock);
		}
	}
	return nr;
}

/* ---- the block layer ---------------------------------------------------- */

static struct timespec mock_deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 2;
	return ts;
}

static int mock_find_armed(unsigned int qid)
{
	int t;

	for (t = 0; t < info.queue_depth; t++)
		if (tags[qid][t].state == UBLK_TAG_ARMED && !tags[qid][t].done)
			return t;
	return -1;
}

int mock_request(unsigned int qid, __u32 op_flags, __u64 sector,
		 __u32 nr_sectors)
{
	struct timespec end = mock_deadline();
	struct ublksrv_io_desc *d;
	struct mock_tag *tag;
	bool ask;
	int t;

	pthread_mutex_lock(&lock);
	while ((t = mock_find_armed(qid)) < 0)
		if (pthread_cond_timedwait(&changed, &lock, &end))
			break;
	if (t >= 0) {
		tag = &tags[qid][t];
		d = (void *)(descs + qid * ublk_pos_desc_stride(24, 4096));
		d[t] = (struct ublksrv_io_desc){
			.op_flags = op_flags, .nr_sectors = nr_sectors,
			.start_sector = sector, .addr = tag->addr,
		};
		ask = mock.get_data && (op_flags & 0xff) == UBLK_IO_OP_WRITE;
		tag->state = ublk_tag_next(tag->state, UBLK_EV_REQUEST);
		tag->state = ublk_tag_next(tag->state, ask ? UBLK_EV_ASK_DATA :
					   UBLK_EV_DELIVER);
		mock_post(tag->ring, tag->user_data, ask);
	}
	pthread_mutex_unlock(&lock);
	return t;
}

int mock_wait(unsigned int qid, unsigned int t)
{
	struct timespec end = mock_deadline();
	struct mock_tag *tag = &tags[qid][t];
	int ret = 0;

	pthread_mutex_lock(&lock);
	while (!tag->done && !ret)
		ret = -pthread_cond_timedwait(&changed, &lock, &end);
	if (tag->done)
		ret = tag->result;
	tag->done = false;
	pthread_mutex_unlock(&lock);
	return ret;
}

void *mock_buffer(unsigned int qid, unsigned int tag)
{
	return (void *)(uintptr_t)tags[qid][tag].addr;
}

static bool mock_owned(void)
{
	int q, t;

	for (q = 0; q < MOCK_QUEUES; q++)
		for (t = 0; t < MOCK_DEPTH; t++)
			if (tags[q][t].state == UBLK_TAG_SERVER ||
			    tags[q][t].state == UBLK_TAG_NEED_DATA)
				return true;
	return false;
}

/* The disk goes first, so the server owns nothing when ENODEV comes (L-43). */
void mock_stop_all(void)
{
	struct timespec end = mock_deadline();
	int q, t;

	pthread_mutex_lock(&lock);
	while (mock_owned())
		if (pthread_cond_timedwait(&changed, &lock, &end))
			break;
	for (q = 0; q < MOCK_QUEUES; q++) {
		for (t = 0; t < MOCK_DEPTH; t++) {
			struct mock_tag *tag = &tags[q][t];
			int next = ublk_tag_next(tag->state, UBLK_EV_CANCEL);

			if (next < 0)
				continue;
			tag->state = next;
			mock_post(tag->ring, tag->user_data,
				  UBLK_IO_RES_ABORT);
		}
	}
	pthread_mutex_unlock(&lock);
}

unsigned int mock_nr_enter(void)
{
	return __atomic_load_n(&nr_enter, __ATOMIC_RELAXED);
}

unsigned int mock_nr_get_data(void)
{
	return nr_get_data;
}

unsigned int mock_nr_backend(void)
{
	return nr_backend;
}

unsigned int mock_nr_foreign(void)
{
	return nr_foreign;
}

int mock_device_exists(void)
{
	return exists;
}

int mock_last_rw_flags(void)
{
	return last_rw_flags;
}

int mock_last_falloc_mode(void)
{
	return last_falloc_mode;
}

/* ---- control commands --------------------------------------------------- */

int ublk_ctrl_open(struct ublk_ctrl **ctrl)
{
	*ctrl = calloc(1, 8);
	return 0;
}

void ublk_ctrl_close(struct ublk_ctrl *ctrl)
{
	free(ctrl);
}

void ublk_ctrl_set_deadline(struct ublk_ctrl *ctrl, unsigned int ms)
{
	(void)ctrl;
	(void)ms;
}

int ublk_ctrl_add_dev(struct ublk_ctrl *ctrl,
		      struct ublksrv_ctrl_dev_info *i)
{
	size_t len = MOCK_QUEUES * ublk_pos_desc_stride(24, 4096);

	(void)ctrl;
	if (mock.add)
		return -mock.add;
	if (i->dev_id == UBLK_ID_AUTO)
		i->dev_id = MOCK_ID;
	if (i->nr_hw_queues > MOCK_QUEUES)
		i->nr_hw_queues = MOCK_QUEUES;
	if (mock.no_queues)
		i->nr_hw_queues = 1;
	i->flags &= UBLK_F_USER_RECOVERY |
		(mock.get_data ? UBLK_F_NEED_GET_DATA : 0);
	i->io_desc_size = 24;
	info = *i;
	exists = true;
	descs_fd = memfd_create("descs", MFD_CLOEXEC);
	if (ftruncate(descs_fd, len))
		abort();
	descs = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, descs_fd,
		     0);
	return 0;
}

int ublk_ctrl_get_features(struct ublk_ctrl *ctrl, __u64 *features)
{
	(void)ctrl;
	*features = mock.features;
	return mock.features ? 0 : -EOPNOTSUPP;
}

int ublk_ctrl_del_dev(struct ublk_ctrl *ctrl, __u32 id)
{
	(void)ctrl;
	if (!exists || id != info.dev_id)
		return -ENODEV;
	munmap(descs, MOCK_QUEUES * ublk_pos_desc_stride(24, 4096));
	close(descs_fd);
	exists = false;
	return 0;
}

int ublk_ctrl_set_params(struct ublk_ctrl *ctrl, __u32 id,
			 const struct ublk_params *params)
{
	(void)ctrl;
	(void)id;
	if (!mock.set_params)
		disk = *params;
	return -mock.set_params;
}

struct ublksrv_ctrl_dev_info *mock_info(void)
{
	return &info;
}

struct ublk_params *mock_params(void)
{
	return &disk;
}

int ublk_ctrl_get_info(struct ublk_ctrl *ctrl, __u32 id,
		       struct ublksrv_ctrl_dev_info *i)
{
	(void)ctrl;
	if (!exists || id != info.dev_id)
		return -ENODEV;
	*i = info;
	return 0;
}

int ublk_ctrl_get_params(struct ublk_ctrl *ctrl, __u32 id,
			 struct ublk_params *params)
{
	(void)ctrl;
	if (!exists || id != info.dev_id)
		return -ENODEV;
	*params = disk;
	params->types |= UBLK_PARAM_TYPE_DEVT;
	return 0;
}

int ublk_ctrl_start_recovery(struct ublk_ctrl *ctrl, __u32 id)
{
	(void)ctrl;
	(void)id;
	if (!(info.flags & UBLK_F_USER_RECOVERY))
		return -EINVAL;
	if (mock.busy) {
		mock.busy--;
		return -EBUSY;
	}
	return 0;
}

/* The server has to have fetched every tag by then. */
int ublk_ctrl_end_recovery(struct ublk_ctrl *ctrl, __u32 id, pid_t pid)
{
	int start = mock.start, ret;

	mock.start = mock.end_recovery;
	ret = ublk_ctrl_start_dev(ctrl, id, pid);
	mock.start = start;
	return ret;
}

int ublk_ctrl_start_dev(struct ublk_ctrl *ctrl, __u32 id, pid_t pid)
{
	int q, t;

	(void)ctrl;
	(void)id;
	if (pid != getpid())
		return -EINVAL;
	pthread_mutex_lock(&lock);
	for (q = 0; q < info.nr_hw_queues; q++)
		for (t = 0; t < info.queue_depth; t++)
			if (tags[q][t].state == UBLK_TAG_EMPTY)
				abort();	/* the real one would hang */
	pthread_mutex_unlock(&lock);
	return -mock.start;
}

int ublk_ctrl_stop_dev(struct ublk_ctrl *ctrl, __u32 id)
{
	(void)ctrl;
	if (!exists || id != info.dev_id)
		return -ENODEV;
	if (mock.stop)
		return -mock.stop;
	mock_stop_all();
	return 0;
}

int ublk_ctrl_get_affinity(struct ublk_ctrl *ctrl, __u32 id, __u16 qid,
			   cpu_set_t *set, size_t size)
{
	(void)ctrl;
	(void)id;
	(void)qid;
	memset(set, 0xff, size);
	return 0;
}

/* ---- files -------------------------------------------------------------- */

/* The test programs are linked with --wrap=open. */
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (!strncmp(path, "/dev/ublkc", 10))
		return fcntl(descs_fd, F_DUPFD_CLOEXEC, 0);
	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return __real_open(path, flags, mode);
}
