// SPDX-License-Identifier: GPL-2.0
/*
 * Target nbd on the mock kernel, and a proxy before the server that passes replies in
 * small pieces, cuts connections, replaces the magic number of a reply, or with TLS any
 * bit. No byte is wrong, every request ends without an error, and none waits for a
 * deadline. Behind a proxy that spoils or swallows every reply requests fail, at
 * --reconnect-timeout and not much later.
 */
#include <poll.h>
#include <stdatomic.h>

#include "nbd_rig.h"

enum proxy_mode {
	PROXY_PIECES, PROXY_CUT, PROXY_GARBAGE, PROXY_NOISE,
	PROXY_ALL_GARBAGE, PROXY_MUTE,
};

/* Most that a handshake needs: no harm is done before. */
#define PROXY_QUIET	4096

#define PLAIN	"nbdkit -f -U @/sock file @/image"
#define SECRET	"nbdkit -f -U @/sock --tls=require --tls-psk=@/keys file @/image"

static char proxy_sock[64], line[200];
static pid_t proxy;
static atomic_uint lost;		/* connections */

static int proxy_socket(const char *path, bool listens)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (listens && (bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
			listen(fd, 16)))
		abort();
	if (!listens && connect(fd, (struct sockaddr *)&a, sizeof(a)))
		_exit(0);
	return fd;
}

static bool proxy_send(int fd, const char *buf, size_t len)
{
	ssize_t ret;

	while (len) {
		ret = send(fd, buf, len, MSG_NOSIGNAL);
		if (ret <= 0)
			return false;
		buf += ret;
		len -= ret;
	}
	return true;
}

static bool proxy_send_pieces(int fd, const char *buf, size_t len)
{
	size_t part;

	while (len) {
		part = 1 + rand() % 700;
		if (part > len)
			part = len;
		if (!proxy_send(fd, buf, part))
			return false;
		if (!(rand() % 16))
			pause_ms(1);
		buf += part;
		len -= part;
	}
	return true;
}

static bool is_reply(const char *buf, ssize_t len)
{
	return len >= 4 && (!memcmp(buf, "\x67\x44\x66\x98", 4) ||
			    !memcmp(buf, "\x66\x8e\x33\xef", 4));
}

/* From the server to the client. Return: false ends the connection */
static bool proxy_reply(enum proxy_mode mode, int to, char *buf, ssize_t len,
			ssize_t *left)
{
	*left -= len;
	if (mode == PROXY_PIECES)
		return proxy_send_pieces(to, buf, len);
	if (mode == PROXY_CUT && *left < 0) {
		proxy_send(to, buf, rand() % len);
		return false;
	}
	if (mode == PROXY_MUTE && is_reply(buf, len))
		return true;
	if (((mode == PROXY_GARBAGE && *left < 0) ||
	     mode == PROXY_ALL_GARBAGE) && is_reply(buf, len))
		buf[rand() % 4] ^= 1 << rand() % 8;
	if (mode == PROXY_NOISE && *left < 0)
		buf[rand() % len] ^= 1 << rand() % 8;
	return proxy_send(to, buf, len);
}

/* One connection, in a process of its own. */
static void proxy_serve(enum proxy_mode mode, int client)
{
	ssize_t len, left = PROXY_QUIET + rand() % 60000;
	static char buf[65536];
	int to = proxy_socket(sock, false);

	for (;;) {
		struct pollfd p[] = {
			{ .fd = client, .events = POLLIN },
			{ .fd = to, .events = POLLIN },
		};

		poll(p, 2, -1);
		if (p[0].revents) {
			len = recv(client, buf, sizeof(buf), 0);
			if (len <= 0 || !proxy_send(to, buf, len))
				_exit(0);
		}
		if (p[1].revents) {
			len = recv(to, buf, sizeof(buf), 0);
			if (len <= 0 ||
			    !proxy_reply(mode, client, buf, len, &left))
				_exit(0);
		}
	}
}

static void proxy_start(enum proxy_mode mode)
{
	unsigned int seed = mode;
	int listener, fd;

	unlink(proxy_sock);
	listener = proxy_socket(proxy_sock, true);
	proxy = fork();
	if (proxy) {
		__real_close(listener);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		fd = accept(listener, NULL, NULL);
		srand(++seed);
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			proxy_serve(mode, fd);
		}
		__real_close(fd);
	}
}

