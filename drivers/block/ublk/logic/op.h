/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The operations of a descriptor (data.rst section 2): their names, which of
 * them carry data, and in which direction. libublk uses these functions, too.
 */
#ifndef UBLK_LOGIC_OP_H
#define UBLK_LOGIC_OP_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/ublk_cmd.h>

/**
 * ublk_op_name() - name of an operation, for messages
 * @op: UBLK_IO_OP_*
 *
 * Return: a constant string, "unknown" for an operation that is not in D-23.
 */
static inline const char *ublk_op_name(u8 op)
{
	switch (op) {
	case UBLK_IO_OP_READ:
		return "read";
	case UBLK_IO_OP_WRITE:
		return "write";
	case UBLK_IO_OP_FLUSH:
		return "flush";
	case UBLK_IO_OP_DISCARD:
		return "discard";
	case UBLK_IO_OP_WRITE_SAME:
		return "write-same";
	case UBLK_IO_OP_WRITE_ZEROES:
		return "write-zeroes";
	case UBLK_IO_OP_ZONE_OPEN:
		return "zone-open";
	case UBLK_IO_OP_ZONE_CLOSE:
		return "zone-close";
	case UBLK_IO_OP_ZONE_FINISH:
		return "zone-finish";
	case UBLK_IO_OP_ZONE_APPEND:
		return "zone-append";
	case UBLK_IO_OP_ZONE_RESET_ALL:
		return "zone-reset-all";
	case UBLK_IO_OP_ZONE_RESET:
		return "zone-reset";
	case UBLK_IO_OP_REPORT_ZONES:
		return "report-zones";
	default:
		return "unknown";
	}
}

/**
 * ublk_op_is_read() - does the server give data by pwrite? (data.rst section 12)
 * @op: UBLK_IO_OP_*
 *
 * Return: true for reads and zone reports.
 */
static inline bool ublk_op_is_read(u8 op)
{
	return op == UBLK_IO_OP_READ || op == UBLK_IO_OP_REPORT_ZONES;
}

/**
 * ublk_op_is_write() - does the server get data by pread? (data.rst section 12)
 * @op: UBLK_IO_OP_*
 *
 * Return: true for writes and zone appends.
 */
static inline bool ublk_op_is_write(u8 op)
{
	return op == UBLK_IO_OP_WRITE || op == UBLK_IO_OP_ZONE_APPEND;
}

/**
 * ublk_op_has_data() - do requests with this operation carry data? (D-91)
 * @op: UBLK_IO_OP_*
 *
 * Return: false for flush, discard, write zeroes and zone management.
 */
static inline bool ublk_op_has_data(u8 op)
{
	return ublk_op_is_read(op) || ublk_op_is_write(op);
}

/**
 * ublk_op_zoned() - does this operation exist on zoned devices only? (D-24)
 * @op: UBLK_IO_OP_*
 *
 * Return: true for codes 10 to 15 and 18.
 */
static inline bool ublk_op_zoned(u8 op)
{
	return (op >= UBLK_IO_OP_ZONE_OPEN && op <= UBLK_IO_OP_ZONE_RESET) ||
	       op == UBLK_IO_OP_REPORT_ZONES;
}

#endif
