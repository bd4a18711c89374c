// SPDX-License-Identifier: GPL-2.0
/*
 * Run-state files: <runtime dir>/ublk/N.json has what the driver does not know
 * about device N.
 *
 * When the device is ready, the daemon writes the file under another name and
 * renames it. The daemon removes it, or "del" if the daemon died: only the
 * process named in a file may remove it, or any process after that one has
 * ended. Readers treat a file that they cannot use as missing. The file of a
 * recoverable device outlives its daemon, for "recover".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <jansson.h>

#include "cli.h"
#include "config.h"

#define STATE_VERSION	1

/* The system's directory belongs to root; ordinary users have their own. */
static const char *state_dir(void)
{
	const char *dir = getenv("UBLK_RUN_DIR");
	static char own[200];

	if (dir && *dir)
		return dir;
	if (!geteuid())
		return "/run/ublk";
	dir = getenv("XDG_RUNTIME_DIR");
	if (dir && *dir == '/' && strlen(dir) < sizeof(own) - 10)
		snprintf(own, sizeof(own), "%s/ublk", dir);
	else
		snprintf(own, sizeof(own), "/tmp/ublk-%u", geteuid());
	return own;
}

/* In /tmp, another user may have made the directory first. */
static int state_make_dir(void)
{
	const char *dir = state_dir();
	struct stat st;

	if (mkdir(dir, geteuid() ? 0700 : 0755) && errno != EEXIST)
		return ublk_error(-errno, "%s: %s; set UBLK_RUN_DIR", dir,
				  strerror(errno));
	if (geteuid() &&
	    (lstat(dir, &st) || !S_ISDIR(st.st_mode) ||
	     st.st_uid != geteuid() || st.st_mode & 022))
		return ublk_error(-EPERM, "%s: not a directory of yours alone; set UBLK_RUN_DIR",
				  dir);
	return 0;
}

static void state_path(char *buf, size_t len, __u32 id, const char *suffix)
{
	snprintf(buf, len, "%s/%u.json%s", state_dir(), id, suffix);
}

/**
 * state_name - name of the file of a device
 * @id: device
 *
 * Return: text, valid until the next call
 */
