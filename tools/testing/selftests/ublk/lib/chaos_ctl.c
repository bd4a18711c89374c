// SPDX-License-Identifier: GPL-2.0
/*
 * A process of the chaos test that sends control commands: see chaos.h.
 *
 * Two commands of three fit the state of their device, so that devices reach
 * later states. The others are random, most of them to devices with low
 * numbers, so that devices with high numbers carry I/O for a while. A command
 * that takes longer than the process waits is canceled and must then end: no
 * control command waits for a server in a way that cannot be interrupted. Its
 * result must be one that the command may have.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "chaos.h"

static const struct {
	__u32 op;
	int weight;		/* how many commands ignore the state */
	int errors[5];		/* results allowed without a cancel, besides ENODEV */
} ops[CHAOS_NR_OPS] = {
	[CHAOS_ADD] = { UBLK_U_CMD_ADD_DEV, 6, { EEXIST } },
	[CHAOS_SET_PARAMS] = { UBLK_U_CMD_SET_PARAMS, 6,
			       { EACCES, EINVAL, EBUSY } },
	[CHAOS_START] = { UBLK_U_CMD_START_DEV, 8, { EINVAL, EEXIST, EBUSY } },
	[CHAOS_STOP] = { UBLK_U_CMD_STOP_DEV, 3 },
	[CHAOS_TRY_STOP] = { UBLK_U_CMD_TRY_STOP_DEV, 5, { EBUSY } },
	[CHAOS_DEL] = { UBLK_U_CMD_DEL_DEV, 3 },
	[CHAOS_DEL_ASYNC] = { UBLK_U_CMD_DEL_DEV_ASYNC, 2 },
	[CHAOS_GET_PARAMS] = { UBLK_U_CMD_GET_PARAMS, 6, { EINVAL } },
	[CHAOS_INFO] = { UBLK_U_CMD_GET_DEV_INFO, 6 },
	[CHAOS_INFO2] = { UBLK_U_CMD_GET_DEV_INFO2, 3, { ENOENT, EPERM } },
	[CHAOS_AFFINITY] = { UBLK_U_CMD_GET_QUEUE_AFFINITY, 6, { EINVAL } },
	[CHAOS_SIZE] = { UBLK_U_CMD_UPDATE_SIZE, 4, { EINVAL } },
	[CHAOS_QUIESCE] = { UBLK_U_CMD_QUIESCE_DEV, 3, { EOPNOTSUPP, EBUSY } },
	[CHAOS_RECOVER] = { UBLK_U_CMD_START_USER_RECOVERY, 6,
			    { EINVAL, EBUSY } },
	[CHAOS_RECOVERED] = { UBLK_U_CMD_END_USER_RECOVERY, 8,
			      { EINVAL, EBUSY } },
	[CHAOS_REG_BUF] = { UBLK_U_CMD_REG_BUF, 3, { EOPNOTSUPP, EEXIST } },
	[CHAOS_UNREG_BUF] = { UBLK_U_CMD_UNREG_BUF, 2, { EOPNOTSUPP, ENOENT } },
};

/* The feature flags of a mode. */
__u64 chaos_mode_flags(enum chaos_mode mode)
{
	static const __u64 flags[CHAOS_NR_MODES] = {
		[CHAOS_COPY] = 0,
		[CHAOS_GET_DATA] = UBLK_F_NEED_GET_DATA,
		[CHAOS_USER_COPY] = UBLK_F_USER_COPY,
		[CHAOS_ZERO_COPY] = UBLK_F_SUPPORT_ZERO_COPY,
		[CHAOS_AUTO_BUF] = UBLK_F_AUTO_BUF_REG,
		[CHAOS_BATCH] = UBLK_F_BATCH_IO,
		[CHAOS_BATCH_USER_COPY] = UBLK_F_BATCH_IO | UBLK_F_USER_COPY,
		[CHAOS_BATCH_ZERO_COPY] = UBLK_F_BATCH_IO |
					  UBLK_F_SUPPORT_ZERO_COPY,
		[CHAOS_BATCH_AUTO_BUF] = UBLK_F_BATCH_IO | UBLK_F_AUTO_BUF_REG,
		[CHAOS_REDIRECT] = UBLK_F_REDIRECT,
		[CHAOS_BATCH_REDIRECT] = UBLK_F_REDIRECT | UBLK_F_BATCH_IO |
					 UBLK_F_AUTO_BUF_REG,
	};

	return flags[mode];
}

