// SPDX-License-Identifier: GPL-2.0
/*
 * Redirected requests: a registered file serves them, not the server.
 *
 * A command of the server names a file and a position. The driver issues the
 * request's own pages there: to a block device as clones of its bios, which keep
 * the cgroup of the origin, to a regular file as direct IO. It does so in the task
 * that executes the command, never in the task that sent the request, and does
 * not wait there. What would have to wait, and the rest of a short result, is
 * issued by a worker. A file system makes all writes to a file wait when it has to
 * update the file's timestamps, each tick. So the first write of a batch that would
 * wait takes the later ones to that file to the worker with it.
 *
 * struct ublk_redirect, behind struct ublk_rq, counts the parts in flight and one
 * for the issuer. The issuer of a batch drops its part after it has flushed the
 * plug, so what has ended by then is collected and ends together. The end arms
 * the tag, unless a cancel has taken it, and ends the request.
 *
 * The block layer and file systems call bi_end_io and ki_complete in hard
 * interrupts, too: nothing that these call takes a lock of the driver.
 */
#include <linux/bio.h>
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "ublk.h"
#include "state.h"
#include "trace.h"

/* Elements that are read at once, on the stack. */
#define UBLK_REDIRECT_BLOCK	32

/**
 * struct ublk_redirect - a request that is being redirected
 * @next: the next request of the list that this one is in
 * @file: registered file, pinned
 * @pos: byte of the file
 * @done: bytes done before
 * @res: result of what was issued: bytes or negative errno; for a block device an
 *	errno, or 0
 * @left: parts in flight, and one for the issuer
 * @nowait: issued so that nothing waits
 * @work: issues the rest, or ends the request
 * @bio: clone of the first bio, for a block device
 * @iocb: direct IO, for a regular file
 * @bvecs: segments of several bios, or NULL
 */
struct ublk_redirect {
	struct request		*next;
	struct ublk_file	*file;
	u64			pos;
	unsigned int		done;
	int			res;
	atomic_t		left;
	bool			nowait;
	struct work_struct	work;
	union {
		struct bio	bio;
		struct {
			struct kiocb	iocb;
			struct bio_vec	*bvecs;
		};
	};
};

struct ublk_redirect_list {
	struct request		*first;
	struct request		*last;
};

/*
 * Requests that a command or a worker issues and may collect: those that are issued,
 * and writes to one regular file that would have had to wait. A single one needs no
 * plug.
 */
struct ublk_redirect_run {
	struct blk_plug			plug;
	bool				plugged;
	struct ublk_redirect_list	issued;
	struct ublk_redirect_list	waiting;
	struct io_comp_batch		iob;
};

/* Clones of all bios of a request but the first one. */
static struct bio_set ublk_redirect_bios;

int ublk_redirect_init(void)
{
	return bioset_init(&ublk_redirect_bios, BIO_POOL_SIZE, 0, 0);
}

void ublk_redirect_exit(void)
{
	bioset_exit(&ublk_redirect_bios);
}

/* Bytes of a request behind struct ublk_rq. */
unsigned int ublk_redirect_size(const struct ublk_device *ub)
{
	return ublk_has(ub, UBLK_F_REDIRECT) ? sizeof(struct ublk_redirect) : 0;
}

static struct ublk_redirect *ublk_redirect_of(struct request *req)
{
	return (struct ublk_redirect *)(ublk_rq(req) + 1);
}

static struct request *ublk_redirect_req(struct ublk_redirect *rd)
{
	return blk_mq_rq_from_pdu((struct ublk_rq *)rd - 1);
}

/* --- the end --- */

/*
 * If only a part is done, complete.c has the rest issued again, so the server
 * meets an error of the rest for itself. The last user copy would take a part for
 * the whole: with one in progress the request fails.
 */
