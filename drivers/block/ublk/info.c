// SPDX-License-Identifier: GPL-2.0
/*
 * The read-only commands. They run inside io_uring_enter(), so they take no
 * lock that is held across a wait; ub->lock is enough (C-3).
 */
#include <linux/cpumask.h>
#include <linux/uaccess.h>

#include "ublk.h"

/* GET_FEATURES: 0, -EINVAL or -EFAULT (C-35). */
int ublk_info_get_features(struct ublk_ctrl *c)
{
	const u64 features = UBLK_F_SUPPORTED;

	if (c->cmd.len != UBLK_FEATURES_LEN || !c->cmd.addr)
		return -EINVAL;
	if (copy_to_user(u64_to_user_ptr(c->cmd.addr), &features,
			 UBLK_FEATURES_LEN))
		return -EFAULT;
	return 0;
}

/* The recorded server in the caller's pid namespace, or -1 (C-61, I-3). */
static int ublk_info_pid(const struct pid *recorded)
{
	int nr = 0;

	guard(rcu)();
	if (recorded && pid_task((struct pid *)recorded, PIDTYPE_TGID))
		nr = pid_vnr((struct pid *)recorded);
	return nr > 0 ? nr : -1;
}

/* GET_DEV_INFO and GET_DEV_INFO2: 0, -EINVAL or -EFAULT (C-60 to C-62). */
int ublk_info_get_dev_info(struct ublk_ctrl *c)
{
	struct ublk_device *ub = c->ub;
	struct ublksrv_ctrl_dev_info info;

	if (c->cmd.len < sizeof(info) || !c->cmd.addr)
		return -EINVAL;

	info = ub->info;
	scoped_guard(spinlock, &ub->lock) {
		info.state = ub->state;
		info.ublksrv_pid = ublk_info_pid(ub->recorded);
	}
	if (copy_to_user(u64_to_user_ptr(c->cmd.addr), &info, sizeof(info)))
		return -EFAULT;
	return 0;
}

/* GET_QUEUE_AFFINITY, queue data[0]: -EINVAL, -ENOMEM, -EFAULT (C-63, C-64). */
int ublk_info_get_affinity(struct ublk_ctrl *c)
{
	const struct blk_mq_queue_map *map =
		&c->ub->tag_set.map[HCTX_TYPE_DEFAULT];
	void __user *buf = u64_to_user_ptr(c->cmd.addr);
	unsigned int len = c->cmd.len;
	u64 qid = c->cmd.data[0];
	unsigned int cpu, bytes;
	cpumask_var_t mask;
	int ret = 0;

	if (len * BITS_PER_BYTE < nr_cpu_ids)
		return -EINVAL;
	if (len & (sizeof(unsigned long) - 1))
		return -EINVAL;
	if (!c->cmd.addr)
		return -EINVAL;
	if (qid >= c->ub->info.nr_hw_queues)
		return -EINVAL;
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;

	for_each_possible_cpu(cpu) {
		if (map->mq_map[cpu] == qid)
			cpumask_set_cpu(cpu, mask);
	}
	bytes = min_t(unsigned int, len, cpumask_size());
	if (copy_to_user(buf, cpumask_bits(mask), bytes) ||
	    clear_user(buf + bytes, len - bytes))
		ret = -EFAULT;
	free_cpumask_var(mask);
	return ret;
}
