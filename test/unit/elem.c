// SPDX-License-Identifier: GPL-2.0
/*
 * logic/elem.h: the checks of the batch commands (data.rst D-162..D-183),
 * elements of every layout, and the word for automatic buffer registration
 * (D-42).
 */
#include <errno.h>
#include <stdlib.h>

#include "ktap.h"
#include "logic/elem.h"

#define LBA	UBLK_BATCH_F_HAS_ZONE_LBA
#define BUF	UBLK_BATCH_F_HAS_BUF_ADDR
#define FALL	UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK

static void test_bytes(void)
{
	ktap_eq(ublk_elem_bytes(0), 8);
	ktap_eq(ublk_elem_bytes(BUF), 16);
	ktap_eq(ublk_elem_bytes(LBA), 16);
	ktap_eq(ublk_elem_bytes(BUF | LBA), 24);
	ktap_eq(ublk_elem_bytes(FALL), 8);
	ktap_eq(ublk_elem_bytes(0xffff), UBLK_ELEM_MAX_BYTES);
}

static void test_check(void)
{
	const u64 uc = UBLK_F_USER_COPY, zc = UBLK_F_SUPPORT_ZERO_COPY;
	const u64 reg = UBLK_F_AUTO_BUF_REG;
	const struct {
		const char *name;
		u64 dev;
		struct ublk_batch_io io;
		int ret;
	} rows[] = {
		{ "plain", uc, { 0, 0, 1, 8, 0, 0 }, 0 },
		{ "D-169 no element", uc, { 0, 0, 0, 8, 0, 0 }, 0 },
		{ "reserved is free", uc, { 0, 0, 1, 8, 255, ~0ULL }, 0 },
		{ "last queue", uc, { 3, 0, 1, 8, 0, 0 }, 0 },
		{ "D-162", uc, { 4, 0, 1, 8, 0, 0 }, -EINVAL },
		{ "D-162 all ones", uc, { 65535, 0, 1, 8, 0, 0 }, -EINVAL },
		{ "as many as tags", uc, { 0, 0, 64, 8, 0, 0 }, 0 },
		{ "D-163", uc, { 0, 0, 65, 8, 0, 0 }, -E2BIG },
		{ "D-163 all ones", uc, { 0, 0, 65535, 8, 0, 0 }, -E2BIG },
		{ "D-162 before D-163", uc, { 4, 0, 65, 8, 0, 0 }, -EINVAL },
		{ "D-163 before D-168", uc, { 0, 0, 65, 9, 0, 0 }, -E2BIG },
		{ "D-164", uc, { 0, LBA, 1, 16, 0, 0 }, -EINVAL },
		{ "zoned", uc | UBLK_F_ZONED, { 0, LBA, 1, 16, 0, 0 }, 0 },
		{ "copy mode", 0, { 0, BUF, 1, 16, 0, 0 }, 0 },
		{ "D-165 UC", uc, { 0, BUF, 1, 16, 0, 0 }, -EINVAL },
		{ "D-165 ZC", zc, { 0, BUF, 1, 16, 0, 0 }, -EINVAL },
		{ "D-165 AUTO", reg, { 0, BUF, 1, 16, 0, 0 }, -EINVAL },
		{ "auto", reg, { 0, FALL, 1, 8, 0, 0 }, 0 },
		{ "D-166", uc, { 0, FALL, 1, 8, 0, 0 }, -EINVAL },
		{ "D-166 copy", 0, { 0, FALL, 1, 8, 0, 0 }, -EINVAL },
		{ "D-167 both", reg, { 0, FALL | BUF, 1, 16, 0, 0 }, -EINVAL },
		{ "D-167 bit 3", uc, { 0, 8, 1, 8, 0, 0 }, -EINVAL },
		{ "D-167 bit 15", uc, { 0, 0x8000, 1, 8, 0, 0 }, -EINVAL },
		{ "D-168 short", uc, { 0, 0, 1, 7, 0, 0 }, -EINVAL },
		{ "D-168 zero", uc, { 0, 0, 1, 0, 0, 0 }, -EINVAL },
		{ "D-168 long", uc, { 0, 0, 1, 16, 0, 0 }, -EINVAL },
		{ "D-168 copy", 0, { 0, BUF, 1, 8, 0, 0 }, -EINVAL },
		{ "all", UBLK_F_ZONED, { 0, BUF | LBA, 1, 24, 0, 0 }, 0 },
		{ "D-168 all", UBLK_F_ZONED, { 0, BUF | LBA, 1, 16, 0, 0 },
		  -EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].name;
		ktap_eq(ublk_elem_check(&rows[i].io, rows[i].dev, 4, 64),
			rows[i].ret);
	}
}

