// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target nbd: options, open and close.
 *
 * The parameters of the disk are what the server says: size, block sizes, whether it
 * can be written, flushed and discarded. The connection that asked for them is the
 * first one of the queue.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "nbd.h"

/* The length of these is not limited by the server's blocks. */
#define NBD_MAX_DISCARD_SECTORS	(1U << 21)

static const struct ublk_opt nbd_opts[] = {
	{
		.name = "uri", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_LAYOUT,
		.offset = NBD_OFF(uri), .arg = "URI",
		.help = "the server's export, such as nbd+unix:///NAME?socket=PATH",
	},
	{
		.name = "host", .type = UBLK_OPT_STR, .flags = UBLK_OPT_LAYOUT,
		.offset = NBD_OFF(host), .arg = "HOST",
		.help = "server, instead of a URI",
	},
	{
		.name = "port", .type = UBLK_OPT_STR, .flags = UBLK_OPT_LAYOUT,
		.offset = NBD_OFF(port), .arg = "PORT", .def = "10809",
		.help = "its port",
	},
	{
		.name = "unix", .type = UBLK_OPT_PATH, .flags = UBLK_OPT_LAYOUT,
		.offset = NBD_OFF(unix_path), .arg = "SOCKET",
		.help = "socket of the server, instead of a URI",
	},
	{
		.name = "export-name|export_name", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_LAYOUT, .offset = NBD_OFF(export), .arg = "NAME",
		.help = "which of the server's disks",
	},
	{
		.name = "tls", .type = UBLK_OPT_FLAG, .offset = NBD_OFF(tls),
		.help = "encrypt, with the certificates of the system by default",
	},
	{
		.name = "tls-certificates", .type = UBLK_OPT_PATH,
		.offset = NBD_OFF(tls_certs), .arg = "DIR",
		.help = "encrypt, with ca-cert.pem and others in a directory",
	},
	{
		.name = "tls-psk-file", .type = UBLK_OPT_PATH,
		.offset = NBD_OFF(tls_psk), .arg = "FILE",
		.help = "encrypt, with a key that the server has, too",
	},
	{
		.name = "tls-username", .type = UBLK_OPT_STR,
		.offset = NBD_OFF(tls_user), .arg = "NAME",
		.help = "whose key it is",
	},
	NBD_OPT_READ_ONLY,
	NBD_OPT_CONNECTIONS,
	NBD_OPT_STRUCTURED,
	NBD_OPT_UNFLUSHED,
	NBD_OPT_KEEP,
	NBD_OPT_TIMEOUT,
	NBD_OPT_RECONNECT,
	{ 0 }
};

static int nbd_check_where(const struct nbd_cfg *c)
{
	int ways = !!c->uri + !!c->host + !!c->unix_path;

	if (ways != 1)
		return ublk_error(-EINVAL, "nbd: which server? give a URI, or --host HOST, or --unix SOCKET");
	if (c->uri && c->export)
		return ublk_error(-EINVAL, "nbd: --export-name: the URI has the name of the export");
	return 0;
}

static const char * const nbd_unflushed_words[] = {
	[NBD_KEEP] = "keep", [NBD_FUA] = "fua", [NBD_REFUSE] = "refuse",
	[NBD_TRUST] = "trust",
};

/* Without a word: what the server makes possible. */
static int nbd_choose_unflushed(struct nbd *nbd)
{
	const char *word = nbd->cfg->unflushed;
	__u32 caps = nbd->caps.flags;
	unsigned int i = NBD_KEEP;

	if (!word && !(caps & NBD_CAP_FLUSH))
		i = caps & NBD_CAP_FUA ? NBD_FUA : NBD_REFUSE;
	for (; word && i <= NBD_TRUST && strcmp(word, nbd_unflushed_words[i]); i++)
		;
	if (i > NBD_TRUST)
		return ublk_error(-EINVAL, "nbd: --unflushed: \"%s\" is none of keep, fua, refuse, trust",
				  word);
	nbd->unflushed = i;
	if (caps & NBD_CAP_READ_ONLY)
		nbd->unflushed = NBD_TRUST;
	else if (i == NBD_KEEP && !(caps & NBD_CAP_FLUSH))
		return ublk_error(-EINVAL, "nbd: --unflushed keep: the server cannot flush, so writes would be kept for ever; choose another way");
	else if (i == NBD_FUA && !(caps & NBD_CAP_FUA))
		return ublk_error(-EINVAL, "nbd: --unflushed fua: the server has no FUA; choose another way");
	else if (i == NBD_REFUSE && nbd->recoverable)
		return ublk_error(-EINVAL, "nbd: the server can %s, so after the daemon's death nobody knew what it has lost; leave --user-recovery out, or say --unflushed trust if it loses nothing",
				  word ? "keep nothing (--unflushed refuse)" :
				  "neither flush nor write through");
	return 0;
}

static __u32 nbd_shift(__u32 size)
{
	return size ? 31 - __builtin_clz(size) : 0;
}

static int nbd_set_blocks(struct nbd *nbd, struct ublk_params *p)
{
	const struct nbd_caps *caps = &nbd->caps;
	struct ublk_param_basic *b = &p->basic;
	__u32 block = caps->min_block > 512 ? caps->min_block : 512;

	if (block > (__u32)sysconf(_SC_PAGESIZE) || block & (block - 1))
		return ublk_error(-EINVAL, "nbd: the server has blocks of %u bytes, a disk cannot have them",
				  block);
	b->logical_bs_shift = nbd_shift(block);
	b->physical_bs_shift = b->logical_bs_shift;
	if (caps->pref_block > block && caps->pref_block <= 1U << 20 &&
	    !(caps->pref_block & (caps->pref_block - 1)))
		b->physical_bs_shift = nbd_shift(caps->pref_block);
	b->io_min_shift = b->physical_bs_shift;
	if (caps->max_block && caps->max_block >> 9 < b->max_sectors)
		b->max_sectors = (caps->max_block & ~(block - 1)) >> 9;
	if (caps->size % block)
		ublk_log(UBLK_LOG_WARN, "nbd: the export has %llu bytes; those behind its last block of %u are left out",
			 (unsigned long long)caps->size, block);
	return ublk_params_set_size(p, caps->size & ~(__u64)(block - 1));
}

