// SPDX-License-Identifier: GPL-2.0
/*
 * With USER_RECOVERY_REISSUE the death of a server is invisible: verifying I/O
 * goes on while servers are killed at random moments and replaced, and ends
 * without an I/O error and without a wrong block.
 *
 * I/O comes from io_gen.h in the first blocks and, if it is installed, from fio
 * with verification in the second half of the disk.
 *
 * UBLK_TEST_KILLS	number of kills, default 200
 * UBLK_TEST_LESS	divides that number, for slow kernels
 * UBLK_TEST_SCALE	multiplies deadlines, for slow kernels
 *
 * runner: cpus debug timeout=1800
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "kselftest.h"
#include "lib/io_gen.h"
#include "lib/proc.h"
#include "lib/server_proc.h"

#define REISSUE (UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE)

struct fio {
	pid_t pid;
	int stop;
	int runs, failed;
};

static struct raw_ctrl ctl;
static struct ublksrv_ctrl_dev_info info;
static char *store;
static long deadline_ms = 4 * RAW_DEADLINE_MS;
static struct { long most, sum; } outage;

static void exec_fio(void)
{
	char file[32], offset[40];
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	snprintf(file, sizeof(file), "--filename=/dev/ublkb%u", info.dev_id);
	snprintf(offset, sizeof(offset), "--offset=%llu", RAW_DEV_BYTES / 2);
	execlp("fio", "fio", "--name=verify", file, offset, "--size=4m",
	       "--direct=1", "--rw=randrw", "--ioengine=libaio",
	       "--iodepth=64", "--bsrange=4k-32k", "--verify=crc32c",
	       "--verify_fatal=1", "--verify_backlog=128", NULL);
	_exit(127);
}

/* Run fio repeatedly. It exits with an error for a wrong block as well. */
static void run_fio(struct fio *f)
{
	int status;
	pid_t pid;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		pid = fork();
		if (!pid)
			exec_fio();
		if (waitpid(pid, &status, 0) != pid || status)
			f->failed++;
		__atomic_add_fetch(&f->runs, 1, __ATOMIC_ACQ_REL);
	}
}

static struct fio *start_fio(void)
{
	struct fio *f;
	pid_t pid;

	if (system("fio --version >/dev/null 2>&1"))
		return NULL;
	f = proc_shared(sizeof(*f));
	if (!f)
		return NULL;
	/* In shared memory the child would overwrite the pid with 0. */
	pid = fork();
	if (!pid) {
		run_fio(f);
		_exit(0);
	}
	f->pid = pid;
	return f;
}

static int end_fio(struct fio *f)
{
	long end = raw_now_ms() + 4 * deadline_ms;

	__atomic_store_n(&f->stop, 1, __ATOMIC_RELEASE);
	while (waitpid(f->pid, NULL, WNOHANG) != f->pid) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(5000);
	}
	return 0;
}

static int add(void)
{
	struct ublk_params p;
	int ret;

	raw_info_init(&info, 2, 64, REISSUE | UBLK_F_NO_AUTO_PART_SCAN);
	ret = raw_add(&ctl, &info);
	if (ret)
		return ret;
	raw_params_init(&p);
	return raw_set_params(&ctl, info.dev_id, &p);
}

static struct server_proc *serve(__u32 op)
{
	struct server_proc *s = server_new(&info, store);

	if (s && !server_start(s) &&
	    !raw_dev_cmd(&ctl, op, info.dev_id, s->pid))
		return s;
	return NULL;
}

/* Kill @s and let the next server take over. NULL on failure. */
static struct server_proc *replace(struct server_proc *s)
{
	long start = raw_now_ms(), ms;
	int ret = server_kill(s);

