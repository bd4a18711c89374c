// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The exclusive lock of the image, and the fence before a dead daemon.
 *
 * A daemon that was killed may have writes on their way, in buffers of the kernel's
 * sockets or inside the cluster, that arrive after those of its successor. Ceph can
 * fence: an address on the blocklist of the OSDs is not served any more. So the daemon
 * of a device that can be recovered writes the address of its client to a file below
 * run_dir() before it takes the first request, and its successor has that put on the
 * blocklist before it takes one. The lock, which the dead client still seems to hold
 * until its watch runs out, is broken if it is that client's, and never if it is
 * another one's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "rbd.h"
#include "rundir.h"

#define FENCE_TRIES		3
/* An address is of one process, and none has it again within that time. */
#define FENCE_SECONDS		3600

/* Return: text of malloc(), "" without an owner; NULL with a message */
static char *fence_owner(struct rbd_dev *rd)
{
	rbd_lock_mode_t mode;
	char *owners[4], *owner;
	size_t nr = sizeof(owners) / sizeof(owners[0]);
	int ret;

	ret = rbd_lock_get_owners(rd->client.image, &mode, owners, &nr);
	if (ret == -ENOENT || (ret >= 0 && !nr))
		return strdup("");
	if (ret < 0) {
		rbd_client_error(&rd->client, ret, "looking for the lock's owner");
		return NULL;
	}
	owner = strdup(owners[0]);
	rbd_lock_get_owners_cleanup(owners, nr);
	return owner;
}

static int fence_held(struct rbd_dev *rd)
{
	char *owner = fence_owner(rd);
	int ret = ublk_error(-EBUSY, "rbd: %s/%s: client %s has the exclusive lock; a second writer would destroy the contents. End that one, or see \"rbd lock\"",
			     rd->client.pool, rd->client.name,
			     owner && *owner ? owner : "of another kind");

	free(owner);
	return ret;
}

int fence_lock(struct rbd_dev *rd)
{
	int ret;

	if (!rd->locks)
		return 0;
	ret = rbd_lock_acquire(rd->client.image, RBD_LOCK_MODE_EXCLUSIVE);
	if (ret == -EROFS || ret == -EBUSY || ret == -EAGAIN)
		return fence_held(rd);
	return ret < 0 ? rbd_client_error(&rd->client, ret, "taking the exclusive lock") : 0;
}

/* ---- the file ------------------------------------------------------------- */

static int fence_error(const struct rbd_dev *rd, const char *why)
{
	return ublk_error(-errno, "rbd: %s: %s%s", rd->fence, strerror(errno), why);
}

/* Address of this client, and with a lock the owner's name as the lock has it. */
static int fence_write(struct rbd_dev *rd)
{
	char *address = NULL, *owner = NULL;
	char name[300];
	FILE *f;
	int ret;

	ret = rados_getaddrs(rd->client.cluster, &address);
	if (ret < 0)
		return rbd_client_error(&rd->client, ret, "reading our address");
	if (rd->locks)
		owner = fence_owner(rd);
	mkdir(run_dir(), 0755);
	snprintf(name, sizeof(name), "%s.new", rd->fence);
	f = fopen(name, "we");
	if (f) {
		fprintf(f, "%s\n%s\n", address, owner ? owner : "");
		if (fclose(f) || rename(name, rd->fence))
			ret = fence_error(rd, "");
	} else {
		ret = fence_error(rd, "");
	}
	rados_buffer_free(address);
	free(owner);
	return ret;
}

struct fence_record {
	char address[512], owner[512];
};

static int fence_read(const struct rbd_dev *rd, struct fence_record *r)
{
	FILE *f = fopen(rd->fence, "re");
	bool ok;

	if (!f)
		return fence_error(rd, "; it has the address of the client that died, without which nobody can keep its writes away");
	ok = fgets(r->address, sizeof(r->address), f) &&
		fgets(r->owner, sizeof(r->owner), f);
	fclose(f);
	r->address[strcspn(r->address, "\n")] = 0;
	r->owner[strcspn(r->owner, "\n")] = 0;
	return ok && *r->address ? 0 :
		ublk_error(-EBADMSG, "rbd: %s: is damaged", rd->fence);
}

/* ---- after a death -------------------------------------------------------- */

/* @list: addresses, in the form of librados: "v1:A", or "[v2:A,v1:A]" */
static int fence_blocklist(struct rbd_dev *rd, char *list)
{
	char *at, *save = NULL, *colon;
	int ret = 0;

	for (at = strtok_r(list, "[],", &save); at && !ret;
	     at = strtok_r(NULL, "[],", &save)) {
		/* the blocklist has addresses of both protocols as one */
		colon = at[0] == 'v' ? strchr(at, ':') : NULL;
		ret = rados_blocklist_add(rd->client.cluster,
					  colon ? colon + 1 : at, FENCE_SECONDS);
	}
	if (ret < 0)
		return rbd_client_error(&rd->client, ret, "putting the dead client on the blocklist (its user needs the capability \"profile rbd\" of the monitors)");
	ret = rados_wait_for_latest_osdmap(rd->client.cluster);
	return ret < 0 ? rbd_client_error(&rd->client, ret, "waiting for the blocklist") : 0;
}

static int fence_break(struct rbd_dev *rd, const char *dead)
{
	char *owner = fence_owner(rd);
	int ret = 0;

	if (!owner)
		return -EIO;
	if (*owner && !strcmp(owner, dead))
		ret = rbd_lock_break(rd->client.image, RBD_LOCK_MODE_EXCLUSIVE,
				     owner);
	free(owner);
	/* it may have gone by itself */
	return ret < 0 && ret != -ENOENT && ret != -EBUSY ?
		rbd_client_error(&rd->client, ret, "breaking the dead client's lock") : 0;
}

static int fence_take_over(struct rbd_dev *rd)
{
	struct fence_record dead;
	int ret, i;

	ret = fence_read(rd, &dead);
	if (!ret)
		ret = fence_blocklist(rd, dead.address);
	if (ret || !rd->locks)
		return ret;
	for (i = 0; i < FENCE_TRIES; i++) {
		ret = fence_break(rd, dead.owner);
		if (!ret)
			ret = fence_lock(rd);
		if (ret != -EBUSY)
			break;
	}
	return ret;
}

int fence_begin(struct rbd_dev *rd, __u32 dev_id, bool recovers)
{
	int ret = 0;

	if (rd->client.read_only)
		return 0;
	if (rd->recoverable)
		snprintf(rd->fence, sizeof(rd->fence), "%.200s/%u.rbd", run_dir(),
			 dev_id);
	if (recovers && rd->recoverable)
		ret = fence_take_over(rd);
	else if (recovers)
		ret = fence_lock(rd);
	return !ret && rd->recoverable ? fence_write(rd) : ret;
}

void fence_end(struct rbd_dev *rd, bool forget)
{
	if (forget && *rd->fence)
		unlink(rd->fence);
}
