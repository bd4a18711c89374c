// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The life of a device that this process serves:
 * new -> added -> configured (-> ready) -> started -> stopped.
 *
 * One controlling thread calls these functions in that order; each checks the
 * stage. They send the control commands (ctrl.c), map the queues (queue.c), and
 * start and end the threads (worker.c). After a failure the device is in a
 * stage from which ublk_dev_del() and ublk_dev_free() clean up.
 *
 * For a device that lost its server, ublk_dev_recover() (recover.c) takes the
 * place of ublk_dev_add(). The device keeps its parameters, and after a failure
 * it waits for the next server.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <sys/eventfd.h>

#include "private.h"

/* Longest request by default: with IO buffers, and without. */
#define IO_BUF_DEFAULT		(512U << 10)
#define IO_BUF_NONE		(2U << 20)

#define UBLKS_MAX	"/sys/module/ublk_drv/parameters/ublks_max"

#define OPEN_DEADLINE_MS	5000
#define START_DEADLINE_MS	30000

static const char * const stage_names[] = {
	[UBLK_STAGE_NEW]	= "new",
	[UBLK_STAGE_ADDED]	= "added",
	[UBLK_STAGE_CONFIGURED]	= "configured",
	[UBLK_STAGE_STARTED]	= "started",
	[UBLK_STAGE_STOPPED]	= "stopped",
	[UBLK_STAGE_READY]	= "ready",
};

int dev_need(const struct ublk_dev *dev, enum ublk_dev_stage stage,
	     const char *call)
{
	if (dev->stage == stage)
		return 0;
	return ublk_error(-EPERM, "%s needs a device that is %s, this one is %s",
			  call, stage_names[stage], stage_names[dev->stage]);
}

/* Without buffers requests may be longer, unless the target limits them. */
static void dev_set_io_buf(struct ublk_dev *dev)
{
	struct ublk_param_basic *basic = &dev->params.basic;

	if (dev_has_bufs(dev, dev->features) ||
	    basic->max_sectors != IO_BUF_DEFAULT >> 9)
		return;
	dev->info.max_io_buf_bytes = IO_BUF_NONE;
	basic->max_sectors = IO_BUF_NONE >> 9;
}

static int dev_check_opts(const struct ublk_dev_opts *o)
{
	long page = sysconf(_SC_PAGESIZE);

	if (!o->nr_queues || o->nr_queues > UBLK_MAX_NR_QUEUES)
		return ublk_error(-EINVAL, "%u queues: must be 1..%u",
				  o->nr_queues, UBLK_MAX_NR_QUEUES);
	if (!o->depth || o->depth > UBLK_MAX_QUEUE_DEPTH)
		return ublk_error(-EINVAL, "queue depth %u: must be 1..%u",
				  o->depth, UBLK_MAX_QUEUE_DEPTH);
	if (o->io_buf_bytes % page || o->io_buf_bytes > 1U << UBLK_IO_BUF_BITS)
		return ublk_error(-EINVAL,
				  "buffer size %u: must be pages, up to %u",
				  o->io_buf_bytes, 1U << UBLK_IO_BUF_BITS);
	if (o->io_threads > UBLK_MAX_IO_THREADS || o->io_threads > o->depth)
		return ublk_error(-EINVAL, "%u threads per queue: must be up to %u and the queue depth",
				  o->io_threads, UBLK_MAX_IO_THREADS);
	if (o->realtime > UBLK_MAX_REALTIME)
		return ublk_error(-EINVAL, "realtime priority: must be up to %u",
				  UBLK_MAX_REALTIME);
	return 0;
}

/*
 * Copy a structure of the caller. If the caller was built against an older
 * version its structure is shorter, and the newer members become zero.
 */
static int dev_import(void *own, size_t size, const void *given,
		      size_t given_size, size_t least)
{
	if (given_size < least || given_size > size)
		return ublk_error(-EINVAL, "built against another libublk");
	memset(own, 0, size);
	memcpy(own, given, given_size);
	return 0;
}

/*
 * What the target starts in its open() serves the disk, and inherits from this
 * thread that it does. Without the privilege worker.c says so later.
 */
