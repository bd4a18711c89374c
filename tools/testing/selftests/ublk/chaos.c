// SPDX-License-Identifier: GPL-2.0
/*
 * Random control commands from four processes to a few device numbers, while
 * servers start, misbehave, end in every way and are killed; disks are read,
 * written, rescanned and their settings changed. Nothing may hang, no command may
 * have a result that it cannot have, no sector may be wrong. At the end devices
 * can be recovered, every device can be deleted and the module unloaded. The
 * runner checks the kernel log.
 *
 * There is a variant for each way in which data moves, and "all", where each
 * device is of another one. A variant takes two seconds, on a slow kernel six.
 *
 * UBLK_CHAOS_SECONDS=N	takes as long; from 30 on everything must have been tried
 * UBLK_CHAOS_SEED=N	repeats what each process tries, but not how they
 *			interleave
 *
 * Covers C-11, C-58, C-70 to C-74, C-81, C-82, L-20, L-42, L-60, I-24, I-60.
 * The processes are in lib/: see chaos.h.
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
#include "kselftest_harness.h"
#include "lib/chaos.h"
#include "lib/proc.h"
#include "lib/server_proc.h"

const char *const chaos_op_names[CHAOS_NR_OPS] = {
	"ADD_DEV", "SET_PARAMS", "START_DEV", "STOP_DEV", "TRY_STOP_DEV",
	"DEL_DEV", "DEL_DEV_ASYNC", "GET_PARAMS", "GET_DEV_INFO",
	"GET_DEV_INFO2", "GET_QUEUE_AFFINITY", "UPDATE_SIZE", "QUIESCE_DEV",
	"START_USER_RECOVERY", "END_USER_RECOVERY", "REG_BUF", "UNREG_BUF",
};

/* Seconds. A shorter run may miss some commands by chance. */
#define LONG_RUN	30
/* Nobody knows how long UBLK_CHAOS_SECONDS is. */
#define TIMEOUT_S	1000000

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

/* True if a command was canceled and has not ended. */
static bool ctl_stuck(struct chaos_ctl_slot *slot)
{
	long since = __atomic_load_n(&slot->since, __ATOMIC_ACQUIRE);

	if (!since || raw_now_ms() - since < chaos_limit_ms())
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
		if (!chaos_ends(c, chaos_op_names[slot->op], slot->pid))
			return false;
		chaos_count(&c->kills);
		start_ctl(c, slot);
	}
	return true;
}

static bool op_counts(struct chaos *c, int op)
{
	/* Those that need a device which is idle or not open succeed too rarely. */
	if (op == CHAOS_TRY_STOP || op == CHAOS_QUIESCE || op == CHAOS_DEL)
		return false;
	return c->shmem || (op != CHAOS_REG_BUF && op != CHAOS_UNREG_BUF);
}

/*
 * Requests were served; in a long run every important command has succeeded. Else
 * the run proves little.
 */
static bool enough(struct chaos *c, bool say)
{
	const unsigned int redirect = 1U << CHAOS_REDIRECT | 1U << CHAOS_BATCH_REDIRECT;
	bool good = c->servers && c->io_done && c->served;
	int op;

	/* Of all modes, that one may be missing in a short run. */
	if (!(c->modes & ~redirect) || (c->modes & redirect && c->seconds >= LONG_RUN))
		good = good && c->redirected;

	if (c->seconds < LONG_RUN)
		return good;
	good = good && c->kills && c->io_failed && c->canceled && c->faults &&
	       c->attrs_set;
	for (op = 0; op < CHAOS_NR_OPS; op++) {
		if (!op_counts(c, op) || c->results[op][0])
			continue;
		if (say)
			fprintf(stderr, "# %s never succeeded\n",
				chaos_op_names[op]);
		good = false;
	}
	return good;
}

/* Successful I/Os with known generations. */
static unsigned long known(struct chaos *c)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < c->devs; i++)
		sum += c->gen[i]->done;
	return sum;
}

static void start_all(struct chaos *c)
{
	int i;

	servers = chaos_fork();
	if (!servers)
		chaos_servers(c);
	ios = chaos_fork();
	if (!ios)
		chaos_ios(c);
	for (i = 0; i < CHAOS_CTLS; i++)
		start_ctl(c, &c->ctl[i]);
}

/*
 * Watch them until the time is over, and longer if a slow machine has not tried
 * enough. False if a command hangs.
 */
