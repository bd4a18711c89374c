// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The mode of a device: how its data moves, and whether it has batch commands.
 *
 * mode_choose() decides once per device, in ublk_dev_new(). An explicit choice
 * must be possible; otherwise it picks the fastest mode that is. bench/
 * measures which one that is. mode_set_up() stores the functions of the mode in
 * struct worker, so that nothing on the path of a request tests the mode.
 */
#include <stdio.h>

#include "private.h"

/* What the choice depends on. */
struct mode_env {
	__u64 have;		/* of the driver, none if it cannot tell */
	__u64 need;
	unsigned int target_flags;
	unsigned int depth, io_threads;
	bool shmem;
	bool wants_redirect;
	bool wants_extents;
};

static const enum ublk_mode mode_order[] = {
	UBLK_MODE_ZERO_COPY, UBLK_MODE_COPY, UBLK_MODE_USER_COPY,
};

/*
 * With user copy the driver leaves the data alone, and then so does copy.c if the
 * target does not look at it, or if the driver serves most requests.
 */
static const enum ublk_mode mode_order_no_data[] = {
	UBLK_MODE_USER_COPY, UBLK_MODE_ZERO_COPY, UBLK_MODE_COPY,
};

static const char * const mode_names[] = {
	[UBLK_MODE_COPY]	= "copy",
	[UBLK_MODE_USER_COPY]	= "user copy",
	[UBLK_MODE_ZERO_COPY]	= "zero copy",
};

/* Does the target work without io->buf? */
static bool mode_needs_no_buf(unsigned int target_flags)
{
	return target_flags & (UBLK_TARGET_RING_DATA | UBLK_TARGET_NO_DATA);
}

static const char *mode_not_zero_copy(const struct mode_env *env)
{
	if (!mode_needs_no_buf(env->target_flags))
		return "the target has to see the data";
	if (env->need & UBLK_F_UNPRIVILEGED_DEV)
		return "not for unprivileged devices";
	if (env->need & UBLK_F_NEED_GET_DATA)
		return "need_get_data is for copy";
	if (env->need & (UBLK_F_INTEGRITY | UBLK_F_USER_COPY))
		return "the target needs user copy";
	if (env->shmem)
		return "shared memory is for copies";
	if (!(env->have & UBLK_F_AUTO_BUF_REG))
		return "the driver does not offer it";
	if (env->need & UBLK_F_ZONED &&
	    !(env->have & UBLK_F_SUPPORT_ZERO_COPY))
		return "the driver does not offer it for zoned devices";
	return NULL;
}

static const char *mode_not_copy(const struct mode_env *env)
{
	if (env->need & UBLK_F_ZONED)
		return "not for zoned devices";
	if (env->need & (UBLK_F_INTEGRITY | UBLK_F_USER_COPY))
		return "the target needs user copy";
	return NULL;
}

static const char *mode_not_user_copy(const struct mode_env *env)
{
	if (env->need & UBLK_F_UNPRIVILEGED_DEV)
		return "not for unprivileged devices";
	if (env->need & UBLK_F_NEED_GET_DATA)
		return "need_get_data is for copy";
	if (!(env->have & UBLK_F_USER_COPY))
		return "the driver does not offer it";
	return NULL;
}

/* Return: why @mode is not possible, or NULL */
static const char *mode_why_not(enum ublk_mode mode, const struct mode_env *env)
{
	switch (mode) {
	case UBLK_MODE_ZERO_COPY:
		return mode_not_zero_copy(env);
	case UBLK_MODE_COPY:
		return mode_not_copy(env);
	default:
		return mode_not_user_copy(env);
	}
}

static __u64 mode_flags(enum ublk_mode mode, const struct mode_env *env)
{
	switch (mode) {
	case UBLK_MODE_ZERO_COPY:
		return UBLK_F_AUTO_BUF_REG |
			(env->have & UBLK_F_SUPPORT_ZERO_COPY);
	case UBLK_MODE_USER_COPY:
		return UBLK_F_USER_COPY;
	default:
		return 0;
	}
}

static int mode_pick_data(const struct mode_env *env, enum ublk_mode asked,
			  __u64 *flags, char *why, size_t len)
{
	const enum ublk_mode *order =
		env->target_flags & UBLK_TARGET_NO_DATA ||
		*flags & UBLK_F_REDIRECT ? mode_order_no_data : mode_order;
	const char *reason;
	unsigned int i;

	*why = 0;
	if (asked != UBLK_MODE_AUTO) {
		reason = mode_why_not(asked, env);
		if (reason)
			return ublk_error(-EOPNOTSUPP, "%s: %s; leave the mode open or choose another one",
					  mode_names[asked], reason);
		*flags |= mode_flags(asked, env);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(mode_order); i++) {
		reason = mode_why_not(order[i], env);
		if (!reason) {
			*flags |= mode_flags(order[i], env);
			return 0;
		}
		if (!*why)
			snprintf(why, len, "no %s: %s", mode_names[order[i]],
				 reason);
	}
	return ublk_error(-EOPNOTSUPP, "no way to move data: %s", why);
}

