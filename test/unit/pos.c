// SPDX-License-Identifier: GPL-2.0
/*
 * logic/pos.h: file positions of user copy (data.rst D-142..D-151, D-156) and
 * offsets of the descriptor mappings (D-5..D-10).
 */
#include <errno.h>
#include <stdint.h>

#include "ktap.h"
#include "logic/pos.h"

#define BASE	0x80000000ULL

static void test_encode(void)
{
	ktap_eq(ublk_pos_encode(0, 0, 0), BASE);
	ktap_eq(ublk_pos_encode(0, 0, 1), BASE + 1);
	ktap_eq(ublk_pos_encode(0, 1, 0), BASE + (1ULL << 25));
	ktap_eq(ublk_pos_encode(1, 0, 0), BASE + (1ULL << 41));
	ktap_eq(ublk_pos_encode(4095, 65535, 33554431),
		BASE + (1ULL << 53) - 1);
	/* a part that is too large does not change the next one */
	ktap_eq(ublk_pos_encode(4096, 0, 0), BASE);
	ktap_eq(ublk_pos_encode(0, 0, 33554432), BASE);
	ktap_true((int64_t)ublk_pos_encode(4095, 65535, 33554431) > 0);
}

static void test_round_trip(void)
{
	static const u16 qids[] = { 0, 1, 31, 2047, 4095 };
	static const u16 tags[] = { 0, 1, 4095, 4096, 65535 };
	static const u32 offs[] = { 0, 1, 511, 4096, 1 << 20, 33554431 };
	size_t q, t, o;

	for (q = 0; q < ARRAY_SIZE(qids); q++)
		for (t = 0; t < ARRAY_SIZE(tags); t++)
			for (o = 0; o < ARRAY_SIZE(offs); o++) {
				u64 pos = ublk_pos_encode(qids[q], tags[t],
							  offs[o]);
				struct ublk_pos got = ublk_pos_decode(pos);

				ktap_eq(got.qid, qids[q]);
				ktap_eq(got.tag, tags[t]);
				ktap_eq(got.off, offs[o]);
				ktap_true(!got.integrity);

				got = ublk_pos_decode(pos | 1ULL << 62);
				ktap_eq(got.qid, qids[q]);
				ktap_eq(got.tag, tags[t]);
				ktap_eq(got.off, offs[o]);
				ktap_true(got.integrity);

				/* bits 53 to 61 are ignored (D-151) */
				got = ublk_pos_decode(pos | 0x1ffULL << 53);
				ktap_eq(got.qid, qids[q]);
				ktap_true(!got.integrity);
			}
}

static void test_check(void)
{
	const u64 uc = UBLK_F_USER_COPY;
	const u64 both = UBLK_F_USER_COPY | UBLK_F_INTEGRITY;
	static const struct ublk_pos ok = { .qid = 3, .tag = 7 };
	struct ublk_pos pos = ok;

	ktap_eq(ublk_pos_check(pos, uc, 4, 8), 0);
	ktap_eq(ublk_pos_check(pos, uc, 3, 8), -EINVAL);
	ktap_eq(ublk_pos_check(pos, uc, 4, 7), -EINVAL);
	ktap_eq(ublk_pos_check(pos, 0, 4, 8), -EACCES);
	/* the queue is checked first, then USER_COPY, then the tag */
	ktap_eq(ublk_pos_check(pos, 0, 3, 8), -EINVAL);
	ktap_eq(ublk_pos_check(pos, 0, 4, 7), -EACCES);
	pos.integrity = true;
	ktap_eq(ublk_pos_check(pos, uc, 4, 8), -EINVAL);
	ktap_eq(ublk_pos_check(pos, 0, 4, 8), -EINVAL);
	ktap_eq(ublk_pos_check(pos, both, 4, 8), 0);
	ktap_eq(ublk_pos_check(pos, both, 4, 7), -EINVAL);
}

