// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Shared memory: a file that users of the device map, too, registered with the
 * driver. Requests whose data is in it are served from this mapping, without a
 * copy (data.rst section 11).
 *
 * The registration belongs to the device and outlives its server (C-150). A
 * server that takes over maps the same file. It must not register it again:
 * REG_BUF would wait for requests that are held (C-151).
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "private.h"

/* The library registers one buffer, which gets the lowest index. */
#define SHMEM_INDEX	0
#define SHMEM_MAX	(1ULL << 32)

int shmem_map(struct ublk_dev *dev, const char *path)
{
	struct stat st;
	void *mem;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
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
	mem = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (mem == MAP_FAILED)
		return ublk_error(-errno, "shared memory: %s: %s", path,
				  strerror(errno));
	dev->shmem = mem;
	dev->shmem_len = st.st_size;
	return 0;
}

void shmem_unmap(struct ublk_dev *dev)
{
	if (dev->shmem)
		munmap(dev->shmem, dev->shmem_len);
	dev->shmem = NULL;
}

/* Called before the disk exists, so REG_BUF has no queue to freeze. */
int shmem_register(struct ublk_dev *dev)
{
	int ret;

	if (!dev->shmem || dev->recovering)
		return 0;
	ret = ublk_ctrl_reg_buf(dev->ctrl, dev->info.dev_id, dev->shmem,
				dev->shmem_len, 0);
	if (ret == -ENOMEM)
		return ublk_error(ret, "shared memory: %llu bytes cannot be locked; raise RLIMIT_MEMLOCK or use a smaller file",
				  (unsigned long long)dev->shmem_len);
	if (ret < 0)
		return ublk_error(ret, "shared memory: driver refused it: %s",
				  strerror(-ret));
	return ret == SHMEM_INDEX ? 0 :
		ublk_error(-EBUSY, "shared memory: the device already has some");
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
		io->buf = (char *)dev->shmem + ublk_shmem_zc_offset(addr);
	}
	q->worker->next(pub, io);
}
