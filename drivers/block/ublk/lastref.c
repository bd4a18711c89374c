// SPDX-License-Identifier: GPL-2.0
/*
 * Poll for the last reference to the open char node; it ends the session.
 *
 * When a server is killed, io_uring drops the last reference from a kernel
 * thread, so the final fput() goes through delayed_fput(): one work item that
 * releases files system-wide, one at a time. If the release of this disk is in
 * front of the char node, it writes dirty pages back, and these writes wait for
 * the end of the session behind them (I-51).
 *
 * So the reference count is polled when a server may have gone: until the
 * session ends (L-20) if a command was canceled, a mapping is gone or a stop is
 * waiting; after a plain close() for two seconds.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>

#include "ublk.h"

#define UBLK_LASTREF_FIRST_MS	10
#define UBLK_LASTREF_LAST_MS	1000

/* The caller that sets ub->file to NULL decides that the session ends. */
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

/* The char node is released: end the session, unless polling has ended it. */
void ublk_lastref_release(struct ublk_device *ub, const struct file *file)
{
	guard(spinlock)(&ub->lock);
	if (ub->file == file)
		ublk_lastref_take(ub);
}

/* The server may have gone: begin to poll. Any context but hard interrupts. */
void ublk_lastref_poll(struct ublk_device *ub)
{
	guard(spinlock)(&ub->lock);
	if (ub->file)
		ublk_lastref_queue(ub, UBLK_LASTREF_FIRST_MS);
}

/* The session is over: stop polling. The caller has another reference. */
void ublk_lastref_stop(struct ublk_device *ub)
{
	if (cancel_delayed_work(&ub->lastref_work))
		ublk_dev_put(ub);
}

/* Poll once; the work has a reference to the device. */
void ublk_lastref_work(struct work_struct *work)
{
	struct ublk_device *ub = container_of(to_delayed_work(work),
					      struct ublk_device, lastref_work);

	scoped_guard(spinlock, &ub->lock) {
		/* The release clears ub->file, so the memory is valid. */
		struct file *file = ub->file;

		if (!file)
			break;
		if (ublk_hook_file_is_dead(file))
			ublk_lastref_take(ub);
		else if (ub->canceled || ub->unmapped ||
			 ublk_stop_pending(ub) ||
			 ub->lastref_ms < UBLK_LASTREF_LAST_MS)
			ublk_lastref_queue(ub, min(2 * ub->lastref_ms,
						   UBLK_LASTREF_LAST_MS));
	}
	ublk_dev_put(ub);
}