/* No position below the base is valid, even on the largest device (D-151). */
static void test_below_base(void)
{
	u64 pos;

	for (pos = 0; pos < BASE; pos += pos < 8192 ? 1 : 40961) {
		struct ublk_pos got = ublk_pos_decode(pos);

		ktap_eq(ublk_pos_check(got, UBLK_F_USER_COPY, 4096, 4096),
			-EINVAL);
		ktap_eq(ublk_pos_check(got, UBLK_F_USER_COPY, 1, 1), -EINVAL);
		got = ublk_pos_decode(pos | 1ULL << 62);
		ktap_true(got.integrity);
		ktap_eq(ublk_pos_check(got, UBLK_F_USER_COPY |
				       UBLK_F_INTEGRITY, 4096, 4096), -EINVAL);
	}
	ktap_eq(ublk_pos_check(ublk_pos_decode(BASE - 1), UBLK_F_USER_COPY,
			       4096, 4096), -EINVAL);
	ktap_eq(ublk_pos_check(ublk_pos_decode(BASE), UBLK_F_USER_COPY, 1, 1),
		0);
}

static void test_desc_area(void)
{
	ktap_eq(ublk_pos_desc_stride(24, 4096), 98304);
	ktap_eq(ublk_pos_desc_stride(24, 65536), 131072);
	ktap_eq(ublk_pos_desc_stride(256, 4096), 1 << 20);
	ktap_eq(ublk_pos_desc_stride(32, 16384), 131072);
	ktap_eq(ublk_pos_desc_len(1, 24, 4096), 4096);
	ktap_eq(ublk_pos_desc_len(170, 24, 4096), 4096);
	ktap_eq(ublk_pos_desc_len(171, 24, 4096), 8192);
	ktap_eq(ublk_pos_desc_len(4096, 24, 4096), 98304);
	ktap_eq(ublk_pos_desc_len(4096, 256, 65536), 1 << 20);
	ktap_eq(ublk_pos_desc_len(1, 24, 65536), 65536);
}

static void test_mmap(void)
{
	static const struct {
		const char *name;
		u64 off, len;
		u16 queues, depth, size;
		int ret;
	} rows[] = {
		{ "first", 0, 4096, 1, 64, 24, 0 },
		{ "second", 98304, 4096, 2, 64, 24, 1 },
		{ "D-7 behind the last", 98304, 4096, 1, 64, 24, -EINVAL },
		{ "D-7 far", 1ULL << 32, 4096, 4096, 64, 24, -EINVAL },
		{ "D-7 very far", UINT64_MAX, 4096, 4096, 64, 24, -EINVAL },
		{ "last of all", 4095ULL << 20, 1 << 20, 4096, 4096, 256, 4095 },
		{ "behind it", 4096ULL << 20, 1 << 20, 4096, 4096, 256,
		  -EINVAL },
		{ "D-8 too short", 0, 4096, 1, 4096, 24, -EINVAL },
		{ "D-8 too long", 0, 8192, 1, 64, 24, -EINVAL },
		{ "D-8 nothing", 0, 0, 1, 64, 24, -EINVAL },
		{ "D-8 all ones", 0, UINT64_MAX, 1, 64, 24, -EINVAL },
		{ "D-8 wrapping", 0, (1ULL << 32) + 4096, 1, 64, 24, -EINVAL },
		{ "D-8 rounded up", 0, 1, 1, 64, 24, 0 },
		{ "D-8 exact bytes", 0, 64 * 24, 1, 64, 24, 0 },
		{ "D-10 in the stride", 4096, 4096, 1, 64, 24, 0 },
		{ "D-10 end of stride", 94208, 4096, 2, 64, 24, 0 },
		{ "D-10 of the second", 98304 + 4096, 4096, 2, 64, 24, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].name;
		ktap_eq(ublk_pos_mmap_queue(rows[i].off, rows[i].len,
					    rows[i].queues, rows[i].depth,
					    rows[i].size, 4096), rows[i].ret);
	}
}

static const struct ktap_test tests[] = {
	{ "encode", test_encode },
	{ "round_trip", test_round_trip },
	{ "check", test_check },
	{ "below_base", test_below_base },
	{ "desc_area", test_desc_area },
	{ "mmap", test_mmap },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
