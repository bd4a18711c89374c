// SPDX-License-Identifier: GPL-2.0
/*
 * ublk: block devices served by a userspace process. Module init and exit.
 *
 * The driver is in ublk/, one idea per file:
 *   ublk.h	  objects, layers, lock rules, what each file offers
 *   ublk_hooks.h	what older kernels do in another way
 *   state.h	  the transitions of a tag, with their barriers
 *   logic/	  every decision, as pure functions that userspace compiles too
 * Control commands, /dev/ublk-control:
 *   ctrl.c	  the command table
 *   perm.c	  permission: commands, disk, number of unprivileged devices
 *   info.c	  read-only commands
 *   add.c	  ADD_DEV: allocation, and release with the last reference
 *   dev.c	  numbers and references
 *   params.c	  parameters, and the queue limits made of them
 *   disk.c	  /dev/ublkbN: START_DEV, removal
 *   resize.c	  UPDATE_SIZE
 *   stop.c	  STOP_DEV, DEL_DEV
 * The session of a server, /dev/ublkcN:
 *   server.c	  open, mmap, readiness, end of the session
 *   lastref.c	  polling for the last reference to the open node
 *   threads.c	  threads of the server that exit
 *   recover.c	  handing the device over to the next server
 *   quiesce.c	  asking a server to leave
 *   cancel.c	  completing armed commands, ending requests of a dead server
 * A request:
 *   queue_rq.c  from the block layer onto its tag's command
 *   gate.c	  whether a request goes to the server, is held, or fails
 *   deliver.h	  what deliveries of both kinds share: descriptor, data
 *   deliver.c	  in the server's task: delivery, completion of the command
 *   cmd.c	  commands of one tag: fetch, commit, get data
 *   dev_cmd.c	  commands that name no tag: buffers, files, extents
 *   batch_fetch.c  batch devices: requests to the server, as lists of tags
 *   batch_commit.c batch devices: commands from the server
 *   commit.h	  what commits of both kinds share
 *   commit.c	  undo of a delivery
 *   complete.c	  end a request, or a part of it
 *   timeout.c	  a request is not answered in time
 *   hold.c	  how long requests are held
 *   redirect.c	  a registered file serves a request
 *   front.c	  bios that need no request: to a backing, or to the hidden disk
 *   extent.c	  extents: what lies where on which backing
 *   extent_cmd.c  commands that set and count them
 *   extent_wait.c  a command waits for IO of what it has displaced
 *   file.c	  registered files
 * Data:
 *   copy.c	  copying between a request and memory of the server
 *   usercopy.c	  the same by pread and pwrite of the server
 *   buf.c	  references to a request, its pages as a buffer of a ring
 *   shmem.c	  requests whose data need not be copied
 *   integrity.c  protection information
 *   zoned.c	  zone reports, start of a zoned disk
 * Observation:
 *   wq.c	  workqueues
 *   debugfs.c	  the state of devices, queues and tags as text
 *   trace.h	  tracepoints; trace.c instantiates them
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "ublk/ublk.h"

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

static int __init ublk_init(void)
{
	int ret;

	BUILD_BUG_ON(sizeof(struct ublk_cmd_pdu) > 24);

	ret = ublk_wq_init();
	if (ret)
		return ret;
	ret = ublk_redirect_init();
	if (ret)
		goto err_free_wqs;
	ret = alloc_chrdev_region(&ublk_chr_devt, 0, UBLK_MAX_DEVICES,
				  "ublk-char");
	if (ret)
		goto err_free_bios;
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
err_free_bios:
	ublk_redirect_exit();
err_free_wqs:
	ublk_wq_exit();
	return ret;
}

/*
 * No file is open: an open file holds the module, and so does a session until
 * its exit work is done.
 */
static void __exit ublk_exit(void)
{
	ublk_stop_del_all();
	/*
	 * The task that freed the last device, which may hold no reference to
	 * the module (free_disk of an opener), leaves the module's text before
	 * it sleeps.
	 */
	synchronize_rcu_tasks();
	/* Files, and then the tag sets of deleted devices. */
	flush_workqueue(ublk_file_wq);
	flush_workqueue(ublk_exit_wq);
	/* A shared buffer is freed after an RCU callback. */
	rcu_barrier();
	misc_deregister(&ublk_control_misc);
	ublk_debugfs_exit();
	class_unregister(&ublk_chr_class);
	unregister_chrdev_region(ublk_chr_devt, UBLK_MAX_DEVICES);
	ublk_redirect_exit();
	ublk_wq_exit();
}

module_init(ublk_init);
module_exit(ublk_exit);

MODULE_AUTHOR("The ublk authors");
MODULE_DESCRIPTION("Block devices served by a userspace process");
MODULE_LICENSE("GPL");
