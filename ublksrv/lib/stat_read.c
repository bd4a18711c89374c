// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Read the counters of a device that any process serves: stat.c says where they are.
 *
 * The server may be another version of the library, and of a user who is not to be
 * trusted: nothing is used before it is checked, and what is checked is a copy.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "private.h"
#include "stat_file.h"

struct ublk_stat_reader {
	struct stat_head head;
	const char *mem;
	size_t len;
};

/* Counters that change meanwhile; those that @from lacks are 0. */
static void stat_copy(__u64 *out, size_t size, const __u64 *in, size_t have)
{
	size_t i;

	for (i = 0; i < size / sizeof(*out); i++)
		out[i] = i < have / sizeof(*in) ?
			__atomic_load_n(&in[i], __ATOMIC_RELAXED) : 0;
}

/* Copy counters, and add the sums that a thread does not make. */
void stat_sum(struct ublk_stat *to, size_t size, const void *from, size_t have)
{
	struct ublk_stat s;
	unsigned int row, i;

	stat_copy((__u64 *)&s, sizeof(s), from, have);
	for (row = 0; row < UBLK_STAT_ROWS; row++) {
		s.ops[row].measured = 0;
		for (i = 0; i < UBLK_STAT_BUCKETS; i++)
			s.ops[row].measured += s.ops[row].latency[i];
		s.ops[row].requests += s.ops[row].measured;
	}
	stat_copy((__u64 *)to, size, (const __u64 *)&s, sizeof(s));
}

/* Return: descriptor, or negative errno */
static int stat_find(pid_t pid, __u32 id)
{
	char path[32], want[64], link[64];
	int fd = -ENOENT;
	struct dirent *e;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	snprintf(want, sizeof(want), "/memfd:" STAT_FILE_NAME " (deleted)", id);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fd == -ENOENT && (e = readdir(dir))) {
		len = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = 0;
		if (strcmp(link, want))
			continue;
		fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(dir);
	return fd;
}

static bool stat_head_is_good(const struct stat_head *h, __u32 id, __u64 len)
{
	const struct ublk_stat_info *info = &h->info;

	return h->magic == STAT_MAGIC && info->dev_id == id &&
		info->nr_queues && info->nr_queues <= UBLK_MAX_NR_QUEUES &&
		info->nr_threads && info->nr_threads <= UBLK_MAX_IO_THREADS &&
		h->head_bytes >= sizeof(*h) && h->head_bytes % 64 == 0 &&
		h->slot_bytes % 64 == 0 && h->head_bytes < len &&
		(__u64)info->nr_queues * info->nr_threads * h->slot_bytes <=
		len - h->head_bytes;
}

/* What is not sealed could be truncated, with a SIGBUS here. */
static int stat_map(struct ublk_stat_reader *r, int fd, __u32 id)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *mem;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) ||
	    st.st_size < STAT_HEAD_BYTES)
		return -EBADMSG;
	mem = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	r->mem = mem;
	r->len = st.st_size;
	memcpy(&r->head, mem, sizeof(r->head));
	r->head.info.target[sizeof(r->head.info.target) - 1] = 0;
	return stat_head_is_good(&r->head, id, r->len) ? 0 : -EBADMSG;
}

static int stat_explain(pid_t pid, __u32 id, int err)
{
	switch (-err) {
	case ESRCH:
		return ublk_error(err, "dev %u: its server, process %d, has ended",
				  id, pid);
	case ENOENT:
		return ublk_error(err, "dev %u: its server, process %d, has no counters; it uses an older libublk, or none",
				  id, pid);
	case EBADMSG:
		return ublk_error(err, "dev %u: the counters of its server, process %d, are of another version, or damaged",
				  id, pid);
	default:
		return ublk_error(err, "dev %u: looking at its server, process %d: %s; run as root, or as its user",
				  id, pid, strerror(-err));
	}
}

int ublk_stat_open(pid_t pid, __u32 id, struct ublk_stat_reader **reader)
{
	struct ublk_stat_reader *r;
	int fd, ret;

	fd = stat_find(pid, id);
	if (fd < 0)
		return stat_explain(pid, id, fd);
	r = calloc(1, sizeof(*r));
	ret = r ? stat_map(r, fd, id) : -ENOMEM;
	close(fd);
	if (ret) {
		ublk_stat_close(r);
		return stat_explain(pid, id, ret);
	}
	*reader = r;
	return 0;
}

const struct ublk_stat_info *
ublk_stat_get_info(const struct ublk_stat_reader *reader)
{
	return &reader->head.info;
}

int ublk_stat_read_size(const struct ublk_stat_reader *r, unsigned int qid,
			unsigned int thread, struct ublk_stat *stat, size_t size)
{
	const struct ublk_stat_info *info = &r->head.info;

	if (qid >= info->nr_queues || thread >= info->nr_threads)
		return -EINVAL;
	stat_sum(stat, size, r->mem + r->head.head_bytes +
		 (size_t)(qid * info->nr_threads + thread) * r->head.slot_bytes,
		 r->head.slot_bytes);
	return 0;
}

void ublk_stat_close(struct ublk_stat_reader *r)
{
	if (!r)
		return;
	if (r->mem)
		munmap((void *)(uintptr_t)r->mem, r->len);
	free(r);
}
