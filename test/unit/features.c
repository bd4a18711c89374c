// SPDX-License-Identifier: GPL-2.0
/*
 * logic/features.h: every check of ADD_DEV that depends only on the info buffer
 * (control.rst C-43..C-52), and the effects column of the feature table (abi
 * README section 3).
 */
#include <errno.h>

#include "ktap.h"
#include "logic/features.h"

#define ZC	UBLK_F_SUPPORT_ZERO_COPY
#define NGD	UBLK_F_NEED_GET_DATA
#define UR	UBLK_F_USER_RECOVERY
#define REI	UBLK_F_USER_RECOVERY_REISSUE
#define UNPRIV	UBLK_F_UNPRIVILEGED_DEV
#define UC	UBLK_F_USER_COPY
#define FAIL	UBLK_F_USER_RECOVERY_FAIL_IO
#define AUTO	UBLK_F_AUTO_BUF_REG
#define QUI	UBLK_F_QUIESCE
#define BATCH	UBLK_F_BATCH_IO
#define INTEG	UBLK_F_INTEGRITY
#define ZONED	UBLK_F_ZONED
#define DESC	UBLK_F_IO_DESC_SIZE

/* Every check accepts this request; each test makes one member invalid. */
static struct ublksrv_ctrl_dev_info good_info(u64 flags)
{
	struct ublksrv_ctrl_dev_info info = {
		.nr_hw_queues = 1,
		.queue_depth = 64,
		.io_desc_size = 7,
		.max_io_buf_bytes = 1 << 20,
		.flags = flags,
	};

	return info;
}