static void ublk_redirect_end(struct request *req, struct io_comp_batch *iob)
{
	struct ublk_queue *q = req->mq_hctx->driver_data;
	struct ublk_redirect *rd = ublk_redirect_of(req);
	struct ublk_io *io = &q->io[req->tag];
	unsigned int len = blk_rq_bytes(req);
	struct ublk_file *file = rd->file;
	int refs = atomic_read(&io->refs);
	int res = rd->done ? rd->done : rd->res ?: -EIO;

	if (!file->bdev)
		kfree(rd->bvecs);
	trace_ublk_commit(q, req, res);
	if (refs)
		ublk_rq(req)->result = res == len || res < 0 ? res : -EIO;
	ublk_state_redirect_end(io);
	if (!refs || ublk_buf_put_owner(io, 0))
		ublk_complete_redirected(req, res, iob);
	ublk_file_put(file, q);
}

static void ublk_redirect_end_work(struct work_struct *work)
{
	ublk_redirect_end(ublk_redirect_req(container_of(work,
							 struct ublk_redirect,
							 work)), NULL);
}

static void ublk_redirect_again_work(struct work_struct *work);

/* @req: the first of a list of requests, which @func handles */
static void ublk_redirect_queue_work(struct request *req, work_func_t func)
{
	struct ublk_queue *q = req->mq_hctx->driver_data;
	struct ublk_redirect *rd = ublk_redirect_of(req);

	INIT_WORK(&rd->work, func);
	queue_work(q->ub->redirect_wq, &rd->work);
}

/* Nothing is in flight any more: end the request, or have a worker go on. */
static void ublk_redirect_done(struct request *req, struct io_comp_batch *iob)
{
	struct ublk_redirect *rd = ublk_redirect_of(req);
	unsigned int len = blk_rq_bytes(req);

	if (rd->file->bdev && likely(!rd->res))
		rd->res = len;
	if (unlikely(ublk_redirect_goes_on(&rd->done, len, &rd->res, rd->nowait))) {
		rd->next = NULL;
		ublk_redirect_queue_work(req, ublk_redirect_again_work);
		return;
	}
	/* A task that disabled interrupts cannot defer fput(), see complete.c. */
	if (unlikely(in_task() && irqs_disabled()))
		ublk_redirect_queue_work(req, ublk_redirect_end_work);
	else
		ublk_redirect_end(req, iob);
}

static void ublk_redirect_put(struct request *req, struct io_comp_batch *iob)
{
	if (atomic_dec_and_test(&ublk_redirect_of(req)->left))
		ublk_redirect_done(req, iob);
}

/* --- a block device --- */

static void ublk_redirect_bio_end(struct bio *bio)
{
	struct request *req = bio->bi_private;
	struct ublk_redirect *rd = ublk_redirect_of(req);
	blk_status_t status = bio->bi_status;

	/* Of several errors one is kept, an error of the device if there is one. */
	if (unlikely(status) && (!READ_ONCE(rd->res) ||
				 READ_ONCE(rd->res) == -EAGAIN))
		WRITE_ONCE(rd->res, blk_status_to_errno(status));
	if (likely(bio == &rd->bio))
		bio_uninit(bio);
	else
		bio_put(bio);
	ublk_redirect_put(req, NULL);
}

static void ublk_redirect_submit(struct request *req, struct bio *bio)
{
	struct ublk_redirect *rd = ublk_redirect_of(req);

	bio->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	if (rd->nowait)
		bio->bi_opf |= REQ_NOWAIT;
	bio->bi_private = req;
	bio->bi_end_io = ublk_redirect_bio_end;
	atomic_inc(&rd->left);
	submit_bio_noacct(bio);
}

/*
 * The block layer does not split a bio that must not wait, so long ones are cut
 * here.
 */
static void ublk_redirect_bio(struct request *req, struct bio *bio, u64 pos,
			      gfp_t gfp)
{
	unsigned int max = ublk_redirect_of(req)->file->max_sectors;

	bio->bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	while (unlikely(bio_sectors(bio) > max)) {
		struct bio *part = bio_split(bio, max, gfp,
					     &ublk_redirect_bios);

		if (IS_ERR_OR_NULL(part))
			break;
		ublk_redirect_submit(req, part);
	}
	ublk_redirect_submit(req, bio);
}

