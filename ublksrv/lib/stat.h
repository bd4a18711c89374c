/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Counting on the path of a request. Called by the worker's thread, which alone
 * writes its counters; other processes read them at the same time.
 *
 * worker.c begins and ends turns; worker.c and batch.c find requests, tag.c and
 * batch.c send their end. io.c links the end to an SQE, so that io_uring sends it,
 * and takes that back when the SQE has failed. stat.c has the memory.
 *
 * The clock is read once per turn. With all of these functions a request costs less
 * than 40 instructions, so they are inline, and the counters are plain: each changes
 * by one instruction. With UBLK_NO_STAT nothing is counted: "make bench" compares.
 */
#ifndef UBLK_STAT_H
#define UBLK_STAT_H

#include <time.h>

#include "private.h"

#ifdef UBLK_NO_STAT
#define STAT_COUNTS	0
#else
#define STAT_COUNTS	1
#endif

/* In worker->seen: this request was counted when its end was linked. */
#define STAT_LINKED	(1ULL << 63)
/* One request of so many is not linked, and its latency is measured. */
#define STAT_SAMPLE	128U

/* enum ublk_stat_op of each UBLK_IO_OP_* */
extern const __u8 stat_rows[256];

static inline __u64 stat_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Return: requests that are not ended yet, for stat_end_turn() */
static inline __u64 stat_begin_turn(struct worker *w)
{
	struct ublk_stat *s = w->stat;

	if (!STAT_COUNTS)
		return 0;
	w->now = stat_clock();
	s->turn = w->now;
	return s->ended;
}

/* Results of a turn are submitted at its end, so all its requests were there. */
static inline void stat_end_turn(struct worker *w, __u64 ended_before)
{
	struct ublk_stat *s = w->stat;
	__s64 most = s->taken - ended_before;

	if (STAT_COUNTS && most > (__s64)s->max_in_flight)
		s->max_in_flight = most;
}

static inline void stat_found(struct worker *w, const struct io *io)
{
	if (!STAT_COUNTS)
		return;
	w->seen[io->pub.slot] = w->now;
	w->stat->taken++;
}

/*
 * The end of a request is sent; or the first command of a tag, which has none. In
 * the file, requests has those that are not in latency: stat_sum() adds these.
 */
static inline void stat_sent(struct worker *w, const struct io *io, int res)
{
	const struct ublksrv_io_desc *desc = io->pub.desc;
	struct ublk_stat *s = w->stat;
	__u64 seen = w->seen[io->pub.slot];
	unsigned int row;

	if (!STAT_COUNTS || unlikely((__s64)seen <= 0))
		return;
	row = stat_rows[desc->op_flags & 0xff];
	s->ended++;
	s->ops[row].latency[63 - __builtin_clzll((w->now - seen) | 1)]++;
	if (unlikely(res < 0))
		s->ops[row].errors++;
	else if (likely(row <= UBLK_STAT_WRITE))
		s->ops[row].bytes += res;
	else if (row < UBLK_STAT_OTHER)
		s->ops[row].bytes += (__u64)desc->nr_sectors << 9;
}

/* Is this one that is not linked, to measure it? */
static inline bool stat_samples(struct worker *w)
{
	return STAT_COUNTS && !(++w->nr_linked % STAT_SAMPLE);
}

static inline void stat_linked_add(struct worker *w, const struct io *io,
				   __u64 nr)
{
	const struct ublksrv_io_desc *desc = io->pub.desc;
	unsigned int row = stat_rows[desc->op_flags & 0xff];
	struct ublk_stat *s = w->stat;

	if (!STAT_COUNTS)
		return;
	w->seen[io->pub.slot] ^= STAT_LINKED;
	s->ended += nr;
	s->ops[row].requests += nr;
	s->ops[row].bytes += nr * ((__u64)desc->nr_sectors << 9);
}

/* Called before stat_sent(). */
static inline void stat_linked(struct worker *w, const struct io *io)
{
	stat_linked_add(w, io, 1);
}

/* The target goes on with the request. */
static inline void stat_unlinked(struct worker *w, const struct io *io)
{
	stat_linked_add(w, io, -1ULL);
}

#endif
