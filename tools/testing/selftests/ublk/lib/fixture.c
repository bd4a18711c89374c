// SPDX-License-Identifier: GPL-2.0
/*
 * Common part of the uapi_*.c fixtures: see fixture.h.
 *
 * The client sends START_DEV and STOP_DEV while this process serves, because
 * others may read the disk at any moment (udev, partition scan).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "fixture.h"

#define FEATURE(id)	{ UBLK_F_##id, #id }

/* "A B": which of the features that tests ask for. The next call overwrites it. */
const char *fx_feature_names(__u64 features)
{
	static const struct {
		__u64 bit;
		const char *name;
	} names[] = {
		FEATURE(SUPPORT_ZERO_COPY), FEATURE(NEED_GET_DATA),
		FEATURE(USER_RECOVERY), FEATURE(USER_RECOVERY_REISSUE),
		FEATURE(UNPRIVILEGED_DEV), FEATURE(USER_COPY), FEATURE(ZONED),
		FEATURE(USER_RECOVERY_FAIL_IO), FEATURE(UPDATE_SIZE),
		FEATURE(AUTO_BUF_REG), FEATURE(QUIESCE), FEATURE(PER_IO_DAEMON),
		FEATURE(BUF_REG_OFF_DAEMON), FEATURE(BATCH_IO),
		FEATURE(INTEGRITY), FEATURE(SAFE_STOP_DEV),
		FEATURE(NO_AUTO_PART_SCAN), FEATURE(SHMEM_ZC),
		FEATURE(IO_DESC_SIZE),
	};
	static char text[512];
	size_t i, len = 0;

	text[0] = 0;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (features & names[i].bit)
			len += snprintf(text + len, sizeof(text) - len, "%s%s",
					len ? " " : "", names[i].name);
	}
	return text;
}

/* The statements are about Linux 7.3: its own driver is the first to have this. */
bool fx_driver_is_old(const struct fixture *t)
{
	return !(t->features & UBLK_F_IO_DESC_SIZE) && running_on_mainline();
}

int fx_open(struct fixture *t)
{
	int ret;

	memset(t, 0, sizeof(*t));
	t->srv.fd = -1;
	t->client = client_open();
	if (!t->client)
		return -ENOMEM;
	ret = raw_ctrl_open(&t->ctl);
	if (ret)
		return ret;
	return raw_features(&t->ctl, &t->features);
}

/* Runs in the parent, after the test has ended in whatever way. */
int fx_cleanup(struct fixture *t)
{
	struct raw_ctrl ctl;
	int i, ret, bad = 0;

	if (!t->nr_ids)
		return 0;
	ret = raw_ctrl_open(&ctl);
	if (ret)
		return ret;
	for (i = 0; i < t->nr_ids && !bad; i++) {
		ret = raw_del(&ctl, t->ids[i]);
		if (ret && ret != -ENODEV)
			bad = ret;
	}
	raw_ctrl_close(&ctl);
	return bad;
}

void fx_remember(struct fixture *t, int id)
{
	if (t->nr_ids < FX_MAX_IDS)
		t->ids[t->nr_ids++] = id;
}

/* ADD_DEV and SET_PARAMS; without partition scan if the driver offers that. */
int fx_add(struct fixture *t, int queues, int depth, __u64 flags)
{
	struct ublk_params p;
	int ret;

	flags |= t->features & UBLK_F_NO_AUTO_PART_SCAN;
	raw_info_init(&t->info, queues, depth, flags);
	ret = raw_add(&t->ctl, &t->info);
	if (ret)
		return ret;
	fx_remember(t, t->info.dev_id);
	if ((t->info.flags & flags) != flags)
		return -EOPNOTSUPP;
	raw_params_init(&p);
	p.basic.attrs = UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	p.types |= UBLK_PARAM_TYPE_DISCARD;
	p.discard.discard_granularity = 4096;
	p.discard.max_discard_sectors = RAW_IO_BYTES / 512;
	p.discard.max_write_zeroes_sectors = RAW_IO_BYTES / 512;
	p.discard.max_discard_segments = 1;
	if (t->dma_alignment) {
		p.types |= UBLK_PARAM_TYPE_DMA_ALIGN;
		p.dma.alignment = t->dma_alignment;
	}
	return raw_set_params(&t->ctl, t->info.dev_id, &p);
}

int fx_serve(struct fixture *t, unsigned int ring_flags)
{
	int ret;

	t->srv.legacy = t->ctl.legacy;
	ret = raw_srv_open(&t->srv, &t->info);
	if (ret)
		return ret;
	ret = raw_ring_open(&t->ring, &t->srv, ring_flags);
	if (!ret && t->info.flags & (UBLK_F_SUPPORT_ZERO_COPY |
				     UBLK_F_AUTO_BUF_REG))
		ret = raw_table(&t->ring);
	return ret;
}

