// SPDX-License-Identifier: GPL-2.0
/* Undo of a delivery; the commit itself is in commit.h. */
#include "ublk.h"
#include "state.h"

/*
 * The fetch command @cmd cannot tell the server of a delivered request. Requeue
 * it, unless the server already committed the tag without being told of it. If
 * the server refers to the data, the request fails with the last reference.
 * Runs in the task that sent @cmd, with its ring lock held.
 */
void ublk_commit_undo(struct ublk_queue *q, struct ublk_io *io,
		      struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct request *req = io->req;
	int owner = ublk_refs_init();

	if (!ublk_state_commit_begin(io))
		return;
	ublk_buf_commit(io, cmd, issue_flags, NULL);
	if (!atomic_read(&io->refs) ||
	    atomic_try_cmpxchg(&io->refs, &owner, 0)) {
		ublk_state_arm(io, UBLK_EV_COMMIT);
		ublk_shmem_put(req);
		blk_mq_requeue_request(req, true);
		return;
	}
	ublk_rq(req)->result = -EIO;
	ublk_state_arm(io, UBLK_EV_COMMIT);
	if (ublk_buf_put_owner(io, 0))
		ublk_complete_nocopy(req, -EIO, NULL);
}
