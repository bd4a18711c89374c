// SPDX-License-Identifier: GPL-2.0
/*
 * Partition scan of devices that lose their server (lifecycle.md L-57, L-80 to
 * L-85). The scan of a device that keeps its server is in uapi_start.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/child.h"
#include "lib/recovery.h"

#define UR	UBLK_F_USER_RECOVERY

FIXTURE(scan) {
	struct ut t;
	int id, lost;
};

FIXTURE_VARIANT(scan) {
	__u64 flags;
};

FIXTURE_VARIANT_ADD(scan, hold) {
	.flags = UR,
};

FIXTURE_VARIANT_ADD(scan, reissue) {
	.flags = UR | UBLK_F_USER_RECOVERY_REISSUE,
};

FIXTURE_VARIANT_ADD(scan, fail) {
	.flags = UR | UBLK_F_USER_RECOVERY_FAIL_IO,
};

FIXTURE_SETUP(scan)
{
	struct ut *t = &self->t;
	struct ublk_params p;

	UT_SETUP(t, variant->flags);
	raw_info_init(&t->info, 1, 4, variant->flags);
	ASSERT_EQ(0, raw_add(&t->ctl, &t->info));
	self->id = t->info.dev_id;
	ut_remember(t, self->id);
	raw_params_init(&p);
	ASSERT_EQ(0, raw_set_params(&t->ctl, self->id, &p));
	self->lost = rec_lost_state(variant->flags);
}

FIXTURE_TEARDOWN_PARENT(scan)
{
	UT_TEARDOWN(&self->t);
}

/* A partition table with one entry. */
static void write_table(char *store)
{
	static const unsigned char entry[16] = {
		0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0,
	};

	memcpy(store + 446, entry, sizeof(entry));
	store[510] = 0x55;
	store[511] = 0xaa;
}

static bool partition(struct ut *t, int ms)
{
	long end = raw_now_ms() + ms;
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/ublkb%up1",
		 t->info.dev_id, t->info.dev_id);
	do {
		if (!access(path, F_OK))
			return true;
		usleep(2000);
	} while (raw_now_ms() < end);
	return false;
}

static int cmd(struct ut *t, __u32 op, __u64 data)
{
	return raw_dev_cmd(&t->ctl, op, t->info.dev_id, data);
}

static long rescan(struct ut *t)
{
	return agent_wait(t->agent, agent_blk(t->agent, t->info.dev_id,
					      AGENT_RRPART, 0, 0, 0),
			  RAW_DEADLINE_MS);
}

/* covers: L-85 L-22 L-80 C-79 */
TEST_F(scan, L_85_recovery_does_not_scan)
{
	struct ut *t = &self->t;
	struct child *c;

	c = child_start(t, 0, 0);
	ASSERT_NE(NULL, c);
	ASSERT_EQ(0, cmd(t, UBLK_U_CMD_START_DEV, c->pid));
	/* No table yet. This returns after the first scan. */
	while (rescan(t) == -EINVAL)
		usleep(1000);
	EXPECT_FALSE(partition(t, 0));
	ASSERT_EQ(0, child_kill(c));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	c = child_start(t, 0, 0);
	ASSERT_NE(NULL, c);
	write_table(c->store);
	ASSERT_EQ(0, cmd(t, UBLK_U_CMD_END_USER_RECOVERY, c->pid));
	EXPECT_FALSE(partition(t, 3 * RAW_QUIET_MS));
	EXPECT_EQ(0, rescan(t));
	EXPECT_TRUE(partition(t, 0));
	/* Partitions are the disk's: they outlive a server. */
	ASSERT_EQ(0, child_kill(c));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	EXPECT_TRUE(partition(t, 0));
	c = child_start(t, 0, 0);
	ASSERT_NE(NULL, c);
	ASSERT_EQ(0, cmd(t, UBLK_U_CMD_END_USER_RECOVERY, c->pid));
	EXPECT_TRUE(partition(t, 0));
	EXPECT_EQ(0, cmd(t, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_FALSE(partition(t, 0));
}

/* A device whose partition scan waits for a server that does not answer. */
static struct child *stuck(struct ut *t)
{
	struct child *c = child_start(t, 0, 0);

	if (!c)
		return NULL;
	__atomic_store_n(&c->hold_all, 1, __ATOMIC_RELEASE);
	if (cmd(t, UBLK_U_CMD_START_DEV, c->pid))
		return NULL;
	return child_wait_owned(c, 1) ? NULL : c;
}

/* covers: L-84 L-57 L-1 L-23 */
TEST_F(scan, L_84_server_dies_during_the_scan)
{
	struct ut *t = &self->t;
	struct child *c;
	long start;

	c = stuck(t);
	ASSERT_NE(NULL, c);
	start = raw_now_ms();
	ASSERT_EQ(0, child_kill(c));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	EXPECT_GT(REC_FAST_MS, raw_now_ms() - start);
	/* The next server is not kept waiting by the scan, but serves it. */
	c = child_start(t, 0, 0);
	ASSERT_NE(NULL, c);
	write_table(c->store);
	ASSERT_EQ(0, cmd(t, UBLK_U_CMD_END_USER_RECOVERY, c->pid));
	if (variant->flags & UBLK_F_USER_RECOVERY_REISSUE) {
		EXPECT_TRUE(partition(t, RAW_DEADLINE_MS));
	} else {
		/* What the scan had asked for has failed. */
		EXPECT_EQ(0, rescan(t));
		EXPECT_TRUE(partition(t, 0));
	}
	EXPECT_EQ(0, cmd(t, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(0, child_wait_exit(c, RAW_DEADLINE_MS));
}

/* covers: L-57 L-84 C-82 L-42 */
TEST_F(scan, L_57_stop_during_a_held_scan)
{
	struct ut *t = &self->t;
	struct child *c;
	long start;

	c = stuck(t);
	ASSERT_NE(NULL, c);
	ASSERT_EQ(0, child_kill(c));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	start = raw_now_ms();
	EXPECT_EQ(0, cmd(t, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_GT(REC_FAST_MS, raw_now_ms() - start);
	EXPECT_FALSE(rec_disk_there(t));
	/* And a deletion. */
	c = stuck(t);
	ASSERT_NE(NULL, c);
	ASSERT_EQ(0, child_kill(c));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	EXPECT_EQ(0, raw_del(&t->ctl, self->id));
}

TEST_HARNESS_MAIN
