// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Shared memory: a file that users of the device map, too, registered with the
 * driver. Requests whose data is in it are served from this mapping, without a
 * copy (data.rst section 11).
 *
 * The registration belongs to the device and outlives its server (C-150). A
 * server that takes over maps the same file. It must not register it again:
 * REG_BUF would wait for requests that are held (C-151).
 *
 * Any user of the file can truncate it, and then the pages are gone from the
 * mapping. A memfd that may be sealed is sealed against that. For other files
 * shmem_on_sigbus() puts other memory in the place of the lost pages, so that
 * the access which found them missing can go on, and remembers from where on
 * they are lost. Every request that reaches there fails with EIO, from the one
 * that was being served. io_uring gets EFAULT, not a signal, for lost pages.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "private.h"

/* The library registers one buffer, which gets the lowest index. */
#define SHMEM_INDEX	0
#define SHMEM_MAX	(1ULL << 32)
/* Devices of one process that can have shared memory. */
#define SHMEM_DEVS	64

#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC	0x958458f6
#endif

#ifndef F_ADD_SEALS
#define F_ADD_SEALS	1033
#define F_SEAL_SHRINK	2
#endif

/* Mappings that the signal handler looks at. A free place has no device. */
static struct ublk_dev *_Atomic shmem_devs[SHMEM_DEVS];
static struct sigaction shmem_old;
static pthread_mutex_t shmem_lock = PTHREAD_MUTEX_INITIALIZER;
static bool shmem_has_handler;

static struct ublk_dev *shmem_find(const char *addr)
{
	unsigned int i;

	for (i = 0; i < SHMEM_DEVS; i++) {
		struct ublk_dev *dev = atomic_load(&shmem_devs[i]);

		if (dev && addr >= (char *)dev->shmem &&
		    addr < (char *)dev->shmem + dev->shmem_len)
			return dev;
	}
	return NULL;
}

/* Not a page of ours: as if this handler were not there. */
static void shmem_pass_signal(int sig, siginfo_t *info, void *context)
{
	if (shmem_old.sa_flags & SA_SIGINFO)
		shmem_old.sa_sigaction(sig, info, context);
	else if (shmem_old.sa_handler != SIG_DFL &&
		 shmem_old.sa_handler != SIG_IGN)
		shmem_old.sa_handler(sig);
	else
		sigaction(sig, &shmem_old, NULL);
}

