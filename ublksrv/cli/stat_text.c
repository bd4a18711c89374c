// SPDX-License-Identifier: GPL-2.0
/*
 * Tables of "ublk stat" and "ublk top": for each device a line that says what it is,
 * and a line of counters for each thread of its queues, then one for all. A line of
 * counters fits into 80 columns.
 */
#include <string.h>

#include "stat_set.h"

static const char * const op_names[UBLK_STAT_OPS] = {
	[UBLK_STAT_READ]	 = "read",
	[UBLK_STAT_WRITE]	 = "write",
	[UBLK_STAT_FLUSH]	 = "flush",
	[UBLK_STAT_DISCARD]	 = "discard",
	[UBLK_STAT_WRITE_ZEROES] = "write-zeroes",
	[UBLK_STAT_OTHER]	 = "other",
};

/* A number with at most four digits and its unit. */
static const char *stat_short(double val, unsigned int base,
			      const char * const *units, char *buf, size_t len)
{
	unsigned int i = 0;

	for (; val >= base && units[i + 1]; i++)
		val /= base;
	snprintf(buf, len, val < 10 && i ? "%.1f%s" : "%.0f%s", val, units[i]);
	return buf;
}

static const char *stat_count(double val, char *buf, size_t len)
{
	static const char * const units[] = { "", "k", "M", "G", "T", NULL };

	/* exact as long as it fits */
	if (val < 100000) {
		snprintf(buf, len, "%.0f", val);
		return buf;
	}
	return stat_short(val, 1000, units, buf, len);
}

static const char *stat_bytes(double val, char *buf, size_t len)
{
	static const char * const units[] = {
		"", "K", "M", "G", "T", "P", NULL
	};

	return stat_short(val, 1024, units, buf, len);
}

static const char *stat_ns(double val, char *buf, size_t len)
{
	static const char * const units[] = { "ns", "us", "ms", "s", NULL };

	return stat_short(val, 1000, units, buf, len);
}

static void stat_head(FILE *out, const struct stat_dev *d)
{
	const struct ublk_stat_info *info = ublk_stat_get_info(d->reader);
	long held = stat_at_driver(d->id);

	fprintf(out, "dev %u: ", d->id);
	if (d->name)
		fprintf(out, "%s, ", d->name);
	fprintf(out, "%s, mode %s, %u queue%s, depth %u, process %d %s for %llu s",
		info->target, mode_text(info->flags), info->nr_queues,
		info->nr_queues > 1 ? "s" : "", info->depth, d->pid,
		proc_state_text(d->pid),
		(unsigned long long)(d->at - info->started) / 1000000000);
	if (held >= 0)
		fprintf(out, ", %ld in flight", held);
	fputc('\n', out);
}

static void stat_titles(FILE *out, bool rates)
{
	fprintf(out, "  %-5s %7s %7s %7s %7s %7s %4s %4s %4s %5s %5s %5s\n",
		"QUEUE", rates ? "READ/s" : "READS", rates ? "WRITE/s" : "WRITES",
		rates ? "OTHER/s" : "OTHERS", rates ? "READB/s" : "READB",
		rates ? "WRITB/s" : "WRITB", "ERR", "NOW", "MAX", "P50",
		"P99", "P99.9");
}

/* Counts of all operations. */
static void stat_all_latency(const struct ublk_stat *s, __u64 *latency)
{
	unsigned int op, i;

	memset(latency, 0, sizeof(s->ops[0].latency));
	for (op = 0; op < UBLK_STAT_OPS; op++)
		for (i = 0; i < UBLK_STAT_BUCKETS; i++)
			latency[i] += s->ops[op].latency[i];
}

