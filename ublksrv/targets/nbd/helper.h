/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A server that the target starts itself, on a socket that nobody else can reach.
 */
#ifndef UBLK_NBD_HELPER_H
#define UBLK_NBD_HELPER_H

#include <sys/types.h>

/* Room for the words of a command line. */
#define HELPER_WORDS	96

struct helper;

/**
 * helper_new - start a server, and wait until its socket answers
 * @words: command line, NULL at its end; "@SOCKET@" in a word becomes the socket's
 *	name. Copied
 * @phelper: receives the handle
 *
 * Context: a thread that lives as long as the device: with it the server ends.
 * Return: 0 or negative errno with a message
 */
int helper_new(const char *const *words, struct helper **phelper);

/**
 * helper_again - start the server again if it has ended
 * @h: handle or NULL
 *
 * Context: the thread that connects. A server that it has started ends with it.
 * Return: 0 or negative errno with a message
 */
int helper_again(struct helper *h);

/* End the server, and wait for that: it may have to write what it has. */
void helper_stop(struct helper *h);

/* After helper_stop(). */
void helper_free(struct helper *h);

const char *helper_socket(const struct helper *h);
pid_t helper_pid(const struct helper *h);

#endif
