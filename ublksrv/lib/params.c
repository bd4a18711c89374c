// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Device parameters: defaults, capacity, and a check before the driver's.
 *
 * The check is the driver's (logic/limits.h). Because it is made here first,
 * the user reads a message instead of EINVAL, and before the device is created.
 */
#include <limits.h>

#include "logic/limits.h"

#include "private.h"

/* The caller's structure may be that of an older or a newer libublk.h. */
void ublk_params_init_size(struct ublk_params *p, size_t size,
			   __u32 io_buf_bytes)
{
	memset(p, 0, size);
	p->len = size;
	p->types = UBLK_PARAM_TYPE_BASIC;
	p->basic.logical_bs_shift = 9;
	p->basic.physical_bs_shift = 12;
	p->basic.io_min_shift = 9;
	p->basic.max_sectors = io_buf_bytes >> 9;
}

int ublk_params_set_size(struct ublk_params *p, __u64 bytes)
{
	__u64 bs = 1ULL << p->basic.logical_bs_shift;

	if (!bytes)
		return ublk_error(-EINVAL, "size is 0");
	if (bytes & (bs - 1))
		return ublk_error(-EINVAL,
				  "size %llu is not a multiple of the block size %llu",
				  (unsigned long long)bytes,
				  (unsigned long long)bs);
	if (bytes > LLONG_MAX)
		return ublk_error(-EINVAL, "size %llu is too large",
				  (unsigned long long)bytes);
	p->basic.dev_sectors = bytes >> 9;
	return 0;
}

/* Return: the reason why the check failed */
static const char *params_why(const struct ublk_params *p,
			      const struct ublk_limits_env *env)
{
	const struct ublk_param_basic *b = &p->basic;

	if (!(p->types & UBLK_PARAM_TYPE_BASIC))
		return "the target has set no basic parameters";
	if (b->logical_bs_shift < 9 || b->logical_bs_shift > env->page_shift)
		return "the block size is below 512 or above a page";
	if (b->max_sectors > env->max_io_buf_bytes >> 9)
		return "requests are longer than the IO buffers";
	if (b->dev_sectors > UBLK_MAX_DEV_SECTORS)
		return "the size is too large";
	if (ublk_limits_basic(p, env))
		return "the block sizes are inconsistent";
	if (ublk_limits_discard(p))
		return "the discard limits are inconsistent";
	if (ublk_limits_dma(p, env))
		return "the memory alignment is not a power of two below a page";
	return "the driver would refuse them";
}

int params_import(struct ublk_params *own, const struct ublk_params *given)
{
	if (given->len < offsetof(struct ublk_params, discard))
		return ublk_error(-EINVAL, "parameters of the disk: len is %u; see ublk_params_init()",
				  given->len);
	memset(own, 0, sizeof(*own));
	memcpy(own, given,
	       given->len < sizeof(*own) ? given->len : sizeof(*own));
	own->len = sizeof(*own);
	return 0;
}

int ublk_params_check(const struct ublk_params *given, __u32 io_buf_bytes,
		      __u64 features)
{
	struct ublk_limits_env env = {
		.flags = features,
		.max_io_buf_bytes = io_buf_bytes,
		.page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE)),
		.zoned_kernel = true,
	};
	struct ublk_params p;
	int ret;

	ret = params_import(&p, given);
	if (ret)
		return ret;
	if (ublk_limits_check(&p, &env))
		return ublk_error(-EINVAL, "parameters of the disk: %s",
				  params_why(&p, &env));
	if (!p.basic.dev_sectors)
		return ublk_error(-EINVAL, "size is 0");
	return 0;
}
