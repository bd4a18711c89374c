// SPDX-License-Identifier: GPL-2.0
/*
 * logic/extent.h: any element of SET_EXTENTS, on top of any extent that was accepted
 * before. What may pass lies in the backing, at its own place, and nowhere else.
 *
 * Input: backing, the extent before, the element, a stretch of IO.
 */
#include <errno.h>
#include <stdbool.h>

#include "fuzz.h"
#include "logic/extent.h"

static struct ublk_extent_elem fuzz_elem(struct fuzz_input *in)
{
	struct ublk_extent_elem e;

	fuzz_read(in, &e, sizeof(e));
	/* Most random elements name a reserved member. */
	if (e.pos & 1)
		e.reserved = 0;
	return e;
}

static bool fuzz_accepts(const struct ublk_extent_elem *e,
			 const struct ublk_backing *b, u32 block)
{
	int ret = ublk_extent_check_range(e, block);

	fuzz_assert(ret == 0 || ret == -EINVAL);
	if (ret)
		return false;
	fuzz_assert(e->nr_sectors && !e->reserved);
	fuzz_assert(!((e->sector | e->nr_sectors) % (block >> 9)));
	fuzz_assert(e->sector + e->nr_sectors > e->sector);
	if (!(e->rights & UBLK_EXTENT_RIGHTS))
		return true;
	ret = ublk_extent_check_backing(e, b, false, true);
	fuzz_assert(ret == 0 || ret == -EINVAL || ret == -EBADF || ret == -EOPNOTSUPP);
	if (ret)
		return false;
	fuzz_assert(!(e->rights & UBLK_EXTENT_DISCARD));
	fuzz_assert(b->readable || !(e->rights & UBLK_EXTENT_READ));
	fuzz_assert(b->writable || !(e->rights & UBLK_EXTENT_RIGHTS & ~UBLK_EXTENT_READ));
	return true;
}

/* IO that an extent takes is inside its element's place of the backing. */
static void fuzz_io(const struct ublk_extent_elem *e, const struct ublk_backing *b,
		    struct ublk_stretch part, u64 first, u64 nr)
{
	u64 last = first + nr - 1, to;

	if (first < part.first || first > part.last || last < first ||
	    !ublk_extent_takes(part.last, e->rights, last, UBLK_EXTENT_READ))
		return;
	to = first + ublk_extent_delta(e);
	fuzz_assert(to - e->pos == first - e->sector);
	fuzz_assert(to >= e->pos && to + nr <= e->pos + e->nr_sectors);
	fuzz_assert(to + nr <= b->size >> 9);
	fuzz_assert(b->readable && e->rights & UBLK_EXTENT_READ);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	u16 bits = fuzz_u16(&in);
	u32 block = 512U << (bits >> 8) % 4;
	const struct ublk_backing b = {
		.size = fuzz_u64(&in) & ~(u64)(block - 1),
		.block = block,
		.readable = bits & 1,
		.writable = bits & 2,
	};
	struct ublk_extent_elem old = fuzz_elem(&in), e = fuzz_elem(&in);
	u64 first = fuzz_u64(&in), nr = fuzz_u16(&in) + 1ULL;
	struct ublk_stretch was, set, left;

	if (!fuzz_accepts(&old, &b, block) || !fuzz_accepts(&e, &b, block))
		return 0;
	was = ublk_extent_range(&old);
	set = ublk_extent_range(&e);
	fuzz_io(&e, &b, set, first, nr);
	if (was.last < set.first || set.last < was.first)
		return 0;
	/* ublk_extent_before() and _after() return parts outside of @set. */
	if (ublk_extent_before(was, set, &left)) {
		fuzz_assert(left.first == was.first && left.last == set.first - 1);
		fuzz_io(&old, &b, left, first, nr);
	} else {
		fuzz_assert(was.first >= set.first);
	}
	if (ublk_extent_after(was, set, &left)) {
		fuzz_assert(left.first == set.last + 1 && left.last == was.last);
		fuzz_io(&old, &b, left, first, nr);
	} else {
		fuzz_assert(was.last <= set.last);
	}
	return 0;
}
