// SPDX-License-Identifier: GPL-2.0
/*
 * How long requests are held for the next server: the attribute hold_timeout of the
 * char device (I-73). The servers are processes that the test kills.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include "kselftest_harness.h"
#include "lib/proc.h"
#include "lib/recovery.h"
#include "lib/server_proc.h"

#define START	UBLK_U_CMD_START_DEV
#define END	UBLK_U_CMD_END_USER_RECOVERY
#define UR	UBLK_F_USER_RECOVERY
/* For hold_timeout; long enough to do something meanwhile. */
#define SOON_S	3
#define SOON_MS	(1000 * SOON_S)
/* Timers of the kernel count ticks. */
#define SLACK_MS	20

FIXTURE(hold) {
	struct fixture t;
	struct server_proc *s;
};

FIXTURE_VARIANT(hold) {
	int queues;
	__u64 flags;
};

FIXTURE_VARIANT_ADD(hold, hold_q1) {
	.queues = 1, .flags = UR,
};

FIXTURE_VARIANT_ADD(hold, reissue_q2) {
	.queues = 2, .flags = UR | UBLK_F_USER_RECOVERY_REISSUE,
};

FIXTURE_VARIANT_ADD(hold, batch_reissue_q2) {
	.queues = 2, .flags = UR | UBLK_F_USER_RECOVERY_REISSUE | UBLK_F_BATCH_IO,
};

static void hold_path(struct fixture *t, char *path, size_t len)
{
	snprintf(path, len, "/sys/class/ublk-char/ublkc%u/hold_timeout",
		 t->info.dev_id);
}

static int hold_set(struct fixture *t, const char *text)
{
	char path[64];

	hold_path(t, path, sizeof(path));
	return raw_write_text(path, text);
}

static int hold_set_s(struct fixture *t, int seconds)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", seconds);
	return hold_set(t, text);
}

static unsigned long hold_get(struct fixture *t)
{
	char path[64];

	hold_path(t, path, sizeof(path));
	return raw_read_ulong(path);
}

static int hold_state(struct fixture *t)
{
	return raw_state(&t->ctl, t->info.dev_id);
}

/* A server that is ready, but not told to the driver. */
static struct server_proc *hold_server(struct fixture *t, enum server_hold hold)
{
	return server_launch(&t->info, hold, false);
}

static int hold_kill(struct fixture *t, struct server_proc *s)
{
	int ret = server_kill(s);

	return ret ? ret : rec_start(t);
}

static int hold_recover(struct fixture *t)
{
	struct server_proc *s = hold_server(t, SERVER_HOLD_NONE);

	return s ? rec_cmd(t, END, s->pid) : -EIO;
}

/* One request, served by another process. */
static long hold_io(struct fixture *t, enum client_blk_op op)
{
	return client_wait(t->client, rec_io(t, op, 0), RAW_DEADLINE_MS);
}

FIXTURE_SETUP(hold)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, variant->flags);
	ASSERT_EQ(0, fx_add(t, variant->queues, 4, variant->flags));
	if (running_on_mainline())
		SKIP(return, "mainline holds requests without end");
	self->s = hold_server(t, SERVER_HOLD_NONE);
	ASSERT_NE(NULL, self->s);
	ASSERT_EQ(0, rec_cmd(t, START, self->s->pid));
}

FIXTURE_TEARDOWN_PARENT(hold)
{
	FX_TEARDOWN(&self->t);
}

/* covers: I-73 */
TEST_F(hold, I_73_values)
{
	struct fixture *t = &self->t;

	EXPECT_EQ(0, hold_get(t));
	EXPECT_EQ(0, hold_set(t, "30\n"));
	EXPECT_EQ(30, hold_get(t));
	EXPECT_EQ(-EINVAL, hold_set(t, "soon"));
	EXPECT_EQ(-EINVAL, hold_set(t, "-1"));
	EXPECT_EQ(-ERANGE, hold_set(t, "31536001"));
	EXPECT_EQ(-ERANGE, hold_set(t, "4294967296"));
	EXPECT_EQ(30, hold_get(t));
	EXPECT_EQ(0, hold_set(t, "31536000"));
	EXPECT_EQ(0, hold_set(t, "0"));
	EXPECT_EQ(0, hold_get(t));
}

/* covers: I-73 */
TEST_F(hold, I_73_devices_that_hold_nothing)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	EXPECT_EQ(-EINVAL, hold_set(t, "30"));
	ASSERT_EQ(0, fx_add(t, 1, 4, UR | UBLK_F_USER_RECOVERY_FAIL_IO));
	EXPECT_EQ(-EINVAL, hold_set(t, "30"));
	EXPECT_EQ(0, hold_get(t));
}

