// SPDX-License-Identifier: GPL-2.0
/*
 * Run-state files: what is written comes back, what is damaged is refused, and
 * only the right process removes one. Options of targets as
 * JSON, names of states and features.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli.h"
#include "config.h"
#include "ktap.h"
#include "mock_kernel.h"
#include "opt.h"
#include "private.h"

#define ID	7

static char dir[64];
static char file[128];

static void write_text(const char *text)
{
	FILE *out = fopen(file, "w");

	fputs(text, out);
	fclose(out);
}

/* A null device on the mock kernel, recorded. */
static unsigned int threads = 1;
static const char *shmem;
static const char *name;
static int write_ret;		/* expected of state_write() */

/* Devices that exist. */
static __u32 devices[2] = { ID, ID + 1 };

int devnodes_list(__u32 **ids)
{
	*ids = malloc(sizeof(devices));
	if (!*ids)
		return -ENOMEM;
	memcpy(*ids, devices, sizeof(devices));
	return 2;
}

static void record(void)
{
	struct ublk_dev_opts opts = {
		.struct_size = sizeof(opts), .id = ID,
		.nr_queues = 2, .depth = 4, .io_buf_bytes = 65536,
		.flags = UBLK_DEV_MLOCK, .io_threads = threads,
		.shmem = shmem,
	};
	static char cfg[64] __attribute__((aligned(16)));
	struct opt_table table = {
		.opts = null_target.opts, .base = cfg, .owner = "null",
	};
	char add[] = "add", opt[] = "-s1M", *argv[3] = { add, opt };
	enum state_old old;
	struct ublk_dev *dev = NULL;

	mock_reset();
	mock.features = UBLK_F_PER_IO_DAEMON | UBLK_F_SHMEM_ZC;
	ktap_eq(opt_parse(&table, 1, 2, argv), 0);
	ktap_eq(ublk_dev_new(&dev, &opts, &null_target, cfg), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), 0);
	ktap_eq(ublk_dev_start(dev), 0);
	/* the threads have not got it: not every user may have that */
	opts.realtime = 5;
	ktap_eq(state_write(dev, &null_target, cfg, &opts, name, &old),
		write_ret);
	if (!write_ret)
		state_keep(ID, old);
	ktap_eq(ublk_dev_stop(dev), 0);
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
}

static void test_round_trip(void)
{
	struct state st;
	char tmp[140];

	ktap_eq(state_read(ID, &st), -ENOENT);
	record();
	ktap_eq(state_read(ID, &st), 0);
	ktap_eq(st.id, ID);
	ktap_eq(st.pid, getpid());
	ktap_eq(st.nr_tids, 2);
	ktap_true(st.nr_tids == 2 && st.tids[0] > 0 && st.tids[1] > 0);
	ktap_true(st.target == &null_target);
	ktap_eq(strcmp(st.target_name, "null"), 0);
	ktap_eq(strcmp(st.target_text, " size=1048576"), 0);
	state_free(&st);
	snprintf(tmp, sizeof(tmp), "%s.new", file);
	ktap_true(access(tmp, F_OK));
}

/* What "recover" starts from. */
static void test_for_recovery(void)
{
	struct ublksrv_ctrl_dev_info info = {
		.dev_id = ID, .nr_hw_queues = 2, .queue_depth = 4,
		.max_io_buf_bytes = 65536,
	}, other;
	struct state st;

	record();
	ktap_eq(strcmp(state_name(ID), file), 0);
	ktap_eq(state_read(ID, &st), 0);
	ktap_eq(st.queues, 2);
	ktap_eq(st.depth, 4);
	ktap_eq(st.max_io_bytes, 65536);
	ktap_true(st.mlock);
	ktap_eq(st.realtime, 5);
	ktap_true(state_matches(&st, &info));
	other = info;
	other.queue_depth++;
	ktap_true(!state_matches(&st, &other));
	other = info;
	other.flags = UBLK_F_USER_RECOVERY;
	ktap_true(!state_matches(&st, &other));
	other = info;
	other.nr_hw_queues--;
	ktap_true(!state_matches(&st, &other));
	state_free(&st);

	/* an older file says less, and fits no device */
	write_text("{\"version\":1,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{}}");
	ktap_eq(state_read(ID, &st), 0);
	ktap_true(!state_matches(&st, &info));
	ktap_eq(st.realtime, 0);
	state_free(&st);
}

