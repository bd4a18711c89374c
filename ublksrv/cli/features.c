// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk features": what the loaded driver can do, and what it cannot.
 */
#include <stdint.h>
#include <string.h>

#include "cli.h"
#include "json.h"

static const struct ublk_opt features_opts[] = {
	{ 0 }
};

static void features_json(__u64 features)
{
	json_t *names = json_array();
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		const char *name = name_of_feature(bit);

		if (features & 1ULL << bit)
			json_array_append_new(names,
					      json_string(name ? : "unknown"));
	}
	/* A signed number: bit 63 is in the names only. */
	out_set("features", json_integer(features & INT64_MAX));
	out_set("feature_names", names);
}

static void print_offered(__u64 features)
{
	unsigned int bit;

	printf("ublk_drv features: 0x%llx\n", (unsigned long long)features);
	for (bit = 0; bit < 64; bit++) {
		const char *name = name_of_feature(bit);

		if (features & 1ULL << bit)
			printf("%-24s: 0x%llx\n", name ? name : "unknown",
			       1ULL << bit);
	}
}

/* A newer kernel cures it; for one feature, a kernel configured for it. */
static void print_missing(__u64 features)
{
	const char *heading = "not offered:\n";
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		const char *name = name_of_feature(bit);

		if (!name || features & 1ULL << bit)
			continue;
		if (since_of_feature(bit))
			printf("%s  %-22s: needs Linux %s%s\n", heading, name,
			       since_of_feature(bit),
			       1ULL << bit == UBLK_F_INTEGRITY ?
			       " with CONFIG_BLK_DEV_INTEGRITY" : "");
		else
			printf("%s  %-22s: needs the ublk_drv of this project\n",
			       heading, name);
		heading = "";
	}
}

static int features_run(int argc, char **argv)
{
	struct ublk_ctrl *ctrl;
	__u64 features;
	int ret;

	ret = cli_parse(&features_command, NULL, argc, argv);
	if (ret >= 0)
		return ret;
	guard_enter();
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	ret = ublk_ctrl_get_features(ctrl, &features);
	ublk_ctrl_close(ctrl);
	if (ret)
		return cli_fail(ublk_error(ret, "GET_FEATURES: %s",
					   strerror(-ret)));

	if (out_is_json()) {
		features_json(features);
		return EXIT_OK;
	}
	print_offered(features);
	print_missing(features);
	return EXIT_OK;
}

const struct cli_command features_command = {
	.name = "features",
	.args = "",
	.summary = "show what the loaded driver can do",
	.opts = features_opts,
	.run = features_run,
};
