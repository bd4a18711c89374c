/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fixtures of the uapi_batch_*.c programs have in common: a device
 * with BATCH_IO. The test's own process serves it through one ring with one
 * fetch command per queue, or another process that the test kills.
 */
#ifndef UBLK_SELFTEST_FIXTURE_BATCH_H
#define UBLK_SELFTEST_FIXTURE_BATCH_H

#include "raw_batch.h"
#include "fixture.h"

/* Group 0 of every ring that fxb_serve() opens. */
#define FXB_BUFS		16
#define FXB_BUF_BYTES	64

/* Distance between the requests of fxb_enqueue() and fxb_burst(). */
#define FXB_STEP		65536

struct fixture_batch {
	struct fixture t;
	struct raw_batch b;
};

int fxb_serve(struct fixture_batch *u, unsigned int ring_flags);
int fxb_fetch_all(struct fixture_batch *u);
int fxb_start(struct fixture_batch *u);
int fxb_up(struct fixture_batch *u, int queues, int depth, __u64 flags);
int fxb_stop(struct fixture_batch *u);
void fxb_close(struct fixture_batch *u);
int fxb_table(struct fixture_batch *u, unsigned int slots);
int fxb_blk(struct fixture_batch *u, enum client_blk_op op, __u64 off,
	    __u32 len);
long fxb_wait(struct fixture_batch *u, int job);
int fxb_request(struct fixture_batch *u, enum client_blk_op op, __u64 off,
		__u32 len, int *job, struct raw_ev *ev);
bool fxb_quiet(struct fixture_batch *u);
int fxb_inflight(struct fixture_batch *u);
int fxb_no_scheduler(struct fixture_batch *u);
int fxb_one_cpu(struct fixture_batch *u);
int fxb_enqueue(struct fixture_batch *u, enum client_blk_op op,
		const int *where, int nr, int *jobs);
int fxb_wait_inflight(struct fixture_batch *u, int nr);
int fxb_burst(struct fixture_batch *u, int nr, int rounds);
void fxb_mark(char *store);
int fxb_where(const struct ublksrv_io_desc *iod);
bool fxb_waits(struct fixture_batch *u, int job);
int fxb_lose(struct fixture_batch *u);
int fxb_recover(struct fixture_batch *u);
int fxb_end_recovery(struct fixture_batch *u);

#endif
