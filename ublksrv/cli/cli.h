/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of the program "ublk", grouped by file.
 *
 * A subcommand returns the exit status. A function that fails has recorded a
 * message with ublk_error(); the subcommand prints it once with cli_fail().
 */
#ifndef UBLK_CLI_H
#define UBLK_CLI_H

#include <stdio.h>
#include <sys/types.h>

#include "libublk.h"
#include "targets.h"

/* Exit status; listed in help and in the manual page. */
enum cli_exit {
	EXIT_OK		= 0,
	EXIT_FAILED	= 1,
	EXIT_USAGE	= 2,
	EXIT_NO_DEV	= 3,
	EXIT_NO_PERM	= 4,
	EXIT_NO_DRIVER	= 5,
	EXIT_TIMEOUT	= 6,
	EXIT_BUSY	= 7,
};

/* For a command that the driver should answer at once. */
#define CLI_QUERY_MS	5000

/**
 * struct cli_command - a subcommand
 * @name: as typed
 * @aliases: other names, separated by '|', or NULL; '_' stands for '-'
 * @args: synopsis of its arguments
 * @summary: one line for help
 * @opts: its options
 * @device: it also takes the options of a device and of its target
 * @may_miss_target: the target's required options may be missing, if none of its
 *	options is given
 * @default_type: chooses the target of a line without -t, or fails with a message;
 *	NULL for none
 * @run: executes it; argv[0] is the name. Returns an exit status.
 */
struct cli_command {
	const char *name;
	const char *aliases;
	const char *args;
	const char *summary;
	const struct ublk_opt *opts;
	bool device;
	bool may_miss_target;
	int (*default_type)(int argc, char **argv, const char **type);
	int (*run)(int argc, char **argv);
};

extern const struct cli_command add_command;
extern const struct cli_command del_command;
extern const struct cli_command up_command;
extern const struct cli_command down_command;
extern const struct cli_command apply_command;
extern const struct cli_command serve_command;
extern const struct cli_command shutdown_command;
extern const struct cli_command generator_command;
extern const struct cli_command doctor_command;
extern const struct cli_command gc_command;
extern const struct cli_command list_command;
extern const struct cli_command stat_command;
extern const struct cli_command top_command;
extern const struct cli_command events_command;
extern const struct cli_command features_command;
extern const struct cli_command recover_command;
extern const struct cli_command stop_command;
extern const struct cli_command quiesce_command;
extern const struct cli_command upgrade_command;
extern const struct cli_command resize_command;
extern const struct cli_command set_affinity_command;
extern const struct cli_command guardian_command;
extern const struct cli_command udev_owner_command;
extern const struct cli_command udev_name_command;
extern const struct cli_command udev_held_command;
extern const struct cli_command udev_mounts_command;
extern const struct cli_command losetup_command;
extern const struct cli_command completion_command;
extern const struct cli_command help_command;
extern const struct cli_command version_command;

struct opt_table;

/* main.c */
extern const struct cli_command * const cli_commands[];	/* ends with NULL */
extern const struct ublk_opt common_opts[];

const struct cli_command *cli_find_command(const char *name);
int cli_report(int status, const char *text);
struct opt_table cli_table(const struct cli_command *cmd);
int cli_parsed(const struct cli_command *cmd, int ret);
int cli_exit_status(int err);
bool cli_flush(void);
int cli_fail(int err);
int cli_usage(const struct cli_command *cmd);
int cli_parse(const struct cli_command *cmd, void *cfg, int argc, char **argv);
int cli_need_id(const struct cli_command *cmd, __u64 id);

/* help.c */
void cli_help_command(FILE *out, const struct cli_command *cmd);

/* losetup.c */
bool losetup_takes(const char *word);

/* device.c: which device is meant, and names */
#define DEVICE_NAME_MAX	64

int device_find(const char *text, __u64 *id);
int device_check(const struct ublksrv_ctrl_dev_info *info);
int device_of_node(const char *node, __u32 *id);
int device_name_check(const char *name);

/* names.c: numbers to text */
const char *name_of_state(unsigned int state);
const char *name_of_feature(unsigned int bit);
const char *since_of_feature(unsigned int bit);
int names_of_features(__u64 mask, char *buf, size_t len);

