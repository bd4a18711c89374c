// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * /dev/ublk-control: one function per control command.
 *
 * ctrl_exec() sends every command as a 128 byte SQE on the handle's own ring
 * (C-2), with an optional deadline. For devices with UNPRIVILEGED_DEV the path
 * of the char device precedes the payload (C-22). The handle remembers the
 * features of the device that it used last, so ctrl_run() knows whether to send
 * the path.
 *
 * Threads, targets and the life cycle of a device are in dev.c.
 */
#include <fcntl.h>
#include <stdio.h>

#include "private.h"

#define CTRL_CANCEL_MS	1000	/* for a command that was canceled to end */
#define CTRL_PATH	"/dev/ublk-control"
#define CTRL_PAYLOAD	1024	/* largest buffer of a command */
#define CTRL_BUF	(CTRL_PATH_LEN + CTRL_PAYLOAD)

struct ublk_ctrl {
	struct io_uring ring;
	int fd;
	unsigned int deadline_ms;
	char *bounce;		/* buffer of the running command */
	bool known;		/* known_id and known_flags are valid */
	__u32 known_id;
	__u64 known_flags;
	__u64 seq;		/* user_data of the running command */
};

/*
 * A command: the values for struct ublksrv_ctrl_cmd. The payload is copied
 * through a buffer in which the path can precede it.
 */
struct ctrl_req {
	__u32 op;
	__u32 id;
	__u64 data;
	void *payload;
	__u16 len;
	bool no_dev;		/* needs no existing device */
	bool with_path;		/* always send the path */
};

int ublk_ctrl_open(struct ublk_ctrl **ctrl)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };
	struct ublk_ctrl *c;
	int ret;

	c = calloc(1, sizeof(*c));
	if (!c)
		return ublk_error(-ENOMEM, "out of memory");

	c->fd = open(CTRL_PATH, O_RDWR | O_CLOEXEC);
	if (c->fd < 0) {
		ret = -errno;
		if (ret == -ENOENT || ret == -ENXIO || ret == -ENODEV)
			ret = ublk_error(-EUNATCH, CTRL_PATH
					 ": driver not loaded; run \"modprobe ublk_drv\"");
		else if (ret == -EACCES || ret == -EPERM)
			ublk_error(ret, CTRL_PATH
				   ": %s; run as root or as a user who may write to it",
				   strerror(-ret));
		else
			ublk_error(ret, CTRL_PATH ": %s", strerror(-ret));
		goto err_free;
	}

	c->bounce = malloc(CTRL_BUF);
	ret = c->bounce ? io_uring_queue_init_params(4, &c->ring, &p) :
		-ENOMEM;
	if (ret) {
		ublk_error(ret, "io_uring: %s; see the sysctl kernel.io_uring_disabled",
			   strerror(-ret));
		goto err_close;
	}
	*ctrl = c;
	return 0;

err_close:
	close(c->fd);
err_free:
	free(c->bounce);
	free(c);
	return ret;
}

void ublk_ctrl_close(struct ublk_ctrl *ctrl)
{
	if (!ctrl)
		return;
	io_uring_queue_exit(&ctrl->ring);
	close(ctrl->fd);
	free(ctrl->bounce);
	free(ctrl);
}

void ublk_ctrl_set_deadline(struct ublk_ctrl *ctrl, unsigned int ms)
{
	ctrl->deadline_ms = ms;
}

/* Wait for the CQE with @seq; older ones belong to abandoned commands. */
static int ctrl_wait(struct ublk_ctrl *c, __u64 seq, unsigned int ms)
{
	struct __kernel_timespec ts = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L,
	};
	struct io_uring_cqe *cqe;
	int ret;

	for (;;) {
		ret = io_uring_wait_cqe_timeout(&c->ring, &cqe,
						ms ? &ts : NULL);
		if (ret == -EINTR)
			continue;
		if (ret)
			return ret;
		ret = cqe->res;
		if (cqe->user_data == seq) {
			io_uring_cqe_seen(&c->ring, cqe);
			return ret;
		}
		io_uring_cqe_seen(&c->ring, cqe);
	}
}

