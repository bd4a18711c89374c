// SPDX-License-Identifier: GPL-2.0
/*
 * STOP_DEV, TRY_STOP_DEV, DEL_DEV, DEL_DEV_ASYNC, and module unload.
 *
 * del_gendisk() waits for the server, so a worker calls it. The command waits
 * interruptibly: a signal ends the wait with -EINTR, but not the stop (I-49).
 * Each command takes a ticket; the worker finishes all tickets taken before it
 * began. disk.c removes the disk, cancel.c completes the server's commands.
 */
#include "ublk.h"

/*
 * Have the worker stop the device, or delete it. Return: a ticket to wait for.
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

/* Return: 0, or -EINTR on a signal, with the stop going on. */
static int ublk_stop_wait(struct ublk_device *ub, unsigned int ticket)
{
	if (wait_event_interruptible(ub->wait, ublk_stop_is_done(ub, ticket)))
		return -EINTR;
	return 0;
}

/* Second half of a deletion: no task can open the char node any more (C-73). */
static void ublk_stop_remove_node(struct ublk_device *ub)
{
	lockdep_assert_held(&ub->mutex);
	if (ub->deleted)
		return;
	ub->deleted = true;
	cdev_device_del(&ub->cdev, &ub->cdev_dev);
	/* The reference of the registration. */
	ublk_dev_put(ub);
}

/*
 * Stop the device; the work has a reference to it (L-42). The server gets
 * ENODEV only after the disk is gone, so never while it owns requests (L-43).
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
	if (del) {
		ublk_file_unregister_all(ub);
		ublk_stop_remove_node(ub);
	}
	scoped_guard(spinlock, &ub->lock)
		ub->stop_done = ticket;
	mutex_unlock(&ub->mutex);

	wake_up_all(&ub->wait);
	ublk_dev_put(ub);
}

/*
 * Let no task open the disk any more (C-84, I-46). It is in use if it is open,
 * or if a task holds the open mutex: to open it or to read its partitions.
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

/*
 * TRY_STOP_DEV. Return: 0 with the device stopped; -EBUSY if it was in use;
 * -ENODEV without a disk; -EINTR (C-84, I-46).
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

/* STOP_DEV. Return: 0, also for a DEAD device; -EINTR (C-82, C-83). */
int ublk_stop_dev(struct ublk_ctrl *c)
{
	return ublk_stop_wait(c->ub, ublk_stop_ask(c->ub, false));
}

/* DEL_DEV_ASYNC. Return: 0 with device and node gone; -EINTR (C-70 to C-73). */
int ublk_stop_del_dev_async(struct ublk_ctrl *c)
{
	return ublk_stop_wait(c->ub, ublk_stop_ask(c->ub, true));
}

/*
 * DEL_DEV; drops c->ub. Return: 0 with the number free; -EINTR (C-70 to C-74).
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

/*
 * Module unload: delete all devices (L-63). Every open file holds the module,
 * so none is open and no stop waits for a server.
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
