/*
 * keeper - keeps one master and its workers alive.
 */
#include "daemon/launcher/keeper.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/launcher/trim.h"
#include "daemon/log.h"
#include "daemon/role.h"
#include "ipc/sock.h"

#define DRAIN_MARGIN_MS	10000	/* for the master, above the drain setting */

struct keeper_worker {
	struct keeper_worker *prev, *next;
	uint32_t	 number;	/* the master's */
	uint32_t	 pool;
	uint32_t	 generation;	/* of the settings it was asked under */
	pid_t		 pid;		/* 0: held back */
	int64_t		 started_ms;
	bool		 asked_to_die;	/* then its death is no crash */
	struct slate	 slate;		/* mapped while it lives */
};

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* -- frames to the master ---------------------------------------------------- */

/* A master that missed a frame knows too little to go on. */
static void
tell(struct keeper *k, const struct frame *f, const int *fds, int nfds)
{
	if (link_send(&k->link, f, fds, nfds) == 0)
		return;
	log_error("no memory for a frame to the master: it is restarted");
	if (k->master)
		kill(k->master, SIGKILL);
}

static void
tell_died(struct keeper *k, const struct keeper_worker *w, int status,
    int error)
{
	struct frame f = { .kind = FRAME_DIED, .u.died = {
		.worker = w->number, .status = status, .error = error } };

	tell(k, &f, NULL, 0);
}

/* -- starting ---------------------------------------------------------------- */

/* argv of a role; `pool` is NULL for the master. */
static void
role_argv(const struct keeper *k, char *argv[6], char *program, char *pool)
{
	int n = 0;

	argv[n++] = program;
	if (k->foreground)
		argv[n++] = "-f";
	if (k->debug)
		argv[n++] = "-d";
	if (pool) {
		argv[n++] = "-p";
		argv[n++] = pool;
	}
	argv[n] = NULL;
}

/*
 * Execs a role with a new socket to it at ROLE_FD_PEER and the settings at
 * ROLE_FD_CONF; the caller has set the other descriptors.  Gives the other
 * end of the socket in *peer.
 */
static pid_t
spawn_role(struct keeper *k, struct spawn *s, int *peer)
{
	int pair[2], saved;
	pid_t pid = -1;

	if (sock_pair(pair) < 0)
		return -1;
	s->fds[0] = pair[1];
	s->fds[1] = settings_open(&k->settings);
	s->stderr_fd = daemonize_stderr(&k->daemonize);
	if (s->fds[1] >= 0)
		pid = spawn(s);
	saved = errno;
	close(pair[1]);
	if (s->fds[1] >= 0)
		close(s->fds[1]);
	if (pid < 0)
		close(pair[0]);
	*peer = pair[0];
	errno = saved;
	return pid;
}

static void
end(struct keeper *k, int exit_status);

static void
start_master(struct keeper *k)
{
	char *argv[6];
	struct spawn s = {
		.program = ROLE_MASTER_PROGRAM, .argv = argv,
		.fds = { -1, -1, k->places.listen.fd, k->places.control.fd },
		.nfds = k->places.control.fd >= 0 ? 4 : 3,
		.user = k->user, .mask = 077,
	};
	int peer;

	role_argv(k, argv, ROLE_MASTER_PROGRAM, NULL);
	k->master_started_ms = now_ms();
	k->master = spawn_role(k, &s, &peer);
	if (k->master > 0) {
		/* The settings that it was handed are its first. */
		k->generation = 0;
		memset(k->pools, 0,
		    k->settings.conf->npools * sizeof(*k->pools));
		link_open(&k->link, peer);
		log_info("master started pid=%ld", (long)k->master);
		return;
	}
	k->master = 0;
	log_error("cannot start %s: %s", ROLE_MASTER_PROGRAM, strerror(errno));
	backoff_died(&k->master_backoff, k->master_started_ms, now_ms());
	if (k->state == KEEPER_STARTING)
		end(k, 1);
}

