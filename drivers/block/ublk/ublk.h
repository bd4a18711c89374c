/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ublk driver: objects, layers, locks, and what each file offers the others.
 *
 * A request moves forward through the files:
 *   queue_rq.c -> deliver.c -> (server) -> cmd.c -> commit.h -> complete.c
 * and on a batch device
 *   queue_rq.c -> batch_fetch.c -> deliver.h -> (server) -> batch_commit.c ->
 *   commit.h -> complete.c
 *
 * Layers, from top to bottom; a file calls files of lower lines only:
 *
 *   ublk_drv
 *   ctrl
 *   add info
 *   stop recover quiesce resize
 *   disk
 *   params
 *   perm zoned
 *   server
 *   cmd batch_commit usercopy
 *   dev_cmd cancel queue_rq
 *   timeout hold
 *   threads
 *   batch_fetch
 *   deliver commit
 *   gate
 *   redirect front extent_cmd
 *   extent
 *   lastref buf extent_wait
 *   complete
 *   file
 *   copy shmem
 *   integrity
 *   dev wq debugfs trace
 *
 * Calls that go up, and why:
 *
 *   add -> ublk_drv		/dev/ublk-control is the parent of /dev/ublkcN
 *   server -> disk		the end of a session removes the disk
 *   zoned -> disk		a worker starts a zoned disk, see zoned.c
 *   file -> disk		the search for a disk below itself knows ours by
 *				their operations
 *   gate -> batch_fetch	a held request asks for a waiting fetch command,
 *				the first cancel drains the queues
 *
 * Locks, in the order in which they nest:
 *
 *   ub->mutex		device state, parameters, creation and removal of the
 *			disk. Control commands take it interruptibly. It is
 *			held while a disk is removed and its server finishes its
 *			requests; a worker calls del_gendisk(), so a signal ends
 *			every command's wait for it.
 *   ub->shmem.mutex	registering and unregistering shared memory. Its holder
 *			waits for memory only. Never together with ub->mutex.
 *   ub->extents->mutex	changes of extents, extent.c. Its holder waits for memory only.
 *   ublk_file_mutex	registered files of all devices, file.c. Its holder waits for
 *			memory only.
 *   ub->lock (spin)	the session: server state and pid, fetched tags,
 *			conditions of the queues, the disk pointer. Its holder
 *			never sleeps, so FETCH_REQ and cancellation never wait
 *			for a server.
 *   q->fetchq->lock (spin)
 *			batch devices: queued tags and fetch commands,
 *			batch_fetch.c
 *   lock of ublk_devs (spin)
 *			number -> device, dev.c. Innermost, as is
 *   ublk_perm_lock (spin)
 *			count of unprivileged devices, perm.c
 *
 * No lock over all devices is held while its holder waits for a server: a server
 * that does not answer delays its own device only (I-47).
 *
 * Without a lock:
 *   io->state		changed by the functions of state.h only. A request and a
 *			cancel both leave ARMED by cmpxchg; the winner owns the
 *			command. The task that delivers leaves QUEUED: the daemon
 *			task or, if that task has exited, the one that runs its
 *			task work. The tag's daemon task makes all other
 *			transitions, or the exit work when no command of the
 *			session is left. A timeout takes SERVER by cmpxchg when
 *			that task cannot commit any more, the exit work by xchg.
 *			On a batch device, which has no daemon task, a commit
 *			leaves SERVER by cmpxchg. Its tags are armed without a
 *			command, so the exit work waits for every queue_rq that
 *			may have seen the gate open.
 *   q->gate		written under ub->lock, read by queue_rq. It is closed
 *			before commands are canceled; a request that read the
 *			old value fails to claim a tag and reads the gate again.
 *			A request is held under ub->lock, so it cannot miss the
 *			next change.
 *   io->refs		references to a delivered request, logic/refs.h. The task
 *			that brings it to zero ends the request, and must not
 *			touch the tag any more: the session may be over.
 */
#ifndef UBLK_H
#define UBLK_H

#include <linux/blk-mq.h>
#include <linux/cdev.h>
#include <linux/io_uring/cmd.h>
#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <linux/ublk_cmd.h>

#include <ublk_hooks.h>

#include "logic/device.h"
#include "logic/gate_rules.h"
#include "logic/elem.h"
#include "logic/features.h"
#include "logic/limits.h"
#include "logic/pos.h"
#include "logic/redirect.h"
#include "logic/refs.h"
#include "logic/tag.h"

/*
 * What this driver implements: GET_FEATURES returns it, ADD_DEV drops other bits.
 * A kernel without zoned block devices knows ZONED as well (F-4).
 */
