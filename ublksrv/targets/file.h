/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A file or block device as backing store: how to open it, what it can do
 * (file.c), and how requests are done on it (file_io.c).
 */
#ifndef UBLK_FILE_H
#define UBLK_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>
#include <linux/ublk_cmd.h>

struct io_uring_sqe;
struct ublk_io;

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
 * @no_cmd_discard: the kernel has no discard command, set when one fails
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
	atomic_bool no_cmd_discard;
};

/**
 * file_open - open a backing store and find out what it can do
 * @f: filled
 * @path: absolute name
 * @read_only: open for reading only
 * @direct: use O_DIRECT where that works
 *
 * Return: 0 or negative errno with a message
 */
int file_open(struct file *f, const char *path, bool read_only, bool direct);

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
 * @fallback: not the first attempt, see file_can_fall_back()
 */
struct file_piece {
	int fd;
	__u64 pos;
	__u64 len;
	__u32 off;
	bool fallback;
};

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
 * file_can_fall_back - is there another way to do a failed operation
 * @f: file
 * @io: request
 * @res: negative errno of the first attempt
 *
 * Return: true if it is to be issued once more, as a fallback
 */
bool file_can_fall_back(struct file *f, const struct ublk_io *io, int res);

#endif