static void
drop_worker(struct keeper *k, struct keeper_worker **wp)
{
	struct keeper_worker *w = *wp;

	DL_DELETE(k->workers, w);
	if (w->pid)
		slate_unmap(&w->slate);
	free(w);
	*wp = NULL;
}

/* pid, or -1; the worker's socket and slate in fds. */
static pid_t
spawn_worker(struct keeper *k, struct keeper_worker *w, int fds[2])
{
	char *argv[6], pool[16];
	struct spawn s = {
		.program = ROLE_WORKER_PROGRAM, .argv = argv, .nfds = 3,
		.user = k->run_as, .mask = 022, .death_signal = SIGTERM,
	};
	int slate, saved;
	pid_t pid = -1;

	slate = slate_create((unsigned int)k->settings.conf->threads);
	if (slate < 0)
		return -1;
	if (slate_map_reader(&w->slate, slate) == 0) {
		snprintf(pool, sizeof(pool), "%u", w->pool);
		role_argv(k, argv, ROLE_WORKER_PROGRAM, pool);
		s.fds[2] = slate;
		pid = spawn_role(k, &s, &fds[0]);
		saved = errno;
		if (pid < 0)
			slate_unmap(&w->slate);
		errno = saved;
	}
	if (pid < 0) {
		saved = errno;
		close(slate);
		errno = saved;
	}
	fds[1] = slate;
	return pid;
}

static void
start_worker(struct keeper *k, struct keeper_worker *w)
{
	struct frame f = { .kind = FRAME_SPAWNED };
	pid_t pid = -1;
	int fds[2];

	w->started_ms = now_ms();
	if (w->generation != k->generation) {
		errno = ESTALE;		/* that pool was another one's number */
	} else {
		pid = spawn_worker(k, w, fds);
		if (pid < 0) {
			log_error("cannot start %s: %s", ROLE_WORKER_PROGRAM,
			    strerror(errno));
			backoff_died(&k->pools[w->pool], w->started_ms, now_ms());
		}
	}
	if (pid < 0) {
		tell_died(k, w, -1, errno);
		drop_worker(k, &w);
		return;
	}
	w->pid = pid;
	log_debug("worker started worker=%u pool=%u pid=%ld", w->number,
	    w->pool, (long)pid);
	f.u.spawned.worker = w->number;
	f.u.spawned.pid = (int32_t)pid;
	tell(k, &f, fds, 2);
}

/* Starts who has waited long enough; gives the time of the next one. */
static int64_t
start_due(struct keeper *k, int64_t now)
{
	struct keeper_worker *w, *next;
	int64_t due, soonest = INT64_MAX;
	bool alone = !k->master && !k->workers;

	if (k->state <= KEEPER_SERVING && alone) {
		if (now < k->master_backoff.start_ms)
			return k->master_backoff.start_ms;
		start_master(k);
		if (!k->master)
			return k->master_backoff.start_ms;
	}
	DL_FOREACH_SAFE(k->workers, w, next) {
		if (w->pid)
			continue;
		due = w->generation == k->generation ?
		    k->pools[w->pool].start_ms : now;
		if (due <= now)
			start_worker(k, w);
		else if (due < soonest)
			soonest = due;
	}
	return soonest;
}

/* -- ending ------------------------------------------------------------------ */

/* They are reaped, and what they started is killed, when SIGCHLD comes. */
static void
kill_workers(struct keeper *k)
{
	struct keeper_worker *w, *next;

	DL_FOREACH_SAFE(k->workers, w, next) {
		if (w->pid)
			kill(w->pid, SIGKILL);
		else
			drop_worker(k, &w);
	}
}

static void
end(struct keeper *k, int exit_status)
{
	k->state = KEEPER_ENDING;
	k->exit_status = exit_status;
	if (k->master)
		kill(k->master, SIGKILL);
	link_close(&k->link);		/* it asks for nobody any more */
	kill_workers(k);
}

