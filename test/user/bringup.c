// SPDX-License-Identifier: GPL-2.0
/*
 * State first: the run-state file is complete before the disk starts or
 * continues, and no failure loses the file of a device that waits.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "cli.h"
#include "config.h"
#include "ktap.h"
#include "mock_kernel.h"
#include "opt.h"
#include "private.h"

#define ID	7
#define MIB	(1 << 20)

static char run[64], record[80], img[80];
static char *options[2] = { img };
static int starts;
static struct state seen;		/* the record when the disk started */
static int seen_ret;
static char warned[1200];

/* The mock has no nodes. */
int devnodes_wait_disk(const struct ublk_params *p, __u32 id, unsigned int ms)
{
	(void)p;
	(void)id;
	(void)ms;
	return 0;
}

void devnodes_wait_link(const char *name, unsigned int ms)
{
	(void)name;
	(void)ms;
}

/* Nothing is replaced here. */
int handover(__u32 id, unsigned int ms)
{
	(void)id;
	(void)ms;
	return -ENOSYS;
}

/* No other devices. */
int devnodes_list(__u32 **ids)
{
	*ids = NULL;
	return 0;
}

static void at_start(void)
{
	starts++;
	seen_ret = state_read(ID, &seen);
}

static void note_warning(enum ublk_log_level level, const char *msg)
{
	if (level == UBLK_LOG_WARN && strstr(msg, record))
		snprintf(warned, sizeof(warned), "%s", msg);
}

static void make_file(const char *name, __u64 size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, size))
		abort();
	close(fd);
}

static size_t read_record(char *buf, size_t len)
{
	FILE *in = fopen(record, "r");
	size_t got = in ? fread(buf, 1, len, in) : 0;

	if (in)
		fclose(in);
	return got;
}

/* The directory has these many entries. */
static int nr_files(void)
{
	char cmd[100], text[20] = "";
	FILE *p;

	snprintf(cmd, sizeof(cmd), "ls '%s' | wc -l", run);
	p = popen(cmd, "r");
	if (fgets(text, sizeof(text), p))
		pclose(p);
	return atoi(text);
}

static struct daemon_args args;

static void prepare(bool recover)
{
	static char cfg[64] __attribute__((aligned(16)));
	struct opt_table table = {
		.opts = loop_target.opts, .base = cfg, .owner = "loop",
	};
	char add[] = "add", *argv[3] = { add, options[0] };

	if (args.cfg)
		opt_free(&table);
	memset(cfg, 0, sizeof(cfg));
	ktap_eq(opt_parse(&table, 1, 2, argv), 0);
	memset(&args, 0, sizeof(args));
	args.recover = recover;
	args.target = &loop_target;
	args.cfg = cfg;
	args.dev = (struct ublk_dev_opts){
		.struct_size = sizeof(args.dev), .id = ID,
		.nr_queues = 2, .depth = 4, .io_buf_bytes = 65536,
		.features = UBLK_F_USER_RECOVERY,
		.mode = UBLK_MODE_COPY, .batch = UBLK_CHOICE_NO,
		.flags = recover ? UBLK_DEV_RECOVER : 0,
	};
	starts = 0;
	state_free(&seen);
	warned[0] = 0;
}

static struct ublk_dev *add(void)
{
	struct ublk_dev *dev = NULL;

	mock_reset();
	mock.features = UBLK_F_USER_RECOVERY;
	mock.at_start = at_start;
	make_file(img, MIB);
	prepare(false);
	ktap_eq(bringup(&args, &dev), 0);
	return dev;
}

/* As if the daemon had died; its number is that of no process. */
static void leave(struct ublk_dev *dev)
{
	json_t *root;

	ktap_eq(ublk_dev_detach(dev), 0);
	ublk_dev_free(dev);
	root = json_load_file(record, 0, NULL);
	json_object_set_new(root, "pid", json_integer(999999999));
	json_dump_file(root, record, 0);
	json_decref(root);
	prepare(true);
}

static void delete(void)
{
	ktap_eq(ublk_ctrl_del_dev(NULL, ID), 0);
	unlink(record);
}

