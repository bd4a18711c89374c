/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A file or block device as backing store: how to open it, what it can do
 * (file.c), who else uses it (claim.c, holder.c), how requests are done on it
 * (file_io.c), and what is logged of those that fail (file_log.c).
 */
#ifndef UBLK_FILE_H
#define UBLK_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>
#include <linux/ublk_cmd.h>

/* Blocks are not longer than this. */
#define FILE_MAX_BLOCK	4096U

struct io_uring_sqe;
struct ublk_io;
struct ublk_queue;

/* Requests without data that can be done in more than one way. */
enum file_chain {
	FILE_DISCARD,
	FILE_ZERO,
	FILE_ZERO_KEEP,		/* write zeroes, keep the space */
	FILE_NR_CHAINS,
};

/**
 * struct file - an open backing store
 * @fd: descriptor
 * @block: block device, not a regular file
 * @direct: opened with O_DIRECT
 * @rotational: on a rotating disk
 * @size: bytes
 * @block_size: positions and lengths must be multiples of it
 * @physical_size: what is written without read-modify-write
 * @io_opt: optimal request size, 0 when unknown
 * @mem_align: alignment of memory that direct IO needs, 0 when unknown
 * @discard_granularity: smallest piece that discard frees
 * @max_discard: longest discard in bytes, 0 when there is none
 * @can_zero: write zeroes without sending data works
 * @max_io: longest transfer that the disk below takes in one piece
 * @first: for each enum file_chain, the first way that has not failed
 */
struct file {
	int fd;
	bool block;
	bool direct;
	bool rotational;
	bool can_zero;
	__u64 size;
	__u32 block_size;
	__u32 physical_size;
	__u32 io_opt;
	__u32 mem_align;
	__u32 discard_granularity;
	__u64 max_discard;
	__u32 max_io;
	atomic_uchar first[FILE_NR_CHAINS];
};

/**
 * struct file_use - what a target wants to do with a store
 * @read_only: open for reading only
 * @writable: the target has no option --read-only
 * @direct: use O_DIRECT where that works
 * @shared: others may write it at the same time, so do not look for them
 * @offset: first byte that is used
 * @size: bytes that are used; 0 for all up to the end, however far that is
 */
struct file_use {
	bool read_only;
	bool writable;
	bool direct;
	bool shared;
	__u64 offset;
	__u64 size;
};

/**
 * file_open - open a backing store and find out what it can do
 * @f: filled
 * @path: absolute name
 * @use: what for
 *
 * Refuses a store that somebody else uses, see claim.h.
 *
 * Return: 0 or negative errno with a message
 */
int file_open(struct file *f, const char *path, const struct file_use *use);

/**
 * file_size_of - size of a backing store that need not be open
 * @path: name
 * @size: receives the bytes
 *
 * Return: 0 or negative errno with a message
 */
int file_size_of(const char *path, __u64 *size);

/**
 * file_too_small - refuse to make a disk larger than its store
 * @path: store
 * @have: its bytes
 * @need: bytes that it would need
 *
 * Return: -ENOSPC with a message
 */
int file_too_small(const char *path, __u64 have, __u64 need);

/**
 * file_close - close a backing store
 * @f: file
 */
void file_close(struct file *f);

/**
 * file_set_buffered - turn off direct IO, and the alignment that it needs
 * @f: file
 *
 * Return: 0 or negative errno
 */
int file_set_buffered(struct file *f);

/**
 * struct file_piece - a piece of a request
 * @fd: slot of the file in the ring's file table
 * @pos: where in the file
 * @len: bytes
 * @off: where in the request's data
 * @way: of those to do a request without data, see file_first_way()
 */
struct file_piece {
	int fd;
	__u64 pos;
	__u64 len;
	__u32 off;
	unsigned char way;
};

/* More pieces cost more than a worker of io_uring that waits. */
#define FILE_PIECES	4

/**
 * file_piece_len - in which pieces to send a long transfer
 * @f: file
 * @len: bytes
 *
 * io_uring cannot submit without waiting what the disk below has to split, but it
 * can submit pieces that the disk takes whole.
 *
 * Return: bytes of the first piece: all, or a part in whole blocks
 */
static inline __u32 file_piece_len(const struct file *f, __u32 len)
{
	__u32 nr;

	if (len <= f->max_io || len > (__u64)f->max_io * FILE_PIECES)
		return len;
	nr = (len + f->max_io - 1) / f->max_io;
	return (len / nr + FILE_MAX_BLOCK - 1) & ~(FILE_MAX_BLOCK - 1);
}

/**
 * file_op_known - can the operation be done on a file
 * @op: UBLK_IO_OP_*
 *
 * Return: false for zone operations and unknown ones
 */
static inline bool file_op_known(unsigned int op)
{
	return op <= UBLK_IO_OP_WRITE_ZEROES && op != UBLK_IO_OP_WRITE_SAME;
}

/**
 * file_redirect - let the driver serve requests from the file
 * @f: open store
 * @q: queue, from queue_open()
 *
 * Return: index for struct ublk_place; or -1 if it cannot, with the reason in the
 * log where that is no choice of the user
 */
int file_redirect(const struct file *f, struct ublk_queue *q);

/**
 * file_prep - an SQE that does a piece of a request
 * @f: file
 * @io: request with a known operation
 * @p: piece
 *
 * Return: the SQE, or NULL: the queue's thread is about to end
 */
struct io_uring_sqe *file_prep(struct file *f, struct ublk_io *io,
			       const struct file_piece *p);

/**
 * file_first_way - how to do a request first
 * @f: file
 * @io: request with a known operation
 *
 * Return: value for struct file_piece
 */
unsigned char file_first_way(const struct file *f, const struct ublk_io *io);

/**
 * file_next_way - is there another way to do a failed request without data
 * @f: file; remembers that this way failed
 * @io: request
 * @res: its result
 * @way: the one that failed; receives the next one
 *
 * Return: true if it is to be issued once more
 */
bool file_next_way(struct file *f, const struct ublk_io *io, int res,
		   unsigned char *way);

/**
 * file_end - the result of a request without data, after the last way
 * @io: request
 * @res: result of that way
 *
 * Return: the result for the driver
 */
int file_end(const struct ublk_io *io, int res);

/* For file_log_error(), when nothing more of a transfer could be done. */
#define FILE_IS_SHORT	"; it is shorter than the disk"

/**
 * file_log_error - log that a request failed on the store (file_log.c)
 * @io: request, before it is completed
 * @err: negative errno
 * @why: more of the sentence, or ""
 *
 * Writes a limited number of messages per time.
 */
void file_log_error(const struct ublk_io *io, int err, const char *why);

/**
 * file_complete - ublk_io_complete() that logs an error of the store
 * @io: request
 * @res: bytes done, or negative errno
 */
void file_complete(struct ublk_io *io, int res);

/**
 * file_complete_short - fail a transfer of which nothing more could be done
 * @io: request
 */
void file_complete_short(struct ublk_io *io);

#endif