#define UBLK_F_SUPPORTED						\
	((UBLK_F_URING_CMD_COMP_IN_TASK | UBLK_F_NEED_GET_DATA |	\
	  UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE |		\
	  UBLK_F_UNPRIVILEGED_DEV | UBLK_F_CMD_IOCTL_ENCODE |		\
	  UBLK_F_USER_RECOVERY_FAIL_IO | UBLK_F_UPDATE_SIZE |		\
	  UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_USER_COPY |			\
	  UBLK_F_AUTO_BUF_REG | UBLK_F_BUF_REG_OFF_DAEMON |		\
	  UBLK_F_QUIESCE | UBLK_F_PER_IO_DAEMON | UBLK_F_BATCH_IO |	\
	  UBLK_F_SAFE_STOP_DEV | UBLK_F_NO_AUTO_PART_SCAN |		\
	  UBLK_F_SHMEM_ZC | UBLK_F_IO_DESC_SIZE | UBLK_F_ZONED |	\
	  UBLK_F_REDIRECT |						\
	  (IS_ENABLED(CONFIG_64BIT) ? UBLK_F_EXTENTS : 0) |		\
	  (IS_ENABLED(CONFIG_BLK_DEV_INTEGRITY) ? UBLK_F_INTEGRITY : 0)) & \
	 ~UBLK_HOOK_UNAVAILABLE)

/* What this kernel can grant. */
#define UBLK_F_GRANTED							\
	(IS_ENABLED(CONFIG_BLK_DEV_ZONED) ? UBLK_F_SUPPORTED :		\
					    UBLK_F_SUPPORTED & ~UBLK_F_ZONED)

#define UBLK_MAX_DEVICES	BIT(MINORBITS)

/*
 * For what a caller may ask for in any number: charged to its memory cgroup, whose
 * limit vmalloc() would report in the kernel log each time.
 */
#define UBLK_GFP_LARGE		(GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

struct ublk_device;
struct ublk_extent;
struct ublk_extent_wait;
struct ublk_fetchq;
struct ublk_files;
struct ublk_front;
struct ublk_queue;
struct ublk_shmem_buf;

/**
 * struct ublk_io - one tag
 * @state: &enum ublk_tag_state
 * @delivered: bytes of the request that the server can serve, in SERVER; or, in
 *	QUEUED, UBLK_IO_POSTED
 * @cmd: the command the driver holds, in ARMED and QUEUED
 * @req: the request, in QUEUED, NEED_DATA and SERVER
 * @task: daemon task, with a reference; set by FETCH_REQ until the session ends
 * @addr: the server's buffer, given by the last command that carried one
 * @reg: with AUTO_BUF_REG: what the last command said about registration
 * @refs: references to the request, see logic/refs.h; 0 while no request with
 *	data is delivered, and always in copy mode
 * @task_refs: the daemon task's part of them
 * @flags: UBLK_IO_*, from delivery to commit
 * @buf_slot: where the request is registered, with UBLK_IO_AUTO_REG
 * @exec_id: of @task when it fetched the tag: a program that it executes later
 *	is not the server
 * @buf_ring: in which ring, with UBLK_IO_AUTO_REG; compared only
 *
 * Each has its own cache line, as other CPUs use the neighbouring tags.
 */
struct ublk_io {
	unsigned int		state;
	unsigned int		delivered;
	struct io_uring_cmd	*cmd;
	struct request		*req;
	struct task_struct	*task;
	union {
		u64			addr;
		struct ublk_auto_buf_reg reg;
	};
	atomic_t		refs;
	unsigned int		task_refs;
	u16			flags;
	u16			buf_slot;
	u32			exec_id;
	void			*buf_ring;
} ____cacheline_aligned_in_smp;

/*
 * In QUEUED: task work of the daemon has the request, and those linked to it. No
 * number of bytes, so a value that is left from before is none.
 */
#define UBLK_IO_POSTED		UINT_MAX

/* The driver registered the request's pages in @buf_slot of @buf_ring. */
#define UBLK_IO_AUTO_REG	0x1

/**
 * struct ublk_rq - the driver's part of a request
 * @shmem: shared memory buffer that the data lies in, from delivery to the end;
 *	else NULL
 * @result: what the server committed, while references keep the request open
 * @nr_zones: how many zones a zone report asks for
 */
struct ublk_rq {
	struct ublk_shmem_buf	*shmem;
	int			result;
	unsigned int		nr_zones;
};

/* Segments that are gathered for a ring at once: 2 MiB of single pages. */
#define UBLK_QUEUE_BVECS	512

