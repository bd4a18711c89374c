/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The zones of a host-managed disk: state machine, write pointers, limits.
 *
 * The conditions are those of ZBC and ZNS (BLK_ZONE_COND_*), without OFFLINE. A
 * sequential zone is FULL when its write pointer is at the end of its capacity,
 * after writes or after "finish". It is EMPTY when the pointer is at the start
 * and the zone is not open. So the file of the disk keeps one pointer per zone
 * and nothing else. A zone is not open any more when the disk is started again,
 * as after a power loss of a drive.
 *
 * A write moves the pointer when it is admitted, before its data is written.
 * The pointer is not moved back if writing the data fails.
 *
 * Used by zoned_io.c, which has the lock; tested by test/unit/zone.c. Units are
 * sectors. A function that fails has changed nothing. The errno tells the block
 * layer the reason: EIO for what the condition does not allow, EOVERFLOW for
 * too many active zones, ETOOMANYREFS for too many open ones.
 */
#ifndef UBLK_ZONE_H
#define UBLK_ZONE_H

#include <errno.h>
#include <stdbool.h>
#include <linux/types.h>
#include <linux/blkzoned.h>

/**
 * struct zone - a sequential zone; not used for a conventional one
 * @wp: write pointer, from the start of the zone
 * @cond: BLK_ZONE_COND_*
 */
struct zone {
	__u64 wp;
	__u8 cond;
};

/**
 * struct zone_set - the zones of a disk
 * @size: of a zone, a power of two
 * @capacity: writable part of a sequential zone
 * @nr: zones
 * @nr_conv: how many of them, from the start, are conventional
 * @max_open: open zones, 0 for any number
 * @max_active: open and closed zones, 0 for any number
 * @nr_implicit: zones that were opened by a write
 * @nr_explicit: zones that were opened by command
 * @nr_closed: zones that are active but not open
 * @hint: where to look for the next zone to close
 * @zones: @nr of them
 */
struct zone_set {
	__u64 size;
	__u64 capacity;
	__u32 nr;
	__u32 nr_conv;
	__u32 max_open;
	__u32 max_active;
	__u32 nr_implicit;
	__u32 nr_explicit;
	__u32 nr_closed;
	__u32 hint;
	struct zone *zones;
};

/* Zone that a sector is in. */
static inline __u32 zone_index(const struct zone_set *s, __u64 sector)
{
	return sector / s->size;
}

static inline __u64 zone_start(const struct zone_set *s, __u32 i)
{
	return i * s->size;
}

static inline bool zone_is_conv(const struct zone_set *s, __u32 i)
{
	return i < s->nr_conv;
}

static inline __u32 zone_nr_open(const struct zone_set *s)
{
	return s->nr_implicit + s->nr_explicit;
}

static inline __u32 zone_nr_active(const struct zone_set *s)
{
	return zone_nr_open(s) + s->nr_closed;
}

/* Every change of a condition goes through here, to keep the counts right. */
static inline void zone_set_cond(struct zone_set *s, __u32 i, __u8 cond)
{
	struct zone *z = &s->zones[i];

	s->nr_implicit += (cond == BLK_ZONE_COND_IMP_OPEN) -
			  (z->cond == BLK_ZONE_COND_IMP_OPEN);
	s->nr_explicit += (cond == BLK_ZONE_COND_EXP_OPEN) -
			  (z->cond == BLK_ZONE_COND_EXP_OPEN);
	s->nr_closed += (cond == BLK_ZONE_COND_CLOSED) -
			(z->cond == BLK_ZONE_COND_CLOSED);
	z->cond = cond;
}

/**
 * zone_restore - give a zone its pointer from the file
 * @s: zones
 * @i: which one, not restored before
 * @wp: pointer; beyond the capacity if it is lost
 *
 * A zone whose pointer is lost is read-only.
 */
static inline void zone_restore(struct zone_set *s, __u32 i, __u64 wp)
{
	__u8 cond = BLK_ZONE_COND_CLOSED;

	if (zone_is_conv(s, i)) {
		cond = BLK_ZONE_COND_NOT_WP;
	} else if (wp > s->capacity) {
		cond = BLK_ZONE_COND_READONLY;
		wp = s->capacity;
	} else if (wp == s->capacity) {
		cond = BLK_ZONE_COND_FULL;
	} else if (!wp) {
		cond = BLK_ZONE_COND_EMPTY;
	}
	s->zones[i].wp = wp;
	zone_set_cond(s, i, cond);
}

/* Make room for one more open zone: close one that a write has opened. */
static inline bool zone_close_implicit(struct zone_set *s)
{
	__u32 n, i;

	if (!s->nr_implicit)
		return false;
	for (n = 0; n < s->nr; n++) {
		i = (s->hint + n) % s->nr;
		if (s->zones[i].cond != BLK_ZONE_COND_IMP_OPEN)
			continue;
		s->hint = (i + 1) % s->nr;
		zone_set_cond(s, i, BLK_ZONE_COND_CLOSED);
		return true;
	}
	return false;
}

/* @cond: BLK_ZONE_COND_IMP_OPEN or BLK_ZONE_COND_EXP_OPEN */
static inline int zone_activate(struct zone_set *s, __u32 i, __u8 cond)
{
	__u8 was = s->zones[i].cond;

	if (was == BLK_ZONE_COND_EXP_OPEN)
		return 0;
	if (was != BLK_ZONE_COND_IMP_OPEN) {
		if (was != BLK_ZONE_COND_EMPTY && was != BLK_ZONE_COND_CLOSED)
			return -EIO;
		if (was == BLK_ZONE_COND_EMPTY && s->max_active &&
		    zone_nr_active(s) >= s->max_active)
			return -EOVERFLOW;
		if (s->max_open && zone_nr_open(s) >= s->max_open &&
		    !zone_close_implicit(s))
			return -ETOOMANYREFS;
	}
	zone_set_cond(s, i, cond);
	return 0;
}

