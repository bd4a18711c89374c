/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fixtures of the uapi_*.c programs have in common: a control ring,
 * the I/O client, one device with its server, and the numbers of all devices
 * made.
 *
 * A fixture contains a struct fixture and uses FIXTURE_TEARDOWN_PARENT(), so
 * that fx_cleanup() runs after the test's process has ended: a failed assertion
 * cannot leave a device behind, and a device that cannot be deleted fails the
 * test.
 */
#ifndef UBLK_SELFTEST_FIXTURE_H
#define UBLK_SELFTEST_FIXTURE_H

#include "io_client.h"

#define FX_MAX_IDS	64

/* More than the harness's 30 seconds, as a guest on a busy machine is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	100

struct fixture {
	struct raw_ctrl ctl;
	struct io_client *client;
	__u64 features;
	struct ublksrv_ctrl_dev_info info;
	struct raw_srv srv;
	struct raw_ring ring;
	unsigned int dma_alignment;	/* of the disks that fx_add() adds */
	int nr_ids;
	int ids[FX_MAX_IDS];
};

const char *fx_feature_names(__u64 features);
bool fx_driver_is_old(const struct fixture *t);
int fx_open(struct fixture *t);
int fx_cleanup(struct fixture *t);
void fx_remember(struct fixture *t, int id);
int fx_add(struct fixture *t, int queues, int depth, __u64 flags);
int fx_serve(struct fixture *t, unsigned int ring_flags);
int fx_start(struct fixture *t);
int fx_stop(struct fixture *t);
void fx_close(struct fixture *t);
int fx_up(struct fixture *t, int queues, int depth, __u64 flags);
int fx_request(struct fixture *t, enum client_blk_op op, __u64 off, __u32 len,
	       int *job, struct raw_ev *ev);
int fx_begin(struct fixture *t, enum client_blk_op op, __u64 off, __u32 len);
int fx_delivered(struct fixture *t, struct raw_ev *ev);
int fx_commit_addr(struct fixture *t, struct raw_ev *ev, int result,
		   void *addr);
long fx_finish(struct fixture *t, int job);
bool fx_open_still(struct fixture *t, int job);
bool fx_inflight(struct fixture *t, int n);
int fx_requests(struct fixture *t);
bool fx_arrived(struct fixture *t, int job, int n);
long fx_blk(struct fixture *t, enum client_blk_op op, __u64 off, __u32 len,
	    __u32 data);

/* For FIXTURE_SETUP(): everything that a test needs before its device. */
#define FX_SETUP(t, need) do { \
	int fx_ret = fx_open(t); \
	\
	if (fx_ret == -ENOENT || fx_ret == -EACCES || fx_ret == -EPERM) \
		SKIP(return, "no /dev/ublk-control: be root, modprobe ublk_drv"); \
	ASSERT_EQ(0, fx_ret); \
	if (fx_driver_is_old(t)) \
		SKIP(return, "the driver is that of a kernel before Linux 7.3"); \
	if (((t)->features & (need)) != (need)) \
		SKIP(return, "driver does not offer %s", \
		     fx_feature_names((need) & ~(t)->features)); \
} while (0)

#define FX_TEARDOWN(t) EXPECT_EQ(0, fx_cleanup(t)) \
	TH_LOG("a device of this test cannot be deleted")

#define FX_REQUIRE(t, need) do { \
	if (((t)->features & (need)) != (need)) \
		SKIP(return, "driver does not offer %s", \
		     fx_feature_names((need) & ~(t)->features)); \
} while (0)

#endif
