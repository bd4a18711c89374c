// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk del -a": delete every device, each in a child of its own, so that one
 * that does not answer delays none of the others.
 *
 * A device whose store is the disk of another one, or a file on it, is deleted
 * before that one. When all that can be deleted are gone, those that were
 * refused because they were in use are tried again, until nothing changes any
 * more. Only the failures of the last attempt are printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "disk.h"

#define JOBS_MAX	256	/* children at a time */
/* A child has deadlines of its own; this comes on top of --timeout. */
#define JOB_SLACK_MS	20000
#define JOB_TEXT	1024

enum job_state { JOB_WAITS, JOB_RUNS, JOB_GONE, JOB_FAILED };

struct job {
	__u32 id;
	enum job_state state;
	int err;
	char text[JOB_TEXT];
	bool *below;		/* jobs that wait for this one, by index */
	pid_t pid;
	int fd;
	long long end;		/* ms */
};

struct jobs {
	const struct del_cfg *cfg;
	struct job *job;	/* ascending ids */
	int nr, running;
	struct mounts_spaces spaces;
};

/* What a child sends, in one write(). */
struct job_report {
	int err;
	char text[JOB_TEXT];
};

static long long now_ms(void)
{
	return common_now_ns() / 1000000;
}

/* ---- order --------------------------------------------------------------- */

/* Which devices are below this one? */
static int job_find_below(struct jobs *jobs, struct job *job,
			  const struct disk *disks)
{
	dev_t *stores;
	struct state st;
	int i, nr;

	job->below = calloc(jobs->nr, sizeof(*job->below));
	if (!job->below)
		return ublk_error(-ENOMEM, "out of memory");
	if (state_read(job->id, &st))
		return 0;
	nr = users_stores(&st, &stores);
	for (i = 0; i < jobs->nr; i++)
		job->below[i] = &jobs->job[i] != job &&
			users_has_store(stores, nr, &disks[i]);
	free(stores);
	state_free(&st);
	return nr < 0 ? nr : 0;
}

static int jobs_find_order(struct jobs *jobs)
{
	struct disk *disks = calloc(jobs->nr ? : 1, sizeof(*disks));
	int i, ret = 0;

	if (!disks)
		return ublk_error(-ENOMEM, "out of memory");
	for (i = 0; i < jobs->nr && !ret; i++)
		ret = disk_load(jobs->job[i].id, &disks[i]);
	for (i = 0; i < jobs->nr && !ret; i++)
		ret = job_find_below(jobs, &jobs->job[i], disks);
	for (i = 0; i < jobs->nr; i++)
		disk_free(&disks[i]);
	free(disks);
	return ret;
}

static bool job_may_start(const struct jobs *jobs, int nr)
{
	int i;

	if (jobs->job[nr].state != JOB_WAITS || jobs->running >= JOBS_MAX)
		return false;
	for (i = 0; i < jobs->nr; i++)
		if (jobs->job[i].below[nr] && jobs->job[i].state < JOB_GONE)
			return false;
	return true;
}

/* ---- children ------------------------------------------------------------ */

/*
 * With many devices, each child would read all their records, and look at all
 * processes: at the daemons of the others.
 */
static int job_delete(const struct jobs *jobs, const struct job *job)
{
	__u32 *ids = calloc(jobs->nr, sizeof(*ids));
	bool *above = calloc(jobs->nr, sizeof(*above));
	struct users_known known = {
		.ids = ids, .above = above, .nr = jobs->nr,
		.spaces = &jobs->spaces,
	};
	int i, ret;

	for (i = 0; i < jobs->nr && ids && above; i++) {
		ids[i] = jobs->job[i].id;
		above[i] = jobs->job[i].below[job - jobs->job];
	}
	ret = del_device(job->id, jobs->cfg, ids && above ? &known : NULL);
	free(above);
	free(ids);
	return ret;
}

static void job_child(const struct jobs *jobs, const struct job *job, int fd)
	__attribute__((noreturn));

