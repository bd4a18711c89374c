// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The commands for one tag each: fetch, commit, get data, (un)register.
 *
 * Everything here runs in the worker's thread. The thread that fetched a tag
 * sends all its commands (D-230), on one ring, with the char device in slot 0
 * of its file table. A device with batch commands uses batch.c instead, and
 * this file only to register buffers.
 *
 * The functions that tag_set_send() chooses from are on the path of every
 * request. Each fills one SQE: 64 bytes from constants, the tag and the result. What is
 * rare, a full SQ and stat_sent_other(), comes first or last, so that no register has to
 * be saved for it.
 */
#include "private.h"
#include "stat.h"

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
_Static_assert(offsetof(struct command, reg) ==
	       offsetof(struct io_uring_sqe, addr), "addr");
_Static_assert(offsetof(struct command, user_data) ==
	       offsetof(struct io_uring_sqe, user_data), "user_data");
_Static_assert(offsetof(struct command, id) ==
	       offsetof(struct io_uring_sqe, cmd), "cmd");
_Static_assert(sizeof(struct io) == 64, "a tag is one cache line");

static inline void tag_fill(struct command *c, struct io *io, __u32 op,
			    __u64 kind, int res, __u64 addr, __u64 reg)
{
	*c = (struct command){
		.opcode = IORING_OP_URING_CMD,
		.flags = IOSQE_FIXED_FILE,
		.op = op,
		.reg = reg,
		.user_data = (uintptr_t)io | kind,
		.id = io->id,
		.result = res,
		.addr = addr,
	};
}

/* With any but those that register a buffer the tag is the driver's again. */
static void tag_command(struct worker *w, struct io *io, __u32 op, __u64 kind,
			int res, __u64 addr, __u64 reg)
{
	struct command *c = (struct command *)ring_sqe(w);

	if (kind == UD_COMMAND)
		io->pub.lib = 0;
	if (likely(c))
		tag_fill(c, io, op, kind, res, addr, reg);
}

/* Slot for the tag's next request and flags (data.rst section 11). */
static inline __u64 tag_reg_word(const struct worker *w, const struct io *io)
{
	return io->pub.slot | (__u64)w->reg_flags << 16;
}

/* Submit first what is in the SQ. After ring_fatal() the request ends with the ring. */
static __attribute__((noinline)) void tag_send_later(struct worker *w,
						     struct io *io, int res)
{
	if (!ring_flush(w))
		return;
	w->ring.sq.sqe_tail--;
	w->send(w, io, res);
}

static inline void tag_send(struct worker *w, struct io *io, int res, __u64 reg)
{
	struct io_uring_sq *sq = &w->ring.sq;

	tag_fill((struct command *)&sq->sqes[sq->sqe_tail++ & sq->ring_mask], io,
		 UBLK_U_IO_COMMIT_AND_FETCH_REQ, UD_COMMAND, res, io->addr, reg);
	io->pub.lib = 0;
}

/* Called when the SQ has room for it: worker.link, and the second half of worker.send. */
static void tag_link_copy(struct worker *w, struct io *io, int res)
{
	tag_send(w, io, res, 0);
}

/* Without a buffer the address is the LBA of a zone append, or 0. */
static void tag_link_refcounted(struct worker *w, struct io *io, int res)
{
	tag_send(w, io, res, 0);
	io->addr = 0;
}

static void tag_link_registered(struct worker *w, struct io *io, int res)
{
	tag_send(w, io, res, tag_reg_word(w, io));
	io->addr = 0;
}

/* @link: constant, one of the above */
static inline void tag_send_by(struct worker *w, struct io *io, int res,
			       void (*link)(struct worker *w, struct io *io,
					    int res))
{
	if (unlikely(ring_is_full(w))) {
		tag_send_later(w, io, res);
		return;
	}
	link(w, io, res);
	stat_sent(w, io, res);
}

static void tag_send_copy(struct worker *w, struct io *io, int res)
{
	tag_send_by(w, io, res, tag_link_copy);
}

