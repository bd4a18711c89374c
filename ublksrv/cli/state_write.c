// SPDX-License-Identifier: GPL-2.0
/*
 * Run-state files, the writing side: state.c says what they are.
 *
 * A file is written and synchronised under another name and then takes its
 * name, so a failure or a crash leaves the old one as it was. It is complete
 * before the driver is asked to start the disk: whenever the daemon dies after
 * that, "recover" finds it. A recovery that the driver refuses puts the old
 * file back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include <jansson.h>

#include "cli.h"
#include "config.h"

static int state_fail(const char *path, int err)
{
	return ublk_error(err, "%s: %s; %s", path, strerror(-err),
			  err == -ENOSPC || err == -EDQUOT ?
			  "free some space there, or set UBLK_RUN_DIR" :
			  "make it writable, or set UBLK_RUN_DIR");
}

/**
 * state_make_dir - make the directory of the records
 *
 * In /tmp, another user may have made it first.
 *
 * Return: 0 or negative errno with a message
 */
int state_make_dir(void)
{
	const char *dir = state_dir();
	struct stat st;

	if (mkdir(dir, geteuid() ? 0700 : 0755) && errno != EEXIST)
		return state_fail(dir, -errno);
	if (geteuid() &&
	    (lstat(dir, &st) || !S_ISDIR(st.st_mode) ||
	     st.st_uid != geteuid() || st.st_mode & 022))
		return ublk_error(-EPERM, "%s: not a directory of yours alone; set UBLK_RUN_DIR",
				  dir);
	return 0;
}

static json_t *state_pack_params(const struct ublk_params *p)
{
	const struct ublk_param_basic *b = &p->basic;

	return json_pack("{s:i, s:i, s:i, s:i, s:I, s:i, s:i, s:i}",
			 "types", (int)p->types,
			 "attrs", (int)b->attrs,
			 "logical_block_size", 1 << b->logical_bs_shift,
			 "physical_block_size", 1 << b->physical_bs_shift,
			 "sectors", (json_int_t)b->dev_sectors,
			 "max_sectors", (int)b->max_sectors,
			 "discard_granularity",
			 (int)p->discard.discard_granularity,
			 "dma_alignment", (int)p->dma.alignment);
}

/* The name and the identity of the file; null if there is none. */
static json_t *state_pack_shmem(const struct ublk_dev_opts *opts)
{
	const char *path = opts->shmem;
	struct stat st;

	if (!path || stat(path, &st))
		return json_null();
	return json_pack("{s:o, s:I, s:I, s:b}", "file", config_pack_text(path),
			 "dev", (json_int_t)st.st_dev,
			 "ino", (json_int_t)st.st_ino,
			 "read_only", !!(opts->flags & UBLK_DEV_SHMEM_RO));
}

static json_t *state_pack_block(const struct ublk_store *s)
{
	return json_pack("{s:I, s:I}", "diskseq", (json_int_t)s->diskseq,
			 "start", (json_int_t)s->start);
}

static json_t *state_pack_file(const struct ublk_store *s)
{
	return json_pack("{s:I, s:I, s:I}", "ino", (json_int_t)s->ino,
			 "birth", (json_int_t)s->birth,
			 "generation", (json_int_t)s->generation);
}

static json_t *state_pack_store(const struct ublk_store *s)
{
	json_t *obj = json_pack("{s:o, s:b, s:I, s:I, s:I}",
				"file", config_pack_text(s->name),
				"block", s->block,
				"major", (json_int_t)s->dev_major,
				"minor", (json_int_t)s->dev_minor,
				"size", (json_int_t)s->size);
	json_t *more = s->block ? state_pack_block(s) : state_pack_file(s);

	if (!obj || json_object_update(obj, more)) {
		json_decref(obj);
		obj = NULL;
	}
	json_decref(more);
	return obj;
}

/*
 * The identity of what the target has open; NULL without memory. In a recovery
 * the size that a store must have is not raised: if it has grown, the user may
 * still shorten it again.
 */
