// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk stat": what devices have done since their servers began, or do per second.
 */
#include <errno.h>
#include <time.h>

#include "json.h"
#include "opt.h"
#include "stat_set.h"

struct stat_cfg {
	char **devices;
	__u64 interval;
	__u64 count;
	bool histogram;
};

static const struct ublk_opt stat_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_LIST,
		.offset = offsetof(struct stat_cfg, devices),
		.arg = "ID", .help = "only this device; may be repeated",
	},
	{
		.name = "interval", .letter = 'i', .type = UBLK_OPT_UINT,
		.offset = offsetof(struct stat_cfg, interval),
		.arg = "SECONDS", .max = 86400,
		.help = "what is done per second in this time, again and again",
	},
	{
		.name = "count", .letter = 'c', .type = UBLK_OPT_UINT,
		.offset = offsetof(struct stat_cfg, count),
		.arg = "N", .max = 1000000,
		.help = "so many reports, then end",
	},
	{
		.name = "histogram", .letter = 'H', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct stat_cfg, histogram),
		.help = "also how many requests took how long",
	},
	{ 0 }
};

/* Reports keep their distance, however long one takes. */
static void stat_wait(struct timespec *next, __u64 seconds)
{
	next->tv_sec += seconds;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
}

static int stat_report(const struct stat_cfg *cfg, struct stat_set *set)
{
	struct timespec next;
	__u64 i, nr = cfg->count;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &next);
	ret = stat_set_read(set);
	/* a document has an end */
	if (!cfg->interval || (!nr && out_is_json()))
		nr = 1;
	for (i = 0; !ret && (!nr || i < nr); i++) {
		if (cfg->interval) {
			stat_wait(&next, cfg->interval);
			ret = stat_set_read(set);
		}
		if (ret)
			break;
		if (out_is_json()) {
			stat_json(set, i);
			continue;
		}
		if (i)
			putchar('\n');
		stat_text(stdout, set, cfg->interval, cfg->histogram);
		if (!cli_flush())
			break;
	}
	return ret;
}

static int stat_run(int argc, char **argv)
{
	struct stat_cfg cfg = { 0 };
	struct opt_table table = { .opts = stat_opts, .base = &cfg };
	struct stat_set set = { 0 };
	int ret;

	ret = cli_parse(&stat_command, &cfg, argc, argv);
	if (ret < 0 && cfg.count > 1 && !cfg.interval) {
		ublk_error(-EINVAL, "--count needs --interval: how far are the reports apart?");
		ret = cli_usage(&stat_command);
	} else if (ret < 0) {
		out_set("stats", json_array());
		set.names = cfg.devices;
		ret = stat_report(&cfg, &set);
		ret = ret ? cli_fail(ret) : EXIT_OK;
		stat_set_free(&set);
	}
	opt_free(&table);
	return ret;
}

const struct cli_command stat_command = {
	.name = "stat",
	.aliases = "stats|iostat",
	.args = "[ID...] [-i SECONDS] [-c N] [-H]",
	.summary = "count requests, bytes and latencies of devices",
	.opts = stat_opts,
	.run = stat_run,
};
