/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
#ifndef UBLK_RUNDIR_H
#define UBLK_RUNDIR_H

/**
 * run_dir - directory of what lasts until the next boot
 *
 * Return: absolute path, valid for ever; the directory need not exist
 */
const char *run_dir(void);

#endif
