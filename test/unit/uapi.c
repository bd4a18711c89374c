// SPDX-License-Identifier: GPL-2.0
/*
 * include/uapi/linux/ublk_cmd.h: every size, offset and value that ublk-abi/
 * states. The compiler asserts the layout; the tests call the helper functions.
 * The numbers are literals, as a second copy independent of the header.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "ktap.h"
#include <linux/ublk_cmd.h>

#define size_is(type, bytes) \
	static_assert(sizeof(type) == (bytes), #type)
#define member_is(type, member, offset, bytes) \
	static_assert(offsetof(type, member) == (offset) && \
		      sizeof(((type *)0)->member) == (bytes), \
		      #type "." #member)
#define value_is(name, value) \
	static_assert((name) == (value), #name)

size_is(struct ublksrv_ctrl_cmd, 32);
member_is(struct ublksrv_ctrl_cmd, dev_id, 0, 4);
member_is(struct ublksrv_ctrl_cmd, queue_id, 4, 2);
member_is(struct ublksrv_ctrl_cmd, len, 6, 2);
member_is(struct ublksrv_ctrl_cmd, addr, 8, 8);
member_is(struct ublksrv_ctrl_cmd, data, 16, 8);
member_is(struct ublksrv_ctrl_cmd, dev_path_len, 24, 2);
member_is(struct ublksrv_ctrl_cmd, pad, 26, 2);
member_is(struct ublksrv_ctrl_cmd, reserved, 28, 4);

size_is(struct ublksrv_ctrl_dev_info, 64);
member_is(struct ublksrv_ctrl_dev_info, nr_hw_queues, 0, 2);
member_is(struct ublksrv_ctrl_dev_info, queue_depth, 2, 2);
member_is(struct ublksrv_ctrl_dev_info, state, 4, 2);
member_is(struct ublksrv_ctrl_dev_info, io_desc_size, 6, 2);
member_is(struct ublksrv_ctrl_dev_info, max_io_buf_bytes, 8, 4);
member_is(struct ublksrv_ctrl_dev_info, dev_id, 12, 4);
member_is(struct ublksrv_ctrl_dev_info, ublksrv_pid, 16, 4);
member_is(struct ublksrv_ctrl_dev_info, pad1, 20, 4);
member_is(struct ublksrv_ctrl_dev_info, flags, 24, 8);
member_is(struct ublksrv_ctrl_dev_info, ublksrv_flags, 32, 8);
member_is(struct ublksrv_ctrl_dev_info, owner_uid, 40, 4);
member_is(struct ublksrv_ctrl_dev_info, owner_gid, 44, 4);
member_is(struct ublksrv_ctrl_dev_info, reserved1, 48, 8);
member_is(struct ublksrv_ctrl_dev_info, reserved2, 56, 8);

size_is(struct ublksrv_io_desc, 24);
member_is(struct ublksrv_io_desc, op_flags, 0, 4);
member_is(struct ublksrv_io_desc, nr_sectors, 4, 4);
member_is(struct ublksrv_io_desc, nr_zones, 4, 4);
member_is(struct ublksrv_io_desc, start_sector, 8, 8);
member_is(struct ublksrv_io_desc, addr, 16, 8);

size_is(struct ublksrv_io_cmd, 16);
member_is(struct ublksrv_io_cmd, q_id, 0, 2);
member_is(struct ublksrv_io_cmd, tag, 2, 2);
member_is(struct ublksrv_io_cmd, result, 4, 4);
member_is(struct ublksrv_io_cmd, addr, 8, 8);
member_is(struct ublksrv_io_cmd, zone_append_lba, 8, 8);

size_is(struct ublk_auto_buf_reg, 8);
member_is(struct ublk_auto_buf_reg, index, 0, 2);
member_is(struct ublk_auto_buf_reg, flags, 2, 1);
member_is(struct ublk_auto_buf_reg, reserved0, 3, 1);
member_is(struct ublk_auto_buf_reg, reserved1, 4, 4);

size_is(struct ublk_elem_header, 8);
member_is(struct ublk_elem_header, tag, 0, 2);
member_is(struct ublk_elem_header, buf_index, 2, 2);
member_is(struct ublk_elem_header, result, 4, 4);

size_is(struct ublk_batch_io, 16);
member_is(struct ublk_batch_io, q_id, 0, 2);
member_is(struct ublk_batch_io, flags, 2, 2);
member_is(struct ublk_batch_io, nr_elem, 4, 2);
member_is(struct ublk_batch_io, elem_bytes, 6, 1);
member_is(struct ublk_batch_io, reserved, 7, 1);
member_is(struct ublk_batch_io, reserved2, 8, 8);

size_is(struct ublk_shmem_buf_reg, 24);
member_is(struct ublk_shmem_buf_reg, addr, 0, 8);
member_is(struct ublk_shmem_buf_reg, len, 8, 8);
member_is(struct ublk_shmem_buf_reg, flags, 16, 4);
member_is(struct ublk_shmem_buf_reg, reserved, 20, 4);

size_is(struct ublk_param_basic, 32);
member_is(struct ublk_param_basic, attrs, 0, 4);
member_is(struct ublk_param_basic, logical_bs_shift, 4, 1);
member_is(struct ublk_param_basic, physical_bs_shift, 5, 1);
member_is(struct ublk_param_basic, io_opt_shift, 6, 1);
member_is(struct ublk_param_basic, io_min_shift, 7, 1);
member_is(struct ublk_param_basic, max_sectors, 8, 4);
member_is(struct ublk_param_basic, chunk_sectors, 12, 4);
member_is(struct ublk_param_basic, dev_sectors, 16, 8);
member_is(struct ublk_param_basic, virt_boundary_mask, 24, 8);

size_is(struct ublk_param_discard, 20);
member_is(struct ublk_param_discard, discard_alignment, 0, 4);
member_is(struct ublk_param_discard, discard_granularity, 4, 4);
member_is(struct ublk_param_discard, max_discard_sectors, 8, 4);
member_is(struct ublk_param_discard, max_write_zeroes_sectors, 12, 4);
member_is(struct ublk_param_discard, max_discard_segments, 16, 2);
member_is(struct ublk_param_discard, reserved0, 18, 2);

size_is(struct ublk_param_devt, 16);
member_is(struct ublk_param_devt, char_major, 0, 4);
member_is(struct ublk_param_devt, char_minor, 4, 4);
member_is(struct ublk_param_devt, disk_major, 8, 4);
member_is(struct ublk_param_devt, disk_minor, 12, 4);

size_is(struct ublk_param_zoned, 32);
member_is(struct ublk_param_zoned, max_open_zones, 0, 4);
member_is(struct ublk_param_zoned, max_active_zones, 4, 4);
member_is(struct ublk_param_zoned, max_zone_append_sectors, 8, 4);
member_is(struct ublk_param_zoned, reserved, 12, 20);

size_is(struct ublk_param_dma_align, 8);
member_is(struct ublk_param_dma_align, alignment, 0, 4);
member_is(struct ublk_param_dma_align, pad, 4, 4);

size_is(struct ublk_param_segment, 16);
member_is(struct ublk_param_segment, seg_boundary_mask, 0, 8);
member_is(struct ublk_param_segment, max_segment_size, 8, 4);
member_is(struct ublk_param_segment, max_segments, 12, 2);
member_is(struct ublk_param_segment, pad, 14, 2);

size_is(struct ublk_param_integrity, 16);
member_is(struct ublk_param_integrity, flags, 0, 4);
member_is(struct ublk_param_integrity, max_integrity_segments, 4, 2);
member_is(struct ublk_param_integrity, interval_exp, 6, 1);
member_is(struct ublk_param_integrity, metadata_size, 7, 1);
member_is(struct ublk_param_integrity, pi_offset, 8, 1);
member_is(struct ublk_param_integrity, csum_type, 9, 1);
member_is(struct ublk_param_integrity, tag_size, 10, 1);
member_is(struct ublk_param_integrity, pad, 11, 5);

size_is(struct ublk_params, 152);
member_is(struct ublk_params, len, 0, 4);
member_is(struct ublk_params, types, 4, 4);
member_is(struct ublk_params, basic, 8, 32);
member_is(struct ublk_params, discard, 40, 20);
member_is(struct ublk_params, devt, 60, 16);
member_is(struct ublk_params, zoned, 76, 32);
member_is(struct ublk_params, dma, 108, 8);
member_is(struct ublk_params, seg, 120, 16);
member_is(struct ublk_params, integrity, 136, 16);

/* control.rst section 2 */
value_is(UBLK_U_CMD_GET_QUEUE_AFFINITY, 0x80207501);
value_is(UBLK_U_CMD_GET_DEV_INFO, 0x80207502);
value_is(UBLK_U_CMD_ADD_DEV, 0xc0207504);
value_is(UBLK_U_CMD_DEL_DEV, 0xc0207505);
value_is(UBLK_U_CMD_START_DEV, 0xc0207506);
value_is(UBLK_U_CMD_STOP_DEV, 0xc0207507);
value_is(UBLK_U_CMD_SET_PARAMS, 0xc0207508);
value_is(UBLK_U_CMD_GET_PARAMS, 0x80207509);
value_is(UBLK_U_CMD_START_USER_RECOVERY, 0xc0207510);
value_is(UBLK_U_CMD_END_USER_RECOVERY, 0xc0207511);
value_is(UBLK_U_CMD_GET_DEV_INFO2, 0x80207512);
value_is(UBLK_U_CMD_GET_FEATURES, 0x80207513);
value_is(UBLK_U_CMD_DEL_DEV_ASYNC, 0x80207514);
value_is(UBLK_U_CMD_UPDATE_SIZE, 0xc0207515);
value_is(UBLK_U_CMD_QUIESCE_DEV, 0xc0207516);
value_is(UBLK_U_CMD_TRY_STOP_DEV, 0xc0207517);
value_is(UBLK_U_CMD_REG_BUF, 0xc0207518);
value_is(UBLK_U_CMD_UNREG_BUF, 0xc0207519);

