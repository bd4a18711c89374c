// SPDX-License-Identifier: GPL-2.0
/*
 * Every way a server can leave x what the disk is doing x recovery policy x
 * number of queues: nothing hangs, the device gets into the right state, the
 * next server continues with the data intact, and the device can be deleted.
 *
 * The server is a process with its data in our memory (server_proc.h). I/O
 * comes from a process that knows what every block must contain (io_gen.h), or
 * from one that writes files on a mounted ext4. Each combination is one line of
 * KTAP, with the time until the block layer saw errors or held requests, and
 * the total time.
 *
 * usage: crash_matrix [MODE]; see modes[] below. Four queues need four
 * processors.
 *
 * UBLK_TEST_SCALE multiplies the deadline of 5 s, for slow kernels.
 * UBLK_TEST_LESS=N runs one combination of N, such that each value of one of the
 *   four still meets each value of another; in modes other than copy, fewer.
 * UBLK_TEST_ONLY selects combinations whose name contains it.
 *
 * runner: cpus timeout=900
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest.h"
#include "lib/io_gen.h"
#include "lib/proc.h"
#include "lib/server_proc.h"

#define FS_BYTES	(48ULL << 20)
#define UR		UBLK_F_USER_RECOVERY
/* So many requests must succeed before the server leaves, and after. */
#define SOME_IO		96

enum { NONE, HOLD, REISSUE, FAIL, NR_POLICY };
enum { IDLE, READS, WRITES, MIXED, MOUNTED, NR_IO };
enum { KILL, EXIT, THREAD, RING, NR_DEATH };

static const struct { const char *name; __u64 flags; int lost; } policies[] = {
	[NONE] = { "none", 0, UBLK_S_DEV_DEAD },
	[HOLD] = { "hold", UR, UBLK_S_DEV_QUIESCED },
	[REISSUE] = { "reissue", UR | UBLK_F_USER_RECOVERY_REISSUE,
		      UBLK_S_DEV_QUIESCED },
	[FAIL] = { "fail", UR | UBLK_F_USER_RECOVERY_FAIL_IO,
		   UBLK_S_DEV_FAIL_IO },
};

static const struct { const char *name; __u64 flags; } modes[] = {
	{ "copy", 0 },
	{ "usercopy", UBLK_F_USER_COPY },
	{ "auto", UBLK_F_AUTO_BUF_REG },
	{ "batch", UBLK_F_BATCH_IO },
	{ "batch-usercopy", UBLK_F_BATCH_IO | UBLK_F_USER_COPY },
	{ "batch-auto", UBLK_F_BATCH_IO | UBLK_F_AUTO_BUF_REG },
	{ "redirect", UBLK_F_REDIRECT },
	{ "batch-redirect", UBLK_F_BATCH_IO | UBLK_F_USER_COPY | UBLK_F_REDIRECT },
};

static const char * const ios[] = {
	"idle", "reads", "writes", "mixed", "mounted",
};

static const char * const deaths[] = { "kill", "exit", "thread", "ring" };

struct combo {
	int policy, io, death, queues;
	char name[64];
	struct ublksrv_ctrl_dev_info info;
	char *store;
	int file;		/* the store for redirected requests, or -1 */
	struct server_proc *srv;
	struct io_gen *gen;
	struct files *files;
	long seen_ms;
};

/* A process that writes files on the mounted disk. */
struct files {
	pid_t pid;
	int stop;
	__u64 done, errors;
};

static struct raw_ctrl ctl;
static int mode;
static char *image;		/* a fresh ext4 */
static char mnt[32];
static long deadline_ms = 5000;	/* for the block layer to notice the loss */
static long patience_ms = 30000;	/* for everything that is not measured */

/* A condition that must hold. If not, report it and end the combination. */
#define MUST(what) do { \
	if (!(what)) { \
		ksft_print_msg("%s: line %d: %s\n", c->name, __LINE__, #what); \
		return -1; \
	} \
} while (0)

static int cmd(struct combo *c, __u32 op, __u64 data)
{
	return raw_dev_cmd(&ctl, op, c->info.dev_id, data);
}

