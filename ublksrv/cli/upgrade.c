// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk upgrade": this program takes devices over from servers that run another one,
 * under IO.
 *
 * A supervisor does that for its device (supervise_upgrade.c), which is asked through its
 * socket. Of a device without one, this process executes "ublk recover --replace", and
 * after a failure the program of the old daemon, which it has open.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "declared.h"
#include "json.h"
#include "opt.h"
#include "talk.h"

/* Longer than all that a supervisor waits for. */
#define ANSWER_SEC	180
/* Until the daemon of this program is ready. */
#define READY_SEC	"20"

struct upgrade_cfg {
	char **devices;
	bool all;
	bool force;
};

/**
 * struct upgraded - a device, and what became of it
 * @id: number
 * @name: of the device, or NULL
 * @pid: server
 * @supervisor: 0 if there is none
 * @same: server and supervisor have this program already
 * @pause_us: how long IO waited
 */
struct upgraded {
	__u32 id;
	char *name;
	pid_t pid;
	pid_t supervisor;
	bool same;
	__u64 pause_us;
};

static const struct ublk_opt upgrade_opts[] = {
	{
		.name = "device", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_LIST,
		.offset = offsetof(struct upgrade_cfg, devices),
		.arg = "ID", .help = "this device; may be repeated",
	},
	{
		.name = "all", .letter = 'a', .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct upgrade_cfg, all),
		.help = "every device",
	},
	{
		.name = "force", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct upgrade_cfg, force),
		.help = "also servers of this program, for newer libraries",
	},
	{ 0 }
};

static void upgrade_print(const struct upgraded *d)
{
	json_t *obj;

	if (!out_is_json() && d->same) {
		printf("/dev/ublkb%u: is served by this program\n", d->id);
	} else if (!out_is_json()) {
		printf("/dev/ublkb%u: upgraded, served by process %d", d->id, d->pid);
		if (d->supervisor)
			printf(", supervised by process %d", d->supervisor);
		printf("; IO waited %llu.%llu ms\n",
		       (unsigned long long)d->pause_us / 1000,
		       (unsigned long long)d->pause_us / 100 % 10);
	}
	cli_flush();
	if (!out_is_json())
		return;
	obj = json_pack("{s:i, s:s, s:i, s:o, s:I}", "id", d->id, "action",
			d->same ? "unchanged" : "upgraded", "pid", d->pid,
			"supervisor", d->supervisor ?
			json_integer(d->supervisor) : json_null(), "pause_us",
			(json_int_t)d->pause_us);
	out_append("upgrades", obj);
}

/* Does the process execute the file that this one does? */
static bool upgrade_is_same(pid_t pid)
{
	struct stat own, other;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return !stat(path, &other) && !stat("/proc/self/exe", &own) &&
		other.st_dev == own.st_dev && other.st_ino == own.st_ino;
}

/* The file of this program. Return: 0 or negative errno with a message */
static int upgrade_program(char *path, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", path, len - 1);

	if (n < 0)
		return ublk_error(-errno, "/proc/self/exe: %s", strerror(errno));
	path[n] = 0;
	return access(path, X_OK) ?
		ublk_error(-errno, "%s: %s", path, strerror(errno)) : 0;
}

/* One line of a supervisor. Return: as for upgrade_ask(); 1 to read on */
static int upgrade_answer(struct upgraded *d, char *line)
{
	static const char failed[] = "failed ";
	unsigned long long us;
	int pid;

	line[strcspn(line, "\n")] = 0;
	if (!strncmp(line, failed, strlen(failed)))
		return ublk_error(-EIO, "dev %u: %s", d->id, line + strlen(failed));
	if (sscanf(line, "served %d %llu", &pid, &us) == 2) {
		d->pid = pid;
		d->pause_us = us;
		return 1;
	}
	return strcmp(line, "supervised") ? 1 : 0;
}

/* The end of an io_uring interrupts what the process does next. Return: 1, to read on */
static int upgrade_again(FILE *in)
{
	clearerr(in);
	return 1;
}

/* Return: 0 or negative errno with a message */
static int upgrade_ask(struct upgraded *d, int fd)
{
	struct timeval limit = { .tv_sec = ANSWER_SEC };
	char path[4096], *line = NULL;
	size_t size = 0;
	FILE *in;
	int ret;

	ret = upgrade_program(path, sizeof(path));
	if (ret)
		return ret;
	fcntl(fd, F_SETFL, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	talk_say(fd, "upgrade %s", path);
	in = fdopen(dup(fd), "re");
	do {
		errno = 0;
		if (in && getline(&line, &size, in) > 0)
			ret = upgrade_answer(d, line);
		else if (in && errno == EINTR)
			ret = upgrade_again(in);
		else if (errno == EAGAIN)
			ret = ublk_error(-ETIMEDOUT, "dev %u: its supervisor, process %d, has not answered in %d s",
					 d->id, d->supervisor, ANSWER_SEC);
		else
			ret = ublk_error(-EIO, "dev %u: its supervisor, process %d, has ended; see \"ublk list\" and the system log",
					 d->id, d->supervisor);
	} while (ret > 0);
	free(line);
	if (in)
		fclose(in);
	return ret;
}

static bool upgrade_is_live(__u32 id, pid_t *pid)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;

	if (common_open(id, &ctrl, &info))
		return false;
	ublk_ctrl_close(ctrl);
	*pid = info.ublksrv_pid;
	return info.state == UBLK_S_DEV_LIVE;
}

