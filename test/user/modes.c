// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: which mode is chosen, and that each moves
 * the data: user copy, zero copy with its fallback, several threads per queue;
 * shmem.c has shared memory. Commands per tag and in batches.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "rig.h"

#define ZC	(UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY)
#define UC	UBLK_F_USER_COPY
#define BATCH	UBLK_F_BATCH_IO
#define ALL	(ZC | UC | BATCH | UBLK_F_PER_IO_DAEMON | UBLK_F_ZONED | \
		 UBLK_F_INTEGRITY | UBLK_F_SHMEM_ZC)
#define DATA_FLAGS	(ZC | UC | BATCH | UBLK_F_SHMEM_ZC)

static const enum ublk_choice ways[] = { UBLK_CHOICE_NO, UBLK_CHOICE_YES };

/* ---- the choice --------------------------------------------------------- */

static const struct row {
	const char *name;
	__u64 have, need;
	unsigned int target_flags;
	enum ublk_mode mode;
	enum ublk_choice batch;
	unsigned int depth, threads;
	__u64 flags;		/* of the mode; all ones: refused */
	const char *why;	/* part of reason or error */
} rows[] = {
	{ "all", ALL, 0, 1, 0, 0, 8, 1, ZC | BATCH, "" },
	{ "auto reg only", ALL & ~UBLK_F_SUPPORT_ZERO_COPY, 0, 1, 0, 0, 8, 1,
	  UBLK_F_AUTO_BUF_REG | BATCH, "" },
	{ "no auto reg", UC | BATCH, 0, 1, 0, 0, 8, 1, BATCH,
	  "no zero copy: the driver does not offer it" },
	{ "old driver", 0, 0, 1, 0, 0, 8, 1, 0, "no batch commands: the driver" },
	{ "data", ALL, 0, 0, 0, 0, 8, 1, BATCH, "has to see the data" },
	{ "data, named", ALL, 0, 0, UBLK_MODE_ZERO_COPY, 0, 8, 1, ~0ULL,
	  "has to see the data" },
	{ "missing", ZC, 0, 1, UBLK_MODE_USER_COPY, 0, 8, 1, ~0ULL,
	  "user copy: the driver does not offer it" },
	{ "named", ALL, 0, 1, UBLK_MODE_USER_COPY, UBLK_CHOICE_NO, 8, 1, UC,
	  "" },
	{ "copy", ALL, 0, 1, UBLK_MODE_COPY, UBLK_CHOICE_NO, 8, 1, 0, "" },
	{ "zoned", ALL, UBLK_F_ZONED, 0, 0, 0, 8, 1, UC | BATCH,
	  "has to see the data" },
	{ "zoned, ring", ALL, UBLK_F_ZONED, 1, 0, 0, 8, 1, ZC | BATCH, "" },
	{ "zoned, copy", ALL, UBLK_F_ZONED, 0, UBLK_MODE_COPY, 0, 8, 1, ~0ULL,
	  "copy: not for zoned devices" },
	{ "zoned, nothing", BATCH, UBLK_F_ZONED, 0, 0, 0, 8, 1, ~0ULL,
	  "no way to move data" },
	{ "integrity", ALL, UBLK_F_INTEGRITY, 1, 0, 0, 8, 1, UC | BATCH,
	  "needs user copy" },
	{ "get data", ALL, UBLK_F_NEED_GET_DATA, 1, 0, 0, 8, 1, 0,
	  "need_get_data is for copy" },
	{ "get data, batch", ALL, UBLK_F_NEED_GET_DATA, 1, 0, UBLK_CHOICE_YES,
	  8, 1, ~0ULL, "batch commands: need_get_data" },
	{ "get data, user copy", ALL, UBLK_F_NEED_GET_DATA, 1,
	  UBLK_MODE_USER_COPY, 0, 8, 1, ~0ULL, "need_get_data is for copy" },
	{ "unprivileged", ALL, UBLK_F_UNPRIVILEGED_DEV, 1, 0, 0, 8, 1, BATCH,
	  "not for unprivileged devices" },
	{ "unprivileged, named", ALL, UBLK_F_UNPRIVILEGED_DEV, 1,
	  UBLK_MODE_ZERO_COPY, 0, 8, 1, ~0ULL, "unprivileged devices" },
	{ "no data", ALL, 0, 3, 0, 0, 8, 1, UC | BATCH, "" },
	{ "no data, alone", ALL, 0, 2, 0, 0, 8, 1, UC | BATCH, "" },
	{ "no data, old driver", ALL & ~UC, 0, 2, 0, 0, 8, 1, ZC | BATCH,
	  "no user copy: the driver does not offer it" },
	{ "no data, unprivileged", ALL, UBLK_F_UNPRIVILEGED_DEV, 3, 0, 0, 8, 1,
	  BATCH, "not for unprivileged devices" },
	{ "no data, named", ALL, 0, 3, UBLK_MODE_ZERO_COPY, 0, 8, 1,
	  ZC | BATCH, "" },
	{ "depth 1", ALL, 0, 1, 0, 0, 1, 1, ZC, "the queue depth is 1" },
	{ "depth 1, batch", ALL, 0, 1, 0, UBLK_CHOICE_YES, 1, 1, ~0ULL,
	  "batch commands: the queue depth is 1" },
	{ "recovery", ALL, UBLK_F_USER_RECOVERY, 1, 0, 0, 8, 1, ZC,
	  "while there is no server" },
	{ "recovery, batch", ALL, UBLK_F_USER_RECOVERY, 1, 0, UBLK_CHOICE_YES,
	  8, 1, ZC | BATCH, "" },
	{ "threads", ALL, 0, 1, 0, 0, 8, 4, ZC, "threads share the queues" },
	{ "threads, batch", ALL, 0, 1, 0, UBLK_CHOICE_YES, 8, 4, ZC | BATCH,
	  "" },
	{ "threads, only batch", ZC | BATCH, 0, 1, 0, 0, 8, 4, ZC | BATCH,
	  "" },
	{ "threads, old driver", ZC, 0, 1, 0, 0, 8, 4, ~0ULL,
	  "several threads per queue" },
};

