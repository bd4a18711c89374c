// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/ublkcN as a file: open, release, mmap of the descriptors, lseek, ioctl,
 * poll (data.rst section 1). I/O commands are in uapi_io.c.
 *
 * runner: distro
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include "kselftest_harness.h"
#include "lib/fixture.h"

FIXTURE(chr) {
	struct fixture t;
	char path[32];
	size_t stride, area;
};

FIXTURE_VARIANT(chr) {
	int queues, depth;
};

FIXTURE_VARIANT_ADD(chr, q1_d4) {
	.queues = 1, .depth = 4,
};

FIXTURE_VARIANT_ADD(chr, q2_d1024) {
	.queues = 2, .depth = 1024,
};

FIXTURE_SETUP(chr)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct fixture *t = &self->t;

	FX_SETUP(t, 0);
	ASSERT_EQ(0, fx_add(t, variant->queues, variant->depth, 0));
	snprintf(self->path, sizeof(self->path), "/dev/ublkc%u",
		 t->info.dev_id);
	self->stride = (4096 * 24 + page - 1) / page * page;
	self->area = (variant->depth * 24 + page - 1) / page * page;
}

FIXTURE_TEARDOWN_PARENT(chr)
{
	FX_TEARDOWN(&self->t);
}

#define MAP(fd, prot, how, len, off) mmap(NULL, len, prot, how, fd, off)

/* covers: D-1 D-4 L-20 L-22 F-16 */
TEST_F(chr, D_1_one_open_at_a_time)
{
	int fd, i;

	for (i = 0; i < 10; i++) {
		fd = raw_char_open(self->t.info.dev_id);
		ASSERT_LE(0, fd);
		EXPECT_EQ(-1, open(self->path, O_RDWR));
		EXPECT_EQ(EBUSY, errno);
		EXPECT_EQ(-1, open(self->path, O_RDONLY));
		EXPECT_EQ(EBUSY, errno);
		close(fd);
	}
}

/* covers: D-3 */
TEST_F(chr, D_3_any_mode_no_capability)
{
	const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	long end = raw_now_ms() + RAW_DEADLINE_MS;
	unsigned int i;
	int fd;

	ASSERT_EQ(0, raw_drop_privileges());
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		do {
			fd = open(self->path, modes[i]);
		} while (fd < 0 && errno == EBUSY && raw_now_ms() < end);
		EXPECT_LE(0, fd) TH_LOG("mode %d: %s", modes[i],
					strerror(errno));
		close(fd);
	}
}

/* covers: I-67 */
TEST_F(chr, I_67_read_only_descriptor_does_not_serve)
{
	struct fixture *t = &self->t;
	int fd, q;

	if (running_on_mainline())
		SKIP(return, "mainline serves through any descriptor");
	ASSERT_EQ(0, fx_serve(t, 0));
	/* The same node, but open for reading only. */
	close(t->srv.fd);
	for (q = 0; q < t->info.nr_hw_queues; q++)
		munmap(t->srv.desc[q], t->srv.area);
	do {
		fd = open(self->path, O_RDONLY);
	} while (fd < 0 && errno == EBUSY);
	ASSERT_LE(0, fd);
	t->srv.fd = fd;
	EXPECT_EQ(-EACCES, raw_call(&t->ring, UBLK_U_IO_FETCH_REQ, 0, 0, 0,
				    raw_addr(&t->srv, 0, 0)));
	close(fd);
	t->srv.fd = raw_char_open(t->info.dev_id);
	ASSERT_LE(0, t->srv.fd);
	EXPECT_EQ(0, raw_fetch_all(&t->ring));
	close(t->srv.fd);
}

static bool busy(const char *path)
{
	long end = raw_now_ms() + 3 * RAW_QUIET_MS;
	int fd;

	do {
		fd = open(path, O_RDWR);
		if (fd >= 0) {
			close(fd);
			return false;
		}
		usleep(5000);
	} while (errno == EBUSY && raw_now_ms() < end);
	return true;
}

