/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Types of the kernel's <linux/types.h> that the driver's logic/ headers use
 * and the header of userspace lacks. Only the sources of libublk find this
 * file, before the system's; users of libublk.h do not see it.
 */
#ifndef UBLK_SHIM_LINUX_TYPES_H
#define UBLK_SHIM_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#endif