/* Without buffers of that size, requests may be longer. */
static void test_longest_request(void)
{
	struct ublk_target target = with_done;
	struct ublk_dev *dev;
	static const struct {
		unsigned int flags;
		__u32 asked, longest;
	} cases[] = {
		{ 0, 0, 512 << 10 },
		{ UBLK_TARGET_RING_DATA, 0, 2 << 20 },
		{ UBLK_TARGET_RING_DATA, 4096, 4096 },
		{ UBLK_TARGET_NO_DATA, 0, 2 << 20 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		reset();
		mock.features = ALL;
		target.flags = cases[i].flags;
		opts.io_buf_bytes = cases[i].asked;
		ktap_eq(ublk_dev_new(&dev, &opts, &target, NULL), 0);
		ktap_eq(ublk_dev_info(dev)->max_io_buf_bytes, cases[i].longest);
		ktap_eq(ublk_dev_params(dev)->basic.max_sectors << 9,
			ublk_dev_info(dev)->max_io_buf_bytes);
		ublk_dev_free(dev);
	}
}

static void test_choice(void)
{
	struct ublk_target target;
	struct ublk_dev *dev;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		ktap_row = r->name;
		reset();
		mock.features = r->have;
		opts.mode = r->mode;
		opts.batch = r->batch;
		opts.depth = r->depth;
		tgt.zoned = r->need & UBLK_F_ZONED;
		opts.io_threads = r->threads;
		target = with_done;
		target.flags = r->target_flags;
		/* whoever needs it: device, target, its configuration */
		if (i % 3 == 0)
			opts.features = r->need;
		else if (i % 3 == 1)
			target.features = r->need;
		else
			tgt.require = r->need;
		ret = ublk_dev_new(&dev, &opts, &target, NULL);
		ktap_eq(ret, r->flags == ~0ULL ? -EOPNOTSUPP : 0);
		if (ret) {
			ktap_true(strstr(ublk_strerror_last(), r->why));
			ktap_eq(tgt.nr_open, tgt.nr_close);
			continue;
		}
		ktap_eq(ublk_dev_info(dev)->flags, r->flags | r->need);
		ktap_true(*r->why ? !!strstr(ublk_dev_mode_reason(dev), r->why)
			  : !*ublk_dev_mode_reason(dev));
		ublk_dev_free(dev);
	}
}

/* A device keeps its mode, so what serves it now has to be able to. */
static void test_recover_other_target(void)
{
	struct ublk_dev *dev;

	reset();
	mock.features = ALL;
	tgt.fd = memfd_create("file", MFD_CLOEXEC);
	opts.features = UBLK_F_USER_RECOVERY;
	dev = up(&by_ring);
	ktap_eq(ublk_dev_detach(dev), 0);
	ublk_dev_free(dev);
	opts.id = mock_info()->dev_id;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), 0);
	ktap_eq(ublk_dev_recover(dev), -EINVAL);
	ktap_true(strstr(ublk_strerror_last(), "zero copy"));
	ublk_dev_free(dev);
	ktap_eq(mock_device_exists(), 1);
	close(tgt.fd);
}

