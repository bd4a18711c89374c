// SPDX-License-Identifier: GPL-2.0
/*
 * A server that moves the data of its disk between two block devices all the time,
 * for test_extents_move.sh. Every piece of the disk lies on one of the two. Extents
 * say where, so the server sees only IO across extents, flushes, and what comes while
 * a piece moves: then it has no extent, or one that allows reads only.
 *
 *	extent_mover add STORE-A STORE-B MAP MIB	a new disk; prints its number
 *	extent_mover recover ID STORE-A STORE-B MAP MIB
 *		serve it after the last server has died; MAP says what lay where
 *
 * A piece lies at its own place of A, or SHIFT pieces behind it on B. The file MAP is
 * changed after the data is copied and before the extent is set, so at every moment
 * it says where the data is: writes reach neither place in between.
 *
 * The file MAP also counts how often each piece has moved, in all sessions. The mover
 * ends when the disk is stopped, with these numbers as its last line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/raw.h"

#define PIECE		(64U << 10)
#define PIECE_S		(PIECE / 512)
#define SHIFT		3
#define MAX_RUN		6
#define QUEUES		1
#define DEPTH		32

static struct {
	struct raw_ctrl ctl;
	struct raw_srv srv;
	struct raw_ring ring;
	struct ublksrv_ctrl_dev_info info;
	int fd[2];
	unsigned char *map;	/* per piece: on which store */
	__u32 *moved;		/* per piece: how often it went to the other one */
	unsigned int pieces;
	unsigned long requests;
	char *buf;
} m;

static void die(const char *what, long ret)
{
	fprintf(stderr, "extent_mover: %s: %s\n", what,
		ret < 0 ? strerror(-ret) : "wrong result");
	exit(1);
}

static __u64 place(unsigned int piece, int store)
{
	return (__u64)(piece + (store ? SHIFT : 0)) * PIECE;
}

/* --- the server's own IO --- */

/* Move bytes of one piece between its place and memory. */
static int piece_io(bool write, char *data, __u64 off, unsigned int len)
{
	unsigned int piece = off / PIECE;
	int store = m.map[piece];
	off_t pos = place(piece, store) + off % PIECE;
	ssize_t ret = write ? pwrite(m.fd[store], data, len, pos) :
			      pread(m.fd[store], data, len, pos);

	return ret < 0 ? -errno : ret == len ? 0 : -EIO;
}

static int answer(const struct raw_ev *ev)
{
	int op = ublksrv_get_op(&ev->iod), ret = 0;
	__u64 off = ev->iod.start_sector << 9;
	unsigned int len = ev->iod.nr_sectors << 9, done = 0;
	char *data = raw_buf(&m.srv, ev->q, ev->tag);

	if (op == UBLK_IO_OP_FLUSH)
		return fdatasync(m.fd[0]) || fdatasync(m.fd[1]) ? -EIO : 0;
	if (op != UBLK_IO_OP_READ && op != UBLK_IO_OP_WRITE)
		return -EOPNOTSUPP;
	while (done < len && !ret) {
		unsigned int n = PIECE - (off + done) % PIECE;

		if (n > len - done)
			n = len - done;
		ret = piece_io(op == UBLK_IO_OP_WRITE, data + done, off + done, n);
		done += n;
	}
	return ret ? ret : (int)len;
}

/* --- extents --- */

/* Return: false if the disk is being stopped, or its files are unregistered for it. */
static bool set(const struct ublk_extent_elem *e, int nr)
{
	int ret = raw_call(&m.ring, UBLK_U_IO_SET_EXTENTS, 0, 0, nr, (uintptr_t)e);

	if (ret != nr && ret != -ENODEV && ret != -EBADF)
		die("SET_EXTENTS", ret);
	return ret == nr;
}

/* @nr pieces from @first on lie on @store; the extents allow @rights. */
static struct ublk_extent_elem extent(unsigned int first, unsigned int nr, int store,
				      int rights)
{
	return (struct ublk_extent_elem){
		.sector = (__u64)first * PIECE_S,
		.nr_sectors = (__u64)nr * PIECE_S,
		.pos = rights ? place(first, store) / 512 : 0,
		.file = rights ? store : 0,
		.rights = rights,
	};
}

/* As the map says, neighbours on one store in one extent. */
static void set_all(void)
{
	unsigned int first, end;

	for (first = 0; first < m.pieces; first = end) {
		struct ublk_extent_elem e;

		for (end = first + 1; end < m.pieces && m.map[end] == m.map[first];)
			end++;
		e = extent(first, end - first, m.map[first],
			   UBLK_EXTENT_READ | UBLK_EXTENT_WRITE);
		set(&e, 1);
	}
}

/*
 * Move a run of pieces. When the first command has completed, no write to them is in
 * flight, and none comes until the second one: the server, which executes them, is
 * here.
 */
static void move(void)
{
	unsigned int first = rand() % m.pieces, nr = 1 + rand() % MAX_RUN, i;
	int to = rand() & 1, rights = rand() & 1 ? UBLK_EXTENT_READ : 0;
	struct ublk_extent_elem e[MAX_RUN];

	if (nr > m.pieces - first)
		nr = m.pieces - first;
	for (i = 0; i < nr; i++)
		e[i] = extent(first + i, 1, m.map[first + i], rights);
	if (!set(e, nr))
		return;
	for (i = first; i < first + nr; i++) {
		if (m.map[i] == to)
			continue;
		if (pread(m.fd[!to], m.buf, PIECE, place(i, !to)) != PIECE ||
		    pwrite(m.fd[to], m.buf, PIECE, place(i, to)) != PIECE)
			die("copy", -errno);
		__atomic_store_n(&m.map[i], to, __ATOMIC_SEQ_CST);
		m.moved[i]++;
	}
	e[0] = extent(first, nr, to, UBLK_EXTENT_READ | UBLK_EXTENT_WRITE);
	set(e, 1);
}

