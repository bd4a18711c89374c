/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fixtures of the uapi_batch_*.c programs have in common: a device
 * with BATCH_IO, served by the test's own process through one ring with one
 * fetch command per queue, or by a process that is to be killed.
 */
#ifndef UBLK_SELFTEST_UT_BATCH_H
#define UBLK_SELFTEST_UT_BATCH_H

#include "raw_batch.h"
#include "ut.h"

/* Group 0 of every ring that ub_serve() opens. */
#define UB_BUFS		16
#define UB_BUF_BYTES	64

/* Distance of the requests of ub_enqueue() and ub_burst(). */
#define UB_STEP		65536

struct ub {
	struct ut t;
	struct raw_batch b;
};

int ub_serve(struct ub *u, unsigned int ring_flags);
int ub_fetch_all(struct ub *u);
int ub_start(struct ub *u);
int ub_up(struct ub *u, int queues, int depth, __u64 flags);
int ub_stop(struct ub *u);
void ub_close(struct ub *u);
int ub_table(struct ub *u, unsigned int slots);
int ub_blk(struct ub *u, enum agent_blk_op op, __u64 off, __u32 len);
long ub_wait(struct ub *u, int job);
int ub_request(struct ub *u, enum agent_blk_op op, __u64 off, __u32 len,
	       int *job, struct raw_ev *ev);
bool ub_quiet(struct ub *u);
int ub_inflight(struct ub *u);
int ub_no_scheduler(struct ub *u);
int ub_one_cpu(struct ub *u);
int ub_enqueue(struct ub *u, enum agent_blk_op op, const int *where, int nr,
	       int *jobs);
int ub_wait_inflight(struct ub *u, int nr);
int ub_burst(struct ub *u, int nr, int rounds);
void ub_mark(char *store);
int ub_where(const struct ublksrv_io_desc *iod);
bool ub_waits(struct ub *u, int job);
int ub_lose(struct ub *u);
int ub_recover(struct ub *u);
int ub_end_recovery(struct ub *u);

#endif
