// SPDX-License-Identifier: GPL-2.0
/*
 * The same store or none: a target that is opened for a recovery finds the files
 * that an earlier server wrote down, whatever their names are now, and refuses
 * others before it writes to them.
 */
#include "target.h"

#define MAX_STORES	4
#define MIB		(1 << 20)

static char a[64], b[64], c[64];
static struct ublk_store was[MAX_STORES];

static void make(const char *name, __u64 size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, size))
		abort();
	close(fd);
}

/* Serve it once, and write down what it was. */
static void serve(const struct ublk_target *t, const char *line)
{
	unsigned int i;

	t_flags = 0;
	t_stores = NULL;
	t_up(t, line);
	for (i = 0; i < MAX_STORES; i++)
		if (ublk_dev_get_store(t_dev, i, &was[i]))
			break;
	t_down();
	t_flags = UBLK_DEV_RECOVER;
	t_stores = was;
	t_nr_stores = i;
}

static void accepted(const struct ublk_target *t, const char *line)
{
	int ret = t_make(t, line);

	ktap_row = line;
	if (ret) {
		ktap_fail(__FILE__, __LINE__, "says: %s", ublk_strerror_last());
	} else {
		ktap_true(ublk_dev_recovers(t_dev));
		ublk_dev_free(t_dev);
		opt_free(&t_table);
	}
	ktap_row = NULL;
}

static const char *line(const char *fmt, ...)
{
	static char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

static void test_loop(void)
{
	struct ublk_store good;
	struct stat st;

	make(a, MIB);
	serve(&loop_target, a);
	ktap_eq(t_nr_stores, 1);
	ktap_eq(stat(a, &st), 0);
	ktap_eq(was[0].ino, st.st_ino);
	ktap_eq(was[0].size, MIB);
	ktap_true(!was[0].block);
	accepted(&loop_target, a);

	/* under another name, and by another link */
	ktap_eq(rename(a, b), 0);
	t_refused(&loop_target, a, -EINVAL, "check the name");
	accepted(&loop_target, b);
	/* somebody made a new file */
	make(a, MIB);
	t_refused(&loop_target, a, -ESTALE, "is another file than before: found inode");
	ktap_true(strstr(ublk_strerror_last(), a));
	ktap_eq(rename(b, a), 0);
	accepted(&loop_target, a);

	make(a, MIB - 4096);
	t_refused(&loop_target, a, -ESTALE, "is shorter than before: found 1044480 bytes, expected 1048576");
	make(a, 2 * MIB);
	accepted(&loop_target, line("%s --size 1M", a));

	/* a new file with the number of the old one */
	good = was[0];
	was[0].birth = 1;
	t_refused(&loop_target, a, -ESTALE, "birth time");
	was[0].birth = 0;
	accepted(&loop_target, a);
	was[0] = good;
	was[0].dev_minor++;
	t_refused(&loop_target, a, -ESTALE, "another file");
	was[0] = good;
	was[0].block = true;
	t_refused(&loop_target, a, -ESTALE, "found a file, expected a block device");
}

static void test_stripe(void)
{
	make(a, MIB);
	make(b, MIB);
	make(c, MIB);
	serve(&stripe_target, line("%s %s %s", a, b, c));
	ktap_eq(t_nr_stores, 3);
	accepted(&stripe_target, line("%s %s %s", a, b, c));
	t_refused(&stripe_target, line("%s %s %s", a, c, b), -ESTALE, c);
	t_refused(&stripe_target, line("%s %s", a, b), -ESTALE,
		  "found 2, expected 3");
	serve(&stripe_target, line("%s %s", a, b));
	t_refused(&stripe_target, line("%s %s %s", a, b, c), -ESTALE,
		  "found 3, expected 2");
	unlink(b);
	make(b, MIB);
	was[1].ino++;	/* in case it got the same number */
	t_refused(&stripe_target, line("%s %s", a, b), -ESTALE, b);
	/* targets without files */
	t_refused(&null_target, "", -ESTALE, "found 0, expected 2");
}

static void test_fault(void)
{
	make(a, MIB);
	serve(&fault_target, a);
	ktap_eq(t_nr_stores, 1);
	accepted(&fault_target, a);
	was[0].ino++;
	t_refused(&fault_target, a, -ESTALE, "another file");
}

static bool is_blank(const char *name, __u64 size)
{
	char data[MIB], *end = data + sizeof(data), *p = data;
	struct stat st;

	if (stat(name, &st) || (__u64)st.st_size != size)
		return false;
	t_read_file(name, data, sizeof(data), 0);
	while (p < end && !*p)
		p++;
	return p == end;
}

#define ZONED	"%s --size 1M --zone-size 64K --block-size 4K"

/* A disk is never made where one ought to be. */
static void test_zoned(void)
{
	make(a, 0);
	serve(&zoned_target, line(ZONED, a));
	ktap_eq(t_nr_stores, 1);
	/* not that of the empty file that it was when it was opened */
	ktap_true(was[0].size > MIB);
	accepted(&zoned_target, line(ZONED, a));

	make(b, MIB);
	t_refused(&zoned_target, line(ZONED, b), -ESTALE, "another file");
	ktap_true(is_blank(b, MIB));
	t_stores = NULL;
	t_refused(&zoned_target, line(ZONED, b), -EMEDIUMTYPE, "is empty; put");
	ktap_true(is_blank(b, MIB));
	accepted(&zoned_target, line(ZONED, a));
}

static const struct ktap_test tests[] = {
	{ "loop", test_loop },
	{ "stripe", test_stripe },
	{ "fault", test_fault },
	{ "zoned", test_zoned },
};

int main(void)
{
	char dir[] = "/tmp/ublk-test-store.XXXXXX";
	int ret;

	if (!mkdtemp(dir))
		return 1;
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	snprintf(c, sizeof(c), "%s/c", dir);
	ublk_set_log(NULL, UBLK_LOG_ERR);
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	unlink(a);
	unlink(b);
	unlink(c);
	rmdir(dir);
	return ret;
}