static const char *mode_not_batch(const struct mode_env *env)
{
	if (env->need & UBLK_F_NEED_GET_DATA)
		return "need_get_data is for commands per request";
	if (env->depth == 1)
		return "the queue depth is 1";
	if (!(env->have & UBLK_F_BATCH_IO))
		return "the driver does not offer them";
	return NULL;
}

/*
 * Return: why batch commands, though possible, are not the default, or NULL.
 * Several threads of a queue share its requests by tag; with batch commands the
 * driver distributes them, and keeps one thread busy first (D-192). When the
 * server of a recoverable device dies, the driver of Linux 7.3 fails requests
 * that were not delivered yet, and all requests during a quiesce (D-195).
 */
static const char *mode_rather_no_batch(const struct mode_env *env)
{
	if (env->io_threads > 1 && env->have & UBLK_F_PER_IO_DAEMON)
		return "threads share the queues by tag";
	if (env->need & UBLK_F_USER_RECOVERY)
		return "some drivers fail requests with them while there is no server";
	return NULL;
}

static int mode_pick_batch(const struct mode_env *env, enum ublk_choice asked,
			   __u64 *flags, char *why, size_t len)
{
	const char *reason = mode_not_batch(env);
	bool per_io = env->have & UBLK_F_PER_IO_DAEMON;
	size_t used = strlen(why);

	if (asked == UBLK_CHOICE_YES && reason)
		return ublk_error(-EOPNOTSUPP, "batch commands: %s; leave them out",
				  reason);
	if (asked == UBLK_CHOICE_AUTO && !reason)
		reason = mode_rather_no_batch(env);
	if (asked != UBLK_CHOICE_NO && !reason) {
		*flags |= UBLK_F_BATCH_IO;
		return 0;
	}
	if (env->io_threads > 1 && !per_io)
		return ublk_error(-EOPNOTSUPP, "several threads per queue: the driver does not offer it; use one");
	if (asked == UBLK_CHOICE_AUTO)
		snprintf(why + used, len - used, "%sno batch commands: %s",
			 used ? "; " : "", reason);
	return 0;
}

static const char *mode_not_redirect(const struct mode_env *env,
				     enum ublk_mode asked)
{
	if (!env->wants_redirect)
		return "the target does not say where data lies";
	if (asked != UBLK_MODE_AUTO && asked != UBLK_MODE_USER_COPY)
		return "another mode was chosen";
	if (env->shmem)
		return "shared memory is for copies";
	if (env->need & UBLK_F_INTEGRITY)
		return "not with protection information";
	if (mode_not_user_copy(env))
		return mode_not_user_copy(env);
	if (!(env->have & UBLK_F_REDIRECT))
		return "the driver does not offer it";
	return NULL;
}

/* May the driver serve requests? Then it copies nothing for the others. */
static int mode_pick_redirect(const struct mode_env *env, enum ublk_choice asked,
			      enum ublk_mode mode, __u64 *flags)
{
	const char *reason;

	if (asked == UBLK_CHOICE_NO)
		return 0;
	reason = mode_not_redirect(env, mode);
	if (!reason)
		*flags |= UBLK_F_REDIRECT;
	else if (asked == UBLK_CHOICE_YES)
		return ublk_error(-EOPNOTSUPP, "redirect: %s; leave it out", reason);
	return 0;
}

/*
 * Passed IO is seen by nobody here: what else was chosen for the way of the data would
 * have no effect.
 */
static bool mode_is_chosen(const struct mode_env *env, const struct ublk_dev_opts *opts)
{
	return opts->mode != UBLK_MODE_AUTO || opts->redirect != UBLK_CHOICE_AUTO ||
		env->shmem || env->need & UBLK_F_NEED_GET_DATA;
}

static const char *mode_not_passthrough(const struct mode_env *env)
{
	if (!env->wants_extents)
		return "the target does not say where the disk lies";
	if (env->need & (UBLK_F_UNPRIVILEGED_DEV | UBLK_F_ZONED | UBLK_F_INTEGRITY))
		return "not for unprivileged or zoned devices, nor with protection information";
	if (!(env->have & UBLK_F_EXTENTS))
		return "the driver does not offer it";
	return NULL;
}

/* May IO pass to backings, without being a request? */
static int mode_pick_passthrough(const struct mode_env *env,
				 const struct ublk_dev_opts *opts, __u64 *flags)
{
	bool must = opts->passthrough == UBLK_CHOICE_YES;
	const char *reason;

	if (opts->passthrough == UBLK_CHOICE_NO || (!must && mode_is_chosen(env, opts)))
		return 0;
	reason = mode_not_passthrough(env);
	if (!reason)
		*flags |= UBLK_F_EXTENTS;
	else if (must)
		return ublk_error(-EOPNOTSUPP, "passthrough: %s; leave it out", reason);
	return 0;
}

/* Memory that is shared with the users of the device. */
static int mode_pick_shmem(const struct mode_env *env, __u64 *flags)
{
	if (!env->shmem)
		return 0;
	if (!(env->have & UBLK_F_SHMEM_ZC))
		return ublk_error(-EOPNOTSUPP, "shared memory: the driver does not offer it; leave it out");
	if (env->need & UBLK_F_NEED_GET_DATA)
		return ublk_error(-EOPNOTSUPP, "shared memory: not together with need_get_data; leave one out");
	*flags |= UBLK_F_SHMEM_ZC;
	return 0;
}

