// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: life cycle, the loop of a worker, commits
 * from the own and from foreign threads, and what happens when the driver or
 * the target fails.
 */
#include <poll.h>

#include "ktap.h"
#include "mock_kernel.h"
#include "private.h"

/* ---- a target that does what the test says ------------------------------ */

enum mode { INLINE, FOREIGN, HOLD, SQES, TWICE };

static struct {
	enum mode mode;
	int open_err, queue_open_err;
	int nr_open, nr_close, nr_queue_open, nr_queue_close, nr_done;
	struct ublk_io *held;
	int done_res;
} tgt;

static int t_open(struct ublk_dev *dev, void *cfg)
{
	(void)cfg;
	if (tgt.open_err)
		return ublk_error(tgt.open_err, "t_open");
	tgt.nr_open++;
	return ublk_params_set_size(ublk_dev_params(dev), 1 << 20);
}

static void t_close(struct ublk_dev *dev)
{
	(void)dev;
	tgt.nr_close++;
}

static int t_queue_open(struct ublk_queue *q)
{
	(void)q;
	if (tgt.queue_open_err)
		return ublk_error(tgt.queue_open_err, "t_queue_open");
	__atomic_add_fetch(&tgt.nr_queue_open, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void t_queue_close(struct ublk_queue *q)
{
	(void)q;
	__atomic_add_fetch(&tgt.nr_queue_close, 1, __ATOMIC_SEQ_CST);
}

static void *t_foreign(void *arg)
{
	struct ublk_io *io = arg;

	ublk_io_complete(io, io->desc->nr_sectors << 9);
	return NULL;
}

static void t_sqes(struct ublk_io *io)
{
	static const int results[] = { 512, 1024, -ENOSPC, -EIO, 512 };
	unsigned int i, nr = io->desc->start_sector;

	for (i = 0; i < nr; i++) {
		struct io_uring_sqe *sqe = ublk_io_sqe(io);

		io_uring_prep_nop(sqe);
		/* the mock answers with it */
		sqe->nop_flags = results[i];
	}
}

static void t_submit(struct ublk_queue *q, struct ublk_io *io)
{
	pthread_t thread;

	(void)q;
	switch (tgt.mode) {
	case INLINE:
		ublk_io_complete(io, io->desc->nr_sectors << 9);
		break;
	case FOREIGN:
		pthread_create(&thread, NULL, t_foreign, io);
		pthread_detach(thread);
		break;
	case HOLD:
		__atomic_store_n(&tgt.held, io, __ATOMIC_RELEASE);
		break;
	case SQES:
		t_sqes(io);
		break;
	case TWICE:
		ublk_io_complete(io, 512);
		ublk_io_complete(io, 512);
		break;
	}
}

static void t_done(struct ublk_queue *q, struct ublk_io *io, int res)
{
	(void)q;
	tgt.nr_done++;
	tgt.done_res = res;
	ublk_io_complete(io, res);
}

static const struct ublk_target with_done = {
	UBLK_TARGET(), .name = "test", .open = t_open, .close = t_close,
	.queue_open = t_queue_open, .queue_close = t_queue_close,
	.submit = t_submit, .done = t_done, .io_size = 24,
};

static const struct ublk_target without_done = {
	UBLK_TARGET(), .name = "test", .open = t_open,
	.submit = t_submit,
};

/* ---- helpers ------------------------------------------------------------ */

static struct ublk_dev_opts opts;

static void reset(void)
{
	mock_reset();
	memset(&tgt, 0, sizeof(tgt));
	opts = (struct ublk_dev_opts){
		.struct_size = sizeof(opts), .id = UBLK_ID_AUTO,
		.nr_queues = 1, .depth = 8, .io_buf_bytes = 65536,
	};
}

static struct ublk_dev *up_to_configured(const struct ublk_target *t)
{
	struct ublk_dev *dev = NULL;

	ktap_eq(ublk_dev_new(&dev, &opts, t, NULL), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), 0);
	return dev;
}

static struct ublk_dev *up(const struct ublk_target *t)
{
	struct ublk_dev *dev = up_to_configured(t);

	ktap_eq(ublk_dev_start(dev), 0);
	return dev;
}

static void down(struct ublk_dev *dev)
{
	ktap_eq(ublk_dev_stop(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	ktap_eq(mock_device_exists(), 0);
	ktap_eq(mock_nr_foreign(), 0);
	ktap_eq(tgt.nr_queue_open, tgt.nr_queue_close);
}

static bool wait_event(struct ublk_dev *dev)
{
	struct pollfd p = { ublk_dev_event_fd(dev), POLLIN, 0 };

	return poll(&p, 1, 2000) == 1;
}

/* ---- tests -------------------------------------------------------------- */

static void test_lifecycle(void)
{
	struct ublk_dev *dev;
	int t;

	reset();
	dev = up(&with_done);
	ktap_eq(ublk_dev_info(dev)->dev_id, 7);
	ktap_true(ublk_dev_queue_tid(dev, 0) > 0);
	t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	ktap_true(t >= 0);
	ktap_eq(mock_wait(0, t), 4096);
	ktap_eq(ublk_dev_failed(dev), 0);
	down(dev);
	ktap_eq(tgt.nr_open, 1);
	ktap_eq(tgt.nr_close, 1);
	ktap_eq(tgt.nr_queue_open, 1);
}

static void test_wrong_stage(void)
{
	struct ublk_dev *dev = NULL;

	reset();
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), 0);
	ktap_eq(ublk_dev_configure(dev), -EPERM);
	ktap_eq(strcmp(ublk_strerror_last(),
		       "configure needs a device that is added, this one is new"), 0);
	ktap_eq(ublk_dev_start(dev), -EPERM);
	ktap_eq(ublk_dev_stop(dev), -EPERM);
	ktap_eq(ublk_dev_wait(dev), -EPERM);
	ktap_eq(ublk_dev_del(dev), -EPERM);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_add(dev), -EPERM);
	ktap_eq(ublk_dev_start(dev), -EPERM);
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_configure(dev), -EPERM);
	ktap_eq(ublk_dev_start(dev), 0);
	ktap_eq(ublk_dev_start(dev), -EPERM);
	ktap_eq(ublk_dev_del(dev), -EPERM);
	down(dev);
}

