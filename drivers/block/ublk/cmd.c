// SPDX-License-Identifier: GPL-2.0
/*
 * I/O commands of one tag: FETCH_REQ, COMMIT_AND_FETCH_REQ, NEED_GET_DATA,
 * REGISTER_IO_BUF, UNREGISTER_IO_BUF.
 *
 * Entry of every io_uring command on /dev/ublkcN. The SQE is memory that the
 * server can change meanwhile: each field is read once, into struct
 * ublk_cmd_args, and used from there (F-1).
 *
 * A command is executed in the task that submitted it, with its ring lock held.
 * A command that comes from an io-wq worker instead is passed to that task first
 * (D-33).
 */
#include <linux/nospec.h>

#include "ublk.h"
#include "trace.h"

/*
 * The fields of a command, read once.
 * @addr: of the command area: buffer, slot, or position of a zone append
 * @reg: of the SQE itself: the registration word of an AUTO_BUF_REG device
 */
struct ublk_cmd_args {
	u64	addr;
	u64	reg;
	s32	result;
};

/* D-41, D-42, D-52, D-53: in the refcounted modes, what the tag is armed with. */
static int ublk_cmd_take_reg(const struct ublk_queue *q,
			     const struct ublk_cmd_args *args,
			     struct ublk_auto_buf_reg *reg)
{
	*reg = ublk_sqe_addr_to_auto_buf_reg(q->auto_reg ? args->reg :
							   args->addr);
	return q->auto_reg ? ublk_elem_check_reg(*reg) : 0;
}

/**
 * ublk_cmd_arm() - the tag waits for a request on this command
 * @q: queue
 * @io: tag; its request, if it had one, is in the caller's hands
 * @cmd: command, from now on completed with io_uring_cmd_done()
 * @issue_flags: of the command
 *
 * Context: the submitter's task with the ring lock held; may hold ub->lock.
 */
void ublk_cmd_arm(struct ublk_queue *q, struct ublk_io *io,
		  struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ublk_cmd_pdu *pdu = ublk_cmd_pdu(cmd);

	pdu->q = q;
	pdu->tag = io - q->io;
	io->cmd = cmd;
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	ublk_tag_arm(io);
}

/*
 * FETCH_REQ, D-40 to D-46. ub->lock serialises it with other fetches, with a
 * stop and with cancellation, and nothing here sleeps: a fetch never waits for
 * a stop that waits for this very thread (I-42).
 */
static int ublk_cmd_fetch(struct ublk_queue *q, struct ublk_io *io,
			  struct io_uring_cmd *cmd, unsigned int issue_flags,
			  const struct ublk_cmd_args *args)
{
	struct ublk_device *ub = q->ub;
	bool privileged = capable(CAP_SYS_ADMIN);
	struct ublk_auto_buf_reg reg;
	int next;

	if (q->driver_copies) {
		if (!args->addr && !q->need_get_data)
			return -EINVAL;
	} else if (args->addr || ublk_cmd_take_reg(q, args, &reg)) {
		return -EINVAL;
	}

	guard(spinlock)(&ub->lock);
	next = ublk_server_next(ub->server, UBLK_SERVER_EV_FETCH);
	if (next < 0)
		return next;
	next = ublk_tag_next(READ_ONCE(io->state), UBLK_EV_FETCH);
	if (next < 0)
		return next;

	get_task_struct(current);
	WRITE_ONCE(io->task, current);
	if (q->driver_copies)
		io->addr = args->addr;
	else
		io->reg = reg;
	if (!privileged)
		ub->unprivileged_daemons = true;
	ublk_cmd_arm(q, io, cmd, issue_flags);
	ublk_server_fetched(q);
	return -EIOCBQUEUED;
}

/*
 * COMMIT_AND_FETCH_REQ in the refcounted modes. The request ends here if nobody but
 * the server refers to it, else with the last reference (state R).
 */
