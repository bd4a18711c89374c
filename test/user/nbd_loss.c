// SPDX-License-Identifier: GPL-2.0
/*
 * Target nbd when the server, the connection or the daemon goes. The server's cache
 * filter writes back: what it has acknowledged and not flushed is gone when it is
 * killed, and a FLUSH of the next server succeeds.
 */
#include "nbd_rig.h"

/* A cache that loses what was not flushed. */
#define CACHED	"nbdkit -f -U @/sock --filter=cache file @/image cache=writeback"

static char line[300];
static char *said;		/* all that was logged */

static void remember(enum ublk_log_level level, const char *msg)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char *all;

	pthread_mutex_lock(&lock);
	if (getenv("NBD_TEST_VERBOSE"))
		fprintf(stderr, "# log %d: %s\n", level, msg);
	if (asprintf(&all, "%s%s\n", said ? said : "", msg) > 0) {
		free(said);
		said = all;
	}
	pthread_mutex_unlock(&lock);
}

static void forget_log(void)
{
	free(said);
	said = NULL;
}

static const char *on_socket(const char *rest)
{
	snprintf(line, sizeof(line), "--unix %s %s", sock, rest);
	return line;
}

static void restart(void)
{
	server_end(SIGKILL);
	server_start(CACHED);
}

/* Return: blocks that are missing after writes, kills between them, and a FLUSH */
static unsigned int lossy(const char *words, int kills)
{
	unsigned int i;

	fresh();
	server_start(CACHED);
	t_up(nbd_target, on_socket(words));
	for (i = 0; i < BLOCKS; i++) {
		ktap_eq(put(i, i + 1), BLOCK);
		/* overwrite what is kept: the order matters */
		if (i > 4)
			ktap_eq(put(i - 3, i + 500), BLOCK);
		if (i % 50 == 20)
			ktap_true(zero(i - 10, 3, 0) >= 0);
		if (kills && i % (BLOCKS / kills) == 30)
			restart();
	}
	restart();
	ktap_eq(flush(), 0);
	/* now from the file itself: nothing of it is in a cache */
	restart();
	i = missing();
	t_down();
	return i;
}

static void test_keep(void)
{
	ktap_eq(lossy("", 1), 0);
}

static void test_keep_many_kills(void)
{
	ktap_eq(lossy("--keep 1M", 5), 0);
	ktap_true(strstr(said, "were written again"));
}

static void test_keep_connections(void)
{
	ktap_eq(lossy("--connections 3", 3), 0);
}

static void test_fua(void)
{
	ktap_eq(lossy("--unflushed fua", 3), 0);
}

/* What the others protect from: this shows that the server does lose writes. */
static void test_trust(void)
{
	ktap_true(lossy("--unflushed trust", 1) > 20);
}

static void test_refuse(void)
{
	fresh();
	server_start(CACHED);
	t_up(nbd_target, on_socket("--unflushed refuse"));
	ktap_eq(put(1, 1), BLOCK);
	ktap_eq(flush(), 0);
	/* nothing that could be lost */
	restart();
	ktap_eq(missing(), 0);
	ktap_eq(put_flags(2, 2, UBLK_IO_F_FUA), BLOCK);
	restart();
	ktap_eq(missing(), 0);
	ktap_eq(put(3, 3), BLOCK);
	forget_log();
	restart();
	ktap_eq(flush(), -EIO);
	ktap_eq(put(4, 4), -EIO);
	ktap_true(strstr(said, "may have lost writes"));
	t_down();
}

/* A FLUSH covers what was acknowledged before it was sent, not what came meanwhile. */
static void test_flush_covers(void)
{
	unsigned int i;
	int t, u;
	unsigned char buf[BLOCK];

	fresh();
	server_start(CACHED);
	t_up(nbd_target, on_socket(""));
	for (i = 0; i < 40; i++) {
		ktap_eq(put(i, 1), BLOCK);
		t = mock_request(0, UBLK_IO_OP_FLUSH, 0, 0);
		fill(buf, i, 2);
		u = mock_request_data(0, UBLK_IO_OP_WRITE, i * 8, 8, buf);
		ktap_eq(mock_wait(0, u), BLOCK);
		want[i] = 2;
		ktap_eq(mock_wait(0, t), 0);
	}
	restart();
	ktap_eq(flush(), 0);
	restart();
	ktap_eq(missing(), 0);
	t_down();
}