/*
 * The command goes on, and may write to its buffer at any time: leave it that
 * buffer for ever. ctrl_wait() skips its CQE.
 */
static int ctrl_abandon(struct ublk_ctrl *c)
{
	c->bounce = NULL;
	return -ETIMEDOUT;
}

/* The deadline has passed. Canceling ends a command that waits interruptibly. */
static int ctrl_cancel(struct ublk_ctrl *c, __u64 seq)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&c->ring);
	int ret;

	if (!sqe)
		return ctrl_abandon(c);
	memset(sqe, 0, 128);
	io_uring_prep_cancel64(sqe, seq, 0);
	sqe->user_data = ++c->seq;
	io_uring_submit(&c->ring);
	ret = ctrl_wait(c, seq, CTRL_CANCEL_MS);
	if (ret == -ETIME)
		return ctrl_abandon(c);
	return ret == -EINTR || ret == -ECANCELED ? -ETIMEDOUT : ret;
}

/* Fill an SQE of 128 bytes, all but its user_data. */
static void ctrl_prep(struct io_uring_sqe *sqe, int fd,
		      const struct ctrl_req *req, void *buf, __u16 len,
		      __u16 path_len)
{
	struct ublksrv_ctrl_cmd *cmd;

	memset(sqe, 0, 128);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = req->op;
	cmd = (struct ublksrv_ctrl_cmd *)sqe->cmd;
	cmd->dev_id = req->id;
	cmd->queue_id = (__u16)-1;
	cmd->len = len;
	cmd->addr = len ? (uintptr_t)buf : 0;
	cmd->data[0] = req->data;
	cmd->dev_path_len = path_len;
}

static int ctrl_submit(struct ublk_ctrl *c, const struct ctrl_req *req,
		       __u16 len, __u16 path_len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&c->ring);
	__u64 seq;
	int ret;

	if (!sqe)
		return -EBUSY;
	ctrl_prep(sqe, c->fd, req, c->bounce, len, path_len);
	seq = ++c->seq;
	sqe->user_data = seq;
	ret = io_uring_submit(&c->ring);
	if (ret < 0)
		return ret;
	ret = ctrl_wait(c, seq, c->deadline_ms);
	if (ret == -ETIME && c->deadline_ms)
		ret = ctrl_cancel(c, seq);
	return ret;
}

static int ctrl_exec(struct ublk_ctrl *c, const struct ctrl_req *req,
		     bool with_path)
{
	__u16 path_len = with_path ? CTRL_PATH_LEN : 0;
	int ret;

	if (req->len > CTRL_PAYLOAD)
		return -E2BIG;
	if (!c->bounce)
		c->bounce = malloc(CTRL_BUF);
	if (!c->bounce)
		return -ENOMEM;
	memset(c->bounce, 0, CTRL_PATH_LEN);
	if (with_path)
		snprintf(c->bounce, CTRL_PATH_LEN, "/dev/ublkc%u", req->id);
	if (req->len)
		memcpy(c->bounce + path_len, req->payload, req->len);
	ret = ctrl_submit(c, req, path_len + req->len, path_len);
	if (ret >= 0 && req->len)
		memcpy(req->payload, c->bounce + path_len, req->len);
	return ret;
}

int ublk_ctrl_get_info(struct ublk_ctrl *ctrl, __u32 id,
		       struct ublksrv_ctrl_dev_info *info)
{
	struct ctrl_req req = {
		.op = UBLK_U_CMD_GET_DEV_INFO2, .id = id,
		.payload = info, .len = sizeof(*info),
	};
	int ret;