static void proxy_end(void)
{
	kill(proxy, SIGKILL);
	waitpid(proxy, NULL, 0);
}

static void through_to(const char *server_line, enum proxy_mode mode,
		       const char *words)
{
	__u64 begin = now_ms();
	unsigned int i;

	lost = 0;
	fresh();
	server_start(server_line);
	proxy_start(mode);
	snprintf(line, sizeof(line), "--unix %s %s", proxy_sock, words);
	t_up(nbd_target, line);
	for (i = 0; i < 2 * BLOCKS; i++) {
		ktap_eq(put(i % BLOCKS, i + 1), BLOCK);
		if (i % 100 == 50)
			ktap_eq(flush(), 0);
		if (i % BLOCKS == BLOCKS - 1)
			ktap_eq(missing(), 0);
	}
	t_down();
	ktap_true(mode == PROXY_PIECES ? !lost : lost > 5);
	/* the deadlines of the target are a minute and more */
	ktap_true(now_ms() - begin < 50000);
	proxy_end();
	server_end(SIGTERM);
	server_start(PLAIN);
	snprintf(line, sizeof(line), "--unix %s", sock);
	t_up(nbd_target, line);
	ktap_eq(missing(), 0);
	t_down();
}

static void through(enum proxy_mode mode, const char *words)
{
	through_to(PLAIN, mode, words);
}

static void test_pieces(void)
{
	through(PROXY_PIECES, "");
	through(PROXY_PIECES, "--connections 4");
	through(PROXY_PIECES, "--structured-replies");
}

static void test_cut(void)
{
	through(PROXY_CUT, "");
	through(PROXY_CUT, "--connections 3");
}

static void test_garbage(void)
{
	through(PROXY_GARBAGE, "");
	through(PROXY_GARBAGE, "--connections 3");
}

static void write_key(const char *name)
{
	FILE *f = fopen(name, "w");

	if (!f)
		abort();
	fprintf(f, "me:%064d\n", 7);
	fclose(f);
}

/* A bit of the length of a record makes the library wait for what does not come. */
static void test_noise(void)
{
	char words[200];

	snprintf(words, sizeof(words),
		 "--tls-psk-file %s/keys --tls-username me --server-timeout 1",
		 dir);
	through_to(SECRET, PROXY_NOISE, words);
}

static void never(enum proxy_mode mode)
{
	__u64 begin = now_ms(), took;

	lost = 0;
	fresh();
	server_start(PLAIN);
	proxy_start(mode);
	snprintf(line, sizeof(line),
		 "--unix %s --server-timeout 1 --reconnect-timeout 3",
		 proxy_sock);
	t_up(nbd_target, line);
	ktap_eq(put(1, 1), -EIO);
	took = now_ms() - begin;
	ktap_true(took >= 3000 && took < 12000);
	/* with pauses between the connections */
	ktap_true(lost >= 2 && lost < 12);
	proxy_end();
	proxy_start(PROXY_PIECES);
	ktap_eq(put(1, 2), BLOCK);
	ktap_eq(missing(), 0);
	t_down();
	proxy_end();
}

static void test_never(void)
{
	never(PROXY_ALL_GARBAGE);
	never(PROXY_MUTE);
}

static const struct ktap_test tests[] = {
	{ "pieces", test_pieces },
	{ "cut", test_cut },
	{ "garbage", test_garbage },
	{ "noise", test_noise },
	{ "never", test_never },
};

static void count(enum ublk_log_level level, const char *msg)
{
	(void)level;
	if (strstr(msg, "connecting again"))
		lost++;
	if (getenv("NBD_TEST_VERBOSE"))
		fprintf(stderr, "# %s\n", msg);
}

int main(void)
{
	nbd_test_begin();
	snprintf(proxy_sock, sizeof(proxy_sock), "%s/proxy", dir);
	snprintf(line, sizeof(line), "%s/keys", dir);
	write_key(line);
	ublk_set_log(count, UBLK_LOG_WARN);
	return nbd_test_end(ktap_run(tests, ARRAY_SIZE(tests)));
}
