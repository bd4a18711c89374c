// SPDX-License-Identifier: GPL-2.0
/*
 * Control commands: the table, and the path every command takes.
 *
 * read SQE once -> look up -> find device -> permission -> handler. A new
 * command is one row here and one function in the file it belongs to. Order of
 * checks: C-10.
 */
#include <linux/nospec.h>

#include "ublk.h"

/* Takes no device: ADD_DEV. */
#define UBLK_CTRL_NO_DEV	0x1

/**
 * struct ublk_ctrl_op - a control command
 * @fn: what it does; NULL: no such command
 * @mask: access that a device's node has to grant (control.md section 2)
 * @flags: UBLK_CTRL_*
 */
struct ublk_ctrl_op {
	int	(*fn)(struct ublk_ctrl *c);
	int	mask;
	int	flags;
};

#define UBLK_CTRL_READ	MAY_READ
#define UBLK_CTRL_WRITE	(MAY_READ | MAY_WRITE)

static const struct ublk_ctrl_op ublk_ctrl_ops[] = {
	[_IOC_NR(UBLK_U_CMD_GET_QUEUE_AFFINITY)] = {
		ublk_info_get_affinity, UBLK_CTRL_READ },
	[_IOC_NR(UBLK_U_CMD_GET_DEV_INFO)] = {
		ublk_info_get_dev_info, UBLK_CTRL_READ },
	[_IOC_NR(UBLK_U_CMD_ADD_DEV)] = {
		ublk_dev_add, 0, UBLK_CTRL_NO_DEV },
	[_IOC_NR(UBLK_U_CMD_DEL_DEV)] = {
		ublk_dev_del, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_START_DEV)] = {
		ublk_disk_start, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_STOP_DEV)] = {
		ublk_stop_dev, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_SET_PARAMS)] = {
		ublk_params_set, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_GET_PARAMS)] = {
		ublk_params_get, UBLK_CTRL_READ },
	[_IOC_NR(UBLK_U_CMD_START_USER_RECOVERY)] = {
		ublk_recover_start, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_END_USER_RECOVERY)] = {
		ublk_recover_end, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_GET_DEV_INFO2)] = {
		ublk_info_get_dev_info, UBLK_CTRL_READ },
	[_IOC_NR(UBLK_U_CMD_GET_FEATURES)] = {
		NULL, UBLK_CTRL_READ },
	[_IOC_NR(UBLK_U_CMD_DEL_DEV_ASYNC)] = {
		ublk_dev_del_async, 0 },
	[_IOC_NR(UBLK_U_CMD_UPDATE_SIZE)] = {
		ublk_disk_resize, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_QUIESCE_DEV)] = {
		ublk_quiesce_dev, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_TRY_STOP_DEV)] = {
		ublk_stop_try, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_REG_BUF)] = {
		ublk_shmem_reg, UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_UNREG_BUF)] = {
		ublk_shmem_unreg, UBLK_CTRL_WRITE },
};

static const struct ublk_ctrl_op *ublk_ctrl_find(unsigned int nr)
{
	static const struct ublk_ctrl_op none;

	if (nr >= ARRAY_SIZE(ublk_ctrl_ops))
		return &none;
	return &ublk_ctrl_ops[array_index_nospec(nr,
						 ARRAY_SIZE(ublk_ctrl_ops))];
}

/* C-3: by the number alone, before anything else is known of the command. */
static bool ublk_ctrl_may_sleep(unsigned int nr)
{
	switch (nr) {
	case _IOC_NR(UBLK_U_CMD_GET_QUEUE_AFFINITY):
	case _IOC_NR(UBLK_U_CMD_GET_DEV_INFO):
	case _IOC_NR(UBLK_U_CMD_GET_DEV_INFO2):
	case _IOC_NR(UBLK_U_CMD_GET_FEATURES):
		return false;
	default:
		return true;
	}
}

/* F-1: the SQE can change under us; every field is read once. */
static void ublk_ctrl_read_sqe(struct io_uring_cmd *cmd,
			       struct ublksrv_ctrl_cmd *out)
{
	const struct ublksrv_ctrl_cmd *sqe =
		io_uring_sqe128_cmd(cmd->sqe, struct ublksrv_ctrl_cmd);

	*out = (struct ublksrv_ctrl_cmd) {
		.dev_id		= READ_ONCE(sqe->dev_id),
		.queue_id	= READ_ONCE(sqe->queue_id),
		.len		= READ_ONCE(sqe->len),
		.addr		= READ_ONCE(sqe->addr),
		.data		= { READ_ONCE(sqe->data[0]) },
		.dev_path_len	= READ_ONCE(sqe->dev_path_len),
	};
}

/* Steps 5 to 7 of C-10. */
static int ublk_ctrl_run(struct ublk_ctrl *c, unsigned int nr)
{
	const struct ublk_ctrl_op *op = ublk_ctrl_find(nr);
	int ret = 0;

	if (!(op->flags & UBLK_CTRL_NO_DEV)) {
		c->ub = ublk_dev_get_by_id(c->cmd.dev_id);
		if (!c->ub)
			return -ENODEV;
		ret = ublk_perm_check(c, nr, op->mask);
	}
	if (!ret)
		ret = op->fn ? op->fn(c) : -EOPNOTSUPP;
	if (c->ub)
		ublk_dev_put(c->ub);
	return ret;
}

/**
 * ublk_ctrl_uring_cmd() - the uring_cmd operation of /dev/ublk-control
 * @cmd: command
 * @issue_flags: IO_URING_F_*
 *
 * Context: the submitter, or for commands that may sleep an io-wq worker of it.
 * Return: the command's result; -EAGAIN asks io_uring for a worker (C-3).
 */
int ublk_ctrl_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	unsigned int nr = _IOC_NR(cmd->cmd_op);
	struct ublk_ctrl c = { };

	if ((issue_flags & IO_URING_F_NONBLOCK) && ublk_ctrl_may_sleep(nr))
		return -EAGAIN;
	if (!(issue_flags & IO_URING_F_SQE128))
		return -EINVAL;
	ublk_ctrl_read_sqe(cmd, &c.cmd);
	if (!ublk_opcode_ok(cmd->cmd_op))
		return -EOPNOTSUPP;
	if (cmd->cmd_op == UBLK_U_CMD_GET_FEATURES)
		return ublk_info_get_features(&c.cmd);
	return ublk_ctrl_run(&c, nr);
}
