// SPDX-License-Identifier: GPL-2.0
/*
 * The counters of devices for "ublk stat" and "ublk top".
 *
 * Neither the driver nor a server is asked, as one that is stuck would not answer.
 * Devices are those in sysfs. The server of one is the process in its run-state file;
 * if that has no counters, any process that has.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "opt.h"
#include "procfs.h"
#include "stat_set.h"

static void stat_dev_close(struct stat_dev *d)
{
	ublk_stat_close(d->reader);
	free(d->name);
	free(d->now);
	free(d->was);
	d->reader = NULL;
	d->name = NULL;
	d->now = NULL;
	d->was = NULL;
	d->pid = 0;
}

void stat_set_free(struct stat_set *set)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		stat_dev_close(&set->devs[i]);
	free(set->devs);
	set->devs = NULL;
	set->nr = 0;
}

/* The server of a device without a run-state file. */
static int stat_scan(struct stat_dev *d)
{
	int ret = ublk_error(-ENOENT, "dev %u: no process here has counters of it; its server uses an older libublk, or none",
			     d->id);
	DIR *dir = opendir("/proc");
	struct dirent *e;
	__u64 pid;

	while (dir && ret && (e = readdir(dir)))
		if (!opt_uint(e->d_name, &pid) &&
		    !ublk_stat_open(pid, d->id, &d->reader)) {
			d->pid = pid;
			ret = 0;
		}
	if (dir)
		closedir(dir);
	return ret;
}

static int stat_find(struct stat_dev *d)
{
	char why[300] = "";
	struct state st;
	int ret = -ENOENT;

	if (!state_read(d->id, &st)) {
		ret = ublk_stat_open(st.pid, d->id, &d->reader);
		d->pid = ret ? 0 : st.pid;
		d->name = st.name ? strdup(st.name) : NULL;
		snprintf(why, sizeof(why), "%s", ret ? ublk_strerror_last() : "");
		state_free(&st);
	}
	if (ret == -ENOENT || ret == -ESRCH) {
		ret = stat_scan(d);
		if (ret && *why)
			ublk_error(ret, "%s", why);
	}
	return ret;
}

/* Return: 0, or negative errno with a message, which is also in @d->why */
static int stat_dev_open(struct stat_dev *d)
{
	const struct ublk_stat_info *info;
	int ret;

	stat_dev_close(d);
	*d->why = 0;
	ret = stat_find(d);
	if (!ret) {
		info = ublk_stat_get_info(d->reader);
		d->nr = info->nr_queues * info->nr_threads;
		d->at = info->started;
		d->now = calloc(d->nr, sizeof(*d->now));
		d->was = calloc(d->nr, sizeof(*d->was));
		if (!d->now || !d->was)
			ret = ublk_error(-ENOMEM, "out of memory");
	}
	if (ret) {
		snprintf(d->why, sizeof(d->why), "%s", ublk_strerror_last());
		stat_dev_close(d);
	}
	return ret;
}

static void stat_dev_read_thread(const struct stat_dev *d, unsigned int i,
				 struct ublk_stat *stat)
{
	unsigned int per = ublk_stat_get_info(d->reader)->nr_threads;

	ublk_stat_read(d->reader, i / per, i % per, stat);
}

/* A thread that was looked at before has made turns since, timed or not. */
static void stat_dev_turns(struct stat_dev *d)
{
	unsigned int i;

	for (i = 0; i < d->nr; i++) {
		const struct ublk_stat *was = &d->was[i];
		struct ublk_stat *now = &d->now[i];

		if (was->turns && now->turns != was->turns && now->turn < d->was_at)
			now->turn = d->was_at;
	}
}

/* Does the thread seem to do nothing, with turns that may not have been timed? */
static bool stat_seems_quiet(const struct stat_dev *d, unsigned int i)
{
	return !d->was[i].turns && d->now[i].turns &&
		stat_in_flight(&d->now[i]) &&
		d->at >= d->now[i].turn + STAT_QUIET_NS;
}

/* A second look at threads that seem quiet. Return: are there still any? */
static bool stat_dev_look_again(struct stat_dev *d)
{
	struct ublk_stat again;
	bool quiet = false;
	unsigned int i;

	for (i = 0; d->reader && i < d->nr; i++) {
		if (!stat_seems_quiet(d, i))
			continue;
		stat_dev_read_thread(d, i, &again);
		if (again.turns != d->now[i].turns)
			d->now[i].turn = d->at;
		else
			quiet = true;
	}
	return quiet;
}

/* Look for as long as makes a thread quiet. */
static void stat_set_look_again(struct stat_set *set)
{
	const struct timespec pause = { .tv_nsec = STAT_QUIET_NS / 10 };
	unsigned int i, tries;
	bool quiet = true;

	for (tries = 0; quiet && tries <= 10; tries++) {
		if (tries)
			nanosleep(&pause, NULL);
		quiet = false;
		for (i = 0; i < set->nr; i++)
			quiet |= stat_dev_look_again(&set->devs[i]);
	}
}

