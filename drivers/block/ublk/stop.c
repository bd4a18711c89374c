// SPDX-License-Identifier: GPL-2.0
/*
 * STOP_DEV, and the first half of every deletion.
 *
 * Removing a disk waits for its server, so a worker does it: a command that
 * asked for it waits interruptibly, and what it asked for happens all the same
 * (I-49).
 * Callers take a ticket; the worker finishes all tickets given before it began.
 *
 * The removal itself is in disk.c, taking commands back in cancel.c.
 */
#include "ublk.h"

/**
 * ublk_stop_pending() - is a stop under way?
 * @ub: device
 *
 * Context: ub->lock held.
 * Return: true from ublk_stop_ask() until the worker is done.
 */
bool ublk_stop_pending(struct ublk_device *ub)
{
	lockdep_assert_held(&ub->lock);
	return ub->stop_asked != ub->stop_done;
}

/**
 * ublk_stop_ask() - have the device stopped
 * @ub: device; the worker takes a reference of its own
 * @del: remove the char node as well
 *
 * Context: process context; does not sleep.
 * Return: a ticket to wait for.
 */
unsigned int ublk_stop_ask(struct ublk_device *ub, bool del)
{
	unsigned int ticket;

	scoped_guard(spinlock, &ub->lock) {
		ticket = ++ub->stop_asked;
		if (del)
			ub->delete_asked = true;
	}
	ublk_lastref_poll(ub);
	ublk_dev_get(ub);
	if (!queue_work(ublk_stop_wq, &ub->stop_work))
		ublk_dev_put(ub);
	return ticket;
}

static bool ublk_stop_is_done(struct ublk_device *ub, unsigned int ticket)
{
	guard(spinlock)(&ub->lock);
	return (int)(ub->stop_done - ticket) >= 0;
}

/**
 * ublk_stop_wait() - wait for a stop
 * @ub: device
 * @ticket: from ublk_stop_ask()
 *
 * Context: may sleep.
 * Return: 0, or -EINTR on a signal; the stop goes on in that case.
 */
int ublk_stop_wait(struct ublk_device *ub, unsigned int ticket)
{
	if (wait_event_interruptible(ub->wait, ublk_stop_is_done(ub, ticket)))
		return -EINTR;
	return 0;
}

/**
 * ublk_stop_wait_unkillable() - wait for a stop, for module unload
 * @ub: device without a server
 * @ticket: from ublk_stop_ask()
 *
 * Context: may sleep.
 */
void ublk_stop_wait_unkillable(struct ublk_device *ub, unsigned int ticket)
{
	wait_event(ub->wait, ublk_stop_is_done(ub, ticket));
}

/**
 * ublk_stop_work() - stop the device (L-42)
 * @work: ub->stop_work, with a reference on the device
 *
 * The server gets ENODEV only after the disk is gone, hence never while it owns
 * requests (L-43).
 */
void ublk_stop_work(struct work_struct *work)
{
	struct ublk_device *ub =
		container_of(work, struct ublk_device, stop_work);
	unsigned int ticket;
	bool del;

	mutex_lock(&ub->mutex);
	scoped_guard(spinlock, &ub->lock) {
		ticket = ub->stop_asked;
		del = ub->delete_asked;
	}
	ublk_disk_remove(ub);
	if (ublk_server_stopping(ub))
		ublk_cancel_armed(ub);
	if (del)
		ublk_dev_remove_node(ub);
	scoped_guard(spinlock, &ub->lock)
		ub->stop_done = ticket;
	mutex_unlock(&ub->mutex);

	wake_up_all(&ub->wait);
	ublk_dev_put(ub);
}

/*
 * Nobody has the disk open, and nobody will (C-84, I-46). An open mutex that is
 * taken means somebody opens the disk or reads its partitions: it is in use.
 */
static int ublk_stop_refuse_opens(struct ublk_device *ub)
{
	struct gendisk *disk = ub->disk;
	int ret = 0;

	lockdep_assert_held(&ub->mutex);
	if (ub->state == UBLK_S_DEV_DEAD)
		return -ENODEV;
	if (!mutex_trylock(&disk->open_mutex))
		return -EBUSY;
	if (disk_openers(disk))
		ret = -EBUSY;
	else
		ub->refuse_opens = true;
	mutex_unlock(&disk->open_mutex);
	return ret;
}

/**
 * ublk_stop_try() - TRY_STOP_DEV (C-84, I-46)
 * @c: command
 *
 * Context: may sleep.
 * Return: 0 if the device was not in use and is stopped; -EBUSY if it is in use;
 * -ENODEV without a disk; -EINTR on a signal, with the stop going on.
 */
int ublk_stop_try(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	int ret;

	if (mutex_lock_interruptible(&ub->mutex))
		return -EINTR;
	ret = ublk_stop_refuse_opens(ub);
	mutex_unlock(&ub->mutex);
	if (ret)
		return ret;
	return ublk_stop_wait(ub, ublk_stop_ask(ub, false));
}

/**
 * ublk_stop_dev() - STOP_DEV (C-82, C-83)
 * @c: command
 *
 * Context: may sleep.
 * Return: 0, also for a device that is DEAD; -EINTR on a signal, with the stop
 * going on.
 */
int ublk_stop_dev(struct ublk_ctrl *c)
{
	return ublk_stop_wait(c->ub, ublk_stop_ask(c->ub, false));
}
