/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The file of a zoned disk: its shape, the write pointers, the data.
 *
 *	0		header: shape of the disk, checksum; written last when a file
 *			is made, and never again
 *	4096		64 bytes per zone: two slots of a pointer
 *	data_off	the zones, one after the other
 *
 * A pointer is written to the slot that is not the newest, with a number one
 * higher and a checksum, by one write to the page cache. So whenever the
 * process dies, one slot is whole: the new pointer, or the one before, whose
 * successor nobody was told about. fdatasync() of the file makes data and
 * pointers last through a power failure together.
 *
 * What lies behind a pointer is a hole: made when a zone is reset, and when the
 * file is opened, for writes that died before their pointer was kept.
 *
 * Saving is serialised per zone by the caller.
 */
#ifndef UBLK_ZONE_STORE_H
#define UBLK_ZONE_STORE_H

#include <linux/types.h>

/**
 * struct zone_shape - what a file is made with; sectors, 0 for not given
 * @size: the disk, whole zones
 * @zone: a zone, a power of two
 * @capacity: what can be written of a sequential zone
 * @nr_conv: conventional zones
 * @block: logical block
 */
struct zone_shape {
	__u64 size;
	__u64 zone;
	__u64 capacity;
	__u64 nr_conv;
	__u64 block;
};

/**
 * struct zone_store - an open file
 * @fd: descriptor for pointers, without direct IO
 * @name: for messages; the caller's
 * @data_off: where the data begins
 * @shape: of the disk, complete
 * @seq: number of each zone's newest slot
 */
struct zone_store {
	int fd;
	const char *name;
	__u64 data_off;
	struct zone_shape shape;
	__u64 *seq;
};

/* A pointer that zone_store_load() could not find. */
#define ZONE_STORE_LOST		(~0ULL)

/**
 * zone_store_open - open a file, or make one of an empty file
 * @st: filled
 * @name: regular file; empty or beginning with zeroes, or made before
 * @want: what the user has said about the shape
 *
 * The file is locked. A lock that is taken is waited for some seconds: the
 * holder may be a daemon that is about to end.
 *
 * Return: 0 or negative errno with a sentence
 */
int zone_store_open(struct zone_store *st, const char *name,
		    const struct zone_shape *want);

/**
 * zone_store_load - the pointer of a zone, and what is behind it made a hole
 * @st: file
 * @zone: a sequential zone
 * @wp: receives sectors from the zone's start, or ZONE_STORE_LOST
 *
 * Return: 0 or negative errno with a sentence
 */
int zone_store_load(struct zone_store *st, __u32 zone, __u64 *wp);

/**
 * zone_store_save - keep the pointer of a zone
 * @st: file
 * @zone: a sequential zone
 * @wp: sectors from the zone's start
 *
 * Return: 0 or negative errno
 */
int zone_store_save(struct zone_store *st, __u32 zone, __u64 wp);

/**
 * zone_store_clear - make a hole of the data of a zone
 * @st: file
 * @zone: which one
 * @from: from this sector of it on
 *
 * Return: 0 or negative errno
 */
int zone_store_clear(struct zone_store *st, __u32 zone, __u64 from);

/**
 * zone_store_close - release the file and its lock
 * @st: file, also one that zone_store_open() did not finish
 */
void zone_store_close(struct zone_store *st);

#endif
