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

#include "claim.h"
#include "file.h"
#include "libublk.h"

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

/*
 * A disk splits what is too long for it, and what has too many segments. In the
 * worst case each page of the data is one.
 */
static void file_probe_max_io(struct file *f, dev_t disk)
{
	__u64 max = file_queue_attr(disk, "max_sectors_kb", 0) << 10;
	__u64 segments = file_queue_attr(disk, "max_segments", 0);

	segments *= sysconf(_SC_PAGESIZE);
	if (segments && segments < max)
		max = segments;
	/* in whole blocks of any size that a target uses */
	max &= ~(__u64)(FILE_MAX_BLOCK - 1);
	f->max_io = max && max < UINT32_MAX ? max : UINT32_MAX;
}

static int file_probe_block(struct file *f, const char *path,
			    const struct stat *st)
{
	unsigned int opt = 0, phys = 0;
	int lbs = 0;

	if (ioctl(f->fd, BLKGETSIZE64, &f->size) ||
	    ioctl(f->fd, BLKSSZGET, &lbs))
		return ublk_error(-errno, "%s: %s", path, strerror(errno));
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

static int file_probe_regular(struct file *f, const char *path,
			      const struct stat *st, bool read_only)
{
	struct statfs fs;
	struct statx sx;

	f->size = st->st_size;
	f->block_size = 512;
	f->physical_size = FILE_MAX_BLOCK;
	if (!fstatfs(f->fd, &fs) && is_power_of_2(fs.f_bsize) &&
	    fs.f_bsize >= 512 && (__u64)fs.f_bsize <= FILE_MAX_BLOCK)
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
	if (!f->direct || !file_set_buffered(f))
		return 0;
	return ublk_error(-EIO, "%s: direct IO cannot be turned off", path);
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

static int file_open_fd(const char *path, const struct claim *c, bool *direct)
{
	int flags = (c->writes ? O_RDWR : O_RDONLY) | O_CLOEXEC;
	int fd;

	if (*direct) {
		fd = claim_open(path, flags | O_DIRECT, c);
		if (fd != -EINVAL)
			return fd;
		*direct = false;
	}
	return claim_open(path, flags, c);
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

static const char *file_cure(int err, const struct file_use *use)
{
	switch (err) {
	case ENOENT:
		return "; create it first, or put it back";
	case EISDIR:
		return "; name a file or a block device";
	case EACCES:
	case EPERM:
	case EROFS:
		if (use->read_only)
			return "";
		return use->writable ? "; make it writable" :
			"; make it writable or use --read-only";
	default:
		return "";
	}
}

/* The kernel lets a block device that is read-only be opened for writing. */
static int file_check(const struct file *f, const struct stat *st,
		      const char *path, const struct file_use *use)
{
	int ro = 0;

	if (S_ISREG(st->st_mode))
		return 0;
	if (!S_ISBLK(st->st_mode))
		return ublk_error(-ENOTBLK, "%s: neither a file nor a block device",
				  path);
	if (use->read_only || ioctl(f->fd, BLKROGET, &ro) || !ro)
		return 0;
	return ublk_error(-EROFS, "%s: is a read-only block device; %s\"blockdev --setrw\" where the disk allows it",
			  path, use->writable ? "" : "use --read-only, or ");
}

static struct claim file_claim(const struct file_use *use)
{
	struct claim c = {
		.start = use->offset,
		.end = use->size ? use->offset + use->size : CLAIM_END,
		.writes = !use->read_only,
		.shared = use->shared,
	};

	/* values that loop_set_size() is going to refuse */
	if (c.start >= CLAIM_END)
		c.start = CLAIM_END - 1;
	if (c.end > CLAIM_END)
		c.end = CLAIM_END;
	return c;
}

int file_open(struct file *f, const char *path, const struct file_use *use)
{
	struct claim c = file_claim(use);
	struct stat st;
	int ret = 0;

	memset(f, 0, sizeof(*f));
	f->direct = use->direct;
	f->fd = file_open_fd(path, &c, &f->direct);
	if (f->fd == -EBUSY)
		return f->fd;
	if (f->fd < 0)
		return ublk_error(f->fd, "%s: %s%s", path, strerror(-f->fd),
				  file_cure(-f->fd, use));
	file_set_noatime(f);

	if (fstat(f->fd, &st))
		ret = ublk_error(-errno, "%s: %s", path, strerror(errno));
	if (!ret)
		ret = file_check(f, &st, path, use);
	if (!ret)
		ret = claim_take(f->fd, path, &c);
	if (!ret)
		ret = S_ISBLK(st.st_mode) ? file_probe_block(f, path, &st) :
			file_probe_regular(f, path, &st, use->read_only);
	if (ret)
		file_close(f);
	return ret;
}

int file_size_of(const char *path, __u64 *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		ret = -errno;
	else if (S_ISREG(st.st_mode))
		*size = st.st_size;
	else if (ioctl(fd, BLKGETSIZE64, size))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret ? ublk_error(ret, "%s: %s", path, strerror(-ret)) : 0;
}

int file_too_small(const char *path, __u64 have, __u64 need)
{
	struct stat st;

	if (!stat(path, &st) && S_ISREG(st.st_mode))
		return ublk_error(-ENOSPC, "%s: has %llu bytes, the disk would need %llu; \"truncate -s %llu\" it first",
				  path, (unsigned long long)have,
				  (unsigned long long)need,
				  (unsigned long long)need);
	return ublk_error(-ENOSPC, "%s: has %llu bytes, the disk would need %llu; enlarge that device first",
			  path, (unsigned long long)have,
			  (unsigned long long)need);
}

void file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int file_redirect(const struct file *f, struct ublk_queue *q)
{
	int ret = f->direct ? ublk_queue_redirect_file(q, f->fd) : -EOPNOTSUPP;

	if (ret >= 0)
		return ret;
	if (f->direct && !q->id &&
	    ublk_dev_info(q->dev)->flags & (UBLK_F_REDIRECT | UBLK_F_EXTENTS) &&
	    !q->thread)
		ublk_log(UBLK_LOG_WARN, "dev %u: driver does not redirect to the store: %s; the daemon serves all requests itself",
			 ublk_dev_info(q->dev)->dev_id, strerror(-ret));
	return -1;
}
