// SPDX-License-Identifier: GPL-2.0
/*
 * Batch devices: requests go to the server as lists of tags.
 *
 * ublk_batch_fetch_post() puts claimed tags into their queue's fifo. One fetch
 * command of the queue is active at a time: io_uring task work in the task that
 * sent it takes tags out of the fifo, prepares their requests (deliver.c),
 * writes the tags into a provided buffer and posts a CQE, until the fifo is
 * empty. Then the command waits again, in front of the others.
 *
 * If the queue has no command and cannot get one, the requests in its fifo are
 * held or failed at once, so that no task waits for a server that will never
 * ask for them (I-26, I-44).
 *
 * The lock of struct ublk_fetchq nests inside ub->lock. The active command
 * belongs to its task: others neither complete it nor remove it (I-6).
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ublk.h"
#include "deliver.h"
#include "state.h"
#include "trace.h"

/* Maximum number of tags in one CQE (D-187). */
#define UBLK_BATCH_FETCH_MAX_TAGS	128

/* Delivery of a batch queue. */
struct ublk_fetchq {
	spinlock_t		lock;	/* protects all members */
	unsigned int		head;	/* number of tags taken out of fifo */
	unsigned int		tail;	/* number of tags put in */
	unsigned int		mask;	/* entries of fifo minus one */
	bool			closed;	/* the server was told to leave */
	struct list_head	waiting; /* fetch commands, next one first */
	struct io_uring_cmd	*active; /* is delivering, or about to */
	u16			fifo[];	/* tags in order of their requests */
};

/* The driver's part of a fetch command. */
struct ublk_fetch_pdu {
	struct list_head	node;	/* in fetchq->waiting, or empty */
	struct ublk_queue	*q;
	u16			group;	/* of provided buffers */
};

static struct ublk_fetch_pdu *ublk_fetch_pdu(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct ublk_fetch_pdu);
}

static struct io_uring_cmd *ublk_fetch_cmd(struct ublk_fetch_pdu *pdu)
{
	return container_of((u8 (*)[32])pdu, struct io_uring_cmd, pdu);
}

int ublk_batch_fetch_init(struct ublk_queue *q, int node)
{
	unsigned int size = roundup_pow_of_two(q->depth);
	struct ublk_fetchq *fq;

	fq = kvzalloc_node(struct_size(fq, fifo, size), UBLK_GFP_LARGE, node);
	if (!fq)
		return -ENOMEM;
	spin_lock_init(&fq->lock);
	INIT_LIST_HEAD(&fq->waiting);
	fq->mask = size - 1;
	q->fetchq = fq;
	return 0;
}

void ublk_batch_fetch_free(struct ublk_queue *q)
{
	kvfree(q->fetchq);
	q->fetchq = NULL;
}

/* The session has ended: no tag is queued and no command is left. */
void ublk_batch_fetch_reset(struct ublk_queue *q)
{
	struct ublk_fetchq *fq = q->fetchq;

	if (!fq)
		return;
	guard(spinlock)(&fq->lock);
	fq->head = 0;
	fq->tail = 0;
	fq->closed = false;
}

/*
 * Commands of an exited thread never run, even if its ring is open (D-70). One
 * that is being killed cannot fault in its buffers, and holds what it takes.
 */
static bool ublk_batch_fetch_is_dying(struct io_uring_cmd *cmd)
{
	return ublk_task_is_dying(io_uring_cmd_get_task(cmd));
}

/* Take the next command off the list, to deliver. */
static struct io_uring_cmd *ublk_batch_fetch_choose(struct ublk_fetchq *fq)
{
	struct ublk_fetch_pdu *pdu;

	lockdep_assert_held(&fq->lock);
	list_for_each_entry(pdu, &fq->waiting, node) {
		if (likely(!ublk_batch_fetch_is_dying(ublk_fetch_cmd(pdu)))) {
			list_del_init(&pdu->node);
			fq->active = ublk_fetch_cmd(pdu);
			return fq->active;
		}
	}
	return NULL;
}

/* No command may come any more, or all that wait belong to dying threads. */
static bool ublk_batch_fetch_no_reader(const struct ublk_queue *q)
{
	const struct ublk_fetchq *fq = q->fetchq;

	lockdep_assert_held(&fq->lock);
	if (fq->active)
		return false;
	if (!list_empty(&fq->waiting))
		return true;
	return READ_ONCE(q->gate) != UBLK_GATE_GO &&
	       (fq->closed || READ_ONCE(q->ub->canceled) ||
		READ_ONCE(q->ub->quiesce) >= UBLK_QUIESCE_ANSWERING);
}

