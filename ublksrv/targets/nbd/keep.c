// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Writes that the server has acknowledged, and no FLUSH has confirmed yet: a log of
 * entries, oldest first, in a ring of memory.
 *
 * The memory of a device that can be recovered is a file below run_dir(), which
 * outlives the daemon, but not the machine, as the writes of a volatile cache. A
 * daemon may be killed at any instruction: an entry is in the log when the end of the
 * log is behind it, which is stored last, and only then is the request completed.
 *
 * Overlapping writes keep their order: one that is sent after another was
 * acknowledged is behind it in the log.
 *
 * begin and end count bytes and never wrap; an entry lies at its count modulo the
 * size. One that would cross the end of the ring begins at its start, and a pad
 * fills the space. Room for an entry is reserved before its request is sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "nbd.h"
#include "rundir.h"

#define KEEP_MAGIC	0x75626b65657030ULL
#define KEEP_PAD	~0U
#define KEEP_HEAD	4096

_Static_assert(sizeof(struct keep_entry) == 64, "size of an entry");

/* First page of the file. */
struct keep_file {
	__u64 magic;
	__u64 bytes;		/* of the ring */
	struct nbd_caps caps;	/* of the export */
	atomic_uint_least64_t begin, end;
};

struct keep {
	struct keep_file *f;
	char *ring;
	size_t bytes;
	size_t reserved;
	size_t most;		/* longest entry */
	char path[256];		/* "" without a file */
};

static size_t keep_bytes(__u32 data)
{
	return sizeof(struct keep_entry) + ((data + 63ULL) & ~63ULL);
}

static size_t keep_used(const struct keep *k)
{
	return k->f->end - k->f->begin;
}

static struct keep_entry *keep_at(const struct keep *k, __u64 count)
{
	return (struct keep_entry *)(k->ring + count % k->bytes);
}

/* Without a file: the device cannot be recovered, or has no number yet. */
int keep_new(struct keep **keep, const struct nbd *nbd, size_t bytes)
{
	size_t most = keep_bytes(nbd->io_bytes);
	struct keep *k;

	bytes &= ~(size_t)(KEEP_HEAD - 1);
	if (bytes < 4 * most)
		return ublk_error(-EINVAL, "nbd: --keep: must be at least %zu, for four requests of %u bytes",
				  4 * most, nbd->io_bytes);
	k = calloc(1, sizeof(*k));
	if (!k)
		return ublk_error(-ENOMEM, "out of memory");
	k->bytes = bytes;
	k->most = most;
	*keep = k;
	return 0;
}

static int keep_check(const struct keep *k, const struct nbd *nbd)
{
	const struct keep_file *f = k->f;
	struct nbd_caps was = f->caps;

	if (f->magic != KEEP_MAGIC || f->bytes != k->bytes ||
	    f->end - f->begin > f->bytes)
		return ublk_error(-EBADMSG, "nbd: %s: is damaged, or of another --keep; what the server had not flushed is lost if it was restarted, too",
				  k->path);
	if (nbd->cfg->grows && was.size < nbd->caps.size)
		was.size = nbd->caps.size;
	if (memcmp(&was, &nbd->caps, sizeof(was)))
		return ublk_error(-ESTALE, "nbd: the server's export has another size, or other properties, than before");
	return 0;
}

/* A file that is not there is made, unless the device is recovered. */
static int keep_open_file(const struct keep *k, bool recovers)
{
	int fd, ret;

	if (!*k->path)
		return -1;
	mkdir(run_dir(), 0755);
	fd = open(k->path, recovers ? O_RDWR | O_CLOEXEC | O_NOFOLLOW :
		  O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && recovers)
		return ublk_error(-errno, "nbd: %s: %s; it has the writes that the server had not flushed",
				  k->path, strerror(errno));
	if (fd < 0)
		return ublk_error(-errno, "nbd: %s: %s", k->path,
				  strerror(errno));
	/* a store into a page that the file system has no room for kills */
	ret = -posix_fallocate(fd, 0, KEEP_HEAD + k->bytes);
	if (!ret)
		return fd;
	close(fd);
	return ublk_error(ret, "nbd: %s: %zu bytes: %s; use a lower --keep",
			  k->path, k->bytes, strerror(-ret));
}

