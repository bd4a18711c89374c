// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * IO buffers of a thread's tags: one mapping with a page aligned buffer for
 * each tag. Devices with zero copy have none, nor have targets without data.
 *
 * Called by queue.c in the queue's thread, after that has been bound to its
 * CPUs, so that the pages come from their NUMA node. The kernel allocates a
 * page when a request touches it. Buffers that are locked get all their pages
 * here, by this thread; lock.c locks the rest of the process later. They
 * are freed with the queue.
 */
#include <sys/mman.h>

#include "private.h"

int buf_alloc(struct queue *q, size_t io_bytes, bool lock)
{
	size_t len = io_bytes * q->nr_tags;
	/* for the driver to copy, so commands name it (D-40, D-41) */
	bool named = !(q->pub.dev->info.flags & UBLK_F_USER_COPY);
	unsigned int i;
	void *mem;

	mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return ublk_error(-errno,
				  "%zu bytes of IO buffers: %s; use a lower depth or smaller buffers",
				  len, strerror(errno));
	if (lock && mlock(mem, len)) {
		int err = -errno;

		munmap(mem, len);
		return ublk_error(err,
				  "locking %zu bytes of IO buffers: %s; raise RLIMIT_MEMLOCK, with \"ulimit -l\" or LimitMEMLOCK=, or use a lower depth or smaller buffers",
				  len, strerror(-err));
	}
	q->bufs = mem;
	q->bufs_len = len;
	for (i = 0; i < q->nr_tags; i++) {
		struct io *io = &q->ios[q->base + i * q->step];

		io->pub.buf = (char *)mem + i * io_bytes;
		io->addr = named ? (uintptr_t)io->pub.buf : 0;
	}
	return 0;
}

void buf_free(struct queue *q)
{
	if (q->bufs)
		munmap(q->bufs, q->bufs_len);
	q->bufs = NULL;
}