/* ---- no server ------------------------------------------------------------ */

static void test_give_up(void)
{
	__u64 begin;

	fresh();
	server_start(CACHED);
	t_up(nbd_target, on_socket("--reconnect-timeout 1"));
	ktap_eq(put(1, 1), BLOCK);
	server_end(SIGKILL);
	begin = now_ms();
	ktap_eq(put(2, 2), -EIO);
	ktap_true(now_ms() - begin >= 900);
	ktap_true(now_ms() - begin < 5000);
	/* from now on at once */
	begin = now_ms();
	ktap_eq(put(2, 2), -EIO);
	ktap_true(now_ms() - begin < 500);
	/* a server is there again: nothing that was acknowledged is missing */
	server_start(CACHED);
	begin = now_ms();
	while (put(2, 3) != BLOCK && now_ms() - begin < SERVER_MS)
		pause_ms(20);
	ktap_eq(flush(), 0);
	restart();
	ktap_eq(missing(), 0);
	t_down();
}

/* Requests wait for the server, and a stop does not lose them. */
static void test_wait(void)
{
	unsigned char buf[BLOCK];
	int tags[T_DEPTH], i;

	fresh();
	server_start(CACHED);
	t_up(nbd_target, on_socket(""));
	server_end(SIGKILL);
	for (i = 0; i < T_DEPTH; i++) {
		fill(buf, i, 7);
		tags[i] = mock_request_data(0, UBLK_IO_OP_WRITE, i * 8, 8, buf);
		want[i] = 7;
	}
	pause_ms(200);
	server_start(CACHED);
	for (i = 0; i < T_DEPTH; i++)
		ktap_eq(mock_wait(0, tags[i]), BLOCK);
	ktap_eq(missing(), 0);
	t_down();
}

static void test_other_size(void)
{
	fresh();
	server_start(CACHED);
	t_up(nbd_target, on_socket("--reconnect-timeout 1"));
	ktap_eq(put(1, 1), BLOCK);
	server_end(SIGKILL);
	ktap_eq(truncate(image, (BLOCKS + 8) * BLOCK), 0);
	forget_log();
	server_start(CACHED);
	ktap_eq(put(2, 2), -EIO);
	ktap_true(strstr(said, "not used any more"));
	server_end(SIGKILL);
	ktap_eq(truncate(image, BLOCKS * BLOCK), 0);
	server_start("nbdkit -f -U @/sock -r file @/image");
	forget_log();
	pause_ms(900);
	ktap_eq(put(2, 2), -EIO);
	t_down();
}

/* A server that is stopped answers nothing, and its socket still accepts. */
static void test_silent(void)
{
	pid_t silent;
	__u64 begin;

	fresh();
	server_start(CACHED);
	t_up(nbd_target, on_socket("--server-timeout 1 --reconnect-timeout 2"));
	ktap_eq(put(1, 1), BLOCK);
	kill(server, SIGSTOP);
	/* until all of its threads are */
	waitpid(server, NULL, WUNTRACED);
	begin = now_ms();
	ktap_eq(put(2, 2), -EIO);
	ktap_true(now_ms() - begin >= 2000);
	ktap_true(now_ms() - begin < 8000);
	silent = server;
	kill(silent, SIGCONT);
	begin = now_ms();
	while (put(2, 3) != BLOCK && now_ms() - begin < SERVER_MS)
		pause_ms(20);
	ktap_eq(missing(), 0);
	t_down();
}

/* ---- the daemon ----------------------------------------------------------- */

static char *kept_file(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%u.nbd", dir, mock_info()->dev_id);
	return path;
}

