/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What "ublk stat" and "ublk top" share: stat_set.c finds and reads the counters of
 * devices, stat_text.c prints them as tables, stat_json.c for --json.
 */
#ifndef UBLK_STAT_SET_H
#define UBLK_STAT_SET_H

#include <jansson.h>

#include "cli.h"

/* A thread with requests that has done nothing for so long is named. */
#define STAT_QUIET_NS	1000000000ULL

/**
 * struct stat_dev - a device and its counters
 * @id: number
 * @pid: its server, or 0
 * @reader: its counters, NULL if there are none
 * @name: of the device, or NULL
 * @why: why there are no counters, or ""
 * @nr: threads of all queues
 * @now: counters of the threads, queue by queue
 * @was: those of the time before; all 0 at first
 * @at: when @now was read, ns of CLOCK_MONOTONIC
 * @was_at: the same of @was; at first when the server began
 * @seen: stat_set_read() has met it
 */
struct stat_dev {
	__u32 id;
	pid_t pid;
	struct ublk_stat_reader *reader;
	char *name;
	char why[300];
	unsigned int nr;
	struct ublk_stat *now, *was;
	__u64 at, was_at;
	bool seen;
};

/**
 * struct stat_set - devices that are watched
 * @names: those that the user has named, ends with NULL; or NULL for all
 * @devs: devices
 * @nr: how many
 */
struct stat_set {
	char **names;
	struct stat_dev *devs;
	unsigned int nr;
};

/**
 * stat_set_read - read the counters of all devices that there are now
 * @set: devices; what was read before becomes @was
 *
 * Takes a second longer if a thread with requests seems to do nothing and the counters
 * do not say whether it has made a turn meanwhile: not every turn is timed. In @now,
 * turn is when the last turn began that is known of.
 *
 * Return: 0; or negative errno with a message, also if a device that was named has no
 * counters
 */
int stat_set_read(struct stat_set *set);

/**
 * stat_set_free - let go of all devices
 * @set: devices
 */
void stat_set_free(struct stat_set *set);

/**
 * stat_diff - counters of a time
 * @d: device with counters
 * @thread: which of its threads
 * @sum: what has been counted since @d->was is added
 */
void stat_diff(const struct stat_dev *d, unsigned int thread,
	       struct ublk_stat *sum);

/**
 * stat_in_flight - requests that a thread has
 * @s: its counters, or a sum of such
 *
 * Return: how many
 */
__u64 stat_in_flight(const struct ublk_stat *s);

/**
 * stat_at_driver - requests that the driver has, with those of the server
 * @id: device
 *
 * Return: how many, or -1 if it is not known
 */
long stat_at_driver(__u32 id);

/**
 * stat_percentile - the latency that a part of the requests did not exceed
 * @latency: counts as in struct ublk_stat
 * @part: 0..1
 *
 * Return: ns; the true one is up to twice as high or half as low
 */
double stat_percentile(const __u64 *latency, double part);

/**
 * stat_text - print tables
 * @out: stream
 * @set: devices
 * @rates: per second since the last stat_set_read(), not in total
 * @histogram: also how many requests took how long
 */
void stat_text(FILE *out, const struct stat_set *set, bool rates,
	       bool histogram);

/**
 * stat_json - add devices to the document of --json
 * @set: devices
 * @report: number of the report, from 0
 */
void stat_json(const struct stat_set *set, unsigned int report);

#endif
