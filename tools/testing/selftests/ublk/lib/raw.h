/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ublk protocol spoken directly, for tests that have to send what a correct
 * server never sends. Nothing here uses libublk.
 *
 * Three layers:
 *   raw_ctrl   one ring on /dev/ublk-control, one command at a time
 *   raw_srv    the char device of one device: descriptors, buffers, store
 *   raw_ring   one thread's ring for I/O commands of a raw_srv
 * and raw_data.c, what a server does in the modes without server buffers.
 *
 * The thread that uses a raw_ring is the daemon of the tags it fetches, so a
 * raw_ring belongs to one thread. Functions return 0 or more, or -errno;
 * RAW_TIMEOUT is no errno and means that no answer came before the deadline.
 * Another process does the block I/O (io_client.h): a process that waits for
 * its own server cannot be killed. Tests name the statements that they cover by
 * their numbers in Documentation/block/ublk-abi/.
 */
#ifndef UBLK_SELFTEST_RAW_H
#define UBLK_SELFTEST_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <liburing.h>
#include <linux/ublk_cmd.h>

#define RAW_TIMEOUT	(-100000)
/* A command that is to end takes less time than this, in a slow guest too. */
#define RAW_DEADLINE_MS	15000
/* After this time without an event a test concludes that none comes. */
#define RAW_QUIET_MS	100

/* Size of a large SQE, and offset of the command in any SQE. */
#define RAW_SQE128	128
#define RAW_SQE_CMD	48

/* Features of the ABI of Linux 7.3, and those that only this project's driver has. */
#define RAW_F_ABI	0x1fffffULL
#define RAW_F_OURS	(UBLK_F_REDIRECT | UBLK_F_EXTENTS)

#define RAW_MAX_QUEUES	64
/* Slots of a buffer table beyond those that raw_serve() uses, one per tag. */
#define RAW_SLOTS	32
#define RAW_MAX_SHM	8
#define RAW_DEV_BYTES	(256ULL << 20)
#define RAW_IO_BYTES	(512U << 10)

/*
 * Tests do their I/O in this window. Requests outside come from others
 * (partition scan, udev) and are served without telling the test.
 */
#define RAW_WIN_START	(128ULL << 20)
#define RAW_WIN_END	(192ULL << 20)

struct raw_ctrl {
	struct io_uring ring;
	int fd;
	bool legacy;		/* send command numbers, not encoded opcodes */
	__u64 seq;
};

/* What the test knows about a tag: the states of data.rst section 7. */
enum raw_tag {
	RAW_U, RAW_A, RAW_O, RAW_N, RAW_X,
};

struct raw_srv {
	struct ublksrv_ctrl_dev_info info;
	int fd;
	bool legacy;
	size_t stride, area;	/* descriptor area: file offset step, length */
	char *desc[RAW_MAX_QUEUES];
	char *bufs;		/* one buffer of RAW_IO_BYTES per tag */
	int buf_fd;		/* refcounted modes: the file that bufs maps */
	char *shm[RAW_MAX_SHM];	/* shared buffers by index, if any */
	char *store;		/* contents of the device, RAW_DEV_BYTES */
	unsigned char *state;	/* enum raw_tag for each tag */
};

struct raw_ev {
	__u16 q, tag;
	__u8 nr;
	int res;
	struct ublksrv_io_desc iod;	/* valid if a request was delivered */
};

#define RAW_STASH	256

struct raw_ring {
	struct io_uring ring;
	struct raw_srv *srv;
	__u64 sqe_addr;		/* for the next commands */
	__u8 sqe_flags;		/* the same, of those that the driver keeps */
	__u8 auto_flags;	/* in the words of raw_fetch() and raw_commit() */
	__u32 seq;
	unsigned int stashed;
	struct { __u64 user_data; int res; } stash[RAW_STASH];
};

/* ---- raw_ctrl.c --------------------------------------------------------- */

int raw_ctrl_open(struct raw_ctrl *c);
void raw_ctrl_close(struct raw_ctrl *c);
struct io_uring_sqe *raw_ctrl_prep(struct raw_ctrl *c, __u32 op,
				   const struct ublksrv_ctrl_cmd *cmd);
int raw_ctrl_cmd(struct raw_ctrl *c, __u32 op,
		 const struct ublksrv_ctrl_cmd *cmd);
int raw_ctrl_cmd_ms(struct raw_ctrl *c, __u32 op,
		    const struct ublksrv_ctrl_cmd *cmd, int ms);
int raw_dev_cmd(struct raw_ctrl *c, __u32 op, int id, __u64 data);
int raw_buf_cmd(struct raw_ctrl *c, __u32 op, int id, const void *buf,
		__u16 len);

/* Flags that raw_info_init() adds to @flags by itself. */
__u64 raw_added_flags(__u64 flags);
void raw_info_init(struct ublksrv_ctrl_dev_info *info, int queues, int depth,
		   __u64 flags);
/* The disk with the tags, whose attributes are those of a scheduler and of timeouts. */
static inline char raw_rq_disk(const struct ublksrv_ctrl_dev_info *info)
{
	return info->flags & UBLK_F_EXTENTS ? 'h' : 'b';
}

