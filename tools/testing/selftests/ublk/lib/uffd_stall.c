// SPDX-License-Identifier: GPL-2.0
/*
 * User copies that stop halfway: see uffd_stall.h. One copy at a time: a thread
 * of its own makes the copy, the test's thread sees the fault and resolves it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "uffd_stall.h"

#define PAGE 4096

/*
 * From now on a missing page of the memory faults until it is provided by the
 * userfaultfd that is returned. -errno; -ENOSYS or -EPERM if userfaultfd cannot
 * handle faults of the kernel here.
 */
int uffd_open(void *mem, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)mem, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), ret = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg)) {
		ret = -errno;
		close(fd);
	}
	return ret ? ret : fd;
}

/* 0 or an error of uffd_open(). */
int uffd_stall_open(struct uffd_stall *s)
{
	void *p;

	memset(s, 0, sizeof(*s));
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	s->mem = p;
	memset(s->mem, 0, PAGE);
	s->uffd = uffd_open(s->mem + PAGE, PAGE);
	return s->uffd < 0 ? s->uffd : 0;
}

static void *copy(void *arg)
{
	struct uffd_stall *s = arg;

	if (s->put)
		s->res = raw_put(s->srv, s->q, s->tag, s->mem, 2 * PAGE, 0);
	else
		s->res = raw_get(s->srv, s->q, s->tag, s->mem, 2 * PAGE, 0);
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * Begin to copy two pages of a request in another thread and wait until the
 * copy has stopped halfway. 0, -EPROTO if it ended at once, RAW_TIMEOUT.
 */
int uffd_stall_copy(struct uffd_stall *s, struct raw_srv *srv, int q, int tag,
		    bool put)
{
	struct pollfd p = { .fd = s->uffd, .events = POLLIN };
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct uffd_msg msg;
	int ret;

	s->srv = srv;
	s->q = q;
	s->tag = tag;
	s->put = put;
	ret = pthread_create(&s->thread, NULL, copy, s);
	if (ret)
		return -ret;
	while (raw_now_ms() < end) {
		if (__atomic_load_n(&s->done, __ATOMIC_ACQUIRE)) {
			pthread_join(s->thread, NULL);
			return -EPROTO;
		}
		if (poll(&p, 1, 10) == 1 &&
		    read(s->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT)
			return 0;
	}
	return RAW_TIMEOUT;
}

/* Provide the page and wait for the copy. What it returned, or -errno. */
long uffd_stall_release(struct uffd_stall *s, const char *page)
{
	struct uffdio_copy c = {
		.dst = (uintptr_t)s->mem + PAGE,
		.src = (uintptr_t)page, .len = PAGE,
	};

	if (ioctl(s->uffd, UFFDIO_COPY, &c))
		return -errno;
	pthread_join(s->thread, NULL);
	return s->res;
}

void uffd_stall_close(struct uffd_stall *s)
{
	munmap(s->mem, 2 * PAGE);
	close(s->uffd);
}