/* Threads of a queue, and which file the shared memory was. */
static void test_threads_and_shmem(void)
{
	char area[80], other[80];
	struct state st;
	int fd;

	snprintf(area, sizeof(area), "%s.area", dir);
	snprintf(other, sizeof(other), "%s.other", dir);
	fd = open(area, O_RDWR | O_CREAT, 0600);
	ktap_eq(ftruncate(fd, 4096), 0);
	threads = 3;
	shmem = area;
	record();
	threads = 1;
	shmem = NULL;

	ktap_eq(state_read(ID, &st), 0);
	ktap_eq(st.io_threads, 3);
	ktap_eq(st.nr_tids, 6);
	ktap_true(st.nr_tids == 6 && st.tids[5] > 0);
	ktap_true(st.shmem && !strcmp(st.shmem, area));
	ktap_eq(mode_check_shmem(&st), 0);
	ktap_eq(rename(area, other), 0);
	ktap_eq(mode_check_shmem(&st), -ENOENT);
	close(open(area, O_RDWR | O_CREAT, 0600));
	ktap_eq(mode_check_shmem(&st), -EINVAL);
	ktap_true(strstr(ublk_strerror_last(), "another file"));
	state_free(&st);
	close(fd);
	unlink(area);
	unlink(other);

	write_text("{\"version\":1,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{},\"io_threads\":0}");
	ktap_eq(state_read(ID, &st), -EBADMSG);
	write_text("{\"version\":1,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{},\"shmem\":{\"file\":\"x\"}}");
	ktap_eq(state_read(ID, &st), -EBADMSG);
}

/* What "recover" asks for gives the device's flags again. */
static void test_modes(void)
{
	static const struct {
		__u64 flags;
		const char *text;
	} rows[] = {
		{ 0, "copy" },
		{ UBLK_F_NEED_GET_DATA, "copy get-data" },
		{ UBLK_F_BATCH_IO, "copy batch" },
		{ UBLK_F_USER_COPY, "user-copy" },
		{ UBLK_F_USER_COPY | UBLK_F_BATCH_IO | UBLK_F_SHMEM_ZC,
		  "user-copy batch shared-memory" },
		{ UBLK_F_AUTO_BUF_REG, "zero-copy" },
		{ UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY |
		  UBLK_F_BATCH_IO, "zero-copy batch" },
		{ UBLK_F_SUPPORT_ZERO_COPY, "registered" },
	};
	struct ublk_dev_opts opts;
	__u64 flags;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].text;
		flags = rows[i].flags | UBLK_F_USER_RECOVERY | UBLK_F_ZONED;
		ktap_eq(strcmp(mode_text(flags), rows[i].text), 0);
		mode_from_flags(flags, &opts);
		ktap_eq(opts.features, UBLK_F_USER_RECOVERY | UBLK_F_ZONED |
			(flags & UBLK_F_NEED_GET_DATA));
		ktap_eq(opts.mode == UBLK_MODE_ZERO_COPY,
			!!(flags & UBLK_F_AUTO_BUF_REG));
		ktap_eq(opts.mode == UBLK_MODE_USER_COPY,
			!!(flags & UBLK_F_USER_COPY));
		ktap_eq(opts.batch, flags & UBLK_F_BATCH_IO ?
			UBLK_CHOICE_YES : UBLK_CHOICE_NO);
	}
}

struct cfg {
	__u64 num, size;
	bool flag, on;
	const char *str, *path;
	char **list;
};

static const struct ublk_opt cfg_opts[] = {
	{
		.name = "num|number", .letter = 'n', .type = UBLK_OPT_UINT,
		.offset = offsetof(struct cfg, num),
		.arg = "N", .def = "3", .min = 1, .max = 10, .help = "",
	},
	{
		.name = "size", .letter = 's', .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct cfg, size),
		.arg = "SIZE", .min = 512, .help = "",
	},
	{
		.name = "flag", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct cfg, flag),
		.help = "",
	},
	{
		.name = "on", .type = UBLK_OPT_BOOL,
		.offset = offsetof(struct cfg, on),
		.help = "",
	},
	{
		.name = "str", .type = UBLK_OPT_STR,
		.offset = offsetof(struct cfg, str),
		.arg = "TEXT", .def = "word", .help = "",
	},
	{
		.name = "path", .letter = 'f', .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_REQUIRED,
		.offset = offsetof(struct cfg, path),
		.arg = "FILE", .help = "",
	},
	{
		.name = "list", .letter = 'l', .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_LIST, .offset = offsetof(struct cfg, list),
		.arg = "FILE", .help = "",
	},
	{ 0 }
};

