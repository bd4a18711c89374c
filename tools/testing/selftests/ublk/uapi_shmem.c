// SPDX-License-Identifier: GPL-2.0
/*
 * REG_BUF and UNREG_BUF: arguments, indexes, how long a registration lasts, and
 * what the commands wait for (control.rst section 14). What a registered buffer
 * does to a request is in uapi_shmem_io.c.
 *
 * runner: distro leaks
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"
#include "lib/recovery.h"

#define WIN	RAW_WIN_START
#define LEN	8192
#define PAGE	4096
#define REG	UBLK_U_CMD_REG_BUF
#define UNREG	UBLK_U_CMD_UNREG_BUF
#define RO	UBLK_SHMEM_BUF_READ_ONLY

FIXTURE(shm) {
	struct fixture t;
	char *mem;		/* 1 MiB */
};

FIXTURE_VARIANT(shm) {
	bool legacy;
};

FIXTURE_VARIANT_ADD(shm, encoded) {
	.legacy = false,
};

FIXTURE_VARIANT_ADD(shm, legacy) {
	.legacy = true,
};

FIXTURE_SETUP(shm)
{
	struct fixture *t = &self->t;

	FX_SETUP(t, UBLK_F_SHMEM_ZC);
	t->ctl.legacy = variant->legacy;
	self->mem = t->client->data;
	ASSERT_EQ(0, fx_add(t, 1, 4, UBLK_F_SHMEM_ZC));
}

FIXTURE_TEARDOWN_PARENT(shm)
{
	FX_TEARDOWN(&self->t);
}

/* Index, or -errno. */
static int reg_id(struct fixture *t, int id, void *addr, __u64 len, __u32 flags)
{
	struct ublk_shmem_buf_reg reg = {
		.addr = (uintptr_t)addr, .len = len, .flags = flags,
	};

	return raw_buf_cmd(&t->ctl, REG, id, &reg, sizeof(reg));
}

static int reg(struct fixture *t, void *addr, __u64 len, __u32 flags)
{
	return reg_id(t, t->info.dev_id, addr, len, flags);
}

static int unreg(struct fixture *t, __u64 index)
{
	return raw_dev_cmd(&t->ctl, UNREG, t->info.dev_id, index);
}

/* covers: C-140 C-152 */
TEST_F(shm, C_140_flag_not_set)
{
	struct fixture *t = &self->t;

	ASSERT_EQ(0, fx_add(t, 1, 4, 0));
	EXPECT_EQ(-EOPNOTSUPP, reg(t, self->mem, LEN, 0));
	/* This is checked before everything else. */
	EXPECT_EQ(-EOPNOTSUPP, reg(t, self->mem + 1, 0, 0xff));
	EXPECT_EQ(-EOPNOTSUPP, raw_buf_cmd(&t->ctl, REG, t->info.dev_id,
					   (void *)8, 24));
	EXPECT_EQ(-EOPNOTSUPP, unreg(t, 0));
	EXPECT_EQ(-EOPNOTSUPP, unreg(t, 70000));
	EXPECT_EQ(-ENODEV, reg_id(t, 99999, self->mem, LEN, 0));
}

/* covers: C-141 C-149 */
TEST_F(shm, C_141_structure)
{
	struct fixture *t = &self->t;
	struct ublk_shmem_buf_reg r = {
		.addr = (uintptr_t)self->mem, .len = LEN, .flags = RO,
	};
	int id = t->info.dev_id;
	char *hole = raw_hole(16);

	ASSERT_NE(NULL, hole);
	EXPECT_EQ(-EFAULT, raw_buf_cmd(&t->ctl, REG, id, NULL, sizeof(r)));
	EXPECT_EQ(-EFAULT, raw_buf_cmd(&t->ctl, REG, id, hole + 16,
				       sizeof(r)));
	memcpy(hole, &r, 16);
	EXPECT_EQ(-EFAULT, raw_buf_cmd(&t->ctl, REG, id, hole, sizeof(r)));
	/* Missing members are zero: no length, no flags. */
	EXPECT_EQ(-EINVAL, raw_buf_cmd(&t->ctl, REG, id, &r, 0));
	EXPECT_EQ(-EINVAL, raw_buf_cmd(&t->ctl, REG, id, &r, 8));
	EXPECT_EQ(0, raw_buf_cmd(&t->ctl, REG, id, hole, 16));
	EXPECT_EQ(0, unreg(t, 0));
	/* A longer buffer is accepted. */
	r.addr += LEN;
	EXPECT_EQ(0, raw_buf_cmd(&t->ctl, REG, id, &r, 4096));
	EXPECT_EQ(0, unreg(t, 0));
}

