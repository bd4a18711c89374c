// SPDX-License-Identifier: GPL-2.0
/*
 * Registered files: what requests of a device with UBLK_F_REDIRECT can be
 * redirected to (extensions.rst).
 *
 * The server registers its own descriptors. A redirected request pins the file by
 * a count of its queue, so that queues do not share a cache line. To unregister a
 * file is to drop the one count that each queue begins with: requests in flight
 * end by themselves, and a worker puts the file after the last one. An extent pins
 * its file by one count of its own (extent.c). The exit work
 * waits for that, so no IO of a session is left when the next one begins.
 *
 * ublk_file_mutex protects all tables against changes: the search for a disk
 * below itself follows the files of other devices (E-15). ublk_file_get() reads
 * a table under RCU.
 */
#include <linux/blkdev.h>
#include <linux/bottom_half.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/stat.h>

#include "ublk.h"

/* The files of a device. */
struct ublk_files {
	struct ublk_file __rcu	*file[UBLK_MAX_FILES];
};

static DEFINE_MUTEX(ublk_file_mutex);

/**
 * ublk_file_init() - allocate what a device needs to redirect requests
 * @ub: new device, with its number
 * Return: 0, or -ENOMEM.
 */
int ublk_file_init(struct ublk_device *ub)
{
	struct ublk_files *files;

	if (!ublk_has(ub, UBLK_F_REDIRECT | UBLK_F_EXTENTS))
		return 0;
	files = kcalloc(1, sizeof(*files), GFP_KERNEL_ACCOUNT);
	ub->files = files;
	ub->redirect_wq = alloc_workqueue("ublk_redirect%u",
					  WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					  ub->info.dev_id);
	return files && ub->redirect_wq ? 0 : -ENOMEM;
}

/* The device has no request any more. Sleeps. */
void ublk_file_exit(struct ublk_device *ub)
{
	if (ub->redirect_wq)
		destroy_workqueue(ub->redirect_wq);
	kfree(ub->files);
}

/* The last count is gone: put the file where no server waits for it (L-107). */
static void ublk_file_release_work(struct work_struct *work)
{
	struct ublk_file *f = container_of(work, struct ublk_file, release_work);
	struct ublk_device *ub = f->ub;

	/* fput() of a kernel thread would leave it to yet another worker. */
	__fput_sync(f->file);
	kfree_rcu(f, rcu);
	/* The exit work checks under this lock: @ub is not touched after it. */
	scoped_guard(spinlock, &ub->lock) {
		ub->nr_open_files--;
		wake_up_all(&ub->wait);
	}
	ublk_dev_put(ub);
}

/**
 * ublk_file_put() - a redirected request does not use the file any more
 * @f: file
 * @q: queue of the request
 * Context: any, hard interrupts too.
 */
void ublk_file_put(struct ublk_file *f, const struct ublk_queue *q)
{
	if (refcount_dec_and_test(&f->queue[q->qid].refs) &&
	    atomic_dec_and_test(&f->queues))
		queue_work(ublk_file_wq, &f->release_work);
}

/**
 * ublk_file_pin() - pin a registered file for an extent
 * @ub: device
 * @index: of the file
 *
 * It cannot be unregistered before ublk_file_unpin(), so the search for a disk
 * below itself finds it (E-15).
 * Context: a command of the session; takes ublk_file_mutex.
 * Return: the file, or NULL.
 */
struct ublk_file *ublk_file_pin(struct ublk_device *ub, unsigned int index)
{
	struct ublk_file *f;

	if (index >= UBLK_MAX_FILES)
		return NULL;
	index = array_index_nospec(index, UBLK_MAX_FILES);
	guard(mutex)(&ublk_file_mutex);
	f = rcu_dereference_protected(ub->files->file[index],
				      lockdep_is_held(&ublk_file_mutex));
	if (f)
		ublk_file_pin_again(f);
	return f;
}

/**
 * ublk_file_pin_again() - pin a file for one more extent
 * @f: registered or pinned file
 * Context: any.
 */
void ublk_file_pin_again(struct ublk_file *f)
{
	atomic_inc(&f->extents);
	atomic_inc(&f->queues);
}

