/* SPDX-License-Identifier: GPL-2.0 */
/* Commands of io_uring and their task work: see compat.h. */
#ifndef UBLK_COMPAT_IO_URING_CMD_H
#define UBLK_COMPAT_IO_URING_CMD_H

#include <linux/io_uring/cmd.h>

#ifdef UBLK_LACKS_URING_TW_REQ
/*
 * Task work gets the command instead of a request that contains it, and flags of
 * io_uring instead of a token, which ublk_hook_tw_canceled() reads.
 */
#define io_tw_req	io_uring_cmd *
#define io_tw_token_t	unsigned int

static inline struct io_uring_cmd *io_uring_cmd_from_tw(struct io_tw_req tw_req)
{
	return tw_req;
}

/* The flags that io_uring passes, but for IO_URING_F_TASK_DEAD. */
#define IO_URING_CMD_TASK_WORK_ISSUE_FLAGS	IO_URING_F_COMPLETE_DEFER
#endif

#ifdef UBLK_LACKS_URING_DONE
static inline void ublk_compat_cmd_done(struct io_uring_cmd *cmd, s32 ret,
					unsigned int issue_flags)
{
	io_uring_cmd_done(cmd, ret, 0, issue_flags);
}

#define io_uring_cmd_done	ublk_compat_cmd_done
#endif

#ifdef UBLK_LACKS_URING_SQE_CMD
#define ublk_compat_sqe_cmd(sqe, type, space) ({			\
	BUILD_BUG_ON(sizeof(type) > (space) -				\
				    offsetof(struct io_uring_sqe, cmd)); \
	(const type *)(sqe)->cmd;					\
})
#define io_uring_sqe_cmd(sqe, type)	\
	ublk_compat_sqe_cmd(sqe, type, sizeof(struct io_uring_sqe))
#define io_uring_sqe128_cmd(sqe, type)	\
	ublk_compat_sqe_cmd(sqe, type, 2 * sizeof(struct io_uring_sqe))
#endif

#ifdef UBLK_LACKS_URING_CTX_HANDLE
static inline void *io_uring_cmd_ctx_handle(struct io_uring_cmd *cmd)
{
	return cmd_to_io_kiocb(cmd)->ctx;
}
#endif

#ifdef UBLK_LACKS_URING_MSHOT
/* No command may answer more than once: no device has UBLK_F_BATCH_IO. */
#ifndef IORING_URING_CMD_MULTISHOT
#define IORING_URING_CMD_MULTISHOT	BIT(1)
#endif

#define io_br_sel	ublk_compat_br_sel

struct io_br_sel {
	int			val;
	void __user		*addr;
};

static inline struct io_br_sel
io_uring_cmd_buffer_select(struct io_uring_cmd *cmd, unsigned int group,
			   size_t *len, unsigned int issue_flags)
{
	return (struct io_br_sel){ .val = -EOPNOTSUPP };
}

static inline bool io_uring_mshot_cmd_post_cqe(struct io_uring_cmd *cmd,
					       struct io_br_sel *sel,
					       unsigned int issue_flags)
{
	return true;
}
#endif

#endif
