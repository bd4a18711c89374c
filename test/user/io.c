// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: the loop of a worker with commands for one
 * tag each, commits from the own and from foreign threads, backend SQEs.
 */
#include "rig.h"

/* Every tag, again and again, on several queues. */
static void test_many_requests(void)
{
	struct ublk_dev *dev;
	int tags[4][16], q, i, round;

	reset();
	opts.nr_queues = 4;
	opts.depth = 16;
	dev = up(&with_done);
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 16; i++)
			for (q = 0; q < 4; q++)
				tags[q][i] = mock_request(q, UBLK_IO_OP_WRITE,
							  i, i + 1);
		for (i = 0; i < 16; i++)
			for (q = 0; q < 4; q++)
				ktap_eq(mock_wait(q, tags[q][i]), (i + 1) * 512);
	}
	down(dev);
}

static void test_foreign_thread(void)
{
	struct ublk_dev *dev;
	int tags[8], i, round;

	reset();
	tgt.mode = FOREIGN;
	dev = up(&with_done);
	for (round = 0; round < 30; round++) {
		for (i = 0; i < 8; i++)
			tags[i] = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		for (i = 0; i < 8; i++)
			ktap_eq(mock_wait(0, tags[i]), 4096);
	}
	down(dev);
}

static const struct ublk_target without_done = {
	UBLK_TARGET(), .name = "test", .open = t_open,
	.submit = t_submit,
};

/* results[] of t_sqes(): sums, and the first error in CQE order. */
static void test_aggregate(void)
{
	static const struct {
		int nr, res;
	} rows[] = { { 1, 512 }, { 2, 1536 }, { 3, -ENOSPC }, { 5, -ENOSPC } };
	const struct ublk_target *targets[] = { &with_done, &without_done };
	struct ublk_dev *dev;
	size_t i, k;
	int t;

	for (k = 0; k < 2; k++) {
		reset();
		tgt.mode = SQES;
		dev = up(targets[k]);
		for (i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
			t = mock_request(0, UBLK_IO_OP_READ, rows[i % 4].nr, 8);
			ktap_eq(mock_wait(0, t), rows[i % 4].res);
		}
		ktap_eq(tgt.nr_done, k ? 0 : 8);
		down(dev);
	}
}

/* More SQEs in one turn than the ring has. */
static void test_sq_overflow(void)
{
	struct ublk_dev *dev;
	int tags[8], i;

	reset();
	tgt.mode = SQES;
	dev = up(&without_done);
	for (i = 0; i < 8; i++)
		tags[i] = mock_request(0, UBLK_IO_OP_READ, 2, 8);
	for (i = 0; i < 8; i++)
		ktap_eq(mock_wait(0, tags[i]), 1536);
	down(dev);
}

static void test_get_data(void)
{
	struct ublk_dev *dev;
	int t;

	reset();
	mock.get_data = true;
	opts.features = UBLK_F_NEED_GET_DATA;
	dev = up(&with_done);
	t = mock_request(0, UBLK_IO_OP_WRITE, 0, 8);
	ktap_eq(mock_wait(0, t), 4096);
	ktap_eq(mock_nr_get_data(), 1);
	t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	ktap_eq(mock_wait(0, t), 4096);
	ktap_eq(mock_nr_get_data(), 1);
	down(dev);
}

/* A commit that the driver refuses ends all workers, not the process. */
static void failing_commit(enum mode mode, int err)
{
	struct ublk_dev *dev;

	reset();
	tgt.mode = mode;
	opts.nr_queues = 3;
	dev = up(&with_done);
	mock.commit = err;
	ktap_true(mock_request(1, UBLK_IO_OP_READ, 0, 8) >= 0);
	ktap_true(wait_event(dev));
	ktap_true(ublk_dev_failed(dev) < 0);
	down(dev);
}

static void test_commit_refused(void)
{
	ublk_set_log(quiet_log, UBLK_LOG_ERR);
	failing_commit(INLINE, EINVAL);
	ublk_set_log(NULL, UBLK_LOG_ERR);
}

static void test_commit_twice(void)
{
	ublk_set_log(quiet_log, UBLK_LOG_ERR);
	failing_commit(TWICE, 0);
	ublk_set_log(NULL, UBLK_LOG_ERR);
}

/* All CQEs of a turn are answered by the next turn's one system call. */
static void test_one_enter_per_turn(void)
{
	struct ublk_dev *dev;
	unsigned int before;
	int i, t;

	reset();
	dev = up(&with_done);
	before = mock_nr_enter();
	for (i = 0; i < 100; i++) {
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), 4096);
	}
	ktap_true(mock_nr_enter() - before <= 101);
	down(dev);
}

/* A sum starts at 0, whatever way the tag's last request ended. */
static void test_sum_after_foreign(void)
{
	struct ublk_dev *dev;
	int t;

	reset();
	opts.depth = 1;
	tgt.mode = FOREIGN;
	dev = up(&with_done);
	t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	ktap_eq(mock_wait(0, t), 4096);
	tgt.mode = SQES;
	t = mock_request(0, UBLK_IO_OP_READ, 2, 8);
	ktap_eq(mock_wait(0, t), 1536);
	down(dev);
}

static const struct ktap_test tests[] = {
	{ "many_requests", test_many_requests },
	{ "foreign_thread", test_foreign_thread },
	{ "aggregate", test_aggregate },
	{ "sq_overflow", test_sq_overflow },
	{ "get_data", test_get_data },
	{ "commit_refused", test_commit_refused },
	{ "commit_twice", test_commit_twice },
	{ "sum_after_foreign", test_sum_after_foreign },
	{ "one_enter_per_turn", test_one_enter_per_turn },
};

int main(void)
{
	ublk_set_log(NULL, UBLK_LOG_ERR);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
