/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test that serves a recoverable device loses it and takes it over again.
 *
 * The server is the test's own process. It "dies" by closing rings, mappings
 * and the char node, which ends the session like a death, and is the next
 * server, too. The contents of the device stay in t->srv.store. Servers that
 * really die are in server_proc.h.
 */
#ifndef UBLK_SELFTEST_RECOVERY_H
#define UBLK_SELFTEST_RECOVERY_H

#include "fixture.h"

/* Requests of a server that died end within this time (L-23). */
#define REC_FAST_MS	5000

int rec_lost_state(__u64 flags);
int rec_start(struct fixture *t);
int rec_lose(struct fixture *t);
int rec_begin(struct fixture *t);
int rec_end(struct fixture *t);
int rec_recover(struct fixture *t);
bool rec_waits(struct fixture *t, int job);
int rec_canceled(struct fixture *t, __u32 op, __u64 data);
int rec_queue_cpu(struct fixture *t, int q);
int rec_blk_on_cpu(struct fixture *t, int cpu, enum client_blk_op op, __u64 off,
		   __u32 len);
bool rec_disk_there(struct fixture *t);
int rec_live(struct fixture *t);
int rec_cmd(struct fixture *t, __u32 op, __u64 data);
int rec_io(struct fixture *t, enum client_blk_op op, int n);
int rec_fetch_queue(struct fixture *t, int q, int tag);
bool rec_fails(struct fixture *t);
bool rec_reissues(struct fixture *t);
int rec_held(struct fixture *t, int n);
long rec_held_result(struct fixture *t);

#endif
