/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages with fields for the journal: journal.c.
 */
#ifndef UBLK_JOURNAL_H
#define UBLK_JOURNAL_H

#define JOURNAL_SOCKET	"/run/systemd/journal/socket"

/**
 * journal_send - send a message to the journal, without waiting
 * @path: its socket
 * @prio: level, as of syslog(3)
 * @device: name of the device that it is about: the field UBLK_DEVICE
 * @msg: text
 *
 * Return: 0 or negative errno, -EAGAIN if the journal does not keep up
 */
int journal_send(const char *path, int prio, const char *device, const char *msg);

#endif
