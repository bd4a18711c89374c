// SPDX-License-Identifier: GPL-2.0
/*
 * <debugfs>/ublk/N/state: what a device, its queues and its tags are doing, as
 * text for finding out why a request or a command makes no progress.
 *
 * The directory exists as long as the device has a number, also while a
 * deletion waits. Removing it waits for readers, so a reader always has a
 * device. One record is printed at a time, under ub->lock: records are not of
 * the same moment, and a reader does not wait for the server. Built with
 * CONFIG_DEBUG_FS only.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "ublk.h"
#include "logic/op.h"
#include "logic/refs.h"

static struct dentry *ublk_debugfs_root;

static const char *const ublk_debugfs_policies[] = {
	[UBLK_POLICY_STOP]	= "stop",
	[UBLK_POLICY_HOLD]	= "hold",
	[UBLK_POLICY_REISSUE]	= "reissue",
	[UBLK_POLICY_FAIL]	= "fail",
};

static const char *const ublk_debugfs_servers[] = {
	[UBLK_SERVER_NONE]	= "none",
	[UBLK_SERVER_FETCHING]	= "fetching",
	[UBLK_SERVER_READY]	= "ready",
	[UBLK_SERVER_STOPPING]	= "stopping",
};

static const char *const ublk_debugfs_quiesces[] = {
	[UBLK_QUIESCE_NONE]	 = "none",
	[UBLK_QUIESCE_WAITING]	 = "waiting",
	[UBLK_QUIESCE_ANSWERING] = "answering",
	[UBLK_QUIESCE_ANSWERED]	 = "answered",
};

static const char *const ublk_debugfs_gates[] = {
	[UBLK_GATE_GO]		= "go",
	[UBLK_GATE_HOLD]	= "hold",
	[UBLK_GATE_FAIL]	= "fail",
	[UBLK_GATE_FAIL_REMOTE]	= "fail_remote",
};

static void ublk_debugfs_device(struct seq_file *m, struct ublk_device *ub)
{
	lockdep_assert_held(&ub->lock);
	seq_printf(m, "device %u state %s flags 0x%llx policy %s\n",
		   ub->info.dev_id, ublk_device_name(ub->state), ub->info.flags,
		   ublk_debugfs_policies[ub->policy]);
	seq_printf(m, "server %s pid %d recorded %d session %u ready %u/%u%s\n",
		   ublk_debugfs_servers[ub->server], pid_nr(ub->opener),
		   pid_nr(ub->recorded), ub->session, ub->nr_ready,
		   ub->info.nr_hw_queues, ub->canceled ? " canceled" : "");
	seq_printf(m, "disk %s quiesce %s stops %u/%u shmem %u%s%s\n",
		   ub->disk ? "present" : "none",
		   ublk_debugfs_quiesces[ub->quiesce], ub->stop_done,
		   ub->stop_asked, READ_ONCE(ub->shmem.nr),
		   ub->refuse_opens ? " refuse_opens" : "",
		   ub->delete_asked ? " delete_asked" : "");
	if (ub->extents)
		seq_printf(m, "extents %u in_use %d\n", READ_ONCE(ub->extents->nr),
			   atomic_read(&ub->extents->in_use));
}

static void ublk_debugfs_queue(struct seq_file *m, struct ublk_queue *q)
{
	lockdep_assert_held(&q->ub->lock);
	seq_printf(m, "queue %u gate %s fetched %u/%u%s%s%s\n", q->qid,
		   ublk_debugfs_gates[q->gate], q->nr_fetched, q->depth,
		   q->cond & UBLK_COND_CANCELING ? " canceling" : "",
		   q->cond & UBLK_COND_ABORTING ? " aborting" : "",
		   q->cond & UBLK_COND_FAILING ? " failing" : "");
}

/* References other than the owner's; also after a commit (state R). */
static u32 ublk_debugfs_refs(const struct ublk_io *io, bool owned)
{
	u32 refs = atomic_read(&io->refs);

	if (!refs || !owned)
		return refs;
	return refs + READ_ONCE(io->task_refs) - ublk_refs_init();
}

static void ublk_debugfs_tag(struct seq_file *m, struct ublk_queue *q,
			     unsigned int tag)
{
	const struct ublk_io *io = &q->io[tag];
	unsigned int state = READ_ONCE(io->state);
	bool owned = ublk_tag_is_owned(state);
	u32 refs = ublk_debugfs_refs(io, owned);

	lockdep_assert_held(&q->ub->lock);
	seq_printf(m, "  tag %u %s", tag, ublk_tag_name(state));
	if (io->task)
		seq_printf(m, " task %d", task_pid_nr(io->task));
	if (owned) {
		const struct ublksrv_io_desc *iod = ublk_desc(q, tag);

		seq_printf(m, " %s sector %llu count %u",
			   ublk_op_name(ublksrv_get_op(iod)),
			   READ_ONCE(iod->start_sector),
			   READ_ONCE(iod->nr_sectors));
	}
	if (refs)
		seq_printf(m, " refs %u", refs);
	seq_putc(m, '\n');
}

/* Record 0 is the device; each queue has one, and then its tags. */
static void *ublk_debugfs_record(struct ublk_device *ub, loff_t *pos)
{
	loff_t records = 1 + (loff_t)ub->info.nr_hw_queues *
			     (1 + ub->info.queue_depth);

	return *pos < records ? pos : NULL;
}

static void *ublk_debugfs_start(struct seq_file *m, loff_t *pos)
{
	return ublk_debugfs_record(m->private, pos);
}

static void *ublk_debugfs_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	cond_resched();
	return ublk_debugfs_record(m->private, pos);
}

static void ublk_debugfs_stop(struct seq_file *m, void *v)
{
}

static int ublk_debugfs_show(struct seq_file *m, void *v)
{
	struct ublk_device *ub = m->private;
	unsigned int per_queue = 1 + ub->info.queue_depth;
	unsigned int record = *(loff_t *)v;
	struct ublk_queue *q;

	guard(spinlock)(&ub->lock);
	if (!record) {
		ublk_debugfs_device(m, ub);
		return 0;
	}
	record--;
	q = ub->queues[record / per_queue];
	if (record % per_queue)
		ublk_debugfs_tag(m, q, record % per_queue - 1);
	else
		ublk_debugfs_queue(m, q);
	return 0;
}

static const struct seq_operations ublk_debugfs_state_sops = {
	.start	= ublk_debugfs_start,
	.next	= ublk_debugfs_next,
	.stop	= ublk_debugfs_stop,
	.show	= ublk_debugfs_show,
};
DEFINE_SEQ_ATTRIBUTE(ublk_debugfs_state);

/* The device is complete but for its node. To have no debugfs is no error. */
void ublk_debugfs_add(struct ublk_device *ub)
{
	char name[12];

	snprintf(name, sizeof(name), "%u", ub->info.dev_id);
	ub->debugfs = debugfs_create_dir(name, ublk_debugfs_root);
	debugfs_create_file("state", 0400, ub->debugfs, ub,
			    &ublk_debugfs_state_fops);
}

/* The device still has its number and all its parts. Waits for readers. */
void ublk_debugfs_remove(struct ublk_device *ub)
{
	debugfs_remove(ub->debugfs);
}

void ublk_debugfs_init(void)
{
	ublk_debugfs_root = debugfs_create_dir("ublk", NULL);
}

void ublk_debugfs_exit(void)
{
	debugfs_remove(ublk_debugfs_root);
}
