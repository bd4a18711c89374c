// SPDX-License-Identifier: GPL-2.0
/*
 * After the chaos: see chaos.h. Nobody sends commands any more and every server
 * has been killed. Devices that wait for a server get one or are deleted, then
 * nothing may be left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "chaos.h"
#include "proc.h"
#include "server_proc.h"

/* The process ends within its time. */
bool chaos_ends(struct chaos *c, const char *what, pid_t pid)
{
	if (proc_wait_exit(pid, chaos_limit_ms()) != RAW_TIMEOUT)
		return true;
	chaos_count(&c->immortal);
	fprintf(stderr, "# %s (process %d) does not end\n", what, pid);
	proc_dump(pid);
	proc_dump(0);
	return false;
}

static int command(struct raw_ctrl *ctl, __u32 op, int id, __u64 data)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id, .queue_id = 0xffff, .data = { data },
	};

	return raw_ctrl_cmd_ms(ctl, op, &cmd, chaos_limit_ms());
}

/* ---- recovery ------------------------------------------------------------- */

/* A stop or deletion goes on when the process that asked for it is killed. */
static bool is_stopped(struct raw_ctrl *ctl, int id)
{
	struct ublksrv_ctrl_dev_info info;

	return raw_get_info(ctl, id, &info) || info.state == UBLK_S_DEV_DEAD;
}

/* A server is told ENODEV before the stop is done. */
static bool becomes_stopped(struct raw_ctrl *ctl, int id)
{
	long end = raw_now_ms() + chaos_limit_ms();

	while (raw_now_ms() < end) {
		if (is_stopped(ctl, id))
			return true;
		usleep(5000);
	}
	return false;
}

/*
 * The old session ends some time after its server was killed (L-20). Return:
 * -ENODEV if the device is stopped instead
 */
static int start_recovery(struct raw_ctrl *ctl, int id)
{
	long end = raw_now_ms() + chaos_limit_ms();
	int ret;

	do {
		ret = command(ctl, UBLK_U_CMD_START_USER_RECOVERY, id, 0);
		if (ret != -EBUSY)
			break;
		if (is_stopped(ctl, id))
			return -ENODEV;
		usleep(5000);
	} while (raw_now_ms() < end);
	return ret;
}

static int recover(struct chaos *c, struct raw_ctrl *ctl,
		   const struct ublksrv_ctrl_dev_info *info)
{
	struct server_proc *s;
	int ret = start_recovery(ctl, info->dev_id);

	if (ret)
		return ret;
	s = server_new(info, c->store[info->dev_id]);
	if (!s)
		return -ENOMEM;
	s->shm = c->shm;
	ret = server_start(s);
	if (!ret)
		ret = command(ctl, UBLK_U_CMD_END_USER_RECOVERY, info->dev_id,
			      s->pid);
	if (ret)
		server_report(s);
	return ret;
}

/*
 * Each second device that waits for a server gets one. What it serves then is
 * judged by those who do the I/O.
 */
bool chaos_recover_all(struct chaos *c)
{
	struct ublksrv_ctrl_dev_info info;
	int id, ret, n = 0;
	struct raw_ctrl ctl;
	bool good = true;

	if (raw_ctrl_open(&ctl))
		return false;
	for (id = 0; id < c->devs; id++) {
		if (raw_get_info(&ctl, id, &info) ||
		    (info.state != UBLK_S_DEV_QUIESCED &&
		     info.state != UBLK_S_DEV_FAIL_IO) || n++ % 2)
			continue;
		chaos_untune(id);
		ret = recover(c, &ctl, &info);
		if (!ret || (ret == -ENODEV && becomes_stopped(&ctl, id)))
			continue;
		fprintf(stderr, "# recovery of device %d: %d\n", id, ret);
		good = false;
	}
	raw_ctrl_close(&ctl);
	return good;
}

/* ---- deletion ------------------------------------------------------------- */

/*
 * Request all deletions first: a disk that is closed may not be released before
 * another one, which waits for its server (Documentation/block/ublk.rst).
 */
bool chaos_delete_all(void)
{
	static const __u32 ops[] = {
		UBLK_U_CMD_DEL_DEV_ASYNC, UBLK_U_CMD_DEL_DEV,
	};
	struct raw_ctrl ctl;
	bool good = true;
	int i, id, ret;

	if (raw_ctrl_open(&ctl))
		return false;
	for (i = 0; i < 2; i++) {
		for (id = 0; id < CHAOS_DEVS; id++) {
			ret = command(&ctl, ops[i], id, 0);
			if (!ret || ret == -ENODEV)
				continue;
			fprintf(stderr, "# DEL_DEV%s of device %d: %d\n",
				i ? "" : "_ASYNC", id, ret);
			if (good)
				proc_dump(0);
			good = false;
		}
	}
	raw_ctrl_close(&ctl);
	return good;
}

bool chaos_no_nodes(void)
{
	char path[32];
	int id;

	for (id = 0; id < CHAOS_DEVS; id++) {
		snprintf(path, sizeof(path), "/dev/ublkb%d", id);
		if (!raw_wait_path(path, false))
			return false;
		snprintf(path, sizeof(path), "/dev/ublkc%d", id);
		if (!raw_wait_path(path, false))
			return false;
	}
	return true;
}

/* ---- what is left --------------------------------------------------------- */

/* No task stays in an uninterruptible sleep; kernel threads pass through it. */
bool chaos_none_blocked(void)
{
	long end = raw_now_ms() + chaos_limit_ms();

	while (proc_blocked()) {
		if (raw_now_ms() >= end) {
			proc_dump(0);
			return false;
		}
		usleep(20000);
	}
	return true;
}

/* What readers saw and what servers keep that nobody can have written. */
unsigned long chaos_wrong_blocks(struct chaos *c)
{
	unsigned long seen, kept, sum = c->io_wrong;
	int id;

	for (id = 0; id < c->devs; id++) {
		seen = c->gen[id]->bad;
		kept = io_gen_check(c->gen[id], c->store[id]);
		if (seen || kept)
			fprintf(stderr, "# device %d: %lu wrong blocks read, %lu kept\n",
				id, seen, kept);
		sum += seen + kept;
	}
	return sum;
}

static bool loaded(void)
{
	return !access("/sys/module/ublk_drv/refcnt", F_OK);
}

/* Unload the driver if it is a module. */
bool chaos_unload(void)
{
	long end = raw_now_ms() + chaos_limit_ms();
	pid_t pid;

	while (loaded()) {
		pid = proc_fork();
		if (!pid) {
			execlp("modprobe", "modprobe", "-r", "ublk_drv", NULL);
			_exit(127);
		}
		if (proc_wait_exit(pid, chaos_limit_ms()) == RAW_TIMEOUT) {
			proc_dump(pid);
			proc_dump(0);
			return false;
		}
		if (raw_now_ms() >= end)
			return false;
		usleep(20000);
	}
	return true;
}
