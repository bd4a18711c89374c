// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * One connection to the server, by a thread that may wait: set up, and single
 * commands. libnbd itself waits for a silent server without limit, so every wait
 * here is a poll() with a deadline.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>

#include "nbd.h"
#include "secret.h"

__u64 nbd_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* The message of libnbd, which begins with the function's name. */
static int conn_error(const struct nbd_cfg *cfg)
{
	const char *msg = nbd_get_error();
	int err = nbd_get_errno();
	const char *colon = msg ? strstr(msg, ": ") : NULL;
	const char *where = cfg->uri ? cfg->uri : cfg->unix_path ?
		cfg->unix_path : cfg->host;

	return ublk_error(err ? -err : -EIO, "nbd: %s: %s", where,
			  colon ? colon + 2 : msg ? msg : "connection failed");
}

int conn_read_again(struct nbd_handle *h)
{
	if (nbd_aio_is_processing(h) &&
	    nbd_aio_get_direction(h) == LIBNBD_AIO_DIRECTION_READ)
		return nbd_aio_notify_read(h);
	return 0;
}

static int conn_read(struct nbd_handle *h)
{
	return nbd_aio_notify_read(h) < 0 ? -1 : conn_read_again(h);
}

/*
 * Let the connection go on until @end. Return: 0 when something has happened;
 * -ETIMEDOUT, -ECANCELED, or another negative errno, with a message
 */
static int conn_turn(const struct nbd_cfg *cfg, struct nbd_handle *h,
		     int cancel, __u64 end)
{
	unsigned int dir = nbd_aio_get_direction(h);
	__u64 now = nbd_now_ms();
	struct pollfd p[] = {
		{ .fd = nbd_aio_get_fd(h) },
		{ .fd = cancel, .events = POLLIN },
	};
	int ret;

	if (dir & LIBNBD_AIO_DIRECTION_READ)
		p[0].events |= POLLIN;
	if (dir & LIBNBD_AIO_DIRECTION_WRITE)
		p[0].events |= POLLOUT;
	ret = poll(p, 2, now < end ? (int)(end - now) : 0);
	if (ret < 0)
		return errno == EINTR ? 0 :
			ublk_error(-errno, "poll: %s", strerror(errno));
	if (p[1].revents)
		return ublk_error(-ECANCELED, "nbd: the device is stopped");
	if (!ret)
		return ublk_error(-ETIMEDOUT, "nbd: the server was silent for %llu s",
				  (unsigned long long)cfg->timeout);
	if (p[0].revents & POLLNVAL)
		return ublk_error(-EBADF, "nbd: the connection has ended");
	if (dir & LIBNBD_AIO_DIRECTION_READ &&
	    p[0].revents & (POLLIN | POLLHUP | POLLERR))
		ret = conn_read(h);
	else
		ret = nbd_aio_notify_write(h);
	return ret < 0 ? conn_error(cfg) : 0;
}

/*
 * Whenever the descriptor is closed, also by the death of this process, what the kernel
 * has not sent is thrown away. Else it would go on sending for minutes after a cut, and
 * a write would reach the server after those of the next connection.
 */
static void conn_no_linger(struct nbd_handle *h)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	/* sockets that are not of TCP ignore it */
	setsockopt(nbd_aio_get_fd(h), SOL_SOCKET, SO_LINGER, &none,
		   sizeof(none));
}

static int conn_secret(const struct nbd_cfg *cfg, struct nbd_handle *h,
		       const char *value,
		       int (*set)(struct nbd_handle *h, const char *name))
{
	char name[PATH_MAX];
	int ret;

	if (!value)
		return 0;
	ret = secret_name(value, name, sizeof(name));
	if (ret)
		return ublk_error(ret, "nbd: %s", ublk_strerror_last());
	return set(h, name) < 0 ? conn_error(cfg) : 0;
}