/* START_DEV for this process, while it serves. */
int fx_start(struct fixture *t)
{
	int job = client_ctrl(t->client, UBLK_U_CMD_START_DEV, t->info.dev_id,
			      getpid());

	return client_wait_serving(t->client, job, &t->ring, RAW_DEADLINE_MS);
}

/* STOP_DEV, while this process serves. */
int fx_stop(struct fixture *t)
{
	int job = client_ctrl(t->client, UBLK_U_CMD_STOP_DEV, t->info.dev_id,
			      0);

	return client_wait_serving(t->client, job, &t->ring, RAW_DEADLINE_MS);
}

/* End the session. The ring goes first: its commands hold the char device. */
void fx_close(struct fixture *t)
{
	raw_ring_close(&t->ring);
	raw_srv_close(&t->srv);
}

/* A LIVE device served by this process. */
int fx_up(struct fixture *t, int queues, int depth, __u64 flags)
{
	int ret = fx_add(t, queues, depth, flags);

	if (!ret)
		ret = fx_serve(t, 0);
	if (!ret)
		ret = raw_fetch_all(&t->ring);
	return ret ? ret : fx_start(t);
}

/*
 * Begin block I/O in the test's window, with the client's data at the same
 * offset, and wait until the server has the request. 0, RAW_TIMEOUT or -errno.
 */
int fx_request(struct fixture *t, enum client_blk_op op, __u64 off, __u32 len,
	       int *job, struct raw_ev *ev)
{
	*job = client_blk(t->client, t->info.dev_id, op, off, len,
			  off - RAW_WIN_START);
	if (*job < 0)
		return *job;
	return raw_request(&t->ring, ev, RAW_DEADLINE_MS);
}

/* Block I/O with the first @len bytes of the client's data. Returns the job. */
int fx_begin(struct fixture *t, enum client_blk_op op, __u64 off, __u32 len)
{
	return client_blk(t->client, t->info.dev_id, op, off, len, 0);
}

/* Wait for the test's next request and its data, with NEED_GET_DATA if used. */
int fx_delivered(struct fixture *t, struct raw_ev *ev)
{
	int ret = raw_request(&t->ring, ev, RAW_DEADLINE_MS);

	if (!ret && ev->res == UBLK_IO_RES_NEED_GET_DATA) {
		ret = raw_serve(&t->ring, ev);
		if (!ret)
			ret = raw_request(&t->ring, ev, RAW_DEADLINE_MS);
	}
	return ret ? ret : ev->res;
}

/* Submit a COMMIT with an address that the caller chooses. */
int fx_commit_addr(struct fixture *t, struct raw_ev *ev, int result, void *addr)
{
	return raw_post(&t->ring, UBLK_U_IO_COMMIT_AND_FETCH_REQ, ev->q,
			ev->tag, result, (uintptr_t)addr, 0, NULL);
}

long fx_finish(struct fixture *t, int job)
{
	return client_wait_serving(t->client, job, &t->ring, RAW_DEADLINE_MS);
}

/* The job has not ended and does not end soon. */
bool fx_open_still(struct fixture *t, int job)
{
	return client_wait(t->client, job, RAW_QUIET_MS) == RAW_TIMEOUT;
}

/* Wait until the disk has @n reads and writes in flight (sysfs: inflight). */
bool fx_inflight(struct fixture *t, int n)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	char path[64];
	bool there;
	FILE *f;
	int r, w;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/inflight",
		 t->info.dev_id);
	do {
		f = fopen(path, "r");
		there = f && fscanf(f, "%d %d", &r, &w) == 2 && r + w >= n;
		if (f)
			fclose(f);
		if (there)
			return true;
		usleep(1000);
	} while (raw_now_ms() < end);
	return false;
}

/* Requests of the disk that have not ended, requeued ones too, or -ENODEV. */
int fx_requests(struct fixture *t)
{
	char path[64];
	int n = -ENODEV;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/stat",
		 t->info.dev_id);
	f = fopen(path, "r");
	if (!f)
		return n;
	if (fscanf(f, "%*u %*u %*u %*u %*u %*u %*u %*u %d", &n) != 1)
		n = -ENODEV;
	fclose(f);
	return n;
}

/* Wait until the request of @job, the @n-th of the disk, is in the driver. */
bool fx_arrived(struct fixture *t, int job, int n)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;

	while (fx_requests(t) < n) {
		if (raw_now_ms() >= end)
			return false;
		usleep(1000);
	}
	return client_wait_sleep(t->client, job);
}

/* Block I/O on the device, while this process serves it like a RAM disk. */
long fx_blk(struct fixture *t, enum client_blk_op op, __u64 off, __u32 len,
	    __u32 data)
{
	int job = client_blk(t->client, t->info.dev_id, op, off, len, data);

	return client_wait_serving(t->client, job, &t->ring, RAW_DEADLINE_MS);
}
