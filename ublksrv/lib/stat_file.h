/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What the file of a device's counters looks like: stat.c makes it, stat_read.c reads
 * that of any server. Versions of the library differ, so sizes are in the file, and
 * structures only grow.
 */
#ifndef UBLK_STAT_FILE_H
#define UBLK_STAT_FILE_H

#include <fcntl.h>

#include "libublk.h"

#define STAT_FILE_NAME	"ublk-stat:%u"
#define STAT_MAGIC	0x7461745362756cULL	/* and the version, 0 */
#define STAT_HEAD_BYTES	256
#define STAT_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct stat_head {
	__u64 magic;
	__u32 head_bytes, slot_bytes;	/* the slots of the threads follow */
	struct ublk_stat_info info;
};

_Static_assert(sizeof(struct stat_head) <= STAT_HEAD_BYTES, "head");
_Static_assert(sizeof(struct ublk_stat) == 65 * 64, "no shared cache lines");

/* stat_read.c */
void stat_sum(struct ublk_stat *to, size_t size, const void *from, size_t have);

#endif