static const char *
how(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "signal=%d", WTERMSIG(status));
	else
		snprintf(text, size, "exit=%d", WEXITSTATUS(status));
	return text;
}

/* Whatever its status: a module can call exit(0) as it is loaded. */
static void
count_death(struct backoff *b, const struct keeper_worker *w)
{
	if (slate_culprit(&w->slate) != 0)
		backoff_crashed(b, w->started_ms, now_ms());
	else
		backoff_died(b, w->started_ms, now_ms());
}

static void
worker_died(struct keeper *k, struct keeper_worker *w)
{
	int status = 0;
	char text[32];

	spawn_kill_groups(&w->slate, w->pid, k->run_as);
	waitpid(w->pid, &status, 0);
	log_info("worker died worker=%u pool=%u pid=%ld %s", w->number, w->pool,
	    (long)w->pid, how(status, text, sizeof(text)));
	if (!w->asked_to_die && w->generation == k->generation)
		count_death(&k->pools[w->pool], w);
	tell_died(k, w, status, 0);
	drop_worker(k, &w);
}

static void
master_died(struct keeper *k)
{
	int status = 0;
	char text[32];

	waitpid(k->master, &status, 0);
	how(status, text, sizeof(text));
	if (k->state == KEEPER_STARTING)
		log_error("master died before it served pid=%ld %s",
		    (long)k->master, text);
	else if (k->state == KEEPER_SERVING || status != 0)
		log_error("master died pid=%ld %s", (long)k->master, text);
	k->master = 0;
	link_close(&k->link);
	if (k->state == KEEPER_STARTING) {
		end(k, 1);
	} else if (k->state == KEEPER_DRAINING) {
		end(k, status != 0);
	} else {
		backoff_died(&k->master_backoff, k->master_started_ms, now_ms());
		kill_workers(k);
	}
}

/* -- reaping ----------------------------------------------------------------- */

static bool
is_dead(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == pid;
}

/* All roles that are dead now: true if there was one. */
static bool
reap_roles(struct keeper *k)
{
	struct keeper_worker *w, *next;
	bool any = false;

	DL_FOREACH_SAFE(k->workers, w, next)
		if (w->pid && is_dead(w->pid)) {
			worker_died(k, w);
			any = true;
		}
	if (k->master && is_dead(k->master)) {
		master_died(k);
		any = true;
	}
	return any;
}

static bool
on_a_slate(const struct keeper *k, pid_t pid)
{
	const struct keeper_worker *w;
	unsigned int i;

	DL_FOREACH(k->workers, w)
		for (i = 0; w->pid && i < w->slate.nslots; i++)
			if (atomic_load(&w->slate.slot[i].pgid) == pid)
				return true;
	return false;
}

/*
 * The launcher is a subreaper: what a dead worker leaves becomes its child.
 * No orphan is reaped while a worker may be dead whose slate names it, or
 * the number of that group could be somebody else's by the time it is
 * killed.  A leader on the slate of a living worker means that the worker is
 * dying, and not all of its threads are gone: its own SIGCHLD is to come.
 */
static void
reap(struct keeper *k)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			return;
		if (reap_roles(k))
			continue;
		if (on_a_slate(k, info.si_pid))
			return;
		waitpid(info.si_pid, NULL, 0);
	}
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
	DL_APPEND(k->workers, w);	/* start_due() takes it from here */
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
		tell_died(k, w, -1, ECANCELED);
		drop_worker(k, &w);
	}
}

static void
on_ready(struct keeper *k)
{
	log_info("serving socket=%s", k->places.listen.path);
	if (k->state != KEEPER_STARTING)
		return;
	k->state = KEEPER_SERVING;
	daemonize_ready(&k->daemonize);
	if (!k->foreground)
		log_init("deferd", true, k->debug ? LOG_L_DEBUG : LOG_L_INFO);
	trim();
}

