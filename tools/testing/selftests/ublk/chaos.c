// SPDX-License-Identifier: GPL-2.0
/*
 * Random control commands from four processes to eight device numbers, while
 * servers start, misbehave and are killed, and I/O runs. Nothing may hang. At
 * the end every device can be deleted and the module unloaded. The runner
 * checks the kernel log.
 *
 * usage: chaos [SECONDS [SEED]]; or UBLK_CHAOS_SECONDS, UBLK_CHAOS_SEED. The
 * seed repeats what each process tries, but not how they interleave.
 *
 * Covers C-11, C-58, C-70 to C-74, C-81, C-82, L-20, L-42, L-60, I-24, I-60.
 * The processes are in lib/chaos_ctl.c, lib/chaos_srv.c and lib/chaos_io.c.
 *
 * runner: cpus debug
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/chaos.h"
#include "lib/proc.h"
#include "lib/server_proc.h"
#include "kselftest.h"

const char *const chaos_op_names[CHAOS_NR_OPS] = {
	"ADD_DEV", "SET_PARAMS", "START_DEV", "STOP_DEV", "TRY_STOP_DEV",
	"DEL_DEV", "DEL_DEV_ASYNC", "GET_PARAMS", "GET_DEV_INFO",
	"GET_DEV_INFO2", "GET_QUEUE_AFFINITY", "UPDATE_SIZE", "QUIESCE_DEV",
	"START_USER_RECOVERY", "END_USER_RECOVERY",
};

/* Seconds. A shorter run may miss some commands by chance. */
#define LONG_RUN	30

static pid_t servers, ios;

/* Start values for each process, from the seed and the process's number. */
void chaos_seed(struct chaos *c, struct chaos_rng *r)
{
	__u64 nr = __atomic_add_fetch(&c->forks, 1, __ATOMIC_RELAXED);

	r->x = c->seed + nr * 0x9e3779b97f4a7c15ULL;
	r->x = (r->x ^ r->x >> 30) * 0xbf58476d1ce4e5b9ULL;
	r->x |= 1;
}

/* A child that dies with its parent. */
pid_t chaos_fork(void)
{
	pid_t pid;

	fflush(NULL);
	pid = proc_fork();
	if (pid < 0) {
		perror("# fork");
		_exit(1);
	}
	return pid;
}

static void start_ctl(struct chaos *c, struct chaos_ctl_slot *slot)
{
	pid_t pid;

	slot->since = 0;
	/* In shared memory the child would overwrite the pid with 0. */
	pid = chaos_fork();
	if (!pid)
		chaos_ctl(c, slot);
	slot->pid = pid;
}

static bool immortal(struct chaos *c, const char *what, pid_t pid)
{
	if (proc_wait_exit(pid, CHAOS_LIMIT_MS) != RAW_TIMEOUT)
		return false;
	chaos_count(&c->immortal);
	fprintf(stderr, "# %s (process %d) does not end\n", what, pid);
	proc_dump(pid);
	proc_dump(0);
	return true;
}

/* True if a command was canceled and has not ended. */
static bool ctl_stuck(struct chaos_ctl_slot *slot)
{
	long since = __atomic_load_n(&slot->since, __ATOMIC_ACQUIRE);

	if (!since || raw_now_ms() - since < CHAOS_LIMIT_MS)
		return false;
	fprintf(stderr, "# %s of device %d does not end, canceled %d times\n",
		chaos_op_names[slot->op], slot->id, slot->canceled);
	proc_dump(slot->pid);
	proc_dump(0);
	return true;
}

