// SPDX-License-Identifier: GPL-2.0
/*
 * Take commands back, and end requests whose server is gone.
 *
 * First stage, while the char node is open: armed commands are completed with
 * ENODEV, either one by one as io_uring cancels them (the ring or a task goes
 * away) or all at once for a stop. The cmpxchg that leaves ARMED decides against
 * a request that comes at the same time.
 *
 * Second stage, when the last reference to the open node is gone, hence no
 * command is left: requests that the server owned are held or failed (L-20).
 */
#include "ublk.h"
#include "trace.h"

/* Leave ARMED with the command; fails if a request or another cancel won. */
static bool ublk_cancel_take(struct ublk_io *io)
{
	unsigned int armed = UBLK_TAG_ARMED;

	return try_cmpxchg(&io->state, &armed, UBLK_TAG_CANCELED);
}

/**
 * ublk_cancel_begin() - a command of this session is canceled
 * @ub: device
 *
 * The first one closes all queues (D-71, D-72). What is queued on a batch device
 * for a server that does not fetch any more is held or failed.
 *
 * Context: any task; does not sleep.
 */
void ublk_cancel_begin(struct ublk_device *ub)
{
	unsigned int qid;

	/* Pairs with the release below. */
	if (smp_load_acquire(&ub->canceled))
		return;

	scoped_guard(spinlock, &ub->lock) {
		ublk_server_close(ub, UBLK_COND_CANCELING);
		/* Pairs with the acquire: gates close before anything is taken. */
		smp_store_release(&ub->canceled, true);
	}
	ublk_lastref_poll(ub);
	if (!ublk_has(ub, UBLK_F_BATCH_IO))
		return;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		ublk_batch_fetch_drain(ub->queues[qid]);
}

/**
 * ublk_cancel_fetch() - io_uring cancels a command of a batch device
 * @cmd: fetch command, marked cancelable
 * @issue_flags: IO_URING_F_CANCEL and others
 *
 * Context: ring lock held, may be any task.
 */
void ublk_cancel_fetch(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ublk_device *ub = cmd->file->private_data;

	ublk_cancel_begin(ub);
	ublk_batch_fetch_cancel(cmd, issue_flags);
}

/**
 * ublk_cancel_cmd() - io_uring cancels a pending command
 * @cmd: command, marked cancelable
 * @issue_flags: IO_URING_F_CANCEL and others
 *
 * A command whose request is on its way is left alone: delivery will complete
 * it or arm it again, and io_uring asks again.
 *
 * Context: ring lock held, may be any task.
 */
void ublk_cancel_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ublk_cmd_pdu *pdu = ublk_cmd_pdu(cmd);
	struct ublk_queue *q = pdu->q;
	struct ublk_io *io = &q->io[pdu->tag];

	ublk_cancel_begin(q->ub);
	if (ublk_cancel_take(io)) {
		trace_ublk_cancel(q, pdu->tag);
		io_uring_cmd_done(cmd, UBLK_IO_RES_ABORT, issue_flags);
	}
}

/**
 * ublk_cancel_armed() - complete every armed command with ENODEV
 * @ub: device, stopping or quiescing
 *
 * Context: process context without any ring lock; sleeps.
 * Return: true if commands are left that the server will have armed again when
 * it commits what it owns, or whose request is on its way.
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

			if (!ublk_cancel_take(io)) {
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

/**
 * ublk_cancel_requests() - end the requests that a dead server owned
 * @ub: device without any open file, its queues closed
 *
 * Nobody else can touch a tag here: no command is left, so neither a daemon nor
 * a new request (the gate is closed, no tag is armed). Buffers registered in
 * rings that still exist are waited for: the pages must not get a new owner
 * while an operation uses them (D-106). A request that was committed before ends
 * with its last reference, without this function.
 *
 * What a batch device has queued belongs to whoever takes it out of the fifo. A
 * tag that is QUEUED after that has been taken out by a stop, which ends its
 * request before it lets go of ub->mutex, hence in this session.
 *
 * Context: exit work; sleeps; does not need ub->mutex, so that a stop which waits for
 * these requests while holding it can finish (C-161).
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

			if (q->fetchq && unlikely(state == UBLK_TAG_QUEUED))
				continue;
			ublk_buf_wait_idle(io);
			atomic_set(&io->refs, 0);
			WRITE_ONCE(io->state, UBLK_TAG_EMPTY);
			if (ublk_tag_is_owned(state))
				ublk_complete_gone(ub, io->req);
		}
		cond_resched();
	}
}