/* covers: C-142 C-143 C-144 */
TEST_F(shm, C_142_values)
{
	struct fixture *t = &self->t;
	struct ublk_shmem_buf_reg r = {
		.addr = (uintptr_t)self->mem, .len = LEN,
	};
	char *mem = self->mem;
	int bit, i;

	for (bit = 1; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, reg(t, mem, LEN, 1U << bit));
		EXPECT_EQ(-EINVAL, reg(t, mem, LEN, RO | 1U << bit));
	}
	for (bit = 0; bit < 32; bit++) {
		r.reserved = 1U << bit;
		EXPECT_EQ(-EINVAL, raw_buf_cmd(&t->ctl, REG, t->info.dev_id,
					       &r, sizeof(r)));
	}
	EXPECT_EQ(-EINVAL, reg(t, mem, 0, 0));
	EXPECT_EQ(-EINVAL, reg(t, mem, 1, 0));
	EXPECT_EQ(-EINVAL, reg(t, mem, PAGE - 1, 0));
	EXPECT_EQ(-EINVAL, reg(t, mem, PAGE + 512, 0));
	EXPECT_EQ(-EINVAL, reg(t, mem + 512, PAGE, 0));
	EXPECT_EQ(-EINVAL, reg(t, mem + 1, PAGE, 0));
	EXPECT_EQ(-EINVAL, reg(t, mem, (1ULL << 32) + PAGE, 0));
	EXPECT_EQ(-EINVAL, reg(t, mem, 1ULL << 63, 0));
	EXPECT_EQ(-EINVAL, reg(t, mem, -PAGE, 0));
	/* Length and alignment are checked before the memory itself. */
	EXPECT_EQ(-EINVAL, reg(t, (void *)1, PAGE, 0));
	/* The failed commands have used no index. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(i, reg(t, mem + i * LEN, LEN, i & 1 ? RO : 0));
}

/* covers: C-146 */
TEST_F(shm, C_146_memory_that_cannot_be_had)
{
	struct fixture *t = &self->t;
	char *map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EFAULT, reg(t, NULL, PAGE, 0));
	EXPECT_EQ(-EFAULT, reg(t, (void *)(1ULL << 62), PAGE, 0));
	EXPECT_EQ(-EFAULT, reg(t, (void *)-16384ULL, 8192, 0));
	/* The end of the range is not mapped. */
	ASSERT_EQ(0, munmap(map + 2 * PAGE, PAGE));
	EXPECT_EQ(-EFAULT, reg(t, map, 4 * PAGE, 0));
	EXPECT_EQ(-EFAULT, reg(t, map, 3 * PAGE, RO));
	EXPECT_EQ(-EFAULT, reg(t, map + 2 * PAGE, PAGE, RO));
	EXPECT_EQ(0, reg(t, map, 2 * PAGE, 0));
	EXPECT_EQ(1, reg(t, map + 3 * PAGE, PAGE, 0));
	EXPECT_EQ(0, unreg(t, 0));
	EXPECT_EQ(0, unreg(t, 1));
	/* Memory that is not writable needs READ_ONLY. */
	ASSERT_EQ(0, mprotect(map, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, reg(t, map, PAGE, 0));
	EXPECT_EQ(0, reg(t, map, PAGE, RO));
	EXPECT_EQ(0, unreg(t, 0));
	/* The failed commands have registered nothing. */
	ASSERT_EQ(0, mprotect(map, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, reg(t, map, 2 * PAGE, 0));
}

/* covers: C-148 */
TEST_F(shm, C_148_pages_only_once)
{
	struct fixture *t = &self->t;
	char *mem = self->mem, *twice;
	int fd = memfd_create("twice", MFD_CLOEXEC);

	EXPECT_EQ(0, reg(t, mem, 4 * PAGE, 0));
	EXPECT_EQ(-EEXIST, reg(t, mem, 4 * PAGE, 0));
	EXPECT_EQ(-EEXIST, reg(t, mem, PAGE, RO));
	EXPECT_EQ(-EEXIST, reg(t, mem + 3 * PAGE, 4 * PAGE, 0));
	/*
	 * The pages of the failed command before the collision are not
	 * registered.
	 */
	EXPECT_EQ(-EEXIST, reg(t, mem + 8 * PAGE - 5 * PAGE, 8 * PAGE, 0));
	EXPECT_EQ(1, reg(t, mem + 4 * PAGE, 4 * PAGE, 0));
	EXPECT_EQ(-EEXIST, reg(t, mem + 4 * PAGE, 8 * PAGE, 0));
	EXPECT_EQ(2, reg(t, mem + 8 * PAGE, 4 * PAGE, RO));
	/* One page of a file at two addresses. */
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	twice = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, twice);
	ASSERT_NE(MAP_FAILED, mmap(twice, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, fd, 0));
	ASSERT_NE(MAP_FAILED, mmap(twice + PAGE, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, fd, 0));
	EXPECT_EQ(-EEXIST, reg(t, twice, 2 * PAGE, 0));
	EXPECT_EQ(3, reg(t, twice, PAGE, 0));
	EXPECT_EQ(-EEXIST, reg(t, twice + PAGE, PAGE, 0));
	/* Other devices have tables of their own. */
	ASSERT_EQ(0, fx_add(t, 1, 1, UBLK_F_SHMEM_ZC));
	EXPECT_EQ(0, reg(t, mem, 4 * PAGE, 0));
	EXPECT_EQ(1, reg(t, twice, PAGE, 0));
}

