// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk generator": what systemd has to know of declared devices, see
 * systemd.generator(7). systemd runs it at boot and at each daemon-reload, under the
 * name ublk-generator.
 *
 * Each declaration makes an instance of ublk@.service, which local-fs.target wants, or
 * remote-fs.target where a store comes over a network. It waits for the mounts and
 * nodes that its stores need. A file that is wrong makes one, too: "ublk serve" fails
 * there with the reason.
 *
 * No store is looked at, for it may be on a disk that is not there yet, or waits.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "generator.h"
#include "opt.h"

#define TEMPLATE	"ublk@.service"

struct generator_cfg {
	char **dirs;
};

static const struct ublk_opt generator_opts[] = {
	{
		.name = "directory", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_REQUIRED | UBLK_OPT_LIST,
		.offset = offsetof(struct generator_cfg, dirs),
		.arg = "DIR", .help = "where units go; a second one: those that take the place of others; a third one is not used",
	},
	{ 0 }
};

FILE *generator_open(const char *dir, const char *unit, const char *drop_in)
{
	char path[PATH_MAX];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s.d", dir, unit);
	if (drop_in && mkdir(path, 0755) && errno != EEXIST) {
		ublk_error(-errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/%s%s%s", dir, unit, drop_in ? ".d/" : "",
		 drop_in ? : "");
	out = fopen(path, "we");
	if (!out)
		ublk_error(-errno, "%s: %s", path, strerror(errno));
	return out;
}

int generator_close(FILE *out, const char *unit)
{
	bool failed = ferror(out);

	return fclose(out) || failed ?
		ublk_error(-EIO, "%s: cannot be written", unit) : 0;
}

/* The template may be in several places; systemd cares for the name alone. */
static const char *generator_template(void)
{
	static const char * const paths[] = {
		"/etc/systemd/system/" TEMPLATE,
		"/usr/local/lib/systemd/system/" TEMPLATE,
		"/usr/lib/systemd/system/" TEMPLATE,
		"/lib/systemd/system/" TEMPLATE,
	};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]) - 1; i++)
		if (!access(paths[i], F_OK))
			break;
	return paths[i];
}

/* Have a target want the unit. */
static int generator_want(const struct generator *g, const char *target,
			  const char *unit)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.wants", g->dir, target);
	if (!mkdir(path, 0755) || errno == EEXIST) {
		snprintf(path, sizeof(path), "%s/%s.wants/%s", g->dir, target, unit);
		if (!symlink(generator_template(), path) || errno == EEXIST)
			return 0;
	}
	return ublk_error(-errno, "%s: %s", path, strerror(errno));
}

static bool generator_paths_of(const json_t *val,
			       bool (*fn)(const char *path, void *arg), void *arg)
{
	const char *text = json_string_value(val);
	const json_t *one;
	bool on = true;
	size_t i;

	json_array_foreach(val, i, one)
		on = on && generator_paths_of(one, fn, arg);
	/* conf.c refuses a name of a file that does not begin in this way */
	return on && (!text || *text != '/' || fn(text, arg));
}

void generator_paths(const struct conf *c,
		     bool (*fn)(const char *path, void *arg), void *arg)
{
	const char *word;
	json_t *val;

	json_object_foreach(c->words, word, val)
		if (!generator_paths_of(val, fn, arg))
			return;
}

bool generator_under(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len && dir[len - 1] == '/')
		len--;
	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

/* Is it @head, alone or with @sep and the number of a partition? */
static bool generator_is_part(const char *node, const char *head,
			      const char *sep)
{
	size_t len = strlen(head);

	if (strncmp(node, head, len))
		return false;
	node += len;
	if (!*node)
		return true;
	len = strlen(sep);
	return !strncmp(node, sep, len) && node[len] &&
		strspn(node + len, "0123456789") == strlen(node + len);
}

/* @exact: not a partition, whose name may be that of another device */
static bool generator_is_of(const struct conf *c, const char *node, bool exact)
{
	const char *number = conf_text(c->words, "number");
	char head[PATH_MAX];
	__u64 id;

	snprintf(head, sizeof(head), BY_UBLK "%s", c->name);
	if (exact ? !strcmp(node, head) : generator_is_part(node, head, "-part"))
		return true;
	if (!number || opt_uint(number, &id))
		return false;
	snprintf(head, sizeof(head), "/dev/ublkb%llu", (unsigned long long)id);
	return exact ? !strcmp(node, head) : generator_is_part(node, head, "p");
}

const struct conf *generator_find(const struct generator *g, const char *node)
{
	size_t i;

	for (i = 0; i < g->nr; i++)
		if (generator_is_of(&g->devs[i], node, true))
			return &g->devs[i];
	for (i = 0; i < g->nr; i++)
		if (generator_is_of(&g->devs[i], node, false))
			return &g->devs[i];
	return NULL;
}

struct generator_out {
	const struct generator *g;
	const struct conf *c;
	FILE *out;
};

/* A node that is a device's store: of that of another declaration, or another one. */
static bool generator_wait_node(const char *path, void *arg)
{
	static const char * const files[] = {
		"/dev/shm", "/dev/hugepages", "/dev/mqueue",
	};
	struct generator_out *o = arg;
	const struct conf *below;
	char unit[UNIT_NAME_MAX];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (generator_under(path, files[i]))
			return true;
	if (!generator_under(path, "/dev"))
		return true;
	below = generator_find(o->g, path);
	if (below && below != o->c && unit_of_device("ublk", below->name, unit))
		fprintf(o->out, "Wants=%s\nAfter=%s\n", unit, unit);
	if (unit_of_path(path, ".device", unit))
		fprintf(o->out, "Wants=%s\nAfter=%s\n", unit, unit);
	return true;
}

