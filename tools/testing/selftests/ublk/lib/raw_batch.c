// SPDX-License-Identifier: GPL-2.0
/*
 * Batch commands for the tests: see raw_batch.h.
 *
 * user_data of a command: provided-buffer group in bits 0..15, queue in 16..31,
 * command number in 32..39, sequence number above, which also distinguishes
 * several fetch commands. As in raw_io.c, CQEs that arrive during the wait for
 * one command are stashed in order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "raw_batch.h"

int raw_batch_open(struct raw_batch *b, struct raw_srv *s,
		   unsigned int ring_flags)
{
	struct io_uring_params p = { .flags = ring_flags };

	memset(b, 0, sizeof(*b));
	b->srv = s;
	p.flags |= IORING_SETUP_CQSIZE;
	p.cq_entries = 8192;
	return io_uring_queue_init_params(64, &b->ring, &p);
}

void raw_batch_close(struct raw_batch *b)
{
	int i;

	io_uring_queue_exit(&b->ring);
	for (i = 0; i < RAW_GROUPS; i++) {
		if (b->groups[i].mem)
			munmap(b->groups[i].mem,
			       b->groups[i].nr * b->groups[i].bytes);
	}
}

/*
 * Make a group of @nr buffers (a power of two) of @bytes each, and provide all
 * of them. With @bytes 0 the caller provides them. @flags is for the buffer
 * ring.
 */
int raw_group_open(struct raw_batch *b, int group, unsigned int nr,
		   unsigned int bytes, unsigned int flags)
{
	struct raw_group *g = &b->groups[group];
	unsigned int i;
	int ret;

	memset(g, 0, sizeof(*g));
	g->br = io_uring_setup_buf_ring(&b->ring, nr, group, flags, &ret);
	if (!g->br)
		return ret;
	g->nr = nr;
	g->bytes = bytes;
	g->inc = flags & RAW_BUF_RING_INC;
	if (!bytes)
		return 0;
	g->mem = mmap(NULL, nr * bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->mem == MAP_FAILED) {
		g->mem = NULL;
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++)
		raw_group_refill(b, group, i);
	return 0;
}

void raw_group_close(struct raw_batch *b, int group)
{
	struct raw_group *g = &b->groups[group];

	io_uring_free_buf_ring(&b->ring, g->br, g->nr, group);
	if (g->mem)
		munmap(g->mem, g->nr * g->bytes);
	memset(g, 0, sizeof(*g));
}

/* Provide one buffer; @addr NULL means the group's own memory for @bid. */
void raw_group_add(struct raw_batch *b, int group, int bid, void *addr,
		   unsigned int bytes)
{
	struct raw_group *g = &b->groups[group];

	if (!addr)
		addr = g->mem + bid * g->bytes;
	g->used[bid] = 0;
	io_uring_buf_ring_add(g->br, addr, bytes, bid,
			      io_uring_buf_ring_mask(g->nr), 0);
	io_uring_buf_ring_advance(g->br, 1);
}

void raw_group_refill(struct raw_batch *b, int group, int bid)
{
	raw_group_add(b, group, bid, NULL, b->groups[group].bytes);
}

static struct io_uring_sqe *get_sqe(struct raw_batch *b, __u32 op, int q,
				    int group)
{
	bool wide = b->ring.flags & IORING_SETUP_SQE128;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);

	if (!sqe)
		return NULL;
	memset(sqe, 0, wide ? 2 * sizeof(*sqe) : sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = b->srv->fd;
	sqe->cmd_op = op;
	b->seq++;
	sqe->user_data = (__u64)b->seq << 40 | (__u64)(op & 0xff) << 32 |
			 (__u32)(__u16)q << 16 | (__u16)group;
	return sqe;
}

/* Submit a command and do not wait. Its sequence number, or -errno. */
int raw_batch_post(struct raw_batch *b, const struct raw_bcmd *cmd)
{
	struct ublk_batch_io io = {
		.q_id = cmd->q, .flags = cmd->flags, .nr_elem = cmd->nr,
		.elem_bytes = cmd->size,
		/*
		 * The driver does not read them, so send another value each
		 * time.
		 */
		.reserved = b->seq, .reserved2 = ~0ULL << (b->seq & 31),
	};
	struct io_uring_sqe *sqe = get_sqe(b, cmd->op, cmd->q, cmd->group);
	int ret;

	if (!sqe)
		return -EXFULL;
	sqe->flags = cmd->sqe_flags;
	sqe->addr = (uintptr_t)cmd->addr;
	sqe->len = cmd->len;
	sqe->uring_cmd_flags = cmd->uring_flags;
	if (cmd->sqe_flags & IOSQE_BUFFER_SELECT)
		sqe->buf_group = cmd->group;
	memcpy(sqe->cmd, &io, sizeof(io));
	ret = io_uring_submit(&b->ring);
	return ret < 0 ? ret : (int)b->seq;
}