/* covers: C-147 C-149 C-153 C-154 C-155 */
TEST_F(shm, C_147_lowest_free_index)
{
	struct fixture *t = &self->t;
	char *mem = self->mem;
	int i;

	EXPECT_EQ(-ENOENT, unreg(t, 0));
	EXPECT_EQ(-ENOENT, unreg(t, 65535));
	EXPECT_EQ(-EINVAL, unreg(t, 65536));
	EXPECT_EQ(-EINVAL, unreg(t, 0x7fffffff));
	EXPECT_EQ(-EINVAL, unreg(t, 0x80000000));
	EXPECT_EQ(-EINVAL, unreg(t, 0xffffffff));
	for (i = 0; i < 40; i++)
		EXPECT_EQ(i, reg(t, mem + i * PAGE, PAGE, 0));
	EXPECT_EQ(0, unreg(t, 17));
	EXPECT_EQ(-ENOENT, unreg(t, 17));
	/* Only the lower 32 bits are used. */
	EXPECT_EQ(0, unreg(t, 1ULL << 40 | 5));
	EXPECT_EQ(5, reg(t, mem + 17 * PAGE, PAGE, 0));
	EXPECT_EQ(17, reg(t, mem + 5 * PAGE, PAGE, RO));
	EXPECT_EQ(40, reg(t, mem + 40 * PAGE, PAGE, 0));
	for (i = 0; i <= 40; i++)
		EXPECT_EQ(0, unreg(t, i));
	EXPECT_EQ(0, reg(t, mem, 41 * PAGE, 0));
}

/* Register page after page, several commands at a time. 0 or -errno. */
static int reg_pages(struct fixture *t, char *map, int pages)
{
	struct ublk_shmem_buf_reg r[8];
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff,
		.len = sizeof(r[0]),
	};
	struct io_uring_cqe *cqe;
	int i, k, ret = 0;

	for (i = 0; i < pages && !ret; i += 8) {
		for (k = 0; k < 8; k++) {
			memset(&r[k], 0, sizeof(r[k]));
			r[k].addr = (uintptr_t)map + (size_t)(i + k) * PAGE;
			r[k].len = PAGE;
			cmd.addr = (uintptr_t)&r[k];
			if (!raw_ctrl_prep(&t->ctl, REG, &cmd))
				return -EXFULL;
		}
		if (io_uring_submit_and_wait(&t->ctl.ring, 8) != 8)
			return -EIO;
		for (k = 0; k < 8; k++) {
			if (io_uring_peek_cqe(&t->ctl.ring, &cqe))
				return -EIO;
			if (cqe->res < 0)
				ret = cqe->res;
			io_uring_cqe_seen(&t->ctl.ring, cqe);
		}
	}
	return ret;
}

/* covers: C-147 */
TEST_F(shm, C_147_all_indexes)
{
	int fd = memfd_create("many", MFD_CLOEXEC);
	size_t len = 65536UL * PAGE;
	char *map;

	if (variant->legacy || raw_less() >= 8)
		SKIP(return, "once, where little is left out, is enough");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, len + PAGE));
	map = mmap(NULL, len + PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, reg_pages(&self->t, map, 65536));
	EXPECT_EQ(-ENOSPC, reg(&self->t, map + len, PAGE, 0));
	EXPECT_EQ(0, unreg(&self->t, 54321));
	EXPECT_EQ(54321, reg(&self->t, map + len, PAGE, 0));
	EXPECT_EQ(-ENOSPC, reg(&self->t, self->mem, PAGE, 0));
}

