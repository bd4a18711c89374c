// SPDX-License-Identifier: GPL-2.0
/*
 * ublksrv/targets/stripe_map.h against a model that assigns the bytes of a disk
 * to its members one by one: every position and length of small disks, and the
 * limits of the largest ones.
 */
#include <stdint.h>
#include <stdlib.h>

#include "ktap.h"
#include "stripe_map.h"

#define MAX_NR		5
#define SHIFT		2		/* chunks of 4 bytes */
#define MAX_STRIPES	4
#define MAX_BYTES	(MAX_NR * MAX_STRIPES << SHIFT)

/* Where byte i of the disk is: the chunks go to the members in turn. */
struct place {
	__u32 member;
	__u64 pos;
};

static struct place model[MAX_BYTES];
static unsigned int model_bytes;

static void model_deal(struct stripe_geo g, unsigned int stripes)
{
	__u64 used[MAX_NR] = { 0 };
	unsigned int s, m, b;

	model_bytes = 0;
	for (s = 0; s < stripes; s++)
		for (m = 0; m < g.nr; m++)
			for (b = 0; b < 1U << g.chunk_shift; b++) {
				model[model_bytes].member = m;
				model[model_bytes++].pos = used[m]++;
			}
}

static void check_map(struct stripe_geo g, __u64 pos, __u64 len)
{
	unsigned int parts = 0;
	__u64 done = 0, i;

	while (done < len) {
		struct stripe_part p = stripe_map(g, pos + done, len - done);

		ktap_true(p.len && p.len <= len - done);
		for (i = 0; i < p.len; i++) {
			ktap_eq(p.member, model[pos + done + i].member);
			ktap_eq(p.pos + i, model[pos + done + i].pos);
		}
		/* a part ends early only at the end of a chunk */
		if (done + p.len < len)
			ktap_true(((pos + done + p.len) &
				   ((1 << g.chunk_shift) - 1)) == 0);
		done += p.len ? : len;
		parts++;
	}
	ktap_true(parts <= stripe_max_parts(g, len));
}

static void check_range(struct stripe_geo g, __u64 pos, __u64 len)
{
	__u64 count[MAX_NR] = { 0 }, first[MAX_NR];
	__u32 m;
	__u64 i;

	for (i = pos; i < pos + len; i++) {
		m = model[i].member;
		if (!count[m]++)
			first[m] = model[i].pos;
	}
	for (m = 0; m < g.nr; m++) {
		struct stripe_part p = stripe_range(g, m, pos, len);

		ktap_eq(p.member, m);
		ktap_eq(p.len, count[m]);
		if (p.len)
			ktap_eq(p.pos, first[m]);
	}
}

static void each_request(void (*check)(struct stripe_geo g, __u64 pos,
				       __u64 len))
{
	struct stripe_geo g = { .chunk_shift = SHIFT };
	unsigned int pos, len;

	for (g.nr = 1; g.nr <= MAX_NR; g.nr++) {
		model_deal(g, MAX_STRIPES);
		for (pos = 0; pos < model_bytes; pos++)
			for (len = 0; pos + len <= model_bytes; len++)
				check(g, pos, len);
	}
}

static void test_map(void)
{
	each_request(check_map);
}

static void test_range(void)
{
	each_request(check_range);
}

static void test_capacity(void)
{
	struct stripe_geo g = { .chunk_shift = SHIFT };
	unsigned int size;

	for (g.nr = 1; g.nr <= MAX_NR; g.nr++)
		for (size = 0; size < MAX_STRIPES << SHIFT; size++) {
			model_deal(g, size >> SHIFT);
			ktap_eq(stripe_capacity(g, size), model_bytes);
		}
}

/* Nothing overflows with a disk of the largest size that the kernel allows. */
static void test_large(void)
{
	const __u64 max = INT64_MAX;
	struct stripe_geo g = { .nr = 3, .chunk_shift = 16 };
	struct stripe_part p;
	__u64 cap;

	ktap_eq(stripe_capacity(g, max), 0);
	ktap_eq(stripe_capacity(g, UINT64_MAX), 0);
	ktap_eq(stripe_capacity(g, max / 2), 0);
	cap = stripe_capacity(g, max / 3);
	ktap_eq(cap, max / 3 / 65536 * 65536 * 3);
	p = stripe_map(g, cap - 1, 1);
	ktap_eq(p.member, 2);
	ktap_eq(p.pos, cap / 3 - 1);
	ktap_eq(p.len, 1);
	p = stripe_range(g, 1, 0, cap);
	ktap_eq(p.pos, 0);
	ktap_eq(p.len, cap / 3);
	g.nr = 1;
	ktap_eq(stripe_capacity(g, max), max / 65536 * 65536);
	p = stripe_map(g, 1ULL << 62, UINT64_MAX);
	ktap_eq(p.pos, 1ULL << 62);
	ktap_eq(p.len, 65536);
}

/* A usual geometry, worked out by hand: three members, 64 KiB. */
static void test_by_hand(void)
{
	static const struct stripe_geo g = { .nr = 3, .chunk_shift = 16 };
	static const struct {
		__u64 pos, len;
		struct stripe_part part;
	} rows[] = {
		{ 0, 4096, { 0, 0, 4096 } },
		{ 65536, 4096, { 1, 0, 4096 } },
		{ 65536 - 512, 4096, { 0, 65536 - 512, 512 } },
		{ 131072, 1 << 20, { 2, 0, 65536 } },
		{ 196608, 65536, { 0, 65536, 65536 } },
		{ 196608 + 512, 65536, { 0, 65536 + 512, 65024 } },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stripe_part p = stripe_map(g, rows[i].pos, rows[i].len);

		ktap_eq(p.member, rows[i].part.member);
		ktap_eq(p.pos, rows[i].part.pos);
		ktap_eq(p.len, rows[i].part.len);
	}
}

static const struct ktap_test tests[] = {
	{ "map", test_map },
	{ "range", test_range },
	{ "capacity", test_capacity },
	{ "large", test_large },
	{ "by_hand", test_by_hand },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
