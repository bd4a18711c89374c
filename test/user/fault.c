// SPDX-License-Identifier: GPL-2.0
/*
 * Target fault on the mock kernel: what rules do to requests and their data,
 * and what is in the file when the daemon kills itself.
 */
#include <signal.h>
#include <time.h>
#include <sys/wait.h>

#include "target.h"

#define RULE(text)	" --rule " text

#define ERRORS	RULE("read:errno=ENODATA,sectors=8-15")	\
		RULE("flush:errno=ENOSPC,nth=2")	\
		RULE("discard+zeroes:errno=EBADE")	\
		RULE("write:errno=EREMOTEIO,every=2")

#define SHORT	RULE("read:short=1536,sectors=8")	\
		RULE("write:short=1024")		\
		RULE("flush:short=0")			\
		RULE("read:short=0,sectors=900")

static char path[40];
static char line[256];
static unsigned char data[65536], back[65536];

static const char *with(const char *options)
{
	snprintf(line, sizeof(line), "--buffered-io %s %s", options, path);
	return line;
}

static void new_file(void)
{
	if (path[0])
		unlink(path);
	strcpy(path, "/tmp/ublk-test-fault.XXXXXX");
	t_file(path, 1 << 20);
}

static int wr(__u64 sector, __u32 nr)
{
	return t_io(UBLK_IO_OP_WRITE, sector, nr, data, NULL);
}

static int rd(__u64 sector, __u32 nr)
{
	return t_io(UBLK_IO_OP_READ, sector, nr, back, NULL);
}

static long ms_of(int (*fn)(__u64, __u32), __u64 sector)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	ktap_eq(fn(sector, 8), 4096);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
}

static void test_no_rules(void)
{
	new_file();
	t_up(&fault_target, with(""));
	ktap_eq(wr(8, 128), 65536);
	ktap_eq(rd(8, 128), 65536);
	ktap_true(!memcmp(data, back, sizeof(data)));
	mock.max_transfer = 1536;
	ktap_eq(rd(8, 128), 65536);
	mock.max_transfer = 0;
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), 0);
	ktap_eq(t_io(UBLK_IO_OP_DISCARD, 8, 8, NULL, NULL), 0);
	ktap_eq(t_io(UBLK_IO_OP_WRITE_ZEROES, 16, 8, NULL, NULL), 0);
	ktap_eq(rd(8, 16), 8192);
	memset(data, 0, 8192);
	ktap_true(!memcmp(data, back, 8192));
	ktap_eq(t_io(UBLK_IO_OP_ZONE_OPEN, 0, 0, NULL, NULL), -EOPNOTSUPP);
	t_down();
}

static void test_errors(void)
{
	new_file();
	t_up(&fault_target, with(ERRORS));
	ktap_eq(rd(0, 8), 4096);
	ktap_eq(rd(0, 9), -ENODATA);
	ktap_eq(rd(15, 8), -ENODATA);
	ktap_eq(rd(16, 8), 4096);
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), 0);
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), -ENOSPC);
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), 0);
	ktap_eq(t_io(UBLK_IO_OP_DISCARD, 0, 8, NULL, NULL), -EBADE);
	ktap_eq(t_io(UBLK_IO_OP_WRITE_ZEROES, 0, 8, NULL, NULL), -EBADE);
	memset(data, 1, 512);
	ktap_eq(wr(100, 1), 512);
	memset(data, 2, 512);
	/* an error leaves the data alone */
	ktap_eq(wr(100, 1), -EREMOTEIO);
	ktap_eq(rd(100, 1), 512);
	ktap_eq(back[0], 1);
	ktap_eq(wr(100, 1), 512);
	t_down();
}

static void test_short(void)
{
	new_file();
	t_up(&fault_target, with(SHORT));
	memset(data, 7, sizeof(data));
	ktap_eq(wr(8, 8), 1024);
	memset(back, 9, sizeof(back));
	ktap_eq(rd(8, 8), 1536);
	ktap_eq(back[0], 7);
	ktap_eq(back[1023], 7);
	ktap_eq(back[1024], 0);
	ktap_eq(rd(8, 1), 512);
	ktap_eq(rd(900, 1), 0);
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, ~0ULL, 0, NULL, NULL), 0);
	t_down();
}

static void test_delay(void)
{
	new_file();
	t_up(&fault_target, with("--rule read:delay=120,sectors=8-15 --rule write:delay=30-90"));
	ktap_true(ms_of(rd, 8) >= 120);
	/* The machine may be busy, but what is delayed is never early. */
	ktap_true(ms_of(rd, 16) < 120 || ms_of(rd, 16) < 120);
	ktap_true(ms_of(wr, 16) >= 30);
	t_down();
}

/* Bytes of the write that are in the file after the daemon's death. */
static int die_at(const char *point)
{
	char rule[64];
	pid_t pid;
	int status, i;

	new_file();
	memset(data, 5, sizeof(data));
	snprintf(rule, sizeof(rule), "--rule write:die=%s,nth=2", point);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		t_up(&fault_target, with(rule));
		if (wr(0, 8) == 4096)
			wr(8, 8);
		/* a death after the commit takes a moment */
		sleep(10);
		_exit(1);
	}
	ktap_eq(waitpid(pid, &status, 0), pid);
	ktap_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	t_read_file(path, back, 8192, 0);
	for (i = 0; i < 8192 && back[i] == 5; i++)
		;
	return i - 4096;
}

static void test_die(void)
{
	ktap_eq(die_at("submit"), 0);
	ktap_eq(die_at("torn"), 2048);
	ktap_eq(die_at("done"), 4096);
	ktap_eq(die_at("commit"), 4096);
}

static void test_refused(void)
{
	new_file();
	t_refused(&fault_target, with("--size 2M"), -EINVAL, "enlarge the file");
	t_refused(&fault_target, with("--rule read:errno=EWHAT"), -EINVAL,
		  "errno=EWHAT");
	t_refused(&fault_target, with("--rule read"), -EINVAL, "write:errno");
	t_features = UBLK_F_USER_RECOVERY;
	t_refused(&fault_target, "--size 1M", -EINVAL, "name a file");
	t_features = 0;
	ktap_eq(t_make(&fault_target, with("--size 64K")), 0);
	ktap_eq(ublk_dev_params(t_dev)->basic.dev_sectors, 128);
	ublk_dev_free(t_dev);
	opt_free(&t_table);
	ktap_eq(t_make(&fault_target, ""), 0);
	ktap_eq(ublk_dev_params(t_dev)->basic.dev_sectors, 1 << 21);
	ublk_dev_free(t_dev);
	opt_free(&t_table);
}

static const struct ktap_test tests[] = {
	{ "no_rules", test_no_rules },
	{ "errors", test_errors },
	{ "short", test_short },
	{ "delay", test_delay },
	{ "die", test_die },
	{ "refused", test_refused },
};

int main(void)
{
	int ret;

	t_mode = UBLK_MODE_USER_COPY;
	ublk_set_log(NULL, UBLK_LOG_ERR);
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	unlink(path);
	return ret;
}