value_is(UBLK_CMD_GET_QUEUE_AFFINITY, 0x01);
value_is(UBLK_CMD_GET_DEV_INFO, 0x02);
value_is(UBLK_CMD_ADD_DEV, 0x04);
value_is(UBLK_CMD_DEL_DEV, 0x05);
value_is(UBLK_CMD_START_DEV, 0x06);
value_is(UBLK_CMD_STOP_DEV, 0x07);
value_is(UBLK_CMD_SET_PARAMS, 0x08);
value_is(UBLK_CMD_GET_PARAMS, 0x09);
value_is(UBLK_CMD_START_USER_RECOVERY, 0x10);
value_is(UBLK_CMD_END_USER_RECOVERY, 0x11);
value_is(UBLK_CMD_GET_DEV_INFO2, 0x12);

/* data.rst section 3 */
value_is(UBLK_U_IO_FETCH_REQ, 0xc0107520);
value_is(UBLK_U_IO_COMMIT_AND_FETCH_REQ, 0xc0107521);
value_is(UBLK_U_IO_NEED_GET_DATA, 0xc0107522);
value_is(UBLK_U_IO_REGISTER_IO_BUF, 0xc0107523);
value_is(UBLK_U_IO_UNREGISTER_IO_BUF, 0xc0107524);
value_is(UBLK_U_IO_PREP_IO_CMDS, 0xc0107525);
value_is(UBLK_U_IO_COMMIT_IO_CMDS, 0xc0107526);
value_is(UBLK_U_IO_FETCH_IO_CMDS, 0xc0107527);
value_is(UBLK_IO_FETCH_REQ, 0x20);
value_is(UBLK_IO_COMMIT_AND_FETCH_REQ, 0x21);
value_is(UBLK_IO_NEED_GET_DATA, 0x22);
value_is(UBLK_IO_RES_OK, 0);
value_is(UBLK_IO_RES_NEED_GET_DATA, 1);
value_is(UBLK_IO_RES_ABORT, -19);

