/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commit: the server answers a request, whose tag is armed again.
 *
 * ublk_cmd_commit() calls ublk_commit() for COMMIT_AND_FETCH_REQ of a per-tag
 * device, ublk_batch_commit_one() for each element of COMMIT_IO_CMDS of a batch
 * device. It arms the tag before the request ends, which frees the tag. Inline, as
 * each of the two knows whether it is a batch.
 */
#ifndef UBLK_COMMIT_H
#define UBLK_COMMIT_H

#include <linux/uaccess.h>

#include "ublk.h"
#include "state.h"
#include "trace.h"

/**
 * struct ublk_answer - what the server says about a request, read once
 * @result: bytes done or negative errno
 * @addr: copy mode: where the data of a read is, and the buffer of the tag's next
 *	request
 * @reg: other modes: how the tag's next request is registered
 * @sector: where a zone append has put its data, in sectors
 */
struct ublk_answer {
	s32				result;
	union {
		u64			addr;
		struct ublk_auto_buf_reg reg;
	};
	u64				sector;
};

/* Only a per-tag device has a command that waits with the tag. */
static __always_inline void ublk_commit_arm(struct ublk_io *io,
					    struct io_uring_cmd *cmd,
					    unsigned int issue_flags, bool batch)
{
	if (batch)
		ublk_state_arm(io, UBLK_EV_COMMIT);
	else
		ublk_state_arm_cmd(io, cmd, issue_flags, UBLK_EV_COMMIT);
}

/*
 * Copy the data of a read; returns the bytes or -EINTR. Collected requests end
 * before a page fault: if the memory is on this very disk, the fault waits for
 * one of them or for its tag.
 */
static __always_inline int ublk_commit_read(const struct request *req,
					    const struct ublk_answer *answer,
					    struct io_comp_batch *iob)
{
	int done;

	if (!iob || !iob->complete)
		return ublk_copy_from_server(req, answer->addr, answer->result);

	pagefault_disable();
	done = ublk_copy_from_server(req, answer->addr, answer->result);
	pagefault_enable();
	if (likely(done == min_t(int, answer->result, blk_rq_bytes(req))))
		return done;
	ublk_complete_collected(iob);
	return ublk_copy_from_server(req, answer->addr, answer->result);
}

/* Most requests of a batch are collected without a call. */
static __always_inline void ublk_commit_end(struct request *req, int res,
					    unsigned int delivered,
					    struct io_comp_batch *iob)
{
	unsigned int len = blk_rq_bytes(req);

	if (iob && likely(res == len && delivered >= len && !ublk_rq(req)->shmem) &&
	    likely(blk_mq_add_to_batch(req, iob, false, blk_mq_end_request_batch)))
		return;
	ublk_complete(req, res, delivered, iob);
}

static __always_inline int ublk_commit_copy(struct ublk_queue *q,
					    struct ublk_io *io,
					    struct io_uring_cmd *cmd,
					    const struct ublk_answer *answer,
					    unsigned int issue_flags,
					    struct io_comp_batch *iob)
{
	struct request *req = io->req;
	bool read = req_op(req) == REQ_OP_READ;
	unsigned int delivered;
	int res = answer->result;

	if (unlikely(!answer->addr && (!q->need_get_data || read)))
		return -EINVAL;
	if (read && res > 0 && likely(!ublk_rq(req)->shmem)) {
		res = ublk_commit_read(req, answer, iob);
		/* The request stays with the server and ends with it. */
		if (unlikely(res < 0))
			return res;
	}

	io->addr = answer->addr;
	delivered = io->delivered;
	trace_ublk_commit(q, req, res);
	ublk_commit_arm(io, cmd, issue_flags, iob);
	ublk_commit_end(req, res, delivered, iob);
	return 0;
}

static __always_inline void ublk_commit_end_nocopy(struct request *req, int res,
						   struct io_comp_batch *iob)
{
	if (likely(res == blk_rq_bytes(req)))
		ublk_commit_end(req, res, res, iob);
	else
		ublk_complete_nocopy(req, res, iob);
}

/* The request ends here, or with the last reference if others refer to it. */
static __always_inline void ublk_commit_nocopy(struct ublk_queue *q,
					       struct ublk_io *io,
					       struct io_uring_cmd *cmd,
					       const struct ublk_answer *answer,
					       unsigned int issue_flags,
					       struct io_comp_batch *iob)
{
	struct request *req = io->req;
	unsigned int task_refs;
	bool refs;

	/* Where the server has put the data (D-176, D-211). */
	if (unlikely(req_op(req) == REQ_OP_ZONE_APPEND))
		req->__sector = answer->sector;
	ublk_buf_commit(io, cmd, issue_flags, iob);
	io->reg = answer->reg;
	ublk_rq(req)->result = answer->result;
	refs = atomic_read(&io->refs);
	task_refs = io->task_refs;
	io->task_refs = 0;
	trace_ublk_commit(q, req, answer->result);
	ublk_commit_arm(io, cmd, issue_flags, iob);
	if (!refs || ublk_buf_put_owner(io, task_refs))
		ublk_commit_end_nocopy(req, answer->result, iob);
}

/**
 * ublk_commit() - end the request of a tag with the server's answer
 * @q: queue
 * @io: tag that the caller owns: SERVER in the daemon task of a per-tag device,
 *	COMMITTING on a batch device
 * @cmd: the commit; a per-tag device arms the tag with it
 * @answer: what the server says
 * @issue_flags: of @cmd
 * @iob: batch device: collects requests that end without error; else NULL
 *
 * Context: task that submitted @cmd, or its io-wq worker on a batch device; may
 * fault and sleep in copy mode.
 * Return: 0 with the tag armed; else the server still owns the request: -EINVAL
 * without the buffer that copy mode needs, -EINTR if the task is being killed.
 */
static __always_inline int ublk_commit(struct ublk_queue *q,
				       struct ublk_io *io,
				       struct io_uring_cmd *cmd,
				       const struct ublk_answer *answer,
				       unsigned int issue_flags,
				       struct io_comp_batch *iob)
{
	if (q->driver_copies)
		return ublk_commit_copy(q, io, cmd, answer, issue_flags, iob);
	ublk_commit_nocopy(q, io, cmd, answer, issue_flags, iob);
	return 0;
}

#endif