int raw_add(struct raw_ctrl *c, struct ublksrv_ctrl_dev_info *info);
int raw_del(struct raw_ctrl *c, int id);
int raw_get_info(struct raw_ctrl *c, int id,
		 struct ublksrv_ctrl_dev_info *info);
int raw_state(struct raw_ctrl *c, int id);
int raw_wait_state(struct raw_ctrl *c, int id, int state);
int raw_wait_state_ms(struct raw_ctrl *c, int id, int state, int ms);
int raw_features(struct raw_ctrl *c, __u64 *features);
void raw_params_init(struct ublk_params *p);
int raw_set_params(struct raw_ctrl *c, int id, struct ublk_params *p);
int raw_get_params(struct raw_ctrl *c, int id, struct ublk_params *p);

bool running_on_mainline(void);
bool raw_wait_path(const char *path, bool there);
bool raw_wait_worker(pid_t pid);
int raw_char_open(int id);
long raw_now_ms(void);
int raw_scale(void);
int raw_less(void);
int raw_possible_cpus(void);
long raw_read_ulong(const char *path);
int raw_write_text(const char *path, const char *text);
int raw_drop_privileges(void);
int raw_drop_ipc_lock(void);

/* ---- raw_io.c ----------------------------------------------------------- */

int raw_srv_open(struct raw_srv *s, const struct ublksrv_ctrl_dev_info *info);
void raw_srv_close(struct raw_srv *s);
int raw_store_file(char **store);
size_t raw_slot(const struct raw_srv *s, int q, int tag);
char *raw_buf(struct raw_srv *s, int q, int tag);
struct ublksrv_io_desc raw_desc(struct raw_srv *s, int q, int tag);
enum raw_tag raw_tag_state(struct raw_srv *s, int q, int tag);
bool raw_copy_mode(const struct raw_srv *s);
__u64 raw_addr(struct raw_srv *s, int q, int tag);
int raw_answer(struct raw_srv *s, const struct raw_ev *ev);
bool raw_foreign(const struct raw_ev *ev);

int raw_ring_open(struct raw_ring *r, struct raw_srv *s, unsigned int flags);
void raw_ring_close(struct raw_ring *r);
int raw_post(struct raw_ring *r, __u32 op, int q, int tag, int result,
	     __u64 addr, unsigned int sqe_flags, __u64 *user_data);
int raw_call(struct raw_ring *r, __u32 op, int q, int tag, int result,
	     __u64 addr);
int raw_call_async(struct raw_ring *r, __u32 op, int q, int tag, int result,
		   __u64 addr);
int raw_thread_call(struct raw_srv *s, __u32 op, int q, int tag, int result,
		    __u64 addr);
int raw_await(struct raw_ring *r, __u64 user_data, int ms);
int raw_arm(struct raw_ring *r, __u32 op, int q, int tag, int result,
	    __u64 addr, __u64 word);
int raw_fetch(struct raw_ring *r, int q, int tag);
int raw_fetch_all(struct raw_ring *r);
int raw_commit(struct raw_ring *r, int q, int tag, int result);
int raw_event(struct raw_ring *r, struct raw_ev *ev, int ms);
int raw_request(struct raw_ring *r, struct raw_ev *ev, int ms);
int raw_work(struct raw_ring *r, const struct raw_ev *ev);
int raw_serve(struct raw_ring *r, const struct raw_ev *ev);
int raw_collect_abort(struct raw_ring *r, int ms);

/* ---- raw_data.c ---------------------------------------------------------- */

typedef long (*raw_fn)(void *arg);

/* A user copy, for raw_in_thread() and raw_in_process(). */
struct raw_copy {
	struct raw_srv *s;
	int q, tag;
	bool put;
	void *buf;
	size_t len;
	__u64 off;
};

__u64 raw_pos(int q, int tag, __u64 off);
long raw_get(struct raw_srv *s, int q, int tag, void *buf, size_t len,
	     __u64 off);
long raw_put(struct raw_srv *s, int q, int tag, const void *buf, size_t len,
	     __u64 off);
long raw_copy_any(void *raw_copy);
int raw_table(struct raw_ring *r);
int raw_reg(struct raw_ring *r, int q, int tag, __u64 slot);
int raw_unreg(struct raw_ring *r, __u64 slot);
int raw_set_slot(struct raw_ring *r, int slot, void *buf, size_t len);
__u64 raw_user_data(struct raw_ring *r);
int raw_fixed_post(struct raw_ring *r, bool write, int fd, __u64 off,
		   int slot, __u64 addr, __u32 len, __u64 *user_data);
int raw_fixed(struct raw_ring *r, bool write, int fd, __u64 off, int slot,
	      __u64 addr, __u32 len);
__u64 raw_word(struct raw_ring *r, int q, int tag);
int raw_move(struct raw_ring *r, const struct raw_ev *ev);
void raw_fill(char *p, size_t len, unsigned int seed);
char *raw_hole(size_t len);
long raw_in_thread(raw_fn fn, void *arg);
long raw_in_process(raw_fn fn, void *arg);

#endif
