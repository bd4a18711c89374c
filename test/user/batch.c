// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: batch commands. One fetch command that lives
 * on, buffers that come back, one commit per turn of the loop, and everything
 * that can be short or refused.
 */
#include "rig.h"

static struct ublk_dev *batch_up(void)
{
	mock.features = UBLK_F_BATCH_IO;
	opts.batch = UBLK_CHOICE_YES;
	return up(&with_done);
}

static void served(unsigned int qid, int res)
{
	int t = mock_request(qid, UBLK_IO_OP_READ, 0, 8);

	ktap_true(t >= 0);
	ktap_eq(mock_wait(qid, t), res);
}

/* More requests than tags, and many more than buffers. */
static void test_many_requests(void)
{
	struct ublk_dev *dev;
	int tags[2][16], q, i, round;

	reset();
	opts.nr_queues = 2;
	opts.depth = 16;
	dev = batch_up();
	ktap_true(ublk_dev_info(dev)->flags & UBLK_F_BATCH_IO);
	for (round = 0; round < 60; round++) {
		for (i = 0; i < 16; i++)
			for (q = 0; q < 2; q++)
				tags[q][i] = mock_request(q, UBLK_IO_OP_WRITE,
							  i, i + 1);
		for (i = 0; i < 16; i++)
			for (q = 0; q < 2; q++)
				ktap_eq(mock_wait(q, tags[q][i]),
					(i + 1) * 512);
	}
	/* one command per queue has brought them all */
	ktap_eq(mock_nr_fetches(), 2);
	down(dev);
}

static void hold(int *tags, int nr)
{
	int i;

	mock.hold = true;
	for (i = 0; i < nr; i++)
		tags[i] = mock_request(0, UBLK_IO_OP_READ, i, i + 1);
}

/* What one CQE brought is ended by one command, whose end wakes nobody. */
static void test_one_commit_per_turn(void)
{
	struct ublk_dev *dev;
	unsigned int before;
	int tags[8], i;

	reset();
	dev = batch_up();
	before = mock_nr_enter();
	hold(tags, 8);
	mock_release();
	for (i = 0; i < 8; i++)
		ktap_eq(mock_wait(0, tags[i]), (i + 1) * 512);
	ktap_eq(mock_nr_commits(), 1);
	for (i = 0; i < 50; i++)
		served(0, 4096);
	ktap_eq(mock_nr_commits(), 51);
	ktap_true(mock_nr_enter() - before <= 52);
	down(dev);
}

/* D-174, D-238: the rest is sent again. */
static void test_short_commit(void)
{
	struct ublk_dev *dev;
	int tags[8], i, nr;

	for (nr = 1; nr < 8; nr++) {
		reset();
		dev = batch_up();
		mock.short_commit = nr;
		hold(tags, 8);
		mock_release();
		for (i = 0; i < 8; i++)
			ktap_eq(mock_wait(0, tags[i]), (i + 1) * 512);
		ktap_eq(mock_nr_commits(), 2);
		served(0, 4096);
		down(dev);
	}
}

/* Driver and library disagree about a tag: all threads end, not the process. */
static void test_commit_refused(void)
{
	static const struct {
		enum mode mode;
		int err;
	} rows[] = { { INLINE, EINVAL }, { TWICE, 0 } };
	struct ublk_dev *dev;
	size_t i;

	ublk_set_log(quiet_log, UBLK_LOG_ERR);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		reset();
		tgt.mode = rows[i].mode;
		opts.nr_queues = 3;
		dev = batch_up();
		mock.commit = rows[i].err;
		ktap_true(mock_request(1, UBLK_IO_OP_READ, 0, 8) >= 0);
		ktap_true(wait_event(dev));
		ktap_true(ublk_dev_failed(dev) < 0);
		down(dev);
	}
	ublk_set_log(NULL, UBLK_LOG_ERR);
}

/* D-190, D-191: tags wait for the next fetch command. */
static void test_enobufs(void)
{
	struct ublk_dev *dev;
	int tags[8], i;

	reset();
	dev = batch_up();
	mock.enobufs = 2;
	hold(tags, 8);
	mock_release();
	for (i = 0; i < 8; i++)
		ktap_eq(mock_wait(0, tags[i]), (i + 1) * 512);
	ktap_eq(mock_nr_fetches(), 3);
	ktap_eq(mock.enobufs, 0);
	served(0, 4096);
	down(dev);
}