static int conn_set_up(const struct nbd_cfg *cfg, struct nbd_handle *h)
{
	int tls = cfg->tls_certs || cfg->tls_psk || cfg->tls ?
		LIBNBD_TLS_REQUIRE : LIBNBD_TLS_DISABLE;
	int ret;

	/* short replies are counted, so nothing needs to be cleared before */
	if (nbd_set_pread_initialize(h, false) < 0 ||
	    nbd_set_request_structured_replies(h, cfg->structured) < 0 ||
	    nbd_set_uri_allow_local_file(h, true) < 0)
		return conn_error(cfg);
	if (tls != LIBNBD_TLS_DISABLE && nbd_set_tls(h, tls) < 0)
		return conn_error(cfg);
	ret = conn_secret(cfg, h, cfg->tls_certs, nbd_set_tls_certificates);
	if (!ret)
		ret = conn_secret(cfg, h, cfg->tls_psk, nbd_set_tls_psk_file);
	if (ret)
		return ret;
	if (cfg->tls_user && nbd_set_tls_username(h, cfg->tls_user) < 0)
		return conn_error(cfg);
	if (cfg->export && nbd_set_export_name(h, cfg->export) < 0)
		return conn_error(cfg);
	return 0;
}

static int conn_begin(const struct nbd_cfg *cfg, struct nbd_handle *h)
{
	int ret;

	if (cfg->uri)
		ret = nbd_aio_connect_uri(h, cfg->uri);
	else if (cfg->unix_path)
		ret = nbd_aio_connect_unix(h, cfg->unix_path);
	else
		ret = nbd_aio_connect_tcp(h, cfg->host, cfg->port);
	return ret < 0 ? conn_error(cfg) : 0;
}

static __u32 conn_block(struct nbd_handle *h, int which)
{
	int64_t size = nbd_get_block_size(h, which);

	return size > 0 && size < 1LL << 32 ? size : 0;
}

static int conn_caps(const struct nbd_cfg *cfg, struct nbd_handle *h,
		     struct nbd_caps *caps)
{
	static const struct {
		int (*has)(struct nbd_handle *h);
		__u32 flag;
	} rows[] = {
		{ nbd_is_read_only, NBD_CAP_READ_ONLY },
		{ nbd_can_flush, NBD_CAP_FLUSH },
		{ nbd_can_fua, NBD_CAP_FUA },
		{ nbd_can_trim, NBD_CAP_TRIM },
		{ nbd_can_zero, NBD_CAP_ZERO },
		{ nbd_can_multi_conn, NBD_CAP_MULTI },
		{ nbd_is_rotational, NBD_CAP_ROTATIONAL },
	};
	int64_t size = nbd_get_size(h);
	unsigned int i;

	if (size < 0)
		return conn_error(cfg);
	memset(caps, 0, sizeof(*caps));
	caps->size = size;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].has(h) == 1)
			caps->flags |= rows[i].flag;
	if (cfg->read_only)
		caps->flags |= NBD_CAP_READ_ONLY;
	caps->min_block = conn_block(h, LIBNBD_SIZE_MINIMUM);
	caps->pref_block = conn_block(h, LIBNBD_SIZE_PREFERRED);
	caps->max_block = conn_block(h, LIBNBD_SIZE_MAXIMUM);
	return 0;
}

struct nbd_handle *conn_open(const struct nbd_cfg *cfg, int cancel,
			     struct nbd_caps *caps)
{
	struct nbd_handle *h = nbd_create();
	__u64 end = nbd_now_ms() + cfg->timeout * 1000;
	int ret;

	if (!h) {
		ublk_error(-ENOMEM, "nbd: %s", nbd_get_error());
		return NULL;
	}
	ret = conn_set_up(cfg, h);
	if (!ret)
		ret = conn_begin(cfg, h);
	while (!ret && nbd_aio_is_connecting(h))
		ret = conn_turn(cfg, h, cancel, end);
	if (!ret && !nbd_aio_is_ready(h))
		ret = ublk_error(-EIO, "nbd: the server ended the connection");
	if (!ret)
		ret = conn_caps(cfg, h, caps);
	if (!ret) {
		conn_no_linger(h);
		return h;
	}
	nbd_close(h);
	return NULL;
}

int conn_wait(const struct nbd_cfg *cfg, struct nbd_handle *h, int64_t cookie,
	      int cancel)
{
	__u64 end = nbd_now_ms() + cfg->timeout * 1000;
	int ret;

	if (cookie < 0)
		return conn_error(cfg);
	for (;;) {
		ret = nbd_aio_command_completed(h, cookie);
		if (ret)
			return ret < 0 ? conn_error(cfg) : 0;
		ret = conn_turn(cfg, h, cancel, end);
		if (ret)
			return ret;
	}
}
