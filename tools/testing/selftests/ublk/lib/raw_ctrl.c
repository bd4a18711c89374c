// SPDX-License-Identifier: GPL-2.0
/*
 * Control commands for the tests: see raw.h.
 *
 * A command goes out on a ring with 128-byte SQEs and is waited for with a
 * deadline. After a timeout it may still complete later; its CQE has an old
 * sequence number and is dropped.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "raw.h"

#define CONTROL_NODE "/dev/ublk-control"

long raw_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * How many times slower than usual this kernel is, as the runner says: what waits
 * for a long job multiplies its deadline by that.
 */
int raw_scale(void)
{
	const char *scale = getenv("UBLK_TEST_SCALE");

	return scale && atoi(scale) > 1 ? atoi(scale) : 1;
}

/* By how much this run is to divide repetitions; see README. */
int raw_less(void)
{
	const char *less = getenv("UBLK_TEST_LESS");

	return less && atoi(less) > 1 ? atoi(less) : 1;
}

static void load_module(void)
{
	pid_t pid = fork();

	if (!pid) {
		execlp("modprobe", "modprobe", "ublk_drv", NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

bool raw_wait_path(const char *path, bool there)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	do {
		if ((access(path, F_OK) == 0) == there)
			return true;
		usleep(2000);
	} while (raw_now_ms() < end);
	return false;
}

int raw_ctrl_open(struct raw_ctrl *c)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };
	int ret;

	memset(c, 0, sizeof(*c));
	c->fd = open(CONTROL_NODE, O_RDWR | O_CLOEXEC);
	if (c->fd < 0 && (errno == ENOENT || errno == ENXIO)) {
		load_module();
		raw_wait_path(CONTROL_NODE, true);
		c->fd = open(CONTROL_NODE, O_RDWR | O_CLOEXEC);
	}
	if (c->fd < 0)
		return -errno;
	ret = io_uring_queue_init_params(8, &c->ring, &p);
	if (ret)
		close(c->fd);
	return ret;
}

void raw_ctrl_close(struct raw_ctrl *c)
{
	io_uring_queue_exit(&c->ring);
	close(c->fd);
}

static int wait_seq(struct raw_ctrl *c, __u64 seq, int ms)
{
	long end = raw_now_ms() + ms;

	for (;;) {
		struct __kernel_timespec ts = { .tv_nsec = 100000000 };
		struct io_uring_cqe *cqe;
		__u64 got;
		int ret;

		ret = io_uring_wait_cqe_timeout(&c->ring, &cqe, &ts);
		if (!ret) {
			got = cqe->user_data;
			ret = cqe->res;
			io_uring_cqe_seen(&c->ring, cqe);
			if (got == seq)
				return ret;
			continue;
		}
		if (ret != -ETIME && ret != -EINTR && ret != -EAGAIN)
			return ret;
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
	}
}

/* Fill the next SQE but do not submit it; its user_data is c->seq. */
struct io_uring_sqe *raw_ctrl_prep(struct raw_ctrl *c, __u32 op,
				   const struct ublksrv_ctrl_cmd *cmd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&c->ring);
	void *area;

	if (!sqe)
		return NULL;
	area = sqe;
	memset(area, 0, RAW_SQE128);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = c->fd;
	sqe->cmd_op = op;
	sqe->user_data = ++c->seq;
	memcpy((char *)area + RAW_SQE_CMD, cmd, sizeof(*cmd));
	return sqe;
}

/* Sends opcode @op unchanged; raw_ctrl_cmd() makes the legacy form. */
int raw_ctrl_cmd_ms(struct raw_ctrl *c, __u32 op,
		    const struct ublksrv_ctrl_cmd *cmd, int ms)
{
	int ret;

	if (!raw_ctrl_prep(c, op, cmd))
		return -EXFULL;
	ret = io_uring_submit(&c->ring);
	if (ret != 1)
		return ret < 0 ? ret : -EIO;
	return wait_seq(c, c->seq, ms);
}

