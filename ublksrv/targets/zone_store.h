/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The file of a zoned disk: its shape, the write pointers, the data.
 *
 *	0		header: shape of the disk, checksum; written once, as
 *			the last step of making the disk
 *	4096		64 bytes per zone: two slots of a pointer
 *	data_off	the zones, one after the other
 *
 * A pointer is written to the older slot, with the next number and a checksum,
 * by one write to the page cache. So whenever the process dies, one slot is
 * valid: it has the new pointer, or the one before if the new one was not
 * acknowledged yet. fdatasync() makes data and pointers survive a power failure
 * together.
 *
 * The rest of a zone behind its pointer is a hole. zone_store_clear() punches
 * it when a zone is reset. zone_store_load() punches it when the file is
 * opened, because a daemon may have died after it wrote data and before the
 * pointer.
 *
 * The caller serialises zone_store_save() per zone.
 */
#ifndef UBLK_ZONE_STORE_H
#define UBLK_ZONE_STORE_H

#include <linux/types.h>

/**
 * struct zone_shape - shape of a disk, in sectors; 0 if not given
 * @size: the disk, whole zones
 * @zone: a zone, a power of two
 * @capacity: writable part of a sequential zone
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
 * @want: shape that the user asked for
 * @make: may make a disk; else the file must be one
 *
 * The caller has a claim on the file.
 *
 * Return: 0 or negative errno with a message
 */
int zone_store_open(struct zone_store *st, const char *name,
		    const struct zone_shape *want, bool make);

/**
 * zone_store_load - read the pointer of a zone, punch a hole behind it
 * @st: file
 * @zone: a sequential zone
 * @wp: receives sectors from the zone's start, or ZONE_STORE_LOST
 *
 * Return: 0 or negative errno with a message
 */
int zone_store_load(struct zone_store *st, __u32 zone, __u64 *wp);

/**
 * zone_store_save - write the pointer of a zone
 * @st: file
 * @zone: a sequential zone
 * @wp: sectors from the zone's start
 *
 * Return: 0 or negative errno
 */
int zone_store_save(struct zone_store *st, __u32 zone, __u64 wp);

/**
 * zone_store_clear - punch a hole into a zone
 * @st: file
 * @zone: which one
 * @from: first sector of the hole, from the zone's start; it ends with the zone
 *
 * Return: 0 or negative errno
 */
int zone_store_clear(struct zone_store *st, __u32 zone, __u64 from);

/**
 * zone_store_close - release the file
 * @st: file, also one that zone_store_open() did not finish
 */
void zone_store_close(struct zone_store *st);

#endif
