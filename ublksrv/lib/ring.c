// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A worker's io_uring: how it is set up and closed, and what to do when its SQ is
 * full.
 *
 * Files below worker.c take SQEs with ring_sqe() (private.h). ring_fatal() ends
 * the worker after an error that it cannot handle. Everything here runs in the
 * worker's thread.
 */
#include "private.h"

#define RING_MAX_SQ	4096
#define RING_BATCH_CQES	256

/*
 * IORING_FEAT_NO_IOWAIT and IORING_ENTER_NO_IOWAIT, which older libraries do not know.
 * Kernels before it may read a linked command from the SQ when it starts, not when it
 * is submitted: by then, another SQE can be in its place.
 */
#define RING_FEAT_NO_IOWAIT	(1U << 17)
#define RING_ENTER_NO_IOWAIT	(1U << 7)

__thread struct worker *worker_self;

void ring_fatal(struct worker *w, int err)
{
	if (!w->fatal)
		w->fatal = err;
}

/* The SQ is full in the middle of a turn: submit it, then take an SQE. */
struct io_uring_sqe *ring_flush(struct worker *w)
{
	struct io_uring_sq *sq = &w->ring.sq;
	int ret = 0, tries;

	for (tries = 0; tries < 1000; tries++) {
		unsigned int tail = sq->sqe_tail;

		if (tail - *(volatile unsigned int *)sq->khead <
		    sq->ring_entries) {
			sq->sqe_tail = tail + 1;
			return &sq->sqes[tail & sq->ring_mask];
		}
		ret = io_uring_submit(&w->ring);
		if (ret < 0 && ret != -EINTR && ret != -EAGAIN &&
		    ret != -EBUSY)
			break;
	}
	ring_fatal(w, ret < 0 ? ret : -EBUSY);
	return NULL;
}

/*
 * A thread that waits for requests has commands in io_uring, so the kernel would count
 * its sleep as waiting for IO: an idle server would keep a CPU at 100 % iowait, and
 * fill /proc/pressure/io.
 */
static void ring_set_enter_flags(struct worker *w)
{
	w->enter_flags = IORING_ENTER_GETEVENTS;
	if (w->ring.features & RING_FEAT_NO_IOWAIT)
		w->enter_flags |= RING_ENTER_NO_IOWAIT;
	/* saves a lookup per system call; not essential */
	if (io_uring_register_ring_fd(&w->ring) == 1)
		w->enter_flags |= IORING_ENTER_REGISTERED_RING;
}

/* Best flags first; an old kernel refuses unknown ones with EINVAL. */
int ring_init(struct worker *w, unsigned int tags)
{
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_NO_SQARRAY,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	unsigned int entries = tags < RING_MAX_SQ ? tags : RING_MAX_SQ;
	unsigned int i;
	int ret = -EINVAL;

	for (i = 0; i < ARRAY_SIZE(flags) && ret == -EINVAL; i++) {
		struct io_uring_params p = {
			.flags = flags[i] | IORING_SETUP_CQSIZE |
				 IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL,
			/*
			 * command, backend and cancel per tag; the wake, and
			 * batches
			 */
			.cq_entries = 3 * tags + 16 + RING_BATCH_CQES,
		};

		ret = io_uring_queue_init_params(entries < 8 ? 8 : entries,
						 &w->ring, &p);
	}
	if (ret)
		return ublk_error(ret, "io_uring: %s", strerror(-ret));

	if (!(w->ring.features & RING_FEAT_NO_IOWAIT))
		w->link = NULL;
	ring_set_enter_flags(w);
	ret = io_uring_register_files_sparse(&w->ring, RING_FILES);
	if (ret >= 0)
		ret = io_uring_register_files_update(&w->ring, 0,
						     &w->dev->char_fd, 1);
	if (ret < 0) {
		io_uring_queue_exit(&w->ring);
		return ublk_error(ret, "io_uring: registering files: %s",
				  strerror(-ret));
	}
	w->nr_files = 1;
	return 0;
}

/*
 * io_uring frees a closed ring in the background, some RCU grace periods later, and
 * then the files of its table. A deletion of the device waits for the end of the
 * char device's file, so take the table away first. Commands that the driver still
 * has keep the file in any case, and kernels before 6.13 would wait for them here.
 */
void ring_exit(struct worker *w)
{
	if (!w->nr_files)
		return;
	if (!w->nr_live)
		io_uring_unregister_files(&w->ring);
	io_uring_queue_exit(&w->ring);
}
