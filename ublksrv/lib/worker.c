// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A worker: one thread, one ring, and the loop that serves its queue, or its
 * share of a queue.
 *
 * The thread makes the ring itself (SINGLE_ISSUER), opens the queue, fetches
 * its tags, and reports through dev->lock that it is ready. Each turn of its
 * loop is one io_uring_enter(): it submits the SQEs that the CQEs of the last turn
 * led to, and waits for the next CQEs.
 *
 * The loop ends when every tag has got its ENODEV. A tag whose request the
 * target still works on has not got it, so no backend SQE is pending then.
 * After ring_fatal() the loop ends at once; when the ring is closed, the driver
 * fails the requests that its tags own. What these requests point to is freed
 * when the thread has ended, and its operations in flight with it; and not before
 * the target has given back the last one (lent.c).
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "private.h"
#include "stat.h"

/* CQEs that are not on the path of every request. */
static void worker_on_other(struct worker *w, __u64 ud, int res,
			    unsigned int flags)
{
	void *ptr = (void *)(uintptr_t)(ud & ~UD_MASK);

	switch (ud & UD_MASK) {
	case UD_FETCH:
		batch_on_fetch(w, res, flags);
		break;
	case UD_COMMIT:
		batch_on_commit(w, ptr, res);
		break;
	case UD_REDIRECT:
		batch_on_redirect(w, res);
		break;
	case UD_LINKED:
		io_on_linked(w, ptr, res);
		break;
	case UD_LINK_COMMIT:
		batch_on_link_commit(w, ptr, res);
		break;
	case UD_TIMER:
		batch_on_timer(w);
		break;
	case UD_REGISTER:
		zcopy_on_register(w, ptr, res);
		break;
	case UD_UNREGISTER:
		zcopy_on_unregister(w, ptr, res);
		break;
	case UD_WAKE:
		offload_woken(w, res);
		break;
	case UD_WATCH:
		watch_on_poll(w, ptr, res, flags);
		break;
	case UD_WATCH_OP:
		watch_on_op(w, ptr, res);
		break;
	case UD_WATCH_TIMER:
		watch_on_timer(w, ptr);
		break;
	}
}

static inline void worker_reap(struct worker *w)
{
	struct io_uring_cq *cq = &w->ring.cq;
	unsigned int head = *cq->khead;
	unsigned int tail = io_uring_smp_load_acquire(cq->ktail);
	unsigned int mask = cq->ring_mask;

	while (head != tail) {
		struct io_uring_cqe *cqe = &cq->cqes[head & mask];
		__u64 ud = cqe->user_data;
		unsigned int flags = cqe->flags;
		int res = cqe->res;
		struct io *io = (struct io *)(uintptr_t)(ud & ~UD_MASK);

		/* before handling it: that may submit and get new CQEs */
		io_uring_smp_store_release(cq->khead, ++head);
		if (likely((ud & UD_MASK) == UD_COMMAND)) {
			if (likely(res == UBLK_IO_RES_OK)) {
				io->pub.lib = IO_LENT;
				stat_taken(w, 1);
				stat_found(w, io);
				w->deliver(io->pub.q, &io->pub);
			} else {
				tag_on_command(w, io, res);
			}
		} else if (likely((ud & UD_MASK) == UD_BACKEND)) {
			io_on_backend(w, io, res);
		} else {
			worker_on_other(w, ud, res, flags);
		}
	}
}

static void worker_loop(struct worker *w)
{
	__u64 ended;
	int ret;

	while (w->nr_live && !w->fatal) {
		if (w->batch)
			batch_flush(w);
		ret = ring_turn(w);
		if (unlikely(ret < 0) && ret != -EINTR && ret != -EAGAIN &&
		    ret != -EBUSY) {
			ring_fatal(w, ret);
			break;
		}
		ended = stat_begin_turn(w);
		if (unlikely(stat_turn_is_timed(w)))
			slice_adapt(w);
		worker_reap(w);
		stat_end_turn(w, ended);
	}
}

static void worker_set_io_flusher(struct worker *w)
{
	int ret = flusher_set(true);

	if (ret && !w->index)
		ublk_log(UBLK_LOG_WARN,
			 "dev %u: PR_SET_IO_FLUSHER: %s; under memory pressure the disk may stall",
			 w->dev->info.dev_id, strerror(-ret));
}

