// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk set-affinity": bind the threads of a queue to CPUs. The run-state file
 * says which threads these are.
 */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define AFFINITY_CPUS	8192

/* A set of CPUs in the layout of cpu_set_t. */
struct cpus {
	unsigned long bits[AFFINITY_CPUS / (8 * sizeof(long))];
};

struct affinity_cfg {
	__u64 id;
	__u64 queue;
	const char *list;
};

static const struct ublk_opt affinity_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.offset = offsetof(struct affinity_cfg, id),
		.arg = "ID", .help = "device",
	},
	{
		.name = "queue", .letter = 'q', .type = UBLK_OPT_UINT,
		.flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct affinity_cfg, queue),
		.arg = "QUEUE", .max = UBLK_MAX_NR_QUEUES - 1,
		.help = "number of the queue",
	},
	{
		.name = "cpus|cpuset", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct affinity_cfg, list),
		.arg = "LIST", .help = "CPUs of its threads, as 0-3,6",
	},
	{ 0 }
};

/* Parse "N" or "N-M". Return: the text behind it, or NULL */
static const char *cpus_parse_range(const char *text, struct cpus *cpus)
{
	unsigned long first, last, cpu;
	char *end;

	if (!isdigit((unsigned char)*text))
		return NULL;
	first = strtoul(text, &end, 10);
	last = first;
	if (*end == '-') {
		if (!isdigit((unsigned char)end[1]))
			return NULL;
		last = strtoul(end + 1, &end, 10);
	}
	if (last < first || last >= AFFINITY_CPUS)
		return NULL;
	for (cpu = first; cpu <= last; cpu++)
		CPU_SET_S(cpu, sizeof(*cpus), (cpu_set_t *)cpus);
	return end;
}

static int cpus_parse(const char *list, struct cpus *cpus)
{
	const char *at = list;

	memset(cpus, 0, sizeof(*cpus));
	for (;;) {
		at = cpus_parse_range(at, cpus);
		if (!at || (*at && *at != ','))
			return ublk_error(-EINVAL, "--cpus: \"%s\" is not a list of CPUs below %d; give them as 0-3,6",
					  list, AFFINITY_CPUS);
		if (!*at++)
			return 0;
	}
}

/*
 * Find a thread of the queue in the run-state file, if that is of the process
 * that serves the device now. @nr receives the number of the queue's threads.
 * Return: thread id or negative errno
 */
static pid_t affinity_tid(const struct affinity_cfg *cfg,
			  const struct ublksrv_ctrl_dev_info *info,
			  unsigned int thread, unsigned int *nr)
{
	__u32 id = cfg->id;
	char path[64];
	struct state st;
	pid_t tid = -1;

	if (cfg->queue >= info->nr_hw_queues)
		return ublk_error(-EINVAL, "dev %u: has %u queues, the first is 0",
				  id, info->nr_hw_queues);
	if (info->ublksrv_pid <= 0)
		return ublk_error(-ESRCH, "dev %u: is %s and no daemon serves it; \"ublk list -n %u\" shows whether it can be recovered",
				  id, name_of_state(info->state), id);
	if (!state_read(id, &st)) {
		unsigned int i = cfg->queue * st.io_threads + thread;

		*nr = st.io_threads;
		if (st.pid == info->ublksrv_pid && state_matches(&st, info) &&
		    i < st.nr_tids)
			tid = st.tids[i];
		state_free(&st);
	}
	if (tid <= 0)
		return ublk_error(-ENOENT, "dev %u: no thread is recorded in %s; another program serves it",
				  id, state_name(id));
	snprintf(path, sizeof(path), "/proc/%d/task/%d", info->ublksrv_pid,
		 tid);
	if (access(path, F_OK))
		return ublk_error(-ESRCH, "dev %u: process %d has no thread %d",
				  id, info->ublksrv_pid, tid);
	return tid;
}

static int affinity_apply(const struct affinity_cfg *cfg, pid_t tid,
			  const struct cpus *want)
{
	__u32 id = cfg->id;
	struct cpus have;

	if (sched_setaffinity(tid, sizeof(*want), (const cpu_set_t *)want)) {
		if (errno == EINVAL)
			return ublk_error(-EINVAL, "dev %u: none of the CPUs %s is there and allowed for its daemon",
					  id, cfg->list);
		return ublk_error(-errno, "dev %u: thread %d: %s", id, tid,
				  strerror(errno));
	}
	memset(&have, 0, sizeof(have));
	if (sched_getaffinity(tid, sizeof(have), (cpu_set_t *)&have) < 0)
		return ublk_error(-errno, "dev %u: thread %d: %s", id, tid,
				  strerror(errno));
	/* the kernel leaves out CPUs that are offline or not in the cpuset */
	if (memcmp(&have, want, sizeof(have)))
		ublk_log(UBLK_LOG_WARN, "dev %u: some of the CPUs %s are not there or not allowed for its daemon",
			 id, cfg->list);
	return 0;
}

static int affinity_run(int argc, char **argv)
{
	struct affinity_cfg cfg = { .id = UBLK_ID_AUTO };
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	unsigned int i, nr = 1;
	struct cpus cpus;
	int ret;

	ret = cli_parse(&set_affinity_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = cli_need_id(&set_affinity_command, cfg.id);
	if (ret)
		return ret;
	ret = cpus_parse(cfg.list, &cpus);
	if (ret)
		return cli_usage(&set_affinity_command);
	guard_enter();
	ret = common_open(cfg.id, &ctrl, &info);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_close(ctrl);
	for (i = 0, ret = 0; i < nr && !ret; i++) {
		ret = affinity_tid(&cfg, &info, i, &nr);
		if (ret > 0)
			ret = affinity_apply(&cfg, ret, &cpus);
	}
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command set_affinity_command = {
	.name = "set-affinity",
	.aliases = "set_affinity|affinity",
	.args = "-n ID -q QUEUE --cpus LIST",
	.summary = "bind the threads of a queue to CPUs",
	.opts = affinity_opts,
	.run = affinity_run,
};
