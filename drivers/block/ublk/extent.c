// SPDX-License-Identifier: GPL-2.0
/*
 * Extents: where stretches of the disk lie on registered block devices
 * (extensions.rst).
 *
 * A maple tree has an extent per stretch. front.c looks up each bio under RCU,
 * without a lock, and counts it in the extent until its clone has ended. An extent
 * is never changed: one that is displaced in part is replaced by a new one for
 * each part that is left, so that its count only falls, however busy the rest is.
 * All of the tree is changed first; then the tree's own count is dropped. A lookup
 * that finds an extent without a count looks again, and finds the new tree.
 *
 * The last count of a displaced extent may be dropped in a hard interrupt: no lock is
 * taken there. extent_wait.c then tells the command that displaced it.
 *
 * The mutex of the table serialises changes. It is taken under ub->mutex, too. Its
 * holder waits for memory only, and never makes the kernel write to this disk for it:
 * the server may set extents while requests wait for it.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>

#include "ublk.h"
#include "logic/extent.h"

/**
 * struct ublk_extent - a stretch of the disk that lies on a backing
 * @file: the backing, pinned
 * @delta: sector of the backing minus sector of the disk
 * @last: last sector of the disk
 * @rights: UBLK_EXTENT_*
 * @refs: bios in flight, and one while the tree has it
 * @next: displaced by the same change
 * @wait: the command that displaced it, or NULL
 * @rcu: frees this
 */
struct ublk_extent {
	struct ublk_file	*file;
	u64			delta;
	u64			last;
	u16			rights;
	refcount_t		refs;
	struct ublk_extent	*next;
	struct ublk_extent_wait	*wait;
	struct rcu_head		rcu;
};

/**
 * struct ublk_extent_change - one element, prepared
 * @set: sectors that it changes
 * @new: the extent for them, or NULL
 * @before: what is left in front of them, if @has_before
 * @after: what is left behind them, if @has_after
 * @has_before: there is something
 * @has_after: there is something
 * @new_before: the extent for @before
 * @new_after: the extent for @after
 * @old: extents that are displaced
 * @nr_old: their number
 */
struct ublk_extent_change {
	struct ublk_stretch	set;
	struct ublk_extent	*new;
	struct ublk_stretch	before;
	struct ublk_stretch	after;
	bool			has_before;
	bool			has_after;
	struct ublk_extent	*new_before;
	struct ublk_extent	*new_after;
	struct ublk_extent	*old;
	unsigned int		nr_old;
};

/**
 * ublk_extent_init() - allocate the table of a device
 * @ub: new device
 * Return: 0, or -ENOMEM.
 */
int ublk_extent_init(struct ublk_device *ub)
{
	struct ublk_extents *x;

	if (!ublk_has(ub, UBLK_F_EXTENTS))
		return 0;
	x = kcalloc(1, sizeof(*x), GFP_KERNEL_ACCOUNT);
	if (!x)
		return -ENOMEM;
	mutex_init(&x->mutex);
	/*
	 * Nodes with gaps, although nobody asks for a gap: in a full node without
	 * them mt_clear_meta() overwrites the last slot when a tree with RCU, or a
	 * part of it, is destroyed (Linux 7.3), and mt_free_walk() frees garbage.
	 */
	mt_init_flags(&x->tree, MT_FLAGS_USE_RCU | MT_FLAGS_ALLOC_RANGE);
	ub->extents = x;
	return 0;
}

/* No extent is left: the last session has ended. */
void ublk_extent_exit(struct ublk_device *ub)
{
	if (!ub->extents)
		return;
	mtree_destroy(&ub->extents->tree);
	mutex_destroy(&ub->extents->mutex);
	kfree(ub->extents);
}

/* --- the end of a displaced extent --- */

