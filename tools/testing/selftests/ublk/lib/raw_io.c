// SPDX-License-Identifier: GPL-2.0
/*
 * The char device for the tests: see raw.h.
 *
 * user_data of a command: tag in bits 0..15, queue in 16..31, command number in
 * 32..39, sequence number above. raw_call() waits for one CQE and stashes the
 * others for raw_event(), in order, so no CQE of the driver is lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "raw.h"

static size_t page_round(size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

static void *map_anon(size_t len, int how)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       how | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Buffers that are also a file, for READ_FIXED and WRITE_FIXED. */
static void *map_file(int *fd, size_t len)
{
	void *p;

	*fd = memfd_create("ublk-bufs", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, len))
		return NULL;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/*
 * Memory for the contents of a device that is also a file for direct IO, shared with
 * all child processes. Return: descriptor, or -errno
 */
int raw_store_file(char **store)
{
	char path[32];
	int mem, fd;

	*store = map_file(&mem, RAW_DEV_BYTES);
	if (!*store)
		return -ENOMEM;
	/* A memfd can do direct IO only once it has been opened by a path. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", mem);
	fd = open(path, O_RDWR | O_CLOEXEC);
	close(mem);
	return fd < 0 ? -errno : fd;
}

static size_t nr_tags(struct raw_srv *s)
{
	return (size_t)s->info.nr_hw_queues * s->info.queue_depth;
}

/*
 * Open the char device of @info, the reply of ADD_DEV, and map its descriptors.
 * The caller may set @s->store to shared memory before.
 */
int raw_srv_open(struct raw_srv *s, const struct ublksrv_ctrl_dev_info *info)
{
	int q;

	s->info = *info;
	s->stride = page_round(4096 * (size_t)info->io_desc_size);
	s->area = page_round(info->queue_depth * (size_t)info->io_desc_size);
	if (info->nr_hw_queues > RAW_MAX_QUEUES)
		return -E2BIG;
	if (!s->store)
		s->store = map_anon(RAW_DEV_BYTES, MAP_SHARED);
	s->buf_fd = -1;
	if (raw_copy_mode(s))
		s->bufs = map_anon(nr_tags(s) * RAW_IO_BYTES, MAP_PRIVATE);
	else
		s->bufs = map_file(&s->buf_fd, nr_tags(s) * RAW_IO_BYTES);
	s->state = calloc(nr_tags(s), 1);
	if (!s->store || !s->bufs || !s->state)
		return -ENOMEM;
	s->fd = raw_char_open(info->dev_id);
	if (s->fd < 0)
		return s->fd;
	for (q = 0; q < info->nr_hw_queues; q++) {
		s->desc[q] = mmap(NULL, s->area, PROT_READ,
				  MAP_SHARED | MAP_POPULATE, s->fd,
				  UBLKSRV_CMD_BUF_OFFSET + q * s->stride);
		if (s->desc[q] == MAP_FAILED)
			return -errno;
	}
	return 0;
}

/* Close the descriptor and unmap everything. Close the rings before. */
void raw_srv_close(struct raw_srv *s)
{
	int q;

	for (q = 0; q < s->info.nr_hw_queues; q++)
		munmap(s->desc[q], s->area);
	close(s->fd);
	munmap(s->bufs, nr_tags(s) * RAW_IO_BYTES);
	if (s->buf_fd >= 0)
		close(s->buf_fd);
	free(s->state);
	s->fd = -1;
}

/* The tag's number in the device: that of its buffer, and of its slot. */
size_t raw_slot(const struct raw_srv *s, int q, int tag)
{
	return (size_t)q * s->info.queue_depth + tag;
}

static bool tag_valid(struct raw_srv *s, int q, int tag)
{
	return q < s->info.nr_hw_queues && tag < s->info.queue_depth;
}

char *raw_buf(struct raw_srv *s, int q, int tag)
{
	return s->bufs + raw_slot(s, q, tag) * RAW_IO_BYTES;
}

struct ublksrv_io_desc raw_desc(struct raw_srv *s, int q, int tag)
{
	struct ublksrv_io_desc iod;

	memcpy(&iod, s->desc[q] + (size_t)tag * s->info.io_desc_size,
	       sizeof(iod));
	return iod;
}

enum raw_tag raw_tag_state(struct raw_srv *s, int q, int tag)
{
	return s->state[raw_slot(s, q, tag)];
}

int raw_ring_open(struct raw_ring *r, struct raw_srv *s, unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };
	unsigned int entries = 64;

	memset(r, 0, sizeof(*r));
	r->srv = s;
	/* All tags may complete at once: the CQ ring must not overflow. */
	p.flags |= IORING_SETUP_CQSIZE;
	p.cq_entries = 4096 + 64;
	if (nr_tags(s) > 4096)
		p.cq_entries = 32768;
	if (flags & IORING_SETUP_SQPOLL)
		p.sq_thread_idle = 100;
	return io_uring_queue_init_params(entries, &r->ring, &p);
}

