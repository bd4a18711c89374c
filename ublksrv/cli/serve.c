// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk serve": supervise the server of a device, in the foreground. The device is
 * declared, or it exists and can be recovered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "opt.h"
#include "supervise.h"

struct serve_cfg {
	const char *name;
	__u64 limit;
	__u64 hang;
	bool dry_run;
};

static const struct ublk_opt serve_opts[] = {
	{
		.name = "name", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_REQUIRED,
		.offset = offsetof(struct serve_cfg, name),
		.arg = "NAME", .help = "the device, or the number of one that exists",
	},
	{
		.name = "limit", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct serve_cfg, limit),
		.arg = "N", .def = "10", .max = 1000000,
		.help = "give up after so many starts that failed, 0: never",
	},
	{
		.name = "hang-timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct serve_cfg, hang),
		.arg = "SECONDS", .def = "30", .max = 86400,
		.help = "kill a server that does not come to its requests for so long, 0: never",
	},
	{
		.name = "dry-run", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct serve_cfg, dry_run),
		.help = "only see whether that is possible",
	},
	{ 0 }
};

/* As "ublk up": a device that was made by hand is left alone. */
static int serve_check(const struct conf *conf)
{
	struct state st;
	bool declared;
	__u64 id;
	int ret;

	ret = conf_check_alone(conf);
	if (ret || device_find(conf->name, &id) || state_read(id, &st))
		return ret;
	declared = st.declared;
	state_free(&st);
	return declared ? 0 :
		ublk_error(-EBUSY, "%s: dev %u: has the name \"%s\" and was not made from this file; \"ublk del %u\", or give the file another name",
			   conf->path, (unsigned int)id, conf->name,
			   (unsigned int)id);
}

/* A declaration without words. */
static int serve_name(struct conf *conf, __u32 id)
{
	char text[24];

	snprintf(text, sizeof(text), "dev %u", id);
	conf->name = strdup(text);
	conf->path = strdup(text);
	return conf->name && conf->path ? 0 : ublk_error(-ENOMEM, "out of memory");
}

/* A device that exists, and is not declared: it cannot be added again. */
static int serve_find(const char *text, struct conf *conf, __u32 *id)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	struct state st;
	bool declared;
	__u64 val;
	int ret;

	ret = device_find(text, &val);
	if (!ret)
		ret = common_open(val, &ctrl, &info);
	if (ret)
		return ret;
	ublk_ctrl_close(ctrl);
	*id = val;
	if (!(info.flags & UBLK_F_USER_RECOVERY))
		return ublk_error(-EINVAL, "dev %u: cannot be recovered, so another server could not continue it; add it with --user-recovery",
				  *id);
	declared = !state_read(*id, &st) && st.declared;
	if (declared) {
		ublk_error(-EINVAL, "dev %u: is declared; use \"ublk serve %s\"", *id,
			   st.name ? : "NAME");
		state_free(&st);
		return -EINVAL;
	}
	return serve_name(conf, *id);
}

/* Return: 0 or negative errno with a message */
static int serve_open(const char *text, struct conf *conf, __u32 *id)
{
	char why[600];
	__u64 val;
	int ret;

	memset(conf, 0, sizeof(*conf));
	*id = UBLK_ID_AUTO;
	/* a number, a node: no name */
	if (!opt_uint(text, &val) || strchr(text, '/'))
		return serve_find(text, conf, id);
	ret = conf_read(text, conf);
	if (!ret) {
		ret = serve_check(conf);
		if (ret)
			conf_free(conf);
		return ret;
	}
	if (ret != -ENOENT)
		return ret;
	snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	if (device_find(text, &val))
		return ublk_error(-ENODEV, "%s", why);
	return serve_find(text, conf, id);
}

static int serve_run(int argc, char **argv)
{
	struct serve_cfg cfg = { 0 };
	struct conf conf;
	__u32 id;
	int ret;

	ret = cli_parse(&serve_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = serve_open(cfg.name, &conf, &id);
	if (ret)
		return cli_fail(ret);
	if (cfg.dry_run)
		ret = supervise_try(&conf, id);
	else
		ret = supervise_run(&conf, id, cfg.limit, cfg.hang);
	conf_free(&conf);
	return ret;
}

const struct cli_command serve_command = {
	.name = "serve",
	.args = "NAME [--limit N] [--hang-timeout SECONDS] [--dry-run]",
	.summary = "serve a device, and replace servers that die",
	.opts = serve_opts,
	.run = serve_run,
};
