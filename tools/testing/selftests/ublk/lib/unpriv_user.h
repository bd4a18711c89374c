/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The test as an unprivileged user, for devices with UNPRIVILEGED_DEV.
 *
 * The calling thread takes another uid and gid and has no capability until it
 * takes root's back, which the saved uid 0 allows. Control commands and
 * children started in between have the user's credentials. The user gets the
 * nodes as from udev.
 */
#ifndef UBLK_SELFTEST_UNPRIV_USER_H
#define UBLK_SELFTEST_UNPRIV_USER_H

#include "fixture.h"

#define UNPRIV_UID	12345
#define UNPRIV_GID	12346
#define UNPRIV_OTHER	12347

int unpriv_become(uid_t uid, gid_t gid);
int unpriv_end(void);
int unpriv_udev(int id, uid_t uid, gid_t gid, mode_t mode);
int unpriv_add(struct fixture *t, int queues, int depth, __u64 flags);
int unpriv_path_cmd(struct fixture *t, __u32 op, const char *path, __u64 data,
		    void *buf, __u16 len);
int unpriv_cmd(struct fixture *t, __u32 op, __u64 data);
int unpriv_state(struct fixture *t);
int unpriv_wait_state(struct fixture *t, int state);
int unpriv_set_params(struct fixture *t);

#endif