/**
 * struct ublk_queue - one hardware queue
 * @ub: device
 * @descs: descriptor area, mapped read-only by the server
 * @ops: bit per operation of the block layer that a server is asked for
 * @qid: index
 * @depth: number of tags
 * @desc_size: bytes per descriptor slot
 * @driver_copies: copy mode: the driver moves the data
 * @auto_reg: data is registered in the server's ring at delivery
 * @need_get_data: writes are announced first
 * @gate: &enum ublk_gate, the cached answer of ublk_gate_decide()
 * @shmem: shared memory is registered, so requests are looked up
 * @bvecs_busy: bit 0 locks @bvecs
 * @bvecs: room for the segments of one request, with @auto_reg
 * @fetchq: delivery of a batch device, else NULL
 * @cond: UBLK_COND_*, under ub->lock
 * @nr_fetched: tags fetched in this session, under ub->lock
 * @io: the tags
 *
 * Constant after ADD_DEV up to @need_get_data.
 */
struct ublk_queue {
	struct ublk_device	*ub;
	void			*descs;
	u64			ops;
	u16			qid;
	u16			depth;
	u16			desc_size;
	bool			driver_copies;
	bool			auto_reg;
	bool			need_get_data;
	u8			gate;
	bool			shmem;
	unsigned long		bvecs_busy;
	struct bio_vec		*bvecs;
	struct ublk_fetchq	*fetchq;

	unsigned int		cond;
	unsigned int		nr_fetched;

	struct ublk_io		io[];
};

/**
 * enum ublk_quiesce_state - QUIESCE_DEV in a session
 * @UBLK_QUIESCE_NONE: not asked for, or undone
 * @UBLK_QUIESCE_WAITING: queues closed, no command answered yet
 * @UBLK_QUIESCE_ANSWERING: commands are being answered with ENODEV
 * @UBLK_QUIESCE_ANSWERED: every waiting command was answered; those armed later are
 *	answered as they come
 */
enum ublk_quiesce_state {
	UBLK_QUIESCE_NONE,
	UBLK_QUIESCE_WAITING,
	UBLK_QUIESCE_ANSWERING,
	UBLK_QUIESCE_ANSWERED
};

/**
 * struct ublk_shmem - the shared memory registered with a device
 * @mutex: see the top of this file
 * @spans: page number -> part of a buffer; read under RCU
 * @bufs: index -> buffer, or the serial number of one that is about to go
 * @serial: tells buffers apart that have had the same index, under @mutex
 * @nr: buffers that requests are looked up in, under @mutex
 */
struct ublk_shmem {
	struct mutex		mutex;	/* register, unregister */
	struct maple_tree	spans;
	struct xarray		bufs;
	unsigned long		serial;
	unsigned int		nr;
};

/**
 * struct ublk_file - a file that requests can be redirected to
 * @file: the file, with a reference
 * @bdev: if it is a block device, else NULL
 * @backing: what logic/redirect.h has to know of it
 * @iocb_flags: of every kiocb
 * @nowait: IO can be issued without waiting
 * @max_sectors: the most that a block device takes at once
 * @ub: device, with a reference
 * @release_work: puts @file
 * @rcu: frees this
 * @queues: queues whose count is not zero, and extents
 * @extents: extents that lie on it
 * @queue: per queue, requests in flight, and one while the file is registered
 */
struct ublk_file {
	struct file		*file;
	struct block_device	*bdev;
	struct ublk_backing	backing;
	int			iocb_flags;
	bool			nowait;
	unsigned int		max_sectors;
	struct ublk_device	*ub;
	struct work_struct	release_work;
	struct rcu_head		rcu;
	atomic_t		queues;
	atomic_t		extents;
	struct {
		refcount_t	refs;
	} ____cacheline_aligned_in_smp queue[];
};

/**
 * struct ublk_extents - the extents of a device
 * @mutex: see the top of this file
 * @tree: sector of the disk -> extent; read under RCU
 * @nr: extents in @tree, under @mutex
 * @closed: none is accepted, as somebody waits for those in use, under @mutex
 * @in_use: extents in @tree, and those that bios in flight still use
 */
struct ublk_extents {
	struct mutex		mutex;	/* changes */
	struct maple_tree	tree;
	unsigned int		nr;
	bool			closed;
	atomic_t		in_use;
};

