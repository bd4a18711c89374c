/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process that keeps a disk busy and knows what every block must contain.
 *
 * Each 8-byte word of a block is its number and the generation of the write. A
 * block has one request at a time; a write that failed leaves its generation
 * possible but not certain, until the next one succeeds.
 */
#ifndef UBLK_SELFTEST_GEN_H
#define UBLK_SELFTEST_GEN_H

#include "raw.h"

#define GEN_BLOCK	4096
#define GEN_BLOCKS	1024
#define GEN_DEPTH	64

enum gen_mode { GEN_READS, GEN_WRITES, GEN_MIXED };

struct gen {
	pid_t pid;
	int id;			/* of the device */
	enum gen_mode mode;
	int stop;		/* by the test: finish and exit */
	int give_up;		/* the first error ends it */
	int cpus;		/* send from so many processors in turn, 0: any */
	/* Written by the generator: */
	int ready;
	int inflight;
	int last_error;
	__u64 done;		/* successful requests */
	__u64 errors;
	__u64 bad;		/* blocks with contents that cannot be */
	struct {
		__u32 sure, tried;
		int busy;
	} block[GEN_BLOCKS];
};

struct gen *gen_new(int id, enum gen_mode mode);
void gen_free(struct gen *g);
void gen_fill(struct gen *g, char *store);
int gen_start(struct gen *g);
int gen_wait_done(struct gen *g, __u64 more, int ms);
int gen_wait_exit(struct gen *g, int ms);
__u64 gen_check(struct gen *g, const char *store);

#endif
