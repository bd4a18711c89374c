/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batch commands spoken directly (data.rst section 13), on top of raw.h.
 *
 * A raw_batch is one ring with groups of provided buffers on the char device of
 * a raw_srv. A CQE of a fetch command lists many tags: raw_batch_event()
 * returns the CQE as it came, raw_batch_request() one tag after the other. A
 * buffer goes back to its group when its list has been read, except in a group
 * with "keep".
 *
 * Results as in raw.h: 0 or more, -errno, RAW_TIMEOUT.
 */
#ifndef UBLK_SELFTEST_RAW_BATCH_H
#define UBLK_SELFTEST_RAW_BATCH_H

#include "io_client.h"

#define RAW_PREP	UBLK_U_IO_PREP_IO_CMDS
#define RAW_COMMIT	UBLK_U_IO_COMMIT_IO_CMDS
#define RAW_FETCH	UBLK_U_IO_FETCH_IO_CMDS
#define RAW_NR_FETCH	0x27

/* Some installed headers do not define these. */
#define RAW_CMD_MULTISHOT	(1U << 1)
#define RAW_BUF_RING_INC	2
#define RAW_CQE_BUF_MORE	(1U << 4)

#define RAW_GROUPS	8
#define RAW_GROUP_BUFS	64
#define RAW_CQE_TAGS	128	/* the most that one CQE lists (D-187) */

/* A batch command; a member that is not named is 0. */
struct raw_bcmd {
	__u32 op;
	__u16 q, flags, nr;
	__u8 size;		/* elem_bytes */
	const void *addr;
	__u32 len;
	__u8 sqe_flags;
	__u32 uring_flags;
	__u16 group;
};

/* An element of PREP or COMMIT with all members. */
struct raw_elem {
	__u16 tag, buf_index;
	__s32 result;
	__u64 buf_addr, zone_lba;
};

struct raw_group {
	struct io_uring_buf_ring *br;
	char *mem;
	unsigned int nr, bytes, used[RAW_GROUP_BUFS];
	bool keep, inc;
};

struct raw_cqe {
	__u64 user_data;
	int res;
	__u32 flags;
};

struct raw_bev {
	int res;
	__u32 flags;		/* of the CQE */
	__u8 nr;		/* command number */
	__u16 q;
	__u32 seq;		/* of the command: raw_batch_fetch() */
	int bid, count;
	__u16 tags[RAW_CQE_TAGS];
};

struct raw_batch {
	struct io_uring ring;
	struct raw_srv *srv;
	__u32 seq;
	int fetches;		/* commands that have not ended */
	int aborted;		/* those that ended with ENODEV */
	__u16 elem_flags;	/* besides HAS_BUF_ADDR, for PREP and COMMIT */
	struct raw_group groups[RAW_GROUPS];
	unsigned int stashed;
	struct raw_cqe stash[RAW_STASH];
	struct raw_bev cur;	/* tags [done, cur.count) are still to come */
	int done;
};

int raw_batch_open(struct raw_batch *b, struct raw_srv *s,
		   unsigned int ring_flags);
void raw_batch_close(struct raw_batch *b);
int raw_group_open(struct raw_batch *b, int group, unsigned int nr,
		   unsigned int bytes, unsigned int flags);
void raw_group_close(struct raw_batch *b, int group);
void raw_group_add(struct raw_batch *b, int group, int bid, void *addr,
		   unsigned int bytes);
void raw_group_refill(struct raw_batch *b, int group, int bid);

int raw_batch_post(struct raw_batch *b, const struct raw_bcmd *cmd);
int raw_batch_call(struct raw_batch *b, const struct raw_bcmd *cmd);
int raw_batch_thread_call(struct raw_srv *s, const struct raw_bcmd *cmd);
int raw_batch_io_call(struct raw_batch *b, __u32 op, int q, int tag,
		      __u64 addr);
int raw_batch_fixed(struct raw_batch *b, bool to_file, int fd, __u64 pos,
		    unsigned int len, int slot);
int raw_elem_size(unsigned int flags);
void raw_elem_put(void *base, int i, unsigned int flags,
		  const struct raw_elem *e);
unsigned int raw_batch_flags(struct raw_batch *b);
int raw_batch_elems(struct raw_batch *b, __u32 op, int q,
		    const struct raw_elem *e, int nr);

int raw_batch_prep(struct raw_batch *b, int q, int tag, int nr);
int raw_batch_prep_all(struct raw_batch *b);
int raw_batch_commit(struct raw_batch *b, int q, int tag, int result);
int raw_batch_fetch(struct raw_batch *b, int q, int group);
int raw_batch_event(struct raw_batch *b, struct raw_bev *ev, int ms);
int raw_batch_next(struct raw_batch *b, struct raw_ev *ev, int ms);
int raw_batch_request(struct raw_batch *b, struct raw_ev *ev, int ms);
int raw_batch_serve(struct raw_batch *b, const struct raw_ev *ev);
int raw_batch_collect_abort(struct raw_batch *b, int ms);
long raw_batch_wait(struct io_client *a, int job, struct raw_batch *b, int ms);

#endif