/* README section 3 */
value_is(UBLK_F_SUPPORT_ZERO_COPY, 0x1);
value_is(UBLK_F_URING_CMD_COMP_IN_TASK, 0x2);
value_is(UBLK_F_NEED_GET_DATA, 0x4);
value_is(UBLK_F_USER_RECOVERY, 0x8);
value_is(UBLK_F_USER_RECOVERY_REISSUE, 0x10);
value_is(UBLK_F_UNPRIVILEGED_DEV, 0x20);
value_is(UBLK_F_CMD_IOCTL_ENCODE, 0x40);
value_is(UBLK_F_USER_COPY, 0x80);
value_is(UBLK_F_ZONED, 0x100);
value_is(UBLK_F_USER_RECOVERY_FAIL_IO, 0x200);
value_is(UBLK_F_UPDATE_SIZE, 0x400);
value_is(UBLK_F_AUTO_BUF_REG, 0x800);
value_is(UBLK_F_QUIESCE, 0x1000);
value_is(UBLK_F_PER_IO_DAEMON, 0x2000);
value_is(UBLK_F_BUF_REG_OFF_DAEMON, 0x4000);
value_is(UBLK_F_BATCH_IO, 0x8000);
value_is(UBLK_F_INTEGRITY, 0x10000);
value_is(UBLK_F_SAFE_STOP_DEV, 0x20000);
value_is(UBLK_F_NO_AUTO_PART_SCAN, 0x40000);
value_is(UBLK_F_SHMEM_ZC, 0x80000);
value_is(UBLK_F_IO_DESC_SIZE, 0x100000);
value_is(UBLK_FEATURES_LEN, 8);