static void test_check_fetch(void)
{
	struct ublk_batch_io io = { .q_id = 3, .elem_bytes = 2 };

	ktap_eq(ublk_elem_check_fetch(&io, true, 4), 0);
	io.nr_elem = 65535;
	ktap_eq(ublk_elem_check_fetch(&io, true, 4), 0);
	ktap_eq(ublk_elem_check_fetch(&io, true, 3), -EINVAL);
	ktap_eq(ublk_elem_check_fetch(&io, false, 4), -EINVAL);
	io.elem_bytes = 8;
	ktap_eq(ublk_elem_check_fetch(&io, true, 4), -EINVAL);
	io.elem_bytes = 0;
	ktap_eq(ublk_elem_check_fetch(&io, true, 4), -EINVAL);
	io.elem_bytes = 2;
	io.flags = 1;
	ktap_eq(ublk_elem_check_fetch(&io, true, 4), -EINVAL);
}

/* Each element fills its heap block, so ASAN reports a read past its end. */
static void test_decode(void)
{
	static const u16 layouts[] = { 0, BUF, LBA, BUF | LBA, FALL };
	const struct ublk_elem_header head = { 0x1234, 0x5678, -EIO };
	const u64 first = 0x1122334455667788, second = 0x99aabbccddeeff00;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		u16 flags = layouts[i];
		u32 len = ublk_elem_bytes(flags);
		/* one byte off: elements need no alignment */
		char *block = malloc(len + 1);
		struct ublk_elem elem;

		memcpy(block + 1, &head, 8);
		if (len > 8)
			memcpy(block + 9, &first, 8);
		if (len > 16)
			memcpy(block + 17, &second, 8);
		elem = ublk_elem_decode(block + 1, flags);
		free(block);

		ktap_eq(elem.tag, 0x1234);
		ktap_eq(elem.buf_index, 0x5678);
		ktap_eq(elem.result, -EIO);
		ktap_eq(elem.buf_addr, flags & BUF ? first : 0);
		if (!(flags & LBA))
			ktap_eq(elem.zone_lba, ~0ULL);
		else
			ktap_eq(elem.zone_lba, flags & BUF ? second : first);
	}
}

static void test_check_buf(void)
{
	struct ublk_elem elem = { .buf_addr = 0 };

	ktap_eq(ublk_elem_check_buf(&elem, 0), -EINVAL);
	ktap_eq(ublk_elem_check_buf(&elem, UBLK_F_USER_COPY), 0);
	ktap_eq(ublk_elem_check_buf(&elem, UBLK_F_SUPPORT_ZERO_COPY), 0);
	ktap_eq(ublk_elem_check_buf(&elem, UBLK_F_AUTO_BUF_REG), 0);
	elem.buf_addr = 1;
	ktap_eq(ublk_elem_check_buf(&elem, 0), 0);
}

static void test_buf_reg(void)
{
	struct ublk_elem elem = { .buf_index = 0xabcd };
	struct ublk_auto_buf_reg reg = ublk_elem_buf_reg(&elem, 0);

	ktap_eq(reg.index, 0xabcd);
	ktap_eq(reg.flags, 0);
	ktap_eq(ublk_elem_check_reg(reg), 0);
	reg = ublk_elem_buf_reg(&elem, FALL);
	ktap_eq(reg.flags, UBLK_AUTO_BUF_REG_FALLBACK);
	ktap_eq(ublk_elem_check_reg(reg), 0);
}

/* Bits 0 to 16 may be set, the other 47 must be zero (D-42). */
static void test_check_reg(void)
{
	int bit;

	for (bit = 0; bit < 64; bit++) {
		struct ublk_auto_buf_reg reg =
			ublk_sqe_addr_to_auto_buf_reg(1ULL << bit);

		ktap_eq(ublk_elem_check_reg(reg), bit <= 16 ? 0 : -EINVAL);
		ktap_eq(ublk_auto_buf_reg_to_sqe_addr(&reg), 1ULL << bit);
	}
}

static const struct ktap_test tests[] = {
	{ "bytes", test_bytes },
	{ "check", test_check },
	{ "check_fetch", test_check_fetch },
	{ "decode", test_decode },
	{ "check_buf", test_check_buf },
	{ "buf_reg", test_buf_reg },
	{ "check_reg", test_check_reg },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
