/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sectors that tell where they belong: each 8-byte word of a sector consists of
 * the sector's number and the generation of the write. A word is written at
 * once, so a sector that two writes mix has words of both, and no other ones.
 */
#ifndef UBLK_SELFTEST_STAMP_H
#define UBLK_SELFTEST_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define STAMP_SECTOR	512

static inline __u64 stamp_word(__u64 sector, __u32 generation)
{
	return sector << 32 | generation;
}

static inline __u64 stamp_sector(__u64 off, size_t word)
{
	return (off + word * sizeof(__u64)) / STAMP_SECTOR;
}

/* Fill @len bytes that are for byte @off of the disk. */
static inline void stamp_fill(void *buf, __u64 off, size_t len,
			      __u32 generation)
{
	__u64 *p = buf;
	size_t i;

	for (i = 0; i < len / sizeof(*p); i++)
		p[i] = stamp_word(stamp_sector(off, i), generation);
}

/*
 * Has every word of the @len bytes from byte @off of the disk its sector's
 * number and a generation from @first to @last?
 */
static inline bool stamp_check(const void *buf, __u64 off, size_t len,
			       __u32 first, __u32 last)
{
	const __u64 *p = buf;
	size_t i;

	for (i = 0; i < len / sizeof(*p); i++) {
		__u64 sector = stamp_sector(off, i);

		if (p[i] < stamp_word(sector, first) ||
		    p[i] > stamp_word(sector, last))
			return false;
	}
	return true;
}

#endif