static void test_counts(void)
{
	static const struct {
		const char *name;
		u16 queues, depth;
		int ret;
	} rows[] = {
		{ "one and one", 1, 1, 0 },
		{ "highest", 4096, 4096, 0 },
		{ "no depth", 1, 0, -EINVAL },
		{ "depth above", 1, 4097, -EINVAL },
		{ "depth all ones", 1, 65535, -EINVAL },
		{ "no queues", 0, 1, -EINVAL },
		{ "queues above", 4097, 1, -EINVAL },
		{ "queues all ones", 65535, 1, -EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ublksrv_ctrl_dev_info info = good_info(0);

		ktap_row = rows[i].name;
		info.nr_hw_queues = rows[i].queues;
		info.queue_depth = rows[i].depth;
		ktap_eq(ublk_features_counts(&info), rows[i].ret);
		ktap_eq(ublk_features_request(&info, UBLK_F_ALL, true),
			rows[i].ret);
	}
}

/* What passes to a backing has neither zones nor protection information (E-60). */
static void test_extents(void)
{
	static const struct {
		const char *name;
		u64 flags;
		bool privileged;
		int ret;
	} rows[] = {
		{ "alone", 0, true, 0 },
		{ "redirect", UBLK_F_REDIRECT | UC, true, 0 },
		{ "batch", BATCH | AUTO, true, 0 },
		{ "integrity", INTEG | UC, true, -EINVAL },
		{ "zoned", ZONED | UC, true, -EINVAL },
		{ "unprivileged", UNPRIV, false, -EINVAL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ublksrv_ctrl_dev_info info =
			good_info(rows[i].flags | UBLK_F_EXTENTS);

		ktap_row = rows[i].name;
		ktap_eq(ublk_features_request(&info, UBLK_F_ALL | UBLK_F_EXTENTS |
					      UBLK_F_REDIRECT, rows[i].privileged),
			rows[i].ret);
	}
}

/* The counts are checked before the privilege of the caller (C-43, C-44). */
static void test_order(void)
{
	struct ublksrv_ctrl_dev_info info = good_info(REI);

	info.queue_depth = 0;
	ktap_eq(ublk_features_request(&info, UBLK_F_ALL, false), -EINVAL);
	info.queue_depth = 1;
	ktap_eq(ublk_features_request(&info, UBLK_F_ALL, false), -EPERM);
	ktap_eq(ublk_features_request(&info, UBLK_F_ALL, true), -EINVAL);
}

static void test_request(void)
{
	static const struct {
		const char *name;
		u64 flags;
		bool privileged;
		int ret;
		u64 after;
	} rows[] = {
		{ "nothing", 0, true, 0, 0 },
		{ "unknown bits", 1ULL << 63 | 1ULL << 21, true, 0, 0 },
		{ "C-44 privileged", UNPRIV, true, 0, 0 },
		{ "C-44 unprivileged", UNPRIV, false, 0, UNPRIV },
		{ "C-44 not asked", 0, false, -EPERM, 0 },
		{ "C-45 UR", UR, true, 0, UR },
		{ "C-45 UR+REISSUE", UR | REI, true, 0, UR | REI },
		{ "C-45 UR+FAIL", UR | FAIL, true, 0, UR | FAIL },
		{ "C-45 REISSUE", REI, true, -EINVAL, 0 },
		{ "C-45 FAIL", FAIL, true, -EINVAL, 0 },
		{ "C-45 REISSUE+FAIL", REI | FAIL, true, -EINVAL, 0 },
		{ "C-45 all", UR | REI | FAIL, true, -EINVAL, 0 },
		{ "C-46 alone", QUI, true, -EINVAL, 0 },
		{ "C-46 with UR", QUI | UR, true, 0, QUI | UR },
		{ "C-46 with FAIL", QUI | UR | FAIL, true, 0, QUI | UR | FAIL },
		{ "C-47 UR", UNPRIV | UR, false, 0, UNPRIV },
		{ "C-47 REISSUE", UNPRIV | UR | REI, false, 0, UNPRIV },
		{ "C-47 FAIL", UNPRIV | UR | FAIL, false, 0, UNPRIV | FAIL },
		{ "C-47 QUIESCE", UNPRIV | UR | QUI, false, 0, UNPRIV | QUI },
		{ "C-47 bad", UNPRIV | FAIL, false, -EINVAL, 0 },
		{ "C-48 UC", UNPRIV | UC, false, -EINVAL, 0 },
		{ "C-48 ZC", UNPRIV | ZC, false, -EINVAL, 0 },
		{ "C-48 AUTO", UNPRIV | AUTO, false, -EINVAL, 0 },
		{ "C-48 privileged", UNPRIV | UC | ZC, true, 0, UC | ZC },
		{ "C-49 alone", INTEG, true, -EINVAL, 0 },
		{ "C-49 with ZC", INTEG | ZC, true, -EINVAL, 0 },
		{ "C-49 with UC", INTEG | UC, true, 0, INTEG | UC },
		{ "get data", NGD, true, 0, NGD },
		{ "get data unpriv", NGD | UNPRIV, false, 0, NGD | UNPRIV },
		{ "batch unpriv", BATCH | UNPRIV, false, 0, BATCH | UNPRIV },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ublksrv_ctrl_dev_info info = good_info(rows[i].flags);

		ktap_row = rows[i].name;
		ktap_eq(ublk_features_request(&info, UBLK_F_ALL,
					      rows[i].privileged),
			rows[i].ret);
		if (rows[i].ret)
			continue;
		ktap_eq(info.flags, rows[i].after);
		ktap_eq(info.io_desc_size, 24);
	}
}

/* A driver without a feature ignores its flag and the members it needs. */
static void test_unsupported(void)
{
	struct ublksrv_ctrl_dev_info info = good_info(UR | REI | FAIL | NGD);

	ktap_eq(ublk_features_request(&info, NGD, true), 0);
	ktap_eq(info.flags, NGD);

	info = good_info(UNPRIV);
	ktap_eq(ublk_features_request(&info, UBLK_F_ALL & ~UNPRIV, false),
		-EPERM);
	info = good_info(DESC);
	info.io_desc_size = 1;
	ktap_eq(ublk_features_request(&info, UBLK_F_ALL & ~DESC, true), 0);
	ktap_eq(info.io_desc_size, 24);
}

static void test_desc_size(void)
{
	unsigned int size;

	for (size = 0; size <= 65535; size++) {
		struct ublksrv_ctrl_dev_info info = good_info(DESC);
		bool ok = size >= 24 && size <= 256 && size % 8 == 0;

		info.io_desc_size = size;
		ktap_eq(ublk_features_request(&info, UBLK_F_ALL, true),
			ok ? 0 : -EINVAL);
		ktap_eq(info.io_desc_size, size);
	}
}

static void test_grant(void)
{
	const u64 always = 0x26042;
	static const struct {
		const char *name;
		u64 flags, supported;
		u16 depth;
		int ret;
		u64 without, with;	/* changes of UBLK_F_ALWAYS: removed, added */
	} rows[] = {
		{ "nothing", 0, UBLK_F_ALL, 1, 0, 0, 0 },
		{ "unknown bits", ~UBLK_F_ALL, UBLK_F_ALL, 1, 0, 0, 0 },
		{ "get data", NGD, UBLK_F_ALL, 1, 0, 0, NGD },
		{ "get data UC", NGD | UC, UBLK_F_ALL, 1, 0, 0, UC },
		{ "get data ZC", NGD | ZC, UBLK_F_ALL, 1, 0, 0, ZC },
		{ "get data AUTO", NGD | AUTO, UBLK_F_ALL, 1, 0, 0, AUTO },
		{ "get data BATCH", NGD | BATCH, UBLK_F_ALL, 2, 0,
		  UBLK_F_PER_IO_DAEMON, BATCH },
		{ "C-52", BATCH, UBLK_F_ALL, 1, -EINVAL, 0, 0 },
		{ "C-52 unknown", BATCH, UBLK_F_ALL & ~BATCH, 1, 0, 0, 0 },
		{ "C-51i no mode", ZONED, UBLK_F_ALL, 1, -EINVAL, 0, 0 },
		{ "C-51i AUTO", ZONED | AUTO, UBLK_F_ALL, 1, -EINVAL, 0, 0 },
		{ "C-51i UC", ZONED | UC, UBLK_F_ALL, 1, 0, 0, ZONED | UC },
		{ "C-51i ZC", ZONED | ZC, UBLK_F_ALL, 1, 0, 0, ZONED | ZC },
		{ "C-51i kernel", ZONED | UC, UBLK_F_ALL & ~ZONED, 1, -EINVAL,
		  0, 0 },
		{ "no integrity", INTEG | UC, UBLK_F_ALL & ~INTEG, 1, 0, 0, UC },
		{ "no safe stop", 0, UBLK_F_ALL & ~UBLK_F_SAFE_STOP_DEV, 1, 0,
		  UBLK_F_SAFE_STOP_DEV, 0 },
	};
	size_t i;

	ktap_eq(UBLK_F_ALWAYS, always);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ublksrv_ctrl_dev_info info = good_info(rows[i].flags);

		ktap_row = rows[i].name;
		info.queue_depth = rows[i].depth;
		ktap_eq(ublk_features_grant(&info, rows[i].supported),
			rows[i].ret);
		if (!rows[i].ret)
			ktap_eq(info.flags, (always & ~rows[i].without) |
					    rows[i].with);
		else
			ktap_eq(info.flags, rows[i].flags);
	}
}

/* For each word of flags, the granted features obey the whole table. */
static void test_every_word(void)
{
	u64 flags;

	for (flags = 0; flags <= UBLK_F_ALL; flags++) {
		struct ublksrv_ctrl_dev_info info = good_info(flags);
		bool unpriv = flags & UNPRIV;
		u64 got;

		info.io_desc_size = 32;
		if (ublk_features_request(&info, UBLK_F_ALL, !unpriv))
			continue;
		if (ublk_features_grant(&info, UBLK_F_ALL))
			continue;
		got = info.flags;
		ktap_true(!(got & ~UBLK_F_ALL));
		ktap_true(!(got & NGD) || ublk_features_driver_copies(got));
		ktap_true(!(got & NGD) || !(got & BATCH));
		ktap_true(!(got & REI) || (got & UR && !(got & FAIL)));
		ktap_true(!(got & ZONED) || got & (UC | ZC));
		ktap_true(!(got & INTEG) || got & UC);
		ktap_true(!(got & BATCH) == !!(got & UBLK_F_PER_IO_DAEMON));
		ktap_true(!!(got & UNPRIV) == unpriv);
		if (unpriv)
			ktap_true(!(got & (UR | REI | UC | ZC | AUTO | ZONED |
					   INTEG)));
		if (ktap_failed)
			return;
	}
}

static void test_copy_mode(void)
{
	ktap_true(ublk_features_driver_copies(0));
	ktap_true(ublk_features_driver_copies(UBLK_F_ALL & ~(UC | ZC | AUTO)));
	ktap_true(!ublk_features_driver_copies(UC));
	ktap_true(!ublk_features_driver_copies(ZC));
	ktap_true(!ublk_features_driver_copies(AUTO));
}

static void test_max_io(void)
{
	static const struct {
		u32 bytes;
		u64 flags;
		u32 page, want;
	} rows[] = {
		{ 0, 0, 4096, 0 },
		{ 4095, 0, 4096, 0 },
		{ 4096, 0, 4096, 4096 },
		{ 4097, 0, 4096, 4096 },
		{ 65535, 0, 65536, 0 },
		{ 0xffffffff, 0, 4096, 0xfffff000 },
		{ 0xffffffff, 0, 65536, 0xffff0000 },
		{ 0xffffffff, UC, 4096, 32 << 20 },
		{ (32 << 20) + 1, UC, 4096, 32 << 20 },
		{ 32 << 20, UC, 4096, 32 << 20 },
		{ (32 << 20) - 1, UC, 4096, (32 << 20) - 4096 },
		{ 64 << 20, ZC, 4096, 64 << 20 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ktap_eq(ublk_features_max_io(rows[i].bytes, rows[i].flags,
					     rows[i].page), rows[i].want);
}

static const struct ktap_test tests[] = {
	{ "counts", test_counts },
	{ "extents", test_extents },
	{ "order", test_order },
	{ "request", test_request },
	{ "unsupported", test_unsupported },
	{ "desc_size", test_desc_size },
	{ "grant", test_grant },
	{ "every_word", test_every_word },
	{ "copy_mode", test_copy_mode },
	{ "max_io", test_max_io },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
