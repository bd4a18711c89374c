// SPDX-License-Identifier: GPL-2.0
/*
 * Shared memory buffers: REG_BUF, UNREG_BUF, and which requests lie in one.
 *
 * Memory that a server shares with the users of its disk is registered once. A
 * request whose pages are all of one buffer, in order, is delivered with a
 * position in that buffer (UBLK_IO_F_SHMEM_ZC) and nothing is copied.
 *
 * A buffer is kept as spans of physically contiguous pages, found by page
 * number in a maple tree. Delivery looks them up under RCU, and only while a
 * buffer is registered; neither command waits for a queue (I-41). A request that
 * matched holds a reference to the buffer until it ends. UNREG_BUF takes the
 * spans out of the tree, so that no new request matches, and waits for these
 * references. After the last one a worker unpins the pages and frees the index,
 * which holds the buffer's serial number instead of its address until then.
 *
 * ub->shmem.mutex serialises the two commands. Its holder never waits for a
 * server or user memory.
 */
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ublk.h"
#include "logic/span.h"

/* Pages pinned at a time. */
#define UBLK_SHMEM_BATCH	(PAGE_SIZE / sizeof(struct page *))

#define UBLK_SHMEM_MAX_LEN	SZ_4G
#define UBLK_SHMEM_MAX_INDEX	U16_MAX

struct ublk_shmem_span {
	struct ublk_span	span;
	struct ublk_shmem_buf	*buf;
};

/* A registered buffer. */
struct ublk_shmem_buf {
	struct percpu_ref	refs;	/* registration, every matched request */
	struct work_struct	work;	/* frees the buffer */
	struct ublk_device	*ub;	/* with a reference once unregistered */
	struct user_struct	*user;	/* charged for the pages, or NULL */
	u64			serial;	/* differs for each use of an index */
	struct ublk_shmem_span	*spans;	/* its pages, in order */
	unsigned long		nr_spans;
	unsigned long		max_spans; /* room in spans */
	unsigned long		nr_pages; /* pinned */
	unsigned long		nr_charged; /* pages */
	u32			flags;	/* UBLK_SHMEM_BUF_* */
	u16			index;
};

/* --- pages */

/* Charge as io_uring does: both together stay below the user's limit (I-4). */
static int ublk_shmem_charge(struct ublk_shmem_buf *buf, unsigned long pages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct user_struct *user = current_user();
	unsigned long old, new;

	if (capable(CAP_IPC_LOCK))
		return 0;
	old = atomic_long_read(&user->locked_vm);
	do {
		if (check_add_overflow(old, pages, &new) || new > limit)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &old, new));

	buf->user = get_uid(user);
	buf->nr_charged = pages;
	return 0;
}

static void ublk_shmem_uncharge(struct ublk_shmem_buf *buf)
{
	if (!buf->user)
		return;
	atomic_long_sub(buf->nr_charged, &buf->user->locked_vm);
	free_uid(buf->user);
}

static struct page *ublk_shmem_page(const struct ublk_span *span)
{
	return pfn_to_page(PHYS_PFN(span->start));
}

/* The driver does not write to the pages, so it makes none dirty. */
static void ublk_shmem_unpin(struct ublk_shmem_buf *buf)
{
	unsigned long i;

	for (i = 0; i < buf->nr_spans; i++) {
		const struct ublk_span *span = &buf->spans[i].span;

		unpin_user_page_range_dirty_lock(ublk_shmem_page(span),
						 span->len >> PAGE_SHIFT,
						 false);
		cond_resched();
	}
	ublk_shmem_uncharge(buf);
}

static int ublk_shmem_add_span(struct ublk_shmem_buf *buf, u64 addr)
{
	struct ublk_shmem_span *spans = buf->spans;

	if (buf->nr_spans == buf->max_spans) {
		unsigned long max = max(2 * buf->max_spans, 8UL);

		spans = kvrealloc(spans, array_size(max, sizeof(*spans)),
				  GFP_KERNEL_ACCOUNT);
		if (!spans)
			return -ENOMEM;
		buf->spans = spans;
		buf->max_spans = max;
	}
	spans[buf->nr_spans++] = (struct ublk_shmem_span) {
		.span = {
			.start	= addr,
			.len	= PAGE_SIZE,
			.offset	= (u64)buf->nr_pages << PAGE_SHIFT,
			.flags	= buf->flags,
		},
		.buf = buf,
	};
	return 0;
}

/* Contiguous pages may have a struct page far apart. */
static bool ublk_shmem_extend(struct ublk_shmem_buf *buf, struct page *page)
{
	struct ublk_span *last;

	if (!buf->nr_spans)
		return false;
	last = &buf->spans[buf->nr_spans - 1].span;
	return page == ublk_shmem_page(last) + (last->len >> PAGE_SHIFT) &&
	       ublk_span_extend(last, PFN_PHYS(page_to_pfn(page)), PAGE_SIZE);
}

