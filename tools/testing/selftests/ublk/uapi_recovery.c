// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that survive their server (control.rst section 11, lifecycle.rst
 * sections 2, 4 and 6): START_USER_RECOVERY, END_USER_RECOVERY, and what
 * happens to requests before, between and after. The server is the test itself
 * or another process that the test kills.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include "kselftest_harness.h"
#include "lib/server_proc.h"
#include "lib/recovery.h"
#include "lib/recover_fixture.h"

#define START	UBLK_U_CMD_START_DEV
#define STOP	UBLK_U_CMD_STOP_DEV
#define BEGIN	UBLK_U_CMD_START_USER_RECOVERY
#define END	UBLK_U_CMD_END_USER_RECOVERY
#define WIN	RAW_WIN_START
#define UR	UBLK_F_USER_RECOVERY

/* covers: C-92a C-95c L-4 */
TEST_F(recover, C_92a_without_the_flag)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 2, 0));
	EXPECT_EQ(-EINVAL, rec_cmd(t, BEGIN, 0));
	ASSERT_EQ(0, rec_live(t));
	EXPECT_EQ(-EINVAL, rec_cmd(t, BEGIN, 0));
	EXPECT_EQ(-EINVAL, rec_end(t));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, t->info.dev_id));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: C-92b C-92c C-92d C-93 L-4 L-22 */
TEST_F(recover, C_92_states)
{
	struct fixture *t = &self->t;
	int i;

	EXPECT_EQ(-EBUSY, rec_cmd(t, BEGIN, 0));
	ASSERT_EQ(0, fx_serve(t, 0));
	EXPECT_EQ(-EBUSY, rec_cmd(t, BEGIN, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EBUSY, rec_cmd(t, BEGIN, 0));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(-EBUSY, rec_cmd(t, BEGIN, 0));
	ASSERT_EQ(0, rec_lose(t));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, rec_cmd(t, BEGIN, 0));
		EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	}
	ASSERT_EQ(0, fx_serve(t, 0));
	EXPECT_EQ(-EBUSY, rec_cmd(t, BEGIN, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	EXPECT_EQ(-EBUSY, rec_cmd(t, BEGIN, 0));
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, rec_end(t));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	EXPECT_EQ(-EBUSY, rec_cmd(t, BEGIN, 0));
}

/* covers: C-94 L-21 L-20 L-23 F-15 F-16 */
TEST_F(recover, C_94_state_before_the_end_of_the_session)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	long start;
	int i, ret;

	for (i = 0; i < 5; i++) {
		s = server_launch(&t->info, SERVER_HOLD_NONE, false);
		ASSERT_NE(NULL, s);
		ASSERT_EQ(0, rec_cmd(t, i ? END : START, s->pid));
		start = raw_now_ms();
		ASSERT_EQ(0, server_kill(s));
		do {
			ret = rec_cmd(t, BEGIN, 0);
			ASSERT_TRUE(ret == 0 || ret == -EBUSY);
			/*
			 * The command returns 0 only after the state has
			 * changed.
			 */
			if (!ret) {
				EXPECT_EQ(self->lost,
					  raw_state(&t->ctl, self->id));
			}
		} while (ret && raw_now_ms() - start < REC_FAST_MS);
		EXPECT_EQ(0, ret) TH_LOG("iteration %d", i);
		EXPECT_TRUE(rec_disk_there(t));
	}
}

/* covers: C-95a C-95b C-95d L-4 */
TEST_F(recover, C_95_refusals)
{
	struct fixture *t = &self->t;

	/* The server is ready, the device first DEAD, then LIVE. */
	ASSERT_EQ(0, rec_begin(t));
	EXPECT_EQ(-EBUSY, rec_cmd(t, END, getpid()));
	EXPECT_EQ(-EINVAL, rec_cmd(t, END, 0));
	EXPECT_EQ(-EINVAL, rec_cmd(t, END, -1));
	EXPECT_EQ(-EINVAL, rec_cmd(t, END, 1));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(-EBUSY, rec_end(t));
	ASSERT_EQ(0, rec_lose(t));
	ASSERT_EQ(0, rec_begin(t));
	EXPECT_EQ(-EINVAL, rec_cmd(t, END, 0));
	EXPECT_EQ(-EINVAL, rec_cmd(t, END, -1));
	EXPECT_EQ(-EINVAL, rec_cmd(t, END, 1));
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	EXPECT_EQ(0, rec_end(t));
	EXPECT_EQ(-EBUSY, rec_end(t));
}

