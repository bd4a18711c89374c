// SPDX-License-Identifier: GPL-2.0
/*
 * Target nbd on the mock kernel, and a proxy before the server that passes replies in
 * small pieces, cuts connections, or replaces the magic number of a reply. No byte is
 * wrong, every request ends without an error, and none waits for a deadline.
 */
#include <poll.h>
#include <stdatomic.h>

#include "nbd_rig.h"

enum proxy_mode { PROXY_PIECES, PROXY_CUT, PROXY_GARBAGE };

/* Most that a handshake needs: no harm is done before. */
#define PROXY_QUIET	4096

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
	if (mode == PROXY_GARBAGE && *left < 0 && is_reply(buf, len))
		buf[rand() % 4] ^= 1 << rand() % 8;
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

static void through(enum proxy_mode mode, const char *words)
{
	__u64 begin = now_ms();
	unsigned int i;

	lost = 0;
	fresh();
	server_start("nbdkit -f -U @/sock file @/image");
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
	kill(proxy, SIGKILL);
	waitpid(proxy, NULL, 0);
	snprintf(line, sizeof(line), "--unix %s", sock);
	t_up(nbd_target, line);
	ktap_eq(missing(), 0);
	t_down();
}

static void test_pieces(void)
{
	through(PROXY_PIECES, "");
	through(PROXY_PIECES, "--connections 4");
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

static const struct ktap_test tests[] = {
	{ "pieces", test_pieces },
	{ "cut", test_cut },
	{ "garbage", test_garbage },
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
	ublk_set_log(count, UBLK_LOG_WARN);
	return nbd_test_end(ktap_run(tests, ARRAY_SIZE(tests)));
}
