// SPDX-License-Identifier: GPL-2.0
/*
 * A server has exited while its char node is not released yet (differences.rst
 * I-51, lifecycle.rst L-20, L-23).
 *
 * When a kernel thread drops the last reference to a file, delayed_fput()
 * releases such files one at a time. Here the disk comes first: its opener
 * leaves a dirty page, and the server gets the write but never answers it. Then
 * the server is killed. Both files were only in the file table of a ring, which
 * a kernel thread frees.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "lib/proc.h"
#include "lib/server_proc.h"
#include "lib/recovery.h"

#define UR	UBLK_F_USER_RECOVERY
#define WIN	RAW_WIN_START

/* Set by the children. */
struct shared {
	int ready;		/* the server has fetched, or the opener has written */
	int owned;		/* the server has the write */
};

FIXTURE(release) {
	struct fixture t;
	int id;
	char *store;
	struct shared *sh;
	pid_t server, opener;
};

FIXTURE_SETUP(release)
{
	if (running_on_mainline())
		SKIP(return, "mainline never releases these files");
	FX_SETUP(&self->t, UR);
	self->store = server_store();
	ASSERT_NE(NULL, self->store);
	self->sh = proc_shared(sizeof(*self->sh));
	ASSERT_NE(NULL, self->sh);
}

FIXTURE_TEARDOWN_PARENT(release)
{
	FX_TEARDOWN(&self->t);
}

static bool flag_set(int *flag)
{
	return !proc_wait_count(flag, 1, RAW_DEADLINE_MS);
}

/* Keep the file only in the ring's table. */
static bool only_in_table(struct io_uring *ring, int fd)
{
	return !io_uring_register_files(ring, &fd, 1) && !close(fd);
}

/* Report it, and wait to be killed. */
static void stay(int *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* Serve everything but a write. */
static void serve(struct fixture *t, char *store, struct shared *sh)
{
	struct raw_srv *srv = &t->srv;
	struct raw_ring ring;
	struct raw_ev ev;
	int ret;

	srv->store = store;
	if (raw_srv_open(srv, &t->info) || raw_ring_open(&ring, srv, 0) ||
	    raw_fetch_all(&ring))
		_exit(1);
	__atomic_store_n(&sh->ready, 1, __ATOMIC_RELEASE);
	do {
		ret = raw_event(&ring, &ev, RAW_DEADLINE_MS);
		if (!ret && ev.res == UBLK_IO_RES_OK &&
		    (ev.iod.op_flags & 0xff) == UBLK_IO_OP_WRITE)
			break;
		if (!ret)
			ret = raw_serve(&ring, &ev);
	} while (!ret || ret == RAW_TIMEOUT);
	if (ret || !only_in_table(&ring.ring, srv->fd))
		_exit(1);
	stay(&sh->owned);
}

/* Open the disk and, if @write, leave a dirty page behind. */
static void open_disk(int id, bool write, struct shared *sh)
{
	static char page[4096] = "dirty";
	struct io_uring ring;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	fd = open(path, write ? O_RDWR : O_RDONLY);
	if (fd < 0 || io_uring_queue_init(1, &ring, 0) ||
	    (write && pwrite(fd, page, sizeof(page), WIN) != sizeof(page)) ||
	    !only_in_table(&ring, fd))
		_exit(1);
	stay(&sh->ready);
}

static int kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	return waitpid(pid, NULL, 0) == pid ? 0 : -errno;
}

/* The situation at the top of this file. 0, or the step that failed. */
static int strand(struct fixture *t, char *store, struct shared *sh)
{
	int id = t->info.dev_id;
	pid_t server, opener;
	char path[32];

	server = proc_fork();
	if (!server)
		serve(t, store, sh);
	if (server < 0 || !flag_set(&sh->ready) ||
	    raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, id, server))
		return 1;
	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	if (!raw_wait_path(path, true))
		return 2;
	sh->ready = 0;
	opener = proc_fork();
	if (!opener)
		open_disk(id, true, sh);
	if (opener < 0 || !flag_set(&sh->ready))
		return 3;
	/* The release of the opener's file writes the page, and that waits. */
	if (kill_and_reap(opener) || !flag_set(&sh->owned))
		return 4;
	return kill_and_reap(server) ? 5 : 0;
}

