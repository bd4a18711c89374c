// SPDX-License-Identifier: GPL-2.0
/*
 * ublk: block devices served by a userspace process. Module init and exit.
 *
 * The driver is in ublk/, one idea per file:
 *   ublk.h	  objects, layers, lock rules, what each file offers
 *   state.h	  the transitions of a tag, with their barriers
 *   logic/	  every decision, as pure functions that userspace compiles too
 * Control commands, /dev/ublk-control:
 *   ctrl.c	  the command table
 *   perm.c	  permission: commands, disk, number of unprivileged devices
 *   info.c	  read-only commands
 *   add.c	  ADD_DEV: allocation, and release with the last reference
 *   dev.c	  numbers and references
 *   params.c	  parameters, and the queue limits made of them
 *   disk.c	  /dev/ublkbN: START_DEV, removal, UPDATE_SIZE
 *   stop.c	  STOP_DEV, DEL_DEV
 * The session of a server, /dev/ublkcN:
 *   server.c	  open, mmap, readiness, end of the session
 *   lastref.c	  polling for the last reference to the open node
 *   recover.c	  handing the device over to the next server
 *   quiesce.c	  asking a server to leave
 *   cancel.c	  completing armed commands, ending requests of a dead server
 * A request:
 *   queue.c	  from the block layer onto its tag's command
 *   gate.c	  whether a request goes to the server, is held, or fails
 *   dispatch.c	  in the server's task: descriptor, data, completion of the command
 *   cmd.c	  commands of one tag: fetch, commit, get data
 *   batch_fetch.c  batch devices: requests to the server, as lists of tags
 *   batch_commit.c batch devices: commands from the server
 *   commit.c	  what commits of both kinds share
 *   complete.c	  end a request, or a part of it
 *   timeout.c	  a request is not answered in time
 * Data:
 *   copy.c	  copying between a request and memory of the server
 *   usercopy.c	  the same by pread and pwrite of the server
 *   buf.c	  references to a request, its pages as a buffer of a ring
 *   shmem.c	  requests whose data need not be copied
 *   integrity.c  protection information
 *   zoned.c	  zone reports, start of a zoned disk
 * Observation:
 *   debugfs.c	  the state of devices, queues and tags as text
 *   trace.h	  tracepoints; trace.c instantiates them
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "ublk/ublk.h"

/* Maximum number of devices of all unprivileged users together (L-95). */
unsigned int ublks_max = 64;

static int ublk_set_ublks_max(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, UBLK_MAX_DEVICES);
}

static const struct kernel_param_ops ublk_ublks_max_ops = {
	.set = ublk_set_ublks_max,
	.get = param_get_uint,
};

module_param_cb(ublks_max, &ublk_ublks_max_ops, &ublks_max, 0644);
MODULE_PARM_DESC(ublks_max, "Most devices that unprivileged users may have at a time (default 64)");

const struct class ublk_chr_class = {
	.name = "ublk-char",
};

dev_t ublk_chr_devt;

/*
 * Work that waits for one server must never delay the work of another. Stop and
 * exit work end the requests of a dead server; that is needed to free memory
 * when swap or dirty pages are on its disk.
 */
struct workqueue_struct *ublk_stop_wq;
struct workqueue_struct *ublk_exit_wq;
struct workqueue_struct *ublk_scan_wq;

static const struct file_operations ublk_control_fops = {
	.owner		= THIS_MODULE,
	.open		= nonseekable_open,
	.uring_cmd	= ublk_ctrl_uring_cmd,
};

struct miscdevice ublk_control_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "ublk-control",
	.fops	= &ublk_control_fops,
};

static void ublk_free_wqs(void)
{
	if (ublk_scan_wq)
		destroy_workqueue(ublk_scan_wq);
	if (ublk_exit_wq)
		destroy_workqueue(ublk_exit_wq);
	if (ublk_stop_wq)
		destroy_workqueue(ublk_stop_wq);
}

static int __init ublk_alloc_wqs(void)
{
	ublk_stop_wq = alloc_workqueue("ublk_stop", WQ_UNBOUND | WQ_MEM_RECLAIM,
				       WQ_MAX_ACTIVE);
	ublk_exit_wq = alloc_workqueue("ublk_exit", WQ_UNBOUND | WQ_MEM_RECLAIM,
				       WQ_MAX_ACTIVE);
	ublk_scan_wq = alloc_workqueue("ublk_scan", WQ_UNBOUND, WQ_MAX_ACTIVE);
	if (ublk_stop_wq && ublk_exit_wq && ublk_scan_wq)
		return 0;
	ublk_free_wqs();
	return -ENOMEM;
}

static int __init ublk_init(void)
{
	int ret;

	BUILD_BUG_ON(sizeof(struct ublk_cmd_pdu) > 24);

	ret = ublk_alloc_wqs();
	if (ret)
		return ret;
	ret = alloc_chrdev_region(&ublk_chr_devt, 0, UBLK_MAX_DEVICES,
				  "ublk-char");
	if (ret)
		goto err_free_wqs;
	ret = class_register(&ublk_chr_class);
	if (ret)
		goto err_free_region;
	ublk_debugfs_init();
	ret = misc_register(&ublk_control_misc);
	if (ret)
		goto err_free_debugfs;
	return 0;

err_free_debugfs:
	ublk_debugfs_exit();
	class_unregister(&ublk_chr_class);
err_free_region:
	unregister_chrdev_region(ublk_chr_devt, UBLK_MAX_DEVICES);
err_free_wqs:
	ublk_free_wqs();
	return ret;
}

/*
 * No file is open: an open file holds the module, and so does a session until
 * its exit work is done.
 */
static void __exit ublk_exit(void)
{
	ublk_stop_del_all();
	/* A shared buffer is freed after an RCU callback. */
	rcu_barrier();
	misc_deregister(&ublk_control_misc);
	ublk_debugfs_exit();
	class_unregister(&ublk_chr_class);
	unregister_chrdev_region(ublk_chr_devt, UBLK_MAX_DEVICES);
	ublk_free_wqs();
}

module_init(ublk_init);
module_exit(ublk_exit);

MODULE_AUTHOR("The ublk authors");
MODULE_DESCRIPTION("Block devices served by a userspace process");
MODULE_LICENSE("GPL");
