// SPDX-License-Identifier: GPL-2.0
/*
 * Start a server for "ublk serve": a child that runs "ublk add --foreground" or "ublk
 * recover --foreground" without executing a file, because the program may lie on the
 * disk whose IO waits for the server.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "declared.h"
#include "guardian.h"
#include "json.h"
#include "opt.h"
#include "supervise.h"

/* A device that was served and whose record is lost has no name any more. */
static int supervise_find_lost(struct supervise *s,
			       struct ublksrv_ctrl_dev_info *info)
{
	struct state st;

	if (s->id == UBLK_ID_AUTO || guardian_get_info(s->ctrl, s->id, info))
		return -ENODEV;
	if (!state_read(s->id, &st)) {
		state_free(&st);
		return -ENODEV;
	}
	s->lost = info->state == UBLK_S_DEV_QUIESCED ||
		info->state == UBLK_S_DEV_FAIL_IO;
	return s->lost ? 0 : -ENODEV;
}

/* One that is not declared. */
static int supervise_find_number(struct supervise *s,
				 struct ublksrv_ctrl_dev_info *info)
{
	int ret = guardian_get_info(s->ctrl, s->id, info);

	return ret ? common_explain(s->id, ret) : 0;
}

int supervise_find(struct supervise *s, struct ublksrv_ctrl_dev_info *info)
{
	__u64 id;
	int ret;

	s->lost = false;
	if (!s->conf->words)
		return supervise_find_number(s, info);
	ret = device_find(s->conf->name, &id);
	if (ret == -ENODEV)
		return supervise_find_lost(s, info);
	if (ret)
		return ret;
	s->id = id;
	ret = guardian_get_info(s->ctrl, s->id, info);
	if (ret)
		return common_explain(s->id, ret);
	return device_check(info);
}

/* In the child. The group of its own keeps Ctrl-C away, which the parent passes on. */
static void supervise_serve(struct supervise *s, const struct cli_command *cmd,
			    char **line)
{
	sigset_t none;
	int nr = 0, status;

	while (line[nr])
		nr++;
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	out_stop();
	ublk_ctrl_close(s->ctrl);
	/* of them the supervisor's socket: it would be there as long as the server */
	daemon_close_others(s->events);
	status = cmd->run(nr, line);
	if (status && s->said)
		snprintf(s->said, SUPERVISE_SAID, "%s", ublk_strerror_last());
	fflush(NULL);
	_exit(status);
}

/* Without memory for it the reason of a failure is in the log alone. */
static void supervise_share(struct supervise *s)
{
	void *mem;

	if (!s->said) {
		mem = mmap(NULL, SUPERVISE_SAID, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		s->said = mem == MAP_FAILED ? NULL : mem;
	}
	if (s->said)
		*s->said = 0;
}

static int supervise_fork(struct supervise *s, const struct cli_command *cmd,
			  char **line)
{
	supervise_share(s);
	fflush(NULL);
	s->pid = fork();
	if (!s->pid)
		supervise_serve(s, cmd, line);
	if (s->pid < 0) {
		s->pid = 0;
		return ublk_error(-errno, "%s: fork: %s", s->conf->path,
				  strerror(errno));
	}
	s->child = true;
	s->pidfd = syscall(SYS_pidfd_open, s->pid, 0);
	return s->pidfd < 0 ? ublk_error(-errno, "%s: pidfd_open: %s", s->conf->path,
					 strerror(errno)) : 0;
}

/* @line: for opt_list_free(), or NULL without memory */
static int supervise_line(struct supervise *s, const struct cli_command *cmd,
			  char **line)
{
	char option[32];
	int ret;

	if (!line)
		return -ENOMEM;
	s->events = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->events < 0) {
		ret = ublk_error(-errno, "%s: eventfd: %s", s->conf->path,
				 strerror(errno));
	} else {
		snprintf(option, sizeof(option), "--eventfd=%d", s->events);
		ret = opt_list_add(&line, strdup(option));
	}
	if (!ret)
		ret = opt_list_add(&line, strdup("--foreground"));
	if (!ret)
		ret = supervise_fork(s, cmd, line);
	opt_list_free(&line);
	return ret;
}

static int supervise_add(struct supervise *s)
{
	char **line;

	if (s->conf->missing)
		return ublk_error(-ENOENT, "%s", s->conf->missing);
	line = conf_line(s->conf, UBLK_ID_AUTO);
	/* the next server comes from here */
	if (line && !json_object_get(s->conf->words, "hold-timeout") &&
	    opt_list_add(&line, strdup("--hold-timeout=0")))
		opt_list_free(&line);
	return supervise_line(s, &add_command, line);
}

static int supervise_recover(struct supervise *s)
{
	return supervise_line(s, &recover_command, s->lost ?
			      conf_line(s->conf, s->id) :
			      self_line("recover", s->id, "--quiet", NULL));
}

/* Also a child of before this process executed another program. */
static bool supervise_is_child(pid_t pid)
{
	siginfo_t info;

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT);
}

static int supervise_adopt(struct supervise *s, pid_t pid)
{
	s->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (s->pidfd < 0)
		return ublk_error(-errno, "dev %u: its server, process %d: %s",
				  s->id, pid, strerror(errno));
	s->pid = pid;
	s->child = supervise_is_child(pid);
	return 0;
}

int supervise_start(struct supervise *s, enum supervise_start *what)
{
	struct ublksrv_ctrl_dev_info info;
	int ret;

	*what = SUPERVISE_RECOVERED;
	ret = supervise_find(s, &info);
	if (!s->conf->words && (ret == -ENODEV ||
				(!ret && info.state == UBLK_S_DEV_DEAD))) {
		*what = SUPERVISE_GONE;
		return ublk_error(-ENODEV, "dev %u: has been stopped or deleted",
				  s->id);
	}
	if (!ret && info.state == UBLK_S_DEV_DEAD) {
		ret = ublk_ctrl_del_dev(s->ctrl, s->id);
		if (ret && ret != -ENODEV)
			return common_explain(s->id, ret);
		devnodes_wait_gone(s->id, 5000);
		ret = -ENODEV;
	}
	if (ret == -ENODEV) {
		*what = SUPERVISE_ADDED;
		return supervise_add(s);
	}
	if (ret)
		return ret;
	*what = info.state == UBLK_S_DEV_LIVE ? SUPERVISE_FOUND :
		SUPERVISE_RECOVERED;
	return info.state == UBLK_S_DEV_LIVE ?
		supervise_adopt(s, info.ublksrv_pid) : supervise_recover(s);
}

int supervise_reap(struct supervise *s)
{
	int status = 0;

	if (s->child)
		while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
			;
	close(s->pidfd);
	if (s->events >= 0)
		close(s->events);
	s->pidfd = -1;
	s->events = -1;
	s->pid = 0;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