static __u64 any_mode(struct chaos *c, struct chaos_rng *r)
{
	unsigned int mode;
	__u64 flags;

	do {
		mode = chaos_rnd(r, CHAOS_NR_MODES);
	} while (!(c->modes & 1U << mode));
	flags = chaos_mode_flags(mode);
	if (c->shmem && !chaos_rnd(r, c->shmem))
		flags |= UBLK_F_SHMEM_ZC;
	return flags;
}

static enum chaos_op any_op(struct chaos_rng *r)
{
	int i, n, total = 0;

	for (i = 0; i < CHAOS_NR_OPS; i++)
		total += ops[i].weight;
	n = chaos_rnd(r, total);
	for (i = 0; n >= ops[i].weight; i++)
		n -= ops[i].weight;
	return i;
}

/* Is the last server of the device still there? Else a start waits for one. */
static bool served(struct chaos *c, int id)
{
	pid_t pid = __atomic_load_n(&c->server[id], __ATOMIC_ACQUIRE);

	return pid && !kill(pid, 0);
}

/* The command that takes a device in this state to the next one. */
static enum chaos_op fitting_op(struct chaos *c, struct chaos_rng *r, int id,
				int state)
{
	static const enum chaos_op live[] = {
		CHAOS_GET_PARAMS, CHAOS_INFO, CHAOS_AFFINITY, CHAOS_SIZE,
		CHAOS_INFO2, CHAOS_INFO, CHAOS_TRY_STOP, CHAOS_QUIESCE,
		CHAOS_REG_BUF, CHAOS_UNREG_BUF,
	};

	switch (state) {
	case UBLK_S_DEV_DEAD:
		return chaos_rnd(r, 8) < (served(c, id) ? 6 : 1) ?
		       CHAOS_START : CHAOS_SET_PARAMS;
	case UBLK_S_DEV_LIVE:
		return live[chaos_rnd(r, 10)];
	case UBLK_S_DEV_QUIESCED:
	case UBLK_S_DEV_FAIL_IO:
		return chaos_rnd(r, 2) ? CHAOS_RECOVERED : CHAOS_RECOVER;
	default:
		return CHAOS_ADD;
	}
}

static void fill_info(struct chaos *c, struct chaos_rng *r,
		      struct ublksrv_ctrl_dev_info *info)
{
	static const __u64 recovery[] = {
		0, UBLK_F_USER_RECOVERY,
		UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE,
		UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_FAIL_IO,
	};
	__u64 flags = recovery[chaos_rnd(r, 4)], mode = any_mode(c, r);
	int depth = 1 << chaos_rnd(r, 5);

	/* A batch device has two tags at least (C-52). */
	if (mode & UBLK_F_BATCH_IO && depth == 1)
		depth = 2;
	if (flags && chaos_rnd(r, 4))
		flags |= UBLK_F_QUIESCE;
	if (chaos_rnd(r, 2))
		flags |= UBLK_F_NO_AUTO_PART_SCAN;
	raw_info_init(info, 1 + chaos_rnd(r, 3), depth,
		      (flags | mode) & c->features);
}