/* Return: pages that are part of the buffer now, fewer if memory is short. */
static int ublk_shmem_add_pages(struct ublk_shmem_buf *buf, struct page **pages,
				int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (!ublk_shmem_extend(buf, pages[i]) &&
		    ublk_shmem_add_span(buf, PFN_PHYS(page_to_pfn(pages[i]))))
			break;
		buf->nr_pages++;
	}
	return i;
}

/* Pages that are part of the buffer are unpinned with it (C-146). */
static int ublk_shmem_pin_pages(struct ublk_shmem_buf *buf, unsigned long addr,
				unsigned long nr, struct page **pages)
{
	unsigned int gup = FOLL_LONGTERM;
	int got, added;

	if (!(buf->flags & UBLK_SHMEM_BUF_READ_ONLY))
		gup |= FOLL_WRITE;

	while (buf->nr_pages < nr) {
		got = pin_user_pages_fast(addr + (buf->nr_pages << PAGE_SHIFT),
					  min(nr - buf->nr_pages,
					      UBLK_SHMEM_BATCH), gup, pages);
		if (got <= 0)
			return got ?: -EFAULT;
		added = ublk_shmem_add_pages(buf, pages, got);
		if (added != got) {
			unpin_user_pages(pages + added, got - added);
			return -ENOMEM;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* --- buffers */

static void ublk_shmem_free(struct ublk_shmem_buf *buf)
{
	percpu_ref_exit(&buf->refs);
	kvfree(buf->spans);
	kfree(buf);
}

static void ublk_shmem_free_work(struct work_struct *work)
{
	struct ublk_shmem_buf *buf =
		container_of(work, struct ublk_shmem_buf, work);
	struct ublk_device *ub = buf->ub;

	ublk_shmem_unpin(buf);
	xa_erase(&ub->shmem.bufs, buf->index);
	wake_up_all(&ub->wait);
	ublk_shmem_free(buf);
	ublk_dev_put(ub);
}

/* All references are gone, and a grace period has passed since the kill. */
static void ublk_shmem_release(struct percpu_ref *refs)
{
	struct ublk_shmem_buf *buf =
		container_of(refs, struct ublk_shmem_buf, refs);

	queue_work(ublk_scan_wq, &buf->work);
}

static struct ublk_shmem_buf *ublk_shmem_alloc(struct ublk_device *ub, u32 flags)
{
	struct ublk_shmem_buf *buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);

	if (!buf)
		return NULL;
	/* Dead until a lookup can find all of its spans. */
	if (percpu_ref_init(&buf->refs, ublk_shmem_release,
			    PERCPU_REF_INIT_DEAD, GFP_KERNEL)) {
		kfree(buf);
		return NULL;
	}
	INIT_WORK(&buf->work, ublk_shmem_free_work);
	buf->ub = ub;
	buf->flags = flags;
	return buf;
}

static struct ublk_shmem_buf *
ublk_shmem_pin(struct ublk_device *ub, const struct ublk_shmem_buf_reg *reg)
{
	unsigned long nr = reg->len >> PAGE_SHIFT;
	struct ublk_shmem_buf *buf;
	struct page **pages;
	int ret;

	buf = ublk_shmem_alloc(ub, reg->flags);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	pages = kmalloc_array(UBLK_SHMEM_BATCH, sizeof(*pages), GFP_KERNEL);
	ret = pages ? ublk_shmem_charge(buf, nr) : -ENOMEM;
	if (!ret)
		ret = ublk_shmem_pin_pages(buf, reg->addr, nr, pages);
	kfree(pages);
	if (ret) {
		ublk_shmem_unpin(buf);
		ublk_shmem_free(buf);
		return ERR_PTR(ret);
	}
	return buf;
}

static void ublk_shmem_erase(struct ublk_shmem *sh, struct ublk_shmem_buf *buf,
			     unsigned long nr_spans)
{
	unsigned long i;

	for (i = 0; i < nr_spans; i++) {
		mtree_erase(&sh->spans, PHYS_PFN(buf->spans[i].span.start));
		cond_resched();
	}
}

/* On failure no span is in the tree or in use by a lookup (C-148). */
static int ublk_shmem_insert(struct ublk_shmem *sh, struct ublk_shmem_buf *buf)
{
	unsigned long i;
	int ret;

	for (i = 0; i < buf->nr_spans; i++) {
		struct ublk_span *span = &buf->spans[i].span;

		span->index = buf->index;
		ret = mtree_insert_range(&sh->spans, PHYS_PFN(span->start),
					 PHYS_PFN(span->start + span->len - 1),
					 &buf->spans[i], GFP_KERNEL);
		if (ret) {
			ublk_shmem_erase(sh, buf, i);
			synchronize_rcu();
			return ret;
		}
		cond_resched();
	}
	return 0;
}

/* Queues look up requests only while a buffer is registered. */
static void ublk_shmem_count(struct ublk_device *ub, int add)
{
	unsigned int qid;

	lockdep_assert_held(&ub->shmem.mutex);
	ub->shmem.nr += add;
	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		WRITE_ONCE(ub->queues[qid]->shmem, ub->shmem.nr);
}

/* Return: the buffer's new index, or a negative errno (C-147 to C-149). */
static int ublk_shmem_publish(struct ublk_device *ub,
			      struct ublk_shmem_buf *buf)
{
	struct ublk_shmem *sh = &ub->shmem;
	u32 index;
	int ret;

	lockdep_assert_held(&sh->mutex);
	ret = xa_alloc(&sh->bufs, &index, buf,
		       XA_LIMIT(0, UBLK_SHMEM_MAX_INDEX), GFP_KERNEL);
	if (ret)
		return ret == -EBUSY ? -ENOSPC : ret;
	buf->index = index;
	buf->serial = ++sh->serial;
	ret = ublk_shmem_insert(sh, buf);
	if (ret) {
		xa_erase(&sh->bufs, index);
		return ret;
	}
	percpu_ref_reinit(&buf->refs);
	ublk_shmem_count(ub, 1);
	return index;
}

/* Read and check the argument of REG_BUF (C-141 to C-144). */
static int ublk_shmem_read_reg(const struct ublksrv_ctrl_cmd *cmd,
			       struct ublk_shmem_buf_reg *reg)
{
	*reg = (struct ublk_shmem_buf_reg) { };
	if (copy_from_user(reg, u64_to_user_ptr(cmd->addr),
			   min_t(size_t, cmd->len, sizeof(*reg))))
		return -EFAULT;
	if (reg->flags & ~UBLK_SHMEM_BUF_READ_ONLY || reg->reserved)
		return -EINVAL;
	if (!reg->len || reg->len > UBLK_SHMEM_MAX_LEN)
		return -EINVAL;
	if (!PAGE_ALIGNED(reg->len) || !PAGE_ALIGNED(reg->addr))
		return -EINVAL;
	if (reg->addr != (unsigned long)reg->addr)
		return -EFAULT;
	return 0;
}

/*
 * REG_BUF (C-140 to C-150, I-4, I-41). Pages are pinned before the lock is
 * taken: a page fault may take arbitrarily long. Return: the index, or the
 * errno of control.rst section 14; -ENOMEM over RLIMIT_MEMLOCK; -EINTR without
 * effect.
 */
int ublk_shmem_reg(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	struct ublk_shmem_buf_reg reg;
	struct ublk_shmem_buf *buf;
	int ret;

	if (!ublk_has(ub, UBLK_F_SHMEM_ZC))
		return -EOPNOTSUPP;
	ret = ublk_shmem_read_reg(&c->cmd, &reg);
	if (ret)
		return ret;
	buf = ublk_shmem_pin(ub, &reg);
	if (IS_ERR(buf))
		return PTR_ERR(buf);

	ret = -EINTR;
	if (!mutex_lock_interruptible(&ub->shmem.mutex)) {
		ret = ublk_shmem_publish(ub, buf);
		mutex_unlock(&ub->shmem.mutex);
	}
	if (ret < 0) {
		ublk_shmem_unpin(buf);
		ublk_shmem_free(buf);
	}
	return ret;
}

/*
 * First half of UNREG_BUF: no request matches any more, and the worker starts
 * when those that matched have ended. Return: what the index holds until it is
 * free, or NULL without a buffer.
 */
static void *ublk_shmem_kill(struct ublk_device *ub, unsigned int index)
{
	struct ublk_shmem *sh = &ub->shmem;
	struct ublk_shmem_buf *buf;
	void *token;

	lockdep_assert_held(&sh->mutex);
	buf = xa_load(&sh->bufs, index);
	if (!buf || xa_is_value(buf))
		return NULL;
	token = xa_mk_value(buf->serial);
	/* The entry exists, so this allocates no memory. */
	xa_store(&sh->bufs, index, token, GFP_KERNEL);
	ublk_shmem_count(ub, -1);
	ublk_shmem_erase(sh, buf, buf->nr_spans);
	ublk_dev_get(ub);
	percpu_ref_kill(&buf->refs);
	return token;
}

/*
 * UNREG_BUF; data[0] is the index (C-152 to C-156, I-41). Waits, interruptibly
 * and without a lock, for requests delivered with it; they end with their
 * server at the latest. Return: 0 with pages unpinned and index free;
 * -EOPNOTSUPP, -EINVAL, -ENOENT; -EINTR on a signal, with the rest going on.
 */
int ublk_shmem_unreg(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	struct ublk_shmem *sh = &ub->shmem;
	int index = (int)c->cmd.data[0];
	void *token;

	if (!ublk_has(ub, UBLK_F_SHMEM_ZC))
		return -EOPNOTSUPP;
	if (index < 0 || index > UBLK_SHMEM_MAX_INDEX)
		return -EINVAL;

	if (mutex_lock_interruptible(&sh->mutex))
		return -EINTR;
	token = ublk_shmem_kill(ub, index);
	mutex_unlock(&sh->mutex);
	if (!token)
		return -ENOENT;

	/* Another buffer that gets the index has another serial number. */
	if (wait_event_interruptible(ub->wait,
				     xa_load(&sh->bufs, index) != token))
		return -EINTR;
	return 0;
}

void ublk_shmem_init(struct ublk_device *ub)
{
	struct ublk_shmem *sh = &ub->shmem;

	mutex_init(&sh->mutex);
	/* As for memory maps: readers need no lock. */
	mt_init_flags(&sh->spans, MT_FLAGS_ALLOC_RANGE | MT_FLAGS_USE_RCU);
	xa_init_flags(&sh->bufs, XA_FLAGS_ALLOC);
}

/* The device ends: no request, no buffer on its way to a worker (C-150). */
void ublk_shmem_destroy(struct ublk_device *ub)
{
	struct ublk_shmem *sh = &ub->shmem;
	struct ublk_shmem_buf *buf;
	unsigned long index;

	xa_for_each(&sh->bufs, index, buf) {
		ublk_shmem_unpin(buf);
		ublk_shmem_free(buf);
	}
	xa_destroy(&sh->bufs);
	/* No reader is left, so the nodes can go at once. */
	mt_clear_in_rcu(&sh->spans);
	mtree_destroy(&sh->spans);
	mutex_destroy(&sh->mutex);
}

/* --- requests */

/* Where a request was found so far. */
struct ublk_shmem_lookup {
	struct maple_tree		*spans;
	const struct ublk_shmem_span	*at;
	struct ublk_span_match		match;
	u8				op;
};

/* One more piece of a request: contiguous, but spans may end in it. */
static bool ublk_shmem_lookup_piece(struct ublk_shmem_lookup *look, u64 addr, u64 len)
{
	u64 part;

	for (; len; addr += part, len -= part) {
		part = look->at ? ublk_span_covers(&look->at->span, addr, len) : 0;
		if (!part) {
			MA_STATE(mas, look->spans, PHYS_PFN(addr), PHYS_PFN(addr));

			look->at = mas_walk(&mas);
			if (!look->at ||
			    !ublk_span_usable(&look->at->span, look->op))
				return false;
			part = ublk_span_covers(&look->at->span, addr, len);
		}
		if (ublk_span_add(&look->match, &look->at->span, addr, part))
			return false;
	}
	return true;
}

/* Only data matches, and no request of the driver's own (D-122). */
static bool ublk_shmem_op(const struct request *req, u8 *op)
{
	switch (req_op(req)) {
	case REQ_OP_READ:
		*op = UBLK_IO_OP_READ;
		return true;
	case REQ_OP_WRITE:
		*op = UBLK_IO_OP_WRITE;
		return true;
	case REQ_OP_ZONE_APPEND:
		*op = UBLK_IO_OP_ZONE_APPEND;
		return true;
	default:
		return false;
	}
}

/*
 * Does a request that is about to be delivered lie in a registered buffer? It
 * then refers to the buffer until ublk_shmem_put(), and @addr is set to its
 * position there (D-22, D-122). A write that is announced first does not match,
 * as it is copied when the server names a buffer (I-23). Does not sleep.
 */
bool ublk_shmem_match(struct ublk_queue *q, struct request *req, u64 *addr)
{
	struct ublk_shmem_lookup look = { .spans = &q->ub->shmem.spans };
	struct req_iterator ri;
	struct bio_vec bv;

	if (!ublk_shmem_op(req, &look.op))
		return false;
	if (q->need_get_data && look.op == UBLK_IO_OP_WRITE)
		return false;

	guard(rcu)();
	rq_for_each_bvec(bv, req, ri) {
		u64 start = PFN_PHYS(page_to_pfn(bv.bv_page)) + bv.bv_offset;

		if (!ublk_shmem_lookup_piece(&look, start, bv.bv_len))
			return false;
	}
	if (!look.at || !percpu_ref_tryget_live(&look.at->buf->refs))
		return false;
	ublk_rq(req)->shmem = look.at->buf;
	*addr = ublk_span_addr(&look.match);
	return true;
}

/* A matched request ends; any context. See ublk_shmem_put(). */
void ublk_shmem_put_buf(struct request *req)
{
	struct ublk_rq *rq = ublk_rq(req);
	struct ublk_shmem_buf *buf = rq->shmem;

	rq->shmem = NULL;
	percpu_ref_put(&buf->refs);
}
