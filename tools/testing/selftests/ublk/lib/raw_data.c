// SPDX-License-Identifier: GPL-2.0
/*
 * Data in the modes without server buffers (user copy, zero copy, automatic
 * registration): see raw.h.
 *
 * raw_serve() calls raw_move(), which moves data between the request and the
 * tag's buffer. In these modes the buffer is memory and a file at the same
 * time, so that READ_FIXED and WRITE_FIXED have a file to work with. The
 * functions for single steps are for tests that do the steps in the wrong
 * order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proc.h"
#include "raw.h"

/* File offset of a byte of a request's data. */
__u64 raw_pos(int q, int tag, __u64 off)
{
	return UBLKSRV_IO_BUF_OFFSET + ((__u64)q << UBLK_QID_OFF |
					(__u64)tag << UBLK_TAG_OFF | off);
}

/* Copy from a write request. Bytes or -errno. */
long raw_get(struct raw_srv *s, int q, int tag, void *buf, size_t len,
	     __u64 off)
{
	long n = pread(s->fd, buf, len, raw_pos(q, tag, off));

	return n < 0 ? -errno : n;
}

/* Copy into a read request. Bytes or -errno. */
long raw_put(struct raw_srv *s, int q, int tag, const void *buf, size_t len,
	     __u64 off)
{
	long n = pwrite(s->fd, buf, len, raw_pos(q, tag, off));

	return n < 0 ? -errno : n;
}

/* raw_get() or raw_put(), as struct raw_copy says. */
long raw_copy_any(void *raw_copy)
{
	struct raw_copy *c = raw_copy;

	if (c->put)
		return raw_put(c->s, c->q, c->tag, c->buf, c->len, c->off);
	return raw_get(c->s, c->q, c->tag, c->buf, c->len, c->off);
}

/*
 * Make an empty buffer table: a slot per tag for raw_serve(), RAW_SLOTS more.
 */
int raw_table(struct raw_ring *r)
{
	struct ublksrv_ctrl_dev_info *i = &r->srv->info;

	return io_uring_register_buffers_sparse(&r->ring, i->nr_hw_queues *
						i->queue_depth + RAW_SLOTS);
}

int raw_reg(struct raw_ring *r, int q, int tag, __u64 slot)
{
	return raw_call(r, UBLK_U_IO_REGISTER_IO_BUF, q, tag, 0, slot);
}

int raw_unreg(struct raw_ring *r, __u64 slot)
{
	return raw_call(r, UBLK_U_IO_UNREGISTER_IO_BUF, 0, 0, 0, slot);
}

/*
 * Put memory of the server into a slot, or nothing, by an update of the table instead
 * of a ublk command. Returns 0, or a negative errno.
 */
int raw_set_slot(struct raw_ring *r, int slot, void *buf, size_t len)
{
	struct iovec v = { buf, len };
	__u64 tag = 0;
	int ret = io_uring_register_buffers_update_tag(&r->ring, slot, &v, &tag, 1);

	return ret == 1 ? 0 : ret ? : -EIO;
}

/* For an SQE of the caller's own: no command has this queue, tag and number. */
__u64 raw_user_data(struct raw_ring *r)
{
	r->seq++;
	return (__u64)r->seq << 40 | 0xffffffffffULL;
}

/*
 * Begin to move @len bytes between @off in @fd and @addr in a slot's buffer;
 * @write: to the file.
 */
int raw_fixed_post(struct raw_ring *r, bool write, int fd, __u64 off,
		   int slot, __u64 addr, __u32 len, __u64 *user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	void *buf = (void *)(uintptr_t)addr;
	int ret;

	if (!sqe)
		return -EXFULL;
	memset(sqe, 0, sizeof(*sqe));
	if (write)
		io_uring_prep_write_fixed(sqe, fd, buf, len, off, slot);
	else
		io_uring_prep_read_fixed(sqe, fd, buf, len, off, slot);
	sqe->user_data = raw_user_data(r);
	*user_data = sqe->user_data;
	ret = io_uring_submit(&r->ring);
	return ret < 0 ? ret : 0;
}

