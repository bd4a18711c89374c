// SPDX-License-Identifier: GPL-2.0
/*
 * "ublk top": what devices do per second, on a terminal, until the user presses q.
 *
 * Plain ANSI sequences on the terminal's second screen; the first one and the modes of
 * the terminal come back at the end. Without a terminal one report is printed.
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

static volatile sig_atomic_t top_ended;

static void top_on_signal(int sig)
{
	(void)sig;
	top_ended = 1;
}

/* Without SA_RESTART, so that poll() returns. */
static void top_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = top_on_signal };
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

static long long top_ms(void)
{
	return common_now_ns() / 1000000;
}

/* Wait for the next picture. Return: false if the user wants to end */
static bool top_wait(long long until)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	long long left;
	char key;

	while (!top_ended && (left = until - top_ms()) > 0) {
		if (poll(&p, 1, left) <= 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1)
			p.fd = -1;
		else if (key == 'q' || key == 'Q')
			return false;
	}
	return !top_ended;
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

static int top_loop(const struct top_cfg *cfg, struct stat_set *set)
{
	long long next = top_ms();
	int ret;

	do {
		ret = stat_set_read(set);
		if (!ret)
			top_draw(set);
		next += cfg->interval * 1000;
	} while (!ret && top_wait(next));
	return ret;
}

static int top_live(const struct top_cfg *cfg, struct stat_set *set)
{
	struct termios old, raw;
	bool keys = !tcgetattr(STDIN_FILENO, &old);
	int ret;

	top_catch();
	if (keys) {
		raw = old;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	printf(TOP_BEGIN);
	ret = top_loop(cfg, set);
	printf(TOP_END);
	fflush(stdout);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &old);
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
