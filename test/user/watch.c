// SPDX-License-Identifier: GPL-2.0
/*
 * libublk against the mock kernel: descriptors and timers of a target
 * (lib/watch.c), and what threads and processes of a target inherit.
 *
 * The target's queue watches the read ends of pipes. The test's thread writes to
 * them, and asks for changes by a command through an eventfd, so that everything runs
 * in the queue's thread.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "rig.h"

#define DEADLINE_MS	2000

enum command { NONE, CHANGE, REMOVE, TIMER, TIMER_REMOVE, ADD };

static struct {
	struct ublk_queue *q;
	int control, control_id;	/* eventfd for commands */
	int fd, id;			/* what is watched */
	unsigned int events;		/* at first, and for CHANGE */
	enum command command;
	int timer;
	unsigned int timer_ms;
	int ret;			/* of the command */
	bool no_read;			/* leave the descriptor ready */
	bool remove_inside;		/* from its own function */
	unsigned int nr_calls, nr_timers, nr_commands;
	unsigned int seen;		/* events of all calls */
	struct ublk_io *held;
} w;

static unsigned int get(const unsigned int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void count(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELEASE);
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* Return: whether the counter reached @nr in time */
static bool reaches(const unsigned int *counter, unsigned int nr)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	__u64 end = now_ms() + DEADLINE_MS;

	while (get(counter) < nr && now_ms() < end)
		nanosleep(&pause, NULL);
	return get(counter) >= nr;
}

/* ---- in the queue's thread ------------------------------------------------ */

static void on_fd(struct ublk_queue *q, unsigned int events, void *arg)
{
	struct ublk_io *io = w.held;
	char buf[16];

	ktap_true(arg == &w);
	w.seen |= events;
	if (w.remove_inside)
		ublk_queue_unwatch(q, w.id);
	if (!w.no_read)
		while (read(w.fd, buf, sizeof(buf)) > 0)
			;
	if (io) {
		w.held = NULL;
		ublk_io_complete(io, io->desc->nr_sectors << 9);
	}
	count(&w.nr_calls);
}

static void on_timer(struct ublk_queue *q, unsigned int events, void *arg)
{
	(void)q;
	(void)arg;
	ktap_eq(events, 0);
	count(&w.nr_timers);
}

static void on_command(struct ublk_queue *q, unsigned int events, void *arg)
{
	__u64 val;

	(void)events;
	(void)arg;
	if (read(w.control, &val, sizeof(val)) < 0)
		return;
	switch (w.command) {
	case CHANGE:
		w.ret = ublk_queue_watch_change(q, w.id, w.events);
		break;
	case REMOVE:
		ublk_queue_unwatch(q, w.id);
		break;
	case TIMER:
		w.timer = ublk_queue_timer(q, w.timer_ms, on_timer, &w);
		break;
	case TIMER_REMOVE:
		ublk_queue_unwatch(q, w.timer);
		break;
	case ADD:
		w.id = ublk_queue_watch(q, w.fd, w.events, on_fd, &w);
		break;
	case NONE:
		break;
	}
	count(&w.nr_commands);
}

static int w_queue_open(struct ublk_queue *q)
{
	w.q = q;
	w.control_id = ublk_queue_watch(q, w.control, POLLIN, on_command, NULL);
	w.id = ublk_queue_watch(q, w.fd, w.events, on_fd, &w);
	return w.control_id < 0 ? w.control_id : w.id < 0 ? w.id : 0;
}

/* In here the watches are still known, and the ring is gone. */
static void w_queue_close(struct ublk_queue *q)
{
	ublk_queue_unwatch(q, w.id);
	ublk_queue_unwatch(q, w.id);
	ublk_queue_unwatch(q, 77);
	ublk_queue_unwatch(q, -1);
}

static void w_submit(struct ublk_queue *q, struct ublk_io *io)
{
	(void)q;
	w.held = io;
}

static const struct ublk_target watcher = {
	UBLK_TARGET(), .name = "watch", .open = t_open, .close = t_close,
	.queue_open = w_queue_open, .queue_close = w_queue_close,
	.submit = w_submit,
};

/* ---- in the test's -------------------------------------------------------- */

static int other;			/* end of the pipe, or the socket */

static void prepare(bool sockets)
{
	int fds[2];

	reset();
	memset(&w, 0, sizeof(w));
	if (sockets ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) :
	    pipe2(fds, O_NONBLOCK))
		abort();
	w.fd = fds[0];
	other = fds[1];
	w.control = eventfd(0, EFD_NONBLOCK);
	w.events = POLLIN;
}

static void finish(struct ublk_dev *dev)
{
	down(dev);
	close(w.fd);
	if (other >= 0)
		close(other);
	close(w.control);
}

