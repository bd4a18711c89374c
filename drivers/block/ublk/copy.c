// SPDX-License-Identifier: GPL-2.0
/*
 * Copy data between the pages of a request and memory of the server.
 *
 * In copy mode ublk_deliver_copy() copies the data of a write (D-90) and
 * ublk_commit_copy() that of a read (D-92), in the server's task, to which the
 * buffer belongs. User copy runs in any task that calls pread or pwrite.
 */
#include <linux/highmem.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "ublk.h"

/* A multi-page segment is copied in one go, unless it is in high memory. */
static size_t ublk_copy_segment(const struct bio_vec *bv, size_t len,
				struct iov_iter *iter, bool to_server)
{
	size_t done = 0;

	while (done < len) {
		struct page *page = bv->bv_page +
				    ((bv->bv_offset + done) >> PAGE_SHIFT);
		size_t off = offset_in_page(bv->bv_offset + done);
		size_t chunk = len - done;
		size_t copied;
		void *addr;

		if (IS_ENABLED(CONFIG_HIGHMEM))
			chunk = min_t(size_t, chunk, PAGE_SIZE - off);

		addr = kmap_local_page(page) + off;
		copied = to_server ? _copy_to_iter(addr, chunk, iter) :
				     _copy_from_iter(addr, chunk, iter);
		kunmap_local(addr);

		done += copied;
		if (copied != chunk)
			break;
	}
	return done;
}

/* The first bytes of @bv, without an iterator. Returns the bytes copied. */
static __always_inline unsigned int ublk_copy_first(const struct bio_vec *bv,
						    void __user *server,
						    unsigned int len,
						    bool to_server)
{
	void *addr = page_address(bv->bv_page) + bv->bv_offset;

	/* As in _copy_to_iter(), hardened usercopy need not check a bio's page. */
	return len - (to_server ? _copy_to_user(server, addr, len) :
				  _copy_from_user(addr, server, len));
}

static __always_inline unsigned int
ublk_copy(const struct request *req, u64 addr, unsigned int len, bool to_server)
{
	/* Requests with a special payload have no data for the server. */
	struct bio_vec first = mp_bvec_iter_bvec(req->bio->bi_io_vec,
						 req->bio->bi_iter);
	struct req_iterator ri;
	struct iov_iter iter;
	struct bio_vec bv;
	unsigned int done = 0;

	/* Often the data is one segment. */
	if (!IS_ENABLED(CONFIG_HIGHMEM) && likely(len <= first.bv_len))
		return ublk_copy_first(&first, u64_to_user_ptr(addr), len,
				       to_server);
	if (import_ubuf(to_server ? ITER_DEST : ITER_SOURCE,
			u64_to_user_ptr(addr), len, &iter))
		return 0;

	rq_for_each_bvec(bv, req, ri) {
		size_t want = min(bv.bv_len, len - done);
		size_t copied = ublk_copy_segment(&bv, want, &iter, to_server);

		done += copied;
		if (copied != bv.bv_len || done == len)
			break;
	}
	return done;
}

/* Any part of the data: look for the segment in which it begins. */
static size_t ublk_copy_segments(const struct request *req, size_t off,
				 struct iov_iter *iter, bool to_server)
{
	struct req_iterator ri;
	struct bio_vec bv;
	size_t done = 0;

	rq_for_each_bvec(bv, req, ri) {
		/* rq_for_each_bvec() goes on from @bv: leave it whole. */
		struct bio_vec part = bv;
		size_t want, copied;

		if (off >= bv.bv_len) {
			off -= bv.bv_len;
			continue;
		}
		part.bv_offset += off;
		part.bv_len -= off;
		off = 0;

		want = min_t(size_t, part.bv_len, iov_iter_count(iter));
		copied = ublk_copy_segment(&part, want, iter, to_server);
		done += copied;
		if (copied != part.bv_len || !iov_iter_count(iter))
			break;
	}
	return done;
}

/**
 * ublk_copy_iter() - copy a part of a request's data
 * @req: request with data
 * @off: first byte of the data, at most its length
 * @iter: the server's memory; advanced by what was copied
 * @to_server: direction
 *
 * Context: a task with the memory of @iter; may fault and sleep.
 * Return: bytes copied; fewer than fit at the end of the data or on a fault.
 */
size_t ublk_copy_iter(const struct request *req, size_t off,
		      struct iov_iter *iter, bool to_server)
{
	size_t want = min_t(size_t, blk_rq_bytes(req) - off,
			    iov_iter_count(iter));
	/* Requests with a special payload have no data for the server. */
	struct bio_vec first = mp_bvec_iter_bvec(req->bio->bi_io_vec,
						 req->bio->bi_iter);

	/* Often the data is one segment. */
	if (unlikely(off + want > first.bv_len))
		return ublk_copy_segments(req, off, iter, to_server);
	first.bv_offset += off;
	return ublk_copy_segment(&first, want, iter, to_server);
}

/* Zero the data of a request from byte @off on (I-8). Does not sleep. */
void ublk_copy_zero(const struct request *req, size_t off)
{
	struct req_iterator ri;
	struct bio_vec bv;

	rq_for_each_segment(bv, req, ri) {
		size_t skip = min_t(size_t, off, bv.bv_len);

		off -= skip;
		if (skip < bv.bv_len)
			memzero_page(bv.bv_page, bv.bv_offset + skip,
				     bv.bv_len - skip);
	}
}

/* Returns the bytes copied, fewer than @len if the buffer faults; may sleep. */
unsigned int ublk_copy_to_server(const struct request *req, u64 addr,
				 unsigned int len)
{
	return ublk_copy(req, addr, len, true);
}

/*
 * Copy a read's data from @addr, in the server's task; may fault and sleep. The
 * server has read @res > 0 bytes; those beyond the request are ignored. Returns
 * the bytes copied, fewer if the buffer faults; -EINTR if it faults because the
 * task is being killed, which says nothing about the address.
 */
int ublk_copy_from_server(const struct request *req, u64 addr, int res)
{
	unsigned int len = min_t(unsigned int, res, blk_rq_bytes(req));
	unsigned int done = ublk_copy(req, addr, len, false);

	if (unlikely(done != len && fatal_signal_pending(current)))
		return -EINTR;
	return done;
}