/**
 * struct ublk_device - one device
 * @info: numbers and flags given at ADD_DEV; state and pid are kept elsewhere
 * @policy: recovery policy, from @info.flags
 * @tag_set: shared by all disks this device has in its life
 * @queues: info.nr_hw_queues queues
 * @cdev: /dev/ublkcN
 * @cdev_dev: its device; its reference count is that of this memory
 * @refs: users of the device, see dev.c
 * @release: called when @refs is zero
 * @mutex: see the top of this file
 * @state: UBLK_S_DEV_*; written under @mutex and @lock
 * @params: parameters, under @mutex
 * @serial: tells devices apart that have had the same number
 * @stop_work: removes the disk and, if asked to, the char node
 * @stop_asked: stops asked for, under @lock
 * @stop_done: the value of @stop_asked that is done, under @lock
 * @exit_work: ends a session
 * @free_work: frees @tag_set, when the device is gone
 * @lastref_work: polls for the end of a session
 * @scan_work: reads the partition table
 * @quiesce_work: answers commands that are armed after QUIESCE_DEV
 * @hold_work: ends the time for which requests are held
 * @hold_timeout: that time in seconds, 0 for no end; under @lock
 * @hold_until: its end in jiffies, under @lock
 * @lock: see the top of this file
 * @server: &enum ublk_server_state, under @lock
 * @session: counts opens of the char node, under @lock
 * @file: the open char node of this session, no reference; until its last reference
 *	is known to be gone, under @lock
 * @lastref_ms: delay of @lastref_work, under @lock
 * @opener: process that opened the char node in this session, under @lock
 * @opener_exec_id: of that process at that time, under @lock
 * @threads: threads whose exit is waited for, under @lock, threads.c
 * @threads_work: takes requests away from threads that have exited
 * @recorded: process recorded by START_DEV, under @lock
 * @nr_ready: queues that are ready, under @lock
 * @canceled: a command was canceled in this session, under @lock
 * @unprivileged_daemons: a thread without CAP_SYS_ADMIN fetched, under @lock
 * @mm: address space bound by the first mmap, compared only, under @lock
 * @unmapped: a mapping of this session has gone, under @lock
 * @disk: the disk, also while it is only held open after a stop; under @lock,
 *	stable under @mutex while @state is not DEAD
 * @rq_disk: the disk with the tags, as long as @disk: the same, or hidden behind it
 * @quiesce: how far QUIESCE_DEV is in this session, under @lock
 * @refuse_opens: TRY_STOP_DEV found no opener; set under disk->open_mutex,
 *	cleared before the next disk is there
 * @timeout_kill: a server that does not answer in time is killed
 * @unprivileged: counted as an unprivileged device, under ublk_perm_lock
 * @delete_asked: DEL_DEV was asked for, under @lock
 * @deleted: the char node is gone, under @mutex
 * @shmem: shared memory buffers
 * @files: registered files, file.c; NULL without UBLK_F_REDIRECT and UBLK_F_EXTENTS
 * @nr_files: registered ones, which @params fit, under @lock
 * @nr_open_files: those that are not put yet, under @lock
 * @file_search: the last search that came here, under ublk_file_mutex
 * @redirect_wq: for redirected requests that may wait
 * @extents: extents, extent.c; NULL without UBLK_F_EXTENTS
 * @front: of the disk in front, front.c; likewise
 * @debugfs: its debugfs directory
 * @wait: for changes of @server, @stop_done, @state, @shmem, @nr_open_files and
 *	@extents
 */
struct ublk_device {
	struct ublksrv_ctrl_dev_info info;
	enum ublk_policy	policy;
	struct blk_mq_tag_set	tag_set;
	struct ublk_queue	**queues;

	struct cdev		cdev;
	struct device		cdev_dev;
	refcount_t		refs;
	void			(*release)(struct ublk_device *ub);

	struct mutex		mutex;	/* state, params, disk */
	unsigned int		state;
	struct ublk_params	params;

	u64			serial;

	struct work_struct	stop_work;
	unsigned int		stop_asked;
	unsigned int		stop_done;
	struct work_struct	exit_work;
	struct work_struct	free_work;
	struct delayed_work	lastref_work;
	struct work_struct	scan_work;
	struct delayed_work	quiesce_work;
	struct delayed_work	hold_work;

	spinlock_t		lock;	/* the session */
	enum ublk_server_state	server;
	unsigned int		session;
	struct file		*file;
	unsigned int		lastref_ms;
	struct pid		*opener;
	u32			opener_exec_id;
	struct list_head	threads;
	struct work_struct	threads_work;
	struct pid		*recorded;
	unsigned int		nr_ready;
	bool			canceled;
	bool			unprivileged_daemons;
	void			*mm;
	bool			unmapped;
	struct gendisk		*disk;
	struct gendisk		*rq_disk;
	enum ublk_quiesce_state	quiesce;
	unsigned int		hold_timeout;
	unsigned long		hold_until;
	bool			refuse_opens;
	bool			timeout_kill;
	bool			unprivileged;
	bool			delete_asked;
	bool			deleted;

	struct ublk_shmem	shmem;
	struct ublk_files	*files;
	unsigned int		nr_files;
	unsigned int		nr_open_files;
	u64			file_search;
	struct workqueue_struct	*redirect_wq;
	struct ublk_extents	*extents;
	struct ublk_front	*front;
	struct dentry		*debugfs;

	wait_queue_head_t	wait;
};

/**
 * struct ublk_cmd_pdu - the driver's part of an I/O command of a per-tag device
 * @io: the tag that it arms
 */
struct ublk_cmd_pdu {
	struct ublk_io		*io;
};

static inline struct ublk_cmd_pdu *ublk_cmd_pdu(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct ublk_cmd_pdu);
}

