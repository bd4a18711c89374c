/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A zoned disk for the uapi_zoned*.c programs: a raw server with user copy that
 * keeps zones and executes reports and zone operations. Tests may change what
 * it reports.
 *
 * The zones cover RAW_DEV_BYTES; the first one is conventional unless a test
 * changes that. The server does not check the order of writes: that is up to
 * the block layer and the tests.
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
	int report_error;		/* the result committed for reports instead */
	int report_most;		/* at most so many zones per report, 0: no limit */
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
