// SPDX-License-Identifier: GPL-2.0
/*
 * Protection information: the profile of a disk, and copying between a request
 * and the server (pread and pwrite at positions with bit 62 set).
 *
 * The block layer generates and verifies (D-201); logic/limits.h decides which
 * profiles are valid. Takes no lock: the caller keeps the request from ending.
 * Built with CONFIG_BLK_DEV_INTEGRITY; else no device has UBLK_F_INTEGRITY.
 */
#include <linux/blk-integrity.h>
#include <linux/fs.h>
#include <linux/uio.h>

#include "ublk.h"

static enum blk_integrity_checksum ublk_integrity_csum(u8 csum_type)
{
	switch (csum_type) {
	case LBMD_PI_CSUM_IP:
		return BLK_INTEGRITY_CSUM_IP;
	case LBMD_PI_CSUM_CRC16_T10DIF:
		return BLK_INTEGRITY_CSUM_CRC;
	case LBMD_PI_CSUM_CRC64_NVME:
		return BLK_INTEGRITY_CSUM_CRC64;
	default:
		return BLK_INTEGRITY_CSUM_NONE;
	}
}

/* The driver copies bytes, so an interval may lie in two segments. */
void ublk_integrity_limits(const struct ublk_param_integrity *p,
			   struct queue_limits *lim)
{
	struct blk_integrity *bi = &lim->integrity;

	bi->flags = BLK_SPLIT_INTERVAL_CAPABLE;
	if (p->flags & LBMD_PI_CAP_INTEGRITY)
		bi->flags |= BLK_INTEGRITY_DEVICE_CAPABLE;
	if (p->flags & LBMD_PI_CAP_REFTAG)
		bi->flags |= BLK_INTEGRITY_REF_TAG;
	bi->csum_type = ublk_integrity_csum(p->csum_type);
	bi->metadata_size = p->metadata_size;
	bi->pi_offset = p->pi_offset;
	bi->interval_exp = p->interval_exp;
	bi->tag_size = p->tag_size;
	ublk_hook_set_tuple_size(bi, ublk_limits_tuple_size(p->csum_type));
	lim->max_integrity_segments = p->max_integrity_segments ?: USHRT_MAX;
}

/*
 * Bytes of a request's integrity buffer, with or without a payload (D-155,
 * D-202); -EINVAL on a disk without integrity parameters (I-9).
 */
int ublk_integrity_len(const struct request *req)
{
	struct blk_integrity *bi = &req->q->limits.integrity;

	if (!bi->metadata_size)
		return -EINVAL;
	return bio_integrity_bytes(bi, blk_rq_sectors(req));
}

/* Copy from byte @skip of @bv on, at most what @iter has room for. */
static size_t ublk_integrity_copy_vec(struct bio_vec *bv, size_t skip,
				      struct iov_iter *iter, bool to_server)
{
	size_t len = min(bv->bv_len - skip, iov_iter_count(iter));
	void *addr = bvec_kmap_local(bv) + skip;
	size_t copied;

	copied = to_server ? copy_to_iter(addr, len, iter) :
			     copy_from_iter(addr, len, iter);
	kunmap_local(addr);
	return copied;
}

/**
 * ublk_integrity_copy() - copy protection information (D-200)
 * @req: delivered request with data, kept from ending
 * @off: first byte, at most ublk_integrity_len()
 * @iter: the server's buffer
 * @to_server: direction
 *
 * Context: may fault and sleep.
 * Return: bytes copied, fewer than asked for at the end of the payload or on a
 * fault; 0 for a request without a payload.
 */
size_t ublk_integrity_copy(const struct request *req, size_t off,
			   struct iov_iter *iter, bool to_server)
{
	struct bio *bio = req->bio;
	struct bvec_iter pos;
	struct bio_vec bv;
	size_t done = 0;

	if (!blk_integrity_rq(req))
		return 0;
	bio_for_each_integrity_vec(bv, bio, pos) {
		size_t copied;

		if (off >= bv.bv_len) {
			off -= bv.bv_len;
			continue;
		}
		copied = ublk_integrity_copy_vec(&bv, off, iter, to_server);
		done += copied;
		/* The macro is two loops, so break does not suffice. */
		if (copied != bv.bv_len - off)
			return done;
		off = 0;
	}
	return done;
}