/* Does a command deliver, or wait for tags? ub->lock keeps out new commands. */
bool ublk_batch_fetch_served(struct ublk_queue *q)
{
	struct ublk_fetchq *fq = q->fetchq;
	struct ublk_fetch_pdu *pdu;

	lockdep_assert_held(&q->ub->lock);
	if (!fq)
		return false;
	guard(spinlock)(&fq->lock);
	if (fq->active && !ublk_batch_fetch_is_dying(fq->active))
		return true;
	list_for_each_entry(pdu, &fq->waiting, node) {
		if (!ublk_batch_fetch_is_dying(ublk_fetch_cmd(pdu)))
			return true;
	}
	return false;
}

static void ublk_batch_fetch_tw(struct io_tw_req tw_req, io_tw_token_t tw);

static void ublk_batch_fetch_activate(struct io_uring_cmd *cmd)
{
	io_uring_cmd_complete_in_task(cmd, ublk_batch_fetch_tw);
}

/* Hold or fail the request of a tag that the caller took out of the fifo. */
static void ublk_batch_fetch_undelivered(struct ublk_queue *q, unsigned int tag)
{
	struct ublk_io *io = &q->io[tag];
	unsigned int session = READ_ONCE(q->ub->session);
	struct request *req = io->req;

	ublk_state_arm(io, UBLK_EV_UNDELIVERED);
	ublk_gate_undelivered(q, req, session);
}

/* Hold or fail queued requests if no command delivers them. Does not sleep. */
void ublk_batch_fetch_drain(struct ublk_queue *q)
{
	struct ublk_fetchq *fq = q->fetchq;

	while (1) {
		unsigned int tag;

		scoped_guard(spinlock, &fq->lock) {
			if (fq->head == fq->tail || !ublk_batch_fetch_no_reader(q))
				return;
			tag = fq->fifo[fq->head++ & fq->mask];
		}
		ublk_batch_fetch_undelivered(q, tag);
	}
}

/* Queue started requests, linked by rq_next, tags QUEUED. Does not sleep. */
void ublk_batch_fetch_post(struct ublk_queue *q, struct request *reqs)
{
	struct ublk_fetchq *fq = q->fetchq;
	struct io_uring_cmd *cmd = NULL;
	bool no_reader = false;

	scoped_guard(spinlock, &fq->lock) {
		do {
			struct request *next = reqs->rq_next;

			reqs->rq_next = NULL;
			fq->fifo[fq->tail++ & fq->mask] = reqs->tag;
			reqs = next;
		} while (reqs);
		if (!fq->active) {
			cmd = ublk_batch_fetch_choose(fq);
			no_reader = !cmd && ublk_batch_fetch_no_reader(q);
		}
	}
	if (likely(cmd))
		ublk_batch_fetch_activate(cmd);
	else if (unlikely(no_reader))
		ublk_batch_fetch_drain(q);
}

/* The active command ends. Return: the one that is active now, or NULL. */
static struct io_uring_cmd *ublk_batch_fetch_replace(struct ublk_fetchq *fq)
{
	lockdep_assert_held(&fq->lock);
	fq->active = NULL;
	return fq->head != fq->tail ? ublk_batch_fetch_choose(fq) : NULL;
}

/* The next command, if there is one, delivers what is queued (I-44). */
static void ublk_batch_fetch_go_on(struct ublk_queue *q,
				   struct io_uring_cmd *next)
{
	if (next)
		ublk_batch_fetch_activate(next);
	else
		ublk_batch_fetch_drain(q);
}

static void ublk_batch_fetch_end(struct ublk_queue *q, struct io_uring_cmd *cmd,
				 int res, unsigned int issue_flags)
{
	struct io_uring_cmd *next;

	scoped_guard(spinlock, &q->fetchq->lock)
		next = ublk_batch_fetch_replace(q->fetchq);
	io_uring_cmd_done(cmd, res, issue_flags);
	ublk_batch_fetch_go_on(q, next);
}

/*
 * Take tags out of the fifo; with none the command waits again, first in line.
 * Return: their number, or 0 if the command is not the caller's any more.
 */
