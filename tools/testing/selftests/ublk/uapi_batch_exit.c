// SPDX-License-Identifier: GPL-2.0
/*
 * Batch servers in difficult situations: killed under load and replaced,
 * stopped in the middle of a delivery, quiesced while fetch commands arrive
 * (data.rst D-190, D-195; lifecycle.rst L-20, L-23). Every request ends once,
 * with the right data. The simple cases are in uapi_batch_life.c.
 *
 * runner: distro leaks
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "kselftest_harness.h"
#include "lib/proc.h"
#include "lib/recovery.h"
#include "lib/fixture_batch.h"
#include "lib/uffd_stall.h"

#define WIN	RAW_WIN_START
/* Seconds for a test that waits for thousands of requests. */
#define LONG_S	400
#define UR	UBLK_F_USER_RECOVERY
#define REISSUE	(UR | UBLK_F_USER_RECOVERY_REISSUE)
#define QUIESCE	UBLK_U_CMD_QUIESCE_DEV

FIXTURE(exit) {
	struct fixture_batch u;
	struct raw_batch *b;
	int id;
};

FIXTURE_SETUP(exit)
{
	FX_SETUP(&self->u.t, UBLK_F_BATCH_IO | REISSUE | UBLK_F_QUIESCE);
	self->b = &self->u.b;
}

FIXTURE_TEARDOWN_PARENT(exit)
{
	FX_TEARDOWN(&self->u.t);
}

/*
 * A server in a process of its own. Returns its pid when it has prepared all
 * tags and, with @fetch, sent its fetch commands. Without @fetch it does
 * nothing more.
 */
static pid_t server(struct fixture_batch *u, bool fetch)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int *ready = proc_shared(sizeof(*ready));
	pid_t pid;
	int ret;

	if (!ready)
		return -ENOMEM;
	pid = proc_fork();
	if (!pid) {
		ret = fxb_serve(u, 0);
		if (!ret)
			ret = raw_batch_prep_all(&u->b);
		if (!ret && fetch)
			ret = fxb_fetch_all(u);
		__atomic_store_n(ready, ret ?: 1, __ATOMIC_RELEASE);
		while (!fetch)
			pause();
		if (!ret)
			ret = raw_batch_collect_abort(&u->b, 1000000);
		_exit(ret < 0);
	}
	while (pid > 0 && !__atomic_load_n(ready, __ATOMIC_ACQUIRE)) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(1000);
	}
	return pid > 0 && *ready == 1 ? pid : -EIO;
}

static int dev_cmd(struct fixture_batch *u, __u32 op, __u64 data)
{
	return raw_dev_cmd(&u->t.ctl, op, u->t.info.dev_id, data);
}

static void kill_server(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* covers: L-20 L-23 L-1 D-190 D-195 D-2 */
TEST_F_TIMEOUT(exit, L_23_killed_under_load, LONG_S)
{
	struct fixture_batch *u = &self->u;
	int job, i;
	pid_t pid;

	ASSERT_EQ(0, fx_add(&u->t, 2, 32, UBLK_F_BATCH_IO | REISSUE));
	self->id = u->t.info.dev_id;
	u->t.srv.store = proc_shared(RAW_DEV_BYTES);
	ASSERT_NE(NULL, u->t.srv.store);
	fxb_mark(u->t.srv.store);
	pid = server(u, true);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, dev_cmd(u, UBLK_U_CMD_START_DEV, pid));
	job = fxb_burst(u, 96, 60);
	ASSERT_LE(0, job);
	for (i = 0; i < 8; i++) {
		usleep(5000 * i);
		kill_server(pid);
		ASSERT_EQ(0, raw_wait_state(&u->t.ctl, self->id,
					    UBLK_S_DEV_QUIESCED));
		ASSERT_EQ(0, rec_start(&u->t));
		/*
		 * Sometimes the next server dies before END_USER_RECOVERY
		 * (L-54).
		 */
		if (i % 3 == 2) {
			pid = server(u, true);
			ASSERT_LT(0, pid);
			kill_server(pid);
			ASSERT_EQ(0, rec_start(&u->t));
		}
		pid = server(u, true);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, dev_cmd(u, UBLK_U_CMD_END_USER_RECOVERY, pid));
	}
	EXPECT_EQ(96 * 60, client_wait(u->t.client, job,
				       raw_scale() * 4 * RAW_DEADLINE_MS));
	EXPECT_EQ(0, dev_cmd(u, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(pid, waitpid(pid, &i, 0));
	EXPECT_TRUE(WIFEXITED(i) && !WEXITSTATUS(i)) TH_LOG("status %x", i);
}

/* Memory whose first access faults until the test provides the page. */
static char *faulting(int *uffd)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*uffd = uffd_open(p, 4096);
	return *uffd < 0 ? NULL : p;
}

