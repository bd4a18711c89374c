// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The connection to a cluster, and an image that is open by it.
 *
 * Functions of librados and librbd wait without limit for a cluster that does not
 * answer: for monitors as long as client_mount_timeout says, for OSDs for ever, which
 * is right for a disk and wrong for "ublk add". So a thread opens, and its caller waits
 * for that thread.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rbd.h"
#include "secret.h"

int rbd_client_error(const struct rbd_client *c, int err, const char *what)
{
	return ublk_error(err, "rbd: %s/%s%s%s%s%s: %s: %s", c->pool, c->space,
			  *c->space ? "/" : "", c->name, *c->snap ? "@" : "",
			  c->snap, what, strerror(-err));
}

/* Copy up to one of the characters; the rest is left in @text. */
static int client_part(const char **text, const char *ends, char *part,
		       size_t size)
{
	size_t len = strcspn(*text, ends);

	if (!len || len >= size)
		return -EINVAL;
	memcpy(part, *text, len);
	part[len] = 0;
	*text += len;
	return 0;
}

/* POOL/[NAMESPACE/]IMAGE[@SNAPSHOT] */
static int client_parse(struct rbd_client *c, const struct rbd_cfg *cfg)
{
	const char *at = cfg->image;
	int ret;

	ret = client_part(&at, "/@", c->pool, sizeof(c->pool));
	if (!ret)
		ret = *at++ == '/' ? client_part(&at, "/@", c->name, sizeof(c->name)) :
			-EINVAL;
	if (!ret && *at == '/') {
		at++;
		memcpy(c->space, c->name, sizeof(c->space));
		ret = client_part(&at, "/@", c->name, sizeof(c->name));
	}
	if (!ret && *at == '@') {
		at++;
		ret = client_part(&at, "/@", c->snap, sizeof(c->snap));
	}
	if (ret || *at)
		return ublk_error(-EINVAL, "rbd: \"%s\": is not POOL/IMAGE, POOL/NAMESPACE/IMAGE, or one of these with @SNAPSHOT",
				  cfg->image);
	if (!cfg->space)
		return 0;
	if (*c->space)
		return ublk_error(-EINVAL, "rbd: \"%s\" has a namespace already; leave --namespace out",
				  cfg->image);
	if (strlen(cfg->space) >= sizeof(c->space))
		return ublk_error(-EINVAL, "rbd: --namespace: is too long");
	strcpy(c->space, cfg->space);
	return 0;
}

/* ---- settings ------------------------------------------------------------- */

/* So that acknowledged writes are in the cluster. */
static const char * const client_safe[][2] = {
	{ "rbd_cache", "false" },
	{ "rbd_persistent_cache_mode", "disabled" },
	{ "rbd_plugins", "" },
};

static int client_set(struct rbd_client *c, const char *name, const char *value)
{
	int ret = rados_conf_set(c->cluster, name, value);

	return ret < 0 ? rbd_client_error(c, ret, name) : 0;
}

static int client_keyring(struct rbd_client *c, const char *value)
{
	char name[PATH_MAX];
	int ret = secret_name(value, name, sizeof(name));

	if (ret)
		return ublk_error(ret, "rbd: %s", ublk_strerror_last());
	return client_set(c, "keyring", name);
}

static int client_configure(struct rbd_client *c, const struct rbd_cfg *cfg)
{
	char seconds[24];
	unsigned int i;
	int ret;

	ret = rados_conf_read_file(c->cluster, cfg->conf);
	if (ret < 0)
		return ublk_error(ret, "rbd: %s: %s; give --conf FILE",
				  cfg->conf ? cfg->conf : "no ceph.conf was found",
				  strerror(-ret));
	snprintf(seconds, sizeof(seconds), "%llu",
		 (unsigned long long)cfg->timeout);
	ret = client_set(c, "client_mount_timeout", seconds);
	if (!ret)
		ret = client_set(c, "log_to_stderr", "false");
	for (i = 0; i < sizeof(client_safe) / sizeof(client_safe[0]) && !ret; i++)
		ret = client_set(c, client_safe[i][0], client_safe[i][1]);
	if (!ret && cfg->keyring)
		ret = client_keyring(c, cfg->keyring);
	return ret;
}