static const struct ublk_target cfg_target = {
	UBLK_TARGET(),
	.name = "cfg",
	.opts = cfg_opts,
	.config_size = sizeof(struct cfg),
};

static void test_config_round_trip(void)
{
	static const char * const paths[] = {
		"/x y/\"z\"", "/\xff\xfe\x01", "/\xc3\xa4", "/",
	};
	static char b[8] = "/b c", x[8] = "/\xff", a[8] = "/a";
	static char *list[4] = { b, x, a };
	struct cfg in = { .num = 7, .size = ~0ULL, .flag = true, .str = "a b" };
	struct cfg *out;
	json_t *obj;
	void *p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		ktap_row = paths[i];
		in.path = paths[i];
		in.list = i ? list : NULL;
		in.on = i % 2;
		obj = config_pack(&cfg_target, &in);
		ktap_true(obj);
		ktap_eq(config_unpack(&cfg_target, obj, &p), 0);
		json_decref(obj);
		out = p;
		ktap_eq(out->num, 7);
		ktap_true(out->size == ~0ULL);
		ktap_true(out->flag);
		ktap_eq(out->on, i % 2);
		ktap_eq(strcmp(out->str, "a b"), 0);
		ktap_eq(strcmp(out->path, paths[i]), 0);
		ktap_true(i ? !strcmp(out->list[0], b) &&
			  !strcmp(out->list[1], x) &&
			  !strcmp(out->list[2], a) && !out->list[3] :
			  !out->list);
		config_set_size(&cfg_target, out, 4096);
		ktap_eq(out->size, 4096);
		config_free(&cfg_target, out);
	}
}

static void test_config_texts(void)
{
	static const struct {
		const char *text, *why;		/* NULL: accepted */
	} rows[] = {
		{ "{\"path\":\"/\"}", NULL },
		{ "{\"path\":{\"hex\":\"2f61\"}}", NULL },
		{ "{\"path\":\"/\",\"size\":0}", NULL },
		{ "{\"path\":\"/\",\"list\":[]}", NULL },
		{ "{\"path\":\"/\",\"list\":[\"a\",{\"hex\":\"ff\"}]}", NULL },
		{ "{\"path\":\"/\",\"list\":\"a\"}",
		  "cfg: bad value of option \"list\"" },
		{ "{\"path\":\"/\",\"list\":[\"a\",7]}",
		  "cfg: bad value of option \"list\"" },
		{ "{}", "cfg: option \"path\" is missing" },
		{ "{\"path\":\"/\",\"later\":1}",
		  "cfg: this program does not know its option \"later\"" },
		{ "{\"path\":\"/\",\"number\":4}",
		  "cfg: this program does not know its option \"number\"" },
		{ "{\"path\":null}", "cfg: bad value of option \"path\"" },
		{ "{\"path\":7}", "cfg: bad value of option \"path\"" },
		{ "{\"path\":{\"hex\":\"2\"}}",
		  "cfg: bad value of option \"path\"" },
		{ "{\"path\":{\"hex\":\"2f00\"}}",
		  "cfg: bad value of option \"path\"" },
		{ "{\"path\":{\"hex\":\"2g\"}}",
		  "cfg: bad value of option \"path\"" },
		{ "{\"path\":\"/\",\"num\":0}",
		  "cfg: bad value of option \"num\"" },
		{ "{\"path\":\"/\",\"num\":11}",
		  "cfg: bad value of option \"num\"" },
		{ "{\"path\":\"/\",\"num\":\"4\"}",
		  "cfg: bad value of option \"num\"" },
		{ "{\"path\":\"/\",\"size\":511}",
		  "cfg: bad value of option \"size\"" },
		{ "{\"path\":\"/\",\"flag\":1}",
		  "cfg: bad value of option \"flag\"" },
	};
	json_t *obj;
	void *p;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ktap_row = rows[i].text;
		obj = json_loads(rows[i].text, 0, NULL);
		ktap_true(obj);
		ret = config_unpack(&cfg_target, obj, &p);
		json_decref(obj);
		ktap_eq(ret, rows[i].why ? -EBADMSG : 0);
		if (!ret) {
			/* what is not said has its default */
			ktap_eq(((struct cfg *)p)->num, 3);
			ktap_eq(strcmp(((struct cfg *)p)->str, "word"), 0);
			config_free(&cfg_target, p);
		} else if (strcmp(ublk_strerror_last(), rows[i].why)) {
			ktap_fail(__FILE__, __LINE__, "says: %s",
				  ublk_strerror_last());
		}
	}
}