/* A driver without GET_FEATURES has none of the features of a mode. */
static __u64 mode_driver_features(struct ublk_dev *dev)
{
	__u64 have;

	return ublk_ctrl_get_features(dev->ctrl, &have) ? 0 : have;
}

/**
 * mode_choose - decide on the mode of a new device
 * @dev: handle, its target is open; receives features and reason
 * @opts: the user's choice
 *
 * Return: 0, or -EOPNOTSUPP with a message
 */
int mode_choose(struct ublk_dev *dev, const struct ublk_dev_opts *opts)
{
	struct mode_env env = {
		.have = mode_driver_features(dev),
		.need = opts->features | dev->own.features | dev->required,
		.target_flags = dev->own.flags,
		.depth = opts->depth,
		.io_threads = dev->io_threads,
		.shmem = opts->shmem,
		.wants_redirect = dev->wants_redirect && dev->own.place,
		.wants_extents = dev->wants_extents,
	};
	__u64 flags = env.need;
	int ret;

	ret = mode_pick_redirect(&env, opts->redirect, opts->mode, &flags);
	if (!ret)
		ret = mode_pick_passthrough(&env, opts, &flags);
	if (!ret)
		ret = mode_pick_data(&env, opts->mode, &flags, dev->mode_why,
				     sizeof(dev->mode_why));
	if (!ret)
		ret = mode_pick_batch(&env, opts->batch, &flags, dev->mode_why,
				      sizeof(dev->mode_why));
	if (!ret)
		ret = mode_pick_shmem(&env, &flags);
	if (ret)
		return ret;
	dev->required = dev->own.features | dev->required;
	dev->features = flags;
	dev->info.flags = flags;
	return 0;
}

/**
 * mode_check - can this library and target serve a device as it is
 * @dev: handle, its target is open
 * @flags: of the device
 *
 * Return: 0, or -EINVAL with a message
 */
int mode_check(const struct ublk_dev *dev, __u64 flags)
{
	__u32 id = dev->info.dev_id;

	if (dev->required & ~flags)
		return ublk_error(-EINVAL, "dev %u: the disk was added without feature 0x%llx, which its target needs",
				  id, (unsigned long long)(dev->required & ~flags));
	if (flags & UBLK_F_SUPPORT_ZERO_COPY && !(flags & UBLK_F_AUTO_BUF_REG))
		return ublk_error(-EINVAL, "dev %u: was added by a program that registers buffers itself; recover it with that one",
				  id);
	if (flags & UBLK_F_SHMEM_ZC && !dev->shmem)
		return ublk_error(-EINVAL, "dev %u: uses shared memory; name its file",
				  id);
	if (flags & UBLK_F_AUTO_BUF_REG && !mode_needs_no_buf(dev->own.flags))
		return ublk_error(-EINVAL, "dev %u: moves data by zero copy, which its target does not support",
				  id);
	return 0;
}

/*
 * May io_uring commit a request when an SQE has succeeded? Not if the commit has
 * to look at the data: with user copy, or at shared memory that the target may
 * have touched itself.
 */
static bool mode_may_link(const struct ublk_dev *dev, __u64 flags)
{
	return !(flags & UBLK_F_USER_COPY) &&
		(!dev->shmem || mode_needs_no_buf(dev->own.flags));
}

void mode_set_up(struct worker *w)
{
	__u64 flags = w->dev->info.flags;

	w->submit = w->dev->own.submit;
	w->done = w->dev->own.done;
	w->nr_wait = 1;
	if (flags & UBLK_F_BATCH_IO)
		batch_set_send(w);
	else
		tag_set_send(w, mode_may_link(w->dev, flags));
	if (flags & UBLK_F_AUTO_BUF_REG && flags & UBLK_F_SUPPORT_ZERO_COPY)
		w->reg_flags = UBLK_AUTO_BUF_REG_FALLBACK;

	w->deliver = w->submit;
	w->commit = w->send;
	if (dev_has_bufs(w->dev, flags))
		w->deliver = buf_deliver;
	if (flags & UBLK_F_USER_COPY && !(w->dev->own.flags & UBLK_TARGET_NO_DATA)) {
		w->deliver = copy_deliver;
		w->commit = copy_commit;
	} else if (flags & UBLK_F_SUPPORT_ZERO_COPY) {
		w->deliver = zcopy_deliver;
		w->commit = zcopy_commit;
	}
	if (w->dev->shmem && !(flags & UBLK_F_AUTO_BUF_REG)) {
		w->next = w->deliver;
		w->deliver = shmem_deliver;
		w->end = w->commit;
		w->commit = shmem_commit;
	}
	if (flags & UBLK_F_REDIRECT && w->dev->own.place) {
		w->serve = w->deliver;
		w->deliver = redirect_deliver;
		w->redirect = flags & UBLK_F_BATCH_IO ? batch_redirect :
			tag_redirect;
	}
}
