// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that a server does not answer in time (data.rst section 16, I-3,
 * I-48). The block layer's timeout is set to less than a second; it is checked
 * about once a second, so "soon" means a few seconds here.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include "kselftest_harness.h"
#include "lib/proc.h"
#include "lib/server_proc.h"
#include "lib/unpriv_user.h"

#define WIN	RAW_WIN_START
/* Long enough for several timeouts. */
#define SEVERAL_MS	3500

FIXTURE(timeout) {
	struct fixture t;
};

FIXTURE_SETUP(timeout)
{
	FX_SETUP(&self->t, UBLK_F_UNPRIVILEGED_DEV);
}

FIXTURE_TEARDOWN_PARENT(timeout)
{
	FX_TEARDOWN(&self->t);
}

static int set_timeout_ms(struct fixture *t, int ms)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/sys/block/ublk%c%u/queue/io_timeout",
		 raw_rq_disk(&t->info), t->info.dev_id);
	snprintf(text, sizeof(text), "%d", ms);
	return raw_write_text(path, text);
}

static int set_timeout(struct fixture *t)
{
	return set_timeout_ms(t, 300);
}

static void action_path(struct fixture *t, char *path, size_t len)
{
	snprintf(path, len, "/sys/class/ublk-char/ublkc%u/timeout_action",
		 t->info.dev_id);
}

static int set_action(struct fixture *t, const char *action)
{
	char path[64];

	action_path(t, path, sizeof(path));
	return raw_write_text(path, action);
}

static bool action_is(struct fixture *t, const char *action)
{
	char path[64], got[16] = "";
	FILE *f;

	action_path(t, path, sizeof(path));
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(got, sizeof(got), f))
		got[0] = 0;
	fclose(f);
	return !strncmp(got, action, strlen(action)) &&
	       got[strlen(action)] == '\n';
}

static int start_read(struct fixture *t)
{
	return client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, 4096, 0);
}

/* covers: D-220 I-48 */
TEST_F(timeout, D_220_device_of_the_administrator)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	char path[64];
	int job;

	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	s = server_launch(&t->info, SERVER_HOLD_WINDOW, false);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV,
				 t->info.dev_id, s->pid));
	snprintf(path, sizeof(path), "/sys/block/ublk%c%u/queue/io_timeout",
		 raw_rq_disk(&t->info), t->info.dev_id);
	EXPECT_EQ(30000, raw_read_ulong(path));
	ASSERT_EQ(0, set_timeout(t));
	job = start_read(t);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, job, SEVERAL_MS));
	EXPECT_EQ(RAW_TIMEOUT, server_wait_exit(s, 0));
	if (running_on_mainline()) {
		ASSERT_EQ(0, server_kill(s));
		return;
	}
	/* An administrator can switch the timeout on. */
	EXPECT_TRUE(action_is(t, "none"));
	EXPECT_EQ(-EINVAL, set_action(t, "explode"));
	EXPECT_EQ(0, set_action(t, "kill\n"));
	EXPECT_TRUE(action_is(t, "kill"));
	EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINTR, server_wait_exit(s, RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_DEAD));
}

/* covers: I-48 D-221 L-1 */
TEST_F(timeout, I_48_recovery_after_a_timeout)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	int job;

	if (running_on_mainline())
		SKIP(return, "a device with recovery has no timeout");
	ASSERT_EQ(0, fx_add(t, 1, 4, UBLK_F_USER_RECOVERY |
			    UBLK_F_USER_RECOVERY_REISSUE));
	ASSERT_EQ(0, set_action(t, "kill"));
	s = server_launch(&t->info, SERVER_HOLD_WINDOW, false);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV,
				 t->info.dev_id, s->pid));
	ASSERT_EQ(0, set_timeout(t));
	job = start_read(t);
	EXPECT_EQ(-EINTR, server_wait_exit(s, RAW_DEADLINE_MS));
	EXPECT_EQ(0, raw_wait_state(&t->ctl, t->info.dev_id,
				    UBLK_S_DEV_QUIESCED));
	/*
	 * The request is held, not failed; a server that answers is not killed.
	 */
	EXPECT_EQ(RAW_TIMEOUT, client_wait(t->client, job, SEVERAL_MS));
	s = server_launch(&t->info, SERVER_HOLD_NONE, false);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_END_USER_RECOVERY,
				 t->info.dev_id, s->pid));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(RAW_TIMEOUT, server_wait_exit(s, SEVERAL_MS));
}

