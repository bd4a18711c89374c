/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Positions in the char device file: which byte of which request a user copy
 * addresses (data.rst section 12), and whose queue's descriptors a mapping
 * addresses (data.rst section 1, mmap). libublk uses these functions, too.
 *
 * All results are exact for every input; nothing can overflow.
 */
#ifndef UBLK_LOGIC_POS_H
#define UBLK_LOGIC_POS_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

/**
 * struct ublk_pos - a decoded position
 * @off: byte offset in the data, or in the protection information
 * @qid: queue, not yet checked
 * @tag: tag, not yet checked
 * @integrity: the protection information is addressed (bit 62)
 */
struct ublk_pos {
	u32	off;
	u16	qid;
	u16	tag;
	bool	integrity;
};

/**
 * ublk_pos_encode() - file position of a byte of a request
 * @qid: queue, below 4096
 * @tag: tag
 * @off: byte offset in the request's data, below 32 MiB (D-156)
 *
 * Or it with UBLKSRV_IO_INTEGRITY_FLAG for the protection information.
 *
 * Return: the position for pread and pwrite.
 */
static inline u64 ublk_pos_encode(u16 qid, u16 tag, u32 off)
{
	return UBLKSRV_IO_BUF_OFFSET +
	       (((u64)qid & UBLK_QID_BITS_MASK) << UBLK_QID_OFF |
		(u64)tag << UBLK_TAG_OFF |
		(off & UBLK_IO_BUF_BITS_MASK));
}

/**
 * ublk_pos_decode() - decode a file position
 * @pos: file position; below 0x80000000 it wraps to a tag that no queue has,
 *	bits 53 to 61 are ignored (D-151)
 *
 * Return: the parts, to be passed to ublk_pos_check().
 */
static inline struct ublk_pos ublk_pos_decode(u64 pos)
{
	struct ublk_pos ret = {
		.integrity = pos & UBLKSRV_IO_INTEGRITY_FLAG,
	};

	pos -= UBLKSRV_IO_BUF_OFFSET;
	ret.off = pos & UBLK_IO_BUF_BITS_MASK;
	ret.tag = (pos >> UBLK_TAG_OFF) & UBLK_TAG_BITS_MASK;
	ret.qid = (pos >> UBLK_QID_OFF) & UBLK_QID_BITS_MASK;
	return ret;
}

/**
 * ublk_pos_check() - may this position be used on this device? (D-142..D-145)
 * @pos: from ublk_pos_decode()
 * @flags: granted UBLK_F_* word
 * @nr_queues: of the device
 * @depth: of the device
 *
 * Return: 0, -EINVAL, or -EACCES without USER_COPY (D-144).
 */
static inline int ublk_pos_check(struct ublk_pos pos, u64 flags, u16 nr_queues,
				 u16 depth)
{
	if (pos.integrity && !(flags & UBLK_F_INTEGRITY))
		return -EINVAL;
	if (pos.qid >= nr_queues)
		return -EINVAL;
	if (!(flags & UBLK_F_USER_COPY))
		return -EACCES;
	if (pos.tag >= depth)
		return -EINVAL;
	return 0;
}

/* @page_size is a power of two; callers stay far below 2^32. */
static inline u32 ublk_pos_page_align(u32 bytes, u32 page_size)
{
	return (bytes + page_size - 1) & ~(page_size - 1);
}

/**
 * ublk_pos_desc_stride() - distance of two queues' descriptors in the file
 * @io_desc_size: bytes per slot, at most 256
 * @page_size: PAGE_SIZE, a power of two
 *
 * The same for every depth: room for UBLK_MAX_QUEUE_DEPTH slots.
 *
 * Return: S of data.rst section 1, in bytes.
 */
static inline u32 ublk_pos_desc_stride(u16 io_desc_size, u32 page_size)
{
	return ublk_pos_page_align(UBLK_MAX_QUEUE_DEPTH * (u32)io_desc_size,
				   page_size);
}

/**
 * ublk_pos_desc_len() - bytes of one queue's descriptors that can be mapped
 * @depth: of the device
 * @io_desc_size: bytes per slot, at most 256
 * @page_size: PAGE_SIZE, a power of two
 *
 * Return: M of data.rst section 1, in bytes.
 */
static inline u32 ublk_pos_desc_len(u16 depth, u16 io_desc_size, u32 page_size)
{
	return ublk_pos_page_align((u32)depth * io_desc_size, page_size);
}

/**
 * ublk_pos_mmap_queue() - whose descriptors does a mapping address?
 * @off: file offset in bytes, anywhere in the queue's stride (D-10)
 * @len: bytes, rounded up to pages here
 * @nr_queues: of the device
 * @depth: of the device
 * @io_desc_size: of the device
 * @page_size: PAGE_SIZE, a power of two
 *
 * Return: the queue, or -EINVAL (D-7, D-8).
 */
static inline int ublk_pos_mmap_queue(u64 off, u64 len, u16 nr_queues,
				      u16 depth, u16 io_desc_size,
				      u32 page_size)
{
	u32 stride = ublk_pos_desc_stride(io_desc_size, page_size);
	u32 area = ublk_pos_desc_len(depth, io_desc_size, page_size);

	if (off >= (u64)nr_queues * stride)
		return -EINVAL;
	if (len > area || ublk_pos_page_align(len, page_size) != area)
		return -EINVAL;
	/* 4096 queues of 1 MiB at most: the offset fits in 32 bits */
	return (u32)off / stride;
}

#endif