/**
 * ublk_file_unpin() - an extent is gone
 * @f: file
 * Context: any, hard interrupts too.
 */
void ublk_file_unpin(struct ublk_file *f)
{
	atomic_dec(&f->extents);
	if (atomic_dec_and_test(&f->queues))
		queue_work(ublk_file_wq, &f->release_work);
}

/**
 * ublk_file_check_exclusive() - may extents lie on the file? (E-72)
 * @f: pinned file
 * Return: 0; -EINVAL unless it is a block device that was opened with O_EXCL.
 */
int ublk_file_check_exclusive(const struct ublk_file *f)
{
	return f->bdev && f->bdev->bd_holder == f->file ? 0 : -EINVAL;
}

/**
 * ublk_file_get() - pin a registered file for a request
 * @q: queue of the request
 * @index: of the file
 * Context: a command of the session; does not sleep.
 * Return: the file until ublk_file_put(), or NULL.
 */
struct ublk_file *ublk_file_get(const struct ublk_queue *q, unsigned int index)
{
	struct ublk_file *f;

	if (unlikely(index >= UBLK_MAX_FILES))
		return NULL;
	index = array_index_nospec(index, UBLK_MAX_FILES);
	guard(rcu)();
	f = rcu_dereference(q->ub->files->file[index]);
	if (f && likely(refcount_inc_not_zero(&f->queue[q->qid].refs)))
		return f;
	return NULL;
}

/* --- what a file is --- */

static void ublk_file_describe_bdev(struct block_device *bdev,
				    struct ublk_backing *b)
{
	b->size = bdev_nr_bytes(bdev);
	b->block = bdev_logical_block_size(bdev);
	b->dma_mask = bdev_dma_alignment(bdev);
	b->cached = bdev_write_cache(bdev);
	b->stable = bdev_stable_writes(bdev);
}

/*
 * A block device is reached below its page cache, so the server must not write
 * through that cache either, and what lies in it is written back and dropped.
 */
static int ublk_file_check_bdev(struct ublk_file *f)
{
	struct file *file = f->file;
	int ret;

	f->bdev = I_BDEV(file->f_mapping->host);
	if (!(file->f_flags & O_DIRECT) || bdev_is_zoned(f->bdev))
		return -EINVAL;
	f->nowait = bdev_nowait(f->bdev);
	f->max_sectors = queue_max_sectors(bdev_get_queue(f->bdev));
	ret = sync_blockdev(f->bdev);
	if (!ret)
		ret = invalidate_inode_pages2(file->f_mapping);
	if (!ret)
		ublk_file_describe_bdev(f->bdev, &f->backing);
	if (!ret && !f->backing.size)
		ret = -ENXIO;
	return ret;
}

static int ublk_file_check_regular(struct ublk_file *f)
{
	struct inode *inode = file_inode(f->file);
	struct ublk_backing *b = &f->backing;
	struct kstat st = { };
	int ret;

	ret = vfs_getattr(&f->file->f_path, &st, STATX_DIOALIGN,
			  AT_STATX_SYNC_AS_STAT);
	if (ret)
		return ret;
	b->block = SECTOR_SIZE;
	if (st.result_mask & STATX_DIOALIGN) {
		if (!st.dio_offset_align || !st.dio_mem_align)
			return -EINVAL;
		b->block = st.dio_offset_align;
		b->dma_mask = st.dio_mem_align - 1;
	} else if (inode->i_sb->s_bdev) {
		b->block = bdev_logical_block_size(inode->i_sb->s_bdev);
		b->dma_mask = bdev_dma_alignment(inode->i_sb->s_bdev);
	}
	b->cached = !(f->file->f_flags & O_DSYNC);
	b->stable = mapping_stable_writes(inode->i_mapping);
	return is_power_of_2(b->block) ? 0 : -EINVAL;
}

