// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Claims on a backing store. A block device that is written is opened with
 * O_EXCL, which mounts, swap, device mapper, RAID and mkfs respect.
 *
 * Everything else is done by OFD locks, in the way of QEMU: a user of a file
 * holds read locks on bytes that say what it does with the file (100 + n) and
 * what it does not let others do (200 + n), and then looks whether somebody
 * does not let it do what it does, or does what it does not let others do. So
 * virtual machines, qemu-img and ublk refuse each other's files. As in QEMU, a
 * reader refuses writers.
 *
 * QEMU's bytes are for the whole file. Devices of ublk have the same two marks
 * once more for the bytes that they use, far behind the end of any file, so
 * that they can have different parts of a file. To see that a lock on QEMU's
 * bytes is another ublk's, its range differs: it begins or ends where QEMU's
 * never does.
 *
 * The marks of two that start in the same instant may refuse both, so a claim
 * is tried again after a pause of a length of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

#include "claim.h"
#include "libublk.h"

/* Bits of QEMU's permissions. */
enum { QEMU_READ, QEMU_WRITE, QEMU_WRITE_UNCHANGED, QEMU_RESIZE };

#define QEMU_USES	100
#define QEMU_DENIES	200

/* ublk's marks on these bytes. */
#define OWN_USES	(QEMU_USES - 1)
#define OWN_DENIES	(QEMU_DENIES + QEMU_WRITE)
#define OWN_DENIES_LEN	9

/* Where the marks of the bytes that ublk devices use begin. */
#define RANGE_USES	(1ULL << 61)
#define RANGE_DENIES	(1ULL << 62)

#define WAIT_MS		5000	/* for a process that is about to end */
#define LOOK_MS		200	/* look for one that has not, so often */
#define STEP_MS		10

static int claim_lock(int fd, __u64 start, __u64 len, short type)
{
	struct flock l = {
		.l_type = type, .l_whence = SEEK_SET,
		.l_start = start, .l_len = len,
	};

	return fcntl(fd, F_OFD_SETLK, &l) ? -errno : 0;
}

/* Does somebody else have a lock there? */
static bool claim_probe(int fd, __u64 start, __u64 len, struct flock *l)
{
	*l = (struct flock){
		.l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = start, .l_len = len,
	};
	return !fcntl(fd, F_OFD_GETLK, l) && l->l_type != F_UNLCK;
}

static bool claim_probe_range(int fd, const struct claim *c, __u64 base)
{
	struct flock l;

	return claim_probe(fd, base + c->start, c->end - c->start, &l);
}

/* A lock on a byte of QEMU that is not ublk's? */
static bool claim_probe_qemu(int fd, __u64 byte)
{
	struct flock l;

	if (!claim_probe(fd, byte, 1, &l))
		return false;
	return l.l_start != OWN_USES &&
		!(l.l_start == OWN_DENIES && l.l_len == OWN_DENIES_LEN);
}

static bool claim_is_refused(int fd, const struct claim *c)
{
	if (claim_probe_range(fd, c, RANGE_USES) ||
	    claim_probe_qemu(fd, QEMU_DENIES + QEMU_READ) ||
	    claim_probe_qemu(fd, QEMU_USES + QEMU_WRITE) ||
	    claim_probe_qemu(fd, QEMU_USES + QEMU_RESIZE))
		return true;
	return c->writes && (claim_probe_range(fd, c, RANGE_DENIES) ||
			     claim_probe_qemu(fd, QEMU_DENIES + QEMU_WRITE));
}

static int claim_mark(int fd, const struct claim *c)
{
	__u64 len = c->end - c->start;
	int ret;

	ret = claim_lock(fd, OWN_USES, c->writes ? 3 : 2, F_RDLCK);
	if (!ret && c->writes)
		ret = claim_lock(fd, RANGE_USES + c->start, len, F_RDLCK);
	if (!ret && !c->shared)
		ret = claim_lock(fd, OWN_DENIES, OWN_DENIES_LEN, F_RDLCK);
	if (!ret && !c->shared)
		ret = claim_lock(fd, RANGE_DENIES + c->start, len, F_RDLCK);
	return ret;
}

