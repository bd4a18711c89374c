// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk gc": remove what servers that died have left behind: devices without disk and
 * server, run-state files of devices that do not exist, and sockets of supervisors that
 * were killed. A device that waits for "recover" is not touched.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

#include "declared.h"
#include "disk.h"
#include "json.h"
#include "opt.h"
#include "talk.h"

/* Between two looks at a device that somebody may be adding. */
#define GC_PAUSE_MS	1000

struct gc_cfg {
	bool dry_run;
};

static const struct ublk_opt gc_opts[] = {
	{
		.name = "dry-run", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct gc_cfg, dry_run),
		.help = "only say what would be done",
	},
	{ 0 }
};

static void gc_print(const struct gc_cfg *cfg, const char *what, const char *why)
{
	if (out_is_json())
		out_append("removed", json_pack("{s:s, s:s, s:b}", "what", what,
						"reason", why, "dry_run",
						cfg->dry_run));
	else
		printf("%s: %s, %s\n", what,
		       cfg->dry_run ? "would be removed" : "removed", why);
}

/* No disk, and no process that has the char device open or has added it just now. */
static bool gc_is_dead(struct ublk_ctrl *ctrl, __u32 id)
{
	struct ublksrv_ctrl_dev_info info;
	dev_t node = disk_char_dev(id);
	char who[200];

	return !ublk_ctrl_get_info(ctrl, id, &info) &&
		info.state == UBLK_S_DEV_DEAD && node &&
		!proc_openers(S_IFCHR, &node, 1, who, sizeof(who));
}

static int gc_delete(const struct gc_cfg *cfg, __u32 id)
{
	int ret = cfg->dry_run ? 0 : self_do("del", id, NULL, NULL);
	char node[32];

	snprintf(node, sizeof(node), "/dev/ublkc%u", id);
	if (!ret || ret == -ENODEV)
		gc_print(cfg, node, "the device has neither disk nor server");
	return ret == -ENODEV ? 0 : ret;
}

/* Return: exit status of the last failure */
static int gc_devices(const struct gc_cfg *cfg, struct ublk_ctrl *ctrl)
{
	struct timespec pause = { .tv_sec = GC_PAUSE_MS / 1000 };
	int nr, i, dead = 0, ret, status = EXIT_OK;
	__u32 *ids;

	nr = devnodes_list(&ids);
	if (nr < 0)
		return cli_fail(nr);
	for (i = 0; i < nr; i++)
		if (gc_is_dead(ctrl, ids[i]))
			ids[dead++] = ids[i];
	if (dead)
		nanosleep(&pause, NULL);
	for (i = 0; i < dead; i++) {
		if (!gc_is_dead(ctrl, ids[i]))
			continue;
		ret = gc_delete(cfg, ids[i]);
		if (ret)
			status = cli_fail(ret);
	}
	free(ids);
	return status;
}

/* The number in "N.json" with or without one of the other endings. */
static bool gc_number(const char *file, __u32 *id)
{
	static const char * const ends[] = { "", STATE_NEW, STATE_DAMAGED };
	char digits[16] = "";
	size_t len = strspn(file, "0123456789"), i;
	__u64 val;

	if (!len || len >= sizeof(digits) || strncmp(file + len, ".json", 5))
		return false;
	memcpy(digits, file, len);
	if (opt_uint(digits, &val) || val >= UBLK_ID_AUTO)
		return false;
	*id = val;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strcmp(file + len + 5, ends[i]))
			return true;
	return false;
}

/* May a process that lives still need the record? */
static bool gc_in_use(__u32 id)
{
	struct state st;
	bool alive;

	if (state_read(id, &st))
		return false;
	alive = !state_process_ended(st.pid);
	state_free(&st);
	return alive;
}

/* Return: why nobody needs the file, or NULL */
static const char *gc_reason(const char *file)
{
	char node[48];
	__u32 id;

	if (talk_is_left(file))
		return "no supervisor listens";
	if (!gc_number(file, &id))
		return NULL;
	snprintf(node, sizeof(node), "/sys/class/ublk-char/ublkc%u", id);
	return !access(node, F_OK) || gc_in_use(id) ? NULL :
		"there is no such device";
}

static int gc_file(const struct gc_cfg *cfg, const char *file)
{
	const char *why = gc_reason(file);
	char path[600];

	if (!why)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", state_dir(), file);
	if (!cfg->dry_run && unlink(path) && errno != ENOENT)
		return ublk_error(-errno, "%s: %s", path, strerror(errno));
	gc_print(cfg, path, why);
	return 0;
}

static int gc_files(const struct gc_cfg *cfg)
{
	DIR *dir = opendir(state_dir());
	int ret, status = EXIT_OK;
	struct dirent *e;
	int lock;

	if (!dir)
		return errno == ENOENT ? EXIT_OK :
			cli_fail(ublk_error(-errno, "%s: %s", state_dir(),
					    strerror(errno)));
	lock = state_lock();
	while ((e = readdir(dir))) {
		ret = gc_file(cfg, e->d_name);
		if (ret)
			status = cli_fail(ret);
	}
	if (lock >= 0)
		close(lock);
	closedir(dir);
	return status;
}

static int gc_run(int argc, char **argv)
{
	struct gc_cfg cfg = { 0 };
	struct ublk_ctrl *ctrl;
	int ret, status;

	ret = cli_parse(&gc_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	out_set("removed", json_array());
	ret = ublk_ctrl_open(&ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	status = gc_devices(&cfg, ctrl);
	ublk_ctrl_close(ctrl);
	ret = gc_files(&cfg);
	return ret ? ret : status;
}

const struct cli_command gc_command = {
	.name = "gc",
	.args = "[--dry-run]",
	.summary = "remove what servers that died have left behind",
	.opts = gc_opts,
	.run = gc_run,
};
