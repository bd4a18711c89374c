// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * IO buffers of a thread's tags: one mapping with a page aligned buffer for
 * each tag. Devices with zero copy have none, nor have targets without data.
 *
 * Called by queue.c in the queue's thread, after that has been bound to its
 * CPUs, so that the pages come from their NUMA node. The kernel allocates a
 * page when a request touches it. Buffers that are locked get all their pages
 * here, by this thread; lock.c locks the rest of the process later. They are freed
 * with the queue.
 *
 * A huge page is there for the buffers of several tags, so with huge pages the first
 * short requests would fill all buffers. Without them, a backend that pins the pages
 * of a long request does so one by one. So there are none until a long request
 * uses a part of the buffers.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "private.h"

#define BUF_HUGE	((size_t)2 << 20)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* Has the administrator turned huge pages off, or has the kernel none? */
static bool buf_may_be_huge(void)
{
	FILE *in = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
	char line[64] = "";
	bool may;

	may = in && fgets(line, sizeof(line), in) && !strstr(line, "[never]");
	if (in)
		fclose(in);
	return may;
}

/* A mapping that begins where a huge page can. Return: MAP_FAILED with errno */
static char *buf_map(size_t len)
{
	char *mem, *start;

	mem = mmap(NULL, len + BUF_HUGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return mem;
	start = mem + (-(uintptr_t)mem & (BUF_HUGE - 1));
	if (start > mem)
		munmap(mem, start - mem);
	munmap(start + len, mem + BUF_HUGE - start);
	return start;
}

static int buf_lock(void *mem, size_t len)
{
	int err;

	if (!mlock(mem, len))
		return 0;
	err = -errno;
	return ublk_error(err,
			  "locking %zu bytes of IO buffers: %s; raise RLIMIT_MEMLOCK, with \"ulimit -l\" or LimitMEMLOCK=, or use a lower depth or smaller buffers",
			  len, strerror(-err));
}

/* Without memory for the marks, there will be no huge pages. */
static void buf_avoid_huge(struct queue *q)
{
	madvise(q->bufs, q->bufs_len, MADV_NOHUGEPAGE);
	q->nr_huge = q->bufs_len / BUF_HUGE;
	if (q->nr_huge && buf_may_be_huge())
		q->is_huge = calloc(q->nr_huge, sizeof(*q->is_huge));
}

int buf_alloc(struct queue *q, size_t io_bytes, bool lock)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t len = (io_bytes * q->nr_tags + page - 1) & ~(size_t)(page - 1);
	/* for the driver to copy, so commands name it (D-40, D-41) */
	bool named = !(q->pub.dev->info.flags & UBLK_F_USER_COPY);
	unsigned int i;
	char *mem;
	int ret;

	mem = buf_map(len);
	if (mem == MAP_FAILED)
		return ublk_error(-errno,
				  "%zu bytes of IO buffers: %s; use a lower depth or smaller buffers",
				  len, strerror(errno));
	ret = lock ? buf_lock(mem, len) : 0;
	if (ret) {
		munmap(mem, len);
		return ret;
	}
	q->bufs = mem;
	q->bufs_len = len;
	if (!lock)
		buf_avoid_huge(q);
	for (i = 0; i < q->nr_tags; i++) {
		struct io *io = &q->ios[q->base + i * q->step];

		io->pub.buf = mem + i * io_bytes;
		io->addr = named ? (uintptr_t)io->pub.buf : 0;
	}
	return 0;
}

void buf_free(struct queue *q)
{
	if (q->bufs)
		munmap(q->bufs, q->bufs_len);
	free(q->is_huge);
	q->bufs = NULL;
	q->is_huge = NULL;
}

/*
 * Give the buffer of a long request huge pages; once, as the kernel may have none.
 * With batch commands the buffers of all threads are the first one's, so two threads
 * may do this at a time, which does no harm.
 */
void buf_use_huge(struct queue *q, const struct ublk_io *io)
{
	const struct queue *owner = q->nr_tags ? q : q->first;
	size_t off = (uintptr_t)io->buf - (uintptr_t)owner->bufs, i, last;

	/* io->buf may also be in shared memory */
	if (!owner->is_huge || off >= owner->bufs_len)
		return;
	last = (off + ((size_t)io->desc->nr_sectors << 9) - 1) / BUF_HUGE;
	for (i = off / BUF_HUGE; i <= last && i < owner->nr_huge; i++) {
		char *at = (char *)owner->bufs + i * BUF_HUGE;

		if (likely(atomic_load_explicit(&owner->is_huge[i],
						memory_order_relaxed)))
			continue;
		atomic_store(&owner->is_huge[i], true);
		madvise(at, BUF_HUGE, MADV_HUGEPAGE);
		madvise(at, BUF_HUGE, MADV_COLLAPSE);
	}
}

/* Copy mode: the driver has moved the data of a write. */
void buf_deliver(struct ublk_queue *q, struct ublk_io *io)
{
	if (unlikely(buf_is_long(io)))
		buf_use_huge(to_queue(q), io);
	to_queue(q)->worker->submit(q, io);
}