const char *state_name(__u32 id)
{
	static char path[256];

	state_path(path, sizeof(path), id, "");
	return path;
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
static json_t *state_pack_shmem(const char *path)
{
	struct stat st;

	if (!path || stat(path, &st))
		return json_null();
	return json_pack("{s:o, s:I, s:I}", "file", config_pack_text(path),
			 "dev", (json_int_t)st.st_dev,
			 "ino", (json_int_t)st.st_ino);
}

static json_t *state_tid(struct ublk_dev *dev, unsigned int i,
			 unsigned int threads)
{
	return json_integer(ublk_dev_thread_tid(dev, i / threads, i % threads));
}

static json_t *state_pack(struct ublk_dev *dev,
			  const struct ublk_target *target, const void *cfg,
			  const struct ublk_dev_opts *opts)
{
	const struct ublksrv_ctrl_dev_info *info = ublk_dev_info(dev);
	unsigned int threads = ublk_dev_io_threads(dev);
	json_t *tids = json_array();
	unsigned int i;

	for (i = 0; i < info->nr_hw_queues * threads; i++)
		json_array_append_new(tids, state_tid(dev, i, threads));
	return json_pack("{s:i, s:i, s:i, s:I, s:i, s:i, s:I, s:b, s:i, s:o, s:o, s:s, s:o, s:o}",
			 "version", STATE_VERSION,
			 "id", (int)info->dev_id,
			 "pid", (int)getpid(),
			 "flags", (json_int_t)info->flags,
			 "queues", (int)info->nr_hw_queues,
			 "depth", (int)info->queue_depth,
			 "max_io_bytes", (json_int_t)info->max_io_buf_bytes,
			 "mlock", !!(opts->flags & UBLK_DEV_MLOCK),
			 "io_threads", (int)threads,
			 "shmem", state_pack_shmem(opts->shmem),
			 "tids", tids,
			 "target", target->name,
			 "options", config_pack(target, cfg),
			 "params", state_pack_params(ublk_dev_params(dev)));
}

static int state_save(const char *path, const json_t *root)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (json_dumpfd(root, fd, JSON_INDENT(2)))
		ret = errno ? -errno : -EIO;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/**
 * state_write - record a device that this process serves
 * @dev: started device
 * @target: its target
 * @cfg: the target's configuration
 * @opts: the options of the device
 *
 * Return: 0 or negative errno with a message
 */
int state_write(struct ublk_dev *dev, const struct ublk_target *target,
		const void *cfg, const struct ublk_dev_opts *opts)
{
	__u32 id = ublk_dev_info(dev)->dev_id;
	char path[256], tmp[256];
	json_t *root;
	int ret;

	ret = state_make_dir();
	if (ret)
		return ret;
	root = state_pack(dev, target, cfg, opts);
	if (!root)
		return ublk_error(-ENOMEM, "run-state file: out of memory");
	state_path(path, sizeof(path), id, "");
	state_path(tmp, sizeof(tmp), id, ".new");
	ret = state_save(tmp, root);
	if (!ret && rename(tmp, path))
		ret = -errno;
	if (ret) {
		unlink(tmp);
		ublk_error(ret, "%s: %s", path, strerror(-ret));
	}
	json_decref(root);
	return ret;
}

/* Options as "name=value name=value". */
static char *state_options_text(json_t *options)
{
	char *text = NULL, *val;
	const char *key;
	size_t len = 0;
	json_t *v;
	FILE *out;

	out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	json_object_foreach(options, key, v) {
		if (json_is_false(v) ||
		    (json_is_integer(v) && !json_integer_value(v)))
			continue;
		val = json_is_string(v) ? strdup(json_string_value(v)) :
			json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		fprintf(out, " %s=%s", key, val ? : "");
		free(val);
	}
	fclose(out);
	return text;
}

static int state_unpack_shmem(json_t *shmem, struct state *st)
{
	json_int_t dev, ino;
	json_t *file;

	if (!shmem || json_is_null(shmem))
		return 0;
	if (json_unpack(shmem, "{s:o, s:I, s:I}", "file", &file, "dev", &dev,
			"ino", &ino))
		return -EBADMSG;
	st->shmem = config_unpack_text(file);
	st->shmem_dev = dev;
	st->shmem_ino = ino;
	return st->shmem ? 0 : -EBADMSG;
}

static int state_unpack(json_t *root, __u32 id, struct state *st)
{
	json_int_t flags = 0, max_io_bytes = 0;
	int version, file_id, pid, queues = 0, depth = 0, mlock = 0;
	json_t *tids, *options, *tid, *shmem = NULL;
	int io_threads = 1;
	const char *target;
	size_t i;

	if (json_unpack(root, "{s:i, s:i, s:i, s:o, s:s, s:o, s?I, s?i, s?i, s?I, s?b, s?i, s?o}",
			"version", &version, "id", &file_id, "pid", &pid,
			"tids", &tids, "target", &target,
			"options", &options, "flags", &flags,
			"queues", &queues, "depth", &depth,
			"max_io_bytes", &max_io_bytes, "mlock", &mlock,
			"io_threads", &io_threads, "shmem", &shmem))
		return -EBADMSG;
	if (version != STATE_VERSION || file_id < 0 ||
	    (__u32)file_id != id || pid <= 0 || !json_is_array(tids) ||
	    io_threads < 1 || io_threads > UBLK_MAX_IO_THREADS ||
	    !json_is_object(options))
		return -EBADMSG;
	json_array_foreach(tids, i, tid)
		if (!json_is_integer(tid))
			return -EBADMSG;

	if (state_unpack_shmem(shmem, st))
		return -EBADMSG;
	st->id = id;
	st->pid = pid;
	st->io_threads = io_threads;
	st->flags = flags;
	st->queues = queues;
	st->depth = depth;
	st->max_io_bytes = max_io_bytes;
	st->mlock = mlock;
	st->options = json_incref(options);
	st->nr_tids = json_array_size(tids);
	st->tids = calloc(st->nr_tids ? : 1, sizeof(*st->tids));
	st->target = ublk_target_find(target);
	st->target_name = strdup(target);
	st->target_text = state_options_text(options);
	if (!st->tids || !st->target_name || !st->target_text) {
		state_free(st);
		return -ENOMEM;
	}
	json_array_foreach(tids, i, tid)
		st->tids[i] = json_integer_value(tid);
	return 0;
}

/**
 * state_read - read the record of a device
 * @id: device
 * @st: filled, for state_free()
 *
 * Return: 0; -ENOENT; -EBADMSG for a file that is not a valid record
 */
int state_read(__u32 id, struct state *st)
{
	char path[256];
	json_t *root;
	int ret;

	memset(st, 0, sizeof(*st));
	state_path(path, sizeof(path), id, "");
	if (access(path, R_OK))
		return -errno;
	root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	if (!root)
		return -EBADMSG;
	ret = state_unpack(root, id, st);
	json_decref(root);
	return ret;
}

/**
 * state_free - release a record of state_read()
 * @st: record
 */
void state_free(struct state *st)
{
	json_decref(st->options);
	free(st->shmem);
	free(st->tids);
	free(st->target_name);
	free(st->target_text);
	memset(st, 0, sizeof(*st));
}

/**
 * state_matches - is it the record of this device, and not of an earlier one
 * @st: record
 * @info: device with that number
 *
 * Return: true if everything that cannot change is equal
 */
bool state_matches(const struct state *st,
		   const struct ublksrv_ctrl_dev_info *info)
{
	return st->id == info->dev_id && st->flags == info->flags &&
		st->queues == info->nr_hw_queues &&
		st->depth == info->queue_depth &&
		st->max_io_bytes == info->max_io_buf_bytes;
}

static int state_lock(void)
{
	int fd = open(state_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/**
 * state_remove - remove the record of a device
 * @id: device
 * @pid: only if this process recorded it
 */
void state_remove(__u32 id, pid_t pid)
{
	struct state st;
	char path[256];
	int lock = state_lock();

	if (lock < 0)
		return;
	if (!state_read(id, &st)) {
		state_path(path, sizeof(path), id, "");
		if (st.pid == pid)
			unlink(path);
		state_free(&st);
	}
	close(lock);
}

/* A zombie has ended, too, although it can be sent signals. */
static bool state_process_ended(pid_t pid)
{
	struct pollfd p = { .events = POLLIN };
	bool ended;

	p.fd = syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		return errno == ESRCH;
	ended = poll(&p, 1, 0) > 0;
	close(p.fd);
	return ended;
}

/**
 * state_remove_stale - remove the record of a device whose process has ended
 * @id: device that does not exist any more
 */
void state_remove_stale(__u32 id)
{
	struct state st;
	char path[256];
	int lock = state_lock();
	int ret;

	if (lock < 0)
		return;
	ret = state_read(id, &st);
	if (ret == -EBADMSG || (!ret && state_process_ended(st.pid))) {
		state_path(path, sizeof(path), id, "");
		unlink(path);
	}
	state_free(&st);
	close(lock);
}