/* E-11 to E-13; may wait for the backing. */
static int ublk_file_check(struct ublk_file *f)
{
	struct file *file = f->file;
	umode_t mode = file_inode(file)->i_mode;

	if (!(file->f_mode & FMODE_CAN_ODIRECT) ||
	    !file->f_op->read_iter || !file->f_op->write_iter)
		return -EINVAL;
	f->nowait = file->f_mode & FMODE_NOWAIT;
	f->backing.readable = file->f_mode & FMODE_READ;
	f->backing.writable = file->f_mode & FMODE_WRITE;
	f->iocb_flags = (file->f_iocb_flags | IOCB_DIRECT) & ~IOCB_APPEND;
	if (S_ISBLK(mode))
		return ublk_file_check_bdev(f);
	return S_ISREG(mode) ? ublk_file_check_regular(f) : -EINVAL;
}

/* --- a disk below itself --- */

/* The disk that an IO to the file reaches first, or NULL. */
static struct gendisk *ublk_file_disk(const struct ublk_file *f)
{
	struct block_device *bdev = f->bdev;

	if (!bdev)
		bdev = file_inode(f->file)->i_sb->s_bdev;
	return bdev ? bdev->bd_disk : NULL;
}

/* A longer chain of devices is refused like a loop, which bounds the recursion. */
#define UBLK_FILE_DEPTH		8

/*
 * Do redirected requests of a file reach a disk of @top? The file is open, so the
 * disk and with it the device below are there. @search tells this search from
 * those before, so that it visits a device once (E-15).
 */
static int ublk_file_check_loop(const struct ublk_device *top,
				const struct ublk_file *f, u64 search,
				unsigned int depth)
{
	struct gendisk *disk = ublk_file_disk(f);
	struct ublk_device *ub;
	unsigned int i;
	int ret = 0;

	lockdep_assert_held(&ublk_file_mutex);
	if (!disk || !ublk_disk_is_ours(disk))
		return 0;
	ub = disk->private_data;
	if (ub == top || !depth)
		return -ELOOP;
	if (ub->file_search == search)
		return 0;
	ub->file_search = search;
	for (i = 0; ub->files && i < UBLK_MAX_FILES && !ret; i++) {
		struct ublk_file *below =
			rcu_dereference_protected(ub->files->file[i],
						  lockdep_is_held(&ublk_file_mutex));

		if (below)
			ret = ublk_file_check_loop(top, below, search, depth - 1);
	}
	return ret;
}

/* --- the table --- */

static struct ublk_file *ublk_file_alloc(struct ublk_device *ub, int fd)
{
	unsigned int qid, nr = ub->info.nr_hw_queues;
	struct ublk_file *f;

	f = kzalloc(struct_size(f, queue, nr), GFP_KERNEL_ACCOUNT);
	if (!f)
		return ERR_PTR(-ENOMEM);
	f->ub = ub;
	INIT_WORK(&f->release_work, ublk_file_release_work);
	atomic_set(&f->queues, nr);
	for (qid = 0; qid < nr; qid++)
		refcount_set(&f->queue[qid].refs, 1);
	f->file = fget(fd);
	if (f->file)
		return f;
	kfree(f);
	return ERR_PTR(-EBADF);
}

/*
 * The file was not published. Another thread may have closed the descriptor: then
 * fput() leaves the release to a worker, as in complete.c.
 */
static void ublk_file_free(struct ublk_file *f)
{
	local_bh_disable();
	fput(f->file);
	local_bh_enable();
	kfree(f);
}

/* Publish the file. SET_PARAMS is refused from here on (E-16). */
static int ublk_file_publish(struct ublk_device *ub, unsigned int index,
			     struct ublk_file *f)
{
	static u64 search;
	int ret;

	lockdep_assert_held(&ublk_file_mutex);
	if (rcu_access_pointer(ub->files->file[index]))
		return -EBUSY;
	ret = ublk_file_check_loop(ub, f, ++search, UBLK_FILE_DEPTH);
	if (ret)
		return ret;
	scoped_guard(spinlock, &ub->lock) {
		ret = ublk_redirect_fits(&ub->params, &f->backing);
		if (ret)
			return ret;
		ub->nr_files++;
		ub->nr_open_files++;
	}
	ublk_dev_get(ub);
	rcu_assign_pointer(ub->files->file[index], f);
	return 0;
}

