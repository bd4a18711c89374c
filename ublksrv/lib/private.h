/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Structures of libublk, and its internal functions by file.
 *
 * Layers, from top to bottom; a file calls files of lower lines only:
 *
 *   recover
 *   dev
 *   worker
 *   mode io
 *   lent
 *   queue
 *   offload shmem
 *   copy zcopy
 *   tag batch
 *   redirect extents watch
 *   buf affinity ring slice store stat
 *   query lock stat_read
 *   ctrl
 *   params flusher
 *   log
 *
 * Calls that go up, and why: none.
 *
 * That is without the function pointers of struct worker: mode_set_up() fills
 * them, so that no function on the path of a request tests the mode. Through
 * them batch_deliver() calls shmem.c, copy.c and zcopy.c.
 *
 * Threads: a struct worker and everything below it (queues, tags, ring)
 * belong to one thread from worker_start() until that thread has ended.
 * Exceptions: worker->done_list (offload.c, own lock), worker->abort (atomic),
 * the start handshake and the requests that the target has when its threads
 * have ended (lent.c; both dev->lock). struct ublk_dev is otherwise used by one
 * controlling thread.
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
#define RING_FILES	64

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/*
 * user_data of a worker's ring: an address, and in the low bits what
 * completed.
 */
#define UD_COMMAND	0UL	/* struct io: a command of /dev/ublkcN */
#define UD_BACKEND	1UL	/* struct io: an SQE from ublk_io_sqe() */
#define UD_WAKE		2UL	/* none: the worker's wake descriptor */
#define UD_REGISTER	3UL	/* struct io: REGISTER_IO_BUF */
#define UD_UNREGISTER	4UL	/* struct io: UNREGISTER_IO_BUF */
#define UD_PREP		5UL	/* none: PREP_IO_CMDS */
#define UD_COMMIT	6UL	/* struct batch_commit: COMMIT_IO_CMDS */
#define UD_FETCH	7UL	/* none: FETCH_IO_CMDS */
#define UD_TIMER	8UL	/* none: batch.c's */
#define UD_LINKED	9UL	/* struct io: SQE with a commit behind it */
#define UD_LINK_COMMIT	10UL	/* struct io: that one, in batch mode */
#define UD_FILE		11UL	/* none: REGISTER_FILE */
#define UD_REDIRECT	12UL	/* none: REDIRECT_IO_CMDS, if elements are refused */
#define UD_WATCH	13UL	/* struct watch: its poll */
#define UD_WATCH_OP	14UL	/* struct watch: a change or removal of that */
#define UD_WATCH_TIMER	15UL	/* struct watch: a timer, or a back-off */
#define UD_MASK		15UL

/* First four bytes of struct ublksrv_io_cmd. */
struct io_id {
	__u16 q_id;
	__u16 tag;
};

/* struct ublk_io.lib: the buffer was registered by REGISTER_IO_BUF. */
#define IO_REGISTERED	0x1U
/* The target has the request: delivered, and not completed. */
#define IO_LENT		0x2U
/* The driver was asked to redirect the request. */
#define IO_REDIRECTED	0x4U

/*
 * A tag. One cache line, so that neighbours do not share one when an offload
 * thread completes requests.
 *
 * pending and sum are only valid between submit() and the commit; next and res
 * only while the tag is on the worker's done list.
 */
struct io {
	struct ublk_io pub;
	struct io_id id;
	union {
		__s32 sum;	/* of its backend SQEs, or their first error */
		__s32 res;	/* result on its way to the worker */
	};
	union {
		__u32 pending;	/* backend SQEs without CQE */
		struct io *next;
	};
	/*
	 * for the driver: the buffer, or the LBA of a zone append, or the one
	 * element of a linked batch commit
	 */
	__u64 addr;
} __attribute__((aligned(64)));

/*
 * A thread's share of a hardware queue: all of it, unless several threads
 * serve the queue. The first thread's queue owns the members that say so; the
 * others point to them.
 */
struct queue {
	struct ublk_queue pub;
	struct worker *worker;
	struct queue *first;
	struct io *ios;			/* all tags; the first owns them */
	void *io_priv;			/* the first's */
	const void *descs;		/* the first's; mapped descriptors */
	size_t descs_len;
	/* Tags that this thread fetches: base, base + step, ... */
	unsigned int base, step, nr_tags;
	void *bufs;			/* of these tags */
	size_t bufs_len;
	atomic_bool *is_huge;		/* each 2 MiB of them, or NULL */
	size_t nr_huge;
	bool is_open;
};

