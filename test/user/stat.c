// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: its counters are what was served, in every mode,
 * for the server itself and for another process, and what can be wrong with the file
 * that has them.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "rig.h"
#include "stat_file.h"

#define ALL	(UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY | \
		 UBLK_F_USER_COPY | UBLK_F_BATCH_IO | UBLK_F_PER_IO_DAEMON)
#define ID	7	/* that the mock gives */

/* The mock counts turns, the library time: how many need not be the same. */
static const struct kind {
	const char *name;
	enum ublk_mode mode;
	enum ublk_choice batch;
	unsigned int threads;
	bool ring, after;	/* data moves by SQEs; whose end is linked */
} kinds[] = {
	{ "copy", UBLK_MODE_COPY, UBLK_CHOICE_NO, 1, false, false },
	{ "copy, 3 threads", UBLK_MODE_COPY, UBLK_CHOICE_NO, 3, false, false },
	{ "copy by SQEs", UBLK_MODE_COPY, UBLK_CHOICE_NO, 1, true, false },
	{ "copy, linked", UBLK_MODE_COPY, UBLK_CHOICE_NO, 1, true, true },
	{ "copy, batch", UBLK_MODE_COPY, UBLK_CHOICE_YES, 1, false, false },
	{ "user copy", UBLK_MODE_USER_COPY, UBLK_CHOICE_NO, 1, false, false },
	{ "user copy, batch", UBLK_MODE_USER_COPY, UBLK_CHOICE_YES, 3, false,
	  false },
	{ "zero copy", UBLK_MODE_ZERO_COPY, UBLK_CHOICE_NO, 3, true, false },
	{ "zero copy, linked", UBLK_MODE_ZERO_COPY, UBLK_CHOICE_NO, 1, true,
	  true },
	{ "zero copy, batch", UBLK_MODE_ZERO_COPY, UBLK_CHOICE_YES, 1, true,
	  false },
	{ "zero copy, batch, linked", UBLK_MODE_ZERO_COPY, UBLK_CHOICE_YES, 1,
	  true, true },
};

static struct ublk_dev *kind_up(const struct kind *k)
{
	reset();
	ktap_row = k->name;
	mock.features = ALL;
	opts.mode = k->mode;
	opts.batch = k->batch;
	opts.io_threads = k->threads;
	tgt.mode = k->ring ? RING : INLINE;
	tgt.after = k->after;
	tgt.fd = memfd_create("file", MFD_CLOEXEC);
	if (ftruncate(tgt.fd, 1 << 20))
		abort();
	return up(k->ring ? &by_ring_done : &with_done);
}

static void kind_down(struct ublk_dev *dev)
{
	down(dev);
	close(tgt.fd);
	ktap_row = NULL;
}

static void serve(__u32 op, unsigned int nr, __u32 sectors, int want)
{
	int t;

	while (nr--) {
		t = mock_request(0, op, 0, sectors);
		ktap_eq(mock_wait(0, t), want);
	}
}

/* All threads of queue 0, as the server sees them. */
static struct ublk_stat own_sum(const struct ublk_dev *dev)
{
	struct ublk_stat sum = { 0 }, s;
	unsigned int t;
	size_t i;

	for (t = 0; t < ublk_dev_io_threads(dev); t++) {
		ktap_eq(ublk_dev_stat(dev, 0, t, &s), 0);
		for (i = 0; i < sizeof(s) / 8; i++)
			((__u64 *)&sum)[i] += ((__u64 *)&s)[i];
	}
	return sum;
}

/* The same as any process sees them. */
static void check_reader(const struct ublk_dev *dev)
{
	const struct ublk_stat_info *info;
	struct ublk_stat_reader *r;
	struct ublk_stat own, other;
	unsigned int t;

	ktap_eq(ublk_stat_open(getpid(), ID, &r), 0);
	info = ublk_stat_get_info(r);
	ktap_eq(info->dev_id, ID);
	ktap_eq(info->pid, getpid());
	ktap_eq(info->nr_queues, 1);
	ktap_eq(info->nr_threads, ublk_dev_io_threads(dev));
	ktap_eq(info->depth, 8);
	ktap_eq(info->flags, ublk_dev_info(dev)->flags);
	ktap_true(info->started > 0);
	for (t = 0; t < info->nr_threads; t++) {
		ktap_eq(ublk_dev_stat(dev, 0, t, &own), 0);
		ktap_eq(ublk_stat_read(r, 0, t, &other), 0);
		/* the thread may have begun a turn meanwhile */
		other.turn = own.turn;
		other.turns = own.turns;
		ktap_eq(memcmp(&own, &other, sizeof(own)), 0);
	}
	ktap_eq(ublk_stat_read(r, 1, 0, &other), -EINVAL);
	ktap_eq(ublk_stat_read(r, 0, info->nr_threads, &other), -EINVAL);
	ublk_stat_close(r);
}

