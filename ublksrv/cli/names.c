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

/* By the number of the bit; the first Linux whose own ublk_drv has it (F-6). */
#define FEATURE(id, release) \
	[__builtin_ctzll(UBLK_F_##id)] = { .name = #id, .since = release }

static const struct {
	const char *name, *since;
} features[] = {
	FEATURE(SUPPORT_ZERO_COPY, "6.15"),
	FEATURE(URING_CMD_COMP_IN_TASK, "6.0"),
	FEATURE(NEED_GET_DATA, "6.0"),
	FEATURE(USER_RECOVERY, "6.1"),
	FEATURE(USER_RECOVERY_REISSUE, "6.1"),
	FEATURE(UNPRIVILEGED_DEV, "6.3"),
	FEATURE(CMD_IOCTL_ENCODE, "6.4"),
	FEATURE(USER_COPY, "6.5"),
	FEATURE(ZONED, "6.6"),
	FEATURE(USER_RECOVERY_FAIL_IO, "6.13"),
	FEATURE(UPDATE_SIZE, "6.16"),
	FEATURE(AUTO_BUF_REG, "6.16"),
	FEATURE(QUIESCE, "6.16"),
	FEATURE(PER_IO_DAEMON, "6.16"),
	FEATURE(BUF_REG_OFF_DAEMON, "6.17"),
	FEATURE(BATCH_IO, "7.0"),
	FEATURE(INTEGRITY, "7.0"),
	FEATURE(SAFE_STOP_DEV, "7.0"),
	FEATURE(NO_AUTO_PART_SCAN, "7.0"),
	FEATURE(SHMEM_ZC, "7.1"),
	FEATURE(IO_DESC_SIZE, "7.3"),
	/* of no release, but of this project's driver */
	FEATURE(REDIRECT, NULL),
	FEATURE(EXTENTS, NULL),
};

#define NR_STATES	(sizeof(state_names) / sizeof(state_names[0]))
#define NR_FEATURES	(sizeof(features) / sizeof(features[0]))

const char *name_of_state(unsigned int state)
{
	return state < NR_STATES ? state_names[state] : "UNKNOWN";
}

/* NULL for a bit that has no name. */
const char *name_of_feature(unsigned int bit)
{
	return bit < NR_FEATURES ? features[bit].name : NULL;
}

/* The release of Linux that a feature came with; NULL for a bit without name. */
const char *since_of_feature(unsigned int bit)
{
	return bit < NR_FEATURES ? features[bit].since : NULL;
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
