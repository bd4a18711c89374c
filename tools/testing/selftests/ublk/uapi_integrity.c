// SPDX-License-Identifier: GPL-2.0
/*
 * Protection information (data.rst section 14): the capabilities of the disk;
 * metadata from the block layer or the submitter on its way to the server and
 * back; metadata that does not fit the data. Every kind of checksum, with and
 * without reference tag, with intervals smaller than blocks and with metadata
 * before the tuple. Parameters are in uapi_integrity_params.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include "kselftest_harness.h"
#include "lib/pi.h"
#include "lib/fixture.h"

/* IORING_FEAT_RW_ATTR, which older libraries do not know. */
#define RING_RW_ATTR	(1U << 16)

#define FLAGS	(UBLK_F_INTEGRITY | UBLK_F_USER_COPY)
#define WIN	RAW_WIN_START
/* The client's data area: data at the start, metadata behind it. */
#define META	(8U << 20)

/* A disk with protection information, served by this process. */
struct prot {
	struct fixture t;
	struct ublk_param_integrity pi;
	char *meta;			/* metadata of every interval of the window */
	char *data;			/* data of the client */
};

FIXTURE(integrity) {
	struct prot p;
};

FIXTURE_VARIANT(integrity) {
	struct ublk_param_integrity pi;
	int lbs_shift;
	const char *format;
};

FIXTURE_VARIANT_ADD(integrity, nop) {
	.pi = { .metadata_size = 8, .interval_exp = 9 },
	.lbs_shift = 9, .format = "nop",
};

FIXTURE_VARIANT_ADD(integrity, ip) {
	.pi = { .flags = PI_CAPABLE, .metadata_size = 8, .interval_exp = 9,
		.csum_type = PI_IP, .tag_size = 2 },
	.lbs_shift = 9, .format = "T10-DIF-TYPE3-IP",
};

FIXTURE_VARIANT_ADD(integrity, ip_ref_4096) {
	.pi = { .flags = PI_REF_TAG, .metadata_size = 8, .interval_exp = 12,
		.csum_type = PI_IP },
	.lbs_shift = 12, .format = "T10-DIF-TYPE1-IP",
};

FIXTURE_VARIANT_ADD(integrity, t10_ref) {
	.pi = { .flags = PI_CAPABLE | PI_REF_TAG, .metadata_size = 8,
		.interval_exp = 9, .csum_type = PI_T10, .tag_size = 2 },
	.lbs_shift = 9, .format = "T10-DIF-TYPE1-CRC",
};

FIXTURE_VARIANT_ADD(integrity, t10_ref_offset_small_intervals) {
	.pi = { .flags = PI_REF_TAG, .metadata_size = 32, .pi_offset = 16,
		.interval_exp = 9, .csum_type = PI_T10,
		.max_integrity_segments = 7 },
	.lbs_shift = 12, .format = "T10-DIF-TYPE1-CRC",
};

FIXTURE_VARIANT_ADD(integrity, nvme) {
	.pi = { .flags = PI_CAPABLE, .metadata_size = 16, .interval_exp = 12,
		.csum_type = PI_NVME },
	.lbs_shift = 12, .format = "EXT-DIF-TYPE3-CRC64",
};

FIXTURE_VARIANT_ADD(integrity, nvme_ref_wide) {
	.pi = { .flags = PI_REF_TAG, .metadata_size = 64, .pi_offset = 48,
		.interval_exp = 12, .csum_type = PI_NVME },
	.lbs_shift = 12, .format = "EXT-DIF-TYPE1-CRC64",
};

/* ADD_DEV, parameters, START_DEV. */
static int up(struct fixture *t, const struct ublk_param_integrity *pi,
	      int lbs_shift)
{
	struct ublk_params p;
	int ret = fx_add(t, 1, 8, FLAGS);

	if (!ret)
		ret = raw_get_params(&t->ctl, t->info.dev_id, &p);
	p.types &= ~UBLK_PARAM_TYPE_DEVT;
	p.basic.logical_bs_shift = lbs_shift;
	if (pi) {
		p.types |= UBLK_PARAM_TYPE_INTEGRITY;
		p.integrity = *pi;
	}
	if (!ret)
		ret = raw_set_params(&t->ctl, t->info.dev_id, &p);
	if (!ret)
		ret = fx_serve(t, 0);
	if (!ret)
		ret = raw_fetch_all(&t->ring);
	return ret ? ret : fx_start(t);
}

