// SPDX-License-Identifier: GPL-2.0
/*
 * Targets loop and null on the mock kernel: parameters from the backing store,
 * which operation a request becomes, transfers in pieces, errors.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "file.h"
#include "ktap.h"
#include "mock_kernel.h"
#include "opt.h"
#include "private.h"
#include "targets.h"

#define FILE_SIZE	(1 << 20)

#define TEMPLATE "/tmp/ublk-test-loop.XXXXXX"

static char path[sizeof(TEMPLATE)];
static int fd = -1;
static char config[256] __attribute__((aligned(16)));
static struct opt_table table;
static struct ublk_dev *dev;

static unsigned char pattern(__u64 pos)
{
	return pos * 7 + (pos >> 9) * 13 + 1;
}

static void fill_file(__u64 size)
{
	static unsigned char data[FILE_SIZE];
	__u64 i;

	for (i = 0; i < FILE_SIZE; i++)
		data[i] = pattern(i);
	ktap_eq(ftruncate(fd, 0), 0);
	ktap_eq(pwrite(fd, data, size, 0), size);
}

/* @line: options behind the file. Return: what ublk_dev_new() said */
static int make(const struct ublk_target *t, const char *line)
{
	struct ublk_dev_opts opts = {
		.struct_size = sizeof(opts), .id = UBLK_ID_AUTO,
		.nr_queues = 1, .depth = 4, .io_buf_bytes = 65536,
	};
	char copy[256], *word, *argv[16] = { "add" };
	int argc = 1;

	mock_reset();
	memset(config, 0, sizeof(config));
	ktap_true(t->config_size <= sizeof(config));
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	if (t == &loop_target)
		argv[argc++] = path;
	table = (struct opt_table){
		.opts = t->opts, .base = config, .owner = t->name,
	};
	ktap_eq(opt_parse(&table, 1, argc, argv), 0);
	dev = NULL;
	return ublk_dev_new(&dev, &opts, t, config);
}

static void up(const struct ublk_target *t, const char *line)
{
	ktap_eq(make(t, line), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_start(dev), 0);
}

