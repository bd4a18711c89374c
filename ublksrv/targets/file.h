/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A file or block device as backing store: how to open it, and what it can do.
 */
#ifndef UBLK_FILE_H
#define UBLK_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>

/**
 * struct file - an open backing store
 * @fd: descriptor
 * @block: block device, not a regular file
 * @direct: opened with O_DIRECT
 * @rotational: on a disk that turns
 * @size: bytes
 * @block_size: positions and lengths must be multiples of it
 * @physical_size: what is written without read-modify-write
 * @io_opt: optimal request size, 0 when unknown
 * @mem_align: alignment of memory that direct IO needs, 0 when unknown
 * @discard_granularity: smallest piece that discard frees
 * @max_discard: longest discard in bytes, 0 when there is none
 * @can_zero: write zeroes without sending data works
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
};

/**
 * file_open - open a backing store and find out what it can do
 * @f: filled
 * @path: absolute name
 * @read_only: open for reading only
 * @direct: use O_DIRECT where that works
 *
 * Return: 0 or negative errno with a sentence
 */
int file_open(struct file *f, const char *path, bool read_only, bool direct);

/**
 * file_close - close a backing store
 * @f: file
 */
void file_close(struct file *f);

/**
 * file_set_buffered - leave direct IO, which also frees from its alignment
 * @f: file
 *
 * Return: 0 or negative errno
 */
int file_set_buffered(struct file *f);

#endif