static void print_moves(void)
{
	unsigned long all = 0;
	__u32 least = m.moved[0];
	unsigned int i;

	for (i = 0; i < m.pieces; i++) {
		all += m.moved[i];
		if (m.moved[i] < least)
			least = m.moved[i];
	}
	printf("%lu moves, %u at least of each of %u pieces, %lu requests\n", all, least,
	       m.pieces, m.requests);
}

/* Serve and move until every command is answered with ENODEV. */
static void serve(void)
{
	int aborted = 0, ret;
	struct raw_ev ev;

	while (aborted < QUEUES * DEPTH) {
		ret = raw_event(&m.ring, &ev, 1);
		if (ret == RAW_TIMEOUT) {
			if (!aborted)
				move();
			continue;
		}
		if (ret)
			die("event", ret);
		if (ev.res == UBLK_IO_RES_ABORT) {
			aborted++;
			continue;
		}
		if (ev.res)
			die("fetch", ev.res);
		m.requests++;
		ret = raw_commit(&m.ring, ev.q, ev.tag, answer(&ev));
		if (ret)
			die("commit", ret);
		if (m.requests % 8 == 0)
			move();
	}
}

/* --- begin --- */

/* The driver may be about to close that of the last server. */
static int open_store(const char *path)
{
	int fd, i = 0;

	do {
		fd = open(path, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
		if (fd < 0 && errno == EBUSY)
			usleep(10000);
	} while (fd < 0 && errno == EBUSY && ++i < 1000);
	return fd < 0 ? -errno : fd;
}

static void open_stores(char **arg)
{
	size_t len;
	int i, fd;

	m.pieces = (unsigned int)atoi(arg[3]) * (1048576 / PIECE);
	for (i = 0; i < 2; i++) {
		m.fd[i] = open_store(arg[i]);
		if (m.fd[i] < 0)
			die(arg[i], m.fd[i]);
	}
	len = m.pieces * (sizeof(*m.moved) + sizeof(*m.map));
	fd = open(arg[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, len))
		die(arg[2], -errno);
	m.moved = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m.moved == MAP_FAILED || posix_memalign((void **)&m.buf, 4096, PIECE))
		die("memory", -ENOMEM);
	m.map = (unsigned char *)(m.moved + m.pieces);
	close(fd);
}

static void add(void)
{
	struct ublk_params p;
	int ret;

	raw_info_init(&m.info, QUEUES, DEPTH, UBLK_F_EXTENTS | UBLK_F_USER_RECOVERY |
		      UBLK_F_USER_RECOVERY_REISSUE);
	ret = raw_add(&m.ctl, &m.info);
	if (ret)
		die("ADD_DEV", ret);
	raw_params_init(&p);
	p.basic.attrs = UBLK_ATTR_VOLATILE_CACHE | UBLK_ATTR_FUA;
	p.basic.dev_sectors = (__u64)m.pieces * PIECE_S;
	p.types |= UBLK_PARAM_TYPE_DMA_ALIGN;
	p.dma.alignment = 511;	/* older null_blk wants it */
	ret = raw_set_params(&m.ctl, m.info.dev_id, &p);
	if (ret)
		die("SET_PARAMS", ret);
}

/* The last session may still wait for IO in flight. */
static void recover(int id)
{
	int ret, i = 0;

	do {
		ret = raw_dev_cmd(&m.ctl, UBLK_U_CMD_START_USER_RECOVERY, id, 0);
		if (ret)
			usleep(10000);
	} while (ret == -EBUSY && ++i < 3000);
	if (!ret)
		ret = raw_get_info(&m.ctl, id, &m.info);
	if (ret)
		die("START_USER_RECOVERY", ret);
}

/* The command that waits for this server, from another process. */
static void start_from_child(__u32 op)
{
	int id = m.info.dev_id, ret;

	if (fork())
		return;
	raw_ctrl_close(&m.ctl);
	ret = raw_ctrl_open(&m.ctl);
	if (!ret)
		ret = raw_dev_cmd(&m.ctl, op, id, getppid());
	if (ret)
		die("start", ret);
	printf("%d\n", id);
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	bool again = argc == 7 && !strcmp(argv[1], "recover");
	int ret, i;

	if (!again && (argc != 6 || strcmp(argv[1], "add"))) {
		fprintf(stderr, "usage: extent_mover add|recover [ID] STORE-A STORE-B MAP MIB\n");
		return 2;
	}
	ret = raw_ctrl_open(&m.ctl);
	if (ret)
		die("control", ret);
	srand(getpid());
	if (again)
		recover(atoi(argv[2]));
	open_stores(argv + 2 + again);
	if (!again)
		add();
	start_from_child(again ? UBLK_U_CMD_END_USER_RECOVERY : UBLK_U_CMD_START_DEV);
	ret = raw_srv_open(&m.srv, &m.info);
	if (!ret)
		ret = raw_ring_open(&m.ring, &m.srv, 0);
	for (i = 0; i < 2 && !ret; i++)
		ret = raw_call(&m.ring, UBLK_U_IO_REGISTER_FILE, i, 0, m.fd[i], 0);
	if (ret)
		die("server", ret);
	set_all();
	ret = raw_fetch_all(&m.ring);
	if (ret)
		die("FETCH_REQ", ret);
	serve();
	print_moves();
	return 0;
}