static void test_bad_opts(void)
{
	static const struct {
		__u16 queues, depth;
		__u32 buf;
	} rows[] = {
		{ 0, 1, 4096 }, { 4097, 1, 4096 }, { 1, 0, 4096 },
		{ 1, 4097, 4096 }, { 1, 1, 0 }, { 1, 1, 4095 },
		{ 1, 1, 64U << 20 },
	};
	struct ublk_dev *dev;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		reset();
		opts.nr_queues = rows[i].queues;
		opts.depth = rows[i].depth;
		opts.io_buf_bytes = rows[i].buf;
		ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), -EINVAL);
		ktap_eq(tgt.nr_open, 0);
	}
}

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

static void test_feature_not_granted(void)
{
	struct ublk_dev *dev = NULL;

	reset();
	opts.features = UBLK_F_NEED_GET_DATA;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), 0);
	ktap_eq(ublk_dev_add(dev), -EOPNOTSUPP);
	ktap_eq(mock_device_exists(), 0);
	ublk_dev_free(dev);
}

static void test_fewer_queues(void)
{
	struct ublk_dev *dev;

	reset();
	mock.no_queues = true;
	opts.nr_queues = 32;
	dev = up(&with_done);
	ktap_eq(ublk_dev_info(dev)->nr_hw_queues, 1);
	ktap_eq(tgt.nr_queue_open, 1);
	down(dev);
}