/* A server without I/O; only its ring's table has the file of the node. */
static void idle_server(const struct ublksrv_ctrl_dev_info *info,
			struct shared *sh)
{
	static struct raw_srv srv;
	struct raw_ring ring;

	if (raw_srv_open(&srv, info) || raw_ring_open(&ring, &srv, 0) ||
	    raw_fetch_all(&ring) || !only_in_table(&ring.ring, srv.fd))
		_exit(1);
	stay(&sh->ready);
}

/* A second device beside the fixture's; id -1: any free number. */
static int add_other(struct fixture *t, int id,
		     struct ublksrv_ctrl_dev_info *info)
{
	struct ublk_params p;
	int ret;

	raw_info_init(info, 1, 4, t->info.flags);
	info->dev_id = id;
	ret = raw_add(&t->ctl, info);
	if (ret)
		return ret;
	fx_remember(t, info->dev_id);
	raw_params_init(&p);
	return raw_set_params(&t->ctl, info->dev_id, &p);
}

/* Serve the device from START_DEV to its deletion. */
static int live_and_die(struct fixture *t,
			const struct ublksrv_ctrl_dev_info *info, char *store)
{
	struct server_proc *s = server_new(info, store);
	int ret = s ? server_start(s) : -ENOMEM;

	if (!ret)
		ret = raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, info->dev_id,
				  s->pid);
	if (!ret)
		ret = raw_dev_cmd(&t->ctl, UBLK_U_CMD_STOP_DEV, info->dev_id,
				  0);
	if (!ret)
		ret = raw_del(&t->ctl, info->dev_id);
	return ret ? ret : server_wait_exit(s, RAW_DEADLINE_MS);
}

static bool reaches(struct fixture *t, int state)
{
	return !raw_wait_state_ms(&t->ctl, t->info.dev_id, state, REC_FAST_MS);
}

/* covers: I-51 L-20 L-23 C-93 */
TEST_F(release, I_51_recovered)
{
	struct fixture *t = &self->t;
	struct server_proc *s;

	ASSERT_EQ(0, fx_add(t, 1, 4, UR | UBLK_F_USER_RECOVERY_REISSUE));
	ASSERT_EQ(0, strand(t, self->store, self->sh));
	EXPECT_TRUE(reaches(t, UBLK_S_DEV_QUIESCED));
	s = server_new(&t->info, self->store);
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, rec_start(t));
	ASSERT_EQ(0, server_start(s));
	EXPECT_EQ(0, rec_cmd(t, UBLK_U_CMD_END_USER_RECOVERY, s->pid));
	/* The next server writes the page, and then the disk is released. */
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_DEL_DEV_ASYNC,
				 t->info.dev_id, 0));
	EXPECT_STREQ("dirty", self->store + WIN);
	EXPECT_EQ(0, server_wait_exit(s, RAW_DEADLINE_MS));
}

/* covers: I-51 L-20 C-70 */
TEST_F(release, I_51_deleted)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 4, UR | UBLK_F_USER_RECOVERY_REISSUE));
	ASSERT_EQ(0, strand(t, self->store, self->sh));
	EXPECT_EQ(0, raw_del(&t->ctl, t->info.dev_id));
}

/* covers: I-51 L-20 L-1 */
TEST_F(release, I_51_without_recovery)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	ASSERT_EQ(0, strand(t, self->store, self->sh));
	EXPECT_TRUE(reaches(t, UBLK_S_DEV_DEAD));
	EXPECT_EQ(0, raw_del(&t->ctl, t->info.dev_id));
}

