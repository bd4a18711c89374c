/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Target image: its server's names, and commands to it.
 */
#ifndef UBLK_IMAGE_H
#define UBLK_IMAGE_H

#include <sys/types.h>
#include <linux/types.h>

/* Behind the name of the helper's socket. */
#define IMAGE_QMP	".qmp"
#define IMAGE_NODE	"disk"
#define IMAGE_EXPORT	"export"

/**
 * qmp_grow - have a server make its image as large as that, unless it is larger
 * @daemon: process of the daemon whose server it is
 * @bytes: new size
 *
 * The export goes for a moment, and comes again with the new size: qemu does not
 * resize what it exports.
 *
 * Context: any process of the daemon's user.
 * Return: 0 or negative errno with a message
 */
int qmp_grow(pid_t daemon, __u64 bytes);

#endif
