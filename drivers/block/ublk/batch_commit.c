// SPDX-License-Identifier: GPL-2.0
/*
 * Commands of a batch device: PREP_IO_CMDS and COMMIT_IO_CMDS walk elements,
 * one per tag; FETCH_IO_CMDS and REDIRECT_IO_CMDS are checked here and executed in
 * batch_fetch.c and redirect.c.
 *
 * There is no daemon task: any thread may commit any tag. The one that moves a
 * tag from SERVER to COMMITTING has it until it is armed again, so a tag that
 * is listed twice, in one command or in two, is committed once.
 *
 * PREP and COMMIT run where they are issued, in an io-wq worker as well: it has
 * the address space of its task. A fetch command delivers in the task that sent
 * it, so a worker passes it to that task first (I-7).
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "ublk.h"
#include "commit.h"
#include "state.h"

/* A multiple of every element length, so none lies in two blocks (D-173). */
#define UBLK_BATCH_BLOCK	480

/* Set the buffer, or its registration, for the tag's next request. */
static void ublk_batch_set_buf(const struct ublk_queue *q, struct ublk_io *io,
			       const struct ublk_elem *elem, u16 flags)
{
	if (q->driver_copies)
		io->addr = elem->buf_addr;
	else
		io->reg = ublk_elem_buf_reg(elem, flags);
}

/* Check all elements before any tag changes (D-170, I-27). */
static int ublk_batch_check_prep(struct ublk_queue *q, const void *elems,
				 const struct ublk_batch_io *bio)
{
	DECLARE_BITMAP(seen, UBLK_MAX_QUEUE_DEPTH);
	struct ublk_device *ub = q->ub;
	unsigned int i;

	lockdep_assert_held(&ub->lock);
	bitmap_zero(seen, q->depth);
	for (i = 0; i < bio->nr_elem; i++) {
		struct ublk_elem elem =
			ublk_elem_decode(elems + i * bio->elem_bytes,
					 bio->flags);
		int ret;

		if (elem.tag >= q->depth)
			return -EINVAL;
		elem.tag = array_index_nospec(elem.tag, q->depth);
		ret = ublk_elem_check_buf(&elem, ub->info.flags);
		if (ret)
			return ret;
		ret = ublk_server_next(ub->server, UBLK_SERVER_EV_FETCH);
		if (ret < 0)
			return ret;
		if (READ_ONCE(q->io[elem.tag].state) != UBLK_TAG_EMPTY ||
		    __test_and_set_bit(elem.tag, seen))
			return -EINVAL;
	}
	return 0;
}

/* PREP_IO_CMDS; takes ub->lock like FETCH_REQ, see cmd.c (D-170 to D-172). */
static int ublk_batch_prep(struct ublk_queue *q, struct io_uring_cmd *cmd,
			   const struct ublk_batch_io *bio)
{
	size_t bytes = (size_t)bio->nr_elem * bio->elem_bytes;
	struct ublk_device *ub = q->ub;
	bool privileged = capable(CAP_SYS_ADMIN);
	unsigned int i;
	void *elems;
	int ret;

	if (!bytes)
		return 0;
	/* A descriptor that is open for reading only does not serve (I-67). */
	if (!(cmd->file->f_mode & FMODE_WRITE))
		return -EACCES;
	elems = vmemdup_user(u64_to_user_ptr(READ_ONCE(cmd->sqe->addr)), bytes);
	if (IS_ERR(elems))
		return PTR_ERR(elems);

	scoped_guard(spinlock, &ub->lock) {
		ret = ublk_batch_check_prep(q, elems, bio);
		if (ret)
			break;
		if (!privileged)
			ub->unprivileged_daemons = true;
		for (i = 0; i < bio->nr_elem; i++) {
			struct ublk_elem elem =
				ublk_elem_decode(elems + i * bio->elem_bytes,
						 bio->flags);
			struct ublk_io *io =
				&q->io[array_index_nospec(elem.tag, q->depth)];

			ublk_batch_set_buf(q, io, &elem, bio->flags);
			ublk_state_arm(io, UBLK_EV_FETCH);
			ublk_gate_fetched(q);
		}
	}
	kvfree(elems);
	return ret;
}