/* Move and wait. Bytes, -errno or RAW_TIMEOUT. */
int raw_fixed(struct raw_ring *r, bool write, int fd, __u64 off, int slot,
	      __u64 addr, __u32 len)
{
	__u64 mine;
	int ret = raw_fixed_post(r, write, fd, off, slot, addr, len, &mine);

	return ret ? ret : raw_await(r, mine, RAW_DEADLINE_MS);
}

/* The registration word that raw_fetch() and raw_commit() send for a tag. */
__u64 raw_word(struct raw_ring *r, int q, int tag)
{
	if (!(r->srv->info.flags & UBLK_F_AUTO_BUF_REG))
		return 0;
	return raw_slot(r->srv, q, tag) | (__u64)r->auto_flags << 16;
}

static int move_fixed(struct raw_ring *r, const struct raw_ev *ev, __u32 len)
{
	struct raw_srv *s = r->srv;
	int slot = raw_slot(s, ev->q, ev->tag);
	__u64 off = (__u64)slot * RAW_IO_BYTES;
	bool registered = s->info.flags & UBLK_F_AUTO_BUF_REG &&
			  !(ev->iod.op_flags & UBLK_IO_F_NEED_REG_BUF);
	bool write = ublksrv_get_op(&ev->iod) == UBLK_IO_OP_WRITE;
	int ret;

	if (registered) {
		slot = ev->iod.addr & 0xffff;
	} else {
		ret = raw_reg(r, ev->q, ev->tag, slot);
		if (ret)
			return ret;
	}
	ret = raw_fixed(r, write, s->buf_fd, off, slot, 0, len);
	if (ret >= 0)
		ret = ret == len ? 0 : -EIO;
	if (!registered && raw_unreg(r, slot) && !ret)
		ret = -EIO;
	return ret;
}

/*
 * Move data between a read or write and the tag's buffer, by the device's mode.
 */
int raw_move(struct raw_ring *r, const struct raw_ev *ev)
{
	struct raw_srv *s = r->srv;
	char *buf = raw_buf(s, ev->q, ev->tag);
	__u32 len = ev->iod.nr_sectors << 9;
	long n;

	if (raw_copy_mode(s) || ev->iod.op_flags & UBLK_IO_F_SHMEM_ZC)
		return 0;
	if (!(s->info.flags & UBLK_F_USER_COPY))
		return move_fixed(r, ev, len);
	if (ublksrv_get_op(&ev->iod) == UBLK_IO_OP_WRITE)
		n = raw_get(s, ev->q, ev->tag, buf, len, 0);
	else
		n = raw_put(s, ev->q, ev->tag, buf, len, 0);
	return n < 0 ? n : n == len ? 0 : -EIO;
}

void raw_fill(char *p, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = seed >> 16;
	}
}

/* The last @len bytes of a page that is followed by a hole, or NULL. */
char *raw_hole(size_t len)
{
	char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || munmap(map + 4096, 4096))
		return NULL;
	return map + 4096 - len;
}

struct call {
	raw_fn fn;
	void *arg;
	long res;
};

static void *run_call(void *arg)
{
	struct call *c = arg;

	c->res = c->fn(c->arg);
	return NULL;
}

/* Run fn(arg) in a new thread, which is the daemon of no tag. */
long raw_in_thread(raw_fn fn, void *arg)
{
	struct call c = { .fn = fn, .arg = arg };
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, run_call, &c);

	if (ret)
		return -ret;
	pthread_join(thread, NULL);
	return c.res;
}

/* Run fn(arg) in a process that has inherited every descriptor. */
long raw_in_process(raw_fn fn, void *arg)
{
	struct call *c = proc_shared(sizeof(*c));
	pid_t pid;
	long res;

	if (!c)
		return -ENOMEM;
	c->res = -ECHILD;
	pid = proc_fork();
	if (!pid) {
		c->res = fn(arg);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	res = c->res;
	munmap(c, sizeof(*c));
	return res;
}
