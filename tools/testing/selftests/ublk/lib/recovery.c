// SPDX-License-Identifier: GPL-2.0
/*
 * Lose a device and recover it: see recovery.h. Used by the uapi_*.c programs
 * about recovery, quiescing, resizing and safe stops.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "recovery.h"

/* The state of a LIVE device with these flags after its server's exit (L-1). */
int rec_lost_state(__u64 flags)
{
	if (!(flags & UBLK_F_USER_RECOVERY))
		return UBLK_S_DEV_DEAD;
	return flags & UBLK_F_USER_RECOVERY_FAIL_IO ? UBLK_S_DEV_FAIL_IO :
						      UBLK_S_DEV_QUIESCED;
}

/* START_USER_RECOVERY. Retry on EBUSY: the old session may not have ended. */
int rec_start(struct fixture *t)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int ret;

	do {
		ret = raw_dev_cmd(&t->ctl, UBLK_U_CMD_START_USER_RECOVERY,
				  t->info.dev_id, 0);
		if (ret != -EBUSY)
			return ret;
		usleep(1000);
	} while (raw_now_ms() < end);
	return ret;
}

/* End the session of a LIVE device, with requests or without. */
int rec_lose(struct fixture *t)
{
	int ret;

	fx_close(t);
	ret = raw_wait_state(&t->ctl, t->info.dev_id,
			     rec_lost_state(t->info.flags));
	return ret ? ret : rec_start(t);
}

/* The next server, with all commands sent. */
int rec_begin(struct fixture *t)
{
	int ret = fx_serve(t, 0);

	return ret ? ret : raw_fetch_all(&t->ring);
}

/* END_USER_RECOVERY for this process, while it serves. */
int rec_end(struct fixture *t)
{
	int job = client_ctrl(t->client, UBLK_U_CMD_END_USER_RECOVERY,
			      t->info.dev_id, getpid());

	return client_wait_serving(t->client, job, &t->ring, RAW_DEADLINE_MS);
}

int rec_recover(struct fixture *t)
{
	int ret = rec_begin(t);

	return ret ? ret : rec_end(t);
}

bool rec_waits(struct fixture *t, int job)
{
	return client_wait(t->client, job, RAW_QUIET_MS) == RAW_TIMEOUT;
}

/*
 * Send a control command that waits, check that it waits, and cancel it, which
 * interrupts it. Returns its result, or RAW_TIMEOUT.
 */
int rec_canceled(struct fixture *t, __u32 op, __u64 data)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff, .data = { data },
	};
	struct __kernel_timespec ts = { .tv_nsec = 500000000 };
	struct io_uring *ring = &t->ctl.ring;
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	__u64 mine, got = 0;
	int res = 0;

	if (!raw_ctrl_prep(&t->ctl, op, &cmd) || io_uring_submit(ring) != 1)
		return -EIO;
	mine = t->ctl.seq;
	usleep(RAW_QUIET_MS * 1000);
	if (!io_uring_peek_cqe(ring, &cqe))
		return cqe->res;
	sqe = io_uring_get_sqe(ring);
	if (!sqe)
		return -EXFULL;
	io_uring_prep_cancel64(sqe, mine, 0);
	sqe->user_data = ++t->ctl.seq;
	if (io_uring_submit(ring) != 1)
		return -EIO;
	while (got != mine && raw_now_ms() < end) {
		if (io_uring_wait_cqe_timeout(ring, &cqe, &ts))
			continue;
		got = cqe->user_data;
		res = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	return got == mine ? res : RAW_TIMEOUT;
}

/* A CPU whose requests go to queue @q, or -errno. */
int rec_queue_cpu(struct fixture *t, int q)
{
	unsigned char mask[1024] = "";
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff, .data = { q },
		.len = sizeof(mask), .addr = (uintptr_t)mask,
	};
	int ret = raw_ctrl_cmd(&t->ctl, UBLK_U_CMD_GET_QUEUE_AFFINITY, &cmd);
	cpu_set_t can;
	int cpu;

	if (ret)
		return ret;
	if (sched_getaffinity(t->client->pid, sizeof(can), &can))
		return -errno;
	for (cpu = 0; cpu < 8 * sizeof(mask) && cpu < CPU_SETSIZE; cpu++) {
		if (mask[cpu / 8] & 1 << cpu % 8 && CPU_ISSET(cpu, &can))
			return cpu;
	}
	return -ENOENT;
}

struct cpu_arg {
	int id, cpu;
	enum client_blk_op op;
	__u64 off;
	__u32 len;
	char *buf;
};

static long cpu_job(void *arg)
{
	struct cpu_arg *c = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(c->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return -errno;
	return client_blk_run(c->id, c->op, c->off, c->len, c->buf);
}

/* The client does block I/O on one CPU, so on one queue. Returns the job. */
int rec_blk_on_cpu(struct fixture *t, int cpu, enum client_blk_op op, __u64 off,
		   __u32 len)
{
	struct cpu_arg arg = {
		.id = t->info.dev_id, .cpu = cpu, .op = op, .off = off,
		.len = len, .buf = t->client->data + off - RAW_WIN_START,
	};

	return client_start(t->client, cpu_job, &arg, sizeof(arg));
}

bool rec_disk_there(struct fixture *t)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/ublkb%u", t->info.dev_id);
	return !access(path, F_OK);
}

int rec_live(struct fixture *t)
{
	int ret = rec_begin(t);

	return ret ? ret : fx_start(t);
}

int rec_cmd(struct fixture *t, __u32 op, __u64 data)
{
	return raw_dev_cmd(&t->ctl, op, t->info.dev_id, data);
}

int rec_io(struct fixture *t, enum client_blk_op op, int n)
{
	return client_blk(t->client, t->info.dev_id, op, RAW_WIN_START + 65536 * n, 4096,
			  4096 * n);
}

/* Fetch the tags of queue @q from @tag on. */
int rec_fetch_queue(struct fixture *t, int q, int tag)
{
	int ret = 0;

	for (; tag < t->info.queue_depth && !ret; tag++)
		ret = raw_fetch(&t->ring, q, tag);
	return ret;
}

bool rec_fails(struct fixture *t)
{
	return t->info.flags & UBLK_F_USER_RECOVERY_FAIL_IO;
}

/* Submit a request while there is no server. Returns its job, or -EPROTO. */
int rec_held(struct fixture *t, int n)
{
	int before = fx_requests(t);
	int job = rec_io(t, CLIENT_READ, n);

	if (rec_fails(t))
		return client_wait(t->client, job, REC_FAST_MS) == -EREMOTEIO ?
		       job : -EPROTO;
	if (!fx_arrived(t, job, before + 1))
		return -EPROTO;
	return rec_waits(t, job) ? job : -EPROTO;
}

bool rec_reissues(struct fixture *t)
{
	return t->info.flags & UBLK_F_USER_RECOVERY_REISSUE;
}

/* The result of that request after the recovery. */
long rec_held_result(struct fixture *t)
{
	return rec_fails(t) ? -EREMOTEIO : 4096;
}
