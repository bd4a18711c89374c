// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/ublkcN and the session of a server: open, mmap, readiness, end.
 *
 * A session lasts from an open of the node until the exit work has finished,
 * which follows the last reference to the open node (L-20, lastref.c). ub->lock
 * protects all of its state. Its commands are in cmd.c and batch_commit.c.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/sched/task.h>
#include <linux/vmalloc.h>

#include "ublk.h"
#include "state.h"
#include "trace.h"

/* Is the server ready or stopping? With none, wait for the next one. */
static bool ublk_server_settled(struct ublk_device *ub)
{
	guard(spinlock)(&ub->lock);
	return ub->server == UBLK_SERVER_READY ||
	       ub->server == UBLK_SERVER_STOPPING;
}

/*
 * Wait until the server is ready or stopping; the caller checks which. @pid, in
 * the caller's pid namespace, must be that of the process which opened the char
 * node in this session (C-75d, C-75e, C-95a, C-95b). @session is set to that
 * session; another one may have begun when the caller takes its lock. Sleeps,
 * without any lock. Return: 0, -EINTR on a signal, -EINVAL for another process.
 */
int ublk_server_wait(struct ublk_device *ub, int pid, unsigned int *session)
{
	struct pid *p;
	bool opener;

	if (wait_event_interruptible(ub->wait, ublk_server_settled(ub)))
		return -EINTR;

	p = pid > 0 ? find_get_pid(pid) : NULL;
	scoped_guard(spinlock, &ub->lock) {
		opener = p && p == ub->opener;
		*session = ub->session;
	}
	put_pid(p);
	return opener ? 0 : -EINVAL;
}

/*
 * The device is stopped: nothing starts in this session. No effect while the
 * node is not open (L-41). Does not sleep. Return: true if the server's
 * commands can be canceled: it cannot fetch until the session ends, which needs
 * ub->mutex.
 */
bool ublk_server_stopping(struct ublk_device *ub)
{
	guard(spinlock)(&ub->lock);
	ub->server = ublk_server_next(ub->server, UBLK_SERVER_EV_STOP);
	wake_up_all(&ub->wait);
	return ub->server == UBLK_SERVER_STOPPING;
}

static int ublk_server_open(struct inode *inode, struct file *file)
{
	struct ublk_device *ub =
		container_of(inode->i_cdev, struct ublk_device, cdev);
	int next;

	/* A node of the same number may outlive the device, see dev.c. */
	if (!ublk_dev_get_unless_gone(ub))
		return -ENXIO;
	scoped_guard(spinlock, &ub->lock) {
		next = ublk_server_next(ub->server, UBLK_SERVER_EV_OPEN);
		if (next >= 0) {
			ub->server = next;
			ub->file = file;
			ub->opener = get_pid(task_tgid(current));
			ub->opener_exec_id = current->self_exec_id;
			WRITE_ONCE(ub->session, ub->session + 1);
		}
	}
	if (next < 0) {
		ublk_dev_put(ub);
		return next;
	}

	/* The session holds the module as long as the reference. */
	__module_get(THIS_MODULE);
	file->private_data = ub;
	/* A user copy waits for page faults only, see usercopy.c. */
	file->f_mode |= FMODE_NOWAIT;
	return 0;
}

static int ublk_server_release(struct inode *inode, struct file *file)
{
	ublk_lastref_release(file->private_data, file);
	return 0;
}

/* A process closes a descriptor, or exits. */
static int ublk_server_flush(struct file *file, fl_owner_t id)
{
	ublk_lastref_poll(file->private_data);
	return 0;
}

/* Usually the server has exited. */
static void ublk_server_unmap(struct vm_area_struct *vma)
{
	struct ublk_device *ub = vma->vm_file->private_data;

	scoped_guard(spinlock, &ub->lock)
		ub->unmapped = true;
	ublk_lastref_poll(ub);
}

static const struct vm_operations_struct ublk_server_vm_ops = {
	.close	= ublk_server_unmap,
};

/* remap_vmalloc_range() wants an area of vmalloc_user(), which charges nobody. */
static int ublk_server_map(struct vm_area_struct *vma, void *descs)
{
	unsigned long addr;
	int ret = 0;

	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	for (addr = vma->vm_start; addr < vma->vm_end && !ret; addr += PAGE_SIZE) {
		ret = vm_insert_page(vma, addr, vmalloc_to_page(descs));
		descs += PAGE_SIZE;
	}
	return ret;
}

/* The mapping keeps the file open, and so the area valid (D-5 to D-11). */
static int ublk_server_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ublk_device *ub = file->private_data;
	const struct ublksrv_ctrl_dev_info *info = &ub->info;
	u64 off = (u64)vma->vm_pgoff << PAGE_SHIFT;
	int qid;

	scoped_guard(spinlock, &ub->lock) {
		if (!ub->mm)
			ub->mm = current->mm;
		if (ub->mm != current->mm)
			return -EINVAL;
	}

	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_clear(vma, VM_MAYWRITE);

	qid = ublk_pos_mmap_queue(off, vma->vm_end - vma->vm_start,
				  info->nr_hw_queues, info->queue_depth,
				  info->io_desc_size, PAGE_SIZE);
	if (qid < 0)
		return qid;
	vma->vm_ops = &ublk_server_vm_ops;
	qid = array_index_nospec(qid, info->nr_hw_queues);
	return ublk_server_map(vma, ub->queues[qid]->descs);
}

