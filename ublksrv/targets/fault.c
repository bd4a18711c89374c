// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Target fault: a disk with injected faults, to test programs that use disks.
 *
 * Requests are done on a file, or on anonymous memory, as the target loop does
 * them. Before that, all rules (fault_rule.h) that match a request apply to it:
 * they delay it, let it fail, do only a part of it, or kill the daemon at one
 * of four points.
 *
 * Each queue has a random number generator that starts from --seed, so it
 * treats the same requests in the same way. The counters of the rules belong to
 * the device and start again with each daemon.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>

#include <liburing.h>

#include "fault_rule.h"
#include "file.h"
#include "targets.h"

#define FAULT_MEMORY	(1ULL << 30)	/* without --size */
#define FAULT_COMMIT_MS	200	/* enough for the commit to be sent */

struct fault_cfg {
	const char *file;
	char **rules;
	__u64 size;
	__u64 seed;
	bool buffered;
	bool shared;
};

struct fault {
	struct file file;
	__u64 seed;
	unsigned int nr_rules;
	struct fault_rule *rules;
	pthread_mutex_t lock;	/* counters of the rules */
};

struct fault_queue {
	int slot;		/* of the file in the ring's file table */
	__u64 rnd;
};

/* Per tag. */
struct fault_io {
	struct fault_plan plan;
	struct __kernel_timespec delay;	/* until the SQE has been submitted */
	__u32 done;
	bool waiting;
	unsigned char way;
};

static const struct ublk_opt fault_opts[] = {
	{
		.name = "file", .letter = 'f', .type = UBLK_OPT_PATH,
		.flags = UBLK_OPT_POSITIONAL,
		.offset = offsetof(struct fault_cfg, file),
		.arg = "FILE",
		.help = "file or block device with the data, else memory",
	},
	{
		.name = "rule", .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_LIST,
		.offset = offsetof(struct fault_cfg, rules),
		.arg = "OP:KEY=VALUE,...",
		.help = "a fault and when it happens, may be repeated",
	},
	{
		.name = "size", .letter = 's', .type = UBLK_OPT_SIZE,
		.offset = offsetof(struct fault_cfg, size),
		.arg = "SIZE", .min = 512, .max = LLONG_MAX,
		.help = "capacity, if not that of the file; 1G of memory",
	},
	{
		.name = "seed", .type = UBLK_OPT_UINT,
		.offset = offsetof(struct fault_cfg, seed),
		.arg = "N", .def = "1",
		.help = "start of the random numbers",
	},
	{
		.name = "buffered-io|buffered_io", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct fault_cfg, buffered),
		.help = "use the page cache, not direct IO",
	},
	{
		.name = "shared", .type = UBLK_OPT_FLAG,
		.offset = offsetof(struct fault_cfg, shared),
		.help = "even if others write to it; data may get lost",
	},
	{ 0 }
};

static int fault_parse_rules(struct fault *f, char * const *text)
{
	char bad[FAULT_RULE_MAX];
	unsigned int nr;

	for (nr = 0; text && text[nr]; nr++)
		;
	f->rules = calloc(nr + 1, sizeof(*f->rules));
	if (!f->rules)
		return ublk_error(-ENOMEM, "out of memory");
	for (; f->nr_rules < nr; f->nr_rules++)
		if (fault_parse(&f->rules[f->nr_rules], text[f->nr_rules], bad))
			return ublk_error(-EINVAL, "fault: --rule %s: \"%s\" is wrong; as in \"write:errno=EIO,every=3\", see ublk-fault(5)",
					  text[f->nr_rules], bad);
	return 0;
}

