// SPDX-License-Identifier: GPL-2.0
/*
 * Targets stripe and mem on the mock kernel, by user copy and zero copy:
 * contents against a plain array under random requests, where the members'
 * bytes are, short and failing transfers, which parameters, what is refused.
 */
#include <linux/falloc.h>
#include <linux/fs.h>

#include "target.h"

#define MEMBERS	3
#define CHUNK	4096
#define MEMBER	(20 * CHUNK + 700)
#define DISK	(20 * CHUNK * MEMBERS)

static char path[MEMBERS][40];
static char line[256];
static unsigned char want[DISK], got[DISK];

static const char *members(unsigned int nr, const char *options)
{
	unsigned int i;

	snprintf(line, sizeof(line), "%s", options);
	for (i = 0; i < nr; i++) {
		strcat(line, " ");
		strcat(line, path[i]);
	}
	return line;
}

static void new_members(void)
{
	unsigned int i;

	for (i = 0; i < MEMBERS; i++) {
		if (path[i][0])
			unlink(path[i]);
		strcpy(path[i], "/tmp/ublk-test-stripe.XXXXXX");
		t_file(path[i], MEMBER + i * 5000);
	}
	memset(want, 0, sizeof(want));
}

/* Chunk by chunk, as the manual says. */
static bool members_are_right(void)
{
	unsigned char chunk[CHUNK];
	unsigned int c;

	for (c = 0; c < DISK / CHUNK; c++) {
		t_read_file(path[c % MEMBERS], chunk, CHUNK,
			    c / MEMBERS * CHUNK);
		if (memcmp(chunk, want + c * CHUNK, CHUNK)) {
			printf("# chunk %u\n", c);
			return false;
		}
	}
	return true;
}

/* One request at random, done to @want as well. */
static void random_request(void)
{
	static const __u32 ops[] = {
		UBLK_IO_OP_WRITE, UBLK_IO_OP_WRITE, UBLK_IO_OP_WRITE,
		UBLK_IO_OP_READ, UBLK_IO_OP_READ, UBLK_IO_OP_DISCARD,
		UBLK_IO_OP_WRITE_ZEROES, UBLK_IO_OP_FLUSH,
	};
	unsigned char data[65536];
	__u32 op = ops[rand() % ARRAY_SIZE(ops)], nr, i;
	__u64 sector = rand() % (DISK / 512), pos = sector * 512;

	nr = rand() % 128 + 1;
	if (nr > DISK / 512 - sector)
		nr = DISK / 512 - sector;
	for (i = 0; i < nr * 512; i++)
		data[i] = rand();
	if (op == UBLK_IO_OP_FLUSH) {
		ktap_eq(t_io(op, ~0ULL, 0, NULL, NULL), 0);
	} else if (op == UBLK_IO_OP_WRITE) {
		ktap_eq(t_io(op, sector, nr, data, NULL), nr * 512);
		memcpy(want + pos, data, nr * 512);
	} else if (op == UBLK_IO_OP_READ) {
		ktap_eq(t_io(op, sector, nr, data, NULL), nr * 512);
		ktap_true(!memcmp(data, want + pos, nr * 512));
	} else {
		ktap_eq(t_io(op, sector, nr, NULL, NULL), 0);
		memset(want + pos, 0, nr * 512);
	}
}

static void read_all(void)
{
	__u64 pos;

	for (pos = 0; pos < DISK; pos += 32768) {
		__u32 nr = (DISK - pos < 32768 ? DISK - pos : 32768) / 512;

		ktap_eq(t_io(UBLK_IO_OP_READ, pos / 512, nr, got + pos, NULL),
			nr * 512);
	}
	ktap_true(!memcmp(want, got, DISK));
}

static void random_disk(const struct ublk_target *t, const char *options)
{
	static const enum ublk_mode modes[] = {
		UBLK_MODE_USER_COPY, UBLK_MODE_ZERO_COPY,
	};
	unsigned int m, i;

	for (m = 0; m < 2; m++) {
		if (modes[m] == UBLK_MODE_ZERO_COPY &&
		    !(t->flags & UBLK_TARGET_RING_DATA))
			continue;
		t_mode = modes[m];
		new_members();
		srand(m);
		t_up(t, t == &stripe_target ? members(MEMBERS, options) :
		     options);
		for (i = 0; i < 400 && !ktap_failed; i++)
			random_request();
		/* every transfer in pieces, of no particular size */
		mock.max_transfer = 1536;
		for (i = 0; i < 200 && !ktap_failed; i++)
			random_request();
		mock.max_transfer = 0;
		read_all();
		t_down();
		ktap_true(t != &stripe_target || members_are_right());
	}
	t_mode = UBLK_MODE_USER_COPY;
}

static void test_random(void)
{
	random_disk(&stripe_target, "--buffered-io --chunk-size 4K");
}

static void test_mem(void)
{
	char size[32];

	snprintf(size, sizeof(size), "--size %u", DISK);
	random_disk(&mem_target, size);
	t_up(&mem_target, size);
	ktap_eq(t_io(UBLK_IO_OP_READ, DISK / 512 - 1, 1, NULL, NULL), 512);
	ktap_eq(t_io(UBLK_IO_OP_READ, DISK / 512 - 1, 2, NULL, NULL), -EIO);
	ktap_eq(t_io(UBLK_IO_OP_WRITE, DISK / 512, 1, want, NULL), -EIO);
	ktap_eq(t_io(UBLK_IO_OP_DISCARD, 1ULL << 50, 8, NULL, NULL), -EIO);
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), 0);
	t_down();
	t_features = UBLK_F_USER_RECOVERY;
	t_refused(&mem_target, "", -EINVAL, "leave --user-recovery out");
	t_features = 0;
}