enum worker_state {
	WORKER_STARTING,
	WORKER_READY,			/* all fetch commands are submitted */
	WORKER_FAILED,			/* failed before that */
};

struct worker {
	struct io_uring ring;
	/*
	 * The steps of a request, in this order. mode_set_up() lets a pointer
	 * skip the steps that the mode does not need:
	 *
	 * deliver	redirect.c: ask the target for a place, and have the driver
	 *		serve the request from there, or call serve
	 * serve	shmem.c: let io->buf point to the data, then call next
	 * next		buf.c: huge pages for long requests; copy.c: the same, and
	 *		get the data of a write; zcopy.c: register it
	 * submit	the target; io.c gets the CQEs of its SQEs
	 * done		the target, or NULL
	 * commit	shmem.c: is the memory still there? Then call end
	 * end		copy.c: give the data of a read; zcopy.c: unregister it
	 * send		tag.c, batch.c: send the command that ends the request
	 */
	void (*deliver)(struct ublk_queue *q, struct ublk_io *io);
	void (*serve)(struct ublk_queue *q, struct ublk_io *io);
	void (*next)(struct ublk_queue *q, struct ublk_io *io);
	void (*submit)(struct ublk_queue *q, struct ublk_io *io);
	void (*done)(struct ublk_queue *q, struct ublk_io *io, int res);
	void (*commit)(struct worker *w, struct io *io, int res);
	void (*end)(struct worker *w, struct io *io, int res);
	void (*send)(struct worker *w, struct io *io, int res);
	/* Has the driver serve the request from a registered file. */
	void (*redirect)(struct worker *w, struct io *io,
			 const struct ublk_place *place);
	/* Sends a commit linked to an SQE; NULL if mode or kernel forbids that. */
	void (*link)(struct worker *w, struct io *io, int res);
	struct queue *queue;
	struct batch *batch;		/* NULL with commands per tag */
	/* tags without their last CQE; for batch mode see batch.c */
	unsigned int nr_live;
	unsigned int nr_wait;		/* CQEs that a turn waits for */
	unsigned int enter_flags;	/* ring.c */
	__u8 reg_flags;			/* UBLK_AUTO_BUF_REG_* */
	bool redirect_told;		/* a refusal is in the log */
	int fatal;			/* leave the loop now, for this errno */
	/* stat.h: counters, and by slot when the tag's request was found */
	struct ublk_stat *stat;
	__u64 *seen;
	__u64 now;			/* when this turn began, if it is timed */
	unsigned int nr_linked;
	unsigned int untimed;		/* turns until one is timed */
	__u64 slice;			/* slice.c; 0: not to be changed */
	__u64 slice_turns;		/* counted turns and requests then */
	__u64 slice_taken;

	struct ublk_dev *dev;
	unsigned int index;
	pthread_t thread;
	bool has_thread;
	pid_t tid;
	cpu_set_t *cpus;		/* AFFINITY_BYTES */
	enum worker_state state;
	unsigned int nr_files;		/* used slots of the file table */
	struct watch **watches;		/* by their numbers; watch.c */
	unsigned int nr_watches;	/* room of that */
	bool watching;			/* the loop has begun */

	int wake_fd;
	__u64 wake_count;
	atomic_bool abort;
	pthread_mutex_t done_lock;
	struct io *done_list;
	bool closed;			/* the loop has ended; done_lock */

	char error[512];
};

struct ublk_dev {
	struct ublk_ctrl *ctrl;
	const struct ublk_target *target;	/* @own */
	struct ublk_target own;		/* with the members of this version */
	void *cfg, *priv;
	bool target_is_open;
	bool recovering;		/* the disk existed before this process */
	enum ublk_dev_stage stage;
	unsigned int flags;
	__u64 features;			/* that must be granted */
	__u64 required;			/* by the target, part of @features */
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
	int char_fd;
	int event_fd;
	unsigned int io_threads;	/* per hardware queue */
	unsigned int realtime;		/* priority of the threads, or 0 */
	char mode_why[160];
	bool wants_redirect;		/* its target can tell places */
	bool wants_extents;		/* and those of stretches of the disk */
	/* Descriptors by index of the registered files; lock. */
	int redirect_fds[UBLK_MAX_FILES];
	unsigned int nr_redirect_fds;
	struct store *stores;		/* that the target has named */
	unsigned int nr_stores;
	const struct ublk_store *expected;	/* during the target's open() */
	unsigned int nr_expected;
	void *shmem;			/* shared with the device's users */
	size_t shmem_len, shmem_page;
	atomic_size_t shmem_lost;	/* from here on; shmem_len if nothing */
	atomic_bool shmem_told;		/* that is in the log */

