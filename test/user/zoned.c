// SPDX-License-Identifier: GPL-2.0
/*
 * Target zoned on the mock kernel: requests through the state machine and the
 * file, the report, and what the file says when the daemon dies: after every
 * request a copy of it is opened as a new daemon would. zone_store.c by itself:
 * a save that is cut anywhere, damaged files.
 */
#include <linux/blkzoned.h>

#include "target.h"
#include "zone_store.h"

#define NR	8
#define CONV	2
#define ZONE	256		/* sectors */
#define CAP	192
#define OPTIONS	"--size 1M --zone-size 128K --zone-capacity 96K --nr-conv 2 --block-size 512 --buffered-io "

static char path[40], copy[48];
static char line[256];
static unsigned char want[NR * ZONE * 512];
static __u32 wp[NR];

static const char *with(const char *options)
{
	snprintf(line, sizeof(line), "%s %s", options, path);
	return line;
}

static void new_file(__u64 size)
{
	if (path[0])
		unlink(path);
	strcpy(path, "/tmp/ublk-test-zoned.XXXXXX");
	t_file(path, size);
	snprintf(copy, sizeof(copy), "%s.copy", path);
	memset(want, 0, sizeof(want));
	memset(wp, 0, sizeof(wp));
}

static void copy_file(void)
{
	int in = open(path, O_RDONLY), out = open(copy, O_RDWR | O_CREAT | O_TRUNC,
						  0600);
	static char data[1 << 16];
	ssize_t n;

	while ((n = read(in, data, sizeof(data))) > 0)
		if (write(out, data, n) != n)
			abort();
	close(in);
	close(out);
}

/* A daemon that starts from this copy finds all that was acknowledged. */
static void check_copy(void)
{
	static const struct zone_shape any;
	static unsigned char data[ZONE * 512];
	struct zone_store st;
	__u64 kept;
	__u32 i;

	copy_file();
	if (zone_store_open(&st, copy, &any, true)) {
		ktap_fail(__FILE__, __LINE__, "%s", ublk_strerror_last());
		return;
	}
	ktap_eq(st.shape.nr_conv, CONV);
	for (i = CONV; i < NR; i++) {
		ktap_eq(zone_store_load(&st, i, &kept), 0);
		ktap_eq(kept, wp[i]);
	}
	for (i = 0; i < NR; i++) {
		if (pread(st.fd, data, sizeof(data), st.data_off +
			  i * sizeof(data)) != sizeof(data))
			abort();
		ktap_true(!memcmp(data, want + i * sizeof(data), sizeof(data)));
	}
	zone_store_close(&st);
}

static unsigned char data[65536];

static void fill(__u32 nr)
{
	__u32 i;

	for (i = 0; i < nr * 512; i++)
		data[i] = rand();
}

static void write_at(__u32 op, __u32 zone, __u32 off, __u32 nr, int ret)
{
	__u64 at = zone * ZONE + off;
	int tag;

	fill(nr);
	ktap_eq(t_io(op, at, nr, data, &tag), ret);
	if (ret < 0)
		return;
	if ((op & 0xff) == UBLK_IO_OP_ZONE_APPEND) {
		ktap_eq(mock_addr(0, tag), at + wp[zone]);
		at += wp[zone];
	}
	if (zone >= CONV)
		wp[zone] += nr;
	memcpy(want + at * 512, data, nr * 512);
}

static void random_request(void)
{
	__u32 zone = rand() % NR, nr = rand() % 40 + 1, left = CAP - wp[zone];
	bool fits = zone >= CONV && nr <= left;

	switch (rand() % 8) {
	case 0:
	case 1:
		if (zone < CONV)
			write_at(UBLK_IO_OP_WRITE, zone, rand() % 200, nr,
				 nr * 512);
		else
			write_at(UBLK_IO_OP_WRITE, zone, wp[zone], nr,
				 fits ? (int)nr * 512 : -EIO);
		break;
	case 2:
	case 3:
		write_at(UBLK_IO_OP_ZONE_APPEND, zone, 0, nr,
			 fits ? (int)nr * 512 : -EIO);
		break;
	case 4:
		ktap_eq(t_io(UBLK_IO_OP_READ, zone * ZONE, 128, data, NULL),
			65536);
		ktap_true(!memcmp(data, want + zone * ZONE * 512, 65536));
		break;
	case 5:
		ktap_eq(t_io(UBLK_IO_OP_ZONE_RESET, zone * ZONE, 0, NULL, NULL),
			zone < CONV ? -EIO : 0);
		if (zone >= CONV) {
			wp[zone] = 0;
			memset(want + zone * ZONE * 512, 0, ZONE * 512);
		}
		break;
	case 6:
		write_at(UBLK_IO_OP_WRITE | UBLK_IO_F_FUA, zone,
			 zone < CONV ? 0 : wp[zone] + 1, 1,
			 zone < CONV ? 512 : -EIO);
		break;
	default:
		if (rand() % 4)
			break;
		ktap_eq(t_io(UBLK_IO_OP_ZONE_FINISH, zone * ZONE, 0, NULL, NULL),
			zone < CONV ? -EIO : 0);
		if (zone >= CONV)
			wp[zone] = CAP;
	}
}

