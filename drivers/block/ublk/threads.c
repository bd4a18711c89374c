// SPDX-License-Identifier: GPL-2.0
/*
 * A thread of the server exits, and the process goes on.
 *
 * Requests may be in task work that the thread will never run: io_uring keeps that
 * of a ring with DEFER_TASKRUN as long as another thread keeps the ring open. So
 * the driver waits for the exit of each thread that has fetched, as a poll of its
 * pidfd does, and a worker takes the requests back. A group leader that exits
 * before its threads wakes nobody; a timeout of its requests looks for it.
 */
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "ublk.h"

/* A thread that has fetched in this session. */
struct ublk_thread {
	struct list_head	node;	/* in ub->threads */
	struct ublk_device	*ub;
	struct pid		*pid;
	wait_queue_entry_t	wait;	/* in pid->wait_pidfd */
	bool			gone;	/* has exited */
};

/**
 * ublk_threads_check() - have a worker look for threads that have exited
 * @ub: device, with a session or a request
 * Context: any; does not sleep.
 */
void ublk_threads_check(struct ublk_device *ub)
{
	ublk_dev_get(ub);
	/* Not the last reference. */
	if (!queue_work(ublk_exit_wq, &ub->threads_work))
		ublk_dev_put(ub);
}

/* The thread exits; it is past all its task work. Interrupts are disabled. */
static int ublk_threads_wake(wait_queue_entry_t *wait, unsigned int mode,
			     int sync, void *key)
{
	struct ublk_thread *thread = container_of(wait, struct ublk_thread, wait);

	WRITE_ONCE(thread->gone, true);
	ublk_threads_check(thread->ub);
	return 0;
}

static bool ublk_threads_is_watched(struct ublk_device *ub, struct pid *pid)
{
	struct ublk_thread *thread;

	guard(spinlock)(&ub->lock);
	list_for_each_entry(thread, &ub->threads, node) {
		if (thread->pid == pid)
			return true;
	}
	return false;
}

static int ublk_threads_add(struct ublk_device *ub, struct pid *pid)
{
	struct ublk_thread *thread = kzalloc(sizeof(*thread),
					     GFP_NOIO | __GFP_ACCOUNT);

	if (!thread)
		return -ENOMEM;
	thread->ub = ub;
	thread->pid = get_pid(pid);
	init_waitqueue_func_entry(&thread->wait, ublk_threads_wake);
	scoped_guard(spinlock, &ub->lock)
		list_add(&thread->node, &ub->threads);
	add_wait_queue(&pid->wait_pidfd, &thread->wait);
	return 0;
}

/**
 * ublk_threads_watch() - the calling thread fetches
 * @ub: device
 * Context: the submitter's task; the command keeps the session open. Waits for
 * memory only.
 * Return: 0, or -ENOMEM.
 */
int ublk_threads_watch(struct ublk_device *ub)
{
	struct pid *pid = task_pid(current);

	/* Only the thread itself adds it. */
	if (ublk_threads_is_watched(ub, pid))
		return 0;
	return ublk_threads_add(ub, pid);
}

static void ublk_threads_free(struct list_head *threads)
{
	struct ublk_thread *thread, *next;

	list_for_each_entry_safe(thread, next, threads, node) {
		remove_wait_queue(&thread->pid->wait_pidfd, &thread->wait);
		put_pid(thread->pid);
		kfree(thread);
	}
}

/**
 * ublk_threads_stop() - the session ends: nothing takes requests away any more
 * @ub: device, whose char node has no reference
 * Context: exit work, before it looks at the tags; sleeps.
 */
void ublk_threads_stop(struct ublk_device *ub)
{
	LIST_HEAD(threads);

	scoped_guard(spinlock, &ub->lock)
		list_splice_init(&ub->threads, &threads);
	ublk_threads_free(&threads);
	if (cancel_work_sync(&ub->threads_work))
		ublk_dev_put(ub);
}

/* A server may begin and end threads for as long as it likes. */
static void ublk_threads_forget_gone(struct ublk_device *ub)
{
	struct ublk_thread *thread, *next;
	LIST_HEAD(threads);

	scoped_guard(spinlock, &ub->lock) {
		list_for_each_entry_safe(thread, next, &ub->threads, node) {
			if (READ_ONCE(thread->gone))
				list_move(&thread->node, &threads);
		}
	}
	ublk_threads_free(&threads);
}

/* A timeout may ask for a look after ublk_threads_stop(). */
static bool ublk_threads_has_session(struct ublk_device *ub)
{
	guard(spinlock)(&ub->lock);
	return ub->file;
}

/* Take requests away from threads that have exited; has a reference to @ub. */
void ublk_threads_work(struct work_struct *work)
{
	struct ublk_device *ub =
		container_of(work, struct ublk_device, threads_work);
	unsigned int qid, nr = 0;

	/* A request that found the thread alive may be about to be posted. */
	synchronize_rcu();
	if (ublk_threads_has_session(ub))
		nr = ub->info.nr_hw_queues;
	for (qid = 0; qid < nr; qid++) {
		struct ublk_queue *q = ub->queues[qid];

		if (q->fetchq)
			ublk_batch_fetch_thread_gone(q);
		else
			ublk_deliver_thread_gone(q);
		cond_resched();
	}
	ublk_threads_forget_gone(ub);
	ublk_dev_put(ub);
}