/* Commit one element of COMMIT_IO_CMDS (D-173 to D-177). */
static int ublk_batch_commit_one(struct ublk_queue *q, struct io_uring_cmd *cmd,
				 const struct ublk_elem *elem, u16 flags,
				 unsigned int issue_flags,
				 struct io_comp_batch *iob)
{
	struct ublk_answer answer = {
		.result	= elem->result,
		.sector	= elem->zone_lba,
	};
	struct ublk_io *io;
	int ret;

	if (unlikely(elem->tag >= q->depth))
		return -EINVAL;
	io = &q->io[array_index_nospec(elem->tag, q->depth)];
	if (q->driver_copies)
		answer.addr = elem->buf_addr;
	else
		answer.reg = ublk_elem_buf_reg(elem, flags);

	if (unlikely(!ublk_state_commit_begin(io)))
		return -EBUSY;
	ret = ublk_commit(q, io, cmd, &answer, issue_flags, iob);
	if (unlikely(ret))
		ublk_state_commit_undo(io);
	return ret;
}

/*
 * One element is common, of 8 or 16 bytes. Hardened usercopy checks the block only if
 * the size is not constant. Returns the bytes that could not be copied.
 */
static unsigned long ublk_batch_copy_block(u8 *block, const void __user *from,
					   unsigned int len)
{
	switch (len) {
	case 8:
		return copy_from_user(block, from, 8);
	case 16:
		return copy_from_user(block, from, 16);
	default:
		return copy_from_user(block, from, len);
	}
}

/*
 * COMMIT_IO_CMDS. Requests that end without error are collected and end
 * together; their tags are armed, but get no new request until then.
 */
static int ublk_batch_commit(struct ublk_queue *q, struct io_uring_cmd *cmd,
			     const struct ublk_batch_io *bio,
			     unsigned int issue_flags)
{
	const void __user *from = u64_to_user_ptr(READ_ONCE(cmd->sqe->addr));
	unsigned int total = (unsigned int)bio->nr_elem * bio->elem_bytes;
	u8 block[UBLK_BATCH_BLOCK] __aligned(8) __uninitialized;
	DEFINE_IO_COMP_BATCH(iob);
	unsigned int done = 0;
	int ret = 0;

	while (done < total && !ret) {
		unsigned int len = min(total - done, UBLK_BATCH_BLOCK);
		unsigned int pos;

		/*
		 * Before a page fault: the memory may be on this very disk,
		 * and the fault wait for one of these requests or its tag.
		 */
		ublk_complete_collected(&iob);
		if (ublk_batch_copy_block(block, from + done, len)) {
			ret = -EFAULT;
			break;
		}
		for (pos = 0; pos < len; pos += bio->elem_bytes) {
			struct ublk_elem elem =
				ublk_elem_decode(block + pos, bio->flags);

			ret = ublk_batch_commit_one(q, cmd, &elem, bio->flags,
						    issue_flags, &iob);
			if (unlikely(ret))
				break;
			done += bio->elem_bytes;
		}
	}
	ublk_complete_collected(&iob);
	return done ? done : ret;
}

/* All commands but those of several tags (D-160). */
static int ublk_batch_other(struct ublk_device *ub, struct io_uring_cmd *cmd,
			    unsigned int issue_flags)
{
	const struct ublksrv_io_cmd *sqe =
		io_uring_sqe_cmd(cmd->sqe, struct ublksrv_io_cmd);
	unsigned int qid = READ_ONCE(sqe->q_id);
	unsigned int tag = READ_ONCE(sqe->tag);
	u64 addr = READ_ONCE(sqe->addr);
	struct ublk_queue *q;

	switch (cmd->cmd_op) {
	case UBLK_U_IO_UNREGISTER_IO_BUF:
	case UBLK_U_IO_REGISTER_FILE:
	case UBLK_U_IO_UNREGISTER_FILE:
	case UBLK_U_IO_SET_EXTENTS:
	case UBLK_U_IO_COUNT_EXTENTS:
		return ublk_dev_cmd(ub, cmd, issue_flags);
	default:
		break;
	}
	if (qid >= ub->info.nr_hw_queues)
		return -EINVAL;
	q = ub->queues[array_index_nospec(qid, ub->info.nr_hw_queues)];
	if (tag >= q->depth)
		return -EINVAL;
	if (cmd->cmd_op != UBLK_U_IO_REGISTER_IO_BUF)
		return -EOPNOTSUPP;
	return ublk_buf_register_remote(q, &q->io[array_index_nospec(tag, q->depth)],
					cmd, addr, issue_flags);
}