static void test_start_refused(void)
{
	static const struct {
		int prep, fetch, res;
	} rows[] = { { EBUSY, 0, -EBUSY }, { 0, EINVAL, -EINVAL } };
	struct ublk_dev *dev;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		reset();
		mock.features = UBLK_F_BATCH_IO;
		opts.batch = UBLK_CHOICE_YES;
		opts.nr_queues = 2;
		dev = up_to_configured(&with_done);
		mock.prep = rows[i].prep;
		mock.fetch = rows[i].fetch;
		ktap_eq(ublk_dev_start(dev), rows[i].res);
		ktap_true(strstr(ublk_strerror_last(), "driver refused to"));
		ktap_eq(ublk_dev_del(dev), 0);
		ublk_dev_free(dev);
		ktap_eq(tgt.nr_queue_open, tgt.nr_queue_close);
	}
}

/* D-232: no new fetch command after ENODEV, and the threads end by it. */
static void test_stopped_by_others(void)
{
	struct ublk_dev *dev;

	reset();
	opts.nr_queues = 2;
	dev = batch_up();
	served(1, 4096);
	mock_stop_all();
	ktap_true(wait_event(dev));
	ktap_eq(ublk_dev_failed(dev), 0);
	ktap_eq(ublk_dev_wait(dev), 0);
	ktap_eq(mock_nr_fetches(), 2);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
}

static void test_foreign_thread(void)
{
	struct ublk_dev *dev;
	int tags[8], i, round;

	reset();
	tgt.mode = FOREIGN;
	dev = batch_up();
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 8; i++)
			tags[i] = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		for (i = 0; i < 8; i++)
			ktap_eq(mock_wait(0, tags[i]), 4096);
	}
	down(dev);
}

/* Several fetch commands per queue; the first thread prepares for all. */
static void test_threads(void)
{
	struct ublk_dev *dev;
	int i;

	reset();
	opts.nr_queues = 2;
	opts.io_threads = 3;
	dev = batch_up();
	ktap_eq(tgt.nr_queue_open, 6);
	ktap_eq(mock_nr_fetches(), 6);
	for (i = 0; i < 3; i++)
		ktap_true(ublk_dev_thread_tid(dev, 1, i) > 0);
	ktap_true(ublk_dev_thread_tid(dev, 1, 0) !=
		  ublk_dev_thread_tid(dev, 1, 1));
	/* the next one of the queue takes over */
	mock.enobufs = 1;
	for (i = 0; i < 20; i++)
		served(i % 2, 4096);
	ktap_eq(mock_nr_fetches(), 7);
	down(dev);
}

static void test_recover(void)
{
	struct ublk_dev *dev;

	reset();
	opts.features = UBLK_F_USER_RECOVERY;
	dev = batch_up();
	served(0, 4096);
	ktap_eq(ublk_dev_detach(dev), 0);
	ublk_dev_free(dev);

	/* the device has its mode, whatever is asked for now */
	opts.id = mock_info()->dev_id;
	opts.batch = UBLK_CHOICE_NO;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), 0);
	ktap_eq(ublk_dev_recover(dev), 0);
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_start(dev), 0);
	served(0, 4096);
	ktap_true(mock_nr_commits() >= 2);
	down(dev);
}

/* In copy mode every element names the tag's buffer (D-93). */
static void test_buffers(void)
{
	struct ublk_dev *dev;
	char *first;
	int i, t;

	reset();
	tgt.mode = FILL;
	dev = batch_up();
	first = mock_buffer(0, 0);
	for (i = 0; i < 8; i++)
		ktap_eq((char *)mock_buffer(0, i) - first,
			i * (long)opts.io_buf_bytes);
	t = mock_request(0, UBLK_IO_OP_READ, 5, 2);
	ktap_eq(mock_wait(0, t), 1024);
	ktap_true(mock_buffer(0, t) == tgt.seen_buf);
	ktap_eq(((char *)mock_buffer(0, t))[600], 6);
	down(dev);
}

static const struct ktap_test tests[] = {
	{ "many_requests", test_many_requests },
	{ "one_commit_per_turn", test_one_commit_per_turn },
	{ "short_commit", test_short_commit },
	{ "commit_refused", test_commit_refused },
	{ "enobufs", test_enobufs },
	{ "start_refused", test_start_refused },
	{ "stopped_by_others", test_stopped_by_others },
	{ "foreign_thread", test_foreign_thread },
	{ "threads", test_threads },
	{ "recover", test_recover },
	{ "buffers", test_buffers },
};

int main(void)
{
	ublk_set_log(NULL, UBLK_LOG_ERR);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
