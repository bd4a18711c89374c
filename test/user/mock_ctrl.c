// SPDX-License-Identifier: GPL-2.0
/*
 * The mock kernel's control commands, in the place of the library's ctrl.c, and
 * its files: the char device is the memory of the descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "logic/features.h"
#include "logic/pos.h"

#include "mock.h"

static struct ublk_params disk;
static int descs_fd = -1;
/* The library opens the char device once at a time. */
static int char_fd = -1;
static bool exists;
struct ublksrv_ctrl_dev_info mock_dev;
char *mock_descs;

void mock_ctrl_reset(void)
{
	exists = false;
}

int mock_device_exists(void)
{
	return exists;
}

int ublk_ctrl_open(struct ublk_ctrl **ctrl)
{
	*ctrl = calloc(1, 8);
	return 0;
}

void ublk_ctrl_close(struct ublk_ctrl *ctrl)
{
	free(ctrl);
}

void ublk_ctrl_set_deadline(struct ublk_ctrl *ctrl, unsigned int ms)
{
	(void)ctrl;
	(void)ms;
}

int ublk_ctrl_add_dev(struct ublk_ctrl *ctrl,
		      struct ublksrv_ctrl_dev_info *i)
{
	size_t len = MOCK_QUEUES * ublk_pos_desc_stride(24, 4096);

	(void)ctrl;
	if (mock.add)
		return -mock.add;
	if (i->dev_id == UBLK_ID_AUTO)
		i->dev_id = MOCK_ID;
	if (i->nr_hw_queues > MOCK_QUEUES)
		i->nr_hw_queues = MOCK_QUEUES;
	if (mock.no_queues)
		i->nr_hw_queues = 1;
	i->flags &= mock.features | UBLK_F_USER_RECOVERY |
		(mock.get_data ? UBLK_F_NEED_GET_DATA : 0);
	if (ublk_features_grant(i, i->flags))
		return -EINVAL;
	i->io_desc_size = 24;
	mock_dev = *i;
	exists = true;
	descs_fd = memfd_create("descs", MFD_CLOEXEC);
	if (ftruncate(descs_fd, len))
		abort();
	mock_descs = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			  descs_fd, 0);
	return 0;
}

int ublk_ctrl_get_features(struct ublk_ctrl *ctrl, __u64 *features)
{
	(void)ctrl;
	*features = mock.features;
	return mock.features ? 0 : -EOPNOTSUPP;
}

int ublk_ctrl_del_dev(struct ublk_ctrl *ctrl, __u32 id)
{
	(void)ctrl;
	if (!exists || id != mock_dev.dev_id)
		return -ENODEV;
	munmap(mock_descs, MOCK_QUEUES * ublk_pos_desc_stride(24, 4096));
	close(descs_fd);
	exists = false;
	return 0;
}

int ublk_ctrl_set_params(struct ublk_ctrl *ctrl, __u32 id,
			 const struct ublk_params *params)
{
	(void)ctrl;
	(void)id;
	if (!mock.set_params)
		disk = *params;
	return -mock.set_params;
}

struct ublksrv_ctrl_dev_info *mock_info(void)
{
	return &mock_dev;
}

int ublk_ctrl_update_size(struct ublk_ctrl *ctrl, __u32 id, __u64 sectors)
{
	(void)ctrl;
	if (!exists || id != mock_dev.dev_id)
		return -ENODEV;
	disk.basic.dev_sectors = sectors;
	return 0;
}

struct ublk_params *mock_params(void)
{
	return &disk;
}

int ublk_ctrl_get_info(struct ublk_ctrl *ctrl, __u32 id,
		       struct ublksrv_ctrl_dev_info *i)
{
	(void)ctrl;
	if (!exists || id != mock_dev.dev_id)
		return -ENODEV;
	*i = mock_dev;
	return 0;
}

int ublk_ctrl_get_params_size(struct ublk_ctrl *ctrl, __u32 id,
			      struct ublk_params *params, size_t size)
{
	(void)ctrl;
	if (!exists || id != mock_dev.dev_id)
		return -ENODEV;
	if (size != sizeof(disk))
		return -EINVAL;
	*params = disk;
	params->types |= UBLK_PARAM_TYPE_DEVT;
	return 0;
}

int ublk_ctrl_start_recovery(struct ublk_ctrl *ctrl, __u32 id)
{
	(void)ctrl;
	(void)id;
	if (!(mock_dev.flags & UBLK_F_USER_RECOVERY))
		return -EINVAL;
	if (mock.busy) {
		mock.busy--;
		return -EBUSY;
	}
	return 0;
}

/* The server has to have fetched every tag by then. */
int ublk_ctrl_end_recovery(struct ublk_ctrl *ctrl, __u32 id, pid_t pid)
{
	int start = mock.start, ret;

	mock.start = mock.end_recovery;
	ret = ublk_ctrl_start_dev(ctrl, id, pid);
	mock.start = start;
	return ret;
}

int ublk_ctrl_start_dev(struct ublk_ctrl *ctrl, __u32 id, pid_t pid)
{
	int q, t;

	(void)ctrl;
	(void)id;
	if (pid != getpid())
		return -EINVAL;
	pthread_mutex_lock(&mock_lock);
	for (q = 0; q < mock_dev.nr_hw_queues; q++)
		for (t = 0; t < mock_dev.queue_depth; t++)
			if (mock_tags[q][t].state == UBLK_TAG_EMPTY)
				abort();	/* the real one would hang */
	pthread_mutex_unlock(&mock_lock);
	if (mock.at_start)
		mock.at_start();
	return -mock.start;
}

int ublk_ctrl_stop_dev(struct ublk_ctrl *ctrl, __u32 id)
{
	(void)ctrl;
	if (!exists || id != mock_dev.dev_id)
		return -ENODEV;
	if (mock.stop)
		return -mock.stop;
	/* The real driver ends those when the char device is closed. */
	if (mock_count.orphans && char_fd >= 0)
		mock_count.stop_hangs++;
	mock_stop_all();
	return 0;
}

int ublk_ctrl_reg_buf(struct ublk_ctrl *ctrl, __u32 id, void *addr, __u64 len,
		      __u32 flags)
{
	(void)ctrl;
	if (id != mock_dev.dev_id || flags ||
	    !(mock_dev.flags & UBLK_F_SHMEM_ZC))
		return -EOPNOTSUPP;
	mock_count.shmem = addr;
	mock_count.shmem_len = len;
	return mock.shmem_reg;
}

__u64 mock_shmem_len(void)
{
	return mock_count.shmem_len;
}

int ublk_ctrl_get_affinity(struct ublk_ctrl *ctrl, __u32 id, __u16 qid,
			   cpu_set_t *set, size_t size)
{
	(void)ctrl;
	(void)id;
	(void)qid;
	memset(set, 0xff, size);
	return 0;
}

/* ---- files -------------------------------------------------------------- */

/* The test programs are linked with --wrap=open and --wrap=close. */
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (!strncmp(path, "/dev/ublkc", 10)) {
		char_fd = fcntl(descs_fd, F_DUPFD_CLOEXEC, 0);
		return char_fd;
	}
	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return __real_open(path, flags, mode);
}

int __wrap_close(int fd)
{
	if (fd == char_fd)
		char_fd = -1;
	return __real_close(fd);
}