/* ---- data --------------------------------------------------------------- */

static void pattern(unsigned char *buf, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = seed + i * 7 + i / 256;
}

static struct ublk_dev *user_copy_up(enum ublk_choice batch)
{
	reset();
	mock.features = ALL;
	opts.mode = UBLK_MODE_USER_COPY;
	opts.batch = batch;
	tgt.mode = FILL;
	return up(&with_done);
}

/* Data of a write is there before submit(), of a read before the commit. */
static void test_user_copy(void)
{
	static const __u32 pieces[] = { 0, 512, 1000 };
	unsigned char want[8192];
	struct ublk_dev *dev;
	size_t i;
	int t, n;

	for (i = 0; i < 2 * ARRAY_SIZE(pieces); i++) {
		dev = user_copy_up(ways[i % 2]);
		mock.max_copy = pieces[i / 2];
		pattern(want, sizeof(want), i);
		t = mock_request_data(0, UBLK_IO_OP_WRITE, 0, 16, want);
		ktap_eq(mock_wait(0, t), 8192);
		ktap_eq(memcmp(tgt.seen, want, sizeof(want)), 0);
		ktap_eq(mock_moved(0, t), 8192);

		t = mock_request(0, UBLK_IO_OP_READ, 3, 16);
		ktap_eq(mock_wait(0, t), 8192);
		ktap_eq(mock_moved(0, t), 8192);
		for (n = 0; n < 16; n++)
			ktap_eq(((char *)mock_data(0, t))[n * 512], 3 + n);

		t = mock_request(0, UBLK_IO_OP_REPORT_ZONES, 9, 1);
		ktap_eq(mock_wait(0, t), 512);
		ktap_eq(((char *)mock_data(0, t))[511], 9);
		down(dev);
	}
}

static void test_user_copy_fails(void)
{
	struct ublk_dev *dev;
	size_t i;
	int t;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		dev = user_copy_up(ways[i]);
		mock.user_copy = EFAULT;
		t = mock_request(0, UBLK_IO_OP_WRITE, 0, 8);
		ktap_eq(mock_wait(0, t), -EFAULT);
		ktap_eq(tgt.nr_submit, 0);
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), -EFAULT);
		ktap_eq(tgt.nr_submit, 1);
		mock.user_copy = 0;

		/* what failed or is shorter moves no more than that */
		tgt.res = -ENOSPC;
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), -ENOSPC);
		ktap_eq(mock_moved(0, t), 0);
		tgt.res = 512;
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), 512);
		ktap_eq(mock_moved(0, t), 512);
		down(dev);
	}
}

/* A target without data: nothing is copied, and there is no buffer for it. */
static void test_no_data(void)
{
	struct ublk_target target = with_done;
	struct ublk_dev *dev;
	size_t i;
	int t;

	target.flags = UBLK_TARGET_NO_DATA;
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		reset();
		mock.features = ALL;
		opts.batch = ways[i];
		dev = up(&target);
		t = mock_request(0, UBLK_IO_OP_WRITE, 0, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_eq(mock_moved(0, t), 0);
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_eq(mock_moved(0, t), 0);
		ktap_true(tgt.seen_null);
		down(dev);

		/* in copy mode the driver needs the buffers */
		reset();
		mock.features = ALL;
		opts.mode = UBLK_MODE_COPY;
		opts.batch = ways[i];
		dev = up(&target);
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_true(!tgt.seen_null);
		down(dev);
	}
}

