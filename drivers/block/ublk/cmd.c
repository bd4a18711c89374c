// SPDX-License-Identifier: GPL-2.0
/*
 * I/O commands of one tag: FETCH_REQ, COMMIT_AND_FETCH_REQ, NEED_GET_DATA,
 * REGISTER_IO_BUF, REDIRECT_AND_FETCH_REQ. Those that name no tag are in dev_cmd.c.
 *
 * The server can change the SQE while a command is executed: each field is read
 * once, into struct ublk_cmd_args, and used from there (F-1). A command is
 * executed in the task that submitted it, with its ring lock held. One that
 * comes from an io-wq worker is passed to that task first (D-33).
 */
#include <linux/nospec.h>

#include "ublk.h"
#include "commit.h"
#include "state.h"

/* The fields of a command, read once. */
struct ublk_cmd_args {
	u64	addr;	/* command area: buffer, slot, append position */
	u64	reg;	/* SQE: registration word with AUTO_BUF_REG */
	s32	result;
};

/* In the refcounted modes: how the tag is armed (D-41, D-42, D-52, D-53). */
static int ublk_cmd_take_reg(const struct ublk_queue *q,
			     const struct ublk_cmd_args *args,
			     struct ublk_auto_buf_reg *reg)
{
	*reg = ublk_sqe_addr_to_auto_buf_reg(q->auto_reg ? args->reg :
							   args->addr);
	return q->auto_reg ? ublk_elem_check_reg(*reg) : 0;
}

/*
 * FETCH_REQ (D-40 to D-46). ub->lock serialises it with other fetches, with a
 * stop and with cancellation. A fetch waits for memory only, as a stop may wait
 * for this very thread (I-42).
 */
static int ublk_cmd_fetch(struct ublk_queue *q, struct ublk_io *io,
			  struct io_uring_cmd *cmd, unsigned int issue_flags,
			  const struct ublk_cmd_args *args)
{
	struct ublk_device *ub = q->ub;
	bool privileged = capable(CAP_SYS_ADMIN);
	struct ublk_auto_buf_reg reg;
	int next, ret;

	if (q->driver_copies) {
		if (!args->addr && !q->need_get_data)
			return -EINVAL;
	} else if (args->addr || ublk_cmd_take_reg(q, args, &reg)) {
		return -EINVAL;
	}

	/* A descriptor that is open for reading only does not serve (I-67). */
	if (!(cmd->file->f_mode & FMODE_WRITE))
		return -EACCES;
	ret = ublk_threads_watch(ub);
	if (ret)
		return ret;

	guard(spinlock)(&ub->lock);
	next = ublk_server_next(ub->server, UBLK_SERVER_EV_FETCH);
	if (next < 0)
		return next;
	next = ublk_tag_next(READ_ONCE(io->state), UBLK_EV_FETCH);
	if (next < 0)
		return next;

	get_task_struct(current);
	io->exec_id = current->self_exec_id;
	WRITE_ONCE(io->task, current);
	if (q->driver_copies)
		io->addr = args->addr;
	else
		io->reg = reg;
	if (!privileged)
		ub->unprivileged_daemons = true;
	ublk_state_arm_cmd(io, cmd, issue_flags, UBLK_EV_FETCH);
	ublk_gate_fetched(q);
	return -EIOCBQUEUED;
}

/*
 * The answer in a COMMIT_AND_FETCH_REQ. In the refcounted modes the address is
 * the position of a zone append, and else must be 0 (D-52, D-53).
 */
static __always_inline int ublk_cmd_answer(const struct ublk_queue *q,
					   const struct request *req,
					   const struct ublk_cmd_args *args,
					   struct ublk_answer *answer)
{
	answer->result = args->result;
	if (q->driver_copies) {
		answer->addr = args->addr;
		return 0;
	}
	if (unlikely(args->addr && req_op(req) != REQ_OP_ZONE_APPEND))
		return -EINVAL;
	answer->sector = args->addr;
	return ublk_cmd_take_reg(q, args, &answer->reg);
}

/* COMMIT_AND_FETCH_REQ; has the address of read data (D-51 to D-58, D-93). */
static __always_inline int ublk_cmd_commit(struct ublk_queue *q,
					   struct ublk_io *io,
					   struct io_uring_cmd *cmd,
					   unsigned int issue_flags,
					   const struct ublk_cmd_args *args)
{
	struct ublk_answer answer __uninitialized;
	int ret;

	ret = ublk_tag_next(READ_ONCE(io->state), UBLK_EV_COMMIT);
	if (unlikely(ret < 0))
		return ret;
	ret = ublk_cmd_answer(q, io->req, args, &answer);
	if (unlikely(ret))
		return ret;
	ret = ublk_commit(q, io, cmd, &answer, issue_flags, NULL);
	return unlikely(ret) ? ret : -EIOCBQUEUED;
}

/*
 * REDIRECT_AND_FETCH_REQ: the result is a file, the address a position in it. The
 * tag keeps its buffer, or how its data is registered (E-30 to E-32).
 */