static int wait_cqe(struct raw_batch *b, long end, struct raw_cqe *c)
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
		ret = io_uring_wait_cqe_timeout(&b->ring, &cqe, &ts);
		if (!ret) {
			c->user_data = cqe->user_data;
			c->res = cqe->res;
			c->flags = cqe->flags;
			io_uring_cqe_seen(&b->ring, cqe);
			return 0;
		}
		if (ret != -ETIME && ret != -EINTR && ret != -EAGAIN)
			return ret;
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
	}
}

/* Wait for the CQE of command @seq and stash the others. */
static int wait_seq(struct raw_batch *b, __u32 seq)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct raw_cqe c;
	int ret;

	for (;;) {
		ret = wait_cqe(b, end, &c);
		if (ret)
			return ret;
		if (c.user_data >> 40 == seq)
			return c.res;
		if (b->stashed == RAW_STASH)
			return -EOVERFLOW;
		b->stash[b->stashed++] = c;
	}
}

/* Submit a command that completes by itself and return its result. */
int raw_batch_call(struct raw_batch *b, const struct raw_bcmd *cmd)
{
	int seq = raw_batch_post(b, cmd);

	return seq < 0 ? seq : wait_seq(b, seq);
}

struct thread_call {
	struct raw_srv *s;
	const struct raw_bcmd *cmd;
	int res;
};

static void *thread_call(void *arg)
{
	struct thread_call *t = arg;
	struct raw_batch *b = malloc(sizeof(*b));

	t->res = -ENOMEM;
	if (!b)
		return NULL;
	t->res = raw_batch_open(b, t->s, 0);
	if (!t->res) {
		t->res = raw_batch_call(b, t->cmd);
		raw_batch_close(b);
	}
	free(b);
	return NULL;
}

/* raw_batch_call() by another thread with a ring of its own. */
int raw_batch_thread_call(struct raw_srv *s, const struct raw_bcmd *cmd)
{
	struct thread_call t = { .s = s, .cmd = cmd };
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, thread_call, &t);

	if (ret)
		return -ret;
	pthread_join(thread, NULL);
	return t.res;
}

/* A per-tag command on this ring. */
int raw_batch_io_call(struct raw_batch *b, __u32 op, int q, int tag,
		      __u64 addr)
{
	struct ublksrv_io_cmd io = { .q_id = q, .tag = tag, .addr = addr };
	struct io_uring_sqe *sqe = get_sqe(b, op, q, 0);
	int ret;

	if (!sqe)
		return -EXFULL;
	memcpy(sqe->cmd, &io, sizeof(io));
	ret = io_uring_submit(&b->ring);
	return ret < 0 ? ret : wait_seq(b, b->seq);
}

/*
 * Move data between a registered request buffer and a file, on this ring: the
 * result of the transfer.
 */
int raw_batch_fixed(struct raw_batch *b, bool to_file, int fd, __u64 pos,
		    unsigned int len, int slot)
{
	struct io_uring_sqe *sqe = get_sqe(b, 0, 0, 0);
	__u64 user_data;
	int ret;

	if (!sqe)
		return -EXFULL;
	user_data = sqe->user_data;
	/* Registered request buffers begin at address 0 (D-120). */
	if (to_file)
		io_uring_prep_write_fixed(sqe, fd, NULL, len, pos, slot);
	else
		io_uring_prep_read_fixed(sqe, fd, NULL, len, pos, slot);
	sqe->user_data = user_data;
	ret = io_uring_submit(&b->ring);
	return ret < 0 ? ret : wait_seq(b, b->seq);
}

int raw_elem_size(unsigned int flags)
{
	return 8 + (flags & UBLK_BATCH_F_HAS_BUF_ADDR ? 8 : 0) +
	       (flags & UBLK_BATCH_F_HAS_ZONE_LBA ? 8 : 0);
}

