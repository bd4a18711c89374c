// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The commands of a queue's tags: fetch, commit, and what comes back.
 *
 * queue_init() and queue_exit() run in the controlling thread, everything else
 * in the worker's thread; ublk_io_complete() may come from any. All commands
 * of a tag are sent by the thread that fetched it (D-230), on one ring, with
 * the char device in slot 0 of its file table.
 *
 * queue_commit() is on the path of every request and is kept to one SQE: 64
 * bytes from constants, the tag and the result.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "logic/pos.h"

#include "private.h"

/* A command as it lies in the SQE, ublksrv_io_cmd at offset 48 included. */
struct command {
	__u8 opcode;
	__u8 flags;
	__u16 ioprio;
	__s32 fd;
	__u32 op;
	__u32 pad;
	__u64 reg;
	__u64 len_flags;
	__u64 user_data;
	__u64 group;
	struct io_id id;
	__s32 result;
	__u64 addr;
} __attribute__((may_alias));

_Static_assert(sizeof(struct command) == 64, "a command is one SQE");
_Static_assert(offsetof(struct command, op) ==
	       offsetof(struct io_uring_sqe, cmd_op), "cmd_op");
_Static_assert(offsetof(struct command, user_data) ==
	       offsetof(struct io_uring_sqe, user_data), "user_data");
_Static_assert(offsetof(struct command, id) ==
	       offsetof(struct io_uring_sqe, cmd), "cmd");
_Static_assert(sizeof(struct io) == 64, "a tag is one cache line");

static inline void queue_send(struct worker *w, struct io *io, __u32 op,
			      int res)
{
	struct command *c = (struct command *)worker_sqe(w);

	if (unlikely(!c))
		return;
	*c = (struct command){
		.opcode = IORING_OP_URING_CMD,
		.flags = IOSQE_FIXED_FILE,
		.op = op,
		.user_data = (uintptr_t)io | UD_COMMAND,
		.id = io->id,
		.result = res,
		.addr = (uintptr_t)io->pub.buf,
	};
}

/* Worker's thread only. */
void queue_commit(struct worker *w, struct io *io, int res)
{
	queue_send(w, io, UBLK_U_IO_COMMIT_AND_FETCH_REQ, res);
}

void ublk_io_complete(struct ublk_io *pub, int res)
{
	struct worker *w = to_queue(pub->q)->worker;

	if (likely(w == worker_self))
		queue_commit(w, to_io(pub), res);
	else
		offload_push(w, to_io(pub), res);
}

/*
 * A command completed with something else than "request delivered". ENODEV is
 * the last CQE of the tag (D-232). Any other error means that driver and
 * library disagree about the tag, whose request would never end: give up the
 * worker, so that the driver fails what it owns.
 */
void queue_on_command(struct worker *w, struct io *io, int res)
{
	if (res == UBLK_IO_RES_NEED_GET_DATA) {
		queue_send(w, io, UBLK_U_IO_NEED_GET_DATA, 0);
		return;
	}
	if (res == UBLK_IO_RES_ABORT) {
		w->nr_live--;
		return;
	}
	ublk_log(UBLK_LOG_ERR, "dev %u: queue %u tag %u: driver refused a command: %s",
		 w->dev->info.dev_id, io->id.q_id, io->id.tag, strerror(-res));
	worker_fatal(w, res);
}

struct io_uring_sqe *ublk_io_sqe(struct ublk_io *pub)
{
	struct io *io = to_io(pub);
	struct io_uring_sqe *sqe = worker_sqe(to_queue(pub->q)->worker);

	if (unlikely(!sqe))
		return NULL;
	io_uring_initialize_sqe(sqe);
	sqe->user_data = (uintptr_t)io | UD_BACKEND;
	io->pending++;
	return sqe;
}

void queue_on_backend(struct worker *w, struct io *io, int res)
{
	const struct ublk_target *t = w->dev->target;

	if (unlikely(res < 0)) {
		if (!io->err)
			io->err = res;
	} else {
		io->sum += res;
	}
	if (--io->pending)
		return;

	res = io->err ? io->err : io->sum;
	io->err = 0;
	io->sum = 0;
	if (t->done)
		t->done(io->pub.q, &io->pub, res);
	else
		queue_commit(w, io, res);
}

