// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk guardian": bound the time for which a device without a server holds requests, on a
 * driver that has no attribute hold_timeout, such as the one in Linux 6.12.
 *
 * The daemon of such a device starts this process, which is there before it is needed, as
 * the program may lie on the disk. When the daemon has ended and no other one has come
 * within the time, it recovers the device, and fails all requests. It leaves the device
 * again when "ublk recover" sends it SIGTERM (guardian_find.c), and ends with the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "cli.h"
#include "guardian.h"
#include "opt.h"

#define ATTACH_MS	60000	/* for the driver to answer */
#define RETRY_MS	5000	/* between attempts to attach */
#define LOOK_MS		200	/* between looks at a device that waits */

struct guardian_cfg {
	__u64 id;
	__u64 daemon;
	__u64 seconds;
};

static const struct ublk_opt guardian_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_DEVICE,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct guardian_cfg, id),
		.arg = "ID", .help = "device whose daemon has started this",
	},
	{
		.name = "daemon", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct guardian_cfg, daemon),
		.arg = "PID", .min = 1, .max = INT_MAX,
		.help = "its daemon, instead of the one that the driver names",
	},
	{
		.name = "hold-timeout|hold_timeout", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct guardian_cfg, seconds),
		.arg = "SECONDS", .def = "300", .min = 1, .max = 86400,
		.help = "for how long its IO may be held",
	},
	{ 0 }
};

/* The disk as it is: the driver's parameters. */
static int guardian_open(struct ublk_dev *dev, void *cfg)
{
	struct ublk_params *p = ublk_dev_params(dev);

	*p = *(const struct ublk_params *)cfg;
	p->types &= ~UBLK_PARAM_TYPE_DEVT;
	return 0;
}

static void guardian_submit(struct ublk_queue *q, struct ublk_io *io)
{
	(void)q;
	ublk_io_complete(io, -EIO);
}

static const struct ublk_opt guardian_no_opts[] = { { 0 } };

static const struct ublk_target guardian_target = {
	UBLK_TARGET(),
	.name = "guardian",
	.summary = "fails every request",
	.opts = guardian_no_opts,
	.config_size = sizeof(struct ublk_params),
	.open = guardian_open,
	.submit = guardian_submit,
	.flags = UBLK_TARGET_RING_DATA | UBLK_TARGET_NO_DATA,
};

static void guardian_pause(unsigned int ms)
{
	struct timespec pause = {
		.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000,
	};

	nanosleep(&pause, NULL);
}

/*
 * The daemon has ended: wait for the end of the time, which began at @since.
 *
 * Return: true if the device waits for a server still; false if it has one, waits no
 * more, or is gone
 */
static bool guardian_wait(const struct guardian_cfg *cfg, struct ublk_ctrl *ctrl,
			  pid_t daemon, __u64 since,
			  struct ublksrv_ctrl_dev_info *info)
{
	__u64 end = since + cfg->seconds * 1000000000ULL;
	int ret;

	for (;;) {
		ret = ublk_ctrl_get_info(ctrl, cfg->id, info);
		if (ret == -ENODEV)
			return false;
		/*
		 * The driver needs a moment to see that a daemon has ended, and may name
		 * no process meanwhile.
		 */
		if (!ret && info->state == UBLK_S_DEV_LIVE &&
		    info->ublksrv_pid > 0 && info->ublksrv_pid != daemon)
			return false;
		if (!ret && info->state != UBLK_S_DEV_LIVE &&
		    info->state != UBLK_S_DEV_QUIESCED)
			return false;
		if (!ret && info->state == UBLK_S_DEV_QUIESCED &&
		    common_now_ns() >= end)
			return true;
		guardian_pause(LOOK_MS);
	}
}

/* Return: 0, and the requests of the device fail; or negative errno with a message */
static int guardian_attach(struct ublk_ctrl *ctrl,
			   const struct ublksrv_ctrl_dev_info *info,
			   struct ublk_dev **pdev)
{
	struct ublk_dev_opts opts = {
		.struct_size = sizeof(opts), .id = info->dev_id,
		.nr_queues = info->nr_hw_queues, .depth = info->queue_depth,
		.io_buf_bytes = info->max_io_buf_bytes, .flags = UBLK_DEV_RECOVER,
	};
	struct state st = { 0 };
	/* as long as the handle */
	static struct ublk_params params;
	struct ublk_dev *dev;
	int ret;

	ret = ublk_ctrl_get_params(ctrl, info->dev_id, &params);
	if (ret)
		return common_explain(info->dev_id, ret);
	mode_from_flags(info->flags, &opts);
	if (info->flags & UBLK_F_SHMEM_ZC && !state_read(info->dev_id, &st)) {
		opts.shmem = st.shmem;
		opts.flags |= st.shmem_read_only ? UBLK_DEV_SHMEM_RO : 0;
	}
	ret = ublk_dev_new(&dev, &opts, &guardian_target, &params);
	state_free(&st);
	if (ret)
		return ret;
	ublk_ctrl_set_deadline(ublk_dev_ctrl(dev), ATTACH_MS);
	ret = ublk_dev_recover(dev);
	if (!ret)
		ret = ublk_dev_configure(dev);
	if (!ret)
		ret = ublk_dev_start_threads(dev);
	if (!ret)
		ret = ublk_dev_start(dev);
	if (ret)
		ublk_dev_free(dev);
	*pdev = dev;
	return ret;
}

