// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk list": the devices, as text for people and scripts or as JSON.
 *
 * Scripts rely on the places of the words in the first two lines of a device
 * (7: pid, 9: state). New facts get new lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cli.h"

/* How long one device may keep the others waiting. */
#define LIST_IDLE_MS	400

struct list_cfg {
	__u64 id;
	bool json;
};

/* What the driver and the run-state file have about a device. */
struct list_dev {
	const struct ublk_query *query;
	struct state state;
	bool has_state;
	bool has_daemon;	/* it has one, which wrote @state */
	char flags[512];
	char note[320];		/* what is missing, and why; or "" */
};

static const struct ublk_opt list_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_UINT,
		.offset = offsetof(struct list_cfg, id),
		.arg = "ID", .max = UBLK_ID_AUTO - 1,
		.help = "only this device",
	},
	{
		.name = "json", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct list_cfg, json),
		.help = "print JSON",
	},
	{ 0 }
};

/* Does the device wait for "ublk recover"? */
static bool list_waits(const struct ublksrv_ctrl_dev_info *info)
{
	return info->state == UBLK_S_DEV_QUIESCED ||
		info->state == UBLK_S_DEV_FAIL_IO;
}

static void list_make_note(struct list_dev *d)
{
	const struct ublksrv_ctrl_dev_info *info = &d->query->info;
	char cure[300];

	if (d->query->params_err == -ETIMEDOUT)
		snprintf(d->note, sizeof(d->note), "parameters are not known, another command holds the device; %s",
			 proc_cure(info->dev_id, info->ublksrv_pid, cure,
				   sizeof(cure)));
	else if (d->query->params_err)
		snprintf(d->note, sizeof(d->note), "parameters are not known: %s",
			 strerror(-d->query->params_err));
}

/* Return: 0; -ENODEV or another error of the driver with a message */
static int list_load(const struct ublk_query *q, struct list_dev *d)
{
	const struct ublksrv_ctrl_dev_info *info = &q->info;

	memset(d, 0, sizeof(*d));
	d->query = q;
	if (q->info_err || q->params_err == -ENODEV)
		return common_explain(q->id, q->info_err ? : -ENODEV);
	list_make_note(d);
	names_of_features(info->flags, d->flags, sizeof(d->flags));
	if (!state_read(q->id, &d->state)) {
		/*
		 * It may be of an earlier device; or of a daemon that died, and
		 * its successor could not write one.
		 */
		d->has_daemon = d->state.pid == info->ublksrv_pid;
		d->has_state = d->has_daemon ||
			((list_waits(info) ||
			  state_process_ended(d->state.pid)) &&
			 state_matches(&d->state, info));
		if (!d->has_state)
			state_free(&d->state);
	}
	return 0;
}

/* Return: thread id, or -1 if it is not known */
static pid_t list_tid(const struct list_dev *d, unsigned int q, unsigned int t)
{
	unsigned int i = q * d->state.io_threads + t;

	return d->has_daemon && i < d->state.nr_tids ? d->state.tids[i] : -1;
}

static void list_text_queues(struct ublk_ctrl *ctrl, const struct list_dev *d)
{
	union {
		cpu_set_t set;
		char bytes[1024];
	} cpus;
	unsigned int q, cpu, t;

	for (q = 0; q < d->query->info.nr_hw_queues; q++) {
		printf("\tqueue %u: tid %d affinity(", q, list_tid(d, q, 0));
		if (!ublk_ctrl_get_affinity(ctrl, d->query->id, q, &cpus.set,
					    sizeof(cpus)))
			for (cpu = 0; cpu < 8 * sizeof(cpus); cpu++)
				if (CPU_ISSET_S(cpu, sizeof(cpus), &cpus.set))
					printf("%u ", cpu);
		printf(")\n");
		for (t = 1; d->has_daemon && t < d->state.io_threads; t++)
			printf("\tthread %u of queue %u: tid %d\n", t, q,
			       list_tid(d, q, t));
	}
}

static void list_text(struct ublk_ctrl *ctrl, const struct list_dev *d)
{
	const struct ublksrv_ctrl_dev_info *i = &d->query->info;
	const struct ublk_param_basic *b = &d->query->params.basic;

	printf("dev id %u: nr_hw_queues %u queue_depth %u ", i->dev_id,
	       i->nr_hw_queues, i->queue_depth);
	if (d->query->params_err)
		printf("block size ? dev_capacity ?\n");
	else
		printf("block size %u dev_capacity %llu\n",
		       1U << b->logical_bs_shift,
		       (unsigned long long)b->dev_sectors);
	printf("\tmax rq size %u daemon pid %d state %s\n",
	       i->max_io_buf_bytes, i->ublksrv_pid, name_of_state(i->state));
	printf("\tflags 0x%llx [ %s ]\n", (unsigned long long)i->flags,
	       d->flags);
	list_text_queues(ctrl, d);
	printf("\tmode %s\n", mode_text(i->flags));
	if (d->has_state)
		printf("\ttarget %s%s\n", d->state.target_name,
		       d->state.target_text);
	if (*d->note)
		printf("\tnote: %s\n", d->note);
}

