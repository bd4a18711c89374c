// SPDX-License-Identifier: GPL-2.0
/*
 * The test's second process: see io_client.h.
 *
 * The test writes job numbers to a pipe; the client starts a thread per job.
 * The thread writes the result of the job and then clears "busy", which
 * publishes it. Block I/O opens the disk for each job, so nothing stays open
 * between jobs except by client_hold().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "io_client.h"
#include "proc.h"

static int held_fd = -1;

static void *job_thread(void *arg)
{
	struct client_job *job = arg;
	long start = raw_now_ms();

	__atomic_store_n(&job->tid, gettid(), __ATOMIC_RELEASE);
	job->res = job->fn(job->arg);
	job->ms = raw_now_ms() - start;
	__atomic_store_n(&job->busy, 0, __ATOMIC_RELEASE);
	return NULL;
}

static void client_loop(struct io_client *c)
{
	pthread_attr_t attr;
	unsigned int n;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (read(c->pipe[0], &n, sizeof(n)) == sizeof(n)) {
		pthread_t t;

		if (pthread_create(&t, &attr, job_thread, &c->jobs[n])) {
			c->jobs[n].res = -EAGAIN;
			__atomic_store_n(&c->jobs[n].busy, 0,
					 __ATOMIC_RELEASE);
		}
	}
	_exit(0);
}

/* Call this before the char device is opened. NULL on failure. */
struct io_client *client_open(void)
{
	struct io_client *c = proc_shared(sizeof(*c));
	pid_t pid;

	if (!c)
		return NULL;
	c->data = proc_shared(CLIENT_DATA);
	if (!c->data || pipe(c->pipe))
		return NULL;
	pid = proc_fork();
	if (pid < 0)
		return NULL;
	if (!pid) {
		close(c->pipe[1]);
		client_loop(c);
	}
	c->pid = pid;
	close(c->pipe[0]);
	return c;
}

void client_close(struct io_client *c)
{
	close(c->pipe[1]);
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	munmap(c->data, CLIENT_DATA);
	munmap(c, sizeof(*c));
}

/* Start fn(arg) in the client. Returns the job's number, or -errno. */
int client_start(struct io_client *c, client_fn fn, const void *arg, size_t len)
{
	unsigned int i, n;

	if (len > CLIENT_ARG)
		return -E2BIG;
	for (i = 0; i < CLIENT_JOBS; i++) {
		n = c->next++ % CLIENT_JOBS;
		if (client_done(c, n))
			break;
	}
	if (i == CLIENT_JOBS)
		return -EBUSY;
	c->jobs[n].fn = fn;
	c->jobs[n].res = 0;
	c->jobs[n].tid = 0;
	memcpy(c->jobs[n].arg, arg, len);
	__atomic_store_n(&c->jobs[n].busy, 1, __ATOMIC_RELEASE);
	if (write(c->pipe[1], &n, sizeof(n)) != sizeof(n))
		return -errno;
	return n;
}

bool client_done(struct io_client *c, int job)
{
	return !__atomic_load_n(&c->jobs[job].busy, __ATOMIC_ACQUIRE);
}

static long timed_out(struct io_client *c, int ms)
{
	/* A test may expect a timeout, but only of a short wait. */
	if (ms >= CLIENT_LONG_MS)
		proc_dump(c->pid);
	return RAW_TIMEOUT;
}

long client_wait(struct io_client *c, int job, int ms)
{
	long end = raw_now_ms() + ms;

	if (job < 0)
		return job;
	while (!client_done(c, job)) {
		if (raw_now_ms() >= end)
			return timed_out(c, ms);
		usleep(1000);
	}
	return c->jobs[job].res;
}

long client_wait_serving(struct io_client *c, int job, struct raw_ring *r,
			 int ms)
{
	long end = raw_now_ms() + ms;
	struct raw_ev ev;
	int ret;

	if (job < 0)
		return job;
	while (!client_done(c, job)) {
		if (raw_now_ms() >= end)
			return timed_out(c, ms);
		ret = raw_event(r, &ev, 2);
		if (!ret)
			ret = raw_serve(r, &ev);
		if (ret && ret != RAW_TIMEOUT)
			return ret;
	}
	return c->jobs[job].res;
}

struct ctrl_arg {
	__u32 op;
	int id;
	__u64 data;
};

static long ctrl_job(void *arg)
{
	struct ctrl_arg *c = arg;
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = c->id, .queue_id = 0xffff, .data = { c->data },
	};
	struct raw_ctrl ctl;
	long ret = raw_ctrl_open(&ctl);

	if (ret)
		return ret;
	/* Longer than any test waits: the test sets the deadline. */
	ret = raw_ctrl_cmd_ms(&ctl, c->op, &cmd, 1000000);
	raw_ctrl_close(&ctl);
	return ret;
}