static void
take_frames(struct keeper *k)
{
	enum link_verdict verdict = LINK_FRAME;
	struct frame f;

	while (verdict == LINK_FRAME) {
		verdict = link_receive(&k->link, &f);
		if (verdict != LINK_FRAME)
			break;
		if (f.kind == FRAME_READY)
			on_ready(k);
		else if (f.kind == FRAME_KILL)
			on_kill(k, &f);
		else if (!on_spawn(k, &f))
			verdict = LINK_BAD;
	}
	if (verdict == LINK_NOTHING)
		return;
	if (verdict == LINK_BAD) {
		log_error("bad frame from the master: it is killed");
		kill(k->master, SIGKILL);
	}
	link_close(&k->link);	/* the rest is SIGCHLD's */
}

/* SIGHUP: the new settings, if they are good. */
static void
reload(struct keeper *k)
{
	struct frame f = { .kind = FRAME_RELOAD };
	struct settings fresh;
	struct backoff *pools;
	char error[CONF_ERROR_MAX], names[256];
	int fd;

	if (settings_read(&fresh, k->path, k->socket, error) < 0) {
		log_error("settings not reloaded: %s", error);
		return;
	}
	if (settings_equal(&fresh, &k->settings)) {
		log_info("settings unchanged");
		settings_fini(&fresh);
		return;
	}
	pools = calloc(fresh.conf->npools, sizeof(*pools));
	fd = settings_open(&fresh);
	if (!pools || fd < 0) {
		log_error("settings not reloaded: %s", strerror(errno));
		free(pools);
		settings_fini(&fresh);
		return;
	}
	conf_needs_restart(k->settings.conf, fresh.conf, names, sizeof(names));
	log_info("settings reloaded%s%s", *names ? ", needs a restart: " : "",
	    names);
	settings_fini(&k->settings);
	free(k->pools);
	k->settings = fresh;
	k->pools = pools;
	f.u.reload.generation = ++k->generation;
	tell(k, &f, &fd, 1);
	trim();
}

/* SIGTERM: once politely, the second time at once. */
static void
drain(struct keeper *k)
{
	struct frame f = { .kind = FRAME_DRAIN };

	if (k->state == KEEPER_ENDING)
		return;
	if (k->state == KEEPER_DRAINING) {
		k->deadline_ms = now_ms();
	} else if (!k->master) {
		end(k, 0);
	} else {
		log_info("draining");
		k->state = KEEPER_DRAINING;
		k->deadline_ms = now_ms() + DRAIN_MARGIN_MS +
		    k->settings.conf->drain_s * 1000;
		tell(k, &f, NULL, 0);
	}
}

static void
take_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(k);
		else if (info.ssi_signo == SIGHUP)
			reload(k);
		else
			drain(k);
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
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);	/* ignored, it would reap for us */
	signal(SIGHUP, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
turn(struct keeper *k)
{
	struct pollfd fds[2] = { { .fd = k->signal_fd, .events = POLLIN } };
	int64_t now = now_ms(), next;

	if (k->state == KEEPER_DRAINING && now >= k->deadline_ms) {
		log_warn("not drained in time: all are killed");
		end(k, 1);
	}
	next = start_due(k, now);
	if (k->state == KEEPER_DRAINING && k->deadline_ms < next)
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
	k->state = KEEPER_STARTING;
	link_init(&k->link);
	k->signal_fd = open_signals();
	k->pools = calloc(k->settings.conf->npools, sizeof(*k->pools));
	if (k->signal_fd < 0 || !k->pools ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		log_error("cannot start: %s", strerror(errno));
		end(k, 1);
	}
	while (k->state != KEEPER_ENDING || k->master || k->workers)
		turn(k);
	link_close(&k->link);
	free(k->pools);
	if (k->signal_fd >= 0)
		close(k->signal_fd);
	return k->exit_status;
}
