// SPDX-License-Identifier: GPL-2.0
/*
 * Server exit in every form (data.rst D-4, D-33, D-34, D-70; lifecycle.rst L-20,
 * L-23, L-24): exit, exec, threads that exit, rings closed by a living process,
 * the char node passed to or inherited by another process, memory unmapped,
 * commands issued by SQPOLL or by workers. The device has recovery and reissue,
 * so every test ends with a next server, and no request is lost; crash_matrix.c
 * has the other policies.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "kselftest_harness.h"
#include "lib/server_proc.h"
#include "lib/recovery.h"

#define STOP	UBLK_U_CMD_STOP_DEV
#define WIN	RAW_WIN_START
#define REISSUE	(UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE)

FIXTURE(death) {
	struct fixture t;
	int id;
	char *store;
	struct server_proc *s;
};

FIXTURE_SETUP(death)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, REISSUE);
	ASSERT_EQ(0, fx_add(t, 2, 4, REISSUE));
	self->id = t->info.dev_id;
	self->store = server_store();
	ASSERT_NE(NULL, self->store);
	self->s = server_new(&t->info, self->store);
	ASSERT_NE(NULL, self->s);
}

FIXTURE_TEARDOWN_PARENT(death)
{
	FX_TEARDOWN(&self->t);
}

static int cmd(struct fixture *t, __u32 op, __u64 data)
{
	return raw_dev_cmd(&t->ctl, op, t->info.dev_id, data);
}

static int up(struct fixture *t, struct server_proc *s)
{
	int ret = server_start(s);

	return ret ? ret : cmd(t, UBLK_U_CMD_START_DEV, s->pid);
}

static int start_read(struct fixture *t)
{
	return client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, 4096, 0);
}

/* Make the server keep a request. Returns the job or -errno. */
static int busy(struct fixture *t, struct server_proc *s)
{
	int job, ret;

	__atomic_store_n(&s->hold, SERVER_HOLD_ALL, __ATOMIC_RELEASE);
	job = start_read(t);
	ret = server_wait_kept(s, 1);
	return ret ? ret : job;
}

/* The device loses its server within @ms. */
static bool lost(struct fixture *t, int ms)
{
	return !raw_wait_state_ms(&t->ctl, t->info.dev_id,
				  UBLK_S_DEV_QUIESCED, ms);
}

/*
 * A next server serves the requests of the last one and stops the device. It
 * waits for them first, as mainline fails requests that a stop finds held
 * (L-44).
 */
static int succeed_to(struct fixture *t, char *store, const int *jobs, int nr)
{
	struct server_proc *s = server_new(&t->info, store);
	int ret = rec_start(t), i;

	if (!ret)
		ret = server_start(s);
	if (!ret)
		ret = cmd(t, UBLK_U_CMD_END_USER_RECOVERY, s->pid);
	for (i = 0; i < nr && !ret; i++) {
		if (client_wait(t->client, jobs[i], REC_FAST_MS) != 4096)
			ret = -EIO;
	}
	if (!ret)
		ret = cmd(t, STOP, 0);
	return ret ? ret : server_wait_exit(s, RAW_DEADLINE_MS);
}

static int succeed(struct fixture *t, char *store, int job)
{
	return succeed_to(t, store, &job, 1);
}

/*
 * Kill a server that owns a request; the next server serves it. 0, or the first
 * error.
 */
static int kill_and_succeed(struct fixture *t, struct server_proc *s,
			    char *store, int job)
{
	int ret = server_kill(s);

	if (!ret && !lost(t, REC_FAST_MS))
		ret = RAW_TIMEOUT;
	return ret ? ret : succeed(t, store, job);
}

/* The same for a server that has served a request before. */
static int serve_and_die(struct fixture *t, struct server_proc *s, char *store)
{
	int ret = up(t, s), job;

	if (ret)
		return ret;
	if (client_wait(t->client, start_read(t), RAW_DEADLINE_MS) != 4096)
		return -EIO;
	job = busy(t, s);
	return job < 0 ? job : kill_and_succeed(t, s, store, job);
}

/* covers: L-20 L-23 D-4 */
TEST_F(death, L_23_exit)
{
	struct fixture *t = &self->t;
	int job;

	ASSERT_EQ(0, up(t, self->s));
	job = busy(t, self->s);
	ASSERT_LE(0, job);
	ASSERT_EQ(0, server_order(self->s, SERVER_EXIT));
	EXPECT_EQ(0, server_wait_exit(self->s, RAW_DEADLINE_MS));
	EXPECT_TRUE(lost(t, REC_FAST_MS));
	EXPECT_EQ(0, succeed(t, self->store, job));
}

