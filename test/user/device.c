// SPDX-License-Identifier: GPL-2.0
/*
 * Which device a text names: numbers, nodes, links, names. Which names are
 * allowed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "ktap.h"

static char dir[64];

/* Devices 7 and 8 exist. */
int devnodes_list(__u32 **ids)
{
	*ids = malloc(2 * sizeof(**ids));
	if (!*ids)
		return -ENOMEM;
	(*ids)[0] = 7;
	(*ids)[1] = 8;
	return 2;
}

static void record(__u32 id, const char *name)
{
	FILE *out = fopen(state_name(id), "w");

	fprintf(out, "{\"version\": 1, \"id\": %u, \"pid\": 1, \"tids\": [], \"queues\": 1, \"depth\": 4, \"target\": \"null\", \"options\": {}, \"name\": \"%s\"}",
		id, name);
	fclose(out);
}

static void find(const char *text, int ret, __u64 id)
{
	__u64 found = 0;

	ktap_row = text;
	ktap_eq(device_find(text, &found), ret);
	if (!ret)
		ktap_eq(found, id);
	ktap_row = NULL;
}

/* By the names in the records of devices that exist. */
static void test_by_name(void)
{
	struct ublksrv_ctrl_dev_info info = {
		.dev_id = 7, .nr_hw_queues = 1, .queue_depth = 4,
	};
	char link[100];

	record(7, "scratch");
	record(8, "other");
	record(9, "gone");
	find("scratch", 0, 7);
	ktap_eq(device_check(&info), 0);
	/* the record is that of an earlier device */
	info.queue_depth++;
	ktap_eq(device_check(&info), -ENODEV);
	find("other", 0, 8);
	find("/dev/disk/by-ublk/other", 0, 8);
	find("gone", -ENODEV, 0);
	find("othre", -ENODEV, 0);
	ktap_true(strstr(ublk_strerror_last(), "did you mean \"other\"?"));
	/* a number needs no record */
	find("7", 0, 7);
	ktap_eq(device_check(&info), 0);
	snprintf(link, sizeof(link), "%s/link", dir);
	ktap_eq(symlink("/dev/null", link), 0);
	find(link, -EINVAL, 0);
	unlink(link);
	unlink(state_name(7));
	unlink(state_name(8));
	unlink(state_name(9));
}

static void test_find(void)
{
	static const struct {
		const char *text;
		int ret;
		__u64 id;
	} rows[] = {
		{ "0", 0, 0 }, { "12", 0, 12 }, { "0x10", 0, 16 },
		{ "ublkb3", 0, 3 }, { "ublkc3", 0, 3 },
		{ "/dev/ublkb3", 0, 3 }, { "/dev/ublkc30", 0, 30 },
		{ "/dev/ublkb3p1", -EINVAL, 0 }, { "ublkb3p1", -EINVAL, 0 },
		{ "4294967295", -EINVAL, 0 }, { "99999999999999999999", -EINVAL, 0 },
		{ "ublkb4294967295", -ENODEV, 0 }, { "ublkb", -ENODEV, 0 },
		{ "-1", -EINVAL, 0 }, { "", -EINVAL, 0 }, { "A", -EINVAL, 0 },
		{ "a b", -EINVAL, 0 }, { "/dev/null", -EINVAL, 0 },
		{ "/no/such", -EINVAL, 0 }, { ".", -EINVAL, 0 },
		{ "/dev/disk/by-ublk/none", -ENODEV, 0 },
		{ "none", -ENODEV, 0 }, { "1a", -ENODEV, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		find(rows[i].text, rows[i].ret, rows[i].id);
}

static void test_names(void)
{
	static const char * const good[] = {
		"a", "scratch", "1a", "a.b_c-d", ".a", "ublk", "ublkb", "ublkx1",
		"0123456789012345678901234567890123456789012345678901234567890abc",
	};
	static const char * const bad[] = {
		"", "1", "0x1", "00", "-a", ".", "..", "A", "a/b", "a b",
		"ublkb1", "ublkc22", "\xc3\xa4",
		"0123456789012345678901234567890123456789012345678901234567890abcd",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ktap_row = good[i];
		ktap_eq(device_name_check(good[i]), 0);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ktap_row = bad[i];
		ktap_eq(device_name_check(bad[i]), -EINVAL);
	}
}

static const struct ktap_test tests[] = {
	{ "by_name", test_by_name },
	{ "find", test_find },
	{ "names", test_names },
};

int main(void)
{
	char top[] = "/tmp/ublk-test-device.XXXXXX";
	int ret;

	if (!mkdtemp(top))
		return 1;
	snprintf(dir, sizeof(dir), "%s", top);
	setenv("UBLK_RUN_DIR", dir, 1);
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	rmdir(dir);
	return ret;
}