void keep_set_size(struct keep *k, __u64 size)
{
	k->f->caps.size = size;
}

int keep_attach(struct keep *k, const struct nbd *nbd, __u32 dev_id,
		bool recovers)
{
	int fd, ret, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *mem;

	if (nbd->recoverable) {
		snprintf(k->path, sizeof(k->path), "%s/%u.nbd", run_dir(),
			 dev_id);
		flags = MAP_SHARED;
	}
	fd = keep_open_file(k, recovers);
	if (fd < 0 && *k->path)
		return fd;
	mem = mmap(NULL, KEEP_HEAD + k->bytes, PROT_READ | PROT_WRITE, flags,
		   fd, 0);
	if (fd >= 0)
		close(fd);
	if (mem == MAP_FAILED)
		return ublk_error(-errno, "nbd: %zu bytes: %s; use a lower --keep",
				  k->bytes, strerror(errno));
	madvise(mem, KEEP_HEAD + k->bytes, MADV_DONTDUMP);
	k->f = mem;
	k->ring = (char *)mem + KEEP_HEAD;
	if (recovers && nbd->recoverable) {
		ret = keep_check(k, nbd);
		if (!ret)
			keep_set_size(k, nbd->caps.size);
		return ret;
	}
	*k->f = (struct keep_file){
		.magic = KEEP_MAGIC, .bytes = k->bytes, .caps = nbd->caps,
	};
	return 0;
}

/* @forget: the device is gone, nobody recovers it */
void keep_free(struct keep *k, bool forget)
{
	if (!k)
		return;
	if (k->f)
		munmap(k->f, KEEP_HEAD + k->bytes);
	if (forget && *k->path)
		unlink(k->path);
	free(k);
}

/*
 * Room for an entry with @data bytes, and for one pad: what is kept and reserved
 * crosses the end of the ring once at most.
 */
bool keep_reserve(struct keep *k, __u32 data)
{
	size_t bytes = keep_bytes(data);

	if (keep_used(k) + k->reserved + bytes + k->most > k->bytes)
		return false;
	k->reserved += bytes;
	return true;
}

/* The request failed. */
void keep_release(struct keep *k, __u32 data)
{
	k->reserved -= keep_bytes(data);
}

void keep_add(struct keep *k, const struct keep_entry *given, __u32 data,
	      const void *buf)
{
	__u64 end = k->f->end;
	size_t left = k->bytes - end % k->bytes;
	struct keep_entry *e = keep_at(k, end);
	size_t bytes = keep_bytes(data);

	k->reserved -= bytes;
	if (left < bytes) {
		*e = (struct keep_entry){ .op = KEEP_PAD, .bytes = left };
		end += left;
		e = keep_at(k, end);
	}
	*e = *given;
	e->bytes = bytes;
	if (data)
		memcpy(e + 1, buf, data);
	atomic_store_explicit(&k->f->end, end + bytes, memory_order_release);
}

__u64 keep_end(const struct keep *k)
{
	return k->f->end;
}

/* A FLUSH has confirmed what was kept up to there. */
void keep_drop(struct keep *k, __u64 end)
{
	if (end > k->f->begin)
		k->f->begin = end;
}

bool keep_is_empty(const struct keep *k)
{
	return k->f->begin == k->f->end;
}

bool keep_is_half_full(const struct keep *k)
{
	return keep_used(k) + k->reserved > k->bytes / 2;
}

const struct keep_entry *keep_next(const struct keep *k, __u64 *at,
				   const void **buf)
{
	const struct keep_entry *e;

	if (*at < k->f->begin)
		*at = k->f->begin;
	while (*at < k->f->end) {
		e = keep_at(k, *at);
		*at += e->bytes;
		if (e->op != KEEP_PAD && e->bytes) {
			*buf = e + 1;
			return e;
		}
		if (!e->bytes)
			break;
	}
	return NULL;
}