static bool wait_for(int (*cond)(struct combo *c), struct combo *c, long ms)
{
	long end = raw_now_ms() + ms;

	while (!cond(c)) {
		if (raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return true;
}

static int is_lost(struct combo *c)
{
	return raw_state(&ctl, c->info.dev_id) == policies[c->policy].lost;
}

/* Fill c->store and c->file; c->store is NULL without memory. */
static void new_store(struct combo *c)
{
	c->file = -1;
	if (modes[mode].flags & UBLK_F_REDIRECT)
		c->file = raw_store_file(&c->store);
	else
		c->store = server_store();
}

static void free_store(struct combo *c)
{
	if (c->store)
		munmap(c->store, RAW_DEV_BYTES);
	if (c->file >= 0)
		close(c->file);
}

/* The next server can come: the old one's session has ended. */
static int is_free(struct combo *c)
{
	char path[32];
	int fd;

	if (c->policy != NONE)
		return !cmd(c, UBLK_U_CMD_START_USER_RECOVERY, 0);
	snprintf(path, sizeof(path), "/dev/ublkc%u", c->info.dev_id);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int add(struct combo *c)
{
	struct ublk_params p;

	raw_info_init(&c->info, c->queues, 64, policies[c->policy].flags |
		      modes[mode].flags | UBLK_F_NO_AUTO_PART_SCAN);
	MUST(!raw_add(&ctl, &c->info));
	raw_params_init(&p);
	p.basic.dev_sectors = FS_BYTES / 512;
	p.basic.attrs = UBLK_ATTR_VOLATILE_CACHE;
	MUST(!raw_set_params(&ctl, c->info.dev_id, &p));
	return 0;
}

static int serve(struct combo *c, __u32 op)
{
	int ret;

	c->srv = server_new(&c->info, c->store);
	MUST(c->srv);
	c->srv->file = c->file;
	MUST(!server_start(c->srv));
	/* EEXIST: the last opener of the removed disk is just closing it. */
	do {
		ret = cmd(c, op, c->srv->pid);
		if (ret == -EEXIST)
			usleep(1000);
	} while (ret == -EEXIST && c->policy == NONE);
	MUST(!ret);
	return 0;
}

/* ---- file system --------------------------------------------------------- */

static void write_files(struct files *f)
{
	static char buf[65536];
	char path[64];
	int i, fd;

	memset(buf, 0x6b, sizeof(buf));
	for (i = 0; !__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE); i++) {
		snprintf(path, sizeof(path), "%s/f%d", mnt, i % 50);
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, buf, sizeof(buf)) != sizeof(buf) ||
		    fsync(fd)) {
			f->errors++;
			usleep(5000);
		} else {
			f->done++;
		}
		if (fd >= 0)
			close(fd);
	}
}

static int start_files(struct combo *c)
{
	char path[32];
	pid_t pid;

	snprintf(path, sizeof(path), "/dev/ublkb%u", c->info.dev_id);
	MUST(!mount(path, mnt, "ext4", 0, NULL));
	c->files = proc_shared(sizeof(*c->files));
	MUST(c->files);
	/* In shared memory the child would overwrite the pid with 0. */
	pid = fork();
	if (!pid) {
		write_files(c->files);
		_exit(0);
	}
	MUST(pid > 0);
	c->files->pid = pid;
	return 0;
}

static int files_flow(struct combo *c)
{
	return __atomic_load_n(&c->files->done, __ATOMIC_ACQUIRE) >= 3;
}

static int files_gone(struct combo *c)
{
	return waitpid(c->files->pid, NULL, WNOHANG) == c->files->pid;
}

static int end_files(struct combo *c)
{
	__u64 errors = c->files->errors;
	char shell[96];

	__atomic_store_n(&c->files->stop, 1, __ATOMIC_RELEASE);
	MUST(wait_for(files_gone, c, patience_ms));
	MUST(!umount(mnt));
	munmap(c->files, sizeof(*c->files));
	c->files = NULL;
	if (c->policy != REISSUE)
		return 0;
	/* The file system has seen no error. */
	MUST(!errors);
	snprintf(shell, sizeof(shell),
		 "e2fsck -fn /dev/ublkb%u >/dev/null 2>&1", c->info.dev_id);
	MUST(!system(shell));
	return 0;
}

