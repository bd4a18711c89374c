/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Batch commands: is one well formed, how long is an element, what is in it
 * (data.rst section 13). Also the word for automatic buffer registration, which
 * per-tag commands carry, too (data.rst section 11).
 *
 * libublk's batch mode uses these functions, too. The checks that need the
 * tag's state are in tag.h.
 */
#ifndef UBLK_LOGIC_ELEM_H
#define UBLK_LOGIC_ELEM_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

#include "features.h"

/* Bytes of the tag list entry that FETCH_IO_CMDS writes (D-182, D-187). */
#define UBLK_ELEM_FETCH_BYTES	2

/* Longest element: header, buf_addr, zone_lba. */
#define UBLK_ELEM_MAX_BYTES	24

/**
 * struct ublk_elem - a decoded element of PREP_IO_CMDS or COMMIT_IO_CMDS
 * @buf_addr: 0 if the element has none
 * @zone_lba: all ones if the element has none (D-176)
 * @result: bytes or negative errno
 * @tag: not yet checked
 * @buf_index: buffer table slot
 */
struct ublk_elem {
	u64	buf_addr;
	u64	zone_lba;
	s32	result;
	u16	tag;
	u16	buf_index;
};

/**
 * ublk_elem_bytes() - length of an element (D-168)
 * @flags: UBLK_BATCH_F_*
 *
 * Return: 8, 16 or 24.
 */
static inline u32 ublk_elem_bytes(u16 flags)
{
	u32 bytes = sizeof(struct ublk_elem_header);

	if (flags & UBLK_BATCH_F_HAS_BUF_ADDR)
		bytes += sizeof(u64);
	if (flags & UBLK_BATCH_F_HAS_ZONE_LBA)
		bytes += sizeof(u64);
	return bytes;
}

/**
 * ublk_elem_check() - is a PREP or COMMIT command well formed? (D-162..D-168)
 * @bio: the command, read once
 * @dev_flags: granted UBLK_F_* word
 * @nr_queues: of the device
 * @depth: of the device
 *
 * Return: 0, -EINVAL, or -E2BIG for more elements than tags.
 */
static inline int ublk_elem_check(const struct ublk_batch_io *bio,
				  u64 dev_flags, u16 nr_queues, u16 depth)
{
	const u16 known = UBLK_BATCH_F_HAS_ZONE_LBA |
			  UBLK_BATCH_F_HAS_BUF_ADDR |
			  UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK;
	u16 flags = bio->flags;

	if (bio->q_id >= nr_queues)
		return -EINVAL;
	if (bio->nr_elem > depth)
		return -E2BIG;
	if (flags & UBLK_BATCH_F_HAS_ZONE_LBA && !(dev_flags & UBLK_F_ZONED))
		return -EINVAL;
	if (flags & UBLK_BATCH_F_HAS_BUF_ADDR &&
	    !ublk_features_driver_copies(dev_flags))
		return -EINVAL;
	if (flags & UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK &&
	    !(dev_flags & UBLK_F_AUTO_BUF_REG))
		return -EINVAL;
	/* HAS_BUF_ADDR with FALLBACK was refused above (D-167). */
	if (flags & ~known)
		return -EINVAL;
	if (bio->elem_bytes != ublk_elem_bytes(flags))
		return -EINVAL;
	return 0;
}

/**
 * ublk_elem_check_redirect() - is a REDIRECT command well formed? (E-2, E-40)
 * @bio: the command, read once
 * @dev_flags: granted UBLK_F_* word
 * @nr_queues: of the device
 * @depth: of the device
 *
 * Return: 0, -EOPNOTSUPP, -EINVAL, or -E2BIG for more elements than tags.
 */
static inline int ublk_elem_check_redirect(const struct ublk_batch_io *bio,
					   u64 dev_flags, u16 nr_queues, u16 depth)
{
	if (!(dev_flags & UBLK_F_REDIRECT))
		return -EOPNOTSUPP;
	if (bio->q_id >= nr_queues || bio->flags ||
	    bio->elem_bytes != sizeof(struct ublk_redirect_elem))
		return -EINVAL;
	return bio->nr_elem > depth ? -E2BIG : 0;
}

/**
 * ublk_elem_check_fetch() - is a FETCH command well formed? (D-180..D-183)
 * @bio: the command, read once
 * @multishot: IORING_URING_CMD_MULTISHOT is set
 * @nr_queues: of the device
 *
 * Return: 0, or -EINVAL.
 */
static inline int ublk_elem_check_fetch(const struct ublk_batch_io *bio,
					bool multishot, u16 nr_queues)
{
	if (bio->q_id >= nr_queues)
		return -EINVAL;
	if (!multishot)
		return -EINVAL;
	if (bio->elem_bytes != UBLK_ELEM_FETCH_BYTES)
		return -EINVAL;
	if (bio->flags)
		return -EINVAL;
	return 0;
}

/**
 * ublk_elem_decode() - decode an element
 * @p: ublk_elem_bytes(@flags) readable bytes, no alignment needed
 * @flags: UBLK_BATCH_F_* of the command
 *
 * Return: the element, with defaults for absent members.
 */
static inline struct ublk_elem ublk_elem_decode(const void *p, u16 flags)
{
	struct ublk_elem elem = { .zone_lba = ~0ULL };
	struct ublk_elem_header head;
	const char *pos = p;

	__builtin_memcpy(&head, pos, sizeof(head));
	pos += sizeof(head);
	elem.tag = head.tag;
	elem.buf_index = head.buf_index;
	elem.result = head.result;
	if (flags & UBLK_BATCH_F_HAS_BUF_ADDR) {
		__builtin_memcpy(&elem.buf_addr, pos, sizeof(u64));
		pos += sizeof(u64);
	}
	if (flags & UBLK_BATCH_F_HAS_ZONE_LBA)
		__builtin_memcpy(&elem.zone_lba, pos, sizeof(u64));
	return elem;
}

/**
 * ublk_elem_check_buf() - is the required buffer named? (D-170, D-173)
 * @elem: from ublk_elem_decode()
 * @dev_flags: granted UBLK_F_* word
 *
 * Return: 0, or -EINVAL for a copy mode device without a buffer address.
 */
static inline int ublk_elem_check_buf(const struct ublk_elem *elem,
				      u64 dev_flags)
{
	if (ublk_features_driver_copies(dev_flags) && !elem->buf_addr)
		return -EINVAL;
	return 0;
}

/**
 * ublk_elem_buf_reg() - registration word of an element (D-172)
 * @elem: from ublk_elem_decode()
 * @flags: UBLK_BATCH_F_* of the command
 *
 * Return: the word as a per-tag command would carry it in the SQE's addr.
 */
static inline struct ublk_auto_buf_reg
ublk_elem_buf_reg(const struct ublk_elem *elem, u16 flags)
{
	struct ublk_auto_buf_reg reg = { .index = elem->buf_index };

	if (flags & UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK)
		reg.flags = UBLK_AUTO_BUF_REG_FALLBACK;
	return reg;
}

/**
 * ublk_elem_check_reg() - is a registration word well formed? (D-42, D-53)
 * @reg: from the SQE's addr
 *
 * Return: 0, or -EINVAL for reserved bits or an unknown flag.
 */
static inline int ublk_elem_check_reg(struct ublk_auto_buf_reg reg)
{
	if (reg.reserved0 || reg.reserved1)
		return -EINVAL;
	if (reg.flags & ~UBLK_AUTO_BUF_REG_F_MASK)
		return -EINVAL;
	return 0;
}

#endif