int raw_ctrl_cmd(struct raw_ctrl *c, __u32 op,
		 const struct ublksrv_ctrl_cmd *cmd)
{
	if (c->legacy && op != UBLK_U_CMD_GET_FEATURES)
		op &= 0xff;
	return raw_ctrl_cmd_ms(c, op, cmd, RAW_DEADLINE_MS);
}

int raw_dev_cmd(struct raw_ctrl *c, __u32 op, int id, __u64 data)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id,
		.queue_id = 0xffff,
		.data = { data },
	};

	return raw_ctrl_cmd(c, op, &cmd);
}

int raw_buf_cmd(struct raw_ctrl *c, __u32 op, int id, const void *buf,
		__u16 len)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id,
		.queue_id = 0xffff,
		.len = len,
		.addr = (uintptr_t)buf,
	};

	return raw_ctrl_cmd(c, op, &cmd);
}

/* With UBLK_TEST_EXTENTS every device that may have it has an empty table of extents. */
__u64 raw_added_flags(__u64 flags)
{
	if (flags & (UBLK_F_UNPRIVILEGED_DEV | UBLK_F_ZONED | UBLK_F_INTEGRITY))
		return 0;
	return getenv("UBLK_TEST_EXTENTS") ? UBLK_F_EXTENTS : 0;
}

void raw_info_init(struct ublksrv_ctrl_dev_info *info, int queues, int depth,
		   __u64 flags)
{
	memset(info, 0, sizeof(*info));
	info->nr_hw_queues = queues;
	info->queue_depth = depth;
	info->max_io_buf_bytes = RAW_IO_BYTES;
	info->dev_id = -1;
	info->flags = flags | raw_added_flags(flags);
}

int raw_add(struct raw_ctrl *c, struct ublksrv_ctrl_dev_info *info)
{
	return raw_buf_cmd(c, UBLK_U_CMD_ADD_DEV, info->dev_id, info,
			   sizeof(*info));
}

/* DEL_DEV with the path that an unprivileged device needs (C-22). */
int raw_del(struct raw_ctrl *c, int id)
{
	char path[32] = "";
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = id,
		.queue_id = 0xffff,
		.len = sizeof(path),
		.addr = (uintptr_t)path,
		.dev_path_len = sizeof(path),
	};

	snprintf(path, sizeof(path), "/dev/ublkc%d", id);
	return raw_ctrl_cmd(c, UBLK_U_CMD_DEL_DEV, &cmd);
}

int raw_get_info(struct raw_ctrl *c, int id,
		 struct ublksrv_ctrl_dev_info *info)
{
	return raw_buf_cmd(c, UBLK_U_CMD_GET_DEV_INFO, id, info,
			   sizeof(*info));
}

int raw_state(struct raw_ctrl *c, int id)
{
	struct ublksrv_ctrl_dev_info info;
	int ret = raw_get_info(c, id, &info);

	return ret < 0 ? ret : info.state;
}

int raw_wait_state_ms(struct raw_ctrl *c, int id, int state, int ms)
{
	long end = raw_now_ms() + ms;
	int ret;

	do {
		ret = raw_state(c, id);
		if (ret == state)
			return 0;
		usleep(2000);
	} while (raw_now_ms() < end);
	return ret < 0 ? ret : RAW_TIMEOUT;
}

int raw_wait_state(struct raw_ctrl *c, int id, int state)
{
	return raw_wait_state_ms(c, id, state, RAW_DEADLINE_MS);
}

int raw_features(struct raw_ctrl *c, __u64 *features)
{
	return raw_buf_cmd(c, UBLK_U_CMD_GET_FEATURES, 0, features,
			   UBLK_FEATURES_LEN);
}

/* Parameters that any driver accepts for a device of raw_info_init(). */
void raw_params_init(struct ublk_params *p)
{
	memset(p, 0, sizeof(*p));
	p->len = sizeof(*p);
	p->types = UBLK_PARAM_TYPE_BASIC;
	p->basic.logical_bs_shift = 9;
	p->basic.physical_bs_shift = 12;
	p->basic.io_opt_shift = 12;
	p->basic.io_min_shift = 9;
	p->basic.max_sectors = RAW_IO_BYTES / 512;
	p->basic.dev_sectors = RAW_DEV_BYTES / 512;
}

