/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A target on the mock kernel, for the tests of targets: made from a command
 * line, brought up, given requests, taken down. Included once per program.
 */
#ifndef UBLK_TEST_TARGET_H
#define UBLK_TEST_TARGET_H

#include <fcntl.h>
#include <time.h>
#include <sys/stat.h>

#include "ktap.h"
#include "mock_kernel.h"
#include "opt.h"
#include "private.h"
#include "targets.h"

#define T_DEPTH	4

static char t_config[256] __attribute__((aligned(16)));
static struct opt_table t_table;
static struct ublk_dev *t_dev;
static __u64 t_features;		/* asked for */
static enum ublk_mode t_mode;
static unsigned int t_flags;		/* UBLK_DEV_* */
static bool t_poll_late;
static const struct ublk_store *t_stores;	/* expected */
static unsigned int t_nr_stores;

static inline __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* Less than a second. */
static inline void pause_ms(int ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000L };

	nanosleep(&ts, NULL);
}

/* Return: what the options or ublk_dev_new() said */
static inline int t_new(const struct ublk_target *t, const char *line,
			const struct ublk_dev_opts *opts)
{
	/* the configuration points to its words */
	static char copy[512];
	char *word, *argv[24] = { "add" };
	int argc = 1, ret;

	memset(t_config, 0, sizeof(t_config));
	ktap_true(t->config_size <= sizeof(t_config));
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	t_table = (struct opt_table){
		.opts = t->opts, .base = t_config, .owner = t->name,
	};
	t_dev = NULL;
	ret = opt_parse(&t_table, 1, argc, argv);
	return ret ? ret : ublk_dev_new(&t_dev, opts, t, t_config);
}

/* Return: what ublk_dev_new() said; after a failure nothing is left */
static inline int t_make(const struct ublk_target *t, const char *line)
{
	struct ublk_dev_opts opts = {
		.struct_size = sizeof(opts), .id = UBLK_ID_AUTO,
		.nr_queues = 1, .depth = T_DEPTH, .io_buf_bytes = 65536,
		.features = t_features, .mode = t_mode, .flags = t_flags,
		.stores = t_stores, .nr_stores = t_nr_stores,
	};
	int ret;

	mock_reset();
	mock.features = ~0ULL;
	mock.poll_late = t_poll_late;
	ret = t_new(t, line, &opts);
	if (ret)
		opt_free(&t_table);
	return ret;
}

static inline void t_up(const struct ublk_target *t, const char *line)
{
	int ret = t_make(t, line);

	if (ret)
		ktap_fail(__FILE__, __LINE__, "%s: %s", line,
			  ublk_strerror_last());
	if (ret || ublk_dev_add(t_dev) || ublk_dev_configure(t_dev) ||
	    ublk_dev_start(t_dev)) {
		printf("# %s\n", ublk_strerror_last());
		abort();
	}
}

static inline void t_down(void)
{
	ktap_eq(ublk_dev_stop(t_dev), 0);
	ktap_eq(ublk_dev_del(t_dev), 0);
	ublk_dev_free(t_dev);
	opt_free(&t_table);
}

/* As if the daemon were killed: what it has is left to the driver and in files. */
static inline void t_die(void)
{
	ktap_eq(ublk_dev_detach(t_dev), 0);
	mock_info()->state = UBLK_S_DEV_QUIESCED;
	ublk_dev_free(t_dev);
	opt_free(&t_table);
}

/* The daemon that comes after t_die(). Return: 0 or negative errno with a message */
static inline int t_recover(const struct ublk_target *t, const char *line)
{
	struct ublk_dev_opts opts = {
		.struct_size = sizeof(opts), .id = mock_info()->dev_id,
		.nr_queues = 1, .depth = T_DEPTH, .io_buf_bytes = 65536,
		.features = UBLK_F_USER_RECOVERY, .flags = UBLK_DEV_RECOVER,
		.mode = t_mode,
	};
	int ret = t_new(t, line, &opts);

	if (!ret)
		ret = ublk_dev_recover(t_dev);
	if (!ret)
		ret = ublk_dev_configure(t_dev);
	return ret ? ret : ublk_dev_start(t_dev);
}

/* It is refused, and the sentence has this word. */
static inline void t_refused(const struct ublk_target *t, const char *line,
			     int err, const char *word)
{
	int ret = t_make(t, line);

	ktap_row = line;
	ktap_eq(ret, err);
	if (!ret) {
		ublk_dev_free(t_dev);
		opt_free(&t_table);
	} else if (!strstr(ublk_strerror_last(), word)) {
		ktap_fail(__FILE__, __LINE__, "says: %s", ublk_strerror_last());
	}
	ktap_row = NULL;
}

/*
 * One request from start to end. @data: of a write, and where a read's goes.
 * Return: committed result; @tag when it is wanted
 */
static inline int t_io(__u32 op, __u64 sector, __u32 nr, void *data, int *tag)
{
	bool reads = (op & 0xff) == UBLK_IO_OP_READ ||
		(op & 0xff) == UBLK_IO_OP_REPORT_ZONES;
	int t, ret;

	t = data && !reads ? mock_request_data(0, op, sector, nr, data) :
		mock_request(0, op, sector, nr);
	if (t < 0)
		return -ETIMEDOUT;
	ret = mock_wait(0, t);
	if (data && reads && ret > 0)
		memcpy(data, mock_data(0, t), ret);
	if (tag)
		*tag = t;
	return ret;
}

/* An empty file; the name is the caller's, "XXXXXX" at its end. */
static inline void t_file(char *name, __u64 size)
{
	int fd = mkstemp(name);

	if (fd < 0 || ftruncate(fd, size))
		abort();
	close(fd);
}

static inline void t_read_file(const char *name, void *buf, size_t len,
			       __u64 pos)
{
	int fd = open(name, O_RDONLY);

	if (fd < 0 || pread(fd, buf, len, pos) != (ssize_t)len)
		abort();
	close(fd);
}

#endif