/* Make one ext4 for all combinations, as mkfs is slow in the guest. */
static int make_image(void)
{
	struct combo one = { .policy = NONE, .queues = 1, .name = "mkfs" };
	struct combo *c = &one;
	char shell[96];

	new_store(c);
	MUST(c->store);
	MUST(!add(c));
	MUST(!serve(c, UBLK_U_CMD_START_DEV));
	snprintf(shell, sizeof(shell),
		 "mkfs.ext4 -q -F -b 4096 /dev/ublkb%u >/dev/null 2>&1",
		 c->info.dev_id);
	MUST(!system(shell));
	MUST(!cmd(c, UBLK_U_CMD_STOP_DEV, 0));
	MUST(!server_wait_exit(c->srv, patience_ms));
	MUST(!raw_del(&ctl, c->info.dev_id));
	image = c->store;
	return 0;
}

/* Skip blocks of zeroes, so that the copy stays small. */
static void copy_image(char *to)
{
	static const char zero[4096];
	size_t off;

	for (off = 0; off < FS_BYTES; off += sizeof(zero)) {
		if (memcmp(image + off, zero, sizeof(zero)))
			memcpy(to + off, image + off, sizeof(zero));
	}
}

/* ---- I/O ----------------------------------------------------------------- */

/* Each queue has served something. */
static int all_serve(struct combo *c)
{
	int q;

	for (q = 0; q < c->queues; q++)
		if (!__atomic_load_n(&c->srv->served[q], __ATOMIC_ACQUIRE))
			return 0;
	return 1;
}

static int start_io(struct combo *c)
{
	if (c->io == IDLE)
		return 0;
	if (c->io == MOUNTED) {
		MUST(!start_files(c));
		MUST(wait_for(files_flow, c, patience_ms));
		return 0;
	}
	c->gen->give_up = c->policy == NONE;
	c->gen->cpus = c->queues > 1 ? c->queues : 0;
	MUST(!io_gen_start(c->gen));
	MUST(!io_gen_wait_done(c->gen, SOME_IO, patience_ms));
	MUST(wait_for(all_serve, c, patience_ms));
	return 0;
}

static int gen_failed(struct combo *c)
{
	return __atomic_load_n(&c->gen->errors, __ATOMIC_ACQUIRE) > 0;
}

/* Reads and writes that the disk has done. */
static __u64 disk_done(struct combo *c)
{
	unsigned long long r = 0, w = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/stat",
		 c->info.dev_id);
	f = fopen(path, "r");
	if (f) {
		if (fscanf(f, "%llu %*u %*u %*u %llu", &r, &w) != 2)
			r = 0;
		fclose(f);
	}
	return r + w;
}

static int disk_idle(struct combo *c)
{
	__u64 done = disk_done(c);

	usleep(50000);
	return done && done == disk_done(c);
}

/* The server has left: check what the generator sees, by policy. */
static int check_io_lost(struct combo *c)
{
	struct io_gen *g = c->gen;

	if (c->io == IDLE || c->io == MOUNTED)
		return 0;
	switch (c->policy) {
	case NONE:
		MUST(!io_gen_wait_exit(g, deadline_ms));
		MUST(g->errors);
		break;
	case FAIL:
		MUST(wait_for(gen_failed, c, deadline_ms));
		MUST(g->last_error == -EIO || g->last_error == -EREMOTEIO);
		break;
	default:
		/*
		 * Requests are held: nothing is done any more, and nothing is
		 * lost. The generator may still have to read completions of
		 * before.
		 */
		MUST(wait_for(disk_idle, c, deadline_ms));
		MUST(__atomic_load_n(&g->inflight, __ATOMIC_ACQUIRE));
		MUST(c->policy == HOLD || !g->errors);
		MUST(!g->errors || g->last_error == -EIO);
	}
	return 0;
}

