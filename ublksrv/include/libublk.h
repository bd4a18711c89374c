/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * libublk: serve Linux ublk devices from a userspace process.
 *
 * Three layers, each usable without the next one:
 *
 *   ublk_ctrl_*()  one function per control command of /dev/ublk-control
 *   ublk_dev_*()   a device served by this process, with a checked life cycle
 *   struct ublk_target  what a device does with its requests
 *
 * Functions return 0 (or a count) or a negative errno; ublk_strerror_last()
 * returns the message of the last failure in the calling thread. The library
 * calls back into its user through the target and the log function only. Sizes
 * are in bytes unless the name has "sectors", which are 512 bytes.
 *
 * struct ublk_params and the other structures of the ABI are those of
 * ublk/ublk_cmd.h, which is installed with this file, whatever
 * <linux/ublk_cmd.h> the system has. A later version of the library may know
 * more parameters: the functions that write a structure of the caller are told
 * its size, those that read one go by its member len.
 */
#ifndef LIBUBLK_H
#define LIBUBLK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sched.h>

#include "ublk/ublk_cmd.h"

#ifdef __cplusplus
extern "C" {
#endif

struct io_uring;
struct io_uring_sqe;
struct ublk_ctrl;
struct ublk_dev;

#define UBLK_VERSION		"0.1.0"

/* Device number that asks ublk_dev_add() for the lowest free one. */
#define UBLK_ID_AUTO		0xffffffffU

/* ---- Messages (log.c) --------------------------------------------------- */

enum ublk_log_level {
	UBLK_LOG_ERR,
	UBLK_LOG_WARN,
	UBLK_LOG_INFO,
	UBLK_LOG_DEBUG,
};

typedef void (*ublk_log_fn)(enum ublk_log_level level, const char *msg);

/**
 * ublk_set_log - where messages go
 * @fn: called with complete lines without newline, from any thread; NULL
 *	restores the default, stderr
 * @max: highest level that is passed on
 */
void ublk_set_log(ublk_log_fn fn, enum ublk_log_level max);

/**
 * ublk_log - emit a message
 * @level: severity
 * @fmt: printf format, one line without newline
 */
void ublk_log(enum ublk_log_level level, const char *fmt, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/**
 * ublk_error - record the message of a failure
 * @err: negative errno
 * @fmt: printf format: what failed, why, and what to do about it
 *
 * For targets as well as for the library. The function that finds the cause
 * calls it; its callers only return @err.
 *
 * Return: @err
 */
int ublk_error(int err, const char *fmt, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/**
 * ublk_strerror_last - message of the last failure in this thread
 *
 * Return: text, never NULL; valid until the next failure in this thread.
 */
const char *ublk_strerror_last(void);

/* ---- Control commands (ctrl.c) ------------------------------------------ */

/**
 * ublk_ctrl_open - open /dev/ublk-control
 * @ctrl: receives the handle
 *
 * A handle has a ring of its own and serves one thread at a time.
 *
 * Return: 0; -EUNATCH when the driver is not loaded; -EACCES; others.
 */
int ublk_ctrl_open(struct ublk_ctrl **ctrl);

/**
 * ublk_ctrl_close - release a handle
 * @ctrl: handle or NULL
 */
void ublk_ctrl_close(struct ublk_ctrl *ctrl);

/**
 * ublk_ctrl_set_deadline - limit the time of every following command
 * @ctrl: handle
 * @ms: milliseconds; 0 waits without limit
 *
 * A command that runs out of time is canceled and returns -ETIMEDOUT. One that
 * the driver cannot interrupt goes on in the background.
 */
void ublk_ctrl_set_deadline(struct ublk_ctrl *ctrl, unsigned int ms);

/**
 * ublk_ctrl_add_dev - ADD_DEV (C-40..C-56)
 * @ctrl: handle
 * @info: request, replaced by the driver's answer
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_add_dev(struct ublk_ctrl *ctrl,
		      struct ublksrv_ctrl_dev_info *info);

/**
 * ublk_ctrl_del_dev - DEL_DEV: stop, delete, wait until the number is free
 *	(C-70..C-74)
 * @ctrl: handle
 * @id: device
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_del_dev(struct ublk_ctrl *ctrl, __u32 id);

/**
 * ublk_ctrl_del_dev_async - DEL_DEV_ASYNC: the same without the wait
 * @ctrl: handle
 * @id: device
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_del_dev_async(struct ublk_ctrl *ctrl, __u32 id);

/**
 * ublk_ctrl_start_dev - START_DEV: wait until all tags are fetched (C-75)
 * @ctrl: handle
 * @id: device
 * @pid: process that opened the char device
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_start_dev(struct ublk_ctrl *ctrl, __u32 id, pid_t pid);

/**
 * ublk_ctrl_stop_dev - STOP_DEV: wait for requests in flight (C-82)
 * @ctrl: handle
 * @id: device
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_stop_dev(struct ublk_ctrl *ctrl, __u32 id);

/**
 * ublk_ctrl_try_stop_dev - TRY_STOP_DEV: stop unless the disk is open
 * @ctrl: handle
 * @id: device
 *
 * Return: 0, -EBUSY if it is open, or another negative errno
 */
int ublk_ctrl_try_stop_dev(struct ublk_ctrl *ctrl, __u32 id);

/**
 * ublk_ctrl_set_params - SET_PARAMS (C-101..C-123)
 * @ctrl: handle
 * @id: device
 * @params: parameters; its member types says which parts are valid, len how
 *	many bytes are
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_set_params(struct ublk_ctrl *ctrl, __u32 id,
			 const struct ublk_params *params);

/**
 * ublk_ctrl_get_params_size - what ublk_ctrl_get_params() calls
 * @ctrl: handle
 * @id: device
 * @params: receives the parameters
 * @size: bytes at @params; the library writes no more
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_get_params_size(struct ublk_ctrl *ctrl, __u32 id,
			      struct ublk_params *params, size_t size);

/**
 * ublk_ctrl_get_params - GET_PARAMS (C-124..C-131)
 * @ctrl: handle
 * @id: device
 * @params: receives the parameters
 *
 * Return: 0 or negative errno
 */
static inline int ublk_ctrl_get_params(struct ublk_ctrl *ctrl, __u32 id,
				       struct ublk_params *params)
{
	return ublk_ctrl_get_params_size(ctrl, id, params, sizeof(*params));
}

/**
 * ublk_ctrl_get_info - GET_DEV_INFO2, or GET_DEV_INFO where that fails
 * @ctrl: handle
 * @id: device
 * @info: receives the answer
 *
 * Return: 0, -ENODEV, or another negative errno
 */
int ublk_ctrl_get_info(struct ublk_ctrl *ctrl, __u32 id,
		       struct ublksrv_ctrl_dev_info *info);

/**
 * struct ublk_query - what ublk_ctrl_query() finds out about a device
 * @id: device, set by the caller
 * @info_err: 0; or negative errno, and there is no answer
 * @params_err: 0; or negative errno, and there are no parameters
 * @info: answer of GET_DEV_INFO2
 * @params: answer of GET_PARAMS; the last member, as it may become longer
 */
struct ublk_query {
	__u32 id;
	int info_err;
	int params_err;
	struct ublksrv_ctrl_dev_info info;
	struct ublk_params params;
};

/**
 * ublk_ctrl_query_size - what ublk_ctrl_query() calls
 * @ctrl: handle
 * @queries: devices
 * @nr: how many
 * @size: bytes of each; the library writes no more
 * @ms: how long to wait while no command completes
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_query_size(struct ublk_ctrl *ctrl, struct ublk_query *queries,
			 unsigned int nr, size_t size, unsigned int ms);

/**
 * ublk_ctrl_query - GET_DEV_INFO2 and GET_PARAMS of many devices at a time
 * @ctrl: handle
 * @queries: devices
 * @nr: how many
 * @ms: how long to wait while no command completes
 *
 * A device whose driver does not answer, because another command waits for its
 * server, delays the others by @ms altogether; its @params_err is -ETIMEDOUT.
 *
 * Return: 0; or negative errno if nothing could be asked
 */
static inline int ublk_ctrl_query(struct ublk_ctrl *ctrl,
				  struct ublk_query *queries, unsigned int nr,
				  unsigned int ms)
{
	return ublk_ctrl_query_size(ctrl, queries, nr, sizeof(*queries), ms);
}

/**
 * ublk_ctrl_get_affinity - GET_QUEUE_AFFINITY (C-63, C-64)
 * @ctrl: handle
 * @id: device
 * @qid: queue
 * @set: receives the CPUs that submit to the queue
 * @size: bytes at @set, a multiple of sizeof(long)
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_get_affinity(struct ublk_ctrl *ctrl, __u32 id, __u16 qid,
			   cpu_set_t *set, size_t size);

/**
 * ublk_ctrl_get_features - GET_FEATURES (C-35)
 * @ctrl: handle
 * @features: receives the mask of UBLK_F_*
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_get_features(struct ublk_ctrl *ctrl, __u64 *features);

/**
 * ublk_ctrl_start_recovery - START_USER_RECOVERY (C-92..C-94)
 * @ctrl: handle
 * @id: device
 *
 * Return: 0, -EBUSY until the old server's session has ended, others
 */
int ublk_ctrl_start_recovery(struct ublk_ctrl *ctrl, __u32 id);

/**
 * ublk_ctrl_end_recovery - END_USER_RECOVERY (C-95, C-96)
 * @ctrl: handle
 * @id: device
 * @pid: process that opened the char device
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_end_recovery(struct ublk_ctrl *ctrl, __u32 id, pid_t pid);

/**
 * ublk_ctrl_quiesce_dev - QUIESCE_DEV (C-97..C-100)
 * @ctrl: handle
 * @id: device
 * @ms: how long to wait for idle tags; 0 waits without limit
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_quiesce_dev(struct ublk_ctrl *ctrl, __u32 id, __u32 ms);

/**
 * ublk_ctrl_update_size - UPDATE_SIZE (C-88..C-91)
 * @ctrl: handle
 * @id: device
 * @sectors: new capacity
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_update_size(struct ublk_ctrl *ctrl, __u32 id,
			  __u64 sectors);

/**
 * ublk_ctrl_reg_buf - REG_BUF: share memory with the driver (C-140..C-151)
 * @ctrl: handle
 * @id: device
 * @addr: page aligned start
 * @len: whole pages, at most 4 GiB
 * @flags: UBLK_SHMEM_BUF_*
 *
 * Return: index >= 0 or negative errno
 */
int ublk_ctrl_reg_buf(struct ublk_ctrl *ctrl, __u32 id, void *addr,
		      __u64 len, __u32 flags);

/**
 * ublk_ctrl_unreg_buf - UNREG_BUF (C-152..C-156)
 * @ctrl: handle
 * @id: device
 * @index: what ublk_ctrl_reg_buf() returned
 *
 * Return: 0 or negative errno
 */
int ublk_ctrl_unreg_buf(struct ublk_ctrl *ctrl, __u32 id, __u32 index);

/* ---- Targets ------------------------------------------------------------ */

enum ublk_opt_type {
	UBLK_OPT_FLAG,		/* bool, no argument */
	UBLK_OPT_UINT,		/* __u64, plain number */
	UBLK_OPT_SIZE,		/* __u64, bytes, K M G T P E suffix */
	UBLK_OPT_STR,		/* const char * */
	UBLK_OPT_PATH,		/* const char *, stored absolute */
	UBLK_OPT_BOOL,		/* bool; 0 or 1 may follow, else it is 1 */
	UBLK_OPT_DEVICE,	/* __u64, a device: number, node or name */
};

/* A PATH that begins with this is stored as it is, for targets that need secrets. */
#define UBLK_OPT_CREDENTIAL	"credential:"

/* Option flags. */
#define UBLK_OPT_REQUIRED	0x1
/* Also accepted as the argument without a dash. */
#define UBLK_OPT_POSITIONAL	0x2
/*
 * May be given more than once, STR and PATH only. The member is a char ** that
 * ends with NULL, or NULL itself when the option was not given; order is kept.
 */
#define UBLK_OPT_LIST		0x4
/*
 * Where the data is in the stores depends on it: a recovery needs the value that
 * the device was added with.
 */
#define UBLK_OPT_LAYOUT		0x8
/*
 * SIZE only: programs disagree about the unit of a bare number, bytes or sectors,
 * so one other than 0 is refused.
 */
#define UBLK_OPT_UNIT		0x10
/* BOOL only: the value must be given. */
#define UBLK_OPT_VALUE		0x20
/*
 * PATH and UINT only: the value may be left out. The member is an empty text then,
 * or @min.
 */
#define UBLK_OPT_MAYBE		0x40

/**
 * struct ublk_opt - one row of an option table
 * @name: long name; further spellings follow, separated by '|'
 * @letter: short name, or 0
 * @type: type of the member at @offset
 * @flags: UBLK_OPT_*
 * @offset: offsetof() in the configuration
 * @arg: name of the argument in help, NULL for flags
 * @def: default as it would be typed, or NULL
 * @min: lowest value of a number
 * @max: highest value of a number; 0 means no limit
 * @help: one line
 *
 * A table ends with a row whose @name is NULL.
 */
struct ublk_opt {
	const char *name;
	char letter;
	enum ublk_opt_type type;
	unsigned int flags;
	size_t offset;
	const char *arg;
	const char *def;
	__u64 min, max;
	const char *help;
};

/**
 * struct ublk_queue - a hardware queue as a target sees it
 * @dev: device
 * @priv: for the target
 * @id: queue number
 * @depth: number of tags of the whole hardware queue
 * @thread: which of the threads that share the hardware queue, from 0
 *
 * Where several threads serve a hardware queue each has a struct ublk_queue,
 * and a ring, of its own; queue_open() is called in each.
 */
struct ublk_queue {
	struct ublk_dev *dev;
	void *priv;
	__u16 id;
	__u16 depth;
	__u16 thread;
};

/*
 * Who owns a request
 *
 * The library passes a request to the target by submit(), and gets it back by
 * ublk_io_complete() or ublk_io_complete_after(). Meanwhile it is the target's,
 * with all that struct ublk_io points to. While SQEs from ublk_io_sqe() are
 * pending it is the library's, until done().
 *
 * Stop: ublk_dev_stop() and ublk_dev_wait() return when the target has completed
 * every request. If a thread has failed they are as detach.
 *
 * Detach: the threads end at once. Requests with SQEs pending stay with the
 * library: done() is not called any more. The others stay with the target, which
 * has to complete each of them, whenever it likes: in queue_close(), which is
 * called in the queue's thread, or in a thread of its own. ublk_io_complete()
 * returns -ECANCELED then, and the driver does with the request what the
 * recovery features of the device say, whatever the result was.
 *
 * Free: also after ublk_dev_free() the target has the requests that it has not
 * completed. Buffer, descriptor, private memory, queue and handle are freed with
 * the last one; of the handle only ublk_dev_priv() may still be called.
 */

/**
 * struct ublk_io - a tag, while its request belongs to the server
 * @desc: the request; stays unchanged until ublk_io_complete()
 * @buf: data buffer, at least max_io_buf_bytes long, page aligned; NULL if the
 *	data is in the ring's buffer table, only for targets with
 *	UBLK_TARGET_RING_DATA; or if nothing moves it, UBLK_TARGET_NO_DATA
 * @priv: io_size bytes of the target, zeroed once at start
 * @q: queue; may be another thread's at the tag's next request
 * @tag: tag number
 * @slot: slot of the data in the ring's buffer table if @buf is NULL
 * @lib: for the library
 */
struct ublk_io {
	const struct ublksrv_io_desc *desc;
	void *buf;
	void *priv;
	struct ublk_queue *q;
	__u16 tag;
	__u16 slot;
	__u32 lib;
};

/*
 * Flag of a target: it never touches io->buf with the CPU; SQEs from
 * ublk_io_prep_read() and ublk_io_prep_write() move the data, if anything does.
 * Only such targets get modes without an io->buf.
 */
#define UBLK_TARGET_RING_DATA	0x1
/*
 * Flag of a target: no request's data is of interest to it. Nothing moves the
 * data where driver and privileges allow that: io->buf is NULL then, and slot has
 * no meaning. Reads leave the reader's memory as it was, so this is for targets
 * that measure or test. The flag implies UBLK_TARGET_RING_DATA.
 */
#define UBLK_TARGET_NO_DATA	0x2

/**
 * struct ublk_place - where the data of a whole request lies
 * @file: from ublk_queue_redirect_file()
 * @pos: byte of that file
 */
struct ublk_place {
	unsigned int file;
	__u64 pos;
};

/**
 * struct ublk_target - what a device does with its requests
 * @struct_size: filled by UBLK_TARGET()
 * @name: as in "ublk add -t NAME"
 * @summary: one line for help
 * @opts: options, or NULL
 * @config_size: size of the configuration that @opts describes
 * @io_size: bytes of private memory per tag
 * @open: check the configuration, open the backing store, fill
 *	ublk_dev_params(). The device does not exist yet, so a failure leaves
 *	nothing behind.
 * @close: undo @open; called once for each successful @open
 * @queue_open: optional; in the queue's thread before the first request
 * @queue_close: optional; in the queue's thread after the last request
 * @submit: a request has arrived; leads to exactly one ublk_io_complete()
 * @done: optional; all SQEs of the request are finished. @res is the first
 *	error or the sum of the results. Takes more SQEs or completes the
 *	request. Without it the library completes the request with @res.
 * @flags: UBLK_TARGET_*
 * @features: UBLK_F_* that the target needs, such as UBLK_F_ZONED; see
 *	ublk_dev_require() for features that depend on the configuration
 * @can_resize: optional; has the backing store room for a disk of this size?
 *	Called without @open, for a device that any process serves. Returns 0,
 *	or negative errno with a message
 * @place: optional; called before @submit for each read and write of a device
 *	whose driver can redirect, see ublk_dev_want_redirect(). True if the whole
 *	request lies at one place: then the driver serves it from there, and the
 *	target does not see it. If the driver cannot, @submit gets it after all
 * @grow: optional; make the backing store as large as the disk shall be, or larger;
 *	after @can_resize, and called as that is. @info says which device
 *
 * New members are only added at the end. Those that an older target lacks count
 * as zero.
 */
struct ublk_target {
	size_t struct_size;
	const char *name, *summary;
	const struct ublk_opt *opts;
	size_t config_size, io_size;

	int (*open)(struct ublk_dev *dev, void *cfg);
	void (*close)(struct ublk_dev *dev);
	int (*queue_open)(struct ublk_queue *q);
	void (*queue_close)(struct ublk_queue *q);
	void (*submit)(struct ublk_queue *q, struct ublk_io *io);
	void (*done)(struct ublk_queue *q, struct ublk_io *io, int res);

	unsigned int flags;
	__u64 features;
	int (*can_resize)(const void *cfg, __u64 bytes);
	bool (*place)(struct ublk_queue *q, const struct ublk_io *io,
		      struct ublk_place *place);
	int (*grow)(const void *cfg, const struct ublksrv_ctrl_dev_info *info,
		    __u64 bytes);
};

/* First member of an initializer of struct ublk_target. */
#define UBLK_TARGET()	.struct_size = sizeof(struct ublk_target)

/**
 * struct ublk_module - what a file ublk-target-NAME.so has for the program ublk
 * @version: UBLK_VERSION; has to be the program's
 * @targets: pointers to the targets, NULL after the last one
 *
 * Such a file defines one, named ublk_module. It is not linked with libublk: it uses
 * the one that is in the program. The program looks for "ublk add -t NAME" in the
 * file of that name.
 */
struct ublk_module {
	const char *version;
	const struct ublk_target *const *targets;
};

extern const struct ublk_module ublk_module;

/**
 * ublk_io_op - operation of a request
 * @io: tag
 *
 * Return: UBLK_IO_OP_*
 */
static inline unsigned int ublk_io_op(const struct ublk_io *io)
{
	return io->desc->op_flags & 0xff;
}

/**
 * ublk_io_complete - end a request (D-54)
 * @io: tag; not the target's any more afterwards, whatever is returned
 * @res: bytes done, or negative errno
 *
 * Context: any thread. In the queue's own thread it costs one SQE that the
 * next turn of the loop submits; other threads wake the queue.
 * Return: 0; -ECANCELED when the queue's thread has ended, so that @res goes
 * nowhere; -EINVAL, in other threads than the queue's, when the request has been
 * completed before
 */
int ublk_io_complete(struct ublk_io *io, int res);

/**
 * ublk_io_sqe - an SQE for backend work of a request
 * @io: tag
 *
 * The caller fills it with io_uring_prep_*() and must not touch user_data.
 * The request counts the SQE as pending until its CQE.
 *
 * Context: the queue's thread.
 * Return: SQE, or NULL when the ring cannot take more; then the caller
 * completes the request with an error if nothing is pending.
 */
struct io_uring_sqe *ublk_io_sqe(struct ublk_io *io);

/**
 * ublk_io_prep_read - an SQE that reads from a descriptor into the request
 * @io: tag of a read
 * @sqe: from ublk_io_sqe(), or NULL to take one
 * @fd: source; a table index if the caller sets IOSQE_FIXED_FILE in sqe->flags
 * @pos: position in it
 * @len: bytes
 * @off: where in the request's data, in bytes; @off + @len stays within it
 *
 * Works in every mode.
 *
 * Context: the queue's thread.
 * Return: the SQE, whose flags may be set afterwards; or NULL, see
 * ublk_io_sqe()
 */
struct io_uring_sqe *ublk_io_prep_read(struct ublk_io *io,
				       struct io_uring_sqe *sqe, int fd,
				       __u64 pos, __u32 len, __u32 off);

/**
 * ublk_io_prep_write - an SQE that writes the request's data to a descriptor
 * @io: tag of a write or zone append
 * @sqe: from ublk_io_sqe(), or NULL to take one
 * @fd: destination; as ublk_io_prep_read()
 * @pos: position in it
 * @len: bytes
 * @off: where in the request's data, in bytes; @off + @len stays within it
 *
 * Context: the queue's thread.
 * Return: the SQE, whose flags and rw_flags may be set afterwards; or NULL, see
 * ublk_io_sqe()
 */
struct io_uring_sqe *ublk_io_prep_write(struct ublk_io *io,
					struct io_uring_sqe *sqe, int fd,
					__u64 pos, __u32 len, __u32 off);

/**
 * ublk_io_complete_after - end a request when an SQE has done all of it
 * @io: tag; nothing else is pending
 * @sqe: the last one from ublk_io_sqe(), filled by ublk_io_prep_read() or
 *	ublk_io_prep_write()
 * @res: result of the request if the SQE transfers its whole length
 *
 * May save a turn of the queue's loop: the library links the end of the request
 * to the transfer. A transfer that fails or is short is passed to done() as
 * always, and so is one that succeeds if the library did not link it. After
 * this call the target does nothing more with @sqe and, until done(), with @io.
 *
 * Context: the queue's thread, in submit() or done().
 */
void ublk_io_complete_after(struct ublk_io *io, struct io_uring_sqe *sqe,
			    int res);

/**
 * ublk_io_set_zone_lba - report where a zone append wrote (D-211)
 * @io: tag of a zone append, before ublk_io_complete()
 * @sector: first sector that was written
 *
 * Context: the thread that completes the request.
 */
void ublk_io_set_zone_lba(struct ublk_io *io, __u64 sector);

/**
 * ublk_io_read_integrity - get the protection information of a write (D-200)
 * @io: tag of a request with UBLK_IO_F_INTEGRITY
 * @buf: receives it
 * @len: bytes
 * @off: where in the request's protection information
 *
 * Context: any thread, before ublk_io_complete().
 * Return: bytes, fewer than @len where the information ends; -ECANCELED when the
 * queue's thread has ended; or another negative errno
 */
int ublk_io_read_integrity(const struct ublk_io *io, void *buf, __u32 len,
			   __u32 off);

/**
 * ublk_io_write_integrity - give the protection information of a read (D-200)
 * @io: tag of a request with UBLK_IO_F_INTEGRITY
 * @buf: holds it
 * @len: bytes
 * @off: where in the request's protection information
 *
 * Context: any thread, before ublk_io_complete().
 * Return: bytes, fewer than @len where the information ends; -ECANCELED when the
 * queue's thread has ended; or another negative errno
 */
int ublk_io_write_integrity(const struct ublk_io *io, const void *buf,
			    __u32 len, __u32 off);

/**
 * ublk_queue_redirect_file - let the driver serve requests from a descriptor
 * @q: queue, from queue_open()
 * @fd: a block device, opened with O_DIRECT, or a regular file that can do direct
 *	IO. A second call for a descriptor of the same number finds the first one
 *
 * The descriptor may be closed afterwards, but its number then stays in use until
 * the threads end.
 * Return: index for struct ublk_place or struct ublk_extent_elem; -EOPNOTSUPP without
 * UBLK_F_REDIRECT and UBLK_F_EXTENTS, or if
 * the parameters of the disk do not fit the file (E-14); -ELOOP if the disk would
 * lie on itself; or another negative errno
 */
int ublk_queue_redirect_file(struct ublk_queue *q, int fd);

/**
 * ublk_queue_fixed_fd - register a descriptor in the queue's ring
 * @q: queue, from queue_open()
 * @fd: descriptor
 *
 * Return: index for SQEs with IOSQE_FIXED_FILE, or negative errno
 */
int ublk_queue_fixed_fd(struct ublk_queue *q, int fd);

/*
 * Event sources of a target
 *
 * A target whose store is behind a library or a socket watches its descriptors on
 * the ring of the queue, and needs no thread of its own for that. A descriptor of
 * the target, such as an eventfd, also brings what other threads have done to the
 * queue's thread; a thread that only ends requests calls ublk_io_complete().
 *
 * Threads and processes that the target starts in open() or in a queue's thread
 * inherit PR_SET_IO_FLUSHER. A process must execute a program, which closes the
 * descriptors of device and ring. PR_SET_PDEATHSIG of such a process follows the
 * thread that started it: the one of open() serves for as long as the device does, a
 * queue's thread ends with the queue.
 */

/**
 * typedef ublk_watch_fn - a descriptor is ready, or a timer has gone off
 * @q: queue
 * @events: POLLIN and others of poll(2); POLLNVAL if the descriptor cannot be polled;
 *	0 for a timer
 * @arg: of the watch
 *
 * Context: the queue's thread. May call every function for queues and requests.
 */
typedef void (*ublk_watch_fn)(struct ublk_queue *q, unsigned int events,
			      void *arg);

/**
 * ublk_queue_watch - watch a descriptor
 * @q: queue, from queue_open() on
 * @fd: descriptor that poll(2) works on; it may be watched more than once
 * @events: POLLIN, POLLOUT and others of poll(2); POLLERR and POLLHUP are implied
 * @fn: is called with the events that have occurred
 * @arg: for @fn
 *
 * Calls @fn if the descriptor is ready now, and then each time that its state
 * changes, as EPOLLET of epoll(7): @fn has to read, or write, until that gives
 * EAGAIN. It may be called when nothing can be read. If @events that occur have
 * POLLERR, POLLHUP or POLLNVAL, the next call comes after a delay of some
 * milliseconds, which doubles up to a second and ends with an event without them: a
 * descriptor that is ready because its other end is gone costs no CPU.
 *
 * The watch keeps the file open: remove it before the descriptor is closed, and the
 * other end sees the end when the queue's loop has made its turn.
 *
 * Context: the queue's thread.
 * Return: number of the watch, 0 or more; or negative errno
 */
int ublk_queue_watch(struct ublk_queue *q, int fd, unsigned int events,
		     ublk_watch_fn fn, void *arg);

/**
 * ublk_queue_watch_change - watch for other events
 * @q: queue
 * @id: from ublk_queue_watch()
 * @events: instead of those before; the function is called if one is there now
 *
 * Context: the queue's thread.
 * Return: 0, -EINVAL without such a watch, or another negative errno
 */
int ublk_queue_watch_change(struct ublk_queue *q, int id, unsigned int events);

/**
 * ublk_queue_timer - call a function once, later
 * @q: queue, from queue_open() on
 * @ms: how much later
 * @fn: is called with 0 as its events; the number of the timer is free by then
 * @arg: for @fn
 *
 * Context: the queue's thread.
 * Return: number of the timer, 0 or more; or negative errno
 */
int ublk_queue_timer(struct ublk_queue *q, unsigned int ms, ublk_watch_fn fn,
		     void *arg);

/**
 * ublk_queue_unwatch - remove a watch or a timer
 * @q: queue
 * @id: from ublk_queue_watch() or ublk_queue_timer(); nothing is done without such
 *	a one
 *
 * The function is not called any more. What is left when queue_close() returns is
 * removed by the library.
 *
 * Context: the queue's thread; also in queue_close().
 */
void ublk_queue_unwatch(struct ublk_queue *q, int id);

/* ---- A device served by this process (dev.c) ---------------------------- */

/*
 * new -> added -> configured (-> ready) -> started -> stopped. A call in a wrong
 * state gives -EPERM and says which state it was.
 */
enum ublk_dev_stage {
	UBLK_STAGE_NEW,
	UBLK_STAGE_ADDED,
	UBLK_STAGE_CONFIGURED,
	UBLK_STAGE_STARTED,
	UBLK_STAGE_STOPPED,
	UBLK_STAGE_READY,
};

/*
 * Lock the memory of the process, as mlockall(2) does, with all that it
 * allocates later: also when the device is gone. Its threads then have stacks
 * of UBLK_LOCKED_STACK bytes. The disk may be used as swap.
 */
#define UBLK_DEV_MLOCK		0x1
#define UBLK_LOCKED_STACK	(1U << 20)
/* The handle is for ublk_dev_recover(): the target finds its data, or fails. */
#define UBLK_DEV_RECOVER	0x2
/* The library only reads the shared memory: requests that write to it are copied. */
#define UBLK_DEV_SHMEM_RO	0x4

/* How the data of requests gets from and to the server. */
enum ublk_mode {
	UBLK_MODE_AUTO,		/* the fastest that is possible */
	UBLK_MODE_COPY,		/* the driver copies */
	UBLK_MODE_USER_COPY,	/* the library copies: pread, pwrite */
	UBLK_MODE_ZERO_COPY,	/* automatic registration of request pages */
};

enum ublk_choice {
	UBLK_CHOICE_AUTO,
	UBLK_CHOICE_NO,
	UBLK_CHOICE_YES,
};

#define UBLK_MAX_IO_THREADS	64
#define UBLK_MAX_REALTIME	99

/**
 * struct ublk_store - identity of a file or block device that a target uses
 * @name: as the target opened it; not part of the identity
 * @block: a block device, not a regular file
 * @dev_major: of the block device, or of the file's file system
 * @dev_minor: the same
 * @generation: of a file's inode, 0 when unknown
 * @ino: of a file
 * @birth: when a file was made, in nanoseconds since 1970, 0 when unknown
 * @diskseq: of a block device, 0 when unknown
 * @start: first sector of a partition
 * @size: bytes
 * @reserved: 0
 */
struct ublk_store {
	const char *name;
	bool block;
	__u32 dev_major, dev_minor;
	__u32 generation;
	__u64 ino;
	__u64 birth;
	__u64 diskseq;
	__u64 start;
	__u64 size;
	__u64 reserved[4];
};

/**
 * struct ublk_dev_opts - what ublk_dev_new() should make
 * @struct_size: sizeof(struct ublk_dev_opts)
 * @id: device number or UBLK_ID_AUTO
 * @nr_queues: hardware queues, 1..4096; the driver may give fewer
 * @depth: tags per queue, 1..4096
 * @io_buf_bytes: longest request, whole pages; 0 leaves it to the library: 2 MiB
 *	where no buffer of that size is needed, else 512 KiB
 * @features: UBLK_F_* that must be granted, without those of a mode
 * @flags: UBLK_DEV_*
 * @mode: how data moves
 * @batch: commands for many requests at once
 * @io_threads: threads per hardware queue, 0 for one, up to
 *	UBLK_MAX_IO_THREADS and @depth
 * @shmem: file that users of the device map, too, for instance in a tmpfs or
 *	hugetlbfs; requests whose data is in it are served without a copy; or
 *	NULL. The library then handles SIGBUS in this process, in case a user
 *	truncates the file; threads that touch io->buf must not block it
 * @stores: for a recovery: the stores that the device had, as
 *	ublk_dev_get_store() of its earlier server gave them; NULL if they are
 *	not known. The target must name the same ones in the same order. Only
 *	read in ublk_dev_new()
 * @nr_stores: how many
 * @realtime: priority, up to UBLK_MAX_REALTIME, with which the threads of the
 *	queues run before all ordinary ones (SCHED_FIFO); 0 for ordinary threads.
 *	Needs CAP_SYS_NICE, or RLIMIT_RTPRIO. Threads that they start are ordinary
 *	ones
 * @redirect: enum ublk_choice: may the driver serve requests from the files of a
 *	target that wants it? By default, if nothing else was chosen as @mode
 * @passthrough: enum ublk_choice: may IO pass to the backings of a target that wants
 *	it, without being a request? By default, unless @mode, @redirect, @shmem or
 *	UBLK_F_NEED_GET_DATA say how requests are served
 *
 * A mode that is named has to be possible. Otherwise the library chooses one
 * that driver, target and privileges allow; ublk_dev_mode_reason() says why. In
 * ublk_dev_recover() the mode of the device replaces @mode and @batch.
 */
struct ublk_dev_opts {
	size_t struct_size;
	__u32 id;
	__u16 nr_queues;
	__u16 depth;
	__u32 io_buf_bytes;
	__u64 features;
	unsigned int flags;

	enum ublk_mode mode;
	enum ublk_choice batch;
	unsigned int io_threads;
	const char *shmem;
	const struct ublk_store *stores;
	unsigned int nr_stores;
	/* 64 bits: an older structure ends before it, with its padding */
	__u64 realtime;
	__u64 redirect;
	__u64 passthrough;
};

/**
 * ublk_dev_new - make a handle; nothing exists in the kernel yet
 * @dev: receives the handle, stage new
 * @opts: what to make
 * @target: what serves it; must outlive the handle
 * @cfg: configuration of the target; must outlive the handle
 *
 * Opens the control device and the target.
 *
 * Return: 0; -ESTALE if a store is not what @opts says; other negative errno
 */
int ublk_dev_new(struct ublk_dev **dev, const struct ublk_dev_opts *opts,
		 const struct ublk_target *target, void *cfg);

/**
 * ublk_dev_want_redirect - the target can tell where the data of requests lies
 * @dev: handle, from the target's open()
 *
 * The device gets UBLK_F_REDIRECT if driver, privileges and the user's choice
 * allow it. Then queue_open() calls ublk_queue_redirect_file(), and place() is
 * called.
 */
void ublk_dev_want_redirect(struct ublk_dev *dev);

/**
 * ublk_dev_want_extents - the target can tell where stretches of the disk lie
 * @dev: handle, from the target's open()
 *
 * The device gets UBLK_F_EXTENTS if driver, privileges and the user's choice allow it.
 * Then queue_open() calls ublk_queue_redirect_file() for the block devices, and
 * ublk_dev_set_extents() may be called.
 */
void ublk_dev_want_extents(struct ublk_dev *dev);

/**
 * ublk_dev_set_extents - say where stretches of the disk lie, or that they do not
 * @dev: handle, from queue_open() of the first queue on
 * @extents: elements; their files are indexes of ublk_queue_redirect_file()
 * @nr: how many, up to UBLK_MAX_EXTENT_ELEMS
 *
 * IO to an extent does not come to the target. All other IO does, so the target must
 * be able to serve every sector at any time, and its flush has to include what passed.
 * The call returns when no IO is in flight that used what was replaced or removed:
 * then the data there is the target's. That may take as long as the backing needs.
 * Context: any thread, but not one that serves a queue, once requests come: IO that
 * the call waits for may need that thread if the backing is served by it.
 * Return: elements executed; less than @nr if one failed, which then is the first of
 * the next call and gives its error; -EOPNOTSUPP without UBLK_F_EXTENTS; or another
 * negative errno, see E-71 to E-77
 */
int ublk_dev_set_extents(struct ublk_dev *dev, const struct ublk_extent_elem *extents,
			 unsigned int nr);

/**
 * ublk_dev_require - require features that this configuration needs
 * @dev: handle, in the target's open()
 * @features: UBLK_F_*, such as UBLK_F_INTEGRITY; features of a mode, such as
 *	UBLK_F_USER_COPY, restrict the choice of the mode
 */
void ublk_dev_require(struct ublk_dev *dev, __u64 features);

/**
 * ublk_dev_add_store - name a file or block device that the target uses
 * @dev: handle, in the target's open(), as soon as the store is open and before
 *	anything is written to it
 * @name: absolute path
 * @fd: descriptor, open until the target's close()
 *
 * Compares it with the store of the same rank in struct ublk_dev_opts, if there
 * are any. It may be larger than before.
 *
 * Return: 0; -ESTALE with a message if it is another store or shorter; other
 * negative errno
 */
int ublk_dev_add_store(struct ublk_dev *dev, const char *name, int fd);

/**
 * ublk_dev_get_store - the present identity of a store of the target
 * @dev: handle
 * @nr: rank in the order of ublk_dev_add_store(), from 0
 * @store: receives the identity; its name belongs to @dev
 *
 * Return: 0, -ENOENT after the last one, or another negative errno
 */
int ublk_dev_get_store(const struct ublk_dev *dev, unsigned int nr,
		       struct ublk_store *store);

/**
 * ublk_dev_recovers - is the handle for ublk_dev_recover()
 * @dev: handle
 *
 * Return: what UBLK_DEV_RECOVER in struct ublk_dev_opts says; a target must not
 * make a new store then
 */
bool ublk_dev_recovers(const struct ublk_dev *dev);

/**
 * ublk_dev_add - create the device: new -> added
 * @dev: handle
 *
 * Return: 0 or negative errno; -EEXIST when the number is taken
 */
int ublk_dev_add(struct ublk_dev *dev);

/**
 * ublk_dev_recover - take over a device without a server: new -> added
 * @dev: handle, made with the number and the buffer size of the device
 *
 * Takes the place of ublk_dev_add(). Number of queues, depth, features and
 * parameters are those of the device (L-51); the target must offer the same
 * blocks, at least the size, and writing if the disk is writable. Waits some
 * seconds for the end of an old server. If this or a later step fails, the
 * device waits for another server.
 *
 * Return: 0; -EBUSY while it is served; -EINVAL when it was not added with
 * UBLK_F_USER_RECOVERY or the target does not fit; others
 */
int ublk_dev_recover(struct ublk_dev *dev);

/**
 * ublk_dev_configure - open the char device, set parameters, map the
 *	descriptors: added -> configured
 * @dev: handle
 *
 * A recovered device keeps its parameters.
 *
 * Return: 0 or negative errno
 */
int ublk_dev_configure(struct ublk_dev *dev);

/**
 * ublk_dev_start_threads - start the threads: configured -> ready
 * @dev: handle
 *
 * A separate step for a caller that writes down how to recover the device, with
 * the threads, before requests arrive.
 *
 * Return: 0 or negative errno; on failure no thread is left
 */
int ublk_dev_start_threads(struct ublk_dev *dev);

/**
 * ublk_dev_start - start the disk, and the threads before it: configured or
 *	ready -> started
 * @dev: handle
 *
 * Return: 0 or negative errno; on failure no thread is left
 */
int ublk_dev_start(struct ublk_dev *dev);

/**
 * ublk_dev_event_fd - descriptor that gets readable when a thread has ended
 * @dev: handle, started
 *
 * Return: descriptor; it belongs to @dev
 */
int ublk_dev_event_fd(const struct ublk_dev *dev);

/**
 * ublk_dev_failed - did a thread end for another reason than a stop
 * @dev: handle, started
 *
 * Return: 0, or the negative errno of its failure with a message
 */
int ublk_dev_failed(struct ublk_dev *dev);

/**
 * ublk_dev_wait - wait until all threads have ended: started -> stopped
 * @dev: handle
 *
 * For a device that another process stopped or deleted. Sends no command.
 *
 * Return: 0 or -EPERM
 */
int ublk_dev_wait(struct ublk_dev *dev);

/**
 * ublk_dev_detach - end the threads at once: ready or started -> stopped
 * @dev: handle
 *
 * Has the effect of the process's death: the recovery features of the device
 * say what the driver does with requests and disk. For handing over a device,
 * or for leaving one after ublk_dev_failed(). Sends no command.
 * Requests that the target has stay with it, see struct ublk_io.
 *
 * Return: 0 or -EPERM
 */
int ublk_dev_detach(struct ublk_dev *dev);

/**
 * ublk_dev_stop - remove the disk, end the threads: started -> stopped
 * @dev: handle
 *
 * Waits until the target has completed its requests, like STOP_DEV. May also be
 * called after another process stopped or deleted the device, or after
 * ublk_dev_failed().
 *
 * Return: 0 or negative errno; the threads have ended in any case
 */
int ublk_dev_stop(struct ublk_dev *dev);

/**
 * ublk_dev_del - delete the device
 * @dev: handle, added or later but not started
 *
 * Return: 0, also if another process deleted it; or negative errno
 */
int ublk_dev_del(struct ublk_dev *dev);

/**
 * ublk_dev_free - release the handle and the target
 * @dev: handle or NULL, not started
 *
 * Memory of requests that the target has not completed is freed with the last
 * one, see struct ublk_io.
 */
void ublk_dev_free(struct ublk_dev *dev);

/**
 * ublk_dev_ctrl - control handle of a device
 * @dev: handle
 *
 * Return: handle that belongs to @dev
 */
struct ublk_ctrl *ublk_dev_ctrl(struct ublk_dev *dev);

/**
 * ublk_dev_info - what the driver granted
 * @dev: handle
 *
 * Return: the requested values before ublk_dev_add(), the granted ones after
 * it; in the target's open() the features of the mode are not there yet
 */
const struct ublksrv_ctrl_dev_info *ublk_dev_info(const struct ublk_dev *dev);

/**
 * ublk_dev_params - parameters that ublk_dev_configure() will set
 * @dev: handle
 *
 * Return: parameters; target open() fills them
 */
struct ublk_params *ublk_dev_params(struct ublk_dev *dev);

/**
 * ublk_dev_queue_tid - thread that serves a queue
 * @dev: handle, ready or started
 * @qid: queue
 *
 * Return: thread id
 */
pid_t ublk_dev_queue_tid(const struct ublk_dev *dev, unsigned int qid);

/**
 * ublk_dev_thread_tid - one of the threads that serve a queue
 * @dev: handle, ready or started
 * @qid: queue
 * @thread: below ublk_dev_io_threads()
 *
 * Return: thread id
 */
pid_t ublk_dev_thread_tid(const struct ublk_dev *dev, unsigned int qid,
			  unsigned int thread);

/**
 * ublk_dev_io_threads - threads per hardware queue
 * @dev: handle
 *
 * Return: 1 or more
 */
unsigned int ublk_dev_io_threads(const struct ublk_dev *dev);

/**
 * ublk_dev_mode_reason - why the library chose the mode that it chose
 * @dev: handle
 *
 * The mode itself shows in the flags of ublk_dev_info().
 *
 * Return: text without newline; "" if the caller named the mode, or if the
 * fastest one was possible
 */
const char *ublk_dev_mode_reason(const struct ublk_dev *dev);

/**
 * ublk_dev_set_priv - attach the target's device data
 * @dev: handle
 * @priv: pointer for ublk_dev_priv()
 */
void ublk_dev_set_priv(struct ublk_dev *dev, void *priv);

/**
 * ublk_dev_priv - the target's device data
 * @dev: handle
 *
 * Return: what ublk_dev_set_priv() got
 */
void *ublk_dev_priv(const struct ublk_dev *dev);

/* ---- Counters (stat.c) -------------------------------------------------- */

/*
 * Each thread counts its requests, always. The counters are in a memfd of the
 * server, which any process that may look at it finds in /proc: no file can be
 * left behind by a server that has died, and one that is stuck need not answer.
 */

/* Rows of counters. */
enum ublk_stat_op {
	UBLK_STAT_READ,
	UBLK_STAT_WRITE,	/* zone appends, too */
	UBLK_STAT_FLUSH,
	UBLK_STAT_DISCARD,
	UBLK_STAT_WRITE_ZEROES,
	UBLK_STAT_OTHER,	/* on zones */
	UBLK_STAT_OPS,
};

#define UBLK_STAT_ROWS		8
#define UBLK_STAT_BUCKETS	60

/**
 * struct ublk_stat - counters of one thread of a queue
 * @taken: requests that the driver has delivered
 * @ended: requests whose end was sent to the driver; the target or the library has
 *	the others
 * @max_in_flight: most requests that were delivered and not ended at a time
 * @turn: when the last timed turn of the thread's loop began, ns of CLOCK_MONOTONIC
 * @turns: turns of the loop, of which about one in 16 is timed; 0 from an older library,
 *	which times all
 * @reserved: 0
 * @ops: counters by enum ublk_stat_op:
 * @ops.requests: requests that have ended
 * @ops.errors: those of them that failed
 * @ops.bytes: bytes of the others: those transferred, or those of a discard; flushes
 *	and operations on zones have none
 * @ops.measured: requests in @ops.latency, see ublk_stat_read()
 * @ops.latency: number i is how many requests took at least 2^i ns and less than
 *	2^(i+1); number 0 has all that took less than a turn of the loop
 */
struct ublk_stat {
	__u64 taken, ended, max_in_flight, turn, turns;
	__u64 reserved[3];
	struct {
		__u64 requests, errors, bytes, measured;
		__u64 latency[UBLK_STAT_BUCKETS];
	} ops[UBLK_STAT_ROWS];
};

/**
 * struct ublk_stat_info - whose counters they are
 * @dev_id: device
 * @pid: server
 * @nr_queues: hardware queues
 * @nr_threads: threads per hardware queue
 * @depth: tags per hardware queue
 * @reserved: 0
 * @flags: UBLK_F_* of the device, which say how data moves
 * @started: when the server began, ns of CLOCK_MONOTONIC
 * @target: name of the target
 */
struct ublk_stat_info {
	__u32 dev_id;
	__s32 pid;
	__u32 nr_queues, nr_threads, depth;
	__u32 reserved;
	__u64 flags;
	__u64 started;
	char target[32];
};

struct ublk_stat_reader;

/**
 * ublk_stat_open - find the counters of a device that any process serves
 * @pid: server
 * @id: device
 * @reader: receives the handle
 *
 * Asks neither the driver nor the server. Needs the right to look at the server's
 * /proc/PID/fd, as its user and root have.
 *
 * Return: 0; -ENOENT if the process has none, -ESRCH if there is none; another
 * negative errno
 */
int ublk_stat_open(pid_t pid, __u32 id, struct ublk_stat_reader **reader);

/**
 * ublk_stat_get_info - whose counters they are
 * @reader: handle
 *
 * Return: facts that belong to @reader
 */
const struct ublk_stat_info *
ublk_stat_get_info(const struct ublk_stat_reader *reader);

/**
 * ublk_stat_read_size - what ublk_stat_read() calls
 * @reader: handle
 * @qid: queue
 * @thread: of the queue
 * @stat: receives the counters
 * @size: bytes at @stat; the library writes no more
 *
 * Return: 0, or -EINVAL for a queue or thread that does not exist
 */
int ublk_stat_read_size(const struct ublk_stat_reader *reader, unsigned int qid,
			unsigned int thread, struct ublk_stat *stat, size_t size);

/**
 * ublk_stat_read - the present counters of a thread
 * @reader: handle
 * @qid: queue
 * @thread: of the queue, from 0
 * @stat: receives the counters
 *
 * The thread goes on while they are read, so they may differ by requests that end
 * meanwhile. A latency is the time from the turn of the thread's loop that found the
 * request to the one that found its data transferred; it is measured of the requests
 * that a timed turn finds. A request whose end io_uring sends itself, see
 * ublk_io_complete_after(), counts as ended when it is handed to io_uring; the latency
 * of about one in 128 of them is measured.
 *
 * Return: 0, or -EINVAL for a queue or thread that does not exist
 */
static inline int ublk_stat_read(const struct ublk_stat_reader *reader,
				 unsigned int qid, unsigned int thread,
				 struct ublk_stat *stat)
{
	return ublk_stat_read_size(reader, qid, thread, stat, sizeof(*stat));
}

/**
 * ublk_stat_close - release a handle
 * @reader: handle or NULL
 */
void ublk_stat_close(struct ublk_stat_reader *reader);

/**
 * ublk_dev_stat_size - what ublk_dev_stat() calls
 * @dev: handle
 * @qid: queue
 * @thread: of the queue
 * @stat: receives the counters
 * @size: bytes at @stat; the library writes no more
 *
 * Return: 0, or -EINVAL
 */
int ublk_dev_stat_size(const struct ublk_dev *dev, unsigned int qid,
		       unsigned int thread, struct ublk_stat *stat, size_t size);

/**
 * ublk_dev_stat - as ublk_stat_read(), of a device that this process serves
 * @dev: handle, configured or later
 * @qid: queue
 * @thread: of the queue, from 0
 * @stat: receives the counters
 *
 * Context: any thread.
 * Return: 0, or -EINVAL for a queue or thread that does not exist
 */
static inline int ublk_dev_stat(const struct ublk_dev *dev, unsigned int qid,
				unsigned int thread, struct ublk_stat *stat)
{
	return ublk_dev_stat_size(dev, qid, thread, stat, sizeof(*stat));
}

/* ---- Parameters (params.c) ---------------------------------------------- */

/**
 * ublk_params_init_size - what ublk_params_init() calls
 * @p: parameters
 * @size: bytes at @p; the library writes no more
 * @io_buf_bytes: longest request
 */
void ublk_params_init_size(struct ublk_params *p, size_t size,
			   __u32 io_buf_bytes);

/**
 * ublk_params_init - defaults: 512 byte blocks, no size, nothing optional
 * @p: parameters
 * @io_buf_bytes: longest request
 */
static inline void ublk_params_init(struct ublk_params *p, __u32 io_buf_bytes)
{
	ublk_params_init_size(p, sizeof(*p), io_buf_bytes);
}

/**
 * ublk_params_set_size - set the capacity
 * @p: parameters with the block size set
 * @bytes: capacity
 *
 * Return: 0, or -EINVAL for 0 and for a size that is not whole blocks
 */
int ublk_params_set_size(struct ublk_params *p, __u64 bytes);

/**
 * ublk_params_check - would the driver and the block layer accept them
 * @p: parameters
 * @io_buf_bytes: longest request
 * @features: UBLK_F_* of the device
 *
 * Return: 0 or -EINVAL with a message
 */
int ublk_params_check(const struct ublk_params *p, __u32 io_buf_bytes,
		      __u64 features);

#ifdef __cplusplus
}
#endif

#endif
