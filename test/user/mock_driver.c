// SPDX-License-Identifier: GPL-2.0
/*
 * The mock kernel's driver: the commands for one tag each. States follow the
 * driver's own logic/tag.h, so a command that it would refuse is refused here.
 */
#include <errno.h>

#include "mock.h"

struct mock_faults mock;
pthread_mutex_t mock_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t mock_changed = PTHREAD_COND_INITIALIZER;
struct mock_tag mock_tags[MOCK_QUEUES][MOCK_DEPTH];
struct mock_counters mock_count;

void mock_driver_reset(void)
{
	int q, t;

	for (q = 0; q < MOCK_QUEUES; q++) {
		for (t = 0; t < MOCK_DEPTH; t++) {
			struct mock_tag *tag = &mock_tags[q][t];

			free(tag->data);
			memset(tag, 0, sizeof(*tag));
			tag->slot = -1;
		}
	}
}

void mock_reset(void)
{
	memset(&mock, 0, sizeof(mock));
	memset(&mock_count, 0, sizeof(mock_count));
	mock_driver_reset();
	mock_batch_reset();
	mock_ctrl_reset();
}

void mock_driver_ring_gone(struct mock_ring *m)
{
	int q, t;

	for (q = 0; q < MOCK_QUEUES; q++) {
		for (t = 0; t < MOCK_DEPTH; t++) {
			struct mock_tag *tag = &mock_tags[q][t];

			if (tag->ring != m)
				continue;
			if (tag->state == UBLK_TAG_SERVER ||
			    tag->state == UBLK_TAG_NEED_DATA) {
				mock_count.orphans++;
				mock_end(tag, -EIO);
			}
			tag->state = UBLK_TAG_EMPTY;
			tag->ring = NULL;
			tag->slot = -1;
		}
	}
}

static int mock_fetch(struct mock_tag *tag)
{
	int next = ublk_tag_next(tag->state, UBLK_EV_FETCH);

	if (mock.fetch)
		return -mock.fetch;
	if (next < 0)
		return next;
	tag->owner = pthread_self();
	tag->state = next;
	return MOCK_PENDING;
}

/* What D-130 clears by itself, and what it does not. */
static void mock_release_slot(struct mock_ring *m, struct mock_tag *tag)
{
	if (tag->slot < 0)
		return;
	if (tag->by_hand || tag->ring != m) {
		mock_count.leaked++;
		return;
	}
	m->slots[tag->slot] = NULL;
	tag->slot = -1;
}

int mock_tag_commit(struct mock_ring *m, struct mock_tag *tag, int result)
{
	int next = ublk_tag_next(tag->state, UBLK_EV_COMMIT);

	if (mock.commit)
		return -mock.commit;
	if (next < 0)
		return next;
	mock_release_slot(m, tag);
	tag->state = next;
	mock_end(tag, result);
	return MOCK_PENDING;
}

static int mock_get_data(struct mock_tag *tag)
{
	int next = ublk_tag_next(tag->state, UBLK_EV_GET_DATA);

	mock_count.get_data++;
	if (next < 0)
		return next;
	tag->state = next;
	return 0;
}

static int mock_register(struct mock_ring *m, struct mock_tag *tag,
			 unsigned int slot)
{
	if (!(mock_dev.flags & UBLK_F_SUPPORT_ZERO_COPY) || !tag->with_data ||
	    tag->state != UBLK_TAG_SERVER || slot >= m->nr_slots)
		return -EINVAL;
	if (mock.reg_buf)
		return -mock.reg_buf;
	if (m->slots[slot])
		return -EBUSY;
	m->slots[slot] = tag;
	tag->slot = slot;
	tag->by_hand = true;
	mock_count.reg_buf++;
	return 0;
}

static int mock_unregister(struct mock_ring *m, unsigned int slot)
{
	if (slot >= m->nr_slots || !m->slots[slot])
		return -EINVAL;
	if (mock.unreg_buf)
		return -mock.unreg_buf;
	m->slots[slot]->slot = -1;
	m->slots[slot] = NULL;
	mock_count.unreg_buf++;
	return 0;
}

/* Wrong words give EINVAL as in the driver (D-40 to D-42, D-51 to D-53). */
static int mock_check_addr(const struct io_uring_sqe *sqe)
{
	const struct ublksrv_io_cmd *cmd = (const void *)sqe->cmd;
	bool copy = !(mock_dev.flags & (UBLK_F_USER_COPY |
					UBLK_F_AUTO_BUF_REG));

	if (copy && !cmd->addr)
		return -EINVAL;
	if (!copy && cmd->addr &&
	    (sqe->cmd_op == UBLK_U_IO_FETCH_REQ ||
	     (mock_desc(cmd->q_id, cmd->tag)->op_flags & 0xff) !=
	     UBLK_IO_OP_ZONE_APPEND))
		return -EINVAL;
	if (mock_dev.flags & UBLK_F_AUTO_BUF_REG && sqe->addr >> 17)
		return -EINVAL;
	return 0;
}

static int mock_tag_command(struct mock_ring *m, const struct io_uring_sqe *sqe,
			    struct mock_tag *tag)
{
	const struct ublksrv_io_cmd *cmd = (const void *)sqe->cmd;
	int ret;

	switch (sqe->cmd_op) {
	case UBLK_U_IO_FETCH_REQ:
		ret = mock_check_addr(sqe);
		return ret ? ret : mock_fetch(tag);
	case UBLK_U_IO_COMMIT_AND_FETCH_REQ:
		ret = mock_check_addr(sqe);
		return ret ? ret : mock_tag_commit(m, tag, cmd->result);
	case UBLK_U_IO_NEED_GET_DATA:
		return mock_get_data(tag);
	default:
		return -EOPNOTSUPP;
	}
}

int mock_command(struct mock_ring *m, const struct io_uring_sqe *sqe)
{
	const struct ublksrv_io_cmd *cmd = (const void *)sqe->cmd;
	struct mock_tag *tag;
	int ret;

	if (!(sqe->flags & IOSQE_FIXED_FILE) || sqe->fd || sqe->__pad1)
		return -EBADF;
	if (sqe->cmd_op == UBLK_U_IO_UNREGISTER_IO_BUF)
		return mock_unregister(m, cmd->addr);
	if (cmd->q_id >= mock_dev.nr_hw_queues)
		return -EINVAL;
	if (mock_dev.flags & UBLK_F_BATCH_IO &&
	    sqe->cmd_op != UBLK_U_IO_REGISTER_IO_BUF)
		return mock_batch_command(m, sqe);
	if (cmd->tag >= mock_dev.queue_depth)
		return -EINVAL;
	tag = &mock_tags[cmd->q_id][cmd->tag];
	if (sqe->cmd_op == UBLK_U_IO_REGISTER_IO_BUF)
		return mock_register(m, tag, cmd->addr);
	if (sqe->cmd_op != UBLK_U_IO_FETCH_REQ &&
	    !pthread_equal(tag->owner, pthread_self())) {
		mock_count.foreign++;
		return -EINVAL;
	}
	ret = mock_tag_command(m, sqe, tag);
	if (ret >= 0 || ret == MOCK_PENDING) {
		tag->addr = cmd->addr;
		tag->word = sqe->addr;
		tag->ring = m;
		tag->user_data = sqe->user_data;
	}
	pthread_cond_broadcast(&mock_changed);
	return ret;
}
