/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The driver's logic/ headers include <linux/ublk_cmd.h>. In the library and
 * the program they get the structures of libublk.h.
 */
#include "../../../include/ublk/ublk_cmd.h"
