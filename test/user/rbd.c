// SPDX-License-Identifier: GPL-2.0
/*
 * Target rbd on the mock kernel and a real Ceph, which rbd.sh starts: requests, sizes,
 * snapshots, the lock, an OSD that goes, and daemons that are killed, after which the
 * dead client is on the blocklist and nothing that was acknowledged is missing.
 * CEPH_CONF names the cluster. Given a word the program is the daemon that is killed, or
 * a second one.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "rbd/rbd.h"
#include "target.h"

#define BLOCK		4096
#define BLOCKS		256
#define OSD_MS		120000

static char dir[40], self[256];
static const struct ublk_target *rbd;

/* In memory that the daemon which is killed shares. */
static struct book {
	/* of each block, what was acknowledged last, and what is tried */
	volatile unsigned int want[BLOCKS], tried[BLOCKS];
	volatile unsigned int written;
} *book;

static void fill(unsigned char *buf, unsigned int block, unsigned int gen)
{
	unsigned int i;

	for (i = 0; i < BLOCK; i++)
		buf[i] = gen ? block * 7 + gen * 31 + i / 512 + i : 0;
}

static int put(unsigned int block, unsigned int gen)
{
	unsigned char buf[BLOCK];
	int ret;

	fill(buf, block, gen);
	book->tried[block] = gen;
	ret = t_io(UBLK_IO_OP_WRITE, block * 8, 8, buf, NULL);
	if (ret == BLOCK)
		book->want[block] = gen;
	book->written++;
	return ret;
}

static unsigned int missing(void)
{
	unsigned char buf[BLOCK], right[BLOCK];
	unsigned int i, bad = 0;

	for (i = 0; i < BLOCKS; i++) {
		fill(right, i, book->want[i]);
		if (t_io(UBLK_IO_OP_READ, i * 8, 8, buf, NULL) != BLOCK) {
			bad++;
		} else if (memcmp(buf, right, BLOCK)) {
			/* in flight when the daemon died */
			fill(right, i, book->tried[i]);
			bad += !!memcmp(buf, right, BLOCK);
		}
	}
	return bad;
}

static void run(const char *cmd)
{
	int ret = system(cmd);

	if (ret)
		ktap_fail(__FILE__, __LINE__, "%s: status %d", cmd, ret);
}

static void fresh(void)
{
	memset(book, 0, sizeof(*book));
	t_features = 0;
	run("rbd rm --no-progress rbd/img 2>/dev/null; rbd create --size 8M rbd/img");
}

static void test_operations(void)
{
	unsigned char buf[BLOCK];
	unsigned int i;

	fresh();
	t_up(rbd, "rbd/img");
	ktap_eq(mock_params()->basic.dev_sectors, (8 << 20) >> 9);
	/* nothing is kept back */
	ktap_eq(mock_params()->basic.attrs, 0);
	for (i = 0; i < BLOCKS; i++)
		ktap_eq(put(i, i + 1), BLOCK);
	ktap_eq(missing(), 0);
	ktap_eq(t_io(UBLK_IO_OP_WRITE_ZEROES, 8, 16, NULL, NULL), 2 * BLOCK);
	ktap_eq(t_io(UBLK_IO_OP_WRITE_ZEROES | UBLK_IO_F_NOUNMAP, 24, 8, NULL,
		     NULL), BLOCK);
	for (i = 1; i < 4; i++) {
		book->want[i] = 0;
		book->tried[i] = 0;
	}
	ktap_eq(missing(), 0);
	ktap_eq(t_io(UBLK_IO_OP_DISCARD, 0, BLOCKS * 8, NULL, NULL),
		BLOCKS * BLOCK);
	ktap_eq(t_io(UBLK_IO_OP_READ, 0, 8, buf, NULL), BLOCK);
	ktap_eq(t_io(UBLK_IO_OP_FLUSH, 0, 0, NULL, NULL), 0);
	ktap_eq(put(5, 5), BLOCK);
	t_down();
	t_up(rbd, "rbd/img --read-only");
	ktap_true(mock_params()->basic.attrs & UBLK_ATTR_READ_ONLY);
	fill(buf, 5, 5);
	ktap_eq(t_io(UBLK_IO_OP_WRITE, 0, 8, buf, NULL), -EIO);
	t_down();
}

static bool follows(__u64 bytes)
{
	__u64 end = now_ms() + 20000;

	while (mock_params()->basic.dev_sectors << 9 != bytes &&
	       now_ms() < end)
		pause_ms(10);
	return mock_params()->basic.dev_sectors << 9 == bytes;
}