/* covers: C-150 */
TEST_F(shm, C_150_lasts_as_long_as_the_device)
{
	struct fixture *t = &self->t;
	char *mem = self->mem;

	/* Before the node is opened, while it is, served, LIVE, stopped. */
	EXPECT_EQ(0, reg(t, mem, PAGE, 0));
	ASSERT_EQ(0, fx_serve(t, 0));
	EXPECT_EQ(1, reg(t, mem + PAGE, PAGE, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(2, reg(t, mem + 2 * PAGE, PAGE, 0));
	EXPECT_EQ(-EEXIST, reg(t, mem, PAGE, 0));
	ASSERT_EQ(0, fx_stop(t));
	EXPECT_EQ(3, reg(t, mem + 3 * PAGE, PAGE, 0));
	fx_close(t);
	EXPECT_EQ(4, reg(t, mem + 4 * PAGE, PAGE, 0));
	EXPECT_EQ(-EEXIST, reg(t, mem + 2 * PAGE, PAGE, 0));
	/* The next server has the same registrations. */
	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	EXPECT_EQ(0, unreg(t, 1));
	EXPECT_EQ(-EEXIST, reg(t, mem + 2 * PAGE, PAGE, 0));
	ASSERT_EQ(0, fx_stop(t));
	fx_close(t);
	ASSERT_EQ(0, raw_del(&t->ctl, t->info.dev_id));
	EXPECT_EQ(-ENODEV, unreg(t, 0));
	/* The next device gets the number, but not the registrations. */
	ASSERT_EQ(0, fx_add(t, 1, 4, UBLK_F_SHMEM_ZC));
	EXPECT_EQ(-ENOENT, unreg(t, 0));
	EXPECT_EQ(0, reg(t, mem, PAGE, 0));
}

struct reg_args {
	struct fixture *t;
	char *mem;
};

static long reg_in_child(void *arg)
{
	struct reg_args *a = arg;
	struct raw_ctrl ctl;
	struct ublk_shmem_buf_reg r = {
		.addr = (uintptr_t)a->mem, .len = LEN,
	};
	long ret = raw_ctrl_open(&ctl);

	if (!ret)
		ret = raw_buf_cmd(&ctl, REG, a->t->info.dev_id, &r, sizeof(r));
	/* The process exits without unregistering. */
	return ret;
}

/* covers: C-150 C-146 C-148 */
TEST_F(shm, C_150_outlives_the_process_that_registered)
{
	struct fixture *t = &self->t;
	struct reg_args a = { .t = t, .mem = self->mem };
	char *own = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, own);
	memset(own, 1, LEN);
	EXPECT_EQ(0, raw_in_process(reg_in_child, &a));
	EXPECT_EQ(-EEXIST, reg(t, self->mem, LEN, 0));
	a.mem = own;
	EXPECT_EQ(1, raw_in_process(reg_in_child, &a));
	EXPECT_EQ(0, unreg(t, 0));
	EXPECT_EQ(0, unreg(t, 1));
	EXPECT_EQ(0, reg(t, self->mem, LEN, 0));
	/* Memory that has been unmapped in the meantime. */
	EXPECT_EQ(1, reg(t, own, LEN, 0));
	ASSERT_EQ(0, munmap(own, LEN));
	EXPECT_EQ(0, unreg(t, 1));
}

static long locked_job(void *arg)
{
	struct reg_args *a = arg;
	struct rlimit lim = { 8 * PAGE, 8 * PAGE };
	struct ublk_shmem_buf_reg r = { .addr = (uintptr_t)a->mem };
	int id = a->t->info.dev_id, ret;
	struct raw_ctrl ctl;

	ret = raw_ctrl_open(&ctl);
	if (!ret)
		ret = raw_drop_ipc_lock();
	if (!ret && setrlimit(RLIMIT_MEMLOCK, &lim))
		ret = -errno;
	if (ret)
		return ret;
	r.len = 9 * PAGE;
	ret = raw_buf_cmd(&ctl, REG, id, &r, sizeof(r));
	if (ret != -ENOMEM)
		return ret < 0 ? ret : 100 + ret;
	/* Exactly as much as allowed, twice: UNREG_BUF gives it back. */
	r.len = 8 * PAGE;
	for (id = 0; id < 2; id++) {
		ret = raw_buf_cmd(&ctl, REG, a->t->info.dev_id, &r,
				  sizeof(r));
		if (ret)
			return ret < 0 ? ret : 200 + ret;
		r.addr += 8 * PAGE;
		r.len = PAGE;
		ret = raw_buf_cmd(&ctl, REG, a->t->info.dev_id, &r,
				  sizeof(r));
		if (ret != -ENOMEM)
			return ret < 0 ? ret : 300 + ret;
		r.addr -= 8 * PAGE;
		r.len = 8 * PAGE;
		ret = raw_dev_cmd(&ctl, UNREG, a->t->info.dev_id, 0);
		if (ret)
			return ret;
	}
	return 0;
}

/* covers: I-4 C-145 */
TEST_F(shm, I_4_memory_is_charged)
{
	struct reg_args a = { .t = &self->t, .mem = self->mem };
	bool mainline = running_on_mainline();

	/* In another process, whose own limit applies. */
	EXPECT_EQ(mainline ? 100 : 0, raw_in_process(locked_job, &a));
	if (mainline)
		SKIP(return, "mainline pins any amount of memory");
}

/* covers: C-151 C-156 I-41 */
TEST_F(shm, C_151_requests_in_flight)
{
	bool mainline = running_on_mainline();
	struct fixture *t = &self->t;
	struct ublk_shmem_buf_reg r = {
		.addr = (uintptr_t)self->mem + 16 * PAGE, .len = PAGE,
	};
	struct ublksrv_ctrl_cmd cmd = {
		.dev_id = t->info.dev_id, .queue_id = 0xffff,
		.len = sizeof(r), .addr = (uintptr_t)&r,
	};
	struct raw_ev ev;
	int job, ret;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_fetch_all(&t->ring));
	ASSERT_EQ(0, fx_start(t));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, ev.res);
	/* A server that owns a request can register without blocking. */
	ret = raw_ctrl_cmd_ms(&t->ctl, REG, &cmd, mainline ? 300 : 5000);
	EXPECT_EQ(mainline ? RAW_TIMEOUT : 0, ret);
	ASSERT_EQ(0, raw_serve(&t->ring, &ev));
	EXPECT_EQ(LEN, fx_finish(t, job));
	if (mainline) {
		/*
		 * The answer of the first command has come by now and is
		 * dropped.
		 */
		EXPECT_EQ(-EEXIST, reg(t, self->mem + 16 * PAGE, PAGE, 0));
	}
	EXPECT_EQ(0, unreg(t, 0));
	EXPECT_EQ(0, fx_stop(t));
	if (mainline)
		SKIP(return, "mainline waits for all requests of the disk");
}