	void *stat;			/* memory of the counters, or NULL */
	size_t stat_len;
	int stat_fd;			/* where others find it, or -1 */

	unsigned int nr_workers;
	struct worker *workers;		/* thread t of queue q at */
	struct queue *queues;		/* q * io_threads + t */

	pthread_mutex_t lock;		/* worker->state, ->error, ->tid */
	pthread_cond_t cond;
	/* Requests that the target still has, after the threads' end; lock. */
	unsigned int nr_lent;
	bool freed;			/* by the user; waits for nr_lent 0 */
};

/*
 * Have the tags of a device buffers, to which the data is moved? Memory that is
 * shared with users takes the place of buffers, request by request.
 */
static inline bool dev_has_bufs(const struct ublk_dev *dev, __u64 flags)
{
	if (dev->own.flags & UBLK_TARGET_NO_DATA &&
	    (flags & (UBLK_F_USER_COPY | UBLK_F_SHMEM_ZC)) == UBLK_F_USER_COPY)
		return false;
	return !(flags & UBLK_F_AUTO_BUF_REG);
}

/* params.c */
int params_import(struct ublk_params *own, const struct ublk_params *given);

/* ctrl.c for query.c */
#define CTRL_PATH_LEN	32	/* room for the char device's path */
#define CTRL_QUERY_BUF	(CTRL_PATH_LEN + sizeof(struct ublk_params))

struct ublk_params *ctrl_prep_get_params(const struct ublk_ctrl *c,
					 struct io_uring_sqe *sqe, __u32 id,
					 char *buf);

/* lock.c */
int lock_memory(struct ublk_dev *dev);

/* The worker whose thread this is, NULL in other threads. */
extern __thread struct worker *worker_self
	__attribute__((tls_model("initial-exec")));

/* affinity.c */
int affinity_get(struct ublk_dev *dev, unsigned int qid, cpu_set_t *cpus);
int affinity_set(const cpu_set_t *cpus);

/* slice.c */
void slice_begin(struct worker *w);
void slice_adapt(struct worker *w);

/* buf.c */
int buf_alloc(struct queue *q, size_t io_bytes, bool lock);
void buf_free(struct queue *q);
void buf_use_huge(struct queue *q, const struct ublk_io *io);
void buf_deliver(struct ublk_queue *q, struct ublk_io *io);

/* Do huge pages pay for the data of this request? */
static inline bool buf_is_long(const struct ublk_io *io)
{
	unsigned int op = ublk_io_op(io);

	return io->desc->nr_sectors >= 64U << 10 >> 9 &&
		(op <= UBLK_IO_OP_WRITE || op == UBLK_IO_OP_ZONE_APPEND);
}

/* store.c */
int store_check_all(const struct ublk_dev *dev);
void store_free_all(struct ublk_dev *dev);

/* stat.c; stat.h counts, stat_read.c reads */
int stat_init(struct worker *w);
void stat_exit(struct worker *w);
void stat_free(struct ublk_dev *dev);

/* offload.c */
int offload_init(struct worker *w);
void offload_close(struct worker *w);
void offload_exit(struct worker *w);
int offload_arm(struct worker *w);
void offload_woken(struct worker *w, int res);
int offload_push(struct worker *w, struct io *io, int res);
void offload_wake(struct worker *w);

/* queue.c */
int queue_init(struct queue *q, struct ublk_dev *dev, unsigned int index,
	       struct worker *w);
void queue_exit(struct queue *q);
int queue_open(struct queue *q);
void queue_close(struct queue *q);
void queue_keep_descs(struct queue *q);

/* lent.c */
bool lent_end(struct ublk_dev *dev);
int lent_return(struct io *io);
void lent_free_dev(struct ublk_dev *dev);

/* tag.c: commands for one tag each */
int tag_fetch(struct queue *q);
void tag_on_command(struct worker *w, struct io *io, int res);
void tag_set_send(struct worker *w, bool may_link);
void tag_register(struct worker *w, struct io *io, bool on);
void tag_redirect(struct worker *w, struct io *io,
		  const struct ublk_place *place);