static int dev_open_target(struct ublk_dev *dev, void *cfg)
{
	bool was = flusher_get();
	int ret;

	flusher_set(true);
	ret = dev->target->open(dev, cfg);
	if (!was)
		flusher_set(false);
	return ret;
}

int ublk_dev_new(struct ublk_dev **pdev, const struct ublk_dev_opts *given,
		 const struct ublk_target *target, void *cfg)
{
	struct ublk_dev_opts own, *opts = &own;
	struct ublk_dev *dev;
	int ret;

	ret = dev_import(opts, sizeof(*opts), given, given->struct_size,
			 offsetof(struct ublk_dev_opts, mode));
	if (!ret)
		ret = dev_check_opts(opts);
	if (ret)
		return ret;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return ublk_error(-ENOMEM, "out of memory");
	ret = dev_import(&dev->own, sizeof(dev->own), target,
			 target->struct_size,
			 offsetof(struct ublk_target, done));
	if (ret) {
		free(dev);
		return ret;
	}
	dev->target = &dev->own;
	dev->cfg = cfg;
	dev->flags = opts->flags;
	dev->io_threads = opts->io_threads ? : 1;
	dev->realtime = opts->realtime;
	dev->expected = opts->stores;
	dev->nr_expected = opts->stores ? opts->nr_stores : 0;
	dev->char_fd = -1;
	dev->event_fd = -1;
	dev->info.dev_id = opts->id;
	dev->info.nr_hw_queues = opts->nr_queues;
	dev->info.queue_depth = opts->depth;
	dev->info.max_io_buf_bytes = opts->io_buf_bytes ? : IO_BUF_DEFAULT;
	/* for the target's open(); mode_choose() adds those of the mode */
	dev->info.flags = opts->features;
	pthread_mutex_init(&dev->lock, NULL);
	pthread_cond_init(&dev->cond, NULL);
	ublk_params_init(&dev->params, dev->info.max_io_buf_bytes);

	ret = ublk_ctrl_open(&dev->ctrl);
	if (ret)
		goto err_free;
	ublk_ctrl_set_deadline(dev->ctrl, START_DEADLINE_MS);
	dev->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dev->event_fd < 0) {
		ret = ublk_error(-errno, "eventfd: %s", strerror(errno));
		goto err_free;
	}
	ret = dev_open_target(dev, cfg);
	if (ret)
		goto err_free;
	dev->target_is_open = true;
	ret = store_check_all(dev);
	dev->expected = NULL;
	dev->nr_expected = 0;
	if (!ret)
		ret = mode_choose(dev, opts);
	if (!ret && !opts->io_buf_bytes)
		dev_set_io_buf(dev);
	if (!ret && opts->shmem)
		ret = shmem_map(dev, opts->shmem);
	if (!ret)
		ret = ublk_params_check(&dev->params,
					dev->info.max_io_buf_bytes,
					dev->features);
	if (ret)
		goto err_free;
	*pdev = dev;
	return 0;

err_free:
	ublk_dev_free(dev);
	return ret;
}

void ublk_dev_want_redirect(struct ublk_dev *dev)
{
	dev->wants_redirect = true;
}

void ublk_dev_want_extents(struct ublk_dev *dev)
{
	dev->wants_extents = true;
}

void ublk_dev_require(struct ublk_dev *dev, __u64 features)
{
	dev->required |= features;
}

/* ADD_DEV gives EACCES for one reason (C-51d). */
static int dev_too_many(int err)
{
	FILE *in = fopen(UBLKS_MAX, "re");
	unsigned int max = 0;
	bool known = in && fscanf(in, "%u", &max) == 1;

	if (in)
		fclose(in);
	if (!known)
		return ublk_error(err, "as many unprivileged devices exist as the driver's parameter ublks_max allows; delete one, or have root raise it in "
				  UBLKS_MAX);
	return ublk_error(err, "as many unprivileged devices exist as the driver's parameter ublks_max allows, which is %u; delete one, or have root raise it in "
			  UBLKS_MAX, max);
}

