/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that keeps a disk busy and knows what every block must contain.
 *
 * Each sector has its number and the generation of the write (stamp.h). A block
 * has one request at a time. After a write that failed, the block may have the
 * old generation or the new one, until the next write succeeds.
 */
#ifndef UBLK_SELFTEST_IO_GEN_H
#define UBLK_SELFTEST_IO_GEN_H

#include "raw.h"

#define IO_GEN_BLOCK	4096
#define IO_GEN_BLOCKS	1024
#define IO_GEN_DEPTH	64
#define IO_GEN_BYTES	((size_t)IO_GEN_DEPTH * IO_GEN_BLOCK)

enum io_gen_mode { IO_GEN_READS, IO_GEN_WRITES, IO_GEN_MIXED };

struct io_gen {
	pid_t pid;
	int id;			/* number of the device */
	enum io_gen_mode mode;
	int stop;		/* set by the test: finish and exit */
	int give_up;		/* exit at the first error */
	int cpus;		/* submit from CPUs 0 to cpus - 1 in turn, 0: from any */
	__u64 base;		/* byte of the disk where the blocks begin */
	char *bufs;		/* IO_GEN_BYTES to do I/O with, or NULL: its own */
	/* Written by the generator: */
	int ready;
	int inflight;
	int last_error;
	__u64 done;		/* successful requests */
	__u64 errors;
	__u64 bad;		/* blocks with impossible contents */
	struct {
		__u32 sure, tried;
		int busy;
	} block[IO_GEN_BLOCKS];
};

struct io_gen *io_gen_new(int id, enum io_gen_mode mode);
void io_gen_free(struct io_gen *g);
void io_gen_fill(struct io_gen *g, char *store);
int io_gen_start(struct io_gen *g);
int io_gen_wait_done(struct io_gen *g, __u64 more, int ms);
int io_gen_wait_exit(struct io_gen *g, int ms);
__u64 io_gen_check(struct io_gen *g, const char *store);

#endif
