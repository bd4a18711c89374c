// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk doctor": run-state files, devices, declarations.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/statvfs.h>

#include "conf.h"
#include "doctor.h"
#include "guardian.h"
#include "opt.h"

/* For the records of some devices. */
#define ROOM_BYTES	65536

static void doctor_directory(struct doctor *d, const char *dir)
{
	struct statvfs fs;
	unsigned long long room;

	if (access(dir, F_OK)) {
		doctor_ok(d, "%s is not there yet; the first device makes it", dir);
		return;
	}
	if (access(dir, W_OK)) {
		doctor_bad(d, "make it writable, or set UBLK_RUN_DIR", "%s: %s",
			   dir, strerror(errno));
		return;
	}
	if (statvfs(dir, &fs))
		return;
	room = (unsigned long long)fs.f_bavail * fs.f_frsize;
	/* some file systems do not count */
	if (fs.f_blocks && room < ROOM_BYTES)
		doctor_bad(d, "free some space there, or set UBLK_RUN_DIR: no device can be added",
			   "%s has %llu bytes free", dir, room);
	else
		doctor_ok(d, "%s is writable", dir);
}

void doctor_run_state(struct doctor *d)
{
	doctor_directory(d, state_dir());
}

/* Return: false if something was wrong */
static bool doctor_record(struct doctor *d, const struct ublksrv_ctrl_dev_info *info)
{
	char cure[200];
	struct state st;
	bool same;
	int ret;

	ret = state_read(info->dev_id, &st);
	same = !ret && state_matches(&st, info);
	if (!ret)
		state_free(&st);
	if (same || info->state == UBLK_S_DEV_LIVE)
		return true;
	snprintf(cure, sizeof(cure), "give target and options as to \"ublk add\": \"ublk recover -n %u -t TARGET ...\"",
		 info->dev_id);
	doctor_bad(d, cure, "dev %u: %s %s", info->dev_id, state_name(info->dev_id),
		   ret == -EBADMSG ? "is damaged" : ret == -ESTALE ?
		   "is of an earlier boot" : ret ? "cannot be read" :
		   "is that of an earlier device");
	return false;
}

static void doctor_device(struct doctor *d,
			  const struct ublksrv_ctrl_dev_info *info)
{
	__u32 id = info->dev_id;
	char cure[200];

	if (info->state == UBLK_S_DEV_DEAD) {
		snprintf(cure, sizeof(cure), "\"ublk del %u\", or \"ublk gc\"", id);
		doctor_bad(d, cure, "dev %u: has no disk", id);
	} else if (info->state != UBLK_S_DEV_LIVE) {
		if (!doctor_record(d, info))
			return;
		snprintf(cure, sizeof(cure), "\"ublk recover %u\", or \"ublk del %u\"",
			 id, id);
		doctor_bad(d, cure, "dev %u: has lost its server, %s", id,
			   info->state == UBLK_S_DEV_QUIESCED ?
			   "and its IO waits" : "and its IO fails");
	} else if (strcmp(proc_state_text(info->ublksrv_pid), "alive")) {
		snprintf(cure, sizeof(cure), "\"kill -CONT %d\" continues it, \"kill -9 %d\" ends it",
			 info->ublksrv_pid, info->ublksrv_pid);
		doctor_bad(d, cure, "dev %u: its server, process %d, is %s", id,
			   info->ublksrv_pid, proc_state_text(info->ublksrv_pid));
	} else {
		doctor_ok(d, "dev %u is live, served by process %d", id,
			  info->ublksrv_pid);
	}
}

void doctor_devices(struct doctor *d)
{
	struct ublksrv_ctrl_dev_info info;
	__u32 *ids;
	int nr, i;

	nr = d->ctrl ? devnodes_list(&ids) : 0;
	for (i = 0; i < nr; i++)
		if (!guardian_get_info(d->ctrl, ids[i], &info))
			doctor_device(d, &info);
	if (d->ctrl)
		free(ids);
}

void doctor_declarations(struct doctor *d)
{
	char **names, cure[400];
	struct conf c;
	size_t i;
	int ret;

	if (conf_names(&names)) {
		doctor_bad(d, "make it a directory that may be read", "%s",
			   ublk_strerror_last());
		return;
	}
	for (i = 0; names && names[i]; i++) {
		ret = conf_read(names[i], &c);
		if (!ret) {
			ret = conf_check_alone(&c);
			if (!ret && c.missing)
				ret = ublk_error(-ENOENT, "%s", c.missing);
			conf_free(&c);
		}
		snprintf(cure, sizeof(cure), "correct %s/%s" CONF_SUFFIX, conf_dir(),
			 names[i]);
		if (ret)
			doctor_bad(d, cure, "%s", ublk_strerror_last());
		else
			doctor_ok(d, "%s/%s" CONF_SUFFIX, conf_dir(), names[i]);
	}
	opt_list_free(&names);
}