static unsigned int ublk_batch_fetch_take(struct ublk_queue *q,
					  struct io_uring_cmd *cmd, u16 *tags,
					  unsigned int issue_flags)
{
	struct ublk_fetchq *fq = q->fetchq;
	unsigned int nr, i;

	spin_lock(&fq->lock);
	nr = min(fq->tail - fq->head, UBLK_BATCH_FETCH_MAX_TAGS);
	for (i = 0; i < nr; i++)
		tags[i] = fq->fifo[fq->head++ & fq->mask];
	if (!nr && likely(!fq->closed)) {
		fq->active = NULL;
		list_add(&ublk_fetch_pdu(cmd)->node, &fq->waiting);
		spin_unlock(&fq->lock);
		return 0;
	}
	spin_unlock(&fq->lock);

	if (!nr)
		ublk_batch_fetch_end(q, cmd, UBLK_IO_RES_ABORT, issue_flags);
	return nr;
}

/*
 * Put back the last tags taken: their entries are free, the fifo fits all tags.
 */
static void ublk_batch_fetch_put_back(struct ublk_fetchq *fq, unsigned int nr)
{
	guard(spinlock)(&fq->lock);
	fq->head -= nr;
}

/* The command fails: these tags come after those that are queued (D-191). */
static void ublk_batch_fetch_put_last(struct ublk_fetchq *fq, const u16 *tags,
				      unsigned int nr)
{
	unsigned int i;

	guard(spinlock)(&fq->lock);
	for (i = 0; i < nr; i++)
		fq->fifo[fq->tail++ & fq->mask] = tags[i];
}

/* Return: how many requests are prepared; the others were ended or held. */
static unsigned int ublk_batch_fetch_prepare(struct ublk_queue *q,
					     struct io_uring_cmd *cmd, u16 *tags,
					     unsigned int nr, unsigned int issue_flags)
{
	unsigned int i, good = 0;

	for (i = 0; i < nr; i++) {
		struct ublk_io *io = &q->io[tags[i]];

		if (unlikely(!ublk_deliver_ready(q, io, io->req, cmd,
						 issue_flags)))
			continue;
		trace_ublk_deliver(q, io->req, UBLK_IO_RES_OK);
		/* From here on any thread may commit the tag. */
		ublk_state_deliver(io);
		tags[good++] = tags[i];
	}
	return good;
}

/* The server cannot be told of tags that were prepared for it. */
static void ublk_batch_fetch_undo(struct ublk_queue *q, struct io_uring_cmd *cmd,
				  const u16 *tags, unsigned int nr,
				  unsigned int issue_flags)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		ublk_commit_undo(q, &q->io[tags[i]], cmd, issue_flags);
}

/*
 * One tag is common. Hardened usercopy checks the array only if the size is not
 * constant. Returns the bytes that could not be copied.
 */
static unsigned long ublk_batch_fetch_copy(void __user *to, const u16 *tags,
					   unsigned int nr)
{
	if (nr == 1)
		return copy_to_user(to, tags, sizeof(*tags));
	return copy_to_user(to, tags, nr * sizeof(*tags));
}

/*
 * Fill one buffer and post its CQE. The list is written before any request is
 * prepared, so that a bad buffer does not affect it, and again when it has
 * become shorter. Return: 0, or -ENOBUFS with no tag given to the server.
 */
static int ublk_batch_fetch_send(struct ublk_queue *q, struct io_uring_cmd *cmd,
				 u16 *tags, unsigned int nr, unsigned int issue_flags)
{
	size_t len = nr * sizeof(*tags);
	unsigned int fit, good;
	struct io_br_sel sel;

	sel = io_uring_cmd_buffer_select(cmd, ublk_fetch_pdu(cmd)->group, &len,
					 issue_flags);
	if (unlikely(sel.val < 0 || !sel.addr)) {
		ublk_batch_fetch_put_last(q->fetchq, tags, nr);
		return -ENOBUFS;
	}
	fit = min_t(unsigned int, nr, len / sizeof(*tags));
	if (unlikely(fit < nr))
		ublk_batch_fetch_put_back(q->fetchq, nr - fit);
	if (unlikely(!fit || ublk_batch_fetch_copy(sel.addr, tags, fit))) {
		ublk_batch_fetch_put_last(q->fetchq, tags, fit);
		goto give_back;
	}

	good = ublk_batch_fetch_prepare(q, cmd, tags, fit, issue_flags);
	if (unlikely(!good)) {
		sel.val = 0;
		io_uring_mshot_cmd_post_cqe(cmd, &sel, issue_flags);
		return 0;
	}
	if (unlikely(good < fit &&
		     ublk_batch_fetch_copy(sel.addr, tags, good))) {
		ublk_batch_fetch_undo(q, cmd, tags, good, issue_flags);
		goto give_back;
	}
	sel.val = good * sizeof(*tags);
	if (unlikely(io_uring_mshot_cmd_post_cqe(cmd, &sel, issue_flags))) {
		ublk_batch_fetch_undo(q, cmd, tags, good, issue_flags);
		return -ENOBUFS;
	}
	return 0;

give_back:
	sel.val = -ENOBUFS;
	io_uring_mshot_cmd_post_cqe(cmd, &sel, issue_flags);
	return -ENOBUFS;
}

