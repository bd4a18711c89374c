/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device of uapi_user_copy.c and uapi_user_copy_calls.c: with user copy
 * alone, and together with the other modes that allow it; fetched, not started
 * yet.
 *
 * It defines a fixture: include it once in a program, after the harness.
 */
#ifndef UBLK_SELFTEST_COPY_FIXTURE_H
#define UBLK_SELFTEST_COPY_FIXTURE_H

#include "fixture.h"

#define LEN	12288	/* length of most requests */

FIXTURE(copy) {
	struct fixture t;
	char *mem;		/* 2 * RAW_IO_BYTES of memory for the server */
};

FIXTURE_VARIANT(copy) {
	__u64 flags;
	unsigned int ring;
};

FIXTURE_VARIANT_ADD(copy, alone) {
	.flags = UBLK_F_USER_COPY,
};

FIXTURE_VARIANT_ADD(copy, zero_copy_defer) {
	.flags = UBLK_F_USER_COPY | UBLK_F_SUPPORT_ZERO_COPY,
	.ring = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(copy, auto_buf) {
	.flags = UBLK_F_USER_COPY | UBLK_F_AUTO_BUF_REG,
};

FIXTURE_SETUP(copy)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	self->mem = calloc(2, RAW_IO_BYTES);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, fx_add(t, 1, 4, variant->flags));
	ASSERT_EQ(0, fx_serve(t, variant->ring));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
}

FIXTURE_TEARDOWN_PARENT(copy)
{
	FX_TEARDOWN(&self->t);
}

#endif
