// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Batch commands: FETCH_IO_CMDS delivers many requests, COMMIT_IO_CMDS ends
 * many (data.rst section 13).
 *
 * Everything here runs in the worker's thread. One multishot FETCH_IO_CMDS
 * writes tags into buffers of the provided group 0 and posts a CQE for each
 * buffer; the buffer is provided again as soon as its tags are read. Results
 * are collected in an array, which one COMMIT_IO_CMDS sends at the end of the
 * loop's turn.
 *
 * A commit completes while io_uring submits it. The turn waits for one more CQE
 * for each commit; otherwise the CQE of the commit would end the wait at once.
 * If the driver refuses a commit and nothing else completes, a timer ends the
 * wait, so that no request hangs. It runs only while there are commits.
 *
 * nr_live counts the fetch command, the tags that the server owns and the
 * commits without a CQE. The loop ends when it is zero.
 */
#include <sys/mman.h>

#include "logic/elem.h"

#include "private.h"
#include "stat.h"

#define BATCH_GROUP	0
#define BATCH_MAX_BUFS	256U
/* Tags per CQE, at most (D-187). */
#define BATCH_MAX_TAGS	128U
/* Arrays of results: one is being filled, the driver has the others. */
#define BATCH_COMMITS	4
/* How long a refused commit may go unnoticed. */
#define BATCH_LOOK_MS	250

#ifndef IORING_URING_CMD_MULTISHOT
#define IORING_URING_CMD_MULTISHOT	(1U << 1)
#endif

/* Results that the driver reads; does not change until the CQE (D-174). */
struct batch_commit {
	char *elems;
	unsigned int first, nr;		/* elements sent last */
	bool busy;
} __attribute__((aligned(16)));

struct batch {
	char *tail;			/* where the next element goes */
	struct batch_commit *cur;
	unsigned int elem_bytes;
	__u16 flags;			/* of PREP and COMMIT */
	bool timer;			/* is running */
	/* for worker.link, when a CQE brings one request */
	void (*link)(struct worker *w, struct io *io, int res);

	struct io_uring_buf_ring *ring;
	char *bufs;
	unsigned int nr_bufs, buf_bytes;

	/*
	 * Redirected requests: the elements that were sent, and from first to next
	 * those of this turn. The driver reads them when io_uring submits the
	 * command, which ends at redirect_tail of the SQ.
	 */
	struct ublk_redirect_elem *redirects;
	unsigned int redirect_first, redirect_next, redirect_room;
	unsigned int redirect_tail;

	struct batch_commit commits[BATCH_COMMITS];
};

/* A batch command as it lies in the SQE. */
struct batch_command {
	__u8 opcode;
	__u8 flags;
	__u16 ioprio;
	__s32 fd;
	__u32 op;
	__u32 pad;
	__u64 addr;
	__u32 len;
	__u32 cmd_flags;
	__u64 user_data;
	__u16 group;
	__u16 personality;
	__u32 file_index;
	struct ublk_batch_io io;
} __attribute__((may_alias));

_Static_assert(sizeof(struct batch_command) == 64, "a command is one SQE");
_Static_assert(offsetof(struct batch_command, group) ==
	       offsetof(struct io_uring_sqe, buf_group), "buf_group");
_Static_assert(offsetof(struct batch_command, cmd_flags) ==
	       offsetof(struct io_uring_sqe, uring_cmd_flags), "cmd_flags");
_Static_assert(offsetof(struct batch_command, io) ==
	       offsetof(struct io_uring_sqe, cmd), "cmd");
_Static_assert(offsetof(struct ublk_io, slot) ==
	       offsetof(struct ublk_io, tag) + 2, "tag and slot of an element");

/* ---- results to the driver ---------------------------------------------- */

/* struct ublk_elem_header */
static inline __u64 batch_header(const struct io *io, int res)
{
	return io->pub.tag | (__u64)io->pub.slot << 16 | (__u64)res << 32;
}

static void batch_send(struct worker *w, struct io *io, int res)
{
	struct batch *b = w->batch;
	__u64 *e = (__u64 *)b->tail;

	e[0] = batch_header(io, res);
	b->tail += 8;
	io->pub.lib = 0;
	stat_sent(w, io, res);
}