static void job_child(const struct jobs *jobs, const struct job *job, int fd)
{
	struct job_report r = { 0 };

	guard_leave();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r.err = job_delete(jobs, job);
	if (r.err)
		snprintf(r.text, sizeof(r.text), "%s", ublk_strerror_last());
	/* the output of the program must not stay open in a child that hangs */
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	if (write(fd, &r, sizeof(r)) != sizeof(r))
		_exit(EXIT_FAILED);
	_exit(EXIT_OK);
}

static void job_failed(struct job *job, int err, const char *text)
{
	job->err = err;
	job->state = err && err != -ENODEV ? JOB_FAILED : JOB_GONE;
	snprintf(job->text, sizeof(job->text), "%s", text);
}

static void job_start(struct jobs *jobs, struct job *job)
{
	int fds[2];

	job->pid = -1;
	if (!pipe2(fds, O_CLOEXEC)) {
		job->pid = fork();
		if (!job->pid)
			job_child(jobs, job, fds[1]);
		close(fds[1]);
		job->fd = fds[0];
		if (job->pid < 0)
			close(fds[0]);
	}
	if (job->pid < 0) {
		ublk_error(-errno, "dev %u: starting a process: %s", job->id,
			   strerror(errno));
		job_failed(job, -EAGAIN, ublk_strerror_last());
		return;
	}
	job->state = JOB_RUNS;
	job->end = now_ms() + jobs->cfg->timeout * 1000 + JOB_SLACK_MS;
	jobs->running++;
}

static void job_end(struct jobs *jobs, struct job *job, bool late)
{
	struct job_report r;
	int ret;

	if (late) {
		ret = common_silent(job->id, 0, "not deleted in time");
		job_failed(job, ret, ublk_strerror_last());
		kill(job->pid, SIGKILL);
	} else if (read(job->fd, &r, sizeof(r)) == sizeof(r)) {
		r.text[sizeof(r.text) - 1] = 0;
		job_failed(job, r.err, r.text);
	} else {
		ublk_error(-EIO, "dev %u: the process that deletes it died",
			   job->id);
		job_failed(job, -EIO, ublk_strerror_last());
	}
	close(job->fd);
	/* one that hangs in the kernel goes to init when this process exits */
	waitpid(job->pid, NULL, WNOHANG);
	jobs->running--;
}

/* Wait until at least one child reports, or is late. */
static void jobs_wait(struct jobs *jobs)
{
	struct pollfd p[JOBS_MAX];
	struct job *of[JOBS_MAX];
	long long now = now_ms(), wait = 86400000;
	int i, nr = 0;

	for (i = 0; i < jobs->nr; i++) {
		struct job *job = &jobs->job[i];

		if (job->state != JOB_RUNS)
			continue;
		of[nr] = job;
		p[nr++] = (struct pollfd) { .fd = job->fd, .events = POLLIN };
		if (job->end - now < wait)
			wait = job->end > now ? job->end - now : 0;
	}
	if (poll(p, nr, wait) < 0)
		return;
	now = now_ms();
	for (i = 0; i < nr; i++)
		if (p[i].revents || now >= of[i]->end)
			job_end(jobs, of[i], !p[i].revents);
}

/* ---- passes -------------------------------------------------------------- */

/* Devices that depend on each other in a circle: take them in any order. */
static void jobs_break_circle(struct jobs *jobs)
{
	int i, k;

	for (i = 0; i < jobs->nr; i++)
		for (k = 0; k < jobs->nr; k++)
			jobs->job[i].below[k] = false;
}

static void jobs_run(struct jobs *jobs)
{
	bool left = true;
	int i;

	while (left) {
		left = false;
		for (i = 0; i < jobs->nr; i++)
			if (job_may_start(jobs, i))
				job_start(jobs, &jobs->job[i]);
		for (i = 0; i < jobs->nr; i++)
			left |= jobs->job[i].state == JOB_WAITS;
		if (jobs->running) {
			jobs_wait(jobs);
			left = true;
		} else if (left) {
			jobs_break_circle(jobs);
		}
	}
}