static int ublk_batch_issue_fetch(struct ublk_device *ub, struct io_uring_cmd *cmd,
				  const struct ublk_batch_io *bio,
				  unsigned int issue_flags)
{
	unsigned int nr = ub->info.nr_hw_queues;
	int ret;

	ret = ublk_elem_check_fetch(bio,
				    cmd->flags & IORING_URING_CMD_MULTISHOT,
				    nr);
	if (!ret)
		ret = ublk_threads_watch(ub);
	if (ret)
		return ret;
	return ublk_batch_fetch_issue(ub->queues[array_index_nospec(bio->q_id, nr)],
				cmd, READ_ONCE(cmd->sqe->buf_group),
				issue_flags);
}

static int ublk_batch_issue_redirect(struct ublk_device *ub,
				     struct io_uring_cmd *cmd,
				     const struct ublk_batch_io *bio,
				     unsigned int issue_flags)
{
	unsigned int nr = ub->info.nr_hw_queues;
	int ret;

	ret = ublk_elem_check_redirect(bio, ub->info.flags, nr,
				       ub->info.queue_depth);
	if (unlikely(ret))
		return ret;
	return ublk_redirect_batch(ub->queues[array_index_nospec(bio->q_id, nr)],
				   cmd, bio->nr_elem, issue_flags);
}

static int ublk_batch_issue(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct ublk_batch_io *sqe =
		io_uring_sqe_cmd(cmd->sqe, struct ublk_batch_io);
	struct ublk_device *ub = cmd->file->private_data;
	unsigned int nr = ub->info.nr_hw_queues;
	struct ublk_batch_io bio = {
		.q_id = READ_ONCE(sqe->q_id),
		.flags = READ_ONCE(sqe->flags),
		.nr_elem = READ_ONCE(sqe->nr_elem),
		.elem_bytes = READ_ONCE(sqe->elem_bytes),
	};
	struct ublk_queue *q;
	int ret;

	switch (cmd->cmd_op) {
	case UBLK_U_IO_COMMIT_IO_CMDS:
	case UBLK_U_IO_PREP_IO_CMDS:
		break;
	case UBLK_U_IO_FETCH_IO_CMDS:
		return ublk_batch_issue_fetch(ub, cmd, &bio, issue_flags);
	case UBLK_U_IO_REDIRECT_IO_CMDS:
		return ublk_batch_issue_redirect(ub, cmd, &bio, issue_flags);
	default:
		return ublk_batch_other(ub, cmd, issue_flags);
	}

	ret = ublk_elem_check(&bio, ub->info.flags, nr, ub->info.queue_depth);
	if (unlikely(ret))
		return ret;
	q = ub->queues[array_index_nospec(bio.q_id, nr)];
	if (likely(cmd->cmd_op == UBLK_U_IO_COMMIT_IO_CMDS))
		return ublk_batch_commit(q, cmd, &bio, issue_flags);
	return ublk_batch_prep(q, cmd, &bio);
}

/* A fetch command that came from a worker, now in the submitter's task. */
static void ublk_batch_issue_tw(struct io_tw_req tw_req, io_tw_token_t tw)
{
	struct io_uring_cmd *cmd = io_uring_cmd_from_tw(tw_req);
	unsigned int issue_flags = IO_URING_CMD_TASK_WORK_ISSUE_FLAGS;
	int ret = -ECANCELED;

	if (!ublk_hook_tw_canceled(tw))
		ret = ublk_batch_issue(cmd, issue_flags);
	if (ret != -EIOCBQUEUED)
		io_uring_cmd_done(cmd, ret, issue_flags);
}

/* The uring_cmd operation of a batch device's char node. */
int ublk_batch_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	if (unlikely(issue_flags & IO_URING_F_CANCEL)) {
		ublk_cancel_fetch(cmd, issue_flags);
		return 0;
	}
	if (unlikely(issue_flags & IO_URING_F_UNLOCKED) &&
	    cmd->cmd_op == UBLK_U_IO_FETCH_IO_CMDS) {
		io_uring_cmd_complete_in_task(cmd, ublk_batch_issue_tw);
		return -EIOCBQUEUED;
	}
	return ublk_batch_issue(cmd, issue_flags);
}
