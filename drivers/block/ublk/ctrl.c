// SPDX-License-Identifier: GPL-2.0
/*
 * Control commands: the table, and the steps that every command takes.
 *
 * ublk_ctrl_uring_cmd() finds the row, returns -EAGAIN to io_uring if the
 * command may sleep and must not, reads the SQE once, finds the device, checks
 * permission and calls the function of the row (C-10). A new command is one row
 * here and one function in the file it belongs to.
 */
#include <linux/nospec.h>

#include "ublk.h"

/* A control command. */
struct ublk_ctrl_op {
	int	(*fn)(struct ublk_ctrl *c);	/* NULL: no such command */
	u32	opcode;	/* its only opcode; 0: the number decides */
	int	mask;	/* what the node must grant (control.rst section 2) */
	bool	nowait;	/* does not sleep, so io_uring_enter() executes it */
	bool	no_dev;	/* does not name a device */
};

#define UBLK_CTRL_READ	MAY_READ
#define UBLK_CTRL_WRITE	(MAY_READ | MAY_WRITE)

static const struct ublk_ctrl_op ublk_ctrl_ops[] = {
	[_IOC_NR(UBLK_U_CMD_GET_QUEUE_AFFINITY)] = {
		.fn = ublk_info_get_affinity,
		.mask = UBLK_CTRL_READ, .nowait = true },
	[_IOC_NR(UBLK_U_CMD_GET_DEV_INFO)] = {
		.fn = ublk_info_get_dev_info,
		.mask = UBLK_CTRL_READ, .nowait = true },
	[_IOC_NR(UBLK_U_CMD_ADD_DEV)] = {
		.fn = ublk_add_dev, .no_dev = true },
	[_IOC_NR(UBLK_U_CMD_DEL_DEV)] = {
		.fn = ublk_stop_del_dev, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_START_DEV)] = {
		.fn = ublk_disk_start, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_STOP_DEV)] = {
		.fn = ublk_stop_dev, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_SET_PARAMS)] = {
		.fn = ublk_params_set, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_GET_PARAMS)] = {
		.fn = ublk_params_get, .mask = UBLK_CTRL_READ },
	[_IOC_NR(UBLK_U_CMD_START_USER_RECOVERY)] = {
		.fn = ublk_recover_start, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_END_USER_RECOVERY)] = {
		.fn = ublk_recover_end, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_GET_DEV_INFO2)] = {
		.fn = ublk_info_get_dev_info,
		.mask = UBLK_CTRL_READ, .nowait = true },
	[_IOC_NR(UBLK_U_CMD_GET_FEATURES)] = {
		.fn = ublk_info_get_features, .opcode = UBLK_U_CMD_GET_FEATURES,
		.mask = UBLK_CTRL_READ, .nowait = true, .no_dev = true },
	[_IOC_NR(UBLK_U_CMD_DEL_DEV_ASYNC)] = {
		.fn = ublk_stop_del_dev_async },
	[_IOC_NR(UBLK_U_CMD_UPDATE_SIZE)] = {
		.fn = ublk_resize_dev, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_QUIESCE_DEV)] = {
		.fn = ublk_quiesce_dev, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_TRY_STOP_DEV)] = {
		.fn = ublk_stop_try, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_REG_BUF)] = {
		.fn = ublk_shmem_reg, .mask = UBLK_CTRL_WRITE },
	[_IOC_NR(UBLK_U_CMD_UNREG_BUF)] = {
		.fn = ublk_shmem_unreg, .mask = UBLK_CTRL_WRITE },
};

static const struct ublk_ctrl_op *ublk_ctrl_find(unsigned int nr)
{
	static const struct ublk_ctrl_op none;

	if (nr >= ARRAY_SIZE(ublk_ctrl_ops))
		return &none;
	return &ublk_ctrl_ops[array_index_nospec(nr,
						 ARRAY_SIZE(ublk_ctrl_ops))];
}

/* The SQE can change while it is read, so every field is read once (F-1). */
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

/* Find the device, check permission, execute: steps 5 to 7 (C-10). */
static int ublk_ctrl_run(const struct ublk_ctrl_op *op, struct ublk_ctrl *c,
			 u32 cmd_op)
{
	bool known = op->fn && (!op->opcode || op->opcode == cmd_op);
	int ret = 0;

	if (!known || !op->no_dev) {
		c->ub = ublk_dev_get_by_id(c->cmd.dev_id);
		if (!c->ub)
			return -ENODEV;
		ret = ublk_perm_check(c, _IOC_NR(cmd_op), op->mask);
	}
	if (!ret)
		ret = known ? op->fn(c) : -EOPNOTSUPP;
	if (c->ub)
		ublk_dev_put(c->ub);
	return ret;
}

/*
 * The uring_cmd operation of /dev/ublk-control. The number of a command alone
 * decides whether it may sleep, before anything else is read (C-3). Runs in the
 * submitter's task, or in its io-wq worker for commands that may sleep. Return:
 * the command's result; -EAGAIN asks io_uring for a worker.
 */
int ublk_ctrl_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct ublk_ctrl_op *op = ublk_ctrl_find(_IOC_NR(cmd->cmd_op));
	struct ublk_ctrl c = { };

	if ((issue_flags & IO_URING_F_NONBLOCK) && !op->nowait)
		return -EAGAIN;
	if (!(issue_flags & IO_URING_F_SQE128))
		return -EINVAL;
	ublk_ctrl_read_sqe(cmd, &c.cmd);
	if (!ublk_opcode_ok(cmd->cmd_op))
		return -EOPNOTSUPP;
	return ublk_ctrl_run(op, &c, cmd->cmd_op);
}
