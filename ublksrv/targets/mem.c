// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target mem: a disk in the daemon's memory.
 *
 * The disk is one private anonymous mapping. The kernel allocates a page when
 * it is written; a page that never was reads as zeroes. Discard and write
 * zeroes free whole pages. submit() does everything, in the thread of the
 * request's queue. As with any disk, the result of concurrent requests for the
 * same sectors is not defined.
 *
 * The contents end with the process, so such a disk cannot be recovered.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "targets.h"

struct mem_cfg {
	__u64 size;
};

struct mem {
	char *data;
	size_t size;
	size_t page;
};

static const struct ublk_opt mem_opts[] = {
	{
		.name = "size", .letter = 's', .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct mem_cfg, size),
		.arg = "SIZE", .def = "1G", .min = 512, .max = LLONG_MAX,
		.help = "capacity",
	},
	{ 0 }
};

static int mem_fill_params(struct ublk_params *p, const struct mem *mem)
{
	if (ublk_params_set_size(p, mem->size))
		return ublk_error(-EINVAL, "mem: %s; change --size",
				  ublk_strerror_last());
	p->types |= UBLK_PARAM_TYPE_DISCARD;
	p->discard.discard_granularity = mem->page;
	p->discard.max_discard_sectors = UINT_MAX >> 9;
	p->discard.max_discard_segments = 1;
	p->discard.max_write_zeroes_sectors = UINT_MAX >> 9;
	return 0;
}

static int mem_open(struct ublk_dev *dev, void *cfg)
{
	const struct mem_cfg *c = cfg;
	struct mem *mem;
	int ret;

	if (ublk_dev_info(dev)->flags & UBLK_F_USER_RECOVERY)
		return ublk_error(-EINVAL, "mem: the contents end with the daemon, nothing could be recovered; leave --user-recovery out, or use \"-t loop\" on a file in /dev/shm");
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return ublk_error(-ENOMEM, "out of memory");
	mem->size = c->size;
	mem->page = sysconf(_SC_PAGESIZE);
	ret = mem_fill_params(ublk_dev_params(dev), mem);
	if (ret)
		goto err_free;
	mem->data = mmap(NULL, mem->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->data == MAP_FAILED) {
		ret = ublk_error(-errno, "mem: %zu bytes: %s; use a lower --size",
				 mem->size, strerror(errno));
		goto err_free;
	}
	/* keep disk contents out of core dumps */
	madvise(mem->data, mem->size, MADV_DONTDUMP);
	ublk_dev_set_priv(dev, mem);
	return 0;

err_free:
	free(mem);
	return ret;
}

static void mem_close(struct ublk_dev *dev)
{
	struct mem *mem = ublk_dev_priv(dev);

	munmap(mem->data, mem->size);
	free(mem);
}

/* Free whole pages, overwrite the rest with zeroes. */
static int mem_zero(const struct mem *mem, size_t pos, size_t len)
{
	size_t end = pos + len;
	size_t first = (pos + mem->page - 1) & ~(mem->page - 1);
	size_t last = end & ~(mem->page - 1);

	if (first >= last) {
		memset(mem->data + pos, 0, len);
		return 0;
	}
	memset(mem->data + pos, 0, first - pos);
	memset(mem->data + last, 0, end - last);
	return madvise(mem->data + first, last - first, MADV_DONTNEED) ?
		-errno : 0;
}

static void mem_submit(struct ublk_queue *q, struct ublk_io *io)
{
	const struct mem *mem = ublk_dev_priv(q->dev);
	const struct ublksrv_io_desc *d = io->desc;
	size_t pos = d->start_sector << 9;
	size_t len = (size_t)d->nr_sectors << 9;
	int res = len;

	/* UPDATE_SIZE of another program makes the disk larger, not the mapping */
	if (ublk_io_op(io) != UBLK_IO_OP_FLUSH &&
	    (pos > mem->size || len > mem->size - pos)) {
		ublk_io_complete(io, -EIO);
		return;
	}
	switch (ublk_io_op(io)) {
	case UBLK_IO_OP_READ:
		memcpy(io->buf, mem->data + pos, len);
		break;
	case UBLK_IO_OP_WRITE:
		memcpy(mem->data + pos, io->buf, len);
		break;
	case UBLK_IO_OP_FLUSH:
		res = 0;
		break;
	case UBLK_IO_OP_DISCARD:
	case UBLK_IO_OP_WRITE_ZEROES:
		res = mem_zero(mem, pos, len);
		break;
	default:
		res = -EOPNOTSUPP;
	}
	ublk_io_complete(io, res);
}

static int mem_can_resize(const void *cfg, __u64 bytes)
{
	const struct mem_cfg *c = cfg;

	if (bytes <= c->size)
		return 0;
	return ublk_error(-ENOSPC, "mem: the memory is %llu bytes, the disk would need %llu; add it again with that --size",
			  (unsigned long long)c->size,
			  (unsigned long long)bytes);
}

const struct ublk_target mem_target = {
	UBLK_TARGET(),
	.name = "mem",
	.summary = "a disk in memory",
	.opts = mem_opts,
	.config_size = sizeof(struct mem_cfg),
	.open = mem_open,
	.close = mem_close,
	.submit = mem_submit,
	.can_resize = mem_can_resize,
};
