/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Target nbd: the disk of an NBD server, by libnbd.
 *
 * Layers, from top to bottom; a file calls files of lower lines only:
 *
 *   nbdkit image	servers that the target starts itself
 *   nbd		options, open and close of the device
 *   queue		connections and events in the queue's thread
 *   req		requests
 *   link		the thread that connects again, and replays
 *   conn keep helper	one connection, with deadlines; writes that are not flushed;
 *			a server of our own
 *
 * No silent loss: a server that ends may lose writes that it has acknowledged and not
 * flushed, and a FLUSH of its successor succeeds without them. So what becomes of them
 * is a choice, enum nbd_unflushed. By default they are kept (keep.c) until a FLUSH that
 * was sent after their acknowledgment has succeeded, and are written again after each
 * new connection, before anything else.
 *
 * One thread serves the device, so all of struct nbd_queue is its own. While there is
 * no connection, no request is in flight, and the thread of link.c has the kept writes.
 */
#ifndef UBLK_NBD_H
#define UBLK_NBD_H

#include <pthread.h>
#include <stdatomic.h>

#include <libnbd.h>

#include "libublk.h"

#define NBD_MAX_CONNS	16

/* What becomes of writes that the server may have lost. */
enum nbd_unflushed {
	NBD_KEEP,		/* they are kept, and written again */
	NBD_FUA,		/* there are none: each write waits for the medium */
	NBD_REFUSE,		/* the disk fails when a connection ends */
	NBD_TRUST,		/* the user says that the server loses none */
};

struct nbd_cfg {
	const char *uri;
	const char *host;
	const char *port;
	const char *unix_path;
	const char *export;
	bool tls;
	const char *tls_certs;
	const char *tls_psk;
	const char *tls_user;
	bool read_only;
	bool structured;
	const char *unflushed;
	__u64 keep;
	__u64 connections;
	__u64 timeout;		/* s */
	__u64 reconnect;	/* s */
	bool grows;		/* no option: the export may become larger */
};

#define NBD_OFF(member)	offsetof(struct nbd_cfg, member)

/* Rows of every target here; its configuration begins with struct nbd_cfg. */
#define NBD_OPT_READ_ONLY \
	{ \
		.name = "read-only|read_only", .type = UBLK_OPT_BOOL, \
		.offset = NBD_OFF(read_only), .help = "refuse writes", \
	}

#define NBD_OPT_CONNECTIONS \
	{ \
		.name = "connections", .type = UBLK_OPT_UINT, \
		.offset = NBD_OFF(connections), .arg = "N", .def = "1", \
		.min = 1, .max = NBD_MAX_CONNS, \
		.help = "how many, if the server allows several", \
	}

#define NBD_OPT_STRUCTURED \
	{ \
		.name = "structured-replies", .type = UBLK_OPT_BOOL, \
		.offset = NBD_OFF(structured), \
		.help = "have the server say what is a hole, and go on after failed reads", \
	}

#define NBD_OPT_UNFLUSHED \
	{ \
		.name = "unflushed", .type = UBLK_OPT_STR, \
		.offset = NBD_OFF(unflushed), .arg = "HOW", \
		.help = "what protects writes when the server ends: keep, fua, refuse or trust", \
	}

#define NBD_OPT_KEEP \
	{ \
		.name = "keep", .type = UBLK_OPT_SIZE, .offset = NBD_OFF(keep), \
		.arg = "SIZE", .def = "64M", .min = 1U << 20, \
		.max = 1ULL << 36, \
		.help = "memory for writes that are not flushed", \
	}

#define NBD_OPT_TIMEOUT \
	{ \
		.name = "server-timeout", .type = UBLK_OPT_UINT, \
		.offset = NBD_OFF(timeout), .arg = "SECONDS", .def = "60", \
		.min = 1, .max = 86400, \
		.help = "how long the server may be silent", \
	}

#define NBD_OPT_RECONNECT \
	{ \
		.name = "reconnect-timeout", .type = UBLK_OPT_UINT, \
		.offset = NBD_OFF(reconnect), .arg = "SECONDS", .def = "300", \
		.max = 1000000, \
		.help = "how long requests wait for a new connection, before they fail", \
	}

/* Members of every target here. */
#define NBD_TARGET(cfg, open_fn) \
	UBLK_TARGET(), \
	.config_size = sizeof(cfg), \
	.io_size = sizeof(struct nbd_req), \
	.open = (open_fn), \
	.close = nbd_close_dev, \
	.queue_open = nbd_queue_open, \
	.queue_close = nbd_queue_close, \
	.submit = nbd_submit

/* nbd_caps.flags */
#define NBD_CAP_READ_ONLY	0x1
#define NBD_CAP_FLUSH		0x2
#define NBD_CAP_FUA		0x4
#define NBD_CAP_TRIM		0x8
#define NBD_CAP_ZERO		0x10
#define NBD_CAP_MULTI		0x20
#define NBD_CAP_ROTATIONAL	0x40

/* What the server says of the export; the same after each new connection. */
struct nbd_caps {
	__u64 size;
	__u32 flags;
	__u32 min_block, pref_block, max_block;	/* 0: not said */
};

struct helper;
struct keep;

struct nbd {
	const struct nbd_cfg *cfg;	/* @own */
	struct nbd_cfg own;
	struct helper *helper;		/* a server of our own, or NULL */
	struct nbd_caps caps;
	enum nbd_unflushed unflushed;
	struct nbd_handle *first;	/* from open() for the queue */
	struct keep *keep;		/* with NBD_KEEP */
	bool recoverable;
	__u32 io_bytes;			/* longest request */
};

/* ---- conn.c --------------------------------------------------------------- */

