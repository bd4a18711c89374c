// SPDX-License-Identifier: GPL-2.0
/*
 * logic/redirect.h: which backing fits, which request may go there, and what
 * follows each result (extensions.rst E-14, E-31, E-51).
 */
#include <errno.h>
#include <limits.h>

#include "ktap.h"
#include "logic/redirect.h"

#define MIB	(1ULL << 20)

static const struct ublk_params disk = {
	.types = UBLK_PARAM_TYPE_BASIC | UBLK_PARAM_TYPE_DMA_ALIGN,
	.basic = {
		.logical_bs_shift = 12,
		.attrs = UBLK_ATTR_VOLATILE_CACHE,
	},
	.dma.alignment = 511,
};

static const struct ublk_backing good = {
	.size = MIB,
	.block = 4096,
	.dma_mask = 511,
	.readable = true,
	.writable = true,
	.cached = true,
};

static void test_fits(void)
{
	struct ublk_params p = disk;
	struct ublk_backing b = good;

	ktap_eq(ublk_redirect_fits(&p, &b), 0);
	b.block = 8192;
	ktap_eq(ublk_redirect_fits(&p, &b), -EOPNOTSUPP);
	b.block = 512;
	ktap_eq(ublk_redirect_fits(&p, &b), 0);
	b.dma_mask = 1023;
	ktap_eq(ublk_redirect_fits(&p, &b), -EOPNOTSUPP);
	b.dma_mask = 3;
	p.types = UBLK_PARAM_TYPE_BASIC;
	ktap_eq(ublk_redirect_fits(&p, &b), 0);
	b.dma_mask = 7;
	ktap_eq(ublk_redirect_fits(&p, &b), -EOPNOTSUPP);
	p.types = UBLK_PARAM_TYPE_DMA_ALIGN;
	ktap_eq(ublk_redirect_fits(&p, &good), -EINVAL);
}

/* What only writes need is not asked for without them. */
static void test_fits_writes(void)
{
	struct ublk_params p = disk;
	struct ublk_backing b = good;

	p.basic.attrs = 0;
	ktap_eq(ublk_redirect_fits(&p, &b), -EOPNOTSUPP);
	b.cached = false;
	ktap_eq(ublk_redirect_fits(&p, &b), 0);
	b.stable = true;
	ktap_eq(ublk_redirect_fits(&p, &b), -EOPNOTSUPP);
	p.basic.attrs = UBLK_ATTR_VOLATILE_CACHE;
	ktap_eq(ublk_redirect_fits(&p, &b), -EOPNOTSUPP);
	b.writable = false;
	ktap_eq(ublk_redirect_fits(&p, &b), 0);
	b.writable = true;
	b.cached = true;
	p.basic.attrs = UBLK_ATTR_READ_ONLY;
	ktap_eq(ublk_redirect_fits(&p, &b), 0);
}

static void test_check(void)
{
	struct ublk_backing b = good;

	ktap_eq(ublk_redirect_check(&b, false, 0, MIB), 0);
	ktap_eq(ublk_redirect_check(&b, true, MIB - 4096, 4096), 0);
	ktap_eq(ublk_redirect_check(&b, true, MIB - 4096, 4097), -EINVAL);
	ktap_eq(ublk_redirect_check(&b, false, MIB, 4096), -EINVAL);
	ktap_eq(ublk_redirect_check(&b, false, MIB + 4096, 4096), -EINVAL);
	ktap_eq(ublk_redirect_check(&b, false, 512, 4096), -EINVAL);
	ktap_eq(ublk_redirect_check(&b, false, -4096ULL, 4096), -EINVAL);
	ktap_eq(ublk_redirect_check(&b, false, 1ULL << 63, 4096), -EINVAL);
	b.writable = false;
	ktap_eq(ublk_redirect_check(&b, true, 0, 4096), -EBADF);
	ktap_eq(ublk_redirect_check(&b, false, 0, 4096), 0);
	b.readable = false;
	ktap_eq(ublk_redirect_check(&b, false, 0, 4096), -EBADF);

	/* A regular file ends where a position does. */
	b = good;
	b.size = 0;
	ktap_eq(ublk_redirect_check(&b, true, 1ULL << 40, 4096), 0);
	ktap_eq(ublk_redirect_check(&b, true, LLONG_MAX - 4095, 4096), -EINVAL);
	ktap_eq(ublk_redirect_check(&b, true, LLONG_MAX - 8191, 4096), 0);
}

static const struct {
	const char *name;
	u32 done;
	int res;
	bool nowait, again;
	u32 then;
	int end;
} results[] = {
	{ "all", 0, 8192, true, false, 8192, 0 },
	{ "more than asked for", 4096, 8192, true, false, 8192, 0 },
	{ "short", 0, 4096, true, true, 4096, 0 },
	{ "short, waited", 0, 4096, false, true, 4096, 0 },
	{ "end of file", 0, 0, true, false, 0, 0 },
	{ "end of file later", 4096, 0, false, false, 4096, 0 },
	{ "would block", 0, -EAGAIN, true, true, 0, -EAGAIN },
	{ "would block, waited", 0, -EAGAIN, false, false, 0, -EIO },
	{ "interrupted", 0, -EINTR, true, true, 0, -EINTR },
	{ "restart", 0, -512, true, true, 0, -512 },
	{ "error", 0, -ENOSPC, true, false, 0, -ENOSPC },
	{ "error later", 4096, -ENOSPC, false, false, 4096, -ENOSPC },
};

static void test_results(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		u32 done = results[i].done;
		int res = results[i].res;

		ktap_row = results[i].name;
		ktap_eq(ublk_redirect_goes_on(&done, 8192, &res, results[i].nowait),
			results[i].again);
		ktap_eq(done, results[i].then);
		ktap_eq(res, results[i].end);
	}
}

static const struct ktap_test tests[] = {
	{ "fits", test_fits },
	{ "fits_writes", test_fits_writes },
	{ "check", test_check },
	{ "results", test_results },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
