// SPDX-License-Identifier: GPL-2.0
/*
 * Cancel commands, and end the requests of a server that is gone.
 *
 * While the char node is open, armed commands are completed with ENODEV: one by
 * one as io_uring cancels them (its ring or task goes away), or all at once for
 * a stop or QUIESCE_DEV. After the last reference to the open node no command
 * exists: the exit work then holds or fails the server's requests (L-20).
 */
#include "ublk.h"
#include "state.h"
#include "trace.h"

/* io_uring cancels a command of a batch device. Any task, ring lock held. */
void ublk_cancel_fetch(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ublk_device *ub = cmd->file->private_data;

	if (_IOC_NR(cmd->cmd_op) == _IOC_NR(UBLK_U_IO_SET_EXTENTS)) {
		ublk_extent_wait_cancel(cmd, issue_flags);
		return;
	}
	ublk_gate_cancel(ub);
	ublk_batch_fetch_cancel(cmd, issue_flags);
}

/* The queue of a tag: commands do not carry it, as only a cancel asks. */
static struct ublk_queue *ublk_cancel_queue(struct ublk_device *ub,
					    const struct ublk_io *io)
{
	unsigned int qid = 0;

	while (io < ub->queues[qid]->io ||
	       io >= ub->queues[qid]->io + ub->queues[qid]->depth)
		qid++;
	return ub->queues[qid];
}

/*
 * io_uring cancels a command of a per-tag device. Any task, ring lock held. One of
 * a QUEUED tag stays: ublk_deliver_tw() completes it or arms the tag again,
 * and io_uring cancels again.
 */
void ublk_cancel_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ublk_device *ub = cmd->file->private_data;
	struct ublk_io *io;

	if (_IOC_NR(cmd->cmd_op) == _IOC_NR(UBLK_U_IO_SET_EXTENTS)) {
		ublk_extent_wait_cancel(cmd, issue_flags);
		return;
	}
	io = ublk_cmd_pdu(cmd)->io;
	ublk_gate_cancel(ub);
	if (ublk_state_cancel_redirected(io) || ublk_state_cancel(io)) {
		struct ublk_queue *q = ublk_cancel_queue(ub, io);

		trace_ublk_cancel(q, io - q->io);
		io_uring_cmd_done(cmd, UBLK_IO_RES_ABORT, issue_flags);
	}
}

/*
 * Complete all armed commands with ENODEV, for a stop or QUIESCE_DEV. Process
 * context without any ring lock; sleeps. Return: true if the server may arm
 * more commands: tags are QUEUED, or it has requests to commit.
 */
bool ublk_cancel_armed(struct ublk_device *ub)
{
	unsigned int qid, tag;
	bool left = false;

	for (qid = 0; qid < ub->info.nr_hw_queues; qid++) {
		struct ublk_queue *q = ub->queues[qid];

		if (q->fetchq) {
			ublk_batch_fetch_close(q);
			continue;
		}
		for (tag = 0; tag < q->depth; tag++) {
			struct ublk_io *io = &q->io[tag];

			if (!ublk_state_cancel(io)) {
				unsigned int state = READ_ONCE(io->state);

				left |= state != UBLK_TAG_EMPTY &&
					state != UBLK_TAG_CANCELED;
				continue;
			}
			trace_ublk_cancel(q, tag);
			io_uring_cmd_done(io->cmd, UBLK_IO_RES_ABORT,
					  IO_URING_F_UNLOCKED);
		}
		cond_resched();
	}
	return left;
}

/*
 * End the requests that a dead server owned. Its char node has no reference, so
 * no command exists, and its queues are closed, so no tag can be claimed. The
 * function waits for buffers registered in rings that still exist: their pages
 * must not get a new owner while an operation uses them (D-106). A request that
 * was committed before ends with its last reference.
 *
 * A tag of a batch device that is still QUEUED after the drain was dequeued by
 * a concurrent stop, as the exit work has ended ublk_threads_work(). That stop
 * ends the request before it releases ub->mutex, so before this session ends. The
 * exit work calls this without ub->mutex: a stop holds it and waits for these
 * requests (C-161). Redirected requests end by themselves. Sleeps.
 */
void ublk_cancel_requests(struct ublk_device *ub)
{
	unsigned int qid, tag;

	for (qid = 0; qid < ub->info.nr_hw_queues; qid++) {
		struct ublk_queue *q = ub->queues[qid];

		if (q->fetchq)
			ublk_batch_fetch_drain(q);
		for (tag = 0; tag < q->depth; tag++) {
			struct ublk_io *io = &q->io[tag];
			unsigned int state = READ_ONCE(io->state);

			if (q->fetchq && unlikely(state == UBLK_TAG_QUEUED ||
						  state == UBLK_TAG_REDIRECTED))
				continue;
			state = ublk_state_gone(q, io);
			ublk_buf_wait_idle(io);
			if (ublk_tag_is_owned(state)) {
				atomic_set(&io->refs, 0);
				ublk_gate_gone(ub, io->req);
			}
		}
		cond_resched();
	}
}