	memset(info, 0, sizeof(*info));
	ret = ctrl_exec(ctrl, &req, true);
	if (ret < 0 && ret != -ENODEV) {
		/* no node at the usual path, or a driver without the command */
		int first = ret;

		req.op = UBLK_U_CMD_GET_DEV_INFO;
		ret = ctrl_exec(ctrl, &req, false);
		/* a user always gets EINVAL then; the first error says more */
		if (ret == -EINVAL && first != -EOPNOTSUPP)
			ret = first;
	}
	if (ret < 0)
		return ret;
	ctrl->known = true;
	ctrl->known_id = id;
	ctrl->known_flags = info->flags;
	return 0;
}

static int ctrl_run(struct ublk_ctrl *c, const struct ctrl_req *req)
{
	struct ublksrv_ctrl_dev_info info;
	int ret;

	if (req->no_dev)
		return ctrl_exec(c, req, false);
	if (!c->known || c->known_id != req->id) {
		ret = ublk_ctrl_get_info(c, req->id, &info);
		if (ret)
			return ret;
	}
	return ctrl_exec(c, req, c->known_flags & UBLK_F_UNPRIVILEGED_DEV);
}

static int ctrl_simple(struct ublk_ctrl *c, __u32 op, __u32 id,
		       __u64 data)
{
	struct ctrl_req req = { .op = op, .id = id, .data = data };

	return ctrl_run(c, &req);
}

int ublk_ctrl_add_dev(struct ublk_ctrl *ctrl,
		      struct ublksrv_ctrl_dev_info *info)
{
	struct ctrl_req req = {
		.op = UBLK_U_CMD_ADD_DEV, .id = info->dev_id, .no_dev = true,
		.payload = info, .len = sizeof(*info),
	};

	int ret = ctrl_run(ctrl, &req);

	ctrl->known = !ret;
	if (!ret) {
		ctrl->known_id = info->dev_id;
		ctrl->known_flags = info->flags;
	}
	return ret;
}

int ublk_ctrl_del_dev(struct ublk_ctrl *ctrl, __u32 id)
{
	int ret = ctrl_simple(ctrl, UBLK_U_CMD_DEL_DEV, id, 0);

	ctrl->known = false;
	return ret;
}

int ublk_ctrl_del_dev_async(struct ublk_ctrl *ctrl, __u32 id)
{
	int ret = ctrl_simple(ctrl, UBLK_U_CMD_DEL_DEV_ASYNC, id, 0);

	ctrl->known = false;
	return ret;
}

int ublk_ctrl_start_dev(struct ublk_ctrl *ctrl, __u32 id, pid_t pid)
{
	return ctrl_simple(ctrl, UBLK_U_CMD_START_DEV, id, pid);
}

int ublk_ctrl_stop_dev(struct ublk_ctrl *ctrl, __u32 id)
{
	return ctrl_simple(ctrl, UBLK_U_CMD_STOP_DEV, id, 0);
}

int ublk_ctrl_try_stop_dev(struct ublk_ctrl *ctrl, __u32 id)
{
	return ctrl_simple(ctrl, UBLK_U_CMD_TRY_STOP_DEV, id, 0);
}

int ublk_ctrl_set_params(struct ublk_ctrl *ctrl, __u32 id,
			 const struct ublk_params *params)
{
	struct ublk_params copy;
	struct ctrl_req req = {
		.op = UBLK_U_CMD_SET_PARAMS, .id = id,
		.payload = &copy, .len = sizeof(copy),
	};
	int ret = params_import(&copy, params);

	if (ret)
		return ret;
	/* GET_PARAMS sets it, SET_PARAMS refuses it (C-129) */
	copy.types &= ~UBLK_PARAM_TYPE_DEVT;
	return ctrl_run(ctrl, &req);
}

int ublk_ctrl_get_params_size(struct ublk_ctrl *ctrl, __u32 id,
			      struct ublk_params *params, size_t size)
{
	struct ublk_params own = { .len = sizeof(own) };
	struct ctrl_req req = {
		.op = UBLK_U_CMD_GET_PARAMS, .id = id,
		.payload = &own, .len = sizeof(own),
	};
	int ret = ctrl_run(ctrl, &req);