/* covers: I-41 C-151 L-58 */
TEST_F(shm, I_41_held_requests)
{
	__u64 flags = UBLK_F_SHMEM_ZC | UBLK_F_USER_RECOVERY |
		      UBLK_F_USER_RECOVERY_REISSUE;
	struct fixture *t = &self->t;
	struct raw_ev ev;
	int job, ret;

	if (running_on_mainline())
		SKIP(return, "mainline hangs, and everything after it");
	FX_REQUIRE(t, flags);
	ASSERT_EQ(0, fx_up(t, 1, 4, flags));
	EXPECT_EQ(0, reg(t, self->mem + 16 * PAGE, PAGE, 0));
	ASSERT_EQ(0, fx_request(t, CLIENT_WRITE, WIN, LEN, &job, &ev));
	ASSERT_EQ(0, rec_lose(t));
	EXPECT_FALSE(client_done(t->client, job));
	/*
	 * The commands succeed or are refused, but end, and the device works.
	 */
	ret = reg(t, self->mem, LEN, 0);
	EXPECT_TRUE(ret == 1 || ret == -EBUSY) TH_LOG("REG_BUF %d", ret);
	ret = unreg(t, 0);
	EXPECT_TRUE(ret == 0 || ret == -EBUSY) TH_LOG("UNREG_BUF %d", ret);
	EXPECT_FALSE(client_done(t->client, job));
	t->srv.shm[1] = self->mem;
	ASSERT_EQ(0, rec_recover(t));
	EXPECT_EQ(LEN, fx_finish(t, job));
	EXPECT_EQ(0, memcmp(t->srv.store + WIN, t->client->data, LEN));
	EXPECT_EQ(0, fx_stop(t));
}

TEST_HARNESS_MAIN