static void test_random(void)
{
	int i;

	new_file(0);
	srand(7);
	t_up(&zoned_target, with(OPTIONS));
	for (i = 0; i < 300 && !ktap_failed; i++) {
		random_request();
		check_copy();
	}
	mock.max_transfer = 1024;
	for (i = 0; i < 100 && !ktap_failed; i++) {
		random_request();
		check_copy();
	}
	t_down();
	check_copy();
	/* the next daemon goes on */
	t_up(&zoned_target, with("--buffered-io"));
	for (i = 0; i < 50 && !ktap_failed; i++)
		random_request();
	ktap_eq(t_io(UBLK_IO_OP_ZONE_RESET_ALL, 0, 0, NULL, NULL), 0);
	memset(wp, 0, sizeof(wp));
	memset(want + CONV * ZONE * 512, 0, (NR - CONV) * ZONE * 512);
	check_copy();
	t_down();
}

/* Zones @first.. as reported in one request. */
static int report(__u32 first, __u32 nr, struct blk_zone *z)
{
	return t_io(UBLK_IO_OP_REPORT_ZONES, first * ZONE, nr, z, NULL);
}

static void test_report(void)
{
	static struct blk_zone z[64];
	__u32 i;

	new_file(0);
	t_up(&zoned_target, with(OPTIONS "--max-open 2 --max-active 4"));
	write_at(UBLK_IO_OP_WRITE, 3, 0, 8, 4096);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_OPEN, 4 * ZONE, 0, NULL, NULL), 0);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_FINISH, 5 * ZONE, 0, NULL, NULL), 0);
	ktap_eq(report(0, NR, z), NR * 64);
	for (i = 0; i < NR; i++) {
		ktap_eq(z[i].start, i * ZONE);
		ktap_eq(z[i].len, ZONE);
		ktap_eq(z[i].capacity, i < CONV ? ZONE : CAP);
	}
	ktap_eq(z[1].cond, BLK_ZONE_COND_NOT_WP);
	ktap_eq(z[2].cond, BLK_ZONE_COND_EMPTY);
	ktap_eq(z[3].cond, BLK_ZONE_COND_IMP_OPEN);
	ktap_eq(z[3].wp, 3 * ZONE + 8);
	ktap_eq(z[4].cond, BLK_ZONE_COND_EXP_OPEN);
	ktap_eq(z[5].cond, BLK_ZONE_COND_FULL);
	/* from the middle, and not beyond the end */
	ktap_eq(report(6, 5, z), 2 * 64);
	ktap_eq(z[0].start, 6 * ZONE);
	ktap_eq(report(NR, 1, z), -EIO);
	/* limits */
	ktap_eq(t_io(UBLK_IO_OP_ZONE_OPEN, 6 * ZONE, 0, NULL, NULL), 0);
	ktap_eq(report(3, 1, z), 64);
	ktap_eq(z[0].cond, BLK_ZONE_COND_CLOSED);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_OPEN, 7 * ZONE, 0, NULL, NULL),
		-ETOOMANYREFS);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_CLOSE, 6 * ZONE, 0, NULL, NULL), 0);
	write_at(UBLK_IO_OP_WRITE, 6, 0, 1, 512);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_CLOSE, 6 * ZONE, 0, NULL, NULL), 0);
	write_at(UBLK_IO_OP_ZONE_APPEND, 7, 0, 1, 512);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_OPEN, 2 * ZONE, 0, NULL, NULL), -EOVERFLOW);
	ktap_eq(t_io(UBLK_IO_OP_DISCARD, 0, 8, NULL, NULL), -EOPNOTSUPP);
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), 0);
	t_down();
}

static void test_errors(void)
{
	struct blk_zone z;

	new_file(0);
	t_up(&zoned_target, with(OPTIONS));
	mock.backend = ENOSPC;
	write_at(UBLK_IO_OP_WRITE, 2, 0, 8, -ENOSPC);
	/* the pointer has moved, and so it is kept */
	wp[2] = 8;
	ktap_eq(report(2, 1, &z), 64);
	ktap_eq(z.wp, 2 * ZONE + 8);
	check_copy();
	mock.backend = EREMOTEIO;
	ktap_eq(t_io(UBLK_IO_OP_READ, 0, 8, NULL, NULL), -EREMOTEIO);
	mock.backend = EREMOTEIO;
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), -EREMOTEIO);
	mock.backend = EAGAIN;
	write_at(UBLK_IO_OP_WRITE, 2, 8, 8, 4096);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_RESET, 2 * ZONE + 1, 0, NULL, NULL), -EIO);
	check_copy();
	t_down();
}

