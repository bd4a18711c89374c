/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ublk ABI as libublk was built for it, included by libublk.h.
 *
 * Linux installs the same ABI as <linux/ublk_cmd.h>. That file belongs to
 * another package and may be older: Linux 6.12 has a shorter struct
 * ublk_params. A program may include both headers, in any order; the library
 * and its callers always mean the structures of this one:
 *
 * - Structures and functions have names of their own here, with "lib" in front.
 *   The macros below let a program write the kernel's names, after it has
 *   included this file.
 * - Macros are defined again. The ABI does not change a number, but it gets
 *   new ones.
 * - <linux/ublk_cmd.h> is empty if it is included later. A program that needs
 *   what is newer than its libublk includes it before libublk.h.
 */
#ifndef LIBUBLK_UBLK_CMD_H
#define LIBUBLK_UBLK_CMD_H

/* Macros of an older kernel's header may be spelled differently. */
#pragma GCC system_header

#define ublksrv_ctrl_cmd		libublksrv_ctrl_cmd
#define ublksrv_ctrl_dev_info		libublksrv_ctrl_dev_info
#define ublksrv_io_desc			libublksrv_io_desc
#define ublksrv_get_op			libublksrv_get_op
#define ublksrv_get_flags		libublksrv_get_flags
#define ublksrv_io_cmd			libublksrv_io_cmd
#define ublk_auto_buf_reg		libublk_auto_buf_reg
#define ublk_sqe_addr_to_auto_buf_reg	libublk_sqe_addr_to_auto_buf_reg
#define ublk_auto_buf_reg_to_sqe_addr	libublk_auto_buf_reg_to_sqe_addr
#define ublk_elem_header		libublk_elem_header
#define ublk_batch_io			libublk_batch_io
#define ublk_shmem_buf_reg		libublk_shmem_buf_reg
#define ublk_shmem_zc_addr		libublk_shmem_zc_addr
#define ublk_shmem_zc_index		libublk_shmem_zc_index
#define ublk_shmem_zc_offset		libublk_shmem_zc_offset
#define ublk_param_basic		libublk_param_basic
#define ublk_param_discard		libublk_param_discard
#define ublk_param_devt			libublk_param_devt
#define ublk_param_zoned		libublk_param_zoned
#define ublk_param_dma_align		libublk_param_dma_align
#define ublk_param_segment		libublk_param_segment
#define ublk_param_integrity		libublk_param_integrity
#define ublk_params			libublk_params
#define ublk_file_cmd			libublk_file_cmd
#define ublk_redirect_elem		libublk_redirect_elem
#define ublk_extents_cmd		libublk_extents_cmd
#define ublk_extent_elem		libublk_extent_elem

/* The header may have been read already, under the kernel's names. */
#undef USER_BLK_DRV_CMD_INC_H

/* "make install" puts the text of that file here. */
#include "../../../include/uapi/linux/ublk_cmd.h"

#endif