/* REGISTER_FILE. Return: 0, or a negative errno (E-10 to E-16). */
static int ublk_file_register(struct ublk_device *ub,
			      const struct ublk_file_cmd *c)
{
	struct ublk_file *f;
	int ret;

	if (c->index >= UBLK_MAX_FILES || c->reserved || c->reserved2)
		return -EINVAL;
	f = ublk_file_alloc(ub, c->fd);
	if (IS_ERR(f))
		return PTR_ERR(f);
	ret = ublk_file_check(f);
	if (!ret) {
		guard(mutex)(&ublk_file_mutex);
		ret = ublk_file_publish(ub, array_index_nospec(c->index,
							       UBLK_MAX_FILES), f);
	}
	if (ret)
		ublk_file_free(f);
	return ret;
}

/* Return: false if there is no such file. */
static bool ublk_file_remove(struct ublk_device *ub, unsigned int index)
{
	unsigned int qid, nr = ub->info.nr_hw_queues;
	struct ublk_file *f;

	lockdep_assert_held(&ublk_file_mutex);
	f = rcu_replace_pointer(ub->files->file[index], NULL,
				lockdep_is_held(&ublk_file_mutex));
	if (!f)
		return false;
	scoped_guard(spinlock, &ub->lock)
		ub->nr_files--;
	/* Only the last ublk_file_put() frees it, so not before the loop ends. */
	for (qid = 0; qid < nr; qid++)
		ublk_file_put(f, ub->queues[qid]);
	return true;
}

/*
 * UNREGISTER_FILE: no request is redirected to the file any more; those in flight
 * end by themselves. Return: 0, -EINVAL, -ENOENT, or -EBUSY while extents lie on it
 * (E-20, E-76).
 */
static int ublk_file_unregister(struct ublk_device *ub,
				const struct ublk_file_cmd *c)
{
	struct ublk_file *f;
	unsigned int index;

	if (c->index >= UBLK_MAX_FILES || c->fd || c->reserved || c->reserved2)
		return -EINVAL;
	index = array_index_nospec(c->index, UBLK_MAX_FILES);
	guard(mutex)(&ublk_file_mutex);
	f = rcu_dereference_protected(ub->files->file[index],
				      lockdep_is_held(&ublk_file_mutex));
	if (f && atomic_read(&f->extents))
		return -EBUSY;
	return ublk_file_remove(ub, index) ? 0 : -ENOENT;
}

/**
 * ublk_file_cmd() - REGISTER_FILE or UNREGISTER_FILE
 * @ub: device; the command keeps its session open
 * @nr: number of the command
 * @c: its fields, read once
 * Context: task of the server or its io-wq worker; may wait for the backing.
 * Return: 0, or a negative errno (E-10 to E-21).
 */
int ublk_file_cmd(struct ublk_device *ub, unsigned int nr,
		  const struct ublk_file_cmd *c)
{
	if (!ublk_has(ub, UBLK_F_REDIRECT | UBLK_F_EXTENTS))
		return -EOPNOTSUPP;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (nr == _IOC_NR(UBLK_U_IO_REGISTER_FILE))
		return ublk_file_register(ub, c);
	return ublk_file_unregister(ub, c);
}

/**
 * ublk_file_unregister_all() - no request is redirected any more
 * @ub: device
 * Context: process context; does not wait for requests in flight.
 */
void ublk_file_unregister_all(struct ublk_device *ub)
{
	unsigned int i;

	if (!ub->files)
		return;
	guard(mutex)(&ublk_file_mutex);
	for (i = 0; i < UBLK_MAX_FILES; i++)
		ublk_file_remove(ub, i);
}

static bool ublk_file_none(struct ublk_device *ub)
{
	guard(spinlock)(&ub->lock);
	return !ub->nr_open_files;
}

/**
 * ublk_file_end_session() - unregister all files and wait for their IO
 * @ub: device, whose char node has no reference
 *
 * The wait is as long as the backings need: IO that is in flight may still change
 * them, and the next server must not begin before (E-52).
 * Context: exit work, without a lock; sleeps.
 */
void ublk_file_end_session(struct ublk_device *ub)
{
	ublk_file_unregister_all(ub);
	wait_event(ub->wait, ublk_file_none(ub));
}
