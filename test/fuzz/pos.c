// SPDX-License-Identifier: GPL-2.0
/*
 * logic/pos.h: any file position and any mapping. An accepted one names a tag
 * or a queue of the device, and encoding a decoded position gives it back.
 *
 * Input: position, length, flags, queues, depth, descriptor size, page shift.
 */
#include <errno.h>

#include "fuzz.h"
#include "logic/features.h"
#include "logic/pos.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	u64 pos = fuzz_u64(&in), len = fuzz_u64(&in), flags = fuzz_u64(&in);
	u16 queues = fuzz_u16(&in) % UBLK_MAX_NR_QUEUES + 1;
	u16 depth = fuzz_u16(&in) % UBLK_MAX_QUEUE_DEPTH + 1;
	u16 desc = 24 + fuzz_u16(&in) % 30 * 8;
	u32 page = 4096U << fuzz_u16(&in) % 3 * 2;
	struct ublk_pos p = ublk_pos_decode(pos);
	int ret = ublk_pos_check(p, flags, queues, depth);
	u64 stride = ublk_pos_desc_stride(desc, page);

	fuzz_assert(ret == 0 || ret == -EINVAL || ret == -EACCES);
	if (!ret) {
		u64 again = ublk_pos_encode(p.qid, p.tag, p.off);

		fuzz_assert(p.qid < queues && p.tag < depth);
		fuzz_assert(p.off < 1U << UBLK_IO_BUF_BITS);
		fuzz_assert(flags & UBLK_F_USER_COPY);
		fuzz_assert(!p.integrity || flags & UBLK_F_INTEGRITY);
		/* adding the base may carry into bits 53 to 61, which are ignored */
		fuzz_assert(!((again ^ pos) & 0x7fffffff));
		fuzz_assert(!((again - UBLKSRV_IO_BUF_OFFSET) >> 53));
	}

	ret = ublk_pos_mmap_queue(pos, len, queues, depth, desc, page);
	fuzz_assert(ret == -EINVAL || (ret >= 0 && ret < queues));
	if (ret < 0)
		return 0;
	fuzz_assert(pos >= (u64)ret * stride && pos < (ret + 1ULL) * stride);
	fuzz_assert(len && len <= stride);
	fuzz_assert((len + page - 1) / page ==
		    ((u64)depth * desc + page - 1) / page);
	return 0;
}
