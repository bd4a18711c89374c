// SPDX-License-Identifier: GPL-2.0
/*
 * Power cuts of a disk whose store lies on dm-log-writes, for test_example_cow.sh.
 * Every sector of the disk says which one it is and how often it has been written.
 * "write" notes in a file what it begins and what is durable; each note is a mark in the
 * log of writes. "replay" makes a store as it would be after a power cut behind any
 * entry of that log, and "check" compares the disk of that store with the notes.
 *
 *	powercut fill DEVICE			generation 0 everywhere
 *	powercut write DISK DM-NAME NOTES OPS	plain writes, with FUA, flushes; OPS of them
 *	powercut entries LOG			prints how many entries the log has
 *	powercut replay LOG STORE NR		execute the first NR entries on the store
 *	powercut check DISK LOG NOTES NR	generations are possible after a cut there
 *
 * A sector may have any generation from the last one that was durable at the last mark
 * before the cut, to the last one that was begun: its own write may be torn.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define SECTOR		512
#define IO		4096
#define MAX_SECTORS	(64U << 11)
#define LOG_MAGIC	0x6a736677736872ULL
#define LOG_DISCARD	0x4
#define LOG_MARK	0x8

/* What a sector says. */
struct stamp {
	uint64_t magic, sector, gen;
};

#define STAMP_MAGIC	0x7075626c6b637574ULL

/* The format of dm-log-writes. */
struct log_super {
	uint64_t magic, version, nr_entries;
	uint32_t sectorsize;
};

struct log_entry {
	uint64_t sector, nr_sectors, flags, data_len;
	char data[];
};

static char buf[1 << 20] __attribute__((aligned(4096)));

static void die(const char *what)
{
	fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_dev(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static uint64_t sectors_of(int fd)
{
	uint64_t bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes) || bytes / SECTOR > MAX_SECTORS)
		die("size");
	return bytes / SECTOR;
}

static void put(char *data, uint64_t sector, unsigned int nr, uint64_t gen)
{
	unsigned int i;

	memset(data, (int)gen, nr * SECTOR);
	for (i = 0; i < nr; i++)
		*(struct stamp *)(data + i * SECTOR) =
			(struct stamp){ STAMP_MAGIC, sector + i, gen };
}

static void fill(const char *dev)
{
	int fd = open_dev(dev, O_WRONLY);
	uint64_t nr = sectors_of(fd), s;

	for (s = 0; s < nr; s += IO / SECTOR) {
		put(buf, s, IO / SECTOR, 0);
		if (pwrite(fd, buf, IO, s * SECTOR) != IO)
			die("fill");
	}
	if (fsync(fd))
		die("fsync");
	close(fd);
}

/* --- write --- */

static void mark(const char *dm, unsigned int nr)
{
	static char data[4096] __attribute__((aligned(8)));
	struct dm_ioctl *d = (void *)data;
	struct dm_target_msg *msg = (void *)(data + sizeof(*d));
	static int ctl = -1;

	if (ctl < 0)
		ctl = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	memset(data, 0, sizeof(data));
	d->version[0] = DM_VERSION_MAJOR;
	d->data_size = sizeof(data);
	d->data_start = sizeof(*d);
	snprintf(d->name, sizeof(d->name), "%s", dm);
	sprintf(msg->message, "mark %u", nr);
	if (ctl < 0 || ioctl(ctl, DM_TARGET_MSG, d))
		die("mark");
}

/* One write of @nr sectors; durable when it returns if @now. */
static void write_some(int fd, FILE *notes, uint64_t s, unsigned int nr, uint64_t gen,
		       bool now)
{
	struct iovec iov = { buf, nr * SECTOR };

	put(buf, s, nr, gen);
	fprintf(notes, "b %llu %u %llu\n", (unsigned long long)s, nr,
		(unsigned long long)gen);
	fflush(notes);
	if (pwritev2(fd, &iov, 1, s * SECTOR, now ? RWF_DSYNC : 0) != (ssize_t)iov.iov_len)
		die("write");
	fprintf(notes, "%c %llu %u %llu\n", now ? 'd' : 'w', (unsigned long long)s, nr,
		(unsigned long long)gen);
}

static void write_ops(const char *disk, const char *dm, const char *path,
		      unsigned int ops)
{
	int fd = open_dev(disk, O_WRONLY);
	uint64_t nr = sectors_of(fd);
	FILE *notes = fopen(path, "we");
	unsigned int i, marks = 0;

	if (!notes)
		die(path);
	srand(1);
	for (i = 1; i <= ops; i++) {
		unsigned int len = 1 + rand() % (2 * IO / SECTOR), what = rand() % 10;
		uint64_t s = rand() % (nr - len);

		/* Half of it comes to a part of the disk, so that copies are written, too. */
		if (rand() & 1)
			s %= nr / 16;
		if (what < 8) {
			write_some(fd, notes, s, len, i, what < 2);
		} else {
			if (fdatasync(fd))
				die("fdatasync");
			fprintf(notes, "f\n");
		}
		if (what >= 2 && what < 8)
			continue;
		mark(dm, ++marks);
		fprintf(notes, "m %u\n", marks);
	}
	if (fclose(notes))
		die(path);
	close(fd);
}

/* --- the log --- */

struct log {
	int fd;
	uint64_t nr;
	uint32_t size;		/* of its sectors */
	uint64_t pos;
};

static struct log log_open(const char *path)
{
	struct log l = { .fd = open_dev(path, O_RDONLY) };
	struct log_super *s = (void *)buf;