	server_free(s);
	while (!ret) {
		ret = raw_dev_cmd(&ctl, UBLK_U_CMD_START_USER_RECOVERY,
				  info.dev_id, 0);
		if (!ret)
			break;
		if (ret != -EBUSY || raw_now_ms() - start > deadline_ms)
			break;
		usleep(1000);
		ret = 0;
	}
	if (ret) {
		ksft_print_msg("not QUIESCED: %d\n", ret);
		return NULL;
	}
	s = serve(UBLK_U_CMD_END_USER_RECOVERY);
	ms = raw_now_ms() - start;
	outage.sum += ms;
	if (ms > outage.most)
		outage.most = ms;
	return s;
}

/* Returns how many kills the I/O survived. */
static int kills(struct server_proc **s, struct io_gen *g, int n)
{
	unsigned int seed = 1;
	int i;

	for (i = 0; i < n; i++) {
		/* Each server must serve some requests before it is killed. */
		if (io_gen_wait_done(g, 1 + rand_r(&seed) % 64, deadline_ms)) {
			ksft_print_msg("no I/O before kill %d\n", i);
			return i;
		}
		usleep(rand_r(&seed) % 20000);
		*s = replace(*s);
		if (!*s)
			return i;
	}
	return n;
}

static int number(const char *name, int otherwise)
{
	const char *val = getenv(name);

	return val && atoi(val) > 0 ? atoi(val) : otherwise;
}

static void report(struct io_gen *g, struct fio *f, int done, int n)
{
	ksft_print_msg("%d kills, out of service %ld ms on average, %ld at most\n",
		       done, outage.sum / (done ? done : 1), outage.most);
	ksft_print_msg("generator: %llu requests, %llu errors, %llu wrong\n",
		       g->done, g->errors, g->bad);
	ksft_test_result(done == n, "survives %d kills\n", n);
	ksft_test_result(!g->errors && g->done, "no I/O error\n");
	ksft_test_result(!g->bad && !io_gen_check(g, store),
			 "no wrong block\n");
	if (!f) {
		ksft_test_result_skip("no fio\n");
		return;
	}
	ksft_print_msg("fio: %d runs, %d failed\n", f->runs, f->failed);
	ksft_test_result(f->runs && !f->failed, "fio verifies\n");
}

int main(void)
{
	int n = number("UBLK_TEST_KILLS", 200), less, done, ret;
	struct server_proc *s;
	struct io_gen *g;
	struct fio *f;

	ksft_print_header();
	less = number("UBLK_TEST_LESS", 1);
	n = n > less ? n / less : 1;
	deadline_ms *= raw_scale();
	ret = raw_ctrl_open(&ctl);
	if (ret == -ENOENT || ret == -EACCES)
		ksft_exit_skip("no /dev/ublk-control: be root, modprobe ublk_drv\n");
	ksft_set_plan(5);
	store = server_store();
	ret = ret ? ret : add();
	if (ret || !store)
		ksft_exit_fail_msg("ADD_DEV: %d\n", ret);
	g = io_gen_new(info.dev_id, IO_GEN_MIXED);
	io_gen_fill(g, store);
	s = serve(UBLK_U_CMD_START_DEV);
	if (!s || io_gen_start(g))
		ksft_exit_fail_msg("no server or no I/O\n");
	f = start_fio();
	done = kills(&s, g, n);
	/* fio needs a server until its last run has ended. */
	if (f && end_fio(f))
		ksft_print_msg("fio does not end\n");
	__atomic_store_n(&g->stop, 1, __ATOMIC_RELEASE);
	if (io_gen_wait_exit(g, deadline_ms))
		ksft_print_msg("the generator does not end\n");
	report(g, f, done, n);
	ret = raw_dev_cmd(&ctl, UBLK_U_CMD_STOP_DEV, info.dev_id, 0);
	if (s && !ret)
		ret = server_wait_exit(s, deadline_ms);
	if (!ret)
		ret = raw_del(&ctl, info.dev_id);
	ksft_test_result(!ret, "stopped and deleted\n");
	ksft_finished();
}
