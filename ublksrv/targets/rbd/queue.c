// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Requests of target rbd. All of it runs in the queue's thread: librbd takes a request
 * without waiting, also while it waits for the lock or for an OSD that is gone, and
 * makes an eventfd readable when requests have ended.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "rbd.h"

#define QUEUE_EVENTS	32
/* How long the end of the queue waits for requests that librbd has. */
#define QUEUE_END_MS	5000

static void req_end(struct rbd_dev *rd, rbd_completion_t done)
{
	struct rbd_req *r = rbd_aio_get_arg(done);
	ssize_t ret = rbd_aio_get_return_value(done);
	unsigned int op = ublk_io_op(r->io);

	rbd_aio_release(done);
	rd->in_flight--;
	if (ret == -ESHUTDOWN && !rd->told) {
		rd->told = true;
		ublk_log(UBLK_LOG_ERR, "rbd: %s/%s: this client is on the blocklist of the cluster, another one has taken the image; the disk fails from now on",
			 rd->client.pool, rd->client.name);
	}
	/* a read behind the end of an image that became smaller brings less */
	if (op == UBLK_IO_OP_READ && ret != r->len)
		ublk_io_complete(r->io, ret == -EOPNOTSUPP ? -EOPNOTSUPP : -EIO);
	else if (ret < 0)
		ublk_io_complete(r->io, ret == -EOPNOTSUPP || ret == -ENOSPC ?
				 ret : -EIO);
	else
		ublk_io_complete(r->io, r->len);
}

/* What has ended. */
static void queue_collect(struct rbd_dev *rd)
{
	rbd_completion_t done[QUEUE_EVENTS];
	__u64 val;
	int nr, i;

	/* before the look, so that none is missed */
	while (read(rd->event, &val, sizeof(val)) < 0 && errno == EINTR)
		;
	while ((nr = rbd_poll_io_events(rd->client.image, done,
					QUEUE_EVENTS)) > 0)
		for (i = 0; i < nr; i++)
			req_end(rd, done[i]);
}

static void on_event(struct ublk_queue *q, unsigned int events, void *arg)
{
	(void)q;
	(void)events;
	queue_collect(arg);
}

static int req_issue(struct rbd_dev *rd, struct rbd_req *r,
		     rbd_completion_t done)
{
	const struct ublksrv_io_desc *d = r->io->desc;
	rbd_image_t image = rd->client.image;
	__u64 pos = d->start_sector << 9;
	int flags = 0;

	switch (ublk_io_op(r->io)) {
	case UBLK_IO_OP_READ:
		return rbd_aio_read(image, pos, r->len, r->io->buf, done);
	case UBLK_IO_OP_WRITE:
		return rbd_aio_write(image, pos, r->len, r->io->buf, done);
	case UBLK_IO_OP_FLUSH:
		r->len = 0;
		return rbd_aio_flush(image, done);
	case UBLK_IO_OP_DISCARD:
		return rbd_aio_discard(image, pos, r->len, done);
	case UBLK_IO_OP_WRITE_ZEROES:
		if (d->op_flags & UBLK_IO_F_NOUNMAP)
			flags = RBD_WRITE_ZEROES_FLAG_THICK_PROVISION;
		return rbd_aio_write_zeroes(image, pos, r->len, done, flags, 0);
	}
	return -EOPNOTSUPP;
}

void rbd_submit(struct ublk_queue *q, struct ublk_io *io)
{
	struct rbd_dev *rd = ublk_dev_priv(q->dev);
	struct rbd_req *r = io->priv;
	rbd_completion_t done;
	int ret;

	r->io = io;
	r->len = io->desc->nr_sectors << 9;
	ret = rbd_aio_create_completion(r, NULL, &done);
	if (ret < 0) {
		ublk_io_complete(io, -ENOMEM);
		return;
	}
	rd->in_flight++;
	ret = req_issue(rd, r, done);
	if (ret >= 0)
		return;
	rd->in_flight--;
	rbd_aio_release(done);
	ublk_io_complete(io, ret == -EOPNOTSUPP ? ret : -EIO);
}

int rbd_queue_open(struct ublk_queue *q)
{
	struct rbd_dev *rd = ublk_dev_priv(q->dev);
	__u32 dev_id = ublk_dev_info(q->dev)->dev_id;
	int ret;

	rd->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rd->event < 0)
		return ublk_error(-errno, "eventfd: %s", strerror(errno));
	ret = rbd_set_image_notification(rd->client.image, rd->event,
					 EVENT_TYPE_EVENTFD);
	if (ret < 0) {
		ret = rbd_client_error(&rd->client, ret, "events");
	} else {
		ret = ublk_queue_watch(q, rd->event, POLLIN, on_event, rd);
		if (ret >= 0)
			ret = fence_begin(rd, dev_id, ublk_dev_recovers(q->dev));
		if (!ret)
			ret = size_follow(rd, dev_id, ublk_dev_recovers(q->dev));
	}
	if (ret)
		close(rd->event);
	return ret;
}

static __u64 queue_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/*
 * The buffers are librbd's until requests end. Those that do not, for want of an OSD,
 * keep them, and the image stays open until the process ends.
 */
void rbd_queue_close(struct ublk_queue *q)
{
	struct rbd_dev *rd = ublk_dev_priv(q->dev);
	__u64 end = queue_now_ms() + QUEUE_END_MS, now;
	struct pollfd p = { .fd = rd->event, .events = POLLIN };

	while (rd->in_flight && (now = queue_now_ms()) < end) {
		poll(&p, 1, end - now);
		queue_collect(rd);
	}
	rd->stuck = rd->in_flight;
	if (!rd->stuck) {
		size_end(rd);
		close(rd->event);
	}
}
