/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Counting on the path of a request. Called by the worker's thread, which alone
 * writes its counters; other processes read them at the same time.
 *
 * worker.c begins and ends turns; worker.c and batch.c find requests, tag.c and
 * batch.c send their end. io.c links the end to an SQE, so that io_uring sends it,
 * and takes that back when the SQE has failed. stat.c has the memory.
 *
 * Reading the clock costs more than all of these functions, so one turn in about 16
 * is timed, and the latency of the requests that it finds is measured. What most
 * requests pass is inline, less than 25 instructions, and the counters are plain: each
 * changes by one instruction. With UBLK_NO_STAT nothing is counted, and slice.c leaves
 * the slice as it is: "make bench" compares.
 */
#ifndef UBLK_STAT_H
#define UBLK_STAT_H

#include "private.h"

#ifdef UBLK_NO_STAT
#define STAT_COUNTS	0
#else
#define STAT_COUNTS	1
#endif

/* In worker->seen, and the time of a turn that is not timed. */
#define STAT_UNTIMED	1ULL
/*
 * So many turns come between two that are timed, and up to STAT_TURNS_SPREAD more, or a
 * request that takes the same number of turns each time might never be measured.
 */
#define STAT_TURNS		7U
#define STAT_TURNS_SPREAD	16U
/* One request in so many is not linked, if its turn is timed. */
#define STAT_LINKS	8U

/* Rows that need no table. */
_Static_assert((int)UBLK_STAT_READ - UBLK_IO_OP_READ == 0 &&
	       (int)UBLK_STAT_WRITE - UBLK_IO_OP_WRITE == 0, "rows of read and write");

__u64 stat_time(struct worker *w);
void stat_sent_other(struct worker *w, const struct io *io, int res);

/* Return: requests that are not ended yet, for stat_end_turn() */
static inline __u64 stat_begin_turn(struct worker *w)
{
	struct ublk_stat *s = w->stat;

	if (!STAT_COUNTS)
		return 0;
	w->now = STAT_UNTIMED;
	s->turns++;
	if (unlikely(!w->untimed--))
		stat_time(w);
	return s->ended;
}

/* One turn in about 16 is. */
static inline bool stat_turn_is_timed(const struct worker *w)
{
	return STAT_COUNTS && w->now != STAT_UNTIMED;
}

/* Results of a turn are submitted at its end, so all its requests were there. */
static inline void stat_end_turn(struct worker *w, __u64 ended_before)
{
	struct ublk_stat *s = w->stat;
	__s64 most = s->taken - ended_before;

	if (STAT_COUNTS && most > (__s64)s->max_in_flight)
		s->max_in_flight = most;
}

static inline void stat_taken(struct worker *w, unsigned int nr)
{
	if (STAT_COUNTS)
		w->stat->taken += nr;
}

static inline void stat_found(struct worker *w, const struct io *io)
{
	if (STAT_COUNTS)
		w->seen[io->pub.slot] = w->now;
}

/*
 * The end of a request is sent; or the first command of a tag, which has none. In
 * the file, requests has those that are not in latency: stat_sum() adds these.
 */
static inline void stat_sent(struct worker *w, const struct io *io, int res)
{
	__u64 seen = w->seen[io->pub.slot];
	unsigned int op = ublk_io_op(&io->pub);
	struct ublk_stat *s = w->stat;

	if (!STAT_COUNTS)
		return;
	if (likely(seen == STAT_UNTIMED && op <= UBLK_STAT_WRITE && res >= 0)) {
		s->ended++;
		s->ops[op].requests++;
		s->ops[op].bytes += res;
	} else if (seen) {
		stat_sent_other(w, io, res);
	}
}

/* Is this one that is not linked, to measure it? */
static inline bool stat_samples(struct worker *w)
{
	return stat_turn_is_timed(w) && !(++w->nr_linked % STAT_LINKS);
}

/* A request with data was counted when its end was linked; or that is taken back. */
static inline void stat_linked_add(struct worker *w, const struct io *io,
				   __u64 nr)
{
	const struct ublksrv_io_desc *desc = io->pub.desc;
	unsigned int row = ublk_io_op(&io->pub) & UBLK_STAT_WRITE;
	struct ublk_stat *s = w->stat;

	if (!STAT_COUNTS)
		return;
	s->ended += nr;
	s->ops[row].requests += nr;
	s->ops[row].bytes += nr * ((__u64)desc->nr_sectors << 9);
}

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
