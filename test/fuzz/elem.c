// SPDX-License-Identifier: GPL-2.0
/*
 * logic/elem.h: any batch command with any buffer. A command that passes the
 * checks stays within its buffer and within the device.
 *
 * Input: device flags, queues, depth, the command, the element buffer.
 */
#include <errno.h>

#include "fuzz.h"
#include "logic/elem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	u64 flags = fuzz_u64(&in) & UBLK_F_ALL;
	u16 queues = fuzz_u16(&in) % UBLK_MAX_NR_QUEUES + 1;
	u16 depth = fuzz_u16(&in) % UBLK_MAX_QUEUE_DEPTH + 1;
	struct ublk_batch_io io;
	u32 bytes;
	int ret, i;

	fuzz_read(&in, &io, sizeof(io));
	ret = ublk_elem_check_fetch(&io, flags & 1, queues);
	fuzz_assert(ret == 0 || ret == -EINVAL);
	fuzz_assert(ret || (io.q_id < queues && io.elem_bytes == 2));

	ret = ublk_elem_check(&io, flags, queues, depth);
	fuzz_assert(ret == 0 || ret == -EINVAL || ret == -E2BIG);
	if (ret)
		return 0;
	fuzz_assert(io.q_id < queues && io.nr_elem <= depth);
	bytes = ublk_elem_bytes(io.flags);
	fuzz_assert(bytes == io.elem_bytes && bytes <= UBLK_ELEM_MAX_BYTES);

	for (i = 0; i < io.nr_elem && in.size >= bytes; i++) {
		struct ublk_elem elem = ublk_elem_decode(in.data, io.flags);
		struct ublk_auto_buf_reg reg =
			ublk_elem_buf_reg(&elem, io.flags);

		fuzz_assert(!ublk_elem_check_reg(reg));
		fuzz_assert(reg.index == elem.buf_index);
		if (!ublk_elem_check_buf(&elem, flags))
			fuzz_assert(elem.buf_addr ||
				    !ublk_features_driver_copies(flags));
		if (!(io.flags & UBLK_BATCH_F_HAS_ZONE_LBA))
			fuzz_assert(elem.zone_lba == ~0ULL);
		in.data += bytes;
		in.size -= bytes;
	}
	return 0;
}
