// SPDX-License-Identifier: GPL-2.0
/*
 * Processes of a test: see proc.h.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proc.h"
#include "raw.h"

/* Memory that a process shares with its children. NULL on failure. */
void *proc_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * fork() a child that is killed when its parent ends. The result goes into a
 * local variable first: in shared memory the child would overwrite it with 0.
 */
pid_t proc_fork(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

/* Exit status, -EINTR when killed by a signal, -ECHILD, RAW_TIMEOUT. */
int proc_wait_exit(pid_t pid, int ms)
{
	long end = raw_now_ms() + ms;
	int status;
	pid_t got;

	while (!(got = waitpid(pid, &status, WNOHANG))) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(500);
	}
	if (got < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* Wait until another process has counted up to @goal. 0 or RAW_TIMEOUT. */
int proc_wait_count(int *count, int goal, int ms)
{
	long end = raw_now_ms() + ms;

	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < goal) {
		if (raw_now_ms() >= end)
			return RAW_TIMEOUT;
		usleep(500);
	}
	return 0;
}

/* State of a thread as in /proc/PID/stat, 0 if there is no such thread. */
char proc_state(pid_t pid, pid_t tid)
{
	char path[64], line[256], *p = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	f = fopen(path, "r");
	if (f && fgets(line, sizeof(line), f))
		p = strrchr(line, ')');
	if (f)
		fclose(f);
	return p && p[1] ? p[2] : 0;
}

static void dump_file(pid_t pid, pid_t tid, const char *name)
{
	char path[96], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		fprintf(stderr, "#   %s", line);
	if (f)
		fclose(f);
}

/* The next number in a directory of /proc, or 0. */
static pid_t next_id(DIR *dir)
{
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (isdigit(d->d_name[0]))
			return atoi(d->d_name);
	return 0;
}

/* A process with a thread that sleeps uninterruptibly, or 0. */
pid_t proc_blocked(void)
{
	DIR *proc = opendir("/proc"), *task;
	pid_t pid, tid, found = 0;
	char path[64];

	while (!found && (pid = next_id(proc))) {
		snprintf(path, sizeof(path), "/proc/%d/task", pid);
		task = opendir(path);
		while (!found && (tid = next_id(task)))
			if (proc_state(pid, tid) == 'D')
				found = pid;
		if (task)
			closedir(task);
	}
	if (proc)
		closedir(proc);
	return found;
}

static void dump_threads(pid_t pid, bool blocked_only)
{
	char path[64];
	DIR *task;
	pid_t tid;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	task = opendir(path);
	while ((tid = next_id(task))) {
		if (blocked_only && proc_state(pid, tid) != 'D')
			continue;
		fprintf(stderr, "# process %d thread %d\n", pid, tid);
		dump_file(pid, tid, "stat");
		dump_file(pid, tid, "stack");
	}
	if (task)
		closedir(task);
}

/* Print the stacks of a process; pid 0: of all tasks that are blocked. */
void proc_dump(pid_t pid)
{
	DIR *proc;

	if (pid) {
		dump_threads(pid, false);
		return;
	}
	proc = opendir("/proc");
	while ((pid = next_id(proc)))
		dump_threads(pid, true);
	if (proc)
		closedir(proc);
}