/* The next server has been started. */
static int end_io(struct combo *c)
{
	struct io_gen *g = c->gen;

	if (c->io == MOUNTED)
		return c->policy == NONE ? 0 : end_files(c);
	if (c->io == IDLE || c->policy == NONE) {
		g->mode = IO_GEN_MIXED;
		g->give_up = 0;
		MUST(!io_gen_start(g));
		g->errors = 0;
	}
	MUST(!io_gen_wait_done(g, SOME_IO, patience_ms));
	__atomic_store_n(&g->stop, 1, __ATOMIC_RELEASE);
	MUST(!io_gen_wait_exit(g, patience_ms));
	MUST(!g->bad);
	MUST(c->policy == HOLD || c->policy == FAIL || !g->errors);
	MUST(c->policy != HOLD || g->errors <= 64 * c->queues);
	MUST(!io_gen_check(g, c->store));
	return 0;
}

/* ---- the server leaves --------------------------------------------------- */

static int die(struct combo *c)
{
	int live = UBLK_S_DEV_LIVE;

	switch (c->death) {
	case KILL:
		MUST(!server_kill(c->srv));
		break;
	case EXIT:
		MUST(!server_order(c->srv, SERVER_EXIT));
		MUST(!server_wait_exit(c->srv, patience_ms));
		break;
	case THREAD:
		/*
		 * The device does not notice that until the other threads exit.
		 */
		MUST(!server_order(c->srv, SERVER_END_THREAD));
		usleep(30000);
		MUST(raw_state(&ctl, c->info.dev_id) == live);
		MUST(!server_kill(c->srv));
		break;
	case RING:
		/*
		 * No command is left, but the node is open and the process
		 * lives.
		 */
		MUST(!server_order(c->srv, SERVER_CLOSE_RINGS));
		usleep(10000);
		MUST(raw_state(&ctl, c->info.dev_id) == live);
		MUST(!server_order(c->srv, SERVER_CLOSE_NODE));
		break;
	}
	return 0;
}

static int lose(struct combo *c)
{
	long start;

	MUST(!die(c));
	start = raw_now_ms();
	MUST(wait_for(is_lost, c, deadline_ms));
	MUST(!check_io_lost(c));
	MUST(wait_for(is_free, c, deadline_ms));
	c->seen_ms = raw_now_ms() - start;
	if (c->death == RING)
		MUST(!server_kill(c->srv));
	server_free(c->srv);
	c->srv = NULL;
	/* Without recovery the disk is removed below its file system. */
	if (c->policy == NONE && c->io == MOUNTED)
		MUST(!end_files(c));
	return 0;
}

static int run(struct combo *c)
{
	if (c->io == MOUNTED)
		copy_image(c->store);
	else
		io_gen_fill(c->gen, c->store);
	MUST(!serve(c, UBLK_U_CMD_START_DEV));
	MUST(!start_io(c));
	MUST(!lose(c));
	MUST(!serve(c, c->policy == NONE ? UBLK_U_CMD_START_DEV :
					   UBLK_U_CMD_END_USER_RECOVERY));
	MUST(raw_state(&ctl, c->info.dev_id) == UBLK_S_DEV_LIVE);
	MUST(!end_io(c));
	MUST(!cmd(c, UBLK_U_CMD_STOP_DEV, 0));
	MUST(!server_wait_exit(c->srv, patience_ms));
	return 0;
}

/* After a failure no process or device may stay. */
static int clean_up(struct combo *c, bool failed)
{
	int ret = 0;

	if (failed && c->gen)
		ksft_print_msg("%llu done, %llu errors, %d in flight\n",
			       c->gen->done, c->gen->errors, c->gen->inflight);
	if (failed && c->srv)
		server_report(c->srv);
	if (c->gen)
		__atomic_store_n(&c->gen->stop, 1, __ATOMIC_RELEASE);
	if (c->files)
		__atomic_store_n(&c->files->stop, 1, __ATOMIC_RELEASE);
	if (c->srv)
		kill(c->srv->pid, SIGKILL);
	if (c->info.dev_id != -1U)
		cmd(c, UBLK_U_CMD_STOP_DEV, 0);
	if (c->files)
		umount2(mnt, MNT_DETACH);
	if (c->info.dev_id != -1U)
		ret = raw_del(&ctl, c->info.dev_id);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return ret;
}