/**
 * ublk_io_is_daemon() - is the calling task the tag's daemon task?
 * @io: tag
 *
 * A task that has executed another program since it fetched the tag is not.
 * ublk_timeout_request() relies on it: such a task never commits.
 * Return: true if its commands are those of the tag's daemon.
 */
static __always_inline bool ublk_io_is_daemon(const struct ublk_io *io)
{
	return READ_ONCE(io->task) == current &&
	       io->exec_id == (u32)current->self_exec_id;
}

/**
 * ublk_task_is_dying() - will a task not deliver requests any more?
 * @task: task of a server
 *
 * It has begun to exit, or is being killed and so cannot fault in its memory.
 * Return: true if requests must not be given to it.
 */
static inline bool ublk_task_is_dying(struct task_struct *task)
{
	return READ_ONCE(task->flags) & PF_EXITING || fatal_signal_pending(task);
}

static inline bool ublk_has(const struct ublk_device *ub, u64 feature)
{
	return ub->info.flags & feature;
}

static inline struct ublk_rq *ublk_rq(struct request *req)
{
	return blk_mq_rq_to_pdu(req);
}

static inline struct ublksrv_io_desc *ublk_desc(struct ublk_queue *q,
						unsigned int tag)
{
	return q->descs + (size_t)tag * q->desc_size;
}

/* ublk_drv.c */
extern struct miscdevice ublk_control_misc;

/* ctrl.c */
int ublk_ctrl_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

/**
 * ublk_opcode_ok() - is the type byte of an opcode known? (C-7)
 * @cmd_op: opcode
 * Return: true for encoded opcodes, and for legacy ones if the kernel has them.
 */
static inline bool ublk_opcode_ok(u32 cmd_op)
{
	unsigned int type = _IOC_TYPE(cmd_op);

	if (likely(type == 'u'))
		return true;
	return IS_ENABLED(CONFIG_BLKDEV_UBLK_LEGACY_OPCODES) && type == 0;
}

/**
 * struct ublk_ctrl - a control command being executed
 * @ub: device, with a reference; NULL for ADD_DEV
 * @cmd: the command, read once; addr and len are past the path, if any
 */
struct ublk_ctrl {
	struct ublk_device	*ub;
	struct ublksrv_ctrl_cmd	cmd;
};

/* add.c */
extern const struct class ublk_chr_class;
extern dev_t ublk_chr_devt;
int ublk_add_dev(struct ublk_ctrl *c);

/* stop.c */
int ublk_stop_dev(struct ublk_ctrl *c);
int ublk_stop_try(struct ublk_ctrl *c);
int ublk_stop_del_dev(struct ublk_ctrl *c);
int ublk_stop_del_dev_async(struct ublk_ctrl *c);
void ublk_stop_del_all(void);
void ublk_stop_work(struct work_struct *work);

/**
 * ublk_stop_pending() - is a stop under way?
 * @ub: device
 * Context: ub->lock held.
 * Return: true from when a command asks for a stop until the worker has done it.
 */
static inline bool ublk_stop_pending(struct ublk_device *ub)
{
	lockdep_assert_held(&ub->lock);
	return ub->stop_asked != ub->stop_done;
}

/* recover.c */
int ublk_recover_start(struct ublk_ctrl *c);
int ublk_recover_end(struct ublk_ctrl *c);

/* quiesce.c */
int ublk_quiesce_dev(struct ublk_ctrl *c);
void ublk_quiesce_work(struct work_struct *work);

/* info.c */
int ublk_info_get_dev_info(struct ublk_ctrl *c);
int ublk_info_get_affinity(struct ublk_ctrl *c);
int ublk_info_get_features(struct ublk_ctrl *c);

/* disk.c */
bool ublk_disk_is_ours(const struct gendisk *disk);
int ublk_disk_start(struct ublk_ctrl *c);
int ublk_disk_try_start(struct ublk_device *ub, unsigned int session);
void ublk_disk_remove(struct ublk_device *ub);
void ublk_disk_scan_work(struct work_struct *work);

/* perm.c */
int ublk_perm_check(struct ublk_ctrl *c, unsigned int nr, int mask);
bool ublk_perm_may_open(const struct ublk_device *ub);
int ublk_perm_charge(struct ublk_device *ub);
void ublk_perm_uncharge(struct ublk_device *ub);

/* params.c */
int ublk_params_set(struct ublk_ctrl *c);
int ublk_params_get(struct ublk_ctrl *c);
void ublk_params_to_limits(const struct ublk_device *ub,
			   struct queue_limits *lim);

/* zoned.c */
#ifdef CONFIG_BLK_DEV_ZONED
void ublk_zoned_limits(const struct ublk_param_zoned *p,
		       struct queue_limits *lim);
int ublk_zoned_report(struct gendisk *disk, sector_t sector,
		      unsigned int nr_zones, struct blk_report_zones_args *args);