/* covers: D-221 I-48 */
TEST_F(timeout, D_221_device_of_a_user)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	int job;

	ASSERT_EQ(0, unpriv_add(t, 1, 4, 0));
	if (!running_on_mainline()) {
		EXPECT_TRUE(action_is(t, "kill"));
		EXPECT_EQ(-EPERM, set_action(t, "none"));
		EXPECT_TRUE(action_is(t, "kill"));
	}
	ASSERT_EQ(0, unpriv_become(UNPRIV_UID, UNPRIV_GID));
	s = server_launch(&t->info, SERVER_HOLD_WINDOW, false);
	ASSERT_EQ(0, unpriv_end());
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, unpriv_cmd(t, UBLK_U_CMD_START_DEV, s->pid));
	ASSERT_EQ(0, set_timeout(t));
	job = start_read(t);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINTR, server_wait_exit(s, RAW_DEADLINE_MS));
	EXPECT_EQ(0, unpriv_wait_state(t, UBLK_S_DEV_DEAD));
}

/* A process opens the node, its child serves, and the opener exits. */
struct heir {
	pid_t opener, server;
	int step;		/* 1: fetched; 2, set by the test: the opener exits */
};

static void serve_as_heir(struct heir *h, struct fixture *t)
{
	struct raw_ev ev;
	int ret = raw_ring_open(&t->ring, &t->srv, 0);

	prctl(PR_SET_PDEATHSIG, 0);
	if (!ret)
		ret = raw_fetch_all(&t->ring);
	__atomic_store_n(&h->step, ret ? -1 : 1, __ATOMIC_RELEASE);
	/* Requests are never answered. */
	for (;;)
		raw_event(&t->ring, &ev, 1000);
}

static void run_opener(struct heir *h, struct fixture *t)
{
	pid_t pid;

	if (raw_srv_open(&t->srv, &t->info))
		_exit(1);
	/* In shared memory the child would overwrite the pid with 0. */
	pid = fork();
	if (!pid)
		serve_as_heir(h, t);
	h->server = pid;
	while (__atomic_load_n(&h->step, __ATOMIC_ACQUIRE) != 2)
		usleep(1000);
	_exit(0);
}

static struct heir *heir_start(struct fixture *t)
{
	struct heir *h = proc_shared(sizeof(*h));
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	pid_t pid;

	if (!h || prctl(PR_SET_CHILD_SUBREAPER, 1) ||
	    unpriv_become(UNPRIV_UID, UNPRIV_GID))
		return NULL;
	pid = fork();
	if (!pid)
		run_opener(h, t);
	h->opener = pid;
	if (unpriv_end())
		return NULL;
	while (!__atomic_load_n(&h->step, __ATOMIC_ACQUIRE) || !h->server) {
		if (raw_now_ms() > end)
			return NULL;
		usleep(1000);
	}
	return h->step == 1 ? h : NULL;
}

/* covers: I-3 D-221 L-24 C-61 */
TEST_F(timeout, I_3_the_one_who_serves_is_killed)
{
	struct ublksrv_ctrl_dev_info info = { 0 };
	struct fixture *t = &self->t;
	char path[32];
	struct heir *h;
	int job;
	long ret;

	ASSERT_EQ(0, unpriv_add(t, 1, 4, 0));
	h = heir_start(t);
	ASSERT_NE(NULL, h);
	ASSERT_EQ(0, unpriv_cmd(t, UBLK_U_CMD_START_DEV, h->opener));
	ASSERT_EQ(0, set_timeout(t));
	__atomic_store_n(&h->step, 2, __ATOMIC_RELEASE);
	ASSERT_EQ(h->opener, waitpid(h->opener, NULL, 0));
	/*
	 * The recorded process has ended; the pid does not become another
	 * one's.
	 */
	snprintf(path, sizeof(path), "/dev/ublkc%u", t->info.dev_id);
	ASSERT_EQ(0, unpriv_path_cmd(t, UBLK_U_CMD_GET_DEV_INFO, path, 0, &info,
				     sizeof(info)));
	EXPECT_EQ(-1, info.ublksrv_pid);
	EXPECT_EQ(UBLK_S_DEV_LIVE, info.state);
	job = start_read(t);
	ret = client_wait(t->client, job, running_on_mainline() ? SEVERAL_MS :
								RAW_DEADLINE_MS);
	if (running_on_mainline()) {
		EXPECT_EQ(RAW_TIMEOUT, ret);
		kill(h->server, SIGKILL);
		EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
		SKIP(return, "mainline looks up the opener's number and kills nobody");
	}
	EXPECT_EQ(-EIO, ret);
	EXPECT_EQ(h->server, waitpid(h->server, NULL, 0));
	EXPECT_EQ(0, unpriv_wait_state(t, UBLK_S_DEV_DEAD));
}