static void check_row(const struct ublk_stat *s, enum ublk_stat_op op,
		      __u64 requests, __u64 bytes, __u64 errors)
{
	ktap_eq(s->ops[op].requests, requests);
	ktap_eq(s->ops[op].bytes, bytes);
	ktap_eq(s->ops[op].errors, errors);
	ktap_true(s->ops[op].measured <= requests);
}

/* The first turn is timed, and then one in 8 to 23. */
static void check_some_measured(const struct ublk_stat *s, __u64 requests)
{
	ktap_true(s->ops[UBLK_STAT_READ].measured > 0);
	ktap_true(s->ops[UBLK_STAT_READ].measured < requests);
}

static void test_counters_equal_requests(void)
{
	struct ublk_dev *dev;
	struct ublk_stat s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		dev = kind_up(&kinds[i]);
		s = own_sum(dev);
		ktap_eq(s.taken + s.ended + s.max_in_flight, 0);
		serve(UBLK_IO_OP_READ, 20, 8, 4096);
		serve(UBLK_IO_OP_WRITE, 7, 16, 8192);
		tgt.mode = INLINE;
		serve(UBLK_IO_OP_FLUSH, 2, 0, 0);
		serve(UBLK_IO_OP_DISCARD, 3, 32, 32 << 9);
		serve(UBLK_IO_OP_WRITE_ZEROES, 1, 64, 64 << 9);
		s = own_sum(dev);
		check_row(&s, UBLK_STAT_READ, 20, 20 * 4096, 0);
		check_row(&s, UBLK_STAT_WRITE, 7, 7 * 8192, 0);
		check_row(&s, UBLK_STAT_FLUSH, 2, 0, 0);
		check_row(&s, UBLK_STAT_DISCARD, 3, 3 * 32 << 9, 0);
		check_row(&s, UBLK_STAT_WRITE_ZEROES, 1, 64 << 9, 0);
		check_row(&s, UBLK_STAT_OTHER, 0, 0, 0);
		ktap_eq(s.taken, 33);
		ktap_eq(s.ended, 33);
		/* those that a timed turn finds, of which linked ones are few */
		if (kinds[i].after)
			ktap_eq(s.ops[UBLK_STAT_READ].measured, 0);
		else if (kinds[i].threads == 1)
			check_some_measured(&s, 20);
		check_reader(dev);
		kind_down(dev);
	}
}

/* A short one and one that fails; linked ones are taken back first. */
static void test_failures(void)
{
	struct ublk_dev *dev;
	struct ublk_stat s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!kinds[i].ring)
			continue;
		dev = kind_up(&kinds[i]);
		serve(UBLK_IO_OP_WRITE, 3, 8, 4096);
		mock.max_transfer = 512;
		serve(UBLK_IO_OP_WRITE, 1, 8, 512);
		mock.max_transfer = 0;
		mock.backend = ENOSPC;
		serve(UBLK_IO_OP_WRITE, 1, 8, -ENOSPC);
		serve(UBLK_IO_OP_WRITE, 2, 8, 4096);
		s = own_sum(dev);
		check_row(&s, UBLK_STAT_WRITE, 7, 5 * 4096 + 512, 1);
		ktap_eq(s.taken, 7);
		ktap_eq(s.ended, 7);
		kind_down(dev);
	}
}

