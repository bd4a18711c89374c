// SPDX-License-Identifier: GPL-2.0
/*
 * The test's second process: see agent.h.
 *
 * The test writes job numbers to a pipe; the agent starts a thread per job.
 * A job's result is published by clearing "busy" after writing the rest. Block
 * I/O opens the disk for each job, so nothing stays open between jobs except
 * by agent_hold().
 */
#define _GNU_SOURCE
#include <dirent.h>
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
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent.h"

static int held_fd = -1;

static void *job_thread(void *arg)
{
	struct agent_job *job = arg;
	long start = raw_now_ms();

	__atomic_store_n(&job->tid, gettid(), __ATOMIC_RELEASE);
	job->res = job->fn(job->arg);
	job->ms = raw_now_ms() - start;
	__atomic_store_n(&job->busy, 0, __ATOMIC_RELEASE);
	return NULL;
}

static void agent_loop(struct agent *a)
{
	pthread_attr_t attr;
	unsigned int n;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (read(a->pipe[0], &n, sizeof(n)) == sizeof(n)) {
		pthread_t t;

		if (pthread_create(&t, &attr, job_thread, &a->jobs[n])) {
			a->jobs[n].res = -EAGAIN;
			__atomic_store_n(&a->jobs[n].busy, 0,
					 __ATOMIC_RELEASE);
		}
	}
	_exit(0);
}

static void *map_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Call this before the char device is opened. NULL on failure. */
struct agent *agent_open(void)
{
	struct agent *a = map_shared(sizeof(*a));
	pid_t parent = getpid(), pid;

	if (!a)
		return NULL;
	a->data = map_shared(AGENT_DATA);
	if (!a->data || pipe(a->pipe))
		return NULL;
	/* Not straight into *a: the child would write its 0 there as well. */
	pid = fork();
	if (pid < 0)
		return NULL;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		close(a->pipe[1]);
		agent_loop(a);
	}
	a->pid = pid;
	close(a->pipe[0]);
	return a;
}

void agent_close(struct agent *a)
{
	close(a->pipe[1]);
	kill(a->pid, SIGKILL);
	waitpid(a->pid, NULL, 0);
	munmap(a->data, AGENT_DATA);
	munmap(a, sizeof(*a));
}

/* Start fn(arg) in the agent. Returns the job's number, or -errno. */
int agent_start(struct agent *a, agent_fn fn, const void *arg, size_t len)
{
	unsigned int i, n;

	if (len > AGENT_ARG)
		return -E2BIG;
	for (i = 0; i < AGENT_JOBS; i++) {
		n = a->next++ % AGENT_JOBS;
		if (agent_done(a, n))
			break;
	}
	if (i == AGENT_JOBS)
		return -EBUSY;
	a->jobs[n].fn = fn;
	a->jobs[n].res = 0;
	a->jobs[n].tid = 0;
	memcpy(a->jobs[n].arg, arg, len);
	__atomic_store_n(&a->jobs[n].busy, 1, __ATOMIC_RELEASE);
	if (write(a->pipe[1], &n, sizeof(n)) != sizeof(n))
		return -errno;
	return n;
}

bool agent_done(struct agent *a, int job)
{
	return !__atomic_load_n(&a->jobs[job].busy, __ATOMIC_ACQUIRE);
}

/* Where the agent's threads are: what one wants to know after a timeout. */
static void dump_stacks(struct agent *a)
{
	char path[64], line[128];
	struct dirent *d;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", a->pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stack", a->pid,
			 atoi(d->d_name));
		f = fopen(path, "r");
		if (!f)
			continue;
		fprintf(stderr, "# agent thread %s\n", d->d_name);
		while (fgets(line, sizeof(line), f))
			fprintf(stderr, "#   %s", line);
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

static long timed_out(struct agent *a, int ms)
{
	/* A short wait is one that the test expects to end like this. */
	if (ms >= AGENT_LONG_MS)
		dump_stacks(a);
	return RAW_TIMEOUT;
}

long agent_wait(struct agent *a, int job, int ms)
{
	long end = raw_now_ms() + ms;

	if (job < 0)
		return job;
	while (!agent_done(a, job)) {
		if (raw_now_ms() >= end)
			return timed_out(a, ms);
		usleep(1000);
	}
	return a->jobs[job].res;
}