static void stat_row(FILE *out, const char *label, const struct ublk_stat *s,
		     double seconds)
{
	double reads = s->ops[UBLK_STAT_READ].requests;
	double writes = s->ops[UBLK_STAT_WRITE].requests;
	double all = 0, errors = 0;
	__u64 latency[UBLK_STAT_BUCKETS];
	char buf[11][16];
	unsigned int op;

	for (op = 0; op < UBLK_STAT_OPS; op++) {
		all += s->ops[op].requests;
		errors += s->ops[op].errors;
	}
	stat_all_latency(s, latency);
	fprintf(out, "  %-5s %7s %7s %7s %7s %7s %4s %4s %4s %5s %5s %5s\n", label,
		stat_count(reads / seconds, buf[0], 16),
		stat_count(writes / seconds, buf[1], 16),
		stat_count((all - reads - writes) / seconds, buf[2], 16),
		stat_bytes(s->ops[UBLK_STAT_READ].bytes / seconds, buf[3], 16),
		stat_bytes(s->ops[UBLK_STAT_WRITE].bytes / seconds, buf[4], 16),
		stat_count(errors, buf[5], 16),
		stat_count(stat_in_flight(s), buf[6], 16),
		stat_count(s->max_in_flight, buf[7], 16),
		stat_ns(stat_percentile(latency, .5), buf[8], 16),
		stat_ns(stat_percentile(latency, .99), buf[9], 16),
		stat_ns(stat_percentile(latency, .999), buf[10], 16));
}

static void stat_label(const struct ublk_stat_info *info, unsigned int i,
		       char *buf, size_t len)
{
	if (info->nr_threads > 1)
		snprintf(buf, len, "%u.%u", i / info->nr_threads,
			 i % info->nr_threads);
	else
		snprintf(buf, len, "%u", i);
}

/* The threads that have requests and do nothing. */
static void stat_quiet(FILE *out, const struct stat_dev *d)
{
	const struct ublk_stat_info *info = ublk_stat_get_info(d->reader);
	unsigned int i;
	char label[24];

	for (i = 0; i < d->nr; i++) {
		const struct ublk_stat *s = &d->now[i];

		if (!stat_in_flight(s) || d->at < s->turn + STAT_QUIET_NS)
			continue;
		stat_label(info, i, label, sizeof(label));
		fprintf(out, "  queue %s: the thread has not taken a turn for %.1f s; it or the store has %llu of the requests\n",
			label, (d->at - s->turn) / 1e9,
			(unsigned long long)stat_in_flight(s));
	}
}

static void stat_histogram(FILE *out, const struct ublk_stat *s)
{
	char from[16], to[16];
	unsigned int op, i;

	for (op = 0; op < UBLK_STAT_OPS; op++) {
		if (!s->ops[op].measured)
			continue;
		fprintf(out, "  latency of %s: %llu of %llu requests measured\n",
			op_names[op],
			(unsigned long long)s->ops[op].measured,
			(unsigned long long)s->ops[op].requests);
		for (i = 0; i < UBLK_STAT_BUCKETS; i++)
			if (s->ops[op].latency[i])
				fprintf(out, "    %6s .. %-6s %10llu\n",
					stat_ns(i ? 1ULL << i : 0, from, 16),
					stat_ns(2ULL << i, to, 16),
					(unsigned long long)s->ops[op].latency[i]);
	}
}

static void stat_dev_text(FILE *out, const struct stat_dev *d, bool rates,
			  bool histogram)
{
	const struct ublk_stat_info *info = ublk_stat_get_info(d->reader);
	double seconds = rates ? (d->at - d->was_at) / 1e9 : 1;
	struct ublk_stat all = { 0 };
	unsigned int i;
	char label[24];

	stat_head(out, d);
	stat_titles(out, rates);
	for (i = 0; i < d->nr; i++) {
		struct ublk_stat one = { 0 };

		stat_diff(d, i, &one);
		stat_diff(d, i, &all);
		stat_label(info, i, label, sizeof(label));
		stat_row(out, label, &one, seconds);
	}
	if (d->nr > 1)
		stat_row(out, "all", &all, seconds);
	stat_quiet(out, d);
	if (histogram)
		stat_histogram(out, &all);
}

void stat_text(FILE *out, const struct stat_set *set, bool rates,
	       bool histogram)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		if (set->devs[i].reader)
			stat_dev_text(out, &set->devs[i], rates, histogram);
		else
			fprintf(out, "%s\n", set->devs[i].why);
	}
}
