// SPDX-License-Identifier: GPL-2.0
/*
 * What the shell tests of the zoned target need a program for.
 *
 *	zone_tool compare DEVICE FILE
 *		compare the report of the disk (BLKREPORTZONE) with the file,
 *		read here by a second implementation of its format
 *	zone_tool write DEVICE FILE LOG
 *		write all sequential zones from their write pointers on,
 *		several at a time, in blocks that contain their position,
 *		until they are full or a write fails; LOG says how much was
 *		acknowledged
 *	zone_tool verify DEVICE FILE LOG
 *		check that acknowledged blocks lie before the write pointers
 *		and read as they were written
 *	zone_tool damage FILE ZONE
 *		make a record of that zone invalid
 *
 * Exit status 0 for success. The shape of the disk comes from FILE.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/blkzoned.h>

#define THREADS		4
#define MAX_ZONES	4096

struct shape {
	uint64_t zone, capacity, data_off;
	uint32_t nr, nr_conv, block;
};

static struct shape shape;
static int dev_fd, file_fd;
static volatile uint64_t *acked;	/* acknowledged sectors of each zone */
static uint32_t next_zone;
static int failed;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* CRC-32C from the most significant bit, unlike the target's code. */
static uint32_t crc32c(const unsigned char *p, size_t len)
{
	uint32_t crc = ~0U, out = 0;
	size_t i;
	int b;

	for (i = 0; i < len; i++)
		for (b = 0; b < 8; b++) {
			uint32_t bit = (p[i] >> b & 1) ^ crc >> 31;

			crc = crc << 1 ^ (bit ? 0x1edc6f41 : 0);
		}
	for (b = 0; b < 32; b++)
		out |= (crc >> b & 1) << (31 - b);
	return ~out;
}

static uint64_t get(const unsigned char *p, int bytes)
{
	uint64_t val = 0;

	while (bytes--)
		val = val << 8 | p[bytes];
	return val;
}

static void read_at(int fd, void *buf, size_t len, uint64_t pos)
{
	if (pread(fd, buf, len, pos) != (ssize_t)len)
		die("pread");
}

static void load_shape(const char *file)
{
	unsigned char h[64];

	file_fd = open(file, O_RDWR);
	if (file_fd < 0)
		die(file);
	read_at(file_fd, h, sizeof(h), 0);
	if (memcmp(h, "ublkzone", 8) || get(h + 60, 4) != crc32c(h, 60)) {
		fprintf(stderr, "%s: no header\n", file);
		exit(2);
	}
	shape.nr_conv = get(h + 12, 4);
	shape.zone = get(h + 24, 8);
	shape.nr = get(h + 16, 8) / shape.zone;
	shape.capacity = get(h + 32, 8);
	shape.block = get(h + 40, 8) * 512;
	shape.data_off = get(h + 48, 8);
	if (shape.nr > MAX_ZONES)
		exit(2);
}

/* All ones when neither slot is valid. */
static uint64_t load_wp(uint32_t zone)
{
	uint64_t wp = ~0ULL, newest = 0;
	unsigned char r[64], *s;
	int i;

	read_at(file_fd, r, sizeof(r), 4096 + zone * 64ULL);
	for (i = 0; i < 2; i++) {
		s = r + i * 32;
		if (get(s + 28, 4) != crc32c(s, 28) || get(s + 16, 4) != zone ||
		    get(s, 8) <= newest)
			continue;
		newest = get(s, 8);
		wp = get(s + 8, 8);
	}
	return wp;
}

static struct blk_zone_report *report(void)
{
	struct blk_zone_report *r = calloc(1, sizeof(*r) + MAX_ZONES *
					   sizeof(struct blk_zone));

	r->nr_zones = MAX_ZONES;
	if (ioctl(dev_fd, BLKREPORTZONE, r))
		die("BLKREPORTZONE");
	return r;
}

static int complain(uint32_t zone, const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return 0;
	printf("zone %u: %s is %llu, not %llu\n", zone, what,
	       (unsigned long long)got, (unsigned long long)want);
	return 1;
}

/* The file's condition and pointer of a zone match the report. */
static int compare_wp(const struct blk_zone *z, uint32_t i)
{
	uint64_t wp = load_wp(i);

	if (wp == ~0ULL)
		return complain(i, "condition", z->cond, BLK_ZONE_COND_READONLY);
	if (wp == shape.capacity)
		return complain(i, "condition", z->cond, BLK_ZONE_COND_FULL);
	if (z->cond == BLK_ZONE_COND_EMPTY)
		return complain(i, "kept pointer", wp, 0);
	if (!wp)
		return complain(i, "condition", z->cond, BLK_ZONE_COND_EXP_OPEN);
	if (z->cond < BLK_ZONE_COND_IMP_OPEN || z->cond > BLK_ZONE_COND_CLOSED)
		return complain(i, "condition", z->cond, BLK_ZONE_COND_CLOSED);
	return complain(i, "pointer", z->wp, z->start + wp);
}

