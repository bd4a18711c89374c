// SPDX-License-Identifier: GPL-2.0
/*
 * Zone append (data.rst D-211, D-176, D-52): the server says where the data
 * went, at any position of the zone, in a per-tag command or an element of a
 * batch.
 *
 * No system call appends to a zone of a block device. The kernel's NVMe target
 * does, so it exports the disk to the same machine ("loop" transport), and the
 * append is an NVMe command. Without those modules the tests skip.
 *
 * runner: distro leaks
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "kselftest_harness.h"
#include "lib/fixture_batch.h"
#include "lib/zones.h"

#define NEED	(UBLK_F_ZONED | UBLK_F_USER_COPY)
#define LARGE	(RAW_IO_BYTES / 512)

#define CONFIGFS	"/sys/kernel/config"
#define SUBSYS		CONFIGFS "/nvmet/subsystems/ublk-selftest"
#define PORT		CONFIGFS "/nvmet/ports/7513"
#define NQN		"ublk-selftest"
#define NVME_APPEND	0x7d

struct exported {
	struct zones z;
	int nvme;			/* instance of the controller */
};

FIXTURE(append) {
	struct exported e;
	struct zones *z;
	struct fixture *t;
};

/* Write a line to the file that the format names. */
static int put(const char *value, const char *format, ...)
{
	char path[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	return raw_write_text(path, value);
}

/* Remove everything of the export, whatever the test has done. */
static void unexport(void)
{
	char path[300], nqn[64];
	struct dirent *d;
	DIR *dir = opendir("/sys/class/nvme");
	FILE *f;

	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/nvme/%s/subsysnqn",
			 d->d_name);
		f = fopen(path, "r");
		if (f && fgets(nqn, sizeof(nqn), f) &&
		    !strncmp(nqn, NQN, strlen(NQN)))
			put("1", "/sys/class/nvme/%s/delete_controller",
			    d->d_name);
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	put("0", "%s/namespaces/1/enable", SUBSYS);
	unlink(PORT "/subsystems/" NQN);
	rmdir(PORT);
	rmdir(SUBSYS "/namespaces/1");
	rmdir(SUBSYS);
}

/* Connect to the exported subsystem. Returns the controller's instance. */
static int connect_loop(void)
{
	static const char opts[] = "transport=loop,nqn=" NQN;
	char reply[64] = "";
	int fd, n, ret = -EIO;

	fd = open("/dev/nvme-fabrics", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, opts, sizeof(opts) - 1) < 0)
		ret = -errno;
	else if (read(fd, reply, sizeof(reply) - 1) > 0 &&
		 sscanf(reply, "instance=%d", &n) == 1)
		ret = n;
	close(fd);
	return ret;
}

static int mkdirs(void)
{
	if (mkdir(SUBSYS, 0755) || mkdir(SUBSYS "/namespaces/1", 0755) ||
	    mkdir(PORT, 0755))
		return -errno;
	return 0;
}

/* Export the disk: a job of the client, as the target reads zones. */
static long export_job(void *arg)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/dev/ublkb%d", *(int *)arg);
	mount("none", CONFIGFS, "configfs", 0, NULL);
	ret = mkdirs();
	if (!ret)
		ret = put("1", "%s/attr_allow_any_host", SUBSYS);
	if (!ret)
		ret = put(path, "%s/namespaces/1/device_path", SUBSYS);
	if (!ret)
		ret = put("1", "%s/namespaces/1/enable", SUBSYS);
	if (!ret)
		ret = put("loop", "%s/addr_trtype", PORT);
	if (!ret && symlink(SUBSYS, PORT "/subsystems/" NQN))
		ret = -errno;
	return ret ? ret : connect_loop();
}

static bool have_modules(void)
{
	int ret = system("modprobe nvme-loop 2>/dev/null && modprobe configfs");

	return !ret && !access("/dev/nvme-fabrics", F_OK);
}

FIXTURE_SETUP(append)
{
	self->z = &self->e.z;
	self->t = &self->z->t;
	FX_SETUP(self->t, NEED);
	if (!have_modules())
		SKIP(return, "no nvme-loop");
}

FIXTURE_TEARDOWN_PARENT(append)
{
	unexport();
	FX_TEARDOWN(&self->e.z.t);
}

struct append_arg {
	int nvme;
	__u64 lba;			/* in blocks of 512 */
	__u32 len;
	void *data;
	__u64 result;
};

/*
 * An NVMe zone append: the status, 0 for success; the position is in @result.
 */
