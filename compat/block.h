/* SPDX-License-Identifier: GPL-2.0 */
/* Requests, zones and protection information of the block layer: see compat.h. */
#ifndef UBLK_COMPAT_BLOCK_H
#define UBLK_COMPAT_BLOCK_H

#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/fs.h>

#ifdef UBLK_LACKS_BVEC_OFFSET
/* The same member of struct bvec_iter. */
#define bi_offset	bi_bvec_done
#endif

#ifdef UBLK_LACKS_RQ_HAS_DATA
static inline bool blk_rq_has_data(const struct request *rq)
{
	return blk_rq_bytes(rq) && req_op(rq) != REQ_OP_DISCARD &&
	       req_op(rq) != REQ_OP_SECURE_ERASE &&
	       req_op(rq) != REQ_OP_WRITE_ZEROES;
}
#endif

#ifdef UBLK_LACKS_RQ_MAP_KERN
static inline int ublk_compat_rq_map_kern(struct request *rq, void *buf,
					  unsigned int len, gfp_t gfp)
{
	return blk_rq_map_kern(rq->q, rq, buf, len, gfp);
}

#define blk_rq_map_kern	ublk_compat_rq_map_kern
#endif

#ifdef UBLK_LACKS_REPORT_ZONES_ARGS
/* The report_zones operation gets both as parameters, see ublk_hooks.h. */
struct blk_report_zones_args {
	report_zones_cb		cb;
	void			*data;
};

static inline int disk_report_zone(struct gendisk *disk, struct blk_zone *zone,
				   unsigned int idx,
				   struct blk_report_zones_args *args)
{
	return args->cb(zone, idx, args->data);
}
#endif

#ifdef UBLK_LACKS_HW_ZONE_APPEND
/* A limit of the driver, which the block layer lowers in place. */
#define max_hw_zone_append_sectors	max_zone_append_sectors
#endif

#ifdef UBLK_LACKS_CONST_INTEGRITY_RQ
static inline bool ublk_compat_integrity_rq(const struct request *rq)
{
	return blk_integrity_rq((struct request *)rq);
}

#define blk_integrity_rq	ublk_compat_integrity_rq
#endif

#ifdef UBLK_LACKS_SPLIT_INTERVAL
/* No such restriction is known to the block layer. */
#define BLK_SPLIT_INTERVAL_CAPABLE	0
#endif

#ifdef UBLK_LACKS_METADATA_SIZE
#define metadata_size			tuple_size
#endif

/* The ABI has these from uapi/linux/fs.h. */
#ifndef LBMD_PI_CSUM_NONE
#define LBMD_PI_CAP_INTEGRITY		BIT(0)
#define LBMD_PI_CAP_REFTAG		BIT(1)
#define LBMD_PI_CSUM_NONE		0
#define LBMD_PI_CSUM_IP			1
#define LBMD_PI_CSUM_CRC16_T10DIF	2
#define LBMD_PI_CSUM_CRC64_NVME		4
#endif

#endif
