// SPDX-License-Identifier: GPL-2.0
/*
 * Common part of the uapi_batch_*.c fixtures: see fixture_batch.h.
 *
 * As in fixture.c, the client does everything that waits for this server.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "recovery.h"
#include "fixture_batch.h"

/* Open the char device and a ring with group 0; send nothing. */
int fxb_serve(struct fixture_batch *u, unsigned int ring_flags)
{
	int ret = raw_srv_open(&u->t.srv, &u->t.info);

	if (!ret)
		ret = raw_batch_open(&u->b, &u->t.srv, ring_flags);
	return ret ? ret : raw_group_open(&u->b, 0, FXB_BUFS, FXB_BUF_BYTES, 0);
}

int fxb_fetch_all(struct fixture_batch *u)
{
	int q, ret = 0;

	for (q = 0; q < u->t.info.nr_hw_queues && ret >= 0; q++)
		ret = raw_batch_fetch(&u->b, q, 0);
	return ret < 0 ? ret : 0;
}

/* START_DEV for this process, while it serves. */
int fxb_start(struct fixture_batch *u)
{
	return fxb_wait(u, client_ctrl(u->t.client, UBLK_U_CMD_START_DEV,
				       u->t.info.dev_id, getpid()));
}

/* Make a buffer table in the ring, for AUTO_BUF_REG and zero copy. */
int fxb_table(struct fixture_batch *u, unsigned int slots)
{
	return io_uring_register_buffers_sparse(&u->b.ring, slots);
}

/* A LIVE device; the buffer table has one slot per tag and eight more. */
int fxb_up(struct fixture_batch *u, int queues, int depth, __u64 flags)
{
	int ret = fx_add(&u->t, queues, depth, flags | UBLK_F_BATCH_IO);

	if (!ret)
		ret = fxb_serve(u, 0);
	if (!ret)
		ret = fxb_table(u, queues * depth + 8);
	if (!ret)
		ret = fxb_fetch_all(u);
	if (!ret)
		ret = raw_batch_prep_all(&u->b);
	return ret ? ret : fxb_start(u);
}

/* STOP_DEV, while this process serves. */
int fxb_stop(struct fixture_batch *u)
{
	return fxb_wait(u, client_ctrl(u->t.client, UBLK_U_CMD_STOP_DEV,
				       u->t.info.dev_id, 0));
}

/* End the session. */
void fxb_close(struct fixture_batch *u)
{
	raw_batch_close(&u->b);
	raw_srv_close(&u->t.srv);
}

/*
 * Start block I/O. A write takes its data from the client's memory at the
 * offset in the window, a read puts it there. Returns the job or -errno.
 */
int fxb_blk(struct fixture_batch *u, enum client_blk_op op, __u64 off,
	    __u32 len)
{
	return client_blk(u->t.client, u->t.info.dev_id, op, off, len,
			  (off - RAW_WIN_START) % CLIENT_DATA);
}

/* Serve until the job is done. */
long fxb_wait(struct fixture_batch *u, int job)
{
	return raw_batch_wait(u->t.client, job, &u->b, RAW_DEADLINE_MS);
}

/* Start block I/O and wait until this server has it. */
int fxb_request(struct fixture_batch *u, enum client_blk_op op, __u64 off,
		__u32 len, int *job, struct raw_ev *ev)
{
	*job = fxb_blk(u, op, off, len);
	if (*job < 0)
		return *job;
	return raw_batch_request(&u->b, ev, RAW_DEADLINE_MS);
}

/* How many requests the block layer has given to the driver. */
int fxb_inflight(struct fixture_batch *u)
{
	char path[64];
	int r, w, n;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/ublkb%u/inflight",
		 u->t.info.dev_id);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	n = fscanf(f, "%d %d", &r, &w);
	fclose(f);
	return n == 2 ? r + w : -EIO;
}

/* Without an I/O scheduler, requests reach the driver in submission order. */
int fxb_no_scheduler(struct fixture_batch *u)
{
	char path[64];
	FILE *f;
	int ret;

	snprintf(path, sizeof(path), "/sys/block/ublk%c%u/queue/scheduler",
		 raw_rq_disk(&u->t.info), u->t.info.dev_id);
	f = fopen(path, "w");
	if (!f)
		return -errno;
	ret = fputs("none", f) < 0 ? -EIO : 0;
	if (fclose(f))
		ret = -errno;
	return ret;
}

/* From now on the client does all block I/O on CPU 0, so on one queue. */
int fxb_one_cpu(struct fixture_batch *u)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(u->t.client->pid, sizeof(set), &set) ? -errno :
								       0;
}

int fxb_wait_inflight(struct fixture_batch *u, int nr)
{
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	int ret;

	do {
		ret = fxb_inflight(u);
		if (ret < 0 || ret == nr)
			return ret < 0 ? ret : 0;
		usleep(1000);
	} while (raw_now_ms() < end);
	return RAW_TIMEOUT;
}

