/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver and an io_uring made of userspace memory, to run libublk against.
 *
 * The files mock_*.c define the functions of liburing and the control commands
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

#include "libublk.h"

/* What goes wrong; all zero for nothing. Set between mock_reset() and use. */
struct mock_faults {
	int add, set_params, start, stop;	/* errno of control commands */
	int fetch;			/* errno of each FETCH_REQ */
	int commit;			/* errno of each COMMIT */
	int backend;			/* errno of one backend operation */
	bool no_zero_range;		/* the file system has none */
	__u32 max_transfer;		/* longest backend read or write */
	unsigned int ring_einval;	/* ring flags that are unknown */
	unsigned int ring_lacks;	/* IORING_FEAT_* that it does not have */
	bool get_data;			/* driver grants NEED_GET_DATA */
	bool no_queues;			/* driver gives one queue only */
	int end_recovery;		/* errno of END_USER_RECOVERY */
	__u64 features;			/* of the driver; 0: cannot tell */
	int busy;			/* START_USER_RECOVERYs that fail */
	int prep;			/* errno of PREP_IO_CMDS */
	bool hold;			/* batch: requests wait for mock_release() */
	int enobufs;			/* fetch commands that end with ENOBUFS */
	unsigned int short_commit;	/* elements that one COMMIT handles */
	int reg_table;			/* errno of making the buffer table */
	int reg_auto;			/* automatic registrations that fail */
	int reg_buf, unreg_buf;		/* errno of (UN)REGISTER_IO_BUF */
	int user_copy;			/* errno of pread and pwrite */
	__u32 max_copy;			/* longest of them */
	int shmem_reg;			/* result of REG_BUF */
	__u64 shmem_addr;		/* of requests with SHMEM_ZC */
	unsigned int poll_ends;		/* poll events that end the poll */
	unsigned int poll_busy;		/* changes of polls that fail: EALREADY */
	bool poll_late;			/* each event comes again, when it is old */
	void (*at_start)(void);		/* before the disk starts or continues */
};

/* mock.backend: the operation does not end. */
#define MOCK_NEVER	529

/* Bytes that a request can have. */
#define MOCK_DATA	65536

extern struct mock_faults mock;

void mock_reset(void);

/* Return: tag, or -1 when none got armed within two seconds. */
int mock_request(unsigned int qid, __u32 op_flags, __u64 sector,
		 __u32 nr_sectors);

/* The same with the data of a write. */
int mock_request_data(unsigned int qid, __u32 op_flags, __u64 sector,
		      __u32 nr_sectors, const void *data);

/* Batch: deliver what mock.hold has held back, in as few CQEs as possible. */
void mock_release(void);

/* Wait for the request's end. Return: committed result, -ETIMEDOUT */
int mock_wait(unsigned int qid, unsigned int tag);

/* The buffer that the tag's last command named. */
void *mock_buffer(unsigned int qid, unsigned int tag);

/* That command's address, the request's pages, bytes moved by user copy. */
__u64 mock_addr(unsigned int qid, unsigned int tag);
void *mock_data(unsigned int qid, unsigned int tag);
unsigned int mock_moved(unsigned int qid, unsigned int tag);

/* As by another process: every armed command gets ENODEV. */
void mock_stop_all(void);

/* The device as GET_DEV_INFO and GET_PARAMS tell it. */
struct ublksrv_ctrl_dev_info *mock_info(void);
struct ublk_params *mock_params(void);

/* What was counted since mock_reset(). */
unsigned int mock_nr_enter(void);	/* submit-and-wait calls */
unsigned int mock_nr_get_data(void);
unsigned int mock_nr_backend(void);
unsigned int mock_nr_foreign(void);	/* commands from a wrong thread */
unsigned int mock_nr_reg_buf(void);	/* REGISTER_IO_BUF */
unsigned int mock_nr_unreg_buf(void);
unsigned int mock_nr_leaked(void);	/* commits with a buffer left behind */
unsigned int mock_nr_stop_hangs(void);	/* stops that the server let wait */
unsigned int mock_nr_commits(void);	/* COMMIT_IO_CMDS */
unsigned int mock_nr_fetches(void);	/* FETCH_IO_CMDS */
unsigned int mock_nr_fixed(void);	/* backend SQEs with a table slot */
unsigned int mock_nr_polls(void);	/* polls that were sent */
unsigned int mock_nr_poll_events(void);
unsigned int mock_nr_linked(void);	/* SQEs with a link to the next */
__u64 mock_shmem_len(void);
int mock_device_exists(void);
int mock_last_rw_flags(void);
int mock_last_sqe_flags(void);
int mock_last_falloc_mode(void);

/* What the linker's --wrap makes of these. */
ssize_t __real_pread(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t off);
ssize_t __real_pwrite(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t off);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

#endif
