// SPDX-License-Identifier: GPL-2.0
/*
 * Target nbd on the mock kernel and a real server, nbdkit: parameters, each
 * operation, ways to name the server. What happens when the server or the connection
 * goes is in nbd_loss.c.
 */
#include <sys/stat.h>

#include "nbd_rig.h"

#define CACHED	"nbdkit -f -U @/sock --filter=cache file @/image"

static char line[256];

static const char *on_socket(const char *rest)
{
	snprintf(line, sizeof(line), "--unix %s %s", sock, rest);
	return line;
}

/* Every operation, and what it leaves. */
static void test_operations(void)
{
	unsigned int i;

	fresh();
	server_start("nbdkit -f -U @/sock file @/image");
	t_up(nbd_target, on_socket(""));
	for (i = 0; i < BLOCKS; i += 3)
		ktap_eq(put(i, i + 1), BLOCK);
	ktap_eq(put_flags(1, 9, UBLK_IO_F_FUA), BLOCK);
	ktap_eq(flush(), 0);
	ktap_true(zero(30, 4, 0) >= 0);
	ktap_true(zero(60, 4, UBLK_IO_F_NOUNMAP) >= 0);
	ktap_eq(missing(), 0);
	ktap_true(t_io(UBLK_IO_OP_DISCARD, 800, 80, NULL, NULL) >= 0);
	for (i = 100; i < 110; i++)
		want[i] = 0;
	ktap_eq(missing(), 0);
	t_down();
	/* it is in the file, not in this process */
	t_up(nbd_target, on_socket(""));
	ktap_eq(missing(), 0);
	t_down();
}

static void check_params(const char *server_line, const char *words,
			 __u32 attrs, unsigned int block_shift,
			 unsigned int max_sectors)
{
	const struct ublk_params *p;

	fresh();
	server_start(server_line);
	t_up(nbd_target, on_socket(words));
	p = mock_params();
	ktap_row = server_line;
	ktap_eq(p->basic.dev_sectors, BLOCKS * BLOCK / 512);
	ktap_eq(p->basic.attrs & ~UBLK_ATTR_ROTATIONAL, attrs);
	ktap_eq(p->basic.logical_bs_shift, block_shift);
	ktap_eq(p->basic.max_sectors, max_sectors);
	ktap_row = NULL;
	t_down();
}

static void test_params(void)
{
	__u32 cache = UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;

	check_params("nbdkit -f -U @/sock file @/image", "", cache, 9, 128);
	check_params("nbdkit -f -U @/sock -r file @/image", "",
		     UBLK_ATTR_READ_ONLY, 9, 128);
	check_params("nbdkit -f -U @/sock file @/image", "--read-only",
		     UBLK_ATTR_READ_ONLY, 9, 128);
	check_params("nbdkit -f -U @/sock --filter=blocksize-policy file @/image blocksize-minimum=4096 blocksize-preferred=4096 blocksize-maximum=32768",
		     "", cache, 12, 64);
}

/* No zeroes by the server where it has none. */
static void test_no_zero(void)
{
	fresh();
	server_start("nbdkit -f -U @/sock --filter=nozero file @/image");
	t_up(nbd_target, on_socket(""));
	ktap_eq(mock_params()->discard.max_write_zeroes_sectors, 0);
	ktap_true(mock_params()->discard.max_discard_sectors > 0);
	t_down();
}

/* Requests of many blocks, many in flight, on several connections. */
static void in_flight(const char *words)
{
	static unsigned char data[16 * BLOCK], got[16 * BLOCK];
	int tags[T_DEPTH], i, round;
	unsigned int b;

	fresh();
	server_start("nbdkit -f -U @/sock memory 16M");
	t_up(nbd_target, on_socket(words));
	for (round = 0; round < 16; round++) {
		for (i = 0; i < T_DEPTH; i++) {
			unsigned int first = (round * T_DEPTH + i) * 16;

			for (b = 0; b < 16; b++)
				fill(data + b * BLOCK, first + b, 3);
			tags[i] = mock_request_data(0, UBLK_IO_OP_WRITE,
						    first * 8, 128, data);
		}
		for (i = 0; i < T_DEPTH; i++)
			ktap_eq(mock_wait(0, tags[i]), 16 * BLOCK);
	}
	for (round = 0; round < 64; round++) {
		for (b = 0; b < 16; b++)
			fill(data + b * BLOCK, round * 16 + b, 3);
		ktap_eq(t_io(UBLK_IO_OP_READ, round * 128, 128, got, NULL),
			16 * BLOCK);
		ktap_eq(memcmp(data, got, sizeof(data)), 0);
	}
	t_down();
}