/* Nothing uses the extent any more, and no lookup finds it. */
static void ublk_extent_gone(struct ublk_extent *e)
{
	struct ublk_device *ub = e->file->ub;

	ublk_file_unpin(e->file);
	if (e->wait)
		ublk_extent_wait_put(e->wait);
	kfree_rcu(e, rcu);
	if (atomic_dec_and_test(&ub->extents->in_use))
		wake_up_all(&ub->wait);
}

/**
 * ublk_extent_put() - a bio does not use the extent any more
 * @e: extent
 * Context: any, hard interrupts too. The device stays for another reason: the disk
 * is open, or its session lasts.
 */
void ublk_extent_put(struct ublk_extent *e)
{
	if (refcount_dec_and_test(&e->refs))
		ublk_extent_gone(e);
}

/* --- lookup --- */

static noinline struct ublk_extent *ublk_extent_find(struct ublk_extents *x, u64 first,
						     u64 last, u16 right)
{
	struct ublk_extent *e;

	guard(rcu)();
	do {
		e = mtree_load(&x->tree, first);
		if (!e || !ublk_extent_takes(e->last, e->rights, last, right))
			return NULL;
	} while (unlikely(!refcount_inc_not_zero(&e->refs)));
	return e;
}

/**
 * ublk_extent_get() - find the extent that all of a bio lies in
 * @ub: device with UBLK_F_EXTENTS
 * @first: first sector
 * @last: last sector
 * @right: what the bio needs, one of UBLK_EXTENT_*
 * Context: any but interrupts; does not sleep.
 * Return: the extent until ublk_extent_put(), or NULL: the server serves it.
 */
struct ublk_extent *ublk_extent_get(struct ublk_device *ub, u64 first, u64 last,
				    u16 right)
{
	struct ublk_extents *x = ub->extents;

	/* An empty table costs no more than this. */
	return READ_ONCE(x->nr) ? ublk_extent_find(x, first, last, right) : NULL;
}

/**
 * ublk_extent_file() - the backing of an extent
 * @e: extent that is in use
 * Return: its file, a block device.
 */
const struct ublk_file *ublk_extent_file(const struct ublk_extent *e)
{
	return e->file;
}

/* What is added to a sector of the disk, to get that of the backing. */
u64 ublk_extent_offset(const struct ublk_extent *e)
{
	return e->delta;
}

/* Does what the backing fails come to the server? */
bool ublk_extent_retries(const struct ublk_extent *e)
{
	return e->rights & UBLK_EXTENT_RETRY;
}

/* --- changes --- */

/* For sectors up to @last. Takes over a pin of @file. */
static struct ublk_extent *ublk_extent_alloc(struct ublk_file *file, u64 delta,
					     u64 last, u16 rights)
{
	struct ublk_extent *e = kmalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);

	if (!e)
		return NULL;
	*e = (struct ublk_extent){
		.file	= file,
		.delta	= delta,
		.last	= last,
		.rights	= rights,
		.refs	= REFCOUNT_INIT(1),
	};
	atomic_inc(&file->ub->extents->in_use);
	return e;
}

/* The extent never was in the tree. */
static void ublk_extent_free(struct ublk_extent *e)
{
	if (e)
		ublk_extent_put(e);
}

/* An extent for a part, up to @last, of another one, which the tree has. */
static struct ublk_extent *ublk_extent_part(const struct ublk_extent *old, u64 last)
{
	struct ublk_extent *e;

	ublk_file_pin_again(old->file);
	e = ublk_extent_alloc(old->file, old->delta, last, old->rights);
	if (!e)
		ublk_file_unpin(old->file);
	return e;
}

