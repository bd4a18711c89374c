/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes of a test: memory shared with them, their start, their end.
 */
#ifndef UBLK_SELFTEST_PROC_H
#define UBLK_SELFTEST_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void *proc_shared(size_t len);
pid_t proc_fork(void);
int proc_wait_exit(pid_t pid, int ms);
int proc_wait_count(int *count, int goal, int ms);
char proc_state(pid_t pid, pid_t tid);
pid_t proc_blocked(void);
void proc_dump(pid_t pid);

#endif
