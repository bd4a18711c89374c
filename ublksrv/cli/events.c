// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk events": what happens to devices, a line each, as it happens.
 *
 * A sign (events_source.c, or the end of a daemon) says which device to look at;
 * the difference to what was known of it is the event (events_dev.c).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "events.h"
#include "json.h"
#include "opt.h"
#include "procfs.h"

#define NS_PER_MS	1000000ULL
#define OWN_FDS		3	/* before those of daemons */

struct events_cfg {
	__u64 id;
	__u64 count;
	__u64 timeout;
	bool present;
};

static const struct ublk_opt events_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct events_cfg, id),
		.arg = "ID", .help = "only this device",
	},
	{
		.name = "present", .letter = 'p', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct events_cfg, present),
		.help = "first a line for each device that there is",
	},
	{
		.name = "count", .letter = 'c', .type = UBLK_OPT_UINT,
		.offset = offsetof(struct events_cfg, count),
		.arg = "N", .max = 1000000,
		.help = "end after so many events",
	},
	{
		.name = "timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct events_cfg, timeout),
		.arg = "SECONDS", .max = 86400 * 365,
		.help = "end after this time",
	},
	{ 0 }
};

/* What is followed. */
struct events {
	const struct events_cfg *cfg;
	struct ublk_ctrl *ctrl;
	struct events_source source;
	struct events_dev *devs;
	unsigned int nr;
	__u64 printed;
	__u64 end;		/* ns, 0 for never */
	bool broken;		/* standard output */
	int err;
};

/* RFC 3339, milliseconds, local time. */
static void events_time(char *buf, size_t len)
{
	struct timespec ts;
	struct tm tm;
	char day[32], zone[16];

	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(buf, len, "%s.%03ld%.3s:%s", day, ts.tv_nsec / 1000000, zone,
		 zone + 3);
}

static void events_print_json(const struct events_dev *d, const char *at,
			      enum events_kind kind)
{
	const struct events_facts *k = &d->known;
	char node[32];
	json_t *obj;

	snprintf(node, sizeof(node), "/dev/ublkb%u", d->id);
	obj = json_pack("{s:s, s:s, s:I, s:s, s:o, s:s, s:i, s:o}",
			"time", at, "event", events_name(kind),
			"id", (json_int_t)d->id, "node", node,
			"name", d->name ? json_string(d->name) : json_null(),
			"state", name_of_state(k->state),
			"pid", (int)(k->pid ? : -1), "sectors",
			k->sectors ? json_integer(k->sectors) : json_null());
	out_line("event", obj);
}

static void events_print(void *arg, const struct events_dev *d,
			 enum events_kind kind)
{
	struct events *e = arg;
	char at[64];

	/* the others of a burst */
	if (e->cfg->count && e->printed >= e->cfg->count)
		return;
	e->printed++;
	events_time(at, sizeof(at));
	if (out_is_json())
		events_print_json(d, at, kind);
	else
		printf("%s dev %u %s state %s pid %d sectors %llu%s%s\n", at,
		       d->id, events_name(kind), name_of_state(d->known.state),
		       (int)(d->known.pid ? : -1),
		       (unsigned long long)d->known.sectors,
		       d->name ? " name " : "", d->name ? : "");
	e->broken = !cli_flush();
}

static struct events_dev *events_find(struct events *e, __u32 id)
{
	unsigned int i;

	for (i = 0; i < e->nr; i++)
		if (e->devs[i].id == id)
			return &e->devs[i];
	return NULL;
}

static bool events_wanted(const struct events *e, __u32 id)
{
	return e->cfg->id == UBLK_ID_AUTO || e->cfg->id == id;
}

/* Return: device, NULL without memory */
static struct events_dev *events_new(struct events *e, __u32 id)
{
	struct events_dev *grown, *d;

	grown = realloc(e->devs, (e->nr + 1) * sizeof(*grown));
	if (!grown) {
		e->err = ublk_error(-ENOMEM, "dev %u: out of memory", id);
		return NULL;
	}
	e->devs = grown;
	d = &grown[e->nr++];
	events_dev_init(d, id);
	d->watch = events_source_watch(&e->source, id);
	return d;
}

static void events_drop(struct events *e, struct events_dev *d)
{
	events_dev_removed(d, events_print, e);
	events_dev_close(d);
	*d = e->devs[--e->nr];
}

/* Neither the driver nor a server is waited for. */
static __u64 events_sectors(__u32 id)
{
	char path[64], line[32];
	__u64 val;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/size", id);
	if (!procfs_line(path, line, sizeof(line)))
		return 0;
	line[strcspn(line, "\n")] = 0;
	return opt_uint(line, &val) ? 0 : val;
}

