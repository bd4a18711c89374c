// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: the life of a device, and what happens when
 * the driver or the target fails on the way.
 */
#include "rig.h"

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
		{ 1, 4097, 4096 }, { 1, 1, 4095 },
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

/*
 * Callers built with an older header: their structures end earlier, and what
 * lies behind them is not theirs.
 */
static void test_old_abi(void)
{
	struct {
		char target[sizeof(struct ublk_target)];
		char opts[sizeof(struct ublk_dev_opts)];
	} old __attribute__((aligned(16)));
	struct ublk_target *target = (void *)old.target;
	struct ublk_dev_opts *o = (void *)old.opts;
	struct ublk_dev *dev;
	int t;

	reset();
	mock.features = ~0ULL;
	memset(&old, 0xff, sizeof(old));
	memcpy(target, &with_done, offsetof(struct ublk_target, flags));
	target->struct_size = offsetof(struct ublk_target, flags);
	memcpy(o, &opts, offsetof(struct ublk_dev_opts, mode));
	o->struct_size = offsetof(struct ublk_dev_opts, mode);
	ktap_eq(ublk_dev_new(&dev, o, target, NULL), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	/* it may look at the data, so the data has to be there */
	ktap_eq(ublk_dev_info(dev)->flags & UBLK_F_AUTO_BUF_REG, 0);
	ktap_eq(ublk_dev_io_threads(dev), 1);
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_start(dev), 0);
	t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	ktap_eq(mock_wait(0, t), 4096);
	down(dev);

	/* the one before done() existed, and one that never did */
	target->struct_size = offsetof(struct ublk_target, done);
	ktap_eq(ublk_dev_new(&dev, o, target, NULL), 0);
	ublk_dev_free(dev);
	target->struct_size -= sizeof(void *);
	ktap_eq(ublk_dev_new(&dev, o, target, NULL), -EINVAL);
	target->struct_size = sizeof(*target) + 8;
	ktap_eq(ublk_dev_new(&dev, o, target, NULL), -EINVAL);
	ktap_eq(strcmp(ublk_strerror_last(), "built against another libublk"), 0);
}

static const struct ktap_test tests[] = {
	{ "lifecycle", test_lifecycle },
	{ "wrong_stage", test_wrong_stage },
	{ "bad_opts", test_bad_opts },
	{ "feature_not_granted", test_feature_not_granted },
	{ "fewer_queues", test_fewer_queues },
	{ "stop_with_request", test_stop_with_request },
	{ "stopped_by_others", test_stopped_by_others },
	{ "recover", test_recover },
	{ "recover_refused", test_recover_refused },
	{ "start_failures", test_start_failures },
	{ "early_failures", test_early_failures },
	{ "old_rings", test_old_rings },
	{ "buffers", test_buffers },
	{ "old_abi", test_old_abi },
};

int main(void)
{
	ublk_set_log(NULL, UBLK_LOG_ERR);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