static void down(void)
{
	ktap_eq(ublk_dev_stop(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	opt_free(&table);
}

static int run(__u32 op_flags, __u64 sector, __u32 nr, int *tag)
{
	*tag = mock_request(0, op_flags, sector, nr);
	return *tag < 0 ? -ETIMEDOUT : mock_wait(0, *tag);
}

/* Is what the tag's buffer holds the file's content at @pos? */
static bool buffer_is(int tag, __u64 pos, __u32 len)
{
	const unsigned char *buf = mock_buffer(0, tag);
	__u32 i;

	for (i = 0; i < len; i++)
		if (buf[i] != pattern(pos + i))
			return false;
	return true;
}

static bool file_is_zero(__u64 pos, __u32 len)
{
	unsigned char b;

	for (; len; len--, pos++)
		if (pread(fd, &b, 1, pos) != 1 || b)
			return false;
	return true;
}

static void test_params(void)
{
	const struct ublk_params *p;

	fill_file(FILE_SIZE);
	ktap_eq(make(&loop_target, "--buffered-io"), 0);
	p = ublk_dev_params(dev);
	ktap_eq(p->basic.dev_sectors, FILE_SIZE >> 9);
	ktap_eq(p->basic.logical_bs_shift, 9);
	ktap_true(p->basic.physical_bs_shift >= 9);
	ktap_eq(p->basic.max_sectors, 128);
	ktap_true(p->basic.attrs & UBLK_ATTR_VOLATILE_CACHE);
	ktap_true(p->basic.attrs & UBLK_ATTR_FUA);
	ktap_true(!(p->basic.attrs & UBLK_ATTR_READ_ONLY));
	ktap_true(!(p->types & UBLK_PARAM_TYPE_DMA_ALIGN));
	if (p->types & UBLK_PARAM_TYPE_DISCARD) {
		ktap_eq(p->discard.max_discard_segments, 1);
		ktap_true(p->discard.max_write_zeroes_sectors);
	}
	ublk_dev_free(dev);
	opt_free(&table);

	ktap_eq(make(&loop_target, "--read-only"), 0);
	p = ublk_dev_params(dev);
	ktap_true(p->basic.attrs & UBLK_ATTR_READ_ONLY);
	ktap_true(!(p->basic.attrs & UBLK_ATTR_VOLATILE_CACHE));
	ktap_true(!(p->types & UBLK_PARAM_TYPE_DISCARD));
	ublk_dev_free(dev);
	opt_free(&table);

	ktap_eq(make(&loop_target, "--offset 4K --size 64K"), 0);
	ktap_eq(ublk_dev_params(dev)->basic.dev_sectors, 128);
	ublk_dev_free(dev);
	opt_free(&table);

	ktap_eq(make(&loop_target, "--buffered-io --sector-size 4K"), 0);
	ktap_eq(ublk_dev_params(dev)->basic.logical_bs_shift, 12);
	ktap_eq(ublk_dev_params(dev)->basic.physical_bs_shift, 12);
	ublk_dev_free(dev);
	opt_free(&table);

	ktap_eq(make(&null_target, ""), 0);
	ktap_eq(ublk_dev_params(dev)->basic.dev_sectors, 250ULL << 21);
	ublk_dev_free(dev);
}

/* A second device, in this process; @line as for make(). Return: errno */
static int second(const char *line)
{
	struct ublk_dev_opts opts = {
		.struct_size = sizeof(opts), .id = UBLK_ID_AUTO,
		.nr_queues = 1, .depth = 4, .io_buf_bytes = 65536,
	};
	static char cfg[256] __attribute__((aligned(16)));
	struct opt_table t = {
		.opts = loop_target.opts, .base = cfg, .owner = "loop",
	};
	char copy[256], *word, *argv[16] = { "add" };
	struct ublk_dev *other;
	int argc = 1, ret;

	memset(cfg, 0, sizeof(cfg));
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc++] = path;
	ktap_eq(opt_parse(&t, 1, argc, argv), 0);
	ret = ublk_dev_new(&other, &opts, &loop_target, cfg);
	if (!ret)
		ublk_dev_free(other);
	opt_free(&t);
	return ret;
}

/* Which uses of a file go together; both ways round. */
static void test_two_devices(void)
{
	static const struct {
		const char *one, *other;
		int ret;
	} rows[] = {
		{ "", "", -EBUSY },
		{ "", "--read-only", -EBUSY },
		{ "--read-only", "--read-only", 0 },
		{ "--offset 64K --size 64K", "--size 64K", 0 },
		{ "--offset 64K --size 64K", "--offset 128K", 0 },
		{ "--offset 64K --size 64K", "--size 68K", -EBUSY },
		{ "--offset 64K --size 64K", "--offset 124K --size 4K", -EBUSY },
		{ "--offset 64K --size 64K", "", -EBUSY },
		{ "--offset 64K --size 64K", "--size 68K --read-only", -EBUSY },
		{ "--offset 64K --size 64K", "--size 64K --read-only", 0 },
		{ "", "--shared", 0 },
		{ "--shared", "", -EBUSY },
		{ "--shared", "--shared", 0 },
	};
	size_t i;

	fill_file(FILE_SIZE);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].other;
		ktap_eq(make(&loop_target, rows[i].one), 0);
		ktap_eq(second(rows[i].other), rows[i].ret);
		if (rows[i].ret && !strstr(ublk_strerror_last(), "in use by"))
			ktap_fail(__FILE__, __LINE__, "says: %s",
				  ublk_strerror_last());
		ublk_dev_free(dev);
		opt_free(&table);
		if (strstr(rows[i].one, "--shared") ||
		    strstr(rows[i].other, "--shared"))
			continue;
		ktap_eq(make(&loop_target, rows[i].other), 0);
		ktap_eq(second(rows[i].one), rows[i].ret);
		ublk_dev_free(dev);
		opt_free(&table);
	}
	ktap_row = NULL;
}

static bool lock_byte(int on, __u64 byte)
{
	struct flock l = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET,
		.l_start = byte, .l_len = 1,
	};

	return !fcntl(on, F_OFD_SETLK, &l);
}