static int stat_dev_read(struct stat_dev *d)
{
	struct ublk_stat *before;
	unsigned int i;
	int ret = 0;

	if (!d->reader || state_process_ended(d->pid))
		ret = stat_dev_open(d);
	if (ret)
		return ret;
	before = d->was;
	d->was = d->now;
	d->now = before;
	d->was_at = d->at;
	d->at = common_now_ns();
	for (i = 0; i < d->nr; i++)
		stat_dev_read_thread(d, i, &d->now[i]);
	stat_dev_turns(d);
	return 0;
}

/* Return: device, or NULL with a message */
static struct stat_dev *stat_set_get(struct stat_set *set, __u32 id)
{
	struct stat_dev *grown;
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		if (set->devs[i].id == id)
			return &set->devs[i];
	grown = realloc(set->devs, (set->nr + 1) * sizeof(*grown));
	if (!grown) {
		ublk_error(-ENOMEM, "out of memory");
		return NULL;
	}
	set->devs = grown;
	grown[set->nr] = (struct stat_dev){ .id = id };
	return &grown[set->nr++];
}

/* Devices that are not there any more. */
static void stat_set_prune(struct stat_set *set)
{
	unsigned int i, kept = 0;

	for (i = 0; i < set->nr; i++) {
		if (set->devs[i].seen)
			set->devs[kept++] = set->devs[i];
		else
			stat_dev_close(&set->devs[i]);
	}
	set->nr = kept;
	for (i = 0; i < kept; i++)
		set->devs[i].seen = false;
}

static int stat_set_read_id(struct stat_set *set, __u32 id)
{
	struct stat_dev *d = stat_set_get(set, id);
	int ret;

	if (!d)
		return -ENOMEM;
	/* it was named twice */
	if (d->seen)
		return 0;
	ret = stat_dev_read(d);
	/* ordinary users see their own devices */
	d->seen = !ret || !geteuid() || set->names;
	return ret;
}

static bool stat_exists(const __u32 *ids, int nr, __u64 id)
{
	int i;

	for (i = 0; i < nr; i++)
		if (ids[i] == id)
			return true;
	return false;
}

int stat_set_read(struct stat_set *set)
{
	int nr, i, ret = 0;
	__u32 *ids;
	__u64 id;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return nr;
	for (i = 0; !set->names && i < nr; i++)
		stat_set_read_id(set, ids[i]);
	for (i = 0; set->names && set->names[i] && !ret; i++) {
		ret = device_find(set->names[i], &id);
		if (!ret && !stat_exists(ids, nr, id))
			ret = common_explain(id, -ENODEV);
		if (!ret)
			ret = stat_set_read_id(set, id);
	}
	free(ids);
	stat_set_prune(set);
	stat_set_look_again(set);
	return ret;
}

/* A counter may have been taken back meanwhile, when a linked SQE failed. */
static void stat_add(__u64 *sum, __u64 now, __u64 was)
{
	if (now > was)
		*sum += now - was;
}

void stat_diff(const struct stat_dev *d, unsigned int thread,
	       struct ublk_stat *sum)
{
	const struct ublk_stat *now = &d->now[thread], *was = &d->was[thread];
	unsigned int op, i;

	/* not of a time */
	sum->taken += now->taken;
	sum->ended += now->ended;
	sum->max_in_flight += now->max_in_flight;
	sum->turn = now->turn;
	sum->turns = now->turns;
	for (op = 0; op < UBLK_STAT_OPS; op++) {
		stat_add(&sum->ops[op].requests, now->ops[op].requests,
			 was->ops[op].requests);
		stat_add(&sum->ops[op].errors, now->ops[op].errors,
			 was->ops[op].errors);
		stat_add(&sum->ops[op].bytes, now->ops[op].bytes,
			 was->ops[op].bytes);
		stat_add(&sum->ops[op].measured, now->ops[op].measured,
			 was->ops[op].measured);
		for (i = 0; i < UBLK_STAT_BUCKETS; i++)
			stat_add(&sum->ops[op].latency[i],
				 now->ops[op].latency[i],
				 was->ops[op].latency[i]);
	}
}

__u64 stat_in_flight(const struct ublk_stat *s)
{
	return s->taken > s->ended ? s->taken - s->ended : 0;
}

long stat_at_driver(__u32 id)
{
	unsigned long reads, writes;
	char path[64], line[64];

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/inflight", id);
	if (!procfs_line(path, line, sizeof(line)) ||
	    sscanf(line, "%lu %lu", &reads, &writes) != 2)
		return -1;
	return reads + writes;
}

double stat_percentile(const __u64 *latency, double part)
{
	__u64 total = 0, below = 0;
	double rank;
	int i;

	for (i = 0; i < UBLK_STAT_BUCKETS; i++)
		total += latency[i];
	rank = total * part;
	for (i = 0; i < UBLK_STAT_BUCKETS; below += latency[i++]) {
		if (!latency[i] || below + latency[i] < rank)
			continue;
		if (!i)
			return 0;
		/* as if they were spread evenly */
		return (1ULL << i) * (1 + (rank - below) / latency[i]);
	}
	return 0;
}
