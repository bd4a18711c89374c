// SPDX-License-Identifier: GPL-2.0
/*
 * logic/op.h against the table of operations (data.rst D-23, D-24, D-91).
 */
#include <errno.h>

#include "ktap.h"
#include "logic/op.h"

static const struct {
	u8 op;
	const char *name;
	bool read, write, zoned;
} ops[] = {
	{ 0, "read", true, false, false },
	{ 1, "write", false, true, false },
	{ 2, "flush", false, false, false },
	{ 3, "discard", false, false, false },
	{ 4, "write-same", false, false, false },
	{ 5, "write-zeroes", false, false, false },
	{ 10, "zone-open", false, false, true },
	{ 11, "zone-close", false, false, true },
	{ 12, "zone-finish", false, false, true },
	{ 13, "zone-append", false, true, true },
	{ 14, "zone-reset-all", false, false, true },
	{ 15, "zone-reset", false, false, true },
	{ 18, "report-zones", true, false, true },
};

static void test_all_codes(void)
{
	unsigned int op;
	size_t i;

	for (op = 0; op < 256; op++) {
		for (i = 0; i < ARRAY_SIZE(ops) && ops[i].op != op; i++)
			;
		if (i == ARRAY_SIZE(ops)) {
			ktap_row = "not an operation";
			ktap_true(!strcmp(ublk_op_name(op), "unknown"));
			ktap_true(!ublk_op_has_data(op));
			ktap_true(!ublk_op_zoned(op));
			continue;
		}
		ktap_row = ops[i].name;
		ktap_true(!strcmp(ublk_op_name(op), ops[i].name));
		ktap_eq(ublk_op_is_read(op), ops[i].read);
		ktap_eq(ublk_op_is_write(op), ops[i].write);
		ktap_eq(ublk_op_has_data(op), ops[i].read || ops[i].write);
		ktap_eq(ublk_op_zoned(op), ops[i].zoned);
	}
}

static const struct ktap_test tests[] = {
	{ "all_codes", test_all_codes },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
