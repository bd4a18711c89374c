// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk version": of program and library, which are one.
 */
#include "cli.h"
#include "json.h"

static const struct ublk_opt version_opts[] = {
	{ 0 }
};

static int version_run(int argc, char **argv)
{
	int ret = cli_parse(&version_command, NULL, argc, argv);

	if (ret >= 0)
		return ret;
	if (out_is_json())
		out_set("program", json_string(UBLK_VERSION));
	else
		puts("ublk " UBLK_VERSION);
	return EXIT_OK;
}

const struct cli_command version_command = {
	.name = "version",
	.args = "",
	.summary = "version of the program",
	.opts = version_opts,
	.run = version_run,
};