/* Metadata of an image can change settings, too. */
static int client_check_image(struct rbd_client *c)
{
	rbd_config_option_t opts[512];
	int nr = sizeof(opts) / sizeof(opts[0]), i, ret;
	unsigned int k;

	ret = rbd_config_image_list(c->image, opts, &nr);
	if (ret < 0)
		return rbd_client_error(c, ret, "reading its settings");
	for (i = 0; i < nr && !ret; i++)
		for (k = 0; k < sizeof(client_safe) / sizeof(client_safe[0]); k++)
			if (!strcmp(opts[i].name, client_safe[k][0]) &&
			    strcmp(opts[i].value, client_safe[k][1]))
				ret = ublk_error(-EINVAL, "rbd: %s/%s: its metadata sets %s to \"%s\", and acknowledged writes could be lost; \"rbd config image remove\" or \"rbd config pool remove\" takes that away",
						 c->pool, c->name, opts[i].name,
						 opts[i].value);
	rbd_config_image_list_cleanup(opts, nr);
	return ret;
}

/* ---- open ----------------------------------------------------------------- */

struct opening {
	struct rbd_client c;
	const struct rbd_cfg *cfg;
	char why[512];
	int ret;
};

static int client_connect(struct rbd_client *c, const struct rbd_cfg *cfg)
{
	int ret = rados_create(&c->cluster, cfg->id);

	if (ret < 0)
		return rbd_client_error(c, ret, "librados");
	c->connected = true;
	ret = client_configure(c, cfg);
	if (ret)
		return ret;
	ret = rados_connect(c->cluster);
	if (ret < 0)
		return rbd_client_error(c, ret, "connecting to the cluster");
	ret = rados_ioctx_create(c->cluster, c->pool, &c->pool_ctx);
	if (ret < 0)
		return rbd_client_error(c, ret, "opening the pool");
	c->has_ctx = true;
	rados_ioctx_set_namespace(c->pool_ctx, c->space);
	return 0;
}

static int client_open_image(struct rbd_client *c)
{
	const char *snap = *c->snap ? c->snap : NULL;
	int ret;

	if (c->read_only)
		ret = rbd_open_read_only(c->pool_ctx, c->name, &c->image, snap);
	else
		ret = rbd_open(c->pool_ctx, c->name, &c->image, NULL);
	if (ret < 0)
		return rbd_client_error(c, ret, "opening the image");
	c->has_image = true;
	return client_check_image(c);
}

static void *client_main(void *arg)
{
	struct opening *o = arg;

	o->ret = client_connect(&o->c, o->cfg);
	if (!o->ret)
		o->ret = client_open_image(&o->c);
	if (o->ret) {
		snprintf(o->why, sizeof(o->why), "%s", ublk_strerror_last());
		rbd_client_close(&o->c);
	}
	return NULL;
}

/* Return: 0 when the thread has ended, else errno */
static int client_wait(pthread_t thread, __u64 seconds)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += seconds + 1;
	return pthread_timedjoin_np(thread, NULL, &end);
}

int rbd_client_open(struct rbd_client *c, const struct rbd_cfg *cfg)
{
	struct opening *o = calloc(1, sizeof(*o));
	pthread_t thread;
	int ret;

	memset(c, 0, sizeof(*c));
	if (!o)
		return ublk_error(-ENOMEM, "out of memory");
	o->cfg = cfg;
	ret = client_parse(&o->c, cfg);
	o->c.read_only = cfg->read_only || *o->c.snap;
	if (!ret) {
		ret = -pthread_create(&thread, NULL, client_main, o);
		if (ret)
			ublk_error(ret, "starting a thread: %s", strerror(-ret));
	}
	if (ret) {
		free(o);
		return ret;
	}
	/* what the thread uses stays */
	if (client_wait(thread, cfg->timeout))
		return ublk_error(-ETIMEDOUT, "rbd: %s: the cluster does not answer for %llu s (--connect-timeout); \"ceph -s\" says what is missing",
				  cfg->image, (unsigned long long)cfg->timeout);
	ret = o->ret ? ublk_error(o->ret, "%s", o->why) : 0;
	*c = o->c;
	free(o);
	return ret;
}

void rbd_client_close(struct rbd_client *c)
{
	if (c->has_image)
		rbd_close(c->image);
	if (c->has_ctx)
		rados_ioctx_destroy(c->pool_ctx);
	if (c->connected)
		rados_shutdown(c->cluster);
	c->connected = false;
	c->has_ctx = false;
	c->has_image = false;
}
