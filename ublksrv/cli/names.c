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

/* By the number of the bit. */
#define FEATURE(name) \
	[__builtin_ctzll(UBLK_F_##name)] = #name

static const char * const feature_names[] = {
	FEATURE(SUPPORT_ZERO_COPY),
	FEATURE(URING_CMD_COMP_IN_TASK),
	FEATURE(NEED_GET_DATA),
	FEATURE(USER_RECOVERY),
	FEATURE(USER_RECOVERY_REISSUE),
	FEATURE(UNPRIVILEGED_DEV),
	FEATURE(CMD_IOCTL_ENCODE),
	FEATURE(USER_COPY),
	FEATURE(ZONED),
	FEATURE(USER_RECOVERY_FAIL_IO),
	FEATURE(UPDATE_SIZE),
	FEATURE(AUTO_BUF_REG),
	FEATURE(QUIESCE),
	FEATURE(PER_IO_DAEMON),
	FEATURE(BUF_REG_OFF_DAEMON),
	FEATURE(BATCH_IO),
	FEATURE(INTEGRITY),
	FEATURE(SAFE_STOP_DEV),
	FEATURE(NO_AUTO_PART_SCAN),
	FEATURE(SHMEM_ZC),
	FEATURE(IO_DESC_SIZE),
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