int ublk_dev_add(struct ublk_dev *dev)
{
	__u64 missing;
	int ret;

	ret = dev_need(dev, UBLK_STAGE_NEW, "add");
	if (ret)
		return ret;
	ret = ublk_ctrl_add_dev(dev->ctrl, &dev->info);
	if (ret == -EEXIST)
		return ublk_error(ret, "dev %u: number is in use; choose another one or none",
				  dev->info.dev_id);
	if (ret == -EACCES && dev->info.flags & UBLK_F_UNPRIVILEGED_DEV)
		return dev_too_many(ret);
	if (ret == -EPERM)
		return ublk_error(ret, "adding a device: %s; run as root",
				  strerror(-ret));
	if (ret)
		return ublk_error(ret, "driver refused to add the device: %s",
				  strerror(-ret));

	/* the driver silently drops features it does not know (F-5) */
	missing = dev->features & ~dev->info.flags;
	if (missing) {
		ublk_ctrl_del_dev(dev->ctrl, dev->info.dev_id);
		if (missing & UBLK_F_UNPRIVILEGED_DEV)
			return ublk_error(-EOPNOTSUPP,
					  "only processes without CAP_SYS_ADMIN get unprivileged devices; leave --unprivileged out");
		return ublk_error(-EOPNOTSUPP,
				  "driver does not offer feature 0x%llx here; see \"ublk features\"",
				  (unsigned long long)missing);
	}
	dev->stage = UBLK_STAGE_ADDED;
	return 0;
}

/* udev may set the permissions late, an old session may not have ended yet. */
static int dev_open_char(struct ublk_dev *dev)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	char path[32];
	int fd, ms;

	snprintf(path, sizeof(path), "/dev/ublkc%u", dev->info.dev_id);
	for (ms = 0; ms < OPEN_DEADLINE_MS; ms += 10) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != EBUSY && errno != ENOENT && errno != EACCES)
			break;
		nanosleep(&pause, NULL);
	}
	if (errno == EACCES)
		return ublk_error(-EACCES, "%s: permission denied; is the udev rule of ublk installed?",
				  path);
	return ublk_error(-errno, "%s: %s", path, strerror(errno));
}

/* Return: false if the target still has requests of the session */
static bool dev_release_queues(struct ublk_dev *dev)
{
	bool all = lent_end(dev);

	if (dev->char_fd >= 0)
		close(dev->char_fd);
	dev->char_fd = -1;
	return all;
}

static int dev_init_workers(struct ublk_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr_workers; i++) {
		struct worker *w = &dev->workers[i];

		w->dev = dev;
		w->index = i;
		w->wake_fd = -1;
		pthread_mutex_init(&w->done_lock, NULL);
		w->cpus = calloc(1, AFFINITY_BYTES);
		if (!w->cpus)
			return ublk_error(-ENOMEM, "out of memory");
		/* if this fails, the thread is not bound */
		affinity_get(dev, i / dev->io_threads, w->cpus);
	}
	return 0;
}

int ublk_dev_configure(struct ublk_dev *dev)
{
	unsigned int i, nr = dev->info.nr_hw_queues * dev->io_threads;
	int ret;

	ret = dev_need(dev, UBLK_STAGE_ADDED, "configure");
	if (ret)
		return ret;
	if (!dev_release_queues(dev))
		return ublk_error(-EBUSY, "the target has not completed all requests of the session before");
	/* first: an ordinary user's commands need the node's permissions */
	dev->char_fd = dev_open_char(dev);
	if (dev->char_fd < 0)
		return dev->char_fd;
	ret = dev->recovering ? 0 :
		ublk_ctrl_set_params(dev->ctrl, dev->info.dev_id, &dev->params);
	if (ret) {
		ublk_error(ret, "driver refused the parameters: %s",
			   strerror(-ret));
		goto err_release;
	}
	ret = shmem_register(dev);
	if (ret)
		goto err_release;
	dev->nr_workers = nr;
	dev->workers = calloc(nr, sizeof(*dev->workers));
	dev->queues = calloc(nr, sizeof(*dev->queues));
	if (!dev->workers || !dev->queues) {
		ret = ublk_error(-ENOMEM, "out of memory");
		goto err_release;
	}
	ret = dev_init_workers(dev);
	for (i = 0; i < nr && !ret; i++)
		ret = queue_init(&dev->queues[i], dev, i, &dev->workers[i]);
	if (ret)
		goto err_release;
	dev->stage = UBLK_STAGE_CONFIGURED;
	return 0;

err_release:
	dev_release_queues(dev);
	return ret;
}

