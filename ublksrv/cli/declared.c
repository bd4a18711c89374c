// SPDX-License-Identifier: GPL-2.0
/*
 * Make devices what their declarations say. A device is found by its name. Its record
 * has the declaration that it was made from, so what has changed since is known; of
 * that, the size can be changed in place, and the rest is said.
 *
 * The work is done by the commands that there are, in processes of their own
 * (self.c): add, recover, resize, del.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "declared.h"
#include "json.h"
#include "opt.h"

enum declared_action {
	DECLARED_SAME, DECLARED_ADDED, DECLARED_REPLACED, DECLARED_RECOVERED,
	DECLARED_RESIZED, DECLARED_REMOVED, DECLARED_ABSENT,
};

static const char * const declared_words[][3] = {
	/* of JSON, as text, as text of a dry run */
	[DECLARED_SAME]	     = { "unchanged", "is as declared", "is as declared" },
	[DECLARED_ADDED]     = { "added", "added", "would be added" },
	[DECLARED_REPLACED]  = { "replaced", "had no server, added again",
				 "has no server, would be added again" },
	[DECLARED_RECOVERED] = { "recovered", "recovered", "would be recovered" },
	[DECLARED_RESIZED]   = { "resized", "resized", "would be resized" },
	[DECLARED_REMOVED]   = { "removed", "removed", "would be removed" },
	[DECLARED_ABSENT]    = { "absent", "is not there", "is not there" },
};

/* A device with the name, if there is one. */
struct declared_dev {
	bool found;
	__u32 id;
	unsigned int state;
	__u64 bytes;		/* of its disk, 0 if that is not known */
	struct state st;
};

/* Return: 0, also without a device; or negative errno with a message */
static int declared_find(const char *name, struct declared_dev *d)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	struct ublk_ctrl *ctrl;
	__u64 id;
	int ret;

	memset(d, 0, sizeof(*d));
	ret = device_find(name, &id);
	if (!ret)
		ret = common_open(id, &ctrl, &info);
	if (ret)
		return ret == -ENODEV ? 0 : ret;
	d->id = id;
	d->state = info.state;
	d->found = !state_read(id, &d->st);
	if (!ublk_ctrl_get_params(ctrl, id, &params))
		d->bytes = params.basic.dev_sectors << 9;
	ublk_ctrl_close(ctrl);
	return 0;
}

static void declared_print(const struct declared_cfg *cfg, const char *name,
			   const struct declared_dev *d,
			   enum declared_action action)
{
	bool there = d->found && action != DECLARED_REMOVED;
	char node[32] = "";
	json_t *obj;

	if (there)
		snprintf(node, sizeof(node), "/dev/ublkb%u", d->id);
	if (!out_is_json()) {
		printf("%s: %s%s%s\n", name, declared_words[action][1 + cfg->dry_run],
		       there ? ", " : "", node);
		cli_flush();
		return;
	}
	obj = json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", name, "action",
			declared_words[action][0], "dry_run", cfg->dry_run,
			"id", there ? json_integer(d->id) : json_null(),
			"node", there ? json_string(node) : json_null());
	out_append("actions", obj);
}

/* Run a command on a device, unless this is a dry run. */
static int declared_do(const struct declared_cfg *cfg, const char *command,
		       __u32 id, const char *option, const char *value)
{
	return cfg->dry_run ? 0 : self_do(command, id, option, value);
}

static int declared_add(const struct declared_cfg *cfg, const struct conf *c,
			struct declared_dev *d)
{
	char **line;
	int ret;

	if (c->missing)
		return ublk_error(-ENOENT, "%s", c->missing);
	if (cfg->dry_run)
		return 0;
	line = conf_line(c, UBLK_ID_AUTO);
	if (!line)
		return -ENOMEM;
	ret = self_run(line);
	opt_list_free(&line);
	if (ret)
		return ublk_error(ret, "%s: %s", c->path, ublk_strerror_last());
	state_free(&d->st);
	ret = declared_find(c->name, d);
	if (!ret && d->found)
		ret = state_declare(d->id, c->words);
	return ret;
}

/* Has the word no effect on a device that is there? */
static bool declared_ignores(const char *word)
{
	return !strcmp(word, "timeout") || !strcmp(word, "debug_mask");
}

