// SPDX-License-Identifier: GPL-2.0
/*
 * Partition scan of devices that lose their server (lifecycle.rst L-57, L-80 to
 * L-85). The scan of a device that keeps its server is in uapi_start.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "lib/server_proc.h"
#include "lib/recovery.h"

#define UR	UBLK_F_USER_RECOVERY

FIXTURE(scan) {
	struct fixture t;
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
	struct fixture *t = &self->t;
	struct ublk_params p;

	FX_SETUP(t, variant->flags);
	raw_info_init(&t->info, 1, 4, variant->flags);
	ASSERT_EQ(0, raw_add(&t->ctl, &t->info));
	self->id = t->info.dev_id;
	fx_remember(t, self->id);
	raw_params_init(&p);
	ASSERT_EQ(0, raw_set_params(&t->ctl, self->id, &p));
	self->lost = rec_lost_state(variant->flags);
}

FIXTURE_TEARDOWN_PARENT(scan)
{
	FX_TEARDOWN(&self->t);
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

static bool partition(struct fixture *t, int ms)
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

static int cmd(struct fixture *t, __u32 op, __u64 data)
{
	return raw_dev_cmd(&t->ctl, op, t->info.dev_id, data);
}

static long rescan(struct fixture *t)
{
	return client_wait(t->client, client_blk(t->client, t->info.dev_id,
						 CLIENT_RRPART, 0, 0, 0),
			   RAW_DEADLINE_MS);
}

/* Wait for the server's first request. */
static bool served(struct server_proc *s)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	while (!__atomic_load_n(&s->served[0], __ATOMIC_ACQUIRE)) {
		if (raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

/* covers: L-85 L-22 L-80 C-79 */
TEST_F(scan, L_85_recovery_does_not_scan)
{
	struct fixture *t = &self->t;
	struct server_proc *s;

	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, cmd(t, UBLK_U_CMD_START_DEV, s->pid));
	/*
	 * No table yet. The first scan has begun, and the second waits for it:
	 * no read is left that the next server could answer.
	 */
	ASSERT_TRUE(served(s));
	ASSERT_EQ(0, rescan(t));
	EXPECT_FALSE(partition(t, 0));
	ASSERT_EQ(0, server_kill(s));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	write_table(s->store);
	ASSERT_EQ(0, cmd(t, UBLK_U_CMD_END_USER_RECOVERY, s->pid));
	EXPECT_FALSE(partition(t, 3 * RAW_QUIET_MS));
	EXPECT_EQ(0, rescan(t));
	EXPECT_TRUE(partition(t, 0));
	/* Partitions belong to the disk: they survive the server. */
	ASSERT_EQ(0, server_kill(s));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	EXPECT_TRUE(partition(t, 0));
	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, cmd(t, UBLK_U_CMD_END_USER_RECOVERY, s->pid));
	EXPECT_TRUE(partition(t, 0));
	EXPECT_EQ(0, cmd(t, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_FALSE(partition(t, 0));
}

/*
 * Make a device whose partition scan waits for a server that does not answer.
 */
static struct server_proc *stuck(struct fixture *t)
{
	struct server_proc *s =
		server_launch(&t->info, SERVER_HOLD_NONE, false);

	if (!s)
		return NULL;
	__atomic_store_n(&s->hold, SERVER_HOLD_ALL, __ATOMIC_RELEASE);
	if (cmd(t, UBLK_U_CMD_START_DEV, s->pid))
		return NULL;
	return server_wait_kept(s, 1) ? NULL : s;
}

/* covers: L-84 L-57 L-1 L-23 */
TEST_F(scan, L_84_server_dies_during_the_scan)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	long start;

	s = stuck(t);
	ASSERT_NE(NULL, s);
	start = raw_now_ms();
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	EXPECT_GT(REC_FAST_MS, raw_now_ms() - start);
	/* The scan does not make the next server wait, which serves it. */
	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	write_table(s->store);
	ASSERT_EQ(0, cmd(t, UBLK_U_CMD_END_USER_RECOVERY, s->pid));
	if (variant->flags & UBLK_F_USER_RECOVERY_REISSUE) {
		EXPECT_TRUE(partition(t, RAW_DEADLINE_MS));
	} else {
		/* The reads of the first scan have failed. */
		EXPECT_EQ(0, rescan(t));
		EXPECT_TRUE(partition(t, 0));
	}
	EXPECT_EQ(0, cmd(t, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(0, server_wait_exit(s, RAW_DEADLINE_MS));
}

/* covers: L-57 L-84 C-82 L-42 */
TEST_F(scan, L_57_stop_during_a_held_scan)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	long start;

	s = stuck(t);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, server_kill(s));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	start = raw_now_ms();
	EXPECT_EQ(0, cmd(t, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_GT(REC_FAST_MS, raw_now_ms() - start);
	EXPECT_FALSE(rec_disk_there(t));
	/* A deletion works, too. */
	s = stuck(t);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, server_kill(s));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	EXPECT_EQ(0, raw_del(&t->ctl, self->id));
}

TEST_HARNESS_MAIN
