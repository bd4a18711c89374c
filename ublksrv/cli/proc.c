// SPDX-License-Identifier: GPL-2.0
/*
 * Processes, from /proc: the state of a daemon, and who has a device open. For
 * the messages of commands whose time has passed.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "procfs.h"

#define OPENERS_SHOWN	3

/* Letter of a process's state, as proc(5) lists them; 0 if there is none. */
static char proc_state(pid_t pid)
{
	char path[32], line[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	procfs_line(path, line, sizeof(line));
	/* the name in parentheses may have any letter */
	end = strrchr(line, ')');
	return end && end[1] ? end[2] : 0;
}

/**
 * proc_state_text - what a process does
 * @pid: process
 *
 * Return: text
 */
const char *proc_state_text(pid_t pid)
{
	switch (pid > 0 ? proc_state(pid) : 0) {
	case 'T':
	case 't':
		return "stopped";
	case 0:
	case 'Z':
	case 'X':
		return "dead";
	default:
		return "alive";
	}
}

/**
 * proc_cure - a sentence on a daemon that does not answer
 * @id: device
 * @pid: its daemon, or not positive without one
 * @buf: receives the text
 * @len: size of @buf
 *
 * Return: @buf
 */
const char *proc_cure(__u32 id, pid_t pid, char *buf, size_t len)
{
	switch (pid > 0 ? proc_state(pid) : 0) {
	case 'T':
	case 't':
		snprintf(buf, len, "its daemon, process %d, is stopped and does not answer: \"kill -CONT %d\" continues it, \"kill -9 %d\" ends it",
			 pid, pid, pid);
		break;
	case 0:
	case 'Z':
	case 'X':
		if (pid > 0)
			snprintf(buf, len, "its daemon, process %d, is dead; \"ublk list -n %u\" shows whether it can be recovered, else see the kernel log",
				 pid, id);
		else
			snprintf(buf, len, "it has no daemon; see the kernel log");
		break;
	default:
		snprintf(buf, len, "its daemon, process %d, is alive and does not answer: see whether its backing store does, or end it with \"kill -9 %d\"",
			 pid, pid);
	}
	return buf;
}

static void proc_name(const char *pid, char *buf, size_t len)
{
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	if (!procfs_line(path, buf, len))
		snprintf(buf, len, "?");
}

static bool proc_has_open(const char *pid, mode_t type, const dev_t *devs,
			  unsigned int nr)
{
	char path[300];
	bool found = false;
	struct dirent *e;
	struct stat st;
	unsigned int i;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		/* follows the link, also that of a node that was removed */
		if (!procfs_stat_fd(dirfd(dir), e->d_name, &st) ||
		    (st.st_mode & S_IFMT) != type)
			continue;
		for (i = 0; i < nr; i++)
			found |= st.st_rdev == devs[i];
	}
	if (dir)
		closedir(dir);
	return found;
}

/**
 * proc_openers - which processes have one of some devices open
 * @type: S_IFBLK or S_IFCHR
 * @devs: device numbers
 * @nr: how many
 * @buf: receives "process 12 (dd), process 13 (cat)", or ""
 * @len: size of @buf
 *
 * An ordinary user sees only own processes.
 *
 * Return: how many were found
 */
unsigned int proc_openers(mode_t type, const dev_t *devs, unsigned int nr,
			  char *buf, size_t len)
{
	DIR *dir = opendir("/proc");
	unsigned int found = 0;
	struct dirent *e;
	size_t used = 0;
	char name[32];

	*buf = 0;
	while (dir && (e = readdir(dir))) {
		if (!isdigit((unsigned char)*e->d_name) ||
		    !proc_has_open(e->d_name, type, devs, nr))
			continue;
		if (found++ >= OPENERS_SHOWN || used >= len)
			continue;
		proc_name(e->d_name, name, sizeof(name));
		used += snprintf(buf + used, len - used, "%sprocess %s (%s)",
				 used ? ", " : "", e->d_name, name);
	}
	if (dir)
		closedir(dir);
	if (found > OPENERS_SHOWN && used < len)
		snprintf(buf + used, len - used, " and %u more",
			 found - OPENERS_SHOWN);
	return found;
}
