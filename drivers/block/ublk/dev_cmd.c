// SPDX-License-Identifier: GPL-2.0
/*
 * IO commands of the server that name no tag: buffers, files, extents. Called by cmd.c
 * and batch_commit.c, as devices of both kinds have them.
 */
#include "ublk.h"

static int ublk_dev_cmd_file(struct ublk_device *ub, struct io_uring_cmd *cmd)
{
	const struct ublk_file_cmd *sqe =
		io_uring_sqe_cmd(cmd->sqe, struct ublk_file_cmd);
	const struct ublk_file_cmd c = {
		.index		= READ_ONCE(sqe->index),
		.reserved	= READ_ONCE(sqe->reserved),
		.fd		= READ_ONCE(sqe->fd),
		.reserved2	= READ_ONCE(sqe->reserved2),
	};

	return ublk_file_cmd(ub, _IOC_NR(cmd->cmd_op), &c);
}

static int ublk_dev_cmd_extents(struct ublk_device *ub, struct io_uring_cmd *cmd,
				unsigned int issue_flags)
{
	const struct ublk_extents_cmd *sqe =
		io_uring_sqe_cmd(cmd->sqe, struct ublk_extents_cmd);
	const struct ublk_extents_cmd c = {
		.flags		= READ_ONCE(sqe->flags),
		.reserved	= READ_ONCE(sqe->reserved),
		.nr		= READ_ONCE(sqe->nr),
		.addr		= READ_ONCE(sqe->addr),
	};

	return ublk_extent_cmd(ub, cmd, &c, issue_flags);
}

/**
 * ublk_dev_cmd() - execute a command that names no tag
 * @ub: device; the command keeps its session open
 * @cmd: the command, ublk_cmd_is_of_device()
 * @issue_flags: of @cmd
 * Context: task of the server or its io-wq worker; may wait for a backing.
 * Return: -EIOCBQUEUED, or the result of the command.
 */
int ublk_dev_cmd(struct ublk_device *ub, struct io_uring_cmd *cmd,
		 unsigned int issue_flags)
{
	const struct ublksrv_io_cmd *sqe =
		io_uring_sqe_cmd(cmd->sqe, struct ublksrv_io_cmd);

	switch (_IOC_NR(cmd->cmd_op)) {
	case _IOC_NR(UBLK_U_IO_UNREGISTER_IO_BUF):
		return ublk_buf_unregister(ub, cmd, READ_ONCE(sqe->addr), issue_flags);
	case _IOC_NR(UBLK_U_IO_REGISTER_FILE):
	case _IOC_NR(UBLK_U_IO_UNREGISTER_FILE):
		return ublk_dev_cmd_file(ub, cmd);
	default:
		return ublk_dev_cmd_extents(ub, cmd, issue_flags);
	}
}
