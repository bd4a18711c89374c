/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Target rbd: an image of Ceph, by librbd.
 *
 * Layers, from top to bottom; a file calls files of lower lines only:
 *
 *   rbd	options, open and close of the device
 *   queue	requests
 *   size	the thread that follows the size of the image
 *   fence	the lock, and the death of an earlier daemon
 *   client	connection to the cluster, and the image
 *
 * No silent loss: what librbd could keep back (its cache, and the plugin that keeps
 * writes on this machine) is off, so a write is on the disks of the cluster before it is
 * acknowledged, and the disk declares no volatile cache.
 *
 * librbd has threads of its own. None of them calls functions here but the one that
 * tells of a new size: the ends of requests come by an eventfd to the queue's thread,
 * which hands requests to librbd and takes them back.
 */
#ifndef UBLK_RBD_H
#define UBLK_RBD_H

#include <pthread.h>

#include <rbd/librbd.h>

#include "libublk.h"

struct rbd_cfg {
	const char *image;
	const char *conf;
	const char *id;
	const char *keyring;
	const char *space;
	bool read_only;
	bool no_lock;
	__u64 timeout;		/* s */
};

/* A connection with one image open. */
struct rbd_client {
	char pool[128], space[128], name[128], snap[128];
	bool read_only;
	rados_t cluster;
	rados_ioctx_t pool_ctx;
	rbd_image_t image;
	bool connected, has_ctx, has_image;
};

struct rbd_size;

struct rbd_dev {
	const struct rbd_cfg *cfg;
	struct rbd_client client;
	rbd_image_info_t info;
	struct rbd_size *size;
	bool locks;		/* the image has a lock, and we want it */
	bool recoverable;
	bool stuck;		/* librbd still has requests */
	char fence[256];	/* file, "" without */
	int event;		/* eventfd of librbd */
	unsigned int in_flight;
	bool told;		/* that this client was fenced */
};

/* ---- client.c ------------------------------------------------------------- */

/**
 * rbd_client_open - connect to the cluster and open an image
 * @c: receives what is open
 * @cfg: which, and how long to wait
 *
 * Context: any thread. After a time-out a thread of the library waits on, so the process
 * has to end.
 * Return: 0 or negative errno with a message, and then nothing is open
 */
int rbd_client_open(struct rbd_client *c, const struct rbd_cfg *cfg);

/* Waits for requests that are in flight. */
void rbd_client_close(struct rbd_client *c);

/* ublk_error() with "rbd: IMAGE: WHAT: " and the text of an errno of librbd. */
int rbd_client_error(const struct rbd_client *c, int err, const char *what);

/* ---- fence.c -------------------------------------------------------------- */

/**
 * fence_lock - take the lock of the image
 * @rd: device
 *
 * Return: 0, also if the image has none; -EBUSY with a message while another client has
 * it, or another negative errno
 */
int fence_lock(struct rbd_dev *rd);

/**
 * fence_begin - before the first request
 * @rd: device
 * @dev_id: its number
 * @recovers: an earlier daemon has died. Its client is put on the blocklist of the
 *	cluster, so that nothing of it can arrive any more, and its lock is taken over
 *
 * Return: 0 or negative errno with a message
 */
int fence_begin(struct rbd_dev *rd, __u32 dev_id, bool recovers);

/* @forget: nobody recovers the device */
void fence_end(struct rbd_dev *rd, bool forget);

/* ---- size.c --------------------------------------------------------------- */

/**
 * size_follow - have the disk follow the size of the image
 * @rd: device that is open
 * @dev_id: its number
 * @recovers: the disk is there already
 *
 * Return: 0 or negative errno with a message
 */
int size_follow(struct rbd_dev *rd, __u32 dev_id, bool recovers);

void size_end(struct rbd_dev *rd);

/* ---- queue.c -------------------------------------------------------------- */

/* Private memory of a tag. */
struct rbd_req {
	struct ublk_io *io;
	__u32 len;
};

int rbd_queue_open(struct ublk_queue *q);
void rbd_queue_close(struct ublk_queue *q);
void rbd_submit(struct ublk_queue *q, struct ublk_io *io);

#endif