/* A server of the user that keeps the requests of the window. */
static struct server_proc *user_server(struct fixture *t, int depth,
				       int (*on_keep)(struct raw_ring *r,
						      const struct raw_ev *ev))
{
	struct server_proc *s;
	int ret = -EPERM;

	if (unpriv_add(t, 1, depth, 0) ||
	    unpriv_become(UNPRIV_UID, UNPRIV_GID))
		return NULL;
	s = server_new(&t->info, server_store());
	if (s) {
		s->hold = SERVER_HOLD_WINDOW;
		s->on_keep = on_keep;
		s->threaded = !on_keep;
		ret = server_start(s);
	}
	if (unpriv_end() || ret ||
	    unpriv_cmd(t, UBLK_U_CMD_START_DEV, s->pid))
		return NULL;
	return s;
}

/* covers: I-64 D-221 L-24 */
TEST_F(timeout, I_64_child_keeps_the_node)
{
	struct fixture *t = &self->t;
	struct server_proc *s;
	int job;

	if (running_on_mainline())
		SKIP(return, "on mainline the request stays open");
	s = user_server(t, 4, NULL);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, set_timeout_ms(t, 2000));
	job = start_read(t);
	ASSERT_EQ(0, server_wait_kept(s, 1));
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, server_order(s, SERVER_FORK));
	EXPECT_NE(RAW_TIMEOUT, server_wait_exit(s, RAW_DEADLINE_MS));
	EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	/* The child lives, and with it the session. */
	EXPECT_EQ(0, kill(s->child, 0));
	EXPECT_EQ(UBLK_S_DEV_LIVE, unpriv_state(t));
	/* More requests end as well. */
	EXPECT_EQ(-EIO, client_wait(t->client, start_read(t), RAW_DEADLINE_MS));
	kill(s->child, SIGKILL);
	EXPECT_EQ(0, unpriv_wait_state(t, UBLK_S_DEV_DEAD));
}

/* In the server: execute a program, which has the node open. */
static int keep_by_exec(struct raw_ring *r, const struct raw_ev *ev)
{
	(void)ev;
	if (!fcntl(r->srv->fd, F_SETFD, 0))
		execlp("sleep", "sleep", "1000", NULL);
	return -errno;
}

static bool executes(pid_t pid, const char *comm)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	char path[32], got[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	do {
		usleep(1000);
		f = fopen(path, "r");
		if (!f)
			return false;
		if (!fgets(got, sizeof(got), f))
			got[0] = 0;
		fclose(f);
		if (!strncmp(got, comm, strlen(comm)))
			return true;
	} while (raw_now_ms() < end);
	return false;
}

static void exec_and_time_out(struct __test_metadata *_metadata,
			      struct fixture *t, int depth)
{
	struct server_proc *s = user_server(t, depth, keep_by_exec);
	int job;

	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, set_timeout_ms(t, 3000));
	job = start_read(t);
	ASSERT_TRUE(executes(s->pid, "sleep"));
	EXPECT_EQ(-EIO, client_wait(t->client, job, RAW_DEADLINE_MS));
	/* A program with other credentials could be running there. */
	EXPECT_EQ(RAW_TIMEOUT, server_wait_exit(s, SEVERAL_MS));
	EXPECT_EQ(-EIO, client_wait(t->client, start_read(t), RAW_DEADLINE_MS));
	ASSERT_EQ(0, server_kill(s));
	EXPECT_EQ(0, unpriv_wait_state(t, UBLK_S_DEV_DEAD));
}

/* covers: I-63 D-221 */
TEST_F(timeout, I_63_executed_program_is_not_killed)
{
	if (running_on_mainline())
		SKIP(return, "mainline kills what the server has executed");
	exec_and_time_out(_metadata, &self->t, 4);
}

/* covers: I-63 D-221 */
TEST_F(timeout, I_63_executed_without_an_armed_command)
{
	if (running_on_mainline())
		SKIP(return, "mainline kills what the server has executed");
	exec_and_time_out(_metadata, &self->t, 1);
}

TEST_HARNESS_MAIN
