/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernels that lack something which the driver uses: the compiler reads this file
 * before each source file of the driver, see Kbuild.include. UBLK_LACKS_X is
 * defined if the kernel's headers do not have X.
 *
 * What is added has the name and the parameters of the newest kernel. Where an
 * older kernel has the name with other parameters, a macro of that name comes
 * after the last call of the old function.
 *
 * Some differences have no such name: include/ublk_hooks.h.
 */
#ifndef UBLK_COMPAT_H
#define UBLK_COMPAT_H

#include "cleanup.h"
#include "io_uring_cmd.h"
#include "io_uring_buf.h"
#include "block.h"

#endif