static int worker_realtime_refused(unsigned int prio, int err)
{
	struct rlimit rl;

	if (err != -EPERM || getrlimit(RLIMIT_RTPRIO, &rl))
		return ublk_error(err, "realtime priority %u: %s", prio,
				  strerror(-err));
	if (rl.rlim_cur < prio)
		return ublk_error(err, "realtime priority %u: not without CAP_SYS_NICE, and RLIMIT_RTPRIO is %llu; raise that, with \"ulimit -r\" or LimitRTPRIO=, or leave the priority out",
				  prio, (unsigned long long)rl.rlim_cur);
	return ublk_error(err, "realtime priority %u: %s; the control group may have no realtime budget, see cpu.rt_runtime_us",
			  prio, strerror(-err));
}

/*
 * A realtime thread runs as soon as there is a request. What it starts, such as
 * the workers of io_uring, is not realtime.
 */
static int worker_set_realtime(const struct worker *w)
{
	struct sched_param param = { .sched_priority = w->dev->realtime };

	if (!w->dev->realtime ||
	    !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		return 0;
	return worker_realtime_refused(w->dev->realtime, -errno);
}

static void worker_setup_thread(struct worker *w)
{
	char name[16];
	int ret;

	if (w->queue->pub.thread)
		snprintf(name, sizeof(name), "ublk%uq%ut%u",
			 w->dev->info.dev_id % 10000, w->queue->pub.id % 1000,
			 w->queue->pub.thread % 100);
	else
		snprintf(name, sizeof(name), "ublk%uq%u",
			 w->dev->info.dev_id % 100000,
			 w->queue->pub.id % 10000);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	worker_set_io_flusher(w);
	slice_begin(w);
	ret = affinity_set(w->cpus);
	if (ret)
		ublk_log(UBLK_LOG_INFO, "dev %u: queue %u: not bound to CPUs: %s",
			 w->dev->info.dev_id, w->queue->pub.id, strerror(-ret));
}

static int worker_open(struct worker *w)
{
	__u64 flags = w->dev->info.flags;
	bool batch = flags & UBLK_F_BATCH_IO;
	unsigned int tags;
	int ret;

	tags = batch ? w->dev->info.queue_depth : w->queue->nr_tags;
	mode_set_up(w);
	ret = worker_set_realtime(w);
	if (!ret)
		ret = ring_init(w, tags);
	if (!ret && flags & UBLK_F_AUTO_BUF_REG)
		ret = zcopy_open(w, tags);
	if (!ret && batch)
		ret = batch_open(w);
	if (!ret)
		ret = queue_open(w->queue);
	if (!ret && batch)
		ret = batch_prepare(w);
	if (!ret)
		ret = offload_arm(w);
	if (!ret)
		ret = batch ? batch_fetch(w) : tag_fetch(w->queue);
	return ret;
}

static void worker_close(struct worker *w)
{
	ring_exit(w);
	batch_close(w);
	queue_close(w->queue);
	watch_free_all(w);
}

static void worker_report(struct worker *w, enum worker_state state, int err)
{
	struct ublk_dev *dev = w->dev;

	pthread_mutex_lock(&dev->lock);
	w->state = state;
	w->tid = gettid();
	if (err) {
		w->fatal = err;
		snprintf(w->error, sizeof(w->error), "queue %u: %s",
			 w->queue->pub.id, ublk_strerror_last());
	}
	pthread_cond_broadcast(&dev->cond);
	pthread_mutex_unlock(&dev->lock);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	__u64 one = 1;
	int ret;

	worker_self = w;
	worker_setup_thread(w);
	ret = worker_open(w);
	worker_report(w, ret ? WORKER_FAILED : WORKER_READY, ret);
	if (!ret) {
		watch_begin(w);
		worker_loop(w);
	}
	/* From here on ublk_io_complete() is refused, in queue_close() too. */
	worker_self = NULL;
	offload_close(w);
	worker_close(w);
	while (write(w->dev->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

/* A stack that is locked takes memory in its whole length. */
static int worker_create(struct worker *w)
{
	pthread_attr_t attr;
	int ret;

	if (!(w->dev->flags & UBLK_DEV_MLOCK))
		return -pthread_create(&w->thread, NULL, worker_main, w);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, UBLK_LOCKED_STACK);
	ret = -pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	return ret;
}

int worker_start(struct worker *w)
{
	sigset_t all, old;
	int ret;

	ret = offload_init(w);
	if (ret)
		return ret;
	sigfillset(&all);
	/* shmem.c: if it is blocked, the kernel kills the process */
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = worker_create(w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret) {
		offload_exit(w);
		return ublk_error(ret, "starting a thread: %s", strerror(-ret));
	}
	w->has_thread = true;
	return 0;
}

void worker_join(struct worker *w)
{
	if (!w->has_thread)
		return;
	pthread_join(w->thread, NULL);
	w->has_thread = false;
	offload_exit(w);
}
