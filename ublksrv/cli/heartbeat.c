// SPDX-License-Identifier: GPL-2.0
/*
 * Find a server that lives and does not work: it is stopped, in an endless loop, or
 * waits for a lock that nobody gives back.
 *
 * Each thread of a server waits in io_uring_enter(), for requests or for its store,
 * and then makes a turn of its loop, which its counters count. So a thread that
 * sleeps in that call is well, however long that takes, and so is one that has made a
 * turn. Any other one has hung since its last turn. The server is not asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "cli.h"
#include "heartbeat.h"
#include "procfs.h"

static bool heartbeat_file(const struct heartbeat *h, pid_t tid, const char *name,
			   char *buf, size_t len)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", h->pid, tid, name);
	return procfs_line(path, buf, len);
}

/* Letter of the thread's state, 0 if it is gone. */
static char heartbeat_state(const struct heartbeat *h, pid_t tid)
{
	char line[512], *end;

	if (!heartbeat_file(h, tid, "stat", line, sizeof(line)))
		return 0;
	end = strrchr(line, ')');
	return end && end[1] ? end[2] : 0;
}

/* Asleep where it belongs? Also if that is not known. */
static bool heartbeat_waits(const struct heartbeat *h, pid_t tid, char state)
{
	char line[256];

	if (state != 'S' && state != 'I')
		return !state;
	if (!heartbeat_file(h, tid, "syscall", line, sizeof(line)))
		return true;
	return strtol(line, NULL, 10) == SYS_io_uring_enter;
}

/* Where in the kernel the thread is: its functions, from the innermost one. */
static void heartbeat_stack(const struct heartbeat *h, pid_t tid, char *buf,
			    size_t len)
{
	char path[80], line[256], *at;
	size_t used = 0;
	FILE *in;

	*buf = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stack", h->pid, tid);
	in = fopen(path, "re");
	/* "[<0>] function+0x1/0x2 [module]" */
	while (in && used < len && fgets(line, sizeof(line), in)) {
		at = strchr(line, ' ');
		at = at ? at + 1 : line;
		at[strcspn(at, "+\n")] = 0;
		used += snprintf(buf + used, len - used, "%s%s",
				 used ? " < " : "", at);
	}
	if (in)
		fclose(in);
}

static void heartbeat_explain(const struct heartbeat *h,
			      const struct heartbeat_thread *t, char state,
			      __u64 now, char *why, size_t len)
{
	const char *what = "sleeps outside its loop";
	char stack[600] = "";

	if (state == 'T' || state == 't')
		what = "is stopped";
	else if (state == 'R')
		what = "does not come to an end";
	else if (state == 'D')
		what = "waits in the kernel and cannot be killed";
	if (state == 'D')
		heartbeat_stack(h, t->tid, stack, sizeof(stack));
	snprintf(why, len, "the server, process %d, hangs: its thread %d of queue %u %s, for %llu s%s%s",
		 h->pid, t->tid, t->queue, what,
		 (unsigned long long)(now - t->since) / 1000000000,
		 *stack ? ", in " : "", stack);
}

static enum heartbeat_verdict
heartbeat_thread(struct heartbeat *h, struct heartbeat_thread *t, __u64 now,
		 char *why, size_t len)
{
	char state = heartbeat_state(h, t->tid);
	struct ublk_stat stat;

	if (ublk_stat_read(h->reader, t->queue, t->thread, &stat))
		return HEARTBEAT_OK;
	/* an older library counts no turns, but times all of them */
	if (stat.turns + stat.turn != t->turn || heartbeat_waits(h, t->tid, state)) {
		t->turn = stat.turns + stat.turn;
		t->since = now;
	}
	if (now - t->since < h->limit)
		return HEARTBEAT_OK;
	heartbeat_explain(h, t, state, now, why, len);
	return state == 'D' ? HEARTBEAT_BLOCKED : HEARTBEAT_HANGS;
}

enum heartbeat_verdict heartbeat_look(struct heartbeat *h, char *why, size_t len)
{
	__u64 now = common_now_ns(), pause = h->limit / HEARTBEAT_LOOKS;
	enum heartbeat_verdict verdict = HEARTBEAT_OK;
	unsigned int i;
	bool blocked;

	if (!h->next || now < h->next)
		return HEARTBEAT_OK;
	/* the supervisor itself was stopped, and perhaps its server as well */
	if (now - h->last > 2 * pause)
		for (i = 0; i < h->nr; i++)
			h->threads[i].since = now;
	h->last = now;
	h->next = now + pause;
	for (i = 0; i < h->nr && verdict != HEARTBEAT_HANGS; i++)
		verdict = heartbeat_thread(h, &h->threads[i], now, why, len) ? :
			verdict;
	if (verdict == HEARTBEAT_HANGS)
		return verdict;
	blocked = verdict == HEARTBEAT_BLOCKED;
	if (blocked == h->said)
		return HEARTBEAT_OK;
	h->said = blocked;
	return blocked ? HEARTBEAT_BLOCKED : HEARTBEAT_GOES_ON;
}

static void heartbeat_threads(struct heartbeat *h, const struct state *st)
{
	unsigned int i, per = st->io_threads ? : 1;

	h->threads = calloc(st->nr_tids, sizeof(*h->threads));
	if (!h->threads)
		return;
	h->nr = st->nr_tids;
	for (i = 0; i < h->nr; i++)
		h->threads[i] = (struct heartbeat_thread){
			.tid = st->tids[i], .queue = i / per, .thread = i % per,
			.since = h->last,
		};
}

void heartbeat_start(struct heartbeat *h, __u32 id, pid_t pid)
{
	struct state st;

	if (!h->limit || state_read(id, &st))
		return;
	h->pid = pid;
	h->last = common_now_ns();
	if (st.pid == pid && st.nr_tids && !ublk_stat_open(pid, id, &h->reader))
		heartbeat_threads(h, &st);
	if (h->nr)
		h->next = h->last + h->limit / HEARTBEAT_LOOKS;
	state_free(&st);
}

void heartbeat_stop(struct heartbeat *h)
{
	if (h->reader)
		ublk_stat_close(h->reader);
	free(h->threads);
	*h = (struct heartbeat){ .limit = h->limit };
}