/* covers: I-73 L-4 */
TEST_F(hold, I_73_held_requests_fail)
{
	struct fixture *t = &self->t;
	int round, jobs[3], i;
	long start;

	/* Again after a recovery: the value stays. */
	ASSERT_EQ(0, hold_set_s(t, SOON_S));
	for (round = 0; round < 2; round++) {
		start = raw_now_ms();
		ASSERT_EQ(0, hold_kill(t, self->s));
		for (i = 0; i < 3; i++)
			jobs[i] = rec_io(t, CLIENT_READ, i);
		ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
					    UBLK_S_DEV_FAIL_IO));
		EXPECT_LE(SOON_MS - SLACK_MS, raw_now_ms() - start);
		for (i = 0; i < 3; i++)
			EXPECT_EQ(-EREMOTEIO, client_wait(t->client, jobs[i],
							  REC_FAST_MS));
		start = raw_now_ms();
		EXPECT_EQ(-EREMOTEIO, hold_io(t, CLIENT_READ));
		EXPECT_GT(SOON_MS, raw_now_ms() - start);
		EXPECT_TRUE(rec_disk_there(t));
		/* It can be recovered as before, and serves then. */
		self->s = hold_server(t, SERVER_HOLD_NONE);
		ASSERT_NE(NULL, self->s);
		ASSERT_EQ(0, rec_cmd(t, END, self->s->pid));
		EXPECT_EQ(UBLK_S_DEV_LIVE, hold_state(t));
		EXPECT_EQ(4096, hold_io(t, CLIENT_WRITE));
	}
}

/* covers: I-73 */
TEST_F(hold, I_73_a_recovery_in_time)
{
	struct fixture *t = &self->t;
	int job;

	ASSERT_EQ(0, hold_set_s(t, SOON_S));
	ASSERT_EQ(0, hold_kill(t, self->s));
	job = rec_io(t, CLIENT_READ, 0);
	ASSERT_EQ(0, hold_recover(t));
	EXPECT_EQ(4096, client_wait(t->client, job, REC_FAST_MS));
	usleep((SOON_MS + 500) * 1000);
	EXPECT_EQ(UBLK_S_DEV_LIVE, hold_state(t));
	EXPECT_EQ(4096, hold_io(t, CLIENT_READ));
}

/* covers: I-73 */
TEST_F(hold, I_73_a_recovery_that_is_late)
{
	struct fixture *t = &self->t;
	struct server_proc *s;

	ASSERT_EQ(0, hold_kill(t, self->s));
	s = hold_server(t, SERVER_HOLD_NONE);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, hold_set_s(t, 1));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id, UBLK_S_DEV_FAIL_IO));
	/* The server has all tags, and requests fail until the driver knows it. */
	EXPECT_EQ(-EREMOTEIO, hold_io(t, CLIENT_READ));
	ASSERT_EQ(0, rec_cmd(t, END, s->pid));
	EXPECT_EQ(UBLK_S_DEV_LIVE, hold_state(t));
	EXPECT_EQ(4096, hold_io(t, CLIENT_READ));
}

/* covers: I-73 L-1 */
TEST_F(hold, I_73_a_server_that_dies_while_requests_fail)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	int job;

	ASSERT_EQ(0, hold_kill(t, self->s));
	ASSERT_EQ(0, hold_set_s(t, 1));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id, UBLK_S_DEV_FAIL_IO));
	s = hold_server(t, SERVER_HOLD_WINDOW);
	ASSERT_NE(NULL, s);
	/* Its queues are ready, so it gets this one. */
	job = rec_io(t, CLIENT_READ, 0);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	ASSERT_EQ(0, hold_kill(t, s));
	EXPECT_EQ(UBLK_S_DEV_FAIL_IO, hold_state(t));
	EXPECT_EQ(rec_reissues(t) ? -EREMOTEIO : -EIO,
		  client_wait(t->client, job, REC_FAST_MS));
	ASSERT_EQ(0, hold_recover(t));
	EXPECT_EQ(4096, hold_io(t, CLIENT_READ));
}

/* covers: I-73 */
TEST_F(hold, I_73_set_while_requests_are_held)
{
	struct fixture *t = &self->t;
	long start;
	int job;

	ASSERT_EQ(0, hold_set_s(t, 1));
	ASSERT_EQ(0, hold_set_s(t, 0));
	ASSERT_EQ(0, hold_kill(t, self->s));
	job = rec_io(t, CLIENT_READ, 0);
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, job, 2000));
	EXPECT_EQ(UBLK_S_DEV_QUIESCED, hold_state(t));
	ASSERT_EQ(0, hold_set_s(t, 3600));
	start = raw_now_ms();
	ASSERT_EQ(0, hold_set_s(t, 1));
	EXPECT_EQ(-EREMOTEIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_LE(1000 - SLACK_MS, raw_now_ms() - start);
	EXPECT_EQ(UBLK_S_DEV_FAIL_IO, hold_state(t));
	/* A new value does not bring it back. */
	ASSERT_EQ(0, hold_set_s(t, 0));
	EXPECT_EQ(UBLK_S_DEV_FAIL_IO, hold_state(t));
}

/* covers: I-73 C-74 */
TEST_F(hold, I_73_a_deletion_does_not_wait)
{
	struct fixture *t = &self->t;
	int job;

	ASSERT_EQ(0, hold_set_s(t, 3600));
	ASSERT_EQ(0, hold_kill(t, self->s));
	ASSERT_EQ(0, hold_set_s(t, 1800));
	job = client_ctrl(t->client, UBLK_U_CMD_DEL_DEV, t->info.dev_id, 0);
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
}

TEST_HARNESS_MAIN
