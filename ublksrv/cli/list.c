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

struct list_cfg {
	__u64 id;
	bool json;
};

/* What the driver and the run-state file have about a device. */
struct list_dev {
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	struct state state;
	bool has_state;
	bool has_daemon;	/* it has one, which wrote @state */
	char flags[512];
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

static int list_load(struct ublk_ctrl *ctrl, __u32 id, struct list_dev *d)
{
	int ret;

	memset(d, 0, sizeof(*d));
	ret = ublk_ctrl_get_info(ctrl, id, &d->info);
	if (!ret)
		ret = ublk_ctrl_get_params(ctrl, id, &d->params);
	if (ret)
		return common_explain(id, ret);
	names_of_features(d->info.flags, d->flags, sizeof(d->flags));
	if (!state_read(id, &d->state)) {
		/*
		 * It may be of an earlier device; or of a daemon that died, and
		 * its successor could not write one.
		 */
		d->has_daemon = d->state.pid == d->info.ublksrv_pid;
		d->has_state = d->has_daemon ||
			((list_waits(&d->info) ||
			  state_process_ended(d->state.pid)) &&
			 state_matches(&d->state, &d->info));
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

	for (q = 0; q < d->info.nr_hw_queues; q++) {
		printf("\tqueue %u: tid %d affinity(", q, list_tid(d, q, 0));
		if (!ublk_ctrl_get_affinity(ctrl, d->info.dev_id, q, &cpus.set,
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
	const struct ublksrv_ctrl_dev_info *i = &d->info;
	const struct ublk_param_basic *b = &d->params.basic;

	printf("dev id %u: nr_hw_queues %u queue_depth %u block size %u dev_capacity %llu\n",
	       i->dev_id, i->nr_hw_queues, i->queue_depth,
	       1U << b->logical_bs_shift, (unsigned long long)b->dev_sectors);
	printf("\tmax rq size %u daemon pid %d state %s\n",
	       i->max_io_buf_bytes, i->ublksrv_pid, name_of_state(i->state));
	printf("\tflags 0x%llx [ %s ]\n", (unsigned long long)i->flags,
	       d->flags);
	list_text_queues(ctrl, d);
	printf("\tmode %s\n", mode_text(i->flags));
	if (d->has_state)
		printf("\ttarget %s%s\n", d->state.target_name,
		       d->state.target_text);
}

static json_t *list_json(const struct list_dev *d)
{
	const struct ublksrv_ctrl_dev_info *i = &d->info;
	const struct ublk_param_basic *b = &d->params.basic;
	json_t *tids = json_array();
	unsigned int q;

	for (q = 0; d->has_daemon && q < d->state.nr_tids; q++)
		json_array_append_new(tids, json_integer(d->state.tids[q]));
	return json_pack("{s:i, s:i, s:i, s:i, s:I, s:I, s:i, s:s, s:I, s:s, s:s, s:i, s:o, s:s}",
			 "id", (int)i->dev_id,
			 "queues", (int)i->nr_hw_queues,
			 "depth", (int)i->queue_depth,
			 "block_size", 1 << b->logical_bs_shift,
			 "sectors", (json_int_t)b->dev_sectors,
			 "max_io_bytes", (json_int_t)i->max_io_buf_bytes,
			 "pid", (int)i->ublksrv_pid,
			 "state", name_of_state(i->state),
			 "flags", (json_int_t)i->flags,
			 "flag_names", d->flags,
			 "mode", mode_text(i->flags),
			 "io_threads", (int)(d->has_state ?
					     d->state.io_threads : 1),
			 "tids", tids,
			 "target", d->has_state ? d->state.target_name : "");
}

int list_print(struct ublk_ctrl *ctrl, __u32 id)
{
	struct list_dev d;
	int ret = list_load(ctrl, id, &d);

	if (ret)
		return ret;
	list_text(ctrl, &d);
	state_free(&d.state);
	return 0;
}

static int list_one(struct ublk_ctrl *ctrl, __u32 id, json_t *array)
{
	struct list_dev d;
	int ret;

	if (!array)
		return list_print(ctrl, id);
	ret = list_load(ctrl, id, &d);
	if (ret)
		return ret;
	json_array_append_new(array, list_json(&d));
	state_free(&d.state);
	return 0;
}

static int list_all(struct ublk_ctrl *ctrl, json_t *array)
{
	__u32 *ids;
	int nr, i, ret = 0;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return ublk_error(nr, "reading sysfs: %s", strerror(-nr));
	for (i = 0; i < nr && !ret; i++) {
		ret = list_one(ctrl, ids[i], array);
		/* it was deleted in the meantime */
		if (ret == -ENODEV)
			ret = 0;
		/* ordinary users see their own devices */
		if (geteuid() && (ret == -EPERM || ret == -EACCES))
			ret = 0;
	}
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
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	if (cfg.json)
		array = json_array();
	ret = cfg.id == UBLK_ID_AUTO ? list_all(ctrl, array) :
		list_one(ctrl, cfg.id, array);
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
