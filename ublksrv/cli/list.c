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
#include <sys/stat.h>

#include "disk.h"
#include "guardian.h"
#include "json.h"
#include "list.h"
#include "opt.h"
#include "talk.h"

/* How long one device may keep the others waiting. */
#define LIST_IDLE_MS	400

struct list_cfg {
	__u64 id;
	char *file;
	bool verbose;
	void (*show)(void *arg, const struct list_dev *d);	/* or NULL */
	void *arg;
};

static const struct ublk_opt list_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n',
		.type = UBLK_OPT_DEVICE, .flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct list_cfg, id),
		.arg = "ID", .help = "only this device",
	},
	{
		.name = "associated", .letter = 'j', .type = UBLK_OPT_PATH,
		.offset = offsetof(struct list_cfg, file),
		.arg = "FILE", .help = "only devices with this file",
	},
	{
		.name = "verbose", .letter = 'v', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct list_cfg, verbose),
		.help = "also who uses the disk, and what the daemon has",
	},
	{ 0 }
};

/* @err: of state_read_of() */
static void list_note_record(struct list_dev *d, int err)
{
	__u32 id = d->query->id;

	if (!*d->note && err == -EBADMSG)
		snprintf(d->note, sizeof(d->note), "%s is damaged: target and files are not known; \"ublk recover -n %u -t TARGET ...\" writes a new one, if the device lost its daemon",
			 state_name(id), id);
	else if (!*d->note && err == -ESTALE)
		snprintf(d->note, sizeof(d->note), "%s is of an earlier boot: target and files are not known",
			 state_name(id));
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
static int list_load(struct ublk_query *q, struct list_dev *d)
{
	struct ublksrv_ctrl_dev_info *info = &q->info;
	int ret;

	memset(d, 0, sizeof(*d));
	d->query = q;
	if (q->info_err || q->params_err == -ENODEV)
		return common_explain(q->id, q->info_err ? : -ENODEV);
	guardian_look(info);
	list_make_note(d);
	names_of_features(info->flags, d->flags, sizeof(d->flags));
	ret = state_read_of(info, &d->state, &d->has_daemon);
	d->has_state = !ret;
	list_note_record(d, ret);
	d->hold_timeout = hold_get(q->id) ? : d->state.hold_timeout;
	d->supervisor = talk_supervisor(q->id, d->has_state ? d->state.name : NULL);
	list_daemon_load(info->ublksrv_pid, d->has_daemon && d->state.nr_tids ?
			 d->state.tids[0] : -1, &d->daemon);
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
	if (d->has_state && d->state.name)
		printf("\tname %s\n", d->state.name);
	if (d->supervisor)
		printf("\tsupervisor pid %d\n", d->supervisor);
	if (d->hold_timeout)
		printf("\thold timeout %u s\n", d->hold_timeout);
	if (*d->note)
		printf("\tnote: %s\n", d->note);
}

/* Also processes that have the raw disk open. */
static void list_find_users(struct ublk_ctrl *ctrl, struct list_dev *d)
{
	struct users u;
	char who[300];
	struct disk disk;

	if (users_find(ctrl, d->query->id, NULL, &u))
		return;
	snprintf(d->users, sizeof(d->users), "%s", u.nr ? u.text : "nobody");
	if (!u.nr && !disk_load(d->query->id, &disk)) {
		if (proc_openers(S_IFBLK, disk.devs, disk.nr, who, sizeof(who)))
			snprintf(d->users, sizeof(d->users), "%s", who);
		disk_free(&disk);
	}
}

static void list_show(struct ublk_ctrl *ctrl, const struct list_cfg *cfg,
		      struct list_dev *d)
{
	if (cfg->file && (!d->has_state || !list_has_file(&d->state, cfg->file)))
		return;
	if (cfg->verbose)
		list_find_users(ctrl, d);
	if (out_is_json()) {
		out_append("devices", list_json(d));
		return;
	}
	if (cfg->show) {
		cfg->show(cfg->arg, d);
		return;
	}
	list_text(ctrl, d);
	if (!cfg->verbose)
		return;
	list_daemon_text(&d->daemon);
	if (*d->users)
		printf("\tused by %s\n", d->users);
}

static int list_one(struct ublk_ctrl *ctrl, const struct list_cfg *cfg,
		    struct ublk_query *q)
{
	struct list_dev d;
	int ret;

	ret = list_load(q, &d);
	if (ret)
		return ret;
	list_show(ctrl, cfg, &d);
	state_free(&d.state);
	return 0;
}

static int list_by_id(struct ublk_ctrl *ctrl, const struct list_cfg *cfg)
{
	struct ublk_query q = { .id = cfg->id };
	int ret = ublk_ctrl_query(ctrl, &q, 1, LIST_IDLE_MS);

	if (!ret && !q.info_err)
		ret = device_check(&q.info);
	return ret ? : list_one(ctrl, cfg, &q);
}

/**
 * list_print - print one device, as text or into the JSON document
 * @ctrl: handle
 * @id: device
 *
 * Return: 0 or negative errno with a message
 */
int list_print(struct ublk_ctrl *ctrl, __u32 id)
{
	struct list_cfg cfg = { .id = id };

	return list_by_id(ctrl, &cfg);
}

/* Go on after a failure. Return: 0, or the last failure with its message */
static int list_queried(struct ublk_ctrl *ctrl, const struct list_cfg *cfg,
			struct ublk_query *q, int nr)
{
	int i, err, ret = 0;
	char text[1024];

	for (i = 0; i < nr; i++) {
		err = list_one(ctrl, cfg, &q[i]);
		/* it was deleted in the meantime */
		if (!err || err == -ENODEV)
			continue;
		/* ordinary users see their own devices */
		if (geteuid() && (err == -EPERM || err == -EACCES))
			continue;
		if (ret)
			cli_report(cli_exit_status(ret), text);
		snprintf(text, sizeof(text), "%s", ublk_strerror_last());
		ret = err;
	}
	return ret ? ublk_error(ret, "%s", text) : 0;
}

static int list_all(struct ublk_ctrl *ctrl, const struct list_cfg *cfg)
{
	struct ublk_query *q = NULL;
	__u32 *ids;
	int nr, i, ret = 0;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return nr;
	q = calloc(nr ? : 1, sizeof(*q));
	if (!q)
		ret = ublk_error(-ENOMEM, "/sys/class/ublk-char: out of memory");
	for (i = 0; i < nr && q; i++)
		q[i].id = ids[i];
	if (!ret && nr)
		ret = ublk_ctrl_query(ctrl, q, nr, LIST_IDLE_MS);
	if (!ret)
		ret = list_queried(ctrl, cfg, q, nr);
	free(q);
	free(ids);
	return ret;
}

static int list_find(const struct list_cfg *cfg)
{
	struct ublk_ctrl *ctrl;
	int ret;

	guard_enter();
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	out_set("devices", json_array());
	ret = cfg->id == UBLK_ID_AUTO ? list_all(ctrl, cfg) :
		list_by_id(ctrl, cfg);
	ublk_ctrl_close(ctrl);
	return ret ? cli_fail(ret) : EXIT_OK;
}

int list_each(__u64 id, const char *file,
	      void (*show)(void *arg, const struct list_dev *d), void *arg)
{
	struct list_cfg cfg = {
		.id = id, .file = (char *)(uintptr_t)file, .show = show,
		.arg = arg,
	};

	return list_find(&cfg);
}

static int list_run(int argc, char **argv)
{
	struct list_cfg cfg = { .id = UBLK_ID_AUTO };
	struct opt_table table = { .opts = list_opts, .base = &cfg };
	int ret;

	ret = cli_parse(&list_command, &cfg, argc, argv);
	if (ret < 0)
		ret = list_find(&cfg);
	opt_free(&table);
	return ret;
}

const struct cli_command list_command = {
	.name = "list",
	.aliases = "ls|show",
	.args = "[-n ID] [-j FILE] [-v]",
	.summary = "show devices",
	.opts = list_opts,
	.run = list_run,
};