/* covers: C-95a C-95e */
TEST_F(recover, C_95a_waits_for_the_last_tag)
{
	struct fixture *t = &self->t;
	int q, job, ret = 0;

	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, rec_lose(t));
	job = client_ctrl(t->client, END, self->id, getpid());
	EXPECT_TRUE(rec_waits(t, job)) TH_LOG("the node is not even open");
	ASSERT_EQ(0, fx_serve(t, 0));
	for (q = 0; q < t->info.nr_hw_queues; q++)
		ret |= rec_fetch_queue(t, q, !q);
	ASSERT_EQ(0, ret);
	EXPECT_TRUE(rec_waits(t, job));
	ASSERT_EQ(0, raw_fetch(&t->ring, 0, 0));
	EXPECT_EQ(0, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
}

/* covers: C-95a */
TEST_F(recover, C_95a_interrupted)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, rec_lose(t));
	EXPECT_EQ(-EINTR, rec_canceled(t, END, getpid()));
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, rec_recover(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, WIN, 4096, 0));
}

/* covers: C-95d L-106 C-162 L-40 */
TEST_F(recover, L_106_stop_ends_the_wait)
{
	struct fixture *t = &self->t;
	int good, bad;

	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, rec_lose(t));
	ASSERT_EQ(0, fx_serve(t, 0));
	good = client_ctrl(t->client, END, self->id, getpid());
	bad = client_ctrl(t->client, END, self->id, 1);
	EXPECT_TRUE(rec_waits(t, good));
	EXPECT_TRUE(rec_waits(t, bad));
	EXPECT_EQ(0, rec_cmd(t, STOP, 0));
	EXPECT_EQ(-EBUSY, client_wait(t->client, good, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINVAL, client_wait(t->client, bad, RAW_DEADLINE_MS));
	EXPECT_EQ(-ENODEV, raw_call(&t->ring, UBLK_U_IO_FETCH_REQ, 0, 0, 0,
				    4096));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
}

/* covers: C-95e C-61 L-1 L-30 L-35 L-50 L-22 */
TEST_F(recover, C_95e_new_requests_with_no_server)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	int jobs[3], i;

	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, rec_lose(t));
	ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
	EXPECT_EQ(getpid(), info.ublksrv_pid) TH_LOG("the pid is kept, not cleared");
	for (i = 0; i < 3; i++) {
		jobs[i] = rec_held(t, i);
		ASSERT_LE(0, jobs[i]);
	}
	memset(t->srv.store + WIN, 0x37, 4096);
	ASSERT_EQ(0, rec_recover(t));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(rec_held_result(t),
			  client_wait_serving(t->client, jobs[i], &t->ring,
					      RAW_DEADLINE_MS));
	}
	EXPECT_TRUE(rec_fails(t) || t->client->data[0] == 0x37);
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
	EXPECT_EQ(0x37, t->client->data[0]);
	EXPECT_EQ(0, fx_stop(t));
}

/* Requests, of which the server owned some when it left. */
struct load {
	int jobs[12], nr, owned;
};

static int load_up(struct fixture *t, struct load *l)
{
	struct raw_ev ev;
	bool sure;
	int ret;

	l->nr = t->info.nr_hw_queues * t->info.queue_depth + 4;
	for (l->owned = 0, ret = 0; l->owned < l->nr; l->owned++)
		l->jobs[l->owned] = rec_io(t, l->owned % 2 ? CLIENT_WRITE :
					     CLIENT_READ, l->owned);
	l->owned = 0;
	while (!ret) {
		/* There are tags for at least so many requests. */
		sure = l->owned < t->info.queue_depth;
		ret = raw_request(&t->ring, &ev,
				  sure ? RAW_DEADLINE_MS : 5 * RAW_QUIET_MS);
		l->owned += !ret;
	}
	return ret == RAW_TIMEOUT ? 0 : ret;
}

static int count_done(struct fixture *t, struct load *l, long res)
{
	int i, n = 0;

	for (i = 0; i < l->nr; i++) {
		if (client_done(t->client, l->jobs[i]))
			n += t->client->jobs[l->jobs[i]].res == res;
	}
	return n;
}