/* The server owns the only tag, so no command is canceled. */
/* covers: I-51 L-20 */
TEST_F(release, I_51_all_tags_owned)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 1, UR));
	ASSERT_EQ(0, strand(t, self->store, self->sh));
	EXPECT_TRUE(reaches(t, UBLK_S_DEV_QUIESCED));
	EXPECT_EQ(0, raw_del(&t->ctl, t->info.dev_id));
}

/*
 * The node of a second device waits behind the disk to be released. Its number
 * is free at once, and a new device with that number works.
 */
/* covers: I-51 L-60 C-72 C-11 */
TEST_F(release, I_51_another_device)
{
	struct fixture *t = &self->t;
	struct ublksrv_ctrl_dev_info other, again;
	pid_t server;

	ASSERT_EQ(0, fx_add(t, 1, 4, UR | UBLK_F_USER_RECOVERY_REISSUE));
	ASSERT_EQ(0, add_other(t, -1, &other));
	ASSERT_EQ(0, strand(t, self->store, self->sh));
	self->sh->ready = 0;
	server = proc_fork();
	if (!server)
		idle_server(&other, self->sh);
	ASSERT_TRUE(flag_set(&self->sh->ready));
	ASSERT_EQ(0, kill_and_reap(server));
	EXPECT_EQ(0, raw_del(&t->ctl, other.dev_id));
	EXPECT_EQ(-ENODEV, raw_get_info(&t->ctl, other.dev_id, &again));

	ASSERT_EQ(0, add_other(t, other.dev_id, &again));
	EXPECT_EQ(other.dev_id, again.dev_id);
	EXPECT_EQ(0, live_and_die(t, &again, server_store()));

	EXPECT_TRUE(reaches(t, UBLK_S_DEV_QUIESCED));
	EXPECT_EQ(0, raw_del(&t->ctl, t->info.dev_id));
}

/*
 * A second disk that waits behind the first one is in use until that one is
 * released. If both are to be deleted, both go, whichever is waited for first.
 */
/* covers: I-51 L-60 L-46 C-72 C-73 */
TEST_F(release, I_51_another_disk)
{
	struct fixture *t = &self->t;
	struct ublksrv_ctrl_dev_info other;
	struct server_proc *s;
	pid_t opener;
	int ret;

	ASSERT_EQ(0, fx_add(t, 1, 4, UR | UBLK_F_USER_RECOVERY_REISSUE));
	ASSERT_EQ(0, add_other(t, -1, &other));
	ASSERT_EQ(0, strand(t, self->store, self->sh));
	s = server_new(&other, server_store());
	ASSERT_NE(NULL, s);
	ASSERT_EQ(0, server_start(s));
	ASSERT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_DEV, other.dev_id,
				 s->pid));
	self->sh->ready = 0;
	opener = proc_fork();
	if (!opener)
		open_disk(other.dev_id, false, self->sh);
	ASSERT_TRUE(flag_set(&self->sh->ready));
	ASSERT_EQ(0, kill_and_reap(opener));
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_DEL_DEV_ASYNC,
				 other.dev_id, 0));
	EXPECT_EQ(0, raw_get_info(&t->ctl, other.dev_id, &other));
	EXPECT_EQ(0, raw_dev_cmd(&t->ctl, UBLK_U_CMD_DEL_DEV_ASYNC,
				 t->info.dev_id, 0));
	ret = raw_del(&t->ctl, other.dev_id);
	EXPECT_TRUE(!ret || ret == -ENODEV) TH_LOG("DEL_DEV: %d", ret);
	ret = raw_del(&t->ctl, t->info.dev_id);
	EXPECT_TRUE(!ret || ret == -ENODEV) TH_LOG("DEL_DEV: %d", ret);
	EXPECT_EQ(0, server_wait_exit(s, RAW_DEADLINE_MS));
}

TEST_HARNESS_MAIN
