// SPDX-License-Identifier: GPL-2.0
/*
 * SET_EXTENTS and COUNT_EXTENTS (extensions.rst section 7). Called by dev_cmd.c.
 *
 * The elements are read in blocks, without a lock: a page fault may wait for this disk.
 */
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "ublk.h"

/* Elements that are read at once, on the stack. */
#define UBLK_EXTENT_BLOCK	16

/* Return: how many elements were executed, or a negative errno if none was. */
static int ublk_extent_cmd_set_all(struct ublk_device *ub, u64 addr, unsigned int nr,
				   struct ublk_extent_wait *wait)
{
	struct ublk_extent_elem __user *from = u64_to_user_ptr(addr);
	struct ublk_extent_elem block[UBLK_EXTENT_BLOCK] __uninitialized;
	unsigned int done = 0;
	int ret = 0;

	while (done < nr && !ret) {
		unsigned int n = min(nr - done, UBLK_EXTENT_BLOCK);

		if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (copy_from_user(block, from + done, n * sizeof(*block)))
			ret = -EFAULT;
		else
			ret = ublk_extent_set(ub, block, n, wait, &done);
		cond_resched();
	}
	return done ? done : ret;
}

/* SET_EXTENTS (E-70 to E-77). */
static int ublk_extent_cmd_set(struct ublk_device *ub, struct io_uring_cmd *cmd,
			       const struct ublk_extents_cmd *c,
			       unsigned int issue_flags)
{
	struct ublk_extent_wait *w;
	unsigned int noio;
	int ret = -ENOMEM;

	if (c->nr > UBLK_MAX_EXTENT_ELEMS)
		return -E2BIG;
	noio = memalloc_noio_save();
	w = ublk_extent_wait_alloc();
	if (w)
		ret = ublk_extent_cmd_set_all(ub, c->addr, c->nr, w);
	memalloc_noio_restore(noio);
	return w ? ublk_extent_wait_end(w, cmd, ret, issue_flags) : ret;
}

/**
 * ublk_extent_cmd() - SET_EXTENTS or COUNT_EXTENTS
 * @ub: device; the command keeps its session open
 * @cmd: the command
 * @c: its fields, read once
 * @issue_flags: of @cmd
 * Context: task of the server or its io-wq worker; may fault.
 * Return: -EIOCBQUEUED, the number of elements or extents, or a negative errno.
 */
int ublk_extent_cmd(struct ublk_device *ub, struct io_uring_cmd *cmd,
		    const struct ublk_extents_cmd *c, unsigned int issue_flags)
{
	if (!ublk_has(ub, UBLK_F_EXTENTS))
		return -EOPNOTSUPP;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (c->flags || c->reserved)
		return -EINVAL;
	if (_IOC_NR(cmd->cmd_op) == _IOC_NR(UBLK_U_IO_SET_EXTENTS))
		return ublk_extent_cmd_set(ub, cmd, c, issue_flags);
	return c->nr || c->addr ? -EINVAL : READ_ONCE(ub->extents->nr);
}
