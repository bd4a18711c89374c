// SPDX-License-Identifier: GPL-2.0
/*
 * A processor is taken offline while a request that it has sent is with the server
 * (lifecycle.rst I-72).
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"

#define WIN	RAW_WIN_START
struct online_arg {
	int cpu;
	char value;
};

static long online_write(int cpu, char value)
{
	char path[64];
	long ret = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, &value, 1) != 1)
		ret = -errno;
	close(fd);
	return ret;
}

static int run_on(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(pid, sizeof(set), &set) ? -errno : 0;
}

/* A job of the client, on another processor than the one that goes. */
static long online_job(void *arg)
{
	struct online_arg *a = arg;
	int ret = run_on(0, 0);

	return ret ? ret : online_write(a->cpu, a->value);
}

/* Does queue @q serve the last processor, @last, and no other one? */
static bool queue_is_alone(struct fixture *t, int q, int last)
{
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = -1,
	};
	unsigned long mask[128] = { 0 };
	int cpu;

	cmd.addr = (uintptr_t)mask;
	cmd.len = sizeof(mask);
	cmd.data[0] = q;
	if (raw_ctrl_cmd(&t->ctl, UBLK_U_CMD_GET_QUEUE_AFFINITY, &cmd))
		return false;
	for (cpu = 0; cpu < last; cpu++)
		if (mask[0] & 1UL << cpu)
			return false;
	return mask[0] & 1UL << last;
}

/* CPU 0 cannot be taken offline. */
FIXTURE(hotplug) {
	struct fixture t;
	int cpu;
};

FIXTURE_SETUP(hotplug)
{
	FX_SETUP(&self->t, 0);
	self->cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	if (!self->cpu)
		SKIP(return, "needs two processors");
	if (online_write(self->cpu, '1'))
		SKIP(return, "processor %d cannot be taken offline", self->cpu);
	ASSERT_EQ(0, run_on(0, 0));
	ASSERT_EQ(0, fx_up(&self->t, self->cpu + 1, 4, 0));
}

FIXTURE_TEARDOWN_PARENT(hotplug)
{
	/* First: the processor may be waiting for a request of the device. */
	FX_TEARDOWN(&self->t);
	if (self->cpu)
		online_write(self->cpu, '1');
}

/* covers: I-72 */
TEST_F(hotplug, I_72_offline_does_not_wait_for_the_server)
{
	struct online_arg arg = { .cpu = self->cpu, .value = '0' };
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, offline;

	ASSERT_EQ(0, run_on(t->client->pid, self->cpu));
	job = fx_begin(t, CLIENT_READ, WIN, 4096);
	ASSERT_EQ(0, fx_delivered(t, &ev));
	if (!queue_is_alone(t, ev.q, self->cpu))
		SKIP(return, "queue %d has several processors", ev.q);

	offline = client_start(t->client, online_job, &arg, sizeof(arg));
	if (running_on_mainline()) {
		EXPECT_TRUE(fx_open_still(t, offline));
	} else {
		EXPECT_EQ(0, client_wait(t->client, offline, RAW_DEADLINE_MS));
	}
	EXPECT_TRUE(fx_open_still(t, job));
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(4096, fx_finish(t, job));
	EXPECT_EQ(0, client_wait(t->client, offline, RAW_DEADLINE_MS));

	/* Another one, and back. */
	EXPECT_EQ(4096, fx_blk(t, CLIENT_WRITE, WIN, 4096, 0));
	arg.value = '1';
	offline = client_start(t->client, online_job, &arg, sizeof(arg));
	EXPECT_EQ(0, client_wait(t->client, offline, RAW_DEADLINE_MS));
	EXPECT_EQ(4096, fx_blk(t, CLIENT_READ, WIN, 4096, 0));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
