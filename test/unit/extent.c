// SPDX-License-Identifier: GPL-2.0
/*
 * logic/extent.h: elements of SET_EXTENTS, what is left of an extent, and what may
 * pass to the backing (extensions.rst E-71, E-72, E-74, E-80).
 */
#include <errno.h>

#include "ktap.h"
#include "logic/extent.h"

#define RW	(UBLK_EXTENT_READ | UBLK_EXTENT_WRITE)
#define END	UBLK_EXTENT_SECTORS

static const struct {
	const char *name;
	struct ublk_extent_elem e;
	int ret;
} ranges[] = {
	{ "one block", { .sector = 8, .nr_sectors = 8, .rights = RW }, 0 },
	{ "to the end", { .sector = END - 8, .nr_sectors = 8, .rights = RW }, 0 },
	{ "all", { .nr_sectors = END, .rights = RW }, 0 },
	{ "none", { .sector = 8, .rights = RW }, -EINVAL },
	{ "beyond the end", { .sector = END, .nr_sectors = 8, .rights = RW }, -EINVAL },
	{ "across the end", { .sector = 8, .nr_sectors = END, .rights = RW }, -EINVAL },
	{ "wraps", { .sector = -8ULL, .nr_sectors = 16, .rights = RW }, -EINVAL },
	{ "too many", { .nr_sectors = -8ULL, .rights = RW }, -EINVAL },
	{ "begins in a block", { .sector = 1, .nr_sectors = 8, .rights = RW }, -EINVAL },
	{ "ends in a block", { .sector = 8, .nr_sectors = 9, .rights = RW }, -EINVAL },
	{ "reserved", { .nr_sectors = 8, .rights = RW, .reserved = 1 }, -EINVAL },
	{ "unknown right", { .nr_sectors = 8, .rights = RW | 16 }, -EINVAL },
	{ "errors to the server", { .nr_sectors = 8, .rights = RW | UBLK_EXTENT_RETRY }, 0 },
	{ "only that", { .nr_sectors = 8, .rights = UBLK_EXTENT_RETRY }, -EINVAL },
	{ "removal", { .nr_sectors = 8 }, 0 },
	{ "removal with a position", { .nr_sectors = 8, .pos = 8 }, -EINVAL },
	{ "removal with a file", { .nr_sectors = 8, .file = 1 }, -EINVAL },
};

static void test_range(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		ktap_row = ranges[i].name;
		ktap_eq(ublk_extent_check_range(&ranges[i].e, 4096), ranges[i].ret);
	}
}

static const struct ublk_backing backing = {
	.size = 1 << 20,
	.block = 4096,
	.readable = true,
	.writable = true,
};

static int check(u64 pos, u64 nr, u16 rights)
{
	const struct ublk_extent_elem e = {
		.sector = 80,
		.nr_sectors = nr,
		.pos = pos,
		.rights = rights,
	};

	return ublk_extent_check_backing(&e, &backing, false, false);
}

static void test_place(void)
{
	ktap_eq(check(0, 2048, RW), 0);
	ktap_eq(check(2040, 8, RW), 0);
	ktap_eq(check(2048, 8, RW), -EINVAL);
	ktap_eq(check(8, 2048, RW), -EINVAL);
	ktap_eq(check(0, 2056, RW), -EINVAL);
	ktap_eq(check(1, 8, RW), -EINVAL);
	ktap_eq(check(-8ULL, 8, RW), -EINVAL);
	ktap_eq(check(-8ULL, 16, RW), -EINVAL);
}

static void test_rights(void)
{
	struct ublk_extent_elem e = { .nr_sectors = 8 };
	struct ublk_backing b = backing;

	e.rights = UBLK_EXTENT_DISCARD;
	ktap_eq(ublk_extent_check_backing(&e, &b, true, false), 0);
	ktap_eq(ublk_extent_check_backing(&e, &b, false, true), -EOPNOTSUPP);
	e.rights = UBLK_EXTENT_WRITE_ZEROES | UBLK_EXTENT_RETRY;
	ktap_eq(ublk_extent_check_backing(&e, &b, false, true), 0);
	ktap_eq(ublk_extent_check_backing(&e, &b, true, false), -EOPNOTSUPP);
	b.writable = false;
	ktap_eq(ublk_extent_check_backing(&e, &b, false, true), -EBADF);
	e.rights = UBLK_EXTENT_READ | UBLK_EXTENT_RETRY;
	ktap_eq(ublk_extent_check_backing(&e, &b, false, false), 0);
	b.readable = false;
	b.writable = true;
	ktap_eq(ublk_extent_check_backing(&e, &b, false, false), -EBADF);
	e.rights = UBLK_EXTENT_WRITE;
	ktap_eq(ublk_extent_check_backing(&e, &b, false, false), 0);
}

