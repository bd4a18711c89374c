// SPDX-License-Identifier: GPL-2.0
/*
 * STOP_DEV, TRY_STOP_DEV, DEL_DEV, DEL_DEV_ASYNC, and deletion at module unload.
 *
 * del_gendisk() waits for the server, so a worker calls it. The command waits
 * interruptibly: a signal ends the wait, not the stop (I-49). Each command takes
 * a ticket; the worker finishes all tickets that were taken before it began.
 *
 * disk.c removes the disk, cancel.c completes the server's commands.
 */
#include "ublk.h"

/*
 * Have the worker stop the device, and with @del remove its char node as well.
 * Return: a ticket to wait for.
 */
static unsigned int ublk_stop_ask(struct ublk_device *ub, bool del)
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

/* Return: 0, or -EINTR on a signal; the stop goes on in that case. */
static int ublk_stop_wait(struct ublk_device *ub, unsigned int ticket)
{
	if (wait_event_interruptible(ub->wait, ublk_stop_is_done(ub, ticket)))
		return -EINTR;
	return 0;
}

/* Second half of a deletion: nobody can open the char node any more (C-73). */
static void ublk_stop_remove_node(struct ublk_device *ub)
{
	lockdep_assert_held(&ub->mutex);
	if (ub->deleted)
		return;
	ub->deleted = true;
	ublk_perm_uncount(ub);
	cdev_device_del(&ub->cdev, &ub->cdev_dev);
	/* The reference of the registration. */
	ublk_dev_put(ub);
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
		ublk_stop_remove_node(ub);
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

/**
 * ublk_stop_del_dev_async() - DEL_DEV_ASYNC (C-70 to C-73)
 * @c: command
 *
 * Context: may sleep.
 * Return: 0 when the device is stopped and its node gone; -EINTR on a signal,
 * with the deletion going on.
 */
int ublk_stop_del_dev_async(struct ublk_ctrl *c)
{
	return ublk_stop_wait(c->ub, ublk_stop_ask(c->ub, true));
}

/**
 * ublk_stop_del_dev() - DEL_DEV (C-70 to C-74)
 * @c: command; its reference to the device is dropped here
 *
 * Context: may sleep.
 * Return: 0 when the number is free again; -EINTR on a signal, with the deletion
 * going on.
 */
int ublk_stop_del_dev(struct ublk_ctrl *c)
{
	u32 id = c->ub->info.dev_id;
	u64 serial = c->ub->serial;
	int ret = ublk_stop_del_dev_async(c);

	if (ret)
		return ret;
	ublk_dev_put(c->ub);
	c->ub = NULL;
	return ublk_dev_wait_free(id, serial);
}

/**
 * ublk_stop_del_all() - module unload: delete all devices (L-63)
 *
 * Every open file holds the module, so none is open: no stop waits for a server.
 *
 * Context: may sleep.
 */
void ublk_stop_del_all(void)
{
	struct ublk_device *ub;
	unsigned long id;

	for (id = 0; (ub = ublk_dev_get_next(&id)); id++) {
		unsigned int ticket = ublk_stop_ask(ub, true);

		wait_event(ub->wait, ublk_stop_is_done(ub, ticket));
		ublk_dev_put(ub);
	}
	ublk_dev_wait_none();
}
