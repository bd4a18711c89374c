/* SPDX-License-Identifier: GPL-2.0 */
/* A null_blk device that keeps its contents, as the backing of a test's disk. */
#ifndef UBLK_SELFTEST_NULLB_H
#define UBLK_SELFTEST_NULLB_H

/**
 * struct nullb - a null_blk device
 * @name: of its directory in configfs
 * @path: of its node
 */
struct nullb {
	const char *name;
	char path[64];
};

/*
 * Make it, with "attribute=value" settings up to a NULL. Returns 0, -ENODEV if there
 * is no null_blk that can be configured, or -errno.
 */
int nullb_make(struct nullb *n, const char *name, const char *const *settings);
int nullb_set(const struct nullb *n, const char *setting);
long nullb_dma_alignment(const struct nullb *n);
int nullb_open(const struct nullb *n, int flags);
void nullb_remove(const char *name);

#endif
