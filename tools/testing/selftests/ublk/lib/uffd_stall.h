/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory on which a copy by the kernel stops until the test lets it go on.
 *
 * uffd_open() makes any memory such that its missing pages fault until somebody
 * provides them. A struct uffd_stall is a user copy that stops halfway.
 *
 * The first page is present. The second one faults, and the test provides it
 * when it wants to (userfaultfd), so that a test can check what else happens in
 * the middle of a pread() or pwrite() that another thread has begun.
 */
#ifndef UBLK_SELFTEST_UFFD_STALL_H
#define UBLK_SELFTEST_UFFD_STALL_H

#include <pthread.h>
#include "raw.h"

struct uffd_stall {
	int uffd;
	char *mem;		/* two pages, the second one stalls */
	struct raw_srv *srv;
	int q, tag;
	bool put;
	long res;		/* of the copy */
	int done;
	pthread_t thread;
};

int uffd_open(void *mem, size_t len);
int uffd_stall_open(struct uffd_stall *s);
int uffd_stall_copy(struct uffd_stall *s, struct raw_srv *srv, int q, int tag,
		    bool put);
long uffd_stall_release(struct uffd_stall *s, const char *page);
void uffd_stall_close(struct uffd_stall *s);

#endif