static int give_page(int uffd, char *p)
{
	struct uffdio_zeropage z = {
		.range = { .start = (uintptr_t)p, .len = 4096 },
	};

	return ioctl(uffd, UFFDIO_ZEROPAGE, &z) ? -errno : 0;
}

/* In the server: a thread that says when a fault of the buffers waits for it. */
struct fault_watch {
	int uffd;
	int *seen;	/* in shared memory */
};

static void *watch_faults(void *arg)
{
	struct fault_watch *w = arg;
	struct pollfd p = { .fd = w->uffd, .events = POLLIN };

	if (poll(&p, 1, -1) == 1)
		__atomic_store_n(w->seen, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* As server(), with buffers that fault, and nobody who resolves that. */
static pid_t faulting_server(struct fixture_batch *u, int *seen)
{
	struct fault_watch *w = calloc(1, sizeof(*w));
	pthread_t thread;
	pid_t pid;
	int ret;

	pid = proc_fork();
	if (pid)
		return pid;
	ret = fxb_serve(u, 0);
	w->seen = seen + 1;
	w->uffd = uffd_open(u->t.srv.bufs,
			    (size_t)u->t.info.queue_depth * RAW_IO_BYTES);
	if (!ret && w->uffd < 0)
		ret = w->uffd;
	if (!ret)
		ret = -pthread_create(&thread, NULL, watch_faults, w);
	if (!ret)
		ret = raw_batch_prep_all(&u->b);
	if (!ret)
		ret = fxb_fetch_all(u);
	__atomic_store_n(seen, ret ?: 1, __ATOMIC_RELEASE);
	if (!ret)
		ret = raw_batch_collect_abort(&u->b, 1000000);
	_exit(ret < 0);
}

/* covers: I-69 L-20 L-1 */
TEST_F(exit, I_69_killed_while_its_buffers_fault)
{
	static const int where[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct fixture_batch *u = &self->u;
	int jobs[ARRAY_SIZE(where)], status;
	int *seen = proc_shared(2 * sizeof(*seen));
	unsigned int i;
	int ret;
	pid_t pid;

	if (running_on_mainline())
		SKIP(return, "mainline's server cannot be killed");
	ASSERT_NE(NULL, seen);
	ASSERT_EQ(0, fx_add(&u->t, 1, 16, UBLK_F_BATCH_IO | UR));
	self->id = u->t.info.dev_id;
	u->t.srv.store = proc_shared(RAW_DEV_BYTES);
	ASSERT_NE(NULL, u->t.srv.store);
	pid = faulting_server(u, seen);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, proc_wait_count(&seen[0], 1, RAW_DEADLINE_MS));
	ASSERT_EQ(0, dev_cmd(u, UBLK_U_CMD_START_DEV, pid));
	ASSERT_EQ(0, fxb_no_scheduler(u));
	for (i = 0; i < ARRAY_SIZE(where); i++) {
		jobs[i] = fxb_blk(u, CLIENT_WRITE, WIN + 65536 * where[i], 4096);
		ASSERT_LE(0, jobs[i]);
	}
	/* The server is in the middle of a delivery. */
	ASSERT_EQ(0, proc_wait_count(&seen[1], 1, RAW_DEADLINE_MS));
	kill(pid, SIGKILL);
	ret = proc_wait_exit(pid, RAW_DEADLINE_MS);
	if (ret == RAW_TIMEOUT)
		proc_dump(pid);
	ASSERT_EQ(-EINTR, ret) TH_LOG("SIGKILL does not end the server");
	ASSERT_EQ(0, raw_wait_state(&u->t.ctl, self->id, UBLK_S_DEV_QUIESCED));
	/* No server had the writes, so the next one gets them. */
	ASSERT_EQ(0, rec_start(&u->t));
	pid = server(u, true);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, dev_cmd(u, UBLK_U_CMD_END_USER_RECOVERY, pid));
	for (i = 0; i < ARRAY_SIZE(where); i++)
		EXPECT_EQ(4096, client_wait(u->t.client, jobs[i],
					    RAW_DEADLINE_MS));
	EXPECT_EQ(0, dev_cmd(u, UBLK_U_CMD_STOP_DEV, 0));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
}

struct busy {
	struct fixture_batch *u;
	int ready, res, last;
};

/* Fetch, answer one request, and wait for the end of the command. */
static void *busy_thread(void *arg)
{
	int ms = running_on_mainline() ? RAW_QUIET_MS : RAW_DEADLINE_MS;
	struct raw_batch *b = calloc(1, sizeof(*b));
	struct busy *t = arg;
	struct raw_bev ev;

	t->res = b ? raw_batch_open(b, &t->u->t.srv, 0) : -ENOMEM;
	if (!t->res)
		t->res = raw_group_open(b, 0, 4, 64, 0);
	if (!t->res && raw_batch_fetch(b, 0, 0) < 0)
		t->res = -EIO;
	__atomic_store_n(&t->ready, 1, __ATOMIC_RELEASE);
	if (!t->res)
		t->res = raw_batch_event(b, &ev, RAW_DEADLINE_MS);
	if (!t->res)
		t->res = ev.res == 2 ? raw_batch_commit(b, 0, ev.tags[0], 4096)
				     : -EPROTO;
	if (!t->res) {
		t->last = raw_batch_event(b, &ev, ms);
		if (!t->last)
			t->last = ev.res;
	}
	raw_batch_close(b);
	free(b);
	return NULL;
}

/* covers: D-195 I-44 I-6 D-188 */
TEST_F(exit, I_44_quiesced_in_the_middle_of_a_delivery)
{
	struct fixture_batch *u = &self->u;
	struct busy t = { .u = u };
	int uffd, i, job, quiesce;
	struct pollfd pfd;
	struct raw_bev ev;
	pthread_t id;
	char *page;

	page = faulting(&uffd);
	if (!page)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, fx_add(&u->t, 1, 2, UBLK_F_BATCH_IO | UR |
			    UBLK_F_QUIESCE));
	ASSERT_EQ(0, fxb_serve(u, 0));
	for (i = 0; i < 2; i++) {
		struct raw_elem e = { .tag = i, .buf_addr = (uintptr_t)page };

		ASSERT_EQ(0, raw_batch_elems(self->b, RAW_PREP, 0, &e, 1));
	}
	ASSERT_EQ(0, fxb_start(u));
	ASSERT_EQ(0, pthread_create(&id, NULL, busy_thread, &t));
	while (!__atomic_load_n(&t.ready, __ATOMIC_ACQUIRE))
		usleep(1000);
	/* A second fetch command, which waits behind the active one. */
	ASSERT_LT(0, raw_batch_fetch(self->b, 0, 0));
	job = fxb_blk(u, CLIENT_WRITE, WIN, 4096);
	pfd = (struct pollfd) { .fd = uffd, .events = POLLIN };
	ASSERT_EQ(1, poll(&pfd, 1, RAW_DEADLINE_MS)) TH_LOG("no fault");
	quiesce = client_ctrl(u->t.client, QUIESCE, u->t.info.dev_id, 10000);
	if (running_on_mainline()) {
		EXPECT_EQ(0,
			  client_wait(u->t.client, quiesce, RAW_DEADLINE_MS));
		ASSERT_EQ(0, raw_batch_event(self->b, &ev, RAW_DEADLINE_MS));
		EXPECT_EQ(-ENODEV, ev.res);
	} else {
		client_wait(u->t.client, quiesce, RAW_QUIET_MS);
	}
	EXPECT_FALSE(client_done(u->t.client, job));
	ASSERT_EQ(0, give_page(uffd, page));
	ASSERT_EQ(0, pthread_join(id, NULL));
	EXPECT_EQ(0, t.res);
	EXPECT_EQ(running_on_mainline() ? RAW_TIMEOUT : -ENODEV, t.last);
	EXPECT_EQ(4096, client_wait(u->t.client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, client_wait(u->t.client, quiesce, RAW_DEADLINE_MS));
	EXPECT_EQ(1, raw_batch_collect_abort(self->b, RAW_DEADLINE_MS));
	ASSERT_EQ(0, fxb_lose(u));
	ASSERT_EQ(0, fxb_recover(u));
	EXPECT_EQ(0, fxb_stop(u));
}

struct pourer {
	struct raw_batch *b;
	int sent, res, go;
};

/* Send fetch commands until one is refused; each must end once. */
static void *pour(void *arg)
{
	struct pourer *p = arg;
	struct raw_bev ev;

	while (p->sent < 3000) {
		if (raw_batch_fetch(p->b, 0, 0) < 0)
			break;
		p->sent++;
		__atomic_store_n(&p->go, p->sent, __ATOMIC_RELEASE);
		if (io_uring_cq_ready(&p->b->ring)) {
			p->res = raw_batch_event(p->b, &ev, 0);
			if (p->res || ev.res == -ENODEV)
				break;
		}
	}
	if (!p->res)
		p->res = raw_batch_collect_abort(p->b, RAW_DEADLINE_MS);
	return NULL;
}

/* covers: I-6 D-185 D-192 D-195 */
TEST_F(exit, I_6_quiesced_while_commands_pour_in)
{
	struct fixture_batch *u = &self->u;
	struct pourer p[2] = { { 0 } };
	pthread_t id[2];
	int round, i;

	if (running_on_mainline())
		SKIP(return, "mainline walks the list without a lock");
	ASSERT_EQ(0, fx_add(&u->t, 1, 8, UBLK_F_BATCH_IO | UR |
			    UBLK_F_QUIESCE));
	ASSERT_EQ(0, fxb_serve(u, 0));
	ASSERT_EQ(0, raw_batch_prep_all(self->b));
	ASSERT_EQ(0, fxb_start(u));
	for (round = 0; round < 6; round++) {
		for (i = 0; i < 2; i++) {
			p[i] = (struct pourer) { .b = calloc(1,
							sizeof(*p[i].b)) };
			ASSERT_NE(NULL, p[i].b);
			ASSERT_EQ(0, raw_batch_open(p[i].b, &u->t.srv, 0));
			ASSERT_EQ(0, raw_group_open(p[i].b, 0, 4, 64, 0));
			ASSERT_EQ(0, pthread_create(&id[i], NULL, pour, &p[i]));
		}
		while (__atomic_load_n(&p[0].go, __ATOMIC_ACQUIRE) < 5 * round)
			usleep(100);
		EXPECT_EQ(0, dev_cmd(u, QUIESCE, 5000));
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, pthread_join(id[i], NULL));
			EXPECT_EQ(p[i].sent, p[i].res) TH_LOG("each command ends once");
			raw_batch_close(p[i].b);
			free(p[i].b);
		}
		ASSERT_EQ(0, fxb_lose(u));
		ASSERT_EQ(0, fxb_recover(u));
	}
	EXPECT_EQ(4096, fxb_wait(u, fxb_blk(u, CLIENT_READ, WIN, 4096)));
	EXPECT_EQ(0, fxb_stop(u));
}