/* Until the driver has ended the threads, or a signal this process. */
static void guardian_serve(const struct guardian_cfg *cfg, struct ublk_dev *dev)
{
	__u32 id = cfg->id;

	ublk_log(UBLK_LOG_WARN, "dev %u: has had no server for %llu s: its requests fail until \"ublk recover -n %u\"",
		 id, (unsigned long long)cfg->seconds, id);
	ublk_dev_wait(dev);
	ublk_dev_free(dev);
}

static int guardian_after(const struct guardian_cfg *cfg, pid_t daemon)
{
	__u64 since = common_now_ns();
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	struct ublk_dev *dev = NULL;

	while (ublk_ctrl_open(&ctrl)) {
		ublk_log(UBLK_LOG_ERR, "dev %u: nobody bounds how long its requests are held: %s",
			 (unsigned int)cfg->id, ublk_strerror_last());
		guardian_pause(RETRY_MS);
	}
	ublk_ctrl_set_deadline(ctrl, CLI_QUERY_MS);
	while (guardian_wait(cfg, ctrl, daemon, since, &info)) {
		if (!guardian_attach(ctrl, &info, &dev)) {
			guardian_serve(cfg, dev);
			break;
		}
		ublk_log(UBLK_LOG_ERR, "dev %u: its requests cannot be failed: %s",
			 info.dev_id, ublk_strerror_last());
		guardian_pause(RETRY_MS);
	}
	ublk_ctrl_close(ctrl);
	return 0;
}

/* Return: process that serves the device, or negative errno with a message */
static int guardian_find_daemon(const struct guardian_cfg *cfg)
{
	struct ublksrv_ctrl_dev_info info;
	struct ublk_ctrl *ctrl;
	int ret;

	if (cfg->daemon)
		return cfg->daemon;
	ret = common_open(cfg->id, &ctrl, &info);
	if (ret)
		return ret;
	ublk_ctrl_close(ctrl);
	return info.ublksrv_pid > 0 ? info.ublksrv_pid : 0;
}

/*
 * It keeps nothing open meanwhile, so the driver can be unloaded. The daemon may end
 * before this process looks, so it says in the command line who it is.
 */
static int guardian_follow(const struct guardian_cfg *cfg)
{
	int daemon = guardian_find_daemon(cfg), pidfd;
	char path[48];

	if (daemon < 0)
		return daemon;
	pidfd = common_open_daemon(cfg->id, daemon);
	common_daemon_ended(pidfd, -1);
	if (pidfd >= 0)
		close(pidfd);
	snprintf(path, sizeof(path), "/sys/class/ublk-char/ublkc%u",
		 (unsigned int)cfg->id);
	return access(path, F_OK) ? 0 : guardian_after(cfg, daemon);
}

static int guardian_run(int argc, char **argv)
{
	struct guardian_cfg cfg = { .id = UBLK_ID_AUTO };
	int ret;

	ret = cli_parse(&guardian_command, &cfg, argc, argv);
	if (ret >= 0)
		return ret;
	ret = cli_need_id(&guardian_command, cfg.id);
	if (ret)
		return ret;
	daemon_close_others(STDERR_FILENO);
	prctl(PR_SET_NAME, GUARDIAN_COMM);
	signal(SIGHUP, SIG_IGN);
	if (daemon_is_mute())
		daemon_use_syslog(UBLK_LOG_INFO);
	survive_set_up(false);
	/* fails for an ordinary user, whose devices cannot be recovered anyway */
	mlockall(MCL_CURRENT);
	ret = guardian_follow(&cfg);
	return ret ? cli_fail(ret) : EXIT_OK;
}

void guardian_start(__u32 id, unsigned int seconds)
{
	char number[16], daemon[32], option[40];
	char *const line[] = {
		(char *)(uintptr_t)"ublk", (char *)(uintptr_t)guardian_command.name,
		number, daemon, option, NULL,
	};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int ret;

	if (!seconds || hold_has(id))
		return;
	snprintf(number, sizeof(number), "%u", id);
	snprintf(daemon, sizeof(daemon), "--daemon=%d", (int)getpid());
	snprintf(option, sizeof(option), "--hold-timeout=%u", seconds);
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&files, STDIN_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, STDIN_FILENO, STDERR_FILENO);
	ret = posix_spawn(&pid, "/proc/self/exe", &files, &attr, line, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (!ret)
		ret = -state_hold(id, seconds);
	if (ret)
		ublk_log(UBLK_LOG_WARN, "dev %u: --hold-timeout has no effect: %s", id,
			 strerror(ret));
}

const struct cli_command guardian_command = {
	.name = "guardian",
	.args = "-n ID [--daemon PID] [--hold-timeout SECONDS]",
	.summary = "fail the IO of a device that gets no server, for \"ublk add\"",
	.opts = guardian_opts,
	.run = guardian_run,
};