/* The memory is a memfd. */
static int fault_open_memory(struct fault *f, __u64 size)
{
	static const struct file_use use = { .shared = true };
	int fd = memfd_create("ublk-fault", MFD_CLOEXEC), ret;
	char path[32];

	if (fd < 0 || ftruncate(fd, size)) {
		ret = ublk_error(-errno, "fault: memory of %llu bytes: %s",
				 (unsigned long long)size, strerror(errno));
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ret = file_open(&f->file, path, &use);
		if (ret)
			ublk_error(ret, "fault: %s", ublk_strerror_last());
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

static int fault_open_store(struct ublk_dev *dev, struct fault *f,
			    const struct fault_cfg *c)
{
	struct file_use use = {
		.writable = true,
		.direct = !c->buffered,
		.shared = c->shared,
		.size = c->size,
	};
	int ret;

	if (!c->file) {
		if (ublk_dev_info(dev)->flags & UBLK_F_USER_RECOVERY)
			return ublk_error(-EINVAL, "fault: memory ends with the daemon, nothing could be recovered; name a file or leave --user-recovery out");
		return fault_open_memory(f, c->size ? : FAULT_MEMORY);
	}
	ret = file_open(&f->file, c->file, &use);
	if (ret)
		return ublk_error(ret, "fault: %s", ublk_strerror_last());
	ret = ublk_dev_add_store(dev, c->file, f->file.fd);
	if (ret) {
		file_close(&f->file);
		return ublk_error(ret, "fault: %s", ublk_strerror_last());
	}
	if (c->size > f->file.size) {
		file_close(&f->file);
		return ublk_error(-EINVAL, "fault: %s: --size is more than the %llu bytes there; enlarge the file",
				  c->file, (unsigned long long)f->file.size);
	}
	if (c->size)
		f->file.size = c->size;
	return 0;
}

static int fault_fill_params(struct ublk_params *p, const struct file *f)
{
	struct ublk_param_basic *b = &p->basic;

	b->logical_bs_shift = __builtin_ctz(f->block_size);
	b->physical_bs_shift = b->logical_bs_shift;
	b->io_min_shift = b->logical_bs_shift;
	b->attrs |= UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	if (f->direct && f->mem_align &&
	    f->mem_align <= (__u32)sysconf(_SC_PAGESIZE)) {
		p->types |= UBLK_PARAM_TYPE_DMA_ALIGN;
		p->dma.alignment = f->mem_align - 1;
	}
	if (f->max_discard || f->can_zero) {
		p->types |= UBLK_PARAM_TYPE_DISCARD;
		p->discard.discard_granularity =
			f->discard_granularity ? : f->block_size;
		p->discard.max_discard_sectors =
			f->max_discard >> 9 > UINT_MAX >> 9 ? UINT_MAX >> 9 :
			f->max_discard >> 9;
		p->discard.max_discard_segments = f->max_discard ? 1 : 0;
		if (f->can_zero)
			p->discard.max_write_zeroes_sectors = UINT_MAX >> 9;
	}
	if (ublk_params_set_size(p, f->size))
		return ublk_error(-EINVAL, "fault: %s", ublk_strerror_last());
	return 0;
}

static int fault_open(struct ublk_dev *dev, void *cfg)
{
	const struct fault_cfg *c = cfg;
	struct fault *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return ublk_error(-ENOMEM, "out of memory");
	f->seed = c->seed;
	ret = fault_parse_rules(f, c->rules);
	if (!ret)
		ret = fault_open_store(dev, f, c);
	if (ret)
		goto err_free;
	ret = fault_fill_params(ublk_dev_params(dev), &f->file);
	if (ret)
		goto err_close;
	pthread_mutex_init(&f->lock, NULL);
	ublk_dev_set_priv(dev, f);
	return 0;

err_close:
	file_close(&f->file);
err_free:
	free(f->rules);
	free(f);
	return ret;
}

static void fault_close(struct ublk_dev *dev)
{
	struct fault *f = ublk_dev_priv(dev);

	file_close(&f->file);
	pthread_mutex_destroy(&f->lock);
	free(f->rules);
	free(f);
}

static int fault_queue_open(struct ublk_queue *q)
{
	struct fault *f = ublk_dev_priv(q->dev);
	struct fault_queue *fq = calloc(1, sizeof(*fq));
	int ret;

	if (!fq)
		return ublk_error(-ENOMEM, "out of memory");
	fq->slot = ublk_queue_fixed_fd(q, f->file.fd);
	if (fq->slot < 0) {
		ret = fq->slot;
		free(fq);
		return ublk_error(ret, "fault: registering the file: %s",
				  strerror(-ret));
	}
	fq->rnd = f->seed ^ ((__u64)q->id << 32 | (__u64)q->thread << 48);
	q->priv = fq;
	return 0;
}

static void fault_queue_close(struct ublk_queue *q)
{
	free(q->priv);
	q->priv = NULL;
}

/* SIGKILL, so that nothing is cleaned up. */
static void fault_die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void *fault_die_later(void *arg)
{
	struct timespec ts = { .tv_nsec = FAULT_COMMIT_MS * 1000000L };

	(void)arg;
	nanosleep(&ts, NULL);
	fault_die();
	return NULL;
}

static void fault_complete(struct ublk_io *io, int res)
{
	struct fault_io *fio = io->priv;
	enum fault_die die = fio->plan.die;
	pthread_t thread;

	if (die == FAULT_DIE_DONE || die == FAULT_DIE_TORN)
		fault_die();
	ublk_io_complete(io, res);
	/* from another thread, because this one has to submit the commit */
	if (die == FAULT_DIE_COMMIT &&
	    !pthread_create(&thread, NULL, fault_die_later, NULL))
		pthread_detach(thread);
}

/* The store has done the request, or has failed without a rule. */
static void fault_end(struct ublk_io *io, int res, const char *why)
{
	if (res < 0)
		file_log_error(io, res, why);
	fault_complete(io, res);
}

static void fault_issue(struct ublk_queue *q, struct ublk_io *io)
{
	struct fault *f = ublk_dev_priv(q->dev);
	struct fault_queue *fq = q->priv;
	struct fault_io *fio = io->priv;
	struct file_piece piece = {
		.fd = fq->slot,
		.pos = (io->desc->start_sector << 9) + fio->done,
		.len = fio->plan.limit - fio->done,
		.off = fio->done,
		.way = fio->way,
	};

	file_prep(&f->file, io, &piece);
}

/* The delay is over, if there was one. */
static void fault_go(struct ublk_queue *q, struct ublk_io *io)
{
	struct fault_io *fio = io->priv;

	fio->waiting = false;
	if (fio->plan.err)
		fault_complete(io, fio->plan.err);
	else if (!fio->plan.limit && ublk_io_op(io) <= UBLK_IO_OP_WRITE)
		fault_complete(io, 0);
	else
		fault_issue(q, io);
}

static void fault_wait(struct ublk_io *io)
{
	struct io_uring_sqe *sqe = ublk_io_sqe(io);
	struct fault_io *fio = io->priv;

	if (!sqe)
		return;
	fio->delay.tv_sec = fio->plan.delay_ms / 1000;
	fio->delay.tv_nsec = fio->plan.delay_ms % 1000 * 1000000;
	fio->waiting = true;
	io_uring_prep_timeout(sqe, &fio->delay, 0, 0);
}

static void fault_make_plan(struct ublk_queue *q, struct ublk_io *io)
{
	const struct ublksrv_io_desc *d = io->desc;
	struct fault *f = ublk_dev_priv(q->dev);
	struct fault_queue *fq = q->priv;
	struct fault_io *fio = io->priv;
	__u64 len = (__u64)d->nr_sectors << 9;
	unsigned int i;

	fio->plan = (struct fault_plan){ .limit = len };
	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->nr_rules; i++)
		if (fault_match(&f->rules[i], ublk_io_op(io), d->start_sector,
				d->nr_sectors, &fq->rnd))
			fault_apply(&f->rules[i], &fio->plan, &fq->rnd);
	pthread_mutex_unlock(&f->lock);
	/* only transfers can be done in part */
	if (ublk_io_op(io) > UBLK_IO_OP_WRITE)
		fio->plan.limit = len;
	else if (fio->plan.die == FAULT_DIE_TORN)
		fio->plan.limit = len / 2 & ~511ULL;
}

static void fault_submit(struct ublk_queue *q, struct ublk_io *io)
{
	struct fault *f = ublk_dev_priv(q->dev);
	struct fault_io *fio = io->priv;

	if (!file_op_known(ublk_io_op(io))) {
		ublk_io_complete(io, -EOPNOTSUPP);
		return;
	}
	fio->done = 0;
	fio->way = file_first_way(&f->file, io);
	fault_make_plan(q, io);
	if (fio->plan.die == FAULT_DIE_SUBMIT)
		fault_die();
	if (fio->plan.delay_ms)
		fault_wait(io);
	else
		fault_go(q, io);
}

static void fault_done(struct ublk_queue *q, struct ublk_io *io, int res)
{
	struct fault *f = ublk_dev_priv(q->dev);
	struct fault_io *fio = io->priv;

	if (fio->waiting) {
		fault_go(q, io);
		return;
	}
	if (ublk_io_op(io) > UBLK_IO_OP_WRITE) {
		if (file_next_way(&f->file, io, res, &fio->way))
			fault_issue(q, io);
		else
			fault_end(io, file_end(io, res), "");
		return;
	}
	if (res == -EINTR || res == -EAGAIN) {
		fault_issue(q, io);
		return;
	}
	if (res <= 0) {
		fault_end(io, res ? : -EIO, res ? "" : FILE_IS_SHORT);
		return;
	}
	fio->done += res;
	if (fio->done < fio->plan.limit)
		fault_issue(q, io);
	else
		fault_complete(io, fio->done);
}

static int fault_can_resize(const void *cfg, __u64 bytes)
{
	const struct fault_cfg *c = cfg;
	__u64 have = c->size ? c->size : FAULT_MEMORY;
	int ret;

	if (!c->file)
		return bytes <= have ? 0 :
			ublk_error(-ENOSPC, "fault: the memory is %llu bytes, the disk would need %llu; add it again with that --size",
				   (unsigned long long)have,
				   (unsigned long long)bytes);
	ret = file_size_of(c->file, &have);
	return !ret && bytes > have ? file_too_small(c->file, have, bytes) :
		ret;
}

const struct ublk_target fault_target = {
	UBLK_TARGET(),
	.name = "fault",
	.summary = "a disk with injected faults",
	.opts = fault_opts,
	.config_size = sizeof(struct fault_cfg),
	.io_size = sizeof(struct fault_io),
	.open = fault_open,
	.close = fault_close,
	.queue_open = fault_queue_open,
	.queue_close = fault_queue_close,
	.submit = fault_submit,
	.done = fault_done,
	.flags = UBLK_TARGET_RING_DATA,
	.can_resize = fault_can_resize,
};
