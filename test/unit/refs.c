// SPDX-License-Identifier: GPL-2.0
/*
 * logic/refs.h: the limits of refs and task_refs. test/model/refs.c searches
 * all interleavings for a lost or an extra reference.
 */
#include <errno.h>

#include "ktap.h"
#include "logic/refs.h"

static void test_owner_alone(void)
{
	u32 refs = ublk_refs_init();

	ktap_true(ublk_refs_idle(refs, 0));
	ktap_eq(refs - ublk_refs_collapse(0), 0);
	ktap_true(ublk_refs_idle(0, 0));
}

static void test_foreign(void)
{
	u32 refs = ublk_refs_get(ublk_refs_init());

	ktap_eq(refs, ublk_refs_init() + 1);
	ktap_true(!ublk_refs_idle(refs, 0));
	refs -= ublk_refs_collapse(0);
	ktap_eq(refs, 1);
	/* state R: the request exists, and may get more references */
	ktap_true(!ublk_refs_idle(refs, 0));
	ktap_eq(ublk_refs_get(refs), 2);
	ktap_true(ublk_refs_idle(refs - 1, 0));
}

static void test_task_refs(void)
{
	u32 refs = ublk_refs_init();
	u32 task_refs = ublk_refs_lend(ublk_refs_lend(0));

	ktap_eq(task_refs, 2);
	ktap_true(!ublk_refs_idle(refs, task_refs));
	ktap_true(ublk_refs_take_back(task_refs));
	ktap_true(ublk_refs_take_back(1));
	ktap_true(!ublk_refs_take_back(0));

	/* the daemon task has dropped both */
	ktap_true(ublk_refs_idle(refs, 0));
	/* another task has dropped both */
	ktap_true(ublk_refs_idle(refs - 2, task_refs));
	ktap_eq(refs - 2 - ublk_refs_collapse(task_refs), 0);
	/* one is left at the commit */
	ktap_eq(refs - 1 - ublk_refs_collapse(task_refs), 1);
	ktap_eq(refs - ublk_refs_collapse(1), 1);
}

static void test_nothing_there(void)
{
	ktap_eq(ublk_refs_get(0), 0);
	ktap_true(ublk_refs_idle(0, 0));
}

static void test_saturation(void)
{
	u32 most = UBLK_REFS_MAX - 1;

	ktap_eq(ublk_refs_get(most - 1), most);
	ktap_eq(ublk_refs_get(most), 0);
	ktap_eq(ublk_refs_get(UBLK_REFS_MAX), 0);
	ktap_eq(ublk_refs_get(0xffffffff), 0);
	ktap_true((s32)most > 0);

	ktap_eq(ublk_refs_lend(UBLK_REFS_BIAS - 2), UBLK_REFS_BIAS - 1);
	ktap_eq(ublk_refs_lend(UBLK_REFS_BIAS - 1), 0);
	ktap_eq(ublk_refs_lend(0xffffffff), 0);
	/* task_refs never includes the owner's own reference */
	ktap_true(ublk_refs_collapse(UBLK_REFS_BIAS - 1) > 0);
}

static const struct ktap_test tests[] = {
	{ "owner_alone", test_owner_alone },
	{ "foreign", test_foreign },
	{ "task_refs", test_task_refs },
	{ "nothing_there", test_nothing_there },
	{ "saturation", test_saturation },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