/* covers: L-20 L-44 L-103 D-195 */
TEST_F(exit, L_103_killed_with_queued_requests_while_deleted)
{
	static const __u64 flags[] = { 0, UR, REISSUE };
	static const int where[] = { 0, 1, 2 };
	struct fixture_batch *u = &self->u;
	int jobs[3], del, i, n;
	pid_t pid;

	for (n = 0; n < ARRAY_SIZE(flags); n++) {
		if (flags[n] && running_on_mainline())
			break;
		ASSERT_EQ(0, fx_add(&u->t, 1, 4, UBLK_F_BATCH_IO | flags[n]));
		pid = server(u, false);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, dev_cmd(u, UBLK_U_CMD_START_DEV, pid));
		ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, where, 3, jobs));
		del = client_ctrl(u->t.client, UBLK_U_CMD_DEL_DEV,
				  u->t.info.dev_id, 0);
		/*
		 * The deletion waits for a server that never fetches its
		 * requests.
		 */
		rec_waits(&u->t, del);
		kill_server(pid);
		for (i = 0; i < 3; i++)
			EXPECT_EQ(-EIO, client_wait(u->t.client, jobs[i],
						    REC_FAST_MS));
		EXPECT_EQ(0, client_wait(u->t.client, del, RAW_DEADLINE_MS));
	}
}