static void test(struct combo *c)
{
	static const enum io_gen_mode gen_modes[] = {
		[READS] = IO_GEN_READS,
		[WRITES] = IO_GEN_WRITES,
		[MIXED] = IO_GEN_MIXED,
	};
	long start = raw_now_ms();
	bool ok, few;

	c->info.dev_id = -1;
	new_store(c);
	c->gen = io_gen_new(-1,
			    c->io < MOUNTED ? gen_modes[c->io] : IO_GEN_MIXED);
	ok = c->store && c->gen && !add(c);
	few = ok && c->info.nr_hw_queues != c->queues;
	if (ok && !few) {
		c->gen->id = c->info.dev_id;
		ok = !run(c);
	}
	if (clean_up(c, !ok)) {
		ksft_print_msg("%s: the device cannot be deleted\n", c->name);
		ok = false;
	}
	free_store(c);
	if (c->gen)
		io_gen_free(c->gen);
	if (ok && few) {
		ksft_test_result_skip("%s: needs %d processors\n", c->name,
				      c->queues);
		return;
	}
	ksft_test_result(ok, "%s lost in %ld ms, all in %ld ms\n", c->name,
			 c->seen_ms, raw_now_ms() - start);
}

/* Combination number @n, or false if it was not asked for. */
static bool pick(struct combo *c, int n)
{
	const char *only = getenv("UBLK_TEST_ONLY");
	const char *env = getenv("UBLK_TEST_LESS");
	int less = env ? atoi(env) : 1;

	memset(c, 0, sizeof(*c));
	c->queues = n & 1 ? 4 : 1;
	c->death = n / 2 % NR_DEATH;
	c->io = n / 2 / NR_DEATH % NR_IO;
	c->policy = n / 2 / NR_DEATH / NR_IO;
	snprintf(c->name, sizeof(c->name), "%s-%s-%s-%dq",
		 policies[c->policy].name, ios[c->io], deaths[c->death],
		 c->queues);
	/* The stride has no common factor with the number of values. */
	if (less > 1 && mode && n % (3 * less + 1) != mode)
		return false;
	if (less > 1 && !mode &&
	    (c->policy + c->io + c->death + n % 2) % less)
		return false;
	return !only || strstr(c->name, only);
}

static int mode_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			return i;
	ksft_exit_fail_msg("unknown mode %s\n", name);
}

int main(int argc, char **argv)
{
	const int all = NR_POLICY * NR_IO * NR_DEATH * 2;
	int n, planned = 0, ret;
	struct combo c;
	__u64 features;

	ksft_print_header();
	if (argc > 1)
		mode = mode_of(argv[1]);
	deadline_ms *= raw_scale();
	patience_ms *= raw_scale();
	ret = raw_ctrl_open(&ctl);
	if (ret == -ENOENT || ret == -EACCES)
		ksft_exit_skip("no /dev/ublk-control: be root, modprobe ublk_drv\n");
	if (!ret)
		ret = raw_features(&ctl, &features);
	if (ret)
		ksft_exit_fail_msg("/dev/ublk-control: %d\n", ret);
	if (modes[mode].flags & ~features)
		ksft_exit_skip("the driver has no mode %s\n", modes[mode].name);
	snprintf(mnt, sizeof(mnt), "/tmp/ublk-crash-XXXXXX");
	if (!mkdtemp(mnt))
		ksft_exit_fail_msg("mkdtemp: %d\n", errno);
	for (n = 0; n < all; n++)
		planned += pick(&c, n);
	ksft_set_plan(planned);
	if (make_image())
		ksft_exit_fail_msg("cannot make an ext4\n");
	for (n = 0; n < all; n++) {
		if (pick(&c, n))
			test(&c);
	}
	rmdir(mnt);
	raw_ctrl_close(&ctl);
	ksft_finished();
}
