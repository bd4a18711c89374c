/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fixtures of the uapi_*.c programs have in common: a control ring,
 * the agent, one device with its server, and the numbers of all devices made.
 *
 * A fixture holds a struct ut and uses FIXTURE_TEARDOWN_PARENT(), so that
 * ut_cleanup() runs after the test's process has gone: no failed assertion can
 * leave a device behind, and a device that cannot be deleted fails the test.
 */
#ifndef UBLK_SELFTEST_UT_H
#define UBLK_SELFTEST_UT_H

#include "agent.h"

#define UT_MAX_IDS	64

/* Guests on a busy machine are slow: more than the harness's 30 seconds. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	100

struct ut {
	struct raw_ctrl ctl;
	struct agent *agent;
	__u64 features;
	struct ublksrv_ctrl_dev_info info;
	struct raw_srv srv;
	struct raw_ring ring;
	int nr_ids;
	int ids[UT_MAX_IDS];
};

int ut_open(struct ut *t);
int ut_cleanup(struct ut *t);
void ut_remember(struct ut *t, int id);
int ut_add(struct ut *t, int queues, int depth, __u64 flags);
int ut_serve(struct ut *t, unsigned int ring_flags);
int ut_start(struct ut *t);
int ut_stop(struct ut *t);
void ut_close(struct ut *t);
int ut_up(struct ut *t, int queues, int depth, __u64 flags);
int ut_request(struct ut *t, enum agent_blk_op op, __u64 off, __u32 len,
	       int *job, struct raw_ev *ev);
int ut_begin(struct ut *t, enum agent_blk_op op, __u64 off, __u32 len);
int ut_delivered(struct ut *t, struct raw_ev *ev);
int ut_commit_addr(struct ut *t, struct raw_ev *ev, int result, void *addr);
long ut_finish(struct ut *t, int job);
bool ut_open_still(struct ut *t, int job);
bool ut_inflight(struct ut *t, int n);
int ut_requests(struct ut *t);
bool ut_arrived(struct ut *t, int job, int n);
long ut_blk(struct ut *t, enum agent_blk_op op, __u64 off, __u32 len,
	    __u32 data);

/* For FIXTURE_SETUP(): everything a test needs before its device. */
#define UT_SETUP(t, need) do { \
	int ut_ret = ut_open(t); \
	\
	if (ut_ret == -ENOENT || ut_ret == -EACCES || ut_ret == -EPERM) \
		SKIP(return, "no /dev/ublk-control: be root, modprobe ublk_drv"); \
	ASSERT_EQ(0, ut_ret); \
	if (((t)->features & (need)) != (need)) \
		SKIP(return, "driver does not offer feature bits 0x%llx", \
		     (unsigned long long)((need) & ~(t)->features)); \
} while (0)

#define UT_TEARDOWN(t) EXPECT_EQ(0, ut_cleanup(t)) \
	TH_LOG("a device of this test cannot be deleted")

#define UT_REQUIRE(t, need) do { \
	if (((t)->features & (need)) != (need)) \
		SKIP(return, "driver does not offer feature bits 0x%llx", \
		     (unsigned long long)((need) & ~(t)->features)); \
} while (0)

#endif