/* The new daemon has failed, and there is none: continue with the old program. */
static int upgrade_back(const struct upgraded *d, int old, int err)
{
	char why[1000], path[40], number[20];
	char *line[4] = { (char *)(uintptr_t)"recover", number,
			  (char *)(uintptr_t)"--quiet", NULL };

	snprintf(why, sizeof(why), "%s", ublk_strerror_last());
	snprintf(path, sizeof(path), "/proc/self/fd/%d", old);
	snprintf(number, sizeof(number), "-n%u", d->id);
	if (self_run_other(path, line, NULL))
		return ublk_error(err, "dev %u: %s; and the old program: %s", d->id,
				  why, ublk_strerror_last());
	return ublk_error(err, "dev %u: %s; the old program serves it again", d->id,
			  why);
}

static int upgrade_alone(struct upgraded *d)
{
	char **line, path[40];
	json_t *doc = NULL;
	int old, ret;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)d->pid);
	old = open(path, O_PATH);
	if (old < 0)
		return ublk_error(-errno, "dev %u: %s: %s", d->id, path,
				  strerror(errno));
	line = self_line("recover", d->id, "--replace", NULL);
	if (!line || opt_list_add(&line, strdup("--json")) ||
	    opt_list_add(&line, strdup("--timeout=" READY_SEC))) {
		ret = -ENOMEM;
	} else {
		ret = self_run_other("/proc/self/exe", line, &doc);
		d->pause_us = json_integer_value(json_object_get(doc, "pause_us"));
		json_decref(doc);
		if (!upgrade_is_live(d->id, &d->pid) && ret)
			ret = upgrade_back(d, old, ret);
	}
	opt_list_free(&line);
	close(old);
	return ret;
}

/* Return: 0 or negative errno with a message */
static int upgrade_device(const struct upgrade_cfg *cfg, struct upgraded *d)
{
	bool live = upgrade_is_live(d->id, &d->pid);
	int fd = talk_connect(d->id, d->name, &d->supervisor), ret;

	if (fd < 0)
		d->supervisor = 0;
	if (!live && fd < 0)
		return ublk_error(-EINVAL, "dev %u: has no server; \"ublk recover -n %u\" starts one of this program",
				  d->id, d->id);
	d->same = live && !cfg->force && upgrade_is_same(d->pid) &&
		(fd < 0 || upgrade_is_same(d->supervisor));
	if (d->same)
		ret = 0;
	else
		ret = fd < 0 ? upgrade_alone(d) : upgrade_ask(d, fd);
	if (fd >= 0)
		close(fd);
	if (!ret && !upgrade_is_live(d->id, &d->pid))
		ret = ublk_error(-EIO, "dev %u: has lost its server again; see the system log",
				 d->id);
	return ret;
}

static int upgrade_one(const struct upgrade_cfg *cfg, __u32 id)
{
	struct upgraded d = { .id = id };
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	struct state st = { 0 };
	int ret;

	ret = common_open(id, &ctrl, &info);
	if (ret)
		return ret;
	ublk_ctrl_close(ctrl);
	if (!(info.flags & UBLK_F_USER_RECOVERY))
		return ublk_error(-EINVAL, "dev %u: its daemon cannot hand over, it was added without --user-recovery",
				  id);
	if (!state_read(id, &st))
		d.name = st.name;
	ret = upgrade_device(cfg, &d);
	if (!ret)
		upgrade_print(&d);
	state_free(&st);
	return ret;
}

/* Goes on after a failure. Return: exit status of the last one */
static int upgrade_all(const struct upgrade_cfg *cfg)
{
	int nr, i, ret, status = EXIT_OK;
	__u32 *ids;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return cli_fail(nr);
	for (i = 0; i < nr; i++) {
		ret = upgrade_one(cfg, ids[i]);
		if (ret && ret != -ENODEV)
			status = cli_fail(ret);
	}
	free(ids);
	return status;
}

static int upgrade_named(const struct upgrade_cfg *cfg)
{
	int ret, status = EXIT_OK;
	__u64 id;
	size_t i;

	for (i = 0; cfg->devices[i]; i++) {
		ret = device_find(cfg->devices[i], &id);
		if (!ret)
			ret = upgrade_one(cfg, id);
		if (ret)
			status = cli_fail(ret);
	}
	return status;
}

static int upgrade_run(int argc, char **argv)
{
	struct upgrade_cfg cfg = { 0 };
	struct opt_table table = { .opts = upgrade_opts, .base = &cfg };
	sigset_t set;
	int ret;

	ret = cli_parse(&upgrade_command, &cfg, argc, argv);
	if (ret < 0 && !cfg.devices == !cfg.all) {
		ublk_error(-EINVAL, "which device? give ID or --all");
		ret = cli_usage(&upgrade_command);
	} else if (ret < 0) {
		/* a device whose daemon has handed over must get the next one */
		sigemptyset(&set);
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGTERM);
		sigaddset(&set, SIGHUP);
		sigprocmask(SIG_BLOCK, &set, NULL);
		out_set("upgrades", json_array());
		ret = cfg.all ? upgrade_all(&cfg) : upgrade_named(&cfg);
	}
	opt_free(&table);
	return ret;
}

const struct cli_command upgrade_command = {
	.name = "upgrade",
	.args = "ID... | --all [--force]",
	.summary = "let this program serve devices in the place of an older one",
	.opts = upgrade_opts,
	.run = upgrade_run,
};
