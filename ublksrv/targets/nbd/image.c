// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target image: a disk image in a format that qemu knows, by a qemu-storage-daemon that
 * is started for the device and ends with it.
 *
 * The target does not look at the contents to find the format: a user of a disk in a raw
 * image could write a header there that makes qemu open other files of this machine.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"
#include "image.h"
#include "nbd.h"
#include "secret.h"

struct image_cfg {
	struct nbd_cfg nbd;
	const char *file;
	const char *format;
	const char *options;
	const char *secret;
	const char *cache;
	const char *program;
};

static const struct ublk_opt image_opts[] = {
	{
		.name = "file", .letter = 'f', .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_REQUIRED |
			 UBLK_OPT_LAYOUT,
		.offset = offsetof(struct image_cfg, file), .arg = "FILE",
		.help = "image",
	},
	{
		.name = "format", .type = UBLK_OPT_STR, .flags = UBLK_OPT_LAYOUT,
		.offset = offsetof(struct image_cfg, format), .arg = "FORMAT",
		.help = "qcow2, vmdk, vhdx, luks, raw or others; by the file's name without it",
	},
	{
		.name = "image-opts", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_LAYOUT,
		.offset = offsetof(struct image_cfg, options),
		.arg = "LIST",
		.help = "NAME=VALUE,... for qemu's block driver of this format",
	},
	{
		.name = "secret-file", .type = UBLK_OPT_PATH,
		.offset = offsetof(struct image_cfg, secret), .arg = "FILE",
		.help = "passphrase of luks, without a newline",
	},
	{
		.name = "cache", .type = UBLK_OPT_STR,
		.offset = offsetof(struct image_cfg, cache), .arg = "HOW",
		.def = "direct", .help = "direct, or buffered: through the page cache",
	},
	{
		.name = "program", .type = UBLK_OPT_STR,
		.offset = offsetof(struct image_cfg, program), .arg = "NAME",
		.def = "qemu-storage-daemon",
		.help = "which qemu-storage-daemon",
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

static const char *image_format(const struct image_cfg *c)
{
	static const char * const formats[][2] = {
		{ ".qcow2", "qcow2" }, { ".vmdk", "vmdk" }, { ".vhdx", "vhdx" },
		{ ".vdi", "vdi" }, { ".luks", "luks" }, { ".raw", "raw" },
		{ ".img", "raw" },
	};
	const char *dot = strrchr(c->file, '.');
	unsigned int i;

	if (c->format)
		return c->format;
	for (i = 0; dot && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(dot, formats[i][0]))
			return formats[i][1];
	return NULL;
}

/* A comma in a value is written twice. */
static void image_put(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == ',')
			fputc(',', out);
		fputc(*value, out);
	}
}

/* The words of one option, in memory of their own. */
struct words {
	char *secret, *file, *disk, *export;
};

static int image_words(const struct image_cfg *c, const char *format,
		       struct words *w)
{
	const char *ro = c->nbd.read_only ? "on" : "off";
	bool direct = !strcmp(c->cache, "direct");
	char name[PATH_MAX];
	size_t len;
	FILE *out;
	int ret;

	out = open_memstream(&w->file, &len);
	fputs("driver=file,node-name=file,filename=", out);
	image_put(out, c->file);
	fprintf(out, ",read-only=%s,cache.direct=%s,discard=unmap", ro,
		direct ? "on" : "off");
	fclose(out);
	out = open_memstream(&w->disk, &len);
	fprintf(out, "driver=%s,node-name=" IMAGE_NODE ",file=file,read-only=%s,discard=unmap",
		format, ro);
	if (c->secret)
		fprintf(out, ",%s=secret", strcmp(format, "luks") ?
			"encrypt.format=luks,encrypt.key-secret" : "key-secret");
	if (c->options)
		fprintf(out, ",%s", c->options);
	fclose(out);
	if (c->secret) {
		ret = secret_name(c->secret, name, sizeof(name));
		if (ret)
			return ret;
		out = open_memstream(&w->secret, &len);
		fputs("secret,id=secret,file=", out);
		image_put(out, name);
		fclose(out);
	}
	if (asprintf(&w->export,
		     "type=nbd,id=" IMAGE_EXPORT ",node-name=" IMAGE_NODE ",name=,writable=%s",
		     c->nbd.read_only ? "off" : "on") < 0)
		w->export = NULL;
	return w->file && w->disk && w->export ? 0 :
		ublk_error(-ENOMEM, "out of memory");
}

static int image_start(const struct image_cfg *c, const struct words *w,
		       struct helper **helper)
{
	const char *words[20] = { c->program };
	int nr = 1;

	words[nr++] = "--chardev";
	words[nr++] = "socket,id=qmp,path=@SOCKET@" IMAGE_QMP ",server=on,wait=off";
	words[nr++] = "--monitor";
	words[nr++] = "chardev=qmp";
	if (w->secret) {
		words[nr++] = "--object";
		words[nr++] = w->secret;
	}
	words[nr++] = "--blockdev";
	words[nr++] = w->file;
	words[nr++] = "--blockdev";
	words[nr++] = w->disk;
	words[nr++] = "--nbd-server";
	words[nr++] = "addr.type=unix,addr.path=@SOCKET@,max-connections=0";
	words[nr++] = "--export";
	words[nr++] = w->export;
	words[nr] = NULL;
	return helper_new(words, helper);
}

static int image_open(struct ublk_dev *dev, void *cfg)
{
	const struct image_cfg *c = cfg;
	const char *format = image_format(c);
	struct nbd_cfg nbd = c->nbd;
	struct words w = { NULL };
	struct helper *helper;
	int ret;

	if (!format)
		return ublk_error(-EINVAL, "image: %s: which format? give --format FORMAT",
				  c->file);
	if (strcmp(c->cache, "direct") && strcmp(c->cache, "buffered"))
		return ublk_error(-EINVAL, "image: --cache: \"%s\" is none of direct, buffered",
				  c->cache);
	ret = image_words(c, format, &w);
	if (!ret)
		ret = image_start(c, &w, &helper);
	free(w.secret);
	free(w.file);
	free(w.disk);
	free(w.export);
	if (ret)
		return ublk_error(ret, "image: %s", ublk_strerror_last());
	nbd.grows = true;
	return nbd_open_with(dev, &nbd, helper);
}

static int image_grow(const void *cfg, const struct ublksrv_ctrl_dev_info *info,
		      __u64 bytes)
{
	const struct image_cfg *c = cfg;
	int ret;

	if (c->nbd.read_only)
		return ublk_error(-EROFS, "image: %s is read-only", c->file);
	if (c->nbd.unflushed && !strcmp(c->nbd.unflushed, "refuse"))
		return ublk_error(-EINVAL, "image: the server has to take all connections away for a moment, and with --unflushed refuse the disk would fail; make %s larger with qemu-img, while it is not served",
				  c->file);
	ret = qmp_grow(info->ublksrv_pid, bytes);
	return ret ? ublk_error(ret, "image: %s: %s", c->file,
				ublk_strerror_last()) : 0;
}

const struct ublk_target image_target = {
	NBD_TARGET(struct image_cfg, image_open),
	.name = "image",
	.summary = "a disk image of qemu, such as qcow2",
	.opts = image_opts,
	.grow = image_grow,
};
