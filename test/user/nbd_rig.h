/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of target nbd: a real server that the test starts, stops and kills,
 * and a disk of which it knows what has to be in it. Included once per program.
 */
#ifndef UBLK_TEST_NBD_H
#define UBLK_TEST_NBD_H

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "target.h"

#define BLOCK		4096
#define BLOCKS		256
#define SERVER_MS	10000

static char dir[40];
static char sock[64], image[64];
static pid_t server;
static const struct ublk_target *nbd_target;

/* What each block of the disk holds: the generation of its pattern, 0 for zeroes. */
static unsigned int want[BLOCKS];

static inline bool server_answers(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", sock);
	ok = !connect(fd, (struct sockaddr *)&a, sizeof(a));
	__real_close(fd);
	return ok;
}

/* @line: words; "@" in one is the directory of the test. */
static inline void server_exec(const char *line)
{
	char copy[512], words[24][128], *argv[25], *word, *at;
	int argc = 0, null;

	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
		at = strchr(word, '@');
		snprintf(words[argc], sizeof(words[0]), "%.*s%s%s",
			 (int)(at ? at - word : 0), word, at ? dir : "",
			 at ? at + 1 : word);
		argv[argc] = words[argc];
		argc++;
	}
	argv[argc] = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	null = __real_open("/dev/null", O_WRONLY);
	dup2(null, STDOUT_FILENO);
	if (!getenv("NBD_TEST_VERBOSE"))
		dup2(null, STDERR_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

static inline void server_start(const char *line)
{
	__u64 end = now_ms() + SERVER_MS;

	unlink(sock);
	server = fork();
	if (!server)
		server_exec(line);
	while (!server_answers()) {
		if (now_ms() > end || waitpid(server, NULL, WNOHANG)) {
			printf("# does not serve: %s\n", line);
			abort();
		}
		pause_ms(5);
	}
}

static inline void server_end(int sig)
{
	if (!server)
		return;
	kill(server, sig);
	waitpid(server, NULL, 0);
	server = 0;
}

static inline void fill(unsigned char *buf, unsigned int block,
			unsigned int gen)
{
	unsigned int i;

	for (i = 0; i < BLOCK; i++)
		buf[i] = gen ? block * 7 + gen * 31 + i / 512 + i : 0;
}

/* Return: result of the request */
static inline int put_flags(unsigned int block, unsigned int gen, __u32 flags)
{
	unsigned char buf[BLOCK];
	int ret;

	fill(buf, block, gen);
	ret = t_io(UBLK_IO_OP_WRITE | flags, block * (BLOCK / 512),
		   BLOCK / 512, buf, NULL);
	if (ret == BLOCK)
		want[block] = gen;
	return ret;
}

static inline int put(unsigned int block, unsigned int gen)
{
	return put_flags(block, gen, 0);
}

static inline int flush(void)
{
	return t_io(UBLK_IO_OP_FLUSH, 0, 0, NULL, NULL);
}

static inline int zero(unsigned int block, unsigned int nr, __u32 flags)
{
	int ret = t_io(UBLK_IO_OP_WRITE_ZEROES | flags, block * (BLOCK / 512),
		       nr * (BLOCK / 512), NULL, NULL);
	unsigned int i;

	for (i = 0; i < nr && ret >= 0; i++)
		want[block + i] = 0;
	return ret;
}

/* Return: blocks that are not what was written and acknowledged last */
static inline unsigned int missing(void)
{
	unsigned char buf[BLOCK], right[BLOCK];
	unsigned int i, bad = 0;

	for (i = 0; i < BLOCKS; i++) {
		fill(right, i, want[i]);
		memset(buf, 0xee, sizeof(buf));
		if (t_io(UBLK_IO_OP_READ, i * (BLOCK / 512), BLOCK / 512, buf,
			 NULL) != BLOCK || memcmp(buf, right, BLOCK))
			bad++;
	}
	return bad;
}

/* An empty image of BLOCKS blocks, and no server. */
static inline void fresh(void)
{
	int fd;

	server_end(SIGKILL);
	memset(want, 0, sizeof(want));
	unlink(image);
	fd = __real_open(image, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, BLOCKS * BLOCK))
		abort();
	__real_close(fd);
	t_features = 0;
	t_flags = 0;
}

static inline bool have(const char *prog)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null 2>&1", prog);
	return !system(cmd);
}

static inline void nbd_test_begin(void)
{
	if (!have("nbdkit")) {
		printf("KTAP version 1\n1..0 # SKIP no nbdkit\n");
		exit(4);
	}
	snprintf(dir, sizeof(dir), "/tmp/ublk-test-nbd.XXXXXX");
	if (!mkdtemp(dir))
		abort();
	snprintf(sock, sizeof(sock), "%s/sock", dir);
	snprintf(image, sizeof(image), "%s/image", dir);
	setenv("UBLK_RUN_DIR", dir, 1);
	/* for what the cache of nbdkit keeps */
	setenv("TMPDIR", dir, 1);
	signal(SIGPIPE, SIG_IGN);
	nbd_target = ublk_module.targets[0];
	/* the way in which the mock moves data */
	t_mode = UBLK_MODE_USER_COPY;
	t_poll_late = true;
}

static inline int nbd_test_end(int status)
{
	char cmd[128];

	server_end(SIGKILL);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd) ? 1 : status;
}

#endif
