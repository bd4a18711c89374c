// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: requests that the target has when the device
 * is detached, stopped after a failure, or freed. Completing one later is refused
 * and uses no memory that is gone, which the address sanitizer sees; nothing is
 * kept that no request needs, which its leak checker sees.
 */
#include <stdio.h>

#include "rig.h"

#define MAX_HELD	64

static struct {
	pthread_mutex_t lock;
	struct ublk_io *io[MAX_HELD];
	int nr;
	bool close_completes;		/* in queue_close() */
	int close_ret;
} held = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void h_submit(struct ublk_queue *q, struct ublk_io *io)
{
	(void)q;
	pthread_mutex_lock(&held.lock);
	held.io[held.nr++] = io;
	pthread_mutex_unlock(&held.lock);
}

static void h_queue_close(struct ublk_queue *q)
{
	int i;

	t_queue_close(q);
	for (i = 0; held.close_completes && i < held.nr; i++)
		held.close_ret = ublk_io_complete(held.io[i], 4096);
}

static const struct ublk_target holds = {
	UBLK_TARGET(), .name = "holds", .open = t_open, .close = t_close,
	.queue_open = t_queue_open, .queue_close = h_queue_close,
	.submit = h_submit, .io_size = 24,
};

static const struct ublk_target holds_ring = {
	UBLK_TARGET(), .name = "holds", .open = t_open, .close = t_close,
	.submit = h_submit, .io_size = 24, .flags = UBLK_TARGET_RING_DATA,
};

static void start_over(void)
{
	reset();
	held.nr = 0;
	held.close_completes = false;
	held.close_ret = 0;
}

static int nr_held(void)
{
	int nr;

	pthread_mutex_lock(&held.lock);
	nr = held.nr;
	pthread_mutex_unlock(&held.lock);
	return nr;
}

/* @nr requests of a read of the sector of their number, held by the target. */
static void hold(int nr)
{
	struct timespec pause = { .tv_nsec = 1000 * 1000 };
	int i;

	for (i = 0; i < nr; i++)
		ktap_true(mock_request(i % opts.nr_queues, UBLK_IO_OP_READ, i,
				       8) >= 0);
	for (i = 0; i < 10000 && nr_held() < nr; i++)
		nanosleep(&pause, NULL);
	ktap_eq(nr_held(), nr);
}

/* What a thread of the target may do with a request as long as it has it. */
static void use(struct ublk_io *io)
{
	ktap_eq(io->desc->nr_sectors, 8);
	if (io->buf)
		memset(io->buf, 0xa5, 4096);
	memset(io->priv, 0xa5, 24);
	ktap_eq(io->q->depth, opts.depth);
	ktap_true(!ublk_dev_priv(io->q->dev));
}

static void give_back(int from, int to)
{
	for (; from < to; from++) {
		use(held.io[from]);
		ktap_eq(ublk_io_complete(held.io[from], 4096), -ECANCELED);
	}
}

/* Mappings of descriptors; the mock kernel has one of each device. */
static int nr_mapped(void)
{
	char line[512];
	int nr = 0;
	FILE *f;

	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof(line), f))
		nr += !!strstr(line, "memfd:descs");
	if (f)
		fclose(f);
	return nr;
}

static const struct {
	const char *name;
	const struct ublk_target *target;
	enum ublk_mode mode;
	enum ublk_choice batch;
	unsigned int queues, threads;
} rows[] = {
	{ "copy", &holds, UBLK_MODE_COPY, UBLK_CHOICE_NO, 1, 1 },
	{ "copy, 3 queues", &holds, UBLK_MODE_COPY, UBLK_CHOICE_NO, 3, 1 },
	{ "copy, threads", &holds, UBLK_MODE_COPY, UBLK_CHOICE_NO, 1, 3 },
	{ "copy, batch", &holds, UBLK_MODE_COPY, UBLK_CHOICE_YES, 2, 1 },
	{ "copy, batch, threads", &holds, UBLK_MODE_COPY, UBLK_CHOICE_YES, 1, 3 },
	{ "user copy", &holds, UBLK_MODE_USER_COPY, UBLK_CHOICE_NO, 1, 1 },
	{ "user copy, batch", &holds, UBLK_MODE_USER_COPY, UBLK_CHOICE_YES, 1, 1 },
	{ "zero copy", &holds_ring, UBLK_MODE_ZERO_COPY, UBLK_CHOICE_NO, 1, 1 },
	{ "zero copy, batch", &holds_ring, UBLK_MODE_ZERO_COPY, UBLK_CHOICE_YES,
	  1, 1 },
};

static struct ublk_dev *row_up(size_t i)
{
	ktap_row = rows[i].name;
	start_over();
	mock.features = ~0ULL;
	opts.mode = rows[i].mode;
	opts.batch = rows[i].batch;
	opts.nr_queues = rows[i].queues;
	opts.io_threads = rows[i].threads;
	return up(rows[i].target);
}

/* Some come back before the handle is freed, the others later. */
static void test_detach_and_free(void)
{
	struct ublk_dev *dev;
	int before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		before = nr_mapped();
		dev = row_up(i);
		hold(6);
		ktap_eq(ublk_dev_detach(dev), 0);
		/* only without one the driver sees the end of the session */
		ktap_eq(nr_mapped(), before + 1);
		give_back(0, 2);
		ublk_dev_free(dev);
		ktap_eq(tgt.nr_close, 1);
		give_back(2, 6);
	}
	ktap_row = NULL;
}

