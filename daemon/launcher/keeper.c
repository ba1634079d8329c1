/*
 * keeper - keeps one master and its workers alive.
 */
#include "daemon/launcher/keeper_priv.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/launcher/trim.h"
#include "daemon/log.h"

int64_t
keeper_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
keeper_set_state(struct keeper *k, enum keeper_state state)
{
	assert(state >= k->state || (k->state == KEEPER_RESTARTING &&
	    state == KEEPER_SERVING));
	k->state = state;
}

/* -- frames to the master ---------------------------------------------------- */

/* A master that missed a frame knows too little to go on. */
void
keeper_tell(struct keeper *k, const struct frame *f, const int *fds, int nfds)
{
	if (link_send(&k->link, f, fds, nfds) == 0)
		return;
	log_error("send-failed to=master error=%s", "no memory");
	if (k->master)
		kill(k->master, SIGKILL);
}

void
keeper_tell_died(struct keeper *k, const struct keeper_worker *w, int status,
    int error)
{
	struct frame f = { .kind = FRAME_DIED, .u.died = {
		.worker = w->number, .status = status, .error = error } };

	keeper_tell(k, &f, NULL, 0);
}

/* -- what comes in ----------------------------------------------------------- */

static struct keeper_worker *
find_worker(struct keeper *k, uint32_t number)
{
	struct keeper_worker *w;

	DL_FOREACH(k->workers, w)
		if (w->number == number)
			return w;
	return NULL;
}

/* False when the master is talking nonsense. */
static bool
on_spawn(struct keeper *k, const struct frame *f)
{
	struct keeper_worker *w;

	if (find_worker(k, f->u.spawn.worker) ||
	    (f->u.spawn.generation == k->generation &&
	    f->u.spawn.pool >= k->settings.conf->npools))
		return false;
	w = calloc(1, sizeof(*w));
	if (!w)
		return false;
	w->number = f->u.spawn.worker;
	w->pool = f->u.spawn.pool;
	w->generation = f->u.spawn.generation;
	DL_APPEND(k->workers, w);	/* keeper_start_due() takes it from here */
	return true;
}

/* An unknown number is none: that worker died in this moment. */
static void
on_kill(struct keeper *k, const struct frame *f)
{
	struct keeper_worker *w = find_worker(k, f->u.kill.worker);

	if (w && w->pid) {
		w->asked_to_die = true;
		kill(w->pid, SIGKILL);
	} else if (w) {
		keeper_tell_died(k, w, -1, ECANCELED);
		keeper_drop_worker(k, &w);
	}
}

void
keeper_tell_serving(struct keeper *k)
{
	notify(&k->notify, "READY=1\nMAINPID=%ld\nSTATUS=Serving",
	    (long)getpid());
}

static void
leave_terminal(struct keeper *k)
{
	daemonize_ready(&k->daemonize);
	if (!k->foreground)
		log_init("deferd", true, k->debug ? LOG_L_DEBUG : LOG_L_INFO);
	trim();
}

/* A new master serves, or an old one by new settings. */
static void
on_ready(struct keeper *k)
{
	if (!k->master_ready)
		log_info("serving socket=%s", k->places.listen.path);
	k->master_ready = true;
	k->stillborn = 0;
	if (k->state == KEEPER_STARTING) {
		keeper_set_state(k, KEEPER_SERVING);
		leave_terminal(k);
	}
	if (k->state == KEEPER_SERVING)
		keeper_tell_serving(k);
}

/* Its words become part of a message in lines. */
static void
on_alive(const struct keeper *k, const struct frame_bytes *status)
{
	const char *words = status->data;
	char line[256];
	size_t i;

	for (i = 0; i < status->len && i < sizeof(line) - 1; i++)
		line[i] = words[i] >= ' ' && words[i] <= '~' ? words[i] : '?';
	line[i] = '\0';
	notify(&k->notify, "WATCHDOG=1\nSTATUS=%s", line);
}

