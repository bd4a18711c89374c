// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Requests that the target has when the threads of the device have ended: after
 * ublk_dev_detach(), or when a thread gave up.
 *
 * Another thread of the target may be using such a request, and completes it
 * when it likes. So lent_end() counts them, and what they point to (tag,
 * descriptor, buffer, queue, struct ublk_dev) stays until lent_return() has got
 * the last one, even if ublk_dev_free() comes before. The driver has long ended
 * or held these requests, so their results go nowhere.
 *
 * A request with SQEs pending is no such request: the target waits for done(),
 * which nobody calls any more.
 *
 * dev->lock protects io->pub.lib once the threads have ended.
 */
#include "private.h"

static unsigned int lent_count(struct ublk_dev *dev)
{
	unsigned int i, tag, nr = 0;

	for (i = 0; dev->queues && i < dev->nr_workers; i++) {
		struct queue *q = &dev->queues[i];

		for (tag = 0; q->first == q && tag < q->pub.depth; tag++) {
			struct io *io = &q->ios[tag];

			if (!(io->pub.lib & IO_LENT))
				continue;
			if (io->pending)
				io->pub.lib = 0;
			else
				nr++;
		}
	}
	return nr;
}

/* Backwards: the first thread's queue owns what others point to. */
static void lent_free(struct ublk_dev *dev)
{
	unsigned int i;

	for (i = dev->nr_workers; dev->queues && i-- > 0;)
		queue_exit(&dev->queues[i]);
	for (i = 0; dev->workers && i < dev->nr_workers; i++) {
		pthread_mutex_destroy(&dev->workers[i].done_lock);
		free(dev->workers[i].cpus);
	}
	free(dev->queues);
	free(dev->workers);
	dev->queues = NULL;
	dev->workers = NULL;
}

static void lent_destroy(struct ublk_dev *dev)
{
	lent_free(dev);
	shmem_unmap(dev);
	pthread_cond_destroy(&dev->cond);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

/*
 * The threads have ended: free queues and workers, or let go of the driver and
 * keep them. Called again it frees them if the target has nothing any more.
 * Return: true if they are freed
 */
bool lent_end(struct ublk_dev *dev)
{
	unsigned int i, nr;

	pthread_mutex_lock(&dev->lock);
	if (!dev->nr_lent) {
		dev->nr_lent = lent_count(dev);
		for (i = 0; dev->nr_lent && i < dev->nr_workers; i++)
			queue_keep_descs(&dev->queues[i]);
	}
	nr = dev->nr_lent;
	pthread_mutex_unlock(&dev->lock);
	if (!nr)
		lent_free(dev);
	return !nr;
}

/*
 * The target completes a request after the end of its thread; any thread. If
 * lent_end() has not counted yet, it finds one request less.
 * Return: -ECANCELED; @io may be gone
 */
int lent_return(struct io *io)
{
	struct ublk_dev *dev = io->pub.q->dev;
	bool last = false;

	pthread_mutex_lock(&dev->lock);
	if (io->pub.lib & IO_LENT) {
		io->pub.lib = 0;
		if (dev->nr_lent)
			last = !--dev->nr_lent && dev->freed;
	}
	pthread_mutex_unlock(&dev->lock);
	if (last)
		lent_destroy(dev);
	return -ECANCELED;
}

/* The user's handle goes; the memory too, unless the target has requests. */
void lent_free_dev(struct ublk_dev *dev)
{
	bool now;

	stat_free(dev);
	pthread_mutex_lock(&dev->lock);
	dev->freed = true;
	now = !dev->nr_lent;
	pthread_mutex_unlock(&dev->lock);
	if (now)
		lent_destroy(dev);
}