FIXTURE_SETUP(integrity)
{
	struct fixture *t = &self->p.t;

	FX_SETUP(t, FLAGS);
	self->p.pi = variant->pi;
	self->p.data = t->client->data;
	self->p.meta = calloc(1, pi_bytes(&self->p.pi, 8U << 20));
	ASSERT_NE(NULL, self->p.meta);
	ASSERT_EQ(0, up(t, &self->p.pi, variant->lbs_shift));
}

FIXTURE_TEARDOWN_PARENT(integrity)
{
	FX_TEARDOWN(&self->p.t);
}

/* Reference tag of the interval at byte @off of the disk. */
static __u64 ref_of(const struct ublk_param_integrity *pi, __u64 off)
{
	return off >> pi->interval_exp;
}

static char *meta_at(struct prot *p, __u64 off)
{
	return p->meta + pi_bytes(&p->pi, off - WIN);
}

/* Position of byte @off of the metadata of a request. */
static __u64 meta_pos(const struct raw_ev *ev, __u64 off)
{
	return raw_pos(ev->q, ev->tag, off) | UBLKSRV_IO_INTEGRITY_FLAG;
}

/* Move the metadata of a request; raw_serve() moves its data. */
static int serve(struct prot *p, const struct raw_ev *ev)
{
	__u64 off = ev->iod.start_sector << 9;
	size_t bytes = pi_bytes(&p->pi, (__u64)ev->iod.nr_sectors << 9);
	struct raw_srv *s = &p->t.srv;
	char *meta = meta_at(p, off);
	ssize_t ret = bytes;

	if (!ev->res && off >= WIN && ublksrv_get_op(&ev->iod) <= 1) {
		if (!(ev->iod.op_flags & UBLK_IO_F_INTEGRITY))
			return -EBADMSG;
		if (ublksrv_get_op(&ev->iod) == UBLK_IO_OP_READ)
			ret = pwrite(s->fd, meta, bytes, meta_pos(ev, 0));
		else
			ret = pread(s->fd, meta, bytes, meta_pos(ev, 0));
	}
	if (ret != bytes)
		return ret < 0 ? -errno : -EIO;
	return raw_serve(&p->t.ring, ev);
}

static long wait_serving(struct prot *p, int job)
{
	struct io_client *a = p->t.client;
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct raw_ev ev;
	int ret;

	if (job < 0)
		return job;
	while (!client_done(a, job) && raw_now_ms() < end) {
		ret = raw_event(&p->t.ring, &ev, 2);
		if (!ret)
			ret = serve(p, &ev);
		if (ret && ret != RAW_TIMEOUT)
			return ret;
	}
	return client_wait(a, job, 0);
}

/* Ordinary direct I/O: the block layer makes and checks the metadata. */
static long blk(struct prot *p, enum client_blk_op op, __u64 off,
		__u32 len)
{
	return wait_serving(p, client_blk(p->t.client, p->t.info.dev_id,
					    op, off, len, 0));
}

static void fill(char *p, size_t len, unsigned int seed)
{
	while (len--) {
		seed = seed * 1103515245 + 12345;
		*p++ = seed >> 16;
	}
}

/* First word or number of a file of the disk, as text. */
static char *sysfs(struct fixture *t, const char *name)
{
	static char text[64];
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/%s", t->info.dev_id,
		 name);
	text[0] = 0;
	f = fopen(path, "r");
	if (f) {
		if (!fgets(text, sizeof(text), f))
			text[0] = 0;
		fclose(f);
	}
	text[strcspn(text, "\n")] = 0;
	return text;
}