static void fill_params(struct chaos_rng *r, struct ublk_params *p)
{
	raw_params_init(p);
	p->basic.attrs = UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	p->types |= UBLK_PARAM_TYPE_DISCARD;
	p->discard.discard_granularity = 4096;
	p->discard.max_discard_sectors = RAW_IO_BYTES / 512;
	p->discard.max_write_zeroes_sectors = RAW_IO_BYTES / 512;
	p->discard.max_discard_segments = 1;
	if (!chaos_rnd(r, 20))
		p->basic.logical_bs_shift = chaos_rnd(r, 64);
}

union chaos_buf {
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	struct ublk_shmem_buf_reg reg;
	char path[128];
	unsigned long mask[16];
};

static void fill(struct chaos *c, struct chaos_rng *r, enum chaos_op op,
		 int id, struct ublksrv_ctrl_cmd *cmd, union chaos_buf *buf)
{
	memset(cmd, 0, sizeof(*cmd));
	memset(buf, 0, sizeof(*buf));
	cmd->dev_id = id;
	cmd->queue_id = 0xffff;
	cmd->addr = (uintptr_t)buf;
	cmd->len = sizeof(*buf);
	switch (op) {
	case CHAOS_ADD:
		fill_info(c, r, &buf->info);
		buf->info.dev_id = id;
		break;
	case CHAOS_SET_PARAMS:
		fill_params(r, &buf->params);
		break;
	case CHAOS_GET_PARAMS:
		buf->params.len = sizeof(buf->params);
		break;
	case CHAOS_INFO2:
		snprintf(buf->path, sizeof(buf->path), "/dev/ublkc%d", id);
		cmd->dev_path_len = 32;
		break;
	case CHAOS_AFFINITY:
		cmd->data[0] = chaos_rnd(r, 4);
		break;
	case CHAOS_SIZE:
		cmd->data[0] = (chaos_rnd(r, 8) + 1) * RAW_DEV_BYTES / 512 / 8;
		break;
	case CHAOS_QUIESCE:
		cmd->data[0] = chaos_rnd(r, 1000);
		break;
	case CHAOS_REG_BUF:
		buf->reg.addr = (uintptr_t)c->shm;
		buf->reg.len = CHAOS_SHM;
		break;
	case CHAOS_UNREG_BUF:
		cmd->data[0] = chaos_rnd(r, 2);
		break;
	case CHAOS_START:
	case CHAOS_RECOVERED:
		cmd->data[0] = chaos_rnd(r, 16) ? c->server[id] : getpid();
		break;
	default:
		break;
	}
}

/* The command's CQE, or RAW_TIMEOUT. */
static int wait_for(struct raw_ctrl *ctl, __u64 seq, long end)
{
	for (;;) {
		struct __kernel_timespec ts = { .tv_nsec = 100000000 };
		long left = end - raw_now_ms();
		struct io_uring_cqe *cqe;
		__u64 got;
		int ret;

		if (left < 100)
			ts.tv_nsec = left > 0 ? left * 1000000 : 0;
		ret = io_uring_wait_cqe_timeout(&ctl->ring, &cqe, &ts);
		if (!ret) {
			got = cqe->user_data;
			ret = cqe->res;
			io_uring_cqe_seen(&ctl->ring, cqe);
			if (got == seq)
				return ret;
			continue;
		}
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
	}
}

static void cancel(struct raw_ctrl *ctl, __u64 seq)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ctl->ring);

	if (!sqe)
		return;
	memset(sqe, 0, RAW_SQE128);
	io_uring_prep_cancel64(sqe, seq, 0);
	sqe->user_data = ++ctl->seq;
	io_uring_submit(&ctl->ring);
}

static bool may_be(enum chaos_op op, int err, bool canceled)
{
	size_t i;

	if (!err || err == ENODEV)
		return true;
	if (err == EINTR || err == ECANCELED)
		return canceled;
	for (i = 0; i < 5; i++)
		if (ops[op].errors[i] == err)
			return true;
	return false;
}

