// SPDX-License-Identifier: GPL-2.0
/*
 * Zone reports (data.rst D-210, D-212 to D-215): the one that START_DEV makes
 * and checks, and those of BLKREPORTZONE; reports in several requests, replies
 * that are short, empty, wrong or errors, servers that die during a report.
 * Zone operations and parameters are in uapi_zoned_ops.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "lib/recovery.h"
#include "lib/zones.h"

#define NEED	(UBLK_F_ZONED | UBLK_F_USER_COPY)
#define REISSUE	(UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE)
#define REPORT	UBLK_IO_OP_REPORT_ZONES
/* With this many sectors per request one report holds 64 zones. */
#define SMALL	8
#define LARGE	(RAW_IO_BYTES / 512)

FIXTURE(zoned) {
	struct zones z;
	struct fixture *t;
};

FIXTURE_SETUP(zoned)
{
	FX_SETUP(&self->z.t, NEED);
	self->t = &self->z.t;
}

FIXTURE_TEARDOWN_PARENT(zoned)
{
	FX_TEARDOWN(&self->z.t);
}

static char *sysfs(struct fixture *t, const char *name)
{
	static char text[64];
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/queue/%s",
		 t->info.dev_id, name);
	text[0] = 0;
	f = fopen(path, "r");
	if (f) {
		if (!fgets(text, sizeof(text), f))
			text[0] = 0;
		fclose(f);
	}
	text[strcspn(text, "\n")] = 0;
	return text;
}

/* BLKREPORTZONE returned the zones of the server. */
static bool same_zones(struct zones *z, int from, int nr)
{
	struct blk_zone_report *rep = (void *)z->t.client->data;

	return rep->nr_zones == nr && rep->flags & BLK_ZONE_REP_CAPACITY &&
	       !memcmp(rep->zones, &z->zone[from], nr * sizeof(*rep->zones));
}

/* The next request, which must be a report. */
static int next_report(struct zones *z, struct raw_ev *ev)
{
	int ret = raw_event(&z->t.ring, ev, RAW_DEADLINE_MS);

	if (!ret && (ev->res || ublksrv_get_op(&ev->iod) != REPORT))
		ret = -EPROTO;
	return ret;
}

/* covers: D-210 L-83 C-78 C-75i C-133 D-213 */
TEST_F(zoned, D_210_disk)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct raw_ev ev;
	int job;

	ASSERT_EQ(0, zones_add(z, 0, 64, LARGE));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	job = client_ctrl(t->client, UBLK_U_CMD_START_DEV, t->info.dev_id,
			  getpid());
	/* The device is LIVE before START_DEV has ended. */
	ASSERT_EQ(0, next_report(z, &ev));
	EXPECT_FALSE(client_done(t->client, job));
	EXPECT_EQ(0, ev.iod.start_sector);
	EXPECT_EQ(64, ev.iod.nr_zones);
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, t->info.dev_id));
	ASSERT_EQ(0, zones_serve(z, &ev));
	ASSERT_EQ(0, zones_wait(z, job));
	EXPECT_STREQ("host-managed", sysfs(t, "zoned"));
	EXPECT_EQ(64, atoi(sysfs(t, "nr_zones")));
	EXPECT_EQ(z->sectors, atoi(sysfs(t, "chunk_sectors")));
	EXPECT_EQ(5, atoi(sysfs(t, "max_open_zones")));
	EXPECT_EQ(7, atoi(sysfs(t, "max_active_zones")));
	EXPECT_EQ(4096, atoi(sysfs(t, "zone_append_max_bytes")));
	/* The kernel does not scan for partitions. */
	EXPECT_EQ(RAW_TIMEOUT, raw_event(&t->ring, &ev, RAW_QUIET_MS));
	EXPECT_EQ(0, zones_stop(z));
}