/* devnodes.c: /sys and /dev */
int devnodes_list(__u32 **ids);
int devnodes_wait_disk(const struct ublk_params *p, __u32 id, unsigned int ms);
void devnodes_wait_link(const char *name, unsigned int ms);
int devnodes_wait_gone(__u32 id, unsigned int ms);

/*
 * state.c: records of the devices that this program serves, one file per
 * device.
 */
struct json_t;

struct state {
	__u32 id;
	pid_t pid;
	__u64 flags;
	__u32 queues, depth, max_io_bytes;	/* 0 when unknown */
	bool mlock;
	unsigned int realtime;			/* priority, or 0 */
	unsigned int io_threads;		/* per queue */
	char *name;				/* of the device, or NULL */
	struct json_t *declared;		/* words of its declaration, or NULL */
	unsigned int hold_timeout;		/* seconds, for a guardian, or 0 */
	char *shmem;				/* file, or NULL */
	__u64 shmem_dev, shmem_ino;		/* identify that file */
	bool shmem_read_only;
	struct ublk_store *stores;		/* NULL when unknown */
	unsigned int nr_stores;
	struct json_t *options;			/* for config_unpack() */
	unsigned int nr_tids;
	pid_t *tids;				/* io_threads for each queue */
	const struct ublk_target *target;	/* NULL when unknown */
	char *target_name;
	char *target_text;			/* options, to be printed */
};

const char *state_name(__u32 id);
bool state_matches(const struct state *st,
		   const struct ublksrv_ctrl_dev_info *info);
int state_read(__u32 id, struct state *st);
int state_read_of(const struct ublksrv_ctrl_dev_info *info, struct state *st,
		  bool *has_daemon);
void state_free(struct state *st);
void state_remove(__u32 id, pid_t pid);
void state_remove_stale(__u32 id);
bool state_process_ended(pid_t pid);

/* state.c for state_write.c */
#define STATE_VERSION	1
#define STATE_NEW	".new"
#define STATE_DAMAGED	".damaged"

const char *state_dir(void);
const char *state_boot(void);
void state_path(char *buf, size_t len, __u32 id, const char *suffix);
int state_load(__u32 id, struct state *st, struct json_t **root);
int state_lock(void);

/* state_write.c */
enum state_old {
	STATE_OLD_NONE,		/* there was no file */
	STATE_OLD_KEPT,		/* it is there under another name */
	STATE_OLD_LOST,		/* it was overwritten */
};

int state_make_dir(void);
int state_write(struct ublk_dev *dev, const struct ublk_target *target,
		const void *cfg, const struct ublk_dev_opts *opts,
		const char *name, enum state_old *old);
void state_keep(__u32 id, enum state_old old);
void state_undo(__u32 id, enum state_old old);
int state_declare(__u32 id, struct json_t *words);
int state_hold(__u32 id, unsigned int seconds);
int state_resized(const struct ublksrv_ctrl_dev_info *info, __u64 was,
		  __u64 now);

/* mode.c: how data moves, as options and as text */
struct mode_args {
	bool copy;
	bool user_copy;
	bool zero_copy;
	bool batch;
	bool no_batch;
	bool redirect;
	bool no_redirect;
	bool passthrough;
	bool no_passthrough;
	__u64 io_threads;
	const char *shmem;
};

int mode_from_args(const struct mode_args *a, struct ublk_dev_opts *opts);
void mode_from_flags(__u64 flags, struct ublk_dev_opts *opts);
const char *mode_text(__u64 flags);
int mode_check_shmem(const struct state *st);

/* daemon.c */
struct daemon_args {
	struct ublk_dev_opts dev;
	__u64 wanted;		/* features to use if the driver has them */
	char note[256];		/* to be logged after a recovery, or "" */
	const char *name;	/* of the device, or NULL */
	const struct ublk_target *target;
	void *cfg;
	bool from_record;	/* @cfg is for config_free() */
	bool no_options;	/* the target's required options are missing */
	bool debug;		/* log more */
	unsigned int hold_timeout;	/* seconds, or 0 */
	int eventfd;		/* 0: none */
	bool show;		/* print the disk's node only */
	bool recover;		/* the device exists and waits for a server */
	bool replace;		/* it may have one, which hands over */
	__u64 *pause_us;	/* receives how long its IO waited for that */
	unsigned int timeout_ms;	/* until the disk is there */
	bool foreground;
	bool supervise;		/* start a supervisor, too */
	bool quiet;
};

