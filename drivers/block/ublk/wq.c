// SPDX-License-Identifier: GPL-2.0
/*
 * Workqueues. Work that waits for one server must never delay the work of
 * another. Stop and exit work end the requests of a dead server; that is needed
 * to free memory when swap or dirty pages are on its disk.
 */
#include <linux/workqueue.h>

#include "ublk.h"

struct workqueue_struct *ublk_stop_wq;
struct workqueue_struct *ublk_exit_wq;
struct workqueue_struct *ublk_scan_wq;
struct workqueue_struct *ublk_file_wq;

void ublk_wq_exit(void)
{
	if (ublk_file_wq)
		destroy_workqueue(ublk_file_wq);
	if (ublk_scan_wq)
		destroy_workqueue(ublk_scan_wq);
	if (ublk_exit_wq)
		destroy_workqueue(ublk_exit_wq);
	if (ublk_stop_wq)
		destroy_workqueue(ublk_stop_wq);
}

int ublk_wq_init(void)
{
	ublk_stop_wq = alloc_workqueue("ublk_stop", WQ_UNBOUND | WQ_MEM_RECLAIM,
				       WQ_MAX_ACTIVE);
	ublk_exit_wq = alloc_workqueue("ublk_exit", WQ_UNBOUND | WQ_MEM_RECLAIM,
				       WQ_MAX_ACTIVE);
	ublk_scan_wq = alloc_workqueue("ublk_scan", WQ_UNBOUND, WQ_MAX_ACTIVE);
	ublk_file_wq = alloc_workqueue("ublk_file", WQ_UNBOUND | WQ_MEM_RECLAIM,
				       WQ_MAX_ACTIVE);
	if (ublk_stop_wq && ublk_exit_wq && ublk_scan_wq && ublk_file_wq)
		return 0;
	ublk_wq_exit();
	return -ENOMEM;
}