static void test_all_before_free(void)
{
	struct ublk_dev *dev;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		dev = row_up(i);
		hold(3);
		ktap_eq(ublk_dev_detach(dev), 0);
		give_back(0, 3);
		ktap_eq(ublk_dev_del(dev), 0);
		ublk_dev_free(dev);
	}
	ktap_row = NULL;
}

static void test_queue_close(void)
{
	struct ublk_dev *dev;

	start_over();
	dev = up(&holds);
	hold(3);
	held.close_completes = true;
	ktap_eq(ublk_dev_detach(dev), 0);
	ktap_eq(held.close_ret, -ECANCELED);
	ktap_eq(tgt.nr_queue_close, 1);
	ublk_dev_free(dev);
}

/* A handle that is used again waits for the requests of its first session. */
static void test_again(void)
{
	struct ublk_dev *dev;

	start_over();
	dev = up(&holds);
	hold(2);
	ktap_eq(ublk_dev_detach(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	mock_reset();
	ktap_eq(ublk_dev_add(dev), 0);
	give_back(0, 1);
	ktap_eq(ublk_dev_configure(dev), -EBUSY);
	give_back(1, 2);
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_start(dev), 0);
	down(dev);
}

/* A failed thread leaves its requests, and those of the others, with the target. */
static void test_stop_after_failure(void)
{
	struct ublk_dev *dev;

	ublk_set_log(quiet_log, UBLK_LOG_ERR);
	start_over();
	dev = up(&holds);
	hold(3);
	mock.commit = EINVAL;
	ktap_eq(ublk_io_complete(held.io[0], 4096), 0);
	ktap_true(wait_event(dev));
	ktap_eq(ublk_dev_stop(dev), 0);
	give_back(1, 3);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	ublk_set_log(NULL, UBLK_LOG_ERR);
}

/* With an SQE pending a request is the library's: nothing waits for the target. */
static void test_pending(void)
{
	struct ublk_dev *dev;
	int i;

	start_over();
	tgt.mode = SQES;
	dev = up(&with_done);
	mock.backend = MOCK_NEVER;
	ktap_true(mock_request(0, UBLK_IO_OP_READ, 1, 8) >= 0);
	for (i = 0; i < 10000 && !mock_nr_backend(); i++)
		usleep(1000);
	ktap_eq(mock_nr_backend(), 1);
	ktap_eq(ublk_dev_detach(dev), 0);
	ktap_eq(tgt.nr_done, 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
}

static void test_twice(void)
{
	struct ublk_dev *dev;

	start_over();
	opts.depth = 1;
	dev = up(&holds);
	hold(1);
	pthread_mutex_lock(&held.lock);
	ktap_eq(ublk_io_complete(held.io[0], 4096), 0);
	ktap_eq(ublk_io_complete(held.io[0], 4096), -EINVAL);
	pthread_mutex_unlock(&held.lock);
	down(dev);
}

static void test_integrity(void)
{
	struct ublk_dev *dev;
	char buf[64];

	start_over();
	dev = up(&holds);
	hold(1);
	ktap_eq(ublk_dev_detach(dev), 0);
	ktap_eq(ublk_io_read_integrity(held.io[0], buf, 64, 0), -ECANCELED);
	ktap_eq(ublk_io_write_integrity(held.io[0], buf, 64, 0), -ECANCELED);
	give_back(0, 1);
	ublk_dev_free(dev);
}

/* ---- at the same time --------------------------------------------------- */

static int nr_ok, nr_refused, nr_wrong;

static void *completer(void *arg)
{
	struct ublk_io *io = arg;
	int ret;

	use(io);
	ret = ublk_io_complete(io, 4096);
	__atomic_add_fetch(!ret ? &nr_ok : ret == -ECANCELED ? &nr_refused :
			   &nr_wrong, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Detach and free run into the completions, which come from many threads. */
static void test_races(void)
{
	pthread_t threads[6];
	struct ublk_dev *dev;
	int round, i;

	nr_ok = 0;
	nr_refused = 0;
	nr_wrong = 0;
	for (round = 0; round < 60; round++) {
		dev = row_up(round % ARRAY_SIZE(rows));
		hold(6);
		for (i = 0; i < 6; i++)
			pthread_create(&threads[i], NULL, completer,
				       held.io[i]);
		if (round & 1)
			usleep(round * 10);
		ktap_eq(ublk_dev_detach(dev), 0);
		ublk_dev_free(dev);
		for (i = 0; i < 6; i++)
			pthread_join(threads[i], NULL);
	}
	ktap_row = NULL;
	ktap_eq(nr_wrong, 0);
	ktap_eq(nr_ok + nr_refused, 360);
}

static const struct ktap_test tests[] = {
	{ "detach_and_free", test_detach_and_free },
	{ "all_before_free", test_all_before_free },
	{ "queue_close", test_queue_close },
	{ "again", test_again },
	{ "stop_after_failure", test_stop_after_failure },
	{ "pending", test_pending },
	{ "twice", test_twice },
	{ "integrity", test_integrity },
	{ "races", test_races },
};

int main(void)
{
	ublk_set_log(NULL, UBLK_LOG_ERR);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