static void test_damaged(void)
{
	static const char * const texts[] = {
		"", "{", "[]", "{}", "null", "7",
		"{\"version\":1}",
		/* another version, device, no pid, wrong types */
		"{\"version\":2,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{}}",
		"{\"version\":1,\"id\":8,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{}}",
		"{\"version\":1,\"id\":7,\"pid\":0,\"tids\":[],\"target\":\"null\",\"options\":{}}",
		"{\"version\":1,\"id\":7,\"pid\":\"1\",\"tids\":[],\"target\":\"null\",\"options\":{}}",
		"{\"version\":1,\"id\":7,\"pid\":1,\"tids\":{},\"target\":\"null\",\"options\":{}}",
		"{\"version\":1,\"id\":7,\"pid\":1,\"tids\":[\"1\"],\"target\":\"null\",\"options\":{}}",
		"{\"version\":1,\"id\":7,\"pid\":1,\"tids\":[],\"target\":3,\"options\":{}}",
		"{\"version\":1,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":[]}",
		"{\"version\":1,\"version\":1,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{}}",
		"{\"version\":1,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{}} x",
	};
	struct state st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		ktap_row = texts[i];
		write_text(texts[i]);
		ktap_eq(state_read(ID, &st), -EBADMSG);
	}
}

static void test_every_prefix_is_refused(void)
{
	char text[4096], part[4096];
	struct state st;
	size_t len, i;
	FILE *in;

	record();
	in = fopen(file, "r");
	len = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	for (i = 0; i < len; i++) {
		memcpy(part, text, i);
		part[i] = 0;
		write_text(part);
		ktap_eq(state_read(ID, &st), -EBADMSG);
	}
}

static void test_unknown_target(void)
{
	struct state st;

	write_text("{\"version\":1,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"later\",\"options\":{\"file\":\"/x y\",\"n\":0}}");
	ktap_eq(state_read(ID, &st), 0);
	ktap_true(!st.target);
	ktap_eq(strcmp(st.target_name, "later"), 0);
	ktap_eq(strcmp(st.target_text, " file=/x y"), 0);
	state_free(&st);
}

/* A device of an earlier boot had the number. */
static void test_other_boot(void)
{
	struct state st;
	char text[400];
	FILE *in;

	record();
	ktap_eq(state_read(ID, &st), 0);
	state_free(&st);
	in = fopen("/proc/sys/kernel/random/boot_id", "r");
	ktap_true(in && fgets(text, sizeof(text), in));
	fclose(in);
	text[strcspn(text, "\n")] = 0;
	ktap_eq(strcmp(state_boot(), text), 0);
	write_text("{\"version\":1,\"boot\":\"other\",\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{}}");
	ktap_eq(state_read(ID, &st), -ESTALE);
	/* although process 1 is alive */
	state_remove_stale(ID);
	ktap_true(access(file, F_OK));
	write_text("{\"version\":1,\"boot\":7,\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{}}");
	ktap_eq(state_read(ID, &st), -EBADMSG);
	/* not known, as where there is no /proc */
	write_text("{\"version\":1,\"boot\":\"\",\"id\":7,\"pid\":1,\"tids\":[],\"target\":\"null\",\"options\":{}}");
	ktap_eq(state_read(ID, &st), 0);
	state_free(&st);
	unlink(file);
}

