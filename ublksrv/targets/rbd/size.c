// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The thread that follows the size of the image: "rbd resize", or another program,
 * changes it, a thread of librbd tells, and this one has the driver change the disk. It
 * may wait for both while the queue's thread goes on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rbd.h"

#define SIZE_DEADLINE_MS	10000

struct rbd_size {
	struct rbd_dev *rd;
	struct ublk_ctrl *ctrl;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool changed, stop;		/* lock */
	bool told;
	__u64 disk;			/* its bytes */
	uint64_t watch;
	__u32 dev_id;
};

/* In a thread of librbd, where nothing of it may be called. */
static void size_changed(void *arg)
{
	struct rbd_size *s = arg;

	pthread_mutex_lock(&s->lock);
	s->changed = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

/* Return: false if the disk has another size than the image, and could not follow */
static bool size_update(struct rbd_size *s)
{
	struct rbd_client *c = &s->rd->client;
	uint64_t bytes;
	int ret = rbd_get_size(c->image, &bytes);

	if (ret < 0 || bytes == s->disk)
		return true;
	ret = ublk_ctrl_update_size(s->ctrl, s->dev_id, bytes >> 9);
	if (ret && !s->told)
		ublk_log(UBLK_LOG_WARN, "rbd: %s/%s has %llu bytes now, and the disk could not follow yet: %s",
			 c->pool, c->name, (unsigned long long)bytes,
			 strerror(-ret));
	s->told = ret;
	if (ret)
		return false;
	ublk_log(UBLK_LOG_INFO, "rbd: %s/%s and the disk have %llu bytes now",
		 c->pool, c->name, (unsigned long long)bytes);
	s->disk = bytes;
	return true;
}

/* Until something changes; with @lock held. */
static void size_wait(struct rbd_size *s, bool again)
{
	struct timespec end;

	if (!again) {
		pthread_cond_wait(&s->cond, &s->lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec++;
	s->changed |= pthread_cond_timedwait(&s->cond, &s->lock, &end) == ETIMEDOUT;
}

static void *size_main(void *arg)
{
	struct rbd_size *s = arg;
	bool again = false;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (!s->changed) {
			size_wait(s, again);
			continue;
		}
		s->changed = false;
		pthread_mutex_unlock(&s->lock);
		again = !size_update(s);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* A disk that is recovered has the size of before. */
static void size_of_disk(struct rbd_size *s, bool recovers)
{
	struct ublk_params params;

	s->disk = s->rd->info.size;
	if (!recovers || ublk_ctrl_get_params(s->ctrl, s->dev_id, &params))
		return;
	s->disk = params.basic.dev_sectors << 9;
	s->changed = true;
}

static int size_start(struct rbd_size *s, bool recovers)
{
	int ret = ublk_ctrl_open(&s->ctrl);

	if (ret)
		return ret;
	ublk_ctrl_set_deadline(s->ctrl, SIZE_DEADLINE_MS);
	size_of_disk(s, recovers);
	ret = -pthread_create(&s->thread, NULL, size_main, s);
	if (ret) {
		ublk_ctrl_close(s->ctrl);
		return ublk_error(ret, "starting a thread: %s", strerror(-ret));
	}
	s->rd->size = s;
	ret = rbd_update_watch(s->rd->client.image, &s->watch, size_changed, s);
	if (ret >= 0)
		return 0;
	s->watch = 0;
	size_end(s->rd);
	return rbd_client_error(&s->rd->client, ret, "watching its size");
}

int size_follow(struct rbd_dev *rd, __u32 dev_id, bool recovers)
{
	struct rbd_size *s;
	int ret;

	/* a snapshot keeps its size */
	if (*rd->client.snap)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return ublk_error(-ENOMEM, "out of memory");
	s->rd = rd;
	s->dev_id = dev_id;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->cond, NULL);
	ret = size_start(s, recovers);
	if (ret && !rd->size)
		free(s);
	return ret;
}

void size_end(struct rbd_dev *rd)
{
	struct rbd_size *s = rd->size;

	if (!s)
		return;
	if (s->watch)
		rbd_update_unwatch(rd->client.image, s->watch);
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	ublk_ctrl_close(s->ctrl);
	free(s);
	rd->size = NULL;
}
