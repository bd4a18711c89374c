// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Secrets that targets need: always the name of a file, never a text of the command
 * line, which everybody sees. The name may be that of a credential of systemd, so that
 * neither the declaration nor the run-state file has to say where the file is. A module
 * has a copy of this file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libublk.h"
#include "secret.h"

int secret_name(const char *value, char *name, unsigned long size)
{
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");
	const char *what = value + strlen(UBLK_OPT_CREDENTIAL);
	int len;

	if (strncmp(value, UBLK_OPT_CREDENTIAL, strlen(UBLK_OPT_CREDENTIAL))) {
		len = snprintf(name, size, "%s", value);
	} else if (strchr(what, '/')) {
		return ublk_error(-EINVAL, "%s: the name of a credential has no \"/\"",
				  value);
	} else if (!dir || !*dir) {
		return ublk_error(-ENOENT, "%s: this process has no credentials of systemd; run it in a unit with LoadCredential=%s:FILE, or set CREDENTIALS_DIRECTORY to the directory that has the file \"%s\"",
				  value, what, what);
	} else {
		len = snprintf(name, size, "%s/%s", dir, what);
	}
	if (len < 0 || (unsigned long)len >= size)
		return ublk_error(-ENAMETOOLONG, "%s: the name is too long", value);
	if (access(name, R_OK))
		return ublk_error(-errno, "%s: %s: %s", value, name,
				  strerror(errno));
	return 0;
}