/* io.c */
void io_on_backend(struct worker *w, struct io *io, int res);
void io_on_linked(struct worker *w, struct io *io, int res);

/* copy.c */
void copy_deliver(struct ublk_queue *q, struct ublk_io *io);
void copy_commit(struct worker *w, struct io *io, int res);

/* zcopy.c */
int zcopy_open(struct worker *w, unsigned int nr_slots);
void zcopy_deliver(struct ublk_queue *q, struct ublk_io *io);
void zcopy_commit(struct worker *w, struct io *io, int res);
void zcopy_on_register(struct worker *w, struct io *io, int res);
void zcopy_on_unregister(struct worker *w, struct io *io, int res);

/* redirect.c */
void redirect_deliver(struct ublk_queue *q, struct ublk_io *io);
void redirect_refused(struct worker *w, struct io *io, int res);

/* shmem.c */
int shmem_map(struct ublk_dev *dev, const char *path);
void shmem_unmap(struct ublk_dev *dev);
int shmem_register(struct ublk_dev *dev);
void shmem_deliver(struct ublk_queue *q, struct ublk_io *io);
void shmem_commit(struct worker *w, struct io *io, int res);

/* flusher.c */
int flusher_set(bool on);
bool flusher_get(void);

/* watch.c */
struct watch;
void watch_on_poll(struct worker *w, struct watch *watch, int res,
		   unsigned int flags);
void watch_on_timer(struct worker *w, struct watch *watch);
void watch_on_op(struct worker *w, struct watch *watch, int res);
void watch_begin(struct worker *w);
void watch_free_all(struct worker *w);

/* batch.c */
struct batch_commit;
int batch_open(struct worker *w);
void batch_close(struct worker *w);
void batch_set_send(struct worker *w);
void batch_unlinked(struct worker *w);
void batch_on_link_commit(struct worker *w, struct io *io, int res);
int batch_prepare(struct worker *w);
int batch_fetch(struct worker *w);
void batch_flush(struct worker *w);
void batch_on_commit(struct worker *w, struct batch_commit *bc, int res);
void batch_on_timer(struct worker *w);
void batch_on_fetch(struct worker *w, int res, unsigned int flags);
void batch_redirect(struct worker *w, struct io *io,
		    const struct ublk_place *place);
void batch_on_redirect(struct worker *w, int res);

/* mode.c */
int mode_choose(struct ublk_dev *dev, const struct ublk_dev_opts *opts);
int mode_check(const struct ublk_dev *dev, __u64 flags);
void mode_set_up(struct worker *w);

/* dev.c */
int dev_need(const struct ublk_dev *dev, enum ublk_dev_stage stage,
	     const char *call);

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

/* ring.c */
int ring_init(struct worker *w, unsigned int tags);
void ring_exit(struct worker *w);
struct io_uring_sqe *ring_flush(struct worker *w);
void ring_fatal(struct worker *w, int err);

static inline bool ring_is_full(const struct worker *w)
{
	const struct io_uring_sq *sq = &w->ring.sq;

	return sq->sqe_tail - *(volatile unsigned int *)sq->khead >=
		sq->ring_entries;
}

/*
 * Next free SQE, not initialised. NULL only when the kernel refuses to take
 * what is queued; ring_fatal() has been called then.
 */
static inline struct io_uring_sqe *ring_sqe(struct worker *w)
{
	struct io_uring_sq *sq = &w->ring.sq;
	unsigned int tail = sq->sqe_tail;

	if (unlikely(ring_is_full(w)))
		return ring_flush(w);
	sq->sqe_tail = tail + 1;
	return &sq->sqes[tail & sq->ring_mask];
}

/*
 * Submit what is queued and wait for CQEs, as io_uring_submit_and_wait(), which has
 * no way to pass IORING_ENTER_NO_IOWAIT. Return: a count, or negative errno.
 */
static inline int ring_turn(struct worker *w)
{
	struct io_uring_sq *sq = &w->ring.sq;

	sq->sqe_head = sq->sqe_tail;
	*sq->ktail = sq->sqe_tail;
	return io_uring_enter(w->ring.enter_ring_fd, sq->sqe_tail - *sq->khead,
			      w->nr_wait, w->enter_flags, NULL);
}

#endif
