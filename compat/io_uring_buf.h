/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests as buffers in a ring's table: see compat.h.
 *
 * The first kernels that have them register a request, but no bio_vecs of the
 * driver, and pass the request to release(). So @priv must be the request, as in
 * buf.c; @bvs, @nr_bvecs and @dir are not needed, as the kernel takes them from
 * the request. Kernels before these have none: the driver offers no feature that
 * needs them (include/ublk_hooks.h).
 */
#ifndef UBLK_COMPAT_IO_URING_BUF_H
#define UBLK_COMPAT_IO_URING_BUF_H

#include <linux/blk-mq.h>
#include <linux/io_uring/cmd.h>

#ifdef UBLK_LACKS_URING_BUF_BVECS
static inline int io_buffer_register_request(struct io_uring_cmd *cmd,
					     struct request *rq,
					     void (*release)(void *),
					     unsigned int index,
					     unsigned int issue_flags)
{
#ifdef UBLK_LACKS_URING_BUF
	return -EOPNOTSUPP;
#else
	return io_buffer_register_bvec(cmd, rq, release, index, issue_flags);
#endif
}

static inline int ublk_compat_register_bvec(struct io_uring_cmd *cmd,
					    const struct bio_vec *bvs,
					    unsigned int nr_bvecs,
					    void (*release)(void *),
					    void *priv, u8 dir,
					    unsigned int index,
					    unsigned int issue_flags)
{
	return io_buffer_register_request(cmd, priv, release, index,
					  issue_flags);
}

#define io_buffer_register_bvec	ublk_compat_register_bvec

static inline int io_buffer_unregister(struct io_uring_cmd *cmd,
				       unsigned int index,
				       unsigned int issue_flags)
{
#ifdef UBLK_LACKS_URING_BUF
	return -EOPNOTSUPP;
#else
	return io_buffer_unregister_bvec(cmd, index, issue_flags);
#endif
}
#endif

#endif