static void test_size(void)
{
	unsigned char buf[BLOCK];

	fresh();
	t_up(rbd, "rbd/img");
	run("rbd resize --no-progress --size 16M rbd/img");
	ktap_true(follows(16 << 20));
	fill(buf, 1, 1);
	ktap_eq(t_io(UBLK_IO_OP_WRITE, ((16 << 20) >> 9) - 8, 8, buf, NULL),
		BLOCK);
	/* as in "ublk resize": a client without the lock */
	ktap_eq(rbd->grow(t_config, mock_info(), 24 << 20), 0);
	ktap_true(follows(24 << 20));
	ktap_eq(t_io(UBLK_IO_OP_READ, ((24 << 20) >> 9) - 8, 8, buf, NULL),
		BLOCK);
	ktap_eq(rbd->grow(t_config, mock_info(), 20 << 20), 0);
	run("rbd resize --no-progress --allow-shrink --size 8M rbd/img");
	ktap_true(follows(8 << 20));
	ktap_eq(t_io(UBLK_IO_OP_READ, ((16 << 20) >> 9) - 8, 8, buf, NULL), -EIO);
	t_down();
}

static void test_snapshot(void)
{
	unsigned int i;

	fresh();
	t_up(rbd, "rbd/img");
	for (i = 0; i < 16; i++)
		ktap_eq(put(i, 1), BLOCK);
	run("rbd snap create --no-progress rbd/img@then");
	for (i = 0; i < 16; i++)
		ktap_eq(put(i, 2), BLOCK);
	t_down();
	t_up(rbd, "rbd/img@then");
	ktap_true(mock_params()->basic.attrs & UBLK_ATTR_READ_ONLY);
	for (i = 0; i < 16; i++) {
		book->want[i] = 1;
		book->tried[i] = 1;
	}
	ktap_eq(missing(), 0);
	t_down();
	run("rbd snap purge --no-progress rbd/img");
}

static void test_namespace(void)
{
	run("rbd namespace create rbd/ns && rbd create --size 1M rbd/ns/other");
	t_up(rbd, "rbd/ns/other");
	ktap_eq(mock_params()->basic.dev_sectors, (1 << 20) >> 9);
	t_down();
	t_up(rbd, "rbd/other --namespace ns");
	ktap_eq(mock_params()->basic.dev_sectors, (1 << 20) >> 9);
	t_down();
	run("rbd rm --no-progress rbd/ns/other");
}

static pid_t another(const char *word)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	execl(self, self, word, dir, NULL);
	_exit(127);
}

static int status_of(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

static void test_lock(void)
{
	fresh();
	t_up(rbd, "rbd/img");
	ktap_eq(put(1, 1), BLOCK);
	ktap_eq(status_of(another("second")), 0);
	ktap_eq(put(1, 2), BLOCK);
	t_down();
}

static void osd(bool up)
{
	__u64 end = now_ms() + OSD_MS;

	if (!up)
		run("pkill -9 -f -x \"ceph-osd -i 0 -c $CEPH_CONF\"");
	while (up && now_ms() < end &&
	       system("ceph-osd -i 0 -c \"$CEPH_CONF\" >/dev/null 2>&1"))
		pause_ms(100);
}

/* Requests wait, and go on. */
static void test_osd(void)
{
	unsigned int round, i;
	unsigned char buf[BLOCK];
	int tags[T_DEPTH], ret;
	__u64 end;

	fresh();
	t_up(rbd, "rbd/img");
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 40; i++)
			ktap_eq(put(i, round + 1), BLOCK);
		osd(false);
		for (i = 0; i < T_DEPTH; i++) {
			fill(buf, 40 + i, round + 1);
			tags[i] = mock_request_data(0, UBLK_IO_OP_WRITE,
						    (40 + i) * 8, 8, buf);
			book->want[40 + i] = round + 1;
		}
		osd(true);
		end = now_ms() + OSD_MS;
		for (i = 0; i < T_DEPTH; i++) {
			do
				ret = mock_wait(0, tags[i]);
			while (ret == -ETIMEDOUT && now_ms() < end);
			ktap_eq(ret, BLOCK);
		}
		ktap_eq(missing(), 0);
	}
	t_down();
}

/* ---- daemons that are killed ---------------------------------------------- */

static char *fence_file(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%u.rbd", dir, mock_info()->dev_id);
	return path;
}

static void dead_address(char *cmd, size_t size)
{
	char address[100] = "";
	FILE *f = fopen(fence_file(), "r");

	if (!f || !fgets(address, sizeof(address), f))
		ktap_fail(__FILE__, __LINE__, "no %s", fence_file());
	if (f)
		fclose(f);
	address[strcspn(address, "\n")] = 0;
	snprintf(cmd, size, "ceph osd blocklist ls 2>/dev/null | grep -qF '%s '",
		 address);
}