/*
 * The active command, in the task that sent it, with its ring lock held. Requests
 * may keep coming: other threads commit, and what cannot be delivered comes again.
 */
static void ublk_batch_fetch_deliver(struct ublk_queue *q, struct io_uring_cmd *cmd,
				     unsigned int issue_flags)
{
	u16 tags[UBLK_BATCH_FETCH_MAX_TAGS] __uninitialized;
	unsigned int nr;
	int ret = 0;

	while (likely(!ret && !fatal_signal_pending(current))) {
		nr = ublk_batch_fetch_take(q, cmd, tags, issue_flags);
		if (!nr)
			return;
		ret = ublk_batch_fetch_send(q, cmd, tags, nr, issue_flags);
		cond_resched();
	}
	ublk_batch_fetch_end(q, cmd, ret ?: UBLK_IO_RES_ABORT, issue_flags);
}

/* Does the process of a thread that exits go on without it? */
static bool ublk_batch_fetch_process_lives(struct task_struct *task)
{
	return READ_ONCE(task->flags) & PF_EXITING &&
	       atomic_read(&task->signal->live) &&
	       !(READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT);
}

/*
 * The task work is canceled: this may not be the server's task, and its memory is
 * left alone (I-1). If only a thread has exited, other threads go on to serve;
 * ublk_batch_fetch_thread_gone() may have put another command in the place of
 * this one.
 */
static void ublk_batch_fetch_canceled(struct ublk_queue *q,
				      struct io_uring_cmd *cmd,
				      unsigned int issue_flags)
{
	struct ublk_fetchq *fq = q->fetchq;
	struct io_uring_cmd *next = NULL;
	bool active;

	if (!ublk_batch_fetch_process_lives(io_uring_cmd_get_task(cmd)))
		ublk_gate_cancel(q->ub);
	scoped_guard(spinlock, &fq->lock) {
		active = fq->active == cmd;
		if (active)
			next = ublk_batch_fetch_replace(fq);
	}
	io_uring_cmd_done(cmd, UBLK_IO_RES_ABORT, issue_flags);
	if (active)
		ublk_batch_fetch_go_on(q, next);
}

static void ublk_batch_fetch_tw(struct io_tw_req tw_req, io_tw_token_t tw)
{
	struct io_uring_cmd *cmd = io_uring_cmd_from_tw(tw_req);
	unsigned int issue_flags = IO_URING_CMD_TASK_WORK_ISSUE_FLAGS;
	struct ublk_queue *q = ublk_fetch_pdu(cmd)->q;

	if (unlikely(ublk_hook_tw_canceled(tw) ||
		     current->flags & (PF_EXITING | PF_KTHREAD)))
		ublk_batch_fetch_canceled(q, cmd, issue_flags);
	else
		ublk_batch_fetch_deliver(q, cmd, issue_flags);
}

/*
 * A thread has exited. If its command is the active one, its task work lies in a
 * ring that another thread keeps open, and only ends the command when that ring
 * goes. Another command takes its place, or the queued requests are held or fail.
 * A worker; does not sleep.
 */
void ublk_batch_fetch_thread_gone(struct ublk_queue *q)
{
	struct ublk_fetchq *fq = q->fetchq;
	struct io_uring_cmd *next = NULL;

	scoped_guard(spinlock, &fq->lock) {
		struct task_struct *task;

		if (!fq->active)
			break;
		task = io_uring_cmd_get_task(fq->active);
		if (!(READ_ONCE(task->flags) & PF_EXITING))
			return;
		next = ublk_batch_fetch_replace(fq);
	}
	ublk_batch_fetch_go_on(q, next);
}