/* covers: L-101 L-20 L-100 */
TEST_F(exit, L_101_killed_while_started)
{
	struct fixture_batch *u = &self->u;
	int job, i, ret, state;
	bool stopped;
	pid_t pid;

	if (running_on_mainline())
		SKIP(return, "mainline's device may stay LIVE without a server");
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, fx_add(&u->t, 1, 4, UBLK_F_BATCH_IO |
				    (i & 1 ? UR : 0)));
		pid = server(u, i & 2);
		ASSERT_LT(0, pid);
		job = client_ctrl(u->t.client, UBLK_U_CMD_START_DEV,
				  u->t.info.dev_id, pid);
		usleep(i / 4 * 1500);
		kill_server(pid);
		ret = client_wait(u->t.client, job, 10 * RAW_QUIET_MS);
		/*
		 * START_DEV waits until the device is stopped because the
		 * queues did not get ready in time, or the command is only
		 * slow.
		 */
		stopped = ret == RAW_TIMEOUT;
		if (stopped) {
			EXPECT_EQ(0, raw_srv_open(&u->t.srv, &u->t.info));
			EXPECT_EQ(0, dev_cmd(u, UBLK_U_CMD_STOP_DEV, 0));
			/*
			 * START_DEV may also fail because the session's end
			 * stops the device.
			 */
			ret = client_wait(u->t.client, job, RAW_DEADLINE_MS);
			EXPECT_TRUE(!ret || ret == -EINVAL || ret == -EBUSY) {
				TH_LOG("START_DEV %d", ret);
			}
			raw_srv_close(&u->t.srv);
		}
		state = !ret && !stopped && i & 1 ? UBLK_S_DEV_QUIESCED :
						    UBLK_S_DEV_DEAD;
		EXPECT_EQ(0, raw_wait_state(&u->t.ctl, u->t.info.dev_id,
					    state)) {
			TH_LOG("iteration %d, START_DEV %d", i, ret);
		}
		EXPECT_EQ(0, raw_del(&u->t.ctl, u->t.info.dev_id));
	}
}