/* About one linked request in 128 is measured, and not linked. */
static void test_samples(void)
{
	const unsigned int nr = 3000;
	struct ublk_dev *dev;
	struct ublk_stat s;
	__u64 measured;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!kinds[i].after)
			continue;
		dev = kind_up(&kinds[i]);
		serve(UBLK_IO_OP_READ, nr, 8, 4096);
		s = own_sum(dev);
		check_row(&s, UBLK_STAT_READ, nr, nr * 4096ULL, 0);
		measured = s.ops[UBLK_STAT_READ].measured;
		ktap_true(measured > 0);
		ktap_true(measured < nr / 16);
		/* what was not linked was measured, if its turn was timed */
		ktap_true(mock_nr_linked() + measured <= nr);
		ktap_true(mock_nr_linked() >= nr - nr / 16);
		kind_down(dev);
	}
}

/* A request that the target keeps for 4 ms, and another thread ends. */
static void serve_slowly(const struct ublk_dev *dev, __u64 before)
{
	const struct timespec pause = { .tv_nsec = 4 * 1000 * 1000 };
	struct ublk_io *io;
	struct ublk_stat s;
	int t;

	__atomic_store_n(&tgt.held, NULL, __ATOMIC_RELEASE);
	t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	while (!(io = __atomic_load_n(&tgt.held, __ATOMIC_ACQUIRE)))
		sched_yield();
	s = own_sum(dev);
	ktap_eq(s.taken, before + 1);
	ktap_eq(s.ended, before);
	nanosleep(&pause, NULL);
	ktap_eq(ublk_io_complete(io, 4096), 0);
	ktap_eq(mock_wait(0, t), 4096);
}

/* What the target has is in flight, and its time is that between two turns. */
static void test_in_flight(void)
{
	struct ublk_dev *dev;
	struct ublk_stat s;
	__u64 fast = 0;
	unsigned int i;

	dev = kind_up(&kinds[0]);
	tgt.mode = HOLD;
	for (i = 0; i < 32; i++)
		serve_slowly(dev, i);
	s = own_sum(dev);
	ktap_eq(s.ended, 32);
	ktap_true(s.max_in_flight >= 1);
	for (i = 0; i < 21; i++)
		fast += s.ops[UBLK_STAT_READ].latency[i];
	/* 2^21 ns are 2 ms */
	ktap_eq(fast, 0);
	check_some_measured(&s, 32);
	ktap_eq(s.ops[UBLK_STAT_READ].requests, 32);
	tgt.mode = INLINE;
	kind_down(dev);
}

static void test_max_in_flight(void)
{
	struct ublk_dev *dev;
	struct ublk_stat s;
	int tags[8], n;

	dev = kind_up(&kinds[4]);
	mock.hold = true;
	for (n = 0; n < 8; n++)
		tags[n] = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	mock_release();
	for (n = 0; n < 8; n++)
		ktap_eq(mock_wait(0, tags[n]), 4096);
	mock.hold = false;
	/* the turn ends after the commit that mock_wait() has seen */
	serve(UBLK_IO_OP_READ, 1, 8, 4096);
	s = own_sum(dev);
	ktap_eq(s.max_in_flight, 8);
	kind_down(dev);
}

/* There when it is configured; gone with the handle. */
static void test_life(void)
{
	struct ublk_stat_reader *r;
	struct ublk_dev *dev;
	struct ublk_stat s;

	reset();
	ktap_eq(ublk_stat_open(getpid(), ID, &r), -ENOENT);
	dev = up(&with_done);
	ktap_eq(ublk_stat_open(getpid(), ID + 1, &r), -ENOENT);
	ktap_eq(ublk_stat_open(1 << 30, ID, &r), -ESRCH);
	ktap_eq(ublk_dev_stat(dev, 1, 0, &s), -EINVAL);
	ktap_eq(ublk_dev_stat(dev, 0, 1, &s), -EINVAL);
	serve(UBLK_IO_OP_READ, 5, 8, 4096);
	ktap_eq(ublk_stat_open(getpid(), ID, &r), 0);
	ktap_eq(ublk_dev_stop(dev), 0);
	/* the threads have ended */
	s = own_sum(dev);
	ktap_eq(s.ended, 5);
	ktap_eq(ublk_dev_del(dev), 0);
	/* a second life of the handle begins with 0 */
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), 0);
	s = own_sum(dev);
	ktap_eq(s.ended, 0);
	ktap_eq(ublk_dev_start(dev), 0);
	down(dev);
	/* an open reader keeps the counters of the first life */
	ktap_eq(ublk_stat_read(r, 0, 0, &s), 0);
	ktap_eq(s.ended, 5);
	ublk_stat_close(r);
	ktap_eq(ublk_stat_open(getpid(), ID, &r), -ENOENT);
	ublk_stat_close(NULL);
}