static void tag_send_refcounted(struct worker *w, struct io *io, int res)
{
	tag_send_by(w, io, res, tag_link_refcounted);
}

static void tag_send_registered(struct worker *w, struct io *io, int res)
{
	tag_send_by(w, io, res, tag_link_registered);
}

void tag_set_send(struct worker *w, bool may_link)
{
	__u64 flags = w->dev->info.flags;

	if (flags & UBLK_F_AUTO_BUF_REG) {
		w->send = tag_send_registered;
		w->link = tag_link_registered;
	} else if (flags & (UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY)) {
		w->send = tag_send_refcounted;
		w->link = tag_link_refcounted;
	} else {
		w->send = tag_send_copy;
		w->link = tag_link_copy;
	}
	if (!may_link)
		w->link = NULL;
}

/* Put the request's pages into the ring's buffer table, or take them out. */
void tag_register(struct worker *w, struct io *io, bool on)
{
	tag_command(w, io, on ? UBLK_U_IO_REGISTER_IO_BUF :
		    UBLK_U_IO_UNREGISTER_IO_BUF, on ? UD_REGISTER :
		    UD_UNREGISTER, 0, io->pub.slot, 0);
}

/* Its CQE is the tag's next request, or says why the driver refuses. */
void tag_redirect(struct worker *w, struct io *io,
		  const struct ublk_place *place)
{
	stat_sent(w, io, io->pub.desc->nr_sectors << 9);
	tag_command(w, io, UBLK_U_IO_REDIRECT_AND_FETCH_REQ, UD_COMMAND,
		    place->file, place->pos, 0);
	io->pub.lib = IO_REDIRECTED;
}

/*
 * A command completed without delivering a request. ENODEV is the last CQE of
 * the tag (D-232). Any other error means that driver and library disagree about
 * the tag, whose request would never end. So the worker ends, and the driver
 * fails the requests that it owns.
 */
void tag_on_command(struct worker *w, struct io *io, int res)
{
	if (res == UBLK_IO_RES_NEED_GET_DATA) {
		tag_command(w, io, UBLK_U_IO_NEED_GET_DATA, UD_COMMAND, 0,
			    io->addr, 0);
		return;
	}
	if (res == UBLK_IO_RES_ABORT) {
		w->nr_live--;
		return;
	}
	if (io->pub.lib & IO_REDIRECTED) {
		redirect_refused(w, io, res);
		return;
	}
	ublk_log(UBLK_LOG_ERR, "dev %u: queue %u tag %u: driver refused a command: %s",
		 w->dev->info.dev_id, io->id.q_id, io->id.tag, strerror(-res));
	ring_fatal(w, res);
}

/*
 * Send the first command of every tag. If the driver refuses one, its CQE is
 * there at once, and START_DEV would wait for that tag forever, so report it.
 * ENODEV means a stop, which the loop handles.
 */
int tag_fetch(struct queue *q)
{
	struct worker *w = q->worker;
	__u64 auto_reg = w->dev->info.flags & UBLK_F_AUTO_BUF_REG;
	struct io_uring_cqe *cqe;
	unsigned int i, head;
	int ret;

	for (i = 0; i < q->nr_tags && !w->fatal; i++) {
		struct io *io = &q->ios[q->base + i * q->step];

		tag_command(w, io, UBLK_U_IO_FETCH_REQ, UD_COMMAND, 0,
			    io->addr, auto_reg ? tag_reg_word(w, io) : 0);
	}
	ret = w->fatal ? w->fatal : io_uring_submit(&w->ring);
	if (ret < 0)
		return ublk_error(ret, "io_uring: %s", strerror(-ret));
	w->nr_live += q->nr_tags;
	io_uring_for_each_cqe(&w->ring, head, cqe) {
		if ((cqe->user_data & UD_MASK) != UD_COMMAND ||
		    cqe->res >= 0 || cqe->res == UBLK_IO_RES_ABORT)
			continue;
		return ublk_error(cqe->res, "driver refused to fetch: %s",
				  strerror(-cqe->res));
	}
	return 0;
}