/* Server and daemon die together. */
static void test_both_die(void)
{
	unsigned int i;

	fresh();
	t_features = UBLK_F_USER_RECOVERY;
	server_start(CACHED);
	t_up(nbd_target, on_socket(""));
	for (i = 0; i < BLOCKS; i++) {
		ktap_eq(put(i, i + 1), BLOCK);
		if (i % 7 == 5)
			ktap_eq(put(i / 2, i + 300), BLOCK);
		if (i == 100)
			ktap_eq(flush(), 0);
	}
	t_die();
	ktap_eq(access(kept_file(), F_OK), 0);
	restart();
	ktap_eq(t_recover(nbd_target, on_socket("")), 0);
	ktap_eq(flush(), 0);
	restart();
	ktap_eq(missing(), 0);
	t_down();
	/* nobody recovers it any more */
	ktap_eq(access(kept_file(), F_OK), -1);
}

/* Without the file, or with another disk behind the name, recovery is refused. */
static void test_recovery_refused(void)
{
	char moved[160];

	fresh();
	t_features = UBLK_F_USER_RECOVERY;
	server_start(CACHED);
	t_up(nbd_target, on_socket(""));
	ktap_eq(put(1, 1), BLOCK);
	t_die();
	restart();
	snprintf(moved, sizeof(moved), "%s.moved", kept_file());
	ktap_eq(rename(kept_file(), moved), 0);
	ktap_eq(t_recover(nbd_target, on_socket("")), -ENOENT);
	ktap_true(strstr(ublk_strerror_last(), "had not flushed"));
	ublk_dev_free(t_dev);
	opt_free(&t_table);
	ktap_eq(rename(moved, kept_file()), 0);
	server_end(SIGKILL);
	ktap_eq(truncate(image, (BLOCKS + 8) * BLOCK), 0);
	server_start(CACHED);
	ktap_eq(t_recover(nbd_target, on_socket("")), -ESTALE);
	ublk_dev_free(t_dev);
	opt_free(&t_table);
	server_end(SIGKILL);
	ktap_eq(truncate(image, BLOCKS * BLOCK), 0);
	server_start(CACHED);
	ktap_eq(t_recover(nbd_target, on_socket("")), 0);
	ktap_eq(flush(), 0);
	restart();
	ktap_eq(missing(), 0);
	t_down();
}

/* Requests in flight when the daemon ends go back to the driver. */
static void test_detach_in_flight(void)
{
	unsigned char buf[BLOCK];
	int i;

	fresh();
	t_features = UBLK_F_USER_RECOVERY;
	server_start(CACHED);
	t_up(nbd_target, on_socket(""));
	kill(server, SIGSTOP);
	for (i = 0; i < T_DEPTH; i++) {
		fill(buf, i, 7);
		mock_request_data(0, UBLK_IO_OP_WRITE, i * 8, 8, buf);
	}
	pause_ms(100);
	ktap_eq(ublk_dev_detach(t_dev), 0);
	ktap_eq(ublk_dev_del(t_dev), 0);
	ublk_dev_free(t_dev);
	opt_free(&t_table);
}

static const struct ktap_test tests[] = {
	{ "keep", test_keep },
	{ "keep_many_kills", test_keep_many_kills },
	{ "keep_connections", test_keep_connections },
	{ "fua", test_fua },
	{ "trust", test_trust },
	{ "refuse", test_refuse },
	{ "flush_covers", test_flush_covers },
	{ "give_up", test_give_up },
	{ "wait", test_wait },
	{ "other_size", test_other_size },
	{ "silent", test_silent },
	{ "both_die", test_both_die },
	{ "recovery_refused", test_recovery_refused },
	{ "detach_in_flight", test_detach_in_flight },
};

int main(void)
{
	nbd_test_begin();
	ublk_set_log(remember, UBLK_LOG_WARN);
	return nbd_test_end(ktap_run(tests, ARRAY_SIZE(tests)));
}
