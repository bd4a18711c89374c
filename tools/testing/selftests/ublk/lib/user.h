/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The test as an ordinary user, for devices with UNPRIVILEGED_DEV.
 *
 * The calling thread takes another uid and gid and, for as long, has no
 * capability; the saved uid 0 brings both back. Control commands and children
 * started meanwhile have the user's credentials. Nodes are given to the user as
 * udev would.
 */
#ifndef UBLK_SELFTEST_USER_H
#define UBLK_SELFTEST_USER_H

#include "ut.h"

#define USER_UID	12345
#define USER_GID	12346
#define USER_OTHER	12347

int user_become(uid_t uid, gid_t gid);
int user_root(void);
int user_udev(int id, uid_t uid, gid_t gid, mode_t mode);
int user_add(struct ut *t, int queues, int depth, __u64 flags);
int user_path_cmd(struct ut *t, __u32 op, const char *path, __u64 data,
		  void *buf, __u16 len);
int user_cmd(struct ut *t, __u32 op, __u64 data);
int user_state(struct ut *t);
int user_wait_state(struct ut *t, int state);
int user_set_params(struct ut *t);

#endif