/**
 * zone_write - admit a write
 * @s: zones
 * @sector: where on the disk
 * @nr: sectors
 *
 * Return: 0; -EIO when it is not at the pointer, crosses the end of the zone or
 * of its capacity, or when the zone cannot be written; -EOVERFLOW;
 * -ETOOMANYREFS
 */
static inline int zone_write(struct zone_set *s, __u64 sector, __u64 nr)
{
	__u32 i = zone_index(s, sector);
	__u64 off = sector & (s->size - 1);
	struct zone *z;
	int ret;

	if (i >= s->nr)
		return -EIO;
	if (zone_is_conv(s, i))
		return nr > s->size - off ? -EIO : 0;
	z = &s->zones[i];
	if (!nr || off != z->wp || nr > s->capacity - z->wp)
		return -EIO;
	ret = zone_activate(s, i, BLK_ZONE_COND_IMP_OPEN);
	if (ret)
		return ret;
	z->wp += nr;
	if (z->wp == s->capacity)
		zone_set_cond(s, i, BLK_ZONE_COND_FULL);
	return 0;
}

/**
 * zone_append - admit a write at the pointer
 * @s: zones
 * @sector: start of the zone
 * @nr: sectors
 * @lba: receives the first sector of the data
 *
 * Return: as zone_write(); -EIO for a conventional zone, and for a sector
 * that does not start a zone
 */
static inline int zone_append(struct zone_set *s, __u64 sector, __u64 nr,
			      __u64 *lba)
{
	__u32 i = zone_index(s, sector);

	if (i >= s->nr || sector != zone_start(s, i) || zone_is_conv(s, i))
		return -EIO;
	*lba = sector + s->zones[i].wp;
	return zone_write(s, *lba, nr);
}

/**
 * zone_check_command - does a zone take commands
 * @s: zones
 * @sector: as the command names it
 *
 * Return: 0, or -EIO for a conventional zone and for a sector that does not
 * start a zone
 */
static inline int zone_check_command(const struct zone_set *s, __u64 sector)
{
	__u32 i = zone_index(s, sector);

	return i >= s->nr || sector != zone_start(s, i) || zone_is_conv(s, i) ?
		-EIO : 0;
}

/**
 * zone_open - the command "open"
 * @s: zones
 * @i: a sequential zone
 *
 * Return: 0; -EIO for a zone that is full or cannot be written; -EOVERFLOW;
 * -ETOOMANYREFS
 */
static inline int zone_open(struct zone_set *s, __u32 i)
{
	return zone_activate(s, i, BLK_ZONE_COND_EXP_OPEN);
}

/**
 * zone_close - the command "close"
 * @s: zones
 * @i: a sequential zone
 *
 * Return: 0, also for a closed zone; -EIO for one that is not active
 */
static inline int zone_close(struct zone_set *s, __u32 i)
{
	switch (s->zones[i].cond) {
	case BLK_ZONE_COND_CLOSED:
		return 0;
	case BLK_ZONE_COND_IMP_OPEN:
	case BLK_ZONE_COND_EXP_OPEN:
		zone_set_cond(s, i, s->zones[i].wp ? BLK_ZONE_COND_CLOSED :
			      BLK_ZONE_COND_EMPTY);
		return 0;
	default:
		return -EIO;
	}
}

/**
 * zone_finish - the command "finish"
 * @s: zones
 * @i: a sequential zone
 *
 * Return: 0, also for a full zone; -EIO for one that cannot be written
 */
static inline int zone_finish(struct zone_set *s, __u32 i)
{
	switch (s->zones[i].cond) {
	case BLK_ZONE_COND_READONLY:
		return -EIO;
	default:
		s->zones[i].wp = s->capacity;
		zone_set_cond(s, i, BLK_ZONE_COND_FULL);
		return 0;
	}
}

/**
 * zone_reset - the command "reset"
 * @s: zones
 * @i: a sequential zone
 *
 * Return: 0, also for an empty zone; -EIO for one that cannot be written
 */
static inline int zone_reset(struct zone_set *s, __u32 i)
{
	switch (s->zones[i].cond) {
	case BLK_ZONE_COND_READONLY:
		return -EIO;
	default:
		s->zones[i].wp = 0;
		zone_set_cond(s, i, BLK_ZONE_COND_EMPTY);
		return 0;
	}
}

/**
 * zone_report - a zone as BLKREPORTZONE reports it
 * @s: zones
 * @i: which one
 * @z: filled
 */
static inline void zone_report(const struct zone_set *s, __u32 i,
			       struct blk_zone *z)
{
	bool conv = zone_is_conv(s, i);

	*z = (struct blk_zone){
		.start = zone_start(s, i),
		.len = s->size,
		.capacity = conv ? s->size : s->capacity,
		.type = conv ? BLK_ZONE_TYPE_CONVENTIONAL :
			BLK_ZONE_TYPE_SEQWRITE_REQ,
		.cond = conv ? BLK_ZONE_COND_NOT_WP : s->zones[i].cond,
	};
	switch (z->cond) {
	case BLK_ZONE_COND_NOT_WP:
	case BLK_ZONE_COND_READONLY:
		z->wp = ~0ULL;
		break;
	case BLK_ZONE_COND_FULL:
		z->wp = z->start + z->len;
		break;
	default:
		z->wp = z->start + s->zones[i].wp;
	}
}

#endif