bool ublk_zoned_may_resize(struct gendisk *disk, u64 sectors);
int ublk_zoned_start(struct ublk_device *ub, unsigned int session);
#else
/* Never called: no device has UBLK_F_ZONED (C-51i). */
#define ublk_zoned_report	NULL

static inline void ublk_zoned_limits(const struct ublk_param_zoned *p,
				     struct queue_limits *lim)
{
}

static inline bool ublk_zoned_may_resize(struct gendisk *disk, u64 sectors)
{
	return false;
}

static inline int ublk_zoned_start(struct ublk_device *ub, unsigned int session)
{
	return -EOPNOTSUPP;
}
#endif

/* server.c */
extern const struct file_operations ublk_server_fops;
extern const struct file_operations ublk_server_batch_fops;
int ublk_server_wait(struct ublk_device *ub, int pid, unsigned int *session);
bool ublk_server_stopping(struct ublk_device *ub);
void ublk_server_exit_work(struct work_struct *work);

/* cmd.c */
int ublk_cmd_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* batch_commit.c */
int ublk_batch_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* usercopy.c */
ssize_t ublk_usercopy_read(struct kiocb *iocb, struct iov_iter *iter);
ssize_t ublk_usercopy_write(struct kiocb *iocb, struct iov_iter *iter);

/* threads.c */
int ublk_threads_watch(struct ublk_device *ub);
void ublk_threads_check(struct ublk_device *ub);
void ublk_threads_stop(struct ublk_device *ub);
void ublk_threads_work(struct work_struct *work);

/* cancel.c */
void ublk_cancel_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
void ublk_cancel_fetch(struct io_uring_cmd *cmd, unsigned int issue_flags);
bool ublk_cancel_armed(struct ublk_device *ub);
void ublk_cancel_requests(struct ublk_device *ub);

/* queue_rq.c */
extern const struct blk_mq_ops ublk_queue_mq_ops;
u64 ublk_queue_ops(u64 features);

/* timeout.c */
extern const struct attribute_group ublk_timeout_group;
enum blk_eh_timer_return ublk_timeout_request(struct request *req);

/* hold.c */
extern const struct attribute_group ublk_hold_group;
void ublk_hold_begin(struct ublk_device *ub);
void ublk_hold_end(struct ublk_device *ub);
void ublk_hold_work(struct work_struct *work);

/* batch_fetch.c */
int ublk_batch_fetch_init(struct ublk_queue *q, int node);
void ublk_batch_fetch_free(struct ublk_queue *q);
void ublk_batch_fetch_reset(struct ublk_queue *q);
void ublk_batch_fetch_post(struct ublk_queue *q, struct request *reqs);
void ublk_batch_fetch_drain(struct ublk_queue *q);
bool ublk_batch_fetch_served(struct ublk_queue *q);
int ublk_batch_fetch_issue(struct ublk_queue *q, struct io_uring_cmd *cmd,
			   u16 group, unsigned int issue_flags);
void ublk_batch_fetch_cancel(struct io_uring_cmd *cmd,
			     unsigned int issue_flags);
void ublk_batch_fetch_close(struct ublk_queue *q);
void ublk_batch_fetch_thread_gone(struct ublk_queue *q);

/* deliver.c */
void ublk_deliver_post(struct ublk_io *io, struct request *reqs);
void ublk_deliver_thread_gone(struct ublk_queue *q);
int ublk_deliver_get_data(struct ublk_queue *q, struct ublk_io *io);

/* commit.c */
void ublk_commit_undo(struct ublk_queue *q, struct ublk_io *io,
		      struct io_uring_cmd *cmd, unsigned int issue_flags);

/* gate.c */
void ublk_gate_close(struct ublk_device *ub, unsigned int cond);
void ublk_gate_cancel(struct ublk_device *ub);
void ublk_gate_reopen(struct ublk_device *ub);
void ublk_gate_fetched(struct ublk_queue *q);
void ublk_gate_live(struct ublk_device *ub);
void ublk_gate_recovered(struct ublk_device *ub);
void ublk_gate_abort(struct ublk_device *ub);
void ublk_gate_kick(struct ublk_device *ub);
bool ublk_gate_may_hold(struct request *req);
bool ublk_gate_hold(struct ublk_queue *q, struct request *req);
void ublk_gate_gone(struct ublk_device *ub, struct request *req);
void ublk_gate_undelivered(struct ublk_queue *q, struct request *req,
			   unsigned int session);

/* resize.c */
int ublk_resize_dev(struct ublk_ctrl *c);

/* lastref.c */
void ublk_lastref_release(struct ublk_device *ub, const struct file *file);
void ublk_lastref_poll(struct ublk_device *ub);
void ublk_lastref_stop(struct ublk_device *ub);
void ublk_lastref_work(struct work_struct *work);