/* data.rst section 2 */
value_is(UBLK_IO_OP_READ, 0);
value_is(UBLK_IO_OP_WRITE, 1);
value_is(UBLK_IO_OP_FLUSH, 2);
value_is(UBLK_IO_OP_DISCARD, 3);
value_is(UBLK_IO_OP_WRITE_SAME, 4);
value_is(UBLK_IO_OP_WRITE_ZEROES, 5);
value_is(UBLK_IO_OP_ZONE_OPEN, 10);
value_is(UBLK_IO_OP_ZONE_CLOSE, 11);
value_is(UBLK_IO_OP_ZONE_FINISH, 12);
value_is(UBLK_IO_OP_ZONE_APPEND, 13);
value_is(UBLK_IO_OP_ZONE_RESET_ALL, 14);
value_is(UBLK_IO_OP_ZONE_RESET, 15);
value_is(UBLK_IO_OP_REPORT_ZONES, 18);
value_is(UBLK_IO_F_FAILFAST_DEV, 0x100);
value_is(UBLK_IO_F_FAILFAST_TRANSPORT, 0x200);
value_is(UBLK_IO_F_FAILFAST_DRIVER, 0x400);
value_is(UBLK_IO_F_META, 0x800);
value_is(UBLK_IO_F_FUA, 0x2000);
value_is(UBLK_IO_F_NOUNMAP, 0x8000);
value_is(UBLK_IO_F_SWAP, 0x10000);
value_is(UBLK_IO_F_NEED_REG_BUF, 0x20000);
value_is(UBLK_IO_F_INTEGRITY, 0x40000);
value_is(UBLK_IO_F_SHMEM_ZC, 0x80000);

/* device states, lifecycle.rst section 1, and limits */
value_is(UBLK_S_DEV_DEAD, 0);
value_is(UBLK_S_DEV_LIVE, 1);
value_is(UBLK_S_DEV_QUIESCED, 2);
value_is(UBLK_S_DEV_FAIL_IO, 3);
value_is(UBLK_MAX_QUEUE_DEPTH, 4096);
value_is(UBLK_MAX_NR_QUEUES, 4096);
value_is(UBLK_MIN_SEGMENT_SIZE, 4096);

