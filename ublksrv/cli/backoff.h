/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long to wait before something that has failed is tried again: not at all at
 * first, then twice as long each time. For supervise.c.
 */
#ifndef UBLK_BACKOFF_H
#define UBLK_BACKOFF_H

#define BACKOFF_FIRST_MS	100

/**
 * backoff_ms - time before the next try
 * @failures: what has failed in a row
 * @max: longest time
 *
 * Return: milliseconds
 */
static inline unsigned int backoff_ms(unsigned int failures, unsigned int max)
{
	unsigned int ms = BACKOFF_FIRST_MS;

	if (!failures)
		return 0;
	while (--failures && ms < max)
		ms *= 2;
	return ms < max ? ms : max;
}

#endif