/* False when the master is talking nonsense. */
static bool
take_frame(struct keeper *k, const struct frame *f)
{
	switch (f->kind) {
	case FRAME_READY:
		on_ready(k);
		return true;
	case FRAME_KILL:
		on_kill(k, f);
		return true;
	case FRAME_ASK:
		keeper_answer(k, f->u.ask.what);
		return true;
	case FRAME_ALIVE:
		on_alive(k, &f->u.alive.status);
		return true;
	default:
		assert(f->kind == FRAME_SPAWN);		/* by link_receive() */
		return on_spawn(k, f);
	}
}

static void
take_frames(struct keeper *k)
{
	enum link_verdict verdict = LINK_FRAME;
	struct frame f;

	while (verdict == LINK_FRAME) {
		verdict = link_receive(&k->link, &f);
		if (verdict == LINK_FRAME && !take_frame(k, &f))
			verdict = LINK_BAD;
	}
	if (verdict == LINK_NOTHING)
		return;
	if (verdict == LINK_BAD) {
		log_error("frame-bad from=master");
		kill(k->master, SIGKILL);
	}
	link_close(&k->link);	/* the rest is SIGCHLD's */
}


static void
take_signals(struct keeper *k)
{
	struct signalfd_siginfo info;
	char error[CONF_ERROR_MAX];

	while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			keeper_reap(k);
		else if (info.ssi_signo == SIGHUP)
			(void)keeper_reload(k, error);
		else if (info.ssi_signo == SIGUSR2)
			keeper_restart(k);
		else
			keeper_drain(k);
	}
}

/* -- the loop ---------------------------------------------------------------- */

static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR2);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);	/* ignored, it would reap for us */
	signal(SIGHUP, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The master has not finished in time. */
static void
force(struct keeper *k)
{
	log_warn("drain-over");
	if (k->state == KEEPER_DRAINING) {
		keeper_end(k, 1);
		return;
	}
	k->deadline_ms = INT64_MAX;
	if (k->master)
		kill(k->master, SIGKILL);
}

static bool
has_deadline(const struct keeper *k)
{
	return k->state == KEEPER_RESTARTING || k->state == KEEPER_DRAINING;
}

static void
turn(struct keeper *k)
{
	struct pollfd fds[2] = { { .fd = k->signal_fd, .events = POLLIN } };
	int64_t now = keeper_now_ms(), next;

	if (has_deadline(k) && now >= k->deadline_ms)
		force(k);
	next = keeper_start_due(k, now);
	if (has_deadline(k) && k->deadline_ms < next)
		next = k->deadline_ms;
	fds[1].fd = k->link.fd;
	fds[1].events = link_events(&k->link);
	if (next != INT64_MAX)
		next = next > now ? next - now : 0;
	if (poll(fds, 2, next > INT_MAX ? -1 : (int)next) < 0) {
		assert(errno == EINTR || errno == ENOMEM);
		return;
	}
	if (fds[1].revents & POLLOUT)
		link_flush(&k->link);
	if (fds[1].revents & ~POLLOUT)
		take_frames(k);
	if (fds[0].revents)
		take_signals(k);
}

int
keeper_run(struct keeper *k)
{
	keeper_set_state(k, KEEPER_STARTING);
	k->first = k->settings.conf;
	k->heir = (struct settings){ .fd = -1 };
	link_init(&k->link);
	k->signal_fd = open_signals();
	k->pools = calloc(k->settings.conf->npools, sizeof(*k->pools));
	if (k->signal_fd < 0 || !k->pools ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		log_error("fatal error=%m");
		keeper_end(k, 1);
	}
	while (k->state != KEEPER_ENDING || k->master || k->workers)
		turn(k);
	link_close(&k->link);
	free(k->pools);
	settings_fini(&k->heir);
	if (k->first != k->settings.conf)
		conf_free((struct conf *)k->first);
	if (k->signal_fd >= 0)
		close(k->signal_fd);
	return k->exit_status;
}