/* A stop waits for what the target holds; the tag gets ENODEV after it. */
static void *complete_later(void *arg)
{
	struct ublk_io *io;

	(void)arg;
	while (!(io = __atomic_load_n(&tgt.held, __ATOMIC_ACQUIRE)))
		usleep(1000);
	usleep(50000);
	ublk_io_complete(io, 512);
	return NULL;
}

static void test_stop_with_request(void)
{
	struct ublk_dev *dev;
	pthread_t thread;
	int t;

	reset();
	tgt.mode = HOLD;
	dev = up(&with_done);
	t = mock_request(0, UBLK_IO_OP_READ, 0, 1);
	pthread_create(&thread, NULL, complete_later, NULL);
	down(dev);
	pthread_join(thread, NULL);
	ktap_eq(mock_wait(0, t), 512);
}

static void test_stopped_by_others(void)
{
	struct ublk_dev *dev;

	reset();
	opts.nr_queues = 2;
	dev = up(&with_done);
	mock_stop_all();
	ktap_true(wait_event(dev));
	ktap_eq(ublk_dev_failed(dev), 0);
	ktap_eq(ublk_dev_wait(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	ktap_eq(tgt.nr_queue_close, 2);
}

/* Served by a first handle, left, and taken over by a second one. */
static void test_recover(void)
{
	struct ublk_dev *dev;
	int t;

	reset();
	opts.nr_queues = 2;
	opts.features = UBLK_F_USER_RECOVERY;
	dev = up(&with_done);
	ktap_eq(ublk_dev_detach(dev), 0);
	ktap_eq(ublk_dev_detach(dev), -EPERM);
	ublk_dev_free(dev);
	ktap_eq(mock_device_exists(), 1);

	mock.busy = 3;
	opts.id = mock_info()->dev_id;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), 0);
	ktap_eq(ublk_dev_recover(dev), 0);
	ktap_eq(mock.busy, 0);
	ktap_eq(ublk_dev_recover(dev), -EPERM);
	/* parameters are kept, a SET_PARAMS would be refused */
	mock.set_params = EACCES;
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_start(dev), 0);
	t = mock_request(1, UBLK_IO_OP_READ, 0, 8);
	ktap_true(t >= 0);
	ktap_eq(mock_wait(1, t), 4096);
	down(dev);
}

/* What is refused leaves the device to the next one. */
static void test_recover_refused(void)
{
	static const struct {
		const char *what;
		__u32 max_io;
		__u64 flags, sectors;
		int end, res;
	} rows[] = {
		{ "buffers", 8192, UBLK_F_USER_RECOVERY, 0, 0, -EINVAL },
		{ "flag", 0, 0, 0, 0, -EINVAL },
		{ "size", 0, UBLK_F_USER_RECOVERY, 4096, 0, -EINVAL },
		{ "end", 0, UBLK_F_USER_RECOVERY, 0, EBUSY, -EBUSY },
	};
	struct ublk_dev *dev;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].what;
		reset();
		opts.features = UBLK_F_USER_RECOVERY;
		dev = up(&with_done);
		ktap_eq(ublk_dev_detach(dev), 0);
		ublk_dev_free(dev);
		mock_info()->flags = rows[i].flags;
		if (rows[i].max_io)
			mock_info()->max_io_buf_bytes = rows[i].max_io;
		if (rows[i].sectors)
			mock_params()->basic.dev_sectors = rows[i].sectors;
		mock.end_recovery = rows[i].end;

		opts.id = mock_info()->dev_id;
		ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), 0);
		ret = ublk_dev_recover(dev);
		if (!ret)
			ret = ublk_dev_configure(dev);
		if (!ret)
			ret = ublk_dev_start(dev);
		ktap_eq(ret, rows[i].res);
		ublk_dev_free(dev);
		ktap_eq(mock_device_exists(), 1);
	}
}