/* A control command without a buffer. */
int client_ctrl(struct io_client *c, __u32 op, int id, __u64 data)
{
	struct ctrl_arg arg = { .op = op, .id = id, .data = data };

	return client_start(c, ctrl_job, &arg, sizeof(arg));
}

static long blk_io(int fd, enum client_blk_op op, __u64 off, __u32 len,
		   void *buf)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	__u64 range[2] = { off, len };

	switch (op) {
	case CLIENT_READ:
	case CLIENT_READAHEAD:
		return pread(fd, buf, len, off);
	case CLIENT_WRITE:
		return pwrite(fd, buf, len, off);
	case CLIENT_WRITE_FUA:
		return pwritev2(fd, &iov, 1, off, RWF_DSYNC);
	case CLIENT_FSYNC:
		return fsync(fd);
	case CLIENT_DISCARD:
		return ioctl(fd, BLKDISCARD, range);
	case CLIENT_ZEROOUT:
		return ioctl(fd, BLKZEROOUT, range);
	case CLIENT_PUNCH:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 off, len);
	case CLIENT_RRPART:
		return ioctl(fd, BLKRRPART);
	}
	errno = EINVAL;
	return -1;
}

static int blk_open(int id, enum client_blk_op op)
{
	int flags = op == CLIENT_READAHEAD ? O_RDONLY : O_RDWR | O_DIRECT;
	char path[32];

	if (op == CLIENT_READ || op == CLIENT_RRPART)
		flags = O_RDONLY | O_DIRECT;
	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	return open(path, flags | O_CLOEXEC);
}

static long blk_run(int fd, enum client_blk_op op, __u64 off, __u32 len,
		    void *buf)
{
	long ret = blk_io(fd, op, off, len, buf);

	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* One operation on /dev/ublkbN by the calling process itself. */
long client_blk_run(int id, enum client_blk_op op, __u64 off, __u32 len,
		    void *buf)
{
	int fd = blk_open(id, op);

	return fd < 0 ? -errno : blk_run(fd, op, off, len, buf);
}

struct blk_arg {
	int id;
	enum client_blk_op op;
	__u64 off;
	__u32 len;
	char *buf;
	int opened;
};

static long blk_job(void *arg)
{
	struct blk_arg *b = arg;
	int fd = blk_open(b->id, b->op);

	if (fd < 0)
		return -errno;
	__atomic_store_n(&b->opened, 1, __ATOMIC_RELEASE);
	return blk_run(fd, b->op, b->off, b->len, b->buf);
}

/*
 * Wait until the job of client_blk() has opened the disk. Opening one that is
 * being removed may make the kernel load a module, which takes a while.
 */
bool client_wait_open(struct io_client *c, int job)
{
	struct blk_arg *b = (struct blk_arg *)c->jobs[job].arg;
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	while (!__atomic_load_n(&b->opened, __ATOMIC_ACQUIRE)) {
		if (client_done(c, job) || raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

/*
 * Wait until the job's thread sleeps, or the job has ended. A driver queues
 * requests without sleeping, so a request that the thread has submitted has
 * then reached the driver.
 */
bool client_wait_sleep(struct io_client *c, int job)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	char state;
	pid_t tid;

	while (!client_done(c, job)) {
		tid = __atomic_load_n(&c->jobs[job].tid, __ATOMIC_ACQUIRE);
		state = tid ? proc_state(c->pid, tid) : 0;
		if (state == 'D' || state == 'S')
			return true;
		if (raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

/* Block I/O at byte @off of the disk and byte @data of the data area. */
int client_blk(struct io_client *c, int id, enum client_blk_op op, __u64 off,
	       __u32 len, __u32 data)
{
	struct blk_arg arg = {
		.id = id, .op = op, .off = off, .len = len,
		.buf = c->data + data,
	};

	return client_start(c, blk_job, &arg, sizeof(arg));
}

static long hold_job(void *arg)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%d", *(int *)arg);
	held_fd = open(path, O_RDONLY | O_CLOEXEC);
	return held_fd < 0 ? -errno : 0;
}

static long release_job(void *arg)
{
	(void)arg;
	close(held_fd);
	held_fd = -1;
	return 0;
}

/* Keep the disk open until client_release(). */
int client_hold(struct io_client *c, int id)
{
	return client_start(c, hold_job, &id, sizeof(id));
}

void client_release(struct io_client *c)
{
	int dummy = 0;

	client_wait(c, client_start(c, release_job, &dummy, sizeof(dummy)),
		    RAW_DEADLINE_MS);
}