static char *declared_text(const json_t *val)
{
	if (json_is_null(val))
		return strdup("nothing");
	return json_is_string(val) ? strdup(json_string_value(val)) :
		json_dumps(val, JSON_COMPACT);
}

/* Words that cannot be changed in place. Return: 0; -EINVAL with a message */
static int declared_fixed(const struct conf *c, const struct declared_dev *d,
			  const json_t *diff)
{
	const json_t *one;
	char text[600] = "", *from, *to;
	const char *word;
	size_t i, used = 0;

	json_array_foreach(diff, i, one) {
		word = conf_text(one, "word");
		if (declared_ignores(word) ||
		    (!strcmp(word, "size") && conf_text(one, "to")))
			continue;
		from = declared_text(json_object_get(one, "from"));
		to = declared_text(json_object_get(one, "to"));
		if (used < sizeof(text))
			used += snprintf(text + used, sizeof(text) - used,
					 "%s%s from %s to %s", used ? ", " : "",
					 word, from ? : "?", to ? : "?");
		free(from);
		free(to);
	}
	if (!used)
		return 0;
	return ublk_error(-EINVAL, "%s: dev %u: cannot be changed in place: %s; \"ublk down %s\" and \"ublk up %s\" do it",
			  c->path, d->id, text, c->name, c->name);
}

/* Return: 0; or negative errno with a message */
static int declared_resize(const struct declared_cfg *cfg, const struct conf *c,
			   struct declared_dev *d, enum declared_action *action)
{
	const char *size = conf_text(c->words, "size");
	char bytes[24];
	__u64 want;
	int ret;

	if (!size || opt_size(size, &want) || !want || !d->bytes ||
	    want == d->bytes)
		return 0;
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)want);
	ret = declared_do(cfg, "resize", d->id, "-s", bytes);
	if (ret)
		return ublk_error(ret, "%s: %s", c->path, ublk_strerror_last());
	*action = DECLARED_RESIZED;
	return 0;
}

/* The device is live, or is in a dry run that would recover it. */
static int declared_compare(const struct declared_cfg *cfg, const struct conf *c,
			    struct declared_dev *d, enum declared_action *action)
{
	json_t *diff = conf_diff(d->st.declared, c->words);
	int ret = declared_resize(cfg, c, d, action);

	if (!ret)
		ret = declared_fixed(c, d, diff);
	if (!ret && json_array_size(diff) && !cfg->dry_run)
		ret = state_declare(d->id, c->words);
	json_decref(diff);
	return ret;
}

/* A device with the name is there. */
static int declared_change(const struct declared_cfg *cfg, const struct conf *c,
			   struct declared_dev *d, enum declared_action *action)
{
	int ret;

	if (!d->st.declared)
		return ublk_error(-EBUSY, "%s: dev %u: has the name \"%s\" and was not made from this file; \"ublk del %u\", or give the file another name",
				  c->path, d->id, c->name, d->id);
	if (d->state == UBLK_S_DEV_DEAD) {
		*action = DECLARED_REPLACED;
		ret = declared_do(cfg, "del", d->id, NULL, NULL);
		return ret ? ret : declared_add(cfg, c, d);
	}
	if (d->state != UBLK_S_DEV_LIVE) {
		*action = DECLARED_RECOVERED;
		ret = declared_do(cfg, "recover", d->id, "--quiet", NULL);
		if (ret)
			return ublk_error(ret, "%s: %s", c->path,
					  ublk_strerror_last());
	}
	return declared_compare(cfg, c, d, action);
}

static int declared_up_one(const struct declared_cfg *cfg, const char *name)
{
	enum declared_action action = DECLARED_SAME;
	struct declared_dev d = { 0 };
	struct conf c;
	int ret;

	ret = conf_read(name, &c);
	/* so it is a device that does not exist */
	if (ret)
		return ret == -ENOENT ? -ENODEV : ret;
	ret = conf_check_alone(&c);
	if (!ret)
		ret = declared_find(name, &d);
	if (!ret && d.found) {
		ret = declared_change(cfg, &c, &d, &action);
	} else if (!ret) {
		action = DECLARED_ADDED;
		ret = declared_add(cfg, &c, &d);
	}
	if (!ret)
		declared_print(cfg, name, &d, action);
	state_free(&d.st);
	conf_free(&c);
	return ret;
}