/* A job that failed is not tried again, unless the device was in use. */
static bool job_is_final(const struct job *job)
{
	return job->state == JOB_FAILED && job->err != -EBUSY;
}

static bool jobs_have_final(const struct jobs *jobs, __u32 id)
{
	int i;

	for (i = 0; i < jobs->nr; i++)
		if (jobs->job[i].id == id && job_is_final(&jobs->job[i]))
			return true;
	return false;
}

static int job_compare(const void *a, const void *b)
{
	__u32 x = ((const struct job *)a)->id, y = ((const struct job *)b)->id;

	return x < y ? -1 : x > y;
}

/*
 * The devices that sysfs has, and the failures of the last pass: a device whose
 * disk is still open has left sysfs.
 */
static int jobs_make(struct jobs *jobs, const struct jobs *last)
{
	__u32 *ids;
	int nr, i;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return nr;
	jobs->job = calloc(nr + last->nr + 1, sizeof(*jobs->job));
	for (i = 0; i < nr && jobs->job; i++)
		if (!jobs_have_final(last, ids[i]))
			jobs->job[jobs->nr++].id = ids[i];
	for (i = 0; i < last->nr && jobs->job; i++) {
		struct job *job = &jobs->job[jobs->nr];

		if (!job_is_final(&last->job[i]))
			continue;
		job->id = last->job[i].id;
		job_failed(job, last->job[i].err, last->job[i].text);
		jobs->nr++;
	}
	free(ids);
	if (!jobs->job)
		return ublk_error(-ENOMEM, "out of memory");
	qsort(jobs->job, jobs->nr, sizeof(*jobs->job), job_compare);
	mounts_find_spaces(&jobs->spaces);
	return jobs_find_order(jobs);
}

static void jobs_free(struct jobs *jobs)
{
	int i;

	for (i = 0; i < jobs->nr && jobs->job; i++)
		free(jobs->job[i].below);
	free(jobs->job);
	*jobs = (struct jobs) { 0 };
}

static int jobs_gone(const struct jobs *jobs)
{
	int i, nr = 0;

	for (i = 0; i < jobs->nr; i++)
		nr += jobs->job[i].state == JOB_GONE;
	return nr;
}

/*
 * Print each failure once, but not of devices that have gone meanwhile. Return:
 * exit status, that of the first
 */
static int jobs_print(struct ublk_ctrl *ctrl, const struct jobs *jobs)
{
	struct ublksrv_ctrl_dev_info info;
	int i, ret, status = EXIT_OK;

	for (i = 0; i < jobs->nr; i++) {
		if (jobs->job[i].state != JOB_FAILED ||
		    ublk_ctrl_get_info(ctrl, jobs->job[i].id, &info) == -ENODEV)
			continue;
		ret = cli_report(cli_exit_status(jobs->job[i].err),
				 jobs->job[i].text);
		status = status ? : ret;
	}
	return status;
}

/**
 * del_all - delete every device
 * @cfg: how
 *
 * Return: exit status, with the messages printed
 */
int del_all(const struct del_cfg *cfg)
{
	struct jobs jobs = { 0 }, last = { 0 };
	struct ublk_ctrl *ctrl;
	int ret, gone;

	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	do {
		jobs.cfg = cfg;
		ret = jobs_make(&jobs, &last);
		if (ret) {
			jobs_free(&jobs);
			jobs_free(&last);
			ublk_ctrl_close(ctrl);
			return cli_fail(ret);
		}
		jobs_run(&jobs);
		gone = jobs_gone(&jobs);
		jobs_free(&last);
		last = jobs;
		jobs = (struct jobs) { 0 };
	} while (gone);
	ret = jobs_print(ctrl, &last);
	ublk_ctrl_close(ctrl);
	jobs_free(&last);
	return ret;
}