	memset(params, 0, size);
	if (ret)
		return ret;
	own.len = size;
	memcpy(params, &own, size < sizeof(own) ? size : sizeof(own));
	return 0;
}

/**
 * ctrl_prep_get_params - fill an SQE of another ring with GET_PARAMS
 * @c: handle; ublk_ctrl_get_info() has just found the device
 * @sqe: of 128 bytes
 * @id: device
 * @buf: CTRL_QUERY_BUF bytes that live until the command has completed
 *
 * Return: where the parameters will be, in @buf
 */
struct ublk_params *ctrl_prep_get_params(const struct ublk_ctrl *c,
					 struct io_uring_sqe *sqe, __u32 id,
					 char *buf)
{
	bool with_path = c->known_flags & UBLK_F_UNPRIVILEGED_DEV;
	__u16 path_len = with_path ? CTRL_PATH_LEN : 0;
	struct ublk_params *params = (void *)(buf + path_len);
	struct ctrl_req req = { .op = UBLK_U_CMD_GET_PARAMS, .id = id };

	memset(buf, 0, CTRL_QUERY_BUF);
	if (with_path)
		snprintf(buf, CTRL_PATH_LEN, "/dev/ublkc%u", id);
	params->len = sizeof(*params);
	ctrl_prep(sqe, c->fd, &req, buf, path_len + sizeof(*params), path_len);
	return params;
}

int ublk_ctrl_get_affinity(struct ublk_ctrl *ctrl, __u32 id, __u16 qid,
			   cpu_set_t *set, size_t size)
{
	struct ctrl_req req = {
		.op = UBLK_U_CMD_GET_QUEUE_AFFINITY, .id = id, .data = qid,
		.payload = set, .len = size,
	};

	if (size > CTRL_PAYLOAD)
		return -E2BIG;
	memset(set, 0, size);
	return ctrl_run(ctrl, &req);
}

int ublk_ctrl_get_features(struct ublk_ctrl *ctrl, __u64 *features)
{
	struct ctrl_req req = {
		.op = UBLK_U_CMD_GET_FEATURES, .id = UBLK_ID_AUTO,
		.no_dev = true,
		.payload = features, .len = UBLK_FEATURES_LEN,
	};

	*features = 0;
	return ctrl_run(ctrl, &req);
}

int ublk_ctrl_start_recovery(struct ublk_ctrl *ctrl, __u32 id)
{
	return ctrl_simple(ctrl, UBLK_U_CMD_START_USER_RECOVERY, id, 0);
}

int ublk_ctrl_end_recovery(struct ublk_ctrl *ctrl, __u32 id, pid_t pid)
{
	return ctrl_simple(ctrl, UBLK_U_CMD_END_USER_RECOVERY, id, pid);
}

int ublk_ctrl_quiesce_dev(struct ublk_ctrl *ctrl, __u32 id, __u32 ms)
{
	return ctrl_simple(ctrl, UBLK_U_CMD_QUIESCE_DEV, id, ms);
}

int ublk_ctrl_update_size(struct ublk_ctrl *ctrl, __u32 id,
			  __u64 sectors)
{
	return ctrl_simple(ctrl, UBLK_U_CMD_UPDATE_SIZE, id, sectors);
}

int ublk_ctrl_reg_buf(struct ublk_ctrl *ctrl, __u32 id, void *addr,
		      __u64 len, __u32 flags)
{
	struct ublk_shmem_buf_reg reg = {
		.addr = (uintptr_t)addr, .len = len, .flags = flags,
	};
	struct ctrl_req req = {
		.op = UBLK_U_CMD_REG_BUF, .id = id,
		.payload = &reg, .len = sizeof(reg),
	};

	return ctrl_run(ctrl, &req);
}

int ublk_ctrl_unreg_buf(struct ublk_ctrl *ctrl, __u32 id, __u32 index)
{
	return ctrl_simple(ctrl, UBLK_U_CMD_UNREG_BUF, id, index);
}
