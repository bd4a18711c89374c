// SPDX-License-Identifier: GPL-2.0
/*
 * Follow the server of a declared device: start it, notice its death by its pidfd,
 * start the next one, after a pause if they do not last. The IO of a device that can
 * be recovered waits meanwhile.
 *
 * This process allocates little and is locked in memory, for what it needs may lie on
 * the disk that waits. When it is killed the server goes on, and another supervisor
 * takes over what it finds.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "backoff.h"
#include "heartbeat.h"
#include "journal.h"
#include "notify.h"
#include "supervise_upgrade.h"

#define PAUSE_START_MS	30000	/* the longest one after a start that failed */
#define PAUSE_DEATH_MS	5000	/* ... after a server that died soon */
#define LASTING_NS	(30 * 1000000000ULL)	/* one that did not die soon */
#define LEAVE_STATE_MS	20000	/* until the driver knows of a death */
#define DELETE_MS	2000	/* between the end of a server and that of its device */
#define END_MS		20000	/* until a server that was asked to has ended */

enum phase {
	PHASE_STARTING,		/* a child has not told how it gets on */
	PHASE_SERVING,
	PHASE_PAUSE,		/* before the next start */
};

struct supervisor {
	struct supervise s;
	struct heartbeat beat;
	struct upgrade upgrade;
	enum phase phase;
	unsigned int failures;	/* starts in a row */
	unsigned int deaths;	/* in a row that came soon */
	unsigned int limit;
	__u64 started;
	__u64 next;		/* of the pause */
	__u64 end;		/* by when a server must have ended; 0: not asked */
	int signals;
	bool done;
	int status;
};

static const char *supervise_device = "";	/* for the journal */

/*
 * With level and device, where standard error goes to the journal. What that does not take
 * at once is lost: a write to standard error would wait.
 */
static void supervise_journal(enum ublk_log_level level, const char *msg)
{
	static const int prio[] = {
		[UBLK_LOG_ERR] = 3, [UBLK_LOG_WARN] = 4, [UBLK_LOG_INFO] = 6,
		[UBLK_LOG_DEBUG] = 7,
	};
	int ret = journal_send(JOURNAL_SOCKET, prio[level], supervise_device, msg);

	if (ret && ret != -EAGAIN)
		fprintf(stderr, "<%d>ublk: %s\n", prio[level], msg);
}

/* To the log, and to the service manager. */
static void supervise_say(enum ublk_log_level level, const struct supervisor *v,
			  const char *text)
{
	ublk_log(level, "%s: %s", v->s.conf->name, text);
	notify("STATUS=%s", text);
}

static void supervise_finish(struct supervisor *v, int status)
{
	v->done = true;
	v->status = status;
}