static bool watch(struct chaos *c)
{
	long start = raw_now_ms(), end = start + c->seconds * 1000L;
	long last = start + 4 * (end - start) * (c->seconds < LONG_RUN ?
						 raw_scale() : 1);
	long report = start + 10000;
	struct chaos_rng r;
	int i;

	chaos_seed(c, &r);
	while (raw_now_ms() < end ||
	       (raw_now_ms() < last && !enough(c, false))) {
		for (i = 0; i < CHAOS_CTLS; i++)
			if (!watch_ctl(c, &r, &c->ctl[i]))
				return false;
		if (raw_now_ms() >= report) {
			printf("# %ld s: %lu servers, %lu and %lu I/Os\n",
			       (report - start) / 1000, c->servers, c->io_done,
			       known(c));
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
		if (!chaos_ends(c, "command process", c->ctl[i].pid))
			good = false;
	return good;
}

/* How often each command had each result. */
static void print_commands(struct chaos *c)
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
}

static void print_results(struct chaos *c)
{
	if (c->seconds >= LONG_RUN || c->unexpected)
		print_commands(c);
	printf("# %lu commands canceled, %lu processes killed, %lu in a page fault\n",
	       c->canceled, c->kills, c->faults);
	printf("# %lu servers, %lu requests served, %lu redirected; %lu I/Os done, %lu failed\n",
	       c->servers, c->served, c->redirected, c->io_done, c->io_failed);
	printf("# %lu I/Os with known generations; %lu settings changed, %lu refused\n",
	       known(c), c->attrs_set, c->attrs_refused);
}

static long setting(const char *name, long value)
{
	const char *s = getenv(name);

	return s && *s ? atol(s) : value;
}

/* What all processes share. NULL without memory. */
static struct chaos *make(int devs)
{
	struct chaos *c = proc_shared(sizeof(*c));
	int i;

	if (!c)
		return NULL;
	c->devs = devs;
	c->shm = proc_shared(CHAOS_SHM);
	for (i = 0; i < devs; i++) {
		if (!chaos_make_store(c, i))
			return NULL;
		c->gen[i] = io_gen_new(i, IO_GEN_MIXED);
		if (!c->shm || !c->gen[i])
			return NULL;
		c->gen[i]->base = CHAOS_AREA;
		c->gen[i]->give_up = 1;
		io_gen_fill(c->gen[i], c->store[i]);
	}
	c->seconds = setting("UBLK_CHAOS_SECONDS", raw_scale() > 1 ? 6 : 2);
	c->life_ms = c->seconds < 20 ? 500 + c->seconds * 475 : 10000;
	c->seed = setting("UBLK_CHAOS_SEED",
			  raw_now_ms() ^ (long)getpid() << 20);
	return c;
}

static __u64 needs(unsigned int modes, int shmem)
{
	__u64 flags = shmem ? UBLK_F_SHMEM_ZC : 0;
	int mode;

	for (mode = 0; mode < CHAOS_NR_MODES; mode++)
		if (modes & 1U << mode)
			flags |= chaos_mode_flags(mode);
	return flags;
}

FIXTURE(chaos) {
	struct chaos *c;
};

FIXTURE_VARIANT(chaos) {
	unsigned int modes;
	int shmem, devs;
};

#define MODE(_name, _modes, _shmem, _devs) \
	FIXTURE_VARIANT_ADD(chaos, _name) { \
		.modes = (_modes), .shmem = (_shmem), .devs = (_devs), \
	}

/* In this order: check-debug takes each second one, "all" among them. */
MODE(copy, 1U << CHAOS_COPY, 0, 4);
MODE(all, (1U << CHAOS_NR_MODES) - 1, 3, CHAOS_DEVS);
MODE(get_data, 1U << CHAOS_GET_DATA, 0, 4);
MODE(user_copy, 1U << CHAOS_USER_COPY, 0, 4);
MODE(zero_copy, 1U << CHAOS_ZERO_COPY, 0, 4);
MODE(batch, 1U << CHAOS_BATCH, 0, 4);
MODE(auto_buf, 1U << CHAOS_AUTO_BUF, 0, 4);
MODE(batch_auto_buf, 1U << CHAOS_BATCH_AUTO_BUF, 0, 4);
MODE(batch_user_copy, 1U << CHAOS_BATCH_USER_COPY, 0, 4);
MODE(shared_memory, 1U << CHAOS_COPY | 1U << CHAOS_BATCH, 1, 4);
MODE(batch_zero_copy, 1U << CHAOS_BATCH_ZERO_COPY, 0, 4);
MODE(redirect, 1U << CHAOS_REDIRECT | 1U << CHAOS_BATCH_REDIRECT, 0, 4);

FIXTURE_SETUP(chaos)
{
	__u64 need = needs(variant->modes, variant->shmem);
	struct raw_ctrl ctl;
	__u64 features;

	if (raw_ctrl_open(&ctl))
		SKIP(return, "no /dev/ublk-control: be root, modprobe ublk_drv");
	ASSERT_EQ(0, raw_features(&ctl, &features));
	raw_ctrl_close(&ctl);
	if ((features & need) != need)
		SKIP(return, "driver does not offer feature bits 0x%llx",
		     (unsigned long long)(need & ~features));
	self->c = make(variant->devs);
	ASSERT_NE(NULL, self->c);
	self->c->features = features;
	self->c->modes = variant->modes;
	self->c->shmem = variant->shmem;
}

FIXTURE_TEARDOWN_PARENT(chaos)
{
	EXPECT_TRUE(chaos_delete_all()) {
		TH_LOG("a device of this test cannot be deleted");
	}
}

TEST_F_TIMEOUT(chaos, nothing_hangs, TIMEOUT_S)
{
	struct chaos *c = self->c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# %d s, seed %llu\n", c->seconds, (unsigned long long)c->seed);
	ASSERT_EQ(0, chaos_add_all(c));
	start_all(c);
	EXPECT_TRUE(watch(c)) TH_LOG("a command does not end");
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELEASE);
	EXPECT_TRUE(end_ctls(c)) TH_LOG("a command does not end");
	EXPECT_TRUE(chaos_ends(c, "servers", servers));
	EXPECT_TRUE(chaos_recover_all(c)) TH_LOG("a device cannot be recovered");
	EXPECT_TRUE(chaos_delete_all()) TH_LOG("a device cannot be deleted");
	EXPECT_TRUE(chaos_ends(c, "I/O", ios));
	EXPECT_TRUE(chaos_no_nodes()) TH_LOG("a node is left");
	EXPECT_EQ(0, chaos_wrong_blocks(c));
	EXPECT_EQ(0, c->unexpected) TH_LOG("a result that cannot be");
	EXPECT_EQ(0, c->immortal) TH_LOG("a killed process does not die");
	EXPECT_TRUE(chaos_none_blocked());
	EXPECT_TRUE(chaos_unload()) TH_LOG("the module cannot be unloaded");
	print_results(c);
	EXPECT_TRUE(enough(c, true)) TH_LOG("too little was tried");
}

TEST_HARNESS_MAIN
