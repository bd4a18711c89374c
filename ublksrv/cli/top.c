// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk top": what devices do per second, on a terminal, until the user presses q.
 *
 * Plain ANSI sequences on the terminal's second screen; the first one and the modes of
 * the terminal come back at the end, and while Ctrl-Z has stopped the process. Without a
 * terminal one report is printed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include "json.h"
#include "opt.h"
#include "stat_set.h"

#define TOP_BEGIN	"\033[?1049h\033[?25l"
#define TOP_HOME	"\033[H"
#define TOP_LINE_END	"\033[K"
#define TOP_REST	"\033[J"
#define TOP_END		"\033[?25h\033[?1049l"

struct top_cfg {
	char **devices;
	__u64 interval;
};

static const struct ublk_opt top_opts[] = {
	{
		.name = "number|dev_id", .letter = 'n', .type = UBLK_OPT_STR,
		.flags = UBLK_OPT_POSITIONAL | UBLK_OPT_LIST,
		.offset = offsetof(struct top_cfg, devices),
		.arg = "ID", .help = "only this device; may be repeated",
	},
	{
		.name = "interval", .letter = 'i', .type = UBLK_OPT_UINT,
		.offset = offsetof(struct top_cfg, interval),
		.arg = "SECONDS", .def = "1", .min = 1, .max = 86400,
		.help = "time between two pictures",
	},
	{ 0 }
};

/* The terminal, and the signals that concern it. */
struct top {
	const struct top_cfg *cfg;
	struct stat_set *set;
	bool keys;		/* standard input is the terminal */
	struct termios old, raw;
	int signals;		/* signalfd: none is missed between two waits */
	bool ended;
};

static int top_catch(struct top *t)
{
	static const int caught[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH,
	};
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return t->signals < 0 ? ublk_error(-errno, "terminal: signalfd: %s",
					   strerror(errno)) : 0;
}

/* The kernel stops a process that does this in the background. */
static void top_enter(const struct top *t)
{
	if (t->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->raw);
	printf(TOP_BEGIN);
}

static void top_leave(const struct top *t)
{
	printf(TOP_END);
	fflush(stdout);
	if (t->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->old);
}

/* As Ctrl-Z stops a process that does not catch the signal. */
static void top_stop(const struct top *t)
{
	sigset_t set;

	top_leave(t);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* here it has been continued */
	sigprocmask(SIG_BLOCK, &set, NULL);
	top_enter(t);
}

static void top_signal(struct top *t)
{
	struct signalfd_siginfo sig;

	if (read(t->signals, &sig, sizeof(sig)) != sizeof(sig))
		return;
	switch (sig.ssi_signo) {
	case SIGTSTP:
		top_stop(t);
		break;
	case SIGCONT:
		/* after SIGSTOP, a shell has set the modes */
		top_enter(t);
		break;
	case SIGWINCH:
		break;
	default:
		t->ended = true;
	}
}

static void top_key(struct top *t, struct pollfd *p)
{
	char key;

	if (read(STDIN_FILENO, &key, 1) != 1)
		p->fd = -1;
	else if (key == 'q' || key == 'Q')
		t->ended = true;
}

static long long top_ms(void)
{
	return common_now_ns() / 1000000;
}

/* Wait for the next picture, or for a reason to make it now. */
static void top_wait(struct top *t, long long until)
{
	struct pollfd p[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = t->signals, .events = POLLIN },
	};
	long long left;

	while (!t->ended && (left = until - top_ms()) > 0) {
		if (poll(p, 2, left) <= 0)
			continue;
		if (p[0].revents)
			top_key(t, &p[0]);
		if (p[1].revents) {
			top_signal(t);
			return;
		}
	}
}

/* As many lines as the terminal has. */
static void top_draw(const struct stat_set *set)
{
	struct winsize size = { 0 };
	char *text = NULL, *line, *rest;
	unsigned int row = 1;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	stat_text(out, set, true, false);
	if (!set->nr)
		fprintf(out, "no devices\n");
	fclose(out);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row)
		size.ws_row = 24;
	if (!size.ws_col)
		size.ws_col = 80;
	printf(TOP_HOME "ublk top: q ends" TOP_LINE_END);
	for (line = text; (rest = strchr(line, '\n')) && ++row <= size.ws_row;
	     line = rest + 1)
		printf("\n%.*s" TOP_LINE_END,
		       (int)(rest - line < size.ws_col ? rest - line :
			     size.ws_col), line);
	printf(TOP_REST);
	fflush(stdout);
	free(text);
}

static int top_loop(struct top *t)
{
	const long long step = t->cfg->interval * 1000;
	long long next = top_ms(), now;
	int ret;

	do {
		ret = stat_set_read(t->set);
		if (!ret)
			top_draw(t->set);
		now = top_ms();
		/* not all those that were due while the process was stopped */
		if (next <= now)
			next = next + step > now ? next + step : now + step;
		if (!ret)
			top_wait(t, next);
	} while (!ret && !t->ended);
	return ret;
}

static int top_live(const struct top_cfg *cfg, struct stat_set *set)
{
	struct top t = { .cfg = cfg, .set = set };
	int ret;

	ret = top_catch(&t);
	if (ret)
		return ret;
	t.keys = !tcgetattr(STDIN_FILENO, &t.old);
	t.raw = t.old;
	t.raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	/* the terminal would throw a part of the picture away at Ctrl-C */
	t.raw.c_lflag |= NOFLSH;
	top_enter(&t);
	ret = top_loop(&t);
	top_leave(&t);
	close(t.signals);
	return ret;
}

static int top_once(const struct top_cfg *cfg, struct stat_set *set)
{
	struct timespec pause = { .tv_sec = cfg->interval };
	int ret;

	ret = stat_set_read(set);
	if (ret)
		return ret;
	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
	ret = stat_set_read(set);
	if (ret)
		return ret;
	if (out_is_json())
		stat_json(set, 0);
	else
		stat_text(stdout, set, true, false);
	return 0;
}

static int top_run(int argc, char **argv)
{
	struct top_cfg cfg = { 0 };
	struct opt_table table = { .opts = top_opts, .base = &cfg };
	struct stat_set set = { 0 };
	int ret;

	ret = cli_parse(&top_command, &cfg, argc, argv);
	if (ret < 0) {
		out_set("stats", json_array());
		set.names = cfg.devices;
		ret = isatty(STDOUT_FILENO) && !out_is_json() ?
			top_live(&cfg, &set) : top_once(&cfg, &set);
		ret = ret ? cli_fail(ret) : EXIT_OK;
		stat_set_free(&set);
	}
	opt_free(&table);
	return ret;
}

const struct cli_command top_command = {
	.name = "top",
	.args = "[ID...] [-i SECONDS]",
	.summary = "watch what devices do",
	.opts = top_opts,
	.run = top_run,
};