/* A caller of another version of the library. */
static void test_sizes(void)
{
	struct ublk_stat_reader *r;
	struct ublk_dev *dev;
	struct {
		struct ublk_stat s;
		__u64 more[4];
	} big;

	reset();
	dev = up(&with_done);
	serve(UBLK_IO_OP_READ, 5, 8, 4096);
	ktap_eq(ublk_stat_open(getpid(), ID, &r), 0);
	memset(&big, 0xff, sizeof(big));
	ktap_eq(ublk_stat_read_size(r, 0, 0, &big.s, 16), 0);
	ktap_eq(big.s.ended, 5);
	ktap_eq(big.s.max_in_flight, ~0ULL);
	ublk_stat_close(r);
	down(dev);
}

/* Files that a server of somebody else may have made. */
static void test_foreign_file(void)
{
	static const struct row {
		const char *name;
		__u64 magic;
		__u32 head_bytes, slot_bytes, id, queues, threads;
		size_t bytes;
		int seals, want;
	} rows[] = {
		{ "good", STAT_MAGIC, 256, 4160, 9, 1, 1, 4416, STAT_SEALS, 0 },
		{ "longer slots", STAT_MAGIC, 256, 4224, 9, 2, 1, 8704,
		  STAT_SEALS, 0 },
		{ "shorter slots", STAT_MAGIC, 256, 64, 9, 1, 1, 320,
		  STAT_SEALS, 0 },
		{ "not sealed", STAT_MAGIC, 256, 4160, 9, 1, 1, 4416, 0, -EBADMSG },
		{ "empty", STAT_MAGIC, 256, 4160, 9, 1, 1, 0, STAT_SEALS, -EBADMSG },
		{ "short", STAT_MAGIC, 256, 4160, 9, 2, 1, 4416, STAT_SEALS,
		  -EBADMSG },
		{ "many", STAT_MAGIC, 256, 4160, 9, ~0U, 64, 4416, STAT_SEALS,
		  -EBADMSG },
		{ "none", STAT_MAGIC, 256, 4160, 9, 0, 1, 4416, STAT_SEALS,
		  -EBADMSG },
		{ "odd", STAT_MAGIC, 252, 4160, 9, 1, 1, 4416, STAT_SEALS,
		  -EBADMSG },
		{ "another", STAT_MAGIC, 256, 4160, 8, 1, 1, 4416, STAT_SEALS,
		  -EBADMSG },
		{ "not ready", 0, 256, 4160, 9, 1, 1, 4416, STAT_SEALS, -EBADMSG },
	};
	struct ublk_stat_reader *r;
	struct ublk_stat s;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stat_head head = {
			.magic = rows[i].magic,
			.head_bytes = rows[i].head_bytes,
			.slot_bytes = rows[i].slot_bytes,
			.info = {
				.dev_id = rows[i].id,
				.nr_queues = rows[i].queues,
				.nr_threads = rows[i].threads,
			},
		};

		ktap_row = rows[i].name;
		fd = memfd_create("ublk-stat:9", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (ftruncate(fd, rows[i].bytes) ||
		    (rows[i].bytes &&
		     pwrite(fd, &head, sizeof(head), 0) != sizeof(head)))
			abort();
		fcntl(fd, F_ADD_SEALS, rows[i].seals);
		ktap_eq(ublk_stat_open(getpid(), 9, &r), rows[i].want);
		if (!rows[i].want) {
			ktap_eq(ublk_stat_read(r, rows[i].queues - 1, 0, &s), 0);
			ktap_eq(s.ops[UBLK_STAT_OTHER].requests, 0);
			ublk_stat_close(r);
		}
		close(fd);
	}
	ktap_row = NULL;
}

static const struct ktap_test tests[] = {
	{ "counters_equal_requests", test_counters_equal_requests },
	{ "failures", test_failures },
	{ "samples", test_samples },
	{ "in_flight", test_in_flight },
	{ "max_in_flight", test_max_in_flight },
	{ "life", test_life },
	{ "sizes", test_sizes },
	{ "foreign_file", test_foreign_file },
};

int main(void)
{
	ublk_set_log(NULL, UBLK_LOG_ERR);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
