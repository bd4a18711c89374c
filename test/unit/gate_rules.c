// SPDX-License-Identifier: GPL-2.0
/*
 * logic/gate_rules.h: every combination of conditions and recovery policy (L-30), and
 * what each policy does with the requests of a server that is gone (L-1).
 */
#include "ktap.h"
#include "logic/gate_rules.h"

static void test_decide(void)
{
	enum { GO, HOLD, EIO_, REMOTE };
	/* index: FAILING << 2 | ABORTING << 1 | CANCELING */
	static const int holds[8] = { GO, HOLD, EIO_, EIO_,
				      REMOTE, REMOTE, REMOTE, REMOTE };
	static const int fails[8] = { GO, EIO_, GO, EIO_,
				      REMOTE, REMOTE, REMOTE, REMOTE };
	unsigned int cond;

	for (cond = 0; cond < 8; cond++) {
		ktap_eq(ublk_gate_decide(cond, UBLK_POLICY_HOLD), holds[cond]);
		ktap_eq(ublk_gate_decide(cond, UBLK_POLICY_REISSUE),
			holds[cond]);
		ktap_eq(ublk_gate_decide(cond, UBLK_POLICY_STOP), fails[cond]);
		ktap_eq(ublk_gate_decide(cond, UBLK_POLICY_FAIL), fails[cond]);
	}
}

static void test_on_exit(void)
{
	static const struct {
		enum ublk_policy policy;
		enum ublk_gate waiting, delivered;
	} rows[] = {
		{ UBLK_POLICY_STOP, UBLK_GATE_FAIL, UBLK_GATE_FAIL },
		{ UBLK_POLICY_HOLD, UBLK_GATE_HOLD, UBLK_GATE_FAIL },
		{ UBLK_POLICY_REISSUE, UBLK_GATE_HOLD, UBLK_GATE_HOLD },
		{ UBLK_POLICY_FAIL, UBLK_GATE_FAIL, UBLK_GATE_FAIL },
	};
	size_t i;

	ktap_eq(ARRAY_SIZE(rows), UBLK_POLICY_NR);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_eq(ublk_gate_on_exit(rows[i].policy, false),
			rows[i].waiting);
		ktap_eq(ublk_gate_on_exit(rows[i].policy, true),
			rows[i].delivered);
	}
}

static const struct ktap_test tests[] = {
	{ "decide", test_decide },
	{ "on_exit", test_on_exit },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