/* Clone all bios. What is not issued without memory makes the whole try again. */
static void ublk_redirect_bios_issue(struct request *req)
{
	struct ublk_redirect *rd = ublk_redirect_of(req);
	gfp_t gfp = rd->nowait ? GFP_NOWAIT : GFP_NOIO;
	struct block_device *bdev = rd->file->bdev;
	struct bio *bio = req->bio;
	u64 pos = rd->pos;

	/* Not for @bdev, as bio_init() would look up the cgroup of this task. */
	if (unlikely(bio_init_clone(NULL, &rd->bio, bio, gfp))) {
		rd->res = -EAGAIN;
		return;
	}
	rd->bio.bi_bdev = bdev;
	bio_clone_blkg_association(&rd->bio, bio);
	ublk_redirect_bio(req, &rd->bio, pos, gfp);
	while (unlikely(bio != req->biotail)) {
		struct bio *clone;

		pos += bio->bi_iter.bi_size;
		bio = bio->bi_next;
		clone = bio_alloc_clone(bdev, bio, gfp, &ublk_redirect_bios);
		if (!clone) {
			WRITE_ONCE(rd->res, -EAGAIN);
			return;
		}
		ublk_redirect_bio(req, clone, pos, gfp);
	}
}

/* --- a regular file --- */

static void ublk_redirect_iocb_end(struct kiocb *iocb, long res)
{
	struct ublk_redirect *rd = container_of(iocb, struct ublk_redirect, iocb);
	struct request *req = ublk_redirect_req(rd);

	if (req_op(req) == REQ_OP_WRITE)
		kiocb_end_write(iocb);
	rd->res = res;
	ublk_redirect_put(req, NULL);
}

/* All segments of a request; those of one bio are where they are. */
static int ublk_redirect_iter(struct request *req, struct iov_iter *iter)
{
	unsigned int dir = rq_data_dir(req) == WRITE ? ITER_SOURCE : ITER_DEST;
	struct ublk_redirect *rd = ublk_redirect_of(req);
	unsigned int nr = 0, len = blk_rq_bytes(req);
	struct bio *bio = req->bio;
	struct req_iterator ri;
	struct bio_vec bv;

	if (likely(bio == req->biotail)) {
		const struct bio_vec *first = __bvec_iter_bvec(bio->bi_io_vec,
							       bio->bi_iter);

		if (likely(mp_bvec_iter_len(bio->bi_io_vec, bio->bi_iter) == len))
			nr = 1;
		else
			rq_for_each_bvec(bv, req, ri)
				nr++;
		iov_iter_bvec(iter, dir, first, nr, len);
		iter->iov_offset = bio->bi_iter.bi_offset;
		return 0;
	}
	rq_for_each_bvec(bv, req, ri)
		nr++;
	if (!rd->bvecs) {
		struct bio_vec *to = kmalloc_array(nr, sizeof(*to),
						   rd->nowait ? GFP_NOWAIT : GFP_NOIO);

		if (!to)
			return -EAGAIN;
		rd->bvecs = to;
		rq_for_each_bvec(bv, req, ri) {
			*to = bv;
			to++;
		}
	}
	iov_iter_bvec(iter, dir, rd->bvecs, nr, len);
	return 0;
}

/* As io_uring does: a frozen file system makes only a worker wait. */
static bool ublk_redirect_start_write(struct kiocb *iocb)
{
	struct super_block *sb = file_inode(iocb->ki_filp)->i_sb;

	if (!(iocb->ki_flags & IOCB_NOWAIT)) {
		kiocb_start_write(iocb);
		return true;
	}
	if (!sb_start_write_trylock(sb))
		return false;
	__sb_writers_release(sb, SB_FREEZE_WRITE);
	return true;
}

