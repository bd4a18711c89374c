// SPDX-License-Identifier: GPL-2.0
/*
 * libublk on a real driver: what the program's targets never do. Requests that
 * are completed by foreign threads, several backend operations per request,
 * and a target that breaks the rules. Skipped where no driver is loaded.
 *
 * Every test has a disk of its own in this process and reads or writes it; a
 * read that the device's own process waits for is why that happens in threads.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "ktap.h"
#include "private.h"

#define DISK_BYTES	(16 << 20)
#define READ_BYTES	65536
#define DEADLINE_S	20

enum mode { FOREIGN, PIECES, TWICE };

static enum mode mode;
static int backing = -1;
static char disk[32];

static unsigned char pattern(__u64 pos)
{
	return pos * 11 + (pos >> 9) * 5 + 3;
}

static int t_open(struct ublk_dev *dev, void *cfg)
{
	(void)cfg;
	return ublk_params_set_size(ublk_dev_params(dev), DISK_BYTES);
}

static void *t_foreign(void *arg)
{
	struct ublk_io *io = arg;
	__u64 pos = io->desc->start_sector << 9, i;
	__u64 len = (__u64)io->desc->nr_sectors << 9;

	for (i = 0; i < len; i++)
		((unsigned char *)io->buf)[i] = pattern(pos + i);
	ublk_io_complete(io, len);
	return NULL;
}

/* One read per sector; together they are the request. */
static void t_pieces(struct ublk_io *io)
{
	__u64 pos = io->desc->start_sector << 9;
	__u32 i;

	for (i = 0; i < io->desc->nr_sectors; i++)
		io_uring_prep_read(ublk_io_sqe(io), backing,
				   (char *)io->buf + i * 512, 512,
				   pos + i * 512);
}

static void t_submit(struct ublk_queue *q, struct ublk_io *io)
{
	pthread_t thread;

	(void)q;
	if (mode == PIECES) {
		t_pieces(io);
	} else if (mode == TWICE) {
		ublk_io_complete(io, io->desc->nr_sectors << 9);
		ublk_io_complete(io, io->desc->nr_sectors << 9);
	} else if (!pthread_create(&thread, NULL, t_foreign, io)) {
		pthread_detach(thread);
	} else {
		ublk_io_complete(io, -EIO);
	}
}

static const struct ublk_target target = {
	UBLK_TARGET(), .name = "live", .open = t_open, .submit = t_submit,
};

static struct ublk_dev *up(enum mode m, unsigned int queues)
{
	struct ublk_dev_opts opts = {
		.struct_size = sizeof(opts), .id = UBLK_ID_AUTO,
		.nr_queues = queues, .depth = 8, .io_buf_bytes = READ_BYTES,
	};
	struct ublk_dev *dev = NULL;

	mode = m;
	alarm(DEADLINE_S);
	ktap_eq(ublk_dev_new(&dev, &opts, &target, NULL), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_start(dev), 0);
	snprintf(disk, sizeof(disk), "/dev/ublkb%u", ublk_dev_info(dev)->dev_id);
	return dev;
}

static void down(struct ublk_dev *dev)
{
	ktap_eq(ublk_dev_stop(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	ktap_eq(access(disk, F_OK), -1);
	alarm(0);
}

/* Return: number of reads that failed or brought wrong bytes */
static void *reader(void *arg)
{
	long start = (long)arg, bad = 0;
	unsigned char *buf;
	int fd, i, k;

	fd = open(disk, O_RDONLY | O_DIRECT | O_CLOEXEC);
	buf = aligned_alloc(4096, READ_BYTES);
	for (i = 0; i < 20; i++) {
		__u64 pos = (start * 20 + i) * READ_BYTES % DISK_BYTES;

		if (pread(fd, buf, READ_BYTES, pos) != READ_BYTES) {
			bad++;
			continue;
		}
		for (k = 0; k < READ_BYTES; k++)
			if (buf[k] != pattern(pos + k))
				break;
		bad += k != READ_BYTES;
	}
	free(buf);
	close(fd);
	return (void *)bad;
}

static long read_all(void)
{
	pthread_t threads[4];
	long i, bad = 0;
	void *ret;

	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, reader, (void *)i);
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &ret);
		bad += (long)ret;
	}
	return bad;
}

static void test_foreign_threads(void)
{
	struct ublk_dev *dev = up(FOREIGN, 2);

	ktap_eq(read_all(), 0);
	down(dev);
}

/* 128 operations per request on a ring for 8 tags: it overflows each time. */
static void test_many_sqes_per_request(void)
{
	char path[] = "/tmp/ublk-test-live.XXXXXX";
	struct ublk_dev *dev;
	unsigned char *all = malloc(DISK_BYTES);
	long i;

	for (i = 0; i < DISK_BYTES; i++)
		all[i] = pattern(i);
	backing = mkstemp(path);
	unlink(path);
	ktap_eq(write(backing, all, DISK_BYTES), DISK_BYTES);
	free(all);
	dev = up(PIECES, 1);
	ktap_eq(read_all(), 0);
	down(dev);
	close(backing);
}

static void quiet_log(enum ublk_log_level level, const char *msg)
{
	(void)level;
	(void)msg;
}

/* The driver refuses the second commit: the worker gives up, nothing hangs. */
static void test_commit_twice(void)
{
	struct ublk_dev *dev = up(TWICE, 2);
	struct pollfd p = { ublk_dev_event_fd(dev), POLLIN, 0 };
	pthread_t thread;

	ublk_set_log(quiet_log, UBLK_LOG_ERR);
	pthread_create(&thread, NULL, reader, NULL);
	ktap_eq(poll(&p, 1, 5000), 1);
	ktap_true(ublk_dev_failed(dev) < 0);
	ktap_eq(ublk_dev_stop(dev), 0);
	pthread_join(thread, NULL);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	ktap_eq(access(disk, F_OK), -1);
	alarm(0);
}

static const struct ktap_test tests[] = {
	{ "foreign_threads", test_foreign_threads },
	{ "many_sqes_per_request", test_many_sqes_per_request },
	{ "commit_twice", test_commit_twice },
};

int main(void)
{
	if (access("/dev/ublk-control", R_OK | W_OK)) {
		puts("KTAP version 1\n1..0 # SKIP no /dev/ublk-control; run it as root where the driver is loaded");
		return 4;
	}
	return ktap_run(tests, ARRAY_SIZE(tests));
}