void raw_ring_close(struct raw_ring *r)
{
	io_uring_queue_exit(&r->ring);
}

static __u32 encode(struct raw_srv *s, __u32 op)
{
	return s->legacy ? (op & 0xff) : op;
}

/* Submit a command and do not wait. */
int raw_post(struct raw_ring *r, __u32 op, int q, int tag, int result,
	     __u64 addr, unsigned int sqe_flags, __u64 *user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	struct ublksrv_io_cmd *cmd;
	bool wide = r->ring.flags & IORING_SETUP_SQE128;
	int ret;

	if (!sqe)
		return -EXFULL;
	memset(sqe, 0, wide ? 2 * sizeof(*sqe) : sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = r->srv->fd;
	sqe->flags = sqe_flags;
	sqe->cmd_op = encode(r->srv, op);
	sqe->addr = r->sqe_addr;
	r->seq++;
	sqe->user_data = (__u64)r->seq << 40 | (__u64)(op & 0xff) << 32 |
			 (__u32)(__u16)q << 16 | (__u16)tag;
	cmd = (struct ublksrv_io_cmd *)sqe->cmd;
	cmd->q_id = q;
	cmd->tag = tag;
	cmd->result = result;
	cmd->addr = addr;
	if (user_data)
		*user_data = sqe->user_data;
	ret = io_uring_submit(&r->ring);
	return ret < 0 ? ret : 0;
}

static int wait_cqe(struct raw_ring *r, long end, __u64 *user_data, int *res)
{
	for (;;) {
		long left = end - raw_now_ms();
		struct __kernel_timespec ts = { 0 };
		struct io_uring_cqe *cqe;
		int ret;

		if (left < 0)
			left = 0;
		if (left > 200)
			left = 200;
		ts.tv_nsec = left * 1000000;
		ret = io_uring_wait_cqe_timeout(&r->ring, &cqe, &ts);
		if (!ret) {
			*user_data = cqe->user_data;
			*res = cqe->res;
			io_uring_cqe_seen(&r->ring, cqe);
			return 0;
		}
		if (ret != -ETIME && ret != -EINTR && ret != -EAGAIN)
			return ret;
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
	}
}

/* Wait for the result of one command and stash the others for raw_event(). */
int raw_await(struct raw_ring *r, __u64 user_data, int ms)
{
	long end = raw_now_ms() + ms;
	unsigned int i;
	__u64 got;
	int ret, res;

	for (i = 0; i < r->stashed; i++) {
		if (r->stash[i].user_data != user_data)
			continue;
		res = r->stash[i].res;
		r->stashed--;
		memmove(r->stash + i, r->stash + i + 1,
			(r->stashed - i) * sizeof(r->stash[0]));
		return res;
	}
	for (;;) {
		ret = wait_cqe(r, end, &got, &res);
		if (ret)
			return ret;
		if (got == user_data)
			return res;
		if (r->stashed == RAW_STASH)
			return -EOVERFLOW;
		r->stash[r->stashed].user_data = got;
		r->stash[r->stashed++].res = res;
	}
}

static int call_flags(struct raw_ring *r, __u32 op, int q, int tag, int result,
		      __u64 addr, unsigned int sqe_flags, int ms)
{
	__u64 mine;
	int ret = raw_post(r, op, q, tag, result, addr, sqe_flags, &mine);

	return ret ? ret : raw_await(r, mine, ms);
}

/*
 * Submit a command that completes by itself, with an error for example, and
 * return its result. The test's state of the tag does not change.
 */
int raw_call(struct raw_ring *r, __u32 op, int q, int tag, int result,
	     __u64 addr)
{
	return call_flags(r, op, q, tag, result, addr, 0, RAW_DEADLINE_MS);
}

int raw_call_async(struct raw_ring *r, __u32 op, int q, int tag, int result,
		   __u64 addr)
{
	return call_flags(r, op, q, tag, result, addr, IOSQE_ASYNC,
			  RAW_DEADLINE_MS);
}

struct thread_call {
	struct raw_srv *s;
	__u32 op;
	int q, tag, result, res;
	__u64 addr;
};

static void *thread_call(void *arg)
{
	struct thread_call *t = arg;
	struct raw_ring *r = malloc(sizeof(*r));

	t->res = -ENOMEM;
	if (!r)
		return NULL;
	t->res = raw_ring_open(r, t->s, 0);
	if (!t->res) {
		t->res = raw_call(r, t->op, t->q, t->tag, t->result, t->addr);
		raw_ring_close(r);
	}
	free(r);
	return NULL;
}

/* raw_call() from a new thread, which is the daemon of no tag. */
int raw_thread_call(struct raw_srv *s, __u32 op, int q, int tag, int result,
		    __u64 addr)
{
	struct thread_call t = {
		.s = s, .op = op, .q = q, .tag = tag, .result = result,
		.addr = addr,
	};
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, thread_call, &t);

	if (ret)
		return -ret;
	pthread_join(thread, NULL);
	return t.res;
}