static void quiet_log(enum ublk_log_level level, const char *msg)
{
	(void)level;
	(void)msg;
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

static void test_start_failures(void)
{
	static const struct {
		int fetch, start, queue_open, res;
	} rows[] = {
		{ EBUSY, 0, 0, -EBUSY },
		{ 0, EEXIST, 0, -EEXIST },
		{ 0, 0, -ENXIO, -ENXIO },
	};
	struct ublk_dev *dev;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		reset();
		opts.nr_queues = 2;
		mock.fetch = rows[i].fetch;
		mock.start = rows[i].start;
		tgt.queue_open_err = rows[i].queue_open;
		dev = up_to_configured(&with_done);
		ktap_eq(ublk_dev_start(dev), rows[i].res);
		ktap_true(*ublk_strerror_last());
		ktap_eq(ublk_dev_del(dev), 0);
		ublk_dev_free(dev);
		ktap_eq(mock_device_exists(), 0);
		ktap_eq(tgt.nr_queue_open, tgt.nr_queue_close);
		ktap_eq(tgt.nr_close, 1);
	}
}

static void test_early_failures(void)
{
	struct ublk_dev *dev = NULL;

	reset();
	tgt.open_err = -ENOENT;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), -ENOENT);
	ktap_eq(tgt.nr_close, 0);

	reset();
	mock.add = EEXIST;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), 0);
	ktap_eq(ublk_dev_add(dev), -EEXIST);
	ublk_dev_free(dev);

	reset();
	mock.set_params = EINVAL;
	ktap_eq(ublk_dev_new(&dev, &opts, &with_done, NULL), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), -EINVAL);
	ktap_eq(ublk_dev_del(dev), 0);
	ktap_eq(mock_device_exists(), 0);
	ublk_dev_free(dev);
}

/* Kernels that lack ring flags, from the newest flag on. */
static void test_old_rings(void)
{
	static const unsigned int unknown[] = {
		IORING_SETUP_NO_SQARRAY,
		IORING_SETUP_NO_SQARRAY | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_NO_SQARRAY | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_COOP_TASKRUN,
	};
	struct ublk_dev *dev;
	size_t i;
	int t;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		reset();
		mock.ring_einval = unknown[i];
		dev = up(&with_done);
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		ktap_eq(mock_wait(0, t), 4096);
		down(dev);
	}
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

/* Page aligned, as long as asked for, no overlap. */
static void test_buffers(void)
{
	struct ublk_dev *dev;
	char *first = NULL;
	int i;

	reset();
	tgt.mode = HOLD;
	opts.flags = UBLK_DEV_MLOCK;
	opts.depth = 4;
	dev = up(&with_done);
	for (i = 0; i < 4; i++) {
		char *buf = mock_buffer(0, i);

		ktap_eq((uintptr_t)buf % 4096, 0);
		memset(buf, i, opts.io_buf_bytes);
		if (!i)
			first = buf;
		ktap_eq(buf - first, i * (long)opts.io_buf_bytes);
	}
	down(dev);
}

static const struct ktap_test tests[] = {
	{ "lifecycle", test_lifecycle },
	{ "wrong_stage", test_wrong_stage },
	{ "bad_opts", test_bad_opts },
	{ "many_requests", test_many_requests },
	{ "foreign_thread", test_foreign_thread },
	{ "aggregate", test_aggregate },
	{ "sq_overflow", test_sq_overflow },
	{ "get_data", test_get_data },
	{ "feature_not_granted", test_feature_not_granted },
	{ "fewer_queues", test_fewer_queues },
	{ "stop_with_request", test_stop_with_request },
	{ "stopped_by_others", test_stopped_by_others },
	{ "recover", test_recover },
	{ "recover_refused", test_recover_refused },
	{ "commit_refused", test_commit_refused },
	{ "commit_twice", test_commit_twice },
	{ "start_failures", test_start_failures },
	{ "early_failures", test_early_failures },
	{ "old_rings", test_old_rings },
	{ "one_enter_per_turn", test_one_enter_per_turn },
	{ "buffers", test_buffers },
};

int main(void)
{
	ublk_set_log(NULL, UBLK_LOG_ERR);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
