// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk stat --json": the member "stats", an array with each device of each report.
 * ublksrv/etc/ublk.schema.json describes it.
 */
#include "json.h"
#include "stat_set.h"

static const char * const op_keys[UBLK_STAT_OPS] = {
	[UBLK_STAT_READ]	 = "read",
	[UBLK_STAT_WRITE]	 = "write",
	[UBLK_STAT_FLUSH]	 = "flush",
	[UBLK_STAT_DISCARD]	 = "discard",
	[UBLK_STAT_WRITE_ZEROES] = "write_zeroes",
	[UBLK_STAT_OTHER]	 = "other",
};

static json_t *stat_json_op(const struct ublk_stat *s, unsigned int op)
{
	const __u64 *latency = s->ops[op].latency;
	json_t *counts = json_array();
	unsigned int i, nr;

	for (nr = UBLK_STAT_BUCKETS; nr && !latency[nr - 1];)
		nr--;
	for (i = 0; i < nr; i++)
		json_array_append_new(counts, json_integer(latency[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
			 "requests", (json_int_t)s->ops[op].requests,
			 "bytes", (json_int_t)s->ops[op].bytes,
			 "errors", (json_int_t)s->ops[op].errors,
			 "measured", (json_int_t)s->ops[op].measured,
			 "p50_ns", (json_int_t)stat_percentile(latency, .5),
			 "p90_ns", (json_int_t)stat_percentile(latency, .9),
			 "p99_ns", (json_int_t)stat_percentile(latency, .99),
			 "p999_ns", (json_int_t)stat_percentile(latency, .999),
			 "log2_ns", counts);
}

static json_t *stat_json_thread(const struct stat_dev *d, unsigned int i)
{
	const struct ublk_stat_info *info = ublk_stat_get_info(d->reader);
	const struct ublk_stat *now = &d->now[i];
	struct ublk_stat s = { 0 };
	json_t *obj;
	unsigned int op;

	stat_diff(d, i, &s);
	obj = json_pack("{s:i, s:i, s:I, s:I, s:f}",
			"queue", (int)(i / info->nr_threads),
			"thread", (int)(i % info->nr_threads),
			"in_flight", (json_int_t)stat_in_flight(now),
			"max_in_flight", (json_int_t)now->max_in_flight,
			"quiet_seconds", now->turn && d->at > now->turn ?
			(d->at - now->turn) / 1e9 : 0.0);
	for (op = 0; obj && op < UBLK_STAT_OPS; op++)
		json_object_set_new(obj, op_keys[op], stat_json_op(&s, op));
	return obj;
}

static void stat_json_counters(json_t *obj, const struct stat_dev *d)
{
	const struct ublk_stat_info *info = ublk_stat_get_info(d->reader);
	json_t *threads = json_array();
	unsigned int i;

	for (i = 0; i < d->nr; i++)
		json_array_append_new(threads, stat_json_thread(d, i));
	json_object_set_new(obj, "target", json_string(info->target));
	json_object_set_new(obj, "mode", json_string(mode_text(info->flags)));
	json_object_set_new(obj, "queues", json_integer(info->nr_queues));
	json_object_set_new(obj, "depth", json_integer(info->depth));
	json_object_set_new(obj, "io_threads", json_integer(info->nr_threads));
	json_object_set_new(obj, "server", json_string(proc_state_text(d->pid)));
	json_object_set_new(obj, "seconds",
			    json_real((d->at - d->was_at) / 1e9));
	json_object_set_new(obj, "threads", threads);
}

static json_t *stat_json_dev(const struct stat_dev *d, unsigned int report)
{
	long held = stat_at_driver(d->id);
	char node[32];
	json_t *obj;

	snprintf(node, sizeof(node), "/dev/ublkb%u", d->id);
	obj = json_pack("{s:i, s:I, s:s, s:o, s:i, s:o, s:s}",
			"report", (int)report, "id", (json_int_t)d->id,
			"node", node, "name",
			d->name ? json_string(d->name) : json_null(),
			"pid", (int)(d->pid ? : -1), "in_flight",
			held < 0 ? json_null() : json_integer(held),
			"note", d->why);
	if (obj && d->reader)
		stat_json_counters(obj, d);
	return obj;
}

void stat_json(const struct stat_set *set, unsigned int report)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		out_append("stats", stat_json_dev(&set->devs[i], report));
}