static json_t *state_pack_stores(const struct ublk_dev *dev,
				 const struct ublk_dev_opts *opts)
{
	json_t *list = json_array();
	struct ublk_store s;
	unsigned int i;

	for (i = 0; list && !ublk_dev_get_store(dev, i, &s); i++) {
		if (i < opts->nr_stores && s.size > opts->stores[i].size)
			s.size = opts->stores[i].size;
		if (!json_array_append_new(list, state_pack_store(&s)))
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *state_tid(struct ublk_dev *dev, unsigned int i,
			 unsigned int threads)
{
	return json_integer(ublk_dev_thread_tid(dev, i / threads, i % threads));
}

static json_t *state_pack(struct ublk_dev *dev,
			  const struct ublk_target *target, const void *cfg,
			  const struct ublk_dev_opts *opts, const char *name)
{
	const struct ublksrv_ctrl_dev_info *info = ublk_dev_info(dev);
	unsigned int threads = ublk_dev_io_threads(dev);
	json_t *tids = json_array();
	unsigned int i;

	for (i = 0; i < info->nr_hw_queues * threads; i++)
		json_array_append_new(tids, state_tid(dev, i, threads));
	return json_pack("{s:i, s:s, s:i, s:i, s:I, s:i, s:i, s:I, s:b, s:i, s:o, s:o, s:s, s:o, s:o, s:o, s:s*, s:I}",
			 "version", STATE_VERSION,
			 "boot", state_boot(),
			 "id", (int)info->dev_id,
			 "pid", (int)getpid(),
			 "flags", (json_int_t)info->flags,
			 "queues", (int)info->nr_hw_queues,
			 "depth", (int)info->queue_depth,
			 "max_io_bytes", (json_int_t)info->max_io_buf_bytes,
			 "mlock", !!(opts->flags & UBLK_DEV_MLOCK),
			 "io_threads", (int)threads,
			 "shmem", state_pack_shmem(opts),
			 "tids", tids,
			 "target", target->name,
			 "options", config_pack(target, cfg),
			 "stores", state_pack_stores(dev, opts),
			 "params", state_pack_params(ublk_dev_params(dev)),
			 "name", name,
			 "realtime", (json_int_t)opts->realtime);
}

static int state_save(const char *path, const json_t *root)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int ret = 0;

	if (fd < 0)
		return -errno;
	errno = 0;
	if (json_dumpfd(root, fd, JSON_INDENT(2)))
		ret = errno ? -errno : -EIO;
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/*
 * Give a complete file its name. The old file gets the other name, where the
 * file system can exchange two names.
 */
static int state_rename(const char *tmp, const char *path,
			enum state_old *old)
{
	*old = STATE_OLD_KEPT;
	if (!renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_EXCHANGE))
		return 0;
	*old = errno == ENOENT ? STATE_OLD_NONE : STATE_OLD_LOST;
	return rename(tmp, path) ? -errno : 0;
}

/* Has another device that exists the name? The lock is held. */
static int state_check_name(__u32 id, const json_t *root)
{
	const char *name = json_string_value(json_object_get(root, "name"));
	struct state st;
	int nr, i, ret = 0;
	__u32 *ids;

	nr = name ? devnodes_list(&ids) : 0;
	for (i = 0; i < nr && !ret; i++) {
		if (ids[i] == id || state_read(ids[i], &st))
			continue;
		if (st.name && !strcmp(st.name, name))
			ret = ublk_error(-EBUSY, "device %u has the name \"%s\"; give another --name",
					 ids[i], name);
		state_free(&st);
	}
	if (name)
		free(ids);
	return ret;
}

/* What nobody can read may still tell a person which files the device had. */
static void state_set_aside(__u32 id)
{
	char path[256], aside[256];
	struct state st;
	int ret;

	ret = state_read(id, &st);
	if (!ret)
		state_free(&st);
	if (ret != -EBADMSG)
		return;
	state_path(path, sizeof(path), id, "");
	state_path(aside, sizeof(aside), id, STATE_DAMAGED);
	if (!rename(path, aside))
		ublk_log(UBLK_LOG_WARN, "%s was damaged; it is %s now", path, aside);
}

static int state_replace(__u32 id, const json_t *root, enum state_old *old)
{
	char path[256], tmp[256];
	int lock = state_lock();
	int ret;

	state_path(path, sizeof(path), id, "");
	state_path(tmp, sizeof(tmp), id, STATE_NEW);
	ret = state_check_name(id, root);
	if (ret)
		goto out;
	ret = state_save(tmp, root);
	if (!ret) {
		state_set_aside(id);
		ret = state_rename(tmp, path, old);
	}
	if (ret) {
		unlink(tmp);
		state_fail(path, ret);
	}
out:
	/* the names, too; not every file system can do that */
	if (lock >= 0) {
		fsync(lock);
		close(lock);
	}
	return ret;
}

/* A device keeps its declaration when another daemon serves it. */
static void state_keep_declared(const struct ublksrv_ctrl_dev_info *info,
				json_t *root)
{
	struct state st;

	if (state_read(info->dev_id, &st))
		return;
	if (st.declared && state_matches(&st, info))
		json_object_set(root, "declared", st.declared);
	state_free(&st);
}

/**
 * state_write - record a device that this process is about to serve
 * @dev: device with threads
 * @target: its target
 * @cfg: the target's configuration
 * @opts: the options of the device
 * @name: the name of the device, or NULL
 * @old: receives what has become of an older file, for state_keep() or
 *	state_undo()
 *
 * Return: 0; or negative errno with a message, and an older file is unchanged
 */
int state_write(struct ublk_dev *dev, const struct ublk_target *target,
		const void *cfg, const struct ublk_dev_opts *opts,
		const char *name, enum state_old *old)
{
	json_t *root;
	int ret;

	ret = state_make_dir();
	if (ret)
		return ret;
	root = state_pack(dev, target, cfg, opts, name);
	if (!root)
		return ublk_error(-ENOMEM, "run-state file: out of memory");
	if (opts->flags & UBLK_DEV_RECOVER)
		state_keep_declared(ublk_dev_info(dev), root);
	ret = state_replace(ublk_dev_info(dev)->dev_id, root, old);
	json_decref(root);
	return ret;
}

/**
 * state_keep - the new file is valid: remove the old one
 * @id: device
 * @old: from state_write()
 */
void state_keep(__u32 id, enum state_old old)
{
	char tmp[256];

	state_path(tmp, sizeof(tmp), id, STATE_NEW);
	if (old == STATE_OLD_KEPT)
		unlink(tmp);
}

/**
 * state_undo - the device does not get served: put the old file back
 * @id: device
 * @old: from state_write()
 */
void state_undo(__u32 id, enum state_old old)
{
	char path[256], tmp[256];

	state_path(path, sizeof(path), id, "");
	state_path(tmp, sizeof(tmp), id, STATE_NEW);
	if (old == STATE_OLD_KEPT)
		rename(tmp, path);
	else if (old == STATE_OLD_NONE)
		state_remove(id, getpid());
}

/* Change one member. */
static int state_set(__u32 id, const char *key, json_t *val)
{
	enum state_old old;
	struct state st;
	json_t *root;
	int ret;

	ret = state_load(id, &st, &root);
	if (ret)
		return ublk_error(ret, "%s: %s", state_name(id), strerror(-ret));
	json_object_set(root, key, val);
	ret = state_replace(id, root, &old);
	if (!ret)
		state_keep(id, old);
	json_decref(root);
	state_free(&st);
	return ret;
}

/**
 * state_declare - record the declaration that a device was made from
 * @id: device
 * @words: of the declaration
 *
 * Return: 0; or negative errno with a message, and the file is unchanged
 */
int state_declare(__u32 id, json_t *words)
{
	return state_set(id, "declared", words);
}

/**
 * state_hold - record how long the guardian of a device waits
 * @id: device
 * @seconds: for which requests are held
 *
 * Return: 0; or negative errno with a message, and the file is unchanged
 */
int state_hold(__u32 id, unsigned int seconds)
{
	json_t *val = json_integer(seconds);
	int ret = state_set(id, "hold_timeout", val);

	json_decref(val);
	return ret;
}

/*
 * The user may shorten a store after its disk. Only the target knows how much
 * of it the disk still needs, and checks that.
 */
static void state_forget_sizes(json_t *stores)
{
	json_t *obj;
	size_t i;

	json_array_foreach(stores, i, obj)
		json_integer_set(json_object_get(obj, "size"), 0);
}

/**
 * state_resized - record a new capacity
 * @info: device
 * @was: sectors before
 * @now: sectors
 *
 * Does nothing for a device that has no record.
 *
 * Return: 0; or negative errno with a message, and the file is unchanged
 */
int state_resized(const struct ublksrv_ctrl_dev_info *info, __u64 was,
		  __u64 now)
{
	enum state_old old;
	struct state st;
	json_t *root;
	int ret;

	if (state_load(info->dev_id, &st, &root))
		return 0;
	ret = 0;
	if (state_matches(&st, info)) {
		json_object_set_new(json_object_get(root, "params"), "sectors",
				    json_integer(now));
		if (now < was)
			state_forget_sizes(json_object_get(root, "stores"));
		ret = state_replace(info->dev_id, root, &old);
		if (!ret)
			state_keep(info->dev_id, old);
	}
	json_decref(root);
	state_free(&st);
	return ret;
}