/* covers: D-70 L-20 D-4 C-61 */
TEST_F(death, D_70_exec)
{
	struct ublksrv_ctrl_dev_info info;
	struct fixture *t = &self->t;
	int job;

	ASSERT_EQ(0, up(t, self->s));
	job = busy(t, self->s);
	ASSERT_LE(0, job);
	ASSERT_EQ(0, server_order(self->s, SERVER_EXEC));
	EXPECT_TRUE(lost(t, REC_FAST_MS));
	/* The process exists, but is not a server any more. */
	EXPECT_EQ(RAW_TIMEOUT, server_wait_exit(self->s, 0));
	ASSERT_EQ(0, raw_get_info(&t->ctl, self->id, &info));
	EXPECT_EQ(self->s->pid, info.ublksrv_pid);
	EXPECT_EQ(0, succeed(t, self->store, job));
	EXPECT_EQ(0, server_kill(self->s));
}

/* covers: D-70 L-30 */
TEST_F(death, D_70_threads_exit)
{
	struct fixture *t = &self->t;
	int jobs[4], i;

	ASSERT_EQ(0, up(t, self->s));
	ASSERT_EQ(0, server_order(self->s, SERVER_END_THREADS));
	/*
	 * Their commands are still armed; the driver holds what it cannot
	 * deliver.
	 */
	EXPECT_FALSE(lost(t, RAW_QUIET_MS));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	for (i = 0; i < 4; i++) {
		jobs[i] = start_read(t);
		EXPECT_TRUE(rec_waits(t, jobs[i]));
	}
	ASSERT_EQ(0, server_kill(self->s));
	EXPECT_TRUE(lost(t, REC_FAST_MS));
	EXPECT_EQ(0, succeed_to(t, self->store, jobs, 4));
}

/* covers: D-70 C-82 L-45 */
TEST_F(death, D_70_stop_with_threads_gone)
{
	struct fixture *t = &self->t;
	int i, job, stop;

	ASSERT_EQ(0, up(t, self->s));
	ASSERT_EQ(0, server_order(self->s, SERVER_END_THREADS));
	for (i = 0; i < 4; i++) {
		job = start_read(t);
		EXPECT_TRUE(rec_waits(t, job));
	}
	stop = client_ctrl(t->client, STOP, self->id, 0);
	EXPECT_EQ(0, client_wait(t->client, stop, RAW_DEADLINE_MS));
	EXPECT_EQ(-EIO, client_wait(t->client, job, REC_FAST_MS));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, server_kill(self->s));
}

/* covers: D-70 D-71 D-4 L-20 L-33 */
TEST_F(death, D_71_rings_closed_process_alive)
{
	struct fixture *t = &self->t;
	int jobs[2];

	ASSERT_EQ(0, up(t, self->s));
	jobs[0] = busy(t, self->s);
	ASSERT_LE(0, jobs[0]);
	ASSERT_EQ(0, server_order(self->s, SERVER_CLOSE_RINGS));
	jobs[1] = start_read(t);
	EXPECT_TRUE(rec_waits(t, jobs[1]));
	EXPECT_FALSE(client_done(t->client, jobs[0]));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, server_order(self->s, SERVER_CLOSE_NODE));
	EXPECT_TRUE(lost(t, REC_FAST_MS));
	EXPECT_EQ(RAW_TIMEOUT, server_wait_exit(self->s, 0));
	EXPECT_EQ(0, succeed_to(t, self->store, jobs, 2));
	EXPECT_EQ(0, server_kill(self->s));
}

/* covers: L-24 D-4 D-12 */
TEST_F(death, L_24_inherited_by_a_child)
{
	struct fixture *t = &self->t;
	int job;

	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, up(t, self->s));
	job = busy(t, self->s);
	ASSERT_LE(0, job);
	ASSERT_EQ(0, server_order(self->s, SERVER_FORK));
	EXPECT_EQ(0, server_wait_exit(self->s, RAW_DEADLINE_MS));
	EXPECT_FALSE(lost(t, 2 * RAW_QUIET_MS));
	EXPECT_FALSE(client_done(t->client, job));
	ASSERT_LT(0, self->s->child);
	kill(self->s->child, SIGKILL);
	EXPECT_EQ(self->s->child, waitpid(self->s->child, NULL, 0));
	EXPECT_TRUE(lost(t, REC_FAST_MS));
	EXPECT_EQ(0, succeed(t, self->store, job));
}

/* Send or receive one descriptor over a socket. */
static int pass_fd(int sock, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = "" };
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
		.msg_controllen = sizeof(ctl.buf),
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	if (fd < 0) {
		if (recvmsg(sock, &msg, 0) != 1)
			return -errno;
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		return fd;
	}
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

