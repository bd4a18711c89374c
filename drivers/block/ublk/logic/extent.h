/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Extents: which elements a server may set, what is left of an extent that another
 * one covers in part, and what may pass to the backing (extensions.rst).
 *
 * Everything is counted in sectors of 512 bytes. An extent is where a stretch of
 * the disk is found on a backing; the table knows which stretch (extent.c).
 *
 * Pure functions: no locks, no allocation, only their arguments.
 */
#ifndef UBLK_LOGIC_EXTENT_H
#define UBLK_LOGIC_EXTENT_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

#include "redirect.h"

#define UBLK_EXTENT_RIGHTS	(UBLK_EXTENT_READ | UBLK_EXTENT_WRITE | \
				 UBLK_EXTENT_DISCARD | UBLK_EXTENT_WRITE_ZEROES)

/* Sectors that a file position can express. */
#define UBLK_EXTENT_SECTORS	0x40000000000000ULL

/**
 * struct ublk_stretch - sectors of the disk, one at least
 * @first: first one
 * @last: last one
 */
struct ublk_stretch {
	u64	first;
	u64	last;
};

/**
 * ublk_extent_check_range() - may an element name these sectors? (E-71)
 * @e: element
 * @block: logical block of the disk in bytes
 *
 * Return: 0; -EINVAL for unknown rights, reserved members, sectors that are none
 * or not of whole blocks, and what an element without rights must not say.
 */
static inline int ublk_extent_check_range(const struct ublk_extent_elem *e, u32 block)
{
	u32 mask = (block >> 9) - 1;

	if (e->reserved || e->rights & ~(UBLK_EXTENT_RIGHTS | UBLK_EXTENT_RETRY))
		return -EINVAL;
	if (!e->nr_sectors || e->nr_sectors > UBLK_EXTENT_SECTORS ||
	    e->sector > UBLK_EXTENT_SECTORS - e->nr_sectors)
		return -EINVAL;
	if ((e->sector | e->nr_sectors) & mask)
		return -EINVAL;
	if (e->rights & UBLK_EXTENT_RIGHTS)
		return 0;
	return e->rights || e->pos || e->file ? -EINVAL : 0;
}

/**
 * ublk_extent_check_backing() - may the sectors be there? (E-72)
 * @e: element with rights that ublk_extent_check_range() has accepted
 * @b: block device
 * @discards: it has REQ_OP_DISCARD
 * @zeroes: it has REQ_OP_WRITE_ZEROES
 *
 * Return: 0; -EINVAL for a position that is not of whole blocks or beyond the end;
 * -EBADF if the descriptor was not open for it; -EOPNOTSUPP for an operation that
 * the backing has not.
 */
static inline int ublk_extent_check_backing(const struct ublk_extent_elem *e,
					    const struct ublk_backing *b,
					    bool discards, bool zeroes)
{
	const u16 changes = UBLK_EXTENT_RIGHTS & ~UBLK_EXTENT_READ;
	u64 size = b->size >> 9;

	if (e->pos & ((b->block >> 9) - 1) || e->nr_sectors > size ||
	    e->pos > size - e->nr_sectors)
		return -EINVAL;
	if ((e->rights & UBLK_EXTENT_READ && !b->readable) ||
	    (e->rights & changes && !b->writable))
		return -EBADF;
	if ((e->rights & UBLK_EXTENT_DISCARD && !discards) ||
	    (e->rights & UBLK_EXTENT_WRITE_ZEROES && !zeroes))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * ublk_extent_range() - the sectors of an element
 * @e: element that ublk_extent_check_range() has accepted
 *
 * Return: its first and last sector.
 */
static inline struct ublk_stretch
ublk_extent_range(const struct ublk_extent_elem *e)
{
	return (struct ublk_stretch){ e->sector, e->sector + e->nr_sectors - 1 };
}

/**
 * ublk_extent_before() - is a part of an extent left in front of a change?
 * @old: extent that overlaps @set
 * @set: what is changed
 * @left: set to that part
 *
 * Return: true if there is one.
 */
static inline bool ublk_extent_before(struct ublk_stretch old,
				      struct ublk_stretch set,
				      struct ublk_stretch *left)
{
	if (old.first >= set.first)
		return false;
	*left = (struct ublk_stretch){ old.first, set.first - 1 };
	return true;
}

/**
 * ublk_extent_after() - is a part of an extent left behind a change?
 * @old: extent that overlaps @set
 * @set: what is changed
 * @left: set to that part
 *
 * Return: true if there is one.
 */
static inline bool ublk_extent_after(struct ublk_stretch old,
				     struct ublk_stretch set,
				     struct ublk_stretch *left)
{
	if (old.last <= set.last)
		return false;
	*left = (struct ublk_stretch){ set.last + 1, old.last };
	return true;
}

/**
 * ublk_extent_delta() - from sectors of the disk to those of the backing
 * @e: element
 *
 * The same for what is left of the extent: it needs no first sector.
 * Return: what is added to a sector, modulo 2^64.
 */
static inline u64 ublk_extent_delta(const struct ublk_extent_elem *e)
{
	return e->pos - e->sector;
}

/**
 * ublk_extent_takes() - does IO lie in one extent that allows it? (E-80)
 * @end: last sector of the extent that has the first sector
 * @rights: of that extent
 * @last: last sector of the IO
 * @right: what the IO needs, one of UBLK_EXTENT_*
 *
 * Return: false if the server has to serve it.
 */
static __always_inline bool ublk_extent_takes(u64 end, u16 rights, u64 last,
					      u16 right)
{
	return last <= end && rights & right;
}

#endif