/* redirect.c */
int ublk_redirect_init(void);
void ublk_redirect_exit(void);
unsigned int ublk_redirect_size(const struct ublk_device *ub);
int ublk_redirect_commit(struct ublk_queue *q, struct ublk_io *io,
			 struct io_uring_cmd *cmd, unsigned int index, u64 pos,
			 unsigned int issue_flags);
int ublk_redirect_batch(struct ublk_queue *q, struct io_uring_cmd *cmd,
			unsigned int nr, unsigned int issue_flags);

/* front.c */
int ublk_front_init(struct ublk_device *ub);
void ublk_front_exit(struct ublk_device *ub);
void ublk_front_submit_bio(struct bio *bio);

/* dev_cmd.c */
int ublk_dev_cmd(struct ublk_device *ub, struct io_uring_cmd *cmd,
		 unsigned int issue_flags);

/* extent_cmd.c */
int ublk_extent_cmd(struct ublk_device *ub, struct io_uring_cmd *cmd,
		    const struct ublk_extents_cmd *c, unsigned int issue_flags);

/* extent.c */
int ublk_extent_init(struct ublk_device *ub);
void ublk_extent_exit(struct ublk_device *ub);
struct ublk_extent *ublk_extent_get(struct ublk_device *ub, u64 first, u64 last,
				    u16 right);
void ublk_extent_put(struct ublk_extent *e);
const struct ublk_file *ublk_extent_file(const struct ublk_extent *e);
u64 ublk_extent_offset(const struct ublk_extent *e);
bool ublk_extent_retries(const struct ublk_extent *e);
int ublk_extent_set(struct ublk_device *ub, const struct ublk_extent_elem *elem,
		    unsigned int nr, struct ublk_extent_wait *wait,
		    unsigned int *done);
void ublk_extent_close(struct ublk_device *ub);
void ublk_extent_wait_unused(struct ublk_device *ub);
void ublk_extent_open(struct ublk_device *ub);

/* extent_wait.c */
struct ublk_extent_wait *ublk_extent_wait_alloc(void);
void ublk_extent_wait_get(struct ublk_extent_wait *w);
void ublk_extent_wait_put(struct ublk_extent_wait *w);
int ublk_extent_wait_end(struct ublk_extent_wait *w, struct io_uring_cmd *cmd,
			 int result, unsigned int issue_flags);
