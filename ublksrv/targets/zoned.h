/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What the two files of the target zoned share: zoned.c opens the disk,
 * zoned_io.c does its requests.
 *
 * Locks: zoned->lock protects the state machine and the members of struct
 * zoned_zone that are not @kept; it is held briefly, and no other lock is taken
 * within it. zoned_zone->keep protects @kept and the zone's pointer in the
 * file, and is held while that is written; it is taken before zoned->lock.
 */
#ifndef UBLK_ZONED_H
#define UBLK_ZONED_H

#include <pthread.h>

#include "file.h"
#include "libublk.h"
#include "zone.h"
#include "zone_store.h"

/* What zone.h does not have of a zone. */
struct zoned_zone {
	pthread_mutex_t keep;
	__u64 kept;		/* pointer in the file */
	__u32 writes;		/* in flight */
	bool resetting;
	struct ublk_io *waiting;	/* resets, until the writes end */
};

struct zoned {
	struct zone_store store;
	struct file file;
	__u32 max_report;	/* zones in a buffer */
	pthread_mutex_t lock;
	struct zone_set set;
	struct zoned_zone *zones;
};

/* Per tag. */
struct zoned_io {
	__u64 sector;		/* of the data */
	__u32 done;
	bool syncing;
	__u32 zone, end;	/* reset: the next one, and where to stop */
	int err;		/* reset: the first error */
	struct ublk_io *next;	/* in zoned_zone->waiting */
};

/* zoned_io.c */
void zoned_submit(struct ublk_queue *q, struct ublk_io *io);
void zoned_done(struct ublk_queue *q, struct ublk_io *io, int res);

#endif