/* In the place of the number of a device. */
#define DAEMON_FAILED	UINT64_MAX

int daemon_run(struct daemon_args *args);
void daemon_tell(const struct daemon_args *args, __u64 id);
void daemon_close_others(int keep);
void daemon_use_syslog(enum ublk_log_level level);
bool daemon_is_mute(void);

/* leave.c: a daemon that is asked to end */
enum leave {
	LEAVE_NOT,		/* goes on */
	LEAVE_THREADS,		/* the driver has ended the threads, or will */
	LEAVE_DETACH,		/* leave the device for "recover" */
	LEAVE_DELETE,		/* stop and delete it */
};

enum leave leave_by_signal(struct ublk_dev *dev);

/* devopts.c: options of a device and its target */
struct devopts {
	const char *type;
	__u64 queues;
	__u64 depth;
	__u64 io_buf;
	struct mode_args mode;
	bool get_data;
	bool recovery;
	bool reissue;
	bool fail_io;
	__u64 hold_timeout;	/* seconds, 0: no bound, or HOLD_UNSET */
	bool ublksrv;		/* a 0 or 1 was given to an option that needs none */
	bool unprivileged;
	bool uring_comp;
	bool no_scan;
	bool mlock;
	__u64 realtime;
	char *shmem;		/* file, empty if only the option was given */
	char *htlb;
	bool shmem_read_only;
	const char *name;
	__u64 debug_mask;
	__u64 eventfd;		/* 0: none */
};

extern const struct ublk_opt devopts_table[];

int devopts_parse(const struct cli_command *cmd, void *own,
		  struct devopts *cfg, struct daemon_args *args, int argc,
		  char **argv);
const struct ublk_target *devopts_find_target(const char *type);
void devopts_free_target(struct daemon_args *args);
void devopts_free(struct devopts *cfg, struct daemon_args *args);
bool devopts_given(const struct devopts *cfg);
int devopts_features(const struct devopts *cfg, struct daemon_args *args);

/* bringup.c */
int bringup(const struct daemon_args *args, struct ublk_dev **dev);

/* common.c: shared by the commands on existing devices */
__u64 common_now_ns(void);
int common_open(__u32 id, struct ublk_ctrl **ctrl,
		struct ublksrv_ctrl_dev_info *info);
int common_explain(__u32 id, int err);
int common_prefix(__u32 id, int err);
int common_silent(__u32 id, pid_t pid, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int common_no_disk(__u32 id, const char *what);
int common_open_daemon(__u32 id, pid_t pid);
bool common_daemon_ended(int pidfd, unsigned int ms);
int common_wait_state(struct ublk_ctrl *ctrl, __u32 id, unsigned int not_state,
		      unsigned int ms, struct ublksrv_ctrl_dev_info *info);

/* handover.c: a daemon that ends, and leaves the device */
int handover(__u32 id, unsigned int ms);

/* list.c */
int list_print(struct ublk_ctrl *ctrl, __u32 id);

/* hold.c: how long the driver holds requests */
#define HOLD_UNSET	UINT64_MAX
#define HOLD_DEFAULT	300	/* seconds, where nobody supervises */

bool hold_has(__u32 id);
int hold_set(__u32 id, unsigned int seconds);
unsigned int hold_get(__u32 id);

/* guard.c: exit although a command does not end */
void guard_name(const char *what);
void guard_enter(void);
void guard_report(int status);
void guard_leave(void);

/* session.c: the session of a login */
void session_leave(__u32 id, const char *what);

/* serve_start.c */
int serve_start(__u32 id);

/* module.c: the driver */
int module_load(void);

/* survive.c: a daemon when memory is short */
int survive_set_up(bool locked);
void survive_log(__u32 id, int err);

/* proc.c: states of processes, and what they have open */
const char *proc_state_text(pid_t pid);
const char *proc_cure(__u32 id, pid_t pid, char *buf, size_t len);
unsigned int proc_openers(mode_t type, const dev_t *devs, unsigned int nr,
			  char *buf, size_t len);

/* del.c for del_all.c */
struct del_cfg {
	__u64 id;
	__u64 timeout;
	bool all;
	bool async;
	bool force;
	bool quiet;
};

struct users_known;

int del_device(__u32 id, const struct del_cfg *cfg,
	       const struct users_known *known);

/* del_all.c */
int del_all(const struct del_cfg *cfg);

#endif