static int nbd_fill_params(struct nbd *nbd, struct ublk_params *p)
{
	__u32 caps = nbd->caps.flags;
	int ret;

	ret = nbd_set_blocks(nbd, p);
	if (ret)
		return ublk_error(ret, "nbd: %s", ublk_strerror_last());
	if (caps & NBD_CAP_ROTATIONAL)
		p->basic.attrs |= UBLK_ATTR_ROTATIONAL;
	if (caps & NBD_CAP_READ_ONLY) {
		p->basic.attrs |= UBLK_ATTR_READ_ONLY;
		return 0;
	}
	if (caps & NBD_CAP_FLUSH)
		p->basic.attrs |= UBLK_ATTR_VOLATILE_CACHE;
	if (caps & NBD_CAP_FLUSH && caps & NBD_CAP_FUA)
		p->basic.attrs |= UBLK_ATTR_FUA;
	if (!(caps & (NBD_CAP_TRIM | NBD_CAP_ZERO)))
		return 0;
	p->types |= UBLK_PARAM_TYPE_DISCARD;
	p->discard.discard_granularity = 1U << p->basic.physical_bs_shift;
	if (caps & NBD_CAP_TRIM) {
		p->discard.max_discard_sectors = NBD_MAX_DISCARD_SECTORS;
		p->discard.max_discard_segments = 1;
	}
	if (caps & NBD_CAP_ZERO)
		p->discard.max_write_zeroes_sectors = NBD_MAX_DISCARD_SECTORS;
	return 0;
}

static int nbd_check_queues(const struct ublk_dev *dev, const struct nbd *nbd)
{
	if (ublk_dev_info(dev)->nr_hw_queues > 1 || ublk_dev_io_threads(dev) > 1)
		return ublk_error(-EINVAL, "nbd: one thread serves all connections; leave -q and --io-threads out, and give --connections N");
	if (nbd->cfg->connections > 1 && !(nbd->caps.flags & NBD_CAP_MULTI))
		return ublk_error(-EINVAL, "nbd: --connections %llu: the server does not promise that a flush on one connection covers writes on others; leave it out",
				  (unsigned long long)nbd->cfg->connections);
	return 0;
}

static int nbd_prepare(struct ublk_dev *dev, struct nbd *nbd)
{
	int ret;

	ret = nbd_check_where(nbd->cfg);
	if (ret)
		return ret;
	nbd->first = conn_open(nbd->cfg, -1, &nbd->caps);
	if (!nbd->first)
		return -EIO;
	ret = nbd_check_queues(dev, nbd);
	if (!ret)
		ret = nbd_choose_unflushed(nbd);
	if (!ret)
		ret = nbd_fill_params(nbd, ublk_dev_params(dev));
	if (!ret && nbd->unflushed == NBD_KEEP)
		ret = keep_new(&nbd->keep, nbd, nbd->cfg->keep);
	return ret;
}

static void nbd_destroy(struct nbd *nbd, bool forget)
{
	if (nbd->first)
		nbd_close(nbd->first);
	helper_free(nbd->helper);
	keep_free(nbd->keep, forget);
	free(nbd);
}

int nbd_open_with(struct ublk_dev *dev, const struct nbd_cfg *cfg,
		  struct helper *helper)
{
	const struct ublksrv_ctrl_dev_info *info = ublk_dev_info(dev);
	struct nbd *nbd = calloc(1, sizeof(*nbd));
	int ret;

	if (!nbd) {
		helper_free(helper);
		return ublk_error(-ENOMEM, "out of memory");
	}
	nbd->own = *cfg;
	nbd->cfg = &nbd->own;
	nbd->helper = helper;
	if (helper)
		nbd->own.unix_path = helper_socket(helper);
	nbd->recoverable = info->flags & UBLK_F_USER_RECOVERY ||
		ublk_dev_recovers(dev);
	nbd->io_bytes = info->max_io_buf_bytes;
	ret = nbd_prepare(dev, nbd);
	if (ret) {
		nbd_destroy(nbd, false);
		return ret;
	}
	ublk_dev_set_priv(dev, nbd);
	return 0;
}

static int nbd_open(struct ublk_dev *dev, void *cfg)
{
	return nbd_open_with(dev, cfg, NULL);
}

/* What is kept stays for a recovery, unless the device is gone or its disk is. */
void nbd_close_dev(struct ublk_dev *dev)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = ublk_ctrl_get_info(ublk_dev_ctrl(dev),
				     ublk_dev_info(dev)->dev_id, &info);

	nbd_destroy(ublk_dev_priv(dev),
		    ret == -ENODEV || (!ret && info.state == UBLK_S_DEV_DEAD));
}

static const struct ublk_target nbd_target = {
	NBD_TARGET(struct nbd_cfg, nbd_open),
	.name = "nbd",
	.summary = "the disk of an NBD server",
	.opts = nbd_opts,
};

static const struct ublk_target * const nbd_targets[] = {
	&nbd_target, &nbdkit_target, &image_target, NULL
};

const struct ublk_module ublk_module = {
	.version = UBLK_VERSION,
	.targets = nbd_targets,
};