static void events_read_name(struct events_dev *d)
{
	struct state st;

	if (state_read(d->id, &st))
		return;
	free(d->name);
	d->name = st.name ? strdup(st.name) : NULL;
	state_free(&st);
}

/* A device that is gone is reported by its uevent. */
static bool events_facts(struct events *e, struct events_dev *d,
			 struct events_facts *facts)
{
	struct ublksrv_ctrl_dev_info info;

	if (ublk_ctrl_get_info(e->ctrl, d->id, &info))
		return false;
	*facts = (struct events_facts){
		.state = info.state, .sectors = events_sectors(d->id),
	};
	if (info.state == UBLK_S_DEV_LIVE && info.ublksrv_pid > 0)
		facts->pid = info.ublksrv_pid;
	if (facts->pid != d->known.pid)
		events_read_name(d);
	return true;
}

static void events_no_report(void *arg, const struct events_dev *d,
			     enum events_kind kind)
{
	(void)arg;
	(void)d;
	(void)kind;
}

static void events_look(struct events *e, struct events_dev *d)
{
	struct events_facts facts;
	bool answered;

	if (d->watch < 0)
		d->watch = events_source_watch(&e->source, d->id);
	answered = events_facts(e, d, &facts);
	/* the driver says so some time before the disk is there */
	if (answered && (facts.state != UBLK_S_DEV_LIVE || facts.sectors ||
			 !d->looks))
		events_dev_update(d, &facts, events_print, e);
	events_dev_looked(d, answered, common_now_ns());
}

/* One that was there before this process. */
static void events_meet(struct events *e, __u32 id)
{
	struct events_dev *d = events_new(e, id);
	struct events_facts facts;

	if (!d)
		return;
	if (events_facts(e, d, &facts))
		events_dev_update(d, &facts, events_no_report, NULL);
	/* it may be changing right now */
	events_dev_sign(d, EVENTS_SIGN_NONE, common_now_ns());
	if (e->cfg->present)
		events_print(e, d, EVENTS_PRESENT);
}

static int events_begin(struct events *e)
{
	__u32 *ids;
	int nr, i;

	nr = devnodes_list(&ids);
	for (i = 0; i < nr && !e->err; i++)
		if (events_wanted(e, ids[i]))
			events_meet(e, ids[i]);
	free(ids);
	return nr < 0 ? nr : e->err;
}

static void events_add(struct events *e, __u32 id)
{
	struct events_dev *d = events_find(e, id);

	if (!d) {
		d = events_new(e, id);
		if (d)
			events_print(e, d, EVENTS_ADDED);
	}
	if (d)
		events_dev_sign(d, EVENTS_SIGN_CHAR_ADD, common_now_ns());
}

/* Signs were lost: what is there now? */
static void events_rescan(struct events *e)
{
	unsigned int i, k;
	__u32 *ids;
	int nr = devnodes_list(&ids);

	if (nr < 0)
		e->err = nr;
	for (i = 0; nr >= 0 && i < e->nr;) {
		for (k = 0; k < (unsigned int)nr && ids[k] != e->devs[i].id; k++)
			;
		if (k < (unsigned int)nr)
			i++;
		else
			events_drop(e, &e->devs[i]);
	}
	for (k = 0; nr > 0 && k < (unsigned int)nr; k++)
		if (events_wanted(e, ids[k]))
			events_add(e, ids[k]);
	free(ids);
}

static void events_handle(struct events *e, const struct events_sign *sign)
{
	struct events_facts none = { .state = UBLK_S_DEV_DEAD };
	struct events_dev *d;

	if (sign->kind == EVENTS_SIGN_LOST) {
		events_rescan(e);
		return;
	}
	if (!events_wanted(e, sign->id))
		return;
	if (sign->kind == EVENTS_SIGN_CHAR_ADD) {
		events_add(e, sign->id);
		return;
	}
	d = events_find(e, sign->id);
	if (!d)
		return;
	if (sign->kind == EVENTS_SIGN_CHAR_REMOVE) {
		events_drop(e, d);
		return;
	}
	events_dev_sign(d, sign->kind, common_now_ns());
	/* it may be deleted before the next look */
	if (sign->kind == EVENTS_SIGN_DISK_REMOVE)
		events_dev_update(d, &none, events_print, e);
}

