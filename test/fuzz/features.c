// SPDX-License-Identifier: GPL-2.0
/*
 * logic/features.h: any info buffer of ADD_DEV, any set of supported features.
 * The granted features obey the feature table.
 *
 * Input: supported features, page shift and privilege, the info buffer.
 */
#include <errno.h>

#include "fuzz.h"
#include "logic/features.h"
#include "logic/pos.h"

static void check_granted(const struct ublksrv_ctrl_dev_info *info,
			  u64 supported, bool privileged)
{
	u64 f = info->flags;

	fuzz_assert(!(f & ~supported));
	fuzz_assert((f & UBLK_F_ALWAYS) == (supported & UBLK_F_ALWAYS) ||
		    f & UBLK_F_BATCH_IO);
	fuzz_assert(info->queue_depth && info->queue_depth <= 4096);
	fuzz_assert(info->nr_hw_queues && info->nr_hw_queues <= 4096);
	fuzz_assert(info->io_desc_size >= 24 && info->io_desc_size <= 256);
	fuzz_assert(!(info->io_desc_size & 7));
	fuzz_assert(privileged == !(f & UBLK_F_UNPRIVILEGED_DEV));
	if (!privileged)
		fuzz_assert(ublk_features_driver_copies(f) &&
			    !(f & UBLK_F_USER_RECOVERY));
	if (f & UBLK_F_NEED_GET_DATA)
		fuzz_assert(ublk_features_driver_copies(f));
	if (f & UBLK_F_USER_RECOVERY_REISSUE)
		fuzz_assert(!(f & UBLK_F_USER_RECOVERY_FAIL_IO));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	u64 supported = fuzz_u64(&in) & UBLK_F_ALL;
	u16 misc = fuzz_u16(&in);
	u32 page = 4096U << (misc & 3) * 2;
	bool privileged = misc & 4;
	struct ublksrv_ctrl_dev_info info;
	u32 max;

	if (misc & 8)
		supported = UBLK_F_ALL;
	fuzz_read(&in, &info, sizeof(info));
	if (ublk_features_request(&info, supported, privileged))
		return 0;
	if (ublk_features_grant(&info, supported))
		return 0;
	check_granted(&info, supported, privileged);

	max = ublk_features_max_io(info.max_io_buf_bytes, info.flags, page);
	fuzz_assert(max <= info.max_io_buf_bytes && !(max % page));
	if (info.flags & UBLK_F_USER_COPY)
		fuzz_assert(max <= 1U << UBLK_IO_BUF_BITS);

	fuzz_assert(ublk_pos_desc_len(info.queue_depth, info.io_desc_size,
				      page) <=
		    ublk_pos_desc_stride(info.io_desc_size, page));
	return 0;
}
