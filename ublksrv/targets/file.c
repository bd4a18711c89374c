// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A file or block device as backing store: how to open it, and what it can do.
 *
 * Called by targets from open(), never per request. Direct IO is only used
 * where the kernel says which alignment it needs (STATX_DIOALIGN, or the
 * logical block size of a block device); everything else goes through the
 * page cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "file.h"
#include "libublk.h"

#define FILE_MAX_BLOCK	4096U

static bool is_power_of_2(__u64 v)
{
	return v && !(v & (v - 1));
}

/* An attribute of the disk's request queue; @def where there is none. */
static __u64 file_queue_attr(dev_t dev, const char *name, __u64 def)
{
	static const char * const forms[] = {
		"/sys/dev/block/%u:%u/queue/%s",
		"/sys/dev/block/%u:%u/../queue/%s",	/* a partition */
	};
	unsigned long long val;
	char path[128];
	unsigned int i;
	FILE *in;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), forms[i], major(dev), minor(dev),
			 name);
		in = fopen(path, "re");
		if (!in)
			continue;
		if (fscanf(in, "%llu", &val) != 1)
			val = def;
		fclose(in);
		return val;
	}
	return def;
}

static void file_probe_max_io(struct file *f, dev_t disk)
{
	__u64 max = file_queue_attr(disk, "max_sectors_kb", 0) << 10;

	/* in whole blocks of any size that a target uses */
	max &= ~(__u64)(FILE_MAX_BLOCK - 1);
	f->max_io = max && max < UINT32_MAX ? max : UINT32_MAX;
}

static int file_probe_block(struct file *f, const struct stat *st)
{
	unsigned int opt = 0, phys = 0;
	int lbs = 0;

	if (ioctl(f->fd, BLKGETSIZE64, &f->size) ||
	    ioctl(f->fd, BLKSSZGET, &lbs))
		return -errno;
	ioctl(f->fd, BLKPBSZGET, &phys);
	ioctl(f->fd, BLKIOOPT, &opt);
	f->block = true;
	f->block_size = lbs;
	f->physical_size = phys;
	f->io_opt = opt;
	f->mem_align = file_queue_attr(st->st_rdev, "dma_alignment", 511) + 1;
	f->rotational = file_queue_attr(st->st_rdev, "rotational", 0);
	file_probe_max_io(f, st->st_rdev);
	f->max_discard = file_queue_attr(st->st_rdev, "discard_max_bytes", 0);
	f->discard_granularity =
		file_queue_attr(st->st_rdev, "discard_granularity", 0);
	/* the kernel writes zeroes itself where the disk cannot */
	f->can_zero = true;
	return 0;
}

/* Beyond the end it changes nothing, but fails where it is not supported. */
static bool file_can_punch(const struct file *f)
{
	__u64 end = (f->size + 0xfffff) & ~0xfffffULL;

	return !fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  end, 0x100000);
}

static int file_probe_regular(struct file *f, const struct stat *st,
			      bool read_only)
{
	struct statfs fs;
	struct statx sx;

	f->size = st->st_size;
	f->block_size = 512;
	f->physical_size = FILE_MAX_BLOCK;
	if (!fstatfs(f->fd, &fs) && is_power_of_2(fs.f_bsize) &&
	    fs.f_bsize >= 512 && fs.f_bsize <= FILE_MAX_BLOCK)
		f->physical_size = fs.f_bsize;
	f->rotational = file_queue_attr(st->st_dev, "rotational", 0);
	file_probe_max_io(f, st->st_dev);
	if (!read_only && file_can_punch(f)) {
		f->discard_granularity = f->physical_size;
		f->max_discard = UINT32_MAX & ~0xfffffU;
		f->can_zero = true;
	}

	memset(&sx, 0, sizeof(sx));
	if (f->direct && !statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) &&
	    sx.stx_mask & STATX_DIOALIGN &&
	    is_power_of_2(sx.stx_dio_offset_align) &&
	    sx.stx_dio_offset_align <= FILE_MAX_BLOCK) {
		f->mem_align = sx.stx_dio_mem_align;
		if (f->block_size < sx.stx_dio_offset_align)
			f->block_size = sx.stx_dio_offset_align;
		return 0;
	}
	return f->direct ? file_set_buffered(f) : 0;
}

int file_set_buffered(struct file *f)
{
	int flags = fcntl(f->fd, F_GETFL);

	if (flags < 0 || fcntl(f->fd, F_SETFL, flags & ~O_DIRECT))
		return -errno;
	f->direct = false;
	f->max_io = UINT32_MAX;
	f->mem_align = 0;
	if (!f->block)
		f->block_size = 512;
	return 0;
}

static int file_open_fd(const char *path, bool read_only, bool *direct)
{
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int fd;

	if (*direct) {
		fd = open(path, flags | O_DIRECT);
		if (fd >= 0 || errno != EINVAL)
			return fd;
		*direct = false;
	}
	return open(path, flags);
}

/*
 * Reads of the disk do not set the file's access time, and save the check
 * whether to do so. Only the owner of the file and root may set O_NOATIME; for
 * others fcntl() fails, which does no harm.
 */
static void file_set_noatime(const struct file *f)
{
	int flags = fcntl(f->fd, F_GETFL);

	if (flags >= 0)
		fcntl(f->fd, F_SETFL, flags | O_NOATIME);
}

static int file_fail_open(const char *path, int err, bool read_only)
{
	const char *cure = "";

	if (err == ENOENT)
		cure = "; create it first";
	else if ((err == EACCES || err == EPERM || err == EROFS) && !read_only)
		cure = "; make it writable or use --read-only";
	else if (err == EISDIR)
		cure = "; name a file or a block device";
	return ublk_error(-err, "%s: %s%s", path, strerror(err), cure);
}

int file_open(struct file *f, const char *path, bool read_only, bool direct)
{
	struct stat st;
	int ret;

	memset(f, 0, sizeof(*f));
	f->direct = direct;
	f->fd = file_open_fd(path, read_only, &f->direct);
	if (f->fd < 0)
		return file_fail_open(path, errno, read_only);
	file_set_noatime(f);

	if (fstat(f->fd, &st))
		ret = -errno;
	else if (S_ISBLK(st.st_mode))
		ret = file_probe_block(f, &st);
	else if (S_ISREG(st.st_mode))
		ret = file_probe_regular(f, &st, read_only);
	else
		ret = -ENOTBLK;
	if (ret == -ENOTBLK)
		ublk_error(ret, "%s: neither a file nor a block device", path);
	else if (ret)
		ublk_error(ret, "%s: %s", path, strerror(-ret));
	if (ret)
		file_close(f);
	return ret;
}

void file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}