/* Also names the buffer for the tag's next request. */
static void batch_send_addr(struct worker *w, struct io *io, int res)
{
	struct batch *b = w->batch;
	__u64 *e = (__u64 *)b->tail;

	e[0] = batch_header(io, res);
	e[1] = io->addr;
	b->tail += 16;
	io->pub.lib = 0;
	stat_sent(w, io, res);
}

/* Also names the LBA of a zone append. Zoned devices are never in copy mode. */
static void batch_send_lba(struct worker *w, struct io *io, int res)
{
	batch_send_addr(w, io, res);
	io->addr = 0;
}

void batch_set_send(struct worker *w)
{
	__u64 flags = w->dev->info.flags;

	if (flags & UBLK_F_ZONED)
		w->send = batch_send_lba;
	else if (flags & (UBLK_F_AUTO_BUF_REG | UBLK_F_USER_COPY))
		w->send = batch_send;
	else
		w->send = batch_send_addr;
}

static struct batch_command *batch_command(struct worker *w, __u32 op,
					   __u64 user_data)
{
	struct batch_command *c = (struct batch_command *)ring_sqe(w);
	struct batch *b = w->batch;

	if (unlikely(!c))
		return NULL;
	*c = (struct batch_command){
		.opcode = IORING_OP_URING_CMD,
		.flags = IOSQE_FIXED_FILE,
		.op = op,
		.user_data = user_data,
		.io = {
			.q_id = w->queue->pub.id,
			.flags = b->flags,
			.elem_bytes = b->elem_bytes,
		},
	};
	return c;
}

/*
 * Link the commit of one request to the SQE that serves it. That pays for a
 * request that was delivered alone; several are cheaper in one commit.
 */
static void batch_link(struct worker *w, struct io *io, int res)
{
	struct batch_command *c =
		batch_command(w, UBLK_U_IO_COMMIT_IO_CMDS,
			      (uintptr_t)io | UD_LINK_COMMIT);

	io->addr = batch_header(io, res);
	io->pub.lib = 0;
	c->flags |= IOSQE_CQE_SKIP_SUCCESS;
	c->addr = (uintptr_t)&io->addr;
	c->io.nr_elem = 1;
	w->nr_live--;
}

/* The SQE before a linked commit failed, so io_uring cancelled the commit. */
void batch_unlinked(struct worker *w)
{
	w->nr_live++;
}

/* The driver refused a linked commit. */
void batch_on_link_commit(struct worker *w, struct io *io, int res)
{
	ublk_log(UBLK_LOG_ERR, "dev %u: queue %u tag %u: driver refused a commit: %s",
		 w->dev->info.dev_id, io->id.q_id, io->id.tag, strerror(-res));
	ring_fatal(w, res);
}

static void batch_send_commit(struct worker *w, struct batch_commit *bc)
{
	struct batch_command *c =
		batch_command(w, UBLK_U_IO_COMMIT_IO_CMDS,
			      (uintptr_t)bc | UD_COMMIT);

	if (unlikely(!c))
		return;
	c->addr = (uintptr_t)bc->elems +
		(size_t)bc->first * w->batch->elem_bytes;
	c->io.nr_elem = bc->nr;
	w->nr_wait++;
}

static void batch_start_timer(struct worker *w)
{
	static const struct __kernel_timespec ts = {
		.tv_nsec = BATCH_LOOK_MS * 1000 * 1000,
	};
	struct io_uring_sqe *sqe = ring_sqe(w);

	if (unlikely(!sqe))
		return;
	io_uring_initialize_sqe(sqe);
	io_uring_prep_timeout(sqe, (void *)(uintptr_t)&ts, 0, 0);
	sqe->user_data = UD_TIMER;
	w->batch->timer = true;
}

void batch_on_timer(struct worker *w)
{
	w->batch->timer = false;
}

/*
 * Send the collected results. If the driver still has all other arrays, they
 * wait for the next turn. There is room for that: each tag is in the array
 * once.
 */
static void batch_commit(struct worker *w)
{
	struct batch *b = w->batch;
	struct batch_commit *bc = b->cur, *next;

	if (b->tail == bc->elems)
		return;
	for (next = b->commits; next->busy || next == bc; next++)
		if (next == &b->commits[BATCH_COMMITS - 1])
			return;
	bc->first = 0;
	bc->nr = (b->tail - bc->elems) / b->elem_bytes;
	bc->busy = true;
	b->cur = next;
	b->tail = next->elems;
	batch_send_commit(w, bc);
}

