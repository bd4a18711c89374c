/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
#ifndef UBLK_SECRET_H
#define UBLK_SECRET_H

#include <stdbool.h>

/**
 * secret_name - the file of a secret
 * @value: of an option: a path, or "credential:NAME" for a credential that systemd
 *	gives to the service, or "credential:" for the directory of these
 * @name: receives the path
 * @size: of @name
 *
 * Return: 0; -ENOENT with a message if the process has no such credential
 */
int secret_name(const char *value, char *name, unsigned long size);

#endif