/* What QEMU asks before it uses a file. */
static bool byte_is_locked(int on, __u64 byte)
{
	struct flock l = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = byte, .l_len = 1,
	};

	return !fcntl(on, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

/*
 * QEMU's bytes: 100 + n for a permission in use, 200 + n for one that is not
 * shared; 0 reading, 1 writing, 2 writing what is there, 3 resizing.
 */
static void test_qemu_locks(void)
{
	static const struct {
		__u64 bytes[3];
		bool writer, reader;	/* does ublk refuse */
	} rows[] = {
		{ { 100, 101, 201 }, true, true },	/* a guest's disk */
		{ { 100, 101, 203 }, true, true },	/* shared disk */
		{ { 100, 201, 203 }, true, false },	/* a reader */
		{ { 100, 100, 100 }, false, false },	/* qemu-img info -U */
		{ { 100, 103, 200 }, true, true },
	};
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int other, i, k;

	fill_file(FILE_SIZE);
	for (i = 0; i < (int)ARRAY_SIZE(rows); i++) {
		other = open(path, O_RDWR);
		for (k = 0; k < 3; k++)
			ktap_true(lock_byte(other, rows[i].bytes[k]));
		ktap_eq(make(&loop_target, ""), rows[i].writer ? -EBUSY : 0);
		if (rows[i].writer && !strstr(ublk_strerror_last(), "in use by process"))
			ktap_fail(__FILE__, __LINE__, "says: %s",
				  ublk_strerror_last());
		if (dev)
			ublk_dev_free(dev);
		opt_free(&table);
		ktap_eq(make(&loop_target, "--read-only"),
			rows[i].reader ? -EBUSY : 0);
		if (dev)
			ublk_dev_free(dev);
		opt_free(&table);
		ktap_eq(make(&loop_target, "--shared"), 0);
		ublk_dev_free(dev);
		opt_free(&table);
		close(other);
	}
	/* a program that locks the whole file for writing */
	other = open(path, O_RDWR);
	ktap_eq(fcntl(other, F_OFD_SETLK, &all), 0);
	ktap_eq(make(&loop_target, ""), -EBUSY);
	opt_free(&table);
	close(other);

	other = open(path, O_RDWR);
	ktap_eq(make(&loop_target, ""), 0);
	ktap_true(byte_is_locked(other, 101));
	ktap_true(byte_is_locked(other, 201));
	ktap_true(byte_is_locked(other, 203));
	ktap_true(!byte_is_locked(other, 200));
	ublk_dev_free(dev);
	opt_free(&table);
	ktap_eq(make(&loop_target, "--read-only"), 0);
	ktap_true(!byte_is_locked(other, 101));
	ktap_true(byte_is_locked(other, 201));
	ublk_dev_free(dev);
	opt_free(&table);
	ktap_true(!byte_is_locked(other, 201));
	close(other);
}

static void test_sizes_refused(void)
{
	static const struct {
		__u64 size;
		const char *line, *why;
	} rows[] = {
		{ 0, "",
		  "size is 0; enlarge it with \"truncate -s SIZE\"" },
		{ 1000, "",
		  "size 1000 is not a multiple of the block size 512; use --size or \"truncate\"" },
		{ 8192, "--offset 8K",
		  "--offset 8192 is beyond the end, 8192" },
		{ 8192, "--sector-size 3K",
		  "--sector-size 3072 is no power of 2; give 512, 1K, 2K or 4K" },
		{ 8192, "--sector-size 4K --offset 1s",
		  "--offset 512 is not a multiple of the block size 4096" },
		{ 8192, "--size 16K",
		  "--size 16384 is more than the 8192 bytes there; enlarge the file" },
		{ 8192, "--size 700",
		  "size 700 is not a multiple of the block size 512; use --size or \"truncate\"" },
	};
	char want[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		char line[64];

		ktap_row = rows[i].line;
		fill_file(rows[i].size);
		snprintf(line, sizeof(line), "--buffered-io %s", rows[i].line);
		ktap_eq(make(&loop_target, line), -EINVAL);
		opt_free(&table);
		snprintf(want, sizeof(want), "loop: %s: %s", path, rows[i].why);
		if (strcmp(want, ublk_strerror_last()))
			ktap_fail(__FILE__, __LINE__, "says: %s",
				  ublk_strerror_last());
	}
}

static void test_read_write(void)
{
	unsigned char data[4096];
	int tag;

	fill_file(FILE_SIZE);
	up(&loop_target, "--buffered-io --offset 8K");
	ktap_eq(run(UBLK_IO_OP_READ, 3, 100, &tag), 51200);
	ktap_true(buffer_is(tag, 8192 + 3 * 512, 51200));

	/* all buffers, as it is not known which tag comes next */
	for (tag = 0; tag < 4; tag++)
		memset(mock_buffer(0, tag), 0x5a, 4096);
	ktap_eq(run(UBLK_IO_OP_WRITE, 16, 8, &tag), 4096);
	ktap_eq(mock_last_rw_flags(), 0);
	memset(data, 0, sizeof(data));
	ktap_eq(pread(fd, data, 4096, 16384), 4096);
	ktap_eq(data[0], 0x5a);
	ktap_eq(data[4095], 0x5a);
	ktap_eq(pread(fd, data, 1, 16383), 1);
	ktap_eq(data[0], pattern(16383));
	down();
}

static void test_pieces(void)
{
	int tag;

	fill_file(FILE_SIZE);
	up(&loop_target, "--buffered-io");
	mock.max_transfer = 1000;
	ktap_eq(run(UBLK_IO_OP_READ, 1, 16, &tag), 8192);
	ktap_true(buffer_is(tag, 512, 8192));
	ktap_eq(mock_nr_backend(), 9);
	for (tag = 0; tag < 4; tag++)
		memset(mock_buffer(0, tag), 0, 65536);
	ktap_eq(run(UBLK_IO_OP_WRITE, 32, 16, &tag), 8192);
	ktap_eq(mock_nr_backend(), 18);
	ktap_true(file_is_zero(16384, 8192));
	ktap_true(!file_is_zero(16384 + 8192, 512));
	down();
}

/* What the disk below would have to split is sent in pieces that it takes. */
static void test_split(void)
{
	struct file *f;
	int tag;

	fill_file(FILE_SIZE);
	up(&loop_target, "--buffered-io");
	f = ublk_dev_priv(dev);
	f->max_io = 4096;
	ktap_eq(run(UBLK_IO_OP_READ, 1, 8, &tag), 4096);
	ktap_eq(mock_last_sqe_flags() & IOSQE_ASYNC, 0);
	ktap_eq(run(UBLK_IO_OP_READ, 1, 20, &tag), 10240);
	ktap_eq(mock_last_sqe_flags() & IOSQE_ASYNC, 0);
	ktap_true(buffer_is(tag, 512, 10240));
	ktap_eq(mock_nr_backend(), 1 + 3);
	/*
	 * Short: all again, piece after piece of 3000 bytes, until the rest, 2192, can
	 * be sent at once.
	 */
	mock.max_transfer = 3000;
	memset(mock_buffer(0, tag), 0, 65536);
	ktap_eq(run(UBLK_IO_OP_READ, 7, 16, &tag), 8192);
	ktap_true(buffer_is(tag, 7 * 512, 8192));
	ktap_eq(mock_nr_backend(), 1 + 3 + 2 + 3);
	mock.max_transfer = 0;
	memset(mock_buffer(0, tag), 0, 65536);
	ktap_eq(run(UBLK_IO_OP_READ, 7, 16, &tag), 8192);
	ktap_true(buffer_is(tag, 7 * 512, 8192));
	ktap_eq(mock_nr_backend(), 1 + 3 + 2 + 3 + 2);
	/* in more than four pieces a worker of io_uring does it */
	ktap_eq(run(UBLK_IO_OP_READ, 7, 32, &tag), 16384);
	ktap_eq(mock_last_sqe_flags() & IOSQE_ASYNC, 0);
	ktap_eq(run(UBLK_IO_OP_READ, 7, 40, &tag), 20480);
	ktap_eq(mock_last_sqe_flags() & IOSQE_ASYNC, IOSQE_ASYNC);
	ktap_true(buffer_is(tag, 7 * 512, 20480));
	ktap_eq(mock_nr_backend(), 1 + 3 + 2 + 3 + 2 + 4 + 1);
	ktap_eq(run(UBLK_IO_OP_DISCARD, 0, 20, &tag), 0);
	ktap_eq(mock_last_sqe_flags() & IOSQE_ASYNC, 0);
	mock.backend = ENOSPC;
	ktap_eq(run(UBLK_IO_OP_WRITE, 0, 20, &tag), -ENOSPC);
	memset(mock_buffer(0, tag), 0, 65536);
	ktap_eq(run(UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, 0, 20, &tag), 10240);
	ktap_eq(mock_last_rw_flags(), RWF_DSYNC);
	ktap_true(file_is_zero(0, 10240));
	ktap_true(!file_is_zero(10240, 512));
	/* the file has become shorter in the middle of the second piece */
	ktap_eq(ftruncate(fd, 4096 + 512), 0);
	ktap_eq(run(UBLK_IO_OP_READ, 0, 20, &tag), -EIO);
	down();
}

static void test_fua_and_flush(void)
{
	unsigned int before;
	int tag;

	fill_file(FILE_SIZE);
	up(&loop_target, "--buffered-io");
	ktap_eq(run(UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, 0, 8, &tag), 4096);
	ktap_eq(mock_last_rw_flags(), RWF_DSYNC);
	mock.max_transfer = 2048;
	ktap_eq(run(UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, 0, 8, &tag), 4096);
	ktap_eq(mock_last_rw_flags(), RWF_DSYNC);
	ktap_eq(run(UBLK_IO_OP_WRITE | UBLK_IO_F_META, 0, 4, &tag), 2048);
	ktap_eq(mock_last_rw_flags(), 0);
	before = mock_nr_backend();
	ktap_eq(run(UBLK_IO_OP_FLUSH, ~0ULL, 0, &tag), 0);
	ktap_eq(mock_nr_backend(), before + 1);
	mock.backend = ENOSPC;
	ktap_eq(run(UBLK_IO_OP_FLUSH, ~0ULL, 0, &tag), -ENOSPC);
	down();
}

/* Blocks of 512 bytes that the file has. */
static long file_blocks(void)
{
	struct stat st;

	ktap_eq(fstat(fd, &st), 0);
	return st.st_blocks;
}

static void test_zeroing(void)
{
	int tag;

	fill_file(FILE_SIZE);
	up(&loop_target, "--buffered-io");
	if (!(ublk_dev_params(dev)->types & UBLK_PARAM_TYPE_DISCARD)) {
		/* a file system without holes */
		down();
		return;
	}
	ktap_eq(run(UBLK_IO_OP_DISCARD, 8, 8, &tag), 0);
	ktap_eq(mock_last_falloc_mode(),
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	ktap_true(file_is_zero(4096, 4096));
	ktap_true(!file_is_zero(8192, 512));
	ktap_eq(run(UBLK_IO_OP_WRITE_ZEROES, 16, 8, &tag), 0);
	ktap_eq(mock_last_falloc_mode(),
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	ktap_true(file_is_zero(8192, 4096));
	ktap_eq(run(UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 32, 8, &tag),
		0);
	ktap_true(file_is_zero(16384, 4096));
	ktap_true(!file_is_zero(20480, 512));
	/* a discard is a hint */
	mock.backend = EOPNOTSUPP;
	ktap_eq(run(UBLK_IO_OP_DISCARD, 8, 8, &tag), 0);
	mock.backend = EIO;
	ktap_eq(run(UBLK_IO_OP_DISCARD, 8, 8, &tag), -EIO);
	down();
}

/* The store has no FALLOC_FL_ZERO_RANGE, as tmpfs: nobody gets EOPNOTSUPP. */
static void test_zeroing_without_zero_range(void)
{
	unsigned int before;
	long blocks;
	int tag;

	fill_file(FILE_SIZE);
	up(&loop_target, "--buffered-io");
	if (!(ublk_dev_params(dev)->types & UBLK_PARAM_TYPE_DISCARD)) {
		down();
		return;
	}
	blocks = file_blocks();
	mock.no_zero_range = true;
	before = mock_nr_backend();
	ktap_eq(run(UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 16, 16, &tag),
		0);
	ktap_eq(mock_nr_backend() - before, 3);
	ktap_eq(mock_last_falloc_mode(), FALLOC_FL_KEEP_SIZE);
	ktap_true(file_is_zero(8192, 8192));
	ktap_true(!file_is_zero(8191, 1));
	ktap_true(!file_is_zero(16384, 1));
	ktap_eq(file_blocks(), blocks);
	/* the next one does not try that again */
	before = mock_nr_backend();
	ktap_eq(run(UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 64, 8, &tag),
		0);
	ktap_eq(mock_nr_backend() - before, 2);
	ktap_true(file_is_zero(32768, 4096));
	/* the hole fails: nothing is allocated, and the error is the hole's */
	mock.backend = EIO;
	ktap_eq(run(UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 128, 8, &tag),
		-EIO);
	ktap_true(!file_is_zero(65536, 1));
	/* no allocation either: zeroes at least */
	mock.backend = EOPNOTSUPP;
	ktap_eq(run(UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 128, 8, &tag),
		0);
	ktap_true(file_is_zero(65536, 4096));
	down();
}

static char last_log[512];
static unsigned int nr_logs;

static void expect_text(const char *got, const char *want)
{
	ktap_eq(strcmp(got, want), 0);
}

static void keep_log(enum ublk_log_level level, const char *msg)
{
	(void)level;
	snprintf(last_log, sizeof(last_log), "%s", msg);
	nr_logs++;
}

/* Which request failed and why is in the log, but not a thousand times. */
static void test_log(void)
{
	int tag, i;

	fill_file(FILE_SIZE);
	up(&loop_target, "--buffered-io --offset 4K");
	ublk_set_log(keep_log, UBLK_LOG_ERR);
	mock.backend = ENOSPC;
	ktap_eq(run(UBLK_IO_OP_WRITE, 24, 8, &tag), -ENOSPC);
	expect_text(last_log,
		    "dev 7: backing store: write at offset 12288, length 4096: No space left on device");
	mock.backend = EIO;
	ktap_eq(run(UBLK_IO_OP_FLUSH, ~0ULL, 0, &tag), -EIO);
	expect_text(last_log,
		    "dev 7: backing store: flush: Input/output error");
	ktap_eq(ftruncate(fd, 8192), 0);
	ktap_eq(run(UBLK_IO_OP_READ, 100, 8, &tag), -EIO);
	expect_text(last_log,
		    "dev 7: backing store: read at offset 51200, length 4096: Input/output error; it is shorter than the disk");
	ktap_eq(nr_logs, 3);
	for (i = 0; i < 100; i++)
		ktap_eq(run(UBLK_IO_OP_READ, 100, 8, &tag), -EIO);
	ktap_true(nr_logs <= 10);
	ublk_set_log(NULL, UBLK_LOG_ERR);
	down();
}

static void test_errors(void)
{
	unsigned int before;
	int tag;

	fill_file(FILE_SIZE);
	up(&loop_target, "--buffered-io");
	mock.backend = ENOSPC;
	ktap_eq(run(UBLK_IO_OP_WRITE, 0, 8, &tag), -ENOSPC);
	mock.backend = EIO;
	ktap_eq(run(UBLK_IO_OP_READ, 0, 8, &tag), -EIO);
	mock.backend = EAGAIN;
	before = mock_nr_backend();
	ktap_eq(run(UBLK_IO_OP_READ, 0, 8, &tag), 4096);
	ktap_eq(mock_nr_backend(), before + 2);
	ktap_eq(run(UBLK_IO_OP_WRITE_SAME, 0, 8, &tag), -EOPNOTSUPP);
	ktap_eq(run(UBLK_IO_OP_ZONE_RESET, 0, 8, &tag), -EOPNOTSUPP);
	ktap_eq(run(99, 0, 8, &tag), -EOPNOTSUPP);

	/* the file shrinks under the disk */
	ktap_eq(ftruncate(fd, 6144), 0);
	ktap_eq(run(UBLK_IO_OP_READ, 0, 12, &tag), 6144);
	ktap_eq(run(UBLK_IO_OP_READ, 8, 8, &tag), -EIO);
	ktap_eq(run(UBLK_IO_OP_READ, 100, 8, &tag), -EIO);
	down();
}

static void test_null(void)
{
	int tag;

	up(&null_target, "-s 8T");
	ktap_eq(run(UBLK_IO_OP_READ, 0, 8, &tag), 4096);
	ktap_eq(run(UBLK_IO_OP_WRITE, 0, 128, &tag), 65536);
	ktap_eq(run(UBLK_IO_OP_FLUSH, 0, 0, &tag), 0);
	/* 4 GiB would be a negative result */
	ktap_eq(run(UBLK_IO_OP_DISCARD, 0, 8388607, &tag), 0);
	ktap_eq(run(UBLK_IO_OP_WRITE_ZEROES, 0, 8388607, &tag), 0);
	ktap_eq(run(UBLK_IO_OP_ZONE_RESET, 0, 0, &tag), -EOPNOTSUPP);
	down();
}

static const struct ktap_test tests[] = {
	{ "params", test_params },
	{ "two_devices", test_two_devices },
	{ "qemu_locks", test_qemu_locks },
	{ "sizes_refused", test_sizes_refused },
	{ "read_write", test_read_write },
	{ "pieces", test_pieces },
	{ "split", test_split },
	{ "fua_and_flush", test_fua_and_flush },
	{ "log", test_log },
	{ "zeroing", test_zeroing },
	{ "zeroing_without_zero_range", test_zeroing_without_zero_range },
	{ "errors", test_errors },
	{ "null", test_null },
};

int main(void)
{
	int ret;

	ublk_set_log(NULL, UBLK_LOG_ERR);
	strcpy(path, TEMPLATE);
	fd = mkstemp(path);
	if (fd < 0)
		return 1;
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	unlink(path);
	close(fd);
	return ret;
}
