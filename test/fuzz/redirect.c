// SPDX-License-Identifier: GPL-2.0
/*
 * logic/redirect.h: any position of any backing, and any results that it gives. A
 * request that is accepted lies in the backing; whatever the backing answers, no byte
 * is counted twice, and the driver does not go on for ever.
 *
 * Input: backing, position, length, then a result for each part.
 */
#include <errno.h>
#include <stdbool.h>

#include "fuzz.h"
#include "logic/redirect.h"

/* What the driver does with results: the first part must not wait, the others may. */
static void fuzz_results(struct fuzz_input *in, u32 len)
{
	u32 done = 0, before, parts = 0;
	bool nowait = true, again;
	int res, took;

	do {
		res = (int)fuzz_u64(in);
		/* A backing does at most what it was asked for. */
		if (res > 0)
			res = 1 + res % (int)(len - done);
		took = res;
		before = done;
		again = ublk_redirect_goes_on(&done, len, &res, nowait);
		fuzz_assert(done >= before && done <= len);
		fuzz_assert(done - before == (took > 0 ? (u32)took : 0));
		/* Without progress only what was not to wait is tried again. */
		fuzz_assert(!again || took > 0 || (nowait && took < 0));
		fuzz_assert(again || done == len || took <= 0);
		fuzz_assert(res <= 0 && (again || res != -EAGAIN));
		nowait = false;
		parts++;
	} while (again && done < len);
	fuzz_assert(parts <= len + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	u16 bits = fuzz_u16(&in);
	const struct ublk_backing b = {
		.size = bits & 1 ? fuzz_u64(&in) & (INT64_MAX - 511ULL) : 0,
		.block = 512U << (bits >> 8) % 8,
		.readable = bits & 2,
		.writable = bits & 4,
	};
	bool write = bits & 8;
	u64 pos = fuzz_u64(&in);
	u32 len = (fuzz_u16(&in) + 1U) << 9;
	int ret = ublk_redirect_check(&b, write, pos, len);

	fuzz_assert(ret == 0 || ret == -EBADF || ret == -EINVAL);
	fuzz_assert((ret == -EBADF) == !(write ? b.writable : b.readable));
	if (!ret) {
		fuzz_assert(!(pos % b.block));
		fuzz_assert(pos + len > pos && pos + len <= 1ULL << 63);
		fuzz_assert(!b.size || pos + len <= b.size);
	}
	fuzz_results(&in, len);
	return 0;
}