/* covers: I-40 I-44 L-44 D-185 */
TEST_F(exit, I_44_quiesced_while_a_stop_waits)
{
	static const int where[] = { 0 };
	struct fixture_batch *u = &self->u;
	int job, stop, quiesce;

	if (running_on_mainline())
		SKIP(return, "mainline cannot fetch queued requests any more");
	ASSERT_EQ(0, fx_add(&u->t, 1, 4, UBLK_F_BATCH_IO | UR |
			    UBLK_F_QUIESCE));
	ASSERT_EQ(0, fxb_serve(u, 0));
	ASSERT_EQ(0, raw_batch_prep_all(self->b));
	ASSERT_EQ(0, fxb_start(u));
	ASSERT_EQ(0, fxb_enqueue(u, CLIENT_READ, where, 1, &job));
	stop = client_ctrl(u->t.client, UBLK_U_CMD_STOP_DEV, u->t.info.dev_id,
			   0);
	rec_waits(&u->t, stop);
	quiesce = client_ctrl(u->t.client, QUIESCE, u->t.info.dev_id, 3000);
	rec_waits(&u->t, quiesce);
	/*
	 * The request is delivered or fails; then the other commands end, too.
	 */
	ASSERT_EQ(0, fxb_fetch_all(u));
	EXPECT_EQ(0, fxb_wait(u, stop));
	EXPECT_NE(RAW_TIMEOUT, fxb_wait(u, job));
	EXPECT_NE(RAW_TIMEOUT, fxb_wait(u, quiesce));
	EXPECT_EQ(UBLK_S_DEV_DEAD, raw_state(&u->t.ctl, u->t.info.dev_id));
}