/* Sometimes kill a command process together with the command it waits for. */
static bool watch_ctl(struct chaos *c, struct chaos_rng *r,
		      struct chaos_ctl_slot *slot)
{
	if (ctl_stuck(slot))
		return false;
	if (waitpid(slot->pid, NULL, WNOHANG)) {
		fprintf(stderr, "# a command process has given up\n");
		chaos_count(&c->unexpected);
		start_ctl(c, slot);
	} else if (!chaos_rnd(r, 400)) {
		kill(slot->pid, SIGKILL);
		if (immortal(c, chaos_op_names[slot->op], slot->pid))
			return false;
		chaos_count(&c->kills);
		start_ctl(c, slot);
	}
	return true;
}

/*
 * Every important command has succeeded, or the run proves little. Commands
 * that need a live device which is idle or not open may succeed too rarely.
 */
static bool enough(struct chaos *c, bool say)
{
	bool good = c->servers && c->kills && c->io_done && c->io_failed &&
		    c->served && c->canceled;
	int op;

	for (op = 0; op < CHAOS_NR_OPS; op++) {
		if (op == CHAOS_TRY_STOP || op == CHAOS_QUIESCE ||
		    op == CHAOS_DEL || c->results[op][0])
			continue;
		if (say)
			fprintf(stderr, "# %s never succeeded\n",
				chaos_op_names[op]);
		good = false;
	}
	return good;
}

/*
 * Start all and watch them until the time is over, and longer if a slow machine
 * has not tried enough. False if a command hangs.
 */
static bool run(struct chaos *c, int seconds)
{
	long start = raw_now_ms(), end = start + seconds * 1000L;
	long last = seconds < LONG_RUN ? end : start + 4 * seconds * 1000L;
	long report = start + 10000;
	struct chaos_rng r;
	int i;

	chaos_seed(c, &r);
	servers = chaos_fork();
	if (!servers)
		chaos_servers(c);
	ios = chaos_fork();
	if (!ios)
		chaos_ios(c);
	for (i = 0; i < CHAOS_CTLS; i++)
		start_ctl(c, &c->ctl[i]);
	while (raw_now_ms() < end ||
	       (raw_now_ms() < last && !enough(c, false))) {
		for (i = 0; i < CHAOS_CTLS; i++)
			if (!watch_ctl(c, &r, &c->ctl[i]))
				return false;
		if (raw_now_ms() >= report) {
			fprintf(stderr, "# %ld s: %lu servers, %lu I/Os\n",
				(report - start) / 1000, c->servers,
				c->io_done);
			report += 10000;
		}
		usleep(100000);
	}
	return true;
}

static bool end_ctls(struct chaos *c)
{
	bool good = true;
	int i;

	for (i = 0; i < CHAOS_CTLS; i++)
		if (immortal(c, "command process", c->ctl[i].pid))
			good = false;
	return good;
}

/*
 * Request all deletions first: a disk that is closed may not be released before
 * another one, which waits for its server (Documentation/block/ublk.rst).
 */
static bool delete_all(void)
{
	static const __u32 ops[] = {
		UBLK_U_CMD_DEL_DEV_ASYNC, UBLK_U_CMD_DEL_DEV,
	};
	struct ublksrv_ctrl_cmd cmd = { .queue_id = 0xffff };
	struct raw_ctrl ctl;
	bool good = true;
	int i, id, ret;

	if (raw_ctrl_open(&ctl))
		return false;
	for (i = 0; i < 2; i++) {
		for (id = 0; id < CHAOS_DEVS; id++) {
			cmd.dev_id = id;
			ret = raw_ctrl_cmd_ms(&ctl, ops[i], &cmd,
					      CHAOS_LIMIT_MS);
			if (!ret || ret == -ENODEV)
				continue;
			fprintf(stderr, "# DEL_DEV%s of device %d: %d\n",
				i ? "" : "_ASYNC", id, ret);
			if (good)
				proc_dump(0);
			good = false;
		}
	}
	raw_ctrl_close(&ctl);
	return good;
}

