// SPDX-License-Identifier: GPL-2.0
/*
 * The zoned disk of the tests: see zones.h.
 *
 * The client submits the requests that wait for this server; the report that it
 * gets is at the start of its data area.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "zones.h"

static void make_zones(struct zones *z, int nr)
{
	int i;

	z->nr = nr;
	z->sectors = (RAW_DEV_BYTES >> 9) / nr;
	for (i = 0; i < nr; i++) {
		struct blk_zone *b = &z->zone[i];

		memset(b, 0, sizeof(*b));
		b->start = (__u64)i * z->sectors;
		b->wp = b->start;
		b->len = z->sectors;
		b->capacity = z->sectors;
		b->type = i ? BLK_ZONE_TYPE_SEQWRITE_REQ :
			      BLK_ZONE_TYPE_CONVENTIONAL;
		b->cond = i ? BLK_ZONE_COND_EMPTY : BLK_ZONE_COND_NOT_WP;
	}
}

/* ADD_DEV and SET_PARAMS for @nr zones, and the server; no START_DEV. */
int zones_add(struct zones *z, __u64 flags, int nr, __u32 max_sectors)
{
	struct fixture *t = &z->t;
	struct ublk_params p;
	int ret;

	make_zones(z, nr);
	raw_info_init(&t->info, 1, 4, flags | UBLK_F_ZONED | UBLK_F_USER_COPY);
	ret = raw_add(&t->ctl, &t->info);
	if (ret)
		return ret;
	fx_remember(t, t->info.dev_id);
	raw_params_init(&p);
	p.types |= UBLK_PARAM_TYPE_ZONED;
	p.basic.chunk_sectors = z->sectors;
	p.basic.max_sectors = max_sectors;
	p.zoned.max_zone_append_sectors = 8;
	p.zoned.max_open_zones = 5;
	p.zoned.max_active_zones = 7;
	return raw_set_params(&t->ctl, t->info.dev_id, &p);
}

/* START_DEV for this process, while it serves. */
int zones_start(struct zones *z)
{
	return zones_wait(z, client_ctrl(z->t.client, UBLK_U_CMD_START_DEV,
					 z->t.info.dev_id, getpid()));
}

int zones_up(struct zones *z, __u64 flags, int nr, __u32 max_sectors)
{
	int ret = zones_add(z, flags, nr, max_sectors);

	if (!ret)
		ret = fx_serve(&z->t, 0);
	if (!ret)
		ret = raw_fetch_all(&z->t.ring);
	return ret ? ret : zones_start(z);
}

int zones_stop(struct zones *z)
{
	return zones_wait(z, client_ctrl(z->t.client, UBLK_U_CMD_STOP_DEV,
					 z->t.info.dev_id, 0));
}

/* Write the zones that a report wants into its buffer. */
static int answer_report(struct zones *z, const struct raw_ev *ev)
{
	int from = ev->iod.start_sector / z->sectors;
	int n = ev->iod.nr_zones;
	ssize_t len;

	z->reports++;
	if (z->report_error)
		return z->report_error;
	if (n > z->nr - from)
		n = z->nr - from;
	if (z->report_most && n > z->report_most)
		n = z->report_most;
	if (n <= 0)
		return 0;
	len = n * sizeof(struct blk_zone);
	if (pwrite(z->t.srv.fd, &z->zone[from], len,
		   raw_pos(ev->q, ev->tag, 0)) != len)
		return -errno;
	return len;
}

static int manage(struct blk_zone *b, int op)
{
	switch (op) {
	case UBLK_IO_OP_ZONE_OPEN:
		b->cond = BLK_ZONE_COND_EXP_OPEN;
		break;
	case UBLK_IO_OP_ZONE_CLOSE:
		b->cond = b->wp == b->start ? BLK_ZONE_COND_EMPTY :
					      BLK_ZONE_COND_CLOSED;
		break;
	case UBLK_IO_OP_ZONE_FINISH:
		b->cond = BLK_ZONE_COND_FULL;
		b->wp = b->start + b->len;
		break;
	case UBLK_IO_OP_ZONE_RESET:
		b->cond = BLK_ZONE_COND_EMPTY;
		b->wp = b->start;
		break;
	}
	return 0;
}