/* Have the driver serve a request; without room the daemon serves it. */
void batch_redirect(struct worker *w, struct io *io,
		    const struct ublk_place *place)
{
	struct batch *b = w->batch;

	if (unlikely(b->redirect_next == b->redirect_room)) {
		w->serve(io->pub.q, &io->pub);
		return;
	}
	b->redirects[b->redirect_next++] = (struct ublk_redirect_elem){
		.tag = io->pub.tag,
		.file = place->file,
		.pos = place->pos,
	};
	io->pub.lib = 0;
	w->nr_live--;
	stat_sent(w, io, io->pub.desc->nr_sectors << 9);
}

/* Has the driver read the elements of the last command? Its CQE is reaped then. */
static bool batch_redirects_read(struct worker *w)
{
	const struct io_uring_sq *sq = &w->ring.sq;

	return (int)(*(volatile unsigned int *)sq->khead -
		     w->batch->redirect_tail) >= 0;
}

static void batch_send_redirects(struct worker *w)
{
	struct batch *b = w->batch;
	struct batch_command *c;

	if (b->redirect_first && likely(batch_redirects_read(w))) {
		b->redirect_next -= b->redirect_first;
		memmove(b->redirects, b->redirects + b->redirect_first,
			b->redirect_next * sizeof(*b->redirects));
		b->redirect_first = 0;
	}
	if (b->redirect_next == b->redirect_first)
		return;
	c = batch_command(w, UBLK_U_IO_REDIRECT_IO_CMDS, UD_REDIRECT);
	if (unlikely(!c))
		return;
	c->flags |= IOSQE_CQE_SKIP_SUCCESS;
	c->addr = (uintptr_t)&b->redirects[b->redirect_first];
	c->io.flags = 0;
	c->io.elem_bytes = sizeof(*b->redirects);
	c->io.nr_elem = b->redirect_next - b->redirect_first;
	b->redirect_first = b->redirect_next;
	b->redirect_tail = w->ring.sq.sqe_tail;
}

/* The driver has marked the elements that it refuses. */
void batch_on_redirect(struct worker *w, int res)
{
	struct batch *b = w->batch;
	unsigned int i;

	if (res != -EREMOTEIO) {
		ublk_log(UBLK_LOG_ERR, "dev %u: queue %u: driver refused to redirect: %s",
			 w->dev->info.dev_id, w->queue->pub.id, strerror(-res));
		ring_fatal(w, res);
		return;
	}
	for (i = 0; i < b->redirect_first; i++) {
		struct io *io = &w->queue->ios[b->redirects[i].tag];

		if (!b->redirects[i].error)
			continue;
		w->nr_live++;
		res = b->redirects[i].error;
		b->redirects[i].error = 0;
		redirect_refused(w, io, res);
	}
}

/* End of a turn. */
void batch_flush(struct worker *w)
{
	struct batch *b = w->batch;

	batch_commit(w);
	if (b->redirects)
		batch_send_redirects(w);
	if (unlikely(!b->timer) && w->nr_wait > 1)
		batch_start_timer(w);
}

/*
 * The CQE of a commit. If the driver handled only some of the elements, the one
 * that failed is sent again as the first, and the CQE of that commit has the
 * reason (D-174, D-238). An error there means that driver and library disagree
 * about the tag, as in tag_on_command().
 */
void batch_on_commit(struct worker *w, struct batch_commit *bc, int res)
{
	unsigned int done = res > 0 ? res / w->batch->elem_bytes : 0;

	w->nr_wait--;
	w->nr_live -= done;
	bc->first += done;
	bc->nr -= done;
	if (!bc->nr) {
		bc->busy = false;
	} else if (done || res == -EINTR || res == -EAGAIN) {
		batch_send_commit(w, bc);
	} else {
		if (res >= 0)
			res = -EIO;
		ublk_log(UBLK_LOG_ERR, "dev %u: queue %u: driver refused a commit: %s",
			 w->dev->info.dev_id, w->queue->pub.id, strerror(-res));
		ring_fatal(w, res);
	}
}

