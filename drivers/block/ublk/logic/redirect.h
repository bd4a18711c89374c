/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Redirected requests: which backing fits a disk, which request fits a backing,
 * and what follows a result of the backing (extensions.rst).
 *
 * Pure functions: no locks, no allocation, only their arguments.
 */
#ifndef UBLK_LOGIC_REDIRECT_H
#define UBLK_LOGIC_REDIRECT_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

/**
 * struct ublk_backing - a file or block device that requests are redirected to
 * @size: bytes of a block device; 0 for a regular file, which a write extends
 * @block: positions and lengths are multiples of it, in bytes
 * @dma_mask: bits that must be zero in the address of a buffer
 * @readable: opened for reading
 * @writable: opened for writing
 * @cached: what is written is durable only after a flush
 * @stable: data must not change while it is written
 */
struct ublk_backing {
	u64	size;
	u32	block;
	u32	dma_mask;
	bool	readable;
	bool	writable;
	bool	cached;
	bool	stable;
};

/**
 * ublk_redirect_fits() - does a backing fit below a disk? (E-14)
 * @p: parameters of the disk
 * @b: backing
 *
 * Without a write cache of its own, the disk gets neither flushes nor FUA, so
 * nothing would make the data of a backing with one durable. Nobody keeps the
 * pages of a disk without stable writes from changing. Buffers and lengths are
 * those that the disk accepts. Limits that a split of the request satisfies need
 * not match.
 *
 * Return: 0; -EINVAL without parameters, -EOPNOTSUPP if the disk lacks what the
 * backing needs.
 */
static inline int ublk_redirect_fits(const struct ublk_params *p,
				     const struct ublk_backing *b)
{
	u32 dma_mask = p->types & UBLK_PARAM_TYPE_DMA_ALIGN ?
		p->dma.alignment : 3;
	bool writes = b->writable && !(p->basic.attrs & UBLK_ATTR_READ_ONLY);

	if (!(p->types & UBLK_PARAM_TYPE_BASIC))
		return -EINVAL;
	if (writes && b->stable)
		return -EOPNOTSUPP;
	if (writes && b->cached && !(p->basic.attrs & UBLK_ATTR_VOLATILE_CACHE))
		return -EOPNOTSUPP;
	if (b->block > 1U << p->basic.logical_bs_shift || b->dma_mask & ~dma_mask)
		return -EOPNOTSUPP;
	return 0;
}

/**
 * ublk_redirect_check() - may a request go to this place of a backing? (E-31)
 * @b: backing
 * @write: the request writes
 * @pos: byte of the backing
 * @len: bytes of the request
 *
 * Return: 0; -EBADF if the backing is not open for it, -EINVAL for a position
 * that is not a multiple of its blocks or beyond its end.
 */
static __always_inline int ublk_redirect_check(const struct ublk_backing *b,
					       bool write, u64 pos, u32 len)
{
	u64 end = b->size ? b->size : ~0ULL >> 1;

	if (!(write ? b->writable : b->readable))
		return -EBADF;
	if (pos & (b->block - 1) || pos > end || len > end - pos)
		return -EINVAL;
	return 0;
}

/**
 * ublk_redirect_goes_on() - account a result of the backing
 * @done: bytes of the request done so far; changed
 * @len: bytes of the request
 * @res: bytes just done or negative errno; changed to what the request ends with
 *	if it ends: 0, or a negative errno of the rest
 * @nowait: the backing was asked not to wait
 *
 * The rest of a short result, and what would have had to wait or was interrupted,
 * is tried again where waiting is possible. Zero bytes are the end of the file.
 * Return: true if the rest is to be tried again.
 */
static inline bool ublk_redirect_goes_on(u32 *done, u32 len, int *res, bool nowait)
{
	if (*res > 0) {
		*done += (u32)*res < len - *done ? (u32)*res : len - *done;
		*res = 0;
		return *done < len;
	}
	if (!nowait) {
		if (*res == -EAGAIN)
			*res = -EIO;
		return false;
	}
	return *res < 0 && (*res == -EAGAIN || *res == -EINTR || *res < -511);
}

#endif