/* A save that is cut after any byte leaves the old pointer or the new one. */
static void test_cut_save(void)
{
	static const struct zone_shape shape = {
		.size = NR * ZONE, .zone = ZONE, .capacity = CAP, .block = 1,
	};
	const __u64 record = 4096 + 3 * 64;
	unsigned char was[64], is[64], cut[64];
	struct zone_store st;
	__u64 kept;
	int round, i;

	new_file(0);
	ktap_eq(zone_store_open(&st, path, &shape, true), 0);
	for (round = 1; round < 8; round++) {
		t_read_file(path, was, 64, record);
		ktap_eq(zone_store_save(&st, 3, round * 10), 0);
		t_read_file(path, is, 64, record);
		for (i = 0; i <= 64; i++) {
			memcpy(cut, is, i);
			memcpy(cut + i, was + i, 64 - i);
			if (pwrite(st.fd, cut, 64, record) != 64)
				abort();
			st.seq[3] = 0;
			ktap_eq(zone_store_load(&st, 3, &kept), 0);
			ktap_true(kept == (__u64)round * 10 ||
				  (i < 64 && kept == (__u64)round * 10 - 10));
		}
		ktap_eq(kept, round * 10);
	}
	/* what dies before its pointer is kept is cleared */
	if (pwrite(st.fd, was, 64, st.data_off + (3 * ZONE + 70) * 512) != 64)
		abort();
	ktap_eq(zone_store_load(&st, 3, &kept), 0);
	t_read_file(path, is, 64, st.data_off + (3 * ZONE + 70) * 512);
	memset(was, 0, 64);
	ktap_true(!memcmp(is, was, 64));
	zone_store_close(&st);
}

static void damage(__u64 pos, unsigned int len)
{
	int fd = open(path, O_WRONLY);
	static const char junk[64] = "0123456789";

	if (pwrite(fd, junk, len, pos) != (int)len)
		abort();
	close(fd);
}

static void test_refused(void)
{
	struct blk_zone z;

	new_file(0);
	t_refused(&zoned_target, with(""), -EINVAL, "give --size");
	t_refused(&zoned_target, with("--size 1M --zone-size 96K"), -EINVAL,
		  "powers of two");
	t_refused(&zoned_target, with("--size 100K --zone-size 64K"), -EINVAL,
		  "whole zones");
	t_refused(&zoned_target, with("--size 128K --zone-size 64K --nr-conv 2"),
		  -EINVAL, "sequential");
	t_refused(&zoned_target, with(OPTIONS "--max-open 7"), -EINVAL,
		  "only 6");
	t_refused(&zoned_target, with(OPTIONS "--max-open 3 --max-active 2"),
		  -EINVAL, "--max-active");
	t_features = UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE;
	t_refused(&zoned_target, with(OPTIONS), -EINVAL, "use --user-recovery");
	t_features = 0;
	t_up(&zoned_target, with(OPTIONS));
	t_down();
	t_refused(&zoned_target, with("--nr-conv 3"), -EINVAL, "--nr-conv 2");
	t_refused(&zoned_target, with("--size 2M"), -EINVAL, "--size 1048576");
	/* one record: its zone can only be read */
	damage(4096 + 4 * 64, 64);
	t_up(&zoned_target, with(""));
	ktap_eq(report(4, 1, &z), 64);
	ktap_eq(z.cond, BLK_ZONE_COND_READONLY);
	write_at(UBLK_IO_OP_ZONE_APPEND, 4, 0, 1, -EIO);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_RESET, 4 * ZONE, 0, NULL, NULL), -EIO);
	ktap_eq(t_io(UBLK_IO_OP_ZONE_RESET_ALL, 0, 0, NULL, NULL), 0);
	t_down();
	ktap_eq(truncate(path, 1 << 20), 0);
	t_refused(&zoned_target, with(""), -EINVAL, "shorter than its disk");
	damage(20, 1);
	t_refused(&zoned_target, with(""), -EBADMSG, "header is damaged");
	damage(0, 8);
	t_refused(&zoned_target, with(""), -EMEDIUMTYPE, "other contents");
}

static const struct ktap_test tests[] = {
	{ "random", test_random },
	{ "report", test_report },
	{ "errors", test_errors },
	{ "cut_save", test_cut_save },
	{ "refused", test_refused },
};

int main(void)
{
	int ret;

	ublk_set_log(NULL, UBLK_LOG_ERR);
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	unlink(path);
	unlink(copy);
	return ret;
}
