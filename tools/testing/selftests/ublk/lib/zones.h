/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A zoned disk for the uapi_zoned*.c programs: a raw server with user copy that
 * keeps zones and answers reports and zone operations. Tests may bend what it
 * reports.
 *
 * The zones cover RAW_DEV_BYTES; the first is conventional, unless asked
 * otherwise. The server does not enforce order of writes: the block layer and
 * the tests are to be right.
 */
#ifndef UBLK_SELFTEST_ZONES_H
#define UBLK_SELFTEST_ZONES_H

#include <linux/blkzoned.h>
#include "fixture.h"

#define ZONES_MAX	256

struct zones {
	struct fixture t;
	int nr;
	__u32 sectors;			/* of a zone */
	struct blk_zone zone[ZONES_MAX];
	/* Written by tests: */
	int report_error;		/* committed for reports instead */
	int report_most;		/* zones per answer, 0 for all wanted */
	/* Written by zones_serve(): */
	int reports;
	struct ublksrv_io_desc last;	/* of the last request */
};

int zones_add(struct zones *z, __u64 flags, int nr, __u32 max_sectors);
int zones_start(struct zones *z);
int zones_up(struct zones *z, __u64 flags, int nr, __u32 max_sectors);
int zones_stop(struct zones *z);
int zones_answer(struct zones *z, const struct raw_ev *ev, __u64 *lba);
int zones_serve(struct zones *z, const struct raw_ev *ev);
long zones_wait(struct zones *z, int job);
int zones_report(struct zones *z, int from, int nr);
struct blk_zone *zones_reported(struct zones *z);
int zones_op(struct zones *z, unsigned long ioctl, __u64 sector, __u64 nr);

#endif
