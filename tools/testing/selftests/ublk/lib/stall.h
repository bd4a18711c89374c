/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory on which a copy by the kernel stops until the test lets it go on.
 *
 * The first page is there, the second one faults and is provided on request
 * (userfaultfd), so that a test can look at what else happens in the middle of
 * a pread() or pwrite() that another thread has begun.
 */
#ifndef UBLK_SELFTEST_STALL_H
#define UBLK_SELFTEST_STALL_H

#include <pthread.h>
#include "raw.h"

struct stall {
	int uffd;
	char *mem;		/* two pages, the second one stalls */
	struct raw_srv *srv;
	int q, tag;
	bool put;
	long res;		/* of the copy */
	int done;
	pthread_t thread;
};

int stall_open(struct stall *s);
int stall_copy(struct stall *s, struct raw_srv *srv, int q, int tag, bool put);
long stall_release(struct stall *s, const char *page);
void stall_close(struct stall *s);

#endif