static void ublk_server_reset_queue(struct ublk_queue *q)
{
	unsigned int tag;

	for (tag = 0; tag < q->depth; tag++) {
		struct ublk_io *io = &q->io[tag];
		struct task_struct *task = io->task;

		/* ublk_timeout_request() may be looking at the task. */
		scoped_guard(spinlock, &q->ub->lock)
			WRITE_ONCE(io->task, NULL);
		if (task)
			put_task_struct(task);
		ublk_state_gone(q, io);
		io->cmd = NULL;
		io->req = NULL;
		io->addr = 0;
		io->flags = 0;
	}
	q->nr_fetched = 0;
	ublk_batch_fetch_reset(q);
}

/* Reset the session (L-20, step 6); q->cond stays until the queue is ready. */
static void ublk_server_reset(struct ublk_device *ub)
{
	struct pid *opener;
	unsigned int qid;

	for (qid = 0; qid < ub->info.nr_hw_queues; qid++)
		ublk_server_reset_queue(ub->queues[qid]);
	ublk_extent_open(ub);

	scoped_guard(spinlock, &ub->lock) {
		opener = ub->opener;
		ub->opener = NULL;
		ub->mm = NULL;
		ub->unmapped = false;
		ub->nr_ready = 0;
		ub->unprivileged_daemons = false;
		WRITE_ONCE(ub->quiesce, UBLK_QUIESCE_NONE);
		WRITE_ONCE(ub->canceled, false);
		/* Last: now the node can be opened again. */
		ub->server = ublk_server_next(ub->server, UBLK_SERVER_EV_RESET);
	}
	put_pid(opener);
}

/* Set the state of a device that has lost its server (L-20, step 5). */
static void ublk_server_gone(struct ublk_device *ub)
{
	int next;

	lockdep_assert_held(&ub->mutex);
	next = ublk_device_next(ub->state, UBLK_DEV_EV_SERVER_GONE, ub->policy);
	if (next == UBLK_S_DEV_DEAD) {
		ublk_disk_remove(ub);
		return;
	}
	scoped_guard(spinlock, &ub->lock) {
		if (ub->state != next)
			trace_ublk_device(ub, next);
		WRITE_ONCE(ub->state, next);
		ublk_hold_begin(ub);
		if (next != UBLK_S_DEV_FAIL_IO)
			return;
		/*
		 * Close again what an unfinished recovery made ready. A device
		 * whose time for held requests has ended may hold some again.
		 */
		ublk_gate_close(ub, UBLK_COND_FAILING);
		ublk_gate_kick(ub);
	}
}

/*
 * End a session (L-20). Requests are ended before ub->mutex is taken, because
 * its holder may be waiting for them.
 */
void ublk_server_exit_work(struct work_struct *work)
{
	struct ublk_device *ub =
		container_of(work, struct ublk_device, exit_work);

	ublk_lastref_stop(ub);
	ublk_threads_stop(ub);
	/*
	 * A server that owned every tag had no command to be canceled, and a
	 * batch server may have sent none. If the server was ready, START_DEV
	 * may be about to add the disk.
	 */
	scoped_guard(spinlock, &ub->lock) {
		WRITE_ONCE(ub->canceled, true);
		if (ub->disk || ub->server == UBLK_SERVER_READY)
			ublk_gate_close(ub, UBLK_COND_CANCELING);
	}
	/* Tags of a batch device are armed: a request may be claiming one. */
	if (ublk_has(ub, UBLK_F_BATCH_IO))
		synchronize_rcu();
	ublk_cancel_requests(ub);
	ublk_extent_close(ub);
	ublk_file_end_session(ub);
	/* Held requests meet the closed gate: they are held again or fail. */
	scoped_guard(spinlock, &ub->lock)
		ublk_gate_kick(ub);

	scoped_guard(mutex, &ub->mutex) {
		ublk_server_gone(ub);
		ublk_server_reset(ub);
	}
	wake_up_all(&ub->wait);
	ublk_dev_put(ub);
	module_put(THIS_MODULE);
}

const struct file_operations ublk_server_fops = {
	.owner		= THIS_MODULE,
	.open		= ublk_server_open,
	.flush		= ublk_server_flush,
	.release	= ublk_server_release,
	.mmap		= ublk_server_mmap,
	.read_iter	= ublk_usercopy_read,
	.write_iter	= ublk_usercopy_write,
	.uring_cmd	= ublk_cmd_uring_cmd,
};

const struct file_operations ublk_server_batch_fops = {
	.owner		= THIS_MODULE,
	.open		= ublk_server_open,
	.flush		= ublk_server_flush,
	.release	= ublk_server_release,
	.mmap		= ublk_server_mmap,
	.read_iter	= ublk_usercopy_read,
	.write_iter	= ublk_usercopy_write,
	.uring_cmd	= ublk_batch_uring_cmd,
};