static void test_in_flight(void)
{
	in_flight("");
}

static void test_connections(void)
{
	in_flight("--connections 4");
}

static void touch(const char *name, bool there)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!there)
		unlink(path);
	else
		__real_close(__real_open(path, O_RDWR | O_CREAT, 0600));
}

/* A server's error is the request's, and nothing else's. */
static void test_errors(void)
{
	fresh();
	server_start("nbdkit -f -U @/sock --filter=error file @/image error-pwrite=ENOSPC error-pwrite-rate=100% error-pwrite-file=@/bad");
	t_up(nbd_target, on_socket(""));
	ktap_eq(put(1, 1), BLOCK);
	touch("bad", true);
	ktap_eq(put(1, 2), -ENOSPC);
	ktap_eq(put(2, 2), -ENOSPC);
	touch("bad", false);
	ktap_eq(put(2, 3), BLOCK);
	ktap_eq(missing(), 0);
	t_down();
}

/* A small room for what is kept: the target flushes by itself, and goes on. */
static void test_small_keep(void)
{
	unsigned int i;

	fresh();
	server_start(CACHED);
	t_up(nbd_target, on_socket("--keep 1M"));
	for (i = 0; i < 8 * BLOCKS; i++)
		ktap_eq(put(i % BLOCKS, i + 1), BLOCK);
	ktap_eq(missing(), 0);
	t_down();
}

static void test_uri(void)
{
	fresh();
	server_start("nbdkit -f -U @/sock -e name file @/image");
	snprintf(line, sizeof(line), "nbd+unix:///name?socket=%s", sock);
	t_up(nbd_target, line);
	ktap_eq(put(3, 1), BLOCK);
	t_down();
	t_up(nbd_target, on_socket("--export_name name"));
	ktap_eq(missing(), 0);
	t_down();
}

static void test_tcp(void)
{
	char port[8];
	int i;

	fresh();
	/* a port that is free now; another process may take it, so try again */
	for (i = 0; i < 5; i++) {
		char cmd[200];

		snprintf(port, sizeof(port), "%d", 20000 + (getpid() + i) % 20000);
		snprintf(cmd, sizeof(cmd),
			 "nbdkit -f -i 127.0.0.1 -p %s file @/image", port);
		server = fork();
		if (!server)
			server_exec(cmd);
		pause_ms(300);
		snprintf(line, sizeof(line), "--host 127.0.0.1 --port %s", port);
		if (!t_make(nbd_target, line))
			break;
		server_end(SIGKILL);
	}
	ktap_true(i < 5);
	if (i == 5)
		return;
	ublk_dev_free(t_dev);
	opt_free(&t_table);
	t_up(nbd_target, line);
	ktap_eq(put(3, 1), BLOCK);
	ktap_eq(missing(), 0);
	t_down();
}

/* TLS with a key that both have. */
static void test_tls_psk(void)
{
	char key[64], words[300];
	FILE *out;

	fresh();
	snprintf(key, sizeof(key), "%s/keys", dir);
	out = fopen(key, "w");
	fprintf(out, "me:%064d\n", 7);
	fclose(out);
	server_start("nbdkit -f -U @/sock --tls=require --tls-psk=@/keys file @/image");
	snprintf(words, sizeof(words), "--tls-psk-file %s --tls-username me", key);
	t_up(nbd_target, on_socket(words));
	ktap_eq(put(3, 1), BLOCK);
	ktap_eq(flush(), 0);
	ktap_eq(missing(), 0);
	t_down();
	snprintf(words, sizeof(words), "--tls-psk-file %s --tls-username you", key);
	t_refused(nbd_target, on_socket(words), -EIO, "");
	t_refused(nbd_target, on_socket(""), -EIO, "TLS");
	snprintf(line, sizeof(line),
		 "nbds+unix://me@/?socket=%s&tls-psk-file=%s", sock, key);
	t_up(nbd_target, line);
	ktap_eq(missing(), 0);
	t_down();
}