/* The daemon of the device is another process, which writes until it is killed. */
static void test_killed(void)
{
	unsigned int round, begin;
	char listed[200];
	__u64 end;
	pid_t pid;

	fresh();
	run("rbd create --size 1M rbd/other");
	t_features = UBLK_F_USER_RECOVERY;
	t_up(rbd, "rbd/other");
	t_die();
	for (round = 0; round < 4; round++) {
		begin = book->written;
		end = now_ms() + 60000;
		pid = another("writer");
		while (book->written < begin + 300 && now_ms() < end)
			pause_ms(5);
		ktap_true(book->written >= begin + 300);
		if (round == 3)
			osd(false);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (round == 3)
			osd(true);
		dead_address(listed, sizeof(listed));
		/* not the one of before, but one that does the same */
		ktap_eq(t_recover(rbd, "rbd/img"), 0);
		run(listed);
		ktap_eq(missing(), 0);
		ktap_eq(put(round, 1000), BLOCK);
		t_die();
	}
	ktap_eq(t_recover(rbd, "rbd/img"), 0);
	ktap_eq(missing(), 0);
	t_down();
	ktap_eq(access(fence_file(), F_OK), -1);
	run("rbd rm --no-progress rbd/other");
}

static void test_no_file(void)
{
	fresh();
	t_features = UBLK_F_USER_RECOVERY;
	t_up(rbd, "rbd/img");
	t_die();
	ktap_eq(unlink(fence_file()), 0);
	ktap_eq(t_recover(rbd, "rbd/img"), -ENOENT);
	ktap_true(strstr(ublk_strerror_last(), "address of the client"));
	ublk_dev_free(t_dev);
	opt_free(&t_table);
}

static void test_refused(void)
{
	fresh();
	t_refused(rbd, "img", -EINVAL, "POOL/IMAGE");
	t_refused(rbd, "rbd/a/b/c", -EINVAL, "POOL/IMAGE");
	t_refused(rbd, "rbd/a/b --namespace c", -EINVAL, "namespace already");
	t_refused(rbd, "rbd/none", -ENOENT, "opening the image");
	t_refused(rbd, "none/img", -ENOENT, "opening the pool");
	t_refused(rbd, "rbd/img --id nobody", -EPERM, "connecting");
	t_refused(rbd, "rbd/img --keyring credential:none", -ENOENT,
		  "CREDENTIALS_DIRECTORY");
	run("rbd config image set rbd/img rbd_cache true");
	t_refused(rbd, "rbd/img", -EINVAL, "rbd_cache");
	run("rbd config image remove rbd/img rbd_cache");
	t_up(rbd, "rbd/img");
	t_down();
}

/* The last one: a thread waits on. */
static void test_away(void)
{
	__u64 begin;

	fresh();
	osd(false);
	begin = now_ms();
	t_refused(rbd, "rbd/img --connect-timeout 3", -ETIMEDOUT,
		  "does not answer");
	ktap_true(now_ms() - begin < 10000);
}

static const struct ktap_test tests[] = {
	{ "operations", test_operations },
	{ "size", test_size },
	{ "snapshot", test_snapshot },
	{ "namespace", test_namespace },
	{ "lock", test_lock },
	{ "osd", test_osd },
	{ "killed", test_killed },
	{ "no_file", test_no_file },
	{ "refused", test_refused },
	{ "away", test_away },
};

/* ---- the other processes -------------------------------------------------- */

static void writer(void)
{
	unsigned int i;

	t_features = UBLK_F_USER_RECOVERY;
	t_up(rbd, "rbd/img");
	for (i = book->written;; i++)
		if (put(i * 7 % BLOCKS, i + 1) < 0)
			pause_ms(5);
}

static int second(void)
{
	t_refused(rbd, "rbd/img", -EBUSY, "exclusive lock");
	return ktap_failed;
}

static void map_book(void)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%s/book", dir);
	fd = __real_open(name, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*book)))
		abort();
	book = mmap(NULL, sizeof(*book), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	__real_close(fd);
	if (book == MAP_FAILED)
		abort();
}

int main(int argc, char **argv)
{
	char cmd[100];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;

	if (!getenv("CEPH_CONF") || len < 0) {
		printf("KTAP version 1\n1..0 # SKIP no CEPH_CONF\n");
		return 4;
	}
	rbd = ublk_module.targets[0];
	t_mode = UBLK_MODE_USER_COPY;
	t_poll_late = true;
	snprintf(dir, sizeof(dir), "%s", argc > 2 ? argv[2] :
		 "/tmp/ublk-test-rbd.XXXXXX");
	if (argc < 2 && !mkdtemp(dir))
		abort();
	setenv("UBLK_RUN_DIR", dir, 1);
	map_book();
	if (argc > 1 && !strcmp(argv[1], "writer"))
		writer();
	if (argc > 1)
		return second();
	status = ktap_run(tests, ARRAY_SIZE(tests));
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	fflush(stdout);
	/* a thread of librbd waits for the OSD that is away */
	_exit(system(cmd) ? 1 : status);
}
