// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Log messages, and the message of the last failure.
 *
 * ublk_error() records a message; the caller of the failed operation decides
 * whether to print it. ublk_log() reports what no caller waits for: a warning
 * in a queue's thread, or a fallback. Nothing here is called per request.
 */
#include <stdio.h>

#include "private.h"

static ublk_log_fn log_fn;
static enum ublk_log_level log_max = UBLK_LOG_INFO;
static __thread char last_error[1024];

void ublk_set_log(ublk_log_fn fn, enum ublk_log_level max)
{
	log_fn = fn;
	log_max = max;
}

void ublk_log(enum ublk_log_level level, const char *fmt, ...)
{
	char line[sizeof(last_error)];
	va_list ap;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (log_fn)
		log_fn(level, line);
	else
		fprintf(stderr, "ublk: %s\n", line);
}

int ublk_error(int err, const char *fmt, ...)
{
	char text[sizeof(last_error)];
	va_list ap;

	/* an argument may be the previous message */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(last_error, text, sizeof(text));
	return err;
}

const char *ublk_strerror_last(void)
{
	return last_error;
}