/* covers: D-212 D-23 D-155 D-213 D-99f D-148 D-146 D-147 */
TEST_F(zoned, D_212_report)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct blk_zone zone;
	struct raw_ev ev;
	int job;
	long ret;

	ASSERT_EQ(0, zones_up(z, 0, 64, LARGE));
	z->zone[9].cond = BLK_ZONE_COND_READONLY;
	z->zone[10].wp += 8;
	z->zone[10].cond = BLK_ZONE_COND_IMP_OPEN;
	ASSERT_EQ(0, zones_wait(z, zones_report(z, 0, 64)));
	EXPECT_TRUE(same_zones(z, 0, 64));
	ASSERT_EQ(0, zones_wait(z, zones_report(z, 60, 64)));
	EXPECT_TRUE(same_zones(z, 60, 4));
	job = zones_report(z, 8, 5);
	ASSERT_EQ(0, next_report(z, &ev));
	EXPECT_EQ(5, ev.iod.nr_zones);
	EXPECT_EQ(8 * z->sectors, ev.iod.start_sector);
	EXPECT_EQ(0, ev.iod.op_flags >> 8 & ~7);
	/* Write the zones like the data of a read, into the kernel's buffer. */
	EXPECT_EQ(-1, pread(t->srv.fd, &zone, 64, raw_pos(0, ev.tag, 0)));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(64, pwrite(t->srv.fd, &z->zone[8], 64,
			     raw_pos(0, ev.tag, 0)));
	EXPECT_EQ(64, pwrite(t->srv.fd, &z->zone[12], 64,
			     raw_pos(0, ev.tag, 256)));
	EXPECT_EQ(192, pwrite(t->srv.fd, &z->zone[9], 192,
			      raw_pos(0, ev.tag, 64)));
	EXPECT_EQ(-1, pwrite(t->srv.fd, &zone, 64,
			     raw_pos(0, ev.tag, 1 << 20)));
	EXPECT_EQ(EINVAL, errno);
	/* The result is ignored unless it is an error. */
	ASSERT_EQ(0, raw_commit(&t->ring, 0, ev.tag, 0));
	ret = client_wait(t->client, job, RAW_DEADLINE_MS);
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(same_zones(z, 8, 5));
	job = zones_report(z, 8, 5);
	ASSERT_EQ(0, next_report(z, &ev));
	EXPECT_EQ(320, pwrite(t->srv.fd, &z->zone[8], 320,
			      raw_pos(0, ev.tag, 0)));
	ASSERT_EQ(0, raw_commit(&t->ring, 0, ev.tag, 12345678));
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_TRUE(same_zones(z, 8, 5));
	EXPECT_EQ(0, zones_stop(z));
}

/* covers: D-212 D-97 D-101 */
TEST_F(zoned, D_212_report_fails)
{
	static const int errors[][2] = {
		{ -EIO, -EIO }, { -ENOSPC, -ENOSPC }, { -EPERM, -EIO },
		{ -EOPNOTSUPP, -EOPNOTSUPP },
	};
	struct zones *z = &self->z;
	unsigned int i;

	ASSERT_EQ(0, zones_up(z, 0, 64, LARGE));
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		z->report_error = errors[i][0];
		EXPECT_EQ(errors[i][1], zones_wait(z, zones_report(z, 0, 9)));
	}
	z->report_error = 0;
	EXPECT_EQ(0, zones_wait(z, zones_report(z, 0, 9)));
	EXPECT_TRUE(same_zones(z, 0, 9));
	EXPECT_EQ(0, zones_stop(z));
}

/* covers: D-212 D-215 */
TEST_F(zoned, D_215_short_answers)
{
	struct zones *z = &self->z;
	struct raw_ev ev;
	int job;

	/* The driver asks again for zones missing at the end. */
	ASSERT_EQ(0, zones_up(z, 0, 64, LARGE));
	z->report_most = 30;
	job = zones_report(z, 0, 64);
	ASSERT_EQ(0, next_report(z, &ev));
	EXPECT_EQ(64, ev.iod.nr_zones);
	ASSERT_EQ(0, zones_serve(z, &ev));
	ASSERT_EQ(0, next_report(z, &ev));
	EXPECT_EQ(30 * z->sectors, ev.iod.start_sector);
	EXPECT_EQ(34, ev.iod.nr_zones);
	ASSERT_EQ(0, zones_serve(z, &ev));
	ASSERT_EQ(0, next_report(z, &ev));
	EXPECT_EQ(60 * z->sectors, ev.iod.start_sector);
	EXPECT_EQ(4, ev.iod.nr_zones);
	ASSERT_EQ(0, zones_serve(z, &ev));
	EXPECT_EQ(0, zones_wait(z, job));
	EXPECT_EQ(64, ((struct blk_zone_report *)self->t->client->data)->nr_zones);
	if (!running_on_mainline())
		EXPECT_TRUE(same_zones(z, 0, 64));
	EXPECT_EQ(0, zones_stop(z));
}