/* The main process watches slot->since, which shows how long a cancel takes. */
static int run(struct chaos_ctl_slot *slot, struct raw_ctrl *ctl, __u32 op,
	       const struct ublksrv_ctrl_cmd *cmd, int patience)
{
	__u64 seq;
	int ret;

	if (!raw_ctrl_prep(ctl, op, cmd))
		return RAW_TIMEOUT;
	seq = ctl->seq;
	slot->canceled = 0;
	__atomic_store_n(&slot->since, raw_now_ms(), __ATOMIC_RELEASE);
	io_uring_submit(&ctl->ring);
	ret = wait_for(ctl, seq, raw_now_ms() + patience);
	while (ret == RAW_TIMEOUT) {
		slot->canceled++;
		cancel(ctl, seq);
		ret = wait_for(ctl, seq, raw_now_ms() + 1000);
	}
	__atomic_store_n(&slot->since, 0, __ATOMIC_RELEASE);
	return ret;
}

static void one(struct chaos *c, struct chaos_rng *r,
		struct chaos_ctl_slot *slot, struct raw_ctrl *ctl)
{
	int id = chaos_rnd(r, c->devs), id2 = chaos_rnd(r, c->devs), ret;
	struct ublksrv_ctrl_cmd cmd;
	union chaos_buf buf;
	enum chaos_op op;

	if (chaos_rnd(r, 3)) {
		op = fitting_op(c, r, id, raw_state(ctl, id));
	} else {
		op = any_op(r);
		id = id < id2 ? id : id2;
	}
	slot->op = op;
	slot->id = id;
	fill(c, r, op, id, &cmd, &buf);
	ret = run(slot, ctl, ops[op].op, &cmd,
		  1 + chaos_rnd(r, chaos_rnd(r, 4) ? c->life_ms / 3 : 200));
	if (slot->canceled)
		chaos_count(&c->canceled);
	/* The index of the buffer. */
	if (op == CHAOS_REG_BUF && ret > 0)
		ret = 0;
	if (ret > 0 || -ret >= CHAOS_ERRNOS ||
	    !may_be(op, -ret, slot->canceled)) {
		chaos_count(&c->unexpected);
		fprintf(stderr, "# %s of device %d: result %d (%s)\n",
			chaos_op_names[op], id, ret,
			slot->canceled ? "canceled" : "not canceled");
		return;
	}
	chaos_count(&c->results[op][-ret]);
}

/* Devices to begin with, as the first ones take long on a slow machine. */
int chaos_add_all(struct chaos *c)
{
	static const enum chaos_op begin[] = { CHAOS_ADD, CHAOS_SET_PARAMS };
	struct ublksrv_ctrl_cmd cmd;
	union chaos_buf buf;
	struct chaos_rng r;
	struct raw_ctrl ctl;
	int i, id, ret;

	chaos_seed(c, &r);
	ret = raw_ctrl_open(&ctl);
	if (ret)
		return ret;
	for (id = 0; id < c->devs && !ret; id++) {
		for (i = 0; i < 2 && !ret; i++) {
			fill(c, &r, begin[i], id, &cmd, &buf);
			if (begin[i] == CHAOS_SET_PARAMS)
				buf.params.basic.logical_bs_shift = 9;
			ret = raw_ctrl_cmd_ms(&ctl, ops[begin[i]].op, &cmd,
					      chaos_limit_ms());
		}
	}
	raw_ctrl_close(&ctl);
	return ret;
}

void chaos_ctl(struct chaos *c, struct chaos_ctl_slot *slot)
{
	struct chaos_rng r;
	struct raw_ctrl ctl;

	chaos_seed(c, &r);
	if (raw_ctrl_open(&ctl))
		_exit(1);
	while (!chaos_stopping(c)) {
		one(c, &r, slot, &ctl);
		if (!chaos_rnd(&r, 64)) {
			raw_ctrl_close(&ctl);
			if (raw_ctrl_open(&ctl))
				_exit(1);
		}
		usleep(chaos_rnd(&r, 20000));
	}
	_exit(0);
}