static __always_inline int ublk_cmd_commit_refcounted(struct ublk_queue *q,
						      struct ublk_io *io,
						      struct io_uring_cmd *cmd,
						      unsigned int issue_flags,
						      const struct ublk_cmd_args *args)
{
	struct request *req = io->req;
	struct ublk_rq *rq = blk_mq_rq_to_pdu(req);
	struct ublk_auto_buf_reg reg;
	unsigned int task_refs;
	bool counted;

	if (unlikely(args->addr && req_op(req) != REQ_OP_ZONE_APPEND))
		return -EINVAL;
	if (unlikely(ublk_cmd_take_reg(q, args, &reg)))
		return -EINVAL;

	/* Where the server has put the data (D-211). */
	if (unlikely(req_op(req) == REQ_OP_ZONE_APPEND))
		req->__sector = args->addr;
	ublk_buf_commit(io, cmd, issue_flags);
	io->reg = reg;
	rq->result = args->result;
	counted = atomic_read(&io->refs);
	task_refs = io->task_refs;
	io->task_refs = 0;
	trace_ublk_commit(q, req, args->result);
	ublk_cmd_arm(q, io, cmd, issue_flags);
	if (!counted || ublk_buf_put_owner(io, task_refs))
		ublk_complete_nocopy(req, args->result, NULL);
	return -EIOCBQUEUED;
}

/*
 * COMMIT_AND_FETCH_REQ, D-51 to D-58. Read data is taken from the address in
 * this command (D-93), before the tag is armed and the request ends.
 */
static __always_inline int ublk_cmd_commit(struct ublk_queue *q,
					   struct ublk_io *io,
					   struct io_uring_cmd *cmd,
					   unsigned int issue_flags,
					   const struct ublk_cmd_args *args)
{
	struct request *req = io->req;
	int res = args->result;
	unsigned int delivered;
	bool read;
	int next;

	next = ublk_tag_next(READ_ONCE(io->state), UBLK_EV_COMMIT);
	if (unlikely(next < 0))
		return next;
	if (!q->driver_copies)
		return ublk_cmd_commit_refcounted(q, io, cmd, issue_flags, args);

	read = req_op(req) == REQ_OP_READ;
	if (unlikely(!args->addr && (!q->need_get_data || read)))
		return -EINVAL;
	if (read && res > 0 && likely(!ublk_rq(req)->shmem)) {
		res = ublk_copy_from_server(req, args->addr, res);
		/* The request stays with the server and ends with it. */
		if (unlikely(res < 0))
			return res;
	}

	io->addr = args->addr;
	delivered = io->delivered;
	trace_ublk_commit(q, req, res);
	ublk_cmd_arm(q, io, cmd, issue_flags);
	ublk_complete(req, res, delivered, NULL);
	return -EIOCBQUEUED;
}

static int ublk_cmd_get_data(struct ublk_queue *q, struct ublk_io *io,
			     struct io_uring_cmd *cmd, unsigned int issue_flags,
			     const struct ublk_cmd_args *args)
{
	int next = ublk_tag_next(READ_ONCE(io->state), UBLK_EV_GET_DATA);

	if (next < 0)
		return next;
	io->addr = args->addr;
	return ublk_dispatch_get_data(q, io, cmd, issue_flags);
}

/* Steps 7 to 9 of D-31: what the tag's state says to the other commands. */
static int ublk_cmd_other(struct ublk_io *io, unsigned int nr,
			  struct ublk_queue *q, struct io_uring_cmd *cmd,
			  unsigned int issue_flags,
			  const struct ublk_cmd_args *args)
{
	unsigned int state = READ_ONCE(io->state);

	if (nr == _IOC_NR(UBLK_U_IO_NEED_GET_DATA))
		return ublk_cmd_get_data(q, io, cmd, issue_flags, args);
	if (!ublk_tag_is_owned(state))
		return -EBUSY;
	if (nr == _IOC_NR(UBLK_U_IO_REGISTER_IO_BUF) &&
	    state == UBLK_TAG_SERVER && ublk_has(q->ub, UBLK_F_SUPPORT_ZERO_COPY))
		return ublk_buf_register(io, cmd, args->addr, issue_flags);
	return -EINVAL;
}

