/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Structures of libublk, grouped by the file that owns them.
 *
 * Threads: a struct worker and everything below it (queues, tags, ring)
 * belong to one thread from worker_start() until that thread has ended.
 * Exceptions: worker->done_list (offload.c, own lock), worker->abort (atomic)
 * and the start handshake (dev->lock). struct ublk_dev is otherwise used by
 * one controlling thread.
 */
#ifndef UBLK_PRIVATE_H
#define UBLK_PRIVATE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/types.h>

#include <liburing.h>

#include "libublk.h"

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define AFFINITY_BYTES	1024	/* CPU masks: 8192 CPUs */

/* File table of a worker's ring. Slot 0 is the char device. */
#define WORKER_FILES	64

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/*
 * user_data of a worker's ring: address of a struct io, and in the low bits
 * what completed.
 */
#define UD_COMMAND	0UL	/* a command of /dev/ublkcN */
#define UD_BACKEND	1UL	/* an SQE from ublk_io_sqe() */
#define UD_WAKE		2UL	/* the worker's wake descriptor */
#define UD_MASK		3UL

/* First four bytes of struct ublksrv_io_cmd. */
struct io_id {
	__u16 q_id;
	__u16 tag;
};

/*
 * A tag. One cache line, so that neighbours do not share one when an offload
 * thread completes requests.
 *
 * pending, err and sum are only valid between submit() and the commit; next
 * and res only while the tag is on a done list.
 */
struct io {
	struct ublk_io pub;
	struct io_id id;
	__u32 pending;		/* backend SQEs without CQE */
	__s32 err;			/* first error of them */
	union {
		__s32 sum;		/* bytes of them */
		__s32 res;		/* result on its way to the worker */
	};
	struct io *next;
} __attribute__((aligned(64)));

struct queue {
	struct ublk_queue pub;
	struct worker *worker;
	struct io *ios;
	const void *descs;		/* mapping of the descriptor area */
	size_t descs_len;
	void *bufs;
	size_t bufs_len;
	void *io_priv;
};

enum worker_state {
	WORKER_STARTING,
	WORKER_READY,			/* all fetch commands are submitted */
	WORKER_FAILED,			/* did not get that far */
};

struct worker {
	struct io_uring ring;
	void (*submit)(struct ublk_queue *q, struct ublk_io *io);
	unsigned int nr_live;		/* tags without their last CQE */
	int fatal;			/* leave the loop now, for this errno */

	struct ublk_dev *dev;
	unsigned int index;		/* serves queues index, +nr_workers.. */
	pthread_t thread;
	bool has_thread;
	pid_t tid;
	cpu_set_t *cpus;		/* AFFINITY_BYTES, of its first queue */
	enum worker_state state;
	unsigned int nr_files;		/* used slots of the file table */

	int wake_fd;
	__u64 wake_count;
	atomic_bool abort;
	pthread_mutex_t done_lock;
	struct io *done_list;

	char error[256];
};

struct ublk_dev {
	struct ublk_ctrl *ctrl;
	const struct ublk_target *target;
	void *cfg, *priv;
	bool target_is_open;
	bool recovering;		/* the disk existed before this process */
	enum ublk_dev_stage stage;
	unsigned int flags;
	__u64 features;
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	int char_fd;
	int event_fd;

	unsigned int nr_workers;
	struct worker *workers;
	struct queue *queues;

	pthread_mutex_t lock;		/* worker->state, ->error, ->tid */
	pthread_cond_t cond;
};

/* The worker whose thread this is, NULL in other threads. */
extern __thread struct worker *worker_self
	__attribute__((tls_model("initial-exec")));

/* affinity.c */
int affinity_get(struct ublk_dev *dev, unsigned int qid, cpu_set_t *cpus);
int affinity_set(const cpu_set_t *cpus);

/* buf.c */
int buf_alloc(struct queue *q, size_t io_bytes, bool lock);
void buf_free(struct queue *q);

/* offload.c */
int offload_init(struct worker *w);
void offload_exit(struct worker *w);
int offload_arm(struct worker *w);
void offload_woken(struct worker *w, int res);
void offload_push(struct worker *w, struct io *io, int res);
void offload_wake(struct worker *w);

/* queue.c */
int queue_init(struct queue *q, struct ublk_dev *dev, unsigned int id,
	       struct worker *w);
void queue_exit(struct queue *q);
int queue_open(struct queue *q);
void queue_close(struct queue *q);
int queue_fetch(struct queue *q);
void queue_on_command(struct worker *w, struct io *io, int res);
void queue_on_backend(struct worker *w, struct io *io, int res);
void queue_commit(struct worker *w, struct io *io, int res);

static inline struct queue *to_queue(struct ublk_queue *pub)
{
	return container_of(pub, struct queue, pub);
}

static inline struct io *to_io(struct ublk_io *pub)
{
	return container_of(pub, struct io, pub);
}

/* worker.c */
int worker_start(struct worker *w);
void worker_join(struct worker *w);
struct io_uring_sqe *worker_flush(struct worker *w);
void worker_fatal(struct worker *w, int err);

/*
 * Next free SQE, not initialised. NULL only when the kernel refuses to take
 * what is queued; worker_fatal() has been called then.
 */
static inline struct io_uring_sqe *worker_sqe(struct worker *w)
{
	struct io_uring_sq *sq = &w->ring.sq;
	unsigned int tail = sq->sqe_tail;

	if (unlikely(tail - *(volatile unsigned int *)sq->khead >=
		     sq->ring_entries))
		return worker_flush(w);
	sq->sqe_tail = tail + 1;
	return &sq->sqes[tail & sq->ring_mask];
}

#endif