/* Is there a declaration, whatever is in it? */
static bool declared_exists(const char *name)
{
	char **names;
	bool found = false;
	size_t i;

	if (conf_names(&names))
		return false;
	for (i = 0; names && names[i] && !found; i++)
		found = !strcmp(names[i], name);
	opt_list_free(&names);
	return found;
}

static int declared_down_one(const struct declared_cfg *cfg, const char *name)
{
	struct declared_dev d;
	int ret;

	ret = declared_find(name, &d);
	if (ret)
		return ret;
	if (!d.found && !declared_exists(name))
		return ublk_error(-ENODEV, "%s/%s" CONF_SUFFIX ": there is no such file, and no device with that name; see \"ublk list\"",
				  conf_dir(), name);
	if (d.found && !d.st.declared)
		ret = ublk_error(-EBUSY, "dev %u: has the name \"%s\" and was not made by \"ublk up\"; use \"ublk del %u\"",
				 d.id, name, d.id);
	else if (d.found)
		ret = declared_do(cfg, "del", d.id, cfg->force ? "--force" : NULL,
				  NULL);
	if (!ret)
		declared_print(cfg, name, &d,
			       d.found ? DECLARED_REMOVED : DECLARED_ABSENT);
	state_free(&d.st);
	return ret;
}

/*
 * Again and again for those that failed, as long as that helps: one may be the store
 * of another. Return: exit status of the last failure
 */
static int declared_each(const struct declared_cfg *cfg, char **names,
			 int (*one)(const struct declared_cfg *cfg,
				    const char *name))
{
	size_t nr = 0, i, left, before;
	int ret, status = EXIT_OK;
	bool *done;

	while (names && names[nr])
		nr++;
	done = calloc(nr ? : 1, sizeof(*done));
	if (!done)
		return cli_fail(ublk_error(-ENOMEM, "%s: out of memory", conf_dir()));
	for (left = nr, before = nr + 1; left && left < before;) {
		before = left;
		for (i = 0; i < nr; i++)
			if (!done[i] && !one(cfg, names[i])) {
				done[i] = true;
				left--;
			}
	}
	/* the messages of those for which nothing helped */
	for (i = 0; i < nr; i++) {
		ret = done[i] ? 0 : one(cfg, names[i]);
		if (ret)
			status = cli_fail(ret);
	}
	free(done);
	return status;
}

static int declared_all(const struct declared_cfg *cfg,
			int (*one)(const struct declared_cfg *cfg,
				   const char *name))
{
	char **names;
	int ret;

	out_set("actions", json_array());
	if (!cfg->all)
		return declared_each(cfg, cfg->names, one);
	ret = conf_names(&names);
	if (ret)
		return cli_fail(ret);
	ret = declared_each(cfg, names, one);
	opt_list_free(&names);
	return ret;
}

int declared_up(const struct declared_cfg *cfg)
{
	return declared_all(cfg, declared_up_one);
}

int declared_down(const struct declared_cfg *cfg)
{
	return declared_all(cfg, declared_down_one);
}

int declared_prune(const struct declared_cfg *cfg)
{
	char **names = NULL;
	struct state st;
	__u32 *ids;
	int nr, i, ret = 0;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return cli_fail(nr);
	for (i = 0; i < nr && !ret; i++) {
		if (state_read(ids[i], &st))
			continue;
		if (st.declared && st.name && !declared_exists(st.name))
			ret = opt_list_add(&names, strdup(st.name));
		state_free(&st);
	}
	free(ids);
	ret = ret ? cli_fail(ret) : declared_each(cfg, names, declared_down_one);
	opt_list_free(&names);
	return ret;
}

int declared_run(const struct cli_command *cmd, int argc, char **argv,
		 int (*fn)(const struct declared_cfg *cfg))
{
	struct declared_cfg cfg = { 0 };
	struct opt_table table = { .opts = cmd->opts, .base = &cfg };
	int ret;

	ret = cli_parse(cmd, &cfg, argc, argv);
	if (ret < 0 && !cfg.names == !cfg.all) {
		ublk_error(-EINVAL, "which device? give NAME of %s/NAME.conf, or --all",
			   conf_dir());
		ret = cli_usage(cmd);
	} else if (ret < 0) {
		ret = fn(&cfg);
	}
	opt_free(&table);
	return ret;
}