static void test_sqes(void)
{
	unsigned int before;

	new_members();
	t_up(&stripe_target, members(MEMBERS, "--buffered-io --chunk-size 8K"));
	before = mock_nr_backend();
	ktap_eq(t_io(UBLK_IO_OP_READ, 0, 16, NULL, NULL), 8192);
	ktap_eq(mock_nr_backend() - before, 1);
	before = mock_nr_backend();
	ktap_eq(t_io(UBLK_IO_OP_READ, 1, 64, NULL, NULL), 32768);
	ktap_eq(mock_nr_backend() - before, 5);
	before = mock_nr_backend();
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), 0);
	ktap_eq(mock_nr_backend() - before, MEMBERS);
	/* four chunks, of which two are on one member, together */
	before = mock_nr_backend();
	ktap_eq(t_io(UBLK_IO_OP_DISCARD, 0, 64, NULL, NULL), 0);
	ktap_eq(mock_nr_backend() - before, MEMBERS);
	ktap_eq(mock_last_falloc_mode(),
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	before = mock_nr_backend();
	/* in the one way or the other: not every file system has the first */
	ktap_eq(t_io(UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 4, 4, NULL,
		     NULL), 0);
	ktap_true(mock_nr_backend() - before == 1 ||
		  mock_nr_backend() - before == 3);
	mock.no_zero_range = true;
	ktap_eq(t_io(UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 0, 64, NULL,
		     NULL), 0);
	ktap_eq(mock_last_falloc_mode(), FALLOC_FL_KEEP_SIZE);
	ktap_eq(t_io(UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, 0, 8, want, NULL), 4096);
	ktap_eq(mock_last_rw_flags(), RWF_DSYNC);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_RESET, 0, 8, NULL, NULL), -EOPNOTSUPP);
	t_down();
}

static void test_errors(void)
{
	new_members();
	t_up(&stripe_target, members(MEMBERS, "--buffered-io --chunk-size 4K"));
	mock.backend = EREMOTEIO;
	ktap_eq(t_io(UBLK_IO_OP_READ, 0, 64, NULL, NULL), -EREMOTEIO);
	mock.backend = EREMOTEIO;
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), -EREMOTEIO);
	/* once more, chunk by chunk */
	mock.backend = EAGAIN;
	ktap_eq(t_io(UBLK_IO_OP_READ, 0, 64, NULL, NULL), 32768);
	/* a member that has become shorter under the disk's feet */
	ktap_eq(truncate(path[1], CHUNK), 0);
	ktap_eq(t_io(UBLK_IO_OP_READ, 0, 64, NULL, NULL), -EIO);
	ktap_eq(t_io(UBLK_IO_OP_READ, 0, 24, NULL, NULL), 12288);
	t_down();
}

static void test_params(void)
{
	const struct ublk_params *p;

	new_members();
	ktap_eq(t_make(&stripe_target, members(3, "--buffered-io")), 0);
	p = ublk_dev_params(t_dev);
	ktap_eq(p->basic.dev_sectors, 3 * 65536 / 512);
	ktap_eq(p->basic.io_min_shift, 16);
	/* three chunks are no power of two */
	ktap_eq(p->basic.io_opt_shift, 0);
	ktap_eq(p->basic.max_sectors, 128);
	ktap_eq(p->basic.attrs & (UBLK_ATTR_READ_ONLY | UBLK_ATTR_FUA |
				  UBLK_ATTR_VOLATILE_CACHE),
		UBLK_ATTR_FUA | UBLK_ATTR_VOLATILE_CACHE);
	ktap_eq(p->discard.max_discard_segments, 1);
	ublk_dev_free(t_dev);
	opt_free(&t_table);
	ktap_eq(t_make(&stripe_target, members(2, "--read-only --chunk-size 4K")),
		0);
	p = ublk_dev_params(t_dev);
	ktap_eq(p->basic.dev_sectors, 2 * 20 * 8);
	ktap_eq(p->basic.io_opt_shift, 13);
	ktap_true(p->basic.attrs & UBLK_ATTR_READ_ONLY);
	ktap_true(!(p->types & UBLK_PARAM_TYPE_DISCARD));
	ublk_dev_free(t_dev);
	opt_free(&t_table);
}

static void test_refused(void)
{
	char twice[128];

	new_members();
	snprintf(twice, sizeof(twice), "%s %s %s", path[0], path[1], path[0]);
	t_refused(&stripe_target, twice, -EINVAL, "same");
	t_refused(&stripe_target, path[0], -EINVAL, "two or more");
	t_refused(&stripe_target, "", -EINVAL, "needs --file");
	t_refused(&stripe_target, members(2, "--chunk-size 12K"), -EINVAL,
		  "power of two");
	t_refused(&stripe_target, members(2, "--chunk-size 128K"), -EINVAL,
		  "smaller than a chunk");
}

static const struct ktap_test tests[] = {
	{ "random", test_random },
	{ "mem", test_mem },
	{ "sqes", test_sqes },
	{ "errors", test_errors },
	{ "params", test_params },
	{ "refused", test_refused },
};

int main(void)
{
	unsigned int i;
	int ret;

	t_mode = UBLK_MODE_USER_COPY;
	ublk_set_log(NULL, UBLK_LOG_ERR);
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	for (i = 0; i < MEMBERS; i++)
		unlink(path[i]);
	return ret;
}