/* Returns whether it would have had to wait; then nothing is in flight. */
static bool ublk_redirect_iocb_issue(struct request *req)
{
	struct ublk_redirect *rd = ublk_redirect_of(req);
	bool write = req_op(req) == REQ_OP_WRITE;
	struct file *file = rd->file->file;
	struct kiocb *iocb = &rd->iocb;
	struct iov_iter iter __uninitialized;
	ssize_t ret;

	*iocb = (struct kiocb) {
		.ki_filp	= file,
		.ki_pos		= rd->pos + rd->done,
		.ki_complete	= ublk_redirect_iocb_end,
		.ki_flags	= rd->file->iocb_flags,
		.ki_ioprio	= req_get_ioprio(req),
	};
	if (rd->nowait)
		iocb->ki_flags |= IOCB_NOWAIT;
	if (req->cmd_flags & REQ_FUA)
		iocb->ki_flags |= IOCB_DSYNC;

	ret = ublk_redirect_iter(req, &iter);
	if (unlikely(ret) || (write && unlikely(!ublk_redirect_start_write(iocb)))) {
		rd->res = -EAGAIN;
		return true;
	}
	if (unlikely(rd->done))
		iov_iter_advance(&iter, rd->done);
	atomic_inc(&rd->left);
	if (write)
		ret = file->f_op->write_iter(iocb, &iter);
	else
		ret = file->f_op->read_iter(iocb, &iter);
	if (ret != -EIOCBQUEUED)
		ublk_redirect_iocb_end(iocb, ret);
	return ret == -EAGAIN;
}

/* --- issue --- */

/*
 * Issue what is not done yet; the caller has a part of rd->left. Returns whether a
 * regular file would have had to wait; then nothing is in flight.
 */
static bool ublk_redirect_issue(struct request *req)
{
	struct ublk_redirect *rd = ublk_redirect_of(req);

	if (unlikely(!rd->file->bdev))
		return ublk_redirect_iocb_issue(req);
	ublk_redirect_bios_issue(req);
	return false;
}

static void ublk_redirect_append(struct ublk_redirect_list *list, struct request *req)
{
	ublk_redirect_of(req)->next = NULL;
	if (list->first)
		ublk_redirect_of(list->last)->next = req;
	else
		list->first = req;
	list->last = req;
}

static void ublk_redirect_begin(struct ublk_redirect_run *run, unsigned int nr)
{
	run->issued.first = NULL;
	run->waiting.first = NULL;
	run->iob = (struct io_comp_batch){ };
	run->plugged = nr > 1;
	if (!run->plugged)
		return;
	blk_start_plug(&run->plug);
	/* The backing's requests can be allocated together. */
	run->plug.nr_ios = nr;
}

/* Flush the plug, and end what has been served. */
static void ublk_redirect_flush(struct ublk_redirect_run *run)
{
	struct request *req, *next;

	if (likely(run->plugged))
		blk_finish_plug(&run->plug);
	for (req = run->issued.first; req; req = next) {
		next = ublk_redirect_of(req)->next;
		ublk_redirect_put(req, run->plugged ? &run->iob : NULL);
	}
	run->issued.first = NULL;
	ublk_complete_collected(&run->iob);
	if (unlikely(run->waiting.first)) {
		ublk_redirect_queue_work(run->waiting.first, ublk_redirect_again_work);
		run->waiting.first = NULL;
	}
}

/*
 * May wait for the backing, for memory, and for a file system to thaw. A list has
 * writes to one file only: what one of them waits for, the others would wait for, too.
 */
static void ublk_redirect_again_work(struct work_struct *work)
{
	struct ublk_redirect *rd = container_of(work, struct ublk_redirect, work);
	struct request *req = ublk_redirect_req(rd), *next;
	unsigned int noio = memalloc_noio_save();
	struct ublk_redirect_run run;
	unsigned int nr = 0;

	/* The writer itself cleans the pages that others wait for. */
	current->flags |= PF_LOCAL_THROTTLE;
	for (next = req; next; next = ublk_redirect_of(next)->next)
		nr++;
	ublk_redirect_begin(&run, nr);
	for (; req; req = next) {
		rd = ublk_redirect_of(req);
		next = rd->next;
		rd->nowait = false;
		rd->res = 0;
		atomic_set(&rd->left, 1);
		ublk_redirect_append(&run.issued, req);
		ublk_redirect_issue(req);
	}
	ublk_redirect_flush(&run);
	current->flags &= ~PF_LOCAL_THROTTLE;
	memalloc_noio_restore(noio);
}