/* covers: D-215 I-43 */
TEST_F(zoned, I_43_no_progress)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct raw_ev ev;
	int job, i;

	ASSERT_EQ(0, zones_up(z, 0, 64, LARGE));
	job = zones_report(z, 3, 4);
	for (i = 0; i < 4 && running_on_mainline(); i++) {
		ASSERT_EQ(0, next_report(z, &ev)) TH_LOG("mainline asks again");
		EXPECT_EQ(3 * z->sectors, ev.iod.start_sector);
		ASSERT_EQ(0, raw_commit(&t->ring, 0, ev.tag, 0));
	}
	if (!running_on_mainline()) {
		ASSERT_EQ(0, next_report(z, &ev));
		ASSERT_EQ(0, raw_commit(&t->ring, 0, ev.tag, 0));
		EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	}
	EXPECT_EQ(running_on_mainline() ? 0 : -EIO, zones_wait(z, job));
	/* A last entry with length 0 means the same. */
	if (!running_on_mainline()) {
		struct blk_zone two[2] = { z->zone[3] };

		job = zones_report(z, 3, 4);
		ASSERT_EQ(0, next_report(z, &ev));
		EXPECT_EQ(128, pwrite(t->srv.fd, two, 128,
				      raw_pos(0, ev.tag, 0)));
		ASSERT_EQ(0, raw_commit(&t->ring, 0, ev.tag, 128));
		ASSERT_EQ(0, next_report(z, &ev));
		EXPECT_EQ(4 * z->sectors, ev.iod.start_sector);
		ASSERT_EQ(0, raw_commit(&t->ring, 0, ev.tag, 0));
		EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	}
	EXPECT_EQ(0, zones_stop(z));
}

/* covers: D-213 D-215 I-28 */
TEST_F(zoned, I_28_report_of_several_requests)
{
	struct zones *z = &self->z;
	int had;

	ASSERT_EQ(0, zones_up(z, 0, 256, SMALL));
	EXPECT_EQ(4, z->reports);
	had = z->reports;
	ASSERT_EQ(0, zones_wait(z, zones_report(z, 0, 256)));
	EXPECT_EQ(had + 4, z->reports);
	EXPECT_EQ(192 * z->sectors, z->last.start_sector);
	EXPECT_EQ(64, z->last.nr_zones);
	if (running_on_mainline()) {
		/* The last request's zones at the start of the list. */
		EXPECT_EQ(0, memcmp(zones_reported(z), &z->zone[192],
				    64 * sizeof(struct blk_zone)));
	} else {
		EXPECT_TRUE(same_zones(z, 0, 256));
		ASSERT_EQ(0, zones_wait(z, zones_report(z, 100, 100)));
		EXPECT_TRUE(same_zones(z, 100, 100));
	}
	EXPECT_EQ(0, zones_stop(z));
}

/* Damage a zone for the check of START_DEV. */
static void spoil(struct blk_zone *b, int how)
{
	switch (how) {
	case 0:
		b->start += 8;
		break;
	case 1:
		b->len -= 8;
		b->capacity -= 8;
		break;
	case 2:
		b->len *= 2;
		break;
	case 3:
		b->capacity = 0;
		break;
	case 4:
		b->capacity = b->len + 8;
		break;
	case 5:
		b->capacity -= 8;
		break;
	case 6:
		b->type = BLK_ZONE_TYPE_SEQWRITE_PREF;
		break;
	case 7:
		b->type = 0;
		break;
	case 8:
		b->type = BLK_ZONE_TYPE_CONVENTIONAL;
		b->cond = BLK_ZONE_COND_NOT_WP;
		b->capacity -= 8;
		break;
	}
}

/* covers: D-214 C-75i C-77 */
TEST_F(zoned, D_214_start_checks_zones)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct blk_zone saved;
	int i, ret;

	ASSERT_EQ(0, zones_add(z, 0, 64, LARGE));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	for (i = 0; i < 9; i++) {
		saved = z->zone[33];
		spoil(&z->zone[33], i);
		ret = zones_start(z);
		EXPECT_TRUE(ret == -ENODEV || ret == -EINVAL) {
			TH_LOG("case %d: %d", i, ret);
		}
		EXPECT_EQ(UBLK_S_DEV_DEAD,
			  raw_state(&t->ctl, t->info.dev_id));
		z->zone[33] = saved;
	}
	/* The server fails a report. */
	z->report_error = -ENOSPC;
	EXPECT_EQ(-ENOSPC, zones_start(z));
	z->report_error = -EIO;
	EXPECT_EQ(-EIO, zones_start(z));
	z->report_error = -EAGAIN;
	EXPECT_EQ(-EAGAIN, zones_start(z));
	z->report_error = 0;
	if (!running_on_mainline()) {
		z->nr = 60;
		EXPECT_GT(0, zones_start(z)) TH_LOG("four zones missing");
		EXPECT_EQ(UBLK_S_DEV_DEAD,
			  raw_state(&t->ctl, t->info.dev_id));
		z->nr = 64;
	}
	/* The tags are still fetched, and the zones are correct now. */
	z->zone[33].capacity = z->sectors;
	EXPECT_EQ(0, zones_start(z));
	EXPECT_EQ(0, zones_stop(z));
}

/* covers: D-214 C-75i */
TEST_F(zoned, D_214_start_checks_conditions)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	int ret;

	ASSERT_EQ(0, zones_add(z, 0, 64, LARGE));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	z->zone[33].cond = 0x77;
	ret = zones_start(z);
	if (!ret) {
		EXPECT_EQ(0, zones_stop(z));
		SKIP(return, "the block layer does not look at zone conditions");
	}
	EXPECT_TRUE(ret == -ENODEV || ret == -EINVAL) TH_LOG("%d", ret);
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, t->info.dev_id));
}

