/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For older kernels, instead of drivers/block/ublk/ublk_hooks.h, which says what
 * each of these is: see compat.h.
 */
#ifndef UBLK_HOOKS_H
#define UBLK_HOOKS_H

#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/io_uring/cmd.h>

#include <linux/ublk_cmd.h>

#ifdef UBLK_LACKS_URING_BUF
#define UBLK_HOOK_NO_BUF	(UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_AUTO_BUF_REG | \
				 UBLK_F_BUF_REG_OFF_DAEMON)
#else
#define UBLK_HOOK_NO_BUF	0ULL
#endif

#ifdef UBLK_LACKS_URING_MSHOT
#define UBLK_HOOK_NO_MSHOT	UBLK_F_BATCH_IO
#else
#define UBLK_HOOK_NO_MSHOT	0ULL
#endif

#define UBLK_HOOK_UNAVAILABLE	(UBLK_HOOK_NO_BUF | UBLK_HOOK_NO_MSHOT)

#ifdef UBLK_LACKS_URING_TW_REQ
static inline bool ublk_hook_tw_canceled(io_tw_token_t tw)
{
	return tw & IO_URING_F_TASK_DEAD;
}
#else
static inline bool ublk_hook_tw_canceled(io_tw_token_t tw)
{
	return tw.cancel;
}
#endif

#ifdef UBLK_LACKS_FILE_REF
static inline bool ublk_hook_file_is_dead(struct file *file)
{
	/* A lookup takes no reference from a count of zero. */
	return !atomic_long_read_acquire(&file->f_count);
}
#else
#include <linux/file_ref.h>

static inline bool ublk_hook_file_is_dead(struct file *file)
{
	unsigned long refs = atomic_long_read_acquire(&file->f_ref.refcnt);

	return refs >= FILE_REF_RELEASED && refs != FILE_REF_NOREF;
}
#endif

#ifdef UBLK_LACKS_PI_TUPLE_SIZE
/* The block layer takes it from the kind of checksum. */
static inline void ublk_hook_set_tuple_size(struct blk_integrity *bi, u8 bytes)
{
}
#else
static inline void ublk_hook_set_tuple_size(struct blk_integrity *bi, u8 bytes)
{
	bi->pi_tuple_size = bytes;
}
#endif

#if defined(UBLK_LACKS_REPORT_ZONES_ARGS) && defined(CONFIG_BLK_DEV_ZONED)
int ublk_zoned_report(struct gendisk *disk, sector_t sector,
		      unsigned int nr_zones, struct blk_report_zones_args *args);

static inline int ublk_hook_report_zones(struct gendisk *disk, sector_t sector,
					 unsigned int nr_zones,
					 report_zones_cb cb, void *data)
{
	struct blk_report_zones_args args = { .cb = cb, .data = data };

	return ublk_zoned_report(disk, sector, nr_zones, &args);
}
#else
#define ublk_hook_report_zones	ublk_zoned_report
#endif

#endif
