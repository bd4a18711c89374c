// SPDX-License-Identifier: GPL-2.0
/*
 * Run-state files: <runtime dir>/ublk/N.json has what the driver does not know
 * about device N.
 *
 * The daemon writes the file (state_write.c) before the disk starts. The daemon
 * removes it, or "del" if the daemon died: only the process named in a file may
 * remove it, or any process after that one has ended. The file of a recoverable
 * device outlives its daemon, for "recover".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <jansson.h>

#include "cli.h"
#include "config.h"
#include "procfs.h"
#include "rundir.h"

/* How long another process may hold the lock. */
#define LOCK_MS		2000

const char *state_dir(void)
{
	return run_dir();
}

void state_path(char *buf, size_t len, __u32 id, const char *suffix)
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
	int read_only = 0;
	json_t *file;

	if (!shmem || json_is_null(shmem))
		return 0;
	if (json_unpack(shmem, "{s:o, s:I, s:I, s?b}", "file", &file, "dev",
			&dev, "ino", &ino, "read_only", &read_only))
		return -EBADMSG;
	st->shmem = config_unpack_text(file);
	st->shmem_dev = dev;
	st->shmem_ino = ino;
	st->shmem_read_only = read_only;
	return st->shmem ? 0 : -EBADMSG;
}

static int state_unpack_store(json_t *obj, struct ublk_store *s)
{
	json_int_t ino = 0, birth = 0, diskseq = 0, start = 0, size;
	json_int_t major, minor, generation = 0;
	json_t *file;
	int block;

	if (json_unpack(obj, "{s:o, s:b, s:I, s:I, s:I, s?I, s?I, s?I, s?I, s?I}",
			"file", &file, "block", &block, "major", &major,
			"minor", &minor, "size", &size, "ino", &ino,
			"birth", &birth, "generation", &generation,
			"diskseq", &diskseq, "start", &start))
		return -EBADMSG;
	s->block = block;
	s->dev_major = major;
	s->dev_minor = minor;
	s->generation = generation;
	s->ino = ino;
	s->birth = birth;
	s->diskseq = diskseq;
	s->start = start;
	s->size = size;
	s->name = config_unpack_text(file);
	return s->name ? 0 : -EBADMSG;
}

/* A file of an older version of this program does not have them. */
static int state_unpack_stores(json_t *stores, struct state *st)
{
	json_t *obj;
	size_t i;

	if (!stores)
		return 0;
	if (!json_is_array(stores))
		return -EBADMSG;
	st->stores = calloc(json_array_size(stores) + 1, sizeof(*st->stores));
	if (!st->stores)
		return -ENOMEM;
	json_array_foreach(stores, i, obj) {
		if (state_unpack_store(obj, &st->stores[i]))
			return -EBADMSG;
		st->nr_stores++;
	}
	return 0;
}

/* A file of an older version of this program does not have them. */
static int state_unpack_numbers(json_t *root, struct state *st)
{
	int prio = 0, hold = 0;

	if (json_unpack(root, "{s?i, s?i}", "realtime", &prio, "hold_timeout",
			&hold) || prio < 0 || prio > UBLK_MAX_REALTIME || hold < 0)
		return -EBADMSG;
	st->realtime = prio;
	st->hold_timeout = hold;
	return 0;
}

/**
 * state_boot - what identifies this boot of the kernel
 *
 * Return: text, "" if it is not known
 */
const char *state_boot(void)
{
	static char boot[64];

	if (!*boot)
		procfs_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	return boot;
}

/*
 * The directory may outlive a boot, devices do not: the one that has the number now
 * is another one. Return: 0, -ESTALE, -EBADMSG
 */
static int state_check_boot(json_t *root)
{
	json_t *boot = json_object_get(root, "boot");

	if (!boot)
		return 0;
	if (!json_is_string(boot))
		return -EBADMSG;
	return *json_string_value(boot) && *state_boot() &&
		strcmp(json_string_value(boot), state_boot()) ? -ESTALE : 0;
}