static void test_remove(void)
{
	int status;
	pid_t pid;

	record();
	state_remove(ID, getpid() + 1);
	ktap_eq(access(file, F_OK), 0);
	state_remove_stale(ID);
	ktap_eq(access(file, F_OK), 0);
	state_remove(ID, getpid());
	ktap_true(access(file, F_OK));

	/* recorded by a process that is gone */
	pid = fork();
	if (!pid)
		_exit(0);
	waitpid(pid, &status, 0);
	record();
	write_text("{\"version\":1,\"id\":7,\"pid\":999999999,\"tids\":[],\"target\":\"null\",\"options\":{}}");
	state_remove_stale(ID);
	ktap_true(access(file, F_OK));

	write_text("damaged");
	state_remove_stale(ID);
	ktap_true(access(file, F_OK));
	/* nothing there */
	state_remove_stale(ID);
	state_remove(ID, getpid());
}

static void test_names(void)
{
	char buf[512], small[10];

	ktap_eq(strcmp(name_of_state(UBLK_S_DEV_LIVE), "LIVE"), 0);
	ktap_eq(strcmp(name_of_state(UBLK_S_DEV_FAIL_IO), "FAIL_IO"), 0);
	ktap_eq(strcmp(name_of_state(77), "UNKNOWN"), 0);
	names_of_features(UBLK_F_SUPPORT_ZERO_COPY | UBLK_F_BATCH_IO |
			  UBLK_F_IO_DESC_SIZE, buf, sizeof(buf));
	ktap_eq(strcmp(buf, "SUPPORT_ZERO_COPY BATCH_IO IO_DESC_SIZE"), 0);
	names_of_features(1ULL << 50, buf, sizeof(buf));
	ktap_eq(strcmp(buf, "BIT_50"), 0);
	names_of_features(0, buf, sizeof(buf));
	ktap_eq(strcmp(buf, ""), 0);
	/* does not write beyond */
	names_of_features(~0ULL, small, sizeof(small));
	ktap_true(strlen(small) < sizeof(small));
}

/* The record of another device that exists: ID + 1 has the name "other". */
static void record_other(char *path, size_t len)
{
	char text[2048];
	FILE *in, *out;
	char *at;
	size_t n;

	name = "other";
	record();
	in = fopen(file, "r");
	n = fread(text, 1, sizeof(text) - 1, in);
	text[n] = 0;
	fclose(in);
	at = strstr(text, "\"id\": 7");
	ktap_true(at);
	at[6] = '8';
	snprintf(path, len, "%s/%d.json", dir, ID + 1);
	out = fopen(path, "w");
	fputs(text, out);
	fclose(out);
}

/* The name of a device is kept, and is that of one device only. */
static void test_device_name(void)
{
	char other[140];
	struct state st;

	record_other(other, sizeof(other));
	name = "scratch";
	record();
	ktap_eq(state_read(ID, &st), 0);
	ktap_true(st.name && !strcmp(st.name, "scratch"));
	state_free(&st);
	name = "other";
	write_ret = -EBUSY;
	record();
	ktap_true(strstr(ublk_strerror_last(), "device 8 has the name"));
	write_ret = 0;
	/* a device that does not exist any more keeps no name */
	devices[1] = ID;
	record();
	ktap_eq(state_read(ID, &st), 0);
	ktap_true(st.name && !strcmp(st.name, "other"));
	state_free(&st);
	devices[1] = ID + 1;
	unlink(other);
	name = NULL;
	record();
	ktap_eq(state_read(ID, &st), 0);
	ktap_true(!st.name);
	state_free(&st);
}

static const struct ktap_test tests[] = {
	{ "round_trip", test_round_trip },
	{ "for_recovery", test_for_recovery },
	{ "threads_and_shmem", test_threads_and_shmem },
	{ "modes", test_modes },
	{ "config_round_trip", test_config_round_trip },
	{ "config_texts", test_config_texts },
	{ "damaged", test_damaged },
	{ "every_prefix_is_refused", test_every_prefix_is_refused },
	{ "unknown_target", test_unknown_target },
	{ "other_boot", test_other_boot },
	{ "remove", test_remove },
	{ "names", test_names },
	{ "device_name", test_device_name },
};

int main(void)
{
	char top[] = "/tmp/ublk-test-state.XXXXXX";
	int ret;

	if (!mkdtemp(top))
		return 1;
	/* the directory itself is made when needed */
	snprintf(dir, sizeof(dir), "%s/run", top);
	snprintf(file, sizeof(file), "%s/%d.json", dir, ID);
	setenv("UBLK_RUN_DIR", dir, 1);
	ublk_set_log(NULL, UBLK_LOG_ERR);
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	unlink(file);
	rmdir(dir);
	rmdir(top);
	return ret;
}
