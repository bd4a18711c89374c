// SPDX-License-Identifier: GPL-2.0
/*
 * Devices by number, and references to them.
 *
 * ub->refs is held by the registration (until deletion), the session of a
 * server (until its exit work is done), the disk including its openers, pending
 * work, and every control command (L-60). A device can be found by its number
 * until the last of them is gone.
 *
 * The reference count of ub->cdev_dev keeps only the memory of the structure.
 * It is held by ub->refs, and by a char node whose release may come long after
 * its session has ended (I-51).
 */
#include <linux/xarray.h>

#include "ublk.h"

/* Number to device; the entry is reserved while ADD_DEV makes the device. */
static DEFINE_XARRAY_ALLOC(ublk_devs);
static DECLARE_WAIT_QUEUE_HEAD(ublk_devs_wait);
/* Under the lock of ublk_devs. */
static u64 ublk_serial;

/* Return: the device with a reference, or NULL. Any context. */
struct ublk_device *ublk_dev_get_by_id(u32 id)
{
	struct ublk_device *ub;

	/* The lock keeps the memory until a reference is taken or refused. */
	xa_lock(&ublk_devs);
	ub = xa_load(&ublk_devs, id);
	if (ub && !ublk_dev_get_unless_gone(ub))
		ub = NULL;
	xa_unlock(&ublk_devs);
	return ub;
}

/*
 * As ublk_dev_get_by_id(), for the first device from @id on; @id is set to it.
 */
struct ublk_device *ublk_dev_get_next(unsigned long *id)
{
	struct ublk_device *ub;

	xa_for_each_start(&ublk_devs, *id, ub, *id) {
		ub = ublk_dev_get_by_id(*id);
		if (ub)
			return ub;
	}
	return NULL;
}

/* Drop a reference; the device may be gone afterwards. May sleep. */
void ublk_dev_put(struct ublk_device *ub)
{
	if (refcount_dec_and_test(&ub->refs))
		ub->release(ub);
}

/*
 * Reserve number @want, or the lowest free one for U32_MAX; a lookup does not
 * find it yet (C-51f, C-51g). May sleep. Return: 0; -EEXIST, -ENOSPC, -ENOMEM.
 */
int ublk_dev_reserve_id(struct ublk_device *ub, u32 want)
{
	struct xa_limit limit = XA_LIMIT(want, want);
	u32 id;
	int ret;

	if (want == U32_MAX)
		limit = XA_LIMIT(0, UBLK_MAX_DEVICES - 1);
	ret = xa_alloc(&ublk_devs, &id, NULL, limit, GFP_KERNEL);
	if (ret == -EBUSY)
		return want == U32_MAX ? -ENOSPC : -EEXIST;
	if (ret)
		return ret;
	ub->info.dev_id = id;
	return 0;
}

/* From here on a lookup finds the device, whose number is reserved. */
void ublk_dev_publish(struct ublk_device *ub)
{
	xa_lock(&ublk_devs);
	ub->serial = ++ublk_serial;
	/* The entry exists, so this allocates no memory. */
	__xa_store(&ublk_devs, ub->info.dev_id, ub, GFP_NOWAIT);
	xa_unlock(&ublk_devs);
}

void ublk_dev_release_id(u32 id)
{
	xa_erase(&ublk_devs, id);
	wake_up_all(&ublk_devs_wait);
}

/* Does the number still belong to the device with this serial number? */
static bool ublk_dev_id_busy(u32 id, u64 serial)
{
	struct ublk_device *ub;
	bool busy;

	xa_lock(&ublk_devs);
	ub = xa_load(&ublk_devs, id);
	busy = ub && ub->serial == serial;
	xa_unlock(&ublk_devs);
	return busy;
}

/*
 * Wait until the device with @serial has lost number @id. Sleeps, without a
 * reference to it. Return: 0, or -EINTR on a signal.
 */
int ublk_dev_wait_free(u32 id, u64 serial)
{
	if (wait_event_interruptible(ublk_devs_wait,
				     !ublk_dev_id_busy(id, serial)))
		return -EINTR;
	return 0;
}

void ublk_dev_wait_none(void)
{
	wait_event(ublk_devs_wait, xa_empty(&ublk_devs));
}