int raw_set_params(struct raw_ctrl *c, int id, struct ublk_params *p)
{
	return raw_buf_cmd(c, UBLK_U_CMD_SET_PARAMS, id, p, sizeof(*p));
}

int raw_get_params(struct raw_ctrl *c, int id, struct ublk_params *p)
{
	memset(p, 0, sizeof(*p));
	p->len = sizeof(*p);
	return raw_buf_cmd(c, UBLK_U_CMD_GET_PARAMS, id, p, sizeof(*p));
}

/* Open /dev/ublkcN; retry on EBUSY and while the node is missing (F-16). */
int raw_char_open(int id)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkc%d", id);
	do {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != EBUSY && errno != ENOENT)
			break;
		usleep(2000);
	} while (raw_now_ms() < end);
	return -errno;
}

/* Number of possible CPU ids: the highest one plus one. */
int raw_possible_cpus(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/possible", "r");
	char line[256] = "", *last;
	int n = -1;

	if (!f)
		return -errno;
	if (fgets(line, sizeof(line), f)) {
		last = line + strcspn(line, "\n");
		while (last > line && last[-1] >= '0' && last[-1] <= '9')
			last--;
		n = atoi(last) + 1;
	}
	fclose(f);
	return n;
}

long raw_read_ulong(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned long val;
	int ret = 0;

	if (!f)
		return -errno;
	if (fscanf(f, "%lu", &val) != 1)
		ret = -EIO;
	fclose(f);
	return ret ? ret : (long)val;
}

/* In one write(), as attributes want it. 0 or -errno. */
int raw_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* Drop the capabilities of the calling thread only. */
static int drop_capability(int cap)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return -errno;
	d[0].effective &= ~(1U << cap);
	if (syscall(SYS_capset, &h, d))
		return -errno;
	return 0;
}

int raw_drop_privileges(void)
{
	return drop_capability(CAP_SYS_ADMIN);
}

/* From here on RLIMIT_MEMLOCK limits the thread. */
int raw_drop_ipc_lock(void)
{
	return drop_capability(CAP_IPC_LOCK);
}

/* Mainline's driver accepts a capacity that no disk can have (I-62). */
static bool probe_mainline(void)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params p;
	struct raw_ctrl c;
	bool mainline;

	if (raw_ctrl_open(&c))
		return false;
	raw_info_init(&info, 1, 1, 0);
	mainline = !raw_add(&c, &info);
	if (mainline) {
		raw_params_init(&p);
		p.basic.dev_sectors = ~0ULL;
		mainline = !raw_set_params(&c, info.dev_id, &p);
		raw_del(&c, info.dev_id);
	}
	raw_ctrl_close(&c);
	return mainline;
}

/*
 * Is the driver under test the distribution's? The runner says so in
 * UBLK_TEST_DRIVER ("distro" or "ours"); without it, a harmless difference
 * tells.
 */
bool running_on_mainline(void)
{
	const char *driver = getenv("UBLK_TEST_DRIVER");

	return driver ? !strcmp(driver, "distro") : probe_mainline();
}

/*
 * Wait until a sleeping command of that process is being executed: io_uring has
 * then created a worker thread for it.
 */
bool raw_wait_worker(pid_t pid)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	char path[64], comm[32];
	struct dirent *d;
	bool found = false;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	while (!found && raw_now_ms() < end) {
		dir = opendir(path);
		while (dir && !found && (d = readdir(dir))) {
			char file[sizeof(path) + 32];

			snprintf(file, sizeof(file), "%s/%d/comm", path,
				 atoi(d->d_name));
			f = fopen(file, "r");
			if (!f)
				continue;
			found = fgets(comm, sizeof(comm), f) &&
				!strncmp(comm, "iou-wrk", 7);
			fclose(f);
		}
		if (dir)
			closedir(dir);
		usleep(10000);
	}
	return found;
}