/* D-31 step 6: not the tag's daemon task, or there is none. */
static int ublk_cmd_remote(struct ublk_queue *q, struct ublk_io *io,
			   unsigned int nr, struct io_uring_cmd *cmd,
			   const struct ublk_cmd_args *args,
			   unsigned int issue_flags)
{
	if (nr != _IOC_NR(UBLK_U_IO_REGISTER_IO_BUF))
		return -EINVAL;
	return ublk_buf_register_remote(q, io, cmd, args->addr, issue_flags);
}

/* D-31, in the submitter's task with the ring lock held. */
static int ublk_cmd_issue(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct ublksrv_io_cmd *sqe =
		io_uring_sqe_cmd(cmd->sqe, struct ublksrv_io_cmd);
	struct ublk_device *ub = cmd->file->private_data;
	struct ublk_cmd_args args;
	unsigned int nr = _IOC_NR(cmd->cmd_op);
	unsigned int qid, tag;
	struct ublk_queue *q;
	struct ublk_io *io;

	qid = READ_ONCE(sqe->q_id);
	tag = READ_ONCE(sqe->tag);
	args.result = READ_ONCE(sqe->result);
	args.addr = READ_ONCE(sqe->addr);
	args.reg = READ_ONCE(cmd->sqe->addr);

	if (unlikely(!ublk_opcode_ok(cmd->cmd_op)))
		return -EOPNOTSUPP;
	if (unlikely(nr == _IOC_NR(UBLK_U_IO_UNREGISTER_IO_BUF)))
		return ublk_buf_unregister(ub, cmd, args.addr, issue_flags);
	if (unlikely(qid >= ub->info.nr_hw_queues))
		return -EINVAL;
	q = ub->queues[array_index_nospec(qid, ub->info.nr_hw_queues)];
	if (unlikely(tag >= q->depth))
		return -EINVAL;
	io = &q->io[array_index_nospec(tag, q->depth)];

	if (unlikely(nr == UBLK_IO_FETCH_REQ))
		return ublk_cmd_fetch(q, io, cmd, issue_flags, &args);
	if (unlikely(READ_ONCE(io->task) != current))
		return ublk_cmd_remote(q, io, nr, cmd, &args, issue_flags);
	if (likely(nr == UBLK_IO_COMMIT_AND_FETCH_REQ))
		return ublk_cmd_commit(q, io, cmd, issue_flags, &args);
	return ublk_cmd_other(io, nr, q, cmd, issue_flags, &args);
}

/* A command that came from a worker, now in the submitter's task (D-33). */
static void ublk_cmd_issue_tw(struct io_tw_req tw_req, io_tw_token_t tw)
{
	struct io_uring_cmd *cmd = io_uring_cmd_from_tw(tw_req);
	unsigned int issue_flags = IO_URING_CMD_TASK_WORK_ISSUE_FLAGS;
	int ret = -ECANCELED;

	if (!tw.cancel)
		ret = ublk_cmd_issue(cmd, issue_flags);
	if (ret != -EIOCBQUEUED)
		io_uring_cmd_done(cmd, ret, issue_flags);
}

/**
 * ublk_cmd_uring_cmd() - the uring_cmd operation of /dev/ublkcN
 * @cmd: command
 * @issue_flags: IO_URING_F_*
 *
 * Return: the command's result, or -EIOCBQUEUED if it is completed later.
 */
int ublk_cmd_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	if (unlikely(issue_flags & IO_URING_F_CANCEL)) {
		ublk_cancel_cmd(cmd, issue_flags);
		return 0;
	}
	if (unlikely(issue_flags & IO_URING_F_UNLOCKED)) {
		io_uring_cmd_complete_in_task(cmd, ublk_cmd_issue_tw);
		return -EIOCBQUEUED;
	}
	return ublk_cmd_issue(cmd, issue_flags);
}