static void dev_join(struct ublk_dev *dev, bool abort)
{
	unsigned int i;

	for (i = 0; i < dev->nr_workers && abort; i++) {
		struct worker *w = &dev->workers[i];

		atomic_store(&w->abort, true);
		if (w->has_thread)
			offload_wake(w);
	}
	for (i = 0; i < dev->nr_workers; i++)
		worker_join(&dev->workers[i]);
}

/* Start every @step-th thread from @from on, and wait until each is ready. */
static int dev_start_some(struct ublk_dev *dev, unsigned int from,
			  unsigned int step)
{
	unsigned int i;
	int ret = 0;

	for (i = from; i < dev->nr_workers && !ret; i += step)
		ret = worker_start(&dev->workers[i]);

	pthread_mutex_lock(&dev->lock);
	for (i = from; i < dev->nr_workers && !ret; i += step) {
		struct worker *w = &dev->workers[i];

		while (w->state == WORKER_STARTING)
			pthread_cond_wait(&dev->cond, &dev->lock);
		if (w->state == WORKER_FAILED)
			ret = ublk_error(w->fatal, "%s", w->error);
	}
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

/* The first thread of a queue prepares the tags for the others (D-239). */
static int dev_start_workers(struct ublk_dev *dev)
{
	unsigned int t;
	int ret = 0;

	for (t = 0; t < dev->io_threads && !ret; t++)
		ret = dev_start_some(dev, t, dev->io_threads);
	return ret;
}

static int dev_start_disk(struct ublk_dev *dev)
{
	__u32 id = dev->info.dev_id;
	int ret;

	ret = lock_memory(dev);
	if (ret)
		return ret;
	ret = dev->recovering ?
		ublk_ctrl_end_recovery(dev->ctrl, id, getpid()) :
		ublk_ctrl_start_dev(dev->ctrl, id, getpid());
	if (ret == -ETIMEDOUT)
		ublk_error(ret, "the driver did not %s the disk in time",
			   dev->recovering ? "continue" : "start");
	else if (ret)
		ublk_error(ret, "driver refused to %s the disk: %s",
			   dev->recovering ? "continue" : "start",
			   strerror(-ret));
	return ret;
}

static void dev_end_threads(struct ublk_dev *dev)
{
	dev_join(dev, true);
	dev_release_queues(dev);
	dev->stage = UBLK_STAGE_STOPPED;
}

int ublk_dev_start_threads(struct ublk_dev *dev)
{
	int ret;

	ret = dev_need(dev, UBLK_STAGE_CONFIGURED, "start");
	if (ret)
		return ret;
	ret = dev_start_workers(dev);
	if (ret)
		dev_end_threads(dev);
	else
		dev->stage = UBLK_STAGE_READY;
	return ret;
}

int ublk_dev_start(struct ublk_dev *dev)
{
	int ret = 0;

	if (dev->stage != UBLK_STAGE_READY)
		ret = ublk_dev_start_threads(dev);
	if (ret)
		return ret;
	ret = dev_start_disk(dev);
	if (!ret) {
		/* from now on, a stop takes as long as the requests do */
		ublk_ctrl_set_deadline(dev->ctrl, 0);
		dev->stage = UBLK_STAGE_STARTED;
		return 0;
	}
	/*
	 * No request is lost: there is no disk yet, or the driver holds its
	 * requests for the next server.
	 */
	dev_end_threads(dev);
	return ret;
}

int ublk_dev_event_fd(const struct ublk_dev *dev)
{
	return dev->event_fd;
}

int ublk_dev_failed(struct ublk_dev *dev)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < dev->nr_workers && !err && dev->workers; i++) {
		err = dev->workers[i].fatal;
		if (err)
			ublk_error(err, "queue %u: thread gave up: %s",
				   i / dev->io_threads, strerror(-err));
	}
	return err;
}

