/*
 * keeper_start - master and workers are exec'ed.
 */
#include "daemon/launcher/keeper_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/log.h"
#include "daemon/role.h"
#include "ipc/sock.h"

#define STATUS_MS	10000	/* between two lines about the master */

/* argv of a role, which has one option of its own; NULL: without it. */
static void
role_argv(const struct keeper *k, char *argv[6], char *program, char *option,
    char *value)
{
	int n = 0;

	argv[n++] = program;
	if (k->foreground)
		argv[n++] = "-f";
	if (k->debug)
		argv[n++] = "-d";
	if (value) {
		argv[n++] = option;
		argv[n++] = value;
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

/* A watchdog is fed four times before it bites; else it is for the status. */
static long long
alive_ms(const struct notify *n)
{
	long long ms = n->watchdog_ms ? n->watchdog_ms / 4 : STATUS_MS;

	return ms < STATUS_MS ? ms : STATUS_MS;
}

static void
start_master(struct keeper *k)
{
	char *argv[6], alive[24] = "";
	struct spawn s = {
		.program = ROLE_MASTER_PROGRAM, .argv = argv,
		.fds = { -1, -1, k->places.listen.fd, k->places.control.fd },
		.nfds = k->places.control.fd >= 0 ? 4 : 3,
		.user = k->user, .bare = true, .mask = 077,
	};
	int peer;

	if (notify_wanted(&k->notify))
		snprintf(alive, sizeof(alive), "%lld", alive_ms(&k->notify));
	role_argv(k, argv, ROLE_MASTER_PROGRAM, "-a", *alive ? alive : NULL);
	keeper_take_heir(k);
	k->master_started_ms = keeper_now_ms();
	k->master = spawn_role(k, &s, &peer);
	k->master_ready = k->left_backlog = false;
	if (k->master > 0) {
		/* The settings that it was handed are its first. */
		k->generation = 0;
		memset(k->pools, 0,
		    k->settings.conf->npools * sizeof(*k->pools));
		link_open(&k->link, peer);
		log_info("master-started pid=%ld", (long)k->master);
		if (k->state == KEEPER_DRAINING)
			keeper_send_drain(k);
		return;
	}
	k->master = 0;
	log_error("start-failed program=%s error=%m", ROLE_MASTER_PROGRAM);
	backoff_died(&k->master_backoff, k->master_started_ms, keeper_now_ms());
	if (k->state != KEEPER_SERVING)
		keeper_end(k, 1);
}

/* Execs a worker with this slate and this end of its jobs. */
static pid_t
spawn_worker_with(struct keeper *k, struct keeper_worker *w, int slate,
    int jobs, int *peer)
{
	char *argv[6], pool[16];
	struct spawn s = {
		.program = ROLE_WORKER_PROGRAM, .argv = argv,
		.fds = { -1, -1, slate, jobs }, .nfds = 4,
		.user = k->run_as, .yields = true, .mask = 022,
		.death_signal = SIGTERM,
	};
	int saved;
	pid_t pid;

	if (slate_map_reader(&w->slate, slate) < 0)
		return -1;
	snprintf(pool, sizeof(pool), "%u", w->pool);
	role_argv(k, argv, ROLE_WORKER_PROGRAM, "-p", pool);
	pid = spawn_role(k, &s, peer);
	saved = errno;
	if (pid < 0)
		slate_unmap(&w->slate);
	errno = saved;
	return pid;
}

/* pid, or -1; what FRAME_SPAWNED carries in fds. */
static pid_t
spawn_worker(struct keeper *k, struct keeper_worker *w, int fds[3])
{
	int jobs[2], saved;
	pid_t pid = -1;

	fds[1] = slate_create((unsigned int)k->settings.conf->threads);
	if (fds[1] < 0)
		return -1;
	if (sock_pair(jobs) == 0) {
		pid = spawn_worker_with(k, w, fds[1], jobs[1], &fds[0]);
		saved = errno;
		close(jobs[1]);
		if (pid < 0)
			close(jobs[0]);
		errno = saved;
		fds[2] = jobs[0];
	}
	if (pid < 0) {
		saved = errno;
		close(fds[1]);
		errno = saved;
	}
	return pid;
}

static void
start_worker(struct keeper *k, struct keeper_worker *w)
{
	struct frame f = { .kind = FRAME_SPAWNED };
	pid_t pid = -1;
	int fds[3];

	w->started_ms = keeper_now_ms();
	if (w->generation != k->generation) {
		errno = ESTALE;		/* that pool was another one's number */
	} else {
		pid = spawn_worker(k, w, fds);
		if (pid < 0) {
			log_error("start-failed program=%s error=%m",
			    ROLE_WORKER_PROGRAM);
			backoff_died(&k->pools[w->pool], w->started_ms, keeper_now_ms());
		}
	}
	if (pid < 0) {
		keeper_tell_died(k, w, -1, errno);
		keeper_drop_worker(k, &w);
		return;
	}
	w->pid = pid;
	log_debug("worker-started worker=%u pool=%u pid=%ld", w->number,
	    w->pool, (long)pid);
	f.u.spawned.worker = w->number;
	f.u.spawned.pid = (int32_t)pid;
	keeper_tell(k, &f, fds, 3);
}

/* Starts who has waited long enough; gives the time of the next one. */
int64_t
keeper_start_due(struct keeper *k, int64_t now)
{
	struct keeper_worker *w, *next;
	int64_t due, soonest = INT64_MAX;
	bool alone = !k->master && !k->workers;

	if (k->state != KEEPER_ENDING && alone) {
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