/* In no other mode the driver copies between request and buffer (D-22). */
bool raw_copy_mode(const struct raw_srv *s)
{
	return !(s->info.flags & (UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY |
				  UBLK_F_AUTO_BUF_REG));
}

/*
 * What a batch element names for the tag: its buffer, its slot in the buffer
 * table (AUTO_BUF_REG), or nothing.
 */
__u64 raw_addr(struct raw_srv *s, int q, int tag)
{
	if (raw_copy_mode(s))
		return (uintptr_t)raw_buf(s, q, tag);
	return s->info.flags & UBLK_F_AUTO_BUF_REG ? raw_slot(s, q, tag) : 0;
}

/*
 * Submit a command that the driver keeps, with a registration word that the
 * caller chooses.
 */
int raw_arm(struct raw_ring *r, __u32 op, int q, int tag, int result,
	    __u64 addr, __u64 word)
{
	struct raw_srv *s = r->srv;
	int ret;

	r->sqe_addr = word;
	ret = raw_post(r, op, q, tag, result, addr, r->sqe_flags, NULL);
	r->sqe_addr = 0;
	if (!ret && tag_valid(s, q, tag))
		s->state[raw_slot(s, q, tag)] = RAW_A;
	return ret;
}

static int arm(struct raw_ring *r, __u32 op, int q, int tag, int result)
{
	struct raw_srv *s = r->srv;
	__u64 addr = raw_copy_mode(s) ? (uintptr_t)raw_buf(s, q, tag) : 0;

	return raw_arm(r, op, q, tag, result, addr, raw_word(r, q, tag));
}

/*
 * With SQPOLL a submitted command may not have been issued yet: submit a
 * command after it that fails at once, and wait for that.
 */
static int raw_issued(struct raw_ring *r)
{
	int ret;

	if (!(r->ring.flags & IORING_SETUP_SQPOLL))
		return 0;
	ret = raw_call(r, UBLK_U_IO_FETCH_REQ, 0xffff, 0, 0, 0);
	return ret == -EINVAL ? 0 : -EPROTO;
}

/* Fetch with the tag's own buffer; a failed fetch is an event. */
int raw_fetch(struct raw_ring *r, int q, int tag)
{
	return arm(r, UBLK_U_IO_FETCH_REQ, q, tag, 0);
}

int raw_fetch_all(struct raw_ring *r)
{
	int q, tag, ret;

	for (q = 0; q < r->srv->info.nr_hw_queues; q++) {
		for (tag = 0; tag < r->srv->info.queue_depth; tag++) {
			ret = raw_fetch(r, q, tag);
			if (ret)
				return ret;
		}
	}
	return raw_issued(r);
}

int raw_commit(struct raw_ring *r, int q, int tag, int result)
{
	return arm(r, UBLK_U_IO_COMMIT_AND_FETCH_REQ, q, tag, result);
}

/* The next CQE of any kind. 0, RAW_TIMEOUT or -errno. */
int raw_event(struct raw_ring *r, struct raw_ev *ev, int ms)
{
	struct raw_srv *s = r->srv;
	unsigned char *state;
	__u64 got;
	int ret;

	memset(ev, 0, sizeof(*ev));
	if (r->stashed) {
		got = r->stash[0].user_data;
		ev->res = r->stash[0].res;
		r->stashed--;
		memmove(r->stash, r->stash + 1,
			r->stashed * sizeof(r->stash[0]));
	} else {
		ret = wait_cqe(r, raw_now_ms() + ms, &got, &ev->res);
		if (ret)
			return ret;
	}
	ev->tag = got & 0xffff;
	ev->q = got >> 16 & 0xffff;
	ev->nr = got >> 32 & 0xff;
	if (!tag_valid(s, ev->q, ev->tag))
		return 0;
	state = &s->state[raw_slot(s, ev->q, ev->tag)];
	if (ev->res == UBLK_IO_RES_ABORT) {
		*state = RAW_X;
	} else if (ev->res >= 0) {
		*state = ev->res == UBLK_IO_RES_NEED_GET_DATA ? RAW_N : RAW_O;
		ev->iod = raw_desc(s, ev->q, ev->tag);
	}
	return 0;
}

