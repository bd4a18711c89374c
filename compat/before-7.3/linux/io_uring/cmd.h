/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers of a ring's table under the names of Linux 7.3, for kernels before it.
 *
 * Those register a request, but no bio_vecs of the driver, and pass the request
 * to release(). So @priv must be the request, as in buf.c; @bvs, @nr_bvecs and
 * @dir are not needed, as the kernel takes them from the request.
 *
 * The old function and the new one of the same name have other parameters: the
 * macro comes after the calls of the old one.
 */
#ifndef UBLK_COMPAT_IO_URING_CMD_H
#define UBLK_COMPAT_IO_URING_CMD_H

#include_next <linux/io_uring/cmd.h>

static inline int io_buffer_register_request(struct io_uring_cmd *cmd,
					     struct request *rq,
					     void (*release)(void *),
					     unsigned int index,
					     unsigned int issue_flags)
{
	return io_buffer_register_bvec(cmd, rq, release, index, issue_flags);
}

static inline int ublk_compat_register_bvec(struct io_uring_cmd *cmd,
					    const struct bio_vec *bvs,
					    unsigned int nr_bvecs,
					    void (*release)(void *),
					    void *priv, u8 dir,
					    unsigned int index,
					    unsigned int issue_flags)
{
	return io_buffer_register_bvec(cmd, priv, release, index, issue_flags);
}

#define io_buffer_register_bvec	ublk_compat_register_bvec

static inline int io_buffer_unregister(struct io_uring_cmd *cmd,
				       unsigned int index,
				       unsigned int issue_flags)
{
	return io_buffer_unregister_bvec(cmd, index, issue_flags);
}

#endif