static void poke(void)
{
	if (write(other, "x", 1) != 1)
		abort();
}

static void command(enum command c)
{
	unsigned int before = get(&w.nr_commands);
	__u64 one = 1;

	w.command = c;
	if (write(w.control, &one, sizeof(one)) < 0)
		abort();
	ktap_true(reaches(&w.nr_commands, before + 1));
}

/* One poll serves all events, and requests go on meanwhile. */
static void test_events(void)
{
	struct ublk_dev *dev;
	unsigned int i;
	int t;

	prepare(false);
	dev = up(&watcher);
	for (i = 1; i <= 20; i++) {
		t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
		while (!__atomic_load_n(&w.held, __ATOMIC_ACQUIRE))
			;
		poke();
		ktap_true(reaches(&w.nr_calls, i));
		ktap_eq(mock_wait(0, t), 4096);
	}
	ktap_eq(mock_nr_polls(), 2);
	ktap_eq(w.seen, POLLIN);
	finish(dev);
}

/* What is ready before the watch is there is not lost. */
static void test_ready_before(void)
{
	struct ublk_dev *dev;

	prepare(false);
	poke();
	dev = up(&watcher);
	ktap_true(reaches(&w.nr_calls, 1));
	finish(dev);
}

/* The library prepares the tags by commands whose CQEs it waits for. */
static void test_ready_batch(void)
{
	struct ublk_dev *dev;
	int t;

	prepare(false);
	poke();
	mock.features = ~0ULL;
	opts.batch = UBLK_CHOICE_YES;
	dev = up(&watcher);
	ktap_true(mock_info()->flags & UBLK_F_BATCH_IO);
	ktap_true(reaches(&w.nr_calls, 1));
	t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	while (!__atomic_load_n(&w.held, __ATOMIC_ACQUIRE))
		;
	poke();
	ktap_eq(mock_wait(0, t), 4096);
	finish(dev);
}

/* A poll that ends by itself is sent again, and brings what came meanwhile. */
static void test_poll_ends(void)
{
	struct ublk_dev *dev;
	unsigned int i;

	prepare(false);
	dev = up(&watcher);
	for (i = 1; i <= 5; i++) {
		mock.poll_ends = 1;
		poke();
		ktap_true(reaches(&w.nr_calls, i));
	}
	ktap_true(mock_nr_polls() >= 6);
	finish(dev);
}

static void change_events(unsigned int busy)
{
	struct ublk_dev *dev;
	unsigned int calls;

	prepare(true);
	w.events = 0;
	dev = up(&watcher);
	poke();
	command(NONE);
	ktap_eq(get(&w.nr_calls), 0);
	mock.poll_busy = busy;
	w.events = POLLIN;
	command(CHANGE);
	ktap_eq(w.ret, 0);
	ktap_true(reaches(&w.nr_calls, 1));
	ktap_eq(w.seen, POLLIN);
	w.events = POLLIN | POLLOUT;
	command(CHANGE);
	ktap_true(reaches(&w.nr_calls, 2));
	ktap_true(w.seen & POLLOUT);
	w.events = 0;
	command(CHANGE);
	calls = get(&w.nr_calls);
	poke();
	command(NONE);
	command(NONE);
	ktap_eq(get(&w.nr_calls), calls);
	finish(dev);
}

static void test_change(void)
{
	change_events(0);
}

/* io_uring refuses a change while the poll posts an event: it is made later. */
static void test_change_busy(void)
{
	change_events(3);
}

static void test_remove(void)
{
	struct ublk_dev *dev;
	int first;

	prepare(false);
	dev = up(&watcher);
	first = w.id;
	poke();
	ktap_true(reaches(&w.nr_calls, 1));
	command(REMOVE);
	poke();
	command(NONE);
	ktap_eq(get(&w.nr_calls), 1);
	/* its number is refused until it is taken again */
	w.events = POLLIN;
	command(CHANGE);
	ktap_eq(w.ret, -EINVAL);
	command(ADD);
	ktap_eq(w.id, first);
	ktap_true(reaches(&w.nr_calls, 2));
	finish(dev);
}

static void test_remove_inside(void)
{
	struct ublk_dev *dev;

	prepare(false);
	w.remove_inside = true;
	dev = up(&watcher);
	poke();
	ktap_true(reaches(&w.nr_calls, 1));
	poke();
	command(NONE);
	command(NONE);
	ktap_eq(get(&w.nr_calls), 1);
	finish(dev);
}