/* Return: 0 or negative errno with a message */
static int supervise_set_up(struct supervisor *v)
{
	sigset_t set;

	supervise_device = v->s.conf->name;
	if (getenv("JOURNAL_STREAM"))
		ublk_set_log(supervise_journal, UBLK_LOG_INFO);
	else if (daemon_is_mute())
		daemon_use_syslog(UBLK_LOG_INFO);
	else
		ublk_set_log(NULL, UBLK_LOG_INFO);
	survive_set_up(true);
	/* no core dump that could be written to the disk that waits */
	prctl(PR_SET_DUMPABLE, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	v->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (v->signals < 0)
		return ublk_error(-errno, "%s: signalfd: %s", v->s.conf->path,
				  strerror(errno));
	/* an ordinary user may not; the server does not need it */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		ublk_log(UBLK_LOG_WARN, "%s: the supervisor is not locked in memory: %s",
			 v->s.conf->name, strerror(errno));
	return 0;
}

static void supervise_say_served(const struct supervisor *v)
{
	char text[120];

	snprintf(text, sizeof(text), "/dev/ublkb%u is served by process %d", v->s.id,
		 (int)v->s.pid);
	supervise_say(UBLK_LOG_INFO, v, text);
}

static void supervise_ready(struct supervisor *v)
{
	v->phase = PHASE_SERVING;
	v->failures = 0;
	v->started = common_now_ns();
	heartbeat_start(&v->beat, v->s.id, v->s.pid);
	supervise_say_served(v);
	notify("READY=1");
	upgrade_ready(&v->upgrade);
}

static void supervise_pause(struct supervisor *v, const char *why,
			    unsigned int ms)
{
	char text[1200];

	snprintf(text, sizeof(text), "%s; next start in %u ms", why, ms);
	supervise_say(UBLK_LOG_WARN, v, text);
	v->phase = PHASE_PAUSE;
	v->next = common_now_ns() + ms * 1000000ULL;
}

/* A start has failed: try it again later, or give up. */
static void supervise_failed(struct supervisor *v, const char *why)
{
	char text[1200];

	v->failures++;
	if (!v->limit || v->failures < v->limit) {
		supervise_pause(v, why,
				backoff_ms(v->failures, PAUSE_START_MS));
		return;
	}
	snprintf(text, sizeof(text), "given up after %u starts: %s", v->failures,
		 why);
	supervise_say(UBLK_LOG_ERR, v, text);
	ublk_error(-EIO, "%s: %s", v->s.conf->path, text);
	supervise_finish(v, EXIT_FAILED);
}

/* A server has died: the first time, its disk does not wait. */
static void supervise_died(struct supervisor *v, const char *why)
{
	if (common_now_ns() - v->started >= LASTING_NS)
		v->deaths = 0;
	supervise_pause(v, why, backoff_ms(v->deaths++, PAUSE_DEATH_MS));
}

static void supervise_next(struct supervisor *v)
{
	enum supervise_start what;

	v->phase = PHASE_STARTING;
	if (supervise_start(&v->s, &what)) {
		if (v->s.pid)
			supervise_reap(&v->s);
		supervise_failed(v, ublk_strerror_last());
		/* only a declaration says how to add it again */
		if (what == SUPERVISE_GONE && !v->done)
			supervise_finish(v, EXIT_FAILED);
		return;
	}
	if (what == SUPERVISE_FOUND)
		supervise_ready(v);
}

static void supervise_declare(struct supervisor *v)
{
	if (v->s.conf->words && state_declare(v->s.id, v->s.conf->words))
		ublk_log(UBLK_LOG_WARN, "%s: the declaration is not recorded: %s",
			 v->s.conf->name, ublk_strerror_last());
}

/* The server has told that the disk is there; if not, it ends and has said why. */
static void supervise_told(struct supervisor *v)
{
	__u64 val = 0;

	if (read(v->s.events, &val, sizeof(val)) != sizeof(val) || !val ||
	    val > UBLK_ID_AUTO)
		return;
	v->s.id = val - 1;
	close(v->s.events);
	v->s.events = -1;
	supervise_declare(v);
	supervise_ready(v);
}

static const char *supervise_how(const struct supervisor *v, int status,
				 char *buf, size_t len)
{
	const char *said = v->s.child && v->s.said ? v->s.said : "";

	if (status < 0)
		snprintf(buf, len, "was ended by signal %d (%s)", -status,
			 strsignal(-status));
	else
		snprintf(buf, len, "has ended with status %d%s%s", status,
			 *said ? ": " : "", said);
	return buf;
}

/*
 * The device has no server and is not LIVE. Has somebody stopped it? Its server ends well
 * then. How one ended that is no child is not known: a device that can be recovered is
 * DEAD only after a stop, and another one is perhaps being deleted.
 */
static bool supervise_was_stopped(struct supervisor *v, int status,
				  struct ublksrv_ctrl_dev_info *info, int *err)
{
	if (*err || info->state != UBLK_S_DEV_DEAD)
		return false;
	if (v->s.child)
		return !status;
	if (info->flags & UBLK_F_USER_RECOVERY)
		return true;
	*err = common_wait_state(v->s.ctrl, v->s.id, UBLK_S_DEV_DEAD, DELETE_MS,
				 info);
	return false;
}

/* A device that somebody has deleted or stopped is not added again. */
static bool supervise_was_ended(struct supervisor *v, int status,
				struct ublksrv_ctrl_dev_info *info, int err)
{
	if (!supervise_was_stopped(v, status, info, &err) && err != -ENODEV)
		return false;
	supervise_say(UBLK_LOG_INFO, v, err ? "the device has been deleted" :
		      "the device has been stopped");
	supervise_finish(v, EXIT_OK);
	return true;
}

static void supervise_ended(struct supervisor *v)
{
	struct ublksrv_ctrl_dev_info info = { 0 };
	char how[900], text[1000];
	pid_t pid = v->s.pid;
	int status, err;

	heartbeat_stop(&v->beat);
	status = supervise_reap(&v->s);
	if (v->end) {
		supervise_finish(v, EXIT_OK);
		return;
	}
	snprintf(text, sizeof(text), "the server, process %d, %s", (int)pid,
		 supervise_how(v, status, how, sizeof(how)));
	if (v->phase != PHASE_SERVING) {
		supervise_failed(v, text);
		return;
	}
	err = common_wait_state(v->s.ctrl, v->s.id, UBLK_S_DEV_LIVE,
				LEAVE_STATE_MS, &info);
	if (!supervise_was_ended(v, status, &info, err))
		supervise_died(v, text);
}

/*
 * A signal is passed on; what the server makes of it is in leave.c. But SIGUSR1 ends the
 * supervisor alone.
 */
static void supervise_signal(struct supervisor *v)
{
	struct signalfd_siginfo sig;

	if (read(v->signals, &sig, sizeof(sig)) != sizeof(sig) ||
	    sig.ssi_signo == SIGHUP)
		return;
	notify("STOPPING=1");
	if (!v->s.pid || sig.ssi_signo == SIGUSR1) {
		supervise_finish(v, EXIT_OK);
		return;
	}
	syscall(SYS_pidfd_send_signal, v->s.pidfd, SIGTERM, NULL, 0);
	v->end = common_now_ns() + END_MS * 1000000ULL;
}

/* The server goes on, because the disk is in use, and so does this process. */
static void supervise_stays(struct supervisor *v)
{
	v->end = 0;
	supervise_say(UBLK_LOG_WARN, v, "asked to end, but the disk is in use or its requests do not end; goes on");
	notify("READY=1");
}

/* A server that hangs is killed, and replaced as one that died. */
static void supervise_look(struct supervisor *v)
{
	char why[1000];

	switch (heartbeat_look(&v->beat, why, sizeof(why))) {
	case HEARTBEAT_HANGS:
		supervise_say(UBLK_LOG_ERR, v, why);
		syscall(SYS_pidfd_send_signal, v->s.pidfd, SIGKILL, NULL, 0);
		break;
	case HEARTBEAT_BLOCKED:
		supervise_say(UBLK_LOG_ERR, v, why);
		break;
	case HEARTBEAT_GOES_ON:
		supervise_say_served(v);
		break;
	default:
		break;
	}
}

/* Another program: see supervise_upgrade.c. */
static void supervise_upgrade(struct supervisor *v)
{
	switch (upgrade_turn(&v->upgrade, &v->s)) {
	case UPGRADE_SERVED:
		heartbeat_stop(&v->beat);
		supervise_declare(v);
		supervise_ready(v);
		upgrade_exec(&v->upgrade);
		break;
	case UPGRADE_CHECKED:
		upgrade_exec(&v->upgrade);
		break;
	case UPGRADE_LOST:
		heartbeat_stop(&v->beat);
		supervise_next(v);
		break;
	default:
		break;
	}
}

/* Return: the earlier of two times, of which 0 is none */
static __u64 supervise_first(__u64 a, __u64 b)
{
	return !a || (b && b < a) ? b : a;
}

/* Return: ms until something has to be done, -1 for ever */
static int supervise_wait_ms(const struct supervisor *v, __u64 now)
{
	unsigned int dog = notify_watchdog_ms();
	__u64 at = v->phase == PHASE_PAUSE ? v->next : 0, ms;

	at = supervise_first(supervise_first(at, v->end), v->upgrade.end);
	if (v->upgrade.step != UPGRADE_SERVER)
		at = supervise_first(at, v->beat.next);
	if (!at && !dog)
		return -1;
	ms = !at ? dog : at > now ? (at - now + 999999) / 1000000 : 0;
	return dog && ms > dog ? (int)dog : ms > 3600000 ? 3600000 : (int)ms;
}

static void supervise_turn(struct supervisor *v)
{
	/* a server that is about to be replaced ends, and its disk must not wait */
	bool replaces = v->upgrade.step == UPGRADE_SERVER;
	/* others wait */
	bool accepts = v->upgrade.step == UPGRADE_NONE && v->phase != PHASE_STARTING;
	struct pollfd p[] = {
		{ .fd = replaces ? -1 : v->signals, .events = POLLIN },
		{ .fd = v->s.events, .events = POLLIN },
		{ .fd = replaces && v->upgrade.gone ? -1 : v->s.pidfd, .events = POLLIN },
		{ .fd = accepts ? v->upgrade.listener : -1, .events = POLLIN },
		{ .fd = v->upgrade.events, .events = POLLIN },
		{ .fd = v->upgrade.pidfd, .events = POLLIN },
	};

	poll(p, 6, supervise_wait_ms(v, common_now_ns()));
	if (notify_watchdog_ms())
		notify("WATCHDOG=1");
	if (p[3].revents)
		upgrade_accept(&v->upgrade, &v->s);
	if (replaces) {
		supervise_upgrade(v);
		return;
	}
	if (p[0].revents)
		supervise_signal(v);
	if (p[1].revents && v->phase == PHASE_STARTING)
		supervise_told(v);
	if (p[2].revents && v->s.pid)
		supervise_ended(v);
	if (v->done)
		return;
	supervise_upgrade(v);
	if (v->s.pid && v->upgrade.step != UPGRADE_SERVER)
		supervise_look(v);
	if (v->phase == PHASE_PAUSE && common_now_ns() >= v->next)
		supervise_next(v);
	if (v->end && common_now_ns() >= v->end)
		supervise_stays(v);
}

int supervise_try(const struct conf *conf, __u32 id)
{
	struct supervise s = { .conf = conf, .id = id, .pidfd = -1, .events = -1 };
	struct ublksrv_ctrl_dev_info info;
	int ret;

	ret = ublk_ctrl_open(&s.ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(s.ctrl, CLI_QUERY_MS);
	ret = supervise_find(&s, &info);
	ublk_ctrl_close(s.ctrl);
	/* it will be added */
	if (ret == -ENODEV && conf->words)
		ret = 0;
	return ret ? cli_fail(ret) : EXIT_OK;
}

int supervise_run(const struct conf *conf, __u32 id, unsigned int limit,
		  unsigned int hang)
{
	struct supervisor v = {
		.s = {
			.conf = conf, .id = id, .pidfd = -1, .events = -1,
		},
		.beat = { .limit = hang * 1000000000ULL },
		.limit = limit, .signals = -1,
	};
	int ret;

	ret = module_load();
	if (!ret)
		ret = ublk_ctrl_open(&v.s.ctrl);
	if (ret)
		return cli_fail(ret);
	ublk_ctrl_set_deadline(v.s.ctrl, CLI_QUERY_MS);
	ret = upgrade_start(&v.upgrade, &v.s);
	if (!ret)
		ret = supervise_set_up(&v);
	if (!ret && daemon_is_mute() && id != UBLK_ID_AUTO)
		session_leave(id, "supervisor");
	if (!ret)
		supervise_next(&v);
	while (!ret && !v.done)
		supervise_turn(&v);
	if (v.signals >= 0)
		close(v.signals);
	heartbeat_stop(&v.beat);
	upgrade_stop(&v.upgrade);
	ublk_ctrl_close(v.s.ctrl);
	if (ret)
		return cli_fail(ret);
	return v.status ? cli_report(v.status, ublk_strerror_last()) : EXIT_OK;
}