/* Copy between the store and the memory that has the request's data. */
static int move_data(struct raw_srv *s, const struct raw_ev *ev, bool read,
		     char *data, __u64 len)
{
	char *buf = raw_buf(s, ev->q, ev->tag);
	long ret;

	if (ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC) {
		buf = s->shm[ublk_shmem_zc_index(ev->iod.addr) % RAW_MAX_SHM];
		buf += ublk_shmem_zc_offset(ev->iod.addr);
	} else if (s->info.flags & UBLK_F_USER_COPY) {
		ret = read ? raw_put(s, ev->q, ev->tag, data, len, 0) :
			     raw_get(s, ev->q, ev->tag, data, len, 0);
		return ret < 0 ? ret : ret == len ? 0 : -EIO;
	}
	memcpy(read ? buf : data, read ? data : buf, len);
	return 0;
}

/*
 * Execute a request on the store like a RAM disk and return the result to
 * commit. In modes where only a ring can move the data, it is in the tag's
 * buffer: see raw_work().
 */
int raw_answer(struct raw_srv *s, const struct raw_ev *ev)
{
	__u64 off = ev->iod.start_sector << 9;
	__u64 len = (__u64)ev->iod.nr_sectors << 9;
	int op = ublksrv_get_op(&ev->iod), ret = 0;

	if (op == UBLK_IO_OP_FLUSH)
		return 0;
	if (off > RAW_DEV_BYTES || len > RAW_DEV_BYTES - off)
		return -EIO;
	if (op == UBLK_IO_OP_READ || op == UBLK_IO_OP_WRITE)
		ret = move_data(s, ev, op == UBLK_IO_OP_READ, s->store + off,
				len);
	else if (op == UBLK_IO_OP_DISCARD || op == UBLK_IO_OP_WRITE_ZEROES)
		memset(s->store + off, 0, len);
	else
		return -EOPNOTSUPP;
	return ret ? ret : (int)len;
}

/* raw_answer() in every mode: a ring that has to move data does so. */
int raw_work(struct raw_ring *r, const struct raw_ev *ev)
{
	bool by_ring = !raw_copy_mode(r->srv) &&
		       !(r->srv->info.flags & UBLK_F_USER_COPY) &&
		       !(ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC);
	int op = ublksrv_get_op(&ev->iod), ret = 0, res;

	if (by_ring && op == UBLK_IO_OP_WRITE)
		ret = raw_move(r, ev);
	res = ret ? ret : raw_answer(r->srv, ev);
	if (by_ring && op == UBLK_IO_OP_READ && res > 0)
		ret = raw_move(r, ev);
	return ret ? ret : res;
}

/*
 * Serve a delivered request; ignore any other event. With NEED_GET_DATA a write
 * comes again with its data.
 */
int raw_serve(struct raw_ring *r, const struct raw_ev *ev)
{
	if (ev->res < 0)
		return 0;
	if (ev->res == UBLK_IO_RES_NEED_GET_DATA)
		return arm(r, UBLK_U_IO_NEED_GET_DATA, ev->q, ev->tag, 0);
	return raw_commit(r, ev->q, ev->tag, raw_work(r, ev));
}

/* The request does not come from the test but from udev or a partition scan. */
bool raw_foreign(const struct raw_ev *ev)
{
	__u64 off = ev->iod.start_sector << 9;
	int op = ublksrv_get_op(&ev->iod);

	return ev->res >= 0 && op == UBLK_IO_OP_READ &&
	       (off < RAW_WIN_START || off >= RAW_WIN_END);
}

/* The next event that concerns the test; reads of others are served here. */
int raw_request(struct raw_ring *r, struct raw_ev *ev, int ms)
{
	long end = raw_now_ms() + ms;
	int ret;

	do {
		ret = raw_event(r, ev, ms);
		if (ret || !raw_foreign(ev))
			return ret;
		ret = raw_serve(r, ev);
		if (ret)
			return ret;
	} while (raw_now_ms() < end);
	return RAW_TIMEOUT;
}

/*
 * Serve until the driver has ended every fetched command with ENODEV. Returns
 * how many ended here, or RAW_TIMEOUT.
 */
int raw_collect_abort(struct raw_ring *r, int ms)
{
	struct raw_srv *s = r->srv;
	long end = raw_now_ms() + ms;
	int aborted = 0, ret;
	struct raw_ev ev;
	size_t i, armed;

	for (;;) {
		for (armed = 0, i = 0; i < nr_tags(s); i++)
			armed += s->state[i] == RAW_A;
		if (!armed)
			return aborted;
		ret = raw_event(r, &ev, end - raw_now_ms());
		if (ret)
			return ret;
		if (ev.res == UBLK_IO_RES_ABORT)
			aborted++;
		ret = raw_serve(r, &ev);
		if (ret)
			return ret;
	}
}
