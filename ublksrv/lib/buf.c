// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * IO buffers of a queue: one mapping, one page aligned piece per tag.
 *
 * Called by queue.c in the queue's thread, after it has been bound to its
 * CPUs, so pages come from the node that uses them. Pages are only allocated
 * when a request touches them, unless they are to be locked.
 */
#include <sys/mman.h>

#include "private.h"

int buf_alloc(struct queue *q, size_t io_bytes, bool lock)
{
	size_t len = io_bytes * q->pub.depth;
	unsigned int tag;
	void *mem;

	mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return ublk_error(-errno,
				  "queue %u: %zu bytes of IO buffers: %s; use a lower depth or smaller buffers",
				  q->pub.id, len, strerror(errno));
	if (lock && mlock(mem, len)) {
		int err = -errno;

		munmap(mem, len);
		return ublk_error(err,
				  "queue %u: locking %zu bytes of IO buffers: %s; raise RLIMIT_MEMLOCK",
				  q->pub.id, len, strerror(-err));
	}
	q->bufs = mem;
	q->bufs_len = len;
	for (tag = 0; tag < q->pub.depth; tag++)
		q->ios[tag].pub.buf = (char *)mem + tag * io_bytes;
	return 0;
}

void buf_free(struct queue *q)
{
	if (q->bufs)
		munmap(q->bufs, q->bufs_len);
	q->bufs = NULL;
}