static void end(struct ublk_dev *dev)
{
	ktap_eq(ublk_dev_stop(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	unlink(record);
}

/* There is no space for the next record. */
static void set_full(void)
{
	char new[90];

	snprintf(new, sizeof(new), "%s.new", record);
	if (mkdir(run, 0700) && errno != EEXIST)
		abort();
	ktap_eq(symlink("/dev/full", new), 0);
}

static void check_seen(void)
{
	struct stat st;
	unsigned int i;

	ktap_eq(starts, 1);
	ktap_eq(seen_ret, 0);
	ktap_eq(seen.pid, getpid());
	ktap_eq(seen.nr_tids, 2);
	for (i = 0; i < seen.nr_tids; i++)
		ktap_true(seen.tids[i] > 0);
	ktap_eq(seen.nr_stores, 1);
	ktap_eq(stat(img, &st), 0);
	if (seen.nr_stores == 1) {
		ktap_eq(seen.stores[0].ino, st.st_ino);
		ktap_eq(seen.stores[0].size, st.st_size);
		ktap_eq(strcmp(seen.stores[0].name, img), 0);
	}
	ktap_true(seen.target == &loop_target);
	ktap_eq(nr_files(), 1);
}

static void test_add(void)
{
	struct ublk_dev *dev = add();

	check_seen();
	end(dev);

	/* the driver refuses: nothing remains */
	mock_reset();
	mock.features = UBLK_F_USER_RECOVERY;
	mock.at_start = at_start;
	mock.start = EIO;
	prepare(false);
	ktap_eq(bringup(&args, &dev), -EIO);
	ktap_eq(seen_ret, 0);
	ktap_true(access(record, F_OK));
	ktap_eq(nr_files(), 0);
	ktap_eq(mock_device_exists(), 0);
}

/* No record, no disk. */
static void test_add_without_space(void)
{
	struct ublk_dev *dev;

	mock_reset();
	mock.features = UBLK_F_USER_RECOVERY;
	mock.at_start = at_start;
	make_file(img, MIB);
	prepare(false);
	set_full();
	ktap_eq(bringup(&args, &dev), -ENOSPC);
	ktap_true(strstr(ublk_strerror_last(), record));
	ktap_true(strstr(ublk_strerror_last(), "UBLK_RUN_DIR"));
	ktap_eq(starts, 0);
	ktap_eq(mock_device_exists(), 0);
	ktap_eq(nr_files(), 0);
}

static void test_recover(void)
{
	struct ublk_dev *dev = add();

	leave(dev);
	mock.at_start = at_start;
	ktap_eq(bringup(&args, &dev), 0);
	check_seen();
	ktap_true(!strstr(warned, record));
	end(dev);
}

/* A recovery that fails leaves the record as it was, byte by byte. */
static void test_recover_refused(void)
{
	char before[4096], after[4096];
	struct ublk_dev *dev = add();
	size_t len;

	leave(dev);
	len = read_record(before, sizeof(before));
	mock.at_start = at_start;
	mock.end_recovery = EBUSY;
	ktap_eq(bringup(&args, &dev), -EBUSY);
	ktap_eq(seen.pid, getpid());
	ktap_eq(read_record(after, sizeof(after)), len);
	ktap_eq(memcmp(before, after, len), 0);
	ktap_eq(nr_files(), 1);

	/* without one there is none afterwards */
	unlink(record);
	prepare(true);
	ktap_eq(bringup(&args, &dev), -EBUSY);
	ktap_eq(seen_ret, 0);
	ktap_eq(nr_files(), 0);
	delete();
}

static void test_recover_without_space(void)
{
	char before[4096], after[4096];
	struct ublk_dev *dev = add();
	size_t len;

	leave(dev);
	len = read_record(before, sizeof(before));
	mock.at_start = at_start;
	set_full();
	ktap_eq(bringup(&args, &dev), 0);
	ktap_eq(starts, 1);
	ktap_eq(read_record(after, sizeof(after)), len);
	ktap_eq(memcmp(before, after, len), 0);
	ktap_eq(nr_files(), 1);
	ktap_true(strstr(warned, record));
	ktap_true(strstr(warned, "left as it was"));
	/* the earlier daemon's record ends with the device */
	state_remove(ID, getpid());
	ktap_eq(nr_files(), 0);
	end(dev);
}

static void test_recover_other_file(void)
{
	struct ublk_dev *dev = add();
	char away[90], text[20];

	leave(dev);
	ktap_eq(state_read(ID, &seen), 0);
	snprintf(away, sizeof(away), "%s.away", img);
	ktap_eq(rename(img, away), 0);
	make_file(img, MIB);
	args.dev.stores = seen.stores;
	args.dev.nr_stores = seen.nr_stores;
	ktap_eq(bringup(&args, &dev), -ESTALE);
	ktap_eq(starts, 0);
	snprintf(text, sizeof(text), "dev %d: loop: ", ID);
	ktap_eq(strncmp(ublk_strerror_last(), text, strlen(text)), 0);
	ktap_true(strstr(ublk_strerror_last(), img));
	ktap_true(strstr(ublk_strerror_last(), "--force"));

	/* forced: its record is that of the new file */
	prepare(true);
	mock.at_start = at_start;
	ktap_eq(bringup(&args, &dev), 0);
	check_seen();
	end(dev);
	unlink(away);
}

/* A longer file may be shortened again: its first size counts. */
static void test_recover_grown(void)
{
	struct ublk_dev *dev = add();

	leave(dev);
	ktap_eq(state_read(ID, &seen), 0);
	args.dev.stores = seen.stores;
	args.dev.nr_stores = seen.nr_stores;
	ktap_eq(truncate(img, 2 * MIB), 0);
	mock.at_start = NULL;
	ktap_eq(bringup(&args, &dev), 0);
	state_free(&seen);
	ktap_eq(state_read(ID, &seen), 0);
	ktap_eq(seen.stores[0].size, MIB);
	end(dev);
}

/* The user may shorten a file after its disk, and lengthen it before. */
static void test_resized(void)
{
	struct ublk_dev *dev = add();

	state_free(&seen);
	ktap_eq(state_resized(mock_info(), MIB >> 9, MIB >> 8), 0);
	ktap_eq(state_read(ID, &seen), 0);
	ktap_eq(seen.stores[0].size, MIB);
	state_free(&seen);
	ktap_eq(state_resized(mock_info(), MIB >> 8, MIB >> 10), 0);
	ktap_eq(state_read(ID, &seen), 0);
	ktap_eq(seen.stores[0].size, 0);
	state_free(&seen);
	ktap_eq(state_resized(mock_info(), MIB >> 10, MIB >> 8), 0);
	ktap_eq(state_read(ID, &seen), 0);
	ktap_eq(seen.stores[0].size, 0);
	state_free(&seen);
	ktap_eq(nr_files(), 1);

	/* no space: the old one stays */
	set_full();
	ktap_eq(state_resized(mock_info(), MIB >> 9, 8), -ENOSPC);
	ktap_eq(state_read(ID, &seen), 0);
	ktap_eq(seen.stores[0].size, 0);
	ktap_eq(nr_files(), 1);
	end(dev);
	/* a device without record */
	ktap_eq(state_resized(mock_info(), MIB >> 9, 8), 0);
	ktap_eq(nr_files(), 0);
}

/* A damaged record is kept beside the new one, and that is said. */
static void test_damaged_aside(void)
{
	struct ublk_dev *dev = add();
	char aside[100], text[20] = "";
	FILE *f;

	leave(dev);
	f = fopen(record, "w");
	fputs("{ damaged", f);
	fclose(f);
	ktap_eq(bringup(&args, &dev), 0);
	ktap_true(strstr(warned, "was damaged"));
	snprintf(aside, sizeof(aside), "%s.damaged", record);
	f = fopen(aside, "r");
	ktap_true(f && fgets(text, sizeof(text), f));
	ktap_eq(strcmp(text, "{ damaged"), 0);
	fclose(f);
	ktap_eq(nr_files(), 2);
	unlink(aside);
	end(dev);
}

/* A device keeps its declaration, the next one with the number does not get it. */
static void test_declared(void)
{
	json_t *words = json_pack("{s:s}", "type", "loop");
	struct ublk_dev *dev = add();

	ktap_true(!seen.declared);
	ktap_eq(state_declare(ID, words), 0);
	ktap_eq(nr_files(), 1);
	leave(dev);
	mock.at_start = at_start;
	ktap_eq(bringup(&args, &dev), 0);
	check_seen();
	ktap_true(json_equal(seen.declared, words));
	/* no record: an error that names it */
	ktap_eq(state_declare(ID + 1, words), -ENOENT);
	ktap_true(strstr(ublk_strerror_last(), "8.json"));
	ktap_eq(ublk_dev_stop(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	/* its record stays, as after a crash */
	dev = add();
	check_seen();
	ktap_true(!seen.declared);
	end(dev);
	json_decref(words);
}

/* How long a guardian waits goes into the record that is there. */
static void test_hold(void)
{
	struct ublk_dev *dev = add();
	struct state st;

	ktap_eq(state_read(ID, &st), 0);
	ktap_eq(st.hold_timeout, 0);
	state_free(&st);
	ktap_eq(state_hold(ID, 7), 0);
	ktap_eq(nr_files(), 1);
	ktap_eq(state_read(ID, &st), 0);
	ktap_eq(st.hold_timeout, 7);
	ktap_true(!strcmp(st.target_name, "loop"));
	state_free(&st);
	ktap_eq(state_hold(ID + 1, 7), -ENOENT);
	end(dev);
}

static const struct ktap_test tests[] = {
	{ "add", test_add },
	{ "hold", test_hold },
	{ "add_without_space", test_add_without_space },
	{ "recover", test_recover },
	{ "recover_refused", test_recover_refused },
	{ "recover_without_space", test_recover_without_space },
	{ "recover_other_file", test_recover_other_file },
	{ "recover_grown", test_recover_grown },
	{ "resized", test_resized },
	{ "damaged_aside", test_damaged_aside },
	{ "declared", test_declared },
};

int main(void)
{
	char top[] = "/tmp/ublk-test-bringup.XXXXXX";
	int ret;

	if (!mkdtemp(top))
		return 1;
	snprintf(run, sizeof(run), "%s/run", top);
	snprintf(record, sizeof(record), "%s/%d.json", run, ID);
	snprintf(img, sizeof(img), "%s/img", top);
	setenv("UBLK_RUN_DIR", run, 1);
	ublk_set_log(note_warning, UBLK_LOG_WARN);
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	state_free(&seen);
	free(((char **)args.cfg)[0]);
	unlink(img);
	rmdir(run);
	rmdir(top);
	return ret;
}