/* A removed watch lets the file go: the other end sees it closed. */
static void test_lets_go(void)
{
	struct pollfd p = { .events = POLLIN };
	struct ublk_dev *dev;

	prepare(true);
	dev = up(&watcher);
	command(REMOVE);
	close(w.fd);
	p.fd = other;
	ktap_eq(poll(&p, 1, DEADLINE_MS), 1);
	w.fd = dup(other);
	finish(dev);
}

/* The other end is gone, and the target cannot help it: few calls, and rarer ones. */
static void test_back_off(void)
{
	struct ublk_dev *dev;
	unsigned int calls;
	__u64 begin;
	int t;

	prepare(true);
	w.no_read = true;
	dev = up(&watcher);
	begin = now_ms();
	close(other);
	other = -1;
	ktap_true(reaches(&w.nr_calls, 5));
	/* 8 + 16 + 32 + 64 */
	ktap_true(now_ms() - begin >= 100);
	ktap_true(w.seen & POLLHUP);
	calls = mock_nr_poll_events();
	ktap_true(calls <= 12);
	/* the queue serves meanwhile */
	t = mock_request(0, UBLK_IO_OP_READ, 0, 8);
	ktap_true(reaches(&w.nr_calls, 6));
	ktap_eq(mock_wait(0, t), 4096);
	/* and a removal works in the delay */
	calls = get(&w.nr_calls);
	command(REMOVE);
	ktap_true(get(&w.nr_calls) <= calls + 1);
	finish(dev);
}

static void test_timer(void)
{
	struct ublk_dev *dev;
	__u64 begin;

	prepare(false);
	dev = up(&watcher);
	begin = now_ms();
	w.timer_ms = 50;
	command(TIMER);
	ktap_true(w.timer >= 0);
	ktap_true(reaches(&w.nr_timers, 1));
	ktap_true(now_ms() - begin >= 49);
	/* once, and its number is free */
	begin = w.timer;
	w.timer_ms = 20000;
	command(TIMER);
	ktap_eq(w.timer, begin);
	command(TIMER_REMOVE);
	w.timer_ms = 5;
	command(TIMER);
	ktap_true(reaches(&w.nr_timers, 2));
	ktap_eq(get(&w.nr_timers), 2);
	w.timer_ms = 20000;
	command(TIMER);
	finish(dev);
}

/* Not from another thread. */
static void test_foreign(void)
{
	struct ublk_dev *dev;

	prepare(false);
	dev = up(&watcher);
	ktap_eq(ublk_queue_watch(w.q, w.fd, POLLIN, on_fd, &w), -EPERM);
	ktap_eq(ublk_queue_timer(w.q, 1, on_timer, &w), -EPERM);
	ktap_eq(ublk_queue_watch_change(w.q, w.id, 0), -EINVAL);
	finish(dev);
}

/* ---- PR_SET_IO_FLUSHER ---------------------------------------------------- */

static int flusher_in_open;

static int f_open(struct ublk_dev *dev, void *cfg)
{
	flusher_in_open = prctl(58, 0, 0, 0, 0);
	return t_open(dev, cfg);
}

static const struct ublk_target flushing = {
	UBLK_TARGET(), .name = "flusher", .open = f_open, .submit = w_submit,
};

/* What open() starts has it; the caller's thread does not keep it. */
static void test_flusher(void)
{
	struct ublk_dev *dev = NULL;

	reset();
	if (prctl(57, 1, 0, 0, 0)) {
		ktap_eq(errno, EPERM);
		return;
	}
	prctl(57, 0, 0, 0, 0);
	ktap_eq(ublk_dev_new(&dev, &opts, &flushing, NULL), 0);
	ktap_eq(flusher_in_open, 1);
	ktap_eq(prctl(58, 0, 0, 0, 0), 0);
	ublk_dev_free(dev);
	prctl(57, 1, 0, 0, 0);
	ktap_eq(ublk_dev_new(&dev, &opts, &flushing, NULL), 0);
	ktap_eq(prctl(58, 0, 0, 0, 0), 1);
	ublk_dev_free(dev);
	prctl(57, 0, 0, 0, 0);
}

static const struct ktap_test tests[] = {
	{ "events", test_events },
	{ "ready_before", test_ready_before },
	{ "ready_batch", test_ready_batch },
	{ "poll_ends", test_poll_ends },
	{ "change", test_change },
	{ "change_busy", test_change_busy },
	{ "remove", test_remove },
	{ "remove_inside", test_remove_inside },
	{ "lets_go", test_lets_go },
	{ "back_off", test_back_off },
	{ "timer", test_timer },
	{ "foreign", test_foreign },
	{ "flusher", test_flusher },
};

int main(void)
{
	ublk_set_log(quiet_log, UBLK_LOG_ERR);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