/* covers: L-24 D-4 */
TEST_F(death, L_24_passed_to_another_process)
{
	struct fixture *t = &self->t;
	int sock[2], job, got;
	pid_t pid;
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	if (!pid) {
		got = pass_fd(sock[1], -1);
		c = got >= 0;
		if (write(sock[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	ASSERT_LT(0, pid);
	t->srv.store = self->store;
	ASSERT_EQ(0, rec_begin(t));
	ASSERT_EQ(0, fx_start(t));
	/*
	 * First only the socket has the descriptor, then only the other
	 * process.
	 */
	ASSERT_EQ(0, pass_fd(sock[0], t->srv.fd));
	ASSERT_EQ(1, read(sock[0], &c, 1));
	EXPECT_EQ(1, c);
	fx_close(t);
	EXPECT_FALSE(lost(t, 2 * RAW_QUIET_MS));
	job = start_read(t);
	EXPECT_TRUE(rec_waits(t, job)) TH_LOG("held, as the commands are gone");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_TRUE(lost(t, REC_FAST_MS));
	EXPECT_EQ(0, succeed(t, self->store, job));
}

/* covers: D-4 L-20 D-94 D-99e */
TEST_F(death, L_23_memory_unmapped)
{
	struct fixture *t = &self->t;
	int job;

	ASSERT_EQ(0, up(t, self->s));
	job = busy(t, self->s);
	ASSERT_LE(0, job);
	/* The driver does not need the server's mapping of the descriptors. */
	ASSERT_EQ(0, server_order(self->s, SERVER_UNMAP));
	EXPECT_FALSE(lost(t, RAW_QUIET_MS));
	EXPECT_EQ(UBLK_S_DEV_LIVE, raw_state(&t->ctl, self->id));
	EXPECT_EQ(0, kill_and_succeed(t, self->s, self->store, job));
}

/* covers: D-34 L-20 L-23 */
TEST_F(death, D_34_polling_thread)
{
	struct fixture *t = &self->t;

	self->s->ring_flags = IORING_SETUP_SQPOLL;
	EXPECT_EQ(0, serve_and_die(t, self->s, self->store));
}

/* covers: D-33 L-20 L-23 */
TEST_F(death, D_33_issued_by_workers)
{
	struct fixture *t = &self->t;

	self->s->sqe_flags = IOSQE_ASYNC;
	EXPECT_EQ(0, serve_and_die(t, self->s, self->store));
}

/* covers: D-33 D-34 L-20 */
TEST_F(death, D_33_killed_while_fetching)
{
	static const unsigned int rings[] = { 0, IORING_SETUP_SQPOLL, 0 };
	static const unsigned int sqes[] = { 0, 0, IOSQE_ASYNC };
	struct fixture *t = &self->t;
	struct server_proc *s;
	int i;

	for (i = 0; i < 12; i++) {
		s = server_new(&t->info, self->store);
		ASSERT_NE(NULL, s);
		s->ring_flags = rings[i % 3];
		s->sqe_flags = sqes[i % 3];
		/* Do not wait for the fetch commands. */
		s->fetched = RAW_MAX_QUEUES;
		ASSERT_EQ(0, server_start(s));
		usleep(700 * i);
		ASSERT_EQ(0, server_kill(s));
		server_free(s);
	}
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&t->ctl, self->id));
	ASSERT_EQ(0, up(t, self->s));
	EXPECT_EQ(4096, client_wait(t->client, start_read(t), RAW_DEADLINE_MS));
	ASSERT_EQ(0, server_kill(self->s));
	EXPECT_TRUE(lost(t, REC_FAST_MS));
}

/* covers: D-54 D-56 D-58 C-82 */
TEST_F(death, D_56_every_commit_arms)
{
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job;

	t->srv.store = self->store;
	ASSERT_EQ(0, rec_begin(t));
	ASSERT_EQ(0, fx_start(t));
	job = start_read(t);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	/* An accepted command gets no CQE of its own, a refused one at once. */
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_COMMIT_AND_FETCH_REQ,
				    ev.q, ev.tag, 4096, 0));
	ASSERT_EQ(0, raw_commit(&t->ring, ev.q, ev.tag, 4096));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(-EBUSY, raw_call(&t->ring, UBLK_U_IO_COMMIT_AND_FETCH_REQ,
				   ev.q, ev.tag, 4096, 4096));
	/* The stop ends the armed command like any other. */
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_LE(0, raw_collect_abort(&t->ring, RAW_DEADLINE_MS));
	EXPECT_EQ(RAW_X, raw_tag_state(&t->srv, ev.q, ev.tag));
}

TEST_HARNESS_MAIN