struct crowd {
	struct fixture_batch *u;
	int res, handled, refilled;
};

/* Serve with an own ring, whose small buffers run out all the time. */
static int crowd_serve(struct crowd *c, struct raw_batch *b)
{
	struct raw_ev tag = { 0 };
	struct raw_bev ev;
	int i, ret;

	for (;;) {
		ret = raw_batch_event(b, &ev, RAW_DEADLINE_MS);
		if (ret)
			return ret;
		for (i = 0; i < ev.count; i++, c->handled++) {
			tag.tag = ev.tags[i];
			tag.q = ev.q;
			tag.iod = raw_desc(&c->u->t.srv, ev.q, tag.tag);
			ret = raw_batch_serve(b, &tag);
			if (ret)
				return ret;
		}
		if (ev.res == -ENODEV && !b->fetches)
			return 0;
		if (ev.res != -ENOBUFS)
			continue;
		/* The lists of both buffers have been read already. */
		raw_group_refill(b, ev.q, 0);
		raw_group_refill(b, ev.q, 1);
		c->refilled++;
		ret = raw_batch_fetch(b, ev.q, ev.q);
		if (ret < 0)
			return ret;
	}
}

static void *crowd_thread(void *arg)
{
	struct raw_batch *b = calloc(1, sizeof(*b));
	struct crowd *c = arg;
	int q;

	c->res = b ? raw_batch_open(b, &c->u->t.srv, 0) : -ENOMEM;
	for (q = 0; q < 2 && c->res >= 0; q++) {
		c->res = raw_group_open(b, q, 2, 6, 0);
		b->groups[q].keep = true;
		if (!c->res)
			c->res = raw_batch_fetch(b, q, q);
	}
	if (c->res >= 0)
		c->res = crowd_serve(c, b);
	if (b)
		raw_batch_close(b);
	free(b);
	return NULL;
}

/* covers: D-192 D-191 D-161 D-190 I-44 */
TEST_F_TIMEOUT(exit, D_192_many_threads_few_buffers, LONG_S)
{
	struct crowd c[4] = { { 0 } };
	struct fixture_batch *u = &self->u;
	pthread_t id[4];
	int job, i, handled = 0, refilled = 0;

	ASSERT_EQ(0, fx_add(&u->t, 2, 64, UBLK_F_BATCH_IO));
	ASSERT_EQ(0, fxb_serve(u, 0));
	fxb_mark(u->t.srv.store);
	ASSERT_EQ(0, raw_batch_prep_all(self->b));
	ASSERT_EQ(0, fxb_start(u));
	for (i = 0; i < 4; i++) {
		c[i].u = u;
		ASSERT_EQ(0, pthread_create(&id[i], NULL, crowd_thread, &c[i]));
	}
	job = fxb_burst(u, 120, 25);
	EXPECT_EQ(120 * 25, client_wait(u->t.client, job,
					raw_scale() * 4 * RAW_DEADLINE_MS));
	EXPECT_EQ(0, dev_cmd(u, UBLK_U_CMD_STOP_DEV, 0));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(id[i], NULL));
		EXPECT_EQ(0, c[i].res) TH_LOG("thread %d", i);
		handled += c[i].handled;
		refilled += c[i].refilled;
	}
	EXPECT_LE(120 * 25, handled);
	EXPECT_LT(0, refilled);
}

TEST_HARNESS_MAIN