/* covers: D-4 L-24 */
TEST_F(chr, D_4_mapping_and_dup_hold_the_session)
{
	void *map;
	int fd, fd2;

	fd = raw_char_open(self->t.info.dev_id);
	ASSERT_LE(0, fd);
	map = MAP(fd, PROT_READ, MAP_SHARED, self->area, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_TRUE(busy(self->path)) TH_LOG("a mapping exists");
	munmap(map, self->area);
	fd = raw_char_open(self->t.info.dev_id);
	ASSERT_LE(0, fd);
	fd2 = dup(fd);
	close(fd);
	EXPECT_TRUE(busy(self->path)) TH_LOG("a duplicate exists");
	close(fd2);
	fd = raw_char_open(self->t.info.dev_id);
	EXPECT_LE(0, fd);
}

/* covers: D-4 */
TEST_F(chr, D_4_command_holds_the_session)
{
	struct fixture *t = &self->t;
	struct raw_ring other;
	int fd;

	ASSERT_EQ(0, fx_serve(t, 0));
	ASSERT_EQ(0, raw_ring_open(&other, &t->srv, 0));
	ASSERT_EQ(0, raw_fetch(&other, 0, 0));
	raw_srv_close(&t->srv);
	EXPECT_TRUE(busy(self->path)) TH_LOG("a command exists");
	raw_ring_close(&other);
	fd = raw_char_open(t->info.dev_id);
	EXPECT_LE(0, fd);
}

/* covers: D-4 */
TEST_F(chr, D_4_fixed_file_holds_the_session)
{
	struct io_uring ring;
	int fd;

	fd = raw_char_open(self->t.info.dev_id);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	ASSERT_EQ(0, io_uring_register_files(&ring, &fd, 1));
	close(fd);
	EXPECT_TRUE(busy(self->path)) TH_LOG("a fixed file exists");
	io_uring_queue_exit(&ring);
	EXPECT_LE(0, raw_char_open(self->t.info.dev_id));
}

/* mmap() in a child process: 0 or errno. */
static int child_mmap(int fd, size_t len)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		void *map = MAP(fd, PROT_READ, MAP_SHARED, len, 0);

		_exit(map == MAP_FAILED ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* covers: D-5 D-12 */
TEST_F(chr, D_5_first_mmap_binds)
{
	int fd = raw_char_open(self->t.info.dev_id);
	void *map;

	ASSERT_LE(0, fd);
	map = MAP(fd, PROT_READ, MAP_SHARED, self->area, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(EINVAL, child_mmap(fd, self->area));
	munmap(map, self->area);
	EXPECT_EQ(EINVAL, child_mmap(fd, self->area));
	map = MAP(fd, PROT_READ, MAP_SHARED, self->area, 0);
	EXPECT_NE(MAP_FAILED, map);
}

/* covers: D-5 D-6 */
TEST_F(chr, D_5_failed_mmap_binds_too)
{
	int fd = raw_char_open(self->t.info.dev_id);

	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, MAP(fd, PROT_READ | PROT_WRITE, MAP_SHARED,
				  self->area, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(EINVAL, child_mmap(fd, self->area));
}

/* covers: D-5 D-12 */
TEST_F(chr, D_5_child_may_bind)
{
	int fd = raw_char_open(self->t.info.dev_id);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, child_mmap(fd, self->area));
	EXPECT_EQ(MAP_FAILED, MAP(fd, PROT_READ, MAP_SHARED, self->area, 0));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
	/* The binding to the process ends with the session. */
	fd = raw_char_open(self->t.info.dev_id);
	ASSERT_LE(0, fd);
	EXPECT_NE(MAP_FAILED, MAP(fd, PROT_READ, MAP_SHARED, self->area, 0));
}

/* covers: D-6 D-7 D-8 */
TEST_F(chr, D_6_mmap_errors)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int n = self->t.info.nr_hw_queues;
	int fd = raw_char_open(self->t.info.dev_id);
	struct {
		int prot, error;
		size_t len;
		off_t off;
	} c[] = {
		{ PROT_READ | PROT_WRITE, EPERM, self->area, 0 },
		{ PROT_WRITE, EPERM, self->area, n * self->stride },
		{ PROT_READ, EINVAL, self->area, n * self->stride },
		{ PROT_READ, EINVAL, self->area, 1L << 40 },
		{ PROT_READ, EINVAL, self->area + page, 0 },
		{ PROT_READ, EINVAL, self->stride + page, 0 },
	};
	unsigned int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		EXPECT_EQ(MAP_FAILED, MAP(fd, c[i].prot, MAP_SHARED, c[i].len,
					  c[i].off)) {
			TH_LOG("case %u", i);
		}
		EXPECT_EQ(c[i].error, errno) {
			TH_LOG("case %u", i);
		}
	}
	if (self->area > page) {
		EXPECT_EQ(MAP_FAILED, MAP(fd, PROT_READ, MAP_SHARED,
					  self->area - page, 0));
	}
	/* The length is rounded up before the comparison. */
	EXPECT_NE(MAP_FAILED, MAP(fd, PROT_READ, MAP_SHARED,
				  self->area - 1, 0));
}

/* covers: D-9 D-10 D-11 D-20 */
TEST_F(chr, D_9_mmap_of_every_queue)
{
	size_t page = sysconf(_SC_PAGESIZE), i;
	int fd = raw_char_open(self->t.info.dev_id);
	char *shared, *private;
	int q;

	ASSERT_LE(0, fd);
	for (q = 0; q < self->t.info.nr_hw_queues; q++) {
		shared = MAP(fd, PROT_READ, MAP_SHARED, self->area,
			     q * self->stride);
		ASSERT_NE(MAP_FAILED, shared);
		private = MAP(fd, PROT_READ, MAP_PRIVATE, self->area,
			      q * self->stride + page);
		ASSERT_NE(MAP_FAILED, private);
		for (i = 0; i < self->area; i++) {
			if (shared[i] || private[i])
				break;
		}
		EXPECT_EQ(self->area, i) TH_LOG("area is not zeroed");
		EXPECT_EQ(-1, mprotect(shared, self->area,
				       PROT_READ | PROT_WRITE));
		EXPECT_EQ(EACCES, errno);
	}
}

/* covers: D-13 */
TEST_F(chr, D_13_poll_lseek_ioctl)
{
	struct pollfd pfd = { .events = POLLIN | POLLOUT };
	char buf[16];
	int fd = raw_char_open(self->t.info.dev_id);

	ASSERT_LE(0, fd);
	pfd.fd = fd;
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, pfd.revents);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, ioctl(fd, UBLK_U_IO_FETCH_REQ, buf));
	EXPECT_EQ(ENOTTY, errno);
	/* Without user copy no data can be read or written. */
	EXPECT_EQ(-1, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(-1, write(fd, buf, sizeof(buf)));
}

/* covers: D-13 D-141 */
TEST_F(chr, D_141_no_user_copy_on_a_dead_device)
{
	char buf[512];
	int fd;

	FX_REQUIRE(&self->t, UBLK_F_USER_COPY);
	fd = raw_char_open(self->t.info.dev_id);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pread(fd, buf, 512, UBLKSRV_IO_BUF_OFFSET));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, pwrite(fd, buf, 512, UBLKSRV_IO_BUF_OFFSET));
	EXPECT_EQ(EACCES, errno);
}

TEST_HARNESS_MAIN