static int compare(void)
{
	struct blk_zone_report *r = report();
	int bad = complain(0, "number of zones", r->nr_zones, shape.nr);
	uint32_t i;

	for (i = 0; i < r->nr_zones && !bad; i++) {
		const struct blk_zone *z = &r->zones[i];
		int conv = i < shape.nr_conv;

		bad |= complain(i, "start", z->start, i * shape.zone);
		bad |= complain(i, "length", z->len, shape.zone);
		bad |= complain(i, "capacity", z->capacity,
				conv ? shape.zone : shape.capacity);
		bad |= complain(i, "type", z->type, conv ?
				BLK_ZONE_TYPE_CONVENTIONAL :
				BLK_ZONE_TYPE_SEQWRITE_REQ);
		bad |= conv ? complain(i, "condition", z->cond,
				       BLK_ZONE_COND_NOT_WP) : compare_wp(z, i);
	}
	return bad;
}

/* A block of 32-bit words that contain the block's position. */
static void fill(uint32_t *buf, uint64_t sector)
{
	uint32_t i;

	for (i = 0; i < shape.block / 4; i++)
		buf[i] = sector * 2654435761U + i;
}

static void *write_zones(void *arg)
{
	uint32_t *buf = aligned_alloc(4096, shape.block);
	uint64_t off, step = shape.block / 512;
	uint32_t i;

	(void)arg;
	while (!failed) {
		i = __atomic_fetch_add(&next_zone, 1, __ATOMIC_RELAXED);
		if (i >= shape.nr)
			break;
		for (off = acked[i]; off < shape.capacity && !failed; off += step) {
			fill(buf, i * shape.zone + off);
			if (pwrite(dev_fd, buf, shape.block,
				   (i * shape.zone + off) * 512) !=
			    (ssize_t)shape.block) {
				failed = 1;
				break;
			}
			acked[i] = off + step;
		}
	}
	free(buf);
	return NULL;
}

static int write_all(void)
{
	struct blk_zone_report *r = report();
	pthread_t thread[THREADS];
	uint32_t z;
	int i;

	/* the pointer moves when the data is there, acknowledged or not */
	for (z = shape.nr_conv; z < shape.nr; z++)
		acked[z] = r->zones[z].cond == BLK_ZONE_COND_FULL ?
			shape.capacity : r->zones[z].wp - r->zones[z].start;
	next_zone = shape.nr_conv;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, write_zones, NULL))
			exit(2);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return failed;
}

static int verify(void)
{
	uint32_t *buf = aligned_alloc(4096, shape.block);
	uint32_t *want = malloc(shape.block);
	struct blk_zone_report *r = report();
	uint64_t off, total = 0;
	uint32_t i;

	for (i = shape.nr_conv; i < shape.nr; i++) {
		if (r->zones[i].cond != BLK_ZONE_COND_FULL &&
		    r->zones[i].wp < r->zones[i].start + acked[i]) {
			printf("zone %u: pointer %llu is behind what was acknowledged, %llu\n",
			       i, (unsigned long long)r->zones[i].wp,
			       (unsigned long long)(r->zones[i].start + acked[i]));
			return 1;
		}
		for (off = 0; off < acked[i]; off += shape.block / 512) {
			read_at(dev_fd, buf, shape.block,
				(i * shape.zone + off) * 512);
			fill(want, i * shape.zone + off);
			if (memcmp(buf, want, shape.block)) {
				printf("zone %u: block at %llu is not what was written\n",
				       i, (unsigned long long)off);
				return 1;
			}
			total++;
		}
	}
	printf("%llu blocks\n", (unsigned long long)total);
	return !total;
}

static void open_log(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, MAX_ZONES * sizeof(*acked)))
		die(name);
	acked = mmap(NULL, MAX_ZONES * sizeof(*acked), PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd, 0);
	if (acked == MAP_FAILED)
		die("mmap");
	close(fd);
}

static int damage(const char *file, uint32_t zone)
{
	unsigned char junk[64];

	load_shape(file);
	memset(junk, 0x5a, sizeof(junk));
	return pwrite(file_fd, junk, sizeof(junk), 4096 + zone * 64ULL) !=
		sizeof(junk);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "damage"))
		return damage(argv[2], atoi(argv[3]));
	if (argc < 4)
		return 2;
	load_shape(argv[3]);
	dev_fd = open(argv[2], O_RDWR | O_DIRECT);
	if (dev_fd < 0)
		die(argv[2]);
	if (!strcmp(argv[1], "compare"))
		return compare();
	if (argc != 5)
		return 2;
	open_log(argv[4]);
	if (!strcmp(argv[1], "write"))
		return write_all();
	if (!strcmp(argv[1], "verify"))
		return verify();
	return 2;
}