static int ublk_cmd_redirect(struct ublk_queue *q, struct ublk_io *io,
			     struct io_uring_cmd *cmd, unsigned int issue_flags,
			     const struct ublk_cmd_args *args)
{
	int ret;

	if (!ublk_has(q->ub, UBLK_F_REDIRECT))
		return -EOPNOTSUPP;
	ret = ublk_tag_next(READ_ONCE(io->state), UBLK_EV_REDIRECT);
	if (unlikely(ret < 0))
		return ret;
	ret = ublk_redirect_commit(q, io, cmd, args->result, args->addr,
				   issue_flags);
	return unlikely(ret) ? ret : -EIOCBQUEUED;
}

/*
 * NEED_GET_DATA. If nothing can be copied from a live task, the address is bad:
 * the request fails, and @cmd arms the tag (I-45).
 */
static int ublk_cmd_get_data(struct ublk_queue *q, struct ublk_io *io,
			     struct io_uring_cmd *cmd, unsigned int issue_flags,
			     const struct ublk_cmd_args *args)
{
	struct request *req = io->req;
	int ret = ublk_tag_next(READ_ONCE(io->state), UBLK_EV_GET_DATA);

	if (ret < 0)
		return ret;
	io->addr = args->addr;
	ret = ublk_deliver_get_data(q, io);
	if (likely(ret != -EFAULT))
		return ret;
	ublk_state_arm_cmd(io, cmd, issue_flags, UBLK_EV_GET_UNDELIVERED);
	ublk_complete_status(req, BLK_STS_IOERR);
	return -EIOCBQUEUED;
}

/* The tag's state decides about the other commands (steps 7 to 9 of D-31). */
static int ublk_cmd_other(struct ublk_io *io, unsigned int nr,
			  struct ublk_queue *q, struct io_uring_cmd *cmd,
			  unsigned int issue_flags,
			  const struct ublk_cmd_args *args)
{
	unsigned int state = READ_ONCE(io->state);

	if (nr == _IOC_NR(UBLK_U_IO_REDIRECT_AND_FETCH_REQ))
		return ublk_cmd_redirect(q, io, cmd, issue_flags, args);
	if (nr == _IOC_NR(UBLK_U_IO_NEED_GET_DATA))
		return ublk_cmd_get_data(q, io, cmd, issue_flags, args);
	if (!ublk_tag_is_owned(state))
		return -EBUSY;
	if (nr == _IOC_NR(UBLK_U_IO_REGISTER_IO_BUF) &&
	    state == UBLK_TAG_SERVER && ublk_has(q->ub, UBLK_F_SUPPORT_ZERO_COPY))
		return ublk_buf_register(io, cmd, args->addr, issue_flags);
	return -EINVAL;
}

/* Not the tag's daemon task, or there is none (step 6 of D-31). */
static int ublk_cmd_remote(struct ublk_queue *q, struct ublk_io *io,
			   unsigned int nr, struct io_uring_cmd *cmd,
			   const struct ublk_cmd_args *args,
			   unsigned int issue_flags)
{
	if (nr != _IOC_NR(UBLK_U_IO_REGISTER_IO_BUF))
		return -EINVAL;
	return ublk_buf_register_remote(q, io, cmd, args->addr, issue_flags);
}

/* A command that names no tag; the common ones have lower numbers. */
static __always_inline bool ublk_cmd_is_of_device(unsigned int nr)
{
	return unlikely(nr >= _IOC_NR(UBLK_U_IO_UNREGISTER_IO_BUF)) &&
	       (nr == _IOC_NR(UBLK_U_IO_UNREGISTER_IO_BUF) ||
		nr == _IOC_NR(UBLK_U_IO_REGISTER_FILE) ||
		nr == _IOC_NR(UBLK_U_IO_UNREGISTER_FILE) ||
		nr == _IOC_NR(UBLK_U_IO_SET_EXTENTS) ||
		nr == _IOC_NR(UBLK_U_IO_COUNT_EXTENTS));
}

/* Runs in the submitter's task with the ring lock held (D-31). */
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
	if (ublk_cmd_is_of_device(nr))
		return ublk_dev_cmd(ub, cmd, issue_flags);
	if (unlikely(qid >= ub->info.nr_hw_queues))
		return -EINVAL;
	q = ub->queues[array_index_nospec(qid, ub->info.nr_hw_queues)];
	if (unlikely(tag >= q->depth))
		return -EINVAL;
	io = &q->io[array_index_nospec(tag, q->depth)];

	if (unlikely(nr == UBLK_IO_FETCH_REQ))
		return ublk_cmd_fetch(q, io, cmd, issue_flags, &args);
	if (unlikely(!ublk_io_is_daemon(io)))
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

	if (!ublk_hook_tw_canceled(tw))
		ret = ublk_cmd_issue(cmd, issue_flags);
	if (ret != -EIOCBQUEUED)
		io_uring_cmd_done(cmd, ret, issue_flags);
}

/* The uring_cmd operation of a per-tag device's char node. */
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