/* covers: D-214 C-133 */
TEST_F(zoned, D_214_good_zones)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct ublk_params p;
	int i;

	/* Capacities smaller than the zones, and all conditions. */
	ASSERT_EQ(0, zones_add(z, 0, 64, LARGE));
	for (i = 1; i < 64; i++)
		z->zone[i].capacity -= 1024;
	z->zone[1].cond = BLK_ZONE_COND_FULL;
	z->zone[2].cond = BLK_ZONE_COND_OFFLINE;
	z->zone[3].cond = BLK_ZONE_COND_READONLY;
	z->zone[4].cond = BLK_ZONE_COND_CLOSED;
	z->zone[4].wp += 16;
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, zones_start(z));
	ASSERT_EQ(0, zones_wait(z, zones_report(z, 0, 64)));
	EXPECT_TRUE(same_zones(z, 0, 64));
	EXPECT_EQ(0, zones_stop(z));
	fx_close(t);
	/* A smaller last zone is not counted, so a zone is missing. */
	ASSERT_EQ(0, raw_get_params(&t->ctl, t->info.dev_id, &p));
	p.types &= ~UBLK_PARAM_TYPE_DEVT;
	p.basic.dev_sectors -= z->sectors - 2048;
	z->zone[63].len = 2048;
	z->zone[63].capacity = 512;
	ASSERT_EQ(0, raw_set_params(&t->ctl, t->info.dev_id, &p));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-ENODEV, zones_start(z));
}

/* covers: L-102 I-43 */
TEST_F(zoned, L_102_server_dies_during_the_report)
{
	static const __u64 flags[] = { 0, UBLK_F_USER_RECOVERY, REISSUE };
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	struct raw_ev ev;
	unsigned int i;
	int job;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i] && running_on_mainline())
			break;
		ASSERT_EQ(0, zones_add(z, flags[i], 64, LARGE));
		ASSERT_EQ(0, fx_serve(t, 0));
		ASSERT_EQ(0, raw_fetch_all(&t->ring));
		job = client_ctrl(t->client, UBLK_U_CMD_START_DEV,
				  t->info.dev_id, getpid());
		ASSERT_EQ(0, next_report(z, &ev));
		fx_close(t);
		EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
		EXPECT_EQ(UBLK_S_DEV_DEAD,
			  raw_state(&t->ctl, t->info.dev_id));
		/* The next server is started. */
		ASSERT_EQ(0, fx_serve(t, 0));
		ASSERT_EQ(0, raw_fetch_all(&t->ring));
		EXPECT_EQ(0, zones_start(z));
		EXPECT_EQ(0, zones_stop(z));
		fx_close(t);
	}
}

/* Send START_DEV and keep the report. Never returns. */
static void start_and_keep(struct zones *z, int tell)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = z->t.info.dev_id, .queue_id = -1,
		.data = { getpid() },
	};
	struct raw_ctrl ctl;
	struct raw_ev ev;

	if (raw_ctrl_open(&ctl) || fx_serve(&z->t, 0) ||
	    raw_fetch_all(&z->t.ring))
		_exit(1);
	if (!raw_ctrl_prep(&ctl, UBLK_U_CMD_START_DEV, &cmd) ||
	    io_uring_submit(&ctl.ring) != 1 || next_report(z, &ev))
		_exit(2);
	if (write(tell, "", 1) != 1)
		_exit(3);
	for (;;)
		pause();
}

/*
 * The process that waits for START_DEV also owns the report. It can be killed,
 * and leaves nothing behind.
 *
 * covers: L-102 I-43
 */
TEST_F(zoned, L_102_starting_server_is_killed)
{
	struct zones *z = &self->z;
	struct fixture *t = self->t;
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int told[2], status;
	pid_t pid, gone;
	char c;

	if (running_on_mainline())
		SKIP(return, "a process that sent mainline's START_DEV does not die");
	ASSERT_EQ(0, zones_add(z, 0, 64, LARGE));
	ASSERT_EQ(0, pipe(told));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		start_and_keep(z, told[1]);
	close(told[1]);
	ASSERT_EQ(1, read(told[0], &c, 1)) TH_LOG("no report came");
	ASSERT_EQ(0, kill(pid, SIGKILL));
	do {
		gone = waitpid(pid, &status, WNOHANG);
		usleep(1000);
	} while (!gone && raw_now_ms() < end);
	ASSERT_EQ(pid, gone) TH_LOG("the server cannot be killed");
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
	/* The next server is started. */
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(0, zones_start(z));
	EXPECT_EQ(0, zones_stop(z));
	close(told[0]);
}

TEST_HARNESS_MAIN