static void events_opened(void *arg, int watch, enum events_sign_kind kind)
{
	struct events *e = arg;
	unsigned int i;

	if (kind == EVENTS_SIGN_LOST)
		events_rescan(e);
	for (i = 0; i < e->nr; i++)
		if (watch >= 0 && e->devs[i].watch == watch)
			events_dev_sign(&e->devs[i], kind, common_now_ns());
}

/* Return: ms until the next look or the end, -1 for ever */
static int events_wait_ms(const struct events *e, __u64 now)
{
	__u64 next = e->end, ms;
	unsigned int i;

	for (i = 0; i < e->nr; i++)
		if (e->devs[i].next && (!next || e->devs[i].next < next))
			next = e->devs[i].next;
	if (!next)
		return -1;
	ms = next > now ? (next - now + NS_PER_MS - 1) / NS_PER_MS : 0;
	return ms > 1000000 ? 1000000 : (int)ms;
}

/* Wait for signs, and take down which daemons have ended. */
static int events_poll(struct events *e)
{
	struct pollfd *p = calloc(OWN_FDS + e->nr, sizeof(*p));
	struct events_sign sign;
	unsigned int i, nr = e->nr;

	if (!p)
		return ublk_error(-ENOMEM, "/dev/ublkc*: out of memory");
	p[0] = (struct pollfd){ .fd = e->source.uevents, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = e->source.opens, .events = POLLIN };
	/* has the reader of a pipe gone? */
	p[2] = (struct pollfd){ .fd = STDOUT_FILENO };
	for (i = 0; i < nr; i++)
		p[OWN_FDS + i] = (struct pollfd){
			.fd = e->devs[i].pidfd, .events = POLLIN,
		};
	poll(p, OWN_FDS + nr, events_wait_ms(e, common_now_ns()));
	if (p[2].revents & POLLERR)
		raise(SIGPIPE);
	for (i = 0; i < nr; i++) {
		if (!p[OWN_FDS + i].revents)
			continue;
		events_dev_daemon_gone(&e->devs[i], events_print, e);
		events_dev_sign(&e->devs[i], EVENTS_SIGN_CLOSE, common_now_ns());
	}
	free(p);
	if (e->source.opens >= 0)
		events_source_opens(&e->source, events_opened, e);
	while (events_source_uevent(&e->source, &sign))
		events_handle(e, &sign);
	return e->err;
}

static bool events_enough(const struct events *e, __u64 now)
{
	return e->broken || (e->end && now >= e->end) ||
		(e->cfg->count && e->printed >= e->cfg->count);
}

static int events_too_few(const struct events *e)
{
	char who[32] = "all devices";

	if (e->cfg->id != UBLK_ID_AUTO)
		snprintf(who, sizeof(who), "dev %u", (unsigned int)e->cfg->id);
	return ublk_error(-ETIMEDOUT, "%s: %llu of %llu events in %llu s; \"ublk list\" shows how it is now",
			  who, (unsigned long long)e->printed,
			  (unsigned long long)e->cfg->count,
			  (unsigned long long)e->cfg->timeout);
}

static int events_follow(struct events *e)
{
	unsigned int i;
	int ret;

	if (e->cfg->timeout)
		e->end = common_now_ns() + e->cfg->timeout * 1000 * NS_PER_MS;
	ret = events_begin(e);
	while (!ret && !events_enough(e, common_now_ns())) {
		ret = events_poll(e);
		for (i = 0; !ret && i < e->nr; i++)
			if (e->devs[i].next &&
			    e->devs[i].next <= common_now_ns())
				events_look(e, &e->devs[i]);
	}
	if (!ret && e->cfg->count && e->printed < e->cfg->count && !e->broken)
		ret = events_too_few(e);
	for (i = 0; i < e->nr; i++)
		events_dev_close(&e->devs[i]);
	free(e->devs);
	return ret;
}

static int events_run(int argc, char **argv)
{
	struct events_cfg cfg = { .id = UBLK_ID_AUTO };
	struct events e = { .cfg = &cfg };
	int ret;

	ret = cli_parse(&events_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	out_lines();
	ret = ublk_ctrl_open(&e.ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(e.ctrl, CLI_QUERY_MS);
	/* before the devices that there are: none is missed in between */
	ret = events_source_open(&e.source);
	if (!ret) {
		ret = events_follow(&e);
		events_source_close(&e.source);
	}
	ublk_ctrl_close(e.ctrl);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command events_command = {
	.name = "events",
	.aliases = "monitor|watch",
	.args = "[-n ID] [-p] [-c N] [--timeout SECONDS]",
	.summary = "follow what happens to devices",
	.opts = events_opts,
	.run = events_run,
};