/* Is the request one for this place of the file? (E-31) */
static int ublk_redirect_check_req(struct request *req, struct ublk_file *file,
				   u64 pos)
{
	bool write = req_op(req) == REQ_OP_WRITE;

	if (!write && req_op(req) != REQ_OP_READ)
		return -EOPNOTSUPP;
	if (blk_integrity_rq(req))
		return -EOPNOTSUPP;
	return ublk_redirect_check(&file->backing, write, pos, blk_rq_bytes(req));
}

/*
 * Check, and prepare the request if it may be redirected. The caller owns the tag.
 * References of the daemon task are counted with the others from here on: the
 * owner's lasts until the IO ends.
 */
static __always_inline int ublk_redirect_prepare(struct ublk_queue *q,
						 struct ublk_io *io,
						 unsigned int index, u64 pos)
{
	struct ublk_redirect *rd = ublk_redirect_of(io->req);
	struct ublk_file *file = ublk_file_get(q, index);
	int ret;

	if (unlikely(!file))
		return -EBADF;
	ret = ublk_redirect_check_req(io->req, file, pos);
	if (unlikely(ret)) {
		ublk_file_put(file, q);
		return ret;
	}
	if (unlikely(io->task_refs)) {
		atomic_add(io->task_refs, &io->refs);
		io->task_refs = 0;
	}
	rd->file = file;
	rd->pos = pos;
	rd->done = 0;
	rd->res = 0;
	rd->nowait = true;
	if (!file->bdev)
		rd->bvecs = NULL;
	atomic_set(&rd->left, 1);
	trace_ublk_redirect(q, io->req, index);
	return 0;
}

/*
 * The tag is REDIRECTED. A backing that knows no NOWAIT may always wait. Returns as
 * ublk_redirect_issue().
 */
static bool ublk_redirect_start(struct request *req)
{
	struct ublk_redirect *rd = ublk_redirect_of(req);

	if (likely(rd->file->nowait))
		return ublk_redirect_issue(req);
	rd->res = -EAGAIN;
	return false;
}

/**
 * ublk_redirect_commit() - REDIRECT_AND_FETCH_REQ
 * @q: queue
 * @io: tag, SERVER
 * @cmd: the command, which arms the tag after the IO
 * @index: of the file
 * @pos: byte of the file
 * @issue_flags: of @cmd
 * Context: the tag's daemon task, with the ring lock held; does not wait.
 * Return: 0; else the server still owns the request (E-31).
 */
int ublk_redirect_commit(struct ublk_queue *q, struct ublk_io *io,
			 struct io_uring_cmd *cmd, unsigned int index, u64 pos,
			 unsigned int issue_flags)
{
	struct request *req = io->req;
	unsigned int noio;
	int ret;

	ret = ublk_redirect_prepare(q, io, index, pos);
	if (unlikely(ret))
		return ret;
	ublk_buf_commit(io, cmd, issue_flags, NULL);
	ublk_state_redirect_cmd(io, cmd, issue_flags);
	noio = memalloc_noio_save();
	ublk_redirect_start(req);
	memalloc_noio_restore(noio);
	ublk_redirect_put(req, NULL);
	return 0;
}

/* --- batch devices --- */

static void ublk_redirect_add(struct ublk_redirect_run *run, struct request *req)
{
	struct request *waits = run->waiting.first;

	if (unlikely(waits) && req_op(req) == REQ_OP_WRITE &&
	    ublk_redirect_of(req)->file == ublk_redirect_of(waits)->file) {
		ublk_redirect_append(&run->waiting, req);
		return;
	}
	if (unlikely(ublk_redirect_start(req)) && req_op(req) == REQ_OP_WRITE && !waits)
		ublk_redirect_append(&run->waiting, req);
	else
		ublk_redirect_append(&run->issued, req);
}