int ublk_dev_wait(struct ublk_dev *dev)
{
	int ret;

	ret = dev_need(dev, UBLK_STAGE_STARTED, "wait");
	if (ret)
		return ret;
	dev_join(dev, false);
	dev_release_queues(dev);
	dev->stage = UBLK_STAGE_STOPPED;
	return 0;
}

int ublk_dev_detach(struct ublk_dev *dev)
{
	if (dev->stage != UBLK_STAGE_READY &&
	    dev->stage != UBLK_STAGE_STARTED)
		return dev_need(dev, UBLK_STAGE_STARTED, "detach");
	dev_end_threads(dev);
	return 0;
}

int ublk_dev_stop(struct ublk_dev *dev)
{
	bool failed;
	int ret;

	ret = dev_need(dev, UBLK_STAGE_STARTED, "stop");
	if (ret)
		return ret;
	failed = ublk_dev_failed(dev);
	/*
	 * A failed thread has left requests open, and STOP_DEV would wait for
	 * them. The driver ends them when the char device is closed.
	 */
	if (!failed) {
		ret = ublk_ctrl_stop_dev(dev->ctrl, dev->info.dev_id);
		if (ret == -ENODEV)
			ret = 0;
		if (ret)
			ublk_error(ret, "driver refused to stop the disk: %s",
				   strerror(-ret));
	}
	/*
	 * In batch mode the driver may not complete a fetch command that was
	 * running during the stop (D-195). No requests are left then, so the
	 * threads can be ended at once.
	 */
	dev_join(dev, failed || ret || dev->info.flags & UBLK_F_BATCH_IO);
	dev_release_queues(dev);
	if (failed)
		ublk_ctrl_stop_dev(dev->ctrl, dev->info.dev_id);
	dev->stage = UBLK_STAGE_STOPPED;
	return ret;
}

int ublk_dev_del(struct ublk_dev *dev)
{
	int ret;

	if (dev->stage == UBLK_STAGE_NEW || dev->stage == UBLK_STAGE_STARTED)
		return dev_need(dev, UBLK_STAGE_STOPPED, "delete");
	if (dev->stage == UBLK_STAGE_READY)
		dev_end_threads(dev);
	dev_release_queues(dev);
	ret = ublk_ctrl_del_dev(dev->ctrl, dev->info.dev_id);
	if (ret == -ENODEV)
		ret = 0;
	if (ret)
		return ublk_error(ret, "driver refused to delete the device: %s",
				  strerror(-ret));
	dev->stage = UBLK_STAGE_NEW;
	return 0;
}

void ublk_dev_free(struct ublk_dev *dev)
{
	if (!dev)
		return;
	if (dev->stage == UBLK_STAGE_READY)
		dev_end_threads(dev);
	dev_release_queues(dev);
	if (dev->target_is_open && dev->target->close)
		dev->target->close(dev);
	store_free_all(dev);
	if (dev->event_fd >= 0)
		close(dev->event_fd);
	ublk_ctrl_close(dev->ctrl);
	lent_free_dev(dev);
}

struct ublk_ctrl *ublk_dev_ctrl(struct ublk_dev *dev)
{
	return dev->ctrl;
}

const struct ublksrv_ctrl_dev_info *ublk_dev_info(const struct ublk_dev *dev)
{
	return &dev->info;
}

struct ublk_params *ublk_dev_params(struct ublk_dev *dev)
{
	return &dev->params;
}

pid_t ublk_dev_queue_tid(const struct ublk_dev *dev, unsigned int qid)
{
	return ublk_dev_thread_tid(dev, qid, 0);
}

pid_t ublk_dev_thread_tid(const struct ublk_dev *dev, unsigned int qid,
			  unsigned int thread)
{
	return dev->workers[qid * dev->io_threads + thread].tid;
}

unsigned int ublk_dev_io_threads(const struct ublk_dev *dev)
{
	return dev->io_threads;
}

const char *ublk_dev_mode_reason(const struct ublk_dev *dev)
{
	return dev->mode_why;
}

void ublk_dev_set_priv(struct ublk_dev *dev, void *priv)
{
	dev->priv = priv;
}

void *ublk_dev_priv(const struct ublk_dev *dev)
{
	return dev->priv;
}