/* Write element @i of a buffer at @base, in the layout of @flags. */
void raw_elem_put(void *base, int i, unsigned int flags,
		  const struct raw_elem *e)
{
	char *p = (char *)base + i * raw_elem_size(flags);
	struct ublk_elem_header h = {
		.tag = e->tag, .buf_index = e->buf_index, .result = e->result,
	};

	memcpy(p, &h, sizeof(h));
	p += sizeof(h);
	if (flags & UBLK_BATCH_F_HAS_BUF_ADDR) {
		memcpy(p, &e->buf_addr, 8);
		p += 8;
	}
	if (flags & UBLK_BATCH_F_HAS_ZONE_LBA)
		memcpy(p, &e->zone_lba, 8);
}

/* The flags of PREP and COMMIT that the device's mode needs. */
unsigned int raw_batch_flags(struct raw_batch *b)
{
	return b->elem_flags |
	       (raw_copy_mode(b->srv) ? UBLK_BATCH_F_HAS_BUF_ADDR : 0);
}

/* PREP or COMMIT of these elements. Returns the command's result. */
int raw_batch_elems(struct raw_batch *b, __u32 op, int q,
		    const struct raw_elem *e, int nr)
{
	unsigned int flags = raw_batch_flags(b);
	char *buf = malloc(nr * raw_elem_size(flags) + 1);
	struct raw_bcmd cmd = {
		.op = op, .q = q, .flags = flags, .nr = nr,
		.size = raw_elem_size(flags), .addr = buf,
	};
	int i, ret;

	if (!buf)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		raw_elem_put(buf, i, flags, e + i);
	ret = raw_batch_call(b, &cmd);
	free(buf);
	return ret;
}

static struct raw_elem own_elem(struct raw_batch *b, int q, int tag, int result)
{
	__u64 addr = raw_addr(b->srv, q, tag);

	return (struct raw_elem) {
		.tag = tag, .result = result, .buf_index = addr,
		.buf_addr = addr,
	};
}

/* PREP tags [@tag, @tag + @nr) with their own buffers. Returns the result. */
int raw_batch_prep(struct raw_batch *b, int q, int tag, int nr)
{
	struct raw_elem *e = calloc(nr, sizeof(*e));
	int i, ret;

	if (!e)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		e[i] = own_elem(b, q, tag + i, 0);
	ret = raw_batch_elems(b, RAW_PREP, q, e, nr);
	free(e);
	return ret;
}

int raw_batch_prep_all(struct raw_batch *b)
{
	int q, ret = 0;

	for (q = 0; q < b->srv->info.nr_hw_queues && !ret; q++)
		ret = raw_batch_prep(b, q, 0, b->srv->info.queue_depth);
	return ret;
}

/* COMMIT of one tag. 0, or an error. */
int raw_batch_commit(struct raw_batch *b, int q, int tag, int result)
{
	struct raw_elem e = own_elem(b, q, tag, result);
	int ret = raw_batch_elems(b, RAW_COMMIT, q, &e, 1);

	if (ret == raw_elem_size(raw_batch_flags(b)))
		return 0;
	return ret < 0 ? ret : -EPROTO;
}

/* Send a fetch command. Returns its sequence number or -errno. */
int raw_batch_fetch(struct raw_batch *b, int q, int group)
{
	struct raw_bcmd cmd = {
		.op = RAW_FETCH, .q = q, .size = 2, .group = group,
		.sqe_flags = IOSQE_BUFFER_SELECT,
		.uring_flags = RAW_CMD_MULTISHOT,
	};
	int ret = raw_batch_post(b, &cmd);

	if (ret >= 0)
		b->fetches++;
	return ret;
}

/* Find the list of a CQE, and give its buffer back or remember what is used. */
static int take_tags(struct raw_batch *b, struct raw_bev *ev, int group)
{
	struct raw_group *g = &b->groups[group];
	int bid = ev->flags >> IORING_CQE_BUFFER_SHIFT;

	ev->bid = bid;
	ev->count = ev->res / 2;
	if (ev->count > RAW_CQE_TAGS || ev->res % 2 || bid >= RAW_GROUP_BUFS)
		return -EPROTO;
	if (!g->mem)
		return 0;
	if (g->used[bid] + ev->res > g->bytes)
		return -EPROTO;
	memcpy(ev->tags, g->mem + bid * g->bytes + g->used[bid], ev->res);
	if (ev->flags & RAW_CQE_BUF_MORE)
		g->used[bid] += ev->res;
	else if (!g->keep)
		raw_group_refill(b, group, bid);
	return 0;
}