/* Redirect one element (E-41). */
static int ublk_redirect_one(struct ublk_queue *q, struct io_uring_cmd *cmd,
			     const struct ublk_redirect_elem *elem,
			     unsigned int issue_flags,
			     struct ublk_redirect_run *run)
{
	struct ublk_io *io;
	int ret;

	if (unlikely(elem->tag >= q->depth))
		return -EINVAL;
	io = &q->io[array_index_nospec(elem->tag, q->depth)];
	if (unlikely(!ublk_state_commit_begin(io)))
		return -EBUSY;
	ret = ublk_redirect_prepare(q, io, elem->file, elem->pos);
	if (unlikely(ret)) {
		ublk_state_commit_undo(io);
		return ret;
	}
	/* A worker waits for the ring lock, whose holder may wait for requests. */
	if (unlikely(io->flags & UBLK_IO_AUTO_REG &&
		     issue_flags & IO_URING_F_UNLOCKED)) {
		ublk_redirect_flush(run);
		run->plugged = false;
	}
	ublk_buf_commit(io, cmd, issue_flags, NULL);
	ublk_state_redirect(io);
	ublk_redirect_add(run, io->req);
	return 0;
}

/* Returns how many elements were refused; each has its errno. */
static unsigned int ublk_redirect_block(struct ublk_queue *q,
					struct io_uring_cmd *cmd,
					struct ublk_redirect_elem *elem,
					unsigned int nr, unsigned int issue_flags)
{
	struct ublk_redirect_run run;
	unsigned int noio = memalloc_noio_save();
	unsigned int i, refused = 0;

	ublk_redirect_begin(&run, nr);
	for (i = 0; i < nr; i++) {
		elem[i].error = ublk_redirect_one(q, cmd, &elem[i], issue_flags, &run);
		refused += !!elem[i].error;
	}
	ublk_redirect_flush(&run);
	memalloc_noio_restore(noio);
	return refused;
}

/* Tell the server which elements were refused (E-42). */
static int ublk_redirect_tell(struct ublk_redirect_elem __user *to,
			      const struct ublk_redirect_elem *elem,
			      unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (elem[i].error && put_user(elem[i].error, &to[i].error))
			return -EFAULT;
	}
	return 0;
}

/**
 * ublk_redirect_batch() - REDIRECT_IO_CMDS
 * @q: queue
 * @cmd: the command
 * @nr: number of elements
 * @issue_flags: of @cmd
 *
 * Nothing is in flight uncollected while the driver reads or writes memory of the
 * server, which may be on this very disk.
 * Context: task that submitted @cmd, or its io-wq worker; may fault.
 * Return: 0 if all elements were accepted; -EREMOTEIO if some were not, which have
 * their errno; -EFAULT: the state of the tags tells (E-42).
 */
int ublk_redirect_batch(struct ublk_queue *q, struct io_uring_cmd *cmd,
			unsigned int nr, unsigned int issue_flags)
{
	struct ublk_redirect_elem __user *from =
		u64_to_user_ptr(READ_ONCE(cmd->sqe->addr));
	struct ublk_redirect_elem block[UBLK_REDIRECT_BLOCK] __uninitialized;
	bool refused = false;

	while (nr) {
		unsigned int n = min(nr, UBLK_REDIRECT_BLOCK);

		if (copy_from_user(block, from, n * sizeof(*block)))
			return -EFAULT;
		if (unlikely(ublk_redirect_block(q, cmd, block, n, issue_flags))) {
			refused = true;
			if (ublk_redirect_tell(from, block, n))
				return -EFAULT;
		}
		from += n;
		nr -= n;
	}
	return refused ? -EREMOTEIO : 0;
}
