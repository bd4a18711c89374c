// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk list --json", and what "add" and "recover" print with --json.
 * ublksrv/etc/ublk.schema.json describes it.
 */
#include "json.h"
#include "list.h"

static json_t *list_json_tids(const struct list_dev *d)
{
	json_t *tids = json_array();
	unsigned int q;

	for (q = 0; d->has_daemon && q < d->state.nr_tids; q++)
		json_array_append_new(tids, json_integer(d->state.tids[q]));
	return tids;
}

static json_t *list_json_limit(const struct rlimit *limit)
{
	return limit->rlim_cur == RLIM_INFINITY ? json_null() :
		json_integer(limit->rlim_cur);
}

static json_t *list_json_daemon(const struct list_daemon *daemon)
{
	json_t *command = json_string(daemon->command);

	if (!daemon->known)
		return json_null();
	return json_pack("{s:o, s:i, s:I, s:b, s:i, s:o, s:o}",
			 "command", command ? : json_null(),
			 "oom_score_adj", daemon->oom_score_adj,
			 "locked_kib", (json_int_t)daemon->locked_kib,
			 "io_flusher", daemon->io_flusher,
			 "realtime", daemon->realtime,
			 "limit_memlock", list_json_limit(&daemon->memlock),
			 "limit_nofile", list_json_limit(&daemon->nofile));
}

static json_t *list_json_text(const char *text)
{
	return text ? json_string(text) : json_null();
}

static void list_json_state(json_t *obj, const struct list_dev *d)
{
	const struct state *st = &d->state;
	char node[32];

	snprintf(node, sizeof(node), "/dev/ublkb%u", d->query->id);
	json_object_set_new(obj, "node", json_string(node));
	json_object_set_new(obj, "name", list_json_text(st->name));
	json_object_set_new(obj, "options", d->has_state ?
			    json_deep_copy(st->options) : json_object());
	json_object_set_new(obj, "mlock", json_boolean(st->mlock));
	json_object_set_new(obj, "hold_timeout", json_integer(d->hold_timeout));
	json_object_set_new(obj, "supervisor", d->supervisor ?
			    json_integer(d->supervisor) : json_null());
	json_object_set_new(obj, "shared_memory", list_json_text(st->shmem));
	json_object_set_new(obj, "daemon", list_json_daemon(&d->daemon));
}

json_t *list_json(const struct list_dev *d)
{
	const struct ublksrv_ctrl_dev_info *i = &d->query->info;
	const struct ublk_param_basic *b = &d->query->params.basic;
	bool known = !d->query->params_err;
	json_t *obj;

	obj = json_pack("{s:I, s:i, s:i, s:o, s:o, s:I, s:i, s:s, s:I, s:s, s:s, s:i, s:o, s:s, s:s}",
			"id", (json_int_t)i->dev_id,
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
			"tids", list_json_tids(d),
			"target", d->has_state ? d->state.target_name : "",
			"note", d->note);
	if (obj)
		list_json_state(obj, d);
	if (obj && *d->users)
		json_object_set_new(obj, "users", json_string(d->users));
	return obj;
}