static int claim_try(int fd, const char *path, const struct claim *c)
{
	int ret = claim_mark(fd, c);

	/* a write lock of another kind of program */
	if ((ret == -EAGAIN || ret == -EACCES) && !c->shared)
		goto busy;
	if (ret) {
		ublk_log(UBLK_LOG_WARN, "%s: has no locks (%s); nothing prevents a second writer",
			 path, strerror(-ret));
		return 0;
	}
	if (c->shared || !claim_is_refused(fd, c))
		return 0;
busy:
	claim_lock(fd, 0, 0, F_UNLCK);
	return -EBUSY;
}

static int claim_refuse(const char *path, const char *text)
{
	return ublk_error(-EBUSY, "%s: %s, or --shared if you know that both may use it",
			  path, text);
}

/*
 * Who has it? The kernel's own users do not go away, and neither does a process
 * that is there after LOOK_MS. One that cannot be found is about to end, or has
 * ended, and io_uring still ends its requests.
 */
static bool claim_is_hopeless(const struct stat *st, int own, unsigned int ms,
			      char text[HOLDER_TEXT])
{
	enum holder who;

	if (!ms)
		return holder_of_disk(st, text);
	if (ms % LOOK_MS)
		return false;
	who = holder_process(st, own, text);
	if (who == HOLDER_NONE)
		snprintf(text, HOLDER_TEXT, "is in use by a process that cannot be seen from here; end that one");
	return who == HOLDER_SURE || ms >= WAIT_MS;
}

/* Between two attempts. Return: 0 to try again, or -EBUSY with a message */
static int claim_wait(const struct stat *st, int own, const char *path,
		      unsigned int *ms)
{
	struct timespec pause = {
		.tv_nsec = STEP_MS * 1000000 + getpid() % 97 * 100000,
	};
	char text[HOLDER_TEXT];

	if (claim_is_hopeless(st, own, *ms, text))
		return claim_refuse(path, text);
	nanosleep(&pause, NULL);
	*ms += STEP_MS;
	return 0;
}

int claim_open(const char *path, int flags, const struct claim *c)
{
	unsigned int ms = 0;
	struct stat st;
	int fd, ret;

	if (stat(path, &st))
		return -errno;
	/* without O_CREAT, the kernel looks at O_EXCL for block devices only */
	if (S_ISBLK(st.st_mode) && c->writes && !c->shared)
		flags |= O_EXCL;
	for (;;) {
		fd = open(path, flags);
		if (fd >= 0)
			return fd;
		if (errno != EBUSY)
			return -errno;
		if (!(flags & O_EXCL))
			return ublk_error(-EBUSY, "%s: the kernel refuses it: %s",
					  path, strerror(EBUSY));
		ret = claim_wait(&st, -1, path, &ms);
		if (ret)
			return ret;
	}
}

int claim_take(int fd, const char *path, const struct claim *c)
{
	char text[HOLDER_TEXT];
	unsigned int ms = 0;
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return -errno;
	if (!c->shared && S_ISREG(st.st_mode) && c->writes &&
	    holder_of_disk(&st, text))
		return claim_refuse(path, text);
	if (!c->shared && holder_loop(&st, c, text))
		return claim_refuse(path, text);
	for (;;) {
		ret = claim_try(fd, path, c);
		if (!ret)
			return 0;
		ret = claim_wait(&st, fd, path, &ms);
		if (ret)
			return ret;
	}
}

int claim_is_free(int fd, const char *path, const struct claim *c)
{
	char text[HOLDER_TEXT];
	struct stat st;

	if (fstat(fd, &st) || c->shared)
		return 0;
	if (holder_loop(&st, c, text))
		return claim_refuse(path, text);
	if (!claim_probe_range(fd, c, RANGE_USES) &&
	    !claim_probe_range(fd, c, RANGE_DENIES))
		return 0;
	return claim_refuse(path, "is used by another ublk device there; see \"ublk list\"");
}