static void test_left(void)
{
	const struct ublk_stretch old = { 10, 19 };
	struct ublk_stretch part = { };

	ktap_eq(ublk_extent_before(old, (struct ublk_stretch){ 10, 12 }, &part), false);
	ktap_eq(ublk_extent_after(old, (struct ublk_stretch){ 12, 19 }, &part), false);
	ktap_eq(ublk_extent_before(old, (struct ublk_stretch){ 0, 99 }, &part), false);
	ktap_eq(ublk_extent_after(old, (struct ublk_stretch){ 0, 99 }, &part), false);
	ktap_eq(ublk_extent_before(old, (struct ublk_stretch){ 12, 14 }, &part), true);
	ktap_eq(part.first, 10);
	ktap_eq(part.last, 11);
	ktap_eq(ublk_extent_after(old, (struct ublk_stretch){ 12, 14 }, &part), true);
	ktap_eq(part.first, 15);
	ktap_eq(part.last, 19);
	ktap_eq(ublk_extent_after(old, (struct ublk_stretch){ 0, 18 }, &part), true);
	ktap_eq(part.first, 19);
	ktap_eq(part.last, 19);
}

static void test_takes(void)
{
	ktap_eq(ublk_extent_takes(19, RW, 19, UBLK_EXTENT_READ), true);
	ktap_eq(ublk_extent_takes(19, RW, 20, UBLK_EXTENT_READ), false);
	ktap_eq(ublk_extent_takes(19, RW, 12, UBLK_EXTENT_DISCARD), false);
	ktap_eq(ublk_extent_takes(19, UBLK_EXTENT_READ, 12, UBLK_EXTENT_WRITE), false);
	ktap_eq(ublk_extent_takes(19, RW, 12, 0), false);
}

/*
 * A table that is kept as extent.c keeps it, beside an array of one entry per
 * sector: after any series of changes both say the same of every sector.
 */
#define SECTORS	48
#define NR	SECTORS

static struct {
	struct ublk_stretch at;
	u64 delta;
} table[NR + 2];
static unsigned int nr_table;

static u64 set_one(const struct ublk_extent_elem *e)
{
	struct ublk_stretch set = ublk_extent_range(e), left;
	unsigned int i, n = nr_table;
	u64 displaced = 0;

	for (i = 0; i < n; i++) {
		struct ublk_stretch old = table[i].at;

		if (old.last < set.first || old.first > set.last)
			continue;
		displaced++;
		/* Mark it as gone; what is left are extents of their own. */
		table[i].at.last = 0;
		table[i].at.first = 1;
		if (ublk_extent_before(old, set, &left)) {
			table[nr_table].at = left;
			table[nr_table++].delta = table[i].delta;
		}
		if (ublk_extent_after(old, set, &left)) {
			table[nr_table].at = left;
			table[nr_table++].delta = table[i].delta;
		}
	}
	if (e->rights) {
		table[nr_table].at = set;
		table[nr_table++].delta = ublk_extent_delta(e);
	}
	for (i = n = 0; i < nr_table; i++)
		if (table[i].at.first <= table[i].at.last)
			table[n++] = table[i];
	nr_table = n;
	return displaced;
}

static u64 lookup(u64 sector)
{
	u64 found = 0;
	unsigned int i;

	for (i = 0; i < nr_table; i++) {
		if (sector < table[i].at.first || sector > table[i].at.last)
			continue;
		ktap_eq(found, 0);
		found = sector + table[i].delta;
	}
	return found;
}

static void test_series(void)
{
	u64 want[SECTORS] = { };
	unsigned int i, s, seed = 1;

	nr_table = 0;
	for (i = 0; i < 20000; i++) {
		struct ublk_extent_elem e = { };

		seed = seed * 1103515245 + 12345;
		e.sector = (seed >> 16) % SECTORS;
		e.nr_sectors = 1 + (seed >> 8) % 13;
		if (e.nr_sectors > SECTORS - e.sector)
			e.nr_sectors = SECTORS - e.sector;
		e.rights = (seed >> 20) % 4 ? RW : 0;
		e.pos = e.rights ? 1 + i * 64ULL % 4096 : 0;
		ktap_eq(ublk_extent_check_range(&e, 512), 0);
		set_one(&e);
		for (s = 0; s < e.nr_sectors; s++)
			want[e.sector + s] = e.rights ? e.pos + s : 0;
		for (s = 0; s < SECTORS; s++)
			if (lookup(s) != want[s])
				break;
		ktap_eq(s, SECTORS);
	}
}

static const struct ktap_test tests[] = {
	{ "range", test_range },
	{ "place", test_place },
	{ "rights", test_rights },
	{ "left", test_left },
	{ "takes", test_takes },
	{ "series", test_series },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
