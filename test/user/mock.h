/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mock kernel's own parts, shared by its files: mock_ring.c (io_uring),
 * mock_poll.c (its polls and timeouts), mock_driver.c (tags and their commands),
 * mock_batch.c (batch commands), mock_block.c (requests), mock_ctrl.c (control commands and files).
 *
 * One lock for everything. Functions here are called with it held.
 */
#ifndef MOCK_H
#define MOCK_H

#include <pthread.h>

#include "mock_kernel.h"
#include "private.h"

#include "logic/tag.h"

#define MOCK_QUEUES	4
#define MOCK_DEPTH	128
#define MOCK_RINGS	12
#define MOCK_FILES	64
#define MOCK_FETCHES	16
#define MOCK_POLLS	16
#define MOCK_ID		7

/* The command stays with the driver: no CQE now. */
#define MOCK_PENDING	(-MOCK_NEVER)

struct mock_tag {
	unsigned int state;		/* enum ublk_tag_state */
	struct mock_ring *ring;		/* that holds the command, or owns it */
	__u64 user_data;
	__u64 addr;			/* of the last command's io_cmd */
	__u64 word;			/* registration of the next request */
	pthread_t owner;
	int slot;			/* registered there in @ring, or -1 */
	bool by_hand;			/* by REGISTER_IO_BUF */
	bool with_data;
	char *data;			/* the request's pages */
	unsigned int moved;		/* bytes of user copy */
	int result;
	bool done;			/* a request ended, nobody looked yet */
};

struct mock_poll {
	__u64 user_data;		/* 0: none */
	int fd;
	unsigned int late;		/* events that are reported again */
};

struct mock_timer {
	__u64 user_data;		/* 0: none */
	__u64 at;			/* ms */
};

struct mock_ring {
	struct io_uring *ring;
	unsigned int khead, ktail, cq_head, cq_tail;
	int kick;
	int files[MOCK_FILES];
	int wake_fd;
	void *wake_buf;
	__u64 wake_data;
	unsigned int timer_ms;
	__u64 timer_data;		/* 0: no timer */
	unsigned int nr_slots;		/* of the buffer table */
	struct mock_tag *slots[MOCK_DEPTH];
	struct io_uring_buf_ring *bufs;	/* provided, group 0 */
	unsigned int buf_head, buf_mask;
	bool broken;			/* link: the SQE before failed */
	bool skip;			/* ... and has no CQE on success */
	int epoll;
	struct mock_poll polls[MOCK_POLLS];
	struct mock_timer timers[MOCK_POLLS];
};

extern pthread_mutex_t mock_lock;
extern pthread_cond_t mock_changed;
extern struct mock_tag mock_tags[MOCK_QUEUES][MOCK_DEPTH];
extern struct ublksrv_ctrl_dev_info mock_dev;
extern struct mock_counters {
	unsigned int enter, get_data, backend, foreign, reg_buf, unreg_buf;
	unsigned int commits, fetches, leaked;
	unsigned int fixed, linked, stop_hangs, orphans;
	unsigned int polls, poll_events;
	int rw_flags, sqe_flags, falloc_mode;
	void *shmem;
	__u64 shmem_len;
} mock_count;

/* mock_ring.c */
void mock_post(struct mock_ring *m, __u64 user_data, int res,
	       unsigned int flags);

/* mock_poll.c */
bool mock_poll_sqe(struct mock_ring *m, const struct io_uring_sqe *sqe,
		   int *ret);
int mock_poll_wait_ms(const struct mock_ring *m, int most);
void mock_poll_events(struct mock_ring *m);
void mock_poll_ring_made(struct mock_ring *m);
void mock_poll_ring_gone(struct mock_ring *m);

/* mock_driver.c */
int mock_command(struct mock_ring *m, const struct io_uring_sqe *sqe);
int mock_tag_commit(struct mock_ring *m, struct mock_tag *tag, int result);
void mock_driver_ring_gone(struct mock_ring *m);
void mock_driver_reset(void);

/* mock_batch.c */
int mock_batch_command(struct mock_ring *m, const struct io_uring_sqe *sqe);
void mock_batch_queue(unsigned int qid, unsigned int tag);
void mock_batch_cancel(void);
void mock_batch_ring_gone(struct mock_ring *m);
void mock_batch_reset(void);

/* mock_block.c */
struct ublksrv_io_desc *mock_desc(unsigned int qid, unsigned int tag);
bool mock_take(struct mock_ring *m, unsigned int qid, unsigned int tag);
void mock_end(struct mock_tag *tag, int result);

/* mock_ctrl.c */
extern char *mock_descs;
void mock_ctrl_reset(void);

#endif