static int append(struct zones *z, const struct raw_ev *ev, struct blk_zone *b,
		  __u64 *lba)
{
	ssize_t len = (ssize_t)ev->iod.nr_sectors << 9;

	if (b->wp + ev->iod.nr_sectors > b->start + b->capacity)
		return -EIO;
	if (pread(z->t.srv.fd, z->t.srv.store + (b->wp << 9), len,
		  raw_pos(ev->q, ev->tag, 0)) != len)
		return -errno;
	*lba = b->wp;
	b->wp += ev->iod.nr_sectors;
	b->cond = BLK_ZONE_COND_IMP_OPEN;
	return len;
}

/* Execute a request: the result to commit, and where an append wrote. */
int zones_answer(struct zones *z, const struct raw_ev *ev, __u64 *lba)
{
	int op = ublksrv_get_op(&ev->iod), i, ret;
	struct blk_zone *b;

	z->last = ev->iod;
	b = &z->zone[ev->iod.start_sector / z->sectors % z->nr];
	switch (op) {
	case UBLK_IO_OP_REPORT_ZONES:
		return answer_report(z, ev);
	case UBLK_IO_OP_ZONE_RESET_ALL:
		for (i = 1; i < z->nr; i++)
			manage(&z->zone[i], UBLK_IO_OP_ZONE_RESET);
		return 0;
	case UBLK_IO_OP_ZONE_OPEN:
	case UBLK_IO_OP_ZONE_CLOSE:
	case UBLK_IO_OP_ZONE_FINISH:
	case UBLK_IO_OP_ZONE_RESET:
		return manage(b, op);
	case UBLK_IO_OP_ZONE_APPEND:
		return append(z, ev, b, lba);
	}
	ret = raw_answer(&z->t.srv, ev);
	if (op == UBLK_IO_OP_WRITE && ret > 0 &&
	    b->type != BLK_ZONE_TYPE_CONVENTIONAL) {
		b->wp = ev->iod.start_sector + ev->iod.nr_sectors;
		b->cond = BLK_ZONE_COND_IMP_OPEN;
	}
	return ret;
}

int zones_serve(struct zones *z, const struct raw_ev *ev)
{
	__u64 lba = 0;
	int ret;

	if (ev->res < 0)
		return 0;
	ret = zones_answer(z, ev, &lba);
	if (!lba)
		return raw_commit(&z->t.ring, ev->q, ev->tag, ret);
	return raw_post(&z->t.ring, UBLK_U_IO_COMMIT_AND_FETCH_REQ, ev->q,
			ev->tag, ret, lba, 0, NULL);
}

/* Serve until the job is done. */
long zones_wait(struct zones *z, int job)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	struct io_client *a = z->t.client;
	struct raw_ev ev;
	int ret;

	if (job < 0)
		return job;
	while (!client_done(a, job) && raw_now_ms() < end) {
		ret = raw_event(&z->t.ring, &ev, 2);
		if (!ret)
			ret = zones_serve(z, &ev);
		if (ret && ret != RAW_TIMEOUT)
			return ret;
	}
	return client_wait(a, job, 0);
}

struct zone_arg {
	int id;
	unsigned long ioctl;
	void *arg;
	struct blk_zone_range range;
};

static long zone_job(void *arg)
{
	struct zone_arg *a = arg;
	char path[32];
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/ublkb%d", a->id);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, a->ioctl, a->arg ?: &a->range) ? -errno : 0;
	close(fd);
	return ret;
}

/* BLKREPORTZONE by the client. Returns the job; its result is 0 or -errno. */
int zones_report(struct zones *z, int from, int nr)
{
	struct blk_zone_report *rep = (void *)z->t.client->data;
	struct zone_arg a = {
		.id = z->t.info.dev_id, .ioctl = BLKREPORTZONE, .arg = rep,
	};

	memset(rep, 0xaa, sizeof(*rep) + (nr + 1) * sizeof(struct blk_zone));
	rep->sector = (__u64)from * z->sectors;
	rep->nr_zones = nr;
	rep->flags = 0;
	return client_start(z->t.client, zone_job, &a, sizeof(a));
}

/* The zones that zones_report() got; their number is in the header before. */
struct blk_zone *zones_reported(struct zones *z)
{
	return ((struct blk_zone_report *)z->t.client->data)->zones;
}

/* BLKOPENZONE and others on a range of sectors. Returns the job. */
int zones_op(struct zones *z, unsigned long ioctl, __u64 sector, __u64 nr)
{
	struct zone_arg a = {
		.id = z->t.info.dev_id, .ioctl = ioctl,
		.range = { .sector = sector, .nr_sectors = nr },
	};

	return client_start(z->t.client, zone_job, &a, sizeof(a));
}
