// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers of the ABI as text: device states and feature bits.
 */
#include <string.h>

#include "cli.h"

static const char * const state_names[] = {
	[UBLK_S_DEV_DEAD]	= "DEAD",
	[UBLK_S_DEV_LIVE]	= "LIVE",
	[UBLK_S_DEV_QUIESCED]	= "QUIESCED",
	[UBLK_S_DEV_FAIL_IO]	= "FAIL_IO",
};

static const char * const feature_names[] = {
	"SUPPORT_ZERO_COPY", "URING_CMD_COMP_IN_TASK", "NEED_GET_DATA",
	"USER_RECOVERY", "USER_RECOVERY_REISSUE", "UNPRIVILEGED_DEV",
	"CMD_IOCTL_ENCODE", "USER_COPY", "ZONED", "USER_RECOVERY_FAIL_IO",
	"UPDATE_SIZE", "AUTO_BUF_REG", "QUIESCE", "PER_IO_DAEMON",
	"BUF_REG_OFF_DAEMON", "BATCH_IO", "INTEGRITY", "SAFE_STOP_DEV",
	"NO_AUTO_PART_SCAN", "SHMEM_ZC", "IO_DESC_SIZE",
};

#define NR_STATES	(sizeof(state_names) / sizeof(state_names[0]))
#define NR_FEATURES	(sizeof(feature_names) / sizeof(feature_names[0]))

const char *name_of_state(unsigned int state)
{
	return state < NR_STATES ? state_names[state] : "UNKNOWN";
}

/* NULL for a bit that has no name. */
const char *name_of_feature(unsigned int bit)
{
	return bit < NR_FEATURES ? feature_names[bit] : NULL;
}

/* "A B C"; bits without name as BIT_n. Return: length */
int names_of_features(__u64 mask, char *buf, size_t len)
{
	size_t used = 0;
	unsigned int bit;

	buf[0] = 0;
	for (bit = 0; bit < 64 && used < len; bit++) {
		const char *name = name_of_feature(bit);

		if (!(mask & 1ULL << bit))
			continue;
		if (name)
			used += snprintf(buf + used, len - used, "%s%s",
					 used ? " " : "", name);
		else
			used += snprintf(buf + used, len - used, "%sBIT_%u",
					 used ? " " : "", bit);
	}
	return used;
}
