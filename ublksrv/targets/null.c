// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target null: every request succeeds at once, no data is stored.
 *
 * For measuring the cost of the driver and the library. By default nothing moves
 * the data, and reads leave the reader's memory as it was. With copy they return
 * the old contents of the tag's IO buffer.
 */
#include <errno.h>
#include <limits.h>

#include "targets.h"

struct null_cfg {
	__u64 size;
	bool empty_table;
};

static const struct ublk_opt null_opts[] = {
	{
		.name = "size", .letter = 's', .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct null_cfg, size),
		.arg = "SIZE", .def = "250G", .max = LLONG_MAX,
		.help = "capacity",
	},
	{
		.name = "empty-table|empty_table", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct null_cfg, empty_table),
		.help = "a disk in front, from which nothing passes",
	},
	{ 0 }
};

static int null_open(struct ublk_dev *dev, void *cfg)
{
	const struct null_cfg *c = cfg;
	struct ublk_params *p = ublk_dev_params(dev);

	if (ublk_params_set_size(p, c->size))
		return ublk_error(-EINVAL, "null: %s; change --size",
				  ublk_strerror_last());
	p->types |= UBLK_PARAM_TYPE_DISCARD;
	p->discard.discard_granularity = 1U << p->basic.logical_bs_shift;
	p->discard.max_discard_sectors = UINT_MAX >> 9;
	p->discard.max_discard_segments = 1;
	p->discard.max_write_zeroes_sectors = UINT_MAX >> 9;
	if (c->empty_table)
		ublk_dev_want_extents(dev);
	return 0;
}

static void null_submit(struct ublk_queue *q, struct ublk_io *io)
{
	unsigned int op = ublk_io_op(io);

	(void)q;
	if (op <= UBLK_IO_OP_WRITE)
		ublk_io_complete(io, io->desc->nr_sectors << 9);
	else
		ublk_io_complete(io, op <= UBLK_IO_OP_WRITE_ZEROES ?
				 0 : -EOPNOTSUPP);
}

const struct ublk_target null_target = {
	UBLK_TARGET(),
	.name = "null",
	.summary = "accepts everything, stores nothing",
	.opts = null_opts,
	.config_size = sizeof(struct null_cfg),
	.open = null_open,
	.submit = null_submit,
	.flags = UBLK_TARGET_RING_DATA | UBLK_TARGET_NO_DATA,
};
