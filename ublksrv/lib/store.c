// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Which files and block devices a target serves from, and whether they are
 * those of before.
 *
 * A target names each of them in open(), by its descriptor. For a recovery the
 * caller of ublk_dev_new() may have the identities that an earlier server wrote
 * down; a store that is another one is refused before the target uses it.
 * Names are not compared: a file that was moved is still the same file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "private.h"

struct store {
	char *name;
	int fd;			/* the target's */
};

/* First sector of a partition; 0 for a whole disk. */
static __u64 store_start(unsigned int maj, unsigned int min)
{
	unsigned long long start = 0;
	char path[64];
	FILE *in;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/start", maj, min);
	in = fopen(path, "re");
	if (!in)
		return 0;
	if (fscanf(in, "%llu", &start) != 1)
		start = 0;
	fclose(in);
	return start;
}

static int store_read_block(int fd, dev_t rdev, struct ublk_store *s)
{
	s->block = true;
	s->dev_major = major(rdev);
	s->dev_minor = minor(rdev);
	s->start = store_start(s->dev_major, s->dev_minor);
	if (ioctl(fd, BLKGETDISKSEQ, &s->diskseq))
		s->diskseq = 0;
	return ioctl(fd, BLKGETSIZE64, &s->size) ? -errno : 0;
}

/* A file system may give a new file the inode number of a deleted one. */
static void store_read_birth(int fd, struct ublk_store *s)
{
	struct statx sx = { 0 };
	long generation = 0;

	if (!statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) &&
	    sx.stx_mask & STATX_BTIME)
		s->birth = sx.stx_btime.tv_sec * 1000000000ULL +
			sx.stx_btime.tv_nsec;
	if (!ioctl(fd, FS_IOC_GETVERSION, &generation))
		s->generation = generation;
}

static int store_read(int fd, struct ublk_store *s)
{
	struct stat st;

	memset(s, 0, sizeof(*s));
	if (fstat(fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		return store_read_block(fd, st.st_rdev, s);
	s->dev_major = major(st.st_dev);
	s->dev_minor = minor(st.st_dev);
	s->ino = st.st_ino;
	s->size = st.st_size;
	store_read_birth(fd, s);
	return 0;
}

static const char *store_kind(const struct ublk_store *s)
{
	return s->block ? "a block device" : "a file";
}

/* A value that one of them does not know is 0. */
static bool store_changed(__u64 now, __u64 was)
{
	return now && was && now != was;
}

static int store_check_block(const char *name, const struct ublk_store *now,
			     const struct ublk_store *was)
{
	if (now->dev_major != was->dev_major ||
	    now->dev_minor != was->dev_minor)
		return ublk_error(-ESTALE, "%s: is another disk than before: found device number %u:%u, expected %u:%u; put the old one back",
				  name, now->dev_major, now->dev_minor,
				  was->dev_major, was->dev_minor);
	if (store_changed(now->diskseq, was->diskseq))
		return ublk_error(-ESTALE, "%s: is another disk than before: found diskseq %llu, expected %llu; put the old one back",
				  name, (unsigned long long)now->diskseq,
				  (unsigned long long)was->diskseq);
	if (now->start != was->start)
		return ublk_error(-ESTALE, "%s: is another partition than before: found start sector %llu, expected %llu; put the old one back",
				  name, (unsigned long long)now->start,
				  (unsigned long long)was->start);
	return 0;
}

static int store_check_file(const char *name, const struct ublk_store *now,
			    const struct ublk_store *was)
{
	if (now->ino != was->ino || now->dev_major != was->dev_major ||
	    now->dev_minor != was->dev_minor)
		return ublk_error(-ESTALE, "%s: is another file than before: found inode %llu on device %u:%u, expected inode %llu on %u:%u; put the old one back",
				  name, (unsigned long long)now->ino,
				  now->dev_major, now->dev_minor,
				  (unsigned long long)was->ino,
				  was->dev_major, was->dev_minor);
	if (store_changed(now->birth, was->birth))
		return ublk_error(-ESTALE, "%s: is another file than before: found birth time %llu.%09llu, expected %llu.%09llu; put the old one back",
				  name,
				  (unsigned long long)now->birth / 1000000000,
				  (unsigned long long)now->birth % 1000000000,
				  (unsigned long long)was->birth / 1000000000,
				  (unsigned long long)was->birth % 1000000000);
	if (store_changed(now->generation, was->generation))
		return ublk_error(-ESTALE, "%s: is another file than before: found generation %u of inode %llu, expected %u; put the old one back",
				  name, now->generation,
				  (unsigned long long)now->ino,
				  was->generation);
	return 0;
}

/* A store may have grown, but nothing of it may be missing. */
static int store_check(const char *name, const struct ublk_store *now,
		       const struct ublk_store *was)
{
	int ret;

	if (now->block != was->block)
		return ublk_error(-ESTALE, "%s: is another store than before: found %s, expected %s; put the old one back",
				  name, store_kind(now), store_kind(was));
	ret = now->block ? store_check_block(name, now, was) :
		store_check_file(name, now, was);
	if (!ret && now->size < was->size)
		ret = ublk_error(-ESTALE, "%s: is shorter than before: found %llu bytes, expected %llu; enlarge it",
				 name, (unsigned long long)now->size,
				 (unsigned long long)was->size);
	return ret;
}

int ublk_dev_add_store(struct ublk_dev *dev, const char *name, int fd)
{
	struct ublk_store now;
	struct store *more;
	int ret;

	ret = store_read(fd, &now);
	if (ret)
		return ublk_error(ret, "%s: %s", name, strerror(-ret));
	/* store_check_all() finds out whether there are too many */
	if (dev->nr_stores < dev->nr_expected) {
		ret = store_check(name, &now, &dev->expected[dev->nr_stores]);
		if (ret)
			return ret;
	}
	more = realloc(dev->stores, (dev->nr_stores + 1) * sizeof(*more));
	if (!more)
		return ublk_error(-ENOMEM, "out of memory");
	dev->stores = more;
	more[dev->nr_stores].fd = fd;
	more[dev->nr_stores].name = strdup(name);
	if (!more[dev->nr_stores].name)
		return ublk_error(-ENOMEM, "out of memory");
	dev->nr_stores++;
	return 0;
}

int ublk_dev_get_store(const struct ublk_dev *dev, unsigned int nr,
		       struct ublk_store *store)
{
	int ret;

	if (nr >= dev->nr_stores)
		return -ENOENT;
	ret = store_read(dev->stores[nr].fd, store);
	if (ret)
		return ublk_error(ret, "%s: %s", dev->stores[nr].name,
				  strerror(-ret));
	store->name = dev->stores[nr].name;
	return 0;
}

bool ublk_dev_recovers(const struct ublk_dev *dev)
{
	return dev->flags & UBLK_DEV_RECOVER;
}

/* The target is open: are there as many stores as before? */
int store_check_all(const struct ublk_dev *dev)
{
	if (!dev->expected || dev->nr_stores == dev->nr_expected)
		return 0;
	return ublk_error(-ESTALE, "the disk has other files than before: found %u, expected %u; name the same ones",
			  dev->nr_stores, dev->nr_expected);
}

void store_free_all(struct ublk_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr_stores; i++)
		free(dev->stores[i].name);
	free(dev->stores);
	dev->stores = NULL;
	dev->nr_stores = 0;
}