/* A command comes: run requests held because the tasks of all others exited. */
static void ublk_batch_fetch_retry(struct ublk_queue *q)
{
	struct ublk_fetch_pdu *first;

	lockdep_assert_held(&q->fetchq->lock);
	first = list_first_entry_or_null(&q->fetchq->waiting,
					 struct ublk_fetch_pdu, node);
	if (unlikely(first && ublk_batch_fetch_is_dying(ublk_fetch_cmd(first))))
		ublk_gate_kick(q->ub);
}

/*
 * Must the server leave, or not begin yet? A QUIESCE_DEV that still waits may
 * give up, so it refuses nothing (D-185, D-194).
 */
static bool ublk_batch_fetch_refused(const struct ublk_queue *q)
{
	const struct ublk_device *ub = q->ub;

	lockdep_assert_held(&ub->lock);
	if (ub->server == UBLK_SERVER_STOPPING || ub->canceled ||
	    ub->quiesce >= UBLK_QUIESCE_ANSWERING)
		return true;
	return q->gate != UBLK_GATE_GO && ub->quiesce == UBLK_QUIESCE_NONE;
}

/*
 * FETCH_IO_CMDS, well formed; @group has its buffers (D-180 to D-194). If tags
 * are queued and no command is active, the first waiting one delivers. Runs in
 * the submitter's task with the ring lock held. Return: -EIOCBQUEUED, or
 * -ENODEV if the server is to leave (D-185).
 */
int ublk_batch_fetch_issue(struct ublk_queue *q, struct io_uring_cmd *cmd, u16 group,
			   unsigned int issue_flags)
{
	struct ublk_fetch_pdu *pdu = ublk_fetch_pdu(cmd);
	struct ublk_fetchq *fq = q->fetchq;
	struct io_uring_cmd *next = NULL;

	pdu->q = q;
	pdu->group = group;
	INIT_LIST_HEAD(&pdu->node);

	scoped_guard(spinlock, &q->ub->lock) {
		if (ublk_batch_fetch_refused(q))
			goto refuse;
		guard(spinlock)(&fq->lock);
		if (fq->closed)
			goto refuse;
		ublk_batch_fetch_retry(q);
		io_uring_cmd_mark_cancelable(cmd, issue_flags);
		list_add_tail(&pdu->node, &fq->waiting);
		if (!fq->active && fq->head != fq->tail)
			next = ublk_batch_fetch_choose(fq);
	}
	if (next)
		ublk_batch_fetch_activate(next);
	return -EIOCBQUEUED;

refuse:
	ublk_batch_fetch_drain(q);
	return -ENODEV;
}

/*
 * io_uring cancels a fetch command; any task, ring lock held. An active command
 * is left alone: its task work will run and end it.
 */
void ublk_batch_fetch_cancel(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct ublk_fetch_pdu *pdu = ublk_fetch_pdu(cmd);
	struct ublk_queue *q = pdu->q;
	bool taken = false;

	scoped_guard(spinlock, &q->fetchq->lock) {
		if (!list_empty(&pdu->node)) {
			list_del_init(&pdu->node);
			taken = true;
		}
	}
	if (taken)
		io_uring_cmd_done(cmd, UBLK_IO_RES_ABORT, issue_flags);
	ublk_batch_fetch_drain(q);
}

/*
 * End the fetch commands for a stop or QUIESCE_DEV, the active one when the
 * fifo is empty (I-44). Process context without any ring lock; sleeps.
 */
void ublk_batch_fetch_close(struct ublk_queue *q)
{
	struct ublk_fetchq *fq = q->fetchq;
	struct ublk_fetch_pdu *pdu;

	do {
		scoped_guard(spinlock, &fq->lock) {
			fq->closed = true;
			pdu = list_first_entry_or_null(&fq->waiting,
						       struct ublk_fetch_pdu,
						       node);
			if (pdu)
				list_del_init(&pdu->node);
		}
		if (pdu)
			io_uring_cmd_done(ublk_fetch_cmd(pdu),
					  UBLK_IO_RES_ABORT,
					  IO_URING_F_UNLOCKED);
	} while (pdu);
	ublk_batch_fetch_drain(q);
}
