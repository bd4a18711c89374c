/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver and an io_uring made of userspace memory, to run libublk against.
 *
 * mock_kernel.c defines the functions of liburing and the control commands
 * that the library calls, so a test links the library's real sources without
 * ctrl.c and -luring. Tag states follow the driver's own logic/tag.h: a command
 * that the driver would refuse is refused here.
 *
 * Requests are made by mock_request(), which waits for an armed tag, and end
 * in mock_wait(). The test's thread is the block layer, the library's workers
 * are the server.
 */
#ifndef MOCK_KERNEL_H
#define MOCK_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/types.h>

/* What goes wrong; all zero for nothing. Set between mock_reset() and use. */
struct mock_faults {
	int add, set_params, start, stop;	/* errno of control commands */
	int fetch;			/* errno of each FETCH_REQ */
	int commit;			/* errno of each COMMIT */
	int backend;			/* errno of one backend operation */
	__u32 max_transfer;		/* longest backend read or write */
	unsigned int ring_einval;	/* ring flags that are unknown */
	bool get_data;			/* driver grants NEED_GET_DATA */
	bool no_queues;			/* driver gives one queue only */
	int end_recovery;		/* errno of END_USER_RECOVERY */
	__u64 features;			/* of the driver; 0: cannot tell */
	int busy;			/* START_USER_RECOVERYs that fail */
};

extern struct mock_faults mock;

void mock_reset(void);

/* Return: tag, or -1 when none got armed within two seconds. */
int mock_request(unsigned int qid, __u32 op_flags, __u64 sector,
		 __u32 nr_sectors);

/* Wait for the request's end. Return: committed result, -ETIMEDOUT */
int mock_wait(unsigned int qid, unsigned int tag);

/* The buffer that the tag's last command named. */
void *mock_buffer(unsigned int qid, unsigned int tag);

/* As by another process: every armed command gets ENODEV. */
void mock_stop_all(void);

/* The device as GET_DEV_INFO and GET_PARAMS tell it. */
struct ublksrv_ctrl_dev_info;
struct ublk_params;
struct ublksrv_ctrl_dev_info *mock_info(void);
struct ublk_params *mock_params(void);

/* What was counted since mock_reset(). */
unsigned int mock_nr_enter(void);	/* submit-and-wait calls */
unsigned int mock_nr_get_data(void);
unsigned int mock_nr_backend(void);
unsigned int mock_nr_foreign(void);	/* commands from a wrong thread */
int mock_device_exists(void);
int mock_last_rw_flags(void);
int mock_last_falloc_mode(void);

/* What the linker's --wrap=open makes of open(). */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

#endif