/* ---- requests from the driver ------------------------------------------- */

static void batch_send_fetch(struct worker *w)
{
	struct batch_command *c = batch_command(w, UBLK_U_IO_FETCH_IO_CMDS,
						UD_FETCH);

	if (unlikely(!c))
		return;
	c->flags |= IOSQE_BUFFER_SELECT;
	c->cmd_flags = IORING_URING_CMD_MULTISHOT;
	c->group = BATCH_GROUP;
	c->io.flags = 0;
	c->io.elem_bytes = sizeof(__u16);
	w->nr_live++;
}

static inline void batch_give_buffer(struct batch *b, unsigned int bid)
{
	io_uring_buf_ring_add(b->ring, b->bufs + (size_t)bid * b->buf_bytes,
			      b->buf_bytes, bid,
			      io_uring_buf_ring_mask(b->nr_bufs), 0);
	io_uring_buf_ring_advance(b->ring, 1);
}

static void batch_deliver(struct worker *w, unsigned int bid, unsigned int nr)
{
	struct batch *b = w->batch;
	struct queue *q = w->queue;
	const __u16 *tags = (const void *)(b->bufs + (size_t)bid * b->buf_bytes);
	unsigned int i;

	w->nr_live += nr;
	stat_taken(w, nr);
	w->link = nr == 1 ? b->link : NULL;
	for (i = 0; i < nr; i++) {
		struct ublk_io *io = &q->ios[tags[i]].pub;

		io->q = &q->pub;
		io->lib = IO_LENT;
		stat_found(w, to_io(io));
		w->deliver(&q->pub, io);
	}
	batch_give_buffer(b, bid);
}

/*
 * A CQE of the fetch command: tags, or its end. After ENODEV there is no other
 * one (D-232). After ENOBUFS the driver keeps the tags for the next command
 * (D-190, D-191); all buffers are provided again before that is submitted.
 */
void batch_on_fetch(struct worker *w, int res, unsigned int flags)
{
	if (res > 0 && flags & IORING_CQE_F_BUFFER)
		batch_deliver(w, flags >> IORING_CQE_BUFFER_SHIFT,
			      res / sizeof(__u16));
	if (flags & IORING_CQE_F_MORE)
		return;
	w->nr_live--;
	if (res == UBLK_IO_RES_ABORT)
		return;
	if (res >= 0 || res == -ENOBUFS) {
		batch_send_fetch(w);
		return;
	}
	ublk_log(UBLK_LOG_ERR, "dev %u: queue %u: driver refused to fetch: %s",
		 w->dev->info.dev_id, w->queue->pub.id, strerror(-res));
	ring_fatal(w, res);
}

/* ---- start and end ------------------------------------------------------ */

/*
 * Prepare all tags of the hardware queue, in its first thread. The command
 * prepares all or none (D-170). Nothing else is on the ring yet.
 */
int batch_prepare(struct worker *w)
{
	struct batch *b = w->batch;
	struct queue *q = w->queue;
	struct batch_command *c;
	struct io_uring_cqe *cqe;
	unsigned int i, head;
	int ret;

	if (!q->nr_tags)
		return 0;
	for (i = 0; i < q->nr_tags; i++)
		w->send(w, &q->ios[i], 0);
	b->tail = b->cur->elems;
	c = batch_command(w, UBLK_U_IO_PREP_IO_CMDS, UD_PREP);
	if (!c)
		return ublk_error(w->fatal, "io_uring: %s",
				  strerror(-w->fatal));
	c->addr = (uintptr_t)b->cur->elems;
	c->io.nr_elem = q->nr_tags;
	ret = io_uring_submit_and_wait(&w->ring, 1);
	if (ret >= 0) {
		ret = -EIO;
		io_uring_for_each_cqe(&w->ring, head, cqe)
			ret = cqe->res;
		io_uring_cq_advance(&w->ring, 1);
	}
	if (ret)
		return ublk_error(ret, "driver refused to prepare: %s",
				  strerror(-ret));
	return 0;
}

