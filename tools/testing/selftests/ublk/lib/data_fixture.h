/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device of uapi_data.c and uapi_result.c: LIVE, in copy mode, with the
 * test's process as its server. Both programs run everything with NEED_GET_DATA
 * as well.
 *
 * It defines a fixture: include it once in a program, after the harness.
 */
#ifndef UBLK_SELFTEST_DATA_FIXTURE_H
#define UBLK_SELFTEST_DATA_FIXTURE_H

#include "fixture.h"

FIXTURE(data) {
	struct fixture t;
};

FIXTURE_VARIANT(data) {
	int depth;
	__u64 flags;
};

FIXTURE_VARIANT_ADD(data, copy) {
	.depth = 4,
};

FIXTURE_VARIANT_ADD(data, get_data) {
	.depth = 4, .flags = UBLK_F_NEED_GET_DATA,
};

FIXTURE_SETUP(data)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	ASSERT_EQ(0, fx_up(t, 1, variant->depth, variant->flags));
}

FIXTURE_TEARDOWN_PARENT(data)
{
	FX_TEARDOWN(&self->t);
}

#endif
