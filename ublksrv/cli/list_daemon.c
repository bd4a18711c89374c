// SPDX-License-Identifier: GPL-2.0
/*
 * What a running daemon has, for "ublk list -v": its command line, whether the
 * kernel may kill it when memory is short or let it wait for IO to free memory, how
 * much of it is locked in memory, the priority of its threads, and its limits.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "list.h"
#include "procfs.h"

static void daemon_command(pid_t pid, struct list_daemon *daemon)
{
	char path[64];
	size_t len, i;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	in = fopen(path, "re");
	if (!in)
		return;
	len = fread(daemon->command, 1, sizeof(daemon->command) - 1, in);
	fclose(in);
	daemon->command[len] = 0;
	for (i = 0; i + 1 < len; i++)
		if (!daemon->command[i])
			daemon->command[i] = ' ';
}

static void daemon_locked(pid_t pid, struct list_daemon *daemon)
{
	char path[64], line[256];
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "VmLck: %lu", &daemon->locked_kib) == 1)
			break;
	if (in)
		fclose(in);
}

/* The flags of PR_SET_IO_FLUSHER, which proc(5) has no other place for. */
static void daemon_flusher(pid_t pid, struct list_daemon *daemon)
{
	const unsigned long want = 0x00080000 |	/* PF_MEMALLOC_NOIO */
		0x00100000;			/* PF_LOCAL_THROTTLE */
	char path[64], line[512], *end;
	unsigned long flags;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	procfs_line(path, line, sizeof(line));
	/* the name in parentheses may have any letter */
	end = strrchr(line, ')');
	if (end && sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) == 1)
		daemon->io_flusher = (flags & want) == want;
}

static void daemon_realtime(pid_t tid, struct list_daemon *daemon)
{
	struct sched_param param;

	if (tid > 0 && sched_getscheduler(tid) == SCHED_FIFO &&
	    !sched_getparam(tid, &param))
		daemon->realtime = param.sched_priority;
}

void list_daemon_load(pid_t pid, pid_t tid, struct list_daemon *daemon)
{
	char path[64], line[64];

	memset(daemon, 0, sizeof(*daemon));
	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	if (!procfs_line(path, line, sizeof(line)) ||
	    sscanf(line, "%d", &daemon->oom_score_adj) != 1 ||
	    prlimit(pid, RLIMIT_MEMLOCK, NULL, &daemon->memlock) ||
	    prlimit(pid, RLIMIT_NOFILE, NULL, &daemon->nofile))
		return;
	daemon_command(pid, daemon);
	daemon_locked(pid, daemon);
	daemon_flusher(pid, daemon);
	daemon_realtime(tid, daemon);
	daemon->known = true;
}

static void daemon_limit(const char *what, const struct rlimit *limit)
{
	if (limit->rlim_cur == RLIM_INFINITY)
		printf(" %s unlimited", what);
	else
		printf(" %s %llu", what, (unsigned long long)limit->rlim_cur);
}

void list_daemon_text(const struct list_daemon *daemon)
{
	if (!daemon->known) {
		printf("\tdaemon: none, or not readable\n");
		return;
	}
	printf("\tcommand %s\n", daemon->command);
	printf("\toom_score_adj %d locked %lu KiB io_flusher %d realtime %d limits:",
	       daemon->oom_score_adj, daemon->locked_kib, daemon->io_flusher,
	       daemon->realtime);
	daemon_limit("memlock", &daemon->memlock);
	daemon_limit("nofile", &daemon->nofile);
	printf("\n");
}
