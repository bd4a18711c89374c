// SPDX-License-Identifier: GPL-2.0
/*
 * Targets nbdkit and image on the mock kernel: servers that the target starts, watches
 * and ends.
 */
#include <dirent.h>

#include "nbd/helper.h"
#include "nbd/nbd.h"
#include "nbd_rig.h"

#define CACHED	"-- --filter=cache file %s cache=writeback"

static const struct ublk_target *kit, *img;
static char line[400], qcow2[80];

static pid_t helper(void)
{
	const struct nbd *nbd = ublk_dev_priv(t_dev);

	return helper_pid(nbd->helper);
}

static bool gone(pid_t pid)
{
	__u64 end = now_ms() + 5000;

	while (!kill(pid, 0) && now_ms() < end)
		pause_ms(5);
	return kill(pid, 0);
}

/* Directories of helpers that are left. */
static int dirs_left(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	int nr = 0;

	while ((e = readdir(d)))
		nr += !strncmp(e->d_name, "nbd-", 4);
	closedir(d);
	return nr;
}

static const char *cached(void)
{
	snprintf(line, sizeof(line), CACHED, image);
	return line;
}

static void test_nbdkit(void)
{
	unsigned int i;
	pid_t pid;

	fresh();
	t_up(kit, "memory 1M");
	pid = helper();
	ktap_true(pid > 0);
	for (i = 0; i < BLOCKS; i += 3)
		ktap_eq(put(i, i + 1), BLOCK);
	ktap_eq(missing(), 0);
	t_down();
	ktap_true(gone(pid));
	ktap_eq(dirs_left(), 0);
}

/* An end of the server that was asked for loses nothing. */
static void test_clean_end(void)
{
	unsigned int i;

	fresh();
	t_up(kit, cached());
	for (i = 0; i < BLOCKS; i++)
		ktap_eq(put(i, i + 1), BLOCK);
	ktap_eq(flush(), 0);
	t_down();
	snprintf(line, sizeof(line), "file %s", image);
	t_up(kit, line);
	ktap_eq(missing(), 0);
	t_down();
}

static void test_killed(void)
{
	unsigned int i;
	pid_t pid = 0;

	fresh();
	t_up(kit, cached());
	for (i = 0; i < BLOCKS; i++) {
		ktap_eq(put(i, i + 1), BLOCK);
		if (i % 60 != 40)
			continue;
		pid = helper();
		kill(pid, SIGKILL);
		ktap_true(gone(pid) || helper() != pid);
	}
	ktap_eq(flush(), 0);
	kill(helper(), SIGKILL);
	ktap_eq(missing(), 0);
	pid = helper();
	t_down();
	ktap_true(gone(pid));
	ktap_eq(dirs_left(), 0);
}

/* No descriptor of device or ring stays open in the server. */
static void test_descriptors(void)
{
	char path[64], link[128];
	struct dirent *e;
	ssize_t len;
	DIR *d;

	fresh();
	t_up(kit, cached());
	kill(helper(), SIGKILL);
	/* the second one is started while the device is there */
	ktap_eq(put(1, 1), BLOCK);
	snprintf(path, sizeof(path), "/proc/%d/fd", helper());
	d = opendir(path);
	ktap_true(!!d);
	while (d && (e = readdir(d))) {
		snprintf(link, sizeof(link), "%s/%.16s", path, e->d_name);
		len = readlink(link, line, sizeof(line) - 1);
		line[len > 0 ? len : 0] = 0;
		ktap_true(!strstr(line, "eventpoll") && !strstr(line, "ublkc") &&
			  !strstr(line, "io_uring"));
	}
	if (d)
		closedir(d);
	t_down();
}

/*
 * The daemon is killed: the server ends, also one that another thread has started. Its
 * directory goes when the next one is started.
 */
