// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: shared memory. A request with data there is
 * served in place; what happens when the file is truncated; what is refused.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "rig.h"

#define ZC	(UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY)
#define UC	UBLK_F_USER_COPY
#define BATCH	UBLK_F_BATCH_IO
#define ALL	(ZC | UC | BATCH | UBLK_F_SHMEM_ZC)
#define DATA_FLAGS	ALL

static const enum ublk_choice ways[] = { UBLK_CHOICE_NO, UBLK_CHOICE_YES };

#define SHMEM_TEMPLATE	"/tmp/ublk-shmem-XXXXXX"

static char shmem_path[sizeof(SHMEM_TEMPLATE)];

static char *shmem_make(size_t len)
{
	static int fd = -1;

	if (fd < 0) {
		strcpy(shmem_path, SHMEM_TEMPLATE);
		fd = mkstemp(shmem_path);
	}
	if (fd < 0 || ftruncate(fd, len))
		abort();
	opts.shmem = shmem_path;
	return len ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
		: NULL;
}

/* A request in the area is served there, the next one from the tag's buffer. */
static void test_shmem(void)
{
	struct ublk_dev *dev;
	char *mem;
	size_t i;
	int t;

	for (i = 0; i < 4; i++) {
		reset();
		mock.features = ALL;
		opts.batch = ways[i % 2];
		opts.mode = i / 2 ? UBLK_MODE_USER_COPY : UBLK_MODE_AUTO;
		opts.depth = 2;
		mem = shmem_make(65536);
		tgt.mode = FILL;
		dev = up(&by_ring);
		ktap_eq(ublk_dev_info(dev)->flags & DATA_FLAGS,
			UBLK_F_SHMEM_ZC | (i / 2 ? UC : 0) |
			(i % 2 ? BATCH : 0));
		ktap_eq(mock_shmem_len(), 65536);

		mock.shmem_addr = ublk_shmem_zc_addr(0, 8192);
		memcpy(mem + 8192, "hello", 5);
		t = mock_request(0, UBLK_IO_OP_WRITE | UBLK_IO_F_SHMEM_ZC, 0, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_eq(memcmp(tgt.seen, "hello", 5), 0);
		ktap_eq(mock_moved(0, t), 0);
		t = mock_request(0, UBLK_IO_OP_READ | UBLK_IO_F_SHMEM_ZC, 3, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_eq(mem[8192 + 512], 4);

		memset(mem, 0x55, 65536);
		t = mock_request(0, UBLK_IO_OP_READ, 3, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_eq(mem[0] | mem[8192], 0x55);
		/* not a buffer that this library has registered */
		mock.shmem_addr = ublk_shmem_zc_addr(1, 0);
		t = mock_request(0, UBLK_IO_OP_READ | UBLK_IO_F_SHMEM_ZC, 3, 8);
		ktap_eq(mock_wait(0, t), -EIO);
		down(dev);
		munmap(mem, 65536);
	}
}

/*
 * A client truncates the file: a request with data where it ended fails, from
 * the one during which that happens, and the others are served.
 */
static void test_shmem_truncated(void)
{
	struct ublk_dev *dev;
	char *mem;
	size_t i;
	int t;

	for (i = 0; i < 4; i++) {
		reset();
		mock.features = ALL;
		opts.batch = ways[i % 2];
		opts.mode = i / 2 ? UBLK_MODE_USER_COPY : UBLK_MODE_AUTO;
		opts.depth = 2;
		mem = shmem_make(65536);
		tgt.mode = FILL;
		dev = up(&with_done);
		ktap_eq(truncate(shmem_path, 16384), 0);

		mock.shmem_addr = ublk_shmem_zc_addr(0, 32768);
		t = mock_request(0, UBLK_IO_OP_WRITE | UBLK_IO_F_SHMEM_ZC, 0, 8);
		ktap_eq(mock_wait(0, t), -EIO);
		t = mock_request(0, UBLK_IO_OP_READ | UBLK_IO_F_SHMEM_ZC, 0, 8);
		ktap_eq(mock_wait(0, t), -EIO);
		/* nearer to the new end, and half behind it */
		mock.shmem_addr = ublk_shmem_zc_addr(0, 12288);
		t = mock_request(0, UBLK_IO_OP_READ | UBLK_IO_F_SHMEM_ZC, 0, 16);
		ktap_eq(mock_wait(0, t), -EIO);
		t = mock_request(0, UBLK_IO_OP_READ | UBLK_IO_F_SHMEM_ZC, 3, 8);
		ktap_eq(mock_wait(0, t), 4096);
		ktap_eq(mem[12288 + 512], 4);
		t = mock_request(0, UBLK_IO_OP_READ, 3, 8);
		ktap_eq(mock_wait(0, t), 4096);
		/* that the file grows does not bring back what the driver has */
		ktap_eq(truncate(shmem_path, 65536), 0);
		mock.shmem_addr = ublk_shmem_zc_addr(0, 32768);
		t = mock_request(0, UBLK_IO_OP_READ | UBLK_IO_F_SHMEM_ZC, 0, 8);
		ktap_eq(mock_wait(0, t), -EIO);
		down(dev);
		munmap(mem, 65536);
	}
}

/* A memfd that may be sealed cannot be truncated any more. */
static void test_shmem_sealed(void)
{
	int fd = memfd_create("ublk-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct ublk_dev *dev;
	char name[32];

	reset();
	mock.features = ALL;
	ktap_eq(ftruncate(fd, 65536), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	opts.shmem = name;
	dev = up(&with_done);
	ktap_eq(ftruncate(fd, 4096), -1);
	ktap_eq(errno, EPERM);
	down(dev);
	close(fd);
}

static void test_shmem_refused(void)
{
	struct ublk_dev *dev;
	char *mem;

	reset();
	mem = shmem_make(4096);
	mock.features = ALL & ~UBLK_F_SHMEM_ZC;
	ktap_eq(ublk_dev_new(&dev, &opts, &by_ring, NULL), -EOPNOTSUPP);
	mock.features = ALL;
	opts.mode = UBLK_MODE_ZERO_COPY;
	ktap_eq(ublk_dev_new(&dev, &opts, &by_ring, NULL), -EOPNOTSUPP);
	opts.mode = UBLK_MODE_AUTO;
	opts.features = UBLK_F_NEED_GET_DATA;
	ktap_eq(ublk_dev_new(&dev, &opts, &by_ring, NULL), -EOPNOTSUPP);
	opts.features = 0;
	opts.shmem = "/nowhere/at/all";
	ktap_eq(ublk_dev_new(&dev, &opts, &by_ring, NULL), -ENOENT);
	shmem_make(0);
	ktap_eq(ublk_dev_new(&dev, &opts, &by_ring, NULL), -EINVAL);
	munmap(mem, 4096);

	mem = shmem_make(4096);
	mock.shmem_reg = -ENOMEM;
	ktap_eq(ublk_dev_new(&dev, &opts, &by_ring, NULL), 0);
	ktap_eq(ublk_dev_add(dev), 0);
	ktap_eq(ublk_dev_configure(dev), -ENOMEM);
	ktap_true(strstr(ublk_strerror_last(), "RLIMIT_MEMLOCK"));
	ktap_eq(ublk_dev_del(dev), 0);
	ublk_dev_free(dev);
	munmap(mem, 4096);
}

static const struct ktap_test tests[] = {
	{ "shmem", test_shmem },
	{ "shmem_truncated", test_shmem_truncated },
	{ "shmem_sealed", test_shmem_sealed },
	{ "shmem_refused", test_shmem_refused },
};

int main(void)
{
	int ret;

	ublk_set_log(NULL, UBLK_LOG_ERR);
	ret = ktap_run(tests, ARRAY_SIZE(tests));
	unlink(shmem_path);
	return ret;
}