/* control.rst sections 12 and 14 */
value_is(UBLK_PARAM_TYPE_BASIC, 0x1);
value_is(UBLK_PARAM_TYPE_DISCARD, 0x2);
value_is(UBLK_PARAM_TYPE_DEVT, 0x4);
value_is(UBLK_PARAM_TYPE_ZONED, 0x8);
value_is(UBLK_PARAM_TYPE_DMA_ALIGN, 0x10);
value_is(UBLK_PARAM_TYPE_SEGMENT, 0x20);
value_is(UBLK_PARAM_TYPE_INTEGRITY, 0x40);
value_is(UBLK_ATTR_READ_ONLY, 0x1);
value_is(UBLK_ATTR_ROTATIONAL, 0x2);
value_is(UBLK_ATTR_VOLATILE_CACHE, 0x4);
value_is(UBLK_ATTR_FUA, 0x8);
value_is(UBLK_SHMEM_BUF_READ_ONLY, 0x1);

/* data.rst sections 11 to 13 */
value_is(UBLK_AUTO_BUF_REG_FALLBACK, 0x1);
value_is(UBLK_AUTO_BUF_REG_F_MASK, 0x1);
value_is(UBLK_BATCH_F_HAS_ZONE_LBA, 0x1);
value_is(UBLK_BATCH_F_HAS_BUF_ADDR, 0x2);
value_is(UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK, 0x4);
value_is(UBLKSRV_CMD_BUF_OFFSET, 0);
value_is(UBLKSRV_IO_BUF_OFFSET, 0x80000000);
value_is(UBLK_IO_BUF_OFF, 0);
value_is(UBLK_IO_BUF_BITS, 25);
value_is(UBLK_IO_BUF_BITS_MASK, 0x1ffffff);
value_is(UBLK_TAG_OFF, 25);
value_is(UBLK_TAG_BITS, 16);
value_is(UBLK_TAG_BITS_MASK, 0xffff);
value_is(UBLK_QID_OFF, 41);
value_is(UBLK_QID_BITS, 12);
value_is(UBLK_QID_BITS_MASK, 0xfff);
value_is(UBLKSRV_IO_BUF_TOTAL_BITS, 53);
value_is(UBLKSRV_IO_BUF_TOTAL_SIZE, 0x20000000000000);
value_is(UBLK_INTEGRITY_FLAG_OFF, 62);
value_is(UBLKSRV_IO_INTEGRITY_FLAG, 0x4000000000000000);

/* The operation is the low byte, the flags are the 24 bits above it (D-26). */
static void test_desc_helpers(void)
{
	const struct ublksrv_io_desc iod = {
		.op_flags = 0xffffff00 | UBLK_IO_OP_REPORT_ZONES,
	};

	ktap_eq(ublksrv_get_op(&iod), 18);
	ktap_eq(ublksrv_get_flags(&iod), 0xffffff);
}

/*
 * Bits 0 to 15 are the slot, 16 to 23 the flags, the others are reserved, on
 * machines of either byte order (D-42).
 */
static void test_auto_buf_reg(void)
{
	struct ublk_auto_buf_reg reg =
		ublk_sqe_addr_to_auto_buf_reg(0x8877665544332211);

	ktap_eq(reg.index, 0x2211);
	ktap_eq(reg.flags, 0x33);
	ktap_eq(reg.reserved0, 0x44);
	ktap_eq(reg.reserved1, 0x88776655);
	ktap_true(ublk_auto_buf_reg_to_sqe_addr(&reg) == 0x8877665544332211);
}

/* Bits 0 to 31 are the offset, 32 to 47 the index (D-22). */
static void test_shmem_addr(void)
{
	const __u64 addr = ublk_shmem_zc_addr(0xabcd, 0x87654321);

	ktap_eq(addr, 0xabcd87654321);
	ktap_eq(ublk_shmem_zc_index(addr), 0xabcd);
	ktap_eq(ublk_shmem_zc_offset(addr), 0x87654321);
	ktap_eq(ublk_shmem_zc_index(~0ULL), 0xffff);
	ktap_eq(ublk_shmem_zc_offset(~0ULL), 0xffffffff);
}

static const struct ktap_test tests[] = {
	{ "desc_helpers", test_desc_helpers },
	{ "auto_buf_reg", test_auto_buf_reg },
	{ "shmem_addr", test_shmem_addr },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