/* covers: L-1 L-20 L-23 L-53 L-35 */
TEST_F(recover, L_1_what_becomes_of_requests)
{
	struct fixture *t = &self->t;
	struct load l;
	long ret, end;
	int i, bad;

	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, load_up(t, &l));
	ASSERT_LE(variant->depth, l.owned);
	ASSERT_EQ(0, rec_lose(t));
	if (rec_fails(t)) {
		for (i = 0; i < l.nr; i++) {
			ret = client_wait(t->client, l.jobs[i], REC_FAST_MS);
			EXPECT_TRUE(ret == -EIO || ret == -EREMOTEIO);
		}
		EXPECT_LE(l.owned, count_done(t, &l, -EIO));
		return;
	}
	/*
	 * The session has ended, so the requests that had to fail have failed.
	 */
	end = raw_now_ms() + RAW_DEADLINE_MS;
	while (!rec_reissues(t) && count_done(t, &l, -EIO) < l.owned) {
		ASSERT_GT(end, raw_now_ms());
		usleep(1000);
	}
	usleep(RAW_QUIET_MS * 1000);
	bad = count_done(t, &l, -EIO);
	EXPECT_EQ(rec_reissues(t) ? 0 : l.owned, bad);
	EXPECT_EQ(0, count_done(t, &l, 4096)) TH_LOG("the others are held");
	ASSERT_EQ(0, rec_recover(t));
	for (i = 0; i < l.nr; i++) {
		ret = client_wait_serving(t->client, l.jobs[i], &t->ring,
					  RAW_DEADLINE_MS);
		EXPECT_NE(RAW_TIMEOUT, ret);
	}
	EXPECT_EQ(l.nr - bad, count_done(t, &l, 4096));
}

/* covers: L-53 D-99d */
TEST_F(recover, L_53_partly_completed_read)
{
	struct fixture *t = &self->t;
	struct raw_ev ev, again;
	int job;

	if (!rec_reissues(t))
		SKIP(return, "needs USER_RECOVERY_REISSUE");
	ASSERT_EQ(0, rec_live(t));
	job = rec_io(t, CLIENT_READ, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	memset(raw_buf(&t->srv, ev.q, ev.tag), 0x11, 1024);
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 1024));
	ASSERT_EQ(0, raw_request(&t->ring, &again, RAW_DEADLINE_MS));
	EXPECT_EQ(ev.iod.start_sector + 2, again.iod.start_sector);
	ASSERT_EQ(0, rec_lose(t));
	EXPECT_FALSE(client_done(t->client, job));
	memset(t->srv.store + WIN, 0x22, 4096);
	ASSERT_EQ(0, rec_recover(t));
	EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_EQ(0x11, t->client->data[1023]);
	EXPECT_EQ(0x22, t->client->data[1024]) TH_LOG("sent again from there");
}

/* covers: C-96 L-52 L-32 L-34 D-49 L-30 */
TEST_F(recover, L_52_queue_by_queue)
{
	struct fixture *t = &self->t;
	int cpu[2], first, second;

	if (t->info.nr_hw_queues < 2)
		SKIP(return, "needs two queues, so two processors");
	cpu[0] = rec_queue_cpu(t, 0);
	cpu[1] = rec_queue_cpu(t, 1);
	ASSERT_LE(0, cpu[0]);
	ASSERT_LE(0, cpu[1]);
	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, rec_lose(t));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, rec_fetch_queue(t, 0, 0));
	first = rec_blk_on_cpu(t, cpu[0], CLIENT_WRITE, WIN, 4096);
	EXPECT_EQ(4096, client_wait_serving(t->client, first, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	second = rec_blk_on_cpu(t, cpu[1], CLIENT_READ, WIN + 65536, 4096);
	if (rec_fails(t)) {
		EXPECT_EQ(-EREMOTEIO, client_wait(t->client, second,
						  RAW_DEADLINE_MS));
	} else {
		EXPECT_TRUE(rec_waits(t, second));
	}
	ASSERT_EQ(0, rec_fetch_queue(t, 1, 0));
	/*
	 * The queue is ready, the device not LIVE: it delivers new requests;
	 * held ones may wait.
	 */
	first = rec_blk_on_cpu(t, cpu[1], CLIENT_WRITE, WIN, 4096);
	EXPECT_EQ(4096, client_wait_serving(t->client, first, &t->ring,
					    RAW_DEADLINE_MS));
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, rec_end(t));
	EXPECT_EQ(rec_held_result(t),
		  client_wait_serving(t->client, second, &t->ring,
				      RAW_DEADLINE_MS));
}

/* covers: I-24 D-73 */
TEST_F(recover, I_24_fetch_of_an_owned_tag)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int cpu, job;

	if (running_on_mainline())
		SKIP(return, "mainline accepts FETCH_REQ, the request is lost");
	if (t->info.nr_hw_queues < 2)
		SKIP(return, "needs two queues, so two processors");
	cpu = rec_queue_cpu(t, 0);
	ASSERT_LE(0, cpu);
	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, rec_lose(t));
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, rec_fetch_queue(t, 0, 0));
	job = rec_blk_on_cpu(t, cpu, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, UBLK_U_IO_FETCH_REQ, ev.q, ev.tag,
				   0, 4096));
	EXPECT_EQ(-EBUSY, raw_thread_call(&t->srv, UBLK_U_IO_FETCH_REQ, ev.q,
					  ev.tag, 0, 4096));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait_serving(t->client, job, &t->ring,
					    RAW_DEADLINE_MS));
}