void ublk_extent_wait_cancel(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* file.c */
int ublk_file_init(struct ublk_device *ub);
void ublk_file_exit(struct ublk_device *ub);
int ublk_file_cmd(struct ublk_device *ub, unsigned int nr,
		  const struct ublk_file_cmd *c);
struct ublk_file *ublk_file_get(const struct ublk_queue *q, unsigned int index);
void ublk_file_put(struct ublk_file *f, const struct ublk_queue *q);
struct ublk_file *ublk_file_pin(struct ublk_device *ub, unsigned int index);
void ublk_file_pin_again(struct ublk_file *f);
void ublk_file_unpin(struct ublk_file *f);
int ublk_file_check_exclusive(const struct ublk_file *f);
void ublk_file_unregister_all(struct ublk_device *ub);
void ublk_file_end_session(struct ublk_device *ub);

/* buf.c */
int ublk_buf_auto_register(struct ublk_queue *q, struct ublk_io *io,
			   struct request *req, struct io_uring_cmd *cmd,
			   unsigned int issue_flags);
bool ublk_buf_get(struct ublk_io *io);
void ublk_buf_put(struct ublk_io *io);
void ublk_buf_wait_idle(const struct ublk_io *io);
int ublk_buf_register(struct ublk_io *io, struct io_uring_cmd *cmd,
		      unsigned int index, unsigned int issue_flags);
int ublk_buf_register_remote(struct ublk_queue *q, struct ublk_io *io,
			     struct io_uring_cmd *cmd, unsigned int index,
			     unsigned int issue_flags);
int ublk_buf_unregister(struct ublk_device *ub, struct io_uring_cmd *cmd,
			unsigned int index, unsigned int issue_flags);

/**
 * ublk_buf_put_owner() - a commit drops the server's reference (D-103)
 * @io: tag with references; armed again already, or owned by the caller
 * @task_refs: the daemon's part, taken out of @io before it was armed
 * Context: any task that executes a commit.
 * Return: true if the caller has to end the request, false if the last reference
 * does.
 */
static inline bool ublk_buf_put_owner(struct ublk_io *io, unsigned int task_refs)
{
	return atomic_sub_and_test(ublk_refs_collapse(task_refs), &io->refs);
}

/* complete.c */
void ublk_complete_status(struct request *req, blk_status_t status);
void ublk_complete_collected(struct io_comp_batch *iob);
void ublk_complete(struct request *req, int res, unsigned int delivered,
		   struct io_comp_batch *iob);
void ublk_complete_nocopy(struct request *req, int res,
			  struct io_comp_batch *iob);
void ublk_complete_redirected(struct request *req, int res,
			      struct io_comp_batch *iob);

/*
 * The committing task unregisters what the driver registered for this request.
 * A commit on another ring leaves the slot to the server, and the request open
 * until the server clears it (D-130, D-131).
 *
 * An io-wq worker waits for the lock of the ring. Its holder may wait for one of
 * the requests collected in @iob, which is NULL if there are none.
 */
static __always_inline void ublk_buf_commit(struct ublk_io *io,
					    struct io_uring_cmd *cmd,
					    unsigned int issue_flags,
					    struct io_comp_batch *iob)
{
	if (!(io->flags & UBLK_IO_AUTO_REG))
		return;
	io->flags &= ~UBLK_IO_AUTO_REG;
	if (io->buf_ring != io_uring_cmd_ctx_handle(cmd))
		return;
	if (iob && unlikely(issue_flags & IO_URING_F_UNLOCKED))
		ublk_complete_collected(iob);
	io_buffer_unregister(cmd, io->buf_slot, issue_flags);
}

/* copy.c */
unsigned int ublk_copy_to_server(const struct request *req, u64 addr,
				 unsigned int len);
int ublk_copy_from_server(const struct request *req, u64 addr, int res);
size_t ublk_copy_iter(const struct request *req, size_t off,
		      struct iov_iter *iter, bool to_server);
void ublk_copy_zero(const struct request *req, size_t off);

/* shmem.c */
void ublk_shmem_init(struct ublk_device *ub);
void ublk_shmem_destroy(struct ublk_device *ub);
int ublk_shmem_reg(struct ublk_ctrl *c);
int ublk_shmem_unreg(struct ublk_ctrl *c);
bool ublk_shmem_match(struct ublk_queue *q, struct request *req, u64 *addr);
void ublk_shmem_put_buf(struct request *req);

/**
 * ublk_shmem_put() - a delivered request ends, is held or is requeued
 * @req: request
 */
static inline void ublk_shmem_put(struct request *req)
{
	if (unlikely(ublk_rq(req)->shmem))
		ublk_shmem_put_buf(req);
}

/* integrity.c */
#ifdef CONFIG_BLK_DEV_INTEGRITY
void ublk_integrity_limits(const struct ublk_param_integrity *p,
			   struct queue_limits *lim);
int ublk_integrity_len(const struct request *req);
size_t ublk_integrity_copy(const struct request *req, size_t off,
			   struct iov_iter *iter, bool to_server);
#else
/* Never reached with a request: no device has UBLK_F_INTEGRITY (D-142). */
static inline void ublk_integrity_limits(const struct ublk_param_integrity *p,
					 struct queue_limits *lim)
{
}

static inline int ublk_integrity_len(const struct request *req)
{
	return -EINVAL;
}

static inline size_t ublk_integrity_copy(const struct request *req, size_t off,
					 struct iov_iter *iter, bool to_server)
{
	return 0;
}
#endif

/* dev.c */
struct ublk_device *ublk_dev_get_by_id(u32 id);
struct ublk_device *ublk_dev_get_next(unsigned long *id);
void ublk_dev_put(struct ublk_device *ub);
int ublk_dev_reserve_id(struct ublk_device *ub, u32 want);
void ublk_dev_publish(struct ublk_device *ub);
void ublk_dev_release_id(u32 id);
int ublk_dev_wait_free(u32 id, u64 serial);
void ublk_dev_wait_none(void);

/**
 * ublk_dev_get_unless_gone() - take a reference without having one
 * @ub: device whose memory is valid
 * Return: false if the last reference is gone.
 */
static inline bool ublk_dev_get_unless_gone(struct ublk_device *ub)
{
	return refcount_inc_not_zero(&ub->refs);
}

static inline void ublk_dev_get(struct ublk_device *ub)
{
	refcount_inc(&ub->refs);
}

/* wq.c */
extern struct workqueue_struct *ublk_stop_wq;
extern struct workqueue_struct *ublk_exit_wq;
extern struct workqueue_struct *ublk_scan_wq;
extern struct workqueue_struct *ublk_file_wq;
int ublk_wq_init(void);
void ublk_wq_exit(void);

/* debugfs.c */
#ifdef CONFIG_DEBUG_FS
void ublk_debugfs_add(struct ublk_device *ub);
void ublk_debugfs_remove(struct ublk_device *ub);
void ublk_debugfs_init(void);
void ublk_debugfs_exit(void);
#else
static inline void ublk_debugfs_add(struct ublk_device *ub)
{
}

static inline void ublk_debugfs_remove(struct ublk_device *ub)
{
}

static inline void ublk_debugfs_init(void)
{
}

static inline void ublk_debugfs_exit(void)
{
}
#endif

#endif