	if (pread(l.fd, buf, 4096, 0) != 4096 || s->magic != LOG_MAGIC)
		die("no log");
	l.nr = s->nr_entries;
	l.size = s->sectorsize;
	l.pos = l.size;
	return l;
}

/* The next entry is in buf[] then, and its data at l->pos. */
static struct log_entry *log_next(struct log *l)
{
	if (pread(l->fd, buf, l->size, l->pos) != (ssize_t)l->size)
		die("log");
	l->pos += l->size;
	return (void *)buf;
}

static void log_skip(struct log *l, const struct log_entry *e)
{
	if (!(e->flags & LOG_DISCARD))
		l->pos += e->nr_sectors * l->size;
}

static void replay(const char *path, const char *store, uint64_t nr)
{
	int fd = open_dev(store, O_WRONLY);
	struct log l = log_open(path);
	uint64_t left, to;

	for (; nr; nr--) {
		struct log_entry e = *log_next(&l);

		if (e.flags & (LOG_MARK | LOG_DISCARD)) {
			log_skip(&l, &e);
			continue;
		}
		to = e.sector * l.size;
		for (left = e.nr_sectors * l.size; left;) {
			size_t n = left < sizeof(buf) ? left : sizeof(buf);

			if (pread(l.fd, buf, n, l.pos) != (ssize_t)n ||
			    pwrite(fd, buf, n, to) != (ssize_t)n)
				die("replay");
			l.pos += n;
			to += n;
			left -= n;
		}
	}
	if (fsync(fd))
		die("fsync");
	close(fd);
}

/* The last mark among the first @nr entries. */
static unsigned int last_mark(const char *path, uint64_t nr)
{
	struct log l = log_open(path);
	unsigned int mark = 0;

	for (; nr; nr--) {
		struct log_entry *e = log_next(&l);

		/* The last one, of the kernel, is no number. */
		if (e->flags & LOG_MARK && atoi(e->data))
			mark = atoi(e->data);
		log_skip(&l, e);
	}
	return mark;
}

/* --- check --- */

static uint64_t durable[MAX_SECTORS], cached[MAX_SECTORS], begun[MAX_SECTORS];

static void note(uint64_t *of, uint64_t s, unsigned int nr, uint64_t gen)
{
	for (; nr; nr--, s++)
		of[s] = gen;
}

/* Up to the mark, and what was begun until the next one. */
static void read_notes(const char *path, unsigned int mark)
{
	unsigned long long s, gen;
	unsigned int nr, m = 0, i;
	FILE *in = fopen(path, "re");
	char line[128];

	if (!in)
		die(path);
	while (m <= mark && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "m %u", &m) == 1)
			continue;
		if (sscanf(line, "b %llu %u %llu", &s, &nr, &gen) == 3)
			note(begun, s, nr, gen);
		if (m == mark && mark)
			continue;
		if (sscanf(line, "w %llu %u %llu", &s, &nr, &gen) == 3)
			note(cached, s, nr, gen);
		if (sscanf(line, "d %llu %u %llu", &s, &nr, &gen) == 3) {
			note(cached, s, nr, gen);
			if (mark)
				note(durable, s, nr, gen);
		}
		for (i = 0; line[0] == 'f' && mark && i < MAX_SECTORS; i++)
			durable[i] = cached[i];
	}
	fclose(in);
}

static int check(const char *disk, const char *log, const char *notes, uint64_t cut)
{
	unsigned int mark = last_mark(log, cut), old = 0, new = 0;
	int fd = open_dev(disk, O_RDONLY);
	uint64_t nr = sectors_of(fd), s, i;

	read_notes(notes, mark);
	for (s = 0; s < nr; s += IO / SECTOR) {
		if (pread(fd, buf, IO, s * SECTOR) != IO)
			die("read");
		for (i = 0; i < IO / SECTOR; i++) {
			const struct stamp *p = (void *)(buf + i * SECTOR);

			if (p->magic == STAMP_MAGIC && p->sector == s + i &&
			    p->gen >= durable[s + i] && p->gen <= begun[s + i]) {
				new += !!p->gen;
				old += p->gen != begun[s + i];
				continue;
			}
			printf("cut %llu, mark %u: sector %llu says sector %llu generation %llu, not %llu to %llu\n",
			       (unsigned long long)cut, mark,
			       (unsigned long long)(s + i),
			       (unsigned long long)p->sector,
			       (unsigned long long)p->gen,
			       (unsigned long long)durable[s + i],
			       (unsigned long long)begun[s + i]);
			return 1;
		}
	}
	printf("cut %llu, mark %u: %u sectors written, %u not the last\n",
	       (unsigned long long)cut, mark, new, old);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int ret = 0;

	if (argc == 3 && !strcmp(what, "fill")) {
		fill(argv[2]);
	} else if (argc == 6 && !strcmp(what, "write")) {
		write_ops(argv[2], argv[3], argv[4], atoi(argv[5]));
	} else if (argc == 3 && !strcmp(what, "entries")) {
		printf("%llu\n", (unsigned long long)log_open(argv[2]).nr);
	} else if (argc == 5 && !strcmp(what, "replay")) {
		replay(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	} else if (argc == 6 && !strcmp(what, "check")) {
		ret = check(argv[2], argv[3], argv[4], strtoull(argv[5], NULL, 10));
	} else {
		fprintf(stderr, "usage: powercut fill|write|entries|replay|check ...\n");
		ret = 2;
	}
	return ret;
}
