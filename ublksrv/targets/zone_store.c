// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The file of a zoned disk; zone_store.h describes its layout. Numbers in the
 * file are little endian.
 *
 * Called by zoned.c when the disk is opened, and by zoned_io.c with the lock of
 * a zone.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include "libublk.h"
#include "zone_store.h"

#define STORE_MAGIC		"ublkzone"
#define STORE_VERSION		1
#define STORE_SLOTS_OFF		4096
#define STORE_DATA_ALIGN	(1ULL << 20)
#define STORE_MAX_ZONES		(1U << 24)

struct store_header {
	char magic[8];
	__u32 version;
	__u32 nr_conv;
	__u64 size;
	__u64 zone;
	__u64 capacity;
	__u64 block;
	__u64 data_off;
	__u32 reserved;
	__u32 crc;		/* of all before */
};

struct store_slot {
	__u64 seq;		/* 0: never written */
	__u64 wp;
	__u32 zone;
	__u32 reserved[2];
	__u32 crc;		/* of all before */
};

struct store_record {
	struct store_slot slot[2];	/* number by the lowest bit of seq */
};

_Static_assert(sizeof(struct store_header) == 64, "header");
_Static_assert(sizeof(struct store_record) == 64, "record");

/* CRC-32C, bit by bit: it is used for a few dozen bytes at a time. */
static __u32 store_crc(const void *data, size_t len)
{
	const unsigned char *p = data;
	__u32 crc = ~0U;
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static __u64 store_slot_pos(__u32 zone, __u64 seq)
{
	return STORE_SLOTS_OFF + zone * sizeof(struct store_record) +
		(seq & 1) * sizeof(struct store_slot);
}

static __u32 store_nr_zones(const struct zone_store *st)
{
	return st->shape.size / st->shape.zone;
}

static int store_pwrite(int fd, const void *data, size_t len, __u64 pos)
{
	ssize_t ret;

	do {
		ret = pwrite(fd, data, len, pos);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	return (size_t)ret == len ? 0 : -ENOSPC;
}

static int store_pread(int fd, void *data, size_t len, __u64 pos)
{
	ssize_t ret;

	do {
		ret = pread(fd, data, len, pos);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	/* bytes beyond the end of the file count as zeroes */
	memset((char *)data + ret, 0, len - ret);
	return 0;
}

static int store_fail(const struct zone_store *st, int err, const char *what)
{
	return ublk_error(err, "zoned: %s: %s: %s", st->name, what,
			  strerror(-err));
}

int zone_store_save(struct zone_store *st, __u32 zone, __u64 wp)
{
	__u64 seq = st->seq[zone] + 1;
	struct store_slot s = {
		.seq = htole64(seq),
		.wp = htole64(wp),
		.zone = htole32(zone),
	};
	int ret;

	s.crc = htole32(store_crc(&s, offsetof(struct store_slot, crc)));
	ret = store_pwrite(st->fd, &s, sizeof(s), store_slot_pos(zone, seq));
	if (!ret)
		st->seq[zone] = seq;
	return ret;
}

static bool store_slot_valid(const struct store_slot *s, __u32 zone, int nr)
{
	__u64 seq = le64toh(s->seq);

	return seq && (int)(seq & 1) == nr && le32toh(s->zone) == zone &&
		le32toh(s->crc) ==
			store_crc(s, offsetof(struct store_slot, crc));
}

int zone_store_load(struct zone_store *st, __u32 zone, __u64 *wp)
{
	const struct store_slot *s;
	struct store_record r;
	int ret, i;

	*wp = ZONE_STORE_LOST;
	ret = store_pread(st->fd, &r, sizeof(r), store_slot_pos(zone, 0));
	if (ret)
		return store_fail(st, ret, "reading the write pointers");
	for (i = 0; i < 2; i++) {
		s = &r.slot[i];
		if (!store_slot_valid(s, zone, i) ||
		    le64toh(s->seq) < st->seq[zone])
			continue;
		st->seq[zone] = le64toh(s->seq);
		*wp = le64toh(s->wp);
	}
	if (*wp > st->shape.capacity || *wp % st->shape.block) {
		ublk_log(UBLK_LOG_WARN, "zoned: %s: write pointer of zone %u is damaged; the zone can only be read",
			 st->name, zone);
		*wp = ZONE_STORE_LOST;
		return 0;
	}
	ret = zone_store_clear(st, zone, *wp);
	return ret ? store_fail(st, ret, "punching a hole") : 0;
}

int zone_store_clear(struct zone_store *st, __u32 zone, __u64 from)
{
	__u64 pos = st->data_off + (zone * st->shape.zone + from) * 512;
	__u64 len = (st->shape.zone - from) * 512;
	off_t data;

	if (!len)
		return 0;
	data = lseek(st->fd, pos, SEEK_DATA);
	if ((data < 0 && errno == ENXIO) || data >= (off_t)(pos + len))
		return 0;
	return fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 pos, len) ? -errno : 0;
}

/* Return: 1 if the file begins with zeroes, 0 if not, or negative errno */
static int store_is_blank(const struct zone_store *st)
{
	static const char zeroes[65536];
	char *data = malloc(sizeof(zeroes));
	int ret;

	if (!data)
		return ublk_error(-ENOMEM, "out of memory");
	ret = store_pread(st->fd, data, sizeof(zeroes), 0);
	if (ret)
		store_fail(st, ret, "reading");
	else
		ret = !memcmp(data, zeroes, sizeof(zeroes));
	free(data);
	return ret;
}

/* Add the defaults of a new disk, and check its shape. */
static int store_complete_shape(const struct zone_store *st,
				struct zone_shape *s)
{
	if (!s->size)
		return ublk_error(-EINVAL, "zoned: %s: is empty; give --size to make a disk of it",
				  st->name);
	if (!s->zone)
		s->zone = 64 << 20 >> 9;
	if (!s->block)
		s->block = 4096 >> 9;
	if (!s->capacity)
		s->capacity = s->zone;
	if (s->zone & (s->zone - 1) || s->block & (s->block - 1))
		return ublk_error(-EINVAL, "zoned: --zone-size and --block-size must be powers of two");
	if (s->zone < s->block || s->capacity > s->zone ||
	    s->capacity % s->block)
		return ublk_error(-EINVAL, "zoned: --zone-capacity must be whole blocks and not more than --zone-size, which is %llu",
				  (unsigned long long)s->zone << 9);
	if (s->size % s->zone || s->size / s->zone > STORE_MAX_ZONES)
		return ublk_error(-EINVAL, "zoned: --size must be whole zones of %llu bytes, up to %u of them",
				  (unsigned long long)s->zone << 9,
				  STORE_MAX_ZONES);
	if (s->nr_conv >= s->size / s->zone)
		return ublk_error(-EINVAL, "zoned: --nr-conv must leave at least one of the %llu zones sequential",
				  (unsigned long long)(s->size / s->zone));
	return 0;
}

static int store_check_same(const struct zone_store *st, const char *name,
			    __u64 want, __u64 have)
{
	if (!want || want == have)
		return 0;
	return ublk_error(-EINVAL, "zoned: %s: was made with --%s %llu; leave the option out, or use an empty file",
			  st->name, name, (unsigned long long)have);
}

static int store_read_header(struct zone_store *st, const struct zone_shape *w)
{
	struct zone_shape *s = &st->shape;
	struct store_header h;
	int ret;

	ret = store_pread(st->fd, &h, sizeof(h), 0);
	if (ret)
		return store_fail(st, ret, "reading");
	if (memcmp(h.magic, STORE_MAGIC, sizeof(h.magic)))
		return ublk_error(-EMEDIUMTYPE, "zoned: %s: has other contents; use an empty file",
				  st->name);
	if (le32toh(h.crc) != store_crc(&h, offsetof(struct store_header, crc)))
		return ublk_error(-EBADMSG, "zoned: %s: its header is damaged; restore it or use an empty file",
				  st->name);
	if (le32toh(h.version) != STORE_VERSION)
		return ublk_error(-EBADMSG, "zoned: %s: was made by another version of this program",
				  st->name);
	s->size = le64toh(h.size);
	s->zone = le64toh(h.zone);
	s->capacity = le64toh(h.capacity);
	s->block = le64toh(h.block);
	s->nr_conv = le32toh(h.nr_conv);
	st->data_off = le64toh(h.data_off);
	ret = store_check_same(st, "size", w->size << 9, s->size << 9);
	if (!ret)
		ret = store_check_same(st, "zone-size", w->zone << 9,
				       s->zone << 9);
	if (!ret)
		ret = store_check_same(st, "zone-capacity", w->capacity << 9,
				       s->capacity << 9);
	if (!ret)
		ret = store_check_same(st, "block-size", w->block << 9,
				       s->block << 9);
	if (!ret)
		ret = store_check_same(st, "nr-conv", w->nr_conv, s->nr_conv);
	return ret;
}

static int store_alloc_seq(struct zone_store *st)
{
	st->seq = calloc(store_nr_zones(st), sizeof(*st->seq));
	return st->seq ? 0 : ublk_error(-ENOMEM, "out of memory");
}

/* Write all but the header; the header makes the file a disk. */
static int store_make_body(struct zone_store *st)
{
	__u32 nr = store_nr_zones(st), i;
	int ret = 0;

	if (ftruncate(st->fd, 0) ||
	    ftruncate(st->fd, st->data_off + st->shape.size * 512))
		return -errno;
	for (i = st->shape.nr_conv; i < nr && !ret; i++)
		ret = zone_store_save(st, i, 0);
	if (!ret && fsync(st->fd))
		ret = -errno;
	return ret;
}

static int store_make(struct zone_store *st, const struct zone_shape *want)
{
	struct store_header h = { .magic = STORE_MAGIC };
	struct zone_shape *s = &st->shape;
	__u64 end;
	int ret;

	*s = *want;
	ret = store_complete_shape(st, s);
	if (ret)
		return ret;
	end = store_slot_pos(store_nr_zones(st), 0);
	st->data_off = (end + STORE_DATA_ALIGN - 1) & ~(STORE_DATA_ALIGN - 1);
	h.version = htole32(STORE_VERSION);
	h.nr_conv = htole32(s->nr_conv);
	h.size = htole64(s->size);
	h.zone = htole64(s->zone);
	h.capacity = htole64(s->capacity);
	h.block = htole64(s->block);
	h.data_off = htole64(st->data_off);
	h.crc = htole32(store_crc(&h, offsetof(struct store_header, crc)));
	ret = store_alloc_seq(st);
	if (ret)
		return ret;
	ret = store_make_body(st);
	if (!ret)
		ret = store_pwrite(st->fd, &h, sizeof(h), 0);
	if (!ret && fsync(st->fd))
		ret = -errno;
	return ret ? store_fail(st, ret, "making a disk") : 0;
}

static int store_check_file(const struct zone_store *st)
{
	__u64 end = st->data_off + st->shape.size * 512;
	struct stat sb;

	if (fstat(st->fd, &sb))
		return store_fail(st, -errno, "stat");
	if ((__u64)sb.st_size < end)
		return ublk_error(-EINVAL, "zoned: %s: is shorter than its disk; restore it, it had %llu bytes",
				  st->name, (unsigned long long)end);
	if (fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, end,
		      STORE_DATA_ALIGN))
		return ublk_error(-errno, "zoned: %s: its file system cannot punch holes (%s); use another one",
				  st->name, strerror(errno));
	return 0;
}

static int store_open_file(struct zone_store *st)
{
	struct stat sb;

	st->fd = open(st->name, O_RDWR | O_CLOEXEC);
	if (st->fd < 0)
		return store_fail(st, -errno, "open");
	if (fstat(st->fd, &sb))
		return store_fail(st, -errno, "stat");
	if (!S_ISREG(sb.st_mode))
		return ublk_error(-EINVAL, "zoned: %s: is not a regular file; name one",
				  st->name);
	return 0;
}

int zone_store_open(struct zone_store *st, const char *name,
		    const struct zone_shape *want, bool make)
{
	int ret;

	memset(st, 0, sizeof(*st));
	st->name = name;
	ret = store_open_file(st);
	if (!ret)
		ret = store_is_blank(st);
	if (ret > 0) {
		ret = make ? store_make(st, want) :
			ublk_error(-EMEDIUMTYPE, "zoned: %s: is empty; put the file of the disk back",
				   st->name);
	} else if (!ret) {
		ret = store_read_header(st, want);
		if (!ret)
			ret = store_alloc_seq(st);
	}
	if (!ret)
		ret = store_check_file(st);
	if (ret)
		zone_store_close(st);
	return ret;
}

void zone_store_close(struct zone_store *st)
{
	if (st->fd >= 0)
		close(st->fd);
	st->fd = -1;
	free(st->seq);
	st->seq = NULL;
}
