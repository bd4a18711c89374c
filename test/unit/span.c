// SPDX-License-Identifier: GPL-2.0
/*
 * logic/span.h: which requests lie in one shared buffer (data.rst D-122, D-123).
 */
#include <errno.h>
#include <stdint.h>

#include "ktap.h"
#include "logic/span.h"
#include "logic/op.h"

/* Buffer 5: two pages at 1 MiB, one at 3 MiB. Buffer 6: the page after that. */
static const struct ublk_span low = {
	.start = 0x100000, .len = 0x2000, .offset = 0, .index = 5 };
static const struct ublk_span high = {
	.start = 0x300000, .len = 0x1000, .offset = 0x2000, .index = 5 };
static const struct ublk_span other = {
	.start = 0x301000, .len = 0x1000, .offset = 0x3000, .index = 6 };

static void test_covers(void)
{
	const struct ublk_span top = { .start = UINT64_MAX - 0xfff, .len = 0xfff };

	ktap_eq(ublk_span_covers(&low, 0x100000, 0x2000), 0x2000);
	ktap_eq(ublk_span_covers(&low, 0x100000, 0x2001), 0x2000);
	ktap_eq(ublk_span_covers(&low, 0x101fff, 0x1000), 1);
	ktap_eq(ublk_span_covers(&low, 0x102000, 1), 0);
	ktap_eq(ublk_span_covers(&low, 0xfffff, 2), 0);
	ktap_eq(ublk_span_covers(&low, 0, UINT64_MAX), 0);
	ktap_eq(ublk_span_covers(&low, UINT64_MAX, UINT64_MAX), 0);
	ktap_eq(ublk_span_covers(&top, UINT64_MAX - 1, 512), 1);
	ktap_eq(ublk_span_covers(&low, 0x100000, 0), 0);
}

static void test_extend(void)
{
	struct ublk_span s = low;

	/* below, inside, after a hole; then twice adjacent */
	ktap_true(!ublk_span_extend(&s, 0xff000, 0x1000));
	ktap_true(!ublk_span_extend(&s, 0x101000, 0x1000));
	ktap_true(!ublk_span_extend(&s, 0x103000, 0x1000));
	ktap_true(!memcmp(&s, &low, sizeof(s)));
	ktap_true(ublk_span_extend(&s, 0x102000, 0x1000));
	ktap_true(ublk_span_extend(&s, 0x103000, 0x2000));
	ktap_eq(s.start, low.start);
	ktap_eq(s.len, 0x5000);
	ktap_eq(s.offset, low.offset);
}

static void test_one_piece(void)
{
	struct ublk_span_match m = {};

	ktap_eq(ublk_span_add(&m, &low, 0x100200, 0x1000), 0);
	ktap_true(m.begun);
	ktap_eq(ublk_span_addr(&m), 5ULL << 32 | 0x200);
}

static void test_pieces(void)
{
	struct ublk_span_match m = {};

	ktap_eq(ublk_span_add(&m, &low, 0x101e00, 0x200), 0);
	ktap_eq(ublk_span_add(&m, &high, 0x300000, 0x1000), 0);
	ktap_eq(ublk_span_addr(&m), 5ULL << 32 | 0x1e00);
	/* adjacent in memory and in offset, but in another buffer */
	ktap_eq(ublk_span_add(&m, &other, 0x301000, 0x1000), -ENOENT);
}

static void test_gaps(void)
{
	struct ublk_span_match m = {}, before;

	ktap_eq(ublk_span_add(&m, &low, 0x100000, 0x1000), 0);
	before = m;
	/* a hole, backwards, the same again, past the end of the span, empty */
	ktap_eq(ublk_span_add(&m, &low, 0x101200, 0x200), -ENOENT);
	ktap_eq(ublk_span_add(&m, &high, 0x300000, 0x1000), -ENOENT);
	ktap_eq(ublk_span_add(&m, &low, 0x100000, 0x1000), -ENOENT);
	ktap_eq(ublk_span_add(&m, &low, 0x101000, 0x1001), -ENOENT);
	ktap_eq(ublk_span_add(&m, &low, 0x101000, 0), -ENOENT);
	ktap_true(!memcmp(&m, &before, sizeof(m)));
	ktap_eq(ublk_span_add(&m, &low, 0x101000, 0x1000), 0);
}

static void test_first_fails(void)
{
	struct ublk_span_match m = {};

	ktap_eq(ublk_span_add(&m, &low, 0x300000, 0x1000), -ENOENT);
	ktap_true(!m.begun);
}

static void test_last_byte(void)
{
	const struct ublk_span end = { .start = 0x1000, .len = 0x1000,
				       .offset = 0xfffff000, .index = 65535 };
	struct ublk_span_match m = {};

	ktap_eq(ublk_span_add(&m, &end, 0x1fff, 1), 0);
	ktap_eq(ublk_span_addr(&m), 0xffffffffffffULL);
}

static void test_read_only(void)
{
	const struct ublk_span ro = { .flags = UBLK_SHMEM_BUF_READ_ONLY };

	ktap_true(ublk_span_usable(&ro, UBLK_IO_OP_WRITE));
	ktap_true(!ublk_span_usable(&ro, UBLK_IO_OP_READ));
	ktap_true(!ublk_span_usable(&ro, UBLK_IO_OP_ZONE_APPEND));
	ktap_true(ublk_span_usable(&low, UBLK_IO_OP_READ));
	ktap_true(ublk_span_usable(&low, UBLK_IO_OP_WRITE));
	ktap_true(ublk_span_usable(&low, UBLK_IO_OP_ZONE_APPEND));
}

static const struct ktap_test tests[] = {
	{ "covers", test_covers },
	{ "extend", test_extend },
	{ "one_piece", test_one_piece },
	{ "pieces", test_pieces },
	{ "gaps", test_gaps },
	{ "first_fails", test_first_fails },
	{ "last_byte", test_last_byte },
	{ "read_only", test_read_only },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
