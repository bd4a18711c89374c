/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * One writer of a backing store: claims that other programs see (claim.c), and
 * the name of whoever has one already (holder.c). file.c calls both.
 *
 * A store is claimed by the descriptor that requests are done on. The claim
 * ends with the last reference to that, which io_uring may hold: not before the
 * last request of a daemon that was killed.
 */
#ifndef UBLK_CLAIM_H
#define UBLK_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct stat;

/**
 * struct claim - which part of a store is used, and how
 * @start: first byte
 * @end: behind the last byte; CLAIM_END for any size
 * @writes: it is written, not only read
 * @shared: others may write it at the same time
 */
struct claim {
	__u64 start;
	__u64 end;
	bool writes;
	bool shared;
};

/* 2 EiB: no file is longer. */
#define CLAIM_END	(1ULL << 61)

/**
 * claim_open - open a store, a block device exclusively if it is written
 * @path: name
 * @flags: for open()
 * @c: what for
 *
 * Waits some seconds for a daemon that is about to end.
 *
 * Return: descriptor; or negative errno, with a message if it is -EBUSY
 */
int claim_open(const char *path, int flags, const struct claim *c);

/**
 * claim_take - claim a store, or say who has it
 * @fd: the store; has the claim until it is closed everywhere
 * @path: its name
 * @c: what for
 *
 * Waits some seconds for a daemon that is about to end.
 *
 * Return: 0, or -EBUSY with a message
 */
int claim_take(int fd, const char *path, const struct claim *c);

/**
 * claim_is_free - would claim_take() find another claim
 * @fd: the store
 * @path: its name
 * @c: what for
 *
 * Return: 0, or -EBUSY with a message
 */
int claim_is_free(int fd, const char *path, const struct claim *c);

#define HOLDER_TEXT	160

/**
 * holder_of_disk - does the kernel use it: mount, swap, device mapper, RAID
 * @st: of the store
 * @text: receives what uses it, and the cure
 *
 * Return: true if so
 */
bool holder_of_disk(const struct stat *st, char text[HOLDER_TEXT]);

/**
 * holder_loop - does a loop device of the kernel use it
 * @st: of the store
 * @c: our use
 * @text: receives which one, and the cure
 *
 * Return: true if one of the two would write where the other one is
 */
bool holder_loop(const struct stat *st, const struct claim *c,
		 char text[HOLDER_TEXT]);

/* Somebody may have a disk open without excluding others. */
enum holder {
	HOLDER_NONE,
	HOLDER_MAYBE,
	HOLDER_SURE,
};

/**
 * holder_process - which process has it open, and is not about to end
 * @st: of the store
 * @own: descriptor of this process that does not count, or -1
 * @text: receives the device that it serves, or its name, and the cure
 *
 * Return: whether one was found; others' processes are hidden from users
 */
enum holder holder_process(const struct stat *st, int own,
			   char text[HOLDER_TEXT]);

#endif
