// SPDX-License-Identifier: GPL-2.0
/*
 * logic/device.h: every cell of the table of device states (lifecycle.rst
 * section 2), of server states (L-40, D-1, D-43, D-44) and of recovery policies
 * (L-1).
 */
#include <errno.h>

#include "ktap.h"
#include "logic/device.h"

enum { DEAD, LIVE, QUI, FIO };	/* UBLK_S_DEV_* */

#define UR	UBLK_F_USER_RECOVERY
#define REI	UBLK_F_USER_RECOVERY_REISSUE
#define FAIL	UBLK_F_USER_RECOVERY_FAIL_IO

static void test_policy(void)
{
	ktap_eq(ublk_device_policy(0), UBLK_POLICY_STOP);
	ktap_eq(ublk_device_policy(~(u64)UR), UBLK_POLICY_STOP);
	ktap_eq(ublk_device_policy(FAIL), UBLK_POLICY_STOP);
	ktap_eq(ublk_device_policy(UR), UBLK_POLICY_HOLD);
	ktap_eq(ublk_device_policy(UR | REI), UBLK_POLICY_REISSUE);
	ktap_eq(ublk_device_policy(UR | FAIL), UBLK_POLICY_FAIL);
	ktap_true(!ublk_policy_holds(UBLK_POLICY_STOP));
	ktap_true(ublk_policy_holds(UBLK_POLICY_HOLD));
	ktap_true(ublk_policy_holds(UBLK_POLICY_REISSUE));
	ktap_true(!ublk_policy_holds(UBLK_POLICY_FAIL));
}

/* A row of lifecycle.rst section 2: the next state from DEAD, LIVE, QUI, FIO. */
static void check_event(const char *row, enum ublk_device_event event,
			enum ublk_policy policy, const int next[4])
{
	unsigned int state;

	ktap_row = row;
	for (state = DEAD; state <= FIO; state++)
		ktap_eq(ublk_device_next(state, event, policy), next[state]);
	ktap_eq(ublk_device_next(4, event, policy), -EPROTO);
	ktap_eq(ublk_device_next(~0u, event, policy), -EPROTO);
}

static void test_next(void)
{
	static const struct {
		const char *name;
		enum ublk_device_event event;
		int stop[4];	/* without UR */
		int hold[4];	/* UR, UR+REISSUE */
		int fail[4];	/* UR+FAIL_IO */
	} rows[] = {
		{ "start", UBLK_DEV_EV_START,
		  { LIVE, -EEXIST, -EEXIST, -EEXIST },
		  { LIVE, -EEXIST, -EEXIST, -EEXIST },
		  { LIVE, -EEXIST, -EEXIST, -EEXIST } },
		{ "stop", UBLK_DEV_EV_STOP,
		  { DEAD, DEAD, DEAD, DEAD },
		  { DEAD, DEAD, DEAD, DEAD },
		  { DEAD, DEAD, DEAD, DEAD } },
		{ "server gone", UBLK_DEV_EV_SERVER_GONE,
		  { DEAD, DEAD, QUI, FIO },
		  { DEAD, QUI, QUI, FIO },
		  { DEAD, FIO, QUI, FIO } },
		{ "start recovery", UBLK_DEV_EV_START_RECOVERY,
		  { -EINVAL, -EINVAL, -EINVAL, -EINVAL },
		  { -EBUSY, -EBUSY, QUI, FIO },
		  { -EBUSY, -EBUSY, QUI, FIO } },
		{ "end recovery", UBLK_DEV_EV_END_RECOVERY,
		  { -EINVAL, -EINVAL, -EINVAL, -EINVAL },
		  { -EBUSY, -EBUSY, LIVE, LIVE },
		  { -EBUSY, -EBUSY, LIVE, LIVE } },
		{ "use", UBLK_DEV_EV_USE,
		  { -ENODEV, LIVE, QUI, FIO },
		  { -ENODEV, LIVE, QUI, FIO },
		  { -ENODEV, LIVE, QUI, FIO } },
		{ "hold expired", UBLK_DEV_EV_HOLD_EXPIRED,
		  { DEAD, LIVE, FIO, FIO },
		  { DEAD, LIVE, FIO, FIO },
		  { DEAD, LIVE, FIO, FIO } },
	};
	size_t i;

	ktap_eq(ARRAY_SIZE(rows), UBLK_DEV_EV_NR);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		check_event(rows[i].name, rows[i].event, UBLK_POLICY_STOP,
			    rows[i].stop);
		check_event(rows[i].name, rows[i].event, UBLK_POLICY_HOLD,
			    rows[i].hold);
		check_event(rows[i].name, rows[i].event, UBLK_POLICY_REISSUE,
			    rows[i].hold);
		check_event(rows[i].name, rows[i].event, UBLK_POLICY_FAIL,
			    rows[i].fail);
	}
	ktap_eq(ublk_device_next(LIVE, UBLK_DEV_EV_NR, UBLK_POLICY_STOP),
		-EPROTO);
}

static void test_server(void)
{
	enum { NONE, FETCHING, READY, STOPPING };
	static const struct {
		const char *name;
		enum ublk_server_event event;
		int next[4];
	} rows[] = {
		{ "open", UBLK_SERVER_EV_OPEN,
		  { FETCHING, -EBUSY, -EBUSY, -EBUSY } },
		{ "fetch", UBLK_SERVER_EV_FETCH,
		  { -EBUSY, FETCHING, -EBUSY, -ENODEV } },
		{ "last fetch", UBLK_SERVER_EV_LAST_FETCH,
		  { -EBUSY, READY, -EBUSY, -ENODEV } },
		{ "stop", UBLK_SERVER_EV_STOP,
		  { NONE, STOPPING, STOPPING, STOPPING } },
		{ "reset", UBLK_SERVER_EV_RESET, { NONE, NONE, NONE, NONE } },
	};
	unsigned int state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].name;
		for (state = NONE; state <= STOPPING; state++)
			ktap_eq(ublk_server_next(state, rows[i].event),
				rows[i].next[state]);
	}
	ktap_row = "no event";
	ktap_eq(ublk_server_next(UBLK_SERVER_NONE, 5), -EPROTO);
}

/* "ublk list" prints these names, and scripts compare them. */
static void test_names(void)
{
	ktap_true(!strcmp(ublk_device_name(DEAD), "DEAD"));
	ktap_true(!strcmp(ublk_device_name(LIVE), "LIVE"));
	ktap_true(!strcmp(ublk_device_name(QUI), "QUIESCED"));
	ktap_true(!strcmp(ublk_device_name(FIO), "FAIL_IO"));
	ktap_true(!strcmp(ublk_device_name(4), "UNKNOWN"));
}

static const struct ktap_test tests[] = {
	{ "policy", test_policy },
	{ "next", test_next },
	{ "server", test_server },
	{ "names", test_names },
};

int main(void)
{
	return ktap_run(tests, ARRAY_SIZE(tests));
}