/* The extent that an element asks for; NULL if it removes only. */
static struct ublk_extent *ublk_extent_new(struct ublk_device *ub,
					   const struct ublk_extent_elem *elem)
{
	struct ublk_file *file;
	struct ublk_extent *e;
	int ret;

	if (!elem->rights)
		return NULL;
	file = ublk_file_pin(ub, elem->file);
	if (!file)
		return ERR_PTR(-EBADF);
	ret = ublk_file_check_exclusive(file);
	if (!ret)
		ret = ublk_extent_check_backing(elem, &file->backing,
						bdev_max_discard_sectors(file->bdev),
						bdev_write_zeroes_sectors(file->bdev));
	if (!ret) {
		e = ublk_extent_alloc(file, ublk_extent_delta(elem),
				      ublk_extent_range(elem).last, elem->rights);
		if (e)
			return e;
		ret = -ENOMEM;
	}
	ublk_file_unpin(file);
	return ERR_PTR(ret);
}

/* List the extents that a change displaces, and what is left of them. */
static void ublk_extent_collect(struct ublk_extents *x, struct ublk_extent_change *c)
{
	MA_STATE(mas, &x->tree, c->set.first, c->set.first);
	struct ublk_extent *e;

	lockdep_assert_held(&x->mutex);
	rcu_read_lock();
	mas_for_each(&mas, e, c->set.last) {
		struct ublk_stretch old = { mas.index, mas.last };

		c->has_before |= ublk_extent_before(old, c->set, &c->before);
		c->has_after |= ublk_extent_after(old, c->set, &c->after);
		e->next = c->old;
		c->old = e;
		if (++c->nr_old % 1024)
			continue;
		mas_pause(&mas);
		rcu_read_unlock();
		cond_resched();
		rcu_read_lock();
	}
	rcu_read_unlock();
}

/* Extents for what is left: the first that was found has the lower sectors. */
static int ublk_extent_make_parts(struct ublk_extent_change *c)
{
	struct ublk_extent *lowest = c->old;

	if (c->has_after) {
		c->new_after = ublk_extent_part(c->old, c->after.last);
		if (!c->new_after)
			return -ENOMEM;
	}
	if (c->has_before) {
		while (lowest->next)
			lowest = lowest->next;
		c->new_before = ublk_extent_part(lowest, c->before.last);
		if (!c->new_before)
			return -ENOMEM;
	}
	return 0;
}

/* Have the tree say @e, which may be NULL, of these sectors. */
static int ublk_extent_store_one(struct ublk_extents *x, struct ublk_stretch at,
				 struct ublk_extent *e, bool must)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT;
	int ret;

	if (must)
		gfp |= __GFP_NOFAIL;
	do {
		ret = mtree_store_range(&x->tree, at.first, at.last, e, gfp);
	} while (must && ret == -ENOMEM);
	return ret;
}

/*
 * The parts come first: they say what the tree says already. When the first one is
 * stored, the others must follow, as bios in flight there are counted in the old
 * extent. Return: 0, or a negative errno with the tree unchanged.
 */
static int ublk_extent_store(struct ublk_extents *x, struct ublk_extent_change *c)
{
	bool must = false;
	int ret;

	lockdep_assert_held(&x->mutex);
	if (c->has_before) {
		ret = ublk_extent_store_one(x, c->before, c->new_before, must);
		if (ret)
			return ret;
		must = true;
	}
	if (c->has_after) {
		ret = ublk_extent_store_one(x, c->after, c->new_after, must);
		if (ret)
			return ret;
		must = true;
	}
	if (!c->new && !c->old)
		return 0;
	return ublk_extent_store_one(x, c->set, c->new, must);
}

/* No lookup finds these extents any more. @wait learns when they are unused. */
static void ublk_extent_displace(struct ublk_extent *e, struct ublk_extent_wait *wait)
{
	struct ublk_extent *next;
	unsigned int n = 0;

	for (; e; e = next) {
		next = e->next;
		e->wait = wait;
		if (wait)
			ublk_extent_wait_get(wait);
		ublk_extent_put(e);
		if (!(++n % 1024))
			cond_resched();
	}
}

