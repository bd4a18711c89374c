/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What older kernels do in another way that no function of the kernel hides.
 * Outside a kernel tree, compat/include/ublk_hooks.h is used instead of this file
 * for a kernel that lacks something. Included by ublk.h.
 */
#ifndef UBLK_HOOKS_H
#define UBLK_HOOKS_H

#include <linux/blkdev.h>
#include <linux/file_ref.h>
#include <linux/fs.h>
#include <linux/io_uring/cmd.h>

/* Features of the ABI that this kernel cannot offer. */
#define UBLK_HOOK_UNAVAILABLE	0ULL

/* The report_zones operation of the disk. */
#define ublk_hook_report_zones	ublk_zoned_report

/**
 * ublk_hook_tw_canceled() - is the ring of a task work going away?
 * @tw: what io_uring passes to the task work
 * Return: true if the work must do nothing that needs the server's task.
 */
static inline bool ublk_hook_tw_canceled(io_tw_token_t tw)
{
	return tw.cancel;
}

/**
 * ublk_hook_file_is_dead() - is the last reference to a file gone?
 * @file: file whose memory is valid
 *
 * A lookup may still revive NOREF.
 * Return: true once all file operations are over.
 */
static inline bool ublk_hook_file_is_dead(struct file *file)
{
	unsigned long refs = atomic_long_read_acquire(&file->f_ref.refcnt);

	return refs >= FILE_REF_RELEASED && refs != FILE_REF_NOREF;
}

/**
 * ublk_hook_set_tuple_size() - say how many bytes of a metadata are checked
 * @bi: profile of a disk
 * @bytes: size of the protection information in it
 */
static inline void ublk_hook_set_tuple_size(struct blk_integrity *bi, u8 bytes)
{
	bi->pi_tuple_size = bytes;
}

#endif