/*
 * Start 4 KiB requests at the steps @where of the window, one after the other;
 * each has reached the driver before the next one is started. A request counts
 * as in flight when the driver begins to queue it; when its thread sleeps, the
 * driver's list contains it.
 */
int fxb_enqueue(struct fixture_batch *u, enum client_blk_op op,
		const int *where, int nr, int *jobs)
{
	int i, ret, had = fxb_inflight(u);

	for (i = 0; i < nr; i++) {
		jobs[i] = fxb_blk(u, op, RAW_WIN_START + where[i] * FXB_STEP,
				  4096);
		if (jobs[i] < 0)
			return jobs[i];
		ret = fxb_wait_inflight(u, had + i + 1);
		if (ret)
			return ret;
		if (!client_wait_sleep(u->t.client, jobs[i]))
			return RAW_TIMEOUT;
	}
	return 0;
}

/* The step of the window that a request is for. */
int fxb_where(const struct ublksrv_io_desc *iod)
{
	return ((iod->start_sector << 9) - RAW_WIN_START) / FXB_STEP;
}

struct burst_arg {
	int id, nr, rounds;
	char *data;
};

/* One read per step. Returns how many begin with the number of their step. */
static long burst_io(struct io_uring *ring, int fd, struct burst_arg *a)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	long good = 0;
	int i, ret;

	memset(a->data, 0xff, a->nr * 4096);
	for (i = 0; i < a->nr; i++) {
		sqe = io_uring_get_sqe(ring);
		io_uring_prep_read(sqe, fd, a->data + i * 4096, 4096,
				   RAW_WIN_START + (__u64)i * FXB_STEP);
		sqe->user_data = i;
	}
	ret = io_uring_submit(ring);
	if (ret != a->nr)
		return ret < 0 ? ret : -EIO;
	for (i = 0; i < a->nr; i++) {
		ret = io_uring_wait_cqe(ring, &cqe);
		if (ret)
			return ret;
		good += cqe->res == 4096 &&
			a->data[cqe->user_data * 4096] == (char)cqe->user_data;
		io_uring_cqe_seen(ring, cqe);
	}
	return good;
}

static long burst_job(void *arg)
{
	struct burst_arg *a = arg;
	struct io_uring ring;
	long ret, good = 0;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/ublkb%d", a->id);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = io_uring_queue_init(a->nr, &ring, 0);
	if (!ret) {
		while (ret >= 0 && a->rounds--) {
			ret = burst_io(&ring, fd, a);
			good += ret;
		}
		io_uring_queue_exit(&ring);
	}
	close(fd);
	return ret < 0 ? ret : good;
}

/*
 * Read 4 KiB at each of the first @nr steps of the window at once, @rounds
 * times. The job's result says how many reads were correct, after fxb_mark().
 */
int fxb_burst(struct fixture_batch *u, int nr, int rounds)
{
	struct burst_arg a = {
		.id = u->t.info.dev_id, .nr = nr, .rounds = rounds,
		.data = u->t.client->data,
	};

	return client_start(u->t.client, burst_job, &a, sizeof(a));
}

/* Write the contents that the reads of fxb_burst() expect. */
void fxb_mark(char *store)
{
	int i;

	for (i = 0; i < 256; i++)
		store[RAW_WIN_START + i * FXB_STEP] = i;
}

/* No CQE arrives. */
bool fxb_quiet(struct fixture_batch *u)
{
	struct raw_ev ev;

	return raw_batch_request(&u->b, &ev, RAW_QUIET_MS) == RAW_TIMEOUT;
}

/* The job does not end, although this server serves what arrives. */
bool fxb_waits(struct fixture_batch *u, int job)
{
	return rec_waits(&u->t, job);
}

/* End the session of a LIVE device, with requests or without. */
int fxb_lose(struct fixture_batch *u)
{
	struct fixture *t = &u->t;
	int ret;

	fxb_close(u);
	ret = raw_wait_state(&t->ctl, t->info.dev_id,
			     rec_lost_state(t->info.flags));
	return ret ? ret : rec_start(t);
}

/* END_USER_RECOVERY for this process, while it serves. */
int fxb_end_recovery(struct fixture_batch *u)
{
	return fxb_wait(u,
			client_ctrl(u->t.client, UBLK_U_CMD_END_USER_RECOVERY,
				    u->t.info.dev_id, getpid()));
}

/* The next server of a lost device: PREP, then FETCH_IO_CMDS (D-239). */
int fxb_recover(struct fixture_batch *u)
{
	int ret = fxb_serve(u, 0);

	if (!ret)
		ret = fxb_table(u, u->t.info.nr_hw_queues *
				  u->t.info.queue_depth + 8);
	if (!ret)
		ret = raw_batch_prep_all(&u->b);
	if (!ret)
		ret = fxb_fetch_all(u);
	return ret ? ret : fxb_end_recovery(u);
}