static void orphan(bool second)
{
	pid_t child, pid = 0;
	int fds[2];

	fresh();
	ktap_eq(pipe(fds), 0);
	child = fork();
	if (!child) {
		t_up(kit, cached());
		if (second) {
			pid = helper();
			kill(pid, SIGKILL);
			put(1, 1);
		}
		pid = helper();
		if (write(fds[1], &pid, sizeof(pid)) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	__real_close(fds[1]);
	ktap_eq(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
	__real_close(fds[0]);
	waitpid(child, NULL, 0);
	ktap_true(pid > 0 && gone(pid));
}

static void test_orphan(void)
{
	orphan(false);
	orphan(true);
}

static void test_refused(void)
{
	fresh();
	t_refused(kit, "--program nosuchprogram memory 1M", -EIO, "nosuchprogram");
	t_refused(kit, "nosuchplugin", -EIO, "nosuchplugin");
	snprintf(line, sizeof(line), "%s/none.qcow2", dir);
	t_refused(img, line, -EINVAL, "none.qcow2");
	t_refused(img, image, -EINVAL, "--format");
	ktap_eq(dirs_left(), 0);
}

/* ---- image ---------------------------------------------------------------- */

static bool run(const char *fmt, const char *arg)
{
	char cmd[500], full[560];

	snprintf(cmd, sizeof(cmd), fmt, arg);
	snprintf(full, sizeof(full), "(%s) >/dev/null 2>&1", cmd);
	return !system(full);
}

static void image_new(const char *name, const char *options)
{
	char cmd[300];

	fresh();
	snprintf(qcow2, sizeof(qcow2), "%s/%s", dir, name);
	unlink(qcow2);
	snprintf(cmd, sizeof(cmd), "qemu-img create %s %%s %d", options,
		 BLOCKS * BLOCK);
	ktap_true(run(cmd, qcow2));
}

/* What the image has, read by another program. */
static unsigned int image_missing(void)
{
	unsigned int i;

	/* 3: clusters that nothing uses, which a killed server leaves */
	ktap_true(run("qemu-img check %s || [ $? -eq 3 ]", qcow2));
	snprintf(line, sizeof(line), "%s --read-only 1", qcow2);
	t_up(img, line);
	ktap_true(mock_params()->basic.attrs & UBLK_ATTR_READ_ONLY);
	i = missing();
	t_down();
	return i;
}

static void test_qcow2(void)
{
	unsigned int i;

	image_new("a,b.qcow2", "-f qcow2");
	t_up(img, qcow2);
	for (i = 0; i < BLOCKS; i += 2)
		ktap_eq(put(i, i + 1), BLOCK);
	ktap_true(zero(8, 16, 0) >= 0);
	ktap_true(t_io(UBLK_IO_OP_DISCARD, 0, 32, NULL, NULL) >= 0);
	for (i = 0; i < 4; i++)
		ktap_eq(put(i, 5), BLOCK);
	ktap_eq(missing(), 0);
	ktap_eq(flush(), 0);
	t_down();
	ktap_eq(image_missing(), 0);
}

/* Tables of qcow2 that are only in qemu's memory go with it; the writes do not. */
static void test_qcow2_killed(void)
{
	unsigned int i;

	image_new("k.qcow2", "-f qcow2 -o cluster_size=512");
	t_up(img, qcow2);
	for (i = 0; i < BLOCKS; i++) {
		ktap_eq(put(i, i + 1), BLOCK);
		if (i % 40 == 30)
			kill(helper(), SIGKILL);
	}
	ktap_eq(flush(), 0);
	kill(helper(), SIGKILL);
	ktap_eq(missing(), 0);
	t_down();
	ktap_eq(image_missing(), 0);
}

/* The same without this: it shows that the test can fail. */
static void test_qcow2_trust(void)
{
	unsigned int i;

	image_new("t.qcow2", "-f qcow2 -o cluster_size=512");
	snprintf(line, sizeof(line), "%s --unflushed trust", qcow2);
	t_up(img, line);
	for (i = 0; i < BLOCKS; i++)
		ktap_eq(put(i, i + 1), BLOCK);
	kill(helper(), SIGKILL);
	ktap_eq(flush(), 0);
	ktap_true(missing() > 0);
	t_down();
}

static void test_backing(void)
{
	char options[200];
	unsigned int i;

	fresh();
	snprintf(line, sizeof(line), "%s --format raw", image);
	t_up(img, line);
	for (i = 0; i < BLOCKS; i++)
		ktap_eq(put(i, 1), BLOCK);
	ktap_eq(flush(), 0);
	t_down();
	snprintf(options, sizeof(options), "-f qcow2 -F raw -b %s", image);
	snprintf(qcow2, sizeof(qcow2), "%s/over.qcow2", dir);
	snprintf(line, sizeof(line), "qemu-img create %s %%s", options);
	ktap_true(run(line, qcow2));
	t_up(img, qcow2);
	for (i = 0; i < BLOCKS; i += 5)
		ktap_eq(put(i, 2), BLOCK);
	ktap_eq(missing(), 0);
	t_down();
	ktap_eq(image_missing(), 0);
}

static void test_luks(void)
{
	char secret[80];
	unsigned int i;
	FILE *out;

	snprintf(secret, sizeof(secret), "%s/secret", dir);
	out = fopen(secret, "w");
	fputs("open sesame", out);
	fclose(out);
	snprintf(line, sizeof(line),
		 "-f luks --object secret,id=s,file=%s -o key-secret=s,iter-time=10",
		 secret);
	image_new("x.luks", line);
	snprintf(line, sizeof(line), "%s --secret-file %s", qcow2, secret);
	t_up(img, line);
	for (i = 0; i < BLOCKS; i++)
		ktap_eq(put(i, 1), BLOCK);
	ktap_eq(flush(), 0);
	ktap_eq(missing(), 0);
	t_down();
	t_up(img, line);
	ktap_eq(missing(), 0);
	t_down();
	t_refused(img, qcow2, -EIO, "secret");
}

static const struct ktap_test tests[] = {
	{ "nbdkit", test_nbdkit },
	{ "clean_end", test_clean_end },
	{ "killed", test_killed },
	{ "descriptors", test_descriptors },
	{ "orphan", test_orphan },
	{ "refused", test_refused },
	{ "qcow2", test_qcow2 },
	{ "qcow2_killed", test_qcow2_killed },
	{ "qcow2_trust", test_qcow2_trust },
	{ "backing", test_backing },
	{ "luks", test_luks },
};

static void quiet(enum ublk_log_level level, const char *msg)
{
	(void)level;
	(void)msg;
}

int main(void)
{
	bool qemu = have("qemu-storage-daemon") && have("qemu-img");
	size_t nr = ARRAY_SIZE(tests);

	nbd_test_begin();
	kit = ublk_module.targets[1];
	img = ublk_module.targets[2];
	if (!getenv("NBD_TEST_VERBOSE"))
		ublk_set_log(quiet, UBLK_LOG_ERR);
	if (!qemu) {
		printf("# no qemu-storage-daemon\n");
		nr -= 5;
	}
	return nbd_test_end(ktap_run(tests, nr));
}