static long append_job(void *arg)
{
	struct append_arg *a = arg;
	struct nvme_passthru_cmd64 cmd = {
		.opcode = NVME_APPEND, .nsid = 1, .addr = (uintptr_t)a->data,
		.data_len = a->len, .cdw10 = a->lba, .cdw11 = a->lba >> 32,
		.cdw12 = a->len / 512 - 1,
	};
	char path[32];
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/ng%dn1", a->nvme);
	if (!raw_wait_path(path, true))
		return -ENOENT;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, NVME_IOCTL_IO64_CMD, &cmd);
	if (ret < 0)
		ret = -errno;
	close(fd);
	a->result = cmd.result;
	return ret;
}

/* Append @len bytes to a zone. Returns the job. */
static int append(struct exported *e, int zone, __u32 len)
{
	struct append_arg a = {
		.nvme = e->nvme, .lba = e->z.zone[zone].start, .len = len,
		.data = e->z.t.client->data,
	};

	return client_start(e->z.t.client, append_job, &a, sizeof(a));
}

static __u64 appended_at(struct exported *e, int job)
{
	return ((struct append_arg *)e->z.t.client->jobs[job].arg)->result;
}

/* NVMe knows no conventional zones. */
static int add(struct exported *e, __u64 flags)
{
	int ret = zones_add(&e->z, flags, 64, LARGE);

	e->z.zone[0].type = BLK_ZONE_TYPE_SEQWRITE_REQ;
	e->z.zone[0].cond = BLK_ZONE_COND_EMPTY;
	return ret;
}

static int export_job_of(struct exported *e)
{
	int id = e->z.t.info.dev_id;

	return client_start(e->z.t.client, export_job, &id, sizeof(id));
}

static int up(struct exported *e)
{
	int ret = add(e, 0);

	if (!ret)
		ret = fx_serve(&e->z.t, 0);
	if (!ret)
		ret = raw_fetch_all(&e->z.t.ring);
	if (!ret)
		ret = zones_start(&e->z);
	if (ret)
		return ret;
	e->nvme = zones_wait(&e->z, export_job_of(e));
	return e->nvme < 0 ? e->nvme : 0;
}

/* Wait for the next append and serve everything else. */
static int next_append(struct exported *e, struct raw_ev *ev)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int ret;

	do {
		ret = raw_event(&e->z.t.ring, ev, RAW_DEADLINE_MS);
		if (ret || (!ev->res && ublksrv_get_op(&ev->iod) ==
			    UBLK_IO_OP_ZONE_APPEND))
			return ret;
		ret = zones_serve(&e->z, ev);
	} while (!ret && raw_now_ms() < end);
	return ret ? ret : RAW_TIMEOUT;
}

static int commit(struct exported *e, const struct raw_ev *ev, int result,
		  __u64 lba)
{
	return raw_post(&e->z.t.ring, UBLK_U_IO_COMMIT_AND_FETCH_REQ, ev->q,
			ev->tag, result, lba, 0, NULL);
}