long agent_wait_serving(struct agent *a, int job, struct raw_ring *r, int ms)
{
	long end = raw_now_ms() + ms;
	struct raw_ev ev;
	int ret;

	if (job < 0)
		return job;
	while (!agent_done(a, job)) {
		if (raw_now_ms() >= end)
			return timed_out(a, ms);
		ret = raw_event(r, &ev, 2);
		if (!ret)
			ret = raw_serve(r, &ev);
		if (ret && ret != RAW_TIMEOUT)
			return ret;
	}
	return a->jobs[job].res;
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
	/* Waits longer than any test does: the test sets the deadline. */
	ret = raw_ctrl_cmd_ms(&ctl, c->op, &cmd, 1000000);
	raw_ctrl_close(&ctl);
	return ret;
}

/* A control command without a buffer. */
int agent_ctrl(struct agent *a, __u32 op, int id, __u64 data)
{
	struct ctrl_arg arg = { .op = op, .id = id, .data = data };

	return agent_start(a, ctrl_job, &arg, sizeof(arg));
}

static long blk_io(int fd, enum agent_blk_op op, __u64 off, __u32 len,
		   void *buf)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	__u64 range[2] = { off, len };

	switch (op) {
	case AGENT_READ:
	case AGENT_READAHEAD:
		return pread(fd, buf, len, off);
	case AGENT_WRITE:
		return pwrite(fd, buf, len, off);
	case AGENT_WRITE_FUA:
		return pwritev2(fd, &iov, 1, off, RWF_DSYNC);
	case AGENT_FSYNC:
		return fsync(fd);
	case AGENT_DISCARD:
		return ioctl(fd, BLKDISCARD, range);
	case AGENT_ZEROOUT:
		return ioctl(fd, BLKZEROOUT, range);
	case AGENT_PUNCH:
		return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 off, len);
	case AGENT_RRPART:
		return ioctl(fd, BLKRRPART);
	}
	errno = EINVAL;
	return -1;
}

static int blk_open(int id, enum agent_blk_op op)
{
	int flags = op == AGENT_READAHEAD ? O_RDONLY : O_RDWR | O_DIRECT;
	char path[32];

	if (op == AGENT_READ || op == AGENT_RRPART)
		flags = O_RDONLY | O_DIRECT;
	snprintf(path, sizeof(path), "/dev/ublkb%d", id);
	return open(path, flags | O_CLOEXEC);
}

static long blk_run(int fd, enum agent_blk_op op, __u64 off, __u32 len,
		    void *buf)
{
	long ret = blk_io(fd, op, off, len, buf);

	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* One operation on /dev/ublkbN, done by the caller itself. */
long agent_blk_run(int id, enum agent_blk_op op, __u64 off, __u32 len,
		   void *buf)
{
	int fd = blk_open(id, op);

	return fd < 0 ? -errno : blk_run(fd, op, off, len, buf);
}

struct blk_arg {
	int id;
	enum agent_blk_op op;
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
 * Wait until the job of agent_blk() has opened the disk: opening one that is
 * being removed may make the kernel look for a module, which takes its time.
 */
bool agent_wait_open(struct agent *a, int job)
{
	struct blk_arg *b = (struct blk_arg *)a->jobs[job].arg;
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	while (!__atomic_load_n(&b->opened, __ATOMIC_ACQUIRE)) {
		if (agent_done(a, job) || raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

static char thread_state(pid_t pid, pid_t tid)
{
	char path[64], line[256], *p = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	f = fopen(path, "r");
	if (f && fgets(line, sizeof(line), f))
		p = strrchr(line, ')');
	if (f)
		fclose(f);
	return p && p[1] ? p[2] : 0;
}

/*
 * Wait until the job's thread sleeps, or has ended. Drivers take requests
 * without sleeping: one that is known to have been made has then arrived.
 */
bool agent_wait_sleep(struct agent *a, int job)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	char state;
	pid_t tid;

	while (!agent_done(a, job)) {
		tid = __atomic_load_n(&a->jobs[job].tid, __ATOMIC_ACQUIRE);
		state = tid ? thread_state(a->pid, tid) : 0;
		if (state == 'D' || state == 'S')
			return true;
		if (raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

/* Block I/O at byte @off of the disk and byte @data of the data area. */
int agent_blk(struct agent *a, int id, enum agent_blk_op op, __u64 off,
	      __u32 len, __u32 data)
{
	struct blk_arg arg = {
		.id = id, .op = op, .off = off, .len = len,
		.buf = a->data + data,
	};

	return agent_start(a, blk_job, &arg, sizeof(arg));
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

/* Keep the disk open until agent_release(). */
int agent_hold(struct agent *a, int id)
{
	return agent_start(a, hold_job, &id, sizeof(id));
}

void agent_release(struct agent *a)
{
	int dummy = 0;

	agent_wait(a, agent_start(a, release_job, &dummy, sizeof(dummy)),
		   RAW_DEADLINE_MS);
}
