/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device of uapi_params.c and uapi_limits.c: just added, without
 * parameters.
 *
 * It defines a fixture: include it once in a program, after the harness.
 */
#ifndef UBLK_SELFTEST_PARAMS_FIXTURE_H
#define UBLK_SELFTEST_PARAMS_FIXTURE_H

#include "fixture.h"

FIXTURE(params) {
	struct fixture t;
	int id;
};

FIXTURE_VARIANT(params) {
	bool legacy;
};

FIXTURE_VARIANT_ADD(params, encoded) {
	.legacy = false,
};

FIXTURE_VARIANT_ADD(params, legacy) {
	.legacy = true,
};

FIXTURE_SETUP(params)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, 0);
	t->ctl.legacy = variant->legacy;
	raw_info_init(&t->info, 1, 4,
		      t->features & UBLK_F_NO_AUTO_PART_SCAN);
	ASSERT_EQ(0, raw_add(&t->ctl, &t->info));
	self->id = t->info.dev_id;
	fx_remember(t, self->id);
}

FIXTURE_TEARDOWN_PARENT(params)
{
	FX_TEARDOWN(&self->t);
}

static int set(struct fixture *t, struct ublk_params *p)
{
	return raw_set_params(&t->ctl, t->info.dev_id, p);
}

#endif