static json_t *list_json(const struct list_dev *d)
{
	const struct ublksrv_ctrl_dev_info *i = &d->query->info;
	const struct ublk_param_basic *b = &d->query->params.basic;
	bool known = !d->query->params_err;
	json_t *tids = json_array();
	unsigned int q;

	for (q = 0; d->has_daemon && q < d->state.nr_tids; q++)
		json_array_append_new(tids, json_integer(d->state.tids[q]));
	return json_pack("{s:i, s:i, s:i, s:o, s:o, s:I, s:i, s:s, s:I, s:s, s:s, s:i, s:o, s:s, s:s}",
			 "id", (int)i->dev_id,
			 "queues", (int)i->nr_hw_queues,
			 "depth", (int)i->queue_depth,
			 "block_size", known ?
			 json_integer(1 << b->logical_bs_shift) : json_null(),
			 "sectors", known ?
			 json_integer(b->dev_sectors) : json_null(),
			 "max_io_bytes", (json_int_t)i->max_io_buf_bytes,
			 "pid", (int)i->ublksrv_pid,
			 "state", name_of_state(i->state),
			 "flags", (json_int_t)i->flags,
			 "flag_names", d->flags,
			 "mode", mode_text(i->flags),
			 "io_threads", (int)(d->has_state ?
					     d->state.io_threads : 1),
			 "tids", tids,
			 "target", d->has_state ? d->state.target_name : "",
			 "note", d->note);
}

static int list_one(struct ublk_ctrl *ctrl, const struct ublk_query *q,
		    json_t *array)
{
	struct list_dev d;
	int ret;

	ret = list_load(q, &d);
	if (ret)
		return ret;
	if (array)
		json_array_append_new(array, list_json(&d));
	else
		list_text(ctrl, &d);
	state_free(&d.state);
	return 0;
}

static int list_by_id(struct ublk_ctrl *ctrl, __u32 id, json_t *array)
{
	struct ublk_query q = { .id = id };
	int ret = ublk_ctrl_query(ctrl, &q, 1, LIST_IDLE_MS);

	return ret ? : list_one(ctrl, &q, array);
}

/**
 * list_print - print one device as text
 * @ctrl: handle
 * @id: device
 *
 * Return: 0 or negative errno with a message
 */
int list_print(struct ublk_ctrl *ctrl, __u32 id)
{
	return list_by_id(ctrl, id, NULL);
}

/* Go on after a failure. Return: 0, or the last failure with its message */
static int list_queried(struct ublk_ctrl *ctrl, const struct ublk_query *q,
			int nr, json_t *array)
{
	int i, err, ret = 0;
	char text[1024];

	for (i = 0; i < nr; i++) {
		err = list_one(ctrl, &q[i], array);
		/* it was deleted in the meantime */
		if (!err || err == -ENODEV)
			continue;
		/* ordinary users see their own devices */
		if (geteuid() && (err == -EPERM || err == -EACCES))
			continue;
		if (ret)
			fprintf(stderr, "ublk: %s\n", text);
		snprintf(text, sizeof(text), "%s", ublk_strerror_last());
		ret = err;
	}
	return ret ? ublk_error(ret, "%s", text) : 0;
}

static int list_all(struct ublk_ctrl *ctrl, json_t *array)
{
	struct ublk_query *q = NULL;
	__u32 *ids;
	int nr, i, ret = 0;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return ublk_error(nr, "reading sysfs: %s", strerror(-nr));
	q = calloc(nr ? : 1, sizeof(*q));
	if (!q)
		ret = ublk_error(-ENOMEM, "out of memory");
	for (i = 0; i < nr && q; i++)
		q[i].id = ids[i];
	if (!ret && nr)
		ret = ublk_ctrl_query(ctrl, q, nr, LIST_IDLE_MS);
	if (!ret)
		ret = list_queried(ctrl, q, nr, array);
	free(q);
	free(ids);
	return ret;
}

static int list_run(int argc, char **argv)
{
	struct list_cfg cfg = { .id = UBLK_ID_AUTO };
	json_t *array = NULL;
	struct ublk_ctrl *ctrl;
	int ret;

	ret = cli_parse(&list_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	guard_enter();
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	if (cfg.json)
		array = json_array();
	ret = cfg.id == UBLK_ID_AUTO ? list_all(ctrl, array) :
		list_by_id(ctrl, cfg.id, array);
	ublk_ctrl_close(ctrl);
	if (!ret && array) {
		json_dumpf(array, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(array);
	return ret ? cli_fail(ret) : EXIT_OK;
}

const struct cli_command list_command = {
	.name = "list",
	.args = "[-n ID] [--json]",
	.summary = "show devices",
	.opts = list_opts,
	.run = list_run,
};