/* covers: D-211 D-23 D-52 D-148 I-20 */
TEST_F(append, D_211_where_it_went)
{
	struct exported *e = &self->e;
	struct blk_zone *b = &self->z->zone[7];
	struct fixture *t = self->t;
	struct raw_ev ev;
	char page[4096];
	int job, i;

	ASSERT_EQ(0, up(e));
	for (i = 0; i < 4; i++) {
		memset(t->client->data, 'a' + i, 4096);
		job = append(e, 7, 4096);
		ASSERT_EQ(0, next_append(e, &ev));
		EXPECT_EQ(8, ev.iod.nr_sectors);
		EXPECT_EQ(b->start, ev.iod.start_sector);
		EXPECT_EQ(-1, pwrite(t->srv.fd, page, 8,
				     raw_pos(0, ev.tag, 0)));
		EXPECT_EQ(EACCES, errno);
		ASSERT_EQ(0, zones_serve(self->z, &ev));
		EXPECT_EQ(0, zones_wait(self->z, job));
		EXPECT_EQ(b->start + 8 * i, appended_at(e, job));
		EXPECT_EQ('a' + i, t->srv.store[((b->start + 8 * i) << 9) +
						4095]);
	}
	/* The last blocks of the zone, and then one block too many. */
	b->wp = b->start + b->capacity - 8;
	job = append(e, 7, 4096);
	EXPECT_EQ(0, zones_wait(self->z, job));
	EXPECT_EQ(b->start + b->capacity - 8, appended_at(e, job));
	EXPECT_NE(0, zones_wait(self->z, append(e, 7, 4096)));
	/*
	 * The position is used whatever the result is; for a short result see
	 * I-20.
	 */
	job = append(e, 8, 4096);
	ASSERT_EQ(0, next_append(e, &ev));
	ASSERT_EQ(0, commit(e, &ev, 512, self->z->zone[8].start + 4000));
	EXPECT_EQ(running_on_mainline(), zones_wait(self->z, job) == 0);
	if (running_on_mainline())
		EXPECT_EQ(self->z->zone[8].start + 4000, appended_at(e, job));
	job = append(e, 8, 4096);
	ASSERT_EQ(0, next_append(e, &ev));
	ASSERT_EQ(0, commit(e, &ev, 8192, self->z->zone[8].start + 4000));
	EXPECT_EQ(0, zones_wait(self->z, job));
	EXPECT_EQ(self->z->zone[8].start + 4000, appended_at(e, job));
	job = append(e, 9, 4096);
	ASSERT_EQ(0, next_append(e, &ev));
	ASSERT_EQ(0, commit(e, &ev, 0, self->z->zone[9].start + 8));
	EXPECT_EQ(0, zones_wait(self->z, job));
	EXPECT_EQ(self->z->zone[9].start + 8, appended_at(e, job));
	job = append(e, 9, 4096);
	ASSERT_EQ(0, next_append(e, &ev));
	ASSERT_EQ(0, commit(e, &ev, -EIO, 1));
	EXPECT_LT(0, zones_wait(self->z, job));
	/* The commit of any other request refuses an address. */
	job = zones_report(self->z, 0, 1);
	ASSERT_EQ(0, raw_event(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(-EINVAL, raw_call(&t->ring, UBLK_U_IO_COMMIT_AND_FETCH_REQ,
				    0, ev.tag, 64, 4096));
	ASSERT_EQ(0, zones_serve(self->z, &ev));
	EXPECT_EQ(0, zones_wait(self->z, job));
}

struct batch_srv {
	struct exported *e;
	struct raw_batch *b;
	int appends, with_lba;
};

/* Serve until the job is done; commit appends with a position or without. */
static long batch_wait(struct batch_srv *s, int job)
{
	struct io_client *a = s->e->z.t.client;
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct raw_ev ev;
	int ret = 0;

	while (!client_done(a, job) && raw_now_ms() < end && !ret) {
		struct raw_elem el = { 0 };

		ret = raw_batch_request(s->b, &ev, 2);
		if (ret == RAW_TIMEOUT || (!ret && ev.res)) {
			ret = 0;
			continue;
		}
		if (ret)
			return ret;
		el.tag = ev.tag;
		el.result = zones_answer(&s->e->z, &ev, &el.zone_lba);
		s->b->elem_flags = el.zone_lba && s->with_lba ?
				   UBLK_BATCH_F_HAS_ZONE_LBA : 0;
		s->appends += el.zone_lba != 0;
		ret = raw_batch_elems(s->b, RAW_COMMIT, 0, &el, 1);
		ret = ret == raw_elem_size(s->b->elem_flags) ? 0 : -EPROTO;
	}
	return ret ? ret : client_wait(a, job, 0);
}

/* covers: D-176 D-164 D-175 */
TEST_F(append, D_176_batch)
{
	struct raw_batch *b = calloc(1, sizeof(*b));
	struct exported *e = &self->e;
	struct batch_srv s = { .e = e, .b = b, .with_lba = 1 };
	struct fixture *t = self->t;
	int job;

	FX_REQUIRE(t, UBLK_F_BATCH_IO);
	ASSERT_NE(NULL, b);
	ASSERT_EQ(0, add(e, UBLK_F_BATCH_IO));
	ASSERT_EQ(0, raw_srv_open(&t->srv, &t->info));
	ASSERT_EQ(0, raw_batch_open(b, &t->srv, 0));
	ASSERT_EQ(0, raw_group_open(b, 0, 4, 64, 0));
	ASSERT_EQ(0, raw_batch_prep_all(b));
	ASSERT_LT(0, raw_batch_fetch(b, 0, 0));
	ASSERT_EQ(0, batch_wait(&s, client_ctrl(t->client, UBLK_U_CMD_START_DEV,
						t->info.dev_id, getpid())));
	e->nvme = batch_wait(&s, export_job_of(e));
	ASSERT_LE(0, e->nvme);
	memset(t->client->data, 'x', 4096);
	job = append(e, 3, 4096);
	EXPECT_EQ(0, batch_wait(&s, job));
	EXPECT_EQ(self->z->zone[3].start, appended_at(e, job));
	EXPECT_EQ('x', t->srv.store[self->z->zone[3].start << 9]);
	job = append(e, 3, 4096);
	EXPECT_EQ(0, batch_wait(&s, job));
	EXPECT_EQ(self->z->zone[3].start + 8, appended_at(e, job));
	/* Without a position in the element the append returns all ones. */
	s.with_lba = 0;
	job = append(e, 3, 4096);
	EXPECT_EQ(0, batch_wait(&s, job));
	EXPECT_EQ(~0ULL, appended_at(e, job));
	EXPECT_EQ(3, s.appends);
}

TEST_HARNESS_MAIN
