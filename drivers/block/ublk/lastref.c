// SPDX-License-Identifier: GPL-2.0
/*
 * Notice that nobody refers to the open char node any more.
 *
 * The session of a server ends with the last reference to the file it has opened
 * (L-20). Of a server that was killed, io_uring drops that reference in a kernel
 * thread, hence the file is released by the one work item that releases such
 * files, of everybody, one after the other. A block device in front of it is
 * released after its dirty pages are written. If that is this disk, the writes
 * wait for the end of a session that waits behind them, and with them all files of
 * the machine that are released in this way (I-51).
 *
 * So the reference count is looked at whenever a server may have gone. Where much
 * speaks for that, or a stop waits, this goes on until the session ends; else, a
 * descriptor being closed for instance, for two seconds.
 */
#include <linux/file_ref.h>
#include <linux/fs.h>
#include <linux/jiffies.h>

#include "ublk.h"

#define UBLK_LASTREF_FIRST_MS	10
#define UBLK_LASTREF_LAST_MS	1000

/*
 * Dead, not FILE_REF_NOREF: a look-up that is under way may bring that back. All
 * that was done with the file has been done.
 */
static bool ublk_lastref_is_dead(struct file *file)
{
	unsigned long refs = atomic_long_read_acquire(&file->f_ref.refcnt);

	return refs >= FILE_REF_RELEASED && refs != FILE_REF_NOREF;
}

/* Whoever takes the file from the device ends the session. */
static void ublk_lastref_take(struct ublk_device *ub)
{
	lockdep_assert_held(&ub->lock);
	ub->file = NULL;
	queue_work(ublk_exit_wq, &ub->exit_work);
}

static void ublk_lastref_queue(struct ublk_device *ub, unsigned int ms)
{
	lockdep_assert_held(&ub->lock);
	ub->lastref_ms = ms;
	ublk_dev_get(ub);
	if (mod_delayed_work(ublk_exit_wq, &ub->lastref_work,
			     msecs_to_jiffies(ms)))
		ublk_dev_put(ub);
}

/**
 * ublk_lastref_release() - the open char node is released
 * @ub: device
 * @file: the node
 *
 * Ends the session unless it was ended before.
 *
 * Context: process context; does not sleep.
 */
void ublk_lastref_release(struct ublk_device *ub, const struct file *file)
{
	guard(spinlock)(&ub->lock);
	if (ub->file == file)
		ublk_lastref_take(ub);
}

/**
 * ublk_lastref_poll() - the server may have gone: look soon, and again
 * @ub: device
 *
 * Context: any but hard interrupts; does not sleep.
 */
void ublk_lastref_poll(struct ublk_device *ub)
{
	guard(spinlock)(&ub->lock);
	if (ub->file)
		ublk_lastref_queue(ub, UBLK_LASTREF_FIRST_MS);
}

/**
 * ublk_lastref_stop() - the session is over: do not look any more
 * @ub: device with another reference
 *
 * Context: process context; does not sleep.
 */
void ublk_lastref_stop(struct ublk_device *ub)
{
	if (cancel_delayed_work(&ub->lastref_work))
		ublk_dev_put(ub);
}

/**
 * ublk_lastref_work() - look whether there is a reference to the open char node
 * @work: ub->lastref_work, with a reference on the device
 */
void ublk_lastref_work(struct work_struct *work)
{
	struct ublk_device *ub = container_of(to_delayed_work(work),
					      struct ublk_device, lastref_work);

	scoped_guard(spinlock, &ub->lock) {
		/* As long as it is there its release has not come this far. */
		struct file *file = ub->file;

		if (!file)
			break;
		if (ublk_lastref_is_dead(file))
			ublk_lastref_take(ub);
		else if (ub->canceled || ub->unmapped ||
			 ublk_stop_pending(ub) ||
			 ub->lastref_ms < UBLK_LASTREF_LAST_MS)
			ublk_lastref_queue(ub, min(2 * ub->lastref_ms,
						   UBLK_LASTREF_LAST_MS));
	}
	ublk_dev_put(ub);
}