/* TLS with certificates: the server's is checked. */
static void test_tls_certificates(void)
{
	static const char * const steps[] = {
		"printf 'cn=test\nca\ncert_signing_key\n' >ca.info",
		"printf 'cn=localhost\ntls_www_server\ndns_name=localhost\n' >server.info",
		"certtool --generate-privkey --ecc --outfile ca-key.pem",
		"certtool --generate-privkey --ecc --outfile server-key.pem",
		"certtool --generate-self-signed --load-privkey ca-key.pem --template ca.info --outfile ca-cert.pem",
		"certtool --generate-certificate --load-ca-certificate ca-cert.pem --load-ca-privkey ca-key.pem --load-privkey server-key.pem --template server.info --outfile server-cert.pem",
	};
	char cmd[400], words[300];
	unsigned int i;

	if (!have("certtool")) {
		printf("# no certtool\n");
		return;
	}
	fresh();
	snprintf(cmd, sizeof(cmd), "%s/pki", dir);
	ktap_eq(mkdir(cmd, 0700), 0);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		snprintf(cmd, sizeof(cmd), "cd %s/pki && %s 2>/dev/null", dir,
			 steps[i]);
		ktap_eq(system(cmd), 0);
	}
	server_start("nbdkit -f -U @/sock --tls=require --tls-certificates=@/pki file @/image");
	snprintf(line, sizeof(line),
		 "nbds+unix://localhost/?socket=%s --tls-certificates %s/pki",
		 sock, dir);
	t_up(nbd_target, line);
	ktap_eq(put(3, 1), BLOCK);
	ktap_eq(missing(), 0);
	t_down();
	/* without that authority nobody vouches for the server */
	snprintf(words, sizeof(words), "nbds+unix://localhost/?socket=%s", sock);
	t_refused(nbd_target, words, -EIO, "");
}

static void test_refused(void)
{
	fresh();
	t_refused(nbd_target, "", -EINVAL, "which server");
	t_refused(nbd_target, "--host a --unix /tmp", -EINVAL, "which server");
	t_refused(nbd_target, "nbd://a/b --export-name c", -EINVAL, "the URI");
	t_refused(nbd_target, on_socket(""), -EIO, sock);
	server_start("nbdkit -f -U @/sock file @/image");
	t_refused(nbd_target, on_socket("--unflushed never"), -EINVAL, "never");
	t_refused(nbd_target, on_socket("--keep 0"), -EINVAL, "keep");
	server_end(SIGKILL);
	server_start("nbdkit -f -U @/sock --filter=multi-conn file @/image multi-conn-mode=disable");
	t_refused(nbd_target, on_socket("--connections 2"), -EINVAL, "flush");
}

static const struct ktap_test tests[] = {
	{ "operations", test_operations },
	{ "params", test_params },
	{ "no_zero", test_no_zero },
	{ "in_flight", test_in_flight },
	{ "connections", test_connections },
	{ "errors", test_errors },
	{ "small_keep", test_small_keep },
	{ "uri", test_uri },
	{ "tcp", test_tcp },
	{ "tls_psk", test_tls_psk },
	{ "tls_certificates", test_tls_certificates },
	{ "refused", test_refused },
};

static void quiet(enum ublk_log_level level, const char *msg)
{
	(void)level;
	(void)msg;
}

int main(void)
{
	nbd_test_begin();
	if (!getenv("NBD_TEST_VERBOSE"))
		ublk_set_log(quiet, UBLK_LOG_ERR);
	return nbd_test_end(ktap_run(tests, ARRAY_SIZE(tests)));
}