/* Queue every tag's first command. */
int queue_fetch(struct queue *q)
{
	unsigned int tag;

	for (tag = 0; tag < q->pub.depth && !q->worker->fatal; tag++)
		queue_send(q->worker, &q->ios[tag], UBLK_U_IO_FETCH_REQ, 0);
	if (q->worker->fatal)
		return q->worker->fatal;
	q->worker->nr_live += q->pub.depth;
	return 0;
}

int ublk_queue_fixed_fd(struct ublk_queue *pub, int fd)
{
	struct worker *w = to_queue(pub)->worker;
	int ret;

	if (w->nr_files == WORKER_FILES)
		return -ENFILE;
	ret = io_uring_register_files_update(&w->ring, w->nr_files, &fd, 1);
	if (ret < 0)
		return ret;
	return w->nr_files++;
}

int queue_open(struct queue *q)
{
	struct ublk_dev *dev = q->pub.dev;
	int ret;

	ret = buf_alloc(q, dev->info.max_io_buf_bytes,
			dev->flags & UBLK_DEV_MLOCK);
	if (ret)
		return ret;
	if (dev->target->queue_open) {
		ret = dev->target->queue_open(&q->pub);
		if (ret)
			buf_free(q);
	}
	return ret;
}

void queue_close(struct queue *q)
{
	const struct ublk_target *t = q->pub.dev->target;

	if (!q->bufs)
		return;
	if (t->queue_close)
		t->queue_close(&q->pub);
	buf_free(q);
}

static int queue_map(struct queue *q, struct ublk_dev *dev)
{
	u32 page = sysconf(_SC_PAGESIZE);
	/* a driver before IO_DESC_SIZE leaves 0 here */
	u16 slot = dev->info.io_desc_size ? : sizeof(struct ublksrv_io_desc);
	u64 off = (u64)q->pub.id * ublk_pos_desc_stride(slot, page);
	unsigned int tag;
	void *mem;

	q->descs_len = ublk_pos_desc_len(q->pub.depth, slot, page);
	mem = mmap(NULL, q->descs_len, PROT_READ, MAP_SHARED | MAP_POPULATE,
		   dev->char_fd, UBLKSRV_CMD_BUF_OFFSET + off);
	if (mem == MAP_FAILED)
		return ublk_error(-errno, "queue %u: mapping descriptors: %s",
				  q->pub.id, strerror(errno));
	q->descs = mem;
	for (tag = 0; tag < q->pub.depth; tag++)
		q->ios[tag].pub.desc = (const void *)((char *)mem + tag * slot);
	return 0;
}

int queue_init(struct queue *q, struct ublk_dev *dev, unsigned int id,
	       struct worker *w)
{
	size_t priv = (dev->target->io_size + 63) & ~63UL;
	unsigned int tag;
	int ret;

	q->pub.dev = dev;
	q->pub.id = id;
	q->pub.depth = dev->info.queue_depth;
	q->worker = w;
	q->ios = aligned_alloc(64, q->pub.depth * sizeof(*q->ios));
	if (!q->ios)
		return ublk_error(-ENOMEM, "out of memory");
	memset(q->ios, 0, q->pub.depth * sizeof(*q->ios));
	if (priv) {
		q->io_priv = aligned_alloc(64, q->pub.depth * priv);
		if (!q->io_priv) {
			ret = ublk_error(-ENOMEM, "out of memory");
			goto err_exit;
		}
		memset(q->io_priv, 0, q->pub.depth * priv);
	}
	for (tag = 0; tag < q->pub.depth; tag++) {
		struct io *io = &q->ios[tag];

		io->pub.q = &q->pub;
		io->pub.tag = tag;
		io->pub.priv = priv ? (char *)q->io_priv + tag * priv : NULL;
		io->id.q_id = id;
		io->id.tag = tag;
	}
	ret = queue_map(q, dev);
	if (ret)
		goto err_exit;
	return 0;

err_exit:
	queue_exit(q);
	return ret;
}

/* Also for a queue that queue_init() did not finish. */
void queue_exit(struct queue *q)
{
	if (q->descs)
		munmap((void *)(uintptr_t)q->descs, q->descs_len);
	free(q->io_priv);
	free(q->ios);
	memset(q, 0, sizeof(*q));
}
