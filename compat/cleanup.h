/* SPDX-License-Identifier: GPL-2.0 */
/* ACQUIRE(): see compat.h. The driver uses it with interruptible locks only. */
#ifndef UBLK_COMPAT_CLEANUP_H
#define UBLK_COMPAT_CLEANUP_H

#include <linux/cleanup.h>
#include <linux/errno.h>

#ifdef UBLK_LACKS_ACQUIRE
#define ACQUIRE(name, var)	CLASS(name, var)
#define ACQUIRE_ERR(name, var)	\
	(class_##name##_lock_ptr(var) ? 0 : -EINTR)
#endif

#endif
