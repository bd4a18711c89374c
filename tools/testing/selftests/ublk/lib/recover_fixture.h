/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device of uapi_recovery.c and uapi_recovery_stop.c: one that survives its
 * server, with each of the three recovery policies; not started yet.
 *
 * It defines a fixture: include it once in a program, after the harness.
 */
#ifndef UBLK_SELFTEST_RECOVER_FIXTURE_H
#define UBLK_SELFTEST_RECOVER_FIXTURE_H

#include "recovery.h"

#define UR	UBLK_F_USER_RECOVERY

FIXTURE(recover) {
	struct fixture t;
	int id, lost;
};

FIXTURE_VARIANT(recover) {
	int queues, depth;
	__u64 flags;
};

FIXTURE_VARIANT_ADD(recover, hold_q1) {
	.queues = 1, .depth = 4, .flags = UR,
};

FIXTURE_VARIANT_ADD(recover, reissue_q2_get_data) {
	.queues = 2, .depth = 4,
	.flags = UR | UBLK_F_USER_RECOVERY_REISSUE | UBLK_F_NEED_GET_DATA,
};

FIXTURE_VARIANT_ADD(recover, fail_q2) {
	.queues = 2, .depth = 4, .flags = UR | UBLK_F_USER_RECOVERY_FAIL_IO,
};

FIXTURE_SETUP(recover)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	ASSERT_EQ(0, fx_add(t, variant->queues, variant->depth,
			    variant->flags));
	self->id = t->info.dev_id;
	self->lost = rec_lost_state(variant->flags);
}

FIXTURE_TEARDOWN_PARENT(recover)
{
	FX_TEARDOWN(&self->t);
}

#endif