static int sysfs_set(struct fixture *t, const char *name, const char *value)
{
	char path[128];
	FILE *f;
	int ret;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/%s", t->info.dev_id,
		 name);
	f = fopen(path, "w");
	if (!f)
		return -errno;
	ret = fputs(value, f) < 0 ? -EIO : 0;
	return fclose(f) ? -errno : ret;
}

/* struct logical_block_metadata_cap, which many installed headers lack. */
struct md_cap {
	__u32 flags;
	__u16 interval;
	__u8 size, opaque_size, opaque_offset, pi_size, pi_offset, guard_type;
	__u8 app_size, ref_size, storage_size, pad;
};

static long cap_job(void *arg)
{
	struct { int id; struct md_cap *cap; } *a = arg;
	char path[32];
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/ublkb%d", a->id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, _IOWR(0x15, 2, struct md_cap), a->cap) ? -errno : 0;
	close(fd);
	return ret;
}

/* covers: D-203 C-122 */
TEST_F(integrity, D_203_what_the_disk_says)
{
	struct fixture *t = &self->p.t;
	struct ublk_param_integrity *pi = &self->p.pi;
	struct { int id; struct md_cap *cap; } arg = {
		.id = t->info.dev_id, .cap = (struct md_cap *)self->p.data,
	};
	struct md_cap *cap = arg.cap;
	long ret;
	int job;

	EXPECT_STREQ(variant->format, sysfs(t, "integrity/format"));
	EXPECT_EQ(pi->flags & PI_CAPABLE,
		  atoi(sysfs(t, "integrity/device_is_integrity_capable")));
	EXPECT_EQ(1 << pi->interval_exp,
		  atoi(sysfs(t, "integrity/protection_interval_bytes")));
	EXPECT_EQ(pi->tag_size, atoi(sysfs(t, "integrity/tag_size")));
	EXPECT_EQ(pi->max_integrity_segments ?: 65535,
		  atoi(sysfs(t, "queue/max_integrity_segments")));
	job = client_start(t->client, cap_job, &arg, sizeof(arg));
	ret = wait_serving(&self->p, job);
	if (ret == -ENOTTY)
		SKIP(return, "no FS_IOC_GETLBMD_CAP");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(pi->flags, cap->flags);
	EXPECT_EQ(1 << pi->interval_exp, cap->interval);
	EXPECT_EQ(pi->metadata_size, cap->size);
	EXPECT_EQ(pi_tuple_size(pi), cap->pi_size);
	EXPECT_EQ(pi->pi_offset, cap->pi_offset);
	EXPECT_EQ(pi->csum_type, cap->guard_type);
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-200 D-201 D-155 D-25 */
TEST_F(integrity, D_200_made_and_checked_by_the_block_layer)
{
	static const unsigned int lens[] = { 4096, 8192, 65536, 524288 };
	struct ublk_param_integrity *pi = &self->p.pi;
	__u64 off = WIN;
	unsigned int i;
	size_t n, k, r;

	for (i = 0; i < ARRAY_SIZE(lens); i++, off += 1 << 20) {
		char *meta = meta_at(&self->p, off + 12288);

		n = lens[i];
		fill(self->p.data, n, i);
		memset(meta, 0xee, pi_bytes(pi, n));
		ASSERT_EQ(n, blk(&self->p, CLIENT_WRITE, off + 12288, n));
		EXPECT_EQ(-1, pi_bad(pi, self->p.data, n,
				     ref_of(pi, off + 12288), meta)) {
			TH_LOG("%zu bytes", n);
		}
		/* Metadata that is not protection information is zero. */
		for (k = 0; k < pi_bytes(pi, n); k++) {
			r = k % pi->metadata_size;
			if (r < pi->pi_offset ||
			    r >= pi->pi_offset + pi_tuple_size(pi))
				ASSERT_EQ(0, meta[k]) TH_LOG("byte %zu", k);
		}
		memset(self->p.data, 0, n);
		EXPECT_EQ(n, blk(&self->p, CLIENT_READ, off + 12288, n));
		EXPECT_EQ(0, memcmp(self->p.data, self->p.t.srv.store + off +
				    12288, n));
	}
	/*
	 * Read the end of one write and the beginning of another one at once.
	 */
	fill(self->p.data, 65536, 99);
	ASSERT_EQ(32768, blk(&self->p, CLIENT_WRITE, off, 32768));
	ASSERT_EQ(32768, blk(&self->p, CLIENT_WRITE, off + 32768, 32768));
	EXPECT_EQ(16384, blk(&self->p, CLIENT_READ, off + 24576, 16384));
	EXPECT_EQ(0, fx_stop(&self->p.t));
}

/* covers: D-201 D-97 */
TEST_F(integrity, D_201_what_does_not_fit)
{
	struct ublk_param_integrity *pi = &self->p.pi;
	char *meta = meta_at(&self->p, WIN), *tuple = meta + pi->pi_offset;
	int guard = pi->csum_type == PI_NVME ? 8 : 2;
	long bad = pi->csum_type ? -EILSEQ : 8192;
	bool ref = pi->flags & PI_REF_TAG;

	fill(self->p.data, 8192, 5);
	ASSERT_EQ(8192, blk(&self->p, CLIENT_WRITE, WIN, 8192));
	EXPECT_EQ(8192, blk(&self->p, CLIENT_READ, WIN, 8192));
	/* The data has changed. */
	self->p.t.srv.store[WIN + 100] ^= 1;
	EXPECT_EQ(bad, blk(&self->p, CLIENT_READ, WIN, 8192));
	EXPECT_EQ(4096, blk(&self->p, CLIENT_READ, WIN + 4096, 4096));
	self->p.t.srv.store[WIN + 100] ^= 1;
	/*
	 * The guard, the reference tag or what precedes the tuple has changed.
	 */
	tuple[0] ^= 1;
	EXPECT_EQ(bad, blk(&self->p, CLIENT_READ, WIN, 8192));
	tuple[0] ^= 1;
	tuple[guard + 3] ^= 1;
	EXPECT_EQ(ref ? -EILSEQ : 8192, blk(&self->p, CLIENT_READ, WIN, 8192));
	/* An application tag of all ones switches the check off. */
	if (ref) {
		memset(tuple + guard, 0xff, 2);
		EXPECT_EQ(8192, blk(&self->p, CLIENT_READ, WIN, 8192));
		memset(tuple + guard, 0, 2);
	}
	tuple[guard + 3] ^= 1;
	if (pi->pi_offset) {
		meta[0] ^= 1;
		EXPECT_EQ(-EILSEQ, blk(&self->p, CLIENT_READ, WIN, 8192));
		meta[0] ^= 1;
	}
	/* The application tag belongs to the server. */
	tuple[guard] ^= 0x5a;
	EXPECT_EQ(8192, blk(&self->p, CLIENT_READ, WIN, 8192));
	EXPECT_EQ(0, fx_stop(&self->p.t));
}

/* covers: D-200 D-148 D-147 D-149 D-155 D-146 D-150 */
TEST_F(integrity, D_200_transfers)
{
	size_t all = pi_bytes(&self->p.pi, 8192);
	struct fixture *t = &self->p.t;
	int fd = t->srv.fd, job;
	struct raw_ev ev;
	char buf[4096];

	fill(self->p.data, 8192, 6);
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, 8192, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_IO_F_INTEGRITY, ev.iod.op_flags & UBLK_IO_F_INTEGRITY);
	/* In pieces, backwards, beyond the end. */
	memset(buf, 0xee, sizeof(buf));
	EXPECT_EQ(all - 3, pread(fd, buf + 3, sizeof(buf) - 3,
				 meta_pos(&ev, 3)));
	EXPECT_EQ(3, pread(fd, buf, 3, meta_pos(&ev, 0)));
	EXPECT_EQ(-1, pi_bad(&self->p.pi, self->p.data, 8192,
			     ref_of(&self->p.pi, WIN), buf));
	EXPECT_EQ(0xee, (unsigned char)buf[all]);
	EXPECT_EQ(1, pread(fd, buf, 9, meta_pos(&ev, all - 1)));
	EXPECT_EQ(0, pread(fd, buf, 9, meta_pos(&ev, all)));
	EXPECT_EQ(-1, pread(fd, buf, 9, meta_pos(&ev, all + 1)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pwrite(fd, buf, 1, meta_pos(&ev, 0)));
	EXPECT_EQ(EACCES, errno);
	/* A tag without a delivered request. */
	ev.tag ^= 1;
	EXPECT_EQ(-1, pread(fd, buf, 9, meta_pos(&ev, 0)));
	EXPECT_EQ(EINVAL, errno);
	ev.tag ^= 1;
	ASSERT_EQ(0, serve(&self->p, &ev));
	EXPECT_EQ(8192, wait_serving(&self->p, job));
	job = client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, 8192, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(UBLK_IO_F_INTEGRITY, ev.iod.op_flags & UBLK_IO_F_INTEGRITY);
	EXPECT_EQ(-1, pread(fd, buf, 1, meta_pos(&ev, 0)));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(2, pwrite(fd, buf, 8, meta_pos(&ev, all - 2)));
	ASSERT_EQ(0, serve(&self->p, &ev));
	EXPECT_EQ(8192, wait_serving(&self->p, job));
	/* Requests without data have no metadata either. */
	job = client_blk(t->client, t->info.dev_id, CLIENT_DISCARD, WIN, 8192,
			 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(0, ev.iod.op_flags & UBLK_IO_F_INTEGRITY);
	EXPECT_EQ(-1, pread(fd, buf, 1, meta_pos(&ev, 0)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, serve(&self->p, &ev));
	EXPECT_EQ(0, wait_serving(&self->p, job));
	EXPECT_EQ(0, fx_stop(t));
}

/* covers: D-202 D-25 */
TEST_F(integrity, D_202_without_payload)
{
	size_t all = pi_bytes(&self->p.pi, 4096);
	struct fixture *t = &self->p.t;
	int fd = t->srv.fd, job;
	struct raw_ev ev;
	char buf[4096];

	if (self->p.pi.metadata_size != pi_tuple_size(&self->p.pi))
		SKIP(return, "mainline's block layer always makes metadata");
	ASSERT_EQ(0, sysfs_set(t, "integrity/read_verify", "0"));
	ASSERT_EQ(0, sysfs_set(t, "integrity/write_generate", "0"));
	job = client_blk(t->client, t->info.dev_id, CLIENT_READ, WIN, 4096, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(0, ev.iod.op_flags & UBLK_IO_F_INTEGRITY);
	EXPECT_EQ(0, pwrite(fd, buf, all, meta_pos(&ev, 0)));
	EXPECT_EQ(0, pwrite(fd, buf, 1, meta_pos(&ev, all)));
	EXPECT_EQ(-1, pwrite(fd, buf, 1, meta_pos(&ev, all + 1)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	job = client_blk(t->client, t->info.dev_id, CLIENT_WRITE, WIN, 4096, 0);
	ASSERT_EQ(0, raw_request(&t->ring, &ev, RAW_DEADLINE_MS));
	EXPECT_EQ(0, ev.iod.op_flags & UBLK_IO_F_INTEGRITY);
	EXPECT_EQ(0, pread(fd, buf, all, meta_pos(&ev, 0)));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, client_wait(t->client, job, RAW_DEADLINE_MS));
	EXPECT_EQ(0, fx_stop(t));
}

struct pi_io {
	int id;
	bool write;
	__u64 off, seed;
	__u32 len, meta_len;
	char *data, *meta;
};

/* One io_uring read or write with metadata from the submitter. */
static long pi_io(struct io_uring *ring, int fd, struct pi_io *io)
{
	struct {
		__u16 flags, app_tag;
		__u32 len;
		__u64 addr, seed, rsvd;
	} attr = {
		.len = io->meta_len, .addr = (uintptr_t)io->meta,
		.seed = io->seed,
	};
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	__u64 at = (uintptr_t)&attr, mask = 1;
	struct io_uring_cqe *cqe;
	long ret;

	if (io->write)
		io_uring_prep_write(sqe, fd, io->data, io->len, io->off);
	else
		io_uring_prep_read(sqe, fd, io->data, io->len, io->off);
	/* attr_ptr and attr_type_mask. */
	memcpy((char *)sqe + 48, &at, 8);
	memcpy((char *)sqe + 56, &mask, 8);
	ret = io_uring_submit(ring);
	if (ret == 1)
		ret = io_uring_wait_cqe(ring, &cqe);
	return ret ? ret : cqe->res;
}

static long pi_job(void *arg)
{
	struct pi_io *io = arg;
	struct io_uring ring;
	char path[32];
	long ret;
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", io->id);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = io_uring_queue_init(4, &ring, 0);
	if (!ret) {
		ret = pi_io(&ring, fd, io);
		io_uring_queue_exit(&ring);
	}
	close(fd);
	return ret;
}

/* A kernel without this feature ignores the attributes. */
static bool rings_take_attributes(void)
{
	struct io_uring ring;
	bool take;

	if (io_uring_queue_init(4, &ring, 0))
		return false;
	take = ring.features & RING_RW_ATTR;
	io_uring_queue_exit(&ring);
	return take;
}

/* covers: D-200 D-25 */
TEST_F(integrity, D_200_submitters_own)
{
	struct ublk_param_integrity *pi = &self->p.pi;
	size_t all = pi_bytes(pi, 16384);
	struct fixture *t = &self->p.t;
	struct pi_io io = {
		.id = t->info.dev_id, .write = true, .off = WIN + 65536,
		.seed = 0x1234, .len = 16384, .meta_len = all,
		.data = self->p.data, .meta = self->p.data + META,
	};
	char *meta = meta_at(&self->p, io.off);
	long ret;
	int job;

	if (!rings_take_attributes())
		SKIP(return, "io_uring has no IORING_FEAT_RW_ATTR");
	/*
	 * The submitter's own count of reference tags, and any other metadata.
	 */
	fill(io.data, io.len, 7);
	fill(io.meta, all, 8);
	pi_make(pi, io.data, io.len, io.seed, io.meta);
	job = client_start(t->client, pi_job, &io, sizeof(io));
	ret = wait_serving(&self->p, job);
	ASSERT_EQ(io.len, ret);
	EXPECT_EQ(-1, pi_bad(pi, io.data, io.len, ref_of(pi, io.off), meta));
	if (pi->pi_offset || !pi->csum_type)
		EXPECT_EQ(0, memcmp(meta, io.meta, pi->pi_offset ?: all));
	/* Read it back, with another count of reference tags. */
	io.write = false;
	io.seed = 0x777;
	memset(io.meta, 0, all);
	memset(io.data, 0, io.len);
	job = client_start(t->client, pi_job, &io, sizeof(io));
	EXPECT_EQ(io.len, wait_serving(&self->p, job));
	EXPECT_EQ(-1, pi_bad(pi, t->srv.store + io.off, io.len, io.seed,
			     io.meta));
	EXPECT_EQ(0, memcmp(t->srv.store + io.off, io.data, io.len));
	EXPECT_EQ(0, fx_stop(t));
}

TEST(pi_known_answers)
{
	const struct ublk_param_integrity ip = {
		.metadata_size = 8, .interval_exp = 9, .csum_type = PI_IP,
	};
	unsigned char data[512] = { 0x01, 0x02, 0xff, 0xf0 }, meta[8];

	EXPECT_EQ(0xae8b14860a799888ULL, pi_crc64(0, "123456789", 9));
	EXPECT_EQ(0xd0db, pi_crc16(0, "123456789", 9));
	/* 0x0102 + 0xfff0 = 0x100f2, with the carry 0x00f3, inverted. */
	pi_make(&ip, data, 512, 0x01020304, meta);
	EXPECT_EQ(0, memcmp(meta, "\xff\x0c\0\0\1\2\3\4", 8));
	EXPECT_EQ(-1, pi_bad(&ip, data, 512, 0x01020304, meta));
	data[511] = 1;
	EXPECT_EQ(0, pi_bad(&ip, data, 512, 0x01020304, meta));
}

TEST_HARNESS_MAIN