static bool no_nodes(void)
{
	char path[32];
	int id;

	for (id = 0; id < CHAOS_DEVS; id++) {
		snprintf(path, sizeof(path), "/dev/ublkb%d", id);
		if (!raw_wait_path(path, false))
			return false;
		snprintf(path, sizeof(path), "/dev/ublkc%d", id);
		if (!raw_wait_path(path, false))
			return false;
	}
	return true;
}

static bool loaded(void)
{
	return !access("/sys/module/ublk_drv/refcnt", F_OK);
}

static bool unload(void)
{
	long end = raw_now_ms() + CHAOS_LIMIT_MS;
	pid_t pid;

	while (loaded()) {
		pid = chaos_fork();
		if (!pid) {
			execlp("modprobe", "modprobe", "-r", "ublk_drv", NULL);
			_exit(127);
		}
		if (proc_wait_exit(pid, CHAOS_LIMIT_MS) == RAW_TIMEOUT) {
			proc_dump(pid);
			proc_dump(0);
			return false;
		}
		if (raw_now_ms() >= end)
			return false;
		usleep(20000);
	}
	return true;
}

static void print_results(struct chaos *c)
{
	int op, err;

	for (op = 0; op < CHAOS_NR_OPS; op++) {
		printf("# %-20s %6lu ok", chaos_op_names[op],
		       c->results[op][0]);
		for (err = 1; err < CHAOS_ERRNOS; err++)
			if (c->results[op][err])
				printf(" %lu %s", c->results[op][err],
				       strerrorname_np(err));
		printf("\n");
	}
	printf("# %lu commands canceled, %lu processes killed\n", c->canceled,
	       c->kills);
	printf("# %lu servers, %lu requests served; %lu I/Os done, %lu failed\n",
	       c->servers, c->served, c->io_done, c->io_failed);
}

static struct chaos *setup(void)
{
	struct chaos *c = proc_shared(sizeof(*c));
	struct raw_ctrl ctl;
	int i;

	if (!c)
		return NULL;
	for (i = 0; i < CHAOS_DEVS; i++) {
		c->store[i] = server_store();
		if (!c->store[i])
			return NULL;
	}
	if (raw_ctrl_open(&ctl))
		ksft_exit_skip("no /dev/ublk-control: be root, modprobe ublk_drv\n");
	if (raw_features(&ctl, &c->features))
		return NULL;
	raw_ctrl_close(&ctl);
	return c;
}

static long setting(char *arg, const char *name, long value)
{
	const char *s = arg ? arg : getenv(name);

	return s ? atol(s) : value;
}

int main(int argc, char **argv)
{
	int seconds = setting(argc > 1 ? argv[1] : NULL, "UBLK_CHAOS_SECONDS",
			      60);
	struct chaos *c;
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	c = setup();
	if (!c)
		ksft_exit_fail_msg("cannot set up\n");
	c->seed = setting(argc > 2 ? argv[2] : NULL, "UBLK_CHAOS_SEED",
			  raw_now_ms() ^ (long)getpid() << 20);
	ksft_set_plan(7);
	printf("# %d s, seed %llu\n", seconds, (unsigned long long)c->seed);

	good = run(c, seconds);
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELEASE);
	good &= end_ctls(c);
	ksft_test_result(good && !c->unexpected,
			 "every command ends, with an allowed result\n");
	good = !immortal(c, "servers", servers);
	ksft_test_result(good && !c->immortal,
			 "every killed process dies\n");
	ksft_test_result(delete_all(), "every device can be deleted\n");
	ksft_test_result(!immortal(c, "I/O", ios),
			 "I/O ends with its device\n");
	ksft_test_result(no_nodes(), "no node is left\n");
	if (loaded())
		ksft_test_result(unload(), "the module can be unloaded\n");
	else
		ksft_test_result_skip("the driver is no module\n");
	print_results(c);
	if (seconds >= LONG_RUN)
		ksft_test_result(enough(c, true), "everything was tried\n");
	else
		ksft_test_result_skip("too short for all to be tried\n");
	ksft_finished();
}