static bool generator_wait_mount(const char *path, void *arg)
{
	struct generator_out *o = arg;

	if (generator_under(path, "/dev"))
		return true;
	fputs("WantsMountsFor=", o->out);
	unit_put_quoted(o->out, path);
	fputc('\n', o->out);
	return true;
}

static int generator_device(const struct generator *g, const struct conf *c)
{
	struct generator_out o = { .g = g, .c = c };
	char unit[UNIT_NAME_MAX];
	bool net;

	if (!unit_of_device("ublk", c->name, unit))
		return ublk_error(-EINVAL, "%s: its name is too long", c->path);
	o.out = generator_open(g->dir, unit, DROP_IN);
	if (!o.out)
		return -EIO;
	fprintf(o.out, "# by ublk-generator, from %s\n[Unit]\nSourcePath=%s\n",
		c->path, c->path);
	generator_paths(c, generator_wait_mount, &o);
	generator_paths(c, generator_wait_node, &o);
	/* for a systemd that does not know WantsMountsFor= */
	net = generator_mounts(c, o.out);
	if (net)
		fputs("Wants=network-online.target\nAfter=network-online.target\n",
		      o.out);
	return generator_close(o.out, unit) ? -EIO :
		generator_want(g, net ? "remote-fs.target" : "local-fs.target",
			       unit);
}

/* The unit has the name in another form than the file. */
static int generator_name(const struct generator *g, const char *unit,
			  const char *name)
{
	char program[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	FILE *out;

	if (len < 0)
		return ublk_error(-errno, "/proc/self/exe: %s", strerror(errno));
	program[len] = 0;
	out = generator_open(g->dir, unit, DROP_IN);
	if (!out)
		return -EIO;
	fprintf(out, "[Service]\nExecStart=\nExecStart=%s serve -- ", program);
	unit_put_quoted(out, name);
	fputc('\n', out);
	return generator_close(out, unit);
}

/* The unit fails with what "ublk serve" says about the file. */
static int generator_wrong(const struct generator *g, const struct conf *c)
{
	char unit[UNIT_NAME_MAX];
	int ret = 0;

	if (!unit_of_device("ublk", c->name, unit))
		return ublk_error(-EINVAL, "%s: its name is too long", c->path);
	if (device_name_check(c->name))
		ret = generator_name(g, unit, c->name);
	return ret ? ret : generator_want(g, "local-fs.target", unit);
}

/* One that is wrong has a name and no target. Return: 0 or negative errno */
static int generator_read(const char *name, struct conf *c)
{
	char path[PATH_MAX];

	if (!conf_read_text(name, c))
		return 0;
	cli_fail(-EINVAL);
	snprintf(path, sizeof(path), "%s/%s" CONF_SUFFIX, conf_dir(), name);
	*c = (struct conf){
		.name = strdup(name), .path = strdup(path),
		.words = json_object(),
	};
	if (c->name && c->path && c->words)
		return 0;
	conf_free(c);
	return ublk_error(-ENOMEM, "%s: out of memory", path);
}

int generator_load(struct generator *g)
{
	char **names = NULL;
	size_t nr = 0;
	int ret;

	ret = conf_names(&names);
	while (!ret && names && names[nr])
		nr++;
	g->devs = calloc(nr ? : 1, sizeof(*g->devs));
	if (!ret && !g->devs)
		ret = ublk_error(-ENOMEM, "%s: out of memory", conf_dir());
	while (!ret && g->nr < nr) {
		ret = generator_read(names[g->nr], &g->devs[g->nr]);
		g->nr += !ret;
	}
	opt_list_free(&names);
	return ret;
}

void generator_free(struct generator *g)
{
	while (g->nr)
		conf_free(&g->devs[--g->nr]);
	free(g->devs);
	g->devs = NULL;
}

/* Goes on after a failure, so that one file does not keep the others. */
static int generator_write_all(const struct generator *g)
{
	int ret, status = EXIT_OK;
	size_t i;

	for (i = 0; i < g->nr; i++) {
		ret = g->devs[i].target ? generator_device(g, &g->devs[i]) :
			generator_wrong(g, &g->devs[i]);
		status = ret ? cli_fail(ret) : status;
	}
	ret = g->nr ? generator_fstab(g) : 0;
	status = ret ? cli_fail(ret) : status;
	ret = g->nr ? generator_keep(g) : 0;
	return ret ? cli_fail(ret) : status;
}

static int generator_all(struct generator *g)
{
	int ret = generator_load(g), status;

	status = ret ? cli_fail(ret) : generator_write_all(g);
	generator_free(g);
	return status;
}

static int generator_run(int argc, char **argv)
{
	struct generator_cfg cfg = { 0 };
	struct opt_table table = { .opts = generator_opts, .base = &cfg };
	struct generator g = { 0 };
	int ret;

	ret = cli_parse(&generator_command, &cfg, argc, argv);
	if (ret < 0) {
		g.dir = cfg.dirs[0];
		g.early = cfg.dirs[1];
		ret = generator_all(&g);
	}
	opt_free(&table);
	return ret;
}

const struct cli_command generator_command = {
	.name = "generator",
	.args = "DIR [DIR [DIR]]",
	.summary = "write units of declared devices, for systemd",
	.opts = generator_opts,
	.run = generator_run,
};
