// SPDX-License-Identifier: GPL-2.0
/*
 * Servers of the chaos test that redirect requests: see chaos_srv.h.
 *
 * The store of a device is a memfd, mapped by all processes. The same memory is
 * reached through two registered files: the memfd itself, and a loop disk on it,
 * whose I/O is clones of the requests' bios and ends in another task. A file that
 * is not registered, or not any more, makes the driver refuse a request, which the
 * server then serves itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "chaos_srv.h"

/* The loop disk goes when nobody has it open any more. */
static int loop_disk(int fd)
{
	struct loop_config config = {
		.fd = fd, .info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int nr, disk = -1;
	char path[32];

	if (control < 0)
		return -1;
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (nr >= 0) {
		snprintf(path, sizeof(path), "/dev/loop%d", nr);
		disk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	}
	if (disk >= 0 && ioctl(disk, LOOP_CONFIGURE, &config)) {
		close(disk);
		disk = -1;
	}
	return disk;
}

/* Make the store of a device, and the files that reach it. False without memory. */
bool chaos_make_store(struct chaos *c, int id)
{
	int fd = raw_store_file(&c->store[id]);

	if (fd < 0)
		return false;
	c->file[id][0] = fd;
	c->file[id][1] = loop_disk(fd);
	return true;
}

/*
 * Register the files. That fails as long as the disk has no parameters, and if its
 * blocks are too small.
 */
void chaos_register(struct chaos_server *s)
{
	int id = s->srv.info.dev_id, i;

	for (i = 0; i < CHAOS_FILES; i++)
		if (s->c->file[id][i] >= 0)
			raw_thread_call(&s->srv, UBLK_U_IO_REGISTER_FILE, i, 0,
					s->c->file[id][i], 0);
}

/* Sometimes the files change while requests are redirected to them. */
static void change_files(struct chaos_thread *t)
{
	int i = chaos_rnd(&t->rng, CHAOS_FILES);

	if (!chaos_rnd(&t->rng, 64))
		raw_thread_call(&t->s->srv, UBLK_U_IO_UNREGISTER_FILE, i, 0, 0, 0);
	if (!chaos_rnd(&t->rng, 32))
		chaos_register(t->s);
}

/*
 * Redirect a request if the device can and chance says so. Return: 0 if a file
 * serves it; a per-tag command that is refused is an event later. Else -errno.
 */
int chaos_redirect(struct chaos_thread *t, const struct raw_ev *ev)
{
	int ret;

	if (!(t->s->srv.info.flags & UBLK_F_REDIRECT))
		return -EOPNOTSUPP;
	change_files(t);
	if (!chaos_rnd(&t->rng, 4))
		return -EOPNOTSUPP;
	ret = raw_mode_redirect(&t->mode, ev, chaos_rnd(&t->rng, CHAOS_FILES));
	if (!ret)
		chaos_count(&t->s->c->redirected);
	return ret;
}