/* Execute an element whose new extent is there. Return: 0, or a negative errno. */
static int ublk_extent_change(struct ublk_extents *x, struct ublk_extent_change *c,
			      struct ublk_extent_wait *wait)
{
	unsigned int nr;
	int ret;

	if (x->closed)
		return -ENODEV;
	ublk_extent_collect(x, c);
	nr = x->nr - c->nr_old + c->has_before + c->has_after + !!c->new;
	if (nr > x->nr && nr > UBLK_MAX_EXTENTS)
		return -ENOSPC;
	ret = ublk_extent_make_parts(c);
	if (!ret)
		ret = ublk_extent_store(x, c);
	if (ret)
		return ret;
	WRITE_ONCE(x->nr, nr);
	ublk_extent_displace(c->old, wait);
	return 0;
}

/* Execute one element (E-71 to E-75). */
static int ublk_extent_set_one(struct ublk_device *ub,
			       const struct ublk_extent_elem *elem,
			       struct ublk_extent_wait *wait)
{
	struct ublk_extent_change c = { };
	u32 block = 1U << ub->params.basic.logical_bs_shift;
	int ret;

	lockdep_assert_held(&ub->extents->mutex);
	/* Without parameters there is no file, and so no extent to be removed. */
	ret = ublk_extent_check_range(elem, max(block, SECTOR_SIZE));
	if (ret)
		return ret;
	c.set = ublk_extent_range(elem);
	c.new = ublk_extent_new(ub, elem);
	if (IS_ERR(c.new))
		return PTR_ERR(c.new);
	ret = ublk_extent_change(ub->extents, &c, wait);
	if (ret) {
		ublk_extent_free(c.new_before);
		ublk_extent_free(c.new_after);
		ublk_extent_free(c.new);
	}
	return ret;
}

/**
 * ublk_extent_set() - execute elements in their order, up to the first that fails
 * @ub: device with UBLK_F_EXTENTS
 * @elem: elements
 * @nr: their number
 * @wait: the command; it gets a count for each extent that is displaced
 * @done: increased by the number of elements executed
 * Context: process context; waits for memory only.
 * Return: 0, or the negative errno of the one that failed.
 */
int ublk_extent_set(struct ublk_device *ub, const struct ublk_extent_elem *elem,
		    unsigned int nr, struct ublk_extent_wait *wait,
		    unsigned int *done)
{
	int ret = 0;

	guard(mutex)(&ub->extents->mutex);
	while (nr-- && !ret) {
		ret = ublk_extent_set_one(ub, elem++, wait);
		*done += !ret;
	}
	return ret;
}

/* --- all extents --- */

/**
 * ublk_extent_close() - remove all extents, and accept none until ublk_extent_open()
 * @ub: device
 * Context: process context; sleeps, but does not wait for bios in flight.
 */
void ublk_extent_close(struct ublk_device *ub)
{
	struct ublk_extent_change all = { .set = { 0, ULONG_MAX } };
	struct ublk_extents *x = ub->extents;

	if (!x)
		return;
	guard(mutex)(&x->mutex);
	x->closed = true;
	ublk_extent_collect(x, &all);
	/* Leaves an empty tree, and needs no memory. */
	mtree_destroy(&x->tree);
	WRITE_ONCE(x->nr, 0);
	ublk_extent_displace(all.old, NULL);
}

/**
 * ublk_extent_wait_unused() - wait for all bios in flight of the removed extents
 * @ub: device, closed
 * Context: process context; as long as the backings need.
 */
void ublk_extent_wait_unused(struct ublk_device *ub)
{
	if (ub->extents)
		wait_event(ub->wait, !atomic_read(&ub->extents->in_use));
}

/**
 * ublk_extent_open() - accept extents again, after ublk_extent_close()
 * @ub: device
 * Context: process context; sleeps.
 */
void ublk_extent_open(struct ublk_device *ub)
{
	if (!ub->extents)
		return;
	guard(mutex)(&ub->extents->mutex);
	ub->extents->closed = false;
}