/* Calls what may be called in a signal handler only; mmap() is a system call. */
static void shmem_on_sigbus(int sig, siginfo_t *info, void *context)
{
	struct ublk_dev *dev = shmem_find(info->si_addr);
	size_t from, lost;
	int err = errno;
	char *at;

	if (!dev) {
		shmem_pass_signal(sig, info, context);
		return;
	}
	from = (char *)info->si_addr - (char *)dev->shmem;
	from &= ~(dev->shmem_page - 1);
	at = (char *)dev->shmem + from;
	/* before the access goes on */
	lost = atomic_load(&dev->shmem_lost);
	while (from < lost &&
	       !atomic_compare_exchange_weak(&dev->shmem_lost, &lost, from))
		;
	if (mmap(at, dev->shmem_len - from, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		shmem_pass_signal(sig, info, context);
	errno = err;
}

/* One handler for the process, and a place in its list for the device. */
static int shmem_watch(struct ublk_dev *dev)
{
	struct sigaction sa = {
		.sa_sigaction = shmem_on_sigbus, .sa_flags = SA_SIGINFO,
	};
	unsigned int i;

	pthread_mutex_lock(&shmem_lock);
	if (!shmem_has_handler)
		shmem_has_handler = !sigaction(SIGBUS, &sa, &shmem_old);
	for (i = 0; i < SHMEM_DEVS && atomic_load(&shmem_devs[i]); i++)
		;
	if (i < SHMEM_DEVS)
		atomic_store(&shmem_devs[i], dev);
	pthread_mutex_unlock(&shmem_lock);
	return i < SHMEM_DEVS ? 0 :
		ublk_error(-EMFILE, "shared memory: more than %u devices of one process have some",
			   SHMEM_DEVS);
}

static void shmem_unwatch(const struct ublk_dev *dev)
{
	unsigned int i;

	for (i = 0; i < SHMEM_DEVS; i++)
		if (atomic_load(&shmem_devs[i]) == dev)
			atomic_store(&shmem_devs[i], NULL);
}

/* In a hugetlbfs only whole huge pages can be mapped. */
static size_t shmem_page_size(int fd)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct statfs fs;

	return !fstatfs(fd, &fs) && (__u32)fs.f_type == HUGETLBFS_MAGIC ?
		(size_t)fs.f_bsize : page;
}

int shmem_map(struct ublk_dev *dev, const char *path)
{
	int fd, prot = PROT_READ;
	struct stat st;
	void *mem;

	fd = open(path, (dev->flags & UBLK_DEV_SHMEM_RO ? O_RDONLY : O_RDWR) |
		  O_CLOEXEC);
	if (fd < 0)
		return ublk_error(-errno, "shared memory: %s: %s", path,
				  strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size ||
	    st.st_size % sysconf(_SC_PAGESIZE) ||
	    (__u64)st.st_size > SHMEM_MAX) {
		close(fd);
		return ublk_error(-EINVAL, "shared memory: %s: not a file of whole pages, up to 4 GiB; set its size with \"truncate -s SIZE\"",
				  path);
	}
	/* possible for a memfd whose maker allows it */
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	dev->shmem_page = shmem_page_size(fd);
	if (!(dev->flags & UBLK_DEV_SHMEM_RO))
		prot |= PROT_WRITE;
	mem = mmap(NULL, st.st_size, prot, MAP_SHARED, fd, 0);
	close(fd);
	if (mem == MAP_FAILED)
		return ublk_error(-errno, "shared memory: %s: %s", path,
				  strerror(errno));
	dev->shmem = mem;
	dev->shmem_len = st.st_size;
	atomic_store(&dev->shmem_lost, dev->shmem_len);
	return shmem_watch(dev);
}

void shmem_unmap(struct ublk_dev *dev)
{
	if (dev->shmem) {
		shmem_unwatch(dev);
		munmap(dev->shmem, dev->shmem_len);
	}
	dev->shmem = NULL;
}

/* Called before the disk exists, so REG_BUF has no queue to freeze. */
int shmem_register(struct ublk_dev *dev)
{
	int ret;

	if (!dev->shmem || dev->recovering)
		return 0;
	ret = ublk_ctrl_reg_buf(dev->ctrl, dev->info.dev_id, dev->shmem,
				dev->shmem_len,
				dev->flags & UBLK_DEV_SHMEM_RO ?
				UBLK_SHMEM_BUF_READ_ONLY : 0);
	if (ret == -ENOMEM)
		return ublk_error(ret, "shared memory: %llu bytes cannot be locked; raise RLIMIT_MEMLOCK or use a smaller file",
				  (unsigned long long)dev->shmem_len);
	if (ret < 0)
		return ublk_error(ret, "shared memory: driver refused it: %s",
				  strerror(-ret));
	return ret == SHMEM_INDEX ? 0 :
		ublk_error(-EBUSY, "shared memory: the device already has some");
}

/* Does the data of a request reach where the file was truncated? */
static bool shmem_is_lost(const struct ublk_dev *dev, const struct ublk_io *io)
{
	return ublk_shmem_zc_offset(io->desc->addr) +
		((size_t)io->desc->nr_sectors << 9) >
		atomic_load_explicit(&dev->shmem_lost, memory_order_relaxed);
}

static void shmem_fail(struct worker *w, struct io *io)
{
	struct ublk_dev *dev = w->dev;

	if (!atomic_exchange(&dev->shmem_told, true))
		ublk_log(UBLK_LOG_ERR, "dev %u: the file of the shared memory was truncated; requests with data at %zu and behind it fail, add the device again",
			 dev->info.dev_id, atomic_load(&dev->shmem_lost));
	w->send(w, io, -EIO);
}

/* Let io->buf point to the shared memory or to the tag's own buffer. */
void shmem_deliver(struct ublk_queue *pub, struct ublk_io *io)
{
	struct queue *q = to_queue(pub);
	struct queue *owner = q->nr_tags ? q : q->first;
	struct ublk_dev *dev = pub->dev;
	__u64 addr = io->desc->addr;

	io->buf = (char *)owner->bufs +
		(size_t)io->slot * dev->info.max_io_buf_bytes;
	if (io->desc->op_flags & UBLK_IO_F_SHMEM_ZC) {
		if (ublk_shmem_zc_index(addr) != SHMEM_INDEX) {
			q->worker->send(q->worker, to_io(io), -EIO);
			return;
		}
		if (unlikely(shmem_is_lost(dev, io))) {
			shmem_fail(q->worker, to_io(io));
			return;
		}
		io->buf = (char *)dev->shmem + ublk_shmem_zc_offset(addr);
	}
	q->worker->next(pub, io);
}

/* While it was served, the target may have met pages that are lost. */
void shmem_commit(struct worker *w, struct io *io, int res)
{
	if (unlikely(io->pub.desc->op_flags & UBLK_IO_F_SHMEM_ZC &&
		     shmem_is_lost(w->dev, &io->pub)))
		shmem_fail(w, io);
	else
		w->end(w, io, res);
}