/* covers: L-54 L-20 L-35 C-92d */
TEST_F(recover, L_54_server_dies_during_recovery)
{
	struct fixture *t = &self->t;
	int job, turn, ret;
	long res;

	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, rec_lose(t));
	job = rec_held(t, 0);
	ASSERT_LE(0, job);
	for (turn = 0; turn < 4; turn++) {
		ASSERT_EQ(0, fx_serve(t, 0));
		/*
		 * The server fetches nothing, one tag, the first queue,
		 * everything.
		 */
		ret = 0;
		if (turn == 1)
			ret = raw_fetch(&t->ring, 0, 0);
		else if (turn == 2)
			ret = rec_fetch_queue(t, 0, 0);
		else if (turn == 3)
			ret = raw_fetch_all(&t->ring);
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, rec_lose(t)) TH_LOG("iteration %d", turn);
		EXPECT_TRUE(rec_disk_there(t));
	}
	/* A queue that had been ready holds or fails requests again. */
	ASSERT_LE(0, rec_held(t, 1));
	ASSERT_EQ(0, rec_recover(t));
	res = client_wait_serving(t->client, job, &t->ring, RAW_DEADLINE_MS);
	/*
	 * The block layer may requeue late, so that one of these servers gets
	 * the request (L-52); it then ends by the policy of the flags (L-1).
	 */
	if (res != -EIO || rec_fails(t) || rec_reissues(t))
		EXPECT_EQ(rec_held_result(t), res);
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
	/* A deletion works at that point, too. */
	ASSERT_EQ(0, rec_lose(t));
	ASSERT_EQ(0, rec_begin(t));
	fx_close(t);
	EXPECT_EQ(0, raw_del(&t->ctl, self->id));
}

/* covers: L-55 */
TEST_F(recover, L_55_without_start_recovery)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, rec_live(t));
	fx_close(t);
	/* Retry to open the node until the session has ended. */
	ASSERT_EQ(0, rec_begin(t));
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, rec_end(t));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
}

/* covers: L-50 L-51 L-22 C-61 C-95b C-95e */
TEST_F(recover, L_51_taken_over_by_another_process)
{
	struct ublksrv_ctrl_dev_info before, after;
	struct ublk_params p, q;
	struct fixture *t = &self->t;
	struct server_proc *s;
	int job;

	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &before));
	ASSERT_EQ(0, raw_get_params(&t->ctl, self->id, &p));
	ASSERT_EQ(0, rec_lose(t));
	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	EXPECT_EQ(-EINVAL, rec_cmd(t, END, getpid()));
	ASSERT_EQ(0, rec_cmd(t, END, s->pid));
	ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &after));
	EXPECT_EQ(s->pid, after.ublksrv_pid);
	EXPECT_EQ(UBLK_S_DEV_LIVE, after.state);
	after.ublksrv_pid = before.ublksrv_pid;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	ASSERT_EQ(0, raw_get_params(&t->ctl, self->id, &q));
	EXPECT_EQ(0, memcmp(&p, &q, sizeof(p)));
	job = rec_io(t, CLIENT_WRITE, 0);
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	/*
	 * The pid shows the server's death, and does not become another
	 * process's.
	 */
	ASSERT_EQ(0, server_kill(s));
	ASSERT_EQ(0, raw_wait_state(&t->ctl, self->id, self->lost));
	ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &after));
	EXPECT_EQ(-1, after.ublksrv_pid);
}

/* covers: L-4 C-75f C-104 C-51f */
TEST_F(recover, L_4_other_commands_without_a_server)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	struct ublk_params p;

	ASSERT_EQ(0, rec_live(t));
	ASSERT_EQ(0, rec_lose(t));
	raw_info_init(&info, 1, 1, 0);
	info.dev_id = self->id;
	EXPECT_EQ(-EEXIST, raw_add(&t->ctl, &info));
	raw_params_init(&p);
	EXPECT_EQ(-EACCES, raw_set_params(&t->ctl, self->id, &p));
	ASSERT_EQ(0, rec_begin(t));
	EXPECT_EQ(-EEXIST, fx_start(t));
	EXPECT_EQ(self->lost, raw_state(&t->ctl, self->id));
	EXPECT_EQ(0, rec_end(t));
}

TEST_HARNESS_MAIN