/* D-211; and the next command of the tag says nothing of it. */
static void test_zone_append(void)
{
	struct ublk_dev *dev;
	size_t i;
	int t;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		reset();
		mock.features = ALL;
		opts.batch = ways[i];
		opts.depth = 2;
		tgt.require = UBLK_F_ZONED;
		tgt.zoned = true;
		tgt.mode = FILL;
		tgt.lba = 0x123456789aULL;
		dev = up(&with_done);
		t = mock_request(0, UBLK_IO_OP_ZONE_APPEND, 1024, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_eq(mock_addr(0, t), 0x123456789aULL);
		ktap_eq(mock_moved(0, t), 4096);
		t = mock_request(0, UBLK_IO_OP_READ, 1024, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_eq(mock_addr(0, t), 0);
		down(dev);
	}
}

static struct ublk_dev *zero_copy_up(enum ublk_choice batch,
				     unsigned int threads)
{
	reset();
	mock.features = ALL;
	opts.batch = batch;
	opts.io_threads = threads;
	tgt.mode = RING;
	tgt.fd = memfd_create("file", MFD_CLOEXEC);
	if (ftruncate(tgt.fd, 1 << 20))
		abort();
	return up(&by_ring);
}

static void check_zero_copy(unsigned int sector)
{
	unsigned char want[4096], got[4096];
	int t;

	pattern(want, sizeof(want), sector);
	t = mock_request_data(0, UBLK_IO_OP_WRITE, sector, 8, want);
	ktap_eq(mock_wait(0, t), 4096);
	ktap_eq(pread(tgt.fd, got, sizeof(got), sector << 9), 4096);
	ktap_eq(memcmp(got, want, sizeof(got)), 0);
	t = mock_request(0, UBLK_IO_OP_READ, sector, 8);
	ktap_eq(mock_wait(0, t), 4096);
	ktap_eq(memcmp(mock_data(0, t), want, sizeof(want)), 0);
}

/* Each tag in its slot of its thread's ring, no buffer of the library's. */
static void test_zero_copy(void)
{
	static const unsigned int threads[] = { 1, 3, 8 };
	struct ublk_dev *dev;
	int tags[8], n;
	size_t i;

	for (i = 0; i < 2 * ARRAY_SIZE(threads); i++) {
		dev = zero_copy_up(ways[i % 2], threads[i / 2]);
		check_zero_copy(8);
		ktap_true(tgt.seen_null);
		/* all tags at once */
		for (n = 0; n < 8; n++)
			tags[n] = mock_request(0, UBLK_IO_OP_READ, 8 * n, 8);
		for (n = 0; n < 8; n++)
			ktap_eq(mock_wait(0, tags[n]), 4096);
		ktap_eq(mock_nr_fixed(), 10);
		ktap_eq(mock_nr_reg_buf(), 0);
		ktap_eq(mock_nr_leaked(), 0);
		tgt.mode = INLINE;
		tags[0] = mock_request(0, UBLK_IO_OP_FLUSH, 0, 0);
		ktap_eq(mock_wait(0, tags[0]), 0);
		down(dev);
		close(tgt.fd);
	}
}

/* NEED_REG_BUF: registered by hand, and taken out before the commit. */
static void test_zero_copy_fallback(void)
{
	struct ublk_dev *dev;
	size_t i;
	int t;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		dev = zero_copy_up(ways[i], 1);
		mock.reg_auto = 1;
		check_zero_copy(16);
		ktap_eq(mock_nr_reg_buf(), 1);
		ktap_eq(mock_nr_unreg_buf(), 1);
		ktap_eq(mock_nr_leaked(), 0);
		/* the slot is free for the next one of that tag */
		check_zero_copy(24);
		ktap_eq(mock_nr_reg_buf(), 1);

		mock.reg_auto = 1;
		mock.reg_buf = ENOMEM;
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), -ENOMEM);
		ktap_eq(mock_nr_unreg_buf(), 1);
		check_zero_copy(32);
		down(dev);
		close(tgt.fd);
	}
}

static void test_zero_copy_failures(void)
{
	struct ublk_dev *dev;
	int t;

	/* without REGISTER_IO_BUF there is no fallback to ask for */
	reset();
	mock.features = ALL & ~UBLK_F_SUPPORT_ZERO_COPY;
	dev = up(&by_ring);
	mock.reg_auto = 1;
	t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	ktap_eq(mock_wait(0, t), -EIO);
	ktap_eq(tgt.nr_submit, 0);
	down(dev);

	/* a buffer that stays in the table would make the tag unusable */
	ublk_set_log(quiet_log, UBLK_LOG_ERR);
	dev = zero_copy_up(UBLK_CHOICE_NO, 1);
	mock.reg_auto = 1;
	mock.unreg_buf = EBUSY;
	ktap_true(mock_request(0, UBLK_IO_OP_READ, 0, 8) >= 0);
	ktap_true(wait_event(dev));
	ktap_eq(ublk_dev_failed(dev), -EBUSY);
	down(dev);
	close(tgt.fd);
	ublk_set_log(NULL, UBLK_LOG_ERR);

	reset();
	mock.features = ALL;
	mock.reg_table = ENOMEM;
	dev = up_to_configured(&by_ring);
	ktap_eq(ublk_dev_start(dev), -ENOMEM);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
}

/*
 * A commit linked to the transfer: no CQE and no turn in between. What breaks
 * the link comes to done(), and the request is ended by the target.
 */