/* The next CQE. Its tags are valid if the group has memory of its own. */
int raw_batch_event(struct raw_batch *b, struct raw_bev *ev, int ms)
{
	struct raw_cqe c;
	int ret = 0;

	memset(ev, 0, sizeof(*ev));
	if (b->stashed) {
		c = b->stash[0];
		b->stashed--;
		memmove(b->stash, b->stash + 1, b->stashed * sizeof(c));
	} else {
		ret = wait_cqe(b, raw_now_ms() + ms, &c);
		if (ret)
			return ret;
	}
	ev->res = c.res;
	ev->flags = c.flags;
	ev->seq = c.user_data >> 40;
	ev->nr = c.user_data >> 32 & 0xff;
	ev->q = c.user_data >> 16 & 0xffff;
	ev->bid = -1;
	if (ev->nr != RAW_NR_FETCH)
		return 0;
	if (!(c.flags & IORING_CQE_F_MORE)) {
		b->fetches--;
		b->aborted += c.res == UBLK_IO_RES_ABORT;
	}
	if (c.res > 0 && c.flags & IORING_CQE_F_BUFFER)
		ret = take_tags(b, ev, c.user_data & 0xffff);
	return ret;
}

/* The next delivered tag, or the end of a fetch command (res is not 0). */
int raw_batch_next(struct raw_batch *b, struct raw_ev *ev, int ms)
{
	int ret;

	memset(ev, 0, sizeof(*ev));
	if (b->done == b->cur.count) {
		b->done = 0;
		ret = raw_batch_event(b, &b->cur, ms);
		if (ret)
			return ret;
	}
	ev->nr = b->cur.nr;
	ev->q = b->cur.q;
	if (b->done == b->cur.count) {
		ev->res = b->cur.res ? b->cur.res : -EPROTO;
		return 0;
	}
	ev->tag = b->cur.tags[b->done++];
	ev->iod = raw_desc(b->srv, ev->q, ev->tag);
	return 0;
}

/* Like raw_request(); res is 0, or that of a fetch command that has ended. */
int raw_batch_request(struct raw_batch *b, struct raw_ev *ev, int ms)
{
	long end = raw_now_ms() + ms;
	int ret;

	do {
		ret = raw_batch_next(b, ev, ms);
		if (ret || !raw_foreign(ev))
			return ret;
		ret = raw_batch_serve(b, ev);
		if (ret)
			return ret;
	} while (raw_now_ms() < end);
	return RAW_TIMEOUT;
}

/* Serve a delivered tag like a RAM disk. */
int raw_batch_serve(struct raw_batch *b, const struct raw_ev *ev)
{
	if (ev->res < 0)
		return 0;
	return raw_batch_commit(b, ev->q, ev->tag, raw_answer(b->srv, ev));
}

/*
 * Serve until every fetch command has ended. Returns how many commands of this
 * ring ended with ENODEV, the first other result, or RAW_TIMEOUT.
 */
int raw_batch_collect_abort(struct raw_batch *b, int ms)
{
	long end = raw_now_ms() + ms;
	struct raw_ev ev;
	int ret;

	while (b->fetches) {
		ret = raw_batch_next(b, &ev, end - raw_now_ms());
		if (!ret)
			ret = raw_batch_serve(b, &ev);
		/*
		 * The server was too slow and ran out of buffers; they are back
		 * by now.
		 */
		if (!ret && ev.res == -ENOBUFS)
			ret = raw_batch_fetch(b, ev.q, 0);
		else if (!ret && ev.res && ev.res != UBLK_IO_RES_ABORT)
			ret = ev.res;
		if (ret < 0)
			return ret;
	}
	return b->aborted;
}

/* Like client_wait_serving(), for a batch device. */
long raw_batch_wait(struct io_client *a, int job, struct raw_batch *b, int ms)
{
	long end = raw_now_ms() + ms;
	struct raw_ev ev;
	int ret;

	if (job < 0)
		return job;
	while (!client_done(a, job)) {
		if (raw_now_ms() >= end)
			return client_wait(a, job, 0);
		ret = raw_batch_next(b, &ev, 2);
		if (!ret)
			ret = raw_batch_serve(b, &ev);
		if (ret && ret != RAW_TIMEOUT)
			return ret;
	}
	return a->jobs[job].res;
}
