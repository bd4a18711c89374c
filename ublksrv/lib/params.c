// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Device parameters: defaults, capacity, and a check before the driver's.
 *
 * The driver validates on its own (C-111..C-123); the check here exists so
 * that the user reads a sentence instead of EINVAL, and reads it before a
 * device has been created.
 */
#include <limits.h>

#include "private.h"

void ublk_params_init(struct ublk_params *p, uint32_t io_buf_bytes)
{
	memset(p, 0, sizeof(*p));
	p->len = sizeof(*p);
	p->types = UBLK_PARAM_TYPE_BASIC;
	p->basic.logical_bs_shift = 9;
	p->basic.physical_bs_shift = 12;
	p->basic.io_min_shift = 9;
	p->basic.max_sectors = io_buf_bytes >> 9;
}

int ublk_params_set_size(struct ublk_params *p, uint64_t bytes)
{
	uint64_t bs = 1ULL << p->basic.logical_bs_shift;

	if (!bytes)
		return ublk_error(-EINVAL, "size is 0");
	if (bytes & (bs - 1))
		return ublk_error(-EINVAL,
				  "size %llu is not a multiple of the block size %llu",
				  (unsigned long long)bytes,
				  (unsigned long long)bs);
	if (bytes > LLONG_MAX)
		return ublk_error(-EINVAL, "size %llu is too large",
				  (unsigned long long)bytes);
	p->basic.dev_sectors = bytes >> 9;
	return 0;
}

static int params_check_basic(const struct ublk_param_basic *b,
			      uint32_t io_buf_bytes)
{
	long page = sysconf(_SC_PAGESIZE);

	if (b->logical_bs_shift < 9 || 1L << b->logical_bs_shift > page)
		return ublk_error(-EINVAL,
				  "block size 2^%u is not within 512..%ld",
				  b->logical_bs_shift, page);
	if (b->physical_bs_shift < b->logical_bs_shift ||
	    b->physical_bs_shift > 28 || b->io_min_shift > 28 ||
	    b->io_opt_shift > 28)
		return ublk_error(-EINVAL, "block sizes are inconsistent");
	if (b->max_sectors > io_buf_bytes >> 9 ||
	    (long)b->max_sectors << 9 < page)
		return ublk_error(-EINVAL,
				  "requests of %u sectors do not fit in buffers of %u bytes",
				  b->max_sectors, io_buf_bytes);
	if (!b->dev_sectors)
		return ublk_error(-EINVAL, "size is 0");
	return 0;
}

int ublk_params_check(const struct ublk_params *p, uint32_t io_buf_bytes)
{
	const struct ublk_param_discard *d = &p->discard;
	long page = sysconf(_SC_PAGESIZE);
	uint32_t mask = p->dma.alignment;

	if (!(p->types & UBLK_PARAM_TYPE_BASIC))
		return ublk_error(-EINVAL, "target has set no basic parameters");
	if (params_check_basic(&p->basic, io_buf_bytes))
		return -EINVAL;
	if (p->types & UBLK_PARAM_TYPE_DISCARD) {
		if (!d->discard_granularity)
			return ublk_error(-EINVAL, "discard granularity is 0");
		if (d->max_discard_sectors && d->max_discard_segments != 1)
			return ublk_error(-EINVAL,
					  "discard takes one segment, not %u",
					  d->max_discard_segments);
	}
	if (p->types & UBLK_PARAM_TYPE_DMA_ALIGN &&
	    (mask >= page || mask & (mask + 1)))
		return ublk_error(-EINVAL, "DMA alignment mask %u is invalid",
				  mask);
	return 0;
}