static void test_complete_after(void)
{
	static const struct {
		enum ublk_mode mode;
		enum ublk_choice batch;
		bool linked;
		bool old;	/* the kernel does not copy SQEs */
	} kinds[] = {
		{ UBLK_MODE_COPY, UBLK_CHOICE_NO, true, false },
		{ UBLK_MODE_COPY, UBLK_CHOICE_NO, false, true },
		{ UBLK_MODE_COPY, UBLK_CHOICE_YES, false, false },
		{ UBLK_MODE_USER_COPY, UBLK_CHOICE_NO, false, false },
		{ UBLK_MODE_ZERO_COPY, UBLK_CHOICE_NO, true, false },
		{ UBLK_MODE_ZERO_COPY, UBLK_CHOICE_YES, true, false },
	};
	struct ublk_dev *dev;
	unsigned int before;
	size_t i;
	int n, t;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		reset();
		mock.features = ALL;
		opts.mode = kinds[i].mode;
		opts.batch = kinds[i].batch;
		tgt.mode = RING;
		tgt.after = true;
		/* IORING_FEAT_NO_IOWAIT */
		mock.ring_lacks = kinds[i].old ? 1U << 17 : 0;
		tgt.fd = memfd_create("file", MFD_CLOEXEC);
		if (ftruncate(tgt.fd, 1 << 20))
			abort();
		dev = up(&by_ring_done);
		before = mock_nr_enter();
		for (n = 0; n < 20; n++) {
			t = mock_request(0, UBLK_IO_OP_READ, n, 8);
			ktap_eq(mock_wait(0, t), 4096);
		}
		ktap_eq(mock_nr_linked(), kinds[i].linked ? 20 : 0);
		ktap_eq(tgt.nr_done, kinds[i].linked ? 0 : 20);
		if (kinds[i].linked)
			ktap_true(mock_nr_enter() - before <= 21);

		/* short, then failing, then as before */
		tgt.nr_done = 0;
		mock.max_transfer = 512;
		t = mock_request(0, UBLK_IO_OP_WRITE, 0, 8);
		ktap_eq(mock_wait(0, t), 512);
		mock.max_transfer = 0;
		mock.backend = ENOSPC;
		t = mock_request(0, UBLK_IO_OP_WRITE, 0, 8);
		ktap_eq(mock_wait(0, t), -ENOSPC);
		ktap_eq(tgt.nr_done, 2);
		ktap_eq(tgt.done_res, -ENOSPC);
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), 4096);
		down(dev);
		close(tgt.fd);
	}
}

/* Tags are divided; each thread serves its own, in its own struct queue. */
static void test_threads(void)
{
	struct ublk_dev *dev;
	int tags[8], i, round;

	reset();
	mock.features = ALL;
	opts.mode = UBLK_MODE_COPY;
	opts.batch = UBLK_CHOICE_NO;
	opts.nr_queues = 2;
	opts.io_threads = 3;
	dev = up(&with_done);
	ktap_eq(tgt.nr_queue_open, 6);
	ktap_eq(ublk_dev_io_threads(dev), 3);
	ktap_true(ublk_dev_thread_tid(dev, 0, 2) > 0);
	ktap_true(ublk_dev_thread_tid(dev, 0, 2) !=
		  ublk_dev_thread_tid(dev, 1, 2));
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 8; i++)
			tags[i] = mock_request(1, UBLK_IO_OP_READ, 0, i + 1);
		for (i = 0; i < 8; i++)
			ktap_eq(mock_wait(1, tags[i]), (i + 1) * 512);
	}
	down(dev);

	reset();
	opts.io_threads = 9;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), -EINVAL);
	opts.depth = 128;
	opts.io_threads = UBLK_MAX_IO_THREADS + 1;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), -EINVAL);
}

static const struct ktap_test tests[] = {
	{ "longest_request", test_longest_request },
	{ "choice", test_choice },
	{ "recover_other_target", test_recover_other_target },
	{ "user_copy", test_user_copy },
	{ "user_copy_fails", test_user_copy_fails },
	{ "no_data", test_no_data },
	{ "zone_append", test_zone_append },
	{ "zero_copy", test_zero_copy },
	{ "zero_copy_fallback", test_zero_copy_fallback },
	{ "zero_copy_failures", test_zero_copy_failures },
	{ "complete_after", test_complete_after },
	{ "threads", test_threads },
};

int main(void)
{
	ublk_set_log(NULL, UBLK_LOG_ERR);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
