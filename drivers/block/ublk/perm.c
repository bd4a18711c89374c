// SPDX-License-Identifier: GPL-2.0
/*
 * Permission: control commands, open of a disk, number of unprivileged devices.
 *
 * A control command to a device of the administrator needs CAP_SYS_ADMIN. For
 * an unprivileged device, its char node decides: the command's buffer begins
 * with the path of the node, which kern_path() looks up in the caller's
 * context. A control command that sleeps runs in an io-wq worker, which shares
 * the caller's file system view and credentials (C-4, control.rst section 3).
 * What an opener of the char node may do is decided in server.c and cmd.c.
 */
#include <linux/fs.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/uaccess.h>

#include "ublk.h"

/*
 * The system must have made this node for this device: it is not on a mount
 * that forbids devices, and belongs to the owner or root (C-28, C-29, I-2).
 */
static int ublk_perm_check_node(const struct ublk_device *ub,
				const struct path *path, int mask)
{
	struct inode *inode = d_backing_inode(path->dentry);

	if (!S_ISCHR(inode->i_mode) || inode->i_rdev != ub->cdev_dev.devt)
		return -EPERM;
	if (path->mnt->mnt_flags & MNT_NODEV ||
	    inode->i_sb->s_iflags & SB_I_NODEV)
		return -EPERM;
	if (!uid_eq(inode->i_uid, GLOBAL_ROOT_UID) &&
	    !uid_eq(inode->i_uid, make_kuid(&init_user_ns, ub->info.owner_uid)))
		return -EPERM;
	return inode_permission(mnt_idmap(path->mnt), inode, mask);
}

/* Take the path off the front of the command's buffer (C-23 to C-31). */
static int ublk_perm_check_path(struct ublk_ctrl *c, int mask)
{
	unsigned int path_len = c->cmd.dev_path_len;
	struct path path;
	char *name;
	int ret;

	if (!path_len || path_len > PATH_MAX)
		return -EINVAL;
	if (c->cmd.len < path_len)
		return -EINVAL;
	name = memdup_user_nul(u64_to_user_ptr(c->cmd.addr), path_len);
	if (IS_ERR(name))
		return PTR_ERR(name);

	ret = mask ? 0 : -EINVAL;
	if (!ret)
		ret = kern_path(name, LOOKUP_FOLLOW, &path);
	if (!ret) {
		ret = ublk_perm_check_node(c->ub, &path, mask);
		path_put(&path);
	}
	kfree(name);
	if (ret)
		return ret;

	c->cmd.addr += path_len;
	c->cmd.len -= path_len;
	return 0;
}

/*
 * May the caller send command @nr to c->ub? @mask is what the node has to
 * grant: MAY_READ, MAY_READ | MAY_WRITE, or 0 if a path cannot give access
 * (C-26, C-30). On success addr and len are past the path, if there is one.
 * Return: 0 or a negative errno (C-21 to C-29).
 */
int ublk_perm_check(struct ublk_ctrl *c, unsigned int nr, int mask)
{
	if (!ublk_has(c->ub, UBLK_F_UNPRIVILEGED_DEV)) {
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		if (nr != UBLK_CMD_GET_DEV_INFO2)
			return 0;
	}
	return ublk_perm_check_path(c, mask);
}

/* Only the owner and CAP_SYS_ADMIN may open an unprivileged disk (L-90). */
bool ublk_perm_may_open(const struct ublk_device *ub)
{
	if (capable(CAP_SYS_ADMIN))
		return true;
	if (!ublk_has(ub, UBLK_F_UNPRIVILEGED_DEV))
		return true;
	return from_kuid(&init_user_ns, current_uid()) == ub->info.owner_uid &&
	       from_kgid(&init_user_ns, current_gid()) == ub->info.owner_gid;
}

/* Maximum number of devices of all unprivileged users together (L-95). */
static unsigned int ublks_max = 64;

static int ublk_perm_set_ublks_max(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, UBLK_MAX_DEVICES);
}

static const struct kernel_param_ops ublk_perm_ublks_max_ops = {
	.set = ublk_perm_set_ublks_max,
	.get = param_get_uint,
};

module_param_cb(ublks_max, &ublk_perm_ublks_max_ops, &ublks_max, 0644);
MODULE_PARM_DESC(ublks_max, "Maximum number of devices of all unprivileged users (default 64)");

/* Protects the count of unprivileged devices and their ub->unprivileged. */
static DEFINE_SPINLOCK(ublk_perm_lock);
static unsigned int ublk_perm_nr_unprivileged;

/* Return: 0, or -EACCES if as many exist as ublks_max allows (C-51d). */
int ublk_perm_charge(struct ublk_device *ub)
{
	if (!ublk_has(ub, UBLK_F_UNPRIVILEGED_DEV))
		return 0;
	guard(spinlock)(&ublk_perm_lock);
	if (ublk_perm_nr_unprivileged >= READ_ONCE(ublks_max))
		return -EACCES;
	ublk_perm_nr_unprivileged++;
	ub->unprivileged = true;
	return 0;
}

/* A device is deleted, or could not be made; it may be uncounted already. */
void ublk_perm_uncharge(struct ublk_device *ub)
{
	guard(spinlock)(&ublk_perm_lock);
	if (ub->unprivileged)
		ublk_perm_nr_unprivileged--;
	ub->unprivileged = false;
}