/* CLOCK_MONOTONIC */
__u64 nbd_now_ms(void);

/**
 * conn_open - connect, and wait until the export can be used
 * @cfg: where to
 * @cancel: descriptor that ends the wait when it is readable, or -1
 * @caps: receives what the server says
 *
 * Context: any thread; waits no longer than the time-out of @cfg, but for the
 * resolution of a name.
 * Return: handle, or NULL with a message
 */
struct nbd_handle *conn_open(const struct nbd_cfg *cfg, int cancel,
			     struct nbd_caps *caps);

/**
 * conn_wait - wait for the end of a command
 * @cfg: with the time-out: so long the server may be silent
 * @h: connection
 * @cookie: of the command
 * @cancel: as conn_open()
 *
 * Return: 0; negative errno with a message
 */
int conn_wait(const struct nbd_cfg *cfg, struct nbd_handle *h, int64_t cookie,
	      int cancel);

/**
 * conn_read_again - after nbd_aio_notify_read() that ended no command
 * @h: connection
 *
 * libnbd expects data when it is told to read between two replies. Without data, be it
 * that an event was old, or that TLS had something of its own to say, the handle stays
 * where it waits for a reply, and sends no command until there is one. When it is told
 * to read a second time it leaves that state, with or without data.
 *
 * Return: 0, or -1 as libnbd
 */
int conn_read_again(struct nbd_handle *h);

/* ---- keep.c --------------------------------------------------------------- */

/* A write that the server has acknowledged. */
struct keep_entry {
	__u32 op;		/* UBLK_IO_OP_*, or KEEP_PAD */
	__u32 flags;		/* of libnbd */
	__u64 pos;
	__u32 len;		/* of the request */
	__u32 bytes;		/* of the entry, with its data */
	__u64 pad[5];
};

int keep_new(struct keep **keep, const struct nbd *nbd, size_t bytes);
int keep_attach(struct keep *keep, const struct nbd *nbd, __u32 dev_id,
		bool recovers);
void keep_free(struct keep *keep, bool forget);
/* The export is larger than before. */
void keep_set_size(struct keep *keep, __u64 size);

bool keep_reserve(struct keep *keep, __u32 data);
void keep_release(struct keep *keep, __u32 data);
void keep_add(struct keep *keep, const struct keep_entry *e, __u32 data,
	      const void *buf);
__u64 keep_end(const struct keep *keep);
void keep_drop(struct keep *keep, __u64 end);
bool keep_is_empty(const struct keep *keep);
bool keep_is_half_full(const struct keep *keep);

/**
 * keep_next - walk over what is kept, oldest first
 * @keep: log
 * @at: place of the walk, 0 at first
 * @buf: receives the address of the data
 *
 * Return: entry, or NULL at the end
 */
const struct keep_entry *keep_next(const struct keep *keep, __u64 *at,
				   const void **buf);

/* ---- link.c --------------------------------------------------------------- */

struct link;

/**
 * link_new - make the thread that connects
 * @nbd: device
 * @plink: receives the handle
 *
 * Return: 0 or negative errno
 */
int link_new(struct nbd *nbd, struct link **plink);

/* Have the thread do nothing more. It stays, and with it a server it has started. */
void link_stop(struct link *link);

/* End the thread, and connections that nobody has taken. */
void link_free(struct link *link);

/* Descriptor that is readable when there are connections. */
int link_fd(const struct link *link);

/**
 * link_start - begin to connect, until it succeeds
 * @link: without connections
 * @worked: the last connection has; else the pause before the next one grows
 */
void link_start(struct link *link, bool worked);

/**
 * link_take - take the connections
 * @link: after its descriptor was readable
 * @h: receives them
 * @replayed: receives the number of writes that were written again
 *
 * Return: how many, 0 if there are none yet
 */
unsigned int link_take(struct link *link, struct nbd_handle **h,
		       unsigned int *replayed);

/**
 * link_now - connect once, in this thread
 * @link: that has not been started
 * @h: receives the connections
 * @replayed: as link_take()
 *
 * Return: how many, or negative errno with a message
 */
int link_now(struct link *link, struct nbd_handle **h, unsigned int *replayed);

/* ---- queue.c -------------------------------------------------------------- */

enum nbd_req_state { REQ_NONE, REQ_WAITS, REQ_SENT, REQ_ENDED };

struct nbd_queue;
struct conn;

/* Private memory of a tag. */
struct nbd_req {
	struct ublk_io *io;		/* NULL: own FLUSH */
	struct nbd_queue *nq;
	struct conn *conn;		/* while it is sent */
	struct nbd_req *next;
	enum nbd_req_state state;
	bool reserved;			/* has room among the kept writes */
	int err;
	__u32 got;			/* bytes of a read */
	__u64 lost;			/* ms: when its connection ended first, or 0 */
	__u64 end, acked;		/* FLUSH: it confirms what came before these */
};

int nbd_queue_open(struct ublk_queue *q);
void nbd_queue_close(struct ublk_queue *q);
void nbd_submit(struct ublk_queue *q, struct ublk_io *io);

/* ---- nbd.c ---------------------------------------------------------------- */

extern const struct ublk_target nbdkit_target, image_target;

/**
 * nbd_open_with - the open() of a target
 * @dev: device
 * @cfg: how, and where to unless there is a helper
 * @helper: server of our own, or NULL; belongs to the device, also after a failure
 *
 * Return: 0 or negative errno with a message
 */
int nbd_open_with(struct ublk_dev *dev, const struct nbd_cfg *cfg,
		  struct helper *helper);

/* The close() of a target. */
void nbd_close_dev(struct ublk_dev *dev);

#endif
