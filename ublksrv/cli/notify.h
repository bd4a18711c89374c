/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tell the service manager about this process, as sd_notify(3) describes: notify.c.
 */
#ifndef UBLK_NOTIFY_H
#define UBLK_NOTIFY_H

/**
 * notify - send a datagram to $NOTIFY_SOCKET
 * @fmt: lines such as "READY=1"
 *
 * Without that variable, or if it cannot be sent, nothing happens.
 *
 * Return: 1 if it was sent, 0 without the variable, or negative errno
 */
int notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * notify_watchdog_ms - how often the service manager wants to hear "WATCHDOG=1"
 *
 * Return: half of its time in milliseconds, or 0 for never
 */
unsigned int notify_watchdog_ms(void);

#endif