static int state_unpack(json_t *root, __u32 id, struct state *st)
{
	json_int_t flags = 0, max_io_bytes = 0;
	int version, file_id, pid, queues = 0, depth = 0, mlock = 0;
	json_t *tids, *options, *tid, *shmem = NULL, *stores = NULL;
	const char *target, *name = NULL;
	int io_threads = 1, ret;
	size_t i;

	if (json_unpack(root, "{s:i, s:i, s:i, s:o, s:s, s:o, s?I, s?i, s?i, s?I, s?b, s?i, s?o, s?o, s?s}",
			"version", &version, "id", &file_id, "pid", &pid,
			"tids", &tids, "target", &target,
			"options", &options, "flags", &flags,
			"queues", &queues, "depth", &depth,
			"max_io_bytes", &max_io_bytes, "mlock", &mlock,
			"io_threads", &io_threads, "shmem", &shmem,
			"stores", &stores, "name", &name))
		return -EBADMSG;
	if (version != STATE_VERSION || file_id < 0 ||
	    (__u32)file_id != id || pid <= 0 || !json_is_array(tids) ||
	    io_threads < 1 || io_threads > UBLK_MAX_IO_THREADS ||
	    !json_is_object(options))
		return -EBADMSG;
	json_array_foreach(tids, i, tid)
		if (!json_is_integer(tid))
			return -EBADMSG;

	ret = state_check_boot(root);
	if (ret)
		return ret;
	if (state_unpack_shmem(shmem, st) || state_unpack_stores(stores, st) ||
	    state_unpack_numbers(root, st)) {
		state_free(st);
		return -EBADMSG;
	}
	st->id = id;
	st->pid = pid;
	st->io_threads = io_threads;
	st->flags = flags;
	st->queues = queues;
	st->depth = depth;
	st->max_io_bytes = max_io_bytes;
	st->mlock = mlock;
	st->options = json_incref(options);
	st->declared = json_incref(json_object_get(root, "declared"));
	st->nr_tids = json_array_size(tids);
	st->tids = calloc(st->nr_tids ? : 1, sizeof(*st->tids));
	st->target = ublk_target_find(target);
	st->target_name = strdup(target);
	st->target_text = state_options_text(options);
	st->name = name ? strdup(name) : NULL;
	if (!st->tids || (name && !st->name) || !st->target_name || !st->target_text) {
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
 * Return: 0; -ENOENT; -EBADMSG for a file that is not a valid record; -ESTALE for one
 * of an earlier boot
 */
int state_read(__u32 id, struct state *st)
{
	json_t *root;
	int ret;

	ret = state_load(id, st, &root);
	if (!ret)
		json_decref(root);
	return ret;
}

/**
 * state_load - as state_read(), for a caller that writes it again
 * @id: device
 * @st: filled, for state_free()
 * @root: receives the whole file
 *
 * Return: as state_read(); after a failure nothing needs to be released
 */
int state_load(__u32 id, struct state *st, json_t **root)
{
	char path[256];
	int ret;

	memset(st, 0, sizeof(*st));
	state_path(path, sizeof(path), id, "");
	if (access(path, R_OK))
		return -errno;
	*root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	if (!*root)
		return -EBADMSG;
	ret = state_unpack(*root, id, st);
	if (ret)
		json_decref(*root);
	return ret;
}

/**
 * state_free - release a record of state_read()
 * @st: record
 */
void state_free(struct state *st)
{
	unsigned int i;

	for (i = 0; i < st->nr_stores; i++)
		free((void *)(uintptr_t)st->stores[i].name);
	free(st->stores);
	json_decref(st->options);
	json_decref(st->declared);
	free(st->name);
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

/* Does the device wait for "ublk recover"? */
static bool state_waits(const struct ublksrv_ctrl_dev_info *info)
{
	return info->state == UBLK_S_DEV_QUIESCED ||
		info->state == UBLK_S_DEV_FAIL_IO;
}

/**
 * state_read_of - read the record of a device, if it is not an earlier one's
 * @info: device
 * @st: filled, for state_free(); empty after a failure
 * @has_daemon: set if the daemon that wrote it serves the device
 *
 * It may be the record of a daemon that died, and its successor could not write
 * one.
 *
 * Return: 0 or negative errno
 */
int state_read_of(const struct ublksrv_ctrl_dev_info *info, struct state *st,
		  bool *has_daemon)
{
	int ret = state_read(info->dev_id, st);

	*has_daemon = false;
	if (ret)
		return ret;
	*has_daemon = st->pid == info->ublksrv_pid;
	if (*has_daemon ||
	    ((state_waits(info) || state_process_ended(st->pid)) &&
	     state_matches(st, info)))
		return 0;
	state_free(st);
	return -ENOENT;
}

/**
 * state_lock - keep other processes from changing a record
 *
 * Every user may lock the directory, so the wait has an end: the lock only
 * protects from a rare race.
 *
 * Return: descriptor to close, or -1 if there is no directory
 */
int state_lock(void)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int fd = open(state_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ms;

	for (ms = 0; fd >= 0 && ms < LOCK_MS; ms += 10) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			break;
		nanosleep(&pause, NULL);
	}
	return fd;
}

/* A zombie has ended, too, although it can be sent signals. */
bool state_process_ended(pid_t pid)
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

static void state_unlink(__u32 id)
{
	char path[256];

	state_path(path, sizeof(path), id, "");
	unlink(path);
	/* of a process that died while it wrote */
	state_path(path, sizeof(path), id, STATE_NEW);
	unlink(path);
}

/**
 * state_remove - remove the record of a device that this process serves
 * @id: device
 * @pid: this process
 *
 * If the directory was full, the record may be that of an earlier daemon of the
 * device, which has ended.
 */
void state_remove(__u32 id, pid_t pid)
{
	struct state st;
	int lock = state_lock();
	int ret;

	if (lock < 0)
		return;
	ret = state_read(id, &st);
	if (ret == -ENOENT || ret == -EBADMSG || ret == -ESTALE ||
	    (!ret && (st.pid == pid || state_process_ended(st.pid))))
		state_unlink(id);
	if (!ret)
		state_free(&st);
	close(lock);
}

/**
 * state_remove_stale - remove the record of a device whose process has ended
 * @id: device that does not exist any more
 *
 * As a rule its daemon has removed it.
 */
void state_remove_stale(__u32 id)
{
	char path[256], tmp[256];

	state_path(path, sizeof(path), id, "");
	state_path(tmp, sizeof(tmp), id, STATE_NEW);
	if (!access(path, F_OK) || !access(tmp, F_OK))
		state_remove(id, 0);
	/* of no use without the device */
	state_path(tmp, sizeof(tmp), id, STATE_DAMAGED);
	unlink(tmp);
}
