// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk serve": supervise the server of a declared device, in the foreground.
 */
#include <errno.h>

#include "opt.h"
#include "supervise.h"

struct serve_cfg {
	const char *name;
	__u64 limit;
	__u64 hang;
};

static const struct ublk_opt serve_opts[] = {
	{
		.name = "name", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_REQUIRED,
		.offset = offsetof(struct serve_cfg, name),
		.arg = "NAME", .help = "the device",
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

static int serve_run(int argc, char **argv)
{
	struct serve_cfg cfg = { 0 };
	struct conf conf;
	int ret;

	ret = cli_parse(&serve_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = conf_read(cfg.name, &conf);
	if (ret)
		return cli_fail(ret == -ENOENT ? -ENODEV : ret);
	ret = serve_check(&conf);
	ret = ret ? cli_fail(ret) : supervise_run(&conf, cfg.limit, cfg.hang);
	conf_free(&conf);
	return ret;
}

const struct cli_command serve_command = {
	.name = "serve",
	.args = "NAME [--limit N] [--hang-timeout SECONDS]",
	.summary = "serve a declared device, and replace servers that die",
	.opts = serve_opts,
	.run = serve_run,
};
