/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Protection information made and checked in userspace for uapi_integrity*.c,
 * by the definitions of T10 and NVMe instead of the kernel's code.
 *
 * Metadata of an interval: metadata_size bytes, the tuple at pi_offset. The
 * guard covers the interval and the metadata before the tuple. A tuple is
 *   8 bytes	guard 2, application tag 2, reference tag 4	(IP, CRC16)
 *   16 bytes	guard 8, application tag 2, reference tag 6	(CRC64)
 * all big endian, except the guard of the IP checksum, which is in memory
 * order.
 */
#ifndef UBLK_SELFTEST_PI_H
#define UBLK_SELFTEST_PI_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/ublk_cmd.h>

/* As in linux/fs.h since 6.18. */
#define PI_CAPABLE	1
#define PI_REF_TAG	2
#define PI_NONE		0
#define PI_IP		1
#define PI_T10		2
#define PI_NVME		4

__u64 pi_crc64(__u64 crc, const void *data, size_t len);
__u16 pi_crc16(__u16 crc, const void *data, size_t len);
int pi_tuple_size(const struct ublk_param_integrity *p);
size_t pi_bytes(const struct ublk_param_integrity *p, size_t len);
void pi_make(const struct ublk_param_integrity *p, const void *data,
	     size_t len, __u64 ref, void *meta);
int pi_bad(const struct ublk_param_integrity *p, const void *data, size_t len,
	   __u64 ref, const void *meta);

#endif