/* Begin to fetch. As tag_fetch(), reports a command that is refused at once. */
int batch_fetch(struct worker *w)
{
	struct io_uring_cqe *cqe;
	unsigned int head;
	int ret;

	batch_send_fetch(w);
	ret = w->fatal ? w->fatal : io_uring_submit(&w->ring);
	if (ret < 0)
		return ublk_error(ret, "io_uring: %s", strerror(-ret));
	io_uring_for_each_cqe(&w->ring, head, cqe) {
		if ((cqe->user_data & UD_MASK) != UD_FETCH || cqe->res >= 0 ||
		    cqe->res == UBLK_IO_RES_ABORT || cqe->res == -ENOBUFS)
			continue;
		return ublk_error(cqe->res, "driver refused to fetch: %s",
				  strerror(-cqe->res));
	}
	return 0;
}

static int batch_alloc(struct batch *b, unsigned int depth, __u64 flags)
{
	unsigned int i;

	if (!(flags & (UBLK_F_AUTO_BUF_REG | UBLK_F_USER_COPY)))
		b->flags |= UBLK_BATCH_F_HAS_BUF_ADDR;
	if (flags & UBLK_F_ZONED)
		b->flags |= UBLK_BATCH_F_HAS_ZONE_LBA;
	if (flags & UBLK_F_AUTO_BUF_REG && flags & UBLK_F_SUPPORT_ZERO_COPY)
		b->flags |= UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK;
	b->elem_bytes = ublk_elem_bytes(b->flags);
	if (b->elem_bytes == sizeof(__u64) && !(flags & UBLK_F_USER_COPY))
		b->link = batch_link;
	b->nr_bufs = 1;
	while (b->nr_bufs < depth && b->nr_bufs < BATCH_MAX_BUFS)
		b->nr_bufs *= 2;
	b->buf_bytes = (depth < BATCH_MAX_TAGS ? depth : BATCH_MAX_TAGS) *
		sizeof(__u16);
	b->bufs = calloc(b->nr_bufs, b->buf_bytes);
	if (!b->bufs)
		return -ENOMEM;
	for (i = 0; i < BATCH_COMMITS; i++) {
		b->commits[i].elems = calloc(depth, b->elem_bytes);
		if (!b->commits[i].elems)
			return -ENOMEM;
	}
	b->cur = &b->commits[0];
	b->tail = b->cur->elems;
	if (!(flags & UBLK_F_REDIRECT))
		return 0;
	/* Those of the last turn, if they could not be submitted, and new ones. */
	b->redirect_room = 2 * depth;
	b->redirects = calloc(b->redirect_room, sizeof(*b->redirects));
	return b->redirects ? 0 : -ENOMEM;
}

/* Register the ring of provided buffers, and fill it. */
static int batch_provide(struct worker *w)
{
	struct batch *b = w->batch;
	struct io_uring_buf_reg reg = {
		.ring_entries = b->nr_bufs,
		.bgid = BATCH_GROUP,
	};
	unsigned int i;
	void *mem;
	int ret;

	mem = mmap(NULL, b->nr_bufs * sizeof(struct io_uring_buf),
		   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return ublk_error(-errno, "out of memory");
	b->ring = mem;
	reg.ring_addr = (uintptr_t)mem;
	ret = io_uring_register_buf_ring(&w->ring, &reg, 0);
	if (ret)
		return ublk_error(ret, "io_uring: providing buffers: %s",
				  strerror(-ret));
	io_uring_buf_ring_init(b->ring);
	for (i = 0; i < b->nr_bufs; i++)
		batch_give_buffer(b, i);
	return 0;
}

int batch_open(struct worker *w)
{
	struct batch *b = aligned_alloc(64, (sizeof(*b) + 63) & ~63UL);

	if (!b)
		return ublk_error(-ENOMEM, "out of memory");
	memset(b, 0, sizeof(*b));
	w->batch = b;
	if (batch_alloc(b, w->queue->pub.depth, w->dev->info.flags))
		return ublk_error(-ENOMEM, "out of memory");
	return batch_provide(w);
}

/* Called after io_uring_queue_exit(). */
void batch_close(struct worker *w)
{
	struct batch *b = w->batch;
	unsigned int i;

	if (!b)
		return;
	if (b->ring)
		munmap(b->ring, b->nr_bufs * sizeof(struct io_uring_buf));
	for (i = 0; i < BATCH_COMMITS; i++)
		free(b->commits[i].elems);
	free(b->redirects);
	free(b->bufs);
	free(b);
	w->batch = NULL;
}
