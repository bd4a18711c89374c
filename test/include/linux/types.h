/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The types that drivers/block/ublk/logic/ uses and only the kernel's own
 * <linux/types.h> has: short integer names and bool. test/include comes first in
 * the search path, so this header is found before the system's.
 */
#ifndef UBLK_TEST_LINUX_TYPES_H
#define UBLK_TEST_LINUX_TYPES_H

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
